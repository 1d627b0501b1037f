//! The local state in SQLite: source objects, links, pending marks, watermarks, outcomes.

//! What the rest of the core speaks of: ids, values, source objects, links and completeness.

//! Desired against current: the typed list of changes a cycle would make.

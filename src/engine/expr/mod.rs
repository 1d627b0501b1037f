//! The expression language of attribute mappings: parsed and checked once per job, evaluated per object.

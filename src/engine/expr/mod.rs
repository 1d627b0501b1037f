//! The expression language of attribute mappings: parsed and checked once per job, evaluated per object.

/// A role of the application as mappings see it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AppRole {
    pub(crate) id: String,
    pub(crate) value: Option<String>,
    pub(crate) display_name: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Expression;

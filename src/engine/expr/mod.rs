//! The expression language of attribute mappings: parsed and checked once per job, evaluated per object.
use crate::engine::model::Value;
use std::collections::BTreeSet;

/// A role of the application as mappings see it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AppRole {
    pub(crate) id: String,
    pub(crate) value: Option<String>,
    pub(crate) display_name: String,
}
pub(crate) trait Lookup {
    fn value(&self, name: &str) -> Option<&Value>;
}
pub(crate) struct Input<'a> {
    pub(crate) attributes: &'a dyn Lookup,
    pub(crate) roles: &'a [AppRole],
    pub(crate) now: chrono::NaiveDateTime,
    pub(crate) random: &'a dyn Fn() -> u64,
    pub(crate) default_domain: Option<&'a str>,
    pub(crate) taken: &'a dyn Fn(&str) -> bool,
}
pub(crate) enum Flow {
    Value(Value),
    Null,
    IgnoreAttribute,
    IgnoreObject,
}
#[derive(Debug)]
pub(crate) struct Error;
impl std::fmt::Display for Error {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}
#[derive(Clone, Debug)]
pub(crate) struct Expression;
impl Expression {
    pub(crate) fn attributes(&self) -> BTreeSet<&str> {
        BTreeSet::new()
    }
    pub(crate) fn evaluate(&self, _: &Input<'_>) -> Result<Flow, Error> {
        Ok(Flow::Null)
    }
}

//! A source object and a job's mappings make the attributes that the target should have.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::expr::{self, AppRole, Expression};
use super::model::{MatchKey, ObjectKind, SourceId, SourceObject, TargetPath, TargetType, Value};

/// One target attribute fed by a source attribute, a constant or an expression.
#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    pub(crate) target: TargetPath,
    pub(crate) source: Source,
    /// Used when the source is null.
    pub(crate) default: Option<Value>,
    /// Matching precedence: lower is tried first; `None` for an attribute that does not match.
    pub(crate) matching: Option<u32>,
    pub(crate) apply: Apply,
    pub(crate) on_empty: OnEmpty,
    pub(crate) target_type: TargetType,
    pub(crate) multi_valued: bool,
    /// Whether a difference in case alone is a change.
    pub(crate) case_exact: bool,
    /// Without a value the object cannot be provisioned.
    pub(crate) required: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A source attribute by its Graph name, or one of the computed names.
    Attribute(String),
    Constant(Value),
    Expression(Box<Expression>),
    /// Nothing flows; the target attribute gets the default on create and is then left alone.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Apply {
    Always,
    OnCreate,
}

/// What happens to the target's value when the source's becomes null (product rule 14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnEmpty {
    Clear,
    Keep,
    Default,
    Fail,
}

/// A mapping that could not be evaluated for one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AttributeError {
    pub(crate) target: TargetPath,
    /// What failed, and what to do: "the source value is a list, the target takes one value".
    pub(crate) message: String,
}

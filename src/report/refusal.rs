//! Why the target would refuse an action, and what to do about it.

use super::sentence::{clean, name};
use super::view::Names;
use crate::engine::predict::Problem;

/// A sentence without a full stop.
pub(super) fn why_refused(problem: &Problem, names: Names<'_>) -> String {
    match problem {
        Problem::Missing { attribute } => {
            format!(
                "the target requires {} and would get no value",
                clean(attribute)
            )
        }
        Problem::ReadOnly { path } => format!("the target reports {path} as read-only"),
        Problem::WrongType { path, takes } => {
            format!("the target takes {} for {path}", takes.as_str())
        }
        Problem::Duplicate { path, other } => format!(
            "{} gets the same {path}, which the target holds once",
            name(&names.label(*other))
        ),
        Problem::Taken { path, by } => format!(
            "another object of the target (id {}) has this {path}, which the target holds once",
            clean(by.as_str())
        ),
        Problem::Before { message } => {
            format!("the target refused the same before: {}", clean(message))
        }
    }
}

/// What to do, as a sentence without a full stop.
pub(super) fn remedy(problem: &Problem) -> String {
    match problem {
        Problem::Missing { attribute } => format!(
            "give the user or group a value in Entra, or map {} with a default",
            clean(attribute)
        ),
        Problem::ReadOnly { path } => format!("remove the mapping of {path}"),
        Problem::WrongType { path, .. } => {
            format!("map {path} by an expression or type that gives it")
        }
        Problem::Duplicate { path, .. } => {
            format!(
                "change the value of one of them in Entra, or map {path} with SelectUniqueValue"
            )
        }
        Problem::Taken { path, .. } => format!(
            "match by {path}, or link the two (entrain links relink), or change one of the values"
        ),
        Problem::Before { .. } => {
            "change what the target names, or ask its operator; entrain escrow list shows all"
                .to_owned()
        }
    }
}

//! Why the target would refuse an action, and what to do about it.

use super::command::command;
use super::sentence::{clean, name};
use super::view::{Names, PlanView, Predicted};
use crate::engine::predict::{Problem, Refusal};

/// What a plan predicts, to be saved with it.
pub(crate) fn predicted(view: &PlanView<'_>) -> Predicted {
    let mut predicted = Predicted::new();
    for refusal in view.refusals {
        let Refusal {
            subject,
            target: _,
            action,
            problem,
        } = refusal;
        let why = why_refused(problem, Names::Rows(view.rows));
        let key = (subject.kind, subject.id.clone(), (*action).to_owned());
        predicted.entry(key).or_insert(why);
    }
    predicted
}

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
            "{} gets the same {path}, which must be unique in the target",
            name(&names.label(*other))
        ),
        Problem::Taken { path, by } => format!(
            "another object of the target (id {}) has this {path}, which must be unique in the target",
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
            format!("map {path} with an expression or type that returns it")
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
            let list = command("escrow list JOB");
            format!(
                "change the value that the target mentions, or ask its operator; to see all: {list}"
            )
        }
    }
}

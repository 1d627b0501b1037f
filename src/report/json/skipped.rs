//! What a plan does nothing about, and why not.

use serde_json::{Map, Value as Json, json};

use super::value::{key_json, path_json, subject_json};
use super::why::{filters_json, filters_of_removal_json};
use crate::engine::mapping::AttributeError;
use crate::engine::model::TargetId;
use crate::engine::plan::{Skipped, Why};
use crate::engine::redact::Shown;
use crate::report::sentence;
use crate::report::view::Names;

/// What is compared of two plans.
pub(crate) fn canonical_skip(skipped: &Shown<'_, Skipped>, names: Names<'_>) -> String {
    skipped_json(skipped, names).to_string()
}

pub(in crate::report) fn skipped_json(skipped: &Shown<'_, Skipped>, names: Names<'_>) -> Json {
    let Skipped { subject, why } = &**skipped;
    let mut object = Map::new();
    let mut set = |name: &str, value: Json| object.insert(name.to_owned(), value);
    set("subject", subject_json(subject));
    set("reason", json!(why.word()));
    set("failure", json!(why.is_failure()));
    set("text", json!(sentence::why(why, subject.kind, names)));
    match why {
        Why::OutOfScope(out) => {
            set("detail", json!(out.as_str()));
            if let Some(filters) = filters_json(out) {
                set("filters", filters);
            }
        }
        Why::Kept(removed) | Why::CannotDisable(removed) | Why::IncompleteRead(removed) => {
            set("detail", json!(removed.as_str()));
            if let Some(filters) = filters_of_removal_json(removed) {
                set("filters", filters);
            }
        }
        Why::NotAllowed(verb) => {
            set("detail", json!(sentence::verb_word(*verb)));
        }
        Why::Ambiguous { key, targets } => {
            set("key", key_json(key));
            set("targets", targets.iter().map(TargetId::as_str).collect());
        }
        Why::OldAddress { key, target } => {
            set("key", key_json(key));
            set("targets", json!([target.as_str()]));
        }
        Why::Taken { key, target, by } => {
            set("key", key_json(key));
            set("targets", json!([target.as_str()]));
            set("by", json!(names.referenced(*by).0));
        }
        Why::NameKept { by } => {
            set("by", json!(names.referenced(*by).0));
        }
        Why::DuplicateSource { key, other } => {
            set("key", key_json(key));
            set("by", json!(names.referenced(*other).0));
        }
        Why::MappingFailed(errors) => {
            let errors = errors.iter().map(|AttributeError { target, message }| {
                json!({ "path": path_json(target), "message": message })
            });
            set("errors", errors.collect());
        }
        Why::LookupFailed(_)
        | Why::NeverDisabled
        | Why::NotCreatedHere
        | Why::FirstCycle(_)
        | Why::DeletesWait
        | Why::EnabledSince
        | Why::NoMember
        | Why::BlockedNotCreated
        | Why::NoMatchingValue
        | Why::IgnoredByMapping => {}
    }
    Json::Object(object)
}

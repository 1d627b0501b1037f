//! The reasons for removals and for holding them back. Their words are part of the format.

use serde_json::{Map, Value as Json, json};

use super::value::count_json;
use crate::engine::filter::ClauseFailure;
use crate::engine::guard::WhyHeld;
use crate::engine::plan::{WhyOut, WhyRemoved};
use crate::report::sentence;

/// The clause that failed in each scoping filter; `None` where no filter kept the object out.
pub(super) fn filters_json(why: &WhyOut) -> Option<Json> {
    let WhyOut::Filter(failures) = why else {
        return None;
    };
    let failures = failures.iter().map(|failure| {
        let ClauseFailure {
            number,
            name,
            attribute: _,
            clause,
            value,
        } = failure;
        json!({ "number": number, "name": name, "clause": clause, "value": value })
    });
    Some(failures.collect())
}

/// Like [`filters_json`], for whom a filter takes out.
pub(super) fn filters_of_removal_json(why: &WhyRemoved) -> Option<Json> {
    match why {
        WhyRemoved::OutOfScope(out) => filters_json(out),
        WhyRemoved::Blocked
        | WhyRemoved::Mapping
        | WhyRemoved::SoftDeleted
        | WhyRemoved::Deleted
        | WhyRemoved::Missing => None,
    }
}

/// The first reason, and all of them in `reasons`.
pub(super) fn why_held_json(why: &[WhyHeld]) -> Map<String, Json> {
    let mut object = why.first().map(|why| reason_json(*why)).unwrap_or_default();
    let reasons = why.iter().map(|why| Json::Object(reason_json(*why)));
    object.insert("reasons".to_owned(), reasons.collect());
    object
}

fn reason_json(why: WhyHeld) -> Map<String, Json> {
    let text = json!(sentence::why_held(why));
    let fields = match why {
        WhyHeld::TooMany {
            counted,
            planned,
            recent,
            limit,
        } => vec![
            ("reason", json!("too-many-deletions")),
            ("counted", json!(counted.as_str())),
            ("planned", json!(planned)),
            ("recent", json!(recent)),
            ("limit", json!(limit)),
        ],
        WhyHeld::EmptiedScope { kind, linked, by } => vec![
            ("reason", json!("emptied-scope")),
            ("kind", json!(kind.to_string())),
            ("linked", count_json(linked)),
            ("by", json!(by.as_str())),
        ],
        WhyHeld::ShrunkGroups { groups } => vec![
            ("reason", json!("shrunk-groups")),
            ("groups", json!(groups)),
        ],
        WhyHeld::ShrunkSource { kind, before, now } => vec![
            ("reason", json!("shrunk-source")),
            ("kind", json!(kind.to_string())),
            ("before", json!(before)),
            ("now", json!(now)),
        ],
        WhyHeld::TooFewActive {
            planned,
            active,
            least,
        } => vec![
            ("reason", json!("too-few-active")),
            ("planned", json!(planned)),
            ("active", json!(active)),
            ("least", json!(least)),
        ],
        WhyHeld::TooFewMembers { groups } => vec![
            ("reason", json!("too-few-members")),
            ("groups", json!(groups)),
        ],
        WhyHeld::TooManyCreations {
            planned,
            recent,
            limit,
        } => vec![
            ("reason", json!("too-many-creations")),
            ("planned", json!(planned)),
            ("recent", json!(recent)),
            ("limit", json!(limit)),
        ],
        WhyHeld::Undecided => vec![("reason", json!("undecided"))],
        WhyHeld::GoneAtOnce { objects } => vec![
            ("reason", json!("gone-at-once")),
            ("objects", json!(objects)),
        ],
        WhyHeld::Unproven { objects } => {
            vec![("reason", json!("unproven")), ("objects", json!(objects))]
        }
        WhyHeld::ApplicationChanged => vec![("reason", json!("application-changed"))],
    };
    let fields = fields.into_iter().chain([("text", text)]);
    fields
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

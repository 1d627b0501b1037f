//! The reasons for removals and for holding them back. Their words are part of the format.

use serde_json::{Map, Value as Json, json};

use super::value::count_json;
use crate::engine::filter::ClauseFailure;
use crate::engine::guard::WhyHeld;
use crate::engine::plan::{WhyOut, WhyRemoved};
use crate::report::sentence;

pub(super) fn why_removed_word(why: &WhyRemoved) -> &'static str {
    match why {
        WhyRemoved::OutOfScope(out) => why_out_word(out),
        WhyRemoved::Blocked => "blocked",
        WhyRemoved::SoftDeleted => "soft-deleted",
        WhyRemoved::Deleted => "deleted",
        WhyRemoved::Missing => "missing",
    }
}

pub(super) fn why_out_word(why: &WhyOut) -> &'static str {
    match why {
        WhyOut::NotAssigned => "not-assigned",
        WhyOut::NotSecurityEnabled => "not-security-enabled",
        WhyOut::SecurityNotRead => "security-not-read",
        WhyOut::NotNamed => "not-named",
        WhyOut::DefaultAccessOnly => "default-access-only",
        WhyOut::Excluded => "excluded",
        WhyOut::Filter(_) => "filter",
        WhyOut::KindDisabled => "kind-disabled",
    }
}

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
        | WhyRemoved::SoftDeleted
        | WhyRemoved::Deleted
        | WhyRemoved::Missing => None,
    }
}

pub(super) fn why_held_json(why: WhyHeld) -> Map<String, Json> {
    let text = json!(sentence::why_held(why));
    let fields = match why {
        WhyHeld::TooManyDeletions { planned, limit } => vec![
            ("reason", json!("too-many-deletions")),
            ("planned", json!(planned)),
            ("limit", json!(limit)),
        ],
        WhyHeld::EmptiedScope { linked } => vec![
            ("reason", json!("emptied-scope")),
            ("linked", count_json(linked)),
        ],
    };
    let fields = fields.into_iter().chain([("text", text)]);
    fields
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

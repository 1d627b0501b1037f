//! What a target reports of itself, and the mappings that do not fit it.

use super::sentence::clean;
use crate::engine::capabilities::{Capabilities, Learned, Remark};

/// In one line.
pub(crate) fn capabilities(capabilities: &Capabilities) -> String {
    let Capabilities {
        patch,
        filter,
        bulk,
        max_operations,
        max_payload: _,
        etag,
        max_results,
        groups,
        schemas,
    } = capabilities;
    let mut words = Vec::new();
    for (what, supported) in [
        ("PATCH", patch),
        ("filters", filter),
        ("bulk", bulk),
        ("ETags", etag),
        ("groups", groups),
    ] {
        words.extend(supported.map(|yes| format!("{}{what}", if yes { "" } else { "no " })));
        if let ("bulk", Some(true), Some(most)) = (what, supported, max_operations) {
            words.push(format!("at most {most} operations in a bulk request"));
        }
    }
    words.extend(max_results.map(|most| format!("at most {most} in a page")));
    if !schemas.is_empty() {
        words.push("schemas".to_owned());
    }
    if words.is_empty() {
        "nothing about its capabilities; PATCH and filters are assumed".to_owned()
    } else {
        words.join(", ")
    }
}

/// What it is about, and what was seen.
pub(crate) fn learned(learned: &Learned) -> (String, String) {
    let (what, seen) = match learned {
        Learned::AdditionsWork => ("additions of members", "have an effect".to_owned()),
        Learned::OthersStay => (
            "additions of members",
            "leave the members that were there".to_owned(),
        ),
        Learned::RemovalsWork { form } => (
            "removals of members",
            format!("take out only the requested members ({})", clean(form)),
        ),
        Learned::MembersHidden => (
            "members",
            "are not shown, so additions and removals cannot be verified".to_owned(),
        ),
        Learned::UsersNotDeleted { evidence } => (
            "users",
            format!("are disabled instead of deleted; {}", clean(evidence)),
        ),
        Learned::GroupsNotDeleted { evidence } => (
            "groups",
            format!("are emptied instead of deleted; {}", clean(evidence)),
        ),
        Learned::Form {
            knob,
            word,
            evidence,
        } => (
            knob.as_str(),
            format!("{:?}; {}", clean(word), clean(evidence)),
        ),
    };
    (what.to_owned(), seen)
}

pub(crate) fn remark(remark: &Remark) -> String {
    match remark {
        Remark::ReadOnly { kind, path } => format!(
            "{} of {kind}s is read-only according to the target's schema",
            clean(&path.to_string())
        ),
        Remark::Unknown { kind, path } => format!(
            "{} of {kind}s is not in the target's schema",
            clean(&path.to_string())
        ),
        Remark::Missing { kind, attribute } => format!(
            "the target requires {} of {kind}s, but no mapping writes it",
            clean(attribute)
        ),
        Remark::Rewritten { kind, path } => format!(
            "the target makes {} of {kind}s itself, so that its value is not compared with what was written",
            clean(&path.to_string())
        ),
    }
}

pub(crate) fn remark_remedy(remark: &Remark) -> &'static str {
    match remark {
        Remark::ReadOnly { .. } | Remark::Unknown { .. } => {
            "if the target refuses it, write target.schema = \"trust\", or remove the mapping \
             (remove = true)"
        }
        Remark::Missing { .. } => "add a mapping for it",
        Remark::Rewritten { .. } => {
            "remove the mapping (remove = true), or let it make the same value as the target"
        }
    }
}

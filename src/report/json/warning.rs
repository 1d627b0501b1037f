//! What a plan warns of.

use serde_json::{Value as Json, json};

use super::value::subject_json;
use crate::engine::capabilities::Remark;
use crate::engine::plan::{Strangers, Warning};
use crate::report::sentence;

pub(super) fn warnings_json(warnings: &[Warning]) -> Json {
    warnings.iter().map(warning_json).collect()
}

fn warning_json(warning: &Warning) -> Json {
    match warning {
        Warning::SeveralGroups {
            person: subject,
            groups,
        }
        | Warning::NestedMembers {
            group: subject,
            members: groups,
        } => {
            let groups: Vec<Json> = groups.iter().map(subject_json).collect();
            json!({
                "reason": warning.word(),
                "subject": subject_json(subject),
                "groups": groups,
                "text": sentence::warning(warning),
            })
        }
        Warning::Misfit(remark) => {
            let (kind, attribute) = match remark {
                Remark::ReadOnly { kind, path } | Remark::Unknown { kind, path } => {
                    (kind, path.to_string())
                }
                Remark::Missing { kind, attribute } => (kind, attribute.clone()),
            };
            json!({
                "reason": warning.word(),
                "kind": kind.to_string(),
                "attribute": attribute,
                "text": sentence::warning(warning),
            })
        }
        Warning::MatchedAnew { subject, target } => json!({
            "reason": warning.word(),
            "subject": subject_json(subject),
            "target": target.as_str(),
            "text": sentence::warning(warning),
        }),
    }
}

/// Active accounts of no user in scope.
pub(super) fn strangers_json(strangers: &Strangers) -> Json {
    let Strangers { count, first } = strangers;
    let accounts = first.iter();
    let accounts: Vec<Json> = accounts
        .map(|(id, name)| json!({ "id": id.as_str(), "name": name }))
        .collect();
    json!({ "count": count, "accounts": accounts, "text": sentence::strangers(strangers) })
}

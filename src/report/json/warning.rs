//! What a plan warns of.

use serde_json::{Map, Value as Json, json};

use super::value::{subject_json, time_json, value_json};
use crate::engine::capabilities::Remark;
use crate::engine::plan::{Difference, Drift, Drifted, Strangers, Warning};
use crate::engine::quarantine::Quarantine;
use crate::engine::record::Staged;
use crate::report::{drift, sentence};

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
                Remark::ReadOnly { kind, path }
                | Remark::Unknown { kind, path }
                | Remark::Rewritten { kind, path } => (kind, path.to_string()),
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
        Warning::Quarantine(quarantine) => {
            let mut object = quarantine_json(quarantine);
            object.insert("reason".to_owned(), json!(warning.word()));
            object.insert("text".to_owned(), json!(sentence::warning(warning)));
            Json::Object(object)
        }
        Warning::ClocksDiffer { ahead } => json!({
            "reason": warning.word(),
            "ahead_seconds": ahead.num_seconds(),
            "text": sentence::warning(warning),
        }),
        Warning::Drift(drifted) => {
            let mut object = drift_json(drifted);
            object.insert("reason".to_owned(), json!(warning.word()));
            object.insert("text".to_owned(), json!(sentence::warning(warning)));
            Json::Object(object)
        }
    }
}

/// Since when a job is in quarantine, why, and when creates and updates are tried again.
pub(super) fn quarantine_json(quarantine: &Quarantine) -> Map<String, Json> {
    let Quarantine {
        since,
        cause,
        reason,
        tried: _,
    } = quarantine;
    let mut object = Map::new();
    object.insert("since".to_owned(), time_json(*since));
    object.insert("kind".to_owned(), json!(cause.as_str()));
    object.insert("cause".to_owned(), json!(reason));
    let next = quarantine.next_try().map(time_json);
    object.insert("next_try".to_owned(), json!(next));
    object
}

/// Accounts that are deleted some time after they were disabled.
pub(super) fn staged_json(staged: &Staged) -> Json {
    let Staged {
        after,
        waiting,
        first,
        enabled,
    } = staged;
    json!({
        "after_seconds": after.as_secs(),
        "waiting": waiting,
        "first": first.map(time_json),
        "enabled_since": enabled.iter().map(subject_json).collect::<Json>(),
    })
}

/// What the target holds of an object instead of what was last written.
pub(super) fn drift_json(drifted: &Drifted) -> Map<String, Json> {
    let Drifted {
        subject,
        target,
        drift: what,
    } = drifted;
    let differences: &[Difference] = match what {
        Drift::Gone => &[],
        Drift::Differs(differences) => differences,
    };
    let differences = differences.iter().map(|difference| {
        let Difference {
            path,
            sent,
            held,
            remedy,
        } = difference;
        json!({
            "attribute": path.to_string(),
            "written": sent.as_ref().map(value_json),
            "held": held.as_ref().map(value_json),
            "remedy": drift::remedy_word(*remedy),
        })
    });
    let fields = [
        ("subject", subject_json(subject)),
        ("target", json!(target.as_str())),
        ("gone", json!(*what == Drift::Gone)),
        ("differences", differences.collect()),
    ];
    let fields = fields.into_iter();
    fields
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
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

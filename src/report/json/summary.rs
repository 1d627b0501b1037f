//! What one cycle did.

use serde_json::{Value as Json, json};

use super::misnamed::misnamed_json;
use super::value::{count_json, requests_json, subject_json, time_json};
use super::warning::{drift_json, strangers_json, warnings_json};
use super::why::why_held_json;
use crate::engine::outcome::Failure;
use crate::engine::summary::{FailedObject, HeldRemovals, ReadBack, Summary};
use crate::report::sentence;

pub(super) fn summary_json(summary: &Summary) -> Json {
    let Summary {
        job,
        cycle,
        kind,
        started,
        duration_ms,
        evaluated,
        in_scope,
        linked,
        done,
        skipped,
        failures,
        failed,
        not_tried,
        warnings,
        strangers,
        held,
        incomplete,
        misnamed,
        aborted,
        stopped,
        requests,
    } = summary;
    let failures = failures.iter().map(|failed| {
        let FailedObject {
            subject,
            action,
            failure:
                Failure {
                    class,
                    http_status,
                    message,
                    unconfirmed,
                },
        } = failed;
        json!({
            "subject": subject_json(subject),
            "action": action,
            "class": class.word(),
            "http_status": http_status,
            "message": message,
            "unconfirmed": unconfirmed,
        })
    });
    json!({
        "job": job.as_str(),
        "cycle": cycle,
        "kind": sentence::cycle_kind(*kind),
        "started": time_json(*started),
        "duration_ms": duration_ms,
        "evaluated": count_json(*evaluated),
        "in_scope": count_json(*in_scope),
        "linked": count_json(*linked),
        "done": done,
        "skipped": skipped,
        "failed": failed,
        "not_tried": not_tried,
        "failures": failures.collect::<Vec<_>>(),
        "warnings": warnings_json(warnings),
        "strangers": strangers.as_ref().map(strangers_json),
        "held": held.as_ref().map(|HeldRemovals { why, removals }| {
            let mut object = why_held_json(why);
            object.insert("removals".to_owned(), json!(removals));
            object
        }),
        "incomplete": incomplete,
        "misnamed": misnamed_json(misnamed),
        "aborted": aborted,
        "stopped": stopped,
        "requests": requests_json(*requests),
    })
}

/// What the target holds of the objects that the cycle changed.
pub(super) fn read_back_json(read: &ReadBack) -> Json {
    let ReadBack {
        objects,
        unread,
        differing,
        left,
    } = read;
    json!({
        "objects": objects,
        "unread": unread,
        "differing": differing.iter().map(drift_json).map(Json::Object).collect::<Json>(),
        "not_deleted": left.iter().map(subject_json).collect::<Json>(),
    })
}

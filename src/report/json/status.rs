//! The state of one job, and its last cycle.

use serde_json::{Value as Json, json};

use super::value::{count_json, requests_json, subject_json, time_json};
use super::why::why_held_json;
use crate::report::sentence;
use crate::report::view::{CycleView, EscrowView, HeldView, JobView};

pub(super) fn status_json(view: &JobView) -> Json {
    let JobView {
        job,
        enabled,
        linked,
        pending,
        in_escrow,
        escrow,
        held,
        last,
        next,
        full_evaluation,
    } = view;
    let escrow = escrow.iter().map(|entry| {
        let EscrowView {
            subject,
            action,
            attempts,
            first_failed,
            last_failed,
            message,
        } = entry;
        json!({
            "subject": subject_json(subject),
            "action": action,
            "attempts": attempts,
            "first_failed": time_json(*first_failed),
            "last_failed": time_json(*last_failed),
            "message": message,
        })
    });
    let held = held.as_ref().map(|held| {
        let HeldView {
            why,
            since,
            removals,
        } = held;
        let mut object = why_held_json(*why);
        object.insert("since".to_owned(), time_json(*since));
        object.insert("removals".to_owned(), json!(removals));
        object
    });
    json!({
        "job": job.as_str(),
        "enabled": enabled,
        "linked": count_json(*linked),
        "pending": count_json(*pending),
        "in_escrow": count_json(*in_escrow),
        "escrow": escrow.collect::<Vec<_>>(),
        "held": held,
        "last_cycle": last.as_ref().map(cycle_json),
        "next": next.map(time_json),
        "full_evaluation": full_evaluation,
    })
}

fn cycle_json(cycle: &CycleView) -> Json {
    let CycleView {
        number,
        kind,
        state,
        started,
        finished,
        duration_ms,
        evaluated,
        in_scope,
        done,
        skipped,
        failed,
        not_tried,
        requests,
        incomplete,
        error,
    } = cycle;
    json!({
        "cycle": number,
        "kind": sentence::cycle_kind(*kind),
        "state": state,
        "started": time_json(*started),
        "finished": finished.map(time_json),
        "duration_ms": duration_ms,
        "evaluated": count_json(*evaluated),
        "in_scope": count_json(*in_scope),
        "done": done,
        "skipped": skipped,
        "failed": failed,
        "not_tried": not_tried,
        "requests": requests_json(*requests),
        "incomplete": incomplete,
        "error": error,
    })
}

//! The state of one job, and its last cycle.

use serde_json::{Value as Json, json};

use super::approval::removal_json;
use super::value::{count_json, requests_json, subject_json, time_json};
use super::warning::{quarantine_json, staged_json};
use super::why::why_held_json;
use crate::engine::denial::{Denial, DeniedSource};
use crate::engine::model::JobName;
use crate::engine::notice::Waiting;
use crate::engine::record::{CycleRecord, Escrowed, JobRecord};
use crate::engine::strategy::{Choice, Cost, SourceReading, Strategy};
use crate::report::operator::remedy;
use crate::report::sentence;
use crate::report::view::JobStatus;

pub(super) fn status_json(status: &JobStatus) -> Json {
    let JobStatus {
        job,
        enabled,
        next,
        retries,
        record:
            JobRecord {
                full_evaluation,
                cycles,
                linked,
                pending,
                in_escrow,
                escrow,
                held,
                paused,
                quarantine,
                staged,
                compared,
                approved,
                rejected,
            },
    } = status;
    let escrow = escrow.iter().map(|entry| {
        let Escrowed {
            subject,
            action,
            first_failed,
            last_failed,
            attempts,
            class: _,
            http_status: _,
            message,
            changed: _,
        } = entry;
        json!({
            "subject": subject_json(subject),
            "action": action,
            "attempts": attempts,
            "first_failed": time_json(*first_failed),
            "last_failed": time_json(*last_failed),
            "message": message,
            "next_try": retries.and_then(|first| entry.next_try(first)).map(time_json),
            "remedy": remedy(entry),
        })
    });
    let held = held.as_ref().map(|held| {
        let mut object = why_held_json(&held.why);
        object.insert("since".to_owned(), time_json(held.since));
        object.insert("cycle".to_owned(), json!(held.cycle));
        object.insert("removals".to_owned(), json!(held.by_action()));
        let list = held.removals.iter().map(removal_json);
        object.insert("list".to_owned(), list.collect());
        object
    });
    json!({
        "job": job.as_str(),
        "enabled": enabled,
        "paused": paused.as_ref().map(|paused| {
            json!({ "since": time_json(paused.since), "by": paused.by })
        }),
        "quarantine": quarantine.as_ref().map(quarantine_json),
        "staged": staged.as_ref().map(staged_json),
        "compared": compared.map(time_json),
        "linked": count_json(*linked),
        "pending": count_json(*pending),
        "in_escrow": count_json(*in_escrow),
        "escrow": escrow.collect::<Vec<_>>(),
        "held": held,
        "approved": approved.iter().map(removal_json).collect::<Vec<_>>(),
        "rejected": rejected.iter().map(removal_json).collect::<Vec<_>>(),
        "last_cycle": cycles.first().map(cycle_json),
        "next": next.map(time_json),
        "full_evaluation": full_evaluation,
    })
}

/// How the only source is read and whether it refuses that, and else each of several.
pub(super) fn readings_json(readings: &[SourceReading]) -> (Json, Json, Json) {
    let choice = |one: &SourceReading| json!(one.choice.as_ref().map(reading_json));
    let refused = |one: &SourceReading| json!(one.denied().as_ref().map(denied_json));
    match readings {
        [] => (Json::Null, Json::Null, Json::Null),
        [only] if only.name.is_empty() => (choice(only), refused(only), Json::Null),
        several => {
            let sources = several.iter().map(|one| {
                let SourceReading {
                    name,
                    tenant,
                    choice: _,
                    denied: _,
                } = one;
                json!({
                    "name": name, "tenant": tenant, "reading": choice(one), "refused": refused(one),
                })
            });
            (Json::Null, Json::Null, sources.collect())
        }
    }
}

/// That a source refuses to be read.
fn denied_json(source: &DeniedSource) -> Json {
    let DeniedSource {
        name: _,
        tenant: _,
        since,
        denial: Denial {
            refuses,
            because,
            remedy,
        },
        jobs,
    } = source;
    json!({
        "what": refuses.as_str(),
        "since": time_json(*since),
        "message": because,
        "remedy": remedy,
        "jobs": jobs.iter().map(JobName::as_str).collect::<Vec<_>>(),
    })
}

/// How a source is read.
fn reading_json(choice: &Choice) -> Json {
    let Choice {
        strategy,
        why,
        tenant,
        scope,
        counted,
        recent: _,
    } = choice;
    let requests = |strategy| {
        choice.cost(strategy).map(|cost| {
            let Cost { first, later } = cost;
            json!({ "first": first, "later": later })
        })
    };
    json!({
        "strategy": strategy.as_str(),
        "why": why,
        "requests": {
            Strategy::Whole.as_str(): requests(Strategy::Whole),
            Strategy::InScope.as_str(): requests(Strategy::InScope),
        },
        "tenant": tenant.map(count_json),
        "scope": scope.map(count_json),
        "counted": counted.map(time_json),
    })
}

pub(super) fn waiting_json(waiting: &Waiting) -> Json {
    let Waiting {
        channel,
        messages,
        since,
        error,
        next,
    } = waiting;
    json!({
        "to": channel,
        "waiting": messages,
        "since": time_json(*since),
        "error": error,
        "next": time_json(*next),
    })
}

pub(in crate::report) fn cycle_json(cycle: &CycleRecord) -> Json {
    let CycleRecord {
        number,
        kind,
        state,
        started,
        finished,
        duration_ms,
        evaluated,
        in_scope,
        linked: _,
        done,
        skipped,
        failed,
        not_tried,
        held: _,
        requests,
        incomplete,
        error,
        clock_ahead,
    } = cycle;
    json!({
        "cycle": number,
        "kind": sentence::cycle_kind(*kind),
        "state": state.as_str(),
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
        "clock_ahead_seconds": clock_ahead.map(|ahead| ahead.num_seconds()),
    })
}

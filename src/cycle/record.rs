//! Record: what must be durable before the first write, and what ends a cycle.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::tally::Tally;
use super::{Context, Error};
use crate::engine::guard::{ClearedPlan, Held, Review};
use crate::engine::model::{ObjectKind, SourceId, TargetId};
use crate::engine::names::Misnamed;
use crate::engine::outcome::{Class, Failure};
use crate::engine::plan::{Count, Skipped, Warning, Why};
use crate::engine::summary::{CycleKind, FailedObject, Summary};
use crate::report;
use crate::store::{Evaluated, Evaluation, Horizon, NotPlanned, RequestRecord};

/// What a plan says beside its actions.
pub(super) struct Beside {
    pub(super) scope_changes: Vec<(ObjectKind, SourceId, bool)>,
    pub(super) met_members: Vec<(SourceId, Vec<(SourceId, TargetId)>)>,
    pub(super) waiting: BTreeSet<(ObjectKind, SourceId)>,
    pub(super) complete: bool,
}

impl Beside {
    fn leaving(&self) -> impl Iterator<Item = (ObjectKind, SourceId)> {
        let leaving = self.scope_changes.iter().filter(|(_, _, comes)| !comes);
        leaving.map(|(kind, id, _)| (*kind, id.clone()))
    }
}

/// What stays of a plan while it is carried out.
pub(super) struct Judged {
    beside: Beside,
    skipped: Vec<Skipped>,
    warnings: Vec<Warning>,
    evaluated: Count,
    in_scope: Count,
    incomplete: Option<String>,
    misnamed: Vec<Misnamed>,
    held: Option<Held>,
    horizon: Horizon,
    kind: CycleKind,
}

impl Judged {
    pub(super) fn new(
        review: Review,
        beside: Beside,
        kind: CycleKind,
        horizon: Horizon,
    ) -> (Self, ClearedPlan) {
        let Review { cleared, held } = review;
        let plan = cleared.plan();
        let judged = Self {
            beside,
            skipped: plan.skipped().cloned().collect(),
            warnings: plan.warnings.clone(),
            evaluated: plan.evaluated,
            in_scope: plan.in_scope,
            incomplete: plan.incomplete.clone(),
            misnamed: plan.misnamed.clone(),
            held,
            horizon,
            kind,
        };
        (judged, cleared)
    }
}

/// Makes durable what is about to be tried, so that a crash at any moment leaves a trace of it.
pub(super) fn begin(context: &Context<'_>, cycle: i64, review: &Review) -> Result<(), Error> {
    let job = &context.job.rules.name;
    let actions = review.cleared.plan().actions();
    context.agent.store.begin_apply(job, cycle, actions)?;
    Ok(())
}

/// Puts the requests on record that belong to no action: look-ups and lists (product rule 9).
pub(super) fn reads(context: &Context<'_>, cycle: i64) -> Result<(), Error> {
    let now = (context.agent.now)();
    let reads = context.reader.take_reads().into_iter();
    let records: Vec<RequestRecord> = reads
        .map(|read| RequestRecord {
            at: now,
            method: read.exchange.method.to_string(),
            path: read.exchange.path,
            status: read.exchange.status,
            duration_ms: u64::try_from(read.exchange.elapsed.as_millis()).unwrap_or(u64::MAX),
            object: None,
            error: read.error,
        })
        .collect();
    let job = &context.job.rules.name;
    context.agent.store.record_requests(job, cycle, &records)?;
    Ok(())
}

/// Ends the cycle: what is held, what could not be planned, which marks are done with, and the counts.
pub(super) fn finish(
    context: &Context<'_>,
    cycle: i64,
    started: DateTime<Utc>,
    judged: Judged,
    tally: Tally,
) -> Result<Summary, Error> {
    let Judged {
        beside,
        skipped,
        warnings,
        evaluated,
        in_scope,
        incomplete,
        misnamed,
        held,
        horizon,
        kind,
    } = judged;
    let store = &context.agent.store;
    let job = &context.job.rules.name;
    let now = (context.agent.now)();
    let stopped = context.agent.stop.is_cancelled();

    reads(context, cycle)?;
    let mut unfinished = tally.unfinished;
    let leaving_counts = held.is_none() && beside.complete;
    if !leaving_counts {
        unfinished.extend(beside.leaving());
    }
    note_scope(context, &beside, leaving_counts)?;
    unfinished.extend(beside.waiting);
    for (group, members) in beside.met_members {
        let is_linked = store.target_of(job, ObjectKind::Group, &group)?.is_some();
        if is_linked {
            store.note_members(job, &group, &members.into_iter().collect())?;
        }
    }
    // Removals that an incomplete reading kept from being planned leave no trace in the plan: all
    // marks stay then, and the next complete reading finds them. So they do when one object was
    // asked for alone. Who waits for a name is known, and only their marks stay.
    let everything = beside.complete && context.options.only.is_none();
    match &held {
        Some(held) => store.hold(job, held, now)?,
        None if everything => store.release_hold(job)?,
        None => {}
    }

    let not_planned: Vec<NotPlanned> = skipped
        .iter()
        .filter(|skipped| skipped.why.is_failure())
        .map(|skipped| NotPlanned {
            subject: skipped.subject.clone(),
            message: report::not_planned(&context.redactions.skipped(skipped)),
        })
        .collect();
    store.record_not_planned(job, cycle, &not_planned, now)?;
    for skipped in &skipped {
        if skipped.why.is_failure() || matches!(skipped.why, Why::IncompleteRead(_)) {
            unfinished.insert((skipped.subject.kind, skipped.subject.id.clone()));
        }
    }
    for action in held.iter().flat_map(|held| &held.actions) {
        let subject = &action.subject;
        unfinished.insert((subject.kind, subject.id.clone()));
    }
    let evaluation = Evaluation {
        horizon,
        evaluated: if everything {
            Evaluated::Everything
        } else {
            Evaluated::Only(&[])
        },
        except: &unfinished,
        maps_references: true,
    };
    store.finish_evaluation(job, evaluation)?;

    let mut failures: Vec<FailedObject> = not_planned.into_iter().map(failed_object).collect();
    let failed = tally.failed + failures.len() as u64;
    failures.extend(tally.failures);
    failures.truncate(Summary::MAX_FAILURES);
    let mut skipped_by_word: BTreeMap<&'static str, u64> = BTreeMap::new();
    for skipped in skipped.iter().filter(|skipped| !skipped.why.is_failure()) {
        *skipped_by_word.entry(skipped.why.word()).or_default() += 1;
    }
    let summary = Summary {
        job: job.clone(),
        cycle,
        kind,
        started,
        duration_ms: milliseconds(started, now),
        evaluated,
        in_scope,
        linked: store.link_counts(job)?,
        done: tally.done,
        skipped: skipped_by_word,
        failures,
        failed,
        not_tried: tally.not_tried,
        warnings,
        held: held.map(|held| (held.why, held.actions.len() as u64)),
        incomplete,
        misnamed,
        aborted: tally.aborted,
        stopped,
        requests: context.requests(),
    };
    store.finish_cycle(&summary, now)?;
    Ok(summary)
}

fn failed_object(failed: NotPlanned) -> FailedObject {
    FailedObject {
        subject: failed.subject,
        action: "plan",
        failure: Failure {
            class: Class::Refused,
            http_status: None,
            message: failed.message,
            unconfirmed: false,
        },
    }
}

/// Who leaves scope while removals are held, or by a reading that is not complete, counts as being
/// in it still: or else a scope that is emptied twice would look as if it had been empty before.
fn note_scope(context: &Context<'_>, beside: &Beside, leaving_counts: bool) -> Result<(), Error> {
    for kind in ObjectKind::ALL {
        let changes = beside.scope_changes.iter().filter(|(of, _, _)| *of == kind);
        let verdicts: Vec<(SourceId, bool)> = changes
            .filter(|(_, _, comes)| *comes || leaving_counts)
            .map(|(_, id, in_scope)| (id.clone(), *in_scope))
            .collect();
        let job = &context.job.rules.name;
        context.agent.store.set_scope(job, kind, &verdicts)?;
    }
    Ok(())
}

/// Ends a cycle that was told to stop before its plan was made; nothing was sent.
pub(super) fn stopped(
    context: &Context<'_>,
    cycle: i64,
    started: DateTime<Utc>,
) -> Result<Summary, Error> {
    let store = &context.agent.store;
    let job = &context.job.rules.name;
    let now = (context.agent.now)();
    let summary = Summary {
        job: job.clone(),
        cycle,
        kind: context.kind,
        started,
        duration_ms: milliseconds(started, now),
        evaluated: Count::default(),
        in_scope: Count::default(),
        linked: store.link_counts(job)?,
        done: BTreeMap::new(),
        skipped: BTreeMap::new(),
        failures: Vec::new(),
        failed: 0,
        not_tried: 0,
        warnings: Vec::new(),
        held: None,
        incomplete: None,
        misnamed: Vec::new(),
        aborted: None,
        stopped: true,
        requests: context.requests(),
    };
    store.finish_cycle(&summary, now)?;
    Ok(summary)
}

fn milliseconds(from: DateTime<Utc>, to: DateTime<Utc>) -> u64 {
    u64::try_from(to.signed_duration_since(from).num_milliseconds()).unwrap_or(0)
}

/// Ends a cycle that could not go on.
pub(super) fn failed(context: &Context<'_>, cycle: i64, error: &Error) -> Result<(), Error> {
    reads(context, cycle)?;
    let now = (context.agent.now)();
    let store = &context.agent.store;
    store.fail_cycle(cycle, &error.chain(), context.requests(), now)?;
    Ok(())
}

//! Record: what ends a cycle.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::plan::Outline;
use super::tally::Tally;
use super::workers::Worker;
use super::{Agent, Context, Error, quarantine};
use crate::engine::guard::WhyHeld;
use crate::engine::model::Key;
use crate::engine::outcome::{Class, Failure};
use crate::engine::plan::{Count, Totals, Why};
use crate::engine::quarantine::Pace;
use crate::engine::record::{LoggedRequest, Side};
use crate::engine::summary::{CycleKind, FailedObject, Health, HeldRemovals, Requests, Summary};
use crate::report::{self, Names};
use crate::scim::Exchange;
use crate::store::{Evaluated, Evaluation, MarkCutoff, NotPlanned};

/// What stays of a plan while it is carried out.
pub(super) struct Judged {
    pub(super) kind: CycleKind,
    pub(super) cutoff: MarkCutoff,
    pub(super) outline: Outline,
    pub(super) held: Vec<WhyHeld>,
    pub(super) totals: Totals,
}

impl Judged {
    /// The same with a plan that was made later in the cycle. Its totals are those of the whole.
    pub(super) fn and(self, later: Self) -> Self {
        let mut held = self.held;
        let more = later.held.into_iter();
        let more: Vec<WhyHeld> = more.filter(|why| !held.contains(why)).collect();
        held.extend(more);
        Self {
            outline: self.outline.and(later.outline),
            held,
            totals: later.totals,
            ..self
        }
    }
}

/// Puts the requests on record that belong to no action: readings of the source, look-ups and lists (product
/// rule 9). Those of a reading that several jobs share are with the first of them.
pub(super) fn reads(context: &Context<'_>, cycle: i64) -> Result<(), Error> {
    let now = (context.agent.now)();
    let record = |side, exchange: Exchange, error| {
        let age = TimeDelta::from_std(exchange.elapsed).unwrap_or_default();
        LoggedRequest {
            at: now,
            job: context.job.rules.name.clone(),
            cycle,
            side,
            method: exchange.method.to_string(),
            path: exchange.path,
            status: exchange.status,
            attempts: exchange.attempts,
            duration_ms: age.num_milliseconds().unsigned_abs(),
            error,
            action: None,
        }
    };
    let source = context.sources.take_requests().into_iter();
    let source = source.map(|exchange| record(Side::Source, exchange, None));
    let target = context.reader.take_reads().into_iter();
    let base = base_path(&context.job.target.base_url);
    let target = target.map(|read| {
        let mut exchange = read.exchange;
        let path = exchange.path.strip_prefix(base).map(str::to_owned);
        exchange.path = path.unwrap_or(exchange.path);
        record(Side::Target, exchange, read.error)
    });
    let records: Vec<LoggedRequest> = source.chain(target).collect();
    context.agent.store.record_requests(&records)?;
    Ok(())
}

/// The path of an address, without a query.
fn base_path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.find('/').map_or("", |at| &rest[at..]);
    path.split('?').next().unwrap_or_default()
}

/// Skipped objects that are taken from the ledger at once.
const CHUNK: usize = 500;

/// Notes which objects are in scope. One that leaves scope by a reading that is not complete, or whose removal is
/// held, rejected or postponed, counts as being in it: otherwise a scope that is emptied twice would look as if it
/// had been empty before.
pub(super) async fn note_scope(context: &Context<'_>, outline: &Outline) -> Result<(), Error> {
    let Outline {
        header,
        scope,
        postponed,
        ..
    } = outline;
    let overtaken = match &context.worker {
        Worker::Cycle(cycle) => cycle.overtaken(),
        Worker::Plan | Worker::Look(_) => BTreeSet::new(),
    };
    let counts = |(key, in_scope): &&(Key, bool)| {
        !overtaken.contains(key) && (*in_scope || (header.complete && !postponed.contains(key)))
    };
    let verdicts: Vec<(Key, bool)> = scope.iter().filter(counts).copied().collect();
    let (job, source) = (context.job.rules.name.clone(), context.clocks().source);
    context
        .state(move |store| store.set_scope(&job, &verdicts, source))
        .await?;
    Ok(())
}

/// What was due and left out of the plan: it was not tried.
fn waited(
    retried: &[Key],
    waiting: &BTreeMap<Key, DateTime<Utc>>,
    postponed: &BTreeSet<Key>,
) -> BTreeSet<Key> {
    let waited = |key: &Key| waiting.contains_key(key) || postponed.contains(key);
    retried.iter().copied().filter(waited).collect()
}

/// Ends the cycle: what could not be planned, which marks are done with, and the counts.
pub(super) async fn finish(
    context: &Context<'_>,
    cycle: i64,
    started: DateTime<Utc>,
    judged: Judged,
    tally: Tally,
) -> Result<Summary, Error> {
    let Judged {
        kind,
        cutoff,
        outline,
        held,
        totals,
    } = judged;
    note_scope(context, &outline).await?;
    let Outline {
        header,
        scope,
        existing,
        postponed,
        waiting,
        scope_groups: _,
        lacks_addresses,
        retried,
    } = outline;
    reads(context, cycle)?;
    // A look takes no mark away, and sets none, so that what is held is not news to the next one.
    let is_look = matches!(context.worker, Worker::Look(_));
    let waited = waited(&retried, &waiting, &postponed);
    let mut unfinished = if is_look { BTreeSet::new() } else { postponed };
    if !header.complete {
        let leaving = scope.iter().filter(|(_, in_scope)| !in_scope);
        unfinished.extend(leaving.map(|(key, _)| *key));
    }
    unfinished.extend(tally.unfinished);
    let failures = record_skipped(context, cycle, &mut unfinished).await?;
    // Removals that an incomplete reading kept from being planned leave no trace in the plan: all
    // marks stay then, and the next complete reading finds them. So they do when one object was
    // requested alone. Objects that wait for a name are known, and only their marks stay.
    let is_whole = !context.options.is_partial() && context.pace == Pace::Full;
    let everything = header.complete && is_whole;
    let (now, job) = ((context.agent.now)(), context.job.rules.name.clone());
    let has_completed = tally.reached_end && is_whole;
    let nested_groups = context.job.rules.scope.nested_groups;
    let holds_nothing = held.is_empty();
    // What the cycle has created so far concerns groups and reports that are in its own plan.
    let marks_new_links = !context.is_during_cycle();
    let linked = context
        .state(move |store| {
            if everything {
                store.lapse_holds(&job, cycle, &unfinished, now)?;
                store.note_evaluated(&job, holds_nothing, !lacks_addresses)?;
                store.note_seen(&job)?;
            }
            if has_completed {
                store.note_completed(&job, cycle)?;
            }
            store.note_retried(&job, (&retried, &waited), cycle, now)?;
            for (group, members) in &existing {
                store.note_members(&job, *group, members)?;
            }
            if !is_look {
                unfinished.extend(store.left_over(cycle)?);
            }
            let evaluation = Evaluation {
                cutoff,
                evaluated: if everything {
                    Evaluated::Everything
                } else {
                    Evaluated::Only(if header.complete { &retried } else { &[] })
                },
                except: &unfinished,
                maps_references: true,
                nested_groups,
                marks_new_links,
            };
            store.finish_evaluation(&job, evaluation)?;
            store.link_counts(&job)
        })
        .await?;
    let summary = Summary {
        job: context.job.rules.name.clone(),
        cycle,
        kind,
        started,
        duration_ms: milliseconds(started, now),
        evaluated: header.evaluated,
        in_scope: header.in_scope,
        linked,
        done: tally.done,
        skipped: totals.skipped,
        failures: first_failures(failures, tally.failures),
        failed: tally.failed + totals.failing,
        not_tried: tally.not_tried,
        warnings: header.warnings,
        strangers: header.strangers,
        held: (!held.is_empty()).then_some(HeldRemovals {
            why: held,
            removals: totals.held,
        }),
        incomplete: header.incomplete,
        misnamed: header.misnamed,
        aborted: tally.aborted,
        stopped: context.agent.stop.is_cancelled(),
        requests: context.requests(),
    };
    let retention = context.agent.config.retention;
    let store = &context.agent.store;
    store.finish_cycle(&summary, retention, context.clocks())?;
    Ok(summary)
}

/// Puts objects into escrow that could not be planned, and notes which of the skipped must be evaluated
/// again. The first failures come back, for the summary.
async fn record_skipped(
    context: &Context<'_>,
    cycle: i64,
    unfinished: &mut BTreeSet<Key>,
) -> Result<Vec<NotPlanned>, Error> {
    let mut first: Vec<NotPlanned> = Vec::new();
    let mut after = None;
    loop {
        let rows = context
            .state(move |store| store.skipped(cycle, after, CHUNK))
            .await?;
        let Some((last, _)) = rows.last() else {
            return Ok(first);
        };
        after = Some(*last);
        let others: Vec<Key> = rows.iter().filter_map(|(_, one)| one.why.other()).collect();
        let named = context.state(move |store| store.named(&others)).await?;
        let other = |key: Key| {
            named
                .get(&key)
                .map(|one| (one.id.clone(), one.label.clone()))
        };
        let mut failing = Vec::new();
        for (row, skipped) in &rows {
            if skipped.why.is_failure() {
                failing.push((
                    *row,
                    NotPlanned {
                        subject: skipped.subject.clone(),
                        message: report::not_planned(
                            &context.redactions.skipped(skipped),
                            Names::Numbered(&other),
                        ),
                    },
                ));
            }
            if skipped.why.is_failure()
                || matches!(skipped.why, Why::IncompleteRead(_) | Why::FirstCycle(_))
            {
                unfinished.insert(skipped.subject.key);
            }
        }
        let room = Summary::MAX_FAILURES.saturating_sub(first.len());
        let shown = failing.iter().take(room);
        first.extend(shown.map(|(_, failed)| failed.clone()));
        let (job, now) = (context.job.rules.name.clone(), (context.agent.now)());
        context
            .state(move |store| store.record_not_planned(&job, cycle, &failing, now))
            .await?;
    }
}

fn first_failures(not_planned: Vec<NotPlanned>, failed: Vec<FailedObject>) -> Vec<FailedObject> {
    let mut failures: Vec<FailedObject> = not_planned.into_iter().map(failed_object).collect();
    failures.extend(failed);
    failures.truncate(Summary::MAX_FAILURES);
    failures
}

fn failed_object(failed: NotPlanned) -> FailedObject {
    FailedObject {
        subject: failed.subject,
        action: "plan",
        failure: Failure {
            class: Class::Invalid,
            http_status: None,
            message: failed.message,
            unconfirmed: false,
        },
    }
}

/// Ends a cycle that was requested to stop before its plan was made; nothing was sent.
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
        kind: match context.options.only {
            Some(_) => CycleKind::OnDemand,
            None => context.kind,
        },
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
        strangers: None,
        held: None,
        incomplete: None,
        misnamed: Vec::new(),
        aborted: None,
        stopped: true,
        requests: context.requests(),
    };
    store.finish_cycle(&summary, context.agent.config.retention, context.clocks())?;
    Ok(summary)
}

fn milliseconds(from: DateTime<Utc>, to: DateTime<Utc>) -> u64 {
    u64::try_from(to.signed_duration_since(from).num_milliseconds()).unwrap_or(0)
}

/// Ends a cycle that could not go on.
pub(super) fn failed(context: &Context<'_>, cycle: i64, error: &Error) -> Result<(), Error> {
    reads(context, cycle)?;
    quarantine::after_error(context, error)?;
    put_failure(context.agent, cycle, error, context.requests())
}

/// Ends a cycle that could not even begin: no request was made.
pub(super) fn not_begun(agent: &Agent, cycle: i64, error: &Error) -> Result<(), Error> {
    put_failure(agent, cycle, error, Requests::default())
}

fn put_failure(agent: &Agent, cycle: i64, error: &Error, requests: Requests) -> Result<(), Error> {
    let health = if error.needs_decision() {
        Health::Held
    } else {
        Health::Failed
    };
    let now = (agent.now)();
    agent
        .store
        .fail_cycle(cycle, health, &error.chain(), requests, now)?;
    Ok(())
}

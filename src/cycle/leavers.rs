//! The fast lane for leavers (safety.md §2): a light look at the tenant for users who must lose access, and
//! nothing else, also while a cycle of the job runs (`workers`). It is the shared reading, plus a plan that is
//! restricted to user removals, under the same proof and limits. Every other change stays marked for the next cycle.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::sync::watch;
use tracing::Instrument as _;

use super::plan::Whom;
use super::tenant::{Due, Reading};
use super::workers::Worker;
use super::{Agent, Between, Context, Error, Options, record, same_target};
use crate::config;
use crate::engine::job::{Job, WhenOutOfScope};
use crate::engine::model::{Key, ObjectKind};
use crate::engine::plan::{Decision, Operation};
use crate::engine::summary::{CycleKind, Progress, Summary};
use crate::store::{MarkCutoff, PerhapsLeaver};

/// Requests to the source in a second, on the average: a tenth of what Graph allows an application in the
/// smallest tenant (3,500 resource units in 10 s, three for a request at most).
const REQUESTS_PER_SECOND: u64 = 10;

/// How long until the next look, so that all of them stay within their share of the source.
pub(crate) fn next_look(every: Duration, requests: u64) -> Duration {
    every.max(Duration::from_secs(requests / REQUESTS_PER_SECOND))
}

/// What the looks of a job have seen so far.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// All that was marked up to here, by looks that ran alone.
    since: Option<MarkCutoff>,
    /// Users with the mark that they had, by looks during cycles since then.
    during: BTreeMap<Key, MarkCutoff>,
    /// Users of whom an earlier write may still be under way, until it cannot be any more.
    waiting: BTreeMap<Key, Instant>,
    /// Requests of the last look to the source.
    requests: Arc<AtomicU64>,
}

impl Seen {
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    fn is_waited_for(&self, key: Key) -> bool {
        self.waiting.contains_key(&key)
    }

    fn is_news(&self, one: &PerhapsLeaver) -> bool {
        one.is_due
            || self
                .during
                .get(&one.key)
                .is_none_or(|seen| *seen < one.mark)
    }
}

/// What came of planning some objects.
#[derive(Default)]
pub(super) struct Partly {
    /// `None`: there was nothing to do, and nothing was recorded.
    pub(super) found: Option<Summary>,
    /// Of whom it could not be decided or confirmed; `None`: of no one who was not held.
    undecided: Option<BTreeSet<Key>>,
    held: BTreeSet<Key>,
    /// Of whom an earlier write may still be under way, and until when.
    waiting: BTreeMap<Key, DateTime<Utc>>,
}

impl Partly {
    /// Whether this one need not be looked at again until something changes.
    fn is_done_with(&self, key: Key) -> bool {
        // What could not be tried at all is looked at again.
        let is_over = |one: &Summary| one.aborted.is_none() && !one.stopped && one.not_tried == 0;
        match &self.undecided {
            Some(undecided) if self.found.as_ref().is_none_or(is_over) => !undecided.contains(&key),
            Some(_) | None => self.held.contains(&key),
        }
    }
}

impl Agent {
    /// One look. `None`: no user must lose access, and nothing was recorded. `times`: the first wait after a
    /// removal that failed, and whether the last look did not come to its end.
    pub(crate) async fn look_for_leavers(
        &self,
        job: &config::Job,
        seen: &mut Seen,
        times: (Duration, bool),
        due: Due,
    ) -> Result<Option<Summary>, Error> {
        let name = &job.rules.name;
        seen.requests = Arc::default();
        let has_users = self.store.link_counts(name)?.users > 0;
        if !has_users || !job.rules.users.enabled || self.store.paused(name)?.is_some() {
            return Ok(None);
        }
        let until = self.until_paused(name);
        let looking = until.agent.look_until_paused(job, seen, times, due);
        Box::pin(looking).await
    }

    async fn look_until_paused(
        &self,
        job: &config::Job,
        seen: &mut Seen,
        (step, failed_before): (Duration, bool),
        due: Due,
    ) -> Result<Option<Summary>, Error> {
        let name = &job.rules.name;
        let options = Options {
            between: Some(Between::Leavers),
            ..Options::default()
        };
        let progress = watch::Sender::new(Progress::default());
        let mut context = self.writing_context(job, &options, &progress)?;
        seen.requests = Arc::clone(&context.source_requests);
        let reading = context.sources.read(&context.want(), due).await?;
        let started = (self.now)();
        // When the target answers again, every removal that failed is due.
        let step = if failed_before { Duration::ZERO } else { step };
        let look = self.workers.look(name);
        let planned = look.planned();
        let newer_than = seen.since.max(planned.map(|planned| planned.cutoff));
        let other = planned.map(|planned| planned.cycle);
        let undecided = planned.map(|planned| planned.undecided.iter().copied());
        let undecided: Vec<Key> = undecided.into_iter().flatten().collect();
        let (mark, mut users) =
            self.store
                .perhaps_leavers(name, (newer_than, &undecided), other, (step, started))?;
        seen.waiting.retain(|_, until| *until > Instant::now());
        let waits = users.iter().any(|one| seen.is_waited_for(one.key));
        users.retain(|one| seen.is_news(one) && !seen.is_waited_for(one.key));
        let keys: BTreeSet<Key> = users.iter().map(|one| one.key).collect();
        // While a cycle writes, an account may be created for a user who was looked at before.
        let is_alone = !look.began_during_cycle();
        if keys.is_empty() {
            if is_alone && !waits {
                seen.since = Some(mark);
                seen.during.clear();
            }
            return Ok(None);
        }
        context.worker = Worker::Look(look);
        if failed_before {
            // A target that is still down costs one look-up, and no entry in the log.
            context.look_up_anything().await?;
        }
        context.discover().await?;
        disable_first(&mut context.job.rules);
        let context = &context;
        let whom = Whom::Leavers(keys.into_iter().collect());
        let whom = (CycleKind::Leavers, whom);
        let partly = self.partly(context, &reading, whom, started).await?;
        let (begun, waiting) = (Instant::now(), partly.waiting.iter());
        // Not until then: what did not show in the target by now may still arrive, and a look would tell no more.
        seen.waiting.extend(waiting.filter_map(|(key, until)| {
            let left = (*until - (self.now)()).to_std().ok()?;
            Some((*key, begun + left.min(context.waiting_time())))
        }));
        if let Worker::Look(look) = &context.worker {
            let looked_at = look.seen();
            users.retain(|one| !one.is_due);
            let is_done =
                |one: &PerhapsLeaver| looked_at.contains(&one.key) && partly.is_done_with(one.key);
            if is_alone && !waits && users.iter().all(is_done) {
                seen.since = Some(mark);
                seen.during.clear();
            } else {
                for one in users.into_iter().filter(is_done) {
                    let known = seen.during.entry(one.key).or_insert(one.mark);
                    *known = one.mark.max(*known);
                }
            }
        }
        Ok(partly.found)
    }

    /// Plans some objects and carries that out.
    pub(super) async fn partly(
        &self,
        context: &Context<'_>,
        reading: &Reading,
        (kind, whom): (CycleKind, Whom),
        started: DateTime<Utc>,
    ) -> Result<Partly, Error> {
        let name = &context.job.rules.name;
        let may_be_nothing = kind == CycleKind::Leavers;
        let cycle = self.store.begin_cycle(name, kind, started)?;
        let configuration = context.configured.configuration();
        self.store.note_configuration(name, cycle, &configuration)?;
        let mut partly = Partly::default();
        let ended = Box::pin(async {
            let verified = match &whom {
                Whom::Leavers(users) => same_target::verify_some(context, cycle, users).await?,
                Whom::All | Whom::AllNow | Whom::Retries(_) | Whom::Waiting(_) => {
                    self.verify(context, cycle, false).await?
                }
            };
            if let Worker::Cycle(running) = &context.worker {
                running.begin_planning().await;
            }
            let cutoff = if context.is_during_cycle() {
                self.store.last_mark()?
            } else {
                self.store.begin_evaluation(name)?
            };
            let whom = match (whom, &context.worker) {
                (Whom::Leavers(keys), Worker::Look(look)) => Whom::Leavers(look.begin(keys)),
                (whom, _) => whom,
            };
            let mut judged = self
                .judge(context, cycle, reading, cutoff, &verified, whom)
                .await?;
            judged.kind = kind;
            let is_complete = judged.outline.header.complete;
            partly.undecided = is_complete.then(|| judged.undecided.clone());
            partly.held.clone_from(&judged.kept);
            partly.waiting.clone_from(&judged.outline.waiting);
            record::reads(context, cycle)?;
            let has_no_rows = judged.totals.is_empty() && judged.totals.held == 0;
            // Look-ups stay on record.
            if may_be_nothing && has_no_rows && context.requests().target == 0 {
                return Ok(None);
            }
            let (tally, judged) = self.carry_out(context, cycle, cutoff, judged).await?;
            record::finish(context, cycle, started, judged, tally)
                .await
                .map(Some)
        });
        let span = tracing::error_span!("cycle", job = %name, cycle);
        partly.found = match ended.instrument(span).await {
            Ok(None) => {
                self.store.forget_cycle(cycle)?;
                None
            }
            Ok(Some(summary)) => Some(summary),
            Err(error) if self.stop.is_cancelled() && !error.concerns_state() => {
                Some(record::stopped(context, cycle, started)?)
            }
            Err(error) => {
                record::failed(context, cycle, &error)?;
                return Err(error);
            }
        };
        Ok(partly)
    }
}

/// Where a job deletes, the fast lane disables at once if the target can, and the next cycle deletes.
fn disable_first(rules: &mut Job) {
    let users = &mut rules.users;
    // It looks for those who leave, and for nothing in the target.
    users.create_blocked = false;
    if users.when_out_of_scope == WhenOutOfScope::Delete && users.can_disable() {
        users.when_out_of_scope = WhenOutOfScope::Disable;
    }
}

/// Whether a decision takes a user's access; all others are left to the next cycle.
pub(super) fn takes_access(decision: &Decision) -> bool {
    let Decision::Act(draft) = decision else {
        return false;
    };
    draft.action.subject.kind == ObjectKind::User
        && matches!(
            draft.action.operation,
            Operation::Disable { .. } | Operation::Delete { .. }
        )
}

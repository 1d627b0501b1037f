//! One cycle of one job: read, plan, review, apply, record. The only place where source, target and
//! state meet. There is no dry-run flag: `plan` is the first half of `run`, on a state that keeps nothing.

#![warn(clippy::wildcard_enum_match_arm)]

mod absent;
mod apply;
mod audit;
mod by_hand;
mod capabilities;
mod check;
mod confirm;
mod context;
mod drift;
mod error;
mod expiry;
mod explain;
mod facts;
mod gone;
mod hand_over;
mod health;
mod index;
mod issuers;
mod judge;
mod leavers;
mod lookup;
mod members;
mod names;
mod old_accounts;
mod on_record;
mod only;
mod options;
mod plan;
mod planned;
mod predict;
mod probe;
mod quarantine;
mod queue;
mod read_back;
mod record;
mod repeat;
mod retries;
mod rewritten;
mod rows;
mod same_target;
mod same_tenant;
mod saved;
mod search;
mod send;
mod settle;
mod shown;
pub(crate) mod source;
mod sources;
mod staged;
mod tally;
mod tenant;
mod tenant_facts;
#[cfg(test)]
mod tests;
mod units;
mod until_paused;
mod workers;

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{OnceCell, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

pub(crate) use audit::Audited;
pub(crate) use capabilities::known_remarks;
pub(crate) use check::unusable;
pub(crate) use error::Error;
pub(crate) use expiry::expiries;
pub(crate) use explain::explain;
pub(crate) use leavers::{Seen, next_look};
pub(crate) use on_record::{Marked, hide, marked, with_names, with_names_of};
pub(crate) use only::Only;
pub(crate) use options::{Between, Options};
pub(crate) use planned::{Observed, Planned};
pub(crate) use probe::Probed;
pub(crate) use saved::{
    Alone, Approved, Deed, Expected, ExpectedRow, OtherRows, Portion, SavedRow, deed,
};
pub(crate) use sources::readings;
pub(crate) use tenant::Due;

use crate::config::{self, Config};
use crate::engine::capabilities::Remark;
use crate::engine::check::{Check, Failed};
use crate::engine::model::{Key, ObjectKind, TargetPath};
use crate::engine::quarantine::Pace;
use crate::engine::redact::Redactions;
use crate::engine::summary::{CycleKind, Progress, Summary};
use crate::graph;
use crate::scim;
use crate::store::{MarkCutoff, StateKey, Store};

use self::capabilities::Fact;
use self::expiry::Warned;
use self::issuers::Issuers;
use self::judge::Judged;
use self::plan::Whom;
use self::same_target::Verified;
use self::sources::{OfJob, Sources};
use self::tally::Tally;
use self::workers::{CyclePlan, Worker, Workers};

/// Runs the cycles of a configuration's jobs on one state.
#[derive(Clone)]
pub(crate) struct Agent {
    config: Arc<Config>,
    store: Arc<Store>,
    sources: Sources,
    /// Of the state, for keyed digests.
    key: StateKey,
    issuers: Issuers,
    /// Secrets of targets that expire.
    expiring: Arc<Warned>,
    stop: CancellationToken,
    now: fn() -> DateTime<Utc>,
    /// How long removals stay confirmed.
    fresh: Duration,
    workers: Arc<Workers>,
    /// No target is asked: what is not in the state is taken to be in no target.
    without_target: bool,
}

/// What one cycle works with.
struct Context<'a> {
    agent: &'a Agent,
    /// The sources of the job.
    sources: OfJob,
    /// As its target needs it.
    job: config::Job,
    /// As it is configured.
    configured: &'a config::Job,
    /// Mappings that do not fit what the target reports.
    remarks: Vec<Remark>,
    /// What its answers taught.
    facts: Vec<Fact>,
    /// What the target makes itself, as was learned since.
    rewritten: std::sync::Mutex<Vec<Fact>>,
    /// The attributes that it was known to make itself before what was learned was forgotten.
    remembered: Vec<(ObjectKind, TargetPath)>,
    /// What is written once more although the target shows a form of it.
    forms: std::sync::Mutex<BTreeSet<(Key, TargetPath)>>,
    options: &'a Options,
    progress: &'a watch::Sender<Progress>,
    /// Looks things up in the target; cannot write.
    reader: scim::Reader,
    redactions: Redactions,
    /// Nothing of the job was evaluated completely since the state was made.
    is_first: bool,
    kind: CycleKind,
    source_requests: Arc<AtomicU64>,
    /// What it does of a job that may be in quarantine.
    pace: Pace,
    /// Whether the target hides accounts that were disabled, once something depends on it.
    hides_disabled: OnceCell<Option<bool>>,
    worker: Worker,
    /// Its number, once it has begun.
    cycle: OnceLock<i64>,
    /// What was found out of the target when the first object was gone.
    first_gone: OnceCell<same_target::Reverified>,
    /// The same, each time when another credential took its place in the middle of it.
    renewed: tokio::sync::Mutex<Vec<Arc<same_target::Reverified>>>,
}

/// Objects that cannot be settled yet are planned once they can be, if that is in this time.
const LONGEST_WAIT: Duration = Duration::from_mins(3);

impl Agent {
    /// Reads the source's credential and builds its client.
    pub(crate) fn new(
        config: Arc<Config>,
        store: Arc<Store>,
        stop: CancellationToken,
        now: fn() -> DateTime<Utc>,
    ) -> Result<Self, Error> {
        let sources = Sources::connect(&config, &store, (stop.clone(), now), &Sources::default())?;
        Self::reading(config, store, sources, (stop, now), Arc::default())
    }

    /// Plans from snapshots in place of the tenants. The state must be one that keeps nothing
    /// ([`Store::open_plan`]); what it knows of the source is compared with the whole snapshot.
    pub(crate) fn of_snapshots(
        config: Arc<Config>,
        store: Arc<Store>,
        snapshots: &graph::Snapshots,
        stop: CancellationToken,
        now: fn() -> DateTime<Utc>,
    ) -> Result<Self, Error> {
        let sources = Sources::of_snapshots(&config, &store, snapshots, &(stop.clone(), now))?;
        Self::reading(config, store, sources, (stop, now), Arc::default())
    }

    /// The same with another configuration. Readings of the source still take turns, also with cycles
    /// that began before.
    pub(crate) fn with_config(&self, config: Arc<Config>) -> Result<Self, Error> {
        self.with(config, self.store.clone())
    }

    fn with(&self, config: Arc<Config>, store: Arc<Store>) -> Result<Self, Error> {
        let stop = self.stop.clone();
        let times = (stop, self.now);
        let sources = Sources::connect(&config, &store, times.clone(), &self.sources)?;
        let agent = Self::reading(config, store, sources, times, Arc::clone(&self.workers))?;
        Ok(Self {
            issuers: self.issuers.clone(),
            expiring: Arc::clone(&self.expiring),
            ..agent
        })
    }

    fn reading(
        config: Arc<Config>,
        store: Arc<Store>,
        sources: Sources,
        (stop, now): sources::Times,
        workers: Arc<Workers>,
    ) -> Result<Self, Error> {
        let key = store.key(config.state_key.as_ref())?;
        Ok(Self {
            config,
            store,
            sources,
            key,
            issuers: Issuers::default(),
            expiring: Arc::default(),
            stop,
            now,
            fresh: confirm::FRESH,
            workers,
            without_target: false,
        })
    }

    /// The same without asking any target, for plans that are only compared with each other.
    pub(crate) fn without_target(self) -> Self {
        Self {
            without_target: true,
            ..self
        }
    }

    /// Taken for each of several jobs before the cycle of the first starts: their cycles share one
    /// reading of the tenant. They must run at the same time, because each waits for the others.
    pub(crate) fn due(&self, job: &config::Job) -> Due {
        Due::new(self.sources.tenants_of(job), Duration::ZERO)
    }

    /// The same for a job that does not know of the others: the reading waits this long for them.
    pub(crate) fn due_with_others(&self, job: &config::Job, time: Duration) -> Due {
        let jobs = self.config.jobs.iter();
        let shares = |one: &&config::Job| {
            let mut sources = one.sources.iter();
            sources.any(|name| job.sources.contains(name))
        };
        let jobs = jobs.filter(|one| one.enabled).filter(shares);
        let time = if jobs.count() > 1 {
            time
        } else {
            Duration::ZERO
        };
        Due::new(self.sources.tenants_of(job), time)
    }

    /// One cycle, to its end.
    pub(crate) async fn run(
        &self,
        job: &config::Job,
        options: &Options,
        progress: &watch::Sender<Progress>,
        due: Due,
    ) -> Result<Summary, Error> {
        if let Some(paused) = self.store.paused(&job.rules.name)? {
            let job = job.rules.name.clone();
            return Err(Error::Paused { job, paused });
        }
        if job.observes {
            let job = job.rules.name.clone();
            return Err(Error::Observes { job });
        }
        let until = self.until_paused(&job.rules.name);
        let running = until.agent.run_until_paused(job, options, progress, due);
        Box::pin(running).await
    }

    async fn run_until_paused(
        &self,
        job: &config::Job,
        options: &Options,
        progress: &watch::Sender<Progress>,
        due: Due,
    ) -> Result<Summary, Error> {
        let started = (self.now)();
        let kind = self.expected_kind(job, options)?;
        self.warn_of_expiry(job);
        // Before anything that may fail, such as reading the token: every attempt is on record.
        let name = &job.rules.name;
        let cycle = self.store.begin_cycle(name, kind, started)?;
        let configuration = job.configuration();
        self.store.note_configuration(name, cycle, &configuration)?;
        let mut context = match self.writing_context(job, options, progress) {
            Ok(context) => context,
            Err(error) => {
                record::not_begun(self, cycle, &error)?;
                return Err(error);
            }
        };
        context.worker = Worker::Cycle(self.workers.cycle(name));
        let span = tracing::error_span!("cycle", job = %job.rules.name, cycle);
        let running = Box::pin(self.run_numbered(&mut context, cycle, started, due));
        match running.instrument(span).await {
            Ok(summary) => Ok(summary),
            // Whatever a stop made of a request, it is not a failure. A state that cannot be
            // written is one all the same: outcomes may be missing from it.
            Err(error) if self.stop.is_cancelled() && !error.concerns_state() => {
                record::stopped(&context, cycle, started)
            }
            // It says nothing of the job.
            Err(error) if error.is_of_the_request() => {
                self.store.forget_cycle(cycle)?;
                Err(error)
            }
            Err(error) => {
                record::failed(&context, cycle, &error)?;
                Err(error)
            }
        }
    }

    /// Of the secrets of the job's target.
    fn warn_of_expiry(&self, job: &config::Job) {
        let today = (self.now)().date_naive();
        let name = &job.rules.name;
        for (key, day) in expiry::of_target(job) {
            let key = format!("jobs.{name}.target.{key}");
            self.expiring.warn(&key, day, today);
        }
    }

    async fn run_numbered(
        &self,
        context: &mut Context<'_>,
        cycle: i64,
        started: DateTime<Utc>,
        due: Due,
    ) -> Result<Summary, Error> {
        let reading = context.sources.read(&context.want(), due).await?;
        context.pace = quarantine::pace(context).await?;
        context.discover().await?;
        let context = &*context;
        probe::finish(context).await?;
        let name = &context.job.rules.name;
        let is_full = reading.kind == CycleKind::Initial;
        let verified = self.verify(context, cycle, is_full).await?;
        if let Worker::Cycle(running) = &context.worker {
            running.begin_planning().await;
        }
        let cutoff = self.store.begin_evaluation(name)?;
        retries::rest(context, reading.kind)?;
        let mut judged = self
            .judge(context, cycle, &reading, cutoff, &verified, Whom::All)
            .await?;
        record::reads(context, cycle)?;
        if let Some(saved) = &context.options.saved {
            saved::compare(context, cycle, saved).await?;
            saved::approve(context, cycle, saved, &mut judged).await?;
            if let Some(portion) = &saved.only {
                let others = saved::keep_only(context, cycle, portion).await?;
                judged.outline.postponed.extend(others);
            }
            // They are not in the saved plan.
            let waiting = std::mem::take(&mut judged.outline.waiting);
            judged.outline.postponed.extend(waiting.into_keys());
        }
        let mut waiting = judged.outline.waiting.clone();
        let (mut tally, mut judged) = self.carry_out(context, cycle, cutoff, judged).await?;
        // Those whose earlier write may still have been under way.
        if let Some(until) = waiting.values().max().copied() {
            if tally.aborted.is_none() && self.wait_until(until).await {
                let keys = std::mem::take(&mut waiting).into_keys().collect();
                // Groups are compared with those who came into scope meanwhile.
                record::note_scope(context, &judged.outline).await?;
                // What was recorded meanwhile is no change in the source.
                let since = self.store.begin_evaluation(name)?;
                let later = self
                    .judge(
                        context,
                        cycle,
                        &reading,
                        since,
                        &verified,
                        Whom::Waiting(keys),
                    )
                    .await?;
                let (more, later) = self.carry_out(context, cycle, cutoff, later).await?;
                tally = tally.and(more);
                judged = judged.and(later);
            }
            tally.not_tried += waiting.len() as u64;
            tally.reached_end &= waiting.is_empty();
        }
        if context.options.only.is_some() {
            judged.kind = CycleKind::OnDemand;
        }
        quarantine::warn(context, &tally, &mut judged.outline.header.warnings)?;
        record::finish(context, cycle, started, judged, tally).await
    }

    /// What is found out about the target before a plan is made: whether it is still ours and, if so and
    /// where that is asked for, what it really holds.
    async fn verify<'a>(
        &self,
        context: &'a Context<'a>,
        cycle: i64,
        is_full: bool,
    ) -> Result<Verified<'a>, Error> {
        if self.without_target {
            return Ok(Verified::default());
        }
        let mut verified = same_target::verify(context, cycle, is_full).await?;
        let is_due = context.options.initial || drift::is_due(context)?;
        if is_due && verified.unsure.is_none() {
            drift::look(context, &mut verified).await?;
            if context.options.only.is_none() {
                let name = &context.job.rules.name;
                self.store.note_compared(name, (self.now)())?;
            }
        }
        Ok(verified)
    }

    /// Carries out a plan that was judged.
    async fn carry_out(
        &self,
        context: &Context<'_>,
        cycle: i64,
        cutoff: MarkCutoff,
        judged: Judged,
    ) -> Result<(Tally, record::Judged), Error> {
        let Judged {
            kind,
            outline,
            confirmed,
            verdict,
            held,
            limits: _,
            totals,
            undecided,
            kept: _,
        } = judged;
        let weight = totals.planned.values().sum();
        if let Worker::Cycle(running) = &context.worker
            && context.plans_all()
            && outline.header.complete
        {
            running.planned(CyclePlan {
                cycle,
                cutoff,
                undecided,
            });
        }
        let tally = apply::apply(context, cycle, verdict, &confirmed, weight).await?;
        let judged = record::Judged {
            kind,
            cutoff,
            outline,
            held,
            totals,
        };
        Ok((tally, judged))
    }

    /// `false`: it would take too long, or a stop was requested.
    async fn wait_until(&self, until: DateTime<Utc>) -> bool {
        let left = until.signed_duration_since((self.now)());
        let left = left.to_std().unwrap_or_default();
        if left > LONGEST_WAIT {
            return false;
        }
        let waited = self
            .stop
            .run_until_cancelled(tokio::time::sleep(left))
            .await;
        waited.is_some()
    }

    /// The first half of a cycle; the state must be one that keeps nothing ([`Store::open_plan`]).
    pub(crate) async fn plan(
        &self,
        job: &config::Job,
        options: &Options,
        progress: &watch::Sender<Progress>,
        due: Due,
    ) -> Result<Planned, Error> {
        let mut context = self.context(job, options, progress)?;
        let name = &job.rules.name;
        let cycle = self.store.begin_cycle(name, context.kind, (self.now)())?;
        let reading = context.sources.read(&context.want(), due).await?;
        context.pace = quarantine::pace(&context).await?;
        context.discover().await?;
        let is_full = reading.kind == CycleKind::Initial;
        let verified = self.verify(&context, cycle, is_full).await?;
        let cutoff = self.store.begin_evaluation(name)?;
        retries::rest(&context, reading.kind)?;
        let whom = Whom::AllNow;
        let judged =
            Box::pin(self.judge(&context, cycle, &reading, cutoff, &verified, whom)).await?;
        let refusals = predict::refusals(&context, cycle).await?;
        Ok(Planned {
            cycle,
            refusals,
            header: judged.outline.header,
            totals: judged.totals,
            held: judged.held,
            limits: judged.limits,
            kind: judged.kind,
            requests: context.requests(),
        })
    }

    /// What kind of cycle follows, as far as it is known before the job is looked at.
    fn expected_kind(&self, job: &config::Job, options: &Options) -> Result<CycleKind, Error> {
        let is_full = options.initial
            || options.evaluate_all
            || self.store.job_state(&job.rules.name)?.full_evaluation;
        Ok(if options.only.is_some() {
            CycleKind::OnDemand
        } else if is_full {
            CycleKind::Initial
        } else {
            CycleKind::Incremental
        })
    }

    /// On which day each secret and certificate expires, as far as that is known here.
    pub(crate) fn expiries(&self) -> Vec<(String, chrono::NaiveDate)> {
        expiries(&self.config)
    }

    /// Test Connection: each thing that a cycle needs, in the services' own words, and what does not fit.
    pub(crate) async fn test(&self, job: &config::Job) -> (Vec<Check>, Vec<Failed>) {
        check::test(self, job).await
    }
}

/// A client of the tenant that a configuration names.
pub(crate) fn connect(
    source: &config::Source,
    stop: CancellationToken,
    now: fn() -> DateTime<Utc>,
) -> Result<graph::Client, Error> {
    let credential = graph::Credential::load(source, now)?;
    Ok(graph::Client::new(source, credential, stop)?)
}

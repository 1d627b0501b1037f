//! One cycle of one job: read, plan, review, apply, record. The only place where source, target and
//! state meet. There is no dry-run flag: `plan` is the first half of `run`, on a copy of the state.

#![warn(clippy::wildcard_enum_match_arm)]

mod apply;
mod check;
mod error;
mod lookup;
mod names;
mod plan;
mod record;
mod send;
mod shown;
mod tally;
mod tenant;
mod tenant_facts;
#[cfg(test)]
mod tests;
mod wave;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

pub(crate) use check::{Check, Problem};
pub(crate) use error::Error;
pub(crate) use tenant::Due;

use crate::config::{self, Config};
use crate::engine::guard::{self, Review};
use crate::engine::model::ObjectKind;
use crate::engine::plan::Planned;
use crate::engine::redact::Redactions;
use crate::engine::summary::{CycleKind, Progress, Requests, Summary};
use crate::graph;
use crate::scim;
use crate::store::{Horizon, Store};

use self::tenant::{Tenant, Want};

/// What a cycle is asked for beyond the job itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Evaluate everything, whatever the watermark says.
    pub(crate) initial: bool,
    /// Only this object, by id, principal name or display name.
    pub(crate) only: Option<(ObjectKind, String)>,
}

/// A plan that was judged, and what making it cost.
#[derive(Clone, Debug)]
pub(crate) struct Dry {
    pub(crate) review: Review,
    pub(crate) kind: CycleKind,
    pub(crate) requests: Requests,
}

/// Runs the cycles of a configuration's jobs on one state.
#[derive(Clone)]
pub(crate) struct Agent {
    config: Arc<Config>,
    store: Arc<Store>,
    tenant: Arc<Tenant>,
    stop: CancellationToken,
    now: fn() -> DateTime<Utc>,
}

/// What one cycle works with.
struct Context<'a> {
    agent: &'a Agent,
    job: &'a config::Job,
    options: &'a Options,
    progress: &'a watch::Sender<Progress>,
    /// Looks things up in the target; cannot write.
    reader: scim::Reader,
    redactions: Redactions,
    kind: CycleKind,
    source_requests: Arc<AtomicU64>,
}

impl Agent {
    /// Reads the source's secret and builds its client.
    pub(crate) fn new(
        config: Arc<Config>,
        store: Arc<Store>,
        stop: CancellationToken,
        now: fn() -> DateTime<Utc>,
    ) -> Result<Self, Error> {
        Self::in_turn(config, store, stop, now, Arc::default())
    }

    /// The same with another configuration. Readings of the source still take turns, also with cycles
    /// that began before.
    pub(crate) fn with_config(&self, config: Arc<Config>) -> Result<Self, Error> {
        let (store, stop) = (self.store.clone(), self.stop.clone());
        Self::in_turn(config, store, stop, self.now, self.tenant.turn())
    }

    fn in_turn(
        config: Arc<Config>,
        store: Arc<Store>,
        stop: CancellationToken,
        now: fn() -> DateTime<Utc>,
        turn: Arc<Mutex<()>>,
    ) -> Result<Self, Error> {
        let secret = config
            .source
            .client_secret
            .read()
            .map_err(|source| Error::Secret {
                key: "source.client_secret",
                source,
            })?;
        let secret = graph::ClientSecret::new(secret);
        let graph = graph::Client::new(&config.source, secret, stop.clone())?;
        let tenant = Tenant::new(
            Arc::clone(&config),
            Arc::clone(&store),
            graph,
            stop.clone(),
            now,
            turn,
        );
        Ok(Self {
            config,
            store,
            tenant: Arc::new(tenant),
            stop,
            now,
        })
    }

    /// Taken for each of several jobs before the cycle of the first starts: their cycles share one
    /// reading of the tenant. They must run at the same time, because each waits for the others.
    pub(crate) fn due(&self) -> Due {
        Due::new(Arc::clone(&self.tenant), Duration::ZERO)
    }

    /// The same for a job that does not know of the others: the reading waits this long for them.
    pub(crate) fn due_with_others(&self, time: Duration) -> Due {
        let jobs = self.config.jobs.iter().filter(|job| job.enabled).count();
        let time = if jobs > 1 { time } else { Duration::ZERO };
        Due::new(Arc::clone(&self.tenant), time)
    }

    /// One cycle, to its end.
    pub(crate) async fn run(
        &self,
        job: &config::Job,
        options: &Options,
        progress: &watch::Sender<Progress>,
        due: Due,
    ) -> Result<Summary, Error> {
        let context = self.context(job, options, progress)?;
        let started = (self.now)();
        let name = &job.rules.name;
        let cycle = self.store.begin_cycle(name, context.kind, started)?;
        match self.run_numbered(&context, cycle, started, due).await {
            Ok(summary) => Ok(summary),
            // Whatever a stop made of a request, it is nobody's failure. A state that cannot be
            // written is one all the same: outcomes may be missing from it.
            Err(error) if self.stop.is_cancelled() && !error.concerns_state() => {
                record::stopped(&context, cycle, started)
            }
            Err(error) => {
                record::failed(&context, cycle, &error)?;
                Err(error)
            }
        }
    }

    async fn run_numbered(
        &self,
        context: &Context<'_>,
        cycle: i64,
        started: DateTime<Utc>,
        due: Due,
    ) -> Result<Summary, Error> {
        let (kind, planned, horizon) = self.read_and_plan(context, due).await?;
        let (review, rest) = self.review(context, planned)?;
        record::begin(context, cycle, &review)?;
        record::reads(context, cycle)?;
        let (judged, cleared) = record::Judged::new(review, rest, kind, horizon);
        let tally = apply::apply(context, cycle, cleared).await?;
        record::finish(context, cycle, started, judged, tally)
    }

    /// The first half of a cycle; the state must be a scratch copy.
    pub(crate) async fn plan(
        &self,
        job: &config::Job,
        options: &Options,
        progress: &watch::Sender<Progress>,
        due: Due,
    ) -> Result<Dry, Error> {
        let context = self.context(job, options, progress)?;
        let (kind, planned, _) = self.read_and_plan(&context, due).await?;
        let (review, _) = self.review(&context, planned)?;
        Ok(Dry {
            review,
            kind,
            requests: context.requests(),
        })
    }

    /// What kind of cycle it is shows in the reading.
    async fn read_and_plan(
        &self,
        context: &Context<'_>,
        due: Due,
    ) -> Result<(CycleKind, Planned, Horizon), Error> {
        let reading = self.tenant.reading(due, context.want()).await?;
        let horizon = self.store.begin_evaluation(&context.job.rules.name)?;
        let planned = plan::plan(context, &reading).await?;
        Ok((reading.kind, planned, horizon))
    }

    /// The whole plan is judged before the first write (product rule 5).
    fn review(
        &self,
        context: &Context<'_>,
        planned: Planned,
    ) -> Result<(Review, record::Beside), Error> {
        let Planned {
            plan,
            scope_changes,
            met_members,
            waiting,
            complete,
        } = planned;
        let job = &context.job.rules;
        let approvals = self.store.approvals(&job.name)?;
        let review = guard::review(plan, &job.limits, &approvals);
        let beside = record::Beside {
            scope_changes,
            met_members,
            waiting,
            complete,
        };
        Ok((review, beside))
    }

    fn context<'a>(
        &'a self,
        job: &'a config::Job,
        options: &'a Options,
        progress: &'a watch::Sender<Progress>,
    ) -> Result<Context<'a>, Error> {
        let name = &job.rules.name;
        self.store.note_fingerprint(name, &job.fingerprint)?;
        if self.store.note_target(name, &job.target.base_url)? {
            tracing::warn!(job = %name, "the target has another address: reading there what is linked");
        }
        if options.initial {
            self.store.restart(name)?;
        }
        let kind = if self.store.job_state(name)?.full_evaluation {
            CycleKind::Initial
        } else {
            CycleKind::Incremental
        };
        let redactions = Redactions::of(&job.rules);
        Ok(Context {
            agent: self,
            job,
            options,
            progress,
            reader: self.reader(job)?.hiding(redactions.hidden()),
            redactions,
            kind,
            source_requests: Arc::default(),
        })
    }

    fn reader(&self, job: &config::Job) -> Result<scim::Reader, Error> {
        let token = scim::Token::new(job.target.token.read().map_err(|source| Error::Secret {
            key: "target.token",
            source,
        })?);
        Ok(scim::Reader::new(&job.target, token, self.stop.clone())?)
    }

    /// Test Connection: each thing that a cycle needs, in the services' own words.
    pub(crate) async fn test(&self, job: &config::Job) -> Vec<Check> {
        check::test(self, job).await
    }
}

impl Context<'_> {
    fn want(&self) -> Want {
        Want {
            job: self.job.clone(),
            kind: self.kind,
            progress: self.progress.clone(),
            requests: Arc::clone(&self.source_requests),
        }
    }

    /// Requests of this cycle so far. What several jobs share in a reading is counted for the first.
    fn requests(&self) -> Requests {
        Requests {
            source: self.source_requests.load(Ordering::Relaxed),
            target: self.reader.requests(),
        }
    }
}

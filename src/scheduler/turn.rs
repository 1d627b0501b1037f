//! One cycle of a job, from the request to the log.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::runtime::Handle;
use tokio::sync::{OwnedMutexGuard, watch};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::deliver;
use super::log::{log_plan, note};
use super::shared::{Reported, Shared};
use super::status::{Activity, State, WokenBy};
use crate::config::Job;
use crate::cycle::{self, Agent, Due, Options, Planned};
use crate::engine::model::JobName;
use crate::engine::summary::{Health, Progress, Summary};
use crate::metrics;

/// Why there is no summary of a cycle.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotRun {
    #[error("the service has no job {0}: reload its configuration")]
    NoJob(JobName),
    #[error(transparent)]
    Cycle(#[from] cycle::Error),
    #[error("the job {0} moved to another agent meanwhile: repeat the command")]
    Elsewhere(JobName),
    #[error("the cycle crashed; this is a bug: {0}")]
    Bug(String),
}

impl NotRun {
    /// See [`cycle::Error::is_of_the_request`].
    pub(crate) fn is_of_the_request(&self) -> bool {
        matches!(self, Self::Cycle(error) if error.is_of_the_request())
    }

    /// See [`cycle::Error::needs_decision`].
    pub(crate) fn needs_decision(&self) -> bool {
        matches!(self, Self::Cycle(error) if error.needs_decision())
    }

    /// The whole chain in one line.
    pub(crate) fn chain(&self) -> String {
        match self {
            Self::Cycle(error) => error.chain(),
            Self::NoJob(_) | Self::Elsewhere(_) | Self::Bug(_) => self.to_string(),
        }
    }
}

/// What is requested of a cycle.
pub(super) struct Asked {
    pub(super) woken_by: WokenBy,
    pub(super) options: Options,
    pub(super) progress: watch::Sender<Progress>,
}

/// No other cycle of the job runs, and the tenant is read for it.
pub(super) struct Turn {
    _busy: OwnedMutexGuard<()>,
    due: Due,
}

impl Turn {
    /// In this order: what is due holds up the readings of all others, so it must not wait for anything else.
    pub(super) fn new(busy: OwnedMutexGuard<()>, due: Due) -> Self {
        Self { _busy: busy, due }
    }
}

/// What a job did when it was due.
pub(super) enum Ran {
    Cycle(Summary),
    /// It only observes.
    Plan(Planned),
}

pub(super) async fn run_cycle(
    shared: &Arc<Shared>,
    agent: &Agent,
    job: &Job,
    asked: Asked,
    turn: Turn,
) -> Result<Ran, NotRun> {
    let Asked {
        woken_by,
        options,
        progress,
    } = asked;
    let Turn { _busy, due } = turn;
    let name = &job.rules.name;
    let watched = progress.subscribe();
    let running = State::Running {
        woken_by,
        progress: watched,
    };
    set_state(shared, name, running, None);
    tracing::debug!(job = %name, woken_by = woken_by.word(), "cycle starts");
    // A thread of its own: planning computes for long, and a bug that panics costs this cycle, not
    // the job.
    let (agent, own) = (agent.clone(), job.clone());
    let runtime = Handle::current();
    let begun = Instant::now();
    let reports = Arc::clone(shared);
    let cycle = spawn_blocking(move || {
        runtime.block_on(async {
            if own.observes {
                let observed = Box::pin(agent.observe(&own, &progress, due)).await?;
                let (job, observed) = (&own, &observed);
                reports.report(&Reported::Plan { job, observed });
                return Ok(Ran::Plan(observed.planned.clone()));
            }
            let summary = agent.run(&own, &options, &progress, due).await?;
            Ok::<_, cycle::Error>(Ran::Cycle(summary))
        })
    });
    let ran = match cycle.await {
        Ok(ran) => ran.map_err(NotRun::from),
        Err(error) => Err(NotRun::Bug(error.to_string())),
    };
    if let Err(error) = &ran
        && error.is_of_the_request()
    {
        let error = error.chain();
        tracing::warn!(job = %name, error, "a command was refused");
        set_state(shared, name, State::Waiting { next: None }, None);
        shared.ends(name).notify_waiters();
        return ran;
    }
    let ended = match &ran {
        Ok(Ran::Plan(planned)) => log_plan(name, planned),
        Ok(Ran::Cycle(summary)) => note(shared, summary, woken_by).await,
        Err(_) if shared.stop.is_cancelled() => {
            tracing::info!(job = %name, "the cycle was stopped; the next one continues from here");
            Health::Stopped
        }
        Err(error) if error.needs_decision() => {
            let error = error.chain();
            tracing::error!(job = %name, error, "the cycle was held");
            Health::Held
        }
        Err(error) => {
            let error = error.chain();
            // Another agent may have begun one since this one lost its lease.
            let is_lost = shared.store.joined().is_some_and(|agents| agents.is_lost());
            let last = shared.store.last_cycle(name).ok().flatten();
            let last = last.filter(|_| !is_lost);
            let cycle = last.map(|cycle| cycle.number);
            tracing::error!(
                job = %name, cycle, error,
                "the cycle failed; it will be retried when it is due"
            );
            Health::Failed
        }
    };
    metrics::cycle(name.as_str(), ended.as_str(), begun.elapsed());
    if let Some(agents) = shared.store.joined() {
        let (name, took) = (name.clone(), begun.elapsed());
        // A hint for the division of the jobs, no more.
        spawn_blocking(move || drop(agents.weigh(&name, took)));
    }
    deliver::heartbeat(shared, job, ended);
    set_state(shared, name, State::Waiting { next: None }, Some(ended));
    shared.ends(name).notify_waiters();
    ran
}

/// Unless a cycle runs that an operator requested.
pub(super) fn waits_until(shared: &Arc<Shared>, name: &JobName, next: Option<DateTime<Utc>>) {
    shared.status.send_modify(|status| {
        let known = status.jobs.get(name);
        let last = known.and_then(|job| job.last);
        if !known.is_some_and(|job| matches!(job.state, State::Running { .. })) {
            let state = State::Waiting { next };
            status.jobs.insert(name.clone(), Activity { state, last });
        }
    });
}

/// `ended` replaces what is known of the last cycle; `None` leaves it as it is.
fn set_state(shared: &Arc<Shared>, name: &JobName, state: State, ended: Option<Health>) {
    shared.status.send_modify(|status| {
        let known = status.jobs.remove(name);
        let last = ended.or_else(|| known.and_then(|job| job.last));
        let activity = Activity { state, last };
        status.jobs.insert(name.clone(), activity);
    });
}

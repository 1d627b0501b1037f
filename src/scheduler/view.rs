//! What others see of a running service, and the one thing that they may request of it: cycles now.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::duty::Duty;
use super::shared::{Generation, Shared};
use super::status::{Status, WokenBy};
use super::turn::{Asked, NotRun, Ran, Turn, run_cycle};
use crate::config::{Config, Job};
use crate::cycle::{self, Agent, Options, Probed};
use crate::engine::model::JobName;
use crate::engine::record::Registered;
use crate::engine::summary::{Progress, ReadBack, Summary};
use crate::store;

/// What others see of a running service. Looking at it never blocks a cycle.
#[derive(Clone)]
pub(crate) struct View {
    pub(super) generation: watch::Receiver<Arc<Generation>>,
    pub(crate) status: watch::Receiver<Status>,
    /// The service stops.
    pub(crate) stop: CancellationToken,
    pub(super) shared: Arc<Shared>,
}

/// A cycle that an operator requests.
pub(crate) struct Now {
    pub(crate) job: JobName,
    pub(crate) options: Options,
    pub(crate) progress: watch::Sender<Progress>,
}

impl View {
    /// Whether this agent runs the job; another may.
    pub(crate) fn runs(&self, job: &JobName) -> bool {
        self.shared.duty.borrow().has(job)
    }

    /// Why this agent runs nothing, where the state cannot be used.
    pub(crate) fn idle_because(&self) -> Option<String> {
        match &*self.shared.duty.borrow() {
            Duty::Nothing { because } => Some(because.clone()),
            Duty::All | Duty::Of(_) => None,
        }
    }

    /// The agents that share the state; it asks the database, on this thread.
    pub(crate) fn agents(&self) -> Result<Option<Vec<Registered>>, store::Error> {
        self.shared.store.agents()
    }

    /// The configuration that is in force.
    pub(crate) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.generation.borrow().config)
    }

    /// It runs the cycles of that configuration.
    pub(crate) fn agent(&self) -> Agent {
        self.generation.borrow().agent.clone()
    }

    /// Finds out by scratch objects what a job's target can do, while no cycle of the job runs.
    pub(crate) async fn probe(&self, job: &JobName) -> Result<Probed, NotRun> {
        let busy = self.shared.hold(job).await;
        let busy = busy.ok_or_else(|| NotRun::Elsewhere(job.clone()))?;
        self.with(job, |agent, job| {
            let _busy = busy;
            Handle::current().block_on(agent.probe(&job, true))
        })
        .await
    }

    /// Reads what a cycle changed.
    pub(crate) async fn read_back(&self, job: &JobName, cycle: i64) -> Result<ReadBack, NotRun> {
        self.with(job, move |agent, job| {
            Handle::current().block_on(agent.read_back(&job, cycle))
        })
        .await
    }

    /// Does something for a job in a thread of its own, until the service stops.
    async fn with<T: Send + 'static>(
        &self,
        name: &JobName,
        work: impl FnOnce(Agent, Job) -> Result<T, cycle::Error> + Send + 'static,
    ) -> Result<T, NotRun> {
        let current = Arc::clone(&self.generation.borrow());
        let mut jobs = current.config.jobs.iter();
        let job = jobs.find(|job| job.rules.name == *name).cloned();
        let job = job.ok_or_else(|| NotRun::NoJob(name.clone()))?;
        let agent = current.agent.clone();
        let done = spawn_blocking(move || work(agent, job));
        match self.stop.run_until_cancelled(done).await {
            Some(Ok(done)) => Ok(done?),
            Some(Err(error)) => Err(NotRun::Bug(error.to_string())),
            None => Err(cycle::Error::Stopped.into()),
        }
    }

    /// Starts cycles at the request of an operator. All are due before the first starts, so that one reading of
    /// the tenant serves them all.
    pub(crate) fn run_now(&self, all: Vec<Now>) -> Vec<JoinHandle<Result<Summary, NotRun>>> {
        let current = Arc::clone(&self.generation.borrow());
        // A job that is worked on is due when that has ended: readings wait for all that are due.
        let turns: Vec<_> = all
            .into_iter()
            .map(|one| {
                let job = current.job(&one.job);
                let busy = job.and_then(|job| Some((job, self.shared.try_hold(&one.job)?)));
                let turn = busy.map(|(job, busy)| Turn::new(busy, current.agent.due(job)));
                (one, turn)
            })
            .collect();
        let runs = turns.into_iter().map(|(one, turn)| {
            let (shared, current) = (Arc::clone(&self.shared), Arc::clone(&current));
            tokio::spawn(async move {
                let Now {
                    job: name,
                    options,
                    progress,
                } = one;
                let (current, turn) = if let Some(turn) = turn {
                    (current, Some(turn))
                } else {
                    let busy = shared.hold(&name).await;
                    let busy = busy.ok_or_else(|| NotRun::Elsewhere(name.clone()))?;
                    // What is in force by now: it may have waited long.
                    let current = Arc::clone(&shared.generation.borrow());
                    let due = current.job(&name).map(|job| current.agent.due(job));
                    (current, due.map(|due| Turn::new(busy, due)))
                };
                let (Some(job), Some(turn)) = (current.job(&name), turn) else {
                    return Err(NotRun::NoJob(name));
                };
                if job.observes {
                    return Err(cycle::Error::Observes { job: name }.into());
                }
                if shared.stop.is_cancelled() {
                    return Err(cycle::Error::Stopped.into());
                }
                let asked = Asked {
                    woken_by: WokenBy::Operator,
                    options,
                    progress,
                };
                let ran = run_cycle(&shared, &current.agent, job, asked, turn);
                match ran.await? {
                    Ran::Cycle(summary) => Ok(summary),
                    Ran::Plan(_) => Err(cycle::Error::Observes { job: name }.into()),
                }
            })
        });
        runs.collect()
    }

    /// Waits until the configuration was read again; `false`: it never will be.
    pub(crate) async fn reloaded(&mut self) -> bool {
        self.generation.changed().await.is_ok()
    }
}

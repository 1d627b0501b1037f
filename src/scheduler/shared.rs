//! What the tasks of the service share. One cycle or command at a time works on a job, with one look for leavers at the
//! same time, and only where this agent runs the job.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{self, Notify, OwnedMutexGuard, watch};
use tokio_util::sync::CancellationToken;

use super::duty::Duty;
use super::status::Status;
use crate::config::{Config, Job};
use crate::cycle::{Agent, Observed};
use crate::engine::model::JobName;
use crate::store::Store;

/// Writes a report, where the configuration wants it.
pub(crate) type Report = dyn Fn(&Config, &Reported<'_>) -> anyhow::Result<()> + Send + Sync;

/// What a report is of.
pub(crate) enum Reported<'a> {
    /// A cycle that ran.
    Cycle { store: &'a Store, number: i64 },
    /// What a job would do that only observes.
    Plan {
        job: &'a Job,
        observed: &'a Observed,
    },
}

/// A configuration and the agent built from it. A cycle keeps the one it started with.
pub(super) struct Generation {
    pub(super) config: Arc<Config>,
    pub(super) agent: Agent,
}

impl Generation {
    pub(super) fn job(&self, name: &JobName) -> Option<&Job> {
        let mut jobs = self.config.jobs.iter();
        jobs.find(|job| job.rules.name == *name)
    }
}

pub(super) struct Shared {
    pub(super) generation: watch::Sender<Arc<Generation>>,
    pub(super) status: watch::Sender<Status>,
    /// Counts the times an operator asked for all cycles now.
    pub(super) wakes: watch::Sender<u64>,
    pub(super) store: Arc<Store>,
    pub(super) stop: CancellationToken,
    pub(super) report: Box<Report>,
    /// What of the jobs this agent runs.
    pub(super) duty: watch::Sender<Duty>,
    pub(super) busy: Mutex<BTreeMap<JobName, Busy>>,
}

/// Held by what works on a job.
#[derive(Clone, Debug, Default)]
pub(super) struct Busy {
    cycle: Arc<sync::Mutex<()>>,
    look: Arc<sync::Mutex<()>>,
    /// A cycle ended, at the request of the schedule or of an operator.
    ended: Arc<Notify>,
}

/// Nothing works on the job.
pub(super) struct AtRest {
    _cycle: OwnedMutexGuard<()>,
    _look: OwnedMutexGuard<()>,
}

impl Shared {
    /// A report that cannot be written holds up nothing.
    pub(super) fn report(&self, reported: &Reported<'_>) {
        let config = Arc::clone(&self.generation.borrow().config);
        if let Err(error) = (self.report)(&config, reported) {
            let error = chain(&*error);
            tracing::warn!(
                error,
                "the report was not written; `entrain report` shows the cycle"
            );
        }
    }

    fn busy(&self, job: &JobName) -> Busy {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.entry(job.clone()).or_default().clone()
    }

    /// Notified when a cycle of the job ends.
    pub(super) fn ends(&self, job: &JobName) -> Arc<Notify> {
        self.busy(job).ended
    }

    /// Waits until no cycle of the job runs, nor of one that is gone from the configuration; `None` where it is another
    /// agent's by then.
    pub(super) async fn hold(&self, job: &JobName) -> Option<OwnedMutexGuard<()>> {
        let held = self.busy(job).cycle.lock_owned().await;
        for Busy { cycle, look, .. } in self.gone() {
            let _ended = cycle.lock_owned().await;
            let _ended = look.lock_owned().await;
        }
        self.duty.borrow().has(job).then_some(held)
    }

    /// Jobs that are gone from the configuration, of which a cycle may still run: one that came with the same reload may
    /// be the same under another name, and would write to the same accounts.
    fn gone(&self) -> Vec<Busy> {
        let current = Arc::clone(&self.generation.borrow());
        let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = busy.iter().filter(|(name, _)| current.job(name).is_none());
        gone.map(|(_, busy)| busy.clone()).collect()
    }

    /// The same where none runs now.
    pub(super) fn try_hold(&self, job: &JobName) -> Option<OwnedMutexGuard<()>> {
        let held = self.busy(job).cycle.try_lock_owned().ok()?;
        let is_free = |one: &Busy| one.cycle.try_lock().is_ok() && one.look.try_lock().is_ok();
        if !self.gone().iter().all(is_free) {
            return None;
        }
        self.duty.borrow().has(job).then_some(held)
    }

    /// For a look for leavers, which runs during cycles, too.
    pub(super) fn try_hold_look(&self, job: &JobName) -> Option<OwnedMutexGuard<()>> {
        let held = self.busy(job).look.try_lock_owned().ok()?;
        self.duty.borrow().has(job).then_some(held)
    }

    /// Where nothing works on the job now, nothing does until this is dropped.
    pub(super) fn at_rest(&self, job: &JobName) -> Option<AtRest> {
        let Busy { cycle, look, .. } = self.busy(job);
        Some(AtRest {
            _cycle: cycle.try_lock_owned().ok()?,
            _look: look.try_lock_owned().ok()?,
        })
    }

    /// Waits until no job is worked on.
    pub(super) async fn idle(&self) {
        let all: Vec<Busy> = {
            let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
            busy.values().cloned().collect()
        };
        for Busy { cycle, look, .. } in all {
            let _ended = cycle.lock_owned().await;
            let _ended = look.lock_owned().await;
        }
    }
}

/// An error and everything below it, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

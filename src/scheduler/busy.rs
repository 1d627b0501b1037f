//! One cycle or command at a time works on a job, with one look for leavers at the same time, and only where this agent
//! runs the job.

use std::sync::{Arc, PoisonError};

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::driver::Shared;
use crate::engine::model::JobName;

/// Held by what works on a job.
#[derive(Clone, Debug, Default)]
pub(super) struct Busy {
    cycle: Arc<Mutex<()>>,
    look: Arc<Mutex<()>>,
}

/// Nothing works on the job.
pub(super) struct AtRest {
    _cycle: OwnedMutexGuard<()>,
    _look: OwnedMutexGuard<()>,
}

impl Shared {
    fn busy(&self, job: &JobName) -> Busy {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.entry(job.clone()).or_default().clone()
    }

    /// Waits until no cycle of the job runs; `None` where it is another agent's by then.
    pub(super) async fn hold(&self, job: &JobName) -> Option<OwnedMutexGuard<()>> {
        let held = self.busy(job).cycle.lock_owned().await;
        self.duty.borrow().has(job).then_some(held)
    }

    /// The same where none runs now.
    pub(super) fn try_hold(&self, job: &JobName) -> Option<OwnedMutexGuard<()>> {
        let held = self.busy(job).cycle.try_lock_owned().ok()?;
        self.duty.borrow().has(job).then_some(held)
    }

    /// For a look for leavers, which runs during cycles, too.
    pub(super) fn try_hold_look(&self, job: &JobName) -> Option<OwnedMutexGuard<()>> {
        let held = self.busy(job).look.try_lock_owned().ok()?;
        self.duty.borrow().has(job).then_some(held)
    }

    /// Where nothing works on the job now, nothing does until this is dropped.
    pub(super) fn at_rest(&self, job: &JobName) -> Option<AtRest> {
        let Busy { cycle, look } = self.busy(job);
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
        for Busy { cycle, look } in all {
            let _ended = cycle.lock_owned().await;
            let _ended = look.lock_owned().await;
        }
    }
}

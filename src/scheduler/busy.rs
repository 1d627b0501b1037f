//! One thing at a time works on a job, and only where this agent runs it.

use std::sync::{Arc, PoisonError};

use tokio::sync::OwnedMutexGuard;

use super::driver::Shared;
use crate::engine::model::JobName;

impl Shared {
    pub(super) fn busy(&self, job: &JobName) -> Arc<tokio::sync::Mutex<()>> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(busy.entry(job.clone()).or_default())
    }

    /// Waits until nothing else works on the job; `None` where it is another agent's by then.
    pub(super) async fn hold(&self, job: &JobName) -> Option<OwnedMutexGuard<()>> {
        let busy = self.busy(job).lock_owned().await;
        self.duty.borrow().has(job).then_some(busy)
    }

    /// The same where nothing works on it now.
    pub(super) fn try_hold(&self, job: &JobName) -> Option<OwnedMutexGuard<()>> {
        let busy = self.busy(job).try_lock_owned().ok()?;
        self.duty.borrow().has(job).then_some(busy)
    }

    /// Waits until no job is worked on.
    pub(super) async fn idle(&self) {
        let all: Vec<_> = {
            let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
            busy.values().map(Arc::clone).collect()
        };
        for one in all {
            let _ended = one.lock_owned().await;
        }
    }
}

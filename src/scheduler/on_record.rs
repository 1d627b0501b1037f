//! What is on record of a job's last cycle, for the driver.

use chrono::{DateTime, Utc};

use super::driver::chain;
use crate::engine::model::JobName;
use crate::store::Store;

/// When the job's last cycle started, by whichever process.
pub(super) fn last_start_on_record(store: &Store, job: &JobName) -> Option<DateTime<Utc>> {
    match store.last_cycle(job) {
        Ok(cycle) => cycle.map(|cycle| cycle.started),
        Err(error) => {
            let error = chain(&error);
            tracing::error!(%job, error, "the last cycle could not be looked up");
            None
        }
    }
}

/// Whether the job's last cycle did not reach its end. Its next one does not wait for its time: what was
/// wrong may have been corrected. No other process can be in the middle of it, for the lock is ours.
pub(super) fn is_unfinished(store: &Store, job: &JobName) -> bool {
    // An error is logged when the last start is looked up.
    let last = store.last_cycle(job).ok().flatten();
    last.is_some_and(|cycle| cycle.state.is_unfinished())
}

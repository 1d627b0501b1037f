//! What is on record of a job's last cycle, for the driver.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::sleep;

use super::shared::{Shared, chain};
use crate::engine::model::JobName;
use crate::store::Store;

/// Between two looks whether a command still waits, and how many there are.
const PAUSE: Duration = Duration::from_millis(250);
const ATTEMPTS: u32 = 40;

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

/// Whether an operator paused the job, which is logged.
pub(super) fn is_paused(store: &Store, job: &JobName) -> bool {
    match store.paused(job) {
        Ok(Some(paused)) => {
            tracing::info!(%job, by = paused.by, "paused: no cycle until it is resumed");
            true
        }
        Ok(None) => false,
        // The cycle says what is wrong with the state.
        Err(error) => {
            tracing::debug!(%job, %error, "not known whether the job is paused");
            false
        }
    }
}

/// Lets a command go first that waits for a cycle of the job, such as one that another agent did not finish: its cycle
/// does what is due as well, and is the one that the command reports. It is found within seconds.
pub(super) async fn command_first(shared: &Shared, job: &JobName) {
    for _ in 0..ATTEMPTS {
        // An error is logged when the last start is looked up.
        if !shared.store.is_commanded(job).unwrap_or(false) {
            return;
        }
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = sleep(PAUSE) => {}
        }
    }
}

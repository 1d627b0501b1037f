//! What failed is tried again between the cycles of a job, when it is due.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::clock::now;
use super::driver::{LONGEST_SLEEP, Shared};
use super::log::note;
use super::status::WokenBy;
use crate::config::Job;
use crate::cycle::Agent;
use crate::store::Store;

/// The longest wait after retries that could not be carried out.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// What is known of a job's retries so far.
#[derive(Debug, Default)]
pub(super) struct Retries {
    /// How many in a row did not come to their end.
    failed: u32,
    /// None before.
    not_before: Option<Instant>,
}

impl Retries {
    /// Waits until something is due; for ever where nothing is tried between cycles.
    pub(super) async fn are_due(&self, store: &Store, job: &Job, first: Option<Duration>) {
        let Some(first) = first.filter(|_| !job.observes) else {
            return std::future::pending().await;
        };
        loop {
            if let Some(time) = self.not_before {
                sleep(time.saturating_duration_since(Instant::now())).await;
            }
            let left = match next(store, job, first) {
                Some(next) => (next - now()).to_std().unwrap_or_default(),
                None => LONGEST_SLEEP,
            };
            if left.is_zero() {
                return;
            }
            sleep(left.min(LONGEST_SLEEP)).await;
        }
    }

    pub(super) async fn run(
        &mut self,
        shared: &Arc<Shared>,
        agent: &Agent,
        job: &Job,
        first: Option<Duration>,
    ) {
        let name = &job.rules.name;
        let _busy = shared.busy(name).lock_owned().await;
        let (agent, of, runtime) = (agent.clone(), job.clone(), Handle::current());
        let due = agent.due();
        let ended = spawn_blocking(move || runtime.block_on(Box::pin(agent.retry(&of, due)))).await;
        let has_ended = match ended {
            Ok(Ok(found)) => {
                let aborted = found.as_ref().is_some_and(|one| one.aborted.is_some());
                if let Some(summary) = found {
                    note(shared, &summary, WokenBy::Retries).await;
                }
                !aborted
            }
            Ok(Err(_)) if shared.stop.is_cancelled() => true,
            Ok(Err(error)) => {
                let error = error.chain();
                tracing::warn!(
                    job = %name, error,
                    "failed objects could not be retried; they will be retried later"
                );
                false
            }
            Err(error) => {
                tracing::error!(job = %name, %error, "a retry crashed; this is a bug");
                false
            }
        };
        self.failed = if has_ended { 0 } else { self.failed + 1 };
        let step = first.unwrap_or(LONGEST_WAIT);
        let wait = step.saturating_mul(1 << self.failed.min(12));
        self.not_before = Some(Instant::now() + wait.min(LONGEST_WAIT));
    }
}

/// When the first object is due.
fn next(store: &Store, job: &Job, first: Duration) -> Option<DateTime<Utc>> {
    let name = &job.rules.name;
    // The cycle says what is wrong with the state.
    if store.paused(name).ok()?.is_some() || store.quarantine(name).ok()?.is_some() {
        return None;
    }
    let escrow = store.escrow(name).ok()?.into_iter();
    let times = escrow.filter_map(|one| {
        let next = one.next_try(first)?;
        Some(if one.changed { one.last_failed } else { next })
    });
    times.min()
}

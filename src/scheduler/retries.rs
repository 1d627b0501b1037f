//! What failed is tried again between the cycles of a job, when it is due.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::clock::{LONGEST_SLEEP, now};
use super::log::note;
use super::shared::Shared;
use super::status::WokenBy;
use crate::config::Job;
use crate::cycle::Agent;
use crate::engine::ladder::first_of_removals;
use crate::store::Store;

/// The longest wait after retries that could not be carried out.
const LONGEST_WAIT: Duration = Duration::from_hours(1);
/// The same where removals wait.
const LONGEST_OF_REMOVALS: Duration = Duration::from_mins(1);

/// What is known of a job's retries so far.
#[derive(Debug, Default)]
pub(super) struct Retries {
    /// How many in a row did not come to their end.
    failed: u32,
    ended: Option<Instant>,
    /// The target did not answer the last time, so that removals are due as soon as it does.
    is_down: bool,
}

impl Retries {
    /// Waits until something is due; for ever where nothing is tried between cycles.
    pub(super) async fn are_due(&self, store: &Store, job: &Job, first: Option<Duration>) {
        let Some(first) = first.filter(|_| !job.observes) else {
            return std::future::pending().await;
        };
        loop {
            let left = self.next(store, job, first).unwrap_or(LONGEST_SLEEP);
            if left.is_zero() {
                return;
            }
            sleep(left.min(LONGEST_SLEEP)).await;
        }
    }

    /// How long until something is due.
    fn next(&self, store: &Store, job: &Job, first: Duration) -> Option<Duration> {
        let name = &job.rules.name;
        // The cycle says what is wrong with the state.
        if store.paused(name).ok()?.is_some() {
            return None;
        }
        let quarantine = store.quarantine(name).ok()?;
        if quarantine
            .as_ref()
            .is_some_and(|known| !known.tries_removals())
        {
            return None;
        }
        let since = self.ended.map(|ended| ended.elapsed());
        let gap = |step: Duration, most: Duration| {
            let gap = step.saturating_mul(1 << self.failed.min(12)).min(most);
            since.map_or(Duration::ZERO, |since| gap.saturating_sub(since))
        };
        let gaps = [
            gap(first, LONGEST_WAIT),
            gap(first_of_removals(first), LONGEST_OF_REMOVALS.min(first)),
        ];
        let now = now();
        let escrow = store.escrow(name).ok()?.into_iter();
        let waits = escrow
            .filter(|one| quarantine.is_none() || one.is_removal())
            .filter_map(|one| {
                let is_removal = one.is_removal();
                let mut left = one.left(first, now)?;
                if one.changed || (is_removal && self.is_down) {
                    left = Duration::ZERO;
                }
                Some(left.max(gaps[usize::from(is_removal)]))
            });
        waits.min()
    }

    pub(super) async fn run(&mut self, shared: &Arc<Shared>, agent: &Agent, job: &Job) {
        let name = &job.rules.name;
        let Some(_busy) = shared.hold(name).await else {
            return;
        };
        let (agent, of, runtime) = (agent.clone(), job.clone(), Handle::current());
        let (due, was_down) = (agent.due(job), self.is_down);
        let retrying =
            spawn_blocking(move || runtime.block_on(Box::pin(agent.retry(&of, due, was_down))));
        let has_ended = match retrying.await {
            Ok(Ok(found)) => {
                let aborted = found.as_ref().is_some_and(|one| one.aborted.is_some());
                if let Some(summary) = found {
                    note(shared, &summary, WokenBy::Retries).await;
                }
                self.is_down = aborted;
                !aborted
            }
            Ok(Err(_)) if shared.stop.is_cancelled() => true,
            Ok(Err(error)) => {
                self.is_down |= error.is_of_the_target();
                let error = error.chain();
                if self.failed == 0 {
                    tracing::warn!(
                        job = %name, error,
                        "failed objects could not be retried; they will be retried later"
                    );
                } else {
                    tracing::debug!(job = %name, error, "failed objects could not be retried");
                }
                false
            }
            Err(error) => {
                tracing::error!(job = %name, %error, "a retry crashed; this is a bug");
                false
            }
        };
        self.failed = if has_ended { 0 } else { self.failed + 1 };
        self.ended = Some(Instant::now());
    }
}

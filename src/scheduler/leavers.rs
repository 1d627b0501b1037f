//! The watch for leavers: one light look at the tenant for all jobs, also while their cycles run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::OwnedMutexGuard;
use tokio::task::{JoinError, JoinSet, spawn_blocking};
use tokio::time::sleep;

use super::log::note;
use super::shared::{Generation, Shared};
use super::status::WokenBy;
use crate::config::Job;
use crate::cycle::{Error, Seen, next_look};
use crate::engine::model::JobName;
use crate::engine::summary::Summary;

/// The longest wait after looks that could not be carried out, unless all are further apart.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// What is known of a job's looks so far.
#[derive(Debug, Default)]
struct Looks {
    seen: Seen,
    /// How many in a row did not come to their end.
    failed: u32,
    /// No look before.
    not_before: Option<Instant>,
}

/// A look that came to its end, or what became of it.
type Ended = (
    JobName,
    Result<(Seen, Result<Option<Summary>, Error>), JoinError>,
);

/// The looks of all jobs. One that takes long holds up no other job's.
struct Watch {
    shared: Arc<Shared>,
    jobs: BTreeMap<JobName, Looks>,
    running: JoinSet<Ended>,
    /// Requests to the source of looks that ended since the last began.
    requests: u64,
}

/// Looks as often as the configuration says, until a stop is requested.
pub(super) async fn watch(shared: Arc<Shared>) {
    let mut generation = shared.generation.subscribe();
    let mut watch = Watch {
        shared: Arc::clone(&shared),
        jobs: BTreeMap::new(),
        running: JoinSet::new(),
        requests: 0,
    };
    let mut last = Instant::now();
    loop {
        let current = Arc::clone(&generation.borrow_and_update());
        let every = current.config.leavers;
        let wait = every.map(|every| next_look(every, watch.requests));
        let next = async {
            match wait {
                Some(wait) => sleep(wait.saturating_sub(last.elapsed())).await,
                None => std::future::pending().await,
            }
        };
        let step = every.unwrap_or_default();
        tokio::select! {
            () = shared.stop.cancelled() => break,
            changed = generation.changed() => {
                if changed.is_err() {
                    break;
                }
            }
            Some(Ok(ended)) = watch.running.join_next() => watch.end(ended, step).await,
            () = next => {
                last = Instant::now();
                watch.begin(&current, step);
            }
        }
    }
    while let Some(ended) = watch.running.join_next().await {
        if let Ok(ended) = ended {
            watch.end(ended, Duration::ZERO).await;
        }
    }
}

impl Watch {
    /// A look of each job of which none runs.
    fn begin(&mut self, current: &Generation, step: Duration) {
        self.requests = 0;
        let now = Instant::now();
        let mut free: Vec<(&Job, OwnedMutexGuard<()>)> = Vec::new();
        let jobs = current.config.jobs.iter();
        for job in jobs.filter(|job| job.enabled && !job.observes) {
            let known = self.jobs.entry(job.rules.name.clone()).or_default();
            if known.not_before.is_some_and(|time| now < time) {
                continue;
            }
            if let Some(guard) = self.shared.try_hold_look(&job.rules.name) {
                free.push((job, guard));
            }
        }
        // All before the first look begins: they share one reading.
        let dues: Vec<_> = free.iter().map(|(job, _)| current.agent.due(job)).collect();
        for ((job, guard), due) in free.into_iter().zip(dues) {
            let (agent, job, runtime) = (current.agent.clone(), job.clone(), Handle::current());
            let name = job.rules.name.clone();
            let known = self.jobs.entry(name.clone()).or_default();
            let (mut seen, failed_before) = (std::mem::take(&mut known.seen), known.failed > 0);
            self.running.spawn(async move {
                let looking = spawn_blocking(move || {
                    let look = agent.look_for_leavers(&job, &mut seen, (step, failed_before), due);
                    let found = runtime.block_on(look);
                    (seen, found)
                });
                let ended = looking.await;
                drop(guard);
                (name, ended)
            });
        }
    }

    async fn end(&mut self, (name, ended): Ended, step: Duration) {
        let shared = &self.shared;
        let known = self.jobs.entry(name.clone()).or_default();
        let ended = ended.map(|(seen, found)| {
            self.requests += seen.requests();
            known.seen = seen;
            found
        });
        let has_ended = match ended {
            Ok(Ok(found)) => {
                let aborted = found.as_ref().is_some_and(|one| one.aborted.is_some());
                if let Some(summary) = found {
                    note(shared, &summary, WokenBy::Leavers).await;
                }
                !aborted
            }
            Ok(Err(error)) if shared.stop.is_cancelled() => {
                tracing::debug!(job = %name, error = error.chain(), "the check for leavers was stopped");
                true
            }
            Ok(Err(error)) => {
                let error = error.chain();
                if known.failed == 0 {
                    tracing::warn!(job = %name, error, "the check for leavers failed; it will be retried");
                } else {
                    tracing::debug!(job = %name, error, "the check for leavers failed");
                }
                false
            }
            Err(error) => {
                tracing::error!(job = %name, %error, "the check for leavers crashed; this is a bug");
                false
            }
        };
        known.failed = if has_ended { 0 } else { known.failed + 1 };
        known.not_before = (known.failed > 0).then(|| {
            let wait = step.saturating_mul(1 << (known.failed - 1).min(12));
            Instant::now() + wait.min(LONGEST_WAIT.max(step))
        });
    }
}

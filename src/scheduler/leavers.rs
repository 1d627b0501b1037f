//! The watch for leavers: one light look at the tenant for all jobs, also while their cycles run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::OwnedMutexGuard;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;

use super::driver::Shared;
use super::log::note;
use super::status::WokenBy;
use crate::config::Job;
use crate::cycle::{Agent, next_look};
use crate::engine::model::JobName;
use crate::store::MarkCutoff;

/// The longest wait after looks that could not be carried out, unless all are further apart.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// What is known of a job's looks so far.
#[derive(Clone, Copy, Debug, Default)]
struct Looks {
    since: Option<MarkCutoff>,
    /// How many in a row did not come to their end.
    failed: u32,
    /// No look before.
    not_before: Option<Instant>,
}

/// Looks as often as the configuration says, until a stop is requested.
pub(super) async fn watch(shared: Arc<Shared>) {
    let mut generation = shared.generation.subscribe();
    let mut jobs: BTreeMap<JobName, Looks> = BTreeMap::new();
    let mut requests = 0;
    loop {
        let current = Arc::clone(&generation.borrow_and_update());
        let every = current.config.leavers;
        let next = async {
            match every {
                Some(every) => sleep(next_look(every, requests)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shared.stop.cancelled() => return,
            changed = generation.changed() => {
                if changed.is_err() {
                    return;
                }
                continue;
            }
            () = next => {}
        }
        let before = current.agent.source_requests();
        look(
            &shared,
            &current.agent,
            &current.config.jobs,
            every.unwrap_or_default(),
            &mut jobs,
        )
        .await;
        requests = current.agent.source_requests().saturating_sub(before);
    }
}

/// One look, for all jobs.
async fn look(
    shared: &Arc<Shared>,
    agent: &Agent,
    all: &[Job],
    step: Duration,
    looks: &mut BTreeMap<JobName, Looks>,
) {
    let now = Instant::now();
    let mut free: Vec<(&Job, OwnedMutexGuard<()>)> = Vec::new();
    for job in all.iter().filter(|job| job.enabled && !job.observes) {
        let known = looks.entry(job.rules.name.clone()).or_default();
        if known.not_before.is_some_and(|time| now < time) {
            continue;
        }
        if let Some(guard) = shared.try_hold_look(&job.rules.name) {
            free.push((job, guard));
        }
    }
    // All before the first look begins: they share one reading.
    let dues: Vec<_> = free.iter().map(|(job, _)| agent.due(job)).collect();
    let mut tasks = JoinSet::new();
    for ((job, guard), due) in free.into_iter().zip(dues) {
        let (agent, job, runtime) = (agent.clone(), job.clone(), Handle::current());
        let known = looks.get(&job.rules.name).copied().unwrap_or_default();
        tasks.spawn(async move {
            let name = job.rules.name.clone();
            let (mut since, failed_before) = (known.since, known.failed > 0);
            let looking = spawn_blocking(move || {
                let look = agent.look_for_leavers(&job, &mut since, (step, failed_before), due);
                let found = runtime.block_on(look);
                (since, found)
            });
            let ended = looking.await;
            drop(guard);
            (name, ended)
        });
    }
    while let Some(ended) = tasks.join_next().await {
        let Ok((name, ended)) = ended else {
            continue;
        };
        let known = looks.entry(name.clone()).or_default();
        let has_ended = match ended {
            Ok((since, Ok(found))) => {
                known.since = since;
                let aborted = found.as_ref().is_some_and(|one| one.aborted.is_some());
                if let Some(summary) = found {
                    note(shared, &summary, WokenBy::Leavers).await;
                }
                !aborted
            }
            Ok((_, Err(error))) if shared.stop.is_cancelled() => {
                tracing::debug!(job = %name, error = error.chain(), "the check for leavers was stopped");
                true
            }
            Ok((_, Err(error))) => {
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

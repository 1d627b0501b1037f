//! Several agents share the jobs of a state: what this one runs, and that it runs nothing that is no longer its.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::clock::now;
use super::duty::Duty;
use super::shared::{Generation, Shared, chain};
use crate::engine::model::JobName;
use crate::store::{About, Agents, Error, Held, Offer, Store};

/// Between two looks at what the other agents did.
const LOOK: Duration = Duration::from_millis(500);

/// Looks between two divisions of the jobs, and between two looks at the size of what was changed.
const LOOKS: u32 = 4;
const COMPACT_LOOKS: u32 = 120;

/// What an agent says of itself to the others.
pub(crate) fn about(command: &str, shares: bool) -> About {
    About {
        host: hostname::get()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        pid: std::process::id(),
        command: command.to_owned(),
        shares,
    }
}

/// Takes and gives jobs until a stop is requested and everything has ended; then it leaves the others.
pub(super) async fn share(shared: Arc<Shared>) {
    if !shared.store.is_shared() {
        return;
    }
    let mut part = Part {
        shared: Arc::clone(&shared),
        agents: None,
        reported: BTreeSet::new(),
        generation: shared.generation.subscribe(),
        configured: false,
        failed: false,
    };
    let mut looks = 0_u32;
    while !shared.stop.is_cancelled() {
        let divides = looks.is_multiple_of(LOOKS);
        looks = looks.wrapping_add(1);
        if let Err(error) = part.look(divides).await {
            part.fail(&error);
            // At once again: the lease may have time left.
            looks = 0;
        } else if looks.is_multiple_of(COMPACT_LOOKS) {
            let compacted = shared.store.run(Store::compact).await;
            if let Err(error) = compacted {
                tracing::debug!(error = chain(&error), "the snapshot was not replaced");
            }
        }
        tokio::select! {
            () = shared.stop.cancelled() => {}
            () = sleep(LOOK) => {}
        }
    }
    // The jobs' tasks end by themselves.
    shared.idle().await;
    if let Some(agents) = part.agents {
        let left = tokio::task::spawn_blocking(move || agents.leave()).await;
        if let Ok(Err(failed)) = left {
            tracing::warn!(error = %failed, "the other agents wait until the lease of this one ends");
        }
    }
}

struct Part {
    shared: Arc<Shared>,
    agents: Option<Arc<Agents>>,
    /// Jobs of which a newer configuration was reported.
    reported: BTreeSet<JobName>,
    generation: watch::Receiver<Arc<Generation>>,
    configured: bool,
    /// The database could not be used at the last look.
    failed: bool,
}

impl Part {
    async fn look(&mut self, divides: bool) -> Result<(), Error> {
        let store = &self.shared.store;
        store.run(Store::follow_now).await?;
        let agents = self.joined().await?;
        if self.generation.has_changed().unwrap_or(false) {
            self.configured = false;
        }
        let current = Arc::clone(&self.generation.borrow_and_update());
        let enabled = current.config.jobs.iter().filter(|job| job.enabled);
        let jobs: Vec<Offer> = enabled.map(Offer::new).collect();
        if !self.configured {
            let (agents, jobs) = (Arc::clone(&agents), jobs.clone());
            blocking(move || agents.configure(jobs)).await?;
            self.configured = true;
        } else if !divides {
            return Ok(());
        }
        self.shared
            .store
            .run(|store| store.heed_failover(now()))
            .await?;
        let (sharing, shared) = (Arc::clone(&agents), Arc::clone(&self.shared));
        // No cycle of a job that is given away starts before the duty says so.
        let idle = move |job: &JobName| shared.at_rest(job);
        let (held, given) = blocking(move || sharing.share(jobs, idle)).await?;
        if !held.taken.is_empty() {
            let taken = held.taken.clone();
            tracing::info!(
                jobs = taken
                    .iter()
                    .map(JobName::as_str)
                    .collect::<Vec<_>>()
                    .join(", "),
                "took jobs"
            );
            let store = &self.shared.store;
            store.run(Store::follow).await?;
            store
                .run(move |store| store.take_over_jobs(&taken, now()))
                .await?;
        }
        for job in &held.outdated {
            if self.reported.insert(job.clone()) {
                tracing::warn!(
                    %job,
                    "another agent loaded a newer configuration of this job; this agent does not run it until its \
                     own is reloaded"
                );
            }
        }
        self.reported.retain(|job| held.outdated.contains(job));
        if std::mem::take(&mut self.failed) {
            tracing::info!("the state can be used again");
        }
        self.set(Duty::Of(Held {
            taken: Vec::new(),
            ..held
        }));
        drop(given);
        Ok(())
    }

    /// This agent among the others; it joins anew where its lease was lost, when nothing of before runs any more.
    async fn joined(&mut self) -> Result<Arc<Agents>, Error> {
        if let Some(agents) = self.agents.as_ref().filter(|agents| !agents.is_lost()) {
            return Ok(Arc::clone(agents));
        }
        if self.agents.take().is_some() {
            self.set(Duty::Nothing {
                because: "the lease of this agent ended".to_owned(),
            });
            tracing::warn!("the lease of this agent ended; it joins the others again");
            self.shared.idle().await;
        }
        let joined = self
            .shared
            .store
            .run(|store| store.join(&about("run", true)));
        let agents = joined.await?.expect("the state is shared");
        tracing::info!(
            agent = agents.id(),
            "joined the agents that share the state"
        );
        self.agents = Some(Arc::clone(&agents));
        self.configured = false;
        Ok(agents)
    }

    fn fail(&mut self, error: &Error) {
        // Another agent, whose copy can be used, can run what this one has.
        if !error.is_of_database()
            && let Some(agents) = &self.agents
        {
            agents.lose();
        }
        let error = chain(error);
        if !std::mem::replace(&mut self.failed, true) {
            tracing::error!(error, "no cycle starts until the state can be used again");
        }
        self.set(Duty::Nothing { because: error });
    }

    fn set(&self, duty: Duty) {
        self.shared.duty.send_if_modified(|known| {
            let has_changed = *known != duty;
            *known = duty;
            has_changed
        });
    }
}

/// What the database did not do is an error of the state.
async fn blocking<T: Send + 'static, E: Into<Error> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(Into::into),
        Err(stopped) => std::panic::resume_unwind(stopped.into_panic()),
    }
}

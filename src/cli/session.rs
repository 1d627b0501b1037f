//! What a command that runs or plans cycles works with: the state, an agent on it, and the signals.

use std::sync::Arc;

use super::interrupt::Interrupt;
use super::output::Output;
use super::source::{self, SnapshotFile};
use crate::config::{Config, Job};
use crate::cycle::Agent;
use crate::scheduler;
use crate::store::{self, Agents, Lease, Lock, Offer, Store};

pub(super) struct Session {
    pub(super) store: Arc<Store>,
    pub(super) agent: Agent,
    pub(super) interrupt: Interrupt,
    #[expect(dead_code, reason = "it is there to be dropped")]
    member: Option<Member>,
    /// Held to the end by who may write.
    _lock: Option<Lock>,
}

impl Session {
    /// To run cycles. The second of two processes fails at once, and names the first.
    pub(super) async fn cycles(
        output: Output,
        config: &Arc<Config>,
        command: &'static str,
        jobs: &[&Job],
    ) -> anyhow::Result<Self> {
        let lock = Lock::acquire(&config.state.path, command)?;
        let store = Store::open(&config.state)?;
        store.take_over(&lock, scheduler::now())?;
        let member = Member::join(&store, command, jobs, config)?;
        let session = Self::new(output, config, store, Some(lock), None).await?;
        Ok(Self { member, ..session })
    }

    /// To plan: it holds nothing that could write to the state or to a target.
    pub(super) async fn plan(output: Output, config: &Arc<Config>) -> anyhow::Result<Self> {
        Self::plan_from(output, config, None).await
    }

    /// The same from a snapshot of the tenant.
    pub(super) async fn plan_from(
        output: Output,
        config: &Arc<Config>,
        snapshot: Option<&SnapshotFile>,
    ) -> anyhow::Result<Self> {
        let store = Store::open_plan(&config.state)?;
        Self::new(output, config, store, None, snapshot).await
    }

    async fn new(
        output: Output,
        config: &Arc<Config>,
        store: Store,
        lock: Option<Lock>,
        snapshot: Option<&SnapshotFile>,
    ) -> anyhow::Result<Self> {
        let store = Arc::new(store);
        let interrupt = Interrupt::listen(output)?;
        let agent = source::agent(config, &store, snapshot, &interrupt)?;
        agent.same_tenant().await?;
        Ok(Self {
            store,
            agent,
            interrupt,
            member: None,
            _lock: lock,
        })
    }
}

/// This process among the agents that share the state, with the jobs of its command.
struct Member {
    agents: Arc<Agents>,
}

impl Member {
    /// `None` where no agents share the state.
    fn join(
        store: &Store,
        command: &str,
        jobs: &[&Job],
        config: &Config,
    ) -> Result<Option<Self>, store::Error> {
        let Some(agents) = store.join(&scheduler::about(command, false))? else {
            return Ok(None);
        };
        let member = Self { agents };
        for job in jobs {
            let name = &job.rules.name;
            if let Err(other) = member.agents.take(&Lease::Job(name.clone()))? {
                return Err(store::Error::OfAgent {
                    job: name.clone(),
                    agent: Box::new(other),
                });
            }
        }
        let offers = config.jobs.iter().map(Offer::new).collect();
        member.agents.keep_to_its_part(offers)?;
        store.follow()?;
        store.heed_failover(scheduler::now())?;
        let names: Vec<_> = jobs.iter().map(|job| job.rules.name.clone()).collect();
        store.take_over_jobs(&names, scheduler::now())?;
        Ok(Some(member))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // Where this fails, others wait until the lease ends.
        let _ = self.agents.leave();
    }
}

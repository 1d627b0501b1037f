//! What a command that runs or plans cycles works with: the state, an agent on it, and the signals.

use std::sync::Arc;

use super::interrupt::Interrupt;
use super::output::Output;
use super::source::{self, SnapshotFile};
use crate::config::Config;
use crate::cycle::Agent;
use crate::scheduler;
use crate::store::{Lock, Store};

pub(super) struct Session {
    pub(super) store: Arc<Store>,
    pub(super) agent: Agent,
    pub(super) interrupt: Interrupt,
    /// Held to the end by who may write.
    _lock: Option<Lock>,
}

impl Session {
    /// To run cycles. The second of two processes fails at once, and names the first.
    pub(super) async fn cycles(
        output: Output,
        config: &Arc<Config>,
        command: &'static str,
    ) -> anyhow::Result<Self> {
        let lock = Lock::acquire(&config.state_path, command)?;
        let store = Store::open(&config.state_path)?;
        store.take_over(&lock, scheduler::now())?;
        Self::new(output, config, store, Some(lock), None).await
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
        let store = Store::open_plan(&config.state_path)?;
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
            _lock: lock,
        })
    }
}

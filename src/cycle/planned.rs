//! A plan as `cli` and the scheduler get it.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Agent, Due, Error, Options, drift};
use crate::config;
use crate::engine::guard::{LimitUse, WhyHeld};
use crate::engine::plan::{Header, Totals};
use crate::engine::predict::Refusal;
use crate::engine::summary::{CycleKind, Progress, Requests};
use crate::store::Store;

/// The plan of a job that only observes, with the agent and the state that hold its rows.
pub(crate) struct Observed {
    pub(crate) planned: Planned,
    pub(crate) agent: Agent,
    pub(crate) store: Arc<Store>,
}

/// A plan that was judged, and what making it cost. Its rows are in the ledger.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    /// Its number in the ledger.
    pub(crate) cycle: i64,
    /// Actions that the target would refuse, as far as that can be known.
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) header: Header,
    pub(crate) totals: Totals,
    /// Why removals are held; empty when none is.
    pub(crate) held: Vec<WhyHeld>,
    /// The removals next to the limits.
    pub(crate) limits: Vec<LimitUse>,
    pub(crate) kind: CycleKind,
    pub(crate) requests: Requests,
}

impl Agent {
    /// Reads the tenant for a job that only observes, and plans on top of the state: what was read stays, and
    /// the plan does not.
    pub(crate) async fn observe(
        &self,
        job: &config::Job,
        progress: &watch::Sender<Progress>,
        due: Due,
    ) -> Result<Observed, Error> {
        let options = Options::default();
        let context = self.context(job, &options, progress)?;
        context.sources.read(&context.want(), due).await?;
        let compares = drift::is_due(&context)?;
        let store = Arc::new(self.store.planner()?);
        let agent = self.with(Arc::clone(&self.config), Arc::clone(&store))?;
        let planned = agent.plan(job, &options, progress, agent.due(job)).await?;
        if compares {
            self.store.note_compared(&job.rules.name, (self.now)())?;
        }
        Ok(Observed {
            planned,
            agent,
            store,
        })
    }
}

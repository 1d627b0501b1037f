//! What of the jobs this agent runs.

use tokio::sync::watch;

use crate::engine::model::JobName;
use crate::store::{Held, Store};

/// What this agent runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Duty {
    /// No other agent shares the state.
    All,
    Of(Held),
    /// Nothing, since the database cannot be used.
    Nothing {
        because: String,
    },
}

impl Duty {
    pub(super) fn has(&self, job: &JobName) -> bool {
        match self {
            Self::All => true,
            Self::Of(held) => held.jobs.contains(job),
            Self::Nothing { .. } => false,
        }
    }

    pub(super) fn notifies(&self) -> bool {
        match self {
            Self::All => true,
            Self::Of(held) => held.notices,
            Self::Nothing { .. } => false,
        }
    }
}

/// What the duty is before the first division.
pub(super) fn at_first(store: &Store) -> watch::Sender<Duty> {
    watch::Sender::new(if store.is_shared() {
        Duty::Of(Held::default())
    } else {
        Duty::All
    })
}

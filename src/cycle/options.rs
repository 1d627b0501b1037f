//! What is requested of one cycle, in addition to its job.

use std::sync::Arc;

use super::{Expected, Only};
use crate::engine::job::{Limit, Limits};

/// What a cycle is asked for beyond the job itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Evaluate everything, whatever the watermark says, and compare linked objects with what the target
    /// really holds.
    pub(crate) initial: bool,
    /// Evaluate everything as the source was read last, and what changed since.
    pub(crate) evaluate_all: bool,
    /// Only these objects.
    pub(crate) only: Option<Only>,
    /// Only this, between two cycles.
    pub(crate) between: Option<Between>,
    /// What failed and is not due yet is left out.
    pub(crate) rests: bool,
    /// Instead of the configured limit.
    pub(crate) max_deletions: Option<u64>,
    /// Nothing is written unless the plan is this one.
    pub(crate) saved: Option<Arc<Expected>>,
}

/// What is done between two cycles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Between {
    /// Taking access from users.
    Leavers,
    /// Trying again what failed and is due.
    Retries,
}

impl Options {
    /// An operator named something: it is tried whatever failed before.
    pub(super) fn is_asked_for(&self) -> bool {
        self.only.is_some() || self.initial || self.saved.is_some()
    }

    /// What the guard goes by.
    pub(super) fn limits(&self, configured: Limits) -> Limits {
        let most = self.max_deletions.map(Limit::Count);
        Limits {
            max_deletions: most.or(configured.max_deletions),
            ..configured
        }
    }

    /// Not everything that is due is looked at.
    pub(super) fn is_partial(&self) -> bool {
        self.only.is_some() || self.between.is_some()
    }

    /// For an audit.
    pub(crate) fn auditing() -> Self {
        Self {
            evaluate_all: true,
            ..Self::default()
        }
    }
}

//! What a finished cycle reports: counts, failures, what is held, and what it cost.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::guard::WhyHeld;
use super::model::JobName;
use super::names::Misnamed;
use super::outcome::Failure;
use super::plan::{Count, Drifted, Strangers, Subject, Warning};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) job: JobName,
    /// Number of the cycle in the state file, from 1.
    pub(crate) cycle: i64,
    pub(crate) kind: CycleKind,
    pub(crate) started: DateTime<Utc>,
    pub(crate) duration_ms: u64,
    /// Objects evaluated in this cycle.
    pub(crate) evaluated: Count,
    /// Objects in scope among those evaluated.
    pub(crate) in_scope: Count,
    /// Objects linked when the cycle ended.
    pub(crate) linked: Count,
    /// Actions carried out, by [`crate::engine::plan::Action::as_str`]. Membership actions count their
    /// members.
    pub(crate) done: BTreeMap<&'static str, u64>,
    /// Objects skipped, by [`crate::engine::plan::Why::word`].
    pub(crate) skipped: BTreeMap<&'static str, u64>,
    /// Actions that failed and objects that could not be planned; the first [`Summary::MAX_FAILURES`].
    pub(crate) failures: Vec<FailedObject>,
    pub(crate) failed: u64,
    /// Actions not tried, because the cycle was requested to stop or what they need failed.
    pub(crate) not_tried: u64,
    /// What the plan warned of, carried out all the same.
    pub(crate) warnings: Vec<Warning>,
    /// In the first cycle on a new state, the active accounts of no user in scope.
    pub(crate) strangers: Option<Strangers>,
    /// Why removals are held, and how many.
    pub(crate) held: Option<HeldRemovals>,
    /// Why the source could not be read completely, or the scope is in doubt: what hangs on it was not
    /// removed.
    pub(crate) incomplete: Option<String>,
    /// Names of the scope that do not mean exactly one object.
    pub(crate) misnamed: Vec<Misnamed>,
    /// The target was not usable any further (down, or the token refused); its words.
    pub(crate) aborted: Option<String>,
    /// Stopped before its end.
    pub(crate) stopped: bool,
    pub(crate) requests: Requests,
}

impl Summary {
    pub(crate) const MAX_FAILURES: usize = 100;

    fn is_quarantined(&self) -> bool {
        let mut warnings = self.warnings.iter();
        warnings.any(|one| matches!(one, Warning::Quarantine(_)))
    }

    /// How the cycle ended. Exit codes, the record, the log and the service's status follow it.
    pub(crate) fn health(&self) -> Health {
        if self.aborted.is_some() {
            Health::Failed
        } else if self.stopped {
            Health::Stopped
        } else if self.incomplete.is_some() {
            Health::Incomplete
        } else if self.is_quarantined() {
            Health::Quarantined
        } else if self.held.is_some() {
            Health::Held
        } else if self.failed > 0 || self.not_tried > 0 || self.strangers.is_some() {
            Health::ObjectsFailed
        } else {
            Health::Succeeded
        }
    }
}

/// How a cycle ended. Of several reasons the most severe counts, which is the last here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Health {
    Succeeded,
    /// It was completed, but some objects failed, or there are accounts of no user in scope.
    ObjectsFailed,
    /// It was completed, but removals are held.
    Held,
    /// It was completed, and the job is in quarantine.
    Quarantined,
    /// It was completed, but the scope was not certain, so removals are postponed.
    Incomplete,
    /// It was stopped.
    Stopped,
    /// It could not go on.
    Failed,
}

impl Health {
    pub(crate) const ALL: [Self; 7] = [
        Self::Succeeded,
        Self::ObjectsFailed,
        Self::Held,
        Self::Quarantined,
        Self::Incomplete,
        Self::Stopped,
        Self::Failed,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::ObjectsFailed => "objects-failed",
            Self::Held => "held",
            Self::Quarantined => "quarantined",
            Self::Incomplete => "incomplete",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

/// Removals that are held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeldRemovals {
    pub(crate) why: Vec<WhyHeld>,
    pub(crate) removals: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FailedObject {
    pub(crate) subject: Subject,
    /// The action's word, or "plan" when it never became one.
    pub(crate) action: &'static str,
    pub(crate) failure: Failure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CycleKind {
    /// Everything was evaluated.
    Initial,
    /// What changed since the watermark.
    Incremental,
    /// Only objects that a person named: no cycle of the schedule.
    OnDemand,
    /// Between two cycles: only users who must lose access.
    Leavers,
    /// Between two cycles: only objects that failed and are due.
    Retries,
}

/// Requests sent, retries included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Requests {
    pub(crate) source: u64,
    pub(crate) target: u64,
}

/// What the target holds of the objects that a cycle changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReadBack {
    /// Objects that were looked at.
    pub(crate) objects: u64,
    /// Of these, how many could not be read.
    pub(crate) unread: u64,
    /// Those that are not as they were written.
    pub(crate) differing: Vec<Drifted>,
    /// Those that were deleted and are still there.
    pub(crate) left: Vec<Subject>,
}

impl ReadBack {
    /// Every object was read, and is as it was written.
    pub(crate) fn is_as_written(&self) -> bool {
        self.unread == 0 && self.differing.is_empty() && self.left.is_empty()
    }
}

/// Where a cycle stands, for a progress bar and the status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Progress {
    #[default]
    Waiting,
    /// Objects read from the source so far.
    Reading(Count),
    /// Objects looked up in the target so far.
    Matching { done: u64, total: u64 },
    /// Objects evaluated so far.
    Planning { done: u64, total: u64 },
    /// Actions carried out (or failed) so far.
    Applying { done: u64, failed: u64, total: u64 },
}

//! The brake: a pure function over the whole plan. What it clears is the only thing that can be
//! carried out; when a limit trips, not one removal is cleared (product rules 3 and 5).

use std::collections::BTreeSet;

use super::job::{Limit, Limits};
use super::model::{ObjectKind, SourceId};
use super::plan::{Action, Count, Operation, Plan};

/// Removals that an operator approved, by object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Approvals(pub(crate) BTreeSet<(ObjectKind, SourceId)>);

/// The guard's two halves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Review {
    pub(crate) cleared: ClearedPlan,
    /// Why removals are held; `None` when none is.
    pub(crate) held: Option<Held>,
}

/// A plan that may be carried out. Only [`review`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClearedPlan(Plan);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) why: WhyHeld,
    /// The removals themselves, in plan order.
    pub(crate) actions: Vec<Action>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhyHeld {
    /// More disables and deletes than the limit allows.
    TooManyDeletions { planned: u64, limit: u64 },
    /// Nobody is in scope any more, though somebody was: rather an empty answer than the truth.
    EmptiedScope { linked: Count },
}

impl ClearedPlan {
    pub(crate) fn plan(&self) -> &Plan {
        &self.0
    }

    pub(crate) fn into_plan(self) -> Plan {
        self.0
    }
}

/// A scope of fewer objects than this is a trial; emptying it is no sign of an empty answer.
const SCOPE_WORTH_GUARDING: u64 = 3;

/// Judges the whole plan before the first write.
pub(crate) fn review(plan: Plan, limits: &Limits, approvals: &Approvals) -> Review {
    let counted = |action: &Action| match &action.operation {
        Operation::Disable { .. } | Operation::Delete { .. } => {
            let subject = &action.subject;
            !approvals.0.contains(&(subject.kind, subject.id.clone()))
        }
        Operation::Create { .. }
        | Operation::Adopt { .. }
        | Operation::Update { .. }
        | Operation::Enable { .. }
        | Operation::AddMembers { .. }
        | Operation::RemoveMembers { .. }
        | Operation::SetReference { .. } => false,
    };
    let planned = plan.actions().filter(|action| counted(action)).count() as u64;
    let limit = match limits.max_deletions {
        Limit::Count(count) => count,
        Limit::Percent(percent) => plan.linked.total() * u64::from(percent) / 100,
    };
    let emptied = plan.scope_after == 0 && plan.scope_before >= SCOPE_WORTH_GUARDING;
    let why = if planned > 0 && emptied {
        Some(WhyHeld::EmptiedScope {
            linked: plan.linked,
        })
    } else if planned > limit {
        Some(WhyHeld::TooManyDeletions { planned, limit })
    } else {
        None
    };
    let Some(why) = why else {
        return Review {
            cleared: ClearedPlan(plan),
            held: None,
        };
    };
    let (plan, actions) = plan.without_removals();
    Review {
        cleared: ClearedPlan(plan),
        held: Some(Held { why, actions }),
    }
}

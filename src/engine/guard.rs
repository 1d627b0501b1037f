//! The brake: a pure function over what a plan would remove. Only its verdict lets the rows of a plan be
//! carried out; when a limit trips, not one removal that it covers goes out (product rules 3 and 5).

use super::job::{Limit, Limits};
use super::plan::{Count, Header, RemovalClass, Totals};

/// What may be carried out of a plan. Only [`review`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    held: Vec<RemovalClass>,
    why: Option<WhyHeld>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhyHeld {
    /// More disables and deletes than the limit allows.
    TooManyDeletions { planned: u64, limit: u64 },
    /// No object is in scope any more, though some were: probably an empty answer from Entra.
    EmptiedScope { linked: Count },
}

impl Verdict {
    /// Why removals are held; `None` when none is.
    pub(crate) fn why(&self) -> Option<WhyHeld> {
        self.why
    }

    /// The classes whose removals are held, but for those that are approved.
    pub(crate) fn held(&self) -> &[RemovalClass] {
        &self.held
    }
}

/// A scope of fewer objects than this is a trial; emptying it does not look like an empty answer.
const SCOPE_WORTH_GUARDING: u64 = 3;

/// Judges the whole plan before the first write.
pub(crate) fn review(header: &Header, totals: &Totals, limits: &Limits) -> Verdict {
    let planned = totals
        .removals
        .iter()
        .filter(|(class, _)| **class != RemovalClass::Membership)
        .map(|(_, total)| total.planned)
        .sum();
    let limit = match limits.max_deletions {
        Limit::Count(count) => count,
        Limit::Percent(percent) => header.linked.total() * u64::from(percent) / 100,
    };
    let emptied = header.scope_after == 0 && header.scope_before >= SCOPE_WORTH_GUARDING;
    let why = if planned > 0 && emptied {
        Some(WhyHeld::EmptiedScope {
            linked: header.linked,
        })
    } else if planned > limit {
        Some(WhyHeld::TooManyDeletions { planned, limit })
    } else {
        None
    };
    Verdict {
        held: why.map_or_else(Vec::new, |_| RemovalClass::ALL.to_vec()),
        why,
    }
}

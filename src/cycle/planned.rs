//! A plan as `cli` and the scheduler get it.

use crate::engine::guard::{LimitUse, WhyHeld};
use crate::engine::plan::{Header, Totals};
use crate::engine::predict::Refusal;
use crate::engine::summary::{CycleKind, Requests};

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

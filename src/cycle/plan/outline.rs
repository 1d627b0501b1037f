//! Of which objects a plan is made, and what it gives in addition to the rows in the ledger.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::engine::model::Key;
use crate::engine::plan::Header;

/// What making a plan gives in addition to the rows in the ledger.
#[derive(Debug)]
pub(in crate::cycle) struct Outline {
    pub(in crate::cycle) header: Header,
    /// Links whose scope verdict is another than last time.
    pub(in crate::cycle) scope: Vec<(Key, bool)>,
    /// Members that adopted groups turned out to have already, to be recorded with the adoption.
    pub(in crate::cycle) existing: Vec<(Key, Vec<Key>)>,
    /// Objects that must be evaluated again, whatever comes of the plan.
    pub(in crate::cycle) postponed: BTreeSet<Key>,
    /// Groups that bring their members into scope.
    pub(in crate::cycle) scope_groups: BTreeSet<Key>,
    /// Objects that are not in the plan because an earlier write may still be under way, and until when.
    pub(in crate::cycle) waiting: BTreeMap<Key, DateTime<Utc>>,
    /// Old addresses of some users could not be read, who therefore wait.
    pub(in crate::cycle) lacks_addresses: bool,
    /// Objects that were planned because they failed and were due.
    pub(in crate::cycle) retried: Vec<Key>,
}

impl Outline {
    /// The same with a plan that was made later in the cycle, of objects that waited.
    pub(in crate::cycle) fn and(mut self, later: Self) -> Self {
        let Self {
            header,
            scope,
            existing,
            postponed,
            scope_groups: _,
            waiting,
            lacks_addresses,
            retried: _,
        } = later;
        for key in self.waiting.keys() {
            self.postponed.remove(key);
        }
        self.header = self.header.and(header);
        self.scope.extend(scope);
        self.existing.extend(existing);
        self.postponed.extend(postponed);
        self.waiting = waiting;
        self.lacks_addresses |= lacks_addresses;
        self
    }
}

/// Of which objects a plan is made.
pub(in crate::cycle) enum Whom {
    /// All that are to be evaluated. Those that must wait are left out, for a later plan.
    All,
    /// Likewise, and those that must wait are planned as if nothing had come of their write.
    AllNow,
    /// Those that waited.
    Waiting(BTreeSet<Key>),
    /// Users who may have left: nothing is planned but what takes their access.
    Leavers(Vec<Key>),
    /// Objects that failed and are due.
    Retries(Vec<Key>),
}

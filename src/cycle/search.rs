//! Looking for what a target refuses: a refused request is followed by requests that carry parts of it,
//! until what the target does not take is found. Counted here, so that no search becomes a storm.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::engine::model::{Key, TargetPath};
use crate::engine::outcome::{Class, Outcome, Status};
use crate::engine::plan::{Action, Operation, attributes};

/// The searches of one cycle. The rows of a search are carried out one after another.
#[derive(Debug, Default)]
pub(super) struct Searches(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    under_way: BTreeMap<(Key, What), Search>,
    /// Groups of which the target took no part of the members.
    given_up: BTreeSet<Key>,
}

/// What is searched among.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Attributes,
    Members,
}

#[derive(Debug)]
struct Search {
    /// Requests at most: of attributes always, of members until one was accepted.
    limit: u32,
    requests: u32,
    /// Rows that follow and have not come to an end.
    open: usize,
    accepted: bool,
    attributes: Vec<TargetPath>,
}

impl Searches {
    /// Why no more request about this is worth it.
    pub(super) fn ended(&self, action: &Action) -> Option<&'static str> {
        let what = What::of(action)?;
        let key = action.subject.key;
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let search = state.under_way.get(&(key, what));
        let is_over = search.is_some_and(|search| search.requests >= search.limit);
        let accepted = search.is_some_and(|search| search.accepted);
        match what {
            What::Attributes => {
                is_over.then_some("the target refuses the attributes sent before, too")
            }
            What::Members => {
                if is_over && !accepted {
                    state.given_up.insert(key);
                }
                let is_given_up = state.given_up.contains(&key);
                is_given_up.then_some("the target accepts none of the group's members")
            }
        }
    }

    /// A row came to its end, and so many rows follow it. Where a search for an attribute ends without any
    /// success, the attributes come back: the refusal is not about single ones.
    pub(super) fn note(&self, outcome: &Outcome, followers: usize) -> Option<Vec<TargetPath>> {
        let Outcome { action, status, .. } = outcome;
        let what = What::of(action)?;
        // A create for which there is no room is sent once more, and no part of it.
        let is_sent_again = *status == Status::Postponed
            || matches!(status, Status::Followed(failure) if failure.class == Class::Quota);
        if is_sent_again {
            return None;
        }
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (action.subject.key, what);
        let Some(search) = state.under_way.get_mut(&place) else {
            if followers > 0 {
                state
                    .under_way
                    .insert(place, Search::new(action, what, followers));
            }
            return None;
        };
        search.open = (search.open + followers).saturating_sub(1);
        if outcome.requests > 0 {
            search.requests += 1;
            search.accepted |= matches!(status, Status::Done { .. } | Status::Met { .. });
        }
        if search.open > 0 {
            return None;
        }
        let search = state.under_way.remove(&place)?;
        (what == What::Attributes && !search.accepted).then_some(search.attributes)
    }
}

impl What {
    fn of(action: &Action) -> Option<Self> {
        match action.operation {
            Operation::AddMembers { .. } | Operation::RemoveMembers { .. } => Some(Self::Members),
            Operation::Create { .. }
            | Operation::Adopt { .. }
            | Operation::Update { .. }
            | Operation::Enable { .. } => Some(Self::Attributes),
            Operation::Disable { .. }
            | Operation::Delete { .. }
            | Operation::HandOver(_)
            | Operation::SetReference { .. } => None,
        }
    }
}

impl Search {
    fn new(action: &Action, what: What, open: usize) -> Self {
        let attributes = match what {
            What::Attributes => attributes(action),
            What::Members => Vec::new(),
        };
        let parts = match what {
            What::Attributes => attributes.len() as u64,
            What::Members => action.weight(),
        };
        Self {
            limit: limit(parts),
            requests: 1,
            open,
            accepted: false,
            attributes,
        }
    }
}

/// 2·log₂(n) + 3: enough to find one among n.
fn limit(parts: u64) -> u32 {
    parts.max(1).saturating_pow(2).ilog2() + 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_among_many_is_found_before_the_limit() {
        // The first request, and two for each time that the rest is halved.
        let halvings = |parts: u64| parts.next_power_of_two().ilog2();
        for parts in 1..5_000 {
            assert!(2 * halvings(parts) < limit(parts), "{parts}");
        }
        assert_eq!([limit(1), limit(8), limit(100)], [3, 9, 16]);
    }
}

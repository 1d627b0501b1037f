//! Who would be in several groups of the target once the plan is carried out, for targets that should
//! have each person in one. Only warns, and changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::Planner;
use crate::engine::model::Key;

/// The memberships of people in the groups that were looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Memberships {
    groups_of: BTreeMap<Key, BTreeSet<Key>>,
    /// Groups of which the whole membership is known by this plan, whatever was sent earlier.
    settled: BTreeSet<Key>,
}

impl Memberships {
    pub(super) fn add(&mut self, group: Key, person: Key) {
        self.groups_of.entry(person).or_default().insert(group);
    }

    pub(super) fn settle(&mut self, group: Key) {
        self.settled.insert(group);
    }
}

impl Planner<'_> {
    /// People in the groups that were looked at; empty where the job does not warn.
    pub(crate) fn people_in_groups(&self) -> impl Iterator<Item = Key> {
        self.memberships.groups_of.keys().copied()
    }

    /// The groups of a person, when there are several. `sent` are those that earlier cycles sent to the
    /// target of, whether or not this one looked at them.
    pub(crate) fn several_groups(&self, person: Key, sent: &[Key]) -> Option<BTreeSet<Key>> {
        let Memberships { groups_of, settled } = &self.memberships;
        let mut groups = groups_of.get(&person)?.clone();
        let unsettled = sent.iter().filter(|group| !settled.contains(*group));
        groups.extend(unsettled.copied());
        (groups.len() > 1).then_some(groups)
    }
}

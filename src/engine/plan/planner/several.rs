//! Who would be in several groups of the target once the plan is carried out, for targets that should
//! have each person in one. Tells and changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::Planner;
use crate::engine::model::SourceId;

/// The memberships of people in the groups that were looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Memberships {
    groups_of: BTreeMap<SourceId, BTreeSet<SourceId>>,
    /// Groups of which the whole membership is known by this plan, whatever was sent earlier.
    settled: BTreeSet<SourceId>,
}

impl Memberships {
    pub(super) fn add(&mut self, group: &SourceId, person: &SourceId) {
        let groups = self.groups_of.entry(person.clone()).or_default();
        groups.insert(group.clone());
    }

    pub(super) fn settle(&mut self, group: &SourceId) {
        self.settled.insert(group.clone());
    }
}

impl Planner<'_> {
    /// People in the groups that were looked at; nobody where the job does not warn.
    pub(crate) fn people_in_groups(&self) -> impl Iterator<Item = &SourceId> {
        self.memberships.groups_of.keys()
    }

    /// The groups of a person, when there are several. `sent` are those that earlier cycles told the
    /// target of, whether or not this one looked at them.
    pub(crate) fn several_groups(
        &self,
        person: &SourceId,
        sent: &[SourceId],
    ) -> Option<BTreeSet<SourceId>> {
        let Memberships { groups_of, settled } = &self.memberships;
        let mut groups = groups_of.get(person)?.clone();
        let unsettled = sent.iter().filter(|group| !settled.contains(*group));
        groups.extend(unsettled.cloned());
        (groups.len() > 1).then_some(groups)
    }
}

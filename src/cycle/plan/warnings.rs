//! Warnings about memberships: users in several groups, and groups that are not sent as members.

use super::Driver;
use crate::cycle::Error;
use crate::engine::model::Key;
use crate::engine::plan::{Subject, Warning};

impl Driver<'_> {
    /// Users who would be in several groups, by name.
    pub(super) async fn warnings(&self) -> Result<Vec<Warning>, Error> {
        let mut found: Vec<(Subject, Vec<Subject>)> = Vec::new();
        for person in self.planner.people_in_groups() {
            let job = self.context.job.rules.name.clone();
            let sent = self
                .context
                .state(move |store| store.sent_groups(&job, person))
                .await?;
            let Some(groups) = self.planner.several_groups(person, &sent) else {
                continue;
            };
            let groups: Vec<Key> = groups.into_iter().collect();
            let mut groups = self.subjects(groups).await?;
            groups.sort_by(|one, other| one.label.cmp(&other.label));
            let people = self.subjects(vec![person]).await?;
            found.extend(people.into_iter().map(|person| (person, groups.clone())));
        }
        found.sort_by(|(one, _), (other, _)| one.label.cmp(&other.label));
        Ok(found
            .into_iter()
            .map(|(person, groups)| Warning::SeveralGroups { person, groups })
            .collect())
    }

    /// Groups in groups that are left out, by the name of the group around them.
    pub(super) async fn left_out_members(&self) -> Result<Vec<Warning>, Error> {
        let mut found: Vec<(Subject, Vec<Subject>)> = Vec::new();
        for (group, members) in self.planner.left_out_members() {
            let mut members = self.subjects(members.clone()).await?;
            members.sort_by(|one, other| one.label.cmp(&other.label));
            let groups = self.subjects(vec![*group]).await?;
            found.extend(groups.into_iter().map(|group| (group, members.clone())));
        }
        found.sort_by(|(one, _), (other, _)| one.label.cmp(&other.label));
        Ok(found
            .into_iter()
            .map(|(group, members)| Warning::NestedMembers { group, members })
            .collect())
    }

    async fn subjects(&self, keys: Vec<Key>) -> Result<Vec<Subject>, Error> {
        let named = self.context.state(move |store| store.named(&keys)).await?;
        Ok(named
            .into_iter()
            .map(|(key, named)| Subject {
                kind: named.kind,
                key,
                id: named.id,
                label: named.label,
            })
            .collect())
    }
}

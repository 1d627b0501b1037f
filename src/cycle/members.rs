//! The members that the target shows of groups that a plan adopts.

use std::collections::BTreeMap;

use futures::StreamExt;

use super::{Context, Error};
use crate::engine::model::{Key, ObjectKind, TargetId};
use crate::engine::plan::{Found, Pending, Planner};

/// By group. Of members that belong to source objects only their keys are kept, because the groups of a
/// large target have many.
#[derive(Default)]
pub(super) struct ShownMembers(BTreeMap<Key, Shown>);

struct Shown {
    ours: Vec<Key>,
    /// The plan may adopt groups among them later.
    others: Vec<TargetId>,
}

impl ShownMembers {
    /// Reads the members of groups that were found and belong to no source group. A group of which they
    /// cannot be read was not found either: what it has would be sent again.
    pub(super) async fn read(
        &mut self,
        context: &Context<'_>,
        planner: &Planner<'_>,
        waiting: &[Pending],
        found: &mut [Found],
    ) -> Result<(), Error> {
        let mut mappings = context.job.rules.rules(ObjectKind::Group).mappings.iter();
        if !mappings.any(|mapping| mapping.target.is_members()) {
            return Ok(());
        }
        let groups = waiting.iter().zip(found.iter()).enumerate();
        let groups = groups.filter_map(|(place, (pending, found))| {
            let source = &pending.candidate().object;
            match found {
                Found::One {
                    object,
                    linked_by: None,
                    ..
                } if source.kind == ObjectKind::Group => {
                    Some((place, source.key, object.id.clone()))
                }
                Found::None
                | Found::One { .. }
                | Found::Several { .. }
                | Found::OldAddress { .. }
                | Found::Failed(_) => None,
            }
        });
        let groups: Vec<(usize, Key, TargetId)> = groups.collect();
        let mut reads = futures::stream::iter(groups)
            .map(|(place, group, target)| async move {
                let kind = ObjectKind::Group;
                let read = context.reader.read(kind, &target, &[], true).await;
                (place, group, read)
            })
            .buffer_unordered(context.job.target.concurrency);
        while let Some((place, group, read)) = reads.next().await {
            match read {
                Ok(read) => {
                    if let Some(members) = read.and_then(|read| read.members) {
                        self.keep(context, planner, group, members).await?;
                    }
                }
                Err(error) if context.concerns_one_object(&error).await => {
                    found[place] = Found::Failed(error.failure().message);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn keep(
        &mut self,
        context: &Context<'_>,
        planner: &Planner<'_>,
        group: Key,
        members: Vec<TargetId>,
    ) -> Result<(), Error> {
        let (ours, others) = context.linked(members).await?;
        let mut shown = Shown { ours, others };
        shown.find_adopted(planner);
        self.0.insert(group, shown);
        Ok(())
    }

    /// Passes them to the planner, once it is known what the plan adopts.
    pub(super) fn pass(self, planner: &mut Planner<'_>) {
        for (group, mut shown) in self.0 {
            shown.find_adopted(planner);
            planner.shown_members(group, shown.ours);
        }
    }
}

impl Shown {
    fn find_adopted(&mut self, planner: &Planner<'_>) {
        let Self { ours, others } = self;
        others.retain(|target| {
            let known = ours.len();
            ours.extend(
                ObjectKind::ALL
                    .iter()
                    .filter_map(|kind| planner.adopted_by(*kind, target)),
            );
            ours.len() == known
        });
        ours.shrink_to_fit();
        others.shrink_to_fit();
    }
}

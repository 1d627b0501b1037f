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
    /// Reads the members of groups that were found and belong to no source group.
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
        let groups = waiting.iter().zip(found).filter_map(|(pending, found)| {
            let source = &pending.candidate().object;
            (source.kind == ObjectKind::Group).then_some((source.key, found))
        });
        let groups: Vec<(Key, &mut Found)> = groups.collect();
        let mut reads = futures::stream::iter(groups)
            .map(|(group, found)| async move { (group, read(context, found).await) })
            .buffer_unordered(context.job.target.concurrency);
        while let Some((group, members)) = reads.next().await {
            if let Some(members) = members? {
                self.keep(context, planner, group, members).await?;
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

/// The members that the target shows of a group that was found and belongs to no source group: lists and look-ups
/// show groups without them. A group of which they cannot be read was not found either: what it has would be
/// sent again.
pub(super) async fn read(
    context: &Context<'_>,
    found: &mut Found,
) -> Result<Option<Vec<TargetId>>, Error> {
    let Found::One {
        object,
        linked_by: None,
        ..
    } = found
    else {
        return Ok(None);
    };
    let read = context
        .reader
        .read(ObjectKind::Group, &object.id, &[], true);
    match read.await {
        Ok(read) => Ok(read.and_then(|read| read.members)),
        Err(error) if context.concerns_one_object(&error).await => {
            *found = Found::Failed(error.failure().message);
            Ok(None)
        }
        Err(error) => Err(error.into()),
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

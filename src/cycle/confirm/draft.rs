//! The removals of a plan, as far as they must be confirmed.

use super::super::{Context, Error};
use super::CHUNK;
use super::rests::{RestsOn, rests_on};
use crate::engine::model::{Key, ObjectKind, SourceId};
use crate::engine::plan::{Action, Operation, WhyLeft};
use crate::store::RowId;

/// A removal that a plan drafted.
pub(super) struct Draft {
    pub(super) row: RowId,
    pub(super) key: Key,
    pub(super) kind: ObjectKind,
    pub(super) id: SourceId,
    pub(super) rests_on: RestsOn,
    /// Taken out of the group that this is about.
    pub(super) members: Vec<Key>,
}

impl Draft {
    fn new(row: RowId, action: &Action) -> Option<Self> {
        let (rests_on, members) = match &action.operation {
            Operation::Disable { why, .. } | Operation::Delete { why, .. } => {
                (rests_on(why), Vec::new())
            }
            Operation::HandOver(hand) => (rests_on(&hand.why), Vec::new()),
            // What the members leave for is the group's own, whatever becomes of them.
            Operation::RemoveMembers {
                why: WhyLeft::Group(why),
                ..
            } => (rests_on(why), Vec::new()),
            Operation::RemoveMembers { members, .. } => {
                let keys = members.iter().map(|member| member.key);
                (RestsOn::NotMembers, keys.collect())
            }
            Operation::Create { .. }
            | Operation::Adopt { .. }
            | Operation::Update { .. }
            | Operation::Enable { .. }
            | Operation::AddMembers { .. }
            | Operation::SetReference { .. } => return None,
        };
        Some(Self {
            row,
            key: action.subject.key,
            kind: action.subject.kind,
            id: action.subject.id.clone(),
            rests_on,
            members,
        })
    }

    pub(super) fn rests_on_absence(&self) -> bool {
        self.rests_on.is_absence()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        std::iter::once(self.key).chain(self.members.iter().copied())
    }
}

pub(super) async fn drafts(context: &Context<'_>, rows: Vec<RowId>) -> Result<Vec<Draft>, Error> {
    let mut drafts = Vec::with_capacity(rows.len());
    for ids in rows.chunks(CHUNK) {
        let ids = ids.to_vec();
        let rows = context.state(move |store| store.take(&ids)).await?;
        drafts.extend(
            rows.iter()
                .filter_map(|row| Draft::new(row.id, &row.action)),
        );
    }
    Ok(drafts)
}

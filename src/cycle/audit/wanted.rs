//! What the plan of the repair changes, read from its rows.

use std::collections::{BTreeMap, BTreeSet};

use super::{Context, Error};
use crate::engine::audit::Wanted;
use crate::engine::model::{Key, ObjectKind, TargetId, Value};
use crate::engine::plan::{Action, Change, Operation, Skipped, Why};
use crate::store::RowsOf;

/// Rows that are read at once.
const CHUNK: usize = 500;

#[derive(Default)]
pub(super) struct Planning {
    changed: BTreeMap<(ObjectKind, Key), Wanted>,
    /// Target objects that the plan links to an object in scope, or that may be one's.
    pub(super) claimed: BTreeSet<(ObjectKind, TargetId)>,
    /// Objects of which it is not clear which target object is theirs.
    pub(super) ambiguous: Vec<Skipped>,
}

impl Planning {
    pub(super) async fn read(context: &Context<'_>, cycle: i64) -> Result<Self, Error> {
        let mut planning = Self::default();
        for held in [false, true] {
            let mut after = None;
            loop {
                let rows = context
                    .state(move |store| {
                        let of = if held { RowsOf::Held } else { RowsOf::Cleared };
                        let rows = store.rows(cycle, of, after, CHUNK)?;
                        let mut referenced = Vec::new();
                        for (_, row) in &rows {
                            let all = row.action.operation.referenced();
                            referenced.extend(all.into_iter().map(|one| one.key));
                        }
                        let named = store.named(&referenced)?;
                        Ok((rows, named))
                    })
                    .await?;
                let (rows, named) = rows;
                let Some((last, _)) = rows.last() else {
                    break;
                };
                after = Some(*last);
                let name = |key: Key| named.get(&key).map(|one| one.label.clone());
                for (_, row) in &rows {
                    planning.note(&context.redactions.action(&row.action), &name);
                }
            }
        }
        let mut after = None;
        loop {
            let rows = context
                .state(move |store| store.skipped(cycle, after, CHUNK))
                .await?;
            let Some((last, _)) = rows.last() else {
                break;
            };
            after = Some(*last);
            for (_, skipped) in &rows {
                planning.note_skipped(&context.redactions.skipped(skipped));
            }
        }
        Ok(planning)
    }

    fn note(&mut self, action: &Action, name: &dyn Fn(Key) -> Option<String>) {
        let key = (action.subject.kind, action.subject.key);
        match &action.operation {
            Operation::Update { changes }
            | Operation::Enable { changes }
            | Operation::Disable { changes, .. } => {
                let wanted = self.changed.entry(key).or_default();
                let changes = changes.iter();
                wanted.extend(changes.map(|Change { path, new, .. }| (path.clone(), new.clone())));
            }
            Operation::SetReference { path, new, .. } => {
                let to = new.referenced().and_then(|to| name(to.key));
                let wanted = self.changed.entry(key).or_default();
                wanted.insert(path.clone(), to.map(Value::text));
            }
            Operation::Adopt { .. } | Operation::HandOver(_) => {
                let target = action.target.clone();
                self.claimed.extend(target.map(|target| (key.0, target)));
            }
            Operation::Create { .. }
            | Operation::Delete { .. }
            | Operation::AddMembers { .. }
            | Operation::RemoveMembers { .. } => {}
        }
    }

    fn note_skipped(&mut self, skipped: &Skipped) {
        let targets = match &skipped.why {
            Why::Ambiguous { targets, .. } => targets.clone(),
            Why::OldAddress { target, .. } | Why::Taken { target, .. } => vec![target.clone()],
            Why::DuplicateSource { .. } => Vec::new(),
            Why::OutOfScope(_)
            | Why::BlockedNotCreated
            | Why::NoMatchingValue
            | Why::IgnoredByMapping
            | Why::MappingFailed(_)
            | Why::NotAllowed(_)
            | Why::Kept(_)
            | Why::NeverDisabled
            | Why::NotCreatedHere
            | Why::CannotDisable(_)
            | Why::IncompleteRead(_)
            | Why::FirstCycle(_)
            | Why::DeletesWait
            | Why::EnabledSince
            | Why::NoMember
            | Why::NameKept { .. }
            | Why::LookupFailed(_) => return,
        };
        let kind = skipped.subject.kind;
        self.claimed
            .extend(targets.into_iter().map(|target| (kind, target)));
        self.ambiguous.push(skipped.clone());
    }

    /// What is to change of objects of one kind, by path; members aside.
    pub(super) fn changed(&self, kind: ObjectKind) -> BTreeMap<Key, Wanted> {
        let of_kind = self.changed.iter().filter(|((one, _), _)| *one == kind);
        of_kind
            .map(|((_, key), wanted)| (*key, wanted.clone()))
            .collect()
    }
}

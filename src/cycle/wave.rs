//! Waves: which actions of a plan may be under way at once, where each of them writes, and how much
//! it counts for. Pure.

use std::collections::BTreeSet;

use crate::engine::model::{ObjectKind, SourceId, TargetId};
use crate::engine::plan::{Action, Step};

/// Cuts the plan into waves: what is in one may be sent at once. A new one begins with each step of
/// rule 7, with an object that is in the wave already, and with a create that refers to one.
pub(super) fn next_wave(
    actions: &mut std::iter::Peekable<impl Iterator<Item = Action>>,
) -> Option<Vec<Action>> {
    let mut wave: Vec<Action> = Vec::new();
    let mut inside: BTreeSet<SourceId> = BTreeSet::new();
    let mut step: Option<Step> = None;
    while let Some(action) = actions.next_if(|action| {
        step.is_none_or(|step| step == action.step())
            && !inside.contains(&action.subject().id)
            && !refers_into(action, &inside)
    }) {
        step = Some(action.step());
        inside.insert(action.subject().id.clone());
        wave.push(action);
    }
    (!wave.is_empty()).then_some(wave)
}

fn refers_into(action: &Action, inside: &BTreeSet<SourceId>) -> bool {
    match action {
        Action::Create { references, .. } => references
            .iter()
            .any(|(_, new)| new.target.is_none() && inside.contains(&new.source)),
        Action::Adopt { .. }
        | Action::Update { .. }
        | Action::Enable { .. }
        | Action::Disable { .. }
        | Action::Delete { .. }
        | Action::AddMembers { .. }
        | Action::RemoveMembers { .. }
        | Action::SetReference { .. } => false,
    }
}

/// Membership actions weigh as many members as they carry, everything else is one.
pub(super) fn weight(action: &Action) -> u64 {
    match action {
        Action::AddMembers { members, .. } => members.len() as u64,
        Action::RemoveMembers { members, .. } => members.len() as u64,
        Action::Create { .. }
        | Action::Adopt { .. }
        | Action::Update { .. }
        | Action::Enable { .. }
        | Action::Disable { .. }
        | Action::Delete { .. }
        | Action::SetReference { .. } => 1,
    }
}

/// The resource that an action writes to, when it exists before the action.
pub(super) fn place_of(action: &Action) -> Option<(ObjectKind, TargetId)> {
    match action {
        Action::Create { .. } => None,
        Action::Adopt {
            subject, target, ..
        }
        | Action::Update {
            subject, target, ..
        }
        | Action::Enable {
            subject, target, ..
        }
        | Action::Disable {
            subject, target, ..
        }
        | Action::Delete {
            subject, target, ..
        } => Some((subject.kind, target.clone())),
        Action::RemoveMembers { target, .. } => Some((ObjectKind::Group, target.clone())),
        Action::AddMembers { target, .. } => Some((ObjectKind::Group, target.clone()?)),
        Action::SetReference {
            subject, target, ..
        } => Some((subject.kind, target.clone()?)),
    }
}

pub(super) fn target_in(action: &Action) -> TargetId {
    place_of(action)
        .map(|(_, target)| target)
        .expect("only a create has no target id, and it gets one from its answer")
}

//! Waves: which actions of a plan may be under way at once. Pure.

use std::collections::BTreeSet;

use crate::engine::model::SourceId;
use crate::engine::plan::{Action, Operation, Step};

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
            && !inside.contains(&action.subject.id)
            && !refers_into(action, &inside)
    }) {
        step = Some(action.step());
        inside.insert(action.subject.id.clone());
        wave.push(action);
    }
    (!wave.is_empty()).then_some(wave)
}

fn refers_into(action: &Action, inside: &BTreeSet<SourceId>) -> bool {
    match &action.operation {
        Operation::Create { references, .. } => references
            .iter()
            .any(|(_, new)| new.target.is_none() && inside.contains(&new.source)),
        Operation::Adopt { .. }
        | Operation::Update { .. }
        | Operation::Enable { .. }
        | Operation::Disable { .. }
        | Operation::Delete { .. }
        | Operation::AddMembers { .. }
        | Operation::RemoveMembers { .. }
        | Operation::SetReference { .. } => false,
    }
}

//! Whether a row that is about to be sent has something to send.

use crate::engine::plan::{Action, Operation};

/// Why an action has nothing to send to, or about.
pub(super) fn cannot_be_sent(action: &Action) -> Option<&'static str> {
    let is_create = matches!(action.operation, Operation::Create { .. });
    if action.target.is_none() && !is_create {
        return Some("the object was not created");
    }
    match &action.operation {
        Operation::SetReference { new, .. } => new
            .referenced()
            .is_some_and(|new| new.target.is_none())
            .then_some("what it refers to is not in the target"),
        Operation::AddMembers { members } => members
            .iter()
            .all(|member| member.target.is_none())
            .then_some("the member is not in the target"),
        // A member that is not in the target any more is in no group there.
        Operation::RemoveMembers { .. }
        | Operation::Create { .. }
        | Operation::Adopt { .. }
        | Operation::Update { .. }
        | Operation::Enable { .. }
        | Operation::Disable { .. }
        | Operation::HandOver(_)
        | Operation::Delete { .. } => None,
    }
}

//! Operations and skips by their number in the column `operation`, and by their name.

use crate::engine::plan::Operation;

pub(super) const CREATE: i64 = 0;
pub(super) const ADOPT: i64 = 1;
pub(super) const UPDATE: i64 = 2;
pub(super) const ENABLE: i64 = 3;
pub(super) const DISABLE: i64 = 4;
pub(super) const DELETE: i64 = 5;
pub(super) const ADD_MEMBERS: i64 = 6;
pub(super) const REMOVE_MEMBERS: i64 = 7;
pub(super) const SET_REFERENCE: i64 = 8;
pub(super) const HAND_OVER: i64 = 9;
/// An object that never became an action; on record because that is a failure.
pub(super) const PLAN: i64 = 99;
/// A cycle that failed; on record although it is about no object.
pub(super) const CYCLE: i64 = 98;
/// The first of the reasons to skip an object.
pub(super) const SKIPPED: i64 = 100;

pub(super) fn number_of(operation: &Operation) -> i64 {
    match operation {
        Operation::Create { .. } => CREATE,
        Operation::Adopt { .. } => ADOPT,
        Operation::Update { .. } => UPDATE,
        Operation::Enable { .. } => ENABLE,
        Operation::Disable { .. } => DISABLE,
        Operation::Delete { .. } => DELETE,
        Operation::AddMembers { .. } => ADD_MEMBERS,
        Operation::RemoveMembers { .. } => REMOVE_MEMBERS,
        Operation::SetReference { .. } => SET_REFERENCE,
        Operation::HandOver(_) => HAND_OVER,
    }
}

/// The number of an operation's name, or of no operation.
pub(super) fn number_of_name(name: &str) -> i64 {
    if name == crate::store::CYCLE {
        return CYCLE;
    }
    let place = Operation::NAMES.iter().position(|known| *known == name);
    place
        .and_then(|place| i64::try_from(place).ok())
        .unwrap_or(PLAN)
}

/// The operation's name; `None` for what is no operation.
pub(super) fn name_of(number: i64) -> Option<&'static str> {
    Operation::NAMES.get(usize::try_from(number).ok()?).copied()
}

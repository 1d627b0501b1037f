//! The proof that a removal needs before it can be drafted (`Operation::Disable` and its like hold one).

use crate::engine::model::{Complete, ObjectKind, Presence, SourceObject, Value};

/// That something may be taken away: a whole reading of the source was seen, or the object itself was
/// read as blocked or deleted. There is no other way to get one for a new removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proof(());

impl Proof {
    pub(crate) fn of_reading<T>(_read: &Complete<T>) -> Self {
        Self(())
    }

    /// What was read on the object proves its own removal, whatever else could not be read.
    pub(crate) fn of_object(object: &SourceObject) -> Option<Self> {
        let is_deleted = matches!(object.presence, Presence::SoftDeleted | Presence::Deleted);
        (is_deleted || is_blocked(object)).then_some(Self(()))
    }

    /// Supposed, so that a plan can be explained that nothing is written of
    /// ([`super::Planner::supposing_a_reading`]).
    pub(super) fn supposed() -> Self {
        Self(())
    }

    /// Of a removal that a plan drafted earlier, as the ledger has it. For the store alone
    /// (`tests/it/tidy.rs`).
    pub(crate) fn on_record() -> Self {
        Self(())
    }
}

/// Whether the user may not sign in.
pub(crate) fn is_blocked(object: &SourceObject) -> bool {
    object.kind == ObjectKind::User
        && object.attributes.value("accountEnabled") == Some(&Value::Boolean(false))
}

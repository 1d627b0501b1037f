//! What one page of a source reading says: changed objects and changed memberships.

use std::collections::BTreeMap;

use super::{Attributes, ObjectKind, Presence, SourceId, Value};

/// One entry of a delta page, already free of wire types.
///
/// Merging rule (Graph delta query): an attribute that is present overwrites, `None` overwrites with
/// null, an attribute that is absent keeps what is known. Entries may repeat; the last one wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceChange {
    pub(crate) kind: ObjectKind,
    pub(crate) id: SourceId,
    pub(crate) presence: Presence,
    /// By Graph property name; `manager` holds a [`Value::Reference`].
    pub(crate) attributes: BTreeMap<String, Option<Value>>,
    /// Groups only: members that came or went. One entry is never the whole list.
    pub(crate) members: Vec<MemberChange>,
}

impl SourceChange {
    /// Present overwrites, also with null; absent keeps.
    pub(crate) fn merge_into(&self, attributes: &mut Attributes) {
        for (name, value) in &self.attributes {
            match value {
                Some(value) => attributes.set(name.clone(), value.clone()),
                None => attributes.remove(name),
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemberChange {
    pub(crate) id: SourceId,
    /// Devices, contacts and service principals are left out by the reader.
    pub(crate) kind: ObjectKind,
    pub(crate) removed: bool,
}

//! What a plan makes of each object: one byte for each, by its number, so that a million fit anywhere.

use crate::engine::model::Key;

/// Where an object will be when the plan is carried out, if that changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is created.
    Creating,
    /// It is in the target, perhaps only now, and in scope or not.
    Linked {
        in_scope: bool,
    },
    Deleting,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Fates(Vec<u8>);

const NONE: u8 = 0;
const CREATING: u8 = 1;
const LINKED_IN_SCOPE: u8 = 2;
const LINKED_OUT_OF_SCOPE: u8 = 3;
const DELETING: u8 = 4;

impl Fates {
    pub(super) fn note(&mut self, key: Key, fate: Fate) {
        let index = key.get() as usize;
        if index >= self.0.len() {
            self.0.resize(index + 1, NONE);
        }
        self.0[index] = match fate {
            Fate::Creating => CREATING,
            Fate::Linked { in_scope: true } => LINKED_IN_SCOPE,
            Fate::Linked { in_scope: false } => LINKED_OUT_OF_SCOPE,
            Fate::Deleting => DELETING,
        };
    }

    pub(super) fn of(&self, key: Key) -> Option<Fate> {
        match self.0.get(key.get() as usize).copied().unwrap_or(NONE) {
            CREATING => Some(Fate::Creating),
            LINKED_IN_SCOPE => Some(Fate::Linked { in_scope: true }),
            LINKED_OUT_OF_SCOPE => Some(Fate::Linked { in_scope: false }),
            DELETING => Some(Fate::Deleting),
            _ => None,
        }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        let fates = (0..).zip(&self.0);
        fates
            .filter(|(_, fate)| **fate != NONE)
            .map(|(number, _)| Key::new(number))
    }
}

//! Names that pass on within one plan: values by which the target distinguishes objects, which one object gives
//! up and another takes. The object that gives one up comes first; where two want each other's, their other changes
//! are not kept waiting.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::Planner;
use crate::engine::mapping;
use crate::engine::model::{Key, MatchKey, ObjectKind, TargetId, TargetPath, Value};
use crate::engine::plan::{Action, Change, Decision, Operation, Step};

/// What becomes of names, by their fingerprints: sixteen bytes for each that changes hands.
#[derive(Debug, Default)]
pub(super) struct Names {
    given_up: BTreeMap<u64, Giver>,
    taken: Vec<(u64, Key)>,
}

#[derive(Clone, Copy, Debug)]
struct Giver {
    key: Key,
    /// A fingerprint of the target object.
    target: u32,
    step: Step,
}

impl Planner<'_> {
    /// Whether the target may refuse a value at this path because another object has it.
    fn is_name(&self, kind: ObjectKind, path: &TargetPath) -> bool {
        let mappings = &self.job.rules(kind).mappings;
        let known = match kind {
            ObjectKind::User => ["userName", "externalId", "emails"],
            ObjectKind::Group => ["displayName", "externalId", "externalId"],
        };
        path.schema().is_none() && known.contains(&path.attribute())
            || mappings
                .iter()
                .any(|mapping| mapping.target == *path && mapping.matching.is_some())
    }

    fn fingerprint_of_name(
        &self,
        kind: ObjectKind,
        path: &TargetPath,
        value: &Value,
    ) -> Option<u64> {
        let mappings = &self.job.rules(kind).mappings;
        let value = mapping::searched(mappings, path, value.clone())?;
        Some(fingerprint(&(kind, path, value)))
    }

    /// The names that an update or an adoption gives up and takes.
    pub(super) fn note_changed_names(
        &mut self,
        kind: ObjectKind,
        key: Key,
        target: &TargetId,
        changes: &[Change],
    ) {
        let step = match kind {
            ObjectKind::User => Step::Users,
            ObjectKind::Group => Step::Groups,
        };
        for change in changes {
            if !self.is_name(kind, &change.path) {
                continue;
            }
            let of = |value: &Option<Value>| {
                self.fingerprint_of_name(kind, &change.path, value.as_ref()?)
            };
            let (old, new) = (of(&change.old), of(&change.new));
            if old == new {
                continue;
            }
            if let Some(old) = old {
                let target = short(target);
                self.names.given_up.insert(old, Giver { key, target, step });
            }
            self.names.taken.extend(new.map(|new| (new, key)));
        }
    }

    /// The names of an object that is deleted.
    pub(super) fn note_deleted_names(
        &mut self,
        kind: ObjectKind,
        key: Key,
        target: &TargetId,
        sent: &BTreeMap<TargetPath, Value>,
    ) {
        let (target, step) = (short(target), Step::Deletes);
        for (path, value) in sent {
            if self.is_name(kind, path)
                && let Some(name) = self.fingerprint_of_name(kind, path, value)
            {
                self.names
                    .given_up
                    .insert(name, Giver { key, target, step });
            }
        }
    }

    /// The names of an object that is created. No object can give one up in a target that has no object of
    /// ours.
    pub(super) fn note_created_names(
        &mut self,
        kind: ObjectKind,
        key: Key,
        attributes: &BTreeMap<TargetPath, Value>,
    ) {
        if !self.has_links {
            return;
        }
        for (path, value) in attributes {
            if self.is_name(kind, path)
                && let Some(name) = self.fingerprint_of_name(kind, path, value)
            {
                self.names.taken.push((name, key));
            }
        }
    }

    /// Whether this plan takes the value of a key from this target object, so that a look-up that finds it
    /// finds nothing.
    pub(crate) fn is_given_up(&self, kind: ObjectKind, key: &MatchKey, target: &TargetId) -> bool {
        self.fingerprint_of_name(kind, &key.path, &key.value)
            .and_then(|name| self.names.given_up.get(&name))
            .is_some_and(|giver| giver.target == short(target))
    }

    /// Puts the rows that give up a name before those that take it, once everything is decided.
    pub(super) fn settle_names(&mut self) {
        let Names { given_up, taken } = std::mem::take(&mut self.names);
        let mut steps: BTreeMap<Key, Step> = BTreeMap::new();
        let mut waits: BTreeMap<Key, BTreeSet<Key>> = BTreeMap::new();
        for (name, taker) in taken {
            if let Some(giver) = given_up.get(&name).filter(|giver| giver.key != taker) {
                steps.insert(giver.key, giver.step);
                waits.entry(taker).or_default().insert(giver.key);
            }
        }
        let needs: Vec<(Key, Key)> = waits
            .iter()
            .flat_map(|(taker, givers)| givers.iter().map(|giver| (*taker, *giver)))
            .collect();
        let Ordered { ranks, circular } = in_order(waits);
        for (taker, giver) in needs {
            if !circular.contains(&giver) {
                self.decisions.push(Decision::Needs { taker, giver });
            }
        }
        for (key, from) in steps {
            if circular.contains(&key) {
                self.decisions.push(Decision::Split { key, step: from });
            } else if let Some(rank) = ranks.get(&key) {
                let rank = *rank;
                self.decisions.push(Decision::First { key, from, rank });
            }
        }
    }

    /// A change of names among others as two actions, the others first; `None` for one that cannot be
    /// divided.
    pub(crate) fn split_names(&self, action: &Action) -> Option<[Action; 2]> {
        let kind = action.subject.kind;
        let (Operation::Update { changes } | Operation::Enable { changes }) = &action.operation
        else {
            return None;
        };
        let elements: BTreeSet<TargetPath> = changes
            .iter()
            .filter(|change| self.is_name(kind, &change.path))
            .map(|change| change.path.element().unwrap_or_else(|| change.path.clone()))
            .collect();
        let is_name = |change: &Change| {
            let element = change.path.element();
            elements.contains(element.as_ref().unwrap_or(&change.path))
        };
        let (names, others): (Vec<Change>, Vec<Change>) =
            changes.iter().cloned().partition(is_name);
        if others.is_empty() || names.is_empty() {
            return None;
        }
        let others = match &action.operation {
            Operation::Enable { .. } => Operation::Enable { changes: others },
            _ => Operation::Update { changes: others },
        };
        Some(
            [others, Operation::Update { changes: names }].map(|operation| Action {
                operation,
                ..action.clone()
            }),
        )
    }
}

struct Ordered {
    /// How many others must come one after another before each; those in no circle only.
    ranks: BTreeMap<Key, u32>,
    circular: BTreeSet<Key>,
}

/// Who waits for whom, as an order.
fn in_order(waits: BTreeMap<Key, BTreeSet<Key>>) -> Ordered {
    let mut wanted_by: BTreeMap<Key, Vec<Key>> = BTreeMap::new();
    let mut left: BTreeMap<Key, BTreeSet<Key>> = BTreeMap::new();
    for (taker, givers) in waits {
        for giver in &givers {
            wanted_by.entry(*giver).or_default().push(taker);
            left.entry(*giver).or_default();
        }
        left.insert(taker, givers);
    }
    let mut ranks = BTreeMap::new();
    let mut ready: Vec<Key> = Vec::new();
    let is_ready = |(key, givers): (&Key, &BTreeSet<Key>)| givers.is_empty().then_some(*key);
    ready.extend(left.iter().filter_map(is_ready));
    let mut rank = 0;
    while !ready.is_empty() {
        let mut next = Vec::new();
        for key in ready {
            left.remove(&key);
            ranks.insert(key, rank);
            for taker in wanted_by.get(&key).into_iter().flatten() {
                if let Some(givers) = left.get_mut(taker) {
                    givers.remove(&key);
                    if givers.is_empty() {
                        next.push(*taker);
                    }
                }
            }
        }
        ready = next;
        rank += 1;
    }
    // What is left waits for a circle, or is in it. An object that none of them waits for is not in it.
    loop {
        let wanted: BTreeSet<Key> = left.values().flatten().copied().collect();
        let before = left.len();
        left.retain(|key, _| wanted.contains(key));
        if left.len() == before {
            break;
        }
    }
    Ordered {
        ranks,
        circular: left.into_keys().collect(),
    }
}

fn short(target: &TargetId) -> u32 {
    let [a, b, c, d, ..] = fingerprint(target.as_str()).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

fn fingerprint<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> Key {
        Key::new(number)
    }

    fn ordered(waits: &[(u32, u32)]) -> (Vec<(u32, u32)>, Vec<u32>) {
        let mut map: BTreeMap<Key, BTreeSet<Key>> = BTreeMap::new();
        for (taker, giver) in waits {
            map.entry(key(*taker)).or_default().insert(key(*giver));
        }
        let Ordered { ranks, circular } = in_order(map);
        let ranks = ranks.iter().map(|(key, rank)| (key.get(), *rank));
        (
            ranks.collect(),
            circular.iter().map(|key| key.get()).collect(),
        )
    }

    #[test]
    fn a_chain_is_carried_out_from_its_end() {
        assert_eq!(
            ordered(&[(1, 2), (2, 3), (4, 3)]),
            (vec![(1, 2), (2, 1), (3, 0), (4, 1)], vec![])
        );
    }

    #[test]
    fn a_circle_has_no_order_and_what_waits_for_it_is_not_in_it() {
        assert_eq!(ordered(&[(1, 2), (2, 1), (3, 1)]), (vec![], vec![1, 2]));
        assert_eq!(
            ordered(&[(1, 2), (2, 1), (1, 4)]),
            (vec![(4, 0)], vec![1, 2])
        );
    }
}

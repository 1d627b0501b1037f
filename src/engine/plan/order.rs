//! The order in which objects are evaluated and created: what one refers to comes before it, so that the
//! reference travels with the create and costs no request.

use std::collections::BTreeSet;

use crate::engine::model::Key;

const UNKNOWN: u16 = u16::MAX;
const ON_PATH: u16 = u16::MAX - 1;
/// Where a chain of references is cut: what is deeper counts as circular.
const DEEPEST: u16 = u16::MAX - 2;
/// The rank of what is in a circle; real chains of managers are far shorter.
const CIRCLE: u16 = 1_000;

/// Objects in the order in which they are evaluated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Order {
    /// Each with its rank: 0 for what refers to no other of them.
    pub(crate) ranked: Vec<(u32, Key)>,
    /// Objects whose references run in a circle. What leads to one that is not evaluated yet follows as
    /// an update.
    pub(crate) circular: BTreeSet<Key>,
}

/// Orders objects by the one that each refers to. `references` are pairs of an object and the one that it
/// refers to, in any order; pairs of other objects change nothing.
///
/// Memory: about ten bytes for each number up to the largest key.
pub(crate) fn by_reference(keys: &[Key], references: &[(Key, Key)]) -> Order {
    let index = |key: Key| key.get() as usize;
    let length = keys.iter().map(|key| index(*key) + 1).max().unwrap_or(0);
    // 0: not one of the objects. Otherwise the number of the referenced key plus 1, or itself.
    let mut refers_to: Vec<u32> = vec![0; length];
    for key in keys {
        refers_to[index(*key)] = key.get() + 1;
    }
    for (key, referenced) in references {
        let both = index(*key) < length && index(*referenced) < length;
        if both && refers_to[index(*key)] != 0 && refers_to[index(*referenced)] != 0 {
            refers_to[index(*key)] = referenced.get() + 1;
        }
    }
    let mut depths: Vec<u16> = vec![UNKNOWN; length];
    let mut circular = BTreeSet::new();
    let mut path: Vec<usize> = Vec::new();
    for key in keys {
        let mut at = index(*key);
        let base = loop {
            match depths[at] {
                UNKNOWN => {}
                ON_PATH => {
                    // Everything on the path from here on is in the circle.
                    let start = path.iter().position(|one| *one == at).unwrap_or(0);
                    for one in path.drain(start..) {
                        circular.insert(Key::new(number(one)));
                        depths[one] = CIRCLE;
                    }
                    break CIRCLE;
                }
                known => break known,
            }
            let next = refers_to[at] as usize - 1;
            if next == at {
                depths[at] = 0;
                break 0;
            }
            depths[at] = ON_PATH;
            path.push(at);
            at = next;
        };
        let mut depth = base;
        while let Some(one) = path.pop() {
            depth = depth.saturating_add(1).min(DEEPEST);
            depths[one] = depth;
            if depth == DEEPEST {
                circular.insert(Key::new(number(one)));
            }
        }
    }
    let mut ranked: Vec<(u32, Key)> = keys
        .iter()
        .map(|key| (u32::from(depths[index(*key)]), *key))
        .collect();
    ranked.sort_unstable();
    ranked.dedup();
    Order { ranked, circular }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).expect("it came from a key")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(numbers: &[u32]) -> Vec<Key> {
        numbers.iter().map(|number| Key::new(*number)).collect()
    }

    fn order(numbers: &[u32], references: &[(u32, u32)]) -> (Vec<u32>, Vec<u32>) {
        let references: Vec<(Key, Key)> = references
            .iter()
            .map(|(one, other)| (Key::new(*one), Key::new(*other)))
            .collect();
        let Order { ranked, circular } = by_reference(&keys(numbers), &references);
        (
            ranked.iter().map(|(_, key)| key.get()).collect(),
            circular.iter().map(|key| key.get()).collect(),
        )
    }

    #[test]
    fn what_is_referred_to_comes_first() {
        assert_eq!(
            order(&[1, 2, 3], &[(1, 2), (2, 3)]),
            (vec![3, 2, 1], vec![])
        );
        assert_eq!(
            order(&[1, 2, 3], &[(1, 9), (3, 9)]),
            (vec![1, 2, 3], vec![])
        );
        assert_eq!(order(&[4], &[(4, 4)]), (vec![4], vec![]));
        assert_eq!(order(&[], &[(1, 2)]), (vec![], vec![]));
    }

    #[test]
    fn a_circle_is_named_and_what_leads_into_it_comes_after_it() {
        let (ordered, circular) = order(&[1, 2, 3, 4], &[(1, 2), (2, 1), (3, 1), (4, 3)]);
        assert_eq!(ordered, [1, 2, 3, 4]);
        assert_eq!(circular, [1, 2]);
    }

    #[test]
    fn a_very_long_chain_ends() {
        let numbers: Vec<u32> = (1..=70_000).collect();
        let references: Vec<(u32, u32)> = (1..70_000).map(|one| (one, one + 1)).collect();
        let (ordered, _) = order(&numbers, &references);
        assert_eq!(ordered.len(), 70_000);
        assert_eq!(ordered[0], 70_000);
    }
}

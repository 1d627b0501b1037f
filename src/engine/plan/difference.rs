//! Desired values against current ones: the changes, and what becomes of each selected element.

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, Element};
use crate::engine::model::{TargetPath, Value};

/// The changes that turn `current` into `desired`. A path that is absent from `desired` is left
/// alone; one that is there without a value is cleared.
pub(super) fn changes(
    current: &BTreeMap<TargetPath, Value>,
    desired: &BTreeMap<TargetPath, Option<Value>>,
) -> Vec<Change> {
    let before: BTreeSet<TargetPath> = current.keys().filter_map(TargetPath::element).collect();
    let left_alone = current.keys().filter(|path| !desired.contains_key(path));
    let with_value = desired.iter().filter(|(_, value)| value.is_some());
    let after: BTreeSet<TargetPath> = left_alone
        .chain(with_value.map(|(path, _)| path))
        .filter_map(TargetPath::element)
        .collect();
    let element = |path: &TargetPath| match path.element() {
        None => Element::None,
        Some(element) => match (before.contains(&element), after.contains(&element)) {
            (false, _) => Element::Added,
            (true, true) => Element::Kept,
            (true, false) => Element::Removed,
        },
    };
    desired
        .iter()
        .filter(|(path, new)| current.get(path) != new.as_ref())
        .map(|(path, new)| Change {
            path: path.clone(),
            old: current.get(path).cloned(),
            new: new.clone(),
            element: element(path),
        })
        .collect()
}

/// Gives what the target shows our own spelling where it differs in nothing but case: targets fold
/// the case of names that ignore it (RFC 7643 section 2.2, `caseExact`).
pub(super) fn fold_case(
    current: &mut BTreeMap<TargetPath, Value>,
    desired: &BTreeMap<TargetPath, Option<Value>>,
    folding: &BTreeSet<TargetPath>,
) {
    for (path, shown) in current.iter_mut() {
        let (Value::Text(shown), Some(Some(Value::Text(ours)))) = (shown, desired.get(path)) else {
            continue;
        };
        if folding.contains(path) && shown.to_lowercase() == ours.to_lowercase() {
            ours.clone_into(shown);
        }
    }
}

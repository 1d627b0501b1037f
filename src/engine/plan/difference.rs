//! Desired values against current ones: the changes, and what becomes of each selected element.

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, ElementChange, WriteMode};
use crate::engine::addition::{Addition, whole};
use crate::engine::mapping::Desired;
use crate::engine::model::{TargetPath, Value};

/// The changes that turn `current` into `desired`. A path that is absent from `desired` is left
/// alone; one that is there without a value is cleared.
pub(super) fn changes(current: &BTreeMap<TargetPath, Value>, desired: &Desired) -> Vec<Change> {
    let Desired {
        values: desired,
        additions,
        fold_case,
        ..
    } = desired;
    let before: BTreeSet<TargetPath> = current.keys().filter_map(TargetPath::element).collect();
    let left_alone = current.keys().filter(|path| !desired.contains_key(path));
    let with_value = desired.iter().filter(|(_, value)| value.is_some());
    let after: BTreeSet<TargetPath> = left_alone
        .chain(with_value.map(|(path, _)| path))
        .filter_map(TargetPath::element)
        .collect();
    let element = |path: &TargetPath| match path.element() {
        None => ElementChange::None,
        Some(element) => match (before.contains(&element), after.contains(&element)) {
            (false, _) => ElementChange::Added,
            (true, true) => ElementChange::Kept,
            (true, false) => ElementChange::Removed,
        },
    };
    let added = additions.iter().filter_map(|(path, additions)| {
        let folds = fold_case.contains(path);
        addition(path, current.get(path), additions, folds)
    });
    desired
        .iter()
        .filter(|(path, new)| current.get(path) != new.as_ref())
        .map(|(path, new)| Change {
            path: path.clone(),
            old: current.get(path).cloned(),
            new: new.clone(),
            element: element(path),
            written: WriteMode::Whole,
        })
        .chain(added)
        .collect()
}

/// The elements that are not there yet, beside those that are. Nothing is taken away. Those that are
/// there may be spelt as the target showed them after an interrupted write, so that case does not
/// count here either.
fn addition(
    path: &TargetPath,
    old: Option<&Value>,
    additions: &[Addition],
    folds: bool,
) -> Option<Change> {
    let there = match old {
        Some(Value::List(elements)) => elements.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    let is_missing = |addition: &&Addition| !there.iter().any(|one| addition.is(one, folds));
    let missing: Vec<&Addition> = additions.iter().filter(is_missing).collect();
    if missing.is_empty() {
        return None;
    }
    let created = missing.iter().map(|addition| addition.created.clone());
    Some(Change {
        path: path.clone(),
        old: old.cloned(),
        new: whole(there.iter().cloned().chain(created)),
        element: ElementChange::None,
        written: WriteMode::Added(missing.iter().map(|one| one.added.clone()).collect()),
    })
}

/// Gives what the target shows our own spelling where it means the same: targets fold the case of names
/// that ignore it (RFC 7643 section 2.2, `caseExact`), and leave out that an element is not the primary
/// one (section 2.4).
pub(super) fn fold_case(current: &mut BTreeMap<TargetPath, Value>, desired: &Desired) {
    for (path, shown) in current.iter_mut() {
        let folds = desired.fold_case.contains(path);
        if let (Value::List(shown), Some(additions)) = (&mut *shown, desired.additions.get(path)) {
            for element in shown {
                if let Some(own) = additions.iter().find(|own| own.is(element, folds)) {
                    own.created.clone_into(element);
                }
            }
            continue;
        }
        let Some(Some(ours)) = desired.values.get(path) else {
            continue;
        };
        if let (Value::List(shown), Value::List(ours)) = (&mut *shown, ours) {
            for element in shown.iter_mut() {
                if let Some(own) = ours.iter().find(|own| means_the_same(element, own, folds)) {
                    own.clone_into(element);
                }
            }
            shown.sort();
            shown.dedup();
        } else if means_the_same(shown, ours, folds) {
            ours.clone_into(shown);
        }
    }
}

fn means_the_same(shown: &Value, ours: &Value, folds: bool) -> bool {
    match (shown, ours) {
        (Value::Text(shown), Value::Text(ours)) => {
            shown == ours || folds && shown.to_lowercase() == ours.to_lowercase()
        }
        (Value::Object(shown), Value::Object(ours)) => {
            said(shown).count() == said(ours).count()
                && said(shown).all(|(name, one)| {
                    let other = ours.get(name);
                    other.is_some_and(|other| means_the_same(one, other, folds))
                })
        }
        (shown, ours) => shown == ours,
    }
}

/// The members of an element, without the word that it is not the primary one.
fn said(members: &BTreeMap<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    let is_default =
        |name: &str, value: &Value| name == "primary" && *value == Value::Boolean(false);
    members
        .iter()
        .filter(move |(name, value)| !is_default(name, value))
}

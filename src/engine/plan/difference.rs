//! Desired values against current ones: the changes, and what becomes of each selected element.

use std::collections::BTreeMap;

use super::{Change, ElementChange, WriteMode};
use crate::engine::addition::{Addition, whole};
use crate::engine::mapping::Desired;
use crate::engine::model::{Selector, TargetPath, Value};

/// The changes that turn `current` into `desired`. A path that is absent from `desired` is left
/// alone; one that is there without a value is cleared.
pub(super) fn changes(current: &BTreeMap<TargetPath, Value>, desired: &Desired) -> Vec<Change> {
    let mut changes = Vec::new();
    // Both are in the order of their paths. Most objects did not change, so nothing is made before
    // two values differ.
    let mut left = current.iter().peekable();
    for (path, new) in desired.values.iter() {
        while left.next_if(|(other, _)| *other < path).is_some() {}
        let old = left.next_if(|(other, _)| *other == path);
        let old = old.map(|(_, old)| old);
        if old != new.as_ref() {
            changes.push(Change {
                path: path.clone(),
                old: old.cloned(),
                new: new.clone(),
                element: element(path, current, desired),
                written: WriteMode::Whole,
            });
        }
    }
    let added = desired.additions.iter().filter_map(|(path, additions)| {
        let folds = desired.fold_case.contains(path);
        addition(path, current.get(path), additions, folds)
    });
    changes.extend(added);
    changes
}

/// Elements that are there and hold nothing at the mapped paths are not added a second time. `lists` are the
/// attributes as a whole, as the target shows them.
pub(crate) fn keep_shown_elements(changes: &mut [Change], lists: &BTreeMap<String, Value>) {
    for change in changes {
        let Some(selector) = change.path.selector() else {
            continue;
        };
        if change.path.schema().is_some() || change.element != ElementChange::Added {
            continue;
        }
        if has_element(lists, change.path.attribute(), selector) {
            change.element = ElementChange::Kept;
        }
    }
}

/// Whether a list that the target shows has the element that is selected.
pub(super) fn has_element(
    lists: &BTreeMap<String, Value>,
    attribute: &str,
    selector: &Selector,
) -> bool {
    let wanted = Value::text(&*selector.value);
    let is_it = |element: &Value| match element {
        Value::Object(members) => members
            .get(&selector.attribute)
            .is_some_and(|shown| means_the_same(shown, &wanted, true)),
        _ => false,
    };
    matches!(lists.get(attribute), Some(Value::List(elements)) if elements.iter().any(is_it))
}

/// The same changes on an object that turned out to hold something else in the target than was known: what
/// was `sent` of the elements that they select comes back with them.
pub(crate) fn changes_again(
    wanted: &[Change],
    sent: &BTreeMap<TargetPath, Value>,
    current: &BTreeMap<TargetPath, Value>,
) -> Vec<Change> {
    let is_selected = |path: &TargetPath| {
        path.selector().is_some() && wanted.iter().any(|one| path.is_in_element_of(&one.path))
    };
    let mut desired = Desired::default();
    for (path, value) in sent.iter().filter(|(path, _)| is_selected(path)) {
        desired.values.insert(path.clone(), Some(value.clone()));
    }
    for change in wanted {
        if change.written == WriteMode::Whole {
            desired
                .values
                .insert(change.path.clone(), change.new.clone());
        }
    }
    let (selected, added): (Vec<&Change>, Vec<&Change>) = wanted
        .iter()
        .filter(|change| change.written != WriteMode::Whole)
        .partition(|change| change.written == WriteMode::Selected);
    let mut anew: Vec<Change> = selected.into_iter().cloned().collect();
    anew.extend(changes(current, &desired));
    anew.extend(added.into_iter().cloned());
    anew
}

/// What becomes of the element that a path selects.
fn element(
    path: &TargetPath,
    current: &BTreeMap<TargetPath, Value>,
    desired: &Desired,
) -> ElementChange {
    if path.selector().is_none() {
        return ElementChange::None;
    }
    let is_in_it = |other: &&TargetPath| other.is_in_element_of(path);
    let mut before = current.keys().filter(is_in_it).peekable();
    if before.peek().is_none() {
        return ElementChange::Added;
    }
    // That it is there may be all that is known of it, see `drift`.
    let stays = before.any(|path| !desired.values.contains_key(path) && !path.is_own_selector());
    let mut after = desired.values.iter().filter(|(_, new)| new.is_some());
    if stays || after.any(|(path, _)| is_in_it(&path)) {
        ElementChange::Kept
    } else {
        ElementChange::Removed
    }
}

/// The elements that are not there yet, and those that are. Nothing is taken away. Those that are
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

/// Elements of what the target shows that have a value which should be at a path, but not what the path
/// selects by: an address without a type, or with another one. They become what is there at that path, so
/// that the value is not added a second time, and get what selects them. `lists` are the attributes as a
/// whole.
pub(super) fn select(
    current: &mut BTreeMap<TargetPath, Value>,
    desired: &Desired,
    lists: &BTreeMap<String, Value>,
) -> Vec<Change> {
    let mut selected = Vec::new();
    for (path, new) in desired.values.iter() {
        let (Some(_), Some(sub), Some(new)) = (path.selector(), path.sub_attribute(), new) else {
            continue;
        };
        let Some(Value::List(elements)) = lists.get(path.attribute()) else {
            continue;
        };
        if path.schema().is_some() || current.keys().any(|other| other.is_in_element_of(path)) {
            continue;
        }
        let folds = desired.fold_case.contains(path);
        let has_value = |element: &&BTreeMap<String, Value>| {
            let shown = element.get(sub);
            shown.is_some_and(|shown| means_the_same(shown, new, folds))
        };
        let selects = |element: &BTreeMap<String, Value>, path: &TargetPath| {
            path.selector().is_some_and(|selector| {
                let shown = element.get(&selector.attribute);
                shown.is_some_and(|shown| {
                    means_the_same(shown, &Value::text(&*selector.value), true)
                })
            })
        };
        // One that another path selects, and wants as it is, is not this one.
        let is_wanted = |element: &BTreeMap<String, Value>| {
            let mut others = desired.values.iter().filter(|(other, new)| {
                other.attribute() == path.attribute() && new.is_some() && selects(element, other)
            });
            others.any(|(other, wanted)| {
                let shown = other.sub_attribute().and_then(|sub| element.get(sub));
                match (shown, wanted) {
                    (Some(shown), Some(wanted)) => means_the_same(shown, wanted, folds),
                    _ => false,
                }
            })
        };
        let objects = elements.iter().filter_map(|element| match element {
            Value::Object(members) => Some(members),
            _ => None,
        });
        // It is selected by its value, so that another one with the same would be changed as well.
        let mut with_value = objects.filter(has_value);
        let (Some(element), None) = (with_value.next(), with_value.next()) else {
            continue;
        };
        if is_wanted(element) {
            continue;
        }
        current
            .retain(|other, _| !(other.attribute() == path.attribute() && selects(element, other)));
        for (other, _) in desired.values.iter() {
            if other.is_in_element_of(path)
                && let Some(shown) = other.sub_attribute().and_then(|sub| element.get(sub))
            {
                current.insert(other.clone(), shown.clone());
            }
        }
        current.insert(path.clone(), new.clone());
        selected.push(Change {
            path: path.clone(),
            old: None,
            new: Some(new.clone()),
            element: ElementChange::Kept,
            written: WriteMode::Selected,
        });
    }
    selected
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

pub(super) fn means_the_same(shown: &Value, ours: &Value, folds: bool) -> bool {
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

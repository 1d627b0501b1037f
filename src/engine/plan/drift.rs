//! Drift: what the target holds of a linked object, compared with what was last written. Nothing is planned
//! here: what the target holds becomes what is on record, and the planner does the rest.

use std::collections::{BTreeMap, BTreeSet};

use super::Subject;
use super::difference::{has_element, means_the_same};
use super::planner::whole_lists;
use super::rewritten::{is_made_by_target, is_made_from_others};
use crate::engine::mapping::{Apply, Mapping, Mappings, OnDrift, Source};
use crate::engine::model::{Held, HeldReference, Link, TargetId, TargetPath, TargetType, Value};

/// A linked object of which the target holds something else than was last written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Drifted {
    pub(crate) subject: Subject,
    pub(crate) target: TargetId,
    pub(crate) drift: Drift,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Drift {
    /// The object is gone from the target.
    Gone,
    Differs(Vec<Difference>),
}

/// One attribute, as last written and as the target holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) path: TargetPath,
    /// Of members: those that were written and are missing.
    pub(crate) sent: Option<Value>,
    /// Of members: those that are there and were not written.
    pub(crate) held: Option<Value>,
    pub(crate) remedy: DriftRemedy,
}

/// What is done about a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DriftRemedy {
    /// It is planned as if it had been written.
    Repair,
    /// `on_drift = "report"`, of the job or of the mapping.
    Report,
    /// The account was disabled in the target: its administrator may have a reason (safety.md §3).
    Disabled,
}

/// Compares linked objects of one kind.
#[derive(Clone, Copy)]
pub(crate) struct Comparison<'a> {
    pub(crate) mappings: &'a Mappings,
    /// Whether the target shows any object's value at a path. Some never show what they hold.
    pub(crate) is_shown: &'a dyn Fn(&TargetPath) -> bool,
    /// What is done about a difference at the path of a mapping.
    pub(crate) policy: &'a dyn Fn(&Mapping) -> OnDrift,
    /// Whether the target makes the value at a path itself, as was learned.
    pub(crate) is_rewritten: &'a dyn Fn(&TargetPath) -> bool,
    /// Called for such a path where the target shows a value that it made.
    pub(crate) shows_made: &'a dyn Fn(&TargetPath),
}

/// What an object shows of whether the target makes a value itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origins {
    /// It shows a value that the target made of others.
    Target,
    /// It shows what was written, or something that is not made of anything.
    Elsewhere,
}

impl Comparison<'_> {
    /// What differs, in the order of the paths; afterwards `held` is what is to be on record if that is to
    /// be repaired. Of an object that is out of scope only whether it can be used is compared.
    pub(crate) fn compare(&self, link: &Link, held: &mut Held) -> Vec<Difference> {
        let Self {
            mappings,
            is_shown,
            policy,
            is_rewritten,
            shows_made,
        } = *self;
        let shown = held.values.clone();
        let lists = whole_lists(mappings, &mut held.values);
        let mut differences = Vec::new();
        let mut compared = BTreeSet::new();
        for mapping in mappings.iter().filter(|mapping| is_kept_up(mapping)) {
            let path = &mapping.target;
            let counts = link.in_scope || path.is_active() || mappings.carries_state(path);
            if !counts || !is_shown(path) || !compared.insert(path) {
                continue;
            }
            let mut difference = if mapping.target_type == TargetType::Reference {
                reference(path, link, held)
            } else {
                value(mapping, link, held, &lists)
            };
            let is_made = |one: &mut Difference| {
                is_rewritten(path) && one.remedy == DriftRemedy::Repair && is_made(one, &shown)
            };
            if difference.take_if(is_made).is_some() {
                shows_made(path);
                keep_on_record(path, link, held);
            }
            if let Some(difference) = &mut difference {
                if difference.remedy == DriftRemedy::Repair && policy(mapping) == OnDrift::Report {
                    difference.remedy = DriftRemedy::Report;
                }
                if difference.remedy != DriftRemedy::Repair {
                    keep_on_record(path, link, held);
                }
            }
            differences.extend(difference);
        }
        // What was not compared stays as it was.
        let others = |path: &&TargetPath| !compared.contains(*path);
        let unseen: Vec<TargetPath> = held.values.keys().filter(others).cloned().collect();
        for path in unseen {
            held.values.remove(&path);
        }
        let kept = link.sent.iter().filter(|(path, _)| others(path));
        held.values
            .extend(kept.map(|(path, value)| (path.clone(), value.clone())));
        note_bare_elements(&compared, &lists, &mut held.values);
        held.references.retain(|path, _| compared.contains(path));
        let kept = link.references.iter().filter(|(path, _)| others(path));
        held.references
            .extend(kept.map(|(path, one)| (path.clone(), one.clone())));
        differences.sort_by(|one, other| one.path.cmp(&other.path));
        differences
    }
}

/// What an object shows of which values the target makes itself.
pub(crate) fn origins(mappings: &Mappings, link: &Link, held: &Held) -> Vec<(TargetPath, Origins)> {
    let mappings = mappings.iter();
    let compared = mappings.filter(|mapping| is_kept_up(mapping) && mapping.matching.is_none());
    let origins = compared.filter_map(|mapping| {
        let path = &mapping.target;
        let (sent, shown) = (link.sent.get(path)?, held.values.get(path)?);
        let others = texts(&held.values, path);
        let origin = if !means_the_same(shown, sent, !mapping.case_exact) {
            if is_made_by_target(sent, shown, &others) {
                Origins::Target
            } else {
                Origins::Elsewhere
            }
        } else if matches!(shown, Value::Text(shown) if is_made_from_others(shown, &others)) {
            // It would look the same.
            return None;
        } else {
            Origins::Elsewhere
        };
        Some((path.clone(), origin))
    });
    origins.collect()
}

fn is_made(difference: &Difference, shown: &BTreeMap<TargetPath, Value>) -> bool {
    let (Some(sent), Some(held)) = (&difference.sent, &difference.held) else {
        return false;
    };
    is_made_by_target(sent, held, &texts(shown, &difference.path))
}

/// The texts at other paths.
fn texts<'v>(values: &'v BTreeMap<TargetPath, Value>, path: &TargetPath) -> Vec<&'v str> {
    let others = values.iter().filter(|(other, _)| *other != path);
    others
        .filter_map(|(_, value)| match value {
            Value::Text(text) => Some(&**text),
            Value::Boolean(_)
            | Value::Integer(_)
            | Value::List(_)
            | Value::Object(_)
            | Value::Reference(_) => None,
        })
        .collect()
}

/// Elements that are there and hold nothing at the mapped paths: that they are there is put on record, by what
/// selects them, so that they are not added a second time.
fn note_bare_elements(
    compared: &BTreeSet<&TargetPath>,
    lists: &BTreeMap<String, Value>,
    values: &mut BTreeMap<TargetPath, Value>,
) {
    for path in compared {
        let (Some(selector), Some(own)) = (path.selector(), path.own_selector()) else {
            continue;
        };
        if path.schema().is_some() || compared.contains(&own) {
            continue;
        }
        values.remove(&own);
        let is_bare = !values.keys().any(|other| other.is_in_element_of(path));
        if is_bare && has_element(lists, path.attribute(), selector) {
            values.insert(own, Value::text(&*selector.value));
        }
    }
}

/// Whether a mapping is more than what an object is created with.
fn is_kept_up(mapping: &Mapping) -> bool {
    mapping.apply == Apply::Always
        && !matches!(mapping.source, Source::None)
        && !mapping.target.is_members()
        && !mapping.selects_unique()
}

fn value(
    mapping: &Mapping,
    link: &Link,
    held: &mut Held,
    lists: &BTreeMap<String, Value>,
) -> Option<Difference> {
    let path = &mapping.target;
    let folds = !mapping.case_exact;
    let sent = link.sent.get(path);
    let shown = held.values.get(path);
    let is_same = match (sent, shown) {
        (None, None) => true,
        (Some(sent), Some(Value::List(shown))) if mapping.only_adds() => match sent {
            // Others may add to it.
            Value::List(sent) => sent
                .iter()
                .all(|one| shown.iter().any(|shown| means_the_same(shown, one, folds))),
            _ => false,
        },
        (Some(sent), Some(shown)) => means_the_same(shown, sent, folds),
        // An element may be there without what selects it.
        (Some(sent), None) => is_in_list(path, sent, lists, folds),
        (None, Some(_)) => mapping.only_adds(),
    };
    if is_same {
        if let Some(sent) = sent {
            held.values.insert(path.clone(), sent.clone());
        }
        return None;
    }
    let remedy = match (sent, shown) {
        (Some(Value::Boolean(true)), Some(Value::Boolean(false))) if path.is_active() => {
            DriftRemedy::Disabled
        }
        _ => DriftRemedy::Repair,
    };
    Some(Difference {
        path: path.clone(),
        sent: sent.cloned(),
        held: shown.cloned(),
        remedy,
    })
}

/// What was written stays on record, so that nothing is planned.
fn keep_on_record(path: &TargetPath, link: &Link, held: &mut Held) {
    match link.sent.get(path) {
        Some(sent) => held.values.insert(path.clone(), sent.clone()),
        None => held.values.remove(path),
    };
    match link.references.get(path) {
        Some(sent) => held.references.insert(path.clone(), sent.clone()),
        None => held.references.remove(path),
    };
}

fn is_in_list(
    path: &TargetPath,
    sent: &Value,
    lists: &BTreeMap<String, Value>,
    folds: bool,
) -> bool {
    let (Some(sub), Some(Value::List(elements))) =
        (path.sub_attribute(), lists.get(path.attribute()))
    else {
        return false;
    };
    elements.iter().any(|element| match element {
        Value::Object(members) => members
            .get(sub)
            .is_some_and(|shown| means_the_same(shown, sent, folds)),
        _ => false,
    })
}

fn reference(path: &TargetPath, link: &Link, held: &mut Held) -> Option<Difference> {
    let (sent, shown) = (link.references.get(path), held.references.get(path));
    if sent.map(|one| &one.target) == shown.map(|one| &one.target) {
        if let Some(sent) = sent {
            held.references.insert(path.clone(), sent.clone());
        }
        return None;
    }
    Some(Difference {
        path: path.clone(),
        sent: sent.map(named),
        held: shown.map(named),
        remedy: DriftRemedy::Repair,
    })
}

/// What a reference leads to: one of our objects where it is one, else what the target has as its id.
fn named(reference: &HeldReference) -> Value {
    match &reference.source {
        Some(source) => Value::Reference(source.clone()),
        None => Value::text(reference.target.as_str()),
    }
}

/// The members of a group: what was written of them against what the target shows. `name` says whose a
/// target id is.
pub(crate) fn members(
    path: &TargetPath,
    sent: &BTreeSet<TargetId>,
    shown: &BTreeSet<TargetId>,
    name: &dyn Fn(&TargetId) -> Option<String>,
) -> Option<Difference> {
    let named = |targets: Vec<&TargetId>| {
        let values = targets.into_iter().map(|target| match name(target) {
            Some(name) => Value::text(name),
            None => Value::text(target.as_str()),
        });
        let values: Vec<Value> = values.collect();
        (!values.is_empty()).then_some(Value::List(values))
    };
    let missing = named(sent.difference(shown).collect());
    let extra = named(shown.difference(sent).collect());
    (missing.is_some() || extra.is_some()).then(|| Difference {
        path: path.clone(),
        sent: missing,
        held: extra,
        remedy: DriftRemedy::Repair,
    })
}

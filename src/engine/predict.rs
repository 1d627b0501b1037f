//! Which actions of a plan the target would refuse: by what it reports of itself, by values that must be unique,
//! and by what it refused before. A prediction keeps nothing back; the answer of the target counts.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime};

use super::capabilities::{Attribute, Capabilities, Kind};
use super::model::{Key, ObjectKind, TargetId, TargetPath, Value};
use super::plan::{Action, Change, Operation, Subject};

/// An action that the target would refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) subject: Subject,
    pub(crate) target: Option<TargetId>,
    /// The name of the action.
    pub(crate) action: &'static str,
    pub(crate) problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The target requires a value and would get none.
    Missing { attribute: String },
    /// The target reports that it sets the value itself.
    ReadOnly { path: TargetPath },
    /// The target reports another type.
    WrongType { path: TargetPath, takes: Kind },
    /// Another object of the plan gets the same value, which may be there once.
    Duplicate { path: TargetPath, other: Key },
    /// An object of the target has the value, which may be there once.
    Taken { path: TargetPath, by: TargetId },
    /// The same was refused before; the target's words.
    Before { message: String },
}

impl Problem {
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "missing",
            Self::ReadOnly { .. } => "read-only",
            Self::WrongType { .. } => "wrong-type",
            Self::Duplicate { .. } => "duplicate",
            Self::Taken { .. } => "taken",
            Self::Before { .. } => "refused-before",
        }
    }
}

/// A value that may be there once, and that no key of the action looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unique {
    pub(crate) path: TargetPath,
    pub(crate) value: Value,
}

/// What is known of a target while the actions of a plan are looked at one after another.
pub(crate) struct Predictor<'a> {
    capabilities: &'a Capabilities,
    /// Booleans are written as text.
    booleans_as_text: bool,
    /// Who gets a value that may be there once.
    holders: BTreeMap<(ObjectKind, TargetPath, String), Key>,
}

impl<'a> Predictor<'a> {
    pub(crate) fn new(capabilities: &'a Capabilities, booleans_as_text: bool) -> Self {
        Self {
            capabilities,
            booleans_as_text,
            holders: BTreeMap::new(),
        }
    }

    /// What is wrong with an action, and the values that the target may have already.
    pub(crate) fn judge(
        &mut self,
        action: &Action,
        before: Option<&(Operation, String)>,
    ) -> (Vec<Problem>, Vec<Unique>) {
        let mut problems = Vec::new();
        let mut unique = Vec::new();
        let kind = action.subject.kind;
        let values = written(&action.operation);
        for (path, value) in &values {
            self.value(&action.subject, path, *value, &mut problems, &mut unique);
        }
        if let Operation::Create { keys, .. } = &action.operation {
            // The look-up that did not find the object has asked for these.
            unique.retain(|one| !keys.iter().any(|key| key.path == one.path));
        }
        if let Operation::Create { references, .. } = &action.operation {
            for attribute in self.capabilities.required(kind) {
                let is_it = |path: &TargetPath| {
                    path.schema().is_none() && path.attribute().eq_ignore_ascii_case(attribute)
                };
                let is_given = values
                    .iter()
                    .any(|(path, value)| is_it(path) && value.is_some_and(|one| !is_empty(one)))
                    || references.iter().any(|(path, _)| is_it(path));
                if !is_given {
                    let attribute = attribute.to_owned();
                    problems.push(Problem::Missing { attribute });
                }
            }
        }
        if problems.is_empty()
            && let Some((operation, message)) = before
            && is_same(operation, &action.operation)
        {
            let message = message.clone();
            problems.push(Problem::Before { message });
        }
        (problems, unique)
    }

    fn value(
        &mut self,
        subject: &Subject,
        path: &TargetPath,
        value: Option<&Value>,
        problems: &mut Vec<Problem>,
        unique: &mut Vec<Unique>,
    ) {
        let Some(found) = self.capabilities.attribute(subject.kind, path) else {
            return;
        };
        if found.is_read_only() {
            let path = path.clone();
            problems.push(Problem::ReadOnly { path });
            return;
        }
        let Some(value) = value.filter(|value| !is_empty(value)) else {
            if found.attribute.required && found.sub.is_none() && path.selector().is_none() {
                let attribute = found.attribute.name.clone();
                problems.push(Problem::Missing { attribute });
            }
            return;
        };
        let takes = found.sub.unwrap_or(found.attribute);
        let is_whole = found.sub.is_none();
        if let Some(takes) = self.misfit(takes, value, is_whole) {
            let path = path.clone();
            problems.push(Problem::WrongType { path, takes });
            return;
        }
        if is_whole
            && found.attribute.is_unique
            && let Value::Text(text) = value
        {
            let place = (subject.kind, path.clone(), text.to_lowercase());
            let holder = *self.holders.entry(place).or_insert(subject.key);
            if holder != subject.key {
                let path = path.clone();
                problems.push(Problem::Duplicate {
                    path,
                    other: holder,
                });
                return;
            }
            unique.push(Unique {
                path: path.clone(),
                value: value.clone(),
            });
        }
    }

    /// The type that an attribute takes, where a value is not of it. What is not certain fits.
    fn misfit(&self, attribute: &Attribute, value: &Value, is_whole: bool) -> Option<Kind> {
        let takes = attribute.kind?;
        if attribute.is_multi && is_whole {
            let Value::List(values) = value else {
                return None;
            };
            let wrong = |one: &Value| self.misfit_of_one(attribute, takes, one);
            return values.iter().find_map(wrong);
        }
        self.misfit_of_one(attribute, takes, value)
    }

    fn misfit_of_one(&self, attribute: &Attribute, takes: Kind, value: &Value) -> Option<Kind> {
        if let (Kind::Complex, Value::Object(members)) = (takes, value) {
            return members.iter().find_map(|(name, one)| {
                let sub = attribute.sub_attributes.get(&name.to_lowercase())?;
                self.misfit(sub, one, true)
            });
        }
        let fits = match (takes, value) {
            (_, Value::Reference(_))
            | (Kind::Boolean, Value::Boolean(_))
            | (Kind::Text, Value::Text(_))
            | (Kind::Number, Value::Integer(_))
            | (Kind::Complex, Value::Object(_)) => true,
            (Kind::Text, Value::Boolean(_)) => self.booleans_as_text,
            (Kind::Boolean, Value::Text(text)) => {
                text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false")
            }
            (Kind::DateTime, Value::Text(text)) => is_time(text),
            // The manager is often sent as a bare id.
            (Kind::Complex, Value::Text(_)) => {
                attribute.is_multi || attribute.name.eq_ignore_ascii_case("manager")
            }
            (Kind::Complex, _) | (_, Value::List(_) | Value::Object(_)) => attribute.is_multi,
            (_, Value::Text(_) | Value::Boolean(_) | Value::Integer(_)) => false,
        };
        (!fits).then_some(takes)
    }
}

/// With and without an offset, as XML Schema has both.
fn is_time(text: &str) -> bool {
    DateTime::parse_from_rfc3339(text).is_ok()
        || NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").is_ok()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Text(text) => text.is_empty(),
        Value::List(values) => values.is_empty(),
        Value::Boolean(_) | Value::Integer(_) | Value::Object(_) | Value::Reference(_) => false,
    }
}

/// The values that an action writes; `None` takes a value away.
fn written(operation: &Operation) -> Vec<(&TargetPath, Option<&Value>)> {
    match operation {
        Operation::Create { attributes, .. } => attributes
            .iter()
            .map(|(path, value)| (path, Some(value)))
            .collect(),
        Operation::Adopt { changes, .. }
        | Operation::Update { changes }
        | Operation::Enable { changes }
        | Operation::Disable { changes, .. } => changed(changes.iter()),
        Operation::HandOver(hand) => changed(hand.all_changes()),
        Operation::Delete { .. }
        | Operation::AddMembers { .. }
        | Operation::RemoveMembers { .. }
        | Operation::SetReference { .. } => Vec::new(),
    }
}

fn changed<'c>(
    changes: impl Iterator<Item = &'c Change>,
) -> Vec<(&'c TargetPath, Option<&'c Value>)> {
    changes
        .map(|change| (&change.path, change.new.as_ref()))
        .collect()
}

/// Whether an action would send what another sent.
fn is_same(before: &Operation, now: &Operation) -> bool {
    match (before, now) {
        (
            Operation::Create {
                attributes: before, ..
            },
            Operation::Create {
                attributes: now, ..
            },
        ) => before == now,
        (Operation::AddMembers { members: before }, Operation::AddMembers { members: now })
        | (
            Operation::RemoveMembers {
                members: before, ..
            },
            Operation::RemoveMembers { members: now, .. },
        ) => before
            .iter()
            .map(|one| one.key)
            .eq(now.iter().map(|one| one.key)),
        _ if before.as_str() == now.as_str() => {
            let (before, now) = (written(before), written(now));
            !now.is_empty() && before == now
        }
        _ => false,
    }
}

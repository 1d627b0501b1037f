//! Elements of a multi-valued attribute that are only ever added and never taken away, and the two forms
//! in which such an element is written.

use super::expr;
use super::model::schema::Definition;
use super::model::{TargetPath, TargetType, Value, canonical_as};

/// What an attribute of such elements takes, whatever else is known of it.
pub(crate) const ELEMENTS: Definition = Definition {
    target_type: TargetType::Complex,
    multi_valued: true,
    case_exact: false,
    required: false,
};

/// An element that the target should have, beside whatever it has already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Addition {
    /// As a create writes it, and as it is kept, compared and reported.
    pub(crate) created: Value,
    /// As it is written when it is added to an object that is there.
    pub(crate) added: Value,
}

impl Addition {
    /// The elements of the two values that an expression gave, one for each kind of write.
    pub(crate) fn pairs(
        path: &TargetPath,
        created: Option<Value>,
        added: Option<Value>,
    ) -> Result<Vec<Self>, String> {
        let (created, added) = (elements(created), elements(added));
        if created.len() != added.len() {
            return Err(
                "an update and a create get different roles: let AppRoleAssignmentsComplex be the \
                 whole expression"
                    .to_owned(),
            );
        }
        let element = |value| match canonical_as(ELEMENTS, path, value)? {
            Value::List(mut one) => one.pop(),
            _ => None,
        };
        let pairs = created.into_iter().zip(added);
        let pairs = pairs.filter_map(|(created, added)| {
            Some(Self {
                created: element(created)?,
                added: element(added)?,
            })
        });
        Ok(pairs.collect())
    }

    /// Elements that are written in one form whatever the write.
    pub(crate) fn alike(value: Option<Value>) -> Vec<Self> {
        let both = |element: Value| Self {
            created: element.clone(),
            added: element,
        };
        elements(value).into_iter().map(both).collect()
    }

    /// Whether an element of the target is this one, in either form. `folds` says that case does not
    /// count.
    pub(crate) fn is(&self, element: &Value, folds: bool) -> bool {
        match (text_of(element), text_of(&self.created)) {
            (Some(there), Some(ours)) if folds => {
                let (there, ours) = (there.to_lowercase(), ours.to_lowercase());
                there == ours || expr::is_json_of_role(&there, &ours)
            }
            (Some(there), Some(ours)) => there == ours || expr::is_json_of_role(there, ours),
            _ => *element == self.created,
        }
    }
}

/// The attribute as a create writes it; `None` when there is nothing to write.
pub(crate) fn created(additions: &[Addition]) -> Option<Value> {
    whole(additions.iter().map(|addition| addition.created.clone()))
}

/// Elements in the canonical order.
pub(crate) fn whole(elements: impl Iterator<Item = Value>) -> Option<Value> {
    let mut elements: Vec<Value> = elements.collect();
    elements.sort();
    elements.dedup();
    (!elements.is_empty()).then_some(Value::List(elements))
}

fn elements(value: Option<Value>) -> Vec<Value> {
    match value {
        None => Vec::new(),
        Some(Value::List(elements)) => elements,
        Some(one) => vec![one],
    }
}

fn text_of(element: &Value) -> Option<&str> {
    match element {
        Value::Text(text) => Some(text),
        Value::Object(members) => match members.get("value")? {
            Value::Text(text) => Some(text),
            _ => None,
        },
        Value::Boolean(_) | Value::Integer(_) | Value::List(_) | Value::Reference(_) => None,
    }
}

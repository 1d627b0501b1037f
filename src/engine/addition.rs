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

/// An element that the target should have, in addition to what it has already.
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
                "an update and a create would send different roles: AppRoleAssignmentsComplex must be \
                 the whole expression"
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

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(created: &[&str], added: &[&str]) -> Result<Vec<Addition>, String> {
        let list = |values: &[&str]| Value::List(values.iter().copied().map(Value::text).collect());
        let path = TargetPath::parse("roles").unwrap();
        Addition::pairs(&path, Some(list(created)), Some(list(added)))
    }

    #[test]
    fn each_element_keeps_its_two_forms_together() {
        let pairs_of_two = pairs(&["b", "a"], &["x", "y"]).unwrap();
        let texts: Vec<_> = pairs_of_two
            .iter()
            .map(|pair| (text_of(&pair.created), text_of(&pair.added)))
            .collect();
        assert_eq!(
            texts,
            [(Some("b"), Some("x")), (Some("a"), Some("y"))],
            "in the order in which they came"
        );
        assert_eq!(
            created(&pairs_of_two),
            whole(pairs_of_two.iter().rev().map(|pair| pair.created.clone()))
        );
        assert!(pairs(&["a", "b"], &["a"]).is_err());
        let path = TargetPath::parse("roles").unwrap();
        assert_eq!(Addition::pairs(&path, None, None), Ok(Vec::new()));
    }

    #[test]
    fn an_element_is_known_by_its_value_in_either_form_and_by_nothing_else() {
        let addition = pairs(&["say \"A\""], &["-"]).unwrap().remove(0);
        let is = |there: &str, folds| addition.is(&Value::text(there), folds);
        assert!(is("say \"A\"", false));
        assert!(is(
            r#"{"id":"1","value":"say \"A\"","displayName":"x"}"#,
            false
        ));
        assert!(!is("SAY \"A\"", false));
        assert!(is("SAY \"A\"", true));
        assert!(is(
            r#"{"id":"1","value":"Say \"a\"","displayName":"x"}"#,
            true
        ));
        assert!(!is(
            r#"{"id":"1","value":"B","displayName":"say \"A\""}"#,
            false
        ));
        // A name that looks like the value.
        let name = r#"{"id":"1","value":"B","displayName":"\"value\":\"say \\\"A\\\"\""}"#;
        assert!(!is(name, false));
        assert!(!is("say", false));
    }
}

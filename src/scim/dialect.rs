//! One form for each value, whoever wrote it: what we would send and what a target returns are made
//! alike before they are compared, so that the cycle after an apply sends nothing. Pure.

use std::collections::BTreeMap;

use crate::engine::model::schema::{self, Definition};
use crate::engine::model::{ObjectKind, TargetPath, TargetType, Value};

/// The canonical form of a value at a path; `None` when it carries nothing.
///
/// | attribute | forms that mean the same |
/// |---|---|
/// | boolean | `true`, `"True"`, `"true"` |
/// | text | `"17"`, `17` |
/// | reference | `{"value": "id"}`, `"id"`, `[{"value": "id"}]`; becomes the target id as text |
/// | multi-valued, as a whole | `"x"`, `["x"]`, `[{"value": "x"}]`, in any order |
pub(crate) fn normalise(kind: ObjectKind, path: &TargetPath, value: Value) -> Option<Value> {
    let definition = schema::definition(kind, path);
    if is_whole_list(definition, path) {
        return list(value);
    }
    let value = match definition.map(|definition| definition.target_type) {
        Some(TargetType::Boolean) => boolean(value),
        Some(TargetType::Integer) => match value {
            Value::Text(text) => text
                .trim()
                .parse()
                .map_or(Value::Text(text), Value::Integer),
            other => other,
        },
        Some(TargetType::String | TargetType::DateTime | TargetType::Binary) => match value {
            Value::Integer(number) => Value::Text(number.to_string()),
            Value::Boolean(true) => Value::text("True"),
            Value::Boolean(false) => Value::text("False"),
            other => other,
        },
        Some(TargetType::Reference) => id_of(value)?,
        Some(TargetType::Complex) | None => value,
    };
    cleaned(value)
}

/// Whether the path means all elements of a multi-valued attribute at once.
pub(super) fn is_whole_list(definition: Option<Definition>, path: &TargetPath) -> bool {
    path.selector().is_none()
        && path.sub_attribute().is_none()
        && definition.is_some_and(|definition| {
            definition.multi_valued && definition.target_type == TargetType::Complex
        })
}

fn list(value: Value) -> Option<Value> {
    let elements = match value {
        Value::List(elements) => elements,
        single => vec![single],
    };
    let mut elements: Vec<Value> = elements
        .into_iter()
        .filter_map(cleaned)
        .map(|element| match element {
            Value::Object(mut members) => {
                if let Some(primary) = members.remove("primary") {
                    members.insert("primary".to_owned(), boolean(primary));
                }
                Value::Object(members)
            }
            bare => Value::Object(BTreeMap::from([("value".to_owned(), bare)])),
        })
        .collect();
    // The elements of a multi-valued attribute have no order (RFC 7643 section 2.4).
    elements.sort();
    elements.dedup();
    (!elements.is_empty()).then_some(Value::List(elements))
}

fn boolean(value: Value) -> Value {
    match value {
        Value::Text(text) if text.trim().eq_ignore_ascii_case("true") => Value::Boolean(true),
        Value::Text(text) if text.trim().eq_ignore_ascii_case("false") => Value::Boolean(false),
        other => other,
    }
}

/// The id inside the forms in which servers write a reference.
fn id_of(value: Value) -> Option<Value> {
    match value {
        Value::Object(mut members) => id_of(members.remove("value")?),
        Value::List(values) => id_of(values.into_iter().next()?),
        Value::Integer(number) => Some(Value::Text(number.to_string())),
        Value::Boolean(_) => None,
        Value::Text(_) | Value::Reference(_) => Some(value),
    }
}

/// Without empty texts, lists and objects, however deep.
fn cleaned(value: Value) -> Option<Value> {
    let value = match value {
        Value::List(values) => Value::List(values.into_iter().filter_map(cleaned).collect()),
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .filter_map(|(name, value)| Some((name, cleaned(value)?)))
                .collect(),
        ),
        plain => plain,
    };
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(path: &str, value: Value) -> Option<Value> {
        normalise(ObjectKind::User, &TargetPath::parse(path).unwrap(), value)
    }

    fn element(members: &[(&str, Value)]) -> Value {
        let members = members
            .iter()
            .map(|(name, v)| ((*name).to_owned(), v.clone()));
        Value::Object(members.collect())
    }

    #[test]
    fn forms_that_mean_the_same_become_the_same() {
        const MANAGER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";
        for (path, forms) in [
            ("active", vec![Value::text("True"), Value::Boolean(true)]),
            ("title", vec![Value::Integer(17), Value::text("17")]),
            (
                MANAGER,
                vec![
                    Value::text("7"),
                    Value::Integer(7),
                    element(&[
                        ("value", Value::text("7")),
                        ("displayName", Value::text("B")),
                    ]),
                    Value::List(vec![element(&[("value", Value::Integer(7))])]),
                ],
            ),
            (
                "roles",
                vec![
                    Value::List(vec![Value::text("b"), Value::text("a"), Value::text("b")]),
                    Value::List(vec![
                        element(&[("value", Value::text("a")), ("display", Value::text(""))]),
                        element(&[("value", Value::text("b"))]),
                    ]),
                ],
            ),
        ] {
            let normals: Vec<_> = forms.into_iter().map(|form| normal(path, form)).collect();
            assert!(normals[0].is_some());
            assert!(
                normals.windows(2).all(|two| two[0] == two[1]),
                "{normals:?}"
            );
        }
    }

    #[test]
    fn what_carries_nothing_is_absent() {
        assert_eq!(normal("title", Value::text("")), None);
        assert_eq!(normal("roles", Value::List(vec![Value::text("")])), None);
        assert_eq!(
            normal("name", element(&[("givenName", Value::text(""))])),
            None
        );
    }

    #[test]
    fn the_normal_form_of_a_normal_form_is_itself() {
        let values = [
            Value::text("true"),
            Value::Integer(3),
            Value::List(vec![Value::text("x"), Value::text("")]),
            element(&[
                ("primary", Value::text("True")),
                ("value", Value::Integer(1)),
            ]),
        ];
        for path in ["active", "roles", "title", "name", "urn:x:User:y"] {
            for value in &values {
                if let Some(once) = normal(path, value.clone()) {
                    assert_eq!(normal(path, once.clone()), Some(once), "{path}");
                }
            }
        }
    }
}

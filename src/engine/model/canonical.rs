//! One form for each value, independent of its origin: what a mapping makes, what we would send and what a target
//! returns are made alike before they are compared, so that neither an adoption nor the cycle after an
//! apply finds a difference that is none.

use std::collections::BTreeMap;

use super::schema::{self, Definition};
use super::{ObjectKind, TargetPath, TargetType, Value};

/// The canonical form of a value at a path of the RFC's schemas; `None` when it carries nothing.
///
/// | attribute | forms that mean the same |
/// |---|---|
/// | boolean | `true`, `"True"`, `"true"` |
/// | text | `"17"`, `17` |
/// | reference | `{"value": "id"}`, `"id"`, `[{"value": "id"}]`; becomes the target id as text |
/// | multi-valued, as a whole | `"x"`, `["x"]`, `[{"value": "x"}]`, in any order |
///
/// At a path that the schemas do not know, a value keeps its form.
pub(crate) fn canonical(kind: ObjectKind, path: &TargetPath, value: Value) -> Option<Value> {
    match schema::definition(kind, path) {
        Some(definition) => canonical_as(definition, path, value),
        None => cleaned(value),
    }
}

/// The same for a path of which it is known what it takes.
pub(crate) fn canonical_as(
    definition: Definition,
    path: &TargetPath,
    value: Value,
) -> Option<Value> {
    let is_whole = path.selector().is_none() && path.sub_attribute().is_none();
    match (definition.target_type, definition.multi_valued && is_whole) {
        (TargetType::Complex, true) => list(value, |element| Some(in_object(element))),
        (target_type, true) => list(value, |element| plain(target_type, bare(element)?)),
        (target_type, false) => plain(target_type, value).and_then(cleaned),
    }
}

/// Whether the path means all elements of a multi-valued attribute at once, each an object.
pub(crate) fn is_whole_list(definition: Option<Definition>, path: &TargetPath) -> bool {
    path.selector().is_none()
        && path.sub_attribute().is_none()
        && definition.is_some_and(|definition| {
            definition.multi_valued && definition.target_type == TargetType::Complex
        })
}

fn list(value: Value, form: impl Fn(Value) -> Option<Value>) -> Option<Value> {
    let elements = match value {
        Value::List(elements) => elements,
        single => vec![single],
    };
    let mut elements: Vec<Value> = elements
        .into_iter()
        .filter_map(|element| cleaned(form(cleaned(element)?)?))
        .collect();
    // The elements of a multi-valued attribute have no order (RFC 7643 section 2.4).
    elements.sort();
    elements.dedup();
    (!elements.is_empty()).then_some(Value::List(elements))
}

/// An element as an object; a bare value stands for its `value`.
fn in_object(element: Value) -> Value {
    match element {
        Value::Object(mut members) => {
            if let Some(primary) = members.remove("primary") {
                members.insert("primary".to_owned(), boolean(primary));
            }
            Value::Object(members)
        }
        bare => Value::Object(BTreeMap::from([("value".to_owned(), bare)])),
    }
}

/// An element as a bare value, which some servers wrap into an object.
fn bare(element: Value) -> Option<Value> {
    match element {
        Value::Object(mut members) => members.remove("value"),
        bare => Some(bare),
    }
}

fn plain(target_type: TargetType, value: Value) -> Option<Value> {
    Some(match target_type {
        TargetType::Boolean => boolean(value),
        TargetType::Integer => match value {
            Value::Text(text) => text
                .trim()
                .parse()
                .map_or(Value::Text(text), Value::Integer),
            other => other,
        },
        TargetType::String | TargetType::DateTime | TargetType::Binary => match value {
            Value::Integer(number) => Value::text(number.to_string()),
            Value::Boolean(true) => Value::text("True"),
            Value::Boolean(false) => Value::text("False"),
            other => other,
        },
        TargetType::Reference => id_of(value)?,
        TargetType::Complex => value,
    })
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
        Value::Integer(number) => Some(Value::text(number.to_string())),
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
        canonical(ObjectKind::User, &TargetPath::parse(path).unwrap(), value)
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
    fn an_attribute_of_another_schema_takes_the_form_that_its_mapping_says() {
        let path = TargetPath::parse("urn:acme:User:x").unwrap();
        let normal = |target_type, multi_valued, value| {
            let definition = Definition {
                target_type,
                multi_valued,
                case_exact: false,
                required: false,
            };
            canonical_as(definition, &path, value)
        };
        let list = |values: &[Value]| Value::List(values.to_vec());
        let wrapped = |value: &str| element(&[("value", Value::text(value))]);
        let numbers = list(&[Value::Integer(1), Value::Integer(2)]);
        for shown in [
            list(&[Value::text("2"), Value::text("1")]),
            list(&[wrapped("2"), wrapped("1"), wrapped("2")]),
        ] {
            assert_eq!(
                normal(TargetType::Integer, true, shown),
                Some(numbers.clone())
            );
        }
        assert_eq!(
            normal(TargetType::Boolean, false, Value::text("True")),
            Some(Value::Boolean(true))
        );
        assert_eq!(
            normal(TargetType::Complex, true, Value::text("a")),
            Some(list(&[wrapped("a")]))
        );
        // What only the schemas are asked for keeps its form.
        assert_eq!(
            canonical(ObjectKind::User, &path, Value::text("True")),
            Some(Value::text("True"))
        );
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

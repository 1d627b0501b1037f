//! Resources as JSON: the body of a create, and the mapped values of what a target returns. Pure.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::wire::{self, Listed, Resource, member};
use crate::config::Manager;
use crate::engine::model::schema::{self, CORE_GROUP, CORE_USER};
use crate::engine::model::{
    ObjectKind, Selector, TargetId, TargetObject, TargetPath, TargetType, Value, canonical,
    is_whole_list,
};

/// The body of a create: no nulls, no empty values, no read-only attributes, and a `schemas` that
/// names exactly what the body uses. Groups come without members, or with those that they are created with.
pub(super) fn body<'a>(
    kind: ObjectKind,
    attributes: &BTreeMap<TargetPath, Value>,
    references: impl Iterator<Item = (&'a TargetPath, &'a TargetId)>,
    manager: Manager,
) -> Resource {
    let mut body = Resource::new();
    let values = attributes
        .iter()
        .filter(|(path, _)| !is_read_only(path))
        .filter_map(|(path, value)| Some((path, to_json(kind, path, value)?)));
    let references = references.filter_map(|(path, id)| {
        if path.is_members() {
            array_at(&mut body, path.attribute()).push(json!({ "value": id.as_str() }));
            return None;
        }
        Some((path, reference(path, id, manager)))
    });
    let references: Vec<_> = references.collect();
    for (path, value) in values.chain(references) {
        let container = match path.schema() {
            None => &mut body,
            Some(urn) => object_at(&mut body, urn),
        };
        place(kind, container, path, value);
    }
    mark_primary(&mut body);
    let extensions = body.keys().filter(|name| name.starts_with("urn:"));
    let schemas: Vec<Json> = std::iter::once(core_schema(kind))
        .chain(extensions.map(String::as_str))
        .map(Json::from)
        .collect();
    body.insert("schemas".to_owned(), Json::Array(schemas));
    body
}

pub(super) fn core_schema(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::User => CORE_USER,
        ObjectKind::Group => CORE_GROUP,
    }
}

/// What the job knows of a resource; `None` when it has no id.
pub(super) fn target_object(
    kind: ObjectKind,
    Listed {
        attributes: resource,
        members,
    }: Listed,
    paths: &[TargetPath],
    with_members: bool,
) -> Option<TargetObject> {
    Some(TargetObject {
        id: id(&resource)?,
        attributes: values(kind, &resource, paths),
        members: members.filter(|_| with_members),
    })
}

/// The resource's id.
pub(super) fn id(resource: &Resource) -> Option<TargetId> {
    wire::id(member(resource, "id")?)
}

/// The values at `paths`, in their canonical form. A reference, such as the manager, is the target id of
/// what it names, as text.
pub(super) fn values(
    kind: ObjectKind,
    resource: &Resource,
    paths: &[TargetPath],
) -> BTreeMap<TargetPath, Value> {
    paths
        .iter()
        .filter_map(|path| Some((path.clone(), value(kind, resource, path)?)))
        .collect()
}

/// The value at one path, in its canonical form.
pub(super) fn value(kind: ObjectKind, resource: &Resource, path: &TargetPath) -> Option<Value> {
    let container = match path.schema() {
        None => resource,
        Some(urn) => member(resource, urn)?.as_object()?,
    };
    let attribute = member(container, path.attribute())?;
    let found = match (path.selector(), path.sub_attribute()) {
        (None, None) => attribute,
        (None, Some(sub)) => sub_value(first_of(attribute)?, sub)?,
        (Some(selector), sub) => {
            let selected: Vec<&Json> = elements(attribute)
                .filter(|element| is_selected(element, selector))
                .collect();
            let element = selected
                .iter()
                .find(|element| is_primary(element))
                .or_else(|| selected.first())?;
            match sub {
                Some(sub) => sub_value(element, sub)?,
                None => element,
            }
        }
    };
    canonical(kind, path, from_json(found)?)
}

/// What a value is written as at a path; `None` for one that carries nothing, and for a reference,
/// which is written by its target id ([`reference()`]).
pub(super) fn to_json(kind: ObjectKind, path: &TargetPath, value: &Value) -> Option<Json> {
    plain_json(&canonical(kind, path, value.clone())?)
}

fn plain_json(value: &Value) -> Option<Json> {
    Some(match value {
        Value::Text(text) => json!(&**text),
        Value::Boolean(value) => json!(value),
        Value::Integer(value) => json!(value),
        Value::List(values) => Json::Array(values.iter().filter_map(plain_json).collect()),
        Value::Object(members) => Json::Object(
            members
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), plain_json(value)?)))
                .collect(),
        ),
        Value::Reference(_) => return None,
    })
}

fn from_json(value: &Json) -> Option<Value> {
    Some(match value {
        Json::Null => return None,
        Json::Bool(value) => Value::Boolean(*value),
        Json::Number(number) => number
            .as_i64()
            .map_or_else(|| Value::text(number.to_string()), Value::Integer),
        Json::String(text) => Value::text(text),
        Json::Array(values) => Value::List(values.iter().filter_map(from_json).collect()),
        Json::Object(members) => Value::Object(
            members
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), from_json(value)?)))
                .collect(),
        ),
    })
}

/// Another resource of the target, as a value at `path` (RFC 7643 section 4.3, `manager`).
pub(super) fn reference(path: &TargetPath, id: &TargetId, form: Manager) -> Json {
    match (path.sub_attribute(), form) {
        (Some(_), _) | (None, Manager::Text) => json!(id.as_str()),
        (None, Manager::Object) => json!({ "value": id.as_str() }),
        (None, Manager::List) => json!([{ "value": id.as_str() }]),
    }
}

/// The value that a selector compares with, in its JSON type: `primary` is a boolean.
pub(super) fn selector_json(selector: &Selector) -> Json {
    let Selector { attribute, value } = selector;
    if attribute.eq_ignore_ascii_case("primary") {
        if value.eq_ignore_ascii_case("true") {
            return Json::Bool(true);
        }
        if value.eq_ignore_ascii_case("false") {
            return Json::Bool(false);
        }
    }
    json!(value)
}

/// RFC 7643 sections 3.1 and 4.1.2; and members, which follow by deltas.
fn is_read_only(path: &TargetPath) -> bool {
    path.schema().is_none() && matches!(path.attribute(), "id" | "meta" | "groups" | "members")
}

/// Puts a value where `path` says, making the objects and elements on the way.
fn place(kind: ObjectKind, container: &mut Resource, path: &TargetPath, value: Json) {
    let name = path.attribute();
    match (path.selector(), path.sub_attribute()) {
        (None, None) => {
            container.insert(name.to_owned(), value);
        }
        (None, Some(sub)) if is_multi_valued(kind, path) => {
            let elements = array_at(container, name);
            if elements.is_empty() {
                elements.push(json!({}));
            }
            if let Some(element) = elements.first_mut().and_then(Json::as_object_mut) {
                element.insert(sub.to_owned(), value);
            }
        }
        (None, Some(sub)) => {
            object_at(container, name).insert(sub.to_owned(), value);
        }
        (Some(selector), sub) => {
            let elements = array_at(container, name);
            let index = elements
                .iter()
                .position(|element| is_selected(element, selector))
                .unwrap_or_else(|| {
                    elements.push(new_element(selector));
                    elements.len() - 1
                });
            fill(&mut elements[index], sub, value);
        }
    }
}

/// An element that `selector` selects, and nothing in it yet.
pub(super) fn new_element(selector: &Selector) -> Json {
    json!({ (selector.attribute.as_str()): selector_json(selector) })
}

/// Puts a value into an element of a multi-valued attribute.
pub(super) fn fill(element: &mut Json, sub: Option<&str>, value: Json) {
    let Some(element) = element.as_object_mut() else {
        return;
    };
    match (sub, value) {
        (Some(sub), value) => {
            element.insert(sub.to_owned(), value);
        }
        (None, Json::Object(members)) => element.extend(members),
        (None, value) => {
            element.insert("value".to_owned(), value);
        }
    }
}

pub(super) fn is_multi_valued(kind: ObjectKind, path: &TargetPath) -> bool {
    let whole = TargetPath::parse(path.attribute()).ok();
    path.schema().is_none()
        && whole.is_some_and(|whole| is_whole_list(schema::definition(kind, &whole), &whole))
}

/// What an attribute holds that holds nothing: of lists and texts something empty, of others null.
pub(super) fn empty(kind: ObjectKind, path: &TargetPath) -> Json {
    if path.sub_attribute().is_none() && is_multi_valued(kind, path) {
        return json!([]);
    }
    match schema::definition(kind, path).map(|definition| definition.target_type) {
        None | Some(TargetType::String | TargetType::DateTime | TargetType::Binary) => json!(""),
        Some(
            TargetType::Boolean | TargetType::Integer | TargetType::Reference | TargetType::Complex,
        ) => Json::Null,
    }
}

/// Exactly one e-mail address is the primary one (RFC 7643 section 2.4): the work address, else the
/// first, unless a mapping says which.
fn mark_primary(body: &mut Resource) {
    let Some(Json::Array(emails)) = body.get_mut("emails") else {
        return;
    };
    if emails.iter().any(is_primary) {
        return;
    }
    let is_work = |email: &Json| sub_value(email, "type").and_then(Json::as_str) == Some("work");
    let index = emails.iter().position(is_work).unwrap_or(0);
    if let Some(Json::Object(email)) = emails.get_mut(index) {
        email.insert("primary".to_owned(), json!(true));
    }
}

pub(super) fn object_at<'a>(container: &'a mut Resource, name: &str) -> &'a mut Resource {
    let entry = container.entry(name).or_insert_with(|| json!({}));
    if !entry.is_object() {
        *entry = json!({});
    }
    entry.as_object_mut().expect("made an object above")
}

pub(super) fn array_at<'a>(container: &'a mut Resource, name: &str) -> &'a mut Vec<Json> {
    let entry = container.entry(name).or_insert_with(|| json!([]));
    if !entry.is_array() {
        *entry = json!([]);
    }
    entry.as_array_mut().expect("made an array above")
}

/// The elements of a multi-valued attribute; servers write a single one without the brackets.
fn elements(attribute: &Json) -> impl Iterator<Item = &Json> {
    match attribute {
        Json::Array(elements) => elements.iter(),
        single => std::slice::from_ref(single).iter(),
    }
}

/// The element that a path without selector means: the primary one, else the first.
fn first_of(attribute: &Json) -> Option<&Json> {
    elements(attribute)
        .find(|element| is_primary(element))
        .or_else(|| elements(attribute).next())
}

/// A sub-attribute; a bare value stands for `value`.
pub(super) fn sub_value<'a>(element: &'a Json, sub: &str) -> Option<&'a Json> {
    match element {
        Json::Object(members) => member(members, sub),
        Json::Null | Json::Array(_) => None,
        bare => sub.eq_ignore_ascii_case("value").then_some(bare),
    }
}

pub(super) fn is_primary(element: &Json) -> bool {
    match sub_value(element, "primary") {
        Some(Json::Bool(primary)) => *primary,
        Some(Json::String(primary)) => primary.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

pub(super) fn is_selected(element: &Json, selector: &Selector) -> bool {
    match sub_value(element, &selector.attribute) {
        Some(Json::String(text)) => text.eq_ignore_ascii_case(&selector.value),
        Some(Json::Bool(value)) => value.to_string().eq_ignore_ascii_case(&selector.value),
        Some(Json::Number(number)) => number.to_string() == selector.value,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANAGER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";
    const DEPARTMENT: &str =
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";

    fn path(text: &str) -> TargetPath {
        TargetPath::parse(text).unwrap()
    }

    fn attributes(list: &[(&str, Value)]) -> BTreeMap<TargetPath, Value> {
        let pairs = list.iter().map(|(text, value)| (path(text), value.clone()));
        pairs.collect()
    }

    #[test]
    fn a_create_says_everything_at_once_and_nothing_else() {
        let attributes = attributes(&[
            ("userName", Value::text("anna@example.com")),
            ("externalId", Value::text("anna")),
            ("active", Value::text("True")),
            ("title", Value::text("")),
            ("name.givenName", Value::text("Anna")),
            ("name.familyName", Value::text("Ay")),
            (
                "emails[type eq \"other\"].value",
                Value::text("b@example.com"),
            ),
            (
                "emails[type eq \"work\"].value",
                Value::text("anna@example.com"),
            ),
            ("phoneNumbers[type eq \"mobile\"].value", Value::text("+49")),
            (
                "addresses[type eq \"work\"].locality",
                Value::text("Berlin"),
            ),
            ("addresses[type eq \"work\"].country", Value::text("DE")),
            ("roles[primary eq \"True\"].value", Value::text("Admin")),
            (
                "entitlements",
                Value::List(vec![Value::text("e1"), Value::text("e2")]),
            ),
            (DEPARTMENT, Value::text("Sales")),
            ("urn:acme:User:badge", Value::Integer(7)),
        ]);
        let references = [(path(MANAGER), TargetId::new("m1"))];
        assert_eq!(
            Json::Object(body(
                ObjectKind::User,
                &attributes,
                references.iter().map(|(path, id)| (path, id)),
                Manager::Object
            )),
            json!({
                "schemas": [
                    "urn:ietf:params:scim:schemas:core:2.0:User",
                    "urn:acme:User",
                    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
                ],
                "userName": "anna@example.com",
                "externalId": "anna",
                "active": true,
                "name": {"givenName": "Anna", "familyName": "Ay"},
                "emails": [
                    {"type": "other", "value": "b@example.com"},
                    {"type": "work", "value": "anna@example.com", "primary": true},
                ],
                "phoneNumbers": [{"type": "mobile", "value": "+49"}],
                "addresses": [{"type": "work", "locality": "Berlin", "country": "DE"}],
                "roles": [{"primary": true, "value": "Admin"}],
                "entitlements": [{"value": "e1"}, {"value": "e2"}],
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
                    "department": "Sales",
                    "manager": {"value": "m1"},
                },
                "urn:acme:User": {"badge": 7},
            })
        );
    }

    #[test]
    fn a_group_is_created_without_members() {
        let attributes = attributes(&[
            ("displayName", Value::text("Sales")),
            ("members", Value::List(vec![Value::text("u1")])),
            ("id", Value::text("x")),
        ]);
        assert_eq!(
            Json::Object(body(
                ObjectKind::Group,
                &attributes,
                [].into_iter(),
                Manager::Object
            )),
            json!({"schemas": [CORE_GROUP], "displayName": "Sales"})
        );
    }

    #[test]
    fn what_was_sent_is_read_back_the_same() {
        let attributes = attributes(&[
            ("userName", Value::text("anna")),
            ("active", Value::Boolean(false)),
            ("name.givenName", Value::text("Anna")),
            ("emails[type eq \"work\"].value", Value::text("a@b")),
            ("roles[primary eq \"True\"].value", Value::text("Admin")),
            ("emails[type eq \"work\"].primary", Value::Boolean(true)),
            (DEPARTMENT, Value::text("Sales")),
        ]);
        let paths: Vec<TargetPath> = attributes.keys().cloned().collect();
        let body = body(
            ObjectKind::User,
            &attributes,
            [].into_iter(),
            Manager::Object,
        );
        assert_eq!(values(ObjectKind::User, &body, &paths), attributes);
    }

    #[test]
    fn odd_resources_are_read_anyway() {
        let resource = json!({
            "ID": 42, "USERNAME": "anna", "Active": "False", "title": null,
            "emails": {"type": "Work", "value": "a@b"},
            "phoneNumbers": ["+49"],
            "URN:ietf:params:scim:schemas:extension:enterprise:2.0:user":
                {"employeeNumber": 17, "Manager": [{"$ref": "x", "value": 9}]},
        });
        let resource = resource.as_object().unwrap();
        assert_eq!(id(resource), Some(TargetId::new("42")));
        let read = |text: &str| value(ObjectKind::User, resource, &path(text));
        assert_eq!(read("userName"), Some(Value::text("anna")));
        assert_eq!(read("active"), Some(Value::Boolean(false)));
        assert_eq!(read("title"), None);
        assert_eq!(
            read("emails[type eq \"work\"].value"),
            Some(Value::text("a@b"))
        );
        assert_eq!(read("phoneNumbers.value"), Some(Value::text("+49")));
        assert_eq!(read("phoneNumbers[type eq \"work\"].value"), None);
        let number = MANAGER.replace("manager", "employeeNumber");
        assert_eq!(read(&number), Some(Value::text("17")));
        assert_eq!(read(MANAGER), Some(Value::text("9")));
        for manager in [json!("9"), json!({"value": "9"}), json!(["9"])] {
            let resource = json!({"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": manager}});
            let read = value(
                ObjectKind::User,
                resource.as_object().unwrap(),
                &path(MANAGER),
            );
            assert_eq!(read, Some(Value::text("9")));
        }
    }
}

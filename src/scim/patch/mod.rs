//! Changes as operations of a PATCH (RFC 7644 section 3.5.2): one operation for each attribute, with a
//! path, all changes of an object in one request; and the other forms that targets want. Pure.

#[cfg(test)]
mod tests;

use serde_json::{Value as Json, json};

use super::dialect::Edit;
use super::error::Error;
use super::filter::quote;
use super::resource::{self, fill, new_element, reference, selector_json, to_json};
use super::whole::{self, Current};
use super::wire::{Operation, Resource};
use crate::config::{
    Booleans, Clear, Extensions, Form, Manager, MemberAdd, MemberRemove, OpCase, PatchPath,
    SubAttributes, ValuePaths,
};
use crate::engine::model::{ObjectKind, Selector, TargetId, TargetPath, Value};
use crate::engine::plan::{Change, ElementChange, WriteMode};

const MEMBERS: &str = "members";

/// The operations that make an edit, in the form that the target wants. `current` is the resource as just
/// read, where a whole attribute is to be written ([`needs_current`]).
pub(super) fn operations(
    kind: ObjectKind,
    edit: &Edit<'_>,
    form: &Form,
    current: Option<&Current>,
) -> Result<Vec<Operation>, Error> {
    let operations = match edit {
        Edit::Values(changes) if needs_current(form, kind, changes) => {
            let current = current.ok_or(Error::NotRead)?;
            let (whole, single): (Vec<Change>, Vec<Change>) = changes
                .iter()
                .cloned()
                .partition(|change| is_written_whole(form, kind, change));
            let mut operations = changed(kind, &single, form.value_paths);
            operations.extend(whole_attributes(kind, &whole, current, form.clear));
            operations
        }
        Edit::Values(changes) => changed(kind, changes, form.value_paths),
        Edit::Reference(path, to) => vec![set_reference(path, *to, form.manager)],
        Edit::AddReference(path, to) => vec![Operation {
            op: "add",
            ..set_reference(path, Some(to), form.manager)
        }],
        Edit::AddMembers(ids) => match form.member_add {
            MemberAdd::New => vec![add_members(ids)],
            MemberAdd::All => {
                let there = current.ok_or(Error::NotRead)?.all_members()?;
                let new = ids.iter().copied().filter(|id| !there.contains(*id));
                let all: Vec<&TargetId> = there.iter().chain(new).collect();
                vec![add_members(&all)]
            }
        },
        Edit::RemoveMembers(ids) => remove_members(form.member_remove, ids),
    };
    Ok(in_form(kind, form, operations))
}

/// Whether a change is written by replacing a whole attribute, so that the resource must be read first.
pub(super) fn needs_current(form: &Form, kind: ObjectKind, changes: &[Change]) -> bool {
    let mut changes = changes.iter();
    changes.any(|change| is_written_whole(form, kind, change))
}

fn is_written_whole(form: &Form, kind: ObjectKind, change: &Change) -> bool {
    let path = &change.path;
    match (path.selector(), path.sub_attribute()) {
        (Some(_), _) => {
            form.value_paths == ValuePaths::Whole || form.patch_path == PatchPath::Value
        }
        (None, Some(_)) => {
            form.sub_attributes == SubAttributes::Whole && !resource::is_multi_valued(kind, path)
        }
        (None, None) => false,
    }
}

/// One `replace` of each attribute that the changes are a part of, with what it is to hold.
fn whole_attributes(
    kind: ObjectKind,
    changes: &[Change],
    current: &Current,
    clear: Clear,
) -> Vec<Operation> {
    let body = whole::changed(kind, current, changes);
    let mut operations: Vec<Operation> = Vec::new();
    for change in changes {
        let path = attribute_text(&change.path);
        let is_known = |one: &Operation| one.path.as_deref() == Some(&path);
        if operations.iter().any(is_known) {
            continue;
        }
        let value = whole::attribute(&body, &change.path).map(without_nulls);
        let Some(mut value) = value.filter(|value| !is_empty(value)) else {
            operations.push(remove(path));
            continue;
        };
        if let Json::Object(members) = &mut value {
            members.extend(cleared_parts(kind, changes, &change.path, clear));
        }
        operations.push(Operation {
            op: "replace",
            path: Some(path),
            value: Some(value),
        });
    }
    operations
}

/// The parts of a complex attribute that are to hold nothing. They must be named: a `replace` of such an
/// attribute leaves what it does not name (RFC 7644 section 3.5.2.3).
fn cleared_parts(
    kind: ObjectKind,
    changes: &[Change],
    whole: &TargetPath,
    clear: Clear,
) -> impl Iterator<Item = (String, Json)> {
    let attribute = attribute_text(whole);
    let parts = changes
        .iter()
        .filter(move |change| attribute_text(&change.path) == attribute);
    let cleared = parts.filter(|change| change.new.is_none());
    cleared.filter_map(move |change| {
        let nothing = match clear {
            Clear::Remove | Clear::Null => Json::Null,
            Clear::Empty => resource::empty(kind, &change.path),
        };
        Some((change.path.sub_attribute()?.to_owned(), nothing))
    })
}

fn without_nulls(value: &Json) -> Json {
    match value {
        Json::Object(members) => {
            let kept = members.iter().filter(|(_, value)| !value.is_null());
            kept.map(|(name, value)| (name.clone(), without_nulls(value)))
                .collect()
        }
        Json::Array(values) => values.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

fn is_empty(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::Array(values) => values.is_empty(),
        Json::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// Operations as the RFC has them in the form that the target wants.
fn in_form(kind: ObjectKind, form: &Form, operations: Vec<Operation>) -> Vec<Operation> {
    let mut operations: Vec<Operation> = operations
        .into_iter()
        .map(|operation| {
            let operation = cleared(kind, form.clear, operation);
            let operation = match (form.booleans, operation.value) {
                (Booleans::Text, Some(Json::Bool(value))) => Operation {
                    value: Some(json!(if value { "True" } else { "False" })),
                    ..operation
                },
                (_, value) => Operation { value, ..operation },
            };
            match (form.extensions, form.patch_path) {
                (Extensions::Object, PatchPath::Path) => in_extension(operation),
                // Without a path of its own it is inside of the extension's object anyway, or put there below.
                (Extensions::Path | Extensions::Object, _) => operation,
            }
        })
        .collect();
    operations = match form.patch_path {
        PatchPath::Path => operations,
        PatchPath::Value | PatchPath::Dotted => collapsed(form, operations),
    };
    if form.op_case == OpCase::Capital {
        for operation in &mut operations {
            operation.op = match operation.op {
                "add" => "Add",
                "replace" => "Replace",
                _ => "Remove",
            };
        }
    }
    operations
}

/// A `remove` of a value as the target takes it. Elements and members are always removed.
fn cleared(kind: ObjectKind, clear: Clear, operation: Operation) -> Operation {
    let path = operation.path.as_deref().unwrap_or_default();
    let is_value = operation.op == "remove" && !path.ends_with(']') && path != MEMBERS;
    let value = match clear {
        Clear::Null if is_value => Json::Null,
        Clear::Empty if is_value => {
            let parsed = TargetPath::parse(path).ok();
            parsed.map_or(json!(""), |path| resource::empty(kind, &path))
        }
        Clear::Remove | Clear::Null | Clear::Empty => return operation,
    };
    Operation {
        op: "replace",
        value: Some(value),
        ..operation
    }
}

/// A value of an extension inside an object at the path of its schema.
fn in_extension(operation: Operation) -> Operation {
    let path = operation
        .path
        .as_deref()
        .and_then(|path| TargetPath::parse(path).ok());
    let Some(path) = path.filter(|path| path.selector().is_none()) else {
        return operation;
    };
    match (path.schema(), operation.value) {
        (Some(urn), Some(value)) => Operation {
            op: operation.op,
            path: Some(urn.to_owned()),
            value: Some(json!({ (path.attribute()): inside(&path, value) })),
        },
        (_, value) => Operation { value, ..operation },
    }
}

/// The value of the attribute in which a path has this value.
fn inside(path: &TargetPath, value: Json) -> Json {
    match path.sub_attribute() {
        Some(sub) => json!({ (sub): value }),
        None => value,
    }
}

/// What is set, in one operation without a path. What is taken away, elements and members keep theirs.
fn collapsed(form: &Form, operations: Vec<Operation>) -> Vec<Operation> {
    let mut part = Resource::new();
    let mut others = Vec::new();
    for operation in operations {
        let path = operation.path.as_deref().unwrap_or_default();
        // What is added to a list must not replace it.
        let is_added =
            operation.op == "add" && operation.value.as_ref().is_some_and(Json::is_array);
        let is_set = operation.op != "remove" && path != MEMBERS && !is_added;
        let parsed = TargetPath::parse(path).ok();
        match (parsed, operation.value) {
            (Some(parsed), Some(value)) if is_set && parsed.selector().is_none() => {
                let is_inside = parsed.schema().is_some() && form.extensions == Extensions::Object;
                if form.patch_path == PatchPath::Dotted && !is_inside {
                    part.insert(path.to_owned(), value);
                } else {
                    let container = match parsed.schema() {
                        Some(urn) => resource::object_at(&mut part, urn),
                        None => &mut part,
                    };
                    let name = parsed.attribute();
                    match parsed.sub_attribute() {
                        Some(sub) => {
                            resource::object_at(container, name).insert(sub.to_owned(), value);
                        }
                        None => {
                            container.insert(name.to_owned(), value);
                        }
                    }
                }
            }
            (_, value) => others.push(Operation { value, ..operation }),
        }
    }
    if !part.is_empty() {
        let set = Operation {
            op: "replace",
            path: None,
            value: Some(Json::Object(part)),
        };
        others.insert(0, set);
    }
    others
}

/// The operations that make `changes`.
///
/// | change | operation |
/// |---|---|
/// | none to some | `add` |
/// | some to other | `replace` |
/// | some to none | `remove` |
/// | element added | one `add` of `[{"type": "work", …}]` to the attribute |
/// | element removed | one `remove` of `emails[type eq "work"]` |
/// | multi-valued attribute as a whole | `replace`, also from none: it says all that is to be there |
/// | values only added | one `add` of those to the attribute |
///
/// A value path whose element is not there would be answered with `noTarget` (section 3.5.2.3), so
/// such an element is added as a whole. References are not among the changes' operations.
fn changed(kind: ObjectKind, changes: &[Change], paths: ValuePaths) -> Vec<Operation> {
    let mut operations = Vec::new();
    // Where the operation of an added element stands, by the element's path.
    let mut added: Vec<(TargetPath, usize)> = Vec::new();
    let mut removed: Vec<TargetPath> = Vec::new();
    for change in changes.iter().filter(|change| !change.path.is_members()) {
        let path = &change.path;
        if matches!(change.new, Some(Value::Reference(_))) {
            continue;
        }
        if let WriteMode::Added(elements) = &change.written {
            let value = to_json(kind, path, &Value::List(elements.clone()));
            operations.extend(value.map(|value| Operation {
                op: "add",
                path: Some(path_text(path)),
                value: Some(value),
            }));
            continue;
        }
        if let (WriteMode::Selected, Some(selector), Some(value)) =
            (&change.written, path.selector(), &change.new)
        {
            let value = to_json(kind, path, value);
            operations.extend(value.map(|value| select_element(path, selector, &value)));
            continue;
        }
        // A value that carries nothing is a removal.
        let new = change.new.as_ref();
        let value = new.and_then(|value| to_json(kind, path, value));
        match (path.element(), change.element) {
            (Some(_), ElementChange::Added) if paths == ValuePaths::Always => {
                operations.extend(value.map(|value| Operation {
                    op: "add",
                    path: Some(path_text(path)),
                    value: Some(value),
                }));
            }
            (Some(element), ElementChange::Added) => {
                let Some(value) = value else { continue };
                let known = added.iter().find(|(known, _)| *known == element);
                let index = known.map_or(operations.len(), |(_, index)| *index);
                if index == operations.len() {
                    operations.push(add_element(path));
                    added.push((element, index));
                }
                let elements = operations[index].value.as_mut();
                if let Some(element) = elements.and_then(|elements| elements.get_mut(0)) {
                    fill(element, path.sub_attribute(), value);
                }
            }
            (Some(element), ElementChange::Removed) => {
                if !removed.contains(&element) {
                    operations.push(remove(element_text(path)));
                    removed.push(element);
                }
            }
            (Some(_) | None, ElementChange::Kept)
            | (Some(_), ElementChange::None)
            | (None, ElementChange::None | ElementChange::Added | ElementChange::Removed) => {
                operations.push(match value {
                    None => remove(path_text(path)),
                    Some(value) => Operation {
                        op: if change.old.is_some() || matches!(new, Some(Value::List(_))) {
                            "replace"
                        } else {
                            "add"
                        },
                        path: Some(path_text(path)),
                        value: Some(value),
                    },
                });
            }
        }
    }
    operations
}

/// The operation that points a reference, such as the manager, elsewhere, or nowhere.
///
/// `replace` also where nothing is yet: the RFC has it treated as an `add`, while `add` on what is
/// there would leave the old object's name next to the new id.
fn set_reference(path: &TargetPath, to: Option<&TargetId>, manager: Manager) -> Operation {
    match to {
        Some(id) => Operation {
            op: "replace",
            path: Some(path_text(path)),
            value: Some(reference(path, id, manager)),
        },
        None => remove(path_text(path)),
    }
}

fn add_members(members: &[&TargetId]) -> Operation {
    Operation {
        op: "add",
        path: Some(MEMBERS.to_owned()),
        value: Some(member_values(members)),
    }
}

fn remove_members(form: MemberRemove, members: &[&TargetId]) -> Vec<Operation> {
    match form {
        MemberRemove::Filter => members
            .iter()
            .map(|id| remove(format!("{MEMBERS}[value eq {}]", quote(id.as_str()))))
            .collect(),
        MemberRemove::ValueList => vec![Operation {
            value: Some(member_values(members)),
            ..remove(MEMBERS.to_owned())
        }],
    }
}

fn member_values(members: &[&TargetId]) -> Json {
    let values = members.iter().map(|id| json!({ "value": id.as_str() }));
    Json::Array(values.collect())
}

fn remove(path: String) -> Operation {
    Operation {
        op: "remove",
        path: Some(path),
        value: None,
    }
}

/// An `add` of an element with nothing but what selects it; the rest is filled in.
fn add_element(path: &TargetPath) -> Operation {
    Operation {
        op: "add",
        path: Some(attribute_text(path)),
        value: Some(Json::Array(
            path.selector().map(new_element).into_iter().collect(),
        )),
    }
}

/// Gives the element that has a value what selects it, `emails[value eq "a@b.c"].type`.
fn select_element(path: &TargetPath, selector: &Selector, value: &Json) -> Operation {
    let value = match value {
        Json::String(text) => quote(text),
        other => other.to_string(),
    };
    let (attribute, sub) = (
        attribute_text(path),
        path.sub_attribute().unwrap_or("value"),
    );
    Operation {
        op: "replace",
        path: Some(format!(
            "{attribute}[{sub} eq {value}].{}",
            selector.attribute
        )),
        value: Some(selector_json(selector)),
    }
}

fn attribute_text(path: &TargetPath) -> String {
    match path.schema() {
        Some(urn) => format!("{urn}:{}", path.attribute()),
        None => path.attribute().to_owned(),
    }
}

/// `emails[type eq "work"]`; a boolean is compared as one, not as text.
fn element_text(path: &TargetPath) -> String {
    let mut text = attribute_text(path);
    if let Some(selector) = path.selector() {
        let value = match selector_json(selector) {
            Json::String(value) => quote(&value),
            other => other.to_string(),
        };
        text = format!("{text}[{} eq {value}]", selector.attribute);
    }
    text
}

fn path_text(path: &TargetPath) -> String {
    let mut text = element_text(path);
    if let Some(sub) = path.sub_attribute() {
        text.push('.');
        text.push_str(sub);
    }
    text
}

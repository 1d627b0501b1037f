//! What some targets do with a PATCH before they read it as the RFC says: they refuse forms, or leave them
//! without effect. And what some do to bodies and lists.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::error::Refusal;
use super::personality::{Personality, Quirk};
use super::schema::Kind;

const URN: &str = "urn:";

/// The PATCH as it takes effect.
pub(super) fn patch(
    mut body: Value,
    kind: Kind,
    personality: &Personality,
) -> Result<Value, Refusal> {
    let has = |quirk| personality.has(quirk);
    let Some(operations) = body["Operations"].as_array_mut() else {
        return Ok(body);
    };
    if has(Quirk::OneOperation) && operations.len() > 1 {
        return Err(Refusal::bad("invalidSyntax", "One operation at a time."));
    }
    let verbs = ["Add", "Replace", "Remove"];
    let is_capital = |operation: &Value| {
        operation["op"]
            .as_str()
            .is_some_and(|op| verbs.contains(&op))
    };
    if has(Quirk::CapitalVerbs) && !operations.iter().all(is_capital) {
        return Err(Refusal::bad("invalidSyntax", "The verb is not known."));
    }
    if has(Quirk::FilterRemovesEveryone) {
        for operation in operations.iter_mut() {
            let is_filter = operation["path"]
                .as_str()
                .is_some_and(|path| path.starts_with("members["));
            if is_filter {
                operation["path"] = json!("members");
            }
        }
    }
    for operation in operations.iter() {
        let path = operation["path"].as_str().unwrap_or_default();
        if has(Quirk::MemberFilterRefused) && path.starts_with("members[") {
            return Err(Refusal::invalid_path(format!(
                "The path '{path}' is not supported."
            )));
        }
        let is_removal = operation["op"]
            .as_str()
            .is_some_and(|op| op.eq_ignore_ascii_case("remove"));
        let is_of_part = path.ends_with(']') || path == "members";
        if has(Quirk::RemoveRefused) && is_removal && !is_of_part {
            let words = "The verb remove is not supported.";
            return Err(Refusal::bad("invalidSyntax", words));
        }
    }
    if kind != Kind::User {
        operations.retain(|operation| {
            let is_of_members = operation["path"] == "members";
            let (is_removal, is_addition) = (operation["op"] == "remove", operation["op"] == "add");
            !(has(Quirk::MemberRemovalIgnored) && is_removal
                || has(Quirk::MemberAddIgnored) && is_addition && is_of_members)
        });
        return Ok(body);
    }
    for operation in operations.iter() {
        let path = operation["path"].as_str().unwrap_or_default();
        let is_sub = !path.contains('[') && !path.starts_with(URN) && path.contains('.');
        if has(Quirk::ValuePathsRefused) && path.contains('[')
            || has(Quirk::SubAttributesRefused) && is_sub
        {
            return Err(Refusal::invalid_path(format!(
                "The path '{path}' is not supported."
            )));
        }
    }
    operations.retain(|operation| {
        let path = operation["path"].as_str().unwrap_or_default();
        let is_element = path.contains('[');
        let is_removal = operation["op"]
            .as_str()
            .is_some_and(|op| op.eq_ignore_ascii_case("remove"));
        let is_in_extension = path.starts_with(URN) && !path.ends_with(":User");
        !(has(Quirk::PatchIgnored)
            || has(Quirk::ActiveIgnored) && path == "active"
            || has(Quirk::ValuePathsIgnored) && is_element
            || has(Quirk::ExtensionPathsIgnored) && is_in_extension
            || has(Quirk::RemoveIgnored) && is_removal && !path.ends_with(']'))
    });
    if has(Quirk::ManagerTextOnly) {
        for operation in operations.iter_mut() {
            let is_manager = operation["path"]
                .as_str()
                .is_some_and(|path| path.ends_with(":manager"));
            if is_manager && operation["value"].is_object() {
                *operation = json!({"op": "replace", "path": "nickName", "value": null});
            } else if is_manager && operation["value"].is_string() {
                operation["value"] = json!({"value": operation["value"]});
            }
        }
    }
    Ok(body)
}

/// Whether anything is left to be done.
pub(super) fn has_operations(body: &Value) -> bool {
    body["Operations"]
        .as_array()
        .is_none_or(|all| !all.is_empty())
}

/// Whether the body of a create or a PUT is taken.
pub(super) fn check_body(
    sent: &Map<String, Value>,
    personality: &Personality,
) -> Result<(), Refusal> {
    if personality.has(Quirk::EmptyRefused) && sent.values().any(holds_nothing) {
        return Err(Refusal::invalid_value(
            "Null and empty values are not supported.",
        ));
    }
    if personality.has(Quirk::SchemasExact) {
        let named = sent.get("schemas").and_then(Value::as_array);
        let named = named.into_iter().flatten().filter_map(Value::as_str);
        let named: BTreeSet<&str> = named.filter(|name| name.contains(":extension:")).collect();
        let used = sent.keys().map(String::as_str);
        let used: BTreeSet<&str> = used.filter(|name| name.starts_with(URN)).collect();
        if named != used {
            return Err(Refusal::invalid_value(
                "'schemas' must name what the body uses.",
            ));
        }
    }
    let name = sent.get("userName").and_then(Value::as_str);
    if let Some(name) = name.filter(|name| !name.ends_with("@contoso.com"))
        && personality.has(Quirk::ForeignDomainsRefused)
    {
        let words = format!("The domain of '{name}' is not verified.");
        return Err(Refusal::new(400, None, words));
    }
    Ok(())
}

fn holds_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty() || items.iter().any(holds_nothing),
        Value::Object(members) => members.is_empty() || members.values().any(holds_nothing),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A list as it is answered.
pub(super) fn list(list: &mut Value, personality: &Personality) {
    let Some(resources) = list["Resources"].as_array_mut() else {
        return;
    };
    if personality.has(Quirk::ResourcesTwice) {
        *resources = resources
            .iter()
            .flat_map(|one| [one.clone(), one.clone()])
            .collect();
    }
    let is_empty = resources.is_empty();
    if is_empty
        && personality.has(Quirk::ResourcesLeftOut)
        && let Some(list) = list.as_object_mut()
    {
        list.remove("Resources");
    }
}

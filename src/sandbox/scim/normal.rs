//! Brings what clients send into the one form in which resources are kept: names as the schema spells
//! them, nothing read-only, nothing empty, every value of its type.

use serde_json::{Map, Value};

use super::Quirk;
use super::error::Refusal;
use super::personality::Personality;
use super::schema::{Attribute, COMMON, Kind, find};

/// A resource as it is kept, without `id` and `meta`.
pub(super) fn resource(
    sent: &Map<String, Value>,
    kind: Kind,
    personality: &Personality,
) -> Result<Map<String, Value>, Refusal> {
    let mut kept = Map::new();
    for (name, value) in sent {
        if name.eq_ignore_ascii_case("schemas") {
            continue;
        }
        if let Some(extension) = kind.extension()
            && extension.id.eq_ignore_ascii_case(name)
        {
            let Value::Object(inner) = value else {
                if value.is_null() {
                    continue;
                }
                return Err(Refusal::invalid_value(format!(
                    "'{name}' must be an object."
                )));
            };
            let inner = members(inner, &extension.attributes, name, personality)?;
            if !inner.is_empty() {
                kept.insert(extension.id.to_owned(), Value::Object(inner));
            }
            continue;
        }
        let attribute = find(&kind.core().attributes, name).or_else(|| find(&COMMON, name));
        let Some(attribute) = attribute else {
            if personality.has(Quirk::NumbersInOtherSchemas) && name.contains(':') {
                kept.insert(name.clone(), with_numbers(value));
            } else {
                check_unknown(name, personality)?;
            }
            continue;
        };
        insert(&mut kept, attribute, value, name, personality)?;
    }
    check_required(&kept, kind)?;
    Ok(kept)
}

/// The same with numbers for texts of digits, however deep.
fn with_numbers(value: &Value) -> Value {
    match value {
        Value::String(text) => text
            .parse::<i64>()
            .map_or_else(|_| value.clone(), Value::from),
        Value::Array(items) => items.iter().map(with_numbers).collect(),
        Value::Object(members) => {
            let members = members.iter();
            Value::Object(
                members
                    .map(|(name, value)| (name.clone(), with_numbers(value)))
                    .collect(),
            )
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn check_required(kept: &Map<String, Value>, kind: Kind) -> Result<(), Refusal> {
    let attributes = kind.core().attributes.iter();
    let mut missing = attributes.filter(|attribute| {
        let present = kept.get(attribute.name).is_some_and(|value| value != "");
        attribute.is("required") && !present
    });
    match missing.next() {
        None => Ok(()),
        Some(attribute) => Err(Refusal::invalid_value(format!(
            "Attribute '{}' is required.",
            attribute.name
        ))),
    }
}

fn check_unknown(name: &str, personality: &Personality) -> Result<(), Refusal> {
    if personality.has(Quirk::StrictAttributes) {
        return Err(Refusal::bad(
            "invalidSyntax",
            format!("There is no attribute '{name}'."),
        ));
    }
    Ok(())
}

fn insert(
    kept: &mut Map<String, Value>,
    attribute: &Attribute,
    value: &Value,
    name: &str,
    personality: &Personality,
) -> Result<(), Refusal> {
    if attribute.is("readOnly") {
        return Ok(());
    }
    if let Some(value) = attribute_value(attribute, value, name, personality)? {
        kept.insert(attribute.name.to_owned(), value);
    }
    Ok(())
}

fn members(
    sent: &Map<String, Value>,
    attributes: &[Attribute],
    parent: &str,
    personality: &Personality,
) -> Result<Map<String, Value>, Refusal> {
    let mut kept = Map::new();
    for (name, value) in sent {
        let full = format!("{parent}.{name}");
        match find(attributes, name) {
            Some(attribute) => insert(&mut kept, attribute, value, &full, personality)?,
            None => check_unknown(&full, personality)?,
        }
    }
    Ok(kept)
}

/// The value of an attribute; `None` when it is unassigned (RFC 7643 section 2.5).
pub(super) fn attribute_value(
    attribute: &Attribute,
    value: &Value,
    name: &str,
    personality: &Personality,
) -> Result<Option<Value>, Refusal> {
    if value.is_null() {
        return Ok(None);
    }
    if !attribute.is_multi() {
        return single(attribute, value, name, personality);
    }
    let Value::Array(items) = value else {
        return Err(Refusal::invalid_value(format!(
            "'{name}' must be an array."
        )));
    };
    let mut kept = Vec::with_capacity(items.len());
    for item in items {
        kept.extend(single(attribute, item, name, personality)?);
    }
    let primaries = kept.iter().filter(|item| item["primary"] == true).count();
    if primaries > 1 {
        return Err(Refusal::invalid_value(format!(
            "Only one value of '{name}' may be primary."
        )));
    }
    Ok((!kept.is_empty()).then_some(Value::Array(kept)))
}

/// One value of an attribute that may hold several.
pub(super) fn single(
    attribute: &Attribute,
    value: &Value,
    name: &str,
    personality: &Personality,
) -> Result<Option<Value>, Refusal> {
    let wrong = || Refusal::invalid_value(format!("'{name}' must be of type {}.", attribute.kind));
    match (attribute.kind, value) {
        (_, Value::Null) => Ok(None),
        ("complex", Value::Object(map)) => {
            let inner = members(map, &attribute.subs, name, personality)?;
            Ok((!inner.is_empty()).then_some(Value::Object(inner)))
        }
        // The manager is often sent as a bare id; some targets take it.
        ("complex", Value::String(id))
            if attribute.name == "manager" && personality.has(Quirk::ManagerAsText) =>
        {
            Ok(Some(serde_json::json!({"value": id})))
        }
        ("complex", Value::Array(items))
            if attribute.name == "manager" && personality.has(Quirk::ManagerAsText) =>
        {
            match items.as_slice() {
                [one] => single(attribute, one, name, personality),
                _ => Err(wrong()),
            }
        }
        ("boolean", Value::String(text)) if personality.has(Quirk::CoerceBooleans) => {
            match text.to_ascii_lowercase().as_str() {
                "true" => Ok(Some(Value::Bool(true))),
                "false" => Ok(Some(Value::Bool(false))),
                _ => Err(wrong()),
            }
        }
        ("dateTime", Value::String(text)) => match chrono::DateTime::parse_from_rfc3339(text) {
            Ok(_) => Ok(Some(value.clone())),
            Err(_) => Err(wrong()),
        },
        ("string", Value::String(text))
            if personality.has(Quirk::LongTextsCut)
                && matches!(attribute.name, "title" | "displayName") =>
        {
            let kept: String = text.chars().take(20).collect();
            Ok(Some(Value::from(kept)))
        }
        ("string" | "reference" | "binary", Value::String(_)) | ("boolean", Value::Bool(_)) => {
            Ok(Some(value.clone()))
        }
        ("integer", Value::Number(number)) if number.is_i64() => Ok(Some(value.clone())),
        _ => Err(wrong()),
    }
}

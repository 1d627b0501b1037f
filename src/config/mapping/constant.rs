//! Constants and defaults, as the type of the target wants them.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use figment::value::Value as Raw;

use super::shape::{Shape, word};
use crate::config::document::Place;
use crate::config::file;
use crate::config::problem::{Log, suggest};
use crate::config::reader::{Typed, kind as kind_of_raw, whole};
use crate::engine::model::{ObjectKind, TargetPath, TargetType, Value, is_base64, schema};

/// The constant or the default of a mapping.
pub(super) fn build(
    kind: ObjectKind,
    path: &TargetPath,
    raw: &file::Mapping,
    typed: &Typed<Raw>,
    shape: &Shape,
    log: &mut Log,
) -> Option<Value> {
    let value = constant(typed, shape, log)?;
    // Who says the type knows more of the target than the RFC does.
    if raw.target_type.is_none() {
        check_sub_attributes(kind, path, &value, &typed.place, log);
    }
    Some(value)
}

/// As the target's type wants it.
fn constant(typed: &Typed<Raw>, shape: &Shape, log: &mut Log) -> Option<Value> {
    let Typed { value, place } = typed;
    let result = match value {
        Raw::Array(_, elements) if shape.multi_valued => elements
            .iter()
            .map(|element| single(element, None, shape.target_type))
            .collect::<Option<Vec<_>>>()
            .map(Value::List),
        one => {
            let value = single(one, place.overriding_text(), shape.target_type);
            match value {
                Some(value) if shape.multi_valued => Some(Value::List(vec![value])),
                other => other,
            }
        }
    };
    if result.is_none() {
        let (culprit, takes) = match value {
            Raw::Array(_, elements) if shape.multi_valued => {
                let wrong = elements
                    .iter()
                    .find(|element| single(element, None, shape.target_type).is_none());
                (wrong.unwrap_or(value), "each value of the target is")
            }
            one => (one, "the target takes"),
        };
        let found = match culprit {
            Raw::String(_, text) => format!("{text:?}"),
            Raw::Bool(_, is) => is.to_string(),
            Raw::Num(..) => {
                whole(culprit).map_or("a fraction".to_owned(), |number| number.to_string())
            }
            other => kind_of_raw(other).to_owned(),
        };
        let remedy = match shape.target_type {
            TargetType::String => "write it in quotes",
            TargetType::Binary => "write it in base64, in quotes",
            TargetType::Boolean => "write true or false",
            TargetType::Integer => "write a whole number without quotes",
            TargetType::DateTime => "write it like \"2026-01-31T00:00:00Z\"",
            TargetType::Reference => "a reference cannot be a constant; write source = \"manager\"",
            TargetType::Complex => "write a table such as { type = \"work\", value = \"…\" }",
        };
        let message = format!("{takes} {}, not {found}", word(shape.target_type));
        log.problem(place.problem(message, remedy));
    }
    result
}

/// Reports the first sub-attribute of a constant that the RFC's attribute does not have.
fn check_sub_attributes(
    kind: ObjectKind,
    path: &TargetPath,
    value: &Value,
    place: &Place,
    log: &mut Log,
) {
    let known = schema::sub_attributes(kind, path);
    if known.is_empty() {
        return;
    }
    let elements = match value {
        Value::List(values) => values.as_slice(),
        one => std::slice::from_ref(one),
    };
    let names = elements.iter().filter_map(|element| match element {
        Value::Object(members) => Some(members.keys()),
        Value::Text(_)
        | Value::Boolean(_)
        | Value::Integer(_)
        | Value::List(_)
        | Value::Reference(_) => None,
    });
    // SCIM names ignore case (RFC 7643 section 2.1).
    let is_known = |name: &&String| known.iter().any(|known| known.eq_ignore_ascii_case(name));
    if let Some(unknown) = names.flatten().find(|name| !is_known(name)) {
        log.problem(place.problem(
            format!("{path} has no sub-attribute {unknown}"),
            format!(
                "{}\nif the target has it, set type = \"complex\"",
                suggest(unknown, &known)
            ),
        ));
    }
}

fn single(raw: &Raw, from_environment: Option<&str>, target_type: TargetType) -> Option<Value> {
    match target_type {
        TargetType::String => match raw {
            Raw::String(_, text) => Some(Value::text(text)),
            _ => from_environment.map(Value::text),
        },
        TargetType::Binary => {
            let text = match raw {
                Raw::String(_, text) => Some(text.as_str()),
                _ => from_environment,
            };
            text.filter(|text| is_base64(text)).map(Value::text)
        }
        TargetType::Boolean => match raw {
            Raw::Bool(_, is) => Some(Value::Boolean(*is)),
            Raw::String(_, text) if text.eq_ignore_ascii_case("true") => Some(Value::Boolean(true)),
            Raw::String(_, text) if text.eq_ignore_ascii_case("false") => {
                Some(Value::Boolean(false))
            }
            _ => None,
        },
        TargetType::Integer => match raw {
            Raw::String(_, text) => text.trim().parse().ok().map(Value::Integer),
            _ => whole(raw).map(Value::Integer),
        },
        TargetType::DateTime => match raw {
            Raw::String(_, text) if is_date(text) => Some(Value::text(text)),
            _ => None,
        },
        TargetType::Reference => None,
        TargetType::Complex => complex(raw),
    }
}

fn complex(raw: &Raw) -> Option<Value> {
    let Raw::Dict(_, members) = raw else {
        return None;
    };
    let members = members.iter().map(|(name, raw)| {
        let value = match raw {
            Raw::String(_, text) => Value::text(text),
            Raw::Bool(_, is) => Value::Boolean(*is),
            Raw::Num(..) => Value::Integer(whole(raw)?),
            Raw::Char(..) | Raw::Empty(..) | Raw::Dict(..) | Raw::Array(..) => return None,
        };
        Some((name.clone(), value))
    });
    Some(Value::Object(members.collect::<Option<_>>()?))
}

fn is_date(text: &str) -> bool {
    DateTime::parse_from_rfc3339(text).is_ok()
        || NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").is_ok()
        || NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
}

//! Values in the type that a target attribute takes.

use chrono::{DateTime, NaiveDateTime};

use crate::engine::model::{TargetType, Value, is_base64};

/// Makes a value fit a target attribute of that type, or says why it cannot.
pub(crate) fn convert(
    value: Value,
    target_type: TargetType,
    multi_valued: bool,
) -> Result<Value, String> {
    convert_each(value, multi_valued, |value| {
        convert_one(value, target_type).map_err(str::to_owned)
    })
}

pub(super) fn convert_each(
    value: Value,
    multi_valued: bool,
    to_type: impl Fn(Value) -> Result<Value, String>,
) -> Result<Value, String> {
    match value {
        Value::List(values) if multi_valued => {
            let converted: Result<_, _> = values.into_iter().map(to_type).collect();
            converted.map(Value::List)
        }
        Value::List(mut values) => match values.pop() {
            Some(only) if values.is_empty() => to_type(only),
            _ => Err(
                "the source has several values, but the target takes one: use Join or Item"
                    .to_owned(),
            ),
        },
        one if multi_valued => to_type(one).map(|one| Value::List(vec![one])),
        one => to_type(one),
    }
}

pub(super) fn convert_one(value: Value, target_type: TargetType) -> Result<Value, &'static str> {
    match (target_type, value) {
        (TargetType::Binary, Value::Text(text)) if !is_base64(&text) => {
            Err("the target takes binary data in base64, but the source has another type of value")
        }
        (TargetType::String | TargetType::Binary, value @ Value::Text(_))
        | (TargetType::Boolean, value @ Value::Boolean(_))
        | (TargetType::Integer, value @ Value::Integer(_))
        | (TargetType::Reference, value @ Value::Reference(_))
        | (TargetType::Complex, value @ (Value::Object(_) | Value::Text(_))) => Ok(value),
        (TargetType::String, Value::Boolean(value)) => {
            Ok(Value::text(if value { "True" } else { "False" }))
        }
        (TargetType::String, Value::Integer(value)) => Ok(Value::text(value.to_string())),
        (TargetType::String, Value::Reference(source)) => Ok(Value::Text(source.shared())),
        (TargetType::Boolean, Value::Text(text)) => {
            if text.eq_ignore_ascii_case("true") {
                Ok(Value::Boolean(true))
            } else if text.eq_ignore_ascii_case("false") {
                Ok(Value::Boolean(false))
            } else {
                Err("the target takes True or False, but the source has another value")
            }
        }
        (TargetType::Integer, Value::Text(text)) => text
            .trim()
            .parse()
            .map(Value::Integer)
            .map_err(|_| "the target takes a whole number, but the source has another value"),
        (TargetType::DateTime, Value::Text(text)) => date_time(&text)
            .map(Value::text)
            .ok_or("the target takes a date, but the source has another value"),
        (TargetType::Reference, _) => {
            Err("the target takes a reference: map manager or another reference directly")
        }
        (_, Value::Object(_) | Value::List(_)) => {
            Err("the source value has several parts, but the target takes plain text: map one part")
        }
        _ => Err("the source value does not fit the type of the target attribute"),
    }
}

/// ISO 8601 as RFC 7643 section 2.3.5 wants it, from that form or from the expressions' own.
fn date_time(text: &str) -> Option<String> {
    if DateTime::parse_from_rfc3339(text).is_ok() {
        return Some(text.to_owned());
    }
    let printed = NaiveDateTime::parse_from_str(text, "%m/%d/%Y %I:%M:%S %p").ok()?;
    Some(printed.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}

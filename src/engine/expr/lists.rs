//! Functions on multi-valued attributes.

use std::borrow::Cow;

use super::datum::Datum;
use super::error::ErrorKind;
use super::eval::{Call, Evaluated, MAX_RESULT_BYTES, Stop, element_text};
use crate::engine::model::Value;

pub(super) fn count<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    Ok(Datum::integer(match call.datum(0)? {
        Datum::Null => 0,
        Datum::List(values) => values.len(),
        Datum::Text(_)
        | Datum::Number(_)
        | Datum::Boolean(_)
        | Datum::Date(_)
        | Datum::Other(_) => 1,
    }))
}

pub(super) fn item<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let datum = call.datum(0)?;
    let index = call.needed_integer(1)?;
    let position = index.checked_sub(1).and_then(|i| usize::try_from(i).ok());
    let none = |count| call.fail_at(1, ErrorKind::NoSuchItem { index, count });
    match datum {
        Datum::Null => Ok(Datum::Null),
        Datum::List(values) => {
            let found = position.filter(|position| *position < values.len());
            let position = found.ok_or_else(|| none(values.len()))?;
            match values {
                Cow::Borrowed(values) => Ok(Datum::from_value(&values[position])),
                Cow::Owned(values) => {
                    let text = element_text(&values[position]).map_err(|e| call.fail_at(0, e))?;
                    Ok(Datum::owned(text.into_owned()))
                }
            }
        }
        single if position == Some(0) => Ok(single),
        _ => Err(none(1)),
    }
}

/// Values that are null or empty contribute nothing, not even a separator: a published example
/// joins `""` and two names into `Doe, John`.
pub(super) fn join<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let separator = call.text(0)?.unwrap_or_default();
    let mut joined = String::new();
    let mut add = |text: &str| -> Result<(), Stop> {
        if text.is_empty() {
            return Ok(());
        }
        if joined.len() + separator.len() + text.len() > MAX_RESULT_BYTES {
            return Err(call.too_long());
        }
        if !joined.is_empty() {
            joined.push_str(&separator);
        }
        joined.push_str(text);
        Ok(())
    };
    for index in 1..call.count() {
        match call.datum(index)? {
            Datum::List(values) => {
                for value in values.iter() {
                    add(&element_text(value).map_err(|kind| call.fail_at(index, kind))?)?;
                }
            }
            single => {
                let text = single
                    .into_text()
                    .map_err(|kind| call.fail_at(index, kind))?;
                add(&text.unwrap_or_default())?;
            }
        }
    }
    Ok(Datum::owned(joined))
}

/// The values come out trimmed, as in the published example. Empty parts, such as after a last
/// comma, are no values.
pub(super) fn split<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let Some(text) = call.text(0)? else {
        return Ok(Datum::Null);
    };
    let delimiter = call.text(1)?.unwrap_or_default();
    call.check_length(&text)?;
    let parts: Vec<&str> = if delimiter.is_empty() {
        vec![&text]
    } else {
        text.split(&*delimiter).collect()
    };
    let values: Vec<Value> = parts
        .into_iter()
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(Value::text)
        .collect();
    if values.is_empty() {
        return Ok(Datum::Null);
    }
    Ok(Datum::List(Cow::Owned(values)))
}

pub(super) fn remove_duplicates<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let values = match call.datum(0)? {
        Datum::List(values) => values,
        other => return Ok(other),
    };
    let mut seen = std::collections::BTreeSet::new();
    let repeated = values.iter().any(|value| !seen.insert(value));
    if !repeated {
        return Ok(Datum::List(values));
    }
    let mut seen = std::collections::BTreeSet::new();
    let distinct = values.iter().filter(|value| seen.insert(*value));
    let distinct = distinct.cloned().collect();
    Ok(Datum::List(Cow::Owned(distinct)))
}

//! The values that an expression works with, before they become values of a mapping.

use std::borrow::Cow;

use chrono::NaiveDateTime;

use super::Flow;
use super::dates;
use super::error::ErrorKind;
use super::number::Number;
use crate::engine::model::Value;

/// A working value. Text and lists are borrowed from the attributes or the expression wherever
/// they pass through unchanged.
#[derive(Clone, Debug)]
pub(super) enum Datum<'a> {
    Null,
    Text(Cow<'a, str>),
    Number(Number),
    Boolean(bool),
    /// A point in time, in UTC.
    Date(NaiveDateTime),
    /// At least one value, except for a list of roles, which may be known to be empty.
    List(Cow<'a, [Value]>),
    /// A complex value or a reference, which can only be passed on.
    Other(&'a Value),
}

impl<'a> Datum<'a> {
    /// An attribute without values is absent, in Graph's answers as in a mapping.
    pub(super) fn from_value(value: &'a Value) -> Self {
        match value {
            Value::Text(text) => Self::Text(Cow::Borrowed(text)),
            Value::Boolean(value) => Self::Boolean(*value),
            Value::Integer(value) => Self::Number(Number::whole(*value)),
            Value::List(values) if values.is_empty() => Self::Null,
            Value::List(values) => Self::List(Cow::Borrowed(values)),
            Value::Object(_) | Value::Reference(_) => Self::Other(value),
        }
    }

    pub(super) fn borrowed(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    pub(super) fn owned(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }

    pub(super) fn integer(value: usize) -> Self {
        Self::Number(Number::whole(i64::try_from(value).unwrap_or(i64::MAX)))
    }

    pub(super) fn is_null_or_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.is_empty(),
            Self::List(values) => values.is_empty(),
            Self::Number(_) | Self::Boolean(_) | Self::Date(_) => false,
            Self::Other(value) => value.is_empty(),
        }
    }

    /// The value as text, `None` for null.
    pub(super) fn into_text(self) -> Result<Option<Cow<'a, str>>, ErrorKind> {
        Ok(Some(match self {
            Self::Null => return Ok(None),
            Self::Text(text) => text,
            Self::Number(number) => Cow::Owned(number.to_string()),
            Self::Boolean(value) => Cow::Borrowed(boolean_text(value)),
            Self::Date(date) => Cow::Owned(dates::canonical(date)),
            Self::List(_) => return Err(ErrorKind::MultipleValues),
            Self::Other(Value::Reference(id)) => Cow::Borrowed(id.as_str()),
            Self::Other(_) => return Err(ErrorKind::ComplexValue),
        }))
    }

    pub(super) fn into_flow(self) -> Flow {
        Flow::Value(match self {
            Self::Null => return Flow::Null,
            Self::Text(text) => Value::text(text),
            Self::Number(number) => match number.as_integer() {
                Some(integer) => Value::Integer(integer),
                None => Value::text(number.to_string()),
            },
            Self::Boolean(value) => Value::Boolean(value),
            Self::Date(date) => Value::text(dates::canonical(date)),
            Self::List(values) => Value::List(values.into_owned()),
            Self::Other(value) => value.clone(),
        })
    }
}

/// .NET prints Booleans with a capital letter, and published expressions compare with that.
pub(super) fn boolean_text(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

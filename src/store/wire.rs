//! How engine values are written in the state file: ids and words as text, maps of values as JSON.
//! Private to the store, so that the file's format is versioned by its migrations alone.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde_json::{Value as Json, json};

use super::log::LoggedChange;
use crate::engine::model::{
    Attributes, JobName, MatchKey, ObjectKind, Presence, SourceId, TargetId, TargetPath, Value,
};
use crate::engine::outcome::Class;

/// What a link's target was last told.
pub(super) type Sent = BTreeMap<TargetPath, Value>;

/// A value that is neither an id nor a number, on its way into or out of a column.
pub(super) struct Column<T>(pub(super) T);

/// A stored value that does not read back: the file was edited, or is damaged.
#[derive(Debug)]
struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the stored {} cannot be read", self.0)
    }
}

impl std::error::Error for Unreadable {}

pub(super) fn unreadable(what: &str) -> FromSqlError {
    FromSqlError::Other(Box::new(Unreadable(what.to_owned())))
}

macro_rules! id_column {
    ($($name:ident)*) => { $(
        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(self.as_str().into())
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                value.as_str().map(Self::new)
            }
        }
    )* };
}

id_column!(SourceId TargetId JobName);

impl ToSql for ObjectKind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.word().into())
    }
}

impl FromSql for ObjectKind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let word = value.as_str()?;
        Self::ALL
            .into_iter()
            .find(|kind| kind.word() == word)
            .ok_or_else(|| unreadable("kind"))
    }
}

impl ToSql for Presence {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Present => "present",
            Self::SoftDeleted => "soft-deleted",
            Self::Deleted => "deleted",
            Self::Missing => "missing",
        }
        .into())
    }
}

impl FromSql for Presence {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "present" => Ok(Self::Present),
            "soft-deleted" => Ok(Self::SoftDeleted),
            "deleted" => Ok(Self::Deleted),
            "missing" => Ok(Self::Missing),
            _ => Err(unreadable("presence")),
        }
    }
}

impl ToSql for Class {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.word().into())
    }
}

impl FromSql for Class {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let word = value.as_str()?;
        [
            Self::Transient,
            Self::Throttled,
            Self::Refused,
            Self::Conflict,
            Self::Gone,
            Self::Unauthorized,
            Self::Malformed,
        ]
        .into_iter()
        .find(|class| class.word() == word)
        .ok_or_else(|| unreadable("class of failure"))
    }
}

impl ToSql for Column<DateTime<Utc>> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let text = self.0.to_rfc3339_opts(SecondsFormat::Millis, true);
        Ok(text.into())
    }
}

impl FromSql for Column<DateTime<Utc>> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        DateTime::parse_from_rfc3339(value.as_str()?)
            .map(|time| Self(time.with_timezone(&Utc)))
            .map_err(|_| unreadable("time"))
    }
}

/// Numbers of the engine have no sign, `SQLite`'s have. What does not fit is not worth an error.
impl ToSql for Column<u64> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(i64::try_from(self.0).unwrap_or(i64::MAX).into())
    }
}

impl FromSql for Column<u64> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        u64::try_from(value.as_i64()?)
            .map(Self)
            .map_err(|_| unreadable("number"))
    }
}

impl ToSql for Column<&Attributes> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let members = self.0.iter();
        let members = members.map(|(name, value)| (name.to_owned(), to_json(value)));
        Ok(Json::Object(members.collect()).to_string().into())
    }
}

impl FromSql for Column<Attributes> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let members = object(parse(value)?)?;
        let values = members
            .into_iter()
            .map(|(name, json)| Ok((name, from_json(json)?)))
            .collect::<FromSqlResult<_>>()?;
        Ok(Self(Attributes::new(values)))
    }
}

impl ToSql for Column<&Sent> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let members = self.0.iter();
        let members = members.map(|(path, value)| (path.to_string(), to_json(value)));
        Ok(Json::Object(members.collect()).to_string().into())
    }
}

impl FromSql for Column<Sent> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        object(parse(value)?)?
            .into_iter()
            .map(|(path, json)| Ok((path_from(&path)?, from_json(json)?)))
            .collect::<FromSqlResult<_>>()
            .map(Self)
    }
}

impl ToSql for Column<&[MatchKey]> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let keys = self.0.iter();
        let keys = keys.map(|key| json!([key.path.to_string(), to_json(&key.value)]));
        Ok(Json::Array(keys.collect()).to_string().into())
    }
}

impl FromSql for Column<Vec<MatchKey>> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        array(parse(value)?)?
            .into_iter()
            .map(|json| {
                let [path, value] = fields(json)?;
                Ok(MatchKey {
                    path: path_from(&text(path)?)?,
                    value: from_json(value)?,
                })
            })
            .collect::<FromSqlResult<_>>()
            .map(Self)
    }
}

impl ToSql for Column<&[LoggedChange]> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = |value: &Option<Value>| value.as_ref().map_or(Json::Null, to_json);
        let changes = self.0.iter();
        let changes = changes.map(|change| {
            let LoggedChange {
                attribute,
                before,
                after,
            } = change;
            json!([attribute, value(before), value(after)])
        });
        Ok(Json::Array(changes.collect()).to_string().into())
    }
}

impl FromSql for Column<Vec<LoggedChange>> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let value_from = |json: Json| match json {
            Json::Null => Ok(None),
            json => from_json(json).map(Some),
        };
        array(parse(value)?)?
            .into_iter()
            .map(|json| {
                let [attribute, before, after] = fields(json)?;
                Ok(LoggedChange {
                    attribute: text(attribute)?,
                    before: value_from(before)?,
                    after: value_from(after)?,
                })
            })
            .collect::<FromSqlResult<_>>()
            .map(Self)
    }
}

impl FromSql for Column<TargetPath> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        path_from(value.as_str()?).map(Self)
    }
}

impl ToSql for Column<&TargetPath> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.to_string().into())
    }
}

/// Objects and references carry a tag of their own, because a SCIM object may hold any name itself.
fn to_json(value: &Value) -> Json {
    match value {
        Value::Text(text) => Json::String(text.to_string()),
        Value::Boolean(truth) => Json::Bool(*truth),
        Value::Integer(number) => Json::from(*number),
        Value::List(values) => Json::Array(values.iter().map(to_json).collect()),
        Value::Object(members) => {
            let members = members.iter();
            let members = members.map(|(name, value)| (name.clone(), to_json(value)));
            json!({ "object": Json::Object(members.collect()) })
        }
        Value::Reference(id) => json!({ "reference": id.as_str() }),
    }
}

fn from_json(json: Json) -> FromSqlResult<Value> {
    match json {
        Json::String(text) => Ok(Value::text(text)),
        Json::Bool(truth) => Ok(Value::Boolean(truth)),
        Json::Number(number) => number
            .as_i64()
            .map(Value::Integer)
            .ok_or_else(|| unreadable("number")),
        Json::Array(values) => values
            .into_iter()
            .map(from_json)
            .collect::<FromSqlResult<_>>()
            .map(Value::List),
        Json::Object(tagged) => match tagged.into_iter().next() {
            Some((tag, Json::Object(members))) if tag == "object" => members
                .into_iter()
                .map(|(name, json)| Ok((name, from_json(json)?)))
                .collect::<FromSqlResult<_>>()
                .map(Value::Object),
            Some((tag, Json::String(id))) if tag == "reference" => {
                Ok(Value::Reference(SourceId::new(id)))
            }
            _ => Err(unreadable("value")),
        },
        Json::Null => Err(unreadable("value")),
    }
}

fn path_from(text: &str) -> FromSqlResult<TargetPath> {
    TargetPath::parse(text).map_err(|_| unreadable("target path"))
}

fn parse(value: ValueRef<'_>) -> FromSqlResult<Json> {
    serde_json::from_str(value.as_str()?).map_err(|_| unreadable("JSON"))
}

fn object(json: Json) -> FromSqlResult<serde_json::Map<String, Json>> {
    match json {
        Json::Object(members) => Ok(members),
        _ => Err(unreadable("JSON object")),
    }
}

fn array(json: Json) -> FromSqlResult<Vec<Json>> {
    match json {
        Json::Array(values) => Ok(values),
        _ => Err(unreadable("JSON array")),
    }
}

fn text(json: Json) -> FromSqlResult<String> {
    match json {
        Json::String(text) => Ok(text),
        _ => Err(unreadable("text")),
    }
}

fn fields<const N: usize>(json: Json) -> FromSqlResult<[Json; N]> {
    array(json)?.try_into().map_err(|_| unreadable("entry"))
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            ".{0,12}".prop_map(Value::text),
            any::<bool>().prop_map(Value::Boolean),
            any::<i64>().prop_map(Value::Integer),
            "[a-f0-9-]{1,12}".prop_map(|id| Value::Reference(SourceId::new(id))),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            let name = prop_oneof![
                Just("object".to_owned()),
                Just("reference".to_owned()),
                "[$a-z]{1,6}"
            ];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
                prop::collection::btree_map(name, inner, 0..4).prop_map(Value::Object),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_value_reads_back_as_it_was_written(value in any_value()) {
            let text = to_json(&value).to_string();
            prop_assert_eq!(from_json(serde_json::from_str(&text).unwrap()).unwrap(), value);
        }
    }
}

//! What several documents hold: values, keys, subjects, times and counts.

use std::io;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::ser::{Error as _, SerializeSeq, Serializer};
use serde_json::{Value as Json, json};

use crate::engine::model::{MatchKey, TargetPath, Value};
use crate::engine::plan::{Count, Subject};
use crate::engine::summary::Requests;

/// A list of what is passed one by one: it may be larger than memory.
pub(super) fn list<S: Serializer>(
    serializer: S,
    each: impl FnOnce(&mut dyn FnMut(Json) -> io::Result<()>) -> io::Result<()>,
) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(None)?;
    let mut refused = None;
    let done = each(&mut |element| {
        list.serialize_element(&element).map_err(|error| {
            refused = Some(error);
            io::Error::other("the document cannot be written")
        })
    });
    match (refused, done) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => Err(S::Error::custom(error)),
        (None, Ok(())) => list.end(),
    }
}

pub(super) fn count_json(count: Count) -> Json {
    let Count { users, groups } = count;
    json!({ "users": users, "groups": groups })
}

pub(super) fn requests_json(requests: Requests) -> Json {
    let Requests { source, target } = requests;
    json!({ "source": source, "target": target })
}

pub(crate) fn time_json(time: DateTime<Utc>) -> Json {
    Json::String(time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

pub(crate) fn subject_json(subject: &Subject) -> Json {
    let Subject {
        kind,
        key: _,
        id,
        label,
    } = subject;
    json!({ "kind": kind.word(), "id": id.as_str(), "label": label })
}

pub(crate) fn value_json(value: &Value) -> Json {
    match value {
        Value::Text(text) => json!(&**text),
        Value::Boolean(boolean) => json!(boolean),
        Value::Integer(integer) => json!(integer),
        Value::List(values) => values.iter().map(value_json).collect(),
        Value::Object(members) => {
            let members = members.iter();
            Json::Object(
                members
                    .map(|(name, value)| (name.clone(), value_json(value)))
                    .collect(),
            )
        }
        Value::Reference(id) => json!({ "source_id": id.as_str() }),
    }
}

pub(super) fn path_json(path: &TargetPath) -> Json {
    Json::String(path.to_string())
}

pub(super) fn key_json(key: &MatchKey) -> Json {
    let MatchKey { path, value } = key;
    json!({ "path": path_json(path), "value": value_json(value) })
}

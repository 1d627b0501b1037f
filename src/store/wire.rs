//! How engine values are written in columns of the state file: ids, numbers for kinds and states, times.
//! Private to the store, so that the file's format is versioned by its migrations alone.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use rusqlite::types::{
    FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Value as Sql, ValueRef,
};

use crate::engine::model::{
    JobName, Key, ObjectKind, Presence, SourceId, SourceNumber, TargetId, TargetPath, Value,
};
use crate::engine::outcome::Class;

/// What was last sent to a link's target.
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

impl ToSql for SourceId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(packed(self.as_str()))
    }
}

impl FromSql for SourceId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        unpacked(value).map(Self::new)
    }
}

impl ToSql for TargetId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(packed(self.as_str()))
    }
}

impl FromSql for TargetId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        unpacked(value).map(Self::new)
    }
}

impl ToSql for JobName {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for JobName {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str().map(Self::new)
    }
}

impl ToSql for Key {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.get().into())
    }
}

impl FromSql for Key {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        u32::column_result(value).map(Self::new)
    }
}

impl ToSql for SourceNumber {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.get().into())
    }
}

impl FromSql for SourceNumber {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        u32::column_result(value).map(Self::new)
    }
}

/// A GUID in its one common form takes 16 bytes in place of 36 letters.
fn packed(id: &str) -> ToSqlOutput<'_> {
    match guid(id) {
        Some(bytes) => ToSqlOutput::Owned(Sql::Blob(bytes.to_vec())),
        None => id.into(),
    }
}

fn unpacked(value: ValueRef<'_>) -> FromSqlResult<String> {
    match value {
        ValueRef::Blob(bytes) => {
            let bytes = bytes.try_into().map_err(|_| unreadable("id"))?;
            Ok(guid_text(bytes))
        }
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) => {
            value.as_str().map(str::to_owned)
        }
    }
}

/// The bytes of a GUID that is written in lower case with hyphens; `None` for every other text.
pub(super) fn guid(id: &str) -> Option<[u8; 16]> {
    let text: &[u8; 36] = id.as_bytes().try_into().ok()?;
    let mut bytes = [0; 16];
    let mut digits = 0;
    for (at, &letter) in text.iter().enumerate() {
        if matches!(at, 8 | 13 | 18 | 23) {
            if letter != b'-' {
                return None;
            }
            continue;
        }
        let digit = match letter {
            b'0'..=b'9' => letter - b'0',
            b'a'..=b'f' => letter - b'a' + 10,
            _ => return None,
        };
        bytes[digits / 2] = bytes[digits / 2] << 4 | digit;
        digits += 1;
    }
    Some(bytes)
}

pub(super) fn guid_text(bytes: [u8; 16]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

impl ToSql for ObjectKind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::User => 1,
            Self::Group => 2,
        }
        .into())
    }
}

impl FromSql for ObjectKind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_i64()? {
            1 => Ok(Self::User),
            2 => Ok(Self::Group),
            _ => Err(unreadable("kind")),
        }
    }
}

/// 0 is an object that was mentioned, and not read.
impl ToSql for Presence {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Present => 1,
            Self::SoftDeleted => 2,
            Self::Deleted => 3,
            Self::Missing => 4,
        }
        .into())
    }
}

impl FromSql for Presence {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_i64()? {
            1 => Ok(Self::Present),
            2 => Ok(Self::SoftDeleted),
            3 => Ok(Self::Deleted),
            4 => Ok(Self::Missing),
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
            Self::Forbidden,
            Self::Quota,
            Self::NoEffect,
            Self::Malformed,
            Self::Invalid,
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

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_reads_back_as_it_was_written(id in "[0-9a-fA-F]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|.{0,40}") {
            if let Some(bytes) = guid(&id) {
                prop_assert_eq!(guid_text(bytes), id);
            }
        }
    }
}

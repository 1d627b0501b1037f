//! The functions that turn a user's app roles into what a SCIM target is sent. The payloads are
//! those that Entra documents, form by form.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Write;
use super::datum::Datum;
use super::error::ErrorKind;
use super::eval::{Call, Evaluated, MAX_RESULT_BYTES};
use crate::engine::model::{AppRole, Value};

/// The attribute that the role functions take. It does not come from the source object.
pub(super) const ATTRIBUTE: &str = "appRoleAssignments";
const TYPE: &str = "WindowsAzureActiveDirectoryRole";

impl AppRole {
    /// The role's value, or its name if it has none.
    pub(crate) fn value_or_name(&self) -> &str {
        match self.value.as_deref() {
            Some(value) if !value.is_empty() => value,
            Some(_) | None => &self.display_name,
        }
    }

    fn object(&self, name_key: &str) -> Value {
        Value::Object(BTreeMap::from([
            ("primary".to_owned(), Value::Boolean(false)),
            ("type".to_owned(), Value::text(TYPE)),
            (name_key.to_owned(), Value::text(&*self.display_name)),
            ("value".to_owned(), Value::text(self.value_or_name())),
        ]))
    }

    /// The form that Entra sends inside a string.
    fn json(&self) -> String {
        let mut json = String::new();
        for (before, text) in [
            ("{\"id\":", &*self.id),
            (",\"value\":", self.value_or_name()),
            (",\"displayName\":", &*self.display_name),
        ] {
            json.push_str(before);
            push_json_text(&mut json, text);
        }
        json.push('}');
        json
    }
}

/// Whether a text of the target is the form inside a string of the role with this value.
pub(crate) fn is_json_of_role(text: &str, value: &str) -> bool {
    // No text inside of such a document holds these quotes: there they are behind a backslash.
    let mut member = "\"value\":".to_owned();
    push_json_text(&mut member, value);
    text.starts_with('{') && text.contains(&member)
}

/// `[appRoleAssignments]` by itself: the values of the roles.
pub(super) fn values<'a>(roles: &[AppRole]) -> Datum<'a> {
    let values = roles.iter().map(AppRole::value_or_name).map(Value::text);
    list_or_null(values.collect())
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the functions of the table have one signature"
)]
pub(super) fn plain<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    Ok(values(call.input().roles))
}

/// Objects where an object is created, and texts where the roles are added to one that is there.
pub(super) fn complex<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    if call.input().write == Write::Create {
        let roles = call.input().roles.iter();
        return Ok(list_or_null(
            roles.map(|role| role.object("displayName")).collect(),
        ));
    }
    let mut texts = Vec::new();
    for role in call.input().roles {
        let json = role.json();
        if json.len() > MAX_RESULT_BYTES {
            return Err(call.fail(ErrorKind::ResultTooLong {
                limit: MAX_RESULT_BYTES,
            }));
        }
        texts.push(Value::text(json));
    }
    Ok(list_or_null(texts))
}

/// Holding no role is a list without elements here: this form takes away what is not assigned.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the functions of the table have one signature"
)]
pub(super) fn assertive<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let roles = call.input().roles;
    let objects = roles.iter().map(|role| role.object("display")).collect();
    Ok(Datum::List(Cow::Owned(objects)))
}

/// The name of a role, which vendors' guides put into `Switch` keys ("DS Admin"); a role's value may
/// hold no blank. Which of several roles is sent is undefined. It is the first by value here, whatever
/// the order of Graph's answer, so that it does not change from cycle to cycle.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the functions of the table have one signature"
)]
pub(super) fn single<'a>(call: &Call<'a, '_>) -> Evaluated<'a> {
    let roles = call.input().roles.iter();
    let first = roles.min_by_key(|role| (role.value_or_name(), &role.id));
    Ok(first.map_or(Datum::Null, |role| Datum::borrowed(&role.display_name)))
}

fn list_or_null<'a>(values: Vec<Value>) -> Datum<'a> {
    if values.is_empty() {
        return Datum::Null;
    }
    Datum::List(Cow::Owned(values))
}

fn push_json_text(json: &mut String, text: &str) {
    json.push('"');
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            c if c < ' ' => {
                let _ = write!(json, "\\u{:04x}", u32::from(c));
            }
            c => json.push(c),
        }
    }
    json.push('"');
}

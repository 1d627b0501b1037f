//! What Graph and the token endpoint send, as they send it. serde lives here, and in the wire form
//! of snapshots.
//! Unknown fields are ignored; error bodies are read leniently, because gateways send their own.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::engine::model::ObjectKind;
use crate::http;

/// Reads a body that must be JSON of this shape.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    http::read_json(body)
}

/// One page of a listing or of a delta round.
#[derive(Debug, Deserialize)]
pub(super) struct Page<T> {
    /// `None` makes it no page at all, whatever else it says.
    pub(super) value: Option<Vec<T>>,
    #[serde(rename = "@odata.nextLink")]
    pub(super) next_link: Option<String>,
    #[serde(rename = "@odata.deltaLink")]
    pub(super) delta_link: Option<String>,
}

/// One entry of a delta page.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) removed: Option<Removed>,
    pub(super) manager: Option<Vec<Reference>>,
    pub(super) members: Option<Vec<Reference>>,
    /// In the order in which they came; null is [`Value::Null`], absent is not here.
    pub(super) properties: Vec<(String, Value)>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Removed {
    pub(super) reason: Option<String>,
}

/// An element of `manager@delta` or `members@delta`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Reference {
    #[serde(rename = "@odata.type")]
    pub(super) odata_type: Option<String>,
    pub(super) id: String,
    #[serde(rename = "@removed")]
    pub(super) removed: Option<Removed>,
}

/// By hand, because `flatten` copies each of millions of members through a buffer first.
impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Entry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with an id")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
                let mut entry = Entry::default();
                let mut id = None;
                while let Some(name) = map.next_key::<String>()? {
                    match name.as_str() {
                        "id" => id = Some(map.next_value()?),
                        "@removed" => entry.removed = map.next_value()?,
                        "manager@delta" => entry.manager = map.next_value()?,
                        "members@delta" => entry.members = map.next_value()?,
                        // Annotations, and relations that was not requested.
                        annotation if annotation.contains('@') => {
                            map.next_value::<IgnoredAny>()?;
                        }
                        _ => {
                            let value = map.next_value()?;
                            entry.properties.push((name, value));
                        }
                    }
                }
                entry.id = id.ok_or_else(|| serde::de::Error::missing_field("id"))?;
                Ok(entry)
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

/// An object of which nothing else was selected.
#[derive(Debug, Deserialize)]
pub(super) struct Identified {
    pub(super) id: String,
}

/// A user with the addresses of past and present, such as `smtp:old@contoso.com`.
#[derive(Debug, Deserialize)]
pub(super) struct Addressed {
    #[serde(rename = "proxyAddresses")]
    pub(super) proxy_addresses: Option<Vec<String>>,
}

/// `appRoleAssignment`, as it is read of a user or group.
#[derive(Debug, Deserialize)]
pub(super) struct HeldRole {
    #[serde(rename = "principalId")]
    pub(super) principal: String,
    #[serde(rename = "resourceId")]
    pub(super) resource: String,
    #[serde(rename = "appRoleId")]
    pub(super) app_role: String,
}

/// The answers of a batch, in any order.
#[derive(Debug, Deserialize)]
pub(super) struct Batch {
    pub(super) responses: Vec<BatchAnswer>,
}

#[derive(Debug, Deserialize)]
pub(super) struct BatchAnswer {
    pub(super) id: String,
    pub(super) status: u16,
    #[serde(default)]
    headers: BTreeMap<String, Value>,
    pub(super) body: Option<Value>,
}

impl BatchAnswer {
    /// In seconds, as Graph sends it.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
        let seconds = match value {
            Value::String(text) => text.trim().parse().ok()?,
            value => value.as_u64()?,
        };
        Some(Duration::from_secs(seconds))
    }
}

/// `servicePrincipal`, as far as it is selected.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServicePrincipal {
    pub(super) id: String,
    pub(super) app_id: Option<String>,
    pub(super) display_name: Option<String>,
    pub(super) account_enabled: Option<bool>,
    pub(super) app_roles: Option<Vec<AppRole>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AppRole {
    pub(super) id: String,
    pub(super) value: Option<String>,
    pub(super) display_name: Option<String>,
}

/// `administrativeUnit`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Unit {
    pub(super) id: String,
    pub(super) display_name: Option<String>,
    pub(super) visibility: Option<String>,
}

/// `synchronizationJob`, as far as it is looked at.
#[derive(Debug, Deserialize)]
pub(super) struct SyncJob {
    pub(super) id: String,
    pub(super) schedule: Option<SyncSchedule>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct SyncSchedule {
    /// `Active`, `Disabled` or `Paused`.
    pub(super) state: Option<String>,
}

/// `synchronizationSecretKeyStringValuePair`.
#[derive(Debug, Deserialize)]
pub(super) struct SyncSetting {
    pub(super) key: String,
    /// Null for secrets.
    pub(super) value: Option<String>,
}

/// A user of whom nothing else was selected.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct CustomSecurityEntry {
    pub(super) id: String,
    /// Null for people without values, and for every user where access is missing.
    #[serde(rename = "customSecurityAttributes")]
    pub(super) sets: Option<BTreeMap<String, Value>>,
}

/// `domain`: its id is its name.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Domain {
    pub(super) id: String,
    pub(super) is_default: Option<bool>,
    pub(super) is_verified: Option<bool>,
}

/// `application`: the registration, which is another object than the service principal.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Registration {
    pub(super) app_id: String,
    pub(super) display_name: Option<String>,
}

/// A directory object, as far as its names go.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Named {
    #[serde(rename = "@odata.type")]
    pub(super) odata_type: Option<String>,
    pub(super) id: String,
    pub(super) display_name: Option<String>,
    pub(super) user_principal_name: Option<String>,
}

impl Named {
    /// `None`: neither a user nor a group.
    pub(super) fn kind(&self) -> Option<ObjectKind> {
        match self.odata_type.as_deref()? {
            "#microsoft.graph.user" => Some(ObjectKind::User),
            "#microsoft.graph.group" => Some(ObjectKind::Group),
            _ => None,
        }
    }
}

/// A user with its manager; absent when there is none.
#[derive(Debug, Deserialize)]
pub(super) struct Managed {
    pub(super) id: String,
    pub(super) manager: Option<Named>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AppRoleAssignment {
    pub(super) principal_id: String,
    pub(super) principal_type: String,
    pub(super) app_role_id: String,
}

/// A granted token.
#[derive(Deserialize)]
pub(super) struct TokenAnswer {
    #[serde(alias = "accessToken")]
    pub(super) access_token: String,
    /// In seconds. A number, or text in the answers of managed identities.
    #[serde(default)]
    expires_in: Value,
    /// In seconds since 1970; where `expires_in` is missing.
    #[serde(default)]
    expires_on: Value,
}

impl TokenAnswer {
    /// The lifetime in seconds, for which some services need a clock.
    pub(super) fn expires_in(&self, now: DateTime<Utc>) -> Option<u64> {
        let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
        number(&self.expires_in).or_else(|| {
            let expires_on = i64::try_from(number(&self.expires_on)?).ok()?;
            Some(u64::try_from(expires_on - now.timestamp()).unwrap_or(0))
        })
    }
}

/// Where a person signs in (RFC 8628 section 3.2).
#[derive(Debug, Deserialize)]
pub(super) struct DeviceCode {
    #[serde(rename = "device_code")]
    pub(super) code: String,
    user_code: String,
    verification_uri: String,
    pub(super) expires_in: u64,
    pub(super) interval: Option<u64>,
}

impl DeviceCode {
    pub(super) fn instruction(&self) -> String {
        format!(
            "to sign in, open {} in a browser and enter the code {}",
            http::redact(&self.verification_uri),
            http::redact(&self.user_code)
        )
    }
}

/// `application`, as far as it is selected.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RegisteredApp {
    #[serde(default)]
    pub(super) password_credentials: Vec<PasswordCredential>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PasswordCredential {
    /// The first characters of the secret.
    pub(super) hint: Option<String>,
    pub(super) end_date_time: Option<String>,
}

/// What the sign-in service publishes of a tenant.
#[derive(Debug, Deserialize)]
pub(super) struct Discovery {
    pub(super) issuer: String,
}

/// A refused token.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TokenFailure {
    pub(super) error: Option<String>,
    pub(super) error_description: Option<String>,
    pub(super) error_codes: Option<Vec<u64>>,
    pub(super) trace_id: Option<String>,
    pub(super) correlation_id: Option<String>,
}

/// The application permissions that a token claims to carry. Graph alone decides what they are worth,
/// and a token need not be readable at all.
pub(super) fn claimed_permissions(claims: &[u8]) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct Claims {
        #[serde(default)]
        roles: Vec<String>,
    }
    read::<Claims>(claims).ok().map(|claims| claims.roles)
}

/// What an error body says, as far as it says anything.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Failure {
    /// From the outermost to the innermost; empty ones are left out.
    pub(super) codes: Vec<String>,
    pub(super) message: Option<String>,
    pub(super) request_id: Option<String>,
}

/// Reads an error body of any kind: HTML and nothing at all give an empty answer.
pub(super) fn failure(body: &[u8]) -> Failure {
    let mut failure = Failure::default();
    let Ok(body) = http::read_json::<Value>(body) else {
        return failure;
    };
    let mut level = body.get("error");
    while let Some(error) = level {
        push_code(&mut failure.codes, error);
        for detail in error
            .get("details")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            push_code(&mut failure.codes, detail);
        }
        if failure.message.is_none() {
            failure.message = text(error, "message");
        }
        if failure.request_id.is_none() {
            failure.request_id = text(error, "request-id");
        }
        // The specification writes it in lower case, the service in camel case.
        level = error
            .get("innerError")
            .or_else(|| error.get("innererror"))
            .filter(|inner| inner.is_object());
    }
    failure
}

fn push_code(codes: &mut Vec<String>, error: &Value) {
    if let Some(code) = text(error, "code")
        && !codes.contains(&code)
    {
        codes.push(code);
    }
}

fn text(object: &Value, name: &str) -> Option<String> {
    let text = object.get(name)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_without_an_id_is_an_error() {
        assert!(read::<Entry>(br#"{"displayName":"x"}"#).is_err());
        assert!(read::<Entry>(br#"{"id":null}"#).is_err());
    }

    #[test]
    fn annotations_are_not_properties() {
        let entry: Entry =
            read(br#"{"@odata.type":"x","id":"1","owners@delta":[{"id":"2"}],"a":null,"b":[1]}"#)
                .unwrap();
        let names: Vec<&str> = entry.properties.iter().map(|(n, _)| n.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn codes_of_every_level_are_found() {
        let body = br#"{"error":{"code":"","message":"m","innererror":{"code":"a",
            "request-id":"r","innerError":{"code":"syncStateNotFound"}},"details":[{"code":"d"}]}}"#;
        assert_eq!(
            failure(body),
            Failure {
                codes: vec!["d".into(), "a".into(), "syncStateNotFound".into()],
                message: Some("m".into()),
                request_id: Some("r".into()),
            }
        );
        for nothing in [
            &b""[..],
            b"<html>",
            b"[]",
            b"{\"error\":\"text\"}",
            b"{\"error\":null}",
        ] {
            assert_eq!(failure(nothing), Failure::default());
        }
    }

    #[test]
    fn seconds_may_be_text() {
        for (body, expected) in [
            (r#"{"access_token":"t","expires_in":3599}"#, Some(3599)),
            (r#"{"access_token":"t","expires_in":"3599"}"#, Some(3599)),
            (r#"{"access_token":"t","expires_in":-1}"#, None),
            (r#"{"access_token":"t","expires_on":"1000"}"#, Some(900)),
            (r#"{"access_token":"t","expires_on":1000}"#, Some(900)),
            (r#"{"accessToken":"t","expires_on":99}"#, Some(0)),
            (r#"{"access_token":"t"}"#, None),
        ] {
            let answer: TokenAnswer = read(body.as_bytes()).unwrap();
            let now = DateTime::from_timestamp(100, 0).unwrap();
            assert_eq!(answer.expires_in(now), expected, "{body}");
        }
    }
}

//! What goes over the wire: SCIM messages written strictly and read leniently, because servers
//! disagree about case, types and what may be missing.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value as Json};

use crate::engine::model::TargetId;
use crate::http::read_json;

pub(super) type Resource = Map<String, Json>;

/// Some servers answer 406 to who does not name plain JSON.
/// A list that holds nothing.
pub(super) const EMPTY_LIST: &str = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":0,"Resources":[]}"#;

pub(super) const ACCEPT: &str = "application/scim+json, application/json;q=0.9";

const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/// One operation of a PATCH (RFC 7644 section 3.5.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Operation {
    pub(super) op: &'static str,
    /// `None`: the value is a part of the resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<Json>,
}

/// The body of a PATCH.
pub(super) fn patch(operations: &[Operation]) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        schemas: [&'static str; 1],
        #[serde(rename = "Operations")]
        operations: &'a [Operation],
    }
    bytes(&Body {
        schemas: [PATCH],
        operations,
    })
}

/// JSON as it is sent. The order of members never varies: the same value is always the same bytes.
pub(super) fn bytes(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("these types hold only what JSON can say")
}

/// A page of a list (RFC 7644 section 3.4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct List {
    pub(super) total: Option<u64>,
    pub(super) resources: Vec<Listed>,
    /// Where the next page begins, for a server that pages by cursors (RFC 9865).
    pub(super) next: Option<String>,
}

impl List {
    /// `None` when the body is no list. `Resources` may be missing or null (RFC 7644 asks for it only
    /// when there are results).
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let body: ListBody = read_json(body).ok()?;
        let total = body.total.as_ref().and_then(whole_number);
        let next = body.next.as_ref().and_then(Json::as_str);
        let next = next.filter(|next| !next.is_empty()).map(str::to_owned);
        if total.is_none() && !body.is_list {
            return None;
        }
        Some(Self {
            total,
            resources: body.resources,
            next,
        })
    }
}

/// The members of a list message, as they came.
#[derive(Default)]
struct ListBody {
    total: Option<Json>,
    next: Option<Json>,
    resources: Vec<Listed>,
    /// It says so, or has the member `Resources`.
    is_list: bool,
}

impl<'de> Deserialize<'de> for ListBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor;
        impl<'de> Visitor<'de> for ListVisitor {
            type Value = ListBody;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<ListBody, A::Error> {
                let mut body = ListBody::default();
                while let Some(name) = members.next_key::<String>()? {
                    match name.to_ascii_lowercase().as_str() {
                        "totalresults" => body.total = Some(members.next_value()?),
                        "nextcursor" => body.next = Some(members.next_value()?),
                        "resources" => {
                            let resources: Option<Vec<Listed>> = members.next_value()?;
                            body.resources = resources.unwrap_or_default();
                            body.is_list = true;
                        }
                        "schemas" => body.is_list |= names_schema(&members.next_value()?, LIST),
                        _ => {
                            members.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(body)
            }
        }
        deserializer.deserialize_map(ListVisitor)
    }
}

/// A resource as it is read, the members of a group apart: as JSON each of them takes several hundred
/// bytes, and a group may have a million.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) attributes: Resource,
    /// `None` when the target does not show them; the group may still have members.
    pub(super) members: Option<Vec<TargetId>>,
}

impl Listed {
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        read_json(body).ok()
    }
}

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListedVisitor;
        impl<'de> Visitor<'de> for ListedVisitor {
            type Value = Listed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a resource")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Listed, A::Error> {
                let mut listed = Listed::default();
                while let Some(name) = members.next_key::<String>()? {
                    if name.eq_ignore_ascii_case("members") {
                        let Members(members) = members.next_value()?;
                        listed.members = members;
                    } else {
                        listed.attributes.insert(name, members.next_value()?);
                    }
                }
                Ok(listed)
            }
        }
        deserializer.deserialize_map(ListedVisitor)
    }
}

/// The ids in a group's list of members; `None` for anything but a list.
struct Members(Option<Vec<TargetId>>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("members")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Members, A::Error> {
                let mut ids = Vec::new();
                while let Some(element) = elements.next_element::<Json>()? {
                    ids.extend(member_id(&element));
                }
                Ok(Members(Some(ids)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Members, A::Error> {
                while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Members(None))
            }

            fn visit_unit<E>(self) -> Result<Members, E> {
                Ok(Members(None))
            }

            fn visit_str<E>(self, _: &str) -> Result<Members, E> {
                Ok(Members(None))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Members, E> {
                Ok(Members(None))
            }

            fn visit_u64<E>(self, _: u64) -> Result<Members, E> {
                Ok(Members(None))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Members, E> {
                Ok(Members(None))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Members, E> {
                Ok(Members(None))
            }
        }
        deserializer.deserialize_any(MembersVisitor)
    }
}

fn member_id(element: &Json) -> Option<TargetId> {
    match element {
        Json::Object(object) => id(member(object, "value")?),
        bare => id(bare),
    }
}

/// An error message (RFC 7644 section 3.12).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ErrorBody {
    /// Whether the body says so itself, rather than merely looking like it.
    pub(super) is_error: bool,
    pub(super) status: Option<u16>,
    pub(super) scim_type: Option<String>,
    pub(super) detail: Option<String>,
}

impl ErrorBody {
    pub(super) fn read(body: &[u8]) -> Self {
        let Ok(Json::Object(body)) = read_json(body) else {
            return Self::default();
        };
        let text = |name| {
            let text = member(&body, name)?.as_str()?.trim();
            (!text.is_empty()).then(|| text.to_owned())
        };
        Self {
            is_error: has_schema(&body, ERROR),
            status: member(&body, "status")
                .and_then(whole_number)
                .and_then(|status| u16::try_from(status).ok()),
            scim_type: text("scimType"),
            detail: text("detail"),
        }
    }
}

/// What matters of the answer to a write, read in one pass that keeps nothing else: the resource that
/// a create returns is what we just sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reply {
    /// Whether the body says so itself; some servers put an error message into a 2xx answer.
    pub(super) is_error: bool,
    pub(super) id: Option<TargetId>,
}

impl Reply {
    /// An empty one where the body is no JSON object.
    pub(super) fn read(body: &[u8]) -> Self {
        read_json(body).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Reply {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ReplyVisitor)
    }
}

struct ReplyVisitor;

impl<'de> Visitor<'de> for ReplyVisitor {
    type Value = Reply;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a resource or an error message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Reply, A::Error> {
        let mut reply = Reply::default();
        let mut has_exact_id = false;
        while let Some(name) = members.next_key()? {
            match name {
                Name::Schemas => {
                    reply.is_error |= names_schema(&members.next_value()?, ERROR);
                }
                Name::Id { is_exact } => {
                    let id = id(&members.next_value()?);
                    if is_exact || !has_exact_id {
                        reply.id = id;
                    }
                    has_exact_id |= is_exact;
                }
                Name::Other => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(reply)
    }
}

/// A member's name, whose case does not count (RFC 7643 section 2.1).
enum Name {
    Schemas,
    Id { is_exact: bool },
    Other,
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl Visitor<'_> for NameVisitor {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member's name")
            }

            fn visit_str<E>(self, name: &str) -> Result<Name, E> {
                Ok(if name.eq_ignore_ascii_case("schemas") {
                    Name::Schemas
                } else if name.eq_ignore_ascii_case("id") {
                    let is_exact = name == "id";
                    Name::Id { is_exact }
                } else {
                    Name::Other
                })
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

/// A resource's id, as text also where the server makes it a number.
pub(super) fn id(value: &Json) -> Option<TargetId> {
    match value {
        Json::String(id) if !id.is_empty() => Some(TargetId::new(id)),
        Json::Number(id) => Some(TargetId::new(id.to_string())),
        _ => None,
    }
}

/// The resource that a body holds.
pub(super) fn resource(body: &[u8]) -> Option<Resource> {
    match read_json(body).ok()? {
        Json::Object(resource) => Some(resource),
        _ => None,
    }
}

/// A member by its name, whose case does not count (RFC 7643 section 2.1).
pub(super) fn member<'a>(object: &'a Resource, name: &str) -> Option<&'a Json> {
    object.get(name).or_else(|| {
        object
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    })
}

/// The spelling of a name in an object.
pub(super) fn member_name(object: &Resource, name: &str) -> Option<String> {
    if object.contains_key(name) {
        return Some(name.to_owned());
    }
    object
        .keys()
        .find(|key| key.eq_ignore_ascii_case(name))
        .cloned()
}

fn has_schema(object: &Resource, urn: &str) -> bool {
    member(object, "schemas").is_some_and(|schemas| names_schema(schemas, urn))
}

fn names_schema(schemas: &Json, urn: &str) -> bool {
    let is_urn = |schema: &Json| {
        schema
            .as_str()
            .is_some_and(|schema| schema.eq_ignore_ascii_case(urn))
    };
    match schemas {
        Json::Array(schemas) => schemas.iter().any(is_urn),
        schema => is_urn(schema),
    }
}

pub(super) fn whole_number(value: &Json) -> Option<u64> {
    match value {
        Json::Number(number) => number.as_u64(),
        Json::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_in_every_shape() {
        for (body, expected) in [
            (r#"{"totalResults":0}"#, Some((Some(0), 0))),
            (
                r#"{"totalResults":"2","Resources":null}"#,
                Some((Some(2), 0)),
            ),
            (
                r#"{"totalresults":1,"resources":[{"id":1}]}"#,
                Some((Some(1), 1)),
            ),
            (
                r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"]}"#,
                Some((None, 0)),
            ),
            (r#"{"Resources":[7]}"#, None),
            (r#"{"hello":"world"}"#, None),
            ("[]", None),
            ("<html>", None),
            ("", None),
        ] {
            let list = List::read(body.as_bytes());
            let read = list.map(|list| (list.total, list.resources.len()));
            assert_eq!(read, expected, "{body}");
        }
    }

    #[test]
    fn members_that_are_not_shown_are_not_none() {
        let read = |group: &str| Listed::read(group.as_bytes()).map(|listed| listed.members);
        for none in [
            "null",
            "7",
            "-7",
            "0.5",
            "true",
            r#""a""#,
            r#"{"value":"a"}"#,
        ] {
            let group = format!(r#"{{"members":{none},"id":"g"}}"#);
            assert_eq!(read(&group), Some(None), "{none}");
        }
        assert_eq!(read("{}"), Some(None));
        assert_eq!(read(r#"{"members":[]}"#), Some(Some(vec![])));
        let ids = ["a", "2", "c"].map(TargetId::new).to_vec();
        let group =
            r#"{"Members":[{"value":"a","type":"User"},{"VALUE":2},"c",null,{"display":"d"}]}"#;
        assert_eq!(read(group), Some(Some(ids)));
        assert_eq!(read("[]"), None);
        assert_eq!(read(r#"{"members":[{"value":"a"}"#), None);
    }

    #[test]
    fn replies_are_read_in_every_shape() {
        let reply = |body: &str| {
            let Reply { is_error, id } = Reply::read(body.as_bytes());
            (is_error, id.map(|id| id.as_str().to_owned()))
        };
        let id = |id: &str| Some(id.to_owned());
        assert_eq!(
            reply(r#"{"emails":[{"id":"x"}],"id":"a\"b"}"#),
            (false, id("a\"b"))
        );
        assert_eq!(reply(r#"{"ID":7,"schemas":["x"]}"#), (false, id("7")));
        assert_eq!(reply(r#"{"id":"a","Id":"b"}"#), (false, id("a")));
        assert_eq!(reply(r#"{"Id":"b","id":"a"}"#), (false, id("a")));
        for none in ["", "[]", "<html>", r#"{"id":""}"#, r#"{"id":"a""#, "7"] {
            assert_eq!(reply(none), (false, None), "{none}");
        }
        let urn = "urn:ietf:params:scim:api:messages:2.0:Error";
        assert!(reply(&format!(r#"{{"schemas":["{urn}"]}}"#)).0);
        assert!(reply(&format!(r#"{{"Schemas":"{urn}","id":null}}"#)).0);
    }

    #[test]
    fn errors_are_read_in_every_shape() {
        let body = br#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status":"409","scimType":"uniqueness","detail":"taken"}"#;
        let error = ErrorBody::read(body);
        assert!(error.is_error);
        assert_eq!(error.status, Some(409));
        assert_eq!(error.scim_type.as_deref(), Some("uniqueness"));
        assert_eq!(ErrorBody::read(br#"{"status":404}"#).status, Some(404));
        assert_eq!(ErrorBody::read(b"<html>"), ErrorBody::default());
    }
}

//! What a target reports of itself: `/ServiceProviderConfig`, `/ResourceTypes` and `/Schemas` (RFC 7644
//! section 4). Servers leave out parts, or write one object where a list belongs, or a bare list: each
//! field is taken by itself, and what cannot be read is not known.

use std::collections::BTreeMap;

use reqwest::header::ALLOW;
use serde_json::{Map, Value as Json};

use super::error::Error;
use super::reader::Reader;
use super::request::Request;
use super::wire::{self, Resource, member};
use crate::engine::capabilities::{Attribute, Attributes, Capabilities, Kind};
use crate::engine::model::{ObjectKind, TargetId};
use crate::http::read_json;

const SERVICE: &str = "ServiceProviderConfig";
const TYPES: &str = "ResourceTypes";
const SCHEMAS: &str = "Schemas";
const DOCUMENTS: [&str; 3] = [SERVICE, TYPES, SCHEMAS];
/// Pages of one document that are read at most.
const PAGES: usize = 20;

impl Reader {
    /// Reads the documents, as JSON text to be kept and given to [`capabilities`]. A target that does not
    /// answer is an error; one that does not serve a document is none.
    pub(crate) async fn discover(&self) -> Result<String, Error> {
        let mut found = Map::new();
        for name in DOCUMENTS {
            match self.document(name).await {
                Ok(resources) => {
                    let resources = resources.into_iter().map(without_prose).map(Json::Object);
                    found.insert(name.to_owned(), Json::Array(resources.collect()));
                }
                Err(error) if error.exchange().is_some_and(|one| one.status.is_some()) => {
                    tracing::debug!(%error, "the target does not report {name}");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Json::Object(found).to_string())
    }

    /// The methods that one resource of this kind takes, as far as the target reports them (`Allow`).
    pub(crate) async fn methods(&self, kind: ObjectKind) -> Option<Vec<String>> {
        let nobody = TargetId::new(uuid::Uuid::new_v4().to_string());
        let request = Request::options(kind, &nobody).ok()?;
        let allow = self.connection.header_of(&request, &ALLOW).await?;
        let methods = allow.split(',').map(|one| one.trim().to_ascii_uppercase());
        let methods: Vec<String> = methods.filter(|one| !one.is_empty()).collect();
        // Some frameworks answer with a list of their own that leaves out what the service has.
        methods.iter().any(|one| one == "GET").then_some(methods)
    }

    async fn document(&self, name: &'static str) -> Result<Vec<Resource>, Error> {
        let mut all: Vec<Resource> = Vec::new();
        for _ in 0..PAGES {
            let parameters: Vec<(&str, String)> = if all.is_empty() {
                Vec::new()
            } else {
                vec![("startIndex", (all.len() + 1).to_string())]
            };
            let request = Request::discover(name, &parameters);
            let hidden = self.hidden();
            let answer = self.connection.read(&request, hidden).await?;
            let answer = self.connection.checked(answer, request.about, hidden)?;
            let Some((page, total)) = resources(&answer.body) else {
                return Err(self.connection.not_scim(answer, hidden));
            };
            let new: Vec<Resource> = page.into_iter().filter(|one| !all.contains(one)).collect();
            let is_end = new.is_empty();
            all.extend(new);
            if is_end || total.is_none_or(|total| all.len() as u64 >= total) {
                break;
            }
        }
        Ok(all)
    }
}

/// The resources of a document, whether it is a list, a bare array or one object.
fn resources(body: &[u8]) -> Option<(Vec<Resource>, Option<u64>)> {
    let objects = |values: Vec<Json>| {
        let values = values.into_iter();
        let objects = values.filter_map(|value| match value {
            Json::Object(resource) => Some(resource),
            _ => None,
        });
        objects.collect()
    };
    match read_json(body).ok()? {
        Json::Array(values) => Some((objects(values), None)),
        Json::Object(object) => match member(&object, "Resources") {
            Some(Json::Array(values)) => {
                let total = member(&object, "totalResults").and_then(wire::whole_number);
                Some((objects(values.clone()), total))
            }
            Some(Json::Object(one)) => Some((vec![one.clone()], None)),
            Some(Json::Null) => Some((Vec::new(), None)),
            _ => Some((vec![object], None)),
        },
        _ => None,
    }
}

/// The same without what is there for readers only: it is kept with the state.
fn without_prose(resource: Resource) -> Resource {
    let kept = resource
        .into_iter()
        .filter(|(name, _)| name != "description");
    kept.map(|(name, value)| (name, value_without_prose(value)))
        .collect()
}

fn value_without_prose(value: Json) -> Json {
    match value {
        Json::Object(object) => Json::Object(without_prose(object)),
        Json::Array(values) => values.into_iter().map(value_without_prose).collect(),
        other => other,
    }
}

/// What the documents say.
pub(crate) fn capabilities(text: &str) -> Capabilities {
    let Ok(Json::Object(documents)) = serde_json::from_str(text) else {
        return Capabilities::default();
    };
    let of = |name| -> Vec<&Resource> {
        let list = documents.get(name).and_then(Json::as_array);
        list.into_iter()
            .flatten()
            .filter_map(Json::as_object)
            .collect()
    };
    let service = of(SERVICE);
    let service = service.first();
    let part = |name| service.and_then(|config| member(config, name));
    let supported = |name| match part(name)? {
        Json::Object(part) => truth(member(part, "supported")?),
        other => truth(other),
    };
    let types = of(TYPES);
    let names_groups = |one: &&Resource| {
        let text = |name| member(one, name).and_then(Json::as_str).unwrap_or_default();
        text("endpoint")
            .trim_matches('/')
            .to_lowercase()
            .ends_with("groups")
            || text("name").eq_ignore_ascii_case("group")
            || text("id").eq_ignore_ascii_case("group")
    };
    let most = |part_of, name| {
        let most = member(part(part_of)?.as_object()?, name)?;
        wire::whole_number(most).filter(|most| *most > 0)
    };
    Capabilities {
        patch: supported("patch"),
        filter: supported("filter"),
        bulk: supported("bulk"),
        etag: supported("etag"),
        max_operations: most("bulk", "maxOperations"),
        max_payload: most("bulk", "maxPayloadSize"),
        max_results: most("filter", "maxResults"),
        groups: (!types.is_empty()).then(|| types.iter().any(names_groups)),
        schemas: of(SCHEMAS).into_iter().filter_map(schema).collect(),
    }
}

fn schema(schema: &Resource) -> Option<(String, Attributes)> {
    let urn = member(schema, "id").and_then(Json::as_str)?.to_lowercase();
    Some((urn, attributes(member(schema, "attributes")?)))
}

/// What is left out has the RFC's default (RFC 7643 section 2.2).
fn attributes(list: &Json) -> Attributes {
    let list = list.as_array().into_iter().flatten();
    let all = list.filter_map(Json::as_object).filter_map(|one| {
        let name = member(one, "name")?.as_str()?.to_owned();
        let mutability = member(one, "mutability").and_then(Json::as_str);
        let attribute = Attribute {
            is_read_only: mutability.is_some_and(|word| word.eq_ignore_ascii_case("readOnly")),
            required: member(one, "required").and_then(truth).unwrap_or(false),
            kind: member(one, "type").and_then(Json::as_str).and_then(kind),
            is_multi: member(one, "multiValued").and_then(truth).unwrap_or(false),
            is_unique: member(one, "uniqueness")
                .and_then(Json::as_str)
                .is_some_and(|word| {
                    word.eq_ignore_ascii_case("server") || word.eq_ignore_ascii_case("global")
                }),
            sub_attributes: member(one, "subAttributes")
                .map(attributes)
                .unwrap_or_default(),
            name,
        };
        Some((attribute.name.to_lowercase(), attribute))
    });
    all.collect::<BTreeMap<_, _>>()
}

/// A type of the standard, by its word.
fn kind(word: &str) -> Option<Kind> {
    Some(match word.to_ascii_lowercase().as_str() {
        "string" | "reference" | "binary" => Kind::Text,
        "boolean" => Kind::Boolean,
        "integer" | "decimal" => Kind::Number,
        "datetime" => Kind::DateTime,
        "complex" => Kind::Complex,
        _ => return None,
    })
}

/// A truth value, also as text.
fn truth(value: &Json) -> Option<bool> {
    match value {
        Json::Bool(value) => Some(*value),
        Json::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Json::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(documents: &[(&str, &str)]) -> Capabilities {
        let all = documents.iter().map(|(name, body)| {
            let (resources, _) = resources(body.as_bytes()).unwrap();
            let list = resources.into_iter().map(Json::Object).collect();
            ((*name).to_owned(), Json::Array(list))
        });
        capabilities(&Json::Object(all.collect()).to_string())
    }

    #[test]
    fn each_field_is_read_by_itself() {
        assert_eq!(capabilities("no JSON"), Capabilities::default());
        assert_eq!(
            read(&[(SERVICE, "{}"), (SCHEMAS, "[]")]),
            Capabilities::default()
        );
        let partial = r#"{"patch": {"supported": "false"}, "filter": {"maxResults": "50"},
            "bulk": true, "etag": 7, "sort": null}"#;
        let seen = read(&[(SERVICE, partial)]);
        assert_eq!(
            (seen.patch, seen.filter, seen.bulk, seen.etag),
            (Some(false), None, Some(true), None)
        );
        assert_eq!(seen.max_results, Some(50));
        for users_only in [
            r#"[{"id": "User", "endpoint": "/Users"}]"#,
            r#"{"totalResults": 1, "Resources": [{"name": "User"}, 7]}"#,
            r#"{"name": "User", "endpoint": "/Users"}"#,
        ] {
            assert_eq!(
                read(&[(TYPES, users_only)]).groups,
                Some(false),
                "{users_only}"
            );
        }
        assert_eq!(
            read(&[(TYPES, r#"[{"endpoint": "/v2/Groups"}]"#)]).groups,
            Some(true)
        );
    }
}

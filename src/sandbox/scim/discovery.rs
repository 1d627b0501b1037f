//! What the target says about itself: `/ServiceProviderConfig`, `/ResourceTypes`, `/Schemas`.

use serde_json::{Value, json};

use super::error::Refusal;
use super::personality::{Personality, Quirk};
use super::schema::{Kind, SCHEMAS};

pub(super) fn service_provider_config(base: &str, personality: &Personality) -> Value {
    let supports_patch =
        !personality.has(Quirk::NoPatch) && !personality.has(Quirk::PatchNotAllowed);
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "documentationUri": "https://www.rfc-editor.org/rfc/rfc7644",
        "patch": {"supported": supports_patch},
        "bulk": {
            "supported": personality.bulk.is_some(),
            "maxOperations": personality.bulk.map_or(0, |bulk| bulk.operations),
            "maxPayloadSize": personality.bulk.map_or(0, |bulk| bulk.payload),
        },
        "filter": {"supported": true, "maxResults": personality.page_cap},
        "changePassword": {"supported": false},
        "sort": {"supported": true},
        "etag": {"supported": true},
        "authenticationSchemes": [{
            "type": "oauthbearertoken", "name": "OAuth Bearer Token",
            "description": "Authentication with the sandbox's bearer token.",
            "specUri": "https://www.rfc-editor.org/rfc/rfc6750", "primary": true,
        }],
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": format!("{base}/ServiceProviderConfig"),
        },
    })
}

pub(super) fn resource_types(base: &str, personality: &Personality) -> Vec<Value> {
    let served = [Kind::User, Kind::Group]
        .into_iter()
        .filter(|kind| *kind == Kind::User || personality.groups_refused.is_none());
    served
        .map(|kind| {
            let extensions = kind.extension().into_iter();
            let extensions: Vec<Value> = extensions
                .map(|schema| json!({"schema": schema.id, "required": false}))
                .collect();
            let name = kind.name();
            json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
                "id": name, "name": name, "description": name,
                "endpoint": format!("/{}", kind.endpoint()),
                "schema": kind.core().id, "schemaExtensions": extensions,
                "meta": {"resourceType": "ResourceType", "location": format!("{base}/ResourceTypes/{name}")},
            })
        })
        .collect()
}

pub(super) fn schemas(base: &str, personality: &Personality) -> Vec<Value> {
    SCHEMAS
        .iter()
        .filter(|schema| schema.name != "Group" || personality.groups_refused.is_none())
        .map(|schema| shown(schema.describe(base), personality))
        .collect()
}

/// A schema as this target shows it.
fn shown(mut schema: Value, personality: &Personality) -> Value {
    if schema["name"] != "User" {
        return schema;
    }
    if let Some(attributes) = schema["attributes"].as_array_mut() {
        let name = |attribute: &Value| attribute["name"].as_str().unwrap_or_default().to_owned();
        attributes.retain(|attribute| !personality.unlisted.contains(&name(attribute)));
        for attribute in attributes {
            if personality.read_only.contains(&name(attribute)) {
                attribute["mutability"] = json!("readOnly");
            }
        }
    }
    schema
}

/// All of them, as a list.
pub(super) fn list(values: &[Value], personality: &Personality) -> Value {
    if personality.has(Quirk::BareDiscovery) {
        return json!(values);
    }
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": values.len(), "startIndex": 1, "itemsPerPage": values.len(),
        "Resources": values,
    })
}

/// The one with this id.
pub(super) fn one(values: Vec<Value>, id: &str) -> Result<Value, Refusal> {
    values
        .into_iter()
        .find(|value| {
            value["id"]
                .as_str()
                .is_some_and(|own| own.eq_ignore_ascii_case(id))
        })
        .ok_or_else(|| Refusal::not_found(id))
}

//! What the target refuses, and why, in the error format of RFC 7644 section 3.12.

use serde_json::{Value, json};

use super::super::reply::Reply;

pub(super) const JSON: &str = "application/scim+json";

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) scim_type: Option<&'static str>,
    pub(super) detail: String,
    pub(super) retry_after: Option<u64>,
}

impl Refusal {
    pub(super) fn new(
        status: u16,
        scim_type: Option<&'static str>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            status,
            scim_type,
            detail: detail.into(),
            retry_after: None,
        }
    }

    pub(super) fn bad(scim_type: &'static str, detail: impl Into<String>) -> Self {
        Self::new(400, Some(scim_type), detail)
    }

    pub(super) fn invalid_value(detail: impl Into<String>) -> Self {
        Self::bad("invalidValue", detail)
    }

    pub(super) fn invalid_filter(detail: impl Into<String>) -> Self {
        Self::bad("invalidFilter", detail)
    }

    pub(super) fn invalid_path(detail: impl Into<String>) -> Self {
        Self::bad("invalidPath", detail)
    }

    pub(super) fn mutability(name: &str) -> Self {
        Self::bad(
            "mutability",
            format!("Attribute '{name}' cannot be changed or removed."),
        )
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::new(404, None, format!("Resource '{what}' not found."))
    }

    pub(super) fn taken(detail: impl Into<String>) -> Self {
        Self::new(409, Some("uniqueness"), detail)
    }

    pub(super) fn into_reply(self) -> Reply {
        let Self {
            status,
            scim_type,
            detail,
            retry_after,
        } = self;
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": status.to_string(),
            "detail": detail,
        });
        if let Some(scim_type) = scim_type {
            body["scimType"] = Value::from(scim_type);
        }
        let reply = Reply::new(status, JSON, body.to_string());
        match retry_after {
            Some(seconds) => reply.with("retry-after", seconds.to_string()),
            None => reply,
        }
    }
}

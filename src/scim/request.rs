//! A request to the target as a value: what is sent is known, can be listed and compared before
//! anything is sent. Built by pure functions, sent by [`super::Writer`] and [`super::Reader`].

use reqwest::Method;

use super::error::{About, Error};
use super::route;
use crate::engine::model::{ObjectKind, TargetId};
use crate::http::Idempotency;

/// Unless the target wants another.
const MEDIA_TYPE: &str = "application/scim+json";

/// One request. Where it goes is relative to the base URL, so that it is the same for every address of
/// the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// The kind of resource that it is about.
    pub(super) kind: ObjectKind,
    pub(crate) method: Method,
    /// Encoded, below the path of the base URL: `/Users/2819c223`.
    pub(crate) path: String,
    /// Encoded; the query of the base URL comes before it.
    pub(crate) query: String,
    /// JSON, exactly as it is sent.
    pub(crate) body: Option<Vec<u8>>,
    /// The type of the body.
    pub(super) media_type: &'static str,
    /// After which failures it may be sent again.
    pub(crate) repeat: Idempotency,
    /// Whether 404 means the resource or the whole endpoint.
    pub(super) about: About,
    /// The version of the resource that the request was made for (`If-Match`, RFC 7644 section 3.14).
    pub(super) version: Option<String>,
}

impl Request {
    /// Reads a page of a collection; parameters as they are after decoding.
    pub(super) fn list(
        kind: ObjectKind,
        parameters: &[(&str, String)],
        repeat: Idempotency,
    ) -> Self {
        Self {
            kind,
            method: Method::GET,
            path: route::collection(kind),
            query: route::query(parameters),
            body: None,
            media_type: MEDIA_TYPE,
            repeat,
            about: About::Collection,
            version: None,
        }
    }

    /// Reads what the target reports of itself.
    pub(super) fn discover(document: &str, parameters: &[(&str, String)]) -> Self {
        Self {
            path: format!("/{document}"),
            ..Self::list(ObjectKind::User, parameters, Idempotency::IfNotProcessed)
        }
    }

    /// Reads one resource, likewise.
    pub(super) fn read(
        kind: ObjectKind,
        id: &TargetId,
        parameters: &[(&str, String)],
    ) -> Result<Self, Error> {
        Ok(Self {
            query: route::query(parameters),
            ..Self::to_resource(Method::GET, kind, id, None, Idempotency::Always)?
        })
    }

    /// Asks which methods a resource takes.
    pub(super) fn options(kind: ObjectKind, id: &TargetId) -> Result<Self, Error> {
        let repeat = Idempotency::IfNotProcessed;
        Self::to_resource(Method::OPTIONS, kind, id, None, repeat)
    }

    pub(super) fn create(kind: ObjectKind, body: Vec<u8>) -> Self {
        Self {
            kind,
            method: Method::POST,
            path: route::collection(kind),
            query: String::new(),
            body: Some(body),
            media_type: MEDIA_TYPE,
            repeat: Idempotency::IfNotProcessed,
            about: About::Collection,
            version: None,
        }
    }

    /// Several requests in one; the type of its body is theirs.
    pub(super) fn bulk(body: Vec<u8>, media_type: &'static str) -> Self {
        Self {
            path: "/Bulk".to_owned(),
            ..Self::create(ObjectKind::User, body).typed(media_type)
        }
    }

    /// An element or a member that is added twice may be there twice on a lax server.
    pub(super) fn patch(
        kind: ObjectKind,
        id: &TargetId,
        body: Vec<u8>,
        about: About,
    ) -> Result<Self, Error> {
        let repeat = Idempotency::IfNotProcessed;
        Ok(Self {
            about,
            ..Self::to_resource(Method::PATCH, kind, id, Some(body), repeat)?
        })
    }

    /// What is replaced was read before, in this version where the target shows one: later, someone else
    /// may have changed it meanwhile.
    pub(super) fn replace(
        kind: ObjectKind,
        id: &TargetId,
        body: Vec<u8>,
        version: Option<&str>,
    ) -> Result<Self, Error> {
        let repeat = Idempotency::IfNotProcessed;
        Ok(Self {
            version: version.map(str::to_owned),
            ..Self::to_resource(Method::PUT, kind, id, Some(body), repeat)?
        })
    }

    /// Sent again only after a read: meanwhile the id may be another object's.
    pub(super) fn delete(kind: ObjectKind, id: &TargetId) -> Result<Self, Error> {
        let repeat = Idempotency::IfNotProcessed;
        Self::to_resource(Method::DELETE, kind, id, None, repeat)
    }

    /// The same for a version of the resource.
    #[must_use]
    pub(crate) fn for_version(mut self, version: &str) -> Self {
        self.version = Some(version.to_owned());
        self
    }

    /// The same with another type of its body.
    #[must_use]
    pub(super) fn typed(mut self, media_type: &'static str) -> Self {
        self.media_type = media_type;
        self
    }

    fn to_resource(
        method: Method,
        kind: ObjectKind,
        id: &TargetId,
        body: Option<Vec<u8>>,
        repeat: Idempotency,
    ) -> Result<Self, Error> {
        let path = route::resource(kind, id).ok_or_else(|| Error::UnusableId {
            id: id.as_str().to_owned(),
        })?;
        Ok(Self {
            kind,
            method,
            path,
            query: String::new(),
            body,
            media_type: MEDIA_TYPE,
            repeat,
            about: About::Object,
            version: None,
        })
    }
}

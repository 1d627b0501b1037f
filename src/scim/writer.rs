//! Writing to the target: each method is one request. Whether two of them may run at once is the
//! caller's business: one write in flight per object.

use std::collections::BTreeMap;

use reqwest::Method;
use reqwest::header::LOCATION;
use serde_json::Value as Json;
use url::Url;

use super::connection::Connection;
use super::error::{About, Error};
use super::reader::Reader;
use super::wire::{self, Operation};
use super::{patch, resource, route};
use crate::engine::model::{ObjectKind, TargetId, TargetPath, Value};
use crate::engine::outcome::Class;
use crate::engine::plan::Change;
use crate::engine::redact::Hidden;
use crate::http::{Exchange, Repeat, Want};

/// The answer to a create is one resource, which we just sent ourselves.
const MAX_CREATED: usize = 4 * 1024 * 1024;

/// A target that can be changed.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    connection: Connection,
}

/// A resource that the target has now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Created {
    pub(crate) id: TargetId,
    pub(crate) exchange: Exchange,
}

impl Writer {
    /// Shares the reader's connections, pacing and count of requests.
    pub(crate) fn new(reader: &Reader) -> Self {
        Self {
            connection: reader.connection.clone(),
        }
    }

    /// The same, with something to be taken out of the target's words.
    pub(crate) fn hiding(&self, hidden: Hidden) -> Self {
        Self {
            connection: self.connection.hiding(hidden),
        }
    }

    /// Creates a resource with everything but members. On [`Error::may_be_duplicate`],
    /// [`Error::unconfirmed`] or [`Error::NoIdInAnswer`] the object may be there: look it up before
    /// creating it again.
    pub(crate) async fn create(
        &self,
        kind: ObjectKind,
        attributes: &BTreeMap<TargetPath, Value>,
        references: &[(TargetPath, TargetId)],
    ) -> Result<Created, Error> {
        let url = self.connection.routes.collection(kind, &[]);
        let body = Json::Object(resource::body(kind, attributes, references));
        let want = Want::Body { limit: MAX_CREATED };
        let repeat = Repeat::IfNotProcessed;
        let about = About::Collection;
        let answer = self
            .connection
            .send(Method::POST, &url, about, repeat, want, Some(&body))
            .await?;
        let answer = self.connection.checked(answer, about)?;
        let in_body = wire::resource(&answer.body).as_ref().and_then(resource::id);
        let id = in_body.or_else(|| {
            let location = answer.header(LOCATION.as_str())?;
            route::id_in_location(self.connection.routes.base(), kind, location)
        });
        let exchange = answer.exchange;
        match id {
            Some(id) => Ok(Created { id, exchange }),
            None => Err(Error::NoIdInAnswer { exchange }),
        }
    }

    /// Makes all changes of one object in one request. `None`: there was nothing to send.
    pub(crate) async fn patch(
        &self,
        kind: ObjectKind,
        id: &TargetId,
        changes: &[Change],
        references: &[(TargetPath, Option<TargetId>)],
    ) -> Result<Option<Exchange>, Error> {
        let mut operations = patch::operations(kind, changes);
        operations.extend(
            references
                .iter()
                .map(|(path, to)| patch::set_reference(path, to.as_ref())),
        );
        self.send(kind, id, &operations).await
    }

    /// Points a reference of a user, such as its manager, to another object, or to nothing.
    pub(crate) async fn set_reference(
        &self,
        id: &TargetId,
        path: &TargetPath,
        to: Option<&TargetId>,
    ) -> Result<Exchange, Error> {
        let operations = [patch::set_reference(path, to)];
        let sent = self.send(ObjectKind::User, id, &operations).await?;
        Ok(sent.expect("one operation is sent"))
    }

    /// Adds members; the caller keeps to the dialect's `member_chunk`. `None`: there were none.
    pub(crate) async fn add_members(
        &self,
        group: &TargetId,
        members: &[TargetId],
    ) -> Result<Option<Exchange>, Error> {
        if members.is_empty() {
            return Ok(None);
        }
        let operations = patch::add_members(members);
        self.send(ObjectKind::Group, group, &operations).await
    }

    /// Takes members out, likewise.
    pub(crate) async fn remove_members(
        &self,
        group: &TargetId,
        members: &[TargetId],
    ) -> Result<Option<Exchange>, Error> {
        // A `remove` of `members` with an empty list would take out everyone.
        if members.is_empty() {
            return Ok(None);
        }
        let operations = patch::remove_members(self.connection.member_remove, members);
        self.send(ObjectKind::Group, group, &operations).await
    }

    /// Removes a resource; one that is not there is removed.
    pub(crate) async fn delete(&self, kind: ObjectKind, id: &TargetId) -> Result<Exchange, Error> {
        let url = self.url(kind, id)?;
        let about = About::Object;
        let answer = self
            .connection
            .send(
                Method::DELETE,
                &url,
                about,
                Repeat::Always,
                Want::Status,
                None,
            )
            .await
            .and_then(|answer| self.connection.checked(answer, about));
        match answer {
            Ok(answer) => Ok(answer.exchange),
            Err(error) => match error.exchange() {
                Some(exchange) if error.class() == Class::Gone => {
                    self.connection.confirm_service(kind).await?;
                    Ok(exchange.clone())
                }
                _ => Err(error),
            },
        }
    }

    async fn send(
        &self,
        kind: ObjectKind,
        id: &TargetId,
        operations: &[Operation],
    ) -> Result<Option<Exchange>, Error> {
        if operations.is_empty() {
            return Ok(None);
        }
        let url = self.url(kind, id)?;
        let body = wire::patch(operations);
        let about = About::Object;
        // An element or a member that is added twice may be there twice on a lax server.
        let repeat = Repeat::IfNotProcessed;
        let answer = self
            .connection
            .send(
                Method::PATCH,
                &url,
                about,
                repeat,
                Want::Status,
                Some(&body),
            )
            .await?;
        let answer = self.connection.checked(answer, about)?;
        Ok(Some(answer.exchange))
    }

    fn url(&self, kind: ObjectKind, id: &TargetId) -> Result<Url, Error> {
        let url = self.connection.routes.resource(kind, id, &[]);
        url.ok_or_else(|| Error::UnusableId {
            id: id.as_str().to_owned(),
        })
    }
}

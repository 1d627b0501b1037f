//! Writing to the target: sends one request. Whether two of them may run at once is the caller's
//! business: one write in flight per object.

use std::sync::Arc;

use reqwest::Method;
use reqwest::header::LOCATION;

use super::connection::Connection;
use super::dialect::Shown;
use super::error::Error;
use super::reader::Reader;
use super::request::Request;
use super::wire::{self, Reply};
use super::{resource, route};
use crate::engine::model::TargetId;
use crate::engine::redact::Hidden;
use crate::http::{Answer, Exchange, Expect};

/// The answer to a create is one resource, which we just sent ourselves.
const MAX_CREATED: usize = 4 * 1024 * 1024;

/// A target that can be changed.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    connection: Arc<Connection>,
}

/// A request that the target carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Of a created resource; always there after a create.
    pub(crate) id: Option<TargetId>,
    pub(crate) exchange: Exchange,
    /// The resource as the answer to a change shows it, where it does.
    pub(crate) shown: Option<Shown>,
}

impl Writer {
    /// Shares the reader's connections, pacing and count of requests.
    pub(crate) fn new(reader: &Reader) -> Self {
        Self {
            connection: Arc::clone(&reader.connection),
        }
    }

    /// Sends a request; `hidden` is taken out of what the target says. After a create, on
    /// [`Error::may_be_duplicate`], [`Error::unconfirmed`] or [`Error::NoIdInAnswer`], the object may
    /// exist: look it up before creating it again.
    pub(crate) async fn send(&self, request: &Request, hidden: &Hidden) -> Result<Sent, Error> {
        let is_create = request.method == Method::POST;
        let expect = if is_create {
            Expect::Body { limit: MAX_CREATED }
        } else {
            Expect::Status
        };
        let connection = &*self.connection;
        let (answer, reply) = self.carried_out(request, expect, hidden).await?;
        if !is_create {
            // Of a group the answer may hold all members: only its beginning is kept then.
            let shown = wire::resource(&answer.body).filter(|one| resource::id(one).is_some());
            return Ok(Sent {
                id: None,
                shown: shown.map(Shown),
                exchange: answer.exchange,
            });
        }
        let id = reply.id.or_else(|| {
            let location = answer.header(LOCATION.as_str())?;
            route::id_in_location(connection.routes().base(), request.kind, location)
        });
        let exchange = answer.exchange;
        match id {
            Some(_) => Ok(Sent {
                id,
                exchange,
                shown: None,
            }),
            None => Err(Error::NoIdInAnswer { exchange }),
        }
    }

    async fn carried_out(
        &self,
        request: &Request,
        expect: Expect,
        hidden: &Hidden,
    ) -> Result<(Answer, Reply), Error> {
        let connection = &*self.connection;
        let answer = connection.send(request, expect, hidden).await?;
        let reply = Reply::read(&answer.body);
        if reply.is_error {
            return Err(connection.refused(answer, request.about, hidden));
        }
        Ok((answer, reply))
    }
}

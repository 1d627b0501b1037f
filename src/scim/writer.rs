//! Writing to the target: sends one request. Whether two of them may run at once is the caller's
//! business: one write in flight per object.

use std::sync::Arc;

use reqwest::Method;
use reqwest::header::LOCATION;

use super::bulk::{self, InBulk, Part};
use super::connection::Connection;
use super::dialect::Shown;
use super::error::{About, Error};
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
        let expect = if request.method == Method::POST {
            Expect::Body { limit: MAX_CREATED }
        } else {
            Expect::Status
        };
        let answer = self.connection.answer(request, expect).await?;
        self.understood(request, answer, hidden)
    }

    /// Sends several requests in one, and gives what was answered to each.
    pub(crate) async fn send_bulk(&self, parts: &[&Part]) -> InBulk {
        let connection = &*self.connection;
        let expect = Expect::Body {
            limit: MAX_CREATED * parts.len().max(1),
        };
        let request = bulk::request(parts);
        let each_failed = |error: &dyn Fn(&Part) -> Error| InBulk::Lost {
            results: parts.iter().map(|part| Err(error(part))).collect(),
            lied: None,
        };
        let answer = match connection.answer(&request, expect).await {
            Ok(answer) => answer,
            Err(Error::Http(error)) => {
                let of = |part: &Part| {
                    Error::Http(error.of(|exchange| part.exchange(connection.routes(), exchange)))
                };
                return each_failed(&of);
            }
            Err(error) => return InBulk::NotTaken(error.failure().message),
        };
        let hidden = Hidden::default();
        let refused = || connection.refused(answer.clone(), About::Collection, &hidden);
        match answer.status {
            200..=299 => {}
            413 => return InBulk::TooLarge(refused().to_string()),
            400 if refused().is_too_many() => return InBulk::TooLarge(refused().to_string()),
            501 => return InBulk::NotTaken(refused().to_string()),
            401 | 408 | 429 | 500.. => {
                return each_failed(&|part: &Part| {
                    let mut answer = answer.clone();
                    part.exchange(connection.routes(), &mut answer.exchange);
                    connection.refused(answer, About::Object, &part.hidden)
                });
            }
            _ => return InBulk::NotTaken(refused().to_string()),
        }
        let Some(operations) = bulk::operations(&answer.body) else {
            let message = connection.not_scim(answer.clone(), &hidden).to_string();
            return InBulk::Lost {
                results: parts
                    .iter()
                    .map(|part| Err(self.not_answered(part, &answer)))
                    .collect(),
                lied: Some(message),
            };
        };
        let answers = bulk::answers(parts, &operations);
        let is_whole = answers.iter().all(Option::is_some);
        let results = parts.iter().zip(answers).map(|(part, found)| {
            let Some(found) = found else {
                return Err(self.not_answered(part, &answer));
            };
            let mut exchange = answer.exchange.clone();
            part.exchange(connection.routes(), &mut exchange);
            self.understood(&part.request, found.answer(exchange), &part.hidden)
        });
        InBulk::Each {
            results: results.collect(),
            incomplete: (!is_whole).then(|| {
                let Exchange { method, path, .. } = &answer.exchange;
                format!("{method} {path}: the response does not contain every operation")
            }),
        }
    }

    fn not_answered(&self, part: &Part, answer: &Answer) -> Error {
        let mut exchange = answer.exchange.clone();
        part.exchange(self.connection.routes(), &mut exchange);
        Error::NotInBulk { exchange }
    }

    /// What an answer to a request means, whichever way it came.
    fn understood(
        &self,
        request: &Request,
        answer: Answer,
        hidden: &Hidden,
    ) -> Result<Sent, Error> {
        let connection = &*self.connection;
        let answer = connection.judged(answer, request.about, hidden)?;
        let reply = Reply::read(&answer.body);
        if reply.is_error {
            return Err(connection.refused(answer, request.about, hidden));
        }
        if request.method != Method::POST {
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
}

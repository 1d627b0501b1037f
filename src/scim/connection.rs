//! One target over HTTP: headers, and what makes an answer a refusal. Shared by reader and writer,
//! which each use their half of it.

use std::sync::{Arc, Mutex};

use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::auth::Token;
use super::error::{About, Error, Words, is_page};
use super::route::Routes;
use super::wire::{self, ErrorBody, List};
use crate::config::{MemberRemove, Target, bounded};
use crate::engine::model::{ObjectKind, TargetPath};
use crate::engine::redact::Hidden;
use crate::http::{self, Answer, Channel, Exchange, Repeat, Settings, Want};

/// The longest body that is read: a page of large users, or one large group with its members.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// Cheap to clone; clones share connections, pacing and the count of requests.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    channel: Channel,
    pub(super) routes: Routes,
    authorization: HeaderValue,
    token: Token,
    pub(super) page_size: usize,
    pub(super) member_remove: MemberRemove,
    /// For users and for groups; `None`: any.
    filterable: [Option<Vec<TargetPath>>; 2],
    reads: Arc<Mutex<Vec<Read>>>,
    /// What neither errors nor the record may repeat of an answer.
    hidden: Arc<Hidden>,
}

/// A request that changed nothing, for the record (product rule 9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) exchange: Exchange,
    /// What went wrong, where something did.
    pub(crate) error: Option<String>,
}

impl Connection {
    pub(super) fn new(
        target: &Target,
        token: Token,
        stop: CancellationToken,
    ) -> Result<Self, Error> {
        let base = http::check_url(&target.base_url).map_err(|source| Error::BaseUrl { source })?;
        let authorization = token.header().ok_or(Error::Token)?;
        let roots = target
            .ca_certificate
            .as_ref()
            .map(|path| {
                bounded::read_file(path, bounded::MAX_CERTIFICATES).map_err(|source| {
                    Error::Certificate {
                        path: path.clone(),
                        source,
                    }
                })
            })
            .transpose()?;
        let client = http::build(&Settings {
            connections: target.concurrency,
            timeout: target.timeout,
            extra_roots: roots.as_deref(),
            direct: http::is_loopback(&base),
        })
        .map_err(|source| Error::Client { source })?;
        let filterable = [ObjectKind::User, ObjectKind::Group].map(|kind| {
            let paths = target.dialect.filterable.of(kind)?.iter();
            Some(
                paths
                    .filter_map(|path| TargetPath::parse(path).ok())
                    .collect(),
            )
        });
        Ok(Self {
            channel: Channel::new(client, target.requests_per_second, stop),
            routes: Routes::new(base),
            authorization,
            token,
            page_size: target.dialect.page_size.max(1),
            member_remove: target.dialect.member_remove,
            filterable,
            reads: Arc::default(),
            hidden: Arc::default(),
        })
    }

    /// The same connection, with something to be taken out of the target's words.
    pub(super) fn hiding(&self, hidden: Hidden) -> Self {
        Self {
            hidden: Arc::new(hidden),
            ..self.clone()
        }
    }

    /// The reads since the last time this was asked.
    pub(super) fn take_reads(&self) -> Vec<Read> {
        let mut reads = self.reads.lock().expect("no holder of this lock panics");
        std::mem::take(&mut *reads)
    }

    pub(super) fn requests(&self) -> u64 {
        self.channel.requests()
    }

    /// Whether look-ups may filter by `path`.
    pub(super) fn is_filterable(&self, kind: ObjectKind, path: &TargetPath) -> bool {
        match self.filterable(kind) {
            None => true,
            Some(paths) => paths.contains(path),
        }
    }

    /// The first path that look-ups may filter by, where they are limited.
    pub(super) fn first_filterable(&self, kind: ObjectKind) -> Option<&TargetPath> {
        self.filterable(kind)?.first()
    }

    fn filterable(&self, kind: ObjectKind) -> Option<&[TargetPath]> {
        let [users, groups] = &self.filterable;
        match kind {
            ObjectKind::User => users.as_deref(),
            ObjectKind::Group => groups.as_deref(),
        }
    }

    /// Reads one page of a collection.
    pub(super) async fn list(
        &self,
        kind: ObjectKind,
        repeat: Repeat,
        parameters: &[(&str, String)],
    ) -> Result<(List, Exchange), Error> {
        let url = self.routes.collection(kind, parameters);
        let answer = self.get(&url, About::Collection, repeat).await?;
        match List::read(&answer.body) {
            Some(list) => Ok((list, answer.exchange)),
            None => Err(match self.checked(answer, About::Collection) {
                Ok(answer) => self.not_scim(answer),
                Err(error) => error,
            }),
        }
    }

    /// Whether the target answers for this kind at all. Where it was moved or switched off, 404 says
    /// nothing about one object: the error is the collection's own.
    pub(super) async fn confirm_service(&self, kind: ObjectKind) -> Result<(), Error> {
        let parameters = [("count", "1".to_owned())];
        let answer = self.list(kind, Repeat::Always, &parameters).await;
        answer.map(|_| ())
    }

    /// Reads a URL; the answer may still hold an error message ([`Self::checked`]).
    pub(super) async fn get(
        &self,
        url: &Url,
        about: About,
        repeat: Repeat,
    ) -> Result<Answer, Error> {
        let want = Want::Body { limit: MAX_BODY };
        let sent = self.send(Method::GET, url, about, repeat, want, None).await;
        let read = match &sent {
            Ok(answer) => Some((&answer.exchange, None)),
            Err(error) => error
                .exchange()
                .map(|exchange| (exchange, Some(error.failure().message))),
        };
        if let Some((exchange, error)) = read {
            let exchange = exchange.clone();
            let mut reads = self.reads.lock().expect("no holder of this lock panics");
            reads.push(Read { exchange, error });
        }
        sent
    }

    /// Sends a request whose success the status tells: any 2xx that is not an HTML page.
    pub(super) async fn send(
        &self,
        method: Method,
        url: &Url,
        about: About,
        repeat: Repeat,
        want: Want,
        body: Option<&Json>,
    ) -> Result<Answer, Error> {
        // An empty content type on a GET is refused by some, so it goes with a body only.
        let body = body.map(Json::to_string);
        let sent = self.channel.send(repeat, want, |client| {
            let request = client
                .request(method.clone(), url.clone())
                .header(AUTHORIZATION, self.authorization.clone())
                .header(ACCEPT, wire::ACCEPT);
            match &body {
                Some(body) => request
                    .header(CONTENT_TYPE, wire::MEDIA_TYPE)
                    .body(body.clone()),
                None => request,
            }
        });
        let answer = sent.await?;
        if !answer.is_success() {
            return Err(self.refused(answer, about));
        }
        if is_page(&answer.body) {
            return Err(self.not_scim(answer));
        }
        Ok(answer)
    }

    /// Some servers put an error message into a 2xx answer.
    pub(super) fn checked(&self, answer: Answer, about: About) -> Result<Answer, Error> {
        if ErrorBody::read(&answer.body).is_error {
            Err(self.refused(answer, about))
        } else {
            Ok(answer)
        }
    }

    pub(super) fn not_scim(&self, answer: Answer) -> Error {
        // It may be a resource all the same, with values that nobody is to see.
        let words = if answer.is_success() && self.hidden.is_in_data() {
            Words::withheld()
        } else {
            self.words(&answer)
        };
        Error::NotScim {
            exchange: answer.exchange,
            words: Box::new(words),
        }
    }

    fn refused(&self, answer: Answer, about: About) -> Error {
        let redirect = (300..400).contains(&answer.status);
        let words = match answer.header(LOCATION.as_str()) {
            Some(location) if redirect => Words::redirect(&self.place(location), &self.hidden),
            _ => self.words(&answer),
        };
        Error::Refused {
            turned_away: answer.status == 503 && answer.retry_after().is_some(),
            exchange: answer.exchange,
            words: Box::new(words),
            about,
        }
    }

    fn words(&self, answer: &Answer) -> Words {
        Words::read(&answer.body, self.token.secret(), &self.hidden)
    }

    /// Where a link leads, without its query.
    fn place(&self, location: &str) -> String {
        match self.routes.base().join(location) {
            Ok(mut url) => {
                url.set_query(None);
                url.set_fragment(None);
                http::redact(url.as_str())
            }
            Err(_) => "something that is not a URL".to_owned(),
        }
    }
}

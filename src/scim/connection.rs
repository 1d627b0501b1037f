//! One target over HTTP: headers, and what makes an answer a refusal. Shared by reader and writer,
//! which each use their half of it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{
    ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, IF_MATCH, LOCATION,
};
use tokio_util::sync::CancellationToken;

use super::access::{Access, Pass};
use super::error::{About, Error};
use super::filter;
use super::message::{ServerMessage, is_page};
use super::pager::{COUNT, EXCLUDED_ATTRIBUTES, START_INDEX};
use super::request::Request;
use super::route::{Routes, collection};
use super::wire::{self, List, Reply};
use crate::config::{Count, DialectSettings, Target, bounded};
use crate::engine::model::{ObjectKind, TargetPath, Value};
use crate::engine::redact::Hidden;
use crate::http::{self, Answer, Channel, Exchange, Expect, Gate, Idempotency, Settings};
use crate::metrics::Side;

/// The longest body that is read: a page of large users, or one large group with its members.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// What is left out of a read that is refused, in the order in which it is tried. Without `startIndex` no longer list
/// can be read, so it goes last.
const OMISSIONS: [&[&str]; 6] = [
    &[COUNT],
    &[EXCLUDED_ATTRIBUTES],
    &[COUNT, EXCLUDED_ATTRIBUTES],
    &[START_INDEX],
    &[COUNT, START_INDEX],
    &[COUNT, EXCLUDED_ATTRIBUTES, START_INDEX],
];

/// Shared by the reader and the writer of one target. What neither errors nor the record may repeat of
/// an answer comes with each request.
#[derive(Debug)]
pub(super) struct Connection {
    channel: Channel,
    routes: Routes,
    access: Access,
    manner: RwLock<Manner>,
    reads: Mutex<Vec<Read>>,
    /// Parameters of lists that the target turned out not to take.
    omitted: Mutex<BTreeSet<&'static str>>,
    /// For users and for groups: filters that find nothing are answered 404.
    not_found_is_nobody: [AtomicBool; 2],
    /// Nothing is sent: the target is taken for one that holds and reports nothing.
    is_absent: bool,
}

/// What the target turned out to take.
#[derive(Debug)]
struct Manner {
    page_size: usize,
    /// For users and for groups; `None`: any.
    filterable: [Option<Vec<TargetPath>>; 2],
    omits_count: bool,
}

impl Manner {
    fn new(settings: &DialectSettings) -> Self {
        let filterable = [ObjectKind::User, ObjectKind::Group].map(|kind| {
            let paths = settings.filterable.of(kind)?.iter();
            Some(
                paths
                    .filter_map(|path| TargetPath::parse(path).ok())
                    .collect(),
            )
        });
        Self {
            page_size: settings.page_size().max(1),
            filterable,
            omits_count: settings.knobs.form().count == Count::Omit,
        }
    }

    fn filterable(&self, kind: ObjectKind) -> Option<&[TargetPath]> {
        let [users, groups] = &self.filterable;
        match kind {
            ObjectKind::User => users.as_deref(),
            ObjectKind::Group => groups.as_deref(),
        }
    }
}

/// What a target answers that holds and reports nothing.
fn nothing(request: &Request) -> Answer {
    let is_list = ObjectKind::ALL
        .into_iter()
        .any(|kind| request.path == collection(kind));
    let (status, body) = if is_list {
        (200, wire::EMPTY_LIST)
    } else {
        (404, "")
    };
    Answer {
        exchange: Exchange {
            method: request.method.clone(),
            path: request.path.clone(),
            status: Some(status),
            attempts: 0,
            elapsed: Duration::ZERO,
        },
        status,
        headers: HeaderMap::new(),
        body: body.into(),
    }
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
        access: Access,
        stop: CancellationToken,
        gate: Gate,
    ) -> Result<Self, Error> {
        let base = http::check_url(&target.base_url).map_err(|source| Error::BaseUrl { source })?;
        access.check()?;
        let roots = roots(target)?;
        let client = http::build(&Settings {
            connections: target.concurrency,
            timeout: target.timeout,
            extra_roots: roots.as_deref(),
            identity: access.certificate()?.map(str::as_bytes),
            proxy: target.proxy.as_deref(),
            direct: http::is_loopback(&base),
        })
        .map_err(|source| Error::Client { source })?;
        Ok(Self {
            channel: Channel::new(Side::Target, client, None, stop)
                .learning(
                    base.as_str(),
                    target.requests_per_second,
                    target.concurrency,
                )
                .through(gate),
            routes: Routes::new(base),
            access,
            manner: RwLock::new(Manner::new(&target.dialect)),
            reads: Mutex::default(),
            omitted: Mutex::default(),
            not_found_is_nobody: Default::default(),
            is_absent: false,
        })
    }

    /// In place of a target that is not asked. It needs neither a credential nor a certificate.
    pub(super) fn absent(target: &Target, stop: CancellationToken) -> Result<Self, Error> {
        let target = Target {
            ca_certificate: None,
            ..target.clone()
        };
        Ok(Self {
            is_absent: true,
            ..Self::new(&target, Access::none(), stop, Gate::default())?
        })
    }

    pub(super) fn access(&self) -> &Access {
        &self.access
    }

    pub(super) fn routes(&self) -> &Routes {
        &self.routes
    }

    /// The reads since the last call.
    pub(super) fn take_reads(&self) -> Vec<Read> {
        let mut reads = self.reads.lock().expect("no holder of this lock panics");
        std::mem::take(&mut *reads)
    }

    pub(super) fn requests(&self) -> u64 {
        self.channel.requests()
    }

    /// Whether look-ups may filter by `path`.
    pub(super) fn is_filterable(&self, kind: ObjectKind, path: &TargetPath) -> bool {
        let manner = self.manner();
        let paths = manner.filterable(kind);
        paths.is_none_or(|paths| paths.contains(path))
    }

    /// The first path that look-ups may filter by, where they are limited.
    pub(super) fn first_filterable(&self, kind: ObjectKind) -> Option<TargetPath> {
        self.manner().filterable(kind)?.first().cloned()
    }

    pub(super) fn page_size(&self) -> usize {
        self.manner().page_size
    }

    /// Whether reads go without this parameter.
    pub(super) fn omits(&self, parameter: &str) -> bool {
        self.omitted().contains(parameter) || parameter == COUNT && self.manner().omits_count
    }

    /// The parameters that the target turned out to refuse.
    pub(super) fn refused_parameters(&self) -> Vec<&'static str> {
        self.omitted().iter().copied().collect()
    }

    /// From now on reads go without these parameters, because the target answers without them.
    pub(super) fn omit(&self, parameters: &[&'static str], error: &Error) {
        self.omitted().extend(parameters);
        tracing::info!(
            words = error.failure().message,
            "the target does not take the parameters {}: they are left out from now on",
            parameters.join(", ")
        );
    }

    fn omitted(&self) -> MutexGuard<'_, BTreeSet<&'static str>> {
        self.omitted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on as it is known now.
    pub(super) fn adapt(&self, settings: &DialectSettings) {
        let mut manner = self.manner.write().unwrap_or_else(PoisonError::into_inner);
        *manner = Manner::new(settings);
    }

    fn manner(&self) -> RwLockReadGuard<'_, Manner> {
        self.manner.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads one page of a collection.
    pub(super) async fn list(
        &self,
        kind: ObjectKind,
        repeat: Idempotency,
        parameters: &[(&str, String)],
        hidden: &Hidden,
    ) -> Result<(List, Exchange), Error> {
        let request = Request::list(kind, parameters, repeat);
        let answer = self.read(&request, hidden).await?;
        let has_filter = parameters.iter().any(|(name, _)| *name == "filter");
        if has_filter && answer.body.trim_ascii().is_empty() {
            let exchange = answer.exchange;
            return Err(Error::FilterUnanswered { exchange });
        }
        match List::read(&answer.body) {
            Some(list) => Ok((list, answer.exchange)),
            None => Err(match self.checked(answer, request.about, hidden) {
                Ok(answer) => self.not_scim(answer, hidden),
                Err(error) => error,
            }),
        }
    }

    /// The same without the parameters that the target refuses. Which they are is found out by leaving them out: one,
    /// or several where its words can only be about them.
    pub(super) async fn page(
        &self,
        kind: ObjectKind,
        parameters: &[(&'static str, String)],
        hidden: &Hidden,
    ) -> Result<(List, Exchange), Error> {
        let without = async |left_out: &[&str]| {
            let mut sent = parameters.to_vec();
            sent.retain(|(name, _)| !self.omits(name) && !left_out.contains(name));
            self.list(kind, Idempotency::Always, &sent, hidden).await
        };
        let error = match without(&[]).await {
            Err(error) if error.may_be_about_parameters() => error,
            first => return first,
        };
        let is_sent = |name: &&str| {
            !self.omits(name) && parameters.iter().any(|(parameter, _)| parameter == name)
        };
        // Trouble of its own is answered likewise whatever is left out.
        let is_worth_it = |names: &[&str]| !error.may_be_trouble() || names.len() == 1;
        let may_help = |names: &&&[&str]| is_worth_it(names) && names.iter().all(is_sent);
        let attempts: Vec<_> = OMISSIONS.iter().filter(may_help).collect();
        for names in attempts {
            let again = without(names).await;
            if again.is_ok() {
                self.omit(names, &error);
                return again;
            }
        }
        Err(error)
    }

    /// Whether the target answers for this kind at all. Where it was moved or switched off, 404 says
    /// nothing about one object: the error is the collection's own.
    pub(super) async fn confirm_service(
        &self,
        kind: ObjectKind,
        hidden: &Hidden,
    ) -> Result<(), Error> {
        let parameters = [(COUNT, "1".to_owned())];
        self.page(kind, &parameters, hidden).await.map(|_| ())
    }

    /// That 404, this error, is how the target says that a filter finds nothing: it answers so to a random value,
    /// too, and answers a list without a filter. Learned once.
    pub(super) async fn confirm_none_found(
        &self,
        kind: ObjectKind,
        path: &TargetPath,
        error: Error,
        hidden: &Hidden,
    ) -> Result<(), Error> {
        let known = match kind {
            ObjectKind::User => &self.not_found_is_nobody[0],
            ObjectKind::Group => &self.not_found_is_nobody[1],
        };
        if known.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.confirm_service(kind, hidden).await?;
        let parameters = [("filter", filter::eq(path, &random_value()))];
        match self
            .list(kind, Idempotency::Always, &parameters, hidden)
            .await
        {
            Err(other) if other.may_mean_none_found() => {
                known.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(other) => Err(other),
            Ok(_) => Err(error),
        }
    }

    /// Sends a request that changes nothing; the answer may still hold an error message
    /// ([`Self::checked`]).
    pub(super) async fn read(&self, request: &Request, hidden: &Hidden) -> Result<Answer, Error> {
        let expect = Expect::Body { limit: MAX_BODY };
        let sent = self.send(request, expect, hidden).await;
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

    /// A header of an answer, whatever its status.
    pub(super) async fn header_of(&self, request: &Request, name: &HeaderName) -> Option<String> {
        if self.is_absent {
            return None;
        }
        let pass = self.access.pass().await.ok()?;
        let sent = self.send_with(request, Expect::Status, &pass);
        let answer = sent.await.ok()?;
        answer.header(name.as_str()).map(str::to_owned)
    }

    /// Sends a request whose success the status shows: any 2xx that is not an HTML page.
    pub(super) async fn send(
        &self,
        request: &Request,
        expect: Expect,
        hidden: &Hidden,
    ) -> Result<Answer, Error> {
        let answer = self.answer(request, expect).await?;
        self.judged(answer, request.about, hidden)
    }

    /// The answer to a request, whatever its status. After 401 the credential is renewed, and a read is sent
    /// again with another one; whether a write may be is the caller's business, because another credential
    /// may lead to another organisation.
    pub(super) async fn answer(&self, request: &Request, expect: Expect) -> Result<Answer, Error> {
        if self.is_absent {
            return Ok(nothing(request));
        }
        let was_renewed = self.access.is_renewed();
        let pass = self.access.pass().await?;
        // Another may have taken its place since the write was permitted.
        let is_another = !was_renewed && self.access.is_renewed();
        if request.method != Method::GET && (is_another || !self.access.is_verified()) {
            return Err(Error::Renewed);
        }
        let mut answer = self.send_with(request, expect, &pass).await?;
        if answer.status == 401 && self.access.renew(&pass).await && request.method == Method::GET {
            let attempts = answer.exchange.attempts;
            let pass = self.access.pass().await?;
            answer = self.send_with(request, expect, &pass).await?;
            answer.exchange.attempts += attempts;
        }
        Ok(answer)
    }

    /// Whether an answer is a success, as far as its status and its form show.
    pub(super) fn judged(
        &self,
        answer: Answer,
        about: About,
        hidden: &Hidden,
    ) -> Result<Answer, Error> {
        if !answer.is_success() {
            return Err(self.refused(answer, about, hidden));
        }
        if is_page(&answer.body) {
            return Err(self.not_scim(answer, hidden));
        }
        Ok(answer)
    }

    async fn send_with(
        &self,
        request: &Request,
        expect: Expect,
        pass: &Pass,
    ) -> Result<Answer, Error> {
        let url = self.routes.url(request);
        let mut headers = self.access.headers(pass)?;
        headers.insert(ACCEPT, HeaderValue::from_static(wire::ACCEPT));
        // An empty content type on a GET is refused by some, so it goes with a body only.
        if request.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(request.media_type));
        }
        // What cannot stand in a header is no version.
        let version = request.version.as_deref().map(HeaderValue::from_str);
        if let Some(Ok(version)) = version {
            headers.insert(IF_MATCH, version);
        }
        let sent = self.channel.send(request.repeat, expect, |client| {
            let built = client
                .request(request.method.clone(), url.clone())
                .headers(headers.clone());
            match &request.body {
                Some(body) => built.body(body.clone()),
                None => built,
            }
        });
        Ok(sent.await?)
    }

    /// Some servers put an error message into a 2xx answer.
    pub(super) fn checked(
        &self,
        answer: Answer,
        about: About,
        hidden: &Hidden,
    ) -> Result<Answer, Error> {
        if Reply::read(&answer.body).is_error {
            Err(self.refused(answer, about, hidden))
        } else {
            Ok(answer)
        }
    }

    pub(super) fn not_scim(&self, answer: Answer, hidden: &Hidden) -> Error {
        // It may still be a resource, with values that are not shown.
        let message = if answer.is_success() && hidden.is_in_data() {
            ServerMessage::withheld()
        } else {
            self.message(&answer, hidden)
        };
        Error::NotScim {
            exchange: answer.exchange,
            message: Box::new(message),
        }
    }

    pub(super) fn refused(&self, answer: Answer, about: About, hidden: &Hidden) -> Error {
        let redirect = (300..400).contains(&answer.status);
        let message = match answer.header(LOCATION.as_str()) {
            Some(location) if redirect => ServerMessage::redirect(&self.place(location), hidden),
            _ => self.message(&answer, hidden),
        };
        Error::Refused {
            retry_after: answer.retry_after(),
            exchange: answer.exchange,
            message: Box::new(message),
            about,
            sign_in: self.access.key(),
        }
    }

    fn message(&self, answer: &Answer, hidden: &Hidden) -> ServerMessage {
        let secrets = self.access.secrets();
        let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        ServerMessage::read(&answer.body, &secrets, hidden)
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

/// The certificates that are trusted in addition.
pub(super) fn roots(target: &Target) -> Result<Option<Vec<u8>>, Error> {
    let path = target.ca_certificate.as_ref();
    path.map(|path| {
        bounded::read_file(path, bounded::MAX_CERTIFICATES).map_err(|source| Error::Certificate {
            path: path.clone(),
            source,
        })
    })
    .transpose()
}

/// What no object has.
pub(super) fn random_value() -> Value {
    Value::text(uuid::Uuid::new_v4().to_string())
}

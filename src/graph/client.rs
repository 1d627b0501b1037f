//! One request at a time: named by the SDK (or by a link that Graph sent), sent by `http`, its answer
//! checked in one place. A token that is refused is replaced once.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use graph_rs_sdk::error::{GraphFailure, GraphResult};
use graph_rs_sdk::http::Method;
use graph_rs_sdk::{GraphClient, GraphClientConfiguration};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, HeaderName, HeaderValue, USER_AGENT, WWW_AUTHENTICATE,
};
use reqwest::{Request, RequestBuilder};
use serde::de::DeserializeOwned;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use url::Url;
use uuid::Uuid;

use crate::config::Source;
use crate::http::{self, Answer, Channel, Exchange, Expect, Idempotency};
use crate::metrics::Side;

use super::credential::Credential;
use super::error::{Error, Refusal};
use super::token::Tokens;
use super::wire;

/// For one answer. Graph itself gives up a little earlier.
const TIMEOUT: Duration = Duration::from_secs(100);
/// The two deltas and the assignments are read side by side.
const CONNECTIONS: usize = 4;
/// Far above a page of 999 users with everything selected.
const MAX_ANSWER: usize = 128 * 1024 * 1024;
/// Sendings of one request whose answers of status 200 are not what they should be: torn ones.
const MAX_READINGS: u32 = 3;
/// Before such a request is sent again; it doubles.
const WAIT: Duration = Duration::from_millis(250);
/// All waits for Graph together, and the time that this is counted in. Beyond it a reading is not complete,
/// and the next cycle goes on where it ended.
const MAX_WAITING: (Duration, Duration) = (Duration::from_mins(15), Duration::from_hours(1));
/// In the form that Microsoft asks for, so that it can identify our traffic.
const AGENT: &str = concat!("NONISV|entrain|entrain/", env!("CARGO_PKG_VERSION"));

/// A time of Graph's clock, and when it was that by ours.
type Dated = (DateTime<Utc>, Instant);

/// One tenant, read through Microsoft Graph. Cheap to clone; clones share tokens and count.
#[derive(Clone)]
pub(crate) struct Client {
    sdk: GraphClient,
    channel: Channel,
    tokens: Tokens,
    /// With the version, such as `https://graph.microsoft.com/v1.0`.
    root: Arc<Url>,
    /// What Graph's clock showed last, and when.
    date: Arc<Mutex<Option<Dated>>>,
    /// Whether the tenant refused a delta query, as tenants of its kind do.
    has_no_delta: Arc<AtomicBool>,
    stop: CancellationToken,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("root", &self.root.as_str())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Sends nothing yet. `stop` ends every wait, and every request after a few seconds.
    pub(crate) fn new(
        settings: &Source,
        credential: Credential,
        stop: CancellationToken,
    ) -> Result<Self, Error> {
        let mut root = http::check_url(&settings.graph_url).map_err(|source| Error::Url {
            key: settings.key("graph_url"),
            source,
        })?;
        root.set_query(None);
        root.path_segments_mut()
            .expect("http and https URLs have a path")
            .pop_if_empty()
            .push("v1.0");
        let http_client = http::build(&http::Settings {
            connections: CONNECTIONS,
            timeout: TIMEOUT,
            extra_roots: None,
            identity: None,
            proxy: settings.proxy.as_deref(),
            direct: http::is_loopback(&root),
        })
        .map_err(Error::Setup)?;
        let tokens = Tokens::new(settings, credential, stop.clone())?;
        let mut sdk =
            GraphClient::from(GraphClientConfiguration::new().client_application(tokens.clone()));
        // `use_endpoint` panics on hosts that it does not know; ours is checked above.
        sdk.use_test_endpoint(&root);
        Ok(Self {
            sdk,
            channel: Channel::new(Side::Source, http_client, None, stop.clone())
                .waiting_at_most(MAX_WAITING.0, MAX_WAITING.1)
                .recorded(tokens.record()),
            tokens,
            root: Arc::new(root),
            date: Arc::default(),
            has_no_delta: Arc::default(),
            stop,
        })
    }

    /// Requests sent to Graph so far, repeated ones included; those for tokens are not.
    pub(crate) fn requests(&self) -> u64 {
        self.channel.requests()
    }

    /// The requests since the last call, those for tokens too, for the record.
    pub(crate) fn take_requests(&self) -> Vec<Exchange> {
        self.tokens.record().take()
    }

    /// Requests for tokens so far.
    #[cfg(test)]
    pub(crate) fn token_requests(&self) -> u64 {
        self.tokens.requests()
    }

    /// What time it is by Graph's clock; `None` where no answer had it.
    pub(crate) fn date(&self) -> Option<DateTime<Utc>> {
        let (date, at) = (*self.date.lock().unwrap_or_else(PoisonError::into_inner))?;
        let since = TimeDelta::from_std(at.elapsed()).ok()?;
        date.checked_add_signed(since)
    }

    /// The id of the tenant that goes by this name, which may be its id.
    pub(crate) async fn tenant_id(&self, name: &str) -> Result<String, Error> {
        match uuid::Uuid::try_parse(name) {
            Ok(_) => Ok(name.to_lowercase()),
            Err(_) => self.tokens.tenant_id(name).await,
        }
    }

    /// Whether one more wait for Graph is permitted; it counts then.
    pub(super) fn may_wait(&self, length: Duration) -> bool {
        self.channel.may_wait(length)
    }

    pub(super) fn note_delta_refused(&self) {
        self.has_no_delta.store(true, Ordering::Relaxed);
    }

    /// Whether the tenant refused a delta query, as tenants of its kind do.
    pub(crate) fn has_no_delta(&self) -> bool {
        self.has_no_delta.load(Ordering::Relaxed)
    }

    pub(super) fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// One page of a list: the first by the SDK's call, each further one by its link.
    pub(super) async fn page<T, F>(
        &self,
        call: impl Fn(&GraphClient) -> F,
    ) -> Result<Paged<T>, Error>
    where
        T: DeserializeOwned,
        F: Future<Output = GraphResult<RequestBuilder>>,
    {
        self.ask(call, |answer| {
            let page: wire::Page<T> = parse(answer)?;
            let Some(values) = page.value else {
                return Err(no_page(answer, "it has no value"));
            };
            // Before anything of the page is stored: a link that is not followed would be tried in each later cycle.
            for link in [&page.next_link, &page.delta_link].into_iter().flatten() {
                http::follow(&self.root, link).map_err(Error::Link)?;
            }
            Ok(Paged {
                request: words(&answer.exchange),
                values,
                next_link: page.next_link,
                delta_link: page.delta_link,
            })
        })
        .await
    }

    /// The page behind a link, which is followed as it is, and only where the token may go.
    pub(super) async fn page_at<T: DeserializeOwned>(&self, link: &str) -> Result<Paged<T>, Error> {
        let url = http::follow(&self.root, link).map_err(Error::Link)?;
        let mut sdk = self.sdk.clone();
        sdk.use_test_endpoint(&url);
        let page = self.page(|_| sdk.custom(Method::GET, None).build()).await?;
        if page.next_link.as_deref() == Some(link) {
            return Err(Error::NotAPage {
                request: page.request,
                why: "its link to the next page leads back to itself".to_owned(),
            });
        }
        Ok(page)
    }

    /// One object. `None`: there is none (404).
    pub(super) async fn object<T, F>(
        &self,
        call: impl Fn(&GraphClient) -> F,
    ) -> Result<Option<T>, Error>
    where
        T: DeserializeOwned,
        F: Future<Output = GraphResult<RequestBuilder>>,
    {
        match self.ask(call, parse).await {
            Ok(object) => Ok(Some(object)),
            Err(Error::Refused(refusal)) if refusal.status == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The object at an address of Graph that the SDK has no call for.
    pub(super) async fn object_at<T: DeserializeOwned>(
        &self,
        url: &Url,
    ) -> Result<Option<T>, Error> {
        let mut sdk = self.sdk.clone();
        sdk.use_test_endpoint(url);
        self.object(|_| sdk.custom(Method::GET, None).build()).await
    }

    pub(super) fn root(&self) -> &Url {
        &self.root
    }

    /// One answer that must be this.
    pub(super) async fn one<T, F>(&self, call: impl Fn(&GraphClient) -> F) -> Result<T, Error>
    where
        T: DeserializeOwned,
        F: Future<Output = GraphResult<RequestBuilder>>,
    {
        self.ask(call, parse).await
    }

    pub(super) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    async fn ask<T, F>(
        &self,
        call: impl Fn(&GraphClient) -> F,
        read: impl Fn(&Answer) -> Result<T, Error>,
    ) -> Result<T, Error>
    where
        F: Future<Output = GraphResult<RequestBuilder>>,
    {
        let mut readings = 0;
        loop {
            readings += 1;
            let answer = self.send(&call).await?;
            if answer.status != 200 {
                return Err(refused(&answer));
            }
            let error = match read(&answer) {
                Ok(read) => return Ok(read),
                Err(error) => error,
            };
            // Half an answer comes from something on the way; the next one may be whole.
            if readings >= MAX_READINGS {
                return Err(error);
            }
            tracing::debug!(%error, readings, "answer of Microsoft Graph will be requested again");
            let wait = sleep(WAIT * 2_u32.pow(readings - 1));
            if self.stop.run_until_cancelled(wait).await.is_none() {
                return Err(Error::Stopped);
            }
        }
    }

    async fn send<F>(&self, call: impl Fn(&GraphClient) -> F) -> Result<Answer, Error>
    where
        F: Future<Output = GraphResult<RequestBuilder>>,
    {
        let request = self.build(call(&self.sdk)).await?;
        let answer = self.send_once(&request).await?;
        if answer.status != 401 {
            return Ok(answer);
        }
        let token = request
            .headers()
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let claims = challenge(&answer);
        self.tokens.reject(token.unwrap_or_default(), claims).await;
        let request = self.build(call(&self.sdk)).await?;
        self.send_once(&request).await
    }

    /// Of the SDK's request only method, URL, body and token are kept; it is sent by our own client.
    async fn build(
        &self,
        call: impl Future<Output = GraphResult<RequestBuilder>>,
    ) -> Result<Request, Error> {
        let (_, request) = call.await.map_err(unbuilt)?.build_split();
        let mut request = request.map_err(|_| Error::Unsendable)?;
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        for (name, value) in [
            ("return-client-request-id", "true"),
            // We are never in a hurry; people who wait for Graph are.
            ("x-ms-throttle-priority", "Low"),
        ] {
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        Ok(request)
    }

    async fn send_once(&self, request: &Request) -> Result<Answer, Error> {
        let answer = self.exchange(request).await?;
        let date = answer.header("date");
        let date = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok());
        if let Some(date) = date {
            let mut known = self.date.lock().unwrap_or_else(PoisonError::into_inner);
            *known = Some((date.to_utc(), Instant::now()));
        }
        Ok(answer)
    }

    async fn exchange(&self, request: &Request) -> Result<Answer, Error> {
        self.channel
            .send(
                Idempotency::Always,
                Expect::Body { limit: MAX_ANSWER },
                |client| {
                    let request = request
                        .try_clone()
                        .expect("a read has no body that cannot be sent twice");
                    RequestBuilder::from_parts(client.clone(), request)
                        .header("client-request-id", Uuid::new_v4().to_string())
                },
            )
            .await
            .map_err(Error::of_graph)
    }
}

/// A page that is one.
#[derive(Debug)]
pub(super) struct Paged<T> {
    /// Method and path, for errors.
    pub(super) request: String,
    pub(super) values: Vec<T>,
    pub(super) next_link: Option<String>,
    pub(super) delta_link: Option<String>,
}

/// Our own error comes back from [`Tokens`] through the SDK.
fn unbuilt(failure: GraphFailure) -> Error {
    match failure {
        GraphFailure::Other(error) => error
            .downcast::<Error>()
            .map_or(Error::Unsendable, |error| *error),
        _ => Error::Unsendable,
    }
}

/// What a new token has to prove, where Graph says so (Microsoft, "Claims challenges, claims requests, and
/// client capabilities").
fn challenge(answer: &Answer) -> Option<String> {
    let headers = answer.headers.get_all(WWW_AUTHENTICATE).iter();
    let mut texts = headers.filter_map(|value| value.to_str().ok());
    let text = texts.find(|text| text.contains("insufficient_claims"))?;
    let (_, claims) = text.split_once("claims=\"")?;
    let (claims, _) = claims.split_once('"')?;
    let claims = STANDARD_NO_PAD
        .decode(claims.trim_end_matches('='))
        .or_else(|_| URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')));
    String::from_utf8(claims.ok()?).ok()
}

fn words(exchange: &Exchange) -> String {
    format!("{} {}", exchange.method, exchange.path)
}

fn parse<T: DeserializeOwned>(answer: &Answer) -> Result<T, Error> {
    wire::read(&answer.body).map_err(|error| Error::Malformed {
        request: words(&answer.exchange),
        line: error.line(),
        column: error.column(),
    })
}

fn no_page(answer: &Answer, why: &str) -> Error {
    let wire::Failure { codes, message, .. } = wire::failure(&answer.body);
    let mut why = why.to_owned();
    for said in codes.into_iter().chain(message) {
        why.push_str(", ");
        why.push_str(&http::redact(&said));
    }
    Error::NotAPage {
        request: words(&answer.exchange),
        why,
    }
}

fn refused(answer: &Answer) -> Error {
    let wire::Failure {
        codes,
        message,
        request_id,
    } = wire::failure(&answer.body);
    let request_id = answer
        .header("request-id")
        .map(str::to_owned)
        .or(request_id);
    Error::Refused(Box::new(Refusal {
        request: words(&answer.exchange),
        status: answer.status,
        codes: codes.iter().map(|code| http::redact(code)).collect(),
        message: message.map(|message| http::redact(&message)),
        request_id: request_id.map(|id| http::redact(&id)),
        attempts: answer.exchange.attempts,
        elapsed: answer.exchange.elapsed,
    }))
}

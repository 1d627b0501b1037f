//! Sends a request until it has an answer worth having, or says why there is none. Any status is an
//! answer here; what it means is the caller's business.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, Request, RequestBuilder, Response};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::gate::Gate;
use super::patience::Patience;
use super::rate::{Rate, Took};
use super::retry::{self, Ended, Idempotency, Verdict};
use crate::metrics::{self, Side};

/// How long requests in flight may go on after a stop was asked for: stopping takes at most ten
/// seconds (product rule 12), and the rest is for what follows the answer.
const GRACE: Duration = Duration::from_secs(7);
/// What is kept of a body that only the status of matters for: enough for the server's own words.
const WORDS: usize = 64 * 1024;
/// What is read to the end to keep the connection; a longer body costs the connection instead.
const DRAINED: usize = 8 * 1024 * 1024;

/// One server as seen through one client: pacing, retries and a count of requests. Cheap to clone;
/// clones share pacing and count.
#[derive(Clone, Debug)]
pub(crate) struct Channel {
    client: Client,
    shared: Arc<Shared>,
    side: Side,
    stop: CancellationToken,
    gate: Gate,
}

#[derive(Debug)]
struct Shared {
    rate: Arc<Rate>,
    /// `None`: only each request has a limit.
    patience: Option<Patience>,
    sent: AtomicU64,
    record: Option<Record>,
}

/// Requests that are not on record yet, of all channels that share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record(Arc<Mutex<Vec<Exchange>>>);

impl Record {
    /// More are not kept: what reads without a cycle takes none of them away.
    const MOST: usize = 10_000;

    /// The requests since the last call.
    pub(crate) fn take(&self) -> Vec<Exchange> {
        std::mem::take(&mut *self.lock())
    }

    fn put(&self, exchange: &Exchange) {
        let mut requests = self.lock();
        if requests.len() < Self::MOST {
            requests.push(exchange.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Exchange>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the caller wants of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// The whole body; an answer with more bytes than this is an error.
    Body { limit: usize },
    /// The status, and the beginning of the body for the sake of error messages. A body that breaks
    /// off is no error.
    Status,
}

/// An answer of any status.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) exchange: Exchange,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header's value, when it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// How long the server asks to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        retry::retry_after(&self.headers)
    }
}

/// The facts of a request for logs and errors; its query is not among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// `None` when no answer came.
    pub(crate) status: Option<u16>,
    /// How often it was sent; 0 when it never was.
    pub(crate) attempts: u32,
    /// From the first sending to the end, waits included.
    pub(crate) elapsed: Duration,
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            method,
            path,
            status,
            attempts,
            elapsed,
        } = self;
        write!(f, "{method} {path}: ")?;
        match status {
            Some(status) => write!(f, "status {status}")?,
            None => f.write_str("no answer")?,
        }
        let times = if *attempts == 1 {
            "attempt"
        } else {
            "attempts"
        };
        write!(f, ", {attempts} {times}, {:.1} s", elapsed.as_secs_f64())
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{exchange}: no connection")]
    NotConnected {
        exchange: Exchange,
        source: Arc<reqwest::Error>,
    },
    #[error("{exchange}: timed out")]
    TimedOut {
        exchange: Exchange,
        source: Arc<reqwest::Error>,
    },
    #[error("{exchange}: the connection broke")]
    Broken {
        exchange: Exchange,
        source: Arc<reqwest::Error>,
    },
    #[error("{exchange}: the answer is longer than {limit} bytes")]
    TooLong { exchange: Exchange, limit: usize },
    #[error("{exchange}: stopped before the answer came")]
    Stopped {
        exchange: Exchange,
        /// Whether a request was under way that the server may have carried out.
        under_way: bool,
    },
    #[error("the request cannot be built")]
    Unsendable { source: Arc<reqwest::Error> },
}

impl Error {
    pub(crate) fn exchange(&self) -> Option<&Exchange> {
        match self {
            Self::NotConnected { exchange, .. }
            | Self::TimedOut { exchange, .. }
            | Self::Broken { exchange, .. }
            | Self::TooLong { exchange, .. }
            | Self::Stopped { exchange, .. } => Some(exchange),
            Self::Unsendable { .. } => None,
        }
    }

    /// Whether the server may have carried the request out all the same.
    pub(crate) fn may_be_processed(&self) -> bool {
        match self {
            Self::TimedOut { .. } | Self::Broken { .. } | Self::TooLong { .. } => true,
            Self::Stopped { under_way, .. } => *under_way,
            Self::NotConnected { .. } | Self::Unsendable { .. } => false,
        }
    }

    /// Whether a stop was asked for, which is not a failure.
    pub(crate) fn is_stop(&self) -> bool {
        matches!(self, Self::Stopped { .. })
    }

    /// The same for one of several requests that were sent in one.
    pub(crate) fn of(&self, request: impl FnOnce(&mut Exchange)) -> Self {
        let mut error = self.clone();
        match &mut error {
            Self::NotConnected { exchange, .. }
            | Self::TimedOut { exchange, .. }
            | Self::Broken { exchange, .. }
            | Self::TooLong { exchange, .. }
            | Self::Stopped { exchange, .. } => request(exchange),
            Self::Unsendable { .. } => {}
        }
        error
    }
}

impl Channel {
    /// `requests_per_second`: `None` for no limit of our own.
    pub(crate) fn new(
        side: Side,
        client: Client,
        requests_per_second: Option<f64>,
        stop: CancellationToken,
    ) -> Self {
        let shared = Shared {
            rate: Arc::new(Rate::new(requests_per_second)),
            patience: None,
            sent: AtomicU64::new(0),
            record: None,
        };
        Self {
            client,
            shared: Arc::new(shared),
            side,
            stop,
            gate: Gate::default(),
        }
    }

    /// The same where all waits together have a limit: at most so much of this time.
    pub(crate) fn waiting_at_most(mut self, most: Duration, within: Duration) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.patience = Some(Patience::new(most, within));
        }
        self
    }

    /// The same for a server whose refusals teach how much it takes: `most` requests at a time, or fewer. All
    /// channels to this address share that.
    pub(crate) fn learning(
        mut self,
        server: &str,
        requests_per_second: Option<f64>,
        most: usize,
    ) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.rate = Rate::of(server, requests_per_second, most);
        }
        self
    }

    /// The same where requests leave only while the gate is open.
    pub(crate) fn through(mut self, gate: Gate) -> Self {
        self.gate = gate;
        self
    }

    /// The same where all requests go on record.
    pub(crate) fn recorded(mut self, record: &Record) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.record = Some(record.clone());
        }
        self
    }

    /// Whether one more wait for the server is permitted; it counts then.
    pub(crate) fn may_wait(&self, length: Duration) -> bool {
        let patience = self.shared.patience.as_ref();
        patience.is_none_or(|patience| patience.grants(length, Instant::now()))
    }

    /// How many requests were sent, retries included.
    pub(crate) fn requests(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// Builds and sends a request, again where `repeat` and the failure allow it.
    pub(crate) async fn send(
        &self,
        repeat: Idempotency,
        expect: Expect,
        build: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<Answer, Error> {
        let answer = self.send_until(repeat, expect, build).await;
        if let Some(record) = &self.shared.record {
            let exchange = match &answer {
                Ok(answer) => Some(&answer.exchange),
                Err(error) => error.exchange(),
            };
            if let Some(exchange) = exchange {
                record.put(exchange);
            }
        }
        answer
    }

    async fn send_until(
        &self,
        repeat: Idempotency,
        expect: Expect,
        build: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<Answer, Error> {
        let unsendable = |source: reqwest::Error| Error::Unsendable {
            source: Arc::new(source.without_url()),
        };
        let mut request = build(&self.client).build().map_err(unsendable)?;
        let begun = Instant::now();
        let mut waited = Duration::ZERO;
        let mut exchange = Exchange {
            method: request.method().clone(),
            path: request.url().path().to_owned(),
            status: None,
            attempts: 0,
            elapsed: Duration::ZERO,
        };
        loop {
            let request_id = request_id(&request);
            let Ok(attempt) = self.in_turn(request, expect).await else {
                exchange.elapsed = begun.elapsed();
                return Err(Error::Stopped {
                    exchange,
                    under_way: false,
                });
            };
            exchange.attempts += 1;
            exchange.status = None;
            if let Some(Ok(Received { headers, .. })) = &attempt
                && let Some(wait) = retry::used_up(headers)
            {
                self.shared.rate.leave_alone(wait);
            }
            exchange.elapsed = begun.elapsed();
            let Some(attempt) = attempt else {
                return Err(Error::Stopped {
                    exchange,
                    under_way: true,
                });
            };
            let ended = match &attempt {
                Ok(received) => Some(Ended::Status {
                    status: received.status,
                    retry_after: retry::retry_after(&received.headers),
                }),
                Err(failed) => failed.ended(),
            };
            let verdict = ended.map_or(Verdict::GiveUp, |ended| {
                retry::decide(ended, repeat, exchange.attempts, waited, fastrand::u64(..))
            });
            let Verdict::Wait(length) = verdict else {
                return finish(exchange, attempt);
            };
            if !self.may_wait(length) {
                tracing::warn!(
                    path = exchange.path,
                    request_id,
                    "the limit for waiting for the server is reached; the request is not repeated"
                );
                return finish(exchange, attempt);
            }
            let status = attempt.as_ref().ok().map(|received| received.status);
            tracing::debug!(
                method = %exchange.method,
                path = exchange.path,
                status,
                attempt = exchange.attempts,
                request_id,
                wait_ms = u64::try_from(length.as_millis()).unwrap_or(u64::MAX),
                "request will be sent again"
            );
            if matches!(status, Some(429 | 503)) {
                metrics::waits(self.side, length);
                // Others need not come back later than the server wants, as they do so one by one.
                let asked = ended.and_then(Ended::asked);
                self.shared.rate.pause(asked.unwrap_or(length));
            }
            if self.unless_stopped(sleep(length)).await.is_none() {
                exchange.elapsed = begun.elapsed();
                return Err(Error::Stopped {
                    exchange,
                    // What may be repeated and was, may have been carried out before.
                    under_way: repeat == Idempotency::Always,
                });
            }
            waited += length;
            request = build(&self.client).build().map_err(unsendable)?;
        }
    }

    /// One attempt when it is its turn; `None` where a stop cut it short. It is a task of its own, so
    /// that it gives its place back whether or not its caller is polled: a caller that has several requests under way
    /// and waits for one more would wait for ever, once fewer at a time are permitted.
    async fn in_turn(
        &self,
        request: Request,
        expect: Expect,
    ) -> Result<Option<Result<Received, Failed>>, NotSent> {
        let channel = self.clone();
        let attempt = async move {
            let turn = channel.unless_stopped(channel.shared.rate.turn()).await;
            let turn = turn.filter(|_| channel.gate.is_open()).ok_or(NotSent)?;
            channel.shared.sent.fetch_add(1, Ordering::Relaxed);
            let sent = Instant::now();
            let attempt = channel.with_grace(channel.attempt(request, expect)).await;
            let answered = attempt.as_ref().and_then(|attempt| match attempt {
                Ok(received) => Some(received.status),
                Err(failed) => failed.status,
            });
            turn.end(match answered {
                Some(429) => Took::TooMany,
                Some(503) => Took::Overload,
                Some(_) => Took::Well,
                None => Took::Unknown,
            });
            metrics::request(channel.side, answered, sent.elapsed());
            Ok(attempt)
        };
        // It ends with its caller.
        let mut task = JoinSet::new();
        task.spawn(attempt.in_current_span());
        match task.join_next().await {
            Some(Ok(attempt)) => attempt,
            Some(Err(error)) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Ok(None),
            },
            None => Ok(None),
        }
    }

    async fn attempt(&self, request: Request, expect: Expect) -> Result<Received, Failed> {
        let mut response = self.client.execute(request).await.map_err(|error| {
            let kind = if error.is_connect() {
                Kind::NotConnected(error)
            } else {
                Kind::of(error)
            };
            Failed { status: None, kind }
        })?;
        let status = response.status().as_u16();
        match read_body(&mut response, expect).await {
            Ok(body) => Ok(Received {
                status,
                headers: std::mem::take(response.headers_mut()),
                body,
            }),
            Err(kind) => Err(Failed {
                status: Some(status),
                kind,
            }),
        }
    }

    /// Waits for something that a stop cuts short.
    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.stop.run_until_cancelled(work).await
    }

    /// Waits for something that a stop leaves some time to finish.
    async fn with_grace<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(work);
        if let Some(done) = self.unless_stopped(&mut work).await {
            return Some(done);
        }
        timeout(GRACE, work).await.ok()
    }
}

/// A stop came before it was a request's turn.
struct NotSent;

struct Received {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// An attempt without an answer, or whose answer broke off after the status.
struct Failed {
    status: Option<u16>,
    kind: Kind,
}

enum Kind {
    NotConnected(reqwest::Error),
    TimedOut(reqwest::Error),
    Broken(reqwest::Error),
    TooLong { limit: usize },
}

impl Kind {
    fn of(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            Self::TimedOut(error)
        } else {
            Self::Broken(error)
        }
    }
}

impl Failed {
    fn ended(&self) -> Option<Ended> {
        match self.kind {
            Kind::NotConnected(_) => Some(Ended::NotConnected),
            Kind::TimedOut(_) | Kind::Broken(_) => Some(Ended::NoAnswer),
            Kind::TooLong { .. } => None,
        }
    }
}

/// By which the server knows the request, where it was given an id.
fn request_id(request: &Request) -> Option<String> {
    let id = request.headers().get("client-request-id")?;
    id.to_str().ok().map(str::to_owned)
}

fn finish(mut exchange: Exchange, attempt: Result<Received, Failed>) -> Result<Answer, Error> {
    let failed = match attempt {
        Ok(Received {
            status,
            headers,
            body,
        }) => {
            exchange.status = Some(status);
            return Ok(Answer {
                exchange,
                status,
                headers,
                body,
            });
        }
        Err(failed) => failed,
    };
    exchange.status = failed.status;
    Err(match failed.kind {
        // The URL that reqwest keeps in its errors holds filter values.
        Kind::NotConnected(error) => Error::NotConnected {
            exchange,
            source: Arc::new(error.without_url()),
        },
        Kind::TimedOut(error) => Error::TimedOut {
            exchange,
            source: Arc::new(error.without_url()),
        },
        Kind::Broken(error) => Error::Broken {
            exchange,
            source: Arc::new(error.without_url()),
        },
        Kind::TooLong { limit } => Error::TooLong { exchange, limit },
    })
}

async fn read_body(response: &mut Response, expect: Expect) -> Result<Vec<u8>, Kind> {
    let mut body = Vec::new();
    let mut read = 0;
    loop {
        let chunk = match (response.chunk().await, expect) {
            (Ok(Some(chunk)), _) => chunk,
            (Ok(None), _) | (Err(_), Expect::Status) => return Ok(body),
            (Err(error), Expect::Body { .. }) => return Err(Kind::of(error)),
        };
        read += chunk.len();
        match expect {
            Expect::Body { limit } if read > limit => return Err(Kind::TooLong { limit }),
            Expect::Body { .. } => body.extend_from_slice(&chunk),
            Expect::Status if read > DRAINED => return Ok(body),
            Expect::Status => {
                let room = WORDS.saturating_sub(body.len()).min(chunk.len());
                body.extend_from_slice(&chunk[..room]);
            }
        }
    }
}

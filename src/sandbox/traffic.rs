//! What passes one of the two servers: a record of every request, the faults put in its way,
//! and a watch for two writes in flight towards one resource.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::fault::{Fault, Trouble, http_date_in, tear};
use super::line::Cut;
use super::reply::{Call, Reply, decode};
use super::scim::changed;

/// One request and how it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    pub method: String,
    /// Path and query as they were sent.
    pub path: String,
    /// `None` while it is under way, and for good when the client got no answer.
    pub status: Option<u16>,
    /// Only when bodies are recorded.
    pub body: Option<String>,
    /// It is one of several requests that were sent in one, which is on record before it.
    pub in_bulk: bool,
}

/// The record, the faults and the watch of one server; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Traffic(Arc<Mutex<State>>);

type Chance = Box<dyn FnMut(&str, &str) -> Option<Trouble> + Send>;

/// Decides of each request what goes wrong with it.
struct Weather(Option<Chance>);

impl fmt::Debug for Weather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Weather").field(&self.0.is_some()).finish()
    }
}

#[derive(Debug)]
struct State {
    exchanges: Vec<Exchange>,
    /// Requests since the last reset, whether or not they are recorded.
    requests: usize,
    under_way: usize,
    most_under_way: usize,
    record: bool,
    /// Counts the resets, so that a request under way across one is not written into the new record.
    epoch: u64,
    record_bodies: bool,
    faults: Vec<Fault>,
    weather: Weather,
    in_flight: BTreeMap<String, usize>,
    overlaps: Vec<String>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            exchanges: Vec::new(),
            requests: 0,
            under_way: 0,
            most_under_way: 0,
            record: true,
            epoch: 0,
            record_bodies: false,
            faults: Vec::new(),
            weather: Weather(None),
            in_flight: BTreeMap::new(),
            overlaps: Vec::new(),
        }
    }
}

impl Traffic {
    /// Arms a fault. Faults are tried in the order in which they were armed.
    pub fn inject(&self, fault: Fault) {
        self.lock().faults.push(fault);
    }

    /// Disarms every fault.
    pub fn clear_faults(&self) {
        let mut state = self.lock();
        state.faults.clear();
        state.weather = Weather(None);
    }

    /// Asks this of each request that no fault befalls, by its method and its decoded path and query, until
    /// the faults are cleared. It must not use this record.
    pub fn befall(&self, chance: impl FnMut(&str, &str) -> Option<Trouble> + Send + 'static) {
        self.lock().weather = Weather(Some(Box::new(chance)));
    }

    /// Whether faults are still waiting for requests.
    pub fn has_faults(&self) -> bool {
        !self.lock().faults.is_empty()
    }

    /// Every request since the last reset, in order of arrival.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.lock().exchanges.clone()
    }

    /// The number of requests since the last reset.
    pub fn count(&self) -> usize {
        self.lock().requests
    }

    /// The number of requests that are under way, also those whose client has gone.
    pub fn under_way(&self) -> usize {
        self.lock().under_way
    }

    /// The most requests that were under way at one moment since the last reset.
    pub fn most_under_way(&self) -> usize {
        self.lock().most_under_way
    }

    /// The number of requests with this method since the last reset.
    pub fn count_of(&self, method: &str) -> usize {
        self.count_where(|exchange| exchange.method == method)
    }

    /// The number of requests since the last reset that satisfy a condition.
    pub fn count_where(&self, condition: impl Fn(&Exchange) -> bool) -> usize {
        let state = self.lock();
        state.exchanges.iter().filter(|e| condition(e)).count()
    }

    /// The number of requests that ask for a change: POST, PUT, PATCH, DELETE, searches excepted. Each of several
    /// in one counts, and the one does not.
    pub fn writes(&self) -> usize {
        self.count_where(|exchange| is_write(&exchange.method, &exchange.path))
    }

    /// Forgets the record and the overlaps; faults stay armed.
    pub fn reset(&self) {
        let mut state = self.lock();
        state.exchanges.clear();
        state.overlaps.clear();
        state.requests = 0;
        state.most_under_way = state.under_way;
        state.epoch += 1;
    }

    /// Whether requests are recorded one by one. On at first. Without a record only their number is
    /// known, which is enough for a bench that sends millions.
    pub fn record(&self, yes: bool) {
        self.lock().record = yes;
    }

    /// Whether bodies of requests are kept in the record. Off at first.
    pub fn record_bodies(&self, yes: bool) {
        self.lock().record_bodies = yes;
    }

    /// The resources that had two writes in flight at once: there should be none.
    pub fn overlaps(&self) -> Vec<String> {
        self.lock().overlaps.clone()
    }

    /// Takes a request through record, faults and watch around `answer`.
    pub(super) async fn pass(
        &self,
        side: Side,
        call: Call,
        cut: &Cut,
        latency: Duration,
        answer: impl Fn(&Call) -> Reply,
    ) -> Reply {
        let (ticket, trouble) = self.arrive(&call, false);
        let _under_way = UnderWay::start(self);
        let _flight = Flight::start(self, &call);
        if latency.is_zero() {
            // Requests that arrived meanwhile are counted as under way before this one is answered.
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(latency).await;
        }
        let mut cut_after = None;
        let reply = match trouble {
            None => answer(&call),
            Some(Trouble::Answer {
                status,
                headers,
                body,
            }) => side.trouble(status, headers, body),
            Some(Trouble::RetryAfterDate { status, wait }) => {
                let date = ("retry-after".to_owned(), http_date_in(wait));
                side.trouble(status, vec![date], String::new())
            }
            Some(Trouble::CutAnswer) => {
                let reply = answer(&call);
                // Enough for the status line and most headers, never for the whole answer.
                cut_after = Some(300 + reply.body.len() / 2);
                Reply {
                    body: format!("{}{}", reply.body, " ".repeat(4096)),
                    ..reply
                }
            }
            Some(Trouble::TornBody) => {
                let mut reply = answer(&call);
                tear(&mut reply);
                reply
            }
            Some(Trouble::NoBody) => Reply {
                body: String::new(),
                ..answer(&call)
            },
            Some(Trouble::EmptyList) => side.empty_list(),
            Some(Trouble::Refused) => {
                cut_after = Some(0);
                Reply::empty(500)
            }
            Some(Trouble::AnswerLost) => {
                cut_after = Some(0);
                answer(&call)
            }
            Some(Trouble::Delay(wait)) => {
                tokio::time::sleep(wait).await;
                answer(&call)
            }
            Some(Trouble::Twice) => {
                answer(&call);
                answer(&call)
            }
        };
        match cut_after {
            Some(bytes) => cut.after(bytes),
            None => self.answered(ticket, reply.status),
        }
        reply
    }

    /// The place in the record, if there is one, and what is to go wrong.
    pub(super) fn arrive(&self, call: &Call, in_bulk: bool) -> (Option<Ticket>, Option<Trouble>) {
        let mut state = self.lock();
        state.requests += usize::from(!in_bulk);
        let trouble = if state.faults.is_empty() && state.weather.0.is_none() {
            None
        } else {
            let target = decode(&call.target());
            let fault = state.take_trouble(&call.method, &target);
            fault.or_else(|| state.weather.0.as_mut()?(&call.method, &target))
        };
        if !state.record {
            return (None, trouble);
        }
        let body = state.record_bodies.then(|| call.body.clone());
        state.exchanges.push(Exchange {
            method: call.method.clone(),
            path: call.target(),
            status: None,
            body,
            in_bulk,
        });
        let ticket = Ticket {
            epoch: state.epoch,
            place: state.exchanges.len() - 1,
        };
        (Some(ticket), trouble)
    }

    pub(super) fn answered(&self, ticket: Option<Ticket>, status: u16) {
        let Some(Ticket { epoch, place }) = ticket else {
            return;
        };
        let mut state = self.lock();
        if state.epoch == epoch {
            state.exchanges[place].status = Some(status);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take_trouble(&mut self, method: &str, target: &str) -> Option<Trouble> {
        let mut found = None;
        for (place, fault) in self.faults.iter_mut().enumerate() {
            if fault.times == 0 || !fault.matches(method, target) {
                continue;
            }
            if fault.after > 0 {
                fault.after -= 1;
                continue;
            }
            if fault.times != usize::MAX {
                fault.times -= 1;
            }
            found = Some((place, fault.trouble.clone()));
            break;
        }
        let (place, trouble) = found?;
        if self.faults[place].times == 0 {
            self.faults.remove(place);
        }
        Some(trouble)
    }
}

fn is_write(method: &str, path: &str) -> bool {
    matches!(method, "POST" | "PUT" | "PATCH" | "DELETE")
        && !path.contains("/.search")
        && !path.contains("/oauth2/")
        && !path.ends_with("/Bulk")
}

/// Where a request stands in the record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    epoch: u64,
    place: usize,
}

/// A request from its arrival to its answer.
struct UnderWay<'a>(&'a Traffic);

impl<'a> UnderWay<'a> {
    fn start(traffic: &'a Traffic) -> Self {
        let mut state = traffic.lock();
        state.under_way += 1;
        state.most_under_way = state.most_under_way.max(state.under_way);
        Self(traffic)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.lock().under_way -= 1;
    }
}

/// Writes on their way; the watch counts those that share a path.
struct Flight<'a> {
    traffic: &'a Traffic,
    paths: Vec<String>,
}

impl<'a> Flight<'a> {
    fn start(traffic: &'a Traffic, call: &Call) -> Self {
        let paths = match call.method.as_str() {
            "PUT" | "PATCH" | "DELETE" => vec![decode(&call.path)],
            _ if call.is_bulk() => changed(call).iter().map(|path| decode(path)).collect(),
            _ => Vec::new(),
        };
        let mut state = traffic.lock();
        for path in &paths {
            let count = state.in_flight.entry(path.clone()).or_default();
            *count += 1;
            if *count > 1 {
                state.overlaps.push(path.clone());
            }
        }
        drop(state);
        Self { traffic, paths }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut state = self.traffic.lock();
        for path in &self.paths {
            if let Some(count) = state.in_flight.get_mut(path) {
                *count -= 1;
                if *count == 0 {
                    state.in_flight.remove(path);
                }
            }
        }
    }
}

/// Which server an answer comes from: their errors and lists look different.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Graph,
    Scim,
}

impl Side {
    fn trouble(self, status: u16, headers: Vec<(String, String)>, body: String) -> Reply {
        let body = if body.is_empty() {
            self.error_body(status)
        } else {
            body
        };
        let mut reply = Reply::new(status, "application/json", body);
        reply.headers.extend(headers);
        reply
    }

    fn error_body(self, status: u16) -> String {
        match self {
            Self::Graph => {
                let (code, message) = match status {
                    400 => ("Request_BadRequest", "Invalid request."),
                    401 => (
                        "InvalidAuthenticationToken",
                        "Lifetime validation failed, the token is expired.",
                    ),
                    403 => (
                        "Authorization_RequestDenied",
                        "Insufficient privileges to complete the operation.",
                    ),
                    404 => (
                        "Request_ResourceNotFound",
                        "Resource does not exist or one of its queried reference-property objects are not present.",
                    ),
                    410 => (
                        "syncStateNotFound",
                        "The sync state generation is not found; a full read is required.",
                    ),
                    429 => (
                        "TooManyRequests",
                        "Too many requests. Please retry after some time.",
                    ),
                    503 => (
                        "serviceNotAvailable",
                        "The service is not available. Try the request again after a delay.",
                    ),
                    _ => (
                        "Service_InternalServerError",
                        "Encountered an internal server error.",
                    ),
                };
                serde_json::json!({"error": {"code": code, "message": message, "innerError": {
                    "date": "2026-01-09T12:00:00",
                    "request-id": "93b6f17e-c05d-4f45-ad2a-6665c708d8a0",
                    "client-request-id": "93b6f17e-c05d-4f45-ad2a-6665c708d8a0",
                }}})
                .to_string()
            }
            Self::Scim => serde_json::json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
                "status": status.to_string(),
                "detail": "The sandbox was asked to answer so.",
            })
            .to_string(),
        }
    }

    fn empty_list(self) -> Reply {
        let body = match self {
            Self::Graph => serde_json::json!({"value": []}),
            Self::Scim => serde_json::json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
                "totalResults": 0, "startIndex": 1, "itemsPerPage": 0, "Resources": [],
            }),
        };
        Reply::new(200, "application/json", body.to_string())
    }
}

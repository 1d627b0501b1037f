//! Troubles that a test or a demo can put in the way of requests, counted and therefore repeatable.

use std::time::Duration;

use super::reply::Reply;

/// One trouble and the requests it befalls: the next `times` that match, after letting `after` pass.
#[derive(Debug, Clone)]
pub struct Fault {
    pub(super) method: Option<String>,
    pub(super) path: String,
    pub(super) after: usize,
    pub(super) times: usize,
    pub(super) trouble: Trouble,
}

impl Fault {
    /// Befalls the next request whose decoded path and query contain `path`.
    pub fn new(path: &str, trouble: Trouble) -> Self {
        Self {
            method: None,
            path: path.to_owned(),
            after: 0,
            times: 1,
            trouble,
        }
    }

    /// Only requests with this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_ascii_uppercase());
        self
    }

    /// As many requests in a row.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// Until the faults are cleared.
    #[must_use]
    pub fn forever(self) -> Self {
        self.times(usize::MAX)
    }

    /// Lets as many matching requests pass first.
    #[must_use]
    pub fn after(mut self, requests: usize) -> Self {
        self.after = requests;
        self
    }

    pub(super) fn matches(&self, method: &str, target: &str) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted == method) && target.contains(&self.path)
    }
}

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Trouble {
    /// It is answered with this and not processed.
    Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: String,
    },
    /// It is answered with this status, a `Retry-After` date so far from now, and not processed.
    RetryAfterDate { status: u16, wait: Duration },
    /// It is processed, and the connection breaks in the middle of the answer.
    CutAnswer,
    /// It is processed, and half of the body comes as if it were whole.
    TornBody,
    /// It is processed, and the answer has its status but no body.
    NoBody,
    /// It is answered with an empty list without any link, status 200, and not processed.
    EmptyList,
    /// The connection breaks before anything is processed.
    Refused,
    /// It is processed, and the connection breaks before the answer.
    AnswerLost,
    /// It is processed after this time.
    Delay(Duration),
    /// It is processed twice, as by a proxy that repeats requests, and the second answer comes.
    Twice,
}

impl Trouble {
    /// A bare status in the error format of the side it happens on.
    pub fn status(status: u16) -> Self {
        Self::Answer {
            status,
            headers: Vec::new(),
            body: String::new(),
        }
    }

    /// A status with a JSON body.
    pub fn body(status: u16, body: &str) -> Self {
        Self::Answer {
            status,
            headers: Vec::new(),
            body: body.to_owned(),
        }
    }

    /// 429 with `Retry-After` in seconds.
    pub fn throttled(seconds: u64) -> Self {
        Self::retry_after(429, seconds)
    }

    /// A status with `Retry-After` in seconds.
    pub fn retry_after(status: u16, seconds: u64) -> Self {
        Self::Answer {
            status,
            headers: vec![("retry-after".to_owned(), seconds.to_string())],
            body: String::new(),
        }
    }

    /// What a reverse proxy says when the service behind it is gone.
    pub fn html(status: u16) -> Self {
        Self::Answer {
            status,
            headers: vec![("content-type".to_owned(), "text/html".to_owned())],
            body: format!("<html><body><h1>{status} Gateway trouble</h1></body></html>"),
        }
    }
}

/// Today's date as HTTP writes it, so much later.
#[expect(
    clippy::disallowed_methods,
    reason = "a client compares the date with its own clock"
)]
pub(super) fn http_date_in(wait: Duration) -> String {
    httpdate::fmt_http_date(std::time::SystemTime::now() + wait)
}

/// The half of a body, for answers that are torn.
pub(super) fn tear(reply: &mut Reply) {
    let mut half = reply.body.len() / 2;
    while !reply.body.is_char_boundary(half) {
        half -= 1;
    }
    reply.body.truncate(half);
}

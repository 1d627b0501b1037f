//! Who comes in: requests that name this host, by methods that change nothing, of a bounded length; pages only
//! with the token, or with a cookie that a user got for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::timeout;
use url::Host;

use super::answer::text;
use super::error::Error;
use crate::config::{self, Listen, ProxyProof, Secret, Web};
use crate::scheduler;
use crate::store::{StateKey, Store};

/// Bytes of a query that are read.
const LONGEST_QUERY: usize = 2_000;

/// How long one answer may take, the reading of a form included.
const LONGEST: Duration = Duration::from_secs(30);

/// How long a user stays signed in.
const SESSION: TimeDelta = TimeDelta::hours(12);

const COOKIE: &str = "entrain-session";

/// In which a proxy shows that it is the proxy.
const PROXY_SECRET: &str = "x-proxy-secret";
/// What the digest of its secret is made for.
const PROXY: &str = "web proxy";

/// Nothing from elsewhere is loaded, and nothing is sent elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

tokio::task_local! {
    /// Whether the user of this request signed in here, and can sign out: not by a proxy or a certificate.
    static HAS_SESSION: bool;
}

/// The same of the request that is answered now.
pub(super) fn can_sign_out() -> bool {
    HAS_SESSION.try_with(|has| *has).unwrap_or(false)
}

pub(super) struct Doors {
    /// Made of the token: what is compared and signed are digests.
    key: StateKey,
    digest: String,
    file: Option<PathBuf>,
    is_open: bool,
    proxy: Option<Proxy>,
    /// `None`: behind a Unix socket, where a proxy decides what it is called.
    hosts: Option<Vec<String>>,
    is_secure: bool,
}

/// A proxy that signs users in.
struct Proxy {
    header: String,
    /// Of the secret that it sends; `None`: it comes by the Unix socket.
    digest: Option<String>,
}

/// The connection showed a certificate of an authority that is trusted for it.
#[derive(Clone, Copy)]
pub(super) struct Certified;

fn read(what: &'static str, secret: &Secret) -> Result<String, Error> {
    let text = secret.read_page_token();
    let text = text.map_err(|source| Error::Secret { what, source })?;
    Ok(text.trim().to_owned())
}

impl Doors {
    pub(super) fn new(settings: &Web, store: &Store) -> Result<Self, Error> {
        let what = "token of the status page ([web] token)";
        let (token, file) = if let Some(secret) = &settings.token {
            (read(what, secret)?, None)
        } else {
            let (token, file) = store.web_token().map_err(Error::State)?;
            (token, Some(file))
        };
        let token = token.as_str();
        let key = StateKey::of(token);
        let proxy = match &settings.proxy {
            Some(config::Proxy { header, proof }) => Some(Proxy {
                header: header.clone(),
                digest: match proof {
                    ProxyProof::Socket => None,
                    ProxyProof::Secret(secret) => {
                        let secret = read("secret of the proxy ([web] proxy)", secret)?;
                        Some(key.digest(PROXY, &secret))
                    }
                },
            }),
            None => None,
        };
        Ok(Self {
            digest: key.digest("web token", token),
            key,
            file: file.filter(|_| !settings.is_open),
            is_open: settings.is_open,
            proxy,
            hosts: match settings.listen {
                Listen::Address(_) => Some(settings.hosts.clone()),
                Listen::Socket(_) => None,
            },
            is_secure: settings.tls.is_some(),
        })
    }

    /// Where the token is, where none was chosen.
    pub(super) fn token_file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    pub(super) fn is_token(&self, text: &str) -> bool {
        self.key.digest("web token", text.trim()) == self.digest
    }

    /// What the browser of a user who signed in keeps.
    pub(super) fn cookie(&self, now: DateTime<Utc>) -> HeaderValue {
        let until = (now + SESSION).timestamp();
        let signed = self.key.digest("web session", &until.to_string());
        self.set_cookie(&format!("{until}.{signed}"), SESSION.num_seconds())
    }

    pub(super) fn no_cookie(&self) -> HeaderValue {
        self.set_cookie("", 0)
    }

    fn set_cookie(&self, value: &str, seconds: i64) -> HeaderValue {
        let secure = if self.is_secure { "; Secure" } else { "" };
        let text =
            format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
    }

    fn is_session(&self, value: &str, now: DateTime<Utc>) -> bool {
        let Some((until, signed)) = value.split_once('.') else {
            return false;
        };
        let is_valid = until
            .parse()
            // Not longer than any session lasts, whatever the clock showed when it began.
            .is_ok_and(|until: i64| {
                (now.timestamp() + 1..=(now + SESSION).timestamp()).contains(&until)
            });
        is_valid && self.key.digest("web session", until) == signed
    }

    /// Whether the pages may be shown.
    pub(super) fn may_see(&self, headers: &HeaderMap, now: DateTime<Utc>) -> bool {
        self.is_open
            || self.bears_token(headers)
            || self.is_signed_in(headers, now)
            || self.is_of_proxy(headers)
    }

    /// Whether the proxy names a user, and is the proxy.
    fn is_of_proxy(&self, headers: &HeaderMap) -> bool {
        let Some(Proxy { header, digest }) = &self.proxy else {
            return false;
        };
        let of = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let is_named = of(header).is_some_and(|user| !user.trim().is_empty());
        let is_proxy = digest.as_ref().is_none_or(|digest| {
            let secret = of(PROXY_SECRET).map(str::trim);
            secret.is_some_and(|secret| self.key.digest(PROXY, secret) == *digest)
        });
        is_named && is_proxy
    }

    fn bears_token(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION);
        let given = given.and_then(|given| given.to_str().ok());
        let given = given.and_then(|given| given.split_once(' '));
        given.is_some_and(|(scheme, token)| {
            scheme.eq_ignore_ascii_case("Bearer") && self.is_token(token)
        })
    }

    fn is_signed_in(&self, headers: &HeaderMap, now: DateTime<Utc>) -> bool {
        let cookies = headers.get_all(header::COOKIE).iter();
        let cookies = cookies.filter_map(|line| line.to_str().ok());
        let mut cookies = cookies.flat_map(|line| line.split(';'));
        cookies.any(|cookie| {
            let pair = cookie.trim().split_once('=');
            pair.is_some_and(|(name, value)| name == COOKIE && self.is_session(value, now))
        })
    }

    /// Whether a name is one of this host. A page from elsewhere can point a name of its own to this machine,
    /// but not an address.
    fn is_ours(&self, authority: &str) -> bool {
        let Some(hosts) = &self.hosts else {
            return true;
        };
        let name = match authority.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            Some(_) | None => authority,
        };
        match Host::parse(name) {
            Ok(Host::Ipv4(_) | Host::Ipv6(_)) => true,
            Ok(Host::Domain(name)) => name == "localhost" || hosts.contains(&name),
            Err(_) => false,
        }
    }
}

/// Before and after every request.
pub(super) async fn check(
    State(doors): State<Arc<Doors>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = if let Some(response) = refusal(&doors, &request) {
        response
    } else {
        let has_session = doors.is_signed_in(request.headers(), scheduler::now());
        let answer = HAS_SESSION.scope(has_session, next.run(request));
        match timeout(LONGEST, answer).await {
            Ok(response) => response,
            Err(_) => text(StatusCode::SERVICE_UNAVAILABLE, "This took too long.\n"),
        }
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in [
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        (
            "permissions-policy",
            "camera=(), geolocation=(), microphone=()",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let cached = headers.entry(header::CACHE_CONTROL);
    cached.or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Why a request is not looked at.
fn refusal(doors: &Doors, request: &Request) -> Option<Response> {
    let hosts = request.headers().get_all(header::HOST);
    if hosts.iter().count() > 1 {
        let words = "The request has more than one host name.\n";
        return Some(text(StatusCode::BAD_REQUEST, words));
    }
    let host = hosts.iter().next();
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let authority = request
        .uri()
        .authority()
        .map(axum::http::uri::Authority::as_str);
    if ![Some(host), authority]
        .into_iter()
        .flatten()
        .all(|name| doors.is_ours(name))
    {
        let words = "The host name of the request is not allowed. Add it to hosts in [web].\n";
        return Some(text(StatusCode::MISDIRECTED_REQUEST, words));
    }
    let method = request.method();
    let path = request.uri().path();
    let is_form = *method == Method::POST && matches!(path, "/sign-in" | "/sign-out");
    if !(method == Method::GET || method == Method::HEAD || is_form) {
        let words = "The page is read-only: only GET and HEAD are supported.\n";
        let refused = text(StatusCode::METHOD_NOT_ALLOWED, words);
        return Some(([(header::ALLOW, "GET, HEAD")], refused).into_response());
    }
    let query = request.uri().query().unwrap_or_default();
    if path.len() + query.len() > LONGEST_QUERY {
        return Some(text(StatusCode::URI_TOO_LONG, "The address is too long.\n"));
    }
    None
}

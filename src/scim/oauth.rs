//! Tokens of a target's authorization server, by the client credentials grant (RFC 6749 section 4.4).

use std::error::Error as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;
use url::form_urlencoded::byte_serialize;

use super::access::Unread;
use super::error::Error;
use super::issued::{Issuer, NoToken, Why};
use super::message::{ServerMessage, is_page};
use crate::config::{self, Authentication, Target};
use crate::engine::redact::Hidden;
use crate::http::{
    self, Answer, Channel, Expect, Grant, Grantor, Grants, Idempotency, redact_secrets,
};
use crate::metrics::Side;

/// For one answer of the token endpoint.
const TIMEOUT: Duration = Duration::from_secs(30);
/// No token answer comes near it.
const MAX_ANSWER: usize = 256 * 1024;
/// How long a token is used of which the server does not say when it expires; it may be refused earlier.
const UNSAID: Duration = Duration::from_hours(1);
/// A token is not requested for each request, whatever the server says.
const SHORTEST: Duration = Duration::from_secs(20);
const LONGEST: Duration = Duration::from_hours(24);

/// The client of one authorization server.
pub(crate) struct OAuth {
    settings: config::OAuth,
    endpoint: Url,
    channel: Channel,
    held: Mutex<Held>,
    /// With the way of authentication that was taken last.
    grants: Grants<Option<Authentication>>,
}

struct Held {
    /// As they were read last.
    read: Vec<String>,
    /// The place of the one that was accepted last.
    accepted: usize,
    /// Those before, and tokens.
    known: Vec<String>,
}

/// Remembered to be taken out of texts.
const MOST_KNOWN: usize = 16;

/// What the endpoint answered in place of a token.
struct Refusal {
    status: u16,
    /// The error code of RFC 6749 section 5.2.
    error: Option<String>,
    words: String,
}

enum Failed {
    Refused(Refusal),
    Other(NoToken),
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    token_type: Option<String>,
    /// In seconds. A number, or text of some servers.
    #[serde(default)]
    expires_in: Value,
}

#[derive(Default, Deserialize)]
struct NotGranted {
    error: Option<String>,
    error_description: Option<String>,
}

impl OAuth {
    /// Reads the secrets.
    pub(crate) fn read(settings: &config::OAuth) -> Result<Vec<String>, Unread> {
        let several = settings.secrets.len() > 1;
        let secrets = settings.secrets.iter().enumerate();
        secrets
            .map(|(index, one)| {
                one.secret.read().map_err(|source| {
                    let key = "target.oauth.client_secret";
                    let key = if several {
                        format!("{key}[{index}]")
                    } else {
                        key.to_owned()
                    };
                    Unread { key, source }
                })
            })
            .collect()
    }

    pub(crate) fn new(
        target: &Target,
        settings: &config::OAuth,
        secrets: Vec<String>,
        stop: CancellationToken,
    ) -> Result<Self, Error> {
        let endpoint =
            http::check_url(&settings.token_url).map_err(|source| Error::BaseUrl { source })?;
        let roots = super::connection::roots(target)?;
        let client = http::build(&http::Settings {
            connections: 1,
            timeout: TIMEOUT,
            extra_roots: roots.as_deref(),
            identity: None,
            proxy: target.proxy.as_deref(),
            direct: http::is_loopback(&endpoint),
        })
        .map_err(|source| Error::Client { source })?;
        Ok(Self {
            settings: settings.clone(),
            endpoint,
            channel: Channel::new(Side::Target, client, None, stop),
            held: Mutex::new(Held {
                read: secrets,
                accepted: 0,
                known: Vec::new(),
            }),
            grants: Grants::default(),
        })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn identity_with(&self, secret: &str) -> String {
        let config::OAuth {
            token_url,
            client_id,
            scope,
            audience,
            ..
        } = &self.settings;
        // Without one it is as it was before there was the key.
        let audience = audience.as_ref().map(|one| format!(" for {one:?}"));
        let audience = audience.unwrap_or_default();
        format!("oauth {token_url:?} {client_id:?} {scope:?}{audience} {secret}")
    }

    /// Tries the secrets in turn, that which was accepted last first.
    async fn ask_with_each(
        &self,
        secrets: &[String],
        repeat: Idempotency,
        way: &mut Option<Authentication>,
    ) -> Result<Grant, Failed> {
        let mut first = None;
        let begin = self.held().accepted;
        for turn in 0..secrets.len() {
            let place = (begin + turn) % secrets.len();
            match self.ask_with(&secrets[place], repeat, way).await {
                Ok(grant) => {
                    if place != begin {
                        tracing::warn!(
                            refused = format!("target.oauth.client_secret[{begin}]"),
                            used = format!("target.oauth.client_secret[{place}]"),
                            "the token endpoint accepted another secret"
                        );
                    }
                    self.held().accepted = place;
                    return Ok(grant);
                }
                Err(Failed::Refused(refusal)) if refusal.is_of_client() => {
                    first.get_or_insert(refusal);
                }
                Err(failed) => return Err(failed),
            }
        }
        Err(Failed::Refused(
            first.expect("there is a secret, and each was refused"),
        ))
    }

    /// Shows one secret as the endpoint takes it.
    async fn ask_with(
        &self,
        secret: &str,
        repeat: Idempotency,
        way: &mut Option<Authentication>,
    ) -> Result<Grant, Failed> {
        let mut ways: Vec<_> = match self.settings.authentication {
            Some(way) => vec![way],
            None => Authentication::WORDS.iter().map(|(_, way)| *way).collect(),
        };
        if let Some(known) = *way {
            ways.sort_by_key(|one| *one != known);
        }
        let mut first: Option<Refusal> = None;
        for one in ways {
            match self.ask_by(one, secret, repeat).await {
                Ok(grant) => {
                    *way = Some(one);
                    return Ok(grant);
                }
                Err(Failed::Refused(refusal)) if refusal.may_be_of_way() => {
                    // The other way would be refused for what it is.
                    first = Some(match first {
                        Some(first) if first.is_of_client() || !refusal.is_of_client() => first,
                        Some(_) | None => refusal,
                    });
                }
                Err(failed) => return Err(failed),
            }
        }
        Err(Failed::Refused(
            first.expect("there is a way, and each was refused"),
        ))
    }

    async fn ask_by(
        &self,
        way: Authentication,
        secret: &str,
        repeat: Idempotency,
    ) -> Result<Grant, Failed> {
        let config::OAuth {
            client_id,
            scope,
            audience,
            ..
        } = &self.settings;
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(scope.as_deref().map(|scope| ("scope", scope)));
        form.extend(audience.as_deref().map(|audience| ("audience", audience)));
        // Each part is encoded as in a form before both are encoded (RFC 6749 section 2.3.1).
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let basic = STANDARD.encode(format!("{}:{}", encoded(client_id), encoded(secret)));
        if way == Authentication::Post {
            form.extend([("client_id", client_id.as_str()), ("client_secret", secret)]);
        }
        let asked = Instant::now();
        let sent = self
            .channel
            .send(repeat, Expect::Body { limit: MAX_ANSWER }, |client| {
                let request = client
                    .post(self.endpoint.clone())
                    .header("accept", "application/json")
                    .form(&form);
                match way {
                    Authentication::Basic => {
                        request.header("authorization", format!("Basic {basic}"))
                    }
                    Authentication::Post => request,
                }
            })
            .await;
        let redact = |text: &str| redact_secrets(text, &[secret, &basic]);
        let answer = sent.map_err(|error| {
            let mut words = format!("the token endpoint cannot be asked: {error}");
            if let Some(cause) = error.source() {
                words = format!("{words}: {cause}");
            }
            Failed::Other(NoToken {
                why: if error.is_stop() {
                    Why::Stopped
                } else {
                    Why::Unavailable
                },
                words: redact(&words),
                remedy: Some(
                    "check target.oauth.token_url, the network, a proxy in between, and \
                     target.ca_certificate"
                        .to_owned(),
                ),
            })
        })?;
        if !answer.is_success() {
            return Err(refused(&answer, &[secret, &basic]));
        }
        let malformed = |what: &str| {
            let (path, status) = (&answer.exchange.path, answer.status);
            Failed::Other(NoToken {
                why: Why::Unavailable,
                words: format!("the token endpoint answered {status} to POST {path}, and {what}"),
                remedy: Some("check target.oauth.token_url".to_owned()),
            })
        };
        // Neither the parser's words nor the body are shown: they could hold the token.
        let granted: Granted = http::read_json(&answer.body).map_err(|_| {
            malformed(if is_page(&answer.body) {
                "the answer is an HTML page"
            } else {
                "the answer holds no access_token"
            })
        })?;
        let kind = granted.token_type.as_deref().unwrap_or("bearer").trim();
        if !kind.is_empty() && !kind.eq_ignore_ascii_case("bearer") {
            return Err(malformed("the token is not a bearer token"));
        }
        let token = granted.access_token.trim();
        let is_sendable = token.bytes().all(|byte| byte.is_ascii_graphic());
        if token.is_empty() || !is_sendable {
            return Err(malformed("the token is empty or cannot stand in a header"));
        }
        let seconds = match &granted.expires_in {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let lifetime = seconds
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .map_or(UNSAID, |lifetime| lifetime.clamp(SHORTEST, LONGEST));
        self.note(token);
        Grant::new(token, asked, lifetime).ok_or_else(|| malformed("its time cannot be counted"))
    }

    /// To be taken out of texts.
    fn note(&self, secret: &str) {
        let mut held = self.held();
        if held.known.len() >= MOST_KNOWN {
            held.known.remove(0);
        }
        held.known.push(secret.to_owned());
    }

    /// With secrets that were read again.
    fn begin_again(&self, secrets: &[String]) {
        let mut held = self.held();
        held.read = secrets.to_vec();
        held.accepted = 0;
    }

    /// The secrets once more, after they were refused. `None`: they are as they were, or cannot be read.
    fn read_again(&self, refused: &[String]) -> Option<Vec<String>> {
        let mut places = self.settings.secrets.iter();
        if !places.all(|one| one.secret.is_kept()) {
            return None;
        }
        let fresh = Self::read(&self.settings).ok()?;
        let is_another = fresh.iter().any(|one| !refused.contains(one));
        is_another.then_some(fresh)
    }
}

#[async_trait]
impl Grantor for OAuth {
    type Memory = Option<Authentication>;
    type Error = NoToken;

    async fn ask(
        &self,
        repeat: Idempotency,
        way: &mut Option<Authentication>,
    ) -> Result<Grant, NoToken> {
        let secrets = self.held().read.clone();
        let asked = match self.ask_with_each(&secrets, repeat, way).await {
            Err(Failed::Refused(refusal)) if refusal.is_of_client() => {
                match self.read_again(&secrets) {
                    Some(fresh) => {
                        tracing::info!(
                            "the token endpoint refused the client's secret; it was read again and \
                             has changed"
                        );
                        for old in &secrets {
                            self.note(old);
                        }
                        self.begin_again(&fresh);
                        self.ask_with_each(&fresh, repeat, way).await
                    }
                    None => Err(Failed::Refused(refusal)),
                }
            }
            asked => asked,
        };
        asked.map_err(|failed| match failed {
            Failed::Refused(refusal) => refusal.into_error(&self.settings),
            Failed::Other(error) => error,
        })
    }
}

#[async_trait]
impl Issuer for OAuth {
    async fn token(&self) -> Result<Arc<str>, NoToken> {
        self.grants.token(self).await
    }

    async fn reject(&self, token: &str) {
        self.grants.reject(token, |_| ()).await;
    }

    fn identity(&self) -> String {
        let held = self.held();
        let secret = held.read.get(held.accepted);
        self.identity_with(secret.map(String::as_str).unwrap_or_default())
    }

    fn begin_with(&self, is_known: &dyn Fn(&str) -> bool) {
        let mut held = self.held();
        let mut secrets = held.read.iter();
        if let Some(place) = secrets.position(|secret| is_known(&self.identity_with(secret))) {
            held.accepted = place;
        }
    }

    fn secrets(&self) -> Vec<String> {
        let held = self.held();
        held.read.iter().chain(&held.known).cloned().collect()
    }
}

fn refused(answer: &Answer, secrets: &[&str]) -> Failed {
    let NotGranted {
        error,
        error_description,
    } = http::read_json(&answer.body).unwrap_or_default();
    let (path, status) = (&answer.exchange.path, answer.status);
    let mut words = format!("POST {path}: status {status}");
    match (&error, &error_description) {
        (Some(error), Some(description)) => {
            let text = format!(": {error}: {description}");
            words.push_str(&redact_secrets(&text, secrets));
        }
        (Some(one), None) | (None, Some(one)) => {
            words.push_str(&redact_secrets(&format!(": {one}"), secrets));
        }
        (None, None) => {
            let message = ServerMessage::read(&answer.body, secrets, &Hidden::default());
            words.push_str(&message.to_string());
        }
    }
    let refusal = Refusal {
        status,
        error: error.map(|error| error.to_ascii_lowercase()),
        words,
    };
    if matches!(status, 400..=499) && !matches!(status, 408 | 429) {
        return Failed::Refused(refusal);
    }
    let remedy = if (300..400).contains(&status) {
        "check target.oauth.token_url: redirects are not followed, to protect the secret"
    } else {
        "none needed if the token endpoint is back soon; otherwise ask its operator"
    };
    Failed::Other(NoToken {
        why: Why::Unavailable,
        words: refusal.words,
        remedy: Some(remedy.to_owned()),
    })
}

impl Refusal {
    /// Whether the client or its secret is refused, so that another secret may be accepted.
    fn is_of_client(&self) -> bool {
        match self.error.as_deref() {
            Some(error) => matches!(error, "invalid_client" | "unauthorized_client"),
            None => matches!(self.status, 401 | 403),
        }
    }

    /// Whether it may be that the client showed its secret in another way than is taken.
    fn may_be_of_way(&self) -> bool {
        match self.error.as_deref() {
            Some(error) => {
                matches!(
                    error,
                    "invalid_client" | "invalid_request" | "unauthorized_client"
                )
            }
            None => matches!(self.status, 400 | 401 | 403),
        }
    }

    fn into_error(self, settings: &config::OAuth) -> NoToken {
        let remedy = match self.error.as_deref() {
            Some("invalid_client") if settings.authentication.is_some() => {
                "check target.oauth.client_id, client_secret and authentication; make a new secret if it expired"
            }
            Some("invalid_client") => {
                "check target.oauth.client_id and client_secret; make a new secret if it expired"
            }
            Some("unauthorized_client" | "unsupported_grant_type") => {
                "allow the client the grant type client_credentials in the authorization server"
            }
            Some("invalid_scope") if settings.scope.is_some() => "correct target.oauth.scope",
            Some("invalid_scope") => "add scope = \"…\" to target.oauth",
            Some(_) => "correct target.oauth as the documentation of the target says",
            None if self.is_of_client() => {
                "check target.oauth.client_id and client_secret; make a new secret if it expired"
            }
            None => "check target.oauth.token_url",
        };
        NoToken {
            why: Why::Refused,
            words: self.words,
            remedy: Some(remedy.to_owned()),
        }
    }
}

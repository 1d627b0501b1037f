//! Access tokens: asked for with the credential of the source, kept until shortly before they expire,
//! shared by all clones. graph-rs-sdk asks here too; its own credentials are never used.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use graph_core::identity::{ClientApplication, ForceTokenRefresh};
use graph_rs_sdk::error::{AuthExecutionError, AuthExecutionResult};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::config::Source;
use crate::http::{self, Answer, Channel, Expect, Idempotency};

use super::error::{Error, TokenRefusal};
use super::{remedy, wire};

/// A token is replaced this long before it expires, so that none expires between two pages.
const REFRESH_EARLY: Duration = Duration::from_mins(5);
/// How long a token that is still good is used on when no new one is to be had.
const USE_ON: Duration = Duration::from_secs(30);
/// For one answer of the sign-in service.
const TIMEOUT: Duration = Duration::from_secs(30);
/// No token answer comes near it.
const MAX_ANSWER: usize = 1024 * 1024;
/// Requests for one token at most, where a code says that the trouble is temporary.
const MAX_ATTEMPTS: u32 = 5;
/// The first wait after such a code; it doubles.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The secret of the app registration. Never printed.
#[derive(Clone)]
pub(crate) struct ClientSecret(String);

impl ClientSecret {
    pub(crate) fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret([redacted])")
    }
}

/// How the application proves who it is. Certificate, federated token and managed identity are to
/// stand beside it.
#[derive(Clone, Debug)]
enum Credential {
    Secret(ClientSecret),
}

impl Credential {
    /// What it adds to the form of the token request.
    fn fields(&self) -> [(&'static str, &str); 1] {
        match self {
            Self::Secret(secret) => [("client_secret", &secret.0)],
        }
    }

    /// The server's words without the credential.
    fn redact(&self, words: &str) -> String {
        match self {
            Self::Secret(secret) => http::redact_secret(words, &secret.0),
        }
    }
}

/// Cheap to clone; clones share the token.
#[derive(Clone)]
pub(super) struct Tokens(Arc<Shared>);

struct Shared {
    channel: Channel,
    endpoint: Url,
    client_id: String,
    scope: String,
    credential: Credential,
    stop: CancellationToken,
    /// Held while a token is asked for: one request serves all who wait (single flight).
    current: Mutex<Option<Token>>,
}

struct Token {
    text: Arc<str>,
    refresh_at: Instant,
    expires_at: Instant,
}

impl Tokens {
    pub(super) fn new(
        source: &Source,
        secret: ClientSecret,
        stop: CancellationToken,
    ) -> Result<Self, Error> {
        let mut endpoint = http::check_url(&source.login_url).map_err(|source| Error::Url {
            key: "source.login_url",
            source,
        })?;
        endpoint
            .path_segments_mut()
            .expect("http and https URLs have a path")
            .pop_if_empty()
            .extend([source.tenant_id.as_str(), "oauth2", "v2.0", "token"]);
        let client = http::build(&http::Settings {
            connections: 1,
            timeout: TIMEOUT,
            extra_roots: None,
            direct: http::is_loopback(&endpoint),
        })
        .map_err(Error::Setup)?;
        Ok(Self(Arc::new(Shared {
            channel: Channel::new(client, None, stop.clone()),
            endpoint,
            client_id: source.client_id.clone(),
            scope: source.token_scope.clone(),
            credential: Credential::Secret(secret),
            stop,
            current: Mutex::new(None),
        })))
    }

    /// A token that is good for a while.
    pub(super) async fn token(&self) -> Result<Arc<str>, Error> {
        let mut current = self.0.current.lock().await;
        let Some(old) = current.as_mut() else {
            let token = self.0.ask(Idempotency::Always).await?;
            return Ok(current.insert(token).text.clone());
        };
        let now = Instant::now();
        if now < old.refresh_at {
            return Ok(old.text.clone());
        }
        let is_good = now < old.expires_at;
        let repeat = if is_good {
            Idempotency::Never
        } else {
            Idempotency::Always
        };
        match self.0.ask(repeat).await {
            Ok(token) => *old = token,
            Err(error) if is_good => {
                tracing::warn!(%error, "no new access token yet; the old one is used on");
                old.refresh_at = now + USE_ON;
            }
            Err(error) => return Err(error),
        }
        Ok(old.text.clone())
    }

    /// Forgets a token that Graph refused, unless another took its place meanwhile.
    pub(super) async fn reject(&self, refused: &str) {
        let mut current = self.0.current.lock().await;
        if current
            .as_ref()
            .is_some_and(|token| *token.text == *refused)
        {
            *current = None;
        }
    }

    /// Requests sent to the token endpoint so far.
    #[cfg(test)]
    pub(super) fn requests(&self) -> u64 {
        self.0.channel.requests()
    }
}

impl Shared {
    async fn ask(&self, repeat: Idempotency) -> Result<Token, Error> {
        let mut attempts = 0;
        loop {
            let asked = Instant::now();
            let answer = self.send(repeat).await?;
            attempts += answer.exchange.attempts;
            if answer.status == 200 {
                return granted(&answer, asked);
            }
            let refusal = self.refusal(&answer, attempts);
            // Temporary trouble that comes with a status of 4xx, which `http` does not repeat.
            let again = repeat == Idempotency::Always
                && answer.status < 500
                && attempts < MAX_ATTEMPTS
                && remedy::is_temporary(refusal.code);
            if !again {
                return Err(Error::TokenRefused(Box::new(refusal)));
            }
            let wait = answer
                .retry_after()
                .unwrap_or(FIRST_WAIT * 2_u32.pow(attempts - 1))
                .min(TIMEOUT);
            if self.stop.run_until_cancelled(sleep(wait)).await.is_none() {
                return Err(Error::Stopped);
            }
        }
    }

    async fn send(&self, repeat: Idempotency) -> Result<Answer, Error> {
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", &self.client_id),
            ("scope", &self.scope),
        ];
        form.extend(self.credential.fields());
        self.channel
            .send(repeat, Expect::Body { limit: MAX_ANSWER }, |client| {
                client.post(self.endpoint.clone()).form(&form)
            })
            .await
            .map_err(Error::of_token)
    }

    fn refusal(&self, answer: &Answer, attempts: u32) -> TokenRefusal {
        let wire::TokenFailure {
            error,
            error_description,
            error_codes,
            trace_id,
            correlation_id,
        } = wire::read(&answer.body).unwrap_or_default();
        let words = error_description
            .as_deref()
            .map(first_line)
            .filter(|line| !line.is_empty())
            .or(error.as_deref())
            .map(|words| self.credential.redact(words));
        TokenRefusal {
            status: answer.status,
            code: error_codes.and_then(|codes| codes.first().copied()),
            words,
            trace_id: trace_id.map(|id| http::redact(&id)),
            correlation_id: correlation_id.map(|id| http::redact(&id)),
            attempts,
        }
    }
}

fn granted(answer: &Answer, asked: Instant) -> Result<Token, Error> {
    let malformed = || Error::TokenMalformed {
        status: answer.status,
    };
    // The parser's own words could quote the token.
    let granted: wire::TokenAnswer = wire::read(&answer.body).map_err(|_| malformed())?;
    let lifetime = granted
        .expires_in()
        .map(Duration::from_secs)
        .ok_or_else(malformed)?;
    if granted.access_token.is_empty() {
        return Err(malformed());
    }
    let expires_at = asked.checked_add(lifetime).ok_or_else(malformed)?;
    Ok(Token {
        text: granted.access_token.into(),
        refresh_at: expires_at - REFRESH_EARLY.min(lifetime / 2),
        expires_at,
    })
}

/// A description ends with trace and correlation ids, behind a line break or only behind a space.
fn first_line(description: &str) -> &str {
    let line = description.lines().next().unwrap_or_default();
    line.split_once(" Trace ID:")
        .map_or(line, |(words, _)| words)
        .trim_end()
}

#[async_trait]
impl ClientApplication for Tokens {
    /// Only the SDK's blocking face calls it, which nobody here uses.
    fn get_token_silent(&mut self) -> AuthExecutionResult<String> {
        Err(AuthExecutionError::Other(Box::new(Error::Unsendable)))
    }

    async fn get_token_silent_async(&mut self) -> AuthExecutionResult<String> {
        match self.token().await {
            Ok(token) => Ok((*token).to_owned()),
            Err(error) => Err(AuthExecutionError::Other(Box::new(error))),
        }
    }

    /// Whether a token is still good is decided by [`Tokens::token`] and [`Tokens::reject`] alone.
    fn with_force_token_refresh(&mut self, _: ForceTokenRefresh) {}
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::StatusCode;

    use super::*;
    use crate::config::Secret;
    use crate::http::testing::serve;

    /// A server that refuses every token with this status, and a token of before.
    async fn with_old_token(
        status: u16,
        expires_in: Duration,
    ) -> (Tokens, Result<Arc<str>, Error>) {
        let status = StatusCode::from_u16(status).unwrap();
        let url = serve(Router::new().fallback(move || std::future::ready(status))).await;
        let source = Source {
            tenant_id: "contoso".to_owned(),
            client_id: "client".to_owned(),
            client_secret: Secret::Env("UNUSED".to_owned()),
            login_url: url,
            graph_url: "https://graph.microsoft.com".to_owned(),
            token_scope: "scope".to_owned(),
        };
        let stop = CancellationToken::new();
        let tokens = Tokens::new(&source, ClientSecret::new("secret"), stop).unwrap();
        let now = Instant::now();
        *tokens.0.current.lock().await = Some(Token {
            text: "old".into(),
            refresh_at: now,
            expires_at: now + expires_in,
        });
        let token = tokens.token().await;
        (tokens, token)
    }

    #[tokio::test]
    async fn a_token_that_is_still_good_is_used_on_when_no_other_is_to_be_had() {
        let (tokens, token) = with_old_token(503, Duration::from_mins(1)).await;
        assert_eq!(&*token.unwrap(), "old");
        assert_eq!(&*tokens.token().await.unwrap(), "old");
        assert_eq!(tokens.requests(), 1);
    }

    #[tokio::test]
    async fn a_token_that_expired_is_not_used_on() {
        let (_, token) = with_old_token(400, Duration::ZERO).await;
        assert!(matches!(token, Err(Error::TokenRefused(_))));
    }

    #[test]
    fn a_description_is_cut_before_its_ids() {
        for description in [
            "AADSTS1: No. Trace ID: a Correlation ID: b Timestamp: c",
            "AADSTS1: No.\r\nTrace ID: a\r\nCorrelation ID: b",
            "AADSTS1: No.",
        ] {
            assert_eq!(first_line(description), "AADSTS1: No.");
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        let secret = ClientSecret::new("hunter22");
        assert!(!format!("{secret:?}").contains("hunter"));
        let credential = Credential::Secret(secret);
        assert!(!format!("{credential:?}").contains("hunter"));
        assert!(!credential.redact("bad hunter22").contains("hunter22"));
    }
}

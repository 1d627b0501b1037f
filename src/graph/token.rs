//! Access tokens: asked for with the credential of the source, kept until shortly before they expire,
//! shared by all clones. graph-rs-sdk asks here too; its own credentials are never used.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use graph_core::identity::{ClientApplication, ForceTokenRefresh};
use graph_rs_sdk::error::{AuthExecutionError, AuthExecutionResult};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::config::Source;
use crate::http::{self, Answer, Channel, Expect, Grant, Grantor, Grants, Idempotency, Record};
use crate::metrics::Side;

use super::credential::{Credential, DeviceCode, Endpoint, Fields, Kind, Proof, azure_cli};
use super::error::{AZURE_CLI, Error, MACHINE, SIGN_IN, TokenRefusal, malformed};
use super::{remedy, wire};

/// For one answer of the sign-in service.
const TIMEOUT: Duration = Duration::from_secs(30);
/// No token answer comes near it.
const MAX_ANSWER: usize = 1024 * 1024;
/// Requests for one token at most, where a code says that the trouble is temporary.
const MAX_ATTEMPTS: u32 = 5;
/// The first wait after such a code; it doubles.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// Cheap to clone; clones share the token.
#[derive(Clone)]
pub(super) struct Tokens(Arc<Shared>);

struct Shared {
    record: Record,
    channel: Channel,
    endpoint: Url,
    tenant_id: String,
    scope: String,
    credential: Credential,
    /// Where the tokens of a managed identity come from.
    machine: Option<Endpoint>,
    stop: CancellationToken,
    grants: Grants<Current>,
}

#[derive(Default)]
struct Current {
    /// What Graph wants the next token to prove (a claims challenge).
    claims: Option<String>,
    /// The place of the secret or certificate that was accepted last.
    proof: usize,
    /// Secrets and certificates that were read again, because those before them were refused.
    proofs: Option<Arc<[Proof]>>,
}

impl Tokens {
    pub(super) fn new(
        settings: &Source,
        credential: Credential,
        stop: CancellationToken,
    ) -> Result<Self, Error> {
        let mut endpoint = http::check_url(&settings.login_url).map_err(|source| Error::Url {
            key: settings.key("login_url"),
            source,
        })?;
        endpoint
            .path_segments_mut()
            .expect("http and https URLs have a path")
            .pop_if_empty()
            .extend([settings.tenant_id.as_str(), "oauth2", "v2.0", "token"]);
        let client = http::build(&http::Settings {
            connections: 1,
            timeout: TIMEOUT,
            extra_roots: None,
            identity: None,
            proxy: settings.proxy.as_deref(),
            direct: http::is_loopback(&endpoint),
        })
        .map_err(Error::Setup)?;
        let record = Record::default();
        let machine = match &credential.kind {
            Kind::ManagedIdentity(identity) => {
                let endpoint = Endpoint::detect(identity.clone(), stop.clone());
                let endpoint = endpoint.map_err(|error| error.in_section(&settings.section()))?;
                Some(endpoint.recorded(&record))
            }
            Kind::App { .. } | Kind::AzureCli | Kind::DeviceCode { .. } => None,
        };
        Ok(Self(Arc::new(Shared {
            channel: Channel::new(Side::Source, client, None, stop.clone()).recorded(&record),
            record,
            endpoint,
            tenant_id: settings.tenant_id.clone(),
            scope: settings.token_scope.clone(),
            credential,
            machine,
            stop,
            grants: Grants::default(),
        })))
    }

    /// The requests for tokens, and others that share it.
    pub(super) fn record(&self) -> &Record {
        &self.0.record
    }

    /// A token that is good for a while.
    pub(super) async fn token(&self) -> Result<Arc<str>, Error> {
        let token = self.0.grants.token(&*self.0).await;
        token.map_err(|error| error.in_section(self.section()))
    }

    /// The place of the source in the configuration.
    pub(super) fn section(&self) -> &str {
        &self.0.credential.section
    }

    /// Forgets a token that Graph refused, unless another took its place meanwhile. The next one is asked
    /// for with what Graph wants it to prove.
    pub(super) async fn reject(&self, refused: &str, claims: Option<String>) {
        let note = |current: &mut Current| current.claims = claims;
        self.0.grants.reject(refused, note).await;
    }

    /// The first characters of the secret that was accepted last.
    pub(super) async fn hint(&self) -> Option<String> {
        let current = self.0.grants.memory().await;
        let Kind::App { proofs, .. } = &self.0.credential.kind else {
            return None;
        };
        let proofs = current.proofs.as_ref().unwrap_or(proofs);
        proofs.get(current.proof)?.hint()
    }

    /// Looked up in what the sign-in service publishes of a tenant (`OpenID` Connect Discovery 1.0).
    pub(super) async fn tenant_id(&self, name: &str) -> Result<String, Error> {
        let mut url = self.0.endpoint.clone();
        url.path_segments_mut()
            .expect("http and https URLs have a path")
            .pop()
            .pop()
            .pop()
            .pop()
            .extend([name, "v2.0", ".well-known", "openid-configuration"]);
        let expect = Expect::Body { limit: MAX_ANSWER };
        let answer = self
            .0
            .channel
            .send(Idempotency::Always, expect, |client| {
                client.get(url.clone())
            })
            .await
            .map_err(Error::of_token)?;
        if answer.status != 200 {
            return Err(refusal(&answer, answer.exchange.attempts, &http::redact).into());
        }
        let malformed = || malformed(SIGN_IN, "it does not name the tenant");
        let known: wire::Discovery = wire::read(&answer.body).map_err(|_| malformed())?;
        let issuer = Url::parse(&known.issuer).map_err(|_| malformed())?;
        let mut segments = issuer.path_segments().into_iter().flatten();
        let id = segments.find(|segment| uuid::Uuid::try_parse(segment).is_ok());
        id.map(str::to_lowercase).ok_or_else(malformed)
    }

    /// The application that signs in.
    pub(super) fn client_id(&self) -> Option<&str> {
        match &self.0.credential.kind {
            Kind::App { client_id, .. } => Some(client_id),
            Kind::ManagedIdentity(_) | Kind::AzureCli | Kind::DeviceCode { .. } => None,
        }
    }

    /// Whether the token stands for a person.
    pub(super) fn is_personal(&self) -> bool {
        matches!(
            self.0.credential.kind,
            Kind::AzureCli | Kind::DeviceCode { .. }
        )
    }

    /// Requests sent to the token endpoint so far.
    #[cfg(test)]
    pub(super) fn requests(&self) -> u64 {
        self.0.channel.requests()
    }
}

#[async_trait]
impl Grantor for Shared {
    type Memory = Current;
    type Error = Error;

    async fn ask(&self, repeat: Idempotency, current: &mut Current) -> Result<Grant, Error> {
        let granted = self.ask_for(repeat, current).await?;
        current.claims = None;
        Ok(granted)
    }
}

/// Tokens for another application than Graph, got with the same credential. Clones share them.
#[derive(Clone)]
pub(crate) struct TokensFor(Tokens);

impl TokensFor {
    pub(crate) fn new(
        source: &Source,
        scope: &str,
        stop: CancellationToken,
        now: fn() -> DateTime<Utc>,
    ) -> Result<Self, Error> {
        let credential = Credential::load(source, now)?;
        let source = Source {
            token_scope: scope.to_owned(),
            ..source.clone()
        };
        Ok(Self(Tokens::new(&source, credential, stop)?))
    }

    /// A token that is good for a while.
    pub(crate) async fn token(&self) -> Result<Arc<str>, Error> {
        self.0.token().await
    }

    /// Forgets a token that was refused.
    pub(crate) async fn reject(&self, refused: &str) {
        self.0.reject(refused, None).await;
    }

    /// The application that signs in.
    pub(crate) fn client_id(&self) -> Option<&str> {
        self.0.client_id()
    }
}

impl Error {
    /// What to do about it where the token was requested for the application of a target.
    pub(crate) fn remedy_of_target(&self, section: &str) -> Option<String> {
        match self {
            Self::TokenRefused(refusal) => remedy::of_application(refusal.code)
                .map(str::to_owned)
                .or_else(|| self.remedy(section)),
            _ => self.remedy(section),
        }
    }
}

impl Shared {
    async fn ask_for(&self, repeat: Idempotency, current: &mut Current) -> Result<Grant, Error> {
        let asked = Instant::now();
        let now = (self.credential.now)();
        let resource = self.scope.trim_end_matches("/.default");
        match &self.credential.kind {
            Kind::App {
                client_id, proofs, ..
            } => {
                let proofs = current.proofs.clone().unwrap_or_else(|| proofs.clone());
                let asked = self.ask_as_app(client_id, &proofs, repeat, current).await;
                let Err(Error::TokenRefused(refusal)) = &asked else {
                    return asked;
                };
                // They may have been replaced since.
                let is_refused = remedy::is_of_credential(refusal.code);
                let fresh = is_refused.then(|| self.credential.read_again(&proofs));
                let Some(fresh) = fresh.flatten() else {
                    return asked;
                };
                tracing::info!("the credential was refused; it was read again and has changed");
                current.proof = 0;
                current.proofs = Some(fresh.clone());
                self.ask_as_app(client_id, &fresh, repeat, current).await
            }
            Kind::ManagedIdentity(_) => {
                let machine = self.machine.as_ref();
                let machine = machine.expect("it was made with the credential");
                granted(
                    MACHINE,
                    &machine.ask(resource, repeat).await?.body,
                    asked,
                    now,
                )
            }
            Kind::AzureCli => {
                let answer = azure_cli(&self.tenant_id, resource).await?;
                granted(AZURE_CLI, &answer, asked, now)
            }
            Kind::DeviceCode { client_id } => {
                let device = DeviceCode {
                    channel: &self.channel,
                    endpoint: &self.endpoint,
                    client_id,
                    scope: &self.scope,
                    stop: &self.stop,
                };
                let answer = device.ask().await?;
                if answer.status == 200 {
                    return granted(SIGN_IN, &answer.body, asked, now);
                }
                Err(refusal(&answer, answer.exchange.attempts, &http::redact).into())
            }
        }
    }

    /// Tries the secrets or certificates in turn, that which was accepted last first.
    async fn ask_as_app(
        &self,
        client_id: &str,
        proofs: &[Proof],
        repeat: Idempotency,
        current: &mut Current,
    ) -> Result<Grant, Error> {
        let mut first_refusal = None;
        for turn in 0..proofs.len() {
            let place = (current.proof + turn) % proofs.len();
            let proof = &proofs[place];
            let claims = current.claims.as_deref();
            match self.ask_with(client_id, proof, repeat, claims).await {
                Ok(token) => {
                    if current.proof != place && proofs[current.proof].key != proof.key {
                        let (refused, used) = (&proofs[current.proof].key, &proof.key);
                        tracing::warn!(
                            refused,
                            used,
                            "the sign-in service accepted another credential"
                        );
                    }
                    current.proof = place;
                    return Ok(token);
                }
                Err(Error::TokenRefused(refusal)) if remedy::is_of_credential(refusal.code) => {
                    first_refusal.get_or_insert(refusal);
                }
                Err(error) => return Err(error),
            }
        }
        let refusal = first_refusal.expect("there is a proof, and each was refused");
        Err(Error::TokenRefused(refusal))
    }

    async fn ask_with(
        &self,
        client_id: &str,
        proof: &Proof,
        repeat: Idempotency,
        claims: Option<&str>,
    ) -> Result<Grant, Error> {
        let mut attempts = 0;
        loop {
            let asked = Instant::now();
            let now = (self.credential.now)();
            let fields = proof.fields(self.endpoint.as_str(), client_id, now)?;
            let answer = self.send(client_id, &fields, repeat, claims).await?;
            attempts += answer.exchange.attempts;
            if answer.status == 200 {
                return granted(SIGN_IN, &answer.body, asked, now);
            }
            let refusal = refusal(&answer, attempts, &|words| fields.redact(words));
            // Temporary trouble that comes with a status of 4xx, which `http` does not repeat.
            let again = repeat == Idempotency::Always
                && answer.status < 500
                && attempts < MAX_ATTEMPTS
                && remedy::is_temporary(refusal.code);
            if !again {
                return Err(refusal.into());
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

    async fn send(
        &self,
        client_id: &str,
        fields: &Fields,
        repeat: Idempotency,
        claims: Option<&str>,
    ) -> Result<Answer, Error> {
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", client_id),
            ("scope", &self.scope),
        ];
        form.extend(fields.iter());
        form.extend(claims.map(|claims| ("claims", claims)));
        self.channel
            .send(repeat, Expect::Body { limit: MAX_ANSWER }, |client| {
                client.post(self.endpoint.clone()).form(&form)
            })
            .await
            .map_err(Error::of_token)
    }
}

fn refusal(answer: &Answer, attempts: u32, redact: &dyn Fn(&str) -> String) -> TokenRefusal {
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
        .map(redact);
    TokenRefusal {
        service: SIGN_IN,
        status: answer.status,
        code: error_codes.and_then(|codes| codes.first().copied()),
        words,
        trace_id: trace_id.map(|id| http::redact(&id)),
        correlation_id: correlation_id.map(|id| http::redact(&id)),
        attempts,
    }
}

fn granted(
    service: &'static str,
    body: &[u8],
    asked: Instant,
    now: DateTime<Utc>,
) -> Result<Grant, Error> {
    let malformed = |why| malformed(service, why);
    // The parser's own words could quote the token.
    let granted: wire::TokenAnswer = wire::read(body).map_err(|error| {
        malformed(if error.is_data() {
            "it holds no access token"
        } else if body.trim_ascii_start().starts_with(b"<") {
            "it is an HTML page"
        } else {
            "it is not JSON"
        })
    })?;
    let lifetime = granted.expires_in(now).map(Duration::from_secs);
    let lifetime = lifetime.ok_or_else(|| malformed("it does not say when the token expires"))?;
    let token = granted.access_token;
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(malformed("the token is empty or cannot stand in a header"));
    }
    Grant::new(token, asked, lifetime).ok_or_else(|| malformed("its time cannot be counted"))
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
    /// Only the SDK's blocking face calls it, which is not used here.
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
    use crate::http::testing::serve;

    /// A server that refuses every token with this status, and a token of before.
    async fn with_old_token(
        status: u16,
        expires_in: Duration,
    ) -> (Tokens, Result<Arc<str>, Error>) {
        let status = StatusCode::from_u16(status).unwrap();
        let url = serve(Router::new().fallback(move || std::future::ready(status))).await;
        let source = crate::graph::tests::source(&url, "https://graph.microsoft.com");
        let stop = CancellationToken::new();
        let credential = Credential::of_secret("client", "secret");
        let tokens = Tokens::new(&source, credential, stop).unwrap();
        tokens.0.grants.put_due("old", expires_in).await;
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
}

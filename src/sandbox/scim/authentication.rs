//! How the target knows who sends a request, and the authorization server that grants tokens for it (RFC 6749).

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::reply::{Call, Reply, decode, form};
use super::super::tenant::TenantHandle;
use super::Target;

/// What a request must show. The secret is the target's token, unless a server grants tokens.
#[derive(Debug, Clone, Default)]
pub enum Authentication {
    #[default]
    Bearer,
    Basic {
        user: String,
    },
    Header {
        name: String,
    },
    Server(AuthorizationServer),
    /// Tokens that the tenant signs for this application.
    Tenant {
        tenant: TenantHandle,
        audience: String,
    },
}

/// The server's token endpoint is `/oauth2/token` of the target's own address.
#[derive(Debug, Clone)]
pub struct AuthorizationServer {
    pub client_id: String,
    /// Each of them is accepted.
    pub secrets: BTreeSet<String>,
    pub takes_basic: bool,
    pub takes_post: bool,
    /// Must be requested, where there is one.
    pub scope: Option<String>,
    /// Likewise.
    pub audience: Option<String>,
    /// How long a token is accepted.
    pub lifetime: Duration,
    /// As it is answered; null: it is left out.
    pub expires_in: Value,
    /// Status, type and body with which every request is answered.
    pub instead: Option<(u16, &'static str, String)>,
}

impl Default for AuthorizationServer {
    fn default() -> Self {
        Self {
            client_id: "entrain client".to_owned(),
            secrets: BTreeSet::from(["client:secret/1".to_owned()]),
            takes_basic: true,
            takes_post: true,
            scope: None,
            audience: None,
            lifetime: Duration::from_hours(1),
            expires_in: json!(3_600),
            instead: None,
        }
    }
}

pub(super) const TOKEN_PATH: &str = "/oauth2/token";

impl Target {
    /// Whether a request shows what it must.
    pub(super) fn knows(&self, call: &Call) -> bool {
        let token = self.token.as_str();
        match &self.authentication {
            Authentication::Bearer => call.bearer() == Some(token),
            Authentication::Basic { user } => {
                basic(call).as_deref() == Some(format!("{user}:{token}").as_str())
            }
            Authentication::Header { name } => call.header(name) == Some(token),
            Authentication::Server(_) => call.bearer().is_some_and(|token| {
                let expiry = self.issued.get(token);
                expiry.is_some_and(|expiry| Instant::now() < *expiry)
            }),
            Authentication::Tenant { tenant, audience } => call.bearer().is_some_and(|token| {
                tenant.is_valid_token(token) && audience_of(token).as_ref() == Some(audience)
            }),
        }
    }

    /// Answers at the token endpoint.
    pub(super) fn grant(&mut self, call: &Call) -> Reply {
        let Authentication::Server(server) = &self.authentication else {
            return refusal(404, "not_found", "There is no token endpoint.");
        };
        if let Some((status, kind, body)) = &server.instead {
            return Reply::new(*status, kind, body.clone());
        }
        let fields = form(&call.body);
        let field = |name: &str| {
            let found = fields.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str())
        };
        if field("grant_type") != Some("client_credentials") {
            return refusal(400, "unsupported_grant_type", "Only client_credentials.");
        }
        let posted = field("client_id").zip(field("client_secret"));
        let posted = posted.map(|(id, secret)| (id.to_owned(), secret.to_owned()));
        let in_header = basic(call).and_then(|pair| {
            let (id, secret) = pair.split_once(':')?;
            Some((
                decode(&id.replace('+', " ")),
                decode(&secret.replace('+', " ")),
            ))
        });
        let shown = match (in_header, posted) {
            (Some(shown), None) if server.takes_basic => shown,
            (None, Some(shown)) if server.takes_post => shown,
            (Some(_), Some(_)) => {
                return refusal(
                    400,
                    "invalid_request",
                    "More than one way of authentication.",
                );
            }
            _ => return refusal(401, "invalid_client", "No client authentication included."),
        };
        if shown.0 != server.client_id || !server.secrets.contains(&shown.1) {
            let words = format!("Client authentication failed for {:?}.", shown.1);
            return refusal(401, "invalid_client", &words);
        }
        if server.scope.as_deref() != field("scope") {
            return refusal(400, "invalid_scope", "The requested scope is unknown.");
        }
        if server.audience.as_deref() != field("audience") {
            return refusal(400, "invalid_target", "The requested audience is unknown.");
        }
        self.grants += 1;
        let token = format!("granted-{}-{}", self.grants, shown.1.len());
        let mut answer = json!({ "access_token": token, "token_type": "Bearer" });
        if !server.expires_in.is_null() {
            answer["expires_in"] = server.expires_in.clone();
        }
        let expiry = Instant::now() + server.lifetime;
        self.issued.insert(token, expiry);
        Reply::new(200, "application/json", answer.to_string())
    }
}

fn refusal(status: u16, error: &str, description: &str) -> Reply {
    let body = json!({ "error": error, "error_description": description });
    Reply::new(status, "application/json", body.to_string())
}

/// The decoded pair of `Authorization: Basic …`.
fn basic(call: &Call) -> Option<String> {
    let (scheme, pair) = call.header("authorization")?.split_once(' ')?;
    let pair = scheme.eq_ignore_ascii_case("basic").then(|| pair.trim())?;
    String::from_utf8(STANDARD.decode(pair).ok()?).ok()
}

/// For whom a signed token is.
fn audience_of(token: &str) -> Option<String> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    claims["aud"].as_str().map(str::to_owned)
}

//! The token endpoint: client credentials with a secret, and the errors that administrators meet.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use super::super::reply::{Call, Reply, form};
use super::super::tenant::{DOMAIN, Directory, INITIAL_DOMAIN, Tenant};
use super::assertion;

/// The Graph roots of the clouds; a scope may also name the sandbox itself.
const RESOURCES: [&str; 5] = [
    "https://graph.microsoft.com",
    "https://graph.microsoft.us",
    "https://dod-graph.microsoft.us",
    "https://microsoftgraph.chinacloudapi.cn",
    "00000003-0000-0000-c000-000000000000",
];

pub(super) fn answer(tenant: &mut Tenant, origin: &str, authority: &str, call: &Call) -> Reply {
    match issue(tenant, origin, authority, call) {
        Ok(reply) => reply,
        Err(refusal) => refusal.render(tenant),
    }
}

/// `/{tenant}/v2.0/.well-known/openid-configuration`, which names the tenant's id.
pub(super) fn discovery(tenant: &Tenant, origin: &str, authority: &str) -> Reply {
    if let Err(refusal) = check_authority(tenant, authority) {
        return refusal.render(tenant);
    }
    let base = format!("{origin}/{}", tenant.identity.tenant_id);
    let body = serde_json::json!({
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "issuer": format!("{base}/v2.0"),
    });
    Reply::new(200, "application/json", body.to_string())
}

/// What a claims challenge requires.
pub(super) const CLAIMS: &str =
    r#"{"access_token":{"nbf":{"essential":true,"value":"1767600000"}}}"#;

struct Refusal {
    status: u16,
    error: &'static str,
    code: u32,
    text: String,
}

impl Refusal {
    fn new(status: u16, error: &'static str, code: u32, text: impl Into<String>) -> Self {
        Self {
            status,
            error,
            code,
            text: text.into(),
        }
    }

    fn render(self, tenant: &Tenant) -> Reply {
        let Self {
            status,
            error,
            code,
            text,
        } = self;
        let id = |salt: u128| {
            let bits = tenant.identity.tenant_id.as_u128() ^ (u128::from(tenant.requests) << 8);
            uuid::Builder::from_random_bytes((bits ^ salt).to_be_bytes()).into_uuid()
        };
        let (trace, correlation): (Uuid, Uuid) = (id(1), id(2));
        let date = Directory::date(tenant.directory.now).replace('T', " ");
        let body = json!({
            "error": error,
            "error_description": format!(
                "AADSTS{code}: {text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {date}"
            ),
            "error_codes": [code],
            "timestamp": date,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
        });
        Reply::new(status, "application/json; charset=utf-8", body.to_string())
    }
}

fn issue(
    tenant: &mut Tenant,
    origin: &str,
    authority: &str,
    call: &Call,
) -> Result<Reply, Refusal> {
    if call.method != "POST" {
        return Err(Refusal::new(
            400,
            "invalid_request",
            900_561,
            "The endpoint only accepts POST requests. Received a GET request.",
        ));
    }
    check_authority(tenant, authority)?;
    let fields = form(&call.body);
    let field = |name: &str| {
        let found = fields.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    check_grant(field("grant_type"))?;
    check_client(tenant, field("client_id"))?;
    match field("client_assertion") {
        "" => check_secret(tenant, field("client_secret"))?,
        assertion => {
            let audience = format!("{origin}/{authority}/oauth2/v2.0/token");
            let kind = field("client_assertion_type");
            assertion::check(tenant, &audience, kind, assertion)
                .map_err(|(code, text)| Refusal::new(401, "invalid_client", code, text))?;
        }
    }
    check_scope(tenant, origin, field("scope"))?;

    let now = Instant::now();
    tenant.tokens.retain(|_, expiry| *expiry > now);
    let audience = match field("scope").strip_suffix("/.default") {
        Some(application) if application.starts_with("api://") => application,
        _ => "https://graph.microsoft.com",
    };
    let token = fresh_token(tenant, audience);
    if field("claims") == CLAIMS {
        tenant.proven_tokens.insert(token.clone());
    }
    let lifetime = tenant.settings.token_lifetime;
    tenant.tokens.insert(token.clone(), now + lifetime);
    let seconds = lifetime.as_secs();
    let body = json!({
        "token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds,
        "access_token": token,
    });
    Ok(
        Reply::new(200, "application/json; charset=utf-8", body.to_string())
            .with("cache-control", "no-store, no-cache")
            .with("pragma", "no-cache"),
    )
}

fn check_grant(grant: &str) -> Result<(), Refusal> {
    match grant {
        "client_credentials" => Ok(()),
        "" => Err(Refusal::new(
            400,
            "invalid_request",
            900_144,
            "The request body must contain the following parameter: 'grant_type'.",
        )),
        other => Err(Refusal::new(
            400,
            "unsupported_grant_type",
            70003,
            format!("The app requested an unsupported grant type '{other}'."),
        )),
    }
}

fn check_authority(tenant: &Tenant, authority: &str) -> Result<(), Refusal> {
    let own = tenant.identity.tenant_id.to_string();
    let known = [own.as_str(), DOMAIN, INITIAL_DOMAIN];
    if !known
        .iter()
        .any(|name| name.eq_ignore_ascii_case(authority))
    {
        return Err(Refusal::new(
            400,
            "invalid_request",
            90002,
            format!(
                "Tenant '{authority}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."
            ),
        ));
    }
    Ok(())
}

fn check_client(tenant: &Tenant, client: &str) -> Result<(), Refusal> {
    if client.is_empty() {
        return Err(Refusal::new(
            400,
            "invalid_request",
            900_144,
            "The request body must contain the following parameter: 'client_id'.",
        ));
    }
    if client.eq_ignore_ascii_case(&tenant.identity.client_id.to_string()) {
        return Ok(());
    }
    Err(Refusal::new(
        400,
        "unauthorized_client",
        700_016,
        format!(
            "Application with identifier '{client}' was not found in the directory 'Contoso'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant."
        ),
    ))
}

fn check_secret(tenant: &Tenant, secret: &str) -> Result<(), Refusal> {
    let client = tenant.identity.client_id;
    if secret == tenant.identity.client_secret {
        return Ok(());
    }
    if !secret.is_empty() {
        return Err(Refusal::new(
            401,
            "invalid_client",
            7_000_215,
            format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{client}'."
            ),
        ));
    }
    Err(Refusal::new(
        401,
        "invalid_client",
        7_000_218,
        "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
    ))
}

fn check_scope(tenant: &Tenant, origin: &str, scope: &str) -> Result<(), Refusal> {
    if scope.is_empty() {
        return Err(Refusal::new(
            400,
            "invalid_request",
            900_144,
            "The request body must contain the following parameter: 'scope'.",
        ));
    }
    let resource = scope
        .strip_suffix("/.default")
        .map(|root| root.trim_end_matches('/'));
    let own = format!("api://{}", tenant.directory.application.app_id);
    let known =
        resource.is_some_and(|root| root == origin || root == own || RESOURCES.contains(&root));
    if known {
        return Ok(());
    }
    Err(Refusal::new(
        400,
        "invalid_scope",
        70011,
        format!(
            "The provided value for the input parameter 'scope' is not valid. The scope {scope} is not valid."
        ),
    ))
}

/// Three parts like a real token, of which the middle one can be read and the last is not a signature.
fn fresh_token(tenant: &Tenant, audience: &str) -> String {
    let header = json!({"typ": "JWT", "alg": "RS256", "kid": "sandbox"});
    let claims = json!({
        "aud": audience,
        "iss": format!("https://sts.windows.net/{}/", tenant.identity.tenant_id),
        "appid": tenant.identity.client_id,
        "tid": tenant.identity.tenant_id,
        "roles": tenant.settings.permissions,
        "uti": tenant.requests,
    });
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signature = URL_SAFE_NO_PAD.encode(tenant.requests.to_be_bytes());
    format!("{}.{}.{signature}", part(header), part(claims))
}

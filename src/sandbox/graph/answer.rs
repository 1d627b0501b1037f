//! How Graph words its answers: errors with their inner error, request ids, pages of values.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::reply::{Call, Reply};
use super::super::tenant::{Directory, Tenant};

const JSON: &str = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";

/// A request that Graph refuses.
#[derive(Debug)]
pub(super) struct Problem {
    status: u16,
    code: &'static str,
    message: String,
    headers: Vec<(String, String)>,
}

impl Problem {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            headers: Vec::new(),
        }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "Request_BadRequest", message)
    }

    pub(super) fn unauthenticated(message: &str) -> Self {
        let mut problem = Self::new(401, "InvalidAuthenticationToken", message);
        problem.headers.push((
            "www-authenticate".to_owned(),
            "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", client_id=\"00000003-0000-0000-c000-000000000000\"".to_owned(),
        ));
        problem
    }

    /// The token must prove more (continuous access evaluation).
    pub(super) fn challenge(claims: &str) -> Self {
        let message =
            "Continuous access evaluation resulted in challenge with result: InteractionRequired.";
        let mut problem = Self::new(401, "InvalidAuthenticationToken", message);
        let claims = STANDARD.encode(claims);
        problem.headers.push((
            "www-authenticate".to_owned(),
            format!(
                "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", client_id=\"00000003-0000-0000-c000-000000000000\", error=\"insufficient_claims\", claims=\"{claims}\""
            ),
        ));
        problem
    }

    pub(super) fn denied() -> Self {
        Self::new(
            403,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation.",
        )
    }

    pub(super) fn not_found(id: &str) -> Self {
        Self::new(
            404,
            "Request_ResourceNotFound",
            format!(
                "Resource '{id}' does not exist or one of its queried reference-property objects are not present."
            ),
        )
    }

    pub(super) fn no_segment(segment: &str) -> Self {
        Self::new(
            400,
            "BadRequest",
            format!("Resource not found for the segment '{segment}'."),
        )
    }

    pub(super) fn no_version(version: &str) -> Self {
        Self::new(400, "BadRequest", format!("Invalid version: {version}"))
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(
            405,
            "Request_BadRequest",
            "Specified HTTP method is not allowed for the request target.",
        )
    }

    pub(super) fn expired_page() -> Self {
        Self::new(
            400,
            "Directory_ExpiredPageToken",
            "The specified page token value has expired and can no longer be included in your request.",
        )
    }

    #[must_use]
    pub(super) fn with(mut self, name: &str, value: String) -> Self {
        self.headers.push((name.to_owned(), value));
        self
    }
}

/// The ids that one answer carries in headers and errors.
pub(super) struct RequestIds {
    request: Uuid,
    client: Option<String>,
    date: String,
    clock: Option<chrono::DateTime<chrono::Utc>>,
}

impl RequestIds {
    pub(super) fn new(tenant: &Tenant, call: &Call) -> Self {
        let number = u128::from(tenant.requests);
        let seed = tenant.identity.tenant_id.as_u128();
        let request = uuid::Builder::from_random_bytes((seed ^ number).to_be_bytes()).into_uuid();
        let date = Directory::date(tenant.directory.now);
        Self {
            request,
            client: call.header("client-request-id").map(str::to_owned),
            date: date.trim_end_matches('Z').to_owned(),
            clock: tenant.settings.clock,
        }
    }

    pub(super) fn finish(self, result: Result<Reply, Problem>) -> Reply {
        let Self {
            request,
            client,
            date,
            clock,
        } = self;
        let request = request.to_string();
        let client = client.unwrap_or_else(|| request.clone());
        let mut reply = match result {
            Ok(reply) => reply.with("x-ms-resource-unit", "1"),
            Err(problem) => {
                let Problem {
                    status,
                    code,
                    message,
                    headers,
                } = problem;
                let body = json!({"error": {"code": code, "message": message, "innerError": {
                    "date": date, "request-id": request, "client-request-id": client,
                }}});
                let mut reply = Reply::new(status, "application/json", body.to_string());
                reply.headers.extend(headers);
                reply
            }
        };
        if let Some(clock) = clock {
            let date = clock.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
            reply = reply.with("date", date);
        }
        reply
            .with("request-id", request)
            .with("client-request-id", client)
            .with("odata-version", "4.0")
    }
}

/// A whole JSON object.
pub(super) fn object(value: &Value) -> Reply {
    Reply::new(200, JSON, value.to_string())
}

/// Text that is JSON already.
pub(super) fn text(body: String) -> Reply {
    Reply::new(200, JSON, body)
}

/// What stands below the values of a page.
pub(super) enum Link {
    Next(String),
    Delta(String),
    None,
}

/// A page of values that are JSON already.
pub(super) fn page(context: &str, link: &Link, values: &[String]) -> Reply {
    counted_page(context, None, link, values)
}

/// The same with the number of all values.
pub(super) fn counted_page(
    context: &str,
    count: Option<usize>,
    link: &Link,
    values: &[String],
) -> Reply {
    let length: usize = values.iter().map(|value| value.len() + 1).sum();
    let mut body = String::with_capacity(length + 1024);
    body.push_str("{\"@odata.context\":");
    body.push_str(&json!(context).to_string());
    if let Some(count) = count {
        body.push_str(",\"@odata.count\":");
        body.push_str(&count.to_string());
    }
    let named = match link {
        Link::Next(url) => Some(("@odata.nextLink", url)),
        Link::Delta(url) => Some(("@odata.deltaLink", url)),
        Link::None => None,
    };
    if let Some((name, url)) = named {
        body.push_str(",\"");
        body.push_str(name);
        body.push_str("\":");
        body.push_str(&json!(url).to_string());
    }
    body.push_str(",\"value\":[");
    body.push_str(&values.join(","));
    body.push_str("]}");
    text(body)
}

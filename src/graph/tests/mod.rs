//! The module against small servers on loopback, which send what Microsoft documents (`samples/`) and
//! what goes wrong in between.

mod asked;
mod single;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::delta::Page;
use super::*;
use crate::config::{self, Application, Source};
use crate::engine::model::{DEFAULT_ACCESS_ROLE, ObjectKind, Presence, SourceId, Value};
use crate::http::testing::serve;

const SECRET: &str = "s3cr3t~Value";
const SERVICE_PRINCIPAL: &str = "8e881353-1735-45af-af21-ee1344582a4d";

/// A request as a server saw it.
#[derive(Clone, Debug)]
struct Seen {
    path: String,
    /// Decoded.
    query: String,
    token: String,
    /// `client-request-id`.
    id: String,
    /// How many came before it, those for tokens apart.
    number: usize,
}

struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

fn reply(status: u16, body: impl Into<String>) -> Reply {
    Reply {
        status,
        headers: Vec::new(),
        body: body.into(),
    }
}

fn ok(body: impl Into<String>) -> Reply {
    reply(200, body)
}

fn refusal(status: u16, code: &str) -> Reply {
    reply(
        status,
        format!(
            r#"{{"error":{{"code":"{code}","message":"Words of Graph.","innerError":{{"request-id":"r-1"}}}}}}"#
        ),
    )
}

/// One page of a delta with the values and links given as JSON.
fn delta(values: &str, link: &str) -> Reply {
    ok(format!(r#"{{"value":[{values}],{link}}}"#))
}

fn granted(number: usize) -> Reply {
    ok(format!(
        r#"{{"token_type":"Bearer","expires_in":3599,"access_token":"token-{number}"}}"#
    ))
}

/// A server and a client for it.
struct World {
    url: String,
    client: Client,
    stop: CancellationToken,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl World {
    /// Grants every token: the first is `token-0`. `ORIGIN` in answers becomes the server's origin.
    async fn new(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::with_tokens(granted, answer).await
    }

    async fn with_tokens(
        token: impl Fn(usize) -> Reply + Send + Sync + 'static,
        answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let tokens = Arc::new(Mutex::new(0));
        let answer = Arc::new(move |request: &Request| {
            let header = |name: &str| {
                let value = request.headers().get(name);
                value.map_or("", |v| v.to_str().unwrap()).to_owned()
            };
            let path = request.uri().path().to_owned();
            if path == "/contoso/oauth2/v2.0/token" {
                let mut count = tokens.lock().unwrap();
                *count += 1;
                return token(*count - 1);
            }
            let mut log = log.lock().unwrap();
            let query = request.uri().query().unwrap_or_default().replace('+', " ");
            let now = Seen {
                path,
                query: percent_encoding::percent_decode_str(&query)
                    .decode_utf8_lossy()
                    .into_owned(),
                token: header("authorization"),
                id: header("client-request-id"),
                number: log.len(),
            };
            log.push(now.clone());
            answer(&now)
        });
        let router = Router::new().fallback(move |request: Request| {
            let host = request.headers()["host"].to_str().unwrap().to_owned();
            let Reply {
                status,
                headers,
                body,
            } = answer(&request);
            let body = body
                .replace("https://graph.microsoft.com", "ORIGIN")
                .replace("ORIGIN", &format!("http://{host}"));
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            std::future::ready(response.body(Body::from(body)).unwrap())
        });
        let url = serve(router).await;
        let stop = CancellationToken::new();
        let client = Client::new(
            &source(&url, &url),
            Credential::of_secret("client", SECRET),
            stop.clone(),
        )
        .unwrap();
        Self {
            url,
            client,
            stop,
            seen,
        }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    async fn begin(&self, kind: ObjectKind, select: &[&str]) -> Result<Page, Error> {
        let select: Vec<String> = select.iter().map(|&name| name.to_owned()).collect();
        let at = At::Beginning { select: &select };
        self.client.fetch_page(kind, at).await
    }

    async fn users(&self) -> Result<Page, Error> {
        self.begin(ObjectKind::User, &["displayName"]).await
    }
}

pub(super) fn source(login_url: &str, graph_url: &str) -> Source {
    Source {
        name: String::new(),
        tenant_id: "contoso".to_owned(),
        credential: config::Credential::AzureCli,
        login_url: login_url.to_owned(),
        graph_url: graph_url.to_owned(),
        token_scope: "https://graph.microsoft.com/.default".to_owned(),
        proxy: None,
        read: crate::engine::strategy::Wish::default(),
    }
}

/// An error as a person would see it, which must hold no secret, token or query.
fn words(error: &Error) -> String {
    use std::error::Error as _;
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    for hidden in [SECRET, "token-0", "token-1", "select", "skiptoken"] {
        assert!(!words.contains(hidden), "{words}");
    }
    words
}

fn sample(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/graph/samples/");
    std::fs::read_to_string(format!("{folder}{name}.json")).unwrap()
}

/// The page that Graph would send as this sample.
async fn read_sample(kind: ObjectKind, name: &str) -> Page {
    let body = sample(name);
    let world = World::new(move |_| ok(body.clone())).await;
    world.begin(kind, &["displayName"]).await.unwrap()
}

fn cases(name: &str) -> Vec<Json> {
    let file: Json = serde_json::from_str(&sample(name)).unwrap();
    file["cases"].as_array().unwrap().clone()
}

fn reply_of(case: &Json) -> Reply {
    let body = match &case["body"] {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut headers = Vec::new();
    for (name, value) in case["headers"].as_object().into_iter().flatten() {
        let value = value.as_str().unwrap();
        // Tests do not wait.
        let value = if name == "Retry-After" { "0" } else { value };
        headers.push((name.clone(), value.to_owned()));
    }
    Reply {
        status: case["status"].as_u64().unwrap().try_into().unwrap(),
        headers,
        body,
    }
}

/// For the one message in which Graph itself writes `$select`.
fn words_with_select(error: &Error) -> String {
    error.to_string()
}

// ---- the application ----

const APP_ID: &str = "bfc8712e-0986-4d47-896b-6872713598c6";
const OBJECT_ID: &str = "29f68db3-1000-46bf-a940-f5ea3ecc39e7";

/// A tenant with the application of the sample, registered under object id 1111….
async fn tenant_with_an_application() -> World {
    World::new(|seen| {
        let found = sample("serviceprincipal");
        let list = |values: &str| ok(format!(r#"{{"value":[{values}]}}"#));
        match seen.path.strip_prefix("/v1.0/").unwrap() {
            "servicePrincipals" => {
                let twin = found.replace(OBJECT_ID, "22222222-1000-46bf-a940-f5ea3ecc39e7");
                if seen.query.contains("'O''Twins'") {
                    list(&format!("{found},{twin}"))
                } else if seen.query.contains(APP_ID) || seen.query.contains("'AWS Contoso'") {
                    list(&found)
                } else {
                    list("")
                }
            }
            path if path == format!("servicePrincipals/{OBJECT_ID}") => ok(found),
            "applications/11111111-1000-46bf-a940-f5ea3ecc39e7" => ok(format!(
                r#"{{"id":"x","appId":"{APP_ID}","displayName":"AWS Contoso"}}"#
            )),
            _ => refusal(404, "Request_ResourceNotFound"),
        }
    })
    .await
}

mod application;
mod delta;
mod token;

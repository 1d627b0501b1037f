//! Token services that behave as documented, and a person who signs in.

mod certificate;
mod managed;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeZone as _;
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::config::{Certificate, Secret};
use crate::graph::tests::source;
use crate::graph::token::Tokens;
use crate::http::testing::serve;

const CLIENT: &str = "00001111-aaaa-2222-bbbb-3333cccc4444";

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 6, 1, 12, 0, 0).unwrap()
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/graph/credential/samples")
        .join(name)
}

fn file(name: &str) -> Secret {
    Secret::File(sample(name))
}

fn pem(certificate: &str, private_key: Option<&str>) -> Certificate {
    Certificate::Pem {
        certificate: file(certificate),
        private_key: private_key.map(file),
    }
}

fn of_proofs(proofs: Vec<config::Proof>) -> Source {
    Source {
        name: String::new(),
        credential: config::Credential::App {
            client_id: CLIENT.to_owned(),
            proofs,
        },
        ..source("http://127.0.0.1:1", "http://127.0.0.1:1")
    }
}

/// A request as a service saw it.
#[derive(Clone, Debug, Default)]
struct Seen {
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    form: Vec<(String, String)>,
}

impl Seen {
    fn value<'s>(list: &'s [(String, String)], name: &str) -> Option<&'s str> {
        let found = list.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }

    fn field(&self, name: &str) -> Option<&str> {
        Self::value(&self.form, name)
    }

    fn header(&self, name: &str) -> Option<&str> {
        Self::value(&self.headers, name)
    }
}

/// A token service that answers request number `n` with status, headers and body.
struct Service {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

type Answered = (u16, Vec<(&'static str, String)>, String);

impl Service {
    async fn start(answer: impl Fn(usize, &Seen) -> Answered + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let answer = Arc::new(answer);
        let router = Router::new().fallback(move |request: Request| {
            let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
            async move {
                let (head, body) = request.into_parts();
                let body = to_bytes(body, 1 << 20).await.unwrap();
                let pairs =
                    |bytes: &[u8]| url::form_urlencoded::parse(bytes).into_owned().collect();
                let headers = head.headers.iter();
                let request = Seen {
                    path: head.uri.path().to_owned(),
                    query: pairs(head.uri.query().unwrap_or_default().as_bytes()),
                    headers: headers
                        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                        .collect(),
                    form: pairs(&body),
                };
                let number = log.lock().unwrap().len();
                log.lock().unwrap().push(request.clone());
                let (status, headers, body) = answer(number, &request);
                let mut response = Response::builder().status(status);
                for (name, value) in headers {
                    response = response.header(name, value);
                }
                response.body(axum::body::Body::from(body)).unwrap()
            }
        });
        let url = serve(router).await;
        Self { url, seen }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn tokens(&self, source: Source) -> Tokens {
        let source = Source {
            login_url: self.url.clone(),
            ..source
        };
        let credential = Credential::load(&source, now).unwrap();
        Tokens::new(&source, credential, CancellationToken::new()).unwrap()
    }
}

fn granted(number: usize) -> Answered {
    let body = json!({ "access_token": format!("token-{number}"), "expires_in": 0 });
    (200, Vec::new(), body.to_string())
}

fn refused(code: u32) -> Answered {
    let body = json!({
        "error": "invalid_client", "error_description": format!("AADSTS{code}: No."),
        "error_codes": [code],
    });
    (401, Vec::new(), body.to_string())
}

#[tokio::test]
async fn a_refused_secret_gives_way_to_the_next_which_then_comes_first() {
    let service = Service::start(|number, seen| match seen.field("client_secret") {
        Some("old-secret") => refused(7_000_222),
        _ => granted(number),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let secrets = ["old-secret", "new-secret"].map(|secret| {
        let path = folder.path().join(secret);
        fs::write(&path, secret).unwrap();
        config::Proof::Secret {
            secret: Secret::File(path),
            expires: None,
        }
    });
    let tokens = service.tokens(of_proofs(secrets.to_vec()));
    for _ in 0..2 {
        tokens.token().await.unwrap();
    }
    let secrets: Vec<_> = service
        .seen()
        .iter()
        .map(|seen| seen.field("client_secret").unwrap().to_owned())
        .collect();
    assert_eq!(secrets, ["old-secret", "new-secret", "new-secret"]);
    assert_eq!(tokens.hint().await.as_deref(), Some("new"));
}

#[tokio::test]
async fn when_every_secret_is_refused_the_first_refusal_is_reported() {
    let service = Service::start(|number, _| refused([7_000_222, 7_000_215][number])).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, "secret").unwrap();
    let secret = config::Proof::Secret {
        secret: Secret::File(path),
        expires: None,
    };
    let tokens = service.tokens(of_proofs(vec![secret.clone(), secret]));
    let Err(Error::TokenRefused(refusal)) = tokens.token().await else {
        panic!("no refusal")
    };
    assert_eq!(refusal.code, Some(7_000_222));
}

#[tokio::test]
async fn an_assertion_that_is_not_taken_is_made_again_in_the_older_form() {
    let service = Service::start(|number, seen| {
        let header = seen
            .field("client_assertion")
            .unwrap()
            .split('.')
            .next()
            .unwrap();
        let header: Json =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
        match header["alg"].as_str() {
            Some("PS256") => refused(700_027),
            _ => granted(number),
        }
    })
    .await;
    let certificate = pem("certificate.pem", Some("key.pem"));
    let tokens = service.tokens(of_proofs(vec![config::Proof::Certificate(certificate)]));
    for _ in 0..2 {
        tokens.token().await.unwrap();
    }
    assert_eq!(
        service.seen().len(),
        3,
        "the form that was taken comes first from then on"
    );
}

#[tokio::test]
async fn a_federated_token_is_read_again_for_each_request() {
    let service = Service::start(|number, _| granted(number)).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    fs::write(&path, "first\n").unwrap();
    let tokens = service.tokens(of_proofs(vec![config::Proof::FederatedToken(path.clone())]));
    tokens.token().await.unwrap();
    fs::write(&path, "  second  ").unwrap();
    tokens.token().await.unwrap();
    fs::write(&path, "\n").unwrap();
    let error = tokens.token().await.unwrap_err();
    assert!(matches!(error, Error::Secret { .. }), "{error}");
    let sent: Vec<_> = service
        .seen()
        .iter()
        .map(|seen| {
            assert_eq!(
                seen.field("client_assertion_type"),
                Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
            );
            assert_eq!(seen.field("client_secret"), None);
            seen.field("client_assertion").unwrap().to_owned()
        })
        .collect();
    assert_eq!(sent, ["first", "second"]);
}

#[tokio::test]
async fn what_graph_wants_proven_goes_into_the_next_request() {
    let service = Service::start(|number, _| granted(number)).await;
    let credential = Credential::of_secret(CLIENT, "secret");
    let source = source(&service.url, &service.url);
    let tokens = Tokens::new(&source, credential, CancellationToken::new()).unwrap();
    let refused = tokens.token().await.unwrap();
    tokens
        .reject(&refused, Some("{\"access_token\":{}}".to_owned()))
        .await;
    for _ in 0..2 {
        tokens.token().await.unwrap();
    }
    let claims: Vec<_> = service
        .seen()
        .iter()
        .map(|seen| seen.field("claims").map(str::to_owned))
        .collect();
    assert_eq!(
        claims,
        [None, Some("{\"access_token\":{}}".to_owned()), None]
    );
}

#[tokio::test]
async fn a_person_signs_in_with_a_code() {
    let service = Service::start(|number, seen| {
        if seen.path.ends_with("/devicecode") {
            let body = json!({
                "device_code": "device", "user_code": "ABCD", "interval": 0, "expires_in": 900,
                "verification_uri": "https://microsoft.com/devicelogin", "message": "sign in",
            });
            return (200, Vec::new(), body.to_string());
        }
        assert_eq!(seen.field("device_code"), Some("device"));
        match number {
            1 => (
                400,
                Vec::new(),
                json!({ "error": "authorization_pending" }).to_string(),
            ),
            _ => granted(number),
        }
    })
    .await;
    let stop = CancellationToken::new();
    let channel = crate::http::testing::channel(&stop);
    let endpoint = url::Url::parse(&format!("{}/contoso/oauth2/v2.0/token", service.url)).unwrap();
    let device = DeviceCode {
        channel: &channel,
        endpoint: &endpoint,
        client_id: CLIENT,
        scope: "scope",
        stop: &stop,
    };
    assert_eq!(device.ask_person().await.unwrap().status, 200);
    assert_eq!(service.seen()[0].path, "/contoso/oauth2/v2.0/devicecode");
    assert_eq!(service.seen().len(), 3);
}

#[test]
fn no_secret_is_printed() {
    let secret = ClientSecret("hunter22".to_owned());
    assert!(!format!("{secret:?}").contains("hunter"));
    let credential = Credential::of_secret(CLIENT, "hunter22");
    let Kind::App { proofs, .. } = &credential.kind else {
        panic!("not an application")
    };
    let fields = proofs[0].fields("a", "b", now()).unwrap();
    assert!(!fields.redact("bad hunter22").contains("hunter22"));
}

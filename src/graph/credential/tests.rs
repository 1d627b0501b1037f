//! Certificates of every form and fault, and token services that behave as documented.

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
use ring::digest;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use x509_parser::parse_x509_certificate;

use super::*;
use crate::config::{Certificate, Identity, Secret};
use crate::graph::tests::source;
use crate::graph::token::Tokens;
use crate::http::Idempotency;
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

/// A file with this password.
fn pkcs12(folder: &Path, name: &str, password: &str) -> Certificate {
    let path = folder.join(format!("password of {name} {password}"));
    fs::write(&path, password).unwrap();
    Certificate::Pkcs12 {
        file: file(name),
        password: (!password.is_empty()).then_some(Secret::File(path)),
    }
}

fn of_proofs(proofs: Vec<config::Proof>) -> Source {
    Source {
        credential: config::Credential::App {
            client_id: CLIENT.to_owned(),
            proofs,
        },
        ..source("http://127.0.0.1:1", "http://127.0.0.1:1")
    }
}

fn load(certificate: Certificate) -> Result<Credential, Error> {
    Credential::load(
        &of_proofs(vec![config::Proof::Certificate(certificate)]),
        now,
    )
}

fn assertion(credential: &Credential, proof: usize) -> String {
    let Kind::App {
        client_id, proofs, ..
    } = &credential.kind
    else {
        panic!("not an application")
    };
    let fields = proofs[proof]
        .fields("https://login/token", client_id, now())
        .unwrap();
    let found = fields.iter().find(|(name, _)| *name == "client_assertion");
    found.unwrap().1.to_owned()
}

#[test]
fn a_certificate_in_any_form_signs_assertions_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    let both = folder.path().join("both.pem");
    let text = |name| fs::read_to_string(sample(name)).unwrap();
    fs::write(
        &both,
        text("other.pem") + &text("key.pem") + &text("certificate.pem"),
    )
    .unwrap();
    let der = CertificateDer::from_pem_slice(text("certificate.pem").as_bytes()).unwrap();
    let (_, certificate) = parse_x509_certificate(&der).unwrap();
    let key = &certificate.public_key().subject_public_key.data;
    for form in [
        pem("certificate.pem", Some("key.pem")),
        pem("certificate.pem", Some("key-pkcs1.pem")),
        Certificate::Pem {
            certificate: Secret::File(both),
            private_key: None,
        },
        pkcs12(folder.path(), "aes.p12", "sécret"),
        pkcs12(folder.path(), "legacy.p12", "sécret"),
        pkcs12(folder.path(), "3des.p12", ""),
    ] {
        let credential = load(form.clone()).unwrap_or_else(|error| panic!("{form:?}: {error}"));
        for (proof, name, digest, parameters) in [
            (
                0,
                ("PS256", "x5t#S256"),
                &digest::SHA256,
                &RSA_PSS_2048_8192_SHA256,
            ),
            (
                1,
                ("RS256", "x5t"),
                &digest::SHA1_FOR_LEGACY_USE_ONLY,
                &RSA_PKCS1_2048_8192_SHA256,
            ),
        ] {
            let token = assertion(&credential, proof);
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            let verified =
                UnparsedPublicKey::new(parameters, key).verify(signed.as_bytes(), &signature);
            assert!(verified.is_ok(), "{form:?} {name:?}");
            let parts: Vec<Json> = signed
                .split('.')
                .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
                .collect();
            let thumbprint = URL_SAFE_NO_PAD.encode(digest::digest(digest, &der));
            assert_eq!(
                parts[0],
                json!({ "alg": name.0, "typ": "JWT", name.1: thumbprint })
            );
            let mut claims = parts[1].clone();
            assert!(Uuid::parse_str(claims["jti"].take().as_str().unwrap()).is_ok());
            let begin = now().timestamp();
            assert_eq!(
                claims,
                json!({
                    "aud": "https://login/token", "iss": CLIENT, "sub": CLIENT, "jti": null,
                    "iat": begin, "nbf": begin, "exp": begin + 480,
                })
            );
            assert_ne!(
                token,
                assertion(&credential, proof),
                "its id is new each time"
            );
        }
    }
}

#[test]
fn what_is_wrong_with_a_certificate_is_named_before_any_request() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = folder.path().join("garbage");
    fs::write(&garbage, "\u{30}\u{5}none").unwrap();
    for (certificate, expected) in [
        (
            pem("certificate.pem", None),
            "there is no private key with the certificate",
        ),
        (
            pem("certificate.pem", Some("other-key.pem")),
            "the private key does not belong to the certificate",
        ),
        (
            pem("ec.pem", Some("ec-key.pem")),
            "the private key is not an RSA key of 2048 to 4096 bits",
        ),
        (
            pem("key.pem", Some("key.pem")),
            "the file holds no certificate",
        ),
        (
            pem("certificate.pem", Some("key-encrypted.pem")),
            "the private key is encrypted with a password",
        ),
        (
            pem("expired.pem", Some("key.pem")),
            "the certificate expired on 2021-01-01",
        ),
        (
            pem("future.pem", Some("key.pem")),
            "the certificate is valid only from 2100-01-01",
        ),
        (pem("no-such.pem", Some("key.pem")), "cannot be read"),
        (
            pkcs12(folder.path(), "aes.p12", "secret"),
            "the password of the PKCS#12 file is wrong",
        ),
        (
            Certificate::Pkcs12 {
                file: file("legacy.p12"),
                password: None,
            },
            "the password of the PKCS#12 file is wrong",
        ),
        (
            pkcs12(folder.path(), "no-key.p12", "sécret"),
            "the PKCS#12 file holds no private key",
        ),
        (
            Certificate::Pkcs12 {
                file: Secret::File(garbage),
                password: None,
            },
            "this is not a PKCS#12 file that can be read",
        ),
    ] {
        let error = load(certificate.clone()).err().unwrap();
        let text = error.to_string();
        assert!(text.starts_with("source.client_certificate"), "{text}");
        assert!(text.contains(expected), "{certificate:?}: {text}");
        assert!(error.remedy().is_some());
    }
}

#[test]
fn no_cut_or_changed_pkcs12_file_makes_trouble() {
    let whole = fs::read(sample("aes.p12")).unwrap();
    for length in 0..whole.len() {
        assert!(
            pkcs12::open(&whole[..length], "sécret").is_err(),
            "{length}"
        );
    }
    for place in 0..120 {
        let mut changed = whole.clone();
        changed[place] ^= 0x41;
        // It must end, whatever it says.
        let _ = pkcs12::open(&changed, "sécret").is_ok();
    }
}

#[test]
fn an_expired_certificate_is_left_out_while_another_is_valid() {
    let proofs = |names: &[&str]| {
        let proofs = names.iter().map(|name| pem(name, Some("key.pem")));
        of_proofs(proofs.map(config::Proof::Certificate).collect())
    };
    let source = proofs(&["expired.pem", "certificate.pem", "future.pem"]);
    let credential = Credential::load(&source, now).unwrap();
    let Kind::App { proofs: loaded, .. } = &credential.kind else {
        panic!("not an application")
    };
    let keys: Vec<_> = loaded.iter().map(|proof| proof.key.as_str()).collect();
    assert_eq!(keys, ["source.client_certificate[1]"; 2]);
    let days: Vec<_> = expiries(&source)
        .into_iter()
        .map(|expiry| (expiry.key, expiry.day.to_string()))
        .collect();
    let key = |index| format!("source.client_certificate[{index}]");
    assert_eq!(
        days,
        [
            (key(0), "2021-01-01".to_owned()),
            (key(1), "2120-01-01".to_owned()),
            (key(2), "2120-01-01".to_owned()),
        ]
    );
    assert!(Credential::load(&proofs(&["expired.pem", "future.pem"]), now).is_err());
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
async fn when_every_secret_is_refused_the_first_refusal_is_told() {
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
async fn a_federated_token_is_read_anew_for_each_request() {
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

const RESOURCE: &str = "https://graph.microsoft.com";

/// As IMDS writes it: numbers are text.
fn machine_token() -> Answered {
    let body = json!({
        "access_token": "machine-token", "client_id": CLIENT, "expires_in": "86399",
        "expires_on": "1780400000", "ext_expires_in": "86399", "not_before": "1780300000",
        "refresh_token": "", "resource": RESOURCE, "token_type": "Bearer",
    });
    (200, Vec::new(), body.to_string())
}

fn at_once() -> Vec<(&'static str, String)> {
    vec![("retry-after", "0".to_owned())]
}

#[tokio::test]
async fn a_virtual_machine_vouches_for_the_agent() {
    let service = Service::start(|_, _| machine_token()).await;
    for (identity, selected) in [
        (Identity::SystemAssigned, None),
        (Identity::ClientId("c".to_owned()), Some(("client_id", "c"))),
        (Identity::ObjectId("o".to_owned()), Some(("object_id", "o"))),
        (
            Identity::ResourceId("/r/i".to_owned()),
            Some(("msi_res_id", "/r/i")),
        ),
    ] {
        let endpoint = Endpoint::of_imds(&service.url, identity);
        let answer = endpoint.ask(RESOURCE, Idempotency::Always).await.unwrap();
        assert!(
            String::from_utf8(answer.body)
                .unwrap()
                .contains("machine-token")
        );
        let seen = service.seen().pop().unwrap();
        assert_eq!(seen.path, "/metadata/identity/oauth2/token");
        assert_eq!(seen.header("metadata"), Some("true"));
        let mut query = vec![("api-version", "2018-02-01"), ("resource", RESOURCE)];
        query.extend(selected);
        let sent: Vec<_> = seen
            .query
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        assert_eq!(sent, query);
    }
}

#[tokio::test]
async fn a_machine_that_is_busy_or_updates_itself_is_waited_for() {
    let service = Service::start(|number, _| match number {
        0 => (410, at_once(), String::new()),
        1 => (404, at_once(), String::new()),
        2 => (429, at_once(), String::new()),
        3 => (500, at_once(), String::new()),
        _ => machine_token(),
    })
    .await;
    let endpoint = Endpoint::of_imds(&service.url, Identity::SystemAssigned);
    endpoint.ask(RESOURCE, Idempotency::Always).await.unwrap();
    assert_eq!(service.seen().len(), 5);

    let service = Service::start(|_, _| (503, at_once(), String::new())).await;
    let endpoint = Endpoint::of_imds(&service.url, Identity::SystemAssigned);
    let error = endpoint
        .ask(RESOURCE, Idempotency::Always)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::TokenRefused(_)), "{error}");
    assert_eq!(service.seen().len(), 5);
}

#[tokio::test]
async fn a_machine_without_the_identity_says_so_once() {
    let service = Service::start(|_, _| {
        let body = json!({ "error": "invalid_request", "error_description": "Identity not found" });
        (400, Vec::new(), body.to_string())
    })
    .await;
    let endpoint = Endpoint::of_imds(&service.url, Identity::ClientId("c".to_owned()));
    let error = endpoint
        .ask(RESOURCE, Idempotency::Always)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("Identity not found"), "{error}");
    assert!(error.remedy().unwrap().contains("client_id"));
    assert_eq!(service.seen().len(), 1);

    let endpoint = Endpoint::of_imds("http://127.0.0.1:1", Identity::SystemAssigned);
    let error = endpoint
        .ask(RESOURCE, Idempotency::Always)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NoManagedIdentity(_)), "{error}");
}

#[tokio::test]
async fn app_service_vouches_by_its_own_header() {
    let service = Service::start(|_, _| machine_token()).await;
    let identity = Identity::ClientId("c".to_owned());
    let url = format!("{}/msi/token", service.url);
    let endpoint = Endpoint::of_app_service(&url, "853b9a84", identity);
    endpoint.ask(RESOURCE, Idempotency::Always).await.unwrap();
    let seen = service.seen().pop().unwrap();
    assert_eq!(seen.path, "/msi/token");
    assert_eq!(seen.header("x-identity-header"), Some("853b9a84"));
    assert_eq!(seen.header("metadata"), None);
    let sent: Vec<_> = seen
        .query
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    assert_eq!(
        sent,
        [
            ("api-version", "2019-08-01"),
            ("resource", RESOURCE),
            ("client_id", "c")
        ]
    );
}

#[tokio::test]
async fn arc_wants_the_content_of_its_challenge_file_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.key"), "challenge").unwrap();
    fs::write(folder.path().join("secret"), "not for Arc").unwrap();
    for (name, is_own) in [("a.key", true), ("secret", false), ("../etc.key", false)] {
        let path = folder.path().join(name).display().to_string();
        let service = Service::start(move |_, seen| match seen.header("authorization") {
            None => (
                401,
                vec![("www-authenticate", format!("Basic realm={path}"))],
                String::new(),
            ),
            Some("Basic challenge") => machine_token(),
            Some(other) => panic!("{other}"),
        })
        .await;
        let url = format!("{}/metadata/identity/oauth2/token", service.url);
        let answer = Endpoint::of_arc(&url, folder.path())
            .ask(RESOURCE, Idempotency::Always)
            .await;
        assert_eq!(answer.is_ok(), is_own, "{name}");
        let seen = service.seen();
        assert_eq!(seen.len(), if is_own { 2 } else { 1 });
        assert_eq!(seen[0].header("metadata"), Some("true"));
        assert!(
            seen[0]
                .query
                .contains(&("api-version".to_owned(), "2020-06-01".to_owned()))
        );
    }
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

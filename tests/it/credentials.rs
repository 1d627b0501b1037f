//! Each way to sign in through the commands, against a token endpoint that checks what it is sent.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entrain::sandbox::{FederatedCredential, GraphQuirk, Size};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::foreign::{installed, targets};
use crate::rig::{Rig, Run};

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/graph/credential/samples")
        .join(name)
}

fn der(name: &str) -> Vec<u8> {
    CertificateDer::from_pem_file(sample(name))
        .unwrap()
        .to_vec()
}

/// A tenant whose source is written with these lines in place of the secret.
async fn signing_in(lines: &str) -> Rig {
    let rig = Rig::start(Size::new(5, 1, 5)).await;
    rig.edit(|text| text.replace("client_secret = { file = \"secret\" }", lines));
    rig
}

fn certificate(certificate: &str, key: &str) -> String {
    format!(
        "client_certificate = {{ certificate = {{ file = '{}' }}, private_key = {{ file = '{}' }} }}",
        sample(certificate).display(),
        sample(key).display()
    )
}

/// Runs a command with more variables in its environment.
async fn run_with(rig: &Rig, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
    let mut command = rig.command(arguments);
    command.envs(variables.iter().copied());
    Rig::finish(command.spawn().unwrap()).await
}

fn token_requests(rig: &Rig) -> usize {
    let traffic = rig.tenant().traffic();
    traffic.count_where(|one| one.path.ends_with("/oauth2/v2.0/token"))
}

/// The assertion that was sent last.
fn last_assertion(rig: &Rig) -> String {
    let exchanges = rig.tenant().traffic().exchanges();
    let bodies = exchanges.into_iter().filter_map(|one| one.body);
    let mut assertions = bodies.filter_map(|body| {
        let mut fields = url::form_urlencoded::parse(body.as_bytes()).into_owned();
        fields.find(|(name, _)| name == "client_assertion")
    });
    assertions.next_back().unwrap().1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_signs_in_also_where_only_the_older_form_is_taken() {
    for old in [false, true] {
        let rig = signing_in(&certificate("certificate.pem", "key.pem")).await;
        rig.tenant()
            .configure(|settings| settings.certificates.push(der("certificate.pem")));
        if old {
            rig.tenant().enable(GraphQuirk::OldAssertions);
        }
        rig.sync().await.expect(0);
        assert_eq!(token_requests(&rig), if old { 2 } else { 1 });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_registered_says_what_to_do() {
    let rig = signing_in(&certificate("certificate.pem", "key.pem")).await;
    rig.tenant()
        .configure(|settings| settings.certificates.push(der("other.pem")));
    let run = rig.run(&["test"]).await.expect(1);
    assert!(run.out.contains("AADSTS700027"), "{run:?}");
    assert!(run.out.contains("upload it"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_certificate_takes_over_where_the_first_is_not_known() {
    let one = |name: &str, key: &str| {
        let line = certificate(name, key);
        line.split_once(" = ").unwrap().1.to_owned()
    };
    let lines = format!(
        "client_certificate = [ {}, {} ]",
        one("other.pem", "other-key.pem"),
        one("certificate.pem", "key.pem")
    );
    let rig = signing_in(&lines).await;
    rig.tenant()
        .configure(|settings| settings.certificates.push(der("certificate.pem")));
    let run = rig.sync().await.expect(0);
    assert!(run.err.contains("client_certificate[1]"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_credential_is_named_before_any_request() {
    for (lines, expected) in [
        (
            certificate("certificate.pem", "other-key.pem"),
            "the private key does not belong to the certificate",
        ),
        (
            certificate("expired.pem", "key.pem"),
            "the certificate expired on 2021-01-01",
        ),
        (
            certificate("future.pem", "key.pem"),
            "the certificate is valid only from 2100-01-01",
        ),
        (
            format!(
                "client_certificate = {{ certificate = {{ file = '{}' }} }}",
                sample("certificate.pem").display()
            ),
            "there is no private key with the certificate",
        ),
        (
            "federated_token_file = \"empty\"".to_owned(),
            "empty is empty",
        ),
        (
            "client_secret = { env = \"NO_SUCH_VARIABLE\" }".to_owned(),
            "NO_SUCH_VARIABLE is not set",
        ),
    ] {
        let rig = signing_in(&lines).await;
        fs::write(rig.path("empty"), "\n").unwrap();
        for command in [["test"], ["plan"], ["sync"]] {
            let run = rig.run(&command).await.expect(1);
            let said = format!("{}{}", run.out, run.err);
            assert!(said.contains(expected), "{lines}: {said}");
        }
        assert_eq!(rig.tenant().traffic().count(), 0, "{lines}");
    }
}

/// A token of another identity provider, signed with the sample key.
fn foreign_token(subject: &str) -> String {
    let key = PrivateKeyDer::from_pem_file(sample("key.pem")).unwrap();
    let key = RsaKeyPair::from_pkcs8(key.secret_der()).unwrap();
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!(
        "{}.{}",
        part(json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" })),
        part(json!({
            "iss": "https://issuer.example", "sub": subject, "aud": "api://AzureADTokenExchange",
            "iat": 1_577_836_800, "nbf": 1_577_836_800, "exp": 4_102_444_800_i64,
        }))
    );
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        signed.as_bytes(),
        &mut signature,
    )
    .unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

const SUBJECT: &str = "system:serviceaccount:entrain:agent";

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_signs_in_with_what_the_webhook_puts_into_its_environment() {
    let rig = signing_in("workload_identity = true").await;
    let (tenant, client) = (rig.sandbox.tenant_id(), rig.sandbox.client_id());
    let login = rig.sandbox.login_url();
    rig.edit(|text| {
        let lines = text.lines().filter(|line| {
            !["tenant_id", "client_id", "login_url"]
                .iter()
                .any(|key| line.starts_with(key))
        });
        lines.collect::<Vec<_>>().join("\n")
    });
    rig.tenant().configure(|settings| {
        settings.federated.push(FederatedCredential {
            issuer: "https://issuer.example".to_owned(),
            subject: SUBJECT.to_owned(),
            audience: "api://AzureADTokenExchange".to_owned(),
            certificate: der("certificate.pem"),
        });
    });
    let file = rig.path("federated");
    fs::write(&file, foreign_token(SUBJECT)).unwrap();
    let variables = [
        ("AZURE_TENANT_ID", tenant.as_str()),
        ("AZURE_CLIENT_ID", client.as_str()),
        ("AZURE_AUTHORITY_HOST", &format!("{login}/")),
        ("AZURE_FEDERATED_TOKEN_FILE", file.to_str().unwrap()),
    ];
    run_with(&rig, &["sync"], &variables).await.expect(0);

    fs::write(&file, foreign_token("system:serviceaccount:entrain:other")).unwrap();
    let run = run_with(&rig, &["test"], &variables).await.expect(1);
    assert!(run.out.contains("AADSTS700213"), "{run:?}");
    assert!(run.out.contains("exactly equal"), "{run:?}");
    let run = rig.run(&["check"]).await.expect(2);
    assert!(
        run.out.contains("AZURE_TENANT_ID") || run.out.contains("AZURE_CLIENT_ID"),
        "{run:?}"
    );
}

/// A token of the sandbox, as a platform would hand it out.
async fn sandbox_token(rig: &Rig) -> Value {
    let url = format!(
        "{}/{}/oauth2/v2.0/token",
        rig.sandbox.login_url(),
        rig.sandbox.tenant_id()
    );
    let form = [
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", rig.sandbox.client_id()),
        ("client_secret", rig.sandbox.client_secret()),
        ("scope", "https://graph.microsoft.com/.default".to_owned()),
    ];
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.post(url).form(&form).send().await.unwrap();
    answer.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_virtual_machine_signs_in_with_its_identity() {
    let rig = signing_in("managed_identity = true").await;
    rig.edit(|text| {
        let lines = text.lines().filter(|line| !line.starts_with("client_id"));
        lines.collect::<Vec<_>>().join("\n")
    });
    let token = sandbox_token(&rig).await["access_token"].clone();
    let router = Router::new().fallback(move |request: Request| {
        let is_right = request.uri().path() == "/metadata/identity/oauth2/token"
            && request
                .headers()
                .get("metadata")
                .is_some_and(|value| value == "true")
            && request.uri().query()
                == Some("api-version=2018-02-01&resource=https%3A%2F%2Fgraph.microsoft.com");
        let body = json!({ "access_token": token, "expires_in": "86400", "token_type": "Bearer" });
        let response: Response = if is_right {
            body.to_string().into_response()
        } else {
            (axum::http::StatusCode::BAD_REQUEST, "{}").into_response()
        };
        std::future::ready(response)
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    rig.tenant().traffic().reset();
    let variables = [("AZURE_POD_IDENTITY_AUTHORITY_HOST", host.as_str())];
    run_with(&rig, &["sync"], &variables).await.expect(0);
    assert_eq!(token_requests(&rig), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_a_person_is_for_tries_alone() {
    let rig = signing_in("azure_cli = true").await;
    let token = sandbox_token(&rig).await;
    let folder = rig.path("bin");
    fs::create_dir(&folder).unwrap();
    let answer = json!({ "accessToken": token["access_token"], "expires_on": 4_102_444_800_i64 });
    let script = format!("#!/bin/sh\necho \"$*\" > \"$0.seen\"\necho '{answer}'\n");
    fs::write(folder.join("az"), script).unwrap();
    fs::set_permissions(folder.join("az"), Permissions::from_mode(0o755)).unwrap();
    let path = folder.to_str().unwrap().to_owned();
    let variables = [("PATH", path.as_str())];
    run_with(&rig, &["plan"], &variables).await.expect(0);
    let seen = fs::read_to_string(folder.join("az.seen")).unwrap();
    let tenant = rig.sandbox.tenant_id();
    assert_eq!(
        seen.trim(),
        format!(
            "account get-access-token --output json --tenant {tenant} --resource \
             https://graph.microsoft.com"
        )
    );
    for command in ["sync", "run"] {
        let run = run_with(&rig, &[command], &variables).await.expect(1);
        let words = "source.azure_cli signs in a user";
        assert!(run.err.contains(words), "{run:?}");
    }
    assert_eq!(rig.sandbox.target.writes(), 0);

    fs::write(
        folder.join("az"),
        "#!/bin/sh\necho 'Please run az login' >&2\nexit 1\n",
    )
    .unwrap();
    let run = run_with(&rig, &["test"], &variables).await.expect(1);
    assert!(run.out.contains("Please run az login"), "{run:?}");

    rig.edit(|text| text.replace("azure_cli", "device_code"));
    let run = rig.run(&["test"]).await.expect(1);
    assert!(run.out.contains("not a terminal"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_expires_soon_is_warned_of() {
    let rig = signing_in("client_secret = { file = \"secret\", expires = \"2020-06-01\" }").await;
    let run = rig.run(&["status"]).await.expect(0);
    assert!(
        run.err
            .contains("warning: source.client_secret expired on 2020-06-01"),
        "{run:?}"
    );
    // The app registration knows better than the configuration.
    let run = rig.run(&["test"]).await.expect(0);
    assert!(run.out.contains("expires on 2099-12-31"), "{run:?}");
    rig.tenant().revoke_permission("Application.Read.All");
    let run = rig.run(&["test"]).await;
    assert!(run.out.contains("expired on 2020-06-01"), "{run:?}");
    rig.edit(|text| text.replace("2020-06-01", "2098-06-01"));
    let run = rig.run(&["status"]).await.expect(0);
    assert!(!run.err.contains("expires"), "{run:?}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "the program compares with the same clock"
)]
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_warned_of_thirty_seven_and_one_days_before_it_expires() {
    let today = chrono::Utc::now().date_naive();
    for (days, is_warned) in [(0, true), (5, true), (29, true), (31, false)] {
        let day = today + chrono::Days::new(days);
        let line = format!("client_secret = {{ file = \"secret\", expires = \"{day}\" }}");
        let rig = signing_in(&line).await;
        let run = rig.sync().await.expect(0);
        let times = run.err.matches("source.client_secret expires").count();
        assert_eq!(times, usize::from(is_warned), "{days} {}", run.err);
        let run = rig.run(&["status", "--format", "json"]).await.expect(0);
        let status: Value = serde_json::from_str(&run.out).unwrap();
        assert_eq!(
            status["credentials"],
            json!([{ "key": "source.client_secret", "expires": day.to_string(), "days_left": days }])
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claims_challenge_is_answered_with_a_token_that_proves_them() {
    let rig = Rig::start(Size::new(5, 1, 5)).await;
    rig.sync().await.expect(0);
    rig.tenant().enable(GraphQuirk::ClaimsChallenge);
    rig.tenant().traffic().reset();
    rig.sync().await.expect(0);
    assert_eq!(token_requests(&rig), 2);
    let refused = rig.tenant().traffic().exchanges();
    let refused = refused.iter().filter(|one| one.status == Some(401));
    assert_eq!(refused.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_library_accepts_what_is_signed() {
    let Some(home) = installed("pyjwt") else {
        return;
    };
    for (old, algorithm) in [(false, "PS256"), (true, "RS256")] {
        let rig = signing_in(&certificate("certificate.pem", "key.pem")).await;
        rig.tenant()
            .configure(|settings| settings.certificates.push(der("certificate.pem")));
        if old {
            rig.tenant().enable(GraphQuirk::OldAssertions);
        }
        let traffic = rig.tenant().traffic();
        traffic.record_bodies(true);
        rig.run(&["test"]).await.expect(0);
        let assertion = last_assertion(&rig);
        let audience = format!(
            "{}/{}/oauth2/v2.0/token",
            rig.sandbox.login_url(),
            rig.sandbox.tenant_id()
        );
        let file = rig.path("assertion");
        fs::write(&file, assertion).unwrap();
        let output = Command::new(home.join("venv/bin/python"))
            .arg(targets().join("pyjwt/verify.py"))
            .arg(sample("certificate.pem"))
            .args([algorithm, &audience, &rig.sandbox.client_id()])
            .stdin(Stdio::from(fs::File::open(&file).unwrap()))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_belong_to_a_token_is_named() {
    let rig = Rig::start(Size::new(20, 3, 40)).await;
    let token = rig.sandbox.scim_token();
    let write = |text: &[u8]| fs::write(rig.path("token"), text).unwrap();

    write(format!("bearer {token}\n").as_bytes());
    let check = rig.run(&["check"]).await.expect(0);
    assert!(
        check.out.contains("begins with \"Bearer \""),
        "{}",
        check.out
    );
    let sync = rig.run(&["sync"]).await.expect(0);
    assert!(sync.err.contains("begins with \"Bearer \""), "{}", sync.err);

    let utf16: Vec<u8> = format!("\u{feff}{token}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for (text, words) in [
        (format!("\"{token}\"").into_bytes(), "in quotation marks"),
        (format!("'{token}'\n").into_bytes(), "in quotation marks"),
        (
            format!("Bearer \"{token}\"").into_bytes(),
            "in quotation marks",
        ),
        (format!("\u{feff}{token}").into_bytes(), "byte order mark"),
        (utf16, "it is UTF-16 and begins with a byte order mark"),
    ] {
        write(&text);
        let check = rig.run(&["check"]).await.expect(0);
        assert!(check.out.contains(words), "{}", check.out);
        let before = rig.sandbox.target.traffic().exchanges().len();
        let sync = rig.run(&["sync"]).await.expect(1);
        assert!(
            sync.err.contains(words) && !sync.err.contains("401"),
            "{}",
            sync.err
        );
        assert_eq!(rig.sandbox.target.traffic().exchanges().len(), before);
        let test = rig.run(&["test"]).await.expect(1);
        assert!(test.out.contains(words), "{}", test.out);
        let whole = format!("{check:?}{sync:?}{test:?}");
        assert!(!whole.contains(&token), "{whole}");
    }
}

//! Notifications by the service: each arrives once, whatever the receiver does, and no cycle waits for one.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use entrain::sandbox::{Fault, Size, Trouble};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::foreign::{Program, installed, targets};
use crate::post::{Answer, Hook, Mail, Manner, Post};
use crate::rig::Rig;
use crate::service::{Service, until};

pub(crate) const OFTEN: &str = "[schedule]\ninterval = \"1s\"\nleavers = \"off\"\n";
pub(crate) const HOLD: &str = "[jobs.safety]\nmax_deletions = 0\n";
const NO: &str = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"400","detail":"department is unknown"}"#;

pub(crate) fn mail_to(port: u16) -> String {
    format!(
        "[notify.mail]\nserver = \"127.0.0.1\"\nport = {port}\nencryption = \"none\"\n\
         from = \"entrain <entrain@example.com>\"\nto = [\"it@example.com\"]\n"
    )
}

/// A tenant in step with its target, and a configuration with these lines.
pub(crate) async fn in_step(extra: &str) -> Rig {
    let rig = Rig::start(Size::new(20, 2, 20)).await;
    rig.configure(extra);
    rig.sync().await.expect(0);
    rig
}

/// Someone leaves, whose disable is held.
pub(crate) fn hold_one(rig: &Rig) {
    let leaver = rig.tenant().user_ids()[0];
    rig.tenant().disable_user(leaver);
}

async fn status(rig: &Rig) -> Value {
    let run = rig.run(&["status", "--format", "json"]).await.expect(0);
    serde_json::from_str(&run.out).unwrap()
}

/// Waits until so many more cycles have ended.
pub(crate) async fn more_cycles(service: &Service<'_>, count: usize) {
    let ended = || service.log().matches("cycle ended").count();
    let before = ended();
    until("more cycles", || ended() >= before + count).await;
}

pub(crate) fn subjects(mails: &[Mail]) -> Vec<&str> {
    mails.iter().map(|mail| mail.header("Subject")).collect()
}

pub(crate) async fn stop(service: Service<'_>) -> String {
    service.signal("-TERM");
    let (code, log) = service.end().await;
    assert_eq!(code, 0, "{log}");
    log
}

#[tokio::test(flavor = "multi_thread")]
async fn held_removals_are_notified_once_with_the_list_and_the_command() {
    let (post, hook) = (Post::start().await, Hook::start().await);
    let rig = in_step("").await;
    fs::write(rig.path("hook"), format!("{}/ops", hook.url)).unwrap();
    fs::write(rig.path("hook-token"), "hook-secret").unwrap();
    let webhook = "[[notify.webhooks]]\nname = \"ops\"\nurl = { file = \"hook\" }\ntoken = { file = \
                   \"hook-token\" }\n";
    rig.configure(&format!("{HOLD}{OFTEN}{}{webhook}", mail_to(post.port)));
    hold_one(&rig);
    let service = Service::start(&rig, &["run"]);
    until("the mail", || !post.mails().is_empty()).await;
    more_cycles(&service, 4).await;
    let mails = post.mails();
    assert_eq!(
        subjects(&mails),
        ["entrain: demo: 1 removal is held until approved"]
    );
    assert_eq!(mails[0].to, "it@example.com");
    let cycle = status(&rig).await["jobs"][0]["held"]["cycle"].clone();
    for words in [
        "entrain approve demo --cycle ",
        "- disable user ",
        "<code>entrain reject demo</code>",
    ] {
        assert!(mails[0].text.contains(words), "{words}: {}", mails[0].text);
    }
    assert!(cycle.is_u64());
    let calls = hook.calls("/ops");
    assert_eq!(calls.len(), 1);
    let body: Value = serde_json::from_str(&calls[0].body).unwrap();
    assert_eq!(body["events"][0]["topic"], "held", "{body:#}");
    assert_eq!(body["events"][0]["job"], "demo");
    assert_eq!(
        body["id"],
        calls[0].headers["idempotency-key"].to_str().unwrap()
    );
    assert_eq!(calls[0].headers["authorization"], "Bearer hook-secret");
    assert_eq!(status(&rig).await["notifications"], json!([]));
    let log = stop(service).await;
    assert!(!log.contains("hook-secret"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_in_trouble_is_shown_and_gets_each_message_once_it_is_well() {
    for (manner, words) in [
        (Manner::Refuses, "550 5.1.1 no such user here"),
        (
            Manner::Closes,
            "notification for it@example.com waits since",
        ),
    ] {
        let post = Post::start().await;
        post.behave(manner);
        let rig = in_step("").await;
        rig.configure(&format!("{HOLD}{OFTEN}{}", mail_to(post.port)));
        hold_one(&rig);
        let service = Service::start(&rig, &["run"]);
        until("a failed delivery", || {
            service.log().contains("could not be delivered")
        })
        .await;
        let shown = rig.run(&["status"]).await.expect(0);
        assert!(shown.err.contains(words), "{manner:?}: {shown:?}");
        assert!(
            shown.err.contains("the last attempt failed: 127.0.0.1:"),
            "{shown:?}"
        );
        let waiting = status(&rig).await["notifications"].clone();
        assert_eq!(waiting[0]["waiting"], 1, "{waiting:#}");
        more_cycles(&service, 2).await;
        assert_eq!(post.mails(), []);
        post.behave(Manner::Takes);
        until("the mail", || !post.mails().is_empty()).await;
        more_cycles(&service, 2).await;
        assert_eq!(post.mails().len(), 1, "{manner:?}");
        stop(service).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_hangs_holds_up_neither_cycles_nor_webhooks_nor_a_stop() {
    let (post, hook) = (Post::start().await, Hook::start().await);
    post.behave(Manner::Hangs);
    let rig = in_step("").await;
    fs::write(rig.path("hook"), &hook.url).unwrap();
    let webhook =
        "[[notify.webhooks]]\nname = \"ops\"\nurl = { file = \"hook\" }\nform = \"slack\"\n";
    rig.configure(&format!("{HOLD}{OFTEN}{}{webhook}", mail_to(post.port)));
    hold_one(&rig);
    let service = Service::start(&rig, &["run"]);
    until("the webhook", || !hook.calls("/").is_empty()).await;
    let text: Value = serde_json::from_str(&hook.calls("/")[0].body).unwrap();
    let text = text["text"].as_str().unwrap();
    assert!(text.starts_with("*demo: 1 removal is held"), "{text}");
    more_cycles(&service, 3).await;
    assert_eq!(post.mails(), []);
    stop(service).await;
    let service = Service::start(&rig, &["run"]);
    post.behave(Manner::Takes);
    until("the mail", || !post.mails().is_empty()).await;
    more_cycles(&service, 3).await;
    assert_eq!(post.mails().len(), 1);
    assert_eq!(hook.calls("/").len(), 1);
    stop(service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_outlives_a_kill_and_a_server_that_is_down() {
    let mut post = Post::start().await;
    post.stop().await;
    let rig = in_step("").await;
    rig.configure(&format!("{HOLD}{OFTEN}{}", mail_to(post.port)));
    hold_one(&rig);
    let service = Service::start(&rig, &["run"]);
    until("a failed delivery", || {
        service.log().contains("could not be delivered")
    })
    .await;
    assert!(
        service.log().contains("onnection refused"),
        "{}",
        service.log()
    );
    service.signal("-KILL");
    drop(service);
    let service = Service::start(&rig, &["run"]);
    more_cycles(&service, 2).await;
    post.start_again().await;
    until("both mails", || post.mails().len() >= 2).await;
    post.stop().await;
    post.start_again().await;
    more_cycles(&service, 3).await;
    let mails = post.mails();
    let mut subjects = subjects(&mails);
    subjects.sort_unstable();
    assert_eq!(
        subjects,
        [
            "entrain: Started after a crash",
            "entrain: demo: 1 removal is held until approved"
        ]
    );
    stop(service).await;
    // A good end is no crash.
    let service = Service::start(&rig, &["run"]);
    more_cycles(&service, 3).await;
    assert_eq!(post.mails().len(), 2);
    stop(service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_after_the_last_byte_repeats_the_same_message() {
    let post = Post::start().await;
    post.behave(Manner::Breaks);
    let rig = in_step("").await;
    rig.configure(&format!("{HOLD}{OFTEN}{}", mail_to(post.port)));
    hold_one(&rig);
    let service = Service::start(&rig, &["run"]);
    until("the first attempt", || !post.mails().is_empty()).await;
    post.behave(Manner::Takes);
    until("the second attempt", || post.mails().len() >= 2).await;
    more_cycles(&service, 2).await;
    let mails = post.mails();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0].header("Message-ID"), mails[1].header("Message-ID"));
    assert!(mails[0].header("Message-ID").ends_with("@example.com>"));
    assert_eq!(mails[0].header("Date"), mails[1].header("Date"));
    stop(service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_failures_are_one_message_and_the_first_success_is_another() {
    let post = Post::start().await;
    let rig = in_step("").await;
    let traffic = rig.sandbox.target.traffic();
    traffic.inject(
        Fault::new("/Users", Trouble::body(400, NO))
            .method("POST")
            .forever(),
    );
    for number in 0..60 {
        rig.joiner(&format!("joiner{number}"));
    }
    rig.configure(&format!("{OFTEN}{}", mail_to(post.port)));
    let service = Service::start(&rig, &["run"]);
    until("the failures", || !post.mails().is_empty()).await;
    more_cycles(&service, 3).await;
    let mails = post.mails();
    assert_eq!(subjects(&mails), ["entrain: demo: 60 objects fail"]);
    let text = &mails[0].text;
    assert!(text.contains("and 40 more"), "{text}");
    assert!(text.contains("department is unknown"), "{text}");
    traffic.clear_faults();
    let retry = ["escrow", "retry", "demo", "--all"];
    rig.run(&retry).await.expect(0);
    rig.run(&["sync"]).await.expect(0);
    until("it recovers", || post.mails().len() >= 2).await;
    more_cycles(&service, 3).await;
    let mails = post.mails();
    assert_eq!(mails.len(), 2, "{:?}", subjects(&mails));
    assert_eq!(mails[1].header("Subject"), "entrain: demo: in sync again");
    stop(service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantine_and_its_end_are_notified() {
    let post = Post::start().await;
    let rig = in_step("").await;
    let traffic = rig.sandbox.target.traffic();
    traffic.inject(Fault::new("/", Trouble::status(401)).forever());
    rig.joiner("jane");
    rig.configure(&format!("{OFTEN}{}", mail_to(post.port)));
    let service = Service::start(&rig, &["run"]);
    // On a slow machine, cycles that should take a second take longer, which is told too.
    let mails = || {
        let mut mails = post.mails();
        mails.retain(|mail| !mail.header("Subject").contains("no complete cycle"));
        mails
    };
    until("the quarantine", || !mails().is_empty()).await;
    let first = mails();
    assert_eq!(first[0].header("Subject"), "entrain: demo: in quarantine");
    assert!(first[0].text.contains("401"), "{}", first[0].text);
    traffic.clear_faults();
    until("its end", || mails().len() >= 2).await;
    more_cycles(&service, 2).await;
    let mails = mails();
    assert_eq!(mails.len(), 2, "{:?}", subjects(&mails));
    assert_eq!(
        mails[1].header("Subject"),
        "entrain: demo: the quarantine ended"
    );
    stop(service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_the_tenant_refuses_is_notified_and_its_end_too() {
    let post = Post::start().await;
    let rig = in_step("").await;
    let secret = rig.sandbox.client_secret();
    rig.tenant().set_client_secret("another-secret");
    rig.configure(&format!("{OFTEN}{}", mail_to(post.port)));
    let service = Service::start(&rig, &["run"]);
    until("the refusal", || !post.mails().is_empty()).await;
    let mails = post.mails();
    assert_eq!(
        subjects(&mails),
        ["entrain: Microsoft Entra refuses the credential"]
    );
    assert!(mails[0].text.contains("AADSTS7000215"), "{}", mails[0].text);
    assert!(!mails[0].text.contains(&secret));
    rig.tenant().set_client_secret(&secret);
    until("its end", || post.mails().len() >= 2).await;
    let mails = post.mails();
    assert_eq!(
        mails[1].header("Subject"),
        "entrain: Microsoft Entra accepts the credential again"
    );
    stop(service).await;
}

/// A mail server's certificate, which the file `post.pem` holds.
pub(crate) fn certified(rig: &Rig) -> TlsAcceptor {
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args([
            "-subj",
            "/CN=post",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .arg(rig.path("post.key"))
        .arg("-out")
        .arg(rig.path("post.pem"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let chain = CertificateDer::from_pem_file(rig.path("post.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(rig.path("post.key")).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_is_sent_by_each_way_and_a_bad_certificate_is_shown() {
    let rig = Rig::start(Size::new(2, 0, 0)).await;
    let post = Post::with_tls(Some(certified(&rig))).await;
    let hook = Hook::start().await;
    fs::write(rig.path("hook"), format!("{}/ops/very-secret", hook.url)).unwrap();
    fs::write(rig.path("beat"), format!("{}/beat", hook.url)).unwrap();
    fs::write(rig.path("password"), "s3cret-password").unwrap();
    let configure = |more: &str| {
        rig.configure(&format!(
            "[notify]\nheartbeat = {{ file = \"beat\" }}\n[[notify.webhooks]]\nname = \"ops\"\n\
             url = {{ file = \"hook\" }}\nform = \"teams\"\n[notify.mail]\nserver = \"127.0.0.1\"\n\
             port = {}\nuser = \"entrain\"\npassword = {{ file = \"password\" }}\n\
             from = \"entrain@example.com\"\nto = [\"a@example.com\", \"b@example.com\"]\n{more}",
            post.port
        ));
    };
    configure("");
    let run = rig.run(&["test", "--notify"]).await.expect(1);
    assert!(run.out.contains("certificate"), "{run:?}");
    assert!(run.out.contains("✓ the webhook ops"), "{run:?}");
    assert_eq!(post.mails(), []);
    configure("ca_certificate = \"post.pem\"\n");
    let run = rig.run(&["test", "--notify"]).await.expect(0);
    assert!(run.out.contains("✓ a@example.com"), "{run:?}");
    assert!(run.out.contains("✓ heartbeat"), "{run:?}");
    assert!(!run.out.contains("very-secret"), "{run:?}");
    let to: Vec<_> = post.mails().into_iter().map(|mail| mail.to).collect();
    assert_eq!(to, ["a@example.com", "b@example.com"]);
    assert_eq!(
        post.logins()[0],
        STANDARD.encode("\0entrain\0s3cret-password")
    );
    let card: Value = serde_json::from_str(&hook.calls("/ops/very-secret")[1].body).unwrap();
    assert_eq!(card["attachments"][0]["content"]["type"], "AdaptiveCard");

    for (answer, words) in [
        (Answer::Redirect, "redirects to another address"),
        (Answer::Endless, "HTTP 500 Internal Server Error: no and no"),
        (Answer::Status(404), "HTTP 404 Not Found: the hook's words"),
    ] {
        hook.answer(answer);
        let run = rig.run(&["test", "--notify"]).await.expect(1);
        assert!(run.out.contains(words), "{answer:?}: {run:?}");
        assert!(!run.out.contains("very-secret"), "{run:?}");
        assert!(run.out.contains("✗ heartbeat"), "{run:?}");
    }
    assert!(hook.calls("/elsewhere").is_empty());
    let json = rig
        .run(&["test", "--notify", "--format", "json"])
        .await
        .expect(1);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["ok"], false, "{json:#}");
    assert_eq!(json["notifications"][0]["ok"], true, "{json:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_heartbeat_is_called_after_good_cycles_and_after_no_bad_one() {
    let hook = Hook::start().await;
    let rig = in_step("").await;
    for name in ["all", "own"] {
        fs::write(rig.path(name), format!("{}/{name}", hook.url)).unwrap();
    }
    rig.configure(&format!(
        "[jobs.notify]\nheartbeat = {{ file = \"own\" }}\n{OFTEN}[notify]\nheartbeat = {{ file = \"all\" }}\n"
    ));
    let service = Service::start(&rig, &["run"]);
    until("heartbeats", || {
        hook.calls("/all").len() >= 2 && hook.calls("/own").len() >= 2
    })
    .await;
    rig.sandbox
        .tenant
        .traffic()
        .inject(Fault::new("/", Trouble::status(400)).forever());
    until("a bad cycle", || service.log().contains("the cycle failed")).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = hook.calls("/all").len();
    let failed = || service.log().matches("the cycle failed").count();
    let bad = failed();
    until("more bad cycles", || failed() >= bad + 2).await;
    assert_eq!(hook.calls("/all").len(), before);
    stop(service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_has_recipients_of_its_own_and_no_message_shows_what_is_redacted() {
    let post = Post::start().await;
    let rig = Rig::start(Size::new(2, 0, 0)).await;
    let mapping =
        "[[jobs.users.mappings]]\ntarget = \"title\"\nexpression = 'Redact([jobTitle])'\n";
    rig.configure(&format!(
        "{mapping}[jobs.notify]\nto = [\"team@example.com\"]\n{OFTEN}{}",
        mail_to(post.port)
    ));
    let joiner = rig.joiner("jane");
    rig.tenant()
        .set_property(joiner, "jobTitle", json!("E-0815-alpha"));
    let no = NO.replace("department is unknown", "title E-0815-alpha is unknown");
    let traffic = rig.sandbox.target.traffic();
    traffic.inject(
        Fault::new("/Users", Trouble::body(400, &no))
            .method("POST")
            .forever(),
    );
    let service = Service::start(&rig, &["run"]);
    until("the mail", || !post.mails().is_empty()).await;
    let mails = post.mails();
    assert_eq!(mails[0].to, "team@example.com");
    assert!(
        mails[0].text.contains("title [Redact] is unknown"),
        "{}",
        mails[0].text
    );
    assert!(!mails[0].text.contains("E-0815"), "{}", mails[0].text);
    stop(service).await;
}

/// The mail server that we did not write, on a port of its own or on this one.
pub(crate) fn aiosmtpd(rig: &Rig, home: &Path, port: u16) -> Program {
    let mut command = Command::new(home.join("venv/bin/python"));
    command
        .arg(targets().join("aiosmtpd/serve.py"))
        .env("PORT", port.to_string())
        .env("CERTIFICATE", rig.path("post.pem"))
        .env("KEY", rig.path("post.key"))
        .env("LOGIN", "entrain:s3cret-password")
        .env("MAILS", rig.path("mails"));
    Program::start("aiosmtpd", command)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_we_did_not_write_gets_each_message_once() {
    let Some(home) = installed("aiosmtpd") else {
        return;
    };
    let rig = in_step("").await;
    certified(&rig);
    fs::write(rig.path("password"), "wrong-password").unwrap();
    let server = aiosmtpd(&rig, &home, 0);
    let port = server.port;
    let login =
        "user = \"entrain\"\npassword = { file = \"password\" }\nca_certificate = \"post.pem\"\n";
    let mail = mail_to(port).replace("encryption = \"none\"", "encryption = \"starttls\"");
    rig.configure(&format!("{HOLD}{OFTEN}{mail}{login}"));
    hold_one(&rig);
    let refused = rig.run(&["test", "--notify"]).await.expect(1);
    assert!(refused.out.contains("535"), "{refused:?}");
    assert!(!refused.out.contains("wrong-password"), "{refused:?}");
    let service = Service::start(&rig, &["run"]);
    until("a refused login", || {
        service.log().contains("could not be delivered")
    })
    .await;
    let log = service.log();
    assert!(
        log.contains("535") && !log.contains("wrong-password"),
        "{log}"
    );
    drop(server);
    fs::write(rig.path("password"), "s3cret-password").unwrap();
    service.signal("-KILL");
    drop(service);
    let service = Service::start(&rig, &["run"]);
    more_cycles(&service, 1).await;
    let mails = || {
        let text = fs::read_to_string(rig.path("mails")).unwrap_or_default();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.collect::<Vec<_>>()
    };
    let server = aiosmtpd(&rig, &home, port);
    until("both mails", || mails().len() >= 2).await;
    drop(server);
    let server = aiosmtpd(&rig, &home, port);
    more_cycles(&service, 3).await;
    let mails = mails();
    assert_eq!(mails.len(), 2, "{mails:#?}");
    for mail in &mails {
        assert_eq!(mail["to"], json!(["it@example.com"]));
        assert_eq!(mail["defects"], json!([]));
    }
    let held = mails
        .iter()
        .find(|mail| mail["subject"] == "entrain: demo: 1 removal is held until approved");
    let held = held.unwrap_or_else(|| panic!("{mails:#?}"));
    let text = held["text"].as_str().unwrap();
    assert!(text.contains("entrain approve demo --cycle "), "{text}");
    assert!(
        held["html"]
            .as_str()
            .unwrap()
            .starts_with("<!DOCTYPE html>")
    );
    assert_ne!(mails[0]["id"], mails[1]["id"]);
    assert_eq!(status(&rig).await["notifications"], json!([]));
    stop(service).await;
    drop(server);
}

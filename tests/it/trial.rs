//! `entrain test --notify`: what goes wrong is said with what to do about it.

use std::fs;

use entrain::sandbox::Size;
use serde_json::Value;

use crate::post::{Answer, Hook, Manner, Post};
use crate::rig::Rig;

fn mail(port: u16, encryption: &str, more: &str) -> String {
    format!(
        "[notify.mail]\nserver = \"127.0.0.1\"\nport = {port}\nencryption = \"{encryption}\"\n\
         from = \"entrain@example.com\"\nto = [\"it@example.com\"]\n{more}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_is_not_taken_names_the_setting_to_change() {
    let mut post = Post::start().await;
    let rig = Rig::start(Size::new(2, 0, 0)).await;
    for (encryption, manner, remedy) in [
        ("tls", Manner::Takes, "set encryption = \"starttls\""),
        ("starttls", Manner::Takes, "set encryption = \"tls\""),
        ("none", Manner::Refuses, "correct from and to"),
        ("none", Manner::Closes, "correct server and port"),
    ] {
        post.behave(manner);
        rig.configure(&mail(post.port, encryption, ""));
        let run = rig.run(&["test", "--notify"]).await.expect(1);
        assert!(words(&run.out).contains(remedy), "{encryption}: {run:?}");
    }
    post.stop().await;
    let run = rig.run(&["test", "--notify"]).await.expect(1);
    assert!(words(&run.out).contains("start the mail server"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_fails_is_named_and_json_has_the_remedy_too() {
    let hook = Hook::start().await;
    let rig = Rig::start(Size::new(2, 0, 0)).await;
    fs::write(rig.path("hook"), &hook.url).unwrap();
    rig.configure(
        "[notify]\nheartbeat = { file = \"nowhere\" }\n[[notify.webhooks]]\nname = \"good\"\nurl = { file \
         = \"hook\" }\n[[notify.webhooks]]\nname = \"lost\"\nurl = { file = \"missing\" }\n",
    );
    hook.answer(Answer::Status(404));
    let json = ["test", "--notify", "--format", "json"];
    let run = rig.run(&json).await.expect(1);
    let document: Value = serde_json::from_str(&run.out).unwrap();
    let checks = document["notifications"].as_array().unwrap();
    assert_eq!(checks.len(), 3, "{document:#}");
    for (check, problem, remedy) in [
        (&checks[0], "HTTP 404", "create a new URL"),
        (
            &checks[1],
            "the url of the webhook lost cannot be read: the file ",
            "the file or variable that it names",
        ),
        (&checks[2], "the heartbeat cannot be read", "in [notify]"),
    ] {
        assert!(
            check["problem"].as_str().unwrap().contains(problem),
            "{check:#}"
        );
        assert!(
            check["remedy"].as_str().unwrap().contains(remedy),
            "{check:#}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_certificate_file_of_the_mail_server_is_remarked() {
    let rig = Rig::start(Size::new(2, 0, 0)).await;
    rig.configure(&mail(465, "tls", "ca_certificate = \"mail-ca.pem\"\n"));
    let run = rig.run(&["check"]).await.expect(0);
    assert!(run.out.contains("mail-ca.pem does not exist"), "{run:?}");
    assert!(run.out.contains("notify.mail.ca_certificate"), "{run:?}");
}

/// Without the ends of lines.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

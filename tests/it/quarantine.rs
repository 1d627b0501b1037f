//! Quarantine: a job of which most operations fail is slowed down, and removals go on.

use entrain::sandbox::{Fault, Size, Trouble};
use serde_json::{Value, json};

use crate::rig::Rig;

const NO: &str = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"400","detail":"department is unknown"}"#;

fn warning(summary: &Value) -> Option<&Value> {
    let mut warnings = summary["warnings"].as_array().unwrap().iter();
    warnings.find(|one| one["reason"] == "quarantine")
}

async fn status(rig: &Rig) -> Value {
    rig.run(&["status", "--format", "json"]).await.job()
}

/// Two cycles running in which every create is refused.
async fn two_bad_cycles(rig: &Rig) {
    let traffic = rig.sandbox.target.traffic();
    traffic.inject(
        Fault::new("/Users", Trouble::body(400, NO))
            .method("POST")
            .forever(),
    );
    for joiner in 0..6 {
        rig.joiner(&format!("joiner{joiner}"));
    }
    let first = rig.sync().await.expect(3).job();
    assert!(warning(&first).is_none(), "{first:#}");
    let second = rig.sync().await.expect(4).job();
    let text = warning(&second).unwrap()["text"].as_str().unwrap();
    assert!(text.contains("6 of 6 objects failed"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn creates_wait_and_removals_go_on_until_most_operations_succeed_again() {
    let rig = Rig::start(Size::new(30, 2, 10)).await;
    rig.sync().await.expect(0);
    two_bad_cycles(&rig).await;
    let traffic = rig.sandbox.target.traffic();
    let leaver = rig.tenant().user_ids()[0];
    rig.tenant().disable_user(leaver);
    traffic.reset();
    let plan = rig.plan().await.job();
    assert_eq!(plan["totals"]["create"], 0, "{plan:#}");
    assert_eq!(plan["totals"]["disable"], 1, "{plan:#}");
    assert!(warning(&plan).is_some(), "{plan:#}");
    let third = rig.sync().await.expect(4).job();
    assert_eq!(third["done"]["disable"], 1, "{third:#}");
    assert_eq!((traffic.writes(), traffic.count_of("POST")), (1, 0));
    let said = status(&rig).await;
    assert!(said["quarantine"]["cause"].is_string(), "{said:#}");
    assert!(said["quarantine"]["next_try"].is_string(), "{said:#}");
    let text = rig.run(&["status"]).await.expect(0);
    assert!(text.out.contains("quarantined"), "{text:?}");
    assert!(text.out.contains("In quarantine since"), "{text:?}");
    rig.run(&["status", "--exit-code"]).await.expect(4);

    // A named object is tried immediately.
    traffic.clear_faults();
    rig.run(&["sync", "--user", "joiner0@contoso.com"])
        .await
        .expect(4);
    rig.user("joiner0@contoso.com");
    assert!(
        rig.sandbox
            .target
            .find_user_by("userName", "joiner1@contoso.com")
            .is_none()
    );

    rig.run(&["resume", "demo"]).await.expect(0);
    let after = rig.sync().await.expect(0).job();
    assert_eq!(after["done"]["create"], 5, "{after:#}");
    assert!(status(&rig).await["quarantine"].is_null());
    let again = rig.run(&["resume", "demo"]).await.expect(0);
    assert!(
        again.out.contains("neither paused nor in quarantine"),
        "{again:?}"
    );
    // What happened is on record: when it began, why, and how it ended.
    let log = rig.run(&["log", "demo"]).await.expect(0).out;
    let began = log.find("quarantine began by entrain: ").expect(&log);
    let ended = log
        .find("quarantine ended by entrain: an operator ended it")
        .expect(&log);
    assert!(began < ended, "{log}");
    assert!(log[began..].contains("objects failed"), "{log}");
    assert_eq!(log.matches("quarantine began").count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_ends_a_quarantine_and_one_good_cycle_breaks_the_row() {
    let rig = Rig::start(Size::new(30, 0, 0)).await;
    rig.sync().await.expect(0);
    two_bad_cycles(&rig).await;
    rig.run(&["restart", "demo", "--reset", "quarantine"])
        .await
        .expect(0);
    // Bad once more is not bad twice.
    rig.sync().await.expect(3);
    rig.sandbox.target.traffic().clear_faults();
    rig.sync().await.expect(0);
    assert!(status(&rig).await["quarantine"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_credential_is_quarantine_at_once_and_ends_with_the_first_answer() {
    let rig = Rig::start(Size::new(30, 0, 0)).await;
    rig.sync().await.expect(0);
    rig.joiner("jane");
    let traffic = rig.sandbox.target.traffic();
    traffic.inject(Fault::new("/", Trouble::status(401)).forever());
    rig.sync().await.expect(1);
    traffic.reset();
    let run = rig.sync().await.expect(4);
    assert!(run.out.contains("in quarantine since"), "{run:?}");
    // One look-up, and once more with the token read again.
    assert!((1..=2).contains(&traffic.count()), "{}", traffic.count());
    traffic.clear_faults();
    rig.sync().await.expect(0);
    rig.user("jane@contoso.com");
    assert!(status(&rig).await["quarantine"].is_null());
    let log = rig.run(&["log", "demo"]).await.expect(0).out;
    for words in [
        "quarantine began by entrain: ",
        "quarantine ended by entrain: the target answers again",
    ] {
        assert_eq!(log.matches(words).count(), 1, "{words}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incompatible_target_is_quarantine_at_once_and_ends_with_the_first_answer() {
    let page = |status| Trouble::Answer {
        status,
        headers: vec![("content-type".to_owned(), "text/html".to_owned())],
        body: "<html><body>Please sign in</body></html>".to_owned(),
    };
    let away = Trouble::Answer {
        status: 302,
        headers: vec![("location".to_owned(), "https://login.example/".to_owned())],
        body: String::new(),
    };
    for trouble in [page(200), away, Trouble::status(501)] {
        let rig = Rig::start(Size::new(30, 0, 0)).await;
        rig.sync().await.expect(0);
        rig.joiner("jane");
        let traffic = rig.sandbox.target.traffic();
        traffic.inject(Fault::new("/", trouble).forever());
        rig.sync().await.expect(1);
        let said = status(&rig).await;
        assert_eq!(said["quarantine"]["kind"], "incompatible", "{said:#}");
        traffic.reset();
        let run = rig.sync().await.expect(4);
        assert!(run.out.contains("answers as SCIM requires"), "{run:?}");
        assert_eq!(traffic.count(), 1, "one look-up");
        let text = rig.run(&["status"]).await.expect(0).out;
        assert!(
            text.contains("until the target answers a look-up as SCIM requires"),
            "{text}"
        );
        traffic.clear_faults();
        rig.sync().await.expect(0);
        rig.user("jane@contoso.com");
        assert!(status(&rig).await["quarantine"].is_null());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_are_refused_again_and_again_put_no_healthy_job_into_quarantine() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    let ids: Vec<_> = (0..30)
        .map(|number| rig.joiner(&format!("user{number}")))
        .collect();
    rig.sync().await.expect(0);
    let traffic = rig.sandbox.target.traffic();
    for (number, id) in ids.iter().enumerate() {
        rig.tenant().set_property(*id, "jobTitle", json!("Chair"));
        if number < 10 {
            let user = rig.user(&format!("user{number}@contoso.com"));
            let path = format!("/Users/{}", user["id"].as_str().unwrap());
            let fault = Fault::new(&path, Trouble::body(400, NO));
            traffic.inject(fault.method("PATCH").forever());
        }
    }
    let first = rig.sync().await.expect(3).job();
    assert_eq!(first["done"]["update"], 20, "{first:#}");
    for _ in 0..3 {
        let again = rig.sync().await.expect(3).job();
        assert!(warning(&again).is_none(), "{again:#}");
        assert_eq!(again["failed"], 10, "{again:#}");
    }
    // Joiners are not kept waiting, also where one of them is refused.
    traffic.inject(
        Fault::new("/Users", Trouble::body(400, NO))
            .method("POST")
            .times(1),
    );
    rig.joiner("first");
    let refused = rig.sync().await.expect(3).job();
    assert!(warning(&refused).is_none(), "{refused:#}");
    rig.joiner("second");
    rig.sync().await.expect(3);
    rig.user("first@contoso.com");
    rig.user("second@contoso.com");
    // Once the target relents, all arrives.
    traffic.clear_faults();
    let last = rig.sync().await.expect(0).job();
    assert_eq!(last["done"]["update"], 10, "{last:#}");
    assert!(status(&rig).await["quarantine"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_operator_ended_a_quarantine_two_more_bad_cycles_begin_one() {
    let rig = Rig::start(Size::new(30, 0, 0)).await;
    rig.sync().await.expect(0);
    two_bad_cycles(&rig).await;
    let text = rig.run(&["sync"]).await.expect(4).out;
    assert!(
        text.contains("In quarantine since") || text.contains("in quarantine since"),
        "{text}"
    );
    assert!(!text.contains("in sync"), "{text}");
    rig.run(&["resume", "demo"]).await.expect(0);
    rig.sync().await.expect(3);
    rig.sync().await.expect(4);
}

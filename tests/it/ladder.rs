//! The ladder: what failed is tried again between two cycles, when it is due or as soon as it changed.

use std::time::{Duration, Instant};

use entrain::sandbox::{Fault, Size, Trouble, Uuid};
use serde_json::{Value, json};

use crate::rig::Rig;
use crate::service::{Service, until};

const NO: &str = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"400","detail":"no such title"}"#;

fn schedule(interval: &str, retries: &str) -> String {
    format!("[schedule]\ninterval = \"{interval}\"\nleavers = \"off\"\nretries = \"{retries}\"\n")
}

/// Users that were provisioned, by their ids in the tenant and in the target.
async fn provisioned(rig: &Rig, count: usize) -> Vec<(Uuid, String)> {
    let names: Vec<String> = (0..count).map(|number| format!("user{number}")).collect();
    let ids: Vec<Uuid> = names.iter().map(|name| rig.joiner(name)).collect();
    rig.sync().await.expect(0);
    let target = |name: &String| {
        let user = rig.user(&format!("{name}@contoso.com"));
        user["id"].as_str().unwrap().to_owned()
    };
    ids.into_iter().zip(names.iter().map(target)).collect()
}

fn refuse(rig: &Rig, target: &str, trouble: Trouble) {
    let fault = Fault::new(&format!("/Users/{target}"), trouble);
    let traffic = rig.sandbox.target.traffic();
    traffic.inject(fault.method("PATCH").forever());
}

fn titled(rig: &Rig, users: &[(Uuid, String)], title: &str) -> usize {
    let has_title = |(_, target): &&(Uuid, String)| {
        let user = rig.sandbox.target.user(target);
        user.is_some_and(|user| user["title"] == title)
    };
    users.iter().filter(has_title).count()
}

/// The service, which begins with a cycle although the one before is young.
async fn started(rig: &Rig) -> Service<'_> {
    let service = Service::start(rig, &["run"]);
    until("the start", || service.log().contains("started")).await;
    service.signal("-USR1");
    service
}

async fn status(rig: &Rig) -> Value {
    rig.run(&["status", "--format", "json"]).await.job()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_thirty_percent_refused_the_others_arrive_and_all_once_the_target_relents() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    let users = provisioned(&rig, 20).await;
    for (number, (id, target)) in users.iter().enumerate() {
        rig.tenant()
            .set_property(*id, "jobTitle", json!("Director"));
        if number < 6 {
            let status = [403, 409, 500][number % 3];
            refuse(&rig, target, Trouble::status(status));
        }
    }
    rig.configure(&schedule("4h", "1s"));
    let service = started(&rig).await;
    until("the others arrive", || {
        titled(&rig, &users, "Director") == 14
    })
    .await;
    until("it is tried again", || {
        service.log().contains("woken_by=\"retries\"")
    })
    .await;
    // What an administrator needs: the target's words, the next try, and what to do.
    let said = status(&rig).await;
    assert_eq!(said["in_escrow"]["users"], 6, "{said:#}");
    for one in said["escrow"].as_array().unwrap() {
        for field in ["next_try", "remedy", "message"] {
            assert!(one[field].is_string(), "{one:#}");
        }
    }
    // The whole cycle is still the last one.
    assert_ne!(said["last_cycle"]["kind"], "retries", "{said:#}");
    let text = rig.run(&["escrow", "list", "demo"]).await.expect(0).out;
    assert!(text.contains("Next retry: 2"), "{text}");
    assert!(
        text.contains("Remedy: allow the token's owner to change"),
        "{text}"
    );

    rig.sandbox.target.traffic().clear_faults();
    until("everything arrives", || {
        titled(&rig, &users, "Director") == 20
    })
    .await;
    let settled = async {
        while status(&rig).await["in_escrow"]["users"] != 0 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), settled)
        .await
        .unwrap();
    service.signal("-TERM");
    let (code, log) = service.end().await;
    assert_eq!(code, 0, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cycles_leave_out_what_is_not_due_and_what_changes_is_tried_at_once() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    let users = provisioned(&rig, 3).await;
    let (id, target) = &users[0];
    rig.tenant()
        .set_property(*id, "jobTitle", json!("Director"));
    refuse(&rig, target, Trouble::body(400, NO));
    rig.configure(&schedule("1s", "1h"));
    let service = Service::start(&rig, &["run"]);
    let cycles = || service.log().matches("cycle ended").count();
    let traffic = rig.sandbox.target.traffic();
    until("some cycles", || cycles() >= 3).await;
    let tried = traffic.count_of("PATCH");
    assert!(tried > 0);
    let before = cycles();
    until("more cycles", || cycles() >= before + 3).await;
    assert_eq!(traffic.count_of("PATCH"), tried);
    // It stays where an operator sees it.
    assert_eq!(status(&rig).await["in_escrow"]["users"], 1);

    traffic.clear_faults();
    rig.tenant().set_property(*id, "jobTitle", json!("Chair"));
    until("the change arrives", || titled(&rig, &users, "Chair") == 1).await;
    until("the end of its cycle", || cycles() >= before + 5).await;
    assert_eq!(status(&rig).await["in_escrow"]["users"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_lets_something_be_tried_at_once() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    let users = provisioned(&rig, 2).await;
    let (id, target) = &users[0];
    rig.tenant()
        .set_property(*id, "jobTitle", json!("Director"));
    refuse(&rig, target, Trouble::body(400, NO));
    rig.configure(&schedule("4h", "1h"));
    let service = started(&rig).await;
    until("the first cycle", || service.log().contains("cycle ended")).await;
    rig.sandbox.target.traffic().clear_faults();
    rig.run(&["escrow", "retry", "demo", "user0"])
        .await
        .expect(0);
    until("it is tried", || titled(&rig, &users, "Director") == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_goes_out_with_the_first_success_after_an_outage() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    let users = provisioned(&rig, 3).await;
    let (id, target) = &users[0];
    rig.configure(&schedule("4h", "1s"));
    let traffic = rig.sandbox.target.traffic();
    traffic.inject(Fault::new("/scim", Trouble::status(503)).forever());
    rig.tenant().disable_user(*id);
    let service = started(&rig).await;
    // The ladder alone would be at waits of many seconds by now.
    let of = |method: &str| traffic.count_of(method);
    tokio::time::sleep(Duration::from_secs(8)).await;
    let (patches, gets) = (of("PATCH"), of("GET"));
    assert!(gets >= 4, "{gets} look-ups");
    traffic.clear_faults();
    let is_disabled = || rig.sandbox.target.user(target).unwrap()["active"] == false;
    let up = Instant::now();
    until("the account is disabled", is_disabled).await;
    assert!(up.elapsed() < Duration::from_secs(3), "{:?}", up.elapsed());
    // A target that is down is looked at, and nothing more.
    assert!(patches <= 4, "{patches} changes were sent meanwhile");
    let said = status(&rig).await;
    assert_eq!(said["in_escrow"]["users"], 0, "{said:#}");
    service.signal("-TERM");
    service.end().await;
}

//! Tokens and secrets that are replaced in the middle of a cycle: after a refusal they are read again from
//! where they are kept.

use std::fs;
use std::time::Duration;

use entrain::sandbox::{Size, Uuid};
use serde_json::json;

use crate::rig::{Rig, Run};

async fn start(people: usize) -> (Rig, Vec<Uuid>) {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.edit(|text| text.replace("timeout = ", "concurrency = 1\ntimeout = "));
    let people = (0..people)
        .map(|number| rig.joiner(&format!("p{number}")))
        .collect();
    (rig, people)
}

/// Runs a cycle, and does something to it as soon as this holds.
async fn sync_while(rig: &Rig, is_time: impl Fn() -> bool, change: impl FnOnce()) -> Run {
    let child = rig.command(&["sync", "--format", "json"]).spawn().unwrap();
    while !is_time() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    change();
    Rig::finish(child).await
}

fn replace_token(rig: &Rig) {
    // First where it is read from, so that it is there when the old one is refused.
    fs::write(rig.path("token"), "another token").unwrap();
    rig.sandbox.target.set_token("another token");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_replaced_in_the_middle_of_a_cycle_is_used_at_once() {
    let (rig, _) = start(6).await;
    let target = &rig.sandbox.target;
    target.configure(|target| target.latency = Duration::from_millis(100));
    let run = sync_while(&rig, || target.writes() > 1, || replace_token(&rig)).await;
    run.expect(0);
    assert_eq!(target.user_count(), 6);
    rig.sync().await.expect(0);
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_leads_to_another_organisation_writes_nothing_there() {
    let (rig, people) = start(6).await;
    rig.sync().await.expect(0);
    for one in &people {
        rig.tenant().set_property(*one, "jobTitle", json!("Boss"));
    }
    let target = &rig.sandbox.target;
    target.configure(|target| target.latency = Duration::from_millis(100));
    target.traffic().reset();
    let become_another = || {
        for user in target.users() {
            target.delete(user["id"].as_str().unwrap());
        }
        replace_token(&rig);
    };
    let run = sync_while(&rig, || target.writes() > 1, become_another).await;
    run.expect(4);
    assert_eq!(target.user_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_and_not_replaced_stops_the_writes() {
    let (rig, _) = start(6).await;
    let target = &rig.sandbox.target;
    target.configure(|target| target.latency = Duration::from_millis(100));
    let run = sync_while(&rig, || target.writes() > 1, || target.set_token("another")).await;
    run.expect(1);
    assert!(target.user_count() < 4);
    assert!(target.writes() < 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_secret_that_is_replaced_in_the_middle_of_a_cycle_is_used_at_once() {
    let (rig, _) = start(6).await;
    let tenant = rig.tenant();
    tenant.configure(|settings| {
        settings.users_per_page = 1;
        settings.latency = Duration::from_millis(50);
    });
    let reads = || {
        let traffic = tenant.traffic();
        traffic.count_where(|one| one.path.contains("users/delta"))
    };
    let rotate = || {
        fs::write(rig.path("secret"), "another secret").unwrap();
        tenant.set_client_secret("another secret");
        tenant.expire_access_tokens();
    };
    let run = sync_while(&rig, || reads() > 1, rotate).await;
    run.expect(0);
    assert_eq!(rig.sandbox.target.user_count(), 6);
}

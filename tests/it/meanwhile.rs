//! What an operator does while a cycle runs that a command requested, or one that was due.

use std::time::Duration;

use entrain::sandbox::{Fault, Size, Trouble, Uuid};
use serde_json::{Value, json};

use crate::leavers::{LOOKS, is_active, started, started_with};
use crate::leavers_soon::{QUIET, ended};
use crate::rig::Rig;
use crate::service::{Service, until};
use crate::web::{Site, serve_page};

/// All users have something to be written, and each write takes so long.
fn much_to_do(rig: &Rig, users: &[(Uuid, String)]) {
    for (id, _) in users {
        rig.tenant()
            .set_property(*id, "displayName", json!("Renamed"));
    }
    rig.sandbox.target.traffic().befall(|method, _| {
        (method != "GET").then_some(Trouble::Delay(Duration::from_millis(700)))
    });
}

async fn last_cycle(rig: &Rig) -> Value {
    let status = rig.run(&["status", "--format", "json"]).await.expect(0);
    status.job()["last_cycle"].clone()
}

fn requested(service: &Service<'_>) -> usize {
    service.log().matches("a command requests a cycle").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_the_cycle_of_a_command_and_notes_its_result() {
    let rig = Rig::start(Size::new(80, 0, 0)).await;
    let (service, users) = started_with(&rig, QUIET).await;
    let traffic = rig.sandbox.target.traffic();
    much_to_do(&rig, &users);
    let command = rig.command(&["sync"]).spawn().unwrap();
    until("the cycle writes", || traffic.writes() > 3).await;
    service.signal("-TERM");
    let (code, log) = service.end().await;
    assert_eq!(code, 0, "{log}");
    assert!(!log.contains("panicked"), "{log}");
    assert_eq!(traffic.count_where(|one| one.status.is_none()), 0);
    let run = Rig::finish(command).await;
    assert!(run.out.contains("stopped after"), "{run:?}");
    let last = last_cycle(&rig).await;
    assert_eq!(last["state"], "stopped", "{last:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_stops_the_cycle_that_runs_and_the_look_until_the_job_is_resumed() {
    let rig = Rig::start(Size::new(80, 0, 0)).await;
    let (service, users) = started(&rig, "").await;
    let traffic = rig.sandbox.target.traffic();
    much_to_do(&rig, &users);
    service.signal("-USR1");
    until("the cycle writes", || traffic.writes() > 3).await;
    rig.run(&["pause", "demo"]).await.expect(0);
    until("the cycle ends", || ended(&service) == 2).await;
    let (before, all) = (traffic.writes(), users.len());
    assert!(before < all, "{before} of {all}");
    let last = last_cycle(&rig).await;
    assert_eq!(last["state"], "stopped", "{last:#}");
    traffic.befall(|_, _| None);
    let (id, name) = &users[0];
    rig.tenant().disable_user(*id);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(traffic.writes(), before);
    rig.run(&["resume", "demo"]).await.expect(0);
    until("access is taken", || is_active(&rig, name) == Some(false)).await;
    rig.sync().await.expect(0);
    assert_eq!(rig.user(&users[1].1)["displayName"], "Renamed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_waited_goes_by_the_configuration_that_is_in_force_then() {
    let rig = Rig::start(Size::new(40, 0, 0)).await;
    let (service, users) = started_with(&rig, QUIET).await;
    let traffic = rig.sandbox.target.traffic();
    much_to_do(&rig, &users);
    service.signal("-USR1");
    until("the cycle writes", || traffic.writes() > 3).await;
    let command = rig.command(&["sync"]).spawn().unwrap();
    until("a command waits", || requested(&service) == 1).await;
    rig.edit(|text| text.replace("preset =", "mode = \"observe\"\npreset ="));
    service.signal("-HUP");
    until("reloaded", || service.log().contains("reloaded")).await;
    traffic.befall(|_, _| None);
    let run = Rig::finish(command).await;
    assert!(run.err.contains("mode = \"observe\""), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_cycle_of_a_command_the_page_says_when_the_next_is_due() {
    let rig = Rig::start(Size::new(10, 0, 0)).await;
    rig.configure("[schedule]\ninterval = \"4h\"\n");
    serve_page(&rig, "");
    let site = Site::after_a_cycle(&rig).await;
    rig.sync().await.expect(0);
    // Whoever looks after a moment.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let page = site.see("/").await.expect(200).body;
    assert!(!page.contains("none is due"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disable_whose_end_is_not_known_is_repeated_by_the_next_looks() {
    let rig = Rig::start(Size::new(30, 0, 0)).await;
    rig.configure("");
    rig.edit(|text| text.replace("delay = \"0s\"", "delay = \"10m\""));
    let text = std::fs::read_to_string(rig.path("entrain.toml")).unwrap();
    let (service, users) = started(&rig, "").await;
    rig.edit(|_| format!("{text}\n{LOOKS}"));
    service.signal("-HUP");
    until("reloaded", || service.log().contains("reloaded")).await;
    let (id, name) = &users[0];
    // As often as a look tries by itself, and once more.
    let fault = Fault::new("/Users/", Trouble::status(502)).method("PATCH");
    rig.sandbox.target.traffic().inject(fault.times(4));
    rig.tenant().disable_user(*id);
    until("access is taken", || is_active(&rig, name) == Some(false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_waits_for_an_earlier_write_is_on_record_once() {
    let rig = Rig::start(Size::new(30, 0, 0)).await;
    let (service, users) = started_with(&rig, QUIET).await;
    let traffic = rig.sandbox.target.traffic();
    let (id, name) = &users[0];
    // Nothing of it can arrive any more after the time that a request may take, and this.
    let waits = "visibility_delay = \"5s\"";
    rig.edit(|text| text.replace("visibility_delay = \"0s\"", waits));
    rig.edit(|text| text.replace("leavers = \"off\"", "leavers = \"1s\""));
    let lost = Fault::new("/Users/", Trouble::status(502)).method("PATCH");
    traffic.inject(lost);
    rig.tenant()
        .set_property(*id, "displayName", json!("Renamed"));
    service.signal("-USR1");
    until("the write fails", || traffic.writes() == 1).await;
    service.signal("-HUP");
    rig.tenant().disable_user(*id);
    until("access is taken", || is_active(&rig, name) == Some(false)).await;
    let log = service.log();
    let looks = log.matches("woken_by=\"leavers\"").count();
    assert!(looks <= 2, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_gets_another_name_begins_when_the_cycle_under_the_old_one_has_ended() {
    let rig = Rig::start(Size::new(60, 0, 0)).await;
    let (service, users) = started_with(&rig, QUIET).await;
    let traffic = rig.sandbox.target.traffic();
    much_to_do(&rig, &users);
    service.signal("-USR1");
    until("the cycle writes", || traffic.writes() > 3).await;
    rig.edit(|text| text.replace("name = \"demo\"", "name = \"renamed\""));
    service.signal("-HUP");
    until("reloaded", || service.log().contains("reloaded")).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begun = last_cycle(&rig).await;
    assert_eq!(ended(&service), 1, "{}", service.log());
    assert_eq!(begun, Value::Null);
    until("both have ended", || {
        service.log().matches("cycle ended").count() == 3
    })
    .await;
    let log = service.log();
    let ends = log.lines().filter(|line| line.contains("cycle ended"));
    let names = ends.map(|line| line.contains("job=renamed"));
    assert_eq!(names.collect::<Vec<_>>(), [false, false, true], "{log}");
    assert_eq!(traffic.overlaps(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_after_a_reset_of_the_links_reads_the_accounts_of_leavers_alone() {
    let rig = Rig::start(Size::new(60, 0, 0)).await;
    let (_service, users) = started(&rig, "").await;
    rig.run(&["restart", "demo", "--reset", "links"])
        .await
        .expect(0);
    let (id, name) = &users[0];
    rig.tenant().disable_user(*id);
    until("access is taken", || is_active(&rig, name) == Some(false)).await;
    let reads = rig.sandbox.target.traffic().count_of("GET");
    assert!(reads < 5, "{reads}");
    // The cycle verifies the others.
    rig.sync().await.expect(0);
}

//! Users who must lose access, where it could not be confirmed or an earlier write is not settled: a later look takes
//! their access, also during a cycle, and a look that takes long holds up no cycle.

use std::time::Duration;

use entrain::sandbox::{Fault, Size, Trouble, Uuid};
use serde_json::json;

use crate::leavers::{is_active, started, started_with};
use crate::leavers_soon::{QUIET, ended, looks_on};
use crate::rig::Rig;
use crate::service::{Service, until};

/// A cycle that writes to all but the first ten users for more than a minute; the first leaves before it begins.
async fn leaves_before_a_long_cycle(
    rig: &Rig,
    service: &Service<'_>,
    users: &[(Uuid, String)],
    leave: impl FnOnce(Uuid),
) {
    let traffic = rig.sandbox.target.traffic();
    for (id, _) in &users[10..] {
        rig.tenant()
            .set_property(*id, "displayName", json!("Renamed"));
    }
    traffic.befall(|method, _| {
        (method != "GET").then_some(Trouble::Delay(Duration::from_millis(2500)))
    });
    rig.edit(|text| text.replace("timeout = ", "concurrency = 2\ntimeout = "));
    service.signal("-HUP");
    until("reloaded", || service.log().contains("reloaded")).await;
    leave(users[0].0);
    let before = traffic.writes();
    service.signal("-USR1");
    until("the cycle writes", || traffic.writes() > before + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_removal_a_cycle_could_not_confirm_loses_access_before_it_ends() {
    let rig = Rig::start(Size::new(80, 0, 0)).await;
    let (service, users) = started_with(&rig, QUIET).await;
    let reads = rig.tenant().traffic();
    reads.befall(|_, path| path.contains("$batch").then(|| Trouble::status(400)));
    leaves_before_a_long_cycle(&rig, &service, &users, |one| {
        rig.tenant().unassign(one);
    })
    .await;
    reads.befall(|_, _| None);
    looks_on(&rig, &service);
    until("access is taken", || {
        is_active(&rig, &users[0].1) == Some(false)
    })
    .await;
    assert_eq!(ended(&service), 1, "{}", service.log());
    rig.sandbox.target.traffic().befall(|_, _| None);
    until("the cycle ends", || ended(&service) == 2).await;
    service.signal("-TERM");
    assert_eq!(service.end().await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_an_earlier_write_loses_access_before_the_cycle_ends() {
    let rig = Rig::start(Size::new(80, 0, 0)).await;
    let (service, users) = started_with(&rig, QUIET).await;
    rig.edit(|text| text.replace("visibility_delay = \"0s\"", "visibility_delay = \"15s\""));
    service.signal("-HUP");
    until("reloaded", || service.log().contains("reloaded")).await;
    // The end of one write is not known; the others keep the job out of quarantine.
    let traffic = rig.sandbox.target.traffic();
    let account = rig.user(&users[0].1)["id"].as_str().unwrap().to_owned();
    traffic.befall(move |method, path| {
        (method == "PATCH" && path.ends_with(&account)).then(|| Trouble::status(502))
    });
    for (id, _) in &users[..10] {
        rig.tenant()
            .set_property(*id, "displayName", json!("Renamed"));
    }
    service.signal("-USR1");
    until("the second cycle", || ended(&service) == 2).await;
    leaves_before_a_long_cycle(&rig, &service, &users, |one| {
        rig.tenant().disable_user(one);
    })
    .await;
    let cycle_ends = || service.log().matches("woken_by=\"operator\"").count();
    assert_eq!(cycle_ends(), 1);
    looks_on(&rig, &service);
    until("access is taken", || {
        is_active(&rig, &users[0].1) == Some(false)
    })
    .await;
    assert_eq!(cycle_ends(), 1, "{}", service.log());
    assert_eq!(traffic.overlaps(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_removal_a_look_could_not_confirm_is_looked_at_again() {
    let rig = Rig::start(Size::new(30, 0, 0)).await;
    let (service, users) = started(&rig, "").await;
    let reads = rig.tenant().traffic();
    reads.befall(|_, path| path.contains("$batch").then(|| Trouble::status(400)));
    rig.tenant().unassign(users[0].0);
    let failed = || service.log().matches("could not be confirmed").count();
    until("a look cannot confirm it", || failed() > 0).await;
    let before = failed();
    until("another look cannot, either", || failed() > before).await;
    reads.befall(|_, _| None);
    until("access is taken", || {
        is_active(&rig, &users[0].1) == Some(false)
    })
    .await;
    service.signal("-TERM");
    assert_eq!(service.end().await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_takes_long_holds_up_no_cycle() {
    let rig = Rig::start(Size::new(30, 0, 0)).await;
    let (service, users) = started(&rig, "").await;
    let reads = rig.tenant().traffic();
    let batches = || reads.count_where(|exchange| exchange.path.contains("$batch"));
    let before = batches();
    reads.inject(Fault::new("$batch", Trouble::Delay(Duration::from_secs(45))).times(1));
    rig.tenant().unassign(users[0].0);
    until("a look confirms it", || batches() > before).await;
    rig.tenant()
        .set_property(users[1].0, "displayName", json!("Renamed"));
    service.signal("-USR1");
    until("the cycle writes", || {
        rig.user(&users[1].1)["displayName"] == "Renamed"
    })
    .await;
    assert_eq!(
        is_active(&rig, &users[0].1),
        Some(true),
        "{}",
        service.log()
    );
    until("access is taken", || {
        is_active(&rig, &users[0].1) == Some(false)
    })
    .await;
    until("the cycle ends", || ended(&service) == 2).await;
    service.signal("-TERM");
    assert_eq!(service.end().await.0, 0);
    let traffic = rig.sandbox.target.traffic();
    assert_eq!((traffic.writes(), traffic.overlaps().len()), (2, 0));
}

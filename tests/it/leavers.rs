//! The look for leavers: who must lose access loses it between two cycles, and nothing else is done.

use std::collections::BTreeSet;
use std::time::Duration;

use entrain::sandbox::{Fault, Size, Trouble, Uuid};
use serde_json::{Value, json};

use crate::rig::Rig;
use crate::service::{Service, until};

pub(crate) const LOOKS: &str = "[schedule]\ninterval = \"4h\"\nleavers = \"1s\"\n";

/// The service after its first cycle, and the users that it made, by principal name.
pub(crate) async fn started<'r>(rig: &'r Rig, extra: &str) -> (Service<'r>, Vec<(Uuid, String)>) {
    started_with(rig, &format!("{extra}\n{LOOKS}")).await
}

pub(crate) async fn started_with<'r>(
    rig: &'r Rig,
    extra: &str,
) -> (Service<'r>, Vec<(Uuid, String)>) {
    rig.configure(extra);
    let service = Service::start(rig, &["run"]);
    until("the first cycle", || service.log().contains("cycle ended")).await;
    let users = rig.tenant().user_ids().into_iter();
    let named = users.filter_map(|id| {
        let user = rig.tenant().user(id)?;
        let name = user
            .properties
            .get("userPrincipalName")?
            .as_str()?
            .to_owned();
        let there = rig.sandbox.target.find_user_by("userName", &name)?;
        (there["active"] == true).then_some((id, name))
    });
    // In scope by their own assignment alone.
    let in_groups: BTreeSet<Uuid> = rig
        .tenant()
        .groups()
        .into_iter()
        .flat_map(|group| group.members)
        .collect();
    let named = named.filter(|(id, _)| !in_groups.contains(id)).collect();
    rig.sandbox.target.traffic().reset();
    (service, named)
}

pub(crate) fn is_active(rig: &Rig, name: &str) -> Option<bool> {
    rig.sandbox.target.find_user_by("userName", name)?["active"].as_bool()
}

async fn status(rig: &Rig) -> Value {
    rig.run(&["status", "--format", "json"]).await.job()
}

#[tokio::test(flavor = "multi_thread")]
async fn leavers_lose_access_before_the_next_cycle_and_nothing_else_is_sent() {
    let rig = Rig::start(Size::new(60, 3, 40)).await;
    let (service, users) = started(&rig, "").await;
    let tenant = rig.tenant();
    tenant.set_property(users[3].0, "jobTitle", json!("Director"));
    rig.joiner("jane");
    // Blocked and renamed at once: the name waits, access does not.
    tenant.set_property(users[0].0, "displayName", json!("Renamed"));
    tenant.disable_user(users[0].0);
    tenant.unassign(users[1].0);
    tenant.soft_delete_user(users[2].0);
    for (_, name) in &users[..3] {
        until("access is taken", || is_active(&rig, name) == Some(false)).await;
    }
    let traffic = rig.sandbox.target.traffic();
    assert_eq!(traffic.writes(), 3);
    assert_ne!(rig.user(&users[0].1)["displayName"], "Renamed");

    // The whole cycle is still the one before.
    let last = status(&rig).await;
    assert_eq!(last["last_cycle"]["kind"], "initial", "{last:#}");
    let log = rig.run(&["log", "--action", "disable", "--format", "json"]);
    let log = log.await.expect(0);
    assert!(log.out.contains(&users[0].1), "{log:?}");

    // And the next one does the rest.
    service.signal("-USR1");
    let renamed = || {
        let user = rig.sandbox.target.find_user_by("userName", &users[0].1);
        user.is_some_and(|user| user["displayName"] == "Renamed")
    };
    until("the next cycle", renamed).await;
    until("the joiner", || {
        is_active(&rig, "jane@contoso.com") == Some(true)
    })
    .await;
    service.signal("-TERM");
    let (code, log) = service.end().await;
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("woken_by=\"leavers\""), "{log}");
    assert!(!log.contains("ERROR"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_job_deletes_the_look_disables_and_the_next_cycle_deletes() {
    let rig = Rig::start(Size::new(30, 0, 0)).await;
    let (service, users) = started(&rig, "[jobs.users]\nwhen_out_of_scope = \"delete\"\n").await;
    let (id, name) = &users[0];
    rig.tenant().unassign(*id);
    until("it is disabled", || is_active(&rig, name) == Some(false)).await;
    let traffic = rig.sandbox.target.traffic();
    assert_eq!((traffic.count_of("PATCH"), traffic.writes()), (1, 1));
    service.signal("-USR1");
    until("it is deleted", || is_active(&rig, name).is_none()).await;
    assert_eq!(traffic.count_of("DELETE"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disable_that_was_refused_is_tried_again_by_the_next_looks() {
    let rig = Rig::start(Size::new(30, 0, 0)).await;
    let (_service, users) = started(&rig, "").await;
    let (id, name) = &users[0];
    let traffic = rig.sandbox.target.traffic();
    traffic.inject(
        Fault::new("/Users", Trouble::status(403))
            .method("PATCH")
            .times(2),
    );
    rig.tenant().disable_user(*id);
    until("it is disabled", || is_active(&rig, name) == Some(false)).await;
    assert_eq!(traffic.count_of("PATCH"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limits_hold_in_the_look_too() {
    let rig = Rig::start(Size::new(30, 0, 0)).await;
    let (service, users) = started(&rig, "").await;
    for (id, _) in users.iter().take(12) {
        rig.tenant().unassign(*id);
    }
    until("removals are held", || {
        service.log().contains("removals are held")
    })
    .await;
    assert_eq!(rig.sandbox.target.traffic().writes(), 0);
    // The next look takes their access, without waiting for a cycle.
    rig.run(&["approve", "demo"]).await.expect(0);
    for (_, name) in users.iter().take(12) {
        until("access is taken", || is_active(&rig, name) == Some(false)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn looks_that_find_no_leaver_cost_the_target_nothing_and_leave_no_cycle() {
    let rig = Rig::start(Size::new(30, 2, 10)).await;
    let (service, users) = started(&rig, "").await;
    rig.tenant()
        .set_property(users[0].0, "jobTitle", json!("Director"));
    let reads = rig.tenant().traffic();
    let before = reads.count();
    until("some looks", || reads.count() > before + 9).await;
    assert_eq!(rig.sandbox.target.traffic().count(), 0);
    let last = status(&rig).await;
    assert_eq!(last["last_cycle"]["cycle"], 1, "{last:#}");
    service.signal("-TERM");
    assert_eq!(service.end().await.0, 0);

    // Switched off, there are none.
    rig.edit(|text| text.replace("leavers = \"1s\"", "leavers = \"off\""));
    let service = Service::start(&rig, &["run"]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = reads.count();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(reads.count(), before);
    service.signal("-TERM");
    assert_eq!(service.end().await.0, 0);
}

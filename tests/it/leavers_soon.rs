//! The look for leavers during a cycle: what the limits hold is held by both, and nothing that one job or one
//! command does keeps access open elsewhere.

use std::fs;
use std::time::Duration;

use entrain::sandbox::{Fault, Options, ROLE_USER, Sandbox, Size, Trouble};
use serde_json::json;

use crate::leavers::{LOOKS, is_active, started, started_with};
use crate::rig::Rig;
use crate::service::{Service, until};

pub(crate) const QUIET: &str = "[schedule]\ninterval = \"4h\"\nleavers = \"off\"\n";

pub(crate) fn ended(service: &Service<'_>) -> usize {
    let log = service.log();
    let ends = log.lines().filter(|line| line.contains("cycle ended"));
    ends.filter(|line| !line.contains("woken_by=\"leavers\""))
        .count()
}

pub(crate) fn looks_on(rig: &Rig, service: &Service<'_>) {
    rig.edit(|text| text.replace("leavers = \"off\"", "leavers = \"1s\""));
    service.signal("-HUP");
}

#[tokio::test(flavor = "multi_thread")]
async fn removals_above_the_limit_are_held_by_a_cycle_and_by_the_look_during_it() {
    let rig = Rig::start(Size::new(80, 0, 0)).await;
    let (service, users) = started_with(&rig, QUIET).await;
    let reads = rig.tenant().traffic();
    let batches = || reads.count_where(|exchange| exchange.path.contains("$batch"));
    let before = batches();
    // By batches the cycle looks a second time at who left, and then the look does, which takes longer: both have
    // planned before one of them is judged.
    let mut number = 0;
    reads.befall(move |_, path| {
        path.contains("$batch").then(|| {
            number += 1;
            Trouble::Delay(Duration::from_secs(if number < 3 { 6 } else { 9 }))
        })
    });
    for (id, _) in &users[..20] {
        rig.tenant().unassign(*id);
    }
    service.signal("-USR1");
    until("the cycle looks a second time", || batches() > before).await;
    looks_on(&rig, &service);
    until("the cycle ends", || ended(&service) == 2).await;
    until("the look has ended", || {
        service.log().contains("woken_by=\"leavers\"")
    })
    .await;
    let gone = users[..20]
        .iter()
        .filter(|(_, name)| is_active(&rig, name) != Some(true));
    assert_eq!(gone.count(), 0, "{}", service.log());
    service.signal("-TERM");
    assert_eq!(service.end().await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_target_hangs_keeps_no_other_job_from_taking_access() {
    let rig = Rig::start(Size::new(30, 0, 0)).await;
    let slow = Sandbox::start(Options {
        size: Size::new(0, 0, 0),
        ..Options::default()
    })
    .await
    .unwrap();
    fs::write(rig.path("other"), slow.scim_token()).unwrap();
    rig.configure(LOOKS);
    let base = rig.sandbox.scim_url();
    rig.edit(|text| {
        let (head, job) = text.split_once("[[jobs]]").unwrap();
        let (job, schedule) = job.split_once("[schedule]").unwrap();
        let other = job
            .replace("\"demo\"", "\"other\"")
            .replace(&base, &slow.scim_url())
            .replace("{ file = \"token\" }", "{ file = \"other\" }")
            .replace("\"5s\"", "\"110s\"");
        format!("{head}[schedule]{schedule}\n[[jobs]]{job}\n[[jobs]]{other}")
    });
    let service = Service::start(&rig, &["run"]);
    until("the first cycles", || ended(&service) == 2).await;
    let ids: Vec<_> = rig
        .tenant()
        .user_ids()
        .into_iter()
        .filter_map(|id| {
            let user = rig.tenant().user(id)?;
            let name = user.properties["userPrincipalName"].as_str()?.to_owned();
            (is_active(&rig, &name) == Some(true)).then_some((id, name))
        })
        .collect();
    slow.target.traffic().inject(
        Fault::new("/Users", Trouble::Delay(Duration::from_secs(100)))
            .method("PATCH")
            .forever(),
    );
    rig.tenant().disable_user(ids[0].0);
    until("the other target is asked", || {
        slow.target.traffic().count_of("PATCH") > 0
    })
    .await;
    rig.tenant().disable_user(ids[1].0);
    until("access is taken", || {
        is_active(&rig, &ids[1].1) == Some(false)
    })
    .await;
    assert_eq!(slow.target.traffic().count_of("PATCH"), 1);
    assert_eq!(slow.target.traffic().under_way(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_job_deletes_who_left_before_the_cycle_does_not_wait_for_its_end() {
    let rig = Rig::start(Size::new(80, 0, 0)).await;
    let extra = format!("[jobs.users]\nwhen_out_of_scope = \"delete\"\n{QUIET}");
    let (service, users) = started_with(&rig, &extra).await;
    let traffic = rig.sandbox.target.traffic();
    for (id, _) in &users[10..] {
        rig.tenant()
            .set_property(*id, "displayName", json!("Renamed"));
    }
    traffic.befall(|method, _| {
        (method != "GET").then_some(Trouble::Delay(Duration::from_millis(1500)))
    });
    rig.edit(|text| text.replace("timeout = ", "concurrency = 2\ntimeout = "));
    service.signal("-HUP");
    until("reloaded", || service.log().contains("reloaded")).await;
    rig.tenant().unassign(users[0].0);
    service.signal("-USR1");
    until("the cycle writes", || traffic.writes() > 1).await;
    looks_on(&rig, &service);
    until("access is taken", || {
        is_active(&rig, &users[0].1) == Some(false)
    })
    .await;
    assert_eq!(ended(&service), 1, "{}", service.log());
    traffic.befall(|_, _| None);
    until("the cycle ends", || ended(&service) == 2).await;
    service.signal("-USR1");
    until("it is deleted", || is_active(&rig, &users[0].1).is_none()).await;
    service.signal("-TERM");
    assert_eq!(service.end().await.0, 0);
    assert_eq!(traffic.overlaps(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_for_one_user_keeps_no_leaver_waiting() {
    let rig = Rig::start(Size::new(30, 0, 0)).await;
    let (service, users) = started_with(&rig, QUIET).await;
    let traffic = rig.sandbox.target.traffic();
    rig.edit(|text| text.replace("timeout = \"5s\"", "timeout = \"110s\""));
    service.signal("-HUP");
    until("reloaded", || service.log().contains("reloaded")).await;
    traffic.inject(
        Fault::new("/Users", Trouble::Delay(Duration::from_secs(100)))
            .method("PATCH")
            .times(1),
    );
    let tenant = rig.tenant();
    tenant.set_property(users[1].0, "displayName", json!("Renamed"));
    tenant.disable_user(users[0].0);
    let mut command = rig
        .command(&["sync", "demo", "--user", &users[1].1])
        .spawn()
        .unwrap();
    until("it writes", || traffic.count_of("PATCH") > 0).await;
    looks_on(&rig, &service);
    until("access is taken", || {
        is_active(&rig, &users[0].1) == Some(false)
    })
    .await;
    assert_eq!(traffic.under_way(), 1);
    let _ = command.kill();
    let _ = command.wait();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_said_once_however_long_the_cycle_runs() {
    let rig = Rig::start(Size::new(80, 0, 0)).await;
    let (service, users) = started(&rig, "").await;
    let traffic = rig.sandbox.target.traffic();
    for (id, _) in &users[30..] {
        rig.tenant()
            .set_property(*id, "displayName", json!("Renamed"));
    }
    traffic.befall(|method, _| {
        (method != "GET").then_some(Trouble::Delay(Duration::from_millis(2500)))
    });
    rig.edit(|text| text.replace("timeout = ", "concurrency = 2\ntimeout = "));
    service.signal("-HUP");
    until("reloaded", || service.log().contains("reloaded")).await;
    service.signal("-USR1");
    until("the cycle writes", || traffic.writes() > 1).await;
    for (id, _) in &users[..20] {
        rig.tenant().unassign(*id);
    }
    let held = || service.log().matches("removals are held").count();
    until("removals are held", || held() > 0).await;
    let reads = rig.tenant().traffic();
    let before = reads.count();
    until("some looks", || reads.count() > before + 20).await;
    assert_eq!(ended(&service), 1, "{}", service.log());
    assert_eq!(held(), 1, "{}", service.log());
    traffic.befall(|_, _| None);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_while_the_assignments_could_not_be_read_loses_access_with_a_later_look() {
    let rig = Rig::start(Size::new(30, 0, 0)).await;
    let tenant = rig.tenant();
    let jane = rig.joiner("jane");
    tenant.unassign(jane);
    let group = tenant.add_group("Team");
    tenant.add_members(group, &[jane]);
    tenant.assign(group, ROLE_USER);
    let (service, _) = started(&rig, "").await;
    let name = "jane@contoso.com";
    assert_eq!(is_active(&rig, name), Some(true));
    tenant.traffic().befall(|_, path| {
        path.contains("appRoleAssignedTo")
            .then(|| Trouble::status(500))
    });
    tenant.remove_members(group, &[jane]);
    until("a look fails", || {
        service.log().contains("could not be read completely")
    })
    .await;
    let failed = || {
        service
            .log()
            .matches("could not be read completely")
            .count()
    };
    let before = failed();
    until("another look fails", || failed() > before).await;
    assert_eq!(is_active(&rig, name), Some(true));
    tenant.traffic().befall(|_, _| None);
    until("access is taken", || is_active(&rig, name) == Some(false)).await;
    service.signal("-TERM");
    assert_eq!(service.end().await.0, 0);
}

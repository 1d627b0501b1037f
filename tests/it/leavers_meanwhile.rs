//! The look for leavers while a cycle of the same job runs: access is taken before the cycle ends, never two writes
//! go to one user at once, and nothing that the cycle had planned undoes it.

use std::time::Duration;

use entrain::sandbox::{Size, Trouble, Uuid};
use fastrand::Rng;
use serde_json::json;

use crate::cycles::settles;
use crate::leavers::{LOOKS, is_active, started, started_with};
use crate::rig::Rig;
use crate::service::{Service, until};
use crate::target::Expected;

fn two_at_once(rig: &Rig) {
    rig.edit(|text| text.replace("timeout = ", "concurrency = 2\ntimeout = "));
}

/// Every write takes so long, so that a cycle with many is under way for a while.
fn slow_writes(rig: &Rig) {
    rig.sandbox.target.traffic().befall(|method, _| {
        (method != "GET").then_some(Trouble::Delay(Duration::from_millis(700)))
    });
}

fn ended(service: &Service<'_>) -> usize {
    let log = service.log();
    let ends = log.lines().filter(|line| line.contains("cycle ended"));
    ends.filter(|line| !line.contains("woken_by=\"leavers\""))
        .count()
}

fn rename_all(rig: &Rig, users: &[(Uuid, String)]) {
    for (id, _) in users {
        rig.tenant()
            .set_property(*id, "displayName", json!("Renamed"));
    }
}

/// The bodies of the writes to a user, in order.
fn writes_to(rig: &Rig, name: &str) -> Vec<String> {
    let id = rig.user(name)["id"].as_str().unwrap().to_owned();
    let exchanges = rig.sandbox.target.traffic().exchanges().into_iter();
    exchanges
        .filter(|one| one.method == "PATCH" && one.path.ends_with(&id))
        .filter_map(|one| one.body)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_while_a_cycle_runs_loses_access_before_it_ends() {
    let rig = Rig::start(Size::new(80, 0, 0)).await;
    let (service, users) = started(&rig, "").await;
    let mut expected = Expected::default();
    expected.after_cycle(rig.tenant());
    two_at_once(&rig);
    service.signal("-HUP");
    until("reloaded", || service.log().contains("reloaded")).await;
    let traffic = rig.sandbox.target.traffic();
    traffic.record_bodies(true);
    rename_all(&rig, &users);
    slow_writes(&rig);
    service.signal("-USR1");
    until("the cycle writes", || traffic.writes() > 3).await;
    let leaving = [&users[0], &users[users.len() / 2], &users[users.len() - 1]];
    rig.tenant().disable_user(leaving[0].0);
    rig.tenant().unassign(leaving[1].0);
    rig.tenant().soft_delete_user(leaving[2].0);
    for (_, name) in leaving {
        until("access is taken", || is_active(&rig, name) == Some(false)).await;
    }
    assert_eq!(ended(&service), 1, "{}", service.log());
    traffic.befall(|_, _| None);
    until("the cycle ends", || ended(&service) == 2).await;

    // What the cycle had planned for them was sent before the disable, or not at all.
    for (_, name) in leaving {
        let writes = writes_to(&rig, name);
        let last = writes.last().unwrap();
        assert!(
            last.contains("\"active\"") && !last.contains("Renamed"),
            "{writes:#?}"
        );
        assert_eq!(is_active(&rig, name), Some(false));
    }
    assert_eq!(traffic.overlaps(), Vec::<String>::new());
    // What the target is sent at a time is limited for both together.
    assert!(traffic.most_under_way() <= 2);
    let cycles = rig.run(&["status", "--format", "json"]).await.job();
    assert_eq!(cycles["last_cycle"]["state"], "succeeded", "{cycles:#}");
    assert_eq!(cycles["last_cycle"]["not_tried"], 0, "{cycles:#}");

    // And the next cycle does the rest.
    service.signal("-USR1");
    until("the next cycle", || ended(&service) == 3).await;
    service.signal("-TERM");
    assert_eq!(service.end().await.0, 0);
    assert_eq!(rig.user(&leaving[0].1)["displayName"], "Renamed");
    settles(&rig, &mut expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_blocked_while_the_first_cycle_creates_others_loses_access_before_it_ends() {
    let rig = Rig::start(Size::new(80, 0, 0)).await;
    rig.configure(LOOKS);
    let mut expected = Expected::default();
    expected.after_cycle(rig.tenant());
    two_at_once(&rig);
    slow_writes(&rig);
    let service = Service::start(&rig, &["run"]);
    let target = &rig.sandbox.target;
    until("an account is created", || !target.users().is_empty()).await;
    let name = target.users()[0]["userName"].as_str().unwrap().to_owned();
    let user = rig.tenant().user_ids().into_iter().find(|id| {
        let user = rig.tenant().user(*id).unwrap();
        user.properties["userPrincipalName"] == *name
    });
    rig.tenant().disable_user(user.unwrap());
    until("access is taken", || is_active(&rig, &name) == Some(false)).await;
    assert_eq!(ended(&service), 0, "{}", service.log());
    target.traffic().befall(|_, _| None);
    until("the cycle ends", || ended(&service) == 1).await;
    service.signal("-TERM");
    let (code, log) = service.end().await;
    assert_eq!(code, 0, "{log}");
    assert!(!log.contains("ERROR"), "{log}");
    assert_eq!(is_active(&rig, &name), Some(false));
    settles(&rig, &mut expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_cycle_is_about_to_remove_counts_for_the_look() {
    let rig = Rig::start(Size::new(80, 0, 0)).await;
    let extra = "[jobs.users]\nwhen_out_of_scope = \"delete\"\n[jobs.safety]\nmax_deletions = 3\n\
                 [schedule]\ninterval = \"4h\"\nleavers = \"off\"\n";
    let (service, users) = started_with(&rig, extra).await;
    let traffic = rig.sandbox.target.traffic();
    // Deletes come last: the cycle has planned three, and writes others first.
    rename_all(&rig, &users[10..]);
    slow_writes(&rig);
    two_at_once(&rig);
    service.signal("-HUP");
    until("reloaded", || service.log().contains("reloaded")).await;
    for (id, _) in &users[..3] {
        rig.tenant().unassign(*id);
    }
    service.signal("-USR1");
    until("the cycle writes", || traffic.writes() > 3).await;
    rig.edit(|text| text.replace("leavers = \"off\"", "leavers = \"1s\""));
    service.signal("-HUP");
    rig.tenant().unassign(users[4].0);
    until("removals are held", || {
        service.log().contains("removals are held")
    })
    .await;
    assert_eq!(ended(&service), 1, "{}", service.log());
    traffic.befall(|_, _| None);
    until("the cycle ends", || ended(&service) == 2).await;
    // Whom the cycle had planned to delete, the look may have disabled before.
    for (_, name) in &users[..3] {
        assert_ne!(is_active(&rig, name), Some(true));
    }
    assert_eq!(is_active(&rig, &users[4].1), Some(true));
    service.signal("-TERM");
    assert_eq!(service.end().await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn cycles_and_looks_side_by_side_end_where_the_tenant_is() {
    let rig = Rig::start(Size::new(60, 4, 100)).await;
    let extra = "[jobs.safety]\nmax_deletions = \"100%\"\nmax_membership_removals = \"100%\"\n";
    let (service, users) = started(&rig, extra).await;
    let mut expected = Expected::default();
    expected.after_cycle(rig.tenant());
    two_at_once(&rig);
    rig.edit(|text| text.replace("interval = \"4h\"", "interval = \"1s\""));
    service.signal("-HUP");
    let traffic = rig.sandbox.target.traffic();
    let mut chance = Rng::with_seed(15);
    traffic.befall(move |method, _| {
        (method != "GET").then(|| match chance.u32(0..12) {
            0 => Trouble::status(503),
            1 => Trouble::AnswerLost,
            2 => Trouble::throttled(1),
            _ => Trouble::Delay(Duration::from_millis(chance.u64(100..400))),
        })
    });
    let mut random = Rng::with_seed(14);
    let tenant = rig.tenant();
    // Cycles of seconds, during which users leave and come back.
    for round in 0..12 {
        for (user, _) in &users {
            let title = json!(format!("Title {round}"));
            tenant.set_property(*user, "jobTitle", title);
        }
        for _ in 0..10 {
            let (user, _) = users[random.usize(..users.len())];
            match random.u32(0..4) {
                0 | 1 => drop(tenant.disable_user(user)),
                2 => drop(tenant.enable_user(user)),
                _ => {
                    let groups = tenant.groups();
                    let group = &groups[random.usize(..groups.len())];
                    if random.bool() {
                        tenant.add_members(group.id, &[user]);
                    } else {
                        tenant.remove_members(group.id, &[user]);
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(random.u64(50..250))).await;
        }
    }
    traffic.befall(|_, _| None);
    let before = ended(&service);
    until("two more cycles", || ended(&service) > before + 2).await;
    service.signal("-TERM");
    let (code, log) = service.end().await;
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("woken_by=\"leavers\""), "{log}");
    assert_eq!(traffic.overlaps(), Vec::<String>::new());
    settles(&rig, &mut expected).await;
}

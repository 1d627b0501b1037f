//! Reading only what is in scope, where that is few of many.

use std::sync::Arc;

use entrain::sandbox::{ROLE_USER, Size, TenantHandle, Uuid};
use fastrand::Rng;
use serde_json::Value;

use crate::rig::Rig;
use crate::storm::differences;
use crate::target::View;
use crate::weather::{Crash, Faults, Side, change, weather};

/// A tenant in which no one is assigned yet.
async fn start(users: usize, groups: usize) -> Rig {
    let rig = Rig::start(Size::new(users, groups, users)).await;
    for one in rig.tenant().assignments() {
        rig.tenant().unassign(one.principal);
    }
    rig
}

fn assign(rig: &Rig, people: &[Uuid]) {
    for person in people {
        rig.tenant().assign(*person, ROLE_USER);
    }
}

/// Requests to the tenant in a cycle, without those for tokens, and what was logged.
async fn cycle(rig: &Rig, what: &str) -> (usize, String) {
    let traffic = rig.tenant().traffic();
    traffic.reset();
    let run = rig.run(&["sync", "-v", "--format", "json"]).await.expect(0);
    let count = traffic.count_where(|one| !one.path.ends_with("/token"));
    print(what, count);
    (count, run.err)
}

#[expect(clippy::print_stdout, reason = "the figures are what documents quote")]
fn print(what: &str, count: usize) {
    println!("{what}: {count} requests");
}

/// How the source is read, as `status` shows it.
async fn reading(rig: &Rig) -> Value {
    let status = rig.run(&["status", "--format", "json"]).await.expect(0);
    let document: Value = serde_json::from_str(&status.out).unwrap();
    document["reading"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_of_ten_thousand_take_five_requests_and_later_two() {
    let rig = start(10_000, 100).await;
    let people = rig.tenant().user_ids();
    for person in &people[100..201] {
        rig.tenant().enable_user(*person);
    }
    assign(&rig, &people[100..150]);
    let (first, log) = cycle(&rig, "50 of 10,000 users, first").await;
    assert!(log.contains("strategy=\"in_scope\""), "{log}");
    assert!(log.contains("requests_in_scope=1"), "{log}");
    assert_eq!(rig.sandbox.target.users().len(), 50);
    assert!(first <= 5, "{first}");
    let (later, _) = cycle(&rig, "nothing changed").await;
    assert_eq!(later, 2);
    let shown = reading(&rig).await;
    assert_eq!(shown["strategy"], "in_scope", "{shown}");
    assert_eq!(shown["requests"]["in_scope"]["later"], 1, "{shown}");
    assert_eq!(shown["requests"]["whole"]["first"], 51, "{shown}");
    let status = rig.run(&["status"]).await.expect(0);
    let words = "Only what is in scope is read: 50 users, by 1 request a cycle.\n\
                 The whole tenant, 10,000 users and 100 groups, takes 51 requests, then 2 a cycle.\n";
    assert!(status.out.contains(words), "{}", status.out);
    assign(&rig, &people[200..201]);
    let (more, _) = cycle(&rig, "one more").await;
    assert_eq!(rig.sandbox.target.users().len(), 51);
    assert!(more <= 5, "{more}");
    rig.tenant().unassign(people[100]);
    cycle(&rig, "one less").await;
    let users = rig.sandbox.target.users();
    let active = users.iter().filter(|user| user["active"] == true);
    assert_eq!(active.count(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_changes_read_either_way_leave_the_target_as_the_tenant_says() {
    let tenants = (0..8).map(|seed| tokio::spawn(any_changes(seed)));
    for tenant in tenants.collect::<Vec<_>>() {
        tenant.await.unwrap();
    }
}

async fn any_changes(seed: u64) {
    let mut random = Rng::with_seed(seed);
    let rig = Rig::of(seed, Size::new(60, 12, 120)).await;
    rig.configure("[jobs.safety]\nmax_deletions = \"100%\"\nmax_membership_removals = \"100%\"\n");
    few_assigned(rig.tenant(), &mut random);
    rig.tenant().configure(|graph| {
        graph.users_per_page = random.usize(1..9);
        graph.groups_per_page = random.usize(1..4);
        graph.members_per_page = random.usize(2..7);
        graph.entries_per_page = random.usize(2..7);
    });
    let mut number = 0;
    let mut log = Vec::new();
    for cycle in 0..25 {
        for _ in 0..random.usize(0..8) {
            number += 1;
            log.push(change(rig.tenant(), &mut random, number));
        }
        if random.u32(0..3) == 0 {
            let read = random.choice(["whole", "in_scope"]).unwrap();
            rig.reads(read);
            log.push(format!("reads {read}"));
        }
        if random.u32(0..6) == 0 {
            rig.tenant().expire_delta_links();
        }
        let is_faulty = random.bool();
        if is_faulty {
            let (faults, crash) = (Arc::new(Faults::default()), Arc::new(Crash::default()));
            crash.arm(None);
            let faults = weather(Side::Graph, 200, random.fork(), faults, crash);
            rig.tenant().traffic().befall(faults);
            let ended = rig.sync().await;
            log.push(format!("faulty cycle {cycle}: {}", ended.job()));
            rig.tenant().traffic().clear_faults();
        }
        // What is held, or was removed and cannot be confirmed, waits for the next cycle.
        let mut ended = rig.sync().await;
        for _ in 0..3 {
            let job = ended.job();
            log.push(format!("cycle {cycle}: {job}"));
            if job["held"].is_object() {
                rig.run(&["approve", "demo"]).await.expect(0);
            } else if job["incomplete"].is_null() && job["failed"] == 0 {
                break;
            }
            ended = rig.sync().await;
        }
        let target = View::new(&rig.sandbox.target.users(), &rig.sandbox.target.groups());
        let differs = differences(rig.tenant(), &target);
        assert!(
            differs.is_empty(),
            "seed {seed}, cycle {cycle}: {}\n{}\n{}",
            differs.join("\n"),
            log.join("\n"),
            ended.err
        );
    }
}

/// A group and some users, of those who are assigned.
fn few_assigned(tenant: &TenantHandle, random: &mut Rng) {
    let all = tenant.assignments();
    let few = random.usize(1..6);
    for one in all.iter().skip(few) {
        tenant.unassign(one.principal);
    }
}

//! Reading only what is in scope, where that is few of many.

use std::sync::Arc;

use entrain::sandbox::{GraphQuirk, ROLE_USER, Size, TenantHandle, Uuid};
use fastrand::Rng;
use serde_json::Value;

use crate::rig::Rig;
use crate::service::{Service, until};
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
#[expect(clippy::print_stdout, reason = "the figures are what documents quote")]
async fn cycle(rig: &Rig, what: &str) -> (usize, String) {
    let traffic = rig.tenant().traffic();
    traffic.reset();
    let run = rig.run(&["sync", "-v", "--format", "json"]).await.expect(0);
    let count = traffic.count_where(|one| !one.path.ends_with("/token"));
    print(what, count);
    let is_reading = |line: &&str| line.contains("strategy=");
    println!("{}", run.err.lines().find(is_reading).unwrap_or_default());
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

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_without_delta_queries_is_read_by_lists() {
    let rig = start(3_000, 10).await;
    rig.tenant().enable(GraphQuirk::NoDelta);
    let people = rig.tenant().user_ids();
    assign(&rig, &people[..20]);
    let fans = rig.tenant().add_group("Fans");
    rig.tenant().add_members(fans, &people[20..25]);
    rig.tenant().assign(fans, ROLE_USER);
    let tested = rig.run(&["test"]).await.expect(0);
    let words = "does not support delta queries";
    assert!(tested.out.contains(words), "{tested:?}");
    cycle(&rig, "a list, first").await;
    let members = || {
        let group = rig.sandbox.target.find_group_by("displayName", "Fans");
        let group = group.unwrap()["id"].as_str().unwrap().to_owned();
        rig.sandbox.target.members(&group).len()
    };
    let before = members();
    let shown = reading(&rig).await;
    assert_eq!(shown["strategy"], "whole", "{shown}");
    assert!(shown["why"].as_str().unwrap().contains(words), "{shown}");
    rig.sandbox.target.traffic().reset();
    // The refused queries, 4 pages of users, groups with a batch of members, and the assignments.
    let (later, _) = cycle(&rig, "a list, nothing changed").await;
    assert!(later <= 10, "{later}");
    assert_eq!(rig.sandbox.target.traffic().writes(), 0);
    rig.tenant().enable_user(people[25]);
    rig.tenant().add_members(fans, &people[25..26]);
    rig.tenant().soft_delete_user(people[20]);
    rig.sync().await.expect(0);
    assert_eq!(members(), before);
    assert_eq!(reading(&rig).await["strategy"], "whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_estimate_of_the_whole_tenant_is_what_recent_cycles_took() {
    let rig = start(3_000, 10).await;
    let people = rig.tenant().user_ids();
    assign(&rig, &people[..150]);
    rig.reads("whole");
    cycle(&rig, "first").await;
    for number in 0..3 {
        for person in &people {
            let title = serde_json::json!(format!("title {number}"));
            rig.tenant().set_property(*person, "jobTitle", title);
        }
        cycle(&rig, "all changed").await;
    }
    let shown = reading(&rig).await;
    let later = shown["requests"]["whole"]["later"].as_u64().unwrap();
    assert!((15..=18).contains(&later), "{shown}");
    rig.reads("auto");
    let (_, log) = cycle(&rig, "nothing changed").await;
    assert!(log.contains("strategy=\"in_scope\""), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_what_is_read_removes_nothing_and_forgets_what_is_read_no_more() {
    let rig = Rig::of(3, Size::new(60, 12, 120)).await;
    rig.sync().await.expect(0);
    let outside = rig.tenant().user_ids();
    let in_scope = rig.tenant().users_in_scope();
    let outside = outside.iter().find(|id| !in_scope.contains(*id)).unwrap();
    let outside = outside.to_string();
    let explained = ["explain", "demo", outside.as_str()];
    rig.run(&explained).await.expect(0);
    let before = rig.target().await;
    rig.sandbox.target.traffic().reset();
    for (read, code) in [("in_scope", 2), ("whole", 0), ("in_scope", 2)] {
        rig.reads(read);
        let planned = rig.plan().await.expect(0);
        assert_eq!(planned.job()["actions"], serde_json::json!([]));
        for _ in 0..2 {
            rig.sync().await.expect(0);
        }
        assert_eq!(rig.sandbox.target.traffic().writes(), 0, "{read}");
        assert_eq!(reading(&rig).await["strategy"], read);
        let run = rig.run(&explained).await;
        assert_eq!(run.code, code, "{read}: {run:?}");
    }
    assert!(rig.target().await == before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_needs_the_whole_tenant_says_why() {
    let rig = start(20, 2).await;
    for (extra, why) in [
        (
            "[jobs.scope]\nmode = \"all\"\n",
            "all users and groups are in scope",
        ),
        (
            "[[jobs.users.filters]]\nall = [ { attribute = \"memberOf\", operator = \"EQUALS\", value = \"Fans\" } ]\n",
            "a filter reads the groups of users or groups",
        ),
    ] {
        rig.configure(extra);
        rig.reads("in_scope");
        let run = rig.run(&["sync", "-v"]).await;
        assert!(run.err.contains("strategy=\"whole\""), "{run:?}");
        let why = format!("job demo: {why}");
        assert!(run.err.contains(&why), "{run:?}");
        let shown = reading(&rig).await;
        assert_eq!(
            (&shown["strategy"], &shown["why"]),
            (&"whole".into(), &why.into())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_that_are_named_are_read_alone_by_id_or_name() {
    let rig = start(60, 8).await;
    let tenant = rig.tenant();
    let people: Vec<Uuid> = ["ann", "bob", "cal", "dan"]
        .map(|name| rig.joiner(name))
        .into();
    for person in &people {
        tenant.unassign(*person);
    }
    let (fans, staff) = (tenant.add_group("Fans"), tenant.add_group("O'Hara's staff"));
    tenant.add_members(fans, &people[..1]);
    tenant.add_members(staff, &people[1..2]);
    rig.configure(&format!(
        "[jobs.scope]\nmode = \"groups\"\ngroups = [\"{fans}\", \"o'hara's STAFF\"]\n"
    ));
    rig.reads("in_scope");
    rig.sync().await.expect(0);
    let active = || {
        let users = rig.sandbox.target.users().into_iter();
        let users = users.filter(|user| user["active"] == true);
        let mut names: Vec<String> = users
            .map(|user| user["displayName"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(active(), "ann bob");
    tenant.add_members(staff, &people[2..]);
    tenant.remove_members(fans, &people[..1]);
    rig.sync().await.expect(0);
    assert_eq!(active(), "bob cal dan");
    // What a name means is not known any more: no one leaves because of it.
    tenant.rename_group(staff, "Staff");
    let unresolved = rig.sync().await;
    assert!(unresolved.out.contains("o'hara's STAFF"), "{unresolved:?}");
    assert_eq!(active(), "bob cal dan");
    tenant.rename_group(staff, "O'Hara's staff");
    rig.sync().await.expect(0);
    tenant.remove_members(staff, &people[1..2]);
    rig.sync().await.expect(0);
    assert_eq!(active(), "cal dan");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_that_lacks_users_or_groups_removes_none_of_them() {
    let rig = Rig::of(3, Size::new(60, 12, 120)).await;
    rig.reads("in_scope");
    rig.sync().await.expect(0);
    rig.sandbox.target.traffic().reset();
    for quirk in [
        GraphQuirk::NoUsersInInitialRound,
        GraphQuirk::NoGroupsInInitialRound,
        GraphQuirk::NoMembersInInitialRound,
    ] {
        rig.tenant().expire_delta_links();
        rig.tenant().enable(quirk);
        rig.sync().await;
        rig.tenant().configure(|graph| graph.quirks.clear());
        for _ in 0..2 {
            rig.sync().await;
        }
        rig.sync().await.expect(0);
        let writes = rig.sandbox.target.traffic().writes();
        assert_eq!(writes, 0, "{quirk:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_changes_when_the_scope_grows_and_not_back_for_a_little() {
    let rig = start(3_000, 10).await;
    // Only these are provisioned, which changes nothing at Graph.
    let clause = "attribute = \"mailNickname\", operator = \"EQUALS\", value = \"ann\"";
    rig.configure(&format!(
        "[[jobs.users.filters]]\nall = [ {{ {clause} }} ]\n[jobs.groups]\nenabled = false\n"
    ));
    let people = rig.tenant().user_ids();
    rig.joiner("ann");
    assign(&rig, &people[..20]);
    let (first, log) = cycle(&rig, "21 of 3,000").await;
    assert!(log.contains("strategy=\"in_scope\""), "{log}");
    assert!(first <= 6, "{first}");
    let large = rig.tenant().add_group("Everyone");
    rig.tenant().add_members(large, &people);
    rig.tenant().assign(large, ROLE_USER);
    let (_, log) = cycle(&rig, "all of them").await;
    assert!(
        log.contains("are read with the other strategy from now on"),
        "{log}"
    );
    assert!(log.contains("strategy=\"whole\""), "{log}");
    rig.tenant().unassign(large);
    let (later, log) = cycle(&rig, "100 of them").await;
    assert!(later <= 4, "{later}: {log}");
    rig.tenant().hard_delete_group(large);
    assign(&rig, &people[..150]);
    let (_, log) = cycle(&rig, "151 of them").await;
    assert!(log.contains("strategy=\"whole\""), "{log}");
    for person in &people[..140] {
        rig.tenant().unassign(*person);
    }
    cycle(&rig, "10 of them").await;
    let (_, log) = cycle(&rig, "10 of them").await;
    assert!(log.contains("strategy=\"in_scope\""), "{log}");
    let user = rig.user("ann@contoso.com");
    assert_eq!(user["active"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_blocked_or_unassigned_loses_access_between_cycles() {
    let rig = start(40, 4).await;
    let people = ["ann", "bob", "cal"].map(|name| rig.joiner(name));
    let group = rig.tenant().add_group("Fans");
    rig.tenant().add_members(group, &people[2..]);
    rig.tenant().assign(group, ROLE_USER);
    rig.tenant().unassign(people[2]);
    rig.configure("[schedule]\ninterval = \"4h\"\nleavers = \"1s\"\n");
    rig.reads("in_scope");
    let service = Service::start(&rig, &["run"]);
    until("the first cycle", || service.log().contains("cycle ended")).await;
    rig.sandbox.target.traffic().reset();
    rig.tenant().disable_user(people[0]);
    rig.tenant().unassign(people[1]);
    rig.tenant().remove_members(group, &people[2..]);
    for name in ["ann", "bob", "cal"] {
        let is_active = || rig.user(&format!("{name}@contoso.com"))["active"].clone();
        until("access is taken", || is_active() == false).await;
    }
    assert_eq!(rig.sandbox.target.traffic().writes(), 3);
    let log = service.log();
    assert!(log.contains("strategy=\"in_scope\""), "{log}");
}

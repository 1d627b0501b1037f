//! Nothing is removed on bad data, and not too much on good data.

use std::collections::BTreeSet;
use std::time::Duration;

use entrain::sandbox::{Fault, GraphQuirk, ROLE_USER, Size, Trouble, Uuid};
use serde_json::{Value, json};

use crate::cycles::{same, settled, settles};
use crate::rig::Rig;
use crate::target::Expected;

fn size() -> Size {
    Size::new(60, 6, 150)
}

fn enabled_in_scope(rig: &Rig) -> Vec<Uuid> {
    let in_scope = rig.tenant().users_in_scope();
    let users = rig.tenant().users().into_iter();
    users
        .filter(|user| in_scope.contains(&user.id))
        .filter(|user| user.properties["accountEnabled"] == true)
        .map(|user| user.id)
        .collect()
}

async fn status(rig: &Rig) -> Value {
    let run = rig.run(&["status", "--format", "json"]).await;
    run.expect(0).job()
}

/// A target filled by a first cycle.
async fn filled(extra: &str) -> (Rig, Expected) {
    let rig = Rig::start(size()).await;
    rig.configure(extra);
    let mut expected = Expected::default();
    settles(&rig, &mut expected).await;
    (rig, expected)
}

#[tokio::test(flavor = "multi_thread")]
async fn more_removals_than_the_limit_are_all_held_until_approved() {
    let (rig, mut expected) = filled("[jobs.safety]\nmax_deletions = 3").await;
    let group = rig.tenant().add_group("Leaving group");
    let people = enabled_in_scope(&rig);
    rig.tenant().add_members(group, &people[0..6]);
    rig.tenant().assign(group, ROLE_USER);
    settles(&rig, &mut expected).await;

    for id in &people[0..4] {
        rig.tenant().soft_delete_user(*id);
    }
    rig.tenant().remove_members(group, &people[4..6]);
    rig.joiner("jo.new");
    let before = rig.target().await;
    rig.sandbox.target.traffic().reset();
    let plan = rig.plan().await.expect(4).job();
    assert_eq!(plan["held"]["reason"], "too-many-deletions", "{plan:#}");

    for _ in 0..2 {
        let held = rig.sync().await.expect(4).job();
        assert_eq!(held["held"]["planned"], 4, "{held:#}");
        assert_eq!(held["held"]["limit"], 3);
    }
    assert_eq!(rig.user("jo.new@contoso.com")["active"], true);
    let after = rig.target().await;
    let changed: Vec<_> = before.changed(&after).into_iter().collect();
    assert_eq!(changed, ["jo.new@contoso.com"]);
    let status = status(&rig).await;
    assert_eq!(status["held"]["removals"]["disable"], 4, "{status:#}");

    rig.run(&["approve", "demo"]).await.expect(0);
    // Someone new leaves meanwhile: within the limit, and none of those approved.
    rig.tenant().soft_delete_user(people[10]);
    let done = rig.sync().await.expect(0).job();
    assert_eq!(done["done"]["disable"], 5, "{done:#}");
    settled(&rig, &mut expected).await;
    // An approval is for those removals alone.
    for id in &people[11..15] {
        rig.tenant().soft_delete_user(*id);
    }
    rig.sync().await.expect(4);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_cycle_may_have_a_limit_of_its_own() {
    let (rig, mut expected) = filled("[jobs.safety]\nmax_deletions = 0").await;
    let people = enabled_in_scope(&rig);
    for id in &people[0..3] {
        rig.tenant().soft_delete_user(*id);
    }
    let held = rig.run(&["sync", "--max-deletions", "2"]).await.expect(4);
    assert!(held.out.contains("held"), "{}", held.out);
    rig.run(&["sync", "--max-deletions", "3"]).await.expect(0);
    settled(&rig, &mut expected).await;
    rig.tenant().soft_delete_user(people[3]);
    rig.sync().await.expect(4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_ends_with_the_cycle_that_no_longer_needs_it() {
    let (rig, mut expected) = filled("[jobs.safety]\nmax_deletions = 3").await;
    let people = enabled_in_scope(&rig);
    let leavers = &people[0..4];
    for id in leavers {
        rig.tenant().soft_delete_user(*id);
    }
    rig.sync().await.expect(4);
    rig.run(&["approve", "demo"]).await.expect(0);
    for id in leavers {
        rig.tenant().restore_user(*id);
    }
    settles(&rig, &mut expected).await;
    for id in leavers {
        rig.tenant().soft_delete_user(*id);
    }
    rig.sync().await.expect(4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_stays_held_through_cycles_that_do_not_see_it() {
    let (rig, mut expected) = filled("[jobs.safety]\nmax_deletions = 3").await;
    let people = enabled_in_scope(&rig);
    for id in &people[0..4] {
        rig.tenant().soft_delete_user(*id);
    }
    rig.sync().await.expect(4);
    let other = people[10].to_string();
    rig.run(&["sync", "--user", &other]).await.expect(0);
    assert_eq!(status(&rig).await["held"]["removals"]["disable"], 4);
    let traffic = rig.tenant().traffic();
    traffic.inject(Fault::new("appRoleAssignedTo", Trouble::status(403)));
    rig.sync().await.expect(1);
    assert_eq!(status(&rig).await["held"]["removals"]["disable"], 4);
    rig.run(&["approve", "demo"]).await.expect(0);
    settles(&rig, &mut expected).await;
    assert_eq!(status(&rig).await["held"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_is_not_found_removes_no_user() {
    nothing_is_removed_while(break_source("/servicePrincipals", Trouble::EmptyList)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_may_be_a_share_of_the_users() {
    let (rig, mut expected) = filled("[jobs.safety]\nmax_deletions = \"15%\"").await;
    let linked = status(&rig).await["linked"]["users"].as_u64().unwrap();
    let allowed = usize::try_from(linked * 15 / 100).unwrap();
    let people = enabled_in_scope(&rig);
    for id in &people[0..=allowed] {
        rig.tenant().soft_delete_user(*id);
    }
    let held = rig.sync().await.expect(4).job();
    assert_eq!(held["held"]["limit"], allowed, "{held:#}");
    rig.tenant().restore_user(people[0]);
    settles(&rig, &mut expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_zero_holds_every_removal() {
    let (rig, _) = filled("[jobs.safety]\nmax_deletions = 0").await;
    let people = enabled_in_scope(&rig);
    rig.tenant().disable_user(people[0]);
    rig.sync().await.expect(4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_for_one_user_removes_no_other_user() {
    let (rig, mut expected) = filled("").await;
    let boss = rig.joiner("boss");
    let report = rig.joiner("report");
    rig.tenant().set_manager(report, Some(boss));
    settles(&rig, &mut expected).await;
    rig.tenant().unassign(boss);
    rig.tenant().unassign(report);
    rig.run(&["sync", "--user", "boss@contoso.com"])
        .await
        .expect(0);
    assert_eq!(rig.user("boss@contoso.com")["active"], false);
    assert_eq!(rig.user("report@contoso.com")["active"], true);
    settles(&rig, &mut expected).await;
    assert_eq!(rig.user("report@contoso.com")["active"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_list_of_assignments_removes_no_user_however_often_it_comes() {
    let (rig, mut expected) = filled("").await;
    let before = rig.target().await;
    rig.sandbox.target.traffic().reset();
    rig.tenant()
        .traffic()
        .inject(Fault::new("appRoleAssignedTo", Trouble::EmptyList).forever());
    for _ in 0..3 {
        let held = rig.sync().await.expect(4).job();
        assert_eq!(held["held"]["reason"], "emptied-scope", "{held:#}");
        assert_eq!(held["held"]["by"], "source", "{held:#}");
    }
    assert_eq!(rig.sandbox.target.writes(), 0);
    same(&rig.target().await, &before);
    rig.tenant().traffic().clear_faults();
    settles(&rig, &mut expected).await;
    assert_eq!(rig.sandbox.target.writes(), 0);
}

/// A trouble of the source in the middle of a reading in which people leave, join and move: the
/// cycle removes no user but those that were themselves read as deleted or blocked, and the next one is
/// exact.
async fn nothing_is_removed_while(trouble: impl AsyncFn(&Rig)) {
    let (rig, mut expected) = filled("").await;
    rig.tenant().configure(|settings| {
        settings.users_per_page = 10;
        settings.groups_per_page = 2;
        settings.entries_per_page = 10;
        settings.members_per_page = 20;
    });
    let people = enabled_in_scope(&rig);
    let groups: Vec<Uuid> = rig.tenant().groups_in_scope().into_iter().collect();
    let members: Vec<Uuid> = rig
        .tenant()
        .members(groups[0])
        .into_iter()
        .take(3)
        .collect();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let deleted_group = text(&rig.tenant().group(groups[2]).unwrap().properties["displayName"]);
    let gone: BTreeSet<String> = [0, 1, 3]
        .map(|place: usize| rig.tenant().user(people[place]).unwrap())
        .map(|user| text(&user.properties["userPrincipalName"]))
        .into();
    rig.tenant().soft_delete_user(people[0]);
    rig.tenant().hard_delete_user(people[1]);
    rig.tenant().unassign(people[2]);
    rig.tenant().disable_user(people[3]);
    for id in &people[5..25] {
        let name = json!(format!("Title of {id}"));
        rig.tenant().set_property(*id, "jobTitle", name);
    }
    rig.tenant().remove_members(groups[0], &members);
    rig.tenant().unassign(groups[1]);
    rig.tenant().hard_delete_group(groups[2]);
    for number in 0..12 {
        rig.joiner(&format!("joiner{number}"));
    }
    let before = rig.target().await;
    rig.sandbox.target.traffic().reset();
    trouble(&rig).await;
    let after = rig.target().await;
    for (name, person) in &before.users {
        if !gone.contains(name) {
            assert!(after.users[name].active || !person.active, "{name}");
        }
    }
    for (name, members) in &before.groups {
        if *name != deleted_group {
            let lost: Vec<&String> = members.difference(&after.groups[name]).collect();
            assert!(
                lost.iter().all(|one| gone.contains(*one)),
                "{name}: {lost:?}"
            );
        }
    }
    rig.tenant().traffic().clear_faults();
    settles(&rig, &mut expected).await;
}

fn break_source(path: &str, trouble: Trouble) -> impl AsyncFn(&Rig) {
    // A page of what changed is let through, so that the trouble comes in the middle.
    let fault = Fault::new(path, trouble).after(usize::from(path.ends_with("delta")));
    async move |rig: &Rig| {
        let traffic = rig.tenant().traffic();
        traffic.inject(fault.clone().forever());
        let run = rig.sync().await.expect(1);
        assert!(run.err.lines().count() > 0, "{run:?}");
        let plan = rig.plan().await;
        assert_eq!(plan.code, 1, "{plan:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_page_of_assignments_removes_no_user() {
    nothing_is_removed_while(break_source("appRoleAssignedTo", Trouble::status(403))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_page_of_users_removes_no_user() {
    nothing_is_removed_while(break_source("/users/delta", Trouble::status(403))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_page_of_groups_removes_no_user() {
    nothing_is_removed_while(break_source("/groups/delta", Trouble::status(403))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_stays_unavailable_removes_no_user() {
    nothing_is_removed_while(break_source("/users/delta", Trouble::status(503))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_page_removes_no_user() {
    nothing_is_removed_while(break_source("/users/delta", Trouble::TornBody)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_a_proxys_html_removes_no_user() {
    let page = Trouble::Answer {
        status: 200,
        headers: vec![("content-type".to_owned(), "text/html".to_owned())],
        body: "<html>please sign in</html>".to_owned(),
    };
    nothing_is_removed_while(break_source("/groups/delta", page)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_without_any_link_removes_no_user() {
    nothing_is_removed_while(break_source("/users/delta", Trouble::EmptyList)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_groups_remove_no_user() {
    nothing_is_removed_while(async |rig: &Rig| {
        rig.tenant().revoke_permission("GroupMember.Read.All");
        let run = rig.sync().await.expect(1);
        let summary = run.job();
        let words = summary["incomplete"].as_str().unwrap_or_default();
        assert!(
            words.contains("403") && words.contains("Authorization_RequestDenied"),
            "{words}"
        );
        let named = "the application permission GroupMember.Read.All is missing in the tenant";
        assert!(words.contains(named), "{words}");
        rig.tenant().grant_permission("GroupMember.Read.All");
        rig.tenant().expire_access_tokens();
    })
    .await;
}

/// What is overcome within the cycle needs no second one.
async fn overcome(trouble: impl Fn(&Rig)) {
    let (rig, mut expected) = filled("").await;
    rig.tenant().configure(|settings| {
        settings.users_per_page = 7;
        settings.entries_per_page = 10;
        settings.members_per_page = 20;
    });
    let people = enabled_in_scope(&rig);
    for id in &people[5..25] {
        let name = json!(format!("Title of {id}"));
        rig.tenant().set_property(*id, "jobTitle", name);
    }
    rig.tenant().soft_delete_user(people[0]);
    rig.tenant().unassign(people[2]);
    trouble(&rig);
    settles(&rig, &mut expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_connections_in_the_middle_of_a_reading_do_no_harm() {
    overcome(|rig| {
        let traffic = rig.tenant().traffic();
        traffic.inject(Fault::new("/users/delta", Trouble::CutAnswer).after(1));
        traffic.inject(Fault::new("/groups/delta", Trouble::Refused));
        traffic.inject(Fault::new("appRoleAssignedTo", Trouble::AnswerLost));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_watermark_means_reading_everything_again() {
    overcome(|rig| rig.tenant().expire_delta_links()).await;
    overcome(|rig| {
        rig.tenant().enable(GraphQuirk::GoneForExpired);
        rig.tenant().expire_delta_links();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_habits_of_delta_queries_do_no_harm() {
    overcome(|rig| {
        for quirk in [
            GraphQuirk::RemovedInInitialRound,
            GraphQuirk::NoManagersInInitialRound,
            GraphQuirk::Replays,
            GraphQuirk::EmptyPages,
        ] {
            rig.tenant().enable(quirk);
        }
        rig.tenant().expire_delta_links();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_planned_when_a_full_reading_finds_no_change() {
    let (rig, _) = filled("").await;
    rig.sandbox.target.traffic().reset();
    rig.tenant().expire_delta_links();
    let plan = rig.plan().await.expect(0).job();
    assert_eq!(plan["actions"].as_array().unwrap().len(), 0, "{plan:#}");
    let run = rig.run(&["sync", "--initial", "--format", "json"]).await;
    let summary = run.expect(0).job();
    // A full evaluation verifies some of the links, and an initial one also asks what the target can do and
    // lists users and groups, two pages of each.
    assert_eq!(summary["requests"]["target"], 20 + 3 + 4, "{summary:#}");
    assert_eq!(rig.sandbox.target.writes(), 0);
    assert_eq!(summary["kind"], "initial");
}

#[tokio::test(flavor = "multi_thread")]
async fn users_deleted_while_the_watermark_expired_are_disabled() {
    let (rig, _) = filled("").await;
    let id = rig.joiner("soon.gone");
    rig.sync().await.expect(0);
    rig.tenant().soft_delete_user(id);
    rig.tenant().expire_delta_links();
    rig.sync().await.expect(0);
    assert_eq!(rig.user("soon.gone@contoso.com")["active"], false);
    rig.tenant().restore_user(id);
    rig.sync().await.expect(0);
    assert_eq!(rig.user("soon.gone@contoso.com")["active"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_list_of_assignments_takes_no_member_out_of_what_is_kept() {
    let keep = "when_out_of_scope = \"keep\"";
    let (rig, _) = filled(&format!("[jobs.users]\n{keep}\n[jobs.groups]\n{keep}")).await;
    rig.sandbox.target.traffic().reset();
    rig.tenant()
        .traffic()
        .inject(Fault::new("appRoleAssignedTo", Trouble::EmptyList).forever());
    for _ in 0..2 {
        rig.sync().await.expect(0);
    }
    assert_eq!(rig.sandbox.target.writes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_link_that_expires_while_reading_is_no_loss() {
    let rig = Rig::start(size()).await;
    rig.tenant()
        .configure(|settings| settings.users_per_page = 10);
    let traffic = rig.tenant().traffic();
    traffic.inject(
        Fault::new("/users/delta", Trouble::status(403))
            .after(3)
            .forever(),
    );
    rig.sync().await.expect(1);
    traffic.clear_faults();
    rig.tenant().expire_next_links();
    settles(&rig, &mut Expected::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn graph_that_asks_to_wait_is_waited_for() {
    let rig = Rig::start(size()).await;
    let traffic = rig.tenant().traffic();
    traffic.inject(Fault::new("/users/delta", Trouble::throttled(1)));
    let date = Trouble::RetryAfterDate {
        status: 503,
        wait: Duration::from_secs(1),
    };
    traffic.inject(Fault::new("/groups/delta", date));
    settles(&rig, &mut Expected::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenth_of_the_users_is_the_default_limit() {
    let (rig, mut expected) = filled("").await;
    let linked = status(&rig).await["linked"]["users"].as_u64().unwrap();
    let people = enabled_in_scope(&rig);
    let allowed = usize::try_from(linked / 10).unwrap().max(5);
    for id in &people[0..=allowed] {
        rig.tenant().soft_delete_user(*id);
    }
    let held = rig.sync().await.expect(4).job();
    assert_eq!(
        (&held["held"]["planned"], &held["held"]["limit"]),
        (&json!(allowed + 1), &json!(allowed))
    );
    rig.tenant().restore_user(people[0]);
    settles(&rig, &mut expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_scope_that_is_meant_is_approved() {
    let (rig, mut expected) = filled("").await;
    for assignment in rig.tenant().assignments() {
        rig.tenant().unassign(assignment.principal);
    }
    rig.sync().await.expect(4);
    rig.run(&["approve", "demo"]).await.expect(0);
    settles(&rig, &mut expected).await;
    assert_eq!(rig.sandbox.target.group_count(), 0);
}

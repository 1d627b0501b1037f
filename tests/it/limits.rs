//! A sudden shrink is held by default: the limits over 24 hours, by class and by object, what a person
//! decides of it, and the first cycle.

use entrain::sandbox::{Fault, ROLE_USER, Size, Trouble, Uuid};
use serde_json::{Value, json};

use crate::rig::Rig;

/// This many users who are assigned, and no others.
async fn start(people: usize, extra: &str) -> (Rig, Vec<Uuid>) {
    let rig = Rig::start(Size::new(1, 0, 0)).await;
    for user in rig.tenant().users() {
        rig.tenant().unassign(user.id);
    }
    rig.configure(extra);
    let people = (0..people)
        .map(|number| rig.joiner(&format!("p{number}")))
        .collect();
    rig.sync().await.expect(0);
    (rig, people)
}

fn active(rig: &Rig) -> usize {
    let users = rig.sandbox.target.users();
    users.iter().filter(|user| user["active"] == true).count()
}

async fn status(rig: &Rig) -> Value {
    let run = rig.run(&["status", "--format", "json"]).await;
    run.expect(0).job()
}

fn reasons(job: &Value) -> Vec<&str> {
    let reasons = job["held"]["reasons"].as_array().unwrap().iter();
    reasons.map(|one| one["reason"].as_str().unwrap()).collect()
}

fn assigned_groups(rig: &Rig, count: usize) -> Vec<Uuid> {
    let groups = (0..count).map(|number| {
        let group = rig.tenant().add_group(&format!("Group {number}"));
        rig.tenant().assign(group, ROLE_USER);
        group
    });
    groups.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn fourteen_of_twenty_four_who_leave_at_once_are_held_by_default() {
    let (rig, people) = start(24, "").await;
    for id in &people[..14] {
        rig.tenant().unassign(*id);
    }
    rig.joiner("new");
    let plan = rig.plan().await.expect(4).job();
    assert_eq!(plan["held"]["limit"], 5, "{plan:#}");
    let held = rig.sync().await.expect(4).job();
    assert_eq!(held["held"]["planned"], 14, "{held:#}");
    assert_eq!(held["held"]["counted"], "other-users");
    assert_eq!(active(&rig), 25, "and the joiner is created");
    rig.run(&["approve", "demo", "--reason", "a site closed"])
        .await
        .expect(0);
    rig.sync().await.expect(0);
    assert_eq!(active(&rig), 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_counts_24_hours_and_each_object_once() {
    let (rig, people) = start(24, "").await;
    rig.tenant().unassign(people[0]);
    rig.run(&["sync", "--user", "p0@contoso.com"])
        .await
        .expect(0);
    for id in &people[1..5] {
        rig.tenant().unassign(*id);
        rig.sync().await.expect(0);
    }
    assert_eq!(active(&rig), 19);
    rig.tenant().unassign(people[5]);
    let held = rig.sync().await.expect(4).job();
    let why = (&held["held"]["planned"], &held["held"]["recent"]);
    assert_eq!(why, (&json!(1), &json!(5)), "{held:#}");
    assert_eq!(active(&rig), 19);
    // Who came back and goes again was counted before.
    rig.tenant().assign(people[5], ROLE_USER);
    rig.tenant().assign(people[0], ROLE_USER);
    rig.sync().await.expect(0);
    rig.tenant().unassign(people[0]);
    rig.sync().await.expect(0);
    assert_eq!(active(&rig), 19);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breach_holds_its_own_class_and_the_blocked_and_deleted_go() {
    let (rig, people) = start(24, "").await;
    for id in &people[..6] {
        rig.tenant().unassign(*id);
    }
    for id in &people[6..9] {
        rig.tenant().disable_user(*id);
    }
    let held = rig.sync().await.expect(4).job();
    assert_eq!(held["held"]["removals"], 6, "{held:#}");
    assert_eq!(held["done"]["disable"], 3);
    // Only the total is exceeded: 3 went, 2 more are blocked, and one leaves.
    for id in &people[..6] {
        rig.tenant().assign(*id, ROLE_USER);
    }
    rig.sync().await.expect(0);
    for id in &people[9..11] {
        rig.tenant().disable_user(*id);
    }
    rig.tenant().unassign(people[0]);
    let held = rig.sync().await.expect(4).job();
    assert_eq!(held["held"]["counted"], "users", "{held:#}");
    assert_eq!(held["done"]["disable"], 2);
    assert_eq!(rig.user("p0@contoso.com")["active"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn six_groups_that_go_at_once_are_held_by_default_and_users_are_not() {
    let (rig, people) = start(24, "").await;
    let groups = assigned_groups(&rig, 12);
    rig.sync().await.expect(0);
    for group in &groups[..6] {
        rig.tenant().unassign(*group);
    }
    for id in &people[..5] {
        rig.tenant().unassign(*id);
    }
    let held = rig.sync().await.expect(4).job();
    let why = &held["held"];
    assert_eq!(
        (&why["counted"], &why["planned"], &why["limit"]),
        (&json!("groups"), &json!(6), &json!(5))
    );
    assert_eq!(rig.sandbox.target.group_count(), 12);
    assert_eq!(active(&rig), 19);
    // Five are within the limit.
    rig.tenant().assign(groups[5], ROLE_USER);
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.group_count(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_fifty_memberships_that_go_at_once_are_held_by_default() {
    let (rig, people) = start(110, "").await;
    let fans = rig.tenant().add_group("Fans");
    rig.tenant().add_members(fans, &people);
    rig.tenant().assign(fans, ROLE_USER);
    rig.sync().await.expect(0);
    rig.tenant().remove_members(fans, &people[..51]);
    let held = rig.sync().await.expect(4).job();
    let why = &held["held"];
    assert_eq!(
        (&why["counted"], &why["planned"], &why["limit"]),
        (&json!("memberships"), &json!(51), &json!(50))
    );
    assert_eq!(rig.target().await.groups["Fans"].len(), 110);
    rig.tenant().add_members(fans, &people[50..51]);
    rig.sync().await.expect(0);
    assert_eq!(rig.target().await.groups["Fans"].len(), 60);
    // The fifty count for a day.
    rig.tenant().remove_members(fans, &people[50..51]);
    let held = rig.sync().await.expect(4).job();
    assert_eq!(held["held"]["recent"], 50, "{held:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_loses_more_than_half_of_its_members_is_held_until_an_operator_decides() {
    let (rig, people) = start(24, "").await;
    let fans = rig.tenant().add_group("Fans");
    rig.tenant().add_members(fans, &people[..10]);
    rig.tenant().assign(fans, ROLE_USER);
    rig.sync().await.expect(0);
    rig.tenant().remove_members(fans, &people[..6]);
    let plan = rig.plan().await.expect(4).job();
    assert_eq!(reasons(&plan), ["shrunk-groups"], "{plan:#}");
    rig.sync().await.expect(4);
    assert_eq!(rig.target().await.groups["Fans"].len(), 10);
    // It stays so, and a single membership can be approved, or rejected.
    let held = rig.sync().await.expect(4).job();
    assert_eq!(held["held"]["removals"], 1, "{held:#}");
    let reject = ["reject", "demo", "--user", "p0@contoso.com"];
    rig.run(&reject).await.expect(0);
    rig.run(&["approve", "demo"]).await.expect(0);
    rig.sync().await.expect(0);
    assert_eq!(rig.target().await.groups["Fans"].len(), 5);
    let told = status(&rig).await;
    assert_eq!(told["held"], Value::Null, "{told:#}");
    assert_eq!(told["rejected"][0]["member"]["label"], "p0@contoso.com");
    rig.tenant().add_members(fans, &people[..1]);
    rig.sync().await.expect(0);
    assert_eq!(status(&rig).await["rejected"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn people_who_leave_with_a_scope_group_that_shrinks_are_held_below_every_limit() {
    let (rig, _) = start(100, "[jobs.groups]\nenabled = false").await;
    let fans = rig.tenant().add_group("Fans");
    let ids: Vec<Uuid> = (0..8)
        .map(|number| {
            let id = rig.joiner(&format!("fan{number}"));
            rig.tenant().unassign(id);
            id
        })
        .collect();
    rig.tenant().add_members(fans, &ids);
    rig.tenant().assign(fans, ROLE_USER);
    rig.sync().await.expect(0);
    assert_eq!(active(&rig), 108);
    rig.tenant().remove_members(fans, &ids[..6]);
    let held = rig.sync().await.expect(4).job();
    assert_eq!(reasons(&held), ["shrunk-groups"], "{held:#}");
    assert_eq!(active(&rig), 108);
    rig.run(&["approve", "demo", "--user", "fan0@contoso.com"])
        .await
        .expect(0);
    rig.sync().await.expect(4);
    assert_eq!(active(&rig), 107);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_loses_more_than_a_fifth_of_its_users_is_held() {
    let (rig, people) = start(20, "[jobs.safety]\nmax_deletions = 100").await;
    for id in &people[..4] {
        rig.tenant().soft_delete_user(*id);
    }
    rig.sync().await.expect(0);
    for id in &people[4..8] {
        rig.tenant().soft_delete_user(*id);
    }
    let held = rig.sync().await.expect(4).job();
    assert_eq!(reasons(&held), ["shrunk-source"], "{held:#}");
    assert_eq!(active(&rig), 16);
    // The next reading loses nothing, and no decision was made.
    let held = rig.sync().await.expect(4).job();
    assert_eq!(reasons(&held), ["undecided"], "{held:#}");
    rig.run(&["approve", "demo"]).await.expect(0);
    rig.sync().await.expect(0);
    assert_eq!(active(&rig), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_loses_more_than_a_fifth_of_its_groups_is_held() {
    let (rig, people) = start(20, "").await;
    let groups = assigned_groups(&rig, 10);
    rig.sync().await.expect(0);
    for group in &groups[..3] {
        rig.tenant().soft_delete_group(*group);
    }
    rig.tenant().disable_user(people[0]);
    let held = rig.sync().await.expect(4).job();
    assert_eq!(reasons(&held), ["shrunk-source"], "{held:#}");
    assert_eq!(held["held"]["kind"], "group", "{held:#}");
    assert_eq!(rig.sandbox.target.group_count(), 10);
    assert_eq!(active(&rig), 19, "users are another kind");
    rig.run(&["approve", "demo"]).await.expect(0);
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.group_count(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_for_one_user_removes_no_user_that_is_held_and_forgets_no_hold() {
    let (rig, people) = start(24, "").await;
    for id in &people[..14] {
        rig.tenant().unassign(*id);
    }
    rig.sync().await.expect(4);
    rig.tenant().unassign(people[20]);
    for alias in ["p0", "p20"] {
        let run = rig
            .run(&["sync", "--user", &format!("{alias}@contoso.com")])
            .await;
        run.expect(4);
    }
    assert_eq!(active(&rig), 24);
    let told = status(&rig).await;
    assert_eq!(told["held"]["removals"]["disable"], 15, "{told:#}");
    // What the full cycle held is approved; what joined in a later one stays held.
    let first = told["held"]["list"].as_array().unwrap().len();
    assert_eq!(first, 15);
    let approved = rig
        .run(&["approve", "demo", "--cycle", "2", "--format", "json"])
        .await
        .expect(0);
    let document: Value = serde_json::from_str(&approved.out).unwrap();
    assert_eq!(document["approved"]["disable"], 14, "{document:#}");
    assert_eq!(document["later"], 1);
    rig.sync().await.expect(0);
    assert_eq!(active(&rig), 9, "the last is judged alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_lists_what_is_no_longer_planned() {
    let (rig, people) = start(24, "").await;
    for id in &people[..8] {
        rig.tenant().unassign(*id);
    }
    rig.sync().await.expect(4);
    rig.tenant().assign(people[0], ROLE_USER);
    rig.sync().await.expect(4);
    let approved = rig
        .run(&["approve", "demo", "--cycle", "2"])
        .await
        .expect(0);
    assert!(
        approved.out.contains("7 disables")
            && approved.out.contains("No longer planned: disable user p0@"),
        "{}",
        approved.out
    );
    rig.sync().await.expect(0);
    assert_eq!(active(&rig), 17);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_removal_is_not_planned_again_until_its_cause_changes() {
    let (rig, people) = start(24, "[jobs.safety]\nmax_deletions = 0").await;
    rig.tenant().unassign(people[0]);
    rig.sync().await.expect(4);
    rig.run(&["reject", "demo", "--reason", "on leave"])
        .await
        .expect(0);
    for _ in 0..2 {
        rig.sync().await.expect(0);
    }
    assert_eq!(active(&rig), 24);
    let told = rig.run(&["status"]).await.expect(0).out;
    assert!(
        told.contains("Rejected") && told.contains("on leave"),
        "{told}"
    );
    rig.tenant().soft_delete_user(people[0]);
    rig.sync().await.expect(4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_zero_holds_memberships_too() {
    let (rig, people) = start(10, "[jobs.safety]\nmax_deletions = 0").await;
    let fans = rig.tenant().add_group("Fans");
    rig.tenant().add_members(fans, &people[..3]);
    rig.tenant().assign(fans, ROLE_USER);
    rig.sync().await.expect(0);
    rig.tenant().remove_members(fans, &people[..1]);
    let held = rig.sync().await.expect(4).job();
    assert_eq!(held["held"]["counted"], "memberships", "{held:#}");
    assert_eq!(rig.target().await.groups["Fans"].len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn until_one_cycle_has_completed_removals_are_postponed_and_shown() {
    let rig = Rig::start(Size::new(1, 0, 0)).await;
    let [gone, blocked] = ["gone", "blocked"].map(|alias| rig.joiner(alias));
    for number in 0..40 {
        rig.joiner(&format!("p{number}"));
    }
    // The target's token is revoked in the middle of the first cycle.
    let traffic = rig.sandbox.target.traffic();
    rig.plan().await.expect(0);
    let look_ups = traffic.count_where(|exchange| exchange.method == "GET");
    for (method, answered) in [("GET", look_ups), ("POST", 20)] {
        let refused = Fault::new("/Users", Trouble::status(401)).method(method);
        traffic.inject(refused.after(answered).forever());
    }
    rig.sync().await.expect(1);
    let has = |name: &str| rig.sandbox.target.find_user_by("userName", name).is_some();
    assert!(has("gone@contoso.com") && has("blocked@contoso.com"));
    rig.tenant().unassign(gone);
    rig.tenant().disable_user(blocked);
    rig.sandbox.target.traffic().clear_faults();
    let second = rig.sync().await.expect(0).job();
    assert_eq!(second["skipped"]["first-cycle"], 1, "{second:#}");
    assert_eq!(rig.user("gone@contoso.com")["active"], true);
    assert_eq!(rig.user("blocked@contoso.com")["active"], false);
    let third = rig.sync().await.expect(0).job();
    assert_eq!(third["done"]["disable"], 1, "{third:#}");
    assert_eq!(rig.user("gone@contoso.com")["active"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_that_disables_users_counts_as_other_users_and_is_held() {
    let extra = r#"[jobs.users]
mappings = [ { target = "active", expression = 'Switch([department], "True", "Gone", "False")' } ]"#;
    let (rig, people) = start(24, extra).await;
    for id in &people[..6] {
        rig.tenant().set_property(*id, "department", json!("Gone"));
    }
    let plan = rig.plan().await.expect(4).job();
    assert_eq!(plan["held"]["counted"], "other-users", "{plan:#}");
    let why = &plan["held"]["actions"][0]["why"]["reason"];
    assert_eq!(why, "mapping", "{plan:#}");
    rig.sync().await.expect(4);
    assert_eq!(active(&rig), 24);
    rig.run(&["approve", "demo"]).await.expect(0);
    rig.sync().await.expect(0);
    assert_eq!(active(&rig), 18);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_group_that_is_emptied_completely_disables_no_user_and_takes_no_member_out() {
    // With others in scope, and as all of the scope there is.
    for others in [100, 0] {
        let (rig, _) = start(others, "").await;
        let fans = rig.tenant().add_group("Fans");
        let ids: Vec<Uuid> = (0..8)
            .map(|number| {
                let id = rig.joiner(&format!("fan{number}"));
                rig.tenant().unassign(id);
                id
            })
            .collect();
        rig.tenant().add_members(fans, &ids);
        rig.tenant().assign(fans, ROLE_USER);
        rig.sync().await.expect(0);
        let before = (active(&rig), rig.target().await.groups["Fans"].len());
        assert_eq!(before, (others + 8, 8));
        rig.tenant().remove_members(fans, &ids);
        for _ in 0..2 {
            let held = rig.sync().await.expect(4).job();
            let why = reasons(&held).join(" ");
            assert!(
                ["shrunk-groups", "emptied-scope"]
                    .iter()
                    .any(|word| why.contains(word)),
                "{held:#}"
            );
            let after = (active(&rig), rig.target().await.groups["Fans"].len());
            assert_eq!(after, before, "{others}");
        }
        // Filled again, nothing is left of it.
        rig.tenant().add_members(fans, &ids);
        rig.sync().await.expect(0);
        assert_eq!(rig.sync().await.expect(0).job()["done"], json!({}));
    }
}

//! Groups that leave the scope, and accounts that must exist before the first day.

use std::collections::BTreeSet;

use entrain::sandbox::{Quirk, ROLE_USER, Size, Uuid};
use serde_json::{Value, json};

use crate::rig::Rig;

/// Seven users, each in both groups, which are assigned.
async fn start(extra: &str) -> (Rig, [Uuid; 2]) {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.configure(extra);
    let people: Vec<Uuid> = (0..7)
        .map(|number| rig.joiner(&format!("member{number}")))
        .collect();
    let groups = ["Crew", "VPN"].map(|name| {
        let group = rig.tenant().add_group(name);
        rig.tenant().add_members(group, &people);
        rig.tenant().assign(group, ROLE_USER);
        group
    });
    rig.sync().await.expect(0);
    assert_eq!(members(&rig, "Crew"), Some(7));
    (rig, groups)
}

/// How many members the target shows of a group, if it is there.
fn members(rig: &Rig, name: &str) -> Option<usize> {
    let group = rig.sandbox.target.find_group_by("displayName", name)?;
    Some(group["members"].as_array().map_or(0, Vec::len))
}

fn misnamed(plan: &Value) -> Vec<(String, String)> {
    let all = plan["misnamed"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    all.map(|one| (text(&one["key"]), text(&one["name"])))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_leaves_is_emptied_and_left_where_that_is_configured() {
    let (rig, [crew, _]) = start("[jobs.groups]\nwhen_out_of_scope = \"empty\"").await;
    rig.tenant().unassign(crew);
    let plan = rig.run(&["plan"]).await.expect(0);
    assert!(plan.out.contains("not assigned"), "{plan:?}");
    let planned = rig.plan().await.expect(0).job();
    let rows = planned["actions"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "{planned:#}");
    assert_eq!(rows[0]["action"], "remove-members");
    assert_eq!(rows[0]["why"]["reason"], "not-assigned", "{planned:#}");
    let run = rig.sync().await.expect(0).job();
    assert_eq!(run["done"]["remove-members"], 7, "{run:#}");
    assert_eq!(members(&rig, "Crew"), Some(0));
    assert_eq!(members(&rig, "VPN"), Some(7));
    // Nothing is left to do, also where everything is evaluated again; and what comes is not added.
    let run = rig.run(&["sync", "--initial", "--format", "json"]).await;
    assert_eq!(run.expect(0).job()["done"], json!({}));
    let late = rig.joiner("late");
    rig.tenant().add_members(crew, &[late]);
    rig.sync().await.expect(0);
    assert_eq!(members(&rig, "Crew"), Some(0));
    // In scope again, it is filled again.
    rig.tenant().assign(crew, ROLE_USER);
    rig.sync().await.expect(0);
    assert_eq!(members(&rig, "Crew"), Some(8));
    // So does a group that is deleted.
    rig.tenant().soft_delete_group(crew);
    rig.sync().await.expect(0);
    assert_eq!(members(&rig, "Crew"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_the_target_does_not_delete_is_emptied_and_left() {
    let (rig, [crew, _]) = start("").await;
    rig.sandbox.target.enable(Quirk::NoDelete);
    let deletes = || {
        let traffic = rig.sandbox.target.traffic();
        traffic.count_where(|one| one.method == "DELETE")
    };
    // Only the first is sent a delete.
    for _ in 0..2 {
        rig.tenant().unassign(crew);
        let run = rig.sync().await.expect(0).job();
        assert_eq!(run["done"]["remove-members"], 7, "{run:#}");
        assert_eq!(run["done"]["delete"], Value::Null, "{run:#}");
        assert_eq!((members(&rig, "Crew"), deletes()), (Some(0), 1));
        rig.tenant().assign(crew, ROLE_USER);
        let run = rig.sync().await.expect(0).job();
        assert_eq!(run["done"]["add-members"], 7, "{run:#}");
    }
    // In columns.
    let test = rig.run(&["test"]).await.out;
    let test = test.split_whitespace().collect::<Vec<_>>().join(" ");
    let learned = "learned: groups are emptied instead of deleted";
    assert!(test.contains(learned), "{test}");

    // Where a group cannot be emptied, the failure says what to write.
    rig.configure("[jobs.groups]\nactions = [\"create\", \"delete\"]");
    rig.tenant().unassign(crew);
    let run = rig.sync().await.expect(3).job();
    let message = run["failures"][0]["message"].as_str().unwrap();
    let remedy = "groups.when_out_of_scope = \"keep\"";
    assert!(message.contains(remedy), "{message}");
    assert_eq!((members(&rig, "Crew"), deletes()), (Some(7), 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_leave_with_their_group_count_against_the_limit() {
    let (rig, [crew, _]) = start(
        "[jobs.groups]\nwhen_out_of_scope = \"empty\"\n\
         [jobs.safety]\nmax_membership_removals = 3",
    )
    .await;
    rig.tenant().unassign(crew);
    let run = rig.sync().await.expect(4).job();
    assert_eq!(
        run["held"]["reasons"][0]["counted"], "memberships",
        "{run:#}"
    );
    assert_eq!(members(&rig, "Crew"), Some(7));
    rig.run(&["approve", "demo"]).await.expect(0);
    rig.sync().await.expect(0);
    assert_eq!(members(&rig, "Crew"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_group_differs_from_the_others_when_it_leaves() {
    let exceptions = |when: &str| {
        format!(
            "[[jobs.groups.exceptions]]\ngroup = \"vpn\"\nwhen_out_of_scope = \"{when}\"\n\
             [[jobs.groups.exceptions]]\ngroup = \"Boarrd\"\nwhen_out_of_scope = \"keep\""
        )
    };
    let (rig, groups) = start(&exceptions("keep")).await;
    let plan = rig.plan().await.expect(0).job();
    let expected = ("groups.exceptions".to_owned(), "Boarrd".to_owned());
    assert_eq!(misnamed(&plan), [expected], "{plan:#}");
    let test = rig.run(&["test"]).await;
    assert!(test.out.contains("Boarrd"), "{test:?}");
    for group in groups {
        rig.tenant().unassign(group);
    }
    rig.sync().await.expect(0);
    assert_eq!(members(&rig, "Crew"), None);
    assert_eq!(members(&rig, "VPN"), Some(7));
    // A changed exception is looked at in the next cycle.
    rig.configure(&exceptions("empty"));
    rig.sync().await.expect(0);
    assert_eq!(members(&rig, "VPN"), Some(0));
    rig.configure("");
    rig.sync().await.expect(0);
    assert_eq!(members(&rig, "VPN"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_empty_no_group_and_create_no_user_is_remarked() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.configure(
        "[jobs.users]\ncreate_blocked = true\n\
         [[jobs.users.mappings]]\ntarget = \"active\"\nremove = true\n\
         [jobs.groups]\nactions = [\"create\", \"delete\"]\nwhen_out_of_scope = \"empty\"",
    );
    let check = rig.run(&["check"]).await.expect(0);
    let words = format!("{}{}", check.out, check.err);
    for remark in [
        "no blocked user would be created",
        "no group would be emptied",
    ] {
        assert!(words.contains(remark), "{remark}: {words}");
    }
    rig.configure("[jobs.users]\nwhen_out_of_scope = \"empty\"");
    let check = rig.run(&["check"]).await.expect(2);
    assert!(check.out.contains("\"empty\" is not one"), "{check:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_user_is_created_as_inactive_where_that_is_configured() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    let jane = rig.joiner("jane");
    rig.tenant().disable_user(jane);
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.user_count(), 0);
    let explained = rig.run(&["explain", "demo", "jane@contoso.com"]).await;
    assert!(explained.out.contains("create_blocked"), "{explained:?}");

    rig.configure("[jobs.users]\ncreate_blocked = true");
    let group = rig.tenant().add_group("Crew");
    rig.tenant().add_members(group, &[jane]);
    rig.tenant().assign(group, ROLE_USER);
    let run = rig.sync().await.expect(0).job();
    assert_eq!(run["done"]["create"], 2, "{run:#}");
    assert_eq!(rig.user("jane@contoso.com")["active"], false);
    assert_eq!(members(&rig, "Crew"), Some(1));
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
    // The first day.
    rig.tenant().enable_user(jane);
    let run = rig.sync().await.expect(0).job();
    assert_eq!(run["done"]["enable"], 1, "{run:#}");
    assert_eq!(rig.user("jane@contoso.com")["active"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_of_a_blocked_user_is_adopted_and_then_disabled() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.configure("[jobs.users]\ncreate_blocked = true\n[jobs.safety]\nmax_deletions = 0");
    let user = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "jane@contoso.com",
        "title": "old",
        "active": true,
    });
    rig.sandbox.target.create_user(&user).unwrap();
    let jane = rig.joiner("jane");
    rig.tenant()
        .set_property(jane, "jobTitle", json!("Engineer"));
    rig.tenant().disable_user(jane);
    let run = rig.sync().await.expect(0).job();
    assert_eq!(run["done"]["adopt"], 1, "{run:#}");
    assert_eq!(rig.user("jane@contoso.com")["title"], "Engineer");
    // Its access is taken as any other's is: under the limits.
    rig.sync().await.expect(4);
    assert_eq!(rig.user("jane@contoso.com")["active"], true);
    rig.run(&["approve", "demo"]).await.expect(0);
    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane@contoso.com")["active"], false);
    let names: BTreeSet<String> = rig
        .sandbox
        .target
        .users()
        .iter()
        .map(|one| one["userName"].to_string())
        .collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn history_says_which_groups_a_person_was_added_to_and_removed_from_and_why() {
    let (rig, [crew, vpn]) = start("").await;
    let of = |number: usize| {
        let name = format!("member{number}@contoso.com");
        let user = rig.tenant().find_user_by("userPrincipalName", &name);
        user.unwrap().id
    };
    rig.tenant().remove_members(crew, &[of(1)]);
    rig.tenant().remove_members(vpn, &[of(1), of(2)]);
    rig.sync().await.expect(0);
    let history = async |name: &str| {
        let run = rig.run(&["history", name]).await.expect(0).out;
        let json = rig.run(&["history", name, "--format", "json"]).await;
        let json: Value = serde_json::from_str(&json.expect(0).out).unwrap();
        (run, json)
    };
    let entries = |json: &Value, action: &str, group: &str| -> Vec<Value> {
        let all = json["entries"].as_array().unwrap().iter();
        let of = all.filter(|one| one["action"] == action && one["subject"]["label"] == group);
        of.cloned().collect()
    };
    let (text, json) = history("member1@contoso.com").await;
    for group in ["Crew", "VPN"] {
        let added = entries(&json, "add-members", group);
        assert_eq!(added[0]["why"]["reason"], "member", "{json:#}");
        assert_eq!(added[0]["changes"][0]["new"].as_array().unwrap().len(), 1);
        let removed = entries(&json, "remove-members", group);
        assert_eq!(removed.len(), 1, "{json:#}");
        assert_eq!(removed[0]["why"]["reason"], "not-member", "{json:#}");
        let old = removed[0]["changes"][0]["old"].as_array().unwrap();
        assert_eq!(old.len(), 1, "only the person itself: {json:#}");
    }
    assert!(
        text.contains("no longer members of the group in Entra"),
        "{text}"
    );
    // The group itself names each of them, and why.
    let (text, json) = history("VPN").await;
    let removed = entries(&json, "remove-members", "VPN");
    assert_eq!(removed[0]["why"]["reason"], "not-member", "{json:#}");
    assert!(text.contains("member2@contoso.com"), "{text}");
    // So does the log.
    let log = rig
        .run(&["log", "demo", "--action", "remove-members"])
        .await;
    assert!(
        log.expect(0)
            .out
            .contains("because they are no longer members")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_leave_for_different_reasons_each_have_their_own() {
    let (rig, [crew, _]) = start("").await;
    let of = |number: usize| {
        let name = format!("member{number}@contoso.com");
        let user = rig.tenant().find_user_by("userPrincipalName", &name);
        user.unwrap().id
    };
    // One leaves the group; another stays in it, and is excluded.
    rig.tenant().remove_members(crew, &[of(1)]);
    let filter = "[[jobs.users.filters]]\nall = [ { attribute = \"userPrincipalName\", \
                  operator = \"NOT EQUALS\", value = \"member2@contoso.com\" } ]";
    rig.configure(filter);
    let plan = rig.plan().await.expect(0).job();
    let rows = plan["actions"].as_array().unwrap();
    let row = rows
        .iter()
        .find(|one| one["action"] == "remove-members" && one["subject"]["label"] == "Crew");
    let whys: BTreeSet<&str> = row.unwrap()["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["why"].as_str().unwrap())
        .collect();
    assert_eq!(
        whys,
        BTreeSet::from(["not-member", "member-out-of-scope"]),
        "{plan:#}"
    );
    rig.sync().await.expect(0);
    let log = ["log", "demo", "--action", "remove-members"];
    let text = rig.run(&log).await.expect(0).out;
    assert!(
        text.contains("because they left for different reasons"),
        "{text}"
    );
    assert!(text.contains("(no longer a member in Entra)"), "{text}");
    assert!(text.contains("no longer in scope)"), "{text}");
}

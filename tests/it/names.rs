//! Names in the lists of the scope that match no group, several, or no object: what is reported of them, and
//! who waits until they are fixed.

use entrain::sandbox::Uuid;
use serde_json::json;

use crate::rig::{Rig, Run};
use crate::scope::{is_active, members, start, sync, unassigned};

/// A tenant of two named groups, both in the target.
async fn of_two_groups() -> (Rig, [Uuid; 2], [Uuid; 2]) {
    let rig = start().await;
    let (jane, john) = (unassigned(&rig, "jane"), unassigned(&rig, "john"));
    let choir = rig.tenant().add_group("Lakeside Choir");
    rig.tenant().add_members(choir, &[jane]);
    let team = rig.tenant().add_group("Boat builders (dynamic)");
    rig.tenant().add_members(team, &[jane, john]);
    rig.configure(
        "[jobs.scope]\nmode = \"groups\"\n\
         groups = [\"Lakeside Choir\", \"Boat builders (dynamic)\"]",
    );
    sync(&rig).await;
    assert_eq!(rig.sandbox.target.user_count(), 2);
    assert_eq!(rig.sandbox.target.group_count(), 2);
    (rig, [jane, john], [choir, team])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_group_that_does_not_exist_removes_no_user_and_is_reported() {
    let (rig, [jane, john], [choir, team]) = of_two_groups().await;
    rig.edit(|text| text.replace("Boat builders (dynamic)", "Boat bilders (dynamic)"));
    let newcomer = unassigned(&rig, "newcomer");
    rig.tenant().add_members(choir, &[newcomer]);
    let plan = rig.plan().await.expect(1).job();
    assert_eq!(plan["totals"]["delete"], 0, "{plan:#}");
    assert_eq!(plan["totals"]["disable"], 0);
    assert_eq!(plan["totals"]["remove-members"], 0);
    assert_eq!(plan["totals"]["create"], 1);
    assert_eq!(plan["misnamed"][0]["key"], "scope.groups");
    assert_eq!(plan["misnamed"][0]["name"], "Boat bilders (dynamic)");
    assert_eq!(
        plan["misnamed"][0]["nearest"],
        json!(["Boat builders (dynamic)"])
    );
    let told = |run: &Run| {
        assert!(
            run.out
                .contains("scope.groups names \"Boat bilders (dynamic)\"")
                && run
                    .out
                    .contains("did you mean \"Boat builders (dynamic)\"?"),
            "{run:?}"
        );
    };
    told(&rig.run(&["plan"]).await.expect(1));
    told(&rig.run(&["sync"]).await.expect(1));
    told(&rig.run(&["status"]).await.expect(0));
    told(&rig.run(&["test"]).await.expect(1));
    assert_eq!(is_active(&rig, "john"), Some(true));
    assert_eq!(is_active(&rig, "newcomer"), Some(true));
    assert_eq!(members(&rig, "Boat builders (dynamic)"), 2);
    // Who is deleted or leaves a group goes all the same: that does not hang on the name.
    rig.tenant().soft_delete_user(john);
    rig.tenant().remove_members(choir, &[jane]);
    rig.sync().await.expect(1);
    assert_eq!(is_active(&rig, "john"), Some(false));
    assert_eq!(is_active(&rig, "jane"), Some(true));
    assert_eq!(members(&rig, "Lakeside Choir"), 1);

    // Corrected, the cycle goes on from the truth.
    rig.edit(|text| text.replace("Boat bilders (dynamic)", "Boat builders (dynamic)"));
    sync(&rig).await;
    assert_eq!(members(&rig, "Boat builders (dynamic)"), 1);
    rig.run(&["test"]).await.expect(0);
    // A rename in the tenant is the same as a slip in the config.
    rig.tenant().rename_group(team, "Builders");
    let run = rig.sync().await.expect(1).job();
    assert!(
        run["incomplete"]
            .as_str()
            .unwrap()
            .contains("\"Boat builders (dynamic)\""),
        "{run:#}"
    );
    assert_eq!(is_active(&rig, "jane"), Some(true));
    rig.edit(|text| text.replace("Boat builders (dynamic)", &team.to_string()));
    sync(&rig).await;
    assert_eq!(members(&rig, "Builders"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn blocked_users_lose_access_though_the_name_of_the_group_is_unresolved() {
    let (rig, [_, john], [_, team]) = of_two_groups().await;
    rig.tenant().rename_group(team, "Builders");
    rig.sync().await.expect(1);
    rig.tenant().disable_user(john);
    let plan = rig.plan().await.expect(1).job();
    assert_eq!(plan["actions"].as_array().unwrap().len(), 1, "{plan:#}");
    assert_eq!(plan["actions"][0]["action"], "disable");
    assert_eq!(plan["actions"][0]["why"]["reason"], "blocked", "{plan:#}");
    rig.sync().await.expect(1);
    assert_eq!(is_active(&rig, "john"), Some(false));
    assert_eq!(is_active(&rig, "jane"), Some(true));
    assert_eq!(members(&rig, "Boat builders (dynamic)"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_name_is_unresolved_only_users_that_wait_are_evaluated_again() {
    let (rig, _, _) = of_two_groups().await;
    rig.edit(|text| text.replace("Boat builders (dynamic)", "Boat bilders (dynamic)"));
    let first = rig.sync().await.expect(1).job();
    assert_eq!(first["kind"], "initial", "{first:#}");
    for _ in 0..2 {
        let next = rig.sync().await.expect(1).job();
        assert_eq!(next["kind"], "incremental", "{next:#}");
        assert_eq!(next["requests"]["target"], 0);
        // John and the group that is named no more; Jane sings in the choir.
        assert_eq!(next["evaluated"], json!({ "users": 1, "groups": 1 }));
        assert_eq!(next["misnamed"].as_array().unwrap().len(), 1);
    }
    assert_eq!(is_active(&rig, "john"), Some(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_gets_its_name_back_needs_no_change_of_the_config() {
    let (rig, [_, john], [_, team]) = of_two_groups().await;
    rig.tenant().rename_group(team, "Builders");
    rig.sync().await.expect(1);
    // Nothing but his mark finds John once he is in no group.
    rig.tenant().remove_members(team, &[john]);
    rig.sync().await.expect(1);
    rig.sync().await.expect(1);
    assert_eq!(is_active(&rig, "john"), Some(true));
    assert_eq!(members(&rig, "Boat builders (dynamic)"), 2);
    rig.tenant().rename_group(team, "Boat builders (dynamic)");
    sync(&rig).await;
    assert_eq!(is_active(&rig, "john"), Some(false));
    assert_eq!(is_active(&rig, "jane"), Some(true));
    assert_eq!(members(&rig, "Boat builders (dynamic)"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_group_that_takes_the_name_settles_who_waited() {
    let (rig, [_, john], [_, team]) = of_two_groups().await;
    rig.edit(|text| {
        format!(
            "{text}\n[jobs.groups]\nenabled = false\n[jobs.users]\nwhen_out_of_scope = \"delete\""
        )
    });
    sync(&rig).await;
    rig.tenant().rename_group(team, "Builders");
    rig.tenant().disable_user(john);
    rig.sync().await.expect(1);
    // Nothing is left to do for John, but he may still have to go.
    rig.sync().await.expect(1);
    assert_eq!(is_active(&rig, "john"), Some(false));
    let jim = unassigned(&rig, "jim");
    let again = rig.tenant().add_group("Boat builders (dynamic)");
    rig.tenant().add_members(again, &[jim]);
    sync(&rig).await;
    assert_eq!(is_active(&rig, "jim"), Some(true));
    assert_eq!(is_active(&rig, "john"), None);
    rig.tenant().enable_user(john);
    rig.tenant().add_members(again, &[john]);
    sync(&rig).await;
    assert_eq!(is_active(&rig, "john"), Some(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_to_provision_that_is_nowhere_deletes_no_other() {
    let (rig, _, _) = of_two_groups().await;
    rig.edit(|text| format!("{text}\n[jobs.groups]\nprovision = [\"Lakeside Chior\"]"));
    let plan = rig.plan().await.expect(1).job();
    assert_eq!(plan["actions"], json!([]), "{plan:#}");
    assert_eq!(plan["misnamed"][0]["key"], "groups.provision");
    let skipped = plan["skipped"].as_array().unwrap();
    assert!(
        skipped.iter().all(|one| one["reason"] == "incomplete-read"),
        "{plan:#}"
    );
    let test = rig.run(&["test", "--format", "json"]).await.expect(1).job();
    let checks = test["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["ok"] == false).unwrap();
    assert!(
        check["remedy"]
            .as_str()
            .unwrap()
            .contains("\"Lakeside Choir\""),
        "{test:#}"
    );
    rig.edit(|text| text.replace("Lakeside Chior", "Lakeside Choir"));
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.group_count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_cycle_says_that_its_only_group_is_nowhere() {
    let rig = start().await;
    // An id of no object matches nothing, too.
    for name in ["Nope", "44445555-eeee-6666-ffff-7777aaaa8888"] {
        rig.configure(&format!(
            "[jobs.scope]\nmode = \"groups\"\ngroups = [\"{name}\"]"
        ));
        let run = rig.run(&["plan"]).await.expect(1);
        assert!(run.out.contains(&format!("names \"{name}\"")), "{run:?}");
        let run = rig.run(&["test"]).await.expect(1);
        assert!(run.out.contains(&format!("names \"{name}\"")), "{run:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_a_filter_names_and_that_does_not_exist_removes_no_user() {
    let (rig, [jane, _john], [choir, team]) = of_two_groups().await;
    let clause = |attribute: &str, value: &str| {
        format!("{{ attribute = \"{attribute}\", operator = \"EQUALS\", value = \"{value}\" }}")
    };
    rig.configure(&format!(
        "[jobs.scope]\nmode = \"groups\"\ngroups = [\"{choir}\", \"{team}\"]\n\
         [jobs.users]\nfilters = [ {{ all = [ {} ] }}, {{ all = [ {} ] }} ]",
        clause("memberOf", "Lakeside Choir"),
        clause("userPrincipalName", "john@contoso.com"),
    ));
    sync(&rig).await;
    assert_eq!(is_active(&rig, "jane"), Some(true));
    rig.tenant().rename_group(choir, "Firm Choir");
    let plan = rig.plan().await.expect(1).job();
    assert_eq!(plan["misnamed"][0]["key"], "users.filters", "{plan:#}");
    assert_eq!(plan["misnamed"][0]["name"], "Lakeside Choir");
    assert_eq!(plan["totals"]["disable"], 0);
    rig.run(&["test"]).await.expect(1);
    rig.sync().await.expect(1);
    assert_eq!(is_active(&rig, "jane"), Some(true));
    assert_eq!(members(&rig, "Firm Choir"), 1);

    // Who is blocked in Entra does not wait.
    let blocked = json!(false);
    rig.tenant().set_property(jane, "accountEnabled", blocked);
    rig.sync().await.expect(1);
    assert_eq!(is_active(&rig, "jane"), Some(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_several_groups_have_means_all_and_is_reported() {
    let (rig, _, _) = of_two_groups().await;
    let again = rig.tenant().add_group("Lakeside Choir");
    let jim = unassigned(&rig, "jim");
    rig.tenant().add_members(again, &[jim]);
    // The target holds one group of a name.
    let plan = rig.plan().await.expect(3).job();
    assert_eq!(plan["incomplete"], json!(null), "{plan:#}");
    let found = plan["misnamed"][0]["found"].as_array().unwrap();
    assert!(found.contains(&json!(again.to_string())), "{plan:#}");
    let run = rig.run(&["sync"]).await;
    assert!(run.out.contains("the name of several groups"), "{run:?}");
    assert_eq!(is_active(&rig, "jim"), Some(true));
    let run = rig.run(&["test"]).await.expect(1);
    assert!(run.out.contains("use the id of one group"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exclusion_of_no_existing_user_is_reported_and_stops_nothing() {
    let (rig, _, _) = of_two_groups().await;
    rig.edit(|text| {
        text.replace(
            "[jobs.scope]",
            "[jobs.scope]\nexclude = [\"jhon@contoso.com\", \"lakeside choir\"]",
        )
    });
    let plan = rig.plan().await.expect(0).job();
    assert_eq!(plan["incomplete"], json!(null), "{plan:#}");
    assert_eq!(plan["misnamed"].as_array().unwrap().len(), 1, "{plan:#}");
    assert_eq!(plan["misnamed"][0]["key"], "scope.exclude");
    assert_eq!(
        plan["totals"]["delete"], 1,
        "the group is left out: {plan:#}"
    );
    for (command, code) in [("plan", 0), ("sync", 0), ("test", 1)] {
        let run = rig.run(&[command]).await.expect(code);
        assert!(
            run.out.contains("scope.exclude names \"jhon@contoso.com\""),
            "{run:?}"
        );
    }
}

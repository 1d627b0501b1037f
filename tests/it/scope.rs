//! Who belongs: modes of scope, nested groups, exclusions and filters, as they change.

use entrain::sandbox::{ROLE_USER, Size, Uuid};
use serde_json::json;

use crate::rig::Rig;

async fn start() -> Rig {
    Rig::start(Size::new(20, 3, 40)).await
}

fn is_active(rig: &Rig, alias: &str) -> Option<bool> {
    let user = rig
        .sandbox
        .target
        .find_user_by("userName", &format!("{alias}@contoso.com"))?;
    user["active"].as_bool()
}

fn members(rig: &Rig, group: &str) -> usize {
    let group = rig
        .sandbox
        .target
        .find_group_by("displayName", group)
        .unwrap();
    group["members"].as_array().map_or(0, Vec::len)
}

fn unassigned(rig: &Rig, alias: &str) -> Uuid {
    let id = rig.joiner(alias);
    rig.tenant().unassign(id);
    id
}

async fn sync(rig: &Rig) {
    rig.sync().await.expect(0);
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
    assert_eq!(
        rig.sandbox.target.traffic().overlaps(),
        Vec::<String>::new()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn named_groups_need_no_assignment() {
    let rig = start().await;
    rig.configure(
        "[jobs.scope]\nmode = \"groups\"\ngroups = [\"Fans\"]\n[jobs.safety]\nmax_deletions = 10",
    );
    let (jane, john) = (unassigned(&rig, "jane"), unassigned(&rig, "john"));
    let group = rig.tenant().add_group("Fans");
    rig.tenant().add_members(group, &[jane, john]);
    sync(&rig).await;
    assert_eq!(rig.sandbox.target.user_count(), 2);
    assert_eq!(members(&rig, "Fans"), 2);
    rig.tenant().remove_members(group, &[jane]);
    sync(&rig).await;
    assert_eq!(is_active(&rig, "jane"), Some(false));
    assert_eq!(members(&rig, "Fans"), 1);
    // A group that goes by another name is not the one that was named.
    rig.tenant().rename_group(group, "Former fans");
    rig.sync().await;
    rig.tenant().rename_group(group, "Fans");
    sync(&rig).await;
    assert_eq!(is_active(&rig, "john"), Some(true));
    assert_eq!(members(&rig, "Fans"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_members_belong_where_the_config_says_so() {
    let rig = start().await;
    let jane = unassigned(&rig, "jane");
    let outer = rig.tenant().add_group("Outer");
    let middle = rig.tenant().add_group("Middle");
    let inner = rig.tenant().add_group("Inner");
    rig.tenant().add_members(outer, &[middle]);
    rig.tenant().add_members(middle, &[inner]);
    rig.tenant().add_members(inner, &[jane, outer]);
    rig.tenant().assign(outer, ROLE_USER);
    sync(&rig).await;
    assert_eq!(is_active(&rig, "jane"), None);
    assert_eq!(members(&rig, "Outer"), 0);

    rig.configure("[jobs.scope]\nnested_groups = true");
    sync(&rig).await;
    assert_eq!(is_active(&rig, "jane"), Some(true));
    assert_eq!(members(&rig, "Outer"), 1);

    rig.tenant().remove_members(middle, &[inner]);
    sync(&rig).await;
    assert_eq!(is_active(&rig, "jane"), Some(false));
    assert_eq!(members(&rig, "Outer"), 0);

    rig.tenant().add_members(outer, &[inner]);
    sync(&rig).await;
    assert_eq!(is_active(&rig, "jane"), Some(true));
    assert_eq!(members(&rig, "Outer"), 1);

    rig.tenant().soft_delete_group(inner);
    sync(&rig).await;
    assert_eq!(is_active(&rig, "jane"), Some(false));
    rig.tenant().restore_group(inner);
    sync(&rig).await;
    assert_eq!(is_active(&rig, "jane"), Some(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_and_exclusions_let_people_in_and_out() {
    let rig = start().await;
    rig.configure(
        r#"
[jobs.scope]
mode = "all"
exclude = ["john@contoso.com"]
[jobs.users]
filters = [ { all = [ { attribute = "department", operator = "EQUALS", value = "R&D" } ] } ]
[jobs.groups]
enabled = false
"#,
    );
    let jane = unassigned(&rig, "jane");
    unassigned(&rig, "john");
    sync(&rig).await;
    assert_eq!(is_active(&rig, "jane"), Some(true));
    assert_eq!(is_active(&rig, "john"), None);
    assert_eq!(rig.sandbox.target.group_count(), 0);
    rig.tenant()
        .set_property(jane, "department", json!("Sales"));
    sync(&rig).await;
    assert_eq!(is_active(&rig, "jane"), Some(false));
    rig.tenant().set_property(jane, "department", json!("R&D"));
    sync(&rig).await;
    assert_eq!(is_active(&rig, "jane"), Some(true));
    rig.edit(|text| text.replace("john@contoso.com", "jane@contoso.com"));
    sync(&rig).await;
    assert_eq!(is_active(&rig, "jane"), Some(false));
    assert_eq!(is_active(&rig, "john"), Some(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_who_comes_late_is_linked_in_that_cycle() {
    let rig = start().await;
    let jane = rig.joiner("jane");
    let boss = unassigned(&rig, "boss");
    rig.tenant().set_manager(jane, Some(boss));
    let group = rig.tenant().add_group("Fans");
    rig.tenant().add_members(group, &[jane]);
    rig.tenant().assign(group, ROLE_USER);
    sync(&rig).await;
    rig.tenant().add_members(group, &[boss]);
    sync(&rig).await;
    let view = rig.target().await;
    assert_eq!(
        view.users["jane@contoso.com"].manager.as_deref(),
        Some("boss@contoso.com")
    );
    assert_eq!(members(&rig, "Fans"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_follows_the_manager_the_roles_and_the_groups_of_a_person() {
    let rig = start().await;
    let jane = rig.joiner("jane");
    let boss = unassigned(&rig, "boss");
    let outer = rig.tenant().add_group("Outer");
    let inner = rig.tenant().add_group("Inner");
    rig.tenant().add_members(outer, &[inner]);
    let filter = |clause: &str| {
        rig.configure(&format!(
            "[jobs.scope]\nnested_groups = true\n[jobs.safety]\nmax_deletions = \"100%\"\n\
             [jobs.users]\nfilters = [ {{ name = \"few\", all = [ {clause},\n\
             {{ attribute = \"displayName\", operator = \"EQUALS\", value = \"jane\" }} ] }} ]\n\
             [jobs.groups]\nenabled = false"
        ));
    };
    // Who names an object by its id may write it as it likes.
    filter(&format!(
        "{{ attribute = \"manager\", operator = \"EQUALS\", value = \"{}\" }}",
        boss.to_string().to_uppercase()
    ));
    sync(&rig).await;
    assert_eq!(is_active(&rig, "jane"), None);
    rig.tenant().set_manager(jane, Some(boss));
    sync(&rig).await;
    assert_eq!(is_active(&rig, "jane"), Some(true));
    rig.tenant().set_manager(jane, None);
    sync(&rig).await;
    assert_eq!(is_active(&rig, "jane"), Some(false));

    filter("{ attribute = \"memberOf\", operator = \"EQUALS\", value = \"Outer\" }");
    sync(&rig).await;
    assert_eq!(is_active(&rig, "jane"), Some(false));
    rig.tenant().add_members(inner, &[jane]);
    sync(&rig).await;
    assert_eq!(is_active(&rig, "jane"), Some(true));
    // Nobody goes for a group that is not there any more: it may be called otherwise.
    rig.tenant().rename_group(outer, "Other");
    rig.sync().await.expect(1);
    assert_eq!(is_active(&rig, "jane"), Some(true));
    rig.tenant().rename_group(outer, "Outer");
    sync(&rig).await;
    assert_eq!(is_active(&rig, "jane"), Some(true));
    rig.tenant().remove_members(outer, &[inner]);
    sync(&rig).await;
    assert_eq!(is_active(&rig, "jane"), Some(false));
    rig.tenant().add_members(outer, &[jane]);
    sync(&rig).await;
    assert_eq!(is_active(&rig, "jane"), Some(true));
    rig.tenant().soft_delete_group(outer);
    rig.sync().await.expect(1);
    assert_eq!(is_active(&rig, "jane"), Some(true));

    filter("{ attribute = \"appRoleAssignments\", operator = \"EQUALS\", value = \"none such\" }");
    sync(&rig).await;
    assert_eq!(is_active(&rig, "jane"), Some(false));
    filter("{ attribute = \"appRoleAssignments\", operator = \"IS NOT NULL\" }");
    sync(&rig).await;
    assert_eq!(is_active(&rig, "jane"), Some(true));
    rig.edit(|text| text.replace("[jobs.scope]", "[jobs.scope]\nmode = \"all\""));
    let told = rig.run(&["check"]).await.expect(2);
    assert!(told.err.contains("appRoleAssignments") || told.out.contains("appRoleAssignments"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_filtered_out_is_told_by_which_filters() {
    let rig = start().await;
    rig.joiner("jane");
    let filter = |department: &str| {
        rig.configure(&format!(
            "[jobs.users]\nfilters = [\n\
             {{ name = \"Sellers\", all = [ \
             {{ attribute = \"department\", operator = \"EQUALS\", value = \"{department}\" }} ] }},\n\
             {{ all = [ {{ attribute = \"surname\", operator = \"IS NOT NULL\" }}, \
             {{ attribute = \"city\", operator = \"IS NOT NULL\" }} ] }} ]\n\
             [jobs.safety]\nmax_deletions = \"100%\"\n[jobs.groups]\nenabled = false"
        ));
    };
    let failures = json!([
        {
            "number": 1,
            "name": "Sellers",
            "clause": "department EQUALS \"Sales\"",
            "value": "R&D",
        },
        { "number": 2, "name": null, "clause": "city IS NOT NULL", "value": null },
    ]);
    let sentence = "it does not pass the scoping filter \"Sellers\": department EQUALS \"Sales\", \
                    but the value is \"R&D\"; it does not pass scoping filter 2: \
                    city IS NOT NULL, but it has no value";

    filter("Sales");
    let plan = rig.plan().await.expect(0).job();
    let skipped = plan["skipped"].as_array().unwrap().iter();
    let jane = skipped
        .into_iter()
        .find(|one| one["subject"]["label"] == "jane@contoso.com");
    let jane = jane.unwrap();
    assert_eq!(jane["filters"], failures, "{plan:#}");
    assert_eq!(jane["text"], sentence);
    let text = rig.run(&["plan"]).await.expect(0).out;
    assert!(text.contains(sentence), "{text}");

    filter("R&D");
    sync(&rig).await;
    filter("Sales");
    let plan = rig.plan().await.expect(0).job();
    let why = &plan["actions"][0]["why"];
    assert_eq!(why["filters"], failures, "{plan:#}");
    assert_eq!(why["text"], sentence);
}

#[tokio::test(flavor = "multi_thread")]
async fn everyone_belongs_without_assignment_unless_excluded_by_name_or_id() {
    let rig = start().await;
    let jane = unassigned(&rig, "jane");
    unassigned(&rig, "john");
    unassigned(&rig, "jim");
    rig.configure(&format!(
        "[jobs.scope]\nmode = \"all\"\nexclude = [\"JOHN@contoso.com\", \"{jane}\"]\n\
         [jobs.groups]\nenabled = false"
    ));
    let plan = rig.plan().await.expect(0).job();
    let creates = plan["actions"].as_array().unwrap();
    assert!(
        creates
            .iter()
            .all(|one| one["via"] == json!(["everyone is in scope"])),
        "{plan:#}"
    );
    let excluded = plan["skipped"].as_array().unwrap().iter();
    let excluded: Vec<_> = excluded
        .filter(|one| one["detail"] == "excluded")
        .map(|one| one["subject"]["label"].as_str().unwrap())
        .collect();
    assert_eq!(excluded.len(), 2, "{plan:#}");
    sync(&rig).await;
    assert_eq!(is_active(&rig, "jim"), Some(true));
    assert_eq!(is_active(&rig, "jane"), None);
    assert_eq!(is_active(&rig, "john"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_through_nested_groups_is_told() {
    let rig = start().await;
    let (jane, john) = (unassigned(&rig, "jane"), unassigned(&rig, "john"));
    let sales = rig.tenant().add_group("Sales");
    let emea = rig.tenant().add_group("EMEA");
    let berlin = rig.tenant().add_group("Berlin");
    let fans = rig.tenant().add_group("Fans");
    rig.tenant().add_members(sales, &[emea]);
    rig.tenant().add_members(emea, &[berlin]);
    rig.tenant().add_members(berlin, &[sales, jane]);
    rig.tenant().add_members(fans, &[jane, john]);
    // One group by its id, the other by its name; nobody is assigned.
    rig.configure(&format!(
        "[jobs.scope]\nmode = \"groups\"\ngroups = [\"{sales}\", \"fans\"]\nnested_groups = true"
    ));
    let plan = rig.plan().await.expect(0).job();
    let via = |label: &str| {
        let actions = plan["actions"].as_array().unwrap();
        let create = actions
            .iter()
            .find(|one| one["action"] == "create" && one["subject"]["label"] == label);
        let mut ways: Vec<_> = create.unwrap()["via"].as_array().unwrap().clone();
        ways.sort_by_key(ToString::to_string);
        ways
    };
    assert_eq!(via("jane@contoso.com"), ["Fans", "Sales > EMEA > Berlin"]);
    assert_eq!(via("john@contoso.com"), ["Fans"]);
    assert_eq!(via("Fans"), ["named in the configuration"]);
    assert_eq!(via("Berlin"), ["Sales > EMEA > Berlin"]);
    let text = rig.run(&["plan", "-v"]).await.expect(0).out;
    assert!(text.contains("Sales > EMEA > Berlin"), "{text}");
    sync(&rig).await;
    assert_eq!(rig.sandbox.target.user_count(), 2);
    assert_eq!(rig.sandbox.target.group_count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_may_select_people_without_being_provisioned_and_the_other_way_round() {
    let rig = start().await;
    let (jane, john) = (unassigned(&rig, "jane"), unassigned(&rig, "john"));
    let fans = rig.tenant().add_group("Fans");
    rig.tenant().add_members(fans, &[jane]);
    let team = rig.tenant().add_group("Team");
    rig.tenant().add_members(team, &[jane, john]);
    let configure = |more: &str| {
        rig.configure(&format!(
            "[jobs.scope]\nmode = \"groups\"\ngroups = [\"Fans\"]\n[jobs.groups]\n{more}"
        ));
    };
    configure("provision = [\"team\"]");
    let plan = rig.plan().await.expect(0).job();
    let skipped = plan["skipped"].as_array().unwrap();
    assert!(
        skipped
            .iter()
            .any(|one| one["subject"]["label"] == "Fans" && one["detail"] == "not-named"),
        "{plan:#}"
    );
    sync(&rig).await;
    assert_eq!(rig.sandbox.target.user_count(), 1);
    assert_eq!(rig.sandbox.target.group_count(), 1);
    assert_eq!(members(&rig, "Team"), 1);
    configure("provision = \"in-scope\"");
    sync(&rig).await;
    assert_eq!(members(&rig, "Fans"), 1);
    assert!(
        rig.sandbox
            .target
            .find_group_by("displayName", "Team")
            .is_none()
    );
    configure("provision = \"all\"");
    rig.run(&["check"]).await.expect(2);
}

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
async fn a_named_group_that_is_nowhere_removes_nobody_and_is_told() {
    let (rig, [jane, john], [choir, team]) = of_two_groups().await;
    rig.edit(|text| text.replace("Boat builders (dynamic)", "Boat bilders (dynamic)"));
    let newcomer = unassigned(&rig, "newcomer");
    rig.tenant().add_members(choir, &[newcomer]);
    let plan = rig.plan().await.expect(1).job();
    assert_eq!(plan["totals"]["delete"], 0, "{plan:#}");
    assert_eq!(plan["totals"]["disable"], 0);
    assert_eq!(plan["totals"]["remove_members"], 0);
    assert_eq!(plan["totals"]["create"], 1);
    assert_eq!(plan["misnamed"][0]["key"], "scope.groups");
    assert_eq!(plan["misnamed"][0]["name"], "Boat bilders (dynamic)");
    assert_eq!(
        plan["misnamed"][0]["nearest"],
        json!(["Boat builders (dynamic)"])
    );
    let told = |run: &crate::rig::Run| {
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
async fn who_is_blocked_loses_access_though_the_name_of_the_group_is_in_doubt() {
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
async fn while_a_name_is_in_doubt_only_who_waits_is_looked_at_again() {
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
    // An id that is nobody's names nothing, too.
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
async fn a_group_that_a_filter_asks_for_and_that_is_nowhere_removes_nobody() {
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
async fn a_name_that_several_groups_have_means_all_and_is_told() {
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
    assert!(run.out.contains("several groups are called"), "{run:?}");
    assert_eq!(is_active(&rig, "jim"), Some(true));
    let run = rig.run(&["test"]).await.expect(1);
    assert!(run.out.contains("write the id of the group"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exclusion_of_nobody_is_told_and_stops_nothing() {
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

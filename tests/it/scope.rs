//! Who belongs: modes of scope, nested groups, exclusions and filters, as they change.

use entrain::sandbox::{ROLE_USER, Size, Uuid};
use serde_json::json;

use crate::rig::Rig;

pub(crate) async fn start() -> Rig {
    Rig::start(Size::new(20, 3, 40)).await
}

pub(crate) fn is_active(rig: &Rig, alias: &str) -> Option<bool> {
    let user = rig
        .sandbox
        .target
        .find_user_by("userName", &format!("{alias}@contoso.com"))?;
    user["active"].as_bool()
}

pub(crate) fn members(rig: &Rig, group: &str) -> usize {
    let group = rig
        .sandbox
        .target
        .find_group_by("displayName", group)
        .unwrap();
    group["members"].as_array().map_or(0, Vec::len)
}

pub(crate) fn unassigned(rig: &Rig, alias: &str) -> Uuid {
    let id = rig.joiner(alias);
    rig.tenant().unassign(id);
    id
}

pub(crate) async fn sync(rig: &Rig) {
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
async fn a_group_that_is_not_security_enabled_counts_only_where_it_is_named() {
    let rig = start().await;
    let jane = unassigned(&rig, "jane");
    let choir = rig.tenant().add_group("Lakeside Choir");
    rig.tenant().add_members(choir, &[jane]);
    rig.tenant().assign(choir, ROLE_USER);
    sync(&rig).await;
    assert_eq!(is_active(&rig, "jane"), Some(true));
    assert_eq!(members(&rig, "Lakeside Choir"), 1);

    let set = |enabled: bool| {
        let tenant = rig.tenant();
        tenant.set_property(choir, "securityEnabled", json!(enabled));
    };
    set(false);
    let plan = rig.plan().await.expect(0).job();
    let why = |action: &str| {
        let actions = plan["actions"].as_array().unwrap().iter();
        let mut found = actions.filter(|one| one["action"] == action);
        let why = found.next().map(|one| one["why"].clone());
        assert!(found.next().is_none(), "{plan:#}");
        why.unwrap_or_else(|| panic!("no {action}: {plan:#}"))
    };
    let (user, group) = (why("disable"), why("delete"));
    assert_eq!(user["reason"], "not-security-enabled");
    assert_eq!(group["text"], "it is assigned but not security-enabled");
    sync(&rig).await;
    assert_eq!(is_active(&rig, "jane"), Some(false));
    let provisioned = || {
        let target = &rig.sandbox.target;
        target
            .find_group_by("displayName", "Lakeside Choir")
            .is_some()
    };
    assert!(!provisioned());

    // What is named to be provisioned needs no assignment, and brings no user into scope by one.
    rig.configure(
        "[jobs.groups]\nprovision = [\"Lakeside Choir\"]\n[jobs.safety]\nmax_deletions = 50",
    );
    rig.sync().await.expect(0);
    assert!(provisioned());
    assert_eq!(is_active(&rig, "jane"), Some(false));

    rig.configure(
        "[jobs.scope]\nmode = \"groups\"\ngroups = [\"Lakeside Choir\"]\n[jobs.safety]\nmax_deletions = 50",
    );
    sync(&rig).await;
    assert_eq!(is_active(&rig, "jane"), Some(true));
    assert_eq!(members(&rig, "Lakeside Choir"), 1);

    rig.configure("");
    set(true);
    sync(&rig).await;
    assert_eq!(is_active(&rig, "jane"), Some(true));
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
    // No user is removed because of a group that is not there any more: it may be called otherwise.
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
async fn users_that_are_filtered_out_are_listed_with_their_filters() {
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
async fn the_way_through_nested_groups_is_shown() {
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
    // One group by its id, the other by its name; no user is assigned.
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

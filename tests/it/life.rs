//! What becomes of a person and of a group in the target over their life in the source.

use entrain::sandbox::{Fault, ROLE_DEFAULT_ACCESS, ROLE_USER, Size, Trouble};
use serde_json::{Value, json};

use crate::cycles::settles;
use crate::rig::Rig;
use crate::target::Expected;

async fn start() -> Rig {
    Rig::start(Size::new(20, 3, 40)).await
}

fn is_member(rig: &Rig, group: &str, user: &str) -> bool {
    let group = rig.sandbox.target.find_group_by("displayName", group);
    let user = rig.user(user)["id"].clone();
    let members = group.unwrap()["members"].as_array().cloned();
    members
        .unwrap_or_default()
        .iter()
        .any(|one| one["value"] == user)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_user_is_disabled_and_comes_back_with_the_memberships() {
    let rig = start().await;
    let mut expected = Expected::default();
    let jane = rig.joiner("jane");
    let group = rig.tenant().add_group("Fans");
    rig.tenant().add_members(group, &[jane]);
    rig.tenant().assign(group, ROLE_USER);
    settles(&rig, &mut expected).await;
    assert!(is_member(&rig, "Fans", "jane@contoso.com"));
    let id = rig.user("jane@contoso.com")["id"].clone();

    rig.tenant().soft_delete_user(jane);
    settles(&rig, &mut expected).await;
    assert_eq!(rig.user("jane@contoso.com")["active"], false);
    assert!(!is_member(&rig, "Fans", "jane@contoso.com"));

    rig.tenant().restore_user(jane);
    settles(&rig, &mut expected).await;
    assert_eq!(rig.user("jane@contoso.com")["active"], true);
    assert_eq!(rig.user("jane@contoso.com")["id"], id);
    assert!(is_member(&rig, "Fans", "jane@contoso.com"));

    rig.tenant().soft_delete_user(jane);
    settles(&rig, &mut expected).await;
    rig.tenant().hard_delete_user(jane);
    settles(&rig, &mut expected).await;
    assert_eq!(
        rig.sandbox
            .target
            .find_user_by("userName", "jane@contoso.com"),
        None
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_user_is_disabled_and_stays_in_the_groups() {
    let rig = start().await;
    let mut expected = Expected::default();
    let jane = rig.joiner("jane");
    let group = rig.tenant().add_group("Fans");
    rig.tenant().add_members(group, &[jane]);
    rig.tenant().assign(group, ROLE_USER);
    settles(&rig, &mut expected).await;
    for _ in 0..2 {
        rig.tenant().disable_user(jane);
        settles(&rig, &mut expected).await;
        assert_eq!(rig.user("jane@contoso.com")["active"], false);
        rig.tenant().enable_user(jane);
        settles(&rig, &mut expected).await;
        assert_eq!(rig.user("jane@contoso.com")["active"], true);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_goes_by_the_address_at_home() {
    let rig = start().await;
    let guest = rig.joiner("guest");
    let name = "jo_ann.smith_fabrikam.com#EXT#@contoso.onmicrosoft.com";
    rig.tenant()
        .set_property(guest, "userPrincipalName", json!(name));
    rig.tenant().set_property(guest, "userType", json!("Guest"));
    settles(&rig, &mut Expected::default()).await;
    assert_eq!(rig.user("jo_ann.smith@fabrikam.com")["active"], true);

    let home = "Jo_Ann.Smith@fabrikam.com";
    let run = rig.run(&["eval", "[displayName]", "--user", home]).await;
    assert_eq!(run.expect(0).out, "guest\n");
    rig.tenant().set_property(guest, "jobTitle", json!("Boss"));
    rig.run(&["plan", "--user", home]).await.expect(0);
    rig.run(&["sync", "--user", home]).await.expect(0);
    assert_eq!(rig.user("jo_ann.smith@fabrikam.com")["title"], "Boss");
    let log = rig
        .run(&["log", "--object", home, "--format", "json"])
        .await;
    let log: Value = serde_json::from_str(&log.expect(0).out).unwrap();
    assert_eq!(log["entries"].as_array().unwrap().len(), 2, "{log:#}");

    // A second guest of that address: none is chosen.
    let twin = rig.joiner("twin");
    let name = "jo_ann.smith_fabrikam.com#EXT#@contoso.com";
    rig.tenant()
        .set_property(twin, "userPrincipalName", json!(name));
    rig.run(&["sync"]).await;
    for command in ["plan", "sync"] {
        let run = rig.run(&[command, "--user", home]).await.expect(2);
        assert!(run.err.contains("several users are named"), "{run:?}");
    }
    let run = rig.run(&["eval", "[displayName]", "--user", home]).await;
    let run = run.expect(1);
    assert!(run.err.contains("several users are named"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unassigned_user_is_disabled_and_leaves_the_groups_until_assigned_again() {
    let rig = start().await;
    let mut expected = Expected::default();
    let jane = rig.joiner("jane");
    rig.tenant().unassign(jane);
    let group = rig.tenant().add_group("Fans");
    rig.tenant().add_members(group, &[jane]);
    rig.tenant().assign(group, ROLE_USER);
    settles(&rig, &mut expected).await;
    rig.tenant().remove_members(group, &[jane]);
    settles(&rig, &mut expected).await;
    assert_eq!(rig.user("jane@contoso.com")["active"], false);
    assert!(!is_member(&rig, "Fans", "jane@contoso.com"));
    rig.tenant().set_property(jane, "jobTitle", json!("Boss"));
    rig.tenant().add_members(group, &[jane]);
    settles(&rig, &mut expected).await;
    assert_eq!(rig.user("jane@contoso.com")["title"], "Boss");
    assert!(is_member(&rig, "Fans", "jane@contoso.com"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unassigned_group_is_deleted_and_created_with_its_members_when_assigned_again() {
    let rig = start().await;
    let mut expected = Expected::default();
    let jane = rig.joiner("jane");
    let group = rig.tenant().add_group("Fans");
    rig.tenant().add_members(group, &[jane]);
    rig.tenant().assign(group, ROLE_USER);
    settles(&rig, &mut expected).await;
    rig.tenant().unassign(group);
    settles(&rig, &mut expected).await;
    assert_eq!(
        rig.sandbox.target.find_group_by("displayName", "Fans"),
        None
    );
    assert_eq!(rig.user("jane@contoso.com")["active"], true);
    rig.tenant().assign(group, ROLE_USER);
    settles(&rig, &mut expected).await;
    assert!(is_member(&rig, "Fans", "jane@contoso.com"));
    rig.tenant().soft_delete_group(group);
    settles(&rig, &mut expected).await;
    assert_eq!(
        rig.sandbox.target.find_group_by("displayName", "Fans"),
        None
    );
    rig.tenant().restore_group(group);
    settles(&rig, &mut expected).await;
    assert!(is_member(&rig, "Fans", "jane@contoso.com"));
}

#[tokio::test(flavor = "multi_thread")]
async fn leavers_are_deleted_where_the_config_says_so() {
    let rig = start().await;
    rig.configure("[jobs.users]\nwhen_out_of_scope = \"delete\"");
    let jane = rig.joiner("jane");
    rig.sync().await.expect(0);
    rig.tenant().unassign(jane);
    rig.sync().await.expect(0);
    assert_eq!(
        rig.sandbox
            .target
            .find_user_by("userName", "jane@contoso.com"),
        None
    );
    rig.tenant().assign(jane, ROLE_USER);
    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane@contoso.com")["active"], true);
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn leavers_are_kept_where_the_config_says_so() {
    let rig = start().await;
    rig.configure(
        "[jobs.users]\nwhen_out_of_scope = \"keep\"\n[jobs.groups]\nwhen_out_of_scope = \"keep\"",
    );
    let jane = rig.joiner("jane");
    let john = rig.joiner("john");
    let group = rig.tenant().add_group("Fans");
    rig.tenant().assign(group, ROLE_USER);
    rig.sync().await.expect(0);
    rig.tenant().unassign(jane);
    rig.tenant().hard_delete_user(john);
    rig.tenant().unassign(group);
    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane@contoso.com")["active"], true);
    assert_eq!(rig.user("john@contoso.com")["active"], true);
    assert!(
        rig.sandbox
            .target
            .find_group_by("displayName", "Fans")
            .is_some()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_that_are_not_allowed_are_not_done() {
    let rig = start().await;
    rig.configure("[jobs.users]\nactions = [\"update\"]");
    let summary = rig.sync().await.expect(0).job();
    assert_eq!(rig.sandbox.target.user_count(), 0, "{summary:#}");
    assert!(
        summary["skipped"]["not-allowed"].as_u64().unwrap() > 0,
        "{summary:#}"
    );

    rig.configure("[jobs.users]\nactions = [\"create\"]");
    let jane = rig.joiner("jane");
    let john = rig.joiner("john");
    rig.sync().await.expect(0);
    rig.tenant().set_property(jane, "jobTitle", json!("Boss"));
    rig.tenant().unassign(john);
    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane@contoso.com")["title"], "Engineer");
    assert_eq!(rig.user("john@contoso.com")["active"], true);

    // What was not allowed is done once it is.
    rig.configure("[jobs.users]\nwhen_out_of_scope = \"delete\"");
    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane@contoso.com")["title"], "Boss");
    assert_eq!(
        rig.sandbox
            .target
            .find_user_by("userName", "john@contoso.com"),
        None
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn default_access_alone_is_left_out_where_the_config_says_so() {
    let rig = start().await;
    let jane = rig.joiner("jane");
    rig.tenant().unassign(jane);
    rig.tenant().assign(jane, ROLE_DEFAULT_ACCESS);
    rig.configure("[jobs.scope]\nexclude_default_access = true");
    rig.sync().await.expect(0);
    assert_eq!(
        rig.sandbox
            .target
            .find_user_by("userName", "jane@contoso.com"),
        None
    );
    rig.tenant().assign(jane, ROLE_USER);
    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane@contoso.com")["active"], true);
    rig.tenant().unassign_role(jane, ROLE_USER);
    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane@contoso.com")["active"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_mapping_sends_its_differences_alone_and_breaks_no_link() {
    let rig = start().await;
    let jane = rig.joiner("jane");
    rig.tenant()
        .set_property(jane, "employeeType", json!("Contractor"));
    rig.sync().await.expect(0);
    let id = rig.user("jane@contoso.com")["id"].clone();
    rig.sandbox.target.traffic().reset();
    rig.configure("[[jobs.users.mappings]]\ntarget = \"userType\"\nsource = \"employeeType\"");
    let summary = rig.sync().await.expect(0).job();
    assert_eq!(summary["kind"], "initial", "{summary:#}");
    assert_eq!(rig.user("jane@contoso.com")["userType"], "Contractor");
    assert_eq!(rig.user("jane@contoso.com")["id"], id);
    let done = summary["done"].as_object().unwrap();
    assert_eq!(done.keys().collect::<Vec<_>>(), ["update"]);
    let writes = rig.sandbox.target.writes() as u64;
    assert_eq!(done["update"], json!(writes));
    // And those that verify some of the links, and read the first changes of this form back: at most as
    // many as are under way at once.
    let reads = summary["requests"]["target"].as_u64().unwrap() - writes;
    assert!((20..=28).contains(&reads), "{reads}");
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_attribute_is_cleared_or_defaulted() {
    let rig = start().await;
    rig.configure(
        r#"
[[jobs.users.mappings]]
target = "title"
source = "jobTitle"
default = "Staff"
[[jobs.users.mappings]]
target = "userType"
constant = "Employee"
[[jobs.users.mappings]]
target = "nickName"
source = "mailNickname"
apply = "on-create"
"#,
    );
    let jane = rig.joiner("jane");
    rig.sync().await.expect(0);
    let user = rig.user("jane@contoso.com");
    assert_eq!(
        (&user["title"], &user["userType"], &user["nickName"]),
        (&json!("Engineer"), &json!("Employee"), &json!("jane"))
    );
    for name in ["jobTitle", "mail", "department"] {
        rig.tenant().set_property(jane, name, Value::Null);
    }
    rig.tenant()
        .set_property(jane, "mailNickname", json!("janet"));
    rig.sync().await.expect(0);
    let user = rig.user("jane@contoso.com");
    assert_eq!(user["title"], "Staff");
    assert_eq!(user["nickName"], "jane");
    assert_eq!(user.get("emails"), None, "{user:#}");
    assert!(!user.to_string().contains("R&D"), "{user:#}");
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_someone_else_gives_up_is_taken_over() {
    let rig = start().await;
    let mut expected = Expected::default();
    let jane = rig.joiner("jane");
    let john = rig.joiner("john");
    settles(&rig, &mut expected).await;
    let set = |id, name: &str| {
        rig.tenant()
            .set_property(id, "userPrincipalName", json!(name));
    };
    let before = (
        rig.user("jane@contoso.com")["id"].clone(),
        rig.user("john@contoso.com")["id"].clone(),
    );
    set(john, "johnny@contoso.com");
    set(jane, "john@contoso.com");
    rig.sync().await.expect(0);
    settles(&rig, &mut expected).await;
    assert_eq!(rig.user("john@contoso.com")["id"], before.0);
    assert_eq!(rig.user("johnny@contoso.com")["id"], before.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_users_that_swap_names_are_reported_with_the_targets_message() {
    let rig = start().await;
    let jane = rig.joiner("jane");
    let john = rig.joiner("john");
    rig.sync().await.expect(0);
    let set = |id, name: &str| {
        rig.tenant()
            .set_property(id, "userPrincipalName", json!(name));
    };
    set(jane, "interim@contoso.com");
    set(john, "jane@contoso.com");
    set(jane, "john@contoso.com");
    for _ in 0..2 {
        let summary = rig.sync().await.expect(3).job();
        assert_eq!(summary["failed"], 2, "{summary:#}");
        assert_eq!(summary["failures"][0]["http_status"], 409);
    }
    // Once one of them gives up the name, all is well.
    set(jane, "janet@contoso.com");
    rig.sync().await;
    settles(&rig, &mut Expected::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_who_left_a_group_before_it_was_deleted_do_not_return_with_it() {
    let rig = Rig::start(Size::new(8, 1, 8)).await;
    rig.configure("[jobs.safety]\nmax_deletions = \"100%\"\nmax_membership_removals = \"100%\"");
    let fans = rig.tenant().add_group("Fans");
    let [ann, bob, eve] = ["ann", "bob", "eve"].map(|name| rig.joiner(name));
    rig.tenant().unassign(bob);
    rig.tenant().add_members(fans, &[ann, bob, eve]);
    rig.tenant().assign(fans, ROLE_USER);
    rig.sync().await.expect(0);
    assert_eq!(rig.user("bob@contoso.com")["active"], true);

    // Without a reading in between. The delta query says of a deleted group that it is deleted, and no more.
    rig.tenant().remove_members(fans, &[bob]);
    rig.tenant().soft_delete_group(fans);
    rig.sync().await.expect(0);
    rig.tenant().remove_members(fans, &[eve]);
    rig.tenant().restore_group(fans);
    rig.sync().await.expect(0);
    rig.sync().await.expect(0);
    assert_eq!(rig.user("bob@contoso.com")["active"], false);
    let target = &rig.sandbox.target;
    let group = target.find_group_by("displayName", "Fans").unwrap();
    let members = target.members(group["id"].as_str().unwrap());
    assert_eq!(json!(members), json!([rig.user("ann@contoso.com")["id"]]));

    // The last one leaves before it is deleted: restored, it is reported without members.
    rig.tenant().remove_members(fans, &[ann]);
    rig.tenant().soft_delete_group(fans);
    rig.sync().await.expect(0);
    rig.tenant().restore_group(fans);
    let refused = Fault::new("/$batch", Trouble::status(400)).method("POST");
    rig.tenant().traffic().inject(refused);
    rig.sync().await.expect(0);
    rig.tenant().traffic().clear_faults();
    rig.sync().await.expect(0);
    let group = target.find_group_by("displayName", "Fans").unwrap();
    let members = target.members(group["id"].as_str().unwrap());
    assert_eq!(members, Vec::<String>::new());

    // Deleted and restored between two readings.
    rig.tenant().add_members(fans, &[ann]);
    rig.sync().await.expect(0);
    rig.tenant().remove_members(fans, &[ann]);
    rig.tenant().soft_delete_group(fans);
    rig.tenant().restore_group(fans);
    rig.sync().await.expect(0);
    let group = target.find_group_by("displayName", "Fans").unwrap();
    let members = target.members(group["id"].as_str().unwrap());
    assert_eq!(members, Vec::<String>::new());
}

//! References, such as a person's manager: they lead where Entra says, whatever has become of the account
//! that they led to.

use entrain::sandbox::{Fault, GraphQuirk, ROLE_USER, Size, Trouble, Uuid};
use serde_json::{Value, json};

use crate::rig::Rig;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

async fn start() -> Rig {
    Rig::start(Size::new(0, 0, 0)).await
}

fn id_of(rig: &Rig, name: &str) -> String {
    rig.user(name)["id"].as_str().unwrap().to_owned()
}

fn manager_of(rig: &Rig, name: &str) -> Option<String> {
    let manager = &rig.user(name)[ENTERPRISE]["manager"]["value"];
    manager.as_str().map(str::to_owned)
}

async fn settled(rig: &Rig) {
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_that_entra_does_not_have_is_cleared_by_the_adoption() {
    let rig = start().await;
    rig.joiner("jane");
    let boss = json!({"schemas": [USER], "userName": "boss@elsewhere.example"});
    let boss = rig.sandbox.target.create_user(&boss).unwrap();
    let jane = json!({
        "schemas": [USER, ENTERPRISE],
        "userName": "jane@contoso.com",
        ENTERPRISE: {"manager": {"value": boss}},
    });
    rig.sandbox.target.create_user(&jane).unwrap();
    assert_eq!(manager_of(&rig, "jane@contoso.com"), Some(boss));
    // The boss is an account of no user in scope, which the first cycle lists.
    rig.sync().await.expect(3);
    assert_eq!(manager_of(&rig, "jane@contoso.com"), None);
    settled(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_that_is_another_in_entra_is_replaced_by_the_adoption() {
    let rig = start().await;
    let (jane, john) = (rig.joiner("jane"), rig.joiner("john"));
    rig.tenant().set_manager(jane, Some(john));
    let boss = json!({"schemas": [USER], "userName": "boss@elsewhere.example"});
    let boss = rig.sandbox.target.create_user(&boss).unwrap();
    let jane = json!({
        "schemas": [USER, ENTERPRISE],
        "userName": "jane@contoso.com",
        ENTERPRISE: {"manager": {"value": boss}},
    });
    rig.sandbox.target.create_user(&jane).unwrap();
    // The boss is an account of no user in scope, which the first cycle lists.
    rig.sync().await.expect(3);
    let john = id_of(&rig, "john@contoso.com");
    assert_eq!(manager_of(&rig, "jane@contoso.com"), Some(john));
    settled(&rig).await;
}

fn user(rig: &Rig, alias: &str) -> Uuid {
    let users = rig.tenant().users();
    let user = users
        .iter()
        .find(|user| user.properties["mailNickname"] == alias);
    user.unwrap().id
}

/// Jane, whose manager is the boss; both are in the target.
async fn with_a_boss(extra: &str) -> (Rig, Uuid, String) {
    let rig = start().await;
    rig.configure(extra);
    let (jane, boss) = (rig.joiner("jane"), rig.joiner("boss"));
    rig.tenant().set_manager(jane, Some(boss));
    rig.sync().await.expect(0);
    let account = id_of(&rig, "boss@contoso.com");
    assert_eq!(manager_of(&rig, "jane@contoso.com"), Some(account.clone()));
    (rig, boss, account)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_who_comes_back_with_another_account_is_corrected_in_the_reports() {
    let (rig, boss, account) = with_a_boss("[jobs.users]\nwhen_out_of_scope = \"delete\"").await;
    let jane = id_of(&rig, "jane@contoso.com");
    let fault = Fault::new(&format!("/Users/{jane}"), Trouble::status(400));
    rig.sandbox
        .target
        .traffic()
        .inject(fault.method("PATCH").forever());
    rig.tenant().unassign(boss);
    rig.sync().await.expect(3);
    rig.sandbox.target.traffic().clear_faults();
    // The target did not follow up the deletion.
    assert_eq!(manager_of(&rig, "jane@contoso.com"), Some(account.clone()));
    rig.tenant().assign(boss, ROLE_USER);
    rig.sync().await.expect(0);
    let again = id_of(&rig, "boss@contoso.com");
    assert_ne!(again, account);
    assert_eq!(manager_of(&rig, "jane@contoso.com"), Some(again));
    settled(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_whose_account_is_gone_from_the_target_leaves_no_id_in_the_reports() {
    let (rig, boss, account) = with_a_boss("").await;
    assert!(rig.sandbox.target.delete(&account));
    rig.tenant().set_property(boss, "jobTitle", json!("Head"));
    rig.sync().await.expect(3);
    assert_eq!(manager_of(&rig, "jane@contoso.com"), Some(account));
    rig.tenant().unassign(boss);
    rig.sync().await.expect(0);
    assert_eq!(
        rig.user("jane@contoso.com")[ENTERPRISE]["manager"],
        Value::Null
    );
    rig.tenant().assign(boss, ROLE_USER);
    rig.sync().await.expect(0);
    let again = id_of(&rig, "boss@contoso.com");
    assert_eq!(manager_of(&rig, "jane@contoso.com"), Some(again));
    settled(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reports_of_a_manager_who_leaves_are_not_evaluated_once_more() {
    let (rig, boss, account) = with_a_boss("").await;
    assert!(rig.tenant().soft_delete_user(boss));
    rig.sync().await.expect(0);
    assert_eq!(rig.user("boss@contoso.com")["active"], false);
    // The account is still there, and so is what leads to it.
    assert_eq!(manager_of(&rig, "jane@contoso.com"), Some(account));
    let status = rig.run(&["status"]).await.expect(0).out;
    assert!(!status.contains("to be evaluated"), "{status}");
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(
        idle["evaluated"],
        json!({ "users": 0, "groups": 0 }),
        "{idle:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_who_went_while_everything_was_read_again_is_no_manager_any_more() {
    let (rig, _, _) = with_a_boss("").await;
    rig.tenant().set_manager(user(&rig, "jane"), None);
    rig.tenant().expire_delta_links();
    rig.sync().await.expect(0);
    assert_eq!(manager_of(&rig, "jane@contoso.com"), None);
    settled(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_who_went_while_a_user_was_deleted_is_no_manager_any_more() {
    let (rig, _, _) = with_a_boss("").await;
    let jane = user(&rig, "jane");
    rig.tenant().soft_delete_user(jane);
    rig.sync().await.expect(0);
    rig.tenant().set_manager(jane, None);
    rig.tenant().restore_user(jane);
    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane@contoso.com")["active"], true);
    assert_eq!(manager_of(&rig, "jane@contoso.com"), None);
    settled(&rig).await;
}

/// Rounds from the beginning do not report every manager: those that are missing are read on the users, or
/// where many are missing in one list.
#[tokio::test(flavor = "multi_thread")]
async fn managers_that_a_round_does_not_report_are_looked_up() {
    for people in [15, 30] {
        let rig = start().await;
        rig.tenant().enable(GraphQuirk::NoManagersInInitialRound);
        let boss = rig.joiner("boss");
        for number in 0..people {
            let user = rig.joiner(&format!("user{number}"));
            rig.tenant().set_manager(user, Some(boss));
        }
        rig.sync().await.expect(0);
        let boss = id_of(&rig, "boss@contoso.com");
        for number in 0..people {
            let name = format!("user{number}@contoso.com");
            assert_eq!(manager_of(&rig, &name).as_ref(), Some(&boss), "{name}");
        }
        rig.tenant().expire_delta_links();
        settled(&rig).await;
    }
}

/// What cannot be looked up stays as it is, and is looked up in the next cycle.
#[tokio::test(flavor = "multi_thread")]
async fn a_manager_who_cannot_be_looked_up_stays() {
    let (rig, _, boss) = with_a_boss("").await;
    rig.tenant().set_manager(user(&rig, "jane"), None);
    rig.tenant().expire_delta_links();
    rig.tenant()
        .traffic()
        .inject(Fault::new("/$batch", Trouble::status(400)));
    rig.sync().await.expect(0);
    assert_eq!(manager_of(&rig, "jane@contoso.com"), Some(boss));
    rig.sync().await.expect(0);
    assert_eq!(manager_of(&rig, "jane@contoso.com"), None);
    settled(&rig).await;
}

/// In the recycle bin a manager is not read as one, and comes back with the reports.
#[tokio::test(flavor = "multi_thread")]
async fn a_manager_in_the_recycle_bin_stays_one_when_everything_is_read_again() {
    let (rig, boss, account) = with_a_boss("").await;
    rig.tenant().enable(GraphQuirk::NoManagersInInitialRound);
    rig.tenant().soft_delete_user(boss);
    rig.tenant().expire_delta_links();
    rig.sync().await.expect(0);
    assert_eq!(rig.user("boss@contoso.com")["active"], false);
    assert_eq!(manager_of(&rig, "jane@contoso.com"), Some(account));
    rig.tenant().hard_delete_user(boss);
    rig.tenant().expire_delta_links();
    rig.sync().await.expect(0);
    assert_eq!(manager_of(&rig, "jane@contoso.com"), None);
    settled(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_that_is_cleared_is_not_reported_as_set() {
    let (rig, _, _) = with_a_boss("").await;
    rig.tenant().set_manager(user(&rig, "jane"), None);
    let plan = rig.run(&["plan"]).await.expect(0);
    assert!(plan.out.contains("1 reference to change"), "{plan:?}");
    let synced = rig.run(&["sync"]).await.expect(0);
    assert!(synced.out.contains("1 reference cleared"), "{synced:?}");
    let last = rig.run(&["report", "--format", "json"]).await.expect(0);
    assert_eq!(last.job()["done"], json!({"clear-reference": 1}));
    let status = rig.run(&["status"]).await.expect(0);
    assert!(status.out.contains("1 reference cleared"), "{status:?}");
}

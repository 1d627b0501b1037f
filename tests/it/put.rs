//! Targets that change resources by PUT, because they are configured so or refuse PATCH.

use std::time::Duration;

use entrain::sandbox::{Fault, Quirk, ROLE_USER, Size, Trouble};
use serde_json::json;

use crate::cycles::settles;
use crate::rig::Rig;
use crate::service::until;
use crate::target::Expected;

/// A life of users and of a group; after each step the target is as the tenant says.
async fn lives(rig: &Rig) {
    let mut expected = Expected::default();
    let [jane, john, jim] = ["jane", "john", "jim"].map(|name| rig.joiner(name));
    rig.tenant().set_manager(john, Some(jane));
    let fans = rig.tenant().add_group("Fans");
    rig.tenant().add_members(fans, &[jane, john]);
    rig.tenant().assign(fans, ROLE_USER);
    settles(rig, &mut expected).await;

    // What others wrote stays.
    let id = rig.user("jane@contoso.com")["id"].clone();
    let others = json!({"nickName": "Janey", "locale": "de-DE"});
    rig.sandbox
        .target
        .change_user(id.as_str().unwrap(), &others);
    rig.tenant().set_property(jane, "jobTitle", json!("Boss"));
    rig.tenant()
        .set_property(jane, "mobilePhone", json!("+49 1"));
    rig.tenant().set_property(john, "department", json!(null));
    rig.tenant().set_manager(john, Some(jim));
    rig.tenant().rename_group(fans, "Friends");
    rig.tenant().add_members(fans, &[jim]);
    rig.tenant().remove_members(fans, &[john]);
    settles(rig, &mut expected).await;
    assert_eq!(rig.user("jane@contoso.com")["nickName"], "Janey");
    assert_eq!(rig.user("jane@contoso.com")["locale"], "de-DE");

    rig.tenant().set_manager(john, None);
    rig.tenant().remove_members(fans, &[jane, jim]);
    rig.tenant().disable_user(jim);
    rig.tenant().soft_delete_user(jane);
    settles(rig, &mut expected).await;
    rig.tenant().add_members(fans, &[john]);
    rig.tenant().enable_user(jim);
    rig.tenant().hard_delete_user(jane);
    settles(rig, &mut expected).await;
}

async fn start() -> Rig {
    Rig::start(Size::new(20, 3, 40)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_refuses_patch_gets_the_same_changes_by_put() {
    for quirk in [Quirk::NoPatch, Quirk::PatchNotAllowed] {
        let rig = start().await;
        // What it reports of itself would save the refused requests.
        rig.sandbox.target.enable(Quirk::NoDiscovery);
        rig.sandbox.target.enable(quirk);
        lives(&rig).await;
        let traffic = rig.sandbox.target.traffic();
        let refused = traffic.count_of("PATCH");
        // Users and groups each find out by two refusals, and it is remembered; what is in flight then too.
        assert!(refused > 0 && refused <= 4 * 8, "{refused}");
        assert!(traffic.count_of("PUT") > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_refusal_of_patch_is_answered_by_put_and_teaches_nothing() {
    let rig = start().await;
    rig.sandbox.target.enable(Quirk::NoDiscovery);
    let mut expected = Expected::default();
    let jane = rig.joiner("jane");
    settles(&rig, &mut expected).await;
    let change = async |title: &str, expected: &mut Expected| {
        rig.sandbox.target.traffic().reset();
        rig.tenant().set_property(jane, "jobTitle", json!(title));
        settles(&rig, expected).await;
        let traffic = rig.sandbox.target.traffic();
        (traffic.count_of("PATCH"), traffic.count_of("PUT"))
    };
    for status in [405, 501] {
        let fault = Fault::new("/Users/", Trouble::status(status)).method("PATCH");
        rig.sandbox.target.traffic().inject(fault);
        let boss = format!("Boss {status}");
        assert_eq!(change(&boss, &mut expected).await, (1, 1));
        let chief = format!("Chief {status}");
        assert_eq!(change(&chief, &mut expected).await, (1, 0));
    }
    // Refused twice in one cycle, it is: the next cycle sends no PATCH.
    rig.sandbox.target.enable(Quirk::NoPatch);
    rig.configure("concurrency = 1");
    let john = rig.joiner("john");
    settles(&rig, &mut expected).await;
    rig.tenant().set_property(john, "jobTitle", json!("Both"));
    assert_eq!(change("Both", &mut expected).await, (2, 2));
    assert_eq!(change("Again", &mut expected).await, (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_configured_so_gets_no_patch() {
    let rig = start().await;
    rig.configure("update = \"put\"");
    lives(&rig).await;
    let traffic = rig.sandbox.target.traffic();
    assert_eq!(traffic.count_of("PATCH"), 0);
    assert!(traffic.count_of("PUT") > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_whose_members_are_hidden_is_never_replaced() {
    let rig = start().await;
    rig.configure("update = \"put\"");
    let jane = rig.joiner("jane");
    let fans = rig.tenant().add_group("Fans");
    rig.tenant().add_members(fans, &[jane]);
    rig.tenant().assign(fans, ROLE_USER);
    rig.sync().await.expect(0);
    rig.sandbox.target.enable(Quirk::MembersHidden);
    rig.sandbox.target.traffic().reset();
    rig.tenant().rename_group(fans, "Friends");
    rig.tenant().set_property(jane, "jobTitle", json!("Boss"));
    let summary = rig.sync().await.expect(3).job();
    let failure = summary["failures"][0]["message"].as_str().unwrap();
    assert!(failure.contains("does not show its members"), "{summary:#}");
    let is_put = |path: &str| {
        let traffic = rig.sandbox.target.traffic();
        traffic.count_where(|one| one.method == "PUT" && one.path.contains(path))
    };
    assert_eq!((is_put("/Groups/"), is_put("/Users/")), (0, 1));
    // Once they are shown, the change is made.
    rig.sandbox.target.configure(|target| target.quirks.clear());
    settles(&rig, &mut Expected::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_another_change_overtakes_is_read_and_merged_again() {
    let rig = start().await;
    rig.configure("update = \"put\"");
    let jane = rig.joiner("jane");
    rig.sync().await.expect(0);
    let id = rig.user("jane@contoso.com")["id"].clone();
    let slow = Trouble::Delay(Duration::from_secs(1));
    let traffic = rig.sandbox.target.traffic();
    traffic.inject(Fault::new("/Users/", slow).method("PUT"));
    traffic.reset();
    rig.tenant().set_property(jane, "jobTitle", json!("Boss"));
    let read = || {
        traffic.count_where(|one| {
            one.method == "GET" && one.path.contains("/Users/") && one.status.is_some()
        })
    };
    let others = async {
        until("the read", || read() > 0).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let others = json!({"nickName": "Janey"});
        assert!(
            rig.sandbox
                .target
                .change_user(id.as_str().unwrap(), &others)
        );
    };
    let (run, ()) = tokio::join!(rig.sync(), others);
    run.expect(0);
    let user = rig.user("jane@contoso.com");
    assert_eq!(
        (&user["title"], &user["nickName"]),
        (&json!("Boss"), &json!("Janey"))
    );
    let status =
        |status| traffic.count_where(|one| one.method == "PUT" && one.status == Some(status));
    assert_eq!((status(412), status(200)), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_does_not_know_its_versions_again_gets_no_version() {
    let rig = start().await;
    rig.configure("update = \"put\"");
    let jane = rig.joiner("jane");
    rig.sync().await.expect(0);
    let traffic = rig.sandbox.target.traffic();
    let refusal = Fault::new("/Users/", Trouble::status(412)).method("PUT");
    traffic.inject(refusal.clone());
    rig.tenant().set_property(jane, "jobTitle", json!("Boss"));
    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane@contoso.com")["title"], "Boss");
    // It ends, too.
    traffic.inject(refusal.forever());
    traffic.reset();
    rig.tenant().set_property(jane, "jobTitle", json!("Chief"));
    rig.sync().await.expect(3);
    assert_eq!(traffic.count_of("PUT"), 2);
}

//! One empty answer to a search proves nothing: what it would have doubled or given up is looked for a second time.

use std::time::Duration;

use entrain::sandbox::{Fault, Trouble};
use serde_json::json;

use crate::rig::Rig;
use crate::unsettled::{DELETE, clear, inject, is_active, nobody_knows_jane, path_of, start};

/// A search that is answered once with an empty list, though there is an account.
fn search_finds_nothing_once(rig: &Rig) {
    inject(rig, Fault::new("filter=", Trouble::EmptyList).method("GET"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_empty_answer_does_not_have_a_user_created_twice() {
    let rig = start("").await;
    let jane = nobody_knows_jane(&rig).await;
    let name = json!("janet@contoso.com");
    rig.tenant().set_property(jane, "userPrincipalName", name);
    search_finds_nothing_once(&rig);
    rig.sandbox.target.traffic().reset();
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.traffic().count_of("POST"), 0);
    assert_eq!(rig.sandbox.target.user_count(), 2);
    assert!(is_active(&rig, "janet"));
    rig.tenant().unassign(jane);
    rig.sync().await.expect(0);
    assert!(!is_active(&rig, "janet"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_empty_answer_does_not_have_a_create_sent_again_after_retry_after() {
    let rig = start("").await;
    rig.joiner("jane");
    let busy = Fault::new("/Users", Trouble::retry_after(503, 1));
    inject(&rig, busy.method("POST"));
    let empty = Fault::new("filter=", Trouble::EmptyList).method("GET");
    inject(&rig, empty.after(1));
    let child = rig.command(&["sync"]).spawn().unwrap();
    while rig.sandbox.target.traffic().count_of("POST") == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // It is carried out behind the gateway that answered.
    let account = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "jane@contoso.com",
        "externalId": "jane",
        "active": true,
    });
    rig.sandbox.target.create_user(&account).unwrap();
    Rig::finish(child).await;
    assert_eq!(rig.sandbox.target.traffic().count_of("POST"), 1);
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.user_count(), 2);
    assert_eq!(rig.user("jane@contoso.com")["title"], "Engineer");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_empty_answer_does_not_have_an_account_given_up_for_gone() {
    let rig = start(DELETE).await;
    let jane = rig.joiner("jane");
    rig.sync().await.expect(0);
    let path = path_of(&rig, "jane");
    let lost = Fault::new(&path, Trouble::status(408));
    inject(&rig, lost.method("DELETE"));
    let unread = Fault::new(&path, Trouble::status(404));
    inject(&rig, unread.method("GET"));
    search_finds_nothing_once(&rig);
    rig.tenant().unassign(jane);
    rig.sync().await;
    clear(&rig);
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.user_count(), 1);
}

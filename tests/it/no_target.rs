//! `noTarget`: the target holds something else than was sent. The object is read, and its changes are
//! made again.

use entrain::sandbox::{Fault, Size, Trouble, Uuid};
use serde_json::{Value, json};

use crate::rig::Rig;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

async fn start() -> Rig {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.sandbox.target.traffic().record_bodies(true);
    rig
}

/// Every PATCH of this user selects nothing.
fn no_target(rig: &Rig, alias: &str) -> Fault {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": "400",
        "scimType": "noTarget",
        "detail": "The path matches no value.",
    });
    let path = format!("/Users/{}", id_of(rig, alias));
    Fault::new(&path, Trouble::body(400, &body.to_string())).method("PATCH")
}

fn id_of(rig: &Rig, alias: &str) -> String {
    let user = rig.user(&format!("{alias}@contoso.com"));
    user["id"].as_str().unwrap().to_owned()
}

fn writes(rig: &Rig) -> usize {
    rig.sandbox.target.traffic().writes()
}

async fn is_settled(rig: &Rig) {
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
    rig.run(&["sync", "--initial"]).await.expect(0);
    rig.sandbox.target.traffic().reset();
    rig.run(&["sync", "--initial"]).await.expect(0);
    assert_eq!(writes(rig), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_element_that_vanished_in_the_target_is_added_again_in_the_same_cycle() {
    let rig = start().await;
    let jane = rig.joiner("jane");
    for (name, value) in [("city", "Berlin"), ("streetAddress", "1 High Street")] {
        rig.tenant().set_property(jane, name, json!(value));
    }
    rig.sync().await.expect(0);
    let gone = json!({"emails": [], "addresses": []});
    assert!(rig.sandbox.target.change_user(&id_of(&rig, "jane"), &gone));
    rig.tenant()
        .set_property(jane, "mail", json!("new@mail.contoso.com"));
    rig.tenant().set_property(jane, "city", json!("Bonn"));
    rig.tenant().set_property(jane, "jobTitle", json!("Boss"));
    rig.sandbox.target.traffic().reset();
    rig.sync().await.expect(0);
    let there = rig.user("jane@contoso.com");
    assert_eq!(
        there["emails"][0]["value"], "new@mail.contoso.com",
        "{there:#}"
    );
    assert_eq!(there["emails"][0]["type"], "work", "{there:#}");
    assert_eq!(there["addresses"][0]["locality"], "Bonn", "{there:#}");
    assert_eq!(
        there["addresses"][0]["streetAddress"], "1 High Street",
        "{there:#}"
    );
    assert_eq!(there["title"], "Boss", "{there:#}");
    assert_eq!(writes(&rig), 2);
    is_settled(&rig).await;

    // What is to be taken away is gone already.
    assert!(rig.sandbox.target.change_user(&id_of(&rig, "jane"), &gone));
    rig.tenant().set_property(jane, "mail", Value::Null);
    rig.sync().await.expect(0);
    // What else it has lost was seen, and comes back.
    rig.sync().await.expect(0);
    let there = rig.user("jane@contoso.com");
    assert_eq!(there["addresses"][0]["locality"], "Bonn", "{there:#}");
    assert_eq!(there["emails"], Value::Null, "{there:#}");
    is_settled(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_planned_again_once_in_a_cycle() {
    let rig = start().await;
    let jane = rig.joiner("jane");
    rig.sync().await.expect(0);
    let traffic = rig.sandbox.target.traffic();
    traffic.inject(no_target(&rig, "jane").forever());
    rig.tenant().set_property(jane, "jobTitle", json!("Boss"));
    traffic.reset();
    rig.sync().await.expect(3);
    assert!(writes(&rig) <= 2, "{}", writes(&rig));
    traffic.clear_faults();
    rig.sync().await.expect(0);
    is_settled(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_that_vanished_in_the_target_is_set_again_in_the_same_cycle() {
    let rig = start().await;
    let [jane, john, jill]: [Uuid; 3] = ["jane", "john", "jill"].map(|one| rig.joiner(one));
    rig.tenant().set_manager(jane, Some(john));
    rig.sync().await.expect(0);
    let manager = |rig: &Rig| rig.user("jane@contoso.com")[ENTERPRISE]["manager"]["value"].clone();
    assert_eq!(manager(&rig), id_of(&rig, "john"));

    let forgotten = json!({ENTERPRISE: {"manager": null}});
    let target = &rig.sandbox.target;
    assert!(target.change_user(&id_of(&rig, "jane"), &forgotten));
    rig.tenant().set_manager(jane, Some(jill));
    let traffic = target.traffic();
    traffic.inject(no_target(&rig, "jane"));
    traffic.reset();
    rig.sync().await.expect(0);
    assert_eq!(manager(&rig), id_of(&rig, "jill"));
    let sent = traffic.exchanges().into_iter();
    let sent: Vec<Value> = sent
        .filter(|one| one.method == "PATCH")
        .map(|one| serde_json::from_str(&one.body.unwrap()).unwrap())
        .map(|body: Value| body["Operations"][0]["op"].clone())
        .collect();
    assert_eq!(sent, ["replace", "add"]);
    is_settled(&rig).await;

    // One that is to be taken away is gone already.
    assert!(target.change_user(&id_of(&rig, "jane"), &forgotten));
    rig.tenant().set_manager(jane, None);
    traffic.inject(no_target(&rig, "jane"));
    traffic.reset();
    rig.sync().await.expect(0);
    assert_eq!(writes(&rig), 1);
    is_settled(&rig).await;
}

//! Names that pass from one object to another within one interval: one cycle, whatever comes first.

use entrain::sandbox::{Quirk, ROLE_USER, Size, Uuid};
use serde_json::{Value, json};

use crate::rig::Rig;

async fn start() -> Rig {
    Rig::start(Size::new(0, 0, 0)).await
}

fn rename(rig: &Rig, person: Uuid, name: &str) {
    let name = json!(format!("{name}@contoso.com"));
    rig.tenant().set_property(person, "userPrincipalName", name);
}

fn id_of(rig: &Rig, name: &str) -> Value {
    rig.user(&format!("{name}@contoso.com"))["id"].clone()
}

async fn settled(rig: &Rig) {
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_gets_the_name_of_a_user_that_was_renamed() {
    let rig = start().await;
    let (jane, john) = (rig.joiner("jane"), rig.joiner("john"));
    rig.sync().await.expect(0);
    let account = id_of(&rig, "jane");
    rename(&rig, jane, "jane.doe");
    let newcomer = rig.joiner("jane");
    rig.tenant().set_manager(john, Some(newcomer));
    let plan = rig.plan().await.expect(0).job();
    assert_eq!(plan["totals"]["create"], 1, "{plan:#}");
    assert_eq!(plan["evaluated"]["users"], 3, "{plan:#}");
    rig.sync().await.expect(0);
    assert_eq!(id_of(&rig, "jane.doe"), account);
    assert_ne!(id_of(&rig, "jane"), account);
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let manager = &rig.user("john@contoso.com")[enterprise]["manager"]["value"];
    assert_eq!(*manager, id_of(&rig, "jane"));
    settled(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_gets_the_name_of_one_that_was_deleted() {
    for unique in [false, true] {
        let rig = start().await;
        if unique {
            rig.sandbox.target.enable(Quirk::UniqueGroupNames);
        }
        let jane = rig.joiner("jane");
        let fans = rig.tenant().add_group("Fans");
        rig.tenant().add_members(fans, &[jane]);
        rig.tenant().assign(fans, ROLE_USER);
        rig.sync().await.expect(0);
        rig.tenant().soft_delete_group(fans);
        let again = rig.tenant().add_group("Fans");
        rig.tenant().add_members(again, &[jane]);
        rig.tenant().assign(again, ROLE_USER);
        let summary = rig.sync().await.expect(0).job();
        assert_eq!(summary["done"]["delete"], 1, "{summary:#}");
        let groups = rig.sandbox.target.groups();
        assert_eq!(groups.len(), 1, "{groups:#?}");
        assert_eq!(groups[0]["externalId"], again.to_string());
        assert_eq!(groups[0]["members"].as_array().unwrap().len(), 1);
        settled(&rig).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_is_purged_and_created_again_gets_another_account() {
    let rig = start().await;
    let jane = rig.joiner("jane");
    rig.sync().await.expect(0);
    let account = id_of(&rig, "jane");
    rig.tenant().hard_delete_user(jane);
    rig.joiner("jane");
    let plan = rig.plan().await.expect(0);
    let actions = plan.job()["actions"].clone();
    assert_eq!(actions[0]["action"], "delete", "{actions:#}");
    assert_eq!(actions[0]["step"], "names", "{actions:#}");
    assert_eq!(actions[1]["action"], "create", "{actions:#}");
    rig.sync().await.expect(0);
    assert_ne!(id_of(&rig, "jane"), account);
    assert_eq!(rig.sandbox.target.user_count(), 1);
    settled(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_names_is_carried_out_in_one_cycle() {
    let rig = start().await;
    let people = ["anna", "bert", "carl"].map(|name| rig.joiner(name));
    rig.sync().await.expect(0);
    let accounts = ["anna", "bert", "carl"].map(|name| id_of(&rig, name));
    for (person, name) in people.iter().zip(["bert", "carl", "dora"]) {
        rename(&rig, *person, name);
    }
    rig.joiner("anna");
    rig.sync().await.expect(0);
    assert_eq!(
        ["bert", "carl", "dora"].map(|name| id_of(&rig, name)),
        accounts
    );
    assert_eq!(rig.sandbox.target.user_count(), 4);
    settled(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_of_names_is_reported_and_keeps_no_other_change() {
    let rig = start().await;
    let (anna, bert) = (rig.joiner("anna"), rig.joiner("bert"));
    rig.sync().await.expect(0);
    let accounts = [id_of(&rig, "anna"), id_of(&rig, "bert")];
    rename(&rig, anna, "bert");
    rename(&rig, bert, "anna");
    for person in [anna, bert] {
        rig.tenant().set_property(person, "jobTitle", json!("Head"));
    }
    let summary = rig.sync().await.expect(3).job();
    assert_eq!(summary["failed"], 2, "{summary:#}");
    assert_eq!(summary["failures"][0]["http_status"], 409, "{summary:#}");
    for name in ["anna", "bert"] {
        assert_eq!(rig.user(&format!("{name}@contoso.com"))["title"], "Head");
    }
    assert_eq!([id_of(&rig, "anna"), id_of(&rig, "bert")], accounts);
    // One of them gets out of the way, and all ends well.
    rename(&rig, anna, "carl");
    rig.sync().await.expect(0);
    assert_eq!([id_of(&rig, "carl"), id_of(&rig, "anna")], accounts);
    settled(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_the_name_of_one_whose_delete_is_held_waits_and_says_so() {
    let rig = start().await;
    rig.configure("[jobs.safety]\nmax_deletions = 0");
    let (jane, john) = (rig.joiner("jane"), rig.joiner("john"));
    rig.sync().await.expect(0);
    rig.tenant().hard_delete_user(jane);
    rig.tenant().hard_delete_user(john);
    rig.joiner("jane");
    // Hers is free as soon as John is gone.
    let bert = rig.joiner("bert");
    rig.sync().await.expect(4);
    rename(&rig, bert, "john");
    rig.tenant().set_property(bert, "jobTitle", json!("Head"));
    rig.joiner("bert");
    for _ in 0..2 {
        let cycle = rig.sync().await.expect(4).job();
        assert_eq!(cycle["skipped"]["name-kept"], 3, "{cycle:#}");
        assert_eq!(cycle["failed"], 0, "{cycle:#}");
    }
    let plan = rig.plan().await.expect(4).job();
    let skipped = plan["skipped"].as_array().unwrap();
    let kept = skipped.iter().filter(|one| one["reason"] == "name-kept");
    let texts: Vec<&str> = kept.map(|one| one["text"].as_str().unwrap()).collect();
    // Bert is called john by now, too.
    for name in ["jane", "john"] {
        let words = format!("still belongs to {name}@contoso.com");
        assert!(texts.iter().any(|text| text.contains(&words)), "{texts:?}");
    }
    // Nothing else of the renamed has to wait.
    assert_eq!(rig.user("bert@contoso.com")["title"], "Head");
    assert_eq!(rig.sandbox.target.user_count(), 3);
    rig.run(&["approve", "demo"]).await.expect(0);
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.user_count(), 3);
    assert_eq!(rig.user("john@contoso.com")["title"], "Head");
    settled(&rig).await;
}

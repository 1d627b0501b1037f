//! `entrain audit`: what a target holds, against what was written and what is wanted.

use entrain::sandbox::{Fault, Size, Trouble};
use serde_json::{Value, json};

use crate::rig::Rig;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

async fn filled() -> Rig {
    let rig = Rig::start(Size::new(30, 4, 60)).await;
    for alias in ["jane", "leah"] {
        rig.joiner(alias);
    }
    rig.sync().await.expect(0);
    rig
}

fn put(rig: &Rig, user: &Value) -> String {
    let mut user = user.clone();
    user["schemas"] = json!([USER]);
    rig.sandbox.target.create_user(&user).unwrap()
}

async fn audit(rig: &Rig, arguments: &[&str]) -> Value {
    let mut all = vec!["audit", "demo", "--format", "json"];
    all.extend(arguments);
    let run = rig.run(&all).await.expect(0);
    serde_json::from_str(&run.out).unwrap()
}

/// The pair of attributes in the coverage of users.
fn pair<'a>(audit: &'a Value, path: &str, source: &str) -> &'a Value {
    let pairs = audit["users"]["coverage"].as_array().unwrap();
    let is_it = |one: &&Value| one["attribute"] == path && one["source"] == source;
    let found = pairs.iter().find(is_it);
    found.unwrap_or_else(|| panic!("{path} = {source}: {audit:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_of_a_target_that_is_as_it_should_be_finds_nothing() {
    let rig = filled().await;
    let run = rig.run(&["audit", "demo", "--detailed-exitcode"]).await;
    let run = run.expect(0);
    let words = "The target matches what was last written and what the mappings produce.";
    assert!(run.out.contains(words), "{run:?}");
    let audit = audit(&rig, &[]).await;
    let in_scope = audit["users"]["in_scope"].as_u64().unwrap();
    let pair = pair(&audit, "userName", "userPrincipalName");
    assert_eq!(pair["used"], true, "{audit:#}");
    assert_eq!(pair["of"], in_scope);
    // One who is blocked was never created.
    assert!(pair["one"].as_u64().unwrap() + 2 >= in_scope, "{audit:#}");
    assert!(audit["requests"]["target"].as_u64().unwrap() < 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_lists_what_others_did_in_the_target_and_changes_nothing() {
    let rig = filled().await;
    let target = &rig.sandbox.target;
    let jane = text(&rig.user("jane@contoso.com")["id"]);
    assert!(target.change_user(&jane, &json!({"title": "Boss"})));
    let leah = text(&rig.user("leah@contoso.com")["id"]);
    assert!(target.delete(&leah));
    let stranger = put(&rig, &json!({"userName": "stranger@elsewhere.example"}));
    let near = put(
        &rig,
        &json!({"userName": "J.ane@old.example", "displayName": "nobody", "active": false}),
    );
    let twin = put(
        &rig,
        &json!({"userName": "twin", "externalId": "jane", "active": true}),
    );
    let left = rig.joiner("left");
    rig.sync().await.expect(0);
    rig.tenant().unassign(left);
    let writes = target.writes();
    let cycles = rig.run(&["status", "--format", "json"]).await.job()["last_cycle"].clone();

    let found = audit(&rig, &[]).await;
    let users = &found["users"];
    let differing = users["differing"].as_array().unwrap();
    let of_jane = differing.iter().find(|one| one["target"] == jane).unwrap();
    let expected = json!([{
        "attribute": "title",
        "written": "Engineer",
        "held": "Boss",
        "wanted": "Engineer",
        "remedy": "repair",
    }]);
    assert_eq!(of_jane["attributes"], expected, "{found:#}");
    let missing = users["missing"].as_array().unwrap();
    assert_eq!(missing.len(), 1, "{found:#}");
    assert_eq!(missing[0]["target"], leah);
    let orphans = users["orphans"].as_array().unwrap();
    let orphan = |id: &str| orphans.iter().find(|one| one["target"] == id).unwrap();
    assert_eq!(orphan(&stranger)["active"], true, "{found:#}");
    assert_eq!(orphan(&stranger)["near"], json!(null));
    assert_eq!(orphan(&near)["near"]["by"], "alias", "{found:#}");
    assert_eq!(
        orphan(&near)["near"]["subject"]["label"],
        "jane@contoso.com"
    );
    assert!(orphan(&twin)["linked_to"].is_null());
    let of_left = orphans
        .iter()
        .find(|one| one["linked_to"]["label"] == "left@contoso.com");
    assert_eq!(of_left.unwrap()["active"], true, "{found:#}");
    let duplicates = users["duplicates"].as_array().unwrap();
    let shared = duplicates
        .iter()
        .find(|one| one["attribute"] == "externalId");
    assert_eq!(shared.unwrap()["value"], "jane", "{found:#}");
    assert_eq!(pair(&found, "userName", "userPrincipalName")["several"], 0);

    // As text and for spreadsheets.
    let run = rig.run(&["audit", "demo"]).await.expect(0);
    for words in [
        "title \"Boss\" (written: \"Engineer\")",
        "is gone",
        "stranger@elsewhere.example",
        "near user jane@contoso.com (the same name before the @",
        "Match coverage",
        "entrain audit demo --plan",
    ] {
        assert!(run.out.contains(words), "{words}: {}", run.out);
    }
    let csv = rig
        .run(&["audit", "demo", "--format", "csv"])
        .await
        .expect(0);
    assert!(csv.out.starts_with("job,finding,kind,id,label,target"));
    let line = format!(",jane@contoso.com,{jane},title,Engineer,Boss,Engineer,repair");
    assert!(csv.out.contains(&line), "{}", csv.out);

    // Nothing was written, neither there nor in the state.
    assert_eq!(target.writes(), writes);
    let status = rig.run(&["status", "--format", "json"]).await.job();
    assert_eq!(status["last_cycle"], cycles);

    // The repair as a plan is what the cycle does.
    let run = rig
        .run(&["audit", "demo", "--plan", "--format", "json"])
        .await;
    let plan = run.expect(0).job();
    let initial = rig.run(&["plan", "--initial", "--format", "json"]).await;
    let initial = initial.expect(0).job();
    assert_eq!(plan["actions"], initial["actions"], "{plan:#}");
    let done = rig.run(&["sync", "--initial", "--format", "json"]).await;
    let done = done.expect(0).job();
    for (action, times) in plan["totals"].as_object().unwrap() {
        let done = done["done"][action].as_u64().unwrap_or_default();
        assert_eq!(done, times.as_u64().unwrap(), "{action}: {done:#}");
    }
    let run = rig.run(&["audit", "demo", "--detailed-exitcode"]).await;
    assert_eq!(run.code, 5, "{run:?}");
    assert!(!run.out.contains("Boss"), "{}", run.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_cycle_an_audit_shows_which_attribute_would_match() {
    let rig = Rig::start(Size::new(10, 0, 0)).await;
    for alias in ["jane", "leah", "bert", "anna"] {
        rig.joiner(alias);
        let name = format!("{alias}@mail.contoso.com");
        if alias != "anna" {
            put(&rig, &json!({"userName": name, "active": true}));
        }
    }
    put(
        &rig,
        &json!({"userName": "anna@contoso.com", "active": true}),
    );
    let found = audit(&rig, &[]).await;
    assert_eq!(pair(&found, "userName", "mail")["one"], 3, "{found:#}");
    assert_eq!(pair(&found, "userName", "userPrincipalName")["one"], 1);
    assert_eq!(found["users"]["orphans"].as_array().unwrap().len(), 3);
    assert!(!rig.path("entrain.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_not_complete_makes_no_audit() {
    let rig = filled().await;
    rig.sandbox.target.configure(|target| target.page_cap = 10);
    let fault = Fault::new("startIndex=21", Trouble::EmptyList);
    rig.sandbox.target.traffic().inject(fault.forever());
    let run = rig.run(&["audit", "demo"]).await.expect(1);
    assert!(run.err.contains("users"), "{run:?}");
    let run = rig.run(&["audit", "domo"]).await.expect(2);
    assert!(run.err.contains("did you mean \"demo\"?"), "{run:?}");
}

//! `entrain explain` and `entrain provision`: why an object is or is not provisioned, and each step of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use entrain::sandbox::{Fault, ROLE_USER, Size, Trouble};
use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::rig::{Rig, Run};

fn parsed(run: &Run) -> Value {
    serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {run:?}"))
}

async fn explain(rig: &Rig, object: &str) -> Value {
    let run = rig
        .run(&["explain", "demo", object, "--format", "json"])
        .await;
    parsed(&run.expect(0))
}

async fn provision(rig: &Rig, arguments: &[&str]) -> Value {
    let mut all = vec!["provision", "demo", "--format", "json"];
    all.extend(arguments);
    parsed(&rig.run(&all).await.expect(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explanation_needs_no_network_and_no_credential() {
    let rig = Rig::start(Size::new(10, 2, 20)).await;
    rig.configure(
        "[jobs.users]\nfilters = [ { name = \"Engineers\", all = [ \
         { attribute = \"jobTitle\", operator = \"EQUALS\", value = \"Engineer\" }, \
         { attribute = \"mail\", operator = \"IS NOT NULL\" } ] } ]",
    );
    let jane = rig.joiner("jane");
    let boss = rig.joiner("boss");
    rig.tenant().set_property(boss, "jobTitle", json!("Boss"));
    rig.sync().await.expect(0);
    fs::remove_file(rig.path("secret")).unwrap();
    fs::remove_file(rig.path("token")).unwrap();
    let requests = rig.sandbox.target.traffic().count();

    // By principal name, id, address and display name.
    let id = jane.to_string();
    for name in ["jane@contoso.com", &*id, "jane@mail.contoso.com", "jane"] {
        let jane = explain(&rig, name).await;
        assert_eq!(jane["scope"]["verdict"], "in", "{jane:#}");
        assert_eq!(jane["scope"]["via"], json!(["assigned directly"]));
        assert_eq!(jane["scope"]["clauses"][0]["holds"], true);
        assert_eq!(jane["scope"]["clauses"][0]["value"], "Engineer");
        let attributes = jane["attributes"].as_array().unwrap();
        let title = attributes.iter().find(|one| one["attribute"] == "title");
        let title = title.unwrap();
        assert_eq!(title["wanted"], "Engineer", "{jane:#}");
        assert_eq!(title["written"], "Engineer");
        assert_eq!(title["source"], "jobTitle");
        assert_eq!(jane["access"], "has access to the application: in scope");
        assert_eq!(jane["last_write"]["action"], "create");
        assert_eq!(jane["next"]["actions"], json!([]), "{jane:#}");
    }
    let boss = explain(&rig, "boss@contoso.com").await;
    assert_eq!(boss["scope"]["verdict"], "out");
    assert_eq!(boss["scope"]["reason"], "filter");
    assert_eq!(boss["scope"]["clauses"][0]["holds"], false);
    assert_eq!(boss["link"], Value::Null);

    let run = rig
        .run(&["explain", "demo", "jane@contoso.con"])
        .await
        .expect(2);
    assert!(
        run.err.contains("did you mean \"jane@contoso.com\"?"),
        "{run:?}"
    );
    let mut command = rig.command(&["explain", "demo", "boss"]);
    command.env("COLUMNS", "80");
    let run = Rig::finish(command.spawn().unwrap()).await.expect(0);
    assert!(
        run.out.lines().all(|line| line.chars().count() <= 80),
        "{}",
        run.out
    );
    for words in [
        "filter \"Engineers\"",
        "the value is \"Boss\"",
        "What would change it",
    ] {
        assert!(run.out.contains(words), "{words}: {}", run.out);
    }
    assert_eq!(rig.sandbox.target.traffic().count(), requests);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_why_a_user_still_has_access_and_why_another_was_removed() {
    let rig = Rig::start(Size::new(10, 2, 20)).await;
    rig.configure("[jobs.safety]\nmax_deletions = 0");
    let held = rig.joiner("held");
    let gone = rig.joiner("gone");
    rig.sync().await.expect(0);
    rig.tenant().unassign(gone);
    rig.sync().await.expect(4);
    rig.run(&["approve", "demo"]).await.expect(0);
    rig.sync().await.expect(0);
    rig.tenant().unassign(held);
    rig.sync().await.expect(4);

    let held = explain(&rig, "held@contoso.com").await;
    let access = held["access"].as_str().unwrap();
    assert!(access.contains("still has access"), "{held:#}");
    assert!(access.contains("held by a safety limit"), "{held:#}");
    assert_eq!(held["next"]["actions"][0]["action"], "disable", "{held:#}");
    assert!(
        held["remedies"]
            .to_string()
            .contains("entrain approve demo")
    );
    let gone = explain(&rig, "gone@contoso.com").await;
    assert!(
        gone["access"]
            .as_str()
            .unwrap()
            .starts_with("has no access")
    );
    assert_eq!(gone["removals"][0]["action"], "disable", "{gone:#}");
    assert_eq!(gone["removals"][0]["why"]["reason"], "not-assigned");
    let run = rig
        .run(&["explain", "demo", "gone@contoso.com"])
        .await
        .expect(0);
    assert!(run.out.contains("Removals on record"), "{}", run.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_shows_what_the_target_said_of_a_failure() {
    let rig = Rig::start(Size::new(5, 0, 0)).await;
    rig.joiner("jane");
    let words =
        r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"detail":"no seats left"}"#;
    let fault = Fault::new("/Users", Trouble::body(400, words)).method("POST");
    rig.sandbox.target.traffic().inject(fault.forever());
    rig.sync().await;
    let jane = explain(&rig, "jane@contoso.com").await;
    assert!(
        jane["escrow"]["message"]
            .as_str()
            .unwrap()
            .contains("no seats left"),
        "{jane:#}"
    );
    assert_eq!(jane["next"]["look_up"], true);
    assert!(
        jane["remedies"]
            .to_string()
            .contains("entrain provision demo"),
        "{jane:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn users_and_groups_are_provisioned_on_demand_step_by_step() {
    let rig = Rig::start(Size::new(10, 2, 20)).await;
    let jane = rig.joiner("jane");
    let leah = rig.joiner("leah");
    rig.joiner("other");
    let group = rig.tenant().add_group("Choir");
    rig.tenant().add_members(group, &[jane, leah]);
    rig.tenant().assign(group, ROLE_USER);

    let dry = provision(&rig, &["jane@contoso.com", "--dry-run"]).await;
    assert_eq!(dry["dry_run"], true);
    let steps = &dry["objects"][0];
    assert_eq!(steps["scope"]["verdict"], "in", "{dry:#}");
    assert_eq!(steps["match"]["outcome"], "none", "{dry:#}");
    assert_eq!(steps["action"]["planned"][0]["action"], "create");
    assert!(!rig.path("entrain.db").exists());
    assert_eq!(rig.sandbox.target.user_count(), 0);

    let done = provision(&rig, &["Choir"]).await;
    let objects = done["objects"].as_array().unwrap();
    assert_eq!(objects.len(), 3, "{done:#}");
    for one in objects {
        assert_eq!(one["result"][0]["action"], "create", "{done:#}");
        assert_eq!(one["result"][0]["status"], "succeeded", "{done:#}");
    }
    assert_eq!(rig.sandbox.target.user_count(), 2);
    let choir = rig
        .sandbox
        .target
        .find_group_by("displayName", "Choir")
        .unwrap();
    assert_eq!(choir["members"].as_array().unwrap().len(), 2, "{choir:#}");

    let run = rig
        .run(&["provision", "demo", "other@contoso.com", "jane"])
        .await;
    let run = run.expect(0);
    for words in [
        "1 Import",
        "2 Scope",
        "3 Match",
        "4 Action",
        "5 Result",
        "1 action carried out",
    ] {
        assert!(run.out.contains(words), "{words}: {}", run.out);
    }
    assert_eq!(rig.sandbox.target.user_count(), 3);
    let run = rig.run(&["provision", "demo", "jame@contoso.com"]).await;
    assert!(
        run.err.contains("did you mean \"jane@contoso.com\"?"),
        "{run:?}"
    );
}

/// What is planned of each user, by id.
fn by_user(plan: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let mut by_user: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for action in plan["actions"].as_array().unwrap() {
        let subject = &action["subject"];
        if subject["kind"] == "user" {
            let id = subject["id"].as_str().unwrap().to_owned();
            let word = action["action"].as_str().unwrap().to_owned();
            by_user.entry(id).or_default().insert(word);
        }
    }
    by_user
}

fn words(actions: &Value) -> BTreeSet<String> {
    let actions = actions.as_array().unwrap().iter();
    actions
        .map(|action| action["action"].as_str().unwrap().to_owned())
        .collect()
}

/// `explain`, `provision --dry-run` and the next cycle say the same of random users of a random tenant, before
/// the first cycle and after changes.
#[tokio::test(flavor = "multi_thread")]
async fn explanations_agree_with_what_the_next_cycle_does() {
    let rig = Rig::start(Size::new(1_000, 60, 3_000)).await;
    rig.configure("[jobs.safety]\nmax_deletions = \"100%\"");
    let tenant = rig.tenant();
    let mut random = fastrand::Rng::with_seed(4711);
    rig.sync().await.expect(0);
    let ids = tenant.user_ids();
    for id in &ids {
        match random.u8(0..12) {
            0 => drop(tenant.disable_user(*id)),
            1 => drop(tenant.enable_user(*id)),
            2 => drop(tenant.set_property(*id, "jobTitle", json!("Another"))),
            3 => drop(tenant.unassign(*id)),
            4 => drop(tenant.assign(*id, ROLE_USER)),
            5 => drop(tenant.soft_delete_user(*id)),
            6 => drop(tenant.set_property(*id, "department", Value::Null)),
            _ => {}
        }
    }
    // The state knows the changes once any object was provisioned; all marks stay.
    let first = ids[0].to_string();
    rig.run(&["provision", "demo", &first]).await;
    let plan = rig.plan().await.job();
    let planned = by_user(&plan);
    assert!(planned.len() > 200, "{}", planned.len());
    let rig = &rig;
    let explained = futures::stream::iter(ids.iter().map(ToString::to_string))
        .map(async |id| {
            let run = rig.run(&["explain", "demo", &id, "--format", "json"]).await;
            (id, run)
        })
        .buffered(4);
    let explained: Vec<(String, Run)> = explained.collect().await;
    let mut known = Vec::new();
    for (id, run) in explained {
        let expected = planned.get(&id).cloned().unwrap_or_default();
        // Of the rest of the tenant nothing is known.
        if run.code == 2 {
            continue;
        }
        let explained = parsed(&run.expect(0));
        if explained["next"]["look_up"] == true {
            let finds = ["create", "adopt"].map(str::to_owned);
            assert!(
                expected.iter().all(|word| finds.contains(word)),
                "{id}: {expected:?}"
            );
        } else {
            let mut next = words(&explained["next"]["actions"]);
            next.remove("set-reference");
            let mut expected = expected.clone();
            expected.remove("set-reference");
            assert_eq!(next, expected, "{id}: {explained:#}");
        }
        known.push(id);
    }
    // Each run costs a reading of the tenant: so of many at once.
    for some in known.chunks(100) {
        let mut command = vec!["provision", "demo", "--dry-run", "--format", "json"];
        command.extend(some.iter().map(String::as_str));
        let dry = parsed(&rig.run(&command).await);
        let objects = dry["objects"].as_array().unwrap();
        assert_eq!(objects.len(), some.len());
        for (id, object) in some.iter().zip(objects) {
            let mut dry = words(&object["action"]["planned"]);
            let mut expected = planned.get(id).cloned().unwrap_or_default();
            dry.remove("set-reference");
            expected.remove("set-reference");
            assert_eq!(dry, expected, "{id}: {object:#}");
        }
    }
    let compared = known.len();
    assert!(compared > 900, "{compared}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parts_of_an_expression_are_shown_with_what_each_came_to() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.configure(
        "[[jobs.users.mappings]]\ntarget = \"title\"\nexpression = 'IIF([department]=\"R&D\", \
         ToUpper([jobTitle]), ToLower([jobTitle]))'\n\
         [[jobs.users.mappings]]\ntarget = \"nickName\"\nexpression = 'Redact(ToUpper([mailNickname]))'",
    );
    rig.joiner("jane");
    rig.sync().await.expect(0);
    let explained = explain(&rig, "jane@contoso.com").await;
    let of = |path: &str| {
        let mut all = explained["attributes"].as_array().unwrap().iter();
        let found = all.find(|one| one["attribute"] == path);
        found.unwrap_or_else(|| panic!("{explained:#}")).clone()
    };
    let title = of("title");
    assert_eq!(title["wanted"], "ENGINEER", "{title:#}");
    let parts: Vec<(&str, &str, &Value)> = title["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let (text, state) = (
                one["text"].as_str().unwrap(),
                one["state"].as_str().unwrap(),
            );
            (text, state, &one["value"])
        })
        .collect();
    for part in [
        ("[department]", "value", &json!("R&D")),
        ("ToUpper([jobTitle])", "value", &json!("ENGINEER")),
        ("[jobTitle]", "value", &json!("Engineer")),
        ("ToLower([jobTitle])", "not-evaluated", &Value::Null),
    ] {
        assert!(parts.contains(&part), "{part:?}: {title:#}");
    }
    let text = rig
        .run(&["explain", "demo", "jane@contoso.com"])
        .await
        .expect(0)
        .out;
    assert!(text.contains("ToUpper([jobTitle]): \"ENGINEER\""), "{text}");
    // What Redact marks is not shown, and no part of it.
    assert_eq!(of("nickName")["parts"], json!([]));
    assert!(!text.contains("JANE"), "{text}");
}

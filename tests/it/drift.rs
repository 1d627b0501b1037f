//! What was changed or deleted in the target by others: `sync --initial` compares and repairs it.

use entrain::sandbox::{Fault, Quirk, Size, Trouble};
use serde_json::{Value, json};

use crate::rig::Rig;
use crate::target::{Expected, View};

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A filled target, and what it must hold.
async fn filled(extra: &str) -> (Rig, View) {
    let rig = Rig::start(Size::new(40, 6, 120)).await;
    rig.configure(extra);
    for alias in ["jane", "leah", "bert", "gone", "back"] {
        rig.joiner(alias);
    }
    let back = rig
        .tenant()
        .find_user_by("userPrincipalName", "back@contoso.com");
    let back = back.unwrap().id;
    rig.sync().await.expect(0);
    rig.tenant().unassign(back);
    rig.sync().await.expect(0);
    let view = rig.target().await;
    (rig, view)
}

fn id_of(rig: &Rig, name: &str) -> String {
    text(&rig.user(name)["id"])
}

/// Changes, deletes and adds in the target what was not requested; returns the group that was changed.
fn meddle(rig: &Rig) -> String {
    let target = &rig.sandbox.target;
    let jane = id_of(rig, "jane@contoso.com");
    assert!(target.change_user(&jane, &json!({"title": "Boss", "nickName": "not ours"})));
    let back = id_of(rig, "back@contoso.com");
    assert!(target.change_user(&back, &json!({"active": true})));
    let bert = id_of(rig, "bert@contoso.com");
    assert!(target.change_user(&bert, &json!({"active": false})));
    let groups = target.groups();
    let group = groups
        .iter()
        .find(|group| group["members"].as_array().is_some_and(|all| all.len() > 2));
    let group = group.unwrap();
    let mut members = group["members"].as_array().unwrap().clone();
    let out = members.remove(0);
    assert!(out["value"].is_string());
    members.push(json!({"value": jane}));
    let id = text(&group["id"]);
    assert!(target.change_group(&id, &json!({"members": members})));
    text(&group["displayName"])
}

fn drift_of<'j>(job: &'j Value, label: &str) -> &'j Value {
    let warnings = job["warnings"].as_array().unwrap();
    let mut found = warnings
        .iter()
        .filter(|one| one["reason"] == "drift" && one["subject"]["label"] == label);
    let one = found.next().unwrap_or_else(|| panic!("{label}: {job:#}"));
    assert!(found.next().is_none(), "{job:#}");
    one
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_changed_in_the_target_is_repaired_by_an_initial_cycle() {
    let (rig, mut whole) = filled("").await;
    let group = meddle(&rig);
    let gone = id_of(&rig, "gone@contoso.com");
    assert!(rig.sandbox.target.delete(&gone));
    let meddled = rig.target().await;
    // An incremental cycle asks the target nothing.
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");

    let plan = rig
        .run(&["plan", "--initial", "--format", "json"])
        .await
        .expect(0)
        .job();
    assert_eq!(meddled.changed(&rig.target().await).len(), 0);
    let jane = drift_of(&plan, "jane@contoso.com");
    let title = json!([{
        "attribute": "title", "written": "Engineer", "held": "Boss", "remedy": "repair"
    }]);
    assert_eq!(jane["differences"], title, "{plan:#}");
    let warnings = plan["warnings"].as_array().unwrap();
    // It may be among those by which the target is verified.
    let is_gone = |one: &Value| one["gone"] == true || one["reason"] == "matched-anew";
    let mut missing = warnings.iter().filter(|one| is_gone(one));
    assert_eq!(missing.next().unwrap()["target"], gone, "{plan:#}");
    let bert = drift_of(&plan, "bert@contoso.com");
    assert_eq!(bert["differences"][0]["remedy"], "disabled-in-target");
    let members = &drift_of(&plan, &group)["differences"][0];
    assert_eq!(members["attribute"], "members");
    assert_eq!(members["held"], json!(["jane@contoso.com"]), "{plan:#}");
    for (action, times) in [("create", 1), ("update", 1), ("disable", 1), ("enable", 0)] {
        assert_eq!(plan["totals"][action], times, "{action}: {plan:#}");
    }

    let done = rig
        .run(&["sync", "--initial", "--format", "json"])
        .await
        .expect(0)
        .job();
    for (action, times) in plan["totals"].as_object().unwrap() {
        let done = done["done"][action].as_u64().unwrap_or_default();
        assert_eq!(done, times.as_u64().unwrap(), "{action}: {done:#}");
    }
    whole.users.get_mut("bert@contoso.com").unwrap().active = false;
    let repaired = rig.target().await;
    assert_eq!(repaired.users, whole.users);
    assert_eq!(repaired.groups, whole.groups);
    // What was disabled there stays, and is reported each time; nothing else is left to do.
    let writes = rig.sandbox.target.writes();
    let again = rig
        .run(&["sync", "--initial", "--format", "json"])
        .await
        .expect(0)
        .job();
    assert_eq!(rig.sandbox.target.writes(), writes, "{again:#}");
    assert_eq!(again["warnings"].as_array().unwrap().len(), 1, "{again:#}");
    drift_of(&again, "bert@contoso.com");
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_that_is_to_be_reported_is_not_repaired() {
    let (rig, _) = filled("[jobs.safety]\non_drift = \"report\"").await;
    meddle(&rig);
    let meddled = rig.target().await;
    let writes = rig.sandbox.target.writes();
    let run = rig.run(&["sync", "--initial", "-v"]).await.expect(0);
    assert_eq!(rig.sandbox.target.writes(), writes);
    assert!(meddled.changed(&rig.target().await).is_empty());
    for words in [
        "title \"Boss\" (written: \"Engineer\") (not repaired: on_drift = \"report\")",
        "it was disabled in the target",
    ] {
        assert!(run.out.contains(words), "{words}: {run:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_object_is_compared_by_reading_it_alone() {
    let (rig, whole) = filled("").await;
    let jane = id_of(&rig, "jane@contoso.com");
    let leah = id_of(&rig, "leah@contoso.com");
    for id in [&jane, &leah] {
        let title = json!({"title": "Boss"});
        assert!(rig.sandbox.target.change_user(id, &title));
    }
    rig.run(&["sync", "--initial", "--user", "jane@contoso.com"])
        .await
        .expect(0);
    let now = rig.target().await;
    assert_eq!(
        now.users["jane@contoso.com"],
        whole.users["jane@contoso.com"]
    );
    assert_eq!(now.users["leah@contoso.com"].values["title"], "Boss");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_hides_members_or_inactive_users_does_not_lose_them() {
    for quirk in [Quirk::MembersHidden, Quirk::InactiveInvisible] {
        let rig = Rig::start(Size::new(40, 6, 120)).await;
        rig.sandbox.target.enable(quirk);
        let left = rig.joiner("left");
        let second = rig.joiner("second");
        rig.sync().await.expect(0);
        rig.tenant().unassign(left);
        rig.tenant().unassign(second);
        rig.sync().await.expect(0);
        let writes = rig.sandbox.target.writes();
        let run = rig.run(&["sync", "--initial", "--format", "json"]).await;
        let job = run.expect(0).job();
        assert_eq!(job["warnings"], json!([]), "{quirk:?}: {job:#}");
        assert_eq!(rig.sandbox.target.writes(), writes, "{quirk:?}: {job:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_target_makes_itself_is_learned_and_shown_and_no_difference() {
    let rig = Rig::start(Size::new(10, 1, 5)).await;
    rig.sandbox.target.enable(Quirk::DisplayNameMade);
    let jane = rig.joiner("jane");
    rig.joiner("leah");
    rig.sync().await.expect(0);
    let id = id_of(&rig, "jane@contoso.com");
    let title = json!({"title": "Boss"});
    assert!(rig.sandbox.target.change_user(&id, &title));
    let shown = |job: &Value| {
        let warnings = job["warnings"].as_array().unwrap().iter();
        let made = warnings.filter(|one| one["reason"] == "rewritten-attribute");
        let made: Vec<Value> = made.map(|one| one["attribute"].clone()).collect();
        json!(made)
    };
    for repaired in [json!(1), Value::Null] {
        let run = rig.run(&["sync", "--initial", "--format", "json"]).await;
        let job = run.expect(0).job();
        assert_eq!(shown(&job), json!(["displayName"]), "{job:#}");
        assert_eq!(job["done"]["update"], repaired, "{job:#}");
    }
    assert_eq!(rig.user("jane@contoso.com")["title"], "Engineer");

    let name = json!("Dr. Jane");
    rig.tenant().set_property(jane, "displayName", name);
    let job = rig.sync().await.expect(0).job();
    assert_eq!(shown(&job), json!(["displayName"]), "{job:#}");
    let text = rig.run(&["test", "demo"]).await.expect(0).out;
    assert!(text.contains("makes displayName of users itself"), "{text}");
    let text = rig.run(&["audit", "demo"]).await.out;
    assert!(!text.contains("Jo jane"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_what_the_target_makes_itself_is_no_failure_where_other_changes_arrive() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.sandbox.target.enable(Quirk::DisplayNameMade);
    let jane = rig.joiner("jane");
    rig.sync().await.expect(0);
    // The first time it may be that nothing arrives at all.
    let rename = |name: &str| {
        let (tenant, name) = (rig.tenant(), json!(name));
        tenant.set_property(jane, "displayName", name);
    };
    rename("Dr. Jane");
    rig.tenant().set_property(jane, "jobTitle", json!("Chief"));
    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane@contoso.com")["title"], "Chief");
    rename("Prof. Jane");
    rig.sandbox.target.traffic().reset();
    let job = rig.sync().await.expect(0).job();
    assert_eq!(job["done"]["update"], 1, "{job:#}");
    assert_eq!(job["requests"]["target"], 1, "{job:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_fails_halfway_does_not_prove_that_users_are_gone() {
    let (rig, whole) = filled("").await;
    let jane = id_of(&rig, "jane@contoso.com");
    assert!(
        rig.sandbox
            .target
            .change_user(&jane, &json!({"title": "Boss"}))
    );
    rig.sandbox.target.configure(|target| target.page_cap = 10);
    // The third page is answered with nothing, though more was announced.
    let fault = Fault::new("startIndex=21", Trouble::EmptyList);
    rig.sandbox.target.traffic().inject(fault.forever());
    let run = rig.run(&["sync", "--initial", "--format", "json"]).await;
    let job = run.expect(0).job();
    assert_eq!(job["done"], json!({"update": 1}), "{job:#}");
    assert_eq!(rig.target().await.users, whole.users);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_arrived_shows_no_drift() {
    let rig = Rig::start(Size::new(120, 12, 500)).await;
    let mut expected = Expected::default();
    rig.sync().await.expect(0);
    expected.after_cycle(rig.tenant());
    let before = rig.target().await;
    let run = rig.run(&["sync", "--initial", "--format", "json"]).await;
    let job = run.expect(0).job();
    assert_eq!(job["warnings"], json!([]), "{job:#}");
    assert_eq!(job["done"], json!({}), "{job:#}");
    assert!(before.changed(&rig.target().await).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_element_that_lost_its_mapped_parts_is_filled_and_not_added_again() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    // What the target shows of no object is not compared.
    rig.joiner("john");
    let jane = rig.joiner("jane");
    rig.sync().await.expect(0);
    let id = id_of(&rig, "jane@contoso.com");
    let emails = || rig.user("jane@contoso.com")["emails"].clone();
    let value = emails()[0]["value"].clone();
    assert!(value.is_string(), "{}", emails());
    let bare = json!([{"type": "work", "display": "Jane"}]);
    for _ in 0..2 {
        assert!(
            rig.sandbox
                .target
                .change_user(&id, &json!({"emails": bare}))
        );
        let run = rig.run(&["sync", "--initial", "--format", "json"]).await;
        assert_eq!(run.expect(0).job()["done"], json!({"update": 1}));
        let expected = json!([{"type": "work", "display": "Jane", "value": value}]);
        assert_eq!(emails(), expected);
        let run = rig.run(&["sync", "--initial", "--format", "json"]).await;
        assert_eq!(run.expect(0).job()["done"], json!({}));
    }
    // Once it is cleared, nothing is left of it.
    rig.tenant().set_property(jane, "mail", json!(null));
    rig.sync().await.expect(0);
    assert!(
        emails().as_array().is_none_or(Vec::is_empty),
        "{}",
        emails()
    );
}

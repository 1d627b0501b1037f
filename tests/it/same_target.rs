//! Is this still our target? What happens when the address, the token or the target's content changes
//! behind the links.

use std::fs;

use entrain::sandbox::{Fault, Size, TargetHandle, TargetOptions, Trouble};
use serde_json::{Value, json};

use crate::cycles::same;
use crate::rig::{Rig, Run};
use crate::target::Expected;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

async fn filled() -> Rig {
    let rig = Rig::start(Size::new(60, 6, 150)).await;
    rig.sync().await.expect(0);
    rig
}

async fn another_target(seed: u64) -> TargetHandle {
    let options = TargetOptions {
        seed,
        ..TargetOptions::default()
    };
    TargetHandle::start(options).await.unwrap()
}

fn move_to(rig: &Rig, target: &TargetHandle) {
    rig.edit(|text| {
        let lines = text.lines().map(|line| {
            if line.starts_with("base_url = ") {
                format!("base_url = {:?}", target.scim_url())
            } else {
                line.to_owned()
            }
        });
        lines.collect::<Vec<_>>().join("\n")
    });
    fs::write(rig.path("token"), target.token()).unwrap();
}

fn put_strangers(target: &TargetHandle, number: usize) {
    for number in 0..number {
        let name = format!("stranger{number}@elsewhere.example");
        let user = json!({"schemas": [USER], "userName": name, "active": true});
        target.create_user(&user).unwrap();
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn delete_all(target: &TargetHandle) {
    for object in target.groups().iter().chain(&target.users()) {
        target.delete(&text(&object["id"]));
    }
}

#[track_caller]
fn is_refused(run: &Run, back: &str) {
    for words in [
        "nothing was written",
        "probably another organisation or a reset target",
        "entrain restart demo --reset links",
        back,
        "entrain sync demo",
    ] {
        assert!(run.err.contains(words), "{words}: {run:?}");
    }
}

/// A plan and a cycle change nothing, and say what can be done.
async fn is_held(rig: &Rig, target: &TargetHandle, back: &str) {
    for command in ["plan", "sync"] {
        let writes = target.writes();
        let run = rig.run(&[command]).await.expect(4);
        is_refused(&run, back);
        assert_eq!(target.writes(), writes);
    }
    let status = rig.run(&["status", "--format", "json"]).await.expect(0);
    let status = status.job();
    assert_eq!(status["last_cycle"]["state"], "held", "{status:#}");
}

/// After that every object is matched again, and the plan says of each that it is.
async fn is_matched_anew(rig: &mut Rig, target: TargetHandle) {
    let links = rig.run(&["status", "--format", "json"]).await.job()["linked"].clone();
    let links = links["users"].as_u64().unwrap() + links["groups"].as_u64().unwrap();
    let run = rig.run(&["restart", "demo", "--reset", "links"]).await;
    assert!(run.expect(0).out.contains("matched again"));
    let plan = rig.plan().await.expect(0).job();
    let warnings = plan["warnings"].as_array().unwrap();
    let anew = warnings
        .iter()
        .filter(|one| one["reason"] == "matched-anew");
    assert_eq!(anew.count() as u64, links, "{plan:#}");
    assert_eq!(
        plan["totals"]["create"].as_u64().unwrap() + plan["totals"]["adopt"].as_u64().unwrap(),
        links
    );
    let expected = Expected::default().after_cycle(rig.tenant());
    rig.sync().await.expect(0);
    rig.sandbox.target = target;
    let found = rig.target().await;
    assert_eq!(found.duplicates, Vec::<String>::new());
    for (name, user) in &expected.users {
        assert_eq!(found.users.get(name), Some(user), "{name}");
    }
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_target_behind_the_address_is_not_written_to_until_that_is_decided() {
    let mut rig = filled().await;
    let before = rig.target().await;
    let known = rig.sandbox.target.clone();
    let other = another_target(4711).await;
    put_strangers(&other, 30);
    move_to(&rig, &other);
    rig.joiner("jo.new");
    is_held(
        &rig,
        &other,
        &format!("set target.base_url to {}", known.scim_url()),
    )
    .await;

    // Back to the old settings.
    move_to(&rig, &known);
    let writes = known.writes();
    rig.sync().await.expect(0);
    assert!(known.writes() - writes <= 2, "the joiner alone is created");
    let changed: Vec<_> = before.changed(&rig.target().await).into_iter().collect();
    assert_eq!(changed, ["jo.new@contoso.com"]);

    move_to(&rig, &other);
    is_held(&rig, &other, "set target.base_url to").await;
    is_matched_anew(&mut rig, other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_ids_for_other_people_are_not_taken_for_ours() {
    let mut rig = filled().await;
    let ids = |target: &TargetHandle| -> Vec<String> {
        let mut ids: Vec<String> = target.users().iter().map(|one| text(&one["id"])).collect();
        ids.sort();
        ids
    };
    let known = rig.sandbox.target.clone();
    // Ids come in a row, so that others have the same.
    let other = another_target(TargetOptions::default().seed).await;
    put_strangers(&other, known.user_count());
    assert_eq!(ids(&other), ids(&known));
    move_to(&rig, &other);
    is_held(&rig, &other, "set target.base_url to").await;
    is_matched_anew(&mut rig, other.clone()).await;
    let strangers = other.users().into_iter();
    let strangers = strangers.filter(|user| text(&user["userName"]).starts_with("stranger"));
    let touched: Vec<Value> = strangers.filter(|user| user["active"] != true).collect();
    assert_eq!(touched, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_organisation_behind_the_same_address_is_not_written_to() {
    let mut rig = filled().await;
    let target = rig.sandbox.target.clone();
    delete_all(&target);
    put_strangers(&target, 20);
    target.set_token("the token of another organisation");
    fs::write(rig.path("token"), target.token()).unwrap();
    is_held(&rig, &target, "restore the old token (target.token)").await;
    is_matched_anew(&mut rig, target).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_token_or_host_name_of_the_same_target_changes_nothing() {
    let rig = filled().await;
    let target = rig.sandbox.target.clone();
    target.set_token("a new token");
    fs::write(rig.path("token"), target.token()).unwrap();
    let writes = target.writes();
    let cycle = rig.sync().await.expect(0).job();
    assert_eq!(cycle["kind"], "initial");
    rig.edit(|text| {
        text.replace(
            "base_url = \"http://127.0.0.1:",
            "base_url = \"http://localhost:",
        )
    });
    rig.sync().await.expect(0);
    // Nor does a lost key of the state.
    fs::remove_file(rig.path("entrain.db.key")).unwrap();
    rig.sync().await.expect(0);
    assert_eq!(target.writes(), writes);
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_not_in_the_state() {
    let rig = filled().await;
    let state = fs::read(rig.path("entrain.db")).unwrap();
    let token = fs::read(rig.path("token")).unwrap();
    let found = state.windows(token.len()).any(|window| window == token);
    assert!(!found);
}

/// Deletes every third user that the target has.
fn lose_some(rig: &Rig) -> usize {
    let users = rig.sandbox.target.users();
    let lost: Vec<&Value> = users.iter().step_by(3).collect();
    for user in &lost {
        rig.sandbox.target.delete(&text(&user["id"]));
    }
    lost.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_a_target_lost_by_the_dozen_are_found_by_a_full_evaluation() {
    let rig = filled().await;
    let lost = lose_some(&rig);
    let plan = rig.sync().await.expect(0).job();
    assert_eq!(plan["requests"]["target"], 0, "nothing is known of it yet");
    let cycle = rig
        .run(&["sync", "--initial", "--format", "json"])
        .await
        .expect(4)
        .job();
    let warnings = cycle["warnings"].as_array().unwrap().len();
    assert_eq!(warnings, lost, "{cycle:#}");
    // So many are created again once a person approved it.
    assert_eq!(cycle["held"]["reason"], "gone-at-once", "{cycle:#}");
    assert_eq!(cycle["held"]["objects"], lost, "{cycle:#}");
    rig.run(&["approve", "demo"]).await.expect(0);
    let cycle = rig.sync().await.expect(0).job();
    assert_eq!(cycle["done"]["create"], lost, "{cycle:#}");
    same(
        &rig.target().await,
        &Expected::default().after_cycle(rig.tenant()),
    );
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_gone_may_be_the_first_sign_of_another_organisation() {
    let rig = filled().await;
    let target = rig.sandbox.target.clone();
    let name = text(&target.users()[0]["userName"]);
    delete_all(&target);
    let one = rig
        .tenant()
        .find_user_by("userPrincipalName", &name)
        .unwrap();
    rig.tenant().set_property(one.id, "jobTitle", json!("Boss"));
    rig.joiner("jo.new");
    let run = rig.sync().await.expect(4);
    is_refused(&run, "restore the old token (target.token)");
    let run = rig.sync().await.expect(4);
    is_refused(&run, "restore the old token (target.token)");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_too_few_can_be_read_only_those_that_were_read_are_disabled() {
    let rig = Rig::start(Size::new(10, 0, 0)).await;
    rig.sync().await.expect(0);
    let users = rig.sandbox.target.users();
    let active: Vec<&Value> = users.iter().filter(|user| user["active"] == true).collect();
    let (leaver, others) = active.split_first().unwrap();
    for user in others {
        let path = format!("/Users/{}", text(&user["id"]));
        let broken = Fault::new(&path, Trouble::status(500))
            .method("GET")
            .forever();
        rig.sandbox.target.traffic().inject(broken);
    }
    for user in [leaver, &others[0]] {
        let name = text(&user["userName"]);
        let one = rig
            .tenant()
            .find_user_by("userPrincipalName", &name)
            .unwrap();
        rig.tenant().disable_user(one.id);
    }
    rig.joiner("jo.new");
    let cycle = rig
        .run(&["sync", "--initial", "--format", "json"])
        .await
        .expect(1)
        .job();
    let why = text(&cycle["incomplete"]);
    assert!(why.contains("could not be read in the target"), "{why}");
    assert_eq!(cycle["done"], json!({"disable": 1}), "{cycle:#}");
    assert_eq!(rig.user(&text(&leaver["userName"]))["active"], false);
    assert_eq!(rig.user(&text(&others[0]["userName"]))["active"], true);

    rig.sandbox.target.traffic().clear_faults();
    let cycle = rig.sync().await.expect(0).job();
    assert_eq!(
        cycle["done"],
        json!({"create": 1, "disable": 1}),
        "{cycle:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_application_holds_every_removal_once() {
    let rig = filled().await;
    let state = rusqlite::Connection::open(rig.path("entrain.db")).unwrap();
    state
        .execute_batch(
            "UPDATE job_sources SET application = 'another'; UPDATE jobs SET full_mark = 0",
        )
        .unwrap();
    drop(state);
    let leaver = rig.tenant().user_ids().into_iter().find(|id| {
        let user = rig.tenant().user(*id).unwrap();
        rig.tenant().users_in_scope().contains(id) && user.properties["accountEnabled"] == true
    });
    let leaver = leaver.unwrap();
    let name = text(&rig.tenant().user(leaver).unwrap().properties["userPrincipalName"]);
    rig.tenant().disable_user(leaver);
    rig.joiner("jo.new");
    let plan = rig.plan().await.expect(4).job();
    assert_eq!(plan["held"]["reason"], "application-changed", "{plan:#}");
    for _ in 0..2 {
        let held = rig.sync().await.expect(4).job();
        assert_eq!(held["held"]["reason"], "application-changed", "{held:#}");
    }
    assert_eq!(rig.user("jo.new@contoso.com")["active"], true);
    assert_eq!(rig.user(&name)["active"], true);
    rig.run(&["approve", "demo"]).await.expect(0);
    rig.sync().await.expect(0);
    assert_eq!(rig.user(&name)["active"], false);
    let other = rig.joiner("jo.newer");
    rig.sync().await.expect(0);
    rig.tenant().unassign(other);
    rig.sync().await.expect(0);
    assert_eq!(rig.user("jo.newer@contoso.com")["active"], false);
}

/// After the links were reset, while one account answers 500.
#[tokio::test(flavor = "multi_thread")]
async fn one_account_that_cannot_be_read_stops_nothing_else_after_the_links_were_reset() {
    let rig = filled().await;
    let jane = rig.joiner("jane.unread");
    rig.sync().await.expect(0);
    let id = text(&rig.user("jane.unread@contoso.com")["id"]);
    let traffic = rig.sandbox.target.traffic();
    let unread = Fault::new(&format!("/Users/{id}"), Trouble::status(500));
    traffic.inject(unread.method("GET").forever());
    rig.run(&["restart", "demo", "--reset", "links"])
        .await
        .expect(0);
    for number in 0..3 {
        let alias = format!("jo{number}");
        let jo = rig.joiner(&alias);
        let title = json!(format!("Title {number}"));
        rig.tenant().set_property(jane, "jobTitle", title);
        let cycle = rig.sync().await.expect(3).job();
        assert_eq!(cycle["incomplete"], Value::Null, "{cycle:#}");
        assert_eq!(cycle["failed"], 1, "{cycle:#}");
        assert_eq!(rig.user(&format!("{alias}@contoso.com"))["active"], true);
        // Nor are removals held up.
        rig.tenant().disable_user(jo);
        rig.sync().await.expect(3);
        assert_eq!(rig.user(&format!("{alias}@contoso.com"))["active"], false);
    }
    let status = rig.run(&["status"]).await.out;
    for words in ["jane.unread@contoso.com", "entrain links unlink demo"] {
        assert!(status.contains(words), "{status}");
    }
    traffic.clear_faults();
    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane.unread@contoso.com")["title"], "Title 2");
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_of_an_erased_user_stops_nothing_after_the_links_were_reset() {
    for external in ["mailNickname", "objectId"] {
        let rig = filled().await;
        rig.edit(|text| {
            format!(
                "{text}\n[[jobs.users.mappings]]\ntarget = 'externalId'\nsource = \"{external}\"\n"
            )
        });
        let jane = rig.joiner("jane.erased");
        rig.sync().await.expect(0);
        rig.tenant().soft_delete_user(jane);
        rig.sync().await.expect(0);
        rig.run(&["erase", "jane.erased@contoso.com"])
            .await
            .expect(0);
        rig.run(&["restart", "demo", "--reset", "links"])
            .await
            .expect(0);
        for alias in ["jo", "jim"] {
            rig.joiner(alias);
            let cycle = rig.sync().await.expect(0).job();
            assert_eq!(cycle["done"]["create"], 1, "{external}: {cycle:#}");
            assert_eq!(cycle["incomplete"], Value::Null, "{external}: {cycle:#}");
        }
    }
}

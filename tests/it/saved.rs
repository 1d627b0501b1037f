//! Saved plans: what was reviewed is what is carried out, or nothing.

use std::collections::BTreeMap;
use std::fs;

use entrain::sandbox::{Fault, Size, Trouble, Uuid};
use serde_json::{Value, json};

use crate::rig::{Rig, Run};

const SAVE: [&str; 3] = ["plan", "--out", "p.json"];
const APPLY: [&str; 2] = ["apply", "p.json"];

fn file(rig: &Rig) -> Value {
    serde_json::from_str(&fs::read_to_string(rig.path("p.json")).unwrap()).unwrap()
}

/// Applies the file as the plan that printed its digest says.
async fn apply(rig: &Rig, arguments: &[&str]) -> Run {
    let digest = file(rig)["jobs"][0]["digest"].as_str().unwrap().to_owned();
    let expect = [&APPLY, &["--expect", digest.as_str()][..], arguments].concat();
    rig.run(&expect).await
}

type Sent = (String, String, Value);

/// The requests that the file announces, once the objects that it creates have ids.
fn announced(rig: &Rig, file: &Value) -> Vec<Sent> {
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    let rows = file["jobs"][0]["rows"].as_array().unwrap();
    for row in rows.iter().map(|row| &row["row"]) {
        let (kind, label) = (&row["subject"]["kind"], &row["subject"]["label"]);
        let name = row["attributes"].get("userName").unwrap_or(label);
        let found = match kind.as_str().unwrap() {
            "user" => rig
                .sandbox
                .target
                .find_user_by("userName", name.as_str().unwrap()),
            _ => rig
                .sandbox
                .target
                .groups()
                .into_iter()
                .find(|group| group["displayName"] == *name),
        };
        if let Some(found) = found {
            let id = row["subject"]["id"].as_str().unwrap();
            ids.insert(
                format!("id-of-{id}"),
                found["id"].as_str().unwrap().to_owned(),
            );
        }
    }
    let requests = rows.iter().map(|row| &row["row"]["request"]);
    let requests = requests.filter(|request| !request.is_null());
    sorted(requests.map(|request| {
        let mut text = request.to_string();
        for (placeholder, id) in &ids {
            text = text.replace(placeholder, id);
        }
        let request: Value = serde_json::from_str(&text).unwrap();
        (
            request["method"].as_str().unwrap().to_owned(),
            request["path"].as_str().unwrap().to_owned(),
            request["body"].clone(),
        )
    }))
}

/// The requests that changed something, as the target got them.
fn written(rig: &Rig) -> Vec<Sent> {
    let exchanges = rig.sandbox.target.traffic().exchanges();
    let writes = exchanges.into_iter().filter(|one| one.method != "GET");
    sorted(writes.map(|one| {
        let body = one.body.filter(|body| !body.is_empty());
        let body = body.map_or(Value::Null, |body| serde_json::from_str(&body).unwrap());
        let path = one.path.strip_prefix("/scim/v2").unwrap().to_owned();
        (one.method, path, body)
    }))
}

fn sorted(sent: impl Iterator<Item = Sent>) -> Vec<Sent> {
    let mut sent: Vec<Sent> = sent.collect();
    sent.sort_by_key(|(method, path, body)| (method.clone(), path.clone(), body.to_string()));
    sent
}

/// Some change of each kind in the tenant.
fn change(rig: &Rig, round: usize) {
    let tenant = rig.tenant();
    let users: Vec<Uuid> = tenant.user_ids();
    let groups: Vec<Uuid> = tenant.groups().into_iter().map(|group| group.id).collect();
    let user = |step: usize| users[(round * 7 + step * 3) % users.len()];
    tenant.set_property(user(0), "jobTitle", json!(format!("Title {round}")));
    tenant.set_property(user(1), "department", Value::Null);
    tenant.disable_user(user(2));
    tenant.set_manager(user(3), Some(user(4)));
    tenant.add_members(groups[round % groups.len()], &[user(5), user(6)]);
    tenant.rename_group(groups[0], &format!("Renamed {round}"));
    tenant.unassign(user(7));
    rig.joiner(&format!("joiner{round}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_plan_is_carried_out_request_for_request() {
    let rig = Rig::start(Size::new(30, 4, 60)).await;
    let traffic = rig.sandbox.target.traffic();
    traffic.record_bodies(true);
    for round in 0..6 {
        if round > 0 {
            change(&rig, round);
        }
        let run = rig.run(&SAVE).await.expect(0);
        assert!(
            run.err.contains("entrain apply p.json --expect "),
            "{run:?}"
        );
        traffic.reset();
        // What the plan announced is what a cycle sends, whichever command runs it.
        if round % 2 == 0 {
            apply(&rig, &[]).await.expect(0);
        } else {
            rig.sync().await.expect(0);
        }
        let written = written(&rig);
        assert!(written.len() > 3, "round {round}: {written:?}");
        assert!(announced(&rig, &file(&rig)) == written, "round {round}");
        let left = rig.plan().await.expect(0).job();
        assert_eq!(left["actions"], json!([]), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_plan_than_the_saved_one_writes_nothing_and_tells_what_differs() {
    let rig = Rig::start(Size::new(12, 2, 20)).await;
    rig.sync().await.expect(0);
    let first = rig.joiner("first");
    rig.run(&SAVE).await.expect(0);
    rig.joiner("second");
    rig.tenant().unassign(first);
    rig.sandbox.target.traffic().reset();
    let run = rig.run(&APPLY).await.expect(1);
    assert!(
        run.err
            .contains("create user second@contoso.com is not in the file"),
        "{run:?}"
    );
    assert!(
        run.err
            .contains("create user first@contoso.com is no longer planned"),
        "{run:?}"
    );
    assert_eq!(rig.sandbox.target.traffic().writes(), 0);
    // Nothing is forgotten: the next cycle does what is due.
    rig.sync().await.expect(0);
    rig.user("second@contoso.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_changed_or_cut_or_made_for_something_else_is_refused() {
    let rig = Rig::start(Size::new(6, 1, 5)).await;
    rig.sync().await.expect(0);
    rig.joiner("jane");
    rig.run(&SAVE).await.expect(0);
    let good = fs::read_to_string(rig.path("p.json")).unwrap();
    let refused = async |text: &str, words: &str| {
        fs::write(rig.path("p.json"), text).unwrap();
        let run = rig.run(&APPLY).await.expect(1);
        assert!(run.err.contains(words), "{words}: {run:?}");
    };
    rig.sandbox.target.traffic().reset();
    refused(
        &good.replace("\"Engineer\"", "\"Director\""),
        "it was changed after it was made",
    )
    .await;
    refused(
        &good.replace("\"rows\":[\n", "\"rows\":[\n{\"seal\":\"0\",\"row\":{}},"),
        "it was changed",
    )
    .await;
    refused(
        &good[..good.len() / 2],
        "is not a saved plan, or is truncated",
    )
    .await;
    refused(
        &good.replace("\"saved_plan\":1", "\"saved_plan\":2"),
        "its format is 2",
    )
    .await;
    refused("{}", "it is not a saved plan").await;
    fs::write(rig.path("p.json"), &good).unwrap();
    let run = rig
        .run(&["apply", "p.json", "--expect", "abc"])
        .await
        .expect(1);
    assert!(run.err.contains("has another digest"), "{run:?}");
    rig.configure("[[jobs.users.mappings]]\ntarget = \"title\"\nsource = \"displayName\"\n");
    let run = rig.run(&APPLY).await.expect(1);
    assert!(
        run.err
            .contains("the configuration of the job demo has changed"),
        "{run:?}"
    );
    let run = rig.run(&["apply", "nowhere.json"]).await.expect(1);
    assert!(
        run.err
            .contains("could not read the saved plan nowhere.json"),
        "{run:?}"
    );
    assert_eq!(rig.sandbox.target.traffic().writes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_is_carried_out_first_and_then_the_rest() {
    let rig = Rig::start(Size::new(20, 3, 30)).await;
    // The first of all plans: there is no state yet.
    rig.run(&SAVE).await.expect(0);
    let run = apply(&rig, &["--only", "4"]).await.expect(0);
    let rest = "To apply the rest of the plan: entrain apply p.json --expect ";
    assert!(run.err.contains(rest), "{run:?}");
    assert_eq!(rig.sandbox.target.user_count(), 4);
    assert_eq!(rig.sandbox.target.group_count(), 0);
    apply(&rig, &[]).await.expect(0);
    let left = rig.plan().await.expect(0).job();
    assert_eq!(left["actions"], json!([]));
    assert!(rig.sandbox.target.user_count() > 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_that_was_cut_short_is_taken_up_with_the_same_file() {
    let rig = Rig::start(Size::new(10, 0, 0)).await;
    rig.run(&SAVE).await.expect(0);
    let no = Trouble::body(
        400,
        r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"400","detail":"not today"}"#,
    );
    let traffic = rig.sandbox.target.traffic();
    traffic.inject(Fault::new("/Users", no).method("POST").after(2).forever());
    apply(&rig, &[]).await.expect(3);
    let there = rig.sandbox.target.user_count();
    assert!((1..8).contains(&there), "{there}");
    traffic.clear_faults();
    apply(&rig, &[]).await.expect(0);
    assert!(rig.sandbox.target.user_count() > there);
    assert_eq!(rig.plan().await.expect(0).job()["actions"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_limit_holds_stays_held() {
    let rig = Rig::start(Size::new(30, 0, 0)).await;
    rig.sync().await.expect(0);
    for user in rig.tenant().user_ids().into_iter().take(12) {
        rig.tenant().unassign(user);
    }
    rig.run(&SAVE).await.expect(4);
    rig.sandbox.target.traffic().reset();
    rig.run(&APPLY).await.expect(4);
    assert_eq!(rig.sandbox.target.traffic().writes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_of_one_user_is_saved_and_carried_out_alone() {
    let rig = Rig::start(Size::new(10, 0, 0)).await;
    rig.joiner("jane");
    rig.run(&["plan", "--user", "jane@contoso.com", "--out", "p.json"])
        .await
        .expect(0);
    apply(&rig, &[]).await.expect(0);
    assert_eq!(rig.sandbox.target.user_count(), 1);
    rig.user("jane@contoso.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_carries_the_key_of_its_own_seal_needs_its_digest() {
    let rig = Rig::start(Size::new(6, 0, 0)).await;
    rig.run(&SAVE).await.expect(0);
    let run = rig.run(&APPLY).await.expect(1);
    assert!(run.err.contains("add --expect"), "{run:?}");
    assert_eq!(rig.sandbox.target.traffic().writes(), 0);
    // With a state, its key recognises what it made.
    apply(&rig, &[]).await.expect(0);
    rig.joiner("jane");
    rig.run(&SAVE).await.expect(0);
    rig.run(&APPLY).await.expect(0);
    rig.user("jane@contoso.com");
}

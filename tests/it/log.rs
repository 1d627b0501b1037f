//! `entrain log`: what was done to whom, from the state alone, in every format.

use std::fs;
use std::io::{BufRead as _, BufReader};

use entrain::sandbox::{Exchange, Fault, Size, Trouble};
use serde_json::{Value, json};

use crate::rig::{Rig, Run};

async fn synced() -> Rig {
    let rig = Rig::start(Size::new(20, 3, 40)).await;
    rig.sync().await.expect(0);
    rig
}

fn entries(run: &Run) -> Vec<Value> {
    let document: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(document["format"], 1);
    document["entries"].as_array().unwrap().clone()
}

async fn log(rig: &Rig, arguments: &[&str]) -> Vec<Value> {
    let arguments = [&["log", "--format", "json"], arguments].concat();
    entries(&rig.run(&arguments).await.expect(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_shows_what_was_done_without_network_and_secrets() {
    let rig = synced().await;
    let jane = rig.joiner("jane");
    rig.sync().await.expect(0);
    rig.tenant().set_property(jane, "jobTitle", json!("Clerk"));
    rig.sync().await.expect(0);
    fs::remove_file(rig.path("secret")).unwrap();
    fs::remove_file(rig.path("token")).unwrap();

    let of_jane = log(&rig, &["demo", "--object", "JANE@contoso.com"]).await;
    let actions: Vec<&Value> = of_jane.iter().map(|entry| &entry["action"]).collect();
    assert_eq!(actions, ["create", "update"], "the oldest first");
    let (created, updated) = (&of_jane[0], &of_jane[1]);
    assert_eq!(created["status"], "succeeded");
    assert_eq!(
        updated["changes"],
        json!([{ "path": "title", "old": "Engineer", "new": "Clerk" }])
    );

    let target = created["target"].as_str().unwrap();
    for object in [target, &jane.to_string(), &jane.to_string().to_uppercase()] {
        assert_eq!(log(&rig, &["--object", object]).await, of_jane, "{object}");
    }
    assert_eq!(log(&rig, &["--limit", "1"]).await, of_jane[1..]);
    assert_eq!(log(&rig, &["--action", "update"]).await, of_jane[1..]);
    assert_eq!(log(&rig, &["--status", "failed"]).await, [] as [Value; 0]);
    assert_eq!(log(&rig, &["--until", "1h"]).await, [] as [Value; 0]);
    assert!(log(&rig, &["--since", "1h"]).await.len() > 10);
    let at = updated["time"].as_str().unwrap();
    assert_eq!(log(&rig, &["--since", at]).await, of_jane[1..]);

    let run = rig.run(&["log", "--limit", "1"]).await.expect(0);
    assert!(run.err.contains("only the newest 1 entries"), "{run:?}");
    let text = run.out;
    assert!(text.contains("update user jane@contoso.com"), "{text}");
    assert!(text.contains("title: \"Engineer\" → \"Clerk\""), "{text}");
    assert_eq!(rig.run(&["log", "other"]).await.code, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_a_formula_is_text_in_the_csv() {
    let rig = synced().await;
    let jane = rig.joiner("jane");
    let name = "=HYPERLINK(\"http://x\",\"y\")";
    rig.tenant().set_property(jane, "jobTitle", json!(name));
    rig.tenant()
        .set_property(jane, "userPrincipalName", json!("=1@contoso.com"));
    rig.sync().await.expect(0);
    let csv = rig.run(&["log", "--format", "csv", "--limit", "1"]).await;
    let csv = csv.expect(0).out;
    assert!(
        csv.starts_with("time,job,cycle,action,status,kind,id,label,"),
        "{csv}"
    );
    assert!(csv.contains(",'=1@contoso.com,"), "{csv}");
    assert!(csv.contains("title: (none) → \"\"=HYPERLINK"), "{csv}");
    assert!(csv.ends_with("\r\n"));

    let status = rig.run(&["status", "--format", "csv"]).await.expect(2);
    assert!(status.err.contains("`entrain log`"), "{}", status.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_cycle_the_log_is_empty_and_makes_no_state() {
    let rig = Rig::start(Size::new(20, 3, 40)).await;
    assert_eq!(log(&rig, &[]).await, [] as [Value; 0]);
    assert_eq!(rig.run(&["log"]).await.expect(0).out, "");
    assert!(!rig.path("entrain.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_sees_what_comes() {
    let rig = synced().await;
    let mut child = rig
        .command(&["log", "--follow", "--limit", "1", "--format", "json"])
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(first["format"], 1);
    rig.joiner("jane");
    rig.sync().await.expect(0);
    let next: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next["subject"]["label"], "jane@contoso.com");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_has_the_reason_of_each_removal_and_of_each_skip() {
    let rig = synced().await;
    let (blocked, leaver) = (rig.joiner("blocked"), rig.joiner("leaver"));
    let never = rig.joiner("never");
    rig.tenant()
        .set_property(never, "accountEnabled", json!(false));
    let sync = rig.run(&["sync", "-v"]).await.expect(0);
    rig.tenant()
        .set_property(blocked, "accountEnabled", json!(false));
    rig.tenant().soft_delete_user(leaver);
    let plan = rig.run(&["plan", "--user", &never.to_string()]).await;
    rig.sync().await.expect(0);
    let reason = |entries: Vec<Value>| {
        let last = entries.last().unwrap();
        (
            last["action"].as_str().unwrap().to_owned(),
            last["why"]["reason"].as_str().unwrap().to_owned(),
            last["why"]["text"].as_str().unwrap().to_owned(),
        )
    };
    let of = |id: &str| vec!["--object".to_owned(), id.to_owned()];
    let ask = async |arguments: Vec<String>| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        reason(log(&rig, &arguments).await)
    };
    let (action, word, _) = ask(of(&blocked.to_string())).await;
    assert_eq!((action.as_str(), word.as_str()), ("disable", "blocked"));
    let (action, word, text) = ask(of(&leaver.to_string())).await;
    assert_eq!(
        (action.as_str(), word.as_str()),
        ("disable", "soft-deleted")
    );
    assert_eq!(text, "it is in the tenant's recycle bin");
    let skipped = [
        of(&never.to_string()),
        vec!["--status".into(), "skipped".into()],
    ]
    .concat();
    let (action, word, text) = ask(skipped).await;
    assert_eq!((action.as_str(), word.as_str()), ("skip", "blocked"));
    assert!(plan.out.contains(&text), "{}", plan.out);
    assert!(sync.out.contains(&text), "{}", sync.out);
    let csv = rig
        .run(&["log", "--format", "csv", "--action", "disable"])
        .await;
    assert!(csv.out.contains("it is in the tenant's recycle bin"));
    // What undo needs is in it.
    let json = ["log", "--action", "disable", "--format", "json"];
    let document: Value = serde_json::from_str(&rig.run(&json).await.expect(0).out).unwrap();
    let entry = &document["entries"][0];
    let change = format!("{}/{}", entry["cycle"], entry["change"]);
    let undo = rig.run(&["undo", &change]).await.expect(0).out;
    assert!(undo.contains(&change), "{undo}");
    let number = format!(",{}\r\n", entry["change"]);
    assert!(csv.out.contains(&number), "{csv:?}");
    let text = rig.run(&["log", "--action", "disable"]).await.expect(0).out;
    assert!(text.contains("because sign-in is blocked"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_requests_that_were_sent_to_source_and_target_can_be_listed() {
    let rig = synced().await;
    let jane = rig.joiner("jane");
    rig.sync().await.expect(0);
    rig.tenant().traffic().reset();
    rig.sandbox.target.traffic().reset();
    rig.tenant().set_property(jane, "jobTitle", json!("Clerk"));
    let cycle = rig.sync().await.expect(0).job()["cycle"].to_string();

    let arguments = ["log", "--requests", "--cycle", &cycle, "--format", "json"];
    let run = rig.run(&arguments).await.expect(0);
    let document: Value = serde_json::from_str(&run.out).unwrap();
    let listed: Vec<(String, String, String)> = document["requests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let text = |name: &str| one[name].as_str().unwrap().to_owned();
            (text("side"), text("method"), text("path"))
        })
        .collect();
    let sent = |side: &str, exchanges: Vec<Exchange>| -> Vec<(String, String, String)> {
        let sent = exchanges.into_iter().map(|one| {
            let path = one.path.split('?').next().unwrap();
            let path = path.strip_prefix("/scim/v2").unwrap_or(path).to_owned();
            (side.to_owned(), one.method, path)
        });
        sent.collect()
    };
    let mut all = sent("source", rig.tenant().traffic().exchanges());
    all.extend(sent("target", rig.sandbox.target.traffic().exchanges()));
    let sorted = |mut all: Vec<(String, String, String)>| {
        all.sort();
        all
    };
    assert_eq!(sorted(listed), sorted(all), "{document:#}");

    let run = rig.run(&["log", "--requests", "--cycle", &cycle]).await;
    let run = run.expect(0);
    let updates: Vec<&str> = run
        .out
        .lines()
        .filter(|line| line.contains("PATCH"))
        .collect();
    assert_eq!(updates.len(), 1, "{}", run.out);
    let id = rig.user("jane@contoso.com")["id"].clone();
    let words = format!("PATCH /Users/{}: succeeded", id.as_str().unwrap());
    assert!(updates[0].contains(&words), "{}", run.out);
    assert!(
        updates[0].contains("update user jane@contoso.com"),
        "{}",
        run.out
    );
    let run = rig.run(&["log", "--requests", "--format", "csv"]).await;
    assert!(
        run.expect(0)
            .out
            .starts_with("time,job,cycle,side,method,path")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_says_when_it_is_tried_again() {
    let rig = synced().await;
    rig.joiner("jane");
    let fault = || Fault::new("/Users", Trouble::status(400)).method("POST");
    rig.sandbox.target.traffic().inject(fault());
    rig.sync().await.expect(3);
    rig.sandbox.target.traffic().inject(fault());
    rig.sync().await.expect(3);
    let failed = log(&rig, &["--status", "failed"]).await;
    assert_eq!(failed.len(), 2);
    assert_eq!(failed[0]["next_try"], Value::Null, "it was tried since");
    assert!(failed[1]["next_try"].is_string(), "{failed:#?}");
    let run = rig.run(&["log", "--status", "failed"]).await.expect(0);
    assert_eq!(run.out.matches("next try: 20").count(), 1, "{}", run.out);
    rig.sync().await.expect(0);
    let failed = log(&rig, &["--status", "failed"]).await;
    assert_eq!(failed[1]["next_try"], Value::Null, "it succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_operators_did_is_in_the_log_with_who_and_when() {
    let rig = Rig::start(Size::new(3, 0, 0)).await;
    rig.joiner("jane");
    rig.sync().await.expect(0);
    for command in [
        &["pause", "demo"][..],
        &["resume", "demo"],
        &["restart", "demo", "--reset", "watermark,escrow"],
        &["links", "unlink", "demo", "jane@contoso.com"],
    ] {
        rig.run(command).await.expect(0);
    }
    let text = rig.run(&["log"]).await.expect(0).out;
    let at = |words: &str| {
        text.find(words)
            .unwrap_or_else(|| panic!("{words}: {text}"))
    };
    let places = [
        at("create user jane@contoso.com"),
        at("demo  pause by "),
        at("demo  resume by "),
        at("demo  restart by "),
        at("demo  unlink user jane@contoso.com by "),
    ];
    assert!(places.is_sorted(), "{text}");
    assert!(text.contains("reset watermark, escrow"), "{text}");
    let json = rig
        .run(&["log", "demo", "--format", "json"])
        .await
        .expect(0)
        .out;
    let json: Value = serde_json::from_str(&json).unwrap();
    let verbs: Vec<&str> = json["operations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["verb"].as_str().unwrap())
        .collect();
    assert_eq!(verbs, ["pause", "resume", "restart", "unlink"], "{json:#}");
    assert_eq!(
        json["operations"][3]["subject"]["label"],
        "jane@contoso.com"
    );
    let csv = rig.run(&["log", "--format", "csv"]).await.expect(0).out;
    assert!(csv.contains(",unlink,operator,user,"), "{csv}");
    // They are of no action, and of no other object.
    for filter in [
        &["--action", "create"][..],
        &["--status", "failed"],
        &["--object", "nobody"],
    ] {
        let text = rig
            .run(&[&["log"][..], filter].concat())
            .await
            .expect(0)
            .out;
        assert!(!text.contains(" by "), "{filter:?}: {text}");
    }
}

/// The shape is that of Graph's `provisioningObjectSummary`.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_printed_as_entra_prints_its_own() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    let jane = rig.joiner("jane");
    let group = rig.tenant().add_group("Crew");
    rig.tenant().add_members(group, &[jane]);
    rig.tenant().assign(group, entrain::sandbox::ROLE_USER);
    rig.sync().await.expect(0);
    rig.tenant().set_property(jane, "jobTitle", json!("Clerk"));
    let fault = Fault::new("/Users", Trouble::status(409)).method("PATCH");
    rig.sandbox.target.traffic().inject(fault.forever());
    rig.sync().await.expect(3);
    let run = rig.run(&["log", "--format", "entra"]).await.expect(0);
    let document: Value = serde_json::from_str(&run.out).unwrap();
    let all = document["value"].as_array().unwrap();
    let find = |action: &str, name: &str| {
        let mut all = all.iter();
        let found = all.find(|one| {
            one["provisioningAction"] == action && one["sourceIdentity"]["displayName"] == name
        });
        found.unwrap_or_else(|| panic!("{action} {name}: {document:#}"))
    };
    for one in all {
        for field in [
            "id",
            "activityDateTime",
            "tenantId",
            "jobId",
            "cycleId",
            "changeId",
            "durationInMilliseconds",
            "initiatedBy",
            "servicePrincipal",
            "sourceSystem",
            "targetSystem",
            "targetIdentity",
            "provisioningStatusInfo",
            "provisioningSteps",
            "modifiedProperties",
        ] {
            assert!(!one[field].is_null(), "{field}: {one:#}");
        }
        assert_eq!(one["id"].as_str().unwrap().len(), 36);
    }
    let created = find("create", "jane@contoso.com");
    assert_eq!(created["provisioningStatusInfo"]["status"], "success");
    assert_eq!(created["sourceIdentity"]["id"], json!(jane));
    let steps: Vec<&str> = created["provisioningSteps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["provisioningStepType"].as_str().unwrap())
        .collect();
    assert_eq!(steps, ["import", "export"]);
    let failed = find("update", "jane@contoso.com");
    assert_eq!(failed["provisioningStatusInfo"]["status"], "failure");
    assert_eq!(
        failed["provisioningStatusInfo"]["errorInformation"]["errorCode"],
        "EntryConflict"
    );
    assert_eq!(
        failed["modifiedProperties"],
        json!([{ "displayName": "title", "oldValue": "Engineer", "newValue": "Clerk" }])
    );
    let members = find("update", "Crew");
    assert_eq!(
        members["modifiedProperties"],
        json!([{ "displayName": "members", "oldValue": null, "newValue": jane }])
    );
    rig.run(&["status", "--format", "entra"]).await.expect(2);
    rig.run(&["log", "--requests", "--format", "entra"])
        .await
        .expect(2);
}

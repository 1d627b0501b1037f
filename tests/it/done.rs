//! Reports after the fact: what a cycle did, from the record alone, in every form, and what a period did.

use std::fs;

use entrain::sandbox::{Fault, Size, Trouble, UserView};
use serde_json::{Value, json};

use crate::rig::{Rig, Run};

fn read(rig: &Rig, name: &str) -> String {
    fs::read_to_string(rig.path(name)).unwrap()
}

/// Two joiners, of whom the target refuses one; then a mover and a leaver.
async fn eventful() -> (Rig, i64) {
    let rig = Rig::start(Size::new(6, 2, 8)).await;
    rig.sync().await.expect(0);
    rig.joiner("jane");
    rig.joiner("fred");
    let refused = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": "409",
        "scimType": "uniqueness",
        "detail": "this userName is reserved",
    });
    let fault = Fault::new("/Users", Trouble::body(409, &refused.to_string())).method("POST");
    rig.sandbox.target.traffic().inject(fault);
    let summary = rig.sync().await.expect(3).job();
    assert_eq!(summary["done"]["create"], 1, "{summary:#}");
    (rig, summary["cycle"].as_i64().unwrap())
}

async fn json_of(rig: &Rig, arguments: &[&str]) -> Value {
    let arguments = [&["report", "--format", "json"], arguments].concat();
    rig.run(&arguments).await.expect(0).job()
}

fn of_user<'v>(report: &'v Value, name: &str) -> Vec<&'v Value> {
    let actions = report["actions"].as_array().unwrap().iter();
    actions
        .filter(|one| one["subject"]["label"].as_str().unwrap().starts_with(name))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_cycle_is_reported_in_every_form_with_its_outcomes() {
    let (rig, number) = eventful().await;
    // A later cycle changes nothing of what is on record of the earlier one.
    rig.sync().await.expect(0);
    fs::remove_file(rig.path("token")).unwrap();
    fs::remove_file(rig.path("secret")).unwrap();
    let number = number.to_string();
    let report = json_of(&rig, &[&number]).await;
    assert_eq!(report["cycle"].to_string(), number);
    let statuses = |name: &str| -> Vec<&Value> {
        of_user(&report, name)
            .iter()
            .map(|one| &one["status"])
            .collect()
    };
    let mut both = [statuses("jane"), statuses("fred")].concat();
    both.sort_by_key(ToString::to_string);
    assert_eq!(both, ["failed", "succeeded"], "{report:#}");

    let files = ["a.html", "a.md", "a.csv", "a.json"];
    let mut arguments = vec!["report", &number];
    arguments.extend(files.iter().flat_map(|name| ["--out", name]));
    let text = rig.run(&arguments).await.expect(0);
    let [page, markdown, table, document] = files.map(|name| read(&rig, name));
    for words in [&text.out, &page, &markdown] {
        assert!(
            words.contains("It completed, and 1 failed: 1 created."),
            "{words}"
        );
        assert!(words.contains("is reserved"), "{words}");
        assert!(!words.contains("nothing was changed"), "{words}");
    }
    assert!(text.out.contains("+ create user"), "{text:?}");
    assert!(text.out.contains(": done\n"), "{text:?}");
    assert!(text.out.contains("✗ create user"), "{text:?}");
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["jobs"][0], report);
    // Excel needs the mark, and programs that read a pipe do not.
    assert!(table.starts_with('\u{feff}'), "{table}");
    let rows: Vec<_> = csv::Reader::from_reader(table.as_bytes())
        .into_records()
        .map(Result::unwrap)
        .collect();
    let outcomes = |outcome: &str| rows.iter().filter(|row| &row[13] == outcome).count();
    assert!(outcomes("succeeded") > 3, "{table}");
    assert!(
        outcomes("failed") > 3,
        "what was to be written of the failed one: {table}"
    );
    let on_terminal = rig.run(&["report", &number, "--format", "csv"]).await;
    assert_eq!(
        on_terminal.expect(0).out,
        table.trim_start_matches('\u{feff}')
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_planned_action_stands_in_the_report_of_its_cycle() {
    let rig = Rig::start(Size::new(12, 3, 20)).await;
    let plan = rig.plan().await.expect(0).job();
    rig.sync().await.expect(0);
    let report = json_of(&rig, &[]).await;
    let key = |one: &Value| {
        let changes = &one["changes"];
        let members = changes[0]["new"].as_array().or(one["members"].as_array());
        (
            one["action"].to_string(),
            one["subject"]["id"].to_string(),
            members
                .filter(|_| one["action"] == "add-members")
                .map(Vec::len),
        )
    };
    let sorted = |list: &Value| {
        let mut keys: Vec<_> = list.as_array().unwrap().iter().map(key).collect();
        keys.sort();
        keys
    };
    assert!(plan["actions"].as_array().unwrap().len() > 10);
    assert_eq!(sorted(&report["actions"]), sorted(&plan["actions"]));
    let skipped = |of: &Value| of["skipped"].as_array().unwrap().len();
    assert_eq!(skipped(&report), skipped(&plan));
    let mut done = report["actions"].as_array().unwrap().iter();
    assert!(done.all(|one| one["status"] == "succeeded"), "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_and_apply_write_the_report_of_what_they_did() {
    let rig = Rig::start(Size::new(6, 2, 8)).await;
    let run = rig
        .run(&["sync", "--out", "a.html", "--out", "a.json"])
        .await;
    assert!(run.expect(0).err.contains("The report is in a.html"));
    let document: Value = serde_json::from_str(&read(&rig, "a.json")).unwrap();
    assert_eq!(document["jobs"][0], json_of(&rig, &[]).await);
    assert!(read(&rig, "a.html").contains("What was done, for whom, and its outcome"));

    rig.joiner("jane");
    rig.run(&["plan", "--out", "plan.json"]).await.expect(0);
    rig.run(&["apply", "plan.json", "--out", "b.md"])
        .await
        .expect(0);
    let markdown = read(&rig, "b.md");
    assert!(
        markdown.contains("`+` create user `jane@contoso.com`: done"),
        "{markdown}"
    );

    // What ran before is not taken for what was asked for now.
    rig.run(&["pause", "demo"]).await.expect(0);
    let run = rig.run(&["sync", "--out", "c.json"]).await.expect(4);
    assert!(run.err.contains("c.json was not written"), "{run:?}");
    assert!(!rig.path("c.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_that_failed_or_never_was_is_reported_as_such() {
    let rig = Rig::start(Size::new(2, 0, 0)).await;
    let run = rig.run(&["report"]).await.expect(2);
    assert!(run.err.contains("no cycle has run"), "{run:?}");
    fs::write(rig.path("secret"), "wrong").unwrap();
    rig.sync().await.expect(1);
    let run = rig.run(&["report", "--out", "a.md"]).await.expect(0);
    assert!(run.out.contains("It failed."), "{run:?}");
    assert!(read(&rig, "a.md").contains("❌ **It failed.**"));
    let run = rig.run(&["report", "99"]).await.expect(2);
    assert!(run.err.contains("no cycle 99 is on record"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_period_sums_up_who_came_moved_and_left_and_what_failed() {
    let (rig, _) = eventful().await;
    rig.sync().await.expect(0);
    let users = rig.sandbox.target.users();
    let name = |place: usize| users[place]["userName"].as_str().unwrap().to_owned();
    let in_tenant = |name: &str| {
        let users = rig.tenant().users();
        let is_it = |user: &UserView| user.properties["userPrincipalName"] == *name;
        users.into_iter().find(is_it).unwrap().id
    };
    let (mover, leaver) = (name(0), name(1));
    rig.tenant()
        .set_property(in_tenant(&mover), "jobTitle", json!("Head"));
    rig.tenant()
        .set_property(in_tenant(&leaver), "accountEnabled", json!(false));
    // A group that becomes a member of another is no user who moved.
    let groups = rig.tenant().groups();
    rig.tenant().add_members(groups[0].id, &[groups[1].id]);
    rig.sync().await.expect(0);

    let report = json_of(&rig, &["--since", "1h"]).await;
    let labels = |list: &Value| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|one| one["label"].as_str().unwrap().to_owned())
            .collect()
    };
    let joiners = labels(&report["joiners"]);
    for who in ["jane@contoso.com", "fred@contoso.com"] {
        assert!(joiners.contains(&who.to_owned()), "{report:#}");
    }
    assert_eq!(labels(&report["leavers"]), [leaver.as_str()]);
    let lost = report["lost_access"].as_array().unwrap();
    let disabled: Vec<_> = lost
        .iter()
        .filter(|one| one["action"] == "disable")
        .collect();
    assert_eq!(disabled.len(), 1, "{report:#}");
    assert_eq!(disabled[0]["why"]["text"], "sign-in is blocked");
    let failures = report["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 1, "{report:#}");
    assert_eq!(
        (&failures[0]["times"], &failures[0]["still_failing"]),
        (&json!(1), &json!(0))
    );
    assert!(report["took"]["changes"].as_u64().unwrap() > 8);
    assert_eq!(report["cycles"].as_array().unwrap().len(), 4);

    let start = report["cycles"][3]["started"].as_str().unwrap();
    let since = json_of(&rig, &["--since", start]).await;
    assert_eq!(
        since["movers"],
        json!([in_tenant(&mover).to_string()]),
        "{since:#}"
    );
    assert_eq!(since["cycles"][0]["done"]["add-members"], 1, "{since:#}");
    assert_eq!(since["joiners"], json!([]));

    let files = ["a.html", "a.md", "a.csv", "a.json"];
    let mut arguments = vec!["report", "--since", "1h"];
    arguments.extend(files.iter().flat_map(|name| ["--out", name]));
    let text = rig.run(&arguments).await.expect(0);
    for words in [&text.out, &read(&rig, "a.html"), &read(&rig, "a.md")] {
        for part in [
            leaver.split('@').next().unwrap(),
            "sign-in is blocked",
            "status 409",
            "joiners",
        ] {
            assert!(words.to_lowercase().contains(part), "{part}: {words}");
        }
    }
    // Every action of every cycle, for users that want to count differently.
    let table = read(&rig, "a.csv");
    assert!(table.lines().count() > 20, "{table}");
    assert!(table.contains("failed"), "{table}");

    let nothing = json_of(&rig, &["--since", "2h", "--until", "1h", "--job", "demo"]).await;
    assert_eq!(nothing["cycles"], json!([]));
    let run: Run = rig.run(&["report", "--since", "2h", "--until", "1h"]).await;
    assert!(run.expect(0).out.contains("No cycle ran."));
}

/// What is marked in a mapping is in no report, and names from outside are harmless.
#[tokio::test(flavor = "multi_thread")]
async fn reports_after_the_fact_hide_and_escape_what_those_before_do() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    let user = rig.joiner("jane");
    let name = "</td><script>alert(1)</script> =1+1 \u{202e}";
    rig.tenant().set_property(user, "displayName", json!(name));
    rig.sync().await.expect(0);
    for arguments in [["report", "--out"], ["report", "--since=1h"]] {
        let last = if arguments[1] == "--out" {
            "a.html"
        } else {
            "--out=a.html"
        };
        let run = rig
            .run(&[arguments[0], arguments[1], last, "--out", "a.md"])
            .await;
        let run = run.expect(0);
        let page = read(&rig, "a.html");
        assert!(!page.contains("<script>alert"), "{page}");
        for text in [&run.out, &page, &read(&rig, "a.md")] {
            assert!(!text.contains('\u{202e}'), "{text}");
        }
    }
}

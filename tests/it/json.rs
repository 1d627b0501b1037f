//! `docs/json.md` has every field of the documents that scripts read most.

use entrain::sandbox::Size;
use serde_json::Value;

use crate::rig::Rig;

const PAGE: &str = include_str!("../../docs/json.md");

/// The page's section about a command.
fn section(command: &str) -> &'static str {
    let heading = format!("\n## {command}\n");
    let (_, section) = PAGE.split_once(&heading).unwrap();
    section.split("\n## ").next().unwrap()
}

#[track_caller]
fn assert_told(command: &str, document: &Value) {
    let section = section(command);
    for field in document.as_object().unwrap().keys() {
        assert!(
            section.contains(&format!("`{field}`")),
            "{command}: {field}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_names_every_field() {
    let rig = Rig::start(Size::new(20, 3, 40)).await;
    let plan = rig.plan().await.expect(0).job();
    assert_told("plan", &plan);
    for part in ["actions", "skipped"] {
        for one in plan[part].as_array().unwrap() {
            assert_told("plan", one);
        }
    }
    assert_told("sync", &rig.sync().await.expect(0).job());
    let leaver = rig.joiner("jane");
    rig.sync().await.expect(0);
    rig.tenant().unassign(leaver);
    for action in rig.plan().await.expect(0).job()["actions"]
        .as_array()
        .unwrap()
    {
        assert_told("plan", action);
    }
    for command in ["status", "test"] {
        let run = rig.run(&[command, "--format", "json"]).await.expect(0);
        assert_told(command, &run.job());
    }
    let status = rig.run(&["status", "--format", "json"]).await.job();
    assert_told("status", &status["last_cycle"]);
    let log = rig.run(&["log", "--format", "json"]).await.expect(0);
    let log: Value = serde_json::from_str(&log.out).unwrap();
    assert_told("log", &log["entries"][0]);
}

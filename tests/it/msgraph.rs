//! Microsoft's own SDK reads the simulated tenant as entrain does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::process::{Command, Stdio};

use entrain::sandbox::Size;
use serde_json::{Value, json};

use crate::foreign::{installed, targets};
use crate::rig::Rig;

fn ids<'v>(entries: impl IntoIterator<Item = &'v Value>) -> BTreeSet<String> {
    let entries = entries.into_iter();
    entries
        .map(|entry| entry["id"].as_str().unwrap().to_owned())
        .collect()
}

/// An empty list is left out.
fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_of_microsoft_reads_what_entrain_reads() {
    let Some(home) = installed("msgraph") else {
        return;
    };
    let rig = Rig::start(Size::new(250, 12, 700)).await;
    let members = rig.tenant().users();
    let gone = members[3].id;
    assert!(rig.tenant().soft_delete_user(gone));
    let secret = rig.path("sdk-secret");
    fs::write(&secret, rig.sandbox.client_secret()).unwrap();
    let graph = format!("{}/v1.0", rig.sandbox.graph_url());
    let token = format!(
        "{}/{}/oauth2/v2.0/token",
        rig.sandbox.login_url(),
        rig.sandbox.tenant_id()
    );
    let output = tokio::task::spawn_blocking({
        let client = rig.sandbox.client_id();
        move || {
            Command::new(home.join("venv/bin/python"))
                .arg(targets().join("msgraph/read.py"))
                .args([graph, token, client])
                .stdin(Stdio::from(File::open(secret).unwrap()))
                .output()
                .unwrap()
        }
    });
    let output = output.await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let sdk: Value = serde_json::from_slice(&output.stdout).unwrap();

    let snapshot = rig.run(&["source", "snapshot", "-"]).await.expect(0);
    let own: Value = serde_json::from_str(&snapshot.out).unwrap();
    let is_there = |entry: &&Value| entry.get("@removed").is_none();
    let users: Vec<&Value> = list(&own["users"]).iter().filter(is_there).collect();
    let groups: Vec<&Value> = list(&own["groups"]).iter().filter(is_there).collect();
    assert_eq!(users.len(), 249);
    for kind in ["users", "delta_users"] {
        assert_eq!(sdk[kind], json!(ids(users.iter().copied())), "{kind}");
    }
    assert_eq!(sdk["groups"], json!(ids(groups.iter().copied())));

    let mut managers = BTreeMap::new();
    for user in users {
        if let Some(manager) = user["manager@delta"].get(0) {
            managers.insert(user["id"].as_str().unwrap(), &manager["id"]);
        }
    }
    assert!(managers.len() > 200);
    assert_eq!(sdk["managers"], json!(managers));

    let gone = gone.to_string();
    let mut memberships = 0;
    for group in groups {
        let id = group["id"].as_str().unwrap();
        let mut members = ids(list(&group["members@delta"]));
        memberships += members.len();
        assert_eq!(sdk["delta_members"][id], json!(members));
        // The change feed keeps those who are in the recycle bin, and the list of members does not.
        members.remove(&gone);
        assert_eq!(sdk["members"][id], json!(members));
    }
    assert!(memberships > 500);
}

//! Copies of the state, what a stolen or moved one is worth, and what brings former values back.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use entrain::sandbox::Size;
use serde_json::json;

use crate::rig::Rig;
use crate::service::{Service, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_put_back_is_verified_and_nothing_is_doubled() {
    let rig = Rig::start(Size::new(20, 3, 30)).await;
    rig.configure("[schedule]\ninterval = \"1s\"\n");
    let service = Service::start(&rig, &["run"]);
    until("the first cycle", || service.log().contains("cycle ended")).await;
    // While the service runs.
    let made = rig.run(&["state", "backup", "copy.db"]).await.expect(0);
    assert!(made.out.contains("entrain.db.key"), "{made:?}");
    let permissions = fs::metadata(rig.path("copy.db")).unwrap().permissions();
    assert_eq!(permissions.mode() & 0o777, 0o600);
    rig.run(&["state", "backup", "copy.db"]).await.expect(1);
    rig.run(&["state", "restore", "copy.db"]).await.expect(1);

    rig.joiner("jane");
    until("the joiner", || {
        let user = rig
            .sandbox
            .target
            .find_user_by("userName", "jane@contoso.com");
        user.is_some()
    })
    .await;
    service.signal("-TERM");
    service.end().await;
    let before = rig.target().await;
    let traffic = rig.sandbox.target.traffic();
    traffic.reset();
    let restored = rig.run(&["state", "restore", "copy.db"]).await.expect(0);
    assert!(restored.out.contains("before-restore"), "{restored:?}");
    assert_eq!(traffic.count(), 0);
    rig.sync().await.expect(0);
    // Links were read, and she was found and not created.
    assert!(traffic.count_of("GET") > 0);
    assert_eq!(traffic.count_of("POST"), 0);
    assert_eq!(rig.target().await, before);
    traffic.reset();
    rig.sync().await.expect(0);
    assert_eq!(traffic.writes(), 0);

    // A copy also works in another place, without the state.
    fs::rename(rig.path("copy.db"), rig.path("elsewhere.db")).unwrap();
    rig.edit(|text| format!("state = {{ path = \"elsewhere.db\" }}\n{text}"));
    rig.sync().await.expect(0);
    assert_eq!(traffic.count_of("POST"), 0);
    assert_eq!(rig.target().await, before);
    let foreign = rig
        .run(&["state", "restore", "entrain.toml"])
        .await
        .expect(1);
    assert!(foreign.err.contains("not a state file"), "{foreign:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_others_can_read_is_remarked() {
    let rig = Rig::start(Size::new(3, 0, 0)).await;
    rig.sync().await.expect(0);
    let quiet = rig.run(&["check"]).await.expect(0);
    assert!(!quiet.out.contains("chmod 600"), "{quiet:?}");
    fs::set_permissions(rig.path("entrain.db"), Permissions::from_mode(0o644)).unwrap();
    let said = rig.run(&["check"]).await.expect(0);
    let words = "the state file can be read by other users of this machine (mode 644)";
    assert!(
        said.out.contains(words) || said.err.contains(words),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn former_values_are_printed_with_what_brings_them_back_and_nothing_is_written() {
    let rig = Rig::start(Size::new(5, 0, 0)).await;
    let jane = rig.joiner("jane");
    let joe = rig.joiner("joe");
    rig.sync().await.expect(0);
    rig.tenant()
        .set_property(jane, "jobTitle", json!("Director"));
    rig.tenant().unassign(joe);
    let cycle = rig.sync().await.expect(0).job()["cycle"].to_string();
    let traffic = rig.sandbox.target.traffic();
    traffic.reset();
    let undo = rig.run(&["undo", &cycle]).await.expect(0).out;
    for words in [
        "title was \"Engineer\", now \"Director\"",
        "To undo it: title: restore jobTitle of the object in Entra",
        "assign it to the application again",
        "2 changes; nothing was written.",
    ] {
        assert!(undo.contains(words), "{words}: {undo}");
    }
    let document = rig
        .run(&["undo", &cycle, "--format", "json"])
        .await
        .expect(0);
    let document: serde_json::Value = serde_json::from_str(&document.out).unwrap();
    let change = &document["changes"][0];
    let one = format!("{cycle}/{}", change["change"]);
    let undo = rig.run(&["undo", &one]).await.expect(0).out;
    assert!(undo.contains("1 change; nothing was written."), "{undo}");
    rig.run(&["undo", "999"]).await.expect(2);
    rig.run(&["undo", "soon"]).await.expect(2);
    assert_eq!(traffic.count(), 0);
}

/// Each defence of the threat model names a test that there is.
#[test]
fn the_threat_model_names_tests_that_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/threat-model.md")).unwrap();
    let mut known = String::new();
    for folder in ["src", "tests"] {
        read_all(&root.join(folder), &mut known);
    }
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains('`'));
    let names: BTreeSet<&str> = rows
        .filter_map(|row| row.trim_end_matches(" |").rsplit_once("| "))
        .flat_map(|(_, tests)| tests.split(", "))
        .map(|name| name.trim_matches('`'))
        .collect();
    assert!(names.len() > 15, "{names:?}");
    for name in names {
        assert!(
            known.contains(&format!("fn {name}(")),
            "there is no test {name}"
        );
    }
}

fn read_all(folder: &Path, known: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, known);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            known.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

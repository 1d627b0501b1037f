//! `entrain erase`: the names and values of a user who left go from the log and the state, and what was done
//! about the account goes on as it should.

use std::fs;

use entrain::sandbox::Size;
use serde_json::{Value, json};

use crate::cycles::settles;
use crate::rig::Rig;
use crate::target::Expected;

/// Whether a text stands anywhere in the files of the state.
fn is_in_state(rig: &Rig, text: &str) -> bool {
    ["entrain.db", "entrain.db-wal"].iter().any(|name| {
        let bytes = fs::read(rig.path(name)).unwrap_or_default();
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_is_deleted_is_erased_from_log_and_state() {
    let rig = Rig::start(Size::new(10, 2, 20)).await;
    let jane = rig.joiner("jane.erasmus");
    let john = rig.joiner("john");
    rig.tenant().set_manager(john, Some(jane));
    rig.sync().await.expect(0);
    rig.tenant()
        .set_property(jane, "jobTitle", json!("Chief of Erasure"));
    rig.sync().await.expect(0);
    let run = rig.run(&["erase", "jane.erasmus@contoso.com"]).await;
    let run = run.expect(1);
    assert!(run.err.contains("is in Entra"), "{run:?}");

    rig.tenant().hard_delete_user(jane);
    rig.sync().await.expect(0);
    for text in ["jane.erasmus", "Chief of Erasure"] {
        assert!(is_in_state(&rig, text), "{text}");
    }
    let run = rig.run(&["erase", "Jane.Erasmus@contoso.com"]).await;
    let run = run.expect(0);
    assert!(
        run.out.contains(&format!("The object id {jane} is kept")),
        "{run:?}"
    );
    for text in ["erasmus", "Chief of Erasure"] {
        assert!(!is_in_state(&rig, text), "{text}");
    }

    // The log still says what was done, and to which object id.
    let id = jane.to_string();
    let run = rig.run(&["log", "--object", &id, "--format", "json"]).await;
    let log: Value = serde_json::from_str(&run.expect(0).out).unwrap();
    let entries = log["entries"].as_array().unwrap();
    let actions: Vec<&str> = entries
        .iter()
        .map(|one| one["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions.first(), Some(&"create"), "{log:#}");
    assert!(actions.contains(&"delete"), "{log:#}");
    assert!(
        entries.iter().all(|one| one["changes"] == json!([])),
        "{log:#}"
    );
    assert_eq!(entries[0]["subject"]["label"], json!(id));
    let run = rig.run(&["erase", "jane.erasmus@contoso.com"]).await;
    assert_eq!(run.code, 2, "{run:?}");
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_of_an_erased_user_goes_the_way_of_its_user() {
    let rig = Rig::start(Size::new(10, 2, 20)).await;
    let mut expected = Expected::default();
    let (gone, back) = (rig.joiner("gone.person"), rig.joiner("back.person"));
    settles(&rig, &mut expected).await;
    let id = rig.user("back.person@contoso.com")["id"].clone();
    rig.tenant().soft_delete_user(gone);
    rig.tenant().soft_delete_user(back);
    settles(&rig, &mut expected).await;
    for name in ["gone.person@contoso.com", "back.person@contoso.com"] {
        let run = rig.run(&["erase", name, "--format", "json"]).await;
        let erased: Value = serde_json::from_str(&run.expect(0).out).unwrap();
        let links = erased["links"].as_array().unwrap();
        assert_eq!(links.len(), 1, "{erased:#}");
        assert_eq!(links[0]["active"], false, "{erased:#}");
    }
    assert!(!is_in_state(&rig, "gone.person"));

    // One is deleted for good, and so is the account; the other comes back to the account that it had.
    rig.tenant().hard_delete_user(gone);
    rig.tenant().restore_user(back);
    settles(&rig, &mut expected).await;
    let target = &rig.sandbox.target;
    assert_eq!(
        target.find_user_by("userName", "gone.person@contoso.com"),
        None
    );
    let user = rig.user("back.person@contoso.com");
    assert_eq!((&user["id"], &user["active"]), (&id, &json!(true)));
}

//! Parity with what another job left in a target: proven by nothing to change, or named by mapping.

use entrain::sandbox::Size;
use serde_json::{Value, json};

use crate::rig::Rig;

/// What a second job has instead of the job title.
const EXPRESSION: &str = "expression = 'Append([jobTitle], \" 2\")'";

/// A target that another agent has kept: a job with the same mappings and a state of its own.
async fn kept() -> Rig {
    let rig = Rig::start(Size::new(20, 3, 40)).await;
    rig.sync().await.expect(0);
    for file in [
        "entrain.db",
        "entrain.db-wal",
        "entrain.db-shm",
        "entrain.db.key",
    ] {
        let _may_not_be = std::fs::remove_file(rig.path(file));
    }
    rig
}

async fn parity(rig: &Rig) -> Value {
    rig.run(&["plan", "--parity", "--format", "json"])
        .await
        .expect(0)
        .job()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_to_change_is_the_proof_and_a_difference_names_its_mapping() {
    let rig = kept().await;
    let equal = parity(&rig).await;
    assert_eq!(equal["equal"], true, "{equal:#}");
    assert_eq!(equal["same"]["groups"], equal["in_scope"]["groups"]);
    assert!(equal["same"]["users"].as_u64().unwrap() > 10, "{equal:#}");
    let run = rig.run(&["plan", "--parity"]).await.expect(0);
    assert!(run.out.contains("Nothing differs"), "{run:?}");
    // The same where the job has linked them.
    let fresh = rig.path("entrain.db");
    rig.sync().await.expect(0);
    let linked = parity(&rig).await;
    assert_eq!(linked["same"], equal["same"], "{linked:#}");
    assert_eq!(linked["in_scope"], equal["in_scope"]);
    let title = rig.sandbox.target.users()[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let changed = json!({ "title": "Other" });
    assert!(rig.sandbox.target.change_user(&title, &changed));
    let users = |of: &Value| of["same"]["users"].as_u64().unwrap();
    assert_eq!(users(&parity(&rig).await), users(&equal) - 1);
    rig.run(&["sync", "--initial"]).await.expect(0);
    for file in ["entrain.db-wal", "entrain.db-shm", "entrain.db.key"] {
        let _may_not_be = std::fs::remove_file(rig.path(file));
    }
    std::fs::remove_file(fresh).unwrap();
    let detailed = ["plan", "--parity", "--detailed-exitcode"];
    rig.run(&detailed).await.expect(0);

    rig.sandbox.target.traffic().reset();
    // Another mapping, an object that the other agent left out, and an account of no user.
    rig.configure(
        "[[jobs.users.mappings]]\ntarget = \"title\"\nexpression = 'Append([jobTitle], \" 2\")'\n",
    );
    let jane = rig.joiner("jane");
    let someone = rig.tenant().users_in_scope().into_iter().next().unwrap();
    rig.tenant().set_manager(someone, Some(jane));
    let group = rig.tenant().groups_in_scope().into_iter().next().unwrap();
    rig.tenant().add_members(group, &[jane]);
    rig.sandbox
        .target
        .create_user(&json!({ "userName": "leftover", "active": true }));
    let differs = parity(&rig).await;
    assert_eq!(differs["equal"], false);
    let mut mappings = differs["mappings"].as_array().unwrap().iter();
    let mapping = mappings.find(|one| one["attribute"] == "title").unwrap();
    assert_eq!(mapping["mapping"], EXPRESSION);
    let first = &mapping["first"][0];
    let held = first["held"].as_str().unwrap();
    assert_eq!(first["wanted"], format!("{held} 2"), "{differs:#}");
    for (attribute, mapping) in [("manager", "manager"), ("members", "members")] {
        let mut mappings = differs["mappings"].as_array().unwrap().iter();
        let one = mappings.find(|one| one["attribute"].as_str().unwrap().ends_with(attribute));
        let one = one.unwrap_or_else(|| panic!("{attribute}: {differs:#}"));
        assert_eq!(one["mapping"], format!("source = \"{mapping}\""));
        assert_eq!(one["first"][0]["wanted"], "jane@contoso.com", "{differs:#}");
    }
    assert_eq!(differs["others"][0]["what"], "create");
    assert_eq!(differs["others"][0]["first"], json!(["jane@contoso.com"]));
    assert_eq!(differs["strangers"], 1, "{differs:#}");
    let run = rig.run(&["plan", "--parity"]).await.expect(0);
    assert!(
        run.out.contains(&format!("title of users ({EXPRESSION})")),
        "{run:?}"
    );
    rig.run(&detailed).await.expect(5);
    assert_eq!(rig.sandbox.target.traffic().writes(), 0);
}

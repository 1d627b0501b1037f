//! What people decide of held removals: what commands say of it, and which removals a decision covers.

use entrain::sandbox::{ROLE_USER, Size};
use serde_json::{Value, json};

use crate::rig::Rig;

const APPROVAL: &str = "[jobs.safety]\nmax_deletions = 0\n";
const JANE: &str = "jane@contoso.com";

/// Jane's disable is held.
async fn held() -> Rig {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.configure(APPROVAL);
    rig.joiner("stays");
    let jane = rig.joiner("jane");
    rig.sync().await.expect(0);
    rig.tenant().unassign(jane);
    rig.sync().await.expect(4);
    rig
}

async fn explained(rig: &Rig) -> Value {
    let run = rig.run(&["explain", "demo", JANE, "--format", "json"]);
    serde_json::from_str(&run.await.expect(0).out).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_is_held_or_was_rejected_is_explained_so() {
    let rig = held().await;
    let run = rig.run(&["provision", "demo", JANE]).await.expect(4);
    for words in [
        "held: disable",
        "held by a safety limit until it is approved",
    ] {
        assert!(run.out.contains(words), "{words}: {run:?}");
    }
    assert!(!run.out.contains("nothing to do"), "{run:?}");
    let text = rig.run(&["explain", "demo", JANE]).await.expect(0).out;
    assert!(text.contains("only once it is approved"), "{text}");
    assert_eq!(
        explained(&rig).await["next"]["actions"][0]["action"],
        "disable"
    );

    rig.run(&["reject", "demo", "--user", JANE]).await.expect(0);
    let next = explained(&rig).await["next"].clone();
    assert_eq!(next["actions"], json!([]), "{next:#}");
    let text = rig.run(&["explain", "demo", JANE]).await.expect(0).out;
    for words in [
        "Nothing is sent for it, because a person rejected its removal",
        "allow the removal that was rejected",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let run = rig
        .run(&["provision", "demo", JANE, "--dry-run"])
        .await
        .expect(0);
    for words in ["rejected: disable", "a person rejected its removal"] {
        assert!(run.out.contains(words), "{words}: {run:?}");
    }
    let json = ["provision", "demo", JANE, "--dry-run", "--format", "json"];
    let document: Value = serde_json::from_str(&rig.run(&json).await.out).unwrap();
    let action = &document["objects"][0]["action"];
    assert_eq!(action["rejected"][0]["action"], "disable", "{document:#}");
    assert_eq!(rig.user(JANE)["active"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_lets_no_membership_go_for_another_cause() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    let filter = "[jobs.users]\nfilters = [ { all = [ { attribute = \"department\", operator = \
                  \"NOT EQUALS\", value = \"Left\" } ] } ]\n";
    let limits = "[jobs.safety]\nmax_deletions = 0\nmax_membership_removals = 0\n";
    rig.configure(&format!("{filter}{limits}"));
    let jane = rig.joiner("jane");
    let stays = rig.joiner("stays");
    let group = rig.tenant().add_group("Sales");
    rig.tenant().assign(group, ROLE_USER);
    rig.tenant().add_members(group, &[jane, stays]);
    rig.sync().await.expect(0);
    let members = || {
        let group = rig.sandbox.target.groups().remove(0);
        group["members"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(members(), 2);
    rig.tenant().set_property(jane, "department", json!("Left"));
    rig.sync().await.expect(4);
    rig.run(&["approve", "demo"]).await.expect(0);

    // She is out of scope for another cause now.
    rig.configure(&format!("[jobs.scope]\nexclude = [\"{JANE}\"]\n{limits}"));
    for _ in 0..2 {
        rig.sync().await.expect(4);
        assert_eq!(
            (rig.user(JANE)["active"].clone(), members()),
            (json!(true), 2)
        );
    }
    rig.run(&["approve", "demo"]).await.expect(0);
    rig.sync().await.expect(0);
    assert_eq!(
        (rig.user(JANE)["active"].clone(), members()),
        (json!(false), 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_covers_the_cause_that_it_names() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.configure(APPROVAL);
    let jane = rig.joiner("jane");
    let john = rig.joiner("john");
    rig.joiner("stays");
    rig.sync().await.expect(0);
    rig.tenant().unassign(jane);
    rig.tenant().disable_user(john);
    rig.sync().await.expect(4);
    let mistyped = ["approve", "demo", "--cause", "not-assign"];
    let run = rig.run(&mistyped).await.expect(2);
    assert!(run.err.contains("did you mean not-assigned?"), "{run:?}");
    let run = rig.run(&["approve", "demo", "--cause", "sunshine"]);
    let run = run.await.expect(2);
    assert!(
        run.err.contains("the causes are blocked, not-assigned"),
        "{run:?}"
    );
    let run = rig.run(&["approve", "demo", "--user", "jan@contoso.com"]);
    let run = run.await.expect(2);
    assert!(
        run.err.contains("did you mean \"jane@contoso.com\"?"),
        "{run:?}"
    );
    rig.run(&["approve", "demo", "--cause", "not-assigned"])
        .await
        .expect(0);
    rig.sync().await.expect(4);
    assert_eq!(rig.user(JANE)["active"], false);
    assert_eq!(rig.user("john@contoso.com")["active"], true);
    rig.run(&["reject", "demo", "--cause", "blocked"])
        .await
        .expect(0);
    rig.sync().await.expect(0);
    assert_eq!(rig.user("john@contoso.com")["active"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_of_another_job_are_not_imported() {
    let rig = held().await;
    let export = rig.run(&["links", "export", "demo"]).await.expect(0).out;
    let mut document: Value = serde_json::from_str(&export).unwrap();
    document["job"] = json!("another");
    document["links"][0]["target"] = json!("elsewhere");
    std::fs::write(rig.path("links.json"), document.to_string()).unwrap();
    let import = ["links", "import", "demo", "links.json"];
    let run = rig.run(&import).await.expect(2);
    for words in [
        "has the links of another, and not of demo",
        "\"job\": \"demo\"",
    ] {
        assert!(run.err.contains(words), "{words}: {run:?}");
    }
    let again = rig.run(&["links", "export", "demo"]).await.expect(0).out;
    assert_eq!(again, export);
}

//! `entrain config diff`: what changed in a job's configuration between two cycles.

use entrain::sandbox::Size;
use serde_json::{Value, json};

use crate::rig::Rig;

async fn diff(rig: &Rig, cycles: &[&str]) -> Value {
    let arguments = [&["config", "diff", "--format", "json"], cycles].concat();
    let run = rig.run(&arguments).await.expect(0);
    serde_json::from_str(&run.out).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_in_the_configuration_between_two_cycles_is_shown_without_secrets() {
    let rig = Rig::start(Size::new(5, 0, 0)).await;
    rig.sync().await.expect(0);
    rig.configure(
        "[jobs.scope]\nexclude = [\"jane@contoso.com\"]\n\
         [jobs.safety]\nmax_deletions = \"15%\"\n\
         [[jobs.users.mappings]]\ntarget = \"title\"\nsource = \"jobTitle\"\ndefault = \"Staff\"\n",
    );
    rig.sync().await.expect(0);
    rig.sync().await.expect(0);

    let changed = json!([
        { "key": "safety.max_deletions", "before": null, "after": "15%" },
        { "key": "scope.exclude", "before": null, "after": "jane@contoso.com" },
        { "key": "users.mappings.title", "before": "source jobTitle",
          "after": "source jobTitle, default \"Staff\"" },
    ]);
    assert_eq!(diff(&rig, &["2"]).await["changes"], changed);
    assert_eq!(diff(&rig, &["1", "3"]).await["changes"], changed);
    assert_eq!(diff(&rig, &["3"]).await["changes"], json!([]));
    let run = rig.run(&["config", "diff", "2"]).await.expect(0);
    for words in [
        "demo: from cycle 1 (",
        "+ safety.max_deletions: 15%",
        "~ users.mappings.title",
        "before: source jobTitle\n",
        "3 keys changed.",
    ] {
        assert!(run.out.contains(words), "{words}: {}", run.out);
    }

    // What stands in the state of the token is where it is.
    let state = rusqlite::Connection::open(rig.path("entrain.db")).unwrap();
    let entries: Vec<String> = state
        .prepare("SELECT entries FROM configurations")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(entries.len(), 2, "each is kept once");
    let token = rig.sandbox.scim_token();
    assert!(
        entries
            .iter()
            .all(|text| !text.contains(&token) && text.contains("the file "))
    );

    let run = rig.run(&["config", "diff", "1"]).await.expect(1);
    assert!(run.err.contains("is the first of demo"), "{run:?}");
    let run = rig.run(&["config", "diff", "9"]).await.expect(1);
    assert!(run.err.contains("there is no cycle 9"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_fifty_configurations_of_a_job_are_kept() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    for number in 1..=52 {
        rig.configure(&format!("[jobs.safety]\nmax_deletions = {number}"));
        rig.sync().await.expect(0);
    }
    let run = rig.run(&["config", "diff", "2", "52"]).await.expect(1);
    assert!(run.err.contains("is no longer kept"), "{run:?}");
    let changes = &diff(&rig, &["3", "52"]).await["changes"];
    assert_eq!(
        *changes,
        json!([{ "key": "safety.max_deletions", "before": "3", "after": "52" }])
    );
}

//! What an operator declares: who is never removed, how many stay at least, how many may come.

use entrain::sandbox::{ROLE_USER, Size, Uuid};
use serde_json::{Value, json};

use crate::rig::Rig;

async fn filled(extra: &str, aliases: &[&str]) -> (Rig, Vec<Uuid>) {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.configure(extra);
    let ids = aliases.iter().map(|alias| rig.joiner(alias)).collect();
    rig.sync().await.expect(0);
    (rig, ids)
}

fn is_active(rig: &Rig, alias: &str) -> bool {
    rig.user(&format!("{alias}@contoso.com"))["active"] == true
}

fn reasons(job: &Value) -> Vec<String> {
    let reasons = job["held"]["reasons"].as_array().unwrap().iter();
    reasons
        .map(|one| one["reason"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn users_named_in_never_disable_keep_access_whatever_happens() {
    let (rig, ids) = filled(
        "[jobs.users]\nwhen_out_of_scope = \"delete\"\n[jobs.safety]\n\
         never_disable = [\"unassigned@contoso.com\", \"blocked@mail.*\", \"deleted@contoso.com\"]",
        &["unassigned", "blocked", "deleted", "plain"],
    )
    .await;
    let [unassigned, blocked, deleted, usual] = ids[..] else {
        unreachable!()
    };
    let group = rig.tenant().add_group("Crew");
    rig.tenant().add_members(group, &[unassigned, usual]);
    rig.tenant().assign(group, ROLE_USER);
    rig.sync().await.expect(0);

    rig.tenant().remove_members(group, &[unassigned, usual]);
    for id in [unassigned, usual] {
        rig.tenant().unassign(id);
    }
    rig.tenant().disable_user(blocked);
    rig.tenant()
        .set_property(blocked, "jobTitle", json!("Retired"));
    rig.tenant().soft_delete_user(deleted);
    let plan = rig.plan().await.expect(0).job();
    let skipped = plan["skipped"].as_array().unwrap();
    let kept = skipped
        .iter()
        .filter(|one| one["reason"] == "never-disable");
    assert_eq!(kept.count(), 3, "{plan:#}");
    rig.sync().await.expect(0);
    for alias in ["unassigned", "blocked", "deleted"] {
        assert!(is_active(&rig, alias), "{alias}");
    }
    // All else of the user goes on.
    assert_eq!(rig.user("blocked@contoso.com")["title"], "Retired");
    let gone = rig
        .sandbox
        .target
        .find_user_by("userName", "plain@contoso.com");
    assert!(gone.is_none(), "{gone:?}");
    // Membership, too.
    let crew = rig
        .sandbox
        .target
        .find_group_by("displayName", "Crew")
        .unwrap();
    assert_eq!(crew["members"].as_array().unwrap().len(), 1, "{crew:#}");

    // Neither is an account of theirs disabled again that was enabled in the target, nor handed over.
    rig.tenant().hard_delete_user(deleted);
    rig.sync().await.expect(0);
    assert!(is_active(&rig, "deleted"));
    let run = rig.run(&["sync", "--initial", "--format", "json"]).await;
    assert_eq!(run.expect(0).job()["done"], json!({}));

    // Once the entry is gone, the removals follow.
    rig.configure("[jobs.users]\nwhen_out_of_scope = \"delete\"");
    rig.sync().await.expect(0);
    let left = rig.sandbox.target.user_count();
    assert_eq!(left, 1, "{:#?}", rig.sandbox.target.users());
    assert!(!is_active(&rig, "blocked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_protected_is_not_handed_over() {
    let (rig, ids) = filled(
        "[jobs.safety]\nnever_disable = [\"jane@contoso.com\"]",
        &["jane"],
    )
    .await;
    rig.tenant().soft_delete_user(ids[0]);
    rig.joiner("jane");
    let run = rig.sync().await.expect(3).job();
    assert_eq!(run["failed"], 1, "{run:#}");
    assert!(is_active(&rig, "jane"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_should_protect_and_means_nothing_is_remarked() {
    let (rig, _) = filled(
        "[jobs.safety]\nnever_disable = [\"jane@contoso.com\", \"brake-glass@*\"]\n\
         min_members = { \"Boarrd\" = 3 }",
        &["jane"],
    )
    .await;
    let plan = rig.plan().await.expect(0).job();
    let misnamed = plan["misnamed"].as_array().unwrap().iter();
    let named: Vec<_> = misnamed.map(|one| (&one["key"], &one["name"])).collect();
    let expected = [
        ("safety.never_disable", "brake-glass@*"),
        ("safety.min_members", "Boarrd"),
    ]
    .map(|(key, name)| (json!(key), json!(name)));
    let expected: Vec<_> = expected.iter().map(|(key, name)| (key, name)).collect();
    assert_eq!(named, expected, "{plan:#}");
    let test = rig.run(&["test"]).await;
    assert!(test.out.contains("brake-glass@*"), "{test:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_in_the_target_before_is_not_removed_where_only_created_says_so() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.configure("[jobs.safety]\nonly_created = true");
    let user = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "before@contoso.com",
        "active": true,
    });
    rig.sandbox.target.create_user(&user).unwrap();
    let ids = ["before", "new"].map(|alias| rig.joiner(alias));
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.user_count(), 2);
    for id in ids {
        rig.tenant().unassign(id);
    }
    let plan = rig.plan().await.expect(0).job();
    assert_eq!(plan["totals"]["disable"], 1, "{plan:#}");
    assert!(
        plan["skipped"].to_string().contains("not-created-here"),
        "{plan:#}"
    );
    rig.sync().await.expect(0);
    assert!(is_active(&rig, "before"));
    assert!(!is_active(&rig, "new"));
    rig.configure("");
    rig.sync().await.expect(0);
    assert!(!is_active(&rig, "before"));
}

#[tokio::test(flavor = "multi_thread")]
async fn fewer_active_users_than_declared_are_held() {
    let (rig, ids) = filled(
        "[jobs.safety]\nmin_active = 3",
        &["one", "two", "three", "four"],
    )
    .await;
    rig.tenant().unassign(ids[0]);
    rig.sync().await.expect(0);
    assert!(!is_active(&rig, "one"));
    rig.tenant().unassign(ids[1]);
    let plan = rig.plan().await.expect(4).job();
    assert_eq!(reasons(&plan), ["too-few-active"], "{plan:#}");
    let run = rig.run(&["sync"]).await.expect(4);
    let words = "1 of 3 active users would be removed, but the job must keep 3 (safety.min_active)";
    assert!(run.out.contains(words), "{run:?}");
    assert!(is_active(&rig, "two"));
    let status = rig.run(&["status"]).await.expect(0);
    assert!(status.out.contains("min_active"), "{status:?}");
    // A user who comes is created all the same, and then there is room for one to go.
    rig.joiner("five");
    rig.sync().await.expect(4);
    rig.sync().await.expect(0);
    assert!(!is_active(&rig, "two"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_keeps_as_many_members_as_declared() {
    let (rig, ids) = filled(
        "[jobs.safety]\nmin_members = { Crew = 2 }",
        &["one", "two", "three"],
    )
    .await;
    let group = rig.tenant().add_group("Crew");
    rig.tenant().add_members(group, &ids);
    rig.tenant().assign(group, ROLE_USER);
    rig.sync().await.expect(0);
    rig.tenant().remove_members(group, &ids[..2]);
    let run = rig.sync().await.expect(4).job();
    assert_eq!(reasons(&run), ["too-few-members"], "{run:#}");
    let crew = || {
        rig.sandbox
            .target
            .find_group_by("displayName", "Crew")
            .unwrap()
    };
    assert_eq!(crew()["members"].as_array().unwrap().len(), 3);
    // One may go.
    rig.tenant().add_members(group, &ids[..1]);
    rig.sync().await.expect(0);
    assert_eq!(crew()["members"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_creates_than_declared_are_held_until_they_are_approved() {
    let (rig, _) = filled("[jobs.safety]\nmax_creations = 3", &["one", "two"]).await;
    let group = rig.tenant().add_group("All staff");
    let staff: Vec<Uuid> = (0..5)
        .map(|number| {
            let id = rig.joiner(&format!("staff{number}"));
            rig.tenant().unassign(id);
            id
        })
        .collect();
    rig.tenant().add_members(group, &staff);
    rig.tenant().assign(group, ROLE_USER);
    let plan = rig.plan().await.expect(4).job();
    assert_eq!(reasons(&plan), ["too-many-creations"], "{plan:#}");
    assert_eq!(plan["totals"]["create"], 0, "{plan:#}");
    let run = rig.run(&["sync"]).await.expect(4);
    let words = "6 creates are planned in addition to 2 within the last 24 hours, and the job's limit is 3 in 24 \
                 hours (safety.max_creations)";
    assert!(run.out.contains(words), "{run:?}");
    assert_eq!(rig.sandbox.target.user_count(), 2);
    rig.sync().await.expect(4);
    rig.run(&["approve", "demo"]).await.expect(0);
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.user_count(), 7);
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_job_runs_no_cycle_until_it_is_resumed() {
    let (rig, ids) = filled("", &["one", "two"]).await;
    let run = rig.run(&["pause", "demo"]).await.expect(0);
    assert!(run.out.contains("entrain resume demo"), "{run:?}");
    rig.tenant().unassign(ids[0]);
    let run = rig.run(&["sync"]).await.expect(4);
    assert!(run.err.contains("paused since"), "{run:?}");
    assert!(is_active(&rig, "one"));
    let status = rig.run(&["status", "--format", "json"]).await.job();
    assert!(status["paused"]["by"].is_string(), "{status:#}");
    let run = rig.run(&["status"]).await.expect(0);
    assert!(run.out.contains("paused"), "{run:?}");
    let again = rig.run(&["pause", "demo"]).await.expect(0);
    assert!(again.out.contains("already"), "{again:?}");
    rig.run(&["resume", "demo"]).await.expect(0);
    rig.sync().await.expect(0);
    assert!(!is_active(&rig, "one"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_escrow_is_listed_tried_again_and_dropped_and_the_history_shows_who_did_it() {
    use entrain::sandbox::{Fault, Trouble};

    let (rig, _) = filled("", &["one"]).await;
    let words =
        r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"detail":"no seats left"}"#;
    let fault = Fault::new("/Users", Trouble::body(400, words)).method("POST");
    rig.sandbox.target.traffic().inject(fault.forever());
    rig.joiner("two");
    rig.sync().await;
    let list = rig.run(&["escrow", "list", "demo"]).await.expect(0);
    assert!(list.out.contains("no seats left"), "{list:?}");
    let retry = rig
        .run(&["escrow", "retry", "demo", "two@contoso.com"])
        .await;
    assert!(retry.expect(0).out.contains("next cycle"));
    rig.run(&["escrow", "drop", "demo", "--all"])
        .await
        .expect(0);
    let list = rig
        .run(&["escrow", "list", "demo", "--format", "json"])
        .await;
    let list: Value = serde_json::from_str(&list.expect(0).out).unwrap();
    assert_eq!(list["escrow"], json!([]));
    rig.run(&["links", "unlink", "demo", "one@contoso.com"])
        .await
        .expect(0);
    for (name, verbs) in [
        ("two@contoso.com", vec!["escrow retry", "escrow drop"]),
        ("one@contoso.com", vec!["unlink"]),
    ] {
        let history = rig
            .run(&["history", name, "--format", "json"])
            .await
            .expect(0);
        let history: Value = serde_json::from_str(&history.out).unwrap();
        let operations = history["operations"].as_array().unwrap().iter();
        let found: Vec<&str> = operations
            .map(|one| one["verb"].as_str().unwrap())
            .collect();
        assert_eq!(found, verbs, "{history:#}");
        assert!(
            history["operations"][0]["who"]
                .as_str()
                .is_some_and(|who| !who.is_empty())
        );
        assert!(
            !history["entries"].as_array().unwrap().is_empty(),
            "{history:#}"
        );
    }
    let run = rig.run(&["history", "one@contoso.com"]).await.expect(0);
    assert!(run.out.contains("unlink by"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn exported_links_can_be_imported() {
    let (rig, _) = filled("", &["one", "two"]).await;
    let export = rig.run(&["links", "export", "demo"]).await.expect(0);
    std::fs::write(rig.path("links.json"), &export.out).unwrap();
    rig.run(&["links", "unlink", "demo", "one@contoso.com"])
        .await
        .expect(0);
    let import = ["links", "import", "demo", "links.json", "--format", "json"];
    let run = rig.run(&import).await.expect(0);
    let run: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(
        (&run["set"], &run["same"]),
        (&json!(1), &json!(1)),
        "{run:#}"
    );
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.user_count(), 2);
    std::fs::write(rig.path("wrong.json"), "{}").unwrap();
    rig.run(&["links", "import", "demo", "wrong.json"])
        .await
        .expect(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_remarks_on_names_that_protect_most_users() {
    let (rig, _) = filled("", &["one", "two", "three", "four", "five", "six"]).await;
    let warnings = async |names: &str| {
        rig.configure(&format!("[jobs.safety]\nnever_disable = [{names}]"));
        let run = rig.run(&["check", "--format", "json"]).await.expect(0);
        let run: Value = serde_json::from_str(&run.out).unwrap();
        run["warnings"].clone()
    };
    for (names, words) in [
        ("\"*contoso*\"", "\"*contoso*\" matches 6 of 6 linked users"),
        ("\"t*\", \"f*\"", "\"t*\", \"f*\" match 4 of 6 linked users"),
    ] {
        let found = warnings(names).await;
        let message = found[0]["message"].as_str().unwrap_or_default();
        assert!(message.contains(words), "{found:#}");
        assert_eq!(found[0]["key"], "jobs.demo.safety.never_disable");
    }
    assert_eq!(warnings("\"one@*\", \"two@contoso.com\"").await, json!([]));
}

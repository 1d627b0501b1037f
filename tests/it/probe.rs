//! `entrain probe`: by reads alone, by scratch objects, and a profile with which cycles pass.

use entrain::sandbox::{Bulk, Fault, Personality, Quirk, Size, Trouble};

use crate::forms::lives;
use crate::rig::Rig;

async fn start(personality: Personality) -> Rig {
    let rig = Rig::start(Size::new(5, 1, 5)).await;
    rig.sandbox.target.configure(|target| *target = personality);
    rig
}

/// The settings of a profile, without its comments and its section.
fn settings(profile: &str) -> String {
    let (_, settings) = profile.split_once("[jobs.target]").unwrap();
    settings.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_without_write_only_reads() {
    let rig = start(Personality::default().with(Quirk::FilterIgnored)).await;
    rig.sandbox
        .target
        .create_user(&serde_json::json!({"userName": "somebody", "active": false}));
    let run = rig.run(&["probe", "demo"]).await.expect(0);
    assert!(run.out.contains("reports: PATCH, filters"), "{}", run.out);
    assert!(run.out.contains("filterable.users = []"), "{}", run.out);
    assert_eq!(rig.sandbox.target.writes(), 0);
    assert!(!rig.path("entrain.db").exists());
    let rig = start(Personality::default().with(Quirk::FilterIgnored)).await;
    rig.configure(&settings(&run.out));
    rig.run(&["check"]).await.expect(0);
    lives(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_writes_says_what_it_creates_and_wants_a_yes() {
    let rig = start(Personality::default()).await;
    let run = rig.run(&["probe", "demo", "--write"]).await.expect(2);
    assert!(run.err.contains("entrain-probe-"), "{}", run.err);
    assert_eq!(rig.sandbox.target.writes(), 0);
    let run = rig
        .run(&["probe", "demo", "--write", "--yes"])
        .await
        .expect(0);
    assert!(run.out.contains("# nothing to set"), "{}", run.out);
    assert!(
        run.out
            .contains("take one of two members out: the other stays"),
        "{}",
        run.out
    );
    assert_eq!(
        rig.sandbox.target.user_count() + rig.sandbox.target.group_count(),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_target_does_not_delete_is_disabled_and_named_once() {
    let rig = start(Personality::default().with(Quirk::NoDelete)).await;
    let run = rig.run(&["probe", "demo", "--write", "--yes"]).await;
    let run = run.expect(3);
    assert!(run.err.contains("delete it there"), "{}", run.err);
    for (name, user) in rig.target().await.users {
        assert!(!user.active, "{name}");
    }
    rig.sync().await;
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_probe_could_not_remove_is_removed_by_the_next_cycle() {
    let rig = start(Personality::default()).await;
    let fault = Fault::new("/Users/", Trouble::status(403))
        .method("DELETE")
        .forever();
    rig.sandbox.target.traffic().inject(fault);
    let run = rig
        .run(&["probe", "demo", "--write", "--yes"])
        .await
        .expect(3);
    assert!(
        run.err.contains("still exists in the target"),
        "{}",
        run.err
    );
    assert_eq!(rig.sandbox.target.user_count(), 2);
    rig.sandbox.target.traffic().clear_faults();
    rig.sync().await;
    let left = rig.sandbox.target.users();
    let is_scratch = |user: &&serde_json::Value| user["userName"].to_string().contains("probe");
    assert_eq!(left.iter().filter(is_scratch).count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_removal_takes_out_everyone_is_found_out() {
    let personality = Personality::default().with(Quirk::FilterRemovesEveryone);
    let rig = start(personality).await;
    let run = rig
        .run(&["probe", "demo", "--write", "--yes"])
        .await
        .expect(0);
    assert!(
        run.out.contains("member_remove = \"value-list\""),
        "{}",
        run.out
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_addition_replaces_the_members_is_found_out() {
    let personality = Personality::default().with(Quirk::MemberAddReplaces);
    let rig = start(personality).await;
    let probe = ["probe", "demo", "--write", "--yes"];
    let out = rig.run(&probe).await.expect(0).out;
    assert!(out.contains("member_add = \"all\""), "{out}");
    let seen = "add a second member: it removes the other, unless both are sent";
    assert!(out.contains(seen), "{out}");
    let out = start(Personality::default())
        .await
        .run(&probe)
        .await
        .expect(0)
        .out;
    assert!(
        out.contains("add a second member: the other stays"),
        "{out}"
    );
    assert!(!out.contains("member_add"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_profile_of_a_probe_each_personality_is_served() {
    for (_, personality, _) in Personality::named() {
        let rig = start(personality).await;
        let run = rig.run(&["probe", "demo", "--write", "--yes"]).await;
        rig.configure(&settings(&run.out));
        for user in rig.sandbox.target.users() {
            // A target that only deactivates keeps what it was given.
            rig.sandbox.target.delete(user["id"].as_str().unwrap());
        }
        lives(&rig).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_tries_bulk_requests_and_versions() {
    for (quirk, setting) in [
        // What it reports needs no setting.
        (None, "# nothing to set"),
        (Some(Quirk::NoDiscovery), "bulk = \"on\""),
        (Some(Quirk::BulkIgnored), "bulk = \"off\""),
        (Some(Quirk::BulkAnswersNothing), "bulk = \"off\""),
    ] {
        let personality = Personality {
            bulk: Some(Bulk::default()),
            quirks: quirk.into_iter().collect(),
            ..Personality::default()
        };
        let rig = start(personality).await;
        let run = rig.run(&["probe", "demo", "--write", "--yes"]).await;
        let out = run.expect(0).out;
        assert!(out.contains(setting), "{out}");
        let versions = "versions (ETag): a change for another version (If-Match) is refused";
        assert!(out.contains(versions), "{out}");
        assert_eq!(rig.sandbox.target.user_count(), 0, "{out}");
        rig.configure(&settings(&out));
        lives(&rig).await;
    }
}

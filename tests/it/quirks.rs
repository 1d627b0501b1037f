//! Targets as they are: for each quirk and each personality, an initial cycle, changes and a cycle without
//! any, with the target's content compared each time. docs/targets/quirks.md refers to these names.

use entrain::sandbox::{Personality, Quirk, Size};
use serde_json::json;

use crate::cycles::{same, settles};
use crate::forms::lives;
use crate::rig::Rig;
use crate::target::Expected;

async fn start(personality: Personality, settings: &str) -> Rig {
    let rig = Rig::start(Size::new(12, 2, 20)).await;
    rig.sandbox.target.configure(|target| *target = personality);
    rig.configure(settings);
    rig
}

/// Users and a group through their life.
async fn is_served(rig: &Rig) {
    lives(rig).await;
    let mut expected = Expected::default();
    // What was created before is known again.
    settles_again(rig, &mut expected).await;
}

async fn settles_again(rig: &Rig, expected: &mut Expected) {
    let fans = rig.tenant().add_group("Fans");
    let [ann, bob] = ["ann", "bob"].map(|name| rig.joiner(name));
    rig.tenant().add_members(fans, &[ann]);
    rig.tenant().assign(fans, entrain::sandbox::ROLE_USER);
    rig.sync().await.expect(0);
    rig.tenant().add_members(fans, &[bob]);
    rig.tenant().set_property(bob, "jobTitle", json!("Boss"));
    rig.sync().await.expect(0);
    rig.tenant().remove_members(fans, &[ann]);
    rig.sync().await.expect(0);
    let group = rig
        .sandbox
        .target
        .find_group_by("displayName", "Fans")
        .unwrap();
    let members = rig.sandbox.target.members(group["id"].as_str().unwrap());
    let bob = rig.user("bob@contoso.com")["id"].clone();
    assert_eq!(json!(members), json!([bob]));
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
    let _ = expected;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_read_to_their_end_however_they_are_paged() {
    for quirk in [
        Quirk::CountRefused,
        Quirk::ZeroBased,
        Quirk::CursorPaging,
        Quirk::TotalIsPage,
        Quirk::LastPageRepeated,
    ] {
        let mut personality = Personality::default()
            .with(quirk)
            .with(Quirk::FilterIgnored);
        personality.page_cap = 5;
        let rig = start(personality, "").await;
        settles(&rig, &mut Expected::default()).await;
        // A new state finds all of them again, and creates no user.
        let users = rig.sandbox.target.user_count();
        std::fs::remove_file(rig.path("entrain.db")).unwrap();
        rig.sync().await;
        assert_eq!(rig.sandbox.target.user_count(), users, "{quirk:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_and_a_group_may_have_the_same_id() {
    let rig = start(Personality::default().with(Quirk::NumbersAsIds), "").await;
    let fans = rig.tenant().add_group("Fans");
    let [ann, bob] = ["ann", "bob"].map(|name| rig.joiner(name));
    rig.tenant().set_manager(bob, Some(ann));
    rig.tenant().add_members(fans, &[ann, bob]);
    rig.tenant().assign(fans, entrain::sandbox::ROLE_USER);
    settles(&rig, &mut Expected::default()).await;
    let before = rig.target().await;
    // Each is found again with all that it has, and belongs to one alone.
    std::fs::remove_file(rig.path("entrain.db")).unwrap();
    rig.sandbox.target.traffic().reset();
    let found = rig.sync().await.expect(0).job();
    same(&rig.target().await, &before);
    assert_eq!(rig.sandbox.target.traffic().writes(), 0, "{found:#}");
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
    let run = rig.run(&["audit", "demo", "--detailed-exitcode"]).await;
    let words = "The target matches what was last written and what the mappings produce.";
    assert!(run.expect(0).out.contains(words));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_is_understood_however_it_is_answered() {
    for quirk in [
        Quirk::CreateAnswersOk,
        Quirk::CreateAnswersNothing,
        Quirk::CreateNamesNoId,
    ] {
        let rig = start(Personality::default().with(quirk), "").await;
        settles(&rig, &mut Expected::default()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_that_exist_already_are_adopted_however_the_conflict_is_answered() {
    for quirk in [
        Quirk::ConflictsCrash,
        Quirk::ConflictsAreBad,
        Quirk::BareConflicts,
    ] {
        let rig = start(Personality::default().with(quirk), "").await;
        rig.sync().await.expect(0);
        // Created by another client between the look-up and the create.
        rig.joiner("jane");
        let jane = json!({"userName": "jane@contoso.com"});
        let found =
            entrain::sandbox::Fault::new("filter=userName", entrain::sandbox::Trouble::EmptyList);
        rig.sandbox.target.create_user(&jane);
        rig.sandbox.target.traffic().inject(found);
        rig.sync().await.expect(0);
        rig.sync().await.expect(0);
        assert_eq!(
            rig.user("jane@contoso.com")["title"],
            "Engineer",
            "{quirk:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_personality_is_served() {
    for (_, personality, settings) in Personality::named() {
        let rig = start(personality, settings).await;
        is_served(&rig).await;
    }
}

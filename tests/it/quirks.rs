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

/// The last row of each answers is what the job does with a quirk that lists or searches show.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_searched_is_found_however_the_search_is_answered() {
    for quirks in [
        &[Quirk::NobodyIsNoContent][..],
        &[Quirk::StartIndexRefused, Quirk::FilterIgnored],
        &[Quirk::CountUnknown, Quirk::FilterIgnored],
        &[
            Quirk::CountUnknown,
            Quirk::StartIndexRefused,
            Quirk::ExcludingRefused,
            Quirk::FilterForbidden,
        ],
    ] {
        let mut personality = Personality::default();
        personality.quirks.extend(quirks);
        let rig = start(personality, "").await;
        rig.sandbox
            .target
            .create_user(&json!({"userName": "jane@contoso.com"}));
        rig.joiner("jane");
        settles(&rig, &mut Expected::default()).await;
        let (users, groups) = (
            rig.sandbox.target.user_count(),
            rig.sandbox.target.group_count(),
        );
        // A new state finds all of them again.
        std::fs::remove_file(rig.path("entrain.db")).unwrap();
        rig.sync().await;
        let target = &rig.sandbox.target;
        let counts = (target.user_count(), target.group_count());
        assert_eq!(counts, (users, groups), "{quirks:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_cannot_be_read_on_proves_no_absence() {
    let mut personality = Personality::default()
        .with(Quirk::StartIndexRefused)
        .with(Quirk::FilterForbidden);
    personality.page_cap = 5;
    let rig = start(personality, "").await;
    for name in ["ann", "bob", "jane", "john", "jill", "jim"] {
        let name = format!("{name}@contoso.com");
        rig.sandbox.target.create_user(&json!({"userName": name}));
    }
    let failed = rig.sync().await.expect(1);
    assert!(
        failed.err.contains("does not accept startIndex"),
        "{failed:?}"
    );
    assert_eq!(rig.sandbox.target.user_count(), 6);
    // Nor one that announces what is on each page.
    rig.sandbox.target.enable(Quirk::TotalIsPage);
    let failed = rig.sync().await.expect(1);
    assert!(
        failed.err.contains("does not accept startIndex"),
        "{failed:?}"
    );
    assert_eq!(rig.sandbox.target.user_count(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_test_of_a_connection_says_what_cycles_leave_out_of_reads() {
    let refused = "because the target refuses it";
    for (quirk, words) in [
        (Quirk::CountRefused, "are read without count, because"),
        (Quirk::CountUnknown, "are read without count, because"),
        (
            Quirk::ExcludingRefused,
            "without excludedAttributes, because",
        ),
        (
            Quirk::StartIndexRefused,
            "it announces, the list is not complete",
        ),
        (
            Quirk::NobodyIsNoContent,
            "the response to the look-up is empty",
        ),
    ] {
        let rig = start(Personality::default().with(quirk), "").await;
        let test = rig.run(&["test"]).await.expect(0);
        assert!(test.out.contains(words), "{quirk:?}: {}", test.out);
        rig.sync().await.expect(0);
    }
    let rig = start(Personality::default(), "").await;
    let test = rig.run(&["test"]).await.expect(0);
    assert!(!test.out.contains(refused), "{}", test.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_refuses_an_extension_gets_the_users_without_it() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.sandbox.target.enable(Quirk::ExtensionRefused);
    let [jane, john] = ["jane", "john"].map(|name| rig.joiner(name));
    rig.tenant().set_manager(john, Some(jane));
    let first = rig.sync().await.expect(3).job();
    assert_eq!(rig.user("jane@contoso.com")["title"], "Engineer");
    assert_eq!(rig.user("john@contoso.com")["title"], "Engineer");
    // One more request for each user.
    let creates = rig
        .sandbox
        .target
        .traffic()
        .count_where(|one| one.method == "POST");
    assert_eq!(creates, 4, "{first:#}");
    let waiting = crate::refused_attributes::escrow(&rig).await;
    let words: Vec<&str> = waiting
        .iter()
        .filter_map(|one| one["message"].as_str())
        .collect();
    assert_eq!(words.len(), 2, "{words:?}");
    for words in words {
        assert!(words.contains(":User:department"), "{words}");
        assert!(words.contains("Unknown schema or extension"), "{words}");
    }
    rig.tenant().set_property(jane, "jobTitle", json!("Boss"));
    rig.sync().await.expect(3);
    assert_eq!(rig.user("jane@contoso.com")["title"], "Boss");
    rig.sandbox.target.configure(|target| target.quirks.clear());
    settles(&rig, &mut Expected::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_without_empty_groups_gets_groups_with_a_member() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.sandbox.target.enable(Quirk::EmptyGroupsRefused);
    let group = rig.tenant().add_group("Fans");
    rig.tenant().assign(group, entrain::sandbox::ROLE_USER);
    let [ann, bob, eve] = ["ann", "bob", "eve"].map(|name| rig.joiner(name));
    rig.tenant().add_members(group, &[ann, bob, eve]);
    let first = rig.sync().await.expect(3);
    let failures = crate::refused_attributes::escrow(&rig).await;
    let words = failures[0]["message"].as_str().unwrap();
    assert!(words.contains("at least one member"), "{first:?}");
    assert!(words.contains("created with a member"), "{words}");
    settles(&rig, &mut Expected::default()).await;

    // One without members waits, and costs nothing.
    let lonely = rig.tenant().add_group("Lonely");
    rig.tenant().assign(lonely, entrain::sandbox::ROLE_USER);
    let run = rig.sync().await.expect(0).job();
    assert_eq!(rig.sandbox.target.group_count(), 1, "{run:#}");
    let skipped = run["skipped"].to_string();
    assert!(skipped.contains("no-member"), "{run:#}");
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
    rig.tenant().add_members(lonely, &[ann]);
    settles(&rig, &mut Expected::default()).await;
    assert_eq!(rig.sandbox.target.group_count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_a_target_cuts_are_learned_and_not_sent_again() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.sandbox.target.enable(Quirk::LongTextsCut);
    let [jane, john] = ["jane", "john"].map(|name| rig.joiner(name));
    rig.sync().await.expect(0);
    let title = |text: &str| rig.tenant().set_property(jane, "jobTitle", json!(text));
    rig.tenant().set_property(john, "jobTitle", json!("Chief"));
    title("Senior Vice President of Everything");
    rig.sync().await.expect(0);
    assert_eq!(
        rig.user("jane@contoso.com")["title"],
        "Senior Vice Presiden"
    );
    // The first repair shows what the target makes of it; after that it is no difference.
    for (updates, attribute) in [(json!(1), true), (json!(null), true), (json!(null), true)] {
        let run = rig.run(&["sync", "--initial", "--format", "json"]).await;
        let job = run.expect(0).job();
        assert_eq!(job["done"]["update"], updates, "{job:#}");
        let test = rig.run(&["test"]).await.expect(0);
        let words = "makes title of users itself";
        assert_eq!(test.out.contains(words), attribute, "{}", test.out);
    }
    // Another change arrives, and what is no form of what was sent is repaired.
    title("Senior Vice President of Nothing in Particular");
    rig.sync().await.expect(0);
    let id = rig.user("john@contoso.com")["id"].clone();
    let boss = json!({"title": "Boss"});
    assert!(rig.sandbox.target.change_user(id.as_str().unwrap(), &boss));
    let run = rig.run(&["sync", "--initial", "--format", "json"]).await;
    assert_eq!(run.expect(0).job()["done"]["update"], 1);
    assert_eq!(rig.user("john@contoso.com")["title"], "Chief");
}

#[tokio::test(flavor = "multi_thread")]
async fn habits_that_need_no_setting_are_lived_with() {
    for quirks in [
        &[Quirk::UserAgentRequired][..],
        &[Quirk::ResourcesTwice, Quirk::FilterIgnored],
        &[Quirk::ResourcesLeftOut],
        &[Quirk::MembershipsHidden],
        &[Quirk::EmptyRefused],
        &[Quirk::SchemasExact],
        &[Quirk::NumbersAsIds, Quirk::IdsAreNumbers],
        &[Quirk::MembershipsDropped],
    ] {
        let mut personality = Personality::default();
        personality.quirks.extend(quirks);
        personality.page_cap = 5;
        let rig = start(personality, "").await;
        is_served(&rig).await;
        let run = rig.run(&["sync", "--initial", "--format", "json"]).await;
        let job = run.expect(0).job();
        assert_eq!(job["done"], json!({}), "{quirks:?}: {job:#}");
        // A new state finds all of them again.
        let users = rig.sandbox.target.user_count();
        std::fs::remove_file(rig.path("entrain.db")).unwrap();
        rig.sync().await;
        assert_eq!(rig.sandbox.target.user_count(), users, "{quirks:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_external_id_that_the_target_overwrites_is_no_difference() {
    let rig = start(Personality::default().with(Quirk::ExternalIdMade), "").await;
    rig.sync().await.expect(0);
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
    let run = rig.run(&["sync", "--initial", "--format", "json"]).await;
    let job = run.expect(0).job();
    assert_eq!(job["done"], json!({}), "{job:#}");
    let users = rig.sandbox.target.user_count();
    std::fs::remove_file(rig.path("entrain.db")).unwrap();
    rig.sync().await;
    assert_eq!(rig.sandbox.target.user_count(), users);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_a_domain_that_is_not_verified_is_the_failure_of_that_user() {
    let rig = start(
        Personality::default().with(Quirk::ForeignDomainsRefused),
        "",
    )
    .await;
    rig.sync().await;
    let before = rig.sandbox.target.user_count();
    let [eve, _] = ["eve", "ann"].map(|name| rig.joiner(name));
    let name = json!("eve@elsewhere.example");
    rig.tenant().set_property(eve, "userPrincipalName", name);
    rig.sync().await.expect(3);
    assert_eq!(rig.sandbox.target.user_count(), before + 1);
    let waiting = crate::refused_attributes::escrow(&rig).await;
    let is_told = waiting.iter().any(|one| {
        let words = one["message"].as_str().unwrap_or_default();
        words.contains("'eve@elsewhere.example' is not verified")
    });
    assert!(is_told, "{waiting:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_answers_in_xml_is_refused() {
    let rig = start(Personality::default().with(Quirk::AnswersXml), "").await;
    let failed = rig.sync().await.expect(1);
    assert!(failed.err.contains("not SCIM"), "{failed:?}");
    let test = rig.run(&["test"]).await.expect(1);
    assert!(test.out.contains("not SCIM"), "{test:?}");
    assert_eq!(rig.sandbox.target.writes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_token_is_sent_as_it_is() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.joiner("ann");
    let token = "t".repeat(6_000);
    rig.sandbox.target.set_token(&token);
    std::fs::write(rig.path("token"), &token).unwrap();
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.user_count(), 1);
}

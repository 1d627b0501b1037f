//! Merging pages, and the marks they cause.

use super::*;
use crate::store::{Error, Since};

#[test]
fn a_page_is_merged_present_overwrites_null_clears_absent_keeps() {
    let world = World::new();
    let first = with(
        with(user("u1"), "department", Value::text("Sales")),
        "jobTitle",
        Value::text("Clerk"),
    );
    let mut second = change(User, "u1");
    second.attributes.insert("department".to_owned(), None);
    let second = with(second, "jobTitle", Value::text("Director"));
    let summary = world.round(User, &[first, second]);
    assert_eq!((summary.changed, summary.unchanged), (2, 0));
    let object = world.store.object(User, &id("u1")).unwrap().unwrap();
    assert_eq!(object.presence, Presence::Present);
    assert_eq!(object.attributes.text("displayName"), Some("u1"));
    assert_eq!(object.attributes.value("department"), None);
    assert_eq!(object.attributes.text("jobTitle"), Some("Director"));
    assert_eq!(world.pending(), "u1");
}

#[test]
fn a_replay_marks_nothing() {
    let world = World::new();
    let users = [user("u1"), report("u2", "u1")];
    let groups = [group("g1", &["u1", "g2"]), group("g2", &["u2"])];
    world.round(User, &users);
    world.round(Group, &groups);
    world.settle();

    let summary = world.round(User, &users);
    assert_eq!((summary.changed, summary.unchanged), (0, 2));
    world.round(Group, &groups);
    world.round(Group, &[group_without("g1", &["u9"])]);
    assert_eq!(world.pending(), "");

    world.full_round(User, &users);
    let summary = world.full_round(Group, &groups);
    assert_eq!(
        summary,
        PageSummary {
            unchanged: 2,
            ..PageSummary::default()
        }
    );
    assert_eq!(world.pending(), "");
}

#[test]
fn every_known_job_is_marked() {
    let world = World::new();
    let other = JobName::new("sosafe");
    world.store.note_fingerprint(&other, "f0").unwrap();
    let cutoff = world.store.begin_evaluation(&other).unwrap();
    world.round(User, &[user("u1")]);
    let evaluation = Evaluation {
        cutoff,
        evaluated: Evaluated::Everything,
        except: &BTreeSet::new(),
        maps_references: true,
        nested_groups: true,
        marks_new_links: true,
    };
    world.store.finish_evaluation(&other, evaluation).unwrap();
    assert_eq!(world.pending(), "u1");
    assert_eq!(pending_of(&world.store, &other), "u1");
}

#[test]
fn slices_of_a_large_group_add_up_and_each_marks_its_own() {
    let world = World::new();
    world.store.begin_round(Group, SELECT).unwrap();
    world.page(Group, &[group("g1", &["u1", "u2"])]);
    world.page(Group, &[group("g1", &["u3"]), group("g2", &[])]);
    world.last_page(Group, &[group("g1", &["u4"])]);
    assert_eq!(world.members("g1"), "u1 u2 u3 u4");
    world.settle();

    let summary = world.round(
        Group,
        &[group("g1", &["u4", "u5"]), group_without("g1", &["u1"])],
    );
    assert_eq!((summary.members_added, summary.members_removed), (1, 1));
    assert_eq!(world.members("g1"), "u2 u3 u4 u5");
    assert_eq!(world.pending(), "u1 u5 g1");
}

#[test]
fn a_nested_group_that_comes_or_goes_marks_everyone_below() {
    let world = World::new();
    world.round(
        Group,
        &[
            group("g1", &["u1"]),
            group("g2", &["u2", "g3"]),
            // A ring, as administrators build them.
            group("g3", &["u3", "g2"]),
        ],
    );
    world.settle();
    world.round(Group, &[group("g1", &["g2"])]);
    assert_eq!(world.pending(), "u2 u3 g1 g2 g3");
    world.settle();
    world.round(Group, &[group_without("g1", &["g2"])]);
    assert_eq!(world.pending(), "u2 u3 g1 g2 g3");
    let edges = world.store.group_edges().unwrap();
    assert_eq!(edges, [(id("g2"), id("g3")), (id("g3"), id("g2"))]);
}

#[test]
fn a_group_deleted_restored_or_renamed_marks_all_its_members() {
    let world = World::new();
    world.round(Group, &[group("g1", &["u1", "g2"]), group("g2", &["u2"])]);
    for change in [
        gone(Group, "g1", Presence::SoftDeleted),
        change(Group, "g1"),
        with(change(Group, "g1"), "displayName", Value::text("Sales")),
    ] {
        world.settle();
        world.round(Group, &[change]);
        assert_eq!(world.pending(), "u1 u2 g1 g2");
    }
    assert_eq!(world.members("g1"), "g2 u1", "kept in the recycle bin");
    world.settle();
    world.round(Group, &[gone(Group, "g1", Presence::Deleted)]);
    assert_eq!(world.pending(), "u1 u2 g1 g2");
    assert_eq!(world.members("g1"), "");
}

#[test]
fn a_user_blocked_deleted_or_restored_marks_the_groups_it_is_in() {
    let world = World::new();
    world.round(User, &[user("u1")]);
    world.round(Group, &[group("g1", &["u1"]), group("g2", &["u2"])]);
    let enabled = |enabled| {
        with(
            change(User, "u1"),
            "accountEnabled",
            Value::Boolean(enabled),
        )
    };
    for change in [
        enabled(false),
        enabled(true),
        gone(User, "u1", Presence::SoftDeleted),
        change(User, "u1"),
        gone(User, "u1", Presence::Deleted),
    ] {
        world.settle();
        world.round(User, &[change]);
        assert_eq!(world.pending(), "u1 g1");
    }
}

#[test]
fn a_restored_user_is_as_before() {
    let world = World::new();
    world.round(User, &[report("u1", "u2")]);
    world.round(User, &[gone(User, "u1", Presence::SoftDeleted)]);
    let object = world.store.object(User, &id("u1")).unwrap().unwrap();
    assert_eq!(object.presence, Presence::SoftDeleted);
    world.round(User, &[user("u1")]);
    let object = world.store.object(User, &id("u1")).unwrap().unwrap();
    assert_eq!(object.presence, Presence::Present);
    assert_eq!(
        object.attributes.value("manager"),
        Some(&Value::Reference(id("u2")))
    );
}

#[test]
fn a_deletion_of_something_unknown_leaves_nothing_behind() {
    let world = World::new();
    world.round(User, &[gone(User, "u1", Presence::SoftDeleted)]);
    assert_eq!(world.store.object(User, &id("u1")).unwrap(), None);
    assert_eq!(world.pending(), "");
    // Unless it is linked: then it must be removed from the target.
    world.link(User, "u1", "t1");
    world.round(User, &[gone(User, "u1", Presence::Deleted)]);
    assert_eq!(world.pending(), "u1");
}

#[test]
fn a_full_round_finds_the_missing_when_it_is_finished_and_not_before() {
    let world = World::new();
    world.round(User, &[user("u1"), user("u2"), user("u3")]);
    world.round(Group, &[group("g1", &["u2"])]);
    world.settle();

    world.store.forget_watermark(User).unwrap();
    assert!(!world.is_complete(User));
    assert_eq!(
        world.store.begin_round(User, SELECT).unwrap(),
        Since::Beginning
    );
    world.page(User, &[user("u1")]);
    assert_eq!(world.pending(), "");
    let summary = world.last_page(User, &[user("u3")]);
    assert_eq!(summary.missing, 1);
    assert!(world.is_complete(User));
    let object = world.store.object(User, &id("u2")).unwrap().unwrap();
    assert_eq!(object.presence, Presence::Missing);
    assert_eq!(world.pending(), "u2 g1");
    // The next rounds are incremental: what they do not name stays.
    world.settle();
    assert_eq!(world.round(User, &[user("u1")]).missing, 0);
    assert_eq!(world.pending(), "");
}

#[test]
fn a_full_round_drops_memberships_that_it_did_not_repeat() {
    let world = World::new();
    world.round(
        Group,
        &[group("g1", &["u1", "u2", "g2"]), group("g2", &["u3"])],
    );
    world.settle();
    world.store.forget_watermark(Group).unwrap();
    world.store.begin_round(Group, SELECT).unwrap();
    world.page(Group, &[group("g1", &["u1"])]);
    assert_eq!(
        world.members("g1"),
        "g2 u1 u2",
        "not before the round is over"
    );
    let summary = world.last_page(Group, &[group("g2", &["u3"])]);
    assert_eq!(summary.members_removed, 2);
    assert_eq!(world.members("g1"), "u1");
    assert_eq!(world.pending(), "u2 u3 g1 g2");
}

#[test]
fn a_round_goes_on_where_a_crash_left_it() {
    let world = World::new();
    assert_eq!(
        world.store.begin_round(User, SELECT).unwrap(),
        Since::Beginning
    );
    world.page(User, &[user("u1")]);
    let world = world.reopened();
    assert!(!world.is_complete(User));
    assert_eq!(
        world.store.begin_round(User, SELECT).unwrap(),
        Since::Watermark("page".to_owned())
    );
    assert_eq!(world.last_page(User, &[user("u2")]).missing, 0);
    let world = world.reopened();
    assert!(world.is_complete(User));
    assert_eq!(world.pending(), "u1 u2");
    assert_eq!(
        world.store.begin_round(User, SELECT).unwrap(),
        Since::Watermark("delta".to_owned())
    );
}

#[test]
fn a_page_link_that_is_refused_leads_back_to_the_delta_link() {
    let world = World::new();
    world.round(User, &[user("u1"), user("u2")]);
    world.store.begin_round(User, SELECT).unwrap();
    world.page(User, &[user("u1")]);
    world.store.rewind_round(User).unwrap();
    assert_eq!(
        world.store.begin_round(User, SELECT).unwrap(),
        Since::Watermark("delta".to_owned())
    );
    assert_eq!(world.last_page(User, &[]).missing, 0);
}

#[test]
fn a_full_round_that_is_rewound_counts_again() {
    let world = World::new();
    world.round(User, &[user("u1"), user("u2")]);
    world.store.forget_watermark(User).unwrap();
    world.store.begin_round(User, SELECT).unwrap();
    world.page(User, &[user("u1")]);
    world.store.rewind_round(User).unwrap();
    assert_eq!(
        world.store.begin_round(User, SELECT).unwrap(),
        Since::Beginning
    );
    // Deleted between the two attempts: what the first one saw does not count.
    assert_eq!(world.last_page(User, &[user("u2")]).missing, 1);
}

#[test]
fn another_select_reads_everything_again() {
    let world = World::new();
    world.round(User, &[user("u1")]);
    assert_eq!(
        world.store.begin_round(User, "id,mail").unwrap(),
        Since::Beginning
    );
    assert!(!world.is_complete(User));
}

#[test]
fn a_page_without_a_round_is_refused() {
    let world = World::new();
    let link = PageLink::Next("page".to_owned());
    let error = world.store.commit_page(User, &[], link, at(0)).unwrap_err();
    assert!(matches!(error, Error::NoRound { .. }), "{error}");
}

#[test]
fn look_ups_know_who_refers_to_whom() {
    let world = World::new();
    let upn = |name, upn: &str| with(user(name), "userPrincipalName", Value::text(upn));
    world.round(
        User,
        &[
            upn("u1", "Ada@example.com"),
            report("u2", "u1"),
            report("u3", "u1"),
        ],
    );
    world.round(
        Group,
        &[
            group("g1", &["u1", "u2"]),
            group("g2", &["u2"]),
            with(change(Group, "g3"), "displayName", Value::text("G1")),
            gone(Group, "g2", Presence::SoftDeleted),
        ],
    );
    let store = &world.store;
    assert_eq!(join(&store.reports_of(&[id("u1")]).unwrap()), "u2 u3");
    assert_eq!(join(&store.groups_of(&id("u2")).unwrap()), "g1 g2");
    let members = [id("u1"), id("u2")];
    assert_eq!(join(&store.groups_with_members(&members).unwrap()), "g1 g2");
    assert_eq!(
        join(&store.find_groups(&JobName::new("wizer"), "g1").unwrap()),
        "g1 g3"
    );
    assert_eq!(
        join(&store.find_groups(&JobName::new("wizer"), "G2").unwrap()),
        ""
    );
    let found = store.find(User, "ada@EXAMPLE.com").unwrap();
    assert_eq!(join(found.iter().map(|user| &user.id)), "u1");
    assert_eq!(store.find(Group, "g2").unwrap().len(), 1);

    let name = "ada_home.example#EXT#@tenant.example";
    let guest = with(change(User, "u3"), "userPrincipalName", Value::text(name));
    world.round(User, &[guest]);
    let find = |text: &str| world.store.find(User, text).unwrap();
    let found = find("ADA@home.example");
    assert_eq!(join(found.iter().map(|user| &user.id)), "u3");
    assert!(find("ada@home").is_empty() && find("da@home.example").is_empty());
    let exactly = world.store.find_exactly(User, "ada@home.example").unwrap();
    assert!(exactly.is_empty());
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(32))]

    /// Memberships after any sequence of changes are what a plain set says, and a replay of the
    /// last page changes nothing.
    #[test]
    fn memberships_are_what_a_set_would_hold(
        pages in proptest::collection::vec(
            proptest::collection::vec((0..3_u8, 0..4_u8, proptest::bool::ANY), 0..6), 1..5)
    ) {
        let world = World::new();
        let mut expected = BTreeSet::new();
        for page in pages {
            let changes: Vec<SourceChange> = page
                .iter()
                .map(|(outer, member, removed)| {
                    let (outer, member) = (format!("g{outer}"), format!("u{member}"));
                    if *removed {
                        expected.remove(&(outer.clone(), member.clone()));
                        group_without(&outer, &[&member])
                    } else {
                        expected.insert((outer.clone(), member.clone()));
                        group(&outer, &[&member])
                    }
                })
                .collect();
            world.round(Group, &changes);
        }
        for outer in 0..3 {
            let outer = format!("g{outer}");
            let members: Vec<&str> = expected
                .iter()
                .filter(|(group, _)| *group == outer)
                .map(|(_, member)| member.as_str())
                .collect();
            proptest::prop_assert_eq!(world.members(&outer), members.join(" "));
        }
    }
}

//! Links, marks and escrow: what each outcome of a row leaves behind.

use super::*;
use crate::engine::model::Origin;
use crate::engine::record::{LogStatus, LoggedChange};
use crate::store::LogFilter;
use crate::store::{Application, TargetSettings};

#[test]
fn a_create_leaves_a_link_and_no_intent() {
    let world = World::new();
    let action = create(User, "u1", &[("userName", "ada")]);
    let rows = world.begin(std::slice::from_ref(&action));
    let keys = world.intent("u1").unwrap();
    assert_eq!(keys[0].value, Value::text("u1"));
    world.advance(&[(rows[0], done_with_manager(action, "t1", "u2"))], &[]);
    assert_eq!(world.intent("u1"), None);
    let link = Link {
        target: TargetId::new("t1"),
        sent: values(&[("userName", "ada")]),
        references: BTreeMap::from([(path(MANAGER), held("resolved", "u2"))]),
        in_scope: true,
        unconfirmed: false,
        origin: Origin::Created,
    };
    assert_eq!(world.linked(User, "u1"), Some(link));
    let holders = |target| {
        let targets = [TargetId::new(target)];
        let holders = world.store.holders(&world.job, User, &targets).unwrap();
        holders.into_values().collect::<Vec<Key>>()
    };
    assert_eq!((holders("t1"), holders("t2")), (vec![key("u1")], vec![]));
    assert_eq!(world.store.link_counts(&world.job).unwrap().users, 1);
    let other = world.store.link_counts(&JobName::new("other")).unwrap();
    assert_eq!(other.total(), 0);
}

#[test]
fn a_create_without_an_answer_is_still_an_intent_after_a_crash_and_another_try() {
    let world = World::new();
    world.begin(&[create(User, "u1", &[])]);
    let mut world = world.reopened();
    assert!(world.linked(User, "u1").is_none());
    assert!(world.intent("u1").is_some());
    // Matched in vain, and begun again, but stopped: the first one may still have arrived.
    world.next_cycle();
    world.record(&[outcome(
        create(User, "u1", &[]),
        Status::NotTried("told to stop"),
    )]);
    assert!(world.intent("u1").is_some());
    world.record(&[done(create(User, "u1", &[]), "t1")]);
    assert!(world.intent("u1").is_none());
}

#[test]
fn a_failed_create_stays_an_intent_only_when_it_may_have_been_carried_out() {
    for unconfirmed in [false, true] {
        let world = World::new();
        let action = create(User, "u1", &[]);
        let cutoff = world.evaluate();
        world.record(&[failed(action, unconfirmed)]);
        world.finish(cutoff);
        assert_eq!(world.intent("u1").is_some(), unconfirmed);
        assert_eq!(world.pending(), "u1");
        let escrow = world.escrow();
        assert_eq!(escrow.len(), 1);
        assert_eq!(escrow[0].class, Some(Class::Refused));
        assert_eq!(escrow[0].http_status, Some(400));
        assert_eq!(escrow[0].first_failed, at(1));
    }
}

#[test]
fn a_create_that_was_not_tried_leaves_only_a_mark() {
    let world = World::new();
    let cutoff = world.evaluate();
    world.record(&[outcome(
        create(User, "u1", &[]),
        Status::NotTried("told to stop"),
    )]);
    world.finish(cutoff);
    assert_eq!(world.intent("u1"), None);
    assert_eq!(world.pending(), "u1");
    assert_eq!(world.escrow(), []);
    assert_eq!(
        world.store.log(&LogFilter::default(), 10).unwrap(),
        [],
        "no request, no line"
    );
}

#[test]
fn an_adoption_knows_what_was_there_and_what_was_changed() {
    let world = World::new();
    let mut current = held_values(&[("userName", "ada"), ("title", "Clerk"), ("nickName", "a")]);
    let stranger = HeldReference {
        target: TargetId::new("t9"),
        source: None,
    };
    current.references.insert(path(MANAGER), stranger.clone());
    let operation = Operation::Adopt {
        key: MatchKey {
            path: path("userName"),
            value: Value::text("ada"),
        },
        current,
        changes: changes(&[
            ("title", Some("Clerk"), Some("Director")),
            ("nickName", Some("a"), None),
        ]),
        via: Vec::new(),
        from: None,
    };
    world.record(&[done(action("u1", Some("t1"), operation), "t1")]);
    let link = world.linked(User, "u1").unwrap();
    let sent = values(&[("userName", "ada"), ("title", "Director")]);
    assert_eq!(link.sent, sent);
    assert_eq!(link.references.get(&path(MANAGER)), Some(&stranger));
}

#[test]
fn an_update_is_merged_and_unconfirmed_until_it_is_recorded() {
    let world = World::new();
    world.link(User, "u1", "t1");
    let action = update(
        "u1",
        "t1",
        &[
            ("displayName", Some("u1"), None),
            (
                "emails[type eq \"work\"].value",
                None,
                Some("ada@example.com"),
            ),
        ],
    );
    let rows = world.begin(std::slice::from_ref(&action));
    assert!(world.linked(User, "u1").unwrap().unconfirmed);
    let world = world.reopened();
    assert!(world.linked(User, "u1").unwrap().unconfirmed);
    world.advance(&[(rows[0], done(action, "t1"))], &[]);
    let link = world.linked(User, "u1").unwrap();
    assert!(!link.unconfirmed);
    assert_eq!(
        link.sent,
        values(&[("emails[type eq \"work\"].value", "ada@example.com")])
    );
}

#[test]
fn a_link_with_two_writes_is_confirmed_by_the_second() {
    let world = World::new();
    world.link(User, "u1", "t1");
    let first = update("u1", "t1", &[("title", None, Some("x"))]);
    let second = set_manager("u1", Some("u2"));
    let rows = world.begin(&[first.clone(), second.clone()]);
    world.advance(&[(rows[0], done(first, "t1"))], &[]);
    assert!(world.linked(User, "u1").unwrap().unconfirmed);
    world.advance(&[(rows[1], done(second, "t1"))], &[]);
    let link = world.linked(User, "u1").unwrap();
    assert!(!link.unconfirmed);
    assert_eq!(link.references[&path(MANAGER)], held("t2", "u2"));

    world.record(&[done(set_manager("u1", None), "t1")]);
    let references = world.linked(User, "u1").unwrap().references;
    assert!(!references.contains_key(&path(MANAGER)));
}

#[test]
fn only_members_with_a_target_id_were_sent() {
    let world = World::new();
    world.link(Group, "g1", "t1");
    let mut some = add_members("g1", &["u1", "u2", "u3"]);
    if let Operation::AddMembers { members } = &mut some.operation {
        members[1].target = None;
    }
    world.record(&[done(some, "t1")]);
    assert_eq!(world.sent_members("g1"), "u1 u3");
    world.record(&[done(remove_members("g1", &["u1"]), "t1")]);
    assert_eq!(world.sent_members("g1"), "u3");
}

#[test]
fn a_lost_answer_leaves_the_link_unconfirmed_until_it_is_read() {
    let world = World::new();
    world.link(User, "u1", "t1");
    world.link(Group, "g1", "t2");
    let lost = update("u1", "t1", &[("title", None, Some("x"))]);
    let refused = add_members("g1", &["u1"]);
    world.record(&[failed(lost, true), failed(refused, false)]);
    world.finish_cycle();
    assert!(world.linked(User, "u1").unwrap().unconfirmed);
    assert!(!world.linked(Group, "g1").unwrap().unconfirmed);

    let current = held_values(&[("title", "x")]);
    world
        .store
        .confirm(&world.job, key("u1"), &current, None, None)
        .unwrap();
    let link = world.linked(User, "u1").unwrap();
    assert_eq!((link.unconfirmed, link.sent), (false, current.values));
}

#[test]
fn another_target_is_noted_only_once_its_links_were_verified() {
    let world = World::new();
    let (store, job) = (&world.store, &world.job);
    let settings = |address: &str| TargetSettings {
        address: address.to_owned(),
        credential: "digest".to_owned(),
    };
    let one = settings("https://one.example");
    assert!(!store.compare_settings(job, &one).unwrap());
    store.note_settings(job, &one).unwrap();
    assert!(!store.compare_settings(job, &one).unwrap());
    let other = settings("https://other.example");
    for _ in 0..2 {
        assert!(store.compare_settings(job, &other).unwrap());
    }
    assert!(store.job_state(job).unwrap().full_evaluation);
    assert_eq!(store.settings(job).unwrap(), Some(one));
    store.note_settings(job, &other).unwrap();
    assert!(!store.compare_settings(job, &other).unwrap());
}

#[test]
fn another_application_holds_all_removals_until_nothing_is_held() {
    let world = World::new();
    let (store, job) = (&world.store, &world.job);
    for (name, held) in [("sp1", false), ("sp1", false), ("sp2", true)] {
        let application = Application {
            service_principal: id(name),
            roles: Vec::new(),
        };
        store
            .record_application(job, SourceNumber::FIRST, &application)
            .unwrap();
        store.note_linked_application(job).unwrap();
        assert_eq!(store.holds_removals(job).unwrap(), held, "{name}");
    }
    store.note_evaluated(job, true, true).unwrap();
    assert!(!store.holds_removals(job).unwrap());
}

#[test]
fn links_that_are_formerly_ours_are_so_until_they_are_confirmed() {
    let world = World::new();
    let (store, job) = (&world.store, &world.job);
    world.link(User, "u1", "t1");
    world.link(Group, "g1", "t2");
    assert_eq!(store.former_links(job).unwrap(), []);
    store.reset_links(job).unwrap();
    assert_eq!(store.former_links(job).unwrap(), [key("u1"), key("g1")]);
    assert!(store.job_state(job).unwrap().full_evaluation);
    let current = held_values(&[("title", "x")]);
    store.confirm(job, key("u1"), &current, None, None).unwrap();
    assert_eq!(store.former_links(job).unwrap(), [key("g1")]);
    store.unlink(job, key("g1")).unwrap();
    assert_eq!(store.former_links(job).unwrap(), []);
}

#[test]
fn a_seed_chooses_the_same_links_and_a_larger_number_these_and_others() {
    let world = World::new();
    let (store, job) = (&world.store, &world.job);
    for number in 0..10 {
        world.link(User, &format!("u{number}"), &format!("t{number}"));
        world.link(Group, &format!("g{number}"), &format!("t{number}"));
    }
    let few = store.sample_links(job, 3, 5).unwrap();
    assert_eq!(few.len(), 5);
    assert_eq!(few, store.sample_links(job, 3, 5).unwrap());
    assert_ne!(few, store.sample_links(job, 4, 5).unwrap());
    let groups: Vec<Key> = (0..10).map(|number| key(&format!("g{number}"))).collect();
    assert_eq!(few.iter().filter(|key| groups.contains(key)).count(), 1);
    let more = store.sample_links(job, 3, 15).unwrap();
    assert!(few.iter().all(|key| more.contains(key)), "{few:?} {more:?}");
    assert_eq!(store.sample_links(job, 3, 100).unwrap().len(), 20);
    let inactive = Held {
        values: BTreeMap::from([(path("active"), Value::Boolean(false))]),
        ..Held::default()
    };
    store
        .confirm(job, key("u1"), &inactive, None, None)
        .unwrap();
    let chosen = store.sample_links(job, 3, 100).unwrap();
    assert_eq!(chosen.len(), 19);
    assert!(!chosen.contains(&key("u1")));
}

#[test]
fn confirming_a_group_replaces_its_members() {
    let world = World::new();
    world.link(Group, "g1", "t1");
    world.record(&[done(add_members("g1", &["u1"]), "t1")]);
    let known = [key("u2")];
    world
        .store
        .confirm(&world.job, key("g1"), &Held::default(), Some(&known), None)
        .unwrap();
    assert_eq!(world.sent_members("g1"), "u2");
}

#[test]
fn an_update_that_was_not_tried_is_confirmed_and_marked() {
    let world = World::new();
    world.link(User, "u1", "t1");
    world.settle();
    let action = update("u1", "t1", &[("title", None, Some("x"))]);
    world.record(&[outcome(action, Status::NotTried("told to stop"))]);
    assert!(!world.linked(User, "u1").unwrap().unconfirmed);
    assert_eq!(world.pending(), "u1");
}

#[test]
fn an_object_that_exists_already_is_linked_and_evaluated_again() {
    let world = World::new();
    let action = create(User, "u1", &[("userName", "ada")]);
    let cutoff = world.evaluate();
    let current = held_values(&[("userName", "ADA")]);
    let met = Status::Met {
        target: TargetId::new("t1"),
        current: current.clone(),
        origin: Origin::Found,
    };
    world.record(&[outcome(action, met)]);
    world.finish(cutoff);
    assert_eq!(world.linked(User, "u1").unwrap().sent, current.values);
    assert_eq!(world.intent("u1"), None);
    assert_eq!(world.pending(), "u1");
}

#[test]
fn a_target_object_of_another_is_never_linked_twice() {
    let world = World::new();
    world.link(User, "u1", "t1");
    world.record(&[done(create(User, "u2", &[]), "t1")]);
    assert!(world.linked(User, "u2").is_none());
    assert!(world.linked(User, "u1").is_some());
    let escrow = world.escrow();
    assert_eq!(escrow[0].class, Some(Class::Conflict));
    assert_eq!(
        escrow[0].message,
        "the target answered with t1, which is linked to u1"
    );
}

#[test]
fn another_target_id_is_another_member_for_every_group() {
    let world = World::new();
    world.link(Group, "g1", "t9");
    world.link(User, "u1", "t1");
    world.record(&[done(add_members("g1", &["u1"]), "t9")]);
    world.settle();
    world.link(User, "u1", "t2");
    assert_eq!(world.sent_members("g1"), "");
    assert_eq!(world.pending(), "g1");
    let counts = world.store.link_counts(&world.job).unwrap();
    assert_eq!((counts.users, counts.groups), (1, 1));
}

#[test]
fn a_delete_leaves_nothing_of_the_object() {
    let world = World::new();
    world.link(Group, "g1", "t1");
    world.link(User, "u1", "s1");
    world.record(&[done(add_members("g1", &["u1"]), "t1")]);
    world.record(&[done(delete(Group, "g1", "t1"), "t1")]);
    assert_eq!(world.linked(Group, "g1"), None);
    assert_eq!(world.sent_members("g1"), "");
    // As if it never was: a new link begins without members, and confirmed.
    world.link(Group, "g1", "t2");
    assert!(!world.linked(Group, "g1").unwrap().unconfirmed);
}

#[test]
fn a_success_ends_the_escrow_and_a_failure_of_the_same_cycle_does_not_lose_it() {
    let mut world = World::new();
    world.link(User, "u1", "t1");
    let action = || update("u1", "t1", &[("title", None, Some("x"))]);
    world.record(&[failed(action(), false)]);
    world.next_cycle();
    world.record(&[
        failed(action(), false),
        failed(set_manager("u1", None), false),
    ]);
    let escrow = world.escrow();
    assert_eq!((escrow.len(), escrow[0].attempts), (1, 2), "cycles count");
    assert_eq!(escrow[0].action, "set-reference");
    world.next_cycle();
    world.record(&[done(action(), "t1")]);
    assert_eq!(world.escrow().len(), 1);
    world.record(&[done(set_manager("u1", None), "t1")]);
    assert_eq!(world.escrow(), []);
}

#[test]
fn the_log_shows_what_was_done() {
    let world = World::new();
    world.record(&[
        done_with_manager(create(User, "u1", &[("userName", "ada")]), "t1", "u2"),
        done(update("u1", "t1", &[("title", Some("Clerk"), None)]), "t1"),
        done(add_members("g1", &["u1"]), "t9"),
        failed(delete(User, "u3", "t3"), false),
    ]);
    let log = world.store.log(&LogFilter::default(), 10).unwrap();
    let lines: Vec<String> = log
        .iter()
        .map(|entry| {
            let target = entry.target.as_ref().map_or("-", TargetId::as_str);
            let status = entry.status.as_str();
            format!(
                "{} {} {target} {status}",
                entry.action,
                entry.subject.as_ref().unwrap().id
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "delete u3 t3 failed",
            "add-members g1 t9 succeeded",
            "update u1 t1 succeeded",
            "create u1 t1 succeeded"
        ]
    );
    let change = |attribute: &str, before, after| LoggedChange {
        attribute: attribute.to_owned(),
        before,
        after,
        why: None,
        more: 0,
    };
    let refer = |name| Value::Reference(id(name));
    assert_eq!(
        log[3].changes,
        [
            change("userName", None, Some(Value::text("ada"))),
            change(MANAGER, None, Some(refer("u2"))),
        ]
    );
    assert_eq!(
        log[2].changes,
        [change("title", Some(Value::text("Clerk")), None)]
    );
    assert_eq!(
        log[1].changes,
        [change(
            "members",
            None,
            Some(Value::List(vec![refer("u1")]))
        )]
    );
    let few = LogFilter {
        members: Some(0),
        ..LogFilter::default()
    };
    let counted = &world.store.log(&few, 10).unwrap()[1].changes[0];
    let none = Some(Value::List(Vec::new()));
    assert_eq!((&counted.after, counted.more), (&none, 1));
    assert_eq!(log[0].http_status, Some(400));
    assert_eq!(log[0].error.as_deref(), Some("create: the target says no"));
    assert_eq!((log[0].requests, log[0].duration_ms), (1, 12));
    assert_eq!(log[0].at, at(1));
    assert_eq!(log[0].subject, Some(subject(User, "u3")));
}

#[test]
fn the_log_is_filtered_by_job_cycle_time_action_status_and_object() {
    let world = World::new();
    world.record(&[
        done(create(User, "u1", &[("userName", "ada")]), "t1"),
        done(update("u1", "t1", &[("title", Some("Clerk"), None)]), "t1"),
        done(add_members("g1", &["u1"]), "t9"),
        failed(delete(User, "u3", "t3"), false),
    ]);
    let log = world.store.log(&LogFilter::default(), 10).unwrap();
    let count = |filter: LogFilter| world.store.log(&filter, 10).unwrap().len();
    let all = LogFilter::default;
    assert_eq!(world.store.log(&all(), 2).unwrap().len(), 2);
    assert_eq!(
        count(LogFilter {
            job: Some(JobName::new("other")),
            ..all()
        }),
        0
    );
    assert_eq!(
        count(LogFilter {
            job: Some(world.job.clone()),
            status: Some(LogStatus::Failed),
            ..all()
        }),
        1
    );
    assert_eq!(
        count(LogFilter {
            object: Some("U1".to_owned()),
            cycle: Some(world.cycle),
            ..all()
        }),
        2
    );
    assert_eq!(
        count(LogFilter {
            after: Some(log[1].id),
            ..all()
        }),
        1
    );
    assert_eq!(
        count(LogFilter {
            since: Some(at(1)),
            until: Some(at(1)),
            ..all()
        }),
        0
    );
    assert_eq!(
        count(LogFilter {
            action: Some("update".to_owned()),
            ..all()
        }),
        1
    );
}

//! The life of a row: every transition, and what a kill at any moment leaves.

use super::*;
use crate::engine::plan::{Skipped, Step, Why, WhyLeft, WhyOut, WhyRemoved};
use crate::engine::summary::Health;
use crate::store::{Lock, LogFilter};

fn names(rows: &[Row]) -> Vec<String> {
    rows.iter()
        .map(|row| format!("{} {}", row.action.as_str(), row.action.subject.id))
        .collect()
}

fn disable(name: &str, target: &str) -> Action {
    let operation = Operation::Disable {
        changes: changes(&[("active", Some("true"), Some("false"))]),
        why: WhyRemoved::OutOfScope(WhyOut::NotAssigned),
        proof: proof(),
    };
    action(name, Some(target), operation)
}

impl World {
    /// As the process does that begins to run cycles of the job.
    fn take_over(&self, now: DateTime<Utc>) {
        let lock = Lock::acquire(&self.state().path, "sync").unwrap();
        self.store.take_over(&lock, now).unwrap();
        if self.store.is_shared() {
            self.store
                .take_over_jobs(std::slice::from_ref(&self.job), now)
                .unwrap();
        }
    }
}

#[test]
fn rows_come_in_the_order_of_steps_ranks_and_keys() {
    let world = World::new();
    let late = Draft::new(create(User, "u1", &[]), 1);
    let decisions = [
        Decision::Act(late),
        Decision::Act(Draft::new(delete(Group, "g1", "t"), 0)),
        Decision::Act(Draft::new(add_members("g2", &["u1"]), 0)),
        Decision::Act(Draft::new(create(User, "u3", &[]), 0)),
        Decision::Act(Draft::new(create(User, "u2", &[]), 0)),
        Decision::Act(Draft::new(disable("u4", "t4"), 0)),
        Decision::Act(Draft::new(set_manager("u2", Some("u1")), 0)),
        Decision::Act(Draft::new(create(Group, "g2", &[]), 0)),
        Decision::Act(Draft::new(remove_members("g3", &["u1"]), 0)),
    ];
    world.store.draft(world.cycle, &decisions).unwrap();
    assert_eq!(
        names(&world.queued()),
        [
            "disable u4",
            "create u2",
            "create u3",
            "create u1",
            "create g2",
            "add-members g2",
            "set-reference u2",
            "remove-members g3",
            "delete g1"
        ]
    );
    // The queue is the same, page by page.
    let mut after = None;
    let mut places = Vec::new();
    loop {
        let page = world.store.queue(world.cycle, after, 2).unwrap();
        let Some(last) = page.last() else {
            break;
        };
        after = Some(last.place);
        places.extend(page.iter().map(|queued| queued.place));
    }
    assert_eq!(places.len(), 9);
    assert!(places.is_sorted());
    assert_eq!(places[0].step, Step::Disables);
    assert_eq!(world.store.left_in_queue(world.cycle).unwrap(), 9);
}

fn hand_over(changed: &[Change], via: Vec<crate::engine::model::Via>) -> Operation {
    Operation::HandOver(Box::new(HandOver {
        to: Subject {
            kind: User,
            key: key("u6"),
            id: id("u6"),
            label: "ada".to_owned(),
        },
        key: MatchKey {
            path: path("userName"),
            value: Value::text("ada"),
        },
        why: WhyRemoved::SoftDeleted,
        proof: proof(),
        disable: changed.to_vec(),
        current: values(&[("title", "x")]),
        state: vec![path("active")],
        changes: changed.to_vec(),
        enable: changed.to_vec(),
        via,
    }))
}

#[test]
fn every_operation_reads_back_as_it_was_drafted() {
    let world = World::new();
    let mut attributes = values(&[("urn:x:y:2.0:User:odd", "text")]);
    let nested = Value::Object(BTreeMap::from([
        ("$ref".to_owned(), Value::Reference(id("u2"))),
        ("reference".to_owned(), Value::text("u3")),
    ]));
    attributes.insert(path("active"), Value::Boolean(true));
    attributes.insert(path("roles"), Value::List(vec![nested, Value::Integer(-1)]));
    let key_of_match = MatchKey {
        path: path("userName"),
        value: Value::text("ada"),
    };
    let mut changed = changes(&[("title", Some("a"), None), ("nickName", None, Some("b"))]);
    changed[1].element = ElementChange::Added;
    changed[0].written = WriteMode::Selected;
    changed[1].written = WriteMode::Added(vec![Value::text("b"), Value::Integer(7)]);
    let via = vec![
        crate::engine::model::Via::Direct,
        crate::engine::model::Via::Groups(vec!["Sales".to_owned(), "Berlin".to_owned()]),
    ];
    let to = |name| Referenced::to(key(name));
    let operations = [
        Operation::Create {
            attributes: attributes.clone(),
            references: vec![(path(MANAGER), to("u9"))],
            keys: vec![key_of_match.clone()],
            via: via.clone(),
        },
        Operation::Adopt {
            key: key_of_match,
            current: Held {
                values: attributes,
                references: BTreeMap::from([(path(MANAGER), held("t8", "u8"))]),
            },
            changes: changed.clone(),
            via: via.clone(),
            from: Some(key("u7")),
        },
        hand_over(&changed, via),
        Operation::Update {
            changes: changed.clone(),
        },
        Operation::Enable {
            changes: changed.clone(),
        },
        Operation::Disable {
            changes: changed,
            why: WhyRemoved::Missing,
            proof: proof(),
        },
        Operation::Delete {
            why: WhyRemoved::OutOfScope(WhyOut::Excluded),
            proof: proof(),
        },
        Operation::SetReference {
            path: path(MANAGER),
            old: Some(held("t8", "u8")),
            new: Pointer::To(to("u9")),
        },
        Operation::SetReference {
            path: path(MANAGER),
            old: Some(HeldReference {
                target: TargetId::new("t8"),
                source: None,
            }),
            new: Pointer::Cleared(proof()),
        },
    ];
    for operation in operations {
        let wanted = action("u1", Some("t1"), operation);
        world.draft(std::slice::from_ref(&wanted));
        let rows = world.queued();
        assert_eq!(rows[0].action, wanted);
        world.send(&[rows[0].id]);
    }
    let members = vec![to("u7"), to("u2"), to("u9")];
    for operation in [
        Operation::AddMembers {
            members: members.clone(),
        },
        Operation::RemoveMembers {
            members,
            why: WhyLeft::Group(WhyRemoved::SoftDeleted),
            proof: proof(),
        },
    ] {
        let wanted = action("g1", Some("t1"), operation);
        world.draft(std::slice::from_ref(&wanted));
        let rows = world.queued();
        assert_eq!(rows[0].action, wanted);
        world.send(&[rows[0].id]);
    }
}

#[test]
fn a_row_that_is_sent_has_the_target_ids_that_are_known_by_then() {
    let world = World::new();
    world.link(User, "u2", "t2");
    let group = create(Group, "g1", &[]);
    world.draft(&[
        create(User, "u1", &[]),
        group.clone(),
        add_members("g1", &["u1", "u2", "u3"]),
        set_manager("u1", Some("u2")),
    ]);
    let ids: Vec<RowId> = world.queued().iter().map(|row| row.id).collect();
    let sent = world.send(&ids[..2]);
    assert_eq!(names(&sent), ["create u1", "create g1"]);
    assert_eq!(sent[1].action.target, None);
    let outcomes = [
        (ids[0], done(create(User, "u1", &[]), "t1")),
        (ids[1], done(group, "t9")),
    ];
    // Recorded and sent in one transaction: what was just made is known.
    let sent = world.advance(&outcomes, &ids[2..]);
    assert_eq!(sent[0].action.target, Some(TargetId::new("t9")));
    let Operation::AddMembers { members } = &sent[0].action.operation else {
        panic!("{sent:?}");
    };
    let targets: Vec<Option<&str>> = members
        .iter()
        .map(|member| member.target.as_ref().map(TargetId::as_str))
        .collect();
    assert_eq!(targets, [Some("t1"), Some("t2"), None]);
    assert_eq!(sent[1].action.target, Some(TargetId::new("t1")));
}

#[test]
fn a_row_is_durable_before_it_is_sent_and_after() {
    let world = World::new();
    let action = create(User, "u1", &[]);
    let rows = world.begin(std::slice::from_ref(&action));
    let world = world.reopened();
    assert_eq!(names(&world.queued()), [] as [&str; 0], "it was sent");
    assert!(world.intent("u1").is_some(), "it may have arrived");
    world.advance(&[(rows[0], done(action, "t1"))], &[]);
    let world = world.reopened();
    assert!(world.intent("u1").is_none());
    assert_eq!(world.target(User, "u1").as_deref(), Some("t1"));
}

#[test]
fn only_the_process_that_took_the_lock_takes_over_what_another_had_sent() {
    let world = World::new();
    world.link(User, "u2", "t2");
    world.begin(&[
        create(User, "u1", &[]),
        update("u2", "t2", &[("title", None, Some("x"))]),
    ]);
    world.draft(&[create(User, "u3", &[]), create(User, "u4", &[])]);
    let mut world = world.reopened();
    assert_eq!(names(&world.queued()), ["create u3", "create u4"]);
    // A plan next to it sees the same and changes nothing of it.
    let plan = Store::open_plan(world.state()).unwrap();
    let rows = plan.rows(world.cycle, RowsOf::Cleared, None, 10).unwrap();
    assert_eq!(rows.len(), 2);
    drop(plan);

    world.take_over(at(2));
    assert_eq!(names(&world.queued()), [] as [&str; 0], "abandoned");
    assert!(world.intent("u1").is_some());
    assert!(world.linked(User, "u2").unwrap().unconfirmed);
    // Reading settles the one, a later create of the object the other.
    let current = held_values(&[("title", "x")]);
    world
        .store
        .confirm(&world.job, key("u2"), &current, None, None)
        .unwrap();
    assert!(!world.linked(User, "u2").unwrap().unconfirmed);
    world.next_cycle();
    world.link(User, "u1", "t1");
    assert!(world.intent("u1").is_none());
}

#[test]
fn a_follower_has_the_place_of_the_row_that_it_follows_and_takes_its_part() {
    let world = World::new();
    world.link(Group, "g1", "t9");
    for (name, target) in [("u1", "t1"), ("u2", "t2")] {
        world.link(User, name, target);
    }
    let whole = add_members("g1", &["u1", "u2"]);
    let rows = world.begin(std::slice::from_ref(&whole));
    let failure = Failure {
        class: Class::Refused,
        http_status: Some(400),
        message: "add-members: no".to_owned(),
        unconfirmed: false,
    };
    let halves = [add_members("g1", &["u1"]), add_members("g1", &["u2"])];
    let follow: Vec<(RowId, Action)> = halves.iter().map(|half| (rows[0], half.clone())).collect();
    let advanced = world
        .store
        .advance(
            world.cycle,
            &[(rows[0], outcome(whole, Status::Followed(failure)))],
            &follow,
            &[],
            &Redactions::default(),
            clocks(1),
        )
        .unwrap();
    assert_eq!(advanced.followers.len(), 2);
    assert_eq!(advanced.followers[0].place.step, Step::AddMembers);
    assert_eq!(world.escrow(), [], "its parts count");
    let ids: Vec<RowId> = advanced
        .followers
        .iter()
        .map(|queued| queued.place.id)
        .collect();
    world.send(&ids);
    let [one, other] = halves;
    world.advance(
        &[(ids[0], done(one, "t9")), (ids[1], failed(other, false))],
        &[],
    );
    assert_eq!(world.sent_members("g1"), "u1");
    assert_eq!(world.escrow().len(), 1);
    assert_eq!(world.pending(), "g1");
}

#[test]
fn removals_that_were_not_confirmed_are_dropped_and_nothing_else() {
    let world = World::new();
    world.draft(&[
        disable("u1", "t1"),
        update("u1", "t1", &[("title", None, Some("x"))]),
        disable("u2", "t2"),
    ]);
    let removals = world.store.removals(world.cycle).unwrap();
    assert_eq!(removals.len(), 2);
    world.store.drop_rows(&removals[..1]).unwrap();
    assert_eq!(names(&world.queued()), ["disable u2", "update u1"]);
}

#[test]
fn skipped_objects_are_read_back_and_counted() {
    let world = World::new();
    let whys = [
        Why::OutOfScope(WhyOut::NotAssigned),
        Why::Taken {
            key: MatchKey {
                path: path("userName"),
                value: Value::text("ada"),
            },
            target: TargetId::new("t1"),
            by: key("u9"),
        },
        Why::Kept(WhyRemoved::SoftDeleted),
        Why::LookupFailed("it is down".to_owned()),
    ];
    let skipped: Vec<Skipped> = ["u1", "u2", "u3", "u4"]
        .into_iter()
        .zip(whys)
        .map(|(name, why)| Skipped {
            subject: subject(User, name),
            why,
        })
        .collect();
    let decisions: Vec<Decision> = skipped.iter().cloned().map(Decision::Skip).collect();
    world.store.draft(world.cycle, &decisions).unwrap();
    let read = world.store.skipped(world.cycle, None, 3).unwrap();
    let rest = world
        .store
        .skipped(world.cycle, Some(read[2].0), 3)
        .unwrap();
    let read: Vec<Skipped> = read
        .into_iter()
        .chain(rest)
        .map(|(_, skipped)| skipped)
        .collect();
    assert_eq!(read, skipped);
    let totals = world.store.totals(world.cycle).unwrap();
    assert_eq!(totals.skipped["out-of-scope"], 1);
    assert_eq!(totals.skipped["kept"], 1);
    assert_eq!(totals.failing, 2);
    assert_eq!(world.queued(), []);
}

#[test]
fn what_was_not_sent_is_gone_when_the_cycle_ends() {
    let world = World::new();
    world.draft(&[create(User, "u1", &[])]);
    world.finish_cycle();
    assert_eq!(world.queued(), []);
    assert_eq!(world.store.totals(world.cycle).unwrap().planned.len(), 0);
}

/// Whatever is lost after any of the transactions of a cycle, nothing is sent that no row announced, and
/// whatever may have arrived is known.
#[test]
fn a_kill_after_any_transaction_leaves_what_is_needed() {
    for kill in 0..4 {
        let world = World::new();
        world.link(User, "u2", "t2");
        let made = create(User, "u1", &[]);
        let changed = update("u2", "t2", &[("title", None, Some("x"))]);
        let actions = [made.clone(), changed.clone()];
        let mut rows = Vec::new();
        if kill > 0 {
            world.draft(&actions);
        }
        if kill > 1 {
            rows = world.queued().iter().map(|row| row.id).collect();
            world.send(&rows);
        }
        if kill > 2 {
            let outcomes = [(rows[0], done(made, "t1")), (rows[1], done(changed, "t2"))];
            world.advance(&outcomes, &[]);
        }
        let mut world = world.reopened();
        world.take_over(at(2));
        world.next_cycle();
        assert_eq!(world.queued(), [], "{kill}");
        let may_have_arrived = kill == 2;
        assert_eq!(world.intent("u1").is_some(), may_have_arrived, "{kill}");
        let link = world.linked(User, "u2").unwrap();
        assert_eq!(link.unconfirmed, may_have_arrived, "{kill}");
        assert_eq!(world.linked(User, "u1").is_some(), kill == 3, "{kill}");
    }
}

#[test]
fn old_rows_are_deleted_but_for_those_that_something_depends_on() {
    let mut world = World::new();
    for name in ["u1", "u2", "u3", "u4"] {
        world.link(User, name, &format!("t-{name}"));
    }
    let title = |name: &str| update(name, "t", &[("title", None, Some("x"))]);
    world.record(&[
        done(title("u1"), "t-u1"),
        failed(title("u2"), false),
        failed(title("u3"), true),
    ]);
    world.finish_cycle();
    let first = world.cycle;
    for (age, left) in [
        (80, 7),
        // u1 and u4 are done with; u2 and u3 are in escrow.
        (100, 4),
    ] {
        world.next_cycle();
        finish(&world, Retention::default(), age);
        let entries = log(&world, first);
        assert_eq!(entries.split(", ").count(), left, "{entries}");
    }
    assert_eq!(
        log(&world, first),
        "create u2, create u3, update u2, update u3"
    );
    let cycles = world.store.status(&world.job, 10).unwrap().cycles;
    assert_eq!(cycles.len(), 3, "a cycle stays while a row of it does");
}

/// What is left in the log of one cycle.
fn log(world: &World, cycle: i64) -> String {
    let filter = LogFilter {
        cycle: Some(cycle),
        ..LogFilter::default()
    };
    let entries = world.store.log(&filter, 100).unwrap();
    let mut names: Vec<String> = entries
        .iter()
        .map(|entry| format!("{} {}", entry.action, entry.subject.as_ref().unwrap().id))
        .collect();
    names.sort();
    names.join(", ")
}

fn finish(world: &World, retention: Retention, days: i64) {
    finish_by(world, retention, clocks(days * 24 * 60 * 60));
}

fn finish_by(world: &World, retention: Retention, clocks: Clocks) {
    world
        .store
        .finish_cycle(&world.summary(), retention, clocks)
        .unwrap();
}

#[test]
fn nothing_of_the_log_is_old_while_the_clocks_differ() {
    let mut world = World::new();
    world.link(User, "u1", "t1");
    world.record(&[done(
        update("u1", "t1", &[("title", None, Some("x"))]),
        "t1",
    )]);
    let first = world.cycle;
    finish(&world, Retention::default(), 0);
    let year = at(365 * 24 * 60 * 60);
    for source in [Some(at(5)), None] {
        world.next_cycle();
        let clocks = Clocks { now: year, source };
        finish_by(&world, Retention::default(), clocks);
        assert_eq!(log(&world, first), "create u1, update u1");
        let last = world.store.status(&world.job, 1).unwrap().cycles;
        assert_eq!(last[0].clock_ahead.is_some(), source.is_some());
    }
    world.next_cycle();
    finish(&world, Retention::default(), 365);
    assert_eq!(log(&world, first), "");
}

#[test]
fn of_the_log_as_many_rows_are_kept_as_configured_and_those_of_two_days() {
    let retention = Retention {
        rows: 2,
        ..Retention::default()
    };
    let mut world = World::new();
    let cycles = |world: &World| world.store.status(&world.job, 10).unwrap().cycles.len();
    for (day, kept) in [(0, 1), (1, 2), (3, 2), (4, 2), (4, 3), (9, 1)] {
        let name = format!("u{}", world.cycle);
        let target = format!("t-{name}");
        world.link(User, &name, &target);
        world.record(&[done(
            update(&name, &target, &[("title", None, Some("x"))]),
            &target,
        )]);
        finish(&world, retention, day);
        assert_eq!(cycles(&world), kept, "day {day}");
        world.next_cycle();
    }
}

#[test]
fn a_cycle_that_fails_leaves_no_draft() {
    let world = World::new();
    world.draft(&[create(User, "u1", &[])]);
    let requests = Requests::default();
    world
        .store
        .fail_cycle(
            world.cycle,
            Health::Failed,
            "the target is down",
            requests,
            at(3),
        )
        .unwrap();
    assert_eq!(world.queued(), []);
}

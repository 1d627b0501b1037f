//! Candidates, the cutoff, and what an evaluation leaves marked.

use super::*;
use crate::engine::plan::{Skipped, Why};
use crate::store::NotPlanned;

#[test]
fn a_new_job_or_another_fingerprint_evaluates_everything() {
    let world = World::new();
    world.round(User, &[user("u1"), user("u2"), user("u3")]);
    world.round(Group, &[group("g1", &[])]);
    world.link(User, "u9", "t9");
    world.settle();
    world.round(User, &[gone(User, "u3", Presence::Deleted)]);
    world.settle();
    assert!(!world.store.note_fingerprint(&world.job, "f0").unwrap());
    assert_eq!(world.pending(), "");

    assert!(world.store.note_fingerprint(&world.job, "f1").unwrap());
    let state = world.store.job_state(&world.job).unwrap();
    assert_eq!(state.fingerprint.as_deref(), Some("f1"));
    assert!(state.full_evaluation);
    assert_eq!(world.pending(), "u1 u2 u9 g1", "present, or linked");
    assert!(world.linked(User, "u9").is_some());

    world.settle();
    assert!(!world.store.job_state(&world.job).unwrap().full_evaluation);
    world.store.restart(&world.job).unwrap();
    assert_eq!(world.pending(), "u1 u2 u9 g1");

    let unknown = world.store.job_state(&JobName::new("new")).unwrap();
    assert_eq!((unknown.full_evaluation, unknown.fingerprint), (true, None));
}

#[test]
fn candidates_come_in_the_order_of_their_keys_and_each_once() {
    let world = World::new();
    let users: Vec<SourceChange> = (0..7)
        .rev()
        .map(|number| user(&format!("u{number}")))
        .collect();
    world.round(User, &users);
    for full in [false, true] {
        if full {
            world.store.restart(&world.job).unwrap();
        }
        let keys = world.store.candidates(&world.job, User).unwrap();
        assert_eq!(keys.len(), 7);
        assert!(keys.is_sorted());
    }
}

#[test]
fn a_mark_set_meanwhile_outlives_the_evaluation() {
    let world = World::new();
    world.round(User, &[user("u1"), user("u2")]);
    let cutoff = world.evaluate();
    // Another job's cycle reads on, and an operator restarts.
    world.round(User, &[with(user("u2"), "jobTitle", Value::text("x"))]);
    world.finish(cutoff);
    assert_eq!(world.pending(), "u2");

    let cutoff = world.evaluate();
    world.store.restart(&world.job).unwrap();
    world.finish(cutoff);
    assert!(world.store.job_state(&world.job).unwrap().full_evaluation);
}

#[test]
fn what_was_not_evaluated_after_all_stays_marked() {
    let world = World::new();
    world.round(User, &[user("u1"), user("u2")]);
    world.store.restart(&world.job).unwrap();
    let except = BTreeSet::from([key("u2")]);
    world.finish_except(world.evaluate(), &except);
    assert_eq!(world.pending(), "u2");
}

#[test]
fn one_object_alone_can_be_evaluated() {
    let world = World::new();
    world.round(User, &[user("u1"), user("u2")]);
    let evaluation = Evaluation {
        cutoff: world.evaluate(),
        evaluated: Evaluated::Only(&[key("u1")]),
        except: &BTreeSet::new(),
        maps_references: true,
        nested_groups: true,
        marks_new_links: true,
    };
    world
        .store
        .finish_evaluation(&world.job, evaluation)
        .unwrap();
    assert_eq!(world.pending(), "u2");
}

#[test]
fn an_object_deleted_for_good_is_forgotten_once_nothing_is_left_to_do() {
    let world = World::new();
    world.round(User, &[user("u1")]);
    world.link(User, "u1", "t1");
    world.settle();
    world.round(User, &[gone(User, "u1", Presence::Deleted)]);
    world.settle();
    assert!(world.store.object(User, &id("u1")).unwrap().is_some());
    world.record(&[done(delete(User, "u1", "t1"), "t1")]);
    world.settle();
    assert_eq!(world.store.object(User, &id("u1")).unwrap(), None);
}

#[test]
fn an_object_that_could_not_be_planned_waits_in_escrow_until_it_can() {
    let mut world = World::new();
    world.round(User, &[user("u1")]);
    let cutoff = world.evaluate();
    let failure = NotPlanned {
        subject: subject(User, "u1"),
        message: "two accounts match".to_owned(),
    };
    let record = |world: &World| {
        let skipped = Skipped {
            subject: subject(User, "u1"),
            why: Why::LookupFailed("down".to_owned()),
        };
        let (store, cycle) = (&world.store, world.cycle);
        store.draft(cycle, &[Decision::Skip(skipped)]).unwrap();
        let rows = store.skipped(cycle, None, 10).unwrap();
        let [(row, _)] = rows.as_slice() else {
            panic!("{rows:?}");
        };
        let failures = [(*row, failure.clone())];
        store
            .record_not_planned(&world.job, cycle, &failures, at(1))
            .unwrap();
        assert_eq!(store.skipped(cycle, None, 10).unwrap(), []);
    };
    record(&world);
    world.finish(cutoff);
    assert_eq!(world.pending(), "u1");
    world.next_cycle();
    let cutoff = world.evaluate();
    record(&world);
    world.finish(cutoff);
    let escrow = world.escrow();
    assert_eq!(escrow.len(), 1);
    assert_eq!((escrow[0].attempts, escrow[0].action.as_str()), (2, "plan"));
    // One that only waited is not further up the ladder; one that was tried is.
    world.next_cycle();
    let one = world.escrow()[0].subject.key;
    for (waited, attempts) in [(BTreeSet::from([one]), 2), (BTreeSet::new(), 3)] {
        let retried = (&[one][..], &waited);
        let noted = world
            .store
            .note_retried(&world.job, retried, world.cycle, at(9));
        noted.unwrap();
        let entry = &world.escrow()[0];
        assert_eq!((entry.attempts, entry.last_failed), (attempts, at(9)));
    }
    assert_eq!(escrow[0].message, "two accounts match");

    // The third time it is evaluated and nothing is wrong, nor anything to do.
    world.finish(world.evaluate());
    assert_eq!(world.pending(), "");
    assert_eq!(world.escrow(), []);
}

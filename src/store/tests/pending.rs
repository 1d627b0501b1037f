//! Candidates, the horizon, and what an evaluation leaves marked.

use super::*;
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
fn candidates_come_in_chunks() {
    let world = World::new();
    let users: Vec<SourceChange> = (0..7).map(|number| user(&format!("u{number}"))).collect();
    world.round(User, &users);
    for full in [false, true] {
        if full {
            world.store.restart(&world.job).unwrap();
        }
        let mut seen = Vec::new();
        loop {
            let chunk = world
                .store
                .candidates(&world.job, User, seen.last(), 3)
                .unwrap();
            if chunk.is_empty() {
                break;
            }
            assert!(chunk.len() <= 3);
            seen.extend(chunk);
        }
        assert_eq!(join(&seen), "u0 u1 u2 u3 u4 u5 u6");
    }
}

#[test]
fn a_mark_set_meanwhile_outlives_the_evaluation() {
    let world = World::new();
    world.round(User, &[user("u1"), user("u2")]);
    let horizon = world.begin();
    // Another job's cycle reads on, and an operator restarts.
    world.round(User, &[with(user("u2"), "jobTitle", Value::text("x"))]);
    world.finish(horizon);
    assert_eq!(world.pending(), "u2");

    let horizon = world.begin();
    world.store.restart(&world.job).unwrap();
    world.finish(horizon);
    assert!(world.store.job_state(&world.job).unwrap().full_evaluation);
}

#[test]
fn what_was_not_evaluated_after_all_stays_marked() {
    let world = World::new();
    world.round(User, &[user("u1"), user("u2")]);
    world.store.restart(&world.job).unwrap();
    let except = BTreeSet::from([(User, id("u2"))]);
    world.finish_except(world.begin(), &except);
    assert_eq!(world.pending(), "u2");
}

#[test]
fn one_object_alone_can_be_evaluated() {
    let world = World::new();
    world.round(User, &[user("u1"), user("u2")]);
    let evaluation = Evaluation {
        horizon: world.begin(),
        evaluated: Evaluated::Only(&[(User, id("u1"))]),
        except: &BTreeSet::new(),
        maps_references: true,
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
    let horizon = world.begin();
    let failure = NotPlanned {
        subject: subject(User, "u1"),
        message: "two accounts match".to_owned(),
    };
    let record = |world: &World| {
        world
            .store
            .record_not_planned(
                &world.job,
                world.cycle,
                std::slice::from_ref(&failure),
                at(1),
            )
            .unwrap();
    };
    record(&world);
    world.finish(horizon);
    assert_eq!(world.pending(), "u1");
    world.next_cycle();
    let horizon = world.begin();
    record(&world);
    world.finish(horizon);
    let escrow = world.escrow();
    assert_eq!(escrow.len(), 1);
    assert_eq!((escrow[0].attempts, escrow[0].action.as_str()), (2, "plan"));
    assert_eq!(escrow[0].message, "two accounts match");

    // The third time it is evaluated and nothing is wrong, nor anything to do.
    world.finish(world.begin());
    assert_eq!(world.pending(), "");
    assert_eq!(world.escrow(), []);
}

//! Cycles on record, and the status of a job.

use super::*;
use crate::engine::plan::Count;
use crate::engine::record::{CycleState, Retention};
use crate::engine::record::{LoggedRequest, Side};
use crate::engine::summary::Health;
use crate::store::{Lock, LogFilter};

#[test]
fn a_finished_cycle_is_on_record_with_all_its_numbers() {
    let world = World::new();
    let count = |users, groups| Count { users, groups };
    let mut summary = world.summary();
    summary.evaluated = count(10, 1);
    summary.in_scope = count(9, 2);
    summary.linked = count(8, 3);
    summary.done = BTreeMap::from([("create", 7), ("update", 1)]);
    summary.skipped = BTreeMap::from([("out-of-scope", 1)]);
    summary.failed = 2;
    summary.not_tried = 3;
    summary.incomplete = Some("page 3 did not come".to_owned());
    summary.requests = Requests {
        source: 4,
        target: 12,
    };
    world
        .store
        .finish_cycle(&summary, Retention::default(), clocks(2))
        .unwrap();
    let cycle = world.store.last_cycle(&world.job).unwrap().unwrap();
    assert_eq!(cycle.number, world.cycle);
    assert_eq!(cycle.state, CycleState::Ended(Health::Incomplete));
    assert_eq!((cycle.started, cycle.finished), (at(0), Some(at(2))));
    assert_eq!(
        (cycle.evaluated, cycle.in_scope, cycle.linked),
        (count(10, 1), count(9, 2), count(8, 3))
    );
    assert_eq!(cycle.done["create"], 7);
    assert_eq!(cycle.skipped["out-of-scope"], 1);
    assert_eq!((cycle.failed, cycle.not_tried, cycle.held), (2, 3, 0));
    assert_eq!(cycle.requests, summary.requests);
    assert_eq!(cycle.incomplete, summary.incomplete);
    assert_eq!((cycle.error, cycle.duration_ms), (None, 2_000));
}

#[test]
fn the_state_of_a_cycle_follows_from_its_summary() {
    let world = World::new();
    let mut summary = world.summary();
    let mut state = |change: fn(&mut Summary)| {
        change(&mut summary);
        world
            .store
            .finish_cycle(&summary, Retention::default(), clocks(2))
            .unwrap();
        world.store.last_cycle(&world.job).unwrap().unwrap().state
    };
    assert_eq!(state(|_| {}), CycleState::Ended(Health::Succeeded));
    assert_eq!(
        state(|summary| summary.failed = 1),
        CycleState::Ended(Health::ObjectsFailed)
    );
    let hold = |summary: &mut Summary| {
        summary.held = Some(crate::engine::summary::HeldRemovals {
            why: vec![crate::engine::guard::WhyHeld::Undecided],
            removals: 2,
        });
    };
    assert_eq!(state(hold), CycleState::Ended(Health::Held));
    let doubt = |summary: &mut Summary| summary.incomplete = Some("no group".to_owned());
    assert_eq!(state(doubt), CycleState::Ended(Health::Incomplete));
    assert_eq!(
        state(|summary| summary.stopped = true),
        CycleState::Ended(Health::Stopped)
    );
    let abort = |summary: &mut Summary| summary.aborted = Some("token refused".to_owned());
    assert_eq!(state(abort), CycleState::Ended(Health::Failed));
}

#[test]
fn a_cycle_that_cannot_go_on_says_why() {
    let world = World::new();
    let requests = Requests {
        source: 1,
        target: 0,
    };
    world
        .store
        .fail_cycle(
            world.cycle,
            Health::Failed,
            "the source is down",
            requests,
            at(3),
        )
        .unwrap();
    let status = world.store.status(&world.job, 5).unwrap();
    assert_eq!(status.cycles.len(), 1);
    let cycle = &status.cycles[0];
    assert_eq!(cycle.state, CycleState::Ended(Health::Failed));
    assert_eq!(cycle.error.as_deref(), Some("the source is down"));
    assert_eq!((cycle.duration_ms, cycle.requests), (3_000, requests));
}

#[test]
fn a_cycle_that_fails_in_the_middle_shows_what_it_did_and_what_is_linked() {
    let world = World::new();
    world.link(User, "u1", "t1");
    world.link(User, "u2", "t2");
    world.link(Group, "g1", "tg1");
    world.record(&[
        done(set_manager("u1", Some("u2")), "t1"),
        done(set_manager("u2", None), "t2"),
        failed(update("u1", "t1", &[("title", None, Some("x"))]), false),
    ]);
    world
        .store
        .fail_cycle(
            world.cycle,
            Health::Failed,
            "the disk is full",
            Requests::default(),
            at(3),
        )
        .unwrap();
    let cycle = world.store.last_cycle(&world.job).unwrap().unwrap();
    let linked = Count {
        users: 2,
        groups: 1,
    };
    assert_eq!((cycle.linked, cycle.failed), (linked, 1));
    let did = [("clear-reference", 1), ("create", 3), ("set-reference", 1)];
    assert_eq!(
        cycle.done,
        did.map(|(word, times)| (word.to_owned(), times)).into()
    );
    assert!(!cycle.is_counted());
}

#[test]
fn a_cycle_runs_while_its_process_holds_the_lock_and_is_interrupted_otherwise() {
    let mut world = World::new();
    let path = world.folder.path().join("entrain.db");
    let lock = Lock::acquire(&path, "sync").unwrap();
    let state = world.state();
    let cycles = || {
        let store = Store::open_read_only(&state).unwrap();
        let status = store.status(&JobName::new("wizer"), 5).unwrap();
        status
            .cycles
            .iter()
            .map(|cycle| cycle.state)
            .collect::<Vec<_>>()
    };
    assert_eq!(cycles(), [CycleState::Running]);
    drop(lock);
    assert_eq!(cycles(), [CycleState::Interrupted]);
    let _lock = Lock::acquire(&path, "sync").unwrap();
    world.next_cycle();
    assert_eq!(cycles(), [CycleState::Running, CycleState::Interrupted]);
    let state = world.store.job_state(&world.job).unwrap();
    assert_eq!(state.last_cycle.unwrap().number, world.cycle);
}

#[test]
fn a_status_counts_links_marks_and_escrow() {
    let world = World::new();
    world.round(User, &[user("u1"), user("u2")]);
    world.link(User, "u1", "t1");
    world.record(&[failed(create(User, "u2", &[]), false)]);
    let status = world.store.status(&world.job, 5).unwrap();
    let users = |users| Count { users, groups: 0 };
    assert_eq!(
        (status.linked, status.pending, status.in_escrow),
        (users(1), users(2), users(1))
    );
    assert_eq!(status.escrow[0].subject, subject(User, "u2"));
    assert!(!status.full_evaluation);
}

#[test]
fn requests_without_an_action_are_on_record() {
    let world = World::new();
    let request = |path: &str, side| LoggedRequest {
        at: at(1),
        job: world.job.clone(),
        cycle: world.cycle,
        side,
        method: "GET".to_owned(),
        path: path.to_owned(),
        status: Some(200),
        attempts: 1,
        duration_ms: 5,
        error: None,
        action: None,
    };
    let requests = [
        request("/v1.0/users/delta", Side::Source),
        request("/Users", Side::Target),
    ];
    world.store.record_requests(&requests).unwrap();
    let found = |cycle| {
        let filter = LogFilter {
            cycle: Some(cycle),
            ..LogFilter::default()
        };
        world.store.requests(&filter, 10).unwrap()
    };
    let [users, delta] = requests;
    assert_eq!(found(world.cycle), [delta, users]);
    assert_eq!(found(world.cycle + 1), []);
}

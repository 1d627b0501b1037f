//! What the guard held, and what an operator approves of it.

use super::*;
use crate::engine::guard::{self, WhyHeld};
use crate::engine::job::{Limit, Limits};
use crate::engine::plan::{Count, Header, RemovalClass};

/// A plan of these deletes, and of a member taken out, judged with a limit.
fn plan(world: &World, names: &[&str], limit: u64) {
    let mut actions: Vec<Action> = names
        .iter()
        .map(|name| delete(User, name, &format!("t-{name}")))
        .collect();
    actions.push(remove_members("g1", &["u1"]));
    world.draft(&actions);
    judge(world, limit, &Header::default());
}

fn judge(world: &World, limit: u64, header: &Header) {
    let limits = Limits {
        max_deletions: Limit::Count(limit),
    };
    let totals = world.store.totals(world.cycle).unwrap();
    let verdict = guard::review(header, &totals, &limits);
    world
        .store
        .clear(world.cycle, &verdict, at(world.cycle))
        .unwrap();
}

fn held(world: &World) -> Vec<String> {
    let set = world.store.held(&world.job).unwrap();
    let removals = set.into_iter().flat_map(|set| set.removals);
    removals
        .map(|removal| format!("{} {}", removal.action, removal.subject.id))
        .collect()
}

fn queued(world: &World) -> Vec<String> {
    let rows = world.queued();
    rows.iter()
        .map(|row| format!("{} {}", row.action.as_str(), row.action.subject.id))
        .collect()
}

#[test]
fn what_is_held_is_not_sent_and_is_replaced_by_the_next_cycle() {
    let mut world = World::new();
    assert_eq!(world.store.held(&world.job).unwrap(), None);
    world.draft(&[create(User, "u3", &[])]);
    plan(&world, &["u1", "u2"], 1);
    assert_eq!(queued(&world), ["create u3"]);
    let everything = ["remove-members g1", "delete u1", "delete u2"];
    assert_eq!(held(&world), everything);
    let totals = world.store.totals(world.cycle).unwrap();
    assert_eq!(totals.held, 3);
    assert_eq!(totals.removals[&RemovalClass::Certain].planned, 2);
    let keys = world.store.left_over(world.cycle).unwrap();
    assert_eq!(keys, [key("u1"), key("u2"), key("u3"), key("g1")]);
    let since = |world: &World| world.store.held(&world.job).unwrap().unwrap().since;
    let first = since(&world);

    world.next_cycle();
    plan(&world, &["u1", "u2", "u3"], 1);
    assert_eq!(held(&world).len(), 4);
    assert_eq!(since(&world), first, "since when is remembered");
    assert!(world.store.status(&world.job, 1).unwrap().held.is_some());
    let why = WhyHeld::TooManyDeletions {
        planned: 3,
        limit: 1,
    };
    assert_eq!(world.store.held(&world.job).unwrap().unwrap().why, why);

    world.next_cycle();
    plan(&world, &["u1"], 1);
    assert_eq!(queued(&world), ["remove-members g1", "delete u1"]);
    world.store.release_hold(&world.job, world.cycle).unwrap();
    assert_eq!(world.store.held(&world.job).unwrap(), None);
}

#[test]
fn an_emptied_scope_is_held_with_the_links_that_there_were() {
    let world = World::new();
    world.draft(&[delete(User, "u1", "t1")]);
    let linked = Count {
        users: 3,
        groups: 1,
    };
    let header = Header {
        linked,
        scope_before: 4,
        ..Header::default()
    };
    judge(&world, 10, &header);
    let why = world.store.held(&world.job).unwrap().unwrap().why;
    assert_eq!(why, WhyHeld::EmptiedScope { linked });
}

#[test]
fn what_was_approved_goes_and_is_used_up() {
    let mut world = World::new();
    world.link(User, "u1", "t-u1");
    world.link(User, "u2", "t-u2");
    plan(&world, &["u1", "u2"], 1);
    assert_eq!(world.store.approve(&world.job).unwrap(), 2);
    assert_eq!(world.store.held(&world.job).unwrap(), None);

    world.next_cycle();
    // One more joins: it counts alone.
    plan(&world, &["u1", "u2", "u3"], 1);
    let totals = world.store.totals(world.cycle).unwrap();
    let certain = totals.removals[&RemovalClass::Certain];
    assert_eq!((certain.planned, certain.approved), (1, 2));
    assert_eq!(held(&world), [] as [&str; 0]);
    world.record(&[done(delete(User, "u1", "t-u1"), "t-u1")]);
    let mut world = world.reopened();
    world.record(&[failed(delete(User, "u2", "t-u2"), false)]);

    world.next_cycle();
    plan(&world, &["u1", "u2"], 0);
    assert_eq!(
        held(&world),
        ["delete u1"],
        "used up; the other is still approved"
    );
    let planned = queued(&world);
    assert!(planned.contains(&"delete u2".to_owned()), "{planned:?}");
}

#[test]
fn an_approval_lapses_when_the_removal_is_no_longer_due() {
    let mut world = World::new();
    plan(&world, &["u1", "u2"], 1);
    world.store.approve(&world.job).unwrap();
    // Evaluated, and nothing was to be removed.
    world.finish(world.evaluate());
    world.next_cycle();
    plan(&world, &["u1", "u2"], 1);
    assert_eq!(held(&world).len(), 3);
}

//! What the guard held, and what an operator approves of it.

use super::*;
use crate::engine::guard::{Held, WhyHeld};
use crate::engine::plan::Count;

fn held(names: &[&str]) -> Held {
    let mut actions: Vec<Action> = names
        .iter()
        .map(|name| delete(User, name, &format!("t-{name}")))
        .collect();
    actions.push(Action {
        subject: subject(Group, "g1"),
        target: Some(TargetId::new("t9")),
        operation: Operation::RemoveMembers {
            members: vec![(id("u1"), TargetId::new("t1"))],
        },
    });
    Held {
        why: WhyHeld::TooManyDeletions {
            planned: 2,
            limit: 1,
        },
        actions,
    }
}

#[test]
fn a_hold_is_replaced_by_the_next_and_remembers_since_when() {
    let world = World::new();
    assert_eq!(world.store.held(&world.job).unwrap(), None);
    let emptied = Held {
        why: WhyHeld::EmptiedScope {
            linked: Count {
                users: 3,
                groups: 1,
            },
        },
        actions: Vec::new(),
    };
    world.store.hold(&world.job, &emptied, at(1)).unwrap();
    assert_eq!(
        world.store.held(&world.job).unwrap().unwrap().why,
        emptied.why
    );
    world
        .store
        .hold(&world.job, &held(&["u1", "u2"]), at(2))
        .unwrap();
    let set = world.store.held(&world.job).unwrap().unwrap();
    assert_eq!((set.why, set.since), (held(&[]).why, at(1)));
    let removals: Vec<String> = set
        .removals
        .iter()
        .map(|removal| format!("{} {}", removal.action, removal.subject.id))
        .collect();
    assert_eq!(removals, ["delete u1", "delete u2", "remove-members g1"]);
    assert!(world.store.status(&world.job, 1).unwrap().held.is_some());
    world.store.release_hold(&world.job).unwrap();
    assert_eq!(world.store.held(&world.job).unwrap(), None);
}

#[test]
fn an_approval_is_used_up_by_its_removal() {
    let world = World::new();
    world.link(User, "u1", "t-u1");
    world
        .store
        .hold(&world.job, &held(&["u1", "u2"]), at(1))
        .unwrap();
    assert_eq!(world.store.approve(&world.job, at(2)).unwrap(), 2);
    assert_eq!(world.store.held(&world.job).unwrap(), None);
    let approvals = |world: &World| world.store.approvals(&world.job).unwrap().0;
    assert_eq!(
        approvals(&world),
        BTreeSet::from([(User, id("u1")), (User, id("u2"))]),
        "a later delete of the group is not approved by its members"
    );
    world.record(&[done(delete(User, "u1", "t-u1"), "t-u1")]);
    let world = world.reopened();
    world.record(&[failed(delete(User, "u2", "t-u2"), false)]);
    assert_eq!(approvals(&world), BTreeSet::from([(User, id("u2"))]));
    assert_eq!(world.store.approve(&world.job, at(3)).unwrap(), 0);
}

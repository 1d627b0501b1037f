//! Assignments and roles, and whom a difference marks.

use super::*;
use crate::engine::model::{AppRole, Assignment};
use crate::store::Application;

fn assignment(kind: ObjectKind, principal: &str, role: &str) -> Assignment {
    Assignment {
        kind,
        principal: id(principal),
        role: role.to_owned(),
    }
}

fn world() -> World {
    let world = World::new();
    world.round(Group, &[group("g1", &["u1", "g2"]), group("g2", &["u2"])]);
    world.settle();
    world
}

fn replace(world: &World, read: &[Assignment]) {
    let read = Complete::after_last_page(read.to_vec());
    world
        .store
        .replace_assignments(&world.job, SourceNumber::FIRST, &read)
        .unwrap();
}

#[test]
fn a_difference_marks_the_principal_and_everyone_below() {
    let world = world();
    let first = [assignment(User, "u9", "r1"), assignment(Group, "g1", "r1")];
    replace(&world, &first);
    assert_eq!(world.pending(), "u1 u2 u9 g1 g2");
    world.settle();
    replace(&world, &first);
    assert_eq!(world.pending(), "");
    replace(
        &world,
        &[assignment(User, "u9", "r1"), assignment(User, "u8", "r1")],
    );
    assert_eq!(world.pending(), "u1 u2 u8 g1 g2");
    let users = world.store.assigned(&world.job, User).unwrap();
    assert_eq!(join(&users), "u8 u9");
    assert_eq!(world.store.assigned(&world.job, Group).unwrap(), []);
}

#[test]
fn a_partial_reading_takes_nothing_away() {
    let world = world();
    replace(&world, &[assignment(User, "u9", "r1")]);
    world.settle();
    world
        .store
        .add_assignments(
            &world.job,
            SourceNumber::FIRST,
            &[assignment(User, "u9", "r2")],
        )
        .unwrap();
    assert_eq!(world.pending(), "u9");
    let held = world
        .store
        .assignments_of(&world.job, User, &id("u9"))
        .unwrap();
    assert_eq!(
        held,
        [assignment(User, "u9", "r1"), assignment(User, "u9", "r2")]
    );
}

#[test]
fn a_list_takes_away_what_came_between_although_it_was_read_before() {
    let world = world();
    let list = [assignment(User, "u9", "r1")];
    replace(&world, &list);
    world
        .store
        .add_assignments(
            &world.job,
            SourceNumber::FIRST,
            &[assignment(User, "u8", "r1")],
        )
        .unwrap();
    world.settle();
    replace(&world, &list);
    assert_eq!(world.pending(), "u8");
    let users = world.store.assigned(&world.job, User).unwrap();
    assert_eq!(join(&users), "u9");
}

#[test]
fn only_the_job_of_the_application_is_marked() {
    let world = world();
    let other = JobName::new("other");
    world
        .store
        .add_assignments(&other, SourceNumber::FIRST, &[assignment(User, "u9", "r1")])
        .unwrap();
    assert_eq!(world.pending(), "");
    assert_eq!(world.store.assigned(&world.job, User).unwrap(), []);
}

#[test]
fn who_holds_a_role_that_changed_is_marked() {
    let world = world();
    let role = |id: &str, name: &str| AppRole {
        id: id.to_owned(),
        value: Some(name.to_owned()),
        display_name: name.to_owned(),
    };
    let mut application = Application {
        service_principal: id("sp"),
        roles: vec![role("r1", "User"), role("r2", "Admin")],
    };
    assert_eq!(
        world
            .store
            .application(&world.job, SourceNumber::FIRST)
            .unwrap(),
        None
    );
    replace(
        &world,
        &[assignment(User, "u8", "r1"), assignment(User, "u9", "r2")],
    );
    let record = |application: &Application| {
        world
            .store
            .record_application(&world.job, SourceNumber::FIRST, application)
            .unwrap();
    };
    record(&application);
    world.settle();
    record(&application);
    assert_eq!(world.pending(), "");
    application.roles[1] = role("r2", "Owner");
    record(&application);
    assert_eq!(world.pending(), "u9");
    assert_eq!(
        world
            .store
            .application(&world.job, SourceNumber::FIRST)
            .unwrap(),
        Some(application)
    );
}

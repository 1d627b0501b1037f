//! Custom security attributes next to the delta pages.

use super::*;
use crate::engine::model::{CustomSecurityAttribute, CustomSecurityValues};

const PROJECT: &str = "customSecurityAttributes.Engineering.Project";

fn read(values: &[(&str, Option<&str>)]) -> Complete<Vec<CustomSecurityValues>> {
    let attribute = CustomSecurityAttribute::parse(PROJECT).unwrap();
    let users = values.iter().map(|(user, value)| CustomSecurityValues {
        user: id(user),
        values: value
            .iter()
            .map(|value| (attribute.clone(), Value::text(*value)))
            .collect(),
    });
    Complete::after_last_page(users.collect())
}

fn merge(world: &World, values: &[(&str, Option<&str>)]) -> u64 {
    let wanted = CustomSecurityAttribute::parse(PROJECT)
        .into_iter()
        .collect();
    let read = read(values);
    let store = &world.store;
    store
        .merge_custom_security_attributes(SourceNumber::FIRST, &wanted, &read)
        .unwrap()
}

fn project(world: &World, user: &str) -> Option<String> {
    let user = world.store.object(User, &id(user)).unwrap().unwrap();
    user.attributes.text(PROJECT).map(str::to_owned)
}

#[test]
fn a_change_is_merged_and_marks_that_user_alone() {
    let world = World::new();
    world.round(User, &[user("u1"), user("u2"), user("u3")]);
    world.settle();
    let values = [("u1", Some("Alpine")), ("u2", None), ("u9", Some("Baker"))];
    assert_eq!(merge(&world, &values), 1);
    assert_eq!(world.pending(), "u1");
    assert_eq!(project(&world, "u1").as_deref(), Some("Alpine"));
    world.settle();
    assert_eq!(merge(&world, &values), 0);
    assert_eq!(world.pending(), "");

    // A delta page says nothing of it, and a reading nothing of users that are not in it.
    world.round(
        User,
        &[with(user("u1"), "mail", Value::text("u1@example.com"))],
    );
    world.settle();
    assert_eq!(merge(&world, &[("u2", Some("Baker"))]), 1);
    assert_eq!(world.pending(), "u2");
    assert_eq!(project(&world, "u1").as_deref(), Some("Alpine"));
    world.settle();
    assert_eq!(merge(&world, &[("u1", None), ("u2", Some("Baker"))]), 1);
    assert_eq!(world.pending(), "u1");
    assert_eq!(project(&world, "u1"), None);
}

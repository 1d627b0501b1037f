//! Attributes with several values: what the target shows in another order or form is no change.

use super::world::{World, attribute, found, mapping};
use super::{path, plans};
use crate::engine::mapping::{Mapping, Source};
use crate::engine::model::{ObjectKind, TargetType, Value};

fn texts(values: &[&str]) -> Value {
    Value::List(values.iter().copied().map(Value::text).collect())
}

fn object(members: &[(&str, Value)]) -> Value {
    let members = members
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()));
    Value::Object(members.collect())
}

/// A world whose target knows ann already and shows `shown` at `target`.
fn met(target: Mapping, shown: Value) -> World {
    let mut world = World::new().user("ann");
    let at = target.target.to_string();
    world.job.users.mappings.push(target);
    world.set("ann", "businessPhones", texts(&["b", "a"]));
    let address = Value::text("ann@contoso.com");
    world.at("ann").found = found(
        "7",
        "userName",
        &[
            ("userName", address.clone()),
            ("active", Value::Boolean(true)),
            ("displayName", Value::text("ann")),
            ("emails[type eq \"work\"].value", address),
            (&at, shown),
        ],
    );
    world
}

fn custom(target_type: TargetType, multi_valued: bool, source: Source) -> Mapping {
    let mut mapping = mapping(ObjectKind::User, "title", source);
    mapping.target = path("urn:acme:User:x");
    mapping.target_type = target_type;
    mapping.multi_valued = multi_valued;
    mapping
}

#[test]
fn values_in_another_order_or_form_are_the_same() {
    let listed = || {
        mapping(
            ObjectKind::User,
            "entitlements",
            attribute("businessPhones"),
        )
    };
    let element = |value: &str| object(&[("value", Value::text(value))]);
    let said = |value: &str| {
        object(&[
            ("value", Value::text(value)),
            ("primary", Value::text("False")),
        ])
    };
    for shown in [
        texts(&["a", "b"]),
        texts(&["b", "a", "b"]),
        Value::List(vec![element("a"), element("b")]),
        Value::List(vec![said("b"), said("a")]),
        texts(&["A", "B"]),
    ] {
        let world = met(listed(), shown);
        plans(&world, "adopt ann 7");
        plans(&world.agreed(), "");
    }
    let world = met(listed(), texts(&["a", "c"]));
    assert_ne!(world.plan().actions().next(), None);
    plans(&world.agreed(), "");
}

#[test]
fn an_attribute_of_another_schema_is_compared_as_its_mapping_says() {
    let constant = |value| Source::Constant(value);
    for (target, shown) in [
        (
            custom(TargetType::Boolean, false, constant(Value::Boolean(true))),
            Value::text("True"),
        ),
        (
            custom(TargetType::Integer, false, constant(Value::Integer(7))),
            Value::text("7"),
        ),
        (
            custom(TargetType::String, true, attribute("businessPhones")),
            Value::List(vec![
                object(&[("value", Value::text("a"))]),
                Value::text("b"),
            ]),
        ),
        (
            custom(TargetType::Complex, true, attribute("businessPhones")),
            texts(&["a", "b"]),
        ),
    ] {
        let world = met(target, shown);
        plans(&world, "adopt ann 7");
        plans(&world.agreed(), "");
    }
}

#[test]
fn a_default_and_what_is_sent_on_create_alone_have_the_same_form() {
    let mut defaulted = mapping(ObjectKind::User, "entitlements", attribute("otherMails"));
    defaulted.default = Some(texts(&["b", "a"]));
    plans(&met(defaulted, texts(&["a", "b"])), "adopt ann 7");
}

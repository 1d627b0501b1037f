//! Attributes with several values: what the target shows in another order or form is no change, and app
//! roles are added or asserted as the function says.

use super::world::{World, attribute, found, mapping};
use super::{path, plans};
use crate::engine::expr::Expression;
use crate::engine::mapping::{Mapping, OnEmpty, Source};
use crate::engine::model::{ObjectKind, TargetType, Value};
use crate::engine::plan::{Action, Operation, WriteMode};

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
    world.job.users.mappings.change(|all| all.push(target));
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

const ADDING: &str = "AppRoleAssignmentsComplex([appRoleAssignments])";

fn expression(target: &str, text: &str) -> Mapping {
    let source = Source::Expression(Box::new(Expression::compile(text).unwrap()));
    mapping(ObjectKind::User, target, source)
}

fn holding(mut world: World, roles: &[&str]) -> World {
    world.at("ann").roles = roles.iter().map(|role| (*role).to_owned()).collect();
    world
}

/// The values of the roles that are there once the plan is carried out, and what an add would send.
fn roles(world: &World) -> Option<(Vec<String>, WriteMode)> {
    let plan = world.plan();
    let change = match plan.actions().next()? {
        Action {
            operation: Operation::Adopt { changes, .. },
            ..
        }
        | Action {
            operation: Operation::Update { changes, .. },
            ..
        } => changes.first()?,
        other => panic!("{other:?}"),
    };
    let Some(Value::List(new)) = &change.new else {
        panic!("{change:?}");
    };
    let value = |element: &Value| match element {
        Value::Object(members) => format!("{:?}", members["value"]),
        other => panic!("{other:?}"),
    };
    Some((new.iter().map(value).collect(), change.written.clone()))
}

fn inside_a_string(role: &str) -> Value {
    let json = format!(r#"{{"id":"id of {role}","value":"{role}","displayName":"The {role}"}}"#);
    object(&[("value", Value::text(json))])
}

#[test]
fn a_role_that_is_new_is_added_and_one_that_is_gone_stays() {
    let mut world = World::new().user("ann");
    world
        .job
        .users
        .mappings
        .change(|all| all.push(expression("roles", ADDING)));
    let world = holding(world, &["A", "B"]).agreed();
    plans(&world, "");
    // Graph may return them in any order, and of roles that are gone nothing is said.
    let world = holding(world, &["B", "A"]);
    plans(&world, "");
    let world = holding(world, &["C", "B"]);
    let (there, written) = roles(&world).unwrap();
    assert_eq!(there.len(), 3, "{there:?}");
    assert_eq!(written, WriteMode::Added(vec![inside_a_string("C")]));
    let world = world.agreed();
    plans(&world, "");
    plans(&holding(world, &["A"]), "");
}

#[test]
fn a_role_that_the_target_shows_in_either_form_is_not_added_again() {
    let created = object(&[("value", Value::text("A"))]);
    for shown in [
        Value::List(vec![created, inside_a_string("B")]),
        texts(&["b", "a", "other"]),
        Value::List(vec![inside_a_string("A"), inside_a_string("B")]),
    ] {
        let world = holding(met(expression("roles", ADDING), shown), &["A", "B"]);
        plans(&world, "adopt ann 7");
        let world = world.agreed();
        plans(&world, "");
        let (_, written) = roles(&holding(world, &["C", "B"])).unwrap();
        assert_eq!(written, WriteMode::Added(vec![inside_a_string("C")]));
    }
    let world = holding(met(expression("roles", ADDING), texts(&["other"])), &["A"]);
    let (there, written) = roles(&world).unwrap();
    assert_eq!(there.len(), 2, "{there:?}");
    assert_eq!(written, WriteMode::Added(vec![inside_a_string("A")]));
}

#[test]
fn what_an_interrupted_update_added_is_not_added_again() {
    let mut world = World::new().user("ann");
    world
        .job
        .users
        .mappings
        .change(|all| all.push(expression("roles", ADDING)));
    let mut world = holding(world, &["A"]).agreed();
    let sent = &mut world.at("ann").link.as_mut().unwrap().sent;
    sent.insert(
        path("roles"),
        Value::List(vec![inside_a_string("A"), inside_a_string("B")]),
    );
    plans(&holding(world, &["B", "A"]), "");
}

#[test]
fn without_roles_nothing_is_taken_away_whatever_becomes_of_an_emptied_source() {
    for on_empty in [OnEmpty::Clear, OnEmpty::Keep, OnEmpty::Default] {
        let mut adding = expression("roles", &format!("IIF([title] = \"x\", \"\", {ADDING})"));
        adding.on_empty = on_empty;
        let mut world = World::new().user("ann");
        world.job.users.mappings.change(|all| all.push(adding));
        let mut world = holding(world, &["A"]).agreed();
        world.set("ann", "title", Value::text("x"));
        plans(&world, "");
    }
    let mut failing = expression("roles", &format!("IIF([title] = \"x\", \"\", {ADDING})"));
    failing.on_empty = OnEmpty::Fail;
    let mut world = World::new().user("ann");
    world.job.users.mappings.change(|all| all.push(failing));
    let mut world = world.agreed();
    world.set("ann", "title", Value::text("x"));
    plans(&world, "skip user ann: mapping-failed");
}

#[test]
fn the_assertive_form_takes_away_what_is_not_held() {
    let assertive = || {
        expression(
            "roles",
            "AssertiveAppRoleAssignmentsComplex([appRoleAssignments])",
        )
    };
    let world = holding(met(assertive(), texts(&["other", "A"])), &["A"]);
    let (there, written) = roles(&world).unwrap();
    assert_eq!((there.len(), written), (1, WriteMode::Whole));
    let world = holding(world.agreed(), &["B", "A"]);
    let (there, _) = roles(&world).unwrap();
    assert_eq!(there.len(), 2, "{there:?}");
    plans(&holding(world.agreed(), &["A", "B"]), "");
}

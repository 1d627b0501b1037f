//! Unique values: who gets which, and for whom none is looked up.

use super::planned::{Plan, lines};
use super::plans;
use super::world::{World, attribute, found, mapping, path};
use crate::engine::expr::Expression;
use crate::engine::mapping::{Apply, Mapping, Source};
use crate::engine::model::{ObjectKind, TargetPath, Value};
use crate::engine::plan::{Action, Operation};

/// Every user's nickname is the first of the job title and the surname that is not taken.
fn world(people: &[(&str, &str)]) -> World {
    let text = "SelectUniqueValue([jobTitle], [surname])";
    let expression = Expression::compile(text).unwrap();
    let mut world = World::new();
    let mut nickname = mapping(
        ObjectKind::User,
        "nickName",
        Source::Expression(Box::new(expression)),
    );
    nickname.apply = Apply::OnCreate;
    world.job.users.mappings.change(|all| all.push(nickname));
    for (name, first_choice) in people {
        world = world.user(name);
        world.set(name, "jobTitle", Value::text(*first_choice));
        world.set(name, "surname", Value::text(format!("{name}'s own")));
    }
    world
}

/// "ann: smith" for each create.
fn nicknames(plan: &Plan) -> Vec<String> {
    let nickname: TargetPath = path("nickName");
    let creates = plan.actions().filter_map(|action| match action {
        Action {
            subject,
            operation: Operation::Create { attributes, .. },
            ..
        } => Some(match attributes.get(&nickname) {
            Some(Value::Text(text)) => format!("{}: {text}", subject.id),
            other => format!("{}: {other:?}", subject.id),
        }),
        _ => None,
    });
    creates.collect()
}

#[test]
fn what_the_target_has_is_passed_over() {
    let mut world = world(&[("ann", "smith"), ("bob", "jones")]);
    world.taken.insert(Value::text("smith"));
    assert_eq!(nicknames(&world.plan()), ["ann: ann's own", "bob: jones"]);
}

#[test]
fn two_who_join_in_one_plan_get_two_values() {
    let world = world(&[("ann", "smith"), ("bob", "Smith"), ("cid", "SMITH")]);
    assert_eq!(
        nicknames(&world.plan()),
        ["ann: smith", "bob: bob's own", "cid: cid's own"]
    );
}

#[test]
fn case_makes_another_value_where_the_mapping_says_so() {
    let mut world = world(&[("ann", "smith"), ("bob", "Smith")]);
    let change = |all: &mut Vec<Mapping>| all.last_mut().unwrap().case_exact = true;
    world.job.users.mappings.change(change);
    assert_eq!(nicknames(&world.plan()), ["ann: smith", "bob: Smith"]);
}

#[test]
fn a_user_for_whom_every_value_is_taken_is_skipped_and_the_rest_goes_on() {
    let mut world = world(&[("ann", "smith"), ("bob", "jones")]);
    for value in ["smith", "ann's own"] {
        world.taken.insert(Value::text(value));
    }
    plans(
        &world,
        "create bob
         skip user ann: mapping-failed",
    );
}

#[test]
fn users_that_are_not_created_take_no_value_from_others() {
    let mut world = world(&[("ann", "smith"), ("bob", "smith"), ("cid", "smith")]);
    // The plan creates ann alone of the two who have one principal name.
    let same = Value::text("ann@contoso.com");
    world.set("bob", "userPrincipalName", same);
    world.set("bob", "jobTitle", Value::text("jones"));
    world.set("cid", "jobTitle", Value::text("jones"));
    assert_eq!(nicknames(&world.plan()), ["ann: smith", "cid: jones"]);
}

#[test]
fn users_in_the_target_are_not_searched_and_not_changed() {
    let mut world = world(&[("ann", "smith")]).agreed();
    for value in ["smith", "ann's own"] {
        world.taken.insert(Value::text(value));
    }
    assert_eq!(world.asks(), []);
    plans(&world, "");
    world.set("ann", "displayName", Value::text("Anna"));
    plans(&world, "update ann displayName: ann -> Anna");
}

#[test]
fn users_that_are_adopted_keep_the_value_that_is_there() {
    let mut world = world(&[("ann", "smith")]);
    let shown = [
        ("userName", Value::text("ann@contoso.com")),
        ("nickName", Value::text("annie")),
    ];
    world.at("ann").found = found("7", "userName", &shown);
    for value in ["smith", "ann's own"] {
        world.taken.insert(Value::text(value));
    }
    let plan = lines(&world.plan());
    assert!(
        plan.starts_with("adopt ann 7") && !plan.contains("nickName"),
        "{plan}"
    );
}

#[test]
fn nothing_is_queried_for_users_that_are_not_created() {
    let mut world = world(&[("ann", "smith"), ("bob", "jones"), ("cid", "brown")]);
    world.at("ann").assigned = false;
    world.set("bob", "accountEnabled", Value::Boolean(false));
    let asked: Vec<Value> = world.asks().into_iter().map(|key| key.value).collect();
    assert_eq!(asked, [Value::text("brown"), Value::text("cid's own")]);
    world.job.users.actions.create = false;
    assert_eq!(world.asks(), []);
    plans(
        &world,
        "skip user bob: blocked
         skip user cid: not-allowed",
    );
}

#[test]
fn nothing_is_queried_where_no_mapping_chooses() {
    let mut world = world(&[("ann", "smith")]);
    let change = |all: &mut Vec<Mapping>| all.last_mut().unwrap().source = attribute("jobTitle");
    world.job.users.mappings.change(change);
    assert_eq!(world.asks(), []);
}

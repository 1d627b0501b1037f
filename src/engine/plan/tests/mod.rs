//! The planner's decisions: build a world, let the target already agree, change one thing.

mod doubt;
mod lists;
mod names;
mod planned;
mod properties;
mod several_groups;
mod unique;
mod world;

use crate::engine::expr::Expression;
use crate::engine::guard::WhyHeld;
use crate::engine::job::{Limit, WhenOutOfScope};
use crate::engine::mapping::Source;
use crate::engine::model::{MatchKey, ObjectKind, Presence, SourceId, TargetId, Value};
use crate::engine::plan::{ElementChange, Found, Operation, RemovalClass};
use planned::{line, lines};
use world::{World, found, path};

#[track_caller]
fn plans(world: &World, expected: &str) {
    let expected: Vec<&str> = expected.trim().lines().map(str::trim).collect();
    assert_eq!(lines(&world.plan()), expected.join("\n"));
}

#[test]
fn nothing_changed_nothing_planned() {
    let world = World::new()
        .user("ann")
        .user("bob")
        .group("sales", &["ann", "bob"]);
    plans(&world.agreed(), "");
}

#[test]
fn an_empty_target_gets_users_then_groups_then_members() {
    let world = World::new()
        .user("ann")
        .user("bob")
        .group("sales", &["ann", "bob"]);
    plans(
        &world,
        "create ann
         create bob
         create sales
         add-members sales ann, bob",
    );
}

#[test]
fn a_manager_is_created_before_those_it_manages_and_travels_with_them() {
    let mut world = World::new().user("ann").user("bob").user("cid");
    world.set("ann", "manager", Value::Reference(SourceId::new("bob")));
    world.set("bob", "manager", Value::Reference(SourceId::new("cid")));
    plans(
        &world,
        "create cid
         create bob with cid
         create ann with bob",
    );
    plans(&world.agreed(), "");
}

#[test]
fn of_managers_in_a_circle_one_follows_as_an_update() {
    let mut world = World::new().user("ann").user("bob");
    world.set("ann", "manager", Value::Reference(SourceId::new("bob")));
    world.set("bob", "manager", Value::Reference(SourceId::new("ann")));
    plans(
        &world,
        "create ann
         create bob with ann
         set-reference ann none -> bob",
    );
    plans(&world.agreed(), "");
}

#[test]
fn a_manager_who_comes_into_scope_later_is_linked_in_that_cycle() {
    let mut world = World::new().user("ann").user("bob");
    world.set("ann", "manager", Value::Reference(SourceId::new("bob")));
    world.at("bob").assigned = false;
    let mut world = world.agreed();
    plans(&world, "");
    world.at("bob").assigned = true;
    plans(
        &world,
        "create bob
         set-reference ann none -> bob",
    );
}

#[test]
fn a_renamed_user_is_updated_and_keeps_the_link() {
    let mut world = World::new().user("ann").agreed();
    world.set(
        "ann",
        "userPrincipalName",
        Value::text("ann.lee@contoso.com"),
    );
    plans(
        &world,
        "update ann userName: ann@contoso.com -> ann.lee@contoso.com",
    );
}

#[test]
fn an_emptied_attribute_is_cleared_with_its_element() {
    let mut world = World::new().user("ann").agreed();
    world.at("ann").object.attributes.remove("mail");
    plans(
        &world,
        "update ann emails[type eq \"work\"].value: ann@contoso.com -> none",
    );
    let plan = world.plan();
    let Some(Operation::Update { changes }) = plan.actions().map(|one| &one.operation).next()
    else {
        panic!("an update is planned");
    };
    assert_eq!(changes[0].element, ElementChange::Removed);
}

#[test]
fn a_user_leaving_scope_is_disabled_and_taken_out_of_groups() {
    let mut world = World::new().user("ann").group("sales", &["ann"]).agreed();
    world.at("ann").assigned = false;
    plans(&world, "");
    world.at("sales").members.clear();
    plans(
        &world,
        "disable ann active: true -> false
         remove-members sales ann",
    );
    let mut world = world.agreed();
    plans(&world, "");
    world.at("ann").assigned = true;
    plans(&world, "enable ann active: false -> true");
}

#[test]
fn a_blocked_user_is_disabled_before_its_other_changes_and_stays_a_member() {
    let mut world = World::new().user("ann").group("sales", &["ann"]).agreed();
    world.set("ann", "accountEnabled", Value::Boolean(false));
    world.set("ann", "displayName", Value::text("Ann"));
    plans(
        &world,
        "disable ann active: true -> false
         update ann displayName: ann -> Ann",
    );
}

#[test]
fn a_blocked_user_is_not_created() {
    let mut world = World::new().user("ann");
    world.set("ann", "accountEnabled", Value::Boolean(false));
    plans(&world, "skip user ann: blocked");
}

#[test]
fn a_user_whom_a_mapping_makes_inactive_is_disabled_by_a_complete_reading_alone() {
    let mut world = World::new().user("ann");
    let text = r#"IIF([department] = "Leavers", "False", "True")"#;
    world.job.users.mappings.change(|mappings| {
        let active = mappings.iter_mut().find(|one| one.target.is_active());
        active.unwrap().source = Source::Expression(Box::new(Expression::compile(text).unwrap()));
    });
    let mut world = world.agreed();
    world.set("ann", "department", Value::text("Leavers"));
    plans(&world, "disable ann active: true -> false");
    world.incomplete = Some("page 2 of the users is missing".to_owned());
    plans(&world, "skip user ann: incomplete-read");
}

#[test]
fn a_soft_deleted_user_is_disabled_and_nothing_else_of_it_is_sent() {
    let mut world = World::new().user("ann").agreed();
    world.at("ann").object.presence = Presence::SoftDeleted;
    world.set(
        "ann",
        "userPrincipalName",
        Value::text("4f1ann@contoso.com"),
    );
    plans(&world, "disable ann active: true -> false");
}

#[test]
fn a_deleted_user_is_deleted_even_after_leaving_scope() {
    let mut world = World::new().user("ann").agreed();
    world.at("ann").assigned = false;
    let mut world = world.agreed();
    world.at("ann").object.presence = Presence::Deleted;
    plans(&world, "delete ann t-ann");
    plans(&world.agreed(), "");
}

#[test]
fn keep_leaves_leavers_alone_and_says_so() {
    let mut world = World::new().user("ann").agreed();
    world.job.users.when_out_of_scope = WhenOutOfScope::Keep;
    world.at("ann").assigned = false;
    plans(&world, "skip user ann: kept");
}

#[test]
fn without_a_mapping_of_the_state_no_user_can_be_disabled() {
    let mut world = World::new().user("ann").agreed();
    world
        .job
        .users
        .mappings
        .change(|all| all.retain(|mapping| !mapping.target.is_active()));
    world.at("ann").assigned = false;
    plans(&world, "skip user ann: cannot-disable");
}

#[test]
fn an_unassigned_group_is_deleted_after_its_members_are_dealt_with() {
    let mut world = World::new()
        .user("ann")
        .user("bob")
        .group("sales", &["bob"])
        .agreed();
    world.at("bob").assigned = false;
    world.at("sales").assigned = false;
    plans(
        &world,
        "disable bob active: true -> false
         delete sales t-sales",
    );
}

#[test]
fn a_match_is_adopted_and_only_differences_are_sent() {
    let mut world = World::new().user("ann");
    let shown = [
        ("userName", Value::text("Ann@Contoso.com")),
        ("active", Value::Boolean(true)),
        ("displayName", Value::text("Anna")),
        (
            "emails[type eq \"work\"].value",
            Value::text("ann@contoso.com"),
        ),
    ];
    world.at("ann").found = found("7", "userName", &shown);
    plans(&world, "adopt ann 7 displayName: Anna -> ann");
    plans(&world.agreed(), "");
}

#[test]
fn members_that_an_adopted_group_has_already_are_not_added() {
    let mut world = World::new().user("ann").user("bob").agreed();
    world = world.group("sales", &["ann", "bob"]);
    let mut sales = found("9", "displayName", &[("displayName", Value::text("sales"))]);
    if let Found::One { object, .. } = &mut sales {
        object.members = Some([TargetId::new("t-ann"), TargetId::new("stranger")].into());
    }
    world.at("sales").found = sales;
    plans(&world, "adopt sales 9\nadd-members sales bob");
    plans(&world.agreed(), "");
}

#[test]
fn members_are_planned_in_the_chunks_that_are_sent() {
    let mut world = World::new();
    let names = ["ann", "bob", "cid", "dan", "eve"];
    for name in names {
        world = world.user(name);
    }
    let mut world = world.agreed().group("it", &["ann"]).group("sales", &names);
    world.member_chunk = 2;
    // The first chunks of all groups come before the second of any.
    plans(
        &world,
        "create it
         create sales
         add-members it ann
         add-members sales ann, bob
         add-members sales cid, dan
         add-members sales eve",
    );
    let mut world = world.agreed();
    world.at("sales").members.clear();
    plans(
        &world,
        "remove-members sales ann, bob
         remove-members sales cid, dan
         remove-members sales eve",
    );
}

#[test]
fn a_user_who_manages_itself_is_sent_once_it_is_there() {
    let mut world = World::new().user("ann");
    world.set("ann", "manager", Value::Reference(SourceId::new("ann")));
    plans(&world, "create ann\nset-reference ann none -> ann");
    plans(&world.agreed(), "");
}

#[test]
fn several_matches_are_an_error_of_that_object_alone() {
    let mut world = World::new().user("ann").user("bob");
    world.at("ann").found = Found::Several {
        key: MatchKey {
            path: path("userName"),
            value: Value::text("ann@contoso.com"),
        },
        targets: vec![TargetId::new("1"), TargetId::new("2")],
    };
    plans(
        &world,
        "create bob
         skip user ann: ambiguous",
    );
}

#[test]
fn one_target_account_is_never_given_to_two_users() {
    let mut world = World::new().user("ann").user("bob");
    for name in ["ann", "bob"] {
        let shared = Value::text("shared@contoso.com");
        world.set(name, "userPrincipalName", shared.clone());
        let shown = [("userName", shared)];
        world.at(name).found = found("7", "userName", &shown);
    }
    let plan = lines(&world.plan());
    assert!(plan.starts_with("adopt ann 7"), "{plan}");
    assert!(plan.ends_with("skip user bob: taken"), "{plan}");
}

#[test]
fn two_groups_of_one_name_are_not_both_created() {
    let mut world = World::new().group("sales", &[]).group("sales-2", &[]);
    world.set("sales-2", "displayName", Value::text("SALES"));
    plans(
        &world,
        "create sales
         skip group sales-2: duplicate-source",
    );
}

#[test]
fn an_incomplete_reading_adds_and_removes_nothing() {
    let mut world = World::new()
        .user("ann")
        .user("bob")
        .group("sales", &["ann", "bob"])
        .agreed();
    let mut world = {
        world.at("sales").members.clear();
        world.user("cid")
    };
    world.at("ann").object.presence = Presence::Missing;
    world.incomplete = Some("page 2 of the groups is missing".to_owned());
    plans(
        &world,
        "create cid
         skip user ann: incomplete-read",
    );
}

#[test]
fn what_is_read_on_the_object_itself_removes_it_whatever_else_could_not_be_read() {
    let mut world = World::new()
        .user("ann")
        .user("bob")
        .user("cid")
        .user("dan")
        .group("sales", &["ann", "bob", "cid"])
        .agreed();
    world.set("ann", "accountEnabled", Value::Boolean(false));
    world.at("bob").object.presence = Presence::SoftDeleted;
    world.at("cid").object.presence = Presence::Deleted;
    // Whether dan is still assigned is not known, but he is blocked.
    world.at("dan").assigned = false;
    world.set("dan", "accountEnabled", Value::Boolean(false));
    world.incomplete = Some("page 2 of the groups is missing".to_owned());
    plans(
        &world,
        "disable ann active: true -> false
         disable bob active: true -> false
         disable dan active: true -> false
         delete cid t-cid",
    );
}

#[test]
fn above_the_limit_not_one_removal_is_cleared() {
    let mut world = World::new()
        .user("ann")
        .user("bob")
        .group("sales", &["ann", "bob"])
        .agreed();
    world.job.limits.max_deletions = Some(Limit::Count(1));
    world.job.limits.max_membership_removals = Some(Limit::Count(1));
    for name in ["ann", "bob"] {
        world.at(name).assigned = false;
    }
    world.at("sales").members.clear();
    let mut world = world.user("cid");
    world.at("cid").assigned = true;
    let plan = world.plan();
    let verdict = world.review(&plan);
    let cleared = plan.cleared(&verdict).into_iter();
    let cleared: Vec<String> = cleared.map(|action| line(&plan, action)).collect();
    assert_eq!(cleared, ["create cid"]);
    assert_eq!(
        verdict.classes(),
        [RemovalClass::User, RemovalClass::Membership]
    );
    assert_eq!(plan.actions().count(), 4);
}

#[test]
fn an_emptied_scope_is_held_whatever_the_limit() {
    let mut world = World::new().user("ann").user("bob").user("cid").agreed();
    for name in ["ann", "bob", "cid"] {
        world.at(name).assigned = false;
    }
    let plan = world.plan();
    let verdict = world.review(&plan);
    assert!(plan.cleared(&verdict).is_empty());
    let why = verdict.holds(RemovalClass::User, ObjectKind::User, None);
    assert!(matches!(why, Some(WhyHeld::EmptiedScope { .. })));
}

#[test]
fn a_group_object_that_is_not_in_scope_is_no_member() {
    let mut world = World::new()
        .user("ann")
        .group("tokyo", &["ann"])
        .group("sales", &[]);
    world.at("sales").members.insert(SourceId::new("tokyo"));
    plans(
        &world,
        "create ann
         create tokyo
         create sales
         add-members tokyo ann
         add-members sales tokyo",
    );
    world.at("tokyo").assigned = false;
    plans(
        &world,
        "create ann
         create sales",
    );
}

#[test]
fn a_failed_mapping_is_reported_and_the_rest_goes_on() {
    let mut world = World::new().user("ann").user("bob");
    world.set(
        "ann",
        "displayName",
        Value::List(vec![Value::text("a"), Value::text("b")]),
    );
    plans(
        &world,
        "create bob
         skip user ann: mapping-failed",
    );
}

#[test]
fn without_permission_to_create_the_rest_still_works() {
    let mut world = World::new().user("ann").agreed().user("bob");
    world.job.users.actions.create = false;
    world.set("ann", "displayName", Value::text("Ann"));
    plans(
        &world,
        "update ann displayName: ann -> Ann
         skip user bob: not-allowed",
    );
}

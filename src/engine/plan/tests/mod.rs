//! The planner's decisions: build a world, let the target already agree, change one thing.

mod doubt;
mod lists;
mod unique;
mod world;

use crate::engine::guard::WhyHeld;
use crate::engine::job::{Limit, WhenOutOfScope};
use crate::engine::model::{Intent, MatchKey, Presence, SourceId, TargetId, Value};
use crate::engine::plan::{Action, ElementChange, Found, Operation};
use world::{World, found, lines, path};

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
fn managers_in_a_circle_follow_as_updates() {
    let mut world = World::new().user("ann").user("bob");
    world.set("ann", "manager", Value::Reference(SourceId::new("bob")));
    world.set("bob", "manager", Value::Reference(SourceId::new("ann")));
    plans(
        &world,
        "create ann
         create bob
         set-reference ann none -> bob
         set-reference bob none -> ann",
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
        "remove-members sales ann
         disable ann active: true -> false",
    );
    let mut world = world.agreed();
    plans(&world, "");
    world.at("ann").assigned = true;
    plans(&world, "enable ann active: false -> true");
}

#[test]
fn a_blocked_user_is_disabled_with_its_other_changes_and_stays_a_member() {
    let mut world = World::new().user("ann").group("sales", &["ann"]).agreed();
    world.set("ann", "accountEnabled", Value::Boolean(false));
    world.set("ann", "displayName", Value::text("Ann"));
    plans(
        &world,
        "disable ann active: true -> false; displayName: ann -> Ann",
    );
}

#[test]
fn a_blocked_user_is_not_created() {
    let mut world = World::new().user("ann");
    world.set("ann", "accountEnabled", Value::Boolean(false));
    plans(&world, "skip user ann: blocked");
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
fn without_a_mapping_of_the_state_nobody_can_be_disabled() {
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
fn one_target_account_is_never_given_to_two_people() {
    let mut world = World::new().user("ann").user("bob");
    for name in ["ann", "bob"] {
        let shown = [("userName", Value::text("shared@contoso.com"))];
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
fn the_keys_of_an_interrupted_create_are_looked_for_first() {
    let mut world = World::new().user("ann");
    let old = MatchKey {
        path: path("userName"),
        value: Value::text("ann.old@contoso.com"),
    };
    world.at("ann").intent = Some(Intent {
        keys: vec![old.clone()],
    });
    let shown = [("userName", Value::text("ann.old@contoso.com"))];
    world.at("ann").found = found("7", "userName", &shown);
    let plan = lines(&world.plan());
    assert!(plan.starts_with("adopt ann 7"), "{plan}");
    assert!(
        plan.contains("userName: ann.old@contoso.com -> ann@contoso.com"),
        "{plan}"
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
        world.at("ann").object.presence = Presence::Deleted;
        world.at("sales").members.clear();
        world.user("cid")
    };
    world.incomplete = Some("page 2 of the groups is missing".to_owned());
    plans(
        &world,
        "create cid
         skip user ann: incomplete-read",
    );
}

#[test]
fn above_the_limit_not_one_removal_is_cleared() {
    let mut world = World::new()
        .user("ann")
        .user("bob")
        .group("sales", &["ann", "bob"])
        .agreed();
    world.job.limits.max_deletions = Limit::Count(1);
    for name in ["ann", "bob"] {
        world.at(name).assigned = false;
    }
    world.at("sales").members.clear();
    let mut world = world.user("cid");
    world.at("cid").assigned = true;
    let review = world.review();
    assert_eq!(lines(review.cleared.plan()), "create cid");
    let held = review.held.unwrap();
    assert_eq!(
        held.why,
        WhyHeld::TooManyDeletions {
            planned: 2,
            limit: 1
        }
    );
    assert_eq!(held.actions.len(), 3);
}

#[test]
fn an_emptied_scope_is_held_whatever_the_limit() {
    let mut world = World::new().user("ann").user("bob").user("cid").agreed();
    for name in ["ann", "bob", "cid"] {
        world.at(name).assigned = false;
    }
    let review = world.review();
    assert!(review.cleared.plan().is_empty());
    assert!(matches!(
        review.held.unwrap().why,
        WhyHeld::EmptiedScope { .. }
    ));
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
         create sales
         create tokyo
         add-members sales tokyo
         add-members tokyo ann",
    );
    world.at("tokyo").assigned = false;
    plans(
        &world,
        "create ann
         create sales",
    );
}

#[test]
fn a_failed_mapping_is_told_and_the_rest_goes_on() {
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

#[test]
fn people_in_several_groups_are_warned_of_where_the_job_says_so() {
    let mut world = World::new()
        .user("ann")
        .user("bob")
        .group("it", &["ann"])
        .group("sales", &["ann", "bob"]);
    let actions = "create ann
         create bob
         create it
         create sales
         add-members it ann
         add-members sales ann, bob";
    plans(&world, actions);
    world.job.one_group_each = true;
    plans(&world, &format!("{actions}\nwarn ann: it, sales"));
}

#[test]
fn who_changes_groups_is_in_one_of_them() {
    let mut world = World::new()
        .user("ann")
        .group("it", &["ann"])
        .group("sales", &[])
        .agreed();
    world.job.one_group_each = true;
    world.at("sales").members.insert(SourceId::new("ann"));
    plans(&world, "add-members sales ann\nwarn ann: it, sales");
    world.at("it").members.clear();
    plans(&world, "add-members sales ann\nremove-members it ann");
    // What is not taken out stays.
    world.incomplete = Some("page 2 of the groups is missing".to_owned());
    plans(&world, "add-members sales ann\nwarn ann: it, sales");
}

#[test]
fn a_group_that_goes_counts_no_more_and_one_that_is_kept_does() {
    let mut world = World::new()
        .user("ann")
        .group("it", &["ann"])
        .group("sales", &["ann"])
        .agreed();
    world.job.one_group_each = true;
    world.at("it").assigned = false;
    plans(&world, "delete it t-it");
    world.job.groups.when_out_of_scope = WhenOutOfScope::Keep;
    plans(&world, "skip group it: kept\nwarn ann: it, sales");
}

#[test]
fn a_group_in_two_groups_is_no_person() {
    let mut world = World::new()
        .group("emea", &["tokyo"])
        .group("it", &["tokyo"])
        .group("tokyo", &[])
        .agreed();
    world.job.one_group_each = true;
    plans(&world, "");
}

proptest::proptest! {
    /// Applying a plan and planning again gives an empty plan, whatever changed before.
    #[test]
    fn a_plan_that_was_carried_out_leaves_nothing_to_do(
        changes in proptest::collection::vec((0..5_usize, 0..6_u8), 0..24),
        limit in 0..4_u64,
    ) {
        let names = ["ann", "bob", "cid", "dan", "eve"];
        let mut world = World::new();
        for name in names {
            world = world.user(name);
        }
        let mut world = world.group("sales", &["ann", "bob"]).group("it", &["cid"]);
        world.job.limits.max_deletions = Limit::Count(limit);
        for (round, (who, what)) in changes.into_iter().enumerate() {
            let name = names[who];
            match what {
                0 => world.at(name).assigned ^= true,
                1 => world.set(name, "displayName", Value::text(format!("{name} {round}"))),
                2 => world.set(name, "accountEnabled", Value::Boolean(round % 2 == 0)),
                3 => {
                    let manager = names[(who + round) % names.len()];
                    world.set(name, "manager", Value::Reference(SourceId::new(manager)));
                }
                4 => {
                    let members = &mut world.at("it").members;
                    if !members.remove(&SourceId::new(name)) {
                        members.insert(SourceId::new(name));
                    }
                }
                _ => {
                    let plan = world.plan();
                    world.carry_out(&plan);
                    let again = world.plan();
                    proptest::prop_assert!(again.is_empty(), "{}", lines(&again));
                }
            }
            let review = world.review();
            let removals = review
                .cleared
                .plan()
                .actions()
                .filter(|action| matches!(action.operation, Operation::Disable { .. } | Operation::Delete { .. }))
                .count() as u64;
            proptest::prop_assert!(removals <= limit);
            if review.held.is_some() {
                proptest::prop_assert!(!review.cleared.plan().actions().any(Action::is_removal));
            }
        }
    }
}

//! Names of the scope that mean nothing: only what hangs on them waits.

use super::planned::lines;
use super::world::World;
use super::{path, plans};
use crate::engine::filter::{Clause, ClauseGroup};
use crate::engine::job::{GroupObjects, WhenOutOfScope};
use crate::engine::model::{SourceId, Value};
use crate::engine::names::Naming;
use crate::engine::plan::{Action, Operation, Pointer, WhyRemoved};

/// Ann, who manages Bob, both of Sales, in a target that agrees.
fn agreed() -> World {
    let mut world = World::new()
        .user("ann")
        .user("bob")
        .group("sales", &["ann", "bob"]);
    world.set("bob", "manager", Value::Reference(SourceId::new("ann")));
    world.at("sales").assigned = true;
    // The first cycle creates people, the second sets what refers to them.
    world.agreed().agreed()
}

/// As the name of Sales means nothing any more.
fn sales_renamed() -> World {
    let mut world = agreed();
    for name in ["ann", "bob", "sales"] {
        world.at(name).assigned = false;
    }
    world.doubts.insert(Naming::ScopeGroups);
    world
}

fn filter_by_department(world: &mut World, department: &str) {
    let clause = Clause::new("department", "EQUALS", Some(department)).unwrap();
    world.job.users.filter.groups = vec![ClauseGroup {
        name: None,
        clauses: vec![clause],
    }];
}

#[test]
fn users_that_depend_on_an_unresolved_name_wait_with_memberships_and_references() {
    let world = sales_renamed();
    let plan = world.plan();
    assert_eq!(
        plan.header.incomplete.as_deref(),
        Some("a name in scope.groups means nothing")
    );
    assert_eq!(
        lines(&plan),
        "skip user ann: incomplete-read\n\
         skip user bob: incomplete-read\n\
         skip group sales: incomplete-read"
    );
    assert_eq!(plan.header.scope_after, plan.header.scope_before);
}

#[test]
fn only_who_waits_keeps_memberships_and_references() {
    let mut world = agreed();
    world.doubts.insert(Naming::ScopeGroups);
    world.job.scope.exclude.push("ann".to_owned());
    plans(
        &world,
        "disable ann active: true -> false
         remove-members sales ann",
    );
    world.job.users.when_out_of_scope = WhenOutOfScope::Delete;
    plans(
        &world,
        "set-reference bob ann -> none
         remove-members sales ann
         delete ann t-ann",
    );
}

#[test]
fn a_reference_is_removed_for_its_reason_though_a_name_is_unresolved() {
    let mut world = agreed();
    world.doubts.insert(Naming::ScopeGroups);
    world.set(
        "bob",
        "manager",
        Value::Reference(SourceId::new("stranger")),
    );
    let plan = world.plan();
    let [
        Action {
            operation:
                Operation::SetReference {
                    old,
                    new: Pointer::Cleared(_),
                    ..
                },
            ..
        },
    ] = plan.actions().collect::<Vec<_>>()[..]
    else {
        panic!("{}", lines(&plan));
    };
    let old = old.as_ref().and_then(|old| old.source.clone());
    assert_eq!(old, Some(SourceId::new("ann")));
}

#[test]
fn what_hangs_on_a_property_that_was_not_read_stays_as_it_is() {
    let mut world = agreed();
    world.at("ann").assigned = false;
    world.set("sales", "securityEnabled", Value::Boolean(false));
    plans(
        &world,
        "disable ann active: true -> false
         delete sales t-sales",
    );
    let mut world = agreed().user("carl");
    for name in ["ann", "carl"] {
        world.at(name).assigned = false;
    }
    let sales = world.at("sales");
    sales.object.attributes.remove("securityEnabled");
    sales.members.insert(SourceId::new("carl"));
    plans(
        &world,
        "skip user ann: incomplete-read
         skip group sales: incomplete-read",
    );
    assert_eq!(world.plan().postponed(), ["ann", "sales"]);
}

#[test]
fn users_that_leave_a_group_are_removed_though_a_name_is_unresolved() {
    let mut world = agreed();
    world.doubts.insert(Naming::ScopeGroups);
    world.at("sales").members.remove(&SourceId::new("bob"));
    plans(&world, "remove-members sales bob");
}

#[test]
fn users_that_fail_a_filter_are_removed_whatever_a_name_would_mean() {
    let mut world = sales_renamed();
    world.set("ann", "department", Value::text("R&D"));
    filter_by_department(&mut world, "R&D");
    plans(
        &world,
        "disable bob active: true -> false
         skip user ann: incomplete-read
         skip group sales: incomplete-read",
    );
}

#[test]
fn a_kind_that_is_not_provisioned_waits_for_no_name() {
    let mut world = sales_renamed();
    world.job.groups.enabled = false;
    plans(
        &world,
        "delete sales t-sales
         skip user ann: incomplete-read
         skip user bob: incomplete-read",
    );
}

#[test]
fn an_unresolved_group_to_provision_keeps_no_user_from_leaving() {
    let mut world = agreed().group("it", &["ann"]);
    world.at("it").assigned = true;
    let mut world = world.agreed();
    for (name, assigned) in [("ann", false), ("bob", true)] {
        world.at(name).assigned = assigned;
        world.at("sales").members.remove(&SourceId::new(name));
    }
    world.at("it").members.clear();
    world.job.scope.group_objects = GroupObjects::Named(vec!["sales".to_owned()]);
    world.doubts.insert(Naming::Provision);
    plans(
        &world,
        "disable ann active: true -> false
         remove-members sales ann, bob
         skip group it: incomplete-read",
    );
    // A group that nothing but its name brought in waits as well.
    world.at("it").assigned = false;
    let plan = lines(&world.plan());
    assert!(plan.ends_with("skip group it: incomplete-read"), "{plan}");
    // Named or not, scope.groups brings no group into the target then.
    world.doubts = [Naming::ScopeGroups].into();
    let plan = lines(&world.plan());
    assert!(plan.contains("delete it t-it"), "{plan}");
}

#[test]
fn the_brake_counts_only_who_does_not_wait() {
    let mut world = sales_renamed().user("cid").user("dan");
    for name in ["cid", "dan"] {
        world.at(name).assigned = true;
    }
    let mut world = world.agreed();
    world
        .job
        .scope
        .exclude
        .extend(["cid", "dan"].map(str::to_owned));
    let plan = world.plan();
    let (before, after) = (plan.header.scope_before, plan.header.scope_after);
    assert_eq!(before.total() - after.total(), 2);
    assert_eq!(plan.header.in_scope.users, 0);
    assert_eq!(world.review(&plan).classes(), []);
}

#[test]
fn blocked_users_are_disabled_whatever_a_name_would_mean() {
    let mut world = sales_renamed();
    for policy in [
        WhenOutOfScope::Disable,
        WhenOutOfScope::Delete,
        WhenOutOfScope::Keep,
    ] {
        world.job.users.when_out_of_scope = policy;
        world.set("ann", "accountEnabled", Value::Boolean(false));
        let plan = world.plan();
        let actions: Vec<_> = plan.actions().collect();
        let [
            Action {
                subject,
                operation: Operation::Disable { why, .. },
                ..
            },
        ] = actions.as_slice()
        else {
            panic!("{}", lines(&plan));
        };
        assert_eq!(subject.id, SourceId::new("ann"));
        assert_eq!(*why, WhyRemoved::Blocked);
    }
}

#[test]
fn who_was_kept_before_the_doubt_is_left_alone_though_blocked() {
    let mut world = sales_renamed();
    world.job.users.when_out_of_scope = WhenOutOfScope::Keep;
    world.set("ann", "accountEnabled", Value::Boolean(false));
    world.at("ann").link.as_mut().unwrap().in_scope = false;
    world.at("sales").members.clear();
    assert!(world.plan().is_empty(), "{}", lines(&world.plan()));
    world.job.users.when_out_of_scope = WhenOutOfScope::Disable;
    let plan = lines(&world.plan());
    assert!(plan.starts_with("disable ann"), "{plan}");
}

/// As it was sent to the target.
fn disable(world: &mut World, name: &str) {
    let sent = &mut world.at(name).link.as_mut().unwrap().sent;
    sent.insert(path("active"), Value::Boolean(false));
}

#[test]
fn users_that_wait_keep_a_mark_whether_or_not_something_is_to_be_done() {
    let mut world = sales_renamed();
    world.set("ann", "accountEnabled", Value::Boolean(false));
    world.job.groups.when_out_of_scope = WhenOutOfScope::Keep;
    for _ in 0..2 {
        let plan = world.plan();
        assert_eq!(plan.postponed(), ["ann", "bob", "sales"]);
        assert!(plan.header.complete);
        assert_eq!(plan.scope_changes().next(), None);
        disable(&mut world, "ann");
    }
    // Without the doubt they leave, and users who left before do not wait.
    world.doubts.clear();
    assert_eq!(world.plan().scope_changes().count(), 3);
    assert!(world.plan().postponed().is_empty());
    world.at("bob").link.as_mut().unwrap().in_scope = false;
    world.doubts.insert(Naming::ScopeGroups);
    assert_eq!(world.plan().postponed().len(), 2);
}

#[test]
fn by_an_incomplete_reading_nothing_is_done_with() {
    let mut world = agreed();
    world.incomplete = Some("page 2 of the groups is missing".to_owned());
    assert!(!world.plan().header.complete);
}

//! Names that pass from one object to another, and accounts that are handed over with them.

use super::*;

#[test]
fn a_newcomer_gets_the_name_that_another_gives_up_and_comes_after() {
    let mut world = World::new().user("ann").user("new").user("bob");
    world.at("new").assigned = false;
    let mut world = world.agreed();
    world.at("new").assigned = true;
    world.set("ann", "userPrincipalName", Value::text("lee@contoso.com"));
    world.set("new", "userPrincipalName", Value::text("Ann@contoso.com"));
    world.set("bob", "manager", Value::Reference(SourceId::new("new")));
    let name = Value::text("ann@contoso.com");
    let mut found = found("t-ann", "userName", &[("userName", name)]);
    if let Found::One { linked_by, .. } = &mut found {
        *linked_by = Some(crate::engine::model::Key::new(1));
    }
    world.at("new").found = found;
    plans(
        &world,
        "update ann userName: ann@contoso.com -> lee@contoso.com
         create new
         set-reference bob none -> new",
    );
    let plan = world.plan();
    assert_eq!(plan.header.evaluated.users, 3);
    assert_eq!(plan.header.in_scope.users, 3);
}

/// Ann, who left, and a newcomer who was found to have her name.
fn left_and_came() -> World {
    let mut world = World::new()
        .user("ann")
        .user("new")
        .group("sales", &["ann"]);
    world.at("new").assigned = false;
    let mut world = world.agreed();
    world.at("ann").object.presence = Presence::SoftDeleted;
    world.at("new").assigned = true;
    let name = Value::text("ann@contoso.com");
    world.set("new", "userPrincipalName", name.clone());
    let mut found = found("t-ann", "userName", &[("userName", name)]);
    if let Found::One { linked_by, .. } = &mut found {
        *linked_by = Some(crate::engine::model::Key::new(1));
    }
    world.at("new").found = found;
    world
}

#[test]
fn the_account_of_one_who_left_is_handed_over_and_that_is_one_row() {
    let mut world = left_and_came();
    plans(
        &world,
        "hand-over ann to new t-ann active: true -> false; \
         displayName: ann -> new; emails[type eq \"work\"].value: ann@contoso.com -> new@contoso.com; \
         active: false -> true",
    );
    let plan = world.plan();
    assert_eq!(plan.totals().removals.len(), 1);
    assert_eq!(plan.postponed(), ["new"]);
    world.carry_out(&plan);
    plans(&world, "");
}

#[test]
fn an_account_is_handed_over_only_by_one_who_left_for_certain() {
    let mut world = left_and_came();
    world.at("ann").object.presence = Presence::Present;
    plans(&world, "skip user new: taken");
    world.at("ann").assigned = false;
    world.at("sales").assigned = false;
    world.incomplete = Some("users could not be read".to_owned());
    let lines = lines(&world.plan());
    assert!(lines.contains("skip user new: taken"), "{lines}");
    let mut world = left_and_came();
    world.at("ann").link.as_mut().unwrap().unconfirmed = true;
    let unsettled = world.plan();
    assert!(unsettled.skipped().any(|one| one.why.word() == "taken"));
}

#[test]
fn where_accounts_are_deleted_or_kept_none_is_handed_over() {
    let mut world = left_and_came();
    world.job.users.when_out_of_scope = WhenOutOfScope::Keep;
    plans(
        &world,
        "remove-members sales ann
         skip user ann: kept
         skip user new: taken",
    );
    world.job.users.when_out_of_scope = WhenOutOfScope::Delete;
    plans(
        &world,
        "delete ann t-ann
         create new
         remove-members sales ann",
    );
}

#[test]
fn of_names_that_pass_on_the_last_is_changed_first() {
    let mut world = World::new().user("ann").user("bob").user("cid").agreed();
    for (who, name) in [("ann", "bob"), ("bob", "cid"), ("cid", "dan")] {
        let name = Value::text(format!("{name}@contoso.com"));
        world.set(who, "userPrincipalName", name);
    }
    plans(
        &world,
        "update cid userName: cid@contoso.com -> dan@contoso.com
         update bob userName: bob@contoso.com -> cid@contoso.com
         update ann userName: ann@contoso.com -> bob@contoso.com",
    );
}

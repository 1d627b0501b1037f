//! Users that would be in several groups of a target that expects each in one.

use super::*;

#[test]
fn users_in_several_groups_cause_a_warning_where_the_job_says_so() {
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
fn a_group_in_two_groups_is_not_counted_as_a_user() {
    let mut world = World::new()
        .group("emea", &["tokyo"])
        .group("it", &["tokyo"])
        .group("tokyo", &[])
        .agreed();
    world.job.one_group_each = true;
    plans(&world, "");
}

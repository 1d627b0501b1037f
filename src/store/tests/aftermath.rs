//! Who is marked when a link comes, goes, or changes scope: late arrivals heal by themselves.

use super::*;

/// u2 reports to u1; both are in g1; u2 and g1 are linked.
fn world() -> World {
    let world = World::new();
    world.round(User, &[user("u1"), report("u2", "u1")]);
    world.round(Group, &[group("g1", &["u1", "u2"])]);
    world.link(User, "u2", "t2");
    world.link(Group, "g1", "t9");
    world.record(&[done(add_members("g1", &["u2"]), "t9")]);
    world.settle();
    world
}

#[test]
fn a_new_link_marks_the_groups_and_reports_that_do_not_know_it() {
    let world = world();
    let cutoff = world.evaluate();
    world.link(User, "u1", "t1");
    world.finish(cutoff);
    assert_eq!(world.pending(), "u2 g1");
}

#[test]
fn users_that_were_noted_in_the_same_cycle_are_not_marked() {
    let world = world();
    let cutoff = world.evaluate();
    world.link(User, "u1", "t1");
    world.record(&[
        done(add_members("g1", &["u1"]), "t9"),
        done(set_manager("u2", Some("u1")), "t2"),
    ]);
    world.finish(cutoff);
    assert_eq!(world.pending(), "");
}

#[test]
fn a_report_whose_manager_has_another_account_is_marked() {
    let world = world();
    world.link(User, "u1", "t1");
    world.record(&[
        done(add_members("g1", &["u1"]), "t9"),
        done(set_manager("u2", Some("u1")), "t2"),
    ]);
    world.settle();
    world.record(&[done(delete(User, "u1", "t1"), "t1")]);
    let cutoff = world.evaluate();
    world.link(User, "u1", "t7");
    world.record(&[done(add_members("g1", &["u1"]), "t9")]);
    world.finish(cutoff);
    assert_eq!(world.pending(), "u2");
}

#[test]
fn reports_are_left_alone_when_no_mapping_refers() {
    let world = world();
    let cutoff = world.evaluate();
    world.link(User, "u1", "t1");
    let evaluation = Evaluation {
        cutoff,
        evaluated: Evaluated::Everything,
        except: &BTreeSet::new(),
        maps_references: false,
        nested_groups: true,
        marks_new_links: true,
    };
    world
        .store
        .finish_evaluation(&world.job, evaluation)
        .unwrap();
    assert_eq!(world.pending(), "g1");
}

#[test]
fn a_crash_before_the_end_of_the_evaluation_loses_no_user() {
    let world = world();
    world.evaluate();
    world.link(User, "u1", "t1");
    let world = world.reopened();
    world.evaluate();
    assert_eq!(world.pending(), "u2 g1");
}

#[test]
fn a_link_that_vanished_is_taken_out_of_all_that_led_to_it() {
    let world = world();
    world.link(User, "u1", "t1");
    world.record(&[
        done(add_members("g1", &["u1"]), "t9"),
        done(set_manager("u2", Some("u1")), "t2"),
    ]);
    world.settle();
    let cutoff = world.evaluate();
    let action = update("u1", "t1", &[("title", None, Some("x"))]);
    world.record(&[outcome(action, Status::Vanished)]);
    world.finish(cutoff);
    assert_eq!(world.linked(User, "u1"), None);
    assert_eq!(world.sent_members("g1"), "u2");
    // It may lead there still.
    let references = world.linked(User, "u2").unwrap().references;
    assert_eq!(references[&path(MANAGER)], held("t1", "u1"));
    assert_eq!(world.pending(), "u1 u2 g1");
}

#[test]
fn after_a_delete_the_reports_are_marked_and_still_known_to_refer() {
    let world = world();
    world.link(User, "u1", "t1");
    world.record(&[
        done(add_members("g1", &["u1"]), "t9"),
        done(set_manager("u2", Some("u1")), "t2"),
    ]);
    world.settle();
    let cutoff = world.evaluate();
    world.record(&[done(delete(User, "u1", "t1"), "t1")]);
    world.finish(cutoff);
    assert_eq!(world.sent_members("g1"), "u2");
    // The target may hold a dangling manager, which a plan can clear only if it knows of it.
    let references = world.linked(User, "u2").unwrap().references;
    assert_eq!(references[&path(MANAGER)], held("t1", "u1"));
    assert_eq!(world.pending(), "u2 g1");
}

#[test]
fn a_link_that_leaves_scope_marks_those_who_lead_to_it() {
    let world = world();
    let cutoff = world.evaluate();
    world
        .store
        .set_scope(&world.job, &[(key("u2"), false), (key("u7"), false)], None)
        .unwrap();
    assert!(!world.linked(User, "u2").unwrap().in_scope);
    world.finish(cutoff);
    assert_eq!(world.pending(), "g1");
    world.settle();
    // No change, no mark.
    let cutoff = world.evaluate();
    world
        .store
        .set_scope(&world.job, &[(key("u2"), false)], None)
        .unwrap();
    world.finish(cutoff);
    assert_eq!(world.pending(), "");
}

//! What the guard held, object by object, and what a person decides of it.

use super::*;
use crate::engine::emptied::EmptiedBy;
use crate::engine::guard::{Counted, WhyHeld};
use crate::engine::job::{Limit, Limits};
use crate::engine::plan::{Count, Header, RemovalClass};
use crate::engine::record::{Decided, HeldRemoval};
use crate::store::{Deciding, Judged, Judging};

/// Drafts deletes of these users and judges them with a limit.
fn plan(world: &World, names: &[&str], limit: u64) -> Judged {
    let deletes = names
        .iter()
        .map(|name| delete(User, name, &format!("t-{name}")));
    world.draft(&deletes.collect::<Vec<_>>());
    judge(world, limit, &Header::default(), false)
}

fn judge(world: &World, limit: u64, header: &Header, is_partial: bool) -> Judged {
    judge_next_to(world, None, limit, (header, is_partial, at(world.cycle)))
}

/// While another cycle of the job, that was judged before, is carried out.
fn judge_next_to(
    world: &World,
    other: Option<i64>,
    limit: u64,
    (header, is_partial, now): (&Header, bool, DateTime<Utc>),
) -> Judged {
    let judging = Judging {
        min_members: &BTreeMap::new(),
        other,
        header,
        limits: Limits {
            max_deletions: Some(Limit::Count(limit)),
            max_membership_removals: Some(Limit::Count(50)),
            max_creations: None,
            min_active: None,
        },
        is_partial,
        scope_groups: &BTreeSet::new(),
        now,
    };
    world.store.judge(world.cycle, &judging).unwrap()
}

fn name(removal: &HeldRemoval) -> String {
    let HeldRemoval {
        subject,
        member,
        action,
        ..
    } = removal;
    match member {
        Some(member) => format!("{action} {} {}", subject.id, member.id),
        None => format!("{action} {}", subject.id),
    }
}

fn held(world: &World) -> Vec<String> {
    let set = world.store.held(&world.job).unwrap();
    let removals = set.into_iter().flat_map(|set| set.removals);
    removals.map(|removal| name(&removal)).collect()
}

fn queued(world: &World) -> Vec<String> {
    let rows = world.queued();
    rows.iter()
        .map(|row| format!("{} {}", row.action.as_str(), row.action.subject.id))
        .collect()
}

fn decide(world: &World, approve: bool, cycle: Option<i64>, objects: &[Key]) -> Option<Decided> {
    let deciding = Deciding {
        approve,
        cycle,
        objects,
        cause: None,
        reason: Some("as announced"),
        now: at(world.cycle),
    };
    world.store.decide(&world.job, &deciding).unwrap()
}

/// The evaluation of everything ends.
fn end(world: &World) {
    let (job, cycle) = (&world.job, world.cycle);
    let none = BTreeSet::new();
    world
        .store
        .lapse_holds(job, cycle, &none, at(cycle))
        .unwrap();
}

#[test]
fn what_is_held_is_not_sent_and_each_cycle_judges_it_again() {
    let mut world = World::new();
    assert_eq!(world.store.held(&world.job).unwrap(), None);
    world.draft(&[create(User, "u3", &[])]);
    let judged = plan(&world, &["u1", "u2"], 1);
    let counted = Counted::BlockedOrDeleted;
    let why = WhyHeld::TooMany {
        counted,
        planned: 2,
        recent: 0,
        limit: 1,
    };
    assert_eq!(judged.why, [why]);
    assert_eq!(judged.kept, [key("u1"), key("u2")].into());
    assert_eq!(queued(&world), ["create u3"]);
    assert_eq!(held(&world), ["delete u1", "delete u2"]);
    assert_eq!(world.store.totals(world.cycle).unwrap().held, 2);
    let keys = world.store.left_over(world.cycle).unwrap();
    assert_eq!(keys, [key("u1"), key("u2"), key("u3")]);
    let since = |world: &World| world.store.held(&world.job).unwrap().unwrap().since;
    let first = since(&world);
    end(&world);

    world.next_cycle();
    plan(&world, &["u1", "u2", "u3"], 1);
    assert_eq!(held(&world).len(), 3);
    assert_eq!(since(&world), first, "since when is remembered");
    assert!(world.store.status(&world.job, 1).unwrap().held.is_some());
    end(&world);

    world.next_cycle();
    assert_eq!(plan(&world, &["u1"], 1).why, []);
    assert_eq!(queued(&world), ["delete u1"]);
    end(&world);
    assert_eq!(world.store.held(&world.job).unwrap(), None);
}

#[test]
fn a_plan_of_one_object_counts_what_is_held_of_others_and_leaves_it() {
    let mut world = World::new();
    plan(&world, &["u1", "u2", "u3"], 2);
    let everything = ["delete u1", "delete u2", "delete u3"];
    assert_eq!(held(&world), everything);
    for names in [["u1"], ["u4"]] {
        world.next_cycle();
        world.draft(&[delete(User, names[0], "t")]);
        let judged = judge(&world, 2, &Header::default(), true);
        assert_eq!(judged.kept.len(), 1, "{names:?}");
        assert_eq!(queued(&world), [] as [&str; 0]);
    }
    assert_eq!(held(&world).len(), 4);
}

#[test]
fn an_emptied_scope_is_held_with_the_links_that_there_were() {
    let world = World::new();
    world.draft(&[Action {
        operation: Operation::Delete {
            why: crate::engine::plan::WhyRemoved::Missing,
            proof: Proof::on_record(),
        },
        ..delete(User, "u1", "t1")
    }]);
    let linked = Count {
        users: 3,
        groups: 1,
    };
    let header = Header {
        linked,
        scope_before: linked,
        ..Header::default()
    };
    let why = judge(&world, 10, &header, false).why;
    let by = EmptiedBy::Source;
    assert_eq!(
        why,
        [WhyHeld::EmptiedScope {
            kind: User,
            linked,
            by
        }]
    );
    let status = world.store.held(&world.job).unwrap().unwrap();
    assert_eq!(status.why, why);
}

#[test]
fn what_was_approved_goes_does_not_count_and_is_used_up() {
    let mut world = World::new();
    world.link(User, "u1", "t-u1");
    world.link(User, "u2", "t-u2");
    plan(&world, &["u1", "u2"], 1);
    let decided = decide(&world, true, None, &[]).unwrap();
    assert_eq!(decided.removals.len(), 2);
    assert_eq!(world.store.held(&world.job).unwrap(), None);

    world.next_cycle();
    // One more joins: it counts alone.
    assert_eq!(plan(&world, &["u1", "u2", "u3"], 1).why, []);
    let totals = world.store.totals(world.cycle).unwrap();
    let certain = totals.removals[&RemovalClass::Certain];
    assert_eq!((certain.planned, certain.approved), (1, 2));
    world.record(&[done(delete(User, "u1", "t-u1"), "t-u1")]);
    let mut world = world.reopened();

    world.next_cycle();
    plan(&world, &["u1", "u2"], 0);
    assert_eq!(
        held(&world),
        ["delete u1"],
        "used up; the other is still approved"
    );
    assert_eq!(queued(&world), ["delete u2"]);
}

#[test]
fn an_approval_lapses_when_the_removal_is_no_longer_planned_or_after_a_week() {
    let mut world = World::new();
    plan(&world, &["u1", "u2"], 1);
    decide(&world, true, None, &[]);
    world.next_cycle();
    end(&world);
    world.next_cycle();
    plan(&world, &["u1", "u2"], 1);
    assert_eq!(held(&world).len(), 2);

    decide(&world, true, None, &[]);
    world.next_cycle();
    let time = at(world.cycle);
    plan_at(&world, time + TimeDelta::days(8));
    assert_eq!(held(&world).len(), 2);
}

#[test]
fn an_approval_by_a_clock_that_was_ahead_lapses_a_week_after_it_is_set_right() {
    let mut world = World::new();
    plan(&world, &["u1", "u2"], 1);
    decide(&world, true, None, &[]);
    let time = at(world.cycle) - TimeDelta::days(100);
    world.next_cycle();
    plan_at(&world, time);
    assert_eq!(queued(&world).len(), 2);
    world.next_cycle();
    plan_at(&world, time + TimeDelta::days(8));
    assert_eq!(held(&world).len(), 2);
}

fn plan_at(world: &World, now: DateTime<Utc>) {
    world.draft(&[delete(User, "u1", "t"), delete(User, "u2", "t")]);
    let limits = Limits {
        max_deletions: Some(Limit::Count(1)),
        max_membership_removals: None,
        max_creations: None,
        min_active: None,
    };
    let judging = Judging {
        min_members: &BTreeMap::new(),
        other: None,
        header: &Header::default(),
        limits,
        is_partial: false,
        scope_groups: &BTreeSet::new(),
        now,
    };
    world.store.judge(world.cycle, &judging).unwrap();
}

#[test]
fn an_approval_covers_what_was_held_in_the_cycle_that_it_names() {
    let mut world = World::new();
    plan(&world, &["u1", "u2"], 1);
    let first = world.cycle;
    end(&world);
    world.next_cycle();
    plan(&world, &["u2", "u3"], 1);
    end(&world);
    let decided = decide(&world, true, Some(first), &[]).unwrap();
    let names = |list: &[HeldRemoval]| list.iter().map(name).collect::<Vec<_>>();
    assert_eq!(names(&decided.removals), ["delete u2"]);
    assert_eq!(names(&decided.gone), ["delete u1"]);
    assert_eq!(decided.later, 1);
    assert_eq!(held(&world), ["delete u3"]);
}

#[test]
fn what_was_rejected_is_not_planned_while_its_cause_stays_and_can_be_approved_by_name() {
    let mut world = World::new();
    plan(&world, &["u1", "u2"], 1);
    decide(&world, false, None, &[key("u1")]);
    assert_eq!(held(&world), ["delete u2"]);
    world.next_cycle();
    let judged = plan(&world, &["u1", "u2"], 1);
    assert_eq!(judged.kept, [key("u1")].into());
    assert_eq!(queued(&world), ["delete u2"]);
    let status = world.store.status(&world.job, 1).unwrap();
    assert_eq!(status.rejected.len(), 1);
    assert_eq!(status.rejected[0].reason.as_deref(), Some("as announced"));
    assert_eq!(
        decide(&world, true, None, &[key("u1")])
            .unwrap()
            .removals
            .len(),
        1
    );

    // Another cause is another removal.
    decide(&world, false, None, &[key("u1")]);
    world.next_cycle();
    world.draft(&[Action {
        operation: Operation::Delete {
            why: crate::engine::plan::WhyRemoved::Blocked,
            proof: Proof::on_record(),
        },
        ..delete(User, "u1", "t-u1")
    }]);
    judge(&world, 5, &Header::default(), false);
    assert_eq!(queued(&world), ["delete u1"]);
}

#[test]
fn the_memberships_of_one_whose_removal_is_held_stay() {
    let world = World::new();
    world.draft(&[remove_members("g1", &["u1", "u2"])]);
    plan(&world, &["u1"], 0);
    assert_eq!(held(&world), ["delete u1", "remove-members g1 u1"]);
    let rows = world.queued();
    let [row] = rows.as_slice() else {
        panic!("{rows:?}")
    };
    let Operation::RemoveMembers { members, .. } = &row.action.operation else {
        panic!("{row:?}")
    };
    assert_eq!(members, &[Referenced::to(key("u2"))]);
}

#[test]
fn what_was_sent_within_a_day_counts_each_object_once() {
    let mut world = World::new();
    for name in ["u1", "u2", "u3"] {
        world.link(User, name, &format!("t-{name}"));
    }
    plan(&world, &["u1"], 2);
    world.record(&[done(delete(User, "u1", "t-u1"), "t-u1")]);
    world.next_cycle();
    assert_eq!(plan(&world, &["u1", "u2"], 2).why, [], "u1 counted before");
    world.record(&[done(delete(User, "u2", "t-u2"), "t-u2")]);
    world.next_cycle();
    let why = plan(&world, &["u3"], 2).why;
    let counted = Counted::BlockedOrDeleted;
    assert_eq!(
        why,
        [WhyHeld::TooMany {
            counted,
            planned: 1,
            recent: 2,
            limit: 2
        }]
    );
}

fn disable(name: &str) -> Action {
    Action {
        operation: Operation::Disable {
            changes: changes(&[("active", Some("true"), Some("false"))]),
            why: crate::engine::plan::WhyRemoved::Deleted,
            proof: proof(),
        },
        ..delete(User, name, &format!("t-{name}"))
    }
}

#[test]
fn a_disable_that_was_let_through_lets_no_delete_through() {
    let mut world = World::new();
    for name in ["u1", "u2", "u3"] {
        world.link(User, name, &format!("t-{name}"));
    }
    world.next_cycle();
    world.draft(&[disable("u1")]);
    judge(&world, 2, &Header::default(), false);
    assert_eq!(queued(&world), ["disable u1"]);
    let look = world.cycle;
    let others: Vec<Action> = ["u2", "u3"].map(disable).into();
    let header = Header::default();
    let meanwhile = |world: &World| {
        judge_next_to(world, Some(look), 2, (&header, false, at(world.cycle)));
        queued(world)
    };

    // The same of the same user passes, whatever else is held.
    world.next_cycle();
    world.draft(&others);
    world.draft(&[disable("u1")]);
    assert_eq!(meanwhile(&world), ["disable u1"]);
    world.next_cycle();
    world.draft(&others);
    world.draft(&[delete(User, "u1", "t-u1")]);
    assert_eq!(meanwhile(&world), [] as [&str; 0]);
    // It is counted once, so that within the limit it passes.
    world.next_cycle();
    world.draft(&others[..1]);
    world.draft(&[delete(User, "u1", "t-u1")]);
    assert_eq!(meanwhile(&world), ["disable u2", "delete u1"]);
}

#[test]
fn deletes_of_users_who_are_disabled_are_held_with_their_class_and_count_once() {
    let mut world = World::new();
    for name in ["u1", "u2", "u3"] {
        world.link(User, name, &format!("t-{name}"));
    }
    world.next_cycle();
    world.draft(&["u1", "u2"].map(disable));
    judge(&world, 2, &Header::default(), false);
    let rows: Vec<RowId> = world.queued().iter().map(|row| row.id).collect();
    world.send(&rows);
    let ended = rows.into_iter().zip(["u1", "u2"]);
    let ended = ended.map(|(row, name)| (row, done(disable(name), &format!("t-{name}"))));
    world.advance(&ended.collect::<Vec<_>>(), &[]);

    world.next_cycle();
    plan(&world, &["u1", "u2", "u3"], 2);
    assert_eq!(queued(&world), [] as [&str; 0]);
    world.next_cycle();
    plan(&world, &["u1", "u2"], 2);
    assert_eq!(queued(&world), ["delete u1", "delete u2"]);
}

#[test]
fn an_approval_covers_nothing_that_joined_after_the_look_that_it_names() {
    let mut world = World::new();
    for name in ["u1", "u2"] {
        world.link(User, name, &format!("t-{name}"));
    }
    world.next_cycle();
    let cycle = world.cycle;
    // A look that began later is judged before the cycle.
    world.next_cycle();
    let look = world.cycle;
    plan(&world, &["u1"], 0);
    let printed = |world: &World| world.store.held(&world.job).unwrap().unwrap().cycle;
    assert_eq!(printed(&world), look);
    world.cycle = cycle;
    world.draft(&[delete(User, "u2", "t-u2")]);
    let header = Header::default();
    judge_next_to(&world, Some(look), 0, (&header, false, at(look + 5)));
    assert_eq!(held(&world), ["delete u1", "delete u2"]);
    assert_eq!(printed(&world), cycle, "its approval covers both");

    let decided = decide(&world, true, Some(look), &[]).unwrap();
    let names = |decided: &Decided| decided.removals.iter().map(name).collect::<Vec<_>>();
    assert_eq!(
        (names(&decided), decided.later),
        (vec!["delete u1".to_owned()], 1)
    );
    assert_eq!(held(&world), ["delete u2"]);
    let decided = decide(&world, true, Some(cycle), &[]).unwrap();
    assert_eq!(
        (names(&decided), decided.later),
        (vec!["delete u2".to_owned()], 0)
    );
}

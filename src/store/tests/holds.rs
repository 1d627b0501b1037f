//! What the guard held, object by object, and what a person decides of it.

use super::*;
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
    let judging = Judging {
        min_members: &BTreeMap::new(),
        other: None,
        header,
        limits: Limits {
            max_deletions: Some(Limit::Count(limit)),
            max_membership_removals: Some(Limit::Count(50)),
            max_creations: None,
            min_active: None,
        },
        is_partial,
        scope_groups: &BTreeSet::new(),
        now: at(world.cycle),
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
    assert_eq!(why, [WhyHeld::EmptiedScope { kind: User, linked }]);
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
        now: at(world.cycle) + TimeDelta::days(8),
    };
    world.store.judge(world.cycle, &judging).unwrap();
    assert_eq!(held(&world).len(), 2);
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

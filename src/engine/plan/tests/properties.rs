//! What holds for every plan, whatever changed in the source.

use proptest::collection::vec;
use proptest::strategy::Strategy;

use super::planned::{Plan, lines};
use super::world::World;
use crate::engine::job::Limit;
use crate::engine::model::{Key, Presence, SourceId, Value};
use crate::engine::plan::{Operation, Pointer, Referenced};

const NAMES: [&str; 5] = ["ann", "bob", "cid", "dan", "eve"];

/// Whom a change concerns, and what changes.
type Edit = (usize, u8);

/// What [`edit`] takes for carrying out what is planned.
const CARRY_OUT: u8 = 0;

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    vec((0..NAMES.len(), 0..8_u8), 0..24)
}

fn world() -> World {
    let world = NAMES.into_iter().fold(World::new(), World::user);
    world.group("sales", &["ann", "bob"]).group("it", &["cid"])
}

fn edit(world: &mut World, round: usize, (who, what): Edit) {
    let name = NAMES[who];
    match what {
        CARRY_OUT => {
            let plan = world.plan();
            world.carry_out(&plan);
        }
        1 => world.at(name).assigned ^= true,
        2 => world.set(name, "displayName", Value::text(format!("{name} {round}"))),
        3 => world.set(
            name,
            "accountEnabled",
            Value::Boolean(round.is_multiple_of(2)),
        ),
        4 => {
            let manager = NAMES[(who + round) % NAMES.len()];
            world.set(name, "manager", Value::Reference(SourceId::new(manager)));
        }
        5 => {
            let members = &mut world.at("it").members;
            if !members.remove(&SourceId::new(name)) {
                members.insert(SourceId::new(name));
            }
        }
        6 => {
            let presences = [
                Presence::Present,
                Presence::Missing,
                Presence::SoftDeleted,
                Presence::Deleted,
            ];
            world.at(name).object.presence = presences[round % presences.len()];
        }
        _ => world.at("sales").assigned ^= true,
    }
}

fn edited(edits: &[Edit]) -> World {
    let mut world = world();
    for (round, one) in edits.iter().enumerate() {
        edit(&mut world, round, *one);
    }
    world
}

/// The rows of a plan, in an order that does not depend on when each object was decided.
fn rows(plan: &Plan) -> Vec<String> {
    let mut rows: Vec<String> = plan
        .drafts()
        .iter()
        .map(|draft| {
            let mut draft = draft.clone();
            let sort = |members: &mut Vec<Referenced>| members.sort_by_key(|one| one.key);
            match &mut draft.action.operation {
                Operation::AddMembers { members } | Operation::RemoveMembers { members, .. } => {
                    sort(members);
                }
                _ => {}
            }
            format!("{:?} {draft:?}", draft.action.step())
        })
        .collect();
    rows.sort();
    rows
}

proptest::proptest! {
    /// Carrying out a plan and planning again gives an empty plan, whatever changed before.
    #[test]
    fn a_plan_that_was_carried_out_leaves_nothing_to_do(edits in edits()) {
        let mut world = edited(&edits);
        let plan = world.plan();
        world.carry_out(&plan);
        let again = world.plan();
        proptest::prop_assert!(again.is_empty(), "{}", lines(&again));
    }

    #[test]
    fn removals_that_are_cleared_never_exceed_the_limit(edits in edits(), limit in 0..4_u64) {
        let mut world = edited(&edits);
        world.job.limits.max_deletions = Some(Limit::Count(limit));
        let plan = world.plan();
        let verdict = world.review(&plan);
        let cleared = plan.cleared(&verdict);
        for kind in crate::engine::model::ObjectKind::ALL {
            let removals = cleared.iter().filter(|action| {
                let is_removal =
                    matches!(action.operation, Operation::Disable { .. } | Operation::Delete { .. });
                is_removal && action.subject.kind == kind
            });
            proptest::prop_assert!(removals.count() as u64 <= limit);
        }
        for class in verdict.classes() {
            proptest::prop_assert!(cleared.iter().all(|one| one.removal_class() != Some(class)));
        }
    }

    /// Objects of one rank may come in any order, unless their references run in a circle: then the
    /// first of them gets its reference by an update.
    #[test]
    fn the_order_in_which_objects_are_decided_changes_no_row(
        edits in edits(),
        turns in vec(0..5_usize, 1..6),
    ) {
        let mut world = edited(&edits);
        for (who, name) in NAMES.into_iter().enumerate() {
            let manager = world.at(name).object.attributes.value("manager").cloned();
            let leads_up = |id: &SourceId| NAMES[..who].contains(&id.as_str());
            if !matches!(manager, Some(Value::Reference(id)) if leads_up(&id)) {
                world.at(name).object.attributes.remove("manager");
            }
        }
        let mut turns = turns.iter().cycle();
        let turned = world.plan_in_order(|keys: &mut Vec<Key>| {
            let by = *turns.next().unwrap_or(&0) % keys.len();
            keys.rotate_left(by);
            if by % 2 == 1 {
                keys.reverse();
            }
        });
        proptest::prop_assert_eq!(rows(&turned), rows(&world.plan()));
    }

    #[test]
    fn an_incomplete_reading_removes_only_what_was_read_as_blocked_or_deleted(edits in edits()) {
        let mut world = edited(&edits);
        world.incomplete = Some("page 2 of the users is missing".to_owned());
        let plan = world.plan();
        for action in plan.actions() {
            let object = &world.at(action.subject.id.as_str()).object;
            let is_certain = matches!(object.presence, Presence::SoftDeleted | Presence::Deleted)
                || object.attributes.value("accountEnabled") == Some(&Value::Boolean(false));
            match &action.operation {
                Operation::Disable { .. } | Operation::Delete { .. } => {
                    proptest::prop_assert!(is_certain, "{}", lines(&plan));
                }
                Operation::RemoveMembers { .. }
                | Operation::SetReference { new: Pointer::Cleared(_), .. } => {
                    proptest::prop_assert!(false, "{}", lines(&plan));
                }
                _ => {}
            }
        }
        let (before, after) = (plan.header.scope_before, plan.header.scope_after);
        let certain = plan.scope_changes().filter(|(_, in_scope)| !in_scope).count() as u64;
        proptest::prop_assert!(after.total() + certain >= before.total());
    }
}

//! Why removals are held, as numbers in the state.

use rusqlite::{Row, params};

use super::state::State;
use super::wire::{Column, unreadable};
use crate::engine::emptied::EmptiedBy;
use crate::engine::guard::{Counted, WhyHeld};
use crate::engine::model::ObjectKind;
use crate::engine::plan::Count;

pub(super) fn drop_of_nothing(state: &State, job: i64) -> rusqlite::Result<()> {
    state.run(
        "DELETE FROM hold_reasons WHERE job = ?1
             AND NOT EXISTS (SELECT 1 FROM holds WHERE job = ?1 AND decision = 0)",
        params![job],
    )?;
    Ok(())
}

/// Notes why removals are held. Where only some objects were planned, earlier reasons stay.
pub(super) fn put(
    state: &State,
    job: i64,
    why: &[WhyHeld],
    is_partial: bool,
) -> rusqlite::Result<()> {
    if why.is_empty() {
        return Ok(());
    }
    if !is_partial {
        state.run("DELETE FROM hold_reasons WHERE job = ?1", params![job])?;
    }
    for (place, why) in why.iter().enumerate() {
        let (word, what, first, second, third) = numbers(*why);
        state.run(
            "INSERT OR IGNORE INTO hold_reasons (job, place, word, what, first, second, third)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                job,
                i64::try_from(place).unwrap_or(i64::MAX),
                word,
                what,
                Column(first),
                Column(second),
                Column(third)
            ],
        )?;
    }
    Ok(())
}

const SHRUNK_GROUPS: &str = "shrunk-groups";
const SHRUNK_SOURCE: &str = "shrunk-source";
const TOO_MANY: &str = "too-many-deletions";
const EMPTIED: &str = "emptied-scope";
const UNDECIDED: &str = "undecided";
const APPLICATION: &str = "application-changed";
const FEW_ACTIVE: &str = "too-few-active";
const FEW_MEMBERS: &str = "too-few-members";
const CREATIONS: &str = "too-many-creations";
const GONE: &str = "gone-at-once";
const UNPROVEN: &str = "unproven";

fn numbers(why: WhyHeld) -> (&'static str, &'static str, u64, u64, u64) {
    match why {
        WhyHeld::TooMany {
            counted,
            planned,
            recent,
            limit,
        } => (TOO_MANY, counted.as_str(), planned, recent, limit),
        WhyHeld::EmptiedScope { kind, linked, by } => {
            let by = match by {
                EmptiedBy::Source => 0,
                EmptiedBy::Filters => 1,
                EmptiedBy::Configuration => 2,
            };
            (EMPTIED, kind_word(kind), linked.users, linked.groups, by)
        }
        WhyHeld::ShrunkGroups { groups } => (SHRUNK_GROUPS, "", groups, 0, 0),
        WhyHeld::ShrunkSource { kind, before, now } => {
            (SHRUNK_SOURCE, kind_word(kind), before, now, 0)
        }
        WhyHeld::Undecided => (UNDECIDED, "", 0, 0, 0),
        WhyHeld::TooFewActive {
            planned,
            active,
            least,
        } => (FEW_ACTIVE, "", planned, active, least),
        WhyHeld::TooFewMembers { groups } => (FEW_MEMBERS, "", groups, 0, 0),
        WhyHeld::TooManyCreations {
            planned,
            recent,
            limit,
        } => (CREATIONS, "", planned, recent, limit),
        WhyHeld::ApplicationChanged => (APPLICATION, "", 0, 0, 0),
        WhyHeld::GoneAtOnce { objects } => (GONE, "", objects, 0, 0),
        WhyHeld::Unproven { objects } => (UNPROVEN, "", objects, 0, 0),
    }
}

fn kind_word(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::User => "users",
        ObjectKind::Group => "groups",
    }
}

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<WhyHeld> {
    let (word, what): (String, String) = (row.get(0)?, row.get(1)?);
    let (Column(first), Column(second), Column(third)) = (row.get(2)?, row.get(3)?, row.get(4)?);
    let kind = || match what.as_str() {
        "users" => ObjectKind::User,
        _ => ObjectKind::Group,
    };
    match word.as_str() {
        TOO_MANY => Ok(WhyHeld::TooMany {
            counted: Counted::ALL
                .into_iter()
                .find(|counted| counted.as_str() == what)
                .ok_or_else(|| unreadable("reason of a hold"))?,
            planned: first,
            recent: second,
            limit: third,
        }),
        EMPTIED => Ok(WhyHeld::EmptiedScope {
            kind: kind(),
            linked: Count {
                users: first,
                groups: second,
            },
            by: match third {
                0 => EmptiedBy::Source,
                1 => EmptiedBy::Filters,
                _ => EmptiedBy::Configuration,
            },
        }),
        SHRUNK_GROUPS => Ok(WhyHeld::ShrunkGroups { groups: first }),
        SHRUNK_SOURCE => Ok(WhyHeld::ShrunkSource {
            kind: kind(),
            before: first,
            now: second,
        }),
        UNDECIDED => Ok(WhyHeld::Undecided),
        APPLICATION => Ok(WhyHeld::ApplicationChanged),
        FEW_ACTIVE => Ok(WhyHeld::TooFewActive {
            planned: first,
            active: second,
            least: third,
        }),
        FEW_MEMBERS => Ok(WhyHeld::TooFewMembers { groups: first }),
        CREATIONS => Ok(WhyHeld::TooManyCreations {
            planned: first,
            recent: second,
            limit: third,
        }),
        GONE => Ok(WhyHeld::GoneAtOnce { objects: first }),
        UNPROVEN => Ok(WhyHeld::Unproven { objects: first }),
        _ => Err(unreadable("reason of a hold").into()),
    }
}

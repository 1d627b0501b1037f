//! Removals that the guard held, and those of them that an operator approved.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::wire::{Column, unreadable};
use super::{Error, Store};
use crate::engine::guard::{Approvals, Held, WhyHeld};
use crate::engine::model::JobName;
use crate::engine::plan::{Count, Subject};

/// What is held of a job, since when, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeldSet {
    pub(crate) why: WhyHeld,
    pub(crate) since: DateTime<Utc>,
    /// In plan order.
    pub(crate) removals: Vec<HeldRemoval>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeldRemoval {
    pub(crate) subject: Subject,
    /// The action's word.
    pub(crate) action: String,
}

const TOO_MANY: &str = "too-many-deletions";
const EMPTIED: &str = "emptied-scope";

impl Store {
    /// Notes what the guard held, in place of what an earlier cycle held.
    pub(crate) fn hold(&self, job: &JobName, held: &Held, now: DateTime<Utc>) -> Result<(), Error> {
        let Held { why, actions } = held;
        let (word, first, second) = match *why {
            WhyHeld::TooManyDeletions { planned, limit } => (TOO_MANY, planned, limit),
            WhyHeld::EmptiedScope { linked } => (EMPTIED, linked.users, linked.groups),
        };
        self.write("note what is held", |tx| {
            tx.execute(
                "INSERT INTO holds (job, since, why, first, second) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET
                     why = excluded.why, first = excluded.first, second = excluded.second",
                params![job, Column(now), word, Column(first), Column(second)],
            )?;
            tx.execute("DELETE FROM held_removals WHERE job = ?1", params![job])?;
            let mut statement =
                tx.prepare_cached("INSERT INTO held_removals VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
            for (position, action) in (0_i64..).zip(actions) {
                let Subject { kind, id, label } = &action.subject;
                statement.execute(params![job, position, kind, id, label, action.as_str()])?;
            }
            Ok(())
        })
    }

    pub(crate) fn held(&self, job: &JobName) -> Result<Option<HeldSet>, Error> {
        self.read("look up what is held", |connection| held(connection, job))
    }

    /// Turns what is held into approvals, and says how many disables and deletes that are. Members
    /// taken out need none: they go with the rest once the limit no longer trips.
    pub(crate) fn approve(&self, job: &JobName, now: DateTime<Utc>) -> Result<u64, Error> {
        self.write("approve what is held", |tx| {
            let approved = tx.execute(
                "INSERT OR IGNORE INTO approvals (job, kind, source_id, approved)
                 SELECT job, kind, source_id, ?2 FROM held_removals
                 WHERE job = ?1 AND action IN ('disable', 'delete')",
                params![job, Column(now)],
            )?;
            tx.execute("DELETE FROM holds WHERE job = ?1", params![job])?;
            Ok(u64::try_from(approved).unwrap_or(u64::MAX))
        })
    }

    pub(crate) fn approvals(&self, job: &JobName) -> Result<Approvals, Error> {
        self.read("look up approvals", |connection| {
            connection
                .prepare_cached("SELECT kind, source_id FROM approvals WHERE job = ?1")?
                .query_map(params![job], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()
                .map(Approvals)
        })
    }

    /// Nothing is held any more.
    pub(crate) fn release_hold(&self, job: &JobName) -> Result<(), Error> {
        self.write("release what was held", |tx| {
            tx.execute("DELETE FROM holds WHERE job = ?1", params![job])?;
            Ok(())
        })
    }
}

pub(super) fn held(connection: &Connection, job: &JobName) -> rusqlite::Result<Option<HeldSet>> {
    let hold = connection
        .prepare_cached("SELECT why, first, second, since FROM holds WHERE job = ?1")?
        .query_row(params![job], |row| {
            let Column(since) = row.get(3)?;
            Ok((why(row)?, since))
        })
        .optional()?;
    let Some((why, since)) = hold else {
        return Ok(None);
    };
    let removals = connection
        .prepare_cached(
            "SELECT kind, source_id, label, action FROM held_removals WHERE job = ?1
             ORDER BY position",
        )?
        .query_map(params![job], |row| {
            Ok(HeldRemoval {
                subject: Subject {
                    kind: row.get(0)?,
                    id: row.get(1)?,
                    label: row.get(2)?,
                },
                action: row.get(3)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some(HeldSet {
        why,
        since,
        removals,
    }))
}

fn why(row: &Row<'_>) -> rusqlite::Result<WhyHeld> {
    let word: String = row.get(0)?;
    let (Column(first), Column(second)) = (row.get(1)?, row.get(2)?);
    match word.as_str() {
        TOO_MANY => Ok(WhyHeld::TooManyDeletions {
            planned: first,
            limit: second,
        }),
        EMPTIED => Ok(WhyHeld::EmptiedScope {
            linked: Count {
                users: first,
                groups: second,
            },
        }),
        _ => Err(unreadable("reason of a hold").into()),
    }
}

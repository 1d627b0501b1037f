//! Removals that the guard held, and those of them that an operator approved.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Row, params};

use super::ledger::operation_name;
use super::state::State;
use super::wire::{Column, unreadable};
use super::{Error, Store};
use crate::engine::guard::WhyHeld;
use crate::engine::model::JobName;
use crate::engine::plan::{Count, Subject};
use crate::engine::record::{HeldRemoval, HeldSet};

const TOO_MANY: &str = "too-many-deletions";
const EMPTIED: &str = "emptied-scope";

impl Store {
    pub(crate) fn held(&self, job: &JobName) -> Result<Option<HeldSet>, Error> {
        self.read("look up what is held", |state| held(state, job))
    }

    /// Turns what is held into approvals, and says how many disables and deletes that are. Memberships
    /// are approved along with them.
    pub(crate) fn approve(&self, job: &JobName) -> Result<u64, Error> {
        self.write("approve what is held", |state| {
            let Some(job) = state.job(job)? else {
                return Ok(0);
            };
            let approved: i64 = state
                .prepare_cached(
                    "SELECT count(*) FROM actions
                     WHERE state BETWEEN 1 AND 4 AND state = 3 AND job = ?1
                           AND operation IN (4, 5)",
                )?
                .query_row(params![job], |row| row.get(0))?;
            state.run(
                "UPDATE actions SET state = 4
                 WHERE state BETWEEN 1 AND 4 AND state = 3 AND job = ?1",
                params![job],
            )?;
            drop(state, job)?;
            Ok(approved.unsigned_abs())
        })
    }
}

/// Notes why rows are held; since when is kept from the first time.
pub(super) fn put(
    state: &State,
    job: i64,
    why: WhyHeld,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    let (word, first, second) = match why {
        WhyHeld::TooManyDeletions { planned, limit } => (TOO_MANY, planned, limit),
        WhyHeld::EmptiedScope { linked } => (EMPTIED, linked.users, linked.groups),
    };
    state.run(
        "INSERT INTO holds (job, since, why, first, second) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET
             why = excluded.why, first = excluded.first, second = excluded.second",
        params![job, Column(now), word, Column(first), Column(second)],
    )?;
    Ok(())
}

pub(super) fn drop(state: &State, job: i64) -> rusqlite::Result<()> {
    state.run("DELETE FROM holds WHERE job = ?1", params![job])?;
    Ok(())
}

pub(super) fn held(state: &State, job: &JobName) -> rusqlite::Result<Option<HeldSet>> {
    let job = state.job_or_none(job)?;
    let hold = state
        .prepare_cached("SELECT why, first, second, since FROM holds WHERE job = ?1")?
        .query_row(params![job], |row| {
            let Column(since) = row.get(3)?;
            Ok((why(row)?, since))
        })
        .optional()?;
    let Some((why, since)) = hold else {
        return Ok(None);
    };
    let removals = state
        .prepare_cached(
            "SELECT o.kind, o.key, o.id, o.label, a.operation
             FROM actions a CROSS JOIN objects o ON o.key = a.source
             WHERE a.state BETWEEN 1 AND 4 AND a.state = 3 AND a.job = ?1
             ORDER BY a.step, a.rank, a.source, a.id",
        )?
        .query_map(params![job], |row| {
            Ok(HeldRemoval {
                subject: Subject {
                    kind: row.get(0)?,
                    key: row.get(1)?,
                    id: row.get(2)?,
                    label: row.get(3)?,
                },
                action: operation_name(row.get(4)?).to_owned(),
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

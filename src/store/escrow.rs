//! Objects whose last operation failed, waiting for their next retry. Each of them is marked too, so
//! that it is evaluated until it succeeds.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, Row, params};

use super::jobs::ensure_job;
use super::ledger::{RowId, log_not_planned};
use super::marks::Marks;
use super::state::State;
use super::wire::Column;
use super::{Error, Store};
use crate::engine::model::{JobName, Key, ObjectKind};
use crate::engine::outcome::Failure;
use crate::engine::plan::Subject;
use crate::engine::record::Escrowed;

/// The action word of an object that never became an action.
pub(crate) const PLAN: &str = "plan";
/// The same of the log's entry about a cycle that failed.
pub(crate) const CYCLE: &str = "cycle";

/// An object that could not be planned: a mapping failed, its match is ambiguous.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotPlanned {
    pub(crate) subject: Subject,
    pub(crate) message: String,
}

impl Store {
    /// Forgets the failures of a job. The objects stay marked, so that the next cycle tries them.
    pub(crate) fn forget_escrow(&self, job: &JobName) -> Result<(), Error> {
        self.write("forget the escrow", |state| {
            state.run(
                "DELETE FROM escrow WHERE job = ?1",
                params![state.job_or_none(job)?],
            )?;
            Ok(())
        })
    }

    /// Records objects that could not be planned: in escrow, marked, and in the provisioning log.
    pub(crate) fn record_not_planned(
        &self,
        job: &JobName,
        cycle: i64,
        failures: &[(RowId, NotPlanned)],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        self.write("record what could not be planned", |tx| {
            let key = ensure_job(tx, job)?;
            let mut marks = Marks::of(tx, key);
            for (row, failure) in failures {
                let NotPlanned { subject, message } = failure;
                let mark = mark_failed(tx, &mut marks, key, cycle, subject)?;
                let entry = Entry {
                    cycle,
                    subject,
                    at: now,
                    action: PLAN,
                    failure: None,
                    message,
                    mark,
                };
                put(tx, key, &entry)?;
                log_not_planned(tx, *row, message, now)?;
            }
            Ok(())
        })
    }
}

/// One failure of an object.
pub(super) struct Entry<'e> {
    pub(super) cycle: i64,
    pub(super) subject: &'e Subject,
    pub(super) at: DateTime<Utc>,
    pub(super) action: &'static str,
    pub(super) failure: Option<&'e Failure>,
    pub(super) message: &'e str,
    /// What [`mark_failed`] gave.
    pub(super) mark: i64,
}

/// Marks an object that failed, so that it is evaluated again. Gives the mark above which it changed since:
/// what changed while it was worked on is not lost.
pub(super) fn mark_failed(
    state: &State,
    marks: &mut Marks<'_>,
    job: i64,
    cycle: i64,
    subject: &Subject,
) -> rusqlite::Result<i64> {
    let Subject { kind, key, .. } = subject;
    // A failure earlier in the cycle marked it too.
    let changed: bool = state
        .prepare_cached(
            "SELECT EXISTS (
                 SELECT 1 FROM pending p CROSS JOIN jobs j ON j.key = p.job
                 WHERE p.job = ?1 AND p.kind = ?2 AND p.key = ?3
                     AND p.mark > coalesce(
                         (SELECT e.mark FROM escrow e
                          WHERE e.job = ?1 AND e.kind = ?2 AND e.source = ?3 AND e.cycle = ?4),
                         j.evaluation))",
        )?
        .query_row(params![job, kind, key, cycle], |row| row.get(0))?;
    marks.object(*kind, *key)?;
    Ok(marks.number()? - i64::from(changed))
}

/// Puts an object into escrow, or counts another attempt; one cycle counts once.
pub(super) fn put(state: &State, job: i64, entry: &Entry<'_>) -> rusqlite::Result<()> {
    let Entry {
        cycle,
        subject:
            Subject {
                kind,
                key,
                id: _,
                label,
            },
        at,
        action,
        failure,
        message,
        mark,
    } = entry;
    state
        .prepare_cached(
            "INSERT INTO escrow (job, kind, source, label, cycle, first_failed, last_failed,
                             attempts, action, class, http_status, message, mark)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, 1, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT DO UPDATE SET
             label = excluded.label, last_failed = excluded.last_failed,
             first_failed = min(first_failed, excluded.last_failed),
             attempts = attempts + (cycle <> excluded.cycle), cycle = excluded.cycle,
             action = excluded.action, class = excluded.class,
             http_status = excluded.http_status, message = excluded.message,
             mark = excluded.mark, resting = 0",
        )?
        .execute(params![
            job,
            kind,
            key,
            label,
            cycle,
            Column(*at),
            action,
            failure.map(|failure| failure.class),
            failure.and_then(|failure| failure.http_status),
            message,
            mark,
        ])?;
    Ok(())
}

impl Store {
    /// Notes that these objects were tried: those of which nothing came wait longer.
    pub(crate) fn note_retried(
        &self,
        job: &JobName,
        (keys, waited): (&[Key], &BTreeSet<Key>),
        cycle: i64,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        if keys.is_empty() {
            return Ok(());
        }
        self.write("note what was tried again", |state| {
            let job = state.job_or_none(job)?;
            for key in keys {
                state.run(
                    "UPDATE escrow SET attempts = attempts + ?5, last_failed = ?4
                     WHERE job = ?1 AND source = ?2 AND cycle <> ?3",
                    params![job, key, cycle, Column(now), !waited.contains(key)],
                )?;
            }
            Ok(())
        })
    }

    /// Notes which objects are not tried in the evaluation that begins, because it is not time yet.
    pub(crate) fn rest(&self, job: &JobName, resting: &[Key]) -> Result<(), Error> {
        self.write("note what is not tried yet", |state| {
            let job = state.job_or_none(job)?;
            state.run(
                "UPDATE escrow SET resting = 0 WHERE job = ?1 AND resting",
                params![job],
            )?;
            for key in resting {
                state.run(
                    "UPDATE escrow SET resting = 1 WHERE job = ?1 AND source = ?2",
                    params![job, key],
                )?;
            }
            Ok(())
        })
    }
}

/// A success ends the escrow of an object, unless it was another action that failed: whether that
/// one is still needed shows when the evaluation is finished.
pub(super) fn heal(
    state: &State,
    job: i64,
    cycle: i64,
    (kind, key): (ObjectKind, Key),
    action: &str,
) -> rusqlite::Result<()> {
    state.run(
        "DELETE FROM escrow
         WHERE job = ?1 AND kind = ?2 AND source = ?3 AND cycle <> ?4
               AND (action IN (?5, ?6) OR ?5 IN ('create', 'adopt', 'delete'))
               AND NOT EXISTS (SELECT 1 FROM withheld w
                               WHERE w.job = ?1 AND w.source = ?3 AND w.alone)",
        params![job, kind, key, cycle, action, PLAN],
    )?;
    Ok(())
}

impl Store {
    /// The failure of one object.
    pub(crate) fn escrow_of(&self, job: &JobName, key: Key) -> Result<Option<Escrowed>, Error> {
        self.read("look up the escrow", |state| {
            state
                .prepare_cached(&format!("{ESCROWED} WHERE e.job = ?1 AND e.source = ?2"))?
                .query_row(params![state.job_or_none(job)?, key], escrowed)
                .optional()
        })
    }
}

const ESCROWED: &str =
    "SELECT e.kind, e.source, o.id, e.label, e.action, e.first_failed, e.last_failed,
        e.attempts, e.class, e.http_status, e.message,
        EXISTS (SELECT 1 FROM pending p
                WHERE p.job = e.job AND p.kind = e.kind AND p.key = e.source AND p.mark > e.mark)
 FROM escrow e CROSS JOIN objects o ON o.key = e.source";

pub(super) fn entries(state: &State, job: &JobName, limit: u32) -> rusqlite::Result<Vec<Escrowed>> {
    state
        .prepare_cached(&format!(
            "{ESCROWED} WHERE e.job = ?1 ORDER BY e.first_failed, e.kind, e.source LIMIT ?2"
        ))?
        .query_map(params![state.job_or_none(job)?, limit], escrowed)?
        .collect()
}

fn escrowed(row: &Row<'_>) -> rusqlite::Result<Escrowed> {
    let Column(first_failed) = row.get(5)?;
    let Column(last_failed) = row.get(6)?;
    Ok(Escrowed {
        subject: Subject {
            kind: row.get(0)?,
            key: row.get(1)?,
            id: row.get(2)?,
            label: row.get(3)?,
        },
        action: row.get(4)?,
        first_failed,
        last_failed,
        attempts: row.get(7)?,
        class: row.get(8)?,
        http_status: row.get(9)?,
        message: row.get(10)?,
        changed: row.get(11)?,
    })
}

//! Objects whose last operation failed, waiting for their next retry. Each of them is marked too, so
//! that it is evaluated until it succeeds.

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
                marks.object(subject.kind, subject.key)?;
                let entry = Entry {
                    cycle,
                    subject,
                    at: now,
                    action: PLAN,
                    failure: None,
                    message,
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
    } = entry;
    state
        .prepare_cached(
            "INSERT INTO escrow (job, kind, source, label, cycle, first_failed, last_failed,
                             attempts, action, class, http_status, message)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, 1, ?7, ?8, ?9, ?10)
         ON CONFLICT DO UPDATE SET
             label = excluded.label, last_failed = excluded.last_failed,
             attempts = attempts + (cycle <> excluded.cycle), cycle = excluded.cycle,
             action = excluded.action, class = excluded.class,
             http_status = excluded.http_status, message = excluded.message",
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
        ])?;
    Ok(())
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
        e.attempts, e.class, e.http_status, e.message
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
    })
}

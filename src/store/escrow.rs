//! Objects whose last operation failed, waiting for their next retry. Each of them is marked too, so
//! that it is evaluated until it succeeds.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Row, Transaction, params};

use super::log::log_not_planned;
use super::marks::Marks;
use super::wire::Column;
use super::{Error, Store};
use crate::engine::model::JobName;
use crate::engine::outcome::{Class, Failure};
use crate::engine::plan::Subject;

/// The action word of an object that never became an action.
pub(crate) const PLAN: &str = "plan";

/// An object in escrow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Escrowed {
    pub(crate) subject: Subject,
    /// The action's word, or "plan" when it never became one.
    pub(crate) action: String,
    pub(crate) first_failed: DateTime<Utc>,
    pub(crate) last_failed: DateTime<Utc>,
    /// Cycles in which it failed, one after the other.
    pub(crate) attempts: u32,
    /// `None` when it never became an action.
    pub(crate) class: Option<Class>,
    pub(crate) http_status: Option<u16>,
    pub(crate) message: String,
}

/// An object that could not be planned: a mapping failed, its match is ambiguous.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotPlanned {
    pub(crate) subject: Subject,
    pub(crate) message: String,
}

impl Store {
    /// Records objects that could not be planned: in escrow, marked, and in the provisioning log.
    pub(crate) fn record_not_planned(
        &self,
        job: &JobName,
        cycle: i64,
        failures: &[NotPlanned],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        self.write("record what could not be planned", |tx| {
            let mut marks = Marks::of(tx, job);
            for failure in failures {
                let NotPlanned { subject, message } = failure;
                marks.object(subject.kind, &subject.id)?;
                let entry = Entry {
                    cycle,
                    subject,
                    at: now,
                    action: PLAN,
                    failure: None,
                    message,
                };
                put(tx, job, &entry)?;
                log_not_planned(tx, (job, cycle), failure, now)?;
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
pub(super) fn put(tx: &Transaction<'_>, job: &JobName, entry: &Entry<'_>) -> rusqlite::Result<()> {
    let Entry {
        cycle,
        subject: Subject { kind, id, label },
        at,
        action,
        failure,
        message,
    } = entry;
    tx.prepare_cached(
        "INSERT INTO escrow (job, kind, source_id, label, cycle, first_failed, last_failed,
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
        id,
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
    tx: &Transaction<'_>,
    job: &JobName,
    cycle: i64,
    subject: &Subject,
    action: &str,
) -> rusqlite::Result<()> {
    let Subject { kind, id, label: _ } = subject;
    tx.prepare_cached(
        "DELETE FROM escrow
         WHERE job = ?1 AND kind = ?2 AND source_id = ?3 AND cycle <> ?4
               AND (action IN (?5, ?6) OR ?5 IN ('create', 'adopt', 'delete'))",
    )?
    .execute(params![job, kind, id, cycle, action, PLAN])?;
    Ok(())
}

pub(super) fn entries(
    connection: &Connection,
    job: &JobName,
    limit: u32,
) -> rusqlite::Result<Vec<Escrowed>> {
    connection
        .prepare_cached(
            "SELECT kind, source_id, label, action, first_failed, last_failed, attempts, class,
                    http_status, message
             FROM escrow WHERE job = ?1 ORDER BY first_failed, kind DESC, source_id LIMIT ?2",
        )?
        .query_map(params![job, limit], escrowed)?
        .collect()
}

fn escrowed(row: &Row<'_>) -> rusqlite::Result<Escrowed> {
    let Column(first_failed) = row.get(4)?;
    let Column(last_failed) = row.get(5)?;
    Ok(Escrowed {
        subject: Subject {
            kind: row.get(0)?,
            id: row.get(1)?,
            label: row.get(2)?,
        },
        action: row.get(3)?,
        first_failed,
        last_failed,
        attempts: row.get(6)?,
        class: row.get(7)?,
        http_status: row.get(8)?,
        message: row.get(9)?,
    })
}

//! What operators did by hand, with who and when, when quarantines began and ended, and jobs that are paused.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, Row, named_params, params};

use super::jobs::ensure_job;
use super::ledger::{LogFilter, subject};
use super::marks::Marks;
use super::objects::known_as;
use super::state::{State, array};
use super::wire::Column;
use super::{Error, Store};
use crate::engine::model::{JobName, Key, ObjectKind};
use crate::engine::record::{Escrowed, Operated, Paused};

impl Store {
    /// Puts on record what an operator did: when and who, and what.
    pub(crate) fn note_operation(
        &self,
        job: &JobName,
        object: Option<Key>,
        by: (DateTime<Utc>, &str),
        what: (&str, &str),
    ) -> Result<(), Error> {
        self.write("put an operation on record", |state| {
            put(state, job, object, by, what)
        })
    }

    /// What operators did, the newest first. Of the filter the job, the time and the object count.
    pub(crate) fn operations(
        &self,
        filter: &LogFilter,
        limit: u32,
    ) -> Result<Vec<Operated>, Error> {
        self.read("look up operations", |state| {
            let objects = match &filter.object {
                Some(text) => known_as(state, text)?,
                None => Vec::new(),
            };
            state
                .prepare_cached(
                    "SELECT p.at, p.who, p.job, p.verb, p.detail, o.kind, o.key, o.id, o.label
                     FROM operations p LEFT JOIN objects o ON o.key = p.source
                     WHERE (:job IS NULL OR p.job = :job)
                         AND (:since IS NULL OR p.at >= :since) AND (:until IS NULL OR p.at < :until)
                         AND (:all OR p.source IN (SELECT value FROM rarray(:objects)))
                     ORDER BY p.id DESC LIMIT :limit",
                )?
                .query_map(
                    named_params! {
                        ":job": filter.job,
                        ":since": filter.since.map(Column),
                        ":until": filter.until.map(Column),
                        ":all": filter.object.is_none(),
                        ":objects": array(&objects),
                        ":limit": limit,
                    },
                    operated,
                )?
                .collect()
        })
    }

    /// Pauses a job; `None` when it was not paused yet, else since when it is.
    pub(crate) fn pause(&self, job: &JobName, paused: &Paused) -> Result<Option<Paused>, Error> {
        let known = self.paused(job)?;
        if known.is_none() {
            self.write("pause the job", |state| {
                let job = ensure_job(state, job)?;
                state.run(
                    "UPDATE jobs SET paused = ?2, paused_by = ?3 WHERE key = ?1",
                    params![job, Column(paused.since), paused.by],
                )?;
                Ok(())
            })?;
        }
        Ok(known)
    }

    /// Lets a job run again; what it gives back was in force.
    pub(crate) fn resume(&self, job: &JobName) -> Result<Option<Paused>, Error> {
        let known = self.paused(job)?;
        if known.is_some() {
            self.write("resume the job", |state| {
                state.run(
                    "UPDATE jobs SET paused = NULL, paused_by = NULL WHERE name = ?1",
                    params![job],
                )?;
                Ok(())
            })?;
        }
        Ok(known)
    }

    pub(crate) fn paused(&self, job: &JobName) -> Result<Option<Paused>, Error> {
        self.read("look up the job", |state| {
            let paused = state
                .prepare_cached("SELECT paused, paused_by FROM jobs WHERE name = ?1")?
                .query_row(params![job], |row| {
                    let since: Option<Column<DateTime<Utc>>> = row.get(0)?;
                    let by: Option<String> = row.get(1)?;
                    Ok(since.map(|Column(since)| Paused {
                        since,
                        by: by.unwrap_or_default(),
                    }))
                })
                .optional()?;
            Ok(paused.flatten())
        })
    }

    /// Everything in escrow, the longest there first.
    pub(crate) fn escrow(&self, job: &JobName) -> Result<Vec<Escrowed>, Error> {
        self.read("look up the escrow", |state| {
            super::escrow::entries(state, job, u32::MAX)
        })
    }

    /// Lets the next cycle try an object again.
    pub(crate) fn retry(&self, job: &JobName, kind: ObjectKind, key: Key) -> Result<(), Error> {
        self.write("let an object be tried again", |state| {
            let job = ensure_job(state, job)?;
            state.run(
                "DELETE FROM withheld WHERE job = ?1 AND source = ?2",
                params![job, key],
            )?;
            Marks::of(state, job).object(kind, key)
        })
    }

    /// Takes an object out of escrow; it is evaluated again when it changes.
    pub(crate) fn drop_escrow(
        &self,
        job: &JobName,
        kind: ObjectKind,
        key: Key,
    ) -> Result<(), Error> {
        self.write("take an object out of escrow", |state| {
            let job = state.job_or_none(job)?;
            state.run(
                "DELETE FROM escrow WHERE job = ?1 AND kind = ?2 AND source = ?3",
                params![job, kind, key],
            )?;
            state.run(
                "DELETE FROM pending WHERE job = ?1 AND kind = ?2 AND key = ?3",
                params![job, kind, key],
            )?;
            Ok(())
        })
    }
}

/// Puts on record what was done to a job or an object.
pub(super) fn put(
    state: &State,
    job: &JobName,
    object: Option<Key>,
    (at, who): (DateTime<Utc>, &str),
    (verb, detail): (&str, &str),
) -> rusqlite::Result<()> {
    state.run(
        "INSERT INTO operations (at, who, job, verb, source, detail)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![Column(at), who, job, verb, object, detail],
    )?;
    Ok(())
}

fn operated(row: &Row<'_>) -> rusqlite::Result<Operated> {
    let Column(at) = row.get(0)?;
    let kind: Option<ObjectKind> = row.get(5)?;
    Ok(Operated {
        at,
        who: row.get(1)?,
        job: row.get(2)?,
        verb: row.get(3)?,
        detail: row.get(4)?,
        subject: match kind {
            Some(_) => Some(subject(row, 5)?),
            None => None,
        },
    })
}

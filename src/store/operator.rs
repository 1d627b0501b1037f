//! What operators did by hand, with who and when, and jobs that they paused.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, Row, params};

use super::jobs::ensure_job;
use super::marks::Marks;
use super::wire::Column;
use super::{Error, Store};
use crate::engine::model::{JobName, Key, ObjectKind};
use crate::engine::record::{Escrowed, Operated, Paused};

impl Store {
    /// Puts on record what an operator did.
    pub(crate) fn note_operation(
        &self,
        job: &JobName,
        object: Option<Key>,
        operation: &Operated,
    ) -> Result<(), Error> {
        let Operated {
            at,
            who,
            verb,
            detail,
            job: _,
        } = operation;
        self.write("put an operation on record", |state| {
            state.run(
                "INSERT INTO operations (at, who, job, verb, source, detail)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![Column(*at), who, job, verb, object, detail],
            )?;
            Ok(())
        })
    }

    /// What operators did to an object, the newest first.
    pub(crate) fn operations_on(&self, object: Key) -> Result<Vec<Operated>, Error> {
        self.read("look up operations", |state| {
            state
                .prepare_cached(
                    "SELECT at, who, job, verb, detail FROM operations WHERE source = ?1
                     ORDER BY id DESC",
                )?
                .query_map(params![object], operated)?
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

fn operated(row: &Row<'_>) -> rusqlite::Result<Operated> {
    let Column(at) = row.get(0)?;
    Ok(Operated {
        at,
        who: row.get(1)?,
        job: row.get(2)?,
        verb: row.get(3)?,
        detail: row.get(4)?,
    })
}

//! Jobs in quarantine, and those whose last cycle was bad enough for it.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, params};

use super::jobs::ensure_job;
use super::wire::{Column, unreadable};
use super::{Error, Store};
use crate::engine::model::JobName;
use crate::engine::quarantine::{Cause, Quarantine};

impl Store {
    pub(crate) fn quarantine(&self, job: &JobName) -> Result<Option<Quarantine>, Error> {
        self.read("look up the quarantine", |state| {
            let found = state
                .prepare_cached(
                    "SELECT quarantine, quarantine_cause, quarantine_reason, quarantine_tried
                     FROM jobs WHERE name = ?1 AND quarantine IS NOT NULL",
                )?
                .query_row(params![job], |row| {
                    let Column(since): Column<DateTime<Utc>> = row.get(0)?;
                    let Column(tried): Column<DateTime<Utc>> = row.get(3)?;
                    let cause: String = row.get(1)?;
                    Ok(Quarantine {
                        since,
                        cause: Cause::ALL
                            .into_iter()
                            .find(|known| known.as_str() == cause)
                            .ok_or_else(|| unreadable("cause of a quarantine"))?,
                        reason: row.get(2)?,
                        tried,
                    })
                })
                .optional()?;
            Ok(found)
        })
    }

    /// Begins a quarantine, or notes what is known of it by now.
    pub(crate) fn set_quarantine(
        &self,
        job: &JobName,
        quarantine: &Quarantine,
    ) -> Result<(), Error> {
        let Quarantine {
            since,
            cause,
            reason,
            tried,
        } = quarantine;
        let cause = cause.as_str();
        self.write("note the quarantine", |state| {
            let job = ensure_job(state, job)?;
            state.run(
                "UPDATE jobs SET quarantine = ?2, quarantine_cause = ?3, quarantine_reason = ?4,
                     quarantine_tried = ?5
                 WHERE key = ?1",
                params![job, Column(*since), cause, reason, Column(*tried)],
            )?;
            Ok(())
        })
    }

    /// Ends a quarantine, and forgets that the last cycle was bad.
    pub(crate) fn end_quarantine(&self, job: &JobName) -> Result<(), Error> {
        self.write("end the quarantine", |state| {
            state.run(
                "UPDATE jobs SET quarantine = NULL, quarantine_cause = NULL,
                     quarantine_reason = NULL, quarantine_tried = NULL, suspect = 0
                 WHERE name = ?1 AND (quarantine IS NOT NULL OR suspect)",
                params![job],
            )?;
            Ok(())
        })
    }

    /// Notes that most operations of a cycle failed, and says whether those of the one before did, too.
    pub(crate) fn note_suspect(&self, job: &JobName) -> Result<bool, Error> {
        self.write("note that most operations failed", |state| {
            let job = ensure_job(state, job)?;
            let known = state
                .prepare_cached("SELECT suspect FROM jobs WHERE key = ?1")?
                .query_row(params![job], |row| row.get(0))?;
            state.run("UPDATE jobs SET suspect = 1 WHERE key = ?1", params![job])?;
            Ok(known)
        })
    }
}

//! Jobs in quarantine, and those whose last cycles were bad enough for it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, params};

use super::jobs::ensure_job;
use super::operator;
use super::state::State;
use super::wire::{Column, unreadable};
use super::{Error, Store};
use crate::engine::model::{JobName, Key};
use crate::engine::quarantine::{Cause, Quarantine};
use crate::engine::record::Operated;

/// In place of the number of objects that failed: an operator ended a quarantine.
const LIFTED: i64 = -1;

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
            let name = job;
            let job = ensure_job(state, name)?;
            let known: Option<String> = state
                .prepare_cached("SELECT quarantine_cause FROM jobs WHERE key = ?1")?
                .query_row(params![job], |row| row.get(0))?;
            if known.as_deref() != Some(cause) {
                // One that goes on for another cause begins anew.
                let by = (*since, Operated::ENTRAIN);
                operator::put(state, name, None, by, ("quarantine began", reason))?;
            }
            state.run(
                "UPDATE jobs SET quarantine = ?2, quarantine_cause = ?3, quarantine_reason = ?4,
                     quarantine_tried = ?5
                 WHERE key = ?1",
                params![job, Column(*since), cause, reason, Column(*tried)],
            )?;
            Ok(())
        })
    }

    /// Ends a quarantine, and forgets what failed before.
    pub(crate) fn end_quarantine(
        &self,
        job: &JobName,
        why: &'static str,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        self.write("end the quarantine", |state| end(state, job, 0, (now, why)))
    }

    /// The same where an operator says so: what fails again counts once more.
    pub(crate) fn lift_quarantine(&self, job: &JobName, now: DateTime<Utc>) -> Result<(), Error> {
        let why = "an operator ended it";
        self.write("end the quarantine", |state| {
            end(state, job, LIFTED, (now, why))
        })
    }

    /// Of how many objects something failed for the first time since an object was written well, as far as that
    /// is known from the cycles before. `None`: an operator ended a quarantine since.
    pub(crate) fn failing_before(&self, job: &JobName) -> Result<Option<u64>, Error> {
        self.read("look up what failed before", |state| {
            let known: Option<i64> = state
                .prepare_cached("SELECT suspect FROM jobs WHERE name = ?1")?
                .query_row(params![job], |row| row.get(0))
                .optional()?;
            Ok(u64::try_from(known.unwrap_or_default()).ok())
        })
    }

    /// Notes that so many more did.
    pub(crate) fn note_failing(&self, job: &JobName, more: u64) -> Result<(), Error> {
        self.write("note that most operations failed", |state| {
            let job = ensure_job(state, job)?;
            state.run(
                "UPDATE jobs SET suspect = max(suspect, 0) + ?2 WHERE key = ?1",
                params![job, Column(more)],
            )?;
            Ok(())
        })
    }

    /// Objects of which something had failed before it failed in this cycle.
    pub(crate) fn failed_again(&self, job: &JobName, cycle: i64) -> Result<BTreeSet<Key>, Error> {
        self.read("look up the escrow", |state| {
            let keys: Vec<Key> = state.column(
                "SELECT source FROM escrow WHERE job = ?1 AND cycle = ?2 AND attempts > 1",
                params![state.job_or_none(job)?, cycle],
            )?;
            Ok(keys.into_iter().collect())
        })
    }
}

fn end(
    state: &State,
    job: &JobName,
    suspect: i64,
    (now, why): (DateTime<Utc>, &str),
) -> rusqlite::Result<()> {
    let is_on: bool = state
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM jobs WHERE name = ?1 AND quarantine IS NOT NULL)",
        )?
        .query_row(params![job], |row| row.get(0))?;
    if is_on {
        let by = (now, Operated::ENTRAIN);
        operator::put(state, job, None, by, ("quarantine ended", why))?;
    }
    state.run(
        "UPDATE jobs SET quarantine = NULL, quarantine_cause = NULL,
             quarantine_reason = NULL, quarantine_tried = NULL, suspect = ?2
         WHERE name = ?1 AND (quarantine IS NOT NULL OR suspect <> 0)",
        params![job, suspect],
    )?;
    Ok(())
}

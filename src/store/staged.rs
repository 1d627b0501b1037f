//! Accounts that were disabled because their users left, and that are deleted after a time (safety.md, 2).
//! All times here are the source's: its clock and ours must agree before anything is due.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{OptionalExtension as _, params};

use super::jobs::ensure_job;
use super::links::link_of;
use super::state::{State, first_link};
use super::{Error, Store};
use crate::engine::model::{JobName, Key};
use crate::engine::plan::Subject;
use crate::engine::record::Staged;

/// Accounts that were enabled since, and are named.
const NAMED: u32 = 20;

/// What time it is, by our clock and by the source's; `None`: the source has not said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clocks {
    pub(crate) now: DateTime<Utc>,
    pub(crate) source: Option<DateTime<Utc>>,
}

/// Clocks that differ by more say nothing.
const TOLERANCE: TimeDelta = TimeDelta::hours(1);

impl Clocks {
    /// How far ours is ahead of the source's, where they differ so much that it is not known what time it is.
    pub(crate) fn differ(self) -> Option<TimeDelta> {
        let ahead = self.now.signed_duration_since(self.source?);
        (ahead.abs() > TOLERANCE).then_some(ahead)
    }

    /// Both say that it is so late.
    pub(crate) fn earlier(self) -> DateTime<Utc> {
        self.source.map_or(self.now, |source| source.min(self.now))
    }

    /// Whether it is known what time it is.
    pub(super) fn agree(self) -> bool {
        self.source.is_some() && self.differ().is_none()
    }
}

impl Store {
    /// Notes after what time disabled accounts are deleted. It counts from the day that it is set, and a
    /// shorter time from the day that it is set.
    pub(crate) fn note_delete_after(
        &self,
        job: &JobName,
        after: Option<Duration>,
        source: DateTime<Utc>,
    ) -> Result<(), Error> {
        let after = after.map(|after| i64::try_from(after.as_secs()).unwrap_or(i64::MAX));
        let known: Option<Option<i64>> = self.read("look up the job", |state| {
            state
                .prepare_cached("SELECT delete_after FROM jobs WHERE name = ?1")?
                .query_row(params![job], |row| row.get(0))
                .optional()
        })?;
        if known.flatten() == after {
            return Ok(());
        }
        self.write("note when disabled accounts are deleted", |state| {
            let job = ensure_job(state, job)?;
            state.run(
                "UPDATE jobs SET
                     delete_after_since = CASE
                         WHEN ?2 IS NULL THEN NULL
                         WHEN delete_after IS NULL OR ?2 < delete_after THEN ?3
                         ELSE delete_after_since END,
                     delete_after = ?2
                 WHERE key = ?1",
                params![job, after, source.timestamp_millis()],
            )?;
            Ok(())
        })
    }

    /// Users who are out of scope, and whose accounts we disabled so long ago that they are to be deleted.
    pub(crate) fn due_to_be_deleted(
        &self,
        job: &JobName,
        time: DateTime<Utc>,
    ) -> Result<Vec<Key>, Error> {
        self.read("look up which accounts are to be deleted", |state| {
            let job = state.job_or_none(job)?;
            state.column(
                "SELECT l.link - ?2 FROM jobs j CROSS JOIN links l ON l.job = j.key
                 WHERE j.key = ?1 AND l.disabled IS NOT NULL AND l.disabled <= ?3 - 1000 * j.delete_after
                     AND j.delete_after_since <= ?3 - 1000 * j.delete_after
                     AND l.kind = 1 AND NOT l.in_scope AND NOT l.active AND NOT l.enabled
                 ORDER BY l.link",
                params![job, first_link(job), time.timestamp_millis()],
            )
        })
    }

    /// The account was found enabled, although nothing was sent that enables it.
    pub(crate) fn note_enabled_since(&self, job: &JobName, key: Key) -> Result<(), Error> {
        self.write("note that an account was enabled", |state| {
            let job = ensure_job(state, job)?;
            state.run(
                "UPDATE links SET enabled = 1 WHERE link = ?1",
                params![link_of(job, key)],
            )?;
            Ok(())
        })
    }

    /// Accounts that wait to be deleted; `None` where the job deletes none so.
    pub(crate) fn staged(&self, job: &JobName) -> Result<Option<Staged>, Error> {
        self.read("look up which accounts are to be deleted", |state| {
            staged(state, job)
        })
    }

    /// When the account of this user is to be deleted.
    pub(crate) fn deleted_at(
        &self,
        job: &JobName,
        key: Key,
    ) -> Result<Option<DateTime<Utc>>, Error> {
        self.read("look up when an account is to be deleted", |state| {
            let job = state.job_or_none(job)?;
            let at: Option<Option<i64>> = state
                .prepare_cached(
                    "SELECT max(l.disabled, j.delete_after_since) + 1000 * j.delete_after
                     FROM jobs j CROSS JOIN links l ON l.link = ?2
                     WHERE j.key = ?1 AND l.disabled IS NOT NULL AND l.kind = 1
                         AND NOT l.in_scope AND NOT l.active AND NOT l.enabled",
                )?
                .query_row(params![job, link_of(job, key)], |row| row.get(0))
                .optional()?;
            Ok(at.flatten().and_then(DateTime::from_timestamp_millis))
        })
    }
}

/// Accounts that wait to be deleted; `None` where the job deletes none so.
pub(super) fn staged(state: &State, job: &JobName) -> rusqlite::Result<Option<Staged>> {
    let after: Option<(Option<i64>, Option<i64>)> = state
        .prepare_cached("SELECT delete_after, delete_after_since FROM jobs WHERE name = ?1")?
        .query_row(params![job], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((Some(after), Some(since))) = after else {
        return Ok(None);
    };
    let job = state.job_or_none(job)?;
    let (waiting, first): (i64, Option<i64>) = state
        .prepare_cached(
            "SELECT count(*), min(disabled) FROM links
             WHERE job = ?1 AND disabled IS NOT NULL
                 AND kind = 1 AND NOT in_scope AND NOT active AND NOT enabled",
        )?
        .query_row(params![job], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let first = first.and_then(|first| {
        let at = first.max(since).checked_add(after.checked_mul(1000)?)?;
        DateTime::from_timestamp_millis(at)
    });
    let enabled = state
        .prepare_cached(
            "SELECT o.kind, o.key, o.id, o.label
             FROM links l CROSS JOIN objects o ON o.key = l.link - ?2
             WHERE l.job = ?1 AND l.disabled IS NOT NULL AND l.enabled AND NOT l.in_scope
             ORDER BY l.link LIMIT ?3",
        )?
        .query_map(params![job, first_link(job), NAMED], |row| {
            Ok(Subject {
                kind: row.get(0)?,
                key: row.get(1)?,
                id: row.get(2)?,
                label: row.get(3)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some(Staged {
        after: Duration::from_secs(after.unsigned_abs()),
        waiting: waiting.unsigned_abs(),
        first,
        enabled,
    }))
}

/// We disabled the account of a user. The first time counts.
pub(super) fn note_disabled(
    state: &State,
    job: i64,
    key: Key,
    source: Option<DateTime<Utc>>,
) -> rusqlite::Result<()> {
    let Some(source) = source else {
        return Ok(());
    };
    state.run(
        "UPDATE links SET disabled = ?2 WHERE link = ?1 AND disabled IS NULL AND NOT active",
        params![link_of(job, key), source.timestamp_millis()],
    )?;
    Ok(())
}

/// A user left the scope: what was disabled before waits from now on.
pub(super) fn note_left(
    state: &State,
    job: i64,
    key: Key,
    source: Option<DateTime<Utc>>,
) -> rusqlite::Result<()> {
    state.run(
        "UPDATE links SET disabled = ?2 WHERE link = ?1 AND disabled IS NOT NULL",
        params![
            link_of(job, key),
            source.map(|source| source.timestamp_millis())
        ],
    )?;
    Ok(())
}

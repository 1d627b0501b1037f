//! What is known of a job's target itself: what it reports of itself, with the day on which that was read,
//! and the knobs that its answers taught, with the evidence.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, params};

use super::jobs::ensure_job;
use super::marks::Marks;
use super::state::State;
use super::wire::Column;
use super::{Error, Store};
use crate::engine::model::{JobName, Key, ObjectKind};

/// What an answer of the target taught: the word of a knob, or something else by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Learned {
    pub(crate) knob: String,
    pub(crate) word: String,
    /// The target's answer.
    pub(crate) evidence: String,
}

impl Store {
    /// What the target reports of itself, as it was read, and when.
    pub(crate) fn described(
        &self,
        job: &JobName,
    ) -> Result<Option<(String, DateTime<Utc>)>, Error> {
        self.read("look up what the target reports", |state| {
            state
                .prepare_cached(
                    "SELECT text, read FROM described JOIN jobs ON jobs.key = described.job
                     WHERE jobs.name = ?1",
                )?
                .query_row(params![job], |row| {
                    let Column(read) = row.get(1)?;
                    Ok((row.get(0)?, read))
                })
                .optional()
        })
    }

    pub(crate) fn note_described(
        &self,
        job: &JobName,
        text: &str,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        self.write("note what the target reports", |state| {
            let job = ensure_job(state, job)?;
            let known: bool = state
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM described WHERE job = ?1 AND text = ?2)",
                )?
                .query_row(params![job, text], |row| row.get(0))?;
            if !known {
                mark_refused(state, job)?;
            }
            state.run(
                "INSERT OR REPLACE INTO described (job, text, read) VALUES (?1, ?2, ?3)",
                params![job, text, Column(now)],
            )?;
            Ok(())
        })
    }

    /// The knobs that were learned.
    pub(crate) fn learned(&self, job: &JobName) -> Result<Vec<Learned>, Error> {
        self.read("look up what was learned of the target", |state| {
            state
                .prepare_cached(
                    "SELECT knob, word, evidence FROM learned JOIN jobs ON jobs.key = learned.job
                     WHERE jobs.name = ?1 ORDER BY knob",
                )?
                .query_map(params![job], |row| {
                    Ok(Learned {
                        knob: row.get(0)?,
                        word: row.get(1)?,
                        evidence: row.get(2)?,
                    })
                })?
                .collect()
        })
    }

    pub(crate) fn note_learned(
        &self,
        job: &JobName,
        learned: &Learned,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let Learned {
            knob,
            word,
            evidence,
        } = learned;
        self.write("note what was learned of the target", |state| {
            let job = ensure_job(state, job)?;
            let known: bool = state
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM learned WHERE job = ?1 AND knob = ?2 AND word = ?3)",
                )?
                .query_row(params![job, knob, word], |row| row.get(0))?;
            if !known {
                mark_refused(state, job)?;
            }
            state.run(
                "INSERT OR REPLACE INTO learned (job, knob, word, evidence, at)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![job, knob, word, evidence, Column(now)],
            )?;
            Ok(())
        })
    }

    /// Forgets all of it: the address is another, or everything is read again.
    pub(crate) fn forget_target(&self, job: &JobName) -> Result<(), Error> {
        self.write("forget what is known of the target", |state| {
            let Some(job) = state.job(job)? else {
                return Ok(());
            };
            state.run("DELETE FROM described WHERE job = ?1", params![job])?;
            state.run("DELETE FROM learned WHERE job = ?1", params![job])?;
            Ok(())
        })
    }
}

/// The target is another than when it refused something: all of it is tried again.
fn mark_refused(state: &State, job: i64) -> rusqlite::Result<()> {
    let refused: Vec<(ObjectKind, Key)> = state
        .prepare_cached("SELECT kind, source FROM escrow WHERE job = ?1 AND class IS NOT NULL")?
        .query_map(params![job], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut marks = Marks::of(state, job);
    for (kind, key) in refused {
        marks.object(kind, key)?;
    }
    Ok(())
}

//! What is known of a job as a whole: its fingerprint, and whether everything must be evaluated.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, params};

use super::marks::Marks;
use super::source::present;
use super::sources::sources_of;
use super::state::State;
use super::wire::Column;
use super::{Error, Store};
use crate::engine::model::{JobName, SourceNumber};
use crate::engine::record::CycleRecord;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct JobState {
    /// Of the config that the job was last seen with.
    pub(crate) fingerprint: Option<String>,
    /// Everything must be evaluated: the job is new, its config changed, or it was restarted.
    pub(crate) full_evaluation: bool,
    pub(crate) last_cycle: Option<CycleRecord>,
}

/// What a job's links were made with: where these change, the links may not be what they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TargetSettings {
    pub(crate) address: String,
    /// A keyed digest.
    pub(crate) credential: String,
}

impl Store {
    pub(crate) fn job_state(&self, job: &JobName) -> Result<JobState, Error> {
        let (fingerprint, full_evaluation) = self.read("look up the job", |state| {
            let known: Option<Option<String>> = state
                .prepare_cached("SELECT fingerprint FROM jobs WHERE name = ?1")?
                .query_row(params![job], |row| row.get(0))
                .optional()?;
            let full_evaluation = known.is_none() || is_full(state, job)?;
            Ok((known.flatten(), full_evaluation))
        })?;
        Ok(JobState {
            fingerprint,
            full_evaluation,
            last_cycle: self.last_cycle(job)?,
        })
    }

    /// Notes the fingerprint of the job's config, and says whether it changed: then everything is
    /// evaluated, and no link is touched (product rule 11).
    pub(crate) fn note_fingerprint(&self, job: &JobName, fingerprint: &str) -> Result<bool, Error> {
        self.write("note the job's fingerprint", |tx| {
            let job = ensure_job(tx, job)?;
            let changed = tx.changes(
                "UPDATE jobs SET fingerprint = ?2 WHERE key = ?1 AND fingerprint IS NOT ?2",
                params![job, fingerprint],
            )?;
            if changed {
                require_full_evaluation(tx, job)?;
            }
            Ok(changed)
        })
    }

    /// Compares what the job's target is reached with to what its links were made with. Where it is
    /// another, everything is evaluated, and so the links are verified first. It is noted only when they
    /// were: see [`Store::note_settings`].
    pub(crate) fn compare_settings(
        &self,
        job: &JobName,
        settings: &TargetSettings,
    ) -> Result<bool, Error> {
        let changed = self.settings(job)?.is_some_and(|known| known != *settings);
        if changed {
            self.restart(job)?;
        }
        Ok(changed)
    }

    /// What the job's links were made with.
    pub(crate) fn settings(&self, job: &JobName) -> Result<Option<TargetSettings>, Error> {
        self.read("look up what the job's target is", |state| {
            settings(state, state.job_or_none(job)?)
        })
    }

    /// The links are those of the target that these lead to.
    pub(crate) fn note_settings(
        &self,
        job: &JobName,
        settings: &TargetSettings,
    ) -> Result<(), Error> {
        let TargetSettings {
            address,
            credential,
        } = settings;
        if self.settings(job)?.as_ref() == Some(settings) {
            return Ok(());
        }
        self.write("note what the job's target is", |state| {
            let job = ensure_job(state, job)?;
            state.run(
                "UPDATE jobs SET target = ?2, credential = ?3 WHERE key = ?1",
                params![job, address, credential],
            )?;
            Ok(())
        })
    }

    /// The links are those of the application that was read last. Where it is another than before, all
    /// removals are held once.
    pub(crate) fn note_linked_application(&self, job: &JobName) -> Result<(), Error> {
        self.write("note the job's application", |state| {
            let job = state.job_or_none(job)?;
            state.run(
                "UPDATE jobs SET hold_removals = 1 WHERE key = ?1 AND EXISTS (
                     SELECT 1 FROM job_sources
                     WHERE job = ?1 AND application IS NOT NULL
                         AND application IS NOT service_principal)",
                params![job],
            )?;
            state.run(
                "UPDATE job_sources SET application = service_principal
                 WHERE job = ?1 AND application IS NOT service_principal",
                params![job],
            )?;
            Ok(())
        })
    }

    /// When linked objects were compared last with what the target holds.
    pub(crate) fn compared(&self, job: &JobName) -> Result<Option<DateTime<Utc>>, Error> {
        self.read("look up the job", |state| {
            let at: Option<Option<Column<DateTime<Utc>>>> = state
                .prepare_cached("SELECT compared FROM jobs WHERE name = ?1")?
                .query_row(params![job], |row| row.get(0))
                .optional()?;
            Ok(at.flatten().map(|Column(at)| at))
        })
    }

    pub(crate) fn note_compared(&self, job: &JobName, at: DateTime<Utc>) -> Result<(), Error> {
        self.write("note that the target was compared", |state| {
            let job = ensure_job(state, job)?;
            state.run(
                "UPDATE jobs SET compared = ?2 WHERE key = ?1",
                params![job, Column(at)],
            )?;
            Ok(())
        })
    }

    /// Whether everything was evaluated once since the state was made.
    pub(crate) fn is_established(&self, job: &JobName) -> Result<bool, Error> {
        self.read("look up the job", |state| {
            let established: Option<bool> = state
                .prepare_cached("SELECT established FROM jobs WHERE name = ?1")?
                .query_row(params![job], |row| row.get(0))
                .optional()?;
            Ok(established.unwrap_or(false))
        })
    }

    /// Everything was evaluated: whether nothing is held, and whether every old address was looked for.
    pub(crate) fn note_evaluated(
        &self,
        job: &JobName,
        holds_nothing: bool,
        is_established: bool,
    ) -> Result<(), Error> {
        self.write("note that everything was evaluated", |state| {
            state.run(
                "UPDATE jobs SET hold_removals = hold_removals AND NOT ?2,
                                 established = established OR ?3
                 WHERE name = ?1 AND ((hold_removals AND ?2) OR (?3 AND NOT established))",
                params![job, holds_nothing, is_established],
            )?;
            Ok(())
        })
    }

    /// Whether all removals of the job are held, because its application is another.
    pub(crate) fn holds_removals(&self, job: &JobName) -> Result<bool, Error> {
        self.read("look up what is held", |state| {
            let held: Option<bool> = state
                .prepare_cached("SELECT hold_removals FROM jobs WHERE name = ?1")?
                .query_row(params![job], |row| row.get(0))
                .optional()?;
            Ok(held.unwrap_or(false))
        })
    }

    /// Notes the tenant's default domain for a job whose expressions ask for it, and says whether it is
    /// another than last time: then everything is evaluated, and no link is touched.
    pub(crate) fn note_default_domain(
        &self,
        job: &JobName,
        source: SourceNumber,
        domain: &str,
    ) -> Result<bool, Error> {
        self.write("note the tenant's default domain", |tx| {
            let job = ensure_job(tx, job)?;
            let known: Option<String> = tx
                .prepare_cached(
                    "SELECT default_domain FROM job_sources WHERE job = ?1 AND source = ?2",
                )?
                .query_row(params![job, source], |row| row.get(0))?;
            if known.as_deref() == Some(domain) {
                return Ok(false);
            }
            tx.run(
                "UPDATE job_sources SET default_domain = ?3 WHERE job = ?1 AND source = ?2",
                params![job, source, domain],
            )?;
            require_full_evaluation(tx, job)?;
            Ok(true)
        })
    }

    /// A tenant's default domain as the newest cycle that needed it read it, of this job or of any.
    pub(crate) fn default_domain(
        &self,
        job: Option<&JobName>,
        source: SourceNumber,
    ) -> Result<Option<String>, Error> {
        self.read("look up the tenant's default domain", |state| {
            state
                .prepare_cached(
                    "SELECT s.default_domain FROM jobs j
                     JOIN job_sources s ON s.job = j.key AND s.source = ?2
                     JOIN cycles c ON c.job = j.name
                     WHERE s.default_domain IS NOT NULL AND (?1 IS NULL OR j.name = ?1)
                     ORDER BY c.number DESC LIMIT 1",
                )?
                .query_row(params![job, source], |row| row.get(0))
                .optional()
        })
    }

    /// Whether no cycle of the job has completed yet.
    pub(crate) fn is_first(&self, job: &JobName) -> Result<bool, Error> {
        self.read("look up the job", |state| {
            let completed: Option<Option<i64>> = state
                .prepare_cached("SELECT completed FROM jobs WHERE name = ?1")?
                .query_row(params![job], |row| row.get(0))
                .optional()?;
            Ok(completed.flatten().is_none())
        })
    }

    /// Notes that a cycle tried everything that it had planned.
    pub(crate) fn note_completed(&self, job: &JobName, cycle: i64) -> Result<(), Error> {
        self.write("note that a cycle has completed", |tx| {
            tx.run(
                "UPDATE jobs SET completed = ?2 WHERE name = ?1 AND completed IS NULL",
                params![job, cycle],
            )?;
            Ok(())
        })
    }

    /// Notes what the source held at a complete reading.
    pub(crate) fn note_seen(&self, job: &JobName) -> Result<(), Error> {
        self.write("note what the source holds", |tx| {
            let job = tx.job_or_none(job)?;
            for source in sources_of(tx, job)? {
                let seen = present(tx, source)?;
                tx.run(
                    "UPDATE job_sources SET seen_users = ?3, seen_groups = ?4
                     WHERE job = ?1 AND source = ?2",
                    params![job, source, Column(seen.users), Column(seen.groups)],
                )?;
            }
            Ok(())
        })
    }

    /// Lets the next cycle of the job evaluate everything.
    pub(crate) fn restart(&self, job: &JobName) -> Result<(), Error> {
        self.write("restart the job", |tx| {
            let job = ensure_job(tx, job)?;
            require_full_evaluation(tx, job)
        })
    }
}

fn settings(state: &State, job: i64) -> rusqlite::Result<Option<TargetSettings>> {
    let known = state
        .prepare_cached("SELECT target, credential FROM jobs WHERE key = ?1")?
        .query_row(params![job], |row| {
            let (address, credential): (Option<String>, Option<String>) =
                (row.get(0)?, row.get(1)?);
            Ok(address
                .zip(credential)
                .map(|(address, credential)| TargetSettings {
                    address,
                    credential,
                }))
        })
        .optional()?;
    Ok(known.flatten())
}

/// The number of a job. One that is not known yet begins with a full evaluation.
pub(super) fn ensure_job(state: &State, job: &JobName) -> rusqlite::Result<i64> {
    if let Some(key) = state.job(job)? {
        return Ok(key);
    }
    state.run(
        "INSERT INTO jobs (key, name) SELECT 1 + coalesce(max(key), 0), ?1 FROM jobs",
        params![job],
    )?;
    let key = state.job_or_none(job)?;
    state.run(
        "INSERT OR IGNORE INTO job_sources (job, source, rank) VALUES (?1, 0, 0)",
        params![key],
    )?;
    require_full_evaluation(state, key)?;
    Ok(key)
}

pub(super) fn require_full_evaluation_of_all(state: &State) -> rusqlite::Result<()> {
    let jobs: Vec<i64> = state.column("SELECT key FROM jobs", [])?;
    jobs.into_iter()
        .try_for_each(|job| require_full_evaluation(state, job))
}

pub(super) fn require_full_evaluation(state: &State, job: i64) -> rusqlite::Result<()> {
    let mark = Marks::of(state, job).number()?;
    state.run(
        "UPDATE jobs SET full_mark = ?2 WHERE key = ?1",
        params![job, mark],
    )?;
    Ok(())
}

pub(super) fn is_full(state: &State, job: &JobName) -> rusqlite::Result<bool> {
    state
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM jobs WHERE name = ?1 AND full_mark IS NOT NULL)",
        )?
        .query_row(params![job], |row| row.get(0))
}

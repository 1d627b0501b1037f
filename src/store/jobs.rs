//! What is known of a job as a whole: its fingerprint, and whether everything must be evaluated.

use rusqlite::{OptionalExtension, params};

use super::marks::Marks;
use super::state::{State, first_link};
use super::wire::Column;
use super::{Error, Store};
use crate::engine::model::JobName;
use crate::engine::record::CycleRecord;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct JobState {
    /// Of the config that the job was last seen with.
    pub(crate) fingerprint: Option<String>,
    /// Everything must be evaluated: the job is new, its config changed, or it was restarted.
    pub(crate) full_evaluation: bool,
    pub(crate) last_cycle: Option<CycleRecord>,
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

    /// Notes where the job's target is. When that is another address than last time, nothing is taken
    /// for granted: each link stays, and is read in the target before it is compared again. Links are
    /// not dropped, because most targets only moved.
    pub(crate) fn note_target(&self, job: &JobName, address: &str) -> Result<bool, Error> {
        self.write("note where the job's target is", |tx| {
            let job = ensure_job(tx, job)?;
            let known: Option<String> = tx
                .prepare_cached("SELECT target FROM jobs WHERE key = ?1")?
                .query_row(params![job], |row| row.get(0))?;
            if known.as_deref() == Some(address) {
                return Ok(false);
            }
            tx.run(
                "UPDATE jobs SET target = ?2 WHERE key = ?1",
                params![job, address],
            )?;
            if known.is_none() {
                return Ok(false);
            }
            tx.run(
                "UPDATE links SET unread = 1 WHERE link > ?1 AND link < ?2",
                params![first_link(job), first_link(job + 1)],
            )?;
            require_full_evaluation(tx, job)?;
            Ok(true)
        })
    }

    /// Notes the tenant's default domain for a job whose expressions ask for it, and says whether it is
    /// another than last time: then everything is evaluated, and no link is touched.
    pub(crate) fn note_default_domain(&self, job: &JobName, domain: &str) -> Result<bool, Error> {
        self.write("note the tenant's default domain", |tx| {
            let job = ensure_job(tx, job)?;
            let known: Option<String> = tx
                .prepare_cached("SELECT default_domain FROM jobs WHERE key = ?1")?
                .query_row(params![job], |row| row.get(0))?;
            if known.as_deref() == Some(domain) {
                return Ok(false);
            }
            tx.run(
                "UPDATE jobs SET default_domain = ?2 WHERE key = ?1",
                params![job, domain],
            )?;
            require_full_evaluation(tx, job)?;
            Ok(true)
        })
    }

    /// The tenant's default domain as the newest cycle that needed it read it.
    pub(crate) fn default_domain(&self) -> Result<Option<String>, Error> {
        self.read("look up the tenant's default domain", |state| {
            state
                .prepare_cached(
                    "SELECT default_domain FROM jobs JOIN cycles ON cycles.job = jobs.name
                     WHERE default_domain IS NOT NULL ORDER BY cycles.number DESC LIMIT 1",
                )?
                .query_row([], |row| row.get(0))
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
            let seen = super::source::present(tx)?;
            tx.run(
                "UPDATE jobs SET seen_users = ?2, seen_groups = ?3 WHERE name = ?1",
                params![job, Column(seen.users), Column(seen.groups)],
            )?;
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
    require_full_evaluation(state, key)?;
    Ok(key)
}

fn require_full_evaluation(state: &State, job: i64) -> rusqlite::Result<()> {
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

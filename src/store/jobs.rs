//! What is known of a job as a whole: its fingerprint, and whether everything must be evaluated.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::marks::Marks;
use super::{CycleRecord, Error, Store};
use crate::engine::model::JobName;

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
        let (fingerprint, full_evaluation) = self.read("look up the job", |connection| {
            let known: Option<Option<String>> = connection
                .prepare_cached("SELECT fingerprint FROM jobs WHERE name = ?1")?
                .query_row(params![job], |row| row.get(0))
                .optional()?;
            let full_evaluation = known.is_none() || is_full(connection, job)?;
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
            ensure_job(tx, job)?;
            let changed = tx
                .prepare_cached(
                    "UPDATE jobs SET fingerprint = ?2 WHERE name = ?1 AND fingerprint IS NOT ?2",
                )?
                .execute(params![job, fingerprint])?;
            if changed > 0 {
                require_full_evaluation(tx, job)?;
            }
            Ok(changed > 0)
        })
    }

    /// Notes where the job's target is. When that is another address than last time, nothing is taken
    /// for granted: each link stays, and is read in the target before it is compared again. Links are
    /// not dropped, because most targets only moved.
    pub(crate) fn note_target(&self, job: &JobName, address: &str) -> Result<bool, Error> {
        self.write("note where the job's target is", |tx| {
            ensure_job(tx, job)?;
            let known: Option<String> = tx
                .prepare_cached("SELECT target FROM jobs WHERE name = ?1")?
                .query_row(params![job], |row| row.get(0))?;
            if known.as_deref() == Some(address) {
                return Ok(false);
            }
            tx.prepare_cached("UPDATE jobs SET target = ?2 WHERE name = ?1")?
                .execute(params![job, address])?;
            if known.is_none() {
                return Ok(false);
            }
            tx.prepare_cached(
                "INSERT INTO writes (job, kind, source_id, cycle, remaining, lost)
                 SELECT job, kind, source_id, 0, 0, 1 FROM links WHERE job = ?1
                 ON CONFLICT DO UPDATE SET lost = 1",
            )?
            .execute(params![job])?;
            require_full_evaluation(tx, job)?;
            Ok(true)
        })
    }

    /// Notes the tenant's default domain for a job whose expressions ask for it, and says whether it is
    /// another than last time: then everything is evaluated, and no link is touched.
    pub(crate) fn note_default_domain(&self, job: &JobName, domain: &str) -> Result<bool, Error> {
        self.write("note the tenant's default domain", |tx| {
            ensure_job(tx, job)?;
            let known: Option<String> = tx
                .prepare_cached("SELECT default_domain FROM jobs WHERE name = ?1")?
                .query_row(params![job], |row| row.get(0))?;
            if known.as_deref() == Some(domain) {
                return Ok(false);
            }
            tx.prepare_cached("UPDATE jobs SET default_domain = ?2 WHERE name = ?1")?
                .execute(params![job, domain])?;
            require_full_evaluation(tx, job)?;
            Ok(true)
        })
    }

    /// The tenant's default domain as the newest cycle that needed it read it.
    pub(crate) fn default_domain(&self) -> Result<Option<String>, Error> {
        self.read("look up the tenant's default domain", |connection| {
            connection
                .prepare_cached(
                    "SELECT default_domain FROM jobs JOIN cycles ON cycles.job = jobs.name
                     WHERE default_domain IS NOT NULL ORDER BY cycles.number DESC LIMIT 1",
                )?
                .query_row([], |row| row.get(0))
                .optional()
        })
    }

    /// Lets the next cycle of the job evaluate everything.
    pub(crate) fn restart(&self, job: &JobName) -> Result<(), Error> {
        self.write("restart the job", |tx| {
            ensure_job(tx, job)?;
            require_full_evaluation(tx, job)
        })
    }
}

/// A job that is not known yet begins with a full evaluation.
pub(super) fn ensure_job(tx: &Transaction<'_>, job: &JobName) -> rusqlite::Result<()> {
    let added = tx
        .prepare_cached("INSERT OR IGNORE INTO jobs (name) VALUES (?1)")?
        .execute(params![job])?;
    if added > 0 {
        require_full_evaluation(tx, job)?;
    }
    Ok(())
}

fn require_full_evaluation(tx: &Transaction<'_>, job: &JobName) -> rusqlite::Result<()> {
    let mark = Marks::of(tx, job).number()?;
    tx.prepare_cached("UPDATE jobs SET full_mark = ?2 WHERE name = ?1")?
        .execute(params![job, mark])?;
    Ok(())
}

pub(super) fn is_full(connection: &Connection, job: &JobName) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM jobs WHERE name = ?1 AND full_mark IS NOT NULL)",
        )?
        .query_row(params![job], |row| row.get(0))
}

//! The configurations that the last cycles of a job had, each once.

use rusqlite::{OptionalExtension as _, params};

use super::jobs::ensure_job;
use super::state::State;
use super::wire::unreadable;
use super::{Error, Store};
use crate::engine::configuration::Configuration;
use crate::engine::model::JobName;

/// So many of a job are kept.
const KEPT: i64 = 50;

/// What a cycle was configured with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Configured {
    /// The cycle did not begin.
    Unknown,
    /// It is so long ago that its configuration is not kept.
    Forgotten,
    Kept(Configuration),
}

impl Store {
    /// Notes what a cycle is configured with.
    pub(crate) fn note_configuration(
        &self,
        job: &JobName,
        cycle: i64,
        configuration: &Configuration,
    ) -> Result<(), Error> {
        let Configuration { digest, entries } = configuration;
        self.write("note the configuration", |state| {
            let job = ensure_job(state, job)?;
            state.run(
                "UPDATE cycles SET configuration = ?2 WHERE number = ?1",
                params![cycle, digest],
            )?;
            let is_known = state.changes(
                "UPDATE configurations SET cycle = ?3 WHERE job = ?1 AND digest = ?2",
                params![job, digest, cycle],
            )?;
            if is_known {
                return Ok(());
            }
            let text = serde_json::to_string(entries).map_err(|_| unreadable("configuration"))?;
            state.run(
                "INSERT INTO configurations (job, digest, cycle, entries) VALUES (?1, ?2, ?3, ?4)",
                params![job, digest, cycle, text],
            )?;
            // In use last are those of the newest cycles.
            state.run(
                "DELETE FROM configurations WHERE job = ?1 AND digest NOT IN (
                     SELECT digest FROM configurations WHERE job = ?1
                     ORDER BY cycle DESC LIMIT ?2)",
                params![job, KEPT],
            )?;
            Ok(())
        })
    }

    /// What a cycle was configured with.
    pub(crate) fn configured(&self, job: &JobName, cycle: i64) -> Result<Configured, Error> {
        self.read("look up a configuration", |state| {
            let digest: Option<Option<String>> = state
                .prepare_cached("SELECT configuration FROM cycles WHERE number = ?1")?
                .query_row(params![cycle], |row| row.get(0))
                .optional()?;
            let Some(digest) = digest.flatten() else {
                return Ok(Configured::Unknown);
            };
            Ok(match kept(state, job, &digest)? {
                Some(kept) => Configured::Kept(kept),
                None => Configured::Forgotten,
            })
        })
    }

    /// The cycle of the job before this one, of those that began.
    pub(crate) fn cycle_before(&self, job: &JobName, cycle: i64) -> Result<Option<i64>, Error> {
        self.read("look up the cycle before", |state| {
            state
                .prepare_cached(
                    "SELECT max(number) FROM cycles
                     WHERE job = ?1 AND number < ?2 AND configuration IS NOT NULL",
                )?
                .query_row(params![job, cycle], |row| row.get(0))
        })
    }
}

fn kept(state: &State, job: &JobName, digest: &str) -> rusqlite::Result<Option<Configuration>> {
    let text: Option<String> = state
        .prepare_cached("SELECT entries FROM configurations WHERE job = ?1 AND digest = ?2")?
        .query_row(params![state.job_or_none(job)?, digest], |row| row.get(0))
        .optional()?;
    let Some(text) = text else { return Ok(None) };
    let entries = serde_json::from_str(&text).map_err(|_| unreadable("configuration"))?;
    Ok(Some(Configuration {
        digest: digest.to_owned(),
        entries,
    }))
}

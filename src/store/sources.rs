//! The sources: which tenant each of them is, and which jobs read it.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::params;

use super::jobs::{ensure_job, require_full_evaluation};
use super::state::{State, array, array_of_numbers};
use super::{Error, Store};
use crate::engine::model::{JobName, Key, SourceNumber, SourceObject};

/// What the state knows of a source.
pub(super) struct Known {
    pub(super) name: String,
    pub(super) tenant: String,
    pub(super) number: SourceNumber,
}

/// A source as the state knows it.
#[derive(Debug)]
pub(crate) struct NotedSource {
    pub(crate) number: SourceNumber,
    /// The tenant that was read, where the configuration names another.
    pub(crate) other_tenant: Option<String>,
}

impl Store {
    /// Notes a source with its tenant, both as they are configured. A source that has another name now is known by
    /// its tenant; `names` are those of all sources. What was read before is of the tenant that it was read from.
    pub(crate) fn note_source(
        &self,
        name: &str,
        tenant: &str,
        names: &[&str],
    ) -> Result<NotedSource, Error> {
        let tenant = tenant.to_lowercase();
        let known = self.read("look up the tenant", known)?;
        let same = known.iter().find(|one| one.name == name);
        if let Some(same) = same {
            let is_other = same.tenant != tenant;
            return Ok(NotedSource {
                number: same.number,
                other_tenant: is_other.then(|| same.tenant.clone()),
            });
        }
        let is_renamed = |one: &&Known| {
            one.tenant == tenant && !names.iter().any(|configured| one.name == *configured)
        };
        let renamed = known.iter().find(is_renamed);
        let next = known.iter().map(|one| one.number.get() + 1).max();
        let number = match renamed {
            Some(renamed) => renamed.number,
            None => SourceNumber::new(next.unwrap_or_default()),
        };
        self.write("note the tenant", |state| {
            if let Some(renamed) = renamed {
                state.run("DELETE FROM sources WHERE name = ?1", params![renamed.name])?;
            }
            state.run(
                "REPLACE INTO sources (name, tenant, number) VALUES (?1, ?2, ?3)",
                params![name, tenant, number],
            )?;
            Ok(())
        })?;
        Ok(NotedSource {
            number,
            other_tenant: None,
        })
    }

    /// The same tenant goes by another name from now on.
    pub(crate) fn rename_tenant(&self, source: SourceNumber, tenant: &str) -> Result<(), Error> {
        self.write("note the tenant", |state| {
            state.run(
                "UPDATE sources SET tenant = ?2 WHERE number = ?1",
                params![source, tenant.to_lowercase()],
            )?;
            Ok(())
        })
    }

    /// Notes which sources a job reads. Where one is taken away from which objects are linked, the job is refused:
    /// all that it has there would appear to be out of scope.
    pub(crate) fn note_sources_of(
        &self,
        job: &JobName,
        sources: &[SourceNumber],
    ) -> Result<(), Error> {
        let (before, linked) = self.read("look up the sources of the job", |state| {
            let Some(key) = state.job(job)? else {
                return Ok((None, 0));
            };
            let linked: i64 = state
                .prepare_cached("SELECT linked_users + linked_groups FROM jobs WHERE key = ?1")?
                .query_row(params![key], |row| row.get(0))?;
            Ok((Some(sources_of(state, key)?), linked))
        })?;
        let is_first = sources == [SourceNumber::FIRST];
        if before.as_deref() == Some(sources) || before.is_none() && is_first {
            return Ok(());
        }
        let kept: BTreeSet<SourceNumber> = sources.iter().copied().collect();
        let gone = before.into_iter().flatten().find(|one| !kept.contains(one));
        if let Some(gone) = gone
            && linked > 0
        {
            let tenant = self.read("look up the tenant", known)?;
            let tenant = tenant.into_iter().find(|one| one.number == gone);
            return Err(Error::OtherSource {
                job: job.clone(),
                linked,
                tenant: tenant.map(|one| one.tenant).unwrap_or_default(),
            });
        }
        self.write("note the sources of the job", |state| {
            let job = ensure_job(state, job)?;
            let numbers: Vec<i64> = sources.iter().map(|one| i64::from(one.get())).collect();
            let numbers = array_of_numbers(&numbers);
            // What is known of the application of one that is taken away is of no use any more.
            for sql in [
                "DELETE FROM roles WHERE job = ?1 AND source NOT IN (SELECT value FROM rarray(?2))",
                "DELETE FROM assignments WHERE job = ?1 AND principal NOT IN (
                     SELECT key FROM objects WHERE source IN (SELECT value FROM rarray(?2)))",
                "DELETE FROM pending WHERE job = ?1 AND key NOT IN (
                     SELECT key FROM objects WHERE source IN (SELECT value FROM rarray(?2)))",
                "DELETE FROM job_sources
                 WHERE job = ?1 AND source NOT IN (SELECT value FROM rarray(?2))",
            ] {
                state.run(sql, params![job, numbers])?;
            }
            for (rank, source) in (0_i64..).zip(sources) {
                state.run(
                    "INSERT INTO job_sources (job, source, rank) VALUES (?1, ?2, ?3)
                     ON CONFLICT DO UPDATE SET rank = excluded.rank",
                    params![job, source, rank],
                )?;
            }
            require_full_evaluation(state, job)
        })
    }

    /// The sources of a job, in the order of their precedence.
    pub(crate) fn sources_of(&self, job: &JobName) -> Result<Vec<SourceNumber>, Error> {
        self.read("look up the sources of the job", |state| {
            sources_of(state, state.job_or_none(job)?)
        })
    }

    /// Those of these objects that one of the sources has, in the order of the sources, and then of the keys.
    pub(crate) fn in_order_of(
        &self,
        keys: &[Key],
        sources: &[SourceNumber],
    ) -> Result<Vec<Vec<Key>>, Error> {
        self.read("look up what to evaluate", |state| {
            let each = sources.iter().map(|source| {
                let mut keys = among(state, keys, &[*source])?;
                keys.sort_unstable();
                Ok(keys)
            });
            each.collect()
        })
    }

    /// The sources of these objects.
    pub(crate) fn sources_of_objects(
        &self,
        keys: &[Key],
    ) -> Result<BTreeMap<Key, SourceNumber>, Error> {
        self.read("look up what to confirm", |state| {
            state
                .prepare_cached(
                    "SELECT o.key, o.source FROM rarray(?1) k CROSS JOIN objects o ON o.key = k.value",
                )?
                .query_map(params![array(keys)], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
    }

    /// Those of these objects that the job's sources have.
    pub(crate) fn within(
        &self,
        job: &JobName,
        mut objects: Vec<SourceObject>,
    ) -> Result<Vec<SourceObject>, Error> {
        let sources = self.sources_of(job)?;
        objects.retain(|object| sources.contains(&object.source));
        Ok(objects)
    }
}

/// All sources, in the order of their numbers.
pub(super) fn known(state: &State) -> rusqlite::Result<Vec<Known>> {
    state
        .prepare_cached("SELECT name, tenant, number FROM sources ORDER BY number")?
        .query_map([], |row| {
            Ok(Known {
                name: row.get(0)?,
                tenant: row.get(1)?,
                number: row.get(2)?,
            })
        })?
        .collect()
}

/// The sources of a job, in the order of their precedence.
pub(super) fn sources_of(state: &State, job: i64) -> rusqlite::Result<Vec<SourceNumber>> {
    let sources: Vec<SourceNumber> = state.column(
        "SELECT source FROM job_sources WHERE job = ?1 ORDER BY rank",
        params![job],
    )?;
    Ok(if sources.is_empty() {
        vec![SourceNumber::FIRST]
    } else {
        sources
    })
}

/// The jobs that read a source.
pub(super) fn jobs_of(state: &State, source: SourceNumber) -> rusqlite::Result<Vec<i64>> {
    state.column(
        "SELECT job FROM job_sources WHERE source = ?1 ORDER BY job",
        params![source],
    )
}

/// Those of these objects that belong to one of the sources.
pub(super) fn among(
    state: &State,
    keys: &[Key],
    sources: &[SourceNumber],
) -> rusqlite::Result<Vec<Key>> {
    let numbers: Vec<i64> = sources.iter().map(|one| i64::from(one.get())).collect();
    state.column(
        "SELECT o.key FROM rarray(?1) k CROSS JOIN objects o ON o.key = k.value
         WHERE o.source IN (SELECT value FROM rarray(?2))",
        params![array(keys), array_of_numbers(&numbers)],
    )
}

//! Attributes that a target refused: those that are left out of an object's other changes, and those that
//! were refused together, so that there is no use in looking for a single one.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::params;

use super::state::{State, array};
use super::{Error, Store};
use crate::engine::model::{JobName, Key, TargetPath};
use crate::engine::outcome::Failure;

impl Store {
    /// The attributes of an object that were refused together last time.
    pub(crate) fn refused_together(
        &self,
        job: &JobName,
        key: Key,
    ) -> Result<BTreeSet<TargetPath>, Error> {
        self.read("look up refused attributes", |state| {
            let job = state.job_or_none(job)?;
            state
                .prepare_cached(
                    "SELECT path FROM withheld WHERE job = ?1 AND source = ?2 AND NOT alone",
                )?
                .query_map(params![job, key], |row| state.path_of_number(row.get(0)?))?
                .collect()
        })
    }

    /// Notes that none of these attributes is the reason by itself: they are sent together from now on.
    pub(crate) fn note_refused_together(
        &self,
        job: &JobName,
        key: Key,
        paths: &[TargetPath],
    ) -> Result<(), Error> {
        self.write("note refused attributes", |state| {
            let Some(job) = state.job(job)? else {
                return Ok(());
            };
            paths
                .iter()
                .try_for_each(|path| put(state, job, key, path, None))
        })
    }
}

/// Leaves attributes of an object out from now on.
pub(super) fn leave_out(
    state: &State,
    job: i64,
    key: Key,
    paths: &[TargetPath],
    failure: &Failure,
) -> rusqlite::Result<()> {
    paths.iter().try_for_each(|path| {
        let alone = failure.leaving_out(std::slice::from_ref(path));
        put(state, job, key, path, Some(&alone.message))
    })
}

fn put(
    state: &State,
    job: i64,
    key: Key,
    path: &TargetPath,
    alone: Option<&str>,
) -> rusqlite::Result<()> {
    let path = state.number_of_path(path)?;
    state.run(
        "INSERT INTO withheld (job, source, path, alone, message) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET alone = excluded.alone, message = excluded.message",
        params![job, key, path, alone.is_some(), alone.unwrap_or_default()],
    )?;
    Ok(())
}

/// What is left out of an object, in the target's words.
pub(super) fn message(state: &State, job: i64, key: Key) -> rusqlite::Result<String> {
    let messages: Vec<String> = state.column(
        "SELECT message FROM withheld WHERE job = ?1 AND source = ?2 AND alone ORDER BY path",
        params![job, key],
    )?;
    Ok(messages.join("; "))
}

/// The target has taken these attributes.
pub(super) fn forget<'p>(
    state: &State,
    job: i64,
    key: Key,
    paths: impl IntoIterator<Item = &'p TargetPath>,
) -> rusqlite::Result<()> {
    let any: bool = state
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM withheld WHERE job = ?1 AND source = ?2)")?
        .query_row(params![job, key], |row| row.get(0))?;
    if !any {
        return Ok(());
    }
    for path in paths {
        let element = path.element().unwrap_or_else(|| path.clone());
        for path in [path, &element] {
            let path = state.number_of_path(path)?;
            state.run(
                "DELETE FROM withheld WHERE job = ?1 AND source = ?2 AND path = ?3",
                params![job, key, path],
            )?;
        }
    }
    Ok(())
}

/// What is left out of each of these objects.
pub(super) fn withheld(
    state: &State,
    job: i64,
    keys: &[Key],
) -> rusqlite::Result<BTreeMap<Key, BTreeSet<TargetPath>>> {
    let mut withheld: BTreeMap<Key, BTreeSet<TargetPath>> = BTreeMap::new();
    let mut statement = state.prepare_cached(
        "SELECT w.source, w.path FROM rarray(?1) k
         CROSS JOIN withheld w ON w.job = ?2 AND w.source = k.value
         WHERE w.alone",
    )?;
    let mut rows = statement.query(params![array(keys), job])?;
    while let Some(row) = rows.next()? {
        let path = state.path_of_number(row.get(1)?)?;
        withheld.entry(row.get(0)?).or_default().insert(path);
    }
    Ok(withheld)
}

/// Objects that are not in escrow any more have nothing left out.
pub(super) fn forget_healed(state: &State, job: i64) -> rusqlite::Result<()> {
    state.run(
        "DELETE FROM withheld WHERE job = ?1 AND NOT EXISTS (
             SELECT 1 FROM escrow e WHERE e.job = withheld.job AND e.source = withheld.source)",
        params![job],
    )?;
    Ok(())
}

//! Scratch objects that a probe creates in a target: on record from before they are created until they are
//! removed.

use rusqlite::params;

use super::jobs::ensure_job;
use super::{Error, Store};
use crate::engine::model::{JobName, ObjectKind, TargetId};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scratch {
    pub(crate) kind: ObjectKind,
    /// What it is found by while its id is not known.
    pub(crate) name: String,
    pub(crate) target: Option<TargetId>,
}

impl Store {
    /// In the order in which they were created.
    pub(crate) fn scratch(&self, job: &JobName) -> Result<Vec<Scratch>, Error> {
        self.read("look up scratch objects", |state| {
            state
                .prepare_cached(
                    "SELECT s.kind, s.name, s.target FROM scratch s JOIN jobs j ON j.key = s.job
                     WHERE j.name = ?1 ORDER BY s.id",
                )?
                .query_map(params![job], |row| {
                    let kind = row.get(0)?;
                    let target: Option<String> = row.get(2)?;
                    Ok(Scratch {
                        kind,
                        name: row.get(1)?,
                        target: target.map(TargetId::new),
                    })
                })?
                .collect()
        })
    }

    pub(crate) fn note_scratch(&self, job: &JobName, scratch: &Scratch) -> Result<(), Error> {
        let Scratch { kind, name, target } = scratch;
        self.write("note a scratch object", |state| {
            let job = ensure_job(state, job)?;
            state.run(
                "INSERT INTO scratch (job, kind, name, target) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (job, name) DO UPDATE SET target = excluded.target",
                params![job, kind, name, target.as_ref().map(TargetId::as_str)],
            )?;
            Ok(())
        })
    }

    pub(crate) fn forget_scratch(&self, job: &JobName, name: &str) -> Result<(), Error> {
        self.write("forget a scratch object", |state| {
            let Some(job) = state.job(job)? else {
                return Ok(());
            };
            state.run(
                "DELETE FROM scratch WHERE job = ?1 AND name = ?2",
                params![job, name],
            )?;
            Ok(())
        })
    }
}

//! The job's application in the source: its roles, and who is assigned to it.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, params};
use sha2::{Digest as _, Sha256};

use super::jobs::ensure_job;
use super::marks::Marks;
use super::source::Stream;
use super::state::State;
use super::{Error, Store};
use crate::engine::model::{
    AppRole, Assignment, Complete, JobName, Key, ObjectKind, SourceId, SourceNumber,
};

/// The service principal that a job provisions for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Application {
    pub(crate) service_principal: SourceId,
    /// In the order of their ids.
    pub(crate) roles: Vec<AppRole>,
}

const STORE: &str = "store the application's assignments";

impl Store {
    /// Stores the application as it was read. The holders of a role that changed are marked.
    pub(crate) fn record_application(
        &self,
        job: &JobName,
        source: SourceNumber,
        application: &Application,
    ) -> Result<(), Error> {
        let Application {
            service_principal,
            roles,
        } = application;
        self.write("store the application's roles", |tx| {
            let job = ensure_job(tx, job)?;
            tx.run(
                "UPDATE job_sources SET service_principal = ?3 WHERE job = ?1 AND source = ?2",
                params![job, source, service_principal],
            )?;
            let known: BTreeSet<AppRole> = known_roles(tx, job, source)?.into_iter().collect();
            let read: BTreeSet<AppRole> = roles.iter().cloned().collect();
            if known == read {
                return Ok(());
            }
            tx.run(
                "DELETE FROM roles WHERE job = ?1 AND source = ?2",
                params![job, source],
            )?;
            for AppRole {
                id,
                value,
                display_name,
            } in &read
            {
                tx.run(
                    "REPLACE INTO roles (job, source, id, value, display_name)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![job, source, id, value, display_name],
                )?;
            }
            let changed: BTreeSet<i64> = known
                .symmetric_difference(&read)
                .map(|role| tx.number_of_name(&role.id))
                .collect::<rusqlite::Result<_>>()?;
            let mut marks = Marks::of(tx, job);
            for Assigned {
                kind,
                principal,
                role,
            } in all(tx, job, source)?
            {
                if changed.contains(&role) {
                    marks.object_and_below(kind, principal)?;
                }
            }
            Ok(())
        })
    }

    pub(crate) fn application(
        &self,
        job: &JobName,
        source: SourceNumber,
    ) -> Result<Option<Application>, Error> {
        self.read("look up the application", |state| {
            let service_principal: Option<Option<SourceId>> = state
                .prepare_cached(
                    "SELECT s.service_principal FROM jobs j CROSS JOIN job_sources s
                     WHERE j.name = ?1 AND s.job = j.key AND s.source = ?2",
                )?
                .query_row(params![job, source], |row| row.get(0))
                .optional()?;
            let Some(service_principal) = service_principal.flatten() else {
                return Ok(None);
            };
            Ok(Some(Application {
                service_principal,
                roles: known_roles(state, state.job_or_none(job)?, source)?,
            }))
        })
    }

    /// What a complete reading says takes the place of what is known; what came or went is marked.
    pub(crate) fn replace_assignments(
        &self,
        job: &JobName,
        source: SourceNumber,
        read: &Complete<Vec<Assignment>>,
    ) -> Result<(), Error> {
        let digest = digest(read.get());
        self.write(STORE, |tx| {
            let job = ensure_job(tx, job)?;
            // The list of a hundred thousand people is read in every cycle, and mostly it is the same.
            let known: Option<Vec<u8>> = tx
                .prepare_cached("SELECT assigned FROM job_sources WHERE job = ?1 AND source = ?2")?
                .query_row(params![job, source], |row| row.get(0))?;
            if known.is_some_and(|known| known == digest) {
                return Ok(());
            }
            let mut marks = Marks::of(tx, job);
            let mut new = assigned(tx, source, read.get())?;
            let known = all(tx, job, source)?;
            for gone in known.into_iter().filter(|known| !new.remove(known)) {
                tx.run(
                    "DELETE FROM assignments
                     WHERE job = ?1 AND kind = ?2 AND principal = ?3 AND role = ?4",
                    params![job, gone.kind, gone.principal, gone.role],
                )?;
                marks.object_and_below(gone.kind, gone.principal)?;
            }
            add(tx, &mut marks, job, new)?;
            tx.run(
                "UPDATE job_sources SET assigned = ?3 WHERE job = ?1 AND source = ?2",
                params![job, source, digest],
            )?;
            Ok(())
        })
    }

    /// Adds what a reading that was not complete found, and takes nothing away (product rule 3).
    pub(crate) fn add_assignments(
        &self,
        job: &JobName,
        source: SourceNumber,
        read: &[Assignment],
    ) -> Result<(), Error> {
        self.write(STORE, |tx| {
            let job = ensure_job(tx, job)?;
            let mut marks = Marks::of(tx, job);
            let read = assigned(tx, source, read)?;
            tx.run(
                "UPDATE job_sources SET assigned = NULL WHERE job = ?1 AND source = ?2",
                params![job, source],
            )?;
            add(tx, &mut marks, job, read)
        })
    }
}

/// Of a list, in its order. Another order of the same list only costs a comparison row by row.
fn digest(assignments: &[Assignment]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for Assignment {
        kind,
        principal,
        role,
    } in assignments
    {
        for part in [kind.word(), principal.as_str(), role] {
            digest.update(part);
            digest.update([0]);
        }
    }
    digest.finalize().into()
}

/// An assignment by numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Assigned {
    kind: ObjectKind,
    principal: Key,
    role: i64,
}

fn assigned(
    state: &State,
    source: SourceNumber,
    assignments: &[Assignment],
) -> rusqlite::Result<BTreeSet<Assigned>> {
    let numbered = assignments.iter().map(|assignment| {
        let Assignment {
            kind,
            principal,
            role,
        } = assignment;
        Ok(Assigned {
            kind: *kind,
            principal: state.key_or_mention(
                Stream {
                    source,
                    kind: *kind,
                },
                principal,
            )?,
            role: state.number_of_name(role)?,
        })
    });
    numbered.collect()
}

/// Those of a source.
fn all(state: &State, job: i64, source: SourceNumber) -> rusqlite::Result<Vec<Assigned>> {
    state
        .prepare_cached(
            "SELECT a.kind, a.principal, a.role FROM assignments a
             CROSS JOIN objects o ON o.key = a.principal
             WHERE a.job = ?1 AND o.source = ?2",
        )?
        .query_map(params![job, source], |row| {
            Ok(Assigned {
                kind: row.get(0)?,
                principal: row.get(1)?,
                role: row.get(2)?,
            })
        })?
        .collect()
}

fn add(
    state: &State,
    marks: &mut Marks<'_>,
    job: i64,
    assignments: BTreeSet<Assigned>,
) -> rusqlite::Result<()> {
    for Assigned {
        kind,
        principal,
        role,
    } in assignments
    {
        let added = state.changes(
            "INSERT OR IGNORE INTO assignments (job, kind, principal, role) VALUES (?1, ?2, ?3, ?4)",
            params![job, kind, principal, role],
        )?;
        if added {
            marks.object_and_below(kind, principal)?;
        }
    }
    Ok(())
}

fn known_roles(state: &State, job: i64, source: SourceNumber) -> rusqlite::Result<Vec<AppRole>> {
    state
        .prepare_cached(
            "SELECT id, value, display_name FROM roles WHERE job = ?1 AND source = ?2 ORDER BY id",
        )?
        .query_map(params![job, source], |row| {
            Ok(AppRole {
                id: row.get(0)?,
                value: row.get(1)?,
                display_name: row.get(2)?,
            })
        })?
        .collect()
}

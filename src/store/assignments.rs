//! The job's application in the source: its roles, and who is assigned to it.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::jobs::ensure_job;
use super::marks::Marks;
use super::objects::ids;
use super::{Error, Store};
use crate::engine::expr::AppRole;
use crate::engine::model::{Assignment, Complete, JobName, ObjectKind, SourceId};

/// The service principal that a job provisions for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Application {
    pub(crate) service_principal: SourceId,
    /// In the order of their ids.
    pub(crate) roles: Vec<AppRole>,
}

const STORE: &str = "store the application's assignments";
const LOOK_UP: &str = "look up the application's assignments";

impl Store {
    /// Stores the application as it was read. Who holds a role that changed is marked.
    pub(crate) fn record_application(
        &self,
        job: &JobName,
        application: &Application,
    ) -> Result<(), Error> {
        let Application {
            service_principal,
            roles,
        } = application;
        self.write("store the application's roles", |tx| {
            ensure_job(tx, job)?;
            tx.prepare_cached("UPDATE jobs SET service_principal = ?2 WHERE name = ?1")?
                .execute(params![job, service_principal])?;
            let known: BTreeSet<AppRole> = known_roles(tx, job)?.into_iter().collect();
            let read: BTreeSet<AppRole> = roles.iter().cloned().collect();
            if known == read {
                return Ok(());
            }
            tx.prepare_cached("DELETE FROM roles WHERE job = ?1")?
                .execute(params![job])?;
            for AppRole {
                id,
                value,
                display_name,
            } in &read
            {
                tx.prepare_cached("REPLACE INTO roles VALUES (?1, ?2, ?3, ?4)")?
                    .execute(params![job, id, value, display_name])?;
            }
            let changed: BTreeSet<&str> = known
                .symmetric_difference(&read)
                .map(|role| role.id.as_str())
                .collect();
            let mut marks = Marks::of(tx, job);
            for holder in tx
                .prepare_cached(ALL)?
                .query_map(params![job], assignment)?
            {
                let holder = holder?;
                if changed.contains(holder.role.as_str()) {
                    marks.object_and_below(holder.kind, &holder.principal)?;
                }
            }
            Ok(())
        })
    }

    pub(crate) fn application(&self, job: &JobName) -> Result<Option<Application>, Error> {
        self.read("look up the application", |connection| {
            let service_principal: Option<Option<SourceId>> = connection
                .prepare_cached("SELECT service_principal FROM jobs WHERE name = ?1")?
                .query_row(params![job], |row| row.get(0))
                .optional()?;
            let Some(service_principal) = service_principal.flatten() else {
                return Ok(None);
            };
            Ok(Some(Application {
                service_principal,
                roles: known_roles(connection, job)?,
            }))
        })
    }

    /// What a complete reading says takes the place of what is known; who came or went is marked.
    pub(crate) fn replace_assignments(
        &self,
        job: &JobName,
        read: &Complete<Vec<Assignment>>,
    ) -> Result<(), Error> {
        self.write(STORE, |tx| {
            ensure_job(tx, job)?;
            let mut marks = Marks::of(tx, job);
            let mut new: BTreeSet<&Assignment> = read.get().iter().collect();
            let mut gone = Vec::new();
            for known in tx
                .prepare_cached(ALL)?
                .query_map(params![job], assignment)?
            {
                let known = known?;
                if !new.remove(&known) {
                    gone.push(known);
                }
            }
            for Assignment {
                kind,
                principal,
                role,
            } in &gone
            {
                tx.prepare_cached(
                    "DELETE FROM assignments
                     WHERE job = ?1 AND kind = ?2 AND principal = ?3 AND role = ?4",
                )?
                .execute(params![job, kind, principal, role])?;
                marks.object_and_below(*kind, principal)?;
            }
            new.into_iter()
                .try_for_each(|assignment| add(tx, &mut marks, job, assignment))
        })
    }

    /// Adds what a reading that was not complete found, and takes nothing away (product rule 3).
    pub(crate) fn add_assignments(&self, job: &JobName, read: &[Assignment]) -> Result<(), Error> {
        self.write(STORE, |tx| {
            ensure_job(tx, job)?;
            let mut marks = Marks::of(tx, job);
            read.iter()
                .try_for_each(|assignment| add(tx, &mut marks, job, assignment))
        })
    }

    /// The assignments of one user or group.
    pub(crate) fn assignments_of(
        &self,
        job: &JobName,
        kind: ObjectKind,
        id: &SourceId,
    ) -> Result<Vec<Assignment>, Error> {
        self.read(LOOK_UP, |connection| {
            connection
                .prepare_cached(
                    "SELECT role FROM assignments
                     WHERE job = ?1 AND kind = ?2 AND principal = ?3 ORDER BY role",
                )?
                .query_map(params![job, kind, id], |row| {
                    Ok(Assignment {
                        kind,
                        principal: id.clone(),
                        role: row.get(0)?,
                    })
                })?
                .collect()
        })
    }

    /// Who is assigned, each once.
    pub(crate) fn assigned(&self, job: &JobName, kind: ObjectKind) -> Result<Vec<SourceId>, Error> {
        self.read(LOOK_UP, |connection| {
            ids(
                connection,
                "SELECT DISTINCT principal FROM assignments WHERE job = ?1 AND kind = ?2
                 ORDER BY principal",
                params![job, kind],
            )
        })
    }
}

fn add(
    tx: &Transaction<'_>,
    marks: &mut Marks<'_>,
    job: &JobName,
    assignment: &Assignment,
) -> rusqlite::Result<()> {
    let Assignment {
        kind,
        principal,
        role,
    } = assignment;
    let added = tx
        .prepare_cached("INSERT OR IGNORE INTO assignments VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![job, kind, principal, role])?;
    if added > 0 {
        marks.object_and_below(*kind, principal)?;
    }
    Ok(())
}

const ALL: &str = "SELECT kind, principal, role FROM assignments WHERE job = ?1";

fn assignment(row: &Row<'_>) -> rusqlite::Result<Assignment> {
    Ok(Assignment {
        kind: row.get(0)?,
        principal: row.get(1)?,
        role: row.get(2)?,
    })
}

fn known_roles(connection: &Connection, job: &JobName) -> rusqlite::Result<Vec<AppRole>> {
    connection
        .prepare_cached("SELECT id, value, display_name FROM roles WHERE job = ?1 ORDER BY id")?
        .query_map(params![job], |row| {
            Ok(AppRole {
                id: row.get(0)?,
                value: row.get(1)?,
                display_name: row.get(2)?,
            })
        })?
        .collect()
}

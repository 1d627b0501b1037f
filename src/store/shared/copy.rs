//! A state moves between a file and a database, whole, and what arrived is compared with what left.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags, params};
use sha2::{Digest as _, Sha256};

use super::changes::{Parts, Table};
use super::link::Link;
use super::sending::{install_sent, send};
use super::snapshot::{reload_whole, temporary};
use super::{Failed, agents, head};
use crate::config::{Database, Secret};
use crate::store::error::Error;
use crate::store::open::{check_format, connect};
use crate::store::{Lock, Store, backup};

/// How many rows each table has, and a digest of them.
pub(crate) type Content = BTreeMap<String, (u64, String)>;

impl Store {
    /// Copies the state of a file into a database that holds none yet. The file stays as it is. A copy that was
    /// cut off is resumed. `key`: the one that is configured.
    pub(crate) fn copy_to_database(
        from: &Path,
        database: &Database,
        key: Option<&Secret>,
        _lock: &Lock,
    ) -> Result<Content, Error> {
        // An older file is brought up to date first; a copy of a database is refused.
        Self::open(from)?.check_key_is(key)?;
        let settings = Arc::new(database.clone());
        let link = Link::new(Arc::clone(&settings));
        let of_database = |failed| Error::database(database, failed);
        let not_empty = || Error::NotEmpty {
            schema: database.schema.clone(),
        };
        if link
            .ask("open the state", head)
            .map_err(of_database)?
            .is_some()
        {
            return Err(not_empty());
        }
        let failed = |source| Error::new("copy", from, source);
        let file = temporary(from)?;
        let name = |state: &str| {
            let source = connect(from, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            let mut copy = connect(file.path(), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            backup::run(&source, &mut copy).map_err(failed)?;
            // The same bytes for the same state, however often the file was opened.
            copy.execute_batch(
                "UPDATE place SET path = NULL, closed = 1, opened = 0; PRAGMA journal_mode = DELETE",
            )
            .map_err(failed)?;
            copy.execute(
                "INSERT INTO copied (state, position) VALUES (?1, 0)",
                params![state],
            )
            .map_err(failed)?;
            Ok(())
        };
        let state = send(&link, &settings, file.path(), name)?;
        if !install_sent(&link, &settings, state).map_err(of_database)? {
            return Err(not_empty());
        }
        let arrived = temporary(from)?;
        reload_whole(&link, arrived.path())?;
        compare(&content_of(file.path())?, content_of(arrived.path())?).map_err(of_database)
    }

    /// Copies the state of a database into a file that is not there yet. The database stays as it is.
    pub(crate) fn copy_from_database(database: &Database, to: &Path) -> Result<Content, Error> {
        let of_database = |failed| Error::database(database, failed);
        let settings = Arc::new(database.clone());
        let link = Link::new(Arc::clone(&settings));
        let known = link.ask("open the state", head).map_err(of_database)?;
        if known.is_none() {
            return Err(of_database(Failed::unfit(
                format!("it holds no state in the schema {}", database.schema),
                "correct state.url or state.schema",
            )));
        }
        let listed = agents::registered(&link).map_err(of_database)?;
        if let Some(agent) = listed.into_iter().find(|agent| agent.is_alive) {
            return Err(Error::AgentRuns {
                agent: Box::new(agent),
            });
        }
        if to.exists() {
            return Err(Error::Exists {
                path: to.to_owned(),
            });
        }
        // What has arrived when the way breaks stays for the next attempt.
        let mut partial = to.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        match backup::make(&partial) {
            Ok(()) | Err(Error::Exists { .. }) => {}
            Err(error) => return Err(error),
        }
        reload_whole(&link, &partial)?;
        drop(super::Shared::look(database, &partial)?);
        let expected = content_of(&partial)?;
        let connection = connect(&partial, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection
            .execute_batch(
                "DELETE FROM copied; UPDATE place SET path = NULL, closed = 1;
                 PRAGMA wal_checkpoint(TRUNCATE)",
            )
            .map_err(|source| Error::new("copy to", to, source))?;
        drop(connection);
        let content = compare(&expected, content_of(&partial)?).map_err(of_database)?;
        fs::rename(&partial, to).map_err(|source| Error::File {
            attempt: "name the copy",
            path: to.to_owned(),
            source,
        })?;
        Ok(content)
    }

    /// What is in the state, and what is wrong with it.
    pub(crate) fn check_state(&self) -> Result<(Content, Vec<String>), Error> {
        self.read("check", |state| Ok((content(state)?, faults(state)?)))
    }
}

fn compare(left: &Content, arrived: Content) -> Result<Content, Failed> {
    let other = left
        .iter()
        .find(|(table, rows)| arrived.get(*table) != Some(rows));
    match other {
        Some((table, _)) => Err(Failed::unreadable(&format!(
            "the copy of {table}, which differs from what was copied,"
        ))),
        None => Ok(arrived),
    }
}

fn content_of(path: &Path) -> Result<Content, Error> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    check_format(&connection, path)?;
    content(&connection).map_err(|source| Error::new("read", path, source))
}

fn content(connection: &Connection) -> rusqlite::Result<Content> {
    Table::all(connection)?
        .into_iter()
        .map(|table| {
            let mut digest = Sha256::new();
            let mut count = 0;
            let mut statement = connection.prepare(&table.in_order())?;
            let columns = statement.column_count();
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let mut parts = Parts::default();
                for index in 0..columns {
                    parts.value(row.get_ref(index)?);
                }
                for part in parts.finish() {
                    digest.update(part);
                }
                count += 1;
            }
            Ok((table.name, (count, format!("{:x}", digest.finalize()))))
        })
        .collect()
}

/// What must hold of every state, as queries for what breaks it.
const INVARIANTS: &[(&str, &str)] = &[
    (
        "links whose object is not known",
        "SELECT count(*) FROM links WHERE NOT EXISTS (
             SELECT 1 FROM objects WHERE objects.key = links.link & 4294967295)",
    ),
    (
        "links of a job that is not known",
        "SELECT count(*) FROM links WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.key = links.job)",
    ),
    (
        "jobs whose number of linked users or groups is wrong",
        "SELECT count(*) FROM jobs WHERE linked_users <> (
                 SELECT count(*) FROM links WHERE links.job = jobs.key AND kind = 1 AND unread <> 2)
             OR linked_groups <> (
                 SELECT count(*) FROM links WHERE links.job = jobs.key AND kind = 2 AND unread <> 2)",
    ),
    (
        "objects whose number was not given yet",
        "SELECT count(*) FROM objects, counter WHERE objects.key > counter.key",
    ),
    (
        "changes whose number was not given yet",
        "SELECT count(*) FROM actions, counter WHERE actions.id > counter.row",
    ),
    (
        "changes of a job that is not known",
        "SELECT count(*) FROM actions WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.key = actions.job)",
    ),
];

fn faults(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut faults: Vec<String> = connection
        .prepare("PRAGMA integrity_check(10)")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    faults.retain(|words| words != "ok");
    let broken: i64 =
        connection.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| {
            row.get(0)
        })?;
    if broken > 0 {
        faults.push(format!("{broken} entries of a cycle that is not known"));
    }
    for (words, sql) in INVARIANTS {
        let count: i64 = connection.query_row(sql, [], |row| row.get(0))?;
        if count > 0 {
            faults.push(format!("{count} {words}"));
        }
    }
    Ok(faults)
}

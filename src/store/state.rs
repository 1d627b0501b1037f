//! One connection, with the numbers that its rows use for texts: the one way to a statement, and the
//! one way to a transaction.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::types::Value as Sql;
use rusqlite::vtab::array::Array;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, params};

use super::source::Stream;
use super::wire::{guid, unreadable};
use crate::engine::model::{JobName, Key, ObjectKind, SourceId, TargetPath};

/// More than we have, so that no statement is ever compiled twice.
const STATEMENTS: usize = 512;

pub(super) struct State {
    connection: Connection,
    /// Whether what is written goes to temporary tables, see `layer`.
    layered: bool,
    names: RefCell<Numbers<Arc<str>>>,
    paths: RefCell<Numbers<TargetPath>>,
    jobs: RefCell<BTreeMap<JobName, i64>>,
    /// The last number given to an object; `None` until it is needed.
    last_key: Cell<Option<i64>>,
    /// The same for rows of the ledger.
    last_row: Cell<Option<i64>>,
}

/// Texts and their numbers, so far as they were needed.
struct Numbers<T> {
    numbers: BTreeMap<T, i64>,
    values: BTreeMap<i64, T>,
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self {
            numbers: BTreeMap::new(),
            values: BTreeMap::new(),
        }
    }
}

impl<T: Ord + Clone> Numbers<T> {
    fn note(&mut self, number: i64, value: &T) {
        self.numbers.insert(value.clone(), number);
        self.values.insert(number, value.clone());
    }
}

impl Deref for State {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

impl State {
    pub(super) fn new(connection: Connection) -> rusqlite::Result<Self> {
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        rusqlite::vtab::array::load_module(&connection)?;
        // Without it SQLite looks at each parameter that a plan might depend on, such as a number that
        // is compared with a column, and compiles the statement again whenever one is bound.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        Ok(Self {
            connection,
            layered: false,
            names: RefCell::default(),
            paths: RefCell::default(),
            jobs: RefCell::default(),
            last_key: Cell::new(None),
            last_row: Cell::new(None),
        })
    }

    /// Whether the large tables are views of what is in the file and what is not.
    pub(super) fn is_layered(&self) -> bool {
        self.layered
    }

    /// From now on what is written goes to temporary tables.
    pub(super) fn layered(mut self) -> Self {
        self.layered = true;
        self
    }

    /// A statement, compiled when it is used for the first time.
    pub(super) fn prepare_cached(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>> {
        #[cfg(test)]
        used::note(sql);
        self.connection.prepare_cached(sql)
    }

    /// Runs a statement that changes something.
    pub(super) fn run(&self, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
        self.prepare_cached(sql)?.execute(params)
    }

    /// Runs a statement and says whether it changed anything. The number that `execute` gives does not
    /// count what a trigger does in place of a statement.
    pub(super) fn changes(&self, sql: &str, params: impl Params) -> rusqlite::Result<bool> {
        let before = self.total_changes();
        self.prepare_cached(sql)?.execute(params)?;
        Ok(self.total_changes() != before)
    }

    /// All rows of a query with one column.
    pub(super) fn column<T: rusqlite::types::FromSql>(
        &self,
        sql: &str,
        params: impl Params,
    ) -> rusqlite::Result<Vec<T>> {
        self.prepare_cached(sql)?
            .query_map(params, |row| row.get(0))?
            .collect()
    }

    /// Runs `work` in one transaction, which is on disk when this returns.
    pub(super) fn transaction<T>(
        &self,
        work: impl FnOnce(&Self) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.transaction_until(work, |_| Ok(()))
    }

    /// The same with something that must succeed before it is committed.
    pub(super) fn transaction_until<T, E: From<rusqlite::Error>>(
        &self,
        work: impl FnOnce(&Self) -> rusqlite::Result<T>,
        last: impl FnOnce(&Self) -> Result<(), E>,
    ) -> Result<T, E> {
        self.run(
            if self.layered {
                "SAVEPOINT work"
            } else {
                "BEGIN IMMEDIATE"
            },
            [],
        )?;
        let mut open = Open {
            state: self,
            committed: false,
        };
        let done = work(self)?;
        if let Some(key) = self.last_key.get() {
            self.run("UPDATE counter SET key = ?1 WHERE key <> ?1", params![key])?;
        }
        if let Some(row) = self.last_row.get() {
            self.run("UPDATE counter SET row = ?1 WHERE row <> ?1", params![row])?;
        }
        last(self)?;
        self.run(
            if self.layered {
                "RELEASE work"
            } else {
                "COMMIT"
            },
            [],
        )?;
        open.committed = true;
        Ok(done)
    }

    /// They are looked up again: another process may have given some since.
    pub(super) fn forget_numbers(&self) {
        *self.names.borrow_mut() = Numbers::default();
        *self.paths.borrow_mut() = Numbers::default();
        self.jobs.borrow_mut().clear();
        self.last_key.set(None);
        self.last_row.set(None);
    }

    /// The number of an attribute's name or of a role's id, given when it has none yet.
    pub(super) fn number_of_name(&self, name: &str) -> rusqlite::Result<i64> {
        if let Some(number) = self.names.borrow().numbers.get(name) {
            return Ok(*number);
        }
        let number = self.number_in("names", "name", name)?;
        self.names.borrow_mut().note(number, &Arc::from(name));
        Ok(number)
    }

    pub(super) fn name(&self, number: i64) -> rusqlite::Result<Arc<str>> {
        if let Some(name) = self.names.borrow().values.get(&number) {
            return Ok(Arc::clone(name));
        }
        let name: Arc<str> = self
            .prepare_cached("SELECT name FROM names WHERE number = ?1")?
            .query_row(params![number], |row| row.get::<_, String>(0))?
            .into();
        self.names.borrow_mut().note(number, &name);
        Ok(name)
    }

    /// The number of a target path, given when it has none yet.
    pub(super) fn number_of_path(&self, path: &TargetPath) -> rusqlite::Result<i64> {
        if let Some(number) = self.paths.borrow().numbers.get(path) {
            return Ok(*number);
        }
        let number = self.number_in("paths", "path", &path.to_string())?;
        self.paths.borrow_mut().note(number, path);
        Ok(number)
    }

    pub(super) fn path_of_number(&self, number: i64) -> rusqlite::Result<TargetPath> {
        if let Some(path) = self.paths.borrow().values.get(&number) {
            return Ok(path.clone());
        }
        let text: String = self
            .prepare_cached("SELECT path FROM paths WHERE number = ?1")?
            .query_row(params![number], |row| row.get(0))?;
        let path = TargetPath::parse(&text).map_err(|_| unreadable("target path"))?;
        self.paths.borrow_mut().note(number, &path);
        Ok(path)
    }

    fn number_in(&self, table: &str, column: &str, text: &str) -> rusqlite::Result<i64> {
        let known = self
            .prepare_cached(&format!("SELECT number FROM {table} WHERE {column} = ?1"))?
            .query_row(params![text], |row| row.get(0))
            .optional()?;
        if let Some(number) = known {
            return Ok(number);
        }
        self.run(
            &format!(
                "INSERT INTO {table} (number, {column})
                 SELECT 1 + coalesce(max(number), 0), ?1 FROM {table}"
            ),
            params![text],
        )?;
        self.prepare_cached(&format!("SELECT number FROM {table} WHERE {column} = ?1"))?
            .query_row(params![text], |row| row.get(0))
    }

    /// The number of a job; `None` for one that the state does not know.
    pub(super) fn job(&self, job: &JobName) -> rusqlite::Result<Option<i64>> {
        if let Some(key) = self.jobs.borrow().get(job) {
            return Ok(Some(*key));
        }
        let key = self
            .prepare_cached("SELECT key FROM jobs WHERE name = ?1")?
            .query_row(params![job], |row| row.get(0))
            .optional()?;
        if let Some(key) = key {
            self.jobs.borrow_mut().insert(job.clone(), key);
        }
        Ok(key)
    }

    /// The number of a job for a query; no row has the number of one that is not known.
    pub(super) fn job_or_none(&self, job: &JobName) -> rusqlite::Result<i64> {
        Ok(self.job(job)?.unwrap_or(0))
    }

    pub(super) fn key(&self, kind: ObjectKind, id: &SourceId) -> rusqlite::Result<Option<Key>> {
        self.prepare_cached("SELECT key FROM objects WHERE id = ?1 AND kind = ?2")?
            .query_row(params![id, kind], |row| row.get(0))
            .optional()
    }

    /// The number of an object, given when it has none yet: it is mentioned, but was not read.
    pub(super) fn key_or_mention(
        &self,
        stream: impl Into<Stream>,
        id: &SourceId,
    ) -> rusqlite::Result<Key> {
        let Stream { source, kind } = stream.into();
        if let Some(key) = self.key(kind, id)? {
            return Ok(key);
        }
        let key = self.next_key()?;
        self.run(
            "INSERT INTO objects (key, kind, id, presence, seen, manager, label, attributes, source)
             VALUES (?1, ?2, ?3, 0, 0, NULL, '', NULL, ?4)",
            params![key, kind, id, source],
        )?;
        Ok(key)
    }

    /// The same for an object of the source of this one.
    pub(super) fn key_next_to(
        &self,
        near: Key,
        kind: ObjectKind,
        id: &SourceId,
    ) -> rusqlite::Result<Key> {
        if let Some(key) = self.key(kind, id)? {
            return Ok(key);
        }
        let source = self
            .prepare_cached("SELECT source FROM objects WHERE key = ?1")?
            .query_row(params![near], |row| row.get(0))?;
        self.key_or_mention(Stream { source, kind }, id)
    }

    pub(super) fn next_row(&self) -> rusqlite::Result<i64> {
        let last = match self.last_row.get() {
            Some(last) => last,
            None => self
                .prepare_cached("SELECT row FROM counter")?
                .query_row([], |row| row.get(0))?,
        };
        self.last_row.set(Some(last + 1));
        Ok(last + 1)
    }

    pub(super) fn next_key(&self) -> rusqlite::Result<Key> {
        let last = match self.last_key.get() {
            Some(last) => last,
            None => self
                .prepare_cached("SELECT key FROM counter")?
                .query_row([], |row| row.get(0))?,
        };
        self.last_key.set(Some(last + 1));
        u32::try_from(last + 1)
            .map(Key::new)
            .map_err(|_| unreadable("number of objects").into())
    }
}

/// A transaction that is rolled back unless it was committed, also by a panic.
struct Open<'s> {
    state: &'s State,
    committed: bool,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if self.committed {
            return;
        }
        self.state.forget_numbers();
        let sql = if self.state.layered {
            "ROLLBACK TO work; RELEASE work"
        } else {
            "ROLLBACK"
        };
        // SQLite has rolled back already after some errors, and says so here.
        let _already_done = self.state.connection.execute_batch(sql);
    }
}

/// Keys as one parameter, for `rarray`.
pub(super) fn array(keys: &[Key]) -> Array {
    let keys = keys.iter().map(|key| Sql::Integer(i64::from(key.get())));
    Rc::new(keys.collect())
}

/// The same of other numbers.
pub(super) fn array_of_numbers(numbers: &[i64]) -> Array {
    Rc::new(numbers.iter().copied().map(Sql::Integer).collect())
}

/// The same of ids in the source.
pub(super) fn array_of_ids(ids: &[SourceId]) -> Array {
    let ids = ids.iter().map(|id| match guid(id.as_str()) {
        Some(bytes) => Sql::Blob(bytes.to_vec()),
        None => Sql::Text(id.to_string()),
    });
    Rc::new(ids.collect())
}

/// What `links` calls an object of a job is this plus the object's key.
pub(super) fn first_link(job: i64) -> i64 {
    job << 32
}

/// The statements that ran in this thread, for tests on how they run.
#[cfg(test)]
pub(super) mod used {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    thread_local! {
        static USED: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
    }

    pub(super) fn note(sql: &str) {
        USED.with_borrow_mut(|used| {
            if !used.contains(sql) {
                used.insert(sql.to_owned());
            }
        });
    }

    pub(crate) fn statements() -> BTreeSet<String> {
        USED.with_borrow(Clone::clone)
    }
}

//! Opening the state file: for cycles, for a plan that changes nothing, or only to be read.

mod file;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OpenFlags};

use super::lock;
use super::migrations;
use super::shared::{self, Shared};
use super::state::State;
use super::{Error, backup, layer, leftovers, place};
use crate::config::{Database, StateAt};
use crate::engine::model::JobName;
use crate::engine::record::Holder;
use crate::os::is_at;
use file::{check_content, connect_to_read, exists, prepare};

pub(super) use file::{check_format, connect, create, describe, sole_file};

/// Pages in memory, in KiB: enough for the inner nodes of the indexes of a million users.
const CACHE: i64 = 40 * 1024;

/// The local state. Every method is one transaction: it is done completely, or nothing of it.
#[derive(Debug)]
pub(crate) struct Store {
    // In this order they are dropped: to close a descriptor of the file would release the locks that
    // SQLite holds on it for this process.
    state: Mutex<State>,
    descriptor: Option<File>,
    path: PathBuf,
    /// Whether a process held the lock, this one included, when the file was opened.
    pub(super) was_locked: bool,
    mode: Mode,
    /// How often the file had been opened, if this is to note that it is closed: `NOT_OURS` where another
    /// process uses it.
    pub(super) opened: AtomicI64,
    /// `None`: the file is all there is, or the database cannot be reached.
    pub(super) shared: Option<Shared>,
    /// Of a state that is in a database.
    is_copy: bool,
}

const NOT_OURS: i64 = -1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Write,
    /// Nothing reaches the file.
    Read,
}

/// Whether a file may be opened that was moved without its write-ahead log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moved {
    Refuse,
    Accept,
}

impl Store {
    /// Opens the state file, makes it when it is missing, and brings an older one up to date.
    pub(crate) fn open(at: impl Into<StateAt>) -> Result<Self, Error> {
        let at = at.into();
        about(&at, Self::open_writable(&at, Moved::Refuse))
    }

    /// The same for a file that was moved without its write-ahead log.
    pub(crate) fn open_moved(at: impl Into<StateAt>) -> Result<Self, Error> {
        let at = at.into();
        if !exists(&at.path)? {
            return Err(Error::Missing { path: at.path });
        }
        about(&at, Self::open_writable(&at, Moved::Accept))
    }

    fn open_writable(at: &StateAt, moved: Moved) -> Result<Self, Error> {
        let path = at.path.as_path();
        leftovers::remove();
        create(path)?;
        let descriptor = describe(path)?;
        // Before SQLite opens the file, and never again: see `lock`.
        let was_locked = lock::is_held(&descriptor, path)?;
        let shared = match &at.database {
            Some(database) => Some(Shared::prepare(database, path)?),
            None => None,
        };
        let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        if let Some(found) = check_format(&connection, path)? {
            if shared.is_none() {
                shared::check_alone(&connection, path)?;
            }
            if found < migrations::newest() {
                backup::before_migration(&connection, path, found)?;
            }
            if found == migrations::newest() && moved == Moved::Refuse {
                place::check(&connection, path)?;
            }
            check_content(&connection, path)?;
        }
        prepare(&mut connection).map_err(|source| Error::opening(path, source))?;
        let mut store = Self::on(connection, Some((descriptor, was_locked)), path, Ok)?;
        store.is_copy = shared.is_some();
        store.shared = match shared {
            Some(shared) => Some(
                shared
                    .record(&store.state())
                    .map_err(|source| Error::opening(path, source))?,
            ),
            None => None,
        };
        if !was_locked {
            let opened = store.read("look up where the state file is", place::opened)?;
            store.opened.store(opened, Ordering::Relaxed);
        }
        Ok(store.writable())
    }

    /// Opens the state to plan with: everything can be written, and nothing of it is in the file. Where
    /// there is no state file the state is empty, and there still is none afterwards.
    pub(crate) fn open_plan(at: impl Into<StateAt>) -> Result<Self, Error> {
        let at = at.into();
        about(&at, Self::open_planner(&at))
    }

    fn open_planner(StateAt { path, database }: &StateAt) -> Result<Self, Error> {
        let path = path.as_path();
        let failed = |source| Error::opening(path, source);
        leftovers::remove();
        let shared = match database {
            Some(database) => Shared::look(database, path)?,
            None => None,
        };
        if exists(path)? {
            let descriptor = describe(path)?;
            let was_locked = lock::is_held(&descriptor, path)?;
            let connection = connect_to_read(path)?;
            match check_format(&connection, path)? {
                Some(found) if found < migrations::newest() => {
                    return Err(older(path, found));
                }
                Some(_) => {
                    if shared.is_none() {
                        shared::check_alone(&connection, path)?;
                    }
                    place::check(&connection, path)?;
                    connection
                        .pragma_update(None, "cache_size", -CACHE)
                        .map_err(failed)?;
                    let place = Some((descriptor, was_locked));
                    let mut store = Self::on(connection, place, path, |state| {
                        layer::put(&state)?;
                        Ok(state.layered())
                    })?;
                    store.is_copy = shared.is_some();
                    store.shared = shared;
                    return Ok(store);
                }
                None => {}
            }
        }
        // A file without a name is gone with the connection.
        let mut connection = Connection::open("").map_err(failed)?;
        connection
            .pragma_update(None, "synchronous", "OFF")
            .and_then(|()| migrations::migrate(&mut connection))
            .map_err(failed)?;
        Self::on(connection, None, path, Ok)
    }

    /// Opens the state file for commands that only look at it; nothing can be written.
    pub(crate) fn open_read_only(at: impl Into<StateAt>) -> Result<Self, Error> {
        let at = at.into();
        about(&at, Self::open_to_look(&at))
    }

    fn open_to_look(StateAt { path, database }: &StateAt) -> Result<Self, Error> {
        let path = path.as_path();
        let missing = || Error::Missing {
            path: path.to_owned(),
        };
        let shared = match database {
            Some(database) => look(database, path)?,
            None => None,
        };
        if !exists(path)? {
            return Err(missing());
        }
        let descriptor = describe(path)?;
        let was_locked = lock::is_held(&descriptor, path)?;
        let connection = connect_to_read(path)?;
        match check_format(&connection, path)? {
            None => Err(missing()),
            Some(found) if found < migrations::newest() => Err(older(path, found)),
            Some(_) => {
                if database.is_none() {
                    shared::check_alone(&connection, path)?;
                }
                place::check(&connection, path)?;
                let mut store = Self::on(connection, Some((descriptor, was_locked)), path, Ok)?;
                store.is_copy = database.is_some();
                store.shared = shared;
                // A cycle that another agent runs is under way, too.
                let agents = store.agents()?.unwrap_or_default();
                store.was_locked |= agents.iter().any(|agent| agent.is_alive);
                Ok(store)
            }
        }
    }

    /// Another connection of this process, which only reads: it waits for no writer, and none for it. It opens
    /// no descriptor of its own, because closing one would release the locks of the others.
    pub(crate) fn reader(&self) -> Result<Self, Error> {
        let connection = connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut reader = Self::on(connection, None, &self.path, Ok)?;
        reader.was_locked = true;
        reader.is_copy = self.is_copy;
        Ok(reader)
    }

    /// The same to plan with: everything can be written, and nothing of it is in the file.
    pub(crate) fn planner(&self) -> Result<Self, Error> {
        let connection = connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut planner = Self::on(connection, None, &self.path, |state| {
            layer::put(&state)?;
            Ok(state.layered())
        })?;
        planner.was_locked = true;
        planner.is_copy = self.is_copy;
        Ok(planner)
    }

    /// Ends the query that runs on this connection, from another thread.
    pub(crate) fn interrupter(&self) -> impl Fn() + Send + Sync + 'static {
        let handle = self.state().get_interrupt_handle();
        move || handle.interrupt()
    }

    fn on(
        connection: Connection,
        file: Option<(File, bool)>,
        path: &Path,
        made: impl FnOnce(State) -> rusqlite::Result<State>,
    ) -> Result<Self, Error> {
        let state = State::new(connection)
            .and_then(made)
            .map_err(|source| Error::opening(path, source))?;
        let (descriptor, was_locked) = file.unzip();
        Ok(Self {
            state: Mutex::new(state),
            descriptor,
            path: path.to_owned(),
            was_locked: was_locked.unwrap_or(false),
            mode: Mode::Read,
            opened: AtomicI64::new(NOT_OURS),
            shared: None,
            is_copy: false,
        })
    }

    fn writable(mut self) -> Self {
        self.mode = Mode::Write;
        self
    }

    /// The process that used the state for itself when this one opened it; of several agents, one that runs jobs.
    pub(crate) fn holder(&self) -> Option<Holder> {
        let here = self.was_locked.then(|| lock::holder(&self.path)).flatten();
        here.or_else(|| {
            let agents = self.agents().ok().flatten()?;
            let agent = agents.into_iter().find(|agent| agent.is_alive)?;
            Some(Holder {
                pid: u32::try_from(agent.pid).ok()?,
                command: agent.command,
            })
        })
    }

    /// Which configuration the running service, or of several agents the newest, has of each job, by its digest; empty
    /// where none runs.
    pub(crate) fn configurations_in_force(&self) -> Result<BTreeMap<JobName, String>, Error> {
        if let Some(shared) = &self.shared {
            return shared.configurations();
        }
        let is_service =
            self.was_locked && lock::holder(&self.path).is_some_and(|one| one.is_service());
        Ok(if is_service {
            lock::configurations(&self.path)
        } else {
            BTreeMap::new()
        })
    }

    pub(super) fn is_writable(&self) -> bool {
        self.mode == Mode::Write
    }

    /// Where something may be kept that is too large for memory: next to the state where that is written,
    /// and otherwise where the system keeps such files.
    pub(crate) fn scratch_folder(&self) -> PathBuf {
        match self.path.parent() {
            Some(folder) if self.is_writable() && folder != Path::new("") => folder.to_owned(),
            Some(_) if self.is_writable() => PathBuf::from("."),
            Some(_) | None => std::env::temp_dir(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the path leads to the file that was opened.
    pub(super) fn check_identity(&self) -> Result<(), Error> {
        match &self.descriptor {
            Some(descriptor) if self.mode == Mode::Write && !is_at(descriptor, &self.path) => {
                let path = self.path.clone();
                Err(self.about(Error::Replaced { path }))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held has rolled its transaction back: the state is sound.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs queries; `attempt` is what an error says.
    pub(super) fn read<T>(
        &self,
        attempt: &'static str,
        work: impl FnOnce(&State) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        work(&self.state()).map_err(|source| self.about(Error::new(attempt, &self.path, source)))
    }

    /// What it says is right of a copy, too.
    fn about(&self, error: Error) -> Error {
        if self.is_copy { error.of_copy() } else { error }
    }

    /// Runs several reads that see the same state. While another connection writes, each by itself would begin with
    /// an empty cache, and might see what the one before did not.
    pub(crate) fn at_once<T, E: From<Error>>(
        &self,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let attempt = "read the state at one time";
        // An interrupted read may have ended it, and a panic may have left it open.
        let end = |state: &State| {
            if state.is_autocommit() {
                return Ok(());
            }
            state.execute_batch("ROLLBACK")
        };
        self.read(attempt, end)?;
        self.read(attempt, |state| state.execute_batch("BEGIN"))?;
        let done = work();
        self.read(attempt, end)?;
        done
    }

    /// Runs `work` on a thread that may wait for the disk.
    pub(crate) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let store = Arc::clone(self);
        match tokio::task::spawn_blocking(move || work(&store)).await {
            Ok(done) => done,
            Err(stopped) => std::panic::resume_unwind(stopped.into_panic()),
        }
    }

    /// Runs `work` in one transaction, which is on disk when this returns.
    pub(super) fn write<T>(
        &self,
        attempt: &'static str,
        work: impl FnOnce(&State) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        self.check_identity()?;
        match &self.shared {
            // What a plan writes is its own.
            Some(shared) if shared.is_recorded() => shared.write(attempt, &self.state(), work),
            Some(_) | None => self
                .state()
                .transaction(work)
                .map_err(|source| Error::new(attempt, &self.path, source)),
        }
        .map_err(|error| self.about(error))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let opened = self.opened.load(Ordering::Relaxed);
        if opened != NOT_OURS && self.check_identity().is_ok() {
            // Where this fails, the file counts as not closed, which a move alone makes matter.
            let _ = place::note_closed(&self.state(), opened);
        }
    }
}

/// An error in opening a copy says what it is.
fn about(at: &StateAt, opened: Result<Store, Error>) -> Result<Store, Error> {
    opened.map_err(|error| match at.database {
        Some(_) => error.of_copy(),
        None => error,
    })
}

/// Where the database cannot be reached, the copy is looked at as it is.
fn look(database: &Database, path: &Path) -> Result<Option<Shared>, Error> {
    match Shared::look(database, path) {
        Err(error) if error.may_pass() && exists(path)? => {
            let at = shared::last_contact(path);
            let at = at.map(|at| at.format(", %Y-%m-%d %H:%M:%S UTC").to_string());
            tracing::warn!(
                "{error}; what follows is as of the last contact with it{}",
                at.unwrap_or_default()
            );
            Ok(None)
        }
        looked => looked,
    }
}

fn older(path: &Path, found: i64) -> Error {
    Error::Older {
        path: path.to_owned(),
        found,
        known: migrations::newest(),
    }
}

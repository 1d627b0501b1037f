//! Opening the state file: for cycles, for a plan that changes nothing, or only to be read.

#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::error::{code_of, wal_of};
use super::lock;
use super::migrations::{self, Format};
use super::shared::{self, Shared};
use super::state::State;
use super::{Error, backup, layer, leftovers, place};
use crate::config::{Database, StateAt};
use crate::engine::record::Holder;
use crate::os::{self, is_at, private};

/// How long another process, such as `status` or `approve`, may keep us waiting.
const PATIENCE: Duration = Duration::from_secs(5);

/// Up to this size the whole file is checked when it is opened, which takes a fraction of a second.
/// Damage in a larger one shows when `SQLite` comes across it.
const CHECKED_BYTES: u64 = 16 * 1024 * 1024;

/// Pages in memory, in KiB: enough for the inner nodes of the indexes of a million users.
const CACHE: i64 = 40 * 1024;

/// Pages in the write-ahead log before they go to the file. A page that changes often is written to the
/// file once for each time that this many gather.
const CHECKPOINT_PAGES: i64 = 8 * 1024;

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
    /// `None`: the file is all there is.
    pub(super) shared: Option<Shared>,
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
        Self::open_writable(&at.into(), Moved::Refuse)
    }

    /// The same for a file that was moved without its write-ahead log.
    pub(crate) fn open_moved(at: impl Into<StateAt>) -> Result<Self, Error> {
        let at = at.into();
        if !exists(&at.path)? {
            return Err(Error::Missing { path: at.path });
        }
        Self::open_writable(&at, Moved::Accept)
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
        let StateAt { path, database } = at.into();
        let path = path.as_path();
        let failed = |source| Error::opening(path, source);
        leftovers::remove();
        let shared = match &database {
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
        let StateAt { path, database } = at.into();
        let path = path.as_path();
        let missing = || Error::Missing {
            path: path.to_owned(),
        };
        let shared = match &database {
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
                Err(Error::Replaced {
                    path: self.path.clone(),
                })
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
        work(&self.state()).map_err(|source| Error::new(attempt, &self.path, source))
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

/// Where the database cannot be reached, the copy is looked at as it is.
fn look(database: &Database, path: &Path) -> Result<Option<Shared>, Error> {
    match Shared::look(database, path) {
        Err(error) if error.may_pass() && exists(path)? => {
            tracing::warn!("{error}; what follows is as of the last contact with it");
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

/// Makes the state file when it is missing, for its owner alone.
pub(super) fn create(path: &Path) -> Result<(), Error> {
    match private(OpenOptions::new().write(true).create_new(true)).open(path) {
        Ok(_) => Ok(()),
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(Error::File {
            attempt: "create the state file",
            path: path.to_owned(),
            source,
        }),
    }
}

fn exists(path: &Path) -> Result<bool, Error> {
    path.try_exists().map_err(|source| Error::File {
        attempt: "open the state file",
        path: path.to_owned(),
        source,
    })
}

/// What an `SQLite` file begins with. `SQLite` itself takes a very short text for an empty database.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// A descriptor of a file that may be a state. It stays open for as long as the state does.
pub(super) fn describe(path: &Path) -> Result<File, Error> {
    let failed = |source| Error::File {
        attempt: "open the state file",
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    sole_file(&file, path)?;
    let mut start = Vec::new();
    let length = u64::try_from(MAGIC.len()).expect("it is short");
    (&file)
        .take(length)
        .read_to_end(&mut start)
        .map_err(failed)?;
    if start.is_empty() || start == MAGIC {
        Ok(file)
    } else {
        Err(Error::Foreign {
            path: path.to_owned(),
        })
    }
}

/// Whether it is a file, and has one name: by its other name it would have another write-ahead log, and
/// both would be damaged.
pub(super) fn sole_file(file: &File, path: &Path) -> Result<(), Error> {
    let failed = |source| Error::File {
        attempt: "open the state file",
        path: path.to_owned(),
        source,
    };
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(Error::Folder {
            path: path.to_owned(),
        });
    }
    if os::names_of(file).map_err(failed)? > 1 {
        return Err(Error::HardLinked {
            path: path.to_owned(),
        });
    }
    Ok(())
}

/// In a folder that cannot be written to, `SQLite` cannot make the files next to the state that it reads
/// it with. Where there is no write-ahead log no process has it open, and it can be read without them.
fn connect_to_read(path: &Path) -> Result<Connection, Error> {
    let failed = |source| Error::opening(path, source);
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let first = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
    let Err(error) = first else {
        return Ok(connection);
    };
    let cannot_open = matches!(
        code_of(&error),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly)
    );
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let wal = fs::metadata(wal_of(&real)).map_or(0, |wal| wal.len());
    let address = url::Url::from_file_path(&real).ok();
    match address.filter(|_| cannot_open && wal == 0) {
        Some(mut address) => {
            address.set_query(Some("immutable=1"));
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
                | OpenFlags::SQLITE_OPEN_URI
                | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            Connection::open_with_flags(address.as_str(), flags).map_err(failed)
        }
        None => Err(failed(error)),
    }
}

pub(super) fn connect(path: &Path, mode: OpenFlags) -> Result<Connection, Error> {
    let failed = |source| Error::opening(path, source);
    let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    Ok(connection)
}

/// The format of a file that is ours, not newer than we are and not of an early build; `None` for an
/// empty one.
pub(super) fn check_format(connection: &Connection, path: &Path) -> Result<Option<i64>, Error> {
    let format = migrations::format(connection).map_err(|source| Error::opening(path, source))?;
    let known = migrations::newest();
    match format {
        Format::Empty => Ok(None),
        Format::Ours(found) if found > known => Err(Error::Newer {
            path: path.to_owned(),
            found,
            known,
        }),
        Format::Ours(found) if found < migrations::FIRST => Err(Error::Early {
            path: path.to_owned(),
        }),
        Format::Ours(found) => Ok(Some(found)),
        Format::Foreign => Err(Error::Foreign {
            path: path.to_owned(),
        }),
    }
}

/// A small file is checked completely, so that damage is reported before anything is done.
fn check_content(connection: &Connection, path: &Path) -> Result<(), Error> {
    let failed = |source| Error::new("check the state file", path, source);
    let size = fs::metadata(path).map_err(|source| Error::File {
        attempt: "check the state file",
        path: path.to_owned(),
        source,
    })?;
    if size.len() > CHECKED_BYTES {
        return Ok(());
    }
    let found: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(failed)?;
    if found == "ok" {
        Ok(())
    } else {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        Err(failed(rusqlite::Error::SqliteFailure(code, Some(found))))
    }
}

fn prepare(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -CACHE)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    migrations::migrate(connection)
}

//! Opening the state file: for cycles, as a scratch copy for a plan, or only to be read.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use tempfile::TempDir;

use super::Error;
use super::lock::private;
use super::migrations::{self, Format};

/// How long another process, such as `status` or `approve`, may keep us waiting.
const PATIENCE: Duration = Duration::from_secs(5);

/// Up to this size the whole file is checked when it is opened, which takes a fraction of a second.
/// Damage in a larger one shows when `SQLite` comes across it.
const CHECKED_BYTES: u64 = 16 * 1024 * 1024;

/// More than we have, so that no statement is ever compiled twice.
const STATEMENTS: usize = 256;

/// The local state. Every method is one transaction: it is done in full, or not at all.
#[derive(Debug)]
pub(crate) struct Store {
    // Before the folder it may be in: fields are dropped in this order.
    connection: Mutex<Connection>,
    path: PathBuf,
    _scratch: Option<TempDir>,
}

impl Store {
    /// Opens the state file, makes it when it is missing, and brings an older one up to date.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        match private(OpenOptions::new().write(true).create_new(true)).open(path) {
            Ok(_) => {}
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => {
                return Err(Error::File {
                    attempt: "create the state file",
                    path: path.to_owned(),
                    source,
                });
            }
        }
        let connection = connect(path, path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        Self::ready(connection, path, None, Durability::Full)
    }

    /// A copy of the state to plan with, gone when it is dropped. Where there is no state file the
    /// copy is empty, and there still is none afterwards.
    pub(crate) fn open_scratch(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::File {
            attempt: "make a scratch copy of the state file",
            path: path.to_owned(),
            source,
        };
        let folder = tempfile::Builder::new()
            .prefix("entrain-")
            .tempdir()
            .map_err(failed)?;
        let copy = folder.path().join("scratch.db");
        private(OpenOptions::new().write(true).create_new(true))
            .open(&copy)
            .map_err(failed)?;
        let mut connection = connect(&copy, path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        if path.try_exists().map_err(failed)? {
            let original = connect(path, path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            check_format(&original, path)?;
            copy_all(&original, &mut connection).map_err(|source| {
                Error::new("make a scratch copy of the state file", path, source)
            })?;
        }
        Self::ready(connection, path, Some(folder), Durability::None)
    }

    /// Opens the state file for whoever only looks at it; nothing can be written.
    pub(crate) fn open_read_only(path: &Path) -> Result<Self, Error> {
        let missing = || Error::Missing {
            path: path.to_owned(),
        };
        let exists = path.try_exists().map_err(|source| Error::File {
            attempt: "open the state file",
            path: path.to_owned(),
            source,
        })?;
        if !exists {
            return Err(missing());
        }
        let connection = connect(path, path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        match check_format(&connection, path)? {
            None => Err(missing()),
            Some(found) if found < migrations::newest() => Err(Error::Older {
                path: path.to_owned(),
                found,
                known: migrations::newest(),
            }),
            Some(_) => Ok(Self {
                connection: Mutex::new(connection),
                path: path.to_owned(),
                _scratch: None,
            }),
        }
    }

    fn ready(
        mut connection: Connection,
        path: &Path,
        scratch: Option<TempDir>,
        durability: Durability,
    ) -> Result<Self, Error> {
        if check_format(&connection, path)?.is_some() && scratch.is_none() {
            check_content(&connection, path)?;
        }
        prepare(&mut connection, durability)
            .map_err(|source| Error::new("open the state file", path, source))?;
        Ok(Self {
            connection: Mutex::new(connection),
            path: path.to_owned(),
            _scratch: scratch,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs queries; `attempt` is what an error says.
    pub(super) fn read<T>(
        &self,
        attempt: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        // A panic while the lock was held has rolled its transaction back: the state is sound.
        let connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        work(&connection).map_err(|source| Error::new(attempt, &self.path, source))
    }

    /// Runs `work` in one transaction, which is on disk when this returns.
    pub(super) fn write<T>(
        &self,
        attempt: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        let mut connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .and_then(|tx| {
                let done = work(&tx)?;
                tx.commit()?;
                Ok(done)
            })
            .map_err(|source| Error::new(attempt, &self.path, source))
    }
}

/// What must survive a power cut.
#[derive(Clone, Copy)]
enum Durability {
    Full,
    /// A scratch copy is thrown away anyhow.
    None,
}

/// What an `SQLite` file begins with. `SQLite` itself takes a very short text for an empty database.
const MAGIC: &[u8] = b"SQLite format 3\0";

fn check_header(path: &Path) -> Result<(), Error> {
    let mut start = Vec::new();
    let length = u64::try_from(MAGIC.len()).expect("it is short");
    File::open(path)
        .and_then(|file| file.take(length).read_to_end(&mut start))
        .map_err(|source| Error::File {
            attempt: "open the state file",
            path: path.to_owned(),
            source,
        })?;
    if start.is_empty() || start == MAGIC {
        Ok(())
    } else {
        Err(Error::Foreign {
            path: path.to_owned(),
        })
    }
}

/// `named` is what messages call the file.
fn connect(path: &Path, named: &Path, mode: OpenFlags) -> Result<Connection, Error> {
    check_header(path)?;
    let failed = |source| Error::new("open the state file", named, source);
    let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// The format of a file that is ours and not newer than we are; `None` for an empty one.
fn check_format(connection: &Connection, path: &Path) -> Result<Option<i64>, Error> {
    let format = migrations::format(connection)
        .map_err(|source| Error::new("open the state file", path, source))?;
    let known = migrations::newest();
    match format {
        Format::Empty => Ok(None),
        Format::Ours(found) if found > known => Err(Error::Newer {
            path: path.to_owned(),
            found,
            known,
        }),
        Format::Ours(found) => Ok(Some(found)),
        Format::Foreign => Err(Error::Foreign {
            path: path.to_owned(),
        }),
    }
}

/// A small file is looked through as a whole, so that damage is told before anything is done.
fn check_content(connection: &Connection, path: &Path) -> Result<(), Error> {
    let failed = |source| Error::new("check the state file", path, source);
    let size = path.metadata().map_err(|source| Error::File {
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

fn prepare(connection: &mut Connection, durability: Durability) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(
        None,
        "synchronous",
        match durability {
            Durability::Full => "FULL",
            Durability::None => "OFF",
        },
    )?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // In KiB: enough for the inner nodes of the indexes of a million users.
    connection.pragma_update(None, "cache_size", -32 * 1024)?;
    migrations::migrate(connection)
}

fn copy_all(original: &Connection, copy: &mut Connection) -> rusqlite::Result<()> {
    // One step over all pages is one consistent view, whatever another process writes meanwhile.
    if Backup::new(original, copy)?.step(-1)? == StepResult::Done {
        return Ok(());
    }
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
    Err(rusqlite::Error::SqliteFailure(code, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::model::JobName;

    use std::fs;

    #[test]
    fn a_missing_file_is_made_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("entrain.db");
        let _store = Store::open(&path).unwrap();
        #[cfg(unix)]
        for file in fs::read_dir(folder.path()).unwrap() {
            use std::os::unix::fs::PermissionsExt;
            let file = file.unwrap();
            let mode = file.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", file.path().display());
        }
    }

    #[test]
    fn a_folder_that_is_missing_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing/entrain.db");
        let message = Store::open(&path).unwrap_err().to_string();
        assert_eq!(
            message,
            format!("could not create the state file {}", path.display())
        );
    }

    #[test]
    fn a_newer_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("entrain.db");
        drop(Store::open(&path).unwrap());
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        drop(connection);
        for opened in [
            Store::open(&path),
            Store::open_scratch(&path),
            Store::open_read_only(&path),
        ] {
            let error = opened.unwrap_err();
            assert!(matches!(error, Error::Newer { found: 99, .. }), "{error}");
        }
    }

    #[test]
    fn a_text_file_is_not_a_state_file_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("entrain.toml");
        for text in [
            "x",
            "[state]\npath = \"entrain.db\"\n",
            &"# note\n".repeat(1_000),
        ] {
            fs::write(&path, text).unwrap();
            for opened in [
                Store::open(&path),
                Store::open_scratch(&path),
                Store::open_read_only(&path),
            ] {
                let error = opened.unwrap_err();
                assert!(matches!(error, Error::Foreign { .. }), "{error:?}");
            }
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn the_database_of_another_program_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.db");
        let other = Connection::open(&path).unwrap();
        other.execute_batch("CREATE TABLE notes (text)").unwrap();
        drop(other);
        let before = fs::read(&path).unwrap();
        let error = Store::open(&path).unwrap_err();
        assert!(matches!(error, Error::Foreign { .. }), "{error:?}");
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_damaged_file_is_told_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("entrain.db");
        drop(Store::open(&path).unwrap());
        let sound = fs::read(&path).unwrap();

        let mut garbled = sound.clone();
        let last = garbled.len() - 4096;
        garbled[last..].fill(0xa5);
        let cut = sound[..sound.len() / 2].to_vec();
        for damaged in [garbled, cut] {
            fs::write(&path, damaged).unwrap();
            let error = Store::open(&path).unwrap_err();
            assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
            assert!(error.to_string().contains("restore it from a backup"));
        }
    }

    #[test]
    fn a_scratch_copy_of_nothing_is_empty_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("entrain.db");
        let scratch = Store::open_scratch(&path).unwrap();
        assert!(scratch.last_cycle(&JobName::new("demo")).unwrap().is_none());
        let place = scratch.read("tell its file", |connection| {
            Ok(connection.path().map(PathBuf::from))
        });
        let place = place.unwrap().unwrap();
        assert!(place.exists());
        drop(scratch);
        assert!(!place.exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_is_not_there_cannot_be_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("entrain.db");
        let error = Store::open_read_only(&path).unwrap_err();
        assert!(matches!(error, Error::Missing { .. }), "{error:?}");
        assert!(!path.exists());
    }
}

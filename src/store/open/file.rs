//! The file of a state: made, described, and looked at before it is used.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::os::{self, private};
use crate::store::Error;
use crate::store::error::{code_of, wal_of};
use crate::store::migrations::{self, Format};

/// How long another process, such as `status` or `approve`, may keep us waiting.
const PATIENCE: Duration = Duration::from_secs(5);

/// Up to this size the whole file is checked when it is opened, which takes a fraction of a second.
/// Damage in a larger one shows when `SQLite` comes across it.
const CHECKED_BYTES: u64 = 16 * 1024 * 1024;

/// Pages in the write-ahead log before they go to the file. A page that changes often is written to the
/// file once for each time that this many gather.
const CHECKPOINT_PAGES: i64 = 8 * 1024;

/// Makes the state file when it is missing, for its owner alone.
pub(in crate::store) fn create(path: &Path) -> Result<(), Error> {
    match private(OpenOptions::new().write(true).create_new(true)).open(path) {
        Ok(file) => {
            os::give_to_owner_of_folder(&file, path);
            Ok(())
        }
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(Error::File {
            attempt: "create the state file",
            path: path.to_owned(),
            source,
        }),
    }
}

pub(super) fn exists(path: &Path) -> Result<bool, Error> {
    path.try_exists().map_err(|source| Error::File {
        attempt: "open the state file",
        path: path.to_owned(),
        source,
    })
}

/// What an `SQLite` file begins with. `SQLite` itself takes a very short text for an empty database.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// A descriptor of a file that may be a state. It stays open for as long as the state does.
pub(in crate::store) fn describe(path: &Path) -> Result<File, Error> {
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
pub(in crate::store) fn sole_file(file: &File, path: &Path) -> Result<(), Error> {
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
pub(super) fn connect_to_read(path: &Path) -> Result<Connection, Error> {
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

pub(in crate::store) fn connect(path: &Path, mode: OpenFlags) -> Result<Connection, Error> {
    let failed = |source| Error::opening(path, source);
    let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    Ok(connection)
}

/// The format of a file that is ours, not newer than we are and not of an early build; `None` for an
/// empty one.
pub(in crate::store) fn check_format(
    connection: &Connection,
    path: &Path,
) -> Result<Option<i64>, Error> {
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
pub(super) fn check_content(connection: &Connection, path: &Path) -> Result<(), Error> {
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

pub(super) fn prepare(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -super::CACHE)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    migrations::migrate(connection)
}

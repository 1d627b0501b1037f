//! Copies of the state: made while a service runs, made before the format changes, and put back.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::error::wal_of;
use super::jobs::require_full_evaluation_of_all;
use super::lock::resolved;
use super::open::{check_format, connect, create, describe};
use super::state::State;
use super::{Error, Lock, Store};
use crate::config::StateAt;
use crate::os::private;

/// Before it is tried again where another process writes.
const PAUSE: Duration = Duration::from_millis(50);

impl Store {
    /// Copies the state, as it is at one moment, to a file that must not be there yet. Who uses the copy
    /// begins with a full evaluation, and verifies the links before anything is written.
    pub(crate) fn back_up(&self, to: &Path) -> Result<(), Error> {
        let failed = |source| Error::opening(to, source);
        make(to)?;
        let copied = self
            .read("copy", |state| {
                let mut copy = Connection::open(to)?;
                run(state, &mut copy)?;
                // One file, without others next to it.
                copy.pragma_update(None, "journal_mode", "DELETE")?;
                let copy = State::new(copy)?;
                copy.transaction(|copy| {
                    copy.run("UPDATE place SET path = NULL, closed = 1", [])?;
                    // It is a state of its own, which a database can be made of.
                    copy.run("DELETE FROM copied", [])?;
                    require_full_evaluation_of_all(copy)
                })?;
                copy.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
            })
            .and_then(|said| match said.as_str() {
                "ok" => Ok(()),
                _ => Err(failed(rusqlite::Error::InvalidQuery)),
            });
        if copied.is_err() {
            // Half a copy is of no use.
            let _ = fs::remove_file(to);
        }
        copied
    }

    /// Puts a copy in the place of the state. What was there is copied next to it first, or set aside where it is
    /// damaged; the name of that file comes back. Only for the process that holds the lock.
    pub(crate) fn restore(
        at: &StateAt,
        from: &Path,
        name: &str,
        _lock: &Lock,
    ) -> Result<Option<PathBuf>, Error> {
        let path = at.path.as_path();
        if at.database.is_some() {
            return Err(Error::SharedRestore);
        }
        let failed = |source| Error::opening(path, source);
        let _file = describe(from)?;
        let copy = connect(from, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        if check_format(&copy, from)?.is_none() {
            return Err(Error::Missing {
                path: from.to_owned(),
            });
        }
        let has_content = fs::metadata(path).is_ok_and(|file| file.len() > 0);
        let kept = if has_content {
            let kept = next_to(path, name);
            match Self::open_moved(path).and_then(|state| state.back_up(&kept)) {
                Ok(()) => Some(kept),
                Err(Error::Damaged { .. }) => Some(set_aside(path, name)?),
                Err(error) => return Err(error),
            }
        } else {
            None
        };
        let mut state = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        run(&copy, &mut state).map_err(failed)?;
        drop((state, copy));
        Self::open_moved(path)?.accept_move()?;
        Ok(kept)
    }
}

/// The copy that is made before the state gets a newer format. One that is there already stays.
pub(super) fn before_migration(
    connection: &Connection,
    path: &Path,
    found: i64,
) -> Result<(), Error> {
    let to = next_to(path, &format!("format-{found}"));
    match make(&to) {
        Ok(()) => {}
        Err(Error::Exists { .. }) => return Ok(()),
        Err(error) => return Err(error),
    }
    let copied = Connection::open(&to).and_then(|mut copy| run(connection, &mut copy));
    copied.map_err(|source| {
        let _ = fs::remove_file(&to);
        Error::opening(&to, source)
    })
}

/// `<state>.<name>`, next to the file itself.
fn next_to(path: &Path, name: &str) -> PathBuf {
    let mut file = OsString::from(resolved(path));
    file.push(".");
    file.push(name);
    PathBuf::from(file)
}

/// Gives the file, and those next to it that belong to it, another name. Not one byte of them changes. An empty file
/// takes its place.
pub(super) fn set_aside(path: &Path, name: &str) -> Result<PathBuf, Error> {
    let kept = next_to(path, name);
    if kept.exists() {
        return Err(Error::Exists { path: kept });
    }
    let here = resolved(path);
    let shared = |path: &Path| {
        let mut name = OsString::from(path);
        name.push("-shm");
        PathBuf::from(name)
    };
    // The log first: next to a new file it would be taken for that one's.
    for (from, to) in [
        (wal_of(&here), wal_of(&kept)),
        (shared(&here), shared(&kept)),
        (here.clone(), kept.clone()),
    ] {
        match fs::rename(&from, &to) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound && from != here => {}
            Err(source) => {
                return Err(Error::File {
                    attempt: "set the damaged state aside:",
                    path: from,
                    source,
                });
            }
        }
    }
    create(&here)?;
    Ok(kept)
}

/// A file that was not there before, for its owner alone.
pub(super) fn make(path: &Path) -> Result<(), Error> {
    match private(OpenOptions::new().write(true).create_new(true)).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Error::Exists {
            path: path.to_owned(),
        }),
        Err(source) => Err(Error::File {
            attempt: "create the copy",
            path: path.to_owned(),
            source,
        }),
    }
}

pub(super) fn run(from: &Connection, to: &mut Connection) -> rusqlite::Result<()> {
    let backup = Backup::new(from, to)?;
    // All pages at once: it is one moment of the state, and no writer waits for it.
    while backup.step(-1)? != StepResult::Done {
        thread::sleep(PAUSE);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_made_once_before_the_format_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("entrain.db");
        drop(Store::open(&path).unwrap());
        let connection = Connection::open(&path).unwrap();
        before_migration(&connection, &path, 7).unwrap();
        let copy = folder
            .path()
            .canonicalize()
            .unwrap()
            .join("entrain.db.format-7");
        let length = fs::metadata(&copy).unwrap().len();
        assert_eq!(length, fs::metadata(&path).unwrap().len());
        before_migration(&connection, &path, 7).unwrap();
    }
}

//! Where the state file was when it was last used, and whether it was closed. A file that was moved
//! without its write-ahead log lacks what was committed last, and is not used unseen (safety.md, 5).

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use rusqlite::{Connection, OptionalExtension, params};

use super::error::wal_of;
use super::jobs::require_full_evaluation_of_all;
use super::lock::resolved;
use super::state::State;
use super::{Error, Lock, Store};
use crate::os::{bytes_of, path_of};

/// Refuses a file that was in use elsewhere, and has no write-ahead log here.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), Error> {
    let place: Option<(Option<Vec<u8>>, bool)> = connection
        .query_row("SELECT path, closed FROM place", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
        .map_err(|source| Error::opening(path, source))?;
    let here = resolved(path);
    match place {
        Some((Some(old), false)) if old != bytes_of(&here) && !has_log(&here) => {
            Err(Error::Moved {
                path: here,
                old: path_of(old),
            })
        }
        Some(_) | None => Ok(()),
    }
}

/// To open a file is enough to make an empty one.
fn has_log(path: &Path) -> bool {
    fs::metadata(wal_of(path)).is_ok_and(|log| log.len() > 0)
}

/// What became of the process that used the state before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    Ended,
    /// It did not close the state.
    Crashed,
}

impl Store {
    /// Notes where the file is and that it is in use, in the file itself and not in its log alone. Only for
    /// the process that has just taken the lock.
    pub(super) fn note_place(&self, _lock: &Lock) -> Result<Before, Error> {
        let here = bytes_of(&resolved(self.path()));
        let (opened, was_closed) = self.write("note where the state file is", |state| {
            let was_closed: bool = state
                .prepare_cached("SELECT closed FROM place")?
                .query_row([], |row| row.get(0))?;
            state.run(
                "UPDATE place SET path = ?1, closed = 0, opened = opened + 1",
                params![here],
            )?;
            Ok((opened(state)?, was_closed))
        })?;
        self.opened.store(opened, Ordering::Relaxed);
        self.read("note where the state file is", |state| {
            // A reader may be in the way: then the note stays in the log, which has it anyway.
            state.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
        })?;
        Ok(if was_closed {
            Before::Ended
        } else {
            Before::Crashed
        })
    }

    /// Takes the file as it is at its new place, without what was in the lost log: every job verifies its
    /// links before it writes.
    pub(crate) fn accept_move(&self) -> Result<(), Error> {
        let here = bytes_of(&resolved(self.path()));
        self.write("note where the state file is", |state| {
            state.run("UPDATE place SET path = ?1, closed = 1", params![here])?;
            require_full_evaluation_of_all(state)
        })
    }
}

pub(super) fn opened(state: &State) -> rusqlite::Result<i64> {
    state
        .prepare_cached("SELECT opened FROM place")?
        .query_row([], |row| row.get(0))
}

/// Unless a process uses the file that took it over since.
pub(super) fn note_closed(state: &State, opened: i64) -> rusqlite::Result<()> {
    state.transaction(|state| {
        state.run(
            "UPDATE place SET closed = 1 WHERE opened = ?1 AND closed = 0",
            params![opened],
        )?;
        Ok(())
    })
}

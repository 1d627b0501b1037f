//! What can go wrong with the state file, and what to do about it. No SQL type crosses the face:
//! `SQLite`'s own words travel in the chain, behind [`Cause`].

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("could not {attempt} {}", path.display())]
    File {
        attempt: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "there is no state file {} yet; the first cycle (entrain sync) makes it",
        path.display()
    )]
    Missing { path: PathBuf },
    #[error(
        "{} is not a state file of entrain; name another file in state.path, or move this one away",
        path.display()
    )]
    Foreign { path: PathBuf },
    #[error(
        "the state file {} was written by a newer entrain (format {found}, this one knows up to {known}); \
         install that version again, or name another file in state.path",
        path.display()
    )]
    Newer {
        path: PathBuf,
        found: i64,
        known: i64,
    },
    #[error(
        "the state file {} was written by an early build of entrain, whose format is no longer read; \
         move it away: the next cycle then reads and matches everything anew and creates nothing twice",
        path.display()
    )]
    Early { path: PathBuf },
    #[error(
        "the state file {} has another name (a hard link), under which it could be opened a second time; \
         remove the other name",
        path.display()
    )]
    HardLinked { path: PathBuf },
    #[error(
        "the state file {} was written by an older entrain (format {found}, this one reads {known}); \
         the next cycle brings it up to date",
        path.display()
    )]
    Older {
        path: PathBuf,
        found: i64,
        known: i64,
    },
    #[error(
        "the state file {} is damaged; restore it from a backup, or move it away: the next cycle then \
         reads and matches everything anew and creates nothing twice",
        path.display()
    )]
    Damaged {
        path: PathBuf,
        #[source]
        source: Cause,
    },
    #[error("another entrain{} is using {}", in_brackets(.holder.as_deref()), path.display())]
    InUse {
        path: PathBuf,
        /// "pid 12, sync wizer"
        holder: Option<String>,
    },
    #[error("could not {attempt}: another program keeps the state file {} locked", path.display())]
    Busy {
        attempt: &'static str,
        path: PathBuf,
    },
    #[error("could not {attempt} in the state file {}", path.display())]
    Query {
        attempt: &'static str,
        path: PathBuf,
        #[source]
        source: Cause,
    },
    #[error("could not {attempt}: begin_round comes before the first page")]
    NoRound { attempt: &'static str },
}

/// The words of `SQLite`, or of a stored value that could not be read.
#[derive(Debug)]
pub(crate) struct Cause(rusqlite::Error);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Cause {}

fn in_brackets(holder: Option<&str>) -> String {
    holder
        .map(|holder| format!(" ({holder})"))
        .unwrap_or_default()
}

impl Error {
    /// Sorts an error of `SQLite` by what a person must do about it.
    pub(super) fn new(attempt: &'static str, path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::Foreign { path },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged {
                path,
                source: Cause(source),
            },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Busy { attempt, path }
            }
            _ => Self::Query {
                attempt,
                path,
                source: Cause(source),
            },
        }
    }
}

//! What can go wrong with the state file, and what to do about it. No SQL type crosses the face:
//! `SQLite`'s own words travel in the chain, behind [`Cause`].

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::shared::{Failed, TABLES};
use crate::config::{Database, SecretError};
use crate::engine::model::JobName;
use crate::engine::record::Registered;

/// What a cycle on a new state does, and no more than that.
const NEW_STATE: &str = "the next cycle then reads and matches all objects again; users that are found \
                         only by an old address are not created until you decide, and active accounts \
                         without a user in scope are listed";

const COPY: &str = "this machine's copy of the shared state";

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
        "the state file {} does not exist yet; the first cycle (entrain sync) creates it",
        path.display()
    )]
    Missing { path: PathBuf },
    #[error("could not open the state file {}", path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: Cause,
    },
    #[error("{} is a folder; set state.path to a file", path.display())]
    Folder { path: PathBuf },
    #[error(
        "the state file {} was removed or replaced while this process was using it; nothing more is \
         written. Restore it, or run the next cycle on the new one: {NEW_STATE}",
        path.display()
    )]
    Replaced { path: PathBuf },
    #[error(
        "the state file {} was in use at {} when its process ended, and the last changes of that \
         process are missing, because the file {} was not moved with it. Move {}-wal next to it, too. \
         If that file is lost, run entrain state accept-move; the next cycle then verifies the links \
         before it writes",
        path.display(),
        old.display(),
        wal_of(path).display(),
        old.display()
    )]
    Moved { path: PathBuf, old: PathBuf },
    #[error(
        "{} is not a state file of entrain; set state.path to another file, or move this one away",
        path.display()
    )]
    Foreign { path: PathBuf },
    #[error(
        "the state file {} was written by a newer version of entrain (format {found}; this version \
         supports up to {known}); install that version again, or set state.path to another file",
        path.display()
    )]
    Newer {
        path: PathBuf,
        found: i64,
        known: i64,
    },
    #[error(
        "the state file {} was written by an early build of entrain, whose format is no longer \
         supported; move it away: {NEW_STATE}",
        path.display()
    )]
    Early { path: PathBuf },
    #[error(
        "the state file {} has a second name (a hard link), by which it could be opened twice; remove \
         the other name",
        path.display()
    )]
    HardLinked { path: PathBuf },
    #[error(
        "the state file {} was written by an older version of entrain (format {found}; this version \
         reads {known}); the next cycle upgrades it",
        path.display()
    )]
    Older {
        path: PathBuf,
        found: i64,
        known: i64,
    },
    #[error(
        "the state file {} is damaged, and nothing is done with it. Put a backup in its place: entrain state restore \
         FILE. Without a backup: entrain state rebuild, which sets the file aside with {}-wal and {}-shm and begins \
         with a new state: {NEW_STATE}. Both need the service to be stopped",
        path.display(),
        path.display(),
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
    #[error("the database of the state{}: {failed}", at(.server.as_deref()))]
    Database {
        /// "db.example/entrain"
        server: Option<String>,
        failed: Failed,
    },
    #[error(
        "{} is a state of its own, and not this machine's copy of the state in the database (state.url); copy it \
         there with entrain state copy --from {} --to URL and move it away, or set state.path to another file",
        path.display(), path.display()
    )]
    NotACopy { path: PathBuf },
    #[error(
        "{COPY}, {}, was removed or replaced while this process was using it; nothing more is written. The state \
         itself is in the database, and nothing of it is lost. Start the service, or the command, again: the copy \
         is made anew",
        path.display()
    )]
    CopyReplaced { path: PathBuf },
    #[error(
        "{COPY}, {}, is damaged. The state itself is in the database, and nothing of it is lost. Stop entrain on \
         this machine, remove the file together with {}-wal and {}-shm, and start again: the copy is made anew",
        path.display(),
        path.display(),
        path.display()
    )]
    CopyDamaged {
        path: PathBuf,
        #[source]
        source: Cause,
    },
    #[error(
        "{COPY}, {}, was moved here from {} without {}-wal, so it is not whole. The state itself is in the \
         database, and nothing of it is lost. Remove the file: the copy is made anew",
        path.display(),
        old.display(),
        old.display()
    )]
    CopyMoved { path: PathBuf, old: PathBuf },
    #[error(
        "{} is a copy of another state than the one in the database (state.url); set state.path to another file, \
         or move this one away: it is made anew",
        path.display()
    )]
    OtherCopy { path: PathBuf },
    #[error(
        "{} is a copy of a state in a database, but the database (state.url) holds no state; correct state.url or \
         state.schema, or restore the database; to begin with a new state, move the file away: {NEW_STATE}",
        path.display()
    )]
    NoSharedState { path: PathBuf },
    #[error(
        "{} is a copy of a state in a database, but state.url is not set; set it, or copy the state from the database \
         to a file with entrain state copy",
        path.display()
    )]
    CopyAlone { path: PathBuf },
    #[error(
        "{job} is run by another agent: {} on {} (pid {})", agent.command, agent.host, agent.pid
    )]
    OfAgent {
        job: JobName,
        agent: Box<Registered>,
    },
    #[error(
        "the database holds a state in the schema {schema} already; set state.schema to another one, or drop the \
         tables of that state: {}", TABLES.join(", ")
    )]
    NotEmpty { schema: String },
    #[error("the agents that share the state have another key: give this one the same (state.key)")]
    OtherKey,
    #[error(
        "{} was made with another key than state.key: set state.key to the one of {}",
        path.display(), key.display()
    )]
    KeyOfFile { path: PathBuf, key: PathBuf },
    #[error("{} exists already: name a file that does not, or move this one away", path.display())]
    Exists { path: PathBuf },
    #[error(
        "an agent uses the state: {} on {} (pid {}); stop all agents first", agent.command, agent.host, agent.pid
    )]
    AgentRuns { agent: Box<Registered> },
    #[error(
        "the state is in a database (state.url), whose own backups are restored with its tools; to begin there with \
         the state of a file, drop the tables of the state ({}) and run entrain state copy", TABLES.join(", ")
    )]
    SharedRestore,
    #[error("the key of the state (state.key), or the token next to it, cannot be used")]
    Key {
        #[source]
        source: SecretError,
    },
    #[error(
        "this state belongs to the tenant {known}, but {key} is {configured}, so all objects \
         would appear deleted; restore the old id, or set state.path to another file"
    )]
    OtherTenant {
        known: String,
        configured: String,
        /// The key that names the tenant.
        key: String,
    },
    #[error(
        "this state belongs to the tenant {known}, but {key} is {configured}: it could not \
         be determined whether they are the same ({why}); restore the old value, or try again"
    )]
    TenantUnknown {
        known: String,
        configured: String,
        key: String,
        why: String,
    },
    #[error(
        "job {job} has {linked} objects from the tenant {tenant}, which is not among its sources any more, so all \
         of them would appear out of scope; name that source again, or give the job another name"
    )]
    OtherSource {
        job: JobName,
        linked: i64,
        tenant: String,
    },
    #[error("could not {attempt}: begin_round comes before the first page")]
    NoRound { attempt: &'static str },
}

/// The words of `SQLite`, or of a stored value that could not be read.
#[derive(Debug)]
pub(crate) struct Cause(rusqlite::Error);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match &self.0 {
            // Not the statement, which fills a screen.
            rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
            other => other.to_string(),
        };
        let words: Vec<&str> = words.split_whitespace().collect();
        f.write_str(&words.join(" "))
    }
}

impl std::error::Error for Cause {}

fn at(server: Option<&str>) -> String {
    server
        .map(|server| format!(" at {server}"))
        .unwrap_or_default()
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        Self::Database {
            server: None,
            failed,
        }
    }
}

fn in_brackets(holder: Option<&str>) -> String {
    holder
        .map(|holder| format!(" ({holder})"))
        .unwrap_or_default()
}

impl Error {
    /// Whether the state is used by a service.
    pub(crate) fn is_of_service(&self) -> bool {
        match self {
            Self::InUse {
                holder: Some(holder),
                ..
            } => holder.ends_with(", run"),
            Self::OfAgent { agent, .. } => agent.command == "run",
            _ => false,
        }
    }

    /// The same about a file that is this machine's copy of a state in a database, which is made anew when it is gone.
    pub(super) fn of_copy(self) -> Self {
        match self {
            Self::Replaced { path } => Self::CopyReplaced { path },
            Self::Damaged { path, source } => Self::CopyDamaged { path, source },
            Self::Moved { path, old } => Self::CopyMoved { path, old },
            other => other,
        }
    }

    /// Whether it is about the database that agents share, and not about this machine's copy.
    pub(crate) fn is_of_database(&self) -> bool {
        matches!(self, Self::Database { .. })
    }

    pub(super) fn database(database: &Database, failed: Failed) -> Self {
        let host = database.url.host_str().unwrap_or("this machine");
        Self::Database {
            server: Some(format!("{host}{}", database.url.path())),
            failed,
        }
    }

    /// Whether it may heal by itself.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Database { failed, .. } if failed.may_pass())
    }

    /// Sorts an error of `SQLite` by what a person must do about it.
    pub(super) fn new(attempt: &'static str, path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match code_of(&source) {
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

    /// The same while the file is opened.
    pub(super) fn opening(path: &Path, source: rusqlite::Error) -> Self {
        match Self::new("open", path, source) {
            Self::Query {
                attempt: _,
                path,
                source,
            } => Self::Open { path, source },
            other => other,
        }
    }
}

/// What kind of error it is; a value that cannot be read is damage as well.
pub(super) fn code_of(error: &rusqlite::Error) -> Option<ErrorCode> {
    match error {
        rusqlite::Error::SqlInputError { error, .. } => Some(error.code),
        rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..) => {
            Some(ErrorCode::DatabaseCorrupt)
        }
        other => other.sqlite_error_code(),
    }
}

/// The write-ahead log of a state file.
pub(super) fn wal_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

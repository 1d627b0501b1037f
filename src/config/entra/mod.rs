//! Entra's own format: the schema of a provisioning job, which its export and Microsoft Graph give.
//!
//! `wire` is what stands in the file, `import` makes a job of ours of it, with a list of what it could
//! not carry over, and `export` writes a job back, with a list of what has no place there (`beside`). `names` and `tree` translate both ways.

mod beside;
mod export;
mod filters;
mod flow;
mod import;
mod judge;
mod names;
mod shape;
mod toml;
mod tree;
mod wire;
mod written;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::bounded;

pub(crate) use export::export;
pub(crate) use import::{import, import_with};

/// What is carried over and all the same acts differently, line by line.
pub(crate) const EMPTIED: [&str; 2] = [
    "Where a source value is emptied, entrain clears the target's and Entra leaves it;",
    "on_empty = \"keep\" in a mapping leaves it here as well.",
];

/// A job made of a schema.
#[derive(Clone, Debug)]
pub(crate) struct Imported {
    pub(crate) name: String,
    /// A complete `[[jobs]]`, with placeholders for what no schema has.
    pub(crate) toml: String,
    pub(crate) left: Vec<Left>,
    pub(crate) to_fill_in: Vec<Missing>,
}

/// What Entra keeps next to a schema; `None` where it is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) app_id: Option<String>,
    /// Entra: Tenant URL.
    pub(crate) base_url: Option<String>,
    /// All users and groups, and not only those that are assigned.
    pub(crate) sync_all: Option<bool>,
    pub(crate) keeps_out_of_scope: Option<bool>,
    /// Entra: accidental deletion threshold.
    pub(crate) max_deletions: Option<u64>,
}

impl Settings {
    /// From the keys and values of the synchronization API.
    pub(crate) fn of(app_id: String, values: &BTreeMap<String, String>) -> Self {
        let text = |key: &str| {
            let mut known = values.iter();
            let (_, value) = known.find(|(name, _)| name.eq_ignore_ascii_case(key))?;
            Some(value.trim()).filter(|value| !value.is_empty())
        };
        let switch = |key: &str| text(key)?.to_ascii_lowercase().parse().ok();
        let notices = text("SyncNotificationSettings");
        Self {
            app_id: Some(app_id),
            base_url: text("BaseAddress").map(str::to_owned),
            sync_all: switch("SyncAll"),
            keeps_out_of_scope: switch("SkipOutOfScopeDeletions"),
            max_deletions: notices.and_then(wire::deletion_threshold),
        }
    }
}

/// Something that could not be carried over as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// `users, mapping of title`.
    pub(crate) place: String,
    pub(crate) what: String,
    pub(crate) why: String,
}

/// A setting that is no part of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    /// `jobs.target.base_url`.
    pub(crate) key: String,
    pub(crate) hint: String,
    /// Whether nothing works without it; the others have a default.
    pub(crate) required: bool,
}

/// Why no job could be made of a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the file cannot be read")]
    Read(#[source] io::Error),
    #[error("the file is not text: {0}")]
    NotText(&'static str),
    #[error("not a schema: {message} at line {line}, column {column}")]
    Malformed {
        message: String,
        line: usize,
        column: usize,
    },
    #[error(
        "the schema is cut off at line {line}: PowerShell's ConvertTo-Json writes only 2 levels by \
         default. Export it again with ConvertTo-Json -Depth 100"
    )]
    CutOff { line: usize },
    #[error("not a schema: {0}")]
    Implausible(String),
    #[error("{name:?} cannot be a job's name: {why}")]
    Name { name: String, why: String },
    /// It is a schema, but nothing in it makes a job.
    #[error("nothing in the schema makes a job: {why}")]
    NothingUsable { why: String, left: Vec<Left> },
}

/// The bytes of a file, no more of them than a schema can have.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    bounded::read_file(path, bounded::MAX_JSON).map_err(Error::Read)
}

#[cfg(test)]
mod tests;

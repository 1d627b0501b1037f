//! When this machine's copy was last known to hold all changes of the database: the time of a file next to it. What
//! looks at the copy while the database is away says so. It is in no table, since a copy has what the database has.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::os::{self, private};
use crate::store::key::next_to;

/// Between two notes.
const STEP: Duration = Duration::from_secs(5);

const CONTENT: &[u8] = b"The time of this file is when entrain had contact with the database.\n";

#[derive(Debug, Default)]
pub(super) struct Contact(Mutex<Option<Instant>>);

impl Contact {
    /// The copy at `path` has all changes now.
    pub(super) fn note(&self, path: &Path) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last.elapsed() < STEP) {
            return;
        }
        *last = Some(Instant::now());
        // Who may not write here can do without; a later note may succeed.
        if let Err(error) = touch(path) {
            tracing::debug!(%error, "the time of the contact was not noted");
        }
    }
}

fn touch(path: &Path) -> io::Result<()> {
    let path = next_to(path, ".contact");
    let mut options = OpenOptions::new();
    let mut file = private(options.write(true).create(true).truncate(true)).open(&path)?;
    os::give_to_owner_of_folder(&file, &path);
    file.write_all(CONTENT)
}

/// `None`: it is not known.
pub(in crate::store) fn last_contact(path: &Path) -> Option<DateTime<Utc>> {
    let file = fs::metadata(next_to(path, ".contact")).ok()?;
    file.modified().ok().map(Into::into)
}

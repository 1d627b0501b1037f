//! A damaged state file is set aside, and a new state takes its place. What operators stopped stays stopped, as far as
//! that can still be read: everything else is found again by reading the source and matching in the target.

use std::path::{Path, PathBuf};

use rusqlite::OpenFlags;

use super::backup::set_aside;
use super::open::connect;
use super::wire::Column;
use super::{Error, Lock, Store};
use crate::config::StateAt;
use crate::engine::model::JobName;
use crate::engine::record::Paused;

/// What became of a damaged state.
#[derive(Debug)]
pub(crate) struct Rebuilt {
    /// Where the damaged file is now.
    pub(crate) kept: PathBuf,
    /// The jobs that stay paused; `None`: which were paused cannot be read any more.
    pub(crate) paused: Option<Vec<(JobName, Paused)>>,
}

impl Store {
    /// Sets a damaged state aside and makes a new one. `None`: it is not damaged. Only for the process that holds the
    /// lock.
    pub(crate) fn rebuild(
        at: &StateAt,
        name: &str,
        _lock: &Lock,
    ) -> Result<Option<Rebuilt>, Error> {
        let path = at.path.as_path();
        match Self::open_moved(at).and_then(|store| store.check_state()) {
            Ok((_, faults)) if faults.is_empty() => return Ok(None),
            Ok(_) | Err(Error::Damaged { .. }) => {}
            Err(error) => return Err(error),
        }
        let kept = set_aside(path, name)?;
        let paused = paused(&kept).ok();
        let store = Self::open(at)?;
        for (job, paused) in paused.iter().flatten() {
            store.pause(job, paused)?;
        }
        Ok(Some(Rebuilt { kept, paused }))
    }
}

/// The jobs that were paused, as far as the damaged file can be read.
fn paused(path: &Path) -> rusqlite::Result<Vec<(JobName, Paused)>> {
    let Ok(damaged) = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY) else {
        return Err(rusqlite::Error::InvalidQuery);
    };
    let mut statement = damaged
        .prepare("SELECT name, paused, paused_by FROM jobs NOT INDEXED WHERE paused IS NOT NULL")?;
    let rows = statement.query_map([], |row| {
        let Column(since) = row.get(1)?;
        let by: Option<String> = row.get(2)?;
        let by = by.unwrap_or_default();
        Ok((row.get(0)?, Paused { since, by }))
    })?;
    rows.collect()
}

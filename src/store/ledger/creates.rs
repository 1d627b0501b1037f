//! Creates, as far as a limit counts and holds them.

use chrono::DateTime;
use rusqlite::params;

use super::super::holds::Item;
use super::super::state::State;
use super::super::wire::Column;
use super::number::number_of_name;
use crate::engine::model::Key;

/// The cause of a create that is held.
pub(super) const CAUSE: &str = "create";

pub(super) fn number() -> i64 {
    number_of_name("create")
}

pub(super) fn item(key: Key) -> Item {
    Item {
        source: key,
        member: None,
        operation: number(),
    }
}

/// Those that a plan drafted, with the numbers of their rows.
pub(super) fn planned(state: &State, cycle: i64) -> rusqlite::Result<Vec<(i64, Key)>> {
    state
        .prepare_cached(
            "SELECT id, source FROM actions WHERE cycle = ?1 AND state = 0 AND operation = ?2",
        )?
        .query_map(params![cycle, number()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect()
}

/// Those that were sent since then, cycle by cycle: there is no index of all.
pub(super) fn since(state: &State, job: i64, since: i64) -> rusqlite::Result<u64> {
    let moment = DateTime::from_timestamp_millis(since).unwrap_or_default();
    let cycles: Vec<i64> = state.column(
        "SELECT number FROM cycles WHERE job = (SELECT name FROM jobs WHERE key = ?1)
             AND coalesce(finished, started) >= ?2",
        params![job, Column(moment)],
    )?;
    let mut creates = 0;
    for cycle in cycles {
        let sent: i64 = state
            .prepare_cached(
                "SELECT count(*) FROM actions
                 WHERE cycle = ?1 AND operation = ?2 AND at >= ?3 AND state IN (1, 2, 10)",
            )?
            .query_row(params![cycle, number(), since], |row| row.get(0))?;
        creates += sent.unsigned_abs();
    }
    Ok(creates)
}

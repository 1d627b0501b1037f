//! Creates, as far as a limit counts and holds them, or the number of objects that were gone from the target.

use std::collections::{BTreeMap, BTreeSet};

use chrono::DateTime;
use rusqlite::params;

use super::super::holds::Item;
use super::super::state::State;
use super::super::wire::Column;
use super::number;
use crate::engine::guard;
use crate::engine::model::Key;
use crate::engine::plan::Count;

/// The cause of a create that is held.
pub(super) const CAUSE: &str = "create";
/// The same where the object was there before.
pub(super) const GONE: &str = "gone";

pub(super) fn item(key: Key) -> Item {
    Item {
        source: key,
        member: None,
        operation: number::CREATE,
    }
}

/// Those that a plan drafted, with the numbers of their rows.
pub(super) fn planned(state: &State, cycle: i64) -> rusqlite::Result<Vec<(i64, Key)>> {
    state
        .prepare_cached(
            "SELECT id, source FROM actions WHERE cycle = ?1 AND state = 0 AND operation = ?2",
        )?
        .query_map(params![cycle, number::CREATE], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect()
}

/// Objects that were gone from the target in one cycle together with many others.
pub(super) fn gone_at_once(
    state: &State,
    job: i64,
    linked: Count,
) -> rusqlite::Result<BTreeSet<Key>> {
    let gone: Vec<(Key, i64)> = state
        .prepare_cached("SELECT source, cycle FROM gone WHERE job = ?1")?
        .query_map(params![job], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let linked = linked.total() + gone.len() as u64;
    let mut counts: BTreeMap<i64, u64> = BTreeMap::new();
    for (_, cycle) in &gone {
        *counts.entry(*cycle).or_default() += 1;
    }
    let gone = gone.into_iter();
    let many = gone.filter(|(_, cycle)| guard::is_much_gone(counts[cycle], linked));
    Ok(many.map(|(key, _)| key).collect())
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
            .query_row(params![cycle, number::CREATE, since], |row| row.get(0))?;
        creates += sent.unsigned_abs();
    }
    Ok(creates)
}

//! How long the ledger remembers: the rows of old cycles are deleted, and the cycles with them, except for
//! rows that something still depends on.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::params;

use super::super::state::State;
use super::super::wire::Column;

/// Rows of a cycle stay this long after it has ended.
const DAYS: i64 = 90;
/// Rows that are deleted at once, so that no cycle waits long for the deletion of a large one.
const AT_ONCE: i64 = 10_000;
/// Cycles that are looked at each time.
const CYCLES: i64 = 100;

/// Deletes some of what is too old. Rows that are held, approved or unknown stay, and so does every row of
/// an object in escrow.
pub(in crate::store) fn forget_old(state: &State, now: DateTime<Utc>) -> rusqlite::Result<()> {
    let before = now - TimeDelta::days(DAYS);
    let cycles: Vec<i64> = state.column(
        "SELECT number FROM cycles WHERE finished < ?1 ORDER BY number LIMIT ?2",
        params![Column(before), CYCLES],
    )?;
    let mut left = AT_ONCE;
    for cycle in cycles {
        let deleted = state.run(
            "DELETE FROM actions WHERE id IN (
                 SELECT a.id FROM actions a
                 WHERE a.cycle = ?1 AND a.state >= 10 AND NOT EXISTS (
                     SELECT 1 FROM objects o
                     CROSS JOIN escrow e ON e.job = a.job AND e.kind = o.kind AND e.source = o.key
                     WHERE o.key = a.source)
                 LIMIT ?2)",
            params![cycle, left],
        )?;
        left -= i64::try_from(deleted).unwrap_or(i64::MAX);
        if left <= 0 {
            return Ok(());
        }
        // With its requests and counts.
        state.run(
            "DELETE FROM cycles WHERE number = ?1
                 AND NOT EXISTS (SELECT 1 FROM actions WHERE cycle = ?1)",
            params![cycle],
        )?;
    }
    Ok(())
}

//! How long the ledger remembers: the rows of old cycles are deleted, and the cycles with them, except for
//! rows that something still depends on.

use chrono::{DateTime, Utc};
use rusqlite::params;

use super::super::state::State;
use super::super::wire::Column;
use crate::engine::record::Retention;

/// Rows that are deleted at once, so that no cycle waits long for the deletion of a large one.
const AT_ONCE: i64 = 10_000;
/// Cycles that are looked at each time.
const CYCLES: i64 = 100;

/// Deletes some of what is too old or too much. Rows that are held, approved or unknown stay, and so does every
/// row of an object in escrow.
pub(in crate::store) fn forget_old(
    state: &State,
    retention: Retention,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    let (old, recent) = (now - retention.age, now - Retention::LEAST);
    // Rows are numbered in the order in which they are made, and few numbers are not used: they count them.
    let cycles: Vec<i64> = state.column(
        "SELECT number FROM cycles c
         WHERE finished < ?1
             OR (SELECT max(id) FROM actions) > ?2 AND finished < ?3
                 AND (SELECT max(id) FROM actions WHERE cycle = c.number)
                     <= (SELECT max(id) FROM actions) - ?2
         ORDER BY number LIMIT ?4",
        params![Column(old), retention.rows, Column(recent), CYCLES],
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

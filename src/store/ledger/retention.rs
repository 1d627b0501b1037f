//! How long the ledger remembers: the rows of old cycles are deleted, and the cycles with them, except for
//! rows that something still depends on.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::params;

use super::super::state::State;
use super::super::wire::Column;
use crate::engine::record::Retention;

/// Rows that are deleted at once, so that no cycle waits long for the deletion of a large one.
const AT_ONCE: i64 = 10_000;
/// How long it is remembered which members a group lost.
const LOST: TimeDelta = TimeDelta::hours(24);
/// Cycles that are looked at each time.
const CYCLES: i64 = 100;

/// Removals that a clock that was ahead noted for a time that is still to come were sent by now: they count for as long as
/// others. The same of what the source took away.
pub(in crate::store) fn bound_times(
    state: &State,
    cycle: i64,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    let now = now.timestamp_millis();
    state.run(
        "UPDATE actions SET at = ?2
         WHERE job = (SELECT j.key FROM cycles c CROSS JOIN jobs j ON j.name = c.job WHERE c.number = ?1)
             AND at > ?2 AND class IS NOT NULL AND at IS NOT NULL",
        params![cycle, now],
    )?;
    state.run(
        "UPDATE lost_members SET at = ?1 WHERE at > ?1",
        params![now],
    )?;
    Ok(())
}

/// Deletes some of what is too old or too much. Rows that are held, approved or unknown stay, and so does every
/// row of an object in escrow.
pub(in crate::store) fn forget_old(
    state: &State,
    retention: Retention,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    let (old, recent) = (now - retention.age, now - Retention::LEAST);
    state.run(
        "DELETE FROM lost_members WHERE at < ?1",
        params![(now - LOST).timestamp_millis()],
    )?;
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

//! What the limits count: what was removed within the last 24 hours, whatever removed it, and what there was
//! before.

use std::collections::BTreeMap;

use chrono::DateTime;
use rusqlite::{OptionalExtension, params};

use super::super::source::present;
use super::super::sources::sources_of;
use super::super::state::{State, first_link};
use super::super::wire::Column;
use super::{class_of, number};
use crate::engine::guard::Active;
use crate::engine::model::Key;
use crate::engine::plan::{Count, RemovalClass};

/// The users and groups whose removal was sent since then, each once, by the class of the first request; and those
/// that another cycle of the job, whose plan was judged, is about to send.
pub(super) fn recent(
    state: &State,
    job: i64,
    other: Option<i64>,
    since: i64,
) -> rusqlite::Result<BTreeMap<Key, RemovalClass>> {
    let mut recent = BTreeMap::new();
    let mut statement = state.prepare_cached(
        "SELECT source, class FROM actions
         WHERE job = ?1 AND at >= ?2 AND class IS NOT NULL AND at IS NOT NULL
             AND class BETWEEN 1 AND 3 AND state IN (1, 2, 10, 11, 12, 13)
         ORDER BY at",
    )?;
    let sent = statement.query_map(params![job, since], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut statement = state.prepare_cached(
        "SELECT source, class FROM actions
         WHERE cycle = ?1 AND state = 0 AND class BETWEEN 1 AND 3",
    )?;
    let planned = statement.query_map(params![other], |row| Ok((row.get(0)?, row.get(1)?)))?;
    for row in sent.chain(planned) {
        let (key, class): (Key, i64) = row?;
        if let Some((class, _)) = class_of(class) {
            recent.entry(key).or_insert(class);
        }
    }
    Ok(recent)
}

/// What removes users and groups in another cycle of the job, which is about to send it.
pub(super) fn cleared(state: &State, other: Option<i64>) -> rusqlite::Result<Vec<(Key, i64)>> {
    state
        .prepare_cached(
            "SELECT source, operation FROM actions
             WHERE cycle = ?1 AND state = 0 AND operation IN (?2, ?3)",
        )?
        .query_map(params![other, number::DISABLE, number::DELETE], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect()
}

/// How many active users another cycle of the job takes access from that has not been seen to be done.
pub(super) fn going(state: &State, job: i64, other: i64) -> rusqlite::Result<u64> {
    state
        .prepare_cached(
            "SELECT count(DISTINCT a.source)
             FROM actions a CROSS JOIN links l ON l.link = ?2 + a.source
             WHERE a.cycle = ?1 AND a.state IN (0, 1) AND a.operation IN (?3, ?4) AND l.kind = 1
                 AND l.active",
        )?
        .query_row(
            params![other, first_link(job), number::DISABLE, number::DELETE],
            |row| row.get::<_, i64>(0),
        )
        .map(i64::unsigned_abs)
}

/// Memberships that were removed since then, of one group or of all. One that was refused is planned
/// again, and counts there.
pub(super) fn recent_memberships(
    state: &State,
    job: i64,
    since: i64,
    group: Option<Key>,
) -> rusqlite::Result<u64> {
    state
        .prepare_cached(
            "SELECT coalesce(sum(weight), 0) FROM actions
             WHERE job = ?1 AND at >= ?2 AND class IS NOT NULL AND at IS NOT NULL
                 AND class = 4 AND state IN (1, 2, 10) AND (?3 IS NULL OR source = ?3)",
        )?
        .query_row(params![job, since, group], |row| row.get::<_, i64>(0))
        .map(i64::unsigned_abs)
}

/// What was linked and active when the last cycle before that time ended, or else after the first.
pub(super) fn active(state: &State, job: i64, since: i64) -> rusqlite::Result<Active> {
    let moment = DateTime::from_timestamp_millis(since).unwrap_or_default();
    let of = |row: &rusqlite::Row<'_>| {
        Ok(Active {
            users: row.get::<_, i64>(0)?.unsigned_abs(),
            groups: row.get::<_, i64>(1)?.unsigned_abs(),
            memberships: row.get::<_, i64>(2)?.unsigned_abs(),
        })
    };
    let (name, completed): (String, Option<i64>) = state
        .prepare_cached("SELECT name, completed FROM jobs WHERE key = ?1")?
        .query_row(params![job], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let past = state
        .prepare_cached(
            "SELECT active_users, linked_groups, memberships FROM cycles
             WHERE job = ?1 AND number >= ?2 AND finished <= ?3 AND active_users IS NOT NULL
             ORDER BY number DESC LIMIT 1",
        )?
        .query_row(
            params![name, completed.unwrap_or(i64::MAX), Column(moment)],
            of,
        )
        .optional()?;
    if let Some(past) = past {
        return Ok(past);
    }
    let first = state
        .prepare_cached(
            "SELECT active_users, linked_groups, memberships FROM cycles
             WHERE job = ?1 AND number >= ?2 AND active_users IS NOT NULL
             ORDER BY number LIMIT 1",
        )?
        .query_row(params![name, completed.unwrap_or(i64::MAX)], of)
        .optional()?;
    match first {
        Some(first) => Ok(first),
        None => state
            .prepare_cached(
                "SELECT active_users, linked_groups, memberships FROM jobs WHERE key = ?1",
            )?
            .query_row(params![job], of),
    }
}

/// What each source of the job held at its last complete reading, and what it holds now.
pub(super) fn seen_of_sources(state: &State, job: i64) -> rusqlite::Result<Vec<(Count, Count)>> {
    let mut seen = Vec::new();
    for source in sources_of(state, job)? {
        let before = state
            .prepare_cached(
                "SELECT seen_users, seen_groups FROM job_sources WHERE job = ?1 AND source = ?2",
            )?
            .query_row(params![job, source], |row| {
                Ok(Count {
                    users: row.get::<_, i64>(0)?.unsigned_abs(),
                    groups: row.get::<_, i64>(1)?.unsigned_abs(),
                })
            })
            .optional()?;
        seen.push((before.unwrap_or_default(), present(state, source)?));
    }
    Ok(seen)
}

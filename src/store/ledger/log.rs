//! The provisioning log, which is the rows that came to an end, and the requests that belong to no row
//! (product rule 9).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rusqlite::{Row, ToSql, named_params, params};

use super::super::state::{State, array};
use super::super::wire::Column;
use super::super::{Error, Store};
use super::entries::{TIME, by_id, columns, complete, entry};
use super::filter::{Chosen, LogFilter, states};
use super::rows::RowId;
use super::{NewRow, body, job_of, number, operation_name, put_row, status};
use crate::engine::model::{JobName, Key, ObjectKind, SourceId, TargetId};
use crate::engine::plan::Operation;
use crate::engine::record::{LogEntry, LoggedRequest, Side};

/// What was refused of an object, by the name of the action, with the target's words.
pub(crate) type Refused = BTreeMap<(Key, &'static str), (Operation, String)>;

impl Store {
    /// How often each action was carried out by cycles of the saved plan with this digest.
    pub(crate) fn applied(
        &self,
        plan: &str,
    ) -> Result<BTreeMap<(ObjectKind, SourceId, String), u64>, Error> {
        self.read("read what was applied", |state| {
            let mut statement = state.prepare_cached(
                "SELECT o.kind, o.id, a.operation, count(*)
                 FROM cycles c JOIN actions a ON a.cycle = c.number JOIN objects o ON o.key = a.source
                 WHERE c.plan = ?1 AND a.state IN (10, 11) GROUP BY o.kind, o.id, a.operation",
            )?;
            let rows = statement.query_map(params![plan], |row| {
                let name = operation_name(row.get(2)?).to_owned();
                Ok(((row.get(0)?, row.get(1)?, name), row.get::<_, i64>(3)?.unsigned_abs()))
            })?;
            rows.collect()
        })
    }

    /// The newest lines of the provisioning log, newest first.
    pub(crate) fn log(&self, filter: &LogFilter, limit: u32) -> Result<Vec<LogEntry>, Error> {
        let mut entries = self.read("read the provisioning log", |state| {
            let Chosen {
                rows,
                conditions,
                at,
                objects,
            } = filter.choose(state, TIME)?;
            let sql = format!(
                "SELECT {}
                 FROM actions a {rows}
                 CROSS JOIN jobs j ON j.key = a.job
                 LEFT JOIN objects o ON o.key = a.source
                 WHERE {conditions}
                 ORDER BY a.id DESC LIMIT :limit",
                columns(at)
            );
            let job = filter.job.as_ref().map(|job| state.job_or_none(job));
            let (one, other) = filter.status.map(states).unzip();
            let mut statement = state.prepare_cached(&sql)?;
            let values: &[(&str, &dyn ToSql)] = named_params! {
                ":job": job.transpose()?,
                ":cycle": filter.cycle,
                ":since": filter.since.map(|at| at.timestamp_millis()),
                ":until": filter.until.map(|at| at.timestamp_millis()),
                ":action": filter.action.as_deref().map(number::number_of_name),
                ":one": one,
                ":other": other,
                ":objects": array(&objects),
                ":target": filter.object.as_ref().map(TargetId::new),
                ":after": filter.after.unwrap_or(0),
                ":before": filter.before.unwrap_or(i64::MAX),
                ":limit": limit,
            };
            for (name, value) in values {
                // Only what the conditions name.
                if let Some(index) = statement.parameter_index(name)? {
                    statement.raw_bind_parameter(index, value)?;
                }
            }
            let mut rows = statement.raw_query();
            let mut entries = Vec::new();
            while let Some(row) = rows.next()? {
                entries.push(entry(state, row)?);
            }
            complete(state, entries, filter.members.unwrap_or(usize::MAX))
        })?;
        // Failures of earlier cycles stay as they are; their order is that of time.
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.id));
        Ok(entries)
    }

    /// All that came to an end in a cycle: what was planned, what followed it, what was not sent, and what
    /// was skipped. Action by action, what takes access away first, and in an action by name; what failed
    /// and what was skipped is at the end.
    pub(crate) fn ended(&self, cycle: i64) -> Result<Vec<RowId>, Error> {
        self.read("read what the cycle did", |state| {
            let ids: Vec<i64> = state.column(
                "SELECT a.id FROM actions a LEFT JOIN objects o ON o.key = a.source
                 WHERE a.cycle = ?1 AND (a.state = 2 OR a.state >= 10)
                 ORDER BY a.state = 20, a.state IN (2, 13, 16), a.operation NOT IN (4, 5, 9),
                          a.operation, o.label COLLATE NOCASE, a.source, a.id",
                params![cycle],
            )?;
            Ok(ids.into_iter().map(RowId::new).collect())
        })
    }

    /// Entries by their ids, in this order.
    pub(crate) fn entries(&self, ids: &[RowId]) -> Result<Vec<LogEntry>, Error> {
        self.read("read what the cycle did", |state| {
            let mut statement = state.prepare_cached(&by_id())?;
            let entries = ids
                .iter()
                .map(|id| statement.query_row(params![id.get()], |row| entry(state, row)));
            complete(state, entries.collect::<Result<_, _>>()?, usize::MAX)
        })
    }

    /// What was refused of objects that are in escrow, at the last attempt, with the target's words.
    pub(crate) fn refused_before(&self, job: &JobName) -> Result<Refused, Error> {
        self.read("read what was refused", |state| {
            let mut statement = state.prepare_cached(
                "SELECT a.source, a.operation, a.body, a.error
                 FROM (SELECT DISTINCT cycle FROM escrow WHERE job = ?1) c
                 CROSS JOIN actions a ON a.cycle = c.cycle
                 WHERE a.job = ?1 AND a.state = 13 AND a.operation < 10 AND EXISTS (
                     SELECT 1 FROM escrow e
                     WHERE e.job = a.job AND e.source = a.source AND e.cycle = a.cycle
                           AND e.class IN ('refused', 'conflict', 'forbidden', 'invalid'))
                 ORDER BY a.id",
            )?;
            let mut refused = BTreeMap::new();
            let mut rows = statement.query(params![state.job_or_none(job)?])?;
            while let Some(row) = rows.next()? {
                let number: i64 = row.get(1)?;
                let operation = body::unpack_operation(state, number, row.get_ref(2)?.as_blob()?)?;
                let words: Option<String> = row.get(3)?;
                refused.insert(
                    (row.get(0)?, operation_name(number)),
                    (operation, words.unwrap_or_default()),
                );
            }
            Ok(refused)
        })
    }

    /// How many objects a cycle failed to change, by the action that failed.
    pub(crate) fn failed_actions(&self, cycle: i64) -> Result<BTreeMap<&'static str, u64>, Error> {
        self.read("count what failed", |state| {
            let mut statement = state.prepare_cached(
                "SELECT operation, count(*) FROM actions
                 WHERE cycle = ?1 AND state IN (2, 13) GROUP BY operation",
            )?;
            let rows = statement.query_map(params![cycle], |row| {
                let times: i64 = row.get(1)?;
                Ok((operation_name(row.get(0)?), times.unsigned_abs()))
            })?;
            rows.collect()
        })
    }

    /// Puts requests on record that belong to no action, such as look-ups.
    pub(crate) fn record_requests(&self, requests: &[LoggedRequest]) -> Result<(), Error> {
        if requests.is_empty() {
            return Ok(());
        }
        self.write("record requests", |tx| {
            let mut statement = tx.prepare_cached(
                "INSERT INTO requests (cycle, job, at, side, method, path, status, attempts,
                                       duration_ms, error)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?;
            for LoggedRequest {
                at,
                job,
                cycle,
                side,
                method,
                path,
                status,
                attempts,
                duration_ms,
                error,
                action: _,
            } in requests
            {
                statement.execute(params![
                    cycle,
                    job,
                    Column(*at),
                    side.as_str(),
                    method,
                    path,
                    status,
                    attempts,
                    Column(*duration_ms),
                    error,
                ])?;
            }
            Ok(())
        })
    }

    /// The newest of those, newest first. Of the filter the job, the cycle and the time count.
    pub(crate) fn requests(
        &self,
        filter: &LogFilter,
        limit: u32,
    ) -> Result<Vec<LoggedRequest>, Error> {
        self.read("read the requests", |state| {
            state
                .prepare_cached(
                    "SELECT at, job, cycle, side, method, path, status, attempts, duration_ms, error
                     FROM requests
                     WHERE (:job IS NULL OR job = :job) AND (:cycle IS NULL OR cycle = :cycle)
                         AND (:since IS NULL OR at >= :since) AND (:until IS NULL OR at < :until)
                     ORDER BY id DESC LIMIT :limit",
                )?
                .query_map(
                    named_params! {
                        ":job": filter.job,
                        ":cycle": filter.cycle,
                        ":since": filter.since.map(Column),
                        ":until": filter.until.map(Column),
                        ":limit": limit,
                    },
                    request,
                )?
                .collect()
        })
    }
}

fn request(row: &Row<'_>) -> rusqlite::Result<LoggedRequest> {
    let (Column(at), Column(duration_ms)) = (row.get(0)?, row.get(8)?);
    let side: String = row.get(3)?;
    Ok(LoggedRequest {
        at,
        job: row.get(1)?,
        cycle: row.get(2)?,
        side: if side == Side::Source.as_str() {
            Side::Source
        } else {
            Side::Target
        },
        method: row.get(4)?,
        path: row.get(5)?,
        status: row.get(6)?,
        attempts: row.get(7)?,
        duration_ms,
        error: row.get(9)?,
        action: None,
    })
}

/// An object for which no action could be planned is on record as failed.
pub(in crate::store) fn log_not_planned(
    state: &State,
    row: RowId,
    message: &str,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    state.run(
        "UPDATE actions SET state = 13, operation = 99, at = ?2, error = ?3, attempts = 0,
                            duration_ms = 0
         WHERE id = ?1",
        params![row.get(), now.timestamp_millis(), message],
    )?;
    Ok(())
}

/// What a cycle did before it failed, by [`Operation::done`], and how many of its actions failed.
pub(in crate::store) fn done_until_now(
    state: &State,
    cycle: i64,
) -> rusqlite::Result<(BTreeMap<&'static str, u64>, u64)> {
    let mut done = BTreeMap::new();
    let mut failed = 0_u64;
    let mut statement = state.prepare_cached(
        "SELECT state, operation, sum(weight), count(*) FROM actions
         WHERE cycle = ?1 AND state IN (2, 10, 11, 12, 13, 16) GROUP BY state, operation",
    )?;
    let mut rows = statement.query(params![cycle])?;
    while let Some(row) = rows.next()? {
        let (ended, operation): (i64, i64) = (row.get(0)?, row.get(1)?);
        let (weight, count) = (row.get::<_, i64>(2)?, row.get::<_, i64>(3)?);
        let (weight, count) = (weight.unsigned_abs(), count.unsigned_abs());
        match (ended, number::name_of(operation)) {
            (status::DONE, Some(name)) => *done.entry(name).or_default() += weight,
            (status::EXISTS, _) => *done.entry("adopt").or_default() += count,
            (_, Some(_)) => failed += count,
            (_, None) => {}
        }
    }
    // Which of the references were cleared is not in a column.
    let mut statement = state.prepare_cached(
        "SELECT operation, body FROM actions WHERE cycle = ?1 AND state = 10 AND operation = ?2",
    )?;
    let mut rows = statement.query(params![cycle, number::SET_REFERENCE])?;
    while let Some(row) = rows.next()? {
        let operation = body::unpack_operation(state, row.get(0)?, row.get_ref(1)?.as_blob()?)?;
        if operation.done() != operation.as_str() {
            *done.entry(operation.as_str()).or_default() -= 1;
            *done.entry(operation.done()).or_default() += 1;
        }
    }
    done.retain(|_, count| *count > 0);
    Ok((done, failed))
}

/// A cycle that failed is an entry of its own, of no object: no object has the key 0.
pub(in crate::store) fn log_failed_cycle(
    state: &State,
    cycle: i64,
    error: &str,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    let row = NewRow {
        job: job_of(state, cycle)?,
        cycle,
        key: Key::new(0),
        step: 0,
        rank: 0,
        operation: number::CYCLE,
        class: None,
        weight: 0,
        target: None,
        body: Vec::new(),
        state: status::REFUSED,
        follows: None,
    };
    let row = put_row(state, &row)?;
    state.run(
        "UPDATE actions SET at = ?2, error = ?3, attempts = 0, duration_ms = 0 WHERE id = ?1",
        params![row.get(), now.timestamp_millis(), error],
    )?;
    Ok(())
}

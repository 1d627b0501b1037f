//! Cycles and the status of a job: when they ran, what they did, and how they ended.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{OptionalExtension as _, Row, params};

use super::holds::{Decision, decided, held};
use super::jobs::{ensure_job, is_full};
use super::ledger::{bound_times, done_until_now, forget_old, log_failed_cycle};
use super::links::link_counts;
use super::objects::counts;
use super::staged::{Clocks, staged};
use super::state::State;
use super::wire::{Column, unreadable};
use super::{Error, Store, escrow};
use crate::engine::model::JobName;
use crate::engine::plan::Count;
use crate::engine::record::{CycleRecord, CycleState, JobRecord, Retention};
use crate::engine::summary::{CycleKind, Health, Requests, Summary};

/// How many entries of the escrow a status shows.
const SHOWN_ESCROW: u32 = 100;

impl Store {
    /// Begins a cycle and gives its number. One of the job that never ended was interrupted; only looks for
    /// leavers run during others.
    pub(crate) fn begin_cycle(
        &self,
        job: &JobName,
        kind: CycleKind,
        now: DateTime<Utc>,
    ) -> Result<i64, Error> {
        self.write("begin the cycle", |tx| {
            ensure_job(tx, job)?;
            tx.execute(
                "UPDATE cycles SET state = ?2
                 WHERE job = ?1 AND state = ?3 AND (kind = ?4) = (?5 = ?4)",
                params![
                    job,
                    CycleState::Interrupted,
                    CycleState::Running,
                    CycleKind::Leavers,
                    kind
                ],
            )?;
            tx.query_row(
                "INSERT INTO cycles (job, kind, state, started) VALUES (?1, ?2, ?3, ?4)
                 RETURNING number",
                params![job, kind, CycleState::Running, Column(now)],
                |row| row.get(0),
            )
        })
    }

    /// Takes back a cycle in which there was nothing to do.
    pub(crate) fn forget_cycle(&self, cycle: i64) -> Result<(), Error> {
        self.write("forget the cycle", |tx| {
            tx.run("DELETE FROM actions WHERE cycle = ?1", params![cycle])?;
            tx.run("DELETE FROM cycles WHERE number = ?1", params![cycle])?;
            Ok(())
        })
    }

    /// Notes that a cycle carries out the saved plan with this digest.
    pub(crate) fn note_applied(&self, cycle: i64, plan: &str) -> Result<(), Error> {
        self.write("note the saved plan", |tx| {
            tx.execute(
                "UPDATE cycles SET plan = ?2 WHERE number = ?1",
                params![cycle, plan],
            )
            .map(drop)
        })
    }

    /// Ends a cycle that was completed, or stopped: all its actions are recorded.
    pub(crate) fn finish_cycle(
        &self,
        summary: &Summary,
        retention: Retention,
        clocks: Clocks,
    ) -> Result<(), Error> {
        let now = clocks.now;
        let ahead = clocks.differ().map(|ahead| ahead.num_milliseconds());
        let Summary {
            job: _,
            cycle,
            kind,
            started: _,
            duration_ms,
            evaluated,
            in_scope,
            linked,
            done,
            skipped,
            failures: _,
            failed,
            not_tried,
            warnings: _,
            strangers: _,
            held,
            incomplete,
            misnamed: _,
            aborted,
            stopped: _,
            requests,
        } = summary;
        self.write("finish the cycle", |tx| {
            tx.execute(
                "UPDATE cycles SET
                     state = ?2, finished = ?3, duration_ms = ?4, evaluated_users = ?5,
                     evaluated_groups = ?6, in_scope_users = ?7, in_scope_groups = ?8,
                     linked_users = ?9, linked_groups = ?10, failed = ?11, not_tried = ?12,
                     held = ?13, requests_source = ?14, requests_target = ?15, incomplete = ?16,
                     error = ?17, kind = ?18, clock_ahead = ?19,
                     active_users = (SELECT j.active_users FROM jobs j WHERE j.name = cycles.job),
                     memberships = (SELECT j.memberships FROM jobs j WHERE j.name = cycles.job)
                 WHERE number = ?1",
                params![
                    cycle,
                    CycleState::Ended(summary.health()),
                    Column(now),
                    Column(*duration_ms),
                    Column(evaluated.users),
                    Column(evaluated.groups),
                    Column(in_scope.users),
                    Column(in_scope.groups),
                    Column(linked.users),
                    Column(linked.groups),
                    Column(*failed),
                    Column(*not_tried),
                    Column(held.as_ref().map_or(0, |held| held.removals)),
                    Column(requests.source),
                    Column(requests.target),
                    incomplete,
                    aborted,
                    kind,
                    ahead,
                ],
            )?;
            put_counts(tx, *cycle, DONE, done)?;
            put_counts(tx, *cycle, SKIPPED, skipped)?;
            Self::drop_rest(tx, *cycle)?;
            if let Some(error) = aborted {
                log_failed_cycle(tx, *cycle, error, now)?;
            }
            // A clock that is ahead would make everything old.
            if clocks.agree() {
                bound_times(tx, *cycle, now)?;
                forget_old(tx, retention, now)?;
            }
            Ok(())
        })
    }

    /// Ends a cycle that could not go on. What it had begun to write stays unconfirmed. What it had done until
    /// then counts, and what is linked does not depend on how it ended.
    pub(crate) fn fail_cycle(
        &self,
        cycle: i64,
        health: Health,
        error: &str,
        requests: Requests,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        self.write("finish the cycle", |tx| {
            let (done, failed) = done_until_now(tx, cycle)?;
            put_counts(tx, cycle, DONE, &done)?;
            tx.execute(
                "UPDATE cycles SET
                     state = ?2, finished = ?3, error = ?4, requests_source = ?5,
                     requests_target = ?6, failed = ?7,
                     linked_users = coalesce((SELECT j.linked_users FROM jobs j WHERE j.name = cycles.job), 0),
                     linked_groups = coalesce((SELECT j.linked_groups FROM jobs j WHERE j.name = cycles.job), 0),
                     duration_ms = max(0, CAST(1000 * (unixepoch(?3, 'subsec')
                                                       - unixepoch(started, 'subsec')) AS INTEGER))
                 WHERE number = ?1",
                params![
                    cycle,
                    CycleState::Ended(health),
                    Column(now),
                    error,
                    Column(requests.source),
                    Column(requests.target),
                    Column(failed),
                ],
            )?;
            Self::drop_rest(tx, cycle)?;
            log_failed_cycle(tx, cycle, error, now)
        })
    }

    /// All that is known of a job, with so many of its last cycles.
    pub(crate) fn status(&self, job: &JobName, cycles: u32) -> Result<JobRecord, Error> {
        let (mut status, running) = self.read("look up the job's status", |state| {
            let cycles = last_cycles(state, job, cycles)?;
            let running = cycles
                .iter()
                .any(|cycle| cycle.state == CycleState::Running);
            let key = state.job_or_none(job)?;
            let count = |sql| counts(state, sql, |kind| (key, kind));
            let status = JobRecord {
                full_evaluation: is_full(state, job)?,
                cycles,
                linked: link_counts(state, job)?,
                pending: count("SELECT count(*) FROM pending WHERE job = ?1 AND kind = ?2")?,
                in_escrow: count("SELECT count(*) FROM escrow WHERE job = ?1 AND kind = ?2")?,
                escrow: escrow::entries(state, job, SHOWN_ESCROW)?,
                held: held(state, job)?,
                paused: None,
                quarantine: None,
                staged: staged(state, job)?,
                compared: None,
                approved: decided(state, job, Decision::Approved)?,
                rejected: decided(state, job, Decision::Rejected)?,
            };
            Ok((status, running))
        })?;
        if running {
            self.note_interrupted(&mut status.cycles);
        }
        status.paused = self.paused(job)?;
        status.compared = self.compared(job)?;
        status.quarantine = self.quarantine(job)?;
        Ok(status)
    }

    pub(crate) fn last_cycle(&self, job: &JobName) -> Result<Option<CycleRecord>, Error> {
        let mut cycles = self.read("look up the last cycle", |state| last_cycles(state, job, 1))?;
        self.note_interrupted(&mut cycles);
        Ok(cycles.pop())
    }

    /// One cycle, and the job that it is of.
    pub(crate) fn cycle(&self, number: i64) -> Result<Option<(JobName, CycleRecord)>, Error> {
        let mut found = self.cycles_where("number = ?1", params![number])?;
        Ok(found.pop())
    }

    /// The cycles of all jobs that started in this time, the oldest first.
    pub(crate) fn cycles_between(
        &self,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Vec<(JobName, CycleRecord)>, Error> {
        self.cycles_where(
            "started >= ?1 AND started < ?2",
            params![Column(since), Column(until)],
        )
    }

    /// The same of a job, the newest alone.
    pub(crate) fn newest_cycle(&self, job: &JobName) -> Result<Option<i64>, Error> {
        self.read("look up the last cycle", |state| {
            state
                .prepare_cached("SELECT max(number) FROM cycles WHERE job = ?1")?
                .query_row(params![job], |row| row.get(0))
        })
    }

    fn cycles_where(
        &self,
        condition: &str,
        values: &[&dyn ToSql],
    ) -> Result<Vec<(JobName, CycleRecord)>, Error> {
        let (jobs, mut cycles) = self.read("look up cycles", |state| {
            let mut statement =
                state.prepare_cached(&format!("{CYCLES} WHERE {condition} ORDER BY number"))?;
            let found = statement
                .query_map(values, |row| Ok((row.get(JOB)?, cycle(row)?)))?
                .collect::<rusqlite::Result<Vec<(JobName, CycleRecord)>>>()?;
            let (jobs, mut cycles): (Vec<_>, Vec<_>) = found.into_iter().unzip();
            put_in_counts(state, &mut cycles)?;
            Ok((jobs, cycles))
        })?;
        self.note_interrupted(&mut cycles);
        Ok(jobs.into_iter().zip(cycles).collect())
    }

    /// When the last cycle of the job ended that did all it could.
    pub(crate) fn last_completed(&self, job: &JobName) -> Result<Option<DateTime<Utc>>, Error> {
        self.read("look up the last cycle that completed", |state| {
            let finished: Option<Column<DateTime<Utc>>> = state
                .prepare_cached(
                    "SELECT finished FROM cycles
                     WHERE job = ?1 AND kind IN ('initial', 'incremental') AND error IS NULL
                           AND finished IS NOT NULL AND state NOT IN (?2, ?3)
                     ORDER BY number DESC LIMIT 1",
                )?
                .query_row(
                    params![
                        job,
                        CycleState::Ended(Health::Stopped),
                        CycleState::Ended(Health::Failed)
                    ],
                    |row| row.get(0),
                )
                .optional()?;
            Ok(finished.map(|Column(finished)| finished))
        })
    }

    /// No cycle runs when no process holds the lock: it was interrupted.
    fn note_interrupted(&self, cycles: &mut [CycleRecord]) {
        let running = cycles
            .iter_mut()
            .filter(|cycle| cycle.state == CycleState::Running);
        for cycle in running {
            if !self.was_locked {
                cycle.state = CycleState::Interrupted;
            }
        }
    }
}

const DONE: &str = "done";
const SKIPPED: &str = "skipped";

fn put_counts(
    tx: &State,
    cycle: i64,
    family: &str,
    counts: &BTreeMap<&'static str, u64>,
) -> rusqlite::Result<()> {
    for (word, count) in counts {
        tx.execute(
            "REPLACE INTO cycle_counts VALUES (?1, ?2, ?3, ?4)",
            params![cycle, family, word, Column(*count)],
        )?;
    }
    Ok(())
}

/// The last whole cycles. Looks for leavers, retries and what was provisioned on demand between them are none.
fn last_cycles(state: &State, job: &JobName, limit: u32) -> rusqlite::Result<Vec<CycleRecord>> {
    let mut cycles: Vec<CycleRecord> = state
        .prepare_cached(&format!(
            "{CYCLES} WHERE job = ?1 AND kind IN ('initial', 'incremental') ORDER BY number DESC LIMIT ?2"
        ))?
        .query_map(params![job, limit], cycle)?
        .collect::<rusqlite::Result<_>>()?;
    put_in_counts(state, &mut cycles)?;
    Ok(cycles)
}

const CYCLES: &str = "SELECT number, kind, state, started, finished, duration_ms, evaluated_users,
        evaluated_groups, in_scope_users, in_scope_groups, linked_users, linked_groups,
        failed, not_tried, held, requests_source, requests_target, incomplete, error,
        clock_ahead, job
 FROM cycles";
/// The column that [`cycle`] leaves out.
const JOB: usize = 20;

fn put_in_counts(state: &State, cycles: &mut [CycleRecord]) -> rusqlite::Result<()> {
    for cycle in cycles {
        let count = |family| {
            state
                .prepare_cached(
                    "SELECT word, count FROM cycle_counts WHERE cycle = ?1 AND family = ?2",
                )?
                .query_map(params![cycle.number, family], |row| {
                    let Column(count) = row.get(1)?;
                    Ok((row.get(0)?, count))
                })?
                .collect::<rusqlite::Result<_>>()
        };
        let (done, skipped) = (count(DONE)?, count(SKIPPED)?);
        cycle.done = done;
        cycle.skipped = skipped;
    }
    Ok(())
}

fn cycle(row: &Row<'_>) -> rusqlite::Result<CycleRecord> {
    let Column(started) = row.get(3)?;
    let finished: Option<Column<DateTime<Utc>>> = row.get(4)?;
    let number = |index| row.get(index).map(|Column(number): Column<u64>| number);
    let count = |index| {
        Ok::<_, rusqlite::Error>(Count {
            users: number(index)?,
            groups: number(index + 1)?,
        })
    };
    Ok(CycleRecord {
        number: row.get(0)?,
        kind: row.get(1)?,
        state: row.get(2)?,
        started,
        finished: finished.map(|Column(finished)| finished),
        duration_ms: number(5)?,
        evaluated: count(6)?,
        in_scope: count(8)?,
        linked: count(10)?,
        done: BTreeMap::new(),
        skipped: BTreeMap::new(),
        failed: number(12)?,
        not_tried: number(13)?,
        held: number(14)?,
        requests: Requests {
            source: number(15)?,
            target: number(16)?,
        },
        incomplete: row.get(17)?,
        error: row.get(18)?,
        clock_ahead: row
            .get::<_, Option<i64>>(19)?
            .and_then(TimeDelta::try_milliseconds),
    })
}

impl ToSql for CycleState {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for CycleState {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let word = value.as_str()?;
        Self::all()
            .find(|state| state.as_str() == word)
            .ok_or_else(|| unreadable("state of a cycle"))
    }
}

impl ToSql for CycleKind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Initial => "initial",
            Self::Incremental => "incremental",
            Self::OnDemand => "on-demand",
            Self::Leavers => "leavers",
            Self::Retries => "retries",
        }
        .into())
    }
}

impl FromSql for CycleKind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "initial" => Ok(Self::Initial),
            "incremental" => Ok(Self::Incremental),
            "on-demand" => Ok(Self::OnDemand),
            "leavers" => Ok(Self::Leavers),
            "retries" => Ok(Self::Retries),
            _ => Err(unreadable("kind of a cycle")),
        }
    }
}

//! The ledger: a plan's rows, from the draft to the last answer, in the table `actions`.
//!
//! | state | means |
//! |---|---|
//! | planned | drafted; it may be sent once its cycle is cleared |
//! | held | a removal that waits for a person (`holds`); gone when its cycle ends |
//! | sent | about to be sent, or under way |
//! | unknown | it may have been carried out; a read settles it |
//! | done, exists, gone, refused, followed, `not_sent`, absent | its end |
//! | skipped | no action: why not |

mod advance;
mod body;
mod creates;
mod entries;
mod erase;
mod filter;
mod history;
mod judge;
mod log;
mod number;
mod retention;
mod rows;
mod values;
mod waits;

use chrono::{DateTime, Utc};
use rusqlite::params;

use super::state::{State, array};
use super::{Before, Error, Lock, Store};
use crate::engine::model::{JobName, Key, ObjectKind, TargetId};
use crate::engine::plan::{
    ClassTotal, Decision, Draft, RemovalClass, Skipped, Step, Subject, Totals,
};

pub(crate) use self::advance::Advanced;
pub(crate) use self::erase::Erasing;
pub(crate) use self::filter::LogFilter;
pub(crate) use self::judge::{Judged, Judging};
pub(crate) use self::log::Refused;
pub(crate) use self::rows::{Place, Queued, Row, RowId, RowsOf, Unknown};

pub(super) use self::log::{done_until_now, log_failed_cycle, log_not_planned};
pub(super) use self::retention::{bound_times, forget_old};
pub(super) use self::rows::{subject, unsettled};

/// The states of a row, by their number.
pub(super) mod status {
    pub(in crate::store) const PLANNED: i64 = 0;
    pub(in crate::store) const UNKNOWN: i64 = 2;
    pub(in crate::store) const HELD: i64 = 3;
    pub(in crate::store) const DONE: i64 = 10;
    pub(in crate::store) const EXISTS: i64 = 11;
    pub(in crate::store) const GONE: i64 = 12;
    pub(in crate::store) const REFUSED: i64 = 13;
    pub(in crate::store) const FOLLOWED: i64 = 14;
    pub(in crate::store) const NOT_SENT: i64 = 15;
    pub(in crate::store) const SKIPPED: i64 = 20;
}

/// What an operation is called, by its number.
pub(super) fn operation_name(number: i64) -> &'static str {
    match number {
        number::PLAN => super::PLAN,
        number::CYCLE => super::CYCLE,
        number => number::name_of(number).unwrap_or("unknown"),
    }
}

/// Added to the number of a removal's class when an approval covers it.
const APPROVED_CLASS: i64 = 10;

pub(super) fn number_of_class(class: RemovalClass) -> i64 {
    match class {
        RemovalClass::Certain => 1,
        RemovalClass::User => 2,
        RemovalClass::Group => 3,
        RemovalClass::Membership => 4,
    }
}

pub(super) fn class_of(number: i64) -> Option<(RemovalClass, bool)> {
    let is_approved = number > APPROVED_CLASS;
    let number = number - if is_approved { APPROVED_CLASS } else { 0 };
    let mut classes = RemovalClass::ALL.into_iter();
    let class = classes.find(|class| number_of_class(*class) == number)?;
    Some((class, is_approved))
}

fn number_of_step(step: Step) -> i64 {
    match step {
        Step::Disables => 0,
        Step::Names => 1,
        Step::Users => 2,
        Step::Groups => 3,
        Step::AddMembers => 4,
        Step::References => 5,
        Step::RemoveMembers => 6,
        Step::Deletes => 7,
        Step::CreatesAgain => 8,
    }
}

fn step_of(number: i64) -> Option<Step> {
    const STEPS: [Step; 9] = [
        Step::Disables,
        Step::Names,
        Step::Users,
        Step::Groups,
        Step::AddMembers,
        Step::References,
        Step::RemoveMembers,
        Step::Deletes,
        Step::CreatesAgain,
    ];
    STEPS.get(usize::try_from(number).ok()?).copied()
}

impl Store {
    /// Writes decisions as rows of a plan; other decisions than actions and skips are ignored.
    pub(crate) fn draft(&self, cycle: i64, decisions: &[Decision]) -> Result<(), Error> {
        self.write("write the plan", |state| {
            let job = job_of(state, cycle)?;
            for decision in decisions {
                match decision {
                    Decision::Act(draft) => insert(state, job, cycle, draft)?,
                    Decision::Skip(skipped) => insert_skipped(state, job, cycle, skipped)?,
                    Decision::First { key, from, rank } => {
                        let from = number_of_step(*from);
                        let names = number_of_step(Step::Names);
                        state.run(
                            "UPDATE actions SET step = ?4, rank = ?5
                             WHERE cycle = ?1 AND state = 0 AND step = ?2 AND rank < 2
                                   AND source = ?3",
                            params![cycle, from, key, names, rank_of(Step::Names, *rank, false)],
                        )?;
                    }
                    Decision::Withdraw(key) => {
                        state.run(
                            "DELETE FROM actions
                             WHERE cycle = ?1 AND state = 0 AND step = ?2 AND rank = 0
                                   AND source = ?3",
                            params![cycle, number_of_step(Step::Disables), key],
                        )?;
                    }
                    Decision::Needs { taker, giver } => {
                        state.run(
                            "INSERT OR IGNORE INTO needs (job, cycle, giver, taker)
                             VALUES (?1, ?2, ?3, ?4)",
                            params![job, cycle, giver, taker],
                        )?;
                    }
                    Decision::Split { .. }
                    | Decision::Scope { .. }
                    | Decision::Postpone(_)
                    | Decision::ExistingMembers { .. } => {}
                }
            }
            Ok(())
        })
    }

    /// How much a plan holds.
    pub(crate) fn totals(&self, cycle: i64) -> Result<Totals, Error> {
        self.read("count the rows of the plan", |state| {
            let mut totals = Totals::default();
            let mut planned = state.prepare_cached(
                "SELECT operation, class, sum(weight), count(*) FROM actions
                 WHERE cycle = ?1 AND state = 0 GROUP BY operation, class",
            )?;
            let mut rows = planned.query(params![cycle])?;
            while let Some(row) = rows.next()? {
                let weight: u64 = row.get::<_, i64>(2)?.unsigned_abs();
                if let Some(name) = number::name_of(row.get(0)?) {
                    *totals.planned.entry(name).or_default() += weight;
                }
                add_removals(&mut totals, row.get(1)?, weight);
            }
            let mut held = state.prepare_cached(
                "SELECT class, sum(weight), count(*) FROM actions
                 WHERE state BETWEEN 1 AND 4 AND state = 3 AND cycle = ?1 GROUP BY class",
            )?;
            let mut rows = held.query(params![cycle])?;
            while let Some(row) = rows.next()? {
                add_removals(
                    &mut totals,
                    row.get(0)?,
                    row.get::<_, i64>(1)?.unsigned_abs(),
                );
                totals.held += row.get::<_, i64>(2)?.unsigned_abs();
            }
            let mut skipped = state.prepare_cached(
                "SELECT operation, count(*) FROM actions
                 WHERE cycle = ?1 AND state = 20 GROUP BY operation",
            )?;
            let mut rows = skipped.query(params![cycle])?;
            while let Some(row) = rows.next()? {
                let count = row.get::<_, i64>(1)?.unsigned_abs();
                let (word, is_failure) = rows::reason(row.get(0)?);
                if is_failure {
                    totals.failing += count;
                } else {
                    *totals.skipped.entry(word).or_default() += count;
                }
            }
            Ok(totals)
        })
    }

    /// The removals of a plan that are to be judged.
    pub(crate) fn removals(&self, cycle: i64) -> Result<Vec<RowId>, Error> {
        self.read("read the removals of the plan", |state| {
            let ids: Vec<i64> = state.column(
                "SELECT id FROM actions
                 WHERE cycle = ?1 AND state = 0 AND class IS NOT NULL
                 ORDER BY step, rank, source, id",
                params![cycle],
            )?;
            Ok(ids.into_iter().map(RowId::new).collect())
        })
    }

    /// The removals that are about to be sent, or will be.
    pub(crate) fn removals_left(&self, cycle: i64) -> Result<Vec<RowId>, Error> {
        let mut rows = self.removals(cycle)?;
        let sent: Vec<i64> = self.read("read the removals of the plan", |state| {
            state.column(
                "SELECT id FROM actions
                 WHERE state BETWEEN 1 AND 4 AND state = 1 AND cycle = ?1 AND class IS NOT NULL",
                params![cycle],
            )
        })?;
        rows.extend(sent.into_iter().map(RowId::new));
        Ok(rows)
    }

    /// The rows of an object in a step of a plan, in the order of their ids.
    pub(crate) fn planned(&self, cycle: i64, step: Step, key: Key) -> Result<Vec<Row>, Error> {
        self.read("read the plan", |state| {
            let ids: Vec<i64> = state.column(
                "SELECT id FROM actions
                 WHERE cycle = ?1 AND state = 0 AND step = ?2 AND rank < 2 AND source = ?3
                 ORDER BY id",
                params![cycle, number_of_step(step), key],
            )?;
            let ids: Vec<RowId> = ids.into_iter().map(RowId::new).collect();
            rows::take(state, &ids)
        })
    }

    /// Takes rows out of a plan that were not sent: actions, and objects that are skipped.
    pub(crate) fn drop_rows(&self, rows: &[RowId]) -> Result<(), Error> {
        self.write("drop rows of the plan", |state| {
            for row in rows {
                state.run(
                    "DELETE FROM actions WHERE id = ?1 AND state IN (0, 3, 20)",
                    params![row.get()],
                )?;
            }
            Ok(())
        })
    }

    /// The same for the references of these objects.
    pub(crate) fn drop_references(&self, cycle: i64, keys: &[Key]) -> Result<(), Error> {
        self.write("drop references of the plan", |state| {
            for key in keys {
                state.run(
                    "DELETE FROM actions
                     WHERE cycle = ?1 AND state = 0 AND step = ?2 AND source = ?3",
                    params![cycle, number_of_step(Step::References), key],
                )?;
            }
            Ok(())
        })
    }

    /// Takes all rows out of a plan but the disables of these.
    pub(crate) fn keep_disables(&self, cycle: i64, keys: &[Key]) -> Result<(), Error> {
        self.write("drop rows of the plan", |state| {
            state.run(
                "DELETE FROM actions
                 WHERE cycle = ?1 AND state = 0 AND NOT (
                     operation = 4 AND EXISTS (
                         SELECT 1 FROM rarray(?2) k WHERE k.value = actions.source))",
                params![cycle, array(keys)],
            )?;
            Ok(())
        })
    }

    /// Creates of this kind that were not sent come after everything else.
    pub(crate) fn postpone_creates(&self, cycle: i64, kind: ObjectKind) -> Result<(), Error> {
        self.write("postpone creates", |state| {
            let step = match kind {
                ObjectKind::User => Step::Users,
                ObjectKind::Group => Step::Groups,
            };
            state.run(
                "UPDATE actions SET step = ?3
                 WHERE cycle = ?1 AND state = 0 AND step = ?2 AND operation = 0",
                params![
                    cycle,
                    number_of_step(step),
                    number_of_step(Step::CreatesAgain)
                ],
            )?;
            Ok(())
        })
    }

    /// The objects with rows of this plan that were not carried out: held, left when the cycle was broken
    /// off, or sent without an answer.
    pub(crate) fn left_over(&self, cycle: i64) -> Result<Vec<Key>, Error> {
        self.read("look up what is left of the plan", |state| {
            state.column(
                "SELECT source FROM actions WHERE cycle = ?1 AND state = 0
                 UNION
                 SELECT source FROM actions WHERE state BETWEEN 1 AND 4 AND state < 4 AND cycle = ?1",
                params![cycle],
            )
        })
    }

    /// Only for the process that has just taken the lock: what another process had sent is unknown now,
    /// from this time on, and drafts that were abandoned are gone.
    pub(crate) fn take_over(&self, lock: &Lock, now: DateTime<Utc>) -> Result<Before, Error> {
        let before = self.note_place(lock)?;
        if self.shared.is_some() {
            // Other agents' rows are theirs; see `take_over_jobs`.
            return Ok(before);
        }
        self.write("take over the ledger", |state| {
            state.run(
                "UPDATE actions SET state = 2, at = ?1
                 WHERE state BETWEEN 1 AND 4 AND state = 1",
                params![now.timestamp_millis()],
            )?;
            state.run("DELETE FROM actions WHERE state = 0", [])?;
            state.run(
                "DELETE FROM actions WHERE state BETWEEN 1 AND 4 AND state = 3",
                [],
            )?;
            Ok(before)
        })
    }

    /// The same for jobs that this agent has just taken. The time is by its own clock from here on: that of the
    /// agent before may be another one.
    pub(crate) fn take_over_jobs(&self, jobs: &[JobName], now: DateTime<Utc>) -> Result<(), Error> {
        self.write("take over the ledger", |state| {
            for job in jobs {
                let job = state.job_or_none(job)?;
                state.run(
                    "UPDATE actions SET state = 2, at = ?2
                     WHERE job = ?1 AND state BETWEEN 1 AND 4 AND state <= 2",
                    params![job, now.timestamp_millis()],
                )?;
                state.run(
                    "DELETE FROM actions WHERE job = ?1 AND state BETWEEN 1 AND 4 AND state = 3",
                    params![job],
                )?;
                state.run(
                    "DELETE FROM actions WHERE state = 0 AND job = ?1",
                    params![job],
                )?;
            }
            Ok(())
        })
    }

    /// Writes whose end is not known were given up by now, whatever a clock that was ahead said.
    pub(crate) fn bound_unknown(&self, job: &JobName, now: DateTime<Utc>) -> Result<(), Error> {
        self.write("correct times that are still to come", |state| {
            state.run(
                "UPDATE actions SET at = ?2 - coalesce(duration_ms, 0)
                 WHERE job = ?1 AND state BETWEEN 1 AND 4 AND state <= 2
                     AND at + coalesce(duration_ms, 0) > ?2",
                params![state.job_or_none(job)?, now.timestamp_millis()],
            )?;
            Ok(())
        })
    }

    /// The create of an object whose end was not known did nothing, and nothing of it can arrive any more.
    pub(crate) fn settle_absent(&self, job: &JobName, key: Key) -> Result<(), Error> {
        self.write("settle a create", |state| {
            state.run(
                "UPDATE actions SET state = 16
                 WHERE job = ?1 AND source = ?2 AND state BETWEEN 1 AND 4 AND state <= 2",
                params![state.job_or_none(job)?, key],
            )?;
            Ok(())
        })
    }

    /// Whether a write that is to be settled is a disable.
    pub(super) fn disables(state: &State, job: i64, key: Key) -> rusqlite::Result<bool> {
        state
            .prepare_cached(
                "SELECT EXISTS (
                     SELECT 1 FROM actions
                     WHERE job = ?1 AND source = ?2 AND state BETWEEN 1 AND 4 AND state <= 2
                         AND operation = ?3)",
            )?
            .query_row(params![job, key, number::DISABLE], |row| row.get(0))
    }

    /// What an unknown write did was read: it is in the link.
    pub(super) fn settle_rows(state: &State, job: i64, key: Key) -> rusqlite::Result<()> {
        state.run(
            "UPDATE actions SET state = 10
             WHERE job = ?1 AND source = ?2 AND state BETWEEN 1 AND 4 AND state <= 2",
            params![job, key],
        )?;
        Ok(())
    }

    /// Rows of the plan that were not sent are gone when the cycle ends; nothing came of them. What is
    /// held is planned again, and a row of it would keep values.
    pub(super) fn drop_rest(state: &State, cycle: i64) -> rusqlite::Result<()> {
        state.run(
            "DELETE FROM actions WHERE cycle = ?1 AND state IN (0, 3)",
            params![cycle],
        )?;
        Ok(())
    }
}

fn add_removals(totals: &mut Totals, class: Option<i64>, weight: u64) {
    if let Some((class, is_approved)) = class.and_then(class_of) {
        let ClassTotal { planned, approved } = totals.removals.entry(class).or_default();
        *if is_approved { approved } else { planned } += weight;
    }
}

fn job_of(state: &State, cycle: i64) -> rusqlite::Result<i64> {
    state
        .prepare_cached(
            "SELECT (SELECT j.key FROM jobs j WHERE j.name = c.job) FROM cycles c
             WHERE c.number = ?1",
        )?
        .query_row(params![cycle], |row| row.get(0))
}

fn insert(state: &State, job: i64, cycle: i64, draft: &Draft) -> rusqlite::Result<()> {
    let Draft {
        action,
        rank,
        class,
    } = draft;
    let key = action.subject.key;
    let operation = number::number_of(&action.operation);
    let class = class.map(number_of_class);
    put_row(
        state,
        &NewRow {
            job,
            cycle,
            key,
            step: number_of_step(action.step()),
            rank: rank_of(
                action.step(),
                *rank,
                has_failed(state, job, &action.subject)?,
            ),
            operation,
            class,
            weight: i64::try_from(action.weight()).unwrap_or(i64::MAX),
            target: action.target.as_ref(),
            body: body::pack_operation(state, &action.operation)?,
            state: status::PLANNED,
            follows: None,
        },
    )?;
    Ok(())
}

/// Added to the rank of a chunk of members that comes after those of other groups.
const LAST: i64 = 1 << 20;

/// Among equals, what failed before comes last (safety.md §2). Creates are equal where neither refers
/// to the other; chunks of one group stay in their order.
fn rank_of(step: Step, rank: u32, has_failed: bool) -> i64 {
    let (rank, has_failed) = (i64::from(rank), i64::from(has_failed));
    match step {
        Step::AddMembers | Step::RemoveMembers => rank + LAST * has_failed,
        Step::Disables
        | Step::Names
        | Step::Users
        | Step::Groups
        | Step::References
        | Step::Deletes
        | Step::CreatesAgain => 2 * rank + has_failed,
    }
}

/// Whether a request for the object failed in an earlier cycle.
fn has_failed(state: &State, job: i64, subject: &Subject) -> rusqlite::Result<bool> {
    state
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM escrow
                            WHERE job = ?1 AND kind = ?2 AND source = ?3 AND action <> 'plan')",
        )?
        .query_row(params![job, subject.kind, subject.key], |row| row.get(0))
}

fn insert_skipped(state: &State, job: i64, cycle: i64, skipped: &Skipped) -> rusqlite::Result<()> {
    let Skipped { subject, why } = skipped;
    put_row(
        state,
        &NewRow {
            job,
            cycle,
            key: subject.key,
            step: 0,
            rank: 0,
            operation: body::number_of_why(why),
            class: None,
            weight: 1,
            target: None,
            body: body::pack_why(state, why)?,
            state: status::SKIPPED,
            follows: None,
        },
    )?;
    Ok(())
}

struct NewRow<'r> {
    job: i64,
    cycle: i64,
    key: Key,
    step: i64,
    rank: i64,
    operation: i64,
    class: Option<i64>,
    weight: i64,
    target: Option<&'r TargetId>,
    body: Vec<u8>,
    state: i64,
    follows: Option<RowId>,
}

fn put_row(state: &State, row: &NewRow<'_>) -> rusqlite::Result<RowId> {
    let NewRow {
        job,
        cycle,
        key,
        step,
        rank,
        operation,
        class,
        weight,
        target,
        body,
        state: status,
        follows,
    } = row;
    let id = state.next_row()?;
    state
        .prepare_cached(
            "INSERT INTO actions (id, cycle, job, source, step, rank, operation, class, weight,
                                  target, body, state, follows)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            id,
            cycle,
            job,
            key,
            step,
            rank,
            operation,
            class,
            weight,
            target,
            body,
            status,
            follows.map(RowId::get)
        ])?;
    Ok(RowId::new(id))
}

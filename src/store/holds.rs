//! Removals that wait for a person, object by object, and what a person decided of them. A decision names
//! subject, operation and cause: another cause is another removal.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{OptionalExtension, Row, params};

use super::hold_reasons;
use super::ledger::{class_of, number_of_class, operation_name};
use super::links::kind_of;
use super::marks::Marks;
use super::state::State;
use super::wire::Column;
use super::{Error, Store};
use crate::engine::model::{JobName, Key};
use crate::engine::plan::{RemovalClass, Subject};
use crate::engine::record::{Decided, HeldRemoval, HeldSet};

/// An approval that was not used lapses after this time.
const APPROVAL: TimeDelta = TimeDelta::days(7);

/// Which removal: of an object, or of a member of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Item {
    pub(super) source: Key,
    pub(super) member: Option<Key>,
    pub(super) operation: i64,
}

impl Item {
    /// The member's number in the table.
    fn member(self) -> Key {
        self.member.unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    None,
    Approved,
    Rejected,
    /// It was no longer planned.
    Gone,
}

impl Decision {
    /// A person decided.
    pub(super) fn is_made(self) -> bool {
        matches!(self, Self::Approved | Self::Rejected)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Hold {
    /// `None`: it is no removal.
    pub(super) class: Option<RemovalClass>,
    pub(super) cause: String,
    pub(super) decision: Decision,
    /// Held until a person decides, whatever the limits say later.
    pub(super) sticks: bool,
}

/// What a person decides, and of which removals.
#[derive(Clone, Debug)]
pub(crate) struct Deciding<'d> {
    pub(crate) approve: bool,
    /// Of those that were held in this cycle; the last one that held any by default.
    pub(crate) cycle: Option<i64>,
    /// Only those of these objects; all where there is none.
    pub(crate) objects: &'d [Key],
    /// Only those with this cause.
    pub(crate) cause: Option<&'d str>,
    pub(crate) reason: Option<&'d str>,
    pub(crate) now: DateTime<Utc>,
}

impl Store {
    #[cfg(test)]
    pub(crate) fn held(&self, job: &JobName) -> Result<Option<HeldSet>, Error> {
        self.read("look up what is held", |state| held(state, job))
    }

    /// Lets go of what an evaluation did not plan again; `unknown` are objects of which it could not say.
    pub(crate) fn lapse_holds(
        &self,
        job: &JobName,
        cycle: i64,
        unknown: &BTreeSet<Key>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        self.write("let go of what is not planned any more", |state| {
            let job = state.job_or_none(job)?;
            lapse_not_planned(state, job, cycle, unknown, now)
        })
    }

    /// Approves or rejects what is held. What joined after that cycle stays held.
    pub(crate) fn decide(
        &self,
        job: &JobName,
        deciding: &Deciding<'_>,
    ) -> Result<Option<Decided>, Error> {
        self.write("note the decision", |state| {
            let Some(job) = state.job(job)? else {
                return Ok(None);
            };
            decide(state, job, deciding)
        })
    }
}

fn decide(state: &State, job: i64, deciding: &Deciding<'_>) -> rusqlite::Result<Option<Decided>> {
    let Deciding {
        approve,
        cycle,
        objects,
        cause,
        reason,
        now,
    } = *deciding;
    let is_named = !objects.is_empty() || cause.is_some();
    let last: Option<i64> = state
        .prepare_cached("SELECT max(cycle) FROM holds WHERE job = ?1 AND decision IN (0, 3)")?
        .query_row(params![job], |row| row.get(0))?;
    // A person may think again of what was decided, and names it then.
    let Some(cycle) = cycle.or(last).or(is_named.then_some(i64::MAX)) else {
        return Ok(None);
    };
    let all = listed(state, job)?;
    let judged = match deciding.cycle {
        Some(cycle) => Judgement::of(state, &all, cycle)?,
        None => Judgement::of_last(cycle),
    };
    let mut decided = Decided {
        cycle,
        removals: Vec::new(),
        gone: Vec::new(),
        later: 0,
    };
    let concerns = |one: &Listed| {
        let member = one.item.member;
        let is_of_them = objects.is_empty()
            || objects.contains(&one.item.source)
            || member.is_some_and(|key| objects.contains(&key));
        is_of_them && cause.is_none_or(|cause| one.removal.cause == cause)
    };
    for one in all.into_iter().filter(concerns) {
        let is_open = match one.decision {
            Decision::None => true,
            Decision::Approved => !approve && is_named,
            Decision::Rejected => approve && is_named,
            Decision::Gone => false,
        };
        if !judged.had(&one) {
            decided.later += u64::from(is_open);
        } else if is_open {
            let decision = if approve { 1 } else { 2 };
            put_decision(state, job, &one.item, decision, reason, now)?;
            if approve && one.item.member.is_none() {
                // So that the next look for leavers finds who may go now.
                let kind = kind_of(state, one.item.source)?;
                Marks::of(state, job).again(kind, one.item.source)?;
            }
            decided.removals.push(one.removal);
        } else if one.decision == Decision::Gone && cycle <= one.cycle {
            decided.gone.push(one.removal);
        }
    }
    hold_reasons::drop_of_nothing(state, job)?;
    Ok(Some(decided))
}

/// When a cycle held removals, as seen from what is held now. A look for leavers has a later number than the cycle
/// during which it runs, and may have been judged before: what joined when is known by the time.
struct Judgement {
    cycle: i64,
    /// Something joined with it.
    at: Option<DateTime<Utc>>,
    finished: Option<DateTime<Utc>>,
}

impl Judgement {
    fn of(state: &State, all: &[Listed], cycle: i64) -> rusqlite::Result<Self> {
        let joined = all.iter().filter(|one| one.first_cycle == cycle);
        let finished = state
            .prepare_cached("SELECT finished FROM cycles WHERE number = ?1")?
            .query_row(params![cycle], |row| row.get::<_, Option<Column<_>>>(0))
            .optional()?;
        Ok(Self {
            cycle,
            at: joined.map(|one| one.since).max(),
            finished: finished.flatten().map(|Column(finished)| finished),
        })
    }

    /// Whatever is held.
    fn of_last(cycle: i64) -> Self {
        Self {
            cycle,
            at: Some(DateTime::<Utc>::MAX_UTC),
            finished: None,
        }
    }

    /// Whether this was held by then.
    fn had(&self, one: &Listed) -> bool {
        match self.at {
            Some(at) => (one.since, one.first_cycle) <= (at, self.cycle),
            None => {
                one.first_cycle <= self.cycle && self.finished.is_none_or(|end| one.since <= end)
            }
        }
    }
}

/// `decision` is the number of a [`Decision`].
fn put_decision(
    state: &State,
    job: i64,
    item: &Item,
    decision: i64,
    reason: Option<&str>,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    state.run(
        "UPDATE holds SET decision = ?5, decided = ?6, reason = ?7
         WHERE job = ?1 AND source = ?2 AND member = ?3 AND operation = ?4",
        params![
            job,
            item.source,
            item.member(),
            item.operation,
            decision,
            Column(now),
            reason,
        ],
    )?;
    Ok(())
}

/// A person approved the removals that this cycle plans and holds, and is named with each.
pub(super) fn approve_planned(
    state: &State,
    job: i64,
    cycle: i64,
    who: &str,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    let planned =
        |one: &Listed| one.cycle == cycle && one.decision == Decision::None && one.is_removal;
    for one in listed(state, job)?.into_iter().filter(planned) {
        put_decision(state, job, &one.item, 1, None, now)?;
        state.run(
            "INSERT INTO operations (at, who, job, verb, source, detail)
             SELECT ?2, ?3, name, 'approve', ?4, ?5 || ' (apply --approve-removals)'
             FROM jobs WHERE key = ?1",
            params![
                job,
                Column(now),
                who,
                one.item.member.unwrap_or(one.item.source),
                one.removal.action
            ],
        )?;
    }
    hold_reasons::drop_of_nothing(state, job)
}

/// Every hold of a job.
pub(super) fn all(state: &State, job: i64) -> rusqlite::Result<BTreeMap<Item, Hold>> {
    state
        .prepare_cached(
            "SELECT source, member, operation, class, cause, decision, sticks FROM holds
             WHERE job = ?1",
        )?
        .query_map(params![job], |row| {
            Ok((
                item(row, 0)?,
                Hold {
                    class: class_of(row.get(3)?).map(|(class, _)| class),
                    cause: row.get(4)?,
                    decision: decision(row.get(5)?),
                    sticks: row.get(6)?,
                },
            ))
        })?
        .collect()
}

/// Holds a removal. Since when is kept as long as its cause stays the same.
#[expect(clippy::too_many_arguments, reason = "the columns of a row")]
pub(super) fn put(
    state: &State,
    job: i64,
    item: &Item,
    class: Option<RemovalClass>,
    cause: &str,
    sticks: bool,
    cycle: i64,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    state.run(
        "INSERT INTO holds (job, source, member, operation, class, cause, decision, sticks,
                            first_cycle, cycle, since)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8, ?8, ?9)
         ON CONFLICT DO UPDATE SET
             first_cycle = CASE WHEN decision = 0 AND cause = excluded.cause
                                THEN first_cycle ELSE excluded.first_cycle END,
             since = CASE WHEN decision = 0 AND cause = excluded.cause
                          THEN since ELSE excluded.since END,
             class = excluded.class, cause = excluded.cause, decision = 0,
             sticks = excluded.sticks, cycle = excluded.cycle, decided = NULL, reason = NULL",
        params![
            job,
            item.source,
            item.member(),
            item.operation,
            class.map_or(0, number_of_class),
            cause,
            sticks,
            cycle,
            Column(now),
        ],
    )?;
    Ok(())
}

/// A decided removal was planned again.
pub(super) fn seen(state: &State, job: i64, item: &Item, cycle: i64) -> rusqlite::Result<()> {
    state.run(
        "UPDATE holds SET cycle = ?5
         WHERE job = ?1 AND source = ?2 AND member = ?3 AND operation = ?4",
        params![job, item.source, item.member(), item.operation, cycle],
    )?;
    Ok(())
}

/// Approvals that were not used for a week lapse; what is gone is forgotten.
pub(super) fn lapse_old(state: &State, job: i64, now: DateTime<Utc>) -> rusqlite::Result<()> {
    // A clock that was ahead noted it.
    state.run(
        "UPDATE holds SET decided = ?2 WHERE job = ?1 AND decision IN (1, 3) AND decided > ?2",
        params![job, Column(now)],
    )?;
    state.run(
        "DELETE FROM holds WHERE job = ?1 AND decision IN (1, 3) AND decided < ?2",
        params![job, Column(now - APPROVAL)],
    )?;
    Ok(())
}

/// What an evaluation of everything did not plan again is no longer held, approved or rejected, but for
/// objects of which the evaluation could not say.
fn lapse_not_planned(
    state: &State,
    job: i64,
    cycle: i64,
    unknown: &BTreeSet<Key>,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    for one in listed(state, job)? {
        if one.cycle >= cycle
            || one.decision == Decision::Gone
            || unknown.contains(&one.item.source)
            || one.item.member.is_some_and(|key| unknown.contains(&key))
        {
            continue;
        }
        let reason = one.removal.reason.as_deref();
        put_decision(state, job, &one.item, 3, reason, now)?;
    }
    hold_reasons::drop_of_nothing(state, job)
}

/// The removal was carried out.
pub(super) fn carried_out(
    state: &State,
    job: i64,
    source: Key,
    member: Option<Key>,
    operation: i64,
) -> rusqlite::Result<()> {
    state.run(
        "DELETE FROM holds WHERE job = ?1 AND source = ?2 AND member = ?3 AND operation = ?4",
        params![job, source, member.unwrap_or_default(), operation],
    )?;
    Ok(())
}

/// A hold with the names of its objects.
struct Listed {
    item: Item,
    decision: Decision,
    first_cycle: i64,
    cycle: i64,
    since: DateTime<Utc>,
    /// And not a create.
    is_removal: bool,
    removal: HeldRemoval,
}

fn listed(state: &State, job: i64) -> rusqlite::Result<Vec<Listed>> {
    let mut statement = state.prepare_cached(
        "SELECT h.source, h.member, h.operation, h.decision, h.first_cycle, h.cycle, h.since,
                h.cause, h.reason, o.kind, o.key, o.id, o.label, m.kind, m.key, m.id, m.label, h.class
         FROM holds h
         CROSS JOIN objects o ON o.key = h.source
         LEFT JOIN objects m ON m.key = h.member
         WHERE h.job = ?1 ORDER BY h.operation, h.source, h.member",
    )?;
    let rows = statement.query_map(params![job], |row| {
        let Column(since) = row.get(6)?;
        let subject = |first: usize| {
            Ok::<_, rusqlite::Error>(Subject {
                kind: row.get(first)?,
                key: row.get(first + 1)?,
                id: row.get(first + 2)?,
                label: row.get(first + 3)?,
            })
        };
        let item = item(row, 0)?;
        let member = item.member.map(|_| subject(13)).transpose()?;
        Ok(Listed {
            decision: decision(row.get(3)?),
            first_cycle: row.get(4)?,
            cycle: row.get(5)?,
            since,
            is_removal: class_of(row.get(17)?).is_some(),
            removal: HeldRemoval {
                subject: subject(9)?,
                member,
                action: operation_name(item.operation).to_owned(),
                cause: row.get(7)?,
                reason: row.get(8)?,
            },
            item,
        })
    })?;
    rows.collect()
}

pub(super) fn held(state: &State, job: &JobName) -> rusqlite::Result<Option<HeldSet>> {
    let job = state.job_or_none(job)?;
    let any = listed(state, job)?;
    let rows: Vec<Listed> = any
        .into_iter()
        .filter(|one| one.decision == Decision::None)
        .collect();
    let (Some(since), Some(cycle), Some(newest)) = (
        rows.iter().map(|one| one.since).min(),
        rows.iter().map(|one| one.cycle).max(),
        rows.iter().max_by_key(|one| (one.since, one.first_cycle)),
    ) else {
        return Ok(None);
    };
    // The one whose approval covers all of them.
    let cycle = if Judgement::of(state, &rows, cycle)?.had(newest) {
        cycle
    } else {
        newest.first_cycle
    };
    let why = state
        .prepare_cached(
            "SELECT word, what, first, second, third FROM hold_reasons WHERE job = ?1
             ORDER BY place",
        )?
        .query_map(params![job], hold_reasons::read)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some(HeldSet {
        why,
        since,
        cycle,
        removals: rows.into_iter().map(|one| one.removal).collect(),
    }))
}

/// What was decided so, and would be planned otherwise.
pub(super) fn decided(
    state: &State,
    job: &JobName,
    decision: Decision,
) -> rusqlite::Result<Vec<HeldRemoval>> {
    let job = state.job_or_none(job)?;
    let any = listed(state, job)?.into_iter();
    let decided = any.filter(|one| one.decision == decision);
    Ok(decided.map(|one| one.removal).collect())
}

fn item(row: &Row<'_>, first: usize) -> rusqlite::Result<Item> {
    let member: Key = row.get(first + 1)?;
    Ok(Item {
        source: row.get(first)?,
        member: Some(member).filter(|key| *key != Key::default()),
        operation: row.get(first + 2)?,
    })
}

fn decision(number: i64) -> Decision {
    match number {
        1 => Decision::Approved,
        2 => Decision::Rejected,
        3 => Decision::Gone,
        _ => Decision::None,
    }
}

//! Reading rows: in the order in which they are carried out, for a report, or of one object.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use rusqlite::{Row as SqlRow, params};

use super::super::state::{State, array, first_link};
use super::super::wire::unreadable;
use super::super::{Error, Store};
use super::step_of;
use super::{body, number};
use crate::engine::model::{Key, TargetId};
use crate::engine::plan::{Action, Operation, Skipped, Step, Subject};

/// Names a row for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowId(i64);

impl RowId {
    pub(in crate::store) fn new(id: i64) -> Self {
        Self(id)
    }

    pub(super) fn get(self) -> i64 {
        self.0
    }
}

/// Where a row stands in the order of execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) step: Step,
    pub(crate) rank: u32,
    pub(crate) key: Key,
    pub(crate) id: RowId,
}

/// A row that may be sent, without what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Queued {
    pub(crate) place: Place,
    pub(crate) weight: u64,
    pub(crate) is_create: bool,
}

/// A row with what it does. Every target id that the state knows is filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: RowId,
    pub(crate) action: Action,
    pub(crate) step: Step,
    /// Whether the object failed in an earlier cycle, or earlier in this one.
    pub(crate) failed_before: bool,
}

/// Which rows of a plan are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowsOf {
    /// Those that may be sent.
    Cleared,
    Held,
}

impl Store {
    /// The next rows that may be sent, in order.
    pub(crate) fn queue(
        &self,
        cycle: i64,
        after: Option<Place>,
        limit: usize,
    ) -> Result<Vec<Queued>, Error> {
        self.read("read the plan", |state| {
            let after = after.map_or((-1, 0, 0, 0), |place| {
                (
                    super::number_of_step(place.step),
                    i64::from(place.rank),
                    i64::from(place.key.get()),
                    place.id.get(),
                )
            });
            state
                .prepare_cached(
                    "SELECT step, rank, source, id, weight, operation = 0 FROM actions
                     WHERE cycle = ?1 AND state = 0
                         AND (step, rank, source, id) > (?2, ?3, ?4, ?5)
                     ORDER BY step, rank, source, id LIMIT ?6",
                )?
                .query_map(
                    params![
                        cycle,
                        after.0,
                        after.1,
                        after.2,
                        after.3,
                        i64::try_from(limit).unwrap_or(i64::MAX)
                    ],
                    |row| {
                        Ok(Queued {
                            place: place(row)?,
                            weight: row.get::<_, i64>(4)?.unsigned_abs(),
                            is_create: row.get(5)?,
                        })
                    },
                )?
                .collect()
        })
    }

    /// Rows with what they do.
    pub(crate) fn take(&self, ids: &[RowId]) -> Result<Vec<Row>, Error> {
        self.read("read the plan", |state| take(state, ids))
    }

    /// What is left in the queue of a plan, in objects.
    pub(crate) fn left_in_queue(&self, cycle: i64) -> Result<u64, Error> {
        self.read("read the plan", |state| {
            state
                .prepare_cached(
                    "SELECT coalesce(sum(weight), 0) FROM actions WHERE cycle = ?1 AND state = 0",
                )?
                .query_row(params![cycle], |row| row.get::<_, i64>(0))
                .map(i64::unsigned_abs)
        })
    }

    /// The objects with rows of a plan that may be sent.
    pub(crate) fn planned_objects(&self, cycle: i64) -> Result<BTreeSet<Key>, Error> {
        self.read("read the plan", |state| {
            let keys: Vec<Key> = state.column(
                "SELECT DISTINCT source FROM actions WHERE cycle = ?1 AND state = 0",
                params![cycle],
            )?;
            Ok(keys.into_iter().collect())
        })
    }

    /// Rows of a plan with what they do, in order, for a report.
    pub(crate) fn rows(
        &self,
        cycle: i64,
        of: RowsOf,
        after: Option<Place>,
        limit: usize,
    ) -> Result<Vec<(Place, Row)>, Error> {
        let places: Vec<Place> = match of {
            RowsOf::Cleared => {
                let queued = self.queue(cycle, after, limit)?;
                queued.into_iter().map(|queued| queued.place).collect()
            }
            RowsOf::Held => self.held_places(cycle, after, limit)?,
        };
        self.rows_at(&places)
    }

    /// The same rows at these places.
    pub(crate) fn rows_at(&self, places: &[Place]) -> Result<Vec<(Place, Row)>, Error> {
        self.read("read the plan", |state| {
            let ids: Vec<RowId> = places.iter().map(|place| place.id).collect();
            let rows = take(state, &ids)?;
            let mut by_id: BTreeMap<RowId, Row> =
                rows.into_iter().map(|row| (row.id, row)).collect();
            Ok(places
                .iter()
                .filter_map(|place| Some((*place, by_id.remove(&place.id)?)))
                .collect())
        })
    }

    /// Where the rows of a plan are, by name: a list for each action of each step.
    pub(crate) fn places_by_name(&self, cycle: i64, of: RowsOf) -> Result<Vec<Vec<Place>>, Error> {
        // As the indexes of open rows have it.
        let state_is = match of {
            RowsOf::Cleared => "a.state = 0",
            RowsOf::Held => "a.state BETWEEN 1 AND 4 AND a.state = 3",
        };
        let sql = format!(
            "SELECT a.step, a.rank, a.source, a.id, a.operation
             FROM actions a CROSS JOIN objects o ON o.key = a.source
             WHERE a.cycle = ?1 AND {state_is}
             ORDER BY a.step, a.operation, o.label COLLATE NOCASE, a.source, a.rank, a.id"
        );
        self.read("read the plan", |state| {
            let mut lists: Vec<Vec<Place>> = Vec::new();
            let mut open = None;
            let mut statement = state.prepare_cached(&sql)?;
            let mut rows = statement.query(params![cycle])?;
            while let Some(row) = rows.next()? {
                let place = place(row)?;
                let of = Some((place.step, row.get::<_, i64>(4)?));
                if of != open {
                    open = of;
                    lists.push(Vec::new());
                }
                if let Some(list) = lists.last_mut() {
                    list.push(place);
                }
            }
            Ok(lists)
        })
    }

    fn held_places(
        &self,
        cycle: i64,
        after: Option<Place>,
        limit: usize,
    ) -> Result<Vec<Place>, Error> {
        self.read("read what is held", |state| {
            let mut places: Vec<Place> = state
                .prepare_cached(
                    "SELECT step, rank, source, id FROM actions
                     WHERE state BETWEEN 1 AND 4 AND state = 3 AND cycle = ?1",
                )?
                .query_map(params![cycle], place)?
                .collect::<rusqlite::Result<_>>()?;
            places.sort_unstable();
            places.retain(|place| after.is_none_or(|after| *place > after));
            places.truncate(limit);
            Ok(places)
        })
    }

    /// Skipped objects of a plan, as they were decided.
    pub(crate) fn skipped(
        &self,
        cycle: i64,
        after: Option<RowId>,
        limit: usize,
    ) -> Result<Vec<(RowId, Skipped)>, Error> {
        self.read("read what is skipped", |state| {
            state
                .prepare_cached(
                    "SELECT a.id, o.kind, o.key, o.id, o.label, a.operation, a.body
                     FROM actions a CROSS JOIN objects o ON o.key = a.source
                     WHERE a.cycle = ?1 AND a.state = 20 AND a.id > ?2
                     ORDER BY a.id LIMIT ?3",
                )?
                .query_map(
                    params![
                        cycle,
                        after.map_or(0, RowId::get),
                        i64::try_from(limit).unwrap_or(i64::MAX)
                    ],
                    |row| {
                        let why = body::unpack_why(state, row.get(5)?, row.get_ref(6)?.as_blob()?)?;
                        let subject = subject(row, 1)?;
                        Ok((RowId(row.get(0)?), Skipped { subject, why }))
                    },
                )?
                .collect()
        })
    }
}

/// A subject from the columns kind, key, id, label, from `first` on.
fn place(row: &SqlRow<'_>) -> rusqlite::Result<Place> {
    Ok(Place {
        step: step_of(row.get(0)?).ok_or_else(|| unreadable("step of a row"))?,
        rank: row.get(1)?,
        key: row.get(2)?,
        id: RowId(row.get(3)?),
    })
}

pub(in crate::store) fn subject(row: &SqlRow<'_>, first: usize) -> rusqlite::Result<Subject> {
    Ok(Subject {
        kind: row.get(first)?,
        key: row.get(first + 1)?,
        id: row.get(first + 2)?,
        label: row.get(first + 3)?,
    })
}

/// Rows with what they do, their target ids filled in as the links are now.
pub(super) fn take(state: &State, ids: &[RowId]) -> rusqlite::Result<Vec<Row>> {
    let mut statement = state.prepare_cached(
        "SELECT o.kind, o.key, o.id, o.label, a.job, a.target, a.operation, a.body, a.step,
                EXISTS (SELECT 1 FROM escrow e
                        WHERE e.job = a.job AND e.kind = o.kind AND e.source = o.key
                              AND e.action <> 'plan')
         FROM actions a CROSS JOIN objects o ON o.key = a.source WHERE a.id = ?1",
    )?;
    let mut rows = Vec::with_capacity(ids.len());
    let mut wanted: Vec<Key> = Vec::new();
    let mut of_job = 0;
    for id in ids {
        let (job, row): (i64, Row) = statement.query_row(params![id.get()], |row| {
            let operation = body::unpack_operation(state, row.get(6)?, row.get_ref(7)?.as_blob()?)?;
            let action = Action {
                subject: subject(row, 0)?,
                target: row.get(5)?,
                operation,
            };
            let row_of = Row {
                id: *id,
                action,
                step: step_of(row.get(8)?).ok_or_else(|| unreadable("step of a row"))?,
                failed_before: row.get(9)?,
            };
            Ok((row.get(4)?, row_of))
        })?;
        of_job = job;
        if row.action.target.is_none() {
            wanted.push(row.action.subject.key);
        }
        let referenced = row.action.operation.referenced();
        wanted.extend(referenced.iter().map(|one| one.key));
        rows.push(row);
    }
    wanted.sort_unstable();
    wanted.dedup();
    let targets = targets(state, of_job, &wanted)?;
    for row in &mut rows {
        let Action {
            subject,
            target,
            operation,
        } = &mut row.action;
        if target.is_none() && !matches!(operation, Operation::Create { .. }) {
            *target = targets.get(&subject.key).cloned();
        }
        for one in operation.referenced_mut() {
            one.target = targets.get(&one.key).cloned();
        }
    }
    Ok(rows)
}

fn targets(state: &State, job: i64, keys: &[Key]) -> rusqlite::Result<BTreeMap<Key, TargetId>> {
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    state
        .prepare_cached(
            "SELECT k.value, l.target FROM rarray(?1) k CROSS JOIN links l ON l.link = ?2 + k.value",
        )?
        .query_map(params![array(keys), first_link(job)], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect()
}

/// Writes to one object whose end is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unknown {
    pub(crate) operations: Vec<Operation>,
    /// When the last of them was given up, or found by a process that took the lock.
    pub(crate) since: DateTime<Utc>,
}

pub(in crate::store) fn unsettled(
    state: &State,
    job: i64,
    keys: &[Key],
) -> rusqlite::Result<BTreeMap<Key, Unknown>> {
    let mut found: BTreeMap<Key, Unknown> = BTreeMap::new();
    let mut statement = state.prepare_cached(
        "SELECT a.source, a.operation, a.body, coalesce(a.at, 0) + coalesce(a.duration_ms, 0)
         FROM rarray(?1) k
         CROSS JOIN actions a ON a.job = ?2 AND a.source = k.value
         WHERE a.state BETWEEN 1 AND 4 AND a.state <= 2 ORDER BY a.id",
    )?;
    let mut rows = statement.query(params![array(keys), job])?;
    while let Some(row) = rows.next()? {
        let operation = body::unpack_operation(state, row.get(1)?, row.get_ref(2)?.as_blob()?)?;
        let since =
            DateTime::from_timestamp_millis(row.get(3)?).ok_or_else(|| unreadable("time"))?;
        let unknown = found.entry(row.get(0)?).or_insert_with(|| Unknown {
            operations: Vec::new(),
            since,
        });
        unknown.operations.push(operation);
        unknown.since = unknown.since.max(since);
    }
    Ok(found)
}

/// The word for a reason to skip, by its number, and whether it counts as a failure.
pub(super) fn reason(number: i64) -> (&'static str, bool) {
    let words: [(&'static str, bool); 21] = [
        ("out-of-scope", false),
        ("blocked", false),
        ("no-matching-value", false),
        ("ignored-by-mapping", false),
        ("ambiguous", true),
        ("taken", true),
        ("duplicate-source", true),
        ("mapping-failed", true),
        ("not-allowed", false),
        ("kept", false),
        ("cannot-disable", true),
        ("incomplete-read", false),
        ("lookup-failed", true),
        ("first-cycle", false),
        ("old-address", true),
        ("never-disable", false),
        ("not-created-here", false),
        ("name-kept", false),
        ("deletes-wait", false),
        ("enabled-since", false),
        ("no-member", false),
    ];
    usize::try_from(number - number::SKIPPED)
        .ok()
        .and_then(|place| words.get(place).copied())
        .unwrap_or(("unknown", false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::model::{MatchKey, TargetPath, Value};
    use crate::engine::plan::{RemovalClass, Verb, Why, WhyOut, WhyRemoved};

    #[test]
    fn reasons_have_the_words_of_the_engine() {
        let key = || MatchKey {
            path: TargetPath::parse("userName").unwrap(),
            value: Value::text("a"),
        };
        let whys = [
            Why::OutOfScope(WhyOut::NotAssigned),
            Why::BlockedNotCreated,
            Why::NoMatchingValue,
            Why::IgnoredByMapping,
            Why::Ambiguous {
                key: key(),
                targets: Vec::new(),
            },
            Why::Taken {
                key: key(),
                target: TargetId::new("1"),
                by: Key::default(),
            },
            Why::DuplicateSource {
                key: key(),
                other: Key::default(),
            },
            Why::MappingFailed(Vec::new()),
            Why::NotAllowed(Verb::Create),
            Why::Kept(WhyRemoved::Blocked),
            Why::CannotDisable(WhyRemoved::Blocked),
            Why::IncompleteRead(WhyRemoved::Blocked),
            Why::LookupFailed(String::new()),
            Why::NeverDisabled,
            Why::NotCreatedHere,
            Why::DeletesWait,
            Why::EnabledSince,
            Why::NoMember,
            Why::FirstCycle(RemovalClass::User),
            Why::OldAddress {
                key: key(),
                target: TargetId::new("1"),
            },
            Why::NameKept { by: Key::default() },
        ];
        for why in whys {
            let expected = (why.word(), why.is_failure());
            assert_eq!(reason(body::number_of_why(&why)), expected);
        }
    }
}

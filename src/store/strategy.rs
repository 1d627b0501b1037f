//! How each source is read, the whole of it or only what is in scope, and the change from one to the other.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, params};

use super::denials::denials;
use super::source::{index_rounds_under_way, next_round};
use super::sources::{known, sources_of};
use super::state::State;
use super::wire::Column;
use super::{Error, Store};
use crate::engine::model::{JobName, ObjectKind, SourceNumber};
use crate::engine::plan::Count;
use crate::engine::strategy::{Choice, Recent, SourceReading, Strategy};

const LOOK_UP: &str = "look up what is read of the source";
const STORE: &str = "store what is read of the source";

impl Store {
    /// How a source was read last.
    pub(crate) fn strategy(&self, source: SourceNumber) -> Result<Option<Choice>, Error> {
        self.read(LOOK_UP, |state| strategy(state, source))
    }

    /// How each source was read last, in the order of their numbers.
    pub(crate) fn readings(&self) -> Result<Vec<SourceReading>, Error> {
        self.read(LOOK_UP, |state| {
            let known = known(state)?.into_iter().map(|one| {
                Ok(SourceReading {
                    choice: strategy(state, one.number)?,
                    denied: denials(state, one.number)?,
                    name: one.name,
                    tenant: one.tenant,
                })
            });
            known.collect()
        })
    }

    /// Whether only what is in scope is read.
    pub(crate) fn reads_in_scope(&self, source: SourceNumber) -> Result<bool, Error> {
        self.read(LOOK_UP, |state| is_in_scope(state, source))
    }

    /// Whether only what is in scope is read of a source of this job.
    pub(crate) fn reads_in_scope_of(&self, job: &JobName) -> Result<bool, Error> {
        self.read(LOOK_UP, |state| {
            for source in sources_of(state, state.job_or_none(job)?)? {
                if is_in_scope(state, source)? {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    /// Whether only what is in scope is read of any source.
    pub(crate) fn reads_in_scope_anywhere(&self) -> Result<bool, Error> {
        self.read(LOOK_UP, |state| {
            state
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM strategy WHERE in_scope)")?
                .query_row([], |row| row.get(0))
        })
    }

    /// Whether rounds over the whole tenant have begun.
    pub(crate) fn has_rounds(&self, source: SourceNumber) -> Result<bool, Error> {
        self.read(LOOK_UP, |state| {
            state
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM watermarks WHERE source = ?1)")?
                .query_row(params![source], |row| row.get(0))
        })
    }

    /// How many users and groups of the tenant the state holds.
    pub(crate) fn present(&self, source: SourceNumber) -> Result<Count, Error> {
        self.read(LOOK_UP, |state| super::source::present(state, source))
    }

    /// Notes how many requests a reading of what changed in the whole tenant took.
    pub(crate) fn note_requests(&self, source: SourceNumber, requests: u64) -> Result<(), Error> {
        let Some(choice) = self.strategy(source)? else {
            return Ok(());
        };
        let mut recent = choice.recent.clone();
        recent.add(requests);
        // In a quiet tenant nothing is written.
        if recent == choice.recent {
            return Ok(());
        }
        self.write(STORE, |tx| {
            tx.run(
                "UPDATE strategy SET recent = ?1 WHERE source = ?2",
                params![joined(&recent), source],
            )?;
            Ok(())
        })
    }

    /// Notes how the source is read from now on. Where that changes, the next reading is one from the beginning, and
    /// what the tenant held by the other way is compared with nothing.
    pub(crate) fn note_strategy(
        &self,
        source: SourceNumber,
        choice: &Choice,
        select: impl Fn(ObjectKind) -> String,
    ) -> Result<(), Error> {
        let known = self.strategy(source)?;
        if known.as_ref() == Some(choice) {
            return Ok(());
        }
        let before = known.map_or(Strategy::Whole, |known| known.strategy);
        self.write(STORE, |tx| {
            let Choice {
                strategy,
                why,
                tenant,
                scope,
                counted,
                recent,
            } = choice;
            tx.run("DELETE FROM strategy WHERE source = ?1", params![source])?;
            tx.run(
                "INSERT INTO strategy
                     (in_scope, why, users, groups, scope_users, scope_groups, counted, recent, source)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    *strategy == Strategy::InScope,
                    why,
                    tenant.map(|count| Column(count.users)),
                    tenant.map(|count| Column(count.groups)),
                    scope.map(|count| Column(count.users)),
                    scope.map(|count| Column(count.groups)),
                    counted.map(Column),
                    joined(recent),
                    source,
                ],
            )?;
            if *strategy == before {
                return Ok(());
            }
            match strategy {
                Strategy::Whole => {
                    tx.run(
                        "DELETE FROM shard_objects WHERE shard IN
                             (SELECT shard FROM shards WHERE source = ?1)",
                        params![source],
                    )?;
                    tx.run("DELETE FROM shards WHERE source = ?1", params![source])?;
                    // A round that counts with what a shard has seen would miss nothing of it.
                    tx.run(
                        "UPDATE watermarks
                         SET full_round = 0, under_way = 0, page_link = NULL, delta_link = NULL
                         WHERE source = ?1",
                        params![source],
                    )?;
                }
                Strategy::InScope => {
                    index_rounds_under_way(tx)?;
                    for kind in ObjectKind::ALL {
                        tx.run(
                            "INSERT INTO watermarks
                                 (source, kind, round, full_round, under_way, selected)
                             VALUES (?1, ?2, ?3, 0, 0, ?4)
                             ON CONFLICT DO UPDATE SET
                                 full_round = 0, under_way = 0, anew = 0,
                                 page_link = NULL, delta_link = NULL",
                            params![source, kind, next_round(tx, kind)?, select(kind)],
                        )?;
                    }
                }
            }
            tx.run(
                "UPDATE job_sources SET seen_users = 0, seen_groups = 0 WHERE source = ?1",
                params![source],
            )?;
            Ok(())
        })
    }
}

fn strategy(state: &State, source: SourceNumber) -> rusqlite::Result<Option<Choice>> {
    let count = |users: Option<Column<u64>>, groups: Option<Column<u64>>| {
        Some(Count {
            users: users?.0,
            groups: groups?.0,
        })
    };
    state
        .prepare_cached(
            "SELECT in_scope, why, users, groups, scope_users, scope_groups, counted, recent
             FROM strategy WHERE source = ?1",
        )?
        .query_row(params![source], |row| {
            let counted: Option<Column<DateTime<Utc>>> = row.get(6)?;
            Ok(Choice {
                strategy: if row.get(0)? {
                    Strategy::InScope
                } else {
                    Strategy::Whole
                },
                why: row.get(1)?,
                tenant: count(row.get(2)?, row.get(3)?),
                scope: count(row.get(4)?, row.get(5)?),
                counted: counted.map(|Column(at)| at),
                recent: recent(&row.get::<_, String>(7)?),
            })
        })
        .optional()
}

fn joined(recent: &Recent) -> String {
    let requests = recent.get().iter().map(u64::to_string);
    requests.collect::<Vec<_>>().join(" ")
}

fn recent(joined: &str) -> Recent {
    Recent::new(joined.split_whitespace().filter_map(|one| one.parse().ok()))
}

/// Whether only what is in scope is read.
pub(super) fn is_in_scope(state: &State, source: SourceNumber) -> rusqlite::Result<bool> {
    let known = strategy(state, source)?;
    Ok(known.is_some_and(|choice| choice.strategy == Strategy::InScope))
}

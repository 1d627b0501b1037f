//! What was read from the source, and up to where: rounds of delta pages, each committed together
//! with the watermark behind it and the marks it causes (product rule 1).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, params};

use super::merge::Page;
use super::sources::sources_of;
use super::state::State;
use super::strategy::is_in_scope;
use super::wire::Column;
use super::{Error, Store};
use crate::engine::model::{Complete, JobName, ObjectKind, SourceChange, SourceId, SourceNumber};
use crate::engine::plan::Count;

/// Where a round of reading begins, or goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// No link is known: everything is read.
    Beginning,
    /// The delta link of the last round, or the page link at which this one was left.
    Watermark(String),
}

/// The link that came with a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PageLink {
    /// More of this round is to come.
    Next(String),
    /// The round is finished.
    Delta(Complete<String>),
}

/// What a page changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PageSummary {
    /// Objects that are new or not as they were, memberships included.
    pub(crate) changed: u64,
    /// Objects that were known as the page says.
    pub(crate) unchanged: u64,
    /// Memberships that came and went.
    pub(crate) members_added: u64,
    pub(crate) members_removed: u64,
    /// Objects that a full round, finished by this page, did not report any more.
    pub(crate) missing: u64,
}

/// Users of whom it was not reported whether they have a manager.
#[derive(Debug)]
pub(crate) struct Unreported {
    /// Each with the manager that was known before.
    pub(crate) known: BTreeMap<SourceId, Option<SourceId>>,
    /// How many users a list of all has, as far as it is known.
    pub(crate) all: u64,
}

/// The objects of one kind that a source has: what a delta query returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) source: SourceNumber,
    pub(crate) kind: ObjectKind,
}

impl Stream {
    /// Of the same source.
    pub(super) fn of(self, kind: ObjectKind) -> Self {
        Self { kind, ..self }
    }
}

#[cfg(test)]
impl From<ObjectKind> for Stream {
    fn from(kind: ObjectKind) -> Self {
        Self {
            source: SourceNumber::FIRST,
            kind,
        }
    }
}

pub(super) struct Round {
    pub(super) stream: Stream,
    /// Of all rounds of this kind, whatever the source.
    pub(super) number: i64,
    pub(super) full: bool,
    under_way: bool,
    selected: String,
    delta_link: Option<String>,
    page_link: Option<String>,
    /// The next round begins without a link.
    anew: bool,
}

impl Round {
    /// Whether this property is among those that are read.
    pub(super) fn reads(&self, property: &str) -> bool {
        self.selected.split(',').any(|name| name == property)
    }
}

impl Store {
    /// Begins the next round of a stream, or goes on with the one under way. A stream without a link,
    /// or with one made for another `$select`, begins again with a full round.
    pub(crate) fn begin_round(
        &self,
        stream: impl Into<Stream>,
        select: &str,
    ) -> Result<Since, Error> {
        let stream = stream.into();
        let Stream { source, kind } = stream;
        self.write("begin reading the source", |tx| {
            let known = round(tx, stream)?;
            match known.filter(|round| round.selected == select && !round.anew) {
                Some(Round {
                    under_way: true,
                    page_link: Some(link),
                    ..
                }) => Ok(Since::Watermark(link)),
                // A full round that has brought nothing yet; an older delta link stays until it ends.
                Some(Round {
                    under_way: true,
                    full: true,
                    ..
                }) => Ok(Since::Beginning),
                Some(Round {
                    under_way,
                    delta_link: Some(link),
                    ..
                }) => {
                    if !under_way {
                        tx.run(
                            "UPDATE watermarks SET round = ?3, full_round = 0, under_way = 1
                             WHERE source = ?1 AND kind = ?2",
                            params![source, kind, next_round(tx, kind)?],
                        )?;
                    }
                    Ok(Since::Watermark(link))
                }
                Some(_) | None => {
                    index_rounds_under_way(tx)?;
                    tx.run(
                        "INSERT INTO watermarks (source, kind, round, full_round, under_way, selected)
                         VALUES (?1, ?2, ?3, 1, 1, ?4)
                         ON CONFLICT DO UPDATE SET
                             round = excluded.round, full_round = 1, under_way = 1, anew = 0,
                             page_link = NULL, selected = excluded.selected,
                             delta_link = CASE WHEN selected = excluded.selected THEN delta_link END",
                        params![source, kind, next_round(tx, kind)?, select],
                    )?;
                    Ok(Since::Beginning)
                }
            }
        })
    }

    /// Time up to which the sources were read, by the stream that was read the longest ago.
    pub(crate) fn watermark(&self) -> Result<Option<DateTime<Utc>>, Error> {
        self.read("look up the watermark", |state| {
            let updated: Option<Column<DateTime<Utc>>> = state
                .prepare_cached(
                    "SELECT min(updated) FROM (
                         SELECT updated FROM watermarks WHERE delta_link IS NOT NULL
                         UNION ALL
                         SELECT updated FROM shards WHERE delta_link IS NOT NULL)",
                )?
                .query_row([], |row| row.get(0))?;
            Ok(updated.map(|Column(updated)| updated))
        })
    }

    /// Commits a page of the round under way: what changed, the link behind it, and a mark in every
    /// known job for each object that must be evaluated again. A replay marks nothing.
    pub(crate) fn commit_page(
        &self,
        stream: impl Into<Stream>,
        changes: &[SourceChange],
        link: PageLink,
        now: DateTime<Utc>,
    ) -> Result<PageSummary, Error> {
        let attempt = "store a page of the source";
        let stream = stream.into();
        let Stream { source, kind } = stream;
        let summary = self.write(attempt, |tx| {
            let Some(round) = round(tx, stream)?.filter(|round| round.under_way) else {
                return Ok(None);
            };
            let mut page = Page::new(tx, kind, &round, now)?;
            for change in changes {
                page.merge(change)?;
            }
            match link {
                PageLink::Next(link) => tx.run(
                    "UPDATE watermarks SET page_link = ?3, updated = ?4
                     WHERE source = ?1 AND kind = ?2",
                    params![source, kind, link, Column(now)],
                )?,
                PageLink::Delta(link) => {
                    if round.full {
                        page.drop_what_was_not_reported(None)?;
                        index_round(tx, kind, round.number)?;
                    }
                    tx.run(
                        "UPDATE watermarks
                         SET under_way = 0, page_link = NULL, delta_link = ?3, updated = ?4
                         WHERE source = ?1 AND kind = ?2",
                        params![source, kind, link.get(), Column(now)],
                    )?
                }
            };
            page.finish().map(Some)
        })?;
        summary.ok_or(Error::NoRound { attempt })
    }

    /// Users of a source of whom the rounds so far did not report whether they have a manager.
    pub(crate) fn unreported_managers(&self, source: SourceNumber) -> Result<Unreported, Error> {
        self.read("look up managers that were not reported", |state| {
            let mut statement = state.prepare_cached(
                "SELECT o.id, m.id FROM unreported_managers u
                 CROSS JOIN objects o ON o.key = u.key
                 LEFT JOIN objects m ON m.key = o.manager
                 WHERE o.source = ?1",
            )?;
            let known =
                statement.query_map(params![source], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(Unreported {
                known: known.collect::<rusqlite::Result<_>>()?,
                all: if is_in_scope(state, source)? {
                    u64::MAX
                } else {
                    present(state, source)?.users
                },
            })
        })
    }

    /// The managers of these users, as they were read on the users themselves.
    pub(crate) fn record_managers(
        &self,
        source: SourceNumber,
        managers: &BTreeMap<SourceId, Option<SourceId>>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        self.write("store managers", |tx| {
            let kind = ObjectKind::User;
            let Some(round) = round(tx, Stream { source, kind })? else {
                return Ok(());
            };
            let mut page = Page::new(tx, kind, &round, now)?;
            for (user, manager) in managers {
                page.merge_manager(user, manager.as_ref())?;
            }
            page.finish()?;
            Ok(())
        })
    }

    /// Groups that came back without a report of their members.
    pub(crate) fn unreported_members(&self, source: SourceNumber) -> Result<Vec<SourceId>, Error> {
        self.read("look up members that were not reported", |state| {
            state.column(
                "SELECT o.id FROM unreported_members u CROSS JOIN objects o ON o.key = u.group_key
                 WHERE o.presence = 1 AND o.source = ?1",
                params![source],
            )
        })
    }

    /// All members of these groups, as they were read on the groups themselves.
    pub(crate) fn record_members(
        &self,
        source: SourceNumber,
        groups: &BTreeMap<SourceId, BTreeSet<SourceId>>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        self.write("store members", |tx| {
            let kind = ObjectKind::Group;
            let Some(round) = round(tx, Stream { source, kind })? else {
                return Ok(());
            };
            let mut page = Page::new(tx, kind, &round, now)?;
            for (group, members) in groups {
                page.merge_all_members(group, members)?;
            }
            page.finish()?;
            Ok(())
        })
    }

    /// Goes back to where the round under way began, when the source refuses its page link.
    pub(crate) fn rewind_round(&self, stream: impl Into<Stream>) -> Result<(), Error> {
        let Stream { source, kind } = stream.into();
        self.write("rewind the reading of the source", |tx| {
            // A full round counts again: what only its first attempt saw was not seen.
            index_rounds_under_way(tx)?;
            tx.run(
                "UPDATE watermarks
                 SET page_link = NULL, round = CASE WHEN full_round THEN ?3 ELSE round END
                 WHERE source = ?1 AND kind = ?2 AND under_way",
                params![source, kind, next_round(tx, kind)?],
            )?;
            Ok(())
        })
    }

    /// Lets the next round of each stream that the job reads be full. One that is under way goes on as it began,
    /// and the delta link stays until the full round is finished.
    pub(crate) fn read_from_beginning(&self, job: &JobName) -> Result<(), Error> {
        self.write("read the source from the beginning", |tx| {
            for source in sources_of(tx, tx.job_or_none(job)?)? {
                tx.run(
                    "UPDATE watermarks SET anew = 1 WHERE source = ?1",
                    params![source],
                )?;
                tx.run(
                    "UPDATE shards SET delta_link = NULL WHERE source = ?1",
                    params![source],
                )?;
            }
            Ok(())
        })
    }

    /// Lets the next round of a stream be full; the watermark stays until it is finished.
    pub(crate) fn read_anew(&self, stream: impl Into<Stream>) -> Result<(), Error> {
        let Stream { source, kind } = stream.into();
        self.write("read the source from the beginning", |tx| {
            tx.run(
                "UPDATE watermarks SET anew = 1 WHERE source = ?1 AND kind = ?2",
                params![source, kind],
            )?;
            Ok(())
        })
    }

    /// Whether users or groups were read up to this watermark.
    pub(crate) fn has_watermark(&self, source: SourceNumber, link: &str) -> Result<bool, Error> {
        self.read("look up the watermark", |state| {
            state
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM watermarks WHERE source = ?1 AND delta_link = ?2)",
                )?
                .query_row(params![source, link], |row| row.get(0))
        })
    }

    /// Forgets the links of a stream, so that its next round is full. The objects stay known.
    pub(crate) fn forget_watermark(&self, stream: impl Into<Stream>) -> Result<(), Error> {
        let Stream { source, kind } = stream.into();
        self.write("forget the watermark", |tx| {
            if is_in_scope(tx, source)? {
                let forget = "UPDATE shards SET delta_link = NULL WHERE source = ?1 AND kind = ?2";
                tx.run(forget, params![source, kind])?;
                return Ok(());
            }
            index_rounds_under_way(tx)?;
            tx.run(
                "UPDATE watermarks
                 SET page_link = NULL, delta_link = NULL, under_way = 1, full_round = 1,
                     round = ?3
                 WHERE source = ?1 AND kind = ?2",
                params![source, kind, next_round(tx, kind)?],
            )?;
            Ok(())
        })
    }
}

/// The number of the next round of this kind.
pub(super) fn next_round(state: &State, kind: ObjectKind) -> rusqlite::Result<i64> {
    state
        .prepare_cached("SELECT 1 + coalesce(max(round), 0) FROM watermarks WHERE kind = ?1")?
        .query_row(params![kind], |row| row.get(0))
}

/// How many users and groups a source holds: counted page by page, because to count a million rows takes
/// longer than all else in a cycle in which nothing changed.
pub(super) fn present(state: &State, source: SourceNumber) -> rusqlite::Result<Count> {
    let present = super::objects::counts(
        state,
        "SELECT coalesce(sum(present), 0) FROM watermarks WHERE kind = ?1 AND source = ?2",
        |kind| (kind, source),
    )?;
    debug_assert_eq!(
        present,
        super::objects::counts(
            state,
            "SELECT count(*) FROM objects WHERE kind = ?1 AND presence = 1 AND source = ?2",
            |kind| (kind, source),
        )?
    );
    Ok(present)
}

pub(super) fn round(state: &State, stream: Stream) -> rusqlite::Result<Option<Round>> {
    let Stream { source, kind } = stream;
    state
        .prepare_cached(
            "SELECT round, full_round, under_way, selected, delta_link, page_link, anew
             FROM watermarks WHERE source = ?1 AND kind = ?2",
        )?
        .query_row(params![source, kind], |row| {
            Ok(Round {
                stream,
                number: row.get(0)?,
                full: row.get(1)?,
                under_way: row.get(2)?,
                selected: row.get(3)?,
                delta_link: row.get(4)?,
                page_link: row.get(5)?,
                anew: row.get(6)?,
            })
        })
        .optional()
}

/// A full round brings objects and memberships in an order in which every row of an index by label or
/// by member would touch another page. They are put in at once, in order, when the round ends or when
/// an evaluation needs them.
pub(super) fn index_round(state: &State, kind: ObjectKind, round: i64) -> rusqlite::Result<()> {
    state.run(
        "INSERT OR IGNORE INTO labels (kind, label, key)
         SELECT kind, label, key FROM objects WHERE kind = ?1 AND presence > 0 AND seen = ?2
         ORDER BY 1, 2, 3",
        params![kind, round],
    )?;
    if kind == ObjectKind::Group {
        state.run(
            "INSERT OR IGNORE INTO memberships (member_key, group_key)
             SELECT member_key, group_key FROM members WHERE seen = ?1 ORDER BY 1, 2",
            params![round],
        )?;
    }
    Ok(())
}

/// What a full round that is not finished has brought so far.
pub(super) fn index_rounds_under_way(state: &State) -> rusqlite::Result<()> {
    for kind in ObjectKind::ALL {
        for round in full_rounds_under_way(state, kind)? {
            index_round(state, kind, round)?;
        }
    }
    Ok(())
}

fn full_rounds_under_way(state: &State, kind: ObjectKind) -> rusqlite::Result<Vec<i64>> {
    state.column(
        "SELECT round FROM watermarks WHERE kind = ?1 AND full_round AND under_way",
        params![kind],
    )
}

/// Whether objects of the kind may be missing among the labels.
pub(super) fn labels_are_behind(state: &State, kind: ObjectKind) -> rusqlite::Result<bool> {
    Ok(!full_rounds_under_way(state, kind)?.is_empty())
}

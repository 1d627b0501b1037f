//! What was read from the source, and up to where: rounds of delta pages, each committed together
//! with the watermark behind it and the marks it causes (product rule 1).

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::marks::Marks;
use super::wire::Column;
use super::{Error, Store};
use crate::engine::model::{
    Attributes, Complete, Key, MemberChange, ObjectKind, Presence, SourceChange, SourceId,
    SourceObject, Value,
};

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

struct Round {
    number: i64,
    full: bool,
    under_way: bool,
    selected: String,
    delta_link: Option<String>,
    page_link: Option<String>,
}

impl Store {
    /// Begins the next round of a stream, or goes on with the one under way. A stream without a link,
    /// or with one made for another `$select`, begins anew with a full round.
    pub(crate) fn begin_round(&self, kind: ObjectKind, select: &str) -> Result<Since, Error> {
        self.write("begin reading the source", |tx| {
            let known = round(tx, kind)?;
            let number = known.as_ref().map_or(0, |round| round.number);
            match known.filter(|round| round.selected == select) {
                Some(Round {
                    under_way: true,
                    page_link: Some(link),
                    ..
                }) => Ok(Since::Watermark(link)),
                Some(Round {
                    under_way,
                    delta_link: Some(link),
                    ..
                }) => {
                    if !under_way {
                        tx.execute(
                            "UPDATE watermarks SET round = ?2, full_round = 0, under_way = 1
                             WHERE kind = ?1",
                            params![kind, number + 1],
                        )?;
                    }
                    Ok(Since::Watermark(link))
                }
                Some(_) | None => {
                    tx.execute(
                        "REPLACE INTO watermarks (kind, round, full_round, under_way, selected)
                         VALUES (?1, ?2, 1, 1, ?3)",
                        params![kind, number + 1, select],
                    )?;
                    Ok(Since::Beginning)
                }
            }
        })
    }

    /// Commits a page of the round under way: what changed, the link behind it, and a mark in every
    /// known job for each object that must be evaluated again. A replay marks nothing.
    pub(crate) fn commit_page(
        &self,
        kind: ObjectKind,
        changes: &[SourceChange],
        link: PageLink,
        now: DateTime<Utc>,
    ) -> Result<PageSummary, Error> {
        let attempt = "store a page of the source";
        let summary = self.write(attempt, |tx| {
            let Some(round) = round(tx, kind)?.filter(|round| round.under_way) else {
                return Ok(None);
            };
            let mut page = Page {
                tx,
                marks: Marks::of_every_job(tx)?,
                summary: PageSummary::default(),
                round: &round,
            };
            for change in changes {
                page.merge(change)?;
            }
            match link {
                PageLink::Next(link) => tx.execute(
                    "UPDATE watermarks SET page_link = ?2, updated = ?3 WHERE kind = ?1",
                    params![kind, link, Column(now)],
                )?,
                PageLink::Delta(link) => {
                    if round.full {
                        page.drop_what_was_not_reported(kind)?;
                    }
                    tx.execute(
                        "UPDATE watermarks
                         SET under_way = 0, page_link = NULL, delta_link = ?2, updated = ?3
                         WHERE kind = ?1",
                        params![kind, link.get(), Column(now)],
                    )?
                }
            };
            Ok(Some(page.summary))
        })?;
        summary.ok_or(Error::NoRound { attempt })
    }

    /// Goes back to where the round under way began, when the source refuses its page link.
    pub(crate) fn rewind_round(&self, kind: ObjectKind) -> Result<(), Error> {
        self.write("rewind the reading of the source", |tx| {
            // A full round counts anew: what only its first attempt saw was not seen.
            tx.execute(
                "UPDATE watermarks SET page_link = NULL, round = round + full_round
                 WHERE kind = ?1 AND under_way",
                params![kind],
            )?;
            Ok(())
        })
    }

    /// Forgets the links of a stream, so that its next round is full. The objects stay known.
    pub(crate) fn forget_watermark(&self, kind: ObjectKind) -> Result<(), Error> {
        self.write("forget the watermark", |tx| {
            tx.execute(
                "UPDATE watermarks
                 SET page_link = NULL, delta_link = NULL, under_way = 1, full_round = 1,
                     round = round + 1
                 WHERE kind = ?1",
                params![kind],
            )?;
            Ok(())
        })
    }
}

fn round(connection: &Connection, kind: ObjectKind) -> rusqlite::Result<Option<Round>> {
    connection
        .prepare_cached(
            "SELECT round, full_round, under_way, selected, delta_link, page_link
             FROM watermarks WHERE kind = ?1",
        )?
        .query_row(params![kind], |row| {
            Ok(Round {
                number: row.get(0)?,
                full: row.get(1)?,
                under_way: row.get(2)?,
                selected: row.get(3)?,
                delta_link: row.get(4)?,
                page_link: row.get(5)?,
            })
        })
        .optional()
}

/// One page while it is merged.
struct Page<'p> {
    tx: &'p Transaction<'p>,
    marks: Marks<'p>,
    summary: PageSummary,
    round: &'p Round,
}

/// What the merge of an object's own properties asks to be marked.
enum Effect {
    Unchanged,
    /// Itself.
    Changed,
    /// Itself and the groups it is in.
    ChangedForItsGroups,
    /// A group that came back, went, has another name or another `securityEnabled`: everyone in it too.
    ChangedForEveryone,
}

impl Page<'_> {
    fn merge(&mut self, change: &SourceChange) -> rusqlite::Result<()> {
        let SourceChange {
            kind,
            id,
            presence,
            attributes: _,
            members,
        } = change;
        let effect = self.merge_object(change)?;
        let members_changed = self.merge_members(id, members)?;
        match effect {
            Effect::Unchanged if members_changed => self.marks.object(*kind, id)?,
            Effect::Unchanged => {
                self.summary.unchanged += 1;
                return Ok(());
            }
            Effect::Changed => self.marks.object(*kind, id)?,
            Effect::ChangedForItsGroups => {
                self.marks.object(*kind, id)?;
                self.marks.groups_of(id)?;
            }
            Effect::ChangedForEveryone => {
                self.marks.object_and_below(*kind, id)?;
                self.marks.groups_of(id)?;
            }
        }
        self.summary.changed += 1;
        // In the recycle bin a group keeps its members, and it comes back with them. Afterwards it
        // has none, and nobody will tell us of them.
        if *presence == Presence::Deleted && *kind == ObjectKind::Group {
            self.tx
                .prepare_cached("DELETE FROM members WHERE group_id = ?1")?
                .execute(params![id])?;
        }
        Ok(())
    }

    fn merge_object(&self, change: &SourceChange) -> rusqlite::Result<Effect> {
        let Some((old, seen)) = self.known(change.kind, &change.id)? else {
            return self.insert(change);
        };
        let mut new = SourceObject {
            presence: change.presence,
            ..old.clone()
        };
        merge_attributes(&mut new.attributes, change);
        if new == old {
            if self.round.full && seen != self.round.number {
                self.tx
                    .prepare_cached(
                        "UPDATE objects SET seen_round = ?3 WHERE kind = ?1 AND id = ?2",
                    )?
                    .execute(params![change.kind, change.id, self.round.number])?;
            }
            return Ok(Effect::Unchanged);
        }
        self.put(&new)?;
        let other_presence = new.presence != old.presence;
        Ok(match change.kind {
            ObjectKind::User
                if other_presence
                    || new.attributes.value(ENABLED) != old.attributes.value(ENABLED) =>
            {
                Effect::ChangedForItsGroups
            }
            ObjectKind::Group
                if other_presence
                    || new.label() != old.label()
                    || new.attributes.value(SECURITY) != old.attributes.value(SECURITY) =>
            {
                Effect::ChangedForEveryone
            }
            ObjectKind::User | ObjectKind::Group => Effect::Changed,
        })
    }

    fn insert(&self, change: &SourceChange) -> rusqlite::Result<Effect> {
        if change.presence != Presence::Present && !self.is_linked(change)? {
            // Gone before it was ever known here.
            return Ok(Effect::Unchanged);
        }
        let mut attributes = Attributes::default();
        merge_attributes(&mut attributes, change);
        self.put(&SourceObject {
            key: Key::default(),
            kind: change.kind,
            id: change.id.clone(),
            presence: change.presence,
            attributes,
        })?;
        // Its memberships may have been read before it.
        Ok(Effect::ChangedForItsGroups)
    }

    fn is_linked(&self, change: &SourceChange) -> rusqlite::Result<bool> {
        self.tx
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM jobs CROSS JOIN links ON links.job = jobs.name
                                WHERE links.kind = ?1 AND links.source_id = ?2)",
            )?
            .query_row(params![change.kind, change.id], |row| row.get(0))
    }

    fn known(
        &self,
        kind: ObjectKind,
        id: &SourceId,
    ) -> rusqlite::Result<Option<(SourceObject, i64)>> {
        self.tx
            .prepare_cached(
                "SELECT kind, id, presence, attributes, seen_round FROM objects
                 WHERE kind = ?1 AND id = ?2",
            )?
            .query_row(params![kind, id], |row| Ok((object(row)?, row.get(4)?)))
            .optional()
    }

    fn put(&self, object: &SourceObject) -> rusqlite::Result<()> {
        let manager = match object.attributes.value(MANAGER) {
            Some(Value::Reference(id)) => Some(id),
            _ => None,
        };
        self.tx
            .prepare_cached(
                "INSERT INTO objects (kind, id, presence, seen_round, manager, label, attributes)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT DO UPDATE SET
                     presence = excluded.presence, seen_round = excluded.seen_round,
                     manager = excluded.manager, label = excluded.label,
                     attributes = excluded.attributes",
            )?
            .execute(params![
                object.kind,
                object.id,
                object.presence,
                self.round.number,
                manager,
                object.label(),
                Column(&object.attributes),
            ])?;
        Ok(())
    }

    /// Merges a slice of a group's members, and marks who came or went.
    fn merge_members(
        &mut self,
        group: &SourceId,
        members: &[MemberChange],
    ) -> rusqlite::Result<bool> {
        let mut changed = false;
        for MemberChange { id, kind, removed } in members {
            let touched = if *removed {
                let removed = self
                    .tx
                    .prepare_cached("DELETE FROM members WHERE group_id = ?1 AND member_id = ?2")?
                    .execute(params![group, id])?;
                self.summary.members_removed += u64::from(removed > 0);
                removed > 0
            } else {
                self.add_member(group, *kind, id)?
            };
            if touched {
                changed = true;
                self.marks.object_and_below(*kind, id)?;
            }
        }
        Ok(changed)
    }

    fn add_member(
        &mut self,
        group: &SourceId,
        kind: ObjectKind,
        id: &SourceId,
    ) -> rusqlite::Result<bool> {
        let added = self
            .tx
            .prepare_cached(
                "INSERT OR IGNORE INTO members (group_id, member_id, member_kind, seen_round)
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![group, id, kind, self.round.number])?;
        if added == 0 && self.round.full {
            self.tx
                .prepare_cached(
                    "UPDATE members SET seen_round = ?3 WHERE group_id = ?1 AND member_id = ?2",
                )?
                .execute(params![group, id, self.round.number])?;
        }
        self.summary.members_added += u64::from(added > 0);
        Ok(added > 0)
    }

    /// A full round does not tell what was deleted before it (Graph delta query): what it did not
    /// report is gone, whether object or membership.
    fn drop_what_was_not_reported(&mut self, kind: ObjectKind) -> rusqlite::Result<()> {
        let missing: Vec<SourceId> = self
            .tx
            .prepare_cached(
                "UPDATE objects SET presence = ?3
                 WHERE kind = ?1 AND presence = 'present' AND seen_round <> ?2 RETURNING id",
            )?
            .query_map(
                params![kind, self.round.number, Presence::SoftDeleted],
                |row| row.get(0),
            )?
            .collect::<rusqlite::Result<_>>()?;
        for id in &missing {
            self.marks.object_and_below(kind, id)?;
            self.marks.groups_of(id)?;
            self.summary.missing += 1;
        }
        match kind {
            ObjectKind::User => Ok(()),
            ObjectKind::Group => self.drop_stale_members(),
        }
    }

    fn drop_stale_members(&mut self) -> rusqlite::Result<()> {
        let stale: Vec<(SourceId, SourceId, ObjectKind)> = self
            .tx
            .prepare_cached(
                "DELETE FROM members
                 WHERE seen_round <> ?1 AND group_id IN (
                     SELECT id FROM objects WHERE kind = 'group' AND seen_round = ?1)
                 RETURNING group_id, member_id, member_kind",
            )?
            .query_map(params![self.round.number], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        for (group, member, kind) in &stale {
            self.marks.object(ObjectKind::Group, group)?;
            self.marks.object_and_below(*kind, member)?;
            self.summary.members_removed += 1;
        }
        Ok(())
    }
}

const ENABLED: &str = "accountEnabled";
const SECURITY: &str = "securityEnabled";
const MANAGER: &str = "manager";

/// Present overwrites, also with null; absent keeps.
fn merge_attributes(attributes: &mut Attributes, change: &SourceChange) {
    for (name, value) in &change.attributes {
        match value {
            Some(value) => attributes.set(name.clone(), value.clone()),
            None => attributes.remove(name),
        }
    }
}

/// Reads an object from the columns kind, id, presence, attributes.
pub(super) fn object(row: &Row<'_>) -> rusqlite::Result<SourceObject> {
    let Column(attributes) = row.get(3)?;
    Ok(SourceObject {
        key: Key::default(),
        kind: row.get(0)?,
        id: row.get(1)?,
        presence: row.get(2)?,
        attributes,
    })
}

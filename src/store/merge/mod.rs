//! Merging a page of the source into what is known, with the marks that it causes.

mod missing;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, params};

use super::codec::{pack_attributes, unpack_attributes};
use super::marks::Marks;
use super::source::{PageSummary, Round};
use super::state::State;
use crate::engine::model::{
    Attributes, Key, MemberChange, ObjectKind, Presence, SourceChange, SourceId, SourceObject,
    Value,
};

/// One page while it is merged.
pub(super) struct Page<'p> {
    state: &'p State,
    kind: ObjectKind,
    marks: Marks<'p>,
    summary: PageSummary,
    round: &'p Round,
    now: DateTime<Utc>,
    /// By how many the objects that are present became more or, below zero, fewer.
    present: i64,
}

/// What the merge of an object's own properties marks.
enum Effect {
    Unchanged,
    /// Itself.
    Changed,
    /// Itself and the groups around it.
    ChangedForItsGroups,
    /// A group that came back, went, has another name or another `securityEnabled`: everything in it too.
    ChangedForEveryone,
}

/// What is known of an object before the page.
enum Known {
    Nothing,
    /// It was mentioned, or is deleted for good and forgotten.
    Mentioned(Key),
    Object {
        object: SourceObject,
        seen: i64,
    },
}

impl<'p> Page<'p> {
    pub(super) fn new(
        state: &'p State,
        kind: ObjectKind,
        round: &'p Round,
        now: DateTime<Utc>,
    ) -> rusqlite::Result<Self> {
        Ok(Self {
            state,
            kind,
            marks: Marks::of_source(state, round.stream.source)?,
            summary: PageSummary::default(),
            round,
            now,
            present: 0,
        })
    }

    /// Ends the merge: what was counted is kept.
    pub(super) fn finish(self) -> rusqlite::Result<PageSummary> {
        self.state.run(
            "UPDATE watermarks SET present = present + ?3 WHERE source = ?1 AND kind = ?2",
            params![self.round.stream.source, self.kind, self.present],
        )?;
        Ok(self.summary)
    }

    fn count(&mut self, before: Presence, after: Presence) {
        let one = |presence| i64::from(presence == Presence::Present);
        self.present += one(after) - one(before);
    }

    pub(super) fn merge(&mut self, change: &SourceChange) -> rusqlite::Result<()> {
        let SourceChange {
            kind,
            id,
            presence,
            attributes: _,
            members,
        } = change;
        let comes_back = self.is_group_that_comes_back(change)?;
        let (key, effect) = self.merge_object(change)?;
        let key = match key {
            Some(key) => key,
            None if members.is_empty() => {
                self.summary.unchanged += 1;
                return Ok(());
            }
            None => self.key_or_mention(*kind, id)?,
        };
        // All members of a restored group are reported, and those who left before it was deleted are not. Where
        // none is reported, it may have none, or they are not reported: they are looked up.
        if comes_back && members.is_empty() {
            self.state.run(
                "INSERT OR IGNORE INTO unreported_members (group_key)
                 SELECT ?1 WHERE EXISTS (SELECT 1 FROM members WHERE group_key = ?1)",
                params![key],
            )?;
        } else if comes_back {
            self.marks.object_and_below(*kind, key)?;
            self.drop_members(key)?;
        }
        let members_changed = self.merge_members(key, members)?;
        match effect {
            Effect::Unchanged if members_changed => self.marks.object(*kind, key)?,
            Effect::Unchanged => {
                self.summary.unchanged += 1;
                return Ok(());
            }
            Effect::Changed => self.marks.object(*kind, key)?,
            Effect::ChangedForItsGroups => {
                self.marks.object(*kind, key)?;
                self.marks.groups_around(key)?;
            }
            Effect::ChangedForEveryone => {
                self.marks.object_and_below(*kind, key)?;
                self.marks.groups_around(key)?;
            }
        }
        if members_changed {
            self.marks.groups_around(key)?;
        }
        self.summary.changed += 1;
        // In the recycle bin a group keeps its members, and it comes back with them. Afterwards it
        // has none, and no later page reports them.
        if *presence == Presence::Deleted && *kind == ObjectKind::Group {
            self.drop_members(key)?;
            // It did not lose them: it is gone.
            self.state.run(
                "DELETE FROM lost_members WHERE group_key = ?1",
                params![key],
            )?;
        }
        Ok(())
    }

    /// What was read on a user: the manager, or that there is none.
    pub(super) fn merge_manager(
        &mut self,
        user: &SourceId,
        manager: Option<&SourceId>,
    ) -> rusqlite::Result<()> {
        let Known::Object { object, .. } = self.known(ObjectKind::User, user)? else {
            return Ok(());
        };
        let manager = manager.map(|id| Value::Reference(id.clone()));
        self.merge(&SourceChange {
            kind: ObjectKind::User,
            id: user.clone(),
            presence: object.presence,
            attributes: [(MANAGER.to_owned(), manager)].into(),
            members: Vec::new(),
        })
    }

    /// What was read on a group: its members. Those that it does not have are dropped.
    pub(super) fn merge_all_members(
        &mut self,
        group: &SourceId,
        members: &BTreeSet<SourceId>,
    ) -> rusqlite::Result<()> {
        let Some(key) = self.state.key(ObjectKind::Group, group)? else {
            return Ok(());
        };
        self.state.run(
            "DELETE FROM unreported_members WHERE group_key = ?1",
            params![key],
        )?;
        let known: Vec<(Key, ObjectKind, SourceId)> = self
            .state
            .prepare_cached(
                "SELECT o.key, o.kind, o.id FROM members m CROSS JOIN objects o ON o.key = m.member_key
                 WHERE m.group_key = ?1",
            )?
            .query_map(params![key], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        for (member, kind, id) in known {
            if !members.contains(&id) {
                self.lose_member(key, member, kind)?;
            }
        }
        Ok(())
    }

    fn is_group_that_comes_back(&self, change: &SourceChange) -> rusqlite::Result<bool> {
        if change.kind != ObjectKind::Group
            || change.presence != Presence::Present
            || self.round.full
        {
            return Ok(false);
        }
        Ok(match self.known(change.kind, &change.id)? {
            Known::Object { object, .. } => object.presence != Presence::Present,
            Known::Nothing | Known::Mentioned(_) => false,
        })
    }

    fn drop_members(&self, group: Key) -> rusqlite::Result<()> {
        for member in self.state.column::<Key>(
            "SELECT member_key FROM members WHERE group_key = ?1",
            params![group],
        )? {
            self.drop_member(group, member)?;
        }
        Ok(())
    }

    fn merge_object(&mut self, change: &SourceChange) -> rusqlite::Result<(Option<Key>, Effect)> {
        let (old, seen) = match self.known(change.kind, &change.id)? {
            Known::Nothing => return self.insert(None, change),
            Known::Mentioned(key) => return self.insert(Some(key), change),
            Known::Object { object, seen } => (object, seen),
        };
        let mut new = SourceObject {
            presence: change.presence,
            ..old.clone()
        };
        change.merge_into(&mut new.attributes);
        let key = Some(old.key);
        let is_whole = if self.round.full {
            seen != self.round.number
        } else {
            old.presence != Presence::Present
        };
        self.note_manager(old.key, change, is_whole)?;
        if new == old {
            if self.round.full && seen != self.round.number {
                self.state.run(
                    "UPDATE objects SET seen = ?2 WHERE key = ?1",
                    params![old.key, self.round.number],
                )?;
            }
            return Ok((key, Effect::Unchanged));
        }
        if new.label() != old.label() {
            self.state.run(
                "DELETE FROM labels WHERE kind = ?1 AND label = ?2 AND key = ?3",
                params![old.kind, old.label(), old.key],
            )?;
            self.put_label(&new)?;
        }
        self.update(&new)?;
        self.count(old.presence, new.presence);
        let other_presence = new.presence != old.presence;
        let effect = match change.kind {
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
        };
        Ok((key, effect))
    }

    fn insert(
        &mut self,
        mentioned: Option<Key>,
        change: &SourceChange,
    ) -> rusqlite::Result<(Option<Key>, Effect)> {
        if change.presence != Presence::Present && !self.is_linked(mentioned)? {
            // Gone before it was ever known here.
            return Ok((mentioned, Effect::Unchanged));
        }
        let mut attributes = Attributes::default();
        change.merge_into(&mut attributes);
        let key = match mentioned {
            Some(key) => key,
            None => self.state.next_key()?,
        };
        let object = SourceObject {
            key,
            kind: change.kind,
            source: self.round.stream.source,
            id: change.id.clone(),
            presence: change.presence,
            attributes,
        };
        if mentioned.is_some() {
            self.update(&object)?;
        } else {
            let manager = self.manager_of(&object)?;
            self.state.run(
                "INSERT INTO objects
                         (key, kind, id, presence, seen, manager, label, attributes, source)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    key,
                    object.kind,
                    object.id,
                    object.presence,
                    self.round.number,
                    manager,
                    object.label(),
                    pack_attributes(self.state, &object.attributes)?,
                    object.source,
                ],
            )?;
        }
        self.note_manager(key, change, self.round.full)?;
        self.put_label(&object)?;
        self.count(Presence::Missing, object.presence);
        // Its memberships may have been read before it.
        Ok((Some(key), Effect::ChangedForItsGroups))
    }

    /// A user who is reported whole, without a manager, may have one nevertheless: rounds from the beginning do not
    /// report each (seen in the field), and what went while a user was in the recycle bin is reported nowhere.
    fn note_manager(
        &self,
        key: Key,
        change: &SourceChange,
        is_whole: bool,
    ) -> rusqlite::Result<()> {
        if change.kind != ObjectKind::User || !self.round.reads(MANAGER) {
            return Ok(());
        }
        if change.attributes.contains_key(MANAGER) || change.presence != Presence::Present {
            let delete = "DELETE FROM unreported_managers WHERE key = ?1";
            self.state.run(delete, params![key])?;
        } else if is_whole {
            let insert = "INSERT OR IGNORE INTO unreported_managers (key) VALUES (?1)";
            self.state.run(insert, params![key])?;
        }
        Ok(())
    }

    fn is_linked(&self, key: Option<Key>) -> rusqlite::Result<bool> {
        let Some(key) = key else {
            return Ok(false);
        };
        self.state
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM jobs j
                                CROSS JOIN links l ON l.link = (j.key << 32) + ?1)",
            )?
            .query_row(params![key], |row| row.get(0))
    }

    fn known(&self, kind: ObjectKind, id: &SourceId) -> rusqlite::Result<Known> {
        let known = self
            .state
            .prepare_cached(
                "SELECT key, seen, presence, attributes, source FROM objects
                 WHERE id = ?1 AND kind = ?2",
            )?
            .query_row(params![id, kind], |row| {
                let key = row.get(0)?;
                if row.get::<_, i64>(2)? == 0 {
                    return Ok(Known::Mentioned(key));
                }
                let attributes = row.get_ref(3)?.as_blob()?;
                Ok(Known::Object {
                    object: SourceObject {
                        key,
                        kind,
                        source: row.get(4)?,
                        id: id.clone(),
                        presence: row.get(2)?,
                        attributes: unpack_attributes(self.state, attributes)?,
                    },
                    seen: row.get(1)?,
                })
            })
            .optional()?;
        Ok(known.unwrap_or(Known::Nothing))
    }

    fn key_or_mention(&self, kind: ObjectKind, id: &SourceId) -> rusqlite::Result<Key> {
        self.state.key_or_mention(self.round.stream.of(kind), id)
    }

    fn manager_of(&self, object: &SourceObject) -> rusqlite::Result<Option<Key>> {
        match object.attributes.value(MANAGER) {
            // Its own manager: no second row with this id may be made.
            Some(Value::Reference(id)) if *id == object.id => Ok(Some(object.key)),
            Some(Value::Reference(id)) => self.key_or_mention(ObjectKind::User, id).map(Some),
            _ => Ok(None),
        }
    }

    fn update(&self, object: &SourceObject) -> rusqlite::Result<()> {
        let manager = self.manager_of(object)?;
        self.state.run(
            "UPDATE objects
             SET presence = ?2, seen = ?3, manager = ?4, label = ?5, attributes = ?6, source = ?7
             WHERE key = ?1",
            params![
                object.key,
                object.presence,
                self.round.number,
                manager,
                object.label(),
                pack_attributes(self.state, &object.attributes)?,
                object.source,
            ],
        )?;
        Ok(())
    }

    /// In a full round labels are put in at its end.
    fn put_label(&self, object: &SourceObject) -> rusqlite::Result<()> {
        if !self.round.full {
            self.state.run(
                "INSERT OR IGNORE INTO labels (kind, label, key) VALUES (?1, ?2, ?3)",
                params![object.kind, object.label(), object.key],
            )?;
        }
        Ok(())
    }

    /// Merges a slice of a group's members, and marks those that came or went.
    fn merge_members(&mut self, group: Key, members: &[MemberChange]) -> rusqlite::Result<bool> {
        let mut changed = false;
        for MemberChange { id, kind, removed } in members {
            let member = if *removed {
                match self.state.key(*kind, id)? {
                    Some(member) => member,
                    None => continue,
                }
            } else {
                self.key_or_mention(*kind, id)?
            };
            let touched = if *removed {
                let removed = self.drop_member(group, member)?;
                self.summary.members_removed += u64::from(removed);
                removed
            } else {
                let added = self.add_member(group, *kind, member)?;
                self.summary.members_added += u64::from(added);
                added
            };
            if touched {
                changed = true;
                self.marks.object_and_below(*kind, member)?;
            }
        }
        Ok(changed)
    }

    fn add_member(&self, group: Key, kind: ObjectKind, member: Key) -> rusqlite::Result<bool> {
        let added = self.state.changes(
            "INSERT OR IGNORE INTO members (group_key, member_key, seen) VALUES (?1, ?2, ?3)",
            params![group, member, self.round.number],
        )?;
        if !added {
            if self.round.full {
                self.state.run(
                    "UPDATE members SET seen = ?3
                     WHERE group_key = ?1 AND member_key = ?2 AND seen <> ?3",
                    params![group, member, self.round.number],
                )?;
            }
            return Ok(false);
        }
        self.state.run(
            "DELETE FROM lost_members WHERE group_key = ?1 AND member_key = ?2",
            params![group, member],
        )?;
        if !self.round.full {
            self.state.run(
                "INSERT OR IGNORE INTO memberships (member_key, group_key) VALUES (?1, ?2)",
                params![member, group],
            )?;
        }
        if kind == ObjectKind::Group {
            self.state.run(
                "INSERT OR IGNORE INTO nested (group_key, member_key) VALUES (?1, ?2)",
                params![group, member],
            )?;
        }
        Ok(true)
    }

    fn drop_member(&self, group: Key, member: Key) -> rusqlite::Result<bool> {
        let removed = self.state.changes(
            "DELETE FROM members WHERE group_key = ?1 AND member_key = ?2",
            params![group, member],
        )?;
        if removed {
            self.state.run(
                "REPLACE INTO lost_members (group_key, member_key, at) VALUES (?1, ?2, ?3)",
                params![group, member, self.now.timestamp_millis()],
            )?;
            self.state.run(
                "DELETE FROM memberships WHERE member_key = ?1 AND group_key = ?2",
                params![member, group],
            )?;
            self.state.run(
                "DELETE FROM nested WHERE group_key = ?1 AND member_key = ?2",
                params![group, member],
            )?;
        }
        Ok(removed)
    }
}

const ENABLED: &str = "accountEnabled";
const SECURITY: &str = "securityEnabled";
const MANAGER: &str = "manager";

//! Links: which target object a source object is, and what was last sent of it.

mod active;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, params};

use crate::engine::model::{
    Held, HeldReference, JobName, Key, ObjectKind, Origin, SourceId, TargetId, TargetPath, Value,
};
use crate::engine::plan::Count;
use crate::store::codec::{pack_sent, unpack_sent};
use crate::store::marks::Marks;
use crate::store::relink::forget_old_account;
use crate::store::sent::clear_members;
pub(super) use crate::store::sent::{
    forget_lost, merge_sent, put_members, put_reference, remove_members,
};
use crate::store::staged::{note_disabled, note_left};
use crate::store::state::{State, first_link};
use crate::store::wire::Sent;
use crate::store::{Error, Store};

use self::active::count_active;
pub(super) use self::active::{count_memberships, is_active, put_active};

const LOOK_UP: &str = "look up links";

impl Store {
    /// Which source object a target object is linked to.
    pub(crate) fn linked_by(
        &self,
        job: &JobName,
        kind: ObjectKind,
        target: &TargetId,
    ) -> Result<Option<SourceId>, Error> {
        self.read(LOOK_UP, |state| {
            let job = state.job_or_none(job)?;
            let holder = linked_by(state, job, kind, target)?;
            holder.map(|key| id_of(state, key)).transpose()
        })
    }

    /// The target ids of the members that a group was sent.
    pub(crate) fn sent_member_targets(
        &self,
        job: &JobName,
        group: Key,
    ) -> Result<BTreeSet<TargetId>, Error> {
        self.read("look up members", |state| {
            let job = state.job_or_none(job)?;
            let targets: Vec<TargetId> = state.column(
                "SELECT l.target FROM sent_members s
                 CROSS JOIN links l ON l.link = ?3 + s.member_key
                 WHERE s.job = ?1 AND s.group_key = ?2",
                params![job, group, first_link(job)],
            )?;
            Ok(targets.into_iter().collect())
        })
    }

    /// The groups in which the target has this member, as far as was sent.
    pub(crate) fn sent_groups(&self, job: &JobName, member: Key) -> Result<Vec<Key>, Error> {
        self.read("look up memberships", |state| {
            state.column(
                "SELECT group_key FROM sent_members WHERE job = ?1 AND member_key = ?2",
                params![state.job_or_none(job)?, member],
            )
        })
    }

    /// References in the target that lead to an object: whose they are, and at which path.
    pub(crate) fn references_to(
        &self,
        job: &JobName,
        key: Key,
    ) -> Result<Vec<(Key, TargetPath)>, Error> {
        self.read("look up references", |state| {
            let job = state.job_or_none(job)?;
            let found: Vec<(Key, i64)> = state
                .prepare_cached(
                    "SELECT source, path FROM sent_references WHERE job = ?1 AND referenced = ?2",
                )?
                .query_map(params![job, key], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?;
            found
                .into_iter()
                .map(|(key, path)| Ok((key, state.path_of_number(path)?)))
                .collect()
        })
    }

    pub(crate) fn link_counts(&self, job: &JobName) -> Result<Count, Error> {
        self.read("count links", |state| link_counts(state, job))
    }

    /// Links of objects that were in scope when they were last evaluated.
    pub(crate) fn scope_counts(&self, job: &JobName) -> Result<Count, Error> {
        self.read("count links in scope", |state| {
            let sql = "SELECT scope_users, scope_groups FROM jobs WHERE name = ?1";
            count_of(state, sql, job)
        })
    }

    /// Drops a link, so that the object is matched again; objects that refer to it are marked.
    pub(crate) fn unlink(&self, job: &JobName, key: Key) -> Result<(), Error> {
        self.drop_link(job, key, |_| Ok(()))
    }

    /// The same for an object that is gone from the target.
    pub(crate) fn unlink_gone(&self, job: &JobName, key: Key, cycle: i64) -> Result<(), Error> {
        self.drop_link(job, key, |state| {
            let job = state.job_or_none(job)?;
            note_gone(state, job, key, cycle)
        })
    }

    fn drop_link(
        &self,
        job: &JobName,
        key: Key,
        note: impl FnOnce(&State) -> rusqlite::Result<()>,
    ) -> Result<(), Error> {
        self.write("drop a link", |state| {
            note(state)?;
            let Some(job) = state.job(job)? else {
                return Ok(());
            };
            let kind = kind_of(state, key)?;
            let mut marks = Marks::of(state, job);
            forget_link(state, job, kind, key)?;
            forget_membership(state, &mut marks, job, key)?;
            mark_references(state, &mut marks, job, key)?;
            Self::settle_rows(state, job, key)?;
            marks.object(kind, key)
        })
    }

    /// Links an object to what its create turned out to have made, with what the target holds.
    pub(crate) fn link_created(
        &self,
        job: &JobName,
        key: Key,
        target: &TargetId,
        (current, members): (&Held, &[Key]),
        origin: Origin,
    ) -> Result<(), Error> {
        self.write("link an object", |state| {
            let Some(job) = state.job(job)? else {
                return Ok(());
            };
            let kind = kind_of(state, key)?;
            let mut marks = Marks::of(state, job);
            put_link(state, &mut marks, job, (kind, key), target, current)?;
            note_origin(state, job, key, origin)?;
            put_members(state, job, key, members.iter().copied())?;
            Self::settle_rows(state, job, key)
        })
    }

    /// A few accounts that were disabled, other than this one.
    pub(crate) fn disabled(
        &self,
        job: &JobName,
        except: Key,
        limit: usize,
    ) -> Result<Vec<TargetId>, Error> {
        self.read(LOOK_UP, |state| {
            let job = state.job_or_none(job)?;
            let mut statement = state.prepare_cached(
                // One that may be deleted just now says nothing.
                "SELECT link, target, sent FROM links l
                 WHERE link > ?1 AND link < ?2 AND kind = 1 AND NOT EXISTS (
                     SELECT 1 FROM actions a
                     WHERE a.job = l.job AND a.source = (l.link & 0xffffffff) AND a.state BETWEEN 1 AND 4)",
            )?;
            let mut rows = statement.query(params![first_link(job), first_link(job + 1)])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let sent = unpack_sent(state, row.get_ref(2)?.as_blob()?)?;
                let is_disabled = sent
                    .iter()
                    .any(|(path, value)| path.is_active() && *value == Value::Boolean(false));
                if is_disabled && key_of(row.get(0)?) != except {
                    found.push(row.get(1)?);
                    if found.len() >= limit {
                        break;
                    }
                }
            }
            Ok(found)
        })
    }

    /// Notes members that a group had already when it was linked; nothing where it is not.
    pub(crate) fn note_members(
        &self,
        job: &JobName,
        group: Key,
        members: &[Key],
    ) -> Result<(), Error> {
        self.write("note members", |state| {
            let Some(job) = state.job(job)? else {
                return Ok(());
            };
            if target_of(state, job, group)?.is_none() {
                return Ok(());
            }
            put_members(state, job, group, members.iter().copied())
        })
    }

    /// Notes the scope verdict of links where it changed.
    pub(crate) fn set_scope(
        &self,
        job: &JobName,
        verdicts: &[(Key, bool)],
        source: Option<DateTime<Utc>>,
    ) -> Result<(), Error> {
        if verdicts.is_empty() {
            return Ok(());
        }
        self.write("note which objects are in scope", |state| {
            let Some(job) = state.job(job)? else {
                return Ok(());
            };
            for (key, in_scope) in verdicts {
                let changed = put_scope(state, job, *key, *in_scope)?;
                if changed && !in_scope {
                    note_left(state, job, *key, source)?;
                }
            }
            Ok(())
        })
    }

    /// The object is evaluated again, though it has not changed.
    pub(crate) fn evaluate_again(&self, job: &JobName, key: Key) -> Result<(), Error> {
        self.write("mark an object", |state| {
            let Some(job) = state.job(job)? else {
                return Ok(());
            };
            Marks::of(state, job).object(kind_of(state, key)?, key)
        })
    }

    /// What the target holds was read and is not what was known. The object is marked.
    pub(crate) fn note_held(&self, job: &JobName, key: Key, current: &Held) -> Result<(), Error> {
        self.write("note what the target holds", |state| {
            let Some(job) = state.job(job)? else {
                return Ok(());
            };
            put_held(state, job, key, current)?;
            Marks::of(state, job).object(kind_of(state, key)?, key)
        })
    }

    /// What the target holds was read: an unconfirmed link is as good as any again.
    pub(crate) fn confirm(
        &self,
        job: &JobName,
        key: Key,
        current: &Held,
        members: Option<&[Key]>,
        source: Option<DateTime<Utc>>,
    ) -> Result<(), Error> {
        self.write("confirm a link", |state| {
            let Some(job) = state.job(job)? else {
                return Ok(());
            };
            put_held(state, job, key, current)?;
            if let Some(members) = members {
                clear_members(state, job, key)?;
                put_members(state, job, key, members.iter().copied())?;
            }
            state.run(
                "UPDATE links SET unread = 0 WHERE link = ?1 AND unread",
                params![link_of(job, key)],
            )?;
            // Nothing is disabled by it unless it is inactive now.
            if Self::disables(state, job, key)? {
                note_disabled(state, job, key, source)?;
            }
            Self::settle_rows(state, job, key)
        })
    }
}

/// The object is gone from the target since this cycle, unless it was before.
pub(super) fn note_gone(state: &State, job: i64, key: Key, cycle: i64) -> rusqlite::Result<()> {
    state.run(
        "INSERT OR IGNORE INTO gone (job, source, cycle) VALUES (?1, ?2, ?3)",
        params![job, key, cycle],
    )?;
    Ok(())
}

pub(super) fn kind_of(state: &State, key: Key) -> rusqlite::Result<ObjectKind> {
    state
        .prepare_cached("SELECT kind FROM objects WHERE key = ?1")?
        .query_row(params![key], |row| row.get(0))
}

pub(super) fn link_of(job: i64, key: Key) -> i64 {
    first_link(job) + i64::from(key.get())
}

pub(super) fn id_of(state: &State, key: Key) -> rusqlite::Result<SourceId> {
    state
        .prepare_cached("SELECT id FROM objects WHERE key = ?1")?
        .query_row(params![key], |row| row.get(0))
}

pub(super) fn target_of(
    state: &State,
    job: i64,
    key: Key,
) -> rusqlite::Result<Option<(TargetId, bool)>> {
    state
        .prepare_cached("SELECT target, in_scope FROM links WHERE link = ?1")?
        .query_row(params![link_of(job, key)], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
}

pub(super) fn link_counts(state: &State, job: &JobName) -> rusqlite::Result<Count> {
    let sql = "SELECT linked_users, linked_groups FROM jobs WHERE name = ?1";
    count_of(state, sql, job)
}

fn count_of(state: &State, sql: &str, job: &JobName) -> rusqlite::Result<Count> {
    let count = state
        .prepare_cached(sql)?
        .query_row(params![job], |row| {
            Ok(Count {
                users: row.get::<_, i64>(0)?.unsigned_abs(),
                groups: row.get::<_, i64>(1)?.unsigned_abs(),
            })
        })
        .optional()?;
    Ok(count.unwrap_or_default())
}

impl Store {
    /// What was written to a target since then is read there before it is compared again.
    pub(super) fn read_recent(&self, since: DateTime<Utc>) -> Result<(), Error> {
        self.write("note what must be read", |state| {
            let number = Marks::of(state, 0).number()?;
            let since = since.timestamp_millis();
            state.run(
                "UPDATE links SET unread = 1 WHERE unread = 0 AND link IN (
                     SELECT (job << 32) + source FROM actions WHERE at >= ?1)",
                params![since],
            )?;
            state.run(
                "INSERT INTO pending (job, kind, key, mark)
                 SELECT DISTINCT a.job, o.kind, o.key, ?2 FROM actions a JOIN objects o ON o.key = a.source
                 WHERE a.at >= ?1
                 ON CONFLICT DO UPDATE SET mark = excluded.mark",
                params![since, number],
            )?;
            Ok(())
        })
    }
}

/// Counting all links takes as long as reading them, so that their number is kept.
fn count(
    state: &State,
    job: i64,
    kind: ObjectKind,
    linked: i64,
    in_scope: i64,
) -> rusqlite::Result<()> {
    let sql = match kind {
        ObjectKind::User => {
            "UPDATE jobs SET linked_users = linked_users + ?2, scope_users = scope_users + ?3
             WHERE key = ?1"
        }
        ObjectKind::Group => {
            "UPDATE jobs SET linked_groups = linked_groups + ?2, scope_groups = scope_groups + ?3
             WHERE key = ?1"
        }
    };
    state.run(sql, params![job, linked, in_scope])?;
    Ok(())
}

pub(super) fn linked_by(
    state: &State,
    job: i64,
    kind: ObjectKind,
    target: &TargetId,
) -> rusqlite::Result<Option<Key>> {
    let link: Option<i64> = state
        .prepare_cached("SELECT link FROM links WHERE target = ?3 AND job = ?1 AND kind = ?2")?
        .query_row(params![job, kind, target], |row| row.get(0))
        .optional()?;
    Ok(link.map(key_of))
}

/// The object that a link is of.
pub(super) fn key_of(link: i64) -> Key {
    Key::new(u32::try_from(link & i64::from(u32::MAX)).unwrap_or_default())
}

/// Links an object, whatever it was linked to before, with what the target now holds.
/// The target object must not be linked to another.
pub(super) fn put_link(
    state: &State,
    marks: &mut Marks<'_>,
    job: i64,
    (kind, key): (ObjectKind, Key),
    target: &TargetId,
    held: &Held,
) -> rusqlite::Result<()> {
    state.run(
        "DELETE FROM gone WHERE job = ?1 AND source = ?2",
        params![job, key],
    )?;
    let old = target_of(state, job, key)?;
    if old.as_ref().map(|(old, _)| old) != Some(target) {
        if old.is_some() {
            forget_link(state, job, kind, key)?;
            // Groups have the old target object as a member, and not this one.
            forget_membership(state, marks, job, key)?;
        }
        state.run(
            "INSERT INTO links (link, job, kind, target, in_scope, unread, sent)
             VALUES (?1, ?2, ?3, ?4, 1, 0, ?5)",
            params![
                link_of(job, key),
                job,
                kind,
                target,
                pack_sent(state, &Sent::new())?
            ],
        )?;
        count(state, job, kind, 1, 1)?;
        if kind == ObjectKind::User {
            count_active(state, job, 1)?;
        }
        forget_old_account(state, job, key)?;
        note_event(state, job, key)?;
    }
    put_held(state, job, key, held)
}

pub(super) fn note_origin(
    state: &State,
    job: i64,
    key: Key,
    origin: Origin,
) -> rusqlite::Result<()> {
    let number = match origin {
        Origin::Found => 0,
        Origin::Created => 1,
        Origin::Unproven => 2,
    };
    state.run(
        "UPDATE links SET origin = ?2 WHERE link = ?1",
        params![link_of(job, key), number],
    )?;
    Ok(())
}

pub(super) fn origin(number: i64) -> Origin {
    match number {
        1 => Origin::Created,
        2 => Origin::Unproven,
        _ => Origin::Found,
    }
}

pub(super) fn origin_of(state: &State, job: i64, key: Key) -> rusqlite::Result<Origin> {
    let number = state
        .prepare_cached("SELECT origin FROM links WHERE link = ?1")?
        .query_row(params![link_of(job, key)], |row| row.get(0))
        .optional()?;
    Ok(number.map_or(Origin::Found, origin))
}

fn put_scope(state: &State, job: i64, key: Key, in_scope: bool) -> rusqlite::Result<bool> {
    let changed = state.changes(
        "UPDATE links SET in_scope = ?2 WHERE link = ?1 AND in_scope <> ?2",
        params![link_of(job, key), in_scope],
    )?;
    if changed {
        let kind = kind_of(state, key)?;
        count(state, job, kind, 0, if in_scope { 1 } else { -1 })?;
        note_event(state, job, key)?;
    }
    Ok(changed)
}

/// Drops the link and what was sent of the object itself, if there is one. Members and references
/// that lead to it from others are the caller's business.
pub(super) fn forget_link(
    state: &State,
    job: i64,
    kind: ObjectKind,
    key: Key,
) -> rusqlite::Result<()> {
    if let Some((_, in_scope)) = target_of(state, job, key)? {
        put_active(state, job, key, false)?;
        state.run(
            "DELETE FROM links WHERE link = ?1",
            params![link_of(job, key)],
        )?;
        count(state, job, kind, -1, -i64::from(in_scope))?;
    }
    state.run(
        "DELETE FROM sent_references WHERE job = ?1 AND source = ?2",
        params![job, key],
    )?;
    clear_members(state, job, key)?;
    note_event(state, job, key)
}

/// The target object is no more: no group in the target has it as a member. Those groups are marked.
pub(super) fn forget_membership(
    state: &State,
    marks: &mut Marks<'_>,
    job: i64,
    member: Key,
) -> rusqlite::Result<()> {
    let groups: Vec<Key> = state.column(
        "SELECT group_key FROM sent_members WHERE job = ?1 AND member_key = ?2",
        params![job, member],
    )?;
    for group in groups {
        remove_members(state, job, group, [member])?;
        marks.object(ObjectKind::Group, group)?;
    }
    Ok(())
}

/// The target object is gone: objects that have a reference to it are marked. It may lead there still, so that
/// it stays on record.
pub(super) fn mark_references(
    state: &State,
    marks: &mut Marks<'_>,
    job: i64,
    referenced: Key,
) -> rusqlite::Result<()> {
    let holders: Vec<(Key, ObjectKind)> = state
        .prepare_cached(
            "SELECT r.source, o.kind FROM sent_references r
             CROSS JOIN objects o ON o.key = r.source
             WHERE r.job = ?1 AND r.referenced = ?2",
        )?
        .query_map(params![job, referenced], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    for (holder, kind) in holders {
        marks.object(kind, holder)?;
    }
    Ok(())
}

fn put_held(state: &State, job: i64, key: Key, held: &Held) -> rusqlite::Result<()> {
    let Held { values, references } = held;
    state.run(
        "DELETE FROM sent_references WHERE job = ?1 AND source = ?2",
        params![job, key],
    )?;
    for (path, HeldReference { target, source }) in references {
        let source = source
            .as_ref()
            .map(|source| state.key_next_to(key, ObjectKind::User, source));
        put_reference(state, job, key, path, Some((source.transpose()?, target)))?;
    }
    state.run(
        "UPDATE links SET sent = ?2 WHERE link = ?1",
        params![link_of(job, key), pack_sent(state, values)?],
    )?;
    put_active(state, job, key, is_active(values))
}

fn note_event(state: &State, job: i64, key: Key) -> rusqlite::Result<()> {
    state.run(
        "INSERT OR IGNORE INTO link_events (job, source) VALUES (?1, ?2)",
        params![job, key],
    )?;
    Ok(())
}

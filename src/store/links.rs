//! Links: which target object a source object is, and what the target was last told of it.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::marks::Marks;
use super::objects::counts;
use super::wire::{Column, Sent};
use super::{Error, Store};
use crate::engine::model::{
    Intent, JobName, Link, MatchKey, ObjectKind, SourceId, TargetId, TargetPath, Value,
};
use crate::engine::plan::Count;

const LOOK_UP: &str = "look up links";

impl Store {
    pub(crate) fn link(
        &self,
        job: &JobName,
        kind: ObjectKind,
        id: &SourceId,
    ) -> Result<Option<Link>, Error> {
        self.read(LOOK_UP, |connection| {
            let link = connection
                .prepare_cached(
                    "SELECT target_id, sent, in_scope,
                            EXISTS (SELECT 1 FROM writes w
                                    WHERE w.job = ?1 AND w.kind = ?2 AND w.source_id = ?3)
                     FROM links WHERE job = ?1 AND kind = ?2 AND source_id = ?3",
                )?
                .query_row(params![job, kind, id], |row| {
                    let Column(sent) = row.get(1)?;
                    Ok(Link {
                        target: row.get(0)?,
                        sent,
                        in_scope: row.get(2)?,
                        unconfirmed: row.get(3)?,
                    })
                })
                .optional()?;
            let Some(mut link) = link else {
                return Ok(None);
            };
            let mut references = connection.prepare_cached(
                "SELECT path, referenced FROM sent_references
                 WHERE job = ?1 AND kind = ?2 AND source_id = ?3",
            )?;
            for reference in references.query_map(params![job, kind, id], |row| {
                let Column(path): Column<TargetPath> = row.get(0)?;
                Ok((path, Value::Reference(row.get(1)?)))
            })? {
                let (path, value) = reference?;
                link.sent.insert(path, value);
            }
            Ok(Some(link))
        })
    }

    /// The target id alone, and whether the object was in scope when it was last evaluated.
    pub(crate) fn target_of(
        &self,
        job: &JobName,
        kind: ObjectKind,
        id: &SourceId,
    ) -> Result<Option<(TargetId, bool)>, Error> {
        self.read(LOOK_UP, |connection| {
            connection
                .prepare_cached(
                    "SELECT target_id, in_scope FROM links
                     WHERE job = ?1 AND kind = ?2 AND source_id = ?3",
                )?
                .query_row(params![job, kind, id], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
        })
    }

    /// Which source object a target object is linked to.
    pub(crate) fn linked_by(
        &self,
        job: &JobName,
        kind: ObjectKind,
        target: &TargetId,
    ) -> Result<Option<SourceId>, Error> {
        self.read(LOOK_UP, |connection| {
            linked_by(connection, job, kind, target)
        })
    }

    /// A create that was begun and whose end was never recorded.
    pub(crate) fn intent(
        &self,
        job: &JobName,
        kind: ObjectKind,
        id: &SourceId,
    ) -> Result<Option<Intent>, Error> {
        self.read("look up an intent", |connection| {
            connection
                .prepare_cached(
                    "SELECT keys FROM intents WHERE job = ?1 AND kind = ?2 AND source_id = ?3",
                )?
                .query_row(params![job, kind, id], |row| {
                    let Column(keys): Column<Vec<MatchKey>> = row.get(0)?;
                    Ok(Intent { keys })
                })
                .optional()
        })
    }

    /// The members that the target was told of, with the target ids that were sent.
    pub(crate) fn sent_members(
        &self,
        job: &JobName,
        group: &SourceId,
    ) -> Result<BTreeMap<SourceId, TargetId>, Error> {
        self.read("look up members", |connection| {
            connection
                .prepare_cached(
                    "SELECT member_id, member_target FROM sent_members
                     WHERE job = ?1 AND group_id = ?2",
                )?
                .query_map(params![job, group], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
    }

    /// The groups that the target was told to have this member in.
    pub(crate) fn sent_groups(
        &self,
        job: &JobName,
        member: &SourceId,
    ) -> Result<Vec<SourceId>, Error> {
        self.read("look up memberships", |connection| {
            connection
                .prepare_cached(
                    "SELECT group_id FROM sent_members WHERE job = ?1 AND member_id = ?2",
                )?
                .query_map(params![job, member], |row| row.get(0))?
                .collect()
        })
    }

    pub(crate) fn link_counts(&self, job: &JobName) -> Result<Count, Error> {
        self.read("count links", |connection| link_counts(connection, job))
    }

    /// Links of objects that were in scope when they were last evaluated.
    pub(crate) fn scope_counts(&self, job: &JobName) -> Result<Count, Error> {
        self.read("count links in scope", |connection| {
            counts(
                connection,
                "SELECT count(*) FROM links WHERE job = ?1 AND kind = ?2 AND in_scope",
                |kind| (job.clone(), kind),
            )
        })
    }

    /// Drops a link whose object is gone from the target; whoever refers to it is marked.
    pub(crate) fn unlink(
        &self,
        job: &JobName,
        kind: ObjectKind,
        id: &SourceId,
    ) -> Result<(), Error> {
        self.write("drop a link", |tx| {
            let mut marks = Marks::of(tx, job);
            forget_link(tx, job, kind, id)?;
            forget_membership(tx, &mut marks, job, id)?;
            forget_references(tx, &mut marks, job, id)?;
            settle_writes(tx, job, kind, id)?;
            marks.object(kind, id)
        })
    }

    /// Notes members that a group had already when it was linked.
    pub(crate) fn note_members(
        &self,
        job: &JobName,
        group: &SourceId,
        members: &BTreeMap<SourceId, TargetId>,
    ) -> Result<(), Error> {
        self.write("note members", |tx| put_members(tx, job, group, members))
    }

    /// Notes the scope verdict of links where it changed.
    pub(crate) fn set_scope(
        &self,
        job: &JobName,
        kind: ObjectKind,
        verdicts: &[(SourceId, bool)],
    ) -> Result<(), Error> {
        self.write("note who is in scope", |tx| {
            for (id, in_scope) in verdicts {
                let changed = tx
                    .prepare_cached(
                        "UPDATE links SET in_scope = ?4
                         WHERE job = ?1 AND kind = ?2 AND source_id = ?3 AND in_scope <> ?4",
                    )?
                    .execute(params![job, kind, id, in_scope])?;
                if changed > 0 {
                    note_event(tx, job, kind, id)?;
                }
            }
            Ok(())
        })
    }

    /// What the target holds was read: an unconfirmed link is as good as any again.
    pub(crate) fn confirm(
        &self,
        job: &JobName,
        kind: ObjectKind,
        id: &SourceId,
        current: &BTreeMap<TargetPath, Value>,
        members: Option<&BTreeMap<SourceId, TargetId>>,
    ) -> Result<(), Error> {
        self.write("confirm a link", |tx| {
            put_sent(tx, job, kind, id, current)?;
            if let Some(members) = members {
                tx.prepare_cached("DELETE FROM sent_members WHERE job = ?1 AND group_id = ?2")?
                    .execute(params![job, id])?;
                put_members(tx, job, id, members)?;
            }
            settle_writes(tx, job, kind, id)
        })
    }
}

pub(super) fn link_counts(connection: &Connection, job: &JobName) -> rusqlite::Result<Count> {
    counts(
        connection,
        "SELECT count(*) FROM links WHERE job = ?1 AND kind = ?2",
        |kind| (job.clone(), kind),
    )
}

pub(super) fn linked_by(
    connection: &Connection,
    job: &JobName,
    kind: ObjectKind,
    target: &TargetId,
) -> rusqlite::Result<Option<SourceId>> {
    connection
        .prepare_cached(
            "SELECT source_id FROM links WHERE job = ?1 AND kind = ?2 AND target_id = ?3",
        )?
        .query_row(params![job, kind, target], |row| row.get(0))
        .optional()
}

/// Links an object, whatever it was linked to before, with what the target now holds.
/// The target object must not be linked to another.
pub(super) fn put_link(
    tx: &Transaction<'_>,
    job: &JobName,
    kind: ObjectKind,
    id: &SourceId,
    target: &TargetId,
    sent: &Sent,
) -> rusqlite::Result<()> {
    let same: bool = tx
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM links
                            WHERE job = ?1 AND kind = ?2 AND source_id = ?3 AND target_id = ?4)",
        )?
        .query_row(params![job, kind, id, target], |row| row.get(0))?;
    if !same {
        forget_link(tx, job, kind, id)?;
        tx.prepare_cached("INSERT INTO links VALUES (?1, ?2, ?3, ?4, 1, '{}')")?
            .execute(params![job, kind, id, target])?;
    }
    put_sent(tx, job, kind, id, sent)?;
    // Read or sent just now: what an earlier lost answer may have done is included.
    tx.prepare_cached(
        "UPDATE writes SET lost = 0 WHERE job = ?1 AND kind = ?2 AND source_id = ?3",
    )?
    .execute(params![job, kind, id])?;
    Ok(())
}

/// Drops the link and what was sent of the object itself, if there is one. Members and references
/// that lead to it from others are the caller's business.
pub(super) fn forget_link(
    tx: &Transaction<'_>,
    job: &JobName,
    kind: ObjectKind,
    id: &SourceId,
) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM links WHERE job = ?1 AND kind = ?2 AND source_id = ?3")?
        .execute(params![job, kind, id])?;
    tx.prepare_cached(
        "DELETE FROM sent_references WHERE job = ?1 AND kind = ?2 AND source_id = ?3",
    )?
    .execute(params![job, kind, id])?;
    tx.prepare_cached("DELETE FROM sent_members WHERE job = ?1 AND group_id = ?2")?
        .execute(params![job, id])?;
    note_event(tx, job, kind, id)
}

/// The target object is no more: no group in the target has it as a member. Those groups are marked.
pub(super) fn forget_membership(
    tx: &Transaction<'_>,
    marks: &mut Marks<'_>,
    job: &JobName,
    member: &SourceId,
) -> rusqlite::Result<()> {
    let groups: Vec<SourceId> = tx
        .prepare_cached(
            "DELETE FROM sent_members WHERE job = ?1 AND member_id = ?2 RETURNING group_id",
        )?
        .query_map(params![job, member], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    groups
        .iter()
        .try_for_each(|group| marks.object(ObjectKind::Group, group))
}

/// Nobody's reference leads to the object any more. Those who had one are marked.
pub(super) fn forget_references(
    tx: &Transaction<'_>,
    marks: &mut Marks<'_>,
    job: &JobName,
    referenced: &SourceId,
) -> rusqlite::Result<()> {
    let holders: Vec<(ObjectKind, SourceId)> = tx
        .prepare_cached(
            "DELETE FROM sent_references WHERE job = ?1 AND referenced = ?2
             RETURNING kind, source_id",
        )?
        .query_map(params![job, referenced], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    holders
        .iter()
        .try_for_each(|(kind, id)| marks.object(*kind, id))
}

fn put_sent(
    tx: &Transaction<'_>,
    job: &JobName,
    kind: ObjectKind,
    id: &SourceId,
    sent: &Sent,
) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "DELETE FROM sent_references WHERE job = ?1 AND kind = ?2 AND source_id = ?3",
    )?
    .execute(params![job, kind, id])?;
    let mut plain = Sent::new();
    for (path, value) in sent {
        match value {
            Value::Reference(referenced) => {
                put_reference(tx, job, kind, id, path, Some(referenced))?;
            }
            Value::Text(_)
            | Value::Boolean(_)
            | Value::Integer(_)
            | Value::List(_)
            | Value::Object(_) => {
                plain.insert(path.clone(), value.clone());
            }
        }
    }
    tx.prepare_cached(
        "UPDATE links SET sent = ?4 WHERE job = ?1 AND kind = ?2 AND source_id = ?3",
    )?
    .execute(params![job, kind, id, Column(&plain)])?;
    Ok(())
}

/// Merges what was sent into what is known of a link. `None` was cleared.
pub(super) fn merge_sent<'v>(
    tx: &Transaction<'_>,
    job: &JobName,
    kind: ObjectKind,
    id: &SourceId,
    changes: impl IntoIterator<Item = (&'v TargetPath, Option<&'v Value>)>,
) -> rusqlite::Result<()> {
    let known = tx
        .prepare_cached("SELECT sent FROM links WHERE job = ?1 AND kind = ?2 AND source_id = ?3")?
        .query_row(params![job, kind, id], |row| row.get(0))
        .optional()?;
    let Some(Column::<Sent>(mut sent)) = known else {
        return Ok(());
    };
    for (path, value) in changes {
        match value {
            Some(Value::Reference(referenced)) => {
                sent.remove(path);
                put_reference(tx, job, kind, id, path, Some(referenced))?;
            }
            Some(value) => {
                put_reference(tx, job, kind, id, path, None)?;
                sent.insert(path.clone(), value.clone());
            }
            None => {
                put_reference(tx, job, kind, id, path, None)?;
                sent.remove(path);
            }
        }
    }
    tx.prepare_cached(
        "UPDATE links SET sent = ?4 WHERE job = ?1 AND kind = ?2 AND source_id = ?3",
    )?
    .execute(params![job, kind, id, Column(&sent)])?;
    Ok(())
}

pub(super) fn put_reference(
    tx: &Transaction<'_>,
    job: &JobName,
    kind: ObjectKind,
    id: &SourceId,
    path: &TargetPath,
    referenced: Option<&SourceId>,
) -> rusqlite::Result<()> {
    match referenced {
        Some(referenced) => tx
            .prepare_cached("REPLACE INTO sent_references VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![job, kind, id, Column(path), referenced])?,
        None => tx
            .prepare_cached(
                "DELETE FROM sent_references
                 WHERE job = ?1 AND kind = ?2 AND source_id = ?3 AND path = ?4",
            )?
            .execute(params![job, kind, id, Column(path)])?,
    };
    Ok(())
}

pub(super) fn put_members<'m>(
    tx: &Transaction<'_>,
    job: &JobName,
    group: &SourceId,
    members: impl IntoIterator<Item = (&'m SourceId, &'m TargetId)>,
) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached("REPLACE INTO sent_members VALUES (?1, ?2, ?3, ?4)")?;
    for (member, target) in members {
        statement.execute(params![job, group, member, target])?;
    }
    Ok(())
}

pub(super) fn remove_members<'m>(
    tx: &Transaction<'_>,
    job: &JobName,
    group: &SourceId,
    members: impl IntoIterator<Item = &'m SourceId>,
) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached(
        "DELETE FROM sent_members WHERE job = ?1 AND group_id = ?2 AND member_id = ?3",
    )?;
    for member in members {
        statement.execute(params![job, group, member])?;
    }
    Ok(())
}

/// No write to the object is left whose end is unknown.
pub(super) fn settle_writes(
    tx: &Transaction<'_>,
    job: &JobName,
    kind: ObjectKind,
    id: &SourceId,
) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM writes WHERE job = ?1 AND kind = ?2 AND source_id = ?3")?
        .execute(params![job, kind, id])?;
    Ok(())
}

fn note_event(
    tx: &Transaction<'_>,
    job: &JobName,
    kind: ObjectKind,
    id: &SourceId,
) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT OR IGNORE INTO link_events VALUES (?1, ?2, ?3)")?
        .execute(params![job, kind, id])?;
    Ok(())
}

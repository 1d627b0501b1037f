//! What was last sent of a linked object: its values, references and members.

use rusqlite::{OptionalExtension, params};

use super::codec::{pack_sent, unpack_sent};
use super::links::{count_memberships, is_active, link_of, put_active};
use super::state::State;
use crate::engine::model::{Key, TargetId, TargetPath, Value};

/// Merges what was sent into what is known of a link. `None` was cleared.
pub(super) fn merge_sent<'v>(
    state: &State,
    job: i64,
    key: Key,
    changes: impl IntoIterator<Item = (&'v TargetPath, Option<&'v Value>)>,
) -> rusqlite::Result<()> {
    let known = state
        .prepare_cached("SELECT sent FROM links WHERE link = ?1")?
        .query_row(params![link_of(job, key)], |row| {
            unpack_sent(state, row.get_ref(0)?.as_blob()?)
        })
        .optional()?;
    let Some(mut sent) = known else {
        return Ok(());
    };
    let mut changes_active = false;
    for (path, value) in changes {
        changes_active |= path.is_active();
        match value {
            Some(value) => sent.insert(path.clone(), value.clone()),
            None => sent.remove(path),
        };
    }
    state.run(
        "UPDATE links SET sent = ?2 WHERE link = ?1",
        params![link_of(job, key), pack_sent(state, &sent)?],
    )?;
    if changes_active {
        put_active(state, job, key, is_active(&sent))?;
    }
    Ok(())
}

/// Notes where a reference leads: to this target object, of that source object where it is one's.
pub(super) fn put_reference(
    state: &State,
    job: i64,
    key: Key,
    path: &TargetPath,
    to: Option<(Option<Key>, &TargetId)>,
) -> rusqlite::Result<()> {
    let path = state.number_of_path(path)?;
    state.run(
        "DELETE FROM sent_references WHERE job = ?1 AND source = ?2 AND path = ?3",
        params![job, key, path],
    )?;
    if let Some((referenced, target)) = to {
        state.run(
            "INSERT INTO sent_references (job, source, path, referenced, target)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![job, key, path, referenced, target],
        )?;
    }
    Ok(())
}

pub(super) fn put_members(
    state: &State,
    job: i64,
    group: Key,
    members: impl IntoIterator<Item = Key>,
) -> rusqlite::Result<()> {
    let mut more = 0;
    for member in members {
        let is_new = state.changes(
            "INSERT OR IGNORE INTO sent_members (job, group_key, member_key) VALUES (?1, ?2, ?3)",
            params![job, group, member],
        )?;
        if is_new {
            more += 1;
        } else {
            state.run(
                "UPDATE sent_members SET dropped = 0
                 WHERE job = ?1 AND group_key = ?2 AND member_key = ?3 AND dropped",
                params![job, group, member],
            )?;
        }
    }
    count_memberships(state, job, more)
}

/// Forgets members that the target took out by mistake and that could not be added again, so that they are
/// planned anew. Nothing else that is to be added is on record yet.
pub(super) fn forget_lost(
    state: &State,
    job: i64,
    group: Key,
    members: impl IntoIterator<Item = Key>,
) -> rusqlite::Result<()> {
    let mut fewer = 0;
    for member in members {
        fewer += i64::from(state.changes(
            "DELETE FROM sent_members
             WHERE job = ?1 AND group_key = ?2 AND member_key = ?3 AND NOT dropped",
            params![job, group, member],
        )?);
    }
    count_memberships(state, job, -fewer)
}

pub(super) fn clear_members(state: &State, job: i64, group: Key) -> rusqlite::Result<()> {
    let members: Vec<Key> = state.column(
        "SELECT member_key FROM sent_members WHERE job = ?1 AND group_key = ?2",
        params![job, group],
    )?;
    remove_members(state, job, group, members)
}

pub(super) fn remove_members(
    state: &State,
    job: i64,
    group: Key,
    members: impl IntoIterator<Item = Key>,
) -> rusqlite::Result<()> {
    let mut fewer = 0;
    for member in members {
        fewer += i64::from(state.changes(
            "DELETE FROM sent_members WHERE job = ?1 AND group_key = ?2 AND member_key = ?3",
            params![job, group, member],
        )?);
    }
    count_memberships(state, job, -fewer)
}

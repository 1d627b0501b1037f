//! Whether users can use the application, and how many they are.

use rusqlite::params;

use super::{kind_of, link_of};
use crate::engine::model::{Key, ObjectKind, Value};
use crate::store::marks::Marks;
use crate::store::state::State;
use crate::store::wire::Sent;

/// Whether the user can use the application, as far as `active` says.
pub(in crate::store) fn is_active(sent: &Sent) -> bool {
    let mut values = sent.iter();
    !values.any(|(path, value)| path.is_active() && *value == Value::Boolean(false))
}

/// Notes whether the user can use the application.
pub(in crate::store) fn put_active(
    state: &State,
    job: i64,
    key: Key,
    active: bool,
) -> rusqlite::Result<()> {
    let changed = state.changes(
        "UPDATE links SET active = ?2 WHERE link = ?1 AND active <> ?2",
        params![link_of(job, key), active],
    )?;
    if changed && kind_of(state, key)? == ObjectKind::User {
        count_active(state, job, if active { 1 } else { -1 })?;
        if active {
            state.run(
                "UPDATE links SET disabled = NULL, enabled = 0 WHERE link = ?1 AND disabled IS NOT NULL",
                params![link_of(job, key)],
            )?;
            note_dropped(state, job, key)?;
        }
    }
    Ok(())
}

/// Some targets drop the memberships of a user who is disabled: once active again, they are sent again.
fn note_dropped(state: &State, job: i64, member: Key) -> rusqlite::Result<()> {
    let groups: Vec<Key> = state.column(
        "SELECT group_key FROM sent_members WHERE job = ?1 AND member_key = ?2",
        params![job, member],
    )?;
    let mut marks = Marks::of(state, job);
    for group in groups {
        state.run(
            "UPDATE sent_members SET dropped = 1
             WHERE job = ?1 AND group_key = ?2 AND member_key = ?3",
            params![job, group, member],
        )?;
        marks.object(ObjectKind::Group, group)?;
    }
    Ok(())
}

pub(super) fn count_active(state: &State, job: i64, more: i64) -> rusqlite::Result<()> {
    state.run(
        "UPDATE jobs SET active_users = active_users + ?2 WHERE key = ?1",
        params![job, more],
    )?;
    Ok(())
}

pub(in crate::store) fn count_memberships(
    state: &State,
    job: i64,
    more: i64,
) -> rusqlite::Result<()> {
    if more != 0 {
        state.run(
            "UPDATE jobs SET memberships = memberships + ?2 WHERE key = ?1",
            params![job, more],
        )?;
    }
    Ok(())
}

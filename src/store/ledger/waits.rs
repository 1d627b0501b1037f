//! Names that are not given up after all, because the row that would do it is held, rejected or was dropped:
//! what needs them waits, instead of being refused by the target.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, params};

use super::super::codec::unpack_sent;
use super::super::links::{kind_of, link_of};
use super::super::state::State;
use super::super::wire::Sent;
use super::{body, insert_skipped, number_of_step};
use crate::engine::model::Key;
use crate::engine::plan::{Change, Operation, Skipped, Step, Subject, Why};

/// Takes the creates and renames out of a plan that need a name which another object keeps. Those come back
/// whose plan is not carried out as a whole.
pub(super) fn wait_for_names(
    state: &State,
    job: i64,
    cycle: i64,
) -> rusqlite::Result<BTreeSet<Key>> {
    let needs: Vec<(Key, Key)> = state
        .prepare_cached("SELECT giver, taker FROM needs WHERE job = ?1 AND cycle = ?2")?
        .query_map(params![job, cycle], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    state.run(
        "DELETE FROM needs WHERE job = ?1 AND cycle <= ?2",
        params![job, cycle],
    )?;
    let mut takers: BTreeMap<Key, Vec<Key>> = BTreeMap::new();
    for (giver, taker) in needs {
        takers.entry(giver).or_default().push(taker);
    }
    let mut keeping = Vec::new();
    for giver in takers.keys() {
        if !gives_up(state, cycle, *giver)? {
            keeping.push(*giver);
        }
    }
    let mut waiting = BTreeSet::new();
    while let Some(giver) = keeping.pop() {
        let kept = sent(state, job, giver)?;
        for taker in takers.remove(&giver).unwrap_or_default() {
            if wait(state, job, cycle, (taker, giver), &kept)? && waiting.insert(taker) {
                // Who waits keeps the own name, too.
                keeping.push(taker);
            }
        }
    }
    Ok(waiting)
}

/// Whether the row by which an object gives up its name may be sent.
fn gives_up(state: &State, cycle: i64, giver: Key) -> rusqlite::Result<bool> {
    state
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM actions
                            WHERE cycle = ?1 AND state = 0 AND step = ?2 AND source = ?3)",
        )?
        .query_row(params![cycle, number_of_step(Step::Names), giver], |row| {
            row.get(0)
        })
}

fn sent(state: &State, job: i64, key: Key) -> rusqlite::Result<Sent> {
    let sent = state
        .prepare_cached("SELECT sent FROM links WHERE link = ?1")?
        .query_row(params![link_of(job, key)], |row| {
            unpack_sent(state, row.get_ref(0)?.as_blob()?)
        })
        .optional()?;
    Ok(sent.unwrap_or_default())
}

/// Whether something of an object has to wait. Its create waits as a whole, of its changes only those that
/// take the name.
fn wait(
    state: &State,
    job: i64,
    cycle: i64,
    (taker, giver): (Key, Key),
    kept: &Sent,
) -> rusqlite::Result<bool> {
    let rows: Vec<(i64, Operation)> = state
        .prepare_cached(
            "SELECT id, operation, body FROM actions
             WHERE cycle = ?1 AND state = 0 AND source = ?2 AND class IS NULL",
        )?
        .query_map(params![cycle, taker], |row| {
            let operation = row.get(1)?;
            let bytes = row.get_ref(2)?.as_blob()?;
            Ok((
                row.get(0)?,
                body::unpack_operation(state, operation, bytes)?,
            ))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut waits = false;
    for (row, operation) in rows {
        let rest = match operation {
            Operation::Create { .. } | Operation::Adopt { .. } => None,
            Operation::Update { changes } => match without(&changes, kept) {
                rest if rest.len() == changes.len() => continue,
                rest if rest.is_empty() => None,
                rest => Some(Operation::Update { changes: rest }),
            },
            Operation::Enable { changes } => match without(&changes, kept) {
                rest if rest.len() == changes.len() => continue,
                rest => Some(Operation::Enable { changes: rest }),
            },
            Operation::Disable { .. }
            | Operation::Delete { .. }
            | Operation::HandOver(_)
            | Operation::AddMembers { .. }
            | Operation::RemoveMembers { .. }
            | Operation::SetReference { .. } => continue,
        };
        waits = true;
        match rest {
            None => state.run("DELETE FROM actions WHERE id = ?1", params![row])?,
            Some(rest) => state.run(
                "UPDATE actions SET body = ?2 WHERE id = ?1",
                params![row, body::pack_operation(state, &rest)?],
            )?,
        };
    }
    if waits {
        let subject = subject(state, taker)?;
        let why = Why::NameKept { by: giver };
        insert_skipped(state, job, cycle, &Skipped { subject, why })?;
    }
    Ok(waits)
}

/// Changes without those of elements and attributes that take a value which another object keeps.
fn without(changes: &[Change], kept: &Sent) -> Vec<Change> {
    let takes = |change: &Change| {
        let kept = kept.get(&change.path);
        kept.is_some() && kept == change.new.as_ref()
    };
    let taking: Vec<&Change> = changes.iter().filter(|change| takes(change)).collect();
    let is_taken = |change: &Change| {
        taking
            .iter()
            .any(|taker| change.path == taker.path || change.path.is_in_element_of(&taker.path))
    };
    let rest = changes.iter().filter(|change| !is_taken(change));
    rest.cloned().collect()
}

fn subject(state: &State, key: Key) -> rusqlite::Result<Subject> {
    let (id, label) = state
        .prepare_cached("SELECT id, label FROM objects WHERE key = ?1")?
        .query_row(params![key], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Subject {
        kind: kind_of(state, key)?,
        key,
        id,
        label,
    })
}

//! Links as an operator sees and repairs them: which there are, and dropping or setting one.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, params};

use super::jobs::ensure_job;
use super::links::{forget_membership, linked_by, mark_references, put_link, target_of};
use super::marks::Marks;
use super::state::{State, array, first_link};
use super::wire::unreadable;
use super::{Error, Store, sets};
use crate::engine::model::{Held, JobName, Key, MatchKey, ObjectKind, TargetId, TargetPath, Value};
use crate::engine::plan::Subject;
use crate::engine::record::{CycleState, LinkRecord, LinkState};

const LOOK_UP: &str = "look up links";

/// What came of linking an object by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Relinked {
    Done,
    /// The target object is linked to this object already.
    HeldBy(Key),
}

impl Store {
    /// Links and undecided users after a key, in the order of keys; none when there are no more.
    pub(crate) fn link_records(
        &self,
        job: &JobName,
        after: Option<Key>,
        at_most: u32,
    ) -> Result<Vec<LinkRecord>, Error> {
        self.read(LOOK_UP, |state| {
            let job = state.job_or_none(job)?;
            let first = first_link(job);
            let after = after.map_or(first, |key| first + i64::from(key.get()));
            state
                .prepare_cached(
                    "SELECT o.kind, o.key, o.id, o.label, l.target, l.in_scope, l.unread, NULL, NULL
                     FROM links l CROSS JOIN objects o ON o.key = l.link - ?2
                     WHERE l.link > ?1 AND l.link < ?3
                     ORDER BY l.link LIMIT ?4",
                )?
                .query_map(params![after, first, first_link(job + 1), at_most], record)?
                .collect()
        })
    }

    /// Users whom an old address found in the target, or of whom it was decided that they are new.
    pub(crate) fn old_accounts(&self, job: &JobName) -> Result<Vec<LinkRecord>, Error> {
        self.read("look up what old addresses found", |state| {
            state
                .prepare_cached(
                    "SELECT o.kind, o.key, o.id, o.label, a.target, NULL, NULL, a.path, a.value
                     FROM old_accounts a CROSS JOIN objects o ON o.key = a.source
                     WHERE a.job = ?1 ORDER BY a.source",
                )?
                .query_map(params![state.job_or_none(job)?], record)?
                .collect()
        })
    }

    /// The link of one object with what was last sent, or that it waits for a decision.
    pub(crate) fn link_record(&self, job: &JobName, key: Key) -> Result<Option<LinkRecord>, Error> {
        let record = self.read(LOOK_UP, |state| {
            let job = state.job_or_none(job)?;
            let link = state
                .prepare_cached(
                    "SELECT o.kind, o.key, o.id, o.label, l.target, l.in_scope, l.unread, NULL, NULL
                     FROM links l CROSS JOIN objects o ON o.key = ?3
                     WHERE l.link = ?2 + ?3 AND l.job = ?1",
                )?
                .query_row(params![job, first_link(job), key], record)
                .optional()?;
            let Some(mut link) = link else {
                return Ok(None);
            };
            if let Some(known) = sets::links(state, job, &[key])?.remove(&key) {
                link.sent = known.sent;
            }
            Ok(Some(link))
        })?;
        if record.is_some() {
            return Ok(record);
        }
        let waiting = self.old_accounts(job)?.into_iter();
        Ok(waiting.into_iter().find(|one| one.subject.key == key))
    }

    /// Whether a cycle of the job is under way, so that its links must not be changed.
    pub(crate) fn is_running(&self, job: &JobName) -> Result<bool, Error> {
        let last = self.last_cycle(job)?;
        Ok(last.is_some_and(|cycle| cycle.state == CycleState::Running))
    }

    /// Links an object to a target object, which the next cycle reads before it compares it.
    pub(crate) fn relink(
        &self,
        job: &JobName,
        (kind, key): (ObjectKind, Key),
        target: &TargetId,
    ) -> Result<Relinked, Error> {
        self.write("set a link", |state| {
            let job = ensure_job(state, job)?;
            if let Some(holder) = linked_by(state, job, kind, target)?
                && holder != key
            {
                return Ok(Relinked::HeldBy(holder));
            }
            let mut marks = Marks::of(state, job);
            if target_of(state, job, key)?.is_some_and(|(old, _)| old != *target) {
                forget_membership(state, &mut marks, job, key)?;
                mark_references(state, &mut marks, job, key)?;
            }
            put_link(
                state,
                &mut marks,
                job,
                (kind, key),
                target,
                &Held::default(),
            )?;
            state.run(
                "UPDATE links SET unread = 1 WHERE link = ?1",
                params![super::links::link_of(job, key)],
            )?;
            marks.object(kind, key)?;
            Ok(Relinked::Done)
        })
    }

    /// Notes that the target has an account by an old address of a user, who is not created until an
    /// operator decides.
    pub(crate) fn note_old_account(
        &self,
        job: &JobName,
        key: Key,
        target: &TargetId,
        found_by: &MatchKey,
    ) -> Result<(), Error> {
        self.write("note what an old address found", |state| {
            let job = ensure_job(state, job)?;
            let Value::Text(value) = &found_by.value else {
                return Ok(());
            };
            state.run(
                "INSERT OR IGNORE INTO old_accounts (job, source, target, path, value)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![job, key, target, found_by.path.to_string(), &**value],
            )?;
            Ok(())
        })
    }

    /// Decides that a user is new, whatever an old address finds.
    pub(crate) fn decide_new(
        &self,
        job: &JobName,
        kind: ObjectKind,
        key: Key,
    ) -> Result<(), Error> {
        self.write("note that a user is new", |state| {
            let job = ensure_job(state, job)?;
            state.run(
                "REPLACE INTO old_accounts (job, source) VALUES (?1, ?2)",
                params![job, key],
            )?;
            Marks::of(state, job).object(kind, key)
        })
    }

    /// What was decided or is waited for, of those of these objects of which anything is known.
    pub(crate) fn old_accounts_of(
        &self,
        job: &JobName,
        keys: &[Key],
    ) -> Result<Vec<LinkRecord>, Error> {
        self.read("look up what old addresses found", |state| {
            state
                .prepare_cached(
                    "SELECT o.kind, o.key, o.id, o.label, a.target, NULL, NULL, a.path, a.value
                     FROM rarray(?2) k
                     CROSS JOIN old_accounts a ON a.job = ?1 AND a.source = k.value
                     CROSS JOIN objects o ON o.key = k.value",
                )?
                .query_map(params![state.job_or_none(job)?, array(keys)], record)?
                .collect()
        })
    }
}

/// The wait of an object that is linked now is over.
pub(super) fn forget_old_account(state: &State, job: i64, key: Key) -> rusqlite::Result<()> {
    state.run(
        "DELETE FROM old_accounts WHERE job = ?1 AND source = ?2",
        params![job, key],
    )?;
    Ok(())
}

fn record(row: &Row<'_>) -> rusqlite::Result<LinkRecord> {
    let in_scope: Option<bool> = row.get(5)?;
    let unread: Option<i64> = row.get(6)?;
    let path: Option<String> = row.get(7)?;
    let state = match (in_scope, unread, path) {
        (Some(_), Some(2), _) => LinkState::FormerlyOurs,
        (Some(_), Some(1), _) => LinkState::ToBeRead,
        (Some(true), ..) => LinkState::InScope,
        (Some(false), ..) => LinkState::OutOfScope,
        (None, _, Some(path)) => LinkState::OldAddress(MatchKey {
            path: TargetPath::parse(&path).map_err(|_| unreadable("target path"))?,
            value: Value::text(row.get::<_, String>(8)?),
        }),
        (None, _, None) => LinkState::New,
    };
    Ok(LinkRecord {
        subject: Subject {
            kind: row.get(0)?,
            key: row.get(1)?,
            id: row.get(2)?,
            label: row.get(3)?,
        },
        target: row.get(4)?,
        state,
        sent: BTreeMap::new(),
    })
}

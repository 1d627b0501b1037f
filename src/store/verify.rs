//! Which links are compared with the target, to find out whether it is still the same.

use std::collections::BTreeMap;

use rusqlite::params;

use super::ledger::{Unknown, unsettled};
use super::links::key_of;
use super::sets;
use super::state::{State, first_link};
use super::{Error, Store};
use crate::engine::model::{JobName, Key, Link, ObjectKind, TargetPath, Value};
use crate::engine::plan::Operation;

const LOOK_UP: &str = "look up links";

/// Links that are taken from the state at once.
const CHUNK: usize = 50;

/// One in so many of those that are compared is a group, where there are enough of both.
const GROUPS: usize = 5;

impl Store {
    /// The links that are formerly ours: each is verified before it is used.
    pub(crate) fn former_links(&self, job: &JobName) -> Result<Vec<Key>, Error> {
        self.read(LOOK_UP, |state| {
            let links: Vec<i64> = state.column(
                "SELECT link FROM links WHERE job = ?1 AND unread = 2",
                params![state.job_or_none(job)?],
            )?;
            let mut keys: Vec<Key> = links.into_iter().map(key_of).collect();
            keys.sort_unstable();
            Ok(keys)
        })
    }

    /// Some links that were last sent as active, users and groups: as many, or all where there are fewer.
    /// The same seed chooses the same, and with a larger number these and others.
    pub(crate) fn sample_links(
        &self,
        job: &JobName,
        seed: u64,
        number: usize,
    ) -> Result<Vec<Key>, Error> {
        self.read(LOOK_UP, |state| {
            let job = state.job_or_none(job)?;
            let mut groups = Draw::new(state, job, ObjectKind::Group, seed)?;
            let mut users = Draw::new(state, job, ObjectKind::User, seed)?;
            let mut chosen = groups.next(state, job, number / GROUPS)?;
            chosen.extend(users.next(state, job, number - chosen.len())?);
            chosen.extend(groups.next(state, job, number - chosen.len())?);
            Ok(chosen)
        })
    }

    /// The objects of this kind that are linked.
    pub(crate) fn linked_keys(&self, job: &JobName, kind: ObjectKind) -> Result<Vec<Key>, Error> {
        self.read(LOOK_UP, |state| {
            linked_keys(state, state.job_or_none(job)?, kind)
        })
    }

    /// The objects of links whose target object was there before.
    pub(crate) fn adopted_links(&self, job: &JobName) -> Result<Vec<Key>, Error> {
        self.read(LOOK_UP, |state| {
            let job = state.job_or_none(job)?;
            let links: Vec<i64> = state.column(
                "SELECT link FROM links WHERE link > ?1 AND link < ?2 AND origin = 0",
                params![first_link(job), first_link(job + 1)],
            )?;
            Ok(links.into_iter().map(key_of).collect())
        })
    }

    pub(crate) fn links(&self, job: &JobName, keys: &[Key]) -> Result<BTreeMap<Key, Link>, Error> {
        self.read(LOOK_UP, |state| {
            sets::links(state, state.job_or_none(job)?, keys)
        })
    }

    /// Writes to these objects that may still be under way.
    pub(crate) fn under_way(
        &self,
        job: &JobName,
        keys: &[Key],
    ) -> Result<BTreeMap<Key, Unknown>, Error> {
        self.read(LOOK_UP, |state| {
            unsettled(state, state.job_or_none(job)?, keys)
        })
    }

    /// The links of a job are formerly ours from now on: everything is evaluated, and what does not verify
    /// is matched again.
    pub(crate) fn reset_links(&self, job: &JobName) -> Result<(), Error> {
        self.write("reset the links", |state| {
            let job = super::jobs::ensure_job(state, job)?;
            state.run(
                "UPDATE links SET unread = 2 WHERE link > ?1 AND link < ?2",
                params![first_link(job), first_link(job + 1)],
            )?;
            super::jobs::require_full_evaluation(state, job)
        })
    }
}

/// The links of one kind, in the order that a seed gives them.
struct Draw {
    left: Vec<Key>,
    random: fastrand::Rng,
}

impl Draw {
    fn new(state: &State, job: i64, kind: ObjectKind, seed: u64) -> rusqlite::Result<Self> {
        Ok(Self {
            left: linked_keys(state, job, kind)?,
            random: fastrand::Rng::with_seed(seed),
        })
    }

    fn next(&mut self, state: &State, job: i64, number: usize) -> rusqlite::Result<Vec<Key>> {
        let mut chosen = Vec::new();
        while chosen.len() < number && !self.left.is_empty() {
            let drawn = CHUNK.min(number - chosen.len()).min(self.left.len());
            let keys: Vec<Key> = (0..drawn)
                .map(|_| {
                    let place = self.random.usize(..self.left.len());
                    self.left.swap_remove(place)
                })
                .collect();
            let links = sets::links(state, job, &keys)?;
            // What we may have deleted ourselves proves nothing when it is gone.
            let open = unsettled(state, job, &keys)?;
            let is_deleted = |key: &Key| {
                let operations = open.get(key).map(|unknown| &unknown.operations);
                let mut operations = operations.into_iter().flatten();
                operations.any(|one| matches!(one, Operation::Delete { .. }))
            };
            let is_fit = |key: &Key| {
                let link = links.get(key).filter(|link| !link.unconfirmed);
                link.is_some_and(is_active) && !is_deleted(key)
            };
            chosen.extend(keys.into_iter().filter(is_fit));
        }
        Ok(chosen)
    }
}

/// Some targets hide those that are not.
fn is_active(link: &Link) -> bool {
    let is_inactive =
        |(path, value): (&TargetPath, &Value)| path.is_active() && *value == Value::Boolean(false);
    !link.sent.iter().any(is_inactive)
}

fn linked_keys(state: &State, job: i64, kind: ObjectKind) -> rusqlite::Result<Vec<Key>> {
    let links: Vec<i64> = state.column(
        "SELECT link FROM links WHERE job = ?1 AND kind = ?2",
        params![job, kind],
    )?;
    let mut keys: Vec<Key> = links.into_iter().map(key_of).collect();
    keys.sort_unstable();
    Ok(keys)
}

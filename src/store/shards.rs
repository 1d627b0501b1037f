//! Reading only what is in scope: which objects these are, and the delta queries of few objects each that follow
//! them. A round of one is committed as a whole, with its link and the marks that it causes (product rule 1).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use rusqlite::params;
use uuid::Uuid;

use super::merge::Page;
use super::objects::{make_unread, named_in};
use super::source::{Stream, index_round, next_round, round};
use super::sources::{among, jobs_of, known};
use super::state::{State, array, array_of_numbers};
use super::wire::Column;
use super::{Error, Store};
use crate::engine::model::{
    Complete, JobName, Key, ObjectKind, SourceChange, SourceId, SourceNumber,
};
use crate::engine::plan::Count;

/// What brings objects into a job's scope, as far as that decides what must be read.
#[derive(Clone, Debug)]
pub(crate) struct ScopeOf {
    pub(crate) job: JobName,
    /// Whether the members of assigned groups are in scope.
    pub(crate) through_assigned: bool,
    /// Groups whose members are in scope, and groups that are read for themselves: by id or display name.
    pub(crate) through: Vec<String>,
    pub(crate) groups: Vec<String>,
    /// With the groups inside them, however deep.
    pub(crate) nested: bool,
}

/// The id of a group, where this is one.
pub(crate) fn group_id(text: &str) -> Option<SourceId> {
    let id = Uuid::try_parse(text).ok()?;
    Some(SourceId::new(id.hyphenated().to_string()))
}

/// A delta query of few objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    pub(crate) number: i64,
    /// `None`: it is to be read from the beginning.
    pub(crate) link: Option<String>,
    pub(crate) ids: Vec<SourceId>,
}

const LOOK_UP: &str = "look up what is read of the source";
const STORE: &str = "store what is read of the source";

impl Store {
    /// The groups that these scopes name by their ids, as far as they have no number yet.
    pub(crate) fn unknown_groups(&self, scopes: &[ScopeOf]) -> Result<Vec<SourceId>, Error> {
        let kind = ObjectKind::Group;
        let names = scopes
            .iter()
            .flat_map(|one| one.through.iter().chain(&one.groups));
        let mut unknown = Vec::new();
        for id in names.filter_map(|name| group_id(name)) {
            if self.key_of(kind, &id)?.is_none() {
                unknown.push(id);
            }
        }
        Ok(unknown)
    }

    /// Gives these groups of a source a number, so that they can be read.
    pub(crate) fn mention_groups(
        &self,
        source: SourceNumber,
        ids: &[SourceId],
    ) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let kind = ObjectKind::Group;
        self.write(STORE, |tx| {
            for id in ids {
                tx.key_or_mention(Stream { source, kind }, id)?;
            }
            Ok(())
        })
    }

    /// How many objects the jobs of a source have linked.
    pub(crate) fn linked_by_all(&self, source: SourceNumber) -> Result<Count, Error> {
        self.read(LOOK_UP, |state| {
            state
                .prepare_cached(
                    "SELECT coalesce(sum(linked_users), 0), coalesce(sum(linked_groups), 0)
                     FROM jobs WHERE key IN (SELECT value FROM rarray(?1))",
                )?
                .query_row(params![array_of_numbers(&jobs_of(state, source)?)], |row| {
                    Ok(Count {
                        users: row.get::<_, Column<u64>>(0)?.0,
                        groups: row.get::<_, Column<u64>>(1)?.0,
                    })
                })
        })
    }

    /// The objects that must be read: those that are in a scope or may come into it, and those that any job has
    /// linked, may have created or will try again. Where they are more than `at_most`, some are left out.
    pub(crate) fn needed(
        &self,
        stream: impl Into<Stream>,
        scopes: &[ScopeOf],
        at_most: usize,
    ) -> Result<BTreeSet<Key>, Error> {
        let stream = stream.into();
        self.read(LOOK_UP, |state| needed(state, stream, scopes, at_most))
    }

    /// The shards that hold exactly these objects, and as few of them as there can be.
    pub(crate) fn shards_of(
        &self,
        stream: impl Into<Stream>,
        needed: &BTreeSet<Key>,
        size: usize,
        select: &str,
    ) -> Result<Vec<Shard>, Error> {
        let stream = stream.into();
        let Stream { source, kind } = stream;
        let known = self.read(LOOK_UP, |state| shards(state, stream))?;
        let packed = pack(&known, needed, size);
        let is_as_before = packed.fresh.is_empty() && packed.keep == known;
        if !is_as_before {
            self.write(STORE, |tx| {
                for number in known.keys() {
                    tx.run(
                        "DELETE FROM shard_objects WHERE shard = ?1",
                        params![number],
                    )?;
                    if !packed.keep.contains_key(number) {
                        tx.run("DELETE FROM shards WHERE shard = ?1", params![number])?;
                    }
                }
                let put = |number: i64, keys: &BTreeSet<Key>| {
                    for key in keys {
                        tx.run(
                            "REPLACE INTO shard_objects (key, shard) VALUES (?1, ?2)",
                            params![key, number],
                        )?;
                    }
                    Ok::<_, rusqlite::Error>(())
                };
                for (number, keys) in &packed.keep {
                    put(*number, keys)?;
                }
                for keys in &packed.fresh {
                    tx.run(
                        "INSERT INTO shards (source, kind, selected) VALUES (?1, ?2, ?3)",
                        params![source, kind, select],
                    )?;
                    put(tx.last_insert_rowid(), keys)?;
                }
                Ok(())
            })?;
        }
        self.read(LOOK_UP, |state| {
            let mut shards = Vec::new();
            let mut links = state.prepare_cached(
                "SELECT shard, CASE WHEN selected = ?2 THEN delta_link END FROM shards
                 WHERE source = ?3 AND kind = ?1 ORDER BY shard",
            )?;
            let links = links.query_map(params![kind, select, source], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
            for link in links {
                let (number, link) = link?;
                let ids = ids_of(state, number)?;
                shards.push(Shard { number, link, ids });
            }
            Ok(shards)
        })
    }

    /// Commits a whole round of a shard.
    pub(crate) fn commit_shard(
        &self,
        stream: impl Into<Stream>,
        shard: &Shard,
        select: &str,
        changes: &[SourceChange],
        link: &Complete<String>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let stream = stream.into();
        let Stream { source, kind } = stream;
        self.write("store what was read of the source", |tx| {
            let is_full = shard.link.is_none();
            tx.run(
                "UPDATE watermarks
                 SET round = CASE WHEN ?3 THEN ?5 ELSE round END, selected = ?4
                 WHERE source = ?1 AND kind = ?2",
                params![source, kind, is_full, select, next_round(tx, kind)?],
            )?;
            let Some(mut round) = round(tx, stream)? else {
                return Ok(());
            };
            round.full = is_full;
            let ids: BTreeSet<&SourceId> = shard.ids.iter().collect();
            let mut page = Page::new(tx, kind, &round, now)?;
            // What left the shard may still be reported.
            for change in changes.iter().filter(|change| ids.contains(&change.id)) {
                page.merge(change)?;
            }
            if is_full {
                let keys: Vec<Key> = tx.column(
                    "SELECT key FROM shard_objects WHERE shard = ?1",
                    params![shard.number],
                )?;
                page.drop_what_was_not_reported(Some(&keys))?;
                index_round(tx, kind, round.number)?;
            }
            page.finish()?;
            tx.run(
                "UPDATE shards SET delta_link = ?2, selected = ?3, updated = ?4 WHERE shard = ?1",
                params![shard.number, link.get(), select, Column(now)],
            )?;
            Ok(())
        })
    }

    /// Forgets what was read and is read no more. It may still be mentioned.
    pub(crate) fn forget_unread(&self, stream: impl Into<Stream>) -> Result<(), Error> {
        let stream = stream.into();
        let Stream { source, kind } = stream;
        let unread = self.read(LOOK_UP, |state| {
            state.column::<Key>(
                "SELECT o.key FROM objects o
                 WHERE o.kind = ?1 AND o.presence > 0 AND o.source = ?2
                     AND NOT EXISTS (SELECT 1 FROM shard_objects s WHERE s.key = o.key)",
                params![kind, source],
            )
        })?;
        if unread.is_empty() {
            return Ok(());
        }
        self.write(STORE, |tx| forget(tx, stream, &unread))
    }
}

fn needed(
    state: &State,
    stream: Stream,
    scopes: &[ScopeOf],
    at_most: usize,
) -> rusqlite::Result<BTreeSet<Key>> {
    let Stream { source, kind } = stream;
    let limit = i64::try_from(at_most).unwrap_or(i64::MAX).saturating_add(1);
    let mut found: BTreeSet<Key> = BTreeSet::new();
    let keys_of = |names: &[String]| {
        let mut keys = Vec::new();
        for name in names {
            match group_id(name) {
                Some(id) => keys.extend(state.key(ObjectKind::Group, &id)?),
                None => keys.extend(named_in(state, stream.of(ObjectKind::Group), name)?),
            }
        }
        Ok::<_, rusqlite::Error>(keys)
    };
    for job in jobs_of(state, source)? {
        found.extend(state.column::<Key>(
            "SELECT link - (?1 << 32) FROM links WHERE job = ?1 AND kind = ?2 LIMIT ?3",
            params![job, kind, limit],
        )?);
        // What waits for something is evaluated again, whatever its scope.
        for sql in [
            "SELECT source FROM escrow WHERE job = ?1 AND kind = ?2 LIMIT ?3",
            "SELECT o.key FROM old_accounts a CROSS JOIN objects o ON o.key = a.source
             WHERE a.job = ?1 AND o.kind = ?2 LIMIT ?3",
        ] {
            found.extend(state.column::<Key>(sql, params![job, kind, limit])?);
        }
        found.extend(state.column::<Key>(
            "SELECT DISTINCT o.key FROM actions a CROSS JOIN objects o ON o.key = a.source
             WHERE a.job = ?1 AND a.state BETWEEN 1 AND 4 AND o.kind = ?2 LIMIT ?3",
            params![job, kind, limit],
        )?);
    }
    for scope in scopes {
        let ScopeOf {
            job,
            through_assigned,
            through,
            groups,
            nested,
        } = scope;
        if found.len() > at_most {
            break;
        }
        let job = state.job_or_none(job)?;
        let assigned = |kind: ObjectKind| {
            state.column::<Key>(
                "SELECT DISTINCT principal FROM assignments WHERE job = ?1 AND kind = ?2 LIMIT ?3",
                params![job, kind, limit],
            )
        };
        found.extend(assigned(kind)?);
        let mut granting = keys_of(through)?;
        if *through_assigned {
            granting.extend(assigned(ObjectKind::Group)?);
        }
        match kind {
            ObjectKind::Group => {
                granting.extend(keys_of(groups)?);
                if *nested {
                    granting.extend(&found);
                    granting = inside(state, &granting)?;
                }
                found.extend(granting);
            }
            ObjectKind::User => {
                if *nested {
                    granting = inside(state, &granting)?;
                }
                found.extend(state.column::<Key>(
                    "SELECT m.member_key FROM rarray(?1) k
                     CROSS JOIN members m ON m.group_key = k.value
                     CROSS JOIN objects o ON o.key = m.member_key AND o.kind = 1
                     LIMIT ?2",
                    params![array(&granting), limit],
                )?);
            }
        }
    }
    // A job may have others, too.
    if known(state)?.len() > 1 {
        let keys: Vec<Key> = found.into_iter().collect();
        return Ok(among(state, &keys, &[source])?.into_iter().collect());
    }
    Ok(found)
}

/// These groups and those inside them.
fn inside(state: &State, groups: &[Key]) -> rusqlite::Result<Vec<Key>> {
    state.column(
        "WITH RECURSIVE below (key) AS (
             SELECT value FROM rarray(?1)
             UNION
             SELECT n.member_key FROM below CROSS JOIN nested n ON n.group_key = below.key
         )
         SELECT key FROM below",
        params![array(groups)],
    )
}

fn shards(state: &State, stream: Stream) -> rusqlite::Result<BTreeMap<i64, BTreeSet<Key>>> {
    let numbers: Vec<i64> = state.column(
        "SELECT shard FROM shards WHERE source = ?1 AND kind = ?2",
        params![stream.source, stream.kind],
    )?;
    let shards = numbers.into_iter().map(|number| {
        let keys: Vec<Key> = state.column(
            "SELECT key FROM shard_objects WHERE shard = ?1",
            params![number],
        )?;
        Ok((number, keys.into_iter().collect()))
    });
    shards.collect()
}

fn ids_of(state: &State, shard: i64) -> rusqlite::Result<Vec<SourceId>> {
    state.column(
        "SELECT o.id FROM shard_objects s CROSS JOIN objects o ON o.key = s.key
         WHERE s.shard = ?1 ORDER BY s.key",
        params![shard],
    )
}

fn forget(state: &State, stream: Stream, keys: &[Key]) -> rusqlite::Result<()> {
    let Stream { source, kind } = stream;
    let mut present = 0_i64;
    for key in keys {
        present += state
            .prepare_cached("SELECT presence = 1 FROM objects WHERE key = ?1")?
            .query_row(params![key], |row| row.get::<_, i64>(0))?;
        make_unread(state, kind, *key)?;
        match kind {
            ObjectKind::User => {
                state.run(
                    "DELETE FROM unreported_managers WHERE key = ?1",
                    params![key],
                )?;
            }
            ObjectKind::Group => {
                for sql in [
                    "DELETE FROM memberships WHERE group_key = ?1 AND member_key IN
                         (SELECT member_key FROM members WHERE group_key = ?1)",
                    "DELETE FROM members WHERE group_key = ?1",
                    "DELETE FROM nested WHERE group_key = ?1",
                    "DELETE FROM lost_members WHERE group_key = ?1",
                    "DELETE FROM unreported_members WHERE group_key = ?1",
                ] {
                    state.run(sql, params![key])?;
                }
            }
        }
    }
    state.run(
        "UPDATE watermarks SET present = present - ?3 WHERE source = ?1 AND kind = ?2",
        params![source, kind, present],
    )?;
    // They did not go: they are read no more.
    let sql = match kind {
        ObjectKind::User => {
            "UPDATE job_sources SET seen_users = max(0, seen_users - ?1) WHERE source = ?2"
        }
        ObjectKind::Group => {
            "UPDATE job_sources SET seen_groups = max(0, seen_groups - ?1) WHERE source = ?2"
        }
    };
    state.run(sql, params![present, source])?;
    Ok(())
}

/// How objects are divided among shards.
#[derive(Debug, PartialEq, Eq)]
struct Packed {
    /// Shards that go on, with those of their objects that are still needed.
    keep: BTreeMap<i64, BTreeSet<Key>>,
    /// Shards that are read from the beginning.
    fresh: Vec<BTreeSet<Key>>,
}

/// The objects of a delta query cannot be changed: those that come, and the shards that are dissolved for them, are
/// read from the beginning. As many shards as possible go on, the fullest first.
fn pack(known: &BTreeMap<i64, BTreeSet<Key>>, needed: &BTreeSet<Key>, size: usize) -> Packed {
    let fewest = needed.len().div_ceil(size);
    let mut keep: Vec<(i64, BTreeSet<Key>)> = known
        .iter()
        .map(|(number, keys)| (*number, keys & needed))
        .collect();
    keep.sort_by_key(|(_, keys)| std::cmp::Reverse(keys.len()));
    let mut fresh = needed.clone();
    for key in keep.iter().flat_map(|(_, keys)| keys) {
        fresh.remove(key);
    }
    while keep.len() + fresh.len().div_ceil(size) > fewest {
        let Some((_, keys)) = keep.pop() else { break };
        fresh.extend(keys);
    }
    let fresh: Vec<Key> = fresh.into_iter().collect();
    Packed {
        keep: keep.into_iter().collect(),
        fresh: fresh
            .chunks(size)
            .map(|keys| keys.iter().copied().collect())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(numbers: impl IntoIterator<Item = u32>) -> BTreeSet<Key> {
        numbers.into_iter().map(Key::new).collect()
    }

    #[test]
    fn one_that_comes_takes_a_place_in_the_emptiest_shard() {
        let known = [(1, keys(0..50)), (2, keys(50..60))].into();
        let packed = pack(&known, &keys(0..61), 50);
        assert_eq!(packed.keep, [(1, keys(0..50))].into());
        assert_eq!(packed.fresh, [keys(50..61)]);
    }

    #[test]
    fn one_that_goes_costs_no_reading() {
        let known = [(1, keys(0..50)), (2, keys(50..60))].into();
        let packed = pack(&known, &keys(1..60), 50);
        assert_eq!(packed.keep, [(1, keys(1..50)), (2, keys(50..60))].into());
        assert!(packed.fresh.is_empty());
    }

    proptest! {
        #[test]
        fn shards_hold_exactly_what_is_needed_and_are_as_few_as_can_be(
            known in prop::collection::vec(prop::collection::btree_set(0_u32..60, 0..8), 0..9),
            needed in prop::collection::btree_set(0_u32..60, 0..60),
        ) {
            let mut taken = BTreeSet::new();
            let known = (1..).zip(known).map(|(number, set)| {
                let own: BTreeSet<u32> = set.difference(&taken).copied().collect();
                taken.extend(own.iter().copied());
                (number, keys(own))
            });
            let needed = keys(needed);
            let Packed { keep, fresh } = pack(&known.collect(), &needed, 7);
            let all: Vec<&BTreeSet<Key>> = keep.values().chain(&fresh).collect();
            prop_assert!(all.len() <= needed.len().div_ceil(7));
            prop_assert!(all.iter().all(|keys| keys.len() <= 8));
            prop_assert_eq!(all.iter().map(|keys| keys.len()).sum::<usize>(), needed.len());
            let union: BTreeSet<Key> = all.into_iter().flatten().copied().collect();
            prop_assert_eq!(union, needed);
        }
    }
}

//! Look-ups among the source objects and their memberships, and what refers to whom.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Params, params};

use super::source::object;
use super::{Error, Store};
use crate::engine::model::{ObjectKind, SourceId, SourceObject};
use crate::engine::plan::Count;

const LOOK_UP: &str = "look up source objects";

impl Store {
    pub(crate) fn object(
        &self,
        kind: ObjectKind,
        id: &SourceId,
    ) -> Result<Option<SourceObject>, Error> {
        self.read(LOOK_UP, |connection| one(connection, kind, id))
    }

    /// Objects that somebody may mean by this text: those that it names exactly, else the guests who have
    /// the address at home; those that are present come first.
    pub(crate) fn find(&self, kind: ObjectKind, text: &str) -> Result<Vec<SourceObject>, Error> {
        let named = self.find_exactly(kind, text)?;
        match guest_names(text) {
            Some((from, to)) if named.is_empty() && kind == ObjectKind::User => {
                self.read(LOOK_UP, |connection| {
                    connection
                        .prepare_cached(
                            "SELECT kind, id, presence, attributes FROM objects
                             WHERE kind = ?1 AND label >= ?2 COLLATE NOCASE
                                 AND label < ?3 COLLATE NOCASE
                             ORDER BY presence <> 'present', id",
                        )?
                        .query_map(params![kind, from, to], object)?
                        .collect()
                })
            }
            Some(_) | None => Ok(named),
        }
    }

    /// Objects with this id, or whose principal name (users) or display name (groups) it is, in
    /// whatever case; those that are present come first.
    pub(crate) fn find_exactly(
        &self,
        kind: ObjectKind,
        text: &str,
    ) -> Result<Vec<SourceObject>, Error> {
        self.read(LOOK_UP, |connection| {
            connection
                .prepare_cached(
                    "SELECT kind, id, presence, attributes FROM objects
                     WHERE kind = ?1 AND id IN (
                         SELECT lower(?2)
                         UNION ALL
                         SELECT id FROM objects WHERE kind = ?1 AND label = ?2 COLLATE NOCASE)
                     ORDER BY presence <> 'present', id",
                )?
                .query_map(params![kind, text], object)?
                .collect()
        })
    }

    /// The groups with this id or display name that are present.
    pub(crate) fn find_groups(&self, text: &str) -> Result<Vec<SourceId>, Error> {
        self.read(LOOK_UP, |connection| {
            ids(
                connection,
                "SELECT id FROM objects
                 WHERE kind = 'group' AND presence = 'present' AND id IN (
                     SELECT lower(?1)
                     UNION ALL
                     SELECT id FROM objects WHERE kind = 'group' AND label = ?1 COLLATE NOCASE)
                 ORDER BY id",
                params![text],
            )
        })
    }

    /// Whether any object of this kind has been read.
    pub(crate) fn knows_any(&self, kind: ObjectKind) -> Result<bool, Error> {
        self.read(LOOK_UP, |connection| {
            connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM objects WHERE kind = ?1)")?
                .query_row(params![kind], |row| row.get(0))
        })
    }

    /// The display names of all groups that are present.
    pub(crate) fn names_of_groups(&self) -> Result<Vec<String>, Error> {
        self.read(LOOK_UP, |connection| {
            connection
                .prepare_cached(
                    "SELECT label FROM objects
                     WHERE kind = 'group' AND presence = 'present' AND label IS NOT NULL",
                )?
                .query_map([], |row| row.get(0))?
                .collect()
        })
    }

    /// The groups that the object is a direct member of.
    pub(crate) fn groups_of(&self, member: &SourceId) -> Result<Vec<SourceId>, Error> {
        self.read(LOOK_UP, |connection| groups_of(connection, member))
    }

    /// Direct members, users and groups, whether present or not.
    pub(crate) fn members_of(
        &self,
        group: &SourceId,
    ) -> Result<Vec<(ObjectKind, SourceId)>, Error> {
        self.read(LOOK_UP, |connection| {
            connection
                .prepare_cached(
                    "SELECT member_kind, member_id FROM members WHERE group_id = ?1
                     ORDER BY member_id",
                )?
                .query_map(params![group], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
    }

    /// Every group that one of the objects is a direct member of, once.
    pub(crate) fn groups_with_members(&self, members: &[SourceId]) -> Result<Vec<SourceId>, Error> {
        self.read(LOOK_UP, |connection| {
            let mut groups = BTreeSet::new();
            for member in members {
                groups.extend(groups_of(connection, member)?);
            }
            Ok(groups.into_iter().collect())
        })
    }

    /// The users who have one of these as their manager.
    pub(crate) fn reports_of(&self, managers: &[SourceId]) -> Result<Vec<SourceId>, Error> {
        self.read(LOOK_UP, |connection| {
            let mut reports = BTreeSet::new();
            for manager in managers {
                reports.extend(ids(
                    connection,
                    "SELECT id FROM objects WHERE kind = 'user' AND manager = ?1",
                    params![manager],
                )?);
            }
            Ok(reports.into_iter().collect())
        })
    }

    /// Which group is a direct member of which: (the group outside, the group inside).
    pub(crate) fn group_edges(&self) -> Result<Vec<(SourceId, SourceId)>, Error> {
        self.read(LOOK_UP, |connection| {
            connection
                .prepare_cached(
                    "SELECT group_id, member_id FROM members WHERE member_kind = 'group'
                     ORDER BY group_id, member_id",
                )?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
    }
}

/// The principal names of the guests with this address at home begin with the first text and come before
/// the second: `alias@theirdomain` is `alias_theirdomain#EXT#@` and a domain of the tenant.
pub(super) fn guest_names(address: &str) -> Option<(String, String)> {
    // Where the domain had a low line, expressions would see another address.
    let (alias, domain) = address.rsplit_once('@')?;
    if alias.is_empty() || domain.is_empty() || domain.contains('_') {
        return None;
    }
    let from = format!("{alias}_{domain}#EXT#@");
    let to = format!("{from}{}", char::MAX);
    Some((from, to))
}

/// Runs a query that yields ids.
pub(super) fn ids(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> rusqlite::Result<Vec<SourceId>> {
    connection
        .prepare_cached(sql)?
        .query_map(params, |row| row.get(0))?
        .collect()
}

/// Runs a query that yields a number, once for each kind.
pub(super) fn counts<P: Params>(
    connection: &Connection,
    sql: &str,
    params: impl Fn(ObjectKind) -> P,
) -> rusqlite::Result<Count> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut count = |kind| {
        let count: i64 = statement.query_row(params(kind), |row| row.get(0))?;
        Ok::<_, rusqlite::Error>(count.unsigned_abs())
    };
    Ok(Count {
        users: count(ObjectKind::User)?,
        groups: count(ObjectKind::Group)?,
    })
}

fn one(
    connection: &Connection,
    kind: ObjectKind,
    id: &SourceId,
) -> rusqlite::Result<Option<SourceObject>> {
    connection
        .prepare_cached(
            "SELECT kind, id, presence, attributes FROM objects WHERE kind = ?1 AND id = ?2",
        )?
        .query_row(params![kind, id], object)
        .optional()
}

fn groups_of(connection: &Connection, member: &SourceId) -> rusqlite::Result<Vec<SourceId>> {
    ids(
        connection,
        "SELECT group_id FROM members WHERE member_id = ?1 ORDER BY group_id",
        params![member],
    )
}

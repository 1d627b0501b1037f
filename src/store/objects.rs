//! Look-ups among the source objects and their memberships, and what refers to what.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, Params, Row, params};

use super::codec::unpack_attributes;
use super::source::{Stream, labels_are_behind};
use super::sources::{among, sources_of};
use super::state::{State, array, array_of_ids};
use super::{Error, Store};
use crate::engine::model::{
    Attributes, JobName, Key, ObjectKind, SourceId, SourceNumber, SourceObject,
};
use crate::engine::plan::Count;

const LOOK_UP: &str = "look up source objects";

/// The columns that [`object`] reads.
pub(super) const OBJECT: &str = "o.key, o.kind, o.id, o.presence, o.attributes, o.source";

/// Makes an object one that was not read: neither its attributes nor its name are known any more.
pub(super) fn make_unread(state: &State, kind: ObjectKind, key: Key) -> rusqlite::Result<()> {
    state.run(
        "DELETE FROM labels
         WHERE kind = ?1 AND label = (SELECT label FROM objects WHERE key = ?2) AND key = ?2",
        params![kind, key],
    )?;
    state.run(
        "UPDATE objects SET presence = 0, manager = NULL, attributes = NULL WHERE key = ?1",
        params![key],
    )?;
    Ok(())
}

impl Store {
    pub(crate) fn object(
        &self,
        kind: ObjectKind,
        id: &SourceId,
    ) -> Result<Option<SourceObject>, Error> {
        self.read(LOOK_UP, |state| one(state, kind, id))
    }

    /// What an object that was read is called.
    pub(crate) fn label_of(&self, id: &SourceId) -> Result<Option<String>, Error> {
        self.read(LOOK_UP, |state| {
            state
                .prepare_cached(
                    "SELECT label FROM objects WHERE id = ?1 AND presence > 0 ORDER BY kind LIMIT 1",
                )?
                .query_row(params![id], |row| row.get(0))
                .optional()
        })
    }

    /// The same of many objects.
    pub(crate) fn labels_of(&self, ids: &[SourceId]) -> Result<BTreeMap<SourceId, String>, Error> {
        self.read(LOOK_UP, |state| {
            state
                .prepare_cached(
                    "SELECT o.id, o.label FROM rarray(?1) k CROSS JOIN objects o ON o.id = k.value
                     WHERE o.presence > 0 ORDER BY o.kind DESC",
                )?
                .query_map(params![array_of_ids(ids)], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?
                .collect()
        })
    }

    /// Which of these are groups, former ones included.
    pub(crate) fn groups_among(&self, ids: &[SourceId]) -> Result<BTreeSet<SourceId>, Error> {
        self.read(LOOK_UP, |state| {
            state
                .prepare_cached(
                    "SELECT o.id FROM rarray(?1) k CROSS JOIN objects o ON o.id = k.value
                     WHERE o.kind = ?2",
                )?
                .query_map(params![array_of_ids(ids), ObjectKind::Group], |row| {
                    row.get(0)
                })?
                .collect()
        })
    }

    /// Objects that a person may mean by this text: those that it names exactly, else the guests who have
    /// the address at home; those that are present come first.
    pub(crate) fn find(&self, kind: ObjectKind, text: &str) -> Result<Vec<SourceObject>, Error> {
        let named = self.find_exactly(kind, text)?;
        match guest_names(text) {
            Some((from, to)) if named.is_empty() && kind == ObjectKind::User => {
                self.read(LOOK_UP, |state| {
                    let keys = guests(state, &from, &to)?;
                    in_order_of_presence(state, &keys)
                })
            }
            Some(_) | None => Ok(named),
        }
    }

    /// Objects that a person may mean by this text: as [`Store::find`], else by an address or the display name.
    pub(crate) fn find_any(
        &self,
        kind: ObjectKind,
        text: &str,
    ) -> Result<Vec<SourceObject>, Error> {
        let found = self.find(kind, text)?;
        if !found.is_empty() {
            return Ok(found);
        }
        let names = [
            "mail",
            "displayName",
            "mailNickname",
            "originalUserPrincipalName",
        ];
        let mut found = Vec::new();
        self.each_object(kind, |object| {
            let is_it = |name: &&str| {
                let value = object.attributes.text(name);
                value.is_some_and(|value| value.eq_ignore_ascii_case(text))
            };
            if names.iter().any(is_it) {
                found.push(object);
            }
        })?;
        Ok(found)
    }

    /// What people call the objects of this kind: principal names, addresses and display names.
    pub(crate) fn names_of(&self, kind: ObjectKind) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        self.each_object(kind, |object| {
            let known = ["userPrincipalName", "mail", "displayName"];
            let own = known
                .into_iter()
                .filter_map(|name| object.attributes.text(name));
            names.extend(own.map(str::to_owned));
        })?;
        Ok(names)
    }

    /// Passes every object that was read.
    pub(crate) fn each_object(
        &self,
        kind: ObjectKind,
        mut each: impl FnMut(SourceObject),
    ) -> Result<(), Error> {
        self.read(LOOK_UP, |state| {
            let mut statement = state.prepare_cached(&format!(
                "SELECT {OBJECT} FROM objects o WHERE o.kind = ?1 AND o.presence > 0"
            ))?;
            let mut rows = statement.query(params![kind])?;
            while let Some(row) = rows.next()? {
                each(object(state, row)?);
            }
            Ok(())
        })
    }

    /// Objects with this id, or whose principal name (users) or display name (groups) it is, in
    /// whatever case; those that are present come first.
    pub(crate) fn find_exactly(
        &self,
        kind: ObjectKind,
        text: &str,
    ) -> Result<Vec<SourceObject>, Error> {
        self.read(LOOK_UP, |state| {
            in_order_of_presence(state, &named(state, kind, text)?)
        })
    }

    /// The groups of a job's sources with this id or display name that are present.
    pub(crate) fn find_groups(&self, job: &JobName, text: &str) -> Result<Vec<SourceId>, Error> {
        self.read(LOOK_UP, |state| {
            let keys = groups_named(state, job, text)?;
            let mut ids: Vec<SourceId> = state.column(
                "SELECT o.id FROM rarray(?1) k CROSS JOIN objects o ON o.key = k.value
                 WHERE o.presence = 1",
                params![array(&keys)],
            )?;
            ids.sort();
            Ok(ids)
        })
    }

    /// The groups of one source with this id or display name that are present.
    pub(crate) fn find_groups_in(
        &self,
        source: SourceNumber,
        text: &str,
    ) -> Result<Vec<SourceId>, Error> {
        self.read(LOOK_UP, |state| {
            let kind = ObjectKind::Group;
            let keys = named_in(state, Stream { source, kind }, text)?;
            state.column(
                "SELECT o.id FROM rarray(?1) k CROSS JOIN objects o ON o.key = k.value
                 WHERE o.presence = 1 ORDER BY o.id",
                params![array(&keys)],
            )
        })
    }

    /// The same by their numbers.
    pub(crate) fn find_group_keys(&self, job: &JobName, text: &str) -> Result<Vec<Key>, Error> {
        self.read(LOOK_UP, |state| {
            let keys = groups_named(state, job, text)?;
            state.column(
                "SELECT o.key FROM rarray(?1) k CROSS JOIN objects o ON o.key = k.value
                 WHERE o.presence = 1",
                params![array(&keys)],
            )
        })
    }

    /// Whether any object of this kind has been read.
    pub(crate) fn knows_any(&self, stream: impl Into<Stream>) -> Result<bool, Error> {
        let Stream { source, kind } = stream.into();
        self.read(LOOK_UP, |state| {
            state
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM objects
                                    WHERE kind = ?1 AND presence > 0 AND source = ?2)",
                )?
                .query_row(params![kind, source], |row| row.get(0))
        })
    }

    /// The display names of all groups that are present in a job's sources.
    pub(crate) fn names_of_groups(&self, job: &JobName) -> Result<Vec<String>, Error> {
        self.read(LOOK_UP, |state| {
            let mut names = Vec::new();
            for source in sources_of(state, state.job_or_none(job)?)? {
                names.extend(state.column::<String>(
                    "SELECT label FROM objects WHERE kind = 2 AND presence = 1 AND source = ?1",
                    params![source],
                )?);
            }
            Ok(names)
        })
    }
}

fn groups_named(state: &State, job: &JobName, text: &str) -> rusqlite::Result<Vec<Key>> {
    let keys = named(state, ObjectKind::Group, text)?;
    among(state, &keys, &sources_of(state, state.job_or_none(job)?)?)
}

/// The same as [`named`], of one source.
pub(super) fn named_in(state: &State, stream: Stream, text: &str) -> rusqlite::Result<Vec<Key>> {
    let keys = named(state, stream.kind, text)?;
    among(state, &keys, &[stream.source])
}

/// The objects of these keys that were read; present ones first, and each part in the order of ids.
fn in_order_of_presence(state: &State, keys: &[Key]) -> rusqlite::Result<Vec<SourceObject>> {
    use crate::engine::model::Presence;

    let mut found: Vec<SourceObject> = state
        .prepare_cached(&format!(
            "SELECT {OBJECT} FROM rarray(?1) k CROSS JOIN objects o ON o.key = k.value
             WHERE o.presence > 0"
        ))?
        .query_map(params![array(keys)], |row| object(state, row))?
        .collect::<rusqlite::Result<_>>()?;
    found.sort_by(|one, other| {
        let order = |object: &SourceObject| object.presence != Presence::Present;
        (order(one), &one.id).cmp(&(order(other), &other.id))
    });
    Ok(found)
}

/// The keys of objects with this id or label, each once.
fn named(state: &State, kind: ObjectKind, text: &str) -> rusqlite::Result<Vec<Key>> {
    let mut keys: BTreeSet<Key> = state
        .key(kind, &SourceId::new(text.to_lowercase()))?
        .into_iter()
        .collect();
    let labelled: Vec<Key> = if labels_are_behind(state, kind)? {
        state.column(
            "SELECT key FROM objects WHERE kind = ?1 AND label = ?2 COLLATE NOCASE",
            params![kind, text],
        )
    } else {
        state.column(
            "SELECT key FROM labels WHERE kind = ?1 AND label = ?2",
            params![kind, text],
        )
    }?;
    keys.extend(labelled);
    Ok(keys.into_iter().collect())
}

/// Every object that the log may mean by this text: by id or label, those that are gone included, and guests by
/// the address that they have at home.
pub(super) fn known_as(state: &State, text: &str) -> rusqlite::Result<Vec<Key>> {
    let mut keys: BTreeSet<Key> = state
        .column(
            "SELECT key FROM objects WHERE id IN (?1, ?2)",
            params![SourceId::new(text), SourceId::new(text.to_lowercase())],
        )?
        .into_iter()
        .collect();
    for kind in ObjectKind::ALL {
        keys.extend(named(state, kind, text)?);
    }
    keys.extend(state.column::<Key>(
        "SELECT key FROM objects
         WHERE presence = 0 AND label <> '' AND label = ?1 COLLATE NOCASE",
        params![text],
    )?);
    if let Some((from, to)) = guest_names(text) {
        keys.extend(guests(state, &from, &to)?);
        keys.extend(state.column::<Key>(
            "SELECT key FROM objects
             WHERE presence = 0 AND label <> '' AND kind = 1
                 AND label >= ?1 COLLATE NOCASE AND label < ?2 COLLATE NOCASE",
            params![from, to],
        )?);
    }
    Ok(keys.into_iter().collect())
}

/// The users whose principal names are in this range.
fn guests(state: &State, from: &str, to: &str) -> rusqlite::Result<Vec<Key>> {
    let kind = ObjectKind::User;
    if labels_are_behind(state, kind)? {
        state.column(
            "SELECT key FROM objects
             WHERE kind = ?1 AND label >= ?2 COLLATE NOCASE AND label < ?3 COLLATE NOCASE",
            params![kind, from, to],
        )
    } else {
        state.column(
            "SELECT key FROM labels WHERE kind = ?1 AND label >= ?2 AND label < ?3",
            params![kind, from, to],
        )
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

/// Runs a query that yields a number, once for each kind.
pub(super) fn counts<P: Params>(
    state: &State,
    sql: &str,
    params: impl Fn(ObjectKind) -> P,
) -> rusqlite::Result<Count> {
    let mut statement = state.prepare_cached(sql)?;
    let mut count = |kind| {
        let count: i64 = statement.query_row(params(kind), |row| row.get(0))?;
        Ok::<_, rusqlite::Error>(count.unsigned_abs())
    };
    Ok(Count {
        users: count(ObjectKind::User)?,
        groups: count(ObjectKind::Group)?,
    })
}

fn one(state: &State, kind: ObjectKind, id: &SourceId) -> rusqlite::Result<Option<SourceObject>> {
    state
        .prepare_cached(&format!(
            "SELECT {OBJECT} FROM objects o WHERE o.id = ?2 AND o.kind = ?1 AND o.presence > 0"
        ))?
        .query_row(params![kind, id], |row| object(state, row))
        .optional()
}

/// Reads an object from the columns [`OBJECT`].
pub(super) fn object(state: &State, row: &Row<'_>) -> rusqlite::Result<SourceObject> {
    let attributes = match row.get_ref(4)?.as_blob_or_null()? {
        Some(bytes) => unpack_attributes(state, bytes)?,
        None => Attributes::default(),
    };
    Ok(SourceObject {
        key: row.get(0)?,
        kind: row.get(1)?,
        source: row.get(5)?,
        id: row.get(2)?,
        presence: row.get(3)?,
        attributes,
    })
}

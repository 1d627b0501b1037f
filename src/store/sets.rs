//! Questions about many objects at once, each in one statement: what the planner needs of the next 500
//! candidates, of the members of a group, or of the objects that refer to others.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::params;

use super::codec::unpack_sent;
use super::ledger::{Unknown, unsettled};
use super::links::{key_of, link_of};
use super::objects::{OBJECT, object};
use super::state::{State, array, first_link};
use super::withheld::withheld;
use super::{Error, Store};
use crate::engine::model::{
    HeldReference, JobName, Key, Link, ObjectKind, References, SourceId, SourceObject, TargetId,
    TargetPath,
};
use crate::engine::plan::SentMember;

const LOOK_UP: &str = "look up objects";

/// An object with all that a job's state holds of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loaded {
    pub(crate) object: SourceObject,
    pub(crate) manager: Option<Linked>,
    pub(crate) link: Option<Link>,
    /// Writes whose end is not known.
    pub(crate) unknown: Option<Unknown>,
    /// Ids of the roles assigned to the object itself.
    pub(crate) roles: Vec<String>,
    /// Attributes that the target refused and that are left out of its other changes.
    pub(crate) withheld: BTreeSet<TargetPath>,
    /// The groups of which it is a direct member.
    pub(crate) member_of: Vec<Key>,
}

/// An object and its link, if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Linked {
    pub(crate) key: Key,
    pub(crate) id: SourceId,
    /// With whether the object was in scope when it was last evaluated.
    pub(crate) link: Option<(TargetId, bool)>,
}

/// One member of a group: in the source, in what was sent, or in both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) group: Key,
    pub(crate) key: Key,
    pub(crate) kind: ObjectKind,
    /// Linked, and in scope when it was last evaluated.
    pub(crate) in_scope: bool,
    /// Whether it is a direct member in the source.
    pub(crate) in_source: bool,
    /// What the target was sent of it.
    pub(crate) sent: SentMember,
}

/// What a report calls an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) kind: ObjectKind,
    pub(crate) id: SourceId,
    pub(crate) label: String,
}

impl Store {
    /// Everything about these objects, in the order of their keys. Objects that were never read are left
    /// out.
    pub(crate) fn load(&self, job: &JobName, keys: &[Key]) -> Result<Vec<Loaded>, Error> {
        self.read(LOOK_UP, |state| {
            let job = state.job_or_none(job)?;
            let objects = objects(state, keys)?;
            let managers = named_managers_of(state, keys)?;
            let mut of_managers: Vec<Key> = managers.values().map(|(key, _)| *key).collect();
            of_managers.sort_unstable();
            of_managers.dedup();
            let targets = targets(state, job, &of_managers)?;
            let mut links = links(state, job, keys)?;
            let mut unsettled = unsettled(state, job, keys)?;
            let mut roles = roles(state, job, keys)?;
            let mut withheld = withheld(state, job, keys)?;
            let mut member_of = groups_of(state, keys)?;
            let loaded = objects.into_iter().map(|(key, object)| {
                let unknown = unsettled.remove(&key);
                let mut link = links.remove(&key);
                if let Some(link) = &mut link {
                    link.unconfirmed |= unknown.is_some();
                }
                Loaded {
                    object,
                    manager: managers.get(&key).map(|(manager, id)| Linked {
                        key: *manager,
                        id: id.clone(),
                        link: targets.get(manager).cloned(),
                    }),
                    link,
                    unknown,
                    roles: roles.remove(&key).unwrap_or_default(),
                    withheld: withheld.remove(&key).unwrap_or_default(),
                    member_of: member_of.remove(&key).unwrap_or_default(),
                }
            });
            Ok(loaded.collect())
        })
    }

    /// These objects alone. Those that were never read are left out.
    pub(crate) fn objects(&self, keys: &[Key]) -> Result<BTreeMap<Key, SourceObject>, Error> {
        self.read(LOOK_UP, |state| objects(state, keys))
    }

    /// Those of these objects that are of this kind, in the order of their keys.
    pub(crate) fn of_kind(&self, keys: &[Key], kind: ObjectKind) -> Result<Vec<Key>, Error> {
        self.read(LOOK_UP, |state| {
            state.column(
                "SELECT o.key FROM rarray(?1) k CROSS JOIN objects o ON o.key = k.value
                 WHERE o.kind = ?2 ORDER BY o.key",
                params![array(keys), kind],
            )
        })
    }

    /// Everyone who has a manager, with the manager's key.
    pub(crate) fn all_managers(&self) -> Result<Vec<(Key, Key)>, Error> {
        self.read(LOOK_UP, |state| {
            pairs(
                state,
                "SELECT key, manager FROM objects WHERE manager IS NOT NULL",
                [],
            )
        })
    }

    /// The managers of these, where they have one.
    pub(crate) fn managers(&self, keys: &[Key]) -> Result<BTreeMap<Key, Key>, Error> {
        self.read(LOOK_UP, |state| managers_of(state, keys))
    }

    /// The users who have one of these as their manager.
    pub(crate) fn reports(&self, managers: &[Key]) -> Result<Vec<Key>, Error> {
        self.read(LOOK_UP, |state| {
            let mut reports: Vec<Key> = state.column(
                "SELECT o.key FROM rarray(?1) k CROSS JOIN objects o ON o.manager = k.value",
                params![array(managers)],
            )?;
            reports.sort_unstable();
            reports.dedup();
            Ok(reports)
        })
    }

    /// The groups of which one of these is a direct member, each once.
    pub(crate) fn groups_around(&self, members: &[Key]) -> Result<Vec<Key>, Error> {
        self.read(LOOK_UP, |state| {
            let mut groups: Vec<Key> = state.column(
                "SELECT m.group_key FROM rarray(?1) k
                 CROSS JOIN memberships m ON m.member_key = k.value",
                params![array(members)],
            )?;
            groups.sort_unstable();
            groups.dedup();
            Ok(groups)
        })
    }

    /// Which group is a direct member of which: (the group outside, the group inside).
    pub(crate) fn nested_groups(&self) -> Result<Vec<(Key, Key)>, Error> {
        self.read(LOOK_UP, |state| {
            pairs(state, "SELECT group_key, member_key FROM nested", [])
        })
    }

    /// The principals of a kind that are assigned, each once.
    pub(crate) fn assigned_keys(&self, job: &JobName, kind: ObjectKind) -> Result<Vec<Key>, Error> {
        self.read(LOOK_UP, |state| {
            let mut keys: Vec<Key> = state.column(
                "SELECT principal FROM assignments WHERE job = ?1 AND kind = ?2",
                params![state.job_or_none(job)?, kind],
            )?;
            keys.dedup();
            Ok(keys)
        })
    }

    /// The ids of the roles that are assigned to each of these itself.
    pub(crate) fn roles(
        &self,
        job: &JobName,
        keys: &[Key],
    ) -> Result<BTreeMap<Key, Vec<String>>, Error> {
        self.read(LOOK_UP, |state| roles(state, state.job_or_none(job)?, keys))
    }

    /// The objects that these target objects are linked to.
    pub(crate) fn holders(
        &self,
        job: &JobName,
        kind: ObjectKind,
        targets: &[TargetId],
    ) -> Result<BTreeMap<TargetId, Key>, Error> {
        self.read(LOOK_UP, |state| {
            let job = state.job_or_none(job)?;
            let mut holders = BTreeMap::new();
            for target in targets {
                if let Some(key) = super::links::linked_by(state, job, kind, target)? {
                    holders.insert(target.clone(), key);
                }
            }
            Ok(holders)
        })
    }

    /// The objects that these target objects of either kind are linked to, and those that are linked to
    /// none.
    pub(crate) fn linked(
        &self,
        job: &JobName,
        targets: Vec<TargetId>,
    ) -> Result<(Vec<Key>, Vec<TargetId>), Error> {
        self.read(LOOK_UP, |state| {
            let job = state.job_or_none(job)?;
            let (mut linked, mut others) = (Vec::new(), Vec::new());
            for target in targets {
                let known = linked.len();
                for kind in ObjectKind::ALL {
                    linked.extend(super::links::linked_by(state, job, kind, &target)?);
                }
                if linked.len() == known {
                    others.push(target);
                }
            }
            Ok((linked, others))
        })
    }

    /// What reports call these objects.
    pub(crate) fn named(&self, keys: &[Key]) -> Result<BTreeMap<Key, Named>, Error> {
        self.read(LOOK_UP, |state| {
            state
                .prepare_cached(
                    "SELECT o.key, o.kind, o.id, o.label
                     FROM rarray(?1) k CROSS JOIN objects o ON o.key = k.value",
                )?
                .query_map(params![array(keys)], |row| {
                    let named = Named {
                        kind: row.get(1)?,
                        id: row.get(2)?,
                        label: row.get(3)?,
                    };
                    Ok((row.get(0)?, named))
                })?
                .collect()
        })
    }

    /// The ids of these, in the order of the ids.
    pub(crate) fn ids_of(&self, keys: &[Key]) -> Result<Vec<SourceId>, Error> {
        self.read(LOOK_UP, |state| {
            let mut ids: Vec<SourceId> = state.column(
                "SELECT o.id FROM rarray(?1) k CROSS JOIN objects o ON o.key = k.value",
                params![array(keys)],
            )?;
            ids.sort();
            Ok(ids)
        })
    }

    /// The key of an object that the state knows.
    pub(crate) fn key_of(&self, kind: ObjectKind, id: &SourceId) -> Result<Option<Key>, Error> {
        self.read(LOOK_UP, |state| state.key(kind, id))
    }

    /// What the groups of a member are called that are assigned to the job of this cycle, or linked in it.
    pub(crate) fn group_names(&self, cycle: i64, member: Key) -> Result<Vec<String>, Error> {
        self.read("look up groups", |state| {
            state
                .prepare_cached(
                    "SELECT o.label FROM cycles c CROSS JOIN jobs j ON j.name = c.job
                     CROSS JOIN memberships m ON m.member_key = ?2
                     CROSS JOIN objects o ON o.key = m.group_key
                     WHERE c.number = ?1 AND o.presence > 0
                         AND (EXISTS (SELECT 1 FROM assignments a
                                      WHERE a.job = j.key AND a.kind = ?3 AND a.principal = o.key)
                              OR EXISTS (SELECT 1 FROM links l WHERE l.link = (j.key << 32) + o.key))",
                )?
                .query_map(params![cycle, member, ObjectKind::Group], |row| row.get(0))?
                .collect()
        })
    }

    /// Every direct member of these groups, in the source or as sent, group by group in the order of
    /// their keys, and in each the members in the order of theirs.
    pub(crate) fn each_member(
        &self,
        job: &JobName,
        groups: &[Key],
        mut each: impl FnMut(Member),
    ) -> Result<(), Error> {
        self.read("look up members", |state| {
            let job = state.job_or_none(job)?;
            for group in groups {
                members_of(state, job, *group, &mut each)?;
            }
            Ok(())
        })
    }
}

fn objects(state: &State, keys: &[Key]) -> rusqlite::Result<BTreeMap<Key, SourceObject>> {
    state
        .prepare_cached(&format!(
            "SELECT {OBJECT} FROM rarray(?1) k CROSS JOIN objects o ON o.key = k.value
             WHERE o.presence > 0"
        ))?
        .query_map(params![array(keys)], |row| {
            let object = object(state, row)?;
            Ok((object.key, object))
        })?
        .collect()
}

pub(super) fn links(
    state: &State,
    job: i64,
    keys: &[Key],
) -> rusqlite::Result<BTreeMap<Key, Link>> {
    let mut links: BTreeMap<Key, Link> = state
        .prepare_cached(
            "SELECT l.link, l.target, l.sent, l.in_scope, l.unread, l.origin
             FROM rarray(?1) k CROSS JOIN links l ON l.link = ?2 + k.value",
        )?
        .query_map(params![array(keys), first_link(job)], |row| {
            let link = Link {
                target: row.get(1)?,
                sent: unpack_sent(state, row.get_ref(2)?.as_blob()?)?,
                references: References::new(),
                in_scope: row.get(3)?,
                unconfirmed: row.get(4)?,
                origin: super::links::origin(row.get(5)?),
            };
            Ok((key_of(row.get(0)?), link))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut references = state.prepare_cached(
        "SELECT r.source, r.path, r.target,
                (SELECT o.id FROM objects o WHERE o.key = r.referenced)
         FROM rarray(?1) k
         CROSS JOIN sent_references r ON r.job = ?2 AND r.source = k.value",
    )?;
    for reference in references.query_map(params![array(keys), job], |row| {
        let path = state.path_of_number(row.get(1)?)?;
        let held = HeldReference {
            target: row.get(2)?,
            source: row.get(3)?,
        };
        Ok((row.get::<_, Key>(0)?, path, held))
    })? {
        let (key, path, held) = reference?;
        if let Some(link) = links.get_mut(&key) {
            link.references.insert(path, held);
        }
    }
    Ok(links)
}

fn roles(state: &State, job: i64, keys: &[Key]) -> rusqlite::Result<BTreeMap<Key, Vec<String>>> {
    let mut roles: BTreeMap<Key, Vec<String>> = BTreeMap::new();
    let mut statement = state.prepare_cached(
        "SELECT a.principal, a.role FROM rarray(?1) k
         CROSS JOIN objects o ON o.key = k.value
         CROSS JOIN assignments a ON a.job = ?2 AND a.kind = o.kind AND a.principal = k.value",
    )?;
    for assigned in statement.query_map(params![array(keys), job], |row| {
        Ok((row.get(0)?, state.name(row.get(1)?)?))
    })? {
        let (key, role) = assigned?;
        roles.entry(key).or_default().push(role.as_ref().to_owned());
    }
    for roles in roles.values_mut() {
        roles.sort();
    }
    Ok(roles)
}

fn groups_of(state: &State, keys: &[Key]) -> rusqlite::Result<BTreeMap<Key, Vec<Key>>> {
    let mut groups: BTreeMap<Key, Vec<Key>> = BTreeMap::new();
    for (member, group) in pairs(
        state,
        "SELECT m.member_key, m.group_key FROM rarray(?1) k
         CROSS JOIN memberships m ON m.member_key = k.value",
        params![array(keys)],
    )? {
        groups.entry(member).or_default().push(group);
    }
    Ok(groups)
}

fn managers_of(state: &State, keys: &[Key]) -> rusqlite::Result<BTreeMap<Key, Key>> {
    let pairs = pairs(
        state,
        "SELECT o.key, o.manager FROM rarray(?1) k CROSS JOIN objects o ON o.key = k.value
         WHERE o.manager IS NOT NULL",
        params![array(keys)],
    )?;
    Ok(pairs.into_iter().collect())
}

/// The same, with the managers' ids.
fn named_managers_of(
    state: &State,
    keys: &[Key],
) -> rusqlite::Result<BTreeMap<Key, (Key, SourceId)>> {
    state
        .prepare_cached(
            "SELECT o.key, m.key, m.id FROM rarray(?1) k CROSS JOIN objects o ON o.key = k.value
             CROSS JOIN objects m ON m.key = o.manager",
        )?
        .query_map(params![array(keys)], |row| {
            Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))
        })?
        .collect()
}

pub(super) fn targets(
    state: &State,
    job: i64,
    keys: &[Key],
) -> rusqlite::Result<BTreeMap<Key, (TargetId, bool)>> {
    state
        .prepare_cached(
            "SELECT l.link, l.target, l.in_scope
             FROM rarray(?1) k CROSS JOIN links l ON l.link = ?2 + k.value",
        )?
        .query_map(params![array(keys), first_link(job)], |row| {
            Ok((key_of(row.get(0)?), (row.get(1)?, row.get(2)?)))
        })?
        .collect()
}

fn pairs(
    state: &State,
    sql: &str,
    params: impl rusqlite::Params,
) -> rusqlite::Result<Vec<(Key, Key)>> {
    state
        .prepare_cached(sql)?
        .query_map(params, |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// The members in the source and those that were sent are in the same order, so that one pass over
/// both is enough.
fn members_of(
    state: &State,
    job: i64,
    group: Key,
    each: &mut impl FnMut(Member),
) -> rusqlite::Result<()> {
    let sent: Vec<(Key, bool)> = state
        .prepare_cached(
            "SELECT member_key, dropped FROM sent_members WHERE job = ?1 AND group_key = ?2
             ORDER BY member_key",
        )?
        .query_map(params![job, group], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let in_source: Vec<Key> = state.column(
        "SELECT member_key FROM members WHERE group_key = ?1 ORDER BY member_key",
        params![group],
    )?;
    let mut one = state.prepare_cached(
        "SELECT o.kind, (SELECT l.in_scope FROM links l WHERE l.link = ?2)
         FROM objects o WHERE o.key = ?1",
    )?;
    let (mut sent, mut in_source) = (
        sent.into_iter().peekable(),
        in_source.into_iter().peekable(),
    );
    loop {
        let key = match (sent.peek(), in_source.peek()) {
            (None, None) => return Ok(()),
            (Some((key, _)), None) | (None, Some(key)) => *key,
            (Some((one, _)), Some(other)) => *one.min(other),
        };
        let member = one.query_row(params![key, link_of(job, key)], |row| {
            let in_scope: Option<bool> = row.get(1)?;
            Ok(Member {
                group,
                key,
                kind: row.get(0)?,
                in_scope: in_scope.unwrap_or(false),
                in_source: in_source.next_if_eq(&key).is_some(),
                sent: match sent.next_if(|(one, _)| *one == key) {
                    None => SentMember::No,
                    Some((_, false)) => SentMember::Yes,
                    Some((_, true)) => SentMember::Dropped,
                },
            })
        })?;
        each(member);
    }
}

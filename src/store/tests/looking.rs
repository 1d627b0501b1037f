//! What tests look at in a state.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::params;

use super::super::sets::targets;
use super::super::state::State;
use super::super::{Error, Store};
use crate::engine::model::{Assignment, JobName, Key, ObjectKind, SourceId, TargetId};

impl Store {
    /// The principals that are assigned, each once.
    pub(crate) fn assigned(&self, job: &JobName, kind: ObjectKind) -> Result<Vec<SourceId>, Error> {
        self.read("look", |state| {
            let mut principals: Vec<SourceId> = state.column(
                "SELECT o.id
                 FROM (SELECT DISTINCT principal FROM assignments WHERE job = ?1 AND kind = ?2) a
                 CROSS JOIN objects o ON o.key = a.principal",
                params![state.job_or_none(job)?, kind],
            )?;
            principals.sort();
            Ok(principals)
        })
    }

    /// The groups that the object is a direct member of.
    pub(crate) fn groups_of(&self, member: &SourceId) -> Result<Vec<SourceId>, Error> {
        self.read("look", |state| groups_of(state, member))
    }

    /// The assignments of one user or group.
    pub(crate) fn assignments_of(
        &self,
        job: &JobName,
        kind: ObjectKind,
        id: &SourceId,
    ) -> Result<Vec<Assignment>, Error> {
        self.read("look", |state| {
            let Some(key) = state.key(kind, id)? else {
                return Ok(Vec::new());
            };
            let roles: Vec<i64> = state.column(
                "SELECT role FROM assignments WHERE job = ?1 AND kind = ?2 AND principal = ?3",
                params![state.job_or_none(job)?, kind, key],
            )?;
            let mut assignments = Vec::new();
            for role in roles {
                assignments.push(Assignment {
                    kind,
                    principal: id.clone(),
                    role: state.name(role)?.as_ref().to_owned(),
                });
            }
            assignments.sort();
            Ok(assignments)
        })
    }

    /// Direct members, users and groups, whether present or not.
    pub(crate) fn members_of(
        &self,
        group: &SourceId,
    ) -> Result<Vec<(ObjectKind, SourceId)>, Error> {
        self.read("look", |state| {
            let Some(group) = state.key(ObjectKind::Group, group)? else {
                return Ok(Vec::new());
            };
            let mut members: Vec<(ObjectKind, SourceId)> = state
                .prepare_cached(
                    "SELECT o.kind, o.id FROM members m CROSS JOIN objects o ON o.key = m.member_key
                     WHERE m.group_key = ?1",
                )?
                .query_map(params![group], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?;
            members.sort_by(|(_, one), (_, other)| one.cmp(other));
            Ok(members)
        })
    }

    /// Every group that one of the objects is a direct member of, once.
    pub(crate) fn groups_with_members(&self, members: &[SourceId]) -> Result<Vec<SourceId>, Error> {
        self.read("look", |state| {
            let mut groups = BTreeSet::new();
            for member in members {
                groups.extend(groups_of(state, member)?);
            }
            Ok(groups.into_iter().collect())
        })
    }

    /// The users who have one of these as their manager.
    pub(crate) fn reports_of(&self, managers: &[SourceId]) -> Result<Vec<SourceId>, Error> {
        self.read("look", |state| {
            let mut reports = BTreeSet::new();
            for manager in managers {
                if let Some(manager) = state.key(ObjectKind::User, manager)? {
                    reports.extend(state.column::<SourceId>(
                        "SELECT id FROM objects WHERE manager = ?1 AND kind = 1",
                        params![manager],
                    )?);
                }
            }
            Ok(reports.into_iter().collect())
        })
    }

    /// Which group is a direct member of which: (the group outside, the group inside).
    pub(crate) fn group_edges(&self) -> Result<Vec<(SourceId, SourceId)>, Error> {
        self.read("look", |state| {
            let mut edges: Vec<(SourceId, SourceId)> = state
                .prepare_cached(
                    "SELECT o.id, i.id FROM nested n
                     CROSS JOIN objects o ON o.key = n.group_key
                     CROSS JOIN objects i ON i.key = n.member_key",
                )?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?;
            edges.sort();
            Ok(edges)
        })
    }

    /// The target ids of these, where they are linked, and whether each was in scope.
    pub(crate) fn targets(
        &self,
        job: &JobName,
        keys: &[Key],
    ) -> Result<BTreeMap<Key, (TargetId, bool)>, Error> {
        self.read("look", |state| {
            targets(state, state.job_or_none(job)?, keys)
        })
    }
}

fn groups_of(state: &State, member: &SourceId) -> rusqlite::Result<Vec<SourceId>> {
    let mut groups = Vec::new();
    for kind in ObjectKind::ALL {
        if let Some(member) = state.key(kind, member)? {
            groups.extend(state.column::<SourceId>(
                "SELECT o.id FROM memberships m CROSS JOIN objects o ON o.key = m.group_key
                 WHERE m.member_key = ?1",
                params![member],
            )?);
        }
    }
    groups.sort();
    Ok(groups)
}

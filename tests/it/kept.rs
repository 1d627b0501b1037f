//! What a target holds by `externalId`, and what must not be taken away there, computed from the tenant alone.

use std::collections::{BTreeMap, BTreeSet};

use entrain::sandbox::{Life, TenantHandle, Uuid};
use serde_json::Value;

use crate::rig::Rig;

/// What must not be taken away in a cycle, because the tenant showed no reason for it at any moment of it.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// By what they have as `externalId`: users that are in scope and may sign in.
    pub(crate) active: BTreeSet<String>,
    /// Users that are not deleted for good, unless the job deletes users that leave.
    pub(crate) there: BTreeSet<String>,
    pub(crate) groups: BTreeSet<String>,
    pub(crate) members: BTreeSet<(String, String)>,
    /// Users that are blocked or deleted, and those that were meanwhile.
    pub(crate) blocked: BTreeSet<String>,
}

impl Kept {
    pub(crate) fn of(tenant: &TenantHandle, deletes: bool) -> Self {
        let in_scope = tenant.users_in_scope();
        let names = nicknames(tenant);
        let users = tenant.users();
        let enabled = |id: &Uuid| {
            users
                .iter()
                .any(|user| user.id == *id && user.properties["accountEnabled"] == true)
        };
        let groups = tenant.groups_in_scope();
        let members = groups.iter().flat_map(|group| {
            let members = tenant.members(*group).into_iter();
            let members = members.filter(|member| in_scope.contains(member));
            let pairs: Vec<_> = members
                .filter_map(|member| Some((group.to_string(), names.get(&member)?.clone())))
                .collect();
            pairs
        });
        let there: BTreeSet<String> = if deletes {
            let in_scope = in_scope.iter().filter(|id| enabled(id));
            in_scope.filter_map(|id| names.get(id).cloned()).collect()
        } else {
            names.values().cloned().collect()
        };
        let is_blocked = |id: &Uuid| {
            let active = users.iter().find(|user| user.id == *id);
            active.is_none_or(|user| user.life != Life::Active) || !enabled(id)
        };
        let blocked = names.iter().filter(|(id, _)| is_blocked(id));
        Self {
            blocked: blocked.map(|(_, name)| name.clone()).collect(),
            active: in_scope
                .iter()
                .filter(|id| enabled(id))
                .filter_map(|id| names.get(id).cloned())
                .collect(),
            there,
            members: members.collect(),
            groups: groups.iter().map(Uuid::to_string).collect(),
        }
    }

    pub(crate) fn and(&mut self, other: &Self) {
        self.blocked.extend(other.blocked.iter().cloned());
        self.active.retain(|one| other.active.contains(one));
        self.there.retain(|one| other.there.contains(one));
        self.groups.retain(|one| other.groups.contains(one));
        self.members.retain(|one| other.members.contains(one));
    }
}

/// What each user has as `externalId` in the target.
fn nicknames(tenant: &TenantHandle) -> BTreeMap<Uuid, String> {
    let users = tenant.users().into_iter();
    users
        .filter_map(|user| {
            let name = user.properties.get("mailNickname")?.as_str()?.to_owned();
            Some((user.id, name))
        })
        .collect()
}

/// The target by `externalId`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holds {
    /// Whether the account is active.
    pub(crate) users: BTreeMap<String, bool>,
    pub(crate) groups: BTreeSet<String>,
    pub(crate) members: BTreeSet<(String, String)>,
    /// Of users and groups, by the id in the target.
    pub(crate) names: BTreeMap<String, String>,
    pub(crate) doubled: Vec<String>,
}

impl Holds {
    pub(crate) fn of(rig: &Rig) -> Self {
        let mut holds = Self::default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        for user in rig.sandbox.target.users() {
            let name = text(&user["externalId"]);
            holds.names.insert(text(&user["id"]), name.clone());
            let is_active = user["active"] == true;
            if holds.users.insert(name.clone(), is_active).is_some() {
                holds.doubled.push(name);
            }
        }
        for group in rig.sandbox.target.groups() {
            let name = text(&group["externalId"]);
            holds.names.insert(text(&group["id"]), name.clone());
            for member in group["members"].as_array().into_iter().flatten() {
                let member = text(&member["value"]);
                let member = holds.names.get(&member).cloned().unwrap_or(member);
                holds.members.insert((name.clone(), member));
            }
            if !holds.groups.insert(name.clone()) {
                holds.doubled.push(name);
            }
        }
        holds
    }
}

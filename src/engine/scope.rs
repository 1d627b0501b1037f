//! Which source objects are in scope, through what, and which rule says no.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::expr::AppRole;
use super::job::{Job, ScopeMode};
use super::mapping::Subject;
use super::model::{
    Assignment, DEFAULT_ACCESS_ROLE, Grant, ObjectKind, Presence, SourceId, SourceObject, Via,
};
use super::plan::WhyOut;

/// The groups through which people come into scope, each with the way to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct GrantingGroups {
    reached: BTreeMap<SourceId, Reach>,
}

#[derive(Clone, Debug)]
struct Reach {
    /// Names from the seed down to this group: "Sales", "EMEA", "Berlin".
    path: Vec<String>,
    /// The assigned (or named) groups from which it is reached; their roles apply.
    seeds: BTreeSet<SourceId>,
}

impl GrantingGroups {
    /// `seeds` are the assigned or named groups with their names. With `edges` (parent, child and
    /// the child's name) the groups inside them count too, however deep; cycles are harmless.
    pub(crate) fn new(
        seeds: impl IntoIterator<Item = (SourceId, String)>,
        edges: &[(SourceId, SourceId, String)],
    ) -> Self {
        let mut children: BTreeMap<&SourceId, Vec<(&SourceId, &String)>> = BTreeMap::new();
        for (parent, child, name) in edges {
            children.entry(parent).or_default().push((child, name));
        }
        let mut reached: BTreeMap<SourceId, Reach> = BTreeMap::new();
        for (seed, name) in seeds {
            let mut queue = VecDeque::from([(seed.clone(), vec![name])]);
            while let Some((group, path)) = queue.pop_front() {
                let reach = reached.entry(group.clone()).or_insert_with(|| Reach {
                    path: path.clone(),
                    seeds: BTreeSet::new(),
                });
                if !reach.seeds.insert(seed.clone()) {
                    continue;
                }
                for (child, name) in children.get(&group).into_iter().flatten() {
                    let mut path = path.clone();
                    path.push((*name).clone());
                    queue.push_back(((*child).clone(), path));
                }
            }
        }
        Self { reached }
    }

    pub(crate) fn contains(&self, group: &SourceId) -> bool {
        self.reached.contains_key(group)
    }

    /// The seeds from which any of these groups is reached.
    pub(crate) fn seeds_of<'a>(&'a self, groups: &[SourceId]) -> BTreeSet<&'a SourceId> {
        let reached = groups.iter().filter_map(|group| self.reached.get(group));
        reached.flat_map(|reach| &reach.seeds).collect()
    }
}

/// What is known of an object's way into scope, before any rule is applied.
pub(crate) struct Ways<'a> {
    /// Its own assignments.
    pub(crate) assignments: &'a [Assignment],
    /// The groups of which it is a direct member.
    pub(crate) member_of: &'a [SourceId],
    /// All assignments of a group that is a seed.
    pub(crate) assignments_of_group: &'a dyn Fn(&SourceId) -> Vec<Assignment>,
    pub(crate) granting: &'a GrantingGroups,
    /// Roles of the application by their id.
    pub(crate) roles: &'a BTreeMap<String, AppRole>,
}

/// Every reason why the object may be in scope.
pub(crate) fn grants(job: &Job, object: &SourceObject, ways: &Ways<'_>) -> Vec<Grant> {
    let by_role = |via: &Via, assignments: &[Assignment]| -> Vec<Grant> {
        assignments
            .iter()
            .map(|assignment| Grant {
                via: via.clone(),
                role: Some(role(&assignment.role, ways.roles)),
            })
            .collect()
    };
    let unassigned = |via: Via| vec![Grant { via, role: None }];
    let mut grants = match &job.scope.mode {
        ScopeMode::All => unassigned(Via::Everyone),
        ScopeMode::Assigned => by_role(&Via::Direct, ways.assignments),
        ScopeMode::Groups(_) => match object.kind {
            ObjectKind::Group if ways.granting.contains(&object.id) => unassigned(Via::Direct),
            ObjectKind::Group | ObjectKind::User => Vec::new(),
        },
    };
    if object.kind == ObjectKind::Group {
        return grants;
    }
    for group in ways.member_of {
        let Some(reach) = ways.granting.reached.get(group) else {
            continue;
        };
        let via = Via::Groups(reach.path.clone());
        match &job.scope.mode {
            ScopeMode::Groups(_) => grants.extend(unassigned(via)),
            ScopeMode::Assigned | ScopeMode::All => {
                for seed in &reach.seeds {
                    grants.extend(by_role(&via, &(ways.assignments_of_group)(seed)));
                }
            }
        }
    }
    grants
}

/// A role by its id: the all-zero one is Default Access; an unknown one keeps its id.
fn role(id: &str, roles: &BTreeMap<String, AppRole>) -> AppRole {
    if id == DEFAULT_ACCESS_ROLE {
        return AppRole {
            id: id.to_owned(),
            value: None,
            display_name: "Default Access".to_owned(),
        };
    }
    roles.get(id).cloned().unwrap_or_else(|| AppRole {
        id: id.to_owned(),
        value: None,
        display_name: id.to_owned(),
    })
}

/// The distinct roles of these grants, as `appRoleAssignments` shows them to mappings.
pub(crate) fn roles_of(grants: &[Grant]) -> Vec<AppRole> {
    let roles = grants.iter().filter_map(|grant| grant.role.as_ref());
    let by_id: BTreeMap<&str, &AppRole> = roles.map(|role| (role.id.as_str(), role)).collect();
    by_id.into_values().cloned().collect()
}

/// Whether the object belongs, as far as assignment, exclusion and filters say. Presence and
/// `accountEnabled` are not asked here: they do not decide who belongs, but what becomes of them.
pub(crate) fn judge(job: &Job, object: &SourceObject, grants: &[Grant]) -> Result<(), WhyOut> {
    let rules = job.rules(object.kind);
    if !rules.enabled {
        return Err(WhyOut::KindDisabled);
    }
    let is_named = |name: &String| {
        name.eq_ignore_ascii_case(object.id.as_str())
            || object
                .attributes
                .text("userPrincipalName")
                .is_some_and(|principal_name| principal_name.eq_ignore_ascii_case(name))
            || (object.kind == ObjectKind::Group
                && object.attributes.text("displayName") == Some(name))
    };
    if job.scope.exclude.iter().any(is_named) {
        return Err(WhyOut::Excluded);
    }
    if grants.is_empty() {
        return Err(WhyOut::NotAssigned);
    }
    let default_only = grants.iter().all(|grant| {
        grant
            .role
            .as_ref()
            .is_some_and(|role| role.id == DEFAULT_ACCESS_ROLE)
    });
    if job.scope.exclude_default_access && default_only {
        return Err(WhyOut::DefaultAccessOnly);
    }
    let roles_held = roles_of(grants);
    let subject = Subject::new(object, &roles_held, object.presence != Presence::Present);
    rules
        .filter
        .judge(&|name| subject.value(name).cloned())
        .map_err(WhyOut::Filter)
}

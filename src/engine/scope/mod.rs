//! Which source objects are in scope, through what, and which rule says no.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::filter::ClauseResult;
use super::job::{GroupObjects, Job, ScopeMode};
use super::mapping::Input;
use super::model::{
    AppRole, DEFAULT_ACCESS_ROLE, Grant, Key, ObjectKind, Presence, SourceId, SourceObject, Value,
    Via, source,
};
use super::names::Naming;
use super::plan::WhyOut;

/// The groups through which people come into scope, each with the way to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct GrantingGroups {
    reached: BTreeMap<Key, Reach>,
    /// Assigned groups whose assignment does not count, or may not, with the reason.
    without_effect: BTreeMap<Key, WhyOut>,
}

/// The assigned (or named) groups from which a group is reached, whose roles apply; each with the
/// names from it down to this group: "Sales", "EMEA", "Berlin".
type Reach = BTreeMap<Key, Vec<String>>;

impl GrantingGroups {
    /// `seeds` are the assigned or named groups with their names. With `edges` (parent, child and
    /// the child's name) the groups inside them count too, however deep; cycles are harmless.
    pub(crate) fn new(
        seeds: impl IntoIterator<Item = (Key, String)>,
        edges: &[(Key, Key, String)],
    ) -> Self {
        let mut children: BTreeMap<Key, Vec<(Key, &String)>> = BTreeMap::new();
        for (parent, child, name) in edges {
            children.entry(*parent).or_default().push((*child, name));
        }
        let mut reached: BTreeMap<Key, Reach> = BTreeMap::new();
        for (seed, name) in seeds {
            let mut queue = VecDeque::from([(seed, vec![name])]);
            while let Some((group, path)) = queue.pop_front() {
                let reach = reached.entry(group).or_default();
                // The first way is the shortest, and a cycle ends here.
                if reach.contains_key(&seed) {
                    continue;
                }
                reach.insert(seed, path.clone());
                for (child, name) in children.get(&group).into_iter().flatten() {
                    let mut path = path.clone();
                    path.push((*name).clone());
                    queue.push_back((*child, path));
                }
            }
        }
        Self {
            reached,
            without_effect: BTreeMap::new(),
        }
    }

    /// `assigned` are the seeds of the scope mode `assigned`: which of them count is up to their
    /// `securityEnabled`.
    pub(crate) fn with_effects_of<'o>(
        mut self,
        assigned: impl IntoIterator<Item = &'o SourceObject>,
    ) -> Self {
        let assigned = assigned.into_iter();
        self.without_effect = assigned
            .filter_map(|group| Some((group.key, why_without_effect(group)?)))
            .collect();
        self
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> {
        self.reached.keys().copied()
    }

    pub(crate) fn contains(&self, group: Key) -> bool {
        self.reached.contains_key(&group)
    }

    /// The seeds from which any of these groups is reached.
    pub(crate) fn seeds_of(&self, groups: &[Key]) -> BTreeSet<Key> {
        let reached = groups.iter().filter_map(|group| self.reached.get(group));
        reached.flat_map(BTreeMap::keys).copied().collect()
    }
}

/// What is known of an object's way into scope, before any rule is applied.
pub(crate) struct Ways<'a> {
    /// The roles of its own assignments, by their ids.
    pub(crate) assigned: &'a [String],
    /// The groups of which it is a direct member.
    pub(crate) member_of: &'a [Key],
    /// The roles of all assignments of a group that is a seed.
    pub(crate) assigned_to_group: &'a dyn Fn(Key) -> Vec<String>,
    pub(crate) granting: &'a GrantingGroups,
    /// Roles of the application by their id.
    pub(crate) roles: &'a BTreeMap<String, AppRole>,
}

/// A group that an object is in, as a scoping filter may name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GroupAround {
    pub(crate) id: SourceId,
    pub(crate) name: String,
}

/// Every reason why the object may be in scope.
pub(crate) fn grants(job: &Job, object: &SourceObject, ways: &Ways<'_>) -> Vec<Grant> {
    let by_role = |via: &Via, assigned: &[String]| -> Vec<Grant> {
        assigned
            .iter()
            .map(|id| Grant {
                via: via.clone(),
                role: Some(role(id, ways.roles)),
            })
            .collect()
    };
    let unassigned = |via: Via| vec![Grant { via, role: None }];
    let mut grants = match &job.scope.mode {
        ScopeMode::All => unassigned(Via::Everyone),
        ScopeMode::Assigned if why_without_effect(object).is_some() => Vec::new(),
        ScopeMode::Assigned => by_role(&Via::Direct, ways.assigned),
        // The units stand in the place of roles.
        ScopeMode::AdministrativeUnits(_) => ways
            .assigned
            .iter()
            .flat_map(|unit| unassigned(Via::Unit(role(unit, ways.roles).display_name)))
            .collect(),
        ScopeMode::Groups(_) => match object.kind {
            ObjectKind::Group => match ways.granting.reached.get(&object.key) {
                Some(reach) if reach.contains_key(&object.key) => unassigned(Via::Named),
                Some(reach) => {
                    let paths = reach.values();
                    paths
                        .flat_map(|path| unassigned(Via::Groups(path.clone())))
                        .collect()
                }
                None => Vec::new(),
            },
            ObjectKind::User => Vec::new(),
        },
    };
    if object.kind == ObjectKind::Group {
        if is_named_object(job, object) {
            grants.extend(unassigned(Via::Named));
        }
        return grants;
    }
    let reaches = ways.member_of.iter();
    let reaches = reaches.filter_map(|group| ways.granting.reached.get(group));
    let reaches = reaches.flatten();
    for (seed, path) in reaches.filter(|(seed, _)| !ways.granting.without_effect.contains_key(seed))
    {
        let via = Via::Groups(path.clone());
        match &job.scope.mode {
            ScopeMode::Groups(_) => grants.extend(unassigned(via)),
            ScopeMode::Assigned | ScopeMode::All | ScopeMode::AdministrativeUnits(_) => {
                grants.extend(by_role(&via, &(ways.assigned_to_group)(*seed)));
            }
        }
    }
    grants
}

/// Why assignments that the object has, directly or through a group, do not bring it into scope.
pub(crate) fn without_effect(job: &Job, object: &SourceObject, ways: &Ways<'_>) -> Option<WhyOut> {
    match (&job.scope.mode, object.kind) {
        (ScopeMode::AdministrativeUnits(_), _) => Some(WhyOut::NotInUnit),
        (ScopeMode::All | ScopeMode::Groups(_), _) => None,
        (ScopeMode::Assigned, ObjectKind::Group) => {
            why_without_effect(object).filter(|_| !ways.assigned.is_empty())
        }
        (ScopeMode::Assigned, ObjectKind::User) => {
            let seeds = ways.granting.seeds_of(ways.member_of).into_iter();
            let mut reasons: Vec<&WhyOut> = seeds
                .filter_map(|seed| ways.granting.without_effect.get(&seed))
                .collect();
            // One group that may count is enough for not being sure.
            reasons.sort_by_key(|why| **why != WhyOut::SecurityNotRead);
            reasons.first().copied().cloned()
        }
    }
}

/// Why an assignment of this object does not count; `None` where it does. "Assignment is supported for
/// security groups and Microsoft 365 groups whose `SecurityEnabled` setting is True" (Entra).
pub(crate) fn why_without_effect(object: &SourceObject) -> Option<WhyOut> {
    match (object.kind, object.attributes.value("securityEnabled")) {
        (ObjectKind::User, _) | (ObjectKind::Group, Some(Value::Boolean(true))) => None,
        (ObjectKind::Group, Some(Value::Boolean(false))) => Some(WhyOut::NotSecurityEnabled),
        (ObjectKind::Group, Some(_) | None) => Some(WhyOut::SecurityNotRead),
    }
}

/// Whether the object is one of the groups that the job names to be provisioned.
fn is_named_object(job: &Job, object: &SourceObject) -> bool {
    let GroupObjects::Named(names) = &job.scope.group_objects else {
        return false;
    };
    object.kind == ObjectKind::Group
        && names.iter().any(|name| {
            name.eq_ignore_ascii_case(object.id.as_str())
                || name.eq_ignore_ascii_case(object.label())
        })
}

/// The distinct ways by which these grants reach an object.
pub(crate) fn ways_of(grants: &[Grant]) -> Vec<Via> {
    let mut ways = Vec::new();
    for Grant { via, role: _ } in grants {
        if !ways.contains(via) {
            ways.push(via.clone());
        }
    }
    ways
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

/// Whether an object belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    In,
    Out(WhyOut),
    /// Out of scope, unless a name of the scope that could not be resolved means the object, or a property
    /// that was not read says so. It keeps its last verdict and is not removed.
    Unknown {
        would_be: WhyOut,
    },
}

/// The verdict of [`judge`], where some lists of names could not be resolved.
pub(crate) fn verdict(
    job: &Job,
    object: &SourceObject,
    grants: &[Grant],
    without_effect: Option<&WhyOut>,
    groups: &[GroupAround],
    unresolved: &BTreeMap<Naming, String>,
) -> Verdict {
    let Err(why) = judge(job, object, grants, without_effect, groups) else {
        return Verdict::In;
    };
    let list = list_behind(job, object.kind, &why);
    let is_unread = why == WhyOut::SecurityNotRead;
    if !is_unread && !list.is_some_and(|list| unresolved.contains_key(&list)) {
        return Verdict::Out(why);
    }
    if matches!(why, WhyOut::Filter(_)) {
        return Verdict::Unknown { would_be: why };
    }
    match judge_as_named(job, object, grants, groups) {
        Ok(()) => Verdict::Unknown { would_be: why },
        Err(certain) => Verdict::Out(certain),
    }
}

/// Whether the object belongs, as far as assignment, exclusion and filters say. Presence and
/// `accountEnabled` are not asked here: they do not decide who belongs, but what becomes of them.
/// `groups` are those that the object is in; they are asked for only where [`reads_groups`].
/// `without_effect` comes from the function of that name.
fn judge(
    job: &Job,
    object: &SourceObject,
    grants: &[Grant],
    without_effect: Option<&WhyOut>,
    groups: &[GroupAround],
) -> Result<(), WhyOut> {
    may_belong(job, object)?;
    if grants.is_empty() {
        return Err(without_effect.cloned().unwrap_or(WhyOut::NotAssigned));
    }
    if object.kind == ObjectKind::Group
        && job.scope.group_objects != GroupObjects::InScope
        && !is_named_object(job, object)
    {
        return Err(WhyOut::NotNamed);
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
    passes_filter(job, object, grants, groups)
}

/// The same, as if a list of names brought the object in: what no name can change. What comes by a
/// name brings no role, so the filter sees now what it would see then.
fn judge_as_named(
    job: &Job,
    object: &SourceObject,
    grants: &[Grant],
    groups: &[GroupAround],
) -> Result<(), WhyOut> {
    may_belong(job, object)?;
    passes_filter(job, object, grants, groups)
}

/// The list of names that could have led to another verdict.
fn list_behind(job: &Job, kind: ObjectKind, why: &WhyOut) -> Option<Naming> {
    match why {
        WhyOut::NotAssigned
        | WhyOut::NotInUnit
        | WhyOut::NotSecurityEnabled
        | WhyOut::SecurityNotRead
        | WhyOut::NotNamed => {
            Some(match (kind, &job.scope.group_objects) {
                // A group that is named needs nothing else, and one that is not has no other way.
                (ObjectKind::Group, GroupObjects::Named(_)) => Naming::Provision,
                (ObjectKind::Group, GroupObjects::InScope) | (ObjectKind::User, _) => {
                    match &job.scope.mode {
                        ScopeMode::AdministrativeUnits(_) => Naming::ScopeUnits,
                        ScopeMode::Assigned | ScopeMode::All | ScopeMode::Groups(_) => {
                            Naming::ScopeGroups
                        }
                    }
                }
            })
        }
        // Of each filter the first clause that fails is reported: what comes after it changes nothing.
        WhyOut::Filter(failures) => failures
            .iter()
            .any(|failure| failure.attribute == source::MEMBER_OF)
            .then_some(Naming::Filter(kind)),
        WhyOut::DefaultAccessOnly | WhyOut::Excluded | WhyOut::KindDisabled => None,
    }
}

/// Whether neither the job's kinds nor its exclusions keep the object out.
fn may_belong(job: &Job, object: &SourceObject) -> Result<(), WhyOut> {
    if !job.rules(object.kind).enabled {
        return Err(WhyOut::KindDisabled);
    }
    let is_named = |name: &String| {
        name.eq_ignore_ascii_case(object.id.as_str())
            || object
                .attributes
                .text("userPrincipalName")
                .is_some_and(|principal_name| principal_name.eq_ignore_ascii_case(name))
            || (object.kind == ObjectKind::Group && name.eq_ignore_ascii_case(object.label()))
    };
    if job.scope.exclude.iter().any(is_named) {
        return Err(WhyOut::Excluded);
    }
    Ok(())
}

fn passes_filter(
    job: &Job,
    object: &SourceObject,
    grants: &[Grant],
    groups: &[GroupAround],
) -> Result<(), WhyOut> {
    let filter = &job.rules(object.kind).filter;
    let judged = with_values(object, grants, groups, |lookup| filter.judge(lookup));
    judged.map_err(WhyOut::Filter)
}

/// Every clause of the job's filter of this kind, with the value that it sees.
pub(crate) fn clauses(
    job: &Job,
    object: &SourceObject,
    grants: &[Grant],
    groups: &[GroupAround],
) -> Vec<ClauseResult> {
    let filter = &job.rules(object.kind).filter;
    with_values(object, grants, groups, |lookup| filter.results(lookup))
}

/// What a filter sees of an object.
fn with_values<T>(
    object: &SourceObject,
    grants: &[Grant],
    groups: &[GroupAround],
    filter: impl FnOnce(&dyn Fn(&str) -> Option<Value>) -> T,
) -> T {
    let roles_held = roles_of(grants);
    let input = Input::new(object, &roles_held, object.presence != Presence::Present);
    filter(&|name| match name {
        source::APP_ROLE_ASSIGNMENTS => {
            Some(Value::List(roles_held.iter().map(role_text).collect()))
        }
        source::MEMBER_OF => Some(Value::List(groups_text(groups))),
        _ => input.value(name).cloned(),
    })
}

/// Whether the scoping filter of this kind asks for the groups that an object is in.
pub(crate) fn reads_groups(job: &Job, kind: ObjectKind) -> bool {
    let rules = job.rules(kind);
    rules.enabled && rules.filter.attributes().contains(source::MEMBER_OF)
}

fn role_text(role: &AppRole) -> Value {
    Value::text(role.value_or_name())
}

/// First the names, which a reader knows, then the ids.
fn groups_text(groups: &[GroupAround]) -> Vec<Value> {
    let names = groups.iter().map(|group| group.name.as_str());
    let ids = groups.iter().map(|group| group.id.as_str());
    names.chain(ids).map(Value::text).collect()
}

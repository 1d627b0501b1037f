//! Which source objects are in scope, through what, and which rule says no.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::expr::AppRole;
use super::job::{Job, ScopeMode};
use super::mapping::Subject;
use super::model::{
    Assignment, DEFAULT_ACCESS_ROLE, Grant, ObjectKind, Presence, SourceId, SourceObject, Value,
    Via, source,
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

/// A group that an object is in, as a scoping filter may name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GroupAround {
    pub(crate) id: SourceId,
    pub(crate) name: String,
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
/// `groups` are those that the object is in; they are asked for only where [`reads_groups`].
pub(crate) fn judge(
    job: &Job,
    object: &SourceObject,
    grants: &[Grant],
    groups: &[GroupAround],
) -> Result<(), WhyOut> {
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
    let roles = roles_of(grants);
    let subject = Subject::new(object, &roles, object.presence != Presence::Present);
    rules
        .filter
        .judge(&|name| match name {
            source::APP_ROLE_ASSIGNMENTS => {
                Some(Value::List(roles.iter().map(role_text).collect()))
            }
            source::MEMBER_OF => Some(Value::List(groups_text(groups))),
            _ => subject.value(name).cloned(),
        })
        .map_err(WhyOut::Filter)
}

/// Whether the scoping filter of this kind asks for the groups that an object is in.
pub(crate) fn reads_groups(job: &Job, kind: ObjectKind) -> bool {
    let rules = job.rules(kind);
    rules.enabled && rules.filter.attributes().contains(source::MEMBER_OF)
}

/// A role's value, or its display name where the application gave it none.
fn role_text(role: &AppRole) -> Value {
    Value::text(role.value.as_ref().unwrap_or(&role.display_name))
}

/// First the names, which a reader knows, then the ids.
fn groups_text(groups: &[GroupAround]) -> Vec<Value> {
    let names = groups.iter().map(|group| group.name.as_str());
    let ids = groups.iter().map(|group| group.id.as_str());
    names.chain(ids).map(Value::text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::filter::{Clause, ClauseFailure, ClauseGroup, Filter};
    use crate::engine::job::{Actions, Limit, Limits, Rules, Scope, WhenOutOfScope};
    use crate::engine::model::{Attributes, JobName};

    fn job(mode: ScopeMode) -> Job {
        let rules = Rules {
            enabled: true,
            actions: Actions {
                create: true,
                update: true,
                delete: true,
            },
            when_out_of_scope: WhenOutOfScope::Disable,
            filter: Filter::default(),
            mappings: Vec::new(),
        };
        Job {
            name: JobName::new("demo"),
            users: rules.clone(),
            groups: rules,
            scope: Scope {
                mode,
                nested_groups: true,
                exclude: Vec::new(),
                exclude_default_access: false,
            },
            limits: Limits {
                max_deletions: Limit::Count(500),
            },
        }
    }

    fn filtered(attribute: &str, operator: &str, value: Option<&str>) -> Job {
        let clause = Clause::new(attribute, operator, value).expect("a clause");
        let mut job = job(ScopeMode::Assigned);
        job.users.filter.groups = vec![ClauseGroup {
            name: None,
            clauses: vec![clause],
        }];
        job
    }

    fn id(name: &str) -> SourceId {
        SourceId::new(name)
    }

    fn object(kind: ObjectKind, name: &str) -> SourceObject {
        let mut attributes = Attributes::default();
        attributes.set("displayName", Value::text(name));
        SourceObject {
            kind,
            id: id(name),
            presence: Presence::Present,
            attributes,
        }
    }

    fn held(value: Option<&str>, name: &str) -> Grant {
        Grant {
            via: Via::Direct,
            role: Some(AppRole {
                id: name.to_owned(),
                value: value.map(str::to_owned),
                display_name: name.to_owned(),
            }),
        }
    }

    #[test]
    fn a_filter_sees_the_groups_around_by_name_and_by_id() {
        let around = ["Sales", "EMEA"].map(|name| GroupAround {
            id: id(&format!("id-of-{name}")),
            name: name.to_owned(),
        });
        let jane = object(ObjectKind::User, "jane");
        let grants = [held(None, "User")];
        let passes = |operator, value, around: &[GroupAround]| {
            let job = filtered("memberOf", operator, value);
            assert!(reads_groups(&job, ObjectKind::User));
            assert!(!reads_groups(&job, ObjectKind::Group));
            judge(&job, &jane, &grants, around).is_ok()
        };
        assert!(passes("EQUALS", Some("EMEA"), &around));
        assert!(passes("EQUALS", Some("id-of-Sales"), &around));
        assert!(!passes("EQUALS", Some("sales"), &around));
        assert!(!passes("NOT EQUALS", Some("EMEA"), &around));
        assert!(passes("NOT EQUALS", Some("APAC"), &around));
        assert!(passes("IS NULL", None, &[]));
        // Null is never unequal, as Entra has it: who is in no group needs IS NULL.
        assert!(!passes("NOT EQUALS", Some("APAC"), &[]));
    }

    #[test]
    fn a_filter_sees_roles_by_their_value_else_by_their_name() {
        let jane = object(ObjectKind::User, "jane");
        let grants = [held(Some("admin.all"), "Admin"), held(None, "User")];
        let judge = |value| {
            judge(
                &filtered("appRoleAssignments", "EQUALS", Some(value)),
                &jane,
                &grants,
                &[],
            )
        };
        assert_eq!(judge("admin.all"), Ok(()));
        assert_eq!(judge("User"), Ok(()));
        assert_eq!(
            judge("Admin"),
            Err(WhyOut::Filter(vec![ClauseFailure {
                clause: "appRoleAssignments EQUALS \"Admin\"".to_owned(),
                value: Some("admin.all, User".to_owned()),
            }]))
        );
    }

    #[test]
    fn a_filter_sees_the_manager_by_its_id() {
        let mut jane = object(ObjectKind::User, "jane");
        let grants = [held(None, "User")];
        let passes = |jane: &SourceObject, operator, value| {
            judge(&filtered("manager", operator, value), jane, &grants, &[]).is_ok()
        };
        assert!(passes(&jane, "IS NULL", None));
        jane.attributes.set("manager", Value::Reference(id("boss")));
        assert!(passes(&jane, "IS NOT NULL", None));
        assert!(passes(&jane, "EQUALS", Some("boss")));
        assert!(!passes(&jane, "EQUALS", Some("other")));
    }
}

//! The names by which a configuration means objects of the tenant, and those that do not mean exactly
//! one: a name with a typo, and one that a person changed in the tenant, look alike from here.

use super::filter::{Clause, Operator};
use super::job::{GroupObjects, Job, ScopeMode};
use super::model::source::MEMBER_OF;
use super::model::{ObjectKind, SourceId, near};

/// A list of the configuration that names objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Naming {
    /// Groups whose members belong.
    ScopeGroups,
    /// Administrative units whose members belong.
    ScopeUnits,
    /// Groups that exist in the target.
    Provision,
    /// Who is left out.
    Exclude,
    /// Groups that the scoping filter of a kind asks for.
    Filter(ObjectKind),
    /// Objects that are never disabled or deleted.
    NeverDisable,
    /// Groups that keep so many members.
    MinMembers,
    /// Groups for which something else is done when they leave the scope.
    Exceptions,
}

impl Naming {
    /// The key of the list, inside the job.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::ScopeGroups => "scope.groups",
            Self::ScopeUnits => "scope.administrative_units",
            Self::Provision => "groups.provision",
            Self::Exclude => "scope.exclude",
            Self::Filter(ObjectKind::User) => "users.filters",
            Self::Filter(ObjectKind::Group) => "groups.filters",
            Self::NeverDisable => "safety.never_disable",
            Self::MinMembers => "safety.min_members",
            Self::Exceptions => "groups.exceptions",
        }
    }
}

/// An entry that names nothing, or more than one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misnamed {
    pub(crate) list: Naming,
    pub(crate) name: String,
    /// What it names: none, or several.
    pub(crate) found: Vec<SourceId>,
    /// Names that may have been meant.
    pub(crate) nearest: Vec<String>,
}

impl Misnamed {
    /// `known` are the names among which the nearest are looked for, where nothing was found.
    pub(crate) fn new<'n>(
        list: Naming,
        name: &str,
        found: Vec<SourceId>,
        known: impl IntoIterator<Item = &'n str>,
    ) -> Self {
        Self {
            list,
            name: name.to_owned(),
            nearest: if found.is_empty() {
                let near = near(name, known).into_iter();
                near.take(NAMES_OFFERED).map(str::to_owned).collect()
            } else {
                Vec::new()
            },
            found,
        }
    }

    /// Whether people or groups look as if they had left the scope, only because of this entry. What
    /// names several groups means all of them, and who should have been left out is only added.
    pub(crate) fn casts_doubt_on_removals(&self) -> bool {
        match self.list {
            Naming::ScopeGroups | Naming::ScopeUnits | Naming::Provision | Naming::Filter(_) => {
                self.found.is_empty()
            }
            Naming::Exclude | Naming::NeverDisable | Naming::MinMembers | Naming::Exceptions => {
                false
            }
        }
    }
}

/// Every entry of the lists that have an effect in this job.
pub(crate) fn entries(job: &Job) -> Vec<(Naming, &str)> {
    let mut entries = Vec::new();
    if let ScopeMode::Groups(names) = &job.scope.mode {
        entries.extend(names.iter().map(|name| (Naming::ScopeGroups, name)));
    }
    if let ScopeMode::AdministrativeUnits(names) = &job.scope.mode {
        entries.extend(names.iter().map(|name| (Naming::ScopeUnits, name)));
    }
    if let GroupObjects::Named(names) = &job.scope.group_objects
        && job.groups.enabled
    {
        entries.extend(names.iter().map(|name| (Naming::Provision, name)));
    }
    let excluded = job.scope.exclude.iter();
    entries.extend(excluded.map(|name| (Naming::Exclude, name)));
    let protected = job.safety.never_disable.iter();
    entries.extend(protected.map(|name| (Naming::NeverDisable, name)));
    let groups = job.safety.min_members.iter();
    entries.extend(groups.map(|(name, _)| (Naming::MinMembers, name)));
    let exceptions = job.groups.exceptions.iter();
    entries.extend(exceptions.map(|one| (Naming::Exceptions, &one.group)));
    let mut entries: Vec<_> = entries
        .into_iter()
        .map(|(list, name)| (list, name.as_str()))
        .collect();
    for kind in ObjectKind::ALL {
        let rules = job.rules(kind);
        let groups = rules.filter.groups.iter().filter(|_| rules.enabled);
        let clauses = groups.flat_map(|group| &group.clauses);
        // Other operators ask for a part of a name, or for those who are not inside.
        let names = clauses
            .filter(|clause| clause.attribute() == MEMBER_OF)
            .filter(|clause| clause.operator() == Operator::Equals)
            .filter_map(Clause::operand);
        entries.extend(names.map(|name| (Naming::Filter(kind), name)));
    }
    entries
}

/// So many names are offered in place of one.
const NAMES_OFFERED: usize = 3;

//! A job as the engine sees it: rules for users and groups, scope and limits; nothing of how the
//! source or the target is reached.

use std::collections::BTreeMap;
use std::time::Duration;

use super::filter::Filter;
use super::mapping::{Mapping, Mappings, OnDrift};
use super::model::{JobName, ObjectKind, SourceObject};
use super::window::Window;

#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) name: JobName,
    pub(crate) users: Rules,
    pub(crate) groups: Rules,
    pub(crate) scope: Scope,
    /// The target should have each person in one group only: plans warn of those in several.
    pub(crate) one_group_each: bool,
    /// The target takes groups as members of groups.
    pub(crate) nested_members: bool,
    pub(crate) limits: Limits,
    pub(crate) safety: Safety,
}

impl Job {
    /// What is done where the target holds something else at the mapping's path.
    pub(crate) fn on_drift(&self, mapping: &Mapping) -> OnDrift {
        mapping.on_drift.unwrap_or(self.safety.on_drift)
    }

    pub(crate) fn rules(&self, kind: ObjectKind) -> &Rules {
        match kind {
            ObjectKind::User => &self.users,
            ObjectKind::Group => &self.groups,
        }
    }
}

/// What is done with one kind of object.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) enabled: bool,
    pub(crate) actions: Actions,
    pub(crate) when_out_of_scope: WhenOutOfScope,
    /// Groups for which something else is done than `when_out_of_scope`.
    pub(crate) exceptions: Vec<Exception>,
    /// Users only: a user whose sign-in is blocked is created, as inactive.
    pub(crate) create_blocked: bool,
    /// Users only: who left and was disabled so long ago is deleted.
    pub(crate) delete_after: Option<Duration>,
    pub(crate) filter: Filter,
    pub(crate) mappings: Mappings,
}

/// Which target object actions are allowed (Entra: create, update, delete). A disable is an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Actions {
    pub(crate) create: bool,
    pub(crate) update: bool,
    pub(crate) delete: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenOutOfScope {
    /// Users only: the mappings that read `IsSoftDeleted` are sent. Groups have no such state and
    /// are deleted instead, as Entra does.
    Disable,
    Delete,
    /// Groups only: the members are taken out, and the group stays.
    Empty,
    Keep,
}

impl WhenOutOfScope {
    /// The word for it in the configuration.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Delete => "delete",
            Self::Empty => "empty",
            Self::Keep => "keep",
        }
    }
}

/// What is done with one group that leaves the scope, whatever is done with the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exception {
    /// Its id or display name.
    pub(crate) group: String,
    pub(crate) when_out_of_scope: WhenOutOfScope,
}

/// Who belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) mode: ScopeMode,
    /// Members of members too, however deep.
    pub(crate) nested_groups: bool,
    /// Ids or principal names of objects that never belong.
    pub(crate) exclude: Vec<String>,
    /// Leave out who holds nothing but the Default Access role.
    pub(crate) exclude_default_access: bool,
    pub(crate) group_objects: GroupObjects,
}

/// Which groups are provisioned as objects, whichever groups bring people in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GroupObjects {
    /// Those that the mode brings into scope.
    InScope,
    /// These and no others, by id or display name; no assignment needed.
    Named(Vec<String>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ScopeMode {
    /// Who is assigned to the application, and the members of assigned groups.
    Assigned,
    All,
    /// Members of these groups, by id or display name; no assignment needed.
    Groups(Vec<String>),
    /// What is in these administrative units, by id or display name; no assignment needed.
    AdministrativeUnits(Vec<String>),
}

/// The safety limits of a job, over 24 hours; `None` is the default (see `guard`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Disables and deletes, of users and of groups apart.
    pub(crate) max_deletions: Option<Limit>,
    /// Members taken out of groups.
    pub(crate) max_membership_removals: Option<Limit>,
    /// Objects that are created; `None`: any number.
    pub(crate) max_creations: Option<u64>,
    /// Active accounts that stay at least.
    pub(crate) min_active: Option<u64>,
}

/// What of `[jobs.safety]` is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Safety {
    pub(crate) on_drift: OnDrift,
    /// Ids, addresses or names of objects that are never removed, with `*` for anything.
    pub(crate) never_disable: Vec<String>,
    /// Target objects that were there before are never removed.
    pub(crate) only_created: bool,
    /// Groups, by id or display name, and how many members they keep at least.
    pub(crate) min_members: BTreeMap<String, u64>,
    /// When deletes may be sent; `None`: at any time.
    pub(crate) deletes: Option<Window>,
}

impl Rules {
    /// Whether an account can be disabled.
    pub(crate) fn can_disable(&self) -> bool {
        self.mappings.carry_state() && self.actions.update
    }

    /// As for a target that deletes nothing: users that leave are disabled.
    pub(crate) fn disable_instead_of_delete(&mut self) {
        if self.when_out_of_scope == WhenOutOfScope::Delete {
            self.when_out_of_scope = WhenOutOfScope::Disable;
        }
        self.actions.delete = false;
        self.delete_after = None;
    }

    /// Whether all members can be taken out of a group.
    pub(crate) fn can_empty(&self) -> bool {
        let mut mappings = self.mappings.iter();
        self.actions.update && mappings.any(|mapping| mapping.target.is_members())
    }

    /// As for a target that deletes no groups: those that are no longer provisioned are emptied.
    pub(crate) fn empty_instead_of_delete(&mut self) {
        let exceptions = self.exceptions.iter_mut();
        let policies = exceptions.map(|one| &mut one.when_out_of_scope);
        for policy in policies.chain([&mut self.when_out_of_scope]) {
            // A group has no state "disabled".
            if matches!(policy, WhenOutOfScope::Disable | WhenOutOfScope::Delete) {
                *policy = WhenOutOfScope::Empty;
            }
        }
    }

    /// What is done with this object when it no longer belongs.
    pub(crate) fn policy(&self, object: &SourceObject) -> WhenOutOfScope {
        let label = object.attributes.text("displayName");
        let names_it = |exception: &&Exception| {
            let names = [Some(object.id.as_str()), label];
            let name = exception.group.to_lowercase();
            names
                .into_iter()
                .flatten()
                .any(|one| one.to_lowercase() == name)
        };
        let exception = self.exceptions.iter().find(names_it);
        let policy = exception.map_or(self.when_out_of_scope, |one| one.when_out_of_scope);
        match (object.kind, policy) {
            // A group has no state "disabled": Entra deletes it.
            (ObjectKind::Group, WhenOutOfScope::Disable) => WhenOutOfScope::Delete,
            (_, policy) => policy,
        }
    }

    /// How long after it was disabled an object is deleted. `None`: it is not, or not after a time.
    pub(crate) fn stages(&self) -> Option<Duration> {
        let is_staged =
            self.when_out_of_scope == WhenOutOfScope::Disable && self.mappings.carry_state();
        self.delete_after
            .filter(|_| is_staged && self.actions.delete)
    }
}

impl Safety {
    /// Whether one of the entries names the object.
    pub(crate) fn is_protected(&self, object: &SourceObject) -> bool {
        self.protecting(object).next().is_some()
    }

    /// The entries of `never_disable` that name the object.
    pub(crate) fn protecting(&self, object: &SourceObject) -> impl Iterator<Item = &String> {
        let names = ["userPrincipalName", "mail", "displayName"];
        let names = names
            .into_iter()
            .filter_map(|name| object.attributes.text(name));
        // Graph puts the id in front of the principal name of one in the recycle bin.
        let names: Vec<String> = names
            .flat_map(|name| [Some(name), unmangled(name)])
            .flatten()
            .chain([object.id.as_str()])
            .map(str::to_owned)
            .collect();
        let names_it = move |pattern: &&String| names.iter().any(|name| is_like(pattern, name));
        self.never_disable.iter().filter(names_it)
    }
}

/// A principal name without the 32 hexadecimal digits that deletion puts in front of it.
fn unmangled(name: &str) -> Option<&str> {
    let (digits, rest) = name.split_at_checked(32)?;
    digits
        .chars()
        .all(|digit| digit.is_ascii_hexdigit())
        .then_some(rest)
}

/// Whether a name is as the pattern says, where `*` stands for anything; case does not count.
pub(crate) fn is_like(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_lowercase(), name.to_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(place) => rest = &rest[place + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Count(u64),
    /// Of the users, groups or memberships that the job has linked.
    Percent(u8),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_and_case_does_not_count() {
        for (pattern, name) in [
            ("jane@contoso.com", "Jane@Contoso.com"),
            ("*@contoso.com", "jane@contoso.com"),
            ("admin*", "Admin-7@contoso.com"),
            ("a*m*@*.com", "admin@contoso.com"),
            ("*", "anything"),
        ] {
            assert!(is_like(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("jane", "jane@contoso.com"),
            ("*@contoso.com", "jane@contoso.com.example"),
            ("ab*ba", "aba"),
            ("", "jane"),
        ] {
            assert!(!is_like(pattern, name), "{pattern} {name}");
        }
    }
}

//! A job as the engine sees it: rules for users and groups, scope and limits; nothing of how the
//! source or the target is reached.

use super::filter::Filter;
use super::mapping::Mappings;
use super::model::{JobName, ObjectKind};

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
    Keep,
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
}

/// The safety limits of a job, over 24 hours; `None` is the default (see `guard`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Disables and deletes, of users and of groups apart.
    pub(crate) max_deletions: Option<Limit>,
    /// Members taken out of groups.
    pub(crate) max_membership_removals: Option<Limit>,
}

/// What of `[jobs.safety]` is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Safety {
    pub(crate) on_drift: OnDrift,
}

/// What is done where the target holds something else than was last written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnDrift {
    #[default]
    Repair,
    Report,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Count(u64),
    /// Of the users, groups or memberships that the job has linked.
    Percent(u8),
}

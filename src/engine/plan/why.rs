//! Why an object is removed, is out of scope, or is skipped, and what a plan warns of.

use chrono::TimeDelta;

use super::action::Subject;
use crate::engine::capabilities::Remark;
use crate::engine::filter::ClauseFailure;
use crate::engine::mapping::AttributeError;
use crate::engine::model::{Key, MatchKey, ObjectKind, TargetId};
use crate::engine::plan::Drifted;
use crate::engine::quarantine::Quarantine;

/// Why an object is disabled or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WhyRemoved {
    OutOfScope(WhyOut),
    /// Sign-in is blocked (`accountEnabled` is false).
    Blocked,
    /// What the mapping of `active` gives for a user who is in scope and not blocked.
    Mapping,
    /// In the source's recycle bin.
    SoftDeleted,
    /// Deleted in the source for good.
    Deleted,
    /// A complete reading did not report it any more.
    Missing,
}

impl WhyRemoved {
    pub(super) fn class(&self, kind: ObjectKind) -> RemovalClass {
        match (kind, self) {
            (ObjectKind::Group, _) => RemovalClass::Group,
            (ObjectKind::User, Self::Blocked | Self::SoftDeleted | Self::Deleted) => {
                RemovalClass::Certain
            }
            (ObjectKind::User, Self::OutOfScope(_) | Self::Missing | Self::Mapping) => {
                RemovalClass::User
            }
        }
    }

    /// The one word for it in JSON and in the state.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::OutOfScope(out) => out.as_str(),
            Self::Blocked => "blocked",
            Self::Mapping => "mapping",
            Self::SoftDeleted => "soft-deleted",
            Self::Deleted => "deleted",
            Self::Missing => "missing",
        }
    }
}

/// The classes in which removals are judged, each apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RemovalClass {
    /// Users who were read as blocked or deleted.
    Certain,
    /// Other users.
    User,
    Group,
    Membership,
}

impl RemovalClass {
    pub(crate) const ALL: [Self; 4] = [Self::Certain, Self::User, Self::Group, Self::Membership];
}

/// Why an object is not in scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WhyOut {
    NotAssigned,
    /// In none of the administrative units of the scope.
    NotInUnit,
    /// Only assignments of groups bring it in whose `securityEnabled` is false: Entra supports assignment
    /// for security groups and for Microsoft 365 groups that are security-enabled.
    NotSecurityEnabled,
    /// As before, but `securityEnabled` was not read: whether the assignment counts is not known.
    SecurityNotRead,
    /// A group that `groups.provision` does not name, though something brings it into scope.
    NotNamed,
    DefaultAccessOnly,
    /// Named in `scope.exclude`.
    Excluded,
    /// No group of clauses holds; the first failing clause of each.
    Filter(Vec<ClauseFailure>),
    /// The job does not provision this kind.
    KindDisabled,
}

impl WhyOut {
    /// The one word for it in JSON and in the state.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::NotAssigned => "not-assigned",
            Self::NotInUnit => "not-in-unit",
            Self::NotSecurityEnabled => "not-security-enabled",
            Self::SecurityNotRead => "security-not-read",
            Self::NotNamed => "not-named",
            Self::DefaultAccessOnly => "default-access-only",
            Self::Excluded => "excluded",
            Self::Filter(_) => "filter",
            Self::KindDisabled => "kind-disabled",
        }
    }
}

/// Something that the target will not like, though it may be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Warning {
    /// A person who would be in several groups of a target that should have each person in one.
    SeveralGroups {
        person: Subject,
        groups: Vec<Subject>,
    },
    /// A group whose member groups are left out, because the target takes no groups as members.
    NestedMembers {
        group: Subject,
        members: Vec<Subject>,
    },
    /// The target object of a link is gone or another: the link is dropped, and the object matched again.
    MatchedAnew { subject: Subject, target: TargetId },
    /// A mapping that does not fit what the target reports.
    Misfit(Remark),
    /// The target holds something else than was last written.
    Drift(Drifted),
    /// Because of it, creates and updates are tried only now and then.
    Quarantine(Quarantine),
    /// Our clock and the source's differ, so that nothing is old enough to be deleted.
    ClocksDiffer {
        /// By how much ours is ahead.
        ahead: TimeDelta,
    },
}

impl Warning {
    /// The word for it in JSON.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::SeveralGroups { .. } => "several-groups",
            Self::NestedMembers { .. } => "nested-members",
            Self::MatchedAnew { .. } => "matched-anew",
            Self::Misfit(Remark::ReadOnly { .. }) => "read-only-attribute",
            Self::Misfit(Remark::Unknown { .. }) => "unknown-attribute",
            Self::Misfit(Remark::Missing { .. }) => "required-attribute",
            Self::Misfit(Remark::Rewritten { .. }) => "rewritten-attribute",
            Self::Drift(_) => "drift",
            Self::Quarantine(_) => "quarantine",
            Self::ClocksDiffer { .. } => "clocks-differ",
        }
    }
}

/// What is not done, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Skipped {
    pub(crate) subject: Subject,
    pub(crate) why: Why,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    OutOfScope(WhyOut),
    /// Sign-in is blocked and the target does not know the person: nothing is created.
    BlockedNotCreated,
    /// Every matching attribute is empty in the source (`ImportSkipped`).
    NoMatchingValue,
    /// An expression asked for the object to be left alone (`IgnoreObjectFlow`).
    IgnoredByMapping,
    /// Several target objects hold the matching value (`DuplicateTargetEntries`).
    Ambiguous {
        key: MatchKey,
        targets: Vec<TargetId>,
    },
    /// The one match is linked to another source object already.
    Taken {
        key: MatchKey,
        target: TargetId,
        by: Key,
    },
    /// Another source object of this plan has the same matching value (`DuplicateSourceEntries`).
    DuplicateSource {
        key: MatchKey,
        other: Key,
    },
    /// No matching value finds it, but an old address of the user finds this account, and an operator must
    /// decide whether it is the same person.
    OldAddress {
        key: MatchKey,
        target: TargetId,
    },
    /// It needs a name that another object keeps in the target: the removal that would free it waits.
    NameKept {
        by: Key,
    },
    MappingFailed(Vec<AttributeError>),
    /// The job's `actions` do not allow it.
    NotAllowed(Verb),
    /// `when_out_of_scope = "keep"`.
    Kept(WhyRemoved),
    /// It would lose its access, but `never_disable` names it.
    NeverDisabled,
    /// It would be removed, but it was in the target before (`only_created`).
    NotCreatedHere,
    /// Should be disabled, but no mapping carries that state to the target: the user keeps access until
    /// a person configures it.
    CannotDisable(WhyRemoved),
    /// Would be removed, but the source was not read completely, or the scope names what is not there.
    IncompleteRead(WhyRemoved),
    /// Would be removed, but no cycle of the job has completed yet.
    FirstCycle(RemovalClass),
    /// Would be deleted, but not at this time of the week.
    DeletesWait,
    /// It was to be deleted some time after it was disabled, and was enabled in the target since.
    EnabledSince,
    /// The target takes no group without members, and this one has none in it yet.
    NoMember,
    /// The look-up in the target failed; the target's own words.
    LookupFailed(String),
}

impl Why {
    /// Whether someone must act: such objects count as failed and are tried again.
    pub(crate) fn is_failure(&self) -> bool {
        match self {
            Self::Ambiguous { .. }
            | Self::OldAddress { .. }
            | Self::Taken { .. }
            | Self::DuplicateSource { .. }
            | Self::MappingFailed(_)
            | Self::CannotDisable(_)
            | Self::LookupFailed(_) => true,
            Self::OutOfScope(_)
            | Self::BlockedNotCreated
            | Self::NoMatchingValue
            | Self::IgnoredByMapping
            | Self::NameKept { .. }
            | Self::NotAllowed(_)
            | Self::Kept(_)
            | Self::NeverDisabled
            | Self::NotCreatedHere
            | Self::FirstCycle(_)
            | Self::DeletesWait
            | Self::EnabledSince
            | Self::NoMember
            | Self::IncompleteRead(_) => false,
        }
    }

    /// The other source object that the reason names.
    pub(crate) fn other(&self) -> Option<Key> {
        match self {
            Self::Taken { by: other, .. }
            | Self::NameKept { by: other }
            | Self::DuplicateSource { other, .. } => Some(*other),
            Self::OutOfScope(_)
            | Self::BlockedNotCreated
            | Self::NoMatchingValue
            | Self::IgnoredByMapping
            | Self::Ambiguous { .. }
            | Self::OldAddress { .. }
            | Self::MappingFailed(_)
            | Self::NotAllowed(_)
            | Self::Kept(_)
            | Self::NeverDisabled
            | Self::NotCreatedHere
            | Self::CannotDisable(_)
            | Self::IncompleteRead(_)
            | Self::FirstCycle(_)
            | Self::DeletesWait
            | Self::EnabledSince
            | Self::NoMember
            | Self::LookupFailed(_) => None,
        }
    }
}

impl Why {
    /// The word for [`Why::OutOfScope`].
    pub(crate) const OUT_OF_SCOPE: &'static str = "out-of-scope";

    /// The word for it in summaries and in JSON.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::OutOfScope(_) => Self::OUT_OF_SCOPE,
            Self::BlockedNotCreated => "blocked",
            Self::NoMatchingValue => "no-matching-value",
            Self::IgnoredByMapping => "ignored-by-mapping",
            Self::Ambiguous { .. } => "ambiguous",
            Self::Taken { .. } => "taken",
            Self::DuplicateSource { .. } => "duplicate-source",
            Self::MappingFailed(_) => "mapping-failed",
            Self::NotAllowed(_) => "not-allowed",
            Self::Kept(_) => "kept",
            Self::NeverDisabled => "never-disable",
            Self::NotCreatedHere => "not-created-here",
            Self::CannotDisable(_) => "cannot-disable",
            Self::IncompleteRead(_) => "incomplete-read",
            Self::FirstCycle(_) => "first-cycle",
            Self::DeletesWait => "deletes-wait",
            Self::EnabledSince => "enabled-since",
            Self::NoMember => "no-member",
            Self::LookupFailed(_) => "lookup-failed",
            Self::OldAddress { .. } => "old-address",
            Self::NameKept { .. } => "name-kept",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verb {
    Create,
    Update,
    Delete,
}

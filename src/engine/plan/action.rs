//! The rows of a plan as data: what would be done, and what would not, and why. Printed, stored, carried
//! out and tested from these values; none of their readers recomputes anything.

use std::collections::BTreeMap;

use crate::engine::capabilities::Remark;
use crate::engine::filter::ClauseFailure;
use crate::engine::mapping::AttributeError;
use crate::engine::model::{
    Held, HeldReference, Key, MatchKey, ObjectKind, SourceId, SourceObject, TargetId, TargetPath,
    Value, Via,
};
use crate::engine::plan::{Drifted, Proof};

/// A number for each kind of object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) users: u64,
    pub(crate) groups: u64,
}

impl Count {
    pub(crate) fn add(&mut self, kind: ObjectKind) {
        match kind {
            ObjectKind::User => self.users += 1,
            ObjectKind::Group => self.groups += 1,
        }
    }

    pub(crate) fn total(self) -> u64 {
        self.users + self.groups
    }

    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            users: self.users + other.users,
            groups: self.groups + other.groups,
        }
    }
}

/// The source object that an action or a skip is about, with the name that reports print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) kind: ObjectKind,
    pub(crate) key: Key,
    pub(crate) id: SourceId,
    pub(crate) label: String,
}

impl Subject {
    pub(crate) fn of(object: &SourceObject) -> Self {
        Self {
            kind: object.kind,
            key: object.key,
            id: object.id.clone(),
            label: object.label().to_owned(),
        }
    }
}

/// Another object of the plan or of the target, such as a member or a manager. The state knows its
/// target id; it is filled in when the request is sent, because this plan may create the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Referenced {
    pub(crate) key: Key,
    pub(crate) target: Option<TargetId>,
}

impl Referenced {
    pub(crate) fn to(key: Key) -> Self {
        Self { key, target: None }
    }
}

/// One change to the target: which object, which resource, and what is done to it. Nothing is written
/// for a change that changes nothing, except that an adoption may find everything as it should be: it
/// then records the link and sends no request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Action {
    /// The source object; for memberships the group.
    pub(crate) subject: Subject,
    /// The resource that is written to; `None` when this plan creates it.
    pub(crate) target: Option<TargetId>,
    pub(crate) operation: Operation,
}

/// What an action does to its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create {
        attributes: BTreeMap<TargetPath, Value>,
        /// Sent with the create where the referenced object exists by then.
        references: Vec<(TargetPath, Referenced)>,
        /// Where the object is to be found if the answer to the create is lost.
        keys: Vec<MatchKey>,
        /// What brings it into scope.
        via: Vec<Via>,
    },
    /// A match in the target becomes this object's link.
    Adopt {
        /// Which key found it.
        key: MatchKey,
        /// What the target holds at the mapped paths.
        current: Held,
        changes: Vec<Change>,
        via: Vec<Via>,
        /// Whose it was, when it is handed over ([`HandOver`]).
        from: Option<Key>,
    },
    Update {
        changes: Vec<Change>,
    },
    /// An update by which `active` rises to true again.
    Enable {
        changes: Vec<Change>,
    },
    /// An update by which the user can no longer use the application.
    /// Only what carries that state is sent with it (product rule 16).
    Disable {
        changes: Vec<Change>,
        why: WhyRemoved,
        proof: Proof,
    },
    Delete {
        why: WhyRemoved,
        proof: Proof,
    },
    /// The account of a user who left becomes a newcomer's.
    HandOver(Box<HandOver>),
    AddMembers {
        members: Vec<Referenced>,
    },
    RemoveMembers {
        members: Vec<Referenced>,
        proof: Proof,
    },
    /// A reference of an object that is in the target already, such as its manager.
    SetReference {
        path: TargetPath,
        old: Option<HeldReference>,
        new: Pointer,
    },
}

/// An account that passes from a user who left to a newcomer who has the same matching value (safety.md
/// §3). The action is about the one who left, as the removal that it is: the account is disabled and read
/// back. What follows from that are rows of their own, one after another: out of all groups and references,
/// the newcomer's attributes, access for the newcomer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HandOver {
    pub(crate) to: Subject,
    /// What both share.
    pub(crate) key: MatchKey,
    pub(crate) why: WhyRemoved,
    pub(crate) proof: Proof,
    /// What ends the access; nothing where that was sent before.
    pub(crate) disable: Vec<Change>,
    /// What the account holds then, as far as was sent.
    pub(crate) current: BTreeMap<TargetPath, Value>,
    /// The paths at which it must show that nobody has access.
    pub(crate) state: Vec<TargetPath>,
    /// What makes it the newcomer's.
    pub(crate) changes: Vec<Change>,
    /// What gives the newcomer access.
    pub(crate) enable: Vec<Change>,
    pub(crate) via: Vec<Via>,
}

impl HandOver {
    /// Everything that changes, in the order in which it is sent.
    pub(crate) fn all_changes(&self) -> impl Iterator<Item = &Change> {
        let [one, two, three] = [&self.disable, &self.changes, &self.enable];
        one.iter().chain(two).chain(three)
    }
}

/// Where a reference leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pointer {
    To(Referenced),
    /// The same, where the target was just read to hold none: some servers replace only what is there.
    Added(Referenced),
    /// Nowhere any more.
    Cleared(Proof),
}

impl Pointer {
    pub(crate) fn referenced(&self) -> Option<&Referenced> {
        match self {
            Self::To(referenced) | Self::Added(referenced) => Some(referenced),
            Self::Cleared(_) => None,
        }
    }
}

/// One attribute's old and new value; `None` is "has no value". The two always differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) path: TargetPath,
    pub(crate) old: Option<Value>,
    pub(crate) new: Option<Value>,
    /// What becomes of the element that the path selects.
    pub(crate) element: ElementChange,
    pub(crate) written: WriteMode,
}

/// How the new value reaches the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WriteMode {
    Whole,
    /// By adding these elements, in the form that an add has; the new value is what is there then.
    Added(Vec<Value>),
    /// An element that is there with the new value, under another selector or none, gets the path's. Such
    /// changes come before all others of their element.
    Selected,
}

/// Whether the element of a multi-valued attribute that a path selects is there. Servers that follow
/// RFC 7644 section 3.5.2.3 answer `noTarget` to a replace in an element that is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ElementChange {
    /// The path selects none.
    None,
    /// It is not there yet: it must be added, with all its new sub-attributes at once.
    Added,
    Kept,
    /// Nothing of it stays: it must be removed as a whole.
    Removed,
}

/// The steps of rule 7, in the order in which they are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Disables,
    /// Renames and deletes that free a name which another object of the plan takes.
    Names,
    Users,
    Groups,
    AddMembers,
    References,
    RemoveMembers,
    Deletes,
    /// Creates that the target had no room for, once more: the removals may have made some.
    CreatesAgain,
}

/// Why an object is disabled or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WhyRemoved {
    OutOfScope(WhyOut),
    /// Sign-in is blocked (`accountEnabled` is false).
    Blocked,
    /// In the source's recycle bin.
    SoftDeleted,
    /// Deleted in the source for good.
    Deleted,
    /// A complete reading did not report it any more.
    Missing,
}

impl WhyRemoved {
    fn class(&self, kind: ObjectKind) -> RemovalClass {
        match (kind, self) {
            (ObjectKind::Group, _) => RemovalClass::Group,
            (ObjectKind::User, Self::Blocked | Self::SoftDeleted | Self::Deleted) => {
                RemovalClass::Certain
            }
            (ObjectKind::User, Self::OutOfScope(_) | Self::Missing) => RemovalClass::User,
        }
    }

    /// The one word for it in JSON and in the state.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::OutOfScope(out) => out.as_str(),
            Self::Blocked => "blocked",
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
    /// The target object of a link is gone or another: the link is dropped, and the object matched anew.
    MatchedAnew { subject: Subject, target: TargetId },
    /// A mapping that does not fit what the target reports.
    Misfit(Remark),
    /// The target holds something else than was last written.
    Drift(Drifted),
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
            Self::Drift(_) => "drift",
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
    MappingFailed(Vec<AttributeError>),
    /// The job's `actions` do not allow it.
    NotAllowed(Verb),
    /// `when_out_of_scope = "keep"`.
    Kept(WhyRemoved),
    /// It would lose its access, but `never_disable` names it.
    NeverDisabled,
    /// Should be disabled, but no mapping carries that state to the target: the user keeps access until
    /// somebody configures it.
    CannotDisable(WhyRemoved),
    /// Would be removed, but the source was not read completely, or the scope names what is not there.
    IncompleteRead(WhyRemoved),
    /// Would be removed, but no cycle of the job has completed yet.
    FirstCycle(RemovalClass),
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
            | Self::NotAllowed(_)
            | Self::Kept(_)
            | Self::NeverDisabled
            | Self::FirstCycle(_)
            | Self::IncompleteRead(_) => false,
        }
    }

    /// The other source object that the reason names.
    pub(crate) fn other(&self) -> Option<Key> {
        match self {
            Self::Taken { by: other, .. } | Self::DuplicateSource { other, .. } => Some(*other),
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
            | Self::CannotDisable(_)
            | Self::IncompleteRead(_)
            | Self::FirstCycle(_)
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
            Self::CannotDisable(_) => "cannot-disable",
            Self::IncompleteRead(_) => "incomplete-read",
            Self::FirstCycle(_) => "first-cycle",
            Self::LookupFailed(_) => "lookup-failed",
            Self::OldAddress { .. } => "old-address",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verb {
    Create,
    Update,
    Delete,
}

impl Action {
    pub(crate) fn step(&self) -> Step {
        match &self.operation {
            Operation::Create { .. }
            | Operation::Adopt { .. }
            | Operation::Update { .. }
            | Operation::Enable { .. } => match self.subject.kind {
                ObjectKind::User => Step::Users,
                ObjectKind::Group => Step::Groups,
            },
            Operation::AddMembers { .. } => Step::AddMembers,
            Operation::SetReference { .. } => Step::References,
            Operation::RemoveMembers { .. } => Step::RemoveMembers,
            Operation::Disable { .. } | Operation::HandOver(_) => Step::Disables,
            Operation::Delete { .. } => Step::Deletes,
        }
    }

    /// Whether the action takes something away (disable, delete, members taken out).
    pub(crate) fn is_removal(&self) -> bool {
        match &self.operation {
            Operation::Disable { .. }
            | Operation::Delete { .. }
            | Operation::HandOver(_)
            | Operation::RemoveMembers { .. } => true,
            Operation::Create { .. }
            | Operation::Adopt { .. }
            | Operation::Update { .. }
            | Operation::Enable { .. }
            | Operation::AddMembers { .. }
            | Operation::SetReference { .. } => false,
        }
    }

    /// The class by which a limit judges it; `None` for what takes nothing away.
    pub(crate) fn removal_class(&self) -> Option<RemovalClass> {
        match &self.operation {
            Operation::Disable { why, .. } | Operation::Delete { why, .. } => {
                Some(why.class(self.subject.kind))
            }
            Operation::HandOver(hand) => Some(hand.why.class(self.subject.kind)),
            Operation::RemoveMembers { .. } => Some(RemovalClass::Membership),
            Operation::Create { .. }
            | Operation::Adopt { .. }
            | Operation::Update { .. }
            | Operation::Enable { .. }
            | Operation::AddMembers { .. }
            | Operation::SetReference { .. } => None,
        }
    }

    /// How many objects it counts as: membership actions count their members, everything else is one.
    pub(crate) fn weight(&self) -> u64 {
        match &self.operation {
            Operation::AddMembers { members } | Operation::RemoveMembers { members, .. } => {
                members.len() as u64
            }
            Operation::Create { .. }
            | Operation::Adopt { .. }
            | Operation::Update { .. }
            | Operation::Enable { .. }
            | Operation::Disable { .. }
            | Operation::Delete { .. }
            | Operation::HandOver(_)
            | Operation::SetReference { .. } => 1,
        }
    }

    /// How many of its members have no target id, so that they are left out of the request.
    pub(crate) fn unresolved(&self) -> u64 {
        match &self.operation {
            Operation::AddMembers { members } | Operation::RemoveMembers { members, .. } => {
                members.iter().filter(|one| one.target.is_none()).count() as u64
            }
            Operation::Create { .. }
            | Operation::Adopt { .. }
            | Operation::Update { .. }
            | Operation::Enable { .. }
            | Operation::Disable { .. }
            | Operation::Delete { .. }
            | Operation::HandOver(_)
            | Operation::SetReference { .. } => 0,
        }
    }

    /// The operation's name, see [`Operation::as_str`].
    pub(crate) fn as_str(&self) -> &'static str {
        self.operation.as_str()
    }
}

impl Operation {
    /// The objects that it refers to: what a reference points to, members of a group.
    pub(crate) fn referenced(&self) -> Vec<&Referenced> {
        match self {
            Self::Create { references, .. } => references.iter().map(|(_, one)| one).collect(),
            Self::AddMembers { members } | Self::RemoveMembers { members, .. } => {
                members.iter().collect()
            }
            Self::SetReference { new, .. } => new.referenced().into_iter().collect(),
            Self::Adopt { .. }
            | Self::Update { .. }
            | Self::Enable { .. }
            | Self::Disable { .. }
            | Self::HandOver(_)
            | Self::Delete { .. } => Vec::new(),
        }
    }

    /// The same, to fill in target ids.
    pub(crate) fn referenced_mut(&mut self) -> Vec<&mut Referenced> {
        match self {
            Self::Create { references, .. } => references.iter_mut().map(|(_, one)| one).collect(),
            Self::AddMembers { members } | Self::RemoveMembers { members, .. } => {
                members.iter_mut().collect()
            }
            Self::SetReference {
                new: Pointer::To(one) | Pointer::Added(one),
                ..
            } => vec![one],
            Self::SetReference { .. }
            | Self::Adopt { .. }
            | Self::Update { .. }
            | Self::Enable { .. }
            | Self::Disable { .. }
            | Self::HandOver(_)
            | Self::Delete { .. } => Vec::new(),
        }
    }

    /// Every name, to choose from.
    pub(crate) const NAMES: [&'static str; 10] = [
        "create",
        "adopt",
        "update",
        "enable",
        "disable",
        "delete",
        "add-members",
        "remove-members",
        "set-reference",
        "hand-over",
    ];

    /// The one name in reports, JSON and the provisioning log.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Adopt { .. } => "adopt",
            Self::Update { .. } => "update",
            Self::Enable { .. } => "enable",
            Self::Disable { .. } => "disable",
            Self::Delete { .. } => "delete",
            Self::AddMembers { .. } => "add-members",
            Self::RemoveMembers { .. } => "remove-members",
            Self::SetReference { .. } => "set-reference",
            Self::HandOver(_) => "hand-over",
        }
    }
}

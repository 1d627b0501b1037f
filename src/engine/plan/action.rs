//! The plan as data: what would be done, in order, and what would not, and why. Printed, stored,
//! carried out and tested from these values; none of their readers recomputes anything.

use std::collections::BTreeMap;

use crate::engine::filter::ClauseFailure;
use crate::engine::mapping::AttributeError;
use crate::engine::model::{
    JobName, MatchKey, ObjectKind, SourceId, TargetId, TargetPath, Value, Via,
};
use crate::engine::names::Misnamed;
use crate::engine::redact::Redactions;

/// Everything a cycle would do to one job's target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) job: JobName,
    /// Whose values nobody is shown, though the target gets them.
    pub(crate) redactions: Redactions,
    /// In the order of product rule 7.
    actions: Vec<Action>,
    skipped: Vec<Skipped>,
    /// What a person should know and the plan does nothing about.
    pub(crate) warnings: Vec<Warning>,
    /// How many of those evaluated are in scope.
    pub(crate) in_scope: Count,
    /// Links in scope before this plan, and once it is carried out, whoever was evaluated.
    pub(crate) scope_before: u64,
    pub(crate) scope_after: u64,
    /// How many were evaluated.
    pub(crate) evaluated: Count,
    /// How many links the job had before.
    pub(crate) linked: Count,
    /// Why removals could not be derived; `None` when the reading was complete and the scope certain.
    pub(crate) incomplete: Option<String>,
    /// Names of the scope that do not mean exactly one object.
    pub(crate) misnamed: Vec<Misnamed>,
}

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
}

/// The source object that an action or a skip is about, with the name that reports print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) kind: ObjectKind,
    pub(crate) id: SourceId,
    pub(crate) label: String,
}

/// Another object of the plan or of the target: the target id is `None` when this plan creates it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Referenced {
    pub(crate) source: SourceId,
    pub(crate) target: Option<TargetId>,
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
        current: BTreeMap<TargetPath, Value>,
        changes: Vec<Change>,
        via: Vec<Via>,
    },
    Update {
        changes: Vec<Change>,
    },
    /// An update by which `active` rises to true again.
    Enable {
        changes: Vec<Change>,
    },
    /// An update by which the user can no longer use the application.
    Disable {
        changes: Vec<Change>,
        why: WhyRemoved,
    },
    Delete {
        why: WhyRemoved,
    },
    AddMembers {
        members: Vec<Referenced>,
    },
    RemoveMembers {
        members: Vec<(SourceId, TargetId)>,
    },
    /// A reference of an object that is in the target already, such as its manager.
    SetReference {
        path: TargetPath,
        old: Option<SourceId>,
        new: Option<Referenced>,
    },
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
    Users,
    Groups,
    AddMembers,
    References,
    RemoveMembers,
    Removals,
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

/// Something that the target will not like, though it may be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Warning {
    /// A person who would be in several groups of a target that should have each person in one.
    SeveralGroups {
        person: Subject,
        groups: Vec<Subject>,
    },
}

impl Warning {
    /// The word for it in JSON.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::SeveralGroups { .. } => "several-groups",
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
        by: SourceId,
    },
    /// Another source object of this plan has the same matching value (`DuplicateSourceEntries`).
    DuplicateSource {
        key: MatchKey,
        other: SourceId,
    },
    MappingFailed(Vec<AttributeError>),
    /// The job's `actions` do not allow it.
    NotAllowed(Verb),
    /// `when_out_of_scope = "keep"`.
    Kept(WhyRemoved),
    /// Should be disabled, but no mapping carries that state to the target.
    CannotDisable(WhyRemoved),
    /// Would be removed, but the source was not read completely, or the scope names what is not there.
    IncompleteRead(WhyRemoved),
    /// The look-up in the target failed; the target's own words.
    LookupFailed(String),
}

impl Why {
    /// Whether someone must act: such objects count as failed and are tried again.
    pub(crate) fn is_failure(&self) -> bool {
        match self {
            Self::Ambiguous { .. }
            | Self::Taken { .. }
            | Self::DuplicateSource { .. }
            | Self::MappingFailed(_)
            | Self::LookupFailed(_) => true,
            Self::OutOfScope(_)
            | Self::BlockedNotCreated
            | Self::NoMatchingValue
            | Self::IgnoredByMapping
            | Self::NotAllowed(_)
            | Self::Kept(_)
            | Self::CannotDisable(_)
            | Self::IncompleteRead(_) => false,
        }
    }
}

impl Why {
    /// The word for it in summaries and in JSON.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::OutOfScope(_) => "out-of-scope",
            Self::BlockedNotCreated => "blocked",
            Self::NoMatchingValue => "no-matching-value",
            Self::IgnoredByMapping => "ignored-by-mapping",
            Self::Ambiguous { .. } => "ambiguous",
            Self::Taken { .. } => "taken",
            Self::DuplicateSource { .. } => "duplicate-source",
            Self::MappingFailed(_) => "mapping-failed",
            Self::NotAllowed(_) => "not-allowed",
            Self::Kept(_) => "kept",
            Self::CannotDisable(_) => "cannot-disable",
            Self::IncompleteRead(_) => "incomplete-read",
            Self::LookupFailed(_) => "lookup-failed",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verb {
    Create,
    Update,
    Delete,
}

impl Plan {
    /// Sorts the actions into the order of rule 7, keeping the given order inside a step.
    pub(crate) fn new(
        job: JobName,
        redactions: Redactions,
        mut actions: Vec<Action>,
        skipped: Vec<Skipped>,
    ) -> Self {
        actions.sort_by_key(Action::step);
        Self {
            job,
            redactions,
            actions,
            skipped,
            warnings: Vec::new(),
            in_scope: Count::default(),
            scope_before: 0,
            scope_after: 0,
            evaluated: Count::default(),
            linked: Count::default(),
            incomplete: None,
            misnamed: Vec::new(),
        }
    }

    pub(crate) fn actions(&self) -> impl Iterator<Item = &Action> {
        self.actions.iter()
    }

    pub(crate) fn into_actions(self) -> impl Iterator<Item = Action> {
        self.actions.into_iter()
    }

    pub(crate) fn skipped(&self) -> impl Iterator<Item = &Skipped> {
        self.skipped.iter()
    }

    /// Parts the removals from the rest, for the guard.
    pub(crate) fn without_removals(mut self) -> (Self, Vec<Action>) {
        let (removals, rest) = self.actions.into_iter().partition(Action::is_removal);
        self.actions = rest;
        (self, removals)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }
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
            Operation::Disable { .. } | Operation::Delete { .. } => Step::Removals,
        }
    }

    /// Whether the action takes something away (disable, delete, members taken out).
    pub(crate) fn is_removal(&self) -> bool {
        match &self.operation {
            Operation::Disable { .. }
            | Operation::Delete { .. }
            | Operation::RemoveMembers { .. } => true,
            Operation::Create { .. }
            | Operation::Adopt { .. }
            | Operation::Update { .. }
            | Operation::Enable { .. }
            | Operation::AddMembers { .. }
            | Operation::SetReference { .. } => false,
        }
    }

    /// How many objects it counts as: membership actions count their members, everything else is one.
    pub(crate) fn weight(&self) -> u64 {
        match &self.operation {
            Operation::AddMembers { members } => members.len() as u64,
            Operation::RemoveMembers { members } => members.len() as u64,
            Operation::Create { .. }
            | Operation::Adopt { .. }
            | Operation::Update { .. }
            | Operation::Enable { .. }
            | Operation::Disable { .. }
            | Operation::Delete { .. }
            | Operation::SetReference { .. } => 1,
        }
    }

    /// The operation's name, see [`Operation::as_str`].
    pub(crate) fn as_str(&self) -> &'static str {
        self.operation.as_str()
    }
}

impl Operation {
    /// Every name, to choose from.
    pub(crate) const NAMES: [&'static str; 9] = [
        "create",
        "adopt",
        "update",
        "enable",
        "disable",
        "delete",
        "add-members",
        "remove-members",
        "set-reference",
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
        }
    }
}

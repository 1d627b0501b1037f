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

/// One change to the target. There is no variant for a change that changes nothing, except that an
/// adoption may find everything as it should be: it then records the link and sends no request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Create {
        subject: Subject,
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
        subject: Subject,
        target: TargetId,
        /// Which key found it.
        key: MatchKey,
        /// What the target holds at the mapped paths.
        current: BTreeMap<TargetPath, Value>,
        changes: Vec<Change>,
        via: Vec<Via>,
    },
    Update {
        subject: Subject,
        target: TargetId,
        changes: Vec<Change>,
    },
    /// An update by which `active` rises to true again.
    Enable {
        subject: Subject,
        target: TargetId,
        changes: Vec<Change>,
    },
    /// An update by which the person can no longer use the application.
    Disable {
        subject: Subject,
        target: TargetId,
        changes: Vec<Change>,
        why: WhyRemoved,
    },
    Delete {
        subject: Subject,
        target: TargetId,
        why: WhyRemoved,
    },
    AddMembers {
        group: Subject,
        target: Option<TargetId>,
        members: Vec<Referenced>,
    },
    RemoveMembers {
        group: Subject,
        target: TargetId,
        members: Vec<(SourceId, TargetId)>,
    },
    /// A reference of an object that is in the target already, such as its manager.
    SetReference {
        subject: Subject,
        target: Option<TargetId>,
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
    pub(crate) element: Element,
    pub(crate) written: Written,
}

/// How the new value reaches the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Whole,
    /// By adding these elements, in the form that an add has; the new value is what is there then.
    Added(Vec<Value>),
}

/// Whether the element of a multi-valued attribute that a path selects is there. Servers that follow
/// RFC 7644 section 3.5.2.3 answer `noTarget` to a replace in an element that is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
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
    /// The object that is changed.
    pub(crate) fn subject(&self) -> &Subject {
        match self {
            Self::Create { subject, .. }
            | Self::Adopt { subject, .. }
            | Self::Update { subject, .. }
            | Self::Enable { subject, .. }
            | Self::Disable { subject, .. }
            | Self::Delete { subject, .. }
            | Self::SetReference { subject, .. } => subject,
            Self::AddMembers { group, .. } | Self::RemoveMembers { group, .. } => group,
        }
    }

    pub(crate) fn step(&self) -> Step {
        match self {
            Self::Create { subject, .. }
            | Self::Adopt { subject, .. }
            | Self::Update { subject, .. }
            | Self::Enable { subject, .. } => match subject.kind {
                ObjectKind::User => Step::Users,
                ObjectKind::Group => Step::Groups,
            },
            Self::AddMembers { .. } => Step::AddMembers,
            Self::SetReference { .. } => Step::References,
            Self::RemoveMembers { .. } => Step::RemoveMembers,
            Self::Disable { .. } | Self::Delete { .. } => Step::Removals,
        }
    }

    /// Whether the action takes something away (disable, delete, members taken out).
    pub(crate) fn is_removal(&self) -> bool {
        match self {
            Self::Disable { .. } | Self::Delete { .. } | Self::RemoveMembers { .. } => true,
            Self::Create { .. }
            | Self::Adopt { .. }
            | Self::Update { .. }
            | Self::Enable { .. }
            | Self::AddMembers { .. }
            | Self::SetReference { .. } => false,
        }
    }

    /// Every [`Self::word`], to choose from.
    pub(crate) const WORDS: [&'static str; 9] = [
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

    /// The word for it in reports, logs and the provisioning log.
    pub(crate) fn word(&self) -> &'static str {
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

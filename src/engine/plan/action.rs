//! The rows of a plan as data: what would be done, and what would not, and why. Printed, stored, carried
//! out and tested from these values; none of their readers recomputes anything.

use std::collections::BTreeMap;

pub(crate) use super::why::{RemovalClass, Skipped, Verb, Warning, Why, WhyOut, WhyRemoved};
use crate::engine::model::{
    Held, HeldReference, Key, MatchKey, ObjectKind, SourceId, SourceObject, TargetId, TargetPath,
    Value, Via,
};
use crate::engine::plan::{Proof, WhyLeft};

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
    /// The account of a user who left is given to a new user.
    HandOver(Box<HandOver>),
    AddMembers {
        members: Vec<Referenced>,
    },
    RemoveMembers {
        members: Vec<Referenced>,
        why: WhyLeft,
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
    /// The paths at which it must show that no user has access.
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

impl Step {
    /// Whether its actions take something away.
    pub(crate) fn takes_away(self) -> bool {
        match self {
            Self::Disables | Self::Names | Self::RemoveMembers | Self::Deletes => true,
            Self::Users
            | Self::Groups
            | Self::AddMembers
            | Self::References
            | Self::CreatesAgain => false,
        }
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

    /// By which it is counted once it was done, see [`Operation::done`].
    pub(crate) fn done(&self) -> &'static str {
        self.operation.done()
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

    /// The same where what was done is counted: a reference that was cleared was not set.
    pub(crate) fn done(&self) -> &'static str {
        match self {
            Self::SetReference {
                new: Pointer::Cleared(_),
                ..
            } => "clear-reference",
            other => other.as_str(),
        }
    }
}

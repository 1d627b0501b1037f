//! Source objects, what entitles them, and what is known of them in the target.

use std::collections::BTreeMap;

use super::{Attributes, Key, ObjectKind, SourceId, SourceNumber, TargetId, TargetPath, Value};

/// Whether the source still has an object (Graph delta, `@removed.reason`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Presence {
    Present,
    /// In the recycle bin (`changed`): it may come back.
    SoftDeleted,
    /// Gone for good (`deleted`).
    Deleted,
    /// A full round that was otherwise complete did not report it. It may be in the recycle bin or
    /// gone for good, or the round was wrong.
    Missing,
}

/// A user or group as last read from the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceObject {
    pub(crate) key: Key,
    pub(crate) kind: ObjectKind,
    /// That it was read from.
    pub(crate) source: SourceNumber,
    pub(crate) id: SourceId,
    pub(crate) presence: Presence,
    pub(crate) attributes: Attributes,
}

impl SourceObject {
    /// What a report calls the object: its principal name or display name, else its id.
    pub(crate) fn label(&self) -> &str {
        let names: &[&str] = match self.kind {
            ObjectKind::User => &["userPrincipalName", "displayName"],
            ObjectKind::Group => &["displayName"],
        };
        names
            .iter()
            .find_map(|name| self.attributes.text(name))
            .unwrap_or(self.id.as_str())
    }
}

/// The all-zero role id of an assignment that names no role (Graph, `appRoleAssignment`).
pub(crate) const DEFAULT_ACCESS_ROLE: &str = "00000000-0000-0000-0000-000000000000";

/// One app role assignment of the job's application: who holds which role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Assignment {
    pub(crate) kind: ObjectKind,
    pub(crate) principal: SourceId,
    /// `appRoleId`; may be [`DEFAULT_ACCESS_ROLE`].
    pub(crate) role: String,
}

/// A role of the application that a user holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AppRole {
    pub(crate) id: String,
    pub(crate) value: Option<String>,
    pub(crate) display_name: String,
}

/// One reason why an object may be in scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) via: Via,
    /// The role that comes with it; `None` where scope does not come from an assignment.
    pub(crate) role: Option<AppRole>,
}

/// How a grant reaches an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    /// Assigned itself.
    Direct,
    /// A group that the config names.
    Named,
    /// Scope mode `all`.
    Everyone,
    /// Through groups, outermost first: the names of "Sales > EMEA > Berlin".
    Groups(Vec<String>),
    /// In this administrative unit.
    Unit(String),
}

/// A source object joined to a target id, with what was last sent to the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) target: TargetId,
    /// Every mapped path that has a value in the target, as we last sent or read it; references apart.
    pub(crate) sent: BTreeMap<TargetPath, Value>,
    /// Where its references lead in the target, as we last sent or read it.
    pub(crate) references: References,
    /// Whether the object was in scope when it was last evaluated.
    pub(crate) in_scope: bool,
    /// A write was begun whose end was never recorded (a crash, a lost answer): what the target
    /// holds must be read before it is compared.
    pub(crate) unconfirmed: bool,
    pub(crate) origin: Origin,
}

/// How a linked object came into the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It was there before.
    #[default]
    Found,
    Created,
    /// It was found after a create whose end was not known, without our externalId: another party may have
    /// made it, and it is deleted only once that is approved.
    Unproven,
}

/// References of a target object, such as its manager.
pub(crate) type References = BTreeMap<TargetPath, HeldReference>;

/// A reference as the target holds it. Two are the same when they lead to the same target object: a
/// person who comes back may have another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeldReference {
    pub(crate) target: TargetId,
    /// The source object whose target object that is or was; `None` for one that is not ours.
    pub(crate) source: Option<SourceId>,
}

/// What the target holds of an object, in the form in which the state keeps what was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) values: BTreeMap<TargetPath, Value>,
    pub(crate) references: References,
}

/// One value to look for in the target, in matching precedence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MatchKey {
    pub(crate) path: TargetPath,
    pub(crate) value: Value,
}

/// A target resource that a look-up or a read by id returned, reduced to the job's mapped paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TargetObject {
    pub(crate) id: TargetId,
    pub(crate) attributes: BTreeMap<TargetPath, Value>,
    /// Member ids, when they were requested and the target returns them.
    pub(crate) members: Option<Vec<TargetId>>,
}

//! The sections of a report: what is held and what is taken away comes first.

use super::entry::Entry;

/// Where an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Section {
    Held,
    Disable,
    Delete,
    HandOver,
    RemoveMembers,
    Create,
    Adopt,
    Enable,
    Update,
    References,
    AddMembers,
    Refused,
    Failing,
    Skipped,
}

impl Section {
    pub(crate) const ALL: [Self; 14] = [
        Self::Held,
        Self::Disable,
        Self::Delete,
        Self::HandOver,
        Self::RemoveMembers,
        Self::Create,
        Self::Adopt,
        Self::Enable,
        Self::Update,
        Self::References,
        Self::AddMembers,
        Self::Refused,
        Self::Failing,
        Self::Skipped,
    ];

    /// Where a row that is not held stands.
    pub(crate) fn of(entry: &Entry<'_>) -> Self {
        match entry.verb {
            "disable" => Self::Disable,
            "delete" => Self::Delete,
            "hand-over" => Self::HandOver,
            "remove-members" => Self::RemoveMembers,
            "create" => Self::Create,
            "adopt" => Self::Adopt,
            "enable" => Self::Enable,
            "set-reference" => Self::References,
            "add-members" => Self::AddMembers,
            "refuse" => Self::Refused,
            "fail" => Self::Failing,
            "skip" => Self::Skipped,
            _ => Self::Update,
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Held => "Held until approved",
            Self::Disable => "Disable",
            Self::Delete => "Delete",
            Self::HandOver => "Hand over",
            Self::RemoveMembers => "Remove from groups",
            Self::Create => "Create",
            Self::Adopt => "Adopt",
            Self::Enable => "Enable",
            Self::Update => "Update",
            Self::References => "Change references",
            Self::AddMembers => "Add to groups",
            Self::Refused => "Likely to be refused",
            Self::Failing => "Fail",
            Self::Skipped => "Skip",
        }
    }

    /// The word that stands for it in the page's own attributes.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Disable => "disable",
            Self::Delete => "delete",
            Self::HandOver => "hand-over",
            Self::RemoveMembers => "remove-members",
            Self::Create => "create",
            Self::Adopt => "adopt",
            Self::Enable => "enable",
            Self::Update => "update",
            Self::References => "set-reference",
            Self::AddMembers => "add-members",
            Self::Refused => "refuse",
            Self::Failing => "fail",
            Self::Skipped => "skip",
        }
    }

    /// What its objects have in common, for a reader who does not know the word.
    pub(crate) fn explained(self) -> &'static str {
        match self {
            Self::Held => {
                "A safety limit stops these removals. None is carried out until it is approved."
            }
            Self::Disable => "The account is kept but can no longer be used.",
            Self::Delete => "The object is deleted from the target.",
            Self::HandOver => "The account of a user who left is given to a new user.",
            Self::RemoveMembers => {
                "These members are removed from the group in the target, because they are not members in \
                 Entra, or not in scope."
            }
            Self::Create => "The object does not exist in the target yet.",
            Self::Adopt => "The object already exists in the target; it is linked and updated.",
            Self::Enable => "The account can be used again.",
            Self::Update => "The value in the source differs from what was last written.",
            Self::References => "A reference, such as the manager, is set, changed or cleared.",
            Self::AddMembers => "These members are added to the group in the target.",
            Self::Refused => {
                "The target will probably refuse these actions, judging by its schemas and earlier \
                 responses. They are sent anyway."
            }
            Self::Failing => {
                "These objects cannot be provisioned in their current state. All others continue."
            }
            Self::Skipped => "These objects are not changed, for the given reason.",
        }
    }
}

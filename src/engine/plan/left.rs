//! Why members leave a group in the target.

use std::collections::BTreeSet;

use super::{Referenced, WhyRemoved};
use crate::engine::model::Key;

/// Why the members of one removal leave their group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WhyLeft {
    /// The group no longer belongs: all members leave.
    Group(WhyRemoved),
    /// They are no longer members in the source. These are, but are no longer in scope themselves.
    Members { out_of_scope: BTreeSet<Key> },
    /// The member's account is handed over to another user.
    HandedOver,
    /// Earlier versions did not keep the reason.
    NotRecorded,
}

/// Why one member leaves, or for what the members of one removal leave together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum WhyMember {
    NotMember,
    OutOfScope,
    HandedOver,
}

impl WhyMember {
    /// The one word for it in JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NotMember => "not-member",
            Self::OutOfScope => "member-out-of-scope",
            Self::HandedOver => "handed-over",
        }
    }
}

impl WhyLeft {
    /// The group's own reason.
    pub(crate) fn of_group(&self) -> Option<&WhyRemoved> {
        match self {
            Self::Group(why) => Some(why),
            Self::Members { .. } | Self::HandedOver | Self::NotRecorded => None,
        }
    }

    /// Why this member leaves, where that is not the group's reason.
    pub(crate) fn of(&self, member: Key) -> Option<WhyMember> {
        match self {
            Self::Members { out_of_scope } if out_of_scope.contains(&member) => {
                Some(WhyMember::OutOfScope)
            }
            Self::Members { .. } => Some(WhyMember::NotMember),
            Self::HandedOver => Some(WhyMember::HandedOver),
            Self::Group(_) | Self::NotRecorded => None,
        }
    }

    /// Each reason of these members once, in order.
    pub(crate) fn reasons(&self, members: &[Referenced]) -> BTreeSet<WhyMember> {
        members
            .iter()
            .filter_map(|member| self.of(member.key))
            .collect()
    }
}

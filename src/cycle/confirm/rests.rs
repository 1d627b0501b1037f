//! What removals are derived from, which says how they are confirmed.

use crate::engine::model::source;
use crate::engine::plan::{WhyOut, WhyRemoved};

/// What a removal is derived from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RestsOn {
    /// A value that was read on the object, or the configuration.
    Value,
    /// Sign-in is blocked.
    Blocked,
    /// The object is deleted, or in the recycle bin.
    Deleted,
    /// The object is not in a list of all objects.
    NotListed,
    /// No assignment and no membership brings it into scope.
    NotInScope,
    /// The members are not in the group, or not in scope.
    NotMembers,
}

impl RestsOn {
    /// It is missing from a reading.
    pub(super) fn is_absence(self) -> bool {
        match self {
            Self::Value | Self::Blocked | Self::Deleted => false,
            Self::NotListed | Self::NotInScope | Self::NotMembers => true,
        }
    }
}

pub(super) fn rests_on(why: &WhyRemoved) -> RestsOn {
    match why {
        WhyRemoved::Mapping => RestsOn::Value,
        WhyRemoved::Blocked => RestsOn::Blocked,
        WhyRemoved::SoftDeleted | WhyRemoved::Deleted => RestsOn::Deleted,
        WhyRemoved::Missing => RestsOn::NotListed,
        WhyRemoved::OutOfScope(out) => match out {
            WhyOut::NotNamed | WhyOut::Excluded | WhyOut::KindDisabled => RestsOn::Value,
            WhyOut::NotAssigned
            | WhyOut::NotInUnit
            | WhyOut::NotSecurityEnabled
            | WhyOut::SecurityNotRead
            | WhyOut::DefaultAccessOnly => RestsOn::NotInScope,
            WhyOut::Filter(failures) => {
                let lists = [source::MEMBER_OF, source::APP_ROLE_ASSIGNMENTS];
                let mut attributes = failures.iter().map(|failure| failure.attribute.as_str());
                if attributes.any(|attribute| lists.contains(&attribute)) {
                    RestsOn::NotInScope
                } else {
                    RestsOn::Value
                }
            }
        },
    }
}

//! What leaves a scope empty, as far as the removals say it.

use std::collections::BTreeMap;

use super::plan::{RemovalClass, WhyOut, WhyRemoved};

/// What most objects of an emptied scope left it for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EmptiedBy {
    /// What the source reports: assignments, members, objects.
    #[default]
    Source,
    /// The scoping filters.
    Filters,
    /// What else the configuration says of the scope.
    Configuration,
}

impl EmptiedBy {
    /// The one word for it in JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Filters => "filters",
            Self::Configuration => "configuration",
        }
    }

    pub(crate) fn of(why: &WhyRemoved) -> Self {
        match why {
            WhyRemoved::OutOfScope(WhyOut::Filter(_)) => Self::Filters,
            WhyRemoved::OutOfScope(
                WhyOut::Excluded
                | WhyOut::KindDisabled
                | WhyOut::NotNamed
                | WhyOut::DefaultAccessOnly,
            ) => Self::Configuration,
            WhyRemoved::OutOfScope(
                WhyOut::NotAssigned
                | WhyOut::NotInUnit
                | WhyOut::NotSecurityEnabled
                | WhyOut::SecurityNotRead,
            )
            | WhyRemoved::Blocked
            | WhyRemoved::Mapping
            | WhyRemoved::SoftDeleted
            | WhyRemoved::Deleted
            | WhyRemoved::Missing => Self::Source,
        }
    }
}

/// How many removals of each class have each cause.
pub(crate) type Causes = BTreeMap<(RemovalClass, EmptiedBy), u64>;

/// The cause that most removals of a class have.
pub(crate) fn most(causes: &Causes, class: RemovalClass) -> EmptiedBy {
    let of_class = causes.iter().filter(|((of, _), _)| *of == class);
    let most = of_class.max_by_key(|((_, by), count)| (**count, std::cmp::Reverse(*by)));
    most.map_or_else(EmptiedBy::default, |((_, by), _)| *by)
}

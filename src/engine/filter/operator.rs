//! The operators, as Entra names them.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equals,
    NotEquals,
    IsTrue,
    IsFalse,
    IsNull,
    IsNotNull,
    RegexMatch,
    NotRegexMatch,
    GreaterThan,
    GreaterThanOrEquals,
    Includes,
    EndsWith,
    /// The value stands in the operand.
    Within,
    NotWithin,
}

impl Operator {
    pub(crate) const ALL: [Self; 14] = [
        Self::Equals,
        Self::NotEquals,
        Self::IsTrue,
        Self::IsFalse,
        Self::IsNull,
        Self::IsNotNull,
        Self::RegexMatch,
        Self::NotRegexMatch,
        Self::GreaterThan,
        Self::GreaterThanOrEquals,
        Self::Includes,
        Self::EndsWith,
        Self::Within,
        Self::NotWithin,
    ];

    /// As Entra's portal writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Equals => "EQUALS",
            Self::NotEquals => "NOT EQUALS",
            Self::IsTrue => "IS TRUE",
            Self::IsFalse => "IS FALSE",
            Self::IsNull => "IS NULL",
            Self::IsNotNull => "IS NOT NULL",
            Self::RegexMatch => "REGEX MATCH",
            Self::NotRegexMatch => "NOT REGEX MATCH",
            Self::GreaterThan => "GREATER_THAN",
            Self::GreaterThanOrEquals => "GREATER_THAN_OR_EQUALS",
            Self::Includes => "INCLUDES",
            Self::EndsWith => "ENDS_WITH",
            Self::Within => "&",
            Self::NotWithin => "!&",
        }
    }

    /// Case does not count, and `_` is as good as a blank.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let plain = |name: &str| {
            name.replace('_', " ")
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .to_ascii_uppercase()
        };
        let wanted = plain(name);
        Self::ALL
            .into_iter()
            .find(|operator| plain(operator.name()) == wanted)
    }

    pub(crate) fn takes_value(self) -> bool {
        match self {
            Self::IsTrue | Self::IsFalse | Self::IsNull | Self::IsNotNull => false,
            Self::Equals
            | Self::NotEquals
            | Self::RegexMatch
            | Self::NotRegexMatch
            | Self::GreaterThan
            | Self::GreaterThanOrEquals
            | Self::Includes
            | Self::EndsWith
            | Self::Within
            | Self::NotWithin => true,
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

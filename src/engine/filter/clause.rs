//! One clause: checked and compiled when the configuration is read, then asked of each value.

use std::cmp::Ordering;
use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use fancy_regex::{Regex, RegexBuilder};

use super::Operator;
use crate::engine::model::Value;
use crate::engine::model::source::{SourceAttribute, SourceType};

/// One attribute, operator and operand, checked and compiled.
#[derive(Clone, Debug)]
pub(crate) struct Clause {
    attribute: String,
    operator: Operator,
    operand: String,
    test: Test,
}

/// Why a clause cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClauseError {
    #[error("there is no operator {0}")]
    UnknownOperator(String),
    #[error("{0} needs a value to compare with")]
    ValueMissing(Operator),
    #[error("{0} compares with an empty value, but a clause on an empty attribute is always false")]
    ValueEmpty(Operator),
    #[error("{0} takes no value")]
    ValueUnused(Operator),
    #[error("{0} compares whole numbers or dates")]
    NotComparable(Operator),
    #[error("the pattern cannot be read: {0}")]
    Pattern(String),
    #[error("{0} has no pattern, so full has no effect")]
    NoPattern(Operator),
    #[error("{operator} cannot be used on {found}")]
    WrongType {
        operator: Operator,
        found: &'static str,
        instead: &'static str,
    },
}

impl ClauseError {
    /// What the reader could do about it.
    pub(crate) fn help(&self) -> String {
        match self {
            Self::UnknownOperator(_) => {
                let names: Vec<_> = Operator::ALL.iter().map(|one| one.name()).collect();
                format!("the operators are {}", names.join(", "))
            }
            Self::ValueMissing(_) => "add value = \"…\"".to_owned(),
            Self::ValueEmpty(_) => "add a value, or use IS NULL or IS NOT NULL".to_owned(),
            Self::ValueUnused(_) => "remove the value".to_owned(),
            Self::NotComparable(_) => {
                "write a number such as \"42\" or a date such as \"2026-01-31\"".to_owned()
            }
            Self::Pattern(_) => "correct the regular expression".to_owned(),
            Self::NoPattern(_) => "remove full, or use REGEX MATCH".to_owned(),
            Self::WrongType { instead, .. } => (*instead).to_owned(),
        }
    }
}

/// What is asked of a single value; `negated` tests must hold for every value, others for one.
#[derive(Clone, Debug)]
enum Test {
    Null,
    NotNull,
    Boolean(bool),
    Equal {
        negated: bool,
    },
    Matches {
        regex: Box<Regex>,
        negated: bool,
        full: bool,
    },
    Greater {
        than: Comparable,
        or_equal: bool,
    },
    Includes,
    EndsWith,
    Within {
        negated: bool,
    },
}

/// What `GREATER_THAN` can order: Entra knows whole numbers only, we know points in time as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparable {
    Integer(i128),
    Time(DateTime<Utc>),
}

impl Comparable {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(number) = text.parse() {
            return Some(Self::Integer(number));
        }
        if let Ok(time) = DateTime::parse_from_rfc3339(text) {
            return Some(Self::Time(time.to_utc()));
        }
        let time = match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            Ok(date) => date.and_time(NaiveTime::MIN),
            Err(_) => NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?,
        };
        Some(Self::Time(time.and_utc()))
    }

    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Integer(number) => Some(Self::Integer(i128::from(*number))),
            Value::Text(text) => Self::parse(text),
            Value::Boolean(_) | Value::List(_) | Value::Object(_) | Value::Reference(_) => None,
        }
    }

    /// A number and a date cannot be ordered.
    fn order(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Integer(one), Self::Integer(two)) => Some(one.cmp(&two)),
            (Self::Time(one), Self::Time(two)) => Some(one.cmp(&two)),
            (Self::Integer(_), Self::Time(_)) | (Self::Time(_), Self::Integer(_)) => None,
        }
    }
}

/// Steps that a pattern may take on one value; beyond that it counts as not matching.
const BACKTRACK_LIMIT: usize = 1_000_000;

impl Clause {
    /// One that says nothing of its pattern.
    #[cfg(test)]
    pub(crate) fn new(
        attribute: &str,
        operator: &str,
        value: Option<&str>,
    ) -> Result<Self, ClauseError> {
        Self::with_full(attribute, operator, value, None)
    }

    /// A clause that says whether its pattern must match the whole value, as it does when nothing is
    /// said, or may match anywhere in it.
    pub(crate) fn with_full(
        attribute: &str,
        name: &str,
        value: Option<&str>,
        said: Option<bool>,
    ) -> Result<Self, ClauseError> {
        let full = said.unwrap_or(true);
        let operator =
            Operator::parse(name).ok_or_else(|| ClauseError::UnknownOperator(name.to_owned()))?;
        let operand = match (operator.takes_value(), value) {
            (true, Some("")) => return Err(ClauseError::ValueEmpty(operator)),
            (true, Some(value)) => value,
            (false, None) => "",
            (true, None) => return Err(ClauseError::ValueMissing(operator)),
            (false, Some(_)) => return Err(ClauseError::ValueUnused(operator)),
        };
        let greater = |or_equal| {
            Comparable::parse(operand)
                .map(|than| Test::Greater { than, or_equal })
                .ok_or(ClauseError::NotComparable(operator))
        };
        let test = match operator {
            Operator::Equals => Test::Equal { negated: false },
            Operator::NotEquals => Test::Equal { negated: true },
            Operator::IsTrue => Test::Boolean(true),
            Operator::IsFalse => Test::Boolean(false),
            Operator::IsNull => Test::Null,
            Operator::IsNotNull => Test::NotNull,
            Operator::RegexMatch => pattern(operand, full, false)?,
            Operator::NotRegexMatch => pattern(operand, full, true)?,
            Operator::GreaterThan => greater(false)?,
            Operator::GreaterThanOrEquals => greater(true)?,
            Operator::Includes => Test::Includes,
            Operator::EndsWith => Test::EndsWith,
            Operator::Within => Test::Within { negated: false },
            Operator::NotWithin => Test::Within { negated: true },
        };
        if said.is_some() && !matches!(test, Test::Matches { .. }) {
            return Err(ClauseError::NoPattern(operator));
        }
        Ok(Self {
            attribute: attribute.to_owned(),
            operator,
            operand: operand.to_owned(),
            test,
        })
    }

    pub(crate) fn attribute(&self) -> &str {
        &self.attribute
    }

    pub(crate) fn operator(&self) -> Operator {
        self.operator
    }

    /// What is compared with; `None` for an operator that takes nothing.
    pub(crate) fn operand(&self) -> Option<&str> {
        self.operator.takes_value().then_some(&*self.operand)
    }

    /// Whether the pattern may match anywhere in the value.
    pub(crate) fn is_anywhere(&self) -> bool {
        matches!(self.test, Test::Matches { full: false, .. })
    }

    /// Whether points in time are put in order.
    pub(crate) fn compares_times(&self) -> bool {
        let Test::Greater { than, or_equal: _ } = &self.test else {
            return false;
        };
        matches!(than, Comparable::Time(_))
    }

    /// Whether the operator makes sense on what the attribute holds.
    pub(crate) fn check(&self, attribute: &SourceAttribute) -> Result<(), ClauseError> {
        let wrong = |instead| {
            Err(ClauseError::WrongType {
                operator: self.operator,
                found: attribute.word(),
                instead,
            })
        };
        match (attribute.source_type, &self.test) {
            (SourceType::Roles, _) => wrong("compare the text of a role with EQUALS"),
            // A group's members are not kept with it.
            (SourceType::Reference, _) if attribute.multi_valued => {
                wrong("compare an attribute of the object itself, such as displayName")
            }
            (SourceType::Reference, Test::Boolean(_) | Test::Greater { .. }) => {
                wrong("use EQUALS with an object id, or IS NULL")
            }
            (SourceType::Text | SourceType::DateTime, Test::Boolean(_)) => {
                wrong("use EQUALS, or an attribute that is true or false")
            }
            (
                SourceType::DateTime,
                Test::Greater {
                    than: Comparable::Integer(_),
                    ..
                },
            ) => wrong("compare with a date such as \"2026-01-31\""),
            // Entra's own samples compare Booleans with EQUALS.
            (SourceType::Boolean, Test::Equal { .. }) if boolean(&self.operand).is_some() => Ok(()),
            (SourceType::Object | SourceType::Boolean, Test::Null | Test::NotNull)
            | (SourceType::Boolean, Test::Boolean(_))
            | (
                SourceType::Text | SourceType::DateTime | SourceType::Any | SourceType::Reference,
                _,
            ) => Ok(()),
            (SourceType::Object, _) => {
                wrong("name one of its members, such as employeeOrgData.division")
            }
            (SourceType::Boolean, _) => wrong("use IS TRUE or IS FALSE"),
        }
    }

    /// A clause on a null or empty value is false; only IS NULL asks for one.
    pub(super) fn holds(&self, value: Option<&Value>) -> bool {
        let Some(value) = value.filter(|value| !value.is_empty()) else {
            return matches!(self.test, Test::Null);
        };
        let negated = match self.test {
            Test::Null => return false,
            Test::NotNull => return true,
            Test::Equal { negated } | Test::Matches { negated, .. } | Test::Within { negated } => {
                negated
            }
            Test::Boolean(_) | Test::Greater { .. } | Test::Includes | Test::EndsWith => false,
        };
        match value {
            Value::List(values) if negated => values.iter().all(|one| self.holds_for(one)),
            Value::List(values) => values.iter().any(|one| self.holds_for(one)),
            Value::Text(_)
            | Value::Boolean(_)
            | Value::Integer(_)
            | Value::Object(_)
            | Value::Reference(_) => self.holds_for(value),
        }
    }

    fn holds_for(&self, value: &Value) -> bool {
        let Some(text) = plain(value) else {
            return false;
        };
        let operand = self.operand.as_str();
        match &self.test {
            Test::Null | Test::NotNull => false,
            Test::Boolean(wanted) => match value {
                Value::Boolean(is) => is == wanted,
                // A directory extension may spell its Boolean out.
                _ => text.eq_ignore_ascii_case(if *wanted { "true" } else { "false" }),
            },
            Test::Equal { negated } => {
                let is_equal = match value {
                    Value::Boolean(is) => boolean(operand) == Some(*is),
                    _ => text == operand,
                };
                is_equal != *negated
            }
            // A pattern that gives up has not found anything, and has not ruled it out either.
            Test::Matches { regex, negated, .. } => regex
                .is_match(text.as_str())
                .is_ok_and(|found| found != *negated),
            Test::Greater { than, or_equal } => Comparable::of(value)
                .and_then(|value| value.order(*than))
                .is_some_and(|order| {
                    order == Ordering::Greater || (*or_equal && order == Ordering::Equal)
                }),
            Test::Includes => text.contains(operand),
            Test::EndsWith => text.ends_with(operand),
            Test::Within { negated } => operand.contains(&text) != *negated,
        }
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.attribute, self.operator)?;
        if let Test::Matches { full: false, .. } = self.test {
            f.write_str(" anywhere")?;
        }
        if self.operator.takes_value() {
            write!(f, " \"{}\"", self.operand)?;
        }
        Ok(())
    }
}

fn pattern(text: &str, full: bool, negated: bool) -> Result<Test, ClauseError> {
    // It is always read by itself first: a stray parenthesis must not find its partner in ours.
    let build = |text: &str| {
        RegexBuilder::new(text)
            .backtrack_limit(BACKTRACK_LIMIT)
            .build()
            .map_err(|err| ClauseError::Pattern(err.to_string()))
    };
    let mut regex = build(text)?;
    if full {
        regex = build(&format!(r"\A(?:{text})\z"))?;
    }
    Ok(Test::Matches {
        regex: Box::new(regex),
        negated,
        full,
    })
}

/// `True` and `False`, however they are spelt.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// A single value as the text that clauses compare; a complex value has none.
pub(super) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.to_string()),
        Value::Boolean(true) => Some("True".to_owned()),
        Value::Boolean(false) => Some("False".to_owned()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Reference(id) => Some(id.to_string()),
        Value::List(_) | Value::Object(_) => None,
    }
}

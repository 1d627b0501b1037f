//! Scoping filters: clauses AND inside a group, groups OR, no filter lets everything pass.
//!
//! The operators are Entra's, with its rules for null and case, and a little more: attributes with
//! several values can be compared, and so can dates. A pattern finds its match anywhere in the value,
//! as .NET's `IsMatch` does; Entra does not say which it means, so a clause may ask for the whole.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use fancy_regex::{Regex, RegexBuilder};

use super::model::Value;
use super::model::source::{SourceAttribute, SourceType};

/// The scoping filter of one kind of object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) groups: Vec<ClauseGroup>,
}

/// Clauses that must all hold.
#[derive(Clone, Debug)]
pub(crate) struct ClauseGroup {
    pub(crate) name: Option<String>,
    pub(crate) clauses: Vec<Clause>,
}

/// One attribute, operator and operand, checked and compiled.
#[derive(Clone, Debug)]
pub(crate) struct Clause {
    attribute: String,
    operator: Operator,
    operand: String,
    test: Test,
}

/// The clause that kept an object out of scope, with the value it saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClauseFailure {
    /// The clause as a person would write it: `department EQUALS "Sales"`.
    pub(crate) clause: String,
    /// The attribute's value; `None` when it is null.
    pub(crate) value: Option<String>,
}

/// Why a clause cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClauseError {
    #[error("there is no operator {0}")]
    UnknownOperator(String),
    #[error("{0} needs a value to compare with")]
    ValueMissing(Operator),
    #[error("{0} takes no value")]
    ValueUnused(Operator),
    #[error("{0} compares whole numbers or dates")]
    NotComparable(Operator),
    #[error("the pattern cannot be read: {0}")]
    Pattern(String),
    #[error("{0} takes no full match: it has no pattern")]
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

/// The longest part of a value that a report repeats.
const SHOWN_LENGTH: usize = 100;

impl Filter {
    /// Whether an object passes; if not, the first failing clause of each group.
    pub(crate) fn judge(
        &self,
        lookup: &dyn Fn(&str) -> Option<Value>,
    ) -> Result<(), Vec<ClauseFailure>> {
        let mut failures = Vec::new();
        for group in &self.groups {
            match group.first_failure(lookup) {
                None => return Ok(()),
                Some(failure) => failures.push(failure),
            }
        }
        if failures.is_empty() {
            Ok(())
        } else {
            Err(failures)
        }
    }

    /// The names of all attributes that the filter reads.
    pub(crate) fn attributes(&self) -> BTreeSet<&str> {
        self.groups
            .iter()
            .flat_map(|group| &group.clauses)
            .map(Clause::attribute)
            .collect()
    }
}

impl ClauseGroup {
    fn first_failure(&self, lookup: &dyn Fn(&str) -> Option<Value>) -> Option<ClauseFailure> {
        self.clauses.iter().find_map(|clause| {
            let value = lookup(&clause.attribute);
            (!clause.holds(value.as_ref())).then(|| ClauseFailure {
                clause: clause.to_string(),
                value: value
                    .filter(|value| !value.is_empty())
                    .map(|value| show(&value)),
            })
        })
    }
}

impl Clause {
    pub(crate) fn new(
        attribute: &str,
        operator: &str,
        value: Option<&str>,
    ) -> Result<Self, ClauseError> {
        Self::build(attribute, operator, value, false)
    }

    /// A clause whose pattern must match the whole value.
    pub(crate) fn new_full(
        attribute: &str,
        operator: &str,
        value: Option<&str>,
    ) -> Result<Self, ClauseError> {
        Self::build(attribute, operator, value, true)
    }

    fn build(
        attribute: &str,
        name: &str,
        value: Option<&str>,
        full: bool,
    ) -> Result<Self, ClauseError> {
        let operator =
            Operator::parse(name).ok_or_else(|| ClauseError::UnknownOperator(name.to_owned()))?;
        let operand = match (operator.takes_value(), value) {
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
        if full && !matches!(test, Test::Matches { .. }) {
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

    /// Whether the pattern must match the whole value.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self.test, Test::Matches { full: true, .. })
    }

    /// Whether the operator makes sense on what the attribute holds.
    pub(crate) fn check(&self, attribute: &SourceAttribute) -> Result<(), ClauseError> {
        let wrong = |instead| {
            Err(ClauseError::WrongType {
                operator: self.operator,
                found: attribute.source_type.word(),
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
    fn holds(&self, value: Option<&Value>) -> bool {
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
            Test::Equal { negated } => (text == operand) != *negated,
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
        if let Test::Matches { full: true, .. } = self.test {
            f.write_str(" in full")?;
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

/// A single value as the text that clauses compare; a complex value has none.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Boolean(true) => Some("True".to_owned()),
        Value::Boolean(false) => Some("False".to_owned()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Reference(id) => Some(id.to_string()),
        Value::List(_) | Value::Object(_) => None,
    }
}

fn show(value: &Value) -> String {
    let text = match value {
        Value::List(values) => {
            let values: Vec<_> = values.iter().map(show).collect();
            values.join(", ")
        }
        Value::Object(_) => "(an object)".to_owned(),
        _ => plain(value).unwrap_or_default(),
    };
    match text.char_indices().nth(SHOWN_LENGTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::model::{ObjectKind, source};

    fn holds(operator: &str, operand: Option<&str>, value: impl Into<Option<Value>>) -> bool {
        let clause = Clause::new("a", operator, operand).expect("a clause");
        clause.holds(value.into().as_ref())
    }

    fn text(text: &str) -> Value {
        Value::text(text)
    }

    fn list(values: &[&str]) -> Value {
        Value::List(values.iter().map(|value| text(value)).collect())
    }

    #[test]
    fn every_operator_is_true_for_one_value_and_false_for_another() {
        let cases = [
            ("EQUALS", Some("Sales"), text("Sales"), text("sales")),
            ("NOT EQUALS", Some("Sales"), text("sales"), text("Sales")),
            ("IS TRUE", None, Value::Boolean(true), Value::Boolean(false)),
            (
                "IS FALSE",
                None,
                Value::Boolean(false),
                Value::Boolean(true),
            ),
            ("IS NULL", None, text(""), text("x")),
            ("IS NOT NULL", None, text("x"), text("")),
            ("REGEX MATCH", Some("[1-9][0-9]"), text("a 42"), text("7")),
            ("NOT REGEX MATCH", Some("^a"), text("ba"), text("ab")),
            ("GREATER_THAN", Some("10"), text("11"), Value::Integer(10)),
            (
                "GREATER_THAN_OR_EQUALS",
                Some("10"),
                Value::Integer(10),
                text("9"),
            ),
            ("INCLUDES", Some("ale"), text("Sales"), text("SALES")),
            ("ENDS_WITH", Some("es"), text("Sales"), text("Sale")),
            ("&", Some("DE,FR"), text("DE"), text("IT")),
            ("!&", Some("DE,FR"), text("IT"), text("DE")),
        ];
        assert_eq!(cases.len(), Operator::ALL.len());
        for (operator, operand, yes, no) in cases {
            assert!(holds(operator, operand, yes), "{operator}");
            assert!(!holds(operator, operand, no), "{operator}");
        }
    }

    #[test]
    fn on_null_only_is_null_holds() {
        for operator in Operator::ALL {
            let operand = operator.takes_value().then_some("1");
            let expected = operator == Operator::IsNull;
            for null in [None, Some(text("")), Some(list(&[]))] {
                assert_eq!(
                    holds(operator.name(), operand, null),
                    expected,
                    "{operator}"
                );
            }
        }
    }

    #[test]
    fn names_of_operators_ignore_case_and_underscores() {
        for name in ["not_equals", "Not Equals", "NOT  EQUALS"] {
            assert_eq!(Operator::parse(name), Some(Operator::NotEquals));
        }
        assert_eq!(Operator::parse("Greater Than"), Some(Operator::GreaterThan));
        assert_eq!(Operator::parse("IsMemberOf"), None);
    }

    #[test]
    fn one_of_several_values_is_enough_unless_the_clause_is_negative() {
        let both = || list(&["red", "blue"]);
        assert!(holds("EQUALS", Some("red"), both()));
        assert!(!holds("NOT EQUALS", Some("red"), both()));
        assert!(holds("NOT EQUALS", Some("green"), both()));
        assert!(!holds("NOT REGEX MATCH", Some("^b"), both()));
        assert!(holds("!&", Some("green, white"), both()));
    }

    #[test]
    fn dates_are_ordered_in_time_and_never_with_numbers() {
        let hired = || text("2026-03-01T09:00:00+02:00");
        assert!(holds("GREATER_THAN", Some("2026-03-01"), hired()));
        assert!(!holds(
            "GREATER_THAN",
            Some("2026-03-01T07:00:00Z"),
            hired()
        ));
        assert!(holds(
            "GREATER_THAN_OR_EQUALS",
            Some("2026-03-01T07:00:00Z"),
            hired()
        ));
        assert!(!holds("GREATER_THAN", Some("5"), hired()));
        assert!(!holds("GREATER_THAN", Some("5"), text("many")));
    }

    #[test]
    fn a_pattern_matches_anywhere_unless_the_whole_is_asked_for() {
        let full = |pattern| Clause::new_full("a", "REGEX MATCH", Some(pattern)).expect("a clause");
        assert!(holds("REGEX MATCH", Some("[1-9][0-9]"), text("100")));
        assert!(!full("[1-9][0-9]").holds(Some(&text("100"))));
        assert!(full("a|b").holds(Some(&text("b"))));
        assert!(!full("a|b").holds(Some(&text("bc"))));
        assert!(Clause::new_full("a", "REGEX MATCH", Some("a)(?:b")).is_err());
    }

    #[test]
    fn a_pattern_that_takes_too_long_does_not_match() {
        let hostile = text(&format!("{}c", "a".repeat(40)));
        for operator in ["REGEX MATCH", "NOT REGEX MATCH"] {
            assert!(!holds(operator, Some(r"^(a|a)*(?=b)\1$"), hostile.clone()));
        }
    }

    #[test]
    fn a_clause_that_makes_no_sense_says_why() {
        let error = |operator, operand| {
            Clause::new("a", operator, operand)
                .map(|clause| clause.to_string())
                .unwrap_err()
                .to_string()
        };
        assert_eq!(error("LIKE", Some("x")), "there is no operator LIKE");
        assert_eq!(
            error("EQUALS", None),
            "EQUALS needs a value to compare with"
        );
        assert_eq!(error("is true", Some("x")), "IS TRUE takes no value");
        assert_eq!(
            error("GREATER_THAN", Some("ten")),
            "GREATER_THAN compares whole numbers or dates"
        );
        assert!(error("REGEX MATCH", Some("(")).starts_with("the pattern cannot be read: "));

        let check = |name, operator, operand| {
            let attribute = source::attribute(ObjectKind::User, name).expect("an attribute");
            let clause = Clause::new(name, operator, operand).expect("a clause");
            clause.check(&attribute).map_err(|err| err.to_string())
        };
        assert_eq!(check("department", "EQUALS", Some("x")), Ok(()));
        assert_eq!(
            check("department", "IS TRUE", None),
            Err("IS TRUE cannot be used on text".to_owned())
        );
        assert_eq!(
            check("accountEnabled", "EQUALS", Some("true")),
            Err("EQUALS cannot be used on a Boolean".to_owned())
        );
        assert_eq!(check("manager", "IS NULL", None), Ok(()));
        assert_eq!(check("manager", "EQUALS", Some("x")), Ok(()));
        assert_eq!(
            check("manager", "IS TRUE", None),
            Err("IS TRUE cannot be used on a reference to another object".to_owned())
        );
        assert!(check("employeeHireDate", "GREATER_THAN", Some("5")).is_err());
        assert!(check("employeeHireDate", "GREATER_THAN", Some("2026-01-01")).is_ok());
    }

    #[test]
    fn groups_are_alternatives_and_the_first_failing_clause_of_each_is_told() {
        let group = |clauses: &[(&str, &str, Option<&str>)]| ClauseGroup {
            name: None,
            clauses: clauses
                .iter()
                .map(|(attribute, operator, value)| {
                    Clause::new(attribute, operator, *value).expect("a clause")
                })
                .collect(),
        };
        let filter = Filter {
            groups: vec![
                group(&[
                    ("country", "IS NOT NULL", None),
                    ("department", "EQUALS", Some("Sales")),
                ]),
                group(&[("employeeId", "IS NOT NULL", None)]),
            ],
        };
        assert_eq!(
            filter.attributes().into_iter().collect::<Vec<_>>(),
            ["country", "department", "employeeId"]
        );
        let judge = |department: &'static str| {
            filter.judge(&move |name| match name {
                "country" => Some(text("DE")),
                "department" => Some(text(department)),
                _ => None,
            })
        };
        assert_eq!(judge("Sales"), Ok(()));
        assert_eq!(
            judge("Legal"),
            Err(vec![
                ClauseFailure {
                    clause: "department EQUALS \"Sales\"".to_owned(),
                    value: Some("Legal".to_owned()),
                },
                ClauseFailure {
                    clause: "employeeId IS NOT NULL".to_owned(),
                    value: None,
                },
            ])
        );
        assert_eq!(Filter::default().judge(&|_| None), Ok(()));
    }
}

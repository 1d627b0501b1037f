//! What can be wrong with an expression, and where. A message never holds the value that flows,
//! only what stands for a setting (a pattern, a format, an interval), so it can be logged as it is.

use std::fmt::Write as _;
use std::ops::Range;

use super::functions;

/// How much of a long line is shown around the caret.
const SHOWN_BEFORE: usize = 50;
const SHOWN_AFTER: usize = 50;

/// A problem with an expression; `span` is the place, in bytes of its text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub(crate) struct Error {
    pub(crate) kind: ErrorKind,
    pub(crate) span: Range<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ErrorKind {
    // Reading the text
    #[error("the expression is empty")]
    Empty,
    #[error("the expression has {length} characters, more than the 10,000 allowed")]
    TooLong { length: usize },
    #[error("the expression is nested more than {limit} levels deep")]
    TooDeep { limit: usize },
    #[error("unexpected character {0:?}")]
    UnexpectedCharacter(char),
    #[error("the text has no closing quote")]
    UnterminatedText,
    #[error("the attribute has no closing bracket")]
    UnterminatedAttribute,
    #[error("the attribute has no name")]
    UnnamedAttribute,
    #[error("a number has at most 19 digits before the point and 18 after it")]
    NumberTooLong,
    #[error("a hexadecimal number is at most &H7FFFFFFFFFFFFFFF")]
    HexTooLarge,
    #[error("expected {expected}, found {found}")]
    Expected {
        expected: &'static str,
        found: String,
    },
    #[error("a comparison cannot be compared again")]
    ChainedComparison,

    // Checking it
    #[error("unknown function {name}")]
    UnknownFunction {
        name: String,
        nearest: Option<&'static str>,
    },
    #[error("unknown word {name}")]
    UnknownWord {
        name: String,
        nearest: Option<&'static str>,
    },
    #[error("unknown attribute {name}")]
    UnknownAttribute {
        name: String,
        nearest: Option<String>,
    },
    #[error("the name is spelled {spelled}")]
    OtherCase { spelled: String },
    #[error("{function} needs {parameter}")]
    MissingArgument {
        function: &'static str,
        parameter: &'static str,
    },
    #[error("{function} takes at most {most} arguments, {given} are given")]
    TooManyArguments {
        function: &'static str,
        most: usize,
        given: usize,
    },
    #[error("{function} takes {parameters} in pairs, but one is left over")]
    UnpairedArgument {
        function: &'static str,
        parameters: &'static str,
    },
    #[error("{word} is not allowed here")]
    MisplacedWord { word: &'static str },
    #[error("{function} must be the outermost function")]
    NotOutermost { function: &'static str },
    #[error("{function} cannot be used in a condition")]
    InCondition { function: &'static str },
    #[error("{function} takes the attribute [appRoleAssignments] and nothing else")]
    NotRoleAssignments { function: &'static str },
    #[error("these arguments of Replace cannot be combined")]
    ReplaceArguments,
    #[error("invalid regular expression: {0}")]
    InvalidPattern(String),
    #[error("the regular expression has no group {0}")]
    UnknownGroup(String),
    #[error("invalid date format: {0}")]
    InvalidDateFormat(String),
    #[error("unknown date style {0}")]
    UnknownDateStyle(String),
    #[error("unknown interval {0}")]
    UnknownInterval(String),
    #[error("unknown kind of comparison {0}")]
    UnknownCompareType(String),
    #[error("{0} is not the name of a culture")]
    UnknownCulture(String),

    // Evaluating it
    #[error("{parameter} of {function} is null")]
    NullArgument {
        function: &'static str,
        parameter: &'static str,
    },
    #[error("a multi-valued attribute is used where one value is required")]
    MultipleValues,
    #[error("a complex value is used where plain text is required")]
    ComplexValue,
    #[error("{parameter} of {function} is not a number")]
    NotANumber {
        function: &'static str,
        parameter: &'static str,
    },
    #[error(
        "{parameter} of {function} is out of range: whole numbers are from {} to {}",
        i64::MIN,
        i64::MAX
    )]
    NumberOutOfRange {
        function: &'static str,
        parameter: &'static str,
    },
    #[error("{parameter} of {function} is not a whole number in range")]
    NotWhole {
        function: &'static str,
        parameter: &'static str,
    },
    #[error("{parameter} of {function} is not a date that can be read")]
    NotADate {
        function: &'static str,
        parameter: &'static str,
    },
    #[error("the value does not have the date format {format}")]
    FormatMismatch { format: String },
    #[error("the date is outside the years 1 to 9999")]
    DateOutOfRange,
    #[error("the value is neither true nor false")]
    NotABoolean,
    #[error("there is no value number {index}: the attribute has {count}")]
    NoSuchItem { index: i64, count: usize },
    #[error("the tenant's default domain is not known")]
    NoDefaultDomain,
    #[error("every value of the rules is already taken in the target")]
    AllTaken,
    #[error("the length is outside 0 to 256")]
    RandomLength,
    #[error("the minimums add up to {minimums}, more than the length of {length}")]
    RandomMinimums { minimums: i64, length: i64 },
    #[error("no character is left to choose from")]
    NothingToChooseFrom,
    #[error("the result is longer than {limit} bytes")]
    ResultTooLong { limit: usize },
    #[error("the text is too long for this regular expression")]
    TextTooLongForPattern,
    #[error("the regular expression takes too many steps on this value")]
    PatternTooSlow,
}

impl ErrorKind {
    /// What the reader could do about it, where that can be said.
    pub(crate) fn help(&self) -> Option<String> {
        let help = match self {
            Self::MissingArgument { function, .. }
            | Self::TooManyArguments { function, .. }
            | Self::UnpairedArgument { function, .. } => {
                let function = functions::find(function)?;
                return Some(format!("{}: {}", function.signature(), function.help));
            }
            Self::UnknownFunction {
                nearest: Some(near),
                ..
            }
            | Self::UnknownWord {
                nearest: Some(near),
                ..
            } => return Some(format!("did you mean {near}?")),
            Self::UnknownAttribute {
                nearest: Some(near),
                ..
            } => return Some(format!("did you mean [{near}]?")),
            Self::UnknownWord { name, .. } => {
                return Some(format!(
                    "write \"{name}\" for text, [{name}] for an attribute"
                ));
            }
            Self::OtherCase { spelled } => return Some(format!("write {spelled}")),
            Self::UnexpectedCharacter('“' | '”' | '„' | '\'' | '‘' | '’') => {
                "write text in straight double quotes"
            }
            Self::UnexpectedCharacter('&') => "there is no & operator: use Join or Append",
            Self::UnexpectedCharacter('+' | '-' | '*' | '/') => {
                "there is no arithmetic; a negative number is written -1"
            }
            Self::Expected { found, .. } if found == "the word AND" => {
                "there is no AND: put an IIF in the true branch"
            }
            Self::Expected { found, .. } if found == "the word OR" => {
                "there is no OR: put an IIF in the false branch"
            }
            Self::UnterminatedText => "a quote inside text is written \\\"",
            Self::ChainedComparison => "put the second comparison into an IIF of its own",
            Self::MisplacedWord {
                word: "IgnoreAttributeFlow" | "IgnoreObjectFlow",
            } => "it is a branch of IIF, Switch or Coalesce",
            Self::MisplacedWord { .. } => "it is the last argument of InStr",
            Self::InCondition {
                function: "IgnoreFlowIfNullOrEmpty",
            } => "wrap the whole IIF in it instead",
            Self::ReplaceArguments => {
                "use oldValue with replacementValue or template, or regexPattern with \
                 replacementValue, or regexPattern and regexGroupName with replacementValue or \
                 replacementAttributeName"
            }
            Self::UnknownInterval(_) => "the intervals are yyyy, m, d, ww, h, n (minutes) and s",
            Self::UnknownCompareType(_) => "it is vbBinaryCompare or vbTextCompare",
            Self::MultipleValues => "use Item, Join or Count",
            _ => return None,
        };
        Some(help.to_owned())
    }
}

impl Error {
    pub(super) fn new(kind: ErrorKind, span: Range<usize>) -> Self {
        Self { kind, span }
    }

    /// The line of the place, counted from 1.
    pub(crate) fn line(&self, text: &str) -> usize {
        self.before(text).matches('\n').count() + 1
    }

    /// The column of the place in its line, in characters counted from 1.
    pub(crate) fn column(&self, text: &str) -> usize {
        let before = self.before(text);
        let line = before.rsplit('\n').next().unwrap_or(before);
        line.chars().count() + 1
    }

    /// The message, the line, a caret under the place and what to do about it.
    pub(crate) fn render(&self, text: &str) -> String {
        let line_start = self.before(text).rfind('\n').map_or(0, |at| at + 1);
        let line = text[line_start..].split('\n').next().unwrap_or_default();
        let (number, column) = (self.line(text), self.column(text));

        let from = (column - 1).saturating_sub(SHOWN_BEFORE);
        let length = line.chars().count();
        let marked = text
            .get(self.span.clone())
            .map_or(1, |marked| {
                marked
                    .split('\n')
                    .next()
                    .unwrap_or_default()
                    .chars()
                    .count()
            })
            .max(1);
        let to = (column - 1 + marked.min(SHOWN_AFTER) + SHOWN_AFTER).min(length);
        // A tab would move the caret away from its place, and so would any other control character.
        let shown: String = line
            .chars()
            .skip(from)
            .take(to.saturating_sub(from))
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let cut_before = if from > 0 { "…" } else { "" };
        let cut_after = if to < length { "…" } else { "" };

        let margin = number.to_string().len();
        let indent = column - 1 - from + usize::from(from > 0);
        let carets = marked.min((to + 1).saturating_sub(column)).max(1);
        let mut out = format!("{self} (line {number}, column {column})\n");
        let _ = writeln!(out, "{:margin$} |", "");
        let _ = writeln!(out, "{number} | {cut_before}{shown}{cut_after}");
        let _ = write!(out, "{:margin$} | {:indent$}{}", "", "", "^".repeat(carets));
        if let Some(help) = self.kind.help() {
            let _ = write!(out, " {help}");
        }
        out
    }

    fn before<'t>(&self, text: &'t str) -> &'t str {
        text.get(..self.span.start).unwrap_or(text)
    }
}

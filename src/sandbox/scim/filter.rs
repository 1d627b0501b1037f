//! Filters (RFC 7644 section 3.4.2.2): a parser for the whole grammar and an evaluation over JSON.

use std::cmp::Ordering;

use chrono::DateTime;
use serde_json::Value;

use super::error::Refusal;
use super::path::{AttributePath, closing_bracket};
use super::schema::{Attribute, Kind};

/// How deep parentheses may nest.
const MAX_DEPTH: usize = 50;

/// A parsed filter.
#[derive(Debug, Clone)]
pub(super) enum Filter {
    Compare {
        path: AttributePath,
        operator: Operator,
        value: Value,
    },
    Present(AttributePath),
    /// One value of the attribute satisfies the inner filter.
    AnyValue(AttributePath, Box<Filter>),
    Not(Box<Filter>),
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Contains,
    StartsWith,
    EndsWith,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Operator {
    fn parse(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "eq" => Self::Equal,
            "ne" => Self::NotEqual,
            "co" => Self::Contains,
            "sw" => Self::StartsWith,
            "ew" => Self::EndsWith,
            "gt" => Self::Greater,
            "ge" => Self::GreaterOrEqual,
            "lt" => Self::Less,
            "le" => Self::LessOrEqual,
            _ => return None,
        })
    }
}

/// Parses a filter over resources of a kind.
pub(super) fn parse(text: &str, kind: Kind) -> Result<Filter, Refusal> {
    Parser::new(text, Names::Resource(kind)).whole()
}

/// Parses the filter between the brackets behind a complex attribute.
pub(super) fn parse_within(text: &str, parent: &AttributePath) -> Result<Filter, Refusal> {
    Parser::new(text, Names::Values(parent.attribute)).whole()
}

impl Filter {
    pub(super) fn matches(&self, resource: &Value) -> bool {
        match self {
            Self::Compare {
                path,
                operator,
                value,
            } => compare_any(path, *operator, value, resource),
            Self::Present(path) => path.values(resource).into_iter().any(is_present),
            Self::AnyValue(path, inner) => path
                .values(resource)
                .into_iter()
                .any(|item| inner.matches(item)),
            Self::Not(inner) => !inner.matches(resource),
            Self::And(left, right) => left.matches(resource) && right.matches(resource),
            Self::Or(left, right) => left.matches(resource) || right.matches(resource),
        }
    }

    /// Every attribute the filter looks at.
    pub(super) fn paths(&self) -> Vec<AttributePath> {
        match self {
            Self::Compare { path, .. } | Self::Present(path) | Self::AnyValue(path, _) => {
                vec![*path]
            }
            Self::Not(inner) => inner.paths(),
            Self::And(left, right) | Self::Or(left, right) => {
                let mut paths = left.paths();
                paths.extend(right.paths());
                paths
            }
        }
    }

    /// The equalities that every match must satisfy, for look-ups in an index.
    pub(super) fn required_equalities(&self) -> Vec<(AttributePath, &str)> {
        match self {
            Self::Compare {
                path,
                operator: Operator::Equal,
                value: Value::String(text),
            } => vec![(*path, text.as_str())],
            Self::AnyValue(path, inner) => inner
                .required_equalities()
                .into_iter()
                .map(|(sub, text)| {
                    let path = AttributePath {
                        sub: Some(sub.attribute),
                        ..*path
                    };
                    (path, text)
                })
                .collect(),
            Self::And(left, right) => {
                let mut both = left.required_equalities();
                both.extend(right.required_equalities());
                both
            }
            _ => Vec::new(),
        }
    }
}

fn is_present(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

fn compare_any(path: &AttributePath, operator: Operator, wanted: &Value, on: &Value) -> bool {
    let leaf = path.leaf();
    let values: Vec<&Value> = path
        .values(on)
        .into_iter()
        .map(|value| {
            if path.sub.is_none() && value.is_object() {
                &value[leaf.name]
            } else {
                value
            }
        })
        .filter(|value| !value.is_null())
        .collect();
    if wanted.is_null() {
        return (operator == Operator::Equal) == values.is_empty();
    }
    if operator == Operator::NotEqual {
        return !values
            .iter()
            .any(|value| compare(leaf, Operator::Equal, value, wanted));
    }
    values
        .iter()
        .any(|value| compare(leaf, operator, value, wanted))
}

fn compare(leaf: &Attribute, operator: Operator, own: &Value, wanted: &Value) -> bool {
    match (own, wanted) {
        (Value::String(own), Value::String(wanted)) => {
            if leaf.kind == "dateTime"
                && let (Ok(own), Ok(wanted)) = (
                    DateTime::parse_from_rfc3339(own),
                    DateTime::parse_from_rfc3339(wanted),
                )
            {
                return ordered(operator, own.cmp(&wanted));
            }
            let (own, wanted) = if leaf.is_exact() {
                (own.clone(), wanted.clone())
            } else {
                (own.to_lowercase(), wanted.to_lowercase())
            };
            match operator {
                Operator::Contains => own.contains(&wanted),
                Operator::StartsWith => own.starts_with(&wanted),
                Operator::EndsWith => own.ends_with(&wanted),
                _ => ordered(operator, own.cmp(&wanted)),
            }
        }
        (Value::Bool(own), Value::Bool(wanted)) => operator == Operator::Equal && own == wanted,
        (Value::Bool(own), Value::String(wanted)) => {
            operator == Operator::Equal && wanted.eq_ignore_ascii_case(&own.to_string())
        }
        (Value::Number(own), Value::Number(wanted)) => own
            .as_f64()
            .partial_cmp(&wanted.as_f64())
            .is_some_and(|order| ordered(operator, order)),
        _ => false,
    }
}

fn ordered(operator: Operator, order: Ordering) -> bool {
    match operator {
        Operator::Equal => order.is_eq(),
        Operator::NotEqual => order.is_ne(),
        Operator::Greater => order.is_gt(),
        Operator::GreaterOrEqual => order.is_ge(),
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Contains | Operator::StartsWith | Operator::EndsWith => false,
    }
}

/// What names mean where the parser is: attributes of a resource, or sub-attributes of a value.
#[derive(Clone, Copy)]
enum Names {
    Resource(Kind),
    Values(&'static Attribute),
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    names: Names,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, names: Names) -> Self {
        Self {
            text,
            rest: text.trim(),
            names,
            depth: 0,
        }
    }

    fn whole(mut self) -> Result<Filter, Refusal> {
        let filter = self.or()?;
        if self.rest.is_empty() {
            Ok(filter)
        } else {
            Err(self.malformed())
        }
    }

    fn malformed(&self) -> Refusal {
        let at = self.text.len() - self.rest.len();
        Refusal::invalid_filter(format!("The filter is malformed at position {at}."))
    }

    fn or(&mut self) -> Result<Filter, Refusal> {
        let mut left = self.and()?;
        while self.keyword("or") {
            left = Filter::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Filter, Refusal> {
        let mut left = self.term()?;
        while self.keyword("and") {
            left = Filter::And(Box::new(left), Box::new(self.term()?));
        }
        Ok(left)
    }

    fn term(&mut self) -> Result<Filter, Refusal> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.malformed());
        }
        let found = self.term_inside();
        self.depth -= 1;
        found
    }

    fn term_inside(&mut self) -> Result<Filter, Refusal> {
        let negated = self.negation();
        if negated || self.rest.starts_with('(') {
            self.symbol('(')?;
            let inner = self.or()?;
            self.symbol(')')?;
            return Ok(if negated {
                Filter::Not(Box::new(inner))
            } else {
                inner
            });
        }
        let path = self.path()?;
        if let Some(rest) = self.rest.strip_prefix('[') {
            let end = closing_bracket(rest).ok_or_else(|| self.malformed())?;
            let inner = parse_within(&rest[..end], &path)?;
            self.rest = rest[end + 1..].trim_start();
            return Ok(Filter::AnyValue(path, Box::new(inner)));
        }
        let word = self.word();
        if word.eq_ignore_ascii_case("pr") {
            return Ok(Filter::Present(path));
        }
        let operator = Operator::parse(word).ok_or_else(|| self.malformed())?;
        let value = self.value()?;
        let leaf = path.leaf();
        if leaf.kind == "boolean" && !matches!(operator, Operator::Equal | Operator::NotEqual) {
            return Err(Refusal::invalid_filter(format!(
                "Attribute '{}' is boolean and has no order.",
                path.name()
            )));
        }
        Ok(Filter::Compare {
            path,
            operator,
            value,
        })
    }

    /// `not` only counts in front of a parenthesis.
    fn negation(&mut self) -> bool {
        let head = self.rest.get(..3).unwrap_or_default();
        let tail = self.rest.get(3..).unwrap_or_default().trim_start();
        let found = head.eq_ignore_ascii_case("not") && tail.starts_with('(');
        if found {
            self.rest = tail;
        }
        found
    }

    fn keyword(&mut self, word: &str) -> bool {
        let head = self.rest.get(..word.len()).unwrap_or_default();
        let tail = self.rest.get(word.len()..).unwrap_or_default();
        let found = head.eq_ignore_ascii_case(word)
            && tail.starts_with(|letter: char| letter.is_whitespace() || letter == '(');
        if found {
            self.rest = tail.trim_start();
        }
        found
    }

    fn symbol(&mut self, symbol: char) -> Result<(), Refusal> {
        let rest = self.rest.strip_prefix(symbol);
        self.rest = rest.ok_or_else(|| self.malformed())?.trim_start();
        Ok(())
    }

    fn word(&mut self) -> &'a str {
        let end = self
            .rest
            .find(|letter: char| letter.is_whitespace() || matches!(letter, '(' | ')' | '[' | ']'))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        word
    }

    fn path(&mut self) -> Result<AttributePath, Refusal> {
        let word = self.word();
        if word.is_empty() {
            return Err(self.malformed());
        }
        let unknown = || Refusal::invalid_filter(format!("There is no attribute '{word}'."));
        match self.names {
            Names::Resource(kind) => AttributePath::parse(word, kind).map_err(|_| unknown()),
            Names::Values(parent) => Ok(AttributePath {
                extension: None,
                attribute: parent.sub(word).ok_or_else(unknown)?,
                sub: None,
            }),
        }
    }

    /// A JSON string, number, `true`, `false` or `null`.
    fn value(&mut self) -> Result<Value, Refusal> {
        let end = if self.rest.starts_with('"') {
            self.string_end().ok_or_else(|| self.malformed())?
        } else {
            self.rest
                .find(|letter: char| letter.is_whitespace() || letter == ')')
                .unwrap_or(self.rest.len())
        };
        let (literal, rest) = self.rest.split_at(end);
        let value = serde_json::from_str(literal).map_err(|_| self.malformed())?;
        self.rest = rest.trim_start();
        Ok(value)
    }

    fn string_end(&self) -> Option<usize> {
        let mut escaped = false;
        for (place, letter) in self.rest.char_indices().skip(1) {
            match letter {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => return Some(place + 1),
                _ => {}
            }
        }
        None
    }
}

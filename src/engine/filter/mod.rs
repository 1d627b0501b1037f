//! Scoping filters: clauses AND inside a group, groups OR, no filter lets everything pass.
//!
//! The operators are Entra's, with its rules for null and case, and a little more: attributes with
//! several values can be compared, and so can dates. A pattern must match the whole value: Entra does
//! not say so, but its examples read like that ("any number between 10 and 99" for `[1-9][0-9]`). A
//! clause may ask for a match anywhere instead.

mod clause;
mod operator;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::model::Value;
use clause::plain;

pub(crate) use clause::{Clause, ClauseError, boolean};
pub(crate) use operator::Operator;

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

/// The clause by which an object did not pass one of the filters, with the value it saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClauseFailure {
    /// Which group of clauses it is, counted from 1 in the order of the configuration.
    pub(crate) number: usize,
    /// What the configuration calls that group.
    pub(crate) name: Option<String>,
    pub(crate) attribute: String,
    /// The clause as a person would write it: `department EQUALS "Sales"`.
    pub(crate) clause: String,
    /// The attribute's value; `None` when it is null.
    pub(crate) value: Option<String>,
}

/// What one clause says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClauseResult {
    /// As in [`ClauseFailure`]; the value also where the clause holds.
    pub(crate) seen: ClauseFailure,
    pub(crate) holds: bool,
}

/// The longest part of a value that a report repeats.
const SHOWN_LENGTH: usize = 100;

impl Filter {
    /// Whether an object passes; if not, the first failing clause of each group.
    pub(crate) fn judge(
        &self,
        lookup: &dyn Fn(&str) -> Option<Value>,
    ) -> Result<(), Vec<ClauseFailure>> {
        let mut failures = Vec::new();
        for (number, group) in (1..).zip(&self.groups) {
            match group.first_failure(number, lookup) {
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

    /// Every clause with the value that it sees.
    pub(crate) fn results(&self, lookup: &dyn Fn(&str) -> Option<Value>) -> Vec<ClauseResult> {
        let groups = (1..).zip(&self.groups);
        groups
            .flat_map(|(number, group)| {
                let clauses = group.clauses.iter();
                clauses.map(move |clause| group.result(number, clause, lookup))
            })
            .collect()
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
    fn first_failure(
        &self,
        number: usize,
        lookup: &dyn Fn(&str) -> Option<Value>,
    ) -> Option<ClauseFailure> {
        self.clauses.iter().find_map(|clause| {
            let value = lookup(clause.attribute());
            (!clause.holds(value.as_ref())).then(|| self.seen(number, clause, value))
        })
    }

    fn result(
        &self,
        number: usize,
        clause: &Clause,
        lookup: &dyn Fn(&str) -> Option<Value>,
    ) -> ClauseResult {
        let value = lookup(clause.attribute());
        ClauseResult {
            holds: clause.holds(value.as_ref()),
            seen: self.seen(number, clause, value),
        }
    }

    fn seen(&self, number: usize, clause: &Clause, value: Option<Value>) -> ClauseFailure {
        ClauseFailure {
            number,
            name: self.name.clone().filter(|name| !name.trim().is_empty()),
            attribute: clause.attribute().to_owned(),
            clause: clause.to_string(),
            value: value
                .filter(|value| !value.is_empty())
                .map(|value| show(&value)),
        }
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

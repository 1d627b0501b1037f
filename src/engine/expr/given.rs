//! What an expression can give, as far as that is certain without an object: the checks of a
//! configuration compare it with what the target takes. What is not certain is never an error.

use std::collections::BTreeSet;

use chrono::DateTime;

use super::check::{Term, TermKind};
use super::datum::Datum;
use super::error::{Error, ErrorKind};
use super::eval::{Evaluator, Stop};
use super::functions::{Gives, Takes};
use super::{Expression, Flow, Input, Write};
use crate::engine::model::{Attributes, Value};

/// Something that an expression can give.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Given {
    /// This very value, whatever the object.
    Constant(Value),
    Text,
    Boolean,
    Number,
    Date,
    Reference,
    Object,
    Texts,
    Objects,
    /// It depends on what only the tenant knows.
    Unknown,
}

/// Functions whose value depends on more than their arguments.
const NEVER_CONSTANT: [&str; 5] = [
    "DefaultDomain",
    "Guid",
    "Now",
    "RandomString",
    "SelectUniqueValue",
];

impl Expression {
    /// Everything that can come out besides null, or a part that fails for every object.
    pub(crate) fn gives(
        &self,
        attribute: &dyn Fn(&str) -> Given,
    ) -> Result<BTreeSet<Given>, Error> {
        gives(&self.root, attribute)
    }
}

fn gives(term: &Term, attribute: &dyn Fn(&str) -> Given) -> Result<BTreeSet<Given>, Error> {
    if is_constant(term) {
        return constant(term);
    }
    let one = match &term.kind {
        TermKind::Text(_)
        | TermKind::Number(_)
        | TermKind::Ignored(_)
        | TermKind::Pattern { .. }
        | TermKind::DateFormat { .. } => return constant(term),
        TermKind::Attribute(name) => attribute(name),
        TermKind::Compare {
            operator: _,
            left,
            right,
        } => {
            single(left, attribute)?;
            single(right, attribute)?;
            Given::Boolean
        }
        TermKind::Call {
            function,
            arguments,
        } => {
            let mut given = Vec::with_capacity(arguments.len());
            for (index, argument) in arguments.iter().enumerate() {
                given.push(match (argument, function.parameter(index).takes) {
                    (None, _) => BTreeSet::new(),
                    (Some(argument), Takes::Values | Takes::Branch | Takes::Roles) => {
                        gives(argument, attribute)?
                    }
                    (
                        Some(argument),
                        Takes::Value
                        | Takes::Condition
                        | Takes::Pattern
                        | Takes::DateFormat
                        | Takes::DateStyles
                        | Takes::Interval
                        | Takes::CompareType
                        | Takes::Culture
                        | Takes::AttributeName,
                    ) => single(argument, attribute)?,
                });
            }
            match function.gives {
                Gives::Text => Given::Text,
                Gives::Boolean => Given::Boolean,
                Gives::Number => Given::Number,
                Gives::Date => Given::Date,
                Gives::Texts => Given::Texts,
                Gives::Objects => Given::Objects,
                Gives::Argument(first, step) => {
                    return Ok(given
                        .into_iter()
                        .skip(first)
                        .step_by(step)
                        .flatten()
                        .collect());
                }
                Gives::Element => {
                    let first = given.into_iter().next().unwrap_or_default();
                    return Ok(first.into_iter().map(element).collect());
                }
            }
        }
    };
    Ok(BTreeSet::from([one]))
}

/// The same where several values, or an object, fail whenever they are met.
fn single(term: &Term, attribute: &dyn Fn(&str) -> Given) -> Result<BTreeSet<Given>, Error> {
    let given = gives(term, attribute)?;
    let fault = |given: &Given| match given {
        Given::Texts | Given::Objects | Given::Constant(Value::List(_)) => {
            Some(ErrorKind::MultipleValues)
        }
        Given::Object => Some(ErrorKind::ComplexValue),
        Given::Constant(_)
        | Given::Text
        | Given::Boolean
        | Given::Number
        | Given::Date
        | Given::Reference
        | Given::Unknown => None,
    };
    let faults: Vec<_> = given.iter().filter_map(fault).collect();
    match faults.into_iter().next_back() {
        // Another branch may be the one that is taken.
        Some(kind) if given.iter().all(|one| fault(one).is_some()) => {
            Err(Error::new(kind, term.span.clone()))
        }
        Some(_) | None => Ok(given),
    }
}

fn element(given: Given) -> Given {
    match given {
        Given::Texts | Given::Constant(_) => Given::Text,
        Given::Objects => Given::Object,
        single => single,
    }
}

fn is_constant(term: &Term) -> bool {
    let mut is_constant = true;
    term.walk(&mut |term| {
        is_constant &= match &term.kind {
            TermKind::Attribute(_) => false,
            TermKind::Call {
                function,
                arguments: _,
            } => !NEVER_CONSTANT.contains(&function.name),
            TermKind::Text(_)
            | TermKind::Number(_)
            | TermKind::Ignored(_)
            | TermKind::Pattern { .. }
            | TermKind::DateFormat { .. }
            | TermKind::Compare { .. } => true,
        };
    });
    is_constant
}

/// What reads nothing can be evaluated beforehand, and fails beforehand.
fn constant(term: &Term) -> Result<BTreeSet<Given>, Error> {
    let input = Input {
        attributes: &Attributes::default(),
        roles: &[],
        write: Write::Create,
        now: DateTime::UNIX_EPOCH,
        random: &|| 0,
        default_domain: None,
        taken: &|_| false,
    };
    let datum = match Evaluator::new(&input).evaluate(term) {
        Ok(Datum::Date(_)) => return Ok(BTreeSet::from([Given::Date])),
        Ok(datum) => datum,
        Err(Stop::Ignored(_)) => return Ok(BTreeSet::new()),
        Err(Stop::Failed(error)) => return Err(error),
    };
    Ok(match datum.into_flow() {
        Flow::Value(value) if !value.is_empty() => BTreeSet::from([Given::Constant(value)]),
        Flow::Value(_) | Flow::Null | Flow::IgnoreAttribute | Flow::IgnoreObject => BTreeSet::new(),
    })
}

//! Turns a tree as it was written into one that can be evaluated: names are known, arguments are
//! complete, and constant regular expressions and date formats are compiled.

use std::ops::Range;

use super::ast::{self, Node, NodeKind, Operator};
use super::dates::{Interval, format::DateFormat, format::Styles};
use super::error::{Error, ErrorKind, nearest};
use super::functions::{Function, Parameter, Takes, find, functions};
use super::number::Number;
use super::pattern::Pattern;
use super::{roles, text};

/// A checked part of an expression and its place in the text.
#[derive(Clone, Debug)]
pub(super) struct Term {
    pub(super) kind: TermKind,
    pub(super) span: Range<usize>,
}

#[derive(Clone, Debug)]
pub(super) enum TermKind {
    Text(String),
    Number(Number),
    Attribute(String),
    Ignored(Ignored),
    Pattern {
        text: String,
        pattern: Box<Pattern>,
    },
    DateFormat {
        text: String,
        format: DateFormat,
    },
    Compare {
        operator: Operator,
        left: Box<Term>,
        right: Box<Term>,
    },
    Call {
        function: &'static Function,
        arguments: Vec<Option<Term>>,
    },
}

/// What `IgnoreAttributeFlow` and `IgnoreObjectFlow` leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ignored {
    Attribute,
    Object,
}

/// The bare words of the language.
const WORDS: &[&str] = &[
    "IgnoreAttributeFlow",
    "IgnoreObjectFlow",
    "vbBinaryCompare",
    "vbTextCompare",
];

impl Term {
    /// Calls `visit` with this term and every term inside it, in source order.
    pub(super) fn walk<'t>(&'t self, visit: &mut impl FnMut(&'t Self)) {
        visit(self);
        match &self.kind {
            TermKind::Compare {
                operator: _,
                left,
                right,
            } => {
                left.walk(visit);
                right.walk(visit);
            }
            TermKind::Call {
                function: _,
                arguments,
            } => {
                for argument in arguments.iter().flatten() {
                    argument.walk(visit);
                }
            }
            TermKind::Text(_)
            | TermKind::Number(_)
            | TermKind::Attribute(_)
            | TermKind::Ignored(_)
            | TermKind::Pattern { .. }
            | TermKind::DateFormat { .. } => {}
        }
    }
}

pub(super) fn check(tree: &Node) -> Result<Term, Error> {
    term(tree, Place::Outermost)
}

/// Where a part of an expression stands.
#[derive(Clone, Copy, Debug)]
enum Place {
    Outermost,
    Argument { takes: Takes, in_condition: bool },
}

impl Place {
    fn in_condition(self) -> bool {
        match self {
            Self::Outermost => false,
            Self::Argument { in_condition, .. } => in_condition,
        }
    }

    fn takes(self) -> Takes {
        match self {
            Self::Outermost => Takes::Value,
            Self::Argument { takes, .. } => takes,
        }
    }
}

fn term(node: &Node, place: Place) -> Result<Term, Error> {
    let span = node.span.clone();
    let at = |kind| Error::new(kind, span.clone());
    let kind = match &node.kind {
        NodeKind::Text(text) => constant(text, place.takes()).map_err(at)?,
        NodeKind::Number(number) => TermKind::Number(*number),
        NodeKind::Hex(value) => TermKind::Number(Number::whole(*value)),
        NodeKind::Attribute(name) => TermKind::Attribute(name.clone()),
        NodeKind::Word(word) => bare_word(word, place).map_err(at)?,
        NodeKind::Call(written) => call(written, node, place)?,
        NodeKind::Compare(comparison) => {
            let inside = Place::Argument {
                takes: Takes::Value,
                in_condition: place.in_condition(),
            };
            TermKind::Compare {
                operator: comparison.operator,
                left: Box::new(term(&comparison.left, inside)?),
                right: Box::new(term(&comparison.right, inside)?),
            }
        }
    };
    Ok(Term { kind, span })
}

/// Text in quotes, checked and prepared for what the parameter takes.
fn constant(text: &str, takes: Takes) -> Result<TermKind, ErrorKind> {
    match takes {
        Takes::Pattern if !text.is_empty() => {
            let pattern = Pattern::compile(text).map_err(ErrorKind::InvalidPattern)?;
            return Ok(TermKind::Pattern {
                text: text.to_owned(),
                pattern: Box::new(pattern),
            });
        }
        Takes::DateFormat => {
            let format = DateFormat::compile(text).map_err(ErrorKind::InvalidDateFormat)?;
            return Ok(TermKind::DateFormat {
                text: text.to_owned(),
                format,
            });
        }
        Takes::AttributeName if !text.is_empty() => {
            return Ok(TermKind::Attribute(text.to_owned()));
        }
        Takes::DateStyles => {
            Styles::parse(text)?;
        }
        Takes::Interval => {
            Interval::parse(text)?;
        }
        Takes::CompareType => {
            text::ignores_case(text)?;
        }
        Takes::Culture => {
            text::Culture::parse(text)?;
        }
        Takes::Value
        | Takes::Branch
        | Takes::Condition
        | Takes::Roles
        | Takes::Pattern
        | Takes::AttributeName => {}
    }
    Ok(TermKind::Text(text.to_owned()))
}

fn bare_word(word: &str, place: Place) -> Result<TermKind, ErrorKind> {
    let takes = place.takes();
    match (word, takes) {
        ("IgnoreAttributeFlow", Takes::Branch) if !place.in_condition() => {
            Ok(TermKind::Ignored(Ignored::Attribute))
        }
        ("IgnoreObjectFlow", Takes::Branch) if !place.in_condition() => {
            Ok(TermKind::Ignored(Ignored::Object))
        }
        ("vbBinaryCompare" | "vbTextCompare", Takes::CompareType) => {
            Ok(TermKind::Text(word.to_owned()))
        }
        _ => Err(match WORDS.iter().find(|known| **known == word) {
            Some(word) => ErrorKind::MisplacedWord { word },
            None => ErrorKind::UnknownWord {
                name: word.to_owned(),
                nearest: nearest(word, WORDS.iter().copied()),
            },
        }),
    }
}

fn call(written: &ast::Call, node: &Node, place: Place) -> Result<TermKind, Error> {
    let ast::Call { name, arguments } = written;
    let name_span = node.span.start..node.span.start + name.len();
    let at_name = |kind| Error::new(kind, name_span.clone());
    let Some(function) = find(name) else {
        return Err(at_name(ErrorKind::UnknownFunction {
            name: name.clone(),
            nearest: nearest(name, functions().iter().map(|f| f.name)),
        }));
    };
    match function.name {
        "SelectUniqueValue" if !matches!(place, Place::Outermost) => {
            return Err(at_name(ErrorKind::NotOutermost {
                function: function.name,
            }));
        }
        // It gives no value to compare with.
        "IgnoreFlowIfNullOrEmpty" if place.in_condition() => {
            return Err(at_name(ErrorKind::InCondition {
                function: function.name,
            }));
        }
        _ => {}
    }

    let mut slots: Vec<Option<&Node>> = arguments.iter().map(Option::as_ref).collect();
    // An older form of FormatDateTime leaves out the style together with its comma.
    if let Some(index) = function.may_leave_out
        && slots.len() + 1 == function.parameters.len()
    {
        slots.insert(index, None);
    }
    check_arguments(function, &slots).map_err(|(kind, index)| {
        let place = index.and_then(|index| slots.get(index).copied().flatten());
        Error::new(kind, place.map_or(name_span.clone(), |n| n.span.clone()))
    })?;

    let mut terms = Vec::with_capacity(slots.len());
    for (index, slot) in slots.iter().enumerate() {
        let takes = function.parameter(index).takes;
        let inside = Place::Argument {
            takes,
            in_condition: place.in_condition() || takes == Takes::Condition,
        };
        terms.push(slot.map(|node| term(node, inside)).transpose()?);
    }
    if function.name == "Replace" {
        super::replace::check(&terms).map_err(|(kind, index)| {
            let place = index.and_then(|index| terms.get(index)?.as_ref());
            Error::new(kind, place.map_or(name_span.clone(), |t| t.span.clone()))
        })?;
    }
    Ok(TermKind::Call {
        function,
        arguments: terms,
    })
}

/// Checks that the arguments are as many as the function takes and that none is missing.
/// An error names the argument it is about, if that is written at all.
fn check_arguments(
    function: &'static Function,
    slots: &[Option<&Node>],
) -> Result<(), (ErrorKind, Option<usize>)> {
    let parameters = function.parameters;
    if slots.len() > parameters.len() {
        if function.repeating == 0 {
            let kind = ErrorKind::TooManyArguments {
                function: function.name,
                most: parameters.len(),
                given: slots.len(),
            };
            return Err((kind, Some(parameters.len())));
        }
        if !(slots.len() - parameters.len()).is_multiple_of(function.repeating) {
            let kind = ErrorKind::UnpairedArgument {
                function: function.name,
                parameters: function.repeated_names,
            };
            return Err((kind, Some(slots.len() - 1)));
        }
    }
    for index in 0..slots.len().max(parameters.len()) {
        let Parameter {
            name,
            required,
            takes,
        } = function.parameter(index);
        match slots.get(index).copied().flatten() {
            None if *required => {
                let kind = ErrorKind::MissingArgument {
                    function: function.name,
                    parameter: name,
                };
                return Err((kind, None));
            }
            Some(node)
                if *takes == Takes::Roles
                    && node.kind != NodeKind::Attribute(roles::ATTRIBUTE.to_owned()) =>
            {
                let kind = ErrorKind::NotRoleAssignments {
                    function: function.name,
                };
                return Err((kind, Some(index)));
            }
            Some(_) | None => {}
        }
    }
    Ok(())
}

//! Turns a tree as it was written into one that can be evaluated: names are known, arguments are
//! complete, and constant regular expressions and date formats are compiled.

use std::ops::Range;

use super::ast::{self, Node, NodeKind, Operator};
use super::dates::{Interval, format::DateFormat, format::Styles};
use super::error::{Error, ErrorKind};
use super::functions::{Function, Parameter, Takes, find, functions};
use super::number::Number;
use super::pattern::Pattern;
use super::{roles, text};
use crate::engine::model::nearest;

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
        format: Box<DateFormat>,
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
pub(super) const WORDS: &[&str] = &[
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

/// Only calls and comparisons lead deeper, so what they need on the stack is kept small: leaves,
/// names and arguments are checked in functions of their own.
fn term(node: &Node, place: Place) -> Result<Term, Error> {
    match &node.kind {
        NodeKind::Call(written) => call(written, node, place),
        NodeKind::Compare(comparison) => compare(comparison, node, place),
        NodeKind::Text(_)
        | NodeKind::Number(_)
        | NodeKind::Hex(_)
        | NodeKind::Attribute(_)
        | NodeKind::Word(_) => leaf(node, place),
    }
}

fn leaf(node: &Node, place: Place) -> Result<Term, Error> {
    let span = node.span.clone();
    let kind = match &node.kind {
        NodeKind::Text(text) => constant(text, place.takes()),
        NodeKind::Number(number) => Ok(TermKind::Number(*number)),
        NodeKind::Hex(value) => Ok(TermKind::Number(Number::whole(*value))),
        NodeKind::Attribute(name) => Ok(TermKind::Attribute(name.clone())),
        NodeKind::Word(word) => bare_word(word, place),
        NodeKind::Call(_) | NodeKind::Compare(_) => return term(node, place),
    };
    match kind {
        Ok(kind) => Ok(Term { kind, span }),
        Err(kind) => Err(Error::new(kind, span)),
    }
}

fn compare(comparison: &ast::Comparison, node: &Node, place: Place) -> Result<Term, Error> {
    let inside = Place::Argument {
        takes: Takes::Value,
        in_condition: place.in_condition(),
    };
    let left = Box::new(term(&comparison.left, inside)?);
    let right = Box::new(term(&comparison.right, inside)?);
    Ok(Term {
        kind: TermKind::Compare {
            operator: comparison.operator,
            left,
            right,
        },
        span: node.span.clone(),
    })
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
                format: Box::new(format),
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
        | Takes::Values
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

fn call(written: &ast::Call, node: &Node, place: Place) -> Result<Term, Error> {
    let (function, slots) = resolve(written, node, place)?;
    let mut arguments = Vec::with_capacity(slots.len());
    for (index, slot) in slots.into_iter().enumerate() {
        let takes = function.parameter(index).takes;
        let inside = Place::Argument {
            takes,
            in_condition: place.in_condition() || takes == Takes::Condition,
        };
        arguments.push(match slot {
            Some(node) => Some(term(node, inside)?),
            None => None,
        });
    }
    check_together(function, &arguments, written, node)?;
    Ok(Term {
        kind: TermKind::Call {
            function,
            arguments,
        },
        span: node.span.clone(),
    })
}

fn name_span(written: &ast::Call, node: &Node) -> Range<usize> {
    node.span.start..node.span.start + written.name.len()
}

/// The function that is called, and one argument for each of its parameters that is spoken of.
fn resolve<'n>(
    written: &'n ast::Call,
    node: &Node,
    place: Place,
) -> Result<(&'static Function, Vec<Option<&'n Node>>), Error> {
    let ast::Call { name, arguments } = written;
    let at_name = |kind| Error::new(kind, name_span(written, node));
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
    match check_arguments(function, &slots) {
        Ok(()) => Ok((function, slots)),
        Err((kind, index)) => {
            let place = index.and_then(|index| slots.get(index).copied().flatten());
            let span = place.map_or_else(|| name_span(written, node), |n| n.span.clone());
            Err(Error::new(kind, span))
        }
    }
}

/// Which arguments go together is a question for `Replace` only.
fn check_together(
    function: &Function,
    arguments: &[Option<Term>],
    written: &ast::Call,
    node: &Node,
) -> Result<(), Error> {
    if function.name != "Replace" {
        return Ok(());
    }
    super::replace::check(arguments).map_err(|(kind, index)| {
        let place = index.and_then(|index| arguments.get(index)?.as_ref());
        let span = place.map_or_else(|| name_span(written, node), |t| t.span.clone());
        Error::new(kind, span)
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

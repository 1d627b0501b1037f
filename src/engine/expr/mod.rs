//! The expression language of attribute mappings: parsed and checked once per job, evaluated per
//! object. The clock, randomness and the target's values come in with `Input`.

mod ast;
mod check;
mod dates;
mod datum;
mod diacritics;
mod error;
mod eval;
mod functions;
mod given;
mod lexer;
mod lists;
mod logic;
mod number;
mod outline;
mod parser;
mod pattern;
mod random;
mod replace;
mod roles;
mod spelling;
mod text;
mod token;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use chrono::{DateTime, Utc};

use crate::engine::model::{self, AppRole, Attributes, Value};
use check::{Term, TermKind};
use eval::{Evaluator, Stop};

pub(crate) use error::{Error, ErrorKind};
pub(crate) use functions::{Function, functions};
pub(crate) use given::Given;
pub(crate) use outline::{Outline, OutlineKind};
pub(crate) use roles::is_json_of_role;

/// A compiled expression: parsed, checked, and its constant patterns and formats compiled.
#[derive(Clone, Debug)]
pub(crate) struct Expression {
    text: String,
    tree: ast::Node,
    root: Term,
    respelled: Vec<Error>,
}

/// What an expression is evaluated on.
pub(crate) struct Input<'a> {
    /// The attributes of the source object, with the computed ones such as `IsSoftDeleted`.
    pub(crate) attributes: &'a dyn Lookup,
    /// The roles that the user holds in the application: `[appRoleAssignments]`.
    pub(crate) roles: &'a [AppRole],
    /// What the value is wanted for: some roles are written in another form by a create.
    pub(crate) write: Write,
    pub(crate) now: DateTime<Utc>,
    /// A source of random bits. Seeded alike, it makes evaluation repeatable.
    pub(crate) random: &'a dyn Fn() -> u64,
    /// The default verified domain of the tenant, where it is known.
    pub(crate) default_domain: Option<&'a str>,
    /// Whether the target has a value already, for `SelectUniqueValue`.
    pub(crate) taken: &'a dyn Fn(&str) -> bool,
}

/// Which write of a target object takes the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    Create,
    Update,
}

/// Where attributes come from. A name that is not known is absent, like one without a value.
pub(crate) trait Lookup {
    fn value(&self, name: &str) -> Option<&Value>;
}

impl Lookup for Attributes {
    fn value(&self, name: &str) -> Option<&Value> {
        Attributes::value(self, name)
    }
}

/// What leaves a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Value(Value),
    /// There is no value.
    Null,
    /// The attribute is left as it is in the target.
    IgnoreAttribute,
    /// The object is skipped.
    IgnoreObject,
}

impl Flow {
    /// The value as Entra prints it: `True`, `7`, `3/16/2020 7:00:00 AM`. `None` where there is no
    /// single value that could be printed.
    pub(crate) fn canonical_text(&self) -> Option<String> {
        match self {
            Self::Value(value) => eval::element_text(value).ok().map(Into::into),
            Self::Null | Self::IgnoreAttribute | Self::IgnoreObject => None,
        }
    }
}

/// A part of an expression and what it came to, for `eval --explain`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The place of the part in the text of the expression, in bytes.
    pub(crate) span: Range<usize>,
    /// `None` if the part was not evaluated, such as the branch that was not taken.
    pub(crate) outcome: Option<Result<Flow, Error>>,
    /// Whether `Redact` says that logs must not show the value.
    pub(crate) is_redacted: bool,
}

impl Expression {
    pub(crate) fn compile(text: &str) -> Result<Self, Error> {
        let mut tree = parser::parse(text)?;
        let respelled = spelling::language(&mut tree);
        let root = check::check(&tree)?;
        Ok(Self {
            text: text.to_owned(),
            tree,
            root,
            respelled,
        })
    }

    /// The text as it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The names of the attributes that are read, the computed ones included.
    pub(crate) fn attributes(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        self.root.walk(&mut |term| {
            if let TermKind::Attribute(name) = &term.kind {
                names.insert(name.as_str());
            }
        });
        names
    }

    /// The texts that it compares with or gives, as far as they are written in it.
    pub(crate) fn texts(&self) -> BTreeSet<String> {
        let mut texts = BTreeSet::new();
        self.root.walk(&mut |term| match &term.kind {
            TermKind::Text(text) => _ = texts.insert(text.clone()),
            TermKind::Number(number) => _ = texts.insert(number.to_string()),
            TermKind::Attribute(_)
            | TermKind::Ignored(_)
            | TermKind::Pattern { .. }
            | TermKind::DateFormat { .. }
            | TermKind::Compare { .. }
            | TermKind::Call { .. } => {}
        });
        texts
    }

    /// The first attribute that is not known, as an error with its place. `known` are the names
    /// from which the nearest one is suggested.
    pub(crate) fn unknown_attribute(
        &self,
        is_known: impl Fn(&str) -> bool,
        known: &[&str],
    ) -> Option<Error> {
        let mut found = None;
        self.root.walk(&mut |term| {
            if let TermKind::Attribute(name) = &term.kind
                && found.is_none()
                && !is_known(name)
            {
                let nearest = model::nearest(name, known.iter().copied());
                let kind = ErrorKind::UnknownAttribute {
                    name: name.clone(),
                    nearest: nearest.map(ToOwned::to_owned),
                };
                found = Some(Error::new(kind, term.span.clone()));
            }
        });
        found
    }

    /// Whether a function is called anywhere.
    pub(crate) fn uses(&self, function: &str) -> bool {
        let mut found = false;
        self.root
            .walk(&mut |term| found |= is_call_of(term, function));
        found
    }

    /// The names of the attributes that are read inside of a call of `Redact`.
    pub(crate) fn redacted_attributes(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        self.root.walk(&mut |call| {
            if is_call_of(call, "Redact") {
                call.walk(&mut |term| {
                    if let TermKind::Attribute(name) = &term.kind {
                        names.insert(name.as_str());
                    }
                });
            }
        });
        names
    }

    /// Whether the value may differ between two evaluations of one object.
    pub(crate) fn is_volatile(&self) -> bool {
        ["Now", "Guid", "RandomString"]
            .into_iter()
            .any(|function| self.uses(function))
    }

    /// Whether the target's values are needed; then it is no matching attribute, and it flows only
    /// when an object is created.
    pub(crate) fn selects_unique(&self) -> bool {
        // The check lets it stand nowhere but outermost.
        is_call_of(&self.root, "SelectUniqueValue")
    }

    /// The values that `SelectUniqueValue` may come to, in the order of its rules, whatever the
    /// target has; none for any other expression. A rule that fails or lets nothing flow ends them,
    /// as it ends the evaluation when that gets so far.
    pub(crate) fn candidates(&self, input: &Input<'_>) -> Vec<String> {
        let candidates = RefCell::new(Vec::new());
        let all_taken = Input {
            taken: &|value| {
                candidates.borrow_mut().push(value.to_owned());
                true
            },
            ..*input
        };
        // How it ends is reported when the value is chosen.
        let _ = self.evaluate(&all_taken);
        candidates.into_inner()
    }

    /// Whether the user's app roles are needed.
    pub(crate) fn reads_roles(&self) -> bool {
        self.attributes().contains(roles::ATTRIBUTE)
    }

    /// Whether the value is roles that are added to those of the target, and never taken away.
    pub(crate) fn only_adds(&self) -> bool {
        self.uses("AppRoleAssignmentsComplex")
    }

    pub(crate) fn evaluate(&self, input: &Input<'_>) -> Result<Flow, Error> {
        match Evaluator::new(input).evaluate(&self.root) {
            Ok(datum) => Ok(datum.into_flow()),
            Err(Stop::Ignored(ignored)) => Ok(ignored.into()),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    /// What every part came to, in source order, the outer parts before those inside them.
    pub(crate) fn explain(&self, input: &Input<'_>) -> Vec<Step> {
        let evaluator = Evaluator::tracing(input);
        // How it ends is the outcome of the first step.
        let _ = evaluator.evaluate(&self.root);
        let trace = evaluator.into_trace();

        let mut redactions = Vec::new();
        self.root.walk(&mut |term| {
            if is_call_of(term, "Redact") {
                redactions.push(term.span.clone());
            }
        });
        let overlaps = |span: &Range<usize>| {
            redactions
                .iter()
                .any(|redacted| span.start < redacted.end && redacted.start < span.end)
        };
        let mut steps = Vec::new();
        self.root.walk(&mut |term| {
            let traced = trace.iter().find(|(span, _)| *span == term.span);
            steps.push(Step {
                span: term.span.clone(),
                outcome: traced.map(|(_, outcome)| outcome.clone()),
                is_redacted: overlaps(&term.span),
            });
        });
        steps
    }
}

fn is_call_of(term: &Term, name: &str) -> bool {
    matches!(&term.kind, TermKind::Call { function, .. } if function.name == name)
}

/// The canonical printing: one line, a blank after each comma.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tree.fmt(f)
    }
}

#[cfg(test)]
mod tests;

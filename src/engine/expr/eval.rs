//! Evaluates a checked expression on one source object. Only the arguments that a function asks
//! for are evaluated, so a branch that is not taken cannot fail.

use std::borrow::Cow;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::ops::Range;

use chrono::NaiveDateTime;

use super::ast::Operator;
use super::check::{Ignored, Term, TermKind};
use super::dates::{self, format::DateFormat};
use super::datum::{Datum, boolean_text};
use super::error::{Error, ErrorKind};
use super::functions::Function;
use super::number::Number;
use super::pattern::Pattern;
use super::{Flow, Input, roles};
use crate::engine::model::Value;

/// No text that a function makes is longer, so that no expression exhausts the memory.
pub(super) const MAX_RESULT_BYTES: usize = 65_536;

/// Why an evaluation ends early.
#[derive(Clone, Debug)]
pub(super) enum Stop {
    Failed(Error),
    /// `IgnoreFlowIfNullOrEmpty` and its relatives drop the attribute or the object altogether,
    /// however deep they stand.
    Ignored(Ignored),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Ignored> for Flow {
    fn from(ignored: Ignored) -> Self {
        match ignored {
            Ignored::Attribute => Self::IgnoreAttribute,
            Ignored::Object => Self::IgnoreObject,
        }
    }
}

pub(super) type Evaluated<'a> = Result<Datum<'a>, Stop>;

/// What each part of an expression came to, by its place in the text.
pub(super) type Trace = Vec<(Range<usize>, Result<Flow, Error>)>;

pub(super) struct Evaluator<'a> {
    pub(super) input: &'a Input<'a>,
    trace: Option<RefCell<Trace>>,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(input: &'a Input<'a>) -> Self {
        Self { input, trace: None }
    }

    pub(super) fn tracing(input: &'a Input<'a>) -> Self {
        Self {
            input,
            trace: Some(RefCell::default()),
        }
    }

    pub(super) fn into_trace(self) -> Trace {
        self.trace.map(RefCell::into_inner).unwrap_or_default()
    }

    /// Calls in calls in calls come back here, so what is needed on the stack is kept small.
    pub(super) fn evaluate(&self, term: &'a Term) -> Evaluated<'a> {
        let evaluated = match &term.kind {
            TermKind::Call {
                function,
                arguments,
            } => function.run(&Call {
                evaluator: self,
                function,
                arguments,
                span: &term.span,
            }),
            TermKind::Compare {
                operator,
                left,
                right,
            } => self.compared(*operator, left, right, &term.span),
            _ => self.leaf(term),
        };
        if let Some(trace) = &self.trace {
            record(trace, term, &evaluated);
        }
        evaluated
    }

    fn leaf(&self, term: &'a Term) -> Evaluated<'a> {
        match &term.kind {
            TermKind::Text(text)
            | TermKind::Pattern { text, .. }
            | TermKind::DateFormat { text, .. } => Ok(Datum::borrowed(text)),
            TermKind::Number(number) => Ok(Datum::Number(*number)),
            TermKind::Attribute(name) => Ok(self.attribute(name)),
            TermKind::Ignored(ignored) => Err(Stop::Ignored(*ignored)),
            TermKind::Call { .. } | TermKind::Compare { .. } => self.evaluate(term),
        }
    }

    fn compared(
        &self,
        operator: Operator,
        left: &'a Term,
        right: &'a Term,
        span: &Range<usize>,
    ) -> Evaluated<'a> {
        let left = self.evaluate(left)?;
        let right = self.evaluate(right)?;
        match compare(operator, left, right) {
            Ok(holds) => Ok(Datum::Boolean(holds)),
            Err(kind) => Err(Error::new(kind, span.clone()).into()),
        }
    }

    pub(super) fn attribute(&self, name: &str) -> Datum<'a> {
        if name == roles::ATTRIBUTE {
            return roles::values(self.input.roles);
        }
        self.input
            .attributes
            .value(name)
            .map_or(Datum::Null, Datum::from_value)
    }
}

fn record(trace: &RefCell<Trace>, term: &Term, evaluated: &Evaluated<'_>) {
    let outcome = match evaluated {
        Ok(datum) => Ok(datum.clone().into_flow()),
        Err(Stop::Ignored(ignored)) => Ok(Flow::from(*ignored)),
        Err(Stop::Failed(error)) => Err(error.clone()),
    };
    trace.borrow_mut().push((term.span.clone(), outcome));
}

/// A comparison with null is false, whatever the operator: the documents say that "the condition
/// check fails".
fn compare(operator: Operator, left: Datum<'_>, right: Datum<'_>) -> Result<bool, ErrorKind> {
    let ordering = match (left, right) {
        (Datum::Null, _) | (_, Datum::Null) => return Ok(false),
        (Datum::Number(left), Datum::Number(right)) => left.cmp(&right),
        (Datum::Date(left), Datum::Date(right)) => left.cmp(&right),
        (left @ (Datum::Number(_) | Datum::Date(_)), right) => compare_typed(left, right)?,
        (left, right @ (Datum::Number(_) | Datum::Date(_))) => {
            compare_typed(right, left)?.reverse()
        }
        (left, right) => {
            // A Boolean is `True`, and `true` in JSON: either spelling is the same.
            let is_boolean = [&left, &right]
                .into_iter()
                .any(|side| matches!(side, Datum::Boolean(_)));
            let (left, right) = (left.into_text()?, right.into_text()?);
            let (left, right) = (left.unwrap_or_default(), right.unwrap_or_default());
            if is_boolean && left.eq_ignore_ascii_case(&right) {
                return Ok(operator.holds(Ordering::Equal));
            }
            // Equality of text is exact, so that "007" is not "7"; but sizes are those of numbers.
            let sizes = match operator {
                Operator::Equal | Operator::NotEqual => None,
                Operator::Less
                | Operator::LessOrEqual
                | Operator::Greater
                | Operator::GreaterOrEqual => Number::parse(&left).zip(Number::parse(&right)),
            };
            sizes.map_or_else(|| left.cmp(&right), |(left, right)| left.cmp(&right))
        }
    };
    Ok(operator.holds(ordering))
}

impl Operator {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

/// Compares a number or a date with a value of another type: as numbers or dates if the other
/// value reads as one, else as text.
fn compare_typed(typed: Datum<'_>, other: Datum<'_>) -> Result<Ordering, ErrorKind> {
    let other = other.into_text()?.unwrap_or_default();
    Ok(match typed {
        Datum::Number(number) if let Some(other) = Number::parse(&other) => number.cmp(&other),
        Datum::Date(date) if let Some(other) = dates::read(&other) => date.cmp(&other),
        typed => typed.into_text()?.unwrap_or_default().cmp(&other),
    })
}

/// One call of a function, as the function sees it. Parameters are counted from 0.
pub(super) struct Call<'a, 'e> {
    pub(super) evaluator: &'e Evaluator<'a>,
    pub(super) function: &'static Function,
    pub(super) arguments: &'a [Option<Term>],
    span: &'a Range<usize>,
}

impl<'a> Call<'a, '_> {
    pub(super) fn input(&self) -> &'a Input<'a> {
        self.evaluator.input
    }

    pub(super) fn count(&self) -> usize {
        self.arguments.len()
    }

    fn argument(&self, index: usize) -> Option<&'a Term> {
        self.arguments.get(index)?.as_ref()
    }

    /// The value of an argument; one that is left empty is null.
    pub(super) fn datum(&self, index: usize) -> Evaluated<'a> {
        match self.argument(index) {
            Some(term) => self.evaluator.evaluate(term),
            None => Ok(Datum::Null),
        }
    }

    pub(super) fn text(&self, index: usize) -> Result<Option<Cow<'a, str>>, Stop> {
        let datum = self.datum(index)?;
        datum.into_text().map_err(|kind| self.fail_at(index, kind))
    }

    /// The text of an argument that must not be null.
    pub(super) fn needed_text(&self, index: usize) -> Result<Cow<'a, str>, Stop> {
        self.text(index)?.ok_or_else(|| self.null(index))
    }

    pub(super) fn integer(&self, index: usize) -> Result<Option<i64>, Stop> {
        let number = match self.datum(index)? {
            Datum::Null => return Ok(None),
            Datum::Number(number) => number,
            datum => {
                let text = datum
                    .into_text()
                    .map_err(|kind| self.fail_at(index, kind))?;
                let text = text.unwrap_or_default();
                Number::parse(&text).ok_or_else(|| {
                    if Number::is_written(&text) {
                        return self.out_of_range(index);
                    }
                    let (function, parameter) = self.names(index);
                    let kind = ErrorKind::NotANumber {
                        function,
                        parameter,
                    };
                    self.fail_at(index, kind)
                })?
            }
        };
        match number.as_integer() {
            Some(integer) => Ok(Some(integer)),
            None if number.is_whole() => Err(self.out_of_range(index)),
            None => Err(self.not_whole(index)),
        }
    }

    pub(super) fn needed_integer(&self, index: usize) -> Result<i64, Stop> {
        self.integer(index)?.ok_or_else(|| self.null(index))
    }

    /// A date, or text that reads as one.
    pub(super) fn needed_date(&self, index: usize) -> Result<NaiveDateTime, Stop> {
        match self.datum(index)? {
            Datum::Null => Err(self.null(index)),
            Datum::Date(date) => Ok(date),
            datum => {
                let text = datum
                    .into_text()
                    .map_err(|kind| self.fail_at(index, kind))?;
                dates::read(&text.unwrap_or_default()).ok_or_else(|| {
                    let (function, parameter) = self.names(index);
                    let kind = ErrorKind::NotADate {
                        function,
                        parameter,
                    };
                    self.fail_at(index, kind)
                })
            }
        }
    }

    /// The regular expression of an argument, compiled beforehand where it is constant. It is
    /// evaluated even then, for the trace.
    pub(super) fn pattern(&self, index: usize) -> Result<Cow<'a, Pattern>, Stop> {
        if let Some(Term {
            kind: TermKind::Pattern { pattern, .. },
            ..
        }) = self.argument(index)
        {
            self.datum(index)?;
            return Ok(Cow::Borrowed(pattern));
        }
        let text = self.needed_text(index)?;
        Pattern::compile(&text)
            .map(Cow::Owned)
            .map_err(|reason| self.fail_at(index, ErrorKind::InvalidPattern(reason)))
    }

    pub(super) fn date_format(&self, index: usize) -> Result<Cow<'a, DateFormat>, Stop> {
        if let Some(Term {
            kind: TermKind::DateFormat { format, .. },
            ..
        }) = self.argument(index)
        {
            self.datum(index)?;
            return Ok(Cow::Borrowed(&**format));
        }
        let text = self.needed_text(index)?;
        DateFormat::compile(&text)
            .map(Cow::Owned)
            .map_err(|reason| self.fail_at(index, ErrorKind::InvalidDateFormat(reason)))
    }

    /// The names of the function and of a parameter, for an error message.
    pub(super) fn names(&self, index: usize) -> (&'static str, &'static str) {
        (self.function.name, self.function.parameter(index).name)
    }

    pub(super) fn null(&self, index: usize) -> Stop {
        let (function, parameter) = self.names(index);
        self.fail_at(
            index,
            ErrorKind::NullArgument {
                function,
                parameter,
            },
        )
    }

    fn out_of_range(&self, index: usize) -> Stop {
        let (function, parameter) = self.names(index);
        let kind = ErrorKind::NumberOutOfRange {
            function,
            parameter,
        };
        self.fail_at(index, kind)
    }

    pub(super) fn not_whole(&self, index: usize) -> Stop {
        let (function, parameter) = self.names(index);
        self.fail_at(
            index,
            ErrorKind::NotWhole {
                function,
                parameter,
            },
        )
    }

    pub(super) fn fail(&self, kind: ErrorKind) -> Stop {
        Error::new(kind, self.span.clone()).into()
    }

    pub(super) fn fail_at(&self, index: usize, kind: ErrorKind) -> Stop {
        let span = self.argument(index).map_or(self.span, |term| &term.span);
        Error::new(kind, span.clone()).into()
    }

    /// Text that a function made, unless it is too long.
    pub(super) fn made(&self, text: String) -> Evaluated<'a> {
        if text.len() > MAX_RESULT_BYTES {
            return Err(self.too_long());
        }
        Ok(Datum::owned(text))
    }

    pub(super) fn too_long(&self) -> Stop {
        self.fail(ErrorKind::ResultTooLong {
            limit: MAX_RESULT_BYTES,
        })
    }

    /// Refuses a source that is longer than what a function may make of it.
    pub(super) fn check_length(&self, text: &str) -> Result<(), Stop> {
        if text.len() > MAX_RESULT_BYTES {
            return Err(self.too_long());
        }
        Ok(())
    }
}

/// The text of one element of a list.
pub(super) fn element_text(value: &Value) -> Result<Cow<'_, str>, ErrorKind> {
    match value {
        Value::Text(text) => Ok(Cow::Borrowed(text)),
        Value::Boolean(value) => Ok(Cow::Borrowed(boolean_text(*value))),
        Value::Integer(value) => Ok(Cow::Owned(value.to_string())),
        Value::Reference(id) => Ok(Cow::Borrowed(id.as_str())),
        Value::List(_) => Err(ErrorKind::MultipleValues),
        Value::Object(_) => Err(ErrorKind::ComplexValue),
    }
}

//! What an expression came to, for people and for machines, and what a file of cases came to.
//!
//! The JSON of one expression is exactly `{"value": …}`, `{"ignored": …}` or `{"error": {…}}`, with
//! `"steps"` next to it where they were asked for. Values are written as Entra prints them.

use std::io::{self, Write};

use serde_json::{Map, Value as Json, json};

use super::sentence::{clean, number};
use crate::engine::expr::{Error, ErrorKind, Flow, Step};
use crate::engine::model::Value;

/// A longer part of an expression is cut in the list of steps.
const LONGEST_PART: usize = 100;

/// An expression and what it came to.
pub(crate) struct EvalView<'a> {
    pub(crate) text: &'a str,
    pub(crate) outcome: Result<Flow, Error>,
    /// What every part came to, where that was asked for.
    pub(crate) steps: Option<Vec<Step>>,
}

/// Something that could not be read, with its place where it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InputView {
    pub(crate) message: String,
    pub(crate) file: Option<String>,
    pub(crate) line: Option<usize>,
    pub(crate) column: Option<usize>,
}

/// What the cases of a file came to.
pub(crate) struct CasesView<'a> {
    pub(crate) passed: usize,
    pub(crate) differences: Vec<Difference<'a>>,
}

/// A case whose expression came to something else.
pub(crate) struct Difference<'a> {
    pub(crate) id: &'a str,
    pub(crate) expression: &'a str,
    /// As the file of cases writes it.
    pub(crate) expected: Json,
    pub(crate) found: Result<Flow, Error>,
}

/// A value as the files of cases write it; what is ignored is handled by the other functions.
pub(crate) fn flow_json(flow: &Flow) -> Json {
    match flow {
        Flow::Value(Value::List(values)) => values.iter().map(element_json).collect(),
        Flow::Value(value) => element_json(value),
        Flow::Null => Json::Null,
        Flow::IgnoreAttribute => json!({ "$ignore": true }),
        Flow::IgnoreObject => json!({ "$ignore_object": true }),
    }
}

fn element_json(value: &Value) -> Json {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| match value {
                // As it is sent: `"primary": false`.
                Value::Boolean(value) => (name.clone(), Json::Bool(*value)),
                Value::Text(_)
                | Value::Integer(_)
                | Value::List(_)
                | Value::Object(_)
                | Value::Reference(_) => (name.clone(), element_json(value)),
            })
            .collect(),
        Value::List(values) => values.iter().map(element_json).collect(),
        Value::Text(_) | Value::Boolean(_) | Value::Integer(_) | Value::Reference(_) => {
            Flow::Value(value.clone()).canonical_text().into()
        }
    }
}

/// The document of one expression.
pub(crate) fn json(out: &mut dyn Write, view: &EvalView<'_>) -> io::Result<()> {
    let EvalView {
        text,
        outcome,
        steps,
    } = view;
    let mut document = outcome_json(outcome.as_ref(), text);
    if let Some(steps) = steps {
        let steps = steps.iter().map(|step| step_json(step, text)).collect();
        document.insert("steps".to_owned(), steps);
    }
    writeln!(out, "{}", Json::Object(document))
}

fn outcome_json(outcome: Result<&Flow, &Error>, text: &str) -> Map<String, Json> {
    let (key, value) = match outcome {
        Ok(Flow::IgnoreAttribute) => ("ignored", json!("attribute")),
        Ok(Flow::IgnoreObject) => ("ignored", json!("object")),
        Ok(flow) => ("value", flow_json(flow)),
        Err(error) => ("error", error_json(error, text)),
    };
    Map::from_iter([(key.to_owned(), value)])
}

fn error_json(error: &Error, text: &str) -> Json {
    let mut document = json!({
        "message": error.to_string(),
        "line": error.line(text),
        "column": error.column(text),
    });
    if let ErrorKind::Expected { expected, found: _ } = &error.kind {
        document["expected"] = json!(expected);
    }
    if let Some(help) = error.kind.help() {
        document["help"] = json!(help);
    }
    document
}

fn step_json(step: &Step, text: &str) -> Json {
    let Step {
        span,
        outcome,
        is_redacted,
    } = step;
    let mut document = match outcome {
        Some(outcome) => outcome_json(outcome.as_ref(), text),
        None => Map::from_iter([("evaluated".to_owned(), json!(false))]),
    };
    document.insert("expression".to_owned(), json!(&text[span.clone()]));
    if *is_redacted {
        document.insert("redacted".to_owned(), json!(true));
    }
    Json::Object(document)
}

/// The document of something that could not be read.
pub(crate) fn input_json(out: &mut dyn Write, view: &InputView) -> io::Result<()> {
    let InputView {
        message,
        file,
        line,
        column,
    } = view;
    let mut error = json!({ "message": message });
    if let Some(file) = file {
        error["file"] = json!(file);
    }
    if let (Some(line), Some(column)) = (line, column) {
        error["line"] = json!(line);
        error["column"] = json!(column);
    }
    writeln!(out, "{}", json!({ "error": error }))
}

/// `error: user.json, line 3, column 7: expected value`.
pub(crate) fn input_text(view: &InputView) -> String {
    let InputView {
        message,
        file,
        line,
        column,
    } = view;
    let file = file.as_deref().map(clean).unwrap_or_default();
    let message = super::clean_lines(message);
    match (line, column) {
        _ if file.is_empty() => format!("error: {message}"),
        (Some(line), Some(column)) => {
            format!("error: {file}, line {line}, column {column}: {message}")
        }
        _ => format!("error: {file}: {message}"),
    }
}

/// The value by itself, or every step with its value. Errors go elsewhere: see [`failure`].
pub(crate) fn text(out: &mut dyn Write, view: &EvalView<'_>) -> io::Result<()> {
    let EvalView {
        text,
        outcome,
        steps,
    } = view;
    match (steps, outcome) {
        (Some(steps), _) => steps_text(out, steps, text),
        (None, Ok(flow)) => writeln!(out, "{}", plain(flow)),
        (None, Err(_)) => Ok(()),
    }
}

/// The error of an expression at its place.
pub(crate) fn failure(error: &Error, text: &str) -> String {
    // The line of the expression that is quoted holds no control characters any more.
    super::clean_lines(&format!("error: {}", error.render(text)))
}

/// A name in another case than its own, at its place; it works as it is.
pub(crate) fn other_case(place: &Error, text: &str) -> String {
    super::clean_lines(&format!("note: {}", place.render(text)))
}

/// The name of an attribute that no configuration may read, at its place.
pub(crate) fn unknown_attribute(error: &Error, text: &str) -> String {
    super::clean_lines(&format!(
        "warning: a configuration refuses this: {}",
        error.render(text)
    ))
}

pub(crate) const ROLES_UNKNOWN: &str =
    "note: roles come from an assignment to a job's application; name some with --roles";

/// Why attributes are null, although the tenant may have them.
pub(crate) fn not_in_the_state(names: &[&str]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("[{name}]")).collect();
    format!(
        "note: the state has no {} of this user: it is empty in the tenant, or no job reads it (the \
         state keeps only attributes that mappings and filters use); use --object to evaluate with a file",
        names.join(", ")
    )
}

/// A list has a line for each value.
fn plain(flow: &Flow) -> String {
    match flow {
        Flow::Value(Value::List(values)) => {
            let lines: Vec<_> = values.iter().map(plain_element).collect();
            lines.join("\n")
        }
        Flow::Value(value) => plain_element(value),
        Flow::Null => "null".to_owned(),
        Flow::IgnoreAttribute => IGNORED_ATTRIBUTE.to_owned(),
        Flow::IgnoreObject => IGNORED_OBJECT.to_owned(),
    }
}

const IGNORED_ATTRIBUTE: &str = "(ignored: the target's attribute is not changed)";
const IGNORED_OBJECT: &str = "(ignored: the object is skipped)";

fn plain_element(value: &Value) -> String {
    match value {
        Value::Object(_) | Value::List(_) => element_json(value).to_string(),
        Value::Text(_) | Value::Boolean(_) | Value::Integer(_) | Value::Reference(_) => {
            let text = Flow::Value(value.clone()).canonical_text();
            clean(&text.unwrap_or_default())
        }
    }
}

/// Text in quotes, so that an empty one can be seen.
fn quoted(flow: &Flow) -> String {
    match flow {
        Flow::Value(Value::Text(text)) => format!("\"{}\"", clean(text)),
        Flow::Value(Value::List(_)) => flow_json(flow).to_string(),
        Flow::Value(_) | Flow::Null | Flow::IgnoreAttribute | Flow::IgnoreObject => plain(flow),
    }
}

/// Each part below the one that it is an argument of.
fn steps_text(out: &mut dyn Write, steps: &[Step], text: &str) -> io::Result<()> {
    let mut around: Vec<usize> = Vec::new();
    for step in steps {
        let Step {
            span,
            outcome,
            is_redacted,
        } = step;
        around.retain(|end| span.end <= *end);
        let indent = 2 * around.len();
        around.push(span.end);
        let value = match outcome {
            None => "(not evaluated)".to_owned(),
            Some(Ok(flow)) => quoted(flow),
            Some(Err(error)) => format!("error: {}", clean(&error.to_string())),
        };
        let redacted = if *is_redacted && outcome.is_some() {
            "  (marked by Redact)"
        } else {
            ""
        };
        let part = part(&text[span.clone()]);
        writeln!(out, "{:indent$}{part}  =>  {value}{redacted}", "")?;
    }
    Ok(())
}

/// A part of an expression on one line.
fn part(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let whole = clean(&lines.join(" "));
    if whole.chars().count() <= LONGEST_PART {
        return whole;
    }
    let start: String = whole.chars().take(LONGEST_PART).collect();
    format!("{start}…")
}

/// What the cases of a file came to, the differences first.
pub(crate) fn cases_text(out: &mut dyn Write, view: &CasesView<'_>) -> io::Result<()> {
    let CasesView {
        passed,
        differences,
    } = view;
    for difference in differences {
        let Difference {
            id,
            expression,
            expected,
            found,
        } = difference;
        writeln!(out, "{}", clean(id))?;
        writeln!(out, "  expression: {}", part(expression))?;
        writeln!(out, "  expected:   {}", clean(&expected.to_string()))?;
        match found {
            Ok(flow) => writeln!(out, "  found:      {}", clean(&flow_json(flow).to_string()))?,
            Err(error) => {
                let rendered = super::clean_lines(&error.render(expression));
                let mut lines = rendered.lines();
                writeln!(
                    out,
                    "  found:      error: {}",
                    lines.next().unwrap_or_default()
                )?;
                for line in lines {
                    writeln!(out, "              {line}")?;
                }
            }
        }
        writeln!(out)?;
    }
    let failed = differences.len();
    writeln!(out, "{} passed, {} failed", count(*passed), count(failed))
}

fn count(count: usize) -> String {
    number(count as u64)
}

pub(crate) fn cases_json(out: &mut dyn Write, view: &CasesView<'_>) -> io::Result<()> {
    let CasesView {
        passed,
        differences,
    } = view;
    let failed = differences.len();
    let differences: Vec<_> = differences.iter().map(difference_json).collect();
    let document = json!({
        "format": super::json::FORMAT,
        "passed": passed,
        "failed": failed,
        "differences": differences,
    });
    writeln!(out, "{document}")
}

fn difference_json(difference: &Difference<'_>) -> Json {
    let Difference {
        id,
        expression,
        expected,
        found,
    } = difference;
    let found = match found {
        Ok(flow) => flow_json(flow),
        Err(error) => json!({ "error": error_json(error, expression) }),
    };
    json!({ "id": id, "expression": expression, "expected": expected, "found": found })
}

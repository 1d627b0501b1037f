//! A TOML file as a tree of values, with the place of every value, and with what the environment
//! overrides. Knows nothing of what the keys mean.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::str::FromStr as _;

use figment::providers::Env;
use figment::value::{Dict, Empty, Tag, Value};
use figment::{Figment, Metadata, Profile, Provider};
use toml_edit::{ImDocument, Item, TableLike};

use super::problem::{Log, Problem};
use crate::engine::model::nearest;

/// One step of the way to a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Name(String),
    Index(usize),
}

#[derive(Debug)]
pub(super) struct Document {
    file: PathBuf,
    text: String,
    root: Dict,
    spans: BTreeMap<Vec<Key>, Span>,
    overrides: BTreeMap<Vec<Key>, Override>,
}

#[derive(Clone, Debug, Default)]
struct Span {
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
}

#[derive(Clone, Debug)]
struct Override {
    variable: String,
    text: String,
}

/// An environment variable that may override a key: name and value.
pub(super) type Variable = (String, String);

const PREFIX: &str = "ENTRAIN_";
const SEPARATOR: &str = "__";

/// How an element of a list is named while figment merges, which knows no way into lists.
const ELEMENT: char = '#';

/// What the parser says, in words that help: of a number that is too large it keeps the range to itself.
fn syntax_words(message: &str) -> String {
    let message = message.trim().replace('\n', "; ");
    if message == "number too large to fit in target type" {
        let (least, most) = (i64::MIN, i64::MAX);
        return format!("the number is out of range; whole numbers are from {least} to {most}");
    }
    message
}

impl Document {
    pub(super) fn parse(file: &Path, text: &str) -> Result<Self, Box<Problem>> {
        let toml = ImDocument::parse(text).map_err(|err| {
            let (line, column) = err.span().map_or((1, 1), |span| position(text, span.start));
            Box::new(Problem {
                file: file.to_owned(),
                line: Some(line),
                column: Some(column),
                variable: None,
                key: String::new(),
                message: format!(
                    "not valid TOML at column {column}: {}",
                    syntax_words(err.message())
                ),
                remedy: "correct the line; text must be in quotes, and a key can occur only once"
                    .to_owned(),
            })
        })?;
        let mut spans = BTreeMap::new();
        let root = read_table(toml.as_table(), &mut Vec::new(), &mut spans);
        Ok(Self {
            file: file.to_owned(),
            text: text.to_owned(),
            root,
            spans,
            overrides: BTreeMap::new(),
        })
    }

    /// Lays the variables over the file; those that name nothing in it are problems.
    pub(super) fn override_with(&mut self, variables: &[Variable], log: &mut Log) {
        let mut over = Figment::new().merge(Layer(keyed(&self.root)));
        for (variable, text) in variables {
            let Some(name) = override_name(variable) else {
                continue;
            };
            let path = match self.resolve_names(name) {
                Ok(path) => path,
                Err((message, remedy)) => {
                    log.problem(Problem {
                        file: self.file.clone(),
                        line: None,
                        column: None,
                        variable: Some(variable.clone()),
                        key: String::new(),
                        message,
                        remedy,
                    });
                    continue;
                }
            };
            let Ok(mut value) = Value::from_str(text);
            self.record_override(&path, &value, variable, text);
            for key in path.iter().rev() {
                let name = match key {
                    Key::Name(name) => name.clone(),
                    Key::Index(index) => element_name(*index),
                };
                value = Value::from(Dict::from([(name, value)]));
            }
            if let Value::Dict(_, dict) = value {
                over = over.merge(Layer(dict));
            }
        }
        let merged = over.data().unwrap_or_default();
        let merged = merged.get(&Profile::Default).cloned().unwrap_or_default();
        self.root = merged
            .into_iter()
            .map(|(name, value)| (name, unkeyed(value)))
            .collect();
    }

    /// The way that the parts of a variable's name stand for. Elements of lists go by their index,
    /// those with a name by that as well.
    fn resolve_names(&self, name: &str) -> Result<Vec<Key>, (String, String)> {
        let mut path = Vec::new();
        let mut here = Some(Value::from(self.root.clone()));
        for part in name.split(SEPARATOR) {
            let part = part.to_ascii_lowercase();
            if part.is_empty() {
                return Err((
                    "a part of the name is empty".to_owned(),
                    "write two underscores between levels, as in ENTRAIN_SOURCE__TENANT_ID"
                        .to_owned(),
                ));
            }
            match here {
                Some(Value::Array(_, elements))
                    if !elements.iter().any(|element| element.as_dict().is_some()) =>
                {
                    return Err((
                        "a list of plain values can only be overridden as a whole".to_owned(),
                        "omit the index and write the whole list, as in [\"one\", \"two\"]"
                            .to_owned(),
                    ));
                }
                Some(Value::Array(_, elements)) => {
                    let index = find_element(&part, &elements)?;
                    path.push(Key::Index(index));
                    here = elements.into_iter().nth(index);
                }
                Some(Value::Dict(_, mut members)) => {
                    here = members.remove(&part);
                    path.push(Key::Name(part));
                }
                _ => {
                    path.push(Key::Name(part));
                    here = None;
                }
            }
        }
        Ok(path)
    }

    /// A table that a variable holds overrides key by key, as figment merges it.
    fn record_override(&mut self, path: &[Key], value: &Value, variable: &str, text: &str) {
        if let Value::Dict(_, members) = value {
            for (name, member) in members {
                let path = [path, &[Key::Name(name.clone())]].concat();
                let text = member.as_str().unwrap_or_default();
                self.record_override(&path, member, variable, text);
            }
            return;
        }
        let over = Override {
            variable: variable.to_owned(),
            text: text.to_owned(),
        };
        self.overrides.insert(path.to_vec(), over);
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    pub(super) fn root(&self) -> &Dict {
        &self.root
    }

    /// The name of an element of a list at the top: of a job or a source.
    fn element_name(&self, list: &str, index: usize) -> Option<&str> {
        let Value::Array(_, elements) = self.root.get(list)? else {
            return None;
        };
        name_of(elements.get(index)?)
    }

    /// The place of the value, or of the nearest thing around it that has one.
    fn span(&self, path: &[Key]) -> Option<&Range<usize>> {
        (0..=path.len()).rev().find_map(|length| {
            let span = self.spans.get(&path[..length])?;
            span.value.as_ref().or(span.key.as_ref())
        })
    }

    /// The variable that gave the value, or that made the table around it.
    fn override_of(&self, path: &[Key]) -> Option<&Override> {
        let above = (0..=path.len())
            .rev()
            .find_map(|length| self.overrides.get(&path[..length]));
        above.or_else(|| {
            if self.spans.contains_key(path) {
                return None;
            }
            let mut inside = self.overrides.iter();
            let (_, over) = inside.find(|(inside, _)| inside.starts_with(path))?;
            (!path.is_empty()).then_some(over)
        })
    }
}

/// Overrides that the environment holds.
pub(super) fn environment() -> Vec<Variable> {
    let mut variables: Vec<_> = Env::raw()
        .lowercase(false)
        .iter()
        .map(|(name, value)| (name.into_string(), value))
        .filter(|(name, _)| override_name(name).is_some())
        .collect();
    variables.sort();
    variables
}

/// What follows the prefix, for a variable that overrides a key; others, such as the one that names
/// the configuration or holds a secret, have a single level.
fn override_name(variable: &str) -> Option<&str> {
    let start = variable.get(..PREFIX.len())?;
    let rest = &variable[PREFIX.len()..];
    (start.eq_ignore_ascii_case(PREFIX) && rest.contains(SEPARATOR)).then_some(rest)
}

fn find_element(part: &str, elements: &[Value]) -> Result<usize, (String, String)> {
    if let Ok(index) = part.parse::<usize>() {
        if index < elements.len() {
            return Ok(index);
        }
        return Err((
            format!(
                "there is no element {index}: the list has {}",
                elements.len()
            ),
            "elements are counted from 0".to_owned(),
        ));
    }
    let names: Vec<_> = elements
        .iter()
        .map(|element| name_of(element).map(variable_form))
        .collect();
    let mut found = (0..elements.len()).filter(|index| names[*index].as_deref() == Some(part));
    match (found.next(), found.next()) {
        (Some(index), None) => Ok(index),
        (Some(_), Some(_)) => Err((
            format!("several are named {part}"),
            "use the index, counted from 0".to_owned(),
        )),
        (None, _) => Err((
            format!("there is none named {part}"),
            match nearest(part, names.iter().flatten().map(String::as_str)) {
                Some(near) => format!("did you mean {}?", near.to_ascii_uppercase()),
                None => "use the name or the index, counted from 0".to_owned(),
            },
        )),
    }
}

fn name_of(element: &Value) -> Option<&str> {
    element.as_dict()?.get("name")?.as_str()
}

/// A name as it stands in a variable.
fn variable_form(name: &str) -> String {
    name.to_lowercase()
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { '_' })
        .collect()
}

struct Layer(Dict);

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named("configuration")
    }

    fn data(&self) -> Result<BTreeMap<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.0.clone()))
    }
}

fn element_name(index: usize) -> String {
    format!("{ELEMENT}{index:09}")
}

/// Lists of tables become tables, so that figment merges into them.
fn keyed(dict: &Dict) -> Dict {
    fn value_keyed(value: &Value) -> Value {
        match value {
            Value::Dict(_, members) => Value::from(keyed(members)),
            Value::Array(_, elements)
                if elements.iter().any(|element| element.as_dict().is_some()) =>
            {
                let elements = elements.iter().enumerate();
                Value::from(
                    elements
                        .map(|(index, element)| (element_name(index), value_keyed(element)))
                        .collect::<Dict>(),
                )
            }
            other => other.clone(),
        }
    }
    dict.iter()
        .map(|(name, value)| (name.clone(), value_keyed(value)))
        .collect()
}

fn unkeyed(value: Value) -> Value {
    match value {
        Value::Dict(_, members)
            if !members.is_empty() && members.keys().all(|name| name.starts_with(ELEMENT)) =>
        {
            Value::from(members.into_values().map(unkeyed).collect::<Vec<_>>())
        }
        Value::Dict(_, members) => Value::from(
            members
                .into_iter()
                .map(|(name, value)| (name, unkeyed(value)))
                .collect::<Dict>(),
        ),
        other => other,
    }
}

fn read_table(
    table: &dyn TableLike,
    path: &mut Vec<Key>,
    spans: &mut BTreeMap<Vec<Key>, Span>,
) -> Dict {
    let mut dict = Dict::new();
    for (name, item) in table.iter() {
        path.push(Key::Name(name.to_owned()));
        let key = table.get_key_value(name).and_then(|(key, _)| key.span());
        spans.entry(path.clone()).or_default().key = key;
        if let Some(value) = read_item(item, path, spans) {
            dict.insert(name.to_owned(), value);
        }
        path.pop();
    }
    dict
}

fn read_item(
    item: &Item,
    path: &mut Vec<Key>,
    spans: &mut BTreeMap<Vec<Key>, Span>,
) -> Option<Value> {
    spans.entry(path.clone()).or_default().value = item.span();
    match item {
        Item::None => None,
        Item::Value(value) => Some(read_value(value, path, spans)),
        Item::Table(table) => Some(Value::from(read_table(table, path, spans))),
        Item::ArrayOfTables(tables) => {
            let mut elements = Vec::new();
            for (index, table) in tables.iter().enumerate() {
                path.push(Key::Index(index));
                spans.entry(path.clone()).or_default().value = table.span();
                elements.push(Value::from(read_table(table, path, spans)));
                path.pop();
            }
            Some(Value::from(elements))
        }
    }
}

fn read_value(
    value: &toml_edit::Value,
    path: &mut Vec<Key>,
    spans: &mut BTreeMap<Vec<Key>, Span>,
) -> Value {
    match value {
        toml_edit::Value::String(text) => Value::from(text.value().as_str()),
        toml_edit::Value::Integer(number) => Value::from(*number.value()),
        toml_edit::Value::Float(number) => Value::from(*number.value()),
        toml_edit::Value::Boolean(is) => Value::from(*is.value()),
        // No key takes a date, and figment knows none: this stands for "something else".
        toml_edit::Value::Datetime(_) => Value::Empty(Tag::Default, Empty::Unit),
        toml_edit::Value::Array(array) => {
            let mut elements = Vec::new();
            for (index, element) in array.iter().enumerate() {
                path.push(Key::Index(index));
                spans.entry(path.clone()).or_default().value = element.span();
                elements.push(read_value(element, path, spans));
                path.pop();
            }
            Value::from(elements)
        }
        toml_edit::Value::InlineTable(table) => Value::from(read_table(table, path, spans)),
    }
}

/// Line and column, in characters, both counted from 1.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

/// Where a value stands, or should stand.
#[derive(Clone, Debug)]
pub(super) struct Place {
    document: Rc<Document>,
    path: Vec<Key>,
}

impl Place {
    pub(super) fn root(document: Rc<Document>) -> Self {
        let path = Vec::new();
        Self { document, path }
    }

    pub(super) fn name(&self, name: &str) -> Self {
        self.child(Key::Name(name.to_owned()))
    }

    pub(super) fn index(&self, index: usize) -> Self {
        self.child(Key::Index(index))
    }

    fn child(&self, key: Key) -> Self {
        let mut path = self.path.clone();
        path.push(key);
        let document = Rc::clone(&self.document);
        Self { document, path }
    }

    /// What was typed, when the value came from the environment: figment makes numbers of digits.
    pub(super) fn overriding_text(&self) -> Option<&str> {
        let over = self.document.overrides.get(&self.path)?;
        Some(&over.text)
    }

    /// Whether both stand in one file: a job's mapping and one of its preset do not.
    pub(super) fn is_in_file_of(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.document, &other.document)
    }

    /// Whether the value, or a part of it, came from the environment.
    pub(super) fn is_overridden(&self) -> bool {
        let mut overridden = self.document.overrides.keys();
        overridden.any(|path| path.starts_with(&self.path) || self.path.starts_with(path))
    }

    pub(super) fn problem(&self, message: impl Into<String>, remedy: impl Into<String>) -> Problem {
        self.problem_at(self.document.span(&self.path).cloned(), message, remedy)
    }

    /// A problem with the key rather than with its value.
    pub(super) fn key_problem(
        &self,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Problem {
        let key = self.document.spans.get(&self.path);
        let span = key.and_then(|span| span.key.clone());
        let span = span.or_else(|| self.document.span(&self.path).cloned());
        self.problem_at(span, message, remedy)
    }

    /// A problem inside a text, at a line and column of the text itself.
    pub(super) fn problem_inside(
        &self,
        (line, column): (usize, usize),
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Problem {
        let mut problem = self.problem(message, remedy);
        let span = self.document.spans.get(&self.path);
        let raw = span
            .and_then(|span| span.value.clone())
            .and_then(|span| self.document.text.get(span));
        if let (Some(at), Some(raw)) = (problem.line, raw) {
            let long = raw.starts_with("'''") || raw.starts_with("\"\"\"");
            // A line break right after the opening quotes is no part of the text.
            let skipped = long && raw[3..].trim_start_matches('\r').starts_with('\n');
            problem.line = Some(at + usize::from(skipped) + line - 1);
            problem.column = match problem.column {
                Some(start) if !long && raw.starts_with('\'') => Some(start + column),
                Some(_) if long && (line > 1 || skipped) => Some(column),
                other => other,
            };
        }
        problem
    }

    fn problem_at(
        &self,
        span: Option<Range<usize>>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Problem {
        let over = self.document.override_of(&self.path);
        let at = match over {
            Some(_) => None,
            None => span.map(|span| position(&self.document.text, span.start)),
        };
        Problem {
            file: self.document.file.clone(),
            line: at.map(|(line, _)| line),
            column: at.map(|(_, column)| column),
            variable: over.map(|over| over.variable.clone()),
            key: self.key(),
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    /// The line of the value, for a problem elsewhere that refers to it.
    pub(super) fn line(&self) -> String {
        let problem = self.problem("", "");
        match (problem.variable, problem.line) {
            (Some(variable), _) => variable,
            (None, Some(line)) => format!("line {line}"),
            (None, None) => problem.file.display().to_string(),
        }
    }

    /// `jobs.wizer.target.base_url`, with the name of a job or a source where it has one.
    pub(super) fn key(&self) -> String {
        let mut text = String::new();
        for (depth, key) in self.path.iter().enumerate() {
            match key {
                Key::Name(name) if text.is_empty() => text.push_str(name),
                Key::Name(name) => {
                    let _ = write!(text, ".{name}");
                }
                Key::Index(index) => match self.document.element_name(&text, *index) {
                    Some(name)
                        if depth == 1
                            && ["jobs", "sources"].contains(&text.as_str())
                            && !name.is_empty() =>
                    {
                        let _ = write!(text, ".{name}");
                    }
                    _ => {
                        let _ = write!(text, "[{index}]");
                    }
                },
            }
        }
        text
    }
}

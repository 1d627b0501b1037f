//! Reads typed values out of a document. Whatever does not fit is put on the log, with the place and
//! a remedy, and reading goes on.

use std::rc::Rc;

use figment::value::{Dict, Num, Value};

use super::credential::Secret;
use super::document::{Document, Place};
use super::keys::{self, Key, Section};
use super::problem::Log;
use crate::engine::model::nearest;

/// A value with the place where it was typed.
#[derive(Clone, Debug)]
pub(super) struct Typed<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// A table, wherever it stands, with the keys that it may have.
#[derive(Clone, Debug)]
pub(super) struct Table {
    members: Dict,
    pub(super) place: Place,
    section: &'static Section,
}

impl Table {
    pub(super) fn root(document: &Rc<Document>, section: &'static Section) -> Self {
        Self {
            members: document.root().clone(),
            place: Place::root(Rc::clone(document)),
            section,
        }
    }

    pub(super) fn new(members: Dict, place: Place, section: &'static Section) -> Self {
        Self {
            members,
            place,
            section,
        }
    }

    /// What the table of keys says of one.
    fn known(&self, key: &str) -> &'static Key {
        let known = self.section.key(key);
        known.expect("only keys of the section are read")
    }

    /// The section of a table, or of tables, that a key holds.
    fn inside(&self, key: &str) -> &'static Section {
        let section = self.known(key).holds.section();
        section.expect("the key holds tables")
    }

    /// The keys, where they are names of another user's.
    pub(super) fn names(&self) -> Vec<String> {
        self.members.keys().cloned().collect()
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.members.contains_key(key)
    }

    /// Reports every key that the section does not have; `all` are the sections where it may belong.
    pub(super) fn check_keys(&self, all: &[&Section], log: &mut Log) {
        let section = self.section;
        for key in self.members.keys() {
            let place = self.place.name(key);
            if section.key(key).is_some() {
                continue;
            }
            if let Some((_, remedy)) = section.reserved.iter().find(|(name, _)| name == key) {
                log.problem(place.key_problem("not available in this version", *remedy));
                continue;
            }
            let near = nearest(key, section.names());
            let home = all
                .iter()
                .find(|other| !other.name.is_empty() && other.key(key).is_some());
            let remedy = match (near, home) {
                (_, Some(home)) => format!("the key belongs in [{}]", home.name),
                (Some(near), None) => format!("did you mean {near}?"),
                (None, None) => {
                    let names: Vec<_> = section.names().collect();
                    format!("valid keys are {}", names.join(", "))
                }
            };
            log.problem(place.key_problem("unknown key", remedy));
        }
    }

    /// Of keys that exclude each other, those from the environment drive out those of the file.
    pub(super) fn prefer_overriding(mut self, keys: &[&str]) -> Self {
        let is_overriding = |key: &str| self.place.name(key).is_overridden();
        if keys.iter().any(|key| self.has(key) && is_overriding(key)) {
            let dropped: Vec<_> = keys.iter().filter(|key| !is_overriding(key)).collect();
            for key in dropped {
                self.members.remove(*key);
            }
        }
        self
    }

    /// The value as it is.
    pub(super) fn any(&self, key: &str) -> Option<Typed<Value>> {
        Some(Typed {
            value: self.members.get(key)?.clone(),
            place: self.place.name(key),
        })
    }

    pub(super) fn text(&self, key: &str, log: &mut Log) -> Option<Typed<String>> {
        text(self.any(key)?, log)
    }

    /// A text that must be there and must not be empty.
    pub(super) fn required_text(&self, key: &str, log: &mut Log) -> Option<Typed<String>> {
        let remedy = self.known(key).remedy;
        if self.is_missing(key, log) {
            return None;
        }
        let text = self.text(key, log)?;
        if text.value.trim().is_empty() {
            log.problem(text.place.problem("empty", remedy));
            return None;
        }
        Some(text)
    }

    /// Whether a key that must be there is not, which is reported.
    pub(super) fn is_missing(&self, key: &str, log: &mut Log) -> bool {
        let remedy = self.known(key).remedy;
        if !self.has(key) {
            log.problem(self.place.name(key).problem("missing", remedy));
        }
        !self.has(key)
    }

    pub(super) fn boolean(&self, key: &str, log: &mut Log) -> Option<Typed<bool>> {
        let Typed { value, place } = self.any(key)?;
        match value {
            Value::Bool(_, value) => Some(Typed { value, place }),
            other => wrong(
                &place,
                "true or false",
                &other,
                "write true or false, without quotes",
                log,
            ),
        }
    }

    /// A whole number of at least what the key holds.
    pub(super) fn integer(&self, key: &str, log: &mut Log) -> Option<Typed<i64>> {
        self.integer_of(key, self.known(key).holds.least(), log)
    }

    /// The same where keys have any name.
    pub(super) fn integer_of(&self, key: &str, least: i64, log: &mut Log) -> Option<Typed<i64>> {
        let Typed { value, place } = self.any(key)?;
        let remedy = format!("write a whole number of at least {least}, without quotes");
        let Some(number) = whole(&value) else {
            return wrong(&place, "a whole number", &value, &remedy, log);
        };
        if number < least {
            log.problem(place.problem(format!("{number} is too small"), remedy));
            return None;
        }
        Some(Typed {
            value: number,
            place,
        })
    }

    /// A number above zero.
    pub(super) fn positive(&self, key: &str, log: &mut Log) -> Option<Typed<f64>> {
        let Typed { value, place } = self.any(key)?;
        let remedy = "write a number above 0, without quotes";
        let Some(number) = number(&value) else {
            return wrong(&place, "a number", &value, remedy, log);
        };
        if !(number.is_finite() && number > 0.0) {
            log.problem(place.problem(format!("{number} is not above 0"), remedy));
            return None;
        }
        Some(Typed {
            value: number,
            place,
        })
    }

    pub(super) fn texts(&self, key: &str, log: &mut Log) -> Option<Vec<Typed<String>>> {
        let Typed { value, place } = self.any(key)?;
        let remedy = "write a list such as [\"one\", \"two\"]";
        let Value::Array(_, elements) = value else {
            return wrong(&place, "a list of texts", &value, remedy, log);
        };
        Some(
            elements
                .into_iter()
                .enumerate()
                .filter_map(|(index, value)| {
                    let place = place.index(index);
                    text(Typed { value, place }, log)
                })
                .collect(),
        )
    }

    pub(super) fn table(&self, key: &str, log: &mut Log) -> Option<Table> {
        let Typed { value, place } = self.any(key)?;
        match value {
            Value::Dict(_, members) => Some(Self::new(members, place, self.inside(key))),
            other => {
                let remedy = format!("write a section [{}] or {key} = {{ … }}", place.key());
                wrong(&place, "a table", &other, &remedy, log)
            }
        }
    }

    /// The table, or an empty one where there is none.
    pub(super) fn table_or_empty(&self, key: &str, log: &mut Log) -> Table {
        let empty = || Self::new(Dict::new(), self.place.name(key), self.inside(key));
        self.table(key, log).unwrap_or_else(empty)
    }

    pub(super) fn tables(&self, key: &str, log: &mut Log) -> Option<Vec<Table>> {
        let Typed { value, place } = self.any(key)?;
        let remedy = match key {
            "jobs" => "write [[jobs]] with two brackets for each job".to_owned(),
            _ => format!("write a list of tables: {key} = [ {{ … }} ]"),
        };
        let Value::Array(_, elements) = value else {
            return wrong(&place, "a list of tables", &value, &remedy, log);
        };
        let mut tables = Vec::new();
        for (index, element) in elements.into_iter().enumerate() {
            let place = place.index(index);
            match element {
                Value::Dict(_, members) => {
                    tables.push(Self::new(members, place, self.inside(key)));
                }
                other => {
                    wrong::<()>(&place, "a table", &other, &remedy, log);
                }
            }
        }
        Some(tables)
    }

    /// A reference to a secret.
    pub(super) fn secret(&self, key: &str, log: &mut Log) -> Option<Typed<Secret>> {
        let (secret, _) = secret_with(self.any(key)?, &keys::SECRET, log)?;
        Some(secret)
    }
}

/// A reference to a secret, and the table that it stands in. Whatever stands there instead is never
/// repeated.
pub(super) fn secret_with(
    Typed { value, place }: Typed<Value>,
    section: &'static Section,
    log: &mut Log,
) -> Option<(Typed<Secret>, Table)> {
    let remedy = keys::WHERE_SECRETS_ARE;
    let Value::Dict(_, members) = value else {
        let words = match value {
            Value::Array(_, items) if !items.is_empty() => {
                "one secret is expected here, not a list"
            }
            _ => "a secret cannot be written in the configuration",
        };
        log.problem(place.problem(words, remedy));
        return None;
    };
    let table = Table::new(members, place.clone(), section).prefer_overriding(SECRET_KEYS);
    for name in table.members.keys() {
        if section.key(name).is_none() {
            let place = table.place.name(name);
            log.problem(place.key_problem("unknown key", remedy));
            return None;
        }
    }
    let given: Vec<_> = SECRET_KEYS.iter().filter(|name| table.has(name)).collect();
    let [name] = given.as_slice() else {
        let message = if given.is_empty() {
            "the place of the secret is missing"
        } else {
            "only one place can be given for a secret"
        };
        log.problem(place.problem(message, remedy));
        return None;
    };
    let text = table.required_text(name, log)?;
    let value = match **name {
        "env" => {
            if text.value.contains(['=', '\0', ' ']) {
                let message = "this is not the name of an environment variable";
                log.problem(text.place.problem(message, remedy));
                return None;
            }
            Secret::Env(text.value)
        }
        "file" => Secret::File(text.value.into()),
        _ => {
            if text.value.contains('/') || text.value.starts_with('.') {
                log.problem(text.place.problem(
                    "the name of a credential must be a plain file name",
                    "use the name in LoadCredential= of the systemd unit, or use file",
                ));
                return None;
            }
            Secret::Credential(text.value)
        }
    };
    Some((Typed { value, place }, table))
}

pub(super) const SECRET_KEYS: &[&str] = &["env", "file", "credential"];

fn text(Typed { value, place }: Typed<Value>, log: &mut Log) -> Option<Typed<String>> {
    if let Some(typed) = place.overriding_text() {
        // Digits in the environment are text where text is wanted, and quotes are not needed.
        let value = match value {
            Value::String(_, text) => text,
            _ => typed.to_owned(),
        };
        return Some(Typed { value, place });
    }
    match value {
        Value::String(_, value) => Some(Typed { value, place }),
        other => wrong(&place, "text", &other, "write it in quotes", log),
    }
}

/// A whole number, however figment keeps it.
pub(super) fn whole(value: &Value) -> Option<i64> {
    let Value::Num(_, number) = value else {
        return None;
    };
    match number {
        Num::F32(_) | Num::F64(_) => None,
        _ => value
            .to_i128()
            .or_else(|| i128::try_from(value.to_u128()?).ok())
            .and_then(|number| i64::try_from(number).ok()),
    }
}

/// A number, with or without a fraction.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Num(_, Num::F32(number)) => Some(f64::from(*number)),
        Value::Num(_, Num::F64(number)) => Some(*number),
        _ => i32::try_from(whole(value)?).ok().map(f64::from),
    }
}

pub(super) fn wrong<T>(
    place: &Place,
    expected: &str,
    found: &Value,
    remedy: &str,
    log: &mut Log,
) -> Option<T> {
    let message = format!("{expected} expected, found {}", kind(found));
    log.problem(place.problem(message, remedy));
    None
}

/// What kind of value it is, without repeating it.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(..) | Value::Char(..) => "text",
        Value::Bool(..) => "true or false",
        Value::Num(..) => "a number",
        Value::Empty(..) => "a date without quotes",
        Value::Dict(..) => "a table",
        Value::Array(..) => "a list",
    }
}

//! Whether the mapping of `active` disables and enables at all: it is evaluated for users who have access
//! and for users who have not, before the first of them is sent.

use std::collections::BTreeMap;

use chrono::DateTime;

use crate::config::document::Place;
use crate::config::problem::Log;
use crate::engine::expr::{Expression, Flow, Input, Lookup, Write};
use crate::engine::mapping::{Mapping, OnEmpty, Source, convert};
use crate::engine::model::source::IS_SOFT_DELETED;
use crate::engine::model::{TargetType, Value};

const ACCOUNT_ENABLED: &str = "accountEnabled";
/// Values that are tried for the other attributes of one expression at most; of more it cannot be said
/// what they come to.
const MAX_TRIED: usize = 4_096;

/// Warns when the account of a user who has access would not become active, or that of a user who has
/// none stay active.
pub(super) fn check(mapping: &Mapping, place: &Place, log: &mut Log) {
    if !mapping.target.is_active() {
        return;
    }
    let Some(expected) = expectations(mapping) else {
        return;
    };
    for Expected { given, active } in expected {
        if may_become(mapping, &given, active) {
            continue;
        }
        let when: Vec<_> = given
            .iter()
            .map(|(name, value)| format!("{name} is {}", word(*value)))
            .collect();
        let when = if when.is_empty() {
            String::new()
        } else {
            format!(" when {}", when.join(" and "))
        };
        let follows = if active {
            "no account would be active"
        } else {
            "users that leave or are blocked would keep an active account"
        };
        log.warning(place.problem(
            format!("active never becomes {}{when}: {follows}", word(active)),
            "write expression = 'Not([IsSoftDeleted])'",
        ));
    }
}

/// Attributes with the values that they are tried with, and what active has to become then.
struct Expected {
    given: BTreeMap<&'static str, bool>,
    active: bool,
}

/// `None` for a mapping whose values only the tenant knows, or that sends none.
fn expectations(mapping: &Mapping) -> Option<Vec<Expected>> {
    let reads: Vec<_> = match &mapping.source {
        Source::Expression(expression) => {
            let known = [IS_SOFT_DELETED, ACCOUNT_ENABLED].into_iter();
            let attributes = expression.attributes();
            known.filter(|name| attributes.contains(name)).collect()
        }
        // That a constant disables no user is a warning of its own.
        Source::Attribute(_) | Source::Constant(_) | Source::None => return None,
    };
    let state = |active: bool, soft_deleted: bool, enabled: bool| Expected {
        given: [(IS_SOFT_DELETED, soft_deleted), (ACCOUNT_ENABLED, enabled)]
            .into_iter()
            .filter(|(name, _)| reads.contains(name))
            .collect(),
        active,
    };
    let mut expected = vec![state(true, false, true), state(false, true, false)];
    // Out of scope, and not blocked: an expression that only asks for accountEnabled is warned of
    // elsewhere.
    if reads.contains(&IS_SOFT_DELETED) && reads.contains(&ACCOUNT_ENABLED) {
        expected.push(state(false, true, true));
    }
    Some(expected)
}

/// Whether the value comes out for some values of the attributes that are not given: none, or a text of
/// the expression. What fails with these may come out with others.
fn may_become(mapping: &Mapping, given: &BTreeMap<&'static str, bool>, active: bool) -> bool {
    let Source::Expression(expression) = &mapping.source else {
        return true;
    };
    let others: Vec<_> = expression
        .attributes()
        .into_iter()
        .filter(|name| !given.contains_key(name))
        .collect();
    let texts = expression.texts().into_iter();
    let choices: Vec<_> = [None].into_iter().chain(texts.map(Some)).collect();
    let tried = u32::try_from(others.len())
        .ok()
        .and_then(|count| choices.len().checked_pow(count))
        .filter(|tried| *tried <= MAX_TRIED);
    let Some(tried) = tried else {
        return true;
    };
    (0..tried).any(|mut number| {
        let mut attributes = Tried::default();
        for (name, value) in given {
            attributes.0.insert(name, Value::Boolean(*value));
        }
        for name in &others {
            if let Some(text) = &choices[number % choices.len()] {
                attributes.0.insert(name, Value::text(text));
            }
            number /= choices.len();
        }
        match result(mapping, expression, &attributes) {
            Active::Becomes(becomes) => becomes == active,
            Active::Neither => false,
            Active::Fails => true,
        }
    })
}

#[derive(Default)]
struct Tried<'a>(BTreeMap<&'a str, Value>);

impl Lookup for Tried<'_> {
    fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }
}

/// What the target gets.
enum Active {
    Becomes(bool),
    /// Nothing, or nothing that is a Boolean.
    Neither,
    Fails,
}

fn result(mapping: &Mapping, expression: &Expression, tried: &Tried<'_>) -> Active {
    let flow = expression.evaluate(&Input {
        attributes: tried,
        roles: &[],
        write: Write::Update,
        now: DateTime::UNIX_EPOCH,
        random: &|| 0,
        default_domain: None,
        taken: &|_| false,
    });
    let value = match flow {
        Ok(Flow::Value(value)) if !value.is_empty() => value,
        Ok(Flow::Value(_) | Flow::Null) => match (&mapping.default, mapping.on_empty) {
            (Some(default), OnEmpty::Clear | OnEmpty::Default) => default.clone(),
            (_, OnEmpty::Keep | OnEmpty::Fail) | (None, _) => return Active::Neither,
        },
        Ok(Flow::IgnoreAttribute | Flow::IgnoreObject) => return Active::Neither,
        Err(_) => return Active::Fails,
    };
    match convert(value, TargetType::Boolean, false) {
        Ok(Value::Boolean(is)) => Active::Becomes(is),
        Ok(_) | Err(_) => Active::Neither,
    }
}

fn word(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

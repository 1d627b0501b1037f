//! The vectors taken from the published documents, our own cases for every function and every
//! error, and properties of any expression whatever.

use std::cell::Cell;
use std::collections::BTreeMap;

use fancy_regex::Regex;
use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;

const VECTORS: &str = include_str!("../cases/vectors.json");
const FUNCTIONS: &str = include_str!("../cases/functions.json");
const ERRORS: &str = include_str!("../cases/errors.json");

/// The world that one case is evaluated in.
struct World {
    attributes: Attributes,
    roles: Vec<AppRole>,
    now: DateTime<Utc>,
    default_domain: Option<String>,
    existing: Vec<String>,
    random: Cell<u64>,
}

impl World {
    fn new(case: &Json) -> Self {
        let mut attributes = Attributes::default();
        for (name, value) in case["attributes"].as_object().into_iter().flatten() {
            if let Some(value) = value_of(value) {
                attributes.set(name, value);
            }
        }
        let text = |json: &Json| json.as_str().map(ToOwned::to_owned);
        let roles = case["roles"].as_array().into_iter().flatten();
        let existing = case["existing"].as_array().into_iter().flatten();
        let now = case["now"].as_str().unwrap_or("2025-01-02T03:04:05Z");
        Self {
            attributes,
            roles: roles
                .map(|role| AppRole {
                    id: text(&role["id"]).unwrap(),
                    value: text(&role["value"]),
                    display_name: text(&role["displayName"]).unwrap(),
                })
                .collect(),
            now: now.parse().unwrap(),
            default_domain: text(&case["tenant"]["default_domain"]),
            existing: existing.filter_map(text).collect(),
            random: Cell::new(42),
        }
    }

    fn with<T>(&self, body: impl FnOnce(&Input<'_>) -> T) -> T {
        // SplitMix64.
        let random = || {
            self.random
                .set(self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
            let bits = self.random.get();
            let bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            bits ^ bits >> 31
        };
        body(&Input {
            attributes: &self.attributes,
            roles: &self.roles,
            write: Write::Update,
            now: self.now,
            random: &random,
            default_domain: self.default_domain.as_deref(),
            taken: &|value| self.existing.iter().any(|existing| existing == value),
        })
    }

    fn evaluate(&self, expression: &str) -> Result<Flow, Error> {
        let expression = Expression::compile(expression)?;
        self.with(|input| expression.evaluate(input))
    }
}

fn value_of(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null => return None,
        Json::Bool(value) => Value::Boolean(*value),
        Json::Number(number) => Value::Integer(number.as_i64().unwrap()),
        Json::String(text) => Value::text(text),
        Json::Array(values) => Value::List(values.iter().filter_map(value_of).collect()),
        Json::Object(members) => match members.get("$repeat") {
            Some(repeat) => {
                let count = usize::try_from(repeat[1].as_u64().unwrap()).unwrap();
                Value::text(repeat[0].as_str().unwrap().repeat(count))
            }
            None => Value::Object(
                members
                    .iter()
                    .filter_map(|(name, value)| Some((name.clone(), value_of(value)?)))
                    .collect(),
            ),
        },
    })
}

/// What came out, in the form in which the files write what is expected.
fn json_of(flow: &Flow) -> Json {
    match flow {
        Flow::Value(Value::List(values)) => values
            .iter()
            .map(|value| json_of(&Flow::Value(value.clone())))
            .collect(),
        Flow::Value(Value::Object(members)) => members
            .iter()
            .map(|(name, value)| match value {
                Value::Boolean(value) => (name.clone(), Json::Bool(*value)),
                other => (name.clone(), json_of(&Flow::Value(other.clone()))),
            })
            .collect(),
        Flow::Value(_) => flow.canonical_text().into(),
        Flow::Null => Json::Null,
        Flow::IgnoreAttribute => serde_json::json!({ "$ignore": true }),
        Flow::IgnoreObject => serde_json::json!({ "$ignore_object": true }),
    }
}

fn cases(file: &str) -> Vec<Json> {
    serde_json::from_str(file).unwrap()
}

fn text<'j>(case: &'j Json, key: &str) -> &'j str {
    case[key].as_str().unwrap()
}

/// What the attributes of a case are known to hold.
fn given_of(value: Option<&Value>) -> Given {
    match value {
        Some(Value::Text(_)) => Given::Text,
        Some(Value::Boolean(_)) => Given::Boolean,
        Some(Value::Integer(_)) => Given::Number,
        Some(Value::Reference(_)) => Given::Reference,
        Some(Value::Object(_)) => Given::Object,
        Some(Value::List(values)) if values.iter().all(|one| matches!(one, Value::Text(_))) => {
            Given::Texts
        }
        Some(Value::List(_)) => Given::Objects,
        None => Given::Unknown,
    }
}

fn may_be(given: &Given, value: &Value) -> bool {
    match given {
        Given::Unknown => true,
        Given::Constant(constant) => constant == value,
        Given::Text | Given::Date => matches!(value, Value::Text(_)),
        Given::Boolean => matches!(value, Value::Boolean(_)),
        // A fraction is passed on as text.
        Given::Number => matches!(value, Value::Integer(_) | Value::Text(_)),
        Given::Reference => matches!(value, Value::Reference(_)),
        Given::Object => matches!(value, Value::Object(_)),
        Given::Texts | Given::Objects => matches!(value, Value::List(_)),
    }
}

/// The error of a case, whether it shows when the expression is compiled, when its names are checked
/// or when it is evaluated.
fn error_of(case: &Json) -> Error {
    let compiled = match Expression::compile(text(case, "expression")) {
        Ok(compiled) => compiled,
        Err(error) => return error,
    };
    if let Some(place) = compiled.respelled().first() {
        return place.clone();
    }
    let known = [
        "givenName",
        "surname",
        "a",
        "b",
        "roles",
        "appRoleAssignments",
    ];
    let unknown = compiled.unknown_attribute(|name| known.contains(&name), &known);
    let mut world = World::new(case);
    world.existing = vec!["taken".to_owned()];
    unknown.unwrap_or_else(|| {
        let evaluated = world.with(|input| compiled.evaluate(input));
        evaluated.expect_err(text(case, "expression"))
    })
}

fn kind_name(kind: &ErrorKind) -> String {
    let debug = format!("{kind:?}");
    let end = debug.find(|c: char| !c.is_alphanumeric());
    debug[..end.unwrap_or(debug.len())].to_owned()
}

/// Calls of any function with any arguments, most of which the checker takes.
fn any_expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => prop::sample::select(&["[a]", "[b]", "[list]", "[object]", "[none]", "[flag]"][..])
            .prop_map(ToOwned::to_owned),
        2 => "[ -~äß😀\\n]{0,6}".prop_map(|text: String| {
            format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
        }),
        2 => (-5_i64..20).prop_map(|number| number.to_string()),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => prop::sample::select(
            &[
                "\"d\"", "\"ww\"", "\"yyyy\"", "\"m\"", "\"yyyy-MM-dd\"", "\"2024-02-29\"",
                "\"(?<x>[a-z]*)\"", "\"(a|b)*?$\"", "\"x\"", "\"${x}$1\"", "vbTextCompare",
                "IgnoreAttributeFlow", "[appRoleAssignments]", "1.5", "&HFF", "Now()", "Guid()",
                "\" \"", "",
            ][..]
        )
        .prop_map(ToOwned::to_owned),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            4 => (
                (0..functions().len()).prop_map(|at| (functions()[at].name, functions()[at].parameters.len())),
                prop::collection::vec(inner.clone(), 8),
                0_usize..3,
            )
                .prop_map(|((name, count), arguments, more)| {
                    let count = if more == 2 { count + 2 } else { count };
                    format!("{name}({})", arguments[..count.min(8)].join(", "))
                }),
            1 => (inner.clone(), prop::sample::select(&["=", "<>", "<", ">="][..]), inner)
                .prop_map(|(left, operator, right)| format!("{left} {operator} {right}")),
        ]
    })
}

mod cases;
mod limits;

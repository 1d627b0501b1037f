//! A file of expressions with what each must come to: the format of the vectors that this program is
//! tested with, so that administrators test their own mappings alike.

use std::path::Path;

use chrono::{DateTime, Utc};
use fancy_regex::Regex;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value as Json, json};

use super::input::{self, Object, WireRole};
use super::world::{Seed, World, compile};
use crate::cli::moment::point_in_time;
use crate::engine::expr::{Error, Flow};
use crate::engine::model::AppRole;
use crate::report::eval::{CasesView, Difference, InputView, flow_json};

/// The cases of a file, read and checked.
pub(super) struct Cases(Vec<Case>);

#[derive(Deserialize)]
#[serde(try_from = "WireCase")]
struct Case {
    id: Option<String>,
    expression: String,
    object: Object,
    roles: Vec<AppRole>,
    existing: Vec<String>,
    default_domain: Option<String>,
    now: Option<DateTime<Utc>>,
    expected: Expected,
}

/// What an expression must come to.
enum Expected {
    /// A value as the file writes it, null and what is ignored included.
    Value(Json),
    Error,
    /// What cannot be known beforehand must look like this.
    Matching(Box<Regex>),
}

/// A case as it is written. What only says where a case comes from is read past.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireCase {
    id: Option<String>,
    expression: String,
    #[serde(default)]
    attributes: Map<String, Json>,
    #[serde(default)]
    roles: Vec<WireRole>,
    #[serde(default)]
    existing: Vec<String>,
    tenant: Option<WireTenant>,
    now: Option<String>,
    /// Written as null, null is expected; left out, it is not here.
    #[serde(default, deserialize_with = "given")]
    expected: Option<Json>,
    property: Option<WireProperty>,
    #[serde(rename = "function")]
    _function: Option<String>,
    #[serde(rename = "source")]
    _source: Option<String>,
    #[serde(rename = "basis")]
    _basis: Option<String>,
    #[serde(rename = "note")]
    _note: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireTenant {
    default_domain: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireProperty {
    regex: String,
}

fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

impl TryFrom<WireCase> for Case {
    type Error = String;

    fn try_from(wire: WireCase) -> Result<Self, String> {
        let name = wire.id.as_deref().unwrap_or(&wire.expression);
        let expected = match (wire.expected, wire.property) {
            (Some(expected), None) => {
                expectation(expected).map_err(|problem| format!("case {name:?}: {problem}"))?
            }
            (None, Some(WireProperty { regex })) => Regex::new(&regex)
                .map(|regex| Expected::Matching(Box::new(regex)))
                .map_err(|problem| {
                    format!("case {name:?}: the pattern cannot be read: {problem}")
                })?,
            (None, None) => {
                return Err(format!(
                    "case {name:?} does not say what is expected: add expected or property"
                ));
            }
            (Some(_), Some(_)) => {
                return Err(format!("case {name:?} has both expected and property"));
            }
        };
        let now = match &wire.now {
            Some(now) => Some(
                point_in_time(now).map_err(|problem| format!("case {name:?}: now: {problem}"))?,
            ),
            None => None,
        };
        Ok(Self {
            object: Object::from_json(&wire.attributes),
            id: wire.id,
            expression: wire.expression,
            roles: wire.roles.into_iter().map(AppRole::from).collect(),
            existing: wire.existing,
            default_domain: wire.tenant.and_then(|tenant| tenant.default_domain),
            now,
            expected,
        })
    }
}

fn expectation(expected: Json) -> Result<Expected, String> {
    let is_marker = |name: &str| expected == json!({ name: true });
    if is_marker("$error") {
        return Ok(Expected::Error);
    }
    if is_marker("$ignore") || is_marker("$ignore_object") {
        return Ok(Expected::Value(expected));
    }
    match &expected {
        Json::Object(members) if members.keys().any(|name| name.starts_with('$')) => Err(
            "what starts with $ is one of {\"$error\": true}, {\"$ignore\": true} and \
             {\"$ignore_object\": true}"
                .to_owned(),
        ),
        Json::Bool(true) => Err("results are text: expect \"True\"".to_owned()),
        Json::Bool(false) => Err("results are text: expect \"False\"".to_owned()),
        Json::Number(number) => Err(format!("results are text: expect \"{number}\"")),
        Json::Null | Json::String(_) | Json::Array(_) | Json::Object(_) => {
            Ok(Expected::Value(expected))
        }
    }
}

impl Cases {
    pub(super) fn read(file: &Path) -> Result<Self, InputView> {
        let mut cases: Vec<Case> = input::read_json(file)?;
        for (index, case) in cases.iter_mut().enumerate() {
            case.id.get_or_insert_with(|| format!("case {}", index + 1));
        }
        let mut ids: Vec<&str> = cases.iter().filter_map(|case| case.id.as_deref()).collect();
        ids.sort_unstable();
        if let Some(twice) = ids.windows(2).find_map(|pair| match pair {
            [one, two] if one == two => Some(*one),
            _ => None,
        }) {
            return Err(InputView {
                message: format!("two cases have the id {twice:?}"),
                file: Some(file.display().to_string()),
                line: None,
                column: None,
            });
        }
        Ok(Self(cases))
    }

    /// Evaluates them all. `now` and the default domain are for cases that do not name their own.
    pub(super) fn run(&self, now: DateTime<Utc>, default_domain: Option<&str>) -> CasesView<'_> {
        let mut differences = Vec::new();
        for case in &self.0 {
            let found = case.found(now, default_domain);
            if !case.expected.is_met_by(&found) {
                differences.push(Difference {
                    id: case.id.as_deref().unwrap_or_default(),
                    expression: &case.expression,
                    expected: case.expected.to_json(),
                    found,
                });
            }
        }
        CasesView {
            passed: self.0.len() - differences.len(),
            differences,
        }
    }
}

impl Case {
    fn found(&self, now: DateTime<Utc>, default_domain: Option<&str>) -> Result<Flow, Error> {
        let expression = compile(&self.expression, &self.object)?;
        let world = World {
            object: &self.object,
            roles: &self.roles,
            existing: &self.existing,
            default_domain: self.default_domain.as_deref().or(default_domain),
            now: self.now.unwrap_or(now),
        };
        // The same bits each time: what a file of cases says must not depend on luck.
        world.with(Seed::Fixed, |input| expression.evaluate(input))
    }
}

impl Expected {
    fn is_met_by(&self, found: &Result<Flow, Error>) -> bool {
        match (self, found) {
            (Self::Error, found) => found.is_err(),
            (Self::Value(_) | Self::Matching(_), Err(_)) => false,
            (Self::Value(expected), Ok(flow)) => is_same(expected, &flow_json(flow)),
            (Self::Matching(regex), Ok(flow)) => flow
                .canonical_text()
                .is_some_and(|text| regex.is_match(text.as_str()).unwrap_or(false)),
        }
    }

    /// As the file writes it.
    fn to_json(&self) -> Json {
        match self {
            Self::Value(expected) => expected.clone(),
            Self::Error => json!({ "$error": true }),
            Self::Matching(regex) => json!({ "regex": regex.as_str() }),
        }
    }
}

/// Roles are JSON inside text, where blanks and the order of members mean nothing.
fn is_same(expected: &Json, found: &Json) -> bool {
    let inside = |json: &Json| -> Option<Json> {
        let text = json.as_str()?.trim_start();
        let text = text.starts_with('{').then_some(text)?;
        serde_json::from_str(text).ok()
    };
    if expected == found {
        return true;
    }
    match (expected, found) {
        (Json::Array(expected), Json::Array(found)) => {
            let mut pairs = expected.iter().zip(found);
            expected.len() == found.len() && pairs.all(|(one, two)| is_same(one, two))
        }
        _ => inside(expected).is_some_and(|expected| inside(found) == Some(expected)),
    }
}

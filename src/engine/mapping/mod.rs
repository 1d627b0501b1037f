//! A source object and a job's mappings make the attributes that the target should have.

mod compiled;
mod convert;
mod evaluate;
mod form;
mod input;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::compiled::Rule;
use self::evaluate::{Evaluated, NOT_ASKED, Object, evaluate, with_input};
use super::addition::{self, Addition};
use super::expr::{Expression, Step, Write};
use super::model::{MatchKey, PathMap, SourceId, TargetPath, TargetType, Value, canonical, schema};

pub(crate) use self::compiled::Mappings;
pub(crate) use self::convert::convert;
pub(crate) use self::input::{Environment, Input};

/// One target attribute fed by a source attribute, a constant or an expression.
#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    pub(crate) target: TargetPath,
    pub(crate) source: Source,
    /// Used when the source is null.
    pub(crate) default: Option<Value>,
    /// Matching precedence: lower is tried first; `None` for an attribute that does not match.
    pub(crate) matching: Option<u32>,
    pub(crate) apply: Apply,
    pub(crate) on_empty: OnEmpty,
    pub(crate) target_type: TargetType,
    pub(crate) multi_valued: bool,
    /// Whether a value that the target shows in another case is another value. What we sent
    /// ourselves is always compared exactly, but for elements that are only ever added.
    pub(crate) case_exact: bool,
    /// Without a value the object cannot be provisioned.
    pub(crate) required: bool,
    /// What is done where the target holds something else; `None`: what the job says.
    pub(crate) on_drift: Option<OnDrift>,
}

/// What is done where the target holds something else than was last written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnDrift {
    #[default]
    Repair,
    Report,
}

impl OnDrift {
    /// The words of the configuration.
    pub(crate) const WORDS: [(&'static str, Self); 2] =
        [("repair", Self::Repair), ("report", Self::Report)];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Repair => "repair",
            Self::Report => "report",
        }
    }
}

impl Mapping {
    /// Whether the value is one that is not taken in the target yet.
    pub(crate) fn selects_unique(&self) -> bool {
        match &self.source {
            Source::Expression(expression) => expression.selects_unique(),
            Source::Attribute(_) | Source::Constant(_) | Source::None => false,
        }
    }

    /// Whether what the target has at its path is only ever added to.
    pub(crate) fn only_adds(&self) -> bool {
        let is_whole = self.target.selector().is_none() && self.target.sub_attribute().is_none();
        match &self.source {
            Source::Expression(expression) => {
                self.multi_valued && is_whole && expression.only_adds()
            }
            Source::Attribute(_) | Source::Constant(_) | Source::None => false,
        }
    }
}

/// The form in which values at a path are the same when an object is looked for, by the mapping that
/// the path belongs to. A path that is not mapped any more, as in the keys of a create that an earlier
/// config began, is taken as the RFC's schemas know it.
pub(crate) fn searched(mappings: &Mappings, path: &TargetPath, value: Value) -> Option<Value> {
    if let Some(rule) = mappings.rule(path) {
        return rule.form.searched(path, value);
    }
    let kind = mappings.kind();
    let value = canonical(kind, path, value)?;
    let case_exact = schema::definition(kind, path).is_some_and(|known| known.case_exact);
    Some(form::without_case(value, case_exact))
}

/// Brings what a target shows into the form of what the mappings make.
pub(crate) fn normalize(mappings: &Mappings, shown: &mut BTreeMap<TargetPath, Value>) {
    shown.retain(|path, value| {
        let Some(rule) = mappings.rule(path) else {
            return true;
        };
        let form = rule.form.normalize(path, value.clone());
        form.map(|form| *value = form).is_some()
    });
}

#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A source attribute by its Graph name, or one of the computed names.
    Attribute(String),
    Constant(Value),
    Expression(Box<Expression>),
    /// Nothing flows; the target attribute gets the default on create, or where it is empty when its
    /// object is adopted, and is then left alone.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Apply {
    Always,
    OnCreate,
}

/// What happens to the target's value when the source's becomes null (product rule 14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnEmpty {
    /// The target's value is removed, or replaced by the mapping's default when it has one.
    Clear,
    /// What the target has stays; the default is used on create only.
    Keep,
    /// The default is used.
    Default,
    /// The object is not provisioned and counts as failed.
    Fail,
}

/// A mapping that could not be evaluated for one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AttributeError {
    pub(crate) target: TargetPath,
    /// What failed, and what to do: "the source value is a list, the target takes one value".
    pub(crate) message: String,
}

/// Whether the target, or an object that is created before, has this value of a mapping.
type IsTaken<'a> = &'a dyn Fn(&Mapping, &Value) -> bool;

/// What becomes of a mapping that chooses a value that is not taken in the target.
#[derive(Clone, Copy)]
pub(crate) enum Unique<'a> {
    /// The target has the object, so that the choice was made long ago.
    Keep,
    /// The object is about to be created; says of a value whether it is taken.
    Chosen(IsTaken<'a>),
}

/// What the target should have of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Desired {
    /// `None`: the target should have no value there. A path that is absent is left alone.
    pub(crate) values: PathMap<Option<Value>>,
    /// Sent with a create, and left alone afterwards.
    pub(crate) on_create: PathMap<Value>,
    /// Sent with a create, and added afterwards where the target has them not; never taken away.
    pub(crate) additions: PathMap<Vec<Addition>>,
    pub(crate) references: PathMap<Option<SourceId>>,
    /// Paths at which a difference in case alone is none, when the target's own spelling is compared:
    /// those of the mappings, whatever the object.
    pub(crate) fold_case: Arc<BTreeSet<TargetPath>>,
    /// Where to look for the object in the target, in matching precedence.
    pub(crate) keys: Vec<MatchKey>,
}

/// The answer of all mappings of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mapped {
    Desired(Desired),
    /// An expression said `IgnoreObjectFlow`.
    IgnoreObject,
}

/// Evaluates every mapping; all that fail are reported together.
pub(crate) fn desired(
    mappings: &Mappings,
    input: &Input<'_>,
    environment: Environment<'_>,
    unique: Unique<'_>,
) -> Result<Mapped, Vec<AttributeError>> {
    desired_of(mappings, |_| true, input, environment, unique)
}

/// Evaluates only the mappings that carry the state "can no longer use the application".
pub(crate) fn desired_state(
    mappings: &Mappings,
    input: &Input<'_>,
    environment: Environment<'_>,
) -> Result<Mapped, Vec<AttributeError>> {
    let carries_state = |rule: &Rule| rule.reads_soft_deleted;
    desired_of(mappings, carries_state, input, environment, Unique::Keep)
}

fn desired_of(
    mappings: &Mappings,
    is_wanted: impl Fn(&Rule) -> bool,
    input: &Input<'_>,
    environment: Environment<'_>,
    unique: Unique<'_>,
) -> Result<Mapped, Vec<AttributeError>> {
    let object = Object {
        input,
        properties: mappings.read(&input.object.attributes),
        environment,
    };
    let mut desired = Desired {
        values: PathMap::with_capacity(mappings.len()),
        fold_case: mappings.fold_case(),
        ..Desired::default()
    };
    let mut keys = Vec::new();
    let mut errors = Vec::new();
    for (mapping, rule) in mappings.rules() {
        if mapping.target.is_members() || !is_wanted(rule) {
            continue;
        }
        let is_taken = match unique {
            Unique::Keep if rule.selects_unique => continue,
            Unique::Keep => NOT_ASKED,
            Unique::Chosen(is_taken) => is_taken,
        };
        // Most values are sent as they are read.
        if let Some(value) = object.value(mapping, rule)
            && rule.form.passes(value)
            && !value.is_empty()
            && mapping.apply == Apply::Always
            && mapping.target_type != TargetType::Reference
        {
            if let Some(precedence) = mapping.matching {
                keys.push((precedence, key(mapping, value)));
            }
            let path = mapping.target.clone();
            desired.values.append(path, Some(value.clone()));
            continue;
        }
        let placed = match evaluate(mapping, rule, &object, is_taken) {
            Ok(Evaluated::IgnoreObject) => return Ok(Mapped::IgnoreObject),
            Ok(Evaluated::IgnoreAttribute) => continue,
            Ok(Evaluated::Value(value)) => {
                if let (Some(precedence), Some(value)) = (mapping.matching, &value) {
                    keys.push((precedence, key(mapping, value)));
                }
                place(&mut desired, mapping, rule, value).map_err(str::to_owned)
            }
            Ok(Evaluated::Additions(additions)) => {
                add(&mut desired, mapping, rule, additions).map_err(str::to_owned)
            }
            Err(message) => Err(message),
        };
        if let Err(message) = placed {
            let target = mapping.target.clone();
            errors.push((rule.place, AttributeError { target, message }));
        }
    }
    if !errors.is_empty() {
        // In the order in which the mappings are written.
        errors.sort_by_key(|(place, _)| *place);
        return Err(errors.into_iter().map(|(_, error)| error).collect());
    }
    keys.sort_by_key(|(precedence, _)| *precedence);
    desired.keys = keys.into_iter().map(|(_, key)| key).collect();
    Ok(Mapped::Desired(desired))
}

/// The mappings that are expressions, each with what its parts come to. One that chooses a unique value is not among
/// them: that depends on the target.
pub(crate) fn steps<'m>(
    mappings: &'m Mappings,
    input: &Input<'_>,
    environment: Environment<'_>,
) -> Vec<(&'m TargetPath, &'m str, Vec<Step>)> {
    let object = Object {
        input,
        properties: mappings.read(&input.object.attributes),
        environment,
    };
    let mut all = Vec::new();
    for (mapping, rule) in mappings.rules().filter(|(_, rule)| !rule.selects_unique) {
        if let Source::Expression(expression) = &mapping.source {
            let steps = with_input(mapping, rule, &object, Write::Update, NOT_ASKED, |input| {
                expression.explain(input)
            });
            all.push((&mapping.target, expression.text(), steps));
        }
    }
    all
}

fn key(mapping: &Mapping, value: &Value) -> MatchKey {
    MatchKey {
        path: mapping.target.clone(),
        value: value.clone(),
    }
}

/// What the mappings may choose among when the object is created, so that the target can be asked
/// what it has of it.
pub(crate) fn candidates(
    mappings: &Mappings,
    input: &Input<'_>,
    environment: Environment<'_>,
) -> Vec<MatchKey> {
    let object = Object {
        input,
        properties: Vec::new(),
        environment,
    };
    let mut candidates = Vec::new();
    for (mapping, rule) in mappings.rules().filter(|(_, rule)| rule.selects_unique) {
        let Source::Expression(expression) = &mapping.source else {
            continue;
        };
        let texts = with_input(mapping, rule, &object, Write::Create, NOT_ASKED, |input| {
            expression.candidates(input)
        });
        let values = texts.into_iter().filter_map(|text| {
            let value = Cow::Owned(Value::text(text));
            rule.form.make(&mapping.target, value).ok()?
        });
        candidates.extend(values.map(|value| MatchKey {
            path: mapping.target.clone(),
            value,
        }));
    }
    candidates
}

/// Sorts one mapping's value into what is sent always, on create alone, or as a reference.
fn place(
    desired: &mut Desired,
    mapping: &Mapping,
    rule: &Rule,
    value: Option<Value>,
) -> Result<(), &'static str> {
    let path = mapping.target.clone();
    let value = match (value, &rule.default, mapping.on_empty) {
        (Some(value), _, _) => Some(value),
        (None, _, OnEmpty::Fail) => return Err("the source has no value, and on_empty = \"fail\""),
        (None, Some(default), OnEmpty::Keep) => {
            desired.on_create.insert(path, default.clone());
            return Ok(());
        }
        (None, None, OnEmpty::Keep) => {
            return if mapping.required {
                Err(REQUIRED)
            } else {
                Ok(())
            };
        }
        (None, default, OnEmpty::Clear | OnEmpty::Default) => default.clone(),
    };
    if value.is_none() && mapping.required {
        return Err(REQUIRED);
    }
    let create_only = mapping.apply == Apply::OnCreate || matches!(mapping.source, Source::None);
    match value {
        Some(Value::Reference(source)) => {
            desired.references.insert(path, Some(source));
        }
        None if mapping.target_type == TargetType::Reference => {
            desired.references.insert(path, None);
        }
        Some(value) if create_only => {
            desired.on_create.insert(path, value);
        }
        None if create_only => {}
        value => {
            desired.values.append(path, value);
        }
    }
    Ok(())
}

/// Sorts what is only ever added in the same way, so that defaults and `on_empty` mean the same.
fn add(
    desired: &mut Desired,
    mapping: &Mapping,
    rule: &Rule,
    mut additions: Vec<Addition>,
) -> Result<(), &'static str> {
    place(desired, mapping, rule, addition::created(&additions))?;
    if let Some(default) = desired.values.remove(&mapping.target) {
        if additions.is_empty() {
            additions = Addition::alike(default);
        }
        desired.additions.insert(mapping.target.clone(), additions);
    }
    Ok(())
}

const REQUIRED: &str =
    "the target requires a value, but the source has none: add a default to the mapping";

//! A source object and a job's mappings make the attributes that the target should have.

mod convert;
mod evaluate;
mod input;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use self::convert::{convert_each, convert_one};
use self::evaluate::{Evaluated, NOT_ASKED, evaluate, with_input};
use super::addition::{self, Addition};
use super::expr::{Expression, Write};
use super::model::schema::{self, Definition};
use super::model::{
    MatchKey, ObjectKind, SourceId, TargetPath, TargetType, Value, canonical, canonical_as,
    is_whole_list,
};

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
}

impl Mapping {
    /// The one form in which values at the target path are kept, compared and sent. The mapping's own
    /// word counts where the RFC's schemas do not know the path.
    pub(crate) fn canonical(&self, kind: ObjectKind, value: Value) -> Option<Value> {
        let definition = if self.only_adds() {
            addition::ELEMENTS
        } else {
            schema::definition(kind, &self.target).unwrap_or(Definition {
                target_type: self.target_type,
                multi_valued: self.multi_valued,
                case_exact: self.case_exact,
                required: self.required,
            })
        };
        canonical_as(definition, &self.target, value)
    }

    /// The form in which values at the target path are the same when somebody is looked for: the
    /// canonical one, without case where case does not count (RFC 7643 section 2.2, `caseExact`).
    pub(crate) fn searched(&self, kind: ObjectKind, value: Value) -> Option<Value> {
        let value = self.canonical(kind, value)?;
        Some(without_case(value, self.case_exact))
    }

    /// Whether the value is one that nobody has in the target yet.
    pub(crate) fn selects_unique(&self) -> bool {
        match &self.source {
            Source::Expression(expression) => expression.selects_unique(),
            Source::Attribute(_) | Source::Constant(_) | Source::None => false,
        }
    }

    /// Makes a value fit the target attribute, or says why it cannot.
    fn convert(&self, kind: ObjectKind, value: Value) -> Result<Value, String> {
        // Entra calls `roles` and its like text; to the RFC each element is an object.
        let takes_objects = || is_whole_list(schema::definition(kind, &self.target), &self.target);
        convert_each(value, self.multi_valued, |value| match value {
            object @ Value::Object(_) if takes_objects() => Ok(object),
            other => convert_one(other, self.target_type).map_err(str::to_owned),
        })
    }

    /// Whether what the target has at the path is only ever added to.
    fn only_adds(&self) -> bool {
        let is_whole = self.target.selector().is_none() && self.target.sub_attribute().is_none();
        match &self.source {
            Source::Expression(expression) => {
                self.multi_valued && is_whole && expression.only_adds()
            }
            Source::Attribute(_) | Source::Constant(_) | Source::None => false,
        }
    }
}

/// [`Mapping::searched`] by the mapping that the path belongs to. A path that is not mapped any more,
/// as in the keys of a create that an earlier config began, is taken as the RFC's schemas know it.
pub(crate) fn searched(
    kind: ObjectKind,
    mappings: &[Mapping],
    path: &TargetPath,
    value: Value,
) -> Option<Value> {
    if let Some(mapping) = mappings.iter().find(|mapping| mapping.target == *path) {
        return mapping.searched(kind, value);
    }
    let value = canonical(kind, path, value)?;
    let case_exact = schema::definition(kind, path).is_some_and(|known| known.case_exact);
    Some(without_case(value, case_exact))
}

fn without_case(value: Value, case_exact: bool) -> Value {
    match value {
        Value::Text(text) if !case_exact => Value::text(text.to_lowercase()),
        value @ (Value::Text(_)
        | Value::Boolean(_)
        | Value::Integer(_)
        | Value::List(_)
        | Value::Object(_)
        | Value::Reference(_)) => value,
    }
}

/// Brings what a target shows into the form of what the mappings make.
pub(crate) fn normalize(
    kind: ObjectKind,
    mappings: &[Mapping],
    shown: &mut BTreeMap<TargetPath, Value>,
) {
    for mapping in mappings {
        let value = shown.remove(&mapping.target);
        if let Some(value) = value.and_then(|value| mapping.canonical(kind, value)) {
            shown.insert(mapping.target.clone(), value);
        }
    }
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

/// What becomes of a mapping that chooses a value which nobody has in the target.
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
    pub(crate) values: BTreeMap<TargetPath, Option<Value>>,
    /// Sent with a create, and left alone afterwards.
    pub(crate) on_create: BTreeMap<TargetPath, Value>,
    /// Sent with a create, and added afterwards where the target has them not; never taken away.
    pub(crate) additions: BTreeMap<TargetPath, Vec<Addition>>,
    pub(crate) references: BTreeMap<TargetPath, Option<SourceId>>,
    /// Paths at which a difference in case alone is none, when the target's own spelling is compared.
    pub(crate) fold_case: BTreeSet<TargetPath>,
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

/// Evaluates every mapping; all that fail are told together.
pub(crate) fn desired<'m>(
    mappings: impl IntoIterator<Item = &'m Mapping>,
    input: &Input<'_>,
    environment: Environment<'_>,
    unique: Unique<'_>,
) -> Result<Mapped, Vec<AttributeError>> {
    let mut desired = Desired::default();
    let mut keys = Vec::new();
    let mut errors = Vec::new();
    let mappings = mappings.into_iter();
    for mapping in mappings.filter(|mapping| !mapping.target.is_members()) {
        let is_taken = match unique {
            Unique::Keep if mapping.selects_unique() => continue,
            Unique::Keep => NOT_ASKED,
            Unique::Chosen(is_taken) => is_taken,
        };
        let flow = match evaluate(mapping, input, environment, is_taken) {
            Ok(Evaluated::IgnoreObject) => return Ok(Mapped::IgnoreObject),
            Ok(Evaluated::IgnoreAttribute) => continue,
            Ok(Evaluated::Value(value)) => value,
            Ok(Evaluated::Additions(additions)) => {
                if let Err(message) = add(&mut desired, mapping, input.object.kind, additions) {
                    errors.push(AttributeError {
                        target: mapping.target.clone(),
                        message: message.to_owned(),
                    });
                }
                continue;
            }
            Err(message) => {
                errors.push(AttributeError {
                    target: mapping.target.clone(),
                    message,
                });
                continue;
            }
        };
        if let (Some(precedence), Some(value)) = (mapping.matching, &flow) {
            let key = MatchKey {
                path: mapping.target.clone(),
                value: value.clone(),
            };
            keys.push((precedence, key));
        }
        if let Err(message) = place(&mut desired, mapping, input.object.kind, flow) {
            errors.push(AttributeError {
                target: mapping.target.clone(),
                message: message.to_owned(),
            });
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    keys.sort_by_key(|(precedence, _)| *precedence);
    desired.keys = keys.into_iter().map(|(_, key)| key).collect();
    Ok(Mapped::Desired(desired))
}

/// What the mappings may choose among when the object is created, so that the target can be asked
/// what it has of it.
pub(crate) fn candidates<'m>(
    mappings: impl IntoIterator<Item = &'m Mapping>,
    input: &Input<'_>,
    environment: Environment<'_>,
) -> Vec<MatchKey> {
    let mut candidates = Vec::new();
    for mapping in mappings {
        if let Source::Expression(expression) = &mapping.source
            && expression.selects_unique()
        {
            let texts = with_input(
                mapping,
                input,
                environment,
                Write::Create,
                NOT_ASKED,
                |input| expression.candidates(input),
            );
            let kind = input.object.kind;
            let values = texts.into_iter().filter_map(|text| {
                let value = mapping.convert(kind, Value::text(text)).ok()?;
                mapping.canonical(kind, value)
            });
            candidates.extend(values.map(|value| MatchKey {
                path: mapping.target.clone(),
                value,
            }));
        }
    }
    candidates
}

/// Whether the mapping carries the state "can no longer use the application" to the target.
pub(crate) fn reads_soft_deleted(mapping: &Mapping) -> bool {
    match &mapping.source {
        Source::Attribute(name) => name == "IsSoftDeleted",
        Source::Expression(expression) => expression.attributes().contains("IsSoftDeleted"),
        Source::Constant(_) | Source::None => false,
    }
}

/// Sorts one mapping's value into what is sent always, on create alone, or as a reference.
fn place(
    desired: &mut Desired,
    mapping: &Mapping,
    kind: ObjectKind,
    value: Option<Value>,
) -> Result<(), &'static str> {
    let path = mapping.target.clone();
    let default = mapping.default.clone();
    let default = default.and_then(|default| mapping.canonical(kind, default));
    let value = match (value, default, mapping.on_empty) {
        (Some(value), _, _) => Some(value),
        (None, _, OnEmpty::Fail) => return Err("the source has no value, and on_empty = \"fail\""),
        (None, Some(default), OnEmpty::Keep) => {
            desired.on_create.insert(path, default);
            return Ok(());
        }
        (None, None, OnEmpty::Keep) => {
            return if mapping.required {
                Err(REQUIRED)
            } else {
                Ok(())
            };
        }
        (None, default, OnEmpty::Clear | OnEmpty::Default) => default,
    };
    if value.is_none() && mapping.required {
        return Err(REQUIRED);
    }
    if !mapping.case_exact {
        desired.fold_case.insert(path.clone());
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
            desired.values.insert(path, value);
        }
    }
    Ok(())
}

/// Sorts what is only ever added in the same way, so that defaults and `on_empty` mean the same.
fn add(
    desired: &mut Desired,
    mapping: &Mapping,
    kind: ObjectKind,
    mut additions: Vec<Addition>,
) -> Result<(), &'static str> {
    place(desired, mapping, kind, addition::created(&additions))?;
    if let Some(default) = desired.values.remove(&mapping.target) {
        if additions.is_empty() {
            additions = Addition::alike(default);
        }
        desired.additions.insert(mapping.target.clone(), additions);
    }
    Ok(())
}

const REQUIRED: &str =
    "the target requires a value and the source has none: give the mapping a default";

//! A source object and a job's mappings make the attributes that the target should have.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDateTime, Utc};

use super::addition::{self, Addition};
use super::expr::{self, AppRole, Expression, Flow, Write};
use super::model::schema::{self, Definition};
use super::model::source;
use super::model::{
    MatchKey, ObjectKind, SourceId, SourceObject, TargetPath, TargetType, Value, canonical_as,
    is_base64, is_whole_list,
};

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
    /// ourselves is always compared exactly.
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
        let takes_objects = is_whole_list(schema::definition(kind, &self.target), &self.target);
        convert_each(value, self.multi_valued, |value| match value {
            object @ Value::Object(_) if takes_objects => Ok(object),
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

/// Brings what a target shows into the form of what the mappings make.
pub(crate) fn make_canonical(
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

/// What the mappings see of one object.
pub(crate) struct Subject<'a> {
    object: &'a SourceObject,
    roles: &'a [AppRole],
    soft_deleted: Value,
    id: Value,
    /// For guests, the address they have at home.
    principal_name: Option<Value>,
}

/// What the mappings see of the world: the clock, chance and the tenant are passed in.
#[derive(Clone, Copy)]
pub(crate) struct World<'a> {
    pub(crate) now: DateTime<Utc>,
    /// The random bits of an object's mapping of a path, counted from 0: the same as often as they
    /// are asked for, because a mapping is evaluated more than once in a cycle.
    pub(crate) random: &'a dyn Fn(&SourceId, &TargetPath, u64) -> u64,
    /// The tenant's default domain; `None` when no mapping of the job asks for it.
    pub(crate) default_domain: Option<&'a str>,
}

/// Whether the target, or an object that is created before, has this value of a mapping.
type IsTaken<'a> = &'a dyn Fn(&Mapping, &Value) -> bool;

/// What becomes of a mapping that chooses a value which nobody has in the target.
#[derive(Clone, Copy)]
pub(crate) enum Unique<'a> {
    /// The target has the object, so that the choice was made long ago.
    LeftAlone,
    /// The object is about to be created; says of a value whether it is taken.
    Chosen(IsTaken<'a>),
}

impl<'a> Subject<'a> {
    /// `soft_deleted` is Entra's `IsSoftDeleted`: unassigned, filtered out, in the recycle bin, or
    /// blocked.
    pub(crate) fn new(object: &'a SourceObject, roles: &'a [AppRole], soft_deleted: bool) -> Self {
        let principal_name = match object.kind {
            ObjectKind::User => object
                .attributes
                .text("userPrincipalName")
                .map(|name| Value::Text(home_address(name).into_owned())),
            ObjectKind::Group => None,
        };
        Self {
            object,
            roles,
            soft_deleted: Value::Boolean(soft_deleted),
            id: Value::text(object.id.as_str()),
            principal_name,
        }
    }

    /// A source attribute or a computed one; `None` is null.
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        match name {
            "IsSoftDeleted" => Some(&self.soft_deleted),
            "id" | "objectId" => Some(&self.id),
            "userPrincipalName" if self.principal_name.is_some() => self.principal_name.as_ref(),
            "originalUserPrincipalName" => self.object.attributes.value("userPrincipalName"),
            _ => {
                let name = source::graph_name(name);
                self.object.attributes.value(&name)
            }
        }
    }
}

impl expr::Lookup for Subject<'_> {
    fn value(&self, name: &str) -> Option<&Value> {
        Subject::value(self, name)
    }
}

/// `alias_theirdomain#EXT#@yourdomain` is `alias@theirdomain` (Entra, "How provisioning works").
fn home_address(principal_name: &str) -> Cow<'_, str> {
    let Some((home, _)) = principal_name.split_once("#EXT#") else {
        return Cow::Borrowed(principal_name);
    };
    match home.rsplit_once('_') {
        Some((alias, domain)) => Cow::Owned(format!("{alias}@{domain}")),
        None => Cow::Borrowed(principal_name),
    }
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
    subject: &Subject<'_>,
    world: World<'_>,
    unique: Unique<'_>,
) -> Result<Mapped, Vec<AttributeError>> {
    let mut desired = Desired::default();
    let mut keys = Vec::new();
    let mut errors = Vec::new();
    let mappings = mappings.into_iter();
    for mapping in mappings.filter(|mapping| !mapping.target.is_members()) {
        let is_taken = match unique {
            Unique::LeftAlone if mapping.selects_unique() => continue,
            Unique::LeftAlone => NOT_ASKED,
            Unique::Chosen(is_taken) => is_taken,
        };
        let flow = match evaluate(mapping, subject, world, is_taken) {
            Ok(Evaluated::IgnoreObject) => return Ok(Mapped::IgnoreObject),
            Ok(Evaluated::IgnoreAttribute) => continue,
            Ok(Evaluated::Value(value)) => value,
            Ok(Evaluated::Additions(additions)) => {
                if let Err(message) = add(&mut desired, mapping, subject.object.kind, additions) {
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
        if let Err(message) = place(&mut desired, mapping, subject.object.kind, flow) {
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
    subject: &Subject<'_>,
    world: World<'_>,
) -> Vec<MatchKey> {
    let mut candidates = Vec::new();
    for mapping in mappings {
        if let Source::Expression(expression) = &mapping.source
            && expression.selects_unique()
        {
            let texts = with_input(mapping, subject, world, Write::Create, NOT_ASKED, |input| {
                expression.candidates(input)
            });
            let kind = subject.object.kind;
            let values = texts
                .into_iter()
                .map(|text| mapping.convert(kind, Value::Text(text)));
            candidates.extend(values.flatten().map(|value| MatchKey {
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

enum Evaluated {
    Value(Option<Value>),
    Additions(Vec<Addition>),
    IgnoreAttribute,
    IgnoreObject,
}

fn evaluate(
    mapping: &Mapping,
    subject: &Subject<'_>,
    world: World<'_>,
    is_taken: IsTaken<'_>,
) -> Result<Evaluated, String> {
    let kind = subject.object.kind;
    let value = match flow(mapping, subject, world, Write::Update, is_taken)? {
        Evaluated::Value(value) => value,
        ignored => return Ok(ignored),
    };
    if mapping.only_adds() {
        let created = match flow(mapping, subject, world, Write::Create, is_taken)? {
            Evaluated::Value(created) => created,
            ignored => return Ok(ignored),
        };
        return Addition::pairs(&mapping.target, created, value).map(Evaluated::Additions);
    }
    let value = match value {
        Some(value) => mapping.canonical(kind, mapping.convert(kind, value)?),
        None => None,
    };
    Ok(Evaluated::Value(value))
}

/// What comes from the source, as it is there.
fn flow(
    mapping: &Mapping,
    subject: &Subject<'_>,
    world: World<'_>,
    write: Write,
    is_taken: IsTaken<'_>,
) -> Result<Evaluated, String> {
    let value = match &mapping.source {
        Source::Attribute(name) => subject.value(name).cloned(),
        Source::Constant(value) => Some(value.clone()),
        Source::None => None,
        Source::Expression(expression) => {
            let flow = with_input(mapping, subject, world, write, is_taken, |input| {
                expression.evaluate(input)
            });
            match flow.map_err(|error| error.to_string())? {
                Flow::Value(value) => Some(value),
                Flow::Null => None,
                Flow::IgnoreAttribute => return Ok(Evaluated::IgnoreAttribute),
                Flow::IgnoreObject => return Ok(Evaluated::IgnoreObject),
            }
        }
    };
    // Empty text is no value: RFC 7643 section 2.5 knows no difference between unassigned and null,
    // and targets refuse an empty e-mail address.
    Ok(Evaluated::Value(value.filter(|value| !value.is_empty())))
}

/// For what chooses no value that nobody has.
const NOT_ASKED: IsTaken<'_> = &|_, _| false;

/// Hands over what the expression of a mapping sees.
fn with_input<T>(
    mapping: &Mapping,
    subject: &Subject<'_>,
    world: World<'_>,
    write: Write,
    is_taken: IsTaken<'_>,
    evaluate: impl FnOnce(&expr::Input<'_>) -> T,
) -> T {
    let drawn = Cell::new(0);
    evaluate(&expr::Input {
        attributes: subject,
        roles: subject.roles,
        write,
        now: world.now,
        random: &|| {
            let count = drawn.replace(drawn.get() + 1);
            (world.random)(&subject.object.id, &mapping.target, count)
        },
        default_domain: world.default_domain,
        // What does not fit the target attribute is told of when it is converted to be sent.
        taken: &|text| {
            let value = mapping.convert(subject.object.kind, Value::text(text));
            value.is_ok_and(|value| is_taken(mapping, &value))
        },
    })
}

/// Makes a value fit a target attribute of that type, or says why it cannot.
pub(crate) fn convert(
    value: Value,
    target_type: TargetType,
    multi_valued: bool,
) -> Result<Value, String> {
    convert_each(value, multi_valued, |value| {
        convert_one(value, target_type).map_err(str::to_owned)
    })
}

fn convert_each(
    value: Value,
    multi_valued: bool,
    to_type: impl Fn(Value) -> Result<Value, String>,
) -> Result<Value, String> {
    match value {
        Value::List(values) if multi_valued => {
            let converted: Result<_, _> = values.into_iter().map(to_type).collect();
            converted.map(Value::List)
        }
        Value::List(mut values) => match values.pop() {
            Some(only) if values.is_empty() => to_type(only),
            _ => Err(
                "the source has several values and the target takes one: use Join or Item"
                    .to_owned(),
            ),
        },
        one if multi_valued => to_type(one).map(|one| Value::List(vec![one])),
        one => to_type(one),
    }
}

fn convert_one(value: Value, target_type: TargetType) -> Result<Value, &'static str> {
    match (target_type, value) {
        (TargetType::Binary, Value::Text(text)) if !is_base64(&text) => {
            Err("the target takes binary data in base64 and the source has something else")
        }
        (TargetType::String | TargetType::Binary, value @ Value::Text(_))
        | (TargetType::Boolean, value @ Value::Boolean(_))
        | (TargetType::Integer, value @ Value::Integer(_))
        | (TargetType::Reference, value @ Value::Reference(_))
        | (TargetType::Complex, value @ (Value::Object(_) | Value::Text(_))) => Ok(value),
        (TargetType::String, Value::Boolean(value)) => {
            Ok(Value::text(if value { "True" } else { "False" }))
        }
        (TargetType::String, Value::Integer(value)) => Ok(Value::Text(value.to_string())),
        (TargetType::String, Value::Reference(source)) => Ok(Value::text(source.as_str())),
        (TargetType::Boolean, Value::Text(text)) => match text.to_ascii_lowercase().as_str() {
            "true" => Ok(Value::Boolean(true)),
            "false" => Ok(Value::Boolean(false)),
            _ => Err("the target takes True or False and the source has something else"),
        },
        (TargetType::Integer, Value::Text(text)) => text
            .trim()
            .parse()
            .map(Value::Integer)
            .map_err(|_| "the target takes a whole number and the source has something else"),
        (TargetType::DateTime, Value::Text(text)) => date_time(&text)
            .map(Value::Text)
            .ok_or("the target takes a date and the source has something else"),
        (TargetType::Reference, _) => {
            Err("the target takes a reference: map manager or another reference directly")
        }
        (_, Value::Object(_) | Value::List(_)) => {
            Err("the source value has several parts and the target takes plain text: name one part")
        }
        _ => Err("the source value does not fit the type of the target attribute"),
    }
}

/// ISO 8601 as RFC 7643 section 2.3.5 wants it, from that form or from the expressions' own.
fn date_time(text: &str) -> Option<String> {
    if DateTime::parse_from_rfc3339(text).is_ok() {
        return Some(text.to_owned());
    }
    let printed = NaiveDateTime::parse_from_str(text, "%m/%d/%Y %I:%M:%S %p").ok()?;
    Some(printed.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::model::{Attributes, Presence};

    fn mapping(target: &str, source: Source) -> Mapping {
        Mapping {
            target: TargetPath::parse(target).unwrap(),
            source,
            default: None,
            matching: None,
            apply: Apply::Always,
            on_empty: OnEmpty::Clear,
            target_type: TargetType::String,
            multi_valued: false,
            case_exact: false,
            required: false,
        }
    }

    fn attribute(target: &str, name: &str) -> Mapping {
        mapping(target, Source::Attribute(name.to_owned()))
    }

    fn expression(target: &str, text: &str) -> Mapping {
        let expression = Expression::compile(text).unwrap();
        mapping(target, Source::Expression(Box::new(expression)))
    }

    fn mapped(mappings: &[Mapping]) -> Result<Mapped, Vec<AttributeError>> {
        with_jane(|subject, world| desired(mappings, subject, world, Unique::LeftAlone))
    }

    fn with_jane<T>(evaluate: impl FnOnce(&Subject<'_>, World<'_>) -> T) -> T {
        let attributes = [
            ("displayName", Value::text("Jane")),
            ("userPrincipalName", Value::text("jane_b.com#EXT#@a.com")),
            ("mail", Value::text("")),
            (
                "otherMails",
                Value::List(vec![Value::text("x"), Value::text("y")]),
            ),
            ("accountEnabled", Value::Boolean(true)),
            ("employeeHireDate", Value::text("2026-03-01T00:00:00Z")),
            ("employeeId", Value::text("7")),
        ];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value));
        let object = SourceObject {
            kind: ObjectKind::User,
            id: SourceId::new("1"),
            presence: Presence::Present,
            attributes: Attributes::new(attributes.into()),
        };
        let world = World {
            now: DateTime::UNIX_EPOCH,
            // Another number each time, and the same for the same.
            random: &|id, path, count| {
                let text = format!("{id}{path}{count}");
                text.bytes().fold(7, |hash: u64, byte| {
                    (hash ^ u64::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
                })
            },
            default_domain: Some("contoso.com"),
        };
        evaluate(&Subject::new(&object, &[], false), world)
    }

    fn of(mappings: &[Mapping]) -> Desired {
        match mapped(mappings) {
            Ok(Mapped::Desired(desired)) => desired,
            other => panic!("{other:?}"),
        }
    }

    fn value(mapping: Mapping) -> Option<Value> {
        let values = of(&[mapping]).values;
        values.into_values().next().expect("a value or null")
    }

    fn message(mapping: Mapping) -> String {
        mapped(&[mapping]).unwrap_err().remove(0).message
    }

    #[test]
    fn a_value_comes_from_an_attribute_a_constant_or_an_expression() {
        let text = |text| Some(Value::text(text));
        assert_eq!(value(attribute("title", "displayName")), text("Jane"));
        let constant = Source::Constant(Value::text("x"));
        assert_eq!(value(mapping("title", constant)), text("x"));
        let made = expression("title", "Append([displayName], \"!\")");
        assert_eq!(value(made), text("Jane!"));
        assert_eq!(
            value(attribute("userName", "userPrincipalName")),
            text("jane@b.com")
        );
        let whole = attribute("userName", "originalUserPrincipalName");
        assert_eq!(value(whole), text("jane_b.com#EXT#@a.com"));
    }

    #[test]
    fn a_mapping_from_nothing_sends_its_default_with_a_create_alone() {
        let mut none = mapping("title", Source::None);
        assert_eq!(
            of(&[none.clone()]),
            Desired {
                fold_case: [none.target.clone()].into(),
                ..Desired::default()
            }
        );
        none.default = Some(Value::text("x"));
        let desired = of(&[none]);
        assert!(desired.values.is_empty());
        assert_eq!(
            desired.on_create.into_values().next(),
            Some(Value::text("x"))
        );
    }

    #[test]
    fn an_emptied_source_clears_defaults_keeps_or_fails() {
        let empty = |on_empty, default: Option<&str>| Mapping {
            on_empty,
            default: default.map(Value::text),
            ..attribute("title", "mail")
        };
        assert_eq!(value(empty(OnEmpty::Clear, None)), None);
        let default = value(empty(OnEmpty::Default, Some("x")));
        assert_eq!(default, Some(Value::text("x")));
        assert!(of(&[empty(OnEmpty::Keep, None)]).values.is_empty());
        let kept = of(&[empty(OnEmpty::Keep, Some("x"))]);
        assert!(kept.values.is_empty());
        assert_eq!(kept.on_create.into_values().next(), Some(Value::text("x")));
        assert!(message(empty(OnEmpty::Fail, None)).contains("no value"));
    }

    #[test]
    fn a_required_value_that_is_missing_fails_the_object() {
        let required = Mapping {
            required: true,
            ..attribute("userName", "mail")
        };
        assert_eq!(message(required.clone()), REQUIRED);
        let default = Some(Value::text("x"));
        assert!(
            value(Mapping {
                default,
                ..required
            })
            .is_some()
        );
    }

    #[test]
    fn what_applies_on_create_is_left_alone_afterwards() {
        let once = Mapping {
            apply: Apply::OnCreate,
            ..attribute("title", "displayName")
        };
        let desired = of(&[once]);
        assert!(desired.values.is_empty());
        assert_eq!(desired.on_create.len(), 1);
    }

    #[test]
    fn matching_attributes_come_in_their_precedence() {
        let matching = |target, name, precedence| Mapping {
            matching: Some(precedence),
            ..attribute(target, name)
        };
        let desired = of(&[
            matching("userName", "userPrincipalName", 3),
            matching("title", "mail", 1),
            matching("externalId", "displayName", 2),
        ]);
        let keys: Vec<_> = desired
            .keys
            .iter()
            .map(|key| key.path.to_string())
            .collect();
        // What has no value is not looked for.
        assert_eq!(keys, ["externalId", "userName"]);
    }

    #[test]
    fn values_take_the_type_of_the_target_or_say_why_not() {
        let typed = |target_type, source: &str| Mapping {
            target_type,
            ..expression("urn:acme:User:x", source)
        };
        for (target_type, source, expected) in [
            (TargetType::String, "[accountEnabled]", Value::text("True")),
            (TargetType::Boolean, "\"False\"", Value::Boolean(false)),
            (TargetType::Integer, "[employeeId]", Value::Integer(7)),
            (
                TargetType::DateTime,
                "CDate([employeeHireDate])",
                Value::text("2026-03-01T00:00:00Z"),
            ),
            (TargetType::Binary, "\"AA==\"", Value::text("AA==")),
        ] {
            assert_eq!(
                value(typed(target_type, source)),
                Some(expected),
                "{source}"
            );
        }
        for (target_type, source) in [
            (TargetType::Boolean, "[displayName]"),
            (TargetType::Integer, "[displayName]"),
            (TargetType::DateTime, "[displayName]"),
            (TargetType::Reference, "[displayName]"),
            (TargetType::Binary, "[userPrincipalName]"),
        ] {
            message(typed(target_type, source));
        }
    }

    #[test]
    fn a_list_needs_a_target_that_takes_several_values() {
        let list = attribute("title", "otherMails");
        assert!(message(list.clone()).contains("several values"));
        let several = Mapping {
            multi_valued: true,
            ..list
        };
        assert!(matches!(value(several), Some(Value::List(values)) if values.len() == 2));
    }

    #[test]
    fn case_counts_where_the_target_says_so() {
        let exact = Mapping {
            case_exact: true,
            ..attribute("title", "displayName")
        };
        assert!(of(&[exact]).fold_case.is_empty());
        assert_eq!(of(&[attribute("title", "displayName")]).fold_case.len(), 1);
    }

    #[test]
    fn what_is_ignored_is_not_sent() {
        let attribute = expression("title", "IgnoreFlowIfNullOrEmpty([mail])");
        assert_eq!(of(&[attribute]), Desired::default());
        let object = expression("title", "IIF([mail] = \"x\", \"y\", IgnoreObjectFlow)");
        assert_eq!(mapped(&[object]), Ok(Mapped::IgnoreObject));
    }

    #[test]
    fn an_expression_takes_the_default_domain_from_the_world() {
        let domain = expression("title", "Append([displayName], DefaultDomain())");
        assert_eq!(value(domain), Some(Value::text("Janecontoso.com")));
    }

    fn unique(text: &str) -> Mapping {
        Mapping {
            apply: Apply::OnCreate,
            ..expression("title", text)
        }
    }

    fn chosen(mapping: &Mapping, taken: &[&str]) -> Result<Option<Value>, String> {
        let is_taken =
            |_: &Mapping, value: &Value| taken.iter().any(|one| *value == Value::text(*one));
        let mapped = with_jane(|subject, world| {
            desired([mapping], subject, world, Unique::Chosen(&is_taken))
        });
        match mapped {
            Ok(Mapped::Desired(desired)) => Ok(desired.on_create.into_values().next()),
            Ok(Mapped::IgnoreObject) => panic!("nothing ignores the object"),
            Err(mut errors) => Err(errors.remove(0).message),
        }
    }

    fn choices(mapping: &Mapping) -> Vec<String> {
        let keys = with_jane(|subject, world| candidates([mapping], subject, world));
        let values = keys.into_iter().map(|key| match key.value {
            Value::Text(text) => text,
            other => panic!("{other:?} is no text"),
        });
        values.collect()
    }

    #[test]
    fn the_first_value_that_nobody_has_goes_with_a_create() {
        let mapping = unique("SelectUniqueValue([displayName], [mail], [employeeId])");
        assert_eq!(choices(&mapping), ["Jane", "7"]);
        assert_eq!(chosen(&mapping, &[]), Ok(Some(Value::text("Jane"))));
        assert_eq!(chosen(&mapping, &["Jane"]), Ok(Some(Value::text("7"))));
        let message = chosen(&mapping, &["Jane", "7"]).unwrap_err();
        assert!(message.contains("already taken"), "{message}");
    }

    #[test]
    fn who_is_in_the_target_keeps_the_value_that_was_chosen() {
        // It would fail if it were evaluated.
        let mapping = unique("SelectUniqueValue(CDate([displayName]), \"x\")");
        assert!(chosen(&mapping, &[]).is_err());
        assert_eq!(of(&[mapping]), Desired::default());
    }

    #[test]
    fn a_rule_that_cannot_be_evaluated_counts_only_when_it_is_reached() {
        let fails = unique("SelectUniqueValue([displayName], CDate([displayName]), \"x\")");
        assert_eq!(choices(&fails), ["Jane"]);
        assert_eq!(chosen(&fails, &[]), Ok(Some(Value::text("Jane"))));
        assert!(chosen(&fails, &["Jane"]).is_err());
        let ignores = unique("SelectUniqueValue([displayName], IgnoreFlowIfNullOrEmpty([mail]))");
        assert_eq!(choices(&ignores), ["Jane"]);
        assert_eq!(chosen(&ignores, &["Jane"]), Ok(None));
    }

    #[test]
    fn only_what_chooses_is_asked_for() {
        assert!(choices(&attribute("title", "displayName")).is_empty());
        assert!(choices(&expression("title", "ToLower([displayName])")).is_empty());
    }

    #[test]
    fn chance_falls_alike_when_a_value_is_asked_for_and_when_it_is_chosen() {
        let random = "RandomString(12, 0, 0, 0, 0, \"\")";
        let mapping = unique(&format!("SelectUniqueValue({random}, {random}, Guid())"));
        let choices = choices(&mapping);
        assert!(choices[0] != choices[1], "{choices:?}");
        for (count, choice) in choices.iter().enumerate() {
            let taken: Vec<&str> = choices[..count].iter().map(String::as_str).collect();
            assert_eq!(chosen(&mapping, &taken), Ok(Some(Value::text(choice))));
        }
    }
}

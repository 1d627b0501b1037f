//! The mappings of one kind of object: the preset's, with the job's own laid over them, checked and
//! compiled.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use figment::value::Value as Raw;

use super::document::Place;
use super::file::{self, Flow};
use super::problem::{Log, nearest, suggest};
use super::reader::{Typed, kind as kind_of_raw, whole};
use crate::engine::expr::Expression;
use crate::engine::mapping::{Apply, Mapping, OnEmpty, Source};
use crate::engine::model::schema::{self, Definition};
use crate::engine::model::source::{self, SourceAttribute, SourceType, Unusable};
use crate::engine::model::{ObjectKind, TargetPath, TargetType, Value};

/// A mapping as typed, with its target understood.
struct Entry<'a> {
    path: TargetPath,
    raw: &'a file::Mapping,
}

/// One mapping per target path, in the order of the preset; the job's own follow.
pub(super) fn resolve(
    kind: ObjectKind,
    own: &file::Rules,
    preset: &file::Rules,
    filterable: Option<&[String]>,
    is_enabled: bool,
    log: &mut Log,
) -> Vec<Mapping> {
    let mut entries = parse_targets(&preset.mappings, log);
    for entry in parse_targets(&own.mappings, log) {
        let known = entries.iter().position(|known| known.path == entry.path);
        match (&entry.raw.flow, known) {
            (Some(Flow::Removed), Some(index)) => {
                entries.remove(index);
            }
            (Some(Flow::Removed), None) => {
                let paths: Vec<_> = entries.iter().map(|known| known.path.to_string()).collect();
                let path = entry.path.to_string();
                let remedy = match nearest(&path, paths.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean {near}?"),
                    None => "leave the mapping out".to_owned(),
                };
                let message = format!("the preset has no mapping of {path} to remove");
                log.problem(entry.raw.place.problem(message, remedy));
            }
            (_, Some(index)) => entries[index] = entry,
            (_, None) => entries.push(entry),
        }
    }
    check_matching(kind, &entries, own, filterable, is_enabled, log);
    entries
        .iter()
        .filter_map(|entry| build(kind, entry, log))
        .collect()
}

/// Whether a mapping carries to the target that a person may no longer use it.
pub(super) fn carries_removal(mapping: &Mapping) -> bool {
    mapping.apply == Apply::Always
        && match &mapping.source {
            Source::Attribute(name) => name == source::IS_SOFT_DELETED,
            Source::Expression(expression) => {
                expression.attributes().contains(source::IS_SOFT_DELETED)
            }
            Source::Constant(_) | Source::None => false,
        }
}

fn parse_targets<'a>(mappings: &'a [file::Mapping], log: &mut Log) -> Vec<Entry<'a>> {
    let mut entries: Vec<Entry<'a>> = Vec::new();
    for raw in mappings {
        let Some(target) = &raw.target else { continue };
        let path = match TargetPath::parse(&target.value) {
            Ok(path) => path,
            Err(err) => {
                log.problem(target.place.problem_inside(
                    (1, err.offset + 1),
                    format!("{:?} is not a target attribute: {err}", target.value),
                    "write it like userName, name.givenName or emails[type eq \"work\"].value",
                ));
                continue;
            }
        };
        if let Some(first) = entries.iter().find(|entry| entry.path == path) {
            log.problem(target.place.problem(
                format!(
                    "{path} is mapped twice, first at {}",
                    first.raw.place.line()
                ),
                "keep one of the two",
            ));
            continue;
        }
        entries.push(Entry { path, raw });
    }
    entries
}

fn check_matching(
    kind: ObjectKind,
    entries: &[Entry<'_>],
    own: &file::Rules,
    filterable: Option<&[String]>,
    is_enabled: bool,
    log: &mut Log,
) {
    let mut seen: BTreeMap<i64, &Entry<'_>> = BTreeMap::new();
    for entry in entries {
        let Some(matching) = &entry.raw.matching else {
            continue;
        };
        // The one that the job's author wrote is the one to correct.
        let is_own = |entry: &Entry<'_>| entry.raw.place.is_in_file_of(&own.place);
        if let Some(first) = seen.insert(matching.value, entry) {
            let to_correct = match (&first.raw.matching, is_own(entry)) {
                (Some(first_matching), false) if is_own(first) => first_matching,
                _ => matching,
            };
            log.problem(to_correct.place.problem(
                format!(
                    "{} and {} have the same matching precedence {}",
                    first.path, entry.path, matching.value
                ),
                "give each a precedence of its own, or drop match from one of them",
            ));
        }
        let path = entry.path.to_string();
        if let Some(filterable) = filterable.filter(|filterable| !filterable.contains(&path)) {
            let own_place = own.place.name("mappings");
            let place = if is_own(entry) {
                &matching.place
            } else {
                &own_place
            };
            log.problem(place.problem(
                format!("{path} cannot match: the target does not filter by it"),
                format!(
                    "match one of {}, or add it to target.filterable",
                    filterable.join(", ")
                ),
            ));
        }
        match &entry.raw.flow {
            Some(Flow::Constant(_) | Flow::None) => log.problem(matching.place.problem(
                "an attribute with the same value for everyone cannot match",
                "drop match, or map a source attribute",
            )),
            Some(Flow::Attribute(_) | Flow::Expression(_) | Flow::Removed) | None => {}
        }
    }
    if seen.is_empty() && is_enabled {
        let usual = match kind {
            ObjectKind::User => "userName",
            ObjectKind::Group => "displayName",
        };
        log.problem(own.place.name("mappings").problem(
            format!("no mapping of {kind}s matches: existing ones would be created again"),
            format!("add match = 1 to the mapping of {usual} or of another unique attribute"),
        ));
    }
}

/// What a mapping says of its target, or the RFC's schemas do.
struct Shape {
    target_type: TargetType,
    multi_valued: bool,
    case_exact: bool,
    required: bool,
}

fn build(kind: ObjectKind, entry: &Entry<'_>, log: &mut Log) -> Option<Mapping> {
    let Entry { path, raw } = entry;
    let place = &raw.target.as_ref()?.place;
    if let Some(why) = forbidden(path) {
        let message = format!("{path} must not be mapped: {why}");
        log.problem(place.problem(message, "remove the mapping"));
        return None;
    }
    let shape = shape(kind, path, raw, place, log)?;
    // Everything is looked at before the first thing that is missing ends it.
    let source = build_source(kind, path, raw, &shape, log);
    let default = match &raw.default {
        Some(default) => constant(default, &shape, log).map(Some),
        None => Some(None),
    };
    let on_empty = build_on_empty(raw, log);
    let matching = build_matching(raw, path, &shape, log);
    let apply = build_apply(raw, source.as_ref(), log);
    if let (Some(Source::Constant(_)), Some(default)) = (&source, &raw.default) {
        log.problem(default.place.key_problem(
            "a constant is never empty, so its default is never used",
            "keep one of constant and default",
        ));
    }
    Some(Mapping {
        target: path.clone(),
        source: source?,
        default: default?,
        matching,
        apply: apply?,
        on_empty: on_empty?,
        target_type: shape.target_type,
        multi_valued: shape.multi_valued,
        case_exact: shape.case_exact,
        required: shape.required,
    })
}

/// Why nobody may map the path.
fn forbidden(path: &TargetPath) -> Option<&'static str> {
    if path.schema().is_some() {
        return None;
    }
    match path.attribute() {
        "id" => Some("the target makes ids itself"),
        "meta" | "schemas" => Some("it is not for clients to write"),
        "password" => Some("passwords are not provisioned"),
        "groups" => Some("memberships are written through the groups' members"),
        _ => None,
    }
}

fn build_matching(
    raw: &file::Mapping,
    path: &TargetPath,
    shape: &Shape,
    log: &mut Log,
) -> Option<u32> {
    let matching = raw.matching.as_ref()?;
    let plain = match shape.target_type {
        TargetType::String
        | TargetType::Boolean
        | TargetType::Integer
        | TargetType::DateTime
        | TargetType::Binary => !shape.multi_valued,
        TargetType::Reference | TargetType::Complex => false,
    };
    if !plain {
        log.problem(matching.place.problem(
            format!("{path} cannot match: only a single plain value can be searched for"),
            "drop match, or map a sub-attribute such as emails[type eq \"work\"].value",
        ));
    }
    let precedence = u32::try_from(matching.value).ok();
    if precedence.is_none() {
        let message = format!("{} is too large for a precedence", matching.value);
        log.problem(matching.place.problem(message, "count from 1"));
    }
    precedence
}

/// A default that was given is meant to be used, unless the mapping says otherwise.
fn build_on_empty(raw: &file::Mapping, log: &mut Log) -> Option<OnEmpty> {
    let words = [
        ("clear", OnEmpty::Clear),
        ("keep", OnEmpty::Keep),
        ("default", OnEmpty::Default),
        ("fail", OnEmpty::Fail),
    ];
    let Some(text) = &raw.on_empty else {
        return Some(match &raw.default {
            Some(_) => OnEmpty::Default,
            None => OnEmpty::Clear,
        });
    };
    let on_empty = choose(text, &words, log)?;
    if on_empty == OnEmpty::Default && raw.default.is_none() {
        log.problem(text.place.problem(
            "there is no default to fall back to",
            "add default = \"…\", or write keep, clear or fail",
        ));
    }
    Some(on_empty)
}

fn build_apply(raw: &file::Mapping, source: Option<&Source>, log: &mut Log) -> Option<Apply> {
    let words = [("always", Apply::Always), ("on-create", Apply::OnCreate)];
    let typed = match &raw.apply {
        Some(text) => Some(choose(text, &words, log)?),
        None => None,
    };
    let Some(Source::Expression(expression)) = source else {
        return Some(typed.unwrap_or(Apply::Always));
    };
    if expression.selects_unique() {
        if let (Some(Apply::Always), Some(text)) = (typed, &raw.apply) {
            log.problem(text.place.problem(
                "SelectUniqueValue chooses a value once, when the object is created",
                "write apply = \"on-create\"",
            ));
        }
        return Some(Apply::OnCreate);
    }
    let apply = typed.unwrap_or(Apply::Always);
    if expression.is_volatile() {
        check_volatile(raw, apply, log);
    }
    Some(apply)
}

fn check_volatile(raw: &file::Mapping, apply: Apply, log: &mut Log) {
    if let Some(matching) = &raw.matching {
        log.problem(matching.place.problem(
            "a value that differs each time cannot match",
            "drop match, or leave Now, Guid and RandomString out of the expression",
        ));
    } else if apply == Apply::Always {
        log.warning(raw.place.problem(
            "the expression may give another value in each cycle, and then everyone is updated",
            "write apply = \"on-create\" if the value is meant to stay",
        ));
    }
}

fn shape(
    kind: ObjectKind,
    path: &TargetPath,
    raw: &file::Mapping,
    place: &Place,
    log: &mut Log,
) -> Option<Shape> {
    let typed = match &raw.target_type {
        Some(text) => Some(choose(text, TYPES, log)?),
        None => None,
    };
    let known = schema::definition(kind, path);
    let is_custom = path
        .schema()
        .is_some_and(|schema| schema != schema::ENTERPRISE_USER || kind != ObjectKind::User);
    if known.is_none() && !is_custom && typed.is_none() {
        let near = nearest(path.attribute(), schema::names(kind))
            .filter(|near| *near != path.attribute())
            .map(|near| format!("did you mean {near}? "))
            .unwrap_or_default();
        log.problem(place.problem(
            format!("SCIM knows no attribute {path} of {kind}s"),
            format!(
                "{near}If the target has this attribute, say its type, as in type = \"string\""
            ),
        ));
        return None;
    }
    let Definition {
        target_type,
        multi_valued,
        case_exact,
        required,
    } = known.unwrap_or(Definition {
        target_type: TargetType::String,
        multi_valued: false,
        case_exact: false,
        required: false,
    });
    let or = |typed: &Option<Typed<bool>>, known| typed.as_ref().map_or(known, |typed| typed.value);
    // `emails[type eq "work"]` is one element of the list.
    let multi_valued = multi_valued && path.selector().is_none();
    Some(Shape {
        target_type: typed.unwrap_or(target_type),
        multi_valued: or(&raw.multi_valued, multi_valued),
        case_exact: or(&raw.case_exact, case_exact),
        required: or(&raw.required, required),
    })
}

const TYPES: &[(&str, TargetType)] = &[
    ("string", TargetType::String),
    ("boolean", TargetType::Boolean),
    ("integer", TargetType::Integer),
    ("datetime", TargetType::DateTime),
    ("reference", TargetType::Reference),
    ("binary", TargetType::Binary),
    ("complex", TargetType::Complex),
];

fn word(target_type: TargetType) -> &'static str {
    match target_type {
        TargetType::String => "text",
        TargetType::Boolean => "a Boolean",
        TargetType::Integer => "a whole number",
        TargetType::DateTime => "a date",
        TargetType::Reference => "a reference",
        TargetType::Binary => "binary data",
        TargetType::Complex => "an object with sub-attributes",
    }
}

fn build_source(
    kind: ObjectKind,
    path: &TargetPath,
    raw: &file::Mapping,
    shape: &Shape,
    log: &mut Log,
) -> Option<Source> {
    match raw.flow.as_ref()? {
        Flow::Attribute(name) => {
            let attribute = read_attribute(kind, name, log)?;
            if let Err((message, remedy)) = fits(&attribute, path, shape) {
                log.problem(name.place.problem(message, remedy));
                return None;
            }
            Some(Source::Attribute(attribute.name))
        }
        Flow::Expression(text) => {
            let expression = compile(kind, text, log)?;
            let reads_reference = expression.attributes().iter().any(|name| {
                source::attribute(kind, name)
                    .is_ok_and(|attribute| attribute.source_type == SourceType::Reference)
            });
            if path.is_members() || shape.target_type == TargetType::Reference && !reads_reference {
                log.problem(text.place.problem(
                    format!("{path} is a reference, which an expression cannot make"),
                    match kind {
                        ObjectKind::User => "write source = \"manager\"",
                        ObjectKind::Group => "write source = \"members\"",
                    },
                ));
                return None;
            }
            if let Some(matching) = raw
                .matching
                .as_ref()
                .filter(|_| expression.selects_unique())
            {
                log.problem(matching.place.problem(
                    "SelectUniqueValue chooses a value that nobody has, so it cannot match",
                    "drop match",
                ));
            }
            Some(Source::Expression(Box::new(expression)))
        }
        Flow::Constant(value) => constant(value, shape, log).map(Source::Constant),
        Flow::None => Some(Source::None),
        // It met no mapping of the preset, and that has been told.
        Flow::Removed => None,
    }
}

/// The attribute of that name, or a problem that says what is wrong with the name.
fn read_attribute(
    kind: ObjectKind,
    name: &Typed<String>,
    log: &mut Log,
) -> Option<SourceAttribute> {
    told(kind, name, source::attribute(kind, &name.value), log)
}

/// The same for a scoping filter, which reads a little more.
pub(super) fn read_filter_attribute(
    kind: ObjectKind,
    name: &Typed<String>,
    log: &mut Log,
) -> Option<SourceAttribute> {
    told(kind, name, source::filter_attribute(kind, &name.value), log)
}

fn told(
    kind: ObjectKind,
    name: &Typed<String>,
    found: Result<SourceAttribute, Unusable>,
    log: &mut Log,
) -> Option<SourceAttribute> {
    match found {
        Ok(attribute) => Some(attribute),
        Err(why) => {
            let (message, remedy) = explain(kind, &name.value, &why);
            log.problem(name.place.problem(message, remedy));
            None
        }
    }
}

fn explain(kind: ObjectKind, name: &str, why: &Unusable) -> (String, String) {
    let remedy = match why {
        Unusable::Unknown => match nearest(name, source::names(kind)) {
            Some(near) => format!("did you mean {near}?"),
            None => {
                "use the name of a Microsoft Graph property; names are case-sensitive".to_owned()
            }
        },
        Unusable::NotReadable(_) => "map another attribute".to_owned(),
        Unusable::NotAMember { .. } => "name one of its members".to_owned(),
        Unusable::NotIndexed(whole) => format!("write {whole}"),
    };
    (format!("{kind} attribute {name}: {why}"), remedy)
}

fn compile(kind: ObjectKind, text: &Typed<String>, log: &mut Log) -> Option<Expression> {
    let fail = |err: crate::engine::expr::Error, log: &mut Log| {
        let at = (err.line(&text.value), err.column(&text.value));
        let remedy = "correct the expression; entrain eval tries it out";
        let message = err.render(&text.value);
        log.problem(text.place.problem_inside(at, message, remedy));
    };
    let expression = match Expression::compile(&text.value) {
        Ok(expression) => expression,
        Err(err) => {
            fail(err, log);
            return None;
        }
    };
    for name in expression.attributes() {
        if let Err(why) = source::attribute(kind, name)
            && why != Unusable::Unknown
        {
            let (message, remedy) = explain(kind, name, &why);
            log.problem(text.place.problem(message, remedy));
            return None;
        }
    }
    let names: Vec<_> = source::names(kind).collect();
    let is_known = |name: &str| source::attribute(kind, name).is_ok();
    if let Some(err) = expression.unknown_attribute(is_known, &names) {
        fail(err, log);
        return None;
    }
    Some(expression)
}

/// Whether a source attribute can flow into the target as it is.
fn fits(
    attribute: &SourceAttribute,
    path: &TargetPath,
    shape: &Shape,
) -> Result<(), (String, String)> {
    let name = &attribute.name;
    let mismatch = |remedy: String| {
        Err((
            format!(
                "{name} is {}, {path} takes {}",
                attribute.source_type.word(),
                word(shape.target_type)
            ),
            remedy,
        ))
    };
    if name == source::IS_SOFT_DELETED && path.is_active() {
        return Err((
            "IsSoftDeleted is true when access ends, active is true while it lasts".to_owned(),
            "write expression = 'Not([IsSoftDeleted])'".to_owned(),
        ));
    }
    if path.is_members() && name != "members" {
        return mismatch("write source = \"members\"".to_owned());
    }
    match (attribute.source_type, shape.target_type) {
        (SourceType::Roles, _) => {
            return mismatch(
                "write expression = 'AssertiveAppRoleAssignmentsComplex([appRoleAssignments])' or \
                 'SingleAppRoleAssignment([appRoleAssignments])'"
                    .to_owned(),
            );
        }
        (
            SourceType::Object,
            TargetType::String
            | TargetType::Boolean
            | TargetType::Integer
            | TargetType::DateTime
            | TargetType::Reference
            | TargetType::Binary,
        ) => {
            return mismatch(
                "name one of its members, such as employeeOrgData.division".to_owned(),
            );
        }
        (
            SourceType::Reference,
            TargetType::String
            | TargetType::Boolean
            | TargetType::Integer
            | TargetType::DateTime
            | TargetType::Binary
            | TargetType::Complex,
        ) => {
            return mismatch("say type = \"reference\" if the target keeps an id there".to_owned());
        }
        (SourceType::Text | SourceType::Boolean | SourceType::DateTime, TargetType::Reference) => {
            return mismatch(
                "map manager or members, or say type = \"string\" if the target keeps text there"
                    .to_owned(),
            );
        }
        (SourceType::Text | SourceType::Boolean | SourceType::DateTime, TargetType::Complex) => {
            return mismatch(format!(
                "name the sub-attribute, as in {}",
                match path.selector() {
                    Some(_) => format!("{path}.value"),
                    None if path.attribute() == "name" => "name.formatted".to_owned(),
                    None => format!("{path}[type eq \"work\"].value"),
                }
            ));
        }
        (SourceType::Boolean, TargetType::Integer | TargetType::DateTime)
        | (SourceType::DateTime, TargetType::Boolean | TargetType::Integer) => {
            return mismatch("map another attribute, or convert it in an expression".to_owned());
        }
        (SourceType::Any, _)
        | (SourceType::Reference, TargetType::Reference)
        | (SourceType::Object, TargetType::Complex)
        | (
            SourceType::Text,
            TargetType::String
            | TargetType::Boolean
            | TargetType::Integer
            | TargetType::DateTime
            | TargetType::Binary,
        )
        | (SourceType::Boolean, TargetType::Boolean | TargetType::String | TargetType::Binary)
        | (SourceType::DateTime, TargetType::DateTime | TargetType::String | TargetType::Binary) => {
        }
    }
    if attribute.multi_valued && !shape.multi_valued {
        return Err((
            format!("{name} is a list, {path} takes one value"),
            format!("write {name}[0], or choose in an expression with Item or Join"),
        ));
    }
    Ok(())
}

/// A constant or a default, as the target's type wants it.
fn constant(typed: &Typed<Raw>, shape: &Shape, log: &mut Log) -> Option<Value> {
    let Typed { value, place } = typed;
    let result = match value {
        Raw::Array(_, elements) if shape.multi_valued => elements
            .iter()
            .map(|element| single(element, None, shape.target_type))
            .collect::<Option<Vec<_>>>()
            .map(Value::List),
        one => {
            let value = single(one, place.overriding_text(), shape.target_type);
            match value {
                Some(value) if shape.multi_valued => Some(Value::List(vec![value])),
                other => other,
            }
        }
    };
    if result.is_none() {
        let found = match value {
            Raw::String(_, text) => format!("{text:?}"),
            Raw::Bool(_, is) => is.to_string(),
            Raw::Num(..) => {
                whole(value).map_or("a fraction".to_owned(), |number| number.to_string())
            }
            other => kind_of_raw(other).to_owned(),
        };
        let remedy = match shape.target_type {
            TargetType::String | TargetType::Binary => "write it in quotes",
            TargetType::Boolean => "write true or false",
            TargetType::Integer => "write a whole number without quotes",
            TargetType::DateTime => "write it like \"2026-01-31T00:00:00Z\"",
            TargetType::Reference => "a reference has no constant; write source = \"manager\"",
            TargetType::Complex => "write a table such as { type = \"work\", value = \"…\" }",
        };
        let message = format!("the target takes {}, not {found}", word(shape.target_type));
        log.problem(place.problem(message, remedy));
    }
    result
}

fn single(raw: &Raw, from_environment: Option<&str>, target_type: TargetType) -> Option<Value> {
    match target_type {
        TargetType::String | TargetType::Binary => match raw {
            Raw::String(_, text) => Some(Value::text(text)),
            _ => from_environment.map(Value::text),
        },
        TargetType::Boolean => match raw {
            Raw::Bool(_, is) => Some(Value::Boolean(*is)),
            Raw::String(_, text) if text.eq_ignore_ascii_case("true") => Some(Value::Boolean(true)),
            Raw::String(_, text) if text.eq_ignore_ascii_case("false") => {
                Some(Value::Boolean(false))
            }
            _ => None,
        },
        TargetType::Integer => match raw {
            Raw::String(_, text) => text.trim().parse().ok().map(Value::Integer),
            _ => whole(raw).map(Value::Integer),
        },
        TargetType::DateTime => match raw {
            Raw::String(_, text) if is_date(text) => Some(Value::text(text)),
            _ => None,
        },
        TargetType::Reference => None,
        TargetType::Complex => complex(raw),
    }
}

fn complex(raw: &Raw) -> Option<Value> {
    let Raw::Dict(_, members) = raw else {
        return None;
    };
    let members = members.iter().map(|(name, raw)| {
        let value = match raw {
            Raw::String(_, text) => Value::text(text),
            Raw::Bool(_, is) => Value::Boolean(*is),
            Raw::Num(..) => Value::Integer(whole(raw)?),
            Raw::Char(..) | Raw::Empty(..) | Raw::Dict(..) | Raw::Array(..) => return None,
        };
        Some((name.clone(), value))
    });
    Some(Value::Object(members.collect::<Option<_>>()?))
}

fn is_date(text: &str) -> bool {
    DateTime::parse_from_rfc3339(text).is_ok()
        || NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").is_ok()
        || NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
}

/// One of several words, or a problem that lists them.
pub(super) fn choose<T: Copy>(
    typed: &Typed<String>,
    words: &[(&str, T)],
    log: &mut Log,
) -> Option<T> {
    let found = words.iter().find(|(word, _)| *word == typed.value);
    if found.is_none() {
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        log.problem(typed.place.problem(
            format!("{:?} is none of the words that can stand here", typed.value),
            suggest(&typed.value, &known),
        ));
    }
    found.map(|(_, value)| *value)
}

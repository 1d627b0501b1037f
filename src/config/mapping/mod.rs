//! The mappings of one kind of object: the preset's, with the job's own laid over them, checked and
//! compiled.

mod active;
mod constant;
mod given;
mod options;
mod shape;
mod source;

use std::collections::BTreeMap;

use super::choice::choose;
use super::file::{self, Flow};
use super::problem::Log;
use crate::engine::mapping::{Apply, Mapping, OnDrift, Source};
use crate::engine::model::schema;
use crate::engine::model::source::IS_SOFT_DELETED;
use crate::engine::model::{ObjectKind, TargetPath, TargetType, nearest};
use options::{build_apply, build_matching, build_on_empty};

pub(super) use source::read_filter_attribute;

/// What a job's own rules are laid over.
pub(super) struct Base<'a> {
    pub(super) preset: &'a file::Rules,
    /// By what the target can be searched; `None` where it is not said.
    pub(super) filterable: Option<&'a [String]>,
    /// Otherwise another preset stands in for one that cannot be read, and only what the job itself says
    /// can be judged.
    pub(super) is_known: bool,
}

/// A mapping as typed, with its target understood.
struct Entry<'a> {
    path: TargetPath,
    raw: &'a file::Mapping,
}

/// One mapping per target path, in the order of the preset; the job's own follow.
pub(super) fn resolve(
    kind: ObjectKind,
    own: &file::Rules,
    base: &Base<'_>,
    is_enabled: bool,
    log: &mut Log,
) -> Vec<Mapping> {
    let Base {
        preset,
        filterable,
        is_known,
    } = *base;
    let mut entries = parse_targets(&preset.mappings, log);
    for entry in parse_targets(&own.mappings, log) {
        let known = entries.iter().position(|known| known.path == entry.path);
        match (&entry.raw.flow, known) {
            (Some(Flow::Removed), Some(index)) => {
                entries.remove(index);
            }
            (Some(Flow::Removed), None) if !is_known => {}
            (Some(Flow::Removed), None) => {
                let paths: Vec<_> = entries.iter().map(|known| known.path.to_string()).collect();
                let path = entry.path.to_string();
                let remedy = match nearest(&path, paths.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean {near}?"),
                    None => "leave the mapping out".to_owned(),
                };
                let message =
                    format!("the preset has no mapping of {path}, so there is nothing to remove");
                log.problem(entry.raw.place.problem(message, remedy));
            }
            (_, Some(index)) => entries[index] = entry,
            (_, None) => entries.push(entry),
        }
    }
    if is_known {
        check_wholes(kind, &entries, own, log);
        check_matching(kind, &entries, own, filterable, is_enabled, log);
    }
    entries
        .iter()
        .filter_map(|entry| build(kind, entry, log))
        .collect()
}

/// Whether a mapping carries to the target that a person may no longer use it.
pub(super) fn carries_removal(mapping: &Mapping) -> bool {
    mapping.apply == Apply::Always
        && match &mapping.source {
            Source::Attribute(name) => name == IS_SOFT_DELETED,
            Source::Expression(expression) => expression.attributes().contains(IS_SOFT_DELETED),
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
                    "{path} is mapped twice; the first mapping is at {}",
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

/// A whole is written over its parts, or they over it: which would depend on the target.
fn check_wholes(kind: ObjectKind, entries: &[Entry<'_>], own: &file::Rules, log: &mut Log) {
    let is_own = |entry: &Entry<'_>| entry.raw.place.is_in_file_of(&own.place);
    let flows = |entry: &Entry<'_>| match &entry.raw.flow {
        Some(Flow::None) => entry.raw.default.is_some(),
        Some(Flow::Attribute(_) | Flow::Expression(_) | Flow::Constant(_)) => true,
        Some(Flow::Removed) | None => false,
    };
    for whole in entries.iter().filter(|entry| flows(entry)) {
        // A reference is an id, next to which there may be a name, but no second id.
        let is_reference = schema::definition(kind, &whole.path)
            .is_some_and(|known| known.target_type == TargetType::Reference);
        let parts: Vec<_> = entries
            .iter()
            .filter(|part| whole.path.is_whole_of(&part.path) && flows(part))
            .filter(|part| !is_reference || part.path.sub_attribute() == Some("value"))
            .collect();
        let Some(first) = parts.iter().find(|part| is_own(part)).or(parts.first()) else {
            continue;
        };
        let place = if is_own(whole) { whole } else { first }.raw;
        let place = place
            .target
            .as_ref()
            .map_or(&place.place, |target| &target.place);
        let names: Vec<_> = parts.iter().map(|part| part.path.to_string()).collect();
        log.problem(place.problem(
            format!(
                "{} is mapped as a whole, and in parts as well: {}",
                whole.path,
                names.join(", ")
            ),
            "map only the parts, or remove each of them with remove = true",
        ));
    }
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
                "give each a different precedence, or remove match from one of them",
            ));
        }
        let path = entry.path.to_string();
        // Where the target filters by nothing, its list is read instead.
        let filterable = filterable.filter(|filterable| !filterable.is_empty());
        if let Some(filterable) = filterable.filter(|filterable| !filterable.contains(&path)) {
            let own_place = own.place.name("mappings");
            let place = if is_own(entry) {
                &matching.place
            } else {
                &own_place
            };
            log.problem(place.problem(
                format!("{path} cannot match: the target does not filter {kind}s by it"),
                format!(
                    "match one of {}, or add it to target.filterable",
                    filterable.join(", ")
                ),
            ));
        }
        match &entry.raw.flow {
            Some(Flow::Constant(_) | Flow::None) => log.problem(matching.place.problem(
                "an attribute with the same value for every object cannot be used for matching",
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
            format!("no mapping of {kind}s has match, so existing {kind}s would be created again"),
            format!("add match = 1 to the mapping of {usual} or of another unique attribute"),
        ));
    }
}

fn build(kind: ObjectKind, entry: &Entry<'_>, log: &mut Log) -> Option<Mapping> {
    let Entry { path, raw } = entry;
    let place = &raw.target.as_ref()?.place;
    if let Some(why) = forbidden(path) {
        let message = format!("{path} must not be mapped: {why}");
        log.problem(place.problem(message, "remove the mapping"));
        return None;
    }
    let shape = shape::shape(kind, path, raw, place, log)?;
    // Everything is looked at before the first thing that is missing ends it.
    let source = source::build_source(kind, path, raw, &shape, log);
    let default = match &raw.default {
        Some(default) => constant::build(kind, path, raw, default, &shape, log).map(Some),
        None => Some(None),
    };
    let on_empty = build_on_empty(raw, log);
    let matching = build_matching(raw, path, &shape, log);
    let apply = build_apply(raw, source.as_ref(), log);
    if let (Some(Source::Constant(_)), Some(default)) = (&source, &raw.default) {
        log.problem(default.place.key_problem(
            "a constant is never empty, so the default is never used",
            "keep one of constant and default",
        ));
    }
    let mapping = Mapping {
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
        on_drift: match &raw.on_drift {
            Some(typed) => Some(choose(typed, &OnDrift::WORDS, log)?),
            None => None,
        },
    };
    if let Some(Flow::Expression(text)) = &raw.flow {
        active::check(&mapping, &text.place, log);
    }
    Some(mapping)
}

/// Why the path cannot be mapped.
fn forbidden(path: &TargetPath) -> Option<&'static str> {
    if path.schema().is_some() {
        return None;
    }
    match path.attribute() {
        "id" => Some("the target assigns ids itself"),
        "meta" | "schemas" => Some("clients cannot write it"),
        "password" => Some("passwords are not provisioned"),
        "groups" => Some("memberships are written through the groups' members"),
        _ => None,
    }
}

//! Attribute mappings: each becomes one of ours, or a comment with the reason.

use std::collections::BTreeSet;

use super::importer::Importer;
use super::too_many;
use crate::config::entra::flow::{self, Flow};
use crate::config::entra::shape::{self, Definitions, Shape};
use crate::config::entra::toml::{Line, Mapping, Side, quoted, shown};
use crate::config::entra::tree::word;
use crate::config::entra::{Error, judge, names, wire};
use crate::engine::expr::Expression;
use crate::engine::model::schema;
use crate::engine::model::{ObjectKind, TargetPath, TargetType};

/// More than this many mappings of one kind of object are no job.
const MAX_MAPPINGS: usize = 1_000;

impl Importer<'_> {
    pub(super) fn mappings(
        &mut self,
        rule: &wire::Rule,
        mapping: &wire::ObjectMapping,
        side: &mut Side,
    ) -> Result<(), Error> {
        if mapping.attribute_mappings.len() > MAX_MAPPINGS {
            return Err(too_many(MAX_MAPPINGS, "attribute mappings"));
        }
        let definitions = shape::definitions(self.schema, rule, mapping);
        let mut seen = BTreeSet::new();
        for attribute in &mapping.attribute_mappings {
            let line = self.mapping(side.kind, attribute, &definitions, &mut seen);
            side.lines.push(line);
        }
        let untyped = std::mem::take(&mut self.untyped);
        if !untyped.is_empty() {
            // Every one of them is to be looked at, however many there are.
            let names: Vec<_> = untyped.iter().map(|name| shown(name)).collect();
            self.leave(
                judge::section(side.kind),
                format!("the types of {}", names.join(", ")),
                "neither SCIM nor the schema defines them; they are written as strings",
            );
        }
        self.order_matching(side);
        Ok(())
    }

    fn mapping(
        &mut self,
        kind: ObjectKind,
        raw: &wire::AttributeMapping,
        definitions: &Definitions<'_>,
        seen: &mut BTreeSet<TargetPath>,
    ) -> Line {
        let target = raw.target_attribute_name.as_deref().unwrap_or_default();
        let target = target.trim();
        let section = judge::section(kind);
        let place = format!("{section}, mapping of {}", shown(target));
        let (mapping, path) = match self.read(kind, raw, definitions, &place) {
            Ok(read) => read,
            Err(Comment { text, why }) => {
                self.leave(&place, source_text(raw), why.clone());
                return Line::Comment { text, why };
            }
        };
        let line = mapping.line();
        // A manager is an id, and may have a name next to it.
        let whole = seen
            .iter()
            .find_map(|other| {
                let wholes = [(other, &path), (&path, other)];
                let found = wholes
                    .into_iter()
                    .find(|(whole, part)| whole.is_whole_of(part));
                found.map(|(whole, _)| whole)
            })
            .filter(|whole| {
                schema::definition(kind, whole)
                    .is_none_or(|known| known.target_type != TargetType::Reference)
            });
        let fault = if let Some(whole) = whole {
            Some(format!(
                "{whole} is mapped as a whole and in parts as well, and the first counts"
            ))
        } else if seen.contains(&path) {
            Some(format!("{path} is mapped twice, and the first counts"))
        } else {
            let unmatched = Mapping {
                matching: None,
                ..mapping.clone()
            };
            judge::mapping(kind, &unmatched.line())
        };
        if let Some(why) = fault {
            self.leave(&place, source_text(raw), why.clone());
            return Line::Comment { text: line, why };
        }
        // What is not converted is no conflict.
        seen.insert(path.clone());
        let mut mapping = mapping;
        if mapping.matching.is_some()
            && let Some(why) = judge::mapping(kind, &line)
        {
            mapping.matching = None;
            self.leave(&place, "matchingPriority", why);
        }
        self.leave_rest(raw, definitions.of(&path), &place);
        Line::Mapping(mapping)
    }

    fn read(
        &mut self,
        kind: ObjectKind,
        raw: &wire::AttributeMapping,
        definitions: &Definitions<'_>,
        place: &str,
    ) -> Result<(Mapping, TargetPath), Comment> {
        let target = raw.target_attribute_name.as_deref().unwrap_or_default();
        let target = target.trim();
        let fail = |text: String, why: String| {
            let text = format!("{{ target = {}, {text} }}", quoted(&shown(target)));
            Err(Comment { text, why })
        };
        let written = || format!("source = {}", quoted(&source_text(raw)));
        let path = match TargetPath::parse(target) {
            Ok(path) => path,
            Err(err) => return fail(written(), format!("this is no target attribute: {err}")),
        };
        let default = raw.default_value.clone().filter(|text| !text.is_empty());
        let on_create = word(raw.flow_type.as_deref()) == "objectaddonly";
        let read = match &raw.source {
            Some(source) => flow::read(kind, source),
            None => Ok(Flow::None),
        };
        let (flow, default) = match read {
            // Without a source the default is the value, for new objects alone if it says so.
            Ok(Flow::None) => match default {
                Some(value) if !on_create => (Flow::Constant(value), None),
                default => (Flow::None, default),
            },
            // A constant is never empty, so its default is never used.
            Ok(Flow::Constant(value)) => (Flow::Constant(value), None),
            Ok(flow) => (flow, default),
            Err(flow::Unreadable { text, why }) => {
                return fail(format!("expression = {}", quoted(&text)), why);
            }
        };
        if let Some(name) = overlong(&flow) {
            let why = format!("no attribute has a name of {} characters", name.len());
            return fail(written(), why);
        }
        let shape = shape::shape(kind, &path, &flow, definitions.of(&path));
        if let Some(typed) = &shape.unknown_type {
            let what = format!("type {:?}", shown(typed));
            self.leave(
                place,
                what,
                "this type does not exist, so the default type is used",
            );
        }
        if shape.is_guessed {
            self.untyped.push(path.to_string());
        }
        let flow_type = self.flow_type(raw, &path, &shape, place);
        let on_create = match flow_type {
            Ok(on_create) => on_create && flow != Flow::None,
            Err(why) => return fail(written(), why),
        };
        let priority = raw.matching_priority.unwrap_or(0);
        let matching = u32::try_from(priority).ok().filter(|number| *number > 0);
        if matching.is_none() && priority != 0 {
            let what = format!("matchingPriority {priority}");
            self.leave(place, what, "matching precedences start at 1");
        }
        let mapping = Mapping {
            target: path.to_string(),
            flow,
            default,
            matching,
            on_create,
            target_type: shape.target_type,
            multi_valued: shape.multi_valued,
            case_exact: shape.case_exact,
            required: shape.required,
        };
        Ok((mapping, path))
    }

    /// Whether the mapping applies on create only, or why it cannot be carried over at all.
    fn flow_type(
        &mut self,
        raw: &wire::AttributeMapping,
        path: &TargetPath,
        shape: &Shape,
        place: &str,
    ) -> Result<bool, String> {
        let flow_type = raw.flow_type.as_deref().unwrap_or_default();
        let known = match word(Some(flow_type)).as_str() {
            "" | "always" => return Ok(false),
            "objectaddonly" => true,
            _ => false,
        };
        if shape.is_reference {
            return Err(format!(
                "flowType {}: entrain always synchronizes {path}, which would also remove what Entra keeps",
                shown(flow_type)
            ));
        }
        if !known {
            let why = "entrain applies a mapping always or on create; it is written as on create, \
                       which overwrites nothing";
            self.leave(place, format!("flowType {}", shown(flow_type)), why);
        }
        Ok(true)
    }

    /// Gives every matching mapping a precedence of its own, and switches off what matches nothing.
    fn order_matching(&mut self, side: &mut Side) {
        let section = judge::section(side.kind);
        let mut matching: Vec<&mut Mapping> = side
            .lines
            .iter_mut()
            .filter_map(|line| match line {
                Line::Mapping(mapping) if mapping.matching.is_some() => Some(mapping),
                Line::Mapping(_) | Line::Comment { .. } => None,
            })
            .collect();
        matching.sort_by_key(|mapping| mapping.matching);
        let is_tied = matching
            .windows(2)
            .any(|pair| pair[0].matching == pair[1].matching);
        if is_tied {
            for (place, mapping) in (1..).zip(&mut matching) {
                mapping.matching = Some(place);
            }
            self.leave(
                section,
                "equal matching priorities",
                "precedences must differ; they are counted in the order of the schema",
            );
        } else if matching.is_empty() && side.enabled {
            side.enabled = false;
            side.why_disabled = Some(
                "First set match = 1 on the mapping of a unique attribute: no mapping has match."
                    .to_owned(),
            );
            let why = "existing ones would be created again, so it is written as enabled = false";
            self.leave(section, "no mapping has a matchingPriority", why);
        }
    }
}

/// A mapping that is written as a comment.
struct Comment {
    text: String,
    why: String,
}

/// The source as the schema has it.
fn source_text(raw: &wire::AttributeMapping) -> String {
    let Some(source) = &raw.source else {
        return shown(raw.default_value.as_deref().unwrap_or("no source"));
    };
    let expression = source.expression.as_deref().map(str::trim);
    let expression = expression.filter(|text| !text.is_empty());
    shown(expression.or(source.name.as_deref()).unwrap_or("no source"))
}

/// A name in the flow that is longer than any attribute's.
fn overlong(flow: &Flow) -> Option<String> {
    let is_long = |name: &&str| name.len() > names::MAX_LENGTH;
    match flow {
        Flow::Attribute(name) => is_long(&name.as_str()).then(|| name.clone()),
        Flow::Expression(text) => {
            let expression = Expression::compile(text).ok()?;
            let found = expression.attributes().into_iter().find(is_long)?;
            Some(found.to_owned())
        }
        Flow::Constant(_) | Flow::None => None,
    }
}

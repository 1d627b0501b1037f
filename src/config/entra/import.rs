//! Makes a job of a schema: picks the rules that read Entra, one table of mappings for users and one
//! for groups, and asks the configuration's own checks about every mapping. Whatever does not pass
//! becomes a comment with the reason.

use std::collections::BTreeSet;

use super::flow::{self, Flow};
use super::shape::{self, Definitions, Shape};
use super::toml::{Draft, Line, Mapping, Side, quoted, shown};
use super::tree::word;
use super::{Error, Imported, Left, filters, judge, names, toml, wire};
use crate::engine::expr::Expression;
use crate::engine::model::schema;
use crate::engine::model::{ObjectKind, TargetPath, TargetType};

/// More than this many mappings of one kind of object are no job.
const MAX_MAPPINGS: usize = 1_000;
/// Each may be a regular expression, which takes time to refuse.
const MAX_CLAUSES: usize = 500;

/// A schema has two; more need not be named.
const MAX_DIRECTORIES: usize = 5;

/// The longest name of a job that is made of the target's.
const NAME_LENGTH: usize = 64;

/// The job that a schema describes. Named after the target's directory unless `name` says otherwise.
pub(crate) fn import(bytes: &[u8], name: Option<&str>) -> Result<Imported, Error> {
    let schema = wire::read(bytes)?;
    let name = match name {
        Some(name) => match judge::name(&quoted(name)) {
            Some(why) => {
                let name = name.to_owned();
                return Err(Error::Name { name, why });
            }
            None => name.to_owned(),
        },
        None => default_name(&schema),
    };
    let mut left = Vec::new();
    for other in &schema.others {
        left.push(Left {
            place: "file".to_owned(),
            what: format!("the schema {}", shown(other)),
            why: "one job is made of one schema; save it as a file of its own".to_owned(),
        });
    }
    let rules = outbound(&schema, &mut left);
    if rules.is_empty() {
        let why = match schema.rules.len() {
            0 => no_rule(&schema),
            _ => format!(
                "no rule of it reads {}, which is the only source there is",
                names::SOURCE_DIRECTORY
            ),
        };
        return Err(Error::NothingUsable { why, left });
    }
    let mut reader = Importer {
        schema: &schema,
        left,
        untyped: Vec::new(),
    };
    let chosen = reader.choose(&rules);
    let users = reader.side(ObjectKind::User, chosen.0)?;
    let groups = reader.side(ObjectKind::Group, chosen.1)?;
    let left = reader.left;
    let has_mapping = |side: &Side| {
        let mut lines = side.lines.iter();
        lines.any(|line| matches!(line, Line::Mapping(_)))
    };
    if !has_mapping(&users) && !has_mapping(&groups) {
        let why = "it has no mapping of users or groups that can be carried over".to_owned();
        return Err(Error::NothingUsable { why, left });
    }
    let mut imported = toml::write(Draft {
        about: about(&schema),
        application: application(&schema),
        name,
        users,
        groups,
        left,
    });
    for problem in judge::job(&imported.toml) {
        imported.left.push(Left {
            place: "job".to_owned(),
            what: "the job as a whole".to_owned(),
            why: problem,
        });
    }
    Ok(imported)
}

/// A schema may describe directories alone, as the body of a request that extends one does.
fn no_rule(schema: &wire::Schema) -> String {
    let directories = schema.directories.iter().map(|directory| {
        let attributes = directory
            .objects
            .iter()
            .map(|object| object.attributes.len());
        let name = shown(directory.name.as_deref().unwrap_or("without a name"));
        format!("{name} ({} of its attributes)", attributes.sum::<usize>())
    });
    let directories: Vec<_> = directories.take(MAX_DIRECTORIES).collect();
    if directories.is_empty() {
        return "it has no synchronization rule".to_owned();
    }
    format!(
        "it has no synchronization rule. It only lists attributes of the directory {}, and nothing \
         says what flows into them; save the whole schema of the job",
        directories.join(", ")
    )
}

/// The rules that read Entra into the first target there is.
fn outbound<'s>(schema: &'s wire::Schema, left: &mut Vec<Left>) -> Vec<&'s wire::Rule> {
    let mut rules: Vec<_> = schema.rules.iter().collect();
    rules.sort_by_key(|rule| rule.priority.unwrap_or(i64::MAX));
    let mut target: Option<&str> = None;
    rules.retain(|rule| {
        let name = shown(rule.name.as_deref().unwrap_or("without a name"));
        let mut leave = |what: String, why: String| {
            let place = format!("rule {name}");
            left.push(Left { place, what, why });
        };
        let source = rule.source_directory_name.as_deref();
        if let Some(source) = source.filter(|source| !names::is_source_directory(source)) {
            let what = format!("the rule that reads {}", shown(source));
            leave(what, "entrain reads Microsoft Entra ID only".to_owned());
            return false;
        }
        let own = rule.target_directory_name.as_deref().unwrap_or_default();
        let first = *target.get_or_insert(own);
        if !first.trim().eq_ignore_ascii_case(own.trim()) {
            let what = format!("the rule that writes {}", shown(own));
            let first = shown(first);
            leave(
                what,
                format!("a job has one target, and this one is {first}"),
            );
            return false;
        }
        let has_containers = rule
            .container_filter
            .as_ref()
            .is_some_and(|filter| !filter.included_containers.is_empty());
        let has_groups = rule
            .group_filter
            .as_ref()
            .is_some_and(|filter| !filter.included_groups.is_empty());
        if has_containers {
            let why = "entrain knows no containers; name groups in [jobs.scope] instead";
            leave("containerFilter".to_owned(), why.to_owned());
        }
        if has_groups {
            let why = "write mode = \"groups\" in [jobs.scope] and name the groups";
            leave("groupFilter".to_owned(), why.to_owned());
        }
        true
    });
    rules
}

/// An object mapping with the directory of its target.
#[derive(Clone, Copy)]
struct Chosen<'s> {
    rule: &'s wire::Rule,
    mapping: &'s wire::ObjectMapping,
}

struct Importer<'s> {
    schema: &'s wire::Schema,
    left: Vec<Left>,
    /// Attributes that nobody defines.
    untyped: Vec<String>,
}

impl<'s> Importer<'s> {
    fn leave(&mut self, place: &str, what: impl Into<String>, why: impl Into<String>) {
        self.left.push(Left {
            place: place.to_owned(),
            what: what.into(),
            why: why.into(),
        });
    }

    /// The object mapping of users and that of groups: the first that is in use, else the first.
    fn choose(&mut self, rules: &[&'s wire::Rule]) -> (Option<Chosen<'s>>, Option<Chosen<'s>>) {
        let mut users: Vec<Chosen<'s>> = Vec::new();
        let mut groups: Vec<Chosen<'s>> = Vec::new();
        for rule in rules.iter().copied() {
            for mapping in &rule.object_mappings {
                let object = mapping.source_object_name.as_deref().unwrap_or_default();
                let found = Chosen { rule, mapping };
                match names::kind(object) {
                    Some(ObjectKind::User) => users.push(found),
                    Some(ObjectKind::Group) => groups.push(found),
                    None => self.leave(
                        &place_of(mapping),
                        format!("objects of type {:?}", shown(object)),
                        "entrain provisions users and groups",
                    ),
                }
            }
        }
        (
            self.first(ObjectKind::User, users),
            self.first(ObjectKind::Group, groups),
        )
    }

    fn first(&mut self, kind: ObjectKind, mut found: Vec<Chosen<'s>>) -> Option<Chosen<'s>> {
        if found.is_empty() {
            return None;
        }
        let in_use = found
            .iter()
            .position(|one| one.mapping.enabled != Some(false) && !is_set_aside(one.mapping));
        let chosen = found.remove(in_use.unwrap_or(0));
        for other in found {
            self.leave(
                &place_of(other.mapping),
                format!("a second object mapping of {kind}s"),
                "a job has one table of mappings for each; make a job of its own of it",
            );
        }
        Some(chosen)
    }

    fn side(&mut self, kind: ObjectKind, chosen: Option<Chosen<'s>>) -> Result<Side, Error> {
        let mut side = Side {
            kind,
            enabled: false,
            why_disabled: Some(format!("The schema has no mapping of {kind}s.")),
            actions: None,
            filters: Vec::new(),
            why_no_filters: None,
            lines: Vec::new(),
        };
        let Some(Chosen { rule, mapping }) = chosen else {
            return Ok(side);
        };
        side.enabled = mapping.enabled.unwrap_or(true);
        side.why_disabled = None;
        let section = judge::section(kind);
        if side.enabled && is_set_aside(mapping) {
            side.enabled = false;
            let why = "the schema says that this mapping is not processed";
            self.leave(section, "Unsynchronized or Disposition", why);
        }
        for (key, value) in meaningful(&mapping.metadata) {
            let what = format!("{} {}", shown(key), shown(value));
            let why = "entrain has no such setting of users or of groups";
            self.leave(section, what, why);
        }
        self.actions(mapping, &mut side);
        if let Some(filter) = &mapping.scope {
            if filters::count(filter) > MAX_CLAUSES {
                return Err(too_many(MAX_CLAUSES, "clauses"));
            }
            filters::read(filter, &mut side, &mut self.left);
        }
        self.mappings(rule, mapping, &mut side)?;
        Ok(side)
    }

    /// `"Add, Update, Delete"`.
    fn actions(&mut self, mapping: &wire::ObjectMapping, side: &mut Side) {
        let Some(flow_types) = &mapping.flow_types else {
            return;
        };
        let section = judge::section(side.kind);
        let mut actions = Vec::new();
        for action in flow_types.split(',') {
            match word(Some(action)).as_str() {
                "add" | "create" => actions.push("create"),
                "update" => actions.push("update"),
                "delete" => actions.push("delete"),
                "" | "none" => {}
                other => {
                    let what = format!("the action {:?}", shown(other));
                    self.leave(section, what, "the actions are Add, Update and Delete");
                }
            }
        }
        actions.sort_unstable();
        actions.dedup();
        if actions.is_empty() && side.enabled {
            side.enabled = false;
            side.why_disabled =
                Some("Entra's job neither creates, updates nor deletes.".to_owned());
            let what = format!("flowTypes {:?}", shown(flow_types));
            self.leave(
                section,
                what,
                "no action is allowed, so it is written as enabled = false",
            );
        } else if !actions.is_empty() && actions.len() < 3 {
            let order = ["create", "update", "delete"].into_iter();
            let order = order.filter(|action| actions.contains(action));
            side.actions = Some(order.collect());
        }
    }

    fn mappings(
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
        // A manager is an id, and may have a name beside it.
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
        } else if seen.insert(path.clone()) {
            let unmatched = Mapping {
                matching: None,
                ..mapping.clone()
            };
            judge::mapping(kind, &unmatched.line())
        } else {
            Some(format!("{path} is mapped twice, and the first counts"))
        };
        if let Some(why) = fault {
            self.leave(&place, source_text(raw), why.clone());
            return Line::Comment { text: line, why };
        }
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
                "there is no such type, so the usual one is taken",
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
            self.leave(place, what, "precedences count from 1");
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
                "flowType {}: entrain keeps {path} in step always, which would also take away what \
                 Entra leaves",
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

    /// What a mapping that is carried over says beyond what entrain knows.
    fn leave_rest(
        &mut self,
        raw: &wire::AttributeMapping,
        definition: Option<&wire::AttributeDefinition>,
        place: &str,
    ) {
        let behavior = word(raw.flow_behavior.as_deref());
        if !["", "flowwhenchanged"].contains(&behavior.as_str()) {
            let what = format!(
                "flowBehavior {}",
                shown(raw.flow_behavior.as_deref().unwrap_or_default())
            );
            self.leave(
                place,
                what,
                "entrain sends what has changed, and nothing else",
            );
        }
        if raw.export_missing_references == Some(true) {
            let why = "entrain sends a reference once its object is in the target";
            self.leave(place, "exportMissingReferences", why);
        }
        let Some(definition) = definition else { return };
        let default = definition.default_value.as_deref().unwrap_or_default();
        if !default.is_empty() && raw.default_value.as_deref().is_none_or(str::is_empty) {
            let what = format!("default {:?} of the target attribute", shown(default));
            self.leave(place, what, "give the mapping a default if it is needed");
        }
        match word(definition.mutability.as_deref()).as_str() {
            "" | "readwrite" => {}
            other => {
                let what = format!("mutability {} of the target attribute", shown(other));
                let why = "entrain writes what is mapped whenever it changes; apply = \"on-create\" \
                           writes it once";
                self.leave(place, what, why);
            }
        }
        for (key, value) in meaningful(&definition.metadata) {
            let what = format!("{} {} of the target attribute", shown(key), shown(value));
            self.leave(place, what, "entrain has no such setting of an attribute");
        }
        if !definition.api_expressions.is_empty() {
            let why = "they address another kind of interface than SCIM";
            self.leave(place, "API expressions of the target attribute", why);
        }
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
                "Give the mapping of a unique attribute match = 1 first: nothing matches."
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

/// `Unsynchronized: true` and `Disposition: Discard` keep an object mapping from being processed. The
/// values are JSON in a text.
fn is_set_aside(mapping: &wire::ObjectMapping) -> bool {
    mapping.metadata.iter().any(|entry| {
        let value = word(entry.value.as_deref());
        match word(entry.key.as_deref()).as_str() {
            "unsynchronized" => value.trim_matches('"') == "true",
            "disposition" => value.trim_matches('"') == "discard",
            _ => false,
        }
    })
}

/// Metadata that says something, in key and value. Who made a thing, what the portal shows of it, and
/// what is usual does not; [`is_set_aside`] reads the rest.
fn meaningful(metadata: &[wire::Entry]) -> impl Iterator<Item = (&str, &str)> {
    metadata.iter().filter_map(|entry| {
        let key = entry.key.as_deref()?.trim();
        let value = entry.value.as_deref().unwrap_or_default().trim();
        let value = value.trim_matches('"');
        let usual: &[&str] = match word(Some(key)).as_str() {
            "" | "iscustomerdefined" | "unsynchronized" | "disposition"
            // The precedences of matching say it.
            | "originaljoiningproperty" => return None,
            "escrowbehavior" => &["", "default"],
            "disablemonitoringforchanges" | "excludefromreporting" => &["", "false"],
            _ => &[""],
        };
        (!usual.contains(&word(Some(value)).as_str())).then_some((key, value))
    })
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

fn too_many(most: usize, what: &str) -> Error {
    Error::Implausible(format!("it has more than {most} {what} of one kind"))
}

fn place_of(mapping: &wire::ObjectMapping) -> String {
    let name = mapping.name.as_deref().unwrap_or("without a name");
    format!("object mapping {}", shown(name))
}

/// The target's directory, in letters that a job's name may have.
fn default_name(schema: &wire::Schema) -> String {
    let mut rules = schema.rules.iter().filter(|rule| {
        let source = rule.source_directory_name.as_deref();
        source.is_none_or(names::is_source_directory)
    });
    let target = rules.find_map(|rule| rule.target_directory_name.as_deref());
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '-'
        }
    };
    let name: String = target
        .unwrap_or_default()
        .trim()
        .chars()
        .map(plain)
        .collect();
    let name = name.trim_matches('-');
    let name: String = name.chars().take(NAME_LENGTH).collect();
    if name.is_empty() {
        "imported".to_owned()
    } else {
        name
    }
}

/// The application that the schema was exported from: `@odata.context` names its service principal,
/// and the id of a job ends in its application id.
fn application(schema: &wire::Schema) -> Option<String> {
    let context = schema.context.as_deref().unwrap_or_default();
    let principal = context
        .split_once("servicePrincipals('")
        .and_then(|(_, rest)| rest.split_once('\''))
        .and_then(|(id, _)| uuid::Uuid::parse_str(id).ok());
    if let Some(id) = principal {
        return Some(format!("{{ service_principal_id = \"{id}\" }}"));
    }
    let (_, last) = schema.id.as_deref()?.rsplit_once('.')?;
    let id = uuid::Uuid::parse_str(last)
        .ok()
        .filter(|_| last.contains('-'))?;
    Some(format!("{{ app_id = \"{id}\" }}"))
}

fn about(schema: &wire::Schema) -> Vec<String> {
    let mut about = Vec::new();
    match (&schema.id, &schema.version) {
        (Some(id), Some(version)) => about.push(format!(
            "Made by entrain import of the schema {}, version {}.",
            shown(id),
            shown(version)
        )),
        (Some(id), None) => about.push(format!("Made by entrain import of {}.", shown(id))),
        (None, _) => about.push("Made by entrain import.".to_owned()),
    }
    about.push(
        "What no schema tells is to be filled in: the lines that begin with \"# key =\"."
            .to_owned(),
    );
    about.extend(super::EMPTIED.map(str::to_owned));
    about
}

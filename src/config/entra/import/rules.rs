//! Which rules and object mappings of a schema are the job's, and why the others are not.

use super::importer::Importer;
use crate::config::entra::toml::shown;
use crate::config::entra::tree::word;
use crate::config::entra::{Left, names, wire};
use crate::engine::model::ObjectKind;

/// A schema has two; more need not be named.
const MAX_DIRECTORIES: usize = 5;

/// A schema may describe directories alone, as the body of a request that extends one does.
pub(super) fn no_rule(schema: &wire::Schema) -> String {
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
pub(super) fn outbound<'s>(schema: &'s wire::Schema, left: &mut Vec<Left>) -> Vec<&'s wire::Rule> {
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
            let why = "entrain does not support containers; name groups in [jobs.scope] instead";
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
pub(super) struct Chosen<'s> {
    pub(super) rule: &'s wire::Rule,
    pub(super) mapping: &'s wire::ObjectMapping,
}

impl<'s> Importer<'s> {
    /// The object mapping of users and that of groups: the first that is in use, else the first.
    pub(super) fn choose(
        &mut self,
        rules: &[&'s wire::Rule],
    ) -> (Option<Chosen<'s>>, Option<Chosen<'s>>) {
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
                "a job has one table of mappings for users and one for groups; make this a separate job",
            );
        }
        Some(chosen)
    }
}

/// `Unsynchronized: true` and `Disposition: Discard` keep an object mapping from being processed. The
/// values are JSON in a text.
pub(super) fn is_set_aside(mapping: &wire::ObjectMapping) -> bool {
    mapping.metadata.iter().any(|entry| {
        let value = word(entry.value.as_deref());
        match word(entry.key.as_deref()).as_str() {
            "unsynchronized" => value.trim_matches('"') == "true",
            "disposition" => value.trim_matches('"') == "discard",
            _ => false,
        }
    })
}

fn place_of(mapping: &wire::ObjectMapping) -> String {
    let name = mapping.name.as_deref().unwrap_or("without a name");
    format!("object mapping {}", shown(name))
}

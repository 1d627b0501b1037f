//! What a job says of itself: its name, its application, and where it comes from.

use crate::config::entra::toml::shown;
use crate::config::entra::{EMPTIED, names, wire};

/// The longest name of a job that is made of the target's.
const NAME_LENGTH: usize = 64;

/// The target's directory, in letters that a job's name may have.
pub(super) fn default_name(schema: &wire::Schema) -> String {
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
pub(super) fn application(schema: &wire::Schema) -> Option<String> {
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

pub(super) fn about(schema: &wire::Schema) -> Vec<String> {
    let mut about = Vec::new();
    let version = schema.version.as_ref().filter(|text| !text.is_empty());
    match (&schema.id, version) {
        (Some(id), Some(version)) => about.push(format!(
            "Made by entrain import of the schema {}, version {}.",
            shown(id),
            shown(version)
        )),
        (Some(id), None) => about.push(format!("Made by entrain import of {}.", shown(id))),
        (None, _) => about.push("Made by entrain import.".to_owned()),
    }
    about.push(
        "Fill in what a schema does not contain: the lines that begin with \"# key =\".".to_owned(),
    );
    about.extend(EMPTIED.map(str::to_owned));
    about
}

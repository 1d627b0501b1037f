//! What must be asked from Graph: computed from the mappings and scoping filters, so that nothing is
//! read that is not used.

use std::collections::BTreeSet;

use crate::engine::job::{Job, Rules, ScopeMode};
use crate::engine::mapping::{Mapping, Source};
use crate::engine::model::{CustomSecurityAttribute, ObjectKind, source};
use crate::engine::scope;

/// Always needed: reports name objects by these, and a blocked person is disabled.
const ALWAYS_USER: &[&str] = &["id", "displayName", "userPrincipalName", "accountEnabled"];
/// An assignment of a group counts only where the group is security-enabled (`engine/scope`).
const ALWAYS_GROUP: &[&str] = &["id", "displayName", "securityEnabled"];

/// The names for `$select` of one kind of object.
pub(crate) fn select(job: &Job, kind: ObjectKind) -> BTreeSet<String> {
    let always = match kind {
        ObjectKind::User => ALWAYS_USER,
        ObjectKind::Group => ALWAYS_GROUP,
    };
    let mut names: BTreeSet<String> = always.iter().map(|&name| name.to_owned()).collect();
    let rules = job.rules(kind);
    let members_count = job.scope.mode != ScopeMode::All
        || ObjectKind::ALL
            .iter()
            .any(|&kind| scope::reads_groups(job, kind));
    if kind == ObjectKind::Group && members_count {
        names.insert("members".to_owned());
    }
    if !rules.enabled {
        return names;
    }
    // Roles and groups are no properties of the object; nothing is selected for them.
    let filtered = rules.filter.attributes().into_iter();
    let filtered = filtered.filter_map(|name| source::filter_attribute(kind, name).ok());
    names.extend(filtered.flat_map(|attribute| attribute.selects));
    for name in mapped(rules) {
        if let Ok(attribute) = source::attribute(kind, name) {
            names.extend(attribute.selects);
        }
    }
    names
}

/// The custom security attributes that mappings and scoping filters of users read. When there is none,
/// none are read.
pub(crate) fn custom_security_attributes(job: &Job) -> BTreeSet<CustomSecurityAttribute> {
    let rules = &job.users;
    if !rules.enabled {
        return BTreeSet::new();
    }
    mapped(rules)
        .into_iter()
        .chain(rules.filter.attributes())
        .filter_map(source::custom_security_attribute)
        .collect()
}

/// The source attributes that mappings read.
fn mapped(rules: &Rules) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for mapping in &rules.mappings {
        match &mapping.source {
            Source::Attribute(name) => {
                names.insert(name.as_str());
            }
            Source::Expression(expression) => names.extend(expression.attributes()),
            Source::Constant(_) | Source::None => {}
        }
    }
    names
}

/// The target attributes whose expressions call `DefaultDomain`. When there is none, there is no need to
/// know the tenant's domains.
pub(crate) fn calls_default_domain(job: &Job) -> BTreeSet<String> {
    let calls = |mapping: &&Mapping| match &mapping.source {
        Source::Expression(expression) => expression.uses("DefaultDomain"),
        Source::Attribute(_) | Source::Constant(_) | Source::None => false,
    };
    let rules = ObjectKind::ALL.into_iter().map(|kind| job.rules(kind));
    rules
        .filter(|rules| rules.enabled)
        .flat_map(|rules| rules.mappings.iter().filter(calls))
        .map(|mapping| mapping.target.to_string())
        .collect()
}

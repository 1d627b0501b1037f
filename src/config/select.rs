//! What must be asked from Graph: computed from the mappings and scoping filters, so that nothing is
//! read that nobody uses.

use std::collections::BTreeSet;

use crate::engine::job::{Job, ScopeMode};
use crate::engine::mapping::{Mapping, Source};
use crate::engine::model::{ObjectKind, source};
use crate::engine::scope;

/// Always needed: reports name objects by these, and a blocked person is disabled.
const ALWAYS_USER: &[&str] = &["id", "displayName", "userPrincipalName", "accountEnabled"];
/// Only security groups bring their members into scope.
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
    let mut read = BTreeSet::new();
    for mapping in &rules.mappings {
        match &mapping.source {
            Source::Attribute(name) => {
                read.insert(name.as_str());
            }
            Source::Expression(expression) => read.extend(expression.attributes()),
            Source::Constant(_) | Source::None => {}
        }
    }
    for name in read {
        if let Ok(attribute) = source::attribute(kind, name) {
            names.extend(attribute.selects);
        }
    }
    names
}

/// The target attributes whose expressions call `DefaultDomain`. When there is none, nobody needs to
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

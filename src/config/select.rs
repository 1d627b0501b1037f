//! What must be asked from Graph: computed from the mappings and scoping filters, so that nothing is
//! read that nobody uses.

use std::collections::BTreeSet;

use crate::engine::job::{Job, ScopeMode};
use crate::engine::mapping::Source;
use crate::engine::model::{ObjectKind, source};

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
    if kind == ObjectKind::Group && job.scope.mode != ScopeMode::All {
        names.insert("members".to_owned());
    }
    if !rules.enabled {
        return names;
    }
    let mut read = rules.filter.attributes();
    for mapping in &rules.mappings {
        match &mapping.source {
            Source::Attribute(name) => {
                read.insert(name);
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

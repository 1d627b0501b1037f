//! What a job's mappings mark: found once for each cycle.

use std::collections::BTreeSet;

use super::known::{Known, Others};
use crate::engine::job::{Job, Rules};
use crate::engine::mapping::Source;
use crate::engine::model::{ObjectKind, TargetPath};

/// What is not shown of a job's users and groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Redactions {
    users: Marked,
    groups: Marked,
    pub(super) others: Others,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marked {
    /// Target paths whose mapping calls `Redact` anywhere.
    pub(super) paths: BTreeSet<TargetPath>,
    /// Source attributes that stand inside of such a call, as they are written there.
    pub(super) attributes: BTreeSet<String>,
}

impl Redactions {
    pub(crate) fn of(job: &Job) -> Self {
        let Job {
            name: _,
            users,
            groups,
            scope: _,
            one_group_each: _,
            nested_members: _,
            limits: _,
            safety: _,
        } = job;
        Self {
            users: Marked::of(users),
            groups: Marked::of(groups),
            others: Others::default(),
        }
    }

    /// The same, also hiding what is known of every user; it is read when words must be shown.
    #[must_use]
    pub(crate) fn hiding(mut self, read: impl FnOnce() -> Known + Send + 'static) -> Self {
        self.others = Others::new(Box::new(read));
        self
    }

    /// Whether a value at this path is not shown.
    pub(crate) fn marks(&self, kind: ObjectKind, path: &TargetPath) -> bool {
        self.of_kind(kind).paths.contains(path)
    }

    pub(super) fn of_kind(&self, kind: ObjectKind) -> &Marked {
        match kind {
            ObjectKind::User => &self.users,
            ObjectKind::Group => &self.groups,
        }
    }

    /// Whether a mapping calls `Redact` on this attribute of the source.
    pub(crate) fn hides_attribute(&self, kind: ObjectKind, attribute: &str) -> bool {
        let mut attributes = self.of_kind(kind).attributes.iter();
        attributes.any(|one| one.eq_ignore_ascii_case(attribute))
    }

    pub(crate) fn is_empty(&self) -> bool {
        let Self {
            users,
            groups,
            others: _,
        } = self;
        users.is_empty() && groups.is_empty()
    }
}

#[cfg(test)]
impl Redactions {
    /// Marks these paths of users.
    pub(super) fn marking(paths: &[&str]) -> Self {
        let paths = paths
            .iter()
            .map(|path| TargetPath::parse(path).expect("a path"));
        Self {
            users: Marked {
                paths: paths.collect(),
                attributes: BTreeSet::new(),
            },
            groups: Marked::default(),
            others: Others::default(),
        }
    }

    /// Marks these source attributes of users.
    pub(super) fn marking_attributes(names: &[&str]) -> Self {
        let mut redactions = Self::default();
        redactions.users.attributes = names.iter().map(|&name| name.to_owned()).collect();
        redactions
    }
}

impl Marked {
    fn of(rules: &Rules) -> Self {
        let mut marked = Self::default();
        for mapping in &rules.mappings {
            match &mapping.source {
                Source::Expression(expression) if expression.uses("Redact") => {
                    marked.paths.insert(mapping.target.clone());
                    let attributes = expression.redacted_attributes().into_iter();
                    marked.attributes.extend(attributes.map(str::to_owned));
                }
                Source::Expression(_)
                | Source::Attribute(_)
                | Source::Constant(_)
                | Source::None => {}
            }
        }
        marked
    }

    pub(super) fn is_empty(&self) -> bool {
        let Self { paths, attributes } = self;
        paths.is_empty() && attributes.is_empty()
    }
}

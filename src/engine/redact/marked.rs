//! What a job's mappings mark: found once for each cycle.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::known::{Known, Others};
use super::{Pseudonyms, REDACTED};
use crate::engine::job::{Job, Rules};
use crate::engine::mapping::Source;
use crate::engine::model::{ObjectKind, TargetId, TargetPath, Value};

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
    /// What stands for everything else that is personal.
    pub(super) stand_ins: Option<StandIns>,
}

/// Pseudonyms for the values of one kind of object.
#[derive(Clone, Debug)]
pub(super) struct StandIns {
    pub(super) pseudonyms: Arc<Pseudonyms>,
    kind: ObjectKind,
    /// Paths whose values come from nothing personal.
    kept: BTreeSet<TargetPath>,
}

impl PartialEq for StandIns {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.pseudonyms, &other.pseudonyms) && self.kept == other.kept
    }
}

impl Eq for StandIns {}

impl StandIns {
    fn new(pseudonyms: &Arc<Pseudonyms>, kind: ObjectKind, rules: &Rules) -> Self {
        let keeps = |attribute: &str| pseudonyms.keeps(kind, attribute);
        let kept = rules
            .mappings
            .iter()
            .filter(|mapping| match &mapping.source {
                Source::Attribute(attribute) => keeps(attribute),
                Source::Expression(expression) => expression.attributes().into_iter().all(keeps),
                Source::Constant(_) | Source::None => true,
            });
        let kept = kept.map(|mapping| mapping.target.clone()).collect();
        Self {
            pseudonyms: Arc::clone(pseudonyms),
            kind,
            kept,
        }
    }

    pub(super) fn keeps(&self, attribute: &str) -> bool {
        self.pseudonyms.keeps(self.kind, attribute)
    }
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

    /// The same, with pseudonyms for people in what is shown.
    #[must_use]
    pub(crate) fn standing_in(mut self, job: &Job, pseudonyms: &Arc<Pseudonyms>) -> Self {
        self.users.stand_ins = Some(StandIns::new(pseudonyms, ObjectKind::User, &job.users));
        self.groups.stand_ins = Some(StandIns::new(pseudonyms, ObjectKind::Group, &job.groups));
        self
    }

    /// What an object is called.
    pub(crate) fn label(&self, kind: ObjectKind, label: String) -> String {
        match &self.of_kind(kind).stand_ins {
            Some(one) => one.pseudonyms.label(kind, &label),
            None => label,
        }
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
                ..Marked::default()
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
        let Self {
            paths,
            attributes,
            stand_ins,
        } = self;
        paths.is_empty() && attributes.is_empty() && stand_ins.is_none()
    }

    /// Whether the value at this path is shown as another one.
    pub(super) fn hides(&self, path: &TargetPath) -> bool {
        let is_personal = |one: &StandIns| !one.kept.contains(path);
        self.paths.contains(path) || self.stand_ins.as_ref().is_some_and(is_personal)
    }

    /// The value at this path as it may be shown.
    pub(super) fn hide(&self, path: &TargetPath, value: &mut Value) {
        if self.paths.contains(path) {
            *value = Value::text(REDACTED);
        } else if let Some(one) = &self.stand_ins
            && !one.kept.contains(path)
        {
            one.pseudonyms.value(value);
        }
    }

    pub(super) fn hide_target(&self, target: &mut TargetId) {
        if let Some(one) = &self.stand_ins {
            *target = one.pseudonyms.target(target);
        }
    }

    /// The words of a target or a service, in which anything may stand.
    pub(super) fn hide_words(&self, words: &mut String) {
        if self.stand_ins.is_some() {
            REDACTED.clone_into(words);
        }
    }
}

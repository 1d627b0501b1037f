//! References between objects, such as a user's manager: kept aside until it is known who is in the
//! target, and settled then.

use std::collections::{BTreeMap, BTreeSet};

use super::{Here, Planner};
use crate::engine::model::{SourceId, TargetId, TargetPath, Value};
use crate::engine::plan::{Action, Operation, Referenced, Subject};

/// A reference that is settled once it is known who is in the target.
pub(super) struct Reference {
    pub(super) subject: Subject,
    pub(super) here: Here,
    pub(super) path: TargetPath,
    pub(super) current: Current,
    pub(super) desired: Option<SourceId>,
}

pub(super) enum Current {
    /// As we sent it.
    Sent(Option<SourceId>),
    /// As the target shows it, at an adoption.
    Shown(Option<TargetId>),
}

impl Planner<'_> {
    /// Every object that some reference names, so that its link can be handed to
    /// [`Planner::finish`].
    pub(crate) fn referenced(&self) -> BTreeSet<SourceId> {
        let desired = self
            .references
            .iter()
            .filter_map(|reference| reference.desired.clone());
        desired.collect()
    }

    pub(super) fn settle_references(&mut self, links: &BTreeMap<SourceId, TargetId>) {
        let mut with_create: BTreeMap<SourceId, Vec<(TargetPath, Referenced)>> = BTreeMap::new();
        let mut shown_as_desired: BTreeMap<SourceId, Vec<(TargetPath, SourceId)>> = BTreeMap::new();
        for reference in std::mem::take(&mut self.references) {
            let Reference {
                subject,
                here,
                path,
                current,
                desired,
            } = reference;
            let new = desired
                .as_ref()
                .and_then(|source| self.resolve(source, links));
            let old = match current {
                Current::Sent(old) => old,
                Current::Shown(None) => None,
                Current::Shown(Some(shown)) => {
                    if let Some(new) = &new
                        && new.target.as_ref() == Some(&shown)
                    {
                        let entry = shown_as_desired.entry(subject.id).or_default();
                        entry.push((path, new.source.clone()));
                        continue;
                    }
                    None
                }
            };
            match (here, new) {
                (Here::Creating, Some(new)) => {
                    with_create.entry(subject.id).or_default().push((path, new));
                }
                (Here::Linked(target), new) if new.is_some() || old.is_some() => {
                    if new.is_none() && self.incomplete.is_some() {
                        continue;
                    }
                    self.rest.push(Action {
                        subject,
                        target: Some(target),
                        operation: Operation::SetReference { path, old, new },
                    });
                }
                (Here::No | Here::Linked(_) | Here::Creating | Here::Deleting, _) => {}
            }
        }
        for action in &mut self.creates {
            if let Action {
                subject,
                operation: Operation::Create { references, .. },
                ..
            } = action
                && let Some(settled) = with_create.remove(&subject.id)
            {
                *references = settled;
            }
        }
        for action in &mut self.updates {
            if let Action {
                subject,
                operation: Operation::Adopt { current, .. },
                ..
            } = action
            {
                let shown = shown_as_desired.remove(&subject.id).unwrap_or_default();
                current.extend(
                    shown
                        .into_iter()
                        .map(|(path, source)| (path, Value::Reference(source))),
                );
            }
        }
    }

    fn resolve(
        &self,
        source: &SourceId,
        links: &BTreeMap<SourceId, TargetId>,
    ) -> Option<Referenced> {
        let target = match self.news.get(source).map(|news| &news.here) {
            Some(Here::Creating) => None,
            Some(Here::Linked(target)) => Some(target.clone()),
            Some(Here::No | Here::Deleting) => return None,
            None => Some(links.get(source)?.clone()),
        };
        Some(Referenced {
            source: source.clone(),
            target,
        })
    }
}

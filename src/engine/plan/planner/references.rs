//! References between objects, such as a user's manager. Objects are decided in the order of their
//! references, so that what becomes of the manager is known; only circles are settled at the end.

use super::fates::Fate;
use super::{Candidate, Planner};
use crate::engine::model::{Key, SourceId, TargetId, TargetPath, Value};
use crate::engine::plan::{Action, Draft, Operation, Pointer, Referenced, Subject};

/// A reference to an object that is decided later, because references run in a circle.
pub(super) struct Late {
    subject: Subject,
    target: Option<TargetId>,
    path: TargetPath,
    old: Option<SourceId>,
    manager: Key,
}

/// Where a reference will lead.
enum Lead {
    To(Referenced),
    /// To an object that is not in the target.
    Nowhere,
    /// To one that is not decided yet.
    Later(Key),
}

impl Planner<'_> {
    fn lead(&self, candidate: &Candidate, desired: Option<&SourceId>) -> Lead {
        let (Some(_), Some(manager)) = (desired, &candidate.manager) else {
            return Lead::Nowhere;
        };
        let to = || {
            Lead::To(Referenced {
                key: manager.key,
                target: manager.target.clone(),
            })
        };
        match self.fates.of(manager.key) {
            Some(Fate::Creating | Fate::Linked { .. }) => to(),
            None if manager.target.is_some() => to(),
            None if self.circular.contains(&manager.key) || manager.key == candidate.object.key => {
                Lead::Later(manager.key)
            }
            Some(Fate::Deleting) | None => Lead::Nowhere,
        }
    }

    /// The references that travel with a create.
    pub(super) fn references_of_create(
        &mut self,
        candidate: &Candidate,
        desired: impl IntoIterator<Item = (TargetPath, Option<SourceId>)>,
    ) -> Vec<(TargetPath, Referenced)> {
        let mut references = Vec::new();
        for (path, source) in desired {
            match self.lead(candidate, source.as_ref()) {
                Lead::To(to) => references.push((path, to)),
                Lead::Nowhere => {}
                Lead::Later(manager) => self.late.push(Late {
                    subject: Subject::of(&candidate.object),
                    target: None,
                    path,
                    old: None,
                    manager,
                }),
            }
        }
        references
    }

    /// A reference of a linked object, as we sent it and as it should be.
    pub(super) fn reference(
        &mut self,
        candidate: &Candidate,
        target: &TargetId,
        path: TargetPath,
        old: Option<SourceId>,
        desired: Option<&SourceId>,
    ) {
        let new = match self.lead(candidate, desired) {
            Lead::To(referenced) => Pointer::To(referenced),
            Lead::Nowhere if old.is_none() => return,
            Lead::Nowhere => match &self.reading {
                Ok(proof) => Pointer::Cleared(*proof),
                Err(_) => return,
            },
            Lead::Later(manager) => {
                self.late.push(Late {
                    subject: Subject::of(&candidate.object),
                    target: Some(target.clone()),
                    path,
                    old,
                    manager,
                });
                return;
            }
        };
        self.set_reference(
            Subject::of(&candidate.object),
            Some(target.clone()),
            path,
            old,
            new,
        );
    }

    /// A reference of an object that is adopted: what the target shows is a target id. When it is the
    /// right one, it is as if we had sent it.
    pub(super) fn adopted_reference(
        &mut self,
        candidate: &Candidate,
        target: &TargetId,
        path: TargetPath,
        shown: Option<&TargetId>,
        desired: Option<&SourceId>,
    ) -> Option<(TargetPath, Value)> {
        if let (Some(shown), Some(desired), Some(manager)) = (shown, desired, &candidate.manager) {
            let is_same = manager.target.as_ref() == Some(shown)
                || self.adopted.get(shown) == Some(&manager.key);
            if is_same {
                return Some((path, Value::Reference(desired.clone())));
            }
        }
        if self.job.rules(candidate.object.kind).actions.update {
            self.reference(candidate, target, path, None, desired);
        }
        None
    }

    /// Settles what leads to objects in a circle: they are all decided now.
    pub(super) fn settle_late_references(&mut self) {
        for late in std::mem::take(&mut self.late) {
            let Late {
                subject,
                target,
                path,
                old,
                manager,
            } = late;
            let new = match self.fates.of(manager) {
                Some(Fate::Creating | Fate::Linked { .. }) => Pointer::To(Referenced::to(manager)),
                Some(Fate::Deleting) | None => match (&old, &self.reading) {
                    (Some(_), Ok(proof)) => Pointer::Cleared(*proof),
                    _ => continue,
                },
            };
            self.set_reference(subject, target, path, old, new);
        }
    }

    fn set_reference(
        &mut self,
        subject: Subject,
        target: Option<TargetId>,
        path: TargetPath,
        old: Option<SourceId>,
        new: Pointer,
    ) {
        let operation = Operation::SetReference { path, old, new };
        let action = Action {
            subject,
            target,
            operation,
        };
        self.act(Draft::new(action, 0));
    }
}

/// The source object that a reference leads to, as it was last sent.
pub(super) fn sent_reference(sent: Option<&Value>) -> Option<SourceId> {
    match sent {
        Some(Value::Reference(source)) => Some(source.clone()),
        _ => None,
    }
}

//! References between objects, such as a user's manager. Objects are decided in the order of their
//! references, so that what becomes of the manager is known; only circles are settled at the end.

use super::fates::Fate;
use super::{Candidate, Manager, Planner};
use crate::engine::model::{HeldReference, ObjectKind, SourceId, TargetId, TargetPath};
use crate::engine::plan::{Action, Draft, Operation, Pointer, Proof, Referenced, Subject};

/// A reference to an object that is decided later, because references run in a circle.
pub(super) struct Late {
    subject: Subject,
    /// That the source of the referring object was read completely.
    read: Option<Proof>,
    target: Option<TargetId>,
    path: TargetPath,
    held: Option<HeldReference>,
    manager: Manager,
}

/// Where a reference will lead.
enum Lead {
    To(Referenced),
    /// To an object that is not in the target.
    Nowhere,
    /// To one that is not decided yet.
    Later(Manager),
}

impl Planner<'_> {
    /// Whether an object is this one in the target.
    fn is_at(&self, referenced: &Referenced, target: &TargetId) -> bool {
        match self.adopted_by(ObjectKind::User, target) {
            Some(adopted) => adopted == referenced.key,
            None => referenced.target.as_ref() == Some(target),
        }
    }

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
            None if self.circular.contains(&manager.key)
                || self.put_off.contains(&manager.key)
                || manager.key == candidate.object.key =>
            {
                Lead::Later(manager.clone())
            }
            None if manager.target.is_some() => to(),
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
                    read: None,
                    target: None,
                    path,
                    held: None,
                    manager,
                }),
            }
        }
        references
    }

    /// A reference of an object that is in the target, as it is held there and as it should be. What
    /// counts is the target object that it leads to: one who came back may have another.
    pub(super) fn reference(
        &mut self,
        candidate: &Candidate,
        target: &TargetId,
        path: TargetPath,
        held: Option<HeldReference>,
        desired: Option<&SourceId>,
    ) {
        let lead = self.lead(candidate, desired);
        let subject = Subject::of(&candidate.object);
        let read = self.readings.of_source(candidate.object.source);
        match lead {
            Lead::To(referenced) => {
                let to = (held, Some(referenced));
                self.point((subject, read), Some(target.clone()), path, to);
            }
            Lead::Nowhere => {
                self.point((subject, read), Some(target.clone()), path, (held, None));
            }
            Lead::Later(manager) => self.late.push(Late {
                subject,
                read,
                target: Some(target.clone()),
                path,
                held,
                manager,
            }),
        }
    }

    /// A reference of one who gets another user's account, from which all references are gone by then.
    pub(super) fn reference_of_newcomer(
        &mut self,
        candidate: &Candidate,
        path: TargetPath,
        desired: Option<&SourceId>,
    ) {
        let subject = Subject::of(&candidate.object);
        match self.lead(candidate, desired) {
            // The account is not the newcomer's yet, so that it is filled in when the row is sent.
            Lead::To(referenced) => {
                self.point((subject, None), None, path, (None, Some(referenced)));
            }
            Lead::Nowhere => {}
            Lead::Later(manager) => self.late.push(Late {
                subject,
                read: None,
                target: None,
                path,
                held: None,
                manager,
            }),
        }
    }

    /// A reference that the target shows by its own id, with whose it is where that is known here.
    pub(super) fn shown_reference(&self, candidate: &Candidate, target: TargetId) -> HeldReference {
        let manager = candidate.manager.as_ref();
        let is_manager = |manager: &&Manager| {
            manager.target.as_ref() == Some(&target)
                || self.adopted_by(ObjectKind::User, &target) == Some(manager.key)
        };
        let source = manager.filter(is_manager).map(|manager| manager.id.clone());
        HeldReference { target, source }
    }

    /// Settles what leads to objects in a circle: they are all decided now.
    pub(super) fn settle_late_references(&mut self) {
        for late in std::mem::take(&mut self.late) {
            let Late {
                subject,
                read,
                target,
                path,
                held,
                manager,
            } = late;
            let leads_to = match self.fates.of(manager.key) {
                Some(Fate::Creating | Fate::Linked { .. }) => Some(Referenced {
                    key: manager.key,
                    target: manager.target,
                }),
                None if manager.target.is_some() => Some(Referenced {
                    key: manager.key,
                    target: manager.target,
                }),
                Some(Fate::Deleting) | None => None,
            };
            self.point((subject, read), target, path, (held, leads_to));
        }
    }

    /// Points a reference elsewhere, or nowhere, unless it leads there already. Clearing one needs the
    /// proof.
    fn point(
        &mut self,
        (subject, read): (Subject, Option<Proof>),
        target: Option<TargetId>,
        path: TargetPath,
        (held, to): (Option<HeldReference>, Option<Referenced>),
    ) {
        let new = match (to, &held) {
            (Some(to), Some(held)) if self.is_at(&to, &held.target) => return,
            (Some(to), _) => Pointer::To(to),
            (None, None) => return,
            (None, Some(held)) if self.handed_over.values().any(|one| *one == held.target) => {
                return;
            }
            (None, Some(_)) => match read {
                Some(proof) => Pointer::Cleared(proof),
                None => return,
            },
        };
        let operation = Operation::SetReference {
            path,
            old: held,
            new,
        };
        let action = Action {
            subject,
            target,
            operation,
        };
        self.act(Draft::new(action, 0));
    }
}

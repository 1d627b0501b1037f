//! What becomes of a linked object that no longer belongs, or perhaps no longer.

use super::members::Group;
use super::{Candidate, Deletes, Fate, Planner, Ripe};
use crate::engine::job::WhenOutOfScope;
use crate::engine::mapping::{self, Mapped};
use crate::engine::model::{Link, ObjectKind, Origin, SourceObject};
use crate::engine::plan::difference::changes;
use crate::engine::plan::proof::{Proof, is_blocked};
use crate::engine::plan::{Decision, Operation, Subject, Verb, Why, WhyRemoved};

impl Planner<'_> {
    /// Linked, and perhaps no longer belonging. A blocked user loses access at once, in scope or out of
    /// it, except where an earlier cycle found the user out of it and kept the account.
    pub(super) fn postpone(&mut self, candidate: &Candidate, link: &Link, why: WhyRemoved) {
        let object = &candidate.object;
        // What follows leaves a trace only where something is to be done, and the next cycle must look
        // again anyway.
        if link.in_scope {
            self.decisions.push(Decision::Postpone(object.key));
        }
        if is_blocked(object) {
            if link.in_scope {
                return self.update(candidate, link, true);
            }
            if self.job.rules(object.kind).policy(object) != WhenOutOfScope::Keep {
                return self.disable(object, link, WhyRemoved::Blocked);
            }
        }
        let rules = self.job.rules(object.kind);
        self.skip(
            object,
            match rules.policy(object) {
                WhenOutOfScope::Keep => Why::Kept(why),
                WhenOutOfScope::Disable | WhenOutOfScope::Delete | WhenOutOfScope::Empty => {
                    Why::IncompleteRead(why)
                }
            },
        );
    }

    /// Linked, and no longer belonging. What stays is left alone, the members of a group included.
    pub(super) fn deprovision(&mut self, object: &SourceObject, link: &Link, why: WhyRemoved) {
        let rules = self.job.rules(object.kind);
        match rules.policy(object) {
            WhenOutOfScope::Keep => self.skip(object, Why::Kept(why)),
            WhenOutOfScope::Delete if rules.actions.delete => self.delete(object, link, why),
            WhenOutOfScope::Delete => self.skip(object, Why::NotAllowed(Verb::Delete)),
            WhenOutOfScope::Empty => self.empty(object, link, why),
            WhenOutOfScope::Disable => match self.ripe.remove(&object.key) {
                None => self.disable(object, link, why),
                Some(Ripe::Disabled) => self.delete(object, link, why),
                Some(Ripe::Enabled) => self.skip(object, Why::EnabledSince),
                Some(Ripe::Unread(words)) => self.skip(object, Why::LookupFailed(words)),
            },
        }
    }

    /// All members that were sent leave, and the group stays.
    fn empty(&mut self, object: &SourceObject, link: &Link, why: WhyRemoved) {
        if let Some(why) = self.protection(object.key) {
            return self.skip(object, why);
        }
        if !self.job.rules(object.kind).actions.update {
            return self.skip(object, Why::NotAllowed(Verb::Update));
        }
        let Some(proof) = self.proof(object, &why) else {
            return self.skip(object, Why::IncompleteRead(why));
        };
        let group = Group::emptied(Subject::of(object), link.target.clone(), (why, proof));
        self.groups.insert(object.key, group);
    }

    pub(super) fn delete(&mut self, object: &SourceObject, link: &Link, why: WhyRemoved) {
        if let Some(why) = self.protection(object.key) {
            return self.skip(object, why);
        }
        let Some(proof) = self.proof(object, &why) else {
            return self.skip(object, Why::IncompleteRead(why));
        };
        if self.is_first {
            // The account stays until one cycle has completed, but cannot be used.
            let is_certain = Proof::of_object(object).is_some();
            if is_certain && object.kind == ObjectKind::User {
                self.disable_for_now(object, link, why.clone());
            }
            return self.draft(object, link, Operation::Delete { why, proof });
        }
        if self.deletes == Deletes::Wait {
            if object.kind == ObjectKind::User {
                self.disable_for_now(object, link, why);
            }
            self.decisions.push(Decision::Postpone(object.key));
            return self.skip(object, Why::DeletesWait);
        }
        if link.origin == Origin::Unproven {
            self.disable_for_now(object, link, why.clone());
        }
        self.fates.note(object.key, Fate::Deleting);
        self.note_deleted_names(object.kind, object.key, &link.target, &link.sent);
        self.memberships.settle(object.key);
        self.draft(object, link, Operation::Delete { why, proof });
    }

    /// Sends only the mappings that carry `IsSoftDeleted`: the attributes of a deleted object are
    /// not its own any more (Graph mangles the principal name of one in the recycle bin).
    pub(super) fn disable(&mut self, object: &SourceObject, link: &Link, why: WhyRemoved) {
        let rules = self.job.rules(object.kind);
        if !rules.mappings.carry_state() {
            return self.skip(object, Why::CannotDisable(why));
        }
        let input = mapping::Input::new(object, &[], true);
        let desired =
            match mapping::desired_state(&rules.mappings, &input, self.environment_of(object)) {
                Ok(Mapped::Desired(desired)) => desired,
                Ok(Mapped::IgnoreObject) => return self.skip(object, Why::IgnoredByMapping),
                Err(errors) => return self.skip(object, Why::MappingFailed(errors)),
            };
        let changes = changes(&link.sent, &desired);
        if changes.is_empty() {
            return;
        }
        if !rules.actions.update {
            return self.skip(object, Why::NotAllowed(Verb::Update));
        }
        self.send_main_changes(object, link, changes, Some(why));
    }

    /// A disable before a delete that is postponed, where the target can.
    pub(super) fn disable_for_now(&mut self, object: &SourceObject, link: &Link, why: WhyRemoved) {
        let rules = self.job.rules(object.kind);
        if rules.mappings.carry_state() && rules.actions.update {
            self.disable(object, link, why);
        }
    }
}

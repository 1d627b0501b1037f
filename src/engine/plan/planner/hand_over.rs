//! Accounts of users who left and whose matching value a newcomer has: handed over, made again, or left alone.

use std::collections::BTreeMap;

use super::{Candidate, Deletes, Fate, Planner};
use crate::engine::job::WhenOutOfScope;
use crate::engine::mapping::{self, Desired, Mapped};
use crate::engine::model::{MatchKey, TargetId, TargetPath, Value};
use crate::engine::plan::difference::changes;
use crate::engine::plan::proof::is_blocked;
use crate::engine::plan::{
    Action, Change, Decision, Draft, HandOver, Operation, Proof, Subject, WhyRemoved,
};
use crate::engine::scope;

/// What becomes of an account that a newcomer needs and another user has.
pub(super) enum Claim {
    /// It stays with the user who has it.
    Refused,
    /// It is deleted, so that the newcomer gets another.
    Freed,
    HandedOver,
}

impl Planner<'_> {
    /// Decides about the account that a newcomer was found to have, and that is linked to another user.
    /// Only one who left for certain loses it.
    pub(super) fn claim(
        &mut self,
        candidate: &Candidate,
        desired: &Desired,
        key: &MatchKey,
        target: &TargetId,
        holder: &Candidate,
    ) -> Claim {
        let kind = candidate.object.kind;
        let Some(link) = holder.link.as_ref().filter(|link| link.target == *target) else {
            return Claim::Refused;
        };
        // The account of one who left is given to no user who may not use it.
        if self.protection(holder.object.key).is_some() || is_blocked(&candidate.object) {
            return Claim::Refused;
        }
        if link.unconfirmed || self.fates.of(holder.object.key) == Some(Fate::Deleting) {
            return Claim::Refused;
        }
        let Some((why, proof)) = self.has_left(holder) else {
            return Claim::Refused;
        };
        let rules = self.job.rules(kind);
        match rules.policy(&holder.object) {
            WhenOutOfScope::Delete if rules.actions.delete && self.deletes == Deletes::Go => {
                self.delete(&holder.object, link, why);
                Claim::Freed
            }
            WhenOutOfScope::Keep | WhenOutOfScope::Delete | WhenOutOfScope::Empty => Claim::Refused,
            WhenOutOfScope::Disable => {
                self.hand_over(candidate, desired, key, holder, (why, proof))
            }
        }
    }

    fn hand_over(
        &mut self,
        candidate: &Candidate,
        desired: &Desired,
        key: &MatchKey,
        holder: &Candidate,
        (why, proof): (WhyRemoved, Proof),
    ) -> Claim {
        let object = &holder.object;
        let Some(link) = &holder.link else {
            return Claim::Refused;
        };
        let rules = self.job.rules(object.kind);
        let mappings = &rules.mappings;
        if !rules.actions.update || !mappings.carry_state() {
            return Claim::Refused;
        }
        let input = mapping::Input::new(object, &[], true);
        let Ok(Mapped::Desired(state)) =
            mapping::desired_state(mappings, &input, self.environment_of(object))
        else {
            return Claim::Refused;
        };
        let disable = changes(&link.sent, &state);
        let mut current = link.sent.clone();
        merge(&mut current, &disable);
        let carries_state =
            |change: &Change| change.path.is_active() || mappings.carries_state(&change.path);
        let (enable, overwritten): (Vec<Change>, Vec<Change>) = changes(&current, desired)
            .into_iter()
            .partition(carries_state);
        let paths = state.values.iter().map(|(path, _)| path.clone());
        let operation = HandOver {
            to: Subject::of(&candidate.object),
            key: key.clone(),
            why,
            proof,
            disable,
            current,
            state: paths.collect(),
            changes: overwritten,
            enable,
            via: scope::ways_of(&candidate.grants),
        };
        let target = link.target.clone();
        for (path, source) in desired.references.iter() {
            self.reference_of_newcomer(candidate, path.clone(), source.as_ref());
        }
        // The disable that was planned for it is part of this.
        self.decisions.push(Decision::Withdraw(object.key));
        self.fates.note(object.key, Fate::Deleting);
        self.fates
            .note(candidate.object.key, Fate::Linked { in_scope: true });
        self.handed_over.insert(object.key, target.clone());
        self.note_adopted(&candidate.object, &target);
        self.tally.joining.add(object.kind);
        let action = Action {
            subject: Subject::of(object),
            target: Some(target),
            operation: Operation::HandOver(Box::new(operation)),
        };
        // After the plain disables. Whatever comes of it, the newcomer is evaluated once more.
        self.act(Draft::new(action, 1));
        self.decisions
            .push(Decision::Postpone(candidate.object.key));
        Claim::HandedOver
    }
}

fn merge(values: &mut BTreeMap<TargetPath, Value>, changes: &[Change]) {
    for change in changes {
        match &change.new {
            Some(new) => values.insert(change.path.clone(), new.clone()),
            None => values.remove(&change.path),
        };
    }
}

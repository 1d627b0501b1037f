//! A match in the target becomes an object's link: what it holds compared with what should be there.

use super::parts::{whole_lists, withheld_apart};
use super::{Candidate, Fate, Planner};
use crate::engine::mapping::{self, Desired, Source};
use crate::engine::model::{
    Held, MatchKey, References, SourceObject, TargetId, TargetObject, Value,
};
use crate::engine::plan::difference::{changes, fold_case, keep_shown_elements, select};
use crate::engine::plan::proof::is_blocked;
use crate::engine::plan::{Action, Change, Decision, Draft, Operation, Subject};
use crate::engine::scope;

impl Planner<'_> {
    pub(super) fn adopt(
        &mut self,
        candidate: &Candidate,
        mut desired: Desired,
        key: MatchKey,
        found: TargetObject,
    ) {
        let object = &candidate.object;
        let TargetObject {
            id: target,
            attributes: mut current,
            members: _,
        } = found;
        let rules = self.job.rules(object.kind);
        let lists = whole_lists(&rules.mappings, &mut current);
        mapping::normalize(&rules.mappings, &mut current);
        self.note_adopted(object, &target);
        self.fates.note(object.key, Fate::Linked { in_scope: true });
        self.tally.joining.add(object.kind);
        self.await_members(object, Some(&target));
        // What the target shows of a reference is a target id. It is compared as if we had sent it.
        let mut references = References::new();
        for (path, source) in std::mem::take(&mut desired.references) {
            let held = match current.remove(&path) {
                Some(Value::Text(id)) => Some(self.shown_reference(candidate, TargetId::new(&*id))),
                _ => None,
            };
            if rules.actions.update {
                self.reference(
                    candidate,
                    &target,
                    path.clone(),
                    held.clone(),
                    source.as_ref(),
                );
            }
            references.extend(held.map(|held| (path, held)));
        }
        // "If it is empty it gets the default value" (Entra, mapping type None). Later the target is
        // not read any more.
        let unmapped = rules
            .mappings
            .iter()
            .filter(|mapping| matches!(mapping.source, Source::None));
        for path in unmapped.map(|mapping| &mapping.target) {
            let is_empty = current.get(path).is_none_or(Value::is_empty);
            if let Some(default) = desired.on_create.get(path).filter(|_| is_empty) {
                desired.values.insert(path.clone(), Some(default.clone()));
            }
        }
        fold_case(&mut current, &desired);
        let changes = if rules.actions.update {
            let mut all = select(&mut current, &desired, &lists);
            all.extend(changes(&current, &desired));
            keep_shown_elements(&mut all, &lists);
            all
        } else {
            Vec::new()
        };
        let changes = self.without_disable(object, changes);
        let (withheld, changes) = withheld_apart(candidate, changes);
        self.note_changed_names(object.kind, object.key, &target, &changes);
        let action = Action {
            subject: Subject::of(object),
            target: Some(target.clone()),
            operation: Operation::Adopt {
                key,
                current: Held {
                    values: current,
                    references,
                },
                changes,
                via: scope::ways_of(&candidate.grants),
                from: None,
            },
        };
        self.act(Draft::new(action, 0));
        self.send_withheld(object, &target, withheld);
    }

    /// Taking the access of an account that was there before is a removal, with a row of its own: it
    /// comes when the account of the blocked user is linked.
    fn without_disable(&mut self, object: &SourceObject, changes: Vec<Change>) -> Vec<Change> {
        if !is_blocked(object) {
            return changes;
        }
        let mappings = &self.job.rules(object.kind).mappings;
        let (state, others): (Vec<Change>, Vec<Change>) = changes
            .into_iter()
            .partition(|change| change.path.is_active() || mappings.carries_state(&change.path));
        if !state.is_empty() {
            self.decisions.push(Decision::Postpone(object.key));
        }
        others
    }
}

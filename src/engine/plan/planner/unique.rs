//! Values that nobody has in the target yet: what has to be asked before one is chosen, and what is
//! taken by the target or by a create of the same plan.

use super::{Candidate, Planner};
use crate::engine::mapping::{self, Desired, Mapping};
use crate::engine::model::{MatchKey, ObjectKind, TargetPath, Value};
use crate::engine::scope;

/// A value that an object of the kind has at the path, in the form of [`Mapping::searched`].
pub(super) type TakenValue = (ObjectKind, TargetPath, Value);

impl Planner<'_> {
    /// Whether a mapping of the kind chooses values, so that the target may have to be asked.
    pub(crate) fn selects_unique(&self, kind: ObjectKind) -> bool {
        let mut mappings = self.job.rules(kind).mappings.iter();
        mappings.any(Mapping::selects_unique)
    }

    /// The values among which the mappings choose for an object that was looked for and not found;
    /// none where nothing is created. Which of them the target has is said to [`Planner::take`]
    /// before [`Planner::user`] or [`Planner::group`] is told.
    pub(crate) fn unique_values(&self, candidate: &Candidate) -> Vec<MatchKey> {
        let Candidate { object, grants, .. } = candidate;
        let rules = self.job.rules(object.kind);
        if !rules.actions.create || self.keys(candidate).is_empty() {
            return Vec::new();
        }
        let held_roles = scope::roles_of(grants);
        let input = mapping::Input::new(object, &held_roles, false);
        mapping::candidates(&rules.mappings, &input, self.environment)
    }

    /// The target has this value of [`Planner::unique_values`].
    pub(crate) fn take(&mut self, kind: ObjectKind, key: &MatchKey) {
        let mut mappings = self.job.rules(kind).mappings.iter();
        if let Some(mapping) = mappings.find(|mapping| mapping.target == key.path) {
            self.taken.extend(taken_value(kind, mapping, &key.value));
        }
    }

    pub(super) fn is_taken(&self, kind: ObjectKind, mapping: &Mapping, value: &Value) -> bool {
        taken_value(kind, mapping, value).is_some_and(|value| self.taken.contains(&value))
    }

    /// What a create chose is not there for the next one.
    pub(super) fn take_chosen(&mut self, kind: ObjectKind, desired: &Desired) {
        let job = self.job;
        for mapping in &job.rules(kind).mappings {
            if mapping.selects_unique()
                && let Some(value) = desired.on_create.get(&mapping.target)
            {
                self.taken.extend(taken_value(kind, mapping, value));
            }
        }
    }
}

/// `None` for a value that carries nothing, which nobody can have.
fn taken_value(kind: ObjectKind, mapping: &Mapping, value: &Value) -> Option<TakenValue> {
    let value = mapping.searched(kind, value.clone())?;
    Some((kind, mapping.target.clone(), value))
}

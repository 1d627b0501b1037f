//! Values that are not taken in the target yet: what has to be asked before one is chosen, and what is
//! taken by the target or by a create of the same plan.

use super::Planner;
use crate::engine::mapping::{self, Desired, Mapping, Mappings};
use crate::engine::model::{MatchKey, ObjectKind, TargetPath, Value};

/// A value that an object of the kind has at the path, in the form of [`mapping::searched`].
pub(super) type TakenValue = (ObjectKind, TargetPath, Value);

impl Planner<'_> {
    /// Whether a mapping of the kind chooses values, so that the target may have to be asked.
    pub(crate) fn selects_unique(&self, kind: ObjectKind) -> bool {
        self.job.rules(kind).mappings.select_unique()
    }

    /// The target has this value of [`super::Pending::unique_values`].
    pub(crate) fn note_taken(&mut self, kind: ObjectKind, key: &MatchKey) {
        let mappings = &self.job.rules(kind).mappings;
        self.taken
            .extend(taken_value(kind, mappings, &key.path, &key.value));
    }

    pub(super) fn is_taken(&self, kind: ObjectKind, mapping: &Mapping, value: &Value) -> bool {
        let mappings = &self.job.rules(kind).mappings;
        taken_value(kind, mappings, &mapping.target, value)
            .is_some_and(|value| self.taken.contains(&value))
    }

    /// What a create chose is not there for the next one.
    pub(super) fn take_chosen(&mut self, kind: ObjectKind, desired: &Desired) {
        let mappings = &self.job.rules(kind).mappings;
        for mapping in mappings {
            if mapping.selects_unique()
                && let Some(value) = desired.on_create.get(&mapping.target)
            {
                self.taken
                    .extend(taken_value(kind, mappings, &mapping.target, value));
            }
        }
    }
}

/// `None` for a value that carries nothing, which cannot be taken.
fn taken_value(
    kind: ObjectKind,
    mappings: &Mappings,
    path: &TargetPath,
    value: &Value,
) -> Option<TakenValue> {
    let value = mapping::searched(mappings, path, value.clone())?;
    Some((kind, path.clone(), value))
}

//! What the target shows of an object, in the form in which the state keeps what was sent: for what is
//! read after a write that was interrupted, and for who turns out to be there when created.

use std::collections::BTreeMap;

use super::Context;
use crate::engine::mapping::{Mapping, normalize};
use crate::engine::model::{ObjectKind, SourceId, TargetId, TargetPath, TargetType, Value};
use crate::store;

/// A reference that the target shows by its own id becomes the source object that is linked to it;
/// one that we did not make is left out, as if it were not there. `made` tells of the links that the
/// state may not know yet.
pub(super) fn as_sent(
    context: &Context<'_>,
    kind: ObjectKind,
    shown: BTreeMap<TargetPath, Value>,
    made: impl Fn(&TargetId) -> Option<SourceId>,
) -> Result<BTreeMap<TargetPath, Value>, store::Error> {
    let store = &context.agent.store;
    let job = &context.job.rules;
    let mappings = &job.rules(kind).mappings;
    let mut sent = shown;
    normalize(mappings, &mut sent);
    let is_reference = |mapping: &&Mapping| mapping.target_type == TargetType::Reference;
    for mapping in mappings.iter().filter(is_reference) {
        if let Some(Value::Text(id)) = sent.remove(&mapping.target) {
            let target = TargetId::new(&*id);
            let source = match made(&target) {
                Some(source) => Some(source),
                None => store.linked_by(&job.name, ObjectKind::User, &target)?,
            };
            if let Some(source) = source {
                sent.insert(mapping.target.clone(), Value::Reference(source));
            }
        }
    }
    Ok(sent)
}

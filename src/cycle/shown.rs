//! What the target shows of an object, in the form in which the state keeps what was sent: for what is
//! read after a write that was interrupted, and for who turns out to be there when created.

use std::collections::BTreeMap;

use super::{Context, Error};
use crate::engine::mapping::{Mapping, normalize};
use crate::engine::model::{ObjectKind, TargetId, TargetPath, TargetType, Value};

/// A reference that the target shows by its own id becomes the source object that is linked to it;
/// one that we did not make is left out, as if it were not there.
pub(super) async fn as_sent(
    context: &Context<'_>,
    kind: ObjectKind,
    shown: BTreeMap<TargetPath, Value>,
) -> Result<BTreeMap<TargetPath, Value>, Error> {
    let job = &context.job.rules;
    let mappings = &job.rules(kind).mappings;
    let mut sent = shown;
    normalize(mappings, &mut sent);
    let is_reference = |mapping: &&Mapping| mapping.target_type == TargetType::Reference;
    for mapping in mappings.iter().filter(is_reference) {
        if let Some(Value::Text(id)) = sent.remove(&mapping.target) {
            let (job, target) = (job.name.clone(), TargetId::new(&*id));
            let source = context
                .state(move |store| store.linked_by(&job, ObjectKind::User, &target))
                .await?;
            if let Some(source) = source {
                sent.insert(mapping.target.clone(), Value::Reference(source));
            }
        }
    }
    Ok(sent)
}

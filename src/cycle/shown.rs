//! What the target shows of an object, in the form in which the state keeps what was sent: for what is
//! read after a write that was interrupted, and for who turns out to be there when created.

use std::collections::BTreeMap;

use super::{Context, Error};
use crate::engine::mapping::{Mapping, normalize};
use crate::engine::model::{
    Held, HeldReference, ObjectKind, References, TargetId, TargetPath, TargetType, Value,
};

/// A reference that the target shows by its own id is that of the source object that is linked to it, if
/// there is one.
pub(super) async fn as_sent(
    context: &Context<'_>,
    kind: ObjectKind,
    shown: BTreeMap<TargetPath, Value>,
) -> Result<Held, Error> {
    let job = &context.job.rules;
    let mappings = &job.rules(kind).mappings;
    let mut held = Held {
        values: shown,
        references: References::new(),
    };
    normalize(mappings, &mut held.values);
    let is_reference = |mapping: &&Mapping| mapping.target_type == TargetType::Reference;
    for mapping in mappings.iter().filter(is_reference) {
        if let Some(Value::Text(id)) = held.values.remove(&mapping.target) {
            let target = TargetId::new(&*id);
            let (job, wanted) = (job.name.clone(), target.clone());
            let source = context
                .state(move |store| store.linked_by(&job, ObjectKind::User, &wanted))
                .await?;
            let reference = HeldReference { target, source };
            held.references.insert(mapping.target.clone(), reference);
        }
    }
    Ok(held)
}

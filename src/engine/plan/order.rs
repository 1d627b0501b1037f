//! The order of creates: what one refers to comes before it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Operation, Referenced};
use crate::engine::model::{SourceId, TargetPath};

/// A chain of references longer than this is cut: what is left follows as updates.
const MAX_DEPTH: usize = 64;

/// Creates in an order in which what one refers to comes before it, so that the reference travels
/// with the create and costs no request. Where references run in a circle, one of them follows as
/// an update.
pub(super) fn in_order_of_reference(creates: Vec<Action>, later: &mut Vec<Action>) -> Vec<Action> {
    let mut refers_to: BTreeMap<SourceId, Vec<SourceId>> = BTreeMap::new();
    for action in &creates {
        if let Action {
            subject,
            operation: Operation::Create { references, .. },
            ..
        } = action
        {
            let to_create = references.iter().filter(|(_, new)| new.target.is_none());
            let sources = to_create.map(|(_, new)| new.source.clone());
            refers_to.insert(subject.id.clone(), sources.collect());
        }
    }
    let mut depths: BTreeMap<SourceId, usize> = BTreeMap::new();
    let mut left: BTreeSet<SourceId> = refers_to.keys().cloned().collect();
    for depth in 0..=MAX_DEPTH {
        let ready: Vec<SourceId> = left
            .iter()
            .filter(|id| refers_to[*id].iter().all(|other| !left.contains(other)))
            .cloned()
            .collect();
        for id in ready {
            left.remove(&id);
            depths.insert(id, depth);
        }
        if left.is_empty() {
            break;
        }
    }
    let mut ordered: Vec<(usize, Action)> = Vec::with_capacity(creates.len());
    for mut action in creates {
        let mut depth = 0;
        if let Action {
            subject,
            operation: Operation::Create { references, .. },
            ..
        } = &mut action
        {
            depth = depths.get(&subject.id).copied().unwrap_or(MAX_DEPTH + 1);
            if left.contains(&subject.id) {
                let is_late = |new: &Referenced| new.target.is_none() && left.contains(&new.source);
                let (late, kept) = std::mem::take(references)
                    .into_iter()
                    .partition(|(_, new)| is_late(new));
                *references = kept;
                let late: Vec<(TargetPath, Referenced)> = late;
                later.extend(late.into_iter().map(|(path, new)| Action {
                    subject: subject.clone(),
                    target: None,
                    operation: Operation::SetReference {
                        path,
                        old: None,
                        new: Some(new),
                    },
                }));
            }
        }
        ordered.push((depth, action));
    }
    ordered.sort_by_key(|(depth, _)| *depth);
    ordered.into_iter().map(|(_, action)| action).collect()
}

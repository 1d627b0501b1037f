//! Removals that were not confirmed leave the plan.

use std::collections::{BTreeMap, BTreeSet};

use super::Draft;
use crate::cycle::plan::Outline;
use crate::cycle::{Context, Error};
use crate::engine::model::{Key, ObjectKind};
use crate::store::RowId;

/// Takes removals out of the plan, as if they had not been drafted.
pub(super) async fn drop_all(
    context: &Context<'_>,
    cycle: i64,
    dropped: Vec<Draft>,
    outline: &mut Outline,
) -> Result<(), Error> {
    let keys: BTreeSet<Key> = dropped.iter().map(|draft| draft.key).collect();
    let is_leaving = |(key, in_scope): &(Key, bool)| !in_scope && keys.contains(key);
    let kinds: BTreeMap<Key, ObjectKind> = dropped
        .iter()
        .map(|draft| (draft.key, draft.kind))
        .collect();
    for (key, _) in outline.scope.iter().filter(|one| is_leaving(one)) {
        outline.header.scope_after.add(kinds[key]);
    }
    outline.scope.retain(|one| !is_leaving(one));
    let rows: Vec<RowId> = dropped.iter().map(|draft| draft.row).collect();
    let managers: Vec<Key> = keys.iter().copied().collect();
    let reports = context
        .state(move |store| {
            store.drop_rows(&rows)?;
            // Whose manager stays keeps the reference.
            let reports = store.reports(&managers)?;
            store.drop_references(cycle, &reports)?;
            Ok(reports)
        })
        .await?;
    outline.postponed.extend(keys);
    outline.postponed.extend(reports);
    Ok(())
}

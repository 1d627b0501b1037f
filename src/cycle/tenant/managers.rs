//! Managers that the delta query did not report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::cycle::Error;
use crate::engine::model::{SourceId, SourceNumber};
use crate::graph::{self, Reader};
use crate::store::{Store, Unreported};

/// Looks them up. Where that fails what is known stays, and the next cycle looks them up.
pub(super) async fn look_up(
    graph: &Reader,
    (store, source): (&Arc<Store>, SourceNumber),
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let unreported = store
        .run(move |store| store.unreported_managers(source))
        .await?;
    if unreported.known.is_empty() {
        return Ok(());
    }
    match read(graph, &unreported).await {
        Ok(managers) => {
            let record = move |store: &Store| store.record_managers(source, &managers, now);
            Ok(store.run(record).await?)
        }
        Err(error) => {
            let error = Error::from(error).chain();
            tracing::warn!(error, "the managers of some users could not be looked up");
            Ok(())
        }
    }
}

/// A manager in the recycle bin is read as none, and is one again when restored, which is reported nowhere: it
/// stays.
async fn read(
    graph: &Reader,
    unreported: &Unreported,
) -> Result<BTreeMap<SourceId, Option<SourceId>>, graph::Error> {
    let users: Vec<SourceId> = unreported.known.keys().cloned().collect();
    let mut managers = graph.managers_of(&users, unreported.all).await?;
    let known_of = |user: &SourceId| unreported.known.get(user)?.clone();
    let have_none = managers.iter().filter(|(_, manager)| manager.is_none());
    let gone: BTreeSet<SourceId> = have_none.filter_map(|(user, _)| known_of(user)).collect();
    let gone: Vec<SourceId> = gone.into_iter().collect();
    let deleted = graph.in_recycle_bin(&gone).await?;
    managers.retain(|user, manager| {
        if let (None, Some(known)) = (&manager, known_of(user)) {
            match deleted.get(&known) {
                Some(true) => *manager = Some(known),
                Some(false) => {}
                None => return false,
            }
        }
        true
    });
    Ok(managers)
}

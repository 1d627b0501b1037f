//! Members of groups that came back without them: a group that was restored may have lost all its members before.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::cycle::Error;
use crate::engine::model::SourceNumber;
use crate::graph::Reader;
use crate::store::Store;

/// Looks them up. Where that fails what is known stays, and the next cycle looks them up.
pub(super) async fn look_up(
    graph: &Reader,
    (store, source): (&Arc<Store>, SourceNumber),
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let groups = store
        .run(move |store| store.unreported_members(source))
        .await?;
    if groups.is_empty() {
        return Ok(());
    }
    match graph.members_of(&groups).await {
        Ok(members) => {
            let record = move |store: &Store| store.record_members(source, &members, now);
            Ok(store.run(record).await?)
        }
        Err(error) => {
            let error = Error::from(error).chain();
            tracing::warn!(
                error,
                "the members of restored groups could not be looked up"
            );
            Ok(())
        }
    }
}

//! Reading only what is in scope: first the groups, then the users, by delta queries that name them.

use std::sync::Arc;

use super::rounds::{MAX_BEGINNINGS, ends_the_cycle};
use super::{Tenant, Want, managers, members};
use crate::cycle::Error;
use crate::cycle::source::selected;
use crate::engine::model::{Complete, ObjectKind};
use crate::engine::plan;
use crate::engine::summary::Progress;
use crate::graph::{At, MAX_FILTERED};
use crate::store::{Shard, Store};

impl Tenant {
    /// Follows everything that is in scope to its end.
    pub(super) async fn follow_shards(&self, wants: &[&Want]) -> Result<plan::Reading, Error> {
        let groups = self.follow_kind(ObjectKind::Group, wants).await?;
        let users = self.follow_kind(ObjectKind::User, wants).await?;
        self.end(users.and(groups)).await
    }

    /// An error that ends no cycle is why the reading is not complete.
    pub(super) async fn follow_kind(
        &self,
        kind: ObjectKind,
        wants: &[&Want],
    ) -> Result<plan::Reading, Error> {
        match self.follow_shards_of(kind, wants).await {
            Ok(seen) => Ok(plan::Reading::Complete(seen)),
            Err(error) if ends_the_cycle(&error) || self.stop.is_cancelled() => Err(error),
            Err(error) => Ok(plan::Reading::Incomplete(format!(
                "{kind}s: {}",
                error.chain()
            ))),
        }
    }

    /// What is read no more is forgotten once all else has been read.
    pub(super) async fn end(&self, read: plan::Reading) -> Result<plan::Reading, Error> {
        if matches!(read, plan::Reading::Complete(_)) {
            self.store.run(Store::forget_unread).await?;
        }
        Ok(read)
    }

    async fn follow_shards_of(
        &self,
        kind: ObjectKind,
        wants: &[&Want],
    ) -> Result<Complete<()>, Error> {
        let select = selected(&self.config, kind);
        let scopes = self.scopes(wants);
        let joined = select.join(",");
        let shards = self
            .store
            .run(move |store| {
                for scope in &scopes {
                    store.mention_groups(&scope.through)?;
                    store.mention_groups(&scope.groups)?;
                }
                let needed = store.needed(kind, &scopes, usize::MAX)?;
                store.shards_of(kind, &needed, MAX_FILTERED, &joined)
            })
            .await?;
        let mut seen = Vec::with_capacity(shards.len());
        let mut read = plan::Count::default();
        for shard in shards {
            seen.push(
                self.follow_shard(kind, shard, &select, (wants, &mut read))
                    .await?,
            );
        }
        let now = (self.now)();
        match kind {
            ObjectKind::User => managers::look_up(&self.graph, &self.store, now).await?,
            ObjectKind::Group => members::look_up(&self.graph, &self.store, now).await?,
        }
        Ok(Complete::all(seen))
    }

    async fn follow_shard(
        &self,
        kind: ObjectKind,
        mut shard: Shard,
        select: &[String],
        (wants, read): (&[&Want], &mut plan::Count),
    ) -> Result<Complete<()>, Error> {
        let mut beginnings = 1;
        loop {
            let at = match &shard.link {
                Some(link) => At::Link(link),
                None => At::Few {
                    select,
                    ids: &shard.ids,
                },
            };
            let round = match self.graph.fetch_round(kind, at).await {
                Ok(round) => round,
                Err(error) if error.expired().is_some() && beginnings < MAX_BEGINNINGS => {
                    tracing::warn!(%kind, %error, "reading a part of the source from the beginning");
                    beginnings += 1;
                    shard.link = None;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let entries = round.changes.len() as u64;
            match kind {
                ObjectKind::User => read.users += entries,
                ObjectKind::Group => read.groups += entries,
            }
            for want in wants {
                want.progress.send_replace(Progress::Reading(*read));
            }
            let seen = round.link.seen();
            let (select, now) = (select.join(","), (self.now)());
            let commit = move |store: &Store| {
                store.commit_shard(kind, &shard, &select, &round.changes, &round.link, now)
            };
            let store = Arc::clone(&self.store);
            store.run(commit).await?;
            return Ok(seen);
        }
    }
}

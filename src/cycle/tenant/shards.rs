//! Reading only what is in scope: first the groups, then the users, by delta queries that name them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::rounds::{MAX_BEGINNINGS, ends_the_cycle};
use super::unseen::Unseen;
use super::{Tenant, Want, managers, members};
use crate::cycle::Error;
use crate::cycle::source::selected;
use crate::engine::model::{Complete, ObjectKind, SourceChange};
use crate::engine::plan;
use crate::engine::summary::Progress;
use crate::graph::{At, MAX_FILTERED};
use crate::store::{ScopeOf, Shard, Store, group_id};

/// What brings objects into scope, with the ids of the groups that are named.
type Scopes = Vec<ScopeOf>;

/// Something that is read of few objects, or is too much for that.
enum Few<T> {
    Read(T),
    TooMany,
}

impl Tenant {
    /// Follows everything that is in scope to its end, the groups first. `None`: these are so large, or `goes_on`
    /// says when they were read, that the whole tenant is to be read.
    pub(super) async fn follow_shards(
        &self,
        wants: &[&Want],
        most_members: usize,
        goes_on: impl FnOnce(&[ScopeOf]) -> Result<bool, Error>,
    ) -> Result<Option<plan::Reading>, Error> {
        let (scopes, doubt) = match self.resolved(wants).await {
            Ok(scopes) => (scopes, None),
            Err(error) if ends_the_cycle(&error) || self.stop.is_cancelled() => return Err(error),
            // What is known goes on.
            Err(error) => (
                self.scopes(wants),
                Some(self.incomplete_by("groups", &error)),
            ),
        };
        let kind = ObjectKind::Group;
        let groups = self.follow_kind(kind, wants, &scopes, most_members).await?;
        let Few::Read(mut groups) = groups else {
            return Ok(None);
        };
        if !goes_on(&scopes)? {
            return Ok(None);
        }
        if let Some(doubt) = doubt {
            groups = groups.and(doubt);
        }
        self.forget_unread(kind, &groups).await?;
        let users = self
            .follow_kind(ObjectKind::User, wants, &scopes, usize::MAX)
            .await?;
        let Few::Read(users) = users else {
            return Ok(None);
        };
        self.forget_unread(ObjectKind::User, &users).await?;
        Ok(Some(users.and(groups)))
    }

    /// What is read no more is forgotten once all that is read has been.
    async fn forget_unread(&self, kind: ObjectKind, read: &plan::Reading) -> Result<(), Error> {
        if matches!(read, plan::Reading::Complete(_)) {
            let stream = self.stream(kind);
            let forget = move |store: &Store| store.forget_unread(stream);
            self.store.run(forget).await?;
        }
        Ok(())
    }

    /// The scopes with the ids of groups that are named, as the tenant has them now.
    async fn resolved(&self, wants: &[&Want]) -> Result<Scopes, Error> {
        let mut scopes = self.scopes(wants);
        let lists = scopes.iter().flat_map(|one| [&one.through, &one.groups]);
        let names: BTreeSet<String> = lists
            .flatten()
            .filter(|name| group_id(name).is_none())
            .cloned()
            .collect();
        if names.is_empty() {
            return Ok(scopes);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let found = self.graph.fetch_groups_named(&names).await?;
        let ids_of = |name: &String| -> Vec<String> {
            if group_id(name).is_some() {
                return vec![name.clone()];
            }
            let meant = found
                .iter()
                .filter(|(_, own)| own.eq_ignore_ascii_case(name));
            meant.map(|(id, _)| id.to_string()).collect()
        };
        for list in scopes
            .iter_mut()
            .flat_map(|one| [&mut one.through, &mut one.groups])
        {
            *list = list.iter().flat_map(ids_of).collect();
        }
        Ok(scopes)
    }

    /// An error that ends no cycle is why the reading is not complete.
    async fn follow_kind(
        &self,
        kind: ObjectKind,
        wants: &[&Want],
        scopes: &[ScopeOf],
        most_members: usize,
    ) -> Result<Few<plan::Reading>, Error> {
        match self
            .follow_shards_of(kind, wants, scopes, most_members)
            .await
        {
            Ok(Few::Read(seen)) => Ok(Few::Read(plan::Reading::Complete(seen))),
            Ok(Few::TooMany) => Ok(Few::TooMany),
            Err(error) if ends_the_cycle(&error) || self.stop.is_cancelled() => Err(error),
            Err(error) => Ok(Few::Read(self.incomplete_by(&format!("{kind}s"), &error))),
        }
    }

    async fn follow_shards_of(
        &self,
        kind: ObjectKind,
        wants: &[&Want],
        scopes: &[ScopeOf],
        most_members: usize,
    ) -> Result<Few<Complete<()>>, Error> {
        let (select, stream) = (selected(&self.config.jobs, kind), self.stream(kind));
        let (mut seen, mut numbers) = (Vec::new(), BTreeSet::new());
        let mut read = plan::Count::default();
        let mut unseen = Some(Unseen::of(&select));
        self.mention_groups(scopes).await?;
        // Groups that were read may have groups inside, which are to be read, too.
        loop {
            let (scopes, joined) = (scopes.to_vec(), select.join(","));
            let mut shards = self
                .store
                .run(move |store| {
                    let needed = store.needed(stream, &scopes, usize::MAX)?;
                    store.shards_of(stream, &needed, MAX_FILTERED, &joined)
                })
                .await?;
            shards.retain(|shard| shard.link.is_none() || !numbers.contains(&shard.number));
            if shards.is_empty() {
                break;
            }
            for shard in shards {
                numbers.insert(shard.number);
                let is_full = shard.link.is_none();
                let see = |changes: &[SourceChange]| {
                    // Only what comes whole shows what no object has.
                    unseen = unseen.take().filter(|_| is_full);
                    if let Some(unseen) = &mut unseen {
                        unseen.see(changes);
                    }
                    let entries = changes.len() as u64;
                    match kind {
                        ObjectKind::User => read.users += entries,
                        ObjectKind::Group => read.groups += entries,
                    }
                    for want in wants {
                        want.progress.send_replace(Progress::Reading(read));
                    }
                };
                let followed = self.follow_shard(kind, shard, &select, most_members, see);
                match followed.await? {
                    Few::Read(one) => seen.push(one),
                    Few::TooMany => return Ok(Few::TooMany),
                }
            }
        }
        if let Some(unseen) = unseen {
            unseen.report(kind, "in scope");
        }
        let (state, now) = ((&self.store, self.number), (self.now)());
        match kind {
            ObjectKind::User => managers::look_up(&self.graph, state, now).await?,
            ObjectKind::Group => members::look_up(&self.graph, state, now).await?,
        }
        Ok(Few::Read(Complete::all(seen)))
    }

    /// Lets the groups be read that are named by their ids. Where a job has several sources, each is in one of them.
    async fn mention_groups(&self, scopes: &[ScopeOf]) -> Result<(), Error> {
        let mut ids = self.store.unknown_groups(scopes)?;
        let are_shared = self.jobs().iter().any(|job| job.sources.len() > 1);
        if are_shared && !ids.is_empty() {
            let here = self.graph.present_among(ObjectKind::Group, &ids).await?;
            ids.retain(|id| here.contains(id));
        }
        Ok(self.store.mention_groups(self.number, &ids)?)
    }

    async fn follow_shard(
        &self,
        kind: ObjectKind,
        mut shard: Shard,
        select: &[String],
        most_members: usize,
        see: impl FnOnce(&[SourceChange]),
    ) -> Result<Few<Complete<()>>, Error> {
        let mut beginnings = 1;
        loop {
            let at = match &shard.link {
                Some(link) => At::Link(link),
                None => At::Few {
                    select,
                    ids: &shard.ids,
                },
            };
            let round = match self.graph.fetch_round(kind, at, most_members).await {
                Ok(Some(round)) => round,
                Ok(None) => return Ok(Few::TooMany),
                Err(error) if error.expired().is_some() && beginnings < MAX_BEGINNINGS => {
                    tracing::warn!(%kind, %error, "reading a part of the source from the beginning");
                    beginnings += 1;
                    shard.link = None;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            see(&round.changes);
            let seen = round.link.seen();
            let (select, now) = (select.join(","), (self.now)());
            let stream = self.stream(kind);
            let commit = move |store: &Store| {
                store.commit_shard(stream, &shard, &select, &round.changes, &round.link, now)
            };
            let store = Arc::clone(&self.store);
            store.run(commit).await?;
            return Ok(Few::Read(seen));
        }
    }
}

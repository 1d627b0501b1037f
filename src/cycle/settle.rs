//! Settles writes whose end is not known (safety.md §1) before their object is planned: a read says at once
//! that one was carried out; that it was not, only once nothing of it can arrive any more. An object whose
//! create is not settled is looked up whatever has become of it.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use futures::StreamExt;

use super::gone::{self, Missing, Whereabouts};
use super::lookup::Finder;
use super::workers::Worker;
use super::{Context, Error, shown};
use crate::engine::model::{Held, Key, Link, MatchKey, ObjectKind, Origin, TargetObject};
use crate::engine::plan::{Change, Found, Operation, Why};
use crate::scim;
use crate::store::{Loaded, Unknown};

/// What settling came to for one object that needed it.
pub(super) enum Settled {
    /// It can be planned; what the state holds of it may be another.
    Ready,
    /// An earlier write may still be under way, but not from this time on.
    Wait(DateTime<Utc>),
    Skip(Why),
}

pub(super) struct Settler<'a> {
    context: &'a Context<'a>,
    now: DateTime<Utc>,
}

impl<'a> Settler<'a> {
    pub(super) fn new(context: &'a Context<'a>) -> Self {
        Self {
            context,
            now: (context.agent.now)(),
        }
    }

    /// Objects that need nothing are not in the answer.
    pub(super) async fn settle(
        &self,
        kind: ObjectKind,
        loaded: &[Loaded],
        finder: &mut Finder<'_>,
    ) -> Result<BTreeMap<Key, Settled>, Error> {
        self.bound(loaded).await?;
        let mut settled = BTreeMap::new();
        let mut linked = Vec::new();
        let mut created: Vec<(Key, &Unknown)> = Vec::new();
        for one in loaded {
            match (&one.link, &one.unknown) {
                (Some(link), _) if link.unconfirmed => linked.push((one, link)),
                (None, Some(unknown)) => created.push((one.object.key, unknown)),
                (Some(_), _) | (None, None) => {}
            }
        }
        let paths = self.context.mapped_paths(kind);
        let (paths, with_members) = (&paths, kind == ObjectKind::Group);
        let reader = &self.context.reader;
        let mut reads = futures::stream::iter(linked)
            .map(|(one, link)| async move {
                let read = reader.read(kind, &link.target, paths, with_members).await;
                (one, link, read)
            })
            .buffer_unordered(self.context.job.target.concurrency);
        while let Some((one, link, read)) = reads.next().await {
            let key = one.object.key;
            let state = self.linked(kind, one, link, read).await?;
            settled.insert(key, state);
        }
        if !created.is_empty() {
            settled.extend(self.created(kind, &created, finder).await?);
        }
        Ok(settled)
    }

    /// From when on nothing of a write can arrive any more.
    fn settles_at(&self, unknown: &Unknown) -> DateTime<Utc> {
        let wait = TimeDelta::from_std(self.context.waiting_time()).unwrap_or(TimeDelta::MAX);
        let since = unknown.since.min(self.now);
        since.checked_add_signed(wait).unwrap_or(since)
    }

    /// What the record says was given up at a time that is still to come was given up before now, by a clock
    /// that was ahead. It is put on record as given up now, so that its wait ends.
    async fn bound(&self, loaded: &[Loaded]) -> Result<(), Error> {
        let mut unknown = loaded.iter().filter_map(|one| one.unknown.as_ref());
        if unknown.any(|unknown| unknown.since > self.now) {
            let (job, now) = (self.context.job.rules.name.clone(), self.now);
            self.context
                .state(move |store| store.bound_unknown(&job, now))
                .await?;
        }
        Ok(())
    }

    /// An object that is linked, as it was just read.
    async fn linked(
        &self,
        kind: ObjectKind,
        one: &Loaded,
        link: &Link,
        read: Result<Option<TargetObject>, scim::Error>,
    ) -> Result<Settled, Error> {
        let (job, key) = (self.context.job.rules.name.clone(), one.object.key);
        let object = match read {
            Ok(Some(object)) => object,
            Ok(None) => return self.missing(kind, one, link).await,
            Err(error) if self.context.concerns_one_object(&error).await => {
                // The same disable may be repeated whatever cannot be read.
                return Ok(if one.unknown.as_ref().is_some_and(is_disable) {
                    Settled::Ready
                } else {
                    Settled::Skip(Why::LookupFailed(error.failure().message))
                });
            }
            Err(error) => return Err(error.into()),
        };
        let members = match object.members {
            Some(members) => Some(self.context.linked(members).await?.0),
            None => None,
        };
        let current = shown::as_sent(self.context, kind, object.attributes).await?;
        if let Some(unknown) = &one.unknown {
            let due = self.settles_at(unknown);
            let mut operations = unknown.operations.iter();
            let is_done = |one: &Operation| is_done(one, &current, members.as_deref());
            if due > self.now && !operations.all(is_done) {
                // A look does nothing but take access: the same disable may be repeated meanwhile.
                let is_look = matches!(self.context.worker, Worker::Look(_));
                return Ok(if is_look && is_disable(unknown) {
                    Settled::Ready
                } else {
                    Settled::Wait(due)
                });
            }
        }
        let source = self.context.clocks().source;
        self.context
            .state(move |store| store.confirm(&job, key, &current, members.as_deref(), source))
            .await?;
        Ok(Settled::Ready)
    }

    /// A linked object that the target answers 404 for.
    async fn missing(&self, kind: ObjectKind, one: &Loaded, link: &Link) -> Result<Settled, Error> {
        let (job, key) = (self.context.job.rules.name.clone(), one.object.key);
        let operations = one.unknown.iter().flat_map(|unknown| &unknown.operations);
        let is_deleted = operations
            .clone()
            .any(|operation| matches!(operation, Operation::Delete { .. }));
        let keys: Vec<MatchKey> = operations
            .flat_map(|operation| gone::new_keys(self.context, kind, operation))
            .collect();
        let missing = Missing {
            kind,
            key,
            link,
            is_deleted,
        };
        match gone::look(self.context, missing, &keys).await {
            // By our own delete, whose answer was lost: that is no sign of another target.
            Ok(Whereabouts::Gone) if is_deleted => {
                self.context
                    .state(move |store| store.unlink(&job, key))
                    .await?;
                Ok(Settled::Ready)
            }
            Ok(Whereabouts::Gone) => {
                self.context.at_gone().await?;
                let cycle = self.context.cycle();
                self.context
                    .state(move |store| store.unlink_gone(&job, key, cycle))
                    .await?;
                Ok(Settled::Ready)
            }
            Ok(whereabouts) => {
                let words = whereabouts.words().unwrap_or_default();
                let words = format!("the target answers 404 for {}, {words}", link.target);
                Ok(Settled::Skip(Why::LookupFailed(words)))
            }
            Err(Error::Target(error)) if self.context.concerns_one_object(&error).await => {
                Ok(Settled::Skip(Why::LookupFailed(error.failure().message)))
            }
            Err(error) => Err(error),
        }
    }

    /// Objects that may have been created. What is found by the keys that were sent is theirs, because a
    /// look-up by these keys found nothing before the create was sent.
    async fn created(
        &self,
        kind: ObjectKind,
        created: &[(Key, &Unknown)],
        finder: &mut Finder<'_>,
    ) -> Result<BTreeMap<Key, Settled>, Error> {
        let keys: Vec<Vec<MatchKey>> = created.iter().map(|(_, unknown)| sent(unknown)).collect();
        let keys: Vec<&[MatchKey]> = keys.iter().map(Vec::as_slice).collect();
        let mut found = finder.look_up(&keys).await?;
        let is_due = |place: usize| self.settles_at(created[place].1) <= self.now;
        let absent: Vec<usize> = (0..found.len())
            .filter(|place| found[*place] == Found::None && is_due(*place))
            .collect();
        if !absent.is_empty() {
            let keys: Vec<&[MatchKey]> = absent.iter().map(|place| keys[*place]).collect();
            for (place, again) in absent.into_iter().zip(finder.look_again(&keys).await?) {
                found[place] = again;
            }
        }
        let mut settled = BTreeMap::new();
        for ((key, unknown), found) in created.iter().zip(found) {
            let (job, key) = (self.context.job.rules.name.clone(), *key);
            let state = match found {
                Found::One {
                    object,
                    linked_by: None,
                    ..
                } => {
                    self.link(kind, key, unknown, object).await?;
                    Settled::Ready
                }
                Found::Several { key, targets } => Settled::Skip(Why::Ambiguous { key, targets }),
                Found::Failed(words) => Settled::Skip(Why::LookupFailed(words)),
                Found::None | Found::One { .. } | Found::OldAddress { .. } => {
                    let due = self.settles_at(unknown);
                    if due > self.now {
                        Settled::Wait(due)
                    } else {
                        self.context
                            .state(move |store| store.settle_absent(&job, key))
                            .await?;
                        Settled::Ready
                    }
                }
            };
            settled.insert(key, state);
        }
        Ok(settled)
    }

    async fn link(
        &self,
        kind: ObjectKind,
        key: Key,
        unknown: &Unknown,
        object: TargetObject,
    ) -> Result<(), Error> {
        let job = self.context.job.rules.name.clone();
        let members = match object.members {
            Some(members) => self.context.linked(members).await?.0,
            None => Vec::new(),
        };
        let current = shown::as_sent(self.context, kind, object.attributes).await?;
        let target = object.id;
        let mut operations = unknown.operations.iter();
        let origin = if operations.any(|one| carries_our_id(one, &current)) {
            Origin::Created
        } else {
            Origin::Unproven
        };
        self.context
            .state(move |store| {
                store.link_created(&job, key, &target, (&current, &members), origin)
            })
            .await
    }
}

fn is_disable(unknown: &Unknown) -> bool {
    let mut operations = unknown.operations.iter();
    operations.all(|one| matches!(one, Operation::Disable { .. }))
}

/// The keys by which an object can be found that these writes may have made.
fn sent(unknown: &Unknown) -> Vec<MatchKey> {
    let mut keys: Vec<MatchKey> = Vec::new();
    for operation in &unknown.operations {
        let of_one: &[MatchKey] = match operation {
            Operation::Create { keys, .. } => keys,
            Operation::Adopt { key, .. } => std::slice::from_ref(key),
            Operation::Update { .. }
            | Operation::Enable { .. }
            | Operation::Disable { .. }
            | Operation::Delete { .. }
            | Operation::HandOver(_)
            | Operation::AddMembers { .. }
            | Operation::RemoveMembers { .. }
            | Operation::SetReference { .. } => &[],
        };
        for key in of_one {
            if !keys.contains(key) {
                keys.push(key.clone());
            }
        }
    }
    keys
}

/// Whether what was found is what a create made, as the externalId says that was sent with it.
pub(super) fn carries_our_id(operation: &Operation, current: &Held) -> bool {
    let Operation::Create { attributes, .. } = operation else {
        return false;
    };
    let mut ids = attributes
        .iter()
        .filter(|(path, _)| path.to_string() == "externalId");
    ids.any(|(path, id)| current.values.get(path) == Some(id))
}

/// Whether what was read shows that a write was carried out.
pub(super) fn is_done(operation: &Operation, current: &Held, members: Option<&[Key]>) -> bool {
    let shows = |change: &Change| current.values.get(&change.path) == change.new.as_ref();
    match operation {
        Operation::Update { changes }
        | Operation::Enable { changes }
        | Operation::Disable { changes, .. }
        | Operation::Adopt { changes, .. } => changes.iter().all(shows),
        Operation::HandOver(hand) => hand.disable.iter().all(shows),
        Operation::AddMembers { members: added } => members.is_some_and(|members| {
            let mut added = added.iter();
            added.all(|member| members.contains(&member.key))
        }),
        Operation::RemoveMembers {
            members: removed, ..
        } => members.is_some_and(|members| {
            let mut removed = removed.iter();
            removed.all(|member| !members.contains(&member.key))
        }),
        // Which account was created shows in its link alone.
        Operation::Create { .. } => true,
        Operation::Delete { .. } | Operation::SetReference { .. } => false,
    }
}

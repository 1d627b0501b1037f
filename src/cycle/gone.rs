//! Whether an object that the target answers 404 for is gone (safety.md §1): the object itself and a
//! search by every known key find nothing while the collection answers. A stale replica says 404 too.

use std::collections::BTreeMap;

use futures::StreamExt;

use super::index::Index;
use super::lookup;
use super::{Context, Error, absent};
use crate::engine::model::{Key, Link, MatchKey, ObjectKind, TargetId, TargetPath, Value};
use crate::engine::plan::{Change, Found, Operation};

/// Accounts that we disabled and that are read to know whether the target hides such accounts.
const DISABLED: usize = 5;

/// An object that a read by its id did not find.
#[derive(Clone, Copy)]
pub(super) struct Missing<'m> {
    pub(super) kind: ObjectKind,
    pub(super) key: Key,
    pub(super) link: &'m Link,
    /// A delete of ours was sent.
    pub(super) is_deleted: bool,
}

/// What looking for it gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whereabouts {
    Gone,
    /// A look-up finds it.
    There,
    /// We disabled it, and the target shows no account that we disabled.
    Hidden,
}

impl Whereabouts {
    /// What to say of an object that is not gone.
    pub(super) fn words(self) -> Option<&'static str> {
        match self {
            Self::Gone => None,
            Self::There => Some("but a look-up finds the object"),
            Self::Hidden => Some("and the target does not show accounts that were disabled"),
        }
    }
}

/// Searches for it by the keys that were last sent and by these.
pub(super) async fn look(
    context: &Context<'_>,
    missing: Missing<'_>,
    keys: &[MatchKey],
) -> Result<Whereabouts, Error> {
    let Missing {
        kind,
        key,
        link,
        is_deleted,
    } = missing;
    let mut known = sent_keys(context, kind, link);
    for key in keys {
        if !known.contains(key) {
            known.push(key.clone());
        }
    }
    let is_there = match search(context, kind, &known, &link.target).await? {
        Some(true) => true,
        // One empty answer is not enough.
        Some(false) => match absent::list(context, kind, &[&known]).await? {
            Some(list) => list.contains(&link.target),
            None => search(context, kind, &known, &link.target).await? == Some(true),
        },
        None => {
            let list = Index::whole(context, kind, &[&known]).await?;
            list.contains(&link.target)
        }
    };
    if is_there {
        return Ok(Whereabouts::There);
    }
    let is_disabled = link
        .sent
        .iter()
        .any(|(path, value)| path.is_active() && *value == Value::Boolean(false));
    if !is_disabled {
        return Ok(Whereabouts::Gone);
    }
    Ok(match hides_disabled(context, key).await? {
        Some(false) => Whereabouts::Gone,
        // That a delete did what it was sent for is more likely.
        None if is_deleted => Whereabouts::Gone,
        Some(true) | None => Whereabouts::Hidden,
    })
}

/// Whether a search by any of the keys finds the object. `None`: only the target's list can answer.
async fn search(
    context: &Context<'_>,
    kind: ObjectKind,
    keys: &[MatchKey],
    target: &TargetId,
) -> Result<Option<bool>, Error> {
    for key in keys {
        let key = std::slice::from_ref(key);
        match lookup::by_queries(context, kind, key, &[], &lookup::no_holder_gives_up).await {
            Ok(found) if is_among(&found, target) => return Ok(Some(true)),
            Ok(_) => {}
            Err(error) if error.is_filter_unsupported() => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some(false))
}

/// The keys by which the object can be found as it was last sent.
pub(super) fn sent_keys(context: &Context<'_>, kind: ObjectKind, link: &Link) -> Vec<MatchKey> {
    let mappings = context.job.rules.rules(kind).mappings.iter();
    mappings
        .filter(|mapping| mapping.matching.is_some())
        .filter_map(|mapping| {
            let value = link.sent.get(&mapping.target)?.clone();
            let path = mapping.target.clone();
            Some(MatchKey { path, value })
        })
        .collect()
}

/// The keys that a write gives the object.
pub(super) fn new_keys(
    context: &Context<'_>,
    kind: ObjectKind,
    operation: &Operation,
) -> Vec<MatchKey> {
    let changes: &[Change] = match operation {
        Operation::Update { changes }
        | Operation::Enable { changes }
        | Operation::Adopt { changes, .. }
        | Operation::Disable { changes, .. } => changes,
        Operation::HandOver(hand) => &hand.disable,
        Operation::Create { .. }
        | Operation::Delete { .. }
        | Operation::AddMembers { .. }
        | Operation::RemoveMembers { .. }
        | Operation::SetReference { .. } => &[],
    };
    let is_matched = |path: &TargetPath| {
        let mut mappings = context.job.rules.rules(kind).mappings.iter();
        mappings.any(|mapping| mapping.matching.is_some() && mapping.target == *path)
    };
    changes
        .iter()
        .filter(|change| is_matched(&change.path))
        .filter_map(|change| {
            let value = change.new.clone()?;
            let path = change.path.clone();
            Some(MatchKey { path, value })
        })
        .collect()
}

fn is_among(found: &Found, target: &TargetId) -> bool {
    match found {
        Found::One { object, .. } => object.id == *target,
        Found::Several { targets, .. } => targets.contains(target),
        Found::None | Found::OldAddress { .. } | Found::Failed(_) => false,
    }
}

/// Whether the target hides accounts that were disabled: none of a few others can be read. `None`: there is no
/// other.
async fn hides_disabled(context: &Context<'_>, except: Key) -> Result<Option<bool>, Error> {
    let hides = context.hides_disabled.get_or_try_init(async || {
        let job = context.job.rules.name.clone();
        let others = context
            .state(move |store| store.disabled(&job, except, DISABLED))
            .await?;
        let is_known = !others.is_empty();
        let mut reads = futures::stream::iter(others)
            .map(|target| async move {
                let reader = &context.reader;
                reader.read(ObjectKind::User, &target, &[], false).await
            })
            .buffer_unordered(DISABLED);
        while let Some(read) = reads.next().await {
            if matches!(read, Ok(Some(_))) {
                return Ok(Some(false));
            }
        }
        Ok::<_, Error>(is_known.then_some(true))
    });
    hides.await.copied()
}

/// Whether the object there is the one that was linked, as far as a matching attribute shows.
pub(super) fn agrees(
    context: &Context<'_>,
    kind: ObjectKind,
    link: &Link,
    shown: &BTreeMap<TargetPath, Value>,
) -> bool {
    let keys = sent_keys(context, kind, link);
    keys.iter()
        .any(|key| lookup::is_same(context, kind, &key.path, &key.value, shown.get(&key.path)))
}

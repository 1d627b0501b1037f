//! Looks for unlinked objects in the target, or for values that one may have, in the cheaper of two
//! ways: one filter query for each, or one pass over the target's list.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;

use super::{Context, Error};
use crate::engine::mapping::{self, Mappings};
use crate::engine::model::{MatchKey, ObjectKind, TargetObject, TargetPath, Value};
use crate::engine::plan::Found;
use crate::engine::summary::Progress;
use crate::scim;

/// Up to this many objects, their own queries are not worth comparing with a list.
const FEW: u64 = 5;

/// Looks for every `K` by its keys, in matching precedence: the first key with exactly one hit wins.
/// What is not in the answer was not found.
pub(super) async fn find<K: Clone + Ord>(
    context: &Context<'_>,
    kind: ObjectKind,
    wanted: &BTreeMap<K, Vec<MatchKey>>,
) -> Result<BTreeMap<K, Found>, Error> {
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let paths = paths(context, kind, wanted);
    let can_filter = wanted
        .values()
        .flatten()
        .all(|key| context.reader.can_filter(kind, &key.path));
    let queries = wanted.len() as u64;
    if can_filter
        && queries <= FEW
        && let Some(found) = one_by_one(context, kind, wanted, &paths).await?
    {
        return Ok(found);
    }
    let list = context.reader.first_page(kind, &paths).await?;
    // A list costs a request for each page; a query for each object costs at least one.
    if can_filter
        && list.pages_left() > queries
        && let Some(found) = one_by_one(context, kind, wanted, &paths).await?
    {
        return Ok(found);
    }
    by_list(context, list, kind, wanted, &paths, can_filter).await
}

/// Goes through the target's whole list, whatever a look-up said: some targets compare with case
/// where they should not, and answer that nobody is there.
pub(super) async fn in_whole_list<K: Clone + Ord>(
    context: &Context<'_>,
    kind: ObjectKind,
    wanted: &BTreeMap<K, Vec<MatchKey>>,
) -> Result<BTreeMap<K, Found>, Error> {
    let paths = paths(context, kind, wanted);
    let list = context.reader.first_page(kind, &paths).await?;
    by_list(context, list, kind, wanted, &paths, false).await
}

async fn by_list<K: Clone + Ord>(
    context: &Context<'_>,
    list: scim::Listing,
    kind: ObjectKind,
    wanted: &BTreeMap<K, Vec<MatchKey>>,
    paths: &[TargetPath],
    can_filter: bool,
) -> Result<BTreeMap<K, Found>, Error> {
    let mappings = &context.job.rules.rules(kind).mappings;
    let mut index = Index::new(mappings, wanted);
    match context
        .reader
        .read_on(list, |object| index.offer(&object))
        .await
    {
        Ok(_complete) => Ok(index.found(wanted)),
        Err(error @ scim::Error::ListIncomplete { .. }) if can_filter => {
            tracing::warn!(
                job = %context.job.rules.name, %kind, %error,
                "the target's list cannot be trusted: looking for each object by itself"
            );
            let found = one_by_one(context, kind, wanted, paths).await?;
            found.ok_or_else(|| error.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Every path whose current value the planner wants to see.
fn paths<K>(
    context: &Context<'_>,
    kind: ObjectKind,
    wanted: &BTreeMap<K, Vec<MatchKey>>,
) -> Vec<TargetPath> {
    let mappings = &context.job.rules.rules(kind).mappings;
    let mapped = mappings.iter().map(|mapping| mapping.target.clone());
    let keys = wanted.values().flatten().map(|key| key.path.clone());
    let paths: BTreeSet<TargetPath> = mapped.chain(keys).collect();
    paths
        .into_iter()
        .filter(|path| !path.is_members())
        .collect()
}

/// `None`: the target cannot answer such queries, so that only its list can tell.
async fn one_by_one<K: Clone + Ord>(
    context: &Context<'_>,
    kind: ObjectKind,
    wanted: &BTreeMap<K, Vec<MatchKey>>,
    paths: &[TargetPath],
) -> Result<Option<BTreeMap<K, Found>>, Error> {
    let total = wanted.len() as u64;
    let mut lookups = futures::stream::iter(
        wanted
            .iter()
            .map(|(id, keys)| async move { (id, by_queries(context, kind, keys, paths).await) }),
    )
    .buffer_unordered(context.job.target.concurrency);
    let mut found = BTreeMap::new();
    let mut done = 0;
    while let Some((id, answer)) = lookups.next().await {
        done += 1;
        context
            .progress
            .send_replace(Progress::Matching { done, total });
        match answer {
            Ok(Found::None) => {}
            Ok(answer) => {
                found.insert(id.clone(), answer);
            }
            Err(error) if error.is_filter_unsupported() => {
                let words = error.failure().message;
                tracing::info!(
                    job = %context.job.rules.name, %kind, words,
                    "the target cannot answer a look-up: reading its list instead"
                );
                return Ok(None);
            }
            // Nothing more will work, or a stop was asked for: the cycle ends here.
            Err(error) if error.is_stop() || error.stops_everything() => return Err(error.into()),
            Err(error) => {
                found.insert(id.clone(), Found::Failed(error.failure().message));
            }
        }
    }
    Ok(Some(found))
}

pub(super) async fn by_queries(
    context: &Context<'_>,
    kind: ObjectKind,
    keys: &[MatchKey],
    paths: &[TargetPath],
) -> Result<Found, scim::Error> {
    let hidden = context.redactions.hidden_in_keys(kind, keys);
    let reader = context.reader.hiding(hidden);
    let mappings = &context.job.rules.rules(kind).mappings;
    for key in keys {
        let Some(wanted) = searched(mappings, &key.path, &key.value) else {
            continue;
        };
        let is_wanted =
            |shown: &Value| searched(mappings, &key.path, shown).as_ref() == Some(&wanted);
        let hits = reader.find(kind, key, is_wanted, paths).await?;
        if let Some(found) = judge(key, hits) {
            return Ok(found);
        }
    }
    Ok(Found::None)
}

fn judge(key: &MatchKey, mut hits: Vec<TargetObject>) -> Option<Found> {
    let last = hits.pop()?;
    if hits.is_empty() {
        return Some(Found::One {
            key: key.clone(),
            object: last,
            linked_by: None,
        });
    }
    hits.push(last);
    Some(Found::Several {
        key: key.clone(),
        targets: hits.into_iter().map(|hit| hit.id).collect(),
    })
}

/// A path with a value that some object is looked for by.
type Searched = (TargetPath, Value);

/// The target objects that hold a wanted value, gathered while the list goes by.
struct Index<'a> {
    mappings: &'a Mappings,
    wanted: BTreeSet<Searched>,
    paths: BTreeSet<TargetPath>,
    hits: BTreeMap<Searched, Vec<TargetObject>>,
}

impl<'a> Index<'a> {
    fn new<K>(mappings: &'a Mappings, wanted: &BTreeMap<K, Vec<MatchKey>>) -> Self {
        let keys = wanted.values().flatten();
        let wanted: BTreeSet<_> = keys
            .filter_map(|key| searched(mappings, &key.path, &key.value))
            .collect();
        let paths = wanted.iter().map(|(path, _)| path.clone()).collect();
        Self {
            mappings,
            wanted,
            paths,
            hits: BTreeMap::new(),
        }
    }

    fn offer(&mut self, object: &TargetObject) {
        for path in &self.paths {
            let Some(value) = object.attributes.get(path) else {
                continue;
            };
            if let Some(key) = searched(self.mappings, path, value)
                && self.wanted.contains(&key)
            {
                let hits = self.hits.entry(key).or_default();
                if !hits.iter().any(|hit| hit.id == object.id) {
                    hits.push(object.clone());
                }
            }
        }
    }

    fn found<K: Clone + Ord>(&self, wanted: &BTreeMap<K, Vec<MatchKey>>) -> BTreeMap<K, Found> {
        let mut found = BTreeMap::new();
        for (id, keys) in wanted {
            let first = keys.iter().find_map(|key| {
                let key_searched = searched(self.mappings, &key.path, &key.value)?;
                judge(key, self.hits.get(&key_searched)?.clone())
            });
            if let Some(first) = first {
                found.insert(id.clone(), first);
            }
        }
        found
    }
}

/// The path with the value in the one form that what the mappings make and what the target shows have
/// in common; `None` for a value that carries nothing.
fn searched(mappings: &Mappings, path: &TargetPath, value: &Value) -> Option<Searched> {
    let value = mapping::searched(mappings, path, value.clone())?;
    Some((path.clone(), value))
}

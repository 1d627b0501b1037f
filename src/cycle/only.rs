//! The objects that a cycle is limited to (`sync --user`, `provision`).

use std::collections::{BTreeMap, BTreeSet};

use super::{Context, Error};
use crate::engine::model::{Key, ObjectKind, nearest};
use crate::store::Store;

/// Limits a cycle to some objects.
#[derive(Clone, Debug, Default)]
pub(crate) struct Only {
    /// By id, principal name, address or display name; of any kind where none is given.
    pub(crate) objects: Vec<(Option<ObjectKind>, String)>,
    /// With the members of the groups among them.
    pub(crate) with_members: bool,
}

impl Context<'_> {
    /// The objects that the cycle is limited to, as the state knows them by now; `None`: it is not limited.
    pub(super) async fn only(&self) -> Result<Option<BTreeMap<ObjectKind, Vec<Key>>>, Error> {
        let Some(only) = self.options.only.clone() else {
            return Ok(None);
        };
        let mut found: BTreeMap<ObjectKind, BTreeSet<Key>> = BTreeMap::new();
        for (kind, name) in only.objects {
            let (kind, key) = self.named(kind, name).await?;
            found.entry(kind).or_default().insert(key);
        }
        if only.with_members {
            let groups = found.get(&ObjectKind::Group).into_iter().flatten();
            let groups: Vec<Key> = groups.copied().collect();
            let job = self.job.rules.name.clone();
            let members = self
                .state(move |store| {
                    let mut members = Vec::new();
                    store.each_member(&job, &groups, |one| members.push((one.kind, one.key)))?;
                    Ok(members)
                })
                .await?;
            for (kind, key) in members {
                found.entry(kind).or_default().insert(key);
            }
        }
        let found = found.into_iter();
        let found = found.map(|(kind, keys)| (kind, keys.into_iter().collect()));
        Ok(Some(found.collect()))
    }

    /// Objects whose target object was there before, where such are never removed.
    pub(super) async fn found(&self) -> Result<BTreeSet<Key>, Error> {
        if !self.job.rules.safety.only_created {
            return Ok(BTreeSet::new());
        }
        let job = self.job.rules.name.clone();
        let found = self.state(move |store| store.adopted_links(&job)).await?;
        Ok(found.into_iter().collect())
    }

    /// Groups that keep so many members at least.
    pub(super) async fn min_members(&self) -> Result<BTreeMap<Key, u64>, Error> {
        let rules = &self.job.rules;
        let (wanted, job) = (rules.safety.min_members.clone(), rules.name.clone());
        self.state(move |store| {
            let mut groups = BTreeMap::new();
            for (name, least) in &wanted {
                for key in store.find_group_keys(&job, name)? {
                    groups.insert(key, *least);
                }
            }
            Ok(groups)
        })
        .await
    }

    pub(super) async fn named(
        &self,
        kind: Option<ObjectKind>,
        name: String,
    ) -> Result<(ObjectKind, Key), Error> {
        let kinds = kind.map_or_else(|| ObjectKind::ALL.to_vec(), |kind| vec![kind]);
        let wanted = (kinds.clone(), name.clone());
        let job = self.job.rules.name.clone();
        let found = self
            .state(move |store: &Store| {
                let (kinds, name) = wanted;
                let mut found = Vec::new();
                for kind in kinds {
                    found.extend(store.within(&job, store.find_any(kind, &name)?)?);
                }
                Ok(found)
            })
            .await?;
        match found.as_slice() {
            [one] => Ok((one.kind, one.key)),
            [] => {
                let names = self
                    .state(move |store: &Store| {
                        let mut names = Vec::new();
                        for kind in kinds {
                            names.extend(store.names_of(kind)?);
                        }
                        Ok(names)
                    })
                    .await?;
                let known = names.iter().map(String::as_str);
                Err(Error::NoSuchObject {
                    nearest: nearest(&name, known).map(str::to_owned),
                    kind,
                    name,
                })
            }
            [_, _, ..] => Err(Error::AmbiguousObject {
                kind,
                name,
                ids: found.into_iter().map(|object| object.id).collect(),
            }),
        }
    }
}

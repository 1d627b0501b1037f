//! Which names of a job's scope mean nothing in the tenant, or more than one object: as the state
//! knows it, and for Test Connection as the tenant has it now.

use std::collections::BTreeSet;

use super::tenant::Tenant;
use super::{Error, units};
use crate::engine::job::Job;
use crate::engine::model::{Key, ObjectKind, SourceId, SourceNumber};
use crate::engine::names::{self, Misnamed, Naming};
use crate::graph;
use crate::store::{self, Store, Stream, group_id};

/// The entries that do not name exactly one object in each of these sources, of which the state must hold complete
/// readings. An id names one object of one of them.
pub(super) fn misnamed(
    store: &Store,
    job: &Job,
    protected: &Protected,
    sources: &[SourceNumber],
) -> Result<Vec<Misnamed>, Error> {
    // Of objects that need not be in scope it is not known then whether they exist.
    let reads_all = !store.reads_in_scope_of(&job.name)?;
    let mut misnamed = protected.misnamed();
    misnamed.retain(|_| reads_all);
    for (list, name) in names::entries(job) {
        let one = match list {
            Naming::ScopeGroups | Naming::Provision | Naming::Filter(_) => {
                let mut found = Vec::new();
                for source in sources {
                    found.push(store.find_groups_in(*source, name)?);
                }
                ambiguous(name, found)
                    .map(|found| {
                        let known = if found.is_empty() {
                            store.names_of_groups(&job.name)?
                        } else {
                            Vec::new()
                        };
                        let known = known.iter().map(String::as_str);
                        Ok::<_, store::Error>(Misnamed::new(list, name, found, known))
                    })
                    .transpose()?
            }
            Naming::ScopeUnits => {
                let mut units = Vec::new();
                for source in sources {
                    let application = store.application(&job.name, *source)?;
                    units.push(application.map(|one| one.roles).unwrap_or_default());
                }
                let named = units.iter().map(|units| {
                    let units = units.iter().map(|unit| (&*unit.id, &*unit.display_name));
                    named_units(name, units)
                });
                ambiguous(name, named.collect()).map(|found| {
                    let known = units.iter().flatten().map(|unit| &*unit.display_name);
                    Misnamed::new(Naming::ScopeUnits, name, found, known)
                })
            }
            Naming::Exclude | Naming::MinMembers | Naming::Exceptions if !reads_all => None,
            Naming::Exclude => excluded(store, job, name)?,
            Naming::MinMembers => {
                let known = store.names_of_groups(&job.name)?;
                let known = known.iter().map(String::as_str);
                let is_there = !store.find_groups(&job.name, name)?.is_empty();
                (!is_there).then(|| Misnamed::new(list, name, Vec::new(), known))
            }
            Naming::Exceptions => no_exception(store, job, name)?,
            // Looked for together.
            Naming::NeverDisable => None,
        };
        misnamed.extend(one);
    }
    Ok(misnamed)
}

/// What the entries of `never_disable` mean.
pub(super) struct Protected {
    /// The objects that they name, which are never removed.
    pub(super) objects: BTreeSet<Key>,
    /// Entries that name none.
    unused: BTreeSet<String>,
}

impl Protected {
    pub(super) fn of(store: &Store, job: &Job) -> Result<Self, store::Error> {
        let safety = &job.safety;
        let mut objects = BTreeSet::new();
        let mut unused: BTreeSet<&String> = safety.never_disable.iter().collect();
        if !unused.is_empty() {
            let sources = store.sources_of(&job.name)?;
            for kind in ObjectKind::ALL {
                store.each_object(kind, |object| {
                    if !sources.contains(&object.source) {
                        return;
                    }
                    for entry in safety.protecting(&object) {
                        objects.insert(object.key);
                        unused.remove(entry);
                    }
                })?;
            }
        }
        let unused = unused.into_iter().cloned().collect();
        Ok(Self { objects, unused })
    }

    fn misnamed(&self) -> Vec<Misnamed> {
        let unused = self.unused.iter();
        let misnamed = unused.map(|name| Misnamed::new(Naming::NeverDisable, name, Vec::new(), []));
        misnamed.collect()
    }
}

/// What a name means in each source, where that is not one object in each; an id is one of one of them.
fn ambiguous(name: &str, found: Vec<Vec<SourceId>>) -> Option<Vec<SourceId>> {
    let is_clear = if group_id(name).is_some() {
        found.iter().map(Vec::len).sum::<usize>() == 1
    } else {
        found.iter().all(|one| one.len() == 1)
    };
    // Of those where it means one there is nothing to report.
    (!is_clear).then(|| {
        if found.iter().any(Vec::is_empty) {
            Vec::new()
        } else {
            found.into_iter().flatten().collect()
        }
    })
}

fn named_units<'u>(name: &str, units: impl Iterator<Item = (&'u str, &'u str)>) -> Vec<SourceId> {
    let found = units.filter(|(id, label)| units::is_meant(name, id, label));
    found.map(|(id, _)| SourceId::new(id)).collect()
}

/// The one unit of these that a name means, or else why it does not.
fn unit<'u>(
    name: &str,
    units: impl Iterator<Item = (&'u str, &'u str)> + Clone,
) -> Option<Misnamed> {
    let found = named_units(name, units.clone());
    let known = units.map(|(_, label)| label);
    (found.len() != 1).then(|| Misnamed::new(Naming::ScopeUnits, name, found, known))
}

/// Of those who are left out, only who is nowhere at all is reported. A person in the recycle bin is still
/// who was meant.
fn excluded(store: &Store, job: &Job, name: &str) -> Result<Option<Misnamed>, Error> {
    for kind in ObjectKind::ALL {
        let found = store.find_exactly(kind, name)?;
        if !store.within(&job.name, found)?.is_empty() {
            return Ok(None);
        }
    }
    Ok(Some(Misnamed::new(Naming::Exclude, name, Vec::new(), [])))
}

/// A group in the recycle bin is still the one that was meant.
fn no_exception(store: &Store, job: &Job, name: &str) -> Result<Option<Misnamed>, Error> {
    let found = store.find_exactly(ObjectKind::Group, name)?;
    if !store.within(&job.name, found)?.is_empty() {
        return Ok(None);
    }
    let known = store.names_of_groups(&job.name)?;
    let known = known.iter().map(String::as_str);
    Ok(Some(Misnamed::new(
        Naming::Exceptions,
        name,
        Vec::new(),
        known,
    )))
}

/// The same, asked of the tenant where groups are named. Who is left out is looked up in the state,
/// once it knows anybody: users are not read for a test.
pub(super) async fn misnamed_now(
    graph: &graph::Client,
    tenant: &Tenant,
    job: &Job,
) -> Result<Vec<Misnamed>, Error> {
    let (store, source) = (&*tenant.store, tenant.number);
    let entries = names::entries(job);
    let names = |list| entries.iter().any(|(one, _)| *one == list);
    let units = if names(Naming::ScopeUnits) {
        graph.fetch_units().await?
    } else {
        Vec::new()
    };
    let is_group = |list: &Naming| {
        !matches!(
            list,
            Naming::Exclude | Naming::ScopeUnits | Naming::NeverDisable
        )
    };
    let names_groups = entries.iter().any(|(list, _)| is_group(list));
    let groups = if names_groups {
        graph.fetch_groups().await?
    } else {
        Vec::new()
    };
    let stream = Stream {
        source,
        kind: ObjectKind::User,
    };
    let knows_people = store.knows_any(stream)? && !store.reads_in_scope(source)?;
    let mut misnamed = if knows_people {
        Protected::of(store, job)?.misnamed()
    } else {
        Vec::new()
    };
    for (list, name) in entries {
        match list {
            Naming::Exceptions if no_exception(store, job, name)?.is_none() => {}
            Naming::ScopeGroups
            | Naming::Provision
            | Naming::Filter(_)
            | Naming::MinMembers
            | Naming::Exceptions => {
                let is_meant = |(id, label): &&(String, String)| {
                    name.eq_ignore_ascii_case(id) || name.eq_ignore_ascii_case(label)
                };
                let found = groups.iter().filter(is_meant);
                let found: Vec<SourceId> = found.map(|(id, _)| SourceId::new(id)).collect();
                let means_one = !matches!(list, Naming::MinMembers | Naming::Exceptions);
                let are_too_many = found.len() > 1 && means_one;
                if found.is_empty() || are_too_many {
                    let known = groups.iter().map(|(_, label)| label.as_str());
                    misnamed.push(Misnamed::new(list, name, found, known));
                }
            }
            Naming::ScopeUnits => {
                let units = units.iter();
                misnamed.extend(unit(name, units.map(|unit| (&*unit.id, &*unit.name))));
            }
            Naming::Exclude if knows_people => misnamed.extend(excluded(store, job, name)?),
            Naming::Exclude | Naming::NeverDisable => {}
        }
    }
    Ok(misnamed)
}

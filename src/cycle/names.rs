//! Which names of a job's scope mean nothing in the tenant, or more than one object: as the state
//! knows it, and for Test Connection as the tenant has it now.

use super::Error;
use crate::engine::job::Job;
use crate::engine::model::{ObjectKind, SourceId};
use crate::engine::names::{self, Misnamed, Naming};
use crate::graph;
use crate::store::Store;

/// The entries that do not name exactly one object. The state must hold a complete reading.
pub(super) fn misnamed(store: &Store, job: &Job) -> Result<Vec<Misnamed>, Error> {
    let mut misnamed = Vec::new();
    for (list, name) in names::entries(job) {
        let one = match list {
            Naming::ScopeGroups | Naming::Provision | Naming::Filter(_) => {
                match store.find_groups(name)? {
                    found if found.len() == 1 => None,
                    found => {
                        let known = if found.is_empty() {
                            store.names_of_groups()?
                        } else {
                            Vec::new()
                        };
                        let known = known.iter().map(String::as_str);
                        Some(Misnamed::new(list, name, found, known))
                    }
                }
            }
            Naming::Exclude => excluded(store, name)?,
        };
        misnamed.extend(one);
    }
    Ok(misnamed)
}

/// Of those who are left out, only who is nowhere at all is told. Somebody in the recycle bin is still
/// who was meant.
fn excluded(store: &Store, name: &str) -> Result<Option<Misnamed>, Error> {
    for kind in ObjectKind::ALL {
        if !store.find_exactly(kind, name)?.is_empty() {
            return Ok(None);
        }
    }
    Ok(Some(Misnamed::new(Naming::Exclude, name, Vec::new(), [])))
}

/// The same, asked of the tenant where groups are named. Who is left out is looked up in the state,
/// once it knows anybody: users are not read for a test.
pub(super) async fn misnamed_now(
    graph: &graph::Client,
    store: &Store,
    job: &Job,
) -> Result<Vec<Misnamed>, Error> {
    let entries = names::entries(job);
    let names_groups = entries.iter().any(|(list, _)| *list != Naming::Exclude);
    let groups = if names_groups {
        graph.fetch_groups().await?
    } else {
        Vec::new()
    };
    let knows_people = store.knows_any(ObjectKind::User)?;
    let mut misnamed = Vec::new();
    for (list, name) in entries {
        match list {
            Naming::ScopeGroups | Naming::Provision | Naming::Filter(_) => {
                let is_meant = |(id, label): &&(String, String)| {
                    name.eq_ignore_ascii_case(id) || name.eq_ignore_ascii_case(label)
                };
                let found = groups.iter().filter(is_meant);
                let found: Vec<SourceId> = found.map(|(id, _)| SourceId::new(id)).collect();
                if found.len() != 1 {
                    let known = groups.iter().map(|(_, label)| label.as_str());
                    misnamed.push(Misnamed::new(list, name, found, known));
                }
            }
            Naming::Exclude if knows_people => misnamed.extend(excluded(store, name)?),
            Naming::Exclude => {}
        }
    }
    Ok(misnamed)
}

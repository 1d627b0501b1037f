//! What the source says of one object, on its own and with regard to each job: for a person who asks.

use std::collections::{BTreeMap, BTreeSet};

use super::Error;
use crate::config;
use crate::engine::model::{
    Assignment, Attributes, DEFAULT_ACCESS_ROLE, Key, ObjectKind, Presence, SourceChange,
    SourceNumber, SourceObject, source,
};
use crate::engine::plan::is_blocked;
use crate::graph;
use crate::report::source::{Application, Other, Role, Seen, State};

/// The properties to be read: the union of what the jobs need, because they share one reading. A job that is
/// not enabled may be named, and what was not read would look as if it were empty.
pub(super) fn selected(jobs: &[config::Job], kind: ObjectKind) -> Vec<String> {
    let names: BTreeSet<String> = jobs
        .iter()
        .flat_map(|job| config::select(&job.rules, kind))
        .collect();
    names.into_iter().collect()
}

/// The objects that a text means, as the tenant has them now.
pub(crate) async fn find(
    jobs: &[config::Job],
    graph: &graph::Client,
    text: &str,
) -> Result<Vec<SourceChange>, Error> {
    let found = graph.find_objects(text, |kind| selected(jobs, kind));
    Ok(found.await?)
}

/// What a snapshot for these jobs holds, with more attributes of users. An error says which is none.
pub(crate) fn wanted(
    jobs: &[config::Job],
    more: &[String],
) -> Result<graph::SnapshotWanted, String> {
    let mut wanted = graph::SnapshotWanted {
        users: selected(jobs, ObjectKind::User).into_iter().collect(),
        groups: selected(jobs, ObjectKind::Group).into_iter().collect(),
        ..graph::SnapshotWanted::default()
    };
    for name in more {
        let known = source::attribute(ObjectKind::User, name);
        let attribute = known.map_err(|error| format!("--attribute {name}: {error}"))?;
        wanted.users.extend(attribute.selects);
    }
    for job in jobs {
        if !wanted.applications.contains(&job.application) {
            wanted.applications.push(job.application.clone());
        }
        wanted.default_domain |= !config::calls_default_domain(&job.rules).is_empty();
        wanted.administrative_units |= super::units::reads_units(&job.rules);
        let attributes = config::custom_security_attributes(&job.rules);
        wanted.custom_security_attributes |= !attributes.is_empty();
    }
    Ok(wanted)
}

/// All that the source says of one object.
pub(crate) async fn show(
    jobs: &[config::Job],
    graph: &graph::Client,
    found: SourceChange,
) -> Result<Seen, Error> {
    let SourceChange {
        kind,
        id,
        presence,
        attributes: read,
        members: _,
    } = found;
    let is_present = presence == Presence::Present;
    let mut attributes = BTreeMap::new();
    for name in selected(jobs, kind) {
        // Relations; the id has a line of its own.
        if is_present && !matches!(name.as_str(), "id" | "manager" | "members") {
            attributes.insert(name.clone(), read.get(&name).cloned().flatten());
        }
    }
    let known = read.into_iter();
    let known = known.filter_map(|(name, value)| Some((name, value?)));
    let object = SourceObject {
        key: Key::default(),
        kind,
        source: SourceNumber::FIRST,
        id: id.clone(),
        presence,
        attributes: Attributes::new(known.collect()),
    };
    let mut seen = Seen {
        kind,
        id: id.clone(),
        label: object.label().to_owned(),
        state: match presence {
            Presence::Present if is_blocked(&object) => State::Blocked,
            Presence::Present => State::Present,
            Presence::SoftDeleted | Presence::Deleted | Presence::Missing => State::RecycleBin,
        },
        attributes: Vec::new(),
        manager: None,
        groups: Vec::new(),
        members: None,
        applications: Vec::new(),
        unread: Vec::new(),
        requests: 0,
    };
    if is_present {
        match kind {
            ObjectKind::User => match graph.manager_of(&id).await {
                Ok(manager) => seen.manager = manager.map(other),
                Err(error) => note(&mut seen, "the manager", &error)?,
            },
            ObjectKind::Group => match graph.members_count(&id).await {
                Ok(members) => seen.members = Some(members),
                Err(error) => note(&mut seen, "the members", &error)?,
            },
        }
        match graph.memberships_of(kind, &id).await {
            Ok(groups) => seen.groups = groups.into_iter().map(other).collect(),
            Err(error) => note(&mut seen, "the groups", &error)?,
        }
        let wanted = jobs
            .iter()
            .flat_map(|job| config::custom_security_attributes(&job.rules));
        let wanted: BTreeSet<_> = wanted.collect();
        if kind == ObjectKind::User && !wanted.is_empty() {
            match graph.custom_security_attributes_of(&id, &wanted).await {
                Ok(mut values) => {
                    for name in wanted {
                        let value = values.remove(&name);
                        attributes.insert(name.to_string(), value);
                    }
                }
                Err(error) => note(&mut seen, "the custom security attributes", &error)?,
            }
        }
        applications(jobs, graph, &mut seen).await?;
    }
    seen.attributes = attributes.into_iter().collect();
    seen.requests = graph.requests();
    Ok(seen)
}

/// The roles that the object holds in the application of each job.
async fn applications(
    jobs: &[config::Job],
    graph: &graph::Client,
    seen: &mut Seen,
) -> Result<(), Error> {
    let mut known: BTreeMap<String, Vec<Assignment>> = BTreeMap::new();
    for job in jobs {
        let name = &job.rules.name;
        let application = match graph.find_application(&job.application).await {
            Ok(application) => application,
            Err(error) => {
                note(seen, &format!("the application of {name}"), &error)?;
                continue;
            }
        };
        if !known.contains_key(&application.id) {
            match graph.fetch_assignments(&application.id).await {
                Ok(read) => {
                    known.insert(application.id.clone(), read.get().clone());
                }
                Err(partial) => {
                    note(seen, &format!("the assignments of {name}"), &partial.error)?;
                    continue;
                }
            }
        }
        let roles = known[&application.id]
            .iter()
            .filter_map(|one| role(one, &application, seen));
        let roles = roles.collect();
        seen.applications.push(Application {
            job: name.clone(),
            name: application.display_name,
            roles,
        });
    }
    Ok(())
}

/// What could not be read is shown next to what could.
fn note(seen: &mut Seen, what: &str, error: &graph::Error) -> Result<(), Error> {
    if matches!(error, graph::Error::Stopped) {
        return Err(Error::Stopped);
    }
    let words = Error::chain_of(error);
    seen.unread.push((what.to_owned(), words));
    Ok(())
}

/// A role that the object holds by itself or by a group of which it is a direct member.
fn role(
    assignment: &Assignment,
    application: &graph::ServicePrincipal,
    seen: &Seen,
) -> Option<Role> {
    let group = if assignment.principal == seen.id {
        None
    } else {
        let mut groups = seen.groups.iter();
        let group = groups.find(|group| group.id == assignment.principal)?;
        Some(Other {
            id: group.id.clone(),
            name: group.name.clone(),
        })
    };
    let mut roles = application.roles.iter();
    let name = match roles.find(|role| role.id == assignment.role) {
        Some(role) => role.value_or_name().to_owned(),
        None if assignment.role == DEFAULT_ACCESS_ROLE => "Default Access".to_owned(),
        None => assignment.role.clone(),
    };
    Some(Role { name, group })
}

fn other(named: graph::Named) -> Other {
    let graph::Named { id, name } = named;
    Other { id, name }
}

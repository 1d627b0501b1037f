//! A reading of a tenant in a file: made of what Graph answers to the first round of each query, and read
//! in place of the tenant. Objects stand in it as the delta queries report them.

mod answers;
mod pseudonyms;
mod several;
mod take;
mod what_if;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use chrono::{DateTime, Utc};

use super::application::ServicePrincipal;
use super::delta::source_id;
use super::units::Unit;
use super::wire::Entry;
use crate::engine::model::{Assignment, ObjectKind, SourceId};

pub(crate) use several::{Snapshots, write as write_snapshots};
pub(crate) use take::Wanted as SnapshotWanted;
pub(crate) use what_if::Supposed;
pub(crate) use wire::Taken;

/// What a file must say to be read.
const FORMAT: u64 = 1;
/// The same of a file with several tenants, in which each has the form of a file of its own.
const FORMAT_OF_SEVERAL: u64 = 2;

/// A snapshot, ready to be read from.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) about: About,
    selected: [Vec<String>; 2],
    users: Vec<Entry>,
    groups: Vec<Entry>,
    applications: Vec<(ServicePrincipal, Vec<Assignment>)>,
    default_domain: Option<String>,
    /// With their members; `None`: they were not read.
    units: Option<Vec<(Unit, Vec<Assignment>)>>,
    /// `None`: they were not read.
    custom_security: Option<Vec<super::wire::CustomSecurityEntry>>,
    /// Whether the recycle bin was read, of users and of groups.
    bins: [bool; 2],
    present: [BTreeSet<SourceId>; 2],
    removed: BTreeSet<SourceId>,
    /// The members of each group.
    members: BTreeMap<SourceId, BTreeSet<(ObjectKind, SourceId)>>,
}

/// Where a snapshot comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) made: DateTime<Utc>,
    pub(crate) tenant: String,
    pub(crate) redacted: bool,
}

/// Why a file cannot stand in for the tenant.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    #[error("it cannot be read")]
    Read(#[source] io::Error),
    #[error("it is truncated (line {line}, column {column})")]
    Cut { line: usize, column: usize },
    #[error("it is not JSON (line {line}, column {column})")]
    NotJson { line: usize, column: usize },
    #[error("it is not a snapshot: it has no \"snapshot\"; make one with entrain source snapshot")]
    NoSnapshot,
    #[error(
        "it has version {found}, but this version of entrain reads versions {FORMAT} and {FORMAT_OF_SEVERAL}; make a new one"
    )]
    Version { found: u64 },
    #[error("it is damaged: {0}")]
    Damaged(String),
    #[error("it is from the tenant {found}, but the configuration has the tenant {configured}")]
    Tenant { found: String, configured: String },
}

fn place(kind: ObjectKind) -> usize {
    match kind {
        ObjectKind::User => 0,
        ObjectKind::Group => 1,
    }
}

impl Snapshot {
    fn of(document: wire::Document) -> Result<Self, SnapshotError> {
        let wire::Document {
            made,
            tenant,
            redacted,
            selected,
            recycle_bin,
            default_domain,
            administrative_units,
            applications,
            users,
            groups,
            custom_security_attributes,
        } = document;
        let made = DateTime::parse_from_rfc3339(&made)
            .map_err(|_| SnapshotError::Damaged("\"made\" is not a time".to_owned()))?
            .to_utc();
        let mut snapshot = Self {
            about: About {
                made,
                tenant,
                redacted,
            },
            selected: [selected.users, selected.groups],
            users,
            groups,
            applications: applications
                .into_iter()
                .map(wire::Application::read)
                .collect(),
            default_domain,
            units: administrative_units
                .map(|units| units.into_iter().map(wire::UnitEntry::read).collect()),
            custom_security: custom_security_attributes,
            bins: [recycle_bin.users, recycle_bin.groups],
            present: Default::default(),
            removed: BTreeSet::new(),
            members: BTreeMap::new(),
        };
        snapshot.index()?;
        Ok(snapshot)
    }

    /// What the reads of single objects are answered from.
    fn index(&mut self) -> Result<(), SnapshotError> {
        for kind in ObjectKind::ALL {
            let entries = match kind {
                ObjectKind::User => &self.users,
                ObjectKind::Group => &self.groups,
            };
            for entry in entries {
                let change = super::delta::change(kind, entry.clone())
                    .map_err(|error| SnapshotError::Damaged(error.to_string()))?;
                let id = source_id(&entry.id);
                if entry.removed.is_some() {
                    self.present[place(kind)].remove(&id);
                    self.removed.insert(id);
                    continue;
                }
                let members = self.members.entry(id.clone()).or_default();
                for member in change.members {
                    let one = (member.kind, member.id);
                    if member.removed {
                        members.remove(&one);
                    } else {
                        members.insert(one);
                    }
                }
                self.removed.remove(&id);
                self.present[place(kind)].insert(id);
            }
        }
        Ok(())
    }
}

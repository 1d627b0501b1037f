//! The file: one JSON document with one object of the tenant in each line.

use std::io::{self, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::{FORMAT, FORMAT_OF_SEVERAL, SnapshotError};
use crate::engine::model::{AppRole, Assignment, ObjectKind};
use crate::graph::application::ServicePrincipal;
use crate::graph::delta::source_id;
use crate::graph::units::Unit;
use crate::graph::wire::{CustomSecurityEntry, Entry};

#[derive(Debug, Deserialize)]
pub(super) struct Document {
    pub(super) made: String,
    pub(super) tenant: String,
    pub(super) redacted: bool,
    pub(super) selected: ByKind<Vec<String>>,
    pub(super) recycle_bin: ByKind<bool>,
    pub(super) default_domain: Option<String>,
    #[serde(default)]
    pub(super) administrative_units: Option<Vec<UnitEntry>>,
    pub(super) applications: Vec<Application>,
    pub(super) users: Vec<Entry>,
    pub(super) groups: Vec<Entry>,
    pub(super) custom_security_attributes: Option<Vec<CustomSecurityEntry>>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct ByKind<T> {
    pub(super) users: T,
    pub(super) groups: T,
}

#[derive(Debug, Deserialize)]
pub(super) struct Application {
    id: String,
    app_id: String,
    display_name: String,
    account_enabled: bool,
    roles: Vec<Role>,
    assignments: Vec<Assigned>,
}

#[derive(Debug, Deserialize)]
struct Role {
    id: String,
    value: Option<String>,
    display_name: String,
}

#[derive(Debug, Deserialize)]
struct Assigned {
    kind: Kind,
    id: String,
    role: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    User,
    Group,
}

impl From<Kind> for ObjectKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::User => Self::User,
            Kind::Group => Self::Group,
        }
    }
}

impl Application {
    pub(super) fn read(self) -> (ServicePrincipal, Vec<Assignment>) {
        let Self {
            id,
            app_id,
            display_name,
            account_enabled,
            roles,
            assignments,
        } = self;
        let roles = roles.into_iter().map(|role| AppRole {
            id: role.id,
            value: role.value,
            display_name: role.display_name,
        });
        let assignments = assignments.into_iter().map(|one| Assignment {
            kind: one.kind.into(),
            principal: source_id(&one.id),
            role: one.role,
        });
        let application = ServicePrincipal {
            id,
            app_id,
            display_name,
            account_enabled,
            roles: roles.collect(),
        };
        (application, assignments.collect())
    }
}

/// An administrative unit with its members.
#[derive(Debug, Deserialize)]
pub(super) struct UnitEntry {
    id: String,
    display_name: String,
    members: Vec<UnitMember>,
}

#[derive(Debug, Deserialize)]
struct UnitMember {
    kind: Kind,
    id: String,
}

impl UnitEntry {
    pub(super) fn read(self) -> (Unit, Vec<Assignment>) {
        let Self {
            id,
            display_name,
            members,
        } = self;
        let members = members.into_iter().map(|one| Assignment {
            kind: one.kind.into(),
            principal: source_id(&one.id),
            role: id.clone(),
        });
        let members = members.collect();
        let unit = Unit {
            id,
            name: display_name,
            is_hidden: false,
        };
        (unit, members)
    }
}

/// The version first, because all else may differ in another.
#[derive(Deserialize)]
struct Version {
    snapshot: Option<u64>,
}

#[derive(Deserialize)]
struct Several {
    tenants: Vec<Document>,
}

/// The snapshots of a file, at least one.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Document>, SnapshotError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let version: Version = serde_json::from_slice(bytes).map_err(|error| not_json(&error))?;
    match version.snapshot {
        None => Err(SnapshotError::NoSnapshot),
        Some(FORMAT) => {
            let one = serde_json::from_slice(bytes).map_err(|error| damaged(&error))?;
            Ok(vec![one])
        }
        Some(FORMAT_OF_SEVERAL) => {
            let Several { tenants } =
                serde_json::from_slice(bytes).map_err(|error| damaged(&error))?;
            if tenants.is_empty() {
                return Err(SnapshotError::Damaged("it has no tenant".to_owned()));
            }
            Ok(tenants)
        }
        Some(found) => Err(SnapshotError::Version { found }),
    }
}

fn damaged(error: &serde_json::Error) -> SnapshotError {
    SnapshotError::Damaged(place_of(error))
}

fn not_json(error: &serde_json::Error) -> SnapshotError {
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        serde_json::error::Category::Eof => SnapshotError::Cut { line, column },
        serde_json::error::Category::Data => SnapshotError::NoSnapshot,
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => {
            SnapshotError::NotJson { line, column }
        }
    }
}

/// Serde's own words quote the data of a value that has the wrong type.
fn place_of(error: &serde_json::Error) -> String {
    let words = error.to_string();
    let what = if words.starts_with("missing field") {
        words
    } else {
        format!(
            "a value of another type than expected (line {}, column {})",
            error.line(),
            error.column()
        )
    };
    crate::http::redact(&what)
}

/// What was read of a tenant, as it is written.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(super) made: DateTime<Utc>,
    pub(super) tenant: String,
    pub(super) redacted: bool,
    pub(super) selected: ByKind<Vec<String>>,
    pub(super) recycle_bin: ByKind<bool>,
    pub(super) default_domain: Option<String>,
    pub(super) administrative_units: Option<Vec<(Unit, Vec<Assignment>)>>,
    pub(super) applications: Vec<(ServicePrincipal, Vec<Assignment>)>,
    pub(super) users: Vec<Map<String, Json>>,
    pub(super) groups: Vec<Map<String, Json>>,
    pub(super) custom_security_attributes: Option<Vec<Map<String, Json>>>,
}

impl Taken {
    /// How many users and groups are in it, deleted ones included.
    pub(crate) fn sizes(&self) -> (usize, usize) {
        (self.users.len(), self.groups.len())
    }

    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self {
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
        } = self;
        let head = [
            ("snapshot", json!(FORMAT)),
            (
                "made",
                json!(made.to_rfc3339_opts(SecondsFormat::Secs, true)),
            ),
            ("entrain", json!(env!("CARGO_PKG_VERSION"))),
            ("tenant", json!(tenant)),
            ("redacted", json!(redacted)),
            (
                "selected",
                json!({ "users": selected.users, "groups": selected.groups }),
            ),
            (
                "recycle_bin",
                json!({ "users": recycle_bin.users, "groups": recycle_bin.groups }),
            ),
            ("default_domain", json!(default_domain)),
        ];
        for (place, (name, value)) in head.iter().enumerate() {
            let start = if place == 0 { "{" } else { ",\n" };
            write!(out, "{start}\"{name}\":{value}")?;
        }
        match administrative_units {
            Some(units) => {
                let units: Vec<Json> = units.iter().map(unit).collect();
                list(out, "administrative_units", &units)?;
            }
            None => write!(out, ",\n\"administrative_units\":null")?,
        }
        let applications: Vec<Json> = applications.iter().map(application).collect();
        list(out, "applications", &applications)?;
        list(out, "users", users)?;
        list(out, "groups", groups)?;
        match custom_security_attributes {
            Some(entries) => list(out, "custom_security_attributes", entries)?,
            None => write!(out, ",\n\"custom_security_attributes\":null")?,
        }
        writeln!(out, "}}")
    }
}

fn list(out: &mut dyn Write, name: &str, entries: &[impl serde::Serialize]) -> io::Result<()> {
    write!(out, ",\n\"{name}\":[")?;
    for (place, entry) in entries.iter().enumerate() {
        out.write_all(if place == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, entry)?;
    }
    out.write_all(b"]")
}

fn unit((unit, members): &(Unit, Vec<Assignment>)) -> Json {
    let members = members.iter();
    let members = members.map(|one| json!({"kind": one.kind.word(), "id": one.principal.as_str()}));
    json!({ "id": unit.id, "display_name": unit.name, "members": members.collect::<Vec<_>>() })
}

fn application(one: &(ServicePrincipal, Vec<Assignment>)) -> Json {
    let (
        ServicePrincipal {
            id,
            app_id,
            display_name,
            account_enabled,
            roles,
        },
        assignments,
    ) = one;
    let roles = roles
        .iter()
        .map(|role| json!({"id": role.id, "value": role.value, "display_name": role.display_name}));
    let assignments = assignments.iter();
    let assignments = assignments.map(
        |one| json!({"kind": one.kind.word(), "id": one.principal.as_str(), "role": one.role}),
    );
    json!({
        "id": id, "app_id": app_id, "display_name": display_name, "account_enabled": account_enabled,
        "roles": roles.collect::<Vec<_>>(), "assignments": assignments.collect::<Vec<_>>(),
    })
}

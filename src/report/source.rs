//! What the source says of one user or group, as entrain sees it.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Map, Value as Json, json};

use super::command::{argument, command};
use super::json::{FORMAT, value_json};
use super::sentence::{clean, count, optional, things};
use super::text::Style;
use super::view::Names;
use crate::engine::model::{JobName, ObjectKind, SourceId, Value};
use crate::engine::plan::Count;

pub(crate) struct Seen {
    pub(crate) kind: ObjectKind,
    pub(crate) id: SourceId,
    /// Principal name or display name.
    pub(crate) label: String,
    pub(crate) state: State,
    /// Those that a job reads; `None` where the object has no value.
    pub(crate) attributes: Vec<(String, Option<Value>)>,
    pub(crate) manager: Option<Other>,
    /// The groups of which it is a direct member.
    pub(crate) groups: Vec<Other>,
    /// Of a group.
    pub(crate) members: Option<Count>,
    pub(crate) applications: Vec<Application>,
    /// What could not be read, and why.
    pub(crate) unread: Vec<(String, String)>,
    pub(crate) requests: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Present,
    /// Present, and blocked from signing in.
    Blocked,
    RecycleBin,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Blocked => "blocked",
            Self::RecycleBin => "recycle-bin",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::Present => "present in the tenant",
            Self::Blocked => "present in the tenant, sign-in is blocked",
            Self::RecycleBin => "in the tenant's recycle bin",
        }
    }
}

/// Another object of the tenant.
pub(crate) struct Other {
    pub(crate) id: SourceId,
    pub(crate) name: String,
}

/// The application of a job, with the roles that the object holds in it.
pub(crate) struct Application {
    pub(crate) job: JobName,
    pub(crate) name: String,
    pub(crate) roles: Vec<Role>,
}

pub(crate) struct Role {
    pub(crate) name: String,
    /// The assigned group that the object is in; `None`: it is assigned itself.
    pub(crate) group: Option<Other>,
}

pub(crate) fn text(out: &mut dyn Write, seen: &Seen, style: Style) -> io::Result<()> {
    let Seen {
        kind,
        id,
        label,
        state,
        attributes,
        manager,
        groups,
        members,
        applications,
        unread,
        requests,
    } = seen;
    let heading = format!("{} {}", super::sentence::capital(kind.word()), clean(label));
    writeln!(out, "{}", style.bold(&heading))?;
    writeln!(out, "  id {}, {}", clean(id.as_str()), state.sentence())?;
    if let Some(manager) = manager {
        writeln!(out, "  manager {}", other_text(manager))?;
    }
    if let Some(members) = members {
        writeln!(out, "  direct members: {}", count(*members))?;
    }
    if !attributes.is_empty() {
        writeln!(out, "\n{}", style.bold("Attributes that the jobs read"))?;
        let width = attributes.iter().map(|(name, _)| name.chars().count());
        let width = width.max().unwrap_or(0);
        for (name, value) in attributes {
            let value = optional(value.as_ref(), Names::Numbered(&|_| None));
            writeln!(out, "  {:width$}  {value}", clean(name))?;
        }
    }
    if *state != State::RecycleBin {
        let heading = format!("Member of {}", things(groups.len() as u64, "group"));
        writeln!(out, "\n{}", style.bold(&heading))?;
        for group in groups {
            writeln!(out, "  {}", other_text(group))?;
        }
        writeln!(out, "\n{}", style.bold("Assignments"))?;
        for Application { job, name, roles } in applications {
            let place = format!("{} ({})", clean(job.as_str()), clean(name));
            if roles.is_empty() {
                writeln!(out, "  {place}: none")?;
            }
            for Role { name, group } in roles {
                let way = match group {
                    None => "directly".to_owned(),
                    Some(group) => format!("through {}", other_text(group)),
                };
                writeln!(out, "  {place}: {}, {way}", clean(name))?;
            }
        }
    }
    if !unread.is_empty() {
        writeln!(out, "\n{}", style.bold("Not read"))?;
        for (what, why) in unread {
            writeln!(out, "  {what}: {}", clean(why))?;
        }
    }
    writeln!(out, "\n{} to the source.", things(*requests, "request"))
}

fn other_text(other: &Other) -> String {
    format!("{} ({})", clean(&other.name), clean(other.id.as_str()))
}

pub(crate) fn json(out: &mut dyn Write, seen: &Seen) -> io::Result<()> {
    let Seen {
        kind,
        id,
        label,
        state,
        attributes,
        manager,
        groups,
        members,
        applications,
        unread,
        requests,
    } = seen;
    let attributes: Map<String, Json> = attributes
        .iter()
        .map(|(name, value)| (name.clone(), json!(value.as_ref().map(value_json))))
        .collect();
    let members = members.map(|Count { users, groups }| json!({"users": users, "groups": groups}));
    let applications = applications.iter().map(|Application { job, name, roles }| {
        let roles = roles.iter();
        let roles = roles.map(
            |Role { name, group }| json!({ "role": name, "group": group.as_ref().map(other_json) }),
        );
        let roles: Vec<Json> = roles.collect();
        json!({ "job": job.as_str(), "application": name, "roles": roles })
    });
    let applications: Vec<Json> = applications.collect();
    let unread = unread.iter();
    let unread = unread.map(|(what, why)| json!({ "what": what, "why": why }));
    let unread: Vec<Json> = unread.collect();
    let document = json!({
        "format": FORMAT,
        "kind": kind.word(),
        "id": id.as_str(),
        "label": label,
        "state": state.as_str(),
        "attributes": attributes,
        "manager": manager.as_ref().map(other_json),
        "groups": groups.iter().map(other_json).collect::<Vec<_>>(),
        "members": members,
        "applications": applications,
        "not_read": unread,
        "requests": requests,
    });
    writeln!(out, "{document}")
}

fn other_json(other: &Other) -> Json {
    json!({ "id": other.id.as_str(), "name": other.name })
}

/// What was saved, in a sentence for people.
pub(crate) fn snapshot_taken(
    file: &str,
    tenants: usize,
    sizes: (usize, usize),
    redacted: bool,
) -> String {
    let (users, groups) = sizes;
    let of = match tenants {
        0 | 1 => String::new(),
        several => format!(" of {several} tenants"),
    };
    let redacted = if redacted {
        ", with pseudonyms for the values of users"
    } else {
        ""
    };
    format!(
        "Wrote a snapshot of {} and {}{of} to {}{redacted}.\nTo plan from it: {}",
        things(users as u64, "user"),
        things(groups as u64, "group"),
        clean(file),
        command(&format!("plan --source {}", argument(Path::new(file))))
    )
}

pub(crate) fn snapshot_json(
    file: &str,
    tenants: &[&str],
    sizes: (usize, usize),
    redacted: bool,
    requests: u64,
) -> Json {
    let (users, groups) = sizes;
    json!({
        "format": FORMAT, "written": file, "tenants": tenants, "users": users, "groups": groups,
        "redacted": redacted, "requests": requests,
    })
}

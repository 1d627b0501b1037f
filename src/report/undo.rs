//! What a cycle or one change of it did, the former values, and what brings them back. Nothing is written.

use std::io::{self, Write};

use serde_json::{Value as Json, json};

use super::command::command;
use super::json::{FORMAT, subject_json, time_json, value_json};
use super::sentence::{clean, optional, subject_text, things, why_removed};
use super::text::Style;
use super::view::Names;
use crate::engine::model::{ObjectKind, TargetId};
use crate::engine::plan::{WhyOut, WhyRemoved};
use crate::engine::record::{LogEntry, LoggedChange, Reason};

/// Where a target attribute comes from, as the configuration says: `the attribute jobTitle`.
pub(crate) type Sources<'s> = dyn Fn(&LogEntry, &str) -> Option<String> + 's;

pub(crate) fn text(
    out: &mut dyn Write,
    entries: &[LogEntry],
    sources: &Sources<'_>,
    names: Names<'_>,
    style: Style,
) -> io::Result<()> {
    for entry in entries {
        let subject = entry.subject.as_ref().map(subject_text).unwrap_or_default();
        let target = entry.target.as_ref();
        let target = target.map(|id| format!(" ({})", clean(id.as_str())));
        writeln!(
            out,
            "{} {}",
            style.bold(&format!(
                "{} {subject}{}",
                entry.action,
                target.unwrap_or_default()
            )),
            format_args!("change {}/{}", entry.cycle, entry.id),
        )?;
        if let Some(Reason::Removed(why)) = &entry.reason {
            let kind = entry
                .subject
                .as_ref()
                .map_or(ObjectKind::User, |one| one.kind);
            writeln!(out, "  because {}", why_removed(why, kind))?;
        }
        for change in &entry.changes {
            let LoggedChange {
                attribute,
                before,
                after,
                why: _,
                more: _,
            } = change;
            writeln!(
                out,
                "  {} was {}, now {}",
                clean(attribute),
                optional(before.as_ref(), names),
                optional(after.as_ref(), names)
            )?;
        }
        for remedy in remedies(entry, sources) {
            writeln!(out, "  To undo it: {}", clean(&remedy))?;
        }
    }
    let count = things(entries.len() as u64, "change");
    writeln!(out, "{count}; nothing was written.")
}

pub(crate) fn json(
    out: &mut dyn Write,
    entries: &[LogEntry],
    sources: &Sources<'_>,
) -> io::Result<()> {
    let changes = entries.iter().map(|entry| {
        let former = entry.changes.iter().map(|change| {
            json!({
                "attribute": change.attribute,
                "former": change.before.as_ref().map(value_json),
                "now": change.after.as_ref().map(value_json),
            })
        });
        json!({
            "change": entry.id,
            "cycle": entry.cycle,
            "job": entry.job.as_str(),
            "time": time_json(entry.at),
            "action": entry.action,
            "subject": entry.subject.as_ref().map(subject_json),
            "target": entry.target.as_ref().map(TargetId::as_str),
            "values": former.collect::<Json>(),
            "remedies": remedies(entry, sources),
        })
    });
    let document = json!({ "format": FORMAT, "changes": changes.collect::<Json>() });
    writeln!(out, "{document}")
}

/// Which change in Entra, the configuration or the links brings the former state back.
fn remedies(entry: &LogEntry, sources: &Sources<'_>) -> Vec<String> {
    let job = entry.job.as_str();
    let id = entry
        .subject
        .as_ref()
        .map_or("OBJECT", |one| one.id.as_str());
    let removed = match &entry.reason {
        Some(Reason::Removed(why)) => Some(back_into_scope(why)),
        Some(Reason::Skipped(_) | Reason::Left(_) | Reason::LeftEach | Reason::Member) | None => {
            None
        }
    };
    match entry.action.as_str() {
        "create" => vec![
            "remove in Entra what brings it into scope (entrain explain shows it); it is then disabled \
             or deleted, as configured in the job"
                .to_owned(),
        ],
        "adopt" => {
            let mut remedies = of_attributes(entry, sources);
            remedies.push(format!(
                "to release the account, which the next cycle matches again: {}",
                command(&format!("links unlink {job} {id}"))
            ));
            remedies
        }
        "update" | "enable" => of_attributes(entry, sources),
        "disable" => removed.into_iter().collect(),
        "delete" => {
            let mut remedies: Vec<String> = removed.into_iter().collect();
            remedies.push(
                "the account itself cannot be restored: a new one is created, with another id".to_owned(),
            );
            remedies
        }
        "hand-over" => vec![format!(
            "to give the account to another user: {}",
            command(&format!(
                "links relink {job} OBJECT {}",
                entry.target.as_ref().map_or("TARGET_ID", |id| id.as_str())
            ))
        )],
        "add-members" => vec![
            "remove the members from the group in Entra, or change its membership rule"
                .to_owned(),
        ],
        "remove-members" => vec![
            "nothing, if the members left because their users lost access: they come back with it. Otherwise \
             add them to the group in Entra; to see what is missing: entrain explain"
                .to_owned(),
        ],
        "set-reference" => vec!["restore the manager in Entra".to_owned()],
        _ => Vec::new(),
    }
}

fn of_attributes(entry: &LogEntry, sources: &Sources<'_>) -> Vec<String> {
    let changes = entry.changes.iter();
    let remedies = changes.map(|change| match sources(entry, &change.attribute) {
        Some(source) => format!("{}: restore {source}", change.attribute),
        None => format!("{}: no mapping writes it any more", change.attribute),
    });
    remedies.collect()
}

fn back_into_scope(why: &WhyRemoved) -> String {
    let words = match why {
        WhyRemoved::Blocked => "enable the sign-in in Entra",
        WhyRemoved::Mapping => "change the attributes that the mapping of active reads",
        WhyRemoved::SoftDeleted => "restore it from Entra's recycle bin, within 30 days",
        WhyRemoved::Deleted => {
            "it is permanently deleted in Entra; a new user there gets a new account"
        }
        WhyRemoved::Missing => {
            "check whether it still exists in Entra; a complete read did not contain it"
        }
        WhyRemoved::OutOfScope(out) => match out {
            WhyOut::NotAssigned => {
                "assign it to the application again, directly or through a group"
            }
            WhyOut::NotInUnit => "add it to one of the administrative units of the scope",
            WhyOut::NotSecurityEnabled | WhyOut::SecurityNotRead => {
                "make the assigned group security-enabled, or name it in scope.groups"
            }
            WhyOut::NotNamed => "name it in groups.provision",
            WhyOut::DefaultAccessOnly => "assign another role to it than Default Access",
            WhyOut::Excluded => "remove it from scope.exclude",
            WhyOut::Filter(_) => {
                "change the attribute that the scoping filter reads, or the filter"
            }
            WhyOut::KindDisabled => "write enabled = true for objects of its kind",
        },
    };
    words.to_owned()
}

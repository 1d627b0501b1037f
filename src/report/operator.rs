//! What operators did by hand, and what is on record of one object.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::command::command;
use super::json::{FORMAT, subject_json, time_json};
use super::log;
use super::sentence::{clean, subject_text, things};
use super::text::Style;
use super::view::Names;
use crate::engine::ladder::is_removal;
use crate::engine::model::{JobName, SourceObject};
use crate::engine::outcome::Class;
use crate::engine::plan::Subject;
use crate::engine::record::{
    Erased, Escrowed, HeldRemoval, JobRecord, LogEntry, Operated, Paused, Tombstone,
};

/// Since when a job is paused, and by whom.
pub(super) fn paused_text(paused: &Paused) -> String {
    format!(
        "paused since {} by {}",
        paused.since.format("%Y-%m-%d %H:%M UTC"),
        clean(&paused.by)
    )
}

/// The removals that wait while a job is paused: those that are held, and those that failed.
fn waiting(record: &JobRecord) -> Vec<String> {
    let held = record.held.iter().flat_map(|held| &held.removals);
    let held = held.map(|one: &HeldRemoval| {
        let member = one
            .member
            .as_ref()
            .map(|one| format!(" {}", subject_text(one)));
        let member = member.unwrap_or_default();
        format!(
            "{}{member} of {} (held)",
            one.action,
            subject_text(&one.subject)
        )
    });
    let removes = |one: &&Escrowed| is_removal(&one.action);
    let failed = record.escrow.iter().filter(removes);
    let failed =
        failed.map(|one| format!("{} of {} (failed)", one.action, subject_text(&one.subject)));
    held.chain(failed).collect()
}

pub(crate) fn paused(
    out: &mut dyn Write,
    job: &JobName,
    paused: &Paused,
    was_paused: bool,
    record: &JobRecord,
    as_json: bool,
) -> io::Result<()> {
    let waiting = waiting(record);
    if as_json {
        let document = json!({
            "format": FORMAT,
            "job": job.as_str(),
            "paused": { "since": time_json(paused.since), "by": paused.by },
            "was_paused": was_paused,
            "waiting": waiting,
        });
        return writeln!(out, "{document}");
    }
    let job = clean(job.as_str());
    if was_paused {
        writeln!(out, "{job} is already {}.", paused_text(paused))?;
    } else {
        writeln!(
            out,
            "{job} is paused: no cycle runs, and no user loses access, until {}",
            command(&format!("resume {job}"))
        )?;
    }
    if !waiting.is_empty() {
        let count = things(waiting.len() as u64, "removal");
        writeln!(out, "{count} on record will wait:")?;
        for one in waiting {
            writeln!(out, "  {one}")?;
        }
    }
    Ok(())
}

pub(crate) fn resumed(
    out: &mut dyn Write,
    job: &JobName,
    known: Option<&Paused>,
    was_quarantined: bool,
    as_json: bool,
) -> io::Result<()> {
    if as_json {
        let document = json!({
            "format": FORMAT,
            "job": job.as_str(),
            "was_quarantined": was_quarantined,
            "was_paused": known.map(|paused| {
                json!({ "since": time_json(paused.since), "by": paused.by })
            }),
        });
        return writeln!(out, "{document}");
    }
    let job = clean(job.as_str());
    let was = match known {
        Some(paused) => paused_text(paused),
        None if was_quarantined => "in quarantine".to_owned(),
        None => return writeln!(out, "{job} is neither paused nor in quarantine."),
    };
    writeln!(
        out,
        "{job} was {was}. The service runs its next cycle when it is due; to run one now: {}",
        command(&format!("sync {job}"))
    )
}

/// What to do about an object that failed: a sentence.
pub(super) fn remedy(one: &Escrowed) -> &'static str {
    match one.class {
        None => "Remedy: see what is missing with entrain explain.",
        Some(Class::Transient) => "Remedy: none needed, unless the target stays unavailable.",
        Some(Class::Throttled) => {
            "Remedy: lower requests_per_second or concurrency in [jobs.target]."
        }
        Some(Class::Refused) => {
            "Remedy: correct the refused value in Entra or in the mapping; until then it is retried once a day."
        }
        Some(Class::Conflict) => {
            "Remedy: free the value in the target, or link its owner: entrain links relink."
        }
        Some(Class::Gone) => "Remedy: none needed; it is matched again.",
        Some(Class::Unauthorized) => {
            "Remedy: renew the target's credential (token in [jobs.target], or the key used instead of it)."
        }
        Some(Class::Forbidden) => {
            "Remedy: allow the token's owner to change this object in the target."
        }
        Some(Class::Quota) => "Remedy: free or buy a seat in the target.",
        Some(Class::NoEffect) => {
            "Remedy: remove the mapping that the target ignores, or try entrain probe; until then it is \
             retried once a day."
        }
        Some(Class::Malformed) => {
            "Remedy: check that target.base_url is the address of a SCIM service."
        }
        Some(Class::Invalid) => "Remedy: correct the mapping; until then it is retried once a day.",
    }
}

/// When a running service tries an object again.
pub(super) fn next_try(one: &Escrowed, retries: Option<Duration>) -> String {
    let next = retries.and_then(|first| one.next_try(first));
    match next {
        _ if one.changed && next.is_some() => "Next retry: as soon as the service runs.".to_owned(),
        Some(next) => {
            let next = next.format("%Y-%m-%d %H:%M UTC");
            format!("Next retry: {next}, or as soon as it changes.")
        }
        None => "Next retry: with the next cycle.".to_owned(),
    }
}

pub(crate) fn escrow(
    out: &mut dyn Write,
    job: &JobName,
    escrow: &[Escrowed],
    retries: Option<Duration>,
    as_json: bool,
) -> io::Result<()> {
    if as_json {
        let entries = escrow.iter().map(|one| {
            json!({
                "subject": subject_json(&one.subject),
                "action": one.action,
                "attempts": one.attempts,
                "first_failed": time_json(one.first_failed),
                "last_failed": time_json(one.last_failed),
                "http_status": one.http_status,
                "message": one.message,
                "next_try": retries.and_then(|first| one.next_try(first)).map(time_json),
                "remedy": remedy(one),
            })
        });
        let document = json!({
            "format": FORMAT,
            "job": job.as_str(),
            "escrow": entries.collect::<Json>(),
        });
        return writeln!(out, "{document}");
    }
    for one in escrow {
        writeln!(
            out,
            "{} {}, {} since {}: {}",
            one.action,
            subject_text(&one.subject),
            things(u64::from(one.attempts), "attempt"),
            one.first_failed.format("%Y-%m-%d %H:%M UTC"),
            clean(&one.message)
        )?;
        writeln!(out, "  {}", next_try(one, retries))?;
        writeln!(out, "  {}", remedy(one))?;
    }
    let count = things(escrow.len() as u64, "object");
    writeln!(out, "{}: {count} in escrow.", clean(job.as_str()))
}

/// What was erased of a person, and what stays.
pub(crate) fn erased(
    out: &mut dyn Write,
    subject: &Subject,
    erased: &Erased,
    as_json: bool,
) -> io::Result<()> {
    let Erased { entries, links } = erased;
    let id = clean(subject.id.as_str());
    if as_json {
        let links = links.iter().map(|one| {
            json!({
                "job": one.job.as_str(),
                "target": one.target.as_str(),
                "active": one.is_active,
            })
        });
        let document = json!({
            "format": FORMAT,
            "id": subject.id.as_str(),
            "entries": entries,
            "links": links.collect::<Json>(),
        });
        return writeln!(out, "{document}");
    }
    writeln!(
        out,
        "{} is erased: every value in the state, and in {} of the log.",
        clean(&subject.label),
        things(*entries, "row")
    )?;
    writeln!(out, "The object id {id} is kept.")?;
    for Tombstone {
        job,
        target,
        is_active,
    } in links
    {
        let state = if *is_active { "active" } else { "disabled" };
        writeln!(
            out,
            "In {}, its link to the account {}, which is {state}, stays too.",
            clean(job.as_str()),
            clean(target.as_str())
        )?;
    }
    writeln!(
        out,
        "Copies of the state, reports and notifications are not changed."
    )
}

pub(crate) fn chosen(
    out: &mut dyn Write,
    job: &JobName,
    objects: &[&SourceObject],
    words: &str,
    as_json: bool,
) -> io::Result<()> {
    if as_json {
        let objects = objects.iter().map(|one| subject_json(&Subject::of(one)));
        let document = json!({
            "format": FORMAT,
            "job": job.as_str(),
            "objects": objects.collect::<Json>(),
        });
        return writeln!(out, "{document}");
    }
    for one in objects {
        writeln!(out, "{} {words}.", subject_text(&Subject::of(one)))?;
    }
    if objects.is_empty() {
        writeln!(out, "{}: nothing is in escrow.", clean(job.as_str()))?;
    }
    Ok(())
}

/// What was done to an object, the oldest first.
pub(crate) fn history(
    out: &mut dyn Write,
    object: &SourceObject,
    entries: &[LogEntry],
    operations: &[Operated],
    names: Names<'_>,
    style: Style,
) -> io::Result<()> {
    let subject = subject_text(&Subject::of(object));
    writeln!(
        out,
        "{} (id {})",
        style.bold(&subject),
        clean(object.id.as_str())
    )?;
    // All are of this object.
    let operations: Vec<Operated> = operations
        .iter()
        .rev()
        .map(|one| Operated {
            subject: None,
            ..one.clone()
        })
        .collect();
    log::text_all(out, entries.iter().rev(), operations.iter(), names, style)
}

pub(crate) fn history_json(
    out: &mut dyn Write,
    object: &SourceObject,
    entries: &[LogEntry],
    operations: &[Operated],
    names: Names<'_>,
) -> io::Result<()> {
    let entries = entries.iter().rev();
    let operations = operations.iter().rev().map(log::operation_json);
    let document = json!({
        "format": FORMAT,
        "subject": subject_json(&Subject::of(object)),
        "entries": entries.map(|entry| log::entry_json(entry, names)).collect::<Json>(),
        "operations": operations.collect::<Json>(),
    });
    writeln!(out, "{document}")
}

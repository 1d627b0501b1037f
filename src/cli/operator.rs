//! What an operator does by hand: pausing a job, looking after its escrow, and what was done to an object.
//! Each goes on record with who did it, and when.

use std::io::Write as _;
use std::path::Path;

use anyhow::bail;

use super::args::{self, EscrowCommand};
use super::exit::Exit;
use super::find;
use super::load;
use super::output::Output;
use crate::config::StateAt;
use crate::cycle;
use crate::engine::ladder::is_removal;
use crate::engine::model::{JobName, Key, SourceObject};
use crate::engine::record::Paused;
use crate::os;
use crate::report::command as shown;
use crate::report::operator as report;
use crate::scheduler;
use crate::store::{LogFilter, Store};

/// The user, and who became root by sudo.
pub(super) fn who() -> String {
    let name = os::user();
    // Set by sudo(8) itself.
    match std::env::var_os("SUDO_USER") {
        Some(user) if !user.is_empty() && *user != *name => {
            format!("{name} (sudo: {})", user.to_string_lossy())
        }
        Some(_) | None => name,
    }
}

/// Puts on record what was done.
pub(super) fn note(
    store: &Store,
    job: &JobName,
    object: Option<Key>,
    verb: &str,
    detail: &str,
) -> anyhow::Result<()> {
    let by = (scheduler::now(), &*who());
    store.note_operation(job, object, by, (verb, detail))?;
    Ok(())
}

/// The state, which must be there.
fn open(at: &StateAt) -> anyhow::Result<Store> {
    drop(Store::open_read_only(at)?);
    Ok(Store::open(at)?)
}

pub(super) fn pause(output: Output, file: Option<&Path>, job: &str) -> anyhow::Result<Exit> {
    let config = load::config(output, file)?;
    let job = &load::job(&config, job)?.rules.name;
    let store = open(&config.state)?;
    let paused = Paused {
        since: scheduler::now(),
        by: who(),
    };
    let known = store.pause(job, &paused)?;
    if known.is_none() {
        note(&store, job, None, "pause", "")?;
    }
    let record = store.status(job, 1)?;
    let mut out = output.text();
    let paused = known.as_ref().unwrap_or(&paused);
    report::paused(
        &mut out,
        job,
        paused,
        known.is_some(),
        &record,
        output.is_json(),
    )?;
    out.flush()?;
    Ok(Exit::Done)
}

pub(super) fn resume(output: Output, file: Option<&Path>, job: &str) -> anyhow::Result<Exit> {
    let config = load::config(output, file)?;
    let job = &load::job(&config, job)?.rules.name;
    let store = open(&config.state)?;
    let known = store.resume(job)?;
    let quarantine = store.quarantine(job)?;
    if quarantine.is_some() {
        store.lift_quarantine(job, scheduler::now())?;
    }
    if known.is_some() || quarantine.is_some() {
        note(&store, job, None, "resume", "")?;
    }
    let mut out = output.text();
    let was_quarantined = quarantine.is_some();
    report::resumed(
        &mut out,
        job,
        known.as_ref(),
        was_quarantined,
        output.is_json(),
    )?;
    out.flush()?;
    Ok(Exit::Done)
}

pub(super) fn escrow(
    output: Output,
    file: Option<&Path>,
    command: &EscrowCommand,
) -> anyhow::Result<Exit> {
    let config = load::config(output, file)?;
    match command {
        EscrowCommand::List { job } => {
            let job = &load::job(&config, job)?.rules.name;
            let store = Store::open_read_only(&config.state)?;
            let escrow = store.escrow(job)?;
            let mut out = output.text();
            report::escrow(&mut out, job, &escrow, config.retries, output.is_json())?;
            out.flush()?;
        }
        EscrowCommand::Retry(chosen) => {
            let job = &load::job(&config, &chosen.job)?.rules.name;
            let store = open(&config.state)?;
            let objects = chosen_of(&store, job, chosen)?;
            for (key, _) in &objects {
                let kind = key.kind;
                store.retry(job, kind, key.key)?;
                note(&store, job, Some(key.key), "escrow retry", "")?;
            }
            let words = "is retried now if the service runs, otherwise in the next cycle";
            tell(output, job, &objects, words)?;
        }
        EscrowCommand::Drop(chosen) => {
            let job = &load::job(&config, &chosen.job)?.rules.name;
            let store = open(&config.state)?;
            let objects = chosen_of(&store, job, chosen)?;
            // A removal that failed is never given up (safety.md §2).
            let removal = objects.iter().find(|(_, action)| is_removal(action));
            if let Some((object, action)) = removal {
                bail!(
                    "{action} of {} is a removal, which is retried until it succeeds; to see why it \
                     fails: {}",
                    object.label(),
                    shown(&format!("explain {job} {:?}", object.label()))
                );
            }
            for (object, _) in &objects {
                store.drop_escrow(job, object.kind, object.key)?;
                note(&store, job, Some(object.key), "escrow drop", "")?;
            }
            let words = "is removed from escrow: it is evaluated again when it changes, and in every \
                         initial cycle";
            tell(output, job, &objects, words)?;
        }
    }
    Ok(Exit::Done)
}

/// The objects in escrow that were named, or all, with the action that failed.
fn chosen_of(
    store: &Store,
    job: &JobName,
    chosen: &args::Chosen,
) -> anyhow::Result<Vec<(SourceObject, String)>> {
    let escrow = store.escrow(job)?;
    let mut objects = Vec::new();
    if chosen.all {
        for one in escrow {
            let known = store.object(one.subject.kind, &one.subject.id)?;
            objects.extend(known.map(|object| (object, one.action)));
        }
        return Ok(objects);
    }
    for name in &chosen.objects {
        let object = find::object(store, name)?;
        let Some(one) = escrow.iter().find(|one| one.subject.key == object.key) else {
            bail!(
                "{} is not in escrow in {job}; to list what is: {}",
                object.label(),
                shown(&format!("escrow list {job}"))
            );
        };
        objects.push((object, one.action.clone()));
    }
    Ok(objects)
}

fn tell(
    output: Output,
    job: &JobName,
    objects: &[(SourceObject, String)],
    words: &str,
) -> anyhow::Result<()> {
    let mut out = output.text();
    let objects: Vec<&SourceObject> = objects.iter().map(|(object, _)| object).collect();
    report::chosen(&mut out, job, &objects, words, output.is_json())?;
    out.flush()?;
    Ok(())
}

/// Everything on record of one object: what was sent, and what operators did.
pub(super) fn history(
    output: Output,
    file: Option<&Path>,
    arguments: &args::History,
) -> anyhow::Result<Exit> {
    let config = load::config(output, file)?;
    let store = Store::open_read_only(&config.state)?;
    let object = find::object(&store, &arguments.object)?;
    let filter = LogFilter {
        object: Some(object.id.to_string()),
        ..LogFilter::default()
    };
    let mut entries = store.log(&filter, u32::MAX)?;
    entries.extend(store.memberships(object.key, u32::MAX)?);
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.id));
    cycle::hide(&mut entries, &cycle::marked(&config));
    let operations = store.operations(&filter, u32::MAX)?;
    let mut out = output.text();
    let style = output.style();
    cycle::with_names(Some(&store), |names| {
        if output.is_json() {
            report::history_json(&mut out, &object, &entries, &operations, names)
        } else {
            report::history(&mut out, &object, &entries, &operations, names, style)
        }
    })?;
    out.flush()?;
    Ok(Exit::Done)
}

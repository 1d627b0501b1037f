//! `entrain links`: which target object belongs to which source object, from the local state alone, but for an
//! account that is linked by hand, which is read first. A link is changed while no cycle of its job runs.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use serde::Deserialize;

use super::args::{self, LinksCommand};
use super::confirm::confirmed;
use super::exit::Exit;
use super::find;
use super::interrupt::Interrupt;
use super::load;
use super::operator;
use super::output::Output;
use super::source;
use super::usage::Usage;
use crate::config::{Config, Job};
use crate::engine::model::{JobName, Key, ObjectKind, SourceId, SourceObject, TargetId};
use crate::engine::record::LinkState;
use crate::engine::redact::Redactions;
use crate::report::command;
use crate::report::{json, text};
use crate::store::{Relinked, Store};

/// Links that are read at once.
const CHUNK: u32 = 1_000;

pub(super) async fn links(
    output: Output,
    file: Option<&Path>,
    command: &LinksCommand,
) -> anyhow::Result<Exit> {
    let config = Arc::new(load::config(output, file)?);
    match command {
        LinksCommand::List { job } => list(output, &config, load::job(&config, job)?),
        // The list is the format of import.
        LinksCommand::Export { job } => list(output.as_json(), &config, load::job(&config, job)?),
        LinksCommand::Import { job, file } => {
            import(output, &config, load::job(&config, job)?, file)
        }
        LinksCommand::Show(linked) => show(output, &config, linked),
        LinksCommand::Unlink(linked) => unlink(output, &config, linked),
        LinksCommand::Relink {
            linked,
            target: Some(target),
            yes,
            ..
        } => relink(output, &config, linked, &TargetId::new(target), *yes).await,
        LinksCommand::Relink {
            linked,
            target: None,
            ..
        } => create(output, &config, linked),
    }
}

fn list(output: Output, config: &Config, job: &Job) -> anyhow::Result<Exit> {
    let store = Store::open_read_only(&config.state)?;
    let name = &job.rules.name;
    let redactions = Redactions::of(&job.rules);
    let mut out = output.results();
    let mut document = if output.is_json() {
        Some(json::Links::begin(&mut out, name)?)
    } else {
        None
    };
    let mut text_out = output.text();
    let mut count = 0_u64;
    let mut records = store.old_accounts(name)?;
    let mut after = None;
    loop {
        for record in &records {
            let shown = redactions.link(record);
            match &mut document {
                Some(document) => document.link(&shown)?,
                None => writeln!(text_out, "{}", text::link(&shown))?,
            }
            count += 1;
        }
        records = store.link_records(name, after, CHUNK)?;
        match records.last() {
            Some(last) => after = Some(last.subject.key),
            None => break,
        }
    }
    match document {
        Some(document) => document.end().map(drop)?,
        None => writeln!(text_out, "{}", text::links(name, count))?,
    }
    text_out.flush()?;
    out.flush()?;
    Ok(Exit::Done)
}

fn show(output: Output, config: &Config, linked: &args::Linked) -> anyhow::Result<Exit> {
    let job = load::job(config, &linked.job)?;
    let name = &job.rules.name;
    let store = Store::open_read_only(&config.state)?;
    let object = find::object(&store, &linked.object)?;
    let Some(record) = store.link_record(name, object.key)? else {
        bail!("{} is not linked in {name}", object.label());
    };
    let redactions = Redactions::of(&job.rules);
    let shown = redactions.link(&record);
    let mut out = output.text();
    if output.is_json() {
        json::link(&mut out, name, &shown)?;
    } else {
        text::link_details(&mut out, &shown)?;
    }
    out.flush()?;
    Ok(Exit::Done)
}

fn unlink(output: Output, config: &Config, linked: &args::Linked) -> anyhow::Result<Exit> {
    let job = load::job(config, &linked.job)?;
    let name = &job.rules.name;
    let store = open(config, name)?;
    let object = find::object(&store, &linked.object)?;
    let link = store.links(name, &[object.key])?.remove(&object.key);
    let Some(link) = link else {
        bail!("{} is not linked in {name}", object.label());
    };
    store.unlink(name, object.key)?;
    let detail = format!("from {}", link.target);
    operator::note(&store, name, Some(object.key), "unlink", &detail)?;
    let words = format!(
        "Removed the link of {} to {}. Nothing changes in the target; the next cycle matches the object again.",
        object.label(),
        link.target
    );
    changed(output, name, &object, None, &words)
}

async fn relink(
    output: Output,
    config: &Arc<Config>,
    linked: &args::Linked,
    target: &TargetId,
    is_confirmed: bool,
) -> anyhow::Result<Exit> {
    let job = load::job(config, &linked.job)?;
    let name = &job.rules.name;
    let store = open(config, name)?;
    let object = find::object(&store, &linked.object)?;
    let is_free = store
        .linked_by(name, object.kind, target)?
        .is_none_or(|holder| holder == object.id);
    if !is_confirmed && is_free && !is_offered(&store, name, object.key, target)? {
        confirm(output, config, job, &object, target).await?;
    }
    match store.relink(name, (object.kind, object.key), target)? {
        Relinked::Done => {
            let detail = format!("to {target}");
            operator::note(&store, name, Some(object.key), "relink", &detail)?;
        }
        Relinked::HeldBy(holder) => {
            let named = store.named(&[holder])?;
            let holder = named.into_values().next();
            let holder = holder.map_or_else(|| "another object".to_owned(), |one| one.label);
            let unlink = command(&format!("links unlink {name} {holder:?}"));
            bail!("{target} is linked to {holder}; first run: {unlink}");
        }
    }
    let words = format!(
        "{} is linked to {target}. The next cycle reads {target} and sends the differences.",
        object.label()
    );
    changed(output, name, &object, Some(target), &words)
}

/// Whether it was found by an old address of the user, which a cycle showed, and asked about.
fn is_offered(store: &Store, job: &JobName, key: Key, target: &TargetId) -> anyhow::Result<bool> {
    let record = store.link_record(job, key)?;
    Ok(record.is_some_and(|one| {
        matches!(one.state, LinkState::OldAddress(_)) && one.target.as_ref() == Some(target)
    }))
}

/// Reads the account. Where it does not match the object, an operator must confirm the link, having seen both.
async fn confirm(
    output: Output,
    config: &Arc<Config>,
    job: &Job,
    object: &SourceObject,
    target: &TargetId,
) -> anyhow::Result<()> {
    // Nothing is to be remembered of the look.
    let store = Arc::new(Store::open_plan(&config.state)?);
    let interrupt = Interrupt::listen(output)?;
    let agent = source::agent(config, &store, None, &interrupt);
    let sides = match agent {
        Ok(agent) => {
            let compared = Box::pin(agent.compare_by_hand(job, object.key, target));
            let compared = interrupt.guard(compared).await?;
            compared.map_err(anyhow::Error::new)
        }
        Err(error) => Err(error),
    };
    let (kind, label) = (object.kind, object.label());
    let lines = match sides {
        Ok(Some(sides)) if sides.agree => return Ok(()),
        Ok(Some(sides)) => text::sides(&sides.values, label, target),
        Ok(None) => vec![format!("the target has no {kind} with the id {target}")],
        Err(error) => vec![format!(
            "{target} could not be compared with {label}: {error:#}"
        )],
    };
    for line in lines {
        output.message(&line);
    }
    if confirmed()? {
        return Ok(());
    }
    Err(Usage("nothing was changed; use --yes to confirm".to_owned()).into())
}

fn create(output: Output, config: &Config, linked: &args::Linked) -> anyhow::Result<Exit> {
    let job = load::job(config, &linked.job)?;
    let name = &job.rules.name;
    let store = open(config, name)?;
    let object = find::object(&store, &linked.object)?;
    let link = store.links(name, &[object.key])?.remove(&object.key);
    if let Some(link) = link {
        let label = object.label();
        let unlink = command(&format!("links unlink {name} {label:?}"));
        bail!("{label} is linked to {}; first run: {unlink}", link.target);
    }
    store.decide_new(name, object.kind, object.key)?;
    operator::note(&store, name, Some(object.key), "relink --new", "")?;
    let words = format!(
        "{} is new: the next cycle creates an account, unless one is found by a matching attribute.",
        object.label()
    );
    changed(output, name, &object, None, &words)
}

/// What `links export` wrote.
#[derive(Deserialize)]
struct Exported {
    job: Option<String>,
    links: Vec<ExportedLink>,
}

#[derive(Deserialize)]
struct ExportedLink {
    subject: ExportedSubject,
    target: Option<String>,
}

#[derive(Deserialize)]
struct ExportedSubject {
    kind: String,
    id: String,
}

/// Sets the links of a file, as `relink` does one after another.
fn import(output: Output, config: &Config, job: &Job, file: &Path) -> anyhow::Result<Exit> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let exported: Exported = serde_json::from_str(&text).map_err(|error| {
        Usage(format!(
            "{} is not a file written by entrain links export: {error}",
            file.display()
        ))
    })?;
    let name = &job.rules.name;
    if let Some(of) = exported.job.filter(|of| of != name.as_str()) {
        let words = format!(
            "{} has the links of {of}, and not of {name}: nothing was changed. If the target of {name} holds the same \
             objects with the same ids, write \"job\": \"{name}\" into the file",
            file.display()
        );
        return Err(Usage(words).into());
    }
    let store = open(config, name)?;
    let (mut set, mut same, mut refused) = (0_u64, 0_u64, Vec::new());
    for ExportedLink { subject, target } in exported.links {
        let kind = ObjectKind::ALL
            .into_iter()
            .find(|kind| kind.word() == subject.kind);
        let (Some(kind), Some(target)) = (kind, target) else {
            continue;
        };
        let Some(object) = store.object(kind, &SourceId::new(&subject.id))? else {
            refused.push(format!("the state has no {kind} {}", subject.id));
            continue;
        };
        let target = TargetId::new(target);
        let known = store.links(name, &[object.key])?.remove(&object.key);
        if known.is_some_and(|link| link.target == target) {
            same += 1;
            continue;
        }
        match store.relink(name, (kind, object.key), &target)? {
            Relinked::Done => {
                set += 1;
                let detail = format!("to {target}");
                operator::note(&store, name, Some(object.key), "links import", &detail)?;
            }
            Relinked::HeldBy(_) => refused.push(format!(
                "{}: {target} is linked to another object",
                object.label()
            )),
        }
    }
    let mut out = output.text();
    if output.is_json() {
        json::links_imported(&mut out, name, (set, same), &refused)?;
    } else {
        for words in &refused {
            writeln!(out, "{}", crate::report::clean_lines(words))?;
        }
        writeln!(
            out,
            "{set} set, {same} unchanged, {} refused. The next cycle reads the newly linked objects.",
            refused.len()
        )?;
    }
    out.flush()?;
    Ok(if refused.is_empty() {
        Exit::Done
    } else {
        Exit::SomeFailed
    })
}

/// The state for a change of links.
fn open(config: &Config, job: &JobName) -> anyhow::Result<Store> {
    // Looked at first, so that no state file is made where there is none.
    drop(Store::open_read_only(&config.state)?);
    let store = Store::open(&config.state)?;
    if store.is_running(job)? {
        bail!("a cycle of {job} is running: its links can be changed when it has ended");
    }
    Ok(store)
}

fn changed(
    output: Output,
    job: &JobName,
    object: &SourceObject,
    target: Option<&TargetId>,
    words: &str,
) -> anyhow::Result<Exit> {
    let mut out = output.text();
    if output.is_json() {
        json::link_changed(&mut out, job, &object.id, target)?;
    } else {
        writeln!(out, "{}", crate::report::clean_lines(words))?;
    }
    out.flush()?;
    Ok(Exit::Done)
}

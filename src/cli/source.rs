//! `entrain source`: what the tenant says of one object, and a reading of the tenant in a file, from which
//! `plan --source` plans.

use std::collections::BTreeSet;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::Context as _;
use tempfile::NamedTempFile;

use super::args::{Snapshot, SourceCommand};
use super::exit::Exit;
use super::interrupt::Interrupt;
use super::load;
use super::output::{Output, is_standard_output};
use super::usage::Usage;
use crate::config::{Config, Job, SourceJobs};
use crate::cycle::{self, Agent};
use crate::engine::redact::Pseudonyms;
use crate::graph::{self, SnapshotError, Snapshots, Supposed, write_snapshots};
use crate::report::{SnapshotNote, source as report};
use crate::scheduler;
use crate::store::{StateKey, Store};

pub(super) async fn source(
    output: Output,
    file: Option<&Path>,
    command: SourceCommand,
) -> anyhow::Result<Exit> {
    match command {
        SourceCommand::Show { object, source } => {
            show(output, file, (&object, source.as_deref())).await
        }
        SourceCommand::Snapshot(arguments) => snapshot(output, file, &arguments).await,
    }
}

async fn show(
    output: Output,
    file: Option<&Path>,
    (text, name): (&str, Option<&str>),
) -> anyhow::Result<Exit> {
    let config = load::config(output, file)?;
    let interrupt = Interrupt::listen(output)?;
    let mut found = Vec::new();
    for one in sources(&config, name)? {
        let graph = cycle::connect(&one.source, interrupt.stop.clone(), scheduler::now)?;
        let finding = Box::pin(cycle::source::find(&one.jobs, &graph, text));
        let objects = interrupt.guard(finding).await??;
        let source = Rc::new((one, graph));
        found.extend(
            objects
                .into_iter()
                .map(|object| (Rc::clone(&source), object)),
        );
    }
    let (source, object) = match found.len() {
        0 => {
            let text = format!("the tenant has no user or group {text:?}: check the spelling");
            return Err(Usage(text).into());
        }
        1 => found.remove(0),
        _ => {
            let named = found
                .iter()
                .map(|(source, one)| match source.0.source.name.as_str() {
                    "" => format!("{} {}", one.kind, one.id),
                    name => format!("{} {} of {name}", one.kind, one.id),
                });
            return Err(Usage(format!(
                "several objects are named {text:?}: give the id of one: {}",
                named.collect::<Vec<_>>().join(", ")
            ))
            .into());
        }
    };
    let (of, graph) = &*source;
    let showing = Box::pin(cycle::source::show(&of.jobs, graph, object));
    let seen = interrupt.guard(showing).await??;
    if output.is_json() {
        let mut out = output.results();
        report::json(&mut out, &seen)?;
        out.flush()?;
    } else {
        let mut out = output.text();
        report::text(&mut out, &seen, output.style())?;
        out.flush()?;
    }
    Ok(Exit::Done)
}

async fn snapshot(
    output: Output,
    file: Option<&Path>,
    arguments: &Snapshot,
) -> anyhow::Result<Exit> {
    let Snapshot {
        file: target,
        source,
        redact,
        keep,
        attributes,
    } = arguments;
    let config = load::config(output, file)?;
    let mut all = sources(&config, source.as_deref())?;
    // What no job reads is in no plan.
    if all.iter().any(|one| !one.jobs.is_empty()) {
        all.retain(|one| !one.jobs.is_empty());
    }
    let interrupt = Interrupt::listen(output)?;
    let (mut taken, requests) = take(&all, attributes, &interrupt).await?;
    if *redact {
        let key = Store::open_plan(&config.state)?.key(config.state_key.as_ref())?;
        if key.unkept().is_some() {
            output.message(NO_KEY_YET);
        }
        let keep: BTreeSet<String> = keep.iter().cloned().collect();
        let pseudonyms = pseudonyms(&key, keep);
        for one in &mut taken {
            one.redact(&pseudonyms);
        }
    }
    let sizes = taken.iter().map(graph::Taken::sizes);
    let sizes = sizes.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
    let tenants: Vec<&str> = all
        .iter()
        .map(|one| one.source.tenant_id.as_str())
        .collect();
    if is_standard_output(target) {
        let mut out = output.results();
        write_snapshots(&taken, &mut out)?;
        out.flush()?;
        return Ok(Exit::Done);
    }
    let name = target.display();
    let written = || -> std::io::Result<()> {
        let folder = target.parent().filter(|folder| *folder != Path::new(""));
        let mut out = BufWriter::new(NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?);
        write_snapshots(&taken, &mut out)?;
        let file = out
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)?;
        file.persist(target)?;
        Ok(())
    };
    written().with_context(|| format!("could not write {name}"))?;
    let mut out = output.results();
    if output.is_json() {
        let name = name.to_string();
        let document = report::snapshot_json(&name, &tenants, sizes, *redact, requests);
        writeln!(out, "{document}")?;
    } else {
        let mut text = output.text();
        let sentence = report::snapshot_taken(&name.to_string(), tenants.len(), sizes, *redact);
        writeln!(text, "{sentence}")?;
        text.flush()?;
    }
    out.flush()?;
    Ok(Exit::Done)
}

/// For operators.
pub(super) const NO_KEY_YET: &str = "There is no state key yet, so the next run will use other pseudonyms; to keep them, set [state] key.";

/// The stand-ins for people that belong to a state's key.
pub(super) fn pseudonyms(key: &StateKey, keep: BTreeSet<String>) -> Pseudonyms {
    let key = key.clone();
    Pseudonyms::new(move |text| key.digest("pseudonym", text), keep)
}

/// Snapshots that stand in for the tenants.
pub(super) struct SnapshotFile {
    snapshots: Snapshots,
    pub(super) note: SnapshotNote,
}

/// The sources that are meant: the one of this name, or all.
fn sources(config: &Config, name: Option<&str>) -> anyhow::Result<Vec<SourceJobs>> {
    let mut sources = config.by_source();
    if let Some(name) = name {
        let known: Vec<String> = sources.iter().map(|one| one.source.name.clone()).collect();
        sources.retain(|one| one.source.name == name);
        if sources.is_empty() {
            return Err(load::unknown_source(name, &known).into());
        }
    }
    Ok(sources)
}

/// Reads tenants, each whole or none at all; how many requests that took.
async fn take(
    all: &[SourceJobs],
    attributes: &[String],
    interrupt: &Interrupt,
) -> anyhow::Result<(Vec<graph::Taken>, u64)> {
    let mut taken = Vec::new();
    let mut requests = 0;
    for SourceJobs { source, jobs } in all {
        let wanted = cycle::source::wanted(jobs, attributes).map_err(Usage)?;
        let graph = cycle::connect(source, interrupt.stop.clone(), scheduler::now)?;
        let taking = Box::pin(graph.take_snapshot(&source.tenant_id, wanted, scheduler::now()));
        let one = interrupt.guard(taking).await?.map_err(cycle::Error::from);
        let one = one.map_err(anyhow::Error::new);
        taken.push(match source.name.as_str() {
            "" => one?,
            name => one.with_context(|| format!("source {name}"))?,
        });
        requests += graph.requests();
    }
    Ok((taken, requests))
}

/// The tenants of these jobs as they are now.
pub(super) async fn reading(
    config: &Config,
    jobs: &[&Job],
    interrupt: &Interrupt,
) -> anyhow::Result<SnapshotFile> {
    let mut all = config.by_source();
    all.retain(|one| {
        jobs.iter()
            .any(|job| job.sources.contains(&one.source.name))
    });
    let (taken, _) = take(&all, &[], interrupt).await?;
    let mut bytes = Vec::new();
    write_snapshots(&taken, &mut bytes)?;
    Ok(SnapshotFile::of(Snapshots::read(&bytes)?, None))
}

impl SnapshotFile {
    pub(super) fn read(file: &Path, config: &Config) -> anyhow::Result<Self> {
        let read = std::fs::read(file).map_err(SnapshotError::Read);
        let read = read.and_then(|bytes| Snapshots::read(&bytes));
        let read = read.and_then(|snapshots| {
            let configured: Vec<&str> = config
                .sources
                .iter()
                .map(|source| source.tenant_id.as_str())
                .collect();
            if configured.iter().any(|one| snapshots.of(one).is_some()) {
                return Ok(snapshots);
            }
            Err(SnapshotError::Tenant {
                found: snapshots.tenants(),
                configured: configured.join(", "),
            })
        });
        let snapshots = read.map_err(|error| {
            let name = file.display();
            Usage(format!("{name}: {:#}", anyhow::Error::new(error)))
        })?;
        Ok(Self::of(snapshots, Some(file.display().to_string())))
    }

    fn of(snapshots: Snapshots, file: Option<String>) -> Self {
        Self {
            note: SnapshotNote {
                file,
                made: snapshots.made().unwrap_or_default(),
                redacted: snapshots.are_redacted(),
                what_if: Vec::new(),
                without_target: false,
            },
            snapshots,
        }
    }

    /// The same after these changes.
    pub(super) fn supposing(&self, changes: &[Supposed]) -> Result<Self, Usage> {
        let mut snapshots = self.snapshots.clone();
        for change in changes {
            let done = snapshots.supposing(change);
            snapshots = done.map_err(|words| Usage(format!("--what-if {words}")))?;
        }
        Ok(Self {
            snapshots,
            note: SnapshotNote {
                what_if: changes.iter().map(ToString::to_string).collect(),
                ..self.note.clone()
            },
        })
    }

    /// The same for plans that are only compared with each other.
    pub(super) fn without_target(mut self) -> Self {
        self.note.without_target = true;
        self
    }
}

/// An agent that plans, from a snapshot where there is one.
pub(super) fn agent(
    config: &Arc<Config>,
    store: &Arc<Store>,
    snapshot: Option<&SnapshotFile>,
    interrupt: &Interrupt,
) -> anyhow::Result<Agent> {
    let (config, store) = (Arc::clone(config), Arc::clone(store));
    let (stop, now) = (interrupt.stop.clone(), scheduler::now);
    Ok(match snapshot {
        Some(one) => {
            let snapshots = &one.snapshots;
            let mut sources = config.sources.iter();
            if !sources.any(|source| snapshots.of(&source.tenant_id).is_some()) {
                let text = format!(
                    "{}: it is from another tenant than the one in {}",
                    one.note.file.as_deref().unwrap_or("the tenant"),
                    config.file.display()
                );
                return Err(Usage(text).into());
            }
            let agent = Agent::of_snapshots(config, store, snapshots, stop, now)?;
            if one.note.without_target {
                agent.without_target()
            } else {
                agent
            }
        }
        None => Agent::new(config, store, stop, now)?,
    })
}

//! `entrain undo`: what a cycle or a change did, and what brings the former values back. It writes nothing.

use std::io::Write as _;
use std::path::Path;

use super::args;
use super::exit::Exit;
use super::load;
use super::output::Output;
use super::usage::Usage;
use crate::config::Config;
use crate::cycle;
use crate::engine::mapping::Source;
use crate::engine::record::LogEntry;
use crate::report::undo as report;
use crate::store::{LogFilter, Store};

pub(super) fn undo(
    output: Output,
    file: Option<&Path>,
    arguments: &args::Undo,
) -> anyhow::Result<Exit> {
    let config = load::config(output, file)?;
    let store = Store::open_read_only(&config.state)?;
    let (number, change) = arguments.what;
    let filter = LogFilter {
        cycle: Some(number),
        ..LogFilter::default()
    };
    if store.cycle(number)?.is_none() {
        let words = format!("no cycle {number} is on record: entrain log lists the changes");
        return Err(Usage(words).into());
    }
    let mut entries = store.log(&filter, u32::MAX)?;
    entries
        .retain(|entry| entry.status.is_done() && change.is_none_or(|change| entry.id == change));
    entries.sort_by_key(|entry| entry.id);
    if let (Some(change), true) = (change, entries.is_empty()) {
        let words = format!(
            "cycle {number} has no change {change}: entrain undo {number} lists its changes"
        );
        return Err(Usage(words).into());
    }
    cycle::hide(&mut entries, &cycle::marked(&config));
    let sources = |entry: &LogEntry, attribute: &str| source_of(&config, entry, attribute);
    let mut out = output.text();
    let style = output.style();
    cycle::with_names(Some(&store), |names| {
        if output.is_json() {
            report::json(&mut out, &entries, &sources)
        } else {
            report::text(&mut out, &entries, &sources, names, style)
        }
    })?;
    out.flush()?;
    Ok(Exit::Done)
}

/// Where a target attribute comes from.
fn source_of(config: &Config, entry: &LogEntry, attribute: &str) -> Option<String> {
    let job = config.jobs.iter().find(|job| job.rules.name == entry.job)?;
    let rules = job.rules.rules(entry.subject.as_ref()?.kind);
    let mut mappings = rules.mappings.iter();
    let mapping = mappings.find(|mapping| mapping.target.to_string() == attribute)?;
    Some(match &mapping.source {
        Source::Attribute(name) => format!("{name} of the object in Entra, or the mapping"),
        Source::Expression(expression) => {
            format!("the attributes in Entra that the mapping reads, or the mapping: {expression}")
        }
        Source::Constant(_) | Source::None => "the value in the mapping".to_owned(),
    })
}

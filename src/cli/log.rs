//! `entrain log`: the provisioning log, from the local state alone: no network, no secrets, and no
//! lock, so that it can be read while the service runs.

use std::io::{self, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::args::{self, Format};
use super::exit::Exit;
use super::find;
use super::load;
use super::moment::span;
use super::output::Output;
use crate::cycle;
use crate::engine::model::JobName;
use crate::engine::record::LogEntry;
use crate::report::log as report;
use crate::scheduler;
use crate::store::{self, LogFilter, Store};

/// How often `--follow` looks for new entries.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);

pub(super) fn log(output: Output, file: Option<&Path>, args: args::Log) -> anyhow::Result<Exit> {
    let config = load::config(output, file)?;
    let jobs: Vec<JobName> = if args.jobs.jobs.is_empty() {
        Vec::new()
    } else {
        let jobs = load::jobs(&config, &args.jobs.jobs)?;
        jobs.into_iter().map(|job| job.rules.name.clone()).collect()
    };
    let now = scheduler::now();
    let (since, until) = span(args.since, args.until, now)?;
    let mut filter = LogFilter {
        job: None,
        cycle: None,
        since,
        until,
        action: args.action,
        status: args.status,
        object: args.object,
        after: None,
        before: None,
    };
    let redactions = cycle::marked(&config);
    let mut store = open(&config.state_path)?;
    // By whatever name a person is known; the text may also be the id of an object in the target.
    let mut hint = None;
    if let (Some(store), Some(text)) = (&store, &filter.object) {
        match find::id(store, text)? {
            Some(id) => filter.object = Some(id.as_str().to_owned()),
            None => hint = Some(find::unknown(store, text)?),
        }
    }
    // One more than is shown tells whether there are older ones.
    let mut entries = newest(store.as_ref(), &jobs, &filter, args.limit.saturating_add(1))?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    if entries.len() > limit {
        entries.drain(..entries.len() - limit);
        output.message(&format!(
            "only the newest {limit} entries are shown; use --limit to show more, or filter with \
             --since and --status"
        ));
    }
    cycle::hide(&mut entries, &redactions);
    let mut out = output.text();
    if output.format == Format::Csv {
        report::csv_head(&mut out)?;
    }
    if !args.follow && output.is_json() {
        cycle::with_names(store.as_ref(), |names| {
            report::json(&mut out, &entries, names)
        })?;
        out.flush()?;
        return Ok(Exit::Done);
    }
    if entries.is_empty() && !args.follow && !output.is_json() {
        let hint = hint.map(|hint| format!(": {hint}"));
        output.message(&format!("no entries{}", hint.unwrap_or_default()));
    }
    loop {
        filter.after = entries.last().map(|entry| entry.id).or(filter.after);
        write(&mut out, output, store.as_ref(), &entries)?;
        out.flush()?;
        // The reader of the results may be gone, as `head` is after some lines.
        if !args.follow || out.get_ref().get_ref().is_gone() {
            return Ok(Exit::Done);
        }
        thread::sleep(FOLLOW_EVERY);
        if store.is_none() {
            store = open(&config.state_path)?;
        }
        entries = newest(store.as_ref(), &jobs, &filter, u32::MAX)?;
        cycle::hide(&mut entries, &redactions);
    }
}

/// `None` when there has been no cycle yet: then nothing is on record.
fn open(path: &Path) -> Result<Option<Store>, store::Error> {
    match Store::open_read_only(path) {
        Ok(store) => Ok(Some(store)),
        Err(store::Error::Missing { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The newest entries of all the jobs together, oldest first. No job means every one on record,
/// those that the configuration no longer has included.
fn newest(
    store: Option<&Store>,
    jobs: &[JobName],
    filter: &LogFilter,
    limit: u32,
) -> Result<Vec<LogEntry>, store::Error> {
    let Some(store) = store else {
        return Ok(Vec::new());
    };
    let mut entries = Vec::new();
    if jobs.is_empty() {
        entries = store.log(filter, limit)?;
    }
    for job in jobs {
        let of_job = LogFilter {
            job: Some(job.clone()),
            ..filter.clone()
        };
        entries.extend(store.log(&of_job, limit)?);
    }
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.id));
    entries.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    entries.reverse();
    Ok(entries)
}

fn write(
    out: &mut dyn Write,
    output: Output,
    store: Option<&Store>,
    entries: &[LogEntry],
) -> io::Result<()> {
    cycle::with_names(store, |names| {
        for entry in entries {
            match output.format {
                Format::Text => report::text(out, entry, names, output.style())?,
                Format::Json => report::json_line(out, entry, names)?,
                Format::Csv => report::csv(out, entry, names)?,
            }
        }
        Ok(())
    })
}

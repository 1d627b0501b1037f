//! `entrain log`: the provisioning log, from the local state alone: no network, no secrets, and no
//! lock, so that it can be read while the service runs.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use chrono::TimeDelta;

use super::args;
use super::exit::Exit;
use super::find;
use super::format::Format;
use super::load;
use super::moment::span;
use super::output::Output;
use crate::config::{Application, Config, StateAt};
use crate::cycle;
use crate::engine::model::JobName;
use crate::engine::record::{Escrowed, LogEntry, LogStatus, LoggedRequest, Operated};
use crate::report::entra_log::{self, OfJob};
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
    let (mut since, until) = span(args.since, args.until, now)?;
    let mut filter = LogFilter {
        job: None,
        cycle: args.cycle,
        since,
        until,
        action: args.action,
        status: args.status,
        object: args.object,
        after: None,
        before: None,
        members: None,
    };
    let redactions = cycle::marked(&config);
    let mut store = open(&config.state)?;
    // By whatever name a person is known; the text may also be the id of an object in the target.
    let mut hint = None;
    if let (Some(store), Some(text)) = (&store, &filter.object) {
        match find::id(store, text)? {
            Some(id) => filter.object = Some(id.as_str().to_owned()),
            None => hint = Some(find::unknown(store, text)?),
        }
    }
    if args.requests {
        return requests(
            output,
            store.as_ref(),
            &jobs,
            &filter,
            args.limit,
            &redactions,
        );
    }
    let next_tries = |store: Option<&Store>, entries: &mut [LogEntry]| match (store, config.retries)
    {
        (Some(store), Some(first)) => note_next_tries(store, first, entries),
        (Some(_) | None, None) | (None, Some(_)) => Ok(()),
    };
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
    next_tries(store.as_ref(), &mut entries)?;
    let mut operations = operations(store.as_ref(), &jobs, &filter, args.limit)?;
    if let Some(first) = entries.first().filter(|_| entries.len() == limit) {
        operations.retain(|one| one.at >= first.at);
    }
    let mut out = output.text();
    if output.format == Format::Csv {
        report::csv_head(&mut out)?;
    }
    if !args.follow && matches!(output.format, Format::Json | Format::Entra) {
        let places = (&config, store.as_ref());
        document(&mut out, output, places, (&entries, &operations))?;
        out.flush()?;
        return Ok(Exit::Done);
    }
    if entries.is_empty() && operations.is_empty() && !args.follow && !output.is_json() {
        let hint = hint.map(|hint| format!(": {hint}"));
        output.message(&format!("no entries{}", hint.unwrap_or_default()));
    }
    loop {
        filter.after = entries.last().map(|entry| entry.id).or(filter.after);
        let done = operations.last().map(|one| one.at);
        since = done.map(|at| at + TimeDelta::milliseconds(1)).or(since);
        let places = (&config, store.as_ref());
        write(&mut out, output, places, (&entries, &operations))?;
        out.flush()?;
        // The reader of the results may be gone, as `head` is after some lines.
        if !args.follow || out.get_ref().get_ref().is_gone() {
            return Ok(Exit::Done);
        }
        thread::sleep(FOLLOW_EVERY);
        if store.is_none() {
            store = open(&config.state)?;
        }
        entries = newest(store.as_ref(), &jobs, &filter, u32::MAX)?;
        cycle::hide(&mut entries, &redactions);
        next_tries(store.as_ref(), &mut entries)?;
        let new = LogFilter {
            since,
            ..filter.clone()
        };
        operations = self::operations(store.as_ref(), &jobs, &new, u32::MAX)?;
    }
}

/// Everything at once, for a command that ends.
fn document(
    out: &mut dyn Write,
    output: Output,
    (config, store): (&Config, Option<&Store>),
    (entries, operations): (&[LogEntry], &[Operated]),
) -> io::Result<()> {
    cycle::with_names(store, |names| {
        if output.format == Format::Entra {
            let about = |entry: &LogEntry| of_job(config, entry);
            return entra_log::document(out, entries, names, &about);
        }
        report::json(out, entries, operations, names)
    })
}

/// The newest things that operators did in these jobs, the oldest first. They are of no cycle, no action and no
/// status.
fn operations(
    store: Option<&Store>,
    jobs: &[JobName],
    filter: &LogFilter,
    limit: u32,
) -> Result<Vec<Operated>, store::Error> {
    let is_of_rows = filter.cycle.is_some() || filter.action.is_some() || filter.status.is_some();
    let Some(store) = store.filter(|_| !is_of_rows) else {
        return Ok(Vec::new());
    };
    let all = [None];
    let jobs: Vec<Option<&JobName>> = jobs.iter().map(Some).collect();
    let mut operations = Vec::new();
    for job in if jobs.is_empty() { &all[..] } else { &jobs } {
        let of_job = LogFilter {
            job: job.cloned(),
            ..filter.clone()
        };
        operations.extend(store.operations(&of_job, limit)?);
    }
    operations.sort_by_key(|one| one.at);
    Ok(operations)
}

/// The requests in place of the entries.
fn requests(
    output: Output,
    store: Option<&Store>,
    jobs: &[JobName],
    filter: &LogFilter,
    limit: u32,
    redactions: &cycle::Marked,
) -> anyhow::Result<Exit> {
    let more = limit.saturating_add(1);
    let mut entries = newest(store, jobs, filter, more)?;
    // What was refused and carried out in parts was sent, too.
    let in_parts = LogFilter {
        status: Some(LogStatus::InParts),
        ..filter.clone()
    };
    entries.extend(newest(store, jobs, &in_parts, more)?);
    cycle::hide(&mut entries, redactions);
    let mut requests: Vec<LoggedRequest> = entries.iter().filter_map(LogEntry::request).collect();
    // Readings and look-ups are of no single object.
    if let (Some(store), None) = (store, &filter.object) {
        let all = [None];
        let jobs: Vec<Option<&JobName>> = jobs.iter().map(Some).collect();
        for job in if jobs.is_empty() { &all[..] } else { &jobs } {
            let of_job = LogFilter {
                job: job.cloned(),
                ..filter.clone()
            };
            requests.extend(store.requests(&of_job, more)?);
        }
    }
    requests.sort_by_key(|one| one.at);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if requests.len() > limit {
        requests.drain(..requests.len() - limit);
        output.message(&format!(
            "only the newest {limit} requests are shown; --limit shows more, --since and --cycle choose among them"
        ));
    }
    let mut out = output.text();
    match output.format {
        Format::Text => report::requests(&mut out, &requests, output.style())?,
        Format::Json => report::requests_json(&mut out, &requests)?,
        Format::Csv => report::requests_csv(&mut out, &requests)?,
        // Requests are no part of it.
        Format::Entra => {}
    }
    out.flush()?;
    Ok(Exit::Done)
}

/// What failed last of an object that is in escrow still says when it is tried again.
fn note_next_tries(
    store: &Store,
    first: Duration,
    entries: &mut [LogEntry],
) -> Result<(), store::Error> {
    let mut waiting: BTreeMap<JobName, Vec<Escrowed>> = BTreeMap::new();
    for entry in entries.iter_mut().rev() {
        let (LogStatus::Failed, Some(subject)) = (entry.status, &entry.subject) else {
            continue;
        };
        if !waiting.contains_key(&entry.job) {
            let escrow = store.escrow(&entry.job)?;
            waiting.insert(entry.job.clone(), escrow);
        }
        let Some(waiting) = waiting.get_mut(&entry.job) else {
            continue;
        };
        let is_it = |one: &Escrowed| one.subject.key == subject.key && one.action == entry.action;
        if let Some(place) = waiting.iter().position(is_it) {
            entry.next_try = waiting.swap_remove(place).next_try(first);
        }
    }
    Ok(())
}

/// `None` when there has been no cycle yet: then nothing is on record.
fn open(at: &StateAt) -> Result<Option<Store>, store::Error> {
    match Store::open_read_only(at) {
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

/// What the configuration says of the job of an entry.
fn of_job(config: &Config, entry: &LogEntry) -> OfJob {
    let mut jobs = config.jobs.iter();
    let Some(job) = jobs.find(|job| job.rules.name == entry.job) else {
        return OfJob::default();
    };
    let (service_principal, application) = match &job.application {
        Application::ServicePrincipalId(id) => (Some(id.clone()), Some(id.clone())),
        Application::AppId(name) | Application::DisplayName(name) => (None, Some(name.clone())),
    };
    let tenant = config
        .sources_of(job)
        .first()
        .map(|one| one.tenant_id.clone());
    OfJob {
        tenant,
        service_principal,
        application,
        target: Some(job.target.base_url.clone()),
    }
}

fn write(
    out: &mut dyn Write,
    output: Output,
    (config, store): (&Config, Option<&Store>),
    (entries, operations): (&[LogEntry], &[Operated]),
) -> io::Result<()> {
    cycle::with_names(store, |names| {
        if output.format == Format::Text {
            return report::text_all(
                out,
                entries.iter(),
                operations.iter(),
                names,
                output.style(),
            );
        }
        for entry in entries {
            match output.format {
                Format::Text => {}
                Format::Json => report::json_line(out, entry, names)?,
                Format::Csv => report::csv(out, entry, names)?,
                Format::Entra => entra_log::line(out, entry, names, &of_job(config, entry))?,
            }
        }
        for operation in operations {
            match output.format {
                Format::Text | Format::Entra => {}
                Format::Json => report::operation_line(out, operation)?,
                Format::Csv => report::operation_csv(out, operation)?,
            }
        }
        Ok(())
    })
}

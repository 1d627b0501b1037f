//! `entrain report`: what an earlier cycle did, or all cycles of a period, from the local state alone: no
//! network, no secrets, and no lock, so that it can be read while the service runs.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use super::args;
use super::exit::Exit;
use super::format::Format;
use super::load;
use super::moment::span;
use super::output::Output;
use super::reports::{Reports, Wanted};
use super::rows::LedgerEntries;
use super::usage::Usage;
use crate::config::Config;
use crate::cycle::{self, Marked};
use crate::engine::model::JobName;
use crate::engine::period::Period;
use crate::engine::record::CycleRecord;
use crate::report::period::{self, PeriodReport};
use crate::report::table::Table;
use crate::report::{CycleReport, Entries as _, text};
use crate::scheduler;
use crate::store::{self, Store};

/// A cycle with its job.
type Numbered = (JobName, CycleRecord);

pub(super) fn report(
    output: Output,
    file: Option<&Path>,
    arguments: &args::Report,
) -> anyhow::Result<Exit> {
    let wanted = Wanted::parse_all(&arguments.out)?;
    let config = load::config(output, file)?;
    let store = match Store::open_read_only(&config.state) {
        Ok(store) => store,
        Err(store::Error::Missing { .. }) => {
            return Err(Usage("there is no state yet: no cycle has run".to_owned()).into());
        }
        Err(error) => return Err(error.into()),
    };
    let marked = cycle::marked(&config);
    let mut reports = Reports::begin_done(&wanted, scheduler::now())?;
    if arguments.since.is_some() {
        of_period(output, &config, &store, &marked, arguments, &mut reports)?;
    } else {
        let chosen = chosen(&config, &store, arguments)?;
        of_cycles(output, &store, &marked, &chosen, &mut reports)?;
    }
    for sentence in reports.end()? {
        output.message(&sentence);
    }
    Ok(Exit::Done)
}

/// The cycle that was named, or the last of each job.
fn chosen(
    config: &Config,
    store: &Store,
    arguments: &args::Report,
) -> anyhow::Result<Vec<Numbered>> {
    if let Some(number) = arguments.cycle {
        let found = store.cycle(number)?;
        return match found {
            Some(one) => Ok(vec![one]),
            None => Err(Usage(format!(
                "no cycle {number} is on record; entrain status shows the last one of each job"
            ))
            .into()),
        };
    }
    let mut chosen = Vec::new();
    // One that is not enabled may have run because it was named.
    let jobs = match arguments.jobs.as_slice() {
        [] => config.jobs.iter().collect(),
        named => load::jobs(config, named)?,
    };
    for job in jobs {
        let newest = store.newest_cycle(&job.rules.name)?;
        let newest = newest.map(|number| store.cycle(number)).transpose()?;
        chosen.extend(newest.flatten());
    }
    Ok(chosen)
}

fn of_cycles(
    output: Output,
    store: &Store,
    marked: &Marked,
    chosen: &[Numbered],
    reports: &mut Reports,
) -> anyhow::Result<()> {
    let mut out = output.results();
    let mut text_out = output.text();
    let mut document = output.document(&mut out)?;
    let mut table = (output.format == Format::Csv).then(|| Table::begin_stream(output.results()));
    if chosen.is_empty() {
        output.message("no cycle is on record");
    }
    for (place, (job, cycle)) in chosen.iter().enumerate() {
        let entries = LedgerEntries::new(store, cycle.number, marked);
        let view = CycleReport {
            job,
            cycle,
            entries: &entries,
            predicted: None,
        };
        reports.cycle(&view)?;
        match (&mut document, &mut table) {
            (Some(document), _) => document.cycle(&view)?,
            (None, Some(Ok(table))) => table.cycle(&view)?,
            (None, _) => {
                if place > 0 {
                    writeln!(text_out)?;
                }
                text::cycle(&mut text_out, &view, output.style())?;
            }
        }
    }
    text_out.flush()?;
    if let Some(document) = document {
        document.end()?;
    }
    if let Some(table) = table {
        table?.end()?.flush()?;
    }
    out.flush()?;
    Ok(())
}

fn of_period(
    output: Output,
    config: &Config,
    store: &Store,
    marked: &Marked,
    arguments: &args::Report,
    reports: &mut Reports,
) -> anyhow::Result<()> {
    let now = scheduler::now();
    let (since, until) = span(arguments.since, arguments.until, now)?;
    let until = until.unwrap_or(now);
    let since = since.unwrap_or(until);
    let mut jobs: BTreeMap<JobName, Period> = BTreeMap::new();
    // Every job on record when none is named, those that the configuration no longer has included.
    for job in load::jobs(config, &arguments.jobs)? {
        let name = &job.rules.name;
        jobs.insert(name.clone(), Period::new(name.clone()));
    }
    let mut table = (output.format == Format::Csv).then(|| Table::begin_stream(output.results()));
    for (job, cycle) in store.cycles_between(since, until)? {
        if !arguments.jobs.is_empty() && !jobs.contains_key(&job) {
            continue;
        }
        let period = jobs
            .entry(job.clone())
            .or_insert_with(|| Period::new(job.clone()));
        let entries = LedgerEntries::new(store, cycle.number, marked);
        entries.each(&mut |logged, _| {
            period.add(cycle.started, logged);
            Ok(())
        })?;
        let view = CycleReport {
            job: &job,
            cycle: &cycle,
            entries: &entries,
            predicted: None,
        };
        reports.table(&view)?;
        if let Some(Ok(table)) = &mut table {
            table.cycle(&view)?;
        }
        period.cycles.push(cycle);
    }
    let mut jobs: Vec<Period> = jobs.into_values().collect();
    for period in &mut jobs {
        period.leave_out(&store.groups_among(&period.changed())?);
    }
    let report = PeriodReport {
        since,
        until,
        jobs: &jobs,
    };
    cycle::with_names(Some(store), |names| reports.period(&report, names))?;
    if let Some(table) = table {
        table?.end()?.flush()?;
        return Ok(());
    }
    let mut out = output.results();
    if let Some(mut document) = output.document(&mut out)? {
        document.period(&report)?;
        document.end()?;
    } else {
        let mut out = output.text();
        cycle::with_names(Some(store), |names| {
            period::text(&mut out, &report, names, output.style())
        })?;
        out.flush()?;
    }
    out.flush()?;
    Ok(())
}

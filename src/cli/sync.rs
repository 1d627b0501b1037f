//! `entrain sync`: one cycle now, of all jobs at the same time.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use super::args;
use super::cycles::{Cycles, Start};
use super::exit::Exit;
use super::interrupt::Interrupt;
use super::load;
use super::output::Output;
use super::progress::Bars;
use super::reports::{Reports, Wanted};
use super::rows::LedgerRows;
use super::session::Session;
use crate::config::Job;
use crate::cycle::{Agent, Options};
use crate::engine::redact::Redactions;
use crate::engine::summary::Summary;
use crate::report::text;
use crate::scheduler;

pub(super) async fn sync(
    output: Output,
    file: Option<&Path>,
    arguments: args::Sync,
) -> anyhow::Result<Exit> {
    let wanted = arguments.out.iter().map(|path| Wanted::parse(path));
    let wanted = wanted.collect::<anyhow::Result<Vec<_>>>()?;
    let config = Arc::new(load::config(output, file)?);
    let mut jobs = load::jobs(&config, &arguments.jobs.jobs)?;
    if arguments.jobs.jobs.is_empty() {
        jobs.retain(|job| {
            if job.observes {
                let name = &job.rules.name;
                output.message(&format!("{name} only observes: entrain plan {name}"));
            }
            !job.observes
        });
    }
    let options = arguments.only.into_options(arguments.initial);
    let session = Session::cycles(output, &config, "sync").await?;
    let Session {
        store,
        agent,
        interrupt,
        ..
    } = &session;
    if jobs.is_empty() {
        output.message("no job is enabled; nothing to do");
    }

    let mut reports = Reports::begin_done(&wanted, scheduler::now())?;
    let mut out = output.results();
    let mut exit = Exit::Done;
    let mut document = output.document(&mut out)?;
    let mut text_out = output.text();
    let work = |start| async move {
        let Start {
            agent,
            job,
            options,
            progress,
            due,
        } = start;
        agent.run(&job, &options, &progress, due).await
    };
    let mut cycles = Cycles::start(output, interrupt, agent, &jobs, &options, work);
    while let Some((name, ended)) = cycles.next().await {
        // A cycle that failed is on record, too.
        reports.last_cycle(store, &config, &name)?;
        match ended {
            Ok(summary) => {
                exit = exit.max(Exit::of(summary.health()));
                match &mut document {
                    Some(document) => document.summary(&summary)?,
                    None => cycles.print(|| {
                        let style = output.style();
                        text::summary(&mut text_out, &summary, style)?;
                        if style.details
                            && let Some(job) = jobs.iter().find(|job| job.rules.name == name)
                        {
                            let redactions = Redactions::of(&job.rules);
                            let rows = LedgerRows::new(store, summary.cycle, redactions);
                            text::skipped(&mut text_out, &rows, style)?;
                        }
                        text_out.flush()
                    })?,
                }
            }
            Err(error) => {
                exit = exit.max(Exit::of_error(&error));
                let error = cycles.print(|| output.error_of(&name, &error));
                if let Some(document) = &mut document {
                    document.error(&name, &error)?;
                }
            }
        }
    }
    if let Some(document) = document {
        document.end()?;
    }
    out.flush()?;
    for sentence in reports.end()? {
        output.message(&sentence);
    }
    Ok(exit)
}

/// One cycle with its progress bar.
pub(super) async fn one(
    output: Output,
    agent: &Agent,
    interrupt: &Interrupt,
    job: &Job,
    options: &Options,
) -> anyhow::Result<Summary> {
    let bars = Bars::new(output);
    let (progress, _follower) = bars.follow(&job.rules.name);
    let cycle = Box::pin(agent.run(job, options, &progress, agent.due()));
    Ok(interrupt.guard(cycle).await??)
}

//! `entrain sync`: one cycle now, one job after another.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use super::args;
use super::exit::Exit;
use super::interrupt::Interrupt;
use super::output::Output;
use super::{load, progress};
use crate::config::Job;
use crate::cycle::{Agent, Options};
use crate::engine::summary::Summary;
use crate::report::text;
use crate::scheduler;
use crate::store::{Lock, Store};

pub(super) async fn sync(
    output: Output,
    file: Option<&Path>,
    arguments: args::Sync,
) -> anyhow::Result<Exit> {
    let config = Arc::new(load::config(output, file)?);
    let jobs = load::jobs(&config, &arguments.jobs.jobs)?;
    let options = arguments.only.into_options(arguments.initial);
    // Before anything is opened: the second of two fails at once, and tells who was first.
    let _lock = Lock::acquire(&config.state_path, "sync")?;
    let store = Arc::new(Store::open(&config.state_path)?);
    let interrupt = Interrupt::listen(output)?;
    let agent = Agent::new(
        Arc::clone(&config),
        store,
        interrupt.stop.clone(),
        scheduler::now,
    )?;
    if jobs.is_empty() {
        output.message("no job is enabled; nothing to do");
    }

    let mut out = output.results();
    let mut exit = Exit::Done;
    let mut document = output.document(&mut out)?;
    let mut text_out = output.results();
    for job in jobs {
        let name = &job.rules.name;
        if interrupt.is_stopped() {
            output.message(&format!("not started: {name}"));
            exit = exit.max(Exit::Failed);
            continue;
        }
        match one(output, &agent, &interrupt, job, &options).await {
            Ok(summary) => {
                exit = exit.max(Exit::of_summary(&summary));
                match &mut document {
                    Some(document) => document.summary(&summary)?,
                    None => text::summary(&mut text_out, &summary, output.style())?,
                }
                text_out.flush()?;
            }
            Err(error) => {
                exit = exit.max(Exit::Failed);
                let error = output.error_of(name, &error);
                if let Some(document) = &mut document {
                    document.error(name, &error)?;
                }
            }
        }
    }
    if let Some(document) = document {
        document.end()?;
    }
    out.flush()?;
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
    let (progress, _follower) = progress::follow(output, &job.rules.name);
    let cycle = Box::pin(agent.run(job, options, &progress));
    Ok(interrupt.guard(cycle).await??)
}

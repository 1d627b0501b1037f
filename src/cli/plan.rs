//! `entrain plan`: the diff report of what a cycle would do. Works on a copy of the state, takes no
//! lock, and holds nothing that could write to a target.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use super::args;
use super::exit::Exit;
use super::interrupt::Interrupt;
use super::output::Output;
use super::{load, progress};
use crate::config::Job;
use crate::cycle::{Agent, Dry, Options};
use crate::engine::model::{ObjectKind, SourceId};
use crate::engine::redact::ShownReview;
use crate::report::{PlanView, text};
use crate::scheduler;
use crate::store::Store;

pub(super) async fn plan(
    output: Output,
    file: Option<&Path>,
    arguments: args::Plan,
) -> anyhow::Result<Exit> {
    let config = Arc::new(load::config(output, file)?);
    let jobs = load::jobs(&config, &arguments.jobs.jobs)?;
    let options = arguments.only.into_options(false);
    let store = Arc::new(Store::open_scratch(&config.state_path)?);
    let interrupt = Interrupt::listen(output)?;
    let agent = Agent::new(
        Arc::clone(&config),
        Arc::clone(&store),
        interrupt.stop.clone(),
        scheduler::now,
    )?;
    if jobs.is_empty() {
        output.message("no job is enabled; nothing to plan");
    }

    let known = |id: &SourceId| name_on_record(&store, id);
    let mut exit = Exit::Done;
    let mut out = output.results();
    let mut text_out = output.results();
    let mut document = output.document(&mut out)?;
    for (place, job) in jobs.into_iter().enumerate() {
        let name = &job.rules.name;
        if interrupt.is_stopped() {
            output.message(&format!("not planned: {name}"));
            exit = exit.max(Exit::Failed);
            continue;
        }
        match one(output, &agent, &interrupt, job, &options).await {
            Ok(dry) => {
                exit = exit.max(Exit::of_plan(&dry.review, arguments.detailed_exitcode));
                let view = view(&dry, &known);
                if let Some(document) = &mut document {
                    document.plan(&view)?;
                } else {
                    if place > 0 {
                        writeln!(text_out)?;
                    }
                    text::plan(&mut text_out, &view, output.style())?;
                    text_out.flush()?;
                }
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

/// Plans one job with a progress bar.
pub(super) async fn one(
    output: Output,
    agent: &Agent,
    interrupt: &Interrupt,
    job: &Job,
    options: &Options,
) -> anyhow::Result<Dry> {
    let (progress, _follower) = progress::follow(output, &job.rules.name);
    let planning = Box::pin(agent.plan(job, options, &progress));
    Ok(interrupt.guard(planning).await??)
}

pub(super) fn view<'a>(
    dry: &'a Dry,
    known: &'a dyn Fn(&SourceId) -> Option<String>,
) -> PlanView<'a> {
    let Dry {
        review,
        kind,
        requests,
    } = dry;
    PlanView {
        review: ShownReview::new(review),
        kind: *kind,
        requests: *requests,
        known,
    }
}

/// The name of a source object that the state knows. A report without it shows the id.
pub(super) fn name_on_record(store: &Store, id: &SourceId) -> Option<String> {
    ObjectKind::ALL.into_iter().find_map(|kind| {
        let object = store.object(kind, id).ok()??;
        Some(object.label().to_owned())
    })
}

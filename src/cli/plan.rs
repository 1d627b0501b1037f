//! `entrain plan`: the diff report of what a cycle would do. Works on a copy of the state, takes no
//! lock, and holds nothing that could write to a target.

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
    let work = |start| async move {
        let Start {
            agent,
            job,
            options,
            progress,
            due,
        } = start;
        agent.plan(&job, &options, &progress, due).await
    };
    let mut plans = Cycles::start(output, &interrupt, &agent, &jobs, &options, work);
    let mut is_first = true;
    while let Some((name, ended)) = plans.next().await {
        match ended {
            Ok(dry) => {
                exit = exit.max(Exit::of_plan(&dry.review, arguments.detailed_exitcode));
                let view = view(&dry, &known);
                if let Some(document) = &mut document {
                    document.plan(&view)?;
                } else {
                    plans.print(|| {
                        if !is_first {
                            writeln!(text_out)?;
                        }
                        text::plan(&mut text_out, &view, output.style())?;
                        text_out.flush()
                    })?;
                }
            }
            Err(error) => {
                exit = exit.max(Exit::Failed);
                let error = plans.print(|| output.error_of(&name, &error));
                if let Some(document) = &mut document {
                    document.error(&name, &error)?;
                }
            }
        }
        is_first = false;
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
    let bars = Bars::new(output);
    let (progress, _follower) = bars.follow(&job.rules.name);
    let planning = Box::pin(agent.plan(job, options, &progress, agent.due()));
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

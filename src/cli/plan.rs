//! `entrain plan`: the diff report of what a cycle would do. What it reads and plans stays in memory of
//! its own; it takes no lock, and holds nothing that could write to the state or to a target.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use super::against::Others;
use super::args;
use super::cycles::{Cycles, Start};
use super::exit::Exit;
use super::interrupt::Interrupt;
use super::load::{self, Usage};
use super::output::Output;
use super::progress::Bars;
use super::reports::{Reports, Wanted};
use super::rows::LedgerRows;
use super::session::Session;
use super::source::SnapshotFile;
use crate::config::Job;
use crate::cycle::{Agent, Options, Planned};
use crate::engine::model::JobName;
use crate::engine::redact::Redactions;
use crate::report::{PlanView, Rows, text};
use crate::scheduler;

pub(super) async fn plan(
    output: Output,
    file: Option<&Path>,
    arguments: args::Plan,
) -> anyhow::Result<Exit> {
    let wanted = wanted(&arguments)?;
    let config = Arc::new(load::config(output, file)?);
    let jobs = load::jobs(&config, &arguments.jobs.jobs)?;
    let options = arguments.only.into_options(arguments.initial);
    let mut reports = Reports::begin(&wanted, scheduler::now(), &options)?;
    let snapshot = arguments.source.as_deref();
    let snapshot = snapshot.map(|file| SnapshotFile::read(file, &config));
    let snapshot = snapshot.transpose()?;
    let session = Session::plan_from(output, &config, snapshot.as_ref()).await?;
    let Session {
        store,
        agent,
        interrupt,
        ..
    } = &session;
    if jobs.is_empty() {
        output.message("no job is enabled; nothing to plan");
    }

    let key = agent.key().clone();
    let mut others = match &arguments.against {
        None => None,
        Some(file) => {
            let snapshot = snapshot.as_ref();
            let other = Others::load(output, file, &config, snapshot, interrupt)?;
            Some(other.plan(output, interrupt, &jobs, &options, &key).await?)
        }
    };

    let mut exit = Exit::Done;
    let mut out = output.results();
    let mut text_out = output.text();
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
    let mut plans = Cycles::start(output, interrupt, agent, &jobs, &options, work);
    let mut is_first = true;
    for job in &jobs {
        let Some((name, ended)) = plans.next().await else {
            break;
        };
        match ended {
            Ok(mut planned) => {
                let mut against = None;
                if let Some(others) = &mut others {
                    let mut known = others.of(&name);
                    agent.leave_out(&mut planned, &key, &mut known)?;
                    against = Some(others.told(known));
                }
                exit = exit.max(Exit::of_plan(&planned, arguments.detailed_exitcode));
                let redactions = Redactions::of(&job.rules);
                let rows = LedgerRows::new(store, planned.cycle, redactions);
                let view = PlanView {
                    against: against.as_ref(),
                    snapshot: snapshot.as_ref().map(|snapshot| &snapshot.note),
                    ..view(&name, &planned, &rows)
                };
                reports.plan(agent, &config, planned.cycle, &view)?;
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
                exit = exit.max(Exit::of_error(&error));
                let error = plans.print(|| output.error_of(&name, &error));
                reports.error(&name, &error)?;
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
    for sentence in reports.end()? {
        output.message(&sentence);
    }
    Ok(exit)
}

/// The files to be written.
fn wanted(arguments: &args::Plan) -> anyhow::Result<Vec<Wanted>> {
    let wanted = arguments.out.iter().map(|path| Wanted::parse(path));
    let mut wanted = wanted.collect::<anyhow::Result<Vec<_>>>()?;
    if arguments.source.is_some() && wanted.iter().any(Wanted::is_saved_plan) {
        let text = "a plan from a snapshot is not saved: apply plans from the tenant";
        return Err(Usage(text.to_owned()).into());
    }
    wanted.extend(arguments.html.clone().map(Wanted::html));
    Ok(wanted)
}

/// Plans one job with a progress bar.
pub(super) async fn one(
    output: Output,
    agent: &Agent,
    interrupt: &Interrupt,
    job: &Job,
    options: &Options,
) -> anyhow::Result<Planned> {
    let bars = Bars::new(output);
    let (progress, _follower) = bars.follow(&job.rules.name);
    let planning = Box::pin(agent.plan(job, options, &progress, agent.due()));
    Ok(interrupt.guard(planning).await??)
}

pub(super) fn view<'a>(job: &'a JobName, planned: &'a Planned, rows: &'a dyn Rows) -> PlanView<'a> {
    let Planned {
        cycle: _,
        refusals,
        header,
        totals,
        held,
        limits,
        kind,
        requests,
    } = planned;
    PlanView {
        job,
        header,
        totals,
        refusals,
        held,
        limits,
        kind: *kind,
        requests: *requests,
        rows,
        against: None,
        snapshot: None,
    }
}

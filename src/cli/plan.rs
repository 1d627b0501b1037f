//! `entrain plan`: the diff report of what a cycle would do. What it reads and plans stays in memory of
//! its own; it takes no lock, and holds nothing that could write to the state or to a target.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use super::against::{Other, Others};
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
use super::source::{self, SnapshotFile};
use crate::config::{Config, Job};
use crate::cycle::{Agent, Options, Planned};
use crate::engine::model::JobName;
use crate::engine::redact::Redactions;
use crate::graph::Supposed;
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
    let options = arguments.only.clone().into_options(arguments.initial);
    let mut reports = Reports::begin(&wanted, scheduler::now(), &options)?;
    let readings = Readings::of(output, &config, &arguments).await?;
    let snapshot = readings.used();
    let session = Session::plan_from(output, &config, snapshot).await?;
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
    let other = readings.other(output, &arguments, &config, interrupt)?;
    let mut others = match other {
        None => None,
        Some(other) => Some(other.plan(output, interrupt, &jobs, &options, &key).await?),
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
                let differs = against
                    .as_ref()
                    .is_some_and(|one| !one.only_there.is_empty());
                if differs && arguments.detailed_exitcode {
                    exit = exit.max(Exit::Pending);
                }
                let redactions = Redactions::of(&job.rules);
                let rows = LedgerRows::new(store, planned.cycle, redactions);
                let view = PlanView {
                    against: against.as_ref(),
                    snapshot: snapshot.map(|snapshot| &snapshot.note),
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

/// What stands in for the tenant: as it was read, and with the changes that are supposed.
struct Readings {
    read: Option<SnapshotFile>,
    supposed: Option<SnapshotFile>,
}

impl Readings {
    async fn of(output: Output, config: &Config, arguments: &args::Plan) -> anyhow::Result<Self> {
        let changes = arguments.what_if.iter().map(|text| {
            let change = Supposed::parse(text);
            change.map_err(|words| Usage(format!("--what-if {words}")))
        });
        let changes = changes.collect::<Result<Vec<_>, _>>()?;
        let read = arguments.source.as_deref();
        let read = read.map(|file| SnapshotFile::read(file, config));
        let read = match read.transpose()? {
            None if !changes.is_empty() => {
                Some(source::reading(config, &Interrupt::listen(output)?).await?)
            }
            // Two configurations are compared: what the target holds is the same for both.
            Some(read) if arguments.against.is_some() => Some(read.without_target()),
            read => read,
        };
        let supposed = match &read {
            Some(read) if !changes.is_empty() => Some(read.supposing(&changes)?),
            Some(_) | None => None,
        };
        Ok(Self { read, supposed })
    }

    /// The one that is planned from.
    fn used(&self) -> Option<&SnapshotFile> {
        self.supposed.as_ref().or(self.read.as_ref())
    }

    /// What the plan is compared with.
    fn other(
        &self,
        output: Output,
        arguments: &args::Plan,
        config: &Arc<Config>,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Option<Other>> {
        if let Some(file) = &arguments.against {
            return Others::load(output, file, config, self.used(), interrupt).map(Some);
        }
        match (&self.supposed, &self.read) {
            (Some(_), Some(read)) => Others::unchanged(config, read, interrupt).map(Some),
            (Some(_) | None, _) => Ok(None),
        }
    }
}

/// The files to be written.
fn wanted(arguments: &args::Plan) -> anyhow::Result<Vec<Wanted>> {
    let wanted = arguments.out.iter().map(|path| Wanted::parse(path));
    let mut wanted = wanted.collect::<anyhow::Result<Vec<_>>>()?;
    let is_supposed = arguments.source.is_some() || !arguments.what_if.is_empty();
    if is_supposed && wanted.iter().any(Wanted::is_saved_plan) {
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

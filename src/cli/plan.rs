//! `entrain plan`: the diff report of what a cycle would do. What it reads and plans stays in memory of
//! its own; it takes no lock, and holds nothing that could write to the state or to a target.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::against::{Difference, Other, Others};
use super::args;
use super::control;
use super::cycles::{Cycles, Start};
use super::exit::Exit;
use super::interrupt::Interrupt;
use super::load;
use super::output::Output;
use super::reports::{Reports, Wanted};
use super::rows::LedgerRows;
use super::session::Session;
use super::source::{self, SnapshotFile};
use super::usage::Usage;
use crate::config::{Config, Job, ReportForm};
use crate::cycle::{self, Options, Planned};
use crate::engine::redact::{Pseudonyms, Redactions};
use crate::graph::Supposed;
use crate::report::parity::{self, Parity};
use crate::report::text::{self, Style};
use crate::report::{Against, PlanView, Rows};
use crate::scheduler;
use crate::store::StateKey;

pub(super) async fn plan(
    output: Output,
    file: Option<&Path>,
    arguments: args::Plan,
) -> anyhow::Result<Exit> {
    let wanted = wanted(&arguments)?;
    let config = Arc::new(load::config(output, file)?);
    let jobs = load::jobs(&config, &arguments.cycle.jobs.jobs)?;
    let options = Options {
        initial: arguments.cycle.initial || arguments.parity,
        // A changed configuration evaluates everything, and then so must what it is compared with.
        evaluate_all: arguments.against.is_some(),
        ..arguments.cycle.options()
    };
    let made = scheduler::now();
    let mut reports = Reports::begin(&wanted, made, &options, arguments.redact)?;
    let readings = Readings::of(output, &config, &jobs, &arguments).await?;
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
    control::compare(output, store, jobs.iter().copied())?;

    let key = agent.key().clone();
    let people = People::of(output, &arguments, &key);
    let redactions = |job: &Job| people.redactions(job);
    let other = readings.other(output, &arguments, &config, interrupt)?;
    let mut others = match other {
        None => None,
        Some(other) => {
            let planning = other.plan(output, interrupt, &jobs, &options, &key);
            Some(planning.await?)
        }
    };

    let mut exit = Exit::Done;
    let mut out = output.results();
    let mut text_out = output.text();
    let mut document = output.document(&mut out)?;
    let mut plans = Cycles::start(output, interrupt, agent, &jobs, &options, dry_run);
    let mut is_first = true;
    for job in &jobs {
        let Some((name, ended)) = plans.next().await else {
            break;
        };
        match ended {
            Ok(mut planned) => {
                let redactions = redactions(job);
                let difference = others
                    .as_mut()
                    .map(|others| others.compare(agent, &name, &mut planned, &key, &redactions));
                let difference = difference.transpose()?;
                let against = difference.as_ref().map(Difference::against);
                redactions.hide_in_plan(&mut planned.header, &mut planned.refusals);
                let rows = LedgerRows::new(store, planned.cycle, redactions.clone());
                let view = PlanView {
                    against: against.as_ref(),
                    snapshot: snapshot.map(|snapshot| &snapshot.note),
                    ..view(job, &planned, &rows, made)
                };
                reports.plan(agent, &config, planned.cycle, &redactions, &view)?;
                let parity = arguments.parity.then(|| Parity::of(&view, &job.rules));
                let parity = parity.transpose()?;
                let (against, parity_of, detailed) = (
                    against.as_ref(),
                    parity.as_ref(),
                    arguments.detailed_exitcode,
                );
                exit = exit.max(exit_of(&planned, against, parity_of, detailed));
                match (&mut document, &parity) {
                    (Some(document), Some(parity)) => {
                        document.rendered(&parity::entry(&view, parity).to_string())?;
                    }
                    (Some(document), None) => document.plan(&view)?,
                    (None, parity) => plans.print(|| {
                        let parity = parity.as_ref();
                        print(&mut text_out, &view, parity, is_first, output.style())
                    })?,
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

fn exit_of(
    planned: &Planned,
    against: Option<&Against<'_>>,
    parity: Option<&Parity>,
    detailed: bool,
) -> Exit {
    // A link that is recorded is no change.
    let detailed = detailed && !parity.is_some_and(Parity::is_proof);
    let exit = Exit::of_plan(planned, detailed);
    let differs = against.is_some_and(|one| !one.only_there.is_empty());
    if differs && detailed {
        exit.max(Exit::Pending)
    } else {
        exit
    }
}

async fn dry_run(start: Start) -> Result<Planned, cycle::Error> {
    let Start {
        agent,
        job,
        options,
        progress,
        due,
    } = start;
    agent.plan(&job, &options, &progress, due).await
}

/// How people are shown: by the pseudonyms of this state, the same as in its snapshots, or as they are.
struct People(Option<Arc<Pseudonyms>>);

impl People {
    fn of(output: Output, arguments: &args::Plan, key: &StateKey) -> Self {
        if arguments.redact && key.unkept().is_some() {
            output.message(source::NO_KEY_YET);
        }
        let pseudonyms = || Arc::new(source::pseudonyms(key, BTreeSet::new()));
        Self(arguments.redact.then(pseudonyms))
    }

    fn redactions(&self, job: &Job) -> Redactions {
        let redactions = Redactions::of(&job.rules);
        match &self.0 {
            Some(pseudonyms) => redactions.standing_in(&job.rules, pseudonyms),
            None => redactions,
        }
    }
}

/// The plan of one job, or how it compares with what the target holds.
fn print(
    out: &mut dyn Write,
    view: &PlanView<'_>,
    parity: Option<&Parity>,
    is_first: bool,
    style: Style,
) -> io::Result<()> {
    if !is_first {
        writeln!(out)?;
    }
    match parity {
        Some(parity) => parity::text(out, view, parity, style)?,
        None => text::plan(out, view, style)?,
    }
    out.flush()
}

/// What stands in for the tenant: as it was read, and with the changes that are supposed.
struct Readings {
    read: Option<SnapshotFile>,
    supposed: Option<SnapshotFile>,
}

impl Readings {
    async fn of(
        output: Output,
        config: &Config,
        jobs: &[&Job],
        arguments: &args::Plan,
    ) -> anyhow::Result<Self> {
        let changes = arguments.what_if.iter().map(|text| {
            let change = Supposed::parse(text);
            change.map_err(|words| Usage(format!("--what-if {words}")))
        });
        let changes = changes.collect::<Result<Vec<_>, _>>()?;
        let read = arguments.source.as_deref();
        let read = read.map(|file| SnapshotFile::read(file, config));
        let read = match read.transpose()? {
            None if !changes.is_empty() => {
                Some(source::reading(config, jobs, &Interrupt::listen(output)?).await?)
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
    let mut wanted = Wanted::parse_all(&arguments.out)?;
    let is_supposed = arguments.source.is_some() || !arguments.what_if.is_empty();
    if is_supposed && wanted.iter().any(Wanted::is_saved_plan) {
        let text = "a plan from a snapshot is not saved: apply plans from the tenant";
        return Err(Usage(text.to_owned()).into());
    }
    let html = |path| Wanted::report(path, ReportForm::Html);
    wanted.extend(arguments.html.clone().map(html));
    Ok(wanted)
}

pub(super) fn view<'a>(
    job: &'a Job,
    planned: &'a Planned,
    rows: &'a dyn Rows,
    made: DateTime<Utc>,
) -> PlanView<'a> {
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
        job: &job.rules.name,
        header,
        totals,
        refusals,
        held,
        limits,
        kind: *kind,
        requests: *requests,
        rate: job.target.requests_per_second,
        rows,
        made,
        against: None,
        snapshot: None,
    }
}

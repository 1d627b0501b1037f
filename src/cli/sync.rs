//! `entrain sync`: one cycle now, of all jobs at the same time.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;

use super::args;
use super::control::{self, Handed, Request};
use super::cycles::{Cycles, Start};
use super::exit::Exit;
use super::load;
use super::output::{Look, Output, StandardOutput};
use super::reports::{Reports, Wanted};
use super::rows::LedgerRows;
use super::session::Session;
use super::wrap::Wrapped;
use crate::config::{Config, Job};
use crate::cycle::Options;
use crate::engine::model::JobName;
use crate::engine::redact::Redactions;
use crate::engine::summary::{ReadBack, Summary};
use crate::report::command;
use crate::report::json::{self, Document};
use crate::report::text;
use crate::scheduler;
use crate::store::{CommandEnd, Store};

pub(super) async fn sync(
    output: Output,
    file: Option<&Path>,
    arguments: args::Sync,
) -> anyhow::Result<Exit> {
    let wanted = Wanted::parse_all(&arguments.reports.out)?;
    let config = Arc::new(load::config(output, file)?);
    let mut jobs = load::jobs(&config, &arguments.cycle.jobs.jobs)?;
    if arguments.cycle.jobs.jobs.is_empty() {
        jobs.retain(|job| {
            if job.observes {
                let name = &job.rules.name;
                let plan = command(&format!("plan {name}"));
                output.message(&format!("{name} only observes: {plan}"));
            }
            !job.observes
        });
    }
    let options = Options {
        max_deletions: arguments.max_deletions,
        ..arguments.cycle.options()
    };
    let session = match Session::cycles(output, &config, "sync", &jobs).await {
        Err(error) if control::is_service(&error) => {
            let requests = jobs.iter().map(|job| {
                let request = Request::cycle(job, &options, Look::of(output));
                (job.rules.name.clone(), request)
            });
            // First: what began before the reports is not in them.
            let reports = Reports::begin_done(&wanted, scheduler::now())?;
            let handed = Handed::over(output, &config, requests.collect())?;
            return Ok(handed_over(output, &config, handed, reports).await?.exit);
        }
        session => session?,
    };
    let Session {
        store,
        agent,
        interrupt,
        ..
    } = &session;
    if jobs.is_empty() {
        output.message("no job is enabled; nothing to do");
    }

    let reports = Reports::begin_done(&wanted, scheduler::now())?;
    let mut out = output.results();
    let mut printer = Printer::begin(output, &mut out, reports)?;
    let look = Look::of(output);
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
        let ended = match ended {
            Ok(summary) => {
                let job = jobs.iter().find(|job| job.rules.name == name);
                let words = render(&summary, None, job.copied(), store, look)?;
                Ok((Exit::of(summary.health()), words))
            }
            Err(error) => Err((Exit::of_error(&error), error)),
        };
        // A cycle that failed is on record, too.
        printer.reports.last_cycle(store, &config, &name)?;
        cycles.print(|| printer.job(&name, ended))?;
    }
    let all = printer.end()?;
    out.flush()?;
    Ok(all.exit)
}

/// The same of cycles that a service runs.
pub(super) async fn handed_over(
    output: Output,
    config: &Config,
    mut handed: Handed,
    reports: Reports,
) -> anyhow::Result<Printed> {
    let mut out = output.results();
    let mut printer = Printer::begin(output, &mut out, reports)?;
    while let Some((name, ended)) = handed.next().await {
        let ended = match ended {
            Ok(CommandEnd {
                exit,
                cycle: Some(_),
                words,
            }) => Ok((Exit::from_code(exit), words)),
            Ok(CommandEnd {
                exit,
                cycle: None,
                words,
            }) => Err((Exit::from_code(exit), anyhow!(words))),
            Err(error) => Err((Exit::Failed, error)),
        };
        printer.reports.last_cycle(handed.store(), config, &name)?;
        handed.print(|| printer.job(&name, ended))?;
    }
    let all = printer.end()?;
    out.flush()?;
    Ok(all)
}

/// The result of one cycle, and what was read back after it.
pub(super) fn render(
    summary: &Summary,
    read_back: Option<&ReadBack>,
    job: Option<&Job>,
    store: &Store,
    look: Look,
) -> io::Result<String> {
    let Look { json, style } = look;
    if json {
        return Ok(json::summary(summary, read_back));
    }
    let mut out = Vec::new();
    text::summary(&mut out, summary, style)?;
    if style.details
        && let Some(job) = job
    {
        let redactions = Redactions::of(&job.rules);
        let rows = LedgerRows::new(store, summary.cycle, redactions);
        text::skipped(&mut out, &rows, style)?;
    }
    if let Some(read_back) = read_back {
        text::read_back(&mut out, read_back, style)?;
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// Prints the results, and writes the reports.
pub(super) struct Printer<'a> {
    output: Output,
    document: Option<Document<&'a mut dyn Write>>,
    text: Wrapped<BufWriter<StandardOutput>>,
    pub(super) reports: Reports,
    printed: Printed,
}

/// What was printed of some cycles.
#[derive(Clone, Copy, Debug)]
pub(super) struct Printed {
    /// The most severe of them.
    pub(super) exit: Exit,
    /// At least one of them came to its end.
    pub(super) is_any_done: bool,
}

impl<'a> Printer<'a> {
    pub(super) fn begin(
        output: Output,
        out: &'a mut dyn Write,
        reports: Reports,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            output,
            document: output.document(out)?,
            text: output.text(),
            reports,
            printed: Printed {
                exit: Exit::Done,
                is_any_done: false,
            },
        })
    }

    pub(super) fn job(
        &mut self,
        name: &JobName,
        ended: Result<(Exit, String), (Exit, anyhow::Error)>,
    ) -> anyhow::Result<()> {
        match ended {
            Ok((exit, words)) => {
                self.printed.exit = self.printed.exit.max(exit);
                self.printed.is_any_done = true;
                if let Some(document) = &mut self.document {
                    document.rendered(&words)?;
                } else {
                    self.text.write_all(words.as_bytes())?;
                    self.text.flush()?;
                }
            }
            Err((exit, error)) => {
                self.printed.exit = self.printed.exit.max(exit);
                let error = self.output.error_of(name, &error);
                if let Some(document) = &mut self.document {
                    document.error(name, &error)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn end(self) -> anyhow::Result<Printed> {
        if let Some(document) = self.document {
            document.end()?;
        }
        for sentence in self.reports.end()? {
            self.output.message(&sentence);
        }
        Ok(self.printed)
    }
}

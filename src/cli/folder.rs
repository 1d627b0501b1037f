//! The reports that the service writes into the folder of `[reports]`: one file for each cycle that did, failed or
//! held something, and the newest plan of a job that only observes.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use super::plan::view;
use super::reports::{Reports, Wanted};
use super::rows::{LedgerEntries, LedgerRows};
use crate::config::{self, Config, ReportForm};
use crate::cycle::{self, Observed, Options};
use crate::engine::redact::Redactions;
use crate::os;
use crate::report::CycleReport;
use crate::scheduler::{self, Reported};

/// How a name begins: when the cycle started, in UTC.
const STARTED: &str = "%Y-%m-%dT%H%M%SZ";
const STARTED_LENGTH: usize = "2026-01-31T093000Z".len();

/// Writes the report, where the configuration wants it, and deletes those that are too old.
pub(super) fn write(config: &Config, reported: &Reported<'_>) -> anyhow::Result<()> {
    let Some(settings) = &config.reports else {
        return Ok(());
    };
    let config::Reports {
        folder,
        forms,
        keep,
    } = settings;
    // Reports contain names and addresses.
    if !folder.is_dir() {
        os::make_private_folder(folder)
            .with_context(|| format!("could not create the folder {}", folder.display()))?;
    }
    let now = scheduler::now();
    let wanted = |stem: &str| -> Vec<Wanted> {
        let forms = ReportForm::WORDS
            .iter()
            .filter(|one| forms.contains(&one.1));
        forms
            .map(|(ending, form)| Wanted::report(folder.join(format!("{stem}.{ending}")), *form))
            .collect()
    };
    let sentences = match reported {
        Reported::Cycle { store, number } => {
            let Some((job, cycle)) = store.cycle(*number)? else {
                return Ok(());
            };
            let started = cycle.started.format(STARTED);
            let stem = format!("{started}-{job}-{number}");
            let mut reports = Reports::begin_done(&wanted(&stem), now)?;
            let marked = cycle::marked(config);
            reports.cycle(&CycleReport {
                job: &job,
                cycle: &cycle,
                entries: &LedgerEntries::new(store, *number, &marked),
                predicted: None,
            })?;
            reports.end()?
        }
        Reported::Plan { job, observed } => {
            let Observed {
                planned,
                agent,
                store,
            } = observed;
            let redactions = Redactions::of(&job.rules);
            let mut planned = planned.clone();
            redactions.hide_in_plan(&mut planned.header, &mut planned.refusals);
            let rows = LedgerRows::new(store, planned.cycle, redactions.clone());
            let name = &job.rules.name;
            let wanted = wanted(&format!("{name}-plan"));
            let mut reports = Reports::begin(&wanted, now, &Options::default(), false)?;
            let view = view(job, &planned, &rows, now);
            reports.plan(agent, config, planned.cycle, &redactions, &view)?;
            reports.end()?
        }
    };
    for sentence in sentences {
        tracing::info!("{sentence}");
    }
    forget_old(folder, *keep, now)
        .with_context(|| format!("could not delete old reports in {}", folder.display()))
}

/// Deletes reports of cycles that started longer ago than `keep`. Other files stay.
fn forget_old(folder: &Path, keep: Duration, now: DateTime<Utc>) -> io::Result<()> {
    let keep = TimeDelta::from_std(keep).unwrap_or(TimeDelta::MAX);
    for file in fs::read_dir(folder)? {
        let file = file?;
        let name = file.file_name();
        let is_old = |name: &str| {
            let ending = Path::new(name).extension()?.to_str()?;
            let is_ours = ReportForm::WORDS.iter().any(|(word, _)| *word == ending);
            let started = NaiveDateTime::parse_from_str(name.get(..STARTED_LENGTH)?, STARTED);
            Some(is_ours && now.naive_utc() - started.ok()? > keep)
        };
        if name.to_str().and_then(is_old).unwrap_or(false) {
            fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

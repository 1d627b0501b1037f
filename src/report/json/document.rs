//! The document around it all: one entry per job, or the error that came before any job.

use std::io::{self, Write};

use chrono::NaiveDate;
use serde::ser::Serialize;
use serde_json::json;

use super::check::checks_json;
use super::done::CycleDocument;
use super::format::FORMAT;
use super::harmless::Harmless;
use super::plan::PlanDocument;
use super::status::{readings_json, status_json, waiting_json};
use super::summary::{read_back_json, summary_json};
use crate::engine::check::{Check, Failed};
use crate::engine::model::JobName;
use crate::engine::notice::Waiting;
use crate::engine::record::Registered;
use crate::engine::strategy::SourceReading;
use crate::engine::summary::{ReadBack, Summary};
use crate::report::agents::agents_json;
use crate::report::period::{PeriodReport, period_json};
use crate::report::view::{CycleReport, JobStatus, PlanView};

/// A document with one entry per job, each written when it is there.
pub(crate) struct Document<W: Write> {
    out: Harmless<W>,
    entries: usize,
}

impl<W: Write> Document<W> {
    pub(crate) fn begin(out: W) -> io::Result<Self> {
        let mut out = Harmless::new(out);
        write!(out, "{{\"format\":{FORMAT},\"jobs\":[")?;
        Ok(Self { out, entries: 0 })
    }

    /// The same for the state of jobs, with the service that runs them.
    /// `expiring` are secrets and certificates with the days on which they expire, `waiting` notifications that
    /// are not delivered yet, `agents` those that share the state, where several do, `readings` how the sources are read.
    pub(crate) fn begin_status(
        out: W,
        service: Option<u32>,
        agents: Option<&[Registered]>,
        readings: &[SourceReading],
        expiring: &[(String, NaiveDate)],
        waiting: &[Waiting],
        today: NaiveDate,
    ) -> io::Result<Self> {
        let mut out = Harmless::new(out);
        let service = json!(service.map(|pid| json!({ "pid": pid })));
        let agents = json!(agents.map(agents_json));
        let credentials = expiring.iter().map(|(key, day)| {
            let left = (*day - today).num_days();
            json!({ "key": key, "expires": day.to_string(), "days_left": left })
        });
        let credentials: Vec<_> = credentials.collect();
        let credentials = json!(credentials);
        let notifications: Vec<_> = waiting.iter().map(waiting_json).collect();
        let notifications = json!(notifications);
        let (reading, refused, sources) = readings_json(readings);
        write!(
            out,
            "{{\"format\":{FORMAT},\"service\":{service},\"agents\":{agents},\"credentials\":{credentials},\
             \"notifications\":{notifications},\"reading\":{reading},\"refused\":{refused},\"sources\":{sources},\"jobs\":["
        )?;
        Ok(Self { out, entries: 0 })
    }

    pub(crate) fn plan(&mut self, view: &PlanView<'_>) -> io::Result<()> {
        self.entry(&PlanDocument(view))
    }

    pub(crate) fn cycle(&mut self, report: &CycleReport<'_>) -> io::Result<()> {
        self.entry(&CycleDocument(report))
    }

    /// The jobs of a period, each with the time that it spans.
    pub(crate) fn period(&mut self, report: &PeriodReport<'_>) -> io::Result<()> {
        for period in report.jobs {
            self.entry(&period_json(report, period))?;
        }
        Ok(())
    }

    pub(crate) fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        self.entry(&summary_json(summary))
    }

    /// An entry that was written before.
    pub(crate) fn rendered(&mut self, entry: &str) -> io::Result<()> {
        let separator = if self.entries == 0 { "\n" } else { ",\n" };
        self.entries += 1;
        write!(self.out, "{separator}{entry}")
    }

    pub(crate) fn checks(
        &mut self,
        job: &JobName,
        checks: &[Check],
        remarks: &[Failed],
    ) -> io::Result<()> {
        self.entry(&checks_json(job, checks, remarks))
    }

    pub(crate) fn status(&mut self, job: &JobStatus) -> io::Result<()> {
        self.entry(&status_json(job))
    }

    /// A job for which there is nothing but an error.
    pub(crate) fn error(&mut self, job: &JobName, error: &str) -> io::Result<()> {
        self.entry(&json!({ "job": job.as_str(), "error": error }))
    }

    fn entry(&mut self, entry: &impl Serialize) -> io::Result<()> {
        let separator = if self.entries == 0 { "\n" } else { ",\n" };
        self.out.write_all(separator.as_bytes())?;
        self.entries += 1;
        serde_json::to_writer(&mut self.out, entry).map_err(io::Error::from)
    }

    /// The sink, when all is written.
    pub(crate) fn end(mut self) -> io::Result<W> {
        self.out.write_all(b"\n]}\n")?;
        Ok(self.out.into_inner())
    }
}

/// What a cycle did, as an entry.
pub(crate) fn summary(summary: &Summary, read_back: Option<&ReadBack>) -> String {
    let mut entry = summary_json(summary);
    if let Some(read_back) = read_back {
        entry["read_back"] = read_back_json(read_back);
    }
    entry.to_string()
}

/// An error before any job could be asked.
pub(crate) fn error(out: &mut dyn Write, error: &str) -> io::Result<()> {
    writeln!(out, "{}", json!({ "format": FORMAT, "error": error }))
}

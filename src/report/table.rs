//! A plan, or what cycles did, as a table for a spreadsheet: one row for each attribute that changes, and one
//! for each object or member otherwise. No cell can be taken for a formula.

use std::io::{self, Write};

use chrono::SecondsFormat;

use super::entry::{Entry, Line};
use super::overview::each_entry;
use super::section::Section;
use super::sentence::clean;
use super::view::{CycleReport, PlanView, prediction};
use crate::engine::model::TargetId;
use crate::engine::record::LogEntry;

/// A table of one plan after another, or of one cycle after another.
pub(crate) struct Table<W: Write> {
    out: csv::Writer<W>,
}

/// Without this mark, Excel does not read a file as UTF-8.
const MARK: &str = "\u{feff}";

/// What plans have in addition: when they were made.
const PLANNED: &str = "planned";

/// What cycles have in addition.
const OUTCOME: [&str; 6] = [
    "cycle",
    "time",
    "outcome",
    "http_status",
    "error",
    "predicted",
];

const HEAD: [&str; 11] = [
    "job",
    "section",
    "action",
    "kind",
    "id",
    "name",
    "target",
    "attribute",
    "before",
    "after",
    "because",
];

/// The last column.
#[derive(Clone, Copy)]
enum Own<'a> {
    /// When the plan was made.
    Planned(&'a str),
    /// Why the saved plan predicted that the target would refuse it, if it did.
    Predicted(&'a str),
}

impl Own<'_> {
    fn text(&self) -> &str {
        match self {
            Self::Planned(text) | Self::Predicted(text) => text,
        }
    }
}

impl<W: Write> Table<W> {
    /// A file of plans.
    pub(crate) fn begin(mut out: W) -> io::Result<Self> {
        out.write_all(MARK.as_bytes())?;
        let mut out = csv::Writer::from_writer(out);
        out.write_record(HEAD.into_iter().chain([PLANNED]))?;
        Ok(Self { out })
    }

    /// A file of cycles that ran.
    pub(crate) fn begin_done(mut out: W) -> io::Result<Self> {
        out.write_all(MARK.as_bytes())?;
        Self::begin_stream(out)
    }

    /// The same for a pipe: what reads it takes the mark for a part of the first name.
    pub(crate) fn begin_stream(out: W) -> io::Result<Self> {
        let mut out = csv::Writer::from_writer(out);
        out.write_record(HEAD.into_iter().chain(OUTCOME))?;
        Ok(Self { out })
    }

    pub(crate) fn cycle(&mut self, report: &CycleReport<'_>) -> io::Result<()> {
        report
            .entries
            .each(&mut |logged, names| match report.entry(logged, names) {
                Some(entry) => {
                    let predicted = report.predicted;
                    let predicted = predicted.and_then(|known| prediction(known, logged));
                    let own = Own::Predicted(predicted.map_or("", String::as_str));
                    self.entry(report.job.as_str(), Section::of(&entry), &entry, own)
                }
                None => Ok(()),
            })
    }

    pub(crate) fn plan(&mut self, view: &PlanView<'_>) -> io::Result<()> {
        let made = view.made.to_rfc3339_opts(SecondsFormat::Secs, true);
        each_entry(view, &mut |section, entry| {
            self.entry(view.job.as_str(), section, entry, Own::Planned(&made))
        })
    }

    fn entry(
        &mut self,
        job: &str,
        section: Section,
        entry: &Entry<'_>,
        own: Own<'_>,
    ) -> io::Result<()> {
        let subject = entry.subject;
        let target = entry.target.map_or("", TargetId::as_str);
        let because = entry.because.as_deref().unwrap_or_default();
        let kind = subject.kind.to_string();
        let outcome = entry.logged.map(|logged| {
            let LogEntry {
                at,
                cycle,
                status,
                http_status,
                error,
                ..
            } = logged;
            [
                cycle.to_string(),
                at.to_rfc3339_opts(SecondsFormat::Secs, true),
                status.as_str().to_owned(),
                http_status.map_or_else(String::new, |status| status.to_string()),
                error.clone().unwrap_or_default(),
            ]
        });
        let action = entry.logged.map_or(entry.verb, |logged| &logged.action);
        let mut row = |attribute: &str, before: &str, after: &str| {
            let cells = [
                job,
                section.word(),
                action,
                &kind,
                subject.id.as_str(),
                &subject.label,
                target,
                attribute,
                before,
                after,
                because,
            ];
            self.out
                .write_record(
                    cells
                        .map(cell)
                        .into_iter()
                        .chain(outcome.iter().flatten().map(|text| cell(text)))
                        .chain([cell(own.text())]),
                )
                .map_err(io::Error::from)
        };
        let mut is_written = false;
        for line in &entry.lines {
            match line {
                Line::Given { path, value } => row(path, "", value)?,
                Line::Changed { path, old, new } => row(
                    path,
                    old.as_deref().unwrap_or_default(),
                    new.as_deref().unwrap_or_default(),
                )?,
                Line::Via(_) | Line::How(_) | Line::Note(_) => continue,
            }
            is_written = true;
        }
        for member in &entry.members {
            match action {
                "remove-members" => row("members", member, "")?,
                _ => row("members", "", member)?,
            }
            is_written = true;
        }
        if !is_written {
            row("", "", "")?;
        }
        Ok(())
    }

    pub(crate) fn end(self) -> io::Result<W> {
        self.out
            .into_inner()
            .map_err(csv::IntoInnerError::into_error)
    }
}

fn cell(text: &str) -> String {
    guarded(clean(text))
}

/// Text that no spreadsheet takes for a formula (OWASP, CSV injection).
pub(super) fn guarded(text: String) -> String {
    // Some read the wide forms like the others.
    if text.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠', '\t', '\r']) {
        format!("'{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn no_cell_is_a_formula() {
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell("＝1+1"), "'＝1+1");
        assert_eq!(cell("a\tb"), "a\\tb");
        assert_eq!(cell("Jane"), "Jane");
    }
}

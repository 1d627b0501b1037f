//! What one cycle did: each action with its outcome, and what was skipped.

use std::io::{self, Write};

use super::action::write_entry;
use super::skipped::{is_unassigned, write_unassigned};
use super::style::Style;
use crate::engine::record::Reason;
use crate::report::command::command;
use crate::report::done;
use crate::report::entry::Mark;
use crate::report::section::Section;
use crate::report::sentence::{clean, number, things};
use crate::report::view::CycleReport;

/// One cycle that ran.
pub(crate) fn cycle(out: &mut dyn Write, report: &CycleReport<'_>, style: Style) -> io::Result<()> {
    let CycleReport {
        job,
        cycle,
        entries,
        predicted: _,
    } = *report;
    let title = format!("Cycle {} of {}", cycle.number, clean(job.as_str()));
    writeln!(out, "{}", style.bold(&title))?;
    for words in done::facts(cycle) {
        writeln!(out, "{words}")?;
    }
    writeln!(out, "{}", done::verdict(cycle).1)?;
    for words in done::remarks(cycle) {
        writeln!(out, "{} {words}", style.mark(Mark::Fail))?;
    }
    let mut last = None;
    let mut unassigned = 0;
    entries.each(&mut |logged, names| {
        let Some(entry) = report.entry(logged, names) else {
            return Ok(());
        };
        let section = Section::of(&entry);
        if last != Some(section) {
            last = Some(section);
            writeln!(out, "\n{}", style.bold(section.title()))?;
        }
        match &logged.reason {
            Some(Reason::Skipped(why)) if !style.details && is_unassigned(why) => {
                unassigned += 1;
                Ok(())
            }
            Some(_) | None => write_entry(out, &entry, style),
        }
    })?;
    if unassigned > 0 {
        write_unassigned(out, unassigned, style)?;
    }
    if last.is_none() && cycle.finished.is_some() {
        writeln!(
            out,
            "\nNothing more is on record: the cycle sent nothing, or it is older than the log."
        )?;
    }
    if cycle.held > 0 {
        writeln!(
            out,
            "\nWhat is held now, and how to decide: {}",
            command(&format!("status {}", clean(job.as_str())))
        )?;
    }
    writeln!(
        out,
        "\n{} to the source, {} to the target.",
        things(cycle.requests.source, "request"),
        number(cycle.requests.target)
    )
}

//! A cycle that ran, on a page of its own: each action with its outcome.

use std::io::{self, Write};

use maud::html;

use super::row::{Lead, Outside};
use super::{Page, Parts, site};
use crate::engine::record::LogStatus;
use crate::report::command::command;
use crate::report::done;
use crate::report::section::Section;
use crate::report::sentence::{clean, number, things};
use crate::report::view::CycleReport;

impl<W: Write> Page<W> {
    pub(crate) fn cycle(&mut self, report: &CycleReport<'_>) -> io::Result<()> {
        let CycleReport {
            job,
            cycle,
            entries,
            predicted: _,
        } = *report;
        self.jobs += 1;
        let mut parts = Parts::default();
        entries.each(&mut |logged, names| {
            let Some(entry) = report.entry(logged, names) else {
                return Ok(());
            };
            let outside = Outside {
                // The section of what failed does not say which action did.
                lead: if logged.status == LogStatus::Failed {
                    Lead::ActionAndName
                } else {
                    Lead::Name
                },
                meta: html! {
                    span.meta {
                        " " (logged.at.format("%H:%M:%S UTC").to_string())
                        @if logged.status == LogStatus::Succeeded { " · done" }
                    }
                },
                links: html! {},
            };
            let about = entries.about(entry.subject);
            parts.add(Section::of(&entry), &entry, &about, &outside)
        })?;
        let (condition, sentence) = done::verdict(cycle);
        let predictions = done::predictions(report)?;
        let top = html! {
            h1 { "Cycle " (cycle.number) " of " bdi { (clean(job.as_str())) } }
            p.dim { (done::facts(cycle).join(" ")) }
            p class={ "verdict " (condition.class()) } role="status" { (sentence) }
            @if let Some(words) = &predictions { p { (words) } }
            @for words in done::remarks(cycle) { p.verdict.bad { (words) } }
            (parts.tiles(self.jobs))
            (site::population(cycle))
            p.small.dim {
                "It took " (things(cycle.requests.source, "request")) " to the source and "
                (number(cycle.requests.target)) " to the target."
            }
            @if cycle.held > 0 {
                p { "What is held now, and how to decide: " code { (command(&format!("status {}", clean(job.as_str())))) } }
            }
            h2 { "What was done, for whom, and its outcome" }
            (parts.head(self.jobs))
        };
        write!(self.out, "{}", top.into_string())?;
        parts.write(&mut self.out, self.jobs)
    }
}

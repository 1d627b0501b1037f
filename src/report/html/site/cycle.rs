//! One cycle: what it did, in the sections of a plan's report.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::log::{Shows, one};
use super::{Frame, Here, job_link, tile};
use crate::engine::model::JobName;
use crate::engine::record::{CycleRecord, LogEntry};
use crate::report::done;
use crate::report::entry::Entry;
use crate::report::html::chart;
use crate::report::html::row::Labels;
use crate::report::overview::Share;
use crate::report::section::Section;
use crate::report::sentence::{capital, clean, count, cycle_kind, duration, number};
use crate::report::view::Names;

pub(crate) struct CycleView<'a> {
    pub(crate) job: JobName,
    pub(crate) cycle: CycleRecord,
    /// The newest first, what was skipped at the end.
    pub(crate) entries: &'a [LogEntry],
    /// There is more on record than is shown.
    pub(crate) has_more: bool,
}

pub(crate) fn cycle(frame: Frame, view: &CycleView<'_>, names: Names<'_>) -> String {
    let CycleView {
        job,
        cycle,
        entries,
        has_more,
    } = view;
    let (condition, sentence) = done::verdict(cycle);
    let failures: Vec<&LogEntry> = entries.iter().filter(|one| one.subject.is_none()).collect();
    let mut sections: BTreeMap<Section, Vec<&LogEntry>> = BTreeMap::new();
    for logged in *entries {
        if let Some(entry) = Entry::of_logged(logged, names) {
            sections
                .entry(Section::of(&entry))
                .or_default()
                .push(logged);
        }
    }
    let mut labels = Labels::default();
    let main = html! {
        p.crumbs { a href="/" { "Jobs" } " / " a href=(job_link(job.as_str())) { bdi { (clean(job.as_str())) } } " / " }
        h1 { "Cycle " (cycle.number) }
        p class={ "verdict " (condition.class()) } role="status" { (sentence) }
        (remarks(cycle))
        (tiles(cycle))
        (population(cycle))
        (facts(frame, cycle))
        @if cycle.held > 0 {
            p { "What is held now, and how to decide, is on the page of "
                a href={ (job_link(job.as_str())) "#held" } { bdi { (clean(job.as_str())) } } "." }
        }
        @if entries.is_empty() && cycle.finished.is_some() {
            p.dim { "Nothing is on record: the cycle sent nothing, or it is older than the log." }
        }
        @if !sections.is_empty() { h2 { "What it did" } }
        @for logged in &failures { (one(logged, names, Shows::TimeOnly, &mut labels)) }
        @for (section, logged) in &sections {
            details.part id=(section.word()) open[*section <= Section::RemoveMembers || *section == Section::Failing] {
                summary {
                    h3 { (section.title()) }
                    span.count { (number(logged.len() as u64)) }
                }
                @for logged in logged { (one(logged, names, Shows::TimeOnly, &mut labels)) }
            }
        }
        @if *has_more {
            p {
                "Only the newest are shown. All of it in the log: "
                a href={ "/log?cycle=" (cycle.number) } { "what was done" } ", "
                a href={ "/log?cycle=" (cycle.number) "&status=skipped" } { "what was skipped" } "."
            }
        }
    };
    frame.page(
        &format!("Cycle {} of {}", cycle.number, job.as_str()),
        Here::Jobs,
        &main,
    )
}

fn remarks(cycle: &CycleRecord) -> Markup {
    html! { @for words in done::remarks(cycle) { p.verdict.bad { (words) } } }
}

fn tiles(cycle: &CycleRecord) -> Markup {
    let of = |words: &[&str]| {
        let times = words.iter().filter_map(|word| cycle.done.get(*word));
        times.sum::<u64>()
    };
    html! {
        ul.tiles aria-label="What it did" {
            (tile(of(&["create"]), "created", "t-add", Some("#create")))
            (tile(of(&["update", "adopt", "enable", "set-reference", "clear-reference", "hand-over"]), "updated", "", Some("#update")))
            (tile(of(&["add-members"]), "memberships added", "", Some("#add-members")))
            (tile(of(&["remove-members"]), "memberships removed", "t-fail", Some("#remove-members")))
            (tile(of(&["disable", "delete"]), "disabled or deleted", "t-fail", Some("#disable")))
            (tile(cycle.failed, "failed", "t-fail", Some("#fail")))
            (tile(cycle.held, "held for approval", "t-held", None))
        }
    }
}

/// What happened to what was looked at.
pub(in crate::report::html) fn population(cycle: &CycleRecord) -> Markup {
    let population = done::population(cycle);
    let all = number(population.total());
    let caption =
        format!("What happened to all {all} users and groups that were looked at or are linked");
    chart::shares(&caption, &population, Share::title)
}

fn facts(frame: Frame, cycle: &CycleRecord) -> Markup {
    html! {
        dl.facts {
            dt { "Kind" }
            dd { (capital(cycle_kind(cycle.kind))) }
            dt { "Started" }
            dd { (frame.time(cycle.started)) }
            @if let Some(finished) = cycle.finished {
                dt { "Ended" }
                dd { (frame.time(finished)) ", after " (duration(cycle.duration_ms)) }
            }
            @if cycle.is_counted() {
                dt { "Evaluated" }
                dd { (capital(&count(cycle.evaluated))) ", " (count(cycle.in_scope)) " of them in scope" }
            }
            dt { "Requests" }
            dd { (number(cycle.requests.source)) " to the source, " (number(cycle.requests.target)) " to the target" }
            @if cycle.not_tried > 0 {
                dt { "Not tried" }
                dd { (number(cycle.not_tried)) }
            }
        }
    }
}

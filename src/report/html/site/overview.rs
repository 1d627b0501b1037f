//! All jobs at a glance.

use maud::{Markup, html};

use super::agents::{self, Agents};
use super::{Frame, Here, badge, job_link, progress, running, tile};
use crate::engine::notice::Waiting;
use crate::report::command::command;
use crate::report::html::chart;
use crate::report::notice::channel_name;
use crate::report::overview::{Population, Share};
use crate::report::page::{JobView, condition, overall};
use crate::report::sentence::{capital, clean, cycle_kind, deeds, number, things};

/// The notifications that are not delivered yet.
#[derive(Clone, Copy)]
pub(crate) struct Outbox<'a> {
    /// Notifications are configured.
    pub(crate) has_channels: bool,
    pub(crate) waiting: &'a [Waiting],
}

pub(crate) fn overview(
    frame: Frame,
    jobs: &[JobView],
    agents: Agents<'_>,
    outbox: Outbox<'_>,
) -> String {
    let (worst, sentence) = overall(jobs);
    let main = html! {
        h1 { "Jobs" }
        p class={ "verdict " (worst.class()) } role="status" { (clean(&sentence)) }
        @for (place, job) in jobs.iter().enumerate() { (card(frame, place, job, agents)) }
        (agents::table(frame, agents, jobs))
        (notifications(frame, outbox))
    };
    frame.page("Jobs", Here::Jobs, &main)
}

/// What waits for whom, since when, and the last failure in the other side's words.
fn notifications(frame: Frame, outbox: Outbox<'_>) -> Markup {
    let Outbox {
        has_channels,
        waiting,
    } = outbox;
    let all: u64 = waiting.iter().map(|one| one.messages).sum();
    let has_failed = waiting.iter().any(|one| one.error.is_some());
    html! {
        @if has_channels || !waiting.is_empty() {
            h2 id="notifications" { "Notifications" }
        }
        @if waiting.is_empty() {
            @if has_channels { p.dim { "None waits to be delivered." } }
        } @else {
            p class=[has_failed.then_some("verdict change")] {
                (capital(&things(all, "notification"))) " not delivered yet. "
                @if has_failed { "To try the mail server and the webhooks: " code { (command("test --notify")) } }
            }
            table.list {
                caption.visually-hidden { "Notifications that are not delivered yet" }
                thead { tr {
                    th scope="col" { "Recipient" } th scope="col" { "Waiting" } th scope="col" { "Oldest" }
                    th scope="col" { "Next attempt" } th scope="col" { "Last failure" }
                } }
                tbody {
                    @for one in waiting {
                        @let Waiting { channel, messages, since, error, next } = one;
                        tr {
                            th scope="row" { bdi { (channel_name(channel)) } }
                            td { (number(*messages)) }
                            td { (frame.time(*since)) }
                            td { (frame.time(*next)) }
                            td { @match error {
                                Some(error) => { bdi { (clean(error)) } }
                                None => { "none" }
                            } }
                        }
                    }
                }
            }
        }
    }
}

fn card(frame: Frame, place: usize, job: &JobView, agents: Agents<'_>) -> Markup {
    let (condition, reasons) = condition(job);
    let link = job_link(job.name());
    html! {
        article.card {
            div.head {
                h2 { a href=(link) { bdi { (clean(job.name())) } } }
                (badge(condition))
                (running(job.running.as_ref()))
            }
            p { (reasons.first().map(String::as_str).unwrap_or_default()) }
            @if reasons.len() > 1 {
                ul.notes { @for reason in &reasons[1..] { li { (reason) } } }
            }
            (progress(place, job.running.as_ref()))
            (tiles(job, &link))
            (population(job))
            (times(frame, job, agents))
        }
    }
}

/// How many objects there are, and how it is with them.
pub(super) fn tiles(job: &JobView, link: &str) -> Markup {
    let record = &job.status.record;
    let at = |anchor: &str| format!("{link}#{anchor}");
    html! {
        ul.tiles aria-label="Objects" {
            (tile(record.linked.users, "users linked", "", None))
            (tile(record.linked.groups, "groups linked", "", None))
            (tile(job.in_scope.total(), "in scope", "", None))
            (tile(record.pending.total(), "to be evaluated", "", None))
            (tile(record.in_escrow.total(), "failing", "t-fail", Some(&at("failing"))))
            (tile(job.held(), "held for approval", "t-held", Some(&at("held"))))
        }
    }
}

/// What is linked, and how much of it is in trouble.
pub(super) fn population(job: &JobView) -> Markup {
    let record = &job.status.record;
    let held = job.held().min(record.linked.total());
    let failing = record.in_escrow.total();
    let mut population = Population::default();
    population.add(Share::Held, held);
    population.add(Share::Failing, failing);
    let quiet = record.linked.total().saturating_sub(held + failing);
    population.add(Share::Unchanged, quiet);
    let all = number(population.total());
    let caption = format!("State of all {all} users and groups that are linked or fail");
    chart::shares(&caption, &population, |share| {
        if share == Share::Unchanged {
            "in sync"
        } else {
            share.title()
        }
    })
}

/// The last cycle and the next.
pub(super) fn times(frame: Frame, job: &JobView, agents: Agents<'_>) -> Markup {
    let record = &job.status.record;
    html! {
        dl.facts {
            dt { "Last cycle" }
            dd {
                @match record.cycles.first() {
                    None => { "none yet" }
                    Some(last) => {
                        a href={ "/cycles/" (last.number) } { (cycle_kind(last.kind)) " cycle " (last.number) }
                        ", " (last.state.as_str()) ", started " (frame.time(last.started))
                        @let done = deeds(last.done.iter().map(|(word, times)| (word.as_str(), *times)));
                        @if !done.is_empty() { ": " (done.join(", ")) }
                        @if last.failed > 0 { ", " (number(last.failed)) " failed" }
                    }
                }
            }
            dt { "Next cycle" }
            dd {
                @if job.running.is_some() { "runs now" }
                @else if let Some(next) = job.status.next { (frame.time(next)) }
                @else if job.is_elsewhere { "due at the agent that runs it" }
                @else { "none is due" }
            }
            (agents::runner(frame, agents, &job.status.job))
            dt { "Schedule" }
            dd { (job.schedule) }
            dt { "Target" }
            dd { code { (clean(&job.target)) } }
        }
    }
}

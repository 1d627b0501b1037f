//! One job: how it is, what needs a person, and its cycles.

use maud::{Markup, html};

use super::agents::Agents;
use super::overview::{population, tiles, times};
use super::{Frame, Here, badge, job_link, object, progress, running, short_time};
use crate::engine::record::{CycleRecord, Escrowed, HeldRemoval, JobRecord};
use crate::report::command::command;
use crate::report::html::chart;
use crate::report::page::{JobView, condition, failing_since, member_of};
use crate::report::sentence::{capital, clean, cycle_kind, duration, number, things};

/// Removals and failures that are listed; the commands have all.
const LISTED: usize = 100;

/// `place` is that of the job in the configuration.
pub(crate) fn job(frame: Frame, place: usize, view: &JobView, agents: Agents<'_>) -> String {
    let name = clean(view.name());
    let (condition, reasons) = condition(view);
    let record = &view.status.record;
    let link = job_link(view.name());
    let main = html! {
        p.crumbs { a href="/" { "Jobs" } " / " }
        div.head { h1 { bdi { (name) } } (badge(condition)) (running(view.running.as_ref())) }
        @for (place, reason) in reasons.iter().enumerate() {
            p class={ "verdict " (condition.class()) } role=[(place == 0).then_some("status")] { (reason) }
        }
        (progress(place, view.running.as_ref()))
        (tiles(view, &link))
        (population(view))
        (times(frame, view, agents))
        (held(&name, record))
        (escrow(frame, view))
        h2 id="cycles" { "Cycles" }
        @if record.cycles.is_empty() {
            p.dim { "No cycle has run yet." }
        } @else {
            (chart::cycles(&record.cycles))
            (table(&record.cycles))
            p { a href={ "/log?job=" (percent_encoding::utf8_percent_encode(view.name(), percent_encoding::NON_ALPHANUMERIC)) } {
                "The provisioning log of this job"
            } }
        }
    };
    frame.page(view.name(), Here::Jobs, &main)
}

/// What waits for a decision, and the commands that make it.
fn held(name: &str, record: &JobRecord) -> Markup {
    let JobRecord {
        held,
        approved,
        rejected,
        ..
    } = record;
    html! {
        @if let Some(held) = held {
            h2 id="held" { "Held until approved" }
            p { (things(held.removals.len() as u64, "change")) " on hold. To review, to approve and to reject:" }
            pre tabindex="0" aria-label="Commands" { code {
                (command(&format!("plan {name}"))) "\n"
                (command(&format!("approve {name} --cycle {}", held.cycle))) "\n"
                (command(&format!("reject {name} --cycle {}", held.cycle)))
            } }
            (removals("What is held", &held.removals))
        }
        @if !approved.is_empty() {
            h2 { "Approved" }
            p.dim { "The next cycle applies them, if they are still planned." }
            (removals("What was approved", approved))
        }
        @if !rejected.is_empty() {
            h2 { "Rejected" }
            p.dim { "They are not planned again until their cause changes." }
            (removals("What was rejected", rejected))
        }
    }
}

fn removals(title: &str, removals: &[HeldRemoval]) -> Markup {
    let more = removals.len().saturating_sub(LISTED) as u64;
    html! {
        table.list {
            caption.visually-hidden { (title) }
            thead { tr { th scope="col" { "Object" } th scope="col" { "Action" } th scope="col" { "Cause" } } }
            tbody {
                @for one in removals.iter().take(LISTED) {
                    tr {
                        th scope="row" { (object(&one.subject)) }
                        td.act {
                            span.sign.m-held aria-hidden="true" { "‖" } (clean(&one.action))
                            @if let Some(member) = member_of(one.member.as_ref()) { " " bdi { (member) } }
                        }
                        td {
                            (clean(&one.cause).replace('-', " "))
                            @if let Some(reason) = &one.reason { "; " (clean(reason)) }
                        }
                    }
                }
            }
        }
        @if more > 0 { p.dim { "and " (number(more)) " more" } }
    }
}

/// Objects whose last operation failed, with the other side's words.
fn escrow(frame: Frame, view: &JobView) -> Markup {
    let record = &view.status.record;
    let all = record.in_escrow.total();
    if all == 0 {
        return html! {};
    }
    let retry = html! {
        @match view.status.next {
            Some(next) => { (frame.time(next)) }
            None => { "with the next cycle" }
        }
    };
    let more = all.saturating_sub(record.escrow.len().min(LISTED) as u64);
    html! {
        h2 id="failing" { "Objects that fail" }
        p { (capital(&things(all, "object"))) " in escrow. Next retry: " (retry) }
        table.list {
            caption.visually-hidden { "Objects that fail, with the target's error message" }
            thead { tr {
                th scope="col" { "Object" } th scope="col" { "Action" } th scope="col" { "The target's error message" } th scope="col" { "Failed" }
            } }
            tbody {
                @for one in record.escrow.iter().take(LISTED) {
                    @let Escrowed { subject, action, first_failed, last_failed: _, attempts, class: _, http_status: _, message, changed: _ } = one;
                    tr {
                        th scope="row" { (object(subject)) }
                        td.act { span.sign.m-fail aria-hidden="true" { "✗" } (clean(action)) }
                        td { bdi { (clean(message)) } }
                        td { (failing_since(*attempts, *first_failed, frame.now)) }
                    }
                }
            }
        }
        @if more > 0 { p.dim { "and " (number(more)) " more: " code { (command(&format!("escrow list {}", clean(view.name())))) } } }
    }
}

fn table(cycles: &[CycleRecord]) -> Markup {
    html! {
        div.wide tabindex="0" role="region" aria-label="Cycles" {
            table.list.numbers {
                caption.visually-hidden { "The last cycles, newest first" }
                thead { tr {
                    th scope="col" { "Cycle" } th scope="col" { "Started" } th scope="col" { "Ended" } th.n scope="col" { "Took" }
                    th.n scope="col" { "Changes" } th.n scope="col" { "Failed" } th.n scope="col" { "Held" }
                    th.n scope="col" { "Requests" }
                } }
                tbody {
                    @for cycle in cycles {
                        tr {
                            th scope="row" { a href={ "/cycles/" (cycle.number) } { (cycle.number) } " " span.dim { (cycle_kind(cycle.kind)) } }
                            td { (short_time(cycle.started)) }
                            td { (cycle.state.as_str()) }
                            td.n { @if cycle.finished.is_some() { (duration(cycle.duration_ms)) } @else { "–" } }
                            td.n { (number(cycle.done.values().sum())) }
                            td.n { (number(cycle.failed)) }
                            td.n { (number(cycle.held)) }
                            td.n { (number(cycle.requests.target)) }
                        }
                    }
                }
            }
        }
    }
}

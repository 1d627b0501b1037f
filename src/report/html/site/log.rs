//! The provisioning log, with filters that stand in the address.

use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Frame, Here, person_link, short_time};
use crate::engine::plan::Operation;
use crate::engine::record::{LogEntry, LogStatus};
use crate::report::entry::Entry;
use crate::report::html::row::{Labels, Lead, Length, Outside, row_with};
use crate::report::section::Section;
use crate::report::sentence::{clean, duration, number, things};
use crate::report::view::{About, Names};

/// What is shown of the log, and how it was chosen.
pub(crate) struct LogView<'a> {
    /// Of the configuration, to choose from.
    pub(crate) jobs: Vec<String>,
    pub(crate) job: Option<String>,
    pub(crate) cycle: Option<i64>,
    pub(crate) action: Option<String>,
    pub(crate) status: Option<LogStatus>,
    pub(crate) object: Option<String>,
    /// The newest first.
    pub(crate) entries: &'a [LogEntry],
    /// The page does not begin with the newest entry.
    pub(crate) is_later: bool,
    /// There are older entries than the last.
    pub(crate) has_more: bool,
}

pub(crate) fn log(frame: Frame, view: &LogView<'_>, names: Names<'_>) -> String {
    let main = html! {
        h1 { "Provisioning log" }
        (form(view))
        @if view.entries.is_empty() {
            p.verdict.idle role="status" { "No entries." }
        } @else {
            p.dim role="status" {
                @match view.entries.len() {
                    1 => "1 entry",
                    more => { (number(more as u64)) " entries" },
                }
                ", newest first."
            }
            div.rows { (rows(view.entries, names, Shows::Everything)) }
        }
        (pages(view))
    };
    frame.page("Provisioning log", Here::Log, &main)
}

/// What a row shows of where it stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shows {
    Everything,
    /// The page is that of the cycle.
    TimeOnly,
    /// The page is that of the object.
    NoLink,
}

pub(super) fn rows(entries: &[LogEntry], names: Names<'_>, shows: Shows) -> Markup {
    let mut labels = Labels::default();
    html! {
        @for logged in entries { (one(logged, names, shows, &mut labels)) }
    }
}

pub(super) fn one(
    logged: &LogEntry,
    names: Names<'_>,
    shows: Shows,
    labels: &mut Labels,
) -> Markup {
    let meta = html! {
        span.meta {
            " " (short_time(logged.at))
            @if shows != Shows::TimeOnly { " · " bdi { (clean(logged.job.as_str())) } }
            @if logged.requests > 0 {
                " · " (things(u64::from(logged.requests), "request")) ", " (duration(logged.duration_ms))
            }
        }
    };
    let person = logged.subject.as_ref().filter(|_| shows != Shows::NoLink);
    let person = person.and_then(|subject| Some((person_link(&subject.id)?, subject.kind)));
    let links = html! {
        p.links {
            @if let Some((link, kind)) = person { a href=(link) { "All about this " (kind.to_string()) } " " }
            @if shows != Shows::TimeOnly { a href={ "/cycles/" (logged.cycle) } { "Cycle " (logged.cycle) } }
        }
    };
    match Entry::of_logged(logged, names) {
        None => html! {
            div.row.m-fail {
                span.sign aria-hidden="true" { "✗" } " " span.who { "The cycle failed" } (meta)
                @if let Some(error) = &logged.error { span.why { (clean(error)) } }
                (links)
            }
        },
        Some(entry) => {
            let lead = match shows {
                Shows::Everything => Lead::ActionAndName,
                // The section of what failed does not say which action did.
                Shows::TimeOnly if logged.status == LogStatus::Failed => Lead::ActionAndName,
                Shows::TimeOnly => Lead::Name,
                Shows::NoLink => Lead::Action,
            };
            let outside = Outside { lead, meta, links };
            let section = Section::of(&entry);
            row_with(
                &entry,
                section,
                Length::Full,
                &About::default(),
                labels,
                &outside,
            )
        }
    }
}

fn form(view: &LogView<'_>) -> Markup {
    let select = |name: &str, title: &str, chosen: Option<&str>, words: &[&str]| {
        html! {
            label {
                (title)
                select name=(name) {
                    option value="" { "all" }
                    @for word in words { option value=(word) selected[chosen == Some(*word)] { (clean(word)) } }
                }
            }
        }
    };
    let jobs: Vec<&str> = view.jobs.iter().map(String::as_str).collect();
    let mut actions = Operation::NAMES.to_vec();
    actions.extend(["plan", "cycle"]);
    let statuses = LogStatus::ALL.map(LogStatus::as_str);
    html! {
        form.form role="search" aria-label="Filter the log" action="/log" method="get" {
            label.long {
                "User or group"
                input type="search" name="object" maxlength="200" placeholder="id or name" autocomplete="off"
                    value=[view.object.as_deref()];
            }
            (select("job", "Job", view.job.as_deref(), &jobs))
            (select("action", "Action", view.action.as_deref(), &actions))
            (select("status", "Status", view.status.map(LogStatus::as_str), &statuses))
            label {
                "Cycle"
                input type="text" inputmode="numeric" pattern="[0-9]*" name="cycle" maxlength="19" value=[view.cycle];
            }
            button type="submit" { "Filter" }
        }
    }
}

/// To older entries, and back.
fn pages(view: &LogView<'_>) -> Markup {
    let status = view.status.map(|status| status.as_str().to_owned());
    let cycle = view.cycle.map(|cycle| cycle.to_string());
    let chosen = [
        ("cycle", &cycle),
        ("job", &view.job),
        ("action", &view.action),
        ("status", &status),
        ("object", &view.object),
    ];
    let chosen: Vec<String> = chosen
        .into_iter()
        .filter_map(|(name, value)| {
            let value = utf8_percent_encode(value.as_deref()?, NON_ALPHANUMERIC);
            Some(format!("{name}={value}"))
        })
        .collect();
    let link = |before: Option<i64>| {
        let before = before.map(|id| format!("before={id}"));
        let parts: Vec<String> = chosen.iter().cloned().chain(before).collect();
        format!("/log?{}", parts.join("&"))
    };
    html! {
        nav.pages aria-label="Pages of the log" {
            @if view.is_later { a href=(link(None)) { "Newest" } }
            @if let Some(last) = view.entries.last().filter(|_| view.has_more) {
                a rel="next" href=(link(Some(last.id))) { "Older" }
            }
        }
    }
}

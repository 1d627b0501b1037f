//! The pages of the status page. They are made here, from what is on record, with the style sheet, the charts
//! and the rows of the reports; who may see them, and where the records come from, is not their business.

mod agents;
mod cycle;
mod find;
mod job;
mod log;
mod overview;
mod person;
mod sign_in;

use chrono::{DateTime, Utc};
use maud::{DOCTYPE, Markup, html};

pub(crate) use agents::Agents;
pub(super) use cycle::population;
pub(crate) use cycle::{CycleView, cycle};
pub(crate) use find::{Found, find};
pub(crate) use job::job;
pub(crate) use log::{LogView, log};
pub(crate) use overview::{Outbox, overview};
pub(crate) use person::{PersonView, person};
pub(crate) use sign_in::sign_in;

use super::moment;
use crate::engine::model::SourceId;
use crate::engine::plan::Subject;
use crate::report::page::{Condition, Running};
use crate::report::sentence::{ago, ahead, clean, coarse, number};

/// The style sheet of the reports, and what pages have beyond them.
pub(crate) const STYLE: &str = concat!(include_str!("../page.css"), include_str!("site.css"));
pub(crate) const SCRIPT: &str = include_str!("site.js");

const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E\
                    %3Ccircle cx='8' cy='8' r='7' fill='%230969da'/%3E%3Cpath d='M2 8h3l2-4 2 8 2-4h3' \
                    fill='none' stroke='%23fff' stroke-width='1.5'/%3E%3C/svg%3E";

/// What every page has around it.
#[derive(Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) now: DateTime<Utc>,
    /// The page is updated while it is open.
    pub(crate) is_live: bool,
    /// A person is signed in.
    pub(crate) can_sign_out: bool,
}

/// Where a reader is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Here {
    Jobs,
    Log,
    People,
    Nowhere,
}

impl Frame {
    fn page(&self, title: &str, here: Here, main: &Markup) -> String {
        let current = |place: Here| (place == here).then_some("page");
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (title) " – entrain" }
                    link rel="icon" href=(ICON);
                    link rel="stylesheet" href="/style.css";
                    script src="/page.js" defer {}
                }
                body data-live[self.is_live] {
                    a.skip href="#main" { "Skip to the content" }
                    header.bar {
                        a.brand href="/" { "entrain" }
                        @if here != Here::Nowhere {
                            nav aria-label="Pages" {
                                a href="/" aria-current=[current(Here::Jobs)] { "Jobs" }
                                a href="/log" aria-current=[current(Here::Log)] { "Log" }
                                a href="/people" aria-current=[current(Here::People)] { "People" }
                            }
                            form.find role="search" action="/people" method="get" {
                                label.visually-hidden for="find" { "Find a user or group" }
                                input id="find" type="search" name="q" placeholder="Find a user or group" maxlength="200" autocomplete="off";
                            }
                        }
                    }
                    main id="main" { (main) }
                    footer {
                        p {
                            "entrain " (env!("CARGO_PKG_VERSION")) ". As of " (moment(self.now))
                            ". This page is read-only."
                        }
                        @if self.can_sign_out && here != Here::Nowhere {
                            form action="/sign-out" method="post" { button.plain type="submit" { "Sign out" } }
                        }
                    }
                }
            }
        };
        page.into_string()
    }

    /// A time with its zone, and how far away it is.
    fn time(&self, time: DateTime<Utc>) -> Markup {
        let far = if time > self.now {
            ahead(time, self.now)
        } else {
            ago(time, self.now)
        };
        html! { time datetime=(time.to_rfc3339()) { (moment(time)) } " " span.dim { "(" (far) ")" } }
    }
}

/// The same where there is little room.
fn short_time(time: DateTime<Utc>) -> Markup {
    html! {
        time datetime=(time.to_rfc3339()) title=(moment(time)) { (time.format("%Y-%m-%d %H:%M:%S UTC")) }
    }
}

/// A page that is not there, or cannot be shown.
pub(crate) fn problem(frame: Frame, title: &str, words: &str) -> String {
    let main = html! {
        h1 { (title) }
        p.verdict.bad { (clean(words)) }
        p { a href="/" { "To the jobs" } }
    };
    frame.page(title, Here::Nowhere, &main)
}

/// One figure.
fn tile(count: u64, title: &str, class: &str, link: Option<&str>) -> Markup {
    html! {
        li.zero[count == 0] {
            @match link.filter(|_| count > 0) {
                Some(link) => { a href=(link) { b class=(class) { (number(count)) } span { (title) } } }
                None => { b class=[(count > 0).then_some(class)] { (number(count)) } span { (title) } }
            }
        }
    }
}

fn badge(condition: Condition) -> Markup {
    html! {
        span class={ "badge " (condition.class()) } {
            span aria-hidden="true" { (condition.sign()) } " " (condition.word())
        }
    }
}

/// That a cycle runs, next to how the job is.
fn running(running: Option<&Running>) -> Markup {
    html! {
        @if running.is_some() {
            span class="badge work" { span aria-hidden="true" { "↻" } " running" }
        }
    }
}

/// Where a cycle stands. It is there without scripts too, as it was when the page was made.
fn progress(place: usize, running: Option<&Running>) -> Markup {
    let measured = running.and_then(|running| running.line.measured);
    html! {
        div.progress data-job=(place) hidden[running.is_none()] {
            progress aria-label="Progress of the cycle" max=[measured.map(|(_, total)| total.max(1))]
                value=[measured.map(|(done, _)| done)] {}
            span.words { @if let Some(running) = running { (running.words()) } }
        }
    }
}

/// A length of time in words.
pub(crate) fn length(length: std::time::Duration) -> String {
    let milliseconds = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    coarse(milliseconds)
}

/// The address of an object's page. Ids of other forms than those of Graph have none.
pub(crate) fn person_link(id: &SourceId) -> Option<String> {
    let text = id.as_str();
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (is_plain && !text.is_empty()).then(|| format!("/people/{text}"))
}

/// The address of a job's page. Names have letters, digits and few signs, which `check` sees to.
pub(crate) fn job_link(name: &str) -> String {
    let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
    format!("/jobs/{name}")
}

fn object(subject: &Subject) -> Markup {
    let name = if subject.label.is_empty() {
        subject.id.as_str()
    } else {
        &subject.label
    };
    html! {
        @match person_link(&subject.id) {
            Some(link) => { a href=(link) { bdi { (clean(name)) } } }
            None => { bdi { (clean(name)) } }
        }
    }
}

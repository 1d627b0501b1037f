//! A plan as a page: one file without any request to a network, readable on a phone, on paper and without
//! scripts, however many changes there are.

mod chart;
mod done;
mod period;
mod row;
pub(crate) mod site;

use std::collections::BTreeMap;
use std::io::{self, Seek as _, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};
use tempfile::SpooledTempFile;

use self::row::{Labels, Length, Outside};
use super::command::command;
use super::entry::Entry;
use super::overview::{Mood, Overview, each_entry};
use super::section::Section;
use super::sentence::{
    capital, clean, coarse, compared, count, cycle_kind, from_snapshot, is_news, misnamed, number,
    strangers, things, warning, why_held,
};
use super::view::{About, PlanView};
use crate::engine::model::JobName;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Entries of a section that are opened attribute by attribute; the rest has one line each.
const IN_FULL: u64 = 400;
/// Entries of a section that are printed on paper, unless a reader has chosen fewer: a hundred thousand would be
/// thousands of sheets, which no browser lays out in reasonable time.
const PRINTED: u64 = 1_000;
/// Bytes of a plan's entries after which an entry shows only the first values: a page of a hundred thousand creates
/// with twenty attributes each would otherwise be larger than a browser or a mail takes.
const AMPLE: u64 = 8_000_000;
/// Bytes of a section that are kept in memory.
const SPOOLED: usize = 1 << 20;

/// A page of one plan after another.
pub(crate) struct Page<W> {
    out: W,
    made: DateTime<Utc>,
    jobs: usize,
    /// It shows what would be done.
    is_plan: bool,
}

impl<W: Write> Page<W> {
    pub(crate) fn begin(mut out: W, title: &str, made: DateTime<Utc>) -> io::Result<Self> {
        let digest = |text: &str| STANDARD.encode(Sha256::digest(text));
        let policy = format!(
            "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-{}'; \
             script-src 'sha256-{}'",
            digest(STYLE),
            digest(SCRIPT)
        );
        let head = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta http-equiv="Content-Security-Policy" content=(policy);
                    meta name="generator" content=(concat!("entrain ", env!("CARGO_PKG_VERSION")));
                    title { (title) }
                    style { (PreEscaped(STYLE)) }
                }
            }
        };
        // What follows belongs into the document, which is closed at the end.
        let head = head.into_string().replace("</html>", "");
        write!(out, "{head}<body><main>")?;
        Ok(Self {
            out,
            made,
            jobs: 0,
            is_plan: false,
        })
    }

    /// One job's plan.
    pub(crate) fn plan(&mut self, view: &PlanView<'_>) -> io::Result<()> {
        self.jobs += 1;
        self.is_plan = true;
        let mut parts = Parts::default();
        parts.collect(view)?;
        let top = self.top(view, &parts);
        write!(self.out, "{}", top.into_string())?;
        parts.write(&mut self.out, self.jobs)
    }

    /// A job that could not be planned.
    pub(crate) fn error(&mut self, job: &JobName, words: &str) -> io::Result<()> {
        self.jobs += 1;
        let text = html! {
            h1 { "Plan of " bdi { (clean(job.as_str())) } }
            p.verdict.bad role="status" { "It could not be planned: " (clean(words)) }
        };
        write!(self.out, "{}", text.into_string())
    }

    pub(crate) fn end(mut self) -> io::Result<W> {
        let foot = html! {
            footer {
                p {
                    "Made by entrain " (env!("CARGO_PKG_VERSION")) " on " (moment(self.made))
                    "."
                    @if self.is_plan { " A dry run: nothing was changed, neither in the target nor in \
                                        the state." }
                }
            }
        };
        writeln!(
            self.out,
            "{}</main><script>{SCRIPT}</script></body></html>",
            foot.into_string()
        )?;
        Ok(self.out)
    }

    fn top(&self, view: &PlanView<'_>, parts: &Parts) -> Markup {
        let PlanView {
            job,
            header,
            totals: _,
            refusals: _,
            held,
            limits,
            kind,
            requests,
            rate,
            rows: _,
            made: _,
            against,
            snapshot,
        } = *view;
        let overview = &parts.overview;
        let population = overview.population(view);
        let (mood, sentence) = overview.verdict(view);
        let class = match mood {
            Mood::Nothing => "good",
            Mood::Changes => "change",
            Mood::Held => "held",
            Mood::Failing => "bad",
        };
        let job = clean(job.as_str());
        html! {
            h1 { "Plan of " bdi { (&job) } }
            p.dim {
                (capital(cycle_kind(kind))) " cycle, planned on "
                time datetime=(self.made.to_rfc3339()) { (moment(self.made)) }
                ". " (capital(&count(header.evaluated))) " evaluated, "
                (count(header.in_scope)) " of them in scope, " (count(header.linked)) " linked."
            }
            @if let Some(snapshot) = snapshot { p { (capital(&from_snapshot(snapshot))) "." } }
            @if let Some(against) = against { p { (capital(&compared(against))) "." } }
            p class={ "verdict " (class) } role="status" { (sentence) }
            @if let Some(incomplete) = &header.incomplete {
                p.verdict.bad { "The scope is not certain; removals are postponed: " (clean(incomplete)) }
            }
            (parts.tiles(self.jobs))
            (chart::population(&population))
            (chart::limits(limits))
            p.small.dim {
                "Carrying it out takes about " (things(overview.sent, "request")) " to the target" (at_rate(overview.sent, rate)) ". Making this plan took "
                (things(requests.source, "request")) " to the source and " (number(requests.target)) " to the target."
            }
            @if !held.is_empty() {
                h2 { "Why removals are held" }
                ul.notes { @for why in held { li { (capital(&why_held(*why))) "." } } }
                p { "After reviewing them: " code { (command(&format!("approve {job}"))) } }
            }
            @let news: Vec<_> = header.misnamed.iter().filter(|one| is_news(one)).collect();
            @if !header.warnings.is_empty() || !news.is_empty() || header.strangers.is_some() {
                h2 { "Warnings" }
                ul.notes {
                    @for one in news { li { (misnamed(one)) "." } }
                    @for one in &header.warnings { li { (capital(&warning(one))) "." } }
                    @if let Some(found) = &header.strangers {
                        li {
                            (capital(&strangers(found))) "."
                            ul { @for (id, name) in &found.first { li { bdi { (clean(name)) } " " span.dim { "(id " (clean(id.as_str())) ")" } } } }
                        }
                    }
                }
            }
            @if let Some(against) = against && against.all_there().next().is_some() {
                h2 { "Only with " (clean(against.name)) }
                ul.notes { @for words in against.all_there() { li { bdi { (clean(words)) } } } }
            }
            h2 { "Changes, for whom and why" }
            (parts.head(self.jobs))
        }
    }
}

impl Section {
    /// Shown also when there is none.
    fn is_always_shown(self) -> bool {
        matches!(
            self,
            Self::Create | Self::Update | Self::Disable | Self::Delete
        )
    }
}

/// The sections of one plan, written apart, because what stands above them counts them.
#[derive(Default)]
struct Parts {
    written: BTreeMap<Section, Written>,
    labels: Labels,
    overview: Overview,
    bytes: u64,
}

struct Written {
    text: SpooledTempFile,
    rows: u64,
    /// Entries that show everything, where others do not.
    complete: Option<u64>,
}

impl Parts {
    fn collect(&mut self, view: &PlanView<'_>) -> io::Result<()> {
        let outside = Outside::default();
        each_entry(view, &mut |section, entry| {
            let about = view.rows.about(entry.subject);
            self.add(section, entry, &about, &outside)
        })
    }

    fn add(
        &mut self,
        section: Section,
        entry: &Entry<'_>,
        about: &About,
        outside: &Outside,
    ) -> io::Result<()> {
        self.overview.add(section, entry);
        let part = self.written.entry(section).or_insert_with(|| Written {
            text: SpooledTempFile::new(SPOOLED),
            rows: 0,
            complete: None,
        });
        let length = if part.rows < IN_FULL {
            Length::Full
        } else if self.bytes < AMPLE {
            Length::Line
        } else {
            part.complete.get_or_insert(part.rows);
            Length::Short
        };
        if part.rows == PRINTED {
            part.text.write_all(b"<div class=\"rest\">")?;
        }
        part.rows += 1;
        let row = row::row_with(entry, section, length, about, &mut self.labels, outside);
        let row = row.into_string();
        self.bytes += row.len() as u64;
        part.text.write_all(row.as_bytes())
    }

    fn write(mut self, out: &mut dyn Write, job: usize) -> io::Result<()> {
        for (section, part) in &mut self.written {
            // What takes access away is open, so that it is not missed.
            let open = *section <= Section::RemoveMembers && part.rows <= IN_FULL;
            let head = html! {
                summary {
                    h3 { (section.title()) }
                    span.count { (number(self.overview.times(*section))) }
                }
                p { (section.explained()) }
                @if let Some(complete) = part.complete {
                    p {
                        "The first " (number(complete)) " of " (number(part.rows)) " entries show all values, the others only the first ones. \
                         The CSV file has all."
                    }
                }
            };
            let open = if open { " open" } else { "" };
            write!(
                out,
                "<details class=\"part\" id=\"{}\"{open}>{}",
                anchor(job, *section),
                head.into_string()
            )?;
            part.text.rewind()?;
            io::copy(&mut part.text, out)?;
            if part.rows > PRINTED {
                let paper = html! {
                    p.paper {
                        "Of " (number(part.rows)) " entries, the first " (number(PRINTED)) " are printed. To print others, filter the page; \
                         the CSV file has all."
                    }
                };
                write!(out, "</div>{}", paper.into_string())?;
            }
            write!(out, "</details>")?;
        }
        Ok(())
    }

    fn tiles(&self, job: usize) -> Markup {
        html! {
            ul.tiles aria-label="Changes by action" {
                @for section in Section::ALL {
                    @let times = self.overview.times(section);
                    @if times > 0 || section.is_always_shown() {
                        li.zero[times == 0] {
                            @if times > 0 {
                                a href={ "#" (anchor(job, section)) } { b { (number(times)) } span { (section.title()) } }
                            } @else {
                                b { "0" } span { (section.title()) }
                            }
                        }
                    }
                }
            }
        }
    }

    /// Above the first list of the page.
    fn head(&self, job: usize) -> Markup {
        html! {
            @if self.written.is_empty() {
                p { "There is nothing to list." }
            } @else if job == 1 {
                (self.filters())
            }
        }
    }

    fn filters(&self) -> Markup {
        html! {
            div.filters role="search" aria-label="Filter the changes" {
                label {
                    "Search"
                    input id="search" type="search" placeholder="name, value, group, reason" autocomplete="off";
                }
                label {
                    "Action"
                    select data-of="section" {
                        option value="" { "all" }
                        @for (section, times) in self.overview.sections() {
                            option value=(section.word()) { (section.title()) " (" (number(times)) ")" }
                        }
                    }
                }
                (select("Attribute", "attributes", &self.labels.attributes))
                (select("Department", "department", &self.labels.departments))
                (select("Group", "groups", &self.labels.groups))
                span.small.dim id="found" role="status" aria-live="polite" {}
            }
        }
    }
}

/// How long that many requests take, where the job limits them.
fn at_rate(requests: u64, rate: Option<f64>) -> String {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate, of numbers above 0"
    )]
    let took = |rate: f64| (requests as f64 * 1_000.0 / rate) as u64;
    match rate {
        Some(rate) if requests > 0 => format!(
            ", and about {} at the job's limit of {rate} a second",
            coarse(took(rate).max(1_000))
        ),
        Some(_) | None => String::new(),
    }
}

/// A choice among names from outside.
fn select(title: &str, of: &str, labels: &BTreeMap<String, usize>) -> Markup {
    html! {
        @if !labels.is_empty() {
            label {
                (title)
                select data-of=(of) {
                    option value="" { "all" }
                    @for (label, number) in labels { option value=(number) { (clean(label)) } }
                }
            }
        }
    }
}

fn anchor(job: usize, section: Section) -> String {
    format!("j{job}-{}", section.word())
}

/// `28 November 2026, 09:14 UTC`.
fn moment(time: DateTime<Utc>) -> String {
    time.format("%-d %B %Y, %H:%M UTC").to_string()
}

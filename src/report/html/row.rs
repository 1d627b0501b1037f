//! One entry of a page.

use std::collections::BTreeMap;

use maud::{Markup, PreEscaped, html};

use crate::report::entry::{Entry, Line, Mark};
use crate::report::section::Section;
use crate::report::sentence::{clean, number, things};
use crate::report::view::About;

/// Members of one group that are named on a page; the rest is counted.
const MEMBERS_NAMED: usize = 1_000;
/// The same on a single line.
const MEMBERS_IN_LINE: usize = 10;
/// Bytes of values after which a short line only counts the others.
const SHORT: usize = 100;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// Opened, it shows attribute by attribute.
    Full,
    Line,
    /// A line with the first values only.
    Short,
}

/// Names from outside that a reader filters by. They stand in no class: each has a number.
#[derive(Default)]
pub(super) struct Labels {
    pub(super) attributes: BTreeMap<String, usize>,
    pub(super) departments: BTreeMap<String, usize>,
    pub(super) groups: BTreeMap<String, usize>,
}

impl Labels {
    fn number(labels: &mut BTreeMap<String, usize>, label: &str) -> usize {
        let next = labels.len() + 1;
        *labels.entry(label.to_owned()).or_insert(next)
    }
}

/// What a page that is served has in addition to a file.
pub(super) struct Outside {
    pub(super) lead: Lead,
    /// When and where it was.
    pub(super) meta: Markup,
    /// To other pages. They stand below what is opened: a line that opens something cannot hold a link.
    pub(super) links: Markup,
}

/// What a line begins with. Where lines stand in sections, these say what is done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lead {
    Name,
    ActionAndName,
    /// The page is that of the object.
    Action,
}

impl Default for Outside {
    fn default() -> Self {
        Self {
            lead: Lead::Name,
            meta: html! {},
            links: html! {},
        }
    }
}

pub(super) fn row_with(
    entry: &Entry<'_>,
    section: Section,
    length: Length,
    about: &About,
    labels: &mut Labels,
    outside: &Outside,
) -> Markup {
    let About { department, groups } = about;
    let attributes = numbers(&mut labels.attributes, paths(entry));
    let groups = numbers(&mut labels.groups, groups.iter().map(String::as_str));
    let department = department.as_ref();
    let department = department.map(|name| Labels::number(&mut labels.departments, name));
    let class = match (section, entry.mark) {
        (Section::Held, _) => "row m-held",
        (_, Mark::Add | Mark::Good) => "row m-add",
        (_, Mark::Change | Mark::Warn) => "row m-change",
        (_, Mark::Remove) => "row m-remove",
        (_, Mark::Fail) => "row m-fail",
        (_, Mark::Skip) => "row m-skip",
    };
    if length == Length::Full && has_details(entry) {
        html! {
            details class=(class) data-section=(section.word()) data-attributes=[attributes] data-department=[department] data-groups=[groups] {
                summary { (line(entry, section, outside)) }
                (details(entry))
                (outside.links)
            }
        }
    } else {
        html! {
            div class=(class) data-section=(section.word()) data-attributes=[attributes] data-department=[department] data-groups=[groups] {
                (line(entry, section, outside))
                @if has_details(entry) { span.why { (in_line(entry, length)) } }
                (outside.links)
            }
        }
    }
}

/// The numbers of some labels, as an attribute holds them.
fn numbers<'l>(
    known: &mut BTreeMap<String, usize>,
    labels: impl Iterator<Item = &'l str>,
) -> Option<String> {
    let mut numbers: Vec<usize> = labels.map(|label| Labels::number(known, label)).collect();
    numbers.dedup();
    let numbers: Vec<_> = numbers.iter().map(ToString::to_string).collect();
    (!numbers.is_empty()).then(|| numbers.join(" "))
}

/// Who, what, why.
fn line(entry: &Entry<'_>, section: Section, outside: &Outside) -> Markup {
    let subject = entry.subject;
    let name = if subject.label.is_empty() {
        subject.id.as_str()
    } else {
        &subject.label
    };
    let sign = if section == Section::Held {
        "‖"
    } else {
        entry.mark.sign()
    };
    let members = entry.members.len() as u64 + entry.more_members;
    html! {
        span.sign aria-hidden="true" { (sign) } " "
        @if section == Section::Held { span.tag { (entry.phrase) } " " }
        @if outside.lead != Lead::Name { span.deed { (entry.phrase) } " " }
        @if outside.lead != Lead::Action {
            bdi.who { (clean(name)) }
            span.tag {
                (subject.kind.to_string())
                @if members > 0 { ", " (things(members, "member")) }
            }
        }
        (outside.meta)
        @if !entry.detail.is_empty() { span.why { (entry.detail.trim_start_matches([',', ';', ':', ' '])) } }
        @if let Some(because) = &entry.because { span.why { (because) } }
    }
}

fn details(entry: &Entry<'_>) -> Markup {
    let is_given = |line: &Line| matches!(line, Line::Given { .. });
    let is_changed = |line: &Line| matches!(line, Line::Changed { .. });
    html! {
        @if entry.lines.iter().any(is_given) {
            table {
                thead { tr { th scope="col" { "attribute" } th scope="col" { "value" } } }
                tbody {
                    @for line in &entry.lines {
                        @if let Line::Given { path, value } = line {
                            tr { th scope="row" { (path) } td { ins.value { bdi { (value) } } } }
                        }
                    }
                }
            }
        }
        @if entry.lines.iter().any(is_changed) {
            table {
                thead { tr { th scope="col" { "attribute" } th scope="col" { "before" } th scope="col" { "after" } } }
                tbody {
                    @for line in &entry.lines {
                        @if let Line::Changed { path, old, new } = line {
                            tr {
                                th scope="row" { (path) }
                                td { @match old { Some(old) => { del.value { bdi { (old) } } } None => { span.none { "no value" } } } }
                                td { @match new { Some(new) => { ins.value { bdi { (new) } } } None => { span.none { "no value" } } } }
                            }
                        }
                    }
                }
            }
        }
        @if !entry.members.is_empty() {
            ul.notes {
                @for member in entry.members.iter().take(MEMBERS_NAMED) { li { bdi { (member) } } }
                @let more = entry.members.len().saturating_sub(MEMBERS_NAMED) as u64 + entry.more_members;
                @if more > 0 { li.dim { "and " (number(more)) " more" } }
            }
        }
        @for line in &entry.lines {
            @match line {
                Line::Via(ways) => { p.small.dim { "In scope through: " @for (place, way) in ways.iter().enumerate() { @if place > 0 { "; " } bdi { (way) } } } }
                Line::How(how) => { p.small.dim { (how) } }
                Line::Note(note) => { p.small.dim { (note) } }
                Line::Given { .. } | Line::Changed { .. } => {}
            }
        }
    }
}

/// The same in one line.
fn in_line(entry: &Entry<'_>, length: Length) -> Markup {
    let mut text = String::new();
    let mut left_out = 0;
    for line in &entry.lines {
        if length == Length::Short && text.len() >= SHORT {
            left_out += u64::from(!matches!(line, Line::Via(_) | Line::How(_)));
            continue;
        }
        match line {
            Line::Given { path, value } => {
                push(&mut text, path);
                text.push_str(": ");
                push_value(&mut text, value);
                text.push_str("; ");
            }
            Line::Changed { path, old, new } => {
                push(&mut text, path);
                text.push_str(": ");
                push_value(&mut text, old.as_deref().unwrap_or("(none)"));
                text.push_str(" → ");
                push_value(&mut text, new.as_deref().unwrap_or("(none)"));
                text.push_str("; ");
            }
            Line::Via(_) | Line::How(_) => {}
            Line::Note(note) => push(&mut text, note),
        }
    }
    html! {
        (PreEscaped(text))
        @if left_out > 0 { "and " (things(left_out, "more value")) }
        @for member in entry.members.iter().take(MEMBERS_IN_LINE) { bdi { (member) } "; " }
        @if entry.members.len() > MEMBERS_IN_LINE { "and " (number((entry.members.len() - MEMBERS_IN_LINE) as u64)) " more" }
    }
}

/// Text as it stands between tags, where a quotation mark is as good as its name and takes a sixth of it.
fn push(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            other => out.push(other),
        }
    }
}

/// A value, isolated if it may be written from right to left.
fn push_value(out: &mut String, value: &str) {
    if value.is_ascii() {
        push(out, value);
    } else {
        out.push_str("<bdi>");
        push(out, value);
        out.push_str("</bdi>");
    }
}

/// Whether an entry has anything to open.
pub(super) fn has_details(entry: &Entry<'_>) -> bool {
    !entry.lines.is_empty() || !entry.members.is_empty()
}

/// The paths that an entry changes.
pub(super) fn paths<'e>(entry: &'e Entry<'_>) -> impl Iterator<Item = &'e str> {
    entry.lines.iter().filter_map(|line| match line {
        Line::Given { path, .. } | Line::Changed { path, .. } => Some(path.as_str()),
        Line::Via(_) | Line::How(_) | Line::Note(_) => None,
    })
}

//! One entry of a plan, with what it changes and why.

use std::io::{self, Write};

use super::style::Style;
use crate::engine::plan::Action;
use crate::engine::redact::Shown;
use crate::report::entry::{Entry, Line};
use crate::report::sentence::{number, subject_text, things};
use crate::report::view::Names;

/// Members of one group named in a plan; the rest is counted.
const MEMBERS_NAMED: usize = 10;

pub(in crate::report) fn write_action(
    out: &mut dyn Write,
    action: &Shown<'_, Action>,
    names: Names<'_>,
    style: Style,
) -> io::Result<()> {
    write_entry(out, &Entry::of_action(action, names), style)
}

pub(super) fn write_entry(out: &mut dyn Write, entry: &Entry<'_>, style: Style) -> io::Result<()> {
    let Entry {
        mark,
        verb: _,
        phrase,
        subject,
        target: _,
        detail: _,
        because,
        members,
        more_members: _,
        lines,
        logged: _,
    } = entry;
    let mark = style.mark(*mark);
    if !members.is_empty() {
        return write_members(out, entry, &mark, style);
    }
    let subject = subject_text(subject);
    let because = match because {
        Some(because) => format!(", because {because}"),
        None => String::new(),
    };
    let ending = entry.ending();
    writeln!(out, "  {mark} {phrase} {subject}{ending}{because}")?;
    for line in lines {
        write_line(out, line, style)?;
    }
    Ok(())
}

fn write_line(out: &mut dyn Write, line: &Line, style: Style) -> io::Result<()> {
    let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "(none)".to_owned());
    match line {
        Line::Via(_) | Line::Given { .. } if !style.details => Ok(()),
        Line::Via(ways) => writeln!(out, "      in scope through: {}", ways.join("; ")),
        Line::Given { path, value } => writeln!(out, "      {path}: {value}"),
        Line::Changed { path, old, new } => {
            writeln!(out, "      {path}: {} → {}", side(old), side(new))
        }
        Line::How(how) => writeln!(out, "        {how}"),
        Line::Note(note) => writeln!(out, "      {note}"),
    }
}

fn write_members(
    out: &mut dyn Write,
    entry: &Entry<'_>,
    mark: &str,
    style: Style,
) -> io::Result<()> {
    let all = entry.members.len();
    let shown = if style.details {
        all
    } else {
        all.min(MEMBERS_NAMED)
    };
    let rest = match all - shown {
        0 => String::new(),
        more => format!(" and {} more", number(more as u64)),
    };
    let because = entry.because.as_ref();
    writeln!(
        out,
        "  {}: {mark} {} ({}{rest}){}{}",
        subject_text(entry.subject),
        things(all as u64, "member"),
        entry.members[..shown].join(", "),
        entry.ending(),
        because.map_or(String::new(), |because| format!(", because {because}")),
    )
}

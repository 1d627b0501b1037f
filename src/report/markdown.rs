//! A plan as Markdown, for a pull request or a ticket. It stays below the longest comment that code
//! hosts take; what does not fit is counted.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::done;
use super::entry::{Entry, Line};
use super::overview::{Mood, Overview, each_entry};
use super::page::Condition;
use super::section::Section;
use super::sentence::{
    capital, clean, compared, count, cycle_kind, from_snapshot, is_news, minute, misnamed, number,
    warning, why_held,
};
use super::view::{CycleReport, PlanView};
use crate::engine::model::JobName;

/// Bytes of entries in all sections together. GitHub takes 65,536 characters in a comment.
const LONGEST: usize = 50_000;
/// Entries of a section at most.
const ENTRIES: u64 = 100;
/// Members of a group that are named.
const MEMBERS_NAMED: usize = 10;

/// One job's plan.
pub(crate) fn plan(out: &mut dyn Write, view: &PlanView<'_>) -> io::Result<()> {
    let mut lists = Lists::default();
    each_entry(view, &mut |section, entry| {
        lists.add(section, entry);
        Ok(())
    })?;
    let (mood, sentence) = lists.overview.verdict(view);
    let sign = match mood {
        Mood::Nothing => "✅",
        Mood::Changes => "📝",
        Mood::Held => "⏸️",
        Mood::Failing => "❌",
    };
    let header = view.header;
    writeln!(out, "## Plan of {}\n", code(view.job.as_str()))?;
    writeln!(out, "{sign} **{sentence}**\n")?;
    writeln!(
        out,
        "{} cycle: {} evaluated, {} in scope, {} linked.\n",
        capital(cycle_kind(view.kind)),
        count(header.evaluated),
        count(header.in_scope),
        count(header.linked)
    )?;
    writeln!(out, "Planned on {}.\n", minute(view.made))?;
    if let Some(snapshot) = view.snapshot {
        writeln!(out, "{}.\n", escaped(&capital(&from_snapshot(snapshot))))?;
    }
    if let Some(against) = view.against {
        writeln!(out, "{}.\n", escaped(&capital(&compared(against))))?;
        for words in against.all_there().take(MEMBERS_NAMED) {
            writeln!(out, "- only there: {}", code(words))?;
        }
        if let Some(more @ 1..) = against.all_there().count().checked_sub(MEMBERS_NAMED) {
            writeln!(out, "- and {} more only there", number(more as u64))?;
        }
        writeln!(out)?;
    }
    if let Some(incomplete) = &header.incomplete {
        writeln!(
            out,
            "> [!WARNING]\n> The scope is not certain; removals are postponed: {}\n",
            escaped(incomplete)
        )?;
    }
    lists.write_counts(out)?;
    for why in view.held {
        writeln!(out, "- Held: {}.", escaped(&why_held(*why)))?;
    }
    for one in header.misnamed.iter().filter(|one| is_news(one)) {
        writeln!(out, "- Warning: {}.", escaped(&misnamed(one)))?;
    }
    for one in &header.warnings {
        writeln!(out, "- Warning: {}.", escaped(&warning(one)))?;
    }
    lists.write(out)?;
    writeln!(out, "\nA dry run: nothing was changed.\n")
}

/// One cycle that ran.
pub(crate) fn cycle(out: &mut dyn Write, report: &CycleReport<'_>) -> io::Result<()> {
    let CycleReport {
        job,
        cycle,
        entries,
        predicted: _,
    } = *report;
    let mut lists = Lists::default();
    entries.each(&mut |logged, names| {
        if let Some(entry) = report.entry(logged, names) {
            lists.add(Section::of(&entry), &entry);
        }
        Ok(())
    })?;
    let (condition, sentence) = done::verdict(cycle);
    let sign = match condition {
        Condition::Good | Condition::First | Condition::Idle => "✅",
        Condition::Held => "⏸️",
        Condition::Failing | Condition::Bad => "❌",
    };
    writeln!(out, "## Cycle {} of {}\n", cycle.number, code(job.as_str()))?;
    writeln!(out, "{sign} **{}**\n", escaped(&sentence))?;
    let predictions = done::predictions(report)?;
    for words in done::facts(cycle).into_iter().chain(predictions) {
        writeln!(out, "{}\n", escaped(&words))?;
    }
    for words in done::remarks(cycle) {
        writeln!(out, "> [!WARNING]\n> {}\n", escaped(&words))?;
    }
    lists.write_counts(out)?;
    lists.write(out)?;
    writeln!(out)
}

/// The entries of each section, as many as there is room for.
#[derive(Default)]
struct Lists {
    overview: Overview,
    /// The text, how many entries it holds, and how many there are.
    sections: BTreeMap<Section, (String, u64, u64)>,
    length: usize,
}

impl Lists {
    fn add(&mut self, section: Section, entry: &Entry<'_>) {
        self.overview.add(section, entry);
        let (text, shown, all) = self.sections.entry(section).or_default();
        *all += 1;
        if *shown < ENTRIES && self.length < LONGEST {
            let line = item(entry);
            self.length += line.len();
            text.push_str(&line);
            *shown += 1;
        }
    }

    fn write_counts(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.sections.is_empty() {
            return Ok(());
        }
        writeln!(out, "| action | objects |\n|---|---:|")?;
        for (section, times) in self.overview.sections() {
            writeln!(out, "| {} | {} |", section.title(), number(times))?;
        }
        writeln!(out)
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        for (section, (text, shown, all)) in &self.sections {
            writeln!(
                out,
                "\n<details><summary>{} ({})</summary>\n\n{text}",
                section.title(),
                number(self.overview.times(*section))
            )?;
            if all > shown {
                writeln!(out, "- … and {} more\n", number(all - shown))?;
            }
            writeln!(out, "</details>")?;
        }
        Ok(())
    }
}

/// A job that could not be planned.
pub(crate) fn error(out: &mut dyn Write, job: &JobName, words: &str) -> io::Result<()> {
    let (job, words) = (code(job.as_str()), escaped(words));
    writeln!(
        out,
        "## Plan of {job}\n\n❌ **It could not be planned:** {words}\n"
    )
}

fn item(entry: &Entry<'_>) -> String {
    let subject = entry.subject;
    let name = if subject.label.is_empty() {
        subject.id.as_str()
    } else {
        &subject.label
    };
    let mut item = format!(
        "- `{}` {} {} {}{}",
        entry.mark.sign(),
        entry.phrase,
        subject.kind,
        code(name),
        escaped(entry.ending())
    );
    if let Some(because) = &entry.because {
        item.push_str(", because ");
        item.push_str(&escaped(because));
    }
    if !entry.members.is_empty() {
        let named = entry.members.iter().take(MEMBERS_NAMED);
        let named: Vec<_> = named.map(|name| code(name)).collect();
        item.push_str(": ");
        item.push_str(&named.join(", "));
        if entry.members.len() > MEMBERS_NAMED {
            let more = (entry.members.len() - MEMBERS_NAMED) as u64;
            item.push_str(" and ");
            item.push_str(&number(more));
            item.push_str(" more");
        }
    }
    item.push('\n');
    for line in &entry.lines {
        let side =
            |side: &Option<String>| side.as_ref().map_or("(none)".to_owned(), |one| code(one));
        let text = match line {
            Line::Via(_) => continue,
            Line::Given { path, value } => format!("{}: {}", code(path), code(value)),
            Line::Changed { path, old, new } => {
                format!("{}: {} → {}", code(path), side(old), side(new))
            }
            Line::How(text) | Line::Note(text) => escaped(text),
        };
        item.push_str("  - ");
        item.push_str(&text);
        item.push('\n');
    }
    item
}

/// Text from outside as code, which no character in it can end.
pub(super) fn code(text: &str) -> String {
    let text = clean(text);
    let longest = text.split(|character| character != '`').map(str::len).max();
    let fence = "`".repeat(longest.unwrap_or(0) + 1);
    let padding = if text.starts_with('`') || text.ends_with('`') || text.is_empty() {
        " "
    } else {
        ""
    };
    format!("{fence}{padding}{text}{padding}{fence}")
}

/// Text in which nothing is markup.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in clean(text).chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            // A name must not notify anybody on a code host.
            '@' => escaped.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '!' => {
                escaped.push('\\');
                escaped.push(character);
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::{code, escaped};

    #[test]
    fn no_text_from_outside_is_markup() {
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("``"), "``` `` ```");
        assert_eq!(code(""), "`  `");
        assert_eq!(
            escaped("<b> *x* @jane [a](b)"),
            r"&lt;b&gt; \*x\* &#64;jane \[a\](b)"
        );
    }
}

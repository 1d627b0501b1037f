//! What the cycles of a period did, for whom: text for people, JSON for machines, and Markdown.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use super::command::command;
use super::entry::Mark;
use super::json::{cycle_json, subject_json, time_json};
use super::markdown::{code, escaped};
use super::sentence::{
    capital, clean, coarse, duration, name, number, subject_text, things, why_removed,
};
use super::text::Style;
use super::view::Names;
use crate::engine::model::SourceId;
use crate::engine::period::{Failed, Failing, Lost, Period, Took};
use crate::engine::plan::Subject;

/// Members of a group that are named in one line.
const MEMBERS_NAMED: usize = 10;
/// Removals that Markdown lists; the rest is counted.
const LISTED: usize = 200;

pub(crate) struct PeriodReport<'a> {
    pub(crate) since: DateTime<Utc>,
    pub(crate) until: DateTime<Utc>,
    pub(crate) jobs: &'a [Period],
}

impl PeriodReport<'_> {
    pub(super) fn title(&self) -> String {
        let day = "%Y-%m-%d %H:%M UTC";
        format!(
            "Changes from {} to {}",
            self.since.format(day),
            self.until.format(day)
        )
    }
}

/// What users came, changed and went: a number, a title, and who is meant.
pub(super) fn people(period: &Period) -> [(u64, &'static str, &'static str); 4] {
    [
        (
            period.joiners.len() as u64,
            "joiners",
            "users who got access: created or enabled",
        ),
        (
            period.adopted().count() as u64,
            "adopted",
            "users whose account already existed in the target and was linked",
        ),
        (
            period.movers().len() as u64,
            "movers",
            "users whose attributes or groups changed",
        ),
        (
            period.leavers.len() as u64,
            "leavers",
            "users who lost access: disabled, deleted or handed over",
        ),
    ]
}

/// How the cycles went and how long changes took: sentences.
pub(super) fn facts(period: &Period) -> Vec<String> {
    let endings: Vec<String> = period
        .endings()
        .into_iter()
        .map(|(word, times)| format!("{} {}", number(times), word))
        .collect();
    let mut facts = vec![if endings.is_empty() {
        "No cycle ran.".to_owned()
    } else {
        let cycles = things(period.cycles.len() as u64, "cycle");
        format!("{cycles}: {}.", endings.join(", "))
    }];
    if let Some(took) = period.took() {
        let Took {
            changes,
            half,
            most,
            longest,
            slowest,
        } = took;
        facts.push(format!(
            "From the start of the first attempt to the target's response, for {}: median {}, 95th \
             percentile {}, maximum {} ({}).",
            things(changes, "request"),
            duration(half),
            duration(most),
            duration(longest),
            subject_text(&slowest)
        ));
        if let Some(interval) = period.interval() {
            facts.push(format!(
                "Cycles usually started every {}, and a change in Entra waits for the next one.",
                coarse(interval)
            ));
        }
    }
    facts
}

/// Who lost what: what is done to whom, and why.
pub(super) fn lost_text(lost: &Lost, names: Names<'_>) -> (String, String) {
    let Lost {
        at: _,
        cycle: _,
        action,
        subject,
        members,
        why,
    } = lost;
    let why = match why {
        Some(why) => why_removed(why, subject.kind),
        None if !members.is_empty() => {
            "they are no longer members in Entra, or no longer in scope".to_owned()
        }
        None => String::new(),
    };
    if members.is_empty() {
        return (format!("{action} {}", subject_text(subject)), why);
    }
    let all = members.len();
    let first: Vec<String> = members
        .iter()
        .take(MEMBERS_NAMED)
        .map(|id| name(&names.name(id)))
        .collect();
    let more = match all.saturating_sub(MEMBERS_NAMED) {
        0 => String::new(),
        more => format!(" and {} more", number(more as u64)),
    };
    let what = format!(
        "remove {} from {}: {}{more}",
        things(all as u64, "member"),
        subject_text(subject),
        first.join(", ")
    );
    (what, why)
}

/// What failed, and how many objects it concerns.
pub(super) fn failure_text(failed: &Failed, failing: &Failing) -> (String, String) {
    let Failed {
        action,
        http_status,
        words,
    } = failed;
    let Failing {
        times: _,
        objects,
        still,
        example,
        last,
    } = failing;
    let status = http_status.map_or_else(String::new, |status| format!("status {status}: "));
    let mut whom = Vec::new();
    if !objects.is_empty() {
        whom.push(things(objects.len() as u64, "object"));
        whom.push(match still {
            0 => "none is still failing".to_owned(),
            still => format!("{} still failing", number(*still)),
        });
    }
    if let Some(example) = example {
        whom.push(format!("such as {}", subject_text(example)));
    }
    whom.push(format!("last on {}", last.format("%Y-%m-%d %H:%M UTC")));
    (
        format!("{action}: {status}{}", clean(words)),
        whom.join(", "),
    )
}

pub(crate) fn text(
    out: &mut dyn Write,
    report: &PeriodReport<'_>,
    names: Names<'_>,
    style: Style,
) -> io::Result<()> {
    writeln!(out, "{}", style.bold(&report.title()))?;
    for period in report.jobs {
        let job = clean(period.job.as_str());
        writeln!(out, "\n{}", style.bold(&job))?;
        for (times, title, who) in people(period) {
            writeln!(out, "  {:>7}  {title:<8} {who}", number(times))?;
        }
        for words in facts(period) {
            writeln!(out, "  {words}")?;
        }
        if !period.lost.is_empty() {
            writeln!(out, "\n  {}", style.bold("Who lost access, and why"))?;
        }
        for lost in &period.lost {
            let (what, why) = lost_text(lost, names);
            let because = because(&why);
            writeln!(
                out,
                "  {} {}  {what}{because} (cycle {})",
                style.mark(Mark::Remove),
                lost.at.format("%Y-%m-%d %H:%M UTC"),
                lost.cycle
            )?;
        }
        let failures = period.failures();
        if !failures.is_empty() {
            writeln!(out, "\n  {}", style.bold("Failures by reason"))?;
        }
        for (failed, failing) in &failures {
            let (what, whom) = failure_text(failed, failing);
            writeln!(
                out,
                "  {} {} × {what}",
                style.mark(Mark::Fail),
                number(failing.times)
            )?;
            writeln!(out, "      {whom}")?;
        }
    }
    writeln!(
        out,
        "\nOne cycle in detail: {}\nThe log: {}",
        command("report CYCLE"),
        command("log --since TIME")
    )
}

fn because(why: &str) -> String {
    if why.is_empty() {
        String::new()
    } else {
        format!(", because {why}")
    }
}

pub(crate) fn markdown(
    out: &mut dyn Write,
    report: &PeriodReport<'_>,
    names: Names<'_>,
) -> io::Result<()> {
    writeln!(out, "# {}\n", escaped(&report.title()))?;
    for period in report.jobs {
        writeln!(out, "## {}\n", code(period.job.as_str()))?;
        writeln!(out, "| | | |\n|---|---:|---|")?;
        for (times, title, who) in people(period) {
            writeln!(out, "| {} | {} | {who} |", capital(title), number(times))?;
        }
        writeln!(out)?;
        for words in facts(period) {
            writeln!(out, "{}\n", escaped(&words))?;
        }
        if !period.lost.is_empty() {
            let all = number(period.lost.len() as u64);
            writeln!(
                out,
                "<details><summary>Who lost access, and why ({all})</summary>\n\n| time | what | why | \
                 cycle |\n|---|---|---|---:|"
            )?;
            for lost in period.lost.iter().take(LISTED) {
                let (what, why) = lost_text(lost, names);
                writeln!(
                    out,
                    "| {} | {} | {} | {} |",
                    lost.at.format("%Y-%m-%d %H:%M UTC"),
                    escaped(&what),
                    escaped(&why),
                    lost.cycle
                )?;
            }
            let more = period.lost.len().saturating_sub(LISTED) as u64;
            if more > 0 {
                writeln!(out, "\n… and {} more", number(more))?;
            }
            writeln!(out, "\n</details>\n")?;
        }
        let failures = period.failures();
        if !failures.is_empty() {
            writeln!(out, "| times | failure | objects |\n|---:|---|---|")?;
        }
        for (failed, failing) in &failures {
            let (what, whom) = failure_text(failed, failing);
            writeln!(
                out,
                "| {} | {} | {} |",
                number(failing.times),
                escaped(&what),
                escaped(&whom)
            )?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// One job, with the time that the report spans.
pub(super) fn period_json(report: &PeriodReport<'_>, period: &Period) -> Json {
    let subjects = |of: &std::collections::BTreeMap<SourceId, Subject>| -> Vec<Json> {
        of.values().map(subject_json).collect()
    };
    let lost = period.lost.iter().map(|lost| {
        let Lost {
            at,
            cycle,
            action,
            subject,
            members,
            why,
        } = lost;
        let why = why
            .as_ref()
            .map(|why| json!({ "reason": why.as_str(), "text": why_removed(why, subject.kind) }));
        json!({
            "time": time_json(*at),
            "cycle": cycle,
            "action": action,
            "subject": subject_json(subject),
            "members": members.iter().map(SourceId::as_str).collect::<Vec<_>>(),
            "why": why,
        })
    });
    let failures = period.failures();
    let failures = failures.iter().map(|(failed, failing)| {
        let Failed {
            action,
            http_status,
            words,
        } = failed;
        let Failing {
            times,
            objects,
            still,
            example,
            last,
        } = failing;
        json!({
            "action": action,
            "http_status": http_status,
            "error": words,
            "times": times,
            "objects": objects.iter().map(SourceId::as_str).collect::<Vec<_>>(),
            "still_failing": still,
            "example": example.as_ref().map(subject_json),
            "last": time_json(*last),
        })
    });
    let took = period.took().map(|took| {
        json!({
            "changes": took.changes,
            "half_ms": took.half,
            "most_ms": took.most,
            "longest_ms": took.longest,
            "slowest": subject_json(&took.slowest),
        })
    });
    json!({
        "job": period.job.as_str(),
        "since": time_json(report.since),
        "until": time_json(report.until),
        "cycles": period.cycles.iter().map(cycle_json).collect::<Vec<_>>(),
        "joiners": subjects(&period.joiners),
        "adopted": period.adopted().map(subject_json).collect::<Vec<_>>(),
        "movers": period.movers().into_iter().map(SourceId::as_str).collect::<Vec<_>>(),
        "leavers": subjects(&period.leavers),
        "lost_access": lost.collect::<Vec<_>>(),
        "failures": failures.collect::<Vec<_>>(),
        "took": took,
        "interval_ms": period.interval(),
    })
}

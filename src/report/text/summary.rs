//! What one cycle did.

use std::io::{self, Write};

use super::style::{Mark, Style};
use super::warning::write_warnings;
use crate::engine::outcome::Failure;
use crate::engine::summary::{FailedObject, Summary};
use crate::report::sentence::{
    self, clean, count, cycle_kind, deeds, duration, is_news, number, subject_text, things,
    troubles, why_held,
};

/// What a cycle did, in one paragraph, and what a person must know below it.
pub(crate) fn summary(out: &mut dyn Write, summary: &Summary, style: Style) -> io::Result<()> {
    let Summary {
        job,
        cycle,
        kind,
        started: _,
        duration_ms,
        evaluated,
        in_scope,
        linked,
        done,
        skipped,
        failures,
        failed,
        not_tried,
        warnings,
        held,
        incomplete,
        misnamed,
        aborted,
        stopped,
        requests,
    } = summary;
    let job = clean(job.as_str());
    let end = match (stopped, aborted) {
        (true, _) => "was stopped before it was through, after",
        (false, Some(_)) => "was broken off after",
        (false, None) => "took",
    };
    let deeds = deeds(done.iter().map(|(word, times)| (*word, *times)));
    let troubles = troubles(*failed, *not_tried, skipped.values().sum());
    writeln!(
        out,
        "{}: {} cycle {cycle} {end} {}: {deeds}{troubles}. {} evaluated, {} in scope, {} linked. \
         {} to the source, {} to the target.",
        style.bold(&job),
        cycle_kind(*kind),
        duration(*duration_ms),
        count(*evaluated),
        count(*in_scope),
        count(*linked),
        things(requests.source, "request"),
        things(requests.target, "request"),
    )?;
    let fail = style.mark(Mark::Fail);
    if let Some(aborted) = aborted {
        writeln!(
            out,
            "  {fail} The target could not be worked with: {}",
            clean(aborted)
        )?;
    }
    if let Some(incomplete) = incomplete {
        writeln!(
            out,
            "  {fail} The scope is not certain; removals are postponed: {}",
            clean(incomplete)
        )?;
    }
    for one in misnamed.iter().filter(|one| is_news(one)) {
        let text = sentence::misnamed(one);
        writeln!(out, "  {} {text}", style.mark(Mark::Warn))?;
    }
    for FailedObject {
        subject,
        action,
        failure,
    } in failures
    {
        writeln!(
            out,
            "  {fail} {action} {}: {}",
            subject_text(subject),
            failure_text(failure)
        )?;
    }
    let more = failed.saturating_sub(failures.len() as u64);
    if more > 0 && !failures.is_empty() {
        writeln!(out, "  and {} more that failed", number(more))?;
    }
    write_warnings(out, warnings, style)?;
    if let Some((why, removals)) = held {
        writeln!(
            out,
            "  {fail} {} held back, and none was carried out: {}. Look at them with: entrain plan {job}; \
             allow them with: entrain approve {job}",
            things(*removals, "removal"),
            why_held(*why)
        )?;
    }
    Ok(())
}

fn failure_text(failure: &Failure) -> String {
    let Failure {
        class,
        http_status,
        message,
        unconfirmed,
    } = failure;
    let status = http_status.map_or_else(String::new, |status| format!(", HTTP {status}"));
    let unconfirmed = if *unconfirmed {
        "; it may have been carried out all the same, which the next cycle finds out"
    } else {
        ""
    };
    format!("{} ({}{status}){unconfirmed}", clean(message), class.word())
}

//! What one cycle did.

use std::io::{self, Write};

use super::cycle::{Numbers, write_numbers};
use super::style::Style;
use super::warning::{write_strangers, write_warnings};
use crate::engine::outcome::Failure;
use crate::engine::plan::Warning;
use crate::engine::summary::{FailedObject, HeldRemovals, ReadBack, Summary};
use crate::report::command::command;
use crate::report::drift;
use crate::report::entry::Mark;
use crate::report::held::held_count;
use crate::report::sentence::{
    self, all_held, clean, cycle_kind, duration, is_news, number, subject_text, things,
};

/// Whether everything was read and tried, and nothing waits.
fn is_all(summary: &Summary) -> bool {
    let waits = |one: &Warning| matches!(one, Warning::Quarantine(_));
    summary.held.is_none()
        && summary.incomplete.is_none()
        && summary.aborted.is_none()
        && !summary.stopped
        && !summary.warnings.iter().any(waits)
}

/// What a cycle did, and below it what needs a person.
pub(crate) fn summary(out: &mut dyn Write, summary: &Summary, style: Style) -> io::Result<()> {
    let Summary {
        job,
        cycle,
        kind,
        started: _,
        duration_ms,
        evaluated,
        in_scope: _,
        linked,
        done,
        skipped,
        failures,
        failed,
        not_tried,
        warnings,
        strangers,
        held,
        incomplete,
        misnamed,
        aborted,
        stopped,
        requests,
    } = summary;
    let job = clean(job.as_str());
    let end = match (stopped, aborted) {
        (true, _) => "stopped after",
        (false, Some(_)) => "aborted after",
        (false, None) => "completed in",
    };
    writeln!(
        out,
        "{}: {} cycle {cycle} {end} {}",
        style.bold(&job),
        cycle_kind(*kind),
        duration(*duration_ms),
    )?;
    let numbers = Numbers {
        done: done.iter().map(|(name, times)| (*name, *times)).collect(),
        failed: *failed,
        not_tried: *not_tried,
        skipped: skipped.values().sum(),
        evaluated: *evaluated,
        linked: *linked,
        requests: *requests,
        is_all: is_all(summary),
    };
    write_numbers(out, &numbers)?;
    let fail = style.mark(Mark::Fail);
    if let Some(aborted) = aborted {
        writeln!(out, "  {fail} The target is not usable: {}", clean(aborted))?;
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
    if let Some(strangers) = strangers {
        write_strangers(out, strangers, style)?;
    }
    if let Some(HeldRemovals { why, removals }) = held {
        writeln!(
            out,
            "  {fail} {} held: {}.",
            held_count(*removals, why),
            all_held(why)
        )?;
        let plan = command(&format!("plan {job}"));
        let approve = command(&format!("approve {job} --cycle {cycle}"));
        writeln!(out, "    To review them: {plan}")?;
        writeln!(out, "    To approve them: {approve}")?;
    }
    Ok(())
}

/// What the target holds of the objects that a part of a plan changed.
pub(crate) fn read_back(out: &mut dyn Write, read: &ReadBack, style: Style) -> io::Result<()> {
    let ReadBack {
        objects,
        unread,
        differing,
        left,
    } = read;
    if read.is_as_written() {
        let objects = things(*objects, "object");
        return writeln!(
            out,
            "  {} Read back from the target: {objects}, all as they were written.",
            style.mark(Mark::Good)
        );
    }
    let fail = style.mark(Mark::Fail);
    for drifted in differing {
        writeln!(out, "  {fail} Read back: {}.", drift::sentence(drifted))?;
    }
    for subject in left {
        let subject = subject_text(subject);
        writeln!(
            out,
            "  {fail} Read back: {subject} was deleted and is still there."
        )?;
    }
    if *unread > 0 {
        let (unread, objects) = (number(*unread), things(*objects, "object"));
        writeln!(
            out,
            "  {fail} Read back: {unread} of {objects} could not be read."
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
        "; it may have been carried out anyway; the next cycle checks"
    } else {
        ""
    };
    format!("{} ({}{status}){unconfirmed}", clean(message), class.word())
}

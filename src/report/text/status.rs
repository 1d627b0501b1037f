//! The state of jobs: a table, and remarks on each job below it.

use std::io::{self, Write};

use chrono::{DateTime, Utc};

use super::approval::removal;
use super::cycle::{Numbers, write_numbers};
use super::style::Style;
use crate::engine::record::{
    CycleRecord, CycleState, Escrowed, HeldSet, Holder, JobRecord, Paused, Registered, by_action,
};
use crate::engine::strategy::SourceReading;
use crate::engine::summary::Health;
use crate::report::agents;
use crate::report::command::command;
use crate::report::entry::Mark;
use crate::report::operator::{next_try, paused_text, remedy};
use crate::report::sentence;
use crate::report::sentence::{
    ago, ahead, all_held, capital, clean, count, cycle_kind, duration, number, removals,
    subject_text, things,
};
use crate::report::view::JobStatus;

/// Entries of the escrow in a status; the rest is counted.
const ESCROW_SHOWN: usize = 10;

/// The state of every job, one row each, and below it what there is to say of the last cycle. `holder` is who has
/// the state on this machine, `agents` are all that share it, where several do, and `readings` is how the sources are read.
pub(crate) fn status(
    out: &mut dyn Write,
    jobs: &[JobStatus],
    holder: Option<&Holder>,
    agents: Option<&[Registered]>,
    readings: &[SourceReading],
    (now, style): (DateTime<Utc>, Style),
) -> io::Result<()> {
    let header = [
        "JOB",
        "STATE",
        "LAST START",
        "USERS",
        "GROUPS",
        "ESCROW",
        "HELD",
        "NEXT",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    for status in jobs {
        let record = &status.record;
        let held = record.held.as_ref().map(HeldSet::by_action);
        let last = record.cycles.first();
        let state = match (status.enabled, last) {
            (_, Some(last)) if last.finished.is_none() => last.state.as_str(),
            (false, _) => "disabled",
            (true, _) if record.paused.is_some() => "paused",
            (true, _) if record.quarantine.is_some() => "quarantined",
            (true, Some(last)) if record.is_decided(last) && !record.approved.is_empty() => {
                "approved"
            }
            (true, Some(last)) => match record.health() {
                Some(Health::ObjectsFailed) => Health::ObjectsFailed.as_str(),
                _ => last.state.as_str(),
            },
            (true, None) => "never run",
        };
        rows.push([
            clean(status.job.as_str()),
            state.to_owned(),
            last.map_or_else(dash, |last| ago(last.started, now)),
            number(record.linked.users),
            number(record.linked.groups),
            number(record.in_escrow.total()),
            number(held.map_or(0, |held| held.values().sum())),
            status.next.map_or_else(dash, |next| ahead(next, now)),
        ]);
    }
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        })
        .collect();
    for (place, row) in rows.iter().enumerate() {
        let cells: Vec<_> = row
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:width$}"))
            .collect();
        let line = cells.join("  ");
        let line = line.trim_end();
        if place == 0 {
            writeln!(out, "{}", style.bold(line))?;
        } else {
            writeln!(out, "{line}")?;
        }
    }
    for job in jobs {
        write_remarks(out, job, style)?;
    }
    writeln!(out)?;
    for words in readings.iter().filter_map(sentence::reading_of) {
        writeln!(out, "{words}")?;
    }
    for source in readings.iter().filter_map(SourceReading::denied) {
        let words = sentence::denied(&source);
        writeln!(out, "{} {words}.", style.mark(Mark::Fail))?;
    }
    if let Some(agents) = agents {
        let enabled = jobs.iter().filter(|job| job.enabled);
        let enabled: Vec<_> = enabled.map(|job| job.job.clone()).collect();
        return agents::of_jobs(out, agents, &enabled);
    }
    match holder {
        Some(service) if service.is_service() => {
            writeln!(
                out,
                "A service (pid {}) runs the enabled jobs.",
                service.pid
            )
        }
        Some(Holder { pid, command }) => writeln!(
            out,
            "No service runs; entrain {} (pid {pid}) is running.",
            clean(command)
        ),
        None => writeln!(
            out,
            "No service runs. To start it: entrain run; to run one cycle now: entrain sync"
        ),
    }
}

fn write_paused(
    out: &mut dyn Write,
    job: &str,
    paused: Option<&Paused>,
    style: Style,
) -> io::Result<()> {
    let Some(paused) = paused else {
        return Ok(());
    };
    writeln!(
        out,
        "  {} {}: no cycle runs until {}",
        style.mark(Mark::Warn),
        capital(&paused_text(paused)),
        command(&format!("resume {job}"))
    )
}

/// What is to be said of a job, under its name.
fn write_remarks(out: &mut dyn Write, status: &JobStatus, style: Style) -> io::Result<()> {
    let mut remarks = Vec::new();
    write_body(&mut remarks, status, style)?;
    if remarks.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", style.bold(&clean(status.job.as_str())))?;
    out.write_all(&remarks)
}

fn write_body(out: &mut dyn Write, status: &JobStatus, style: Style) -> io::Result<()> {
    let JobStatus {
        job,
        enabled: _,
        next: _,
        retries,
        record:
            JobRecord {
                full_evaluation,
                cycles,
                linked: _,
                pending,
                in_escrow,
                escrow,
                held: _,
                paused,
                quarantine,
                staged,
                compared,
                approved: _,
                rejected: _,
            },
    } = status;
    let last = cycles.first();
    let name = clean(job.as_str());
    if let Some(last) = last {
        let is_whole = in_escrow.total() == 0 && quarantine.is_none();
        write_last_cycle(out, last, is_whole, style)?;
    }
    if let Some(ahead) = last.and_then(|last| last.clock_ahead) {
        let words = capital(&sentence::clocks_differ(ahead));
        writeln!(out, "  {} {words}", style.mark(Mark::Warn))?;
    }
    write_paused(out, &name, paused.as_ref(), style)?;
    if let Some(quarantine) = quarantine {
        let words = sentence::quarantine(quarantine);
        writeln!(out, "  {} {}", style.mark(Mark::Warn), capital(&words))?;
    }
    if *full_evaluation && last.is_some() {
        writeln!(out, "  The next cycle evaluates every object.")?;
    } else if pending.total() > 0 {
        writeln!(out, "  {} to be evaluated.", capital(&count(*pending)))?;
    }
    if let Some(at) = compared {
        let at = at.format("%Y-%m-%d %H:%M UTC");
        writeln!(out, "  Last compared with the target: {at}.")?;
    }
    if let Some(staged) = staged {
        writeln!(out, "  {}.", capital(&sentence::staged(staged)))?;
        for one in &staged.enabled {
            let words = sentence::enabled_since(one);
            writeln!(out, "  {} {}", style.mark(Mark::Warn), capital(&words))?;
        }
    }
    write_decisions(out, &name, &status.record, style)?;
    let fail = style.mark(Mark::Fail);
    let shown = if style.details {
        escrow.len()
    } else {
        ESCROW_SHOWN
    };
    for one in escrow.iter().take(shown) {
        let Escrowed {
            subject,
            action,
            first_failed,
            last_failed: _,
            attempts,
            class: _,
            http_status: _,
            message,
            changed: _,
        } = one;
        writeln!(
            out,
            "  {fail} {} {}: {} (failed in {} since {})",
            clean(action),
            subject_text(subject),
            clean(message),
            things(u64::from(*attempts), "cycle"),
            first_failed.format("%Y-%m-%d %H:%M UTC")
        )?;
        writeln!(out, "    {}", next_try(one, *retries))?;
        writeln!(out, "    {}", remedy(one))?;
    }
    let more = in_escrow
        .total()
        .saturating_sub(escrow.len().min(shown) as u64);
    if more > 0 {
        writeln!(out, "  and {} more in escrow", number(more))?;
    }
    Ok(())
}

/// What is held, and what a person decided.
fn write_decisions(
    out: &mut dyn Write,
    name: &str,
    record: &JobRecord,
    style: Style,
) -> io::Result<()> {
    let JobRecord {
        held,
        approved,
        rejected,
        ..
    } = record;
    let fail = style.mark(Mark::Fail);
    if let Some(held) = held {
        writeln!(
            out,
            "  {fail} Held since {}: {}; {}.",
            held.since.format("%Y-%m-%d %H:%M UTC"),
            removals(&held.by_action()),
            all_held(&held.why)
        )?;
        let plan = command(&format!("plan {name}"));
        let approve = command(&format!("approve {name} --cycle {}", held.cycle));
        writeln!(out, "    To review them: {plan}")?;
        writeln!(out, "    To approve them: {approve}")?;
        if style.details {
            for one in &held.removals {
                writeln!(out, "    {} ({})", removal(one), clean(&one.cause))?;
            }
        }
    }
    if !approved.is_empty() {
        writeln!(
            out,
            "  Approved: {}; the next cycle applies it, if it is still planned.",
            removals(&by_action(approved))
        )?;
        if style.details {
            for one in approved {
                writeln!(out, "    {} ({})", removal(one), clean(&one.cause))?;
            }
        }
    }
    for one in rejected {
        let reason = one.reason.as_ref();
        let reason = reason.map_or_else(String::new, |reason| format!(", {}", clean(reason)));
        writeln!(
            out,
            "  Rejected, and not planned again until its cause changes: {} ({}{reason})",
            removal(one),
            clean(&one.cause)
        )?;
    }
    Ok(())
}

/// `is_whole`: nothing waits in escrow.
fn write_last_cycle(
    out: &mut dyn Write,
    cycle: &CycleRecord,
    is_whole: bool,
    style: Style,
) -> io::Result<()> {
    let CycleRecord {
        number: place,
        kind,
        state,
        started,
        finished,
        duration_ms,
        evaluated,
        in_scope: _,
        linked,
        done,
        skipped,
        failed,
        not_tried,
        held,
        requests,
        incomplete,
        error,
        clock_ahead: _,
    } = cycle;
    let is_all = *state == CycleState::Ended(Health::Succeeded) && *held == 0 && is_whole;
    let state = state.as_str();
    let started = started.format("%Y-%m-%d %H:%M:%S UTC");
    let kind = capital(cycle_kind(*kind));
    if finished.is_none() {
        return writeln!(out, "  {kind} cycle {place}, started {started}: {state}");
    }
    writeln!(
        out,
        "  {kind} cycle {place}, started {started}: {state} after {}",
        duration(*duration_ms)
    )?;
    let numbers = Numbers {
        done: done
            .iter()
            .map(|(name, times)| (name.as_str(), *times))
            .collect(),
        failed: *failed,
        not_tried: *not_tried,
        skipped: skipped.values().sum(),
        evaluated: *evaluated,
        linked: *linked,
        requests: *requests,
        is_all,
    };
    write_numbers(out, &numbers)?;
    let fail = style.mark(Mark::Fail);
    if let Some(error) = error {
        writeln!(out, "  {fail} {}", clean(error))?;
    }
    if let Some(incomplete) = incomplete {
        writeln!(
            out,
            "  {fail} The scope is not certain; removals are postponed: {}",
            clean(incomplete)
        )?;
    }
    Ok(())
}

fn dash() -> String {
    "-".to_owned()
}

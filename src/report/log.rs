//! The provisioning log: text for people, JSON for machines, CSV for spreadsheets.

use std::io::{self, Write};

use chrono::SecondsFormat;
use serde_json::{Value as Json, json};

use super::entry::Mark;
use super::json::{FORMAT, subject_json, time_json, value_json};
use super::sentence::{
    clean, clean_lines, duration, number, optional, reason as reason_text, subject_text, things,
    why_member,
};
use super::table::guarded;
use super::text::Style;
use super::view::Names;
use crate::engine::model::TargetId;
use crate::engine::plan::Subject;
use crate::engine::record::{LogEntry, LogStatus, LoggedChange, LoggedRequest, Operated};

/// The columns of the CSV.
const COLUMNS: [&str; 16] = [
    "time",
    "job",
    "cycle",
    "action",
    "status",
    "kind",
    "id",
    "label",
    "target",
    "changes",
    "http_status",
    "error",
    "requests",
    "duration_ms",
    "reason",
    "change",
];

/// Entries and what operators did, both the oldest first, in the order of time.
pub(crate) fn text_all<'a>(
    out: &mut dyn Write,
    entries: impl Iterator<Item = &'a LogEntry>,
    operations: impl Iterator<Item = &'a Operated>,
    names: Names<'_>,
    style: Style,
) -> io::Result<()> {
    let (mut entries, mut operations) = (entries.peekable(), operations.peekable());
    loop {
        match (entries.peek(), operations.peek()) {
            (None, None) => return Ok(()),
            (Some(entry), Some(operation)) if operation.at >= entry.at => {
                text(out, entry, names, style)?;
                entries.next();
            }
            (Some(entry), None) => {
                text(out, entry, names, style)?;
                entries.next();
            }
            (Some(_) | None, Some(operation)) => {
                operation_text(out, operation)?;
                operations.next();
            }
        }
    }
}

/// What an operator did.
pub(crate) fn operation_text(out: &mut dyn Write, operation: &Operated) -> io::Result<()> {
    let Operated {
        at,
        who,
        job,
        verb,
        detail,
        subject,
    } = operation;
    let subject = subject
        .as_ref()
        .map(|one| format!(" {}", subject_text(one)));
    let detail = (!detail.is_empty()).then(|| format!(": {}", clean(detail)));
    writeln!(
        out,
        "{}  {}  {}{} by {}{}",
        at.to_rfc3339_opts(SecondsFormat::Secs, true),
        clean(job.as_str()),
        clean(verb),
        subject.unwrap_or_default(),
        clean(who),
        detail.unwrap_or_default(),
    )
}

pub(crate) fn operation_json(operation: &Operated) -> Json {
    let Operated {
        at,
        who,
        job,
        verb,
        detail,
        subject,
    } = operation;
    json!({
        "time": time_json(*at),
        "who": who,
        "job": job.as_str(),
        "verb": verb,
        "detail": detail,
        "subject": subject.as_ref().map(subject_json),
    })
}

/// One line, as of an entry.
pub(crate) fn operation_line(out: &mut dyn Write, operation: &Operated) -> io::Result<()> {
    let line = json!({ "format": FORMAT, "operation": operation_json(operation) });
    writeln!(out, "{line}")
}

/// The same as a line of the CSV: who and what is in the column of the reason.
pub(crate) fn operation_csv(out: &mut dyn Write, operation: &Operated) -> io::Result<()> {
    let mut fields = COLUMNS.map(|_| String::new());
    let subject = operation.subject.as_ref();
    for (column, field) in COLUMNS.iter().zip(&mut fields) {
        *field = match *column {
            "time" => operation.at.to_rfc3339_opts(SecondsFormat::Millis, true),
            "job" => operation.job.to_string(),
            "action" => operation.verb.clone(),
            "status" => "operator".to_owned(),
            "kind" => subject.map_or_else(String::new, |one| one.kind.word().to_owned()),
            "id" => subject.map_or_else(String::new, |one| one.id.to_string()),
            "label" => subject.map_or_else(String::new, |one| one.label.clone()),
            "reason" if operation.detail.is_empty() => operation.who.clone(),
            "reason" => format!("{}: {}", operation.who, operation.detail),
            _ => continue,
        };
    }
    record(out, &fields)
}

/// One entry, and below it each attribute before and after.
pub(crate) fn text(
    out: &mut dyn Write,
    entry: &LogEntry,
    names: Names<'_>,
    style: Style,
) -> io::Result<()> {
    let LogEntry {
        id,
        at,
        job,
        cycle,
        action,
        status,
        reason,
        subject,
        target,
        changes,
        http_status,
        error,
        requests,
        method: _,
        duration_ms,
        next_try,
    } = entry;
    let target = target
        .as_ref()
        .map(|id| format!(" ({})", clean(id.as_str())));
    writeln!(
        out,
        "{}  {}  {} {action} {}{}: {}",
        at.to_rfc3339_opts(SecondsFormat::Secs, true),
        clean(job.as_str()),
        style.mark(match status {
            LogStatus::Failed => Mark::Fail,
            LogStatus::NotTried | LogStatus::Skipped => Mark::Skip,
            LogStatus::Succeeded
            | LogStatus::AlreadyExists
            | LogStatus::Gone
            | LogStatus::InParts => Mark::Good,
        }),
        subject
            .as_ref()
            .map_or_else(|| number(cycle.unsigned_abs()), subject_text),
        target.unwrap_or_default(),
        status.as_str(),
    )?;
    if let (Some(reason), Some(subject)) = (reason, subject) {
        let reason = reason_text(reason, subject.kind, names);
        writeln!(out, "      because {reason}")?;
    }
    if style.details {
        writeln!(
            out,
            "      cycle {cycle}, change {id}, {}, {}",
            things(u64::from(*requests), "request"),
            duration(*duration_ms)
        )?;
    }
    if let Some(error) = error {
        let status = http_status.map(|status| format!("status {status}: "));
        writeln!(out, "      {}{}", status.unwrap_or_default(), clean(error))?;
    }
    if let Some(next) = next_try {
        let next = next.to_rfc3339_opts(SecondsFormat::Secs, true);
        writeln!(out, "      next try: {next}, or as soon as it changes")?;
    }
    for line in change_lines(changes, names) {
        writeln!(out, "      {line}")?;
    }
    Ok(())
}

fn change_lines(changes: &[LoggedChange], names: Names<'_>) -> Vec<String> {
    let lines = changes.iter().map(|change| {
        let LoggedChange {
            attribute,
            before,
            after,
            why,
            more: _,
        } = change;
        let (before, after) = (
            optional(before.as_ref(), names),
            optional(after.as_ref(), names),
        );
        let why = why.map(|why| format!(" ({})", why_member(why)));
        format!(
            "{}: {before} → {after}{}",
            clean(attribute),
            why.unwrap_or_default()
        )
    });
    lines.collect()
}

/// The document of a command that ends.
pub(crate) fn json(
    out: &mut dyn Write,
    entries: &[LogEntry],
    operations: &[Operated],
    names: Names<'_>,
) -> io::Result<()> {
    let entries = entries.iter().map(|entry| entry_json(entry, names));
    let entries: Vec<Json> = entries.collect();
    let operations: Vec<Json> = operations.iter().map(operation_json).collect();
    let document = json!({ "format": FORMAT, "entries": entries, "operations": operations });
    writeln!(out, "{document}")
}

/// One line per entry, for a reader who follows: a document would never be closed.
pub(crate) fn json_line(out: &mut dyn Write, entry: &LogEntry, names: Names<'_>) -> io::Result<()> {
    let mut line = entry_json(entry, names);
    line["format"] = json!(FORMAT);
    writeln!(out, "{line}")
}

pub(super) fn entry_json(entry: &LogEntry, names: Names<'_>) -> Json {
    let LogEntry {
        id,
        at,
        job,
        cycle,
        action,
        status,
        reason,
        subject,
        target,
        changes,
        http_status,
        error,
        requests,
        method: _,
        duration_ms,
        next_try,
    } = entry;
    let reason = reason.as_ref().zip(subject.as_ref());
    let reason = reason.map(|(reason, subject)| {
        json!({ "reason": reason.word(), "text": reason_text(reason, subject.kind, names) })
    });
    let changes = changes.iter().map(|change| {
        let LoggedChange {
            attribute,
            before,
            after,
            why,
            more: _,
        } = change;
        let mut change = json!({
            "path": attribute,
            "old": before.as_ref().map(value_json),
            "new": after.as_ref().map(value_json),
        });
        if let Some(why) = why {
            change["why"] = json!(why.as_str());
        }
        change
    });
    json!({
        "time": time_json(*at),
        "job": job.as_str(),
        "cycle": cycle,
        "change": id,
        "action": action,
        "status": status.as_str(),
        "why": reason,
        "subject": subject.as_ref().map(subject_json),
        "target": target.as_ref().map(TargetId::as_str),
        "changes": changes.collect::<Vec<_>>(),
        "http_status": http_status,
        "error": error,
        "requests": requests,
        "duration_ms": duration_ms,
        "next_try": next_try.map(time_json),
    })
}

pub(crate) fn csv_head(out: &mut dyn Write) -> io::Result<()> {
    record(out, &COLUMNS.map(str::to_owned))
}

pub(crate) fn csv(out: &mut dyn Write, entry: &LogEntry, names: Names<'_>) -> io::Result<()> {
    let LogEntry {
        id,
        at,
        job,
        cycle,
        action,
        status,
        reason,
        subject,
        target,
        changes,
        http_status,
        error,
        requests,
        method: _,
        duration_ms,
        next_try: _,
    } = entry;
    let of_subject =
        |field: &dyn Fn(&Subject) -> String| subject.as_ref().map_or_else(String::new, field);
    let fields = [
        at.to_rfc3339_opts(SecondsFormat::Millis, true),
        job.to_string(),
        cycle.to_string(),
        action.clone(),
        status.as_str().to_owned(),
        of_subject(&|subject| subject.kind.word().to_owned()),
        of_subject(&|subject| subject.id.to_string()),
        of_subject(&|subject| subject.label.clone()),
        target
            .as_ref()
            .map_or_else(String::new, ToString::to_string),
        change_lines(changes, names).join("\n"),
        http_status.map_or_else(String::new, |status| status.to_string()),
        error.clone().unwrap_or_default(),
        requests.to_string(),
        duration_ms.to_string(),
        reason.as_ref().map_or_else(String::new, |reason| {
            of_subject(&|subject| reason_text(reason, subject.kind, names))
        }),
        id.to_string(),
    ];
    record(out, &fields)
}

/// The requests, one a line.
pub(crate) fn requests(
    out: &mut dyn Write,
    requests: &[LoggedRequest],
    style: Style,
) -> io::Result<()> {
    for one in requests {
        let action = one.action.as_ref();
        let action = action.map(|(action, _, subject)| {
            let subject = subject.as_ref().map(subject_text).unwrap_or_default();
            format!(", {action} {subject}")
        });
        writeln!(
            out,
            "{}  {}  {} {} {}: {}{}{}, {}",
            one.at.to_rfc3339_opts(SecondsFormat::Secs, true),
            clean(one.job.as_str()),
            one.side.as_str(),
            style.good_or_bad(one.is_answered()),
            clean(&format!("{} {}", one.method, one.path)),
            answer(one),
            if one.attempts > 1 {
                format!(" at attempt {}", one.attempts)
            } else {
                String::new()
            },
            action.unwrap_or_default(),
            duration(one.duration_ms),
        )?;
        if let Some(error) = &one.error {
            writeln!(out, "      {}", clean(error))?;
        }
    }
    writeln!(out, "{}.", things(requests.len() as u64, "request"))
}

fn answer(request: &LoggedRequest) -> String {
    match (request.status, &request.action) {
        (Some(status), _) => status.to_string(),
        (None, Some((_, status, _))) if *status != LogStatus::Failed => status.as_str().to_owned(),
        (None, Some(_) | None) => "no answer".to_owned(),
    }
}

pub(crate) fn requests_json(out: &mut dyn Write, requests: &[LoggedRequest]) -> io::Result<()> {
    let requests = requests.iter().map(|one| {
        let action = one.action.as_ref();
        let subject = action.and_then(|(_, _, subject)| subject.as_ref());
        json!({
            "time": time_json(one.at),
            "job": one.job.as_str(),
            "cycle": one.cycle,
            "side": one.side.as_str(),
            "method": one.method,
            "path": one.path,
            "http_status": one.status,
            "attempts": one.attempts,
            "duration_ms": one.duration_ms,
            "error": one.error,
            "action": action.map(|(action, _, _)| action),
            "status": action.map(|(_, status, _)| status.as_str()),
            "subject": subject.map(subject_json),
        })
    });
    let document = json!({ "format": FORMAT, "requests": requests.collect::<Json>() });
    writeln!(out, "{document}")
}

/// The columns of the CSV of requests.
const REQUEST_COLUMNS: [&str; 12] = [
    "time",
    "job",
    "cycle",
    "side",
    "method",
    "path",
    "http_status",
    "attempts",
    "duration_ms",
    "error",
    "action",
    "label",
];

pub(crate) fn requests_csv(out: &mut dyn Write, requests: &[LoggedRequest]) -> io::Result<()> {
    record(out, &REQUEST_COLUMNS.map(str::to_owned))?;
    for one in requests {
        let action = one.action.as_ref();
        let subject = action.and_then(|(_, _, subject)| subject.as_ref());
        let fields = [
            one.at.to_rfc3339_opts(SecondsFormat::Millis, true),
            one.job.to_string(),
            one.cycle.to_string(),
            one.side.as_str().to_owned(),
            one.method.clone(),
            one.path.clone(),
            one.status
                .map_or_else(String::new, |status| status.to_string()),
            one.attempts.to_string(),
            one.duration_ms.to_string(),
            one.error.clone().unwrap_or_default(),
            action.map_or_else(String::new, |(action, _, _)| action.clone()),
            subject.map_or_else(String::new, |subject| subject.label.clone()),
        ];
        record(out, &fields)?;
    }
    Ok(())
}

/// A record of RFC 4180, which ends lines with CR LF.
pub(super) fn record(out: &mut dyn Write, fields: &[String]) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new();
    let mut writer = writer.terminator(csv::Terminator::CRLF).from_writer(out);
    writer.write_record(fields.iter().map(|text| guarded(clean_lines(text))))?;
    writer.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be_and_hold_nothing_that_a_terminal_obeys() {
        for (text, expected) in [
            ("plain text", "plain text"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("@sum", "'@sum"),
            ("=\"a\",b", "\"'=\"\"a\"\",b\""),
            ("\u{1b}[31mred\u{202e}", "\\u{1b}[31mred\\u{202e}"),
        ] {
            let mut out = Vec::new();
            record(&mut out, &["a".to_owned(), text.to_owned()]).unwrap();
            let out = String::from_utf8(out).unwrap();
            assert_eq!(out, format!("a,{expected}\r\n"));
        }
    }
}

//! The provisioning log: text for people, JSON for machines, CSV for spreadsheets.

use std::io::{self, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value as Json, json};

use super::json::{FORMAT, subject_json, time_json, value_json};
use super::sentence::{clean, duration, optional, subject_text, things};
use super::text::Style;
use super::view::Names;
use crate::engine::model::{JobName, SourceId, TargetId, Value};
use crate::engine::plan::Subject;

/// One line of the provisioning log.
pub(crate) struct LogView {
    pub(crate) at: DateTime<Utc>,
    pub(crate) job: JobName,
    pub(crate) cycle: i64,
    pub(crate) action: String,
    pub(crate) status: &'static str,
    pub(crate) failed: bool,
    pub(crate) subject: Subject,
    pub(crate) target: Option<TargetId>,
    /// Attribute, before, after.
    pub(crate) changes: Vec<(String, Option<Value>, Option<Value>)>,
    pub(crate) http_status: Option<u16>,
    pub(crate) error: Option<String>,
    pub(crate) requests: u32,
    pub(crate) duration_ms: u64,
}

/// The columns of the CSV.
const COLUMNS: [&str; 14] = [
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
];

/// One entry, and below it each attribute before and after.
pub(crate) fn text(
    out: &mut dyn Write,
    view: &LogView,
    known: &dyn Fn(&SourceId) -> Option<String>,
    style: Style,
) -> io::Result<()> {
    let LogView {
        at,
        job,
        cycle,
        action,
        status,
        failed,
        subject,
        target,
        changes,
        http_status,
        error,
        requests,
        duration_ms,
    } = view;
    let target = target
        .as_ref()
        .map(|id| format!(" ({})", clean(id.as_str())));
    writeln!(
        out,
        "{}  {}  {} {action} {}{}: {status}",
        at.to_rfc3339_opts(SecondsFormat::Secs, true),
        clean(job.as_str()),
        style.good_or_bad(!failed),
        subject_text(subject),
        target.unwrap_or_default(),
    )?;
    if style.details {
        writeln!(
            out,
            "      cycle {cycle}, {}, {}",
            things(u64::from(*requests), "request"),
            duration(*duration_ms)
        )?;
    }
    if let Some(error) = error {
        let status = http_status.map(|status| format!("status {status}: "));
        writeln!(out, "      {}{}", status.unwrap_or_default(), clean(error))?;
    }
    for line in change_lines(changes, Names::Known(known)) {
        writeln!(out, "      {line}")?;
    }
    Ok(())
}

fn change_lines(
    changes: &[(String, Option<Value>, Option<Value>)],
    names: Names<'_>,
) -> Vec<String> {
    let lines = changes.iter().map(|(attribute, before, after)| {
        let (before, after) = (
            optional(before.as_ref(), names),
            optional(after.as_ref(), names),
        );
        format!("{}: {before} → {after}", clean(attribute))
    });
    lines.collect()
}

/// The document of a command that ends.
pub(crate) fn json(out: &mut dyn Write, views: &[LogView]) -> io::Result<()> {
    let entries: Vec<Json> = views.iter().map(entry).collect();
    let document = json!({ "format": FORMAT, "entries": entries });
    writeln!(out, "{document}")
}

/// One line per entry, for a reader who follows: a document would never be closed.
pub(crate) fn json_line(out: &mut dyn Write, view: &LogView) -> io::Result<()> {
    let mut line = entry(view);
    line["format"] = json!(FORMAT);
    writeln!(out, "{line}")
}

fn entry(view: &LogView) -> Json {
    let LogView {
        at,
        job,
        cycle,
        action,
        status,
        failed: _,
        subject,
        target,
        changes,
        http_status,
        error,
        requests,
        duration_ms,
    } = view;
    let changes = changes.iter().map(|(attribute, before, after)| {
        json!({
            "path": attribute,
            "old": before.as_ref().map(value_json),
            "new": after.as_ref().map(value_json),
        })
    });
    json!({
        "time": time_json(*at),
        "job": job.as_str(),
        "cycle": cycle,
        "action": action,
        "status": status,
        "subject": subject_json(subject),
        "target": target.as_ref().map(TargetId::as_str),
        "changes": changes.collect::<Vec<_>>(),
        "http_status": http_status,
        "error": error,
        "requests": requests,
        "duration_ms": duration_ms,
    })
}

pub(crate) fn csv_head(out: &mut dyn Write) -> io::Result<()> {
    record(out, &COLUMNS.map(str::to_owned))
}

pub(crate) fn csv(
    out: &mut dyn Write,
    view: &LogView,
    known: &dyn Fn(&SourceId) -> Option<String>,
) -> io::Result<()> {
    let LogView {
        at,
        job,
        cycle,
        action,
        status,
        failed: _,
        subject:
            Subject {
                kind,
                key: _,
                id,
                label,
            },
        target,
        changes,
        http_status,
        error,
        requests,
        duration_ms,
    } = view;
    let fields = [
        at.to_rfc3339_opts(SecondsFormat::Millis, true),
        job.to_string(),
        cycle.to_string(),
        action.clone(),
        (*status).to_owned(),
        kind.word().to_owned(),
        id.to_string(),
        label.clone(),
        target
            .as_ref()
            .map_or_else(String::new, ToString::to_string),
        change_lines(changes, Names::Known(known)).join("\n"),
        http_status.map_or_else(String::new, |status| status.to_string()),
        error.clone().unwrap_or_default(),
        requests.to_string(),
        duration_ms.to_string(),
    ];
    record(out, &fields)
}

/// A record of RFC 4180, which ends lines with CR LF.
fn record(out: &mut dyn Write, fields: &[String]) -> io::Result<()> {
    let fields: Vec<String> = fields.iter().map(|text| field(text)).collect();
    write!(out, "{}\r\n", fields.join(","))
}

/// A field of RFC 4180. Names come from outside: one that a spreadsheet would take for a formula
/// gets an apostrophe in front, which makes it text (OWASP, "CSV injection").
fn field(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guard = if is_formula { "'" } else { "" };
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{guard}{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be_and_never_formulas() {
        for (text, expected) in [
            ("", ""),
            ("plain text", "plain text"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@sum", "'@sum"),
            ("\tx", "'\tx"),
            ("=\"a\",b", "\"'=\"\"a\"\",b\""),
        ] {
            assert_eq!(field(text), expected, "{text:?}");
        }
        let mut out = Vec::new();
        record(&mut out, &["a".to_owned(), "=b".to_owned()]).unwrap();
        assert_eq!(out, b"a,'=b\r\n");
    }
}

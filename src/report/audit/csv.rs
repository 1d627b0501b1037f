//! An audit as a table for spreadsheets.

use std::io::{self, Write};

use super::{NO_NAMES, near_text, share};
use crate::engine::audit::{Audit, Differing, KindAudit};
use crate::engine::model::{JobName, ObjectKind, TargetId, Value};
use crate::engine::plan::Subject;
use crate::report::drift;
use crate::report::log::record;
use crate::report::sentence::{value, why};

/// The columns of the CSV.
const COLUMNS: [&str; 11] = [
    "job",
    "finding",
    "kind",
    "id",
    "label",
    "target",
    "attribute",
    "written",
    "held",
    "wanted",
    "detail",
];

/// One line for each finding.
pub(crate) fn csv(out: &mut dyn Write, audit: &Audit) -> io::Result<()> {
    record(out, &COLUMNS.map(str::to_owned))?;
    let mut rows = Rows {
        out,
        job: &audit.job,
    };
    for one in &audit.kinds {
        rows.kind(one)?;
    }
    Ok(())
}

struct Rows<'a> {
    out: &'a mut dyn Write,
    job: &'a JobName,
}

/// A line of the CSV; what is not given is empty.
#[derive(Default)]
struct Line<'a> {
    finding: &'static str,
    subject: Option<&'a Subject>,
    target: String,
    attribute: String,
    /// Written, held and wanted.
    values: [String; 3],
    detail: String,
}

impl Rows<'_> {
    fn kind(&mut self, audit: &KindAudit) -> io::Result<()> {
        let kind = audit.kind;
        for Differing {
            subject,
            target,
            attributes,
        } in &audit.differing
        {
            for one in attributes {
                let side = |value: &Option<_>| value.as_ref().map_or_else(String::new, value_text);
                let line = Line {
                    finding: "differs",
                    subject: Some(subject),
                    target: target.to_string(),
                    attribute: one.path.to_string(),
                    values: [side(&one.written), side(&one.held), side(&one.wanted)],
                    detail: one.remedy.map_or("repair", drift::remedy_word).to_owned(),
                };
                self.line(kind, line)?;
            }
        }
        for (subject, target) in &audit.missing {
            let line = Line {
                finding: "missing",
                subject: Some(subject),
                target: target.to_string(),
                ..Line::default()
            };
            self.line(kind, line)?;
        }
        for orphan in &audit.orphans {
            let near = orphan.near.as_ref().map(near_text);
            let state = if orphan.active { "active" } else { "inactive" };
            let detail: Vec<String> = [Some(state.to_owned()), near]
                .into_iter()
                .flatten()
                .collect();
            let line = Line {
                finding: "orphan",
                subject: orphan.linked_to.as_ref(),
                target: orphan.target.to_string(),
                values: [String::new(), orphan.name.clone(), String::new()],
                detail: detail.join("; "),
                ..Line::default()
            };
            self.line(kind, line)?;
        }
        for one in &audit.duplicates {
            let targets: Vec<&str> = one.targets.iter().map(TargetId::as_str).collect();
            let line = Line {
                finding: "duplicate",
                target: targets.join(" "),
                attribute: one.path.to_string(),
                values: [String::new(), value_text(&one.value), String::new()],
                ..Line::default()
            };
            self.line(kind, line)?;
        }
        for one in &audit.ambiguous {
            let line = Line {
                finding: "ambiguous",
                subject: Some(&one.subject),
                detail: why(&one.why, one.subject.kind, NO_NAMES),
                ..Line::default()
            };
            self.line(kind, line)?;
        }
        for pair in &audit.coverage {
            let line = Line {
                finding: "coverage",
                attribute: format!("{} = {}", pair.path, pair.attribute),
                detail: format!("{} % ({} of {})", share(pair), pair.one, pair.of),
                ..Line::default()
            };
            self.line(kind, line)?;
        }
        Ok(())
    }

    fn line(&mut self, kind: ObjectKind, line: Line<'_>) -> io::Result<()> {
        let Line {
            finding,
            subject,
            target,
            attribute,
            values: [written, held, wanted],
            detail,
        } = line;
        let (id, label) = subject.map_or_else(Default::default, |subject| {
            (subject.id.to_string(), subject.label.clone())
        });
        let fields = [
            self.job.to_string(),
            finding.to_owned(),
            kind.word().to_owned(),
            id,
            label,
            target,
            attribute,
            written,
            held,
            wanted,
            detail,
        ];
        record(self.out, &fields)
    }
}

/// A value for a spreadsheet: text as it is.
fn value_text(one: &Value) -> String {
    if let Value::Text(text) = one {
        text.to_string()
    } else {
        value(one, NO_NAMES)
    }
}

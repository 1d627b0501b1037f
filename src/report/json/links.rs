//! Links, for `links` and `restart`.

use std::io::{self, Write};

use serde_json::{Map, Value as Json, json};

use super::format::FORMAT;
use super::value::{subject_json, value_json};
use crate::engine::model::{JobName, SourceId, TargetId};
use crate::engine::record::{LinkRecord, LinkState};
use crate::engine::redact::Shown;

/// The document of a list, written link by link.
pub(crate) struct Links<'a> {
    out: &'a mut dyn Write,
    entries: usize,
}

impl<'a> Links<'a> {
    pub(crate) fn begin(out: &'a mut dyn Write, job: &JobName) -> io::Result<Self> {
        write!(
            out,
            "{{\"format\":{FORMAT},\"job\":{},\"links\":[",
            json!(job.as_str())
        )?;
        Ok(Self { out, entries: 0 })
    }

    pub(crate) fn link(&mut self, link: &Shown<'_, LinkRecord>) -> io::Result<()> {
        let separator = if self.entries == 0 { "\n" } else { ",\n" };
        self.entries += 1;
        write!(self.out, "{separator}{}", Json::Object(link_json(link)))
    }

    pub(crate) fn end(self) -> io::Result<()> {
        self.out.write_all(b"\n]}\n")
    }
}

/// One link, with what was last sent.
pub(crate) fn link(
    out: &mut dyn Write,
    job: &JobName,
    link: &Shown<'_, LinkRecord>,
) -> io::Result<()> {
    let sent = link.sent.iter();
    let sent: Map<String, Json> = sent
        .map(|(path, value)| (path.to_string(), value_json(value)))
        .collect();
    let mut entry = link_json(link);
    entry.insert("sent".to_owned(), Json::Object(sent));
    let document = json!({ "format": FORMAT, "job": job.as_str(), "link": entry });
    writeln!(out, "{document}")
}

fn link_json(link: &LinkRecord) -> Map<String, Json> {
    let LinkRecord {
        subject,
        target,
        state,
        sent: _,
    } = link;
    let found_by = match state {
        LinkState::OldAddress(key) => {
            json!({ "path": key.path.to_string(), "value": value_json(&key.value) })
        }
        LinkState::InScope
        | LinkState::OutOfScope
        | LinkState::ToBeRead
        | LinkState::FormerlyOurs
        | LinkState::New => Json::Null,
    };
    let fields = [
        ("subject", subject_json(subject)),
        ("target", json!(target.as_ref().map(TargetId::as_str))),
        ("state", json!(state.as_str())),
        ("found_by", found_by),
    ];
    let fields = fields.into_iter();
    fields
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// A link was dropped or set.
pub(crate) fn link_changed(
    out: &mut dyn Write,
    job: &JobName,
    id: &SourceId,
    target: Option<&TargetId>,
) -> io::Result<()> {
    let document = json!({
        "format": FORMAT,
        "job": job.as_str(),
        "id": id.as_str(),
        "target": target.map(TargetId::as_str),
    });
    writeln!(out, "{document}")
}

/// Links were set from a file: how many, how many were so already, and why others were not.
pub(crate) fn links_imported(
    out: &mut dyn Write,
    job: &JobName,
    (set, same): (u64, u64),
    refused: &[String],
) -> io::Result<()> {
    let document = json!({
        "format": FORMAT,
        "job": job.as_str(),
        "set": set,
        "same": same,
        "refused": refused,
    });
    writeln!(out, "{document}")
}

/// A job was restarted.
pub(crate) fn restarted(
    out: &mut dyn Write,
    job: &JobName,
    reset: &[(&'static str, bool)],
) -> io::Result<()> {
    let reset = reset.iter().filter(|(_, is_reset)| *is_reset);
    let reset: Vec<&str> = reset.map(|(name, _)| *name).collect();
    let document = json!({ "format": FORMAT, "job": job.as_str(), "reset": reset });
    writeln!(out, "{document}")
}

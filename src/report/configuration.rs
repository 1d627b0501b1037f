//! What changed in a job's configuration between two cycles.

use std::io::{self, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value as Json, json};

use super::json::{FORMAT, time_json};
use super::sentence::{clean, things};
use super::text::Style;
use crate::engine::configuration::{Configuration, Difference};
use crate::engine::model::JobName;

/// A cycle, and what it was configured with.
#[derive(Clone, Debug)]
pub(crate) struct Configured {
    pub(crate) cycle: i64,
    pub(crate) started: DateTime<Utc>,
    pub(crate) configuration: Configuration,
}

pub(crate) fn text(
    out: &mut dyn Write,
    job: &JobName,
    before: &Configured,
    after: &Configured,
    style: Style,
) -> io::Result<()> {
    let of = |one: &Configured| {
        let started = one.started.to_rfc3339_opts(SecondsFormat::Secs, true);
        format!("cycle {} ({started})", one.cycle)
    };
    let name = style.bold(&clean(job.as_str()));
    writeln!(out, "{name}: from {} to {}", of(before), of(after))?;
    let changes = before.configuration.changes_to(&after.configuration);
    for Difference { key, before, after } in &changes {
        let key = clean(key);
        match (before, after) {
            (None, Some(after)) => writeln!(out, "+ {key}: {}", clean(after))?,
            (Some(before), None) => writeln!(out, "- {key}: {}", clean(before))?,
            (Some(before), Some(after)) => {
                writeln!(out, "~ {key}")?;
                writeln!(out, "    before: {}", clean(before))?;
                writeln!(out, "    after:  {}", clean(after))?;
            }
            (None, None) => {}
        }
    }
    if changes.is_empty() {
        return writeln!(out, "The configuration is the same.");
    }
    writeln!(out, "{} changed.", things(changes.len() as u64, "key"))
}

pub(crate) fn json(
    out: &mut dyn Write,
    job: &JobName,
    before: &Configured,
    after: &Configured,
) -> io::Result<()> {
    let of = |one: &Configured| {
        json!({
            "cycle": one.cycle,
            "started": time_json(one.started),
            "digest": one.configuration.digest,
        })
    };
    let changes = before.configuration.changes_to(&after.configuration);
    let changes = changes.into_iter().map(|one| {
        let Difference { key, before, after } = one;
        json!({ "key": key, "before": before, "after": after })
    });
    let document = json!({
        "format": FORMAT,
        "job": job.as_str(),
        "from": of(before),
        "to": of(after),
        "changes": changes.collect::<Json>(),
    });
    writeln!(out, "{document}")
}

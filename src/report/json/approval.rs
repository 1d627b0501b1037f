//! What an operator approved, rejected or accepted.

use std::io::{self, Write};

use serde_json::{Value as Json, json};

use super::format::FORMAT;
use super::value::subject_json;
use crate::engine::model::JobName;
use crate::engine::record::{Decided, HeldRemoval, by_action};

/// What was decided for a job; `None` when nothing was held.
pub(crate) fn decided(
    out: &mut dyn Write,
    job: &JobName,
    decided: Option<&Decided>,
    approve: bool,
) -> io::Result<()> {
    let word = if approve { "approved" } else { "rejected" };
    let gone = decided.iter().flat_map(|decided| &decided.gone);
    let document = json!({
        "format": FORMAT,
        "job": job.as_str(),
        word: decided.map(|decided| by_action(&decided.removals)),
        "gone": gone.map(removal_json).collect::<Vec<_>>(),
        "later": decided.map_or(0, |decided| decided.later),
    });
    writeln!(out, "{document}")
}

pub(super) fn removal_json(removal: &HeldRemoval) -> Json {
    let HeldRemoval {
        subject,
        member,
        action,
        cause,
        reason,
    } = removal;
    json!({
        "action": action,
        "subject": subject_json(subject),
        "member": member.as_ref().map(subject_json),
        "why": cause,
        "reason": reason,
    })
}

/// A state file is used at its new place.
pub(crate) fn backed_up(out: &mut dyn Write, copy: &str, key: Option<&str>) -> io::Result<()> {
    let document = json!({ "format": FORMAT, "backup": copy, "key": key });
    writeln!(out, "{document}")
}

pub(crate) fn restored(out: &mut dyn Write, path: &str, kept: Option<&str>) -> io::Result<()> {
    let document = json!({
        "format": FORMAT, "state": path, "kept": kept, "verify_links": true,
    });
    writeln!(out, "{document}")
}

pub(crate) fn accepted_move(out: &mut dyn Write, path: &str) -> io::Result<()> {
    writeln!(
        out,
        "{}",
        json!({ "format": FORMAT, "state": path, "verify_links": true })
    )
}

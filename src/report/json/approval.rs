//! What an operator approved.

use std::io::{self, Write};

use serde_json::json;

use super::document::FORMAT;
use crate::engine::model::JobName;
use crate::report::view::HeldView;

/// What was approved for a job; `None` when nothing was held.
pub(crate) fn approved(
    out: &mut dyn Write,
    job: &JobName,
    held: Option<&HeldView>,
) -> io::Result<()> {
    let document = json!({
        "format": FORMAT,
        "job": job.as_str(),
        "approved": held.map(|held| &held.removals),
    });
    writeln!(out, "{document}")
}

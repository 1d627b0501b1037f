//! What an operator approved.

use std::io::{self, Write};

use serde_json::json;

use super::document::FORMAT;
use crate::engine::model::JobName;
use crate::engine::record::HeldSet;

/// What was approved for a job; `None` when nothing was held.
pub(crate) fn approved(
    out: &mut dyn Write,
    job: &JobName,
    held: Option<&HeldSet>,
) -> io::Result<()> {
    let document = json!({
        "format": FORMAT,
        "job": job.as_str(),
        "approved": held.map(HeldSet::by_action),
    });
    writeln!(out, "{document}")
}

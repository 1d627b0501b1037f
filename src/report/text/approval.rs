//! What an operator approved.

use crate::engine::model::JobName;
use crate::engine::record::HeldSet;
use crate::report::sentence::{clean, removals};

/// What was approved for a job.
pub(crate) fn approved(job: &JobName, held: &HeldSet) -> String {
    let job = clean(job.as_str());
    let removals = removals(&held.by_action());
    format!("Approved for {job}: {removals}. The next cycle carries it out, if it still applies.")
}

/// There was nothing to approve.
pub(crate) fn nothing_held(job: &JobName) -> String {
    format!(
        "Nothing of {} is held back; nothing to approve.",
        clean(job.as_str())
    )
}

//! The checks of Test Connection.

use std::io::{self, Write};

use serde_json::{Value as Json, json};

use super::format::FORMAT;
use crate::engine::check::{Check, Failed};
use crate::engine::model::JobName;

/// Trials of notifications.
pub(crate) fn trial(out: &mut dyn Write, checks: &[Check]) -> io::Result<()> {
    let ok = checks.iter().all(|check| check.outcome.is_ok());
    let checks: Vec<Json> = checks.iter().map(check_json).collect();
    writeln!(
        out,
        "{}",
        json!({ "format": FORMAT, "ok": ok, "notifications": checks })
    )
}

fn check_json(Check { what, outcome }: &Check) -> Json {
    match outcome {
        Ok(seen) => json!({ "check": what, "ok": true, "seen": seen }),
        Err(Failed { words, remedy }) => {
            json!({ "check": what, "ok": false, "problem": words, "remedy": remedy })
        }
    }
}

pub(super) fn checks_json(job: &JobName, checks: &[Check], remarks: &[Failed]) -> Json {
    let ok = checks.iter().all(|check| check.outcome.is_ok());
    let checks = checks.iter().map(check_json);
    let remarks = remarks.iter();
    let remarks =
        remarks.map(|Failed { words, remedy }| json!({ "problem": words, "remedy": remedy }));
    json!({
        "job": job.as_str(),
        "ok": ok,
        "checks": checks.collect::<Vec<_>>(),
        "remarks": remarks.collect::<Vec<_>>(),
    })
}

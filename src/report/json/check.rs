//! The checks of Test Connection.

use serde_json::{Value as Json, json};

use crate::engine::check::{Check, Failed};
use crate::engine::model::JobName;

pub(super) fn checks_json(job: &JobName, checks: &[Check], remarks: &[Failed]) -> Json {
    let ok = checks.iter().all(|check| check.outcome.is_ok());
    let checks = checks.iter().map(|Check { what, outcome }| match outcome {
        Ok(seen) => json!({ "check": what, "ok": true, "seen": seen }),
        Err(Failed { words, remedy }) => {
            json!({ "check": what, "ok": false, "problem": words, "remedy": remedy })
        }
    });
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

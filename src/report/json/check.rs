//! The checks of Test Connection.

use serde_json::{Value as Json, json};

use crate::engine::model::JobName;
use crate::report::view::CheckView;

pub(super) fn checks_json(job: &JobName, checks: &[CheckView]) -> Json {
    let ok = checks.iter().all(|check| check.result.is_ok());
    let checks = checks
        .iter()
        .map(|CheckView { what, result }| match result {
            Ok(seen) => json!({ "check": what, "ok": true, "seen": seen }),
            Err((problem, remedy)) => {
                json!({ "check": what, "ok": false, "problem": problem, "remedy": remedy })
            }
        });
    json!({ "job": job.as_str(), "ok": ok, "checks": checks.collect::<Vec<_>>() })
}

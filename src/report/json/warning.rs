//! What a plan warns of.

use serde_json::{Value as Json, json};

use super::value::subject_json;
use crate::engine::plan::Warning;
use crate::report::sentence;

pub(super) fn warnings_json(warnings: &[Warning]) -> Json {
    warnings.iter().map(warning_json).collect()
}

fn warning_json(warning: &Warning) -> Json {
    let Warning::SeveralGroups { person, groups } = warning;
    let groups: Vec<Json> = groups.iter().map(subject_json).collect();
    json!({
        "reason": warning.word(),
        "subject": subject_json(person),
        "groups": groups,
        "text": sentence::warning(warning),
    })
}

//! Names of the scope that do not mean exactly one object.

use serde_json::{Value as Json, json};

use crate::engine::model::SourceId;
use crate::engine::names::Misnamed;
use crate::report::sentence;

pub(super) fn misnamed_json(misnamed: &[Misnamed]) -> Json {
    misnamed.iter().map(one_json).collect()
}

fn one_json(misnamed: &Misnamed) -> Json {
    let Misnamed {
        list,
        name,
        found,
        nearest,
    } = misnamed;
    let found: Vec<&str> = found.iter().map(SourceId::as_str).collect();
    json!({
        "key": list.key(),
        "name": name,
        "found": found,
        "nearest": nearest,
        "text": sentence::misnamed(misnamed),
        "remedy": sentence::misnamed_remedy(misnamed),
    })
}

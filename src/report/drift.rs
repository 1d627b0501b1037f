//! The words for what the target holds instead of what was last written.

use super::sentence::{clean, number, optional, things, value};
use super::view::Names;
use crate::engine::model::{TargetPath, Value};
use crate::engine::plan::{Difference, Drift, DriftRemedy, Drifted};

/// Attributes of one object, and members of one group, that a sentence names; the rest is counted.
const NAMED: usize = 5;

/// One object: a sentence without a full stop.
pub(super) fn sentence(drifted: &Drifted) -> String {
    let Drifted {
        subject,
        target,
        drift,
    } = drifted;
    let name = if subject.label.is_empty() {
        subject.id.as_str()
    } else {
        &subject.label
    };
    let name = format!("{} (id {})", clean(name), clean(target.as_str()));
    match drift {
        Drift::Gone => format!("{name} is gone from the target"),
        Drift::Differs(differences) => {
            let mut parts: Vec<String> = differences.iter().take(NAMED).map(difference).collect();
            let more = differences.len().saturating_sub(NAMED) as u64;
            if more > 0 {
                parts.push(things(more, "more attribute"));
            }
            format!("{name} is another in the target: {}", parts.join("; "))
        }
    }
}

/// One attribute: what the target holds instead of what was written.
fn difference(difference: &Difference) -> String {
    let Difference {
        path,
        sent,
        held,
        remedy,
    } = difference;
    what(path, sent.as_ref(), held.as_ref(), *remedy)
}

/// The same of its parts.
pub(super) fn what(
    path: &TargetPath,
    sent: Option<&Value>,
    held: Option<&Value>,
    remedy: DriftRemedy,
) -> String {
    let names = Names::Numbered(&|_| None);
    let what = if path.is_members() {
        let missing = sent.map(|some| format!("without {}", members(some)));
        let extra = held.map(|some| format!("also {}", members(some)));
        let both: Vec<String> = missing.into_iter().chain(extra).collect();
        format!("members {}", both.join(" and "))
    } else {
        format!(
            "{path} {} (written: {})",
            optional(held, names),
            optional(sent, names)
        )
    };
    format!("{what}{}", remedy_text(remedy))
}

fn members(list: &Value) -> String {
    let names = Names::Numbered(&|_| None);
    let Value::List(members) = list else {
        return value(list, names);
    };
    let mut parts: Vec<String> = members
        .iter()
        .take(NAMED)
        .map(|one| value(one, names))
        .collect();
    let more = members.len().saturating_sub(NAMED) as u64;
    if more > 0 {
        parts.push(format!("{} more", number(more)));
    }
    parts.join(", ")
}

fn remedy_text(remedy: DriftRemedy) -> &'static str {
    match remedy {
        DriftRemedy::Repair => "",
        DriftRemedy::Report => " (not repaired: on_drift = \"report\")",
        DriftRemedy::Disabled => " (not repaired: it was disabled in the target)",
    }
}

/// The one word for it in JSON and CSV.
pub(super) fn remedy_word(remedy: DriftRemedy) -> &'static str {
    match remedy {
        DriftRemedy::Repair => "repair",
        DriftRemedy::Report => "report",
        DriftRemedy::Disabled => "disabled-in-target",
    }
}

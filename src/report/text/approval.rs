//! What an operator approved, rejected or accepted.

use crate::engine::model::JobName;
use crate::engine::record::{Decided, HeldRemoval, by_action};
use crate::report::entry::phrase;
use crate::report::sentence::{clean, removals, subject_text, things};

/// What was decided for a job, one sentence a line.
pub(crate) fn decided(job: &JobName, decided: &Decided, approve: bool) -> String {
    let Decided {
        cycle: _,
        removals: covered,
        gone,
        later,
    } = decided;
    let job = clean(job.as_str());
    let what = removals(&by_action(covered));
    let mut lines = Vec::new();
    if covered.is_empty() {
        lines.push(format!(
            "Nothing of {job} was {}: no matching removal is held.",
            if approve { "approved" } else { "rejected" }
        ));
    } else if approve {
        lines.push(format!(
            "Approved for {job}: {what}. The next cycle applies it, if it is still planned."
        ));
    } else {
        lines.push(format!(
            "Rejected for {job}: {what}. It is not planned again until its cause changes."
        ));
    }
    for one in gone {
        lines.push(format!("No longer planned: {}.", removal(one)));
    }
    if *later > 0 {
        lines.push(format!(
            "{} held later stay held.",
            things(*later, "removal")
        ));
    }
    lines.join("\n")
}

/// A removal in words: `disable user ann`, `remove members from group Sales: ann`.
pub(crate) fn removal(removal: &HeldRemoval) -> String {
    let HeldRemoval {
        subject,
        member,
        action,
        cause: _,
        reason: _,
    } = removal;
    let subject = subject_text(subject);
    let action = clean(phrase(action));
    match member {
        None => format!("{action} {subject}"),
        Some(member) => format!("{action} {subject}: {}", subject_text(member)),
    }
}

/// There was nothing to decide.
pub(crate) fn nothing_held(job: &JobName, approve: bool) -> String {
    format!(
        "No removals of {} are held; nothing to {}.",
        clean(job.as_str()),
        if approve { "approve" } else { "reject" }
    )
}

/// A state file is used at its new place.
pub(crate) fn backed_up(copy: &str, key: Option<&str>) -> String {
    let key = key.map(|key| {
        format!(
            " Keep {} with it: without that key, redacted values are sent once more and saved plans are \
             refused.",
            clean(key)
        )
    });
    format!(
        "The state was copied to {}.{}",
        clean(copy),
        key.unwrap_or_default()
    )
}

pub(crate) fn restored(path: &str, kept: Option<&str>) -> String {
    let kept = kept.map(|kept| format!(" The replaced state is now {}.", clean(kept)));
    format!(
        "The copy is now the state {}.{} The next cycle of each job evaluates every object and verifies \
         its links in the target before it writes.",
        clean(path),
        kept.unwrap_or_default()
    )
}

pub(crate) fn accepted_move(path: &str) -> String {
    format!(
        "{} is accepted at its new place. The next cycle of each job evaluates every object and \
         verifies its links in the target before it writes.",
        clean(path)
    )
}

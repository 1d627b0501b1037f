//! Links, for `links` and `restart`.

use std::io::{self, Write};

use crate::engine::model::{JobName, TargetId, TargetPath, Value};
use crate::engine::record::{LinkRecord, LinkState};
use crate::engine::redact::Shown;
use crate::report::sentence::{clean, subject_text, things, value};
use crate::report::view::Names;

/// One line.
pub(crate) fn link(link: &Shown<'_, LinkRecord>) -> String {
    let LinkRecord {
        subject,
        target,
        state,
        sent: _,
    } = &**link;
    let target = target.as_ref().map_or("", TargetId::as_str);
    let subject = subject_text(subject);
    match state {
        LinkState::InScope => format!("{subject}: {}", clean(target)),
        LinkState::OutOfScope => format!("{subject}: {} (out of scope)", clean(target)),
        LinkState::ToBeRead => {
            format!("{subject}: {} (the next cycle reads it)", clean(target))
        }
        LinkState::FormerlyOurs => {
            format!("{subject}: {} (the next cycle verifies it)", clean(target))
        }
        LinkState::OldAddress(key) => format!(
            "{subject}: not linked; {} has an old address ({} {}) and waits for a decision",
            clean(target),
            key.path,
            text_of(&key.value)
        ),
        LinkState::New => format!("{subject}: not linked; marked as a new user"),
    }
}

/// What a list ends with.
pub(crate) fn links(job: &JobName, count: u64) -> String {
    format!("{}: {}.", clean(job.as_str()), things(count, "link"))
}

/// One link with what was last sent.
pub(crate) fn link_details(out: &mut dyn Write, shown: &Shown<'_, LinkRecord>) -> io::Result<()> {
    writeln!(out, "{}", link(shown))?;
    writeln!(out, "  id: {}", clean(shown.subject.id.as_str()))?;
    for (path, value) in &shown.sent {
        writeln!(out, "  {path}: {}", text_of(value))?;
    }
    Ok(())
}

/// An account that an operator links by hand, and that has no matching attribute in common with the object.
pub(crate) fn sides(
    values: &[(TargetPath, Value, Option<Value>)],
    label: &str,
    target: &TargetId,
) -> Vec<String> {
    let (label, target) = (clean(label), clean(target.as_str()));
    let mut lines = vec![format!(
        "{target} in the target has no matching attribute in common with {label}:"
    )];
    for (path, here, there) in values {
        let there = there.as_ref().map_or_else(|| "(none)".to_owned(), text_of);
        lines.push(format!(
            "  {path}: {} here, {there} in the target",
            text_of(here)
        ));
    }
    if values.is_empty() {
        lines.push(format!("  {label} has no matching attribute with a value"));
    }
    lines.push(format!(
        "The next cycle would make the account {label}'s, and overwrite what it holds."
    ));
    lines
}

/// A job was restarted.
pub(crate) fn restarted(job: &JobName, with_links: bool) -> String {
    let job = clean(job.as_str());
    if with_links {
        format!(
            "The next cycle of {job} evaluates every object. It first reads each linked object in the \
             target: if it is still the same, the link is kept; if not, the object is matched again."
        )
    } else {
        format!("The next cycle of {job} evaluates every object.")
    }
}

fn text_of(one: &Value) -> String {
    value(one, Names::Numbered(&|_| None))
}

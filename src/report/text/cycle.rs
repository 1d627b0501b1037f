//! What a cycle did, in a few short lines: the same after `sync` and in `status`.

use std::io::{self, Write};

use crate::engine::plan::Count;
use crate::engine::summary::Requests;
use crate::report::sentence::{capital, count, deeds, number, things};

/// The numbers of a cycle that ended.
pub(super) struct Numbers<'a> {
    /// What was done, by the name of the action.
    pub(super) done: Vec<(&'a str, u64)>,
    pub(super) failed: u64,
    pub(super) not_tried: u64,
    pub(super) skipped: u64,
    pub(super) evaluated: Count,
    pub(super) linked: Count,
    pub(super) requests: Requests,
    /// Everything was read and tried, and nothing waits.
    pub(super) is_all: bool,
}

pub(super) fn write_numbers(out: &mut dyn Write, numbers: &Numbers<'_>) -> io::Result<()> {
    let Numbers {
        done,
        failed,
        not_tried,
        skipped,
        evaluated,
        linked,
        requests,
        is_all,
    } = numbers;
    let mut parts = Vec::new();
    parts.extend(deeds(done.iter().copied()));
    for (times, word) in [(failed, "failed"), (not_tried, "not tried")] {
        if *times > 0 {
            parts.push(format!("{} {word}", number(*times)));
        }
    }
    if parts.is_empty() && !is_all {
        writeln!(out, "  Nothing changed")?;
    } else if parts.is_empty() {
        writeln!(out, "  Nothing changed; {} in sync", count(*linked))?;
    } else {
        writeln!(out, "  {}", capital(&parts.join(", ")))?;
        writeln!(out, "  {} linked", count(*linked))?;
    }
    if evaluated.total() > 0 {
        let skipped = match skipped {
            0 => String::new(),
            some => format!(", {} skipped", number(*some)),
        };
        writeln!(out, "  {} evaluated{skipped}", count(*evaluated))?;
    }
    writeln!(
        out,
        "  {} to the source, {} to the target",
        things(requests.source, "request"),
        number(requests.target)
    )
}

//! What a plan does nothing about, and why not.

use std::io::{self, Write};

use super::style::{Mark, Style};
use crate::engine::plan::{Skipped, Why, WhyOut};
use crate::engine::redact::ShownReview;
use crate::report::sentence::{subject_text, things, why};
use crate::report::view::Names;

/// Objects that were never assigned are listed up to this many; beyond it they are counted, because
/// they are the rest of the tenant and bury what matters.
const UNASSIGNED_NAMED: usize = 20;

pub(super) fn write_skipped(
    out: &mut dyn Write,
    review: ShownReview<'_>,
    names: &Names<'_>,
    style: Style,
) -> io::Result<()> {
    let is_unassigned = |skipped: &Skipped| {
        matches!(
            skipped.why,
            Why::OutOfScope(WhyOut::NotAssigned | WhyOut::NotNamed | WhyOut::KindDisabled)
        )
    };
    let unassigned = review.skipped().filter(|one| is_unassigned(one)).count();
    let cut = !style.details && unassigned > UNASSIGNED_NAMED;
    let mut titled = false;
    for skipped in review.skipped() {
        if cut && is_unassigned(&skipped) {
            continue;
        }
        if !titled {
            writeln!(out, "\n{}", style.bold("Skipped"))?;
            titled = true;
        }
        let Skipped {
            subject,
            why: reason,
        } = &*skipped;
        let mark = style.mark(if reason.is_failure() {
            Mark::Fail
        } else {
            Mark::Skip
        });
        writeln!(
            out,
            "  {mark} {}: {}",
            subject_text(subject),
            why(reason, subject.kind, names)
        )?;
    }
    if cut {
        if !titled {
            writeln!(out, "\n{}", style.bold("Skipped"))?;
        }
        writeln!(
            out,
            "  {} {} that nothing brings into scope (-v lists them)",
            style.mark(Mark::Skip),
            things(unassigned as u64, "object")
        )?;
    }
    Ok(())
}

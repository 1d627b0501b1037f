//! What a plan warns of.

use std::io::{self, Write};

use super::style::{Mark, Style};
use crate::engine::plan::Warning;
use crate::report::sentence::{number, warning};

/// So many are named; the rest is counted.
const WARNINGS_NAMED: usize = 5;

pub(super) fn write_warnings(
    out: &mut dyn Write,
    warnings: &[Warning],
    style: Style,
) -> io::Result<()> {
    let named = if style.details {
        warnings.len()
    } else {
        WARNINGS_NAMED
    };
    let mark = style.mark(Mark::Warn);
    for one in warnings.iter().take(named) {
        writeln!(out, "  {mark} {}", warning(one))?;
    }
    let more = warnings.len().saturating_sub(named) as u64;
    if more > 0 {
        writeln!(
            out,
            "  {mark} and {} more of whom the same is true (-v lists them)",
            number(more)
        )?;
    }
    Ok(())
}

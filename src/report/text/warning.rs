//! What a plan warns of.

use std::io::{self, Write};

use super::style::Style;
use crate::engine::plan::{Strangers, Warning};
use crate::report::entry::Mark;
use crate::report::sentence::{self, capital, clean, number, warning};

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
            "  {mark} and {} more like this (-v lists them)",
            number(more)
        )?;
    }
    Ok(())
}

/// Active accounts of no user in scope, with the first of them.
pub(super) fn write_strangers(
    out: &mut dyn Write,
    strangers: &Strangers,
    style: Style,
) -> io::Result<()> {
    let Strangers { count, first } = strangers;
    writeln!(
        out,
        "  {} {}",
        style.mark(Mark::Warn),
        capital(&sentence::strangers(strangers))
    )?;
    for (id, name) in first {
        writeln!(out, "    {} (id {})", clean(name), clean(id.as_str()))?;
    }
    let more = count.saturating_sub(first.len() as u64);
    if more > 0 {
        writeln!(out, "    and {} more", number(more))?;
    }
    Ok(())
}

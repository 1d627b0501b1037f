//! The checks of Test Connection.

use std::io::{self, Write};

use super::style::Style;
use crate::engine::check::{Check, Failed};
use crate::report::entry::Mark;
use crate::report::sentence::clean;

/// The steps of Test Connection of one job, or trials of notifications, and what does not fit.
pub(crate) fn checks(
    out: &mut dyn Write,
    title: &str,
    checks: &[Check],
    remarks: &[Failed],
    style: Style,
) -> io::Result<()> {
    writeln!(out, "{}", style.bold(&clean(title)))?;
    let width = checks.iter().map(|check| check.what.chars().count()).max();
    let width = width.unwrap_or(0);
    for Check { what, outcome } in checks {
        let what = clean(what);
        match outcome {
            Ok(seen) => {
                let mark = style.mark(Mark::Good);
                writeln!(out, "  {mark} {what:width$}  {}", clean(seen))?;
            }
            Err(Failed { words, remedy }) => {
                let mark = style.mark(Mark::Fail);
                writeln!(out, "  {mark} {what:width$}  {}", clean(words))?;
                write_remedy(out, remedy.as_deref(), width + 2)?;
            }
        }
    }
    for Failed { words, remedy } in remarks {
        writeln!(out, "  {} {}", style.mark(Mark::Warn), clean(words))?;
        write_remedy(out, remedy.as_deref(), 0)?;
    }
    Ok(())
}

/// Commands to be copied stand in lines of their own.
fn write_remedy(out: &mut dyn Write, remedy: Option<&str>, indent: usize) -> io::Result<()> {
    let Some(remedy) = remedy else {
        return Ok(());
    };
    if !remedy.contains('\n') {
        return writeln!(out, "    {:indent$}help: {}", "", clean(remedy));
    }
    writeln!(out, "    help:")?;
    for line in remedy.lines() {
        writeln!(out, "    {}", clean(line))?;
    }
    Ok(())
}

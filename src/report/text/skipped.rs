//! What a plan does nothing about, and why not.

use std::io::{self, Write};

use super::style::Style;
use crate::engine::plan::{Skipped, Why, WhyOut};
use crate::report::entry::{Entry, Mark};
use crate::report::sentence::{number, subject_text, things};
use crate::report::view::{Names, Order, Part, PlanRow, PlanView, Rows};

/// Objects that nothing brings into scope are listed up to this many; beyond it they are counted,
/// because they are the rest of the tenant and bury what matters.
const UNASSIGNED_NAMED: u64 = 20;

/// Others that are skipped are listed up to this many; those that failed always are.
const SKIPS_NAMED: u64 = 200;

pub(super) fn write_skipped(
    out: &mut dyn Write,
    view: &PlanView<'_>,
    style: Style,
) -> io::Result<()> {
    let skipped = view.totals.skipped.values().sum::<u64>();
    if skipped + view.totals.failing == 0 {
        return Ok(());
    }
    writeln!(out, "\n{}", style.bold("Skipped"))?;
    let unassigned = if style.details { 0 } else { unassigned(view)? };
    let cut = unassigned > UNASSIGNED_NAMED;
    let mut others = 0;
    view.rows
        .each(Part::Skipped, Order::Execution, &mut |row| match row {
            PlanRow::Skipped(skipped) if !(cut && is_unassigned(&skipped.why)) => {
                others += u64::from(!skipped.why.is_failure());
                if others > SKIPS_NAMED && !style.details && !skipped.why.is_failure() {
                    return Ok(());
                }
                write_one(out, skipped, view.rows, style)
            }
            PlanRow::Skipped(_) | PlanRow::Action(..) => Ok(()),
        })?;
    if others > SKIPS_NAMED && !style.details {
        let more = number(others - SKIPS_NAMED);
        writeln!(out, "  … and {more} more (-v lists all)")?;
    }
    if cut {
        write_unassigned(out, unassigned, style)?;
    }
    Ok(())
}

pub(super) fn write_unassigned(out: &mut dyn Write, times: u64, style: Style) -> io::Result<()> {
    writeln!(
        out,
        "  {} {} that are not in scope (-v lists them)",
        style.mark(Mark::Skip),
        things(times, "object")
    )
}

/// Every object that a cycle skipped, with the reason.
pub(crate) fn skipped(out: &mut dyn Write, rows: &dyn Rows, style: Style) -> io::Result<()> {
    rows.each(Part::Skipped, Order::Execution, &mut |row| match row {
        PlanRow::Skipped(skipped) => write_one(out, skipped, rows, style),
        PlanRow::Action(..) => Ok(()),
    })
}

pub(super) fn is_unassigned(why: &Why) -> bool {
    matches!(
        why,
        Why::OutOfScope(
            WhyOut::NotAssigned | WhyOut::NotInUnit | WhyOut::NotNamed | WhyOut::KindDisabled
        )
    )
}

/// How many objects nothing brings into scope. They are counted only where they may be too many.
fn unassigned(view: &PlanView<'_>) -> io::Result<u64> {
    let out_of_scope = view.totals.skipped.get(Why::OUT_OF_SCOPE).copied();
    let mut counted = 0;
    if out_of_scope.unwrap_or(0) > UNASSIGNED_NAMED {
        view.rows
            .each(Part::Skipped, Order::Execution, &mut |row| {
                if let PlanRow::Skipped(skipped) = row
                    && is_unassigned(&skipped.why)
                {
                    counted += 1;
                }
                Ok(())
            })?;
    }
    Ok(counted)
}

fn write_one(
    out: &mut dyn Write,
    skipped: &Skipped,
    rows: &dyn Rows,
    style: Style,
) -> io::Result<()> {
    let entry = Entry::of_skipped(skipped, Names::Rows(rows));
    writeln!(
        out,
        "  {} {}: {}",
        style.mark(entry.mark),
        subject_text(entry.subject),
        entry.because.unwrap_or_default()
    )
}

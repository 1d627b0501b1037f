//! The diff report of one job: its actions step by step, what is held, what is skipped, and the sum.

use std::io::{self, Write};

use super::action::{write_action, write_entry};
use super::skipped::write_skipped;
use super::style::Style;
use super::warning::{write_strangers, write_warnings};
use crate::engine::plan::{Operation, Step};
use crate::report::entry::{Entry, Mark};
use crate::report::held::held_count;
use crate::report::section::Section;
use crate::report::sentence::{
    capital, clean, compared, count, cycle_kind, from_snapshot, is_news, misnamed, number, staged,
    things, why_held,
};
use crate::report::view::{Against, Folded, Names, Order, Part, PlanRow, PlanView, totals};

/// Creates of a step that are printed with their values.
const CREATES_SHOWN: u64 = 3;

/// Rows of one action in a step that are printed, unless it takes something away.
const ROWS_SHOWN: usize = 200;

/// The diff report of one job.
pub(crate) fn plan(out: &mut dyn Write, view: &PlanView<'_>, style: Style) -> io::Result<()> {
    let PlanView {
        job,
        header,
        totals,
        refusals,
        held,
        limits: _,
        kind,
        requests,
        rows,
        against,
        snapshot,
    } = *view;
    let job = clean(job.as_str());
    writeln!(out, "{}", style.bold(&format!("Plan of {job}")))?;
    writeln!(
        out,
        "{} cycle: {} evaluated, {} in scope.",
        capital(cycle_kind(kind)),
        count(header.evaluated),
        count(header.in_scope),
    )?;
    writeln!(out, "{} linked.", capital(&count(header.linked)))?;
    if let Some(one) = &header.staged {
        writeln!(out, "{}.", capital(&staged(one)))?;
    }
    if let Some(snapshot) = snapshot {
        writeln!(out, "{}.", capital(&from_snapshot(snapshot)))?;
    }
    if let Some(against) = against {
        writeln!(out, "{}.", capital(&compared(against)))?;
    }
    if let Some(incomplete) = &header.incomplete {
        writeln!(
            out,
            "The scope is not certain; removals are postponed: {}",
            clean(incomplete)
        )?;
    }
    for one in header.misnamed.iter().filter(|one| is_news(one)) {
        writeln!(out, "{} {}", style.mark(Mark::Warn), misnamed(one))?;
    }
    write_actions(out, view, style)?;
    if !held.is_empty() {
        writeln!(out, "\n{}", style.bold("Held"))?;
        for why in held {
            writeln!(out, "  {}.", capital(&why_held(*why)))?;
        }
        rows.each(Part::Held, Order::Name, &mut |row| match row {
            PlanRow::Action(action, _) => write_action(out, action, Names::Rows(rows), style),
            PlanRow::Skipped(_) => Ok(()),
        })?;
        writeln!(
            out,
            "  None of these {} is applied until approved: entrain approve {job}",
            held_count(totals.held, held)
        )?;
    }
    if !refusals.is_empty() {
        writeln!(out, "\n{}", style.bold(Section::Refused.title()))?;
        for refusal in refusals {
            write_entry(out, &Entry::of_refusal(refusal, Names::Rows(rows)), style)?;
        }
    }
    write_skipped(out, view, style)?;
    if !header.warnings.is_empty() {
        writeln!(out, "\n{}", style.bold("Warnings"))?;
        write_warnings(out, &header.warnings, style)?;
    }
    if let Some(strangers) = &header.strangers {
        writeln!(out, "\n{}", style.bold("Accounts without a user in scope"))?;
        write_strangers(out, strangers, style)?;
    }
    if let Some(Against { name, only_there }) = against
        && !only_there.is_empty()
    {
        writeln!(
            out,
            "\n{}",
            style.bold(&format!("Only with {}", clean(name)))
        )?;
        for words in only_there {
            writeln!(out, "  {}", clean(words))?;
        }
    }
    writeln!(out, "\n{}", plan_line(view))?;
    writeln!(
        out,
        "{} to the source, {} to the target; nothing was changed.",
        things(requests.source, "request"),
        number(requests.target)
    )
}

/// The actions that would be carried out, step by step.
fn write_actions(out: &mut dyn Write, view: &PlanView<'_>, style: Style) -> io::Result<()> {
    let most = if style.details {
        usize::MAX
    } else {
        ROWS_SHOWN
    };
    let mut last: Option<Step> = None;
    let mut creates = 0;
    view.rows.folded(most, &mut |row| match row {
        Folded::Action(action, step) => {
            if last != Some(step) {
                write_folded(out, creates)?;
                creates = 0;
                last = Some(step);
                writeln!(out, "\n{}", style.bold(heading(step)))?;
            }
            let mut style = style;
            if matches!(action.operation, Operation::Create { .. }) && !style.details {
                style.details = creates < CREATES_SHOWN;
                creates += 1;
            }
            write_action(out, action, Names::Rows(view.rows), style)
        }
        Folded::More(more) => {
            let values = if creates > 0 { ", with values" } else { "" };
            creates = 0;
            let more = number(more);
            writeln!(out, "  … and {more} more (-v lists all{values})")
        }
    })?;
    write_folded(out, creates)
}

/// Below the creates of a step: that not all are printed with their values.
fn write_folded(out: &mut dyn Write, creates: u64) -> io::Result<()> {
    match creates.saturating_sub(CREATES_SHOWN) {
        0 => Ok(()),
        more => writeln!(
            out,
            "  (-v also prints the values of {} more)",
            number(more)
        ),
    }
}

fn heading(step: Step) -> &'static str {
    match step {
        Step::Disables => "Disables",
        Step::Names => "Renames and deletes that free a name",
        Step::Users => "Users",
        Step::Groups => "Groups",
        Step::AddMembers => "Memberships to add",
        Step::References => "References",
        Step::RemoveMembers => "Memberships to remove",
        Step::Deletes => "Deletes",
        Step::CreatesAgain => "Creates again",
    }
}

/// `Plan: 20 to create, 3 to update, 1 to disable, 0 to delete, 12 memberships to add`.
fn plan_line(view: &PlanView<'_>) -> String {
    let PlanView {
        header,
        totals: counted,
        ..
    } = *view;
    let totals = totals(counted);
    let mut parts = vec![
        format!("{} to create", number(totals["create"])),
        format!("{} to update", number(totals["update"])),
        format!("{} to disable", number(totals["disable"])),
        format!("{} to delete", number(totals["delete"])),
    ];
    let mut optional = |times: u64, text: String| {
        if times > 0 {
            parts.push(text);
        }
    };
    optional(
        totals["adopt"],
        format!("{} to adopt", number(totals["adopt"])),
    );
    optional(
        totals["hand-over"],
        format!("{} to hand over", number(totals["hand-over"])),
    );
    optional(
        totals["enable"],
        format!("{} to enable", number(totals["enable"])),
    );
    optional(
        totals["add-members"],
        format!("{} to add", things(totals["add-members"], "membership")),
    );
    optional(
        totals["remove-members"],
        format!(
            "{} to remove",
            things(totals["remove-members"], "membership")
        ),
    );
    optional(
        totals["set-reference"],
        format!("{} to set", things(totals["set-reference"], "reference")),
    );
    let held = counted.held;
    optional(held, format!("{} held", held_count(held, view.held)));
    let failing = counted.failing;
    optional(failing, format!("{} failing", things(failing, "object")));
    let refused = view.refusals.len() as u64;
    optional(refused, format!("{} likely to be refused", number(refused)));
    let skipped = counted.skipped.values().sum::<u64>();
    optional(skipped, format!("{} skipped", number(skipped)));
    let warnings = header.warnings.len() as u64;
    optional(warnings, things(warnings, "warning"));
    let is_same = view
        .against
        .is_none_or(|against| against.only_there.is_empty());
    let nothing = if counted.is_empty() && held == 0 && is_same {
        "No changes. "
    } else {
        ""
    };
    format!("{nothing}Plan: {}.", parts.join(", "))
}

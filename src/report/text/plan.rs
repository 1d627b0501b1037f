//! The diff report of one job: its actions step by step, what is held, what is skipped, and the sum.

use std::io::{self, Write};

use super::action::write_entry;
use super::skipped::write_skipped;
use super::style::Style;
use super::warning::{write_strangers, write_warnings};
use crate::engine::plan::{Operation, Step};
use crate::report::command::command;
use crate::report::entry::{Entry, Mark};
use crate::report::held::held_count;
use crate::report::section::Section;
use crate::report::sentence::{
    capital, clean, compared, count, cycle_kind, from_snapshot, is_news, minute, misnamed, number,
    staged, things, why_held,
};
use crate::report::view::{Folded, Names, Order, Part, PlanRow, PlanView, totals};

/// Creates of a step that are printed with their values.
const CREATES_SHOWN: u64 = 3;
const FIRST_FOLDED: u64 = CREATES_SHOWN + 1;

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
        rate: _,
        rows,
        made,
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
    writeln!(out, "Planned on {}.", minute(made))?;
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
            PlanRow::Action(action, _) => write_entry(out, &view.entry(action)?, style),
            PlanRow::Skipped(_) => Ok(()),
        })?;
        writeln!(
            out,
            "  None of these {} is applied until approved: {}",
            held_count(totals.held, held),
            command(&format!("approve {job}"))
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
    if let Some(against) = against
        && against.all_there().next().is_some()
    {
        let title = format!("Only with {}", clean(against.name));
        writeln!(out, "\n{}", style.bold(&title))?;
        for words in against.all_there() {
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
    let mut creates = Creates::default();
    view.rows.folded(most, &mut |row| match row {
        Folded::Action(action, step) => {
            if last != Some(step) {
                creates.end(out)?;
                last = Some(step);
                writeln!(out, "\n{}", style.bold(heading(step)))?;
            }
            let entry = view.entry(action)?;
            let is_create = matches!(action.operation, Operation::Create { .. });
            if is_create && !style.details {
                creates.write(out, &entry, style)
            } else {
                creates.flush(out)?;
                write_entry(out, &entry, style)
            }
        }
        Folded::More(more) => {
            let values = if creates.times > 0 {
                ", with values"
            } else {
                ""
            };
            creates.flush(out)?;
            creates = Creates::default();
            let more = number(more);
            writeln!(out, "  … and {more} more (-v lists all{values})")
        }
    })?;
    creates.end(out)
}

/// The creates of a step: only the first are printed with their values, and one that is alone behind them.
#[derive(Default)]
struct Creates {
    times: u64,
    /// The first without its values, and the same with them.
    first: Option<(Vec<u8>, Vec<u8>)>,
}

impl Creates {
    fn write(&mut self, out: &mut dyn Write, entry: &Entry<'_>, style: Style) -> io::Result<()> {
        let details = Style {
            details: true,
            ..style
        };
        self.times += 1;
        match self.times {
            0..=CREATES_SHOWN => write_entry(out, entry, details),
            FIRST_FOLDED => {
                let (mut short, mut long) = (Vec::new(), Vec::new());
                write_entry(&mut short, entry, style)?;
                write_entry(&mut long, entry, details)?;
                self.first = Some((short, long));
                Ok(())
            }
            _ => {
                self.flush(out)?;
                write_entry(out, entry, style)
            }
        }
    }

    fn flush(&mut self, out: &mut dyn Write) -> io::Result<()> {
        match self.first.take() {
            Some((short, _)) => out.write_all(&short),
            None => Ok(()),
        }
    }

    /// Below them: how many are printed without their values.
    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let Self { times, first } = std::mem::take(self);
        match (first, times.saturating_sub(CREATES_SHOWN)) {
            (Some((_, long)), _) => out.write_all(&long),
            (None, 0) => Ok(()),
            (None, more) => writeln!(
                out,
                "  (-v also prints the values of {} more)",
                number(more)
            ),
        }
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
        format!("{} to change", things(totals["set-reference"], "reference")),
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

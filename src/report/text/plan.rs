//! The diff report of one job: its actions step by step, what is held back, what is skipped, and the sum.

use std::io::{self, Write};

use super::action::write_action;
use super::skipped::write_skipped;
use super::style::{Mark, Style};
use super::warning::write_warnings;
use crate::engine::plan::Step;
use crate::report::sentence::{
    capital, clean, count, cycle_kind, is_news, misnamed, number, things, why_held,
};
use crate::report::view::{Names, PlanView, totals};

/// The diff report of one job.
pub(crate) fn plan(out: &mut dyn Write, view: &PlanView<'_>, style: Style) -> io::Result<()> {
    let PlanView {
        review,
        kind,
        requests,
        known: _,
    } = view;
    let names = &Names::new(view);
    let job = clean(review.job().as_str());
    writeln!(out, "{}", style.bold(&format!("Plan of {job}")))?;
    writeln!(
        out,
        "{} cycle: {} evaluated, {} in scope, {} linked.",
        capital(cycle_kind(*kind)),
        count(review.evaluated()),
        count(review.in_scope()),
        count(review.linked())
    )?;
    if let Some(incomplete) = review.incomplete() {
        writeln!(
            out,
            "Who belongs is not known for certain, so removals wait: {}",
            clean(incomplete)
        )?;
    }
    for one in review.misnamed().iter().filter(|one| is_news(one)) {
        writeln!(out, "{} {}", style.mark(Mark::Warn), misnamed(one))?;
    }
    let mut last: Option<Step> = None;
    for action in review.actions() {
        if last != Some(action.step()) {
            last = Some(action.step());
            writeln!(out, "\n{}", style.bold(heading(action.step())))?;
        }
        write_action(out, &action, names, style)?;
    }
    if let Some((why, actions)) = review.held() {
        writeln!(out, "\n{}", style.bold("Held back"))?;
        writeln!(out, "  {}.", capital(&why_held(why)))?;
        for action in &actions {
            write_action(out, action, names, style)?;
        }
        writeln!(
            out,
            "  None of these {} is carried out until they are allowed with: entrain approve {job}",
            things(actions.len() as u64, "removal")
        )?;
    }
    write_skipped(out, *review, names, style)?;
    if !review.warnings().is_empty() {
        writeln!(out, "\n{}", style.bold("Warnings"))?;
        write_warnings(out, review.warnings(), style)?;
    }
    writeln!(out, "\n{}", plan_line(view))?;
    writeln!(
        out,
        "Making the plan took {} to the source and {} to the target; nothing was changed.",
        things(requests.source, "request"),
        things(requests.target, "request")
    )
}

fn heading(step: Step) -> &'static str {
    match step {
        Step::Users => "Users",
        Step::Groups => "Groups",
        Step::AddMembers => "Memberships to add",
        Step::References => "References",
        Step::RemoveMembers => "Memberships to remove",
        Step::Removals => "Disables and deletes",
    }
}

/// `Plan: 20 to create, 3 to update, 1 to disable, 0 to delete, 12 memberships to add`.
fn plan_line(view: &PlanView<'_>) -> String {
    let review = view.review;
    let totals = totals(review.actions());
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
    let held = review.held().map_or(0, |(_, actions)| actions.len()) as u64;
    optional(held, format!("{} held", things(held, "removal")));
    let failing = review.skipped().filter(|one| one.why.is_failure()).count() as u64;
    optional(failing, format!("{} failing", things(failing, "object")));
    let skipped = review.skipped().count() as u64 - failing;
    optional(skipped, format!("{} skipped", number(skipped)));
    let warnings = review.warnings().len() as u64;
    optional(warnings, things(warnings, "warning"));
    let nothing = if review.is_empty() && held == 0 {
        "No changes. "
    } else {
        ""
    };
    format!("{nothing}Plan: {}.", parts.join(", "))
}

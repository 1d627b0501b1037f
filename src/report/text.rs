//! Text for people: plans, what a cycle did, checks, problems of the config, and the state of jobs.
//! Everything is printed; only members of groups and crowds that nobody asked about are cut short.

use std::collections::BTreeMap;
use std::io::{self, Write};

use chrono::{DateTime, Utc};

use super::sentence;
use super::sentence::{
    clean, count, cycle_kind, deeds, duration, key, number, optional, removals, things, value, why,
    why_held, why_removed,
};
use super::view::{
    CheckView, CycleView, EscrowView, HeldView, JobView, Names, PlanView, ProblemView,
};
use crate::engine::guard::{Held, Review};
use crate::engine::model::{JobName, SourceId, TargetPath, Value, Via};
use crate::engine::outcome::Failure;
use crate::engine::plan::{
    Action, Change, Plan, Referenced, Skipped, Step, Subject, Why, WhyOut, WhyRemoved,
};
use crate::engine::summary::{FailedObject, Summary};

/// Members of one group named in a plan; the rest is counted.
const MEMBERS_NAMED: usize = 10;

/// Objects that were never assigned are listed up to this many; beyond it they are counted, because
/// they are the rest of the tenant and bury what matters.
const UNASSIGNED_NAMED: usize = 20;

/// Entries of the escrow in a status; the rest is counted.
const ESCROW_SHOWN: usize = 10;

/// How the text looks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Style {
    pub(crate) colour: bool,
    /// Also the attributes of creates, every member, and everybody who is skipped.
    pub(crate) details: bool,
}

#[derive(Clone, Copy)]
enum Mark {
    Add,
    Change,
    Remove,
    Skip,
    Fail,
    Good,
}

impl Style {
    fn mark(self, mark: Mark) -> String {
        let (sign, colour) = match mark {
            Mark::Add => ("+", "32"),
            Mark::Change => ("~", "33"),
            Mark::Remove => ("-", "31"),
            Mark::Skip => ("·", "2"),
            Mark::Fail => ("✗", "31"),
            Mark::Good => ("✓", "32"),
        };
        if self.colour {
            format!("\x1b[{colour}m{sign}\x1b[0m")
        } else {
            sign.to_owned()
        }
    }

    /// The mark of what went well, or did not.
    pub(super) fn good_or_bad(self, good: bool) -> String {
        self.mark(if good { Mark::Good } else { Mark::Fail })
    }

    fn bold(self, text: &str) -> String {
        if self.colour {
            format!("\x1b[1m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// The diff report of one job.
pub(crate) fn plan(out: &mut dyn Write, view: &PlanView<'_>, style: Style) -> io::Result<()> {
    let PlanView {
        review: Review { cleared, held },
        kind,
        requests,
        known: _,
    } = view;
    let plan = cleared.plan();
    let names = &Names::new(view);
    let job = clean(plan.job.as_str());
    writeln!(out, "{}", style.bold(&format!("Plan of {job}")))?;
    writeln!(
        out,
        "{} cycle: {} evaluated, {} in scope, {} linked.",
        capital(cycle_kind(*kind)),
        count(plan.evaluated),
        count(plan.in_scope),
        count(plan.linked)
    )?;
    if let Some(incomplete) = &plan.incomplete {
        writeln!(
            out,
            "The source was not read completely, so nothing is removed: {}",
            clean(incomplete)
        )?;
    }
    let mut last: Option<Step> = None;
    for action in plan.actions() {
        if last != Some(action.step()) {
            last = Some(action.step());
            writeln!(out, "\n{}", style.bold(heading(action.step())))?;
        }
        write_action(out, action, names, style)?;
    }
    if let Some(Held { why, actions }) = held {
        writeln!(out, "\n{}", style.bold("Held back"))?;
        writeln!(out, "  {}.", capital(&why_held(*why)))?;
        for action in actions {
            write_action(out, action, names, style)?;
        }
        writeln!(
            out,
            "  None of these {} is carried out until they are allowed with: entrain approve {job}",
            things(actions.len() as u64, "removal")
        )?;
    }
    write_skipped(out, plan, names, style)?;
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

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

pub(super) fn subject_text(subject: &Subject) -> String {
    let Subject { kind, id, label } = subject;
    let name = if label.is_empty() { id.as_str() } else { label };
    format!("{kind} {}", clean(name))
}

fn write_action(
    out: &mut dyn Write,
    action: &Action,
    names: &Names<'_>,
    style: Style,
) -> io::Result<()> {
    let (add, change) = (style.mark(Mark::Add), style.mark(Mark::Change));
    match action {
        Action::Create {
            subject,
            attributes,
            references,
            keys: _,
            via,
        } => {
            writeln!(out, "  {add} create {}", subject_text(subject))?;
            write_via(out, via, style)?;
            if style.details {
                write_given(out, attributes, references, names)?;
            }
            Ok(())
        }
        Action::Adopt {
            subject,
            target,
            key: found_by,
            current: _,
            changes,
            via,
        } => {
            let unchanged = if changes.is_empty() {
                "; it is as it should be"
            } else {
                ""
            };
            writeln!(
                out,
                "  {change} adopt {}, found by {} (id {}){unchanged}",
                subject_text(subject),
                key(found_by, names),
                clean(target.as_str())
            )?;
            write_via(out, via, style)?;
            write_changes(out, changes, names)
        }
        Action::Update {
            subject,
            target: _,
            changes,
        } => {
            writeln!(out, "  {change} update {}", subject_text(subject))?;
            write_changes(out, changes, names)
        }
        Action::Enable {
            subject,
            target: _,
            changes,
        } => {
            writeln!(out, "  {add} enable {}", subject_text(subject))?;
            write_changes(out, changes, names)
        }
        Action::Disable {
            subject,
            target: _,
            changes,
            why,
        } => {
            write_removal(out, action.word(), subject, why, style)?;
            write_changes(out, changes, names)
        }
        Action::Delete {
            subject,
            target: _,
            why,
        } => write_removal(out, action.word(), subject, why, style),
        Action::AddMembers {
            group,
            target: _,
            members,
        } => {
            let ids = members.iter().map(|member| &member.source);
            write_members(out, group, &add, ids, names, style)
        }
        Action::RemoveMembers {
            group,
            target: _,
            members,
        } => {
            let ids = members.iter().map(|(source, _)| source);
            write_members(out, group, &style.mark(Mark::Remove), ids, names, style)
        }
        Action::SetReference {
            subject,
            target: _,
            path,
            old,
            new,
        } => {
            writeln!(out, "  {change} update {}", subject_text(subject))?;
            let text = reference_change(path, old.as_ref(), new.as_ref(), names);
            writeln!(out, "      {text}")
        }
    }
}

fn write_given(
    out: &mut dyn Write,
    attributes: &BTreeMap<TargetPath, Value>,
    references: &[(TargetPath, Referenced)],
    names: &Names<'_>,
) -> io::Result<()> {
    for (path, given) in attributes {
        writeln!(out, "      {path}: {}", value(given, names))?;
    }
    for (path, referenced) in references {
        writeln!(out, "      {path}: {}", referenced_text(referenced, names))?;
    }
    Ok(())
}

fn write_via(out: &mut dyn Write, via: &[Via], style: Style) -> io::Result<()> {
    if !style.details || via.is_empty() {
        return Ok(());
    }
    let ways: Vec<_> = via.iter().map(|one| clean(&sentence::via(one))).collect();
    writeln!(out, "      in scope through: {}", ways.join("; "))
}

fn write_removal(
    out: &mut dyn Write,
    word: &str,
    subject: &Subject,
    why: &WhyRemoved,
    style: Style,
) -> io::Result<()> {
    let mark = style.mark(Mark::Remove);
    let because = why_removed(why, subject.kind);
    let subject = subject_text(subject);
    writeln!(out, "  {mark} {word} {subject}, because {because}")
}

fn reference_change(
    path: &TargetPath,
    old: Option<&SourceId>,
    new: Option<&Referenced>,
    names: &Names<'_>,
) -> String {
    let old = old.map_or_else(none, |id| clean(&names.name(id)));
    let new = new.map_or_else(none, |new| referenced_text(new, names));
    format!("{path}: {old} → {new}")
}

fn none() -> String {
    "(none)".to_owned()
}

fn referenced_text(referenced: &Referenced, names: &Names<'_>) -> String {
    let Referenced { source, target: _ } = referenced;
    clean(&names.name(source))
}

fn write_changes(out: &mut dyn Write, changes: &[Change], names: &Names<'_>) -> io::Result<()> {
    for change in changes {
        let Change {
            path,
            old,
            new,
            element: _,
        } = change;
        let (old, new) = (optional(old.as_ref(), names), optional(new.as_ref(), names));
        writeln!(out, "      {path}: {old} → {new}")?;
    }
    Ok(())
}

fn write_members<'a>(
    out: &mut dyn Write,
    group: &Subject,
    mark: &str,
    members: impl ExactSizeIterator<Item = &'a SourceId>,
    names: &Names<'_>,
    style: Style,
) -> io::Result<()> {
    let all = members.len();
    let at_most = if style.details { all } else { MEMBERS_NAMED };
    let listed: Vec<_> = members
        .take(at_most)
        .map(|id| clean(&names.name(id)))
        .collect();
    let rest = match all - listed.len() {
        0 => String::new(),
        more => format!(" and {} more", number(more as u64)),
    };
    writeln!(
        out,
        "  {}: {mark} {} ({}{rest})",
        subject_text(group),
        things(all as u64, "member"),
        listed.join(", ")
    )
}

fn write_skipped(
    out: &mut dyn Write,
    plan: &Plan,
    names: &Names<'_>,
    style: Style,
) -> io::Result<()> {
    let is_unassigned = |skipped: &Skipped| {
        matches!(
            skipped.why,
            Why::OutOfScope(WhyOut::NotAssigned | WhyOut::NotNamed | WhyOut::KindDisabled)
        )
    };
    let unassigned = plan.skipped().filter(|one| is_unassigned(one)).count();
    let cut = !style.details && unassigned > UNASSIGNED_NAMED;
    let mut titled = false;
    for skipped in plan.skipped() {
        if cut && is_unassigned(skipped) {
            continue;
        }
        if !titled {
            writeln!(out, "\n{}", style.bold("Skipped"))?;
            titled = true;
        }
        let Skipped {
            subject,
            why: reason,
        } = skipped;
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

/// `Plan: 20 to create, 3 to update, 1 to disable, 0 to delete, 12 memberships to add`.
fn plan_line(view: &PlanView<'_>) -> String {
    let plan = view.review.cleared.plan();
    let totals = totals(plan.actions());
    let mut parts = vec![
        format!("{} to create", number(totals.create)),
        format!("{} to update", number(totals.update)),
        format!("{} to disable", number(totals.disable)),
        format!("{} to delete", number(totals.delete)),
    ];
    let mut optional = |times: u64, text: String| {
        if times > 0 {
            parts.push(text);
        }
    };
    optional(totals.adopt, format!("{} to adopt", number(totals.adopt)));
    optional(
        totals.enable,
        format!("{} to enable", number(totals.enable)),
    );
    optional(
        totals.members_added,
        format!("{} to add", things(totals.members_added, "membership")),
    );
    optional(
        totals.members_removed,
        format!("{} to remove", things(totals.members_removed, "membership")),
    );
    optional(
        totals.references,
        format!("{} to set", things(totals.references, "reference")),
    );
    let held = view
        .review
        .held
        .as_ref()
        .map_or(0, |held| held.actions.len()) as u64;
    optional(held, format!("{} held", things(held, "removal")));
    let failing = plan.skipped().filter(|one| one.why.is_failure()).count() as u64;
    optional(failing, format!("{} failing", things(failing, "object")));
    let skipped = plan.skipped().count() as u64 - failing;
    optional(skipped, format!("{} skipped", number(skipped)));
    let nothing = if plan.is_empty() && held == 0 {
        "No changes. "
    } else {
        ""
    };
    format!("{nothing}Plan: {}.", parts.join(", "))
}

/// Objects by what becomes of them; membership actions count their members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) create: u64,
    pub(super) adopt: u64,
    pub(super) update: u64,
    pub(super) enable: u64,
    pub(super) disable: u64,
    pub(super) delete: u64,
    pub(super) members_added: u64,
    pub(super) members_removed: u64,
    pub(super) references: u64,
}

pub(super) fn totals<'a>(actions: impl Iterator<Item = &'a Action>) -> Totals {
    let mut totals = Totals::default();
    for action in actions {
        match action {
            Action::Create { .. } => totals.create += 1,
            Action::Adopt { .. } => totals.adopt += 1,
            Action::Update { .. } => totals.update += 1,
            Action::Enable { .. } => totals.enable += 1,
            Action::Disable { .. } => totals.disable += 1,
            Action::Delete { .. } => totals.delete += 1,
            Action::AddMembers { members, .. } => totals.members_added += members.len() as u64,
            Action::RemoveMembers { members, .. } => {
                totals.members_removed += members.len() as u64;
            }
            Action::SetReference { .. } => totals.references += 1,
        }
    }
    totals
}

/// What was approved for a job.
pub(crate) fn approved(job: &JobName, held: &HeldView) -> String {
    let job = clean(job.as_str());
    let removals = removals(&held.removals);
    format!("Approved for {job}: {removals}. The next cycle carries it out, if it still applies.")
}

/// There was nothing to approve.
pub(crate) fn nothing_held(job: &JobName) -> String {
    format!(
        "Nothing of {} is held back; nothing to approve.",
        clean(job.as_str())
    )
}

/// What a cycle did, in one paragraph, and what a person must know below it.
pub(crate) fn summary(out: &mut dyn Write, summary: &Summary, style: Style) -> io::Result<()> {
    let Summary {
        job,
        cycle,
        kind,
        started: _,
        duration_ms,
        evaluated,
        in_scope,
        linked,
        done,
        skipped,
        failures,
        failed,
        not_tried,
        held,
        incomplete,
        aborted,
        stopped,
        requests,
    } = summary;
    let job = clean(job.as_str());
    let end = match (stopped, aborted) {
        (true, _) => "was stopped before it was through, after",
        (false, Some(_)) => "was broken off after",
        (false, None) => "took",
    };
    let deeds = deeds(done.iter().map(|(word, times)| (*word, *times)));
    let troubles = troubles(*failed, *not_tried, skipped.values().sum());
    writeln!(
        out,
        "{}: {} cycle {cycle} {end} {}: {deeds}{troubles}. {} evaluated, {} in scope, {} linked. \
         {} to the source, {} to the target.",
        style.bold(&job),
        cycle_kind(*kind),
        duration(*duration_ms),
        count(*evaluated),
        count(*in_scope),
        count(*linked),
        things(requests.source, "request"),
        things(requests.target, "request"),
    )?;
    let fail = style.mark(Mark::Fail);
    if let Some(aborted) = aborted {
        writeln!(
            out,
            "  {fail} The target could not be worked with: {}",
            clean(aborted)
        )?;
    }
    if let Some(incomplete) = incomplete {
        writeln!(
            out,
            "  {fail} The source was not read completely, so nothing was removed: {}",
            clean(incomplete)
        )?;
    }
    for FailedObject {
        subject,
        action,
        failure,
    } in failures
    {
        writeln!(
            out,
            "  {fail} {action} {}: {}",
            subject_text(subject),
            failure_text(failure)
        )?;
    }
    let more = failed.saturating_sub(failures.len() as u64);
    if more > 0 && !failures.is_empty() {
        writeln!(out, "  and {} more that failed", number(more))?;
    }
    if let Some((why, removals)) = held {
        writeln!(
            out,
            "  {fail} {} held back, and none was carried out: {}. Look at them with: entrain plan {job}; \
             allow them with: entrain approve {job}",
            things(*removals, "removal"),
            why_held(*why)
        )?;
    }
    Ok(())
}

/// `, 2 failed, 1 not tried, 8 skipped`.
fn troubles(failed: u64, not_tried: u64, skipped: u64) -> String {
    let troubles = [
        (failed, "failed"),
        (not_tried, "not tried"),
        (skipped, "skipped"),
    ];
    let troubles: Vec<_> = troubles
        .into_iter()
        .filter(|(times, _)| *times > 0)
        .map(|(times, word)| format!(", {} {word}", number(times)))
        .collect();
    troubles.concat()
}

fn failure_text(failure: &Failure) -> String {
    let Failure {
        class,
        http_status,
        message,
        unconfirmed,
    } = failure;
    let status = http_status.map_or_else(String::new, |status| format!(", HTTP {status}"));
    let unconfirmed = if *unconfirmed {
        "; it may have been carried out all the same, which the next cycle finds out"
    } else {
        ""
    };
    format!("{} ({}{status}){unconfirmed}", clean(message), class.word())
}

/// One block for each problem or warning.
pub(crate) fn problem(
    out: &mut dyn Write,
    word: &str,
    problem: &ProblemView,
    style: Style,
) -> io::Result<()> {
    let ProblemView {
        file,
        line,
        column,
        variable,
        key,
        message,
        remedy,
    } = problem;
    let place = match (variable, line, column) {
        (Some(variable), _, _) => format!("environment variable {}", clean(variable)),
        (None, Some(line), Some(column)) => format!("{}:{line}:{column}", clean(file)),
        (None, Some(line), None) => format!("{}:{line}", clean(file)),
        (None, None, _) => clean(file),
    };
    let key = match key.as_str() {
        "" => String::new(),
        key => format!(": {}", clean(key)),
    };
    writeln!(out, "{} {place}{key}", style.bold(&format!("{word}:")))?;
    for line in message.lines() {
        writeln!(out, "    {}", clean(line))?;
    }
    for (place, line) in remedy.lines().enumerate() {
        let lead = if place == 0 { "help: " } else { "      " };
        writeln!(out, "    {lead}{}", clean(line))?;
    }
    Ok(())
}

/// The last line of a check that found no problem.
pub(crate) fn valid(file: &str, jobs: &[&str], warnings: &[ProblemView]) -> String {
    let names = match jobs {
        [] => String::new(),
        some => format!(" ({})", clean(&some.join(", "))),
    };
    let jobs = things(jobs.len() as u64, "job");
    let warnings = match warnings.len() {
        0 => String::new(),
        some => format!(", {}", things(some as u64, "warning")),
    };
    format!("{} is valid: {jobs}{names}{warnings}.", clean(file))
}

/// The last line of a check that found problems.
pub(crate) fn invalid(problems: &[ProblemView]) -> String {
    let problems = things(problems.len() as u64, "problem");
    format!("The configuration is not valid: {problems}.")
}

/// The steps of Test Connection of one job.
pub(crate) fn checks(
    out: &mut dyn Write,
    job: &JobName,
    checks: &[CheckView],
    style: Style,
) -> io::Result<()> {
    writeln!(out, "{}", style.bold(&clean(job.as_str())))?;
    let width = checks.iter().map(|check| check.what.chars().count()).max();
    let width = width.unwrap_or(0);
    for CheckView { what, result } in checks {
        let what = clean(what);
        match result {
            Ok(seen) => {
                let mark = style.mark(Mark::Good);
                writeln!(out, "  {mark} {what:width$}  {}", clean(seen))?;
            }
            Err((words, remedy)) => {
                let mark = style.mark(Mark::Fail);
                writeln!(out, "  {mark} {what:width$}  {}", clean(words))?;
                if let Some(remedy) = remedy {
                    writeln!(out, "    {:width$}  help: {}", "", clean(remedy))?;
                }
            }
        }
    }
    Ok(())
}

/// The state of every job, one row each, and below it what there is to say of the last cycle.
pub(crate) fn status(
    out: &mut dyn Write,
    jobs: &[JobView],
    now: DateTime<Utc>,
    style: Style,
) -> io::Result<()> {
    let header = [
        "JOB",
        "STATE",
        "LAST START",
        "USERS",
        "GROUPS",
        "ESCROW",
        "HELD",
        "NEXT",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    for view in jobs {
        let held = view.held.iter().flat_map(|held| held.removals.values());
        let last = view.last.as_ref();
        let state = match (view.enabled, last) {
            (_, Some(last)) if last.finished.is_none() => last.state,
            (false, _) => "disabled",
            (true, Some(last)) => last.state,
            (true, None) => "never run",
        };
        rows.push([
            clean(view.job.as_str()),
            state.to_owned(),
            last.map_or_else(dash, |last| ago(last.started, now)),
            number(view.linked.users),
            number(view.linked.groups),
            number(view.in_escrow.total()),
            number(held.sum()),
            view.next.map_or_else(dash, |next| ahead(next, now)),
        ]);
    }
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        })
        .collect();
    for (place, row) in rows.iter().enumerate() {
        let cells: Vec<_> = row
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:width$}"))
            .collect();
        let line = cells.join("  ");
        let line = line.trim_end();
        if place == 0 {
            writeln!(out, "{}", style.bold(line))?;
        } else {
            writeln!(out, "{line}")?;
        }
    }
    for job in jobs {
        write_remarks(out, job, style)?;
    }
    Ok(())
}

fn write_remarks(out: &mut dyn Write, view: &JobView, style: Style) -> io::Result<()> {
    let JobView {
        job,
        enabled: _,
        linked: _,
        pending,
        in_escrow,
        escrow,
        held,
        last,
        next: _,
        full_evaluation,
    } = view;
    let name = clean(job.as_str());
    if let Some(last) = last {
        writeln!(out, "\n{}", style.bold(&name))?;
        write_last_cycle(out, last, style)?;
    } else if held.is_some() || in_escrow.total() > 0 {
        writeln!(out, "\n{}", style.bold(&name))?;
    }
    if *full_evaluation && last.is_some() {
        writeln!(out, "  The next cycle evaluates everything.")?;
    } else if pending.total() > 0 {
        writeln!(out, "  {} to be evaluated.", capital(&count(*pending)))?;
    }
    let fail = style.mark(Mark::Fail);
    if let Some(HeldView {
        why,
        since,
        removals: by_action,
    }) = held
    {
        writeln!(
            out,
            "  {fail} Held back since {}: {}; {}. Look at them with: entrain plan {name}; allow them \
             with: entrain approve {name}",
            since.format("%Y-%m-%d %H:%M UTC"),
            removals(by_action),
            why_held(*why)
        )?;
    }
    let shown = if style.details {
        escrow.len()
    } else {
        ESCROW_SHOWN
    };
    for EscrowView {
        subject,
        action,
        attempts,
        first_failed,
        last_failed: _,
        message,
    } in escrow.iter().take(shown)
    {
        writeln!(
            out,
            "  {fail} {} {}: {} (failed in {} since {})",
            clean(action),
            subject_text(subject),
            clean(message),
            things(u64::from(*attempts), "cycle"),
            first_failed.format("%Y-%m-%d %H:%M UTC")
        )?;
    }
    let more = in_escrow
        .total()
        .saturating_sub(escrow.len().min(shown) as u64);
    if more > 0 {
        writeln!(out, "  and {} more in escrow", number(more))?;
    }
    Ok(())
}

fn write_last_cycle(out: &mut dyn Write, cycle: &CycleView, style: Style) -> io::Result<()> {
    let CycleView {
        number: place,
        kind,
        state,
        started,
        finished,
        duration_ms,
        evaluated,
        in_scope,
        done,
        skipped,
        failed,
        not_tried,
        requests,
        incomplete,
        error,
    } = cycle;
    let started = started.format("%Y-%m-%d %H:%M:%S UTC");
    let kind = capital(cycle_kind(*kind));
    if finished.is_none() {
        return writeln!(out, "  {kind} cycle {place}, started {started}: {state}.");
    }
    let deeds = deeds(done.iter().map(|(word, times)| (word.as_str(), *times)));
    let troubles = troubles(*failed, *not_tried, skipped.values().sum());
    writeln!(
        out,
        "  {kind} cycle {place}, started {started}: {state} after {}. {}{troubles}. {} evaluated, {} in scope. \
         {} to the source, {} to the target.",
        duration(*duration_ms),
        capital(&deeds),
        count(*evaluated),
        count(*in_scope),
        things(requests.source, "request"),
        things(requests.target, "request"),
    )?;
    let fail = style.mark(Mark::Fail);
    if let Some(error) = error {
        writeln!(out, "  {fail} {}", clean(error))?;
    }
    if let Some(incomplete) = incomplete {
        writeln!(
            out,
            "  {fail} The source was not read completely, so nothing was removed: {}",
            clean(incomplete)
        )?;
    }
    Ok(())
}

fn dash() -> String {
    "-".to_owned()
}

fn ago(then: DateTime<Utc>, now: DateTime<Utc>) -> String {
    match u64::try_from((now - then).num_milliseconds()) {
        Ok(0..1_000) | Err(_) => "now".to_owned(),
        Ok(past) => format!("{} ago", coarse(past)),
    }
}

fn ahead(then: DateTime<Utc>, now: DateTime<Utc>) -> String {
    match u64::try_from((then - now).num_milliseconds()) {
        Ok(0..1_000) | Err(_) => "due".to_owned(),
        Ok(left) => format!("in {}", coarse(left)),
    }
}

fn coarse(milliseconds: u64) -> String {
    let seconds = milliseconds / 1_000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

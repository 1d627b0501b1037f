//! Why an object is, or is not, provisioned: text; `json` is the same for machines.

mod json;

use std::io::{self, Write};

use crate::engine::explain::{Explanation, Mapped, Membership, Next, Part, PartOutcome, State};
use crate::engine::filter::ClauseResult;
use crate::engine::model::{ObjectKind, Presence, TargetId, TargetPath, Value, Via};
use crate::engine::plan::{Operation, Why, WhyOut};
use crate::engine::record::{HeldRemoval, LinkState, LogEntry, Reason};
use crate::engine::scope::Verdict;
use crate::report::command::command;
use crate::report::entry::Mark;
use crate::report::sentence::{
    capital, clean, key as key_text, optional, reason as reason_text, subject_text, things, value,
    via, why, why_out,
};
use crate::report::text::{Style, write_action};
use crate::report::view::Names;

pub(crate) use self::json::json;
pub(super) use self::json::{attributes_json, keys_json, removals_json, scope_json};

/// Removals of long ago that text shows; JSON has all.
const REMOVALS: usize = 5;

pub(crate) fn text(
    out: &mut dyn Write,
    explanation: &Explanation,
    names: Names<'_>,
    style: Style,
) -> io::Result<()> {
    let name = format!(
        "{} in {}",
        capital(&subject_text(&explanation.subject)),
        clean(explanation.job.as_str())
    );
    writeln!(out, "{}", style.bold(&name))?;
    let id = clean(explanation.subject.id.as_str());
    writeln!(out, "  id {id}, {}", presence_text(explanation))?;
    if let Some(access) = access(explanation) {
        writeln!(out, "  {access}")?;
    }
    writeln!(out, "\n{}", style.bold("Scope"))?;
    scope_text(out, explanation, style)?;
    if !explanation.attributes.is_empty() {
        writeln!(out, "\n{}", style.bold("Attributes"))?;
        for one in &explanation.attributes {
            writeln!(out, "  {}", attribute_text(one, names, style))?;
            for part in &one.parts {
                writeln!(out, "  {}", part_text(part, names))?;
            }
        }
    }
    writeln!(out, "\n{}", style.bold("Target"))?;
    let keys: Vec<String> = explanation
        .keys
        .iter()
        .map(|key| key_text(key, names))
        .collect();
    if !keys.is_empty() {
        writeln!(out, "  looked up by {}", keys.join(", then "))?;
    }
    writeln!(out, "  {}", link_text(explanation))?;
    if let Some(entry) = &explanation.last_write {
        writeln!(out, "  last written: {}", entry_text(entry, names))?;
    }
    for one in &explanation.groups {
        writeln!(out, "  {}", membership_text(one, style))?;
    }
    if !explanation.removals.is_empty() {
        writeln!(out, "\n{}", style.bold("Removals on record"))?;
        for entry in explanation.removals.iter().take(REMOVALS) {
            writeln!(
                out,
                "  {} {}",
                style.mark(Mark::Remove),
                entry_text(entry, names)
            )?;
        }
    }
    trouble_text(out, explanation, style)?;
    writeln!(out, "\n{}", style.bold("Next cycle, if nothing changes"))?;
    next_text(out, explanation, names, style)?;
    let remedies = remedies(explanation);
    if !remedies.is_empty() {
        writeln!(out, "\n{}", style.bold("What would change it"))?;
        for remedy in remedies {
            writeln!(out, "  {remedy}")?;
        }
    }
    Ok(())
}

fn where_it_is(presence: Presence) -> &'static str {
    match presence {
        Presence::Present => "present in the tenant",
        Presence::SoftDeleted => "in the tenant's recycle bin",
        Presence::Deleted => "deleted in the tenant",
        Presence::Missing => "no longer in the tenant",
    }
}

/// Why an object that assignments or memberships would bring into scope is nevertheless out of it.
fn gone(explanation: &Explanation) -> Option<String> {
    let presence = explanation.presence;
    (presence != Presence::Present).then(|| format!("it is {}", where_it_is(presence)))
}

pub(super) fn presence_text(explanation: &Explanation) -> String {
    let presence = where_it_is(explanation.presence);
    let blocked = if explanation.blocked {
        ", sign-in is blocked"
    } else {
        ""
    };
    format!("{presence}{blocked}")
}

/// The steps of scope: what brings it in, and each clause with its value.
pub(super) fn scope_text(
    out: &mut dyn Write,
    explanation: &Explanation,
    style: Style,
) -> io::Result<()> {
    let is_in = explanation.verdict == Verdict::In && gone(explanation).is_none();
    let verdict = verdict_text(explanation);
    writeln!(out, "  {} {verdict}", style.good_or_bad(is_in))?;
    for way in ways(&explanation.ways) {
        writeln!(out, "    {}", clean(&way))?;
    }
    for clause in &explanation.clauses {
        let mark = style.good_or_bad(clause.holds);
        writeln!(out, "  {mark} {}", clause_text(clause))?;
    }
    if let Some(incomplete) = &explanation.incomplete {
        let mark = style.mark(Mark::Warn);
        writeln!(out, "  {mark} the last cycle: {}", clean(incomplete))?;
    }
    Ok(())
}

pub(super) fn verdict_text(explanation: &Explanation) -> String {
    let kind = explanation.subject.kind;
    if let Some(gone) = gone(explanation) {
        return format!("out of scope: {gone}");
    }
    match &explanation.verdict {
        Verdict::In => "in scope".to_owned(),
        Verdict::Out(why) => format!("out of scope: {}", why_out(why, kind)),
        Verdict::Unknown { would_be } => {
            let reason = why_out(would_be, kind);
            format!("not certain; probably: {reason}")
        }
    }
}

/// A clause with the value that it saw.
pub(super) fn clause_text(clause: &ClauseResult) -> String {
    let ClauseResult { seen, holds: _ } = clause;
    let filter = match &seen.name {
        Some(name) => format!("filter \"{}\"", clean(name)),
        None => format!("filter {}", seen.number),
    };
    let value = match &seen.value {
        Some(value) => format!("the value is \"{}\"", clean(value)),
        None => "it has no value".to_owned(),
    };
    format!("{filter}: {}; {value}", clean(&seen.clause))
}

pub(super) fn ways(ways: &[Via]) -> Vec<String> {
    ways.iter().map(via).collect()
}

fn attribute_text(mapped: &Mapped, names: Names<'_>, style: Style) -> String {
    let Mapped {
        path,
        source,
        state,
        wanted,
        sent,
        parts: _,
    } = mapped;
    let one = |side: &Option<Value>| optional(side.as_ref(), names);
    let source = clean(source);
    match state {
        State::Failed(message) => {
            format!(
                "{} {path} from {source}: {}",
                style.mark(Mark::Fail),
                clean(message)
            )
        }
        State::Kept if wanted == sent => format!("= {path} {} from {source}", one(wanted)),
        State::Kept => format!(
            "{} {path} {} → {} from {source}",
            style.mark(Mark::Change),
            one(sent),
            one(wanted)
        ),
        State::OnCreate => format!(
            "{} {path} {} from {source}, on create only",
            style.mark(Mark::Skip),
            one(wanted)
        ),
        State::Refused => format!(
            "{} {path} {} from {source}: the target refuses it",
            style.mark(Mark::Warn),
            one(wanted)
        ),
        State::LeftAlone => format!(
            "{} {path} {} is not changed, from {source}",
            style.mark(Mark::Skip),
            one(sent)
        ),
    }
}

/// A part of an expression below its attribute.
fn part_text(part: &Part, names: Names<'_>) -> String {
    let Part {
        text,
        depth,
        outcome,
    } = part;
    let outcome = match outcome {
        PartOutcome::Value(one) => value(one, names),
        PartOutcome::Null => "(none)".to_owned(),
        PartOutcome::Ignored => "nothing flows".to_owned(),
        PartOutcome::Failed(words) => format!("error: {}", clean(words)),
        PartOutcome::NotEvaluated => "(not evaluated)".to_owned(),
    };
    let indent = 4 + 2 * depth;
    format!("{:indent$}{}: {outcome}", "", clean(text))
}

pub(super) fn link_text(explanation: &Explanation) -> String {
    let Some(link) = &explanation.link else {
        return "not linked".to_owned();
    };
    let target = link.target.as_ref().map_or("", TargetId::as_str);
    let target = clean(target);
    match link.state {
        LinkState::InScope => format!("linked to {target}"),
        LinkState::OutOfScope => format!("linked to {target}, out of scope when last evaluated"),
        LinkState::ToBeRead => format!("linked to {target}, which the next cycle reads first"),
        LinkState::FormerlyOurs => {
            format!("linked to {target}, which the next cycle verifies first")
        }
        LinkState::OldAddress(_) => {
            format!("not linked; {target} has one of its old addresses, and a decision is required")
        }
        LinkState::New => "not linked; marked as a new user".to_owned(),
    }
}

fn membership_text(one: &Membership, style: Style) -> String {
    let group = subject_text(&one.group);
    match (one.sent, one.in_source) {
        (true, true) => format!("= in {group}"),
        (false, true) => format!(
            "{} in {group}: not in the target yet",
            style.mark(Mark::Add)
        ),
        (true, false) => format!(
            "{} in {group}: in the target, and no longer in the tenant",
            style.mark(Mark::Remove)
        ),
        (false, false) => format!("{} not in {group}", style.mark(Mark::Skip)),
    }
}

fn entry_text(entry: &LogEntry, names: Names<'_>) -> String {
    let reason = match (&entry.reason, &entry.subject) {
        (
            Some(
                reason @ (Reason::Removed(_) | Reason::Left(_) | Reason::LeftEach | Reason::Member),
            ),
            Some(subject),
        ) => format!(", because {}", reason_text(reason, subject.kind, names)),
        (Some(reason @ Reason::Skipped(_)), Some(subject)) => {
            format!(", {}", reason_text(reason, subject.kind, names))
        }
        (None, _) | (_, None) => String::new(),
    };
    format!(
        "{} in cycle {}: {} {}{reason}",
        entry.at.format("%Y-%m-%d %H:%M UTC"),
        entry.cycle,
        entry.action,
        entry.status.as_str()
    )
}

fn trouble_text(out: &mut dyn Write, explanation: &Explanation, style: Style) -> io::Result<()> {
    let trouble = trouble(explanation);
    if trouble.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", style.bold("Needs attention"))?;
    for (mark, words) in trouble {
        writeln!(out, "  {} {words}", style.mark(mark))?;
    }
    Ok(())
}

/// Removals that wait for a person, and those that a person rejected.
pub(super) fn decisions(explanation: &Explanation) -> Vec<(Mark, String)> {
    let removal = |one: &HeldRemoval, state: &str| {
        let member = match &one.member {
            Some(member) => format!(" {}", subject_text(member)),
            None => String::new(),
        };
        let subject = subject_text(&one.subject);
        let words = format!(
            "{state}: {}{member} of {subject} ({})",
            one.action, one.cause
        );
        (Mark::Warn, words)
    };
    let held = explanation.held.iter().map(|one| removal(one, "held"));
    let rejected = explanation.rejected.iter();
    let rejected = rejected.map(|one| removal(one, "rejected"));
    held.chain(rejected).collect()
}

/// Whether something of the object itself, memberships aside, is among these.
pub(super) fn is_own(explanation: &Explanation, removals: &[HeldRemoval]) -> bool {
    let key = explanation.subject.key;
    let mut removals = removals.iter();
    removals.any(|one| one.member.is_none() && one.subject.key == key)
}

/// What failed, is held, or was rejected.
pub(super) fn trouble(explanation: &Explanation) -> Vec<(Mark, String)> {
    let escrow = explanation.escrow.iter().map(|one| {
        let words = format!(
            "{} has failed since {}, {}: {}",
            one.action,
            one.first_failed.format("%Y-%m-%d %H:%M UTC"),
            things(u64::from(one.attempts), "attempt"),
            clean(&one.message)
        );
        (Mark::Fail, words)
    });
    escrow.chain(decisions(explanation)).collect()
}

/// What the next cycle does where nothing is known of the target.
pub(super) fn look_up_text(explanation: &Explanation) -> String {
    let waits = if explanation.held.iter().any(|held| held.action == "create") {
        ", once that is approved"
    } else {
        ""
    };
    format!("It is looked up in the target: adopted if found, otherwise created{waits}.")
}

fn next_text(
    out: &mut dyn Write,
    explanation: &Explanation,
    names: Names<'_>,
    style: Style,
) -> io::Result<()> {
    if let Some(at) = explanation.deleted_at {
        let at = at.format("%Y-%m-%d %H:%M UTC");
        writeln!(
            out,
            "  Its account is disabled, and deleted after {at} (delete_after)."
        )?;
    }
    match &explanation.next {
        Next::LookUp => writeln!(out, "  {}", look_up_text(explanation)),
        Next::Planned { actions, skipped } if actions.is_empty() && skipped.is_empty() => {
            let rejected = if is_own(explanation, &explanation.rejected) {
                ", because a person rejected its removal"
            } else {
                ""
            };
            writeln!(out, "  Nothing is sent for it{rejected}.")
        }
        Next::Planned { actions, skipped } => {
            if is_own(explanation, &explanation.held) {
                let mark = style.mark(Mark::Warn);
                writeln!(out, "  {mark} only once it is approved:")?;
            }
            for action in actions {
                write_action(out, action, names, style)?;
            }
            for one in skipped {
                let mark = style.mark(if one.why.is_failure() {
                    Mark::Fail
                } else {
                    Mark::Skip
                });
                let reason = why(&one.why, one.subject.kind, names);
                writeln!(out, "  {mark} {reason}")?;
            }
            Ok(())
        }
    }
}

/// Whether the object has access to the application as far as was sent, and why.
pub(super) fn access(explanation: &Explanation) -> Option<String> {
    if explanation.subject.kind == ObjectKind::Group {
        return None;
    }
    let link = explanation.link.as_ref()?;
    if matches!(link.state, LinkState::OldAddress(_) | LinkState::New) {
        return None;
    }
    let is_off =
        |(path, value): (&TargetPath, &Value)| path.is_active() && *value == Value::Boolean(false);
    if link.sent.iter().any(is_off) {
        let last = explanation.removals.first();
        let since = last.map(|entry| entry.at.format(" since %Y-%m-%d %H:%M UTC").to_string());
        return Some(format!(
            "has no access to the application{}",
            since.unwrap_or_default()
        ));
    }
    if explanation.verdict == Verdict::In && !explanation.blocked && gone(explanation).is_none() {
        return Some("has access to the application: in scope".to_owned());
    }
    let because = if !explanation.held.is_empty() {
        "the removal is held by a safety limit".to_owned()
    } else if !explanation.rejected.is_empty() {
        "the removal was rejected".to_owned()
    } else if let Some(escrow) = &explanation.escrow {
        format!("{} fails: {}", escrow.action, clean(&escrow.message))
    } else {
        match &explanation.next {
            Next::LookUp => return None,
            Next::Planned { actions, skipped } => {
                let takes_away = actions.iter().any(|action| {
                    matches!(
                        action.operation,
                        Operation::Disable { .. } | Operation::Delete { .. }
                    )
                });
                let no_names = Names::Numbered(&|_| None);
                let reason = skipped
                    .first()
                    .map(|one| why(&one.why, one.subject.kind, no_names));
                if takes_away {
                    "the next cycle removes it".to_owned()
                } else {
                    reason.unwrap_or_else(|| "no mapping removes it".to_owned())
                }
            }
        }
    };
    Some(format!("still has access to the application: {because}"))
}

/// What a person can do about what is held, and what a person rejected.
fn decision_remedies(explanation: &Explanation, job: &str, name: &str) -> Vec<String> {
    let mut remedies = Vec::new();
    if !explanation.held.is_empty() {
        let run = |words: &str| command(&format!("{words} {job}"));
        remedies.push(format!("approve what is held: {}", run("approve")));
        remedies.push(format!("or reject it: {}", run("reject")));
    }
    if is_own(explanation, &explanation.rejected) {
        let kind = explanation.subject.kind;
        let approve = command(&format!("approve {job} --{kind} {name:?}"));
        remedies.push(format!("allow the removal that was rejected: {approve}"));
    }
    remedies
}

/// What a person can do about it.
pub(super) fn remedies(explanation: &Explanation) -> Vec<String> {
    let job = clean(explanation.job.as_str());
    let name = if explanation.subject.label.is_empty() {
        explanation.subject.id.as_str()
    } else {
        &explanation.subject.label
    };
    let name = clean(name);
    let run = |words: &str| command(&format!("{words} {job}"));
    let mut remedies = Vec::new();
    if explanation.presence == Presence::SoftDeleted {
        remedies.push("restore it from the recycle bin in Entra, within 30 days".to_owned());
    }
    if let Verdict::Out(why) | Verdict::Unknown { would_be: why } = &explanation.verdict {
        remedies.push(match why {
            WhyOut::NotAssigned => {
                "assign it to the application in Entra, or make it a member of a group in scope"
                    .to_owned()
            }
            WhyOut::NotInUnit => {
                "add it to an administrative unit that scope.administrative_units names".to_owned()
            }
            WhyOut::NotSecurityEnabled | WhyOut::SecurityNotRead => {
                "assign a security-enabled group, or name the group in scope.groups".to_owned()
            }
            WhyOut::NotNamed => "name it in groups.provision".to_owned(),
            WhyOut::DefaultAccessOnly => {
                "assign a role other than Default Access, or set exclude_default_access = false"
                    .to_owned()
            }
            WhyOut::Excluded => "remove it from scope.exclude".to_owned(),
            WhyOut::Filter(_) => {
                "change the attribute in Entra, or the scoping filter, so that every clause of one \
                 filter holds"
                    .to_owned()
            }
            WhyOut::KindDisabled => {
                format!("set enabled = true in [jobs.{}s]", explanation.subject.kind)
            }
        });
    }
    if explanation.blocked {
        remedies.push("allow sign-in in Entra (accountEnabled)".to_owned());
    }
    remedies.extend(decision_remedies(explanation, &job, &name));
    if explanation.escrow.is_some() {
        remedies.push(format!(
            "once the cause is gone, try it now: {}",
            command(&format!("provision {job} {name:?}"))
        ));
    }
    if let Next::Planned { skipped, .. } = &explanation.next {
        for one in skipped {
            match &one.why {
                Why::CannotDisable(_) => remedies.push(
                    "map active from IsSoftDeleted, or set when_out_of_scope = \"delete\""
                        .to_owned(),
                ),
                Why::NotCreatedHere => {
                    remedies.push("set only_created = false in [jobs.safety]".to_owned());
                }
                Why::NeverDisabled => {
                    remedies.push("remove it from safety.never_disable".to_owned());
                }
                Why::Kept(_) => {
                    remedies.push("set when_out_of_scope = \"disable\" or \"delete\"".to_owned());
                }
                Why::FirstCycle(_) => {
                    remedies.push(format!("complete the first cycle: {}", run("sync")));
                }
                Why::NameKept { .. } => {
                    remedies.push(format!("decide on what is held: {}", run("status")));
                }
                Why::BlockedNotCreated => remedies.push(
                    "to create it as inactive, set create_blocked = true in [jobs.users]"
                        .to_owned(),
                ),
                Why::OutOfScope(_)
                | Why::NoMatchingValue
                | Why::IgnoredByMapping
                | Why::Ambiguous { .. }
                | Why::Taken { .. }
                | Why::DuplicateSource { .. }
                | Why::OldAddress { .. }
                | Why::MappingFailed(_)
                | Why::NotAllowed(_)
                | Why::IncompleteRead(_)
                | Why::DeletesWait
                | Why::EnabledSince
                | Why::NoMember
                | Why::LookupFailed(_) => {}
            }
        }
    }
    remedies
}

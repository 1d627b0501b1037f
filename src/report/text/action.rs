//! One action of a plan, with what it changes and why.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::style::{Mark, Style};
use crate::engine::model::{HeldReference, TargetId, TargetPath, Value, Via};
use crate::engine::plan::{
    Action, Change, Operation, Pointer, Referenced, Subject, WhyRemoved, WriteMode,
};
use crate::engine::redact::Shown;
use crate::report::sentence::{
    self, clean, key, number, optional, subject_text, things, value, why_removed,
};
use crate::report::view::Names;

/// Members of one group named in a plan; the rest is counted.
const MEMBERS_NAMED: usize = 10;

pub(super) fn write_action(
    out: &mut dyn Write,
    action: &Shown<'_, Action>,
    names: Names<'_>,
    style: Style,
) -> io::Result<()> {
    let (add, change) = (style.mark(Mark::Add), style.mark(Mark::Change));
    let subject = &action.subject;
    match &action.operation {
        Operation::Create {
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
        Operation::Adopt {
            key: found_by,
            current: _,
            changes,
            via,
            from: _,
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
                clean(action.target.as_ref().map_or("", TargetId::as_str))
            )?;
            write_via(out, via, style)?;
            write_changes(out, changes, names)
        }
        Operation::Update { changes } => {
            writeln!(out, "  {change} update {}", subject_text(subject))?;
            write_changes(out, changes, names)
        }
        Operation::Enable { changes } => {
            writeln!(out, "  {add} enable {}", subject_text(subject))?;
            write_changes(out, changes, names)
        }
        Operation::Disable {
            changes,
            why,
            proof: _,
        } => {
            write_removal(out, action.as_str(), subject, why, style)?;
            write_changes(out, changes, names)
        }
        Operation::Delete { why, proof: _ } => {
            write_removal(out, action.as_str(), subject, why, style)
        }
        Operation::HandOver(hand) => {
            let because = why_removed(&hand.why, subject.kind);
            writeln!(
                out,
                "  {change} hand over the account of {} ({}) to {} ({}), who has the same {} (id {}), because {because}",
                subject_text(subject),
                clean(subject.id.as_str()),
                subject_text(&hand.to),
                clean(hand.to.id.as_str()),
                key(&hand.key, names),
                clean(action.target.as_ref().map_or("", TargetId::as_str)),
            )?;
            write_via(out, &hand.via, style)?;
            write_changes(out, hand.all_changes(), names)?;
            writeln!(
                out,
                "      it is disabled first, and leaves all groups and references before it is enabled"
            )
        }
        Operation::AddMembers { members } => {
            write_members(out, subject, &add, members, names, style)
        }
        Operation::RemoveMembers { members, proof: _ } => {
            let remove = style.mark(Mark::Remove);
            write_members(out, subject, &remove, members, names, style)
        }
        Operation::SetReference { path, old, new } => {
            writeln!(out, "  {change} update {}", subject_text(subject))?;
            let text = reference_change(path, old.as_ref(), new, names);
            writeln!(out, "      {text}")
        }
    }
}

fn write_given(
    out: &mut dyn Write,
    attributes: &BTreeMap<TargetPath, Value>,
    references: &[(TargetPath, Referenced)],
    names: Names<'_>,
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
    old: Option<&HeldReference>,
    new: &Pointer,
    names: Names<'_>,
) -> String {
    let old = old.map_or_else(none, |held| clean(&names.held(held)));
    let new = match new {
        Pointer::To(referenced) | Pointer::Added(referenced) => referenced_text(referenced, names),
        Pointer::Cleared(_) => none(),
    };
    format!("{path}: {old} → {new}")
}

fn none() -> String {
    "(none)".to_owned()
}

fn referenced_text(referenced: &Referenced, names: Names<'_>) -> String {
    let Referenced { key, target: _ } = referenced;
    clean(&names.label(*key))
}

fn write_changes<'c>(
    out: &mut dyn Write,
    changes: impl IntoIterator<Item = &'c Change>,
    names: Names<'_>,
) -> io::Result<()> {
    for change in changes {
        let Change {
            path,
            old,
            new,
            element: _,
            written,
        } = change;
        let (old, new) = (optional(old.as_ref(), names), optional(new.as_ref(), names));
        writeln!(out, "      {path}: {old} → {new}")?;
        // What is sent has another form than what is kept of it.
        if let WriteMode::Added(elements) = written {
            let elements: Vec<_> = elements.iter().map(|one| value(one, names)).collect();
            writeln!(out, "        by adding {}", elements.join(", "))?;
        }
        if *written == WriteMode::Selected {
            writeln!(
                out,
                "        the value is there already, and gets this place"
            )?;
        }
    }
    Ok(())
}

fn write_members(
    out: &mut dyn Write,
    group: &Subject,
    mark: &str,
    members: &[Referenced],
    names: Names<'_>,
    style: Style,
) -> io::Result<()> {
    let all = members.len();
    let at_most = if style.details { all } else { MEMBERS_NAMED };
    let listed: Vec<_> = members
        .iter()
        .take(at_most)
        .map(|member| referenced_text(member, names))
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

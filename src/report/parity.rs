//! Parity: what a job would change in a target that another one has kept, such as Entra's own. Nothing to
//! change is the proof for switching over; else each difference names the mapping that makes it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use serde_json::{Value as Json, json};

use super::command::command;
use super::entry::Mark;
use super::json::value_json;
use super::sentence::{clean, count, number, optional, things};
use super::text::Style;
use super::view::{Names, Order, Part, PlanRow, PlanView};
use crate::engine::job::Job;
use crate::engine::mapping::{Mapping, Source};
use crate::engine::model::{Key, ObjectKind, TargetPath, Value};
use crate::engine::plan::{Action, Change, Count, Operation, Skipped, Why, WhyRemoved};

/// Objects that are named of each difference.
const NAMED: usize = 3;

/// What a plan changes, by what makes it.
#[derive(Debug, Default)]
pub(crate) struct Parity {
    /// Objects in scope that the target holds as this job would write them.
    same: Count,
    /// Objects in scope that it does not.
    differing: BTreeSet<(ObjectKind, Key)>,
    /// Objects in scope.
    in_scope: Count,
    mappings: BTreeMap<(ObjectKind, TargetPath), MappingDifference>,
    /// What no mapping makes: the word of it, and the objects.
    others: BTreeMap<(ObjectKind, &'static str), Others>,
    /// Active accounts of no user in scope.
    strangers: u64,
    /// Why the source was not read completely.
    incomplete: Option<String>,
}

/// One attribute, in all objects that differ in it.
#[derive(Debug, Default)]
struct MappingDifference {
    /// What the mapping is, as it is configured.
    mapping: String,
    times: u64,
    first: Vec<Example>,
}

#[derive(Debug)]
struct Example {
    label: String,
    held: Option<Side>,
    wanted: Option<Side>,
}

/// What the target holds, or this job writes.
#[derive(Debug)]
enum Side {
    Value(Value),
    /// The name of another object.
    Object(String),
}

impl Side {
    fn text(side: Option<&Self>, names: Names<'_>) -> String {
        match side {
            None => optional(None, names),
            Some(Self::Value(value)) => optional(Some(value), names),
            Some(Self::Object(name)) => clean(name),
        }
    }

    fn json(&self) -> Json {
        match self {
            Self::Value(value) => value_json(value),
            Self::Object(name) => json!(name),
        }
    }
}

#[derive(Debug, Default)]
struct Others {
    times: u64,
    first: Vec<String>,
}

impl Others {
    fn add(&mut self, label: &str) {
        self.times += 1;
        if self.first.len() < NAMED {
            self.first.push(label.to_owned());
        }
    }
}

impl Parity {
    pub(crate) fn of(view: &PlanView<'_>, job: &Job) -> io::Result<Self> {
        let header = view.header;
        let mut parity = Self {
            in_scope: header.in_scope,
            strangers: header.strangers.as_ref().map_or(0, |one| one.count),
            incomplete: header.incomplete.clone(),
            ..Self::default()
        };
        for part in [Part::Cleared, Part::Held, Part::Skipped] {
            view.rows.each(part, Order::Execution, &mut |row| {
                match row {
                    PlanRow::Action(action, _) => {
                        parity.action(action, job, Names::Rows(view.rows));
                    }
                    PlanRow::Skipped(skipped) => parity.skipped(skipped),
                }
                Ok(())
            })?;
        }
        for kind in ObjectKind::ALL {
            let differing = parity.differing.iter().filter(|(of, _)| *of == kind);
            let differing = differing.count() as u64;
            let (in_scope, same) = match kind {
                ObjectKind::User => (parity.in_scope.users, &mut parity.same.users),
                ObjectKind::Group => (parity.in_scope.groups, &mut parity.same.groups),
            };
            *same = in_scope.saturating_sub(differing);
        }
        Ok(parity)
    }

    /// This job would leave everything as it is.
    pub(crate) fn is_proof(&self) -> bool {
        let Self {
            same: _,
            differing: _,
            in_scope: _,
            mappings,
            others,
            strangers,
            incomplete,
        } = self;
        mappings.is_empty() && others.is_empty() && *strangers == 0 && incomplete.is_none()
    }

    fn skipped(&mut self, skipped: &Skipped) {
        let Skipped { subject, why } = skipped;
        if skipped_in_scope(why) {
            self.differing.insert((subject.kind, subject.key));
        }
        if why.is_failure() {
            let others = self.others.entry((subject.kind, why.word()));
            others.or_default().add(&subject.label);
        }
    }

    fn action(&mut self, action: &Action, job: &Job, names: Names<'_>) {
        let subject = &action.subject;
        if differs_in_scope(&action.operation) {
            self.differing.insert((subject.kind, subject.key));
        }
        let rules = job.rules(subject.kind);
        let mut values = |changes: &[Change]| {
            for change in changes {
                let side = |value: &Option<Value>| value.clone().map(Side::Value);
                let sides = (side(&change.old), side(&change.new));
                self.difference(&rules.mappings, action, &change.path, 1, sides);
            }
        };
        match &action.operation {
            Operation::Adopt { changes, .. }
            | Operation::Update { changes }
            | Operation::Enable { changes } => values(changes),
            Operation::SetReference { path, old, new } => {
                let held = old.as_ref().map(|held| Side::Object(names.held(held)));
                let wanted = new.referenced();
                let wanted = wanted.map(|one| Side::Object(names.label(one.key)));
                self.difference(&rules.mappings, action, path, 1, (held, wanted));
            }
            Operation::AddMembers { members } | Operation::RemoveMembers { members, .. } => {
                let mut mappings = rules.mappings.iter();
                let Some(mapping) = mappings.find(|mapping| mapping.target.is_members()) else {
                    return;
                };
                let is_added = matches!(action.operation, Operation::AddMembers { .. });
                for member in members {
                    let member = Some(Side::Object(names.label(member.key)));
                    let sides = if is_added {
                        (None, member)
                    } else {
                        (member, None)
                    };
                    self.difference([mapping], action, &mapping.target, 1, sides);
                }
            }
            Operation::Create { .. }
            | Operation::Disable { .. }
            | Operation::Delete { .. }
            | Operation::HandOver(_) => {
                let others = self
                    .others
                    .entry((subject.kind, action.as_str()))
                    .or_default();
                others.add(&subject.label);
            }
        }
    }

    fn difference<'m>(
        &mut self,
        mappings: impl IntoIterator<Item = &'m Mapping>,
        action: &Action,
        path: &TargetPath,
        times: u64,
        (held, wanted): (Option<Side>, Option<Side>),
    ) {
        let subject = &action.subject;
        let one = self.mappings.entry((subject.kind, path.clone()));
        let one = one.or_insert_with(|| MappingDifference {
            mapping: mapping_words(mappings, path),
            ..MappingDifference::default()
        });
        one.times += times;
        if one.first.len() < NAMED {
            one.first.push(Example {
                label: subject.label.clone(),
                held,
                wanted,
            });
        }
    }
}

/// Whether it changes an object that belongs into the target.
fn differs_in_scope(operation: &Operation) -> bool {
    match operation {
        Operation::Adopt { changes, .. } => !changes.is_empty(),
        Operation::Disable { why, .. } => {
            matches!(why, WhyRemoved::Blocked | WhyRemoved::Mapping)
        }
        Operation::RemoveMembers { why, .. } => why.of_group().is_none(),
        Operation::Delete { .. } | Operation::HandOver(_) => false,
        Operation::Create { .. }
        | Operation::Update { .. }
        | Operation::Enable { .. }
        | Operation::AddMembers { .. }
        | Operation::SetReference { .. } => true,
    }
}

/// Whether an object that belongs into the target is not there as it should be.
fn skipped_in_scope(why: &Why) -> bool {
    match why {
        Why::BlockedNotCreated
        | Why::NoMatchingValue
        | Why::IgnoredByMapping
        | Why::Ambiguous { .. }
        | Why::Taken { .. }
        | Why::DuplicateSource { .. }
        | Why::OldAddress { .. }
        | Why::NameKept { .. }
        | Why::MappingFailed(_)
        | Why::NotAllowed(_)
        | Why::NoMember
        | Why::LookupFailed(_) => true,
        Why::OutOfScope(_)
        | Why::Kept(_)
        | Why::NeverDisabled
        | Why::NotCreatedHere
        | Why::CannotDisable(_)
        | Why::IncompleteRead(_)
        | Why::FirstCycle(_)
        | Why::DeletesWait
        | Why::EnabledSince => false,
    }
}

/// The mapping of this path as it is configured, or those of what is in it.
fn mapping_words<'m>(mappings: impl IntoIterator<Item = &'m Mapping>, path: &TargetPath) -> String {
    let mappings: Vec<&Mapping> = mappings.into_iter().collect();
    let exactly = mappings.iter().find(|mapping| mapping.target == *path);
    let inside = |mapping: &&&Mapping| mapping.target.attribute() == path.attribute();
    let Some(mapping) = exactly.or_else(|| mappings.iter().find(inside)) else {
        return "no mapping".to_owned();
    };
    match &mapping.source {
        Source::Attribute(name) => format!("source = \"{name}\""),
        Source::Expression(expression) => format!("expression = '{expression}'"),
        Source::Constant(_) => "constant".to_owned(),
        Source::None => "default".to_owned(),
    }
}

/// What it means that an object is among the others.
fn others_words(kind: ObjectKind, word: &str) -> String {
    match word {
        "create" => format!("{kind}s in scope that the target does not have: created"),
        "disable" => format!("{kind}s out of scope, or blocked: disabled"),
        "delete" => format!("{kind}s out of scope: deleted"),
        "hand-over" => "accounts that are handed over to another user".to_owned(),
        other => format!("{kind}s that are not provisioned: {other}"),
    }
}

pub(crate) fn text(
    out: &mut dyn Write,
    view: &PlanView<'_>,
    parity: &Parity,
    style: Style,
) -> io::Result<()> {
    let job = clean(view.job.as_str());
    let names = Names::Rows(view.rows);
    writeln!(
        out,
        "{}",
        style.bold(&format!("Parity of {job} with its target"))
    )?;
    writeln!(
        out,
        "{} in scope; {} found in the target as this job would write them.",
        count(parity.in_scope),
        count(parity.same),
    )?;
    if parity.is_proof() {
        writeln!(
            out,
            "{} Nothing differs: this job would change nothing in the target. Stop Entra's own \
             provisioning job, then link the objects: {}",
            style.mark(Mark::Good),
            command(&format!("sync {job}"))
        )?;
        return Ok(());
    }
    if let Some(incomplete) = &parity.incomplete {
        writeln!(
            out,
            "{} The source was not read completely, so this proves nothing: {}",
            style.mark(Mark::Fail),
            clean(incomplete)
        )?;
    }
    for ((kind, path), one) in &parity.mappings {
        writeln!(
            out,
            "\n{} {path} of {kind}s ({}): {}",
            style.mark(Mark::Change),
            clean(&one.mapping),
            things(one.times, "difference"),
        )?;
        for Example {
            label,
            held,
            wanted,
        } in &one.first
        {
            writeln!(
                out,
                "    {}: {} in the target, this job writes {}",
                clean(label),
                Side::text(held.as_ref(), names),
                Side::text(wanted.as_ref(), names)
            )?;
        }
    }
    for ((kind, word), one) in &parity.others {
        let more = one.times.saturating_sub(one.first.len() as u64);
        let first: Vec<String> = one.first.iter().map(|label| clean(label)).collect();
        let more = if more > 0 {
            format!(" and {} more", number(more))
        } else {
            String::new()
        };
        writeln!(
            out,
            "\n{} {}: {}{more}",
            style.mark(Mark::Warn),
            others_words(*kind, word),
            first.join(", ")
        )?;
    }
    if parity.strangers > 0 {
        writeln!(
            out,
            "\n{} {} without a user in scope; to list them: {}",
            style.mark(Mark::Warn),
            things(parity.strangers, "active account"),
            command(&format!("audit {job}"))
        )?;
    }
    let plan = command(&format!("plan {job} --initial -v"));
    writeln!(out, "\nEach change: {plan}")
}

/// One job's entry of the document.
pub(crate) fn entry(view: &PlanView<'_>, parity: &Parity) -> Json {
    let mappings = parity.mappings.iter().map(|((kind, path), one)| {
        let first = one.first.iter().map(|example| {
            json!({
                "object": example.label,
                "held": example.held.as_ref().map(Side::json),
                "wanted": example.wanted.as_ref().map(Side::json),
            })
        });
        json!({
            "kind": kind.word(),
            "attribute": path.to_string(),
            "mapping": one.mapping,
            "differences": one.times,
            "first": first.collect::<Json>(),
        })
    });
    let others = parity.others.iter().map(|((kind, word), one)| {
        json!({
            "kind": kind.word(),
            "what": word,
            "objects": one.times,
            "first": one.first,
        })
    });
    let count = |count: Count| json!({ "users": count.users, "groups": count.groups });
    json!({
        "job": view.job.as_str(),
        "equal": parity.is_proof(),
        "in_scope": count(parity.in_scope),
        "same": count(parity.same),
        "mappings": mappings.collect::<Json>(),
        "others": others.collect::<Json>(),
        "strangers": parity.strangers,
        "incomplete": parity.incomplete,
    })
}

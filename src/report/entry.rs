//! One line of a report, with what belongs under it: what happens to whom, why, and what it changes. Text,
//! pages, Markdown and CSV are made from entries; only JSON walks the actions themselves.

use std::collections::{BTreeMap, BTreeSet};

use super::refusal::{remedy, why_refused};
use super::sentence::{
    clean, key, reason as reason_text, subject_text, things, value, via, why, why_left, why_member,
    why_removed,
};
use super::view::Names;
use crate::engine::model::{SourceId, TargetId, TargetPath, Value, Via};
use crate::engine::plan::{
    Action, Change, HandOver, Operation, Pointer, Referenced, Skipped, Subject, WhyLeft, WriteMode,
};
use crate::engine::predict::Refusal;
use crate::engine::record::{LogEntry, LogStatus, LoggedChange};
use crate::engine::redact::Shown;

/// What kind of thing an entry shows: a sign and a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Add,
    Change,
    Remove,
    Skip,
    Warn,
    Fail,
    Good,
}

impl Mark {
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Change => "~",
            Self::Remove => "-",
            Self::Skip => "·",
            Self::Warn => "!",
            Self::Fail => "✗",
            Self::Good => "✓",
        }
    }
}

pub(crate) struct Entry<'a> {
    pub(crate) mark: Mark,
    /// The action's word, `skip`, or `fail`.
    pub(crate) verb: &'static str,
    /// What stands before the subject: mostly the verb.
    pub(crate) phrase: &'static str,
    pub(crate) subject: &'a Subject,
    pub(crate) target: Option<&'a TargetId>,
    /// What follows the subject in the sentence; empty, or with its own punctuation.
    pub(crate) detail: String,
    /// A clause that follows "because".
    pub(crate) because: Option<String>,
    /// The members of a group that come or go, by name.
    pub(crate) members: Vec<String>,
    /// Members that come or go, too, and are not named.
    pub(crate) more_members: u64,
    pub(crate) lines: Vec<Line>,
    /// What came of it, where it is on record.
    pub(crate) logged: Option<&'a LogEntry>,
}

/// What stands under an entry.
pub(crate) enum Line {
    /// The ways by which the object is in scope.
    Via(Vec<String>),
    /// An attribute of an object that is created.
    Given {
        path: String,
        value: String,
    },
    Changed {
        path: String,
        old: Option<String>,
        new: Option<String>,
    },
    /// How the change above it is written.
    How(String),
    Note(String),
}

/// What stands under the entry of an action.
pub(crate) fn lines(action: &Shown<'_, Action>, names: Names<'_>) -> Vec<Line> {
    Entry::of_action(action, names).lines
}

/// An action's word as it stands before its object: `add members to group Sales`.
pub(crate) fn phrase(action: &str) -> &str {
    match action {
        "add-members" => "add members to",
        "remove-members" => "remove members from",
        "set-reference" => "update",
        "hand-over" => "hand over the account of",
        other => other,
    }
}

impl<'a> Entry<'a> {
    pub(crate) fn of_action(shown: &'a Shown<'_, Action>, names: Names<'_>) -> Self {
        let action: &'a Action = shown;
        let verb = action.as_str();
        let mut entry = Self {
            mark: Mark::Change,
            verb,
            phrase: phrase(verb),
            subject: &action.subject,
            target: action.target.as_ref(),
            detail: String::new(),
            because: None,
            members: Vec::new(),
            more_members: 0,
            lines: Vec::new(),
            logged: None,
        };
        let target = clean(action.target.as_ref().map_or("", TargetId::as_str));
        let kind = action.subject.kind;
        match &action.operation {
            Operation::Create {
                attributes,
                references,
                keys: _,
                via,
            } => {
                entry.mark = Mark::Add;
                entry.add_via(via);
                for (path, given) in attributes {
                    entry.add_given(path, value(given, names));
                }
                for (path, referenced) in references {
                    entry.add_given(path, referenced_text(referenced, names));
                }
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
                let found_by = key(found_by, names);
                entry.detail = format!(", found by {found_by} (id {target}){unchanged}");
                entry.add_via(via);
                entry.add_changes(changes, names);
            }
            Operation::Update { changes } => entry.add_changes(changes, names),
            Operation::Enable { changes } => {
                entry.mark = Mark::Add;
                entry.add_changes(changes, names);
            }
            Operation::Disable {
                changes,
                why,
                proof: _,
            } => {
                entry.mark = Mark::Remove;
                entry.because = Some(why_removed(why, kind));
                entry.add_changes(changes, names);
            }
            Operation::Delete { why, proof: _ } => {
                entry.mark = Mark::Remove;
                entry.because = Some(why_removed(why, kind));
            }
            Operation::HandOver(hand) => entry.hand_over(hand, &target, names),
            Operation::AddMembers { members } => {
                entry.mark = Mark::Add;
                entry.members = named(members, names);
            }
            Operation::RemoveMembers {
                members,
                why,
                proof: _,
            } => {
                entry.mark = Mark::Remove;
                entry.because = why_left(why, members, kind);
                entry.members = leaving(members, why, names);
            }
            Operation::SetReference { path, old, new } => {
                let new = match new {
                    Pointer::To(referenced) | Pointer::Added(referenced) => {
                        Some(referenced_text(referenced, names))
                    }
                    Pointer::Cleared(_) => None,
                };
                entry.lines.push(Line::Changed {
                    path: path.to_string(),
                    old: old.as_ref().map(|held| clean(&names.held(held))),
                    new,
                });
            }
        }
        entry
    }

    /// Leaves what differs from the lines of another plan that does the same to this object: `name` is its name.
    pub(crate) fn compare(&mut self, there: Vec<Line>, name: &str) {
        let mut values: BTreeMap<String, (Option<String>, Option<String>)> = BTreeMap::new();
        for line in there {
            match line {
                Line::Given { path, value } => {
                    values.insert(path, (None, Some(value)));
                }
                Line::Changed { path, old, new } => {
                    values.insert(path, (old, new));
                }
                Line::Via(_) | Line::How(_) | Line::Note(_) => {}
            }
        }
        let mut lines = Vec::new();
        for line in &self.lines {
            let (path, without, here) = match line {
                Line::Given { path, value } => (path, &None, Some(value)),
                Line::Changed { path, old, new } => (path, old, new.as_ref()),
                Line::Via(_) | Line::How(_) | Line::Note(_) => continue,
            };
            let there = values.remove(path);
            let there = there.map_or_else(|| without.clone(), |(_, there)| there);
            if there.as_ref() != here {
                lines.push(Line::Changed {
                    path: path.clone(),
                    old: there,
                    new: here.cloned(),
                });
            }
        }
        let only_there = values.into_iter().filter(|(_, (old, new))| old != new);
        lines.extend(only_there.map(|(path, (without, there))| Line::Changed {
            path,
            old: there,
            new: without,
        }));
        // Two that differ in something else, such as whether a limit holds them, stay as they are.
        if !lines.is_empty() {
            self.lines = lines;
            self.detail = format!(", with other values than with {}", clean(name));
        }
    }

    /// Leaves the members that another plan does not add to, or remove from, this group likewise.
    pub(crate) fn compare_members(
        &mut self,
        action: &Action,
        there: &BTreeSet<SourceId>,
        name: &str,
        names: Names<'_>,
    ) {
        let (Operation::AddMembers { members } | Operation::RemoveMembers { members, .. }) =
            &action.operation
        else {
            return;
        };
        let is_only_here =
            |one: &&Referenced| !there.contains(&SourceId::new(names.referenced(one.key).0));
        let only_here = members.iter().filter(is_only_here);
        self.members = only_here.map(|one| referenced_text(one, names)).collect();
        let name = clean(name);
        self.detail = match (members.len() - self.members.len(), self.members.is_empty()) {
            (0, _) => return,
            (_, true) => format!(", with the same members as with {name}"),
            (same, false) => format!(", and {} as with {name}", things(same as u64, "member")),
        };
    }

    fn hand_over(&mut self, hand: &HandOver, target: &str, names: Names<'_>) {
        self.detail = format!(
            " ({}) to {} ({}), who has the same {} (id {target})",
            clean(self.subject.id.as_str()),
            subject_text(&hand.to),
            clean(hand.to.id.as_str()),
            key(&hand.key, names),
        );
        self.because = Some(why_removed(&hand.why, self.subject.kind));
        self.add_via(&hand.via);
        self.add_changes(hand.all_changes(), names);
        let note =
            "it is disabled first, and removed from all groups and references before it is enabled";
        self.lines.push(Line::Note(note.to_owned()));
    }

    pub(crate) fn of_skipped(skipped: &'a Skipped, names: Names<'_>) -> Self {
        let Skipped {
            subject,
            why: reason,
        } = skipped;
        let (mark, verb) = if reason.is_failure() {
            (Mark::Fail, "fail")
        } else {
            (Mark::Skip, "skip")
        };
        Self {
            mark,
            verb,
            phrase: verb,
            subject,
            target: None,
            detail: String::new(),
            because: Some(why(reason, subject.kind, names)),
            members: Vec::new(),
            more_members: 0,
            lines: Vec::new(),
            logged: None,
        }
    }

    /// An action that the target would refuse. It is sent anyway.
    pub(crate) fn of_refusal(refusal: &'a Refusal, names: Names<'_>) -> Self {
        let Refusal {
            subject,
            target,
            action,
            problem,
        } = refusal;
        Self {
            mark: Mark::Fail,
            verb: "refuse",
            phrase: phrase(action),
            subject,
            target: target.as_ref(),
            detail: String::new(),
            because: Some(why_refused(problem, names)),
            members: Vec::new(),
            more_members: 0,
            lines: vec![Line::Note(remedy(problem))],
            logged: None,
        }
    }

    /// What is on record of an action. `None` where the cycle itself failed, which concerns no object.
    pub(crate) fn of_logged(logged: &'a LogEntry, names: Names<'_>) -> Option<Self> {
        let subject = logged.subject.as_ref()?;
        let known = Operation::NAMES
            .into_iter()
            .find(|name| *name == logged.action);
        let (mark, verb) = match (logged.status, known) {
            (LogStatus::Failed, _) => (Mark::Fail, "fail"),
            (LogStatus::Skipped, _) => (Mark::Skip, "skip"),
            (_, Some(verb @ ("create" | "enable" | "add-members"))) => (Mark::Add, verb),
            (_, Some(verb @ ("disable" | "delete" | "remove-members"))) => (Mark::Remove, verb),
            (_, Some(verb)) => (Mark::Change, verb),
            (_, None) => (Mark::Change, "update"),
        };
        let mut entry = Self {
            mark,
            verb,
            phrase: known.map_or(
                if logged.action == "plan" {
                    "plan"
                } else {
                    verb
                },
                phrase,
            ),
            subject,
            target: logged.target.as_ref(),
            detail: String::new(),
            because: logged
                .reason
                .as_ref()
                .map(|reason| reason_text(reason, subject.kind, names)),
            members: Vec::new(),
            more_members: 0,
            lines: Vec::new(),
            logged: Some(logged),
        };
        let words = match logged.status {
            LogStatus::AlreadyExists => Some("it was in the target already".to_owned()),
            LogStatus::Gone => Some("it is gone from the target".to_owned()),
            LogStatus::Failed if logged.error.is_none() => Some("it failed".to_owned()),
            LogStatus::InParts => Some("it was refused, and sent in parts".to_owned()),
            LogStatus::NotTried => Some("it was not tried".to_owned()),
            LogStatus::Failed | LogStatus::Succeeded | LogStatus::Skipped => None,
        };
        let error = logged.error.as_deref().map(clean);
        for words in words.into_iter().chain(error) {
            entry.detail.push_str(": ");
            entry.detail.push_str(&words);
        }
        for LoggedChange {
            attribute,
            before,
            after,
            why,
            more,
        } in &logged.changes
        {
            if let ("add-members", _, Some(Value::List(members)))
            | ("remove-members", Some(Value::List(members)), _) =
                (logged.action.as_str(), before, after)
            {
                let why = why.map(|why| format!(" ({})", why_member(why)));
                let why = why.unwrap_or_default();
                let each = members.iter().map(|one| value(one, names) + &why);
                entry.members.extend(each);
                entry.more_members += *more;
                continue;
            }
            let side = |side: &Option<Value>| side.as_ref().map(|one| value(one, names));
            let path = clean(attribute);
            entry.lines.push(match (before, after) {
                (None, Some(after)) if verb == "create" => Line::Given {
                    path,
                    value: value(after, names),
                },
                (before, after) => Line::Changed {
                    path,
                    old: side(before),
                    new: side(after),
                },
            });
        }
        Some(entry)
    }

    /// Notes what was predicted of an action next to what came of it.
    pub(crate) fn note_prediction(&mut self, predicted: Option<&String>) {
        let is_failed = self.mark == Mark::Fail;
        let note = match predicted {
            Some(why) if is_failed => format!("as predicted: {why}"),
            Some(why) => format!("a refusal was predicted, but it did not happen: {why}"),
            None if is_failed => "the plan did not predict it".to_owned(),
            None => return,
        };
        self.lines.push(Line::Note(note));
    }

    /// What follows the subject in a text: also that it was done.
    pub(crate) fn ending(&self) -> &str {
        match self.logged {
            Some(logged) if logged.status == LogStatus::Succeeded => ": done",
            Some(_) | None => &self.detail,
        }
    }

    /// Whether a request is sent for it.
    pub(crate) fn is_sent(&self) -> bool {
        match self.verb {
            "skip" | "fail" | "refuse" => false,
            "adopt" => self
                .lines
                .iter()
                .any(|line| matches!(line, Line::Changed { .. })),
            _ => true,
        }
    }

    fn add_via(&mut self, ways: &[Via]) {
        if !ways.is_empty() {
            let ways = ways.iter().map(|one| clean(&via(one)));
            self.lines.push(Line::Via(ways.collect()));
        }
    }

    fn add_given(&mut self, path: &TargetPath, value: String) {
        let path = path.to_string();
        self.lines.push(Line::Given { path, value });
    }

    fn add_changes<'c>(&mut self, changes: impl IntoIterator<Item = &'c Change>, names: Names<'_>) {
        for change in changes {
            let Change {
                path,
                old,
                new,
                element: _,
                written,
            } = change;
            let side = |side: &Option<Value>| side.as_ref().map(|one| value(one, names));
            self.lines.push(Line::Changed {
                path: path.to_string(),
                old: side(old),
                new: side(new),
            });
            // What is sent has another form than what is kept of it.
            match written {
                WriteMode::Whole => {}
                WriteMode::Added(elements) => {
                    let elements: Vec<_> = elements.iter().map(|one| value(one, names)).collect();
                    let how = format!("by adding {}", elements.join(", "));
                    self.lines.push(Line::How(how));
                }
                WriteMode::Selected => self.lines.push(Line::How(
                    "the value is there already, and gets this place".to_owned(),
                )),
            }
        }
    }
}

fn named(members: &[Referenced], names: Names<'_>) -> Vec<String> {
    let members = members.iter();
    members.map(|one| referenced_text(one, names)).collect()
}

/// Where they leave for different reasons, each with its own.
fn leaving(members: &[Referenced], why: &WhyLeft, names: Names<'_>) -> Vec<String> {
    let mut texts = named(members, names);
    if why.reasons(members).len() > 1 {
        for (text, member) in texts.iter_mut().zip(members) {
            let why = why.of(member.key).map(why_member).unwrap_or_default();
            *text = format!("{text} ({why})");
        }
    }
    texts
}

fn referenced_text(referenced: &Referenced, names: Names<'_>) -> String {
    let Referenced { key, target: _ } = referenced;
    clean(&names.label(*key))
}

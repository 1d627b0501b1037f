//! Plans without what is marked. Only this file makes a [`Shown`] thing, and code that
//! prints or logs takes nothing else, so that a new reader cannot show such a value by accident.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Deref;

use super::marked::Marked;
use super::{REDACTED, Redactions};
use crate::engine::filter::{ClauseFailure, ClauseResult};
use crate::engine::model::source;
use crate::engine::model::{
    Held, HeldReference, Key, MatchKey, ObjectKind, TargetId, TargetPath, Value,
};
use crate::engine::plan::{
    Action, Change, Drift, Drifted, HandOver, Operation, Pointer, Referenced, Skipped, Subject,
    Why, WhyOut, WhyRemoved, WriteMode,
};
use crate::engine::record::{LinkRecord, LinkState, LogEntry, Reason};
use crate::engine::scope::Verdict;

/// Something in the form in which people and logs may see it.
#[derive(Debug)]
pub(crate) struct Shown<'a, T: Clone>(Cow<'a, T>);

impl<T: Clone> Deref for Shown<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> Shown<'_, T> {
    pub(crate) fn into_owned(self) -> Shown<'static, T> {
        Shown(Cow::Owned(self.0.into_owned()))
    }
}

impl Redactions {
    pub(crate) fn action<'a>(&self, action: &'a Action) -> Shown<'a, Action> {
        let marked = self.of_kind(action.subject.kind);
        if marked.is_empty() {
            return Shown(Cow::Borrowed(action));
        }
        let mut shown = action.clone();
        hide_in_action(marked, &mut shown);
        self.hide_subject(&mut shown.subject);
        if let Some(target) = &mut shown.target {
            marked.hide_target(target);
        }
        if let Operation::HandOver(hand) = &mut shown.operation {
            self.hide_subject(&mut hand.to);
        }
        Shown(Cow::Owned(shown))
    }

    pub(super) fn hide_subject(&self, subject: &mut Subject) {
        subject.label = self.label(subject.kind, std::mem::take(&mut subject.label));
    }

    /// The reason of an entry of the log, of an object of this kind.
    fn hide_in_why(&self, kind: ObjectKind, why: &mut Why) {
        let marked = self.of_kind(kind);
        if !marked.is_empty() {
            hide_in_why(marked, why);
        }
    }

    /// An entry of the log: the state keeps no marked value but in reasons.
    pub(crate) fn hide_in_entry(&self, entry: &mut LogEntry) {
        if let (Some(Reason::Skipped(why)), Some(subject)) = (&mut entry.reason, &entry.subject) {
            self.hide_in_why(subject.kind, why);
        }
    }

    /// Whether values at this path are not shown.
    pub(crate) fn hides(&self, kind: ObjectKind, path: &TargetPath) -> bool {
        self.of_kind(kind).hides(path)
    }

    /// What clauses saw, without the values of marked attributes.
    pub(crate) fn clauses(
        &self,
        kind: ObjectKind,
        clauses: Vec<ClauseResult>,
    ) -> Vec<ClauseResult> {
        let marked = self.of_kind(kind);
        let hide = |mut one: ClauseResult| {
            hide_in_clause(marked, &mut one.seen);
            one
        };
        clauses.into_iter().map(hide).collect()
    }

    pub(crate) fn verdict(&self, kind: ObjectKind, mut verdict: Verdict) -> Verdict {
        match &mut verdict {
            Verdict::In => {}
            Verdict::Out(why) | Verdict::Unknown { would_be: why } => {
                hide_in_filters(self.of_kind(kind), why);
            }
        }
        verdict
    }

    pub(crate) fn link<'a>(&self, link: &'a LinkRecord) -> Shown<'a, LinkRecord> {
        let marked = self.of_kind(link.subject.kind);
        if marked.is_empty() {
            return Shown(Cow::Borrowed(link));
        }
        let mut shown = link.clone();
        hide_in_map(marked, &mut shown.sent);
        if let LinkState::OldAddress(key) = &mut shown.state {
            hide_in_key(marked, key);
        }
        Shown(Cow::Owned(shown))
    }

    pub(crate) fn drifted<'a>(&self, kind: ObjectKind, drifted: &'a Drifted) -> Shown<'a, Drifted> {
        let marked = self.of_kind(kind);
        if marked.is_empty() {
            return Shown(Cow::Borrowed(drifted));
        }
        let mut shown = drifted.clone();
        self.hide_subject(&mut shown.subject);
        marked.hide_target(&mut shown.target);
        if let Drift::Differs(differences) = &mut shown.drift {
            for one in differences {
                let sides = [&mut one.sent, &mut one.held];
                for side in sides.into_iter().flatten() {
                    marked.hide(&one.path, side);
                }
            }
        }
        Shown(Cow::Owned(shown))
    }

    pub(crate) fn skipped<'a>(&self, skipped: &'a Skipped) -> Shown<'a, Skipped> {
        let marked = self.of_kind(skipped.subject.kind);
        if marked.is_empty() {
            return Shown(Cow::Borrowed(skipped));
        }
        let mut shown = skipped.clone();
        hide_in_why(marked, &mut shown.why);
        self.hide_subject(&mut shown.subject);
        Shown(Cow::Owned(shown))
    }
}

fn hide_in_why(marked: &Marked, why: &mut Why) {
    match why {
        Why::Ambiguous { key, targets } => {
            hide_in_key(marked, key);
            for target in targets {
                marked.hide_target(target);
            }
        }
        Why::OldAddress { key, target } | Why::Taken { key, target, by: _ } => {
            hide_in_key(marked, key);
            marked.hide_target(target);
        }
        Why::DuplicateSource { key, other: _ } => hide_in_key(marked, key),
        Why::LookupFailed(words) => marked.hide_words(words),
        Why::OutOfScope(out) => hide_in_filters(marked, out),
        Why::Kept(removed) | Why::CannotDisable(removed) | Why::IncompleteRead(removed) => {
            hide_in_removal(marked, removed);
        }
        // The errors of mappings hold no values, and the words of a look-up came without them.
        Why::NameKept { .. }
        | Why::MappingFailed(_)
        | Why::BlockedNotCreated
        | Why::NoMatchingValue
        | Why::IgnoredByMapping
        | Why::NeverDisabled
        | Why::NotCreatedHere
        | Why::FirstCycle(_)
        | Why::DeletesWait
        | Why::EnabledSince
        | Why::NoMember
        | Why::NotAllowed(_) => {}
    }
}

fn hide_in_action(marked: &Marked, action: &mut Action) {
    match &mut action.operation {
        Operation::Create {
            attributes,
            references,
            keys,
            via: _,
        } => {
            hide_in_map(marked, attributes);
            for (path, referenced) in references {
                if marked.paths.contains(path) {
                    *referenced = somebody();
                }
            }
            for key in keys {
                hide_in_key(marked, key);
            }
        }
        Operation::Adopt {
            key,
            current,
            changes,
            via: _,
            from: _,
        } => {
            hide_in_key(marked, key);
            hide_in_held(marked, current);
            hide_in_changes(marked, changes);
        }
        Operation::Update { changes } | Operation::Enable { changes } => {
            hide_in_changes(marked, changes);
        }
        Operation::Disable {
            changes,
            why,
            proof: _,
        } => {
            hide_in_changes(marked, changes);
            hide_in_removal(marked, why);
        }
        Operation::Delete { why, proof: _ } => hide_in_removal(marked, why),
        Operation::HandOver(hand) => {
            let HandOver {
                to: _,
                key,
                why,
                proof: _,
                disable,
                current,
                state: _,
                changes,
                enable,
                via: _,
            } = &mut **hand;
            hide_in_key(marked, key);
            hide_in_removal(marked, why);
            hide_in_map(marked, current);
            for changes in [disable, changes, enable] {
                hide_in_changes(marked, changes);
            }
        }
        Operation::SetReference { path, old, new: _ } if !marked.paths.contains(path) => {
            if let Some(old) = old {
                marked.hide_target(&mut old.target);
            }
        }
        Operation::SetReference { path: _, old, new } => {
            if let Some(old) = old {
                *old = nobody();
            }
            if let Pointer::To(referenced) | Pointer::Added(referenced) = new {
                *referenced = somebody();
            }
        }
        Operation::AddMembers { .. } | Operation::RemoveMembers { .. } => {}
    }
}

fn hide_in_map(marked: &Marked, values: &mut BTreeMap<TargetPath, Value>) {
    for (path, value) in values {
        marked.hide(path, value);
    }
}

fn hide_in_held(marked: &Marked, held: &mut Held) {
    hide_in_map(marked, &mut held.values);
    for (path, reference) in &mut held.references {
        if marked.paths.contains(path) {
            *reference = nobody();
        } else {
            marked.hide_target(&mut reference.target);
        }
    }
}

fn hide_in_key(marked: &Marked, key: &mut MatchKey) {
    marked.hide(&key.path, &mut key.value);
}

/// That there is a value, and that it changes, stays visible.
fn hide_in_changes(marked: &Marked, changes: &mut [Change]) {
    for change in changes {
        if marked.hides(&change.path) {
            for side in [&mut change.old, &mut change.new].into_iter().flatten() {
                marked.hide(&change.path, side);
            }
            change.written = WriteMode::Whole;
        }
    }
}

fn hide_in_removal(marked: &Marked, why: &mut WhyRemoved) {
    match why {
        WhyRemoved::OutOfScope(out) => hide_in_filters(marked, out),
        WhyRemoved::Blocked
        | WhyRemoved::Mapping
        | WhyRemoved::SoftDeleted
        | WhyRemoved::Deleted
        | WhyRemoved::Missing => {}
    }
}

/// A scoping filter sees the source's own value, which is not shown there either.
fn hide_in_filters(marked: &Marked, why: &mut WhyOut) {
    match why {
        WhyOut::Filter(failures) => {
            for failure in failures {
                hide_in_clause(marked, failure);
            }
        }
        WhyOut::NotAssigned
        | WhyOut::NotInUnit
        | WhyOut::NotSecurityEnabled
        | WhyOut::SecurityNotRead
        | WhyOut::NotNamed
        | WhyOut::DefaultAccessOnly
        | WhyOut::Excluded
        | WhyOut::KindDisabled => {}
    }
}

fn hide_in_clause(marked: &Marked, seen: &mut ClauseFailure) {
    let is_told = |name: &String| source::overlap(name, &seen.attribute);
    if marked.attributes.iter().any(is_told) {
        seen.value = seen.value.as_ref().map(|_| REDACTED.to_owned());
    } else if let Some(one) = &marked.stand_ins
        && !one.keeps(&seen.attribute)
    {
        seen.value = seen.value.as_ref().map(|value| one.pseudonyms.text(value));
        // What it is compared with may be personal, too.
        seen.clause = format!("{} {REDACTED}", seen.attribute);
    }
}

/// What stands for a reference that is not shown; the number 0 belongs to no object.
fn nobody() -> HeldReference {
    HeldReference {
        target: TargetId::new(REDACTED),
        source: None,
    }
}

fn somebody() -> Referenced {
    Referenced::to(Key::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::model::{ObjectKind, SourceId};
    use crate::engine::plan::{ElementChange, Proof};

    fn path(text: &str) -> TargetPath {
        TargetPath::parse(text).unwrap()
    }

    fn key(at: &str) -> MatchKey {
        MatchKey {
            path: path(at),
            value: Value::text("secret"),
        }
    }

    fn referenced() -> Referenced {
        Referenced {
            key: Key::new(7_777),
            target: Some(TargetId::new("secret")),
        }
    }

    fn held() -> HeldReference {
        HeldReference {
            target: TargetId::new("secret"),
            source: Some(SourceId::new("secret")),
        }
    }

    /// One of each action that holds values, all of them at marked paths.
    fn actions() -> Vec<Action> {
        let subject = Subject {
            kind: ObjectKind::User,
            key: Key::new(1),
            id: SourceId::new("1"),
            label: "jane".to_owned(),
        };
        let target = TargetId::new("t1");
        let values = BTreeMap::from([(path("title"), Value::text("secret"))]);
        let changes = vec![Change {
            path: path("title"),
            old: None,
            new: Some(Value::List(vec![Value::text("secret")])),
            element: ElementChange::None,
            written: WriteMode::Added(vec![Value::text("secret")]),
        }];
        vec![
            Action {
                subject: subject.clone(),
                target: None,
                operation: Operation::Create {
                    attributes: values.clone(),
                    references: vec![(path("manager"), referenced())],
                    keys: vec![key("title")],
                    via: Vec::new(),
                },
            },
            Action {
                subject: subject.clone(),
                target: Some(target.clone()),
                operation: Operation::Adopt {
                    key: key("title"),
                    current: Held {
                        values,
                        references: BTreeMap::from([(path("manager"), held())]),
                    },
                    changes: changes.clone(),
                    via: Vec::new(),
                    from: None,
                },
            },
            Action {
                subject: subject.clone(),
                target: Some(target.clone()),
                operation: Operation::Update {
                    changes: changes.clone(),
                },
            },
            Action {
                subject: subject.clone(),
                target: Some(target.clone()),
                operation: Operation::Enable {
                    changes: changes.clone(),
                },
            },
            Action {
                subject: subject.clone(),
                target: Some(target.clone()),
                operation: Operation::HandOver(Box::new(HandOver {
                    to: subject.clone(),
                    key: key("title"),
                    why: WhyRemoved::Deleted,
                    proof: Proof::on_record(),
                    disable: changes.clone(),
                    current: BTreeMap::from([(path("title"), Value::text("secret"))]),
                    state: Vec::new(),
                    changes: changes.clone(),
                    enable: changes.clone(),
                    via: Vec::new(),
                })),
            },
            Action {
                subject: subject.clone(),
                target: Some(target.clone()),
                operation: Operation::Disable {
                    changes,
                    why: WhyRemoved::Blocked,
                    proof: Proof::on_record(),
                },
            },
            Action {
                subject,
                target: Some(target),
                operation: Operation::SetReference {
                    path: path("manager"),
                    old: Some(held()),
                    new: Pointer::To(referenced()),
                },
            },
        ]
    }

    #[test]
    fn no_value_at_a_marked_path_is_left_in_what_is_shown() {
        let redactions = Redactions::marking(&["title", "manager"]);
        let nothing = Redactions::default();
        for action in actions() {
            let shown = format!("{:?}", *redactions.action(&action));
            assert!(!shown.contains("secret"), "{shown}");
            assert!(!shown.contains("7777"), "{shown}");
            assert!(
                shown.contains(REDACTED) && shown.contains("jane"),
                "{shown}"
            );
            assert_eq!(*nothing.action(&action), action);
        }
    }

    #[test]
    fn what_is_not_marked_is_shown() {
        let redactions = Redactions::marking(&["nickName"]);
        for action in actions() {
            assert_eq!(*redactions.action(&action), action);
        }
    }

    /// Whether the value that a filter on the attribute saw is shown for a user who is skipped.
    fn is_told_by_a_filter(redactions: &Redactions, attribute: &str) -> bool {
        let failure = ClauseFailure {
            number: 1,
            name: None,
            attribute: attribute.to_owned(),
            clause: format!("{attribute} IS NULL"),
            value: Some("secret".to_owned()),
        };
        let skipped = Skipped {
            subject: actions()[0].subject.clone(),
            why: Why::OutOfScope(WhyOut::Filter(vec![failure])),
        };
        format!("{:?}", *redactions.skipped(&skipped)).contains("secret")
    }

    #[test]
    fn a_filter_reveals_nothing_that_is_marked_under_another_name() {
        for (marked, read) in [
            ("telephoneNumber", "businessPhones"),
            ("businessPhones[1]", "telephoneNumber"),
            ("userPrincipalName", "originalUserPrincipalName"),
            ("objectId", "id"),
            ("employeeOrgData", "employeeOrgData.division"),
            (
                "customSecurityAttributes.HR.Grade",
                "customSecurityAttributes.hr.grade[0]",
            ),
        ] {
            let redactions = Redactions::marking_attributes(&[marked]);
            assert!(!is_told_by_a_filter(&redactions, read), "{marked} {read}");
            assert!(is_told_by_a_filter(&redactions, "city"), "{marked}");
        }
    }

    #[test]
    fn the_keys_of_skips_are_not_shown() {
        let redactions = Redactions::marking(&["title"]);
        let target = TargetId::new("t1");
        let other = Key::new(2);
        for why in [
            Why::Ambiguous {
                key: key("title"),
                targets: vec![target.clone()],
            },
            Why::Taken {
                key: key("title"),
                target,
                by: other,
            },
            Why::DuplicateSource {
                key: key("title"),
                other,
            },
        ] {
            let skipped = Skipped {
                subject: actions()[0].subject.clone(),
                why,
            };
            let shown = format!("{:?}", *redactions.skipped(&skipped));
            assert!(!shown.contains("secret"), "{shown}");
        }
    }
}

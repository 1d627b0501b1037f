//! What people and logs are shown of a plan and of what came of it: everything but the values that
//! `Redact` marks, which are `[Redact]` there. Only this file makes a [`Shown`] thing, and whoever
//! prints or logs takes nothing else, so that a new reader cannot show such a value by accident.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use super::guard::{Review, WhyHeld};
use super::job::{Job, Rules};
use super::mapping::Source;
use super::model::{JobName, Link, MatchKey, ObjectKind, SourceId, TargetPath, Value};
use super::outcome::{Effect, Outcome, Status};
use super::plan::{Action, Change, Count, Referenced, Skipped, Subject, Why};

/// What stands for a value that is not shown; Entra's own word.
pub(crate) const REDACTED: &str = "[Redact]";

/// The target paths of a job whose values are not shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Redactions {
    users: BTreeSet<TargetPath>,
    groups: BTreeSet<TargetPath>,
}

/// Something in the form in which people and logs may see it.
#[derive(Debug)]
pub(crate) struct Shown<'a, T: Clone>(Cow<'a, T>);

impl<T: Clone> Deref for Shown<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl Redactions {
    /// The paths whose mapping calls `Redact` anywhere.
    pub(crate) fn of(job: &Job) -> Self {
        let Job {
            name: _,
            users,
            groups,
            scope: _,
            limits: _,
        } = job;
        Self {
            users: marked(users),
            groups: marked(groups),
        }
    }

    fn of_kind(&self, kind: ObjectKind) -> &BTreeSet<TargetPath> {
        match kind {
            ObjectKind::User => &self.users,
            ObjectKind::Group => &self.groups,
        }
    }

    pub(crate) fn action<'a>(&self, action: &'a Action) -> Shown<'a, Action> {
        let paths = self.of_kind(action.subject().kind);
        if paths.is_empty() {
            return Shown(Cow::Borrowed(action));
        }
        let mut shown = action.clone();
        hide_in_action(paths, &mut shown);
        Shown(Cow::Owned(shown))
    }

    pub(crate) fn outcome<'a>(&self, outcome: &'a Outcome) -> Shown<'a, Outcome> {
        let paths = self.of_kind(outcome.action.subject().kind);
        if paths.is_empty() {
            return Shown(Cow::Borrowed(outcome));
        }
        let mut shown = outcome.clone();
        hide_in_action(paths, &mut shown.action);
        match &mut shown.status {
            Status::Done {
                target: _,
                effect:
                    Effect {
                        references,
                        members: _,
                    },
            } => {
                for (_, id) in references
                    .iter_mut()
                    .filter(|(path, _)| paths.contains(path))
                {
                    *id = nobody();
                }
            }
            Status::Met { target: _, current } => hide_in_map(paths, current),
            // The words of a failure came without them: see [`Hidden`].
            Status::Failed(_) | Status::Vanished | Status::NotTried(_) => {}
        }
        Shown(Cow::Owned(shown))
    }

    pub(crate) fn skipped<'a>(&self, skipped: &'a Skipped) -> Shown<'a, Skipped> {
        let paths = self.of_kind(skipped.subject.kind);
        if paths.is_empty() {
            return Shown(Cow::Borrowed(skipped));
        }
        let mut shown = skipped.clone();
        match &mut shown.why {
            Why::Ambiguous { key, targets: _ }
            | Why::Taken {
                key,
                target: _,
                by: _,
            }
            | Why::DuplicateSource { key, other: _ } => hide_in_key(paths, key),
            // The errors of mappings hold no values, and the words of a look-up came without them.
            Why::MappingFailed(_)
            | Why::LookupFailed(_)
            | Why::OutOfScope(_)
            | Why::BlockedNotCreated
            | Why::NoMatchingValue
            | Why::IgnoredByMapping
            | Why::NotAllowed(_)
            | Why::Kept(_)
            | Why::CannotDisable(_)
            | Why::IncompleteRead(_) => {}
        }
        Shown(Cow::Owned(shown))
    }

    /// What holds for every answer of the target.
    pub(crate) fn hidden(&self) -> Hidden {
        let Self { users, groups } = self;
        Hidden {
            texts: Vec::new(),
            in_data: !(users.is_empty() && groups.is_empty()),
        }
    }

    /// What the target may repeat when it answers an action, of what it gets with it and of what the
    /// link of the object says that it has.
    pub(crate) fn hidden_in_action(&self, action: &Action, link: Option<&Link>) -> Hidden {
        let paths = self.of_kind(action.subject().kind);
        let mut hidden = self.hidden();
        if let Some(link) = link {
            hidden.add_map(paths, &link.sent);
        }
        match action {
            Action::Create {
                attributes, keys, ..
            } => {
                hidden.add_map(paths, attributes);
                hidden.add_keys(paths, keys);
            }
            Action::Adopt {
                key,
                current,
                changes,
                ..
            } => {
                hidden.add_keys(paths, std::slice::from_ref(key));
                hidden.add_map(paths, current);
                hidden.add_changes(paths, changes);
            }
            Action::Update { changes, .. }
            | Action::Enable { changes, .. }
            | Action::Disable { changes, .. } => hidden.add_changes(paths, changes),
            Action::Delete { .. }
            | Action::AddMembers { .. }
            | Action::RemoveMembers { .. }
            | Action::SetReference { .. } => {}
        }
        hidden.in_order()
    }

    /// What the target may repeat of a look-up by these keys.
    pub(crate) fn hidden_in_keys(&self, kind: ObjectKind, keys: &[MatchKey]) -> Hidden {
        let mut hidden = self.hidden();
        hidden.add_keys(self.of_kind(kind), keys);
        hidden.in_order()
    }
}

fn marked(rules: &Rules) -> BTreeSet<TargetPath> {
    let marked = rules
        .mappings
        .iter()
        .filter(|mapping| match &mapping.source {
            Source::Expression(expression) => expression.uses("Redact"),
            Source::Attribute(_) | Source::Constant(_) | Source::None => false,
        });
    marked.map(|mapping| mapping.target.clone()).collect()
}

fn hide_in_action(paths: &BTreeSet<TargetPath>, action: &mut Action) {
    match action {
        Action::Create {
            subject: _,
            attributes,
            references,
            keys,
            via: _,
        } => {
            hide_in_map(paths, attributes);
            for (path, referenced) in references {
                if paths.contains(path) {
                    *referenced = somebody();
                }
            }
            keys.iter_mut().for_each(|key| hide_in_key(paths, key));
        }
        Action::Adopt {
            subject: _,
            target: _,
            key,
            current,
            changes,
            via: _,
        } => {
            hide_in_key(paths, key);
            hide_in_map(paths, current);
            hide_in_changes(paths, changes);
        }
        Action::Update {
            subject: _,
            target: _,
            changes,
        }
        | Action::Enable {
            subject: _,
            target: _,
            changes,
        }
        | Action::Disable {
            subject: _,
            target: _,
            changes,
            why: _,
        } => hide_in_changes(paths, changes),
        Action::SetReference {
            subject: _,
            target: _,
            path,
            old,
            new,
        } if paths.contains(path) => {
            *old = old.as_ref().map(|_| nobody());
            *new = new.as_ref().map(|_| somebody());
        }
        Action::SetReference { .. }
        | Action::Delete { .. }
        | Action::AddMembers { .. }
        | Action::RemoveMembers { .. } => {}
    }
}

fn hide_in_map(paths: &BTreeSet<TargetPath>, values: &mut BTreeMap<TargetPath, Value>) {
    for (_, value) in values.iter_mut().filter(|(path, _)| paths.contains(path)) {
        *value = Value::text(REDACTED);
    }
}

fn hide_in_key(paths: &BTreeSet<TargetPath>, key: &mut MatchKey) {
    if paths.contains(&key.path) {
        key.value = Value::text(REDACTED);
    }
}

/// That there is a value, and that it changes, stays visible.
fn hide_in_changes(paths: &BTreeSet<TargetPath>, changes: &mut [Change]) {
    for change in changes {
        if paths.contains(&change.path) {
            let hide = |side: &Option<Value>| side.as_ref().map(|_| Value::text(REDACTED));
            (change.old, change.new) = (hide(&change.old), hide(&change.new));
        }
    }
}

/// What stands for the id of an object that is not shown.
fn nobody() -> SourceId {
    SourceId::new(REDACTED)
}

fn somebody() -> Referenced {
    Referenced {
        source: nobody(),
        target: None,
    }
}

/// A reviewed plan as reports see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShownReview<'a>(&'a Review);

impl<'a> ShownReview<'a> {
    pub(crate) fn new(review: &'a Review) -> Self {
        Self(review)
    }

    pub(crate) fn job(self) -> &'a JobName {
        &self.0.cleared.plan().job
    }

    pub(crate) fn evaluated(self) -> Count {
        self.0.cleared.plan().evaluated
    }

    pub(crate) fn in_scope(self) -> Count {
        self.0.cleared.plan().in_scope
    }

    pub(crate) fn linked(self) -> Count {
        self.0.cleared.plan().linked
    }

    pub(crate) fn incomplete(self) -> Option<&'a String> {
        self.0.cleared.plan().incomplete.as_ref()
    }

    /// Whether nothing is to be done; there may be something that is held.
    pub(crate) fn is_empty(self) -> bool {
        self.0.cleared.plan().is_empty()
    }

    pub(crate) fn actions(self) -> impl Iterator<Item = Shown<'a, Action>> {
        let plan = self.0.cleared.plan();
        plan.actions().map(|action| plan.redactions.action(action))
    }

    pub(crate) fn skipped(self) -> impl Iterator<Item = Shown<'a, Skipped>> {
        let plan = self.0.cleared.plan();
        let skipped = plan.skipped();
        skipped.map(|skipped| plan.redactions.skipped(skipped))
    }

    /// Why removals are held, and which.
    pub(crate) fn held(self) -> Option<(WhyHeld, Vec<Shown<'a, Action>>)> {
        let redactions = &self.0.cleared.plan().redactions;
        self.0.held.as_ref().map(|held| {
            let actions = held.actions.iter();
            let actions = actions.map(|action| redactions.action(action));
            (held.why, actions.collect())
        })
    }

    /// Everybody whom the plan is about.
    pub(crate) fn subjects(self) -> impl Iterator<Item = &'a Subject> {
        let plan = self.0.cleared.plan();
        let held = self.0.held.iter().flat_map(|held| &held.actions);
        let acted_on = plan.actions().chain(held).map(Action::subject);
        acted_on.chain(plan.skipped().map(|skipped| &skipped.subject))
    }
}

/// What is taken out of the target's words: what was sent to it, or looked for, and is not shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hidden {
    texts: Vec<String>,
    /// Whether resources that the target shows may hold more of that.
    in_data: bool,
}

/// A shorter text is taken out only where it stands as a word of its own: "a" is in every sentence.
const SHORT: usize = 4;

impl Hidden {
    /// Whether the job hides anything, so that no answer may be quoted that may be a resource.
    pub(crate) fn is_in_data(&self) -> bool {
        self.in_data
    }

    /// The words with [`REDACTED`] for each of the texts, in any case: targets fold it.
    pub(crate) fn take_out<'t>(&self, words: &'t str) -> Cow<'t, str> {
        if self.texts.is_empty() {
            return Cow::Borrowed(words);
        }
        let mut clean = String::with_capacity(words.len());
        let mut before = None;
        let mut rest = words;
        while let Some(first) = rest.chars().next() {
            let found = self.texts.iter().find_map(|text| {
                let end = folded_prefix(rest, text)?;
                let is_word = !(is_letter(before) || is_letter(rest[end..].chars().next()));
                (is_word || text.chars().count() >= SHORT).then_some(end)
            });
            let (end, kept) = match found {
                Some(end) => (end, REDACTED),
                None => (first.len_utf8(), &rest[..first.len_utf8()]),
            };
            clean.push_str(kept);
            before = rest[..end].chars().next_back();
            rest = &rest[end..];
        }
        Cow::Owned(clean)
    }

    fn add_map(&mut self, paths: &BTreeSet<TargetPath>, values: &BTreeMap<TargetPath, Value>) {
        let values = values.iter().filter(|(path, _)| paths.contains(path));
        values.for_each(|(_, value)| self.add(value));
    }

    fn add_keys(&mut self, paths: &BTreeSet<TargetPath>, keys: &[MatchKey]) {
        let keys = keys.iter().filter(|key| paths.contains(&key.path));
        keys.for_each(|key| self.add(&key.value));
    }

    fn add_changes(&mut self, paths: &BTreeSet<TargetPath>, changes: &[Change]) {
        for change in changes.iter().filter(|one| paths.contains(&one.path)) {
            let sides = change.old.iter().chain(&change.new);
            sides.for_each(|value| self.add(value));
        }
    }

    fn add(&mut self, value: &Value) {
        match value {
            Value::Text(text) => self.add_text(text),
            Value::Integer(number) => self.add_text(&number.to_string()),
            Value::List(values) => values.iter().for_each(|value| self.add(value)),
            Value::Object(members) => members.values().for_each(|value| self.add(value)),
            // One of two values is no secret that a word could tell; references are sent as the
            // target's own ids.
            Value::Boolean(_) | Value::Reference(_) => {}
        }
    }

    fn add_text(&mut self, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        self.texts.push(text.to_owned());
        // As it stands in a body that is quoted because it is no error message of SCIM.
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
        if escaped != text {
            self.texts.push(escaped);
        }
    }

    /// The longest first: what it holds must not be left of it.
    fn in_order(mut self) -> Self {
        self.texts
            .sort_by(|one, two| two.len().cmp(&one.len()).then_with(|| one.cmp(two)));
        self.texts.dedup();
        self
    }
}

fn is_letter(character: Option<char>) -> bool {
    character.is_some_and(char::is_alphanumeric)
}

/// Where `text` ends in `words`, when they begin with it in any case.
fn folded_prefix(words: &str, text: &str) -> Option<usize> {
    let mut given = words.char_indices();
    for wanted in text.chars() {
        let (_, found) = given.next()?;
        if found != wanted && !found.to_lowercase().eq(wanted.to_lowercase()) {
            return None;
        }
    }
    Some(given.offset())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(texts: &[&str]) -> Hidden {
        let mut hidden = Hidden::default();
        texts
            .iter()
            .for_each(|text| hidden.add(&Value::text(*text)));
        hidden.in_order()
    }

    #[test]
    fn the_words_of_a_target_lose_what_is_hidden_whatever_its_case() {
        for (texts, words, expected) in [
            (&["E-0815"][..], "'e-0815' is taken", "'[Redact]' is taken"),
            (&["E-0815"], "xE-08151", "x[Redact]1"),
            (&["Ärmel"], "no ÄRMEL, no ärmel", "no [Redact], no [Redact]"),
            (
                &["a"],
                "a value (A) of many",
                "[Redact] value ([Redact]) of many",
            ),
            (&["7"], "7, 77 and id7", "[Redact], 77 and id7"),
            (&["Smith", "Jane Smith"], "Jane Smith", "[Redact]"),
            (
                &["say \"hi\""],
                r#"{"v":"say \"hi\""}"#,
                r#"{"v":"[Redact]"}"#,
            ),
            (&[" "], "plain words", "plain words"),
            (&["[Redact]"], "[Redact] stays", "[Redact] stays"),
        ] {
            assert_eq!(hidden(texts).take_out(words), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_longer_text_survives(
            before in "[ -~]{0,10}", text in "[b-z0-9äß-]{4,12}", after in "[ -~]{0,10}"
        ) {
            let words = format!("{before}{text}{after}");
            let clean = hidden(&[&text]).take_out(&words).replace(REDACTED, "\u{0}");
            proptest::prop_assert!(!clean.contains(&text));
        }
    }
}

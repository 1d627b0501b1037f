//! What the two renderers are given where the engine has no type of its own for it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::entry::{Entry, Line};
use crate::engine::guard::{LimitUse, WhyHeld};
use crate::engine::model::{HeldReference, JobName, Key, ObjectKind, SourceId};
use crate::engine::plan::{Action, Header, Operation, Skipped, Step, Subject, Totals};
use crate::engine::predict::Refusal;
use crate::engine::record::{CycleRecord, JobRecord, LogEntry};
use crate::engine::redact::{REDACTED, Shown};
use crate::engine::summary::{CycleKind, Requests};

/// A judged plan, and what it took to make it.
#[derive(Clone, Copy)]
pub(crate) struct PlanView<'a> {
    pub(crate) job: &'a JobName,
    pub(crate) header: &'a Header,
    pub(crate) totals: &'a Totals,
    /// Actions that the target would refuse, as far as that can be known.
    pub(crate) refusals: &'a [Refusal],
    /// Why removals are held; empty when none is.
    pub(crate) held: &'a [WhyHeld],
    pub(crate) limits: &'a [LimitUse],
    pub(crate) kind: CycleKind,
    pub(crate) requests: Requests,
    /// Requests to the target in a second at most, where the job limits them.
    pub(crate) rate: Option<f64>,
    pub(crate) rows: &'a dyn Rows,
    /// When it was made.
    pub(crate) made: DateTime<Utc>,
    /// What it was compared with: what both do is left out.
    pub(crate) against: Option<&'a Against<'a>>,
    /// What stood in for the tenant.
    pub(crate) snapshot: Option<&'a SnapshotNote>,
}

/// A snapshot of the tenant that a plan was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SnapshotNote {
    /// `None`: a reading that was just made.
    pub(crate) file: Option<String>,
    pub(crate) made: DateTime<Utc>,
    pub(crate) redacted: bool,
    /// Changes of the directory that are supposed.
    pub(crate) what_if: Vec<String>,
    /// Targets were not asked.
    pub(crate) without_target: bool,
}

/// Another configuration, or the directory as it is, of which a plan was made too.
#[derive(Clone, Copy)]
pub(crate) struct Against<'a> {
    pub(crate) name: &'a str,
    /// What only that plan would do, in words.
    pub(crate) only_there: &'a [String],
    /// Objects that only that plan skips, and does nothing else with, in words.
    pub(crate) skipped_there: &'a [String],
    pub(crate) there: &'a dyn There,
}

impl Against<'_> {
    /// What only that plan has, in words.
    pub(super) fn all_there(&self) -> impl Iterator<Item = &String> {
        self.only_there.iter().chain(self.skipped_there)
    }
}

/// The other plan, where it does the same to an object, with other values.
pub(crate) trait There {
    /// What stands under its entry.
    fn lines(&self, action: &Action) -> io::Result<Option<Vec<Line>>>;

    /// The members that it adds to, or removes from, a group whose members this plan changes likewise.
    fn members(&self, action: &Action) -> Option<&BTreeSet<SourceId>>;
}

impl PlanView<'_> {
    /// An action as an entry. Where the other plan has it too, with the attributes in which they differ.
    pub(super) fn entry<'e>(&self, action: &'e Shown<'_, Action>) -> io::Result<Entry<'e>> {
        let mut entry = Entry::of_action(action, Names::Rows(self.rows));
        if let Some(Against { name, there, .. }) = self.against
            && let Some(lines) = there.lines(action)?
        {
            entry.compare(lines, name);
        }
        if let Some(Against { name, there, .. }) = self.against
            && let Some(members) = there.members(action)
        {
            entry.compare_members(action, members, name, Names::Rows(self.rows));
        }
        Ok(entry)
    }
}

/// One cycle that ran, as it is on record.
#[derive(Clone, Copy)]
pub(crate) struct CycleReport<'a> {
    pub(crate) job: &'a JobName,
    pub(crate) cycle: &'a CycleRecord,
    pub(crate) entries: &'a dyn Entries,
    /// What the saved plan predicted that it carried out.
    pub(crate) predicted: Option<&'a Predicted>,
}

/// Why the target would refuse actions: kind and id of the object, and the action.
pub(crate) type Predicted = BTreeMap<(ObjectKind, SourceId, String), String>;

impl CycleReport<'_> {
    /// What is on record of an action, next to what was predicted.
    pub(super) fn entry<'e>(&self, logged: &'e LogEntry, names: Names<'_>) -> Option<Entry<'e>> {
        let mut entry = Entry::of_logged(logged, names)?;
        if let Some(predicted) = self.predicted {
            entry.note_prediction(prediction(predicted, logged));
        }
        Some(entry)
    }
}

pub(super) fn prediction<'p>(predicted: &'p Predicted, logged: &LogEntry) -> Option<&'p String> {
    let subject = logged.subject.as_ref()?;
    predicted.get(&(subject.kind, subject.id.clone(), logged.action.clone()))
}

/// All that came to an end in a cycle, read one after another, with what the objects are called.
pub(crate) trait Entries {
    fn each(&self, each: &mut dyn FnMut(&LogEntry, Names<'_>) -> io::Result<()>) -> io::Result<()>;

    fn about(&self, subject: &Subject) -> About;
}

/// What a page can be filtered by, in addition to what it shows: as far as it is known and may be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct About {
    /// Of a user.
    pub(crate) department: Option<String>,
    /// A user's groups, or the group itself.
    pub(crate) groups: Vec<String>,
}

/// The rows of a plan, read one after another: a plan may be larger than memory.
pub(crate) trait Rows {
    /// Passes each row of a part.
    fn each(
        &self,
        part: Part,
        order: Order,
        each: &mut dyn FnMut(PlanRow<'_>) -> io::Result<()>,
    ) -> io::Result<()>;

    /// Passes the actions that would be carried out, in the order of their names. Of an action that takes nothing
    /// away only `most` are passed in each step, and then how many more there are.
    fn folded(
        &self,
        most: usize,
        each: &mut dyn FnMut(Folded<'_>) -> io::Result<()>,
    ) -> io::Result<()>;

    /// The id and the label of a source object.
    fn name(&self, key: Key) -> Option<(SourceId, String)>;

    /// The label of a source object.
    fn name_of(&self, id: &SourceId) -> Option<String>;

    fn about(&self, subject: &Subject) -> About;
}

/// The parts of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Actions that would be carried out.
    Cleared,
    /// Removals that a limit holds.
    Held,
    Skipped,
}

/// The order of a plan's rows. Objects that are skipped have but one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// In which the rows are carried out.
    Execution,
    /// For people: step by step, and in a step by action and name.
    Name,
}

pub(crate) enum PlanRow<'r> {
    /// With the step in which it is carried out.
    Action(&'r Shown<'r, Action>, Step),
    Skipped(&'r Shown<'r, Skipped>),
}

/// The actions of a plan where a long list is cut.
pub(crate) enum Folded<'r> {
    Action(&'r Shown<'r, Action>, Step),
    /// So many more of the same action in the step.
    More(u64),
}

/// One job, from the configuration and the local state alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JobStatus {
    pub(crate) job: JobName,
    pub(crate) enabled: bool,
    /// `None` when no service runs, the job is disabled, or its schedule names no future time.
    pub(crate) next: Option<DateTime<Utc>>,
    /// The first wait after which the service tries again what failed; `None`: it waits for the next cycle.
    pub(crate) retries: Option<Duration>,
    pub(crate) record: JobRecord,
}

/// What other objects are called in a report.
#[derive(Clone, Copy)]
pub(crate) enum Names<'a> {
    /// By the names that are known of numbers.
    Numbered(&'a dyn Fn(Key) -> Option<(SourceId, String)>),
    /// By the names that are known of ids and of numbers.
    Both(
        &'a dyn Fn(&SourceId) -> Option<String>,
        &'a dyn Fn(Key) -> Option<(SourceId, String)>,
    ),
    /// By the names that a plan's rows come with.
    Rows(&'a dyn Rows),
}

impl Names<'_> {
    /// The object's label, or its id when it has no label that we know.
    pub(crate) fn name(&self, id: &SourceId) -> String {
        let label = match self {
            Self::Numbered(_) => None,
            Self::Both(known, _) => known(id),
            Self::Rows(rows) => rows.name_of(id),
        };
        label
            .filter(|label| !label.is_empty())
            .unwrap_or_else(|| id.to_string())
    }

    /// What a reference in the target leads to: its name where it is ours, else the target's id.
    pub(crate) fn held(&self, held: &HeldReference) -> String {
        let source = held.source.as_ref();
        source.map_or_else(|| held.target.to_string(), |source| self.name(source))
    }

    /// The id and the label of an object that is known by its number. The number 0 stands for an object
    /// that is not shown.
    pub(crate) fn referenced(&self, key: Key) -> (String, String) {
        if key == Key::default() {
            return (REDACTED.to_owned(), REDACTED.to_owned());
        }
        let named = match self {
            Self::Numbered(known) | Self::Both(_, known) => known(key),
            Self::Rows(rows) => rows.name(key),
        };
        match named {
            Some((id, label)) if label.is_empty() => (id.to_string(), id.to_string()),
            Some((id, label)) => (id.to_string(), label),
            None => (String::new(), "another object".to_owned()),
        }
    }

    /// The label alone.
    pub(crate) fn label(&self, key: Key) -> String {
        self.referenced(key).1
    }
}

/// How many objects each operation concerns, by its name. Every operation has a number, also when it
/// is 0.
pub(super) fn totals(totals: &Totals) -> BTreeMap<&'static str, u64> {
    let mut all = BTreeMap::from(Operation::NAMES.map(|name| (name, 0)));
    all.extend(&totals.planned);
    all
}

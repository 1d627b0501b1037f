//! What the two renderers are given where the engine has no type of its own for it.

use std::collections::BTreeMap;
use std::io;

use chrono::{DateTime, Utc};

use crate::engine::guard::WhyHeld;
use crate::engine::model::{JobName, Key, SourceId};
use crate::engine::plan::{Action, Count, Header, Operation, Skipped, Subject, Totals};
use crate::engine::redact::{REDACTED, Shown};
use crate::engine::summary::{CycleKind, Requests};

/// A judged plan, and what it took to make it.
#[derive(Clone, Copy)]
pub(crate) struct PlanView<'a> {
    pub(crate) job: &'a JobName,
    pub(crate) header: &'a Header,
    pub(crate) totals: &'a Totals,
    pub(crate) held: Option<WhyHeld>,
    pub(crate) kind: CycleKind,
    pub(crate) requests: Requests,
    pub(crate) rows: &'a dyn Rows,
}

/// The rows of a plan, read one after another: a plan may be larger than memory.
pub(crate) trait Rows {
    /// Passes each row of a part, in the order in which the rows are carried out.
    fn each(
        &self,
        part: Part,
        each: &mut dyn FnMut(PlanRow<'_>) -> io::Result<()>,
    ) -> io::Result<()>;

    /// The id and the label of a source object.
    fn name(&self, key: Key) -> Option<(SourceId, String)>;

    /// The label of a source object.
    fn name_of(&self, id: &SourceId) -> Option<String>;
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

pub(crate) enum PlanRow<'r> {
    Action(&'r Shown<'r, Action>),
    Skipped(&'r Shown<'r, Skipped>),
}

/// A problem or a warning of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProblemView {
    pub(crate) file: String,
    /// Counted from 1, as columns are.
    pub(crate) line: Option<usize>,
    pub(crate) column: Option<usize>,
    /// The environment variable that the value came from, instead of the file.
    pub(crate) variable: Option<String>,
    /// Empty for the file as a whole.
    pub(crate) key: String,
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) remedy: String,
}

/// One step of Test Connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CheckView {
    pub(crate) what: String,
    /// What was seen, or the problem in words with its remedy.
    pub(crate) result: Result<String, (String, Option<String>)>,
}

/// One job's state, from the local state file alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JobView {
    pub(crate) job: JobName,
    pub(crate) enabled: bool,
    pub(crate) linked: Count,
    /// Objects marked for evaluation.
    pub(crate) pending: Count,
    pub(crate) in_escrow: Count,
    /// The first of them.
    pub(crate) escrow: Vec<EscrowView>,
    pub(crate) held: Option<HeldView>,
    pub(crate) last: Option<CycleView>,
    /// `None` when the job is disabled, or its schedule names no future time.
    pub(crate) next: Option<DateTime<Utc>>,
    /// The next cycle evaluates everything.
    pub(crate) full_evaluation: bool,
}

/// An object whose last operation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EscrowView {
    pub(crate) subject: Subject,
    pub(crate) action: String,
    pub(crate) attempts: u32,
    pub(crate) first_failed: DateTime<Utc>,
    pub(crate) last_failed: DateTime<Utc>,
    pub(crate) message: String,
}

/// Removals that wait for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeldView {
    pub(crate) why: WhyHeld,
    pub(crate) since: DateTime<Utc>,
    /// By the word of the action.
    pub(crate) removals: BTreeMap<String, u64>,
}

/// A cycle on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CycleView {
    pub(crate) number: i64,
    pub(crate) kind: CycleKind,
    /// `running`, `succeeded` and so on.
    pub(crate) state: &'static str,
    pub(crate) started: DateTime<Utc>,
    pub(crate) finished: Option<DateTime<Utc>>,
    pub(crate) duration_ms: u64,
    pub(crate) evaluated: Count,
    pub(crate) in_scope: Count,
    pub(crate) done: BTreeMap<String, u64>,
    pub(crate) skipped: BTreeMap<String, u64>,
    pub(crate) failed: u64,
    pub(crate) not_tried: u64,
    pub(crate) requests: Requests,
    pub(crate) incomplete: Option<String>,
    pub(crate) error: Option<String>,
}

/// What other objects are called in a report.
#[derive(Clone, Copy)]
pub(crate) enum Names<'a> {
    /// By the names that are known of ids.
    Known(&'a dyn Fn(&SourceId) -> Option<String>),
    /// By the names that are known of numbers.
    Numbered(&'a dyn Fn(Key) -> Option<(SourceId, String)>),
    /// By the names that a plan's rows come with.
    Rows(&'a dyn Rows),
}

impl Names<'_> {
    /// The object's label, or its id when it has no label that we know.
    pub(crate) fn name(&self, id: &SourceId) -> String {
        let label = match self {
            Self::Numbered(_) => None,
            Self::Known(known) => known(id),
            Self::Rows(rows) => rows.name_of(id),
        };
        label
            .filter(|label| !label.is_empty())
            .unwrap_or_else(|| id.to_string())
    }

    /// The id and the label of an object that is known by its number. The number 0 stands for an object
    /// that is not shown.
    pub(crate) fn referenced(&self, key: Key) -> (String, String) {
        if key == Key::default() {
            return (REDACTED.to_owned(), REDACTED.to_owned());
        }
        let named = match self {
            Self::Known(_) => None,
            Self::Numbered(known) => known(key),
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

//! What the two renderers are given where the engine has no type of its own for it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::engine::guard::WhyHeld;
use crate::engine::model::{JobName, SourceId};
use crate::engine::plan::{Action, Count, Operation, Subject};
use crate::engine::redact::{Shown, ShownReview};
use crate::engine::summary::{CycleKind, Requests};

/// A reviewed plan, and what it took to make it.
pub(crate) struct PlanView<'a> {
    pub(crate) review: ShownReview<'a>,
    pub(crate) kind: CycleKind,
    pub(crate) requests: Requests,
    /// Names of objects that the plan mentions without changing them, such as members.
    pub(crate) known: &'a dyn Fn(&SourceId) -> Option<String>,
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

/// Names for ids: first those of the plan itself, then what the state knows.
pub(crate) struct Names<'a> {
    of_plan: BTreeMap<&'a SourceId, &'a str>,
    known: &'a dyn Fn(&SourceId) -> Option<String>,
}

impl<'a> Names<'a> {
    /// Knows nobody: every object is called by its id.
    pub(crate) fn none() -> Self {
        Self {
            of_plan: BTreeMap::new(),
            known: &|_| None,
        }
    }

    /// Knows whom the state knows.
    pub(crate) fn knowing(known: &'a dyn Fn(&SourceId) -> Option<String>) -> Self {
        Self {
            of_plan: BTreeMap::new(),
            known,
        }
    }

    pub(crate) fn new(view: &PlanView<'a>) -> Self {
        let subjects = view.review.subjects();
        Self {
            of_plan: subjects
                .map(|subject| (&subject.id, subject.label.as_str()))
                .collect(),
            known: view.known,
        }
    }

    /// The object's name, or its id when it has none that we know.
    pub(crate) fn name(&self, id: &SourceId) -> String {
        match self.of_plan.get(id) {
            Some(name) => (*name).to_owned(),
            None => (self.known)(id).unwrap_or_else(|| id.to_string()),
        }
    }
}

/// How many objects each operation concerns, by its name; membership actions count their members.
/// Every operation has a number, also when it is 0.
pub(super) fn totals<'a>(
    actions: impl Iterator<Item = Shown<'a, Action>>,
) -> BTreeMap<&'static str, u64> {
    let mut totals = BTreeMap::from(Operation::NAMES.map(|name| (name, 0)));
    for action in actions {
        *totals.entry(action.as_str()).or_default() += action.weight();
    }
    totals
}

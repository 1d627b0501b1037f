//! What the two renderers are given where the engine has no type of its own for it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::engine::guard::{Review, WhyHeld};
use crate::engine::model::{JobName, SourceId};
use crate::engine::plan::{Action, Count};
use crate::engine::summary::{CycleKind, Requests};

/// A reviewed plan, and what it took to make it.
pub(crate) struct PlanView<'a> {
    pub(crate) review: &'a Review,
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
    pub(crate) result: Result<String, (String, String)>,
}

/// One job's state, from the local state file alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JobView {
    pub(crate) job: JobName,
    pub(crate) enabled: bool,
    pub(crate) linked: Count,
    /// Objects whose last operation failed.
    pub(crate) escrow: u64,
    pub(crate) held: Option<(Option<WhyHeld>, u64)>,
    /// A cycle was begun and has not ended: it runs, or was cut short.
    pub(crate) running_since: Option<DateTime<Utc>>,
    pub(crate) last: Option<LastCycle>,
    pub(crate) next: Option<DateTime<Utc>>,
}

/// The last cycle that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LastCycle {
    pub(crate) cycle: i64,
    pub(crate) kind: Option<CycleKind>,
    pub(crate) started: DateTime<Utc>,
    pub(crate) ended: Option<DateTime<Utc>>,
    /// One line: how it ended.
    pub(crate) result: String,
}

/// Names for ids: first those of the plan itself, then what the state knows.
pub(crate) struct Names<'a> {
    of_plan: BTreeMap<&'a SourceId, &'a str>,
    known: &'a dyn Fn(&SourceId) -> Option<String>,
}

impl<'a> Names<'a> {
    pub(crate) fn new(view: &PlanView<'a>) -> Self {
        let plan = view.review.cleared.plan();
        let held = view.review.held.iter().flat_map(|held| &held.actions);
        let subjects = plan
            .actions()
            .chain(held)
            .map(Action::subject)
            .chain(plan.skipped().map(|skipped| &skipped.subject));
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

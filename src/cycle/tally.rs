//! The tally: what carrying out a plan came to, counted as outcomes come.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::model::Key;
use crate::engine::outcome::{Class, Failure, Outcome, Status};
use crate::engine::quarantine::Cause;
use crate::engine::summary::{FailedObject, Summary};

/// What carrying out a plan came to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) done: BTreeMap<&'static str, u64>,
    pub(super) failures: Vec<FailedObject>,
    pub(super) failed: u64,
    pub(super) not_tried: u64,
    pub(super) aborted: Option<String>,
    /// The target refuses the credential.
    pub(super) refused: Option<Cause>,
    /// Operations that did what they were to do.
    pub(super) succeeded: u64,
    /// Objects of which something failed.
    pub(super) failing: BTreeSet<Key>,
    /// Every row of the plan was tried.
    pub(super) reached_end: bool,
    /// Objects whose evaluation did not come to its end.
    pub(super) unfinished: BTreeSet<Key>,
}

impl Tally {
    /// The same with what came of a plan that was made later in the cycle.
    pub(super) fn and(mut self, later: Self) -> Self {
        let Self {
            done,
            failures,
            failed,
            not_tried,
            aborted,
            unfinished,
            reached_end,
            refused,
            succeeded,
            failing,
        } = later;
        self.failing.extend(failing);
        self.refused = self.refused.or(refused);
        self.succeeded += succeeded;
        for (word, count) in done {
            *self.done.entry(word).or_default() += count;
        }
        self.failures.extend(failures);
        self.failures.truncate(Summary::MAX_FAILURES);
        self.failed += failed;
        self.not_tried += not_tried;
        self.aborted = self.aborted.or(aborted);
        self.unfinished.extend(unfinished);
        self.reached_end &= reached_end;
        self
    }

    pub(super) fn count(&mut self, outcome: &Outcome) {
        let Outcome {
            action,
            at: _,
            duration_ms: _,
            requests: _,
            method: _,
            status,
        } = outcome;
        let subject = &action.subject;
        let failure = match status {
            Status::Done { .. } => {
                self.succeeded += 1;
                let left_out = action.unresolved();
                *self.done.entry(action.done()).or_default() += action.weight() - left_out;
                // What is not in the target any more needs not be taken out.
                if left_out > 0 && !action.is_removal() {
                    self.not_tried += left_out;
                    self.unfinished.insert(subject.key);
                }
                return;
            }
            Status::Met { .. } => {
                self.succeeded += 1;
                *self.done.entry("adopt").or_default() += 1;
                self.unfinished.insert(subject.key);
                return;
            }
            Status::NotTried(_) => {
                self.not_tried += action.weight();
                self.unfinished.insert(subject.key);
                return;
            }
            // The rows that follow it count, or it counts once it was tried.
            Status::Followed(_) | Status::Postponed => return,
            Status::Vanished => Failure {
                class: Class::Gone,
                http_status: Some(404),
                message:
                    "the object is gone from the target; it is matched again in the next cycle"
                        .to_owned(),
                unconfirmed: false,
            },
            Status::Failed(failure) => failure.clone(),
            Status::LeftOut { paths, failure } => failure.leaving_out(paths),
        };
        self.unfinished.insert(subject.key);
        self.failing.insert(subject.key);
        self.failed += 1;
        if self.failures.len() < Summary::MAX_FAILURES {
            self.failures.push(FailedObject {
                subject: subject.clone(),
                action: action.as_str(),
                failure,
            });
        }
    }
}

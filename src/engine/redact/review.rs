//! A reviewed plan as reports see it: they are given nothing else.

use super::Shown;
use crate::engine::guard::{Review, WhyHeld};
use crate::engine::model::JobName;
use crate::engine::names::Misnamed;
use crate::engine::plan::{Action, Count, Skipped, Subject, Warning};

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

    pub(crate) fn misnamed(self) -> &'a [Misnamed] {
        &self.0.cleared.plan().misnamed
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

    /// They hold names alone, and those come from the source.
    pub(crate) fn warnings(self) -> &'a [Warning] {
        &self.0.cleared.plan().warnings
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
        let acted_on = plan.actions().chain(held).map(|action| &action.subject);
        acted_on.chain(plan.skipped().map(|skipped| &skipped.subject))
    }
}

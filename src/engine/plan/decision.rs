//! What the planner decides about one object after another, and what it says of the plan as a whole.

use std::collections::BTreeMap;

use super::{Action, Count, RemovalClass, Skipped, Step, Warning};
use crate::engine::model::{Key, TargetId};
use crate::engine::names::Misnamed;
use crate::engine::record::Staged;

/// One thing that the planner decided. The cycle takes them out chunk by chunk; nothing holds them all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Act(Draft),
    Skip(Skipped),
    /// A link whose scope verdict is another than last time.
    Scope {
        key: Key,
        in_scope: bool,
    },
    /// The object must be evaluated again, whatever comes of this plan.
    Postpone(Key),
    /// The rows of an object in this step give up a name that others take: they come before.
    First {
        key: Key,
        from: Step,
        rank: u32,
    },
    /// An object takes a name that another gives up in this plan.
    Needs {
        taker: Key,
        giver: Key,
    },
    /// An object that wants a name of one that wants its own: its other changes go without it.
    Split {
        key: Key,
        step: Step,
    },
    /// A disable that was drafted is part of another row.
    Withdraw(Key),
    /// Members that an adopted group has already.
    ExistingMembers {
        group: Key,
        members: Vec<Key>,
    },
}

/// A row of the plan before it is judged. Rows are carried out by step, rank and key, then as drafted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) action: Action,
    pub(crate) rank: u32,
    /// `None` for what takes nothing away.
    pub(crate) class: Option<RemovalClass>,
}

impl Draft {
    pub(crate) fn new(action: Action, rank: u32) -> Self {
        Self {
            class: action.removal_class(),
            action,
            rank,
        }
    }
}

/// How many removals of a class a plan has. Membership removals count their members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClassTotal {
    /// Those that no approval covers.
    pub(crate) planned: u64,
    pub(crate) approved: u64,
}

/// The rows of a plan, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Objects of rows that are not held, by the operation's name; memberships count their members.
    pub(crate) planned: BTreeMap<&'static str, u64>,
    /// All removals, held or not.
    pub(crate) removals: BTreeMap<RemovalClass, ClassTotal>,
    /// Rows that are held.
    pub(crate) held: u64,
    /// Skipped objects that do not count as failed, by [`super::Why::word`].
    pub(crate) skipped: BTreeMap<&'static str, u64>,
    /// Skipped objects that count as failed.
    pub(crate) failing: u64,
}

impl Totals {
    /// Whether no row would be carried out; some may be held.
    pub(crate) fn is_empty(&self) -> bool {
        self.planned.values().all(|count| *count == 0)
    }
}

impl Header {
    /// The same with what holds for objects that were planned later in the cycle.
    #[must_use]
    pub(crate) fn and(mut self, later: Self) -> Self {
        let Self {
            evaluated,
            in_scope,
            linked: _,
            scope_before: _,
            scope_after: _,
            incomplete,
            complete,
            application_changed,
            strangers,
            misnamed: _,
            staged,
            warnings,
        } = later;
        self.evaluated = self.evaluated.and(evaluated);
        self.in_scope = self.in_scope.and(in_scope);
        self.incomplete = self.incomplete.or(incomplete);
        self.complete &= complete;
        self.application_changed |= application_changed;
        self.strangers = self.strangers.or(strangers);
        self.staged = staged.or(self.staged);
        self.warnings.extend(warnings);
        self
    }
}

/// Active target accounts that belong to no user in scope, such as those of users who left while there was
/// no state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Strangers {
    pub(crate) count: u64,
    /// The first [`Strangers::MAX_NAMED`] of them, by id and name.
    pub(crate) first: Vec<(TargetId, String)>,
}

impl Strangers {
    pub(crate) const MAX_NAMED: usize = 100;
}

/// What a plan says in addition to its rows: its header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    /// How many were evaluated.
    pub(crate) evaluated: Count,
    /// How many of those evaluated are in scope.
    pub(crate) in_scope: Count,
    /// How many links the job had before.
    pub(crate) linked: Count,
    /// Links in scope before this plan, and once it is carried out; evaluated or not.
    pub(crate) scope_before: Count,
    pub(crate) scope_after: Count,
    /// Why some removals could not be derived; `None` when the reading was complete and the scope
    /// certain.
    pub(crate) incomplete: Option<String>,
    /// Whether every removal was derived that the source has reason for, but for those postponed.
    pub(crate) complete: bool,
    /// The job's application is another than the one that the links were made for: all removals are held.
    pub(crate) application_changed: bool,
    /// In the first cycle on a new state, the active accounts of no user in scope.
    pub(crate) strangers: Option<Strangers>,
    /// Names of the scope that do not mean exactly one object.
    pub(crate) misnamed: Vec<Misnamed>,
    /// Accounts that were disabled and are deleted after a time.
    pub(crate) staged: Option<Staged>,
    /// What a person should know and the plan does nothing about.
    pub(crate) warnings: Vec<Warning>,
}

//! Desired against current: the typed list of changes a cycle would make.

mod action;
mod decision;
mod difference;
mod drift;
mod left;
mod order;
mod parts;
mod planner;
mod proof;
mod rewritten;
#[cfg(test)]
mod tests;
mod why;

pub(crate) use action::{
    Action, Change, Count, ElementChange, HandOver, Operation, Pointer, Referenced, RemovalClass,
    Skipped, Step, Subject, Verb, Warning, Why, WhyOut, WhyRemoved, WriteMode,
};
pub(crate) use decision::{ClassTotal, Decision, Draft, Header, Strangers, Totals};
pub(crate) use difference::changes_again;
#[cfg(test)]
pub(crate) use difference::keep_shown_elements;
pub(crate) use drift::{
    Comparison, Difference, Drift, DriftRemedy, Drifted, Origins, members, origins,
};
pub(crate) use left::{WhyLeft, WhyMember};
pub(crate) use order::{Order, by_reference};
pub(crate) use parts::{Remedy, attributes, halves, members_apart, unit, without_refused};
pub(crate) use planner::{
    Candidate, Found, Manager, Member, Pending, Planner, Reading, Readings, Ripe, SentMember,
};
pub(crate) use proof::{Proof, is_blocked};
pub(crate) use rewritten::{is_form_of, is_made_by_target};

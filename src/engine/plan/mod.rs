//! Desired against current: the typed list of changes a cycle would make.

mod action;
mod difference;
mod order;
mod planner;
#[cfg(test)]
mod tests;

pub(crate) use action::{
    Action, Change, Count, ElementChange, Operation, Plan, Referenced, Skipped, Step, Subject,
    Verb, Warning, Why, WhyOut, WhyRemoved, WriteMode,
};
pub(crate) use planner::{Candidate, Found, Member, Membership, Planned, Planner};

//! Desired against current: the typed list of changes a cycle would make.

mod action;

pub(crate) use action::{
    Action, Change, Count, Element, Plan, Referenced, Skipped, Step, Subject, Verb, Why, WhyOut,
    WhyRemoved,
};

//! Text for people: plans, what a cycle did, checks, problems of the config, and the state of jobs.
//! Everything is printed; only members of groups and large numbers of objects that were not named are cut short.
//! One file for each thing that is printed; `json` has the same.

mod action;
mod approval;
mod check;
mod cycle;
mod done;
mod links;
mod plan;
mod problem;
mod skipped;
mod status;
mod style;
mod summary;
mod warning;

pub(super) use action::write_action;
pub(super) use approval::removal;
pub(crate) use approval::{accepted_move, backed_up, decided, nothing_held, restored};
pub(crate) use check::checks;
pub(crate) use done::cycle;
pub(crate) use links::{link, link_details, links, restarted, sides};
pub(crate) use plan::plan;
pub(crate) use problem::{invalid, problem, valid};
pub(crate) use skipped::skipped;
pub(crate) use status::status;
pub(crate) use style::Style;
pub(crate) use summary::{read_back, summary};

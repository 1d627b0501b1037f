//! JSON for machines: one document per command, written as it is serialised. The format is stable:
//! fields are added, never renamed or removed, while `"format"` stays 1. One file for each thing that
//! is written, as in `text`.

mod action;
mod approval;
mod check;
mod document;
mod done;
mod format;
mod harmless;
mod links;
mod misnamed;
mod plan;
mod problem;
mod skipped;
mod status;
mod summary;
mod value;
mod warning;
mod why;

pub(crate) use action::{action_json, canonical};
pub(crate) use approval::{accepted_move, backed_up, decided, restored};
pub(crate) use check::trial;
pub(crate) use document::{Document, error, summary};
pub(super) use format::FORMAT;
pub(crate) use harmless::Harmless;
pub(crate) use links::{Links, link, link_changed, links_imported, restarted};
pub(crate) use problem::problems;
pub(crate) use skipped::canonical_skip;
pub(super) use skipped::skipped_json;
pub(super) use status::cycle_json;
pub(crate) use value::time_json;
pub(super) use value::{subject_json, value_json};

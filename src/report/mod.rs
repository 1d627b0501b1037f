//! Plans and outcomes for people (text) and for machines (JSON). Every sentence a person reads about
//! them is here; nothing in it decides anything.
#![warn(clippy::wildcard_enum_match_arm)]

pub(crate) mod agents;
pub(crate) mod audit;
mod capabilities;
mod command;
pub(crate) mod configuration;
mod done;
mod drift;
pub(crate) mod entra_log;
mod entry;
pub(crate) mod eval;
pub(crate) mod explain;
mod held;
pub(crate) mod html;
pub(crate) mod json;
pub(crate) mod log;
pub(crate) mod markdown;
mod misnamed;
pub(crate) mod notice;
pub(crate) mod operator;
mod overview;
pub(crate) mod page;
pub(crate) mod parity;
pub(crate) mod period;
pub(crate) mod presets;
pub(crate) mod probe;
pub(crate) mod progress;
pub(crate) mod provision;
mod refusal;
mod section;
mod sentence;
pub(crate) mod source;
pub(crate) mod table;
#[cfg(test)]
mod tests;
pub(crate) mod text;
pub(crate) mod undo;
mod view;

pub(crate) use capabilities::{capabilities, learned, remark, remark_remedy};
pub(crate) use command::{argument, command, name_configuration};
pub(crate) use entry::{Line, lines, phrase};
pub(crate) use refusal::predicted;
pub(crate) use sentence::{
    EXPIRY_REMEDY, clean_lines, clocks_differ, doubts, expires, expires_soon, expiry, misnamed,
    misnamed_remedy, not_planned,
};
pub(crate) use view::{
    About, Against, CycleReport, Entries, Folded, JobStatus, Names, Order, Part, PlanRow, PlanView,
    Predicted, Rows, SnapshotNote, There,
};

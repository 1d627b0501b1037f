//! Plans and outcomes for people (text) and for machines (JSON). Every sentence a person reads about
//! them is here; nothing in it decides anything.
#![warn(clippy::wildcard_enum_match_arm)]

pub(crate) mod eval;
pub(crate) mod json;
pub(crate) mod log;
pub(crate) mod presets;
mod sentence;
#[cfg(test)]
mod tests;
pub(crate) mod text;
mod view;

pub(crate) use sentence::{
    clean_lines, doubts, expires, expires_soon, misnamed, misnamed_remedy, not_planned,
};
pub(crate) use view::{JobStatus, Names, Part, PlanRow, PlanView, Rows};

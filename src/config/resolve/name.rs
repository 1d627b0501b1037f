//! The names of jobs and sources.

use crate::config::problem::Log;
use crate::config::reader::Typed;

/// Most characters of a job's name.
const NAME_LENGTH: usize = 64;

pub(super) fn check_name(name: &Typed<String>, of: &str, log: &mut Log) {
    let text = &name.value;
    let is_plain = text
        .chars()
        .all(|c| c.is_alphanumeric() || "-_.".contains(c));
    if !is_plain || text.starts_with('-') || text.chars().count() > NAME_LENGTH {
        log.problem(name.place.problem(
            format!("{text:?} is not a valid {of} name"),
            format!("use at most {NAME_LENGTH} letters, digits, hyphens, dots and underscores"),
        ));
    }
}

//! Keys whose value is one of several words.

use crate::config::problem::{Log, suggest};
use crate::config::reader::Typed;

/// One of several words, or a problem that lists them.
pub(super) fn choose<T: Copy>(
    typed: &Typed<String>,
    words: &[(&str, T)],
    log: &mut Log,
) -> Option<T> {
    let found = words.iter().find(|(word, _)| *word == typed.value);
    if found.is_none() {
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        log.problem(typed.place.problem(
            format!("{:?} is not one of the allowed values", typed.value),
            suggest(&typed.value, &known),
        ));
    }
    found.map(|(_, value)| *value)
}

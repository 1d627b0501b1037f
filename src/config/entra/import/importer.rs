//! What an import knows while it goes on.

use crate::config::entra::{Left, wire};

pub(super) struct Importer<'s> {
    pub(super) schema: &'s wire::Schema,
    pub(super) left: Vec<Left>,
    /// Attributes that are not defined anywhere.
    pub(super) untyped: Vec<String>,
}

impl Importer<'_> {
    pub(super) fn leave(&mut self, place: &str, what: impl Into<String>, why: impl Into<String>) {
        self.left.push(Left {
            place: place.to_owned(),
            what: what.into(),
            why: why.into(),
        });
    }
}

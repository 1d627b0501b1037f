//! Names of source attributes as an export writes them.

use super::names::{self, to_directory};
use super::{Left, judge};
use crate::engine::model::ObjectKind;

/// The directory's name; one that its schema has no form for is reported.
pub(super) fn directory_name(
    kind: ObjectKind,
    name: &str,
    place: &str,
    left: &mut Vec<Left>,
) -> String {
    let found = to_directory(name);
    if !names::is_plain(found) {
        let section = judge::section(kind);
        left.push(Left {
            place: if place.starts_with(section) {
                place.to_owned()
            } else {
                format!("{section}, {place}")
            },
            what: name.to_owned(),
            why: "Entra's directory has no name for a part of an attribute; it is written as it is"
                .to_owned(),
        });
    }
    found.to_owned()
}

//! The shape of a target attribute.

use crate::config::choice::choose;
use crate::config::document::Place;
use crate::config::file;
use crate::config::problem::Log;
use crate::config::reader::Typed;
use crate::engine::model::schema::{self, Definition};
use crate::engine::model::{ObjectKind, TargetPath, TargetType, nearest};

/// What a mapping says of its target, or the RFC's schemas do.
pub(super) struct Shape {
    pub(super) target_type: TargetType,
    pub(super) multi_valued: bool,
    pub(super) case_exact: bool,
    pub(super) required: bool,
}

impl Shape {
    /// Whether the target can be asked who has a value there.
    pub(super) fn can_be_searched(&self) -> bool {
        match self.target_type {
            TargetType::String
            | TargetType::Boolean
            | TargetType::Integer
            | TargetType::DateTime
            | TargetType::Binary => !self.multi_valued,
            TargetType::Reference | TargetType::Complex => false,
        }
    }
}

pub(super) fn shape(
    kind: ObjectKind,
    path: &TargetPath,
    raw: &file::Mapping,
    place: &Place,
    log: &mut Log,
) -> Option<Shape> {
    let typed = match &raw.target_type {
        // The RFC writes dateTime; without its capital it cannot be misread.
        Some(text) if text.value == "datetime" => Some(TargetType::DateTime),
        Some(text) => Some(choose(text, TYPES, log)?),
        None => None,
    };
    let known = schema::definition(kind, path);
    let is_custom = path
        .schema()
        .is_some_and(|schema| schema != schema::ENTERPRISE_USER || kind != ObjectKind::User);
    if known.is_none() && !is_custom && typed.is_none() {
        let near = nearest(path.attribute(), schema::names(kind))
            .filter(|near| *near != path.attribute())
            .map(|near| format!("did you mean {near}? "))
            .unwrap_or_default();
        log.problem(place.problem(
            format!("SCIM defines no attribute {path} for {kind}s"),
            format!(
                "{near}If the target has this attribute, set its type, as in type = \"string\""
            ),
        ));
        return None;
    }
    let Definition {
        target_type,
        multi_valued,
        case_exact,
        required,
    } = known.unwrap_or(Definition {
        target_type: TargetType::String,
        multi_valued: false,
        case_exact: false,
        required: false,
    });
    let or = |typed: &Option<Typed<bool>>, known| typed.as_ref().map_or(known, |typed| typed.value);
    // `emails[type eq "work"]` is one element of the list.
    let multi_valued = multi_valued && path.selector().is_none();
    Some(Shape {
        target_type: typed.unwrap_or(target_type),
        multi_valued: or(&raw.multi_valued, multi_valued),
        case_exact: or(&raw.case_exact, case_exact),
        required: or(&raw.required, required),
    })
}

/// As RFC 7643 section 2.3 spells them.
const TYPES: &[(&str, TargetType)] = &[
    ("string", TargetType::String),
    ("boolean", TargetType::Boolean),
    ("integer", TargetType::Integer),
    ("dateTime", TargetType::DateTime),
    ("reference", TargetType::Reference),
    ("binary", TargetType::Binary),
    ("complex", TargetType::Complex),
];

pub(super) fn word(target_type: TargetType) -> &'static str {
    match target_type {
        TargetType::String => "text",
        TargetType::Boolean => "a Boolean",
        TargetType::Integer => "a whole number",
        TargetType::DateTime => "a date",
        TargetType::Reference => "a reference",
        TargetType::Binary => "binary data",
        TargetType::Complex => "an object with sub-attributes",
    }
}

//! Whether what an expression gives can fit its target at all. Only what never fits is a problem.

use std::collections::BTreeSet;

use super::shape::{Shape, word};
use crate::engine::expr::{self, Expression, Given};
use crate::engine::mapping::convert;
use crate::engine::model::source::{self, SourceType};
use crate::engine::model::{ObjectKind, TargetPath, TargetType, Value, is_whole_list, schema};

/// What the expression can give of objects of this kind; an error where a part of it always fails.
pub(super) fn gives(
    kind: ObjectKind,
    expression: &Expression,
) -> Result<BTreeSet<Given>, expr::Error> {
    expression.gives(&|name| of_attribute(kind, name))
}

fn of_attribute(kind: ObjectKind, name: &str) -> Given {
    let Ok(attribute) = source::attribute(kind, name) else {
        return Given::Unknown;
    };
    match (attribute.source_type, attribute.multi_valued) {
        (SourceType::Text, false) => Given::Text,
        (SourceType::Text, true) | (SourceType::Roles, _) => Given::Texts,
        (SourceType::Boolean, false) => Given::Boolean,
        (SourceType::DateTime, false) => Given::Date,
        (SourceType::Reference, false) => Given::Reference,
        (SourceType::Object, false) => Given::Object,
        (SourceType::Object, true) => Given::Objects,
        (SourceType::Boolean | SourceType::DateTime | SourceType::Reference, true)
        | (SourceType::Any, _) => Given::Unknown,
    }
}

/// A message and a remedy where nothing that is given fits.
pub(super) fn fits(
    kind: ObjectKind,
    given: &BTreeSet<Given>,
    path: &TargetPath,
    shape: &Shape,
) -> Result<(), (String, String)> {
    let Some(one) = given.first() else {
        return Ok(());
    };
    // Entra calls `roles` and its like text; to the RFC each element is an object.
    let takes_objects = is_whole_list(schema::definition(kind, path), path);
    let fits = |given: &Given| match given {
        Given::Object | Given::Objects if takes_objects && shape.multi_valued => true,
        given => fits_one(given, shape),
    };
    if given.iter().any(fits) {
        return Ok(());
    }
    let takes = word(shape.target_type);
    let message = format!(
        "the expression returns {}, but {path} takes {takes}",
        describe(one)
    );
    let is_list = given.iter().all(is_list);
    if is_list && !shape.multi_valued {
        let message = format!(
            "the expression returns {}, but {path} takes one value",
            describe(one)
        );
        let remedy = if given.contains(&Given::Objects) {
            "map an attribute that holds objects, such as roles"
        } else {
            "choose one with Item, or combine all with Join"
        };
        return Err((message, remedy.to_owned()));
    }
    let remedy = match shape.target_type {
        TargetType::Boolean => "return \"True\" or \"False\", as with IIF or CBool",
        TargetType::Integer => {
            "return a whole number, or set type = \"string\" if the target keeps text"
        }
        TargetType::DateTime => "return a date, or set type = \"string\" if the target keeps text",
        TargetType::Complex => "name a sub-attribute, such as emails[type eq \"work\"].value",
        TargetType::Reference => "return the reference itself, such as [manager]",
        TargetType::Binary => "return base64, as with ConvertToBase64",
        TargetType::String => "return text, or map another target attribute",
    };
    Err((message, remedy.to_owned()))
}

fn is_list(given: &Given) -> bool {
    match given {
        Given::Texts | Given::Objects | Given::Constant(Value::List(_)) => true,
        Given::Constant(_)
        | Given::Text
        | Given::Boolean
        | Given::Number
        | Given::Date
        | Given::Reference
        | Given::Object
        | Given::Unknown => false,
    }
}

fn fits_one(given: &Given, shape: &Shape) -> bool {
    use TargetType::{Binary, Boolean, Complex, DateTime, Integer, Reference, String};
    let target_type = shape.target_type;
    match given {
        Given::Unknown => true,
        Given::Constant(value) => convert(value.clone(), target_type, shape.multi_valued).is_ok(),
        Given::Texts if !shape.multi_valued => false,
        Given::Objects => shape.multi_valued && target_type == Complex,
        // Text may hold whatever can be read from it.
        Given::Text | Given::Texts => match target_type {
            String | Boolean | Integer | DateTime | Binary | Complex => true,
            Reference => false,
        },
        Given::Boolean => matches!(target_type, Boolean | String),
        Given::Number => matches!(target_type, Integer | String),
        Given::Date => matches!(target_type, DateTime | String),
        Given::Reference => matches!(target_type, Reference | String),
        Given::Object => target_type == Complex,
    }
}

fn describe(given: &Given) -> std::string::String {
    match given {
        Given::Constant(Value::Text(text)) => format!("{text:?}"),
        Given::Constant(Value::Integer(number)) => number.to_string(),
        Given::Constant(Value::Boolean(is)) => if *is { "True" } else { "False" }.to_owned(),
        Given::Constant(Value::List(_)) | Given::Texts => "a list".to_owned(),
        Given::Constant(Value::Object(_)) | Given::Object => "an object with members".to_owned(),
        Given::Constant(Value::Reference(_)) | Given::Reference => "a reference".to_owned(),
        Given::Text => "text".to_owned(),
        Given::Boolean => "a Boolean".to_owned(),
        Given::Number => "a number".to_owned(),
        Given::Date => "a date".to_owned(),
        Given::Objects => "a list of objects".to_owned(),
        Given::Unknown => "any value".to_owned(),
    }
}

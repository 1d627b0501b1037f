//! What a mapping must say of its target attribute, because the target's directory says otherwise than
//! the RFC's schemas.

use std::collections::BTreeMap;

use super::flow::Flow;
use super::tree::word;
use super::wire;
use crate::engine::expr::Expression;
use crate::engine::model::schema::{self, Definition};
use crate::engine::model::{ObjectKind, TargetPath, TargetType};

/// Functions whose values are objects.
pub(super) const ROLE_OBJECTS: [&str; 2] = [
    "AppRoleAssignmentsComplex",
    "AssertiveAppRoleAssignmentsComplex",
];

/// `None`: as the RFC says.
pub(super) struct Shape {
    pub(super) is_reference: bool,
    pub(super) target_type: Option<&'static str>,
    pub(super) multi_valued: Option<bool>,
    pub(super) case_exact: Option<bool>,
    pub(super) required: Option<bool>,
    /// The type in the schema, where there is no such type.
    pub(super) unknown_type: Option<String>,
    /// Whether the attribute is not defined anywhere, so that its type is a guess.
    pub(super) is_guessed: bool,
}

/// What the target's directory says of the attributes of one kind of object.
pub(super) struct Definitions<'s>(BTreeMap<TargetPath, &'s wire::AttributeDefinition>);

impl<'s> Definitions<'s> {
    pub(super) fn of(&self, path: &TargetPath) -> Option<&'s wire::AttributeDefinition> {
        self.0.get(path).copied()
    }
}

pub(super) fn definitions<'s>(
    schema: &'s wire::Schema,
    rule: &wire::Rule,
    mapping: &wire::ObjectMapping,
) -> Definitions<'s> {
    let is = |one: &Option<String>, other: &Option<String>| {
        one.is_some() && word(one.as_deref()) == word(other.as_deref())
    };
    let directories = schema.directories.iter();
    let mut objects = directories
        .filter(|directory| is(&directory.name, &rule.target_directory_name))
        .flat_map(|directory| &directory.objects);
    let object = objects.find(|object| is(&object.name, &mapping.target_object_name));
    let attributes = object.into_iter().flat_map(|object| &object.attributes);
    let by_path = attributes.filter_map(|attribute| {
        let path = TargetPath::parse(attribute.name.as_deref()?.trim()).ok()?;
        Some((path, attribute))
    });
    Definitions(by_path.collect())
}

pub(super) fn shape(
    kind: ObjectKind,
    path: &TargetPath,
    flow: &Flow,
    definition: Option<&wire::AttributeDefinition>,
) -> Shape {
    let known = schema::definition(kind, path);
    let usual = known.unwrap_or(Definition {
        target_type: TargetType::String,
        multi_valued: false,
        case_exact: false,
        required: false,
    });
    let is_extension = path
        .schema()
        .is_some_and(|urn| !(kind == ObjectKind::User && urn == schema::ENTERPRISE_USER));
    // The configuration takes the type of such an attribute from the mapping alone.
    let must_say = known.is_none() && !is_extension;
    let written = definition.and_then(|one| one.attribute_type.as_deref());
    let typed = written.and_then(target_type);
    let target_type = match typed {
        // The directory has no word for objects and calls them strings.
        Some(TargetType::String) if usual.target_type == TargetType::Complex => None,
        Some(TargetType::String) | None if sends_objects(flow) && known.is_none() => {
            Some(TargetType::Complex)
        }
        None if must_say => Some(TargetType::String),
        typed => typed,
    };
    let is_guessed = must_say && written.is_none() && target_type == Some(TargetType::String);
    let actual = target_type.unwrap_or(usual.target_type);
    let is_reference = path.is_members() || actual == TargetType::Reference;
    // `emails[type eq "work"]` is one element of the list.
    let usually_multi = usual.multi_valued && path.selector().is_none();
    // There is only one way to write members.
    let definition = definition.filter(|_| !path.is_members());
    let flag = |choose: fn(&wire::AttributeDefinition) -> Option<bool>, usual: bool| {
        definition.and_then(choose).filter(|said| *said != usual)
    };
    Shape {
        is_reference,
        target_type: target_type
            .filter(|typed| must_say || *typed != usual.target_type)
            .filter(|_| !path.is_members())
            .map(type_word),
        multi_valued: flag(|one| one.multivalued, usually_multi),
        // Ids are compared as they are.
        case_exact: flag(|one| one.case_exact, usual.case_exact).filter(|_| !is_reference),
        required: flag(|one| one.required, usual.required),
        unknown_type: written.filter(|_| typed.is_none()).map(str::to_owned),
        is_guessed,
    }
}

fn sends_objects(flow: &Flow) -> bool {
    let Flow::Expression(text) = flow else {
        return false;
    };
    let expression = Expression::compile(text);
    expression.is_ok_and(|expression| {
        let mut functions = ROLE_OBJECTS.into_iter();
        functions.any(|function| expression.uses(function))
    })
}

fn target_type(typed: &str) -> Option<TargetType> {
    Some(match word(Some(typed)).as_str() {
        "string" => TargetType::String,
        "boolean" => TargetType::Boolean,
        "integer" => TargetType::Integer,
        "reference" => TargetType::Reference,
        "binary" => TargetType::Binary,
        "datetime" => TargetType::DateTime,
        _ => return None,
    })
}

fn type_word(target_type: TargetType) -> &'static str {
    match target_type {
        TargetType::String => "string",
        TargetType::Boolean => "boolean",
        TargetType::Integer => "integer",
        TargetType::DateTime => "dateTime",
        TargetType::Reference => "reference",
        TargetType::Binary => "binary",
        TargetType::Complex => "complex",
    }
}

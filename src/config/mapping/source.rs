//! Where the value comes from, and whether it can flow into the target.

use super::shape::{Shape, word};
use super::{constant, given};
use crate::config::file::{self, Flow};
use crate::config::problem::Log;
use crate::config::reader::Typed;
use crate::engine::expr::{self, Expression};
use crate::engine::mapping::Source;
use crate::engine::model::source::{self, SourceAttribute, SourceType, Unusable};
use crate::engine::model::{ObjectKind, TargetPath, TargetType, nearest};

pub(super) fn build_source(
    kind: ObjectKind,
    path: &TargetPath,
    raw: &file::Mapping,
    shape: &Shape,
    log: &mut Log,
) -> Option<Source> {
    match raw.flow.as_ref()? {
        Flow::Attribute(name) => {
            let attribute = read_attribute(kind, name, log)?;
            if let Err((message, remedy)) = fits(&attribute, path, shape) {
                log.problem(name.place.problem(message, remedy));
                return None;
            }
            Some(Source::Attribute(attribute.name))
        }
        Flow::Expression(text) => {
            let expression = compile(kind, text, log)?;
            let reads_reference = expression.attributes().iter().any(|name| {
                source::attribute(kind, name)
                    .is_ok_and(|attribute| attribute.source_type == SourceType::Reference)
            });
            if path.is_members() || shape.target_type == TargetType::Reference && !reads_reference {
                log.problem(text.place.problem(
                    format!("{path} is a reference, which an expression cannot make"),
                    match kind {
                        ObjectKind::User => "write source = \"manager\"",
                        ObjectKind::Group => "write source = \"members\"",
                    },
                ));
                return None;
            }
            if expression.selects_unique() && !shape.can_be_searched() {
                log.problem(text.place.problem(
                    format!(
                        "{path} cannot take SelectUniqueValue: only a single plain value can be \
                         searched for"
                    ),
                    "map a sub-attribute such as emails[type eq \"work\"].value",
                ));
            }
            let given = match given::gives(kind, &expression) {
                Ok(given) => given,
                Err(err) => {
                    fail(&err, text, log);
                    return None;
                }
            };
            if let Err((message, remedy)) = given::fits(kind, &given, path, shape) {
                log.problem(text.place.problem(message, remedy));
                return None;
            }
            if let Some(matching) = raw
                .matching
                .as_ref()
                .filter(|_| expression.selects_unique())
            {
                log.problem(matching.place.problem(
                    "SelectUniqueValue returns a value that no object has, so it cannot be used for matching",
                    "drop match",
                ));
            }
            Some(Source::Expression(Box::new(expression)))
        }
        Flow::Constant(value) => {
            constant::build(kind, path, raw, value, shape, log).map(Source::Constant)
        }
        Flow::None => Some(Source::None),
        // It met no mapping of the preset, and which has been reported.
        Flow::Removed => None,
    }
}

/// The attribute of that name, or a problem that says what is wrong with the name.
fn read_attribute(
    kind: ObjectKind,
    name: &Typed<String>,
    log: &mut Log,
) -> Option<SourceAttribute> {
    found(kind, name, source::attribute(kind, &name.value), log)
}

/// The same for a scoping filter, which reads a little more.
pub(in crate::config) fn read_filter_attribute(
    kind: ObjectKind,
    name: &Typed<String>,
    log: &mut Log,
) -> Option<SourceAttribute> {
    found(kind, name, source::filter_attribute(kind, &name.value), log)
}

fn found(
    kind: ObjectKind,
    name: &Typed<String>,
    found: Result<SourceAttribute, Unusable>,
    log: &mut Log,
) -> Option<SourceAttribute> {
    match found {
        Ok(attribute) => {
            let spelled = source::spelled(kind, &name.value);
            if *spelled != *name.value {
                let message = format!("the attribute is called {spelled}");
                let remedy = "names are not case-sensitive, so it works";
                log.warning(name.place.problem(message, remedy));
            }
            Some(attribute)
        }
        Err(why) => {
            let (message, remedy) = explain(kind, &name.value, &why);
            log.problem(name.place.problem(message, remedy));
            None
        }
    }
}

fn explain(kind: ObjectKind, name: &str, why: &Unusable) -> (String, String) {
    let remedy = match why {
        Unusable::Unknown => match nearest(name, source::names(kind)) {
            Some(near) => format!("did you mean {near}?"),
            None => "use the name of a Microsoft Graph property".to_owned(),
        },
        Unusable::NotReadable(_) => "map another attribute".to_owned(),
        Unusable::NotAMember { .. } => "name one of its members".to_owned(),
        Unusable::NotASetAndAttribute => {
            "name the attribute set and the attribute in it, with letters, digits and underscores"
                .to_owned()
        }
        Unusable::NotIndexed(whole) => format!("write {whole}"),
    };
    (format!("{kind} attribute {name}: {why}"), remedy)
}

/// Reports an error in an expression at its own place.
fn fail(err: &expr::Error, text: &Typed<String>, log: &mut Log) {
    let at = (err.line(&text.value), err.column(&text.value));
    let remedy = "correct the expression; entrain eval tries it out";
    let message = err.render(&text.value);
    log.problem(text.place.problem_inside(at, message, remedy));
}

fn compile(kind: ObjectKind, text: &Typed<String>, log: &mut Log) -> Option<Expression> {
    let mut expression = match Expression::compile(&text.value) {
        Ok(expression) => expression,
        Err(err) => {
            fail(&err, text, log);
            return None;
        }
    };
    expression.spell_attributes(&|name| Some(source::spelled(kind, name).into_owned()));
    for place in expression.respelled() {
        let at = (place.line(&text.value), place.column(&text.value));
        let remedy = "names are not case-sensitive, so it works";
        let message = place.render(&text.value);
        log.warning(text.place.problem_inside(at, message, remedy));
    }
    for name in expression.attributes() {
        if let Err(why) = source::attribute(kind, name)
            && why != Unusable::Unknown
        {
            let (message, remedy) = explain(kind, name, &why);
            log.problem(text.place.problem(message, remedy));
            return None;
        }
    }
    let names: Vec<_> = source::names(kind).collect();
    let is_known = |name: &str| source::attribute(kind, name).is_ok();
    if let Some(err) = expression.unknown_attribute(is_known, &names) {
        fail(&err, text, log);
        return None;
    }
    Some(expression)
}

/// Whether a source attribute can flow into the target as it is.
fn fits(
    attribute: &SourceAttribute,
    path: &TargetPath,
    shape: &Shape,
) -> Result<(), (String, String)> {
    let name = &attribute.name;
    let mismatch = |remedy: String| {
        Err((
            format!(
                "{name} is {}, but {path} takes {}",
                attribute.word(),
                word(shape.target_type)
            ),
            remedy,
        ))
    };
    if name == source::IS_SOFT_DELETED && path.is_active() {
        return Err((
            "IsSoftDeleted is true when access ends, active is true while it lasts".to_owned(),
            "write expression = 'Not([IsSoftDeleted])'".to_owned(),
        ));
    }
    if path.is_members() && name != "members" {
        return mismatch("write source = \"members\"".to_owned());
    }
    match (attribute.source_type, shape.target_type) {
        (SourceType::Roles, _) => {
            return mismatch(
                "write expression = 'AssertiveAppRoleAssignmentsComplex([appRoleAssignments])' or \
                 'SingleAppRoleAssignment([appRoleAssignments])'"
                    .to_owned(),
            );
        }
        (
            SourceType::Object,
            TargetType::String
            | TargetType::Boolean
            | TargetType::Integer
            | TargetType::DateTime
            | TargetType::Reference
            | TargetType::Binary,
        ) => {
            return mismatch(
                "name one of its members, such as employeeOrgData.division".to_owned(),
            );
        }
        (
            SourceType::Reference,
            TargetType::String
            | TargetType::Boolean
            | TargetType::Integer
            | TargetType::DateTime
            | TargetType::Binary
            | TargetType::Complex,
        ) => {
            return mismatch("set type = \"reference\" if the target keeps an id there".to_owned());
        }
        (SourceType::Text | SourceType::Boolean | SourceType::DateTime, TargetType::Reference) => {
            return mismatch(
                "map manager or members, or set type = \"string\" if the target keeps text there"
                    .to_owned(),
            );
        }
        (SourceType::Text | SourceType::Boolean | SourceType::DateTime, TargetType::Complex) => {
            let part = match path.selector() {
                Some(_) => format!("{path}.value"),
                None if path.attribute() == "name" => "name.formatted".to_owned(),
                None => format!("{path}[type eq \"work\"].value"),
            };
            return mismatch(if attribute.multi_valued {
                format!("name the sub-attribute and one value, as in {part} and {name}[0]")
            } else {
                format!("name the sub-attribute, as in {part}")
            });
        }
        (SourceType::Boolean, TargetType::Integer | TargetType::DateTime | TargetType::Binary)
        | (SourceType::DateTime, TargetType::Boolean | TargetType::Integer | TargetType::Binary) => {
            return mismatch("map another attribute, or convert it in an expression".to_owned());
        }
        (SourceType::Any, _)
        | (SourceType::Reference, TargetType::Reference)
        | (SourceType::Object, TargetType::Complex)
        | (
            SourceType::Text,
            TargetType::String
            | TargetType::Boolean
            | TargetType::Integer
            | TargetType::DateTime
            | TargetType::Binary,
        )
        | (SourceType::Boolean, TargetType::Boolean | TargetType::String)
        | (SourceType::DateTime, TargetType::DateTime | TargetType::String) => {}
    }
    if attribute.multi_valued && !shape.multi_valued {
        return Err((
            format!("{name} is a list, but {path} takes one value"),
            format!("write {name}[0], or choose in an expression with Item or Join"),
        ));
    }
    Ok(())
}

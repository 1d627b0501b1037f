//! What one mapping makes of one object.

use std::borrow::Cow;
use std::cell::Cell;

use super::compiled::{Read, Rule};
use super::{Environment, Input, IsTaken, Mapping, Source};
use crate::engine::addition::Addition;
use crate::engine::expr::{self, Flow, Write};
use crate::engine::model::Value;

/// An object with the values of its properties, as [`super::Mappings`] read them.
pub(super) struct Object<'a> {
    pub(super) input: &'a Input<'a>,
    pub(super) properties: Vec<Option<&'a Value>>,
    pub(super) environment: Environment<'a>,
}

impl<'a> Object<'a> {
    /// What a mapping reads, unless an expression makes it.
    pub(super) fn value(&self, mapping: &'a Mapping, rule: &Rule) -> Option<&'a Value> {
        match &rule.read {
            Read::SoftDeleted => Some(&self.input.soft_deleted),
            Read::Id => Some(&self.input.id),
            Read::PrincipalName { property } => {
                self.input.principal_name(self.properties[*property])
            }
            Read::Property { property, element } => match element {
                Some(element) => self.properties[*property]?.element(*element),
                None => self.properties[*property],
            },
            Read::Inside(name) => self.input.object.attributes.value(name),
            Read::Source => match &mapping.source {
                Source::Constant(value) => Some(value),
                Source::Attribute(_) | Source::Expression(_) | Source::None => None,
            },
        }
    }
}

pub(super) enum Evaluated {
    Value(Option<Value>),
    Additions(Vec<Addition>),
    IgnoreAttribute,
    IgnoreObject,
}

/// What comes from the source, as it is there.
enum Raw<'a> {
    Value(Option<Cow<'a, Value>>),
    IgnoreAttribute,
    IgnoreObject,
}

pub(super) fn evaluate(
    mapping: &Mapping,
    rule: &Rule,
    object: &Object<'_>,
    is_taken: IsTaken<'_>,
) -> Result<Evaluated, String> {
    let value = match raw(mapping, rule, object, Write::Update, is_taken)? {
        Raw::Value(value) => value,
        Raw::IgnoreAttribute => return Ok(Evaluated::IgnoreAttribute),
        Raw::IgnoreObject => return Ok(Evaluated::IgnoreObject),
    };
    if rule.only_adds {
        let created = match raw(mapping, rule, object, Write::Create, is_taken)? {
            Raw::Value(created) => created,
            Raw::IgnoreAttribute => return Ok(Evaluated::IgnoreAttribute),
            Raw::IgnoreObject => return Ok(Evaluated::IgnoreObject),
        };
        let [created, added] = [created, value].map(|value| value.map(Cow::into_owned));
        return Addition::pairs(&mapping.target, created, added).map(Evaluated::Additions);
    }
    let value = match value {
        Some(value) => rule.form.make(&mapping.target, value)?,
        None => None,
    };
    Ok(Evaluated::Value(value))
}

fn raw<'a>(
    mapping: &'a Mapping,
    rule: &Rule,
    object: &Object<'a>,
    write: Write,
    is_taken: IsTaken<'_>,
) -> Result<Raw<'a>, String> {
    let value = match &mapping.source {
        Source::Expression(expression) => {
            let flow = with_input(mapping, rule, object, write, is_taken, |input| {
                expression.evaluate(input)
            });
            match flow.map_err(|error| error.to_string())? {
                Flow::Value(value) => Some(Cow::Owned(value)),
                Flow::Null => None,
                Flow::IgnoreAttribute => return Ok(Raw::IgnoreAttribute),
                Flow::IgnoreObject => return Ok(Raw::IgnoreObject),
            }
        }
        Source::Attribute(_) | Source::Constant(_) | Source::None => {
            object.value(mapping, rule).map(Cow::Borrowed)
        }
    };
    // Empty text is no value: RFC 7643 section 2.5 knows no difference between unassigned and null,
    // and targets refuse an empty e-mail address.
    Ok(Raw::Value(value.filter(|value| !value.is_empty())))
}

/// For mappings that choose no unique value.
pub(super) const NOT_ASKED: IsTaken<'_> = &|_, _| false;

/// Hands over what the expression of a mapping sees.
pub(super) fn with_input<T>(
    mapping: &Mapping,
    rule: &Rule,
    object: &Object<'_>,
    write: Write,
    is_taken: IsTaken<'_>,
    evaluate: impl FnOnce(&expr::Input<'_>) -> T,
) -> T {
    let Object {
        input, environment, ..
    } = object;
    let drawn = Cell::new(0);
    evaluate(&expr::Input {
        attributes: *input,
        roles: input.roles,
        write,
        now: environment.now,
        random: &|| {
            let count = drawn.replace(drawn.get() + 1);
            (environment.random)(&input.object.id, &mapping.target, count)
        },
        default_domain: environment.default_domain,
        // What does not fit the target attribute is reported when it is converted to be sent.
        taken: &|text| {
            let value = rule.form.convert(Value::text(text));
            value.is_ok_and(|value| is_taken(mapping, &value))
        },
    })
}

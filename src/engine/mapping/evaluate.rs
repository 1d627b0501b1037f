//! What one mapping makes of one object.

use std::cell::Cell;

use super::{Environment, Input, IsTaken, Mapping, Source};
use crate::engine::addition::Addition;
use crate::engine::expr::{self, Flow, Write};
use crate::engine::model::Value;

pub(super) enum Evaluated {
    Value(Option<Value>),
    Additions(Vec<Addition>),
    IgnoreAttribute,
    IgnoreObject,
}

pub(super) fn evaluate(
    mapping: &Mapping,
    input: &Input<'_>,
    environment: Environment<'_>,
    is_taken: IsTaken<'_>,
) -> Result<Evaluated, String> {
    let kind = input.object.kind;
    let value = match flow(mapping, input, environment, Write::Update, is_taken)? {
        Evaluated::Value(value) => value,
        ignored => return Ok(ignored),
    };
    if mapping.only_adds() {
        let created = match flow(mapping, input, environment, Write::Create, is_taken)? {
            Evaluated::Value(created) => created,
            ignored => return Ok(ignored),
        };
        return Addition::pairs(&mapping.target, created, value).map(Evaluated::Additions);
    }
    let value = match value {
        Some(value) => mapping.canonical(kind, mapping.convert(kind, value)?),
        None => None,
    };
    Ok(Evaluated::Value(value))
}

/// What comes from the source, as it is there.
fn flow(
    mapping: &Mapping,
    input: &Input<'_>,
    environment: Environment<'_>,
    write: Write,
    is_taken: IsTaken<'_>,
) -> Result<Evaluated, String> {
    let value = match &mapping.source {
        Source::Attribute(name) => input.value(name).cloned(),
        Source::Constant(value) => Some(value.clone()),
        Source::None => None,
        Source::Expression(expression) => {
            let flow = with_input(mapping, input, environment, write, is_taken, |input| {
                expression.evaluate(input)
            });
            match flow.map_err(|error| error.to_string())? {
                Flow::Value(value) => Some(value),
                Flow::Null => None,
                Flow::IgnoreAttribute => return Ok(Evaluated::IgnoreAttribute),
                Flow::IgnoreObject => return Ok(Evaluated::IgnoreObject),
            }
        }
    };
    // Empty text is no value: RFC 7643 section 2.5 knows no difference between unassigned and null,
    // and targets refuse an empty e-mail address.
    Ok(Evaluated::Value(value.filter(|value| !value.is_empty())))
}

/// For what chooses no value that nobody has.
pub(super) const NOT_ASKED: IsTaken<'_> = &|_, _| false;

/// Hands over what the expression of a mapping sees.
pub(super) fn with_input<T>(
    mapping: &Mapping,
    input: &Input<'_>,
    environment: Environment<'_>,
    write: Write,
    is_taken: IsTaken<'_>,
    evaluate: impl FnOnce(&expr::Input<'_>) -> T,
) -> T {
    let drawn = Cell::new(0);
    evaluate(&expr::Input {
        attributes: input,
        roles: input.roles,
        write,
        now: environment.now,
        random: &|| {
            let count = drawn.replace(drawn.get() + 1);
            (environment.random)(&input.object.id, &mapping.target, count)
        },
        default_domain: environment.default_domain,
        // What does not fit the target attribute is told of when it is converted to be sent.
        taken: &|text| {
            let value = mapping.convert(input.object.kind, Value::text(text));
            value.is_ok_and(|value| is_taken(mapping, &value))
        },
    })
}

//! What an expression is evaluated on.

use std::cell::RefCell;

use chrono::{DateTime, Utc};

use super::input::Object;
use crate::engine::expr::{Error, Expression, Input, Write};
use crate::engine::model::AppRole;

/// Everything that an expression is evaluated on.
pub(super) struct World<'a> {
    pub(super) object: &'a Object,
    pub(super) roles: &'a [AppRole],
    pub(super) existing: &'a [String],
    pub(super) default_domain: Option<&'a str>,
    pub(super) now: DateTime<Utc>,
}

/// Where random bits come from.
#[derive(Clone, Copy)]
pub(super) enum Seed {
    Fixed,
    Random,
}

/// Compiles an expression whose attributes are those of the object.
pub(super) fn compile(text: &str, object: &Object) -> Result<Expression, Error> {
    let mut expression = Expression::compile(text)?;
    expression.spell_attributes(&|name| Some(object.spelled(name)));
    Ok(expression)
}

impl World<'_> {
    pub(super) fn with<T>(&self, seed: Seed, evaluate: impl FnOnce(&Input<'_>) -> T) -> T {
        let random = RefCell::new(match seed {
            Seed::Fixed => fastrand::Rng::with_seed(0),
            Seed::Random => fastrand::Rng::new(),
        });
        evaluate(&Input {
            attributes: &self.object.seen(),
            roles: self.roles,
            write: Write::Update,
            now: self.now,
            random: &|| random.borrow_mut().u64(..),
            default_domain: self.default_domain,
            // As targets compare what must be unique: without regard to case.
            taken: &|value| {
                let value = value.to_lowercase();
                self.existing.iter().any(|one| one.to_lowercase() == value)
            },
        })
    }
}

//! The pure core: decides everything and touches nothing. No async, I/O, clock, randomness,
//! logging, config or serde.

pub(crate) mod expr;
pub(crate) mod model;
pub(crate) mod plan;

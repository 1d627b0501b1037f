//! The pure core: decides everything and touches nothing. No async, I/O, clock, randomness,
//! logging, config or serde.

pub(crate) mod addition;
pub(crate) mod audit;
pub(crate) mod capabilities;
pub(crate) mod check;
pub(crate) mod configuration;
pub(crate) mod denial;
pub(crate) mod emptied;
pub(crate) mod explain;
pub(crate) mod expr;
pub(crate) mod filter;
pub(crate) mod guard;
pub(crate) mod job;
pub(crate) mod ladder;
pub(crate) mod mapping;
pub(crate) mod model;
pub(crate) mod names;
pub(crate) mod notice;
pub(crate) mod outcome;
pub(crate) mod period;
pub(crate) mod plan;
pub(crate) mod predict;
pub(crate) mod quarantine;
pub(crate) mod record;
pub(crate) mod redact;
pub(crate) mod same_target;
pub(crate) mod scope;
pub(crate) mod strategy;
pub(crate) mod summary;
pub(crate) mod window;

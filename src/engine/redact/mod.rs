//! `Redact`: what people and logs are shown of a plan, of what came of it, and of the target's words:
//! everything but the values that a mapping marks, which are `[Redact]` there. The target gets them.

mod hidden;
mod known;
mod marked;
mod people;
mod plan;
mod pseudonyms;
mod shown;

pub(crate) use hidden::Hidden;
pub(crate) use known::Known;
pub(crate) use marked::Redactions;
pub(crate) use people::People;
pub(crate) use pseudonyms::Pseudonyms;
pub(crate) use shown::Shown;

/// What stands for a value that is not shown; Entra's own word.
pub(crate) const REDACTED: &str = "[Redact]";

//! The local state in `SQLite`: source objects, links, pending marks, watermarks, outcomes, the log.
//! Plain functions on engine types; what the rows look like is nobody else's business.

mod assignments;
mod custom_security;
mod cycles;
mod error;
mod escrow;
mod holds;
mod jobs;
mod links;
mod lock;
mod log;
mod marks;
mod migrations;
mod objects;
mod open;
mod pending;
mod record;
mod source;
mod wire;

#[cfg(test)]
mod tests;

pub(crate) use assignments::Application;
pub(crate) use cycles::{CycleRecord, CycleState, JobStatus};
pub(crate) use error::Error;
pub(crate) use escrow::{Escrowed, NotPlanned, PLAN};
pub(crate) use holds::HeldSet;
pub(crate) use lock::Lock;
pub(crate) use log::{LogEntry, LogFilter, LogStatus, LoggedChange, RequestRecord};
pub(crate) use open::Store;
pub(crate) use pending::{Evaluated, Evaluation, Horizon};
pub(crate) use source::{PageLink, Since};

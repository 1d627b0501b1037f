//! The one integration binary: the list of files, one per subject.
#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests; their helpers are meant too"
)]

mod asked;
mod audit;
mod bad_input;
mod blocked;
mod capabilities;
mod commands;
mod compliance;
mod config;
mod confirm;
mod crash;
mod credentials;
mod cycles;
mod drift;
mod emptied;
mod entra_job;
mod eval;
mod explain;
mod faults;
mod foreign;
mod forms;
mod gone;
mod hand_over;
mod import;
mod json;
mod leavers;
mod life;
mod limits;
mod log;
mod lost_state;
mod matching;
mod names;
mod nested;
mod no_target;
mod pass_on;
mod presets;
mod probe;
mod protect;
mod put;
mod quirks;
mod redact;
mod references;
mod refusals;
mod renewed;
mod reports;
mod rig;
mod roles;
mod safety;
mod same_target;
mod saved;
mod schema;
mod scope;
mod screen;
mod service;
mod source;
mod starving;
mod state;
mod target;
mod tenant;
mod tidy;
mod unique;
mod unsettled;

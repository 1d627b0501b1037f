//! entrain provisions the people and groups assigned to an application in Microsoft Entra ID
//! into that application's SCIM 2.0 endpoint. The modules below are in reading order; see
//! ARCHITECTURE.md for who may import whom.

mod engine;
mod report;

mod metrics;
mod os;

mod config;
mod graph;
mod http;
mod notify;
mod scim;
mod store;

mod cycle;
mod scheduler;
mod web;

/// For `benches/mapping.rs` alone: the mappings have no other face outside of this crate.
#[doc(hidden)]
pub mod bench;
pub mod cli;
/// For `benches/fuzz.rs` alone, as `bench` is.
#[doc(hidden)]
pub mod fuzz;
/// For `tests/it/storm.rs` alone, which ends cycles at any moment.
#[doc(hidden)]
pub mod in_process;
pub mod sandbox;

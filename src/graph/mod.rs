//! The source: reads users, groups and assignments of an Entra tenant through Microsoft Graph. Never
//! writes. Requests are named by graph-rs-sdk and sent through `http`; paging, tokens and retries are ours.

mod application;
mod assignments;
mod client;
mod connection;
mod credential;
mod custom_security;
mod delta;
mod domain;
mod error;
mod groups;
mod list;
mod listing;
mod look;
mod permissions;
mod reader;
mod remedy;
mod single;
mod size;
mod snapshot;
mod synchronization;
mod token;
mod units;
mod wire;

pub(crate) use crate::http::Exchange;
pub(crate) use application::ServicePrincipal;
pub(crate) use client::Client;
pub(crate) use credential::{Credential, Expiry, certificate_expiry, expiries};
pub(crate) use custom_security::CustomSecurity;
pub(crate) use delta::{At, Link, MAX_FILTERED};
pub(crate) use error::{Error, Expired};
pub(crate) use listing::LISTED;
pub(crate) use look::Named;
pub(crate) use permissions::Wanted;
pub(crate) use reader::Reader;
#[cfg(test)]
use single::Held;
pub(crate) use snapshot::{
    SnapshotError, SnapshotWanted, Snapshots, Supposed, Taken, write_snapshots,
};
pub(crate) use synchronization::SyncJob;
pub(crate) use token::TokensFor;
pub(crate) use units::Unit;

#[cfg(test)]
mod tests;

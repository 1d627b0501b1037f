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
mod remedy;
mod single;
mod token;
mod wire;

pub(crate) use client::Client;
pub(crate) use connection::Wanted;
pub(crate) use credential::{Credential, Expiry, expiries};
pub(crate) use delta::{At, Link};
pub(crate) use error::{Error, Expired};
#[cfg(test)]
use single::Held;

#[cfg(test)]
mod tests;

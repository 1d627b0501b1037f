//! The target: a SCIM 2.0 client (RFC 7643, RFC 7644). A [`Reader`] cannot write, and only `apply`
//! and a [`Probe`] make a [`Writer`] of it; so a dry run holds no writer. A [`Dialect`] makes a `Request` of an
//! action, by pure functions (`filter`, `patch`, `resource`, `route`, `whole`); wire types stay in
//! `wire`.

mod access;
mod bulk;
mod connection;
mod dialect;
mod discovery;
mod error;
mod filter;
mod issued;
mod message;
mod named;
mod oauth;
mod outline;
mod pager;
mod patch;
mod probe;
mod reader;
mod request;
mod resource;
mod route;
mod whole;
mod wire;
mod writer;

pub(crate) use access::{Access, Unread};
pub(crate) use bulk::{InBulk, Part};
pub(crate) use dialect::{Certainty, Dialect, Lesson, Shown, Undone};
pub(crate) use discovery::capabilities;
pub(crate) use error::{Error, Replaced};
pub(crate) use issued::{Issuer, NoToken, Why};
pub(crate) use oauth::OAuth;
pub(crate) use outline::outline;
pub(crate) use probe::{Deleted, Finding, Probe, Step};
pub(crate) use reader::{GroupsOf, Listing, Nobody, Reader};
pub(crate) use request::Request;
pub(crate) use whole::Current;
pub(crate) use writer::{Sent, Writer};

/// The facts of a write, for the provisioning log.
pub(crate) use crate::http::Exchange;

#[cfg(test)]
mod tests;

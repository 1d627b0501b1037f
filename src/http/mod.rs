//! HTTP manners shared by both clients: client building, retries, pacing, redaction. Knows neither
//! Graph nor SCIM: it takes plain parameters and hands back any answer, whatever its status.
//!
//! Build a client ([`build`]), wrap it in a [`Channel`], and [`Channel::send`] through that.

mod certificate;
mod client;
mod gate;
mod grant;
mod json;
mod lessons;
mod link;
mod patience;
pub(crate) mod pkcs12;
mod rate;
mod redact;
mod retry;
mod send;

pub(crate) use certificate::unusable as unusable_certificate;
pub(crate) use client::{BuildError, Settings, UrlError, build, check_url, is_loopback};
pub(crate) use gate::Gate;
pub(crate) use grant::{Grant, Grantor, Grants};
pub(crate) use json::read_json;
pub(crate) use link::{LinkError, follow};
pub(crate) use rate::divide;
pub(crate) use redact::{redact, redact_secret, redact_secrets};
pub(crate) use retry::Idempotency;
pub(crate) use send::{Answer, Channel, Error, Exchange, Expect, Record};

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

//! Why a request to the target came to nothing, in the target's own words.

mod advice;
#[cfg(test)]
mod tests;

use std::error::Error as _;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Method;

use super::issued::{NoToken, Why};
use super::message::{Form, ServerMessage};
use super::named::names;
use crate::engine::model::TargetPath;
use crate::engine::outcome::{Class, Failure};
use crate::http::{self, Exchange};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The target says no, be it by the status or by an error message inside a 2xx answer.
    #[error("{exchange}{message}")]
    Refused {
        exchange: Exchange,
        message: Box<ServerMessage>,
        about: About,
        /// When to come back.
        retry_after: Option<Duration>,
        /// The key in `[jobs.target]` that says how to sign in.
        sign_in: &'static str,
    },
    #[error("{exchange}: the answer is not SCIM{message}")]
    NotScim {
        exchange: Exchange,
        message: Box<ServerMessage>,
    },
    #[error("{exchange}: the response has no id of the created resource")]
    NoIdInAnswer { exchange: Exchange },
    #[error("{exchange}: the response to the bulk request does not contain it")]
    NotInBulk { exchange: Exchange },
    #[error("{exchange}: the target ignores the filter and returns other resources")]
    FilterIgnored { exchange: Exchange },
    #[error(
        "{exchange}: the response to the look-up is empty, which does not show that there is no such object"
    )]
    FilterUnanswered { exchange: Exchange },
    #[error("the target cannot look up by {path}, according to target.filterable")]
    NotFilterable { path: TargetPath },
    #[error("{exchange}: the list of {what} is not complete: {why}")]
    ListIncomplete {
        exchange: Exchange,
        what: &'static str,
        why: &'static str,
    },
    /// The target answered that it was done, and shows that it was not.
    #[error(
        "{exchange}: accepted without effect: the target still shows another value of {}",
        named_paths(paths)
    )]
    NoEffect {
        exchange: Exchange,
        paths: Vec<TargetPath>,
    },
    #[error(
        "{exchange}: the target took more members out than requested; they were added again, and no more are \
         removed in this cycle"
    )]
    TookMore { exchange: Exchange },
    #[error(
        "{exchange}: adding members took out others that were in the group before{}",
        match after {
            Replaced::Restored => "; they were added again",
            Replaced::Stopped => "; they were added again as far as the target accepted it, and no more are added to \
                                  groups with members in this cycle",
        }
    )]
    ReplacedMembers { exchange: Exchange, after: Replaced },
    #[error(transparent)]
    Http(#[from] http::Error),
    #[error("the base URL of the target cannot be used")]
    BaseUrl { source: http::UrlError },
    #[error("the CA certificate {} cannot be read", path.display())]
    Certificate {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the connection to the target cannot be set up")]
    Client { source: http::BuildError },
    #[error("{key} is empty or contains characters that are not allowed in a header")]
    Credential { key: String },
    #[error("the client certificate of the target cannot be used: {why}")]
    ClientCertificate { why: String },
    /// Nothing was sent.
    #[error("another credential is used from now on, and the links are verified first")]
    Renewed,
    #[error(transparent)]
    NoToken(#[from] Box<NoToken>),
    #[error("a resource with the id {id:?} cannot be addressed by a URL")]
    UnusableId { id: String },
    #[error("the resource must be read before it can be replaced")]
    NotRead,
    #[error("the group cannot be replaced as a whole (PUT): {0}")]
    MembersUnknown(MembersUnknown),
}

/// What became of the members that an addition took out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replaced {
    Restored,
    /// Not all of them are back.
    Stopped,
}

/// Why it is not known who is in a group, so that a PUT could take out members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MembersUnknown {
    #[error("the target does not show its members")]
    NotShown,
    #[error("the target shows members without a value")]
    WithoutId,
    #[error("the target does not show all the members that were added")]
    Missing,
    #[error(
        "the target shows {shown} members, some of whom entrain did not add. It may show no more than that of a \
        group, and a PUT would remove the rest; compare the number in the target, and if it is right, change the \
        group there once, by any member"
    )]
    MaybeCut { shown: usize },
}

/// What a request was about: the meaning of 404 depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// `/Users`: if it is not there, nothing is.
    Collection,
    /// `/Users/{id}`.
    Object,
    /// A PATCH of `/Groups/{id}` that only adds members: sent twice it does what it does once.
    AddedMembers,
}

fn named_paths(paths: &[TargetPath]) -> String {
    let names: Vec<String> = paths.iter().map(TargetPath::to_string).collect();
    names.join(", ")
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

impl Error {
    /// Whether it shows that what answers is no SCIM service, or not at this address.
    pub(crate) fn is_incompatible(&self) -> bool {
        match self {
            Self::NotScim { .. } => true,
            Self::Refused { about, .. } => {
                let status = self.counted_status().unwrap_or(0);
                matches!(status, 300..=399)
                    || (*about == About::Collection && matches!(status, 405 | 501))
            }
            _ => false,
        }
    }

    /// What kind of failure it is; what follows is the engine's decision.
    pub(crate) fn class(&self) -> Class {
        match self {
            Self::Refused {
                exchange,
                message,
                about,
                ..
            } => {
                let status = self.counted_status().unwrap_or(0);
                let is_create = exchange.method == Method::POST;
                match status {
                    402 if is_create => Class::Quota,
                    403 | 422 if is_create && message.names_quota => Class::Quota,
                    401 => Class::Unauthorized,
                    403 => Class::Forbidden,
                    // A missing route says nothing about the object: the whole target may be
                    // switched off or moved for the time being.
                    404 | 410 if *about == About::Collection || message.form == Form::Page => {
                        Class::Transient
                    }
                    404 | 410 => Class::Gone,
                    409 => Class::Conflict,
                    400 if message.is_scim_type("uniqueness") => Class::Conflict,
                    400 | 422 | 500 if is_create && message.names_duplicate() => Class::Conflict,
                    429 => Class::Throttled,
                    // Some servers answer so when they do not know one of the members.
                    500 if *about == About::AddedMembers => Class::Refused,
                    501 => Class::Refused,
                    // What changed meanwhile (412) can be merged the next time.
                    408 | 412 | 500.. => Class::Transient,
                    400..=499 => Class::Refused,
                    _ => Class::Malformed,
                }
            }
            Self::Http(http::Error::TooLong { .. })
            | Self::NotScim { .. }
            | Self::NoIdInAnswer { .. }
            | Self::NotInBulk { .. }
            | Self::FilterIgnored { .. }
            | Self::FilterUnanswered { .. }
            | Self::ListIncomplete { .. } => Class::Malformed,
            Self::Http(
                http::Error::NotConnected { .. }
                | http::Error::TimedOut { .. }
                | http::Error::Broken { .. }
                | http::Error::Stopped { .. },
            ) => Class::Transient,
            Self::NoEffect { .. } | Self::TookMore { .. } | Self::ReplacedMembers { .. } => {
                Class::NoEffect
            }
            Self::Credential { .. } | Self::Renewed => Class::Unauthorized,
            Self::NoToken(error) => match error.why {
                Why::Refused => Class::Unauthorized,
                Why::Unavailable | Why::Stopped => Class::Transient,
            },
            Self::Http(http::Error::Unsendable { .. })
            | Self::NotFilterable { .. }
            | Self::BaseUrl { .. }
            | Self::Certificate { .. }
            | Self::Client { .. }
            | Self::ClientCertificate { .. }
            | Self::UnusableId { .. }
            | Self::NotRead
            | Self::MembersUnknown(_) => Class::Invalid,
        }
    }

    /// Whether the target may have carried the request out all the same.
    pub(crate) fn unconfirmed(&self) -> bool {
        match self {
            Self::Refused { about, .. } => {
                let status = self.counted_status().unwrap_or(0);
                let is_refusal = status == 501 || (status == 500 && *about == About::AddedMembers);
                status == 408 || (status >= 500 && !is_refusal)
            }
            Self::NotScim { .. } | Self::NoIdInAnswer { .. } | Self::NotInBulk { .. } => true,
            Self::Http(error) => error.may_be_processed(),
            Self::NoEffect { .. }
            | Self::TookMore { .. }
            | Self::ReplacedMembers { .. }
            | Self::FilterIgnored { .. }
            | Self::FilterUnanswered { .. }
            | Self::NotFilterable { .. }
            | Self::ListIncomplete { .. }
            | Self::BaseUrl { .. }
            | Self::Certificate { .. }
            | Self::Client { .. }
            | Self::ClientCertificate { .. }
            | Self::Credential { .. }
            | Self::Renewed
            | Self::NoToken(_)
            | Self::UnusableId { .. }
            | Self::NotRead
            | Self::MembersUnknown(_) => false,
        }
    }

    /// When the target wants to be asked again.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether a look-up failed because of its filter: the caller may list everything instead.
    pub(crate) fn is_filter_unsupported(&self) -> bool {
        match self {
            Self::FilterIgnored { .. }
            | Self::FilterUnanswered { .. }
            | Self::NotFilterable { .. } => true,
            Self::Refused {
                about: About::Collection,
                ..
            } => matches!(self.counted_status(), Some(400 | 405 | 414 | 422 | 501)),
            _ => false,
        }
    }

    /// Whether this may be how the target says that a filter finds nothing: 404 with a SCIM error. It may
    /// also mean that there is no such route.
    pub(super) fn may_mean_none_found(&self) -> bool {
        match self {
            Self::Refused { message, about, .. } => {
                *about == About::Collection
                    && message.form == Form::ScimError
                    && self.http_status() == Some(404)
            }
            _ => false,
        }
    }

    /// Whether a create may have failed because the object is there already. Servers say so with 409,
    /// but also with 400 or 422 and without a `scimType`; a look-up shows.
    pub(crate) fn may_be_duplicate(&self) -> bool {
        matches!(self, Self::Refused { .. })
            && matches!(self.counted_status(), Some(400 | 409 | 422))
    }

    /// Whether the target as a whole may not work: no answer, switched off, or the token refused; a
    /// look-up shows. A plain 500 is not among these: it may be one object's fault.
    pub(crate) fn stops_everything(&self) -> bool {
        match self.class() {
            Class::Unauthorized => true,
            Class::Forbidden => self.is_list(),
            Class::Transient => !matches!(self.counted_status(), Some(500)),
            Class::Throttled
            | Class::Refused
            | Class::Conflict
            | Class::Gone
            | Class::Quota
            | Class::NoEffect
            | Class::Malformed
            | Class::Invalid => false,
        }
    }

    /// Whether a list or a look-up was refused.
    fn is_list(&self) -> bool {
        matches!(self, Self::Refused { about: About::Collection, exchange, .. }
            if exchange.method == Method::GET)
    }

    /// Whether the target knows nothing of such resources, as far as a collection's answer shows.
    pub(crate) fn has_no_route(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                about: About::Collection,
                ..
            }
        ) && matches!(self.counted_status(), Some(403 | 404 | 405 | 501))
    }

    /// Whether the request was refused for its method or its headers, whatever it holds: another object
    /// or a part of its members would be refused likewise.
    pub(crate) fn is_route_refused(&self) -> bool {
        matches!(self, Self::Refused { .. })
            && matches!(self.counted_status(), Some(405 | 428 | 501))
    }

    /// Whether the request was refused for its size, so that a part of it may be accepted.
    pub(crate) fn is_too_large(&self) -> bool {
        matches!(self, Self::Refused { .. }) && self.counted_status() == Some(413)
    }

    /// Whether there were more operations than the target takes in one request.
    pub(super) fn is_too_many(&self) -> bool {
        matches!(self, Self::Refused { message, .. } if message.is_scim_type("tooMany"))
    }

    /// Whether the target refused a write for what it holds: without a part of that it may be accepted.
    pub(crate) fn refuses_content(&self) -> bool {
        self.is_refused_write()
            && self.class() == Class::Refused
            && matches!(self.counted_status(), Some(400 | 422))
    }

    /// Whether a path of a PATCH selects nothing (RFC 7644 section 3.12): the target holds something else
    /// than we know.
    pub(crate) fn is_no_target(&self) -> bool {
        self.is_refused_write()
            && matches!(self, Self::Refused { message, .. } if message.is_scim_type("noTarget"))
    }

    /// Whether the refusal of a write names an attribute, so that it can be left out.
    pub(crate) fn names(&self, path: &TargetPath) -> bool {
        if let Self::NoEffect { paths, .. } = self {
            return paths.contains(path);
        }
        let Self::Refused { message, .. } = self else {
            return false;
        };
        self.is_refused_write()
            && self.class() != Class::Quota
            && matches!(self.counted_status(), Some(400 | 403 | 409 | 422))
            && message.form != Form::Page
            && message
                .text
                .as_deref()
                .is_some_and(|words| names(words, path))
    }

    /// Whether a create was refused because a group must have a member.
    pub(crate) fn wants_member(&self) -> bool {
        matches!(self, Self::Refused { exchange, message, .. }
            if exchange.method == Method::POST && message.names_missing_member())
            && matches!(self.counted_status(), Some(400 | 422))
    }

    fn is_refused_write(&self) -> bool {
        matches!(self, Self::Refused { exchange, .. } if exchange.method != Method::GET)
    }

    /// Whether the target does not take this method for its resources.
    pub(super) fn is_method_refused(&self, method: &Method) -> bool {
        matches!(self, Self::Refused { exchange, .. }
            if exchange.method == *method && matches!(exchange.status, Some(405 | 501)))
    }

    /// Whether the target has no way to delete such an object.
    pub(crate) fn is_delete_refused(&self) -> bool {
        self.is_method_refused(&Method::DELETE)
    }

    /// Whether a change was refused for its method.
    pub(crate) fn is_any_method_refused(&self) -> bool {
        self.is_method_refused(&Method::PATCH) || self.is_method_refused(&Method::PUT)
    }

    /// Whether the resource that was to be replaced is another version by now.
    pub(crate) fn is_changed_meanwhile(&self) -> bool {
        matches!(self, Self::Refused { exchange, .. }
            if exchange.method != Method::GET && exchange.status == Some(412))
    }

    /// Whether a change must name the version that it is made for (RFC 6585 section 3).
    pub(crate) fn wants_version(&self) -> bool {
        matches!(self, Self::Refused { exchange, .. } if exchange.status == Some(428))
    }

    /// Whether the target does not take the type of the body.
    pub(super) fn is_type_refused(&self) -> bool {
        matches!(self, Self::Refused { exchange, .. } if matches!(exchange.status, Some(406 | 415)))
    }

    /// Whether a read may have failed because of a parameter such as `count`, and not because of a filter. Not
    /// implemented (501) is the operation, not a parameter of it.
    pub(super) fn may_be_about_parameters(&self) -> bool {
        matches!(self, Self::Refused { exchange, message, .. }
            if exchange.method == Method::GET && !message.is_scim_type("invalidFilter"))
            && matches!(self.counted_status(), Some(400 | 422 | 500))
    }

    /// Whether it may also be the target's own trouble.
    pub(super) fn may_be_trouble(&self) -> bool {
        self.counted_status() == Some(500)
    }

    /// Whether a change was refused for the path that it has, and may be taken in another form. A path
    /// that selects nothing is none of these: the object is planned again.
    pub(crate) fn is_path_refused(&self) -> bool {
        let Self::Refused {
            message, exchange, ..
        } = self
        else {
            return false;
        };
        let words = message.text.as_deref().unwrap_or_default().to_lowercase();
        exchange.method == Method::PATCH
            && matches!(self.counted_status(), Some(400 | 422))
            && !self.is_no_target()
            && (message.is_scim_type("invalidPath")
                || message.is_scim_type("invalidFilter")
                || words.contains("path"))
    }

    /// Whether a change was refused for what it does to its path, so that the value may be cleared in another form.
    pub(super) fn is_operation_refused(&self) -> bool {
        let Self::Refused {
            message, exchange, ..
        } = self
        else {
            return false;
        };
        let words = message.text.as_deref().unwrap_or_default().to_lowercase();
        exchange.method == Method::PATCH
            && matches!(self.counted_status(), Some(400 | 422))
            && (message.is_scim_type("invalidSyntax")
                || words.contains("remove")
                || words.contains("operation"))
    }

    /// Whether the target accepted it without doing it.
    pub(super) fn is_without_effect(&self) -> bool {
        matches!(self, Self::NoEffect { .. })
    }

    /// Whether a stop was asked for, which is not a failure.
    pub(crate) fn is_stop(&self) -> bool {
        match self {
            Self::Http(error) => error.is_stop(),
            Self::NoToken(error) => error.why == Why::Stopped,
            _ => false,
        }
    }

    pub(crate) fn exchange(&self) -> Option<&Exchange> {
        match self {
            Self::Refused { exchange, .. }
            | Self::NotScim { exchange, .. }
            | Self::NoIdInAnswer { exchange }
            | Self::NotInBulk { exchange }
            | Self::NoEffect { exchange, .. }
            | Self::TookMore { exchange }
            | Self::ReplacedMembers { exchange, .. }
            | Self::FilterIgnored { exchange }
            | Self::FilterUnanswered { exchange }
            | Self::ListIncomplete { exchange, .. } => Some(exchange),
            Self::Http(error) => error.exchange(),
            Self::NotFilterable { .. }
            | Self::BaseUrl { .. }
            | Self::Certificate { .. }
            | Self::Client { .. }
            | Self::ClientCertificate { .. }
            | Self::Credential { .. }
            | Self::Renewed
            | Self::NoToken(_)
            | Self::UnusableId { .. }
            | Self::NotRead
            | Self::MembersUnknown(_) => None,
        }
    }

    /// The status of the last answer; for an error message inside a 2xx answer, the status that it
    /// names.
    pub(crate) fn http_status(&self) -> Option<u16> {
        let status = self.exchange()?.status?;
        match self {
            Self::Refused { message, .. } if is_success(status) => {
                Some(message.status.unwrap_or(status))
            }
            _ => Some(status),
        }
    }

    /// The status that says what to make of it: an error message inside a 2xx answer that names no
    /// status counts as 400.
    fn counted_status(&self) -> Option<u16> {
        let status = self.http_status()?;
        let is_refusal = matches!(self, Self::Refused { .. });
        Some(if is_refusal && is_success(status) {
            400
        } else {
            status
        })
    }

    /// The failure as the engine records it, on one line.
    pub(crate) fn failure(&self) -> Failure {
        let mut message = self.to_string();
        let mut source = self.source();
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&http::redact(&cause.to_string()));
            source = cause.source();
        }
        Failure {
            class: self.class(),
            http_status: self.http_status(),
            message,
            unconfirmed: self.unconfirmed(),
        }
    }
}

//! What may go wrong with the source, distinguished by what follows from it. Texts hold Graph's own code
//! and message, never a token, a secret or a query.

use std::fmt;
use std::time::Duration;

use crate::config::SecretError;
use crate::engine::model::ObjectKind;
use crate::http;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{key} cannot be read")]
    Secret {
        /// As it stands in the configuration.
        key: String,
        #[source]
        source: SecretError,
    },
    /// Known before any request.
    #[error("{key}: {why}")]
    Credential {
        key: String,
        why: String,
        remedy: &'static str,
    },
    #[error("{key} signs in a user, and works only for the commands plan, test and import")]
    Personal { key: String },
    #[error("no access token, because this machine has no endpoint for managed identities")]
    NoManagedIdentity(#[source] Box<http::Error>),
    #[error("{key} cannot be used")]
    Url {
        key: String,
        #[source]
        source: http::UrlError,
    },
    #[error("the HTTP client for Microsoft Graph cannot be set up")]
    Setup(#[source] http::BuildError),
    #[error("{0}")]
    TokenRefused(Box<TokenRefusal>),
    #[error("no access token, because the sign-in service does not answer")]
    TokenUnanswered(#[source] Box<http::Error>),
    #[error("no access token: what {service} answered cannot be used: {why}")]
    TokenMalformed {
        service: &'static str,
        why: &'static str,
    },
    #[error("{0}")]
    Refused(Box<Refusal>),
    #[error("Microsoft Graph does not answer")]
    Unanswered(#[source] Box<http::Error>),
    /// The SDK could not make a request of what it was given.
    #[error("the request to Microsoft Graph cannot be built")]
    Unsendable,
    /// A status of success with something else than a page: an incomplete read, never the end of one.
    #[error("{request}: the response is not a page of a list: {why}")]
    NotAPage { request: String, why: String },
    /// Without serde's own words, which quote the data.
    #[error("{request}: the response is not the expected JSON (line {line}, column {column})")]
    Malformed {
        request: String,
        line: usize,
        column: usize,
    },
    #[error("a link that Microsoft Graph sent is not followed")]
    Link(#[source] http::LinkError),
    /// Graph's "limited information" form: an id, and null for everything that may not be read. Taking
    /// it for an object whose attributes were emptied would empty them in the target.
    #[error("every property of {kind} {id} is null, which happens if a permission is missing")]
    Unreadable { kind: ObjectKind, id: String },
    /// Taking it as it is could disable or rename an account.
    #[error("{property} of {kind} {id} is not {expected}")]
    WrongType {
        kind: ObjectKind,
        id: String,
        property: &'static str,
        expected: &'static str,
    },
    #[error("{key} \"{text}\" is not an id such as 8e881353-1735-45af-af21-ee1344582a4d")]
    NotAnId { key: &'static str, text: String },
    #[error("no enterprise application has the {key} \"{text}\"; {hint}")]
    NoApplication {
        key: &'static str,
        text: String,
        hint: String,
    },
    #[error(
        "{} enterprise applications are named \"{name}\": {}; choose one with service_principal_id",
        ids.len(), ids.join(", ")
    )]
    SeveralApplications { name: String, ids: Vec<String> },
    /// What Graph answers where access is missing, and where no user has a value: ambiguous.
    #[error(
        "no user has a value of the attribute set {set}; Microsoft Graph also returns no values if the \
         permission is missing"
    )]
    NoCustomSecurityValues { set: String },
    #[error("the tenant has no verified default domain")]
    NoDefaultDomain,
    /// What Graph answers where the permission is missing, and where the unit is empty.
    #[error(
        "the administrative unit {name} hides its members, and Microsoft Graph returned none, which \
         happens if a permission is missing"
    )]
    HiddenMembership { name: String },
    /// It was made for another configuration.
    #[error("the snapshot does not contain {what}")]
    NotInSnapshot { what: String },
    #[error("stopped")]
    Stopped,
}

/// Which kind of link is too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expired {
    /// The watermark: only a full read helps, and it does not report what was deleted before it.
    Watermark,
    /// A page in the middle of a round: begin the round again from the watermark it started at.
    Page,
}

const WATERMARK_CODES: &[&str] = &[
    "syncStateNotFound",
    "resyncRequired",
    "resyncChangesApplyDifferences",
];
const PAGE_CODE: &str = "Directory_ExpiredPageToken";

impl Error {
    /// Whether, and which, link was too old (Graph delta query: "410 or a 40X with such a code").
    pub(crate) fn expired(&self) -> Option<Expired> {
        let Self::Refused(refusal) = self else {
            return None;
        };
        if !(400..500).contains(&refusal.status) {
            return None;
        }
        if refusal.has_code(WATERMARK_CODES) {
            Some(Expired::Watermark)
        } else if refusal.has_code(&[PAGE_CODE]) {
            Some(Expired::Page)
        } else if refusal.status == 410 {
            Some(Expired::Watermark)
        } else {
            None
        }
    }

    /// Which stored link is to be given up where an earlier cycle stopped at one, and it does not lead to a page: the
    /// page's first, and the watermark where that is refused, too.
    pub(crate) fn leads_nowhere(&self, beginnings: u32) -> Option<Expired> {
        let is_refused = matches!(self, Self::Link(_))
            || matches!(self, Self::Refused(refusal) if matches!(refusal.status, 300..=400 | 404 | 405));
        let is_no_page = matches!(self, Self::NotAPage { .. } | Self::Malformed { .. });
        match (is_refused, is_no_page, beginnings) {
            (true, _, 2..) => Some(Expired::Watermark),
            (true, _, _) | (false, true, 1) => Some(Expired::Page),
            (false, _, _) => None,
        }
    }

    /// Whether the tenant is of a kind that has no delta queries ("Change enumeration is not supported").
    pub(super) fn is_delta_refused(&self) -> bool {
        matches!(
            self,
            Self::Refused(refusal)
                if refusal.status == 400 && refusal.has_code(&["Request_UnsupportedQuery"])
        )
    }

    pub(super) fn of_graph(error: http::Error) -> Self {
        match error {
            http::Error::Stopped { .. } => Self::Stopped,
            http::Error::Unsendable { .. } => Self::Unsendable,
            error => Self::Unanswered(Box::new(error)),
        }
    }

    pub(super) fn of_token(error: http::Error) -> Self {
        match error {
            http::Error::Stopped { .. } => Self::Stopped,
            error => Self::TokenUnanswered(Box::new(error)),
        }
    }
}

/// Graph said no, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Method and path: no host, no query.
    pub(crate) request: String,
    pub(crate) status: u16,
    /// Graph's codes from the outermost to the innermost.
    pub(crate) codes: Vec<String>,
    pub(crate) message: Option<String>,
    /// What Microsoft's support asks for.
    pub(crate) request_id: Option<String>,
    pub(crate) attempts: u32,
    pub(crate) elapsed: Duration,
}

impl Refusal {
    pub(super) fn has_code(&self, wanted: &[&str]) -> bool {
        self.codes
            .iter()
            .any(|code| wanted.iter().any(|w| code.eq_ignore_ascii_case(w)))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            request,
            status,
            codes,
            message,
            request_id,
            attempts,
            elapsed,
        } = self;
        write!(f, "{request} was answered with status {status}")?;
        if !codes.is_empty() {
            write!(f, " {}", codes.join(", "))?;
        }
        if let Some(message) = message {
            write!(f, ": {message}")?;
        }
        f.write_str(" (")?;
        if let Some(id) = request_id {
            write!(f, "request-id {id}, ")?;
        }
        write_effort(f, *attempts)?;
        write!(f, ", {:.1} s)", elapsed.as_secs_f64())
    }
}

/// Who grants tokens, in messages.
pub(super) const SIGN_IN: &str = "the sign-in service";
pub(super) const MACHINE: &str = "the managed identity endpoint of this machine";
pub(super) const AZURE_CLI: &str = "the Azure CLI";

/// A token answer that cannot be used. Nothing of it is quoted.
pub(super) fn malformed(service: &'static str, why: &'static str) -> Error {
    Error::TokenMalformed { service, why }
}

/// The token endpoint said no, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenRefusal {
    /// Who said no.
    pub(crate) service: &'static str,
    pub(crate) status: u16,
    /// The number of the AADSTS code.
    pub(crate) code: Option<u64>,
    /// The first line of the description, which begins with the AADSTS code; else the OAuth error word.
    pub(crate) words: Option<String>,
    pub(crate) trace_id: Option<String>,
    pub(crate) correlation_id: Option<String>,
    pub(crate) attempts: u32,
}

impl fmt::Display for TokenRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            service,
            status,
            code: _,
            words,
            trace_id,
            correlation_id,
            attempts,
        } = self;
        write!(
            f,
            "no access token: {service} answered with status {status}"
        )?;
        if let Some(words) = words {
            write!(f, ", {words}")?;
        }
        f.write_str(" (")?;
        if let Some(id) = trace_id {
            write!(f, "trace id {id}, ")?;
        }
        if let Some(id) = correlation_id {
            write!(f, "correlation id {id}, ")?;
        }
        write_effort(f, *attempts)?;
        f.write_str(")")
    }
}

impl From<TokenRefusal> for Error {
    fn from(refusal: TokenRefusal) -> Self {
        Self::TokenRefused(Box::new(refusal))
    }
}

fn write_effort(f: &mut fmt::Formatter<'_>, attempts: u32) -> fmt::Result {
    let word = if attempts == 1 { "attempt" } else { "attempts" };
    write!(f, "{attempts} {word}")
}

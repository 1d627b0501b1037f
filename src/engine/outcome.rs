//! What happened to an action, in the target's own words.

use chrono::{DateTime, Utc};

use super::model::{Held, Origin, TargetId, TargetPath};
use super::plan::Action;

/// One action that was carried out, or was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// What was really sent.
    pub(crate) action: Action,
    pub(crate) at: DateTime<Utc>,
    pub(crate) duration_ms: u64,
    /// Requests that it took, retries and look-ups included; 0 for an adoption without changes.
    pub(crate) requests: u32,
    /// Of the last request that it took; `None` where none was sent.
    pub(crate) method: Option<Method>,
    pub(crate) status: Status,
}

/// How a resource is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    pub(crate) const ALL: [Self; 4] = [Self::Post, Self::Put, Self::Patch, Self::Delete];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Carried out. The target id is the object's own, known now at the latest. The references and
    /// members of the action that have a target id were sent.
    Done {
        target: TargetId,
    },
    /// A create found that the object already exists: it is linked now, and compared in the next cycle.
    Met {
        target: TargetId,
        current: Held,
        origin: Origin,
    },
    /// The object is gone from the target (404, confirmed): the link is dropped, and the object is
    /// matched again in the next cycle.
    Vanished,
    Failed(Failure),
    /// Refused for these attributes alone, which are left out from now on. Rows that carry the rest may
    /// follow.
    LeftOut {
        paths: Vec<TargetPath>,
        failure: Failure,
    },
    /// Refused, and followed by rows that carry parts of it.
    Followed(Failure),
    /// Not tried: what it needs was not carried out, or the cycle was requested to stop.
    NotTried(&'static str),
    /// Not sent yet: it is tried after everything else.
    Postponed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) class: Class,
    /// The status of the last answer, where there was one, or the one that the answer itself names.
    pub(crate) http_status: Option<u16>,
    /// One line: the attempt and the target's own words, free of secrets.
    pub(crate) message: String,
    /// Whether the target may have carried it out all the same (a lost answer).
    pub(crate) unconfirmed: bool,
}

/// What kind of failure it is; what follows from it is decided by the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Connection, time-out, 5xx: may work later.
    Transient,
    /// 429 beyond our patience.
    Throttled,
    /// 400, 413, 422 and the like: this object as it is.
    Refused,
    /// 409: someone else holds a unique value.
    Conflict,
    /// 404 or 410.
    Gone,
    /// 401: the token is refused.
    Unauthorized,
    /// 403: not allowed, as a rule with this object alone.
    Forbidden,
    /// A create beyond what the target sells or stores (402, or 403 or 422 that says so).
    Quota,
    /// The answer says that it was done, and the target shows that it was not.
    NoEffect,
    /// The answer is not SCIM.
    Malformed,
    /// No request could be made of it: the failure is ours or the configuration's, not the target's.
    Invalid,
}

impl Failure {
    /// The same, saying which attributes are left out because of it.
    #[must_use]
    pub(crate) fn leaving_out(&self, paths: &[TargetPath]) -> Self {
        let names: Vec<String> = paths.iter().map(TargetPath::to_string).collect();
        let verb = if names.len() == 1 { "is" } else { "are" };
        Self {
            message: format!("{} {verb} left out: {}", names.join(", "), self.message),
            ..self.clone()
        }
    }
}

impl Class {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Throttled => "throttled",
            Self::Refused => "refused",
            Self::Conflict => "conflict",
            Self::Gone => "gone",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Quota => "quota",
            Self::NoEffect => "no-effect",
            Self::Malformed => "malformed",
            Self::Invalid => "invalid",
        }
    }
}

impl Status {
    pub(crate) fn is_failure(&self) -> bool {
        match self {
            Self::Failed(_) | Self::LeftOut { .. } | Self::Vanished => true,
            Self::Done { .. }
            | Self::Met { .. }
            | Self::Followed(_)
            | Self::NotTried(_)
            | Self::Postponed => false,
        }
    }
}

//! Why a cycle could not go on. One object that fails is not among these: it is an outcome.

use std::io;
use std::sync::Arc;

use crate::config::SecretError;
use crate::engine::denial::Denial;
use crate::engine::model::{JobName, ObjectKind, SourceId};
use crate::engine::quarantine::{Cause, Quarantine};
use crate::engine::record::Paused;
use crate::report::command;
use crate::{graph, scim, store};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{key} cannot be read")]
    Secret {
        /// As it stands in the config.
        key: String,
        #[source]
        source: SecretError,
    },
    #[error("the source cannot be read{}", missing(.0))]
    Graph(#[from] graph::Error),
    #[error(
        "the tenant's default domain cannot be read, which the mapping of {used_by} needs for \
         DefaultDomain; this requires the application permission Domain.Read.All"
    )]
    DefaultDomain {
        /// Target attributes.
        used_by: String,
        #[source]
        source: graph::Error,
    },
    #[error(
        "the custom security attributes cannot be read, which mappings or scoping filters need \
         ({names}); this requires the application permission CustomSecAttributeAssignment.Read.All \
         in addition to User.Read.All"
    )]
    CustomSecurityAttributes {
        names: String,
        #[source]
        source: graph::Error,
    },
    #[error("the target is not usable")]
    Target(#[from] scim::Error),
    #[error("the state cannot be read or written")]
    Store(#[from] store::Error),
    #[error("the target's list cannot be kept in a temporary file")]
    List {
        #[source]
        source: io::Error,
    },
    /// Why a reading failed that several jobs share.
    #[error(transparent)]
    Tenant(Arc<Error>),
    /// The links lead to other people's accounts, or to none (safety.md, 3).
    #[error(
        "nothing was written: {wrong} of {read} linked objects that were read in the target are missing \
         or belong to others, so this is probably another organisation or a reset target. To use it \
         anyway, match all objects again: {}; if not, {back} and run: {}",
        command(&format!("restart {job} --reset links")), command(&format!("sync {job}"))
    )]
    AnotherTarget {
        job: JobName,
        wrong: usize,
        read: usize,
        /// What to do to use the old settings.
        back: String,
    },
    /// A saved plan is not what would be done now.
    #[error(
        "nothing was written, because the current plan differs from the file: {}; make and review a new plan",
        differences.join("; ")
    )]
    AnotherPlan { differences: Vec<String> },
    /// What a saved plan holds is not what was approved.
    #[error(
        "nothing was written, because the plan holds {}",
        other_number(*held, *approved)
    )]
    OtherNumber { approved: u64, held: u64 },
    /// A part of a saved plan that has nothing in it.
    #[error(
        "nothing was written, because no change of the plan is of a user; to begin with a group, use \
         --only-group"
    )]
    NoUserInPlan,
    #[error("stopped")]
    Stopped,
    #[error("the thread that records outcomes ended early")]
    RecorderLost,
    #[error(
        "paused since {} by {}; to continue: {}",
        paused.since.format("%Y-%m-%d %H:%M UTC"), paused.by, command(&format!("resume {job}"))
    )]
    Paused { job: JobName, paused: Paused },
    #[error(
        "{job} has mode = \"observe\", so nothing is written; to see what a cycle would do: {}",
        command(&format!("plan {job}"))
    )]
    Observes { job: JobName },
    #[error(
        "in quarantine since {}, and nothing is written: {}. It continues automatically when the target {}",
        quarantine.since.format("%Y-%m-%d %H:%M UTC"), quarantine.reason, remedied(quarantine)
    )]
    Quarantine {
        job: JobName,
        quarantine: Quarantine,
    },
    #[error(
        "the source has no {} {name:?} that this state knows of: {}",
        kind_text(*kind), hint(nearest.as_deref())
    )]
    NoSuchObject {
        kind: Option<ObjectKind>,
        name: String,
        nearest: Option<String>,
    },
    #[error(
        "several {} are named {name:?}: give the id of one ({})",
        kinds_text(*kind),
        list(ids)
    )]
    AmbiguousObject {
        kind: Option<ObjectKind>,
        name: String,
        ids: Vec<SourceId>,
    },
}

impl From<scim::Unread> for Error {
    fn from(scim::Unread { key, source }: scim::Unread) -> Self {
        Self::Secret { key, source }
    }
}

impl Error {
    /// Whether the state could not be read or written.
    pub(super) fn concerns_state(&self) -> bool {
        match self {
            Self::Store(_) | Self::RecorderLost => true,
            Self::Tenant(error) => error.concerns_state(),
            Self::Secret { .. }
            | Self::Graph(_)
            | Self::DefaultDomain { .. }
            | Self::CustomSecurityAttributes { .. }
            | Self::Target(_)
            | Self::List { .. }
            | Self::AnotherTarget { .. }
            | Self::AnotherPlan { .. }
            | Self::OtherNumber { .. }
            | Self::NoUserInPlan
            | Self::Stopped
            | Self::Paused { .. }
            | Self::Quarantine { .. }
            | Self::Observes { .. }
            | Self::NoSuchObject { .. }
            | Self::AmbiguousObject { .. } => false,
        }
    }

    /// Whether nothing is written until an operator decided something: whose target it is, that a job goes on.
    pub(crate) fn needs_decision(&self) -> bool {
        matches!(
            self,
            Self::AnotherTarget { .. } | Self::Paused { .. } | Self::Quarantine { .. }
        )
    }

    /// Whether the target is what kept it from going on.
    pub(crate) fn is_of_the_target(&self) -> bool {
        matches!(self, Self::Target(_))
    }

    /// Whether a name that a person gave means no object, or several.
    pub(crate) fn is_of_a_name(&self) -> bool {
        matches!(
            self,
            Self::NoSuchObject { .. } | Self::AmbiguousObject { .. }
        )
    }

    /// Whether what a person requested cannot be done as requested: it says nothing of the job.
    pub(crate) fn is_of_the_request(&self) -> bool {
        self.is_of_a_name()
            || matches!(
                self,
                Self::AnotherPlan { .. } | Self::OtherNumber { .. } | Self::NoUserInPlan
            )
    }

    /// That the tenant refuses the sign-in, or what a permission is missing for, where it is that. `section` is the
    /// place of the source in the configuration.
    pub(super) fn denial(&self, section: &str) -> Option<Denial> {
        let source = match self {
            Self::Graph(source)
            | Self::DefaultDomain { source, .. }
            | Self::CustomSecurityAttributes { source, .. } => source,
            Self::Tenant(error) => return error.denial(section),
            Self::Secret { .. }
            | Self::Target(_)
            | Self::Store(_)
            | Self::List { .. }
            | Self::AnotherTarget { .. }
            | Self::AnotherPlan { .. }
            | Self::OtherNumber { .. }
            | Self::NoUserInPlan
            | Self::Stopped
            | Self::RecorderLost
            | Self::Paused { .. }
            | Self::Quarantine { .. }
            | Self::Observes { .. }
            | Self::NoSuchObject { .. }
            | Self::AmbiguousObject { .. } => return None,
        };
        Self::denial_of(source, section)
    }

    pub(super) fn denial_of(source: &graph::Error, section: &str) -> Option<Denial> {
        source.refuses().map(|refuses| Denial {
            refuses,
            because: Self::chain_of(source),
            remedy: source.remedy(section),
        })
    }

    /// The whole chain in one line.
    pub(crate) fn chain(&self) -> String {
        Self::chain_of(self)
    }

    pub(super) fn chain_of(error: &dyn std::error::Error) -> String {
        let mut words = error.to_string();
        let mut cause = error.source();
        while let Some(next) = cause {
            words.push_str(": ");
            words.push_str(&next.to_string());
            cause = next.source();
        }
        words
    }
}

/// What the source cannot be read for, where its own words do not name it.
fn missing(error: &graph::Error) -> String {
    match error.missing_permission() {
        Some(permission) => {
            format!(", because the application permission {permission} is missing in the tenant")
        }
        None => String::new(),
    }
}

fn other_number(held: u64, approved: u64) -> String {
    match held {
        0 => "no removals; apply it without --approve-removals".to_owned(),
        held => format!(
            "{held} removals, not {approved}; review them, and use --approve-removals {held}"
        ),
    }
}

fn remedied(quarantine: &Quarantine) -> &'static str {
    match quarantine.cause {
        Cause::Failures => "accepts most changes again",
        Cause::Refused => "accepts the credential",
        Cause::Incompatible => "answers as SCIM requires",
    }
}

fn kind_text(kind: Option<ObjectKind>) -> &'static str {
    match kind {
        Some(kind) => kind.word(),
        None => "user or group",
    }
}

fn kinds_text(kind: Option<ObjectKind>) -> &'static str {
    match kind {
        Some(ObjectKind::User) => "users",
        Some(ObjectKind::Group) => "groups",
        None => "objects",
    }
}

fn hint(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("did you mean {nearest:?}?"),
        None => "run a cycle first, or check the spelling".to_owned(),
    }
}

fn list(ids: &[SourceId]) -> String {
    let ids: Vec<&str> = ids.iter().map(SourceId::as_str).collect();
    ids.join(", ")
}

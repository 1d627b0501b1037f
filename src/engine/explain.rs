//! Why an object is, or is not, provisioned: everything that the state knows of it. `cycle` fills it, reports
//! print it.

use chrono::{DateTime, Utc};

use super::filter::ClauseResult;
use super::model::{JobName, MatchKey, Presence, TargetPath, Value, Via};
use super::plan::{Action, Skipped, Subject};
use super::record::{Escrowed, HeldRemoval, LinkRecord, LogEntry};
use super::redact::Shown;
use super::scope::Verdict;

#[derive(Debug)]
pub(crate) struct Explanation {
    pub(crate) job: JobName,
    pub(crate) subject: Subject,
    pub(crate) presence: Presence,
    /// Sign-in is blocked.
    pub(crate) blocked: bool,
    /// What would bring it into scope: assignments, and ways through groups.
    pub(crate) ways: Vec<Via>,
    pub(crate) verdict: Verdict,
    pub(crate) clauses: Vec<ClauseResult>,
    /// Empty for a group without mappings, or where an expression says that the object is to be left alone.
    pub(crate) attributes: Vec<Mapped>,
    /// Where it is looked for, in matching precedence.
    pub(crate) keys: Vec<MatchKey>,
    pub(crate) link: Option<LinkRecord>,
    /// The groups that it is in: in the target as last sent, or as it should be.
    pub(crate) groups: Vec<Membership>,
    /// The newest entry of the log that changed it.
    pub(crate) last_write: Option<LogEntry>,
    /// What took access away from it, the newest first.
    pub(crate) removals: Vec<LogEntry>,
    pub(crate) escrow: Option<Escrowed>,
    /// Removals of it that wait for a person, and those that a person rejected.
    pub(crate) held: Vec<HeldRemoval>,
    pub(crate) rejected: Vec<HeldRemoval>,
    /// It is evaluated again in the next cycle whatever changes.
    pub(crate) marked: bool,
    /// When its account, which is disabled, is deleted.
    pub(crate) deleted_at: Option<DateTime<Utc>>,
    pub(crate) next: Next,
    /// Why the last cycle could not read the source completely, or why the scope was not certain.
    pub(crate) incomplete: Option<String>,
}

/// One mapped attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapped {
    pub(crate) path: TargetPath,
    /// The mapping's source as it is written.
    pub(crate) source: String,
    pub(crate) state: State,
    pub(crate) wanted: Option<Value>,
    pub(crate) sent: Option<Value>,
    /// The parts of its expression, the outer ones before those inside them; without the whole and without what is
    /// written in it as it is.
    pub(crate) parts: Vec<Part>,
}

/// A part of an expression, and what it came to for this object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// As it is written, on one line.
    pub(crate) text: String,
    /// In how many other parts it is.
    pub(crate) depth: usize,
    pub(crate) outcome: PartOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PartOutcome {
    Value(Value),
    Null,
    /// It says that nothing flows.
    Ignored,
    Failed(String),
    /// Such as the branch that was not taken.
    NotEvaluated,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Kept up to date.
    Kept,
    /// Sent with a create, and left alone afterwards.
    OnCreate,
    /// The target refuses it, so that it is sent by itself.
    Refused,
    /// No value flows: what the target has stays.
    LeftAlone,
    Failed(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Membership {
    pub(crate) group: Subject,
    /// In the target, as last sent.
    pub(crate) sent: bool,
    /// In the source.
    pub(crate) in_source: bool,
}

/// What the next cycle makes of it if nothing changes.
#[derive(Debug)]
pub(crate) enum Next {
    /// It is looked for in the target by its keys, and adopted, or created where nothing is found.
    LookUp,
    Planned {
        actions: Vec<Shown<'static, Action>>,
        skipped: Vec<Shown<'static, Skipped>>,
    },
}

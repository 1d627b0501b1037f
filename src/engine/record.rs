//! What is on record of a job: its cycles, the objects in escrow, what is held, and the provisioning
//! log. The state keeps these, and reports print them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::guard::WhyHeld;
use super::model::{JobName, MatchKey, ObjectKind, TargetId, TargetPath, Value};
use super::outcome::{Class, Method};
use super::plan::{Count, Subject, Why, WhyMember, WhyRemoved};
use super::quarantine::Quarantine;
use super::summary::{CycleKind, Health, Requests};

/// How much of the log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retention {
    pub(crate) age: TimeDelta,
    /// About so many entries, if more are older than [`Self::LEAST`].
    pub(crate) rows: i64,
}

impl Retention {
    /// What is younger is always kept: the limits of removals count what was done within 24 hours.
    pub(crate) const LEAST: TimeDelta = TimeDelta::days(2);
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            age: TimeDelta::days(90),
            rows: 10_000_000,
        }
    }
}

/// All that is known of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JobRecord {
    /// The next cycle evaluates every object.
    pub(crate) full_evaluation: bool,
    /// The newest first.
    pub(crate) cycles: Vec<CycleRecord>,
    pub(crate) linked: Count,
    /// Objects marked for evaluation.
    pub(crate) pending: Count,
    pub(crate) in_escrow: Count,
    /// The first of them, the longest there first.
    pub(crate) escrow: Vec<Escrowed>,
    pub(crate) held: Option<HeldSet>,
    /// Since when no cycle runs.
    pub(crate) paused: Option<Paused>,
    pub(crate) quarantine: Option<Quarantine>,
    pub(crate) staged: Option<Staged>,
    /// When linked objects were compared last with what the target holds.
    pub(crate) compared: Option<DateTime<Utc>>,
    /// Removals that a person approved, and that the next cycle carries out.
    pub(crate) approved: Vec<HeldRemoval>,
    /// Removals that a person rejected; they are not planned while their cause stays.
    pub(crate) rejected: Vec<HeldRemoval>,
}

impl JobRecord {
    /// Of a job that never ran.
    pub(crate) fn new() -> Self {
        Self {
            full_evaluation: true,
            cycles: Vec::new(),
            linked: Count::default(),
            pending: Count::default(),
            in_escrow: Count::default(),
            escrow: Vec::new(),
            held: None,
            paused: None,
            quarantine: None,
            staged: None,
            compared: None,
            approved: Vec::new(),
            rejected: Vec::new(),
        }
    }

    /// How the last cycle ended that is over, unless what it held has been decided since. What failed
    /// earlier and is not due yet counts.
    pub(crate) fn health(&self) -> Option<Health> {
        let mut cycles = self.cycles.iter();
        let last = cycles.find(|cycle| cycle.state != CycleState::Running)?;
        match last.state {
            CycleState::Ended(Health::Succeeded) if self.in_escrow.total() > 0 => {
                Some(Health::ObjectsFailed)
            }
            CycleState::Ended(Health::Held) if self.is_decided(last) => Some(Health::Succeeded),
            CycleState::Ended(health) => Some(health),
            CycleState::Running | CycleState::Interrupted => Some(Health::Failed),
        }
    }

    /// Whether a person decided of everything that the cycle held.
    pub(crate) fn is_decided(&self, cycle: &CycleRecord) -> bool {
        cycle.state == CycleState::Ended(Health::Held)
            && cycle.error.is_none()
            && self.held.is_none()
    }
}

/// That an operator paused a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Paused {
    pub(crate) since: DateTime<Utc>,
    pub(crate) by: String,
}

/// Disabled accounts that are deleted after a time (`delete_after`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Staged {
    pub(crate) after: Duration,
    /// How many wait for it, and when it is time for the first of them.
    pub(crate) waiting: u64,
    pub(crate) first: Option<DateTime<Utc>>,
    /// Users whose accounts were enabled in the target since, so that they stay; the first of them.
    pub(crate) enabled: Vec<Subject>,
}

/// What was done to a job or an object other than by a cycle: by an operator, or that a quarantine began or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operated {
    pub(crate) at: DateTime<Utc>,
    /// The Unix user, or [`Operated::ENTRAIN`].
    pub(crate) who: String,
    pub(crate) job: JobName,
    /// The command.
    pub(crate) verb: String,
    pub(crate) detail: String,
    /// `None`: the whole job.
    pub(crate) subject: Option<Subject>,
}

impl Operated {
    /// Who did what no operator did.
    pub(crate) const ENTRAIN: &str = "entrain";
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CycleRecord {
    /// In the state, over all jobs, from 1.
    pub(crate) number: i64,
    pub(crate) kind: CycleKind,
    pub(crate) state: CycleState,
    pub(crate) started: DateTime<Utc>,
    pub(crate) finished: Option<DateTime<Utc>>,
    pub(crate) duration_ms: u64,
    pub(crate) evaluated: Count,
    pub(crate) in_scope: Count,
    pub(crate) linked: Count,
    /// As in [`super::summary::Summary::done`].
    pub(crate) done: BTreeMap<String, u64>,
    /// As in [`super::summary::Summary::skipped`].
    pub(crate) skipped: BTreeMap<String, u64>,
    pub(crate) failed: u64,
    pub(crate) not_tried: u64,
    /// Removals that were held.
    pub(crate) held: u64,
    pub(crate) requests: Requests,
    /// Why the source could not be read completely, or the scope is not certain.
    pub(crate) incomplete: Option<String>,
    /// Why the cycle could not go on.
    pub(crate) error: Option<String>,
    /// How far the clock of the machine was ahead of the source's, where they did not agree.
    pub(crate) clock_ahead: Option<TimeDelta>,
}

impl CycleRecord {
    /// Whether what it evaluated, and what was in scope, is on record: only one that came to its end, or was stopped
    /// or aborted in order, knows.
    pub(crate) fn is_counted(&self) -> bool {
        self.finished.is_some()
            && (self.error.is_none() || self.evaluated.total() + self.in_scope.total() > 0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CycleState {
    Running,
    /// Its process ended before the cycle did.
    Interrupted,
    Ended(Health),
}

impl CycleState {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let ended = Health::ALL.into_iter().map(Self::Ended);
        [Self::Running, Self::Interrupted].into_iter().chain(ended)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Ended(health) => health.as_str(),
        }
    }

    /// Whether the cycle did not reach its end, so that the next one must not wait for its time.
    pub(crate) fn is_unfinished(self) -> bool {
        match self {
            Self::Running | Self::Interrupted => true,
            Self::Ended(health) => matches!(health, Health::Stopped | Health::Failed),
        }
    }
}

/// The process that uses a state for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) pid: u32,
    /// `run` is the service.
    pub(crate) command: String,
}

impl Holder {
    pub(crate) fn is_service(&self) -> bool {
        self.command == "run"
    }
}

/// An object whose last operation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Escrowed {
    pub(crate) subject: Subject,
    /// The action's name, or "plan" when it never became one.
    pub(crate) action: String,
    pub(crate) first_failed: DateTime<Utc>,
    pub(crate) last_failed: DateTime<Utc>,
    /// Cycles in which it failed, one after the other.
    pub(crate) attempts: u32,
    /// `None` when it never became an action.
    pub(crate) class: Option<Class>,
    pub(crate) http_status: Option<u16>,
    pub(crate) message: String,
    /// The object, or what it depends on, changed since it failed, or an operator wants it tried.
    pub(crate) changed: bool,
}

/// What was erased of a person, and what stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Erased {
    /// Of the log.
    pub(crate) entries: u64,
    pub(crate) links: Vec<Tombstone>,
}

/// To which account a person was linked whose name and values are erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tombstone {
    pub(crate) job: JobName,
    pub(crate) target: TargetId,
    pub(crate) is_active: bool,
}

/// A source object and the target object that it is linked to, or may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LinkRecord {
    pub(crate) subject: Subject,
    pub(crate) target: Option<TargetId>,
    pub(crate) state: LinkState,
    /// What was last sent, where it was asked for.
    pub(crate) sent: BTreeMap<TargetPath, Value>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LinkState {
    InScope,
    OutOfScope,
    /// The next cycle reads the target object before it compares it.
    ToBeRead,
    /// The next cycle verifies it before it is used.
    FormerlyOurs,
    /// Not linked: an old address found the target object, and an operator must decide.
    OldAddress(MatchKey),
    /// Not linked: an operator decided that the user is new.
    New,
}

impl LinkState {
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::InScope => "in-scope",
            Self::OutOfScope => "out-of-scope",
            Self::ToBeRead => "to-be-read",
            Self::FormerlyOurs => "formerly-ours",
            Self::OldAddress(_) => "old-address",
            Self::New => "new",
        }
    }
}

/// What is held of a job, since when, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeldSet {
    /// Empty where all reasons are gone and no decision was made.
    pub(crate) why: Vec<WhyHeld>,
    pub(crate) since: DateTime<Utc>,
    /// The last cycle that held any of them.
    pub(crate) cycle: i64,
    /// In plan order.
    pub(crate) removals: Vec<HeldRemoval>,
}

impl HeldSet {
    /// See [`by_action`].
    pub(crate) fn by_action(&self) -> BTreeMap<String, u64> {
        by_action(&self.removals)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeldRemoval {
    pub(crate) subject: Subject,
    /// Of a membership; the subject is its group.
    pub(crate) member: Option<Subject>,
    /// The action's name.
    pub(crate) action: String,
    /// Why it would be removed: one word.
    pub(crate) cause: String,
    /// What the person said who decided.
    pub(crate) reason: Option<String>,
}

/// What a person decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decided {
    /// The cycle whose held removals were meant.
    pub(crate) cycle: i64,
    pub(crate) removals: Vec<HeldRemoval>,
    /// Held in that cycle, and no longer planned.
    pub(crate) gone: Vec<HeldRemoval>,
    /// Those that joined later stay held.
    pub(crate) later: u64,
}

/// How many objects each action concerns. The memberships of a group are several removals.
pub(crate) fn by_action(removals: &[HeldRemoval]) -> BTreeMap<String, u64> {
    let objects = removals.iter();
    let objects: BTreeSet<_> = objects.map(|one| (&one.action, one.subject.key)).collect();
    let mut by_action = BTreeMap::new();
    for (action, _) in objects {
        *by_action.entry(action.clone()).or_default() += 1;
    }
    by_action
}

/// One entry of the provisioning log: what was done to one object, or was tried; or that a cycle failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogEntry {
    /// Grows with time.
    pub(crate) id: i64,
    pub(crate) cycle: i64,
    pub(crate) job: JobName,
    pub(crate) at: DateTime<Utc>,
    /// `None` where the cycle itself failed.
    pub(crate) subject: Option<Subject>,
    pub(crate) target: Option<TargetId>,
    /// The action's name; "plan" when it never became one because of a failure, "skip" when there was
    /// nothing to do, "cycle" when the cycle failed.
    pub(crate) action: String,
    pub(crate) status: LogStatus,
    /// Why the object was removed or skipped.
    pub(crate) reason: Option<Reason>,
    pub(crate) changes: Vec<LoggedChange>,
    pub(crate) http_status: Option<u16>,
    pub(crate) error: Option<String>,
    pub(crate) requests: u32,
    /// Of the last of them.
    pub(crate) method: Option<Method>,
    pub(crate) duration_ms: u64,
    /// When what failed is tried again, if nothing changes before; where it still waits for that.
    pub(crate) next_try: Option<DateTime<Utc>>,
}

/// A request that was sent, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoggedRequest {
    pub(crate) at: DateTime<Utc>,
    pub(crate) job: JobName,
    pub(crate) cycle: i64,
    pub(crate) side: Side,
    pub(crate) method: String,
    /// Without a query.
    pub(crate) path: String,
    /// `None`: there was no answer, or it is known only that it was carried out.
    pub(crate) status: Option<u16>,
    /// How often it was sent.
    pub(crate) attempts: u32,
    pub(crate) duration_ms: u64,
    pub(crate) error: Option<String>,
    /// What it was for, where that is an action: its name, how it ended, and of which object.
    pub(crate) action: Option<(String, LogStatus, Option<Subject>)>,
}

impl LoggedRequest {
    /// Whether it got an answer that is no failure, as far as that is known.
    pub(crate) fn is_answered(&self) -> bool {
        match (self.status, &self.action) {
            (Some(status), _) => status < 400,
            (None, Some((_, status, _))) => *status != LogStatus::Failed,
            (None, None) => false,
        }
    }
}

/// Which server a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Source,
    Target,
}

impl Side {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Target => "target",
        }
    }
}

impl LogEntry {
    /// Its last request; `None` where it took none.
    pub(crate) fn request(&self) -> Option<LoggedRequest> {
        let method = self.method.filter(|_| self.requests > 0)?;
        let collection = match self.subject.as_ref()?.kind {
            ObjectKind::User => "/Users",
            ObjectKind::Group => "/Groups",
        };
        let path = match (method, &self.target) {
            (Method::Put | Method::Patch | Method::Delete, Some(target)) => {
                format!("{collection}/{target}")
            }
            (Method::Post, _) | (_, None) => collection.to_owned(),
        };
        Some(LoggedRequest {
            at: self.at,
            job: self.job.clone(),
            cycle: self.cycle,
            side: Side::Target,
            method: method.as_str().to_owned(),
            path,
            status: self.http_status,
            attempts: self.requests,
            duration_ms: self.duration_ms,
            error: self.error.clone(),
            action: Some((self.action.clone(), self.status, self.subject.clone())),
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Removed(WhyRemoved),
    /// Members leave a group that stays, all for this reason.
    Left(WhyMember),
    /// Members leave a group that stays, for different reasons, which its changes hold.
    LeftEach,
    /// An object is a member of the group in the source.
    Member,
    Skipped(Why),
}

impl Reason {
    /// The one word for it in JSON.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Removed(why) => why.as_str(),
            Self::Left(why) => why.as_str(),
            Self::LeftEach => "each-member",
            Self::Member => "member",
            Self::Skipped(why) => why.word(),
        }
    }
}

/// One attribute before and after, by its target path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoggedChange {
    pub(crate) attribute: String,
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
    /// Of members that leave for different reasons, the one of these.
    pub(crate) why: Option<WhyMember>,
    /// Members that are not listed, because only some were asked for.
    pub(crate) more: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LogStatus {
    Succeeded,
    /// The object was in the target already, and is linked now.
    AlreadyExists,
    /// The object is gone from the target, and is no longer linked.
    Gone,
    Failed,
    /// Refused as a whole, and carried out by actions that follow it and carry parts of it.
    InParts,
    /// Not sent: what it needs was not carried out, or the cycle was stopped.
    NotTried,
    /// Nothing was done about the object. Only entries of this status are listed, and only on request.
    Skipped,
}

impl LogStatus {
    /// Whether something was changed in the target, or an account linked.
    pub(crate) fn is_done(self) -> bool {
        matches!(self, Self::Succeeded | Self::AlreadyExists)
    }

    pub(crate) const ALL: [Self; 7] = [
        Self::Succeeded,
        Self::AlreadyExists,
        Self::Gone,
        Self::Failed,
        Self::InParts,
        Self::NotTried,
        Self::Skipped,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::AlreadyExists => "already-exists",
            Self::Gone => "gone",
            Self::Failed => "failed",
            Self::InParts => "in-parts",
            Self::NotTried => "not-tried",
            Self::Skipped => "skipped",
        }
    }
}

/// An agent of several that share the state, as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Registered {
    pub(crate) id: String,
    pub(crate) host: String,
    pub(crate) pid: i64,
    pub(crate) version: String,
    pub(crate) command: String,
    pub(crate) started: DateTime<Utc>,
    /// When it renewed its lease, and how long ago, by the clock of the database.
    pub(crate) renewed: DateTime<Utc>,
    pub(crate) renewed_ago: TimeDelta,
    pub(crate) is_alive: bool,
    /// Its jobs, with when it took them.
    pub(crate) jobs: Vec<(JobName, DateTime<Utc>)>,
    /// Jobs that it does not run, since another agent loaded a newer configuration of them.
    pub(crate) outdated: Vec<JobName>,
}

impl Registered {
    /// Whether it runs jobs when they are due.
    pub(crate) fn is_service(&self) -> bool {
        self.is_alive && self.command == "run"
    }
}

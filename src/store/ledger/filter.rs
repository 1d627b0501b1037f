//! Which rows of the ledger a look at the log is about. A running cycle may have a million rows that have not
//! ended, and the log many millions that have: a look must read neither. So the rows are found by the index of
//! what has ended, or by that of an object's rows, and the filters are columns of the first.

use chrono::{DateTime, Utc};

use super::super::objects::known_as;
use super::super::state::State;
use super::status;
use crate::engine::model::{JobName, Key};
use crate::engine::record::LogStatus;

/// Which entries are wanted; `None` is no condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogFilter {
    pub(crate) job: Option<JobName>,
    pub(crate) cycle: Option<i64>,
    pub(crate) since: Option<DateTime<Utc>>,
    pub(crate) until: Option<DateTime<Utc>>,
    pub(crate) action: Option<String>,
    pub(crate) status: Option<LogStatus>,
    /// Source id, target id or label, or the address that a guest has at home.
    pub(crate) object: Option<String>,
    /// Lines later than the one with this id, to follow the log.
    pub(crate) after: Option<i64>,
    /// Lines earlier than the one with this id, to page through it.
    pub(crate) before: Option<i64>,
    /// So many members of a group are listed of each entry at most; the others are counted. A page of entries may have
    /// as many as the directory.
    pub(crate) members: Option<usize>,
}

/// The rows that have ended, apart from those that are skipped: the condition of their two indexes.
const ENDED: &str = "a.state IN (2, 10, 11, 12, 13, 14, 15)";

pub(super) struct Chosen {
    /// The index by which they are found, as it stands behind the table.
    pub(super) rows: &'static str,
    pub(super) conditions: String,
    /// The time of a row.
    pub(super) at: &'static str,
    /// The value of `:objects`.
    pub(super) objects: Vec<Key>,
}

impl LogFilter {
    /// `sent_or_cycle` is the time of a row that may not have been sent.
    pub(super) fn choose(
        &self,
        state: &State,
        sent_or_cycle: &'static str,
    ) -> rusqlite::Result<Chosen> {
        let objects = match &self.object {
            Some(text) => known_as(state, text)?,
            None => Vec::new(),
        };
        let is_skipped = self.status == Some(LogStatus::Skipped);
        let rows = match (is_skipped, &self.object) {
            (true, _) => "INDEXED BY actions_skipped",
            (false, Some(_)) if !objects.is_empty() => "INDEXED BY actions_of",
            (false, _) => "INDEXED BY actions_ended",
        };
        let (ended, at) = match self.status {
            Some(LogStatus::Skipped) => ("a.state = 20", sent_or_cycle),
            Some(LogStatus::InParts | LogStatus::NotTried) => (ENDED, sent_or_cycle),
            Some(
                LogStatus::Succeeded
                | LogStatus::AlreadyExists
                | LogStatus::Gone
                | LogStatus::Failed,
            )
            | None => ("a.state NOT IN (14, 15) AND a.at IS NOT NULL", "a.at"),
        };
        let mut conditions = format!("{ended} AND a.id > :after AND a.id < :before");
        let mut and = |condition: &str| {
            conditions.push_str(" AND ");
            conditions.push_str(condition);
        };
        if !is_skipped {
            and(ENDED);
        }
        if self.job.is_some() {
            and("a.job = :job");
        }
        if self.cycle.is_some() {
            // Its rows are next to each other, but for those of other jobs.
            and("a.cycle = :cycle
                 AND a.id >= (SELECT min(id) FROM actions WHERE cycle = :cycle)
                 AND a.id <= (SELECT max(id) FROM actions WHERE cycle = :cycle)");
        }
        if self.since.is_some() {
            and(&format!("{at} >= :since"));
        }
        if self.until.is_some() {
            and(&format!("{at} < :until"));
        }
        if self.action.is_some() {
            and("a.operation = :action");
        }
        if self.status.is_some() {
            and("a.state IN (:one, :other)");
        }
        match &self.object {
            Some(_) if objects.is_empty() => and("a.target = :target"),
            Some(_) => and("a.source IN (SELECT value FROM rarray(:objects))"),
            None => {}
        }
        Ok(Chosen {
            rows: if state.is_layered() { "" } else { rows },
            conditions,
            at,
            objects,
        })
    }
}

/// The states of rows that have this status.
pub(super) fn states(status: LogStatus) -> (i64, i64) {
    match status {
        LogStatus::Succeeded => (status::DONE, status::DONE),
        LogStatus::AlreadyExists => (status::EXISTS, status::EXISTS),
        LogStatus::Gone => (status::GONE, status::GONE),
        LogStatus::Failed => (status::REFUSED, status::UNKNOWN),
        LogStatus::InParts => (status::FOLLOWED, status::FOLLOWED),
        LogStatus::NotTried => (status::NOT_SENT, status::NOT_SENT),
        LogStatus::Skipped => (status::SKIPPED, status::SKIPPED),
    }
}

//! The provisioning log and the requests on record (product rule 9).

use chrono::{DateTime, Utc};
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Row, Transaction, named_params, params};

use super::escrow::{NotPlanned, PLAN};
use super::objects::guest_names;
use super::wire::{Column, unreadable};
use super::{Error, Store};
use crate::engine::model::{JobName, ObjectKind, SourceId, TargetId, TargetPath, Value};
use crate::engine::outcome::{Effect, Failure, Outcome, Status};
use crate::engine::plan::{Operation, Referenced, Subject};
use crate::engine::redact::Shown;

/// One line of the provisioning log: what was done to one object, or was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogEntry {
    /// Grows with time.
    pub(crate) id: i64,
    pub(crate) cycle: i64,
    pub(crate) job: JobName,
    pub(crate) at: DateTime<Utc>,
    pub(crate) subject: Subject,
    pub(crate) target: Option<TargetId>,
    /// The action's word, or "plan" when it never became one.
    pub(crate) action: String,
    pub(crate) status: LogStatus,
    pub(crate) changes: Vec<LoggedChange>,
    pub(crate) http_status: Option<u16>,
    pub(crate) error: Option<String>,
    pub(crate) requests: u32,
    pub(crate) duration_ms: u64,
}

/// One attribute before and after, by its target path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoggedChange {
    pub(crate) attribute: String,
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LogStatus {
    Succeeded,
    /// The object was in the target already, and is linked now.
    Met,
    /// The object is gone from the target, and is no longer linked.
    Vanished,
    Failed,
}

impl LogStatus {
    pub(crate) const ALL: [Self; 4] = [Self::Succeeded, Self::Met, Self::Vanished, Self::Failed];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Met => "met",
            Self::Vanished => "vanished",
            Self::Failed => "failed",
        }
    }
}

/// Which lines of the log are asked for; what is `None` asks for all.
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
}

/// A request to the target that belongs to no action, such as a look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestRecord {
    pub(crate) at: DateTime<Utc>,
    pub(crate) method: String,
    /// Without the values of a filter.
    pub(crate) path: String,
    /// `None` when there was no answer.
    pub(crate) status: Option<u16>,
    pub(crate) duration_ms: u64,
    pub(crate) object: Option<(ObjectKind, SourceId)>,
    pub(crate) error: Option<String>,
}

impl Store {
    /// The newest lines of the provisioning log, newest first.
    pub(crate) fn log(&self, filter: &LogFilter, limit: u32) -> Result<Vec<LogEntry>, Error> {
        let LogFilter {
            job,
            cycle,
            since,
            until,
            action,
            status,
            object,
            after,
        } = filter;
        // The filters that have an index come first, each only where it is asked for.
        let indexed = match (cycle, object, job) {
            (Some(_), _, _) => "cycle = :cycle",
            (None, None, Some(_)) => "job = :job",
            (None, Some(_), _) | (None, None, None) => "true",
        };
        let sql = format!(
            "SELECT id, cycle, job, at, kind, source_id, label, target_id, action, status, changes,
                    http_status, error, requests, duration_ms
             FROM log
             WHERE {indexed} AND id > :after
                 AND (:job IS NULL OR job = :job) AND (:cycle IS NULL OR cycle = :cycle)
                 AND (:since IS NULL OR at >= :since) AND (:until IS NULL OR at < :until)
                 AND (:action IS NULL OR action = :action)
                 AND (:status IS NULL OR status = :status)
                 AND (:object IS NULL OR source_id = :object OR source_id = lower(:object) OR target_id = :object
                      OR label = :object COLLATE NOCASE
                      OR (kind = 'user' AND label >= :guests COLLATE NOCASE
                          AND label < :guests_end COLLATE NOCASE))
             ORDER BY id DESC LIMIT :limit"
        );
        let (guests, guests_end) = object.as_deref().and_then(guest_names).unzip();
        self.read("read the provisioning log", |connection| {
            connection
                .prepare_cached(&sql)?
                .query_map(
                    named_params! {
                        ":guests": guests,
                        ":guests_end": guests_end,
                        ":job": job,
                        ":cycle": cycle,
                        ":since": since.map(Column),
                        ":until": until.map(Column),
                        ":action": action,
                        ":status": status,
                        ":object": object,
                        ":after": after.unwrap_or(0),
                        ":limit": limit,
                    },
                    entry,
                )?
                .collect()
        })
    }

    /// Puts requests on record that belong to no action.
    pub(crate) fn record_requests(
        &self,
        job: &JobName,
        cycle: i64,
        requests: &[RequestRecord],
    ) -> Result<(), Error> {
        self.write("record requests", |tx| {
            let mut statement = tx.prepare_cached(
                "INSERT INTO requests (cycle, job, at, method, path, status, duration_ms, kind,
                                       source_id, error)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?;
            for RequestRecord {
                at,
                method,
                path,
                status,
                duration_ms,
                object,
                error,
            } in requests
            {
                statement.execute(params![
                    cycle,
                    job,
                    Column(*at),
                    method,
                    path,
                    status,
                    Column(*duration_ms),
                    object.as_ref().map(|(kind, _)| kind),
                    object.as_ref().map(|(_, id)| id),
                    error,
                ])?;
            }
            Ok(())
        })
    }
}

impl ToSql for LogStatus {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.word().into())
    }
}

impl FromSql for LogStatus {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let word = value.as_str()?;
        Self::ALL
            .into_iter()
            .find(|status| status.word() == word)
            .ok_or_else(|| unreadable("status"))
    }
}

pub(super) fn log_outcome(
    tx: &Transaction<'_>,
    (job, cycle): (&JobName, i64),
    outcome: &Shown<'_, Outcome>,
    target: Option<&TargetId>,
    status: LogStatus,
    failure: Option<&Failure>,
) -> rusqlite::Result<()> {
    let Outcome {
        action,
        at,
        duration_ms,
        requests,
        status: _,
    } = &**outcome;
    let Subject { kind, id, label } = &action.subject;
    tx.prepare_cached(INSERT)?.execute(params![
        cycle,
        job,
        Column(*at),
        kind,
        id,
        label,
        target,
        action.as_str(),
        status,
        Column(changes(outcome).as_slice()),
        failure.and_then(|failure| failure.http_status),
        failure.map(|failure| &failure.message),
        requests,
        Column(*duration_ms),
    ])?;
    Ok(())
}

pub(super) fn log_not_planned(
    tx: &Transaction<'_>,
    (job, cycle): (&JobName, i64),
    failure: &NotPlanned,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    let NotPlanned {
        subject: Subject { kind, id, label },
        message,
    } = failure;
    let none: [LoggedChange; 0] = [];
    tx.prepare_cached(INSERT)?.execute(params![
        cycle,
        job,
        Column(now),
        kind,
        id,
        label,
        None::<TargetId>,
        PLAN,
        LogStatus::Failed,
        Column(none.as_slice()),
        None::<u16>,
        message,
        0,
        0,
    ])?;
    Ok(())
}

const INSERT: &str = "INSERT INTO log
    (cycle, job, at, kind, source_id, label, target_id, action, status, changes, http_status, error,
     requests, duration_ms)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";

/// What was sent; for an action that was not carried out, what was to be sent.
fn changes(outcome: &Shown<'_, Outcome>) -> Vec<LoggedChange> {
    let effect = match &outcome.status {
        Status::Done { effect, .. } => Some(effect),
        Status::Met { .. } | Status::Vanished | Status::Failed(_) | Status::NotTried(_) => None,
    };
    let mut logged = match &outcome.action.operation {
        Operation::Create {
            attributes,
            references,
            ..
        } => {
            let values = attributes.iter();
            let mut logged: Vec<_> = values
                .map(|(path, value)| change(path, None, Some(value.clone())))
                .collect();
            if effect.is_none() {
                logged.extend(references.iter().map(|(path, referenced)| {
                    change(path, None, Some(reference(&referenced.source)))
                }));
            }
            logged
        }
        Operation::Adopt { changes, .. }
        | Operation::Update { changes, .. }
        | Operation::Enable { changes, .. }
        | Operation::Disable { changes, .. } => changes
            .iter()
            .map(|sent| change(&sent.path, sent.old.clone(), sent.new.clone()))
            .collect(),
        Operation::Delete { .. } => Vec::new(),
        Operation::AddMembers { members, .. } => {
            let planned = members.iter().map(|Referenced { source, .. }| source);
            vec![members_change(None, Some(member_list(effect, planned)))]
        }
        Operation::RemoveMembers { members, .. } => {
            let planned = members.iter().map(|(source, _)| source);
            vec![members_change(Some(member_list(effect, planned)), None)]
        }
        Operation::SetReference { path, old, new, .. } => {
            let new = new.as_ref().map(|new| reference(&new.source));
            vec![change(path, old.as_ref().map(reference), new)]
        }
    };
    match (&outcome.action.operation, effect) {
        (Operation::SetReference { .. }, _) | (_, None) => {}
        (_, Some(effect)) => logged.extend(
            effect
                .references
                .iter()
                .map(|(path, referenced)| change(path, None, Some(reference(referenced)))),
        ),
    }
    logged
}

fn change(path: &TargetPath, before: Option<Value>, after: Option<Value>) -> LoggedChange {
    LoggedChange {
        attribute: path.to_string(),
        before,
        after,
    }
}

fn members_change(before: Option<Value>, after: Option<Value>) -> LoggedChange {
    LoggedChange {
        attribute: "members".to_owned(),
        before,
        after,
    }
}

fn member_list<'m>(
    effect: Option<&'m Effect>,
    planned: impl Iterator<Item = &'m SourceId>,
) -> Value {
    Value::List(match effect {
        Some(effect) => effect.members.iter().map(|(id, _)| reference(id)).collect(),
        None => planned.map(reference).collect(),
    })
}

fn reference(id: &SourceId) -> Value {
    Value::Reference(id.clone())
}

fn entry(row: &Row<'_>) -> rusqlite::Result<LogEntry> {
    let (Column(at), Column(changes), Column(duration_ms)) =
        (row.get(3)?, row.get(10)?, row.get(14)?);
    Ok(LogEntry {
        id: row.get(0)?,
        cycle: row.get(1)?,
        job: row.get(2)?,
        at,
        subject: Subject {
            kind: row.get(4)?,
            id: row.get(5)?,
            label: row.get(6)?,
        },
        target: row.get(7)?,
        action: row.get(8)?,
        status: row.get(9)?,
        changes,
        http_status: row.get(11)?,
        error: row.get(12)?,
        requests: row.get(13)?,
        duration_ms,
    })
}

//! Rows of the ledger as entries of the log: what a row says of itself, why, and what it changed.

use std::collections::{BTreeMap, BTreeSet};

use chrono::DateTime;
use rusqlite::{Row, params};

use super::super::state::{State, array};
use super::super::wire::unreadable;
use super::super::{Error, Store};
use super::rows::subject;
use super::{body, number, operation_name, status};
use crate::engine::model::{Key, ObjectKind, SourceId, TargetPath, Value};
use crate::engine::outcome::Method;
use crate::engine::plan::{Operation, Referenced, WhyLeft, WhyMember};
use crate::engine::record::{LogEntry, LogStatus, LoggedChange, Reason};

/// When a row was sent; what was not sent is as old as its cycle.
pub(super) const TIME: &str =
    "coalesce(a.at, (SELECT CAST(1000 * unixepoch(c.started, 'subsec') AS INTEGER)
                                    FROM cycles c WHERE c.number = a.cycle))";

/// What [`entry`] reads.
pub(super) fn columns(at: &str) -> String {
    format!(
        "a.id, a.cycle, j.name, {at}, o.kind, o.key, o.id, o.label, a.target, a.operation, a.state, a.body,
         a.http_status, a.error, a.attempts, a.duration_ms, a.method"
    )
}

/// One row for [`entry`].
pub(super) fn by_id() -> String {
    format!(
        "SELECT {}
         FROM actions a
         CROSS JOIN jobs j ON j.key = a.job
         LEFT JOIN objects o ON o.key = a.source
         WHERE a.id = ?1",
        columns(TIME)
    )
}

impl Store {
    /// The changes of members that brought an object into groups or took it out, newest first. Of each only the
    /// object itself is listed. Only the rows of groups are read, which are few next to those of users.
    pub(crate) fn memberships(&self, member: Key, limit: u32) -> Result<Vec<LogEntry>, Error> {
        self.read("read the memberships of the log", |state| {
            let rows = if state.is_layered() {
                ""
            } else {
                "INDEXED BY actions_of"
            };
            let sql = format!(
                "SELECT a.id FROM objects o CROSS JOIN actions a {rows} ON a.source = o.key
                 WHERE o.kind = ?1 AND a.operation IN (?2, ?3) AND a.at IS NOT NULL
                     AND a.state IN (2, 10, 11, 12, 13, 14, 15) AND a.state NOT IN (14, 15)"
            );
            let (add, remove) = (number::ADD_MEMBERS, number::REMOVE_MEMBERS);
            let mut ids: Vec<i64> = state.column(&sql, params![ObjectKind::Group, add, remove])?;
            ids.sort_unstable_by_key(|id| std::cmp::Reverse(*id));
            let mut statement = state.prepare_cached(&by_id())?;
            let mut found = Vec::new();
            for id in ids {
                let (mut entry, operation) =
                    statement.query_row(params![id], |row| entry(state, row))?;
                let Some(operation) = operation.and_then(|one| of_member(one, member)) else {
                    continue;
                };
                if let Operation::RemoveMembers { members, why, .. } = &operation {
                    entry.reason = reason_left(why, members);
                } else {
                    entry.reason = Some(Reason::Member);
                }
                found.push((entry, Some(operation)));
                if found.len() >= limit as usize {
                    break;
                }
            }
            complete(state, found, usize::MAX)
        })
    }
}

/// A change of members as far as it is about this one.
fn of_member(mut operation: Operation, member: Key) -> Option<Operation> {
    let (Operation::AddMembers { members } | Operation::RemoveMembers { members, .. }) =
        &mut operation
    else {
        return None;
    };
    members.retain(|one| one.key == member);
    (!members.is_empty()).then_some(operation)
}

fn reason_left(why: &WhyLeft, members: &[Referenced]) -> Option<Reason> {
    if let Some(why) = why.of_group() {
        return Some(Reason::Removed(why.clone()));
    }
    let reasons = why.reasons(members);
    match (reasons.len(), reasons.first()) {
        (1, Some(reason)) => Some(Reason::Left(*reason)),
        (_, Some(_)) => Some(Reason::LeftEach),
        (_, None) => None,
    }
}

/// Entries with what was changed. At most so many members are listed of each. The objects that all of them mention
/// are looked up at once: a page of entries may name a thousand.
pub(super) fn complete(
    state: &State,
    entries: Vec<(LogEntry, Option<Operation>)>,
    most: usize,
) -> rusqlite::Result<Vec<LogEntry>> {
    let operations = entries
        .iter()
        .filter_map(|(_, operation)| operation.as_ref());
    let keys: BTreeSet<Key> = operations.flat_map(|one| mentioned(one, most)).collect();
    let keys: Vec<Key> = keys.into_iter().collect();
    let ids: BTreeMap<Key, SourceId> = state
        .prepare_cached(
            "SELECT o.key, o.id FROM rarray(?1) k CROSS JOIN objects o ON o.key = k.value",
        )?
        .query_map(params![array(&keys)], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let entries = entries.into_iter().map(|(mut entry, operation)| {
        if let Some(operation) = operation {
            entry.changes = changes(&ids, &operation, most)?;
        }
        Ok(entry)
    });
    entries.collect()
}

/// The objects that the changes of an action name.
fn mentioned(operation: &Operation, most: usize) -> Vec<Key> {
    match operation {
        Operation::Create { references, .. } => references.iter().map(|(_, new)| new.key).collect(),
        Operation::AddMembers { members } | Operation::RemoveMembers { members, .. } => {
            members.iter().take(most).map(|member| member.key).collect()
        }
        Operation::SetReference { new, .. } => {
            new.referenced().map(|new| new.key).into_iter().collect()
        }
        Operation::Adopt { .. }
        | Operation::Update { .. }
        | Operation::Enable { .. }
        | Operation::Disable { .. }
        | Operation::HandOver(_)
        | Operation::Delete { .. } => Vec::new(),
    }
}

/// Without what was changed, which the operation says.
pub(super) fn entry(
    state: &State,
    row: &Row<'_>,
) -> rusqlite::Result<(LogEntry, Option<Operation>)> {
    let number: i64 = row.get(9)?;
    let status = match row.get::<_, i64>(10)? {
        status::DONE => LogStatus::Succeeded,
        status::EXISTS => LogStatus::AlreadyExists,
        status::GONE => LogStatus::Gone,
        status::FOLLOWED => LogStatus::InParts,
        status::NOT_SENT => LogStatus::NotTried,
        status::SKIPPED => LogStatus::Skipped,
        _ => LogStatus::Failed,
    };
    let (action, operation, reason) = if status == LogStatus::Skipped {
        let why = body::unpack_why(state, number, row.get_ref(11)?.as_blob()?)?;
        ("skip", None, Some(Reason::Skipped(why)))
    } else if number::name_of(number).is_some() {
        let operation = body::unpack_operation(state, number, row.get_ref(11)?.as_blob()?)?;
        let why = match &operation {
            Operation::Disable { why, .. } | Operation::Delete { why, .. } => {
                Some(Reason::Removed(why.clone()))
            }
            Operation::HandOver(hand) => Some(Reason::Removed(hand.why.clone())),
            Operation::RemoveMembers { members, why, .. } => reason_left(why, members),
            Operation::Create { .. }
            | Operation::Adopt { .. }
            | Operation::Update { .. }
            | Operation::Enable { .. }
            | Operation::AddMembers { .. }
            | Operation::SetReference { .. } => None,
        };
        (operation_name(number), Some(operation), why)
    } else {
        (operation_name(number), None, None)
    };
    let at: i64 = row.get(3)?;
    let entry = LogEntry {
        id: row.get(0)?,
        cycle: row.get(1)?,
        job: row.get(2)?,
        at: DateTime::from_timestamp_millis(at).ok_or_else(|| unreadable("time"))?,
        subject: if number == number::CYCLE {
            None
        } else {
            Some(subject(row, 4)?)
        },
        target: row.get(8)?,
        action: action.to_owned(),
        status,
        reason,
        changes: Vec::new(),
        http_status: row.get(12)?,
        error: row.get(13)?,
        requests: row.get::<_, Option<u32>>(14)?.unwrap_or(0),
        duration_ms: row.get::<_, Option<i64>>(15)?.unwrap_or(0).unsigned_abs(),
        method: row
            .get::<_, Option<String>>(16)?
            .and_then(|method| Method::parse(&method)),
        next_try: None,
    };
    Ok((entry, operation))
}

/// What was sent; for an action that was not carried out, what was to be sent.
fn changes(
    ids: &BTreeMap<Key, SourceId>,
    operation: &Operation,
    most: usize,
) -> rusqlite::Result<Vec<LoggedChange>> {
    let reference = |key: Key| match ids.get(&key) {
        Some(id) => Ok(Value::Reference(id.clone())),
        None => Err(rusqlite::Error::QueryReturnedNoRows),
    };
    let members = |members: &[&Referenced]| {
        let first = members.iter().take(most);
        let ids: rusqlite::Result<Vec<Value>> = first.map(|member| reference(member.key)).collect();
        let more = members.len().saturating_sub(most) as u64;
        ids.map(|ids| (Value::List(ids), more))
    };
    Ok(match operation {
        Operation::Create {
            attributes,
            references,
            ..
        } => {
            let values = attributes.iter();
            let mut logged: Vec<_> = values
                .map(|(path, value)| change(path, None, Some(value.clone())))
                .collect();
            for (path, referenced) in references {
                logged.push(change(path, None, Some(reference(referenced.key)?)));
            }
            logged
        }
        Operation::Adopt { changes, .. }
        | Operation::Update { changes }
        | Operation::Enable { changes }
        | Operation::Disable { changes, .. } => changes
            .iter()
            .map(|sent| change(&sent.path, sent.old.clone(), sent.new.clone()))
            .collect(),
        Operation::HandOver(hand) => hand
            .disable
            .iter()
            .map(|sent| change(&sent.path, sent.old.clone(), sent.new.clone()))
            .collect(),
        Operation::Delete { .. } => Vec::new(),
        Operation::AddMembers { members: added } => {
            let (added, more) = members(&added.iter().collect::<Vec<_>>())?;
            vec![members_change(None, Some(added), None, more)]
        }
        Operation::RemoveMembers {
            members: removed,
            why,
            proof: _,
        } => {
            // Each reason by itself, where there are several.
            let reasons = why.reasons(removed);
            let mut parts: Vec<(Option<WhyMember>, Vec<&Referenced>)> = Vec::new();
            if reasons.len() > 1 {
                parts.extend(reasons.into_iter().map(|reason| {
                    let those = removed.iter().filter(|one| why.of(one.key) == Some(reason));
                    (Some(reason), those.collect())
                }));
            } else {
                parts.push((None, removed.iter().collect()));
            }
            let mut logged = Vec::new();
            for (reason, part) in parts {
                let (removed, more) = members(&part)?;
                logged.push(members_change(Some(removed), None, reason, more));
            }
            logged
        }
        Operation::SetReference { path, old, new } => {
            let new = new.referenced().map(|new| reference(new.key)).transpose()?;
            let old = old.clone().map(|held| match held.source {
                Some(source) => Value::Reference(source),
                None => Value::text(held.target.as_str()),
            });
            vec![change(path, old, new)]
        }
    })
}

fn change(path: &TargetPath, before: Option<Value>, after: Option<Value>) -> LoggedChange {
    LoggedChange {
        attribute: path.to_string(),
        before,
        after,
        why: None,
        more: 0,
    }
}

fn members_change(
    before: Option<Value>,
    after: Option<Value>,
    why: Option<WhyMember>,
    more: u64,
) -> LoggedChange {
    LoggedChange {
        attribute: "members".to_owned(),
        before,
        after,
        why,
        more,
    }
}

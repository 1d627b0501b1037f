//! The one transaction by which a plan is carried out: it records what came of rows, writes the rows that
//! follow them, and makes durable which rows are sent next.

use rusqlite::params;

use super::super::escrow;
use super::super::holds;
use super::super::links::{
    forget_link, forget_lost, forget_membership, id_of, linked_by, mark_references, merge_sent,
    note_gone, note_origin, origin_of, put_active, put_link, put_members, put_reference,
    remove_members,
};
use super::super::marks::Marks;
use super::super::staged::{Clocks, note_disabled};
use super::super::state::State;
use super::super::withheld;
use super::super::{Error, Store};
use super::rows::{Place, Queued, Row, RowId, take};
use super::{NewRow, body, job_of, number, number_of_step, put_row, status};
use crate::engine::model::{Held, Key, Origin, References, TargetId, TargetPath};
use crate::engine::outcome::{Class, Failure, Method, Outcome, Status};
use crate::engine::plan::{Action, Change, Operation, Referenced, Step, Subject, attributes};
use crate::engine::redact::Redactions;

/// What one step forward gives.
#[derive(Debug, Default)]
pub(crate) struct Advanced {
    /// The rows that are sent now.
    pub(crate) rows: Vec<Row>,
    /// Rows that follow others, to be sent next.
    pub(crate) followers: Vec<Queued>,
}

impl Store {
    /// Adds a row that follows another and is sent now.
    pub(crate) fn send_at_once(
        &self,
        cycle: i64,
        (row, action): (RowId, &Action),
        redactions: &Redactions,
        clocks: Clocks,
    ) -> Result<RowId, Error> {
        self.write("record what is sent at once", |state| {
            let job = job_of(state, cycle)?;
            let batch = Batch {
                state,
                job,
                cycle,
                redactions,
                clocks,
                marks: Marks::of(state, job),
            };
            let Queued { place, .. } = batch.follow(row, action)?;
            batch.mark_sent(place.id)?;
            Ok(place.id)
        })
    }

    /// Records outcomes, adds the rows that follow from them, and marks the next rows as sent.
    pub(crate) fn advance(
        &self,
        cycle: i64,
        outcomes: &[(RowId, Outcome)],
        follow: &[(RowId, Action)],
        send: &[RowId],
        redactions: &Redactions,
        clocks: Clocks,
    ) -> Result<Advanced, Error> {
        self.write("record what was done", |state| {
            let job = job_of(state, cycle)?;
            let mut batch = Batch {
                state,
                job,
                cycle,
                redactions,
                clocks,
                marks: Marks::of(state, job),
            };
            for (row, outcome) in outcomes {
                batch.record(*row, outcome)?;
            }
            let mut followers = Vec::new();
            for (row, action) in follow {
                followers.push(batch.follow(*row, action)?);
            }
            for row in send {
                batch.mark_sent(*row)?;
            }
            Ok(Advanced {
                rows: take(state, send)?,
                followers,
            })
        })
    }
}

struct Batch<'b> {
    state: &'b State,
    job: i64,
    cycle: i64,
    redactions: &'b Redactions,
    clocks: Clocks,
    marks: Marks<'b>,
}

/// How a row ends.
struct End<'e> {
    status: i64,
    target: Option<&'e TargetId>,
    failure: Option<&'e Failure>,
}

impl Batch<'_> {
    fn mark_sent(&self, row: RowId) -> rusqlite::Result<()> {
        let now = self.clocks.now.timestamp_millis();
        let sent = "UPDATE actions SET state = 1, at = ?2 WHERE id = ?1";
        self.state.run(sent, params![row.get(), now])?;
        Ok(())
    }

    fn record(&mut self, row: RowId, outcome: &Outcome) -> rusqlite::Result<()> {
        let (state, job) = (self.state, self.job);
        let Subject { kind, key, .. } = &outcome.action.subject;
        let (kind, key) = (*kind, *key);
        match &outcome.status {
            Status::Done { target } => {
                if let Some(failure) = self.taken(outcome, target)? {
                    return self.failed(row, outcome, &failure);
                }
                self.done(&outcome.action, target)?;
                self.taken_attributes(&outcome.action)?;
                escrow::heal(state, job, self.cycle, (kind, key), outcome.action.as_str())?;
                self.end(row, outcome, status::DONE, Some(target))
            }
            Status::Met {
                target,
                current,
                origin,
            } => {
                if let Some(failure) = self.taken(outcome, target)? {
                    return self.failed(row, outcome, &failure);
                }
                put_link(state, &mut self.marks, job, (kind, key), target, current)?;
                note_origin(state, job, key, *origin)?;
                self.settle_creates(key)?;
                self.marks.object(kind, key)?;
                self.end(row, outcome, status::EXISTS, Some(target))
            }
            Status::Vanished => {
                note_gone(state, job, key, self.cycle)?;
                forget_link(state, job, kind, key)?;
                forget_membership(state, &mut self.marks, job, key)?;
                mark_references(state, &mut self.marks, job, key)?;
                self.settle_all(key, status::GONE)?;
                self.marks.object(kind, key)?;
                self.end(row, outcome, status::GONE, None)
            }
            Status::Failed(failure) => self.failed(row, outcome, failure),
            Status::LeftOut { paths, failure } => {
                withheld::leave_out(state, job, key, paths, failure)?;
                self.left_out(row, outcome, &failure.leaving_out(paths))
            }
            Status::Followed(failure) => self.close(
                row,
                outcome,
                &End {
                    status: status::FOLLOWED,
                    target: None,
                    failure: Some(failure),
                },
            ),
            Status::NotTried(_) => {
                self.marks.again(kind, key)?;
                self.end(row, outcome, status::NOT_SENT, None)
            }
            Status::Postponed => {
                state.run(
                    "UPDATE actions SET state = 0, step = ?2, at = NULL WHERE id = ?1",
                    params![row.get(), number_of_step(Step::CreatesAgain)],
                )?;
                Ok(())
            }
        }
    }

    fn done(&mut self, action: &Action, target: &TargetId) -> rusqlite::Result<()> {
        let (state, job) = (self.state, self.job);
        let Subject { kind, key, .. } = &action.subject;
        let (kind, key) = (*kind, *key);
        match &action.operation {
            Operation::Create {
                attributes,
                references,
                ..
            } => {
                let held = Held {
                    values: attributes.clone(),
                    references: References::new(),
                };
                put_link(state, &mut self.marks, job, (kind, key), target, &held)?;
                note_origin(state, job, key, Origin::Created)?;
                for (path, Referenced { key: to, target }) in references {
                    if path.is_members() {
                        put_members(state, job, key, target.is_some().then_some(*to))?;
                    } else if let Some(target) = target {
                        put_reference(state, job, key, path, Some((Some(*to), target)))?;
                    }
                }
                self.use_approval(key, number::CREATE)?;
                self.settle_creates(key)
            }
            Operation::Adopt {
                current,
                changes,
                from,
                ..
            } => {
                // One account is one user's.
                let mut origin = None;
                if let Some(from) = from {
                    origin = Some(origin_of(state, job, *from)?);
                    forget_link(state, job, kind, *from)?;
                    forget_membership(state, &mut self.marks, job, *from)?;
                    mark_references(state, &mut self.marks, job, *from)?;
                    self.settle_all(*from, status::DONE)?;
                }
                let mut sent = current.clone();
                for change in changes {
                    match &change.new {
                        Some(value) => sent.values.insert(change.path.clone(), value.clone()),
                        None => sent.values.remove(&change.path),
                    };
                }
                put_link(state, &mut self.marks, job, (kind, key), target, &sent)?;
                if let Some(origin) = origin {
                    note_origin(state, job, key, origin)?;
                }
                self.settle_creates(key)
            }
            Operation::Update { changes } => self.merge(key, changes),
            Operation::Enable { changes } => {
                self.merge(key, changes)?;
                put_active(state, job, key, true)
            }
            Operation::Disable { changes, .. } => {
                self.merge(key, changes)?;
                put_active(state, job, key, false)?;
                note_disabled(state, job, key, self.clocks.source)?;
                self.use_approval(key, number::DISABLE)
            }
            Operation::HandOver(hand) => {
                self.merge(key, &hand.disable)?;
                self.use_approval(key, number::HAND_OVER)
            }
            Operation::Delete { .. } => {
                forget_link(state, job, kind, key)?;
                // Servers take a deleted resource out of its groups; a reference to it may stay
                // behind, and those who hold one are marked when the evaluation is finished.
                forget_membership(state, &mut self.marks, job, key)?;
                self.settle_all(key, status::DONE)?;
                self.use_approval(key, number::DELETE)
            }
            Operation::AddMembers { members } => put_members(state, job, key, resolved(members)),
            Operation::RemoveMembers { members, .. } => {
                for member in members {
                    let member = Some(member.key);
                    holds::carried_out(state, job, key, member, number::REMOVE_MEMBERS)?;
                }
                remove_members(state, job, key, resolved(members))
            }
            Operation::SetReference { path, new, .. } => {
                let to = new
                    .referenced()
                    .and_then(|new| Some((new, new.target.as_ref()?)));
                let to = to.map(|(new, target)| (Some(new.key), target));
                put_reference(state, job, key, path, to)
            }
        }
    }

    /// Only the attributes are in escrow; the rest of the object goes on.
    fn left_out(
        &mut self,
        row: RowId,
        outcome: &Outcome,
        failure: &Failure,
    ) -> rusqlite::Result<()> {
        let key = outcome.action.subject.key;
        let message = withheld::message(self.state, self.job, key)?;
        self.put_in_escrow(outcome, failure, &message)?;
        let end = End {
            status: status::REFUSED,
            target: None,
            failure: Some(failure),
        };
        self.close(row, outcome, &end)
    }

    fn put_in_escrow(
        &mut self,
        outcome: &Outcome,
        failure: &Failure,
        message: &str,
    ) -> rusqlite::Result<()> {
        let subject = &outcome.action.subject;
        let mark = escrow::mark_failed(self.state, &mut self.marks, self.job, self.cycle, subject)?;
        let entry = escrow::Entry {
            cycle: self.cycle,
            subject,
            at: outcome.at,
            action: outcome.action.as_str(),
            failure: Some(failure),
            message,
            mark,
        };
        escrow::put(self.state, self.job, &entry)
    }

    fn failed(&mut self, row: RowId, outcome: &Outcome, failure: &Failure) -> rusqlite::Result<()> {
        self.put_in_escrow(outcome, failure, &failure.message)?;
        if let Operation::AddMembers { members } = &outcome.action.operation {
            let keys = members.iter().map(|member| member.key);
            forget_lost(self.state, self.job, outcome.action.subject.key, keys)?;
        }
        let end = End {
            status: if failure.unconfirmed {
                status::UNKNOWN
            } else {
                status::REFUSED
            },
            target: None,
            failure: Some(failure),
        };
        self.close(row, outcome, &end)
    }

    /// A target object that is linked to another object cannot be this one too: some servers answer a
    /// create with a resource that was there before.
    fn taken(&self, outcome: &Outcome, target: &TargetId) -> rusqlite::Result<Option<Failure>> {
        let Subject { kind, key, .. } = &outcome.action.subject;
        if !matches!(
            outcome.action.operation,
            Operation::Create { .. } | Operation::Adopt { .. }
        ) {
            return Ok(None);
        }
        let from = match &outcome.action.operation {
            Operation::Adopt { from, .. } => *from,
            _ => None,
        };
        let holder = linked_by(self.state, self.job, *kind, target)?;
        let is_another = |holder: &Key| holder != key && from != Some(*holder);
        let Some(holder) = holder.filter(is_another) else {
            return Ok(None);
        };
        let holder = id_of(self.state, holder)?;
        Ok(Some(Failure {
            class: Class::Conflict,
            http_status: None,
            message: format!("the target answered with {target}, which is linked to {holder}"),
            unconfirmed: false,
        }))
    }

    /// The target has taken what the action wrote, so that nothing of it is left out any more.
    fn taken_attributes(&self, action: &Action) -> rusqlite::Result<()> {
        let reference = if let Operation::SetReference { path, .. } = &action.operation {
            Some(path.clone())
        } else {
            None
        };
        let paths: Vec<TargetPath> = attributes(action).into_iter().chain(reference).collect();
        withheld::forget(self.state, self.job, action.subject.key, &paths)
    }

    fn merge(&self, key: Key, changes: &[Change]) -> rusqlite::Result<()> {
        let changes = changes
            .iter()
            .map(|change| (&change.path, change.new.as_ref()));
        merge_sent(self.state, self.job, key, changes)
    }

    /// The object was created, found or adopted: earlier creates whose end was not known were this one,
    /// or did nothing.
    fn settle_creates(&self, key: Key) -> rusqlite::Result<()> {
        self.state.run(
            "UPDATE actions SET state = 16
             WHERE job = ?1 AND source = ?2 AND state BETWEEN 1 AND 4 AND state <= 2
                   AND operation = 0",
            params![self.job, key],
        )?;
        Ok(())
    }

    /// The object's own end is known, so that of every earlier write to it is.
    fn settle_all(&self, key: Key, status: i64) -> rusqlite::Result<()> {
        self.state.run(
            "UPDATE actions SET state = ?3
             WHERE job = ?1 AND source = ?2 AND state BETWEEN 1 AND 4 AND state <= 2",
            params![self.job, key, status],
        )?;
        Ok(())
    }

    /// The removal was carried out: what a person decided of it is used up.
    fn use_approval(&self, key: Key, operation: i64) -> rusqlite::Result<()> {
        holds::carried_out(self.state, self.job, key, None, operation)
    }

    fn end(
        &self,
        row: RowId,
        outcome: &Outcome,
        status: i64,
        target: Option<&TargetId>,
    ) -> rusqlite::Result<()> {
        let end = End {
            status,
            target,
            failure: None,
        };
        self.close(row, outcome, &end)
    }

    fn close(&self, row: RowId, outcome: &Outcome, end: &End<'_>) -> rusqlite::Result<()> {
        let Outcome {
            action,
            at,
            duration_ms,
            requests,
            method,
            status: _,
        } = outcome;
        let failure = end.failure;
        let mut kept = logged(self.redactions, action);
        // An unknown create keeps its keys, by which it is looked for.
        if end.status == status::UNKNOWN
            && let Some(Operation::Create { keys, .. }) = &mut kept
            && let Operation::Create { keys: sent, .. } = &action.operation
        {
            keys.clone_from(sent);
        }
        let body = kept
            .map(|operation| body::pack_operation(self.state, &operation))
            .transpose()?;
        self.state.run(
            "UPDATE actions SET state = ?2, target = coalesce(?3, target), body = coalesce(?4, body),
                                at = ?5, duration_ms = ?6, attempts = ?7, http_status = ?8, error = ?9,
                                method = ?10
             WHERE id = ?1",
            params![
                row.get(),
                end.status,
                end.target,
                body,
                at.timestamp_millis(),
                i64::try_from(*duration_ms).unwrap_or(i64::MAX),
                requests,
                failure.and_then(|failure| failure.http_status),
                failure.map(|failure| &failure.message),
                method.map(Method::as_str),
            ],
        )?;
        Ok(())
    }

    /// A row that carries a part of another; what that was cleared for, it is cleared for too.
    fn follow(&self, row: RowId, action: &Action) -> rusqlite::Result<Queued> {
        let (rank, class): (u32, Option<i64>) = self
            .state
            .prepare_cached("SELECT rank, class FROM actions WHERE id = ?1")?
            .query_row(params![row.get()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let weight = action.weight();
        // A create is followed by one that is tried when there may be room for it.
        let step = if matches!(action.operation, Operation::Create { .. }) {
            Step::CreatesAgain
        } else {
            action.step()
        };
        let id = put_row(
            self.state,
            &NewRow {
                job: self.job,
                cycle: self.cycle,
                key: action.subject.key,
                step: number_of_step(step),
                rank: i64::from(rank),
                operation: number::number_of(&action.operation),
                class,
                weight: i64::try_from(weight).unwrap_or(i64::MAX),
                target: action.target.as_ref(),
                body: body::pack_operation(self.state, &action.operation)?,
                state: status::PLANNED,
                follows: Some(row),
            },
        )?;
        Ok(Queued {
            place: Place {
                step,
                rank,
                key: action.subject.key,
                id,
            },
            weight,
            is_create: step == Step::CreatesAgain,
        })
    }
}

fn resolved(members: &[Referenced]) -> impl Iterator<Item = Key> {
    let sent = members.iter().filter(|member| member.target.is_some());
    sent.map(|member| member.key)
}

/// What the log shows of an operation, where that is not all of it.
fn logged(redactions: &Redactions, action: &Action) -> Option<Operation> {
    let shown = redactions.action(action);
    let is_redacted = shown.operation != action.operation;
    match &shown.operation {
        Operation::Create {
            attributes,
            references,
            ..
        } => Some(Operation::Create {
            attributes: attributes.clone(),
            references: references
                .iter()
                .filter(|(_, to)| to.target.is_some())
                .cloned()
                .collect(),
            keys: Vec::new(),
            via: Vec::new(),
        }),
        Operation::Adopt {
            key, changes, from, ..
        } => Some(Operation::Adopt {
            from: *from,
            key: key.clone(),
            current: Held::default(),
            changes: changes.clone(),
            via: Vec::new(),
        }),
        Operation::AddMembers { members } if action.unresolved() > 0 => {
            Some(Operation::AddMembers {
                members: sent_members(members),
            })
        }
        Operation::RemoveMembers {
            members,
            why,
            proof,
        } if action.unresolved() > 0 => Some(Operation::RemoveMembers {
            members: sent_members(members),
            why: why.clone(),
            proof: *proof,
        }),
        other if is_redacted => Some(other.clone()),
        Operation::AddMembers { .. }
        | Operation::RemoveMembers { .. }
        | Operation::Update { .. }
        | Operation::Enable { .. }
        | Operation::Disable { .. }
        | Operation::HandOver(_)
        | Operation::Delete { .. }
        | Operation::SetReference { .. } => None,
    }
}

fn sent_members(members: &[Referenced]) -> Vec<Referenced> {
    let sent = members.iter().filter(|member| member.target.is_some());
    sent.cloned().collect()
}

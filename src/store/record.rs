//! The writes of a cycle: what is about to be done, made durable before the first request, and what
//! came of it (product rules 1 and 2).

use rusqlite::{Transaction, params};

use super::escrow;
use super::links::{
    forget_link, forget_membership, forget_references, linked_by, merge_sent, put_link,
    put_members, put_reference, remove_members, settle_writes,
};
use super::log::{LogStatus, log_outcome};
use super::marks::Marks;
use super::wire::{Column, Sent};
use super::{Error, Store};
use crate::engine::model::{JobName, ObjectKind, SourceId, TargetId};
use crate::engine::outcome::{Class, Effect, Failure, Outcome, Status};
use crate::engine::plan::{Action, Change, Operation, Subject};
use crate::engine::redact::Redactions;

impl Store {
    /// Makes durable what the cycle is about to write: an intent for each create, and for each link
    /// that it is unconfirmed until the outcomes of its actions are recorded, or the cycle finished.
    pub(crate) fn begin_apply<'a>(
        &self,
        job: &JobName,
        cycle: i64,
        actions: impl IntoIterator<Item = &'a Action>,
    ) -> Result<(), Error> {
        self.write("note what is about to be written", |tx| {
            for action in actions {
                let Subject { kind, id, label: _ } = &action.subject;
                match &action.operation {
                    Operation::Create { keys, .. } => {
                        // What is left of an earlier cycle may still arrive in the target.
                        tx.prepare_cached(
                            "INSERT INTO intents (job, kind, source_id, cycle, lost, keys)
                             VALUES (?1, ?2, ?3, ?4, 0, ?5)
                             ON CONFLICT DO UPDATE SET
                                 lost = lost OR cycle <> excluded.cycle,
                                 cycle = excluded.cycle, keys = excluded.keys",
                        )?
                        .execute(params![
                            job,
                            kind,
                            id,
                            cycle,
                            Column(keys.as_slice())
                        ])?;
                    }
                    // Until it is recorded there is no link, and the next cycle matches and reads.
                    Operation::Adopt { .. } => {}
                    Operation::Update { .. }
                    | Operation::Enable { .. }
                    | Operation::Disable { .. }
                    | Operation::Delete { .. }
                    | Operation::AddMembers { .. }
                    | Operation::RemoveMembers { .. }
                    | Operation::SetReference { .. } => {
                        tx.prepare_cached(
                            "INSERT INTO writes (job, kind, source_id, cycle, remaining, lost)
                             VALUES (?1, ?2, ?3, ?4, 1, 0)
                             ON CONFLICT DO UPDATE SET
                                 remaining = 1 + iif(cycle = excluded.cycle, remaining, 0),
                                 lost = lost OR cycle <> excluded.cycle,
                                 cycle = excluded.cycle",
                        )?
                        .execute(params![job, kind, id, cycle])?;
                    }
                }
            }
            Ok(())
        })
    }

    /// Records what came of a batch of actions: links, escrow, marks and the provisioning log.
    pub(crate) fn record(
        &self,
        job: &JobName,
        cycle: i64,
        redactions: &Redactions,
        outcomes: &[Outcome],
    ) -> Result<(), Error> {
        self.write("record what was done", |tx| {
            let mut batch = Batch {
                tx,
                job,
                cycle,
                redactions,
                marks: Marks::of(tx, job),
            };
            outcomes
                .iter()
                .try_for_each(|outcome| batch.record(outcome))
        })
    }
}

struct Batch<'b> {
    tx: &'b Transaction<'b>,
    job: &'b JobName,
    cycle: i64,
    redactions: &'b Redactions,
    marks: Marks<'b>,
}

impl Batch<'_> {
    fn record(&mut self, outcome: &Outcome) -> rusqlite::Result<()> {
        let (tx, job) = (self.tx, self.job);
        let subject @ Subject { kind, id, label: _ } = &outcome.action.subject;
        match &outcome.status {
            Status::Done { target, effect } => {
                if let Some(failure) = self.taken(outcome, target)? {
                    return self.failed(outcome, &failure);
                }
                self.done(&outcome.action, target, effect)?;
                escrow::heal(tx, job, self.cycle, subject, outcome.action.as_str())?;
                self.log(outcome, Some(target), LogStatus::Succeeded, None)
            }
            Status::Met { target, current } => {
                if let Some(failure) = self.taken(outcome, target)? {
                    return self.failed(outcome, &failure);
                }
                put_link(tx, job, *kind, id, target, current)?;
                self.forget_intent(*kind, id, Intents::All)?;
                self.marks.object(*kind, id)?;
                self.log(outcome, Some(target), LogStatus::Met, None)
            }
            Status::Vanished => {
                forget_link(tx, job, *kind, id)?;
                forget_membership(tx, &mut self.marks, job, id)?;
                forget_references(tx, &mut self.marks, job, id)?;
                settle_writes(tx, job, *kind, id)?;
                self.marks.object(*kind, id)?;
                self.log(outcome, None, LogStatus::Vanished, None)
            }
            Status::Failed(failure) => self.failed(outcome, failure),
            Status::NotTried(_) => {
                self.marks.object(*kind, id)?;
                self.settle(&outcome.action)
            }
        }
    }

    fn done(
        &mut self,
        action: &Action,
        target: &TargetId,
        effect: &Effect,
    ) -> rusqlite::Result<()> {
        let (tx, job) = (self.tx, self.job);
        let Subject { kind, id, label: _ } = &action.subject;
        match &action.operation {
            Operation::Create { attributes, .. } => {
                put_link(tx, job, *kind, id, target, attributes)?;
            }
            Operation::Adopt {
                current, changes, ..
            } => {
                let mut sent: Sent = current.clone();
                for change in changes {
                    match &change.new {
                        Some(value) => sent.insert(change.path.clone(), value.clone()),
                        None => sent.remove(&change.path),
                    };
                }
                put_link(tx, job, *kind, id, target, &sent)?;
            }
            Operation::Update { changes, .. } | Operation::Enable { changes, .. } => {
                self.merge(*kind, id, changes)?;
            }
            Operation::Disable { changes, .. } => {
                self.merge(*kind, id, changes)?;
                self.use_approval(*kind, id)?;
            }
            Operation::Delete { .. } => {
                forget_link(tx, job, *kind, id)?;
                // Servers take a deleted resource out of its groups; a reference to it may stay
                // behind, and those who hold one are marked when the evaluation is finished.
                forget_membership(tx, &mut self.marks, job, id)?;
                settle_writes(tx, job, *kind, id)?;
                self.use_approval(*kind, id)?;
            }
            Operation::AddMembers { .. } => {}
            Operation::RemoveMembers { .. } => {
                let members = effect.members.iter().map(|(member, _)| member);
                return remove_members(tx, job, id, members);
            }
            Operation::SetReference { path, new, .. } => {
                let sent = effect.references.iter().find(|(sent, _)| sent == path);
                let referenced = match (sent, new) {
                    (Some((_, referenced)), _) => Some(referenced),
                    (None, Some(new)) => Some(&new.source),
                    (None, None) => None,
                };
                put_reference(tx, job, *kind, id, path, referenced)?;
            }
        }
        for (path, referenced) in &effect.references {
            put_reference(tx, job, *kind, id, path, Some(referenced))?;
        }
        let members = effect
            .members
            .iter()
            .map(|(member, target)| (member, target));
        put_members(tx, job, id, members)?;
        self.settle_done(action)
    }

    /// Its end is known, so far as this action goes.
    fn settle_done(&self, action: &Action) -> rusqlite::Result<()> {
        let Subject { kind, id, label: _ } = &action.subject;
        match &action.operation {
            Operation::Create { .. } | Operation::Adopt { .. } | Operation::Delete { .. } => {
                self.forget_intent(*kind, id, Intents::All)
            }
            Operation::Update { .. }
            | Operation::Enable { .. }
            | Operation::Disable { .. }
            | Operation::SetReference { .. }
            | Operation::AddMembers { .. }
            | Operation::RemoveMembers { .. } => self.settle(action),
        }
    }

    /// The target did not carry it out, or did and said so.
    fn settle(&self, action: &Action) -> rusqlite::Result<()> {
        let Subject { kind, id, label: _ } = &action.subject;
        match &action.operation {
            Operation::Create { .. } => self.forget_intent(*kind, id, Intents::NotLost),
            // Another chunk may be under way: they are settled when the cycle is finished.
            Operation::Adopt { .. }
            | Operation::AddMembers { .. }
            | Operation::RemoveMembers { .. } => Ok(()),
            Operation::Update { .. }
            | Operation::Enable { .. }
            | Operation::Disable { .. }
            | Operation::Delete { .. }
            | Operation::SetReference { .. } => {
                self.tx
                    .prepare_cached(
                        "UPDATE writes SET remaining = max(0, remaining - 1)
                         WHERE job = ?1 AND kind = ?2 AND source_id = ?3 AND cycle = ?4",
                    )?
                    .execute(params![self.job, kind, id, self.cycle])?;
                self.tx
                    .prepare_cached(
                        "DELETE FROM writes
                         WHERE job = ?1 AND kind = ?2 AND source_id = ?3
                               AND remaining = 0 AND NOT lost",
                    )?
                    .execute(params![self.job, kind, id])?;
                Ok(())
            }
        }
    }

    fn failed(&mut self, outcome: &Outcome, failure: &Failure) -> rusqlite::Result<()> {
        let Outcome { action, at, .. } = outcome;
        let subject @ Subject { kind, id, label: _ } = &action.subject;
        if failure.unconfirmed {
            let table = match &action.operation {
                Operation::Create { .. } => {
                    "UPDATE intents SET lost = 1 WHERE job = ?1 AND kind = ?2 AND source_id = ?3"
                }
                Operation::Adopt { .. }
                | Operation::Update { .. }
                | Operation::Enable { .. }
                | Operation::Disable { .. }
                | Operation::Delete { .. }
                | Operation::AddMembers { .. }
                | Operation::RemoveMembers { .. }
                | Operation::SetReference { .. } => {
                    "UPDATE writes SET lost = 1 WHERE job = ?1 AND kind = ?2 AND source_id = ?3"
                }
            };
            self.tx
                .prepare_cached(table)?
                .execute(params![self.job, kind, id])?;
        }
        self.settle(action)?;
        self.marks.object(*kind, id)?;
        let entry = escrow::Entry {
            cycle: self.cycle,
            subject,
            at: *at,
            action: action.as_str(),
            failure: Some(failure),
            message: &failure.message,
        };
        escrow::put(self.tx, self.job, &entry)?;
        self.log(outcome, None, LogStatus::Failed, Some(failure))
    }

    /// A target object that is linked to someone else cannot be this object too: some servers answer
    /// a create with a resource that was there before.
    fn taken(&self, outcome: &Outcome, target: &TargetId) -> rusqlite::Result<Option<Failure>> {
        let Subject { kind, id, label: _ } = &outcome.action.subject;
        let holder = linked_by(self.tx, self.job, *kind, target)?;
        Ok(holder.filter(|holder| holder != id).map(|holder| Failure {
            class: Class::Conflict,
            http_status: None,
            message: format!("the target answered with {target}, which is linked to {holder}"),
            unconfirmed: false,
        }))
    }

    fn merge(&self, kind: ObjectKind, id: &SourceId, changes: &[Change]) -> rusqlite::Result<()> {
        let changes = changes
            .iter()
            .map(|change| (&change.path, change.new.as_ref()));
        merge_sent(self.tx, self.job, kind, id, changes)
    }

    fn forget_intent(
        &self,
        kind: ObjectKind,
        id: &SourceId,
        which: Intents,
    ) -> rusqlite::Result<()> {
        self.tx
            .prepare_cached(
                "DELETE FROM intents
                 WHERE job = ?1 AND kind = ?2 AND source_id = ?3 AND (?4 OR NOT lost)",
            )?
            .execute(params![self.job, kind, id, matches!(which, Intents::All)])?;
        Ok(())
    }

    fn use_approval(&self, kind: ObjectKind, id: &SourceId) -> rusqlite::Result<()> {
        self.tx
            .prepare_cached(
                "DELETE FROM approvals WHERE job = ?1 AND kind = ?2 AND source_id = ?3",
            )?
            .execute(params![self.job, kind, id])?;
        Ok(())
    }

    fn log(
        &self,
        outcome: &Outcome,
        target: Option<&TargetId>,
        status: LogStatus,
        failure: Option<&Failure>,
    ) -> rusqlite::Result<()> {
        let target = target.or(outcome.action.target.as_ref());
        log_outcome(
            self.tx,
            (self.job, self.cycle),
            &self.redactions.outcome(outcome),
            target,
            status,
            failure,
        )
    }
}

#[derive(Clone, Copy)]
enum Intents {
    All,
    /// An earlier create that was lost may still have been carried out.
    NotLost,
}

//! Attributes that a target refuses: which of them it is about, and what is sent without them. And
//! changes to what is not there in the target.

use std::collections::BTreeSet;

use super::super::shown;
use super::{Applier, lock};
use crate::engine::model::TargetPath;
use crate::engine::outcome::{Outcome, Status};
use crate::engine::plan::{
    Action, Operation, Pointer, Remedy, attributes, changes_again, without_refused,
};
use crate::engine::redact::Hidden;
use crate::scim;

impl Applier<'_> {
    /// The target holds something else than we know: the object is read and its changes are made again, once
    /// in a cycle.
    pub(super) async fn planned_again(
        &self,
        action: &Action,
        error: &scim::Error,
        hidden: &Hidden,
        follow: &mut Vec<Action>,
    ) -> Option<Status> {
        let (subject, target) = (&action.subject, action.target.as_ref()?);
        if !lock(&self.anew).insert(subject.key) {
            return None;
        }
        let paths = self.context.mapped_paths(subject.kind);
        let reader = self.context.reader.hiding(hidden.clone());
        let read = reader.read(subject.kind, target, &paths, false).await;
        let there = shown::as_sent(self.context, subject.kind, read.ok()??.attributes)
            .await
            .ok()?;
        let (job, key) = (self.context.job.rules.name.clone(), subject.key);
        let mut anew = action.clone();
        match &mut anew.operation {
            Operation::Adopt {
                current, changes, ..
            } => {
                *changes = changes_again(changes, &current.values, &there.values);
                *current = there;
            }
            Operation::Update { changes }
            | Operation::Enable { changes }
            | Operation::Disable { changes, .. } => {
                let noted = self
                    .context
                    .state(move |store| {
                        let link = store.load(&job, &[key])?.pop().and_then(|one| one.link);
                        store.note_held(&job, key, &there)?;
                        Ok(link.map(|link| (link.sent, there.values)))
                    })
                    .await;
                let (sent, there) = noted.ok()??;
                *changes = changes_again(changes, &sent, &there);
            }
            Operation::SetReference { path, old, new } => {
                let held = there.references.get(path).map(|held| held.target.clone());
                let done = Status::Done {
                    target: target.clone(),
                };
                match (held, &*new) {
                    (None, Pointer::Cleared(_)) => return Some(done),
                    (Some(held), Pointer::To(to)) if to.target.as_ref() == Some(&held) => {
                        return Some(done);
                    }
                    (None, Pointer::To(to)) => {
                        (*old, *new) = (None, Pointer::Added(to.clone()));
                    }
                    (Some(_), _) | (None, Pointer::Added(_)) => return None,
                }
            }
            Operation::Create { .. }
            | Operation::Delete { .. }
            | Operation::HandOver(_)
            | Operation::AddMembers { .. }
            | Operation::RemoveMembers { .. } => return None,
        }
        if anew.operation == action.operation {
            return None;
        }
        follow.push(anew);
        Some(Status::Followed(error.failure()))
    }

    /// How an action ends whose refusal may be about single attributes, and what is sent instead.
    pub(super) async fn without_attribute(
        &self,
        action: &Action,
        error: &scim::Error,
        follow: &mut Vec<Action>,
    ) -> Option<Status> {
        let remedy = self.without_refused(action, error).await?;
        self.health.went_well();
        let failure = error.failure();
        Some(match remedy {
            Remedy::LeaveOut { paths, rest } => {
                *follow = rest;
                Status::LeftOut { paths, failure }
            }
            Remedy::Search(parts) => {
                *follow = parts;
                Status::Followed(failure)
            }
        })
    }

    /// What to do about a refusal that may be about single attributes (safety.md, "Refusals"): those that
    /// the answer names are left out. Without a name, one that was refused of another object is tried
    /// first, and then parts are sent.
    async fn without_refused(&self, action: &Action, error: &scim::Error) -> Option<Remedy> {
        let kind = action.subject.kind;
        let mappings = &self.context.job.rules.rules(kind).mappings;
        let named = without_refused(action, mappings, |path| error.names(path), false);
        let remedy = match named {
            Some(remedy) => Some(remedy),
            None if error.refuses_content() && self.may_search(action).await => {
                let suspects = if matches!(action.operation, Operation::Create { .. }) {
                    BTreeSet::new()
                } else {
                    lock(&self.suspects).clone()
                };
                let is_suspect = |path: &TargetPath| suspects.contains(&(kind, path.clone()));
                without_refused(action, mappings, is_suspect, true)
            }
            None => None,
        };
        if let Some(Remedy::LeaveOut { paths, .. }) = &remedy {
            let mut suspects = lock(&self.suspects);
            suspects.extend(paths.iter().map(|path| (kind, path.clone())));
        }
        remedy
    }

    /// Whether it is not known from last time that the target refuses the attributes only together.
    async fn may_search(&self, action: &Action) -> bool {
        let (job, key) = (self.context.job.rules.name.clone(), action.subject.key);
        let together = self
            .context
            .state(move |store| store.refused_together(&job, key))
            .await
            .unwrap_or_default();
        let all = attributes(action);
        !all.iter().all(|path| together.contains(path))
    }

    /// The target took nothing of the object: no attribute is left out, and the next cycle does not
    /// search again.
    pub(super) async fn refused_together(&self, outcome: &mut Outcome, paths: Vec<TargetPath>) {
        if let Status::LeftOut { failure, .. } = &outcome.status {
            outcome.status = Status::Failed(failure.clone());
        }
        let kind = outcome.action.subject.kind;
        lock(&self.suspects).retain(|(of, path)| *of != kind || !paths.contains(path));
        let (job, key) = (
            self.context.job.rules.name.clone(),
            outcome.action.subject.key,
        );
        let noted = self
            .context
            .state(move |store| store.note_refused_together(&job, key, &paths))
            .await;
        if let Err(error) = noted {
            self.health.abort(error.chain());
        }
    }
}

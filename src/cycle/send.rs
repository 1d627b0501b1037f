//! Sends the request of one action, by the dialect that the target turns out to speak: where it refuses
//! PATCH, the same change is sent as a PUT, and so is the rest of the cycle.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::confirm::Permit;
use crate::config::DialectSettings;
use crate::engine::model::{ObjectKind, TargetId};
use crate::engine::plan::{Action, Operation};
use crate::engine::redact::Hidden;
use crate::scim::{self, Current, Dialect, Lesson, Reader, Sent, Writer};

pub(super) struct Sender {
    reader: Reader,
    writer: Writer,
    dialect: Mutex<Dialect>,
    lessons: Mutex<Vec<(Lesson, String)>>,
    /// Groups that were made here and have no members yet.
    empty_groups: Mutex<BTreeSet<TargetId>>,
}

impl Sender {
    pub(super) fn new(reader: &Reader, settings: &DialectSettings) -> Self {
        Self {
            reader: reader.clone(),
            writer: Writer::new(reader),
            dialect: Mutex::new(Dialect::new(settings)),
            lessons: Mutex::default(),
            empty_groups: Mutex::default(),
        }
    }

    /// As the target has turned out to need it so far.
    pub(super) fn dialect(&self) -> Dialect {
        *lock(&self.dialect)
    }

    /// Carries out an action whose target ids are filled in. `None`: nothing had to be sent. `known`
    /// are the members of a group that must be there before; it is called only for a PUT.
    ///
    /// The permit is what lets a request out; only a confirmation gives one for a removal.
    pub(super) async fn send(
        &self,
        _permit: &Permit,
        action: &Action,
        hidden: &Hidden,
        known: impl Fn() -> BTreeSet<TargetId>,
    ) -> Result<Option<Sent>, scim::Error> {
        let mut dialect = self.dialect();
        loop {
            let sent = self.send_by(dialect, action, hidden, &known).await;
            let Err(error) = sent else { return sent };
            let Some((next, lesson)) = dialect.after(action.subject.kind, &error) else {
                return Err(error);
            };
            dialect = self.learn(dialect, next, lesson, &error);
        }
    }

    /// The form in which an action is sent again. Others may have learned more meanwhile.
    fn learn(&self, old: Dialect, next: Dialect, lesson: Lesson, error: &scim::Error) -> Dialect {
        let mut dialect = lock(&self.dialect);
        if *dialect == old {
            *dialect = next;
            let Lesson { knob, word } = lesson;
            let evidence = error.failure().message;
            tracing::info!(
                error = evidence,
                "{knob} = {word:?} from now on, because of the target's answer"
            );
            let mut lessons = lock(&self.lessons);
            if knob == "update" {
                // Groups are changed as before.
                let groups = next.update(ObjectKind::Group).as_str();
                lessons.push((
                    Lesson {
                        knob: "update_groups",
                        word: groups,
                    },
                    evidence.clone(),
                ));
            }
            lessons.push((lesson, evidence));
        }
        *dialect
    }

    /// What was learned since the last call, with the target's words.
    pub(super) fn take_lessons(&self) -> Vec<(Lesson, String)> {
        std::mem::take(&mut *lock(&self.lessons))
    }

    async fn send_by(
        &self,
        dialect: Dialect,
        action: &Action,
        hidden: &Hidden,
        known: &impl Fn() -> BTreeSet<TargetId>,
    ) -> Result<Option<Sent>, scim::Error> {
        let current = match &action.target {
            Some(target) if dialect.needs_current(action) => {
                let kind = action.subject.kind;
                Some(self.current(kind, target, hidden, known).await?)
            }
            _ => None,
        };
        let Some(request) = dialect.request(action, current.as_ref())? else {
            return Ok(None);
        };
        let sent = self.writer.send(&request, hidden).await;
        let may_be_done = match &sent {
            Ok(_) => true,
            Err(error) => error.unconfirmed(),
        };
        if let (Operation::AddMembers { .. }, Some(target)) = (&action.operation, &action.target)
            && may_be_done
        {
            lock(&self.empty_groups).remove(target);
        }
        let sent = sent?;
        if let (Operation::Create { .. }, ObjectKind::Group, Some(id)) =
            (&action.operation, action.subject.kind, &sent.id)
        {
            lock(&self.empty_groups).insert(id.clone());
        }
        Ok(Some(sent))
    }

    async fn current(
        &self,
        kind: ObjectKind,
        target: &TargetId,
        hidden: &Hidden,
        known: &impl Fn() -> BTreeSet<TargetId>,
    ) -> Result<Current, scim::Error> {
        let current = self
            .reader
            .hiding(hidden.clone())
            .current(kind, target)
            .await?;
        match kind {
            ObjectKind::User => Ok(current),
            ObjectKind::Group => {
                let is_new = lock(&self.empty_groups).contains(target);
                current.with_members(&known(), is_new)
            }
        }
    }
}

/// What these hold means something whatever a panicking holder did.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! What follows a write whose end is not known, in the same cycle (safety.md §1): a disable is read and
//! repeated within seconds; a delete is read, and repeated once nothing of it can arrive any more and only
//! if the object there is still the one that was meant.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::apply::{Applier, Tried};
use super::gone::{self, Missing, Whereabouts};
use super::send::Slot;
use super::{Error, absent, lookup, settle, shown};
use crate::engine::model::{Link, MatchKey, TargetId};
use crate::engine::outcome::Class;
use crate::engine::plan::{Action, Found, Operation};
use crate::engine::redact::Hidden;
use crate::scim;

/// Sendings of one disable at most.
const DISABLES: u32 = 3;
/// Before the second sending of a disable; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// What takes longer is left to the next cycle.
const LONGEST_WAIT: Duration = Duration::from_mins(3);

/// A request that failed.
#[derive(Clone, Copy)]
pub(super) struct Attempt<'a> {
    pub(super) action: &'a Action,
    pub(super) error: &'a scim::Error,
    pub(super) hidden: &'a Hidden,
    /// When it was about to be written.
    pub(super) begun: Instant,
    /// From 1.
    pub(super) number: u32,
    pub(super) tried: Tried,
}

pub(super) enum Next {
    /// The same request once more.
    Again,
    /// A read shows that it was carried out.
    Done(TargetId),
    Failed,
}

/// What is at the id of an object.
enum There {
    /// The object that was linked, as far as a matching attribute shows.
    Same,
    Another,
    Nothing,
    NotKnown,
}

impl Applier<'_> {
    /// When the first object is gone, the whole target may be another.
    pub(super) async fn verify_target(&self) {
        if let Err(error) = self.context.at_gone().await {
            self.give_up(error);
        }
    }

    /// Nothing more is written.
    pub(super) fn give_up(&self, error: Error) {
        self.health.abort(error.chain());
        self.another_target.get_or_init(|| error);
    }

    pub(super) async fn after(&self, attempt: Attempt<'_>, slot: &mut Slot<'_>) -> Next {
        let Attempt {
            action,
            error,
            number,
            ..
        } = attempt;
        // It was not carried out, and goes out once more with another credential or token.
        let is_refused = error.class() == Class::Unauthorized;
        if is_refused && number == 1 && self.context.reader.may_go_again() {
            return Next::Again;
        }
        if error.is_stop() || !error.unconfirmed() {
            return Next::Failed;
        }
        match (&action.operation, &action.target) {
            (Operation::Disable { .. } | Operation::HandOver(_), Some(target)) => {
                self.after_disable(attempt, target, slot).await
            }
            (Operation::Delete { .. }, Some(target)) => {
                self.after_delete(attempt, target, slot).await
            }
            (Operation::Create { keys, .. }, _) if error.retry_after().is_some() => {
                self.after_create(attempt, keys, slot).await
            }
            (
                Operation::Create { .. }
                | Operation::Adopt { .. }
                | Operation::Update { .. }
                | Operation::Enable { .. }
                | Operation::Disable { .. }
                | Operation::Delete { .. }
                | Operation::HandOver(_)
                | Operation::AddMembers { .. }
                | Operation::RemoveMembers { .. }
                | Operation::SetReference { .. },
                _,
            ) => Next::Failed,
        }
    }

    /// After 503 it is sent again as it is; after everything else it is read first.
    async fn after_disable(
        &self,
        attempt: Attempt<'_>,
        target: &TargetId,
        slot: &mut Slot<'_>,
    ) -> Next {
        let Attempt {
            action,
            error,
            hidden,
            number,
            tried,
            ..
        } = attempt;
        if error.http_status() != Some(503) {
            match self.is_done(action, target, hidden).await {
                Some(true) => return Next::Done(target.clone()),
                Some(false) => {}
                None => return Next::Failed,
            }
        }
        if number >= DISABLES || tried.failed_before {
            return Next::Failed;
        }
        let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(number - 1));
        let wait = error.retry_after().map_or(wait, |asked| asked.max(wait));
        if self.pause(wait, slot).await {
            Next::Again
        } else {
            Next::Failed
        }
    }

    async fn after_delete(
        &self,
        attempt: Attempt<'_>,
        target: &TargetId,
        slot: &mut Slot<'_>,
    ) -> Next {
        let Attempt {
            action,
            hidden,
            number,
            tried,
            ..
        } = attempt;
        match self.there(action, target, hidden).await {
            There::Nothing => return Next::Done(target.clone()),
            There::Same => {}
            There::Another | There::NotKnown => return Next::Failed,
        }
        if number > 1 || tried.failed_before || !self.pause(self.left(attempt), slot).await {
            return Next::Failed;
        }
        match self.there(action, target, hidden).await {
            There::Nothing => Next::Done(target.clone()),
            There::Same => Next::Again,
            There::Another | There::NotKnown => Next::Failed,
        }
    }

    /// The target said when to come back: the create is sent again if it did nothing.
    async fn after_create(
        &self,
        attempt: Attempt<'_>,
        keys: &[MatchKey],
        slot: &mut Slot<'_>,
    ) -> Next {
        let kind = attempt.action.subject.kind;
        if attempt.number > 1
            || attempt.tried.failed_before
            || !self.pause(self.left(attempt), slot).await
        {
            return Next::Failed;
        }
        let none = &lookup::no_holder_gives_up;
        match lookup::by_queries(self.context, kind, keys, &[], none).await {
            Ok(Found::None) => match absent::look(self.context, kind, &[keys]).await.as_deref() {
                Ok([Found::None]) => Next::Again,
                Ok(_) | Err(_) => Next::Failed,
            },
            // What is found is linked.
            Ok(
                Found::One { .. }
                | Found::Several { .. }
                | Found::OldAddress { .. }
                | Found::Failed(_),
            )
            | Err(_) => Next::Failed,
        }
    }

    /// How long something of the request may still arrive, and the target wants to be left alone.
    fn left(&self, attempt: Attempt<'_>) -> Duration {
        let Attempt { error, begun, .. } = attempt;
        let is_single = error
            .exchange()
            .is_some_and(|exchange| exchange.attempts <= 1);
        let since = if is_single {
            begun.elapsed()
        } else {
            Duration::ZERO
        };
        let left = self.context.waiting_time().saturating_sub(since);
        error.retry_after().map_or(left, |asked| asked.max(left))
    }

    /// Waits without keeping others from being sent. `false`: it is not worth it, or nothing more is sent.
    async fn pause(&self, wait: Duration, slot: &mut Slot<'_>) -> bool {
        if wait > LONGEST_WAIT {
            return false;
        }
        slot.free();
        let stop = &self.context.agent.stop;
        let waited = stop.run_until_cancelled(sleep(wait)).await;
        waited.is_some() && self.health.down().is_none()
    }

    /// Whether the object shows what the action was to change. `None`: it could not be read.
    async fn is_done(&self, action: &Action, target: &TargetId, hidden: &Hidden) -> Option<bool> {
        let kind = action.subject.kind;
        let paths = self.context.mapped_paths(kind);
        let reader = self.context.reader.hiding(hidden.clone());
        let object = reader.read(kind, target, &paths, false).await.ok()??;
        let current = shown::as_sent(self.context, kind, object.attributes).await;
        let current = current.ok()?;
        Some(settle::is_done(&action.operation, &current, None))
    }

    async fn there(&self, action: &Action, target: &TargetId, hidden: &Hidden) -> There {
        let kind = action.subject.kind;
        let paths = self.context.mapped_paths(kind);
        let reader = self.context.reader.hiding(hidden.clone());
        match reader.read(kind, target, &paths, false).await {
            Ok(Some(object)) => match self.link(action).await {
                Ok(Some(link)) if gone::agrees(self.context, kind, &link, &object.attributes) => {
                    There::Same
                }
                Ok(_) => There::Another,
                Err(_) => There::NotKnown,
            },
            Ok(None) => match self.whereabouts(action).await {
                Ok(Whereabouts::Gone) => There::Nothing,
                Ok(Whereabouts::There | Whereabouts::Hidden) | Err(_) => There::NotKnown,
            },
            Err(_) => There::NotKnown,
        }
    }

    /// Where an object is that a read by its id did not find.
    pub(super) async fn whereabouts(&self, action: &Action) -> Result<Whereabouts, Error> {
        let (kind, key) = (action.subject.kind, action.subject.key);
        let Some(link) = self.link(action).await? else {
            return Ok(Whereabouts::Gone);
        };
        let keys = gone::new_keys(self.context, kind, &action.operation);
        let missing = Missing {
            kind,
            key,
            link: &link,
            is_deleted: matches!(action.operation, Operation::Delete { .. }),
        };
        gone::look(self.context, missing, &keys).await
    }

    async fn link(&self, action: &Action) -> Result<Option<Link>, Error> {
        let (job, key) = (self.context.job.rules.name.clone(), action.subject.key);
        let loaded = self
            .context
            .state(move |store| store.load(&job, &[key]))
            .await?;
        Ok(loaded.into_iter().find_map(|loaded| loaded.link))
    }
}

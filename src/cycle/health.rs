//! Whether the target works as a whole, as far as failures show: trouble of single objects stops nothing,
//! and a look-up says whether the target is down.

use std::sync::{Mutex, OnceLock, PoisonError};

use tokio::sync::RwLock;

use super::Context;
use super::quarantine::cause_of;
use crate::engine::model::ObjectKind;
use crate::engine::outcome::Class;
use crate::engine::plan::{Action, Operation, Step};
use crate::engine::quarantine::Cause;
use crate::scim;
use crate::store::Row;

/// After so many failures of healthy objects in a row, a look-up says whether the target is down. Where
/// it is not and all of them were creates, which need nothing but the collection, creates stop.
const DOWN_AFTER: u32 = 10;
/// So many writes refused with 401 in a row are no single object's trouble, whatever look-ups say.
const TOKEN_AFTER: u32 = 3;
/// After so many failures in a row the target takes no writes, although it answers look-ups.
const READ_ONLY_AFTER: u32 = 100;

pub(super) struct Health<'a> {
    context: &'a Context<'a>,
    streak: Mutex<Streak>,
    /// Closed while a look-up says whether the target is down.
    gate: RwLock<()>,
    down: OnceLock<String>,
    /// The target refuses the credential, or does not answer as SCIM requires, also for a look-up.
    refused: OnceLock<Cause>,
    creates: Mutex<[Creates; 2]>,
}

/// Failures of objects that had not failed before, without a proper answer in between.
#[derive(Clone, Copy, Debug, Default)]
struct Streak {
    failed: u32,
    creates: [u32; 2],
    refused: u32,
}

/// Whether objects of a kind can be created.
#[derive(Clone, Debug, Default)]
enum Creates {
    #[default]
    Go,
    /// The target has no room for more: they are tried once more after the removals.
    Full,
    /// There was no room then either.
    StillFull,
    /// The collection answers every create with a failure.
    Failing(String),
}

/// What to do with a row that is about to be sent.
pub(super) enum Turn {
    Send,
    /// After everything else.
    Later,
    Never(&'static str),
}

impl<'a> Health<'a> {
    pub(super) fn new(context: &'a Context<'a>) -> Self {
        Self {
            context,
            streak: Mutex::default(),
            gate: RwLock::new(()),
            down: OnceLock::new(),
            refused: OnceLock::new(),
            creates: Mutex::default(),
        }
    }

    /// Why nothing more is sent.
    pub(super) fn down(&self) -> Option<&String> {
        self.down.get()
    }

    pub(super) fn abort(&self, words: String) {
        self.down.get_or_init(|| words);
    }

    pub(super) fn refused(&self) -> Option<Cause> {
        self.refused.get().copied()
    }

    /// Why the cycle counts as aborted.
    pub(super) fn into_words(self) -> Option<String> {
        let creates = self.creates.into_inner();
        let mut creates = creates.unwrap_or_else(PoisonError::into_inner).into_iter();
        self.down.into_inner().or_else(|| {
            creates.find_map(|one| match one {
                Creates::Failing(words) => Some(words),
                Creates::Go | Creates::Full | Creates::StillFull => None,
            })
        })
    }

    pub(super) async fn turn(&self, row: &Row) -> Turn {
        drop(self.gate.read().await);
        if self.down.get().is_some() {
            return Turn::Never("the target is not usable");
        }
        if !is_create(&row.action) {
            return Turn::Send;
        }
        let creates = self.creates.lock();
        match &creates.unwrap_or_else(PoisonError::into_inner)[place(row.action.subject.kind)] {
            Creates::Go => Turn::Send,
            Creates::Full if row.step == Step::CreatesAgain => Turn::Send,
            Creates::Full => Turn::Later,
            Creates::StillFull => Turn::Never("the target accepts no more objects"),
            Creates::Failing(_) => Turn::Never("the target fails to create objects"),
        }
    }

    /// A request succeeded.
    pub(super) fn went_well(&self) {
        *self.streak() = Streak::default();
    }

    /// The target had no room for what was to be created. `true`: it is tried once more.
    pub(super) fn no_room(&self, kind: ObjectKind, step: Step) -> bool {
        let creates = self.creates.lock();
        let creates = &mut creates.unwrap_or_else(PoisonError::into_inner)[place(kind)];
        let is_again = step == Step::CreatesAgain;
        match creates {
            Creates::Go => *creates = Creates::Full,
            Creates::Full if is_again => *creates = Creates::StillFull,
            Creates::Full | Creates::StillFull | Creates::Failing(_) => {}
        }
        !is_again
    }

    /// Counts a failure, and looks whether the target is down where that may be.
    pub(super) async fn failed(&self, action: &Action, failed_before: bool, error: &scim::Error) {
        let kind = action.subject.kind;
        let (is_refused, stops) = match error.class() {
            Class::Unauthorized | Class::Forbidden => (true, true),
            Class::Transient => (false, error.stops_everything()),
            Class::Throttled
            | Class::Refused
            | Class::Conflict
            | Class::Gone
            | Class::Quota
            | Class::NoEffect
            | Class::Malformed
            | Class::Invalid => (false, false),
        };
        if !stops {
            // A proper answer, also where it is no.
            let mut streak = self.streak();
            (streak.failed, streak.creates) = Default::default();
            return;
        }
        let counted = {
            let mut streak = self.streak();
            if is_refused {
                streak.refused += u32::from(!failed_before);
            } else if !failed_before {
                streak.failed += 1;
                streak.creates[place(kind)] += u32::from(is_create(action));
            }
            *streak
        };
        let is_first_refusal = is_refused && (failed_before || counted.refused == 1);
        let is_many = |count: u32| !failed_before && count > 0 && count.is_multiple_of(DOWN_AFTER);
        let creates = counted.creates[place(kind)];
        if !(is_first_refusal
            || is_many(counted.refused)
            || is_many(counted.failed)
            || is_many(creates)
            || error.class() == Class::Unauthorized)
        {
            return;
        }
        let closed = self.gate.write().await;
        if self.down.get().is_some() || self.context.agent.stop.is_cancelled() {
            return;
        }
        let looked = self.context.look_up_anything().await;
        let is_down = looked.is_err();
        let many_tokens = error.class() == Class::Unauthorized && counted.refused >= TOKEN_AFTER;
        let is_read_only = counted.failed.max(counted.refused) >= READ_ONLY_AFTER;
        if self.context.agent.stop.is_cancelled() {
            return;
        }
        if is_down || many_tokens || is_read_only {
            let refused = many_tokens.then_some(Cause::Refused);
            if let Some(cause) = refused.or_else(|| cause_of(&looked.err()?)) {
                self.refused.get_or_init(|| cause);
            }
            self.abort(error.failure().message);
        } else if !is_refused && creates >= DOWN_AFTER {
            let all = self.creates.lock();
            all.unwrap_or_else(PoisonError::into_inner)[place(kind)] =
                Creates::Failing(error.failure().message);
        }
        drop(closed);
    }

    /// Many rows failed at once, with one request: whether the target is down must be known before more do.
    pub(super) async fn lost(&self, error: &scim::Error) {
        let closed = self.gate.write().await;
        if self.down.get().is_some() || self.context.agent.stop.is_cancelled() {
            return;
        }
        if let Err(looked) = self.context.look_up_anything().await
            && !self.context.agent.stop.is_cancelled()
        {
            if let Some(cause) = cause_of(&looked) {
                self.refused.get_or_init(|| cause);
            }
            self.abort(error.failure().message);
        }
        drop(closed);
    }

    fn streak(&self) -> std::sync::MutexGuard<'_, Streak> {
        self.streak.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_create(action: &Action) -> bool {
    matches!(action.operation, Operation::Create { .. })
}

fn place(kind: ObjectKind) -> usize {
    match kind {
        ObjectKind::User => 0,
        ObjectKind::Group => 1,
    }
}

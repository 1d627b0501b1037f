//! Apply: takes the rows of a judged plan from the ledger, in order and a bounded number at a time, sends
//! their requests and records what came of each. Nothing is decided here but what the plan left open:
//! target ids that did not exist yet.

mod at_once;
mod attributes;
mod failed;
mod members;
mod started;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::Instant;

use self::at_once::InHand;
use self::started::Started;
use super::confirm::{Confirmed, Permit};
use super::hand_over::{self, HandingOver};
use super::health::{Health, Turn};
use super::index::Index;
use super::queue::Queue;
use super::repeat::{Attempt, Next};
use super::rows::cannot_be_sent;
use super::search::Searches;
use super::send::{Coming, Sender, Slot};
use super::tally::Tally;
use super::{Context, Error};
use crate::engine::guard::Verdict;
use crate::engine::model::{Key, ObjectKind, TargetId, TargetPath};
use crate::engine::outcome::{Outcome, Status};
use crate::engine::plan::{Action, Operation, Step};
use crate::engine::redact::Redactions;
use crate::engine::summary::Progress;
use crate::scim;
use crate::store::{Row, RowId};

/// So many times the requests in flight are rows `sent` at once at most (safety.md, "Waves are bounded"):
/// enough that the target never waits for the disk.
const WINDOW: usize = 8;

/// Carries out what the verdict lets through.
pub(super) async fn apply(
    context: &Context<'_>,
    cycle: i64,
    verdict: Verdict,
    confirmed: &Confirmed,
    total: u64,
) -> Result<Tally, Error> {
    // Only a verdict opens the ledger's rows.
    drop(verdict);
    let target = &context.job.target;
    let window = target.concurrency * WINDOW;
    let applier = Applier {
        context,
        cycle,
        confirmed,
        sender: Sender::new(&context.reader, target, &context.known_facts(), window)
            .repeating(context.forms()),
        window,
        made: Mutex::default(),
        redactions: context.agent.redactions(&context.job),
        searches: Searches::default(),
        anew: Mutex::default(),
        suspects: Mutex::default(),
        members_there: Mutex::default(),
        taken_out: Mutex::default(),
        shows_groups: OnceLock::new(),
        listed: BTreeMap::from(ObjectKind::ALL.map(|kind| (kind, OnceCell::new()))),
        handing_over: HandingOver::default(),
        health: Health::new(context),
        unsettled: Mutex::default(),
        another_target: OnceLock::new(),
        at_once: Mutex::default(),
        slots: Semaphore::new(target.concurrency),
    };
    applier.run(total).await
}

pub(super) struct Applier<'a> {
    pub(super) context: &'a Context<'a>,
    cycle: i64,
    confirmed: &'a Confirmed,
    sender: Sender,
    /// Rows `sent` at once at most.
    window: usize,
    /// Target objects that were made or found since the ledger last recorded outcomes.
    made: Mutex<BTreeSet<(ObjectKind, TargetId)>>,
    /// With what the plan is about to send.
    redactions: Redactions,
    searches: Searches,
    /// Objects that were planned again in this cycle.
    anew: Mutex<BTreeSet<Key>>,
    /// Attributes that were refused of users and of groups.
    suspects: Mutex<BTreeSet<(ObjectKind, TargetPath)>>,
    /// The members that the target shows of groups, read at most once; `None` where it does not show all.
    members_there: Mutex<BTreeMap<Key, Option<BTreeSet<TargetId>>>>,
    /// Set once the target was seen to show the groups of a user.
    shows_groups: OnceLock<()>,
    /// Groups, each with a member that it does not have any more.
    taken_out: Mutex<BTreeSet<(Key, Key)>>,
    /// The target's whole list; read at most once for each kind, after a conflict that no look-up
    /// explains.
    listed: BTreeMap<ObjectKind, OnceCell<Index<'a>>>,
    handing_over: HandingOver,
    pub(super) health: Health<'a>,
    /// Objects with a write in this cycle that may still be under way: they get no other.
    unsettled: Mutex<BTreeSet<Key>>,
    pub(super) another_target: OnceLock<Error>,
    /// What came of rows that were sent at once because of an answer to another.
    at_once: Mutex<Vec<(RowId, Outcome)>>,
    slots: Semaphore,
}

/// What is known of a row that is sent.
#[derive(Clone, Copy)]
pub(super) struct Tried {
    pub(super) step: Step,
    pub(super) failed_before: bool,
}

/// What a 404 for an object came to.
enum FoundGone {
    Ended(Status),
    /// It is not taken for gone, for this reason.
    Not(Option<&'static str>),
    /// Not this object is missing, but everything.
    Service(scim::Error),
}

/// What came of one row.
struct Ended {
    row: RowId,
    outcome: Outcome,
    /// Rows that an answer made necessary.
    follow: Vec<Action>,
}

/// Requests go on while the state is read or written.
async fn meanwhile<T>(
    work: impl Future<Output = T>,
    running: &mut FuturesUnordered<impl Future<Output = Ended>>,
    ended: &mut Vec<Ended>,
) -> T {
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            Some(one) = running.next(), if !running.is_empty() => ended.push(one),
        }
    }
}

impl Applier<'_> {
    async fn run(self, total: u64) -> Result<Tally, Error> {
        let window = self.window;
        let mut tally = Tally::default();
        let mut queue = Queue::new(self.context, self.cycle);
        let mut running = FuturesUnordered::new();
        let mut ended: Vec<Ended> = Vec::new();
        let mut done = (0, 0);
        loop {
            // Refilled by halves, so that there is one transaction for many rows and the target still
            // has enough to do meanwhile.
            let picked = if self.is_over() || running.len() > window / 2 {
                Vec::new()
            } else {
                let picking = queue.pick(window - running.len());
                meanwhile(picking, &mut running, &mut ended).await?
            };
            if picked.is_empty() && (ended.is_empty() || !running.is_empty()) {
                let Some(one) = running.next().await else {
                    break;
                };
                ended.push(one);
                // Whatever else has ended meanwhile is recorded together with it.
                while let Some(Some(one)) = futures::FutureExt::now_or_never(running.next()) {
                    ended.push(one);
                }
                if ended.len() < window / 4 && running.len() > window / 4 {
                    continue;
                }
            }
            let recorded = std::mem::take(&mut ended);
            let mut keys = Vec::with_capacity(recorded.len());
            let mut followed = Vec::new();
            let mut outcomes = Vec::with_capacity(recorded.len());
            let mut put_back = BTreeSet::new();
            for Ended {
                row,
                outcome,
                follow,
            } in recorded
            {
                done.0 += outcome.action.weight();
                done.1 += u64::from(outcome.status.is_failure());
                queue.ended(outcome.action.subject.key);
                keys.push(outcome.action.subject.key);
                if outcome.status == Status::Postponed {
                    put_back.insert(outcome.action.subject.kind);
                }
                if !self.handing_over.is_part_done(row, &outcome) {
                    tally.count(&outcome);
                }
                followed.extend(follow.into_iter().map(|action| (row, action)));
                outcomes.push((row, outcome));
            }
            for (row, outcome) in self.take_at_once() {
                tally.count(&outcome);
                outcomes.push((row, outcome));
            }
            self.context.progress.send_replace(Progress::Applying {
                done: done.0,
                failed: done.1,
                total: total.max(done.0),
            });
            let followed_rows: Vec<RowId> = followed.iter().map(|(row, _)| *row).collect();
            let advancing = self.advance(outcomes, followed, picked);
            let advanced = meanwhile(advancing, &mut running, &mut ended).await?;
            queue.recorded(keys);
            self.handing_over
                .note_followers(&followed_rows, &advanced.followers);
            queue.follow(advanced.followers);
            for kind in put_back {
                queue.postpone_creates(kind).await?;
            }
            let hidden = self.redactions.hidden();
            for row in advanced.rows {
                // All of them are known to come before the first is carried out.
                let coming = self.sender.coming(&row, &hidden);
                running.push(self.carry_out(row, coming));
            }
        }
        for fact in self.sender.take_facts() {
            self.context.learn(fact).await?;
        }
        let (left, overtaken) = queue.left().await?;
        tally.not_tried += left;
        tally.unfinished.extend(overtaken);
        tally.reached_end = left == 0 && !self.is_over();
        drop(running);
        if let Some(error) = self.another_target.into_inner() {
            return Err(error);
        }
        tally.refused = self.health.refused();
        tally.aborted = self.health.into_words();
        Ok(tally)
    }

    async fn advance(
        &self,
        outcomes: Vec<(RowId, Outcome)>,
        followed: Vec<(RowId, Action)>,
        picked: Vec<RowId>,
    ) -> Result<crate::store::Advanced, Error> {
        let made: Vec<(ObjectKind, TargetId)> = outcomes
            .iter()
            .filter_map(|(_, outcome)| match &outcome.status {
                Status::Done { target } | Status::Met { target, .. } => {
                    Some((outcome.action.subject.kind, target.clone()))
                }
                Status::Vanished
                | Status::Failed(_)
                | Status::LeftOut { .. }
                | Status::Followed(_)
                | Status::NotTried(_)
                | Status::Postponed => None,
            })
            .collect();
        let (cycle, redactions) = (self.cycle, self.context.redactions.clone());
        let clocks = self.context.clocks();
        let advanced = self
            .context
            .state(move |store| {
                store.advance(cycle, &outcomes, &followed, &picked, &redactions, clocks)
            })
            .await?;
        let mut known = lock(&self.made);
        for target in made {
            known.remove(&target);
        }
        Ok(advanced)
    }

    fn is_over(&self) -> bool {
        self.health.down().is_some() || self.context.agent.stop.is_cancelled()
    }

    async fn carry_out(&self, row: Row, coming: Option<Coming<'_>>) -> Ended {
        let mut slot = Slot::of(&self.slots);
        // What joins others waits for them, and keeps nothing else from being sent meanwhile.
        if coming.is_none() {
            slot.take().await;
        }
        let started = Started::now(self);
        let mut follow = Vec::new();
        let turn = self.health.turn(&row).await;
        let Row {
            id,
            action,
            step,
            failed_before,
        } = row;
        let tried = Tried {
            step,
            failed_before,
        };
        let mut outcome = match turn {
            Turn::Never(why) => started.not_tried(action, why),
            _ if self.context.agent.stop.is_cancelled() => {
                started.not_tried(action, "the cycle was stopped")
            }
            Turn::Later => started.end(action, Status::Postponed),
            Turn::Send if self.is_unsettled(action.subject.key) => {
                started.not_tried(action, "an earlier write to it may still be in progress")
            }
            Turn::Send => match self.cannot_be_sent(&action) {
                Some(why) => started.not_tried(action, why),
                None if let Some(target) = self.is_taken_out(&action) => {
                    started.end(action, Status::Done { target })
                }
                None => {
                    self.send(started, action, (id, tried), (slot, coming), &mut follow)
                        .await
                }
            },
        };
        if let Some(paths) = self.searches.note(&outcome, follow.len()) {
            self.refused_together(&mut outcome, paths).await;
        }
        let outcome = self.read_back(outcome).await;
        match self.handing_over.next(self.context, id, &outcome).await {
            Ok(next) => follow.extend(next),
            Err(error) => self.health.abort(error.chain()),
        }
        Ended {
            row: id,
            outcome,
            follow,
        }
    }

    /// Why an action has nothing to send, or no use.
    fn cannot_be_sent(&self, action: &Action) -> Option<&'static str> {
        cannot_be_sent(action).or_else(|| self.searches.ended(action))
    }

    /// An account that is handed over must show that it is disabled before anything else is done to it.
    async fn read_back(&self, mut outcome: Outcome) -> Outcome {
        let Outcome { action, status, .. } = &outcome;
        if let (Operation::HandOver(hand), Status::Done { .. }) = (&action.operation, status) {
            let hidden = self.hidden_in(action).await;
            match hand_over::read_back(self.context, action, hand, &hidden).await {
                Ok(()) => {}
                Err(failure) => outcome.status = Status::Failed(failure),
            }
        }
        outcome
    }

    fn is_unsettled(&self, key: Key) -> bool {
        lock(&self.unsettled).contains(&key)
    }

    /// What lets the request of a row out, or why it stays.
    async fn permit(&self, row: RowId, action: &Action) -> Result<Permit, &'static str> {
        match self.context.is_barred(action).await {
            Ok(None) => {}
            Ok(Some(why)) => return Err(why),
            Err(error) => {
                self.give_up(error);
                return Err("the target is not usable");
            }
        }
        if matches!(action.operation, Operation::Delete { .. }) && !self.context.may_delete() {
            return Err("deletes are not sent at this time (safety.deletes)");
        }
        match self.confirmed.permit(self.context, row, action).await {
            Ok(Some(permit)) => Ok(permit),
            Ok(None) => Err("it was not confirmed by the second read"),
            Err(Error::Stopped) => Err("the cycle was stopped"),
            Err(error) => {
                let words = error.chain();
                if error.concerns_state() {
                    self.health.abort(words);
                } else {
                    tracing::warn!(
                        job = %self.context.job.rules.name, error = words,
                        "removals could not be confirmed again"
                    );
                }
                Err("its confirmation has expired and could not be renewed")
            }
        }
    }

    async fn send<'s>(
        &'s self,
        mut started: Started,
        action: Action,
        (row, tried): (RowId, Tried),
        (mut slot, mut coming): (Slot<'s>, Option<Coming<'s>>),
        follow: &mut Vec<Action>,
    ) -> Outcome {
        let hidden = self.hidden_in(&action).await;
        let mut number = 0;
        loop {
            number += 1;
            let permit = match self.permit(row, &action).await {
                Ok(permit) => permit,
                Err(why) => return started.not_tried(action, why),
            };
            let begun = Instant::now();
            let in_hand = InHand {
                applier: self,
                row,
                action: &action,
            };
            let coming = coming.take();
            let sent = self
                .sender
                .send(&permit, &action, &hidden, &in_hand, &mut slot, coming)
                .await;
            let error = match sent {
                Ok(sent) => {
                    self.health.went_well();
                    let id = sent.as_ref().and_then(|sent| sent.id.clone());
                    let exchange = sent.as_ref().map(|sent| &sent.exchange);
                    let started = started.sent(exchange);
                    return match id.or_else(|| action.target.clone()) {
                        Some(target) => {
                            self.remember(&action, &target);
                            started.end(action, Status::Done { target })
                        }
                        None => started.not_tried(action, "there was nothing to send"),
                    };
                }
                Err(error) => error,
            };
            slot.take().await;
            let attempt = Attempt {
                action: &action,
                error: &error,
                hidden: &hidden,
                begun,
                number,
                tried,
            };
            match self.after(attempt, &mut slot).await {
                Next::Again => {
                    started = started.sent(error.exchange());
                    slot.take().await;
                }
                Next::Done(target) => {
                    self.health.went_well();
                    let started = started.sent(error.exchange());
                    return started.end(action, Status::Done { target });
                }
                Next::Failed => {
                    return self
                        .failed(started, action, tried, &error, &hidden, follow)
                        .await;
                }
            }
        }
    }

    /// Notes a target object until the ledger knows it.
    fn remember(&self, action: &Action, target: &TargetId) {
        if matches!(
            action.operation,
            Operation::Create { .. } | Operation::Adopt { .. }
        ) {
            let mut made = lock(&self.made);
            made.insert((action.subject.kind, target.clone()));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Collects the requests of rows that are sent at the same time into bulk requests, where the target takes
//! them. Each row joins with its request and gets its own answer, as if it had been sent alone; what the target
//! does not take in bulk is sent alone in the same cycle.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use super::super::capabilities::Fact;
use crate::engine::model::{ObjectKind, TargetPath, Value};
use crate::engine::outcome::Class;
use crate::engine::plan::{Action, Operation, Pointer};
use crate::scim::{self, InBulk, Part, Sent, Writer};

/// Requests of one kind that are sent in bulk before it is known that they have an effect.
const TRIAL: usize = 2;
/// What a target that reports no limit gets in one request, in bytes.
const PAYLOAD: usize = 1024 * 1024;
/// What the brackets around the operations take.
const BRACKETS: usize = 256;

/// What a target takes in one request.
#[derive(Clone, Copy, Debug)]
struct Limits {
    operations: usize,
    payload: usize,
}

pub(super) struct Bulk {
    writer: Writer,
    state: Mutex<State>,
    /// The requests that wait may go.
    due: Notify,
}

struct State {
    is_on: bool,
    limits: Limits,
    /// Rows that are on their way to join.
    coming: usize,
    waiting: Vec<Waiting>,
    trials: BTreeMap<Way, Trial>,
    /// What is to be remembered of the target.
    facts: Vec<Fact>,
}

struct Waiting {
    way: Way,
    part: Part,
    joined: oneshot::Sender<Joined>,
}

/// What is verified apart: creates and changes, of users and of groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Way {
    is_create: bool,
    kind: ObjectKind,
}

/// Absent: not tried yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trial {
    /// So many of it are not looked at yet.
    UnderWay(usize),
    Works,
}

/// How a request ended that joined others.
pub(super) enum Joined {
    /// It was not carried out, and is to be sent alone.
    Alone,
    Answered {
        result: Result<Sent, scim::Error>,
        /// Whether the way works is not known yet.
        is_trial: bool,
        /// Its failure is that of a request which held others, too.
        failed_with: Option<FailedWith>,
    },
}

/// Whether a failure of several rows at once counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cycle) enum FailedWith {
    /// For all of them.
    Others,
    /// With another.
    Another,
}

/// A row that may join; dropped when it does not.
pub(in crate::cycle) struct Coming<'a>(&'a Bulk);

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.coming -= 1;
        if state.coming == 0 {
            self.0.due.notify_waiters();
        }
    }
}

impl Way {
    /// `None`: an action that is not sent in bulk. Nothing is that removes something (safety.md §1).
    pub(super) fn of(action: &Action) -> Option<Self> {
        let is_create = match &action.operation {
            // Some targets do not show inactive users, so that nothing would show whether it was created.
            Operation::Create { attributes, .. } => {
                let is_inactive = |(path, value): (&TargetPath, &Value)| {
                    path.attribute() == "active" && *value == Value::Boolean(false)
                };
                if attributes.iter().any(is_inactive) {
                    return None;
                }
                true
            }
            Operation::Adopt {
                changes,
                from: None,
                ..
            }
            | Operation::Update { changes }
            | Operation::Enable { changes } => {
                let removes_nothing = changes.iter().all(|change| change.new.is_some());
                if changes.is_empty() || !removes_nothing || action.target.is_none() {
                    return None;
                }
                false
            }
            Operation::AddMembers { .. }
            | Operation::SetReference {
                new: Pointer::To(_) | Pointer::Added(_),
                ..
            } if action.target.is_some() => false,
            Operation::Adopt { .. }
            | Operation::Disable { .. }
            | Operation::Delete { .. }
            | Operation::HandOver(_)
            | Operation::AddMembers { .. }
            | Operation::RemoveMembers { .. }
            | Operation::SetReference { .. } => return None,
        };
        Some(Self {
            is_create,
            kind: action.subject.kind,
        })
    }

    pub(super) fn is_create(self) -> bool {
        self.is_create
    }

    /// As it is remembered once it was seen to work.
    fn name(self) -> String {
        let what = if self.is_create { "create" } else { "change" };
        format!("bulk {what} {}", self.kind)
    }
}

impl Bulk {
    /// `facts` are what is known of the target from before; `most` rows are sent at the same time.
    pub(super) fn new(writer: Writer, is_on: bool, most: usize, facts: &[Fact]) -> Self {
        let limit = |name| facts.iter().filter_map(|fact| fact.as_limit(name)).min();
        let verified: BTreeSet<String> = facts.iter().filter_map(Fact::as_verified).collect();
        let ways = ObjectKind::ALL
            .into_iter()
            .flat_map(|kind| [true, false].map(|is_create| Way { is_create, kind }));
        let works = ways.filter(|way| verified.contains(&way.name()));
        Self {
            writer,
            state: Mutex::new(State {
                is_on,
                limits: Limits {
                    operations: limit(Fact::BULK_OPERATIONS).unwrap_or(most).min(most),
                    payload: limit(Fact::BULK_PAYLOAD).unwrap_or(PAYLOAD),
                },
                coming: 0,
                waiting: Vec::new(),
                trials: works.map(|way| (way, Trial::Works)).collect(),
                facts: Vec::new(),
            }),
            due: Notify::new(),
        }
    }

    /// What is sent is not sent before this row has joined, or is known not to.
    pub(super) fn coming(&self) -> Option<Coming<'_>> {
        let mut state = self.lock();
        if !state.is_on {
            return None;
        }
        state.coming += 1;
        Some(Coming(self))
    }

    /// Sends a request together with others.
    pub(super) async fn join(&self, coming: Coming<'_>, way: Way, part: Part) -> Joined {
        let (joined, mut answered) = oneshot::channel();
        {
            let mut state = self.lock();
            if !state.is_on || part.size() + BRACKETS > state.limits.payload {
                return Joined::Alone;
            }
            state.waiting.push(Waiting { way, part, joined });
        }
        drop(coming);
        loop {
            let due = self.due.notified();
            tokio::pin!(due);
            // Before the look, so that what becomes due after it is noticed.
            due.as_mut().enable();
            if let Some(batch) = self.take_due() {
                self.flush(batch).await;
                continue;
            }
            tokio::select! {
                // Its sender goes only with the cycle itself, and this row with it.
                Ok(joined) = &mut answered => return joined,
                () = due => {}
            }
        }
    }

    /// What goes into one request now.
    fn take_due(&self) -> Option<Vec<Waiting>> {
        let mut state = self.lock();
        let Limits {
            operations,
            payload,
        } = state.limits;
        if state.waiting.is_empty() || (state.coming > 0 && state.waiting.len() < operations) {
            return None;
        }
        let (mut size, mut trials) = (BRACKETS, BTreeMap::<Way, usize>::new());
        let (mut batch, mut left) = (Vec::new(), Vec::new());
        for one in std::mem::take(&mut state.waiting) {
            let is_in = match state.trials.get(&one.way) {
                Some(Trial::Works) => true,
                Some(Trial::UnderWay(_)) => false,
                None => trials.get(&one.way).is_none_or(|count| *count < TRIAL),
            };
            let larger = size + one.part.size();
            if is_in && batch.len() < operations && larger <= payload {
                size = larger;
                *trials.entry(one.way).or_default() += 1;
                batch.push(one);
            } else {
                left.push(one);
            }
        }
        state.waiting = left;
        if batch.is_empty() {
            return None;
        }
        if batch.len() > 1 {
            for (way, count) in trials {
                state.trials.entry(way).or_insert(Trial::UnderWay(count));
            }
        }
        // What is left may go, too.
        self.due.notify_waiters();
        Some(batch)
    }

    async fn flush(&self, batch: Vec<Waiting>) {
        let mut batches = vec![batch];
        while let Some(mut batch) = batches.pop() {
            let is_on = self.lock().is_on;
            if batch.len() == 1 || !is_on {
                self.answer(batch.into_iter().map(|one| (one, None)), false);
                continue;
            }
            let parts: Vec<&Part> = batch.iter().map(|one| &one.part).collect();
            match self.writer.send_bulk(&parts).await {
                InBulk::Each {
                    results,
                    incomplete,
                } => {
                    if let Some(words) = incomplete {
                        self.turn_off(words);
                    }
                    self.answer(batch.into_iter().zip(results.into_iter().map(Some)), false);
                }
                InBulk::Lost { results, lied } => {
                    let is_lost = results
                        .iter()
                        .all(|one| one.as_ref().is_err_and(scim::Error::unconfirmed));
                    match lied {
                        Some(words) => self.turn_off(words),
                        None if is_lost => self.limit(batch.len() / 2, None),
                        None => {}
                    }
                    self.answer(batch.into_iter().zip(results.into_iter().map(Some)), true);
                }
                InBulk::TooLarge(words) => {
                    let half = batch.len() / 2;
                    self.limit(half, Some(words));
                    batches.push(batch.split_off(half));
                    batches.push(batch);
                }
                InBulk::NotTaken(words) => {
                    self.turn_off(words);
                    self.answer(batch.into_iter().map(|one| (one, None)), false);
                }
            }
        }
    }

    /// Gives each its answer; `None`: it is sent alone.
    fn answer(
        &self,
        answers: impl Iterator<Item = (Waiting, Option<Result<Sent, scim::Error>>)>,
        failed_together: bool,
    ) {
        for (place, (Waiting { way, joined, .. }, answer)) in answers.enumerate() {
            let failed_with = match place {
                0 => FailedWith::Others,
                _ => FailedWith::Another,
            };
            let is_trial = matches!(self.lock().trials.get(&way), Some(Trial::UnderWay(_)));
            // A limit refuses before anything is carried out, and alone it is sent again as it wants.
            let is_again = |error: &scim::Error| error.class() == Class::Throttled;
            let answer = match answer {
                Some(Err(error)) if is_again(&error) => None,
                answer => answer,
            };
            if is_trial && !matches!(answer, Some(Ok(_))) {
                self.tried(way, None);
            }
            // Who waited is gone only with the cycle itself.
            let _ = joined.send(match answer {
                None => Joined::Alone,
                Some(result) => Joined::Answered {
                    result,
                    is_trial,
                    failed_with: failed_together.then_some(failed_with),
                },
            });
        }
    }

    /// Whether what was accepted had an effect; `None`: that is not known.
    pub(super) fn tried(&self, way: Way, worked: Option<bool>) {
        if worked == Some(false) {
            self.turn_off("accepted without effect".to_owned());
            return;
        }
        let mut state = self.lock();
        match (state.trials.get_mut(&way), worked) {
            (Some(Trial::UnderWay(_)), Some(true)) => {
                state.trials.insert(way, Trial::Works);
                state.facts.push(Fact::verified(&way.name()));
            }
            (Some(Trial::UnderWay(left)), _) if *left > 1 => *left -= 1,
            (Some(Trial::UnderWay(_)), _) => {
                state.trials.remove(&way);
            }
            (Some(Trial::Works) | None, _) => {}
        }
        self.due.notify_waiters();
    }

    fn limit(&self, operations: usize, words: Option<String>) {
        let mut state = self.lock();
        let operations = operations.max(1);
        if operations < state.limits.operations {
            state.limits.operations = operations;
            if let Some(words) = words {
                tracing::info!(
                    evidence = words,
                    "at most {operations} operations in one bulk request from now on"
                );
                let word = operations.to_string();
                state
                    .facts
                    .push(Fact::new(Fact::BULK_OPERATIONS, &word, words));
            }
        }
    }

    /// From now on each request is sent alone, also by the cycles that follow.
    fn turn_off(&self, words: String) {
        let waiting = {
            let mut state = self.lock();
            if std::mem::replace(&mut state.is_on, false) {
                tracing::info!(
                    evidence = words,
                    "bulk = \"off\" from now on, learned from the target's response"
                );
                state.facts.push(Fact::new("bulk", "off", words));
            }
            std::mem::take(&mut state.waiting)
        };
        for one in waiting {
            let _ = one.joined.send(Joined::Alone);
        }
    }

    pub(super) fn take_facts(&self) -> Vec<Fact> {
        std::mem::take(&mut self.lock().facts)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! A look for leavers during a cycle of the same job (safety.md §2). Never do both write to one object, and what
//! the look has written comes after what the cycle had planned for that object.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{self, Notify};
use tokio::time::timeout;

use super::Context;
use crate::engine::model::{JobName, Key};
use crate::store::MarkCutoff;

/// How long a plan waits for a look to end: one that a throttled service holds up holds up no cycle.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The cycle and the look of each job. There is one of each at most.
#[derive(Debug, Default)]
pub(super) struct Workers(Mutex<BTreeMap<JobName, Arc<Both>>>);

/// What the cycle and the look of one job know of each other.
#[derive(Debug, Default)]
struct Both {
    known: Mutex<Known>,
    /// The look has decided, or ended.
    moved_on: Notify,
    /// Plans are judged one after the other, so that what one may remove counts for the other.
    judging: sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    cycle_runs: bool,
    /// How many looks began, and whether the last of them has ended.
    looks: u64,
    look_runs: bool,
    planned: Option<CyclePlan>,
    /// The numbers of the cycle and of the look, once the plan that each carries out was judged.
    cycle_judged: Option<i64>,
    look_judged: Option<i64>,
    /// Objects that the cycle is writing to, until the result is in the state.
    in_flight: BTreeSet<Key>,
    /// Objects that the look decides about.
    looked_at: BTreeSet<Key>,
    /// The same until it ends.
    seen: BTreeSet<Key>,
    /// Objects that the look is about to write to, or writes to.
    leaving: BTreeSet<Key>,
    /// The same since the cycle began, whatever came of it.
    overtaken: BTreeSet<Key>,
}

/// What the plan holds that a cycle carries out.
#[derive(Clone, Debug)]
pub(super) struct CyclePlan {
    pub(super) cycle: i64,
    /// It takes access from all who must lose it and were marked up to here.
    pub(super) cutoff: MarkCutoff,
    /// But for these, of whom it could not be decided or confirmed.
    pub(super) undecided: BTreeSet<Key>,
}

/// What works on a job.
#[derive(Debug)]
pub(super) enum Worker {
    /// It writes nothing.
    Plan,
    Cycle(Cycle),
    Look(Look),
}

/// A cycle that writes, until it ends.
#[derive(Debug)]
pub(super) struct Cycle(Arc<Both>);

/// A look, until it ends.
#[derive(Debug)]
pub(super) struct Look {
    both: Arc<Both>,
    during_cycle: bool,
    planned: Option<CyclePlan>,
}

/// Whether a cycle may write to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It counts as in flight from now on.
    Now,
    /// When the look has decided about it, which takes requests only where an earlier write is not settled.
    Later,
    /// What was planned is out of date.
    Overtaken,
}

/// No other plan of the job is judged meanwhile.
#[derive(Debug)]
pub(super) struct Judging<'w> {
    worker: &'w Worker,
    _turn: Option<sync::MutexGuard<'w, ()>>,
}

impl Worker {
    /// A plan begins, which is not judged yet.
    pub(super) fn begin_plan(&self) {
        self.judged(None);
    }

    pub(super) async fn turn_to_judge(&self) -> Judging<'_> {
        let both = match self {
            Self::Plan => None,
            Self::Cycle(Cycle(both)) | Self::Look(Look { both, .. }) => Some(both),
        };
        let turn = match both {
            Some(both) => Some(both.judging.lock().await),
            None => None,
        };
        Judging {
            worker: self,
            _turn: turn,
        }
    }

    fn judged(&self, cycle: Option<i64>) {
        match self {
            Self::Plan => {}
            Self::Cycle(Cycle(both)) => both.known().cycle_judged = cycle,
            Self::Look(Look { both, .. }) => both.known().look_judged = cycle,
        }
    }
}

impl Judging<'_> {
    /// The number of the cycle that works on the job at the same time, if its plan was judged: what it is about to
    /// remove counts. Otherwise what this one removes will count there.
    pub(super) fn other(&self) -> Option<i64> {
        match self.worker {
            Worker::Plan => None,
            Worker::Cycle(Cycle(both)) => both.known().look_judged,
            Worker::Look(Look { both, .. }) => both.known().cycle_judged,
        }
    }

    pub(super) fn end(self, cycle: i64) {
        self.worker.judged(Some(cycle));
    }
}

impl Context<'_> {
    /// This is a look, and a cycle of the job runs now.
    pub(super) fn is_during_cycle(&self) -> bool {
        matches!(&self.worker, Worker::Look(look) if look.both.known().cycle_runs)
    }
}

impl Workers {
    pub(super) fn cycle(&self, job: &JobName) -> Cycle {
        let both = self.of(job);
        both.known().cycle_runs = true;
        Cycle(both)
    }

    pub(super) fn look(&self, job: &JobName) -> Look {
        let both = self.of(job);
        let mut known = both.known();
        known.looks += 1;
        known.look_runs = true;
        let (during_cycle, planned) = (known.cycle_runs, known.planned.clone());
        drop(known);
        Look {
            both,
            during_cycle,
            planned,
        }
    }

    fn of(&self, job: &JobName) -> Arc<Both> {
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(jobs.entry(job.clone()).or_default())
    }
}

impl Both {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// The looks that began before have ended.
    fn are_over(&self, looks: u64) -> bool {
        !self.look_runs || self.looks > looks
    }
}

impl Cycle {
    /// Before anything is planned: what a look that runs now does is in the state then, so that the plan holds what
    /// follows from it. Looks that begin later, or take too long, run during the cycle.
    pub(super) async fn begin_planning(&self) {
        let looks = self.0.known().looks;
        let ended = async {
            loop {
                let moved_on = self.0.moved_on.notified();
                if self.0.known().are_over(looks) {
                    return;
                }
                moved_on.await;
            }
        };
        let _in_time = timeout(LONGEST_WAIT, ended).await;
        let mut known = self.0.known();
        let leaving = known.leaving.clone();
        known.overtaken = leaving;
    }

    /// This plan is carried out now, perhaps in addition to another of the same cycle.
    pub(super) fn planned(&self, mut planned: CyclePlan) {
        let mut known = self.0.known();
        let before = known.planned.take();
        planned
            .undecided
            .extend(before.into_iter().flat_map(|before| before.undecided));
        known.planned = Some(planned);
    }

    pub(super) fn begin(&self, key: Key) -> Turn {
        let mut known = self.0.known();
        if known.looked_at.contains(&key) {
            Turn::Later
        } else if known.overtaken.contains(&key) {
            Turn::Overtaken
        } else {
            known.in_flight.insert(key);
            Turn::Now
        }
    }

    /// Waits until the look has decided about this object.
    pub(super) async fn wait(&self, key: Key) {
        loop {
            let moved_on = self.0.moved_on.notified();
            if !self.0.known().looked_at.contains(&key) {
                return;
            }
            moved_on.await;
        }
    }

    /// What came of writing to these is in the state.
    pub(super) fn recorded(&self, keys: impl IntoIterator<Item = Key>) {
        let mut known = self.0.known();
        for key in keys {
            known.in_flight.remove(&key);
        }
    }

    pub(super) fn overtaken(&self) -> BTreeSet<Key> {
        self.0.known().overtaken.clone()
    }
}

impl Drop for Cycle {
    fn drop(&mut self) {
        let mut known = self.0.known();
        known.cycle_runs = false;
        known.planned = None;
        known.cycle_judged = None;
        known.in_flight.clear();
        known.overtaken.clear();
    }
}

impl Look {
    /// A cycle of the job ran when the look began.
    pub(super) fn began_during_cycle(&self) -> bool {
        self.during_cycle
    }

    /// What the cycle carries out.
    pub(super) fn planned(&self) -> Option<&CyclePlan> {
        self.planned.as_ref()
    }

    /// Those of these objects that the cycle is not writing to. It does not begin to before the look has decided.
    pub(super) fn begin(&self, keys: Vec<Key>) -> Vec<Key> {
        let mut known = self.both.known();
        let free = keys
            .into_iter()
            .filter(|key| !known.in_flight.contains(key));
        let free: Vec<Key> = free.collect();
        known.looked_at = free.iter().copied().collect();
        known.seen = free.iter().copied().collect();
        free
    }

    /// The objects that it began to decide about.
    pub(super) fn seen(&self) -> BTreeSet<Key> {
        self.both.known().seen.clone()
    }

    /// The look writes to these and to no others.
    pub(super) fn decided(&self, keys: BTreeSet<Key>) {
        let mut known = self.both.known();
        known.looked_at.clear();
        known.overtaken.extend(&keys);
        known.leaving = keys;
        drop(known);
        self.both.moved_on.notify_waiters();
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        let mut known = self.both.known();
        known.look_runs = false;
        known.look_judged = None;
        known.looked_at.clear();
        known.seen.clear();
        known.leaving.clear();
        drop(known);
        self.both.moved_on.notify_waiters();
    }
}

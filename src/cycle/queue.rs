//! Which rows of the ledger may be sent next: in order, never two for one object, and a step of product
//! rule 7 only when the one before it has ended.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::workers::{Turn, Worker};
use super::{Context, Error};
use crate::engine::model::{Key, ObjectKind};
use crate::engine::plan::Step;
use crate::store::{Place, Queued, RowId};

/// Rows that are taken from the ledger at once; only what identifies them, not what they hold.
const CHUNK: usize = 1_000;

pub(super) struct Queue<'a> {
    context: &'a Context<'a>,
    cycle: i64,
    waiting: VecDeque<Queued>,
    last: Option<Place>,
    is_exhausted: bool,
    /// Rows that follow others and came here by themselves: what is read from the ledger may have them too.
    followers: BTreeSet<RowId>,
    in_flight: BTreeSet<Key>,
    /// Rows of objects that a look for leavers wrote to since the plan was made.
    overtaken: BTreeMap<RowId, Key>,
    /// Step and rank of what is in flight.
    under_way: Option<(Step, u32)>,
}

impl<'a> Queue<'a> {
    pub(super) fn new(context: &'a Context<'a>, cycle: i64) -> Self {
        Self {
            context,
            cycle,
            waiting: VecDeque::new(),
            last: None,
            is_exhausted: false,
            followers: BTreeSet::new(),
            in_flight: BTreeSet::new(),
            overtaken: BTreeMap::new(),
            under_way: None,
        }
    }

    /// Rows that may be sent now, so many at most. They count as in flight from now on.
    pub(super) async fn pick(&mut self, at_most: usize) -> Result<Vec<RowId>, Error> {
        let mut picked = Vec::new();
        while picked.len() < at_most {
            if self.waiting.is_empty() && !self.fill().await? {
                break;
            }
            let Some(next) = self.waiting.front() else {
                break;
            };
            let place = (next.place.step, next.place.rank);
            let may_join = match self.under_way {
                None => true,
                // Creates wait for those that they refer to; chunks of members only for their group.
                Some((step, rank)) => step == place.0 && (rank == place.1 || is_parallel(step)),
            };
            if self.in_flight.is_empty() {
                self.under_way = None;
            } else if !may_join {
                break;
            }
            let key = next.place.key;
            if self.in_flight.contains(&key) {
                break;
            }
            if let Worker::Cycle(cycle) = &self.context.worker {
                match cycle.begin(key) {
                    Turn::Now => {}
                    Turn::Later if self.in_flight.is_empty() => {
                        cycle.wait(key).await;
                        continue;
                    }
                    Turn::Later => break,
                    Turn::Overtaken => {
                        self.overtaken.insert(next.place.id, key);
                        self.waiting.pop_front();
                        continue;
                    }
                }
            }
            self.under_way = Some(place);
            self.in_flight.insert(key);
            picked.push(next.place.id);
            self.waiting.pop_front();
        }
        Ok(picked)
    }

    pub(super) fn ended(&mut self, key: Key) {
        self.in_flight.remove(&key);
    }

    /// What came of these is in the state.
    pub(super) fn recorded(&self, keys: Vec<Key>) {
        if let Worker::Cycle(cycle) = &self.context.worker {
            cycle.recorded(keys);
        }
    }

    /// Rows that follow others come next, but for creates: they come last.
    pub(super) fn follow(&mut self, followers: Vec<Queued>) {
        let (last, next): (Vec<Queued>, Vec<Queued>) = followers
            .into_iter()
            .partition(|follower| follower.place.step == Step::CreatesAgain);
        self.is_exhausted &= last.is_empty();
        for follower in next.into_iter().rev() {
            self.followers.insert(follower.place.id);
            self.waiting.push_front(follower);
        }
    }

    /// Creates of this kind that were not sent yet come last.
    pub(super) async fn postpone_creates(&mut self, kind: ObjectKind) -> Result<(), Error> {
        let cycle = self.cycle;
        self.context
            .state(move |store| store.postpone_creates(cycle, kind))
            .await?;
        let step = match kind {
            ObjectKind::User => Step::Users,
            ObjectKind::Group => Step::Groups,
        };
        self.waiting
            .retain(|one| !one.is_create || one.place.step != step);
        self.is_exhausted = false;
        Ok(())
    }

    /// How many objects were not tried, and those whose rows are out of date.
    pub(super) async fn left(self) -> Result<(u64, BTreeSet<Key>), Error> {
        let cycle = self.cycle;
        let (rows, objects): (Vec<RowId>, BTreeSet<Key>) = self.overtaken.into_iter().unzip();
        let left = self
            .context
            .state(move |store| {
                store.drop_rows(&rows)?;
                store.left_in_queue(cycle)
            })
            .await?;
        Ok((left, objects))
    }

    async fn fill(&mut self) -> Result<bool, Error> {
        while self.waiting.is_empty() && !self.is_exhausted {
            let (cycle, last) = (self.cycle, self.last);
            let rows = self
                .context
                .state(move |store| store.queue(cycle, last, CHUNK))
                .await?;
            self.is_exhausted = rows.len() < CHUNK;
            self.last = rows.last().map(|row| row.place).or(self.last);
            let new = rows.into_iter();
            let new = new.filter(|row| !self.followers.contains(&row.place.id));
            self.waiting.extend(new);
        }
        Ok(!self.waiting.is_empty())
    }
}

fn is_parallel(step: Step) -> bool {
    match step {
        Step::AddMembers | Step::RemoveMembers => true,
        Step::Disables
        | Step::Names
        | Step::Users
        | Step::Groups
        | Step::References
        | Step::Deletes
        | Step::CreatesAgain => false,
    }
}

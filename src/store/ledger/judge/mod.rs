//! The removals of a plan, judged: what the limits count is taken from the ledger and from what a person
//! decided, the guard says what is held, and each object's rows are opened, held or dropped. A hold is by
//! object: a membership is one of its own.

mod carry;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::params;

use crate::engine::emptied::{Causes, EmptiedBy};
use crate::engine::guard::{self, Census, LimitUse, Verdict, WhyHeld};
use crate::engine::job::Limits;
use crate::engine::model::{Key, ObjectKind};
use crate::engine::plan::{Header, Operation, Referenced, RemovalClass, WhyLeft, WhyRemoved};
use crate::store::holds::{self, Decision, Hold, Item};
use crate::store::ledger::history::{
    active, cleared, going, recent, recent_memberships, seen_of_sources,
};
use crate::store::ledger::{
    APPROVED_CLASS, RowId, body, class_of, creates, job_of, number, status,
};
use crate::store::links::{key_of, link_of};
use crate::store::state::State;
use crate::store::{Error, Store};

/// The time over which the limits count.
const WINDOW: TimeDelta = TimeDelta::hours(24);

/// What a plan is judged by.
pub(crate) struct Judging<'j> {
    pub(crate) header: &'j Header,
    pub(crate) limits: Limits,
    /// Only some objects were planned: what is held of others counts with them.
    pub(crate) is_partial: bool,
    /// Groups that bring their members into scope.
    pub(crate) scope_groups: &'j BTreeSet<Key>,
    /// Groups, and how many members they keep at least.
    pub(crate) min_members: &'j BTreeMap<Key, u64>,
    /// Another cycle of the job that runs now, whose plan was judged: what it is about to remove counts.
    pub(crate) other: Option<i64>,
    pub(crate) now: DateTime<Utc>,
}

/// What came of judging a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) verdict: Verdict,
    /// Why removals are held; empty when none is.
    pub(crate) why: Vec<WhyHeld>,
    /// Objects, and groups of members, that stay as they are: held, or rejected.
    pub(crate) kept: BTreeSet<Key>,
    pub(crate) limits: Vec<LimitUse>,
}

impl Store {
    /// Judges the removals that a plan drafted; everything else may be sent.
    pub(crate) fn judge(&self, cycle: i64, judging: &Judging<'_>) -> Result<Judged, Error> {
        self.write("judge the plan", |state| {
            let mut bench = Bench::new(state, cycle, judging)?;
            let census = bench.census()?;
            let verdict = guard::review(&census, &judging.limits);
            bench.carry(&verdict)?;
            let Bench { why, kept, .. } = bench;
            Ok(Judged {
                verdict,
                why,
                kept,
                limits: guard::uses(&census, &judging.limits),
            })
        })
    }
}

impl Store {
    /// The rows of a plan that an approval covers.
    pub(crate) fn approved_rows(&self, cycle: i64) -> Result<BTreeSet<RowId>, Error> {
        self.read("read what is approved", |state| {
            let ids: Vec<i64> = state.column(
                "SELECT id FROM actions a
                 WHERE a.cycle = ?1 AND a.state = 0 AND (a.class > ?2 OR a.operation = ?3 AND EXISTS (
                     SELECT 1 FROM holds h
                     WHERE h.job = a.job AND h.source = a.source AND h.member = 0
                           AND h.operation = ?3 AND h.decision = 1))",
                params![cycle, APPROVED_CLASS, number::CREATE],
            )?;
            Ok(ids.into_iter().map(RowId::new).collect())
        })
    }

    /// Opens the removals that a plan of this cycle holds, if they are so many: a person approved just these. How
    /// many they are.
    pub(crate) fn approve_planned(
        &self,
        cycle: i64,
        removals: u64,
        who: &str,
        now: DateTime<Utc>,
    ) -> Result<u64, Error> {
        self.write("note the decision", |state| {
            let held: i64 = state
                .prepare_cached(
                    "SELECT count(*) FROM actions
                     WHERE cycle = ?1 AND state = ?2 AND class IS NOT NULL",
                )?
                .query_row(params![cycle, status::HELD], |row| row.get(0))?;
            if held.unsigned_abs() == removals {
                let job = job_of(state, cycle)?;
                holds::approve_planned(state, job, cycle, who, now)?;
                state.run(
                    "UPDATE actions SET state = ?3, class = class + ?4
                     WHERE cycle = ?1 AND state = ?2 AND class IS NOT NULL",
                    params![cycle, status::HELD, status::PLANNED, APPROVED_CLASS],
                )?;
            }
            Ok(held.unsigned_abs())
        })
    }
}

/// A removal that a plan drafted: of an object, or of members of a group.
struct Removal {
    row: i64,
    key: Key,
    kind: ObjectKind,
    class: RemovalClass,
    operation: i64,
    why: Option<WhyRemoved>,
    /// Of members.
    left: WhyLeft,
    members: Vec<Referenced>,
}

/// The cause of a membership that goes while both its group and its member stay.
const MEMBERSHIP: &str = "membership";

impl Removal {
    fn cause(&self) -> &'static str {
        self.why.as_ref().map_or(MEMBERSHIP, WhyRemoved::as_str)
    }

    fn item(&self, member: Option<Key>) -> Item {
        Item {
            source: self.key,
            member,
            operation: self.operation,
        }
    }

    fn items(&self) -> Vec<Item> {
        if self.class == RemovalClass::Membership {
            let members = self.members.iter();
            members.map(|one| self.item(Some(one.key))).collect()
        } else {
            vec![self.item(None)]
        }
    }
}

struct Bench<'b> {
    state: &'b State,
    job: i64,
    cycle: i64,
    judging: &'b Judging<'b>,
    removals: Vec<Removal>,
    /// Why the users and groups go that the plan removes.
    causes: BTreeMap<Key, &'static str>,
    holds: BTreeMap<Item, Hold>,
    /// Users and groups whose removal was sent within the window.
    recent: BTreeMap<Key, RemovalClass>,
    /// Removals that were let through, each with its operation: they failed and are tried until they succeed, or
    /// another cycle is about to send them.
    tried: BTreeSet<(Key, i64)>,
    /// Groups that lose suddenly many members.
    shrunk: BTreeSet<Key>,
    /// Groups that would have fewer members than they are to keep.
    thin: BTreeSet<Key>,
    /// Creates, by the number of the row.
    creates: Vec<(i64, Key)>,
    /// Objects that were gone from the target together with so many others that creating them again needs
    /// a decision.
    gone: BTreeSet<Key>,
    /// Objects that others may have made, and how many of them are held.
    unproven: BTreeSet<Key>,
    unproven_held: u64,
    why: Vec<WhyHeld>,
    kept: BTreeSet<Key>,
}

impl<'b> Bench<'b> {
    fn new(state: &'b State, cycle: i64, judging: &'b Judging<'b>) -> rusqlite::Result<Self> {
        let job = job_of(state, cycle)?;
        holds::lapse_old(state, job, judging.now)?;
        let removals = removals(state, cycle)?;
        let mut tried: BTreeSet<(Key, i64)> = failed_removals(state, job)?;
        tried.extend(cleared(state, judging.other)?);
        let known = holds::all(state, job)?;
        let gone = creates::gone_at_once(state, job, judging.header.linked)?;
        let is_create = |item: &Item| item.operation == number::CREATE;
        let counts_creates = judging.limits.max_creations.is_some()
            || !gone.is_empty()
            || known.keys().any(is_create);
        Ok(Self {
            state,
            job,
            cycle,
            judging,
            holds: known,
            recent: recent(state, job, judging.other, since(judging))?,
            tried,
            causes: removals
                .iter()
                .filter(|one| one.class != RemovalClass::Membership)
                .map(|one| (one.key, one.cause()))
                .collect(),
            removals,
            shrunk: BTreeSet::new(),
            thin: BTreeSet::new(),
            creates: if counts_creates {
                creates::planned(state, cycle)?
            } else {
                Vec::new()
            },
            gone,
            unproven: unproven(state, job)?,
            unproven_held: 0,
            why: Vec::new(),
            kept: BTreeSet::new(),
        })
    }

    /// Why this goes: a membership of one who goes, for the cause that its member goes for.
    fn cause(&self, removal: &Removal, item: &Item) -> &'static str {
        let of_member = item.member.and_then(|member| self.causes.get(&member));
        of_member.copied().unwrap_or_else(|| removal.cause())
    }

    /// Whether just this was let through before, or more: a disable lets no delete through.
    fn is_tried(&self, removal: &Removal) -> bool {
        let tried = |operation| self.tried.contains(&(removal.key, operation));
        tried(removal.operation) || removal.operation == number::DISABLE && tried(number::DELETE)
    }

    /// What a person decided of this very removal.
    fn decided(&self, item: &Item, cause: &str) -> rusqlite::Result<Option<&Hold>> {
        let Some(hold) = self.holds.get(item) else {
            return Ok(None);
        };
        let is_it = match item.member {
            // Its member went for the cause that was decided, and the membership is what is left.
            Some(member) if cause == MEMBERSHIP && hold.cause != MEMBERSHIP => {
                self.is_gone(member)?
            }
            Some(_) | None => hold.cause == cause,
        };
        Ok(is_it.then_some(hold))
    }

    /// Whether a user was removed, as far as is on record.
    fn is_gone(&self, user: Key) -> rusqlite::Result<bool> {
        self.state
            .prepare_cached(
                "SELECT NOT EXISTS (SELECT 1 FROM links WHERE link = ?1 AND active AND in_scope)",
            )?
            .query_row(params![link_of(self.job, user)], |row| row.get(0))
    }

    fn is_decided(&self, item: &Item, cause: &str) -> rusqlite::Result<bool> {
        let hold = self.decided(item, cause)?;
        Ok(hold.is_some_and(|hold| hold.decision.is_made()))
    }

    /// The members that the plan adds to a group.
    fn added(&self, group: Key) -> rusqlite::Result<u64> {
        self.state
            .prepare_cached(
                "SELECT coalesce(sum(weight), 0) FROM actions
                 WHERE cycle = ?1 AND source = ?2 AND operation = ?3 AND state = 0",
            )?
            .query_row(params![self.cycle, group, number::ADD_MEMBERS], |row| {
                row.get::<_, i64>(0)
            })
            .map(i64::unsigned_abs)
    }

    fn census(&mut self) -> rusqlite::Result<Census> {
        let mut planned: BTreeMap<RemovalClass, u64> = BTreeMap::new();
        let mut seen: BTreeSet<Item> = BTreeSet::new();
        let mut lost: BTreeMap<Key, u64> = BTreeMap::new();
        // Emptied on purpose: the group left the scope, and did not lose its members.
        let mut emptied: BTreeSet<Key> = BTreeSet::new();
        let mut causes = Causes::new();
        for removal in &self.removals {
            for item in removal.items() {
                seen.insert(item);
                let is_known = removal.class != RemovalClass::Membership
                    && (self.recent.contains_key(&removal.key) || self.is_tried(removal));
                if is_known || self.is_decided(&item, self.cause(removal, &item))? {
                    continue;
                }
                *planned.entry(removal.class).or_default() += 1;
                if let (Some(why), None) = (&removal.why, item.member) {
                    *causes
                        .entry((removal.class, EmptiedBy::of(why)))
                        .or_default() += 1;
                }
                if item.member.is_some() {
                    if removal.why.is_some() {
                        emptied.insert(removal.key);
                    }
                    *lost.entry(removal.key).or_default() += 1;
                }
            }
        }
        if self.judging.is_partial {
            for (item, hold) in &self.holds {
                if let (Some(class), Decision::None) = (hold.class, hold.decision)
                    && !seen.contains(item)
                {
                    *planned.entry(class).or_default() += 1;
                }
            }
        }
        let mut recent: BTreeMap<RemovalClass, u64> = BTreeMap::new();
        for class in self.recent.values() {
            *recent.entry(*class).or_default() += 1;
        }
        let since = since(self.judging);
        let memberships = recent_memberships(self.state, self.job, since, None)?;
        recent.insert(RemovalClass::Membership, memberships);
        for (group, planned) in lost {
            let done = recent_memberships(self.state, self.job, since, Some(group))?;
            let sent: i64 = self
                .state
                .prepare_cached(
                    "SELECT count(*) FROM sent_members WHERE job = ?1 AND group_key = ?2",
                )?
                .query_row(params![self.job, group], |row| row.get(0))?;
            let sent = sent.unsigned_abs();
            let is_emptied = emptied.contains(&group);
            if !is_emptied && guard::is_sudden_loss(planned + done, sent + done) {
                self.shrunk.insert(group);
            }
            if let Some(least) = self.judging.min_members.get(&group)
                && (sent + self.added(group)?).saturating_sub(planned) < *least
            {
                self.thin.insert(group);
            }
        }
        let is_decided = |key: &Key| {
            let hold = self.holds.get(&creates::item(*key));
            hold.is_some_and(|hold| hold.decision.is_made())
        };
        let creations = self.creates.iter().filter(|(_, key)| !is_decided(key));
        let creations = creations.count() as u64;
        let active_now: i64 = self
            .state
            .prepare_cached("SELECT active_users FROM jobs WHERE key = ?1")?
            .query_row(params![self.job], |row| row.get(0))?;
        let going = match self.judging.other {
            Some(other) => going(self.state, self.job, other)?,
            None => 0,
        };
        let header = self.judging.header;
        Ok(Census {
            planned,
            recent,
            causes,
            active: active(self.state, self.job, since)?,
            active_now: active_now.unsigned_abs().saturating_sub(going),
            creations,
            recent_creations: match self.judging.limits.max_creations {
                Some(_) => creates::since(self.state, self.job, since)?,
                None => 0,
            },
            linked: header.linked,
            scope_before: header.scope_before,
            scope_after: header.scope_after,
            sources: seen_of_sources(self.state, self.job)?,
            application_changed: header.application_changed,
        })
    }
}

/// Disables and deletes that failed, and are tried until they succeed.
fn failed_removals(state: &State, job: i64) -> rusqlite::Result<BTreeSet<(Key, i64)>> {
    state
        .prepare_cached(
            "SELECT source, CASE action WHEN 'disable' THEN ?2 ELSE ?3 END FROM escrow
             WHERE job = ?1 AND action IN ('disable', 'delete')",
        )?
        .query_map(params![job, number::DISABLE, number::DELETE], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect()
}

fn unproven(state: &State, job: i64) -> rusqlite::Result<BTreeSet<Key>> {
    let links: Vec<i64> = state.column(
        "SELECT link FROM links WHERE job = ?1 AND origin = 2",
        params![job],
    )?;
    Ok(links.into_iter().map(key_of).collect())
}

fn since(judging: &Judging<'_>) -> i64 {
    (judging.now - WINDOW).timestamp_millis()
}

fn removals(state: &State, cycle: i64) -> rusqlite::Result<Vec<Removal>> {
    let mut statement = state.prepare_cached(
        "SELECT id, source, operation, class, body FROM actions
         WHERE cycle = ?1 AND state = 0 AND class IS NOT NULL
         ORDER BY step, rank, source, id",
    )?;
    let rows = statement.query_map(params![cycle], |row| {
        let operation: i64 = row.get(2)?;
        let unpacked = body::unpack_operation(state, operation, row.get_ref(4)?.as_blob()?)?;
        let mut left = WhyLeft::NotRecorded;
        let (why, members) = match unpacked {
            Operation::Disable { why, .. } | Operation::Delete { why, .. } => {
                (Some(why), Vec::new())
            }
            Operation::HandOver(hand) => (Some(hand.why), Vec::new()),
            Operation::RemoveMembers { members, why, .. } => {
                let of_group = why.of_group().cloned();
                left = why;
                (of_group, members)
            }
            Operation::Create { .. }
            | Operation::Adopt { .. }
            | Operation::Update { .. }
            | Operation::Enable { .. }
            | Operation::AddMembers { .. }
            | Operation::SetReference { .. } => (None, Vec::new()),
        };
        let class = class_of(row.get(3)?).map_or(RemovalClass::User, |(class, _)| class);
        Ok(Removal {
            row: row.get(0)?,
            key: row.get(1)?,
            kind: match class {
                RemovalClass::Certain | RemovalClass::User => ObjectKind::User,
                RemovalClass::Group | RemovalClass::Membership => ObjectKind::Group,
            },
            class,
            operation,
            why,
            left,
            members,
        })
    })?;
    rows.collect()
}

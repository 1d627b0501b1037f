//! Plan: passes objects chunk by chunk from the state to the planner, looks up in the target what it must
//! know, and writes what was decided to the ledger. Nothing is decided here.

mod outline;
mod warnings;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::facts::Facts;
use super::index::{Index, TargetIds};
use super::leavers;
use super::lookup::Finder;
use super::members::ShownMembers;
use super::names::{self, Protected};
use super::old_accounts::targets_of;
use super::same_target::Verified;
use super::settle::{Settled, Settler};
use super::tenant::Reading;
use super::{Context, Error, quarantine, staged};
use crate::engine::mapping::Environment;
use crate::engine::model::{Key, ObjectKind, SourceId, SourceNumber, TargetPath};
use crate::engine::plan::{
    Candidate, Decision, Draft, Found, Header, Order, Pending, Planner, Skipped, Step, Strangers,
    Why, by_reference,
};
use crate::engine::quarantine::Pace;
use crate::engine::summary::{CycleKind, Progress};
use crate::report;
use crate::scim;
use crate::store::{Loaded, Store};

pub(super) use self::outline::{Outline, Whom};

/// Objects taken from the state at once.
const CHUNK: usize = 500;
/// Objects that wait for a look-up at most before they are looked up together.
const LOOK_UPS: usize = 2_000;
/// Members taken from the state at once.
const MEMBERS: usize = 100_000;

pub(super) async fn plan(
    context: &Context<'_>,
    reading: &Reading,
    cycle: i64,
    whom: Whom,
    verified: &Verified<'_>,
) -> Result<Outline, Error> {
    // The keys of its hash come from the operating system, so that what is drawn cannot be predicted;
    // but in this cycle the same is drawn as often as a mapping is evaluated.
    let chance = RandomState::new();
    let random = |id: &SourceId, path: &TargetPath, count| chance.hash_one((id, path, count));
    let environment = Environment {
        now: (context.agent.now)(),
        random: &random,
        default_domain: None,
    };
    let rules = context.job.rules.clone();
    let protected = context.state(move |store| Protected::of(store, &rules));
    let protected = protected.await?;
    // A reading that is not complete may lack what is named; nothing is removed then anyway.
    let complete = reading.sources.complete();
    let misnamed = if complete.is_empty() {
        Vec::new()
    } else {
        let rules = &context.job.rules;
        names::misnamed(&context.agent.store, rules, &protected, &complete)?
    };
    let rules = &context.job.rules;
    let dialect = scim::Dialect::new(&context.job.target.dialect);
    let chunk = dialect.member_chunk();
    let mut planner = Planner::new(rules, environment, reading.sources.clone(), chunk)
        .creating_with_member(dialect.creates_with_member())
        .doubting(report::doubts(&misnamed));
    let name = rules.name.clone();
    planner = planner.protecting(protected.objects);
    planner = planner.keeping_found(context.found().await?);
    planner = planner.postponing_removals(context.state(move |store| store.is_first(&name)).await?);
    planner = planner.deleting(context.may_delete());
    let (due, clocks_differ) = staged::due(context, &whom).await?;
    if context.options.only.is_some() {
        planner = planner.listing_unassigned();
    }
    let name = rules.name.clone();
    let linked = context.state(move |store| store.link_counts(&name)).await?;
    if linked.total() == 0 {
        planner = planner.without_links();
    }
    let mut driver = Driver {
        context,
        cycle,
        facts: Facts::new(context),
        planner,
        due,
        sources: {
            let read = reading.sources.read();
            let mut numbers = context.sources.numbers.clone();
            numbers.retain(|number| read.contains(number));
            numbers
        },
        is_last_part: true,
        unverified: &verified.waiting,
        // What was written meanwhile is not in them.
        lists: match whom {
            Whom::All | Whom::AllNow => verified.lists.clone(),
            Whom::Waiting(_) | Whom::Leavers(_) | Whom::Retries(_) => BTreeMap::new(),
        },
        outline: Outline {
            header: Header::default(),
            scope: Vec::new(),
            existing: Vec::new(),
            postponed: verified.waiting.keys().copied().collect(),
            waiting: BTreeMap::new(),
            scope_groups: BTreeSet::new(),
            lacks_addresses: false,
            retried: match &whom {
                Whom::Retries(keys) => keys.clone(),
                Whom::All | Whom::AllNow | Whom::Waiting(_) | Whom::Leavers(_) => Vec::new(),
            },
        },
        claimed: TargetIds::default(),
        strangers: None,
        shown_members: ShownMembers::default(),
        is_full: reading.kind == CycleKind::Initial
            && !context.options.is_partial()
            && !matches!(whom, Whom::Waiting(_)),
        whom,
        done: 0,
        total: 0,
    };
    driver.run().await?;
    let mut header = driver.finish().await?;
    header.misnamed = misnamed;
    header.strangers = driver.strangers;
    let name = rules.name.clone();
    header.staged = context.state(move |store| store.staged(&name)).await?;
    header.warnings.extend(clocks_differ);
    let mut outline = driver.outline;
    outline.header = header;
    outline.scope_groups = driver.facts.scope_groups();
    Ok(outline)
}

pub(super) struct Driver<'a> {
    pub(super) context: &'a Context<'a>,
    cycle: i64,
    facts: Facts<'a>,
    pub(super) planner: Planner<'a>,
    /// Users whose accounts are due to be deleted.
    due: BTreeSet<Key>,
    /// Whose objects are decided, in the order of their precedence.
    sources: Vec<SourceNumber>,
    /// No objects of the kind come after those that are passed.
    is_last_part: bool,
    /// Objects of links that are formerly ours and could not be verified.
    unverified: &'a BTreeMap<Key, Option<String>>,
    /// The target's lists that were read before.
    lists: BTreeMap<ObjectKind, Arc<Index<'a>>>,
    outline: Outline,
    /// Accounts that look-ups found, in the first cycle on a new state.
    pub(super) claimed: TargetIds,
    pub(super) strangers: Option<Strangers>,
    shown_members: ShownMembers,
    /// Everything is evaluated.
    is_full: bool,
    whom: Whom,
    done: u64,
    total: u64,
}

impl Driver<'_> {
    async fn run(&mut self) -> Result<(), Error> {
        let users = self.candidates(ObjectKind::User).await?;
        let groups = self.candidates(ObjectKind::Group).await?;
        self.total = (users.len() + groups.len()) as u64;
        self.pass_parts(ObjectKind::User, &users).await?;
        if self.is_for_leavers() {
            return Ok(());
        }
        self.look_again(ObjectKind::User).await?;
        // Objects that this plan brings or takes concern those they manage and the groups they are in;
        // in a full evaluation all of these are looked at anyway. Where one object is asked for, nothing
        // is done to another: what a recorded link concerns is marked, for the next cycle.
        let moved = if self.is_full || self.context.options.only.is_some() {
            Vec::new()
        } else {
            self.planner.moved()
        };
        let mut groups: BTreeSet<Key> = groups.into_iter().collect();
        if !moved.is_empty() {
            let known: BTreeSet<Key> = users.iter().copied().collect();
            let managers = moved.clone();
            let mut reports = self
                .context
                .state(move |store| store.reports(&managers))
                .await?;
            reports.retain(|key| !known.contains(key));
            self.pass(ObjectKind::User, &reports, Taken::Linked).await?;
            groups.extend(self.facts.groups_around(&moved).await?);
        }
        let groups: Vec<Key> = groups.into_iter().collect();
        self.pass_parts(ObjectKind::Group, &groups).await?;
        self.look_again(ObjectKind::Group).await?;
        self.members().await
    }

    fn is_for_leavers(&self) -> bool {
        matches!(self.whom, Whom::Leavers(_))
    }

    async fn candidates(&self, kind: ObjectKind) -> Result<Vec<Key>, Error> {
        let job = self.context.job.rules.name.clone();
        if let Whom::Waiting(keys) = &self.whom {
            let keys: Vec<Key> = keys.iter().copied().collect();
            return self
                .context
                .state(move |store| store.of_kind(&keys, kind))
                .await;
        }
        if let Whom::Retries(keys) = &self.whom {
            let keys = keys.clone();
            return self
                .context
                .state(move |store| store.of_kind(&keys, kind))
                .await;
        }
        if let Whom::Leavers(keys) = &self.whom {
            return Ok(match kind {
                ObjectKind::User => keys.clone(),
                ObjectKind::Group => Vec::new(),
            });
        }
        if let Some(mut only) = self.context.only().await? {
            return Ok(only.remove(&kind).unwrap_or_default());
        }
        let mut keys = self
            .context
            .state(move |store| store.candidates(&job, kind))
            .await?;
        if kind == ObjectKind::User && !self.due.is_empty() {
            keys.extend(&self.due);
            keys.sort_unstable();
            keys.dedup();
        }
        Ok(keys)
    }

    /// Passes objects source by source: where two sources have the same person, the first one is decided first.
    async fn pass_parts(&mut self, kind: ObjectKind, keys: &[Key]) -> Result<(), Error> {
        if !self.context.sources.are_several() {
            return self.pass(kind, keys, Taken::All).await;
        }
        let (keys, sources) = (keys.to_vec(), self.sources.clone());
        let parts = self
            .context
            .state(move |store| store.in_order_of(&keys, &sources))
            .await?;
        let count = parts.len();
        for (place, keys) in parts.iter().enumerate() {
            self.is_last_part = place + 1 == count;
            self.planner.rank(0);
            self.pass(kind, keys, Taken::All).await?;
        }
        self.is_last_part = true;
        Ok(())
    }

    /// Passes objects to the planner, in the order of their references.
    async fn pass(&mut self, kind: ObjectKind, keys: &[Key], taken: Taken) -> Result<(), Error> {
        let Order { ranked, circular } = self.order(kind, keys).await?;
        self.planner.circular(circular);
        let list = self.lists.get(&kind).cloned();
        let mut finder = Finder::new(self.context, kind, list);
        let lists_all = self.context.is_first
            && self.is_full
            && kind == ObjectKind::User
            && matches!(taken, Taken::All)
            && self.context.job.rules.users.enabled;
        if lists_all && finder.accounts().is_none() {
            finder.read_list().await?;
        }
        let mut waiting = Vec::new();
        let mut chunks = ranked
            .chunk_by(|(one, _), (other, _)| one == other)
            .flat_map(|rank| rank.chunks(CHUNK))
            .map(|chunk| {
                let keys: Vec<Key> = chunk.iter().map(|(_, key)| *key).collect();
                (chunk[0].0, keys)
            });
        // The next chunk is loaded while this one is decided.
        let mut next = chunks.next().map(|(rank, keys)| (rank, self.load(keys)));
        let mut last_rank = 0;
        while let Some((rank, loading)) = next {
            let loaded = loading.await?;
            next = chunks.next().map(|(rank, keys)| (rank, self.load(keys)));
            if self.context.agent.stop.is_cancelled() {
                return Err(Error::Stopped);
            }
            // What refers to an object that waits comes after it.
            if rank != last_rank {
                self.look_up(&mut finder, &mut waiting).await?;
                self.planner.rank(rank);
                last_rank = rank;
            }
            let loaded = self.settled(kind, loaded, &mut finder).await?;
            if kind == ObjectKind::User {
                let ripe = staged::look(self.context, &loaded, &self.due).await?;
                self.planner.ripen(ripe);
            }
            for one in loaded {
                self.done += 1;
                if matches!(taken, Taken::Linked) && one.link.is_none() {
                    continue;
                }
                // Not even looked up.
                if self.context.pace == Pace::Removals && one.link.is_none() {
                    self.outline.postponed.insert(one.object.key);
                    continue;
                }
                let candidate = self.facts.candidate(one).await?;
                waiting.extend(self.planner.begin(candidate));
            }
            if waiting.len() >= LOOK_UPS || finder.answers_at_once() {
                self.look_up(&mut finder, &mut waiting).await?;
            }
            self.context.progress.send_replace(Progress::Planning {
                done: self.done.min(self.total),
                total: self.total,
            });
            self.write().await?;
        }
        self.look_up(&mut finder, &mut waiting).await?;
        if lists_all && self.is_last_part {
            self.list_strangers(&finder).await?;
        }
        self.write().await
    }

    /// Decides about objects that were found to be another's, now that it is known which names this plan
    /// frees.
    async fn look_again(&mut self, kind: ObjectKind) -> Result<(), Error> {
        let keys = self.planner.second_look();
        if !keys.is_empty() {
            self.pass_parts(kind, &keys).await?;
        }
        self.planner.end_second_look();
        Ok(())
    }

    fn load(&self, keys: Vec<Key>) -> impl Future<Output = Result<Vec<Loaded>, Error>> + use<> {
        let job = self.context.job.rules.name.clone();
        let store = self.context.agent.store.clone();
        let loading =
            tokio::spawn(async move { store.run(move |store| store.load(&job, &keys)).await });
        async move {
            let loaded = loading.await.map_err(|_| Error::RecorderLost)?;
            loaded.map_err(Error::Store)
        }
    }

    async fn order(&self, kind: ObjectKind, keys: &[Key]) -> Result<Order, Error> {
        let mut mappings = self.context.job.rules.rules(kind).mappings.iter();
        let refers = kind == ObjectKind::User
            && mappings
                .any(|mapping| mapping.target_type == crate::engine::model::TargetType::Reference);
        if !refers {
            return Ok(by_reference(keys, &[]));
        }
        let managers = if self.is_full {
            self.context.state(Store::all_managers).await?
        } else {
            let keys = keys.to_vec();
            let managers = self
                .context
                .state(move |store| store.managers(&keys))
                .await?;
            managers.into_iter().collect()
        };
        Ok(by_reference(keys, &managers))
    }

    /// Looks for objects that wait, and lets the planner decide about them.
    async fn look_up(
        &mut self,
        finder: &mut Finder<'_>,
        waiting: &mut Vec<Pending>,
    ) -> Result<(), Error> {
        if waiting.is_empty() {
            return Ok(());
        }
        let waiting = std::mem::take(waiting);
        let mut found = finder.find(&waiting, &mut self.planner).await?;
        self.shown_members
            .read(self.context, &self.planner, &waiting, &mut found)
            .await?;
        if !self
            .look_by_old_addresses(finder, &waiting, &mut found)
            .await?
        {
            self.outline.lacks_addresses = true;
        }
        if self.context.is_first && finder.kind() == ObjectKind::User {
            self.claimed.extend(found.iter().flat_map(targets_of));
        }
        for (pending, found) in waiting.into_iter().zip(found) {
            let holder = self.holder(&found).await?;
            self.planner.resume(pending, found, holder.as_ref());
            // However many are found at once, no more decisions are kept than of a chunk.
            if self.planner.pending_decisions() >= CHUNK {
                self.write().await?;
            }
        }
        Ok(())
    }

    /// The object that is linked to what was found, once everything else is decided. Where one object is asked for
    /// nothing is done to another.
    async fn holder(&mut self, found: &Found) -> Result<Option<Candidate>, Error> {
        let Found::One {
            linked_by: Some(holder),
            ..
        } = found
        else {
            return Ok(None);
        };
        if !self.planner.is_second_look()
            || self.context.options.only.is_some()
            || self.unverified.contains_key(holder)
        {
            return Ok(None);
        }
        let loaded = self.load(vec![*holder]).await?.pop();
        match loaded {
            Some(loaded) => self.facts.candidate(loaded).await.map(Some),
            None => Ok(None),
        }
    }

    /// Settles what an earlier write may or may not have changed. Objects that cannot be settled yet are
    /// left out: they wait, and all others go on.
    async fn settled(
        &mut self,
        kind: ObjectKind,
        loaded: Vec<Loaded>,
        finder: &mut Finder<'_>,
    ) -> Result<Vec<Loaded>, Error> {
        let is_verified = |one: &Loaded| !self.unverified.contains_key(&one.object.key);
        let (loaded, unverified): (Vec<_>, Vec<_>) = loaded.into_iter().partition(is_verified);
        for one in unverified {
            if let Some(Some(words)) = self.unverified.get(&one.object.key) {
                let why = Why::LookupFailed(words.clone());
                self.planner.unsettled(&one.object, why);
            }
        }
        let settler = Settler::new(self.context);
        let mut settled = settler.settle(kind, &loaded, finder).await?;
        if settled.is_empty() {
            return Ok(loaded);
        }
        let mut ready = Vec::new();
        for one in &loaded {
            let key = one.object.key;
            match settled.remove(&key) {
                None | Some(Settled::Ready) => ready.push(key),
                Some(Settled::Wait(_)) if matches!(self.whom, Whom::AllNow) => ready.push(key),
                Some(Settled::Skip(why)) => self.planner.unsettled(&one.object, why),
                // The next look, or the cycle.
                Some(Settled::Wait(until)) if self.is_for_leavers() => {
                    self.outline.waiting.insert(key, until);
                }
                Some(Settled::Wait(_)) if matches!(self.whom, Whom::Retries(_)) => {
                    self.outline.postponed.insert(key);
                }
                Some(Settled::Wait(until)) if matches!(self.whom, Whom::All) => {
                    self.outline.waiting.insert(key, until);
                    self.outline.postponed.insert(key);
                }
                Some(Settled::Wait(_)) => {
                    let words = "an earlier write to it may still be in progress".to_owned();
                    self.planner
                        .unsettled(&one.object, Why::LookupFailed(words));
                }
            }
        }
        self.load(ready).await
    }

    /// The members of every group that stays or comes.
    async fn members(&mut self) -> Result<(), Error> {
        std::mem::take(&mut self.shown_members).pass(&mut self.planner);
        let groups = self.planner.groups_to_compare();
        let mut from = 0;
        while from < groups.len() {
            if self.context.agent.stop.is_cancelled() {
                return Err(Error::Stopped);
            }
            let (members, taken) = self.facts.members(&groups[from..], MEMBERS).await?;
            from += taken;
            for (group, member) in members {
                self.planner.member(group, member);
                if self.planner.pending_decisions() >= CHUNK {
                    self.write().await?;
                }
            }
            self.write().await?;
        }
        self.planner.close_groups();
        self.write().await
    }

    /// Writes what was decided to the ledger.
    async fn write(&mut self) -> Result<(), Error> {
        let mut rows = Vec::new();
        for decision in self.planner.take() {
            if self.is_for_leavers() && !leavers::takes_access(&decision) {
                continue;
            }
            if self.context.pace == Pace::Removals && !quarantine::takes_away(&decision) {
                if let Decision::Act(draft) = decision {
                    self.outline.postponed.insert(draft.action.subject.key);
                }
                continue;
            }
            match decision {
                row @ (Decision::Act(_)
                | Decision::First { .. }
                | Decision::Needs { .. }
                | Decision::Withdraw(_)) => {
                    rows.push(row);
                }
                Decision::Split { key, step } => rows.extend(self.split(key, step).await?),
                // Nothing is sent for it, so the state needs no value that may not be shown.
                Decision::Skip(skipped) => {
                    let shown = self.context.redactions.skipped(&skipped);
                    rows.push(Decision::Skip(Skipped::clone(&shown)));
                }
                Decision::Scope { key, in_scope } => self.outline.scope.push((key, in_scope)),
                Decision::Postpone(key) => {
                    self.outline.postponed.insert(key);
                }
                Decision::ExistingMembers { group, members } => {
                    self.outline.existing.push((group, members));
                }
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        let cycle = self.cycle;
        self.context
            .state(move |store| store.draft(cycle, &rows))
            .await
    }

    /// The rows of an object without its names, and the names apart.
    async fn split(&self, key: Key, step: Step) -> Result<Vec<Decision>, Error> {
        let cycle = self.cycle;
        let rows = self
            .context
            .state(move |store| store.planned(cycle, step, key))
            .await?;
        let mut parts = Vec::new();
        let mut whole = Vec::new();
        for row in rows {
            if let Some(actions) = self.planner.split_names(&row.action) {
                whole.push(row.id);
                parts.extend(actions.map(|action| Decision::Act(Draft::new(action, 0))));
            }
        }
        self.context
            .state(move |store| store.drop_rows(&whole))
            .await?;
        Ok(parts)
    }

    async fn finish(&mut self) -> Result<Header, Error> {
        let job = self.context.job.rules.name.clone();
        let (linked, in_scope) = self
            .context
            .state(move |store| Ok((store.link_counts(&job)?, store.scope_counts(&job)?)))
            .await?;
        let mut header = self.planner.finish(linked, in_scope);
        self.write().await?;
        header.warnings = self.warnings().await?;
        header.warnings.extend(self.left_out_members().await?);
        Ok(header)
    }
}

/// Which of the given objects are passed on.
#[derive(Clone, Copy)]
enum Taken {
    All,
    Linked,
}

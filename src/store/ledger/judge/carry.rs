//! A verdict carried out: each object's rows are opened, held or dropped.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::params;

use super::{Bench, Removal, since};
use crate::engine::guard::{self, Verdict, WhyHeld};
use crate::engine::model::{Key, ObjectKind, TargetId};
use crate::engine::plan::{Operation, Proof, Referenced, RemovalClass, WhyRemoved};
use crate::store::hold_reasons;
use crate::store::holds::{self, Decision, Item};
use crate::store::ledger::{
    APPROVED_CLASS, NewRow, body, creates, number, number_of_class, put_row, status, waits,
};

/// What becomes of one removal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Sent,
    Approved,
    Held,
    Rejected,
}

impl Bench<'_> {
    /// Objects first: the memberships of one that stays, stay too.
    pub(super) fn carry(&mut self, verdict: &Verdict) -> rusqlite::Result<()> {
        let removals = std::mem::take(&mut self.removals);
        let (members, objects): (Vec<Removal>, Vec<Removal>) = removals
            .into_iter()
            .partition(|removal| removal.class == RemovalClass::Membership);
        let mut stay: BTreeMap<Key, Fate> = BTreeMap::new();
        let mut counts: BTreeSet<Key> = BTreeSet::new();
        for removal in &objects {
            let item = removal.item(None);
            let fate = self.fate_of_object(removal, &item, verdict, &mut counts)?;
            match fate {
                Fate::Sent => {}
                Fate::Approved => self.approve_row(removal.row, removal.class)?,
                Fate::Held => self
                    .state
                    .run(
                        "UPDATE actions SET state = 3 WHERE id = ?1",
                        params![removal.row],
                    )
                    .map(drop)?,
                Fate::Rejected => self.delete_row(removal.row)?,
            }
            if matches!(fate, Fate::Held | Fate::Rejected) {
                stay.insert(removal.key, fate);
                self.kept.insert(removal.key);
            }
        }
        for removal in &members {
            self.carry_members(removal, verdict, &stay, &mut counts)?;
        }
        self.carry_creates(verdict)?;
        if !self.thin.is_empty() {
            let groups = self.thin.len() as u64;
            self.note(WhyHeld::TooFewMembers { groups });
        }
        if !counts.is_empty() {
            let groups = counts.len() as u64;
            self.note(WhyHeld::ShrunkGroups { groups });
        }
        if self.unproven_held > 0 {
            let objects = self.unproven_held;
            self.note(WhyHeld::Unproven { objects });
        }
        let waiting = waits::wait_for_names(self.state, self.job, self.cycle)?;
        self.kept.extend(waiting);
        hold_reasons::put(self.state, self.job, &self.why, self.judging.is_partial)
    }

    /// Creates above the limit are held, all of them: which of them are meant, only a person knows. So are
    /// objects that were gone from the target together with many others, and would be created again.
    fn carry_creates(&mut self, verdict: &Verdict) -> rusqlite::Result<()> {
        let held = verdict.holds_creations();
        let mut objects = 0;
        for (row, key) in std::mem::take(&mut self.creates) {
            let item = creates::item(key);
            let known = self.holds.get(&item);
            let known = known.map(|hold| (hold.decision, hold.sticks));
            let cause = match known {
                Some((Decision::Approved, _)) => {
                    holds::seen(self.state, self.job, &item, self.cycle)?;
                    continue;
                }
                Some((Decision::Rejected, _)) => {
                    holds::seen(self.state, self.job, &item, self.cycle)?;
                    self.delete_row(row)?;
                    self.kept.insert(key);
                    continue;
                }
                Some((Decision::None, true)) => creates::GONE,
                _ if self.gone.contains(&key) => creates::GONE,
                Some((Decision::None | Decision::Gone, _)) | None => creates::CAUSE,
            };
            if cause == creates::GONE {
                objects += 1;
            } else if let Some(why) = held {
                self.note(why);
            } else {
                continue;
            }
            self.state
                .run("UPDATE actions SET state = 3 WHERE id = ?1", params![row])?;
            self.hold(&item, None, cause, cause == creates::GONE)?;
            self.kept.insert(key);
        }
        if objects > 0 {
            self.note(WhyHeld::GoneAtOnce { objects });
        }
        Ok(())
    }

    fn fate_of_object(
        &mut self,
        removal: &Removal,
        item: &Item,
        verdict: &Verdict,
        counts: &mut BTreeSet<Key>,
    ) -> rusqlite::Result<Fate> {
        let cause = removal.cause();
        let why = removal.why.as_ref();
        let known = self.decided(item, cause)?;
        let decision = known.map(|hold| hold.decision);
        let sticks = known.is_some_and(|hold| hold.decision == Decision::None && hold.sticks);
        match decision {
            Some(Decision::Approved) => {
                holds::seen(self.state, self.job, item, self.cycle)?;
                return Ok(Fate::Approved);
            }
            Some(Decision::Rejected) => {
                holds::seen(self.state, self.job, item, self.cycle)?;
                return Ok(Fate::Rejected);
            }
            Some(Decision::None | Decision::Gone) | None => {}
        }
        let is_disable = removal.operation == number::DISABLE;
        if !is_disable && self.unproven.contains(&removal.key) {
            self.unproven_held += 1;
            self.hold(item, Some(removal.class), cause, true)?;
            return Ok(Fate::Held);
        }
        if self.is_tried(removal) {
            return Ok(Fate::Sent);
        }
        let from = match (removal.kind, why) {
            (ObjectKind::User, Some(WhyRemoved::OutOfScope(_))) => self.lost_from(removal.key)?,
            _ => Vec::new(),
        };
        let held = verdict.holds(removal.class, removal.kind, why);
        let sticks =
            sticks || !from.is_empty() || matches!(held, Some(WhyHeld::ShrunkSource { .. }));
        counts.extend(from);
        let reason = match held {
            Some(why) => Some(why),
            None if sticks => Some(WhyHeld::Undecided),
            None => None,
        };
        let Some(reason) = reason else {
            return Ok(Fate::Sent);
        };
        if reason != WhyHeld::Undecided || counts.is_empty() {
            self.note(reason);
        }
        self.hold(item, Some(removal.class), cause, sticks)?;
        Ok(Fate::Held)
    }

    /// Scope groups that this user was lost from, if they shrank suddenly.
    fn lost_from(&self, user: Key) -> rusqlite::Result<Vec<Key>> {
        let groups: Vec<Key> = self.state.column(
            "SELECT group_key FROM lost_members WHERE member_key = ?1 AND at >= ?2",
            params![user, since(self.judging)],
        )?;
        let mut shrunk = Vec::new();
        for group in groups {
            if !self.judging.scope_groups.contains(&group) {
                continue;
            }
            let (lost, left): (i64, i64) = self
                .state
                .prepare_cached(
                    "SELECT (SELECT count(*) FROM lost_members WHERE group_key = ?1 AND at >= ?2),
                            (SELECT count(*) FROM members WHERE group_key = ?1)",
                )?
                .query_row(params![group, since(self.judging)], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?;
            let (lost, left) = (lost.unsigned_abs(), left.unsigned_abs());
            if guard::is_sudden_loss(lost, lost + left) {
                shrunk.push(group);
            }
        }
        Ok(shrunk)
    }

    fn carry_members(
        &mut self,
        removal: &Removal,
        verdict: &Verdict,
        stay: &BTreeMap<Key, Fate>,
        counts: &mut BTreeSet<Key>,
    ) -> rusqlite::Result<()> {
        let mut parts: BTreeMap<Fate, Vec<Referenced>> = BTreeMap::new();
        let class = verdict.holds(removal.class, ObjectKind::Group, None);
        let is_thin = self.thin.contains(&removal.key);
        let is_shrunk = self.shrunk.contains(&removal.key);
        for member in &removal.members {
            let item = removal.item(Some(member.key));
            let cause = self.cause(removal, &item);
            let known = self.decided(&item, cause)?;
            let decision = known.map(|hold| hold.decision);
            let sticks = known.is_some_and(|hold| hold.decision == Decision::None && hold.sticks);
            let fate = match (decision, stay.get(&member.key)) {
                (Some(Decision::Approved), _) => Fate::Approved,
                (Some(Decision::Rejected), _) | (_, Some(Fate::Rejected)) => Fate::Rejected,
                (_, Some(_)) => Fate::Held,
                (_, None) if sticks || is_shrunk || is_thin || class.is_some() => Fate::Held,
                (_, None) => Fate::Sent,
            };
            match fate {
                Fate::Sent => {}
                Fate::Held => {
                    if is_shrunk {
                        counts.insert(removal.key);
                    } else if let Some(why) = class {
                        self.note(why);
                    } else if sticks {
                        self.note(WhyHeld::Undecided);
                    }
                    let class = Some(removal.class);
                    self.hold(&item, class, cause, sticks || is_shrunk)?;
                }
                Fate::Approved | Fate::Rejected => {
                    holds::seen(self.state, self.job, &item, self.cycle)?;
                }
            }
            parts.entry(fate).or_default().push(member.clone());
        }
        if parts.keys().eq([&Fate::Sent]) {
            return Ok(());
        }
        if parts.contains_key(&Fate::Held) || parts.contains_key(&Fate::Rejected) {
            self.kept.insert(removal.key);
        }
        let (step, rank, target): (i64, i64, Option<TargetId>) = self
            .state
            .prepare_cached("SELECT step, rank, target FROM actions WHERE id = ?1")?
            .query_row(params![removal.row], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
        self.delete_row(removal.row)?;
        for (fate, members) in parts {
            let plain = number_of_class(removal.class);
            let (class, state) = match fate {
                Fate::Sent => (plain, status::PLANNED),
                Fate::Approved => (plain + APPROVED_CLASS, status::PLANNED),
                Fate::Held => (plain, status::HELD),
                Fate::Rejected => continue,
            };
            let weight = i64::try_from(members.len()).unwrap_or(i64::MAX);
            let proof = Proof::on_record();
            let operation = Operation::RemoveMembers {
                members,
                why: removal.left.clone(),
                proof,
            };
            put_row(
                self.state,
                &NewRow {
                    job: self.job,
                    cycle: self.cycle,
                    key: removal.key,
                    step,
                    rank,
                    operation: removal.operation,
                    class: Some(class),
                    weight,
                    target: target.as_ref(),
                    body: body::pack_operation(self.state, &operation)?,
                    state,
                    follows: None,
                },
            )?;
        }
        Ok(())
    }

    pub(super) fn note(&mut self, why: WhyHeld) {
        if !self.why.contains(&why) {
            self.why.push(why);
        }
    }

    fn hold(
        &self,
        item: &Item,
        class: Option<RemovalClass>,
        cause: &str,
        sticks: bool,
    ) -> rusqlite::Result<()> {
        let now = self.judging.now;
        holds::put(
            self.state, self.job, item, class, cause, sticks, self.cycle, now,
        )
    }

    fn approve_row(&self, row: i64, class: RemovalClass) -> rusqlite::Result<()> {
        self.state.run(
            "UPDATE actions SET class = ?2 WHERE id = ?1",
            params![row, number_of_class(class) + APPROVED_CLASS],
        )?;
        Ok(())
    }

    fn delete_row(&self, row: i64) -> rusqlite::Result<()> {
        self.state
            .run("DELETE FROM actions WHERE id = ?1", params![row])?;
        Ok(())
    }
}

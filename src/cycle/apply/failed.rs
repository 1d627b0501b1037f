//! What a failed request leads to: a link, a look-up, a smaller chunk, or a failure of the object.

use std::collections::BTreeSet;

use super::{Applier, FoundGone, Started, Tried, lock};
use crate::cycle::capabilities::Fact;
use crate::cycle::gone::Whereabouts;
use crate::cycle::index::Index;
use crate::cycle::lookup::{self, no_holder_gives_up};
use crate::cycle::send::FailedWith;
use crate::cycle::settle::carries_our_id;
use crate::cycle::{Error, shown};
use crate::engine::job::WhenOutOfScope;
use crate::engine::model::{Held, MatchKey, ObjectKind, Origin, TargetId, Value};
use crate::engine::outcome::{Class, Failure, Outcome, Status};
use crate::engine::plan::{
    Action, Change, ElementChange, Found, Operation, Referenced, WhyLeft, WriteMode,
};
use crate::engine::redact::Hidden;
use crate::scim;

impl Applier<'_> {
    /// A failed request: an object that exists already is linked, whether the object is gone is looked
    /// up, a chunk of members is halved, and whether the target is down is counted.
    pub(super) async fn failed(
        &self,
        started: Started,
        action: Action,
        tried: Tried,
        error: &scim::Error,
        hidden: &Hidden,
        follow: &mut Vec<Action>,
    ) -> Outcome {
        let started = started.sent(error.exchange());
        let looked = if let Operation::Create { keys, .. } = &action.operation {
            self.look_again(&action, keys, error).await
        } else {
            Ok(None)
        };
        if let Ok(Some((target, current))) = looked {
            self.remember(&action, &target);
            let origin = match (
                error.unconfirmed(),
                carries_our_id(&action.operation, &current),
            ) {
                (false, _) => Origin::Found,
                (true, true) => Origin::Created,
                (true, false) => Origin::Unproven,
            };
            let met = Status::Met {
                target,
                current,
                origin,
            };
            return started.end(action, met);
        }
        if error.class() == Class::Quota && self.health.no_room(action.subject.kind, tried.step) {
            *follow = vec![action.clone()];
            return started.end(action, Status::Followed(error.failure()));
        }
        if let Some(instead) = self.instead_of_delete(&action, error).await {
            self.health.went_well();
            *follow = instead;
            return started.end(action, Status::Followed(error.failure()));
        }
        if error.is_no_target()
            && let Some(status) = self.planned_again(&action, error, hidden, follow).await
        {
            self.health.went_well();
            return started.end(action, status);
        }
        if let Some(status) = self.without_attribute(&action, error, follow).await {
            return started.end(action, status);
        }
        let service;
        let mut not_gone = None;
        let mut error = error;
        if self.is_about_members(&action, error).await {
            if let Some(status) = self.in_parts(&action, error, hidden, follow).await {
                return started.end(action, status);
            }
            self.forget_member_if_gone(&action).await;
        } else if error.class() == Class::Gone
            && let Some(target) = &action.target
        {
            match self.found_gone(&action, target, error, hidden).await {
                FoundGone::Ended(status) => return started.end(action, status),
                FoundGone::Not(words) => not_gone = words,
                FoundGone::Service(other) => {
                    service = other;
                    error = &service;
                }
            }
        }
        let mut failure = error.failure();
        // What is in the way may be what this create made, such as when a proxy sent it twice.
        failure.unconfirmed |= looked.is_err() && error.class() == Class::Conflict;
        if let Some(members) = self.members_in_words(&action).await {
            failure.message = format!("{members}: {}", failure.message);
        }
        if matches!(action.operation, Operation::Delete { .. }) && error.is_delete_refused() {
            let kind = action.subject.kind;
            failure.message = format!(
                "{}; to leave such {kind}s as they are: {kind}s.when_out_of_scope = \"keep\"",
                failure.message
            );
        }
        let learned = self.learn_of_member(&action, &failure, error).await;
        for words in learned.into_iter().chain(not_gone) {
            failure.message = format!("{}; {words}", failure.message);
        }
        if error.is_stop() {
            let was_sent = error
                .exchange()
                .is_some_and(|exchange| exchange.attempts > 0);
            if was_sent {
                return started.end(action, Status::Failed(failure));
            }
            return started.not_tried(action, "the cycle was stopped");
        }
        if failure.unconfirmed {
            lock(&self.unsettled).insert(action.subject.key);
        }
        match self.sender.failed_with(action.subject.key) {
            Some(FailedWith::Another) => {}
            Some(FailedWith::Others) if error.stops_everything() => self.health.lost(error).await,
            Some(FailedWith::Others) | None => {
                let failed_before = tried.failed_before;
                self.health.failed(&action, failed_before, error).await;
            }
        }
        started.end(action, Status::Failed(failure))
    }

    /// What is sent instead of a delete that the target does not take; from now on none is sent for this kind.
    async fn instead_of_delete(&self, action: &Action, error: &scim::Error) -> Option<Vec<Action>> {
        let Operation::Delete { why, proof } = &action.operation else {
            return None;
        };
        let (kind, rules) = (action.subject.kind, &self.context.job.rules);
        let can_do_it = match kind {
            ObjectKind::User => rules.users.can_disable(),
            ObjectKind::Group => rules.groups.can_empty(),
        };
        if !can_do_it || !error.is_delete_refused() {
            return None;
        }
        let (instead, knob, word) = match kind {
            ObjectKind::User => {
                let mut mappings = rules.users.mappings.iter();
                let active = mappings.find(|mapping| mapping.target.is_active())?;
                let change = Change {
                    path: active.target.clone(),
                    old: Some(Value::Boolean(true)),
                    new: Some(Value::Boolean(false)),
                    element: ElementChange::None,
                    written: WriteMode::Whole,
                };
                let disable = Operation::Disable {
                    changes: vec![change],
                    why: why.clone(),
                    proof: *proof,
                };
                (vec![disable], Fact::NO_DELETE, WhenOutOfScope::Disable)
            }
            ObjectKind::Group => {
                let members = self.held_members(action).await?;
                let chunks = members.chunks(self.sender.dialect().member_chunk());
                let removals = chunks.map(|some| Operation::RemoveMembers {
                    members: some.to_vec(),
                    why: WhyLeft::Group(why.clone()),
                    proof: *proof,
                });
                let removals = removals.collect();
                (removals, Fact::NO_GROUP_DELETE, WhenOutOfScope::Empty)
            }
        };
        let evidence = error.failure().message;
        let done = match kind {
            ObjectKind::User => "disabled",
            ObjectKind::Group => "emptied and left",
        };
        tracing::warn!(
            job = %rules.name, evidence,
            "the target deletes no {kind}s: they are {done} instead from now on"
        );
        let fact = Fact::new(knob, word.as_str(), evidence);
        if let Err(error) = self.context.learn(fact).await {
            self.health.abort(error.chain());
            return None;
        }
        let actions = instead.into_iter().map(|operation| Action {
            operation,
            ..action.clone()
        });
        Some(actions.collect())
    }

    /// The members that the target was sent of a group and that are linked.
    async fn held_members(&self, action: &Action) -> Option<Vec<Referenced>> {
        let targets: Vec<TargetId> = self.known_members(action).into_iter().collect();
        let job = self.context.job.rules.name.clone();
        let held = self.context.state(move |store| {
            let mut members = Vec::with_capacity(targets.len());
            for kind in ObjectKind::ALL {
                for (target, key) in store.holders(&job, kind, &targets)? {
                    let target = Some(target);
                    members.push(Referenced { key, target });
                }
            }
            Ok(members)
        });
        match held.await {
            Ok(members) => Some(members),
            Err(error) => {
                self.health.abort(error.chain());
                None
            }
        }
    }

    /// What a 404 for the object itself comes to.
    pub(super) async fn found_gone(
        &self,
        action: &Action,
        target: &TargetId,
        error: &scim::Error,
        hidden: &Hidden,
    ) -> FoundGone {
        let reader = self.context.reader.hiding(hidden.clone());
        match reader.read(action.subject.kind, target, &[], false).await {
            Ok(None) => {}
            Ok(Some(_)) => return FoundGone::Not(Whereabouts::There.words()),
            Err(other) => return FoundGone::Service(other),
        }
        match self.whereabouts(action).await {
            Ok(Whereabouts::Gone) => {
                self.health.went_well();
                self.verify_target().await;
                FoundGone::Ended(match &action.operation {
                    Operation::Delete { .. } => Status::Done {
                        target: target.clone(),
                    },
                    Operation::Create { .. }
                    | Operation::Adopt { .. }
                    | Operation::Update { .. }
                    | Operation::Enable { .. }
                    | Operation::Disable { .. }
                    | Operation::HandOver(_)
                    | Operation::AddMembers { .. }
                    | Operation::RemoveMembers { .. }
                    | Operation::SetReference { .. } => Status::Vanished,
                })
            }
            Ok(whereabouts) => FoundGone::Not(whereabouts.words()),
            Err(other) => FoundGone::Ended(Status::Failed(Failure {
                message: other.chain(),
                ..error.failure()
            })),
        }
    }

    /// What must not be repeated of the target's answer to this action.
    pub(super) async fn hidden_in(&self, action: &Action) -> Hidden {
        let redactions = &self.redactions;
        let hidden = redactions.hidden_in_action(action, None);
        if !hidden.is_in_data() {
            return hidden;
        }
        let (job, key) = (self.context.job.rules.name.clone(), action.subject.key);
        let loaded = self
            .context
            .state(move |store| store.load(&job, &[key]))
            .await;
        // A state that cannot be read ends the cycle when the outcome is to be recorded.
        match loaded.ok().and_then(|mut loaded| loaded.pop()) {
            Some(loaded) => redactions.hidden_in_action(action, loaded.link.as_ref()),
            None => hidden,
        }
    }

    /// The members that the target was sent and that this action is not about.
    pub(super) fn known_members(&self, action: &Action) -> BTreeSet<TargetId> {
        let (store, job) = (&self.context.agent.store, &self.context.job.rules.name);
        let mut known = match store.sent_member_targets(job, action.subject.key) {
            Ok(members) => members,
            Err(error) => {
                self.health.abort(Error::Store(error).chain());
                BTreeSet::new()
            }
        };
        // What is sent again may be missing as well.
        if let Operation::AddMembers { members } | Operation::RemoveMembers { members, .. } =
            &action.operation
        {
            for target in members.iter().filter_map(|member| member.target.as_ref()) {
                known.remove(target);
            }
        }
        known
    }

    /// After a create that was refused, or whose answer was lost, the object may exist anyway: a
    /// conflict says so, and a lost answer may have been a success (product rule 2).
    pub(super) async fn look_again(
        &self,
        action: &Action,
        keys: &[MatchKey],
        error: &scim::Error,
    ) -> Result<Option<(TargetId, Held)>, NotLooked> {
        let kind = action.subject.kind;
        if !error.unconfirmed() && !error.may_be_duplicate() {
            return Ok(None);
        }
        let paths = self.context.mapped_paths(kind);
        let found = lookup::by_queries(self.context, kind, keys, &paths, &no_holder_gives_up).await;
        let found = match found {
            Ok(Found::None) | Err(_) if error.class() == Class::Conflict => {
                let is_old = self.listed[&kind].initialized();
                let list = async || Index::whole(self.context, kind, &[keys]).await;
                let list = self.listed[&kind].get_or_try_init(list).await;
                let list = list.map_err(|_| NotLooked)?;
                // One that cannot be read again is no proof that the object is not there.
                let listed = list
                    .find(keys, &no_holder_gives_up)
                    .map_err(|_| NotLooked)?;
                // Nor is a list that was read before the create was sent.
                if matches!(listed, Found::None) && found.is_err() && is_old {
                    return Err(NotLooked);
                }
                listed
            }
            found => found.map_err(|_| NotLooked)?,
        };
        let Found::One { object, .. } = found else {
            return Ok(None);
        };
        if self.is_held(kind, &object.id).await {
            return Ok(None);
        }
        // A state that cannot be read ends the cycle when the outcome is to be recorded.
        let current = shown::as_sent(self.context, kind, object.attributes).await;
        let current = current.map_err(|_| NotLooked)?;
        Ok(Some((object.id, current)))
    }

    /// Whether a target object belongs to a source object already.
    pub(super) async fn is_held(&self, kind: ObjectKind, target: &TargetId) -> bool {
        {
            let made = lock(&self.made);
            if made.contains(&(kind, target.clone())) {
                return true;
            }
        }
        let (job, targets) = (self.context.job.rules.name.clone(), vec![target.clone()]);
        let holders = self
            .context
            .state(move |store| store.holders(&job, kind, &targets))
            .await;
        holders.is_ok_and(|holders| !holders.is_empty())
    }
}

/// The look-up itself failed, which proves nothing.
pub(super) struct NotLooked;

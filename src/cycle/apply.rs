//! Apply: turns the actions of a cleared plan into requests, in the plan's order, and hands each
//! outcome to the state as it comes. Nothing is decided here but what the plan left open: target ids
//! that did not exist yet.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::StreamExt;
use tokio::sync::{OnceCell, mpsc};
use tokio::time::Instant;

use super::lookup;
use super::send::Sender;
use super::shown;
use super::tally::Tally;
use super::wave::next_wave;
use super::{Context, Error};
use crate::engine::guard::ClearedPlan;
use crate::engine::model::{MatchKey, ObjectKind, SourceId, TargetId, TargetPath, Value};
use crate::engine::outcome::{Class, Effect, Outcome, Status};
use crate::engine::plan::{Action, Found, Operation, Plan, Referenced, Subject};
use crate::engine::redact::{Hidden, Redactions};
use crate::engine::summary::Progress;
use crate::scim;

/// After so many failures of the target as a whole without one proper answer it is down, and trying
/// the rest would only wear it out.
const DOWN_AFTER: u32 = 10;
/// Outcomes waiting to be recorded; when the disk is slower than the target, sending waits.
const RECORDS_IN_FLIGHT: usize = 1_000;
/// Outcomes recorded in one transaction at most.
const RECORD_BATCH: usize = 200;

pub(super) async fn apply(
    context: &Context<'_>,
    cycle: i64,
    plan: ClearedPlan,
) -> Result<Tally, Error> {
    let (sender, receiver) = mpsc::channel(RECORDS_IN_FLIGHT);
    let recorder = {
        let store = context.agent.store.clone();
        let job = context.job.rules.name.clone();
        let redactions = context.redactions.clone();
        tokio::task::spawn_blocking(move || keep_record(&store, &job, cycle, &redactions, receiver))
    };
    let executor = Executor {
        context,
        sender: Sender::new(&context.reader, &context.job.target.dialect),
        created: Mutex::default(),
        keys: keys_of_creates(plan.plan()),
        listed: BTreeMap::from(ObjectKind::ALL.map(|kind| (kind, OnceCell::new()))),
        down_in_a_row: AtomicU32::new(0),
        aborted: OnceLock::new(),
    };
    let tally = executor.carry_out_all(plan, sender).await;
    recorder
        .await
        .map_err(|_| Error::RecorderLost)?
        .map_err(Error::Store)?;
    Ok(tally)
}

/// Writes outcomes as they come, as many in one transaction as have gathered meanwhile.
fn keep_record(
    store: &crate::store::Store,
    job: &crate::engine::model::JobName,
    cycle: i64,
    redactions: &Redactions,
    mut outcomes: mpsc::Receiver<Outcome>,
) -> Result<(), crate::store::Error> {
    let mut batch = Vec::new();
    while outcomes.blocking_recv_many(&mut batch, RECORD_BATCH) > 0 {
        store.record(job, cycle, redactions, &batch)?;
        batch.clear();
    }
    Ok(())
}

struct Executor<'a> {
    context: &'a Context<'a>,
    sender: Sender,
    /// Target ids that this plan made or met.
    created: Mutex<BTreeMap<SourceId, TargetId>>,
    /// Where each object that is created can be found.
    keys: BTreeMap<ObjectKind, BTreeMap<SourceId, Vec<MatchKey>>>,
    /// What the target's list says of them; read at most once, after a conflict that no look-up
    /// explains.
    listed: BTreeMap<ObjectKind, OnceCell<BTreeMap<SourceId, Found>>>,
    down_in_a_row: AtomicU32,
    aborted: OnceLock<String>,
}

impl Executor<'_> {
    async fn carry_out_all(&self, plan: ClearedPlan, record: mpsc::Sender<Outcome>) -> Tally {
        let plan = plan.into_plan();
        let total = plan.actions().map(Action::weight).sum();
        let mut tally = Tally::default();
        let mut progress = (0, 0);
        let mut actions = plan.into_actions().peekable();
        while let Some(wave) = next_wave(&mut actions) {
            let mut running = futures::stream::iter(wave)
                .map(|action| self.carry_out(action))
                .buffer_unordered(self.context.job.target.concurrency);
            while let Some(outcomes) = running.next().await {
                for outcome in outcomes {
                    progress.0 += outcome.action.weight();
                    progress.1 += u64::from(outcome.status.is_failure());
                    self.context.progress.send_replace(Progress::Applying {
                        done: progress.0,
                        failed: progress.1,
                        total,
                    });
                    tally.count(&outcome);
                    // The recorder is gone only when the state cannot be written; then nothing more
                    // may be sent, and its own error is reported at the end.
                    if record.send(outcome).await.is_err() {
                        self.abort("the state file cannot be written".to_owned());
                    }
                }
            }
        }
        tally.aborted = self.aborted.get().cloned();
        tally
    }

    fn abort(&self, words: String) {
        self.aborted.get_or_init(|| words);
    }

    /// One action; a membership action gives an outcome for each of its requests.
    async fn carry_out(&self, action: Action) -> Vec<Outcome> {
        if self.aborted.get().is_some() {
            return vec![self.not_tried(action, "the target cannot be worked with")];
        }
        if self.context.agent.stop.is_cancelled() {
            return vec![self.not_tried(action, "the cycle was told to stop")];
        }
        match &action.operation {
            Operation::AddMembers { .. } | Operation::RemoveMembers { .. } => {
                self.members(action).await
            }
            Operation::Create { .. }
            | Operation::Adopt { .. }
            | Operation::Update { .. }
            | Operation::Enable { .. }
            | Operation::Disable { .. }
            | Operation::Delete { .. }
            | Operation::SetReference { .. } => vec![self.one_request(action).await],
        }
    }

    async fn one_request(&self, action: Action) -> Outcome {
        let started = Started::now(self);
        let action = self.resolved(action);
        if let Operation::Create { keys, .. } = &action.operation {
            return self.create(started, &action, keys).await;
        }
        let Some(target) = action.target.clone() else {
            return self.not_tried(action, "the object was not created");
        };
        if let Operation::SetReference { new: Some(new), .. } = &action.operation
            && new.target.is_none()
        {
            return self.not_tried(action, "what it refers to is not in the target");
        }
        if let Operation::Adopt { .. } = &action.operation {
            self.remember(&action.subject, &target);
        }
        match self.send(&action).await {
            Ok(sent) => {
                let effect = effect_of(&action);
                let exchange = sent.as_ref().map(|sent| &sent.exchange);
                started.sent(exchange).done(action, target, effect)
            }
            Err(error) => self.failed(started, action, &error).await,
        }
    }

    /// Sends what carries out an action whose target ids are filled in. `None`: nothing was to be sent.
    async fn send(&self, action: &Action) -> Result<Option<scim::Sent>, scim::Error> {
        let hidden = self.hidden_in(action);
        let known = || self.known_members(action);
        let sent = self.sender.send(action, &hidden, known).await?;
        if sent.is_some() {
            self.went_well();
        }
        Ok(sent)
    }

    /// The members that the target took and that this action does not take out.
    fn known_members(&self, action: &Action) -> BTreeSet<TargetId> {
        let Subject { kind: _, id, .. } = &action.subject;
        let (store, job) = (&self.context.agent.store, &self.context.job.rules.name);
        let mut known = match store.sent_members(job, id) {
            Ok(members) => members,
            // A state that cannot be read ends the cycle when the outcome is to be recorded.
            Err(error) => {
                self.abort(Error::Store(error).chain());
                BTreeMap::new()
            }
        };
        if let Operation::RemoveMembers { members } = &action.operation {
            for (member, _) in members {
                known.remove(member);
            }
        }
        known.into_values().collect()
    }

    /// The action with every target id that is known by now.
    fn resolved(&self, mut action: Action) -> Action {
        match &mut action.operation {
            Operation::Create { references, .. } => {
                for (_, new) in references {
                    new.target = self.resolve(new);
                }
            }
            Operation::AddMembers { members } => {
                for member in members {
                    member.target = self.resolve(member);
                }
            }
            Operation::SetReference { new: Some(new), .. } => new.target = self.resolve(new),
            Operation::Adopt { .. }
            | Operation::Update { .. }
            | Operation::Enable { .. }
            | Operation::Disable { .. }
            | Operation::Delete { .. }
            | Operation::RemoveMembers { .. }
            | Operation::SetReference { new: None, .. } => {}
        }
        action.target = action.target.or_else(|| self.target_of(&action.subject.id));
        action
    }

    fn hidden_in(&self, action: &Action) -> Hidden {
        let redactions = &self.context.redactions;
        let hidden = redactions.hidden_in_action(action, None);
        if !hidden.is_in_data() {
            return hidden;
        }
        let Subject { kind, id, label: _ } = &action.subject;
        let job = &self.context.job.rules.name;
        match self.context.agent.store.link(job, *kind, id) {
            Ok(link) => redactions.hidden_in_action(action, link.as_ref()),
            // A state that cannot be read ends the cycle when the outcome is to be recorded.
            Err(_) => hidden,
        }
    }

    /// Whatever it refers to and does not exist yet is linked when it comes: its arrival marks this
    /// object.
    async fn create(&self, started: Started, action: &Action, keys: &[MatchKey]) -> Outcome {
        let subject = &action.subject;
        match self.send(action).await {
            Ok(sent) => {
                let exchange = sent.as_ref().map(|sent| sent.exchange.clone());
                let Some(id) = sent.and_then(|sent| sent.id) else {
                    return self.not_tried(action.clone(), "the object was not created");
                };
                self.remember(subject, &id);
                started
                    .sent(exchange.as_ref())
                    .done(action.clone(), id, effect_of(action))
            }
            Err(error) => {
                if let Some(met) = self.look_again(subject, keys, &error).await {
                    self.remember(subject, &met.0);
                    let status = Status::Met {
                        target: met.0,
                        current: met.1,
                    };
                    return started.failed_with(&error).end(action.clone(), status);
                }
                self.failed(started, action.clone(), &error).await
            }
        }
    }

    /// After a create that was refused, or whose answer was lost, the object may be there all the
    /// same: a conflict says so, and a lost answer may have been a success (product rule 2).
    async fn look_again(
        &self,
        subject: &Subject,
        keys: &[MatchKey],
        error: &scim::Error,
    ) -> Option<(TargetId, BTreeMap<TargetPath, Value>)> {
        let kind = subject.kind;
        if !error.unconfirmed() && !error.may_be_duplicate() {
            return None;
        }
        let mappings = &self.context.job.rules.rules(kind).mappings;
        let paths: Vec<TargetPath> = mappings
            .iter()
            .map(|mapping| mapping.target.clone())
            .filter(|path| !path.is_members())
            .collect();
        let found = lookup::by_queries(self.context, kind, keys, &paths).await;
        let found = match found {
            Ok(Found::None) | Err(_) if error.class() == Class::Conflict => {
                self.look_in_list(subject).await
            }
            found => found.ok(),
        };
        let Some(Found::One { object, .. }) = found else {
            return None;
        };
        let store = &self.context.agent.store;
        let job = &self.context.job.rules.name;
        let is_free = matches!(store.linked_by(job, kind, &object.id), Ok(None))
            && self.made_for(&object.id).is_none();
        if !is_free {
            return None;
        }
        let made = |target: &TargetId| self.made_for(target);
        // A state that cannot be read ends the cycle when the outcome is to be recorded.
        let current = shown::as_sent(self.context, kind, object.attributes, made).ok()?;
        Some((object.id, current))
    }

    async fn look_in_list(&self, subject: &Subject) -> Option<Found> {
        let kind = subject.kind;
        let list = || lookup::in_whole_list(self.context, kind, &self.keys[&kind]);
        let found = self.listed[&kind].get_or_try_init(list).await.ok()?;
        found.get(&subject.id).cloned()
    }

    /// Members in requests of the size that the target takes, one after another: there is never more
    /// than one write in flight for a group. A chunk that is refused is sent again one by one, so
    /// that one bad member does not keep the others out.
    async fn members(&self, action: Action) -> Vec<Outcome> {
        let mut action = self.resolved(action);
        let Some(group) = action.target.clone() else {
            return vec![self.not_tried(action, "the group was not created")];
        };
        let mut outcomes = Vec::new();
        let missing = take_unresolved(&mut action);
        let mut chunks = VecDeque::from(self.sender.dialect().split(action));
        while let Some(chunk) = chunks.pop_front() {
            if self.aborted.get().is_some() || self.context.agent.stop.is_cancelled() {
                outcomes.push(self.not_tried(chunk, "the cycle ended before its turn"));
                continue;
            }
            let started = Started::now(self);
            let error = match self.send(&chunk).await {
                Ok(sent) => {
                    let effect = effect_of(&chunk);
                    let started = started.sent(sent.as_ref().map(|sent| &sent.exchange));
                    outcomes.push(started.done(chunk, group.clone(), effect));
                    continue;
                }
                Err(error) => error,
            };
            let about_members = self.is_about_members(&error, &group).await;
            if about_members && chunk.weight() > 1 {
                for single in singles(chunk).into_iter().rev() {
                    chunks.push_front(single);
                }
                continue;
            }
            if about_members && let [(source, target)] = effect_of(&chunk).members.as_slice() {
                self.forget_if_gone(source, target).await;
            }
            let outcome = self.failed(started, chunk, &error).await;
            let gone = matches!(outcome.status, Status::Vanished);
            outcomes.push(outcome);
            if gone {
                break;
            }
        }
        if let Some(missing) = missing {
            outcomes.push(self.not_tried(missing, "the member is not in the target"));
        }
        outcomes
    }

    /// Whether a change of members was refused for one of them, and not for the group as a whole.
    /// Servers answer 400 or 404 for a member that they do not know.
    async fn is_about_members(&self, error: &scim::Error, group: &TargetId) -> bool {
        match error.class() {
            Class::Refused => error.exchange().is_some() && !error.is_route_refused(),
            Class::Gone => {
                let reader = &self.context.reader;
                let read = reader.read(ObjectKind::Group, group, &[], false).await;
                matches!(read, Ok(Some(_)))
            }
            Class::Unauthorized
            | Class::Conflict
            | Class::Throttled
            | Class::Transient
            | Class::Malformed => false,
        }
    }

    /// Drops the link of a member that was deleted in the target behind our back, so that the next
    /// cycle matches it, or makes it anew: by itself it has no reason to be looked at.
    async fn forget_if_gone(&self, source: &SourceId, target: &TargetId) {
        let store = &self.context.agent.store;
        let job = &self.context.job.rules.name;
        for kind in ObjectKind::ALL {
            if !matches!(store.linked_by(job, kind, target), Ok(Some(holder)) if holder == *source)
            {
                continue;
            }
            let read = self.context.reader.read(kind, target, &[], false).await;
            if matches!(read, Ok(None))
                && let Err(error) = store.unlink(job, kind, source)
            {
                self.abort(Error::Store(error).chain());
            }
        }
    }

    /// A failed request: whether the object is gone is asked, whether the target is down is counted.
    async fn failed(&self, started: Started, action: Action, error: &scim::Error) -> Outcome {
        let service;
        let mut error = error;
        if error.class() == Class::Gone
            && let Some(target) = action.target.clone()
        {
            let reader = self.context.reader.hiding(self.hidden_in(&action));
            match reader.read(action.subject.kind, &target, &[], false).await {
                Ok(None) => {
                    self.went_well();
                    return started.failed_with(error).end(action, Status::Vanished);
                }
                Ok(Some(_)) => {}
                // Not this object is missing, but everything.
                Err(other) => {
                    service = other;
                    error = &service;
                }
            }
        }
        let failure = error.failure();
        if error.is_stop() {
            let was_sent = error
                .exchange()
                .is_some_and(|exchange| exchange.attempts > 0);
            let status = if was_sent {
                Status::Failed(failure)
            } else {
                Status::NotTried("the cycle was told to stop")
            };
            return started.failed_with(error).end(action, status);
        }
        if failure.class == Class::Unauthorized {
            self.abort(failure.message.clone());
        } else if error.stops_everything() {
            let row = self.down_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
            if row >= DOWN_AFTER {
                self.abort(failure.message.clone());
            }
        } else {
            self.went_well();
        }
        started
            .failed_with(error)
            .end(action, Status::Failed(failure))
    }

    fn not_tried(&self, action: Action, why: &'static str) -> Outcome {
        Started::now(self).end(action, Status::NotTried(why))
    }

    fn went_well(&self) {
        self.down_in_a_row.store(0, Ordering::Relaxed);
    }

    fn remember(&self, subject: &Subject, target: &TargetId) {
        let mut created = self.created.lock().expect("no holder of this lock panics");
        created.insert(subject.id.clone(), target.clone());
    }

    fn target_of(&self, source: &SourceId) -> Option<TargetId> {
        let created = self.created.lock().expect("no holder of this lock panics");
        created.get(source).cloned()
    }

    /// The source object for which this plan made or met a target object.
    fn made_for(&self, target: &TargetId) -> Option<SourceId> {
        let created = self.created.lock().expect("no holder of this lock panics");
        let mut created = created.iter();
        let made = created.find(|(_, made)| *made == target);
        made.map(|(source, _)| source.clone())
    }

    fn resolve(&self, referenced: &Referenced) -> Option<TargetId> {
        let known = referenced.target.clone();
        known.or_else(|| self.target_of(&referenced.source))
    }
}

/// When an action was begun, and how many requests it took.
struct Started {
    at: chrono::DateTime<chrono::Utc>,
    clock: Instant,
    requests: u32,
}

impl Started {
    fn now(executor: &Executor<'_>) -> Self {
        Self {
            at: (executor.context.agent.now)(),
            clock: Instant::now(),
            requests: 0,
        }
    }

    fn sent(mut self, exchange: Option<&scim::Exchange>) -> Self {
        self.requests += exchange.map_or(0, |exchange| exchange.attempts);
        self
    }

    fn failed_with(self, error: &scim::Error) -> Self {
        self.sent(error.exchange())
    }

    fn done(self, action: Action, target: TargetId, effect: Effect) -> Outcome {
        self.end(action, Status::Done { target, effect })
    }

    fn end(self, action: Action, status: Status) -> Outcome {
        Outcome {
            action,
            at: self.at,
            duration_ms: u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX),
            requests: self.requests,
            status,
        }
    }
}

/// What is sent of an action whose target ids are filled in.
fn effect_of(action: &Action) -> Effect {
    let mut effect = Effect::default();
    match &action.operation {
        Operation::Create { references, .. } => {
            let sent = references.iter().filter(|(_, new)| new.target.is_some());
            effect.references = sent
                .map(|(path, new)| (path.clone(), new.source.clone()))
                .collect();
        }
        Operation::SetReference { path, old: _, new } => {
            let sent = new.iter().map(|new| (path.clone(), new.source.clone()));
            effect.references = sent.collect();
        }
        Operation::AddMembers { members } => {
            let sent = members
                .iter()
                .filter_map(|member| Some((member.source.clone(), member.target.clone()?)));
            effect.members = sent.collect();
        }
        Operation::RemoveMembers { members } => effect.members.clone_from(members),
        Operation::Adopt { .. }
        | Operation::Update { .. }
        | Operation::Enable { .. }
        | Operation::Disable { .. }
        | Operation::Delete { .. } => {}
    }
    effect
}

/// Takes out the members that are not in the target, as an action of its own.
fn take_unresolved(action: &mut Action) -> Option<Action> {
    let Operation::AddMembers { members } = &mut action.operation else {
        return None;
    };
    let (resolved, missing) = std::mem::take(members)
        .into_iter()
        .partition(|member| member.target.is_some());
    *members = resolved;
    let missing: Vec<Referenced> = missing;
    (!missing.is_empty()).then(|| Action {
        subject: action.subject.clone(),
        target: action.target.clone(),
        operation: Operation::AddMembers { members: missing },
    })
}

/// An action for each member.
fn singles(action: Action) -> Vec<Action> {
    let operations: Vec<Operation> = match action.operation {
        Operation::AddMembers { members } => {
            let one = |member| Operation::AddMembers {
                members: vec![member],
            };
            members.into_iter().map(one).collect()
        }
        Operation::RemoveMembers { members } => {
            let one = |member| Operation::RemoveMembers {
                members: vec![member],
            };
            members.into_iter().map(one).collect()
        }
        one @ (Operation::Create { .. }
        | Operation::Adopt { .. }
        | Operation::Update { .. }
        | Operation::Enable { .. }
        | Operation::Disable { .. }
        | Operation::Delete { .. }
        | Operation::SetReference { .. }) => vec![one],
    };
    let action = |operation| Action {
        subject: action.subject.clone(),
        target: action.target.clone(),
        operation,
    };
    operations.into_iter().map(action).collect()
}

fn keys_of_creates(plan: &Plan) -> BTreeMap<ObjectKind, BTreeMap<SourceId, Vec<MatchKey>>> {
    let mut keys = BTreeMap::from(ObjectKind::ALL.map(|kind| (kind, BTreeMap::new())));
    for action in plan.actions() {
        if let Action {
            subject,
            operation: Operation::Create { keys: of_one, .. },
            ..
        } = action
        {
            let of_kind = keys.entry(subject.kind).or_default();
            of_kind.insert(subject.id.clone(), of_one.clone());
        }
    }
    keys
}

//! Sends the requests of one action, by the dialect that the target turns out to speak: where a form is
//! refused, or accepted without effect, the next is tried, and what works is used from then on.

mod addition;
mod bulk;
mod effect;
mod removal;
mod rewritten;
mod slot;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::addition::Additions;
use self::bulk::{Bulk, Joined, Way};
pub(super) use self::bulk::{Coming, FailedWith};
use self::effect::{Doubt, Seen};
pub(super) use self::removal::OnRecord;
use self::removal::Removals;
pub(super) use self::slot::Slot;
use super::capabilities::Fact;
use crate::config::{Target, Update};
use crate::engine::model::{Key, ObjectKind, TargetId, TargetPath};
use crate::engine::plan::{Action, Operation};
use crate::engine::redact::Hidden;
use crate::scim::{self, Certainty, Current, Dialect, Lesson, Part, Reader, Request, Sent, Writer};
use crate::store::Row;

/// How often a resource is read and merged again that others change at the same time.
const OVERTAKEN: usize = 3;

pub(super) struct Sender {
    reader: Reader,
    writer: Writer,
    bulk: Bulk,
    dialect: Mutex<Dialect>,
    /// What is to be remembered of the target.
    facts: Mutex<Vec<Fact>>,
    /// Ways to change something that were seen to work.
    verified: Mutex<BTreeSet<String>>,
    /// What the target does not show, whatever form it is sent in.
    hopeless: Mutex<BTreeSet<(ObjectKind, TargetPath)>>,
    /// What the target makes itself, whatever it is sent.
    rewritten: Mutex<BTreeSet<(ObjectKind, TargetPath)>>,
    /// What is written once more although the target showed a form of it.
    forms: BTreeSet<(Key, TargetPath)>,
    /// Changes whose answer shows nothing.
    unseen: AtomicU64,
    /// The target takes changes only for the version that they name (428).
    wants_version: AtomicBool,
    visibility_delay: Duration,
    removals: Removals,
    additions: Additions,
    /// Rows whose failure was that of a bulk request.
    failed_with: Mutex<BTreeMap<Key, FailedWith>>,
    /// Groups that were made here and have no members yet.
    empty_groups: Mutex<BTreeSet<TargetId>>,
    /// Kinds of objects of which a change was refused for its method, since one was last taken.
    refusals: Mutex<BTreeMap<ObjectKind, Refused>>,
}

/// What a refusal of PATCH or PUT was followed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    /// The other of the two was tried.
    Once,
    /// The other of the two was refused as well, so that it is no way out.
    Both,
}

impl Sender {
    /// `facts` are what is known of the target from before; `window` rows are sent at the same time at most.
    pub(super) fn new(reader: &Reader, target: &Target, facts: &[Fact], window: usize) -> Self {
        let dialect = Dialect::new(&target.dialect);
        let writer = Writer::new(reader);
        Self {
            reader: reader.clone(),
            bulk: Bulk::new(writer.clone(), dialect.is_bulk(), window, facts),
            writer,
            dialect: Mutex::new(dialect),
            facts: Mutex::default(),
            verified: Mutex::new(facts.iter().filter_map(Fact::as_verified).collect()),
            hopeless: Mutex::new(facts.iter().filter_map(Fact::as_hopeless).collect()),
            rewritten: Mutex::new(facts.iter().filter_map(Fact::as_rewritten).collect()),
            forms: BTreeSet::new(),
            unseen: AtomicU64::new(0),
            wants_version: AtomicBool::new(false),
            visibility_delay: target.visibility_delay,
            empty_groups: Mutex::default(),
            failed_with: Mutex::default(),
            removals: Removals::default(),
            additions: Additions::default(),
            refusals: Mutex::default(),
        }
    }

    /// The same where these values are written once more, although the target showed a form of them.
    pub(super) fn repeating(mut self, forms: BTreeSet<(Key, TargetPath)>) -> Self {
        self.forms = forms;
        self
    }

    /// As the target has turned out to need it so far.
    pub(super) fn dialect(&self) -> Dialect {
        *lock(&self.dialect)
    }

    /// For a row whose request may be sent together with others. What failed before is sent alone, so that
    /// it costs no other its answer; so is what may be repeated in the target's words and is not shown.
    pub(super) fn coming(&self, row: &Row, hidden: &Hidden) -> Option<Coming<'_>> {
        let may_join = !row.failed_before
            && !hidden.is_in_data()
            && Way::of(&row.action).is_some()
            && !self.dialect().needs_current(&row.action);
        may_join.then(|| self.bulk.coming())?
    }

    /// Carries out an action in the form that the target turns out to take.
    async fn send_in_form(
        &self,
        action: &Action,
        hidden: &Hidden,
        known: &impl Fn() -> BTreeSet<TargetId>,
        slot: &mut Slot<'_>,
        mut coming: Option<Coming<'_>>,
    ) -> Result<Option<Sent>, scim::Error> {
        let known_form = self.dialect();
        let mut dialect = known_form;
        let mut guesses: Vec<(Lesson, String)> = Vec::new();
        // What was answered first, where other forms are tried after it.
        let mut first: Option<Result<Sent, scim::Error>> = None;
        let kind = action.subject.kind;
        let refused = lock(&self.refusals).get(&kind).copied();
        // In another way than all others, for this change alone.
        let mut is_alone = false;
        let mut is_hidden = false;
        let mut accepted: Option<Sent> = None;
        loop {
            let coming = coming.take();
            let sent = self
                .send_by(dialect, action, hidden, known, slot, coming)
                .await;
            let error = match sent {
                Ok(None) => return Ok(None),
                Ok(Some(sent)) => match self.without_effect(dialect, action, &sent, hidden).await {
                    None => {
                        if is_alone {
                            return Ok(Some(sent));
                        }
                        self.believe(known_form, dialect, guesses);
                        if !matches!(
                            action.operation,
                            Operation::Create { .. } | Operation::Delete { .. }
                        ) {
                            lock(&self.refusals).remove(&kind);
                        }
                        return Ok(Some(sent));
                    }
                    Some(Doubt { error, is_certain }) => {
                        // What is not shown may be there anyway.
                        if is_certain {
                            accepted.get_or_insert(sent);
                        } else {
                            is_hidden = matches!(action.operation, Operation::AddMembers { .. });
                            first.get_or_insert(Ok(sent));
                        }
                        error
                    }
                },
                Err(error) => error,
            };
            let taught = dialect.after(action, &error).filter(|(_, lesson)| {
                lesson.certainty != Certainty::Repeated || refused != Some(Refused::Both)
            });
            // Another form would show no more of members that the target never shows.
            let mut taught = taught.filter(|_| !is_hidden);
            if accepted.is_some()
                && let Some((next, _)) = &taught
                && next.update(kind) == Update::Put
                && self.has_others(action, hidden, known).await
            {
                taught = None;
            }
            match taught {
                Some((next, lesson))
                    if guesses.is_empty() && lesson.certainty != Certainty::Guess =>
                {
                    let is_proven = lesson.certainty == Certainty::Certain || refused.is_some();
                    if is_proven && !is_alone {
                        dialect = self.learn(dialect, next, lesson, &error);
                    } else {
                        if !is_alone {
                            self.note_refusal(kind, lesson, &error);
                        }
                        is_alone = true;
                        dialect = next;
                    }
                }
                Some((next, lesson)) => {
                    guesses.push((lesson, error.failure().message));
                    first.get_or_insert(Err(error));
                    dialect = next;
                }
                None => {
                    if is_alone && error.is_any_method_refused() {
                        lock(&self.refusals).insert(kind, Refused::Both);
                    }
                    if let Some(sent) = accepted
                        && self.is_own(action, &error, first.as_ref(), hidden).await
                    {
                        return Ok(Some(sent));
                    }
                    if let scim::Error::NoEffect { paths, .. } = &error {
                        self.give_up(action.subject.kind, paths);
                        if is_hidden {
                            self.verify(&dialect.ways(action));
                        }
                    }
                    // Whether the last one arrived must be found out, whatever came before it.
                    return match first {
                        Some(first) if !error.unconfirmed() => first.map(Some),
                        _ => Err(error),
                    };
                }
            }
        }
    }

    /// The form that worked after others did not.
    fn believe(&self, known: Dialect, works: Dialect, guesses: Vec<(Lesson, String)>) {
        if guesses.is_empty() {
            return;
        }
        let mut dialect = lock(&self.dialect);
        if *dialect != known {
            return;
        }
        *dialect = works;
        for (lesson, evidence) in guesses {
            self.note(works, lesson, evidence);
        }
    }

    /// The form in which an action is sent again. Others may have learned more meanwhile.
    fn learn(&self, old: Dialect, next: Dialect, lesson: Lesson, error: &scim::Error) -> Dialect {
        let mut dialect = lock(&self.dialect);
        if *dialect == old {
            *dialect = next;
            self.note(next, lesson, error.failure().message);
        }
        *dialect
    }

    /// One refusal alone may be a gateway's, so that it teaches nothing yet.
    fn note_refusal(&self, kind: ObjectKind, lesson: Lesson, error: &scim::Error) {
        lock(&self.refusals).entry(kind).or_insert(Refused::Once);
        let Lesson { knob, word, .. } = lesson;
        tracing::info!(
            evidence = error.failure().message,
            "{knob} = {word:?} for one change; the next one shows whether the target needs it"
        );
    }

    fn note(&self, dialect: Dialect, lesson: Lesson, evidence: String) {
        let Lesson { knob, word, .. } = lesson;
        tracing::info!(
            evidence,
            "{knob} = {word:?} from now on, learned from the target's response"
        );
        let mut facts = lock(&self.facts);
        if knob == "update" {
            // Groups are changed as before.
            let groups = dialect.update(ObjectKind::Group).as_str();
            facts.push(Fact::new("update_groups", groups, evidence.clone()));
        }
        facts.push(Fact::new(knob, word, evidence));
    }

    /// Whether the failure of an object's row was that of a request which held others, too.
    pub(super) fn failed_with(&self, key: Key) -> Option<FailedWith> {
        lock(&self.failed_with).remove(&key)
    }

    /// What was found out since the last call.
    pub(super) fn take_facts(&self) -> Vec<Fact> {
        let mut facts = std::mem::take(&mut *lock(&self.facts));
        facts.extend(self.bulk.take_facts());
        facts
    }

    async fn send_by(
        &self,
        dialect: Dialect,
        action: &Action,
        hidden: &Hidden,
        known: &impl Fn() -> BTreeSet<TargetId>,
        slot: &mut Slot<'_>,
        mut coming: Option<Coming<'_>>,
    ) -> Result<Option<Sent>, scim::Error> {
        let mut changed: Vec<String> = Vec::new();
        loop {
            let is_built_from = dialect.needs_current(action);
            let wants_version = self.wants_version.load(Ordering::Relaxed);
            if is_built_from || wants_version {
                coming = None;
                slot.take().await;
            }
            let current = match &action.target {
                Some(target) if is_built_from || wants_version => {
                    let kind = action.subject.kind;
                    // Either way all members are sent.
                    let is_whole = is_built_from
                        && (dialect.update(kind) == Update::Put
                            || matches!(action.operation, Operation::AddMembers { .. }));
                    let current = self.current(kind, target, is_whole, hidden, known).await?;
                    Some(match (current.version(), changed.last()) {
                        // Nothing changed, so it does not know its own versions again.
                        (Some(now), Some(refused)) if now == refused => current.without_version(),
                        _ => current,
                    })
                }
                _ => None,
            };
            let mut requests =
                dialect.requests(action, current.as_ref().filter(|_| is_built_from))?;
            if wants_version && let Some(version) = current.as_ref().and_then(Current::version) {
                let named = requests.into_iter().map(|one| one.for_version(version));
                requests = named.collect();
            }
            let coming = coming.take().filter(|_| requests.len() == 1);
            let sent = self.send_all(&requests, action, hidden, slot, coming).await;
            let version = current.as_ref().and_then(Current::version);
            match (&sent, version) {
                // Read, merged and written once more.
                (Err(error), Some(version))
                    if error.is_changed_meanwhile() && changed.len() < OVERTAKEN =>
                {
                    changed.push(version.to_owned());
                }
                (Err(error), _) if error.wants_version() && !wants_version => {
                    self.wants_version.store(true, Ordering::Relaxed);
                }
                _ => return sent,
            }
        }
    }

    async fn send_all(
        &self,
        requests: &[Request],
        action: &Action,
        hidden: &Hidden,
        slot: &mut Slot<'_>,
        mut coming: Option<Coming<'_>>,
    ) -> Result<Option<Sent>, scim::Error> {
        let mut last = None;
        for request in requests {
            let coming = coming.take();
            let sent = self.send_one(request, action, hidden, slot, coming).await;
            let may_be_done = match &sent {
                Ok(_) => true,
                Err(error) => error.unconfirmed(),
            };
            if let (Operation::AddMembers { .. }, Some(target)) =
                (&action.operation, &action.target)
                && may_be_done
            {
                lock(&self.empty_groups).remove(target);
            }
            last = Some(sent?);
        }
        if let (
            Operation::Create { references, .. },
            ObjectKind::Group,
            Some(Sent { id: Some(id), .. }),
        ) = (&action.operation, action.subject.kind, &last)
            && references.is_empty()
        {
            lock(&self.empty_groups).insert(id.clone());
        }
        Ok(last)
    }

    /// Together with others where it may join them, and alone otherwise.
    async fn send_one(
        &self,
        request: &Request,
        action: &Action,
        hidden: &Hidden,
        slot: &mut Slot<'_>,
        coming: Option<Coming<'_>>,
    ) -> Result<Sent, scim::Error> {
        if let (Some(coming), Some(way)) = (coming, Way::of(action)) {
            let part = Part {
                request: request.clone(),
                hidden: hidden.clone(),
                id: format!("k{}", action.subject.key.get()),
            };
            slot.free();
            match self.bulk.join(coming, way, part).await {
                Joined::Answered {
                    result: Ok(sent),
                    is_trial: true,
                    ..
                } => {
                    let seen = self.seen(action, &sent, hidden).await;
                    self.bulk.tried(way, seen.is_certain());
                    match seen {
                        Seen::Done | Seen::Unclear => return Ok(sent),
                        // Whether there is one must be found out before another is created.
                        Seen::Undone if way.is_create() => {
                            let Sent { exchange, .. } = sent;
                            return Err(scim::Error::NoIdInAnswer { exchange });
                        }
                        Seen::Undone | Seen::Absent => {}
                    }
                }
                Joined::Answered {
                    result,
                    failed_with,
                    ..
                } => {
                    let key = action.subject.key;
                    lock(&self.failed_with).extend(failed_with.map(|with| (key, with)));
                    return result;
                }
                Joined::Alone => {}
            }
        }
        slot.take().await;
        self.writer.send(request, hidden).await
    }

    async fn current(
        &self,
        kind: ObjectKind,
        target: &TargetId,
        is_whole: bool,
        hidden: &Hidden,
        known: &impl Fn() -> BTreeSet<TargetId>,
    ) -> Result<Current, scim::Error> {
        let current = self
            .reader
            .hiding(hidden.clone())
            .current(kind, target)
            .await?;
        match kind {
            ObjectKind::Group if is_whole => {
                let is_new = lock(&self.empty_groups).contains(target);
                current.with_members(&known(), is_new)
            }
            ObjectKind::User | ObjectKind::Group => Ok(current),
        }
    }
}

/// What these hold means something whatever a panicking holder did.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

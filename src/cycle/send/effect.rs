//! Whether what a target accepted had an effect: the answer shows it, or a read after the first use of each way to
//! change something.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Sender, lock};
use crate::cycle::capabilities::Fact;
use crate::engine::model::{ObjectKind, TargetId, TargetPath};
use crate::engine::plan::{Action, Operation, Referenced};
use crate::engine::redact::Hidden;
use crate::scim::{self, Dialect, GroupsOf, Sent, Shown, Undone};

/// One in so many changes whose answer shows nothing is read back.
const SAMPLE: u64 = 500;
/// Likewise of those that disable an account: one that stays active is the worst that a cycle can miss.
const SAMPLE_OF_DISABLES: u64 = 10;

/// Why a change that was accepted may have had no effect.
pub(super) struct Doubt {
    pub(super) error: scim::Error,
    /// The target shows what was there before; otherwise it shows nothing.
    pub(super) is_certain: bool,
}

/// What a read shows of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Done,
    /// What was there before is there still.
    Undone,
    /// Nothing is shown where something was sent, which may be there anyway.
    Absent,
    Unclear,
}

impl Seen {
    pub(super) fn is_certain(self) -> Option<bool> {
        match self {
            Self::Done => Some(true),
            Self::Undone => Some(false),
            Self::Absent | Self::Unclear => None,
        }
    }
}

/// Waits between reads, until the target must show what was written.
pub(super) struct Waits {
    waited: Duration,
    most: Duration,
}

impl Waits {
    pub(super) fn until(most: Duration) -> Self {
        let waited = Duration::ZERO;
        Self { waited, most }
    }
}

impl Iterator for Waits {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let wait = (self.waited * 2).clamp(Duration::from_millis(250), Duration::from_secs(5));
        let wait = wait.min(self.most.saturating_sub(self.waited));
        self.waited += wait;
        (!wait.is_zero()).then_some(wait)
    }
}

impl Sender {
    /// Whether a change that was accepted shows no effect: in the answer, or, where that is empty, in a read
    /// after the first use of each way to change something, and after some of the later ones.
    pub(super) async fn without_effect(
        &self,
        dialect: Dialect,
        action: &Action,
        sent: &Sent,
        hidden: &Hidden,
    ) -> Option<Doubt> {
        let ways = dialect.ways(action);
        let undone = match &sent.shown {
            _ if ways.is_empty() => return None,
            Some(shown) if !is_unshown(action, shown) => Dialect::undone(action, shown),
            Some(_) | None => {
                let one_in = if matches!(action.operation, Operation::Disable { .. }) {
                    SAMPLE_OF_DISABLES
                } else {
                    SAMPLE
                };
                let is_sample = self.unseen.fetch_add(1, Ordering::Relaxed) % one_in == one_in - 1;
                let is_suspect = self.may_repeat_a_form(action);
                if !is_sample && !is_suspect && ways.is_subset(&lock(&self.verified)) {
                    return None;
                }
                self.read_back(action, hidden).await?
            }
        };
        let Undone { mut paths, absent } = undone;
        let kind = action.subject.kind;
        {
            let rewritten = lock(&self.rewritten);
            paths.retain(|path| !rewritten.contains(&(kind, path.clone())));
        }
        let hopeless = lock(&self.hopeless);
        let is_hopeless = |path: &TargetPath| hopeless.contains(&(kind, path.clone()));
        if paths.is_empty() && absent.iter().all(is_hopeless) {
            drop(hopeless);
            self.verify(&ways);
            return None;
        }
        let is_certain = !paths.is_empty();
        let error = scim::Error::NoEffect {
            exchange: sent.exchange.clone(),
            paths: if is_certain { paths } else { absent },
        };
        Some(Doubt { error, is_certain })
    }

    /// Whether a change writes once more what the target showed a form of, cut or without signs: it may have made that
    /// of the same value before.
    fn may_repeat_a_form(&self, action: &Action) -> bool {
        let Operation::Update { changes } = &action.operation else {
            return false;
        };
        let (kind, key) = (action.subject.kind, action.subject.key);
        let rewritten = lock(&self.rewritten);
        changes.iter().any(|change| {
            self.forms.contains(&(key, change.path.clone()))
                && !rewritten.contains(&(kind, change.path.clone()))
        })
    }

    /// These ways work, or nothing shows whether they do.
    pub(super) fn verify(&self, ways: &BTreeSet<String>) {
        let mut verified = lock(&self.verified);
        let new: Vec<String> = ways.difference(&verified).cloned().collect();
        let kept = new.iter().filter(|way| !Dialect::is_seen_each_cycle(way));
        lock(&self.facts).extend(kept.map(|way| Fact::verified(way)));
        verified.extend(new);
    }

    /// What a read shows not to be done, once the target has had the time that it needs to show it. `None`:
    /// it could not be read.
    async fn read_back(&self, action: &Action, hidden: &Hidden) -> Option<Undone> {
        let target = action.target.as_ref()?;
        let reader = self.reader.hiding(hidden.clone());
        let mut waits = Waits::until(self.visibility_delay);
        loop {
            let current = reader.current(action.subject.kind, target).await.ok()?;
            let mut undone = Dialect::undone(action, &current.shown());
            if let Operation::AddMembers { members } = &action.operation
                && !undone.absent.is_empty()
                && (current.shows_all_members() || self.is_outside(target, members).await)
            {
                undone.paths = std::mem::take(&mut undone.absent);
            }
            match waits.next() {
                Some(wait) if undone != Undone::default() => tokio::time::sleep(wait).await,
                _ => return Some(undone),
            }
        }
    }

    /// Whether the groups that the target shows of a member are others. Many targets never show them.
    async fn is_outside(&self, group: &TargetId, members: &[Referenced]) -> bool {
        let Some(member) = members.iter().find_map(|member| member.target.as_ref()) else {
            return false;
        };
        match self.reader.groups_of(member).await {
            Ok(GroupsOf::Shown(groups)) => !groups.contains(group),
            Ok(GroupsOf::NobodyThere | GroupsOf::NotShown) | Err(_) => false,
        }
    }

    /// No form makes the target show these.
    pub(super) fn give_up(&self, kind: ObjectKind, paths: &[TargetPath]) {
        let mut hopeless = lock(&self.hopeless);
        for path in paths {
            if hopeless.insert((kind, path.clone())) {
                lock(&self.facts).push(Fact::hopeless(kind, path));
            }
        }
    }

    /// What a read shows of something that was accepted in a bulk request.
    pub(super) async fn seen(&self, action: &Action, sent: &Sent, hidden: &Hidden) -> Seen {
        let members = if let Operation::AddMembers { members } = &action.operation {
            let ids = members.iter().filter_map(|one| one.target.as_ref());
            Some(ids.collect::<BTreeSet<_>>())
        } else if matches!(action.operation, Operation::Create { .. }) {
            None
        } else {
            return match self.read_back(action, hidden).await {
                None => Seen::Unclear,
                Some(Undone { paths, .. }) if !paths.is_empty() => Seen::Undone,
                Some(Undone { absent, .. }) if !absent.is_empty() => Seen::Absent,
                Some(_) => Seen::Done,
            };
        };
        let Some(target) = sent.id.as_ref().or(action.target.as_ref()) else {
            return Seen::Unclear;
        };
        let reader = self.reader.hiding(hidden.clone());
        let kind = action.subject.kind;
        let mut waits = Waits::until(self.visibility_delay);
        loop {
            let read = reader.read(kind, target, &[], members.is_some()).await;
            let is_there = match (read, &members) {
                (Err(_), _) => return Seen::Unclear,
                (Ok(read), None) => read.is_some(),
                (Ok(None), Some(_)) => false,
                (Ok(Some(read)), Some(wanted)) => match read.members {
                    None => return Seen::Unclear,
                    Some(there) => wanted.iter().all(|one| there.contains(*one)),
                },
            };
            match (is_there, waits.next()) {
                (true, _) => return Seen::Done,
                (false, Some(wait)) => tokio::time::sleep(wait).await,
                (false, None) => return Seen::Undone,
            }
        }
    }
}

/// Some answers show a group without its members.
fn is_unshown(action: &Action, shown: &Shown) -> bool {
    matches!(action.operation, Operation::AddMembers { .. })
        && !Dialect::undone(action, shown).absent.is_empty()
}

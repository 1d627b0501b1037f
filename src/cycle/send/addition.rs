//! The first addition of members to a group that has others: alone, and read back before the next. Some targets
//! replace the members that were there, which did more than was meant (safety.md, "Refusals").

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use super::super::capabilities::Fact;
use super::effect::Waits;
use super::removal::OnRecord;
use super::{Sender, Slot, lock};
use crate::config::MemberAdd;
use crate::engine::model::{ObjectKind, TargetId, TargetPath};
use crate::engine::plan::{Action, Operation, Referenced};
use crate::engine::redact::Hidden;
use crate::scim::{self, Exchange, Replaced, Sent};

/// So many groups in which nothing could be seen are read in a cycle, so that a target that never shows its
/// members costs little.
const FUTILE: u32 = 5;
/// For so long a member that is missing may only not be shown yet.
const SETTLES: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Additions {
    /// Held by the one that is to show whether the others stay.
    first: Mutex<()>,
    /// The request after which no more members are added to groups that have some.
    stopped: OnceLock<Exchange>,
    /// Groups that were read and showed nothing.
    futile: AtomicU32,
}

impl Sender {
    /// Whether an addition to this group may take out others, as far as is known.
    pub(super) fn may_replace(&self, group: &TargetId) -> bool {
        let Some(way) = self.dialect().addition() else {
            return false;
        };
        let never_shown = |(kind, path): &(ObjectKind, TargetPath)| {
            *kind == ObjectKind::Group && path.is_members()
        };
        !lock(&self.verified).contains(&way)
            && !lock(&self.hopeless).iter().any(never_shown)
            && !lock(&self.empty_groups).contains(group)
            && self.additions.futile.load(Ordering::Relaxed) < FUTILE
    }

    pub(super) async fn first_addition(
        &self,
        action: &Action,
        (group, members): (&TargetId, &[Referenced]),
        hidden: &Hidden,
        row: &impl OnRecord,
        slot: &mut Slot<'_>,
    ) -> Result<Option<Sent>, scim::Error> {
        let known = || row.known_members();
        // Before the lock: who holds it must not wait for the place of one that waits for it.
        slot.take().await;
        let alone = self.additions.first.lock().await;
        if let Some(exchange) = self.additions.stopped.get() {
            let exchange = Exchange {
                attempts: 0,
                ..exchange.clone()
            };
            return Err(replaced(exchange, Replaced::Stopped));
        }
        let added = members.iter().filter_map(|member| member.target.clone());
        let added: BTreeSet<TargetId> = added.collect();
        let others: BTreeSet<TargetId> = if self.may_replace(group) {
            let before = self.members(group, hidden).await.unwrap_or_default();
            // Where the members that we know are not shown, nothing can be verified.
            let is_whole = known().is_subset(&before);
            let others = before.into_iter().filter(|one| !added.contains(one));
            others.filter(|_| is_whole).collect()
        } else {
            BTreeSet::new()
        };
        if others.is_empty() {
            self.additions.futile.fetch_add(1, Ordering::Relaxed);
            drop(alone);
            return self.send_in_form(action, hidden, &known, slot, None).await;
        }
        let sent = self.send_in_form(action, hidden, &known, slot, None).await;
        let Ok(Some(sent)) = sent else {
            return sent;
        };
        // It may have turned out to need another form, in which all members are sent.
        let Some(way) = self.dialect().addition() else {
            return Ok(Some(sent));
        };
        let Some(lost) = self.lost(group, &others, hidden).await else {
            return Ok(Some(sent));
        };
        if lost.is_empty() {
            self.verify(&BTreeSet::from([way]));
            return Ok(Some(sent));
        }
        self.add_members_by(MemberAdd::All);
        let lost: Vec<&TargetId> = lost.iter().collect();
        self.add_back(action, &lost, hidden, row, slot).await;
        let exchange = sent.exchange.clone();
        let all: BTreeSet<TargetId> = others.union(&added).cloned().collect();
        match self.lost(group, &all, hidden).await {
            Some(lost) if lost.is_empty() => {
                let evidence = replaced(exchange, Replaced::Restored).failure().message;
                let word = MemberAdd::All.as_str();
                tracing::warn!(evidence, "member_add = {word:?} from now on");
                lock(&self.facts).push(Fact::new("member_add", word, evidence));
                Ok(Some(sent))
            }
            Some(_) | None => {
                self.add_members_by(MemberAdd::New);
                self.additions.stopped.get_or_init(|| exchange.clone());
                Err(replaced(exchange, Replaced::Stopped))
            }
        }
    }

    /// Whether others are in the group to which members are added, or may be. Where it does not show who was
    /// added, it may not show everybody, and a PUT of what it shows would take out the rest.
    pub(super) async fn has_others(
        &self,
        action: &Action,
        hidden: &Hidden,
        known: &impl Fn() -> BTreeSet<TargetId>,
    ) -> bool {
        let (Operation::AddMembers { .. }, Some(group)) = (&action.operation, &action.target)
        else {
            return false;
        };
        let shown = self.members(group, hidden).await;
        shown.is_some_and(|shown| !shown.is_subset(&known()))
    }

    fn add_members_by(&self, form: MemberAdd) {
        let mut dialect = lock(&self.dialect);
        *dialect = dialect.adding_members_by(form);
    }

    /// Who of these is not shown in a group, once the target has had a moment to show them. `None`: it cannot be
    /// read.
    async fn lost(
        &self,
        group: &TargetId,
        expected: &BTreeSet<TargetId>,
        hidden: &Hidden,
    ) -> Option<BTreeSet<TargetId>> {
        let reader = self.reader.hiding(hidden.clone());
        let mut waits = Waits::until(self.visibility_delay.min(SETTLES));
        loop {
            let read = reader.read(ObjectKind::Group, group, &[], true).await;
            // An empty list may be left out, and this target showed members before.
            let shown: BTreeSet<TargetId> = read
                .ok()??
                .members
                .unwrap_or_default()
                .into_iter()
                .collect();
            let lost: BTreeSet<TargetId> = expected.difference(&shown).cloned().collect();
            match waits.next() {
                Some(wait) if !lost.is_empty() => tokio::time::sleep(wait).await,
                _ => return Some(lost),
            }
        }
    }
}

fn replaced(exchange: Exchange, after: Replaced) -> scim::Error {
    scim::Error::ReplacedMembers { exchange, after }
}

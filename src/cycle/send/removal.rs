//! The first use of a way to take members out of groups: alone, and read back before the next (safety.md,
//! "Refusals"). Some targets accept it without effect, and some take everyone out.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use tokio::sync::Mutex;

use super::super::capabilities::Fact;
use super::super::confirm::Permit;
use super::effect::Waits;
use super::{Coming, Sender, Slot, lock};
use crate::config::MemberRemove;
use crate::engine::model::{Key, ObjectKind, TargetId, TargetPath};
use crate::engine::plan::{Action, Operation, Referenced};
use crate::engine::redact::Hidden;
use crate::scim::{self, Exchange, Sent};

#[derive(Default)]
pub(super) struct Removals {
    /// Held by the one that is to show whether a way works.
    first: Mutex<()>,
    /// The request after which no more members are taken out, and whether it took out more than it was to.
    stopped: OnceLock<(Exchange, bool)>,
}

/// The row that is carried out, as far as sending depends on what is on record.
pub(in crate::cycle) trait OnRecord {
    type Begun;

    /// The members of its group that must be there before and stay.
    fn known_members(&self) -> BTreeSet<TargetId>;

    /// Puts on record what is sent at once because of an answer, before it is sent. `None`: it cannot be.
    async fn begin(&self, action: &Action) -> Option<Self::Begun>;

    async fn end(&self, begun: Self::Begun, sent: &Result<Option<Sent>, scim::Error>);
}

impl Sender {
    /// Carries out an action whose target ids are filled in. `None`: nothing had to be sent.
    ///
    /// The permit is what lets a request out; only a confirmation gives one for a removal.
    pub(in crate::cycle) async fn send(
        &self,
        _permit: &Permit,
        action: &Action,
        hidden: &Hidden,
        row: &impl OnRecord,
        slot: &mut Slot<'_>,
        coming: Option<Coming<'_>>,
    ) -> Result<Option<Sent>, scim::Error> {
        let known = || row.known_members();
        let (members, group) = match (&action.operation, &action.target) {
            (Operation::RemoveMembers { members, .. }, Some(group)) => (members, group),
            (Operation::AddMembers { members }, Some(group)) if self.may_replace(group) => {
                drop(coming);
                return self
                    .first_addition(action, (group, members), hidden, row, slot)
                    .await;
            }
            _ => {
                let sent = self.send_in_form(action, hidden, &known, slot, coming);
                return sent.await;
            }
        };
        let out = members.iter().filter_map(|member| member.target.clone());
        let out: BTreeSet<TargetId> = out.collect();
        let is_known = || lock(&self.verified).contains(&self.dialect().removal());
        let form = self.dialect().member_remove();
        let mut refused = None;
        if out.is_empty() || is_known() {
            match self.send_in_form(action, hidden, &known, slot, None).await {
                // It took this form before; the other one is tried by the rules of a first removal.
                Err(error) if error.is_path_refused() => refused = Some(error),
                sent => return sent,
            }
            self.remove_members_by(other(form));
        }
        let alone = self.removals.first.lock().await;
        if let Some((exchange, took_more)) = self.removals.stopped.get() {
            let exchange = Exchange {
                attempts: 0,
                ..exchange.clone()
            };
            return Err(failed(exchange, *took_more));
        }
        let before = self.members(group, hidden).await;
        // Where the members that we know are not shown, nothing can be verified.
        let before = before.filter(|before| known().is_subset(before));
        let (Some(before), false) = (before, is_known()) else {
            drop(alone);
            if let Some(error) = refused.filter(|_| !is_known()) {
                self.remove_members_by(form);
                return Err(error);
            }
            let sent = self.send_in_form(action, hidden, &known, slot, None);
            return sent.await;
        };
        self.first_removal(action, group, (&before, &out), hidden, row, slot)
            .await
    }

    async fn first_removal(
        &self,
        action: &Action,
        group: &TargetId,
        (before, out): (&BTreeSet<TargetId>, &BTreeSet<TargetId>),
        hidden: &Hidden,
        row: &impl OnRecord,
        slot: &mut Slot<'_>,
    ) -> Result<Option<Sent>, scim::Error> {
        let known = || row.known_members();
        let mut first: Option<(MemberRemove, scim::Error)> = None;
        loop {
            let form = self.dialect().member_remove();
            let sent = self.send_in_form(action, hidden, &known, slot, None).await;
            let sent = match (sent, &first) {
                (Ok(Some(sent)), _) => sent,
                (Err(error), Some((form, _))) if !error.unconfirmed() => {
                    self.remove_members_by(*form);
                    return Err(first.map_or(error, |(_, first)| first));
                }
                (Err(error), None) if error.is_path_refused() => {
                    self.remove_members_by(other(form));
                    first = Some((form, error));
                    continue;
                }
                (other, _) => return other,
            };
            let Some(after) = self.members_without(group, out, hidden).await else {
                return Ok(Some(sent));
            };
            let others: BTreeSet<&TargetId> = before.difference(out).collect();
            let lost: Vec<&TargetId> = others
                .iter()
                .copied()
                .filter(|one| !after.contains(*one))
                .collect();
            if lost.is_empty() && after.is_disjoint(out) {
                // A group whose only member leaves proves nothing.
                if !others.is_empty() {
                    let way = self.dialect().removal();
                    lock(&self.facts).push(Fact::verified(&way));
                    lock(&self.verified).insert(way);
                }
                if let Some((_, error)) = first {
                    let evidence = error.failure().message;
                    tracing::info!(evidence, "member_remove = {:?} from now on", form.as_str());
                    lock(&self.facts).push(Fact::new("member_remove", form.as_str(), evidence));
                }
                return Ok(Some(sent));
            }
            let exchange = sent.exchange;
            let took_more = !lost.is_empty();
            if took_more {
                self.add_back(action, &lost, hidden, row, slot).await;
            }
            let error = failed(exchange.clone(), took_more);
            match first {
                None => {
                    self.remove_members_by(other(form));
                    first = Some((form, error));
                }
                Some((form, first)) => {
                    self.remove_members_by(form);
                    self.removals.stopped.get_or_init(|| (exchange, took_more));
                    return Err(first);
                }
            }
        }
    }

    fn remove_members_by(&self, form: MemberRemove) {
        let mut dialect = lock(&self.dialect);
        *dialect = dialect.removing_members_by(form);
    }

    /// At once, before anything else is sent to the group.
    pub(super) async fn add_back(
        &self,
        action: &Action,
        lost: &[&TargetId],
        hidden: &Hidden,
        row: &impl OnRecord,
        slot: &mut Slot<'_>,
    ) {
        let dialect = self.dialect();
        for some in lost.chunks(dialect.member_chunk()) {
            let members = some.iter().map(|target| Referenced {
                key: Key::default(),
                target: Some((*target).clone()),
            });
            let add = Action {
                operation: Operation::AddMembers {
                    members: members.collect(),
                },
                ..action.clone()
            };
            let known = BTreeSet::new;
            let begun = row.begin(&add).await;
            let sent = self
                .send_by(dialect, &add, hidden, &known, slot, None)
                .await;
            if let Some(begun) = begun {
                row.end(begun, &sent).await;
            }
            if let Err(error) = sent {
                let words = error.failure().message;
                tracing::error!(
                    "members that the target removed by mistake could not be added back: {words}"
                );
            }
        }
    }

    /// The members of a group, where the target shows them.
    pub(super) async fn members(
        &self,
        group: &TargetId,
        hidden: &Hidden,
    ) -> Option<BTreeSet<TargetId>> {
        let reader = self.reader.hiding(hidden.clone());
        let read = reader.read(ObjectKind::Group, group, &[], true).await;
        Some(read.ok()??.members?.into_iter().collect())
    }

    /// The members of a group that showed some, once these are gone or the target must have taken them out.
    async fn members_without(
        &self,
        group: &TargetId,
        out: &BTreeSet<TargetId>,
        hidden: &Hidden,
    ) -> Option<BTreeSet<TargetId>> {
        let reader = self.reader.hiding(hidden.clone());
        let mut waits = Waits::until(self.visibility_delay);
        loop {
            let read = reader.read(ObjectKind::Group, group, &[], true).await;
            // An empty list may be left out.
            let members = read.ok()??.members.unwrap_or_default();
            let members: BTreeSet<TargetId> = members.into_iter().collect();
            match waits.next() {
                Some(wait) if !members.is_disjoint(out) => tokio::time::sleep(wait).await,
                _ => return Some(members),
            }
        }
    }
}

fn failed(exchange: Exchange, took_more: bool) -> scim::Error {
    if took_more {
        return scim::Error::TookMore { exchange };
    }
    let paths = TargetPath::parse("members").into_iter().collect();
    scim::Error::NoEffect { exchange, paths }
}

fn other(form: MemberRemove) -> MemberRemove {
    match form {
        MemberRemove::Filter => MemberRemove::ValueList,
        MemberRemove::ValueList => MemberRemove::Filter,
    }
}

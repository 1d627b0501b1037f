//! Members of groups that a target refuses: which of them it is about, which are gone already, and what
//! failures call them.

use std::collections::BTreeSet;

use super::super::capabilities::Fact;
use super::super::gone::Whereabouts;
use super::{Applier, lock};
use crate::config::GroupCreate;
use crate::engine::model::{Key, ObjectKind, TargetId};
use crate::engine::outcome::{Class, Failure, Status};
use crate::engine::plan::{Action, Operation, Subject, halves, members_apart};
use crate::engine::redact::Hidden;
use crate::scim::{self, GroupsOf};

/// Members that a failure names.
const NAMED_MEMBERS: usize = 3;
/// Other members that are read at most to learn whether the target shows the groups of users.
const OTHERS: usize = 5;

impl Applier<'_> {
    /// Whether a change of members was refused for one of them, and not for the group as a whole.
    /// Servers answer 400 or 404 for a member that they do not know.
    pub(super) async fn is_about_members(&self, action: &Action, error: &scim::Error) -> bool {
        let is_membership = matches!(
            action.operation,
            Operation::AddMembers { .. } | Operation::RemoveMembers { .. }
        );
        let Some(group) = action.target.as_ref().filter(|_| is_membership) else {
            return false;
        };
        match error.class() {
            Class::Refused => !error.is_route_refused(),
            Class::Gone => {
                let reader = &self.context.reader;
                let read = reader.read(ObjectKind::Group, group, &[], false).await;
                matches!(read, Ok(Some(_)))
            }
            Class::Unauthorized
            | Class::Forbidden
            | Class::Quota
            | Class::Conflict
            | Class::Throttled
            | Class::Transient
            | Class::NoEffect
            | Class::Malformed
            | Class::Invalid => false,
        }
    }

    /// Notes that groups are created with a member from the next cycle on, where the target refused one without.
    pub(super) async fn learn_of_member(
        &self,
        action: &Action,
        failure: &Failure,
        error: &scim::Error,
    ) -> Option<&'static str> {
        let Operation::Create { references, .. } = &action.operation else {
            return None;
        };
        let has_member = references.iter().any(|(path, _)| path.is_members());
        if action.subject.kind != ObjectKind::Group || has_member || !error.wants_member() {
            return None;
        }
        let word = GroupCreate::WithMember.as_str();
        let fact = Fact::new("group_create", word, failure.message.clone());
        if let Err(error) = self.context.learn(fact).await {
            self.health.abort(error.chain());
            return None;
        }
        Some(
            "from the next cycle on, groups are created with a member (group_create = \"with-member\")",
        )
    }

    /// How a change of members ends that was refused for some of them, and what is sent instead; `None` for a
    /// single one.
    pub(super) async fn in_parts(
        &self,
        action: &Action,
        error: &scim::Error,
        hidden: &Hidden,
        follow: &mut Vec<Action>,
    ) -> Option<Status> {
        self.health.went_well();
        let gone = self.taken_out(action, error, hidden).await;
        if let Some(target) = self.is_taken_out(action) {
            return Some(Status::Done { target });
        }
        *follow = members_apart(action, &gone)
            .or_else(|| halves(action))?
            .into();
        Some(Status::Followed(error.failure()))
    }

    /// Members that the group does not have any more, so that there is nothing to take out. Groups are
    /// read once; where the target does not show all members, a single one is read.
    async fn taken_out(
        &self,
        action: &Action,
        error: &scim::Error,
        hidden: &Hidden,
    ) -> BTreeSet<Key> {
        let (Operation::RemoveMembers { members, .. }, Some(group)) =
            (&action.operation, &action.target)
        else {
            return BTreeSet::new();
        };
        if error.is_too_large() {
            return BTreeSet::new();
        }
        let key = action.subject.key;
        let known = lock(&self.members_there).get(&key).cloned();
        let there = if let Some(there) = known {
            there
        } else {
            let reader = self.context.reader.hiding(hidden.clone());
            let current = reader.current(ObjectKind::Group, group).await;
            let current = current
                .and_then(|current| current.with_members(&self.known_members(action), false));
            current.ok().and_then(|current| current.member_ids())
        };
        let mut gone = BTreeSet::new();
        for member in members {
            let Some(target) = &member.target else {
                continue;
            };
            let is_gone = match &there {
                Some(there) => !there.contains(target),
                None if members.len() == 1 => {
                    self.is_in_no_such_group(action, member.key, target).await
                }
                None => false,
            };
            if is_gone {
                gone.insert(member.key);
            }
        }
        lock(&self.members_there).insert(key, there);
        lock(&self.taken_out).extend(gone.iter().map(|member| (key, *member)));
        gone
    }

    /// Whether a member's own groups show that it is not in this one. A user in no group may be shown
    /// without any, as by targets that never show them: other members of the group show which it is.
    async fn is_in_no_such_group(&self, action: &Action, member: Key, target: &TargetId) -> bool {
        let Some(group) = &action.target else {
            return false;
        };
        if self.kind_of(member).await != Some(ObjectKind::User) {
            return false;
        }
        match self.context.reader.groups_of(target).await {
            Ok(GroupsOf::NobodyThere) => true,
            Ok(GroupsOf::Shown(groups)) => !groups.contains(group),
            Ok(GroupsOf::NotShown) => self.shows_groups(action).await,
            Err(_) => false,
        }
    }

    /// Whether the target shows the groups of users, as far as some members of a group show.
    async fn shows_groups(&self, action: &Action) -> bool {
        if self.shows_groups.get().is_some() {
            return true;
        }
        for other in self.known_members(action).iter().take(OTHERS) {
            let groups = self.context.reader.groups_of(other).await;
            if matches!(groups, Ok(GroupsOf::Shown(groups)) if !groups.is_empty()) {
                self.shows_groups.get_or_init(|| ());
                return true;
            }
        }
        false
    }

    /// The group, where all members that an action takes out are known to be gone from it.
    pub(super) fn is_taken_out(&self, action: &Action) -> Option<TargetId> {
        let Operation::RemoveMembers { members, .. } = &action.operation else {
            return None;
        };
        let gone = lock(&self.taken_out);
        let key = action.subject.key;
        let mut resolved = members.iter().filter(|member| member.target.is_some());
        let all = resolved.all(|member| gone.contains(&(key, member.key)));
        action.target.clone().filter(|_| all)
    }

    /// The members of an action by their names, the first of many.
    pub(super) async fn members_in_words(&self, action: &Action) -> Option<String> {
        let (Operation::AddMembers { members } | Operation::RemoveMembers { members, .. }) =
            &action.operation
        else {
            return None;
        };
        let keys: Vec<Key> = members
            .iter()
            .filter(|member| member.target.is_some())
            .map(|member| member.key)
            .collect();
        let shown: Vec<Key> = keys.iter().take(NAMED_MEMBERS).copied().collect();
        let named = self.context.state(move |store| store.named(&shown)).await;
        let labels: Vec<String> = named.ok()?.into_values().map(|one| one.label).collect();
        let more = keys.len() - labels.len();
        Some(match (keys.len(), more) {
            (1, _) => format!("member {}", labels.join(", ")),
            (_, 0) => format!("members {}", labels.join(", ")),
            (_, more) => format!("members {} and {more} more", labels.join(", ")),
        })
    }

    async fn kind_of(&self, key: Key) -> Option<ObjectKind> {
        let named = self.context.state(move |store| store.named(&[key])).await;
        named.ok()?.get(&key).map(|one| one.kind)
    }

    /// Drops the link of a member that was deleted in the target behind our back, so that the next
    /// cycle matches it, or makes it again: by itself it has no reason to be looked at.
    pub(super) async fn forget_member_if_gone(&self, action: &Action) {
        let (Operation::AddMembers { members } | Operation::RemoveMembers { members, .. }) =
            &action.operation
        else {
            return;
        };
        let resolved: Vec<(Key, TargetId)> = members
            .iter()
            .filter_map(|member| Some((member.key, member.target.clone()?)))
            .collect();
        let [(key, target)] = resolved.as_slice() else {
            return;
        };
        let job = self.context.job.rules.name.clone();
        let Some(kind) = self.kind_of(*key).await else {
            return;
        };
        let read = self.context.reader.read(kind, target, &[], false).await;
        let member = Action {
            subject: Subject {
                kind,
                key: *key,
                ..action.subject.clone()
            },
            target: Some(target.clone()),
            operation: action.operation.clone(),
        };
        if matches!(read, Ok(None))
            && matches!(self.whereabouts(&member).await, Ok(Whereabouts::Gone))
        {
            self.verify_target().await;
            let (key, cycle) = (*key, self.cycle);
            let forgotten = self
                .context
                .state(move |store| store.unlink_gone(&job, key, cycle))
                .await;
            if let Err(error) = forgotten {
                self.health.abort(error.chain());
            }
        }
    }
}

//! The members of groups: the source's beside those last told to the target, once it is known who is
//! in the target.

use std::collections::BTreeMap;

use super::{Here, Membership, Planner};
use crate::engine::model::{ObjectKind, SourceId, TargetId};
use crate::engine::plan::{Action, Operation, Referenced, Subject};

/// A group that stays or comes, waiting for its members.
pub(super) struct Group {
    pub(super) subject: Subject,
    /// `None`: this plan creates it.
    pub(super) target: Option<TargetId>,
    /// Members that the target showed at an adoption.
    pub(super) shown: Vec<TargetId>,
}

impl Planner<'_> {
    /// The members of a group that [`Planner::group`] was told of; whether a member is in the target
    /// is known by now.
    pub(crate) fn members(&mut self, group: &SourceId, membership: Membership) {
        let Some(group) = self.groups.remove(group) else {
            return;
        };
        let Group {
            subject,
            target,
            shown,
        } = group;
        let Membership { members, sent } = membership;
        let mut wanted = BTreeMap::new();
        // By an incomplete reading nobody is taken out, so what was sent earlier counts as well.
        if self.incomplete.is_none() {
            self.memberships.settle(&subject.id);
        }
        for member in members {
            let (in_scope, target) = match self.news.get(&member.id) {
                Some(news) => match &news.here {
                    Here::Creating => (news.in_scope, None),
                    Here::Linked(target) => (news.in_scope, Some(target.clone())),
                    Here::No | Here::Deleting => (false, None),
                },
                None if member.target.is_some() => (member.in_scope, member.target),
                None => (false, None),
            };
            if in_scope {
                if self.job.one_group_each && member.kind == ObjectKind::User {
                    self.memberships.add(&subject.id, &member.id);
                }
                wanted.insert(member.id, target);
            }
        }
        let met: Vec<(SourceId, TargetId)> = wanted
            .iter()
            .filter_map(|(id, target)| Some((id.clone(), target.clone()?)))
            .filter(|(_, target)| shown.contains(target))
            .collect();
        if !met.is_empty() {
            self.met_members.push((subject.id.clone(), met));
        }
        let add: Vec<Referenced> = wanted
            .iter()
            .filter(|(id, target)| match (sent.get(id), target) {
                (None, None) => true,
                (None, Some(target)) => !shown.contains(target),
                (Some(sent), target) => Some(sent) != target.as_ref(),
            })
            .map(|(source, target)| Referenced {
                source: source.clone(),
                target: target.clone(),
            })
            .collect();
        let remove: Vec<(SourceId, TargetId)> = sent
            .into_iter()
            .filter(|(id, _)| !wanted.contains_key(id))
            .collect();
        if !add.is_empty() {
            self.rest.push(Action {
                subject: subject.clone(),
                target: target.clone(),
                operation: Operation::AddMembers { members: add },
            });
        }
        if let Some(target) = target
            && !remove.is_empty()
            && self.incomplete.is_none()
        {
            self.rest.push(Action {
                subject,
                target: Some(target),
                operation: Operation::RemoveMembers { members: remove },
            });
        }
    }
}

//! The members of groups: the source's compared with those last sent to the target, once it is known
//! who is in the target. They come one after another, so that a group of any size fits.

use std::collections::BTreeSet;

use super::fates::Fate;
use super::{Member, Planner, SentMember};
use crate::engine::job::Job;
use crate::engine::model::{Key, ObjectKind, TargetId, TargetPath};
use crate::engine::plan::{
    Action, Decision, Draft, Operation, Proof, Referenced, Skipped, Subject, Why, WhyLeft,
    WhyRemoved,
};

/// A group that stays or comes, with the members that must come and go.
#[derive(Debug)]
pub(super) struct Group {
    subject: Subject,
    /// `None`: this plan creates it.
    target: Option<TargetId>,
    /// Its create, until it has the member that the target requires.
    create: Option<Draft>,
    /// Members that the target showed at an adoption, in order.
    shown: Vec<Key>,
    existing: Vec<Key>,
    add: Vec<Referenced>,
    added_chunks: u32,
    remove: Vec<Referenced>,
    /// Those of them that are still members in the source.
    out_of_scope: BTreeSet<Key>,
    removed_chunks: u32,
    /// That its source was read completely.
    read: Option<Proof>,
    /// The group no longer belongs: all members leave.
    emptied: Option<(WhyRemoved, Proof)>,
}

impl Group {
    pub(super) fn emptied(subject: Subject, target: TargetId, why: (WhyRemoved, Proof)) -> Self {
        let mut group = Self::new(subject, Some(target), None);
        group.emptied = Some(why);
        group
    }

    pub(super) fn new(subject: Subject, target: Option<TargetId>, read: Option<Proof>) -> Self {
        Self {
            subject,
            target,
            create: None,
            shown: Vec::new(),
            existing: Vec::new(),
            add: Vec::new(),
            added_chunks: 0,
            remove: Vec::new(),
            out_of_scope: BTreeSet::new(),
            removed_chunks: 0,
            read,
            emptied: None,
        }
    }

    /// It is created once a member of it is known.
    pub(super) fn create_with_member(&mut self, create: Draft) {
        self.create = Some(create);
    }

    /// What removals of its members rest on.
    fn proof(&self) -> Option<Proof> {
        self.emptied.as_ref().map(|(_, proof)| *proof).or(self.read)
    }
}

impl Planner<'_> {
    /// The groups whose members must be compared, in the order of their keys.
    pub(crate) fn groups_to_compare(&self) -> Vec<Key> {
        self.groups.keys().copied().collect()
    }

    /// The members that the target showed of a group that is adopted.
    pub(crate) fn shown_members(&mut self, group: Key, mut members: Vec<Key>) {
        if let Some(group) = self.groups.get_mut(&group) {
            members.sort_unstable();
            group.shown = members;
        }
    }

    /// A member of a group, in the source or in the target. All members of one group come together.
    pub(crate) fn member(&mut self, group: Key, member: Member) {
        if self
            .group
            .as_ref()
            .is_none_or(|one| one.subject.key != group)
        {
            self.close_group();
            let Some(opened) = self.groups.remove(&group) else {
                return;
            };
            self.open(opened);
        }
        if self.handed_over.contains_key(&member.key) {
            return;
        }
        let is_emptied = self.group.as_ref().is_some_and(|one| one.emptied.is_some());
        let wanted = member.in_source
            && !is_emptied
            && match self.fates.of(member.key) {
                Some(Fate::Creating | Fate::Linked { in_scope: true }) => true,
                Some(Fate::Linked { in_scope: false } | Fate::Deleting) => false,
                None => member.in_scope,
            };
        // One that was sent stays as it is: a setting proves nothing about the group.
        if wanted && member.kind == ObjectKind::Group && !self.job.nested_members {
            self.left_out.entry(group).or_default().push(member.key);
            return;
        }
        if wanted && self.job.one_group_each && member.kind == ObjectKind::User {
            self.memberships.add(group, member.key);
        }
        let chunk = self.carrying.members;
        let is_there = member.sent == SentMember::Yes && !self.enabled.contains(&member.key);
        let Some(group) = &mut self.group else { return };
        let mut draft = None;
        if wanted && !is_there {
            if group.shown.binary_search(&member.key).is_ok() {
                group.existing.push(member.key);
            } else if member.kind == ObjectKind::User
                && let Some(create) = group.create.take()
            {
                draft = Some(with_member(create, path_of_members(self.job), member.key));
            } else {
                group.add.push(Referenced::to(member.key));
                if group.add.len() >= chunk && group.create.is_none() {
                    draft = group.add_chunk();
                }
            }
        } else if !wanted
            && !self.protected.contains(&member.key)
            && !self.found.contains(&group.subject.key)
            && member.sent != SentMember::No
            && group.target.is_some()
            && let Some(proof) = group.proof()
        {
            group.remove.push(Referenced::to(member.key));
            if member.in_source {
                group.out_of_scope.insert(member.key);
            }
            if group.remove.len() >= chunk {
                draft = group.remove_chunk(proof);
            }
        }
        if let Some(draft) = draft {
            self.act(draft);
        }
    }

    fn open(&mut self, group: Group) {
        // An incomplete reading removes no member, so what was sent earlier counts as well.
        if group.proof().is_some() {
            self.memberships.settle(group.subject.key);
        }
        self.group = Some(group);
    }

    /// All members of the last group were passed.
    pub(crate) fn close_group(&mut self) {
        let Some(mut group) = self.group.take() else {
            return;
        };
        if group.create.is_some() {
            self.decisions.push(Decision::Skip(Skipped {
                subject: group.subject,
                why: Why::NoMember,
            }));
            return;
        }
        if let Some(draft) = group.add_chunk() {
            self.act(draft);
        }
        if let Some(proof) = group.proof()
            && let Some(draft) = group.remove_chunk(proof)
        {
            self.act(draft);
        }
        if !group.existing.is_empty() {
            self.decisions.push(Decision::ExistingMembers {
                group: group.subject.key,
                members: group.existing,
            });
        }
    }

    /// Every group's members were passed: groups without any member are settled too.
    pub(crate) fn close_groups(&mut self) {
        self.close_group();
        while let Some((_, group)) = self.groups.pop_first() {
            self.open(group);
            self.close_group();
        }
    }
}

fn path_of_members(job: &Job) -> Option<TargetPath> {
    let mut mappings = job.groups.mappings.iter();
    let members = mappings.find(|mapping| mapping.target.is_members())?;
    Some(members.target.clone())
}

/// The create of a group that has a member from the beginning; the others are added after it.
fn with_member(mut create: Draft, path: Option<TargetPath>, member: Key) -> Draft {
    if let (Operation::Create { references, .. }, Some(path)) = (&mut create.action.operation, path)
    {
        references.push((path, Referenced::to(member)));
    }
    create
}

impl Group {
    /// The rank is the number of the chunk: the first chunks of all groups come before the second, so
    /// that requests to different groups run side by side.
    fn add_chunk(&mut self) -> Option<Draft> {
        if self.add.is_empty() {
            return None;
        }
        let members = std::mem::take(&mut self.add);
        let operation = Operation::AddMembers { members };
        let rank = self.added_chunks;
        self.added_chunks += 1;
        Some(Draft::new(self.action(operation), rank))
    }

    fn remove_chunk(&mut self, proof: Proof) -> Option<Draft> {
        if self.remove.is_empty() {
            return None;
        }
        let members = std::mem::take(&mut self.remove);
        let out_of_scope = std::mem::take(&mut self.out_of_scope);
        let why = match &self.emptied {
            Some((why, _)) => WhyLeft::Group(why.clone()),
            None => WhyLeft::Members { out_of_scope },
        };
        let operation = Operation::RemoveMembers {
            members,
            why,
            proof,
        };
        let rank = self.removed_chunks;
        self.removed_chunks += 1;
        Some(Draft::new(self.action(operation), rank))
    }

    fn action(&self, operation: Operation) -> Action {
        Action {
            subject: self.subject.clone(),
            target: self.target.clone(),
            operation,
        }
    }
}

//! The planner: what each object is, and what it should be, becomes an action, a skip or nothing. It
//! decides object by object and keeps nothing of an object that is decided but its fate, one byte.
//! This file is what the cycle sees: what it passes to the planner, in which order, and what it gets
//! back. The decision table is `Planner::begin`, in `objects`; everything else feeds it.

mod adopt;
mod fates;
mod hand_over;
mod members;
mod names;
mod objects;
mod parts;
mod readings;
mod references;
mod removals;
mod several;
mod unique;

use std::collections::{BTreeMap, BTreeSet};

use self::fates::{Fate, Fates};
use self::members::Group;
use self::names::Names;
pub(crate) use self::objects::Pending;
pub(super) use self::parts::whole_lists;
use self::readings::Proofs;
pub(crate) use self::readings::Readings;
use self::references::Late;
use self::several::Memberships;
use self::unique::TakenValue;
use super::proof::Proof;
use super::{
    Count, Decision, Draft, Header, Operation, RemovalClass, Skipped, Subject, Why, WhyOut,
    WhyRemoved,
};
use crate::engine::job::Job;
use crate::engine::mapping::Environment;
use crate::engine::model::{
    Complete, Grant, Key, Link, MatchKey, ObjectKind, SourceId, SourceObject, TargetId,
    TargetObject, TargetPath,
};
use crate::engine::names::Naming;
use crate::engine::scope::GroupAround;

/// A source object with everything that is known of it.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) object: SourceObject,
    pub(crate) grants: Vec<Grant>,
    /// Why assignments do not bring it into scope although there are some.
    pub(crate) without_effect: Option<WhyOut>,
    /// The groups that it is in, where the job's scoping filter asks for them.
    pub(crate) groups: Vec<GroupAround>,
    /// The object that its references lead to.
    pub(crate) manager: Option<Manager>,
    pub(crate) link: Option<Link>,
    /// Attributes that the target refused: they are sent by themselves, so that they keep nothing else out.
    pub(crate) withheld: BTreeSet<TargetPath>,
}

/// The object that a user's references lead to, with its link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manager {
    pub(crate) key: Key,
    pub(crate) id: SourceId,
    pub(crate) target: Option<TargetId>,
}

/// What looking for a candidate in the target gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    None,
    One {
        key: MatchKey,
        object: TargetObject,
        /// The source object that holds this target id already.
        linked_by: Option<Key>,
    },
    Several {
        key: MatchKey,
        targets: Vec<TargetId>,
    },
    /// Nothing by a matching value, but an account by an old address of the user.
    OldAddress {
        key: MatchKey,
        target: TargetId,
    },
    Failed(String),
}

/// What reading an account gave whose time has come to be deleted, some time after it was disabled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ripe {
    /// It is as we left it.
    Disabled,
    Enabled,
    /// Why it is not known.
    Unread(String),
}

/// What a target was sent of a membership. The last of two that differ counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SentMember {
    No,
    Yes,
    /// Sent, but some targets drop memberships of inactive users, and this one was.
    Dropped,
}

/// A member of a group, in the source or as last sent to the target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(crate) key: Key,
    pub(crate) kind: ObjectKind,
    /// A member in the source.
    pub(crate) in_source: bool,
    /// A member in the target, as far as we know.
    pub(crate) sent: SentMember,
    /// Linked, and in scope when it was last evaluated before this cycle.
    pub(crate) in_scope: bool,
}

/// How the source was read.
#[derive(Clone, Debug)]
pub(crate) enum Reading {
    Complete(Complete<()>),
    /// Why it is not complete: nothing is removed because of what is not in it.
    Incomplete(String),
}

impl Reading {
    /// Of two parts; both must be complete.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Complete(_), other) => other,
            (one, Self::Complete(_)) => one,
            (Self::Incomplete(one), Self::Incomplete(other)) => {
                Self::Incomplete(format!("{one}; {other}"))
            }
        }
    }
}

/// How members are sent.
struct Carrying {
    /// That one request carries.
    members: usize,
    /// The target takes no group without members.
    with_group: bool,
}

pub(crate) struct Planner<'a> {
    job: &'a Job,
    environment: Environment<'a>,
    readings: Proofs,
    /// Lists of names of which one means nothing, with what to do; who may be out of scope only for
    /// that is not removed.
    doubts: BTreeMap<Naming, String>,
    /// Unassigned objects are listed as skipped too, when one object is requested.
    lists_unassigned: bool,
    /// No cycle of the job has completed yet: removals are postponed.
    is_first: bool,
    /// Objects that are never removed (`never_disable`).
    protected: BTreeSet<Key>,
    /// Objects whose target object was there before, where such are never removed (`only_created`).
    found: BTreeSet<Key>,
    deletes: Deletes,
    /// Users whose accounts are due to be deleted.
    ripe: BTreeMap<Key, Ripe>,
    carrying: Carrying,
    decisions: Vec<Decision>,
    /// Of the objects that are decided now: creates are carried out in this order.
    rank: u32,
    fates: Fates,
    /// Users who are active again: their memberships are sent again.
    enabled: BTreeSet<Key>,
    /// Objects whose references run in a circle, see [`super::Order`].
    circular: BTreeSet<Key>,
    /// References to such objects, settled when all are decided.
    late: Vec<Late>,
    /// The group whose members are compared now.
    group: Option<Group>,
    /// Groups that stay or come, until their members are compared.
    groups: BTreeMap<Key, Group>,
    /// Groups, each with the groups in it that the target does not take as members.
    left_out: BTreeMap<Key, Vec<Key>>,
    /// Filled only where the job warns of people in several groups.
    memberships: Memberships,
    /// By kind and [`TargetId::digest`].
    adopted: BTreeMap<(ObjectKind, u128), Key>,
    /// Who loses an account to a newcomer, and which: leaving its groups and references is part of that.
    handed_over: BTreeMap<Key, TargetId>,
    /// Creates by a fingerprint of their first matching value.
    first_keys: BTreeMap<u128, Key>,
    taken: BTreeSet<TakenValue>,
    names: Names,
    /// Whether the job had any link before.
    has_links: bool,
    /// Objects that were found to be another's; decided once it is known what becomes of those.
    put_off: BTreeSet<Key>,
    look: Look,
    in_scope: Count,
    evaluated: Count,
    tally: Tally,
}

/// Which objects are decided now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    First,
    /// Those that were put off.
    Second,
}

/// Whether deletes may be sent at this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deletes {
    Go,
    Wait,
}

/// What the plan makes of the number of links in scope.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    leaving: Count,
    coming: Count,
    joining: Count,
}

impl<'a> Planner<'a> {
    pub(crate) fn new(
        job: &'a Job,
        environment: Environment<'a>,
        readings: impl Into<Readings>,
        member_chunk: usize,
    ) -> Self {
        Self {
            job,
            environment,
            readings: Proofs::of(readings.into()),
            doubts: BTreeMap::new(),
            lists_unassigned: false,
            is_first: false,
            protected: BTreeSet::new(),
            found: BTreeSet::new(),
            deletes: Deletes::Go,
            ripe: BTreeMap::new(),
            carrying: Carrying {
                members: member_chunk.max(1),
                with_group: false,
            },
            decisions: Vec::new(),
            rank: 0,
            fates: Fates::default(),
            enabled: BTreeSet::new(),
            circular: BTreeSet::new(),
            late: Vec::new(),
            group: None,
            groups: BTreeMap::new(),
            left_out: BTreeMap::new(),
            memberships: Memberships::default(),
            adopted: BTreeMap::new(),
            handed_over: BTreeMap::new(),
            first_keys: BTreeMap::new(),
            taken: BTreeSet::new(),
            names: Names::default(),
            has_links: true,
            put_off: BTreeSet::new(),
            look: Look::First,
            in_scope: Count::default(),
            evaluated: Count::default(),
            tally: Tally::default(),
        }
    }

    /// Groups are created with a member, where the target takes none without.
    pub(crate) fn creating_with_member(mut self, yes: bool) -> Self {
        self.carrying.with_group = yes;
        self
    }

    /// With lists in doubt, who may have left the scope only for a name in them is not removed;
    /// objects that go for another reason are.
    pub(crate) fn doubting(mut self, lists: BTreeMap<Naming, String>) -> Self {
        self.doubts = lists;
        self
    }

    /// Until one cycle of the job has completed nothing is removed, but for the access of users who were
    /// read as blocked or deleted.
    pub(crate) fn postponing_removals(mut self, is_first: bool) -> Self {
        self.is_first = is_first;
        self
    }

    /// As if what the state has had just been read completely. For explanations, of which no row is made
    /// (`tests/it/tidy.rs`).
    pub(crate) fn supposing_a_reading(mut self) -> Self {
        self.readings.suppose();
        self
    }

    /// Nothing is taken away from these.
    pub(crate) fn protecting(mut self, protected: BTreeSet<Key>) -> Self {
        self.protected = protected;
        self
    }

    /// Nor from these, whose target object was there before.
    pub(crate) fn keeping_found(mut self, found: BTreeSet<Key>) -> Self {
        self.found = found;
        self
    }

    /// Whether deletes may be sent at this time; where not, they are postponed.
    pub(crate) fn deleting(mut self, may_delete: bool) -> Self {
        self.deletes = if may_delete {
            Deletes::Go
        } else {
            Deletes::Wait
        };
        self
    }

    /// Accounts whose time has come to be deleted, called before their users are decided.
    pub(crate) fn ripen(&mut self, ripe: BTreeMap<Key, Ripe>) {
        self.ripe.extend(ripe);
    }

    /// Why nothing is taken away from an object.
    fn protection(&self, key: Key) -> Option<Why> {
        if self.protected.contains(&key) {
            Some(Why::NeverDisabled)
        } else if self.found.contains(&key) {
            Some(Why::NotCreatedHere)
        } else {
            None
        }
    }

    pub(crate) fn listing_unassigned(mut self) -> Self {
        self.lists_unassigned = true;
        self
    }

    /// The job has no link yet.
    pub(crate) fn without_links(mut self) -> Self {
        self.has_links = false;
        self
    }

    /// Objects of this kind whose match is another's account, which may give up the name in this plan: they
    /// are looked for once more when all others are decided. Called once for each kind, before that.
    pub(crate) fn second_look(&mut self) -> Vec<Key> {
        self.look = Look::Second;
        self.put_off.iter().copied().collect()
    }

    pub(crate) fn is_second_look(&self) -> bool {
        self.look == Look::Second
    }

    /// The second look is over.
    pub(crate) fn end_second_look(&mut self) {
        self.look = Look::First;
        self.put_off.clear();
    }

    /// The objects whose references run in a circle; called before the first of them is decided.
    pub(crate) fn circular(&mut self, keys: BTreeSet<Key>) {
        self.circular = keys;
    }

    /// The rank of the objects that are decided next, see [`super::Order`]. It never falls.
    pub(crate) fn rank(&mut self, rank: u32) {
        self.rank = rank;
    }

    /// What was decided since the last call.
    pub(crate) fn take(&mut self) -> Vec<Decision> {
        std::mem::take(&mut self.decisions)
    }

    /// How many decisions [`Planner::take`] would give.
    pub(crate) fn pending_decisions(&self) -> usize {
        self.decisions.len()
    }

    /// Objects that this plan brings into the target, takes out of scope, enables or deletes: the groups
    /// they are in and the people they manage must be looked at too.
    pub(crate) fn moved(&self) -> Vec<Key> {
        let enabled = self.enabled.iter().copied();
        let moved: BTreeSet<Key> = self.fates.keys().chain(enabled).collect();
        moved.into_iter().collect()
    }

    /// Groups, each with the groups in it that are left out.
    pub(crate) fn left_out_members(&self) -> &BTreeMap<Key, Vec<Key>> {
        &self.left_out
    }

    /// The source object for which this plan adopts a target object.
    pub(crate) fn adopted_by(&self, kind: ObjectKind, target: &TargetId) -> Option<Key> {
        self.adopted.get(&(kind, target.digest())).copied()
    }

    fn note_adopted(&mut self, object: &SourceObject, target: &TargetId) {
        let target = (object.kind, target.digest());
        self.adopted.insert(target, object.key);
    }

    /// What holds for the plan as a whole, once everything is decided: `linked` counts the links that
    /// the job has, and `in_scope` those of them that were in scope.
    pub(crate) fn finish(&mut self, linked: Count, in_scope: Count) -> Header {
        self.settle_late_references();
        self.settle_names();
        let Tally {
            leaving,
            coming,
            joining,
        } = self.tally;
        let after = |before: u64, leaving: u64, new: u64| before.saturating_sub(leaving) + new;
        let scope_after = Count {
            users: after(in_scope.users, leaving.users, coming.users + joining.users),
            groups: after(
                in_scope.groups,
                leaving.groups,
                coming.groups + joining.groups,
            ),
        };
        let incomplete = self.readings.incomplete();
        let complete = incomplete.is_none();
        let doubts: Vec<String> = incomplete
            .into_iter()
            .chain(self.doubts.values().cloned())
            .collect();
        Header {
            evaluated: self.evaluated,
            in_scope: self.in_scope,
            linked,
            scope_before: in_scope,
            scope_after,
            incomplete: (!doubts.is_empty()).then(|| doubts.join("; ")),
            complete,
            application_changed: false,
            strangers: None,
            staged: None,
            misnamed: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The proof that a removal for this reason needs; `None`: it is postponed.
    fn proof(&self, object: &SourceObject, why: &WhyRemoved) -> Option<Proof> {
        match why {
            WhyRemoved::Blocked | WhyRemoved::SoftDeleted | WhyRemoved::Deleted => {
                Proof::of_object(object)
            }
            WhyRemoved::OutOfScope(_) | WhyRemoved::Missing | WhyRemoved::Mapping => {
                self.readings.of_source(object.source)
            }
        }
    }

    fn act(&mut self, draft: Draft) {
        if let Some(class) = draft.class
            && self.is_first
            && !may_go_at_once(class, &draft.action.operation)
        {
            let subject = draft.action.subject;
            self.decisions.push(Decision::Postpone(subject.key));
            self.decisions.push(Decision::Skip(Skipped {
                subject,
                why: Why::FirstCycle(class),
            }));
            return;
        }
        self.decisions.push(Decision::Act(draft));
    }

    /// What the target holds of an object is not known, so that nothing is decided about it.
    pub(crate) fn unsettled(&mut self, object: &SourceObject, why: Why) {
        self.evaluated.add(object.kind);
        self.skip(object, why);
    }

    fn skip(&mut self, object: &SourceObject, why: Why) {
        self.decisions.push(Decision::Skip(Skipped {
            subject: Subject::of(object),
            why,
        }));
    }
}

/// Whether a removal is carried out although no cycle of the job has completed.
fn may_go_at_once(class: RemovalClass, operation: &Operation) -> bool {
    class == RemovalClass::Certain && matches!(operation, Operation::Disable { .. })
}

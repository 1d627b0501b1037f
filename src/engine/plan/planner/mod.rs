//! The planner: what each object is, beside what it should be, becomes an action, a skip or nothing.
//! This file is what the cycle sees: what it tells the planner, in which order, and what it gets
//! back. The decision table is `Planner::object`, in `objects`; everything else feeds it.

mod members;
mod objects;
mod references;
mod several;
mod unique;

use std::collections::{BTreeMap, BTreeSet};

use self::members::Group;
use self::objects::Standing;
use self::references::Reference;
use self::several::Memberships;
use self::unique::TakenValue;
use super::order::in_order_of_reference;
use super::{Action, Count, Plan, Skipped, Subject, Why, WhyOut, WhyRemoved};
use crate::engine::job::Job;
use crate::engine::mapping::{Environment, Mapped, Unique};
use crate::engine::model::{
    Grant, Intent, Link, MatchKey, ObjectKind, SourceId, SourceObject, TargetId, TargetObject,
    TargetPath,
};
use crate::engine::names::Naming;
use crate::engine::redact::Redactions;
use crate::engine::scope::{self, GroupAround};

/// A source object with everything that is known of it.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) object: SourceObject,
    pub(crate) grants: Vec<Grant>,
    /// Why assignments do not bring it into scope although there are some.
    pub(crate) without_effect: Option<WhyOut>,
    /// The groups that it is in, where the job's scoping filter asks for them.
    pub(crate) groups: Vec<GroupAround>,
    pub(crate) link: Option<Link>,
    pub(crate) intent: Option<Intent>,
}

/// What looking for a candidate in the target gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing was looked for: linked, out of scope, or without a matching value.
    NotLooked,
    None,
    One {
        key: MatchKey,
        object: TargetObject,
        /// The source object that holds this target id already.
        linked_by: Option<SourceId>,
    },
    Several {
        key: MatchKey,
        targets: Vec<TargetId>,
    },
    Failed(String),
}

/// The members of one group, in the source and as last told to the target.
#[derive(Clone, Debug, Default)]
pub(crate) struct Membership {
    pub(crate) members: Vec<Member>,
    pub(crate) sent: BTreeMap<SourceId, TargetId>,
}

/// A member with its link, when it has one.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) kind: ObjectKind,
    pub(crate) id: SourceId,
    pub(crate) target: Option<TargetId>,
    /// As of its last evaluation before this cycle.
    pub(crate) in_scope: bool,
}

/// A plan with what recording it needs beside the outcomes.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) plan: Plan,
    /// Links whose scope verdict is another than last time.
    pub(crate) scope_changes: Vec<(ObjectKind, SourceId, bool)>,
    /// Members that adopted groups turned out to have already, to be recorded with the adoption.
    pub(crate) met_members: Vec<(SourceId, Vec<(SourceId, TargetId)>)>,
    /// Links that keep their verdict of last time until a name in doubt is mended.
    pub(crate) waiting: BTreeSet<(ObjectKind, SourceId)>,
    /// Whether every removal was derived that the source has reason for, but for those waiting.
    pub(crate) complete: bool,
}

pub(crate) struct Planner<'a> {
    job: &'a Job,
    environment: Environment<'a>,
    incomplete: Option<String>,
    /// Lists of names of which one means nothing, with what to do; who may be out of scope only for
    /// that is not removed.
    doubts: BTreeMap<Naming, String>,
    /// Says of unassigned objects too that they are skipped, when somebody asks about one object.
    tells_unassigned: bool,
    updates: Vec<Action>,
    creates: Vec<Action>,
    rest: Vec<Action>,
    skipped: Vec<Skipped>,
    references: Vec<Reference>,
    /// What this plan changes about who is in the target.
    news: BTreeMap<SourceId, News>,
    groups: BTreeMap<SourceId, Group>,
    /// Filled only where the job warns of people in several groups.
    memberships: Memberships,
    adopted: BTreeMap<TargetId, SourceId>,
    first_keys: BTreeMap<(ObjectKind, TargetPath, String), SourceId>,
    taken: BTreeSet<TakenValue>,
    scope_changes: Vec<(ObjectKind, SourceId, bool)>,
    met_members: Vec<(SourceId, Vec<(SourceId, TargetId)>)>,
    waiting: BTreeSet<(ObjectKind, SourceId)>,
    in_scope: Count,
    evaluated: Count,
}

/// What becomes of an object by this plan.
#[derive(Clone, Debug, Default)]
struct News {
    in_scope: bool,
    here: Here,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Here {
    #[default]
    No,
    Linked(TargetId),
    Creating,
    Deleting,
}

impl<'a> Planner<'a> {
    /// `incomplete` says why the source was not read completely; nothing is removed then.
    pub(crate) fn new(
        job: &'a Job,
        environment: Environment<'a>,
        incomplete: Option<String>,
    ) -> Self {
        Self {
            job,
            environment,
            incomplete,
            doubts: BTreeMap::new(),
            tells_unassigned: false,
            updates: Vec::new(),
            creates: Vec::new(),
            rest: Vec::new(),
            skipped: Vec::new(),
            references: Vec::new(),
            news: BTreeMap::new(),
            groups: BTreeMap::new(),
            memberships: Memberships::default(),
            adopted: BTreeMap::new(),
            first_keys: BTreeMap::new(),
            taken: BTreeSet::new(),
            scope_changes: Vec::new(),
            met_members: Vec::new(),
            waiting: BTreeSet::new(),
            in_scope: Count::default(),
            evaluated: Count::default(),
        }
    }

    /// With lists in doubt, who may have left the scope only for a name in them is not removed;
    /// whoever goes for another reason is.
    pub(crate) fn doubting(mut self, lists: BTreeMap<Naming, String>) -> Self {
        self.doubts = lists;
        self
    }

    /// Whether a name in doubt, or a property that was not read, may be all that keeps such an object
    /// out of scope.
    fn hangs_on_doubt(&self, kind: ObjectKind, why: &WhyOut) -> bool {
        let list = scope::list_behind(self.job, kind, why);
        *why == WhyOut::SecurityNotRead || list.is_some_and(|list| self.doubts.contains_key(&list))
    }

    /// Whether an object that goes for this reason must wait until more is known.
    fn waits(&self, kind: ObjectKind, why: &WhyRemoved) -> bool {
        let for_scope = match why {
            WhyRemoved::OutOfScope(why) => self.hangs_on_doubt(kind, why),
            WhyRemoved::Blocked | WhyRemoved::SoftDeleted | WhyRemoved::Deleted => false,
        };
        for_scope || self.incomplete.is_some()
    }

    pub(crate) fn telling_unassigned(mut self) -> Self {
        self.tells_unassigned = true;
        self
    }

    /// The keys to look for in the target before [`Planner::user`] or [`Planner::group`] is told;
    /// none when nothing needs to be looked for. Those of an interrupted create come first: they say
    /// what was really sent.
    pub(crate) fn keys(&self, candidate: &Candidate) -> Vec<MatchKey> {
        let Candidate {
            object,
            grants,
            without_effect: _,
            groups: _,
            link,
            intent,
        } = candidate;
        if link.is_some() || !matches!(self.standing(candidate), Standing::Active) {
            return Vec::new();
        }
        let Ok(Mapped::Desired(desired)) = self.desired(object, grants, false, Unique::Keep) else {
            return Vec::new();
        };
        let mut keys = intent.clone().unwrap_or_default().keys;
        for key in desired.keys {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    }

    pub(crate) fn user(&mut self, candidate: &Candidate, found: Found) {
        self.object(candidate, found);
    }

    /// A group, after all users; its members follow once all groups are known, because a group may
    /// be a member too.
    pub(crate) fn group(&mut self, candidate: &Candidate, found: Found) {
        let shown = match &found {
            Found::One { object, .. } => object.members.clone().unwrap_or_default(),
            Found::NotLooked | Found::None | Found::Several { .. } | Found::Failed(_) => Vec::new(),
        };
        let here = self.object(candidate, found);
        let rules = &self.job.groups;
        let mut mappings = rules.mappings.iter();
        if !mappings.any(|mapping| mapping.target.is_members()) {
            return;
        }
        let target = match here {
            Here::Linked(target) if rules.actions.update => Some(target),
            Here::Creating => None,
            Here::Deleting => {
                self.memberships.settle(&candidate.object.id);
                return;
            }
            Here::No | Here::Linked(_) => return,
        };
        let group = Group {
            subject: subject_of(&candidate.object),
            target,
            shown,
        };
        self.groups.insert(candidate.object.id.clone(), group);
    }

    /// Objects that this plan brings into the target, takes out of scope, or deletes: the groups
    /// they are in and the people they manage must be looked at too.
    pub(crate) fn moved(&self) -> BTreeSet<SourceId> {
        self.news.keys().cloned().collect()
    }

    /// The whole plan, in order. `links` holds the target ids of [`Planner::referenced`]; `linked`
    /// counts the links that the job has, and `in_scope` those of them that were in scope.
    pub(crate) fn finish(
        mut self,
        links: &BTreeMap<SourceId, TargetId>,
        linked: Count,
        in_scope: Count,
    ) -> Planned {
        let leaving = self
            .scope_changes
            .iter()
            .filter(|(_, _, comes)| !comes)
            .count() as u64;
        let coming = self.scope_changes.len() as u64 - leaving;
        // Who waits for a name is not among those leaving; by an incomplete reading everybody waits.
        let is_waiting = |skipped: &&Skipped| matches!(skipped.why, Why::IncompleteRead(_));
        let waiting = match &self.incomplete {
            Some(_) => self.skipped.iter().filter(is_waiting).count() as u64,
            None => 0,
        };
        let leaving = leaving.saturating_sub(waiting);
        let joining = (self.creates.len() + self.adopted.len()) as u64;
        let stays_in_scope = in_scope.total().saturating_sub(leaving) + coming + joining;
        self.settle_references(links);
        let creates = in_order_of_reference(std::mem::take(&mut self.creates), &mut self.rest);
        let mut actions = self.updates;
        actions.extend(creates);
        actions.extend(self.rest);
        let mut plan = Plan::new(
            self.job.name.clone(),
            Redactions::of(self.job),
            actions,
            self.skipped,
        );
        plan.in_scope = self.in_scope;
        plan.scope_before = in_scope.total();
        plan.scope_after = stays_in_scope;
        plan.evaluated = self.evaluated;
        plan.linked = linked;
        let complete = self.incomplete.is_none();
        let doubts: Vec<String> = self
            .incomplete
            .into_iter()
            .chain(self.doubts.into_values())
            .collect();
        plan.incomplete = (!doubts.is_empty()).then(|| doubts.join("; "));
        Planned {
            plan,
            scope_changes: self.scope_changes,
            met_members: self.met_members,
            waiting: self.waiting,
            complete,
        }
    }
}

fn subject_of(object: &SourceObject) -> Subject {
    Subject {
        kind: object.kind,
        id: object.id.clone(),
        label: object.label().to_owned(),
    }
}

//! The planner: what each object is, beside what it should be, becomes an action, a skip or nothing.
//! The decision table is `Planner::object`; everything else feeds it.

use std::collections::{BTreeMap, BTreeSet};

use super::difference::{changes, fold_case};
use super::order::in_order_of_reference;
use super::{
    Action, Change, Count, Plan, Referenced, Skipped, Subject, Verb, Why, WhyOut, WhyRemoved,
};
use crate::engine::job::{Job, WhenOutOfScope};
use crate::engine::mapping::{self, Desired, Mapped, World, reads_soft_deleted};
use crate::engine::model::{
    Grant, Intent, Link, MatchKey, ObjectKind, Presence, SourceId, SourceObject, TargetId,
    TargetObject, TargetPath, Value,
};
use crate::engine::scope::{self, GroupAround};

/// A source object with everything that is known of it.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) object: SourceObject,
    pub(crate) grants: Vec<Grant>,
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
}

pub(crate) struct Planner<'a> {
    job: &'a Job,
    world: World<'a>,
    incomplete: Option<String>,
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
    adopted: BTreeMap<TargetId, SourceId>,
    first_keys: BTreeMap<(ObjectKind, TargetPath, String), SourceId>,
    scope_changes: Vec<(ObjectKind, SourceId, bool)>,
    met_members: Vec<(SourceId, Vec<(SourceId, TargetId)>)>,
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

/// A group that stays or comes, waiting for its members.
struct Group {
    subject: Subject,
    /// `None`: this plan creates it.
    target: Option<TargetId>,
    /// Members that the target showed at an adoption.
    shown: Vec<TargetId>,
}

/// A reference that is settled once it is known who is in the target.
struct Reference {
    subject: Subject,
    here: Here,
    path: TargetPath,
    current: Current,
    desired: Option<SourceId>,
}

enum Current {
    /// As we sent it.
    Sent(Option<SourceId>),
    /// As the target shows it, at an adoption.
    Shown(Option<TargetId>),
}

/// Where an object stands in the source.
enum Standing {
    Active,
    /// In scope, but sign-in is blocked.
    Blocked,
    Leaving(WhyRemoved),
    /// Deleted for good.
    Gone,
}

impl<'a> Planner<'a> {
    /// `incomplete` says why the source was not read completely; nothing is removed then.
    pub(crate) fn new(job: &'a Job, world: World<'a>, incomplete: Option<String>) -> Self {
        Self {
            job,
            world,
            incomplete,
            tells_unassigned: false,
            updates: Vec::new(),
            creates: Vec::new(),
            rest: Vec::new(),
            skipped: Vec::new(),
            references: Vec::new(),
            news: BTreeMap::new(),
            groups: BTreeMap::new(),
            adopted: BTreeMap::new(),
            first_keys: BTreeMap::new(),
            scope_changes: Vec::new(),
            met_members: Vec::new(),
            in_scope: Count::default(),
            evaluated: Count::default(),
        }
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
            groups: _,
            link,
            intent,
        } = candidate;
        if link.is_some() || !matches!(self.standing(candidate), Standing::Active) {
            return Vec::new();
        }
        let Ok(Mapped::Desired(desired)) = self.desired(object, grants, false) else {
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
            Here::No | Here::Linked(_) | Here::Deleting => return,
        };
        let group = Group {
            subject: subject_of(&candidate.object),
            target,
            shown,
        };
        self.groups.insert(candidate.object.id.clone(), group);
    }

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
            self.rest.push(Action::AddMembers {
                group: subject.clone(),
                target: target.clone(),
                members: add,
            });
        }
        if let Some(target) = target
            && !remove.is_empty()
            && self.incomplete.is_none()
        {
            self.rest.push(Action::RemoveMembers {
                group: subject,
                target,
                members: remove,
            });
        }
    }

    /// Objects that this plan brings into the target, takes out of scope, or deletes: the groups
    /// they are in and the people they manage must be looked at too.
    pub(crate) fn moved(&self) -> BTreeSet<SourceId> {
        self.news.keys().cloned().collect()
    }

    /// Every object that some reference names, so that its link can be handed to
    /// [`Planner::finish`].
    pub(crate) fn referenced(&self) -> BTreeSet<SourceId> {
        let desired = self
            .references
            .iter()
            .filter_map(|reference| reference.desired.clone());
        desired.collect()
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
        let joining = (self.creates.len() + self.adopted.len()) as u64;
        let stays_in_scope = in_scope.total().saturating_sub(leaving) + coming + joining;
        self.settle_references(links);
        let creates = in_order_of_reference(std::mem::take(&mut self.creates), &mut self.rest);
        let mut actions = self.updates;
        actions.extend(creates);
        actions.extend(self.rest);
        let mut plan = Plan::new(self.job.name.clone(), actions, self.skipped);
        plan.in_scope = self.in_scope;
        plan.scope_before = in_scope.total();
        plan.scope_after = stays_in_scope;
        plan.evaluated = self.evaluated;
        plan.linked = linked;
        plan.incomplete = self.incomplete;
        Planned {
            plan,
            scope_changes: self.scope_changes,
            met_members: self.met_members,
        }
    }

    fn standing(&self, candidate: &Candidate) -> Standing {
        let Candidate {
            object,
            grants,
            groups,
            link: _,
            intent: _,
        } = candidate;
        match object.presence {
            Presence::Deleted => return Standing::Gone,
            Presence::SoftDeleted => return Standing::Leaving(WhyRemoved::SoftDeleted),
            Presence::Present => {}
        }
        if let Err(why) = scope::judge(self.job, object, grants, groups) {
            return Standing::Leaving(WhyRemoved::OutOfScope(why));
        }
        match object.attributes.value("accountEnabled") {
            Some(Value::Boolean(false)) if object.kind == ObjectKind::User => Standing::Blocked,
            _ => Standing::Active,
        }
    }

    fn desired(
        &self,
        object: &SourceObject,
        grants: &[Grant],
        soft_deleted: bool,
    ) -> Result<Mapped, Vec<mapping::AttributeError>> {
        let roles = scope::roles_of(grants);
        let subject = mapping::Subject::new(object, &roles, soft_deleted);
        mapping::desired(&self.job.rules(object.kind).mappings, &subject, self.world)
    }

    /// The decision table: where the object stands in the source, beside what is known of it in
    /// the target.
    fn object(&mut self, candidate: &Candidate, found: Found) -> Here {
        let Candidate {
            object,
            grants,
            groups: _,
            link,
            intent: _,
        } = candidate;
        let standing = self.standing(candidate);
        self.evaluated.add(object.kind);
        let in_scope = matches!(standing, Standing::Active | Standing::Blocked);
        if in_scope {
            self.in_scope.add(object.kind);
        }
        if let Some(link) = link
            && link.in_scope != in_scope
        {
            let change = (object.kind, object.id.clone(), in_scope);
            self.scope_changes.push(change);
            self.tell(object, in_scope, Here::Linked(link.target.clone()));
        }
        match (standing, link) {
            (Standing::Active, Some(link)) => self.compare(object, grants, link, false),
            (Standing::Blocked, Some(link)) => self.compare(object, grants, link, true),
            (Standing::Active, None) => self.meet(object, grants, found),
            (Standing::Blocked, None) => self.skip(object, Why::BlockedNotCreated),
            (Standing::Leaving(why), Some(link)) => self.leave(object, link, why),
            (Standing::Leaving(WhyRemoved::OutOfScope(WhyOut::NotAssigned)), None)
                if !self.tells_unassigned =>
            {
                Here::No
            }
            (Standing::Leaving(WhyRemoved::OutOfScope(why)), None) => {
                self.skip(object, Why::OutOfScope(why))
            }
            (Standing::Gone, Some(link)) => {
                let rules = self.job.rules(object.kind);
                if rules.actions.delete && rules.when_out_of_scope != WhenOutOfScope::Keep {
                    self.delete(object, link, WhyRemoved::Deleted)
                } else {
                    self.leave(object, link, WhyRemoved::Deleted)
                }
            }
            (
                Standing::Leaving(
                    WhyRemoved::SoftDeleted | WhyRemoved::Deleted | WhyRemoved::Blocked,
                )
                | Standing::Gone,
                None,
            ) => Here::No,
        }
    }

    fn tell(&mut self, object: &SourceObject, in_scope: bool, here: Here) {
        self.news.insert(object.id.clone(), News { in_scope, here });
    }

    fn skip(&mut self, object: &SourceObject, why: Why) -> Here {
        self.skipped.push(Skipped {
            subject: subject_of(object),
            why,
        });
        Here::No
    }

    /// Linked and in scope: what we sent beside what should be there.
    fn compare(
        &mut self,
        object: &SourceObject,
        grants: &[Grant],
        link: &Link,
        blocked: bool,
    ) -> Here {
        let here = Here::Linked(link.target.clone());
        let desired = match self.desired(object, grants, blocked) {
            Ok(Mapped::Desired(desired)) => desired,
            Ok(Mapped::IgnoreObject) => {
                self.skip(object, Why::IgnoredByMapping);
                return here;
            }
            Err(errors) => {
                self.skip(object, Why::MappingFailed(errors));
                return here;
            }
        };
        let changes = changes(&link.sent, &desired.values);
        if !self.job.rules(object.kind).actions.update {
            if !changes.is_empty() {
                self.skip(object, Why::NotAllowed(Verb::Update));
            }
            return here;
        }
        self.update(
            object,
            link,
            changes,
            blocked.then_some(WhyRemoved::Blocked),
        );
        for (path, desired) in desired.references {
            let current = match link.sent.get(&path) {
                Some(Value::Reference(source)) => Some(source.clone()),
                _ => None,
            };
            if current != desired {
                self.references.push(Reference {
                    subject: subject_of(object),
                    here: here.clone(),
                    path,
                    current: Current::Sent(current),
                    desired,
                });
            }
        }
        here
    }

    /// An update, or what it amounts to: a disable or an enable.
    fn update(
        &mut self,
        object: &SourceObject,
        link: &Link,
        changes: Vec<Change>,
        leaving: Option<WhyRemoved>,
    ) {
        if changes.is_empty() {
            return;
        }
        let subject = subject_of(object);
        let target = link.target.clone();
        let mappings = &self.job.rules(object.kind).mappings;
        let carries_state = |change: &&Change| {
            change.path.is_active()
                || mappings
                    .iter()
                    .any(|mapping| mapping.target == change.path && reads_soft_deleted(mapping))
        };
        let Some(state) = changes.iter().find(carries_state) else {
            self.updates.push(Action::Update {
                subject,
                target,
                changes,
            });
            return;
        };
        let disables = match (&state.new, state.path.is_active()) {
            (Some(Value::Boolean(active)), true) => !active,
            _ => leaving.is_some(),
        };
        if !disables {
            self.updates.push(Action::Enable {
                subject,
                target,
                changes,
            });
            return;
        }
        let why = leaving.unwrap_or(WhyRemoved::Blocked);
        if self.incomplete.is_some() {
            self.skip(object, Why::IncompleteRead(why));
            return;
        }
        self.rest.push(Action::Disable {
            subject,
            target,
            changes,
            why,
        });
    }

    /// In scope and not linked: what the look-up found decides.
    fn meet(&mut self, object: &SourceObject, grants: &[Grant], found: Found) -> Here {
        let desired = match self.desired(object, grants, false) {
            Ok(Mapped::Desired(desired)) => desired,
            Ok(Mapped::IgnoreObject) => return self.skip(object, Why::IgnoredByMapping),
            Err(errors) => return self.skip(object, Why::MappingFailed(errors)),
        };
        let Some(first_key) = desired.keys.first() else {
            return self.skip(object, Why::NoMatchingValue);
        };
        match found {
            Found::NotLooked => self.skip(object, Why::NoMatchingValue),
            Found::Failed(words) => self.skip(object, Why::LookupFailed(words)),
            Found::Several { key, targets } => self.skip(object, Why::Ambiguous { key, targets }),
            Found::One {
                key,
                object: target,
                linked_by,
            } => {
                let holder = linked_by.or_else(|| self.adopted.get(&target.id).cloned());
                match holder.filter(|holder| *holder != object.id) {
                    Some(by) => {
                        let target = target.id;
                        self.skip(object, Why::Taken { key, target, by })
                    }
                    None => self.adopt(object, grants, desired, key, target),
                }
            }
            Found::None => {
                let text = match &first_key.value {
                    Value::Text(text) => text.to_lowercase(),
                    other => format!("{other:?}"),
                };
                let shared = (object.kind, first_key.path.clone(), text);
                if let Some(other) = self.first_keys.get(&shared) {
                    let (key, other) = (first_key.clone(), other.clone());
                    return self.skip(object, Why::DuplicateSource { key, other });
                }
                self.first_keys.insert(shared, object.id.clone());
                self.create(object, grants, desired)
            }
        }
    }

    fn create(&mut self, object: &SourceObject, grants: &[Grant], desired: Desired) -> Here {
        if !self.job.rules(object.kind).actions.create {
            return self.skip(object, Why::NotAllowed(Verb::Create));
        }
        let subject = subject_of(object);
        let values = desired.values.into_iter();
        let mut attributes: BTreeMap<TargetPath, Value> = values
            .filter_map(|(path, value)| Some((path, value?)))
            .collect();
        attributes.extend(desired.on_create);
        for (path, source) in desired.references {
            self.references.push(Reference {
                subject: subject.clone(),
                here: Here::Creating,
                path,
                current: Current::Sent(None),
                desired: source,
            });
        }
        self.tell(object, true, Here::Creating);
        self.creates.push(Action::Create {
            subject,
            attributes,
            references: Vec::new(),
            keys: desired.keys,
            via: scope::ways_of(grants),
        });
        Here::Creating
    }

    fn adopt(
        &mut self,
        object: &SourceObject,
        grants: &[Grant],
        desired: Desired,
        key: MatchKey,
        found: TargetObject,
    ) -> Here {
        let TargetObject {
            id: target,
            attributes: mut current,
            members: _,
        } = found;
        let subject = subject_of(object);
        let here = Here::Linked(target.clone());
        for (path, source) in desired.references {
            let shown = match current.remove(&path) {
                Some(Value::Text(id)) => Some(TargetId::new(id)),
                _ => None,
            };
            self.references.push(Reference {
                subject: subject.clone(),
                here: here.clone(),
                path,
                current: Current::Shown(shown),
                desired: source,
            });
        }
        fold_case(&mut current, &desired.values, &desired.fold_case);
        let changes = if self.job.rules(object.kind).actions.update {
            changes(&current, &desired.values)
        } else {
            Vec::new()
        };
        self.adopted.insert(target.clone(), object.id.clone());
        self.tell(object, true, here.clone());
        self.updates.push(Action::Adopt {
            subject,
            target,
            key,
            current,
            changes,
            via: scope::ways_of(grants),
        });
        here
    }

    /// Linked, and no longer belonging. What stays is left alone, the members of a group included.
    fn leave(&mut self, object: &SourceObject, link: &Link, why: WhyRemoved) -> Here {
        let rules = self.job.rules(object.kind);
        let policy = match (object.kind, rules.when_out_of_scope) {
            // A group has no state "disabled": Entra deletes it.
            (ObjectKind::Group, WhenOutOfScope::Disable) => WhenOutOfScope::Delete,
            (_, policy) => policy,
        };
        match policy {
            WhenOutOfScope::Keep => self.skip(object, Why::Kept(why)),
            WhenOutOfScope::Delete if rules.actions.delete => self.delete(object, link, why),
            WhenOutOfScope::Delete => self.skip(object, Why::NotAllowed(Verb::Delete)),
            WhenOutOfScope::Disable => {
                self.disable(object, link, why);
                Here::No
            }
        }
    }

    fn delete(&mut self, object: &SourceObject, link: &Link, why: WhyRemoved) -> Here {
        if self.incomplete.is_some() {
            return self.skip(object, Why::IncompleteRead(why));
        }
        self.tell(object, false, Here::Deleting);
        self.rest.push(Action::Delete {
            subject: subject_of(object),
            target: link.target.clone(),
            why,
        });
        Here::Deleting
    }

    /// Sends only the mappings that carry `IsSoftDeleted`: the attributes of a deleted object are
    /// not its own any more (Graph mangles the principal name of one in the recycle bin).
    fn disable(&mut self, object: &SourceObject, link: &Link, why: WhyRemoved) {
        let rules = self.job.rules(object.kind);
        let mut mappings = rules
            .mappings
            .iter()
            .filter(|mapping| reads_soft_deleted(mapping))
            .peekable();
        if mappings.peek().is_none() {
            self.skip(object, Why::CannotDisable(why));
            return;
        }
        let subject = mapping::Subject::new(object, &[], true);
        let desired = match mapping::desired(mappings, &subject, self.world) {
            Ok(Mapped::Desired(desired)) => desired,
            Ok(Mapped::IgnoreObject) => {
                self.skip(object, Why::IgnoredByMapping);
                return;
            }
            Err(errors) => {
                self.skip(object, Why::MappingFailed(errors));
                return;
            }
        };
        let changes = changes(&link.sent, &desired.values);
        if changes.is_empty() {
            return;
        }
        if !rules.actions.update {
            self.skip(object, Why::NotAllowed(Verb::Update));
            return;
        }
        self.update(object, link, changes, Some(why));
    }

    fn settle_references(&mut self, links: &BTreeMap<SourceId, TargetId>) {
        let mut with_create: BTreeMap<SourceId, Vec<(TargetPath, Referenced)>> = BTreeMap::new();
        let mut shown_as_desired: BTreeMap<SourceId, Vec<(TargetPath, SourceId)>> = BTreeMap::new();
        for reference in std::mem::take(&mut self.references) {
            let Reference {
                subject,
                here,
                path,
                current,
                desired,
            } = reference;
            let new = desired
                .as_ref()
                .and_then(|source| self.resolve(source, links));
            let old = match current {
                Current::Sent(old) => old,
                Current::Shown(None) => None,
                Current::Shown(Some(shown)) => {
                    if let Some(new) = &new
                        && new.target.as_ref() == Some(&shown)
                    {
                        let entry = shown_as_desired.entry(subject.id).or_default();
                        entry.push((path, new.source.clone()));
                        continue;
                    }
                    None
                }
            };
            match (here, new) {
                (Here::Creating, Some(new)) => {
                    with_create.entry(subject.id).or_default().push((path, new));
                }
                (Here::Linked(target), new) if new.is_some() || old.is_some() => {
                    if new.is_none() && self.incomplete.is_some() {
                        continue;
                    }
                    self.rest.push(Action::SetReference {
                        subject,
                        target: Some(target),
                        path,
                        old,
                        new,
                    });
                }
                (Here::No | Here::Linked(_) | Here::Creating | Here::Deleting, _) => {}
            }
        }
        for action in &mut self.creates {
            if let Action::Create {
                subject,
                references,
                ..
            } = action
                && let Some(settled) = with_create.remove(&subject.id)
            {
                *references = settled;
            }
        }
        for action in &mut self.updates {
            if let Action::Adopt {
                subject, current, ..
            } = action
            {
                let shown = shown_as_desired.remove(&subject.id).unwrap_or_default();
                current.extend(
                    shown
                        .into_iter()
                        .map(|(path, source)| (path, Value::Reference(source))),
                );
            }
        }
    }

    fn resolve(
        &self,
        source: &SourceId,
        links: &BTreeMap<SourceId, TargetId>,
    ) -> Option<Referenced> {
        let target = match self.news.get(source).map(|news| &news.here) {
            Some(Here::Creating) => None,
            Some(Here::Linked(target)) => Some(target.clone()),
            Some(Here::No | Here::Deleting) => return None,
            None => Some(links.get(source)?.clone()),
        };
        Some(Referenced {
            source: source.clone(),
            target,
        })
    }
}

fn subject_of(object: &SourceObject) -> Subject {
    Subject {
        kind: object.kind,
        id: object.id.clone(),
        label: object.label().to_owned(),
    }
}

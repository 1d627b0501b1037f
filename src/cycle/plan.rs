//! Plan: gathers what the planner needs to know, from the state and from the target's look-ups, and
//! lets it decide. Nothing is decided here.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};

use futures::StreamExt;

use super::lookup;
use super::shown;
use super::tenant::Reading;
use super::{Context, Error};
use crate::engine::expr::AppRole;
use crate::engine::job::ScopeMode;
use crate::engine::mapping::Environment;
use crate::engine::model::{
    Assignment, Grant, MatchKey, ObjectKind, Presence, SourceId, SourceObject, TargetId, TargetPath,
};
use crate::engine::plan::{
    Candidate, Found, Member, Membership, Planned, Planner, Subject, Warning, WhyOut,
};
use crate::engine::scope::{self, GrantingGroups, GroupAround, Ways};
use crate::engine::summary::Progress;
use crate::report;

/// Objects taken from the state at once.
const CHUNK: u32 = 500;

pub(super) async fn plan(context: &Context<'_>, reading: &Reading) -> Result<Planned, Error> {
    // The keys of its hash come from the operating system, so that nobody foretells what is drawn;
    // but in this cycle the same is drawn as often as a mapping is evaluated.
    let chance = RandomState::new();
    let random = |id: &SourceId, path: &TargetPath, count| chance.hash_one((id, path, count));
    let environment = Environment {
        now: (context.agent.now)(),
        random: &random,
        default_domain: reading.default_domain.as_deref(),
    };
    let gathering = Gathering::new(context)?;
    // A reading that is not complete may lack what is named; nothing is removed then anyway.
    let misnamed = match &reading.incomplete {
        Some(_) => Vec::new(),
        None => super::names::misnamed(&context.agent.store, &context.job.rules)?,
    };
    let mut planner = Planner::new(&context.job.rules, environment, reading.incomplete.clone())
        .doubting(report::doubts(&misnamed));
    if context.options.only.is_some() {
        planner = planner.telling_unassigned();
    }

    let users = gathering.candidates(ObjectKind::User)?;
    let groups = gathering.candidates(ObjectKind::Group)?;
    gathering.confirm(ObjectKind::User, &users).await?;
    let mut found = gathering
        .look_up(&planner, ObjectKind::User, &users)
        .await?;
    gathering
        .ask_what_is_taken(&mut planner, ObjectKind::User, &users, &mut found)
        .await?;
    gathering.each(ObjectKind::User, &users, |candidate| {
        let found = found.remove(&candidate.object.id);
        planner.user(&candidate, found.unwrap_or(Found::None));
        Ok(())
    })?;

    // Whoever this plan brings or takes concerns those they manage and the groups they are in.
    let moved: Vec<SourceId> = planner.moved().into_iter().collect();
    let known: BTreeSet<&SourceId> = users.iter().collect();
    let mut reports = context.agent.store.reports_of(&moved)?;
    reports.retain(|id| !known.contains(id) && gathering.is_linked(ObjectKind::User, id));
    gathering.confirm(ObjectKind::User, &reports).await?;
    gathering.each(ObjectKind::User, &reports, |candidate| {
        planner.user(&candidate, Found::NotLooked);
        Ok(())
    })?;

    let mut groups: BTreeSet<SourceId> = groups.into_iter().collect();
    if context.options.only.is_none() {
        groups.extend(gathering.groups_around(&moved)?);
    }
    let groups: Vec<SourceId> = groups.into_iter().collect();
    gathering.confirm(ObjectKind::Group, &groups).await?;
    let mut found = gathering
        .look_up(&planner, ObjectKind::Group, &groups)
        .await?;
    gathering
        .ask_what_is_taken(&mut planner, ObjectKind::Group, &groups, &mut found)
        .await?;
    gathering.each(ObjectKind::Group, &groups, |candidate| {
        let found = found.remove(&candidate.object.id);
        planner.group(&candidate, found.unwrap_or(Found::None));
        Ok(())
    })?;
    for group in &groups {
        planner.members(group, gathering.membership(group)?);
    }

    let store = &context.agent.store;
    let job = &context.job.rules.name;
    let mut links = BTreeMap::new();
    for source in planner.referenced() {
        if let Some((target, _)) = store.target_of(job, ObjectKind::User, &source)? {
            links.insert(source, target);
        }
    }
    let warnings = gathering.warnings(&planner)?;
    let mut made = planner.finish(&links, store.link_counts(job)?, store.scope_counts(job)?);
    made.plan.warnings = warnings;
    made.plan.misnamed = misnamed;
    Ok(made)
}

/// What the state knows that the whole plan needs.
struct Gathering<'a> {
    context: &'a Context<'a>,
    roles: BTreeMap<String, AppRole>,
    granting: GrantingGroups,
    /// With nested groups, the groups of which a group is a direct member.
    outer: BTreeMap<SourceId, Vec<SourceId>>,
    /// The names of groups that filters asked for; `None` for one that is not there any more.
    names: RefCell<BTreeMap<SourceId, Option<String>>>,
}

impl<'a> Gathering<'a> {
    fn new(context: &'a Context<'a>) -> Result<Self, Error> {
        let store = &context.agent.store;
        let job = &context.job.rules;
        let mut edges = Vec::new();
        if job.scope.nested_groups {
            for (parent, child) in store.group_edges()? {
                if let Some(group) = store.object(ObjectKind::Group, &child)?
                    && group.presence == Presence::Present
                {
                    let name = group.label().to_owned();
                    edges.push((parent, child, name));
                }
            }
        }
        let seeds = match &job.scope.mode {
            ScopeMode::Assigned => store.assigned(&job.name, ObjectKind::Group)?,
            ScopeMode::All => Vec::new(),
            ScopeMode::Groups(names) => {
                let mut seeds = Vec::new();
                for name in names {
                    seeds.extend(store.find_groups(name)?);
                }
                seeds
            }
        };
        let mut named = Vec::new();
        for seed in seeds {
            if let Some(group) = store.object(ObjectKind::Group, &seed)?
                && group.presence == Presence::Present
            {
                named.push(group);
            }
        }
        let seeds = named
            .iter()
            .map(|group| (group.id.clone(), group.label().to_owned()));
        let mut granting = GrantingGroups::new(seeds, &edges);
        if job.scope.mode == ScopeMode::Assigned {
            granting = granting.with_effects_of(&named);
        }
        let mut outer: BTreeMap<SourceId, Vec<SourceId>> = BTreeMap::new();
        for (parent, child, _) in &edges {
            outer.entry(child.clone()).or_default().push(parent.clone());
        }
        Ok(Self {
            context,
            roles: store
                .application(&job.name)?
                .into_iter()
                .flat_map(|application| application.roles)
                .map(|role| (role.id.clone(), role))
                .collect(),
            granting,
            outer,
            names: RefCell::default(),
        })
    }

    /// The ids to be evaluated in this cycle.
    fn candidates(&self, kind: ObjectKind) -> Result<Vec<SourceId>, Error> {
        let store = &self.context.agent.store;
        if let Some((only, name)) = &self.context.options.only {
            if *only != kind {
                return Ok(Vec::new());
            }
            let found = store.find(kind, name)?;
            let found: Vec<SourceId> = found.into_iter().map(|object| object.id).collect();
            return match found.as_slice() {
                [] => Err(Error::NoSuchObject {
                    kind,
                    name: name.clone(),
                }),
                [_one] => Ok(found),
                [_, _, ..] => Err(Error::AmbiguousObject {
                    kind,
                    name: name.clone(),
                    ids: found,
                }),
            };
        }
        let mut ids: Vec<SourceId> = Vec::new();
        loop {
            let after = ids.last();
            let chunk = store.candidates(&self.context.job.rules.name, kind, after, CHUNK)?;
            if chunk.is_empty() {
                return Ok(ids);
            }
            ids.extend(chunk);
        }
    }

    fn is_linked(&self, kind: ObjectKind, id: &SourceId) -> bool {
        let job = &self.context.job.rules.name;
        matches!(
            self.context.agent.store.target_of(job, kind, id),
            Ok(Some(_))
        )
    }

    fn each(
        &self,
        kind: ObjectKind,
        ids: &[SourceId],
        mut take: impl FnMut(Candidate) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let total = ids.len() as u64;
        for (done, id) in (0..).zip(ids) {
            if done % u64::from(CHUNK) == 0 {
                self.context
                    .progress
                    .send_replace(Progress::Planning { done, total });
                if self.context.agent.stop.is_cancelled() {
                    return Err(Error::Stopped);
                }
            }
            if let Some(candidate) = self.candidate(kind, id)? {
                take(candidate)?;
            }
        }
        Ok(())
    }

    fn candidate(&self, kind: ObjectKind, id: &SourceId) -> Result<Option<Candidate>, Error> {
        let store = &self.context.agent.store;
        let job = &self.context.job.rules;
        let Some(object) = store.object(kind, id)? else {
            return Ok(None);
        };
        let (grants, without_effect) = self.grants(&object)?;
        Ok(Some(Candidate {
            grants,
            without_effect,
            groups: self.groups_of(&object)?,
            link: store.link(&job.name, kind, id)?,
            intent: store.intent(&job.name, kind, id)?,
            object,
        }))
    }

    /// What brings the object into scope, and why assignments that it has do not.
    fn grants(&self, object: &SourceObject) -> Result<(Vec<Grant>, Option<WhyOut>), Error> {
        let store = &self.context.agent.store;
        let job = &self.context.job.rules;
        let assignments = store.assignments_of(&job.name, object.kind, &object.id)?;
        let mut member_of = match object.kind {
            ObjectKind::User => store.groups_of(&object.id)?,
            ObjectKind::Group => Vec::new(),
        };
        member_of.retain(|group| self.granting.contains(group));
        let mut of_groups: BTreeMap<SourceId, Vec<Assignment>> = BTreeMap::new();
        for group in self.granting.seeds_of(&member_of) {
            let assignments = store.assignments_of(&job.name, ObjectKind::Group, group)?;
            of_groups.insert(group.clone(), assignments);
        }
        let ways = Ways {
            assignments: &assignments,
            member_of: &member_of,
            assignments_of_group: &|group| of_groups.get(group).cloned().unwrap_or_default(),
            granting: &self.granting,
            roles: &self.roles,
        };
        Ok((
            scope::grants(job, object, &ways),
            scope::without_effect(job, object, &ways),
        ))
    }

    /// The groups that a scoping filter sees the object in: those of which it is a direct member, and
    /// with nested groups those around them.
    fn groups_of(&self, object: &SourceObject) -> Result<Vec<GroupAround>, Error> {
        if !scope::reads_groups(&self.context.job.rules, object.kind) {
            return Ok(Vec::new());
        }
        let mut groups = Vec::new();
        for id in self.groups_around(std::slice::from_ref(&object.id))? {
            if let Some(name) = self.name_of_group(&id)? {
                groups.push(GroupAround { id, name });
            }
        }
        Ok(groups)
    }

    /// `None` for a group that is not there any more.
    fn name_of_group(&self, id: &SourceId) -> Result<Option<String>, Error> {
        if let Some(known) = self.names.borrow().get(id) {
            return Ok(known.clone());
        }
        let group = self.context.agent.store.object(ObjectKind::Group, id)?;
        let group = group.filter(|group| group.presence == Presence::Present);
        let name = group.map(|group| group.label().to_owned());
        self.names.borrow_mut().insert(id.clone(), name.clone());
        Ok(name)
    }

    /// Reads from the target what an interrupted write may or may not have changed.
    async fn confirm(&self, kind: ObjectKind, ids: &[SourceId]) -> Result<(), Error> {
        let store = &self.context.agent.store;
        let job = &self.context.job.rules;
        let paths: Vec<_> = {
            let mappings = job.rules(kind).mappings.iter();
            let paths = mappings.map(|mapping| mapping.target.clone());
            paths.filter(|path| !path.is_members()).collect()
        };
        let mut unconfirmed = Vec::new();
        for id in ids {
            if let Some(link) = store.link(&job.name, kind, id)?
                && link.unconfirmed
            {
                unconfirmed.push((id, link.target));
            }
        }
        let with_members = kind == ObjectKind::Group;
        let reader = &self.context.reader;
        let paths = &paths;
        let mut reads =
            futures::stream::iter(unconfirmed.into_iter().map(|(id, target)| async move {
                (id, reader.read(kind, &target, paths, with_members).await)
            }))
            .buffer_unordered(self.context.job.target.concurrency);
        while let Some((id, answer)) = reads.next().await {
            let Some(object) = answer? else {
                store.unlink(&job.name, kind, id)?;
                continue;
            };
            let members = match object.members {
                Some(members) => Some(self.known_members(&members)?),
                None => None,
            };
            let current = shown::as_sent(self.context, kind, object.attributes, |_| None)?;
            store.confirm(&job.name, kind, id, &current, members.as_ref())?;
        }
        Ok(())
    }

    fn known_members(&self, members: &[TargetId]) -> Result<BTreeMap<SourceId, TargetId>, Error> {
        let store = &self.context.agent.store;
        let job = &self.context.job.rules.name;
        let mut known = BTreeMap::new();
        for target in members {
            for kind in ObjectKind::ALL {
                if let Some(source) = store.linked_by(job, kind, target)? {
                    known.insert(source, target.clone());
                    break;
                }
            }
        }
        Ok(known)
    }

    async fn look_up(
        &self,
        planner: &Planner<'_>,
        kind: ObjectKind,
        ids: &[SourceId],
    ) -> Result<BTreeMap<SourceId, Found>, Error> {
        let mut wanted: BTreeMap<SourceId, Vec<MatchKey>> = BTreeMap::new();
        self.each(kind, ids, |candidate| {
            let keys = planner.keys(&candidate);
            if !keys.is_empty() {
                wanted.insert(candidate.object.id, keys);
            }
            Ok(())
        })?;
        let mut found = match lookup::find(self.context, kind, &wanted).await {
            Err(Error::Target(error)) if kind == ObjectKind::Group && error.has_no_route() => {
                // People can be provisioned all the same, and each group says what to do.
                let words = format!(
                    "the target has no groups ({}): set jobs.groups.enabled = false",
                    error.failure().message
                );
                let failed = wanted
                    .keys()
                    .map(|id| (id.clone(), Found::Failed(words.clone())));
                failed.collect()
            }
            found => found?,
        };
        let store = &self.context.agent.store;
        let job = &self.context.job.rules.name;
        for answer in found.values_mut() {
            if let Found::One {
                object, linked_by, ..
            } = answer
            {
                *linked_by = store.linked_by(job, kind, &object.id)?;
                if kind == ObjectKind::Group && linked_by.is_none() {
                    let read = self
                        .context
                        .reader
                        .read(kind, &object.id, &[], true)
                        .await?;
                    object.members = read.and_then(|read| read.members);
                }
            }
        }
        Ok(found)
    }

    /// Tells the planner which of the values the target has that objects to be created may choose.
    /// Where the target does not answer, those objects wait: a guess could give a value twice.
    async fn ask_what_is_taken(
        &self,
        planner: &mut Planner<'_>,
        kind: ObjectKind,
        ids: &[SourceId],
        found: &mut BTreeMap<SourceId, Found>,
    ) -> Result<(), Error> {
        if !planner.selects_unique(kind) {
            return Ok(());
        }
        let mut askers: BTreeMap<MatchKey, Vec<SourceId>> = BTreeMap::new();
        self.each(kind, ids, |candidate| {
            let id = &candidate.object.id;
            if !found.contains_key(id) {
                for value in planner.unique_values(&candidate) {
                    askers.entry(value).or_default().push(id.clone());
                }
            }
            Ok(())
        })?;
        let wanted: BTreeMap<MatchKey, Vec<MatchKey>> = askers
            .keys()
            .map(|value| (value.clone(), vec![value.clone()]))
            .collect();
        let answers = match lookup::find(self.context, kind, &wanted).await {
            Err(Error::Target(error)) if !error.is_stop() && !error.stops_everything() => {
                let words = error.failure().message;
                let failed = wanted.into_keys();
                failed
                    .map(|value| (value, Found::Failed(words.clone())))
                    .collect()
            }
            answers => answers?,
        };
        for (value, answer) in answers {
            match answer {
                Found::One { .. } | Found::Several { .. } => planner.take(kind, &value),
                Found::Failed(words) => {
                    let ids = askers.remove(&value).into_iter().flatten();
                    found.extend(ids.map(|id| (id, Found::Failed(words.clone()))));
                }
                Found::None | Found::NotLooked => {}
            }
        }
        Ok(())
    }

    /// The groups of which these objects are members, and with nested groups those around them.
    fn groups_around(&self, ids: &[SourceId]) -> Result<BTreeSet<SourceId>, Error> {
        let store = &self.context.agent.store;
        let mut around = BTreeSet::new();
        let mut fresh = store.groups_with_members(ids)?;
        while !fresh.is_empty() {
            let outer = fresh.iter().filter_map(|group| self.outer.get(group));
            let outer: BTreeSet<SourceId> = outer.flatten().cloned().collect();
            around.extend(std::mem::take(&mut fresh));
            fresh = outer.difference(&around).cloned().collect();
        }
        Ok(around)
    }

    /// The members that a group should have, each with its link. With nested groups they are
    /// everybody inside, because the groups inside are not members of their own.
    fn membership(&self, group: &SourceId) -> Result<Membership, Error> {
        let store = &self.context.agent.store;
        let job = &self.context.job.rules;
        let mut ids: BTreeSet<(ObjectKind, SourceId)> = BTreeSet::new();
        if job.scope.nested_groups {
            let mut queue = vec![group.clone()];
            let mut seen: BTreeSet<SourceId> = BTreeSet::from([group.clone()]);
            while let Some(group) = queue.pop() {
                for (kind, member) in store.members_of(&group)? {
                    match kind {
                        ObjectKind::User => {
                            ids.insert((kind, member));
                        }
                        ObjectKind::Group if seen.insert(member.clone()) => queue.push(member),
                        ObjectKind::Group => {}
                    }
                }
            }
        } else {
            ids.extend(store.members_of(group)?);
        }
        let mut members = Vec::with_capacity(ids.len());
        for (kind, id) in ids {
            let link = store.target_of(&job.name, kind, &id)?;
            let in_scope = link.as_ref().is_some_and(|(_, in_scope)| *in_scope);
            members.push(Member {
                kind,
                target: link.map(|(target, _)| target),
                in_scope,
                id,
            });
        }
        Ok(Membership {
            members,
            sent: store.sent_members(&job.name, group)?,
        })
    }

    /// Who would be in several groups, by name.
    fn warnings(&self, planner: &Planner<'_>) -> Result<Vec<Warning>, Error> {
        let store = &self.context.agent.store;
        let job = &self.context.job.rules.name;
        let mut found: Vec<(Subject, Vec<Subject>)> = Vec::new();
        for person in planner.people_in_groups() {
            let sent = store.sent_groups(job, person)?;
            let Some(groups) = planner.several_groups(person, &sent) else {
                continue;
            };
            let groups = groups.iter().map(|id| self.subject(ObjectKind::Group, id));
            let mut groups: Vec<Subject> = groups.collect::<Result<_, _>>()?;
            groups.sort_by(|one, other| one.label.cmp(&other.label));
            found.push((self.subject(ObjectKind::User, person)?, groups));
        }
        found.sort_by(|(one, _), (other, _)| one.label.cmp(&other.label));
        let warnings = found.into_iter();
        Ok(warnings
            .map(|(person, groups)| Warning::SeveralGroups { person, groups })
            .collect())
    }

    fn subject(&self, kind: ObjectKind, id: &SourceId) -> Result<Subject, Error> {
        let object = self.context.agent.store.object(kind, id)?;
        Ok(Subject {
            kind,
            id: id.clone(),
            label: object.map_or_else(String::new, |object| object.label().to_owned()),
        })
    }
}

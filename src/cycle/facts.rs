//! What the state knows that the planner needs of each object in addition to the object itself: what
//! brings it into scope, the groups around it, and the members of groups.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::OnceCell;

use super::{Context, Error};
use crate::engine::job::{Job, ScopeMode};
use crate::engine::model::{AppRole, Key, ObjectKind, Presence, SourceId, SourceObject};
use crate::engine::plan::{Candidate, Manager, Member, SentMember};
use crate::engine::scope::{self, GrantingGroups, GroupAround, Ways};
use crate::store::{Loaded, Store};

pub(super) struct Facts<'a> {
    store: &'a Arc<Store>,
    job: &'a Job,
    /// Read for the first object that needs it: where nothing is evaluated, nothing does.
    ways: OnceCell<WaysIn>,
    /// Groups that filters asked for; `None` for one that does not exist any more.
    around: BTreeMap<Key, Option<GroupAround>>,
}

/// The ways into scope that lead to more than one object.
pub(super) struct WaysIn {
    roles: BTreeMap<String, AppRole>,
    granting: GrantingGroups,
    /// The roles of all assignments of each seed.
    assigned_to_group: BTreeMap<Key, Vec<String>>,
    /// With nested groups, the groups of which a group is a direct member, and the groups in it.
    outer: BTreeMap<Key, Vec<Key>>,
    inner: BTreeMap<Key, Vec<Key>>,
}

impl WaysIn {
    async fn read(store: &Arc<Store>, job: &Job) -> Result<Self, Error> {
        let mut edges = Vec::new();
        if job.scope.nested_groups {
            let pairs = store.run(Store::nested_groups).await?;
            let inner: BTreeSet<Key> = pairs.iter().map(|(_, inner)| *inner).collect();
            let inner = present(store, inner.into_iter().collect()).await?;
            for (outside, inside) in pairs {
                if let Some(group) = inner.get(&inside) {
                    edges.push((outside, inside, group.label().to_owned()));
                }
            }
        }
        let seeds: Vec<Key> = match &job.scope.mode {
            ScopeMode::Assigned => {
                let name = job.name.clone();
                store
                    .run(move |store| store.assigned_keys(&name, ObjectKind::Group))
                    .await?
            }
            ScopeMode::All | ScopeMode::AdministrativeUnits(_) => Vec::new(),
            ScopeMode::Groups(names) => {
                let (names, job) = (names.clone(), job.name.clone());
                store
                    .run(move |store| {
                        let mut seeds = Vec::new();
                        for name in &names {
                            seeds.extend(store.find_group_keys(&job, name)?);
                        }
                        Ok(seeds)
                    })
                    .await?
            }
        };
        let groups = present(store, seeds.clone()).await?;
        let named = groups
            .values()
            .map(|group| (group.key, group.label().to_owned()));
        let mut granting = GrantingGroups::new(named, &edges);
        if job.scope.mode == ScopeMode::Assigned {
            granting = granting.with_effects_of(groups.values());
        }
        let mut outer: BTreeMap<Key, Vec<Key>> = BTreeMap::new();
        let mut inner: BTreeMap<Key, Vec<Key>> = BTreeMap::new();
        for (outside, inside, _) in &edges {
            outer.entry(*inside).or_default().push(*outside);
            inner.entry(*outside).or_default().push(*inside);
        }
        let name = job.name.clone();
        let (applications, assigned_to_group) = store
            .run(move |store| {
                let mut applications = Vec::new();
                for source in store.sources_of(&name)? {
                    applications.extend(store.application(&name, source)?);
                }
                Ok((applications, store.roles(&name, &seeds)?))
            })
            .await?;
        Ok(Self {
            roles: applications
                .into_iter()
                .flat_map(|application| application.roles)
                .map(|role| (role.id.clone(), role))
                .collect(),
            granting,
            assigned_to_group,
            outer,
            inner,
        })
    }

    /// Whether members of this group are in scope because of it. One that the state does not know counts
    /// where it should know all.
    pub(super) async fn grants_through(
        &self,
        context: &Context<'_>,
        group: &SourceId,
    ) -> Result<bool, Error> {
        if let Some(key) = key_of_group(context, group).await? {
            return Ok(self.granting.contains(key));
        }
        let name = context.job.rules.name.clone();
        let reads_in_scope = context.state(move |store| store.reads_in_scope_of(&name));
        Ok(!reads_in_scope.await?)
    }

    /// The roles that are assigned to a group, as the state knows them.
    pub(super) async fn roles_of_group(
        &self,
        context: &Context<'_>,
        group: &SourceId,
    ) -> Result<Vec<String>, Error> {
        let key = key_of_group(context, group).await?;
        let roles = key.and_then(|key| self.assigned_to_group.get(&key));
        Ok(roles.cloned().unwrap_or_default())
    }

    /// The groups whose members count as a group's, itself among them. Where the job does not read nested
    /// groups that is itself alone.
    pub(super) fn inside(&self, group: Key) -> Vec<Key> {
        reach(&self.inner, [group]).into_iter().collect()
    }

    /// These groups and, with nested groups, those around them.
    pub(super) fn closure(&self, groups: impl IntoIterator<Item = Key>) -> BTreeSet<Key> {
        reach(&self.outer, groups)
    }
}

impl<'a> Facts<'a> {
    pub(super) fn new(context: &'a Context<'a>) -> Self {
        Self::of(&context.agent.store, &context.job.rules)
    }

    /// The facts of a state, whatever is done with them.
    pub(super) fn of(store: &'a Arc<Store>, job: &'a Job) -> Self {
        Self {
            store,
            job,
            ways: OnceCell::new(),
            around: BTreeMap::new(),
        }
    }

    pub(super) async fn ways(&self) -> Result<&WaysIn, Error> {
        let read = || WaysIn::read(self.store, self.job);
        self.ways.get_or_try_init(read).await
    }

    /// The groups through which people come into scope; none where no object was evaluated.
    pub(super) fn scope_groups(&self) -> BTreeSet<Key> {
        let ways = self.ways.get().into_iter();
        ways.flat_map(|ways| ways.granting.keys()).collect()
    }

    pub(super) async fn candidate(&mut self, loaded: Loaded) -> Result<Candidate, Error> {
        let Loaded {
            object,
            manager,
            link,
            unknown: _,
            roles,
            withheld,
            member_of,
        } = loaded;
        let groups = if scope::reads_groups(self.job, object.kind) {
            self.groups_of(&member_of).await?
        } else {
            Vec::new()
        };
        let job = self.job;
        let known = self.ways().await?;
        let granting: Vec<Key> = match object.kind {
            ObjectKind::User => {
                let groups = member_of.into_iter();
                groups
                    .filter(|group| known.granting.contains(*group))
                    .collect()
            }
            ObjectKind::Group => Vec::new(),
        };
        let ways = Ways {
            assigned: &roles,
            member_of: &granting,
            assigned_to_group: &|group| {
                let roles = known.assigned_to_group.get(&group);
                roles.cloned().unwrap_or_default()
            },
            granting: &known.granting,
            roles: &known.roles,
        };
        Ok(Candidate {
            grants: scope::grants(job, &object, &ways),
            without_effect: scope::without_effect(job, &object, &ways),
            groups,
            manager: manager.map(|manager| Manager {
                key: manager.key,
                id: manager.id,
                target: manager.link.map(|(target, _)| target),
            }),
            link,
            withheld,
            object,
        })
    }

    /// The groups that a scoping filter sees an object in: those of which it is a direct member, and
    /// with nested groups those around them.
    async fn groups_of(&mut self, member_of: &[Key]) -> Result<Vec<GroupAround>, Error> {
        let around = self.ways().await?.closure(member_of.iter().copied());
        let unknown: Vec<Key> = around
            .iter()
            .filter(|group| !self.around.contains_key(group))
            .copied()
            .collect();
        if !unknown.is_empty() {
            let found = present(self.store, unknown.clone()).await?;
            for key in unknown {
                let group = found.get(&key).map(|group| GroupAround {
                    id: group.id.clone(),
                    name: group.label().to_owned(),
                });
                self.around.insert(key, group);
            }
        }
        let groups = around.iter().filter_map(|key| self.around[key].clone());
        let mut groups: Vec<GroupAround> = groups.collect();
        groups.sort();
        Ok(groups)
    }

    /// The groups of which these objects are members, and with nested groups those around them.
    pub(super) async fn groups_around(&self, members: &[Key]) -> Result<BTreeSet<Key>, Error> {
        let members = members.to_vec();
        let groups = self
            .store
            .run(move |store| store.groups_around(&members))
            .await?;
        Ok(self.ways().await?.closure(groups))
    }

    /// The members of the first of these groups, as many groups as fit, and how many groups that were.
    /// With nested groups they are all users inside, because the groups inside are not members of
    /// their own.
    pub(super) async fn members(
        &self,
        groups: &[Key],
        at_most: usize,
    ) -> Result<(Vec<(Key, Member)>, usize), Error> {
        let nested = self.job.scope.nested_groups;
        let ways = self.ways().await?;
        let wanted: Vec<(Key, Vec<Key>)> = groups
            .iter()
            .take(CHUNK_OF_GROUPS)
            .map(|group| (*group, ways.inside(*group)))
            .collect();
        let job = self.job.name.clone();
        let members = self
            .store
            .run(move |store| {
                let mut members = Vec::new();
                let mut taken = 0;
                for (group, inside) in &wanted {
                    let mut of_group: BTreeMap<Key, Member> = BTreeMap::new();
                    let is_flat = inside.len() == 1 && !nested;
                    store.each_member(&job, inside, |one| {
                        let own = one.group == *group;
                        let counts = one.in_source && (!nested || one.kind == ObjectKind::User);
                        let member = Member {
                            key: one.key,
                            kind: one.kind,
                            in_source: counts,
                            sent: if own { one.sent } else { SentMember::No },
                            in_scope: one.in_scope,
                        };
                        if is_flat {
                            members.push((*group, member));
                        } else {
                            let known = of_group.entry(one.key).or_insert(member);
                            known.in_source |= member.in_source;
                            known.sent = known.sent.max(member.sent);
                        }
                    })?;
                    members.extend(of_group.into_values().map(|member| (*group, member)));
                    taken += 1;
                    if members.len() >= at_most {
                        break;
                    }
                }
                Ok((members, taken))
            })
            .await?;
        Ok(members)
    }
}

/// Groups whose members are taken from the state at once at most.
const CHUNK_OF_GROUPS: usize = 1_000;

fn reach(edges: &BTreeMap<Key, Vec<Key>>, from: impl IntoIterator<Item = Key>) -> BTreeSet<Key> {
    let mut fresh: Vec<Key> = from.into_iter().collect();
    let mut reached = BTreeSet::new();
    while let Some(group) = fresh.pop() {
        if reached.insert(group) {
            fresh.extend(edges.get(&group).into_iter().flatten());
        }
    }
    reached
}

/// Those of these objects that exist in the source.
async fn present(store: &Arc<Store>, keys: Vec<Key>) -> Result<BTreeMap<Key, SourceObject>, Error> {
    let mut objects = store.run(move |store| store.objects(&keys)).await?;
    objects.retain(|_, object| object.presence == Presence::Present);
    Ok(objects)
}

async fn key_of_group(context: &Context<'_>, group: &SourceId) -> Result<Option<Key>, Error> {
    let group = group.clone();
    context
        .state(move |store| store.key_of(ObjectKind::Group, &group))
        .await
}

//! The second look before anything is removed (safety.md §2): the deltas are followed once more, and what
//! rests on something that a reading did not hold is read on the object itself. A delta cannot confirm
//! absence.

mod draft;
mod drop;
mod rests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use tokio::sync::Mutex;
use tokio::time::{Duration, Instant};

use self::draft::{Draft, drafts};
use self::drop::drop_all;
use self::rests::RestsOn;
use super::facts::{Facts, WaysIn};
use super::plan::Outline;
use super::sources::is_of_source;
use super::tenant::Tenant;
use super::{Context, Error, units};
use crate::engine::job::ScopeMode;
use crate::engine::model::{Key, ObjectKind, Presence, SourceId, SourceNumber};
use crate::engine::plan::{Action, Reading};
use crate::engine::scope;
use crate::store::{Loaded, MarkCutoff, RowId};

/// A confirmation older than this is renewed before it is used.
pub(super) const FRESH: Duration = Duration::from_mins(10);
/// Rows and objects taken from the state at once.
const CHUNK: usize = 500;
/// Groups whose members are read at once.
const GROUPS: usize = 20;

/// That the removals of a plan were confirmed, and when.
#[derive(Debug)]
pub(super) struct Confirmed {
    cycle: i64,
    cutoff: MarkCutoff,
    confirmation: Mutex<Confirmation>,
}

#[derive(Debug, Default)]
struct Confirmation {
    at: Option<Instant>,
    /// Rows that a later confirmation did not confirm.
    withdrawn: BTreeSet<RowId>,
}

/// That this action may be sent: it removes nothing, or its removal was confirmed a short time ago. There
/// is no other way to make one.
#[derive(Debug)]
pub(super) struct Permit(());

impl Confirmed {
    /// `None`: the removal is not confirmed any more. An old confirmation is renewed first, for all
    /// removals that are still to be sent.
    pub(super) async fn permit(
        &self,
        context: &Context<'_>,
        row: RowId,
        action: &Action,
    ) -> Result<Option<Permit>, Error> {
        if !action.is_removal() {
            return Ok(Some(Permit(())));
        }
        let mut confirmation = self.confirmation.lock().await;
        let is_fresh = |at: Instant| at.elapsed() < context.agent.fresh;
        if !confirmation.at.is_some_and(is_fresh) {
            let at = Instant::now();
            let cycle = self.cycle;
            let rows = context.state(move |store| store.removals_left(cycle));
            let drafts = drafts(context, rows.await?).await?;
            let Looked { dropped, doubt } = look(context, self.cutoff, drafts).await?;
            if let Some(why) = doubt {
                tracing::warn!(job = %context.job.rules.name, why, "{POSTPONED}");
            }
            let dropped = dropped.into_iter().map(|draft| draft.row);
            confirmation.withdrawn.extend(dropped);
            confirmation.at = Some(at);
        }
        Ok((!confirmation.withdrawn.contains(&row)).then_some(Permit(())))
    }
}

const POSTPONED: &str = "removals could not be confirmed: they are postponed";

/// Confirms the removals that a plan drafted, and drops those that are not confirmed: their objects keep
/// their verdict and their mark. A plan without removals costs nothing.
pub(super) async fn confirm(
    context: &Context<'_>,
    cycle: i64,
    cutoff: MarkCutoff,
    outline: &mut Outline,
) -> Result<Confirmed, Error> {
    let rows = context.state(move |store| store.removals(cycle)).await?;
    let drafts = drafts(context, rows).await?;
    let confirmed = |at| Confirmed {
        cycle,
        cutoff,
        confirmation: Mutex::new(Confirmation {
            at,
            withdrawn: BTreeSet::new(),
        }),
    };
    if drafts.is_empty() {
        return Ok(confirmed(None));
    }
    // What is read from here on is not older than the confirmation.
    let at = Instant::now();
    let Looked { dropped, doubt } = look(context, cutoff, drafts).await?;
    if !dropped.is_empty() {
        drop_all(context, cycle, dropped, outline).await?;
    }
    if let Some(why) = doubt {
        tracing::warn!(job = %context.job.rules.name, why, "{POSTPONED}");
        let header = &mut outline.header;
        header.complete = false;
        header.incomplete = Some(match header.incomplete.take() {
            Some(known) => format!("{known}; {why}"),
            None => why,
        });
    }
    Ok(confirmed(Some(at)))
}

/// What a second look at removals gave.
struct Looked {
    /// Those that it did not confirm.
    dropped: Vec<Draft>,
    /// Why no removal that rests on absence is confirmed.
    doubt: Option<String>,
}

/// Reads once more what these removals rest on, in the source of each.
async fn look(
    context: &Context<'_>,
    cutoff: MarkCutoff,
    drafts: Vec<Draft>,
) -> Result<Looked, Error> {
    let sources = &context.sources;
    let mut by_source: BTreeMap<SourceNumber, Vec<Draft>> = BTreeMap::new();
    if sources.are_several() {
        let keys: Vec<Key> = drafts.iter().map(|draft| draft.key).collect();
        let of = context
            .state(move |store| store.sources_of_objects(&keys))
            .await?;
        for draft in drafts {
            let source = of.get(&draft.key).copied().unwrap_or_default();
            by_source.entry(source).or_default().push(draft);
        }
    } else {
        by_source.insert(sources.numbers[0], drafts);
    }
    let mut looked = Looked {
        dropped: Vec::new(),
        doubt: None,
    };
    for (source, drafts) in by_source {
        let Some(tenant) = sources.tenant(source) else {
            looked.dropped.extend(drafts);
            continue;
        };
        let Looked { dropped, doubt } = look_in(context, tenant, cutoff, drafts).await?;
        looked.dropped.extend(dropped);
        if let Some(why) = doubt {
            let why = sources.named(tenant, why);
            looked.doubt = Some(match looked.doubt {
                Some(known) => format!("{known}; {why}"),
                None => why,
            });
        }
    }
    Ok(looked)
}

async fn look_in(
    context: &Context<'_>,
    tenant: &Tenant,
    cutoff: MarkCutoff,
    drafts: Vec<Draft>,
) -> Result<Looked, Error> {
    let job = context.job.rules.name.clone();
    let followed = match tenant.again(&context.want()).await {
        Err(error) if context.sources.are_several() && is_of_source(&error) => {
            Reading::Incomplete(error.chain())
        }
        followed => followed?,
    };
    let changed = context
        .state(move |store| store.marked_since(&job, cutoff))
        .await?;
    let changed: BTreeSet<Key> = changed.into_iter().collect();
    let (mut dropped, rest): (Vec<Draft>, Vec<Draft>) = drafts
        .into_iter()
        .partition(|draft| draft.keys().any(|key| changed.contains(&key)));
    let doubt = match followed {
        Reading::Incomplete(why) => {
            let (absent, read): (Vec<Draft>, Vec<Draft>) =
                rest.into_iter().partition(Draft::rests_on_absence);
            dropped.extend(absent);
            dropped.extend(outdated(context, tenant, read).await?);
            Some(why)
        }
        Reading::Complete(_) => {
            let graph = &tenant.graph;
            let before = graph.requests();
            let found = SecondLook::of(context, tenant, &rest).await?;
            if found.roles_unread {
                tracing::warn!(
                    job = %context.job.rules.name,
                    "assignments can only be confirmed by reading the whole list again; with the \
                     application permission Directory.Read.All each can be read separately"
                );
            }
            let requests = graph.requests() - before;
            context
                .source_requests
                .fetch_add(requests, Ordering::Relaxed);
            let is_contradicted = !found.contradictions.is_empty();
            dropped.extend(rest.into_iter().filter(|draft| {
                draft.rests_on_absence() && (is_contradicted || !found.confirms(draft))
            }));
            let kinds = found.read_again;
            if !kinds.is_empty() {
                tenant.forget(&kinds).await?;
            }
            is_contradicted.then(|| {
                let ids: Vec<&str> = found.contradictions.iter().map(SourceId::as_str).collect();
                format!(
                    "the tenant has objects or relations that its delta lists did not report ({}); the \
                     lists are read from the beginning",
                    ids.join(", ")
                )
            })
        }
    };
    Ok(Looked { dropped, doubt })
}

/// What was read as blocked or deleted in an earlier cycle may be neither any more, and the lists that would say so
/// could not be read: these are read themselves. Who cannot be read is as was read last.
async fn outdated(
    context: &Context<'_>,
    tenant: &Tenant,
    drafts: Vec<Draft>,
) -> Result<Vec<Draft>, Error> {
    let rests = [RestsOn::Blocked, RestsOn::Deleted];
    let ids_of = |kind| {
        let of_kind = drafts.iter().filter(move |draft| draft.kind == kind);
        let of_kind = of_kind.filter(|draft| rests.contains(&draft.rests_on));
        let ids: Vec<SourceId> = of_kind.map(|draft| draft.id.clone()).collect();
        ids
    };
    let graph = &tenant.graph;
    let before = graph.requests();
    let users = graph.sign_in_of(&ids_of(ObjectKind::User)).await;
    let users = known(users)?.unwrap_or_default();
    let groups = ids_of(ObjectKind::Group);
    let groups = graph.present_among(ObjectKind::Group, &groups).await;
    let groups = known(groups)?.unwrap_or_default();
    let requests = graph.requests() - before;
    context
        .source_requests
        .fetch_add(requests, Ordering::Relaxed);
    let is_outdated = |draft: &Draft| match (draft.rests_on, draft.kind) {
        (RestsOn::Blocked, _) => users.get(&draft.id) == Some(&true),
        (RestsOn::Deleted, ObjectKind::User) => users.contains_key(&draft.id),
        (RestsOn::Deleted, ObjectKind::Group) => groups.contains(&draft.id),
        (RestsOn::Value | RestsOn::NotListed | RestsOn::NotInScope | RestsOn::NotMembers, _) => {
            false
        }
    };
    Ok(drafts.into_iter().filter(is_outdated).collect())
}

/// What reading the objects themselves gave.
#[derive(Default)]
struct SecondLook {
    /// Objects about which everything was read that their removal rests on.
    confirmed: BTreeSet<Key>,
    /// Groups, each with one whom a reading of its members did not hold.
    apart: BTreeSet<(Key, Key)>,
    /// Groups, each with a member that leaves it because it leaves scope.
    by_scope: BTreeSet<(Key, Key)>,
    /// Objects that hold something that a complete reading lacked.
    contradictions: BTreeSet<SourceId>,
    /// The lists that lacked it.
    read_again: BTreeSet<ObjectKind>,
    /// Assignments could not be read of each principal.
    roles_unread: bool,
}

impl SecondLook {
    fn confirms(&self, draft: &Draft) -> bool {
        match draft.rests_on {
            RestsOn::Value | RestsOn::Blocked | RestsOn::Deleted => true,
            RestsOn::NotListed | RestsOn::NotInScope => self.confirmed.contains(&draft.key),
            RestsOn::NotMembers => draft.members.iter().all(|member| {
                let membership = (draft.key, *member);
                self.apart.contains(&membership)
                    || self.by_scope.contains(&membership) && self.confirmed.contains(member)
            }),
        }
    }

    async fn of(context: &Context<'_>, tenant: &Tenant, drafts: &[Draft]) -> Result<Self, Error> {
        let mut look = Self::default();
        let not_listed = drafts
            .iter()
            .filter(|draft| draft.rests_on == RestsOn::NotListed)
            .map(|draft| (draft.id.clone(), (draft.kind, draft.key)));
        look.presence(tenant, not_listed.collect()).await?;

        let of = |rests_on: RestsOn| {
            let drafts = drafts
                .iter()
                .filter(move |draft| draft.rests_on == rests_on);
            drafts.collect::<Vec<&Draft>>()
        };
        let (not_in_scope, not_members) = (of(RestsOn::NotInScope), of(RestsOn::NotMembers));
        if not_in_scope.is_empty() && not_members.is_empty() {
            return Ok(look);
        }
        let facts = Facts::new(context);
        let ways = facts.ways().await?;
        let mut keys: BTreeSet<Key> = not_in_scope.iter().map(|draft| draft.key).collect();
        for drafts in not_members.chunks(GROUPS) {
            keys.extend(look.members((context, tenant), ways, drafts).await?);
        }
        let keys: Vec<Key> = keys.into_iter().collect();
        for keys in keys.chunks(CHUNK) {
            let (job, keys) = (context.job.rules.name.clone(), keys.to_vec());
            let loaded = context.state(move |store| store.load(&job, &keys)).await?;
            for kind in ObjectKind::ALL {
                let of_kind: Vec<&Loaded> = loaded
                    .iter()
                    .filter(|one| one.object.kind == kind)
                    .collect();
                look.scope((context, tenant), ways, kind, &of_kind).await?;
            }
        }
        Ok(look)
    }

    /// Whether groups hold members that the state does not know of. Members that leave although they are
    /// in the group come back: they leave because of their scope.
    async fn members(
        &mut self,
        (context, tenant): (&Context<'_>, &Tenant),
        ways: &WaysIn,
        drafts: &[&Draft],
    ) -> Result<BTreeSet<Key>, Error> {
        let inside: BTreeMap<Key, Vec<Key>> = drafts
            .iter()
            .map(|draft| (draft.key, ways.inside(draft.key)))
            .collect();
        let groups: BTreeSet<Key> = inside.values().flatten().copied().collect();
        let groups: Vec<Key> = groups.into_iter().collect();
        let members = drafts.iter().flat_map(|draft| &draft.members);
        let members: BTreeSet<Key> = members.copied().collect();
        let members: Vec<Key> = members.into_iter().collect();
        let job = context.job.rules.name.clone();
        let (named, loaded) = context
            .state(move |store| Ok((store.named(&groups)?, store.load(&job, &members)?)))
            .await?;
        let ids: Vec<SourceId> = named.values().map(|group| group.id.clone()).collect();
        let graph = &tenant.graph;
        let read = known(graph.members_of(&ids).await)?.unwrap_or_default();
        let loaded: BTreeMap<Key, &Loaded> =
            loaded.iter().map(|one| (one.object.key, one)).collect();
        let mut leave_scope = BTreeSet::new();
        for draft in drafts {
            let inside = &inside[&draft.key];
            let lists: Option<Vec<&BTreeSet<SourceId>>> = inside
                .iter()
                .map(|group| read.get(&named.get(group)?.id))
                .collect();
            for member in &draft.members {
                let Some(one) = loaded.get(member) else {
                    continue;
                };
                let membership = (draft.key, *member);
                if inside.iter().any(|group| one.member_of.contains(group)) {
                    self.by_scope.insert(membership);
                    leave_scope.insert(*member);
                } else if is_gone(one.object.presence) {
                    self.apart.insert(membership);
                } else if let Some(lists) = &lists {
                    if lists.iter().any(|list| list.contains(&one.object.id)) {
                        self.read_again.insert(ObjectKind::Group);
                        self.contradictions.insert(one.object.id.clone());
                    } else {
                        self.apart.insert(membership);
                    }
                }
            }
        }
        Ok(leave_scope)
    }

    /// Whether objects that a list lacked are nowhere in the tenant. Two reads must agree.
    async fn presence(
        &mut self,
        tenant: &Tenant,
        wanted: BTreeMap<SourceId, (ObjectKind, Key)>,
    ) -> Result<(), Error> {
        let graph = &tenant.graph;
        let ids: Vec<SourceId> = wanted.keys().cloned().collect();
        if ids.is_empty() {
            return Ok(());
        }
        let mut present = BTreeSet::new();
        for kind in ObjectKind::ALL {
            let of_kind = wanted.iter().filter(|(_, (one, _))| *one == kind);
            let ids: Vec<SourceId> = of_kind.map(|(id, _)| id.clone()).collect();
            if ids.is_empty() {
                continue;
            }
            let Some(found) = known(graph.present_among(kind, &ids).await)? else {
                return Ok(());
            };
            present.extend(found);
        }
        let absent: Vec<SourceId> = ids
            .iter()
            .filter(|id| !present.contains(*id))
            .cloned()
            .collect();
        let binned = known(graph.in_recycle_bin(&absent).await)?.unwrap_or_default();
        for (id, (kind, key)) in wanted {
            if present.contains(&id) {
                self.read_again.insert(kind);
                self.contradictions.insert(id);
            } else if binned.contains_key(&id) {
                self.confirmed.insert(key);
            }
        }
        Ok(())
    }

    /// Whether these hold no membership and no assignment that the state does not know.
    async fn scope(
        &mut self,
        (context, tenant): (&Context<'_>, &Tenant),
        ways: &WaysIn,
        kind: ObjectKind,
        loaded: &[&Loaded],
    ) -> Result<(), Error> {
        // One that is in the recycle bin or gone has no membership that counts.
        let (present, gone): (Vec<&Loaded>, Vec<&Loaded>) = loaded
            .iter()
            .copied()
            .partition(|one| one.object.presence == Presence::Present);
        let gone_for_sure = gone.iter().filter(|one| is_gone(one.object.presence));
        self.confirmed
            .extend(gone_for_sure.map(|one| one.object.key));
        let missing = gone.iter().filter(|one| !is_gone(one.object.presence));
        let missing = missing.map(|one| (one.object.id.clone(), (kind, one.object.key)));
        self.presence(tenant, missing.collect()).await?;
        if present.is_empty() {
            return Ok(());
        }

        let graph = &tenant.graph;
        let ids: Vec<SourceId> = present.iter().map(|one| one.object.id.clone()).collect();
        let job = &context.job.rules;
        // A group inside one that grants may not be known, where not all of them are read.
        let is_deep = job.scope.nested_groups && {
            let name = job.name.clone();
            context
                .state(move |store| store.reads_in_scope_of(&name))
                .await?
        };
        let groups = if is_deep {
            graph.all_groups_of(kind, &ids).await
        } else {
            graph.groups_of(kind, &ids).await
        };
        let Some(groups) = known(groups)? else {
            return Ok(());
        };
        let roles = if job.scope.mode == ScopeMode::Assigned {
            let name = job.name.clone();
            let source = tenant.number;
            let application = context.state(move |store| store.application(&name, source));
            let application = application.await?;
            let Some(application) = application else {
                return Ok(());
            };
            let roles = graph.roles_of(kind, &ids, &application.service_principal);
            match known(roles.await)? {
                Some(Some(roles)) => Some(roles),
                // The list of assignments was read twice then, and both times it was complete.
                Some(None) => {
                    self.roles_unread = true;
                    None
                }
                None => return Ok(()),
            }
        } else {
            None
        };
        let units = units::units_of(context, tenant, &ids).await?;
        let reads_groups = scope::reads_groups(job, kind);
        for one in present {
            let (key, id) = (one.object.key, &one.object.id);
            let Some(read) = groups.get(id) else { continue };
            let mut keys = one.member_of.clone();
            if is_deep {
                keys = ways.closure(keys).into_iter().collect();
            }
            let known: BTreeSet<SourceId> = context
                .state(move |store| store.ids_of(&keys))
                .await?
                .into_iter()
                .collect();
            let mut is_contradicted = false;
            for group in read.difference(&known) {
                let counts = reads_groups || ways.grants_through(context, group).await?;
                if counts {
                    self.read_again.insert(ObjectKind::Group);
                    is_contradicted = true;
                }
            }
            if let Some(roles) = &roles {
                let Some(held) = roles.get(id) else { continue };
                for role in held {
                    let assigned = if role.principal == *id {
                        one.roles.clone()
                    } else {
                        ways.roles_of_group(context, &role.principal).await?
                    };
                    is_contradicted |= !assigned.contains(&role.role);
                }
            }
            if let Some(units) = &units {
                let Some(held) = units.get(id) else { continue };
                is_contradicted |= held.iter().any(|unit| !one.roles.contains(unit));
            }
            if is_contradicted {
                self.contradictions.insert(id.clone());
            } else {
                self.confirmed.insert(key);
            }
        }
        Ok(())
    }
}

/// Whether this was read on the object itself.
fn is_gone(presence: Presence) -> bool {
    matches!(presence, Presence::SoftDeleted | Presence::Deleted)
}

/// What was read; `None` when it could not be read, which confirms nothing.
pub(super) fn known<T>(read: Result<T, crate::graph::Error>) -> Result<Option<T>, Error> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(crate::graph::Error::Stopped) => Err(Error::Stopped),
        Err(error) => {
            let error = Error::chain_of(&error);
            tracing::warn!(error, "removals could not be confirmed");
            Ok(None)
        }
    }
}

//! What the target really holds of linked objects, compared with what was last written (`sync --initial`,
//! `audit`): from one listing, or from reads where these are cheaper. What differs is put on record as the
//! target holds it, so that the planner repairs it like any other difference; what is gone is matched again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;

use super::gone::{self, Missing, Whereabouts};
use super::index::Index;
use super::lookup;
use super::rewritten;
use super::same_target::Verified;
use super::{Context, Error, shown};
use crate::engine::capabilities::Remark;
use crate::engine::job::Job;
use crate::engine::mapping::{Mapping, OnDrift};
use crate::engine::model::{
    self, Key, Link, ObjectKind, TargetId, TargetObject, TargetPath, Value,
};
use crate::engine::plan::{
    self, Comparison, Difference, Drift, DriftRemedy, Drifted, Subject, Warning,
};
use crate::engine::quarantine::Pace;
use crate::scim;
use crate::store::Named;

/// Links that are taken from the state at once.
const CHUNK: usize = 500;

/// Up to this many links, their own reads are not worth comparing with a list.
const FEW: usize = 2;

/// What the target holds of one kind of object.
pub(super) struct Seen<'a> {
    index: Arc<Index<'a>>,
    /// Objects that were to be read by themselves, and could not be.
    unread: BTreeSet<Key>,
    is_list: bool,
}

impl Seen<'_> {
    /// The object as it was listed or read.
    pub(super) fn object(&self, target: &TargetId) -> Result<Option<TargetObject>, Error> {
        self.index.get(target)
    }
}

impl<'a> Seen<'a> {
    fn list(index: Arc<Index<'a>>) -> Self {
        Self {
            index,
            unread: BTreeSet::new(),
            is_list: true,
        }
    }
}

/// What is put on record of what differs, so that it is repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recorded {
    AsConfigured,
    /// Also what is only to be reported: for plans that are only shown.
    Everything,
    Nothing,
}

/// Whether linked objects are to be compared with what the target holds, by the schedule.
pub(super) fn is_due(context: &Context<'_>) -> Result<bool, Error> {
    let Some(every) = context.job.verify else {
        return Ok(false);
    };
    if context.options.is_partial() || context.pace != Pace::Full {
        return Ok(false);
    }
    let agent = context.agent;
    let last = agent.store.compared(&context.job.rules.name)?;
    let since = last.map(|last| (agent.now)().signed_duration_since(last).to_std());
    // A clock that was set back says nothing.
    Ok(since.is_none_or(|since| since.map_or(true, |since| since >= every)))
}

/// Compares the linked objects of the job, or the one that the cycle is limited to.
pub(super) async fn look<'a>(
    context: &'a Context<'a>,
    verified: &mut Verified<'a>,
) -> Result<(), Error> {
    for kind in ObjectKind::ALL {
        let keys = linked(context, kind).await?;
        if keys.is_empty() || !context.job.rules.rules(kind).enabled {
            continue;
        }
        let seen = seen(context, kind, &keys).await?;
        let rewritten = rewritten::learn(context, kind, &keys, &seen).await?;
        verified
            .warnings
            .extend(rewritten.into_iter().map(Warning::Misfit));
        let known = context.known_rewritten(kind);
        let drifted = compare(context, kind, &keys, &seen, Recorded::AsConfigured).await?;
        let again = context.known_rewritten(kind);
        let again = again.difference(&known).cloned();
        let again = again.map(|path| Warning::Misfit(Remark::Rewritten { kind, path }));
        verified.warnings.extend(again);
        let drifted = drifted.into_iter().map(Warning::Drift);
        verified.warnings.extend(drifted);
        if seen.is_list {
            verified.lists.insert(kind, seen.index);
        }
    }
    Ok(())
}

/// What differs of these objects, each read by itself, and how many could not be read. The state stays as it
/// is.
pub(super) async fn read_back(
    context: &Context<'_>,
    kind: ObjectKind,
    keys: &[Key],
) -> Result<(Vec<Drifted>, u64), Error> {
    let seen = read_each(context, kind, keys).await?;
    let drifted = compare(context, kind, keys, &seen, Recorded::Nothing).await?;
    Ok((drifted, seen.unread.len() as u64))
}

/// What a list that was read anyway shows, or reads of each where it does not show what is needed.
pub(super) async fn seen_in<'a>(
    context: &'a Context<'a>,
    kind: ObjectKind,
    keys: &[Key],
    list: Arc<Index<'a>>,
) -> Result<Seen<'a>, Error> {
    if has_what_is_needed(context, kind, &list) {
        Ok(Seen::list(list))
    } else {
        read_each(context, kind, keys).await
    }
}

/// The linked objects of this kind that the cycle is about.
pub(super) async fn linked(context: &Context<'_>, kind: ObjectKind) -> Result<Vec<Key>, Error> {
    let job = context.job.rules.name.clone();
    let only = context.only().await?;
    context
        .state(move |store| match only {
            None => store.linked_keys(&job, kind),
            Some(mut only) => {
                let keys = only.remove(&kind).unwrap_or_default();
                Ok(store.links(&job, &keys)?.into_keys().collect())
            }
        })
        .await
}

/// One listing, or a read for each where that is cheaper, or where the list does not show what is needed.
async fn seen<'a>(
    context: &'a Context<'a>,
    kind: ObjectKind,
    keys: &[Key],
) -> Result<Seen<'a>, Error> {
    if keys.len() > FEW {
        match listed(context, kind, keys.len()).await {
            Ok(Some(index)) if has_what_is_needed(context, kind, &index) => {
                return Ok(Seen::list(Arc::new(index)));
            }
            Ok(_) => {}
            Err(Error::Target(error)) if error.is_stop() => return Err(error.into()),
            Err(Error::Target(error @ scim::Error::ListIncomplete { .. })) => tracing::warn!(
                job = %context.job.rules.name, %kind, %error,
                "the target's list is not complete: reading each linked object separately"
            ),
            Err(Error::Target(error)) if context.concerns_one_object(&error).await => {}
            Err(error) => return Err(error),
        }
    }
    read_each(context, kind, keys).await
}

async fn listed<'a>(
    context: &'a Context<'a>,
    kind: ObjectKind,
    links: usize,
) -> Result<Option<Index<'a>>, Error> {
    let paths = lookup::paths(context, kind, &[]);
    let list = context.reader.first_page_with_members(kind, &paths).await?;
    if list.pages_left() > links as u64 {
        return Ok(None);
    }
    Index::read(context, list, kind, &[]).await.map(Some)
}

/// Some targets show the members of a group only where it is read by itself.
fn has_what_is_needed(context: &Context<'_>, kind: ObjectKind, index: &Index<'_>) -> bool {
    members_path(context, kind).is_none() || index.shows_members()
}

fn members_path<'c>(context: &'c Context<'_>, kind: ObjectKind) -> Option<&'c TargetPath> {
    members_mapping(context, kind).map(|mapping| &mapping.target)
}

fn members_mapping<'c>(context: &'c Context<'_>, kind: ObjectKind) -> Option<&'c Mapping> {
    let mut mappings = context.job.rules.rules(kind).mappings.iter();
    mappings.find(|mapping| mapping.target.is_members())
}

async fn read_each<'a>(
    context: &'a Context<'a>,
    kind: ObjectKind,
    keys: &[Key],
) -> Result<Seen<'a>, Error> {
    let paths = &lookup::paths(context, kind, &[]);
    let with_members = members_path(context, kind).is_some();
    let mut index = Index::new(context, kind, paths.clone());
    let mut unread = BTreeSet::new();
    for keys in keys.chunks(CHUNK) {
        let (job, keys) = (context.job.rules.name.clone(), keys.to_vec());
        let links = context.state(move |store| store.links(&job, &keys)).await?;
        let mut reads = futures::stream::iter(links)
            .map(|(key, link)| async move {
                let reader = &context.reader;
                let read = reader.read(kind, &link.target, paths, with_members).await;
                (key, read)
            })
            .buffer_unordered(context.job.target.concurrency);
        while let Some((key, read)) = reads.next().await {
            match read {
                Ok(Some(object)) => index.add(&object, &BTreeSet::new()),
                Ok(None) => {}
                Err(error) if context.concerns_one_object(&error).await => {
                    unread.insert(key);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    index.close()?;
    Ok(Seen {
        index: Arc::new(index),
        unread,
        is_list: false,
    })
}

/// What differs, object by object. Where it is to be repaired, what the target holds is put on record.
pub(super) async fn compare(
    context: &Context<'_>,
    kind: ObjectKind,
    keys: &[Key],
    seen: &Seen<'_>,
    recorded: Recorded,
) -> Result<Vec<Drifted>, Error> {
    let rules = &context.job.rules;
    let policy = |mapping: &Mapping| match recorded {
        Recorded::Everything => OnDrift::Repair,
        Recorded::AsConfigured | Recorded::Nothing => rules.on_drift(mapping),
    };
    let forgets = match recorded {
        Recorded::Everything => true,
        Recorded::AsConfigured => rules.safety.on_drift == OnDrift::Repair,
        Recorded::Nothing => false,
    };
    let mut drifted = Vec::new();
    let paths = seen.index.shown();
    let is_shown = |path: &TargetPath| paths.contains(path);
    let known = context.known_rewritten(kind);
    let is_rewritten =
        |path: &TargetPath| known.contains(path) || context.was_rewritten(kind, path);
    let made = Mutex::new(BTreeSet::new());
    let shows_made = |path: &TargetPath| {
        let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
        made.insert(path.clone());
    };
    let comparison = Comparison {
        mappings: &context.job.rules.rules(kind).mappings,
        is_shown: &is_shown,
        policy: &policy,
        is_rewritten: &is_rewritten,
        shows_made: &shows_made,
    };
    for keys in keys.chunks(CHUNK) {
        if context.agent.stop.is_cancelled() {
            return Err(Error::Stopped);
        }
        let (job, keys) = (context.job.rules.name.clone(), keys.to_vec());
        let (links, mut named) = context
            .state(move |store| Ok((store.links(&job, &keys)?, store.named(&keys)?)))
            .await?;
        for (key, link) in links {
            // What is not certain is read before it is planned anyway.
            if link.unconfirmed || seen.unread.contains(&key) {
                continue;
            }
            let Some(named) = named.remove(&key) else {
                continue;
            };
            let one = One { kind, key, link };
            let drift = match one.held(context, seen).await? {
                Held::Object(object) => {
                    let differences = one.compare(context, object, comparison, recorded);
                    let differences = differences.await?;
                    (!differences.is_empty()).then_some(Drift::Differs(differences))
                }
                Held::Gone => {
                    if forgets {
                        one.forget(context).await?;
                    }
                    Some(Drift::Gone)
                }
                Held::NotKnown => None,
            };
            if let Some(drift) = drift {
                let one = Drifted {
                    subject: subject(key, named),
                    target: one.link.target,
                    drift,
                };
                drifted.push(Drifted::clone(&context.redactions.drifted(kind, &one)));
            }
        }
    }
    if recorded == Recorded::AsConfigured {
        // What was forgotten to be looked at again still holds.
        let made = made.into_inner().unwrap_or_else(PoisonError::into_inner);
        for path in made.difference(&known) {
            let evidence = format!("linked {kind}s show values made of those that were sent");
            context.learn_rewritten(kind, path, evidence).await?;
        }
    }
    Ok(drifted)
}

/// Says what is repaired, of differences that were all taken to be.
pub(super) fn as_configured(rules: &Job, kind: ObjectKind, differences: &mut [Difference]) {
    for difference in differences {
        let mut mappings = rules.rules(kind).mappings.iter();
        let mapping = mappings.find(|mapping| mapping.target == difference.path);
        let policy = mapping.map_or(rules.safety.on_drift, |mapping| rules.on_drift(mapping));
        if difference.remedy == DriftRemedy::Repair && policy == OnDrift::Report {
            difference.remedy = DriftRemedy::Report;
        }
    }
}

pub(super) fn subject(key: Key, named: Named) -> Subject {
    let Named { kind, id, label } = named;
    Subject {
        kind,
        key,
        id,
        label,
    }
}

/// Whether the target shows a form of what is written once more.
fn shows_form(difference: &Difference) -> bool {
    let Difference {
        path: _,
        sent: Some(Value::Text(sent)),
        held: Some(Value::Text(held)),
        remedy: DriftRemedy::Repair,
    } = difference
    else {
        return false;
    };
    plan::is_form_of(sent, held)
}

/// A linked object.
struct One {
    kind: ObjectKind,
    key: Key,
    link: Link,
}

enum Held {
    Object(TargetObject),
    Gone,
    /// It could not be read, or is hidden.
    NotKnown,
}

impl One {
    async fn held(&self, context: &Context<'_>, seen: &Seen<'_>) -> Result<Held, Error> {
        let Self { kind, key, link } = self;
        if let Some(object) = seen.index.get(&link.target)? {
            return Ok(Held::Object(object));
        }
        if seen.is_list {
            let paths = lookup::paths(context, *kind, &[]);
            let with_members = members_path(context, *kind).is_some();
            let reader = &context.reader;
            match reader.read(*kind, &link.target, &paths, with_members).await {
                Ok(Some(object)) => return Ok(Held::Object(object)),
                Ok(None) => {}
                Err(error) if context.concerns_one_object(&error).await => {
                    return Ok(Held::NotKnown);
                }
                Err(error) => return Err(error.into()),
            }
        }
        let missing = Missing {
            kind: *kind,
            key: *key,
            link,
            is_deleted: false,
        };
        match gone::look(context, missing, &[]).await {
            Ok(Whereabouts::Gone) => Ok(Held::Gone),
            Ok(Whereabouts::There | Whereabouts::Hidden) => Ok(Held::NotKnown),
            Err(Error::Target(error)) if context.concerns_one_object(&error).await => {
                Ok(Held::NotKnown)
            }
            Err(error) => Err(error),
        }
    }

    async fn forget(&self, context: &Context<'_>) -> Result<(), Error> {
        context.at_gone().await?;
        let (job, key) = (context.job.rules.name.clone(), self.key);
        context.state(move |store| store.unlink(&job, key)).await
    }

    async fn compare(
        &self,
        context: &Context<'_>,
        object: TargetObject,
        comparison: Comparison<'_>,
        recorded: Recorded,
    ) -> Result<Vec<Difference>, Error> {
        let mut current = shown::as_sent(context, self.kind, object.attributes).await?;
        self.overlook_own_id(&mut current);
        let mut differences = comparison.compare(&self.link, &mut current);
        for difference in differences.iter().filter(|one| shows_form(one)) {
            context.note_form(self.key, &difference.path);
        }
        name_references(context, &mut differences).await?;
        let mut members = None;
        if let (Some(mapping), Some(shown), true) = (
            members_mapping(context, self.kind),
            object.members,
            self.link.in_scope,
        ) {
            let (mut difference, known) = self.members(context, &mapping.target, shown).await?;
            if let Some(difference) = &mut difference {
                match (comparison.policy)(mapping) {
                    OnDrift::Repair => members = Some(known),
                    OnDrift::Report => difference.remedy = DriftRemedy::Report,
                }
            }
            differences.extend(difference);
        }
        let is_recorded = recorded != Recorded::Nothing;
        if is_recorded
            && differences
                .iter()
                .any(|one| one.remedy == DriftRemedy::Repair)
        {
            let (job, key) = (context.job.rules.name.clone(), self.key);
            let source = context.clocks().source;
            context
                .state(move |store| {
                    store.confirm(&job, key, &current, members.as_deref(), source)?;
                    store.evaluate_again(&job, key)
                })
                .await?;
        }
        Ok(differences)
    }

    /// A target that shows its own id as `externalId` has no place for ours.
    fn overlook_own_id(&self, current: &mut model::Held) {
        let path = lookup::named("externalId");
        let own = Value::text(self.link.target.as_str());
        if current.values.get(&path) == Some(&own)
            && let Some(sent) = self.link.sent.get(&path)
        {
            current.values.insert(path, sent.clone());
        }
    }

    /// How the members differ, and which of those that the target shows are ours.
    async fn members(
        &self,
        context: &Context<'_>,
        path: &TargetPath,
        shown: Vec<TargetId>,
    ) -> Result<(Option<Difference>, Vec<Key>), Error> {
        let (job, group) = (context.job.rules.name.clone(), self.key);
        let shown: BTreeSet<TargetId> = shown.into_iter().collect();
        let targets: Vec<TargetId> = shown.iter().cloned().collect();
        let (sent, owners) = context
            .state(move |store| {
                let sent = store.sent_member_targets(&job, group)?;
                let mut owners: BTreeMap<TargetId, Key> = BTreeMap::new();
                for kind in ObjectKind::ALL {
                    owners.extend(store.holders(&job, kind, &targets)?);
                    let sent: Vec<TargetId> = sent.iter().cloned().collect();
                    owners.extend(store.holders(&job, kind, &sent)?);
                }
                let keys: Vec<Key> = owners.values().copied().collect();
                let named = store.named(&keys)?;
                let owners = owners.into_iter().filter_map(|(target, key)| {
                    Some((target, (key, named.get(&key)?.label.clone())))
                });
                let owners: BTreeMap<TargetId, (Key, String)> = owners.collect();
                Ok((sent, owners))
            })
            .await?;
        let name = |target: &TargetId| owners.get(target).map(|(_, name)| name.clone());
        let difference = plan::members(path, &sent, &shown, &name);
        let known = shown.iter().filter_map(|target| owners.get(target));
        Ok((difference, known.map(|(key, _)| *key).collect()))
    }
}

/// Reports name those whom a reference leads to.
async fn name_references(
    context: &Context<'_>,
    differences: &mut [Difference],
) -> Result<(), Error> {
    for difference in differences {
        for value in [&mut difference.sent, &mut difference.held] {
            let Some(Value::Reference(id)) = value else {
                continue;
            };
            let id = id.clone();
            let named = context
                .state(move |store| store.object(ObjectKind::User, &id))
                .await?;
            if let Some(named) = named {
                *value = Some(Value::text(named.label()));
            }
        }
    }
    Ok(())
}

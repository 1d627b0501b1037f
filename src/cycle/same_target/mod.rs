//! Is this still our target? Some links, or all that are formerly ours, are read in the target and compared
//! with what was last sent, before anything is written (safety.md, 3).

mod former;

pub(super) use former::verify_some;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;

use super::absent;
use super::gone;
use super::index::Index;
use super::lookup;
use super::plan::Outline;
use super::shown;
use super::{Context, Error};
use crate::engine::mapping;
use crate::engine::model::{
    Key, Link, MatchKey, ObjectKind, SourceId, TargetId, TargetObject, TargetPath,
};
use crate::engine::plan::{Action, Found, Operation, Subject, Warning};
use crate::engine::same_target::{self, Compared, FIRST, MORE, MOST_CREDENTIALS, Tally, Verdict};
use crate::scim;
use crate::store::{Named, TargetSettings};

/// Links that are taken from the state at once.
const CHUNK: usize = 500;

/// What was found out about the target before planning.
#[derive(Default)]
pub(super) struct Verified<'a> {
    pub(super) warnings: Vec<Warning>,
    /// Objects that wait, because their links are formerly ours and could not be verified, and why. `None`: of an
    /// erased person nothing is known by which the account could be known again.
    pub(super) waiting: BTreeMap<Key, Option<String>>,
    /// Too few links could be read: nothing is written but disables of links that were read and agree.
    pub(super) unsure: Option<Unsure>,
    /// The target's lists that were read: they answer look-ups until something is written.
    pub(super) lists: BTreeMap<ObjectKind, Arc<Index<'a>>>,
}

#[derive(Debug)]
pub(super) struct Unsure {
    pub(super) tally: Tally,
    agree: BTreeSet<Key>,
}

/// A link that is compared.
struct Candidate {
    key: Key,
    kind: ObjectKind,
    id: SourceId,
    label: String,
    link: Link,
    /// What writes give it that may still be under way: it may show this as well.
    new_keys: Vec<MatchKey>,
}

/// Links and what comparing them gave.
#[derive(Default)]
struct Results {
    tally: Tally,
    compared: BTreeMap<Key, Compared>,
    /// Why those that were not read were not.
    unread: BTreeMap<Key, Option<String>>,
    /// What the target shows of those that agree.
    shown: BTreeMap<Key, (ObjectKind, TargetObject)>,
    wrong: Vec<(Key, TargetId)>,
}

/// Before a plan is made: all links that are formerly ours and, where everything is evaluated, some of the
/// others.
pub(super) async fn verify<'a>(
    context: &'a Context<'a>,
    cycle: i64,
    is_full: bool,
) -> Result<Verified<'a>, Error> {
    context.cycle.get_or_init(|| cycle);
    let job = context.job.rules.name.clone();
    let former = context.state(move |store| store.former_links(&job)).await?;
    let mut verified = Verified::default();
    if former.is_empty() && !is_full {
        return Ok(verified);
    }
    let mut results = former::verify(context, &former, &mut verified).await?;
    // A link that cannot be read says nothing of the target where others are verified.
    let is_unsure = results.tally.verdict() == Verdict::Unsure;
    if is_full || is_unsure {
        let sampled = sample(context, &results.compared).await?;
        if sampled.tally.verdict() == Verdict::Another {
            return Err(another(context, sampled.tally));
        }
        let warnings = match_again(context, &sampled.wrong, Some(cycle)).await?;
        verified.warnings.extend(warnings);
        if former.is_empty() || sampled.tally.read() > 0 {
            results = sampled;
        }
    }
    if results.tally.verdict() == Verdict::Unsure {
        verified.unsure = Some(Unsure {
            tally: results.tally,
            agree: results.with(Compared::Agrees),
        });
        return Ok(verified);
    }
    let (job, settings) = (context.job.rules.name.clone(), context.settings());
    context
        .state(move |store| {
            store.note_settings(&job, &settings)?;
            store.note_linked_application(&job)
        })
        .await?;
    Ok(verified)
}

/// What verifying the target in the middle of a cycle came to.
#[derive(Debug, Default)]
pub(super) struct Reverified {
    /// Links that led to nothing of ours, with what they led to: the objects are matched again.
    wrong: BTreeMap<Key, TargetId>,
    unsure: Option<BTreeSet<Key>>,
}

impl Context<'_> {
    /// When the target says of an object that it is gone: at the first of a cycle, the whole target may be
    /// another, and other links may be wrong.
    pub(super) async fn at_gone(&self) -> Result<(), Error> {
        let verifying = || reverify(self);
        self.first_gone.get_or_try_init(verifying).await?;
        Ok(())
    }

    /// Why this is not written, as far as the target was verified in this cycle.
    pub(super) async fn is_barred(&self, action: &Action) -> Result<Option<&'static str>, Error> {
        let mut renewed = self.renewed.lock().await;
        // Another credential may lead to another organisation; the look itself may need one more.
        for _ in 0..MOST_CREDENTIALS {
            if self.reader.is_verified() {
                break;
            }
            let identity = self.reader.identity();
            renewed.push(Arc::new(reverify(self).await?));
            self.reader.note_verified(identity);
        }
        let found = renewed.clone();
        drop(renewed);
        let found = found.iter().map(Arc::as_ref);
        for found in self.first_gone.get().into_iter().chain(found) {
            if let Some(why) = found.bars(self, action).await? {
                return Ok(Some(why));
            }
        }
        Ok(None)
    }
}

impl Reverified {
    async fn bars(
        &self,
        context: &Context<'_>,
        action: &Action,
    ) -> Result<Option<&'static str>, Error> {
        let Self { wrong, unsure } = self;
        let key = action.subject.key;
        if action.target.is_some() && wrong.get(&key) == action.target.as_ref() {
            return Ok(Some(
                "the linked object is gone or belongs to another: it is matched again",
            ));
        }
        let Some(agree) = unsure else { return Ok(None) };
        let is_disable = matches!(action.operation, Operation::Disable { .. });
        let mut is_known = is_disable && agree.contains(&key);
        if is_disable && !is_known {
            let mut results = Results::default();
            results.compare(context, &[key]).await?;
            is_known = results.tally.agree > 0;
        }
        Ok((!is_known).then_some(
            "too few linked objects can be read in the target to confirm that it is still the same target",
        ))
    }
}

/// Matches again those that are wrong. Where too few can be read, nothing more is written but disables of
/// accounts that are read and agree.
async fn reverify(context: &Context<'_>) -> Result<Reverified, Error> {
    let identity = context.reader.identity();
    let results = sample(context, &BTreeMap::new()).await?;
    match results.tally.verdict() {
        Verdict::Another => Err(another(context, results.tally)),
        verdict @ (Verdict::Unsure | Verdict::Ours) => {
            let unsure = verdict == Verdict::Unsure;
            match_again(context, &results.wrong, Some(context.cycle())).await?;
            let (wrong, read) = (results.tally.wrong, results.tally.read());
            if wrong > 0 || unsure {
                tracing::warn!(
                    job = %context.job.rules.name, wrong, read, not_read = results.tally.not_read,
                    "linked objects are gone from the target or belong to others: they are matched again"
                );
            }
            let settings = context.settings_of(&identity);
            // Of another that took its place meanwhile nothing is known.
            if !unsure && context.reader.is_renewed() && settings == context.settings() {
                let job = context.job.rules.name.clone();
                context
                    .state(move |store| store.note_settings(&job, &settings))
                    .await?;
            }
            Ok(Reverified {
                unsure: unsure.then(|| results.with(Compared::Agrees)),
                wrong: results.wrong.into_iter().collect(),
            })
        }
    }
}

/// Drops what may not be written while it is not known whose target this is.
pub(super) async fn restrict(
    context: &Context<'_>,
    cycle: i64,
    unsure: &Unsure,
    outline: &mut Outline,
) -> Result<(), Error> {
    let rows = context.state(move |store| store.removals(cycle)).await?;
    let mut disabled = Vec::new();
    for ids in rows.chunks(CHUNK) {
        let ids = ids.to_vec();
        let rows = context.state(move |store| store.take(&ids)).await?;
        let found = rows
            .iter()
            .filter(|row| matches!(row.action.operation, Operation::Disable { .. }));
        disabled.extend(found.map(|row| row.action.subject.key));
    }
    let mut agree = unsure.agree.clone();
    let unread: Vec<Key> = disabled
        .into_iter()
        .filter(|key| !agree.contains(key))
        .collect();
    let mut results = Results::default();
    for keys in unread.chunks(CHUNK) {
        results.compare(context, keys).await?;
    }
    agree.extend(results.with(Compared::Agrees));
    let agree: Vec<Key> = agree.into_iter().collect();
    context
        .state(move |store| store.keep_disables(cycle, &agree))
        .await?;
    let Tally {
        agree: _,
        wrong: _,
        not_read,
    } = unsure.tally;
    let why = format!(
        "{not_read} of {} linked objects could not be read in the target, so it is not certain that it \
         is still the same target: only accounts that were read are disabled, nothing else is written",
        not_read + unsure.tally.read()
    );
    let header = &mut outline.header;
    header.complete = false;
    header.incomplete = Some(match header.incomplete.take() {
        Some(known) => format!("{known}; {why}"),
        None => why,
    });
    Ok(())
}

/// Compares some links, but for those that were compared before.
async fn sample(context: &Context<'_>, known: &BTreeMap<Key, Compared>) -> Result<Results, Error> {
    let mut results = Results::default();
    for size in [FIRST, FIRST + MORE] {
        let job = context.job.rules.name.clone();
        // A plan and the cycle after it choose the same.
        let seed = context.cycle().unsigned_abs();
        let chosen = context
            .state(move |store| store.sample_links(&job, seed, size))
            .await?;
        let fresh: Vec<Key> = chosen
            .into_iter()
            .filter(|key| !results.compared.contains_key(key) && !known.contains_key(key))
            .collect();
        results.compare(context, &fresh).await?;
        if !results.tally.leaves_a_doubt() {
            break;
        }
    }
    Ok(results)
}

impl Results {
    fn with(&self, wanted: Compared) -> BTreeSet<Key> {
        let compared = self.compared.iter();
        let compared = compared.filter(|(_, compared)| **compared == wanted);
        compared.map(|(key, _)| *key).collect()
    }

    async fn compare(&mut self, context: &Context<'_>, keys: &[Key]) -> Result<(), Error> {
        let (job, keys) = (context.job.rules.name.clone(), keys.to_vec());
        let loaded = context
            .state(move |store| {
                let named = store.named(&keys)?;
                let under_way = store.under_way(&job, &keys)?;
                Ok((store.links(&job, &keys)?, named, under_way))
            })
            .await?;
        let (mut links, named, under_way) = loaded;
        let candidates = named.into_iter().filter_map(|(key, named)| {
            let Named { kind, id, label } = named;
            let link = links.remove(&key)?;
            let operations = under_way.get(&key).map(|unknown| &unknown.operations);
            let operations = operations.into_iter().flatten();
            let new_keys = operations.flat_map(|one| gone::new_keys(context, kind, one));
            Some(Candidate {
                key,
                kind,
                id,
                label,
                link,
                new_keys: new_keys.collect(),
            })
        });
        let candidates: Vec<Candidate> = candidates.collect();
        let concurrency = context.job.target.concurrency;
        let reads = candidates.into_iter().map(|candidate| async move {
            let compared = compare(context, &candidate).await;
            (candidate, compared)
        });
        let mut reads = futures::stream::iter(reads).buffer_unordered(concurrency);
        let mut failed = 0;
        let mut absent = Vec::new();
        while let Some((candidate, compared)) = reads.next().await {
            let Candidate { key, kind, .. } = candidate;
            let compared = match compared {
                Ok(Looked::Object(object)) => {
                    self.shown.insert(key, (kind, *object));
                    Compared::Agrees
                }
                Ok(Looked::Compared(compared)) => compared,
                Ok(Looked::Absent) => {
                    absent.push(candidate);
                    continue;
                }
                Err(error) if error.is_stop() => return Err(error.into()),
                Err(error) => {
                    failed += 1;
                    // The target is down, or takes no request: no need to try them all.
                    if error.stops_everything() && failed >= concurrency && self.tally.read() == 0 {
                        return Err(error.into());
                    }
                    tracing::debug!(
                        job = %context.job.rules.name, %kind, %error,
                        "a link could not be verified"
                    );
                    self.not_read(context, &candidate, &error.failure().message);
                    continue;
                }
            };
            self.note(context, candidate, compared);
        }
        drop(reads);
        for kind in ObjectKind::ALL {
            let of_kind = absent.extract_if(.., |one: &mut Candidate| one.kind == kind);
            self.look_again(context, kind, of_kind.collect()).await?;
        }
        Ok(())
    }

    fn note(&mut self, context: &Context<'_>, candidate: Candidate, compared: Compared) {
        match compared {
            Compared::NotRead => {
                let words = "the target does not show the values that it is known by";
                return self.not_read(context, &candidate, words);
            }
            Compared::Wrong => self.wrong.push((candidate.key, candidate.link.target)),
            Compared::Agrees => {}
        }
        self.tally.count(compared);
        self.compared.insert(candidate.key, compared);
    }

    /// Where nothing is known by which the object could be known again, it says nothing of the target either.
    fn not_read(&mut self, context: &Context<'_>, candidate: &Candidate, words: &str) {
        let key = candidate.key;
        let is_known = !candidate.keys(context).is_empty();
        if is_known {
            self.tally.count(Compared::NotRead);
        }
        self.compared.insert(key, Compared::NotRead);
        let words = is_known.then(|| candidate.waits(context, words));
        self.unread.insert(key, words);
    }

    /// What neither a read nor a search found. One empty answer is not enough to give a link up.
    async fn look_again(
        &mut self,
        context: &Context<'_>,
        kind: ObjectKind,
        candidates: Vec<Candidate>,
    ) -> Result<(), Error> {
        if candidates.is_empty() {
            return Ok(());
        }
        let keys: Vec<Vec<MatchKey>> = candidates.iter().map(|one| one.keys(context)).collect();
        let wanted: Vec<&[MatchKey]> = keys.iter().map(Vec::as_slice).collect();
        let list = absent::list(context, kind, &wanted).await?;
        for (candidate, keys) in candidates.into_iter().zip(&keys) {
            let target = &candidate.link.target;
            let compared = match &list {
                Some(list) if list.contains(target) => Compared::NotRead,
                Some(_) => Compared::Wrong,
                None => match search(context, kind, keys, target, &[]).await {
                    Ok(Looked::Absent) => Compared::Wrong,
                    Err(error) if error.is_stop() => return Err(error.into()),
                    Ok(Looked::Object(_) | Looked::Compared(_)) | Err(_) => Compared::NotRead,
                },
            };
            self.note(context, candidate, compared);
        }
        Ok(())
    }
}

/// What comparing a link with what the target shows came to.
enum Looked {
    /// The target object, which agrees.
    Object(Box<TargetObject>),
    Compared(Compared),
    /// Neither a read nor a search found it.
    Absent,
}

impl Candidate {
    /// By what it can be found.
    fn keys(&self, context: &Context<'_>) -> Vec<MatchKey> {
        let mappings = &context.job.rules.rules(self.kind).mappings;
        let mut keys = same_target::keys(mappings, &self.id, &self.link.sent);
        keys.extend(self.new_keys.iter().cloned());
        keys
    }

    /// Why its object waits, and what can be done.
    fn waits(&self, context: &Context<'_>, words: &str) -> String {
        let (target, job) = (&self.link.target, &context.job.rules.name);
        let name = if self.label.is_empty() {
            self.id.as_str()
        } else {
            &self.label
        };
        format!(
            "{words}; since the links were reset it is not certain that {target} in the target is still this \
             object: nothing is done to it until the target shows it; to match it anew: entrain links unlink \
             {job} {name:?}"
        )
    }
}

async fn compare(context: &Context<'_>, candidate: &Candidate) -> Result<Looked, scim::Error> {
    let Candidate { kind, link, .. } = candidate;
    let mappings = &context.job.rules.rules(*kind).mappings;
    let keys = candidate.keys(context);
    let paths: Vec<TargetPath> = mappings
        .iter()
        .map(|mapping| mapping.target.clone())
        .filter(|path| !path.is_members())
        .collect();
    let hidden = context.redactions.hidden_in_keys(*kind, &keys);
    let reader = context.reader.hiding(hidden);
    let with_members = *kind == ObjectKind::Group && link.unconfirmed;
    match reader.read(*kind, &link.target, &paths, with_members).await {
        Ok(Some(object)) => {
            let mut shown = object.attributes.clone();
            mapping::normalize(mappings, &mut shown);
            Ok(match same_target::compare(mappings, &keys, &shown) {
                // Nothing else is known of an erased person.
                Compared::NotRead
                    if keys.is_empty() && same_target::names(&candidate.id, &shown) =>
                {
                    Looked::Object(Box::new(object))
                }
                Compared::Agrees => Looked::Object(Box::new(object)),
                other @ (Compared::Wrong | Compared::NotRead) => Looked::Compared(other),
            })
        }
        // Some answer so for an object that their list finds.
        Ok(None) => search(context, *kind, &keys, &link.target, &paths).await,
        Err(error) => Err(error),
    }
}

async fn search(
    context: &Context<'_>,
    kind: ObjectKind,
    keys: &[MatchKey],
    target: &TargetId,
    paths: &[TargetPath],
) -> Result<Looked, scim::Error> {
    match lookup::by_queries(context, kind, keys, paths, &lookup::no_holder_gives_up).await {
        Ok(Found::One { object, .. }) if object.id == *target => {
            Ok(Looked::Object(Box::new(object)))
        }
        Ok(Found::Failed(_) | Found::OldAddress { .. }) => Ok(Looked::Compared(Compared::NotRead)),
        Ok(Found::None | Found::One { .. } | Found::Several { .. }) => Ok(Looked::Absent),
        // What it says of the id is all that it can say.
        Err(error) if error.is_filter_unsupported() => Ok(Looked::Absent),
        Err(error) => Err(error),
    }
}

/// A link that is formerly ours is ours again, with what the target holds now.
async fn confirm(
    context: &Context<'_>,
    key: Key,
    kind: ObjectKind,
    object: TargetObject,
) -> Result<(), Error> {
    let current = shown::as_sent(context, kind, object.attributes).await?;
    let members = object.members;
    let source = context.clocks().source;
    let job = context.job.rules.name.clone();
    context
        .state(move |store| {
            let members = match members {
                Some(members) => Some(store.linked(&job, members)?.0),
                None => None,
            };
            store.confirm(&job, key, &current, members.as_deref(), source)
        })
        .await
}

/// Drops links whose object is gone or another, so that the objects are matched again. With a cycle it is noted
/// that they are gone since then.
async fn match_again(
    context: &Context<'_>,
    wrong: &[(Key, TargetId)],
    gone: Option<i64>,
) -> Result<Vec<Warning>, Error> {
    let mut warnings = Vec::new();
    for wrong in wrong.chunks(CHUNK) {
        let (job, wrong) = (context.job.rules.name.clone(), wrong.to_vec());
        let named = context
            .state(move |store| {
                let keys: Vec<Key> = wrong.iter().map(|(key, _)| *key).collect();
                let mut named = store.named(&keys)?;
                for key in &keys {
                    match gone {
                        Some(cycle) => store.unlink_gone(&job, *key, cycle)?,
                        None => store.unlink(&job, *key)?,
                    }
                }
                let wrong = wrong.into_iter();
                Ok(wrong
                    .filter_map(|(key, target)| Some((key, target, named.remove(&key)?)))
                    .collect::<Vec<_>>())
            })
            .await?;
        warnings.extend(named.into_iter().map(|(key, target, named)| {
            let Named { kind, id, label } = named;
            Warning::MatchedAnew {
                subject: Subject {
                    kind,
                    key,
                    id,
                    label,
                },
                target,
            }
        }));
    }
    Ok(warnings)
}

fn another(context: &Context<'_>, tally: Tally) -> Error {
    let job = context.job.rules.name.clone();
    let known = context.agent.store.settings(&job);
    let address = &context.job.target.base_url;
    Error::AnotherTarget {
        job,
        wrong: tally.wrong,
        read: tally.read(),
        back: match known.ok().flatten() {
            Some(TargetSettings { address: known, .. }) if known != *address => {
                format!("set target.base_url to {known} again")
            }
            Some(_) | None => match context.job.target.access.sign_in.key() {
                "token" => "restore the old token (target.token)".to_owned(),
                key => format!("restore the old credential (target.{key})"),
            },
        },
    }
}

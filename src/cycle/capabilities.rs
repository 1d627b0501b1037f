//! What is known of a job's target: what it reports of itself, read once a day at most and only when
//! there is something to do, and what its answers taught. What the configuration says comes before both.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use chrono::TimeDelta;

use super::{Context, Error};
use crate::config::{self, Bulk, Filterable, KNOBS, Knobs, Schema, Update};
use crate::engine::capabilities::{self as engine, Capabilities, Remark, fitting};
use crate::engine::model::{JobName, Key, ObjectKind, TargetPath};
use crate::report;
use crate::scim::{self, Dialect};
use crate::store::{Learned, Store};

/// For so long what was read is not read again.
const AGE: TimeDelta = TimeDelta::days(1);

/// A job as its target needs it.
pub(super) struct Adapted {
    pub(super) job: config::Job,
    /// Mappings that do not fit what the target reports.
    pub(super) remarks: Vec<Remark>,
    /// What its answers taught.
    pub(super) facts: Vec<Fact>,
}

/// What the target is known to report.
pub(super) fn capabilities(store: &Store, job: &JobName) -> Result<Capabilities, Error> {
    let described = store.described(job)?;
    Ok(described.map_or_else(Capabilities::default, |(text, _)| scim::capabilities(&text)))
}

/// The job with what is known of its target.
pub(super) fn adapted(store: &Store, job: &config::Job) -> Result<Adapted, Error> {
    let capabilities = capabilities(store, &job.rules.name)?;
    let learned = store.learned(&job.rules.name)?;
    Ok(adapt(job, &capabilities, learned))
}

/// The job with what its target reports, whatever was learned.
pub(super) fn reported(job: &config::Job, capabilities: &Capabilities) -> config::Job {
    adapt(job, capabilities, Vec::new()).job
}

fn adapt(job: &config::Job, capabilities: &Capabilities, learned: Vec<Learned>) -> Adapted {
    let mut job = job.clone();
    let mut known = Knobs::default();
    for Learned { knob, word, .. } in &learned {
        known.set(knob, word);
    }
    let mut reported = Knobs::default();
    if capabilities.patch == Some(false) {
        reported.update = Some(Update::Put);
    }
    if capabilities.bulk == Some(true) {
        reported.bulk = Some(Bulk::On);
    }
    let dialect = &mut job.target.dialect;
    dialect.knobs = dialect.knobs.or(known).or(reported);
    if capabilities.filter == Some(false) {
        let Filterable { users, groups } = &mut dialect.filterable;
        users.get_or_insert_default();
        groups.get_or_insert_default();
    }
    if let (None, Some(most)) = (dialect.page_size, capabilities.max_results) {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        dialect.page_size = Some(most.min(dialect.page_size()));
    }
    if learned.iter().any(|fact| fact.knob == Fact::NO_DELETE) && job.rules.users.can_disable() {
        job.rules.users.disable_instead_of_delete();
    }
    if learned
        .iter()
        .any(|fact| fact.knob == Fact::NO_GROUP_DELETE)
        && job.rules.groups.can_empty()
    {
        job.rules.groups.empty_instead_of_delete();
    }
    let mut remarks = capabilities.remarks(&job.rules);
    match dialect.knobs.form().schema {
        Schema::Remark => {}
        Schema::Ignore => remarks.clear(),
        Schema::Trust => {
            job.rules = fitting(job.rules, &remarks);
            let left = capabilities.remarks(&job.rules);
            if left.len() < remarks.len() {
                // Another job in the sense of product rule 11.
                job.fingerprint = format!("{} {:x}", job.fingerprint, remarks.len());
            }
            remarks = left;
        }
    }
    let facts: Vec<Fact> = learned.into_iter().map(Fact).collect();
    let rewritten = facts.iter().filter_map(Fact::as_rewritten);
    remarks.extend(
        rewritten
            .filter(|(kind, path)| is_mapped(&job, *kind, path))
            .map(|(kind, path)| Remark::Rewritten { kind, path }),
    );
    let limits = [
        (Fact::BULK_OPERATIONS, capabilities.max_operations),
        (Fact::BULK_PAYLOAD, capabilities.max_payload),
    ];
    let limits = limits.into_iter().filter_map(|(name, most)| {
        let most = most?.to_string();
        Some(Fact::new(name, &most, "reported".to_owned()))
    });
    Adapted {
        job,
        remarks,
        facts: facts.into_iter().chain(limits).collect(),
    }
}

fn is_mapped(job: &config::Job, kind: ObjectKind, path: &TargetPath) -> bool {
    let mut mappings = job.rules.rules(kind).mappings.iter();
    mappings.any(|mapping| mapping.target == *path)
}

/// Reads what the target reports, where it is due and the cycle has something to do. `true`: it was read.
pub(super) async fn discover(context: &Context<'_>) -> Result<bool, Error> {
    let now = (context.agent.now)();
    let name = context.job.rules.name.clone();
    let is_partial = context.options.is_partial();
    let is_due = context
        .state(move |store| {
            let described = store.described(&name)?;
            // A clock that was set back says nothing.
            if described.is_some_and(|(_, read)| (read..read + AGE).contains(&now)) {
                return Ok(false);
            }
            let mut is_due = is_partial;
            for kind in ObjectKind::ALL {
                is_due = is_due || !store.candidates(&name, kind)?.is_empty();
            }
            Ok(is_due)
        })
        .await?;
    if !is_due {
        return Ok(false);
    }
    let name = context.job.rules.name.clone();
    let text = match context.reader.discover().await {
        Ok(text) => text,
        // The look-ups that follow say whether the target is down.
        Err(error) if error.is_stop() => return Err(Error::Stopped),
        Err(error) => {
            tracing::info!(job = %name, %error, "the target does not report what it can do");
            return Ok(false);
        }
    };
    let capabilities = scim::capabilities(&text);
    tracing::info!(job = %name, "the target reports: {}", report::capabilities(&capabilities));
    context
        .state(move |store| store.note_described(&name, &text, now))
        .await?;
    Ok(true)
}

/// The remarks about the mappings of a job and what to do, as far as the state knows the target.
pub(crate) fn known_remarks(store: &Store, job: &config::Job) -> Result<Vec<Remark>, Error> {
    Ok(adapted(store, job)?.remarks)
}

/// What answers taught, for people.
pub(super) fn learned(store: &Store, job: &JobName) -> Result<Vec<engine::Learned>, Error> {
    let learned = store.learned(job)?.into_iter();
    Ok(learned.filter_map(|one| Fact(one).for_people()).collect())
}

impl Context<'_> {
    /// What is known of the target: from before, and what this cycle learned when it compared.
    pub(super) fn known_facts(&self) -> Vec<Fact> {
        let learned = self.rewritten.lock();
        let learned = learned.unwrap_or_else(PoisonError::into_inner);
        self.facts.iter().chain(learned.iter()).cloned().collect()
    }

    /// The attributes that the target is known to make itself.
    pub(super) fn known_rewritten(&self, kind: ObjectKind) -> BTreeSet<TargetPath> {
        let facts = self.known_facts();
        let known = facts.iter().filter_map(Fact::as_rewritten);
        let known = known.filter(|(of, _)| *of == kind);
        known.map(|(_, path)| path).collect()
    }

    /// Whether it was known before this cycle forgot what was learned.
    pub(super) fn was_rewritten(&self, kind: ObjectKind, path: &TargetPath) -> bool {
        let mut remembered = self.remembered.iter();
        remembered.any(|(of, one)| *of == kind && one == path)
    }

    /// Notes that the target shows a form of a value that is written once more.
    pub(super) fn note_form(&self, key: Key, path: &TargetPath) {
        let forms = self.forms.lock();
        let mut forms = forms.unwrap_or_else(PoisonError::into_inner);
        forms.insert((key, path.clone()));
    }

    pub(super) fn forms(&self) -> BTreeSet<(Key, TargetPath)> {
        let forms = self.forms.lock();
        forms.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The target makes the value at a path itself.
    pub(super) async fn learn_rewritten(
        &self,
        kind: ObjectKind,
        path: &TargetPath,
        evidence: String,
    ) -> Result<(), Error> {
        tracing::info!(
            job = %self.job.rules.name, evidence,
            "the target makes {path} of {kind}s itself: its value is not compared from now on"
        );
        let fact = Fact::rewritten(kind, path, evidence);
        {
            let learned = self.rewritten.lock();
            let mut learned = learned.unwrap_or_else(PoisonError::into_inner);
            learned.push(fact.clone());
        }
        self.learn(fact).await
    }

    /// Notes what an answer of the target taught, for the cycles that follow.
    pub(super) async fn learn(&self, fact: Fact) -> Result<(), Error> {
        let now = (self.agent.now)();
        let job = self.job.rules.name.clone();
        self.state(move |store| store.note_learned(&job, &fact.0, now))
            .await
    }
}

/// Something that an answer of the target taught.
#[derive(Clone, Debug)]
pub(super) struct Fact(Learned);

/// Before the name of a way to change something that was seen to work.
const VERIFIED: &str = "verified ";
/// Before the kind and the path of what the target never shows.
const NOT_SHOWN: &str = "not shown ";
/// Before the kind and the path of what the target makes itself.
const REWRITTEN: &str = "rewritten ";

impl Fact {
    /// The target refuses to delete users.
    pub(super) const NO_DELETE: &str = "delete";
    /// The target refuses to delete groups.
    pub(super) const NO_GROUP_DELETE: &str = "delete_groups";
    /// Operations in one bulk request at most, and bytes.
    pub(super) const BULK_OPERATIONS: &str = "bulk_operations";
    pub(super) const BULK_PAYLOAD: &str = "bulk_payload";

    /// The word of a knob.
    pub(super) fn new(knob: &str, word: &str, evidence: String) -> Self {
        Self(Learned {
            knob: knob.to_owned(),
            word: word.to_owned(),
            evidence,
        })
    }

    pub(super) fn verified(way: &str) -> Self {
        Self::new(&format!("{VERIFIED}{way}"), "", String::new())
    }

    pub(super) fn hopeless(kind: ObjectKind, path: &TargetPath) -> Self {
        Self::new(&format!("{NOT_SHOWN}{kind} {path}"), "", String::new())
    }

    pub(super) fn rewritten(kind: ObjectKind, path: &TargetPath, evidence: String) -> Self {
        Self::new(&format!("{REWRITTEN}{kind} {path}"), "", evidence)
    }

    /// A limit by its name.
    pub(super) fn as_limit(&self, name: &str) -> Option<usize> {
        let limit = (self.0.knob == name).then(|| self.0.word.parse().ok())?;
        limit.filter(|most| *most > 0)
    }

    pub(super) fn as_verified(&self) -> Option<String> {
        self.0.knob.strip_prefix(VERIFIED).map(str::to_owned)
    }

    pub(super) fn as_hopeless(&self) -> Option<(ObjectKind, TargetPath)> {
        self.of_path(NOT_SHOWN)
    }

    pub(super) fn as_rewritten(&self) -> Option<(ObjectKind, TargetPath)> {
        self.of_path(REWRITTEN)
    }

    fn for_people(self) -> Option<engine::Learned> {
        if let Some(way) = self.as_verified() {
            return Dialect::taught_by(&way);
        }
        if let Some((kind, path)) = self.as_hopeless() {
            let is_members = kind == ObjectKind::Group && path.is_members();
            return is_members.then_some(engine::Learned::MembersHidden);
        }
        let Learned {
            knob,
            word,
            evidence,
        } = self.0;
        match knob.as_str() {
            Self::NO_DELETE => Some(engine::Learned::UsersNotDeleted { evidence }),
            Self::NO_GROUP_DELETE => Some(engine::Learned::GroupsNotDeleted { evidence }),
            _ if KNOBS.iter().any(|known| known.name == knob) => Some(engine::Learned::Form {
                knob,
                word,
                evidence,
            }),
            // What the target makes itself is a remark about its mapping.
            _ => None,
        }
    }

    fn of_path(&self, prefix: &str) -> Option<(ObjectKind, TargetPath)> {
        let (kind, path) = self.0.knob.strip_prefix(prefix)?.split_once(' ')?;
        let mut kinds = ObjectKind::ALL.into_iter();
        let kind = kinds.find(|one| one.to_string() == kind)?;
        Some((kind, TargetPath::parse(path).ok()?))
    }
}

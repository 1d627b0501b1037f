//! Finds out what a job's target can do: by reads, and, where that is wanted, by scratch objects. Each scratch
//! object is on record before it is created, so that whatever happens the next cycle or probe removes it.

use std::collections::BTreeMap;

use super::{Agent, Context, Error, capabilities};
use crate::config::{self, Bulk};
use crate::engine::model::{MatchKey, ObjectKind, TargetId, TargetPath, TargetType, Value};
use crate::engine::plan::ElementChange;
use crate::report;
use crate::scim::{self, Deleted, Dialect, Finding, Probe, Reader, Step};
use crate::store::{Scratch, Store};

/// What was found out.
#[derive(Debug, Default)]
pub(crate) struct Probed {
    pub(crate) findings: Vec<Finding>,
    /// Settings that the target needs, by key and word, each with what showed it.
    pub(crate) knobs: Vec<(String, String, String)>,
    /// Scratch objects that could not be removed.
    pub(crate) left: Vec<String>,
    /// Those that the target does not delete.
    pub(crate) kept: Vec<String>,
}

const DISABLE: &str = "disable";
/// The beginning of the name of every scratch object.
const NAME: &str = "entrain-probe-";

impl Agent {
    /// The names that a probe gives to what it creates.
    pub(crate) fn scratch_names(job: &config::Job) -> Vec<String> {
        let mut names = vec![format!("the users {NAME}…-a to {NAME}…-d")];
        if job.rules.groups.enabled {
            names.push(format!("the group {NAME}…"));
        }
        names
    }

    /// Finds out what the target can do. Scratch objects only with `write`.
    pub(crate) async fn probe(&self, job: &config::Job, write: bool) -> Result<Probed, Error> {
        if write && job.observes {
            let job = job.rules.name.clone();
            return Err(Error::Observes { job });
        }
        let reader = self.reader(job)?;
        let mut probed = Probed::default();
        let text = reader.discover().await?;
        let reported = scim::capabilities(&text);
        let known = capabilities::reported(job, &reported);
        probed.note("reports", report::capabilities(&reported));
        for learned in capabilities::learned(&self.store, &job.rules.name)? {
            let (what, seen) = report::learned(&learned);
            probed.note(&format!("cycles learned: {what}"), seen);
        }
        for (kind, paths) in look_ups(job) {
            probed.look_up(&reader, kind, &paths).await;
        }
        for kind in ObjectKind::ALL {
            if job.rules.rules(kind).enabled {
                probed.list(&reader, kind).await;
            }
        }
        if write {
            let name = job.rules.name.clone();
            clean_up(&self.store, job, &reader).await?;
            let mut probe = Probe::new(&reader, Dialect::new(&known.target.dialect));
            let bulk = reported.bulk != Some(false);
            let ended = scratch(&self.store, job, &mut probe, bulk).await;
            let evidence = |knob: &str| {
                let mut findings = probe.findings.iter();
                let found = findings.find(|one| one.knobs.iter().any(|(name, _)| *name == knob));
                found.map_or_else(
                    || "the target reports it".to_owned(),
                    |one| format!("{}: {}", one.what, one.seen),
                )
            };
            let mut words = probe.form().words();
            if known.target.dialect.knobs.form().bulk == Bulk::On {
                // What the target reports needs to be set only where it is wrong.
                words.retain(|(knob, _)| *knob != "bulk");
                if probe.form().bulk == Bulk::Off {
                    words.push(("bulk", Bulk::Off.as_str()));
                }
            }
            probed.knobs.extend(
                words
                    .into_iter()
                    .map(|(knob, word)| (knob.to_owned(), format!("{word:?}"), evidence(knob))),
            );
            probed.findings.append(&mut probe.findings);
            probed.kept.append(&mut probe.kept);
            clean_up(&self.store, job, &reader).await?;
            probed.left = self
                .store
                .scratch(&name)?
                .into_iter()
                .map(|one| one.name)
                .collect();
            ended?;
        }
        Ok(probed)
    }
}

impl Probed {
    fn note(&mut self, what: &str, seen: String) {
        self.findings.push(Finding {
            what: what.to_owned(),
            seen,
            knobs: Vec::new(),
        });
    }

    /// Whether the target can be searched by each of these, with values that are not taken.
    async fn look_up(&mut self, reader: &Reader, kind: ObjectKind, paths: &[TargetPath]) {
        let mut filterable = Vec::new();
        let mut refusal = String::new();
        for path in paths {
            let key = MatchKey {
                path: path.clone(),
                value: Value::text(uuid::Uuid::new_v4().to_string()),
            };
            let found = reader.find(kind, &key, |_| false, &[]).await;
            let seen = match found {
                Ok(_) => {
                    filterable.push(path.to_string());
                    "finds no object, as expected".to_owned()
                }
                Err(error) => {
                    refusal = error.failure().message;
                    refusal.clone()
                }
            };
            self.note(&format!("look-up of a {kind} by {path}"), seen);
        }
        if !refusal.is_empty() {
            self.knobs.push((
                format!("filterable.{kind}s"),
                format!("{filterable:?}"),
                refusal,
            ));
        }
    }

    async fn list(&mut self, reader: &Reader, kind: ObjectKind) {
        let seen = match reader.first_page(kind, &[]).await {
            Ok(list) => format!("answered; {} more pages", list.pages_left()),
            Err(error) => error.failure().message,
        };
        self.note(&format!("list of {kind}s"), seen);
    }
}

fn look_ups(job: &config::Job) -> Vec<(ObjectKind, Vec<TargetPath>)> {
    let kinds = ObjectKind::ALL.into_iter();
    let kinds = kinds.filter(|kind| job.rules.rules(*kind).enabled);
    kinds
        .map(|kind| {
            let mappings = job.rules.rules(kind).mappings.iter();
            let matching = mappings.filter(|mapping| mapping.matching.is_some());
            (
                kind,
                matching.map(|mapping| mapping.target.clone()).collect(),
            )
        })
        .collect()
}

/// Puts scratch objects through what a cycle does.
async fn scratch(
    store: &Store,
    job: &config::Job,
    probe: &mut Probe,
    bulk: bool,
) -> Result<(), Error> {
    let random = uuid::Uuid::new_v4().simple().to_string();
    let name = format!("{NAME}{}", &random[..8]);
    let mut users = Vec::new();
    for letter in ["a", "b"] {
        let user = format!("{name}-{letter}@example.com");
        let attributes = sample(job, ObjectKind::User, &user);
        users.extend(create(store, job, probe, ObjectKind::User, &user, attributes).await?);
    }
    let [user, other] = users.as_slice() else {
        return Ok(());
    };
    let steps = steps(job);
    for step in &steps {
        probe.change(user, step).await;
    }
    if let Some(step) = steps.first() {
        probe.versions(user, step).await;
    }
    if bulk {
        create_in_bulk(store, job, probe, &name).await?;
    }
    let mut references = job.rules.users.mappings.iter();
    let manager = references.find(|mapping| mapping.target_type == TargetType::Reference);
    if let Some(manager) = manager {
        probe.refer(user, &manager.target, Some(other)).await;
        probe.refer(user, &manager.target, None).await;
    }
    if job.rules.groups.enabled {
        let attributes = sample(job, ObjectKind::Group, &name);
        let group = create(store, job, probe, ObjectKind::Group, &name, attributes).await?;
        let writes_members = {
            let mut mappings = job.rules.groups.mappings.iter();
            mappings.any(|mapping| mapping.target.is_members())
        };
        if let (Some(group), true) = (group, writes_members) {
            probe.members(&group, [user, other]).await;
        }
    }
    for one in store.scratch(&job.rules.name)?.into_iter().rev() {
        if let Some(target) = &one.target
            && remove(job, probe, &one, target).await != Deleted::NotYet
        {
            store.forget_scratch(&job.rules.name, &one.name)?;
        }
    }
    Ok(())
}

/// Where the target keeps a user, it is disabled at least, so that nothing stays that could sign in.
async fn remove(job: &config::Job, probe: &mut Probe, one: &Scratch, target: &TargetId) -> Deleted {
    let deleted = probe.delete(one.kind, target).await;
    if deleted == Deleted::Kept {
        if one.kind == ObjectKind::User {
            for step in steps(job).iter().filter(|step| step.what == DISABLE) {
                probe.change(target, step).await;
            }
        }
        tracing::warn!(
            "the target does not delete the scratch object {}: delete it there",
            one.name
        );
        probe.kept.push(one.name.clone());
    }
    deleted
}

/// Two more users, in one request.
async fn create_in_bulk(
    store: &Store,
    job: &config::Job,
    probe: &mut Probe,
    name: &str,
) -> Result<(), Error> {
    let users = ["c", "d"].map(|letter| format!("{name}-{letter}@example.com"));
    let both = users.each_ref().map(|name| Scratch {
        kind: ObjectKind::User,
        name: name.clone(),
        target: None,
    });
    for scratch in &both {
        store.note_scratch(&job.rules.name, scratch)?;
    }
    let attributes = users
        .each_ref()
        .map(|name| sample(job, ObjectKind::User, name));
    let created = probe.bulk(attributes).await;
    for (mut scratch, target) in both.into_iter().zip(created) {
        scratch.target = target;
        store.note_scratch(&job.rules.name, &scratch)?;
    }
    Ok(())
}

async fn create(
    store: &Store,
    job: &config::Job,
    probe: &mut Probe,
    kind: ObjectKind,
    name: &str,
    attributes: BTreeMap<TargetPath, Value>,
) -> Result<Option<TargetId>, Error> {
    let mut scratch = Scratch {
        kind,
        name: name.to_owned(),
        target: None,
    };
    store.note_scratch(&job.rules.name, &scratch)?;
    match probe.create(kind, attributes).await {
        Ok(Some(target)) => {
            scratch.target = Some(target.clone());
            store.note_scratch(&job.rules.name, &scratch)?;
            Ok(Some(target))
        }
        Ok(None) => Ok(None),
        Err(_) => {
            store.forget_scratch(&job.rules.name, name)?;
            Ok(None)
        }
    }
}

/// A value for each attribute that a mapping writes.
fn sample(job: &config::Job, kind: ObjectKind, name: &str) -> BTreeMap<TargetPath, Value> {
    let mappings = job.rules.rules(kind).mappings.iter();
    let written = mappings.filter(|mapping| {
        !mapping.target.is_members() && mapping.target_type != TargetType::Reference
    });
    let values = written.filter_map(|mapping| {
        let path = &mapping.target;
        let value = match (mapping.target_type, path.attribute()) {
            (TargetType::Boolean, _) => Value::Boolean(true),
            (TargetType::Integer, _) => Value::Integer(1),
            (TargetType::String, "userName" | "displayName" | "emails" | "externalId") => {
                Value::text(name)
            }
            (TargetType::String, "preferredLanguage") => Value::text("en"),
            (TargetType::String, "phoneNumbers") => Value::text("+49 30 1234567"),
            (TargetType::String, _) if path.sub_attribute() == Some("country") => Value::text("DE"),
            (TargetType::String, _) => Value::text("Probe"),
            _ => return None,
        };
        (!mapping.multi_valued || path.selector().is_some()).then(|| (path.clone(), value))
    });
    values.collect()
}

/// One change of each kind that a mapping of the job may make.
fn steps(job: &config::Job) -> Vec<Step> {
    let mappings: Vec<_> = job.rules.users.mappings.iter().collect();
    let find = |is_it: &dyn Fn(&TargetPath) -> bool| {
        let mut all = mappings.iter();
        let found = all.find(|mapping| {
            mapping.target_type == TargetType::String
                && mapping.matching.is_none()
                && is_it(&mapping.target)
        });
        found.map(|mapping| mapping.target.clone())
    };
    let is_plain = |path: &TargetPath| {
        path.schema().is_none() && path.selector().is_none() && path.sub_attribute().is_none()
    };
    let text = |words: &str| Some(Value::text(words));
    let mut steps = Vec::new();
    let mut add = |what, path: Option<TargetPath>, old, new, element| {
        steps.extend(path.map(|path| Step {
            what,
            path,
            old,
            new,
            element,
        }));
    };
    let none = ElementChange::None;
    let title = find(&|path| is_plain(path) && path.attribute() == "title")
        .or_else(|| find(&|path| is_plain(path) && path.attribute() != "externalId"));
    add(
        "change an attribute",
        title.clone(),
        text("Probe"),
        text("Probed"),
        none,
    );
    let name = find(&|path| path.sub_attribute() == Some("givenName"));
    add(
        "change a part of the name",
        name,
        text("Probe"),
        text("Probed"),
        none,
    );
    let work = find(&|path| path.selector().is_some() && path.attribute() == "phoneNumbers");
    let old = text("+49 30 1234567");
    add(
        "change an element",
        work,
        old,
        text("+49 30 7654321"),
        ElementChange::Kept,
    );
    let department = find(&|path| path.schema().is_some());
    add(
        "change an attribute of an extension",
        department,
        text("Probe"),
        text("Probed"),
        none,
    );
    add("clear an attribute", title, text("Probed"), None, none);
    let active = mappings
        .iter()
        .find(|mapping| mapping.target.attribute() == "active");
    let active = active.map(|mapping| mapping.target.clone());
    let truth = |value| Some(Value::Boolean(value));
    add(DISABLE, active.clone(), truth(true), truth(false), none);
    add("enable", active, truth(false), truth(true), none);
    steps
}

/// Removes what an earlier probe left in the target.
async fn clean_up(store: &Store, job: &config::Job, reader: &Reader) -> Result<(), Error> {
    let name = &job.rules.name;
    for one in store.scratch(name)?.into_iter().rev() {
        let scratch = &one.name;
        let target = if one.target.is_some() {
            one.target.clone()
        } else {
            match find(reader, one.kind, scratch).await {
                Ok(target) => target,
                Err(error) => {
                    tracing::warn!(%error, "the scratch object {scratch} is not looked for");
                    continue;
                }
            }
        };
        let is_gone = match &target {
            None => true,
            Some(target) => {
                let mut probe = Probe::new(reader, Dialect::new(&job.target.dialect));
                remove(job, &mut probe, &one, target).await != Deleted::NotYet
            }
        };
        if is_gone {
            store.forget_scratch(name, scratch)?;
        } else {
            tracing::warn!(
                "the scratch object {scratch} of a probe cannot be removed from the target"
            );
        }
    }
    Ok(())
}

async fn find(
    reader: &Reader,
    kind: ObjectKind,
    name: &str,
) -> Result<Option<TargetId>, scim::Error> {
    let attribute = match kind {
        ObjectKind::User => "userName",
        ObjectKind::Group => "displayName",
    };
    let key = MatchKey {
        path: TargetPath::parse(attribute).expect("an attribute of RFC 7643"),
        value: Value::text(name),
    };
    let is_wanted = |shown: &Value| *shown == key.value;
    let mut found = reader.find(kind, &key, is_wanted, &[]).await?;
    Ok(found.pop().map(|object| object.id))
}

/// The same at the beginning of a cycle.
pub(super) async fn finish(context: &Context<'_>) -> Result<(), Error> {
    clean_up(&context.agent.store, &context.job, &context.reader).await
}

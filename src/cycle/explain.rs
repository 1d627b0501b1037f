//! Why an object is, or is not, provisioned, from the state alone: no network and no credential. Scope,
//! mappings and planner are those of a cycle.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::Error;
use super::facts::Facts;
use super::names::{self, Protected};
use crate::config;
use crate::engine::explain::{Explanation, Mapped, Membership, Next, Part, PartOutcome, State};
use crate::engine::expr::{Flow, Step};
use crate::engine::job::{Job, Rules};
use crate::engine::mapping::{self, Apply, Desired, Environment, Mapping, Source, Unique};
use crate::engine::model::{
    JobName, Key, MatchKey, ObjectKind, Presence, SourceId, SourceObject, TargetPath, Value,
};
use crate::engine::plan::{
    Action, Candidate, Decision, Operation, Planner, Readings, Ripe, Subject, is_blocked,
};
use crate::engine::record::{Escrowed, HeldRemoval, LinkRecord, LogEntry};
use crate::engine::redact::{REDACTED, Redactions};
use crate::engine::scope;
use crate::report;
use crate::scim;
use crate::store::{LogFilter, Named, PLAN, Store};

/// Entries of the log that are looked at.
const ENTRIES: u32 = 1_000;

/// Explains one object of the state. What it gives may be shown.
pub(crate) async fn explain(
    store: &Arc<Store>,
    job: &config::Job,
    key: Key,
    now: DateTime<Utc>,
) -> Result<Option<Explanation>, Error> {
    let rules = &job.rules;
    let name = rules.name.clone();
    let mut loaded = {
        let name = name.clone();
        store.run(move |store| store.load(&name, &[key])).await?
    };
    let Some(loaded) = loaded.pop() else {
        return Ok(None);
    };
    let mut facts = Facts::of(store, rules);
    let candidate = facts.candidate(loaded).await?;
    let kind = candidate.object.kind;
    let sources = store.sources_of(&rules.name)?;
    let misnamed = names::misnamed(store, rules, &Protected::of(store, rules)?, &sources)?;
    let doubts = report::doubts(&misnamed);
    let verdict = scope::verdict(
        rules,
        &candidate.object,
        &candidate.grants,
        candidate.without_effect.as_ref(),
        &candidate.groups,
        &doubts,
    );
    let domain = store.default_domain(Some(&rules.name), candidate.object.source)?;
    let random = |_: &SourceId, _: &TargetPath, _| 0;
    let environment = Environment {
        now,
        random: &random,
        default_domain: domain.as_deref(),
    };
    let redactions = Redactions::of(rules);
    let object = &candidate.object;
    let clauses = redactions.clauses(
        kind,
        scope::clauses(rules, object, &candidate.grants, &candidate.groups),
    );
    let (attributes, keys) = mapped(store, rules, &candidate, &verdict, environment)?;
    let subject = Subject::of(object);
    let presence = object.presence;
    let blocked = is_blocked(object);
    let ways = scope::ways_of(&candidate.grants);
    let mut groups = memberships(store, job, key, &candidate).await?;
    // A user who leaves is added to no group.
    if matches!(verdict, scope::Verdict::Out(_)) || presence != Presence::Present {
        groups.retain(|one| one.sent);
    }

    let is_protected = rules.safety.is_protected(&candidate.object);
    let protected = BTreeSet::from_iter(is_protected.then_some(key));
    let mut found = BTreeSet::new();
    if rules.safety.only_created {
        found.extend(store.adopted_links(&name)?);
    }
    let mut planner = Planner::new(
        rules,
        environment,
        Readings::default(),
        scim::Dialect::new(&job.target.dialect).member_chunk(),
    )
    .creating_with_member(scim::Dialect::new(&job.target.dialect).creates_with_member())
    .supposing_a_reading()
    .doubting(doubts)
    .protecting(protected)
    .keeping_found(found)
    .postponing_removals(store.is_first(&name)?)
    .deleting(
        rules
            .safety
            .deletes
            .as_ref()
            .is_none_or(|window| window.is_open(now)),
    )
    .listing_unassigned();
    planner.ripen(ripe(store, &name, key, now)?);
    let next = next(&mut planner, &mut facts, candidate, &redactions).await?;
    let record = on_record(store, &name, &subject, &redactions)?;
    let next = without_rejected(next, &record.rejected);
    Ok(Some(Explanation {
        job: name.clone(),
        subject,
        presence,
        blocked,
        ways,
        verdict: redactions.verdict(kind, verdict),
        clauses,
        attributes,
        keys,
        link: record.link,
        groups,
        last_write: record.last_write,
        removals: record.removals,
        escrow: record.escrow,
        held: record.held,
        rejected: record.rejected,
        marked: record.marked,
        deleted_at: store.deleted_at(&name, key)?,
        next,
        incomplete: record.incomplete,
    }))
}

fn without_rejected(mut next: Next, rejected: &[HeldRemoval]) -> Next {
    if let Next::Planned { actions, .. } = &mut next {
        actions.retain(|action| !is_rejected(action, rejected));
    }
    next
}

/// Whether a person rejected just this, for the cause that it has.
fn is_rejected(action: &Action, rejected: &[HeldRemoval]) -> bool {
    let (Operation::Disable { why, .. } | Operation::Delete { why, .. }) = &action.operation else {
        return false;
    };
    let is_it = |one: &HeldRemoval| {
        one.member.is_none()
            && one.subject.key == action.subject.key
            && one.action == action.as_str()
            && one.cause == why.as_str()
    };
    rejected.iter().any(is_it)
}

/// An account that is due to be deleted, supposing that it is as it was left.
fn ripe(
    store: &Store,
    job: &JobName,
    key: Key,
    now: DateTime<Utc>,
) -> Result<BTreeMap<Key, Ripe>, Error> {
    let at = store.deleted_at(job, key)?;
    let staged = store.staged(job)?;
    let mut enabled = staged.iter().flat_map(|staged| &staged.enabled);
    let ripe = match at {
        _ if enabled.any(|subject| subject.key == key) => Some(Ripe::Enabled),
        Some(at) if at <= now => Some(Ripe::Disabled),
        Some(_) | None => None,
    };
    Ok(ripe.map(|ripe| (key, ripe)).into_iter().collect())
}

/// An object, and where it is looked for in the target; `None`: the state does not have it. Marked values are
/// among the keys.
pub(super) async fn match_keys(
    store: &Arc<Store>,
    job: &Job,
    key: Key,
    now: DateTime<Utc>,
) -> Result<Option<(SourceObject, Vec<MatchKey>)>, Error> {
    let name = job.name.clone();
    let mut loaded = store.run(move |store| store.load(&name, &[key])).await?;
    let Some(loaded) = loaded.pop() else {
        return Ok(None);
    };
    let candidate = Facts::of(store, job).candidate(loaded).await?;
    let object = candidate.object;
    let domain = store.default_domain(Some(&job.name), object.source)?;
    let random = |_: &SourceId, _: &TargetPath, _| 0;
    let environment = Environment {
        now,
        random: &random,
        default_domain: domain.as_deref(),
    };
    let held = scope::roles_of(&candidate.grants);
    let is_out = object.presence != Presence::Present || is_blocked(&object);
    let input = mapping::Input::new(&object, &held, is_out);
    let mappings = &job.rules(object.kind).mappings;
    let keys = match mapping::desired(mappings, &input, environment, Unique::Keep) {
        Ok(mapping::Mapped::Desired(desired)) => desired.keys,
        Ok(mapping::Mapped::IgnoreObject) | Err(_) => Vec::new(),
    };
    Ok(Some((object, keys)))
}

/// What the mappings make of the object, and where it is looked for.
fn mapped(
    store: &Store,
    job: &Job,
    candidate: &Candidate,
    verdict: &scope::Verdict,
    environment: Environment<'_>,
) -> Result<(Vec<Mapped>, Vec<MatchKey>), Error> {
    let redactions = Redactions::of(job);
    let object = &candidate.object;
    let rules = job.rules(object.kind);
    let held = scope::roles_of(&candidate.grants);
    let is_gone = object.presence != Presence::Present || *verdict != scope::Verdict::In;
    let input = mapping::Input::new(object, &held, is_gone || is_blocked(object));
    let desired = mapping::desired(&rules.mappings, &input, environment, Unique::Keep);
    let (desired, failed) = match desired {
        Ok(mapping::Mapped::Desired(desired)) => (desired, Vec::new()),
        Ok(mapping::Mapped::IgnoreObject) => (Desired::default(), Vec::new()),
        Err(errors) => (Desired::default(), errors),
    };
    let failed: BTreeMap<TargetPath, String> = failed
        .into_iter()
        .map(|error| (error.target, error.message))
        .collect();
    let mut mapped = attributes(rules, candidate, &desired, &failed, store)?;
    add_parts(
        &mut mapped,
        &mapping::steps(&rules.mappings, &input, environment),
    );
    let mut keys = desired.keys;
    for key in &mut keys {
        if redactions.hides(object.kind, &key.path) {
            key.value = Value::text(REDACTED);
        }
    }
    Ok((redacted(&redactions, object.kind, mapped), keys))
}

/// What was done to an object, and what waits.
struct OnRecord {
    link: Option<LinkRecord>,
    last_write: Option<LogEntry>,
    removals: Vec<LogEntry>,
    escrow: Option<Escrowed>,
    held: Vec<HeldRemoval>,
    rejected: Vec<HeldRemoval>,
    marked: bool,
    incomplete: Option<String>,
}

fn on_record(
    store: &Store,
    job: &JobName,
    subject: &Subject,
    redactions: &Redactions,
) -> Result<OnRecord, Error> {
    let key = subject.key;
    let record = store.status(job, 1)?;
    let of_it = |removal: &&HeldRemoval| {
        let member = removal.member.as_ref().map(|member| member.key);
        removal.subject.key == key || member == Some(key)
    };
    let held = record.held.iter().flat_map(|held| &held.removals);
    let link = store.link_record(job, key)?;
    let log = LogFilter {
        job: Some(job.clone()),
        object: Some(subject.id.to_string()),
        ..LogFilter::default()
    };
    let mut log = store.log(&log, ENTRIES)?;
    for entry in &mut log {
        redactions.hide_in_entry(entry);
    }
    let changes = |entry: &&LogEntry| entry.action != PLAN;
    let removes =
        |entry: &&LogEntry| matches!(entry.action.as_str(), "disable" | "delete" | "hand-over");
    let cycle = record.cycles.first();
    Ok(OnRecord {
        link: link.map(|link| LinkRecord::clone(&redactions.link(&link))),
        last_write: log.iter().find(changes).cloned(),
        removals: log.iter().filter(removes).cloned().collect(),
        escrow: store.escrow_of(job, key)?,
        held: held.filter(of_it).cloned().collect(),
        rejected: record.rejected.iter().filter(of_it).cloned().collect(),
        marked: store.is_marked(job, key)?,
        incomplete: cycle.and_then(|cycle| cycle.incomplete.clone()),
    })
}

/// Each mapped attribute with what it should be and what was last sent.
fn attributes(
    rules: &Rules,
    candidate: &Candidate,
    desired: &Desired,
    failed: &BTreeMap<TargetPath, String>,
    store: &Store,
) -> Result<Vec<Mapped>, Error> {
    let mut mapped = Vec::new();
    for mapping in &rules.mappings {
        let path = &mapping.target;
        if path.is_members() {
            continue;
        }
        let label = |id: &SourceId| -> Result<Value, Error> {
            let object = store.object(ObjectKind::User, id)?;
            Ok(object.map_or_else(|| Value::text(id.as_str()), |one| Value::text(one.label())))
        };
        let reference = desired.references.get(path);
        let wanted = match (desired.values.get(path), reference) {
            (Some(wanted), _) => wanted.clone(),
            (None, Some(to)) => to.as_ref().map(label).transpose()?,
            (None, None) => desired.on_create.get(path).cloned().or_else(|| {
                let additions = desired.additions.get(path)?;
                crate::engine::addition::created(additions)
            }),
        };
        let link = candidate.link.as_ref();
        let sent = link.and_then(|link| link.sent.get(path).cloned());
        let sent = match (sent, link.and_then(|link| link.references.get(path))) {
            (Some(sent), _) => Some(sent),
            (None, Some(held)) => Some(match &held.source {
                Some(source) => label(source)?,
                None => Value::text(held.target.as_str()),
            }),
            (None, None) => None,
        };
        let state = if let Some(message) = failed.get(path) {
            State::Failed(message.clone())
        } else if candidate.withheld.contains(path) {
            State::Refused
        } else if mapping.apply == Apply::OnCreate || matches!(mapping.source, Source::None) {
            State::OnCreate
        } else if mapping.selects_unique()
            || (reference.is_none()
                && !desired.values.contains_key(path)
                && !desired.additions.contains_key(path))
        {
            State::LeftAlone
        } else {
            State::Kept
        };
        mapped.push(Mapped {
            path: path.clone(),
            source: written(mapping),
            state,
            wanted,
            sent,
            parts: Vec::new(),
        });
    }
    Ok(mapped)
}

/// What the parts of expressions came to, by the path that they are for.
fn add_parts(mapped: &mut [Mapped], steps: &[(&TargetPath, &str, Vec<Step>)]) {
    for (path, text, steps) in steps {
        let Some(of_path) = mapped.iter_mut().find(|one| one.path == **path) else {
            continue;
        };
        let mut around: Vec<usize> = Vec::new();
        // The first is the whole expression.
        for step in steps.iter().skip(1) {
            around.retain(|end| step.span.end <= *end);
            let depth = around.len();
            around.push(step.span.end);
            let written = text[step.span.clone()].split_whitespace();
            let written = written.collect::<Vec<_>>().join(" ");
            let is_literal =
                written.starts_with(|first: char| first == '"' || first.is_ascii_digit());
            if is_literal {
                continue;
            }
            of_path.parts.push(Part {
                text: written,
                depth,
                outcome: match &step.outcome {
                    Some(_) if step.is_redacted => PartOutcome::Value(Value::text(REDACTED)),
                    Some(Ok(Flow::Value(value))) => PartOutcome::Value(value.clone()),
                    Some(Ok(Flow::Null)) => PartOutcome::Null,
                    Some(Ok(Flow::IgnoreAttribute | Flow::IgnoreObject)) => PartOutcome::Ignored,
                    Some(Err(error)) => PartOutcome::Failed(error.to_string()),
                    None => PartOutcome::NotEvaluated,
                },
            });
        }
    }
}

/// A mapping's source as it is written.
fn written(mapping: &Mapping) -> String {
    match &mapping.source {
        Source::Attribute(name) => name.clone(),
        Source::Constant(_) => "constant".to_owned(),
        Source::Expression(expression) => expression.to_string(),
        Source::None => "none".to_owned(),
    }
}

fn redacted(redactions: &Redactions, kind: ObjectKind, mut mapped: Vec<Mapped>) -> Vec<Mapped> {
    let hidden = |one: &&mut Mapped| redactions.hides(kind, &one.path);
    for one in mapped.iter_mut().filter(hidden) {
        let hide = |side: &Option<Value>| side.as_ref().map(|_| Value::text(REDACTED));
        (one.wanted, one.sent) = (hide(&one.wanted), hide(&one.sent));
        one.parts.clear();
    }
    mapped
}

/// The groups in the target or in scope of which the object is a member.
async fn memberships(
    store: &Arc<Store>,
    job: &config::Job,
    key: Key,
    candidate: &Candidate,
) -> Result<Vec<Membership>, Error> {
    if candidate.object.kind == ObjectKind::Group {
        return Ok(Vec::new());
    }
    let name = job.rules.name.clone();
    let (sent, in_source, links, named) = store
        .run(move |store| {
            let sent: BTreeSet<Key> = store.sent_groups(&name, key)?.into_iter().collect();
            let around: BTreeSet<Key> = store.groups_around(&[key])?.into_iter().collect();
            let keys: Vec<Key> = sent.union(&around).copied().collect();
            let links = store.links(&name, &keys)?;
            Ok((sent, around, links, store.named(&keys)?))
        })
        .await?;
    let groups = named.into_iter().filter(|(group, _)| {
        sent.contains(group) || links.get(group).is_some_and(|link| link.in_scope)
    });
    let mut groups: Vec<Membership> = groups
        .map(|(group, named)| {
            let Named { kind, id, label } = named;
            Membership {
                group: Subject {
                    kind,
                    key: group,
                    id,
                    label,
                },
                sent: sent.contains(&group),
                in_source: in_source.contains(&group),
            }
        })
        .collect();
    groups.sort_by(|one, other| one.group.label.cmp(&other.group.label));
    Ok(groups)
}

/// What a cycle would make of it: the planner's own decisions, of this object alone.
async fn next(
    planner: &mut Planner<'_>,
    facts: &mut Facts<'_>,
    candidate: Candidate,
    redactions: &Redactions,
) -> Result<Next, Error> {
    let key = candidate.object.key;
    let is_group = candidate.object.kind == ObjectKind::Group;
    if planner.begin(candidate).is_some() {
        return Ok(Next::LookUp);
    }
    if is_group {
        let (members, _) = facts
            .members(&planner.groups_to_compare(), usize::MAX)
            .await?;
        for (group, member) in members {
            planner.member(group, member);
        }
        planner.close_groups();
    }
    let mut actions = Vec::new();
    let mut skipped = Vec::new();
    for decision in planner.take() {
        match decision {
            Decision::Act(draft) => {
                if draft.action.subject.key == key {
                    actions.push(redactions.action(&draft.action).into_owned());
                }
            }
            Decision::Skip(one) => skipped.push(redactions.skipped(&one).into_owned()),
            Decision::Scope { .. }
            | Decision::Postpone(_)
            | Decision::First { .. }
            | Decision::Split { .. }
            | Decision::Needs { .. }
            | Decision::Withdraw(_)
            | Decision::ExistingMembers { .. } => {}
        }
    }
    Ok(Next::Planned { actions, skipped })
}

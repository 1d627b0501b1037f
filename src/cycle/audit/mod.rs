//! Audit: one listing of the target, compared with what was last written and with what is wanted. It is the
//! first half of a cycle that evaluates everything, on a state that keeps nothing, and what the listing shows
//! besides: whom no object in scope owns, what is there twice, and how well each attribute would match.

mod coverage;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;

use self::coverage::{InScope, candidate_paths};
use self::wanted::Planning;
use super::drift::{self, Recorded};
use super::index::Index;
use super::lookup::{is_active, named};
use super::plan::Whom;
use super::predict;
use super::same_target;
use super::tenant::Due;
use super::{Agent, Context, Error, Options, Planned};
use crate::config;
use crate::engine::audit::{Audit, Differing, Duplicate, KindAudit, Orphan};
use crate::engine::model::{Key, ObjectKind, TargetId, TargetObject, TargetPath, Value};
use crate::engine::plan::{Drift, Drifted, Subject, Warning};
use crate::engine::redact::REDACTED;
use crate::engine::summary::Progress;

/// Target objects whose links are looked up at once.
const CHUNK: usize = 500;

/// An audit, and the plan of the repair. Its rows are in the ledger.
#[derive(Clone, Debug)]
pub(crate) struct Audited {
    /// What it holds may be shown: values that a mapping marks are left out.
    pub(crate) audit: Audit,
    pub(crate) planned: Planned,
}

impl Agent {
    /// The state must be one that keeps nothing, as for [`Agent::plan`].
    pub(crate) async fn audit(
        &self,
        job: &config::Job,
        options: &Options,
        is_plan: bool,
        progress: &watch::Sender<Progress>,
        due: Due,
    ) -> Result<Audited, Error> {
        let mut context = self.context(job, options, progress)?;
        let name = &job.rules.name;
        let at = (self.now)();
        let cycle = self.store.begin_cycle(name, context.kind, at)?;
        let reading = context.sources.read(&context.want(), due).await?;
        context.discover().await?;
        let mut verified = same_target::verify(&context, cycle, true).await?;
        // The plan of the repair is that of `sync --initial`; the audit itself shows what is wanted
        // also where that is not to be repaired.
        let recorded = if is_plan {
            Recorded::AsConfigured
        } else {
            Recorded::Everything
        };
        let mut found = Vec::new();
        for kind in ObjectKind::ALL {
            if !job.rules.rules(kind).enabled {
                continue;
            }
            let keys = candidate_paths(&context, kind);
            let list = Arc::new(Index::audited(&context, kind, &keys).await?);
            let linked = drift::linked(&context, kind).await?;
            let drifted = if verified.unsure.is_none() {
                let seen = drift::seen_in(&context, kind, &linked, Arc::clone(&list)).await?;
                drift::compare(&context, kind, &linked, &seen, recorded).await?
            } else {
                Vec::new()
            };
            found.push((kind, linked.len() as u64, drifted));
            verified.lists.insert(kind, list);
        }
        if is_plan {
            let drifted = found.iter().flat_map(|(_, _, drifted)| drifted).cloned();
            let drifted = drifted.map(Warning::Drift);
            verified.warnings.extend(drifted);
        }
        let cutoff = self.store.begin_evaluation(name)?;
        let judged = self
            .judge(&context, cycle, &reading, cutoff, &verified, Whom::AllNow)
            .await?;
        let planning = Planning::read(&context, cycle).await?;
        let mut kinds = Vec::new();
        for (kind, linked, drifted) in found {
            let Some(list) = verified.lists.get(&kind) else {
                continue;
            };
            let in_scope = InScope::read(&context, kind, list).await?;
            let auditor = Auditor {
                context: &context,
                kind,
                list,
                planning: &planning,
            };
            kinds.push(auditor.audit(linked, drifted, in_scope).await?);
        }
        for warning in &judged.outline.header.warnings {
            // It is among those by which the target was verified, and was unlinked by that.
            if let Warning::MatchedAnew { subject, target } = warning
                && let Some(one) = kinds.iter_mut().find(|one| one.kind == subject.kind)
                && verified
                    .lists
                    .get(&subject.kind)
                    .is_some_and(|list| !list.contains(target))
            {
                one.missing.push((subject.clone(), target.clone()));
                one.linked += 1;
            }
        }
        let planned = Planned {
            cycle,
            refusals: predict::refusals(&context, cycle).await?,
            header: judged.outline.header,
            totals: judged.totals,
            held: judged.held,
            limits: judged.limits,
            kind: judged.kind,
            requests: context.requests(),
        };
        let audit = Audit {
            job: name.clone(),
            address: job.target.base_url.clone(),
            at,
            incomplete: planned.header.incomplete.clone(),
            kinds,
            requests: planned.requests,
        };
        Ok(Audited { audit, planned })
    }
}

/// Puts together what is found of one kind of object.
struct Auditor<'a> {
    context: &'a Context<'a>,
    kind: ObjectKind,
    list: &'a Index<'a>,
    planning: &'a Planning,
}

impl Auditor<'_> {
    async fn audit(
        &self,
        linked: u64,
        drifted: Vec<Drifted>,
        in_scope: InScope,
    ) -> Result<KindAudit, Error> {
        let Self {
            kind,
            list,
            planning,
            ..
        } = *self;
        let (differing, missing) = self.differing(drifted).await?;
        let ambiguous = planning.ambiguous.iter();
        let ambiguous = ambiguous.filter(|skipped| skipped.subject.kind == kind);
        let duplicates = list.duplicates(&candidate_paths(self.context, kind))?;
        let duplicates = duplicates.into_iter();
        let shown = list.shown();
        let mappings = self.context.job.rules.rules(kind).mappings.iter();
        let mapped: BTreeSet<&TargetPath> = mappings
            .map(|mapping| &mapping.target)
            .filter(|path| !path.is_members() && !shown.contains(*path))
            .collect();
        Ok(KindAudit {
            kind,
            in_target: list.len() as u64,
            linked,
            in_scope: in_scope.count(),
            differing,
            missing,
            orphans: self.orphans(&in_scope).await?,
            duplicates: duplicates
                .map(|(path, value, targets)| Duplicate {
                    value: self.shown(&path, value),
                    path,
                    targets,
                })
                .collect(),
            ambiguous: ambiguous.cloned().collect(),
            coverage: in_scope.into_coverage(),
            not_shown: if list.is_empty() {
                Vec::new()
            } else {
                mapped.into_iter().cloned().collect()
            },
        })
    }

    /// A value in the form in which it may be shown.
    fn shown(&self, path: &TargetPath, value: Value) -> Value {
        if self.context.redactions.hides(self.kind, path) {
            Value::text(REDACTED)
        } else {
            value
        }
    }

    /// Objects that are not as they were written or should be, and those that are gone.
    async fn differing(
        &self,
        drifted: Vec<Drifted>,
    ) -> Result<(Vec<Differing>, Vec<(Subject, TargetId)>), Error> {
        let mut changed = self.planning.changed(self.kind);
        let mut differing = Vec::new();
        let mut missing = Vec::new();
        for one in drifted {
            let Drifted {
                subject,
                target,
                drift,
            } = one;
            match drift {
                Drift::Gone => missing.push((subject, target)),
                Drift::Differs(mut differences) => {
                    drift::as_configured(&self.context.job.rules, self.kind, &mut differences);
                    let wanted = changed.remove(&subject.key).unwrap_or_default();
                    let none = BTreeMap::new();
                    differing.push(Differing::new(subject, target, &differences, wanted, &none));
                }
            }
        }
        // What the target holds as it was written, and should be another by now.
        let keys: Vec<Key> = changed.keys().copied().collect();
        for keys in keys.chunks(CHUNK) {
            let (job, keys) = (self.context.job.rules.name.clone(), keys.to_vec());
            let (links, named) = self
                .context
                .state(move |store| Ok((store.links(&job, &keys)?, store.named(&keys)?)))
                .await?;
            for (key, link) in links {
                let (Some(wanted), Some(named)) = (changed.remove(&key), named.get(&key)) else {
                    continue;
                };
                let sent = link.sent.into_iter();
                let written: BTreeMap<TargetPath, Value> = sent
                    .map(|(path, value)| {
                        let value = self.shown(&path, value);
                        (path, value)
                    })
                    .collect();
                let subject = drift::subject(key, named.clone());
                differing.push(Differing::new(subject, link.target, &[], wanted, &written));
            }
        }
        differing.sort_by(|one, other| one.subject.label.cmp(&other.subject.label));
        Ok((differing, missing))
    }

    /// Target objects that belong to no object in scope.
    async fn orphans(&self, in_scope: &InScope) -> Result<Vec<Orphan>, Error> {
        let mut orphans = Vec::new();
        let objects = self.list.objects().map(|object| Ok(object?.id));
        let objects: Vec<TargetId> = objects.collect::<Result<_, Error>>()?;
        for targets in objects.chunks(CHUNK) {
            let (job, kind, wanted) = (
                self.context.job.rules.name.clone(),
                self.kind,
                targets.to_vec(),
            );
            let (holders, named) = self
                .context
                .state(move |store| {
                    let holders = store.holders(&job, kind, &wanted)?;
                    let keys: Vec<Key> = holders.values().copied().collect();
                    Ok((holders, store.named(&keys)?))
                })
                .await?;
            for target in targets {
                if self.planning.claimed.contains(&(kind, target.clone())) {
                    continue;
                }
                let holder = holders.get(target).copied();
                if holder.is_some_and(|holder| in_scope.contains(holder)) {
                    continue;
                }
                let Some(object) = self.list.get(target)? else {
                    continue;
                };
                let subject = |key| {
                    let named = named.get(&key)?;
                    Some(drift::subject(key, named.clone()))
                };
                let linked_to = holder.and_then(subject);
                orphans.push(Orphan {
                    name: self.name(&object),
                    active: is_active(&object),
                    near: if linked_to.is_none() {
                        in_scope.nearest(&object)
                    } else {
                        None
                    },
                    linked_to,
                    target: object.id,
                });
            }
        }
        orphans.sort_by(|one, other| {
            let order = |orphan: &Orphan| (!orphan.active, orphan.linked_to.is_some());
            (order(one), &one.name).cmp(&(order(other), &other.name))
        });
        Ok(orphans)
    }

    fn name(&self, object: &TargetObject) -> String {
        let path = named(match self.kind {
            ObjectKind::User => "userName",
            ObjectKind::Group => "displayName",
        });
        match object.attributes.get(&path) {
            Some(Value::Text(name)) if !self.context.redactions.hides(self.kind, &path) => {
                name.to_string()
            }
            _ => String::new(),
        }
    }
}

//! One object: the decision table, and below it what each of its rows leads to. Members and settled
//! references are not decided here.

use std::collections::BTreeMap;

use super::references::{Current, Reference};
use super::{Candidate, Found, Here, News, Planner, subject_of};
use crate::engine::addition;
use crate::engine::job::WhenOutOfScope;
use crate::engine::mapping::{self, Desired, Mapped, Mapping, Source, Unique};
use crate::engine::model::{
    Grant, Link, MatchKey, ObjectKind, Presence, SourceObject, TargetId, TargetObject, TargetPath,
    Value,
};
use crate::engine::plan::difference::{changes, fold_case};
use crate::engine::plan::{Action, Change, Operation, Skipped, Verb, Why, WhyOut, WhyRemoved};
use crate::engine::scope;

/// Where an object stands in the source.
pub(super) enum Standing {
    Active,
    /// In scope, but sign-in is blocked.
    Blocked,
    Leaving(WhyRemoved),
    /// Out of scope, unless a name that means nothing should mean it.
    Doubtful(WhyOut),
    /// Deleted for good.
    Gone,
}

impl Planner<'_> {
    /// The decision table: where the object stands in the source, beside what is known of it in
    /// the target.
    pub(super) fn object(&mut self, candidate: &Candidate, found: Found) -> Here {
        let Candidate {
            object,
            grants,
            without_effect: _,
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
        // In doubt everything stays as it was: groups and reports go by the last verdict.
        if let Some(link) = link
            && link.in_scope != in_scope
            && !matches!(standing, Standing::Doubtful(_))
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
            (Standing::Doubtful(why), Some(link)) => self.doubt(object, grants, link, why),
            (Standing::Leaving(WhyRemoved::OutOfScope(why)) | Standing::Doubtful(why), None)
                if !self.tells_unassigned && is_stranger(object.kind, &why) =>
            {
                Here::No
            }
            (Standing::Leaving(WhyRemoved::OutOfScope(why)) | Standing::Doubtful(why), None) => {
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

    pub(super) fn standing(&self, candidate: &Candidate) -> Standing {
        let Candidate {
            object,
            grants,
            without_effect,
            groups,
            link: _,
            intent: _,
        } = candidate;
        match object.presence {
            Presence::Deleted => return Standing::Gone,
            Presence::SoftDeleted | Presence::Missing => {
                return Standing::Leaving(WhyRemoved::SoftDeleted);
            }
            Presence::Present => {}
        }
        if let Err(why) = scope::judge(self.job, object, grants, without_effect.as_ref(), groups) {
            if !self.hangs_on_doubt(object.kind, &why) {
                return Standing::Leaving(WhyRemoved::OutOfScope(why));
            }
            if matches!(why, WhyOut::Filter(_)) {
                return Standing::Doubtful(why);
            }
            return match scope::judge_as_named(self.job, object, grants, groups) {
                Ok(()) => Standing::Doubtful(why),
                Err(certain) => Standing::Leaving(WhyRemoved::OutOfScope(certain)),
            };
        }
        if is_blocked(object) {
            Standing::Blocked
        } else {
            Standing::Active
        }
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
        let desired = match self.desired(object, grants, blocked, Unique::Keep) {
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
        let changes = changes(&link.sent, &desired);
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
        let carries_state =
            |change: &&Change| change.path.is_active() || mappings.carries_state(&change.path);
        let Some(state) = changes.iter().find(carries_state) else {
            self.updates.push(Action {
                subject,
                target: Some(target),
                operation: Operation::Update { changes },
            });
            return;
        };
        let disables = match (&state.new, state.path.is_active()) {
            (Some(Value::Boolean(active)), true) => !active,
            _ => leaving.is_some(),
        };
        if !disables {
            self.updates.push(Action {
                subject,
                target: Some(target),
                operation: Operation::Enable { changes },
            });
            return;
        }
        let why = leaving.unwrap_or(WhyRemoved::Blocked);
        if self.waits(object.kind, &why) {
            self.skip(object, Why::IncompleteRead(why));
            return;
        }
        self.rest.push(Action {
            subject,
            target: Some(target),
            operation: Operation::Disable { changes, why },
        });
    }

    /// In scope and not linked: what the look-up found decides.
    fn meet(&mut self, object: &SourceObject, grants: &[Grant], found: Found) -> Here {
        let kind = object.kind;
        let is_taken = |mapping: &Mapping, value: &Value| self.is_taken(kind, mapping, value);
        let unique = if found == Found::None && self.job.rules(kind).actions.create {
            Unique::Chosen(&is_taken)
        } else {
            Unique::Keep
        };
        let desired = match self.desired(object, grants, false, unique) {
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
        self.take_chosen(object.kind, &desired);
        let subject = subject_of(object);
        let values = desired.values.into_iter();
        let mut attributes: BTreeMap<TargetPath, Value> = values
            .filter_map(|(path, value)| Some((path, value?)))
            .collect();
        attributes.extend(desired.on_create);
        attributes.extend(
            desired
                .additions
                .into_iter()
                .filter_map(|(path, additions)| {
                    let created = addition::created(&additions)?;
                    Some((path, created))
                }),
        );
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
        self.creates.push(Action {
            subject,
            target: None,
            operation: Operation::Create {
                attributes,
                references: Vec::new(),
                keys: desired.keys,
                via: scope::ways_of(grants),
            },
        });
        Here::Creating
    }

    fn adopt(
        &mut self,
        object: &SourceObject,
        grants: &[Grant],
        mut desired: Desired,
        key: MatchKey,
        found: TargetObject,
    ) -> Here {
        let TargetObject {
            id: target,
            attributes: mut current,
            members: _,
        } = found;
        let mappings = &self.job.rules(object.kind).mappings;
        mapping::normalize(mappings, &mut current);
        let subject = subject_of(object);
        let here = Here::Linked(target.clone());
        for (path, source) in std::mem::take(&mut desired.references) {
            let shown = match current.remove(&path) {
                Some(Value::Text(id)) => Some(TargetId::new(&*id)),
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
        let rules = self.job.rules(object.kind);
        // "If it is empty it gets the default value" (Entra, mapping type None). Later the target is
        // not read any more.
        let unmapped = rules
            .mappings
            .iter()
            .filter(|mapping| matches!(mapping.source, Source::None));
        for path in unmapped.map(|mapping| &mapping.target) {
            let is_empty = current.get(path).is_none_or(Value::is_empty);
            if let Some(default) = desired.on_create.get(path).filter(|_| is_empty) {
                desired.values.insert(path.clone(), Some(default.clone()));
            }
        }
        fold_case(&mut current, &desired);
        let changes = if rules.actions.update {
            changes(&current, &desired)
        } else {
            Vec::new()
        };
        self.adopted.insert(target.clone(), object.id.clone());
        self.tell(object, true, here.clone());
        self.updates.push(Action {
            subject,
            target: Some(target),
            operation: Operation::Adopt {
                key,
                current,
                changes,
                via: scope::ways_of(grants),
            },
        });
        here
    }

    /// Linked, and perhaps no longer belonging. Whoever is blocked loses access at once, in scope or
    /// out of it, except where an earlier cycle found them out of it and kept them.
    fn doubt(&mut self, object: &SourceObject, grants: &[Grant], link: &Link, why: WhyOut) -> Here {
        // Whatever follows leaves a trace only where something is to be done, and the next cycle must
        // look again all the same.
        if link.in_scope {
            self.waiting.insert((object.kind, object.id.clone()));
        }
        if is_blocked(object) {
            if link.in_scope {
                return self.compare(object, grants, link, true);
            }
            if self.job.rules(object.kind).when_out_of_scope != WhenOutOfScope::Keep {
                self.disable(object, link, WhyRemoved::Blocked);
                return Here::No;
            }
        }
        self.leave(object, link, WhyRemoved::OutOfScope(why))
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
        if self.waits(object.kind, &why) {
            return self.skip(object, Why::IncompleteRead(why));
        }
        self.tell(object, false, Here::Deleting);
        self.rest.push(Action {
            subject: subject_of(object),
            target: Some(link.target.clone()),
            operation: Operation::Delete { why },
        });
        Here::Deleting
    }

    /// Sends only the mappings that carry `IsSoftDeleted`: the attributes of a deleted object are
    /// not its own any more (Graph mangles the principal name of one in the recycle bin).
    fn disable(&mut self, object: &SourceObject, link: &Link, why: WhyRemoved) {
        let rules = self.job.rules(object.kind);
        if !rules.mappings.carry_state() {
            self.skip(object, Why::CannotDisable(why));
            return;
        }
        let input = mapping::Input::new(object, &[], true);
        let desired = match mapping::desired_state(&rules.mappings, &input, self.environment) {
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
        let changes = changes(&link.sent, &desired);
        if changes.is_empty() {
            return;
        }
        if !rules.actions.update {
            self.skip(object, Why::NotAllowed(Verb::Update));
            return;
        }
        self.update(object, link, changes, Some(why));
    }

    pub(super) fn desired(
        &self,
        object: &SourceObject,
        grants: &[Grant],
        soft_deleted: bool,
        unique: Unique<'_>,
    ) -> Result<Mapped, Vec<mapping::AttributeError>> {
        let roles = scope::roles_of(grants);
        let input = mapping::Input::new(object, &roles, soft_deleted);
        let mappings = &self.job.rules(object.kind).mappings;
        mapping::desired(mappings, &input, self.environment, unique)
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
}

/// Whether such objects are the rest of the tenant, which only buries what matters. Of groups that are
/// not security-enabled the group itself is shown, and not each of its members.
fn is_stranger(kind: ObjectKind, why: &WhyOut) -> bool {
    match why {
        WhyOut::NotAssigned => true,
        WhyOut::NotSecurityEnabled | WhyOut::SecurityNotRead => kind == ObjectKind::User,
        WhyOut::NotNamed
        | WhyOut::DefaultAccessOnly
        | WhyOut::Excluded
        | WhyOut::Filter(_)
        | WhyOut::KindDisabled => false,
    }
}

/// Whether somebody may not sign in.
fn is_blocked(object: &SourceObject) -> bool {
    object.kind == ObjectKind::User
        && object.attributes.value("accountEnabled") == Some(&Value::Boolean(false))
}

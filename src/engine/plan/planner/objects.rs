//! One object: the decision table, and below it what each of its rows leads to. Members are not decided
//! here.

use std::collections::BTreeMap;

use super::hand_over::Claim;
use super::parts::{fingerprint, is_stranger, withheld_apart};
use super::{Candidate, Fate, Found, Group, Planner};
use crate::engine::addition;
use crate::engine::job::WhenOutOfScope;
use crate::engine::mapping::{self, Desired, Mapped, Mapping, Unique};
use crate::engine::model::{
    Grant, Link, MatchKey, ObjectKind, Presence, SourceObject, TargetId, TargetPath, Value,
};
use crate::engine::plan::difference::changes;
use crate::engine::plan::proof::{Proof, is_blocked};
use crate::engine::plan::{
    Action, Change, Decision, Draft, Operation, Subject, Verb, Why, WhyRemoved, unit,
};
use crate::engine::scope::{self, Verdict};

/// An object that must be looked for in the target before it can be decided.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    candidate: Candidate,
    desired: Desired,
    /// Values of which the target must be asked whether it has them, if the object is not found:
    /// the mappings choose one that is free.
    unique_values: Vec<MatchKey>,
}

impl Pending {
    pub(crate) fn candidate(&self) -> &Candidate {
        &self.candidate
    }

    /// Where to look, in matching precedence.
    pub(crate) fn keys(&self) -> &[MatchKey] {
        &self.desired.keys
    }

    pub(crate) fn unique_values(&self) -> &[MatchKey] {
        &self.unique_values
    }
}

/// Where an object stands in the source.
enum SourceState {
    Active,
    /// In scope, but sign-in is blocked.
    Blocked,
    Leaving(WhyRemoved),
    /// It seems to leave, but what could not be read, or a name that could not be resolved, may say
    /// otherwise.
    Unknown(WhyRemoved),
    /// Deleted for good.
    Deleted,
}

impl Planner<'_> {
    /// The decision table: where the object stands in the source, and what is known of it in the
    /// target. An object that must be looked for there comes back, for [`Planner::resume`].
    pub(crate) fn begin(&mut self, candidate: Candidate) -> Option<Pending> {
        let object = &candidate.object;
        let state = self.source_state(&candidate);
        let in_scope = matches!(state, SourceState::Active | SourceState::Blocked);
        let is_counted = self.is_second_look();
        if !is_counted {
            self.evaluated.add(object.kind);
        }
        if in_scope && !is_counted {
            self.in_scope.add(object.kind);
        }
        // While the scope is unknown everything stays as it was: groups and reports go by the last
        // verdict.
        if let Some(link) = &candidate.link
            && link.in_scope != in_scope
            && !matches!(state, SourceState::Unknown(_))
        {
            if in_scope {
                self.tally.coming.add(object.kind);
            } else {
                self.tally.leaving.add(object.kind);
            }
            self.fates.note(object.key, Fate::Linked { in_scope });
            self.decisions.push(Decision::Scope {
                key: object.key,
                in_scope,
            });
        }
        match (state, &candidate.link) {
            (SourceState::Active, Some(link)) => self.update(&candidate, link, false),
            (SourceState::Blocked, Some(link)) => self.update(&candidate, link, true),
            (SourceState::Active, None) => return self.look_for(candidate),
            (SourceState::Blocked, None) if self.job.rules(object.kind).create_blocked => {
                return self.look_for(candidate);
            }
            (SourceState::Blocked, None) => self.skip(object, Why::BlockedNotCreated),
            (SourceState::Leaving(why), Some(link)) => self.deprovision(object, link, why),
            (SourceState::Unknown(why), Some(link)) => self.postpone(&candidate, link, why),
            (
                SourceState::Leaving(WhyRemoved::OutOfScope(why))
                | SourceState::Unknown(WhyRemoved::OutOfScope(why)),
                None,
            ) if !self.lists_unassigned && is_stranger(object.kind, &why) => {}
            (
                SourceState::Leaving(WhyRemoved::OutOfScope(why))
                | SourceState::Unknown(WhyRemoved::OutOfScope(why)),
                None,
            ) => self.skip(object, Why::OutOfScope(why)),
            (SourceState::Deleted, Some(link)) => {
                let rules = self.job.rules(object.kind);
                match rules.policy(object) {
                    WhenOutOfScope::Disable | WhenOutOfScope::Delete
                        if rules.actions.delete && rules.stages().is_none() =>
                    {
                        self.delete(object, link, WhyRemoved::Deleted);
                    }
                    WhenOutOfScope::Disable
                    | WhenOutOfScope::Delete
                    | WhenOutOfScope::Empty
                    | WhenOutOfScope::Keep => {
                        self.deprovision(object, link, WhyRemoved::Deleted);
                    }
                }
            }
            (
                SourceState::Leaving(
                    WhyRemoved::SoftDeleted
                    | WhyRemoved::Deleted
                    | WhyRemoved::Missing
                    | WhyRemoved::Mapping
                    | WhyRemoved::Blocked,
                )
                | SourceState::Unknown(
                    WhyRemoved::SoftDeleted
                    | WhyRemoved::Deleted
                    | WhyRemoved::Missing
                    | WhyRemoved::Mapping
                    | WhyRemoved::Blocked,
                )
                | SourceState::Deleted,
                None,
            ) => {}
        }
        None
    }

    fn source_state(&self, candidate: &Candidate) -> SourceState {
        let Candidate {
            object,
            grants,
            without_effect,
            groups,
            ..
        } = candidate;
        let without_effect = without_effect.as_ref();
        let doubts = &self.doubts;
        let why = match object.presence {
            Presence::Deleted => return SourceState::Deleted,
            Presence::SoftDeleted => return SourceState::Leaving(WhyRemoved::SoftDeleted),
            Presence::Missing => WhyRemoved::Missing,
            Presence::Present => {
                match scope::verdict(self.job, object, grants, without_effect, groups, doubts) {
                    Verdict::In if is_blocked(object) => return SourceState::Blocked,
                    Verdict::In => return SourceState::Active,
                    Verdict::Out(why) => WhyRemoved::OutOfScope(why),
                    Verdict::Unknown { would_be } => {
                        return SourceState::Unknown(WhyRemoved::OutOfScope(would_be));
                    }
                }
            }
        };
        // What brings it into scope may be in the part that could not be read.
        match self.proof(object, &why) {
            Some(_) => SourceState::Leaving(why),
            None => SourceState::Unknown(why),
        }
    }

    /// Linked and in scope: what we sent compared with what should be there.
    pub(super) fn update(&mut self, candidate: &Candidate, link: &Link, blocked: bool) {
        let object = &candidate.object;
        self.await_members(object, Some(&link.target));
        let desired = match self.desired(object, &candidate.grants, blocked, Unique::Keep) {
            Ok(Mapped::Desired(desired)) => desired,
            Ok(Mapped::IgnoreObject) => return self.skip(object, Why::IgnoredByMapping),
            Err(errors) => return self.skip(object, Why::MappingFailed(errors)),
        };
        if blocked && !self.carries_block(object.kind, &desired) {
            let rules = self.job.rules(object.kind);
            if rules.policy(object) == WhenOutOfScope::Delete && rules.actions.delete {
                return self.delete(object, link, WhyRemoved::Blocked);
            }
            self.skip(object, Why::CannotDisable(WhyRemoved::Blocked));
        }
        let changes = changes(&link.sent, &desired);
        if !self.job.rules(object.kind).actions.update {
            if !changes.is_empty() {
                self.skip(object, Why::NotAllowed(Verb::Update));
            }
            return;
        }
        self.send_changes(
            candidate,
            link,
            changes,
            blocked.then_some(WhyRemoved::Blocked),
        );
        for (path, desired) in desired.references {
            let held = link.references.get(&path).cloned();
            self.reference(candidate, &link.target, path, held, desired.as_ref());
        }
    }

    /// Whether the mappings let the target know that sign-in is blocked.
    fn carries_block(&self, kind: ObjectKind, desired: &Desired) -> bool {
        self.job.rules(kind).mappings.carry_state()
            || desired.values.iter().any(|(path, value)| {
                path.is_active() && matches!(value, Some(Value::Boolean(false)))
            })
    }

    /// An update, or what it amounts to: an enable, or a disable, which is a row of its own and comes
    /// before the object's other changes.
    fn send_changes(
        &mut self,
        candidate: &Candidate,
        link: &Link,
        changes: Vec<Change>,
        leaving: Option<WhyRemoved>,
    ) {
        let object = &candidate.object;
        let (withheld, changes) = withheld_apart(candidate, changes);
        self.send_main_changes(object, link, changes, leaving);
        self.send_withheld(object, &link.target, withheld);
    }

    /// What the target refused before goes by itself, attribute by attribute.
    pub(super) fn send_withheld(
        &mut self,
        object: &SourceObject,
        target: &TargetId,
        withheld: Vec<Change>,
    ) {
        let mut by_unit: BTreeMap<TargetPath, Vec<Change>> = BTreeMap::new();
        for change in withheld {
            by_unit.entry(unit(&change)).or_default().push(change);
        }
        for changes in by_unit.into_values() {
            let action = Action {
                subject: Subject::of(object),
                target: Some(target.clone()),
                operation: Operation::Update { changes },
            };
            self.act(Draft::new(action, 0));
        }
    }

    pub(super) fn send_main_changes(
        &mut self,
        object: &SourceObject,
        link: &Link,
        changes: Vec<Change>,
        leaving: Option<WhyRemoved>,
    ) {
        if changes.is_empty() {
            return;
        }
        let mappings = &self.job.rules(object.kind).mappings;
        let carries_state =
            |change: &Change| change.path.is_active() || mappings.carries_state(&change.path);
        let disables = match changes.iter().find(|change| carries_state(change)) {
            None => {
                return self.draft(object, link, Operation::Update { changes });
            }
            Some(state) => match (&state.new, state.path.is_active()) {
                (Some(Value::Boolean(active)), true) => !active,
                _ => leaving.is_some(),
            },
        };
        if !disables {
            self.enabled.insert(object.key);
            return self.draft(object, link, Operation::Enable { changes });
        }
        let (changes, others): (Vec<Change>, Vec<Change>) =
            changes.into_iter().partition(carries_state);
        if let Some(why) = self.protection(object.key) {
            self.skip(object, why);
            if !others.is_empty() {
                self.draft(object, link, Operation::Update { changes: others });
            }
            return;
        }
        // Where no blocked user is behind it, a mapping makes the user inactive.
        let why = leaving.unwrap_or(WhyRemoved::Mapping);
        match self.proof(object, &why) {
            Some(proof) => {
                let operation = Operation::Disable {
                    changes,
                    why,
                    proof,
                };
                self.draft(object, link, operation);
            }
            None => self.skip(object, Why::IncompleteRead(why)),
        }
        if !others.is_empty() {
            self.draft(object, link, Operation::Update { changes: others });
        }
    }

    pub(super) fn draft(&mut self, object: &SourceObject, link: &Link, operation: Operation) {
        if let Operation::Update { changes } | Operation::Enable { changes } = &operation {
            self.note_changed_names(object.kind, object.key, &link.target, changes);
        }
        let action = Action {
            subject: Subject::of(object),
            target: Some(link.target.clone()),
            operation,
        };
        self.act(Draft::new(action, 0));
    }

    /// In scope and not linked: it must be looked for, unless nothing can be.
    fn look_for(&mut self, candidate: Candidate) -> Option<Pending> {
        let Candidate { object, grants, .. } = &candidate;
        let blocked = is_blocked(object);
        let desired = match self.desired(object, grants, blocked, Unique::Keep) {
            Ok(Mapped::Desired(desired)) => desired,
            Ok(Mapped::IgnoreObject) => {
                self.skip(object, Why::IgnoredByMapping);
                return None;
            }
            Err(errors) => {
                self.skip(object, Why::MappingFailed(errors));
                return None;
            }
        };
        if blocked && !self.carries_block(object.kind, &desired) {
            self.skip(object, Why::BlockedNotCreated);
            return None;
        }
        if desired.keys.is_empty() {
            self.skip(object, Why::NoMatchingValue);
            return None;
        }
        let rules = self.job.rules(object.kind);
        let unique_values = if rules.actions.create && self.selects_unique(object.kind) {
            let held = scope::roles_of(grants);
            let input = mapping::Input::new(object, &held, blocked);
            mapping::candidates(&rules.mappings, &input, self.environment_of(object))
        } else {
            Vec::new()
        };
        Some(Pending {
            candidate,
            desired,
            unique_values,
        })
    }

    /// Why an object is not in scope, where that is certain.
    pub(super) fn has_left(&self, candidate: &Candidate) -> Option<(WhyRemoved, Proof)> {
        let why = match self.source_state(candidate) {
            SourceState::Leaving(why) => why,
            SourceState::Deleted => WhyRemoved::Deleted,
            SourceState::Active | SourceState::Blocked | SourceState::Unknown(_) => return None,
        };
        let proof = self.proof(&candidate.object, &why)?;
        Some((why, proof))
    }

    /// What the look-up found decides about an object that [`Planner::begin`] gave back. `holder` is the object that
    /// is linked to what was found, at a second look.
    pub(crate) fn resume(
        &mut self,
        pending: Pending,
        mut found: Found,
        holder: Option<&Candidate>,
    ) {
        let Pending {
            candidate,
            mut desired,
            unique_values: _,
        } = pending;
        let object = &candidate.object;
        if let (
            Found::One {
                key,
                object: target,
                ..
            },
            Some(holder),
            true,
        ) = (&found, holder, self.is_second_look())
        {
            match self.claim(&candidate, &desired, key, &target.id, holder) {
                Claim::Refused => {}
                Claim::Freed => found = Found::None,
                Claim::HandedOver => return,
            }
        }
        match found {
            Found::Failed(words) => self.skip(object, Why::LookupFailed(words)),
            Found::OldAddress { key, target } => {
                self.skip(object, Why::OldAddress { key, target });
            }
            // One of them may be about to give up the name.
            Found::Several { .. } if !self.is_second_look() => self.put_off(object),
            Found::Several { key, targets } => self.skip(object, Why::Ambiguous { key, targets }),
            Found::One {
                key,
                object: target,
                linked_by,
            } => {
                let holder = linked_by.or_else(|| self.adopted_by(object.kind, &target.id));
                match holder.filter(|holder| *holder != object.key) {
                    Some(_) if !self.is_second_look() => self.put_off(object),
                    Some(by) => {
                        let target = target.id;
                        self.skip(object, Why::Taken { key, target, by });
                    }
                    None => self.adopt(&candidate, desired, key, target),
                }
            }
            Found::None => {
                let rules = self.job.rules(object.kind);
                if !rules.actions.create {
                    return self.skip(object, Why::NotAllowed(Verb::Create));
                }
                // Where a mapping chooses a value that no object has, it is known only now which are free.
                if self.selects_unique(object.kind) {
                    let is_taken = |mapping: &Mapping, value: &Value| {
                        self.is_taken(object.kind, mapping, value)
                    };
                    let unique = Unique::Chosen(&is_taken);
                    let blocked = is_blocked(object);
                    desired = match self.desired(object, &candidate.grants, blocked, unique) {
                        Ok(Mapped::Desired(desired)) => desired,
                        Ok(Mapped::IgnoreObject) => {
                            return self.skip(object, Why::IgnoredByMapping);
                        }
                        Err(errors) => return self.skip(object, Why::MappingFailed(errors)),
                    };
                }
                let Some(first) = desired.keys.first() else {
                    return self.skip(object, Why::NoMatchingValue);
                };
                let shared = fingerprint(object.kind, first);
                if let Some(other) = self.first_keys.get(&shared) {
                    let (key, other) = (first.clone(), *other);
                    return self.skip(object, Why::DuplicateSource { key, other });
                }
                self.first_keys.insert(shared, object.key);
                self.create(&candidate, desired);
            }
        }
    }

    fn put_off(&mut self, object: &SourceObject) {
        self.put_off.insert(object.key);
    }

    fn create(&mut self, candidate: &Candidate, desired: Desired) {
        let object = &candidate.object;
        self.take_chosen(object.kind, &desired);
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
        let mut references = self.references_of_create(candidate, desired.references);
        let mappings = &self.job.rules(object.kind).mappings;
        let is_withheld = |path: &TargetPath| {
            candidate.withheld.contains(path) && mappings.may_be_left_out(path, true)
        };
        attributes.retain(|path, _| !is_withheld(path));
        references.retain(|(path, _)| !is_withheld(path));
        self.note_created_names(object.kind, object.key, &attributes);
        self.fates.note(object.key, Fate::Creating);
        self.tally.joining.add(object.kind);
        self.await_members(object, None);
        let action = Action {
            subject: Subject::of(object),
            target: None,
            operation: Operation::Create {
                attributes,
                references,
                keys: desired.keys,
                via: scope::ways_of(&candidate.grants),
            },
        };
        // What it refers to was decided before it, and is created before it. Updates come first: they
        // may free a name.
        let create = Draft::new(action, self.rank + 1);
        match self.groups.get_mut(&object.key) {
            Some(group) if self.carrying.with_group => group.create_with_member(create),
            Some(_) | None => self.act(create),
        }
    }

    fn desired(
        &self,
        object: &SourceObject,
        grants: &[Grant],
        soft_deleted: bool,
        unique: Unique<'_>,
    ) -> Result<Mapped, Vec<mapping::AttributeError>> {
        let roles = scope::roles_of(grants);
        let input = mapping::Input::new(object, &roles, soft_deleted);
        let mappings = &self.job.rules(object.kind).mappings;
        mapping::desired(mappings, &input, self.environment_of(object), unique)
    }

    /// A group that stays or comes: its members are compared once everything else is decided, because
    /// a group may be a member too. `target` is `None` when this plan creates the group.
    pub(super) fn await_members(&mut self, object: &SourceObject, target: Option<&TargetId>) {
        if object.kind != ObjectKind::Group {
            return;
        }
        let rules = &self.job.groups;
        let mut mappings = rules.mappings.iter();
        let may_send = target.is_none() || rules.actions.update;
        if may_send && mappings.any(|mapping| mapping.target.is_members()) {
            let read = self.readings.of_source(object.source);
            let group = Group::new(Subject::of(object), target.cloned(), read);
            self.groups.insert(object.key, group);
        }
    }
}

//! The store's tests, by subject; here is what they share: a state file in a folder of its own, and
//! short ways to write ids, pages and outcomes.

mod aftermath;
mod assignments;
mod custom_security;
mod cycles;
mod files;
mod holds;
mod ledger;
mod looking;
mod pages;
mod pending;
mod record;
mod shards;
mod source;
mod statements;

use std::collections::{BTreeMap, BTreeSet};

use crate::store::Clocks;
use chrono::{DateTime, TimeDelta, Utc};

use super::source::PageSummary;
use super::testing::state_in;
use super::{Evaluated, Evaluation, MarkCutoff, PageLink, Row, RowId, RowsOf, Store};
use crate::config::StateAt;
use crate::engine::model::{
    Complete, Held, HeldReference, JobName, Key, Link, MatchKey, MemberChange, ObjectKind,
    Presence, SourceChange, SourceId, SourceNumber, TargetId, TargetPath, Value,
};
use crate::engine::outcome::{Class, Failure, Outcome, Status};
use crate::engine::plan::{
    Action, Change, Decision, Draft, ElementChange, HandOver, Operation, Pointer, Proof,
    Referenced, SentMember, Subject, WhyLeft, WriteMode,
};
use crate::engine::record::{Escrowed, Retention};
use crate::engine::redact::Redactions;
use crate::engine::summary::{CycleKind, Requests, Summary};

use ObjectKind::{Group, User};

const SELECT: &str = "id,displayName,manager";
const MANAGER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";

/// A state file, its job `wizer` evaluated once, so that only marks make candidates.
struct World {
    folder: tempfile::TempDir,
    store: Store,
    job: JobName,
    cycle: i64,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(state_in(folder.path())).unwrap();
        let job = JobName::new("wizer");
        store.note_fingerprint(&job, "f0").unwrap();
        let cycle = store.begin_cycle(&job, CycleKind::Initial, at(0)).unwrap();
        // So that every test knows the keys of its objects, see `key`.
        let names = "ug"
            .chars()
            .flat_map(|kind| ('0'..='9').map(move |number| (kind, number)));
        store
            .write("mention objects", |state| {
                for (kind, number) in names {
                    let name = format!("{kind}{number}");
                    let kind = if kind == 'u' { User } else { Group };
                    assert_eq!(state.key_or_mention(kind, &id(&name))?, key(&name));
                }
                Ok(())
            })
            .unwrap();
        let world = Self {
            folder,
            store,
            job,
            cycle,
        };
        world.finish(world.evaluate());
        world
    }

    fn state(&self) -> StateAt {
        state_in(self.folder.path())
    }

    /// As after a crash: nothing is closed in good order.
    fn reopened(self) -> Self {
        let Self {
            folder,
            store,
            job,
            cycle,
        } = self;
        std::mem::forget(store);
        let store = Store::open(state_in(folder.path())).unwrap();
        Self {
            folder,
            store,
            job,
            cycle,
        }
    }

    fn escrow(&self) -> Vec<Escrowed> {
        self.store.status(&self.job, 0).unwrap().escrow
    }

    /// Whether the stream was read to the end, and no round is under way since.
    fn is_complete(&self, kind: ObjectKind) -> bool {
        let complete = self.store.read("look up the watermark", |connection| {
            connection.query_row(
                "SELECT NOT under_way AND delta_link IS NOT NULL FROM watermarks WHERE kind = ?1",
                [kind],
                |row| row.get(0),
            )
        });
        complete.unwrap()
    }

    fn next_cycle(&mut self) {
        self.cycle = self
            .store
            .begin_cycle(&self.job, CycleKind::Incremental, at(1))
            .unwrap();
    }

    fn evaluate(&self) -> MarkCutoff {
        self.store.begin_evaluation(&self.job).unwrap()
    }

    fn finish(&self, cutoff: MarkCutoff) {
        self.finish_except(cutoff, &BTreeSet::new());
    }

    fn finish_except(&self, cutoff: MarkCutoff, except: &BTreeSet<Key>) {
        let evaluation = Evaluation {
            cutoff,
            evaluated: Evaluated::Everything,
            except,
            maps_references: true,
            nested_groups: true,
            marks_new_links: true,
        };
        self.store.finish_evaluation(&self.job, evaluation).unwrap();
    }

    /// Clears all marks, as an evaluation without failures does.
    fn settle(&self) {
        // Twice: what the first one marked for others is cleared by the second.
        self.finish(self.evaluate());
        self.finish(self.evaluate());
        assert_eq!(self.pending(), "");
    }

    /// One page that is a whole round.
    fn round(&self, kind: ObjectKind, changes: &[SourceChange]) -> PageSummary {
        self.store.begin_round(kind, SELECT).unwrap();
        self.last_page(kind, changes)
    }

    /// A round that reads everything.
    fn full_round(&self, kind: ObjectKind, changes: &[SourceChange]) -> PageSummary {
        self.store.forget_watermark(kind).unwrap();
        self.round(kind, changes)
    }

    fn page(&self, kind: ObjectKind, changes: &[SourceChange]) -> PageSummary {
        let link = PageLink::Next("page".to_owned());
        self.store.commit_page(kind, changes, link, at(0)).unwrap()
    }

    fn last_page(&self, kind: ObjectKind, changes: &[SourceChange]) -> PageSummary {
        let link = PageLink::Delta(Complete::after_last_page("delta".to_owned()));
        self.store.commit_page(kind, changes, link, at(0)).unwrap()
    }

    /// The candidates of the job, as in "u1 u2 g1".
    fn pending(&self) -> String {
        pending_of(&self.store, &self.job)
    }

    /// Writes rows for these actions.
    fn draft(&self, actions: &[Action]) {
        let decisions: Vec<Decision> = actions
            .iter()
            .map(|action| Decision::Act(Draft::new(action.clone(), 0)))
            .collect();
        self.store.draft(self.cycle, &decisions).unwrap();
    }

    /// The rows that may be sent, in order.
    fn queued(&self) -> Vec<Row> {
        let rows = self.store.rows(self.cycle, RowsOf::Cleared, None, 1_000);
        rows.unwrap().into_iter().map(|(_, row)| row).collect()
    }

    /// Marks rows as sent.
    fn send(&self, rows: &[RowId]) -> Vec<Row> {
        self.advance(&[], rows)
    }

    fn advance(&self, outcomes: &[(RowId, Outcome)], send: &[RowId]) -> Vec<Row> {
        let redactions = Redactions::default();
        self.store
            .advance(self.cycle, outcomes, &[], send, &redactions, clocks(1))
            .unwrap()
            .rows
    }

    /// Plans and sends these actions, and gives the ids of their rows in the order of the actions.
    fn begin(&self, actions: &[Action]) -> Vec<RowId> {
        self.draft(actions);
        let mut rows = self.queued();
        let ids: Vec<RowId> = actions
            .iter()
            .map(|action| {
                let is_it = |row: &Row| {
                    row.action.subject.key == action.subject.key
                        && row.action.as_str() == action.as_str()
                };
                let place = rows.iter().position(is_it).unwrap();
                rows.remove(place).id
            })
            .collect();
        self.send(&ids);
        ids
    }

    /// Plans and sends the actions of these outcomes, and records what came of them.
    fn record(&self, outcomes: &[Outcome]) {
        let actions: Vec<Action> = outcomes
            .iter()
            .map(|outcome| outcome.action.clone())
            .collect();
        let rows = self.begin(&actions);
        let ended: Vec<(RowId, Outcome)> = rows.into_iter().zip(outcomes.iter().cloned()).collect();
        self.advance(&ended, &[]);
    }

    /// Links an object by a create, with its target id as its name.
    fn link(&self, kind: ObjectKind, name: &str, target: &str) {
        let action = create(kind, name, &[("displayName", name)]);
        self.record(&[done(action, target)]);
    }

    /// The keys of an earlier create whose end is not known.
    fn intent(&self, name: &str) -> Option<Vec<MatchKey>> {
        let unsettled = self.store.read("look up an intent", |state| {
            let job = state.job_or_none(&self.job)?;
            super::ledger::unsettled(state, job, &[key(name)])
        });
        let unknown = unsettled.unwrap().remove(&key(name))?;
        let mut operations = unknown.operations.into_iter();
        operations.find_map(|operation| match operation {
            Operation::Create { keys, .. } => Some(keys),
            _ => None,
        })
    }

    fn linked(&self, kind: ObjectKind, name: &str) -> Option<Link> {
        assert_eq!(kind, kind_of(name));
        // Also of an object that was never read.
        let link = self.store.read("look up a link", |state| {
            let job = state.job_or_none(&self.job)?;
            let link = super::sets::links(state, job, &[key(name)])?.remove(&key(name));
            let unsettled = super::ledger::unsettled(state, job, &[key(name)])?;
            let others = unsettled.contains_key(&key(name));
            Ok(link.map(|link| Link {
                unconfirmed: link.unconfirmed || others,
                ..link
            }))
        });
        link.unwrap()
    }

    fn target(&self, kind: ObjectKind, name: &str) -> Option<String> {
        assert_eq!(kind, kind_of(name));
        let targets = self.store.targets(&self.job, &[key(name)]).unwrap();
        targets
            .values()
            .next()
            .map(|(target, _)| target.to_string())
    }

    /// The members that were sent, as in "u1 u2".
    fn sent_members(&self, group: &str) -> String {
        let mut sent = Vec::new();
        self.store
            .each_member(&self.job, &[key(group)], |member| {
                if member.sent != SentMember::No {
                    sent.push(member.key);
                }
            })
            .unwrap();
        join(&self.store.ids_of(&sent).unwrap())
    }

    fn members(&self, group: &str) -> String {
        let members = self.store.members_of(&id(group)).unwrap();
        join(members.iter().map(|(_, id)| id))
    }

    fn finish_cycle(&self) {
        self.store
            .finish_cycle(&self.summary(), Retention::default(), clocks(2))
            .unwrap();
    }

    fn summary(&self) -> Summary {
        Summary {
            job: self.job.clone(),
            cycle: self.cycle,
            kind: CycleKind::Incremental,
            started: at(0),
            duration_ms: 2_000,
            evaluated: crate::engine::plan::Count::default(),
            in_scope: crate::engine::plan::Count::default(),
            linked: crate::engine::plan::Count::default(),
            done: BTreeMap::new(),
            skipped: BTreeMap::new(),
            failures: Vec::new(),
            failed: 0,
            not_tried: 0,
            warnings: Vec::new(),
            strangers: None,
            held: None,
            incomplete: None,
            misnamed: Vec::new(),
            aborted: None,
            stopped: false,
            requests: Requests::default(),
        }
    }
}

fn pending_of(store: &Store, job: &JobName) -> String {
    let ids: Vec<SourceId> = ObjectKind::ALL
        .into_iter()
        .flat_map(|kind| {
            let keys = store.candidates(job, kind).unwrap();
            store.ids_of(&keys).unwrap()
        })
        .collect();
    join(&ids)
}

fn join<'i>(ids: impl IntoIterator<Item = &'i SourceId>) -> String {
    let ids: Vec<&str> = ids.into_iter().map(SourceId::as_str).collect();
    ids.join(" ")
}

fn clocks(seconds: i64) -> Clocks {
    Clocks {
        now: at(seconds),
        source: Some(at(seconds)),
    }
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(seconds)
}

fn id(name: &str) -> SourceId {
    SourceId::new(name)
}

/// The objects u0 to u9 have the keys 1 to 10, the groups g0 to g9 follow.
fn key(name: &str) -> Key {
    let number: u32 = name[1..].parse().unwrap();
    assert!(number < 10, "{name} has no key that a test knows");
    Key::new(number + if name.starts_with('u') { 1 } else { 11 })
}

fn kind_of(name: &str) -> ObjectKind {
    if name.starts_with('g') { Group } else { User }
}

fn path(text: &str) -> TargetPath {
    TargetPath::parse(text).unwrap()
}

fn values(values: &[(&str, &str)]) -> BTreeMap<TargetPath, Value> {
    values
        .iter()
        .map(|(name, value)| (path(name), Value::text(*value)))
        .collect()
}

fn change(kind: ObjectKind, name: &str) -> SourceChange {
    SourceChange {
        kind,
        id: id(name),
        presence: Presence::Present,
        attributes: BTreeMap::new(),
        members: Vec::new(),
    }
}

fn user(name: &str) -> SourceChange {
    with(change(User, name), "displayName", Value::text(name))
}

fn report(name: &str, manager: &str) -> SourceChange {
    with(user(name), "manager", Value::Reference(id(manager)))
}

/// A group with members that came; a name that begins with "g" is a group's.
fn group(name: &str, members: &[&str]) -> SourceChange {
    let mut group = with(change(Group, name), "displayName", Value::text(name));
    group.members = member_changes(members, false);
    group
}

fn group_without(name: &str, members: &[&str]) -> SourceChange {
    let mut group = change(Group, name);
    group.members = member_changes(members, true);
    group
}

fn member_changes(names: &[&str], removed: bool) -> Vec<MemberChange> {
    names
        .iter()
        .map(|name| MemberChange {
            id: id(name),
            kind: if name.starts_with('g') { Group } else { User },
            removed,
        })
        .collect()
}

fn with(mut change: SourceChange, name: &str, value: Value) -> SourceChange {
    change.attributes.insert(name.to_owned(), Some(value));
    change
}

fn gone(kind: ObjectKind, name: &str, presence: Presence) -> SourceChange {
    SourceChange {
        presence,
        ..change(kind, name)
    }
}

fn subject(kind: ObjectKind, name: &str) -> Subject {
    Subject {
        kind,
        key: key(name),
        id: id(name),
        label: String::new(),
    }
}

fn action(name: &str, target: Option<&str>, operation: Operation) -> Action {
    Action {
        subject: subject(kind_of(name), name),
        target: target.map(TargetId::new),
        operation,
    }
}

fn create(kind: ObjectKind, name: &str, attributes: &[(&str, &str)]) -> Action {
    assert_eq!(kind, kind_of(name));
    let operation = Operation::Create {
        attributes: values(attributes),
        references: Vec::new(),
        keys: vec![MatchKey {
            path: path("userName"),
            value: Value::text(name),
        }],
        via: Vec::new(),
    };
    action(name, None, operation)
}

fn changes(changes: &[(&str, Option<&str>, Option<&str>)]) -> Vec<Change> {
    changes
        .iter()
        .map(|(name, old, new)| Change {
            path: path(name),
            old: old.map(Value::text),
            new: new.map(Value::text),
            element: ElementChange::None,
            written: WriteMode::Whole,
        })
        .collect()
}

fn update(name: &str, target: &str, changed: &[(&str, Option<&str>, Option<&str>)]) -> Action {
    let operation = Operation::Update {
        changes: changes(changed),
    };
    action(name, Some(target), operation)
}

/// A proof as any that a plan's rows hold.
fn proof() -> Proof {
    Proof::of_reading(&Complete::after_last_page(()))
}

fn delete(kind: ObjectKind, name: &str, target: &str) -> Action {
    assert_eq!(kind, kind_of(name));
    let operation = Operation::Delete {
        why: crate::engine::plan::WhyRemoved::Deleted,
        proof: proof(),
    };
    action(name, Some(target), operation)
}

fn set_manager(name: &str, manager: Option<&str>) -> Action {
    let operation = Operation::SetReference {
        path: path(MANAGER),
        old: None,
        new: match manager {
            Some(manager) => Pointer::To(sent_as(manager, &manager.replace('u', "t"))),
            None => Pointer::Cleared(proof()),
        },
    };
    action(name, None, operation)
}

/// A member or manager with the target id by which it is sent.
fn sent_as(name: &str, target: &str) -> Referenced {
    Referenced {
        key: key(name),
        target: Some(TargetId::new(target)),
    }
}

fn add_members(group: &str, members: &[&str]) -> Action {
    let members = members.iter().map(|member| sent_as(member, "resolved"));
    let operation = Operation::AddMembers {
        members: members.collect(),
    };
    action(group, None, operation)
}

fn remove_members(group: &str, members: &[&str]) -> Action {
    let members = members.iter().map(|member| sent_as(member, "resolved"));
    let operation = Operation::RemoveMembers {
        members: members.collect(),
        why: WhyLeft::NotRecorded,
        proof: proof(),
    };
    action(group, None, operation)
}

fn outcome(action: Action, status: Status) -> Outcome {
    Outcome {
        action,
        at: at(1),
        duration_ms: 12,
        requests: 1,
        method: None,
        status,
    }
}

fn done(action: Action, target: &str) -> Outcome {
    let target = TargetId::new(target);
    outcome(action, Status::Done { target })
}

/// A create that was sent with a manager.
fn held(target: &str, source: &str) -> HeldReference {
    HeldReference {
        target: TargetId::new(target),
        source: Some(id(source)),
    }
}

fn held_values(list: &[(&str, &str)]) -> Held {
    Held {
        values: values(list),
        references: BTreeMap::new(),
    }
}

fn done_with_manager(mut action: Action, target: &str, manager: &str) -> Outcome {
    if let Operation::Create { references, .. } = &mut action.operation {
        references.push((path(MANAGER), sent_as(manager, "resolved")));
    }
    done(action, target)
}

fn failed(action: Action, unconfirmed: bool) -> Outcome {
    let failure = Failure {
        class: Class::Refused,
        http_status: Some(400),
        message: "create: the target says no".to_owned(),
        unconfirmed,
    };
    outcome(action, Status::Failed(failure))
}

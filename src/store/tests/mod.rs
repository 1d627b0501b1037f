//! The store's tests, by subject; here is what they share: a state file in a folder of its own, and
//! short ways to write ids, pages and outcomes.

mod aftermath;
mod assignments;
mod custom_security;
mod cycles;
mod files;
mod holds;
mod pending;
mod record;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::source::PageSummary;
use super::{Escrowed, Evaluated, Evaluation, Horizon, PageLink, Store};
use crate::engine::model::{
    Complete, JobName, Link, MatchKey, MemberChange, ObjectKind, Presence, SourceChange, SourceId,
    TargetId, TargetPath, Value,
};
use crate::engine::outcome::{Class, Effect, Failure, Outcome, Status};
use crate::engine::plan::{
    Action, Change, ElementChange, Operation, Referenced, Subject, WriteMode,
};
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
        let store = Store::open(&folder.path().join("entrain.db")).unwrap();
        let job = JobName::new("wizer");
        store.note_fingerprint(&job, "f0").unwrap();
        let cycle = store.begin_cycle(&job, CycleKind::Initial, at(0)).unwrap();
        let world = Self {
            folder,
            store,
            job,
            cycle,
        };
        world.finish(world.begin());
        world
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
        let store = Store::open(&folder.path().join("entrain.db")).unwrap();
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

    fn begin(&self) -> Horizon {
        self.store.begin_evaluation(&self.job).unwrap()
    }

    fn finish(&self, horizon: Horizon) {
        self.finish_except(horizon, &BTreeSet::new());
    }

    fn finish_except(&self, horizon: Horizon, except: &BTreeSet<(ObjectKind, SourceId)>) {
        let evaluation = Evaluation {
            horizon,
            evaluated: Evaluated::Everything,
            except,
            maps_references: true,
        };
        self.store.finish_evaluation(&self.job, evaluation).unwrap();
    }

    /// Clears all marks, as an evaluation without failures does.
    fn settle(&self) {
        // Twice: what the first one marked for others is cleared by the second.
        self.finish(self.begin());
        self.finish(self.begin());
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

    fn begin_apply(&self, actions: &[Action]) {
        self.store
            .begin_apply(&self.job, self.cycle, actions)
            .unwrap();
    }

    fn record(&self, outcomes: &[Outcome]) {
        let redactions = Redactions::default();
        self.store
            .record(&self.job, self.cycle, &redactions, outcomes)
            .unwrap();
    }

    /// Links an object by a create, with its target id as its name.
    fn link(&self, kind: ObjectKind, name: &str, target: &str) {
        let action = create(kind, name, &[("displayName", name)]);
        self.begin_apply(std::slice::from_ref(&action));
        self.record(&[done(action, target)]);
    }

    fn linked(&self, kind: ObjectKind, name: &str) -> Option<Link> {
        self.store.link(&self.job, kind, &id(name)).unwrap()
    }

    fn target(&self, kind: ObjectKind, name: &str) -> Option<String> {
        let target = self.store.target_of(&self.job, kind, &id(name)).unwrap();
        target.map(|(target, _)| target.to_string())
    }

    /// The members that were sent, as in "u1=t1 u2=t2".
    fn sent_members(&self, group: &str) -> String {
        let members = self.store.sent_members(&self.job, &id(group)).unwrap();
        let members: Vec<String> = members
            .iter()
            .map(|(id, target)| format!("{id}={target}"))
            .collect();
        members.join(" ")
    }

    fn members(&self, group: &str) -> String {
        let members = self.store.members_of(&id(group)).unwrap();
        join(members.iter().map(|(_, id)| id))
    }

    fn finish_cycle(&self) {
        self.store.finish_cycle(&self.summary(), at(2)).unwrap();
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
        .flat_map(|kind| store.candidates(job, kind, None, 1_000).unwrap())
        .collect();
    join(&ids)
}

fn join<'i>(ids: impl IntoIterator<Item = &'i SourceId>) -> String {
    let ids: Vec<&str> = ids.into_iter().map(SourceId::as_str).collect();
    ids.join(" ")
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(seconds)
}

fn id(name: &str) -> SourceId {
    SourceId::new(name)
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
        id: id(name),
        label: format!("label of {name}"),
    }
}

fn create(kind: ObjectKind, name: &str, attributes: &[(&str, &str)]) -> Action {
    Action {
        subject: subject(kind, name),
        target: None,
        operation: Operation::Create {
            attributes: values(attributes),
            references: Vec::new(),
            keys: vec![MatchKey {
                path: path("userName"),
                value: Value::text(name),
            }],
            via: Vec::new(),
        },
    }
}

fn update(name: &str, target: &str, changes: &[(&str, Option<&str>, Option<&str>)]) -> Action {
    Action {
        subject: subject(User, name),
        target: Some(TargetId::new(target)),
        operation: Operation::Update {
            changes: changes
                .iter()
                .map(|(name, old, new)| Change {
                    path: path(name),
                    old: old.map(Value::text),
                    new: new.map(Value::text),
                    element: ElementChange::None,
                    written: WriteMode::Whole,
                })
                .collect(),
        },
    }
}

fn delete(kind: ObjectKind, name: &str, target: &str) -> Action {
    Action {
        subject: subject(kind, name),
        target: Some(TargetId::new(target)),
        operation: Operation::Delete {
            why: crate::engine::plan::WhyRemoved::Deleted,
        },
    }
}

fn set_manager(name: &str, manager: Option<&str>) -> Action {
    Action {
        subject: subject(User, name),
        target: None,
        operation: Operation::SetReference {
            path: path(MANAGER),
            old: None,
            new: manager.map(|manager| Referenced {
                source: id(manager),
                target: None,
            }),
        },
    }
}

fn add_members(group: &str, members: &[&str]) -> Action {
    Action {
        subject: subject(Group, group),
        target: None,
        operation: Operation::AddMembers {
            members: members
                .iter()
                .map(|member| Referenced {
                    source: id(member),
                    target: None,
                })
                .collect(),
        },
    }
}

fn outcome(action: Action, status: Status) -> Outcome {
    Outcome {
        action,
        at: at(1),
        duration_ms: 12,
        requests: 1,
        status,
    }
}

fn done(action: Action, target: &str) -> Outcome {
    done_with(action, target, Effect::default())
}

fn done_with(action: Action, target: &str, effect: Effect) -> Outcome {
    let target = TargetId::new(target);
    outcome(action, Status::Done { target, effect })
}

fn members(members: &[(&str, &str)]) -> Effect {
    Effect {
        references: Vec::new(),
        members: members
            .iter()
            .map(|(member, target)| (id(member), TargetId::new(*target)))
            .collect(),
    }
}

fn reference(referenced: &str) -> Effect {
    Effect {
        references: vec![(path(MANAGER), id(referenced))],
        members: Vec::new(),
    }
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

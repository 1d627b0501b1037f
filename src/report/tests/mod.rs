//! What people and machines read, on plans and summaries that hold one of everything.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use chrono::DateTime;
use serde_json::Value as Json;

use super::json::Document;
use super::text::{self, Style};
use super::{About, Folded, JobStatus, Order, Part, PlanRow, PlanView, Rows};
use crate::engine::check::{Check, Failed, Problem};
use crate::engine::filter::ClauseFailure;
use crate::engine::guard::{self, Census, Counted, WhyHeld};
use crate::engine::job::{Limit, Limits};
use crate::engine::mapping::AttributeError;
use crate::engine::model::{
    Held, HeldReference, JobName, Key, MatchKey, ObjectKind, SourceId, TargetId, TargetPath, Value,
    Via,
};
use crate::engine::names::{Misnamed, Naming};
use crate::engine::outcome::{Class, Failure};
use crate::engine::plan::{
    Action, Change, Count, ElementChange, Header, Operation, Pointer, Proof, Referenced,
    RemovalClass, Skipped, Subject, Totals, Verb, Warning, Why, WhyLeft, WhyOut, WhyRemoved,
    WriteMode,
};
use crate::engine::record::{CycleRecord, CycleState, Escrowed, HeldRemoval, HeldSet, JobRecord};
use crate::engine::redact::{REDACTED, Redactions};
use crate::engine::summary::{CycleKind, FailedObject, Health, HeldRemovals, Requests, Summary};

/// The objects that rows refer to.
const NAMED: [&str; 3] = ["may@contoso.com", "bob@contoso.com", "jane@contoso.com"];

/// Numbers from 100 on are objects without a name.
const NAMELESS: u32 = 100;

fn numbered(label: &str) -> Key {
    let place = NAMED.iter().position(|name| *name == label);
    Key::new(u32::try_from(place.expect("a name") + 1).unwrap())
}

fn subject(kind: ObjectKind, label: &str) -> Subject {
    Subject {
        kind,
        key: Key::new(NAMELESS),
        id: SourceId::new(format!("id-of-{label}")),
        label: label.to_owned(),
    }
}

fn user(label: &str) -> Subject {
    subject(ObjectKind::User, label)
}

fn group(label: &str) -> Subject {
    subject(ObjectKind::Group, label)
}

fn path(text: &str) -> TargetPath {
    TargetPath::parse(text).unwrap()
}

fn target(id: &str) -> TargetId {
    TargetId::new(id)
}

fn change(at: &str, old: Option<Value>, new: Option<Value>) -> Change {
    Change {
        path: path(at),
        old,
        new,
        element: ElementChange::None,
        written: WriteMode::Whole,
    }
}

fn inactive() -> Vec<Change> {
    let (old, new) = (Value::Boolean(true), Value::Boolean(false));
    vec![change("active", Some(old), Some(new))]
}

fn key(value: &str) -> MatchKey {
    MatchKey {
        path: path("userName"),
        value: Value::text(value),
    }
}

fn referenced(label: &str, at: Option<&str>) -> Referenced {
    Referenced {
        key: numbered(label),
        target: at.map(target),
    }
}

const MANAGER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";

fn member_removed() -> Action {
    Action {
        subject: group("Support"),
        target: Some(target("g2")),
        operation: Operation::RemoveMembers {
            members: vec![referenced("bob@contoso.com", Some("t2"))],
            why: WhyLeft::NotRecorded,
            proof: Proof::on_record(),
        },
    }
}

/// One action of each kind.
fn actions() -> Vec<Action> {
    vec![
        Action {
            subject: user("jane@contoso.com"),
            target: None,
            operation: Operation::Create {
                attributes: BTreeMap::from([
                    (path("userName"), Value::text("jane@contoso.com")),
                    (path("title"), Value::text("")),
                ]),
                references: vec![(path(MANAGER), referenced("bob@contoso.com", Some("t2")))],
                keys: vec![key("jane@contoso.com")],
                via: vec![
                    Via::Direct,
                    Via::Groups(["Sales", "EMEA", "Berlin"].map(str::to_owned).to_vec()),
                ],
            },
        },
        Action {
            subject: user("kim@contoso.com"),
            target: Some(target("t3")),
            operation: Operation::Adopt {
                key: key("kim@contoso.com"),
                current: Held::default(),
                changes: Vec::new(),
                via: vec![Via::Everyone],
                from: None,
            },
        },
        Action {
            subject: user("bob@contoso.com"),
            target: Some(target("t2")),
            operation: Operation::Update {
                changes: vec![
                    change("title", Some(Value::text("Clerk")), None),
                    change("active", None, Some(Value::Boolean(true))),
                ],
            },
        },
        Action {
            subject: user("eve@contoso.com"),
            target: Some(target("t4")),
            operation: Operation::Enable {
                changes: vec![change(
                    "active",
                    Some(Value::Boolean(false)),
                    Some(Value::Boolean(true)),
                )],
            },
        },
        Action {
            subject: group("Sales"),
            target: None,
            operation: Operation::AddMembers {
                members: [referenced("may@contoso.com", None)]
                    .into_iter()
                    .chain((2..=12).map(|number| Referenced::to(Key::new(NAMELESS + number))))
                    .collect(),
            },
        },
        Action {
            subject: user("eve@contoso.com"),
            target: Some(target("t4")),
            operation: Operation::SetReference {
                path: path(MANAGER),
                old: None,
                new: Pointer::To(referenced("jane@contoso.com", None)),
            },
        },
        member_removed(),
        Action {
            subject: user("lee@contoso.com"),
            target: Some(target("t5")),
            operation: Operation::Disable {
                changes: inactive(),
                why: WhyRemoved::OutOfScope(WhyOut::Filter(vec![ClauseFailure {
                    number: 1,
                    name: None,
                    attribute: "department".to_owned(),
                    clause: "department EQUALS \"Sales\"".to_owned(),
                    value: Some("Support".to_owned()),
                }])),
                proof: Proof::on_record(),
            },
        },
        Action {
            subject: user("max@contoso.com"),
            target: Some(target("t6")),
            operation: Operation::Delete {
                why: WhyRemoved::Deleted,
                proof: Proof::on_record(),
            },
        },
    ]
}

/// A judged plan whose rows are in memory.
struct Reviewed {
    job: JobName,
    header: Header,
    totals: Totals,
    held: Vec<WhyHeld>,
    rows: Listed,
}

struct Listed {
    cleared: Vec<Action>,
    held: Vec<Action>,
    skipped: Vec<Skipped>,
}

impl Rows for Listed {
    fn each(
        &self,
        part: Part,
        order: Order,
        each: &mut dyn FnMut(PlanRow<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let redactions = Redactions::default();
        let actions = match part {
            Part::Cleared => &self.cleared,
            Part::Held => &self.held,
            Part::Skipped => {
                let mut skipped = self.skipped.iter();
                return skipped
                    .try_for_each(|one| each(PlanRow::Skipped(&redactions.skipped(one))));
            }
        };
        let mut actions: Vec<&Action> = actions.iter().collect();
        if order == Order::Name {
            actions.sort_by_key(|one| {
                (
                    one.step(),
                    Operation::NAMES
                        .iter()
                        .position(|name| *name == one.as_str()),
                    one.subject.label.to_lowercase(),
                )
            });
        }
        let mut actions = actions.into_iter();
        actions.try_for_each(|one| each(PlanRow::Action(&redactions.action(one), one.step())))
    }

    fn folded(
        &self,
        _: usize,
        each: &mut dyn FnMut(Folded<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        self.each(Part::Cleared, Order::Name, &mut |row| match row {
            PlanRow::Action(action, step) => each(Folded::Action(action, step)),
            PlanRow::Skipped(_) => Ok(()),
        })
    }

    fn name(&self, key: Key) -> Option<(SourceId, String)> {
        let number = key.get();
        if number >= NAMELESS {
            let id = SourceId::new(format!("id-of-m{}", number - NAMELESS));
            return Some((id, String::new()));
        }
        let name = NAMED.get(number as usize - 1)?;
        Some((SourceId::new(format!("id-of-{name}")), (*name).to_owned()))
    }

    fn name_of(&self, id: &SourceId) -> Option<String> {
        let name = id.as_str().strip_prefix("id-of-")?;
        NAMED.contains(&name).then(|| name.to_owned())
    }

    fn about(&self, _: &Subject) -> About {
        About::default()
    }
}

fn reviewed(mut actions: Vec<Action>, skipped: Vec<Skipped>, limit: u64) -> Reviewed {
    let header = Header {
        evaluated: Count {
            users: 1_234,
            groups: 2,
        },
        in_scope: Count {
            users: 5,
            groups: 1,
        },
        linked: Count {
            users: 6,
            groups: 2,
        },
        ..Header::default()
    };
    actions.sort_by_key(Action::step);
    let mut totals = Totals::default();
    for action in &actions {
        if let Some(class) = action.removal_class() {
            totals.removals.entry(class).or_default().planned += action.weight();
        }
    }
    let limits = Limits {
        max_deletions: Some(Limit::Count(limit)),
        max_membership_removals: None,
        max_creations: None,
        min_active: None,
    };
    let verdict = guard::review(&Census::of(&header, &totals), &limits);
    let why = |class| verdict.holds(class, ObjectKind::User, None);
    let is_held = |action: &Action| action.removal_class().and_then(why).is_some();
    let reasons = RemovalClass::ALL.into_iter().filter_map(why).collect();
    let (held, cleared): (Vec<_>, Vec<_>) = actions.into_iter().partition(is_held);
    totals.held = held.len() as u64;
    for action in &cleared {
        *totals.planned.entry(action.as_str()).or_default() += action.weight();
    }
    for one in &skipped {
        if one.why.is_failure() {
            totals.failing += 1;
        } else {
            *totals.skipped.entry(one.why.word()).or_default() += 1;
        }
    }
    Reviewed {
        job: JobName::new("wizer"),
        header,
        totals,
        held: reasons,
        rows: Listed {
            cleared,
            held,
            skipped,
        },
    }
}

fn view(reviewed: &Reviewed) -> PlanView<'_> {
    let Reviewed {
        job,
        header,
        totals,
        held,
        rows,
    } = reviewed;
    PlanView {
        job,
        header,
        totals,
        refusals: &[],
        held,
        limits: &[],
        kind: CycleKind::Initial,
        requests: Requests {
            source: 4,
            target: 1,
        },
        rate: None,
        rows,
        made: DateTime::UNIX_EPOCH,
        against: None,
        snapshot: None,
    }
}

fn plan_text(review: &Reviewed, style: Style) -> String {
    let mut out = Vec::new();
    text::plan(&mut out, &view(review), style).unwrap();
    String::from_utf8(out).unwrap()
}

const DETAILS: Style = Style {
    colour: false,
    details: true,
};

/// One of each reason, and a name that would drive a terminal.
fn skipped() -> Vec<Skipped> {
    let whys = vec![
        Why::OutOfScope(WhyOut::NotAssigned),
        Why::OutOfScope(WhyOut::DefaultAccessOnly),
        Why::OutOfScope(WhyOut::Excluded),
        Why::OutOfScope(WhyOut::KindDisabled),
        Why::OutOfScope(WhyOut::Filter(vec![
            ClauseFailure {
                number: 1,
                name: Some("Sellers".to_owned()),
                attribute: "department".to_owned(),
                clause: "department EQUALS \"Sales\"".to_owned(),
                value: None,
            },
            ClauseFailure {
                number: 2,
                name: None,
                attribute: "city".to_owned(),
                clause: "city EQUALS \"Rome\"".to_owned(),
                value: Some("Oslo".to_owned()),
            },
        ])),
        Why::BlockedNotCreated,
        Why::NoMatchingValue,
        Why::IgnoredByMapping,
        Why::Ambiguous {
            key: key("kim@contoso.com"),
            targets: vec![target("t1"), target("t2")],
        },
        Why::Taken {
            key: key("kim@contoso.com"),
            target: target("t1"),
            by: numbered("may@contoso.com"),
        },
        Why::DuplicateSource {
            key: key("kim@contoso.com"),
            other: numbered("bob@contoso.com"),
        },
        Why::MappingFailed(vec![AttributeError {
            target: path("title"),
            message: "the value is a list".to_owned(),
        }]),
        Why::NotAllowed(Verb::Create),
        Why::Kept(WhyRemoved::SoftDeleted),
        Why::CannotDisable(WhyRemoved::Blocked),
        Why::IncompleteRead(WhyRemoved::Missing),
        Why::LookupFailed("HTTP 500: \u{1b}[2J\u{202e}".to_owned()),
        Why::NoMember,
    ];
    whys.into_iter()
        .enumerate()
        .map(|(number, why)| Skipped {
            subject: user(&format!("u{number}")),
            why,
        })
        .collect()
}

fn json(write: impl FnOnce(&mut Document<&mut Vec<u8>>)) -> Json {
    let mut out = Vec::new();
    let mut document = Document::begin(&mut out).unwrap();
    write(&mut document);
    document.end().unwrap();
    serde_json::from_slice(&out).unwrap()
}

/// Rows of a state that cannot be read.
struct Unreadable;

impl Rows for Unreadable {
    fn each(
        &self,
        _: Part,
        _: Order,
        _: &mut dyn FnMut(PlanRow<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        Err(io::Error::other("the disk is gone"))
    }

    fn folded(&self, _: usize, _: &mut dyn FnMut(Folded<'_>) -> io::Result<()>) -> io::Result<()> {
        Err(io::Error::other("the disk is gone"))
    }

    fn name(&self, _: Key) -> Option<(SourceId, String)> {
        None
    }

    fn name_of(&self, _: &SourceId) -> Option<String> {
        None
    }

    fn about(&self, _: &Subject) -> About {
        About::default()
    }
}

fn in_several_groups(people: usize) -> Vec<Warning> {
    let warn = |number| Warning::SeveralGroups {
        person: user(&format!("ann{number}@contoso.com")),
        groups: vec![group("Berlin"), group("Sales\u{1b}")],
    };
    (1..=people).map(warn).collect()
}

fn summary() -> Summary {
    Summary {
        job: JobName::new("wizer"),
        cycle: 7,
        kind: CycleKind::Incremental,
        started: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
        duration_ms: 65_432,
        evaluated: Count {
            users: 1,
            groups: 2,
        },
        in_scope: Count {
            users: 1,
            groups: 1,
        },
        linked: Count {
            users: 12_345,
            groups: 1,
        },
        done: BTreeMap::from([("add-members", 1), ("create", 2_000), ("update", 0)]),
        skipped: BTreeMap::from([("out-of-scope", 3)]),
        failures: vec![FailedObject {
            subject: user("kim@contoso.com"),
            action: "create",
            failure: Failure {
                class: Class::Refused,
                http_status: Some(400),
                message: "POST /Users: userName is too long".to_owned(),
                unconfirmed: true,
            },
        }],
        failed: 3,
        not_tried: 1,
        warnings: in_several_groups(1),
        strangers: None,
        held: Some(HeldRemovals {
            why: vec![
                WhyHeld::TooMany {
                    counted: Counted::OtherUsers,
                    planned: 600,
                    recent: 20,
                    limit: 500,
                },
                WhyHeld::ShrunkGroups { groups: 2 },
            ],
            removals: 610,
        }),
        incomplete: Some("page 2 of the groups: HTTP 500".to_owned()),
        misnamed: vec![misnamed(Naming::Exclude, "anna@contoso.con", &[])],
        aborted: None,
        stopped: false,
        requests: Requests {
            source: 1,
            target: 2_010,
        },
    }
}

fn misnamed(list: Naming, name: &str, found: &[&str]) -> Misnamed {
    Misnamed {
        list,
        name: name.to_owned(),
        found: found.iter().map(|id| SourceId::new(*id)).collect(),
        nearest: Vec::new(),
    }
}

mod cycle;
mod page;
mod plan;

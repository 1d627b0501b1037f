//! What people and machines read, on plans and summaries that hold one of everything.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde_json::Value as Json;

use super::json::Document;
use super::text::{self, Style};
use super::view::PlanView;
use super::{CheckView, CycleView, EscrowView, HeldView, JobView, ProblemView};
use crate::engine::filter::ClauseFailure;
use crate::engine::guard::{self, Approvals, Review, WhyHeld};
use crate::engine::job::{Limit, Limits};
use crate::engine::mapping::AttributeError;
use crate::engine::model::{JobName, MatchKey, ObjectKind, SourceId, TargetId, TargetPath, Value};
use crate::engine::outcome::{Class, Failure};
use crate::engine::plan::{
    Action, Change, Count, Element, Plan, Referenced, Skipped, Subject, Verb, Why, WhyOut,
    WhyRemoved,
};
use crate::engine::summary::{CycleKind, FailedObject, Requests, Summary};

fn subject(kind: ObjectKind, label: &str) -> Subject {
    Subject {
        kind,
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
        element: Element::None,
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
        source: SourceId::new(format!("id-of-{label}")),
        target: at.map(target),
    }
}

const MANAGER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";

/// One action of each kind.
fn actions() -> Vec<Action> {
    vec![
        Action::Create {
            subject: user("jane@contoso.com"),
            attributes: BTreeMap::from([
                (path("userName"), Value::text("jane@contoso.com")),
                (path("title"), Value::text("")),
            ]),
            references: vec![(path(MANAGER), referenced("bob@contoso.com", Some("t2")))],
            keys: vec![key("jane@contoso.com")],
        },
        Action::Adopt {
            subject: user("kim@contoso.com"),
            target: target("t3"),
            key: key("kim@contoso.com"),
            current: BTreeMap::new(),
            changes: Vec::new(),
        },
        Action::Update {
            subject: user("bob@contoso.com"),
            target: target("t2"),
            changes: vec![
                change("title", Some(Value::text("Clerk")), None),
                change("active", None, Some(Value::Boolean(true))),
            ],
        },
        Action::Enable {
            subject: user("eve@contoso.com"),
            target: target("t4"),
            changes: vec![change(
                "active",
                Some(Value::Boolean(false)),
                Some(Value::Boolean(true)),
            )],
        },
        Action::AddMembers {
            group: group("Sales"),
            target: None,
            members: (1..=12)
                .map(|number| referenced(&format!("m{number}"), None))
                .collect(),
        },
        Action::SetReference {
            subject: user("eve@contoso.com"),
            target: Some(target("t4")),
            path: path(MANAGER),
            old: None,
            new: Some(referenced("jane@contoso.com", None)),
        },
        Action::RemoveMembers {
            group: group("Support"),
            target: target("g2"),
            members: vec![(SourceId::new("id-of-bob@contoso.com"), target("t2"))],
        },
        Action::Disable {
            subject: user("lee@contoso.com"),
            target: target("t5"),
            changes: inactive(),
            why: WhyRemoved::OutOfScope(WhyOut::Filter(vec![ClauseFailure {
                clause: "department EQUALS \"Sales\"".to_owned(),
                value: Some("Support".to_owned()),
            }])),
        },
        Action::Delete {
            subject: user("max@contoso.com"),
            target: target("t6"),
            why: WhyRemoved::Deleted,
        },
    ]
}

fn reviewed(actions: Vec<Action>, skipped: Vec<Skipped>, limit: u64) -> Review {
    let mut plan = Plan::new(JobName::new("wizer"), actions, skipped);
    plan.evaluated = Count {
        users: 1_234,
        groups: 2,
    };
    plan.in_scope = Count {
        users: 5,
        groups: 1,
    };
    plan.linked = Count {
        users: 6,
        groups: 2,
    };
    let limits = Limits {
        max_deletions: Limit::Count(limit),
    };
    guard::review(plan, &limits, &Approvals::default())
}

fn view(review: &Review) -> PlanView<'_> {
    PlanView {
        review,
        kind: CycleKind::Initial,
        requests: Requests {
            source: 4,
            target: 1,
        },
        known: &|id| (id.as_str() == "id-of-m1").then(|| "may@contoso.com".to_owned()),
    }
}

fn plan_text(review: &Review, style: Style) -> String {
    let mut out = Vec::new();
    text::plan(&mut out, &view(review), style).unwrap();
    String::from_utf8(out).unwrap()
}

const DETAILS: Style = Style {
    colour: false,
    details: true,
};

#[test]
fn a_plan_says_every_change_in_the_order_in_which_it_is_made() {
    let review = reviewed(actions(), Vec::new(), 500);
    insta::assert_snapshot!(plan_text(&review, Style::default()), @"PLAN");
}

#[test]
fn a_plan_in_detail_also_says_what_is_created_and_every_member() {
    let mut actions = actions();
    actions.retain(|action| matches!(action, Action::Create { .. } | Action::AddMembers { .. }));
    insta::assert_snapshot!(plan_text(&reviewed(actions, Vec::new(), 500), DETAILS), @"DETAILS");
}

#[test]
fn an_empty_plan_says_that_there_are_no_changes() {
    let review = reviewed(Vec::new(), Vec::new(), 500);
    insta::assert_snapshot!(plan_text(&review, Style::default()), @"EMPTY");
}

#[test]
fn held_removals_are_shown_with_what_to_do_about_them() {
    let review = reviewed(actions(), Vec::new(), 1);
    let text = plan_text(&review, Style::default());
    let held = text.split_once("Held back").unwrap().1;
    insta::assert_snapshot!(held, @"HELD");
}

/// One of each reason, and a name that would drive a terminal.
fn skipped() -> Vec<Skipped> {
    let whys = vec![
        Why::OutOfScope(WhyOut::NotAssigned),
        Why::OutOfScope(WhyOut::DefaultAccessOnly),
        Why::OutOfScope(WhyOut::Excluded),
        Why::OutOfScope(WhyOut::KindDisabled),
        Why::OutOfScope(WhyOut::Filter(vec![
            ClauseFailure {
                clause: "department EQUALS \"Sales\"".to_owned(),
                value: None,
            },
            ClauseFailure {
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
            by: SourceId::new("id-of-m1"),
        },
        Why::MappingFailed(vec![AttributeError {
            target: path("title"),
            message: "the value is a list".to_owned(),
        }]),
        Why::NotAllowed(Verb::Create),
        Why::Kept(WhyRemoved::SoftDeleted),
        Why::CannotDisable(WhyRemoved::Blocked),
        Why::IncompleteRead(WhyRemoved::Deleted),
        Why::LookupFailed("HTTP 500: \u{1b}[2J\u{202e}".to_owned()),
    ];
    whys.into_iter()
        .enumerate()
        .map(|(number, why)| Skipped {
            subject: user(&format!("u{number}")),
            why,
        })
        .collect()
}

#[test]
fn every_reason_is_a_sentence() {
    let review = reviewed(Vec::new(), skipped(), 500);
    let text = plan_text(&review, Style::default());
    let skipped = text.split_once("Skipped").unwrap().1;
    insta::assert_snapshot!(skipped, @"SKIPPED");
}

#[test]
fn the_rest_of_the_tenant_is_counted_unless_asked_for() {
    let everybody = (0..30)
        .map(|number| Skipped {
            subject: user(&format!("u{number}")),
            why: Why::OutOfScope(WhyOut::NotAssigned),
        })
        .collect();
    let review = reviewed(Vec::new(), everybody, 500);
    let short = plan_text(&review, Style::default());
    assert!(short.contains("30 objects not assigned to the application (-v lists them)"));
    assert!(!short.contains("user u7"));
    assert!(plan_text(&review, DETAILS).contains("user u29: it is not assigned"));
}

#[test]
fn nothing_that_a_name_holds_reaches_the_terminal_unescaped() {
    let nasty = "\u{1b}[31mroot\u{7}\r\n\u{202e}\u{200b}\u{9b}2J";
    let actions = vec![
        Action::Create {
            subject: user(nasty),
            attributes: BTreeMap::from([(path("userName"), Value::text(nasty))]),
            references: Vec::new(),
            keys: Vec::new(),
        },
        Action::Delete {
            subject: group(nasty),
            target: target(nasty),
            why: WhyRemoved::Deleted,
        },
    ];
    let text = plan_text(&reviewed(actions, Vec::new(), 500), DETAILS);
    for character in text.chars().filter(|character| *character != '\n') {
        assert!(!character.is_control(), "{text:?}");
        assert!(!"\u{202e}\u{200b}".contains(character), "{text:?}");
    }
}

fn json(write: impl FnOnce(&mut Document<'_>)) -> Json {
    let mut out = Vec::new();
    let mut document = Document::begin(&mut out).unwrap();
    write(&mut document);
    document.end().unwrap();
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn json_holds_every_action_with_its_fields() {
    let review = reviewed(actions(), Vec::new(), 500);
    let document = json(|document| document.plan(&view(&review)).unwrap());
    assert_eq!(document["format"], 1);
    let plan = &document["jobs"][0];
    assert_eq!(plan["job"], "wizer");
    let words: Vec<_> = plan["actions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|action| action["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        words,
        [
            "create",
            "adopt",
            "update",
            "enable",
            "add-members",
            "set-reference",
            "remove-members",
            "disable",
            "delete"
        ]
    );
    let update = &plan["actions"][2];
    insta::assert_snapshot!(update, @"UPDATE");
    let members = &plan["actions"][4]["members"];
    assert_eq!(members.as_array().unwrap().len(), 12);
    assert_eq!(members[0]["label"], "may@contoso.com");
    assert_eq!(plan["actions"][7]["why"]["reason"], "filter");
    assert_eq!(plan["held"], Json::Null);
}

#[test]
fn json_holds_what_is_held_and_what_is_skipped() {
    let review = reviewed(actions(), skipped(), 1);
    let document = json(|document| {
        document.plan(&view(&review)).unwrap();
        document.error(&JobName::new("b"), "no").unwrap();
    });
    let plan = &document["jobs"][0];
    assert_eq!(plan["held"]["reason"], "too-many-deletions");
    assert_eq!(plan["held"]["actions"].as_array().unwrap().len(), 3);
    assert_eq!(plan["skipped"].as_array().unwrap().len(), skipped().len());
    assert_eq!(plan["skipped"][8]["failure"], true);
    assert_eq!(plan["skipped"][8]["targets"][1], "t2");
    assert_eq!(document["jobs"][1]["error"], "no");
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
        held: Some((
            WhyHeld::TooManyDeletions {
                planned: 600,
                limit: 500,
            },
            610,
        )),
        incomplete: Some("page 2 of the groups: HTTP 500".to_owned()),
        aborted: None,
        stopped: false,
        requests: Requests {
            source: 1,
            target: 2_010,
        },
    }
}

#[test]
fn a_summary_says_what_was_done_what_failed_and_what_is_held() {
    let mut out = Vec::new();
    text::summary(&mut out, &summary(), Style::default()).unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap(), @"SUMMARY");
}

#[test]
fn a_summary_in_json_has_the_same_facts() {
    let document = json(|document| document.summary(&summary()).unwrap());
    let summary = &document["jobs"][0];
    assert_eq!(summary["done"]["create"], 2_000);
    assert_eq!(summary["held"]["removals"], 610);
    assert_eq!(summary["failures"][0]["http_status"], 400);
    assert_eq!(summary["started"], "2027-01-15T08:00:00.000Z");
}

#[test]
fn a_problem_is_told_with_its_place_and_its_remedy() {
    let problem = ProblemView {
        file: "entrain.toml".to_owned(),
        line: Some(12),
        column: Some(8),
        variable: None,
        key: "jobs.wizer.target".to_owned(),
        message: "unknown key\nbase_ulr".to_owned(),
        remedy: "did you mean base_url?".to_owned(),
    };
    let mut out = Vec::new();
    text::problem(&mut out, "error", &problem, Style::default()).unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap(), @"PROBLEM");
}

#[test]
fn checks_are_a_table_with_remedies() {
    let checks = [
        CheckView {
            what: "access token".to_owned(),
            result: Ok("granted".to_owned()),
        },
        CheckView {
            what: "users".to_owned(),
            result: Err((
                "HTTP 403: Authorization_RequestDenied".to_owned(),
                Some("grant User.Read.All".to_owned()),
            )),
        },
    ];
    let mut out = Vec::new();
    text::checks(&mut out, &JobName::new("wizer"), &checks, Style::default()).unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap(), @"CHECKS");
}

#[test]
fn a_status_is_a_table_and_what_needs_a_person() {
    let at = |seconds: i64| DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap();
    let new = JobView {
        job: JobName::new("sosafe"),
        enabled: true,
        linked: Count::default(),
        pending: Count::default(),
        in_escrow: Count::default(),
        escrow: Vec::new(),
        held: None,
        last: None,
        next: Some(at(0)),
        full_evaluation: true,
    };
    let old = JobView {
        job: JobName::new("wizer"),
        linked: Count {
            users: 12_345,
            groups: 20,
        },
        in_escrow: Count {
            users: 2,
            groups: 0,
        },
        escrow: vec![EscrowView {
            subject: user("kim@contoso.com"),
            action: "create".to_owned(),
            attempts: 3,
            first_failed: at(-9_000),
            last_failed: at(-600),
            message: "HTTP 400: no".to_owned(),
        }],
        held: Some(HeldView {
            why: WhyHeld::EmptiedScope {
                linked: Count {
                    users: 9,
                    groups: 1,
                },
            },
            since: at(-600),
            removals: BTreeMap::from([("disable".to_owned(), 9), ("delete".to_owned(), 1)]),
        }),
        last: Some(CycleView {
            number: 7,
            kind: CycleKind::Incremental,
            state: "held",
            started: at(-600),
            finished: Some(at(-599)),
            duration_ms: 1_000,
            evaluated: Count::default(),
            in_scope: Count::default(),
            done: BTreeMap::from([("create".to_owned(), 2)]),
            skipped: BTreeMap::new(),
            failed: 2,
            not_tried: 0,
            requests: Requests::default(),
            incomplete: None,
            error: None,
        }),
        next: Some(at(1_800)),
        full_evaluation: false,
        ..new.clone()
    };
    let jobs = [new, old];
    let mut out = Vec::new();
    text::status(&mut out, &jobs, at(0), Style::default()).unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap(), @"STATUS");
    let document = json(|document| document.status(&jobs[1]).unwrap());
    assert_eq!(document["jobs"][0]["held"]["removals"]["disable"], 9);
    assert_eq!(document["jobs"][0]["last_cycle"]["state"], "held");
}

//! What people and machines read, on plans and summaries that hold one of everything.

use std::collections::BTreeMap;
use std::io;

use chrono::DateTime;
use serde_json::Value as Json;

use super::json::Document;
use super::text::{self, Style};
use super::{JobStatus, Order, Part, PlanRow, PlanView, Rows};
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
    RemovalClass, Skipped, Subject, Totals, Verb, Warning, Why, WhyOut, WhyRemoved, WriteMode,
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
        Action {
            subject: group("Support"),
            target: Some(target("g2")),
            operation: Operation::RemoveMembers {
                members: vec![referenced("bob@contoso.com", Some("t2"))],
                proof: Proof::on_record(),
            },
        },
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

    fn department(&self, _: &Subject) -> Option<String> {
        None
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
        held,
        limits: &[],
        kind: CycleKind::Initial,
        requests: Requests {
            source: 4,
            target: 1,
        },
        rows,
        against: None,
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

#[test]
fn a_plan_says_every_change_in_the_order_in_which_it_is_made() {
    let review = reviewed(actions(), Vec::new(), 500);
    insta::assert_snapshot!(plan_text(&review, Style::default()), @r##"
    Plan of wizer
    Initial cycle: 1,234 users and 2 groups evaluated, 5 users and 1 group in scope.
    6 users and 2 groups linked.

    Disables
      - disable user lee@contoso.com, because it does not pass scoping filter 1: department EQUALS "Sales", but the value is "Support"
          active: true → false

    Users
      + create user jane@contoso.com
          in scope through: assigned directly; Sales > EMEA > Berlin
          title: ""
          userName: "jane@contoso.com"
          urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager: bob@contoso.com
      ~ adopt user kim@contoso.com, found by userName "kim@contoso.com" (id t3); it is as it should be
      ~ update user bob@contoso.com
          title: "Clerk" → (none)
          active: (none) → true
      + enable user eve@contoso.com
          active: false → true

    Memberships to add
      group Sales: + 12 members (may@contoso.com, id-of-m2, id-of-m3, id-of-m4, id-of-m5, id-of-m6, id-of-m7, id-of-m8, id-of-m9, id-of-m10 and 2 more)

    References
      ~ update user eve@contoso.com
          urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager: (none) → jane@contoso.com

    Memberships to remove
      group Support: - 1 member (bob@contoso.com)

    Deletes
      - delete user max@contoso.com, because it was deleted in the tenant

    Plan: 1 to create, 1 to update, 1 to disable, 1 to delete, 1 to adopt, 1 to enable, 12 memberships to add, 1 membership to remove, 1 reference to set.
    4 requests to the source, 1 to the target; nothing was changed.
    "##);
}

#[test]
fn a_plan_in_detail_also_says_what_is_created_and_every_member() {
    let mut actions = actions();
    actions.retain(|action| {
        matches!(
            action,
            Action {
                operation: Operation::Create { .. },
                ..
            } | Action {
                operation: Operation::AddMembers { .. },
                ..
            }
        )
    });
    insta::assert_snapshot!(plan_text(&reviewed(actions, Vec::new(), 500), DETAILS), @r##"
    Plan of wizer
    Initial cycle: 1,234 users and 2 groups evaluated, 5 users and 1 group in scope.
    6 users and 2 groups linked.

    Users
      + create user jane@contoso.com
          in scope through: assigned directly; Sales > EMEA > Berlin
          title: ""
          userName: "jane@contoso.com"
          urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager: bob@contoso.com

    Memberships to add
      group Sales: + 12 members (may@contoso.com, id-of-m2, id-of-m3, id-of-m4, id-of-m5, id-of-m6, id-of-m7, id-of-m8, id-of-m9, id-of-m10, id-of-m11, id-of-m12)

    Plan: 1 to create, 0 to update, 0 to disable, 0 to delete, 12 memberships to add.
    4 requests to the source, 1 to the target; nothing was changed.
    "##);
}

#[test]
fn an_empty_plan_says_that_there_are_no_changes() {
    let review = reviewed(Vec::new(), Vec::new(), 500);
    insta::assert_snapshot!(plan_text(&review, Style::default()), @r##"
    Plan of wizer
    Initial cycle: 1,234 users and 2 groups evaluated, 5 users and 1 group in scope.
    6 users and 2 groups linked.

    No changes. Plan: 0 to create, 0 to update, 0 to disable, 0 to delete.
    4 requests to the source, 1 to the target; nothing was changed.
    "##);
}

#[test]
fn held_removals_are_shown_with_what_to_do_about_them() {
    let review = reviewed(actions(), Vec::new(), 0);
    let text = plan_text(&review, Style::default());
    let held = text.split_once("Held\n").unwrap().1;
    insta::assert_snapshot!(held, @r##"
      1 disable or delete of a blocked or deleted user is planned, and the job's limit is 0 in 24 hours (safety.max_deletions).
      1 disable or delete of another user is planned, and the job's limit is 0 in 24 hours (safety.max_deletions).
      1 removal of a member is planned, and the job's limit is 0 in 24 hours (safety.max_membership_removals).
      - disable user lee@contoso.com, because it does not pass scoping filter 1: department EQUALS "Sales", but the value is "Support"
          active: true → false
      group Support: - 1 member (bob@contoso.com)
      - delete user max@contoso.com, because it was deleted in the tenant
      None of these 3 removals is carried out until it is approved: entrain approve wizer

    Plan: 1 to create, 1 to update, 0 to disable, 0 to delete, 1 to adopt, 1 to enable, 12 memberships to add, 1 reference to set, 3 removals held.
    4 requests to the source, 1 to the target; nothing was changed.
    "##);
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
    insta::assert_snapshot!(skipped, @r##"
      · user u0: neither an assignment nor a group brings it into scope
      · user u1: it holds no role but Default Access
      · user u2: it is named in scope.exclude
      · user u3: the job does not provision users
      · user u4: it does not pass the scoping filter "Sellers": department EQUALS "Sales", but it has no value; it does not pass scoping filter 2: city EQUALS "Rome", but the value is "Oslo"
      · user u5: sign-in is blocked and the target does not know it, so nothing is created
      · user u6: every matching attribute is empty in the source, so it cannot be looked up in the target
      · user u7: an expression leaves it as it is (IgnoreObjectFlow)
      ✗ user u8: 2 objects in the target have userName "kim@contoso.com": ids t1, t2; only one may
      ✗ user u9: the target object that has userName "kim@contoso.com" (id t1) is linked to may@contoso.com (id-of-may@contoso.com) already; if it is the account of this user, run: entrain links relink JOB USER t1
      ✗ user u10: bob@contoso.com has userName "kim@contoso.com" too, and the target can hold it once: change one of them, or match by an attribute that differs
      ✗ user u11: its mapping failed: title: the value is a list
      · user u12: the job's actions do not allow to create
      · user u13: it would be removed, because it is in the tenant's recycle bin, but when_out_of_scope is "keep"
      ✗ user u14: it should be disabled, because sign-in is blocked, but no mapping carries that to the target: map IsSoftDeleted to active, or write when_out_of_scope = "delete"
      · user u15: it would be removed, because it is no longer in the tenant, but the scope is not certain
      ✗ user u16: the look-up in the target failed: HTTP 500: \u{1b}[2J\u{202e}

    No changes. Plan: 0 to create, 0 to update, 0 to disable, 0 to delete, 6 objects failing, 11 skipped.
    4 requests to the source, 1 to the target; nothing was changed.
    "##);
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
    assert!(short.contains("30 objects that nothing brings into scope (-v lists them)"));
    assert!(!short.contains("user u7"));
    assert!(plan_text(&review, DETAILS).contains("user u29: neither an assignment"));
}

#[test]
fn nothing_that_a_name_holds_reaches_the_terminal_unescaped() {
    let nasty = "\u{1b}[31mroot\u{7}\r\n\u{202e}\u{200b}\u{9b}2J";
    let actions = vec![
        Action {
            subject: user(nasty),
            target: None,
            operation: Operation::Create {
                attributes: BTreeMap::from([(path("userName"), Value::text(nasty))]),
                references: Vec::new(),
                keys: Vec::new(),
                via: vec![Via::Groups(vec![nasty.to_owned()])],
            },
        },
        Action {
            subject: group(nasty),
            target: Some(target(nasty)),
            operation: Operation::Delete {
                why: WhyRemoved::Deleted,
                proof: Proof::on_record(),
            },
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
            "disable",
            "create",
            "adopt",
            "update",
            "enable",
            "add-members",
            "set-reference",
            "remove-members",
            "delete"
        ]
    );
    let update = &plan["actions"][3];
    insta::assert_snapshot!(update, @r##"
    {"action":"update","changes":[{"new":null,"old":"Clerk","path":"title"},{"new":true,"old":null,"path":"active"}],"step":"users","subject":{"id":"id-of-bob@contoso.com","kind":"user","label":"bob@contoso.com"},"target":"t2"}
    "##);
    let members = &plan["actions"][5]["members"];
    assert_eq!(members.as_array().unwrap().len(), 12);
    insta::assert_snapshot!(members[0], @r##"{"id":"id-of-may@contoso.com","label":"may@contoso.com","target":null}"##);
    insta::assert_snapshot!(members[1], @r##"{"id":"id-of-m2","label":"id-of-m2","target":null}"##);
    assert_eq!(plan["actions"][7]["members"][0]["target"], "t2");
    assert_eq!(plan["actions"][0]["step"], "disables");
    assert_eq!(plan["actions"][0]["why"]["reason"], "filter");
    assert_eq!(plan["actions"][8]["step"], "deletes");
    assert_eq!(plan["totals"]["add-members"], 12);
    assert_eq!(plan["held"], Json::Null);
}

#[test]
fn a_reference_that_is_redacted_stays_redacted() {
    let hidden = vec![Action {
        subject: user("eve@contoso.com"),
        target: Some(target("t4")),
        operation: Operation::SetReference {
            path: path(MANAGER),
            old: Some(HeldReference {
                target: target(REDACTED),
                source: None,
            }),
            new: Pointer::To(Referenced::to(Key::default())),
        },
    }];
    let review = reviewed(hidden, Vec::new(), 500);
    let text = plan_text(&review, Style::default());
    assert!(text.contains("manager: [Redact] → [Redact]"), "{text}");
    let document = json(|document| document.plan(&view(&review)).unwrap());
    let new = &document["jobs"][0]["actions"][0]["new"];
    insta::assert_snapshot!(new, @r##"{"id":"[Redact]","label":"[Redact]","target":null}"##);
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

    fn name(&self, _: Key) -> Option<(SourceId, String)> {
        None
    }

    fn name_of(&self, _: &SourceId) -> Option<String> {
        None
    }

    fn department(&self, _: &Subject) -> Option<String> {
        None
    }
}

#[test]
fn a_plan_that_cannot_be_read_is_an_error_and_not_a_shorter_plan() {
    let review = reviewed(Vec::new(), Vec::new(), 500);
    let view = PlanView {
        rows: &Unreadable,
        ..view(&review)
    };
    let error = text::plan(&mut Vec::new(), &view, Style::default()).unwrap_err();
    assert_eq!(error.to_string(), "the disk is gone");
    let mut out = Vec::new();
    let mut document = Document::begin(&mut out).unwrap();
    let error = document.plan(&view).unwrap_err();
    assert!(error.to_string().contains("the disk is gone"), "{error}");
}

#[test]
fn json_holds_what_is_held_and_what_is_skipped() {
    let review = reviewed(actions(), skipped(), 0);
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
    assert_eq!(plan["skipped"][9]["by"], "id-of-may@contoso.com");
    assert_eq!(plan["skipped"][15]["detail"], "missing");
    assert_eq!(document["jobs"][1]["error"], "no");
}

fn in_several_groups(people: usize) -> Vec<Warning> {
    let warn = |number| Warning::SeveralGroups {
        person: user(&format!("ann{number}@contoso.com")),
        groups: vec![group("Berlin"), group("Sales\u{1b}")],
    };
    (1..=people).map(warn).collect()
}

#[test]
fn warnings_about_people_are_cut_short_in_text_alone() {
    let mut review = reviewed(Vec::new(), Vec::new(), 1);
    review.header.warnings = in_several_groups(7);
    let short = plan_text(&review, Style::default());
    let (_, tail) = short.split_once("\nWarnings\n").unwrap();
    insta::assert_snapshot!(tail, @r##"
      ! ann1@contoso.com is in several groups: Berlin, Sales\u{1b}; the target should have each person in one only (one_group_each)
      ! ann2@contoso.com is in several groups: Berlin, Sales\u{1b}; the target should have each person in one only (one_group_each)
      ! ann3@contoso.com is in several groups: Berlin, Sales\u{1b}; the target should have each person in one only (one_group_each)
      ! ann4@contoso.com is in several groups: Berlin, Sales\u{1b}; the target should have each person in one only (one_group_each)
      ! ann5@contoso.com is in several groups: Berlin, Sales\u{1b}; the target should have each person in one only (one_group_each)
      ! and 2 more of whom the same is true (-v lists them)

    No changes. Plan: 0 to create, 0 to update, 0 to disable, 0 to delete, 7 warnings.
    4 requests to the source, 1 to the target; nothing was changed.
    "##);
    let whole = plan_text(&review, DETAILS);
    assert_eq!(whole.matches("is in several groups").count(), 7);
    let document = json(|document| document.plan(&view(&review)).unwrap());
    let warnings = document["jobs"][0]["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 7);
    assert_eq!(warnings[0]["reason"], "several-groups");
    assert_eq!(warnings[0]["subject"]["label"], "ann1@contoso.com");
    assert_eq!(warnings[0]["groups"][0]["label"], "Berlin");
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

#[test]
fn a_name_of_the_scope_that_means_nothing_is_told_with_what_to_do() {
    let mut sales = misnamed(Naming::ScopeGroups, "Slaes", &[]);
    sales.nearest = vec!["Sales".to_owned(), "Sales DE".to_owned()];
    let provision = misnamed(Naming::Provision, "Nope\u{1b}", &[]);
    let several = misnamed(Naming::ScopeGroups, "Fans", &["g1", "g2"]);
    insta::assert_snapshot!(crate::report::doubts(&[sales, several.clone(), provision]).into_values().collect::<Vec<_>>().join("; "), @r##"scope.groups names "Slaes", but no group has this id or display name (did you mean "Sales" or "Sales DE"? correct it, or take it out of the list; an id stays right when a group is renamed); groups.provision names "Nope\u{1b}", but no group has this id or display name (correct it, or take it out of the list; an id stays right when a group is renamed)"##);
    assert!(crate::report::doubts(std::slice::from_ref(&several)).is_empty());
    insta::assert_snapshot!(crate::report::misnamed(&several), @r##"scope.groups names "Fans", as several groups are called, and all of them count: g1, g2"##);
}

#[test]
fn a_summary_says_what_was_done_what_failed_and_what_is_held() {
    let mut out = Vec::new();
    text::summary(&mut out, &summary(), Style::default()).unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r##"
    wizer: incremental cycle 7 completed in 1 min 5 s
      2,000 created, 1 membership added, 3 failed, 1 not tried
      12,345 users and 1 group linked
      1 user and 2 groups evaluated, 3 skipped
      1 request to the source, 2,010 to the target
      ✗ The scope is not certain; removals are postponed: page 2 of the groups: HTTP 500
      ! scope.exclude names "anna@contoso.con", but no user or group has this id or name: the object that was meant is not left out
      ✗ create user kim@contoso.com: POST /Users: userName is too long (refused, HTTP 400); it may have been carried out anyway; the next cycle finds out
      and 2 more that failed
      ! ann1@contoso.com is in several groups: Berlin, Sales\u{1b}; the target should have each person in one only (one_group_each)
      ✗ 610 removals held: 600 disables and deletes of other users are planned in addition to 20 within the last 24 hours, and the job's limit is 500 in 24 hours (safety.max_deletions); 2 groups lost more than half of their members within 24 hours.
        To review them: entrain plan wizer
        To approve them: entrain approve wizer --cycle 7
    "##);
}

#[test]
fn a_summary_in_json_has_the_same_facts() {
    let document = json(|document| document.summary(&summary()).unwrap());
    let summary = &document["jobs"][0];
    assert_eq!(summary["done"]["create"], 2_000);
    assert_eq!(summary["held"]["removals"], 610);
    assert_eq!(summary["failures"][0]["http_status"], 400);
    assert_eq!(summary["warnings"][0]["reason"], "several-groups");
    assert_eq!(summary["started"], "2027-01-15T08:00:00.000Z");
}

#[test]
fn a_problem_is_told_with_its_place_and_its_remedy() {
    let problem = Problem {
        file: "entrain.toml".into(),
        line: Some(12),
        column: Some(8),
        variable: None,
        key: "jobs.wizer.target".to_owned(),
        message: "unknown key\nbase_ulr".to_owned(),
        remedy: "did you mean base_url?".to_owned(),
    };
    let mut out = Vec::new();
    text::problem(&mut out, "error", &problem, Style::default()).unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r##"
    error: entrain.toml:12:8: jobs.wizer.target
        unknown key
        base_ulr
        help: did you mean base_url?
    "##);
}

#[test]
fn checks_are_a_table_with_remedies() {
    let checks = [
        Check {
            what: "access token".to_owned(),
            outcome: Ok("granted".to_owned()),
        },
        Check {
            what: "users".to_owned(),
            outcome: Err(Failed {
                words: "HTTP 403: Authorization_RequestDenied".to_owned(),
                remedy: Some("grant User.Read.All".to_owned()),
            }),
        },
    ];
    let mut out = Vec::new();
    text::checks(
        &mut out,
        &JobName::new("wizer"),
        &checks,
        &[],
        Style::default(),
    )
    .unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r##"
    wizer
      ✓ access token  granted
      ✗ users         HTTP 403: Authorization_RequestDenied
                      help: grant User.Read.All
    "##);
}

#[test]
fn a_status_is_a_table_and_what_needs_a_person() {
    let at = |seconds: i64| DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap();
    let new = JobStatus {
        job: JobName::new("sosafe"),
        enabled: true,
        next: Some(at(0)),
        record: JobRecord::new(),
    };
    let removal = |key, action: &str| HeldRemoval {
        subject: Subject {
            key: Key::new(key),
            ..user("lee@contoso.com")
        },
        member: None,
        action: action.to_owned(),
        cause: "not-assigned".to_owned(),
        reason: None,
    };
    let mut removals: Vec<_> = (1..=9).map(|key| removal(key, "disable")).collect();
    removals.push(removal(10, "delete"));
    let old = JobStatus {
        job: JobName::new("wizer"),
        enabled: true,
        next: Some(at(1_800)),
        record: JobRecord {
            full_evaluation: false,
            linked: Count {
                users: 12_345,
                groups: 20,
            },
            in_escrow: Count {
                users: 2,
                groups: 0,
            },
            escrow: vec![Escrowed {
                subject: user("kim@contoso.com"),
                action: "create".to_owned(),
                attempts: 3,
                first_failed: at(-9_000),
                last_failed: at(-600),
                class: Some(Class::Refused),
                http_status: Some(400),
                message: "HTTP 400: no".to_owned(),
            }],
            held: Some(HeldSet {
                why: vec![WhyHeld::EmptiedScope {
                    kind: ObjectKind::User,
                    linked: Count {
                        users: 9,
                        groups: 1,
                    },
                }],
                since: at(-600),
                cycle: 7,
                removals,
            }),
            cycles: vec![CycleRecord {
                number: 7,
                kind: CycleKind::Incremental,
                state: CycleState::Ended(Health::Held),
                started: at(-600),
                finished: Some(at(-599)),
                duration_ms: 1_000,
                evaluated: Count::default(),
                in_scope: Count::default(),
                linked: Count::default(),
                done: BTreeMap::from([("create".to_owned(), 2)]),
                skipped: BTreeMap::new(),
                failed: 2,
                not_tried: 0,
                held: 10,
                requests: Requests::default(),
                incomplete: None,
                error: None,
            }],
            ..JobRecord::new()
        },
    };
    let jobs = [new, old];
    let mut out = Vec::new();
    text::status(&mut out, &jobs, None, at(0), Style::default()).unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r##"
    JOB     STATE      LAST START  USERS   GROUPS  ESCROW  HELD  NEXT
    sosafe  never run  -           0       0       0       0     due
    wizer   held       10 min ago  12,345  20      2       10    in 30 min

    wizer
      Incremental cycle 7, started 2027-01-15 07:50:00 UTC: held after 1.0 s
      2 created, 2 failed
      0 users linked
      0 requests to the source, 0 to the target
      ✗ Held since 2027-01-15 07:50 UTC: 1 delete, 9 disables; no user is in scope any more, though 9 users and 1 group are linked: probably an empty answer from Entra.
        To review them: entrain plan wizer
        To approve them: entrain approve wizer --cycle 7
      ✗ create user kim@contoso.com: HTTP 400: no (failed in 3 cycles since 2027-01-15 05:30 UTC)
      and 1 more in escrow

    No service runs. To start one: entrain run; for one cycle now: entrain sync
    "##);
    let document = json(|document| document.status(&jobs[1]).unwrap());
    assert_eq!(document["jobs"][0]["held"]["removals"]["disable"], 9);
    assert_eq!(document["jobs"][0]["last_cycle"]["state"], "held");
}

//! For random pairs of what the target has and what is wanted, the requests of each dialect give exactly
//! what is wanted. They are carried out by the sandbox, which reads RFC 7644 section 3.5.2 by itself.

mod pair;

use proptest::collection::vec;
use proptest::test_runner::{Config as ProptestConfig, TestCaseError};
use proptest::{prop_assert, prop_assert_eq};
use serde_json::{Map, Value as Json};

use super::*;
use crate::config::KNOBS;
use crate::engine::model::canonical;
use crate::sandbox::{Personality, Quirk, TargetHandle, TargetOptions};
use pair::{Pair, core_schema, pairs, path};

/// What one dialect is called, and its knobs.
const DIALECTS: &[(&str, &[(&str, &str)])] = &[
    ("RFC 7644", &[]),
    (
        "Entra",
        &[
            ("op_case", "capital"),
            ("booleans", "text"),
            ("value_paths", "always"),
            ("manager", "text"),
            ("member_remove", "value-list"),
        ],
    ),
    (
        "Entra with aadOptscim062020",
        &[("patch_path", "dotted"), ("manager", "list")],
    ),
    ("Okta", &[("patch_path", "value")]),
    ("all members", &[("member_add", "all")]),
    ("replaced as a whole", &[("update", "put")]),
    (
        "whole attributes",
        &[
            ("value_paths", "whole"),
            ("sub_attributes", "whole"),
            ("clear", "null"),
            ("extensions", "object"),
        ],
    ),
    (
        "one operation",
        &[("patch_operations", "one"), ("clear", "empty")],
    ),
];

/// A target that takes the forms of all dialects.
fn target() -> TargetHandle {
    let personality = Personality::default()
        .with(Quirk::CoerceBooleans)
        .with(Quirk::ManagerAsText);
    TargetHandle::unserved(TargetOptions {
        personality,
        ..TargetOptions::default()
    })
}

fn dialect_with(knobs: &[(&str, &str)]) -> Dialect {
    let mut settings = config::DialectSettings {
        filterable: Filterable::default(),
        member_chunk: 100,
        page_size: None,
        knobs: Knobs::default(),
    };
    for (name, word) in knobs {
        assert!(settings.knobs.set(name, word), "{name} = {word}");
    }
    Dialect::new(&settings)
}

/// All dialects, and the one with these words.
fn dialects(words: &[usize]) -> Vec<(String, Dialect)> {
    let knobs: Vec<(&str, &str)> = KNOBS
        .iter()
        .zip(words)
        .map(|(knob, word)| (knob.name, knob.words[word % knob.words.len()].0))
        .collect();
    let named = DIALECTS.iter().map(|(name, knobs)| (*name, *knobs));
    named
        .chain([("any", &*knobs)])
        .map(|(name, knobs)| (format!("{name} {knobs:?}"), dialect_with(knobs)))
        .collect()
}

fn read(target: &TargetHandle, kind: ObjectKind, id: &str) -> Map<String, Json> {
    let shown = match kind {
        ObjectKind::User => target.user(id),
        ObjectKind::Group => target.group(id),
    };
    shown.unwrap().as_object().unwrap().clone()
}

/// Carries out an action as a cycle does; gives what was sent, and the id.
fn carry_out(
    target: &TargetHandle,
    dialect: Dialect,
    action: &Action,
    sent: &mut Vec<String>,
) -> Option<String> {
    let kind = action.subject.kind;
    let current = action
        .target
        .as_ref()
        .filter(|_| dialect.needs_current(action));
    let current = current.map(|id| {
        let current = Current::new(read(target, kind, id.as_str()), true);
        match kind {
            ObjectKind::User => current,
            ObjectKind::Group => current.with_members(&BTreeSet::new(), false).unwrap(),
        }
    });
    let mut made = None;
    for request in dialect.requests(action, current.as_ref()).unwrap() {
        let body = String::from_utf8(request.body.unwrap_or_default()).unwrap();
        let (status, answer) = target.answer(request.method.as_str(), &request.path, &body);
        sent.push(format!("{} {body}: {status} {answer}", request.method));
        assert!((200..300).contains(&status), "{sent:#?}");
        made = answer["id"].as_str().map(str::to_owned);
    }
    made
}

fn managers(target: &TargetHandle) -> Vec<String> {
    ["m1", "m2"]
        .map(|name| {
            let user = json!({"schemas": [core_schema()], "userName": name});
            target.create_user(&user).unwrap()
        })
        .into()
}

/// That a user shows what is wanted at the mapped paths and as its manager.
fn check_user(
    pair: &Pair,
    there: &Map<String, Json>,
    then: &Map<String, Json>,
    managers: &[String],
    sent: &[String],
) -> Result<(), TestCaseError> {
    for (path, wanted) in pair.wanted() {
        let shown = resource::value(ObjectKind::User, then, &path);
        let wanted = wanted.and_then(|wanted| canonical(ObjectKind::User, &path, wanted));
        prop_assert_eq!(shown, wanted, "{}: {:#?}", path, sent);
        if let Some(selector) = path.selector() {
            let all = then.get(path.attribute()).and_then(Json::as_array);
            let all = all.into_iter().flatten();
            let all = all.filter(|one| resource::is_selected(one, selector));
            prop_assert!(all.count() <= 1, "{}: {:#?}", path, sent);
        }
    }
    if pair.roles.0 == 2 {
        let shown = resource::value(ObjectKind::User, then, &path("roles"));
        prop_assert_eq!(shown, pair.roles_then(there), "{:#?}", sent);
    }
    let shown = resource::value(ObjectKind::User, then, &path(MANAGER));
    let number = match pair.manager {
        (has, 0) => has,
        (_, wants) => wants - 1,
    };
    let wanted = number.checked_sub(1).map(|number| &managers[number]);
    let wanted = wanted.map(|id| Value::text(&**id));
    prop_assert_eq!(shown, wanted, "{:#?}", sent);
    Ok(())
}

/// Each case is one for all dialects.
fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig {
        cases: usual.cases / 4,
        ..usual
    }
}

proptest::proptest! {
    #![proptest_config(config())]

    #[test]
    fn each_dialect_makes_of_a_user_what_is_wanted(pair in pairs()) {
        for (name, dialect) in dialects(&pair.words) {
            let target = target();
            let managers = managers(&target);
            let there = pair.there(&managers);
            let id = target.create_user(&Json::Object(there.clone())).unwrap();
            let before = read(&target, ObjectKind::User, &id);
            let changes = pair.changes(&there);
            let mut operations = Vec::new();
            if !changes.is_empty() {
                operations.push(Operation::Update { changes });
            }
            operations.extend(pair.reference(&managers));
            let mut sent = vec![name, Json::Object(before.clone()).to_string()];
            for operation in operations {
                let action = action(ObjectKind::User, Some(&id), operation);
                carry_out(&target, dialect, &action, &mut sent);
            }
            let then = read(&target, ObjectKind::User, &id);
            sent.push(Json::Object(then.clone()).to_string());
            check_user(&pair, &there, &then, &managers, &sent)?;
            prop_assert_eq!(pair.of_others(&then), pair.of_others(&before), "{:#?}", &sent);
        }
    }

    #[test]
    fn each_dialect_creates_what_is_wanted(mut pair in pairs()) {
        pair.manager.0 = 0;
        pair.roles.0 = pair.roles.0.min(1);
        for (name, dialect) in dialects(&pair.words) {
            let target = target();
            let managers = managers(&target);
            let wanted = pair.wanted();
            let attributes = wanted.iter().filter_map(|(path, new)| Some((path.clone(), new.clone()?)));
            let mut attributes: BTreeMap<TargetPath, Value> = attributes.collect();
            attributes.entry(path("userName")).or_insert(Value::text("u"));
            let references = match pair.manager.1 {
                0 | 1 => Vec::new(),
                wants => vec![(path(MANAGER), new(Some(&managers[wants - 2])))],
            };
            let create = action(ObjectKind::User, None, Operation::Create {
                attributes,
                references,
                keys: Vec::new(),
                via: Vec::new(),
            });
            let mut sent = vec![name];
            let id = carry_out(&target, dialect, &create, &mut sent).unwrap();
            let then = read(&target, ObjectKind::User, &id);
            sent.push(Json::Object(then.clone()).to_string());
            check_user(&pair, &Map::new(), &then, &managers, &sent)?;
        }
    }

    /// Bits: who is a member, and who should be; what it is called.
    #[test]
    fn each_dialect_makes_of_a_group_what_is_wanted(
        has in 0..64_usize,
        wants in 0..64_usize,
        is_renamed in proptest::bool::ANY,
        words in vec(0..3_usize, KNOBS.len()),
    ) {
        for (name, dialect) in dialects(&words) {
            let target = target();
            let ids: Vec<String> = (0..6)
                .map(|number| {
                    let user = json!({"schemas": [core_schema()], "userName": format!("u{number}")});
                    target.create_user(&user).unwrap()
                })
                .collect();
            let of = |bits: usize| {
                let chosen = ids.iter().enumerate().filter(move |(place, _)| bits & (1 << place) != 0);
                chosen.map(|(_, id)| id.clone())
            };
            let members: Vec<Json> = of(has).map(|id| json!({ "value": id })).collect();
            let group = json!({
                "schemas": [resource::core_schema(ObjectKind::Group)], "displayName": "old",
                "externalId": "x", "members": members,
            });
            let id = target.create_group(&group).unwrap();
            let mut operations = Vec::new();
            if is_renamed {
                operations.push(Operation::Update { changes: vec![Change {
                    path: path("displayName"),
                    old: Some(Value::text("old")),
                    new: Some(Value::text("new")),
                    element: ElementChange::None,
                    written: WriteMode::Whole,
                }] });
            }
            let referenced = |bits| of(bits).map(|id| new(Some(&id))).collect();
            operations.push(Operation::AddMembers { members: referenced(wants & !has) });
            let members = referenced(has & !wants);
            operations.push(Operation::RemoveMembers {
                members,
                why: WhyLeft::NotRecorded,
                proof: proof(),
            });
            let mut sent = vec![name];
            for operation in operations {
                let action = action(ObjectKind::Group, Some(&id), operation);
                carry_out(&target, dialect, &action, &mut sent);
            }
            let then = read(&target, ObjectKind::Group, &id);
            let mut there = target.members(&id);
            there.sort();
            let mut wanted: Vec<String> = of(wants).collect();
            wanted.sort();
            prop_assert_eq!(there, wanted, "{:#?}", &sent);
            let name = if is_renamed { "new" } else { "old" };
            prop_assert_eq!(&then["displayName"], name, "{:#?}", &sent);
            prop_assert_eq!(&then["externalId"], "x", "{:#?}", &sent);
        }
    }
}

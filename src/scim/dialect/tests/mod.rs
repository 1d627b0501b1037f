//! The requests of each dialect, as they go out.

mod properties;

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::config::{Filterable, Knobs};
use crate::engine::model::{Complete, Key, SourceId, Value};
use crate::engine::plan::{
    ElementChange, Proof, Referenced, Subject, WhyLeft, WhyRemoved, WriteMode,
};

const MANAGER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";

fn dialect() -> Dialect {
    Dialect::new(&config::DialectSettings {
        filterable: Filterable::default(),
        member_chunk: 2,
        page_size: Some(10),
        knobs: Knobs::default(),
    })
}

fn action(kind: ObjectKind, target: Option<&str>, operation: Operation) -> Action {
    Action {
        subject: Subject {
            kind,
            key: Key::default(),
            id: SourceId::new("s"),
            label: "label".to_owned(),
        },
        target: target.map(TargetId::new),
        operation,
    }
}

fn new(target: Option<&str>) -> Referenced {
    Referenced {
        key: Key::new(1),
        target: target.map(TargetId::new),
    }
}

fn add(members: &[Option<&str>]) -> Action {
    let members = members.iter().copied().map(new).collect();
    let operation = Operation::AddMembers { members };
    action(ObjectKind::Group, Some("g/1"), operation)
}

fn remove(members: &[&str]) -> Action {
    let members = members.iter().map(|id| new(Some(id))).collect();
    let proof = proof();
    let operation = Operation::RemoveMembers {
        members,
        why: WhyLeft::NotRecorded,
        proof,
    };
    action(ObjectKind::Group, Some("g/1"), operation)
}

fn rename(kind: ObjectKind) -> Action {
    let changes = vec![Change {
        path: TargetPath::parse("displayName").unwrap(),
        old: Some(Value::text("old")),
        new: Some(Value::text("new")),
        element: ElementChange::None,
        written: WriteMode::Whole,
    }];
    action(kind, Some("g/1"), Operation::Update { changes })
}

fn proof() -> Proof {
    Proof::of_reading(&Complete::after_last_page(()))
}

fn set_manager(new: Option<Referenced>) -> Action {
    let path = TargetPath::parse(MANAGER).unwrap();
    let new = new.map_or(Pointer::Cleared(proof()), Pointer::To);
    let operation = Operation::SetReference {
        path,
        old: None,
        new,
    };
    action(ObjectKind::User, Some("u1"), operation)
}

fn create(manager: Option<&str>) -> Action {
    let name = TargetPath::parse("userName").unwrap();
    let operation = Operation::Create {
        attributes: BTreeMap::from([(name, Value::text("anna"))]),
        references: vec![(TargetPath::parse(MANAGER).unwrap(), new(manager))],
        keys: Vec::new(),
        via: Vec::new(),
    };
    action(ObjectKind::User, None, operation)
}

fn line(action: &Action) -> String {
    match dialect().requests(action, None).unwrap().pop() {
        Some(Request {
            method, path, body, ..
        }) => {
            let body = String::from_utf8(body.unwrap_or_else(|| vec![b'-'])).unwrap();
            let body = body.replace("urn:ietf:params:scim:", "");
            format!("{method} {path} {body}")
        }
        None => "nothing".to_owned(),
    }
}

#[test]
fn an_action_is_one_request() {
    let why = WhyRemoved::Deleted;
    let actions = [
        create(Some("m1")),
        create(None),
        rename(ObjectKind::Group),
        set_manager(Some(new(Some("m1")))),
        set_manager(None),
        add(&[Some("a"), None, Some("b")]),
        remove(&["a"]),
        action(
            ObjectKind::User,
            Some("u1"),
            Operation::Delete {
                why,
                proof: proof(),
            },
        ),
    ];
    insta::assert_snapshot!(actions.each_ref().map(line).join("\n"), @r#"
    POST /Users {"schemas":["schemas:core:2.0:User","schemas:extension:enterprise:2.0:User"],"schemas:extension:enterprise:2.0:User":{"manager":{"value":"m1"}},"userName":"anna"}
    POST /Users {"schemas":["schemas:core:2.0:User"],"userName":"anna"}
    PATCH /Groups/g%2F1 {"schemas":["api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"displayName","value":"new"}]}
    PATCH /Users/u1 {"schemas":["api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"schemas:extension:enterprise:2.0:User:manager","value":{"value":"m1"}}]}
    PATCH /Users/u1 {"schemas":["api:messages:2.0:PatchOp"],"Operations":[{"op":"remove","path":"schemas:extension:enterprise:2.0:User:manager"}]}
    PATCH /Groups/g%2F1 {"schemas":["api:messages:2.0:PatchOp"],"Operations":[{"op":"add","path":"members","value":[{"value":"a"},{"value":"b"}]}]}
    PATCH /Groups/g%2F1 {"schemas":["api:messages:2.0:PatchOp"],"Operations":[{"op":"remove","path":"members[value eq \"a\"]"}]}
    DELETE /Users/u1 -
    "#);
}

/// The requests of a change by a dialect with these knobs.
fn by(knobs: &[(&str, &str)], actions: &[Action]) -> String {
    let mut settings = config::DialectSettings {
        filterable: Filterable::default(),
        member_chunk: 2,
        page_size: None,
        knobs: Knobs::default(),
    };
    for (name, word) in knobs {
        assert!(settings.knobs.set(name, word));
    }
    let shown = json!({
        "id": "g/1", "name": {"givenName": "A", "familyName": "F"},
        "emails": [{"type": "work", "value": "a"}, {"type": "home", "value": "h"}],
    });
    let current = Current::new(shown.as_object().unwrap().clone(), true);
    let dialect = Dialect::new(&settings);
    let requests = actions
        .iter()
        .flat_map(|action| dialect.requests(action, Some(&current)).unwrap());
    let lines = requests.map(|request| {
        let body = String::from_utf8(request.body.unwrap()).unwrap();
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        body["Operations"].to_string()
    });
    let lines: Vec<String> = lines.collect();
    lines.join("\n").replace(
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
        "urn:ent",
    )
}

fn change_of_everything() -> Action {
    let change = |path: &str, old: Option<&str>, new: Option<&str>, element| Change {
        path: TargetPath::parse(path).unwrap(),
        old: old.map(Value::text),
        new: new.map(Value::text),
        element,
        written: WriteMode::Whole,
    };
    let none = ElementChange::None;
    let department = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";
    let changes = vec![
        change("active", Some("True"), Some("False"), none),
        change("nickName", None, Some("Babs"), none),
        change("title", Some("Boss"), None, none),
        change("name.givenName", Some("A"), Some("B"), none),
        change(department, Some("R&D"), Some("Sales"), none),
        change(
            "emails[type eq \"work\"].value",
            Some("a"),
            Some("b"),
            ElementChange::Kept,
        ),
        change(
            "phoneNumbers[type eq \"work\"].value",
            None,
            Some("1"),
            ElementChange::Added,
        ),
    ];
    action(ObjectKind::User, Some("g/1"), Operation::Update { changes })
}

#[test]
fn each_form_of_a_change_is_as_the_targets_want_it() {
    let entra = [
        ("op_case", "capital"),
        ("booleans", "text"),
        ("value_paths", "always"),
        ("manager", "text"),
        ("member_remove", "value-list"),
    ];
    let actions = [
        change_of_everything(),
        set_manager(Some(new(Some("m1")))),
        add(&[Some("a")]),
        remove(&["a"]),
    ];
    // Entra without the parameter aadOptscim062020.
    insta::assert_snapshot!(by(&entra, &actions), @r#"
    [{"op":"Replace","path":"active","value":"False"},{"op":"Add","path":"nickName","value":"Babs"},{"op":"Remove","path":"title"},{"op":"Replace","path":"name.givenName","value":"B"},{"op":"Replace","path":"urn:ent:department","value":"Sales"},{"op":"Replace","path":"emails[type eq \"work\"].value","value":"b"},{"op":"Add","path":"phoneNumbers[type eq \"work\"].value","value":"1"}]
    [{"op":"Replace","path":"urn:ent:manager","value":"m1"}]
    [{"op":"Add","path":"members","value":[{"value":"a"}]}]
    [{"op":"Remove","path":"members","value":[{"value":"a"}]}]
    "#);
    // Entra with it.
    insta::assert_snapshot!(by(&[("patch_path", "dotted")], &actions[..1]), @r#"[{"op":"replace","value":{"active":false,"name.givenName":"B","nickName":"Babs","urn:ent:department":"Sales"}},{"op":"remove","path":"title"},{"op":"replace","path":"emails[type eq \"work\"].value","value":"b"},{"op":"add","path":"phoneNumbers","value":[{"type":"work","value":"1"}]}]"#);
    insta::assert_snapshot!(by(&[("patch_path", "value")], &actions[..1]), @r#"[{"op":"replace","value":{"active":false,"emails":[{"type":"work","value":"b"},{"type":"home","value":"h"}],"name":{"givenName":"B"},"nickName":"Babs","phoneNumbers":[{"type":"work","value":"1"}],"urn:ent":{"department":"Sales"}}},{"op":"remove","path":"title"}]"#);
    let whole = [
        ("value_paths", "whole"),
        ("sub_attributes", "whole"),
        ("clear", "null"),
        ("extensions", "object"),
    ];
    insta::assert_snapshot!(by(&whole, &actions[..1]), @r#"[{"op":"replace","path":"active","value":false},{"op":"add","path":"nickName","value":"Babs"},{"op":"replace","path":"title","value":null},{"op":"replace","path":"urn:ent","value":{"department":"Sales"}},{"op":"replace","path":"name","value":{"familyName":"F","givenName":"B"}},{"op":"replace","path":"emails","value":[{"type":"work","value":"b"},{"type":"home","value":"h"}]},{"op":"replace","path":"phoneNumbers","value":[{"type":"work","value":"1"}]}]"#);
    insta::assert_snapshot!(by(&[("patch_operations", "one"), ("clear", "empty")], &actions[..1]), @r#"
    [{"op":"replace","path":"active","value":false}]
    [{"op":"add","path":"nickName","value":"Babs"}]
    [{"op":"replace","path":"title","value":""}]
    [{"op":"replace","path":"name.givenName","value":"B"}]
    [{"op":"replace","path":"urn:ent:department","value":"Sales"}]
    [{"op":"replace","path":"emails[type eq \"work\"].value","value":"b"}]
    [{"op":"add","path":"phoneNumbers","value":[{"type":"work","value":"1"}]}]
    "#);
}

#[test]
fn what_is_left_of_nothing_is_not_sent() {
    let update = Operation::Update {
        changes: Vec::new(),
    };
    for action in [
        add(&[]),
        add(&[None]),
        remove(&[]),
        set_manager(Some(new(None))),
        action(ObjectKind::User, Some("u1"), update),
        Action {
            target: None,
            ..rename(ObjectKind::User)
        },
    ] {
        assert_eq!(dialect().requests(&action, None).unwrap(), []);
        let put = dialect()
            .with_put(ObjectKind::User)
            .with_put(ObjectKind::Group);
        assert_eq!(put.requests(&action, None).unwrap(), []);
    }
}

#[test]
fn members_are_sent_in_chunks_but_by_put_at_once() {
    assert_eq!(dialect().member_chunk(), 2);
    assert_eq!(dialect().with_put(ObjectKind::User).member_chunk(), 2);
    let put = dialect().with_put(ObjectKind::Group);
    assert_eq!(put.member_chunk(), usize::MAX);
}

#[test]
fn a_put_needs_the_resource_as_it_is() {
    let put = dialect().with_put(ObjectKind::Group);
    assert!(put.needs_current(&rename(ObjectKind::Group)));
    assert!(!put.needs_current(&rename(ObjectKind::User)));
    assert!(!put.needs_current(&create(None)));
    let request = put.requests(&rename(ObjectKind::Group), None);
    assert!(matches!(request, Err(Error::NotRead)));

    let group = json!({"id": "g/1", "displayName": "old", "members": [{"value": "a"}]});
    let current = Current::new(group.as_object().unwrap().clone(), true);
    let request = put.requests(&rename(ObjectKind::Group), Some(&current));
    assert!(matches!(request, Err(Error::MembersUnknown(_))));
    let known = BTreeSet::from([TargetId::new("a")]);
    let current = current.with_members(&known, false).unwrap();
    let request = put.requests(&rename(ObjectKind::Group), Some(&current));
    let request = request.unwrap().remove(0);
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("PUT", "/Groups/g%2F1")
    );
}

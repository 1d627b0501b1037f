//! What a PUT sends, and what it keeps of what the target holds.

use super::*;

const EXTENSION: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn change(path: &str, new: Option<Value>, element: ElementChange) -> Change {
    Change {
        path: TargetPath::parse(path).unwrap(),
        old: None,
        new,
        element,
        written: WriteMode::Whole,
    }
}

fn current(resource: &Json) -> Current {
    Current::new(resource.as_object().unwrap().clone(), false)
}

fn user(resource: &Json, edit: &Edit<'_>) -> Json {
    Json::Object(edited(ObjectKind::User, &current(resource), edit, Manager::Object).unwrap())
}

fn group(resource: &Json, known: &[&str], edit: &Edit<'_>) -> Result<Json, Error> {
    let known = known.iter().copied().map(TargetId::new).collect();
    let current = current(resource).with_members(&known, false)?;
    edited(ObjectKind::Group, &current, edit, Manager::Object).map(Json::Object)
}

#[test]
fn what_others_wrote_stays_and_what_only_the_target_may_write_goes() {
    let shown = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:acme:Extra"],
        "id": "u1",
        "meta": {"version": "W/1"},
        "Groups": [{"value": "g1"}],
        "USERNAME": "anna",
        "displayName": null,
        "locale": "de-DE",
        "title": "Boss",
        "name": {"givenName": "Anna", "familyName": "Ay", "formatted": "Anna Ay"},
        "emails": [
            {"type": "home", "value": "h@x", "primary": true},
            {"type": "Work", "value": "w@x"},
        ],
        "phoneNumbers": [{"type": "work", "value": "1"}, {"type": "fax", "value": "2"}],
        "addresses": {"type": "work", "locality": "Bonn", "country": "DE"},
        "entitlements": [{"value": "e1"}],
        "roles": [{"value": "r1", "primary": true}],
        "urn:acme:Extra": {"badge": 7},
    });
    let text = |text: &str| Some(Value::text(text));
    let mut added = change("entitlements", None, ElementChange::None);
    added.written = WriteMode::Added(vec![Value::text("e1"), Value::text("e2")]);
    let changes = [
        change("userName", text("berta"), ElementChange::None),
        change("active", text("False"), ElementChange::None),
        change("title", None, ElementChange::None),
        change("nickName", None, ElementChange::None),
        change("name.givenName", text("Berta"), ElementChange::None),
        change("name.formatted", None, ElementChange::None),
        change(
            "emails[type eq \"work\"].value",
            text("b@x"),
            ElementChange::Kept,
        ),
        change(
            "phoneNumbers[type eq \"fax\"].value",
            None,
            ElementChange::Removed,
        ),
        change(
            "phoneNumbers[type eq \"mobile\"].value",
            text("3"),
            ElementChange::Added,
        ),
        change(
            "addresses[type eq \"work\"].country",
            None,
            ElementChange::Kept,
        ),
        change(
            "roles[primary eq \"True\"].value",
            text("r2"),
            ElementChange::Kept,
        ),
        change(
            &format!("{EXTENSION}:department"),
            text("Sales"),
            ElementChange::None,
        ),
        added,
    ];
    let body = user(&shown, &Edit::Values(&changes));
    assert_eq!(
        body,
        json!({
            "schemas": [
                "urn:ietf:params:scim:schemas:core:2.0:User",
                "urn:acme:Extra",
                EXTENSION,
            ],
            "id": "u1",
            "USERNAME": "berta",
            "displayName": null,
            "locale": "de-DE",
            "title": null,
            "active": false,
            "name": {"givenName": "Berta", "familyName": "Ay", "formatted": null},
            "emails": [
                {"type": "home", "value": "h@x", "primary": true},
                {"type": "Work", "value": "b@x"},
            ],
            "phoneNumbers": [{"type": "work", "value": "1"}, {"type": "mobile", "value": "3"}],
            "addresses": [{"type": "work", "locality": "Bonn"}],
            "entitlements": [{"value": "e1"}, {"value": "e2"}],
            "roles": [{"value": "r2", "primary": true}],
            "urn:acme:Extra": {"badge": 7},
            (EXTENSION): {"department": "Sales"},
        })
    );
}

#[test]
fn a_list_is_replaced_and_cleared_as_a_whole() {
    let shown = || json!({"id": "u1", "entitlements": [{"value": "e1"}], "roles": ["r"]});
    let list = Some(Value::List(vec![Value::text("b"), Value::text("a")]));
    let changes = [
        change("entitlements", list, ElementChange::None),
        change("roles", None, ElementChange::None),
    ];
    let body = user(&shown(), &Edit::Values(&changes));
    assert_eq!(
        body["entitlements"],
        json!([{"value": "a"}, {"value": "b"}])
    );
    assert_eq!(body["roles"], json!([]));
}

#[test]
fn there_is_never_a_second_primary_element() {
    let shown = json!({"id": "u1", "roles": [{"value": "r1", "primary": true}]});
    let new = Some(Value::Boolean(true));
    let changes = [
        change(
            "roles[type eq \"x\"].value",
            Some(Value::text("r2")),
            ElementChange::Added,
        ),
        change("roles[type eq \"x\"].primary", new, ElementChange::Added),
    ];
    let body = user(&shown, &Edit::Values(&changes));
    assert_eq!(
        body["roles"],
        json!([
            {"value": "r1", "primary": false},
            {"type": "x", "value": "r2", "primary": true},
        ])
    );
}

#[test]
fn a_reference_is_replaced_as_a_whole() {
    let shown = || {
        let old = json!({"value": "m1", "displayName": "Old Manager", "$ref": "../Users/m1"});
        json!({"id": "u1", (EXTENSION): {"manager": old, "department": "Sales"}})
    };
    let new = TargetId::new("m2");
    for path in ["manager", "manager.value"] {
        let path = TargetPath::parse(&format!("{EXTENSION}:{path}")).unwrap();
        let body = user(&shown(), &Edit::Reference(&path, Some(&new)));
        let expected = json!({"manager": {"value": "m2"}, "department": "Sales"});
        assert_eq!(body[EXTENSION], expected);
        let body = user(&shown(), &Edit::Reference(&path, None));
        let expected = json!({"manager": null, "department": "Sales"});
        assert_eq!(body[EXTENSION], expected);
    }
}

#[test]
fn members_are_added_and_removed_among_those_that_are_there() {
    let shown = || {
        let first = json!({"value": "a", "$ref": "x", "type": "User", "display": "Anna"});
        json!({"id": "g1", "displayName": "G", "members": [first, {"value": "b"}, "c"]})
    };
    let [a, b, new] = ["a", "b", "new"].map(TargetId::new);
    let added = group(&shown(), &["b"], &Edit::AddMembers(vec![&b, &new])).unwrap();
    let kept = json!({"value": "a", "$ref": "x", "type": "User"});
    assert_eq!(
        added["members"],
        json!([kept, {"value": "b"}, {"value": "c"}, {"value": "new"}])
    );
    let removed = group(&shown(), &[], &Edit::RemoveMembers(vec![&a, &new])).unwrap();
    assert_eq!(removed["members"], json!([{"value": "b"}, {"value": "c"}]));
    let rename = [change(
        "displayName",
        Some(Value::text("H")),
        ElementChange::None,
    )];
    let renamed = group(&shown(), &[], &Edit::Values(&rename)).unwrap();
    assert_eq!(renamed["members"].as_array().unwrap().len(), 3);
    assert_eq!(renamed["displayName"], "H");
}

#[test]
fn a_group_whose_members_are_not_all_shown_is_not_replaced() {
    let why = |resource: &Json, known: &[&str]| match group(resource, known, &Edit::Values(&[])) {
        Err(Error::MembersUnknown(why)) => Some(why),
        Ok(_) => None,
        Err(error) => panic!("{error}"),
    };
    let shown = || json!({"id": "g1", "members": [{"value": "a"}]});
    assert_eq!(why(&shown(), &["a"]), None);
    assert_eq!(why(&shown(), &["a", "b"]), Some(MembersUnknown::Missing));
    let hidden = || json!({"id": "g1"});
    assert_eq!(why(&hidden(), &[]), Some(MembersUnknown::NotShown));
    let bare = json!({"id": "g1", "members": [{"display": "a"}]});
    assert_eq!(why(&bare, &[]), Some(MembersUnknown::WithoutId));

    let none = BTreeSet::new();
    let some = BTreeSet::from([TargetId::new("a")]);
    let left_out = || Current::new(hidden().as_object().unwrap().clone(), true);
    assert!(left_out().with_members(&none, false).is_ok());
    assert!(left_out().with_members(&some, false).is_err());
    assert!(current(&hidden()).with_members(&none, true).is_ok());
}

//! The operations of a PATCH, in each form.

use super::*;

fn change(path: &str, old: Option<&str>, new: Option<&str>, element: ElementChange) -> Change {
    Change {
        path: TargetPath::parse(path).unwrap(),
        old: old.map(Value::text),
        new: new.map(Value::text),
        element,
        written: WriteMode::Whole,
    }
}

#[test]
fn an_element_that_is_there_gets_its_type_and_is_not_added() {
    let mut typed = change(
        "emails[type eq \"work\"].value",
        None,
        Some("a\"b@c.example"),
        ElementChange::Kept,
    );
    typed.written = WriteMode::Selected;
    let display = change(
        "emails[type eq \"work\"].display",
        None,
        Some("Anna"),
        ElementChange::Kept,
    );
    insta::assert_snapshot!(lines(&changed(ObjectKind::User, &[typed, display], ValuePaths::Filter)), @r#"
    {"op":"replace","path":"emails[value eq \"a\\\"b@c.example\"].type","value":"work"}
    {"op":"add","path":"emails[type eq \"work\"].display","value":"Anna"}
    "#);
}

fn lines(operations: &[Operation]) -> String {
    let line = |operation| serde_json::to_string(operation).unwrap();
    operations.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn plain_paths_are_added_replaced_and_removed() {
    const DEPARTMENT: &str =
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";
    let changes = [
        change("active", Some("True"), Some("False"), ElementChange::None),
        change("nickName", None, Some("Babs"), ElementChange::None),
        change("name.givenName", Some("A"), Some("B"), ElementChange::None),
        change("title", Some("Boss"), None, ElementChange::None),
        change("title", Some("Boss"), Some(""), ElementChange::None),
        change(DEPARTMENT, None, Some("Sales"), ElementChange::None),
    ];
    insta::assert_snapshot!(lines(&changed(ObjectKind::User, &changes, ValuePaths::Filter)), @r#"
    {"op":"replace","path":"active","value":false}
    {"op":"add","path":"nickName","value":"Babs"}
    {"op":"replace","path":"name.givenName","value":"B"}
    {"op":"remove","path":"title"}
    {"op":"remove","path":"title"}
    {"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department","value":"Sales"}
    "#);
}

#[test]
fn elements_are_added_and_removed_as_a_whole() {
    let changes = [
        change(
            "addresses[type eq \"work\"].locality",
            None,
            Some("Berlin"),
            ElementChange::Added,
        ),
        change(
            "emails[type eq \"work\"].value",
            Some("a"),
            Some("b"),
            ElementChange::Kept,
        ),
        change(
            "emails[type eq \"work\"].display",
            Some("a"),
            None,
            ElementChange::Kept,
        ),
        change(
            "addresses[type eq \"work\"].country",
            None,
            Some("DE"),
            ElementChange::Added,
        ),
        change(
            "addresses[type eq \"home\"].country",
            Some("DE"),
            None,
            ElementChange::Removed,
        ),
        change(
            "addresses[type eq \"home\"].locality",
            Some("Bonn"),
            None,
            ElementChange::Removed,
        ),
        change(
            "roles[primary eq \"True\"].value",
            Some("a"),
            Some("b"),
            ElementChange::Kept,
        ),
        change(
            "roles[primary eq \"False\"].value",
            None,
            Some("c"),
            ElementChange::Added,
        ),
        change(
            "phoneNumbers[type eq \"fax\"].value",
            Some("1"),
            None,
            ElementChange::Removed,
        ),
    ];
    insta::assert_snapshot!(lines(&changed(ObjectKind::User, &changes, ValuePaths::Filter)), @r#"
    {"op":"add","path":"addresses","value":[{"country":"DE","locality":"Berlin","type":"work"}]}
    {"op":"replace","path":"emails[type eq \"work\"].value","value":"b"}
    {"op":"remove","path":"emails[type eq \"work\"].display"}
    {"op":"remove","path":"addresses[type eq \"home\"]"}
    {"op":"replace","path":"roles[primary eq true].value","value":"b"}
    {"op":"add","path":"roles","value":[{"primary":false,"value":"c"}]}
    {"op":"remove","path":"phoneNumbers[type eq \"fax\"]"}
    "#);
}

#[test]
fn a_multi_valued_attribute_is_replaced_as_a_whole() {
    let change = Change {
        path: TargetPath::parse("entitlements").unwrap(),
        old: Some(Value::List(vec![Value::text("a")])),
        new: Some(Value::List(vec![Value::text("b"), Value::text("c")])),
        element: ElementChange::None,
        written: WriteMode::Whole,
    };
    insta::assert_snapshot!(
        lines(&changed(ObjectKind::User, &[change], ValuePaths::Filter)),
        @r#"{"op":"replace","path":"entitlements","value":[{"value":"b"},{"value":"c"}]}"#
    );
}

#[test]
fn a_list_where_none_was_is_all_that_is_to_be_there_unless_it_is_only_added_to() {
    let list = |values: &[&str]| Value::List(values.iter().copied().map(Value::text).collect());
    let change = |written| Change {
        path: TargetPath::parse("roles").unwrap(),
        old: None,
        new: Some(list(&["a", "b"])),
        element: ElementChange::None,
        written,
    };
    let changes = [
        change(WriteMode::Whole),
        change(WriteMode::Added(vec![Value::text("b")])),
    ];
    insta::assert_snapshot!(lines(&changed(ObjectKind::User, &changes, ValuePaths::Filter)), @r#"
    {"op":"replace","path":"roles","value":[{"value":"a"},{"value":"b"}]}
    {"op":"add","path":"roles","value":[{"value":"b"}]}
    "#);
}

#[test]
fn references_and_members_are_named_by_their_target_ids() {
    const MANAGER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";
    let manager = TargetPath::parse(MANAGER).unwrap();
    let ids = ["a", "b\"c"].map(TargetId::new);
    let members: Vec<_> = ids.iter().collect();
    let all = [
        vec![set_reference(&manager, Some(&ids[0]), Manager::Object)],
        vec![set_reference(&manager, None, Manager::Object)],
        vec![add_members(&members)],
        remove_members(MemberRemove::Filter, &members),
        remove_members(MemberRemove::ValueList, &members),
    ]
    .concat();
    insta::assert_snapshot!(lines(&all), @r#"
    {"op":"replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":{"value":"a"}}
    {"op":"remove","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"}
    {"op":"add","path":"members","value":[{"value":"a"},{"value":"b\"c"}]}
    {"op":"remove","path":"members[value eq \"a\"]"}
    {"op":"remove","path":"members[value eq \"b\\\"c\"]"}
    {"op":"remove","path":"members","value":[{"value":"a"},{"value":"b\"c"}]}
    "#);
}

#[test]
fn unresolved_references_and_members_are_no_operations() {
    let mut unresolved = change("nickName", None, None, ElementChange::None);
    unresolved.new = Some(Value::Reference(crate::engine::model::SourceId::new("s")));
    let members = change("members", None, Some("x"), ElementChange::None);
    assert_eq!(
        changed(
            ObjectKind::Group,
            &[unresolved, members],
            ValuePaths::Filter
        ),
        []
    );
}

//! What mappings make of objects, one rule at a time.

use chrono::DateTime;

use super::*;
use crate::engine::model::{Attributes, Key, ObjectKind, Presence, SourceNumber, SourceObject};

fn mapping(target: &str, source: Source) -> Mapping {
    Mapping {
        target: TargetPath::parse(target).unwrap(),
        source,
        default: None,
        matching: None,
        apply: Apply::Always,
        on_empty: OnEmpty::Clear,
        target_type: TargetType::String,
        multi_valued: false,
        case_exact: false,
        required: false,
        on_drift: None,
    }
}

fn attribute(target: &str, name: &str) -> Mapping {
    mapping(target, Source::Attribute(name.to_owned()))
}

fn expression(target: &str, text: &str) -> Mapping {
    let expression = Expression::compile(text).unwrap();
    mapping(target, Source::Expression(Box::new(expression)))
}

fn compiled(mappings: &[Mapping]) -> Mappings {
    Mappings::new(ObjectKind::User, mappings.to_vec())
}

fn mapped(mappings: &[Mapping]) -> Result<Mapped, Vec<AttributeError>> {
    let mappings = compiled(mappings);
    with_jane(|input, environment| desired(&mappings, input, environment, Unique::Keep))
}

fn with_jane<T>(evaluate: impl FnOnce(&Input<'_>, Environment<'_>) -> T) -> T {
    let attributes = [
        ("displayName", Value::text("Jane")),
        ("userPrincipalName", Value::text("jane_b.com#EXT#@a.com")),
        ("mail", Value::text("")),
        (
            "otherMails",
            Value::List(vec![Value::text("x"), Value::text("y")]),
        ),
        ("accountEnabled", Value::Boolean(true)),
        ("employeeHireDate", Value::text("2026-03-01T00:00:00Z")),
        ("employeeId", Value::text("7")),
    ];
    let attributes = attributes.map(|(name, value)| (name.to_owned(), value));
    let object = SourceObject {
        key: Key::default(),
        kind: ObjectKind::User,
        source: SourceNumber::FIRST,
        id: SourceId::new("1"),
        presence: Presence::Present,
        attributes: Attributes::new(attributes.into()),
    };
    let environment = Environment {
        now: DateTime::UNIX_EPOCH,
        // Another number each time, and the same for the same.
        random: &|id, path, count| {
            let text = format!("{id}{path}{count}");
            text.bytes().fold(7, |hash: u64, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            })
        },
        default_domain: Some("contoso.com"),
    };
    evaluate(&Input::new(&object, &[], false), environment)
}

fn of(mappings: &[Mapping]) -> Desired {
    match mapped(mappings) {
        Ok(Mapped::Desired(desired)) => desired,
        other => panic!("{other:?}"),
    }
}

fn value(mapping: Mapping) -> Option<Value> {
    first(of(&[mapping]).values).expect("a value or null")
}

fn first<V>(values: PathMap<V>) -> Option<V> {
    values.into_iter().next().map(|(_, value)| value)
}

/// What is desired where the mappings make no value.
fn nothing(mappings: &[Mapping]) -> Desired {
    Desired {
        fold_case: compiled(mappings).fold_case(),
        ..Desired::default()
    }
}

fn message(mapping: Mapping) -> String {
    mapped(&[mapping]).unwrap_err().remove(0).message
}

#[test]
fn a_value_comes_from_an_attribute_a_constant_or_an_expression() {
    let text = |text| Some(Value::text(text));
    assert_eq!(value(attribute("title", "displayName")), text("Jane"));
    let constant = Source::Constant(Value::text("x"));
    assert_eq!(value(mapping("title", constant)), text("x"));
    let made = expression("title", "Append([displayName], \"!\")");
    assert_eq!(value(made), text("Jane!"));
    assert_eq!(
        value(attribute("userName", "userPrincipalName")),
        text("jane@b.com")
    );
    let whole = attribute("userName", "originalUserPrincipalName");
    assert_eq!(value(whole), text("jane_b.com#EXT#@a.com"));
}

#[test]
fn a_mapping_from_nothing_sends_its_default_with_a_create_alone() {
    let mut none = mapping("title", Source::None);
    let mappings = [none.clone()];
    assert_eq!(of(&mappings), nothing(&mappings));
    none.default = Some(Value::text("x"));
    let desired = of(&[none]);
    assert_eq!(desired.values.len(), 0);
    assert_eq!(first(desired.on_create), Some(Value::text("x")));
}

#[test]
fn an_emptied_source_clears_defaults_keeps_or_fails() {
    let empty = |on_empty, default: Option<&str>| Mapping {
        on_empty,
        default: default.map(Value::text),
        ..attribute("title", "mail")
    };
    assert_eq!(value(empty(OnEmpty::Clear, None)), None);
    let default = value(empty(OnEmpty::Default, Some("x")));
    assert_eq!(default, Some(Value::text("x")));
    assert_eq!(of(&[empty(OnEmpty::Keep, None)]).values.len(), 0);
    let kept = of(&[empty(OnEmpty::Keep, Some("x"))]);
    assert_eq!(kept.values.len(), 0);
    assert_eq!(first(kept.on_create), Some(Value::text("x")));
    assert!(message(empty(OnEmpty::Fail, None)).contains("no value"));
}

#[test]
fn a_required_value_that_is_missing_fails_the_object() {
    let required = Mapping {
        required: true,
        ..attribute("userName", "mail")
    };
    assert_eq!(message(required.clone()), REQUIRED);
    let default = Some(Value::text("x"));
    assert!(
        value(Mapping {
            default,
            ..required
        })
        .is_some()
    );
}

#[test]
fn what_applies_on_create_is_left_alone_afterwards() {
    let once = Mapping {
        apply: Apply::OnCreate,
        ..attribute("title", "displayName")
    };
    let desired = of(&[once]);
    assert_eq!(desired.values.len(), 0);
    assert_eq!(desired.on_create.len(), 1);
}

#[test]
fn matching_attributes_come_in_their_precedence() {
    let matching = |target, name, precedence| Mapping {
        matching: Some(precedence),
        ..attribute(target, name)
    };
    let desired = of(&[
        matching("userName", "userPrincipalName", 3),
        matching("title", "mail", 1),
        matching("externalId", "displayName", 2),
    ]);
    let keys: Vec<_> = desired
        .keys
        .iter()
        .map(|key| key.path.to_string())
        .collect();
    // What has no value is not looked for.
    assert_eq!(keys, ["externalId", "userName"]);
}

#[test]
fn values_take_the_type_of_the_target_or_say_why_not() {
    let typed = |target_type, source: &str| Mapping {
        target_type,
        ..expression("urn:acme:User:x", source)
    };
    for (target_type, source, expected) in [
        (TargetType::String, "[accountEnabled]", Value::text("True")),
        (TargetType::Boolean, "\"False\"", Value::Boolean(false)),
        (TargetType::Integer, "[employeeId]", Value::Integer(7)),
        (
            TargetType::DateTime,
            "CDate([employeeHireDate])",
            Value::text("2026-03-01T00:00:00Z"),
        ),
        (TargetType::Binary, "\"AA==\"", Value::text("AA==")),
    ] {
        assert_eq!(
            value(typed(target_type, source)),
            Some(expected),
            "{source}"
        );
    }
    for (target_type, source) in [
        (TargetType::Boolean, "[displayName]"),
        (TargetType::Integer, "[displayName]"),
        (TargetType::DateTime, "[displayName]"),
        (TargetType::Reference, "[displayName]"),
        (TargetType::Binary, "[userPrincipalName]"),
    ] {
        message(typed(target_type, source));
    }
}

#[test]
fn a_list_needs_a_target_that_takes_several_values() {
    let list = attribute("title", "otherMails");
    assert!(message(list.clone()).contains("several values"));
    let several = Mapping {
        multi_valued: true,
        ..list
    };
    assert!(matches!(value(several), Some(Value::List(values)) if values.len() == 2));
}

#[test]
fn case_counts_where_the_target_says_so() {
    let exact = Mapping {
        case_exact: true,
        ..attribute("title", "displayName")
    };
    assert!(of(&[exact]).fold_case.is_empty());
    assert_eq!(of(&[attribute("title", "displayName")]).fold_case.len(), 1);
}

#[test]
fn what_is_ignored_is_not_sent() {
    let mappings = [expression("title", "IgnoreFlowIfNullOrEmpty([mail])")];
    assert_eq!(of(&mappings), nothing(&mappings));
    let object = expression("title", "IIF([mail] = \"x\", \"y\", IgnoreObjectFlow)");
    assert_eq!(mapped(&[object]), Ok(Mapped::IgnoreObject));
}

#[test]
fn an_expression_takes_the_default_domain_from_the_world() {
    let domain = expression("title", "Append([displayName], DefaultDomain())");
    assert_eq!(value(domain), Some(Value::text("Janecontoso.com")));
}

fn unique(text: &str) -> Mapping {
    Mapping {
        apply: Apply::OnCreate,
        ..expression("title", text)
    }
}

fn chosen(mapping: &Mapping, taken: &[&str]) -> Result<Option<Value>, String> {
    let is_taken = |_: &Mapping, value: &Value| taken.iter().any(|one| *value == Value::text(*one));
    let mappings = compiled(std::slice::from_ref(mapping));
    let mapped = with_jane(|input, environment| {
        desired(&mappings, input, environment, Unique::Chosen(&is_taken))
    });
    match mapped {
        Ok(Mapped::Desired(desired)) => Ok(first(desired.on_create)),
        Ok(Mapped::IgnoreObject) => panic!("nothing ignores the object"),
        Err(mut errors) => Err(errors.remove(0).message),
    }
}

fn choices(mapping: &Mapping) -> Vec<String> {
    let mappings = compiled(std::slice::from_ref(mapping));
    let keys = with_jane(|input, environment| candidates(&mappings, input, environment));
    let values = keys.into_iter().map(|key| match key.value {
        Value::Text(text) => text.to_string(),
        other => panic!("{other:?} is no text"),
    });
    values.collect()
}

#[test]
fn the_first_value_that_is_free_goes_with_a_create() {
    let mapping = unique("SelectUniqueValue([displayName], [mail], [employeeId])");
    assert_eq!(choices(&mapping), ["Jane", "7"]);
    assert_eq!(chosen(&mapping, &[]), Ok(Some(Value::text("Jane"))));
    assert_eq!(chosen(&mapping, &["Jane"]), Ok(Some(Value::text("7"))));
    let message = chosen(&mapping, &["Jane", "7"]).unwrap_err();
    assert!(message.contains("already taken"), "{message}");
}

#[test]
fn who_is_in_the_target_keeps_the_value_that_was_chosen() {
    // It would fail if it were evaluated.
    let mapping = unique("SelectUniqueValue(CDate([displayName]), \"x\")");
    assert!(chosen(&mapping, &[]).is_err());
    let mappings = [mapping];
    assert_eq!(of(&mappings), nothing(&mappings));
}

#[test]
fn a_rule_that_cannot_be_evaluated_counts_only_when_it_is_reached() {
    let fails = unique("SelectUniqueValue([displayName], CDate([displayName]), \"x\")");
    assert_eq!(choices(&fails), ["Jane"]);
    assert_eq!(chosen(&fails, &[]), Ok(Some(Value::text("Jane"))));
    assert!(chosen(&fails, &["Jane"]).is_err());
    let ignores = unique("SelectUniqueValue([displayName], IgnoreFlowIfNullOrEmpty([mail]))");
    assert_eq!(choices(&ignores), ["Jane"]);
    assert_eq!(chosen(&ignores, &["Jane"]), Ok(None));
}

#[test]
fn values_are_queried_only_for_users_that_choose() {
    assert!(choices(&attribute("title", "displayName")).is_empty());
    assert!(choices(&expression("title", "ToLower([displayName])")).is_empty());
}

#[test]
fn a_random_value_is_the_same_when_it_is_queried_and_when_it_is_chosen() {
    let random = "RandomString(12, 0, 0, 0, 0, \"\")";
    let mapping = unique(&format!("SelectUniqueValue({random}, {random}, Guid())"));
    let choices = choices(&mapping);
    assert!(choices[0] != choices[1], "{choices:?}");
    for (count, choice) in choices.iter().enumerate() {
        let taken: Vec<&str> = choices[..count].iter().map(String::as_str).collect();
        assert_eq!(chosen(&mapping, &taken), Ok(Some(Value::text(choice))));
    }
}

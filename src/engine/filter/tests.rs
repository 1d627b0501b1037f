//! Every operator, and what groups of clauses make of their answers.

use super::*;
use crate::engine::model::{ObjectKind, source};

fn holds(operator: &str, operand: Option<&str>, value: impl Into<Option<Value>>) -> bool {
    let clause = Clause::new("a", operator, operand).expect("a clause");
    clause.holds(value.into().as_ref())
}

fn text(text: &str) -> Value {
    Value::text(text)
}

fn list(values: &[&str]) -> Value {
    Value::List(values.iter().map(|value| text(value)).collect())
}

#[test]
fn every_operator_is_true_for_one_value_and_false_for_another() {
    let cases = [
        ("EQUALS", Some("Sales"), text("Sales"), text("sales")),
        ("NOT EQUALS", Some("Sales"), text("sales"), text("Sales")),
        ("IS TRUE", None, Value::Boolean(true), Value::Boolean(false)),
        (
            "IS FALSE",
            None,
            Value::Boolean(false),
            Value::Boolean(true),
        ),
        ("IS NULL", None, text(""), text("x")),
        ("IS NOT NULL", None, text("x"), text("")),
        ("REGEX MATCH", Some("[1-9][0-9]"), text("42"), text("a 42")),
        ("NOT REGEX MATCH", Some("a."), text("ba"), text("ab")),
        ("GREATER_THAN", Some("10"), text("11"), Value::Integer(10)),
        (
            "GREATER_THAN_OR_EQUALS",
            Some("10"),
            Value::Integer(10),
            text("9"),
        ),
        ("INCLUDES", Some("ale"), text("Sales"), text("SALES")),
        ("ENDS_WITH", Some("es"), text("Sales"), text("Sale")),
        ("&", Some("DE,FR"), text("DE"), text("IT")),
        ("!&", Some("DE,FR"), text("IT"), text("DE")),
    ];
    assert_eq!(cases.len(), Operator::ALL.len());
    for (operator, operand, yes, no) in cases {
        assert!(holds(operator, operand, yes), "{operator}");
        assert!(!holds(operator, operand, no), "{operator}");
    }
}

#[test]
fn on_null_only_is_null_holds() {
    for operator in Operator::ALL {
        let operand = operator.takes_value().then_some("1");
        let expected = operator == Operator::IsNull;
        for null in [None, Some(text("")), Some(list(&[]))] {
            assert_eq!(
                holds(operator.name(), operand, null),
                expected,
                "{operator}"
            );
        }
    }
}

#[test]
fn names_of_operators_ignore_case_and_underscores() {
    for name in ["not_equals", "Not Equals", "NOT  EQUALS"] {
        assert_eq!(Operator::parse(name), Some(Operator::NotEquals));
    }
    assert_eq!(Operator::parse("Greater Than"), Some(Operator::GreaterThan));
    assert_eq!(Operator::parse("IsMemberOf"), None);
}

#[test]
fn one_of_several_values_is_enough_unless_the_clause_is_negative() {
    let both = || list(&["red", "blue"]);
    assert!(holds("EQUALS", Some("red"), both()));
    assert!(!holds("NOT EQUALS", Some("red"), both()));
    assert!(holds("NOT EQUALS", Some("green"), both()));
    assert!(!holds("NOT REGEX MATCH", Some("b.*"), both()));
    assert!(holds("!&", Some("green, white"), both()));
}

#[test]
fn a_boolean_equals_true_or_false_in_any_case() {
    for (operand, is) in [("True", true), ("true", true), ("FALSE", false)] {
        let attribute = source::attribute(ObjectKind::User, "accountEnabled").expect("known");
        for operator in ["EQUALS", "NOT EQUALS"] {
            let clause = Clause::new("accountEnabled", operator, Some(operand)).expect("a clause");
            assert_eq!(clause.check(&attribute), Ok(()));
            let expected = (operator == "EQUALS") == is;
            assert_eq!(clause.holds(Some(&Value::Boolean(true))), expected);
            assert_eq!(clause.holds(Some(&Value::Boolean(false))), !expected);
            assert!(!clause.holds(None));
        }
    }
}

#[test]
fn dates_are_ordered_in_time_and_never_with_numbers() {
    let hired = || text("2026-03-01T09:00:00+02:00");
    assert!(holds("GREATER_THAN", Some("2026-03-01"), hired()));
    assert!(!holds(
        "GREATER_THAN",
        Some("2026-03-01T07:00:00Z"),
        hired()
    ));
    assert!(holds(
        "GREATER_THAN_OR_EQUALS",
        Some("2026-03-01T07:00:00Z"),
        hired()
    ));
    assert!(!holds("GREATER_THAN", Some("5"), hired()));
    assert!(!holds("GREATER_THAN", Some("5"), text("many")));
}

#[test]
fn a_pattern_matches_the_whole_value_unless_it_may_match_anywhere() {
    let anywhere = |operator, pattern, value| {
        let clause = Clause::with_full("a", operator, Some(pattern), Some(false));
        clause.expect("a clause").holds(Some(&text(value)))
    };
    // The documented example is "any number between 10 and 99".
    assert!(holds("REGEX MATCH", Some("([1-9][0-9])"), text("42")));
    assert!(!holds("REGEX MATCH", Some("([1-9][0-9])"), text("100")));
    assert!(holds("NOT REGEX MATCH", Some("([1-9][0-9])"), text("100")));
    assert!(anywhere("REGEX MATCH", "([1-9][0-9])", "100"));
    assert!(!anywhere("NOT REGEX MATCH", "([1-9][0-9])", "100"));
    assert!(holds("REGEX MATCH", Some("a|b"), text("b")));
    assert!(!holds("REGEX MATCH", Some("a|b"), text("bc")));
    assert!(anywhere("REGEX MATCH", "a|b", "bc"));
    for pattern in ["a)(?:b", "("] {
        assert!(Clause::new("a", "REGEX MATCH", Some(pattern)).is_err());
    }
}

#[test]
fn a_pattern_that_takes_too_long_does_not_match() {
    let hostile = text(&format!("{}c", "a".repeat(40)));
    for operator in ["REGEX MATCH", "NOT REGEX MATCH"] {
        assert!(!holds(operator, Some(r"^(a|a)*(?=b)\1$"), hostile.clone()));
    }
}

#[test]
fn a_clause_that_makes_no_sense_says_why() {
    let error = |operator, operand| {
        Clause::new("a", operator, operand)
            .map(|clause| clause.to_string())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(error("LIKE", Some("x")), "there is no operator LIKE");
    assert_eq!(
        error("EQUALS", None),
        "EQUALS needs a value to compare with"
    );
    assert_eq!(error("is true", Some("x")), "IS TRUE takes no value");
    for operator in Operator::ALL.into_iter().filter(|one| one.takes_value()) {
        assert!(
            error(operator.name(), Some("")).contains("empty value"),
            "{operator}"
        );
    }
    assert_eq!(
        error("GREATER_THAN", Some("ten")),
        "GREATER_THAN compares whole numbers or dates"
    );
    assert!(error("REGEX MATCH", Some("(")).starts_with("the pattern cannot be read: "));

    let check = |name, operator, operand| {
        let attribute = source::attribute(ObjectKind::User, name).expect("an attribute");
        let clause = Clause::new(name, operator, operand).expect("a clause");
        clause.check(&attribute).map_err(|err| err.to_string())
    };
    assert_eq!(check("department", "EQUALS", Some("x")), Ok(()));
    assert_eq!(
        check("department", "IS TRUE", None),
        Err("IS TRUE cannot be used on text".to_owned())
    );
    assert_eq!(
        check("accountEnabled", "EQUALS", Some("yes")),
        Err("EQUALS cannot be used on a Boolean".to_owned())
    );
    assert_eq!(check("manager", "IS NULL", None), Ok(()));
    assert_eq!(check("manager", "EQUALS", Some("x")), Ok(()));
    assert_eq!(
        check("manager", "IS TRUE", None),
        Err("IS TRUE cannot be used on a reference to another object".to_owned())
    );
    assert!(check("employeeHireDate", "GREATER_THAN", Some("5")).is_err());
    assert!(check("employeeHireDate", "GREATER_THAN", Some("2026-01-01")).is_ok());
}

#[test]
fn groups_are_alternatives_and_the_first_failing_clause_of_each_is_reported() {
    let group = |name: Option<&str>, clauses: &[(&str, &str, Option<&str>)]| ClauseGroup {
        name: name.map(str::to_owned),
        clauses: clauses
            .iter()
            .map(|(attribute, operator, value)| {
                Clause::new(attribute, operator, *value).expect("a clause")
            })
            .collect(),
    };
    let filter = Filter {
        groups: vec![
            group(
                Some("Sellers"),
                &[
                    ("country", "IS NOT NULL", None),
                    ("department", "EQUALS", Some("Sales")),
                ],
            ),
            group(None, &[("employeeId", "IS NOT NULL", None)]),
        ],
    };
    assert_eq!(
        filter.attributes().into_iter().collect::<Vec<_>>(),
        ["country", "department", "employeeId"]
    );
    let judge = |department: &'static str| {
        filter.judge(&move |name| match name {
            "country" => Some(text("DE")),
            "department" => Some(text(department)),
            _ => None,
        })
    };
    assert_eq!(judge("Sales"), Ok(()));
    assert_eq!(
        judge("Legal"),
        Err(vec![
            ClauseFailure {
                number: 1,
                name: Some("Sellers".to_owned()),
                attribute: "department".to_owned(),
                clause: "department EQUALS \"Sales\"".to_owned(),
                value: Some("Legal".to_owned()),
            },
            ClauseFailure {
                number: 2,
                name: None,
                attribute: "employeeId".to_owned(),
                clause: "employeeId IS NOT NULL".to_owned(),
                value: None,
            },
        ])
    );
    assert_eq!(Filter::default().judge(&|_| None), Ok(()));
}

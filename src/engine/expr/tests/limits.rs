//! Limits, explanations, and what holds for any expression.

use super::*;

#[test]
fn length_and_depth_are_limited() {
    let fits = format!("Append(\"{}\", \"\")", "a".repeat(9_986));
    assert!(Expression::compile(&fits).is_ok());
    let long = format!("Append(\"{}\", \"\")", "ä".repeat(9_987));
    let error = Expression::compile(&long).unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLong { length: 10_001 });
    assert!(error.render(&long).chars().count() < 400);

    let nested = |depth: usize| format!("{}[a]{}", "Not(".repeat(depth), ")".repeat(depth));
    let world = World::new(&Json::Null);
    assert!(world.evaluate(&nested(200)).is_ok());
    let error = world.evaluate(&nested(201)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooDeep { limit: 200 });
    assert_eq!(error.column(&nested(201)), 801);
}

#[test]
fn the_deepest_expression_fits_on_a_small_stack() {
    for (before, after) in [
        ("IIF(1=1, ", ", 0)"),
        ("IIF(", "=\"x\", 1, 0)"),
        ("Switch(", ", \"d\", \"a\", \"b\")"),
        ("Join(\"\", ", ", \"\")"),
        ("Replace(", ", , \"z\", , \"\", , )"),
        ("Mid(", ", 1, 9)"),
        ("DateAdd(\"d\", 1, ", ")"),
        ("Item(Split(", ", \",\"), 1)"),
    ] {
        let levels = 200 / before.matches('(').count();
        let text = format!(
            "{}Now(){}",
            before.repeat(levels - 1),
            after.repeat(levels - 1)
        );
        // A worker thread has two megabytes; a quarter of that is left to the caller. A debug
        // build needs several times what a release build does.
        let run = move || {
            let world = World::new(&Json::Null);
            let expression = Expression::compile(&text).unwrap();
            world.with(|input| {
                expression.evaluate(input).unwrap();
                expression.explain(input).len()
            })
        };
        let thread = std::thread::Builder::new().stack_size(3 << 19);
        assert!(thread.spawn(run).unwrap().join().unwrap() >= levels);
    }
}

#[test]
fn an_error_is_shown_at_its_place() {
    let text = "Join(\"\",\n\tJion([givenName]))";
    let error = Expression::compile(text).unwrap_err();
    insta::assert_snapshot!(error.render(text), @r#"
    unknown function Jion (line 2, column 2)
      |
    2 |  Jion([givenName]))
      |  ^^^^ did you mean Join?
    "#);
    let text = format!(
        "Join({}[a] [b], \"{}\")",
        "\"ä\", ".repeat(20),
        "x".repeat(80)
    );
    let error = Expression::compile(&text).unwrap_err();
    insta::assert_snapshot!(error.render(&text), @r#"
    expected a comma or a closing parenthesis, found the attribute [b] (line 1, column 110)
      |
    1 | … "ä", "ä", "ä", "ä", "ä", "ä", "ä", "ä", "ä", [a] [b], "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
      |                                                    ^^^
    "#);
    let error = Expression::compile("Append([a],").unwrap_err();
    insta::assert_snapshot!(error.render("Append([a],"), @r"
    expected a comma or a closing parenthesis, found the end of the expression (line 1, column 12)
      |
    1 | Append([a],
      |            ^
    ");
}

#[test]
fn the_tree_says_what_an_expression_needs() {
    let expression = Expression::compile(
        "SelectUniqueValue(Redact([mail]), Replace([a], , \"(?<x>.)\", \"x\", , \"b\"), \
         Append(DefaultDomain(), Guid()), CStr([businessPhones[0]]))",
    )
    .unwrap();
    let names: Vec<&str> = expression.attributes().into_iter().collect();
    assert_eq!(names, ["a", "b", "businessPhones[0]", "mail"]);
    assert!(expression.selects_unique() && expression.uses("Redact"));
    assert!(expression.is_volatile() && expression.uses("DefaultDomain"));
    assert!(!expression.reads_roles() && !expression.uses("Now"));
    let roles = Expression::compile("SingleAppRoleAssignment([appRoleAssignments])").unwrap();
    assert!(roles.reads_roles() && !roles.is_volatile());
}

#[test]
fn every_step_is_explained() {
    let text = "IIF([a] = \"x\", Append(Redact([a]), 1), CDate([b]))";
    let expression = Expression::compile(text).unwrap();
    let world = World::new(&serde_json::json!({ "attributes": { "a": "x" } }));
    let steps = world.with(|input| expression.explain(input));
    let shown: Vec<String> = steps
        .iter()
        .map(|step| {
            let outcome = match &step.outcome {
                None => "-".to_owned(),
                Some(Ok(flow)) => flow.canonical_text().unwrap_or("null".to_owned()),
                Some(Err(error)) => error.to_string(),
            };
            let redacted = if step.is_redacted { " (redacted)" } else { "" };
            format!("{}: {outcome}{redacted}", &text[step.span.clone()])
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    IIF([a] = "x", Append(Redact([a]), 1), CDate([b])): x1 (redacted)
    [a] = "x": True
    [a]: x
    "x": x
    Append(Redact([a]), 1): x1 (redacted)
    Redact([a]): x (redacted)
    [a]: x (redacted)
    1: 1
    CDate([b]): -
    [b]: -
    "#);
    let expression = Expression::compile("Append(\"a\", CDate([b]))").unwrap();
    let steps = world.with(|input| expression.explain(input));
    let failed = steps.iter().filter(|s| matches!(s.outcome, Some(Err(_))));
    assert_eq!(failed.count(), 2);
}

#[test]
fn values_keep_their_types() {
    let world = World::new(&serde_json::json!({
        "attributes": { "b": true, "n": 7, "o": { "x": "y" }, "l": [1, 2] }
    }));
    for (text, value) in [
        ("[b]", Value::Boolean(true)),
        ("Not([b])", Value::Boolean(false)),
        ("IIF(1=1, [n], 0)", Value::Integer(7)),
        ("Len(\"ab\")", Value::Integer(2)),
        ("1.5", Value::text("1.5")),
        (
            "[o]",
            Value::Object(BTreeMap::from([("x".to_owned(), Value::text("y"))])),
        ),
        (
            "Coalesce([l], [b])",
            Value::List(vec![Value::Integer(1), Value::Integer(2)]),
        ),
        ("Item([l], 2)", Value::Integer(2)),
        ("1 < 2", Value::Boolean(true)),
    ] {
        assert_eq!(world.evaluate(text), Ok(Flow::Value(value)), "{text}");
    }
}

#[test]
fn random_strings_keep_their_minimums_and_classes() {
    let world = World::new(&Json::Null);
    let expression = Expression::compile("RandomString(20, 3, 2, 1, 4, \"aB1'\")").unwrap();
    let mut seen = BTreeSet::new();
    for _ in 0..200 {
        let flow = world.with(|input| expression.evaluate(input)).unwrap();
        let text = flow.canonical_text().unwrap();
        let count = |belongs: fn(&char) -> bool| text.chars().filter(belongs).count();
        assert_eq!(text.len(), 20);
        assert!(count(char::is_ascii_digit) >= 3 && count(char::is_ascii_punctuation) >= 2);
        assert!(count(char::is_ascii_uppercase) >= 1 && count(char::is_ascii_lowercase) >= 4);
        assert!(!text.contains(['a', 'B', '1', '\'']));
        seen.insert(text);
    }
    assert_eq!(seen.len(), 200);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_parses_or_says_where_it_does_not(text in "\\PC{0,60}|[A-Za-z0-9\\[\\]\"\\\\(),=<>&. \n-]{0,60}") {
        if let Err(error) = Expression::compile(&text) {
            prop_assert!(text.get(error.span.clone()).is_some());
            prop_assert!(error.render(&text).contains('^'));
        }
    }

    #[test]
    fn any_expression_evaluates_or_fails_cleanly(text in any_expression(), value in "\\PC{0,20}") {
        let world = World::new(&serde_json::json!({
            "attributes": {
                "a": value, "b": "2024-02-29", "list": ["x", "y", "x"], "object": { "x": 1 },
                "flag": true,
            },
            "roles": [{ "id": "1", "value": "Admin", "displayName": "DS Admin" }],
        }));
        if let Ok(expression) = Expression::compile(&text) {
            let first = world.with(|input| expression.evaluate(input));
            if let Err(error) = &first {
                prop_assert!(text.get(error.span.clone()).is_some());
            }
            let steps = world.with(|input| expression.explain(input));
            prop_assert!(steps[0].outcome.is_some());
            if !expression.is_volatile() {
                prop_assert_eq!(steps[0].outcome.as_ref(), Some(&first));
            }
        }
    }

    #[test]
    fn printing_and_parsing_gives_the_same_tree(text in any_expression()) {
        if let Ok(tree) = parser::parse(&text) {
            let printed = tree.to_string();
            let parsed = parser::parse(&printed);
            prop_assert_eq!(parsed.as_ref(), Ok(&tree));
            prop_assert_eq!(parsed.unwrap().to_string(), printed);
        }
    }

    #[test]
    fn any_pattern_compiles_or_is_refused(pattern in "[ -~]{0,16}|[a-c(){}|*+?.\\[\\]\\\\^$<>:=!0-3,d-]{0,24}", text in "[a-c0-3\\n]{0,12}") {
        if let Ok(pattern) = pattern::Pattern::compile(&pattern) {
            let _ = pattern.replace(&text, &pattern::Replacement::Expanded("<$1>"), 1_000);
        }
    }

    #[test]
    fn any_text_is_a_date_or_not(text in "[0-9]{1,4}[-/][0-9]{1,2}[-/][0-9]{1,4}[T ]?[0-9:. +APMZ-]{0,16}", format in "[yMdhHmsftzKT:/' -]{0,12}") {
        let read = dates::read(&text);
        if let Ok(format) = dates::format::DateFormat::compile(&format) {
            let styles = dates::format::Styles::parse("").unwrap();
            let now = read.unwrap_or_default();
            let _ = format.read(&text, styles, now);
            let printed = format.print(now);
            let _ = format.read(&printed, styles, now);
        }
    }
}

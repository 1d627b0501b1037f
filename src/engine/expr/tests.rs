//! The vectors taken from the published documents, our own cases for every function and every
//! error, and properties of any expression whatever.

use std::cell::Cell;
use std::collections::BTreeMap;

use fancy_regex::Regex;
use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;

const VECTORS: &str = include_str!("cases/vectors.json");
const FUNCTIONS: &str = include_str!("cases/functions.json");
const ERRORS: &str = include_str!("cases/errors.json");

/// The world that one case is evaluated in.
struct World {
    attributes: Attributes,
    roles: Vec<AppRole>,
    now: DateTime<Utc>,
    default_domain: Option<String>,
    existing: Vec<String>,
    random: Cell<u64>,
}

impl World {
    fn new(case: &Json) -> Self {
        let mut attributes = Attributes::default();
        for (name, value) in case["attributes"].as_object().into_iter().flatten() {
            if let Some(value) = value_of(value) {
                attributes.set(name, value);
            }
        }
        let text = |json: &Json| json.as_str().map(ToOwned::to_owned);
        let roles = case["roles"].as_array().into_iter().flatten();
        let existing = case["existing"].as_array().into_iter().flatten();
        let now = case["now"].as_str().unwrap_or("2025-01-02T03:04:05Z");
        Self {
            attributes,
            roles: roles
                .map(|role| AppRole {
                    id: text(&role["id"]).unwrap(),
                    value: text(&role["value"]),
                    display_name: text(&role["displayName"]).unwrap(),
                })
                .collect(),
            now: now.parse().unwrap(),
            default_domain: text(&case["tenant"]["default_domain"]),
            existing: existing.filter_map(text).collect(),
            random: Cell::new(42),
        }
    }

    fn with<T>(&self, body: impl FnOnce(&Input<'_>) -> T) -> T {
        // SplitMix64.
        let random = || {
            self.random
                .set(self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
            let bits = self.random.get();
            let bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            bits ^ bits >> 31
        };
        body(&Input {
            attributes: &self.attributes,
            roles: &self.roles,
            write: Write::Update,
            now: self.now,
            random: &random,
            default_domain: self.default_domain.as_deref(),
            taken: &|value| self.existing.iter().any(|existing| existing == value),
        })
    }

    fn evaluate(&self, expression: &str) -> Result<Flow, Error> {
        let expression = Expression::compile(expression)?;
        self.with(|input| expression.evaluate(input))
    }
}

fn value_of(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null => return None,
        Json::Bool(value) => Value::Boolean(*value),
        Json::Number(number) => Value::Integer(number.as_i64().unwrap()),
        Json::String(text) => Value::text(text),
        Json::Array(values) => Value::List(values.iter().filter_map(value_of).collect()),
        Json::Object(members) => match members.get("$repeat") {
            Some(repeat) => {
                let count = usize::try_from(repeat[1].as_u64().unwrap()).unwrap();
                Value::text(repeat[0].as_str().unwrap().repeat(count))
            }
            None => Value::Object(
                members
                    .iter()
                    .filter_map(|(name, value)| Some((name.clone(), value_of(value)?)))
                    .collect(),
            ),
        },
    })
}

/// What came out, in the form in which the files write what is expected.
fn json_of(flow: &Flow) -> Json {
    match flow {
        Flow::Value(Value::List(values)) => values
            .iter()
            .map(|value| json_of(&Flow::Value(value.clone())))
            .collect(),
        Flow::Value(Value::Object(members)) => members
            .iter()
            .map(|(name, value)| match value {
                Value::Boolean(value) => (name.clone(), Json::Bool(*value)),
                other => (name.clone(), json_of(&Flow::Value(other.clone()))),
            })
            .collect(),
        Flow::Value(_) => flow.canonical_text().into(),
        Flow::Null => Json::Null,
        Flow::IgnoreAttribute => serde_json::json!({ "$ignore": true }),
        Flow::IgnoreObject => serde_json::json!({ "$ignore_object": true }),
    }
}

fn cases(file: &str) -> Vec<Json> {
    serde_json::from_str(file).unwrap()
}

fn text<'j>(case: &'j Json, key: &str) -> &'j str {
    case[key].as_str().unwrap()
}

#[test]
fn every_vector_gives_what_is_documented() {
    let mut failures = Vec::new();
    let vectors = cases(VECTORS);
    for case in &vectors {
        let found = World::new(case).evaluate(text(case, "expression"));
        let as_expected = match (&found, &case["expected"], &case["property"]) {
            (Ok(flow), Json::Null, Json::Object(property)) => {
                let regex = Regex::new(property["regex"].as_str().unwrap()).unwrap();
                regex.is_match(&*flow.canonical_text().unwrap()).unwrap()
            }
            (Ok(flow), expected, _) => json_of(flow) == *expected,
            (Err(_), expected, _) => expected["$error"] == true,
        };
        if !as_expected {
            failures.push(format!("{}: {found:?}", text(case, "id")));
        }
    }
    assert_eq!(failures, Vec::<String>::new());
    assert_eq!(vectors.len(), 166);
}

#[test]
fn every_function_does_what_its_cases_say() {
    let mut failures = Vec::new();
    for case in cases(FUNCTIONS) {
        let expression = text(&case, "expression");
        assert!(expression.contains(text(&case, "function")), "{expression}");
        let as_expected = match World::new(&case).evaluate(expression) {
            Ok(flow) => case.get("error").is_none() && json_of(&flow) == case["expected"],
            Err(error) => case["error"] == error.to_string(),
        };
        if !as_expected {
            let found = World::new(&case).evaluate(expression);
            failures.push(format!("{expression}: {found:?}"));
        }
    }
    assert_eq!(failures, Vec::<String>::new());
}

/// What the attributes of a case are known to hold.
fn given_of(value: Option<&Value>) -> Given {
    match value {
        Some(Value::Text(_)) => Given::Text,
        Some(Value::Boolean(_)) => Given::Boolean,
        Some(Value::Integer(_)) => Given::Number,
        Some(Value::Reference(_)) => Given::Reference,
        Some(Value::Object(_)) => Given::Object,
        Some(Value::List(values)) if values.iter().all(|one| matches!(one, Value::Text(_))) => {
            Given::Texts
        }
        Some(Value::List(_)) => Given::Objects,
        None => Given::Unknown,
    }
}

fn may_be(given: &Given, value: &Value) -> bool {
    match given {
        Given::Unknown => true,
        Given::Constant(constant) => constant == value,
        Given::Text | Given::Date => matches!(value, Value::Text(_)),
        Given::Boolean => matches!(value, Value::Boolean(_)),
        // A fraction is passed on as text.
        Given::Number => matches!(value, Value::Integer(_) | Value::Text(_)),
        Given::Reference => matches!(value, Value::Reference(_)),
        Given::Object => matches!(value, Value::Object(_)),
        Given::Texts | Given::Objects => matches!(value, Value::List(_)),
    }
}

#[test]
fn every_case_gives_what_the_table_says_it_can() {
    let mut seen = 0;
    for case in [cases(VECTORS), cases(FUNCTIONS)].concat() {
        let text = text(&case, "expression");
        let world = World::new(&case);
        let Ok(flow) = world.evaluate(text) else {
            continue;
        };
        let expression = Expression::compile(text).unwrap();
        let attribute = |name: &str| match name {
            roles::ATTRIBUTE => Given::Texts,
            _ => given_of(world.attributes.value(name)),
        };
        let given = expression.gives(&attribute);
        let given = given.unwrap_or_else(|error| panic!("{}", error.render(text)));
        if let Flow::Value(value) = flow {
            let empty = value.is_empty() && given.is_empty();
            assert!(
                empty || given.iter().any(|given| may_be(given, &value)),
                "{text}: {given:?}, not {value:?}"
            );
            seen += 1;
        }
    }
    assert!(seen > 150, "{seen}");
}

#[test]
fn what_fails_for_every_object_is_found_without_one() {
    let attribute = |name: &str| match name {
        "list" => Given::Texts,
        "object" => Given::Object,
        _ => Given::Text,
    };
    for text in [
        r#"Append([x], CDate("garbage"))"#,
        "ToUpper([list])",
        r#"ToUpper(Split([x], ","))"#,
        r#"IIF([list] = "a", "b", "c")"#,
        "ToLower([object])",
        "ToUpper(RemoveDuplicates([list]))",
    ] {
        let expression = Expression::compile(text).unwrap();
        assert!(expression.gives(&attribute).is_err(), "{text}");
    }
    for text in [
        "ToUpper(Item([list], 1))",
        r#"Join(";", [list])"#,
        "Count([list])",
        // The list is not the only value that there may be.
        "ToUpper(Coalesce([x], [list]))",
        r#"IIF(1 = 1, "a", CDate("garbage"))"#,
    ] {
        let expression = Expression::compile(text).unwrap();
        assert!(expression.gives(&attribute).is_ok(), "{text}");
    }
}

#[test]
fn every_function_has_a_normal_a_null_and_a_wrong_case() {
    let mut seen = BTreeSet::new();
    for case in cases(FUNCTIONS) {
        seen.insert((
            text(&case, "function").to_owned(),
            text(&case, "case").to_owned(),
        ));
    }
    let vectors = cases(VECTORS);
    for function in functions() {
        for kind in ["normal", "null", "wrong"] {
            let wanted = (function.name.to_owned(), kind.to_owned());
            assert!(seen.contains(&wanted), "{} {kind}", function.name);
        }
    }
    for vector in &vectors {
        let name = text(vector, "function");
        assert!(
            name.starts_with('(') || functions::find(name).is_some(),
            "{name} is in no table"
        );
    }
}

#[test]
fn the_table_of_functions_is_in_order() {
    let names: Vec<_> = functions().iter().map(|f| f.name.to_lowercase()).collect();
    let mut sorted = names.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(names, sorted);
    for function in functions() {
        assert!(!function.help.is_empty() && !function.help.ends_with('.'));
        assert!(function.parameters.len() >= function.repeating);
    }
    let signature = |name| functions::find(name).unwrap().signature();
    assert_eq!(signature("ToLower"), "ToLower(source[, culture])");
    assert_eq!(
        signature("Switch"),
        "Switch(source[, defaultValue], key, value, …)"
    );
}

#[test]
fn the_page_of_expressions_has_every_function_of_the_table() {
    let page = include_str!("../../../docs/expressions.md");
    let (_, sections) = page.split_once("\n## Functions\n").unwrap();
    let found: Vec<&str> = sections
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    let names: Vec<&str> = functions().iter().map(|function| function.name).collect();
    assert_eq!(found, names);
    for function in functions() {
        let head = format!(
            "### {}\n\n`{}`: {}.\n",
            function.name,
            function.signature(),
            function.help
        );
        assert!(sections.contains(&head), "{head}");
        let section = sections.split(&head).nth(1).unwrap();
        let section = section.split("\n### ").next().unwrap();
        assert!(section.contains("\n→ "), "{} has no example", function.name);
    }
}

/// The error of a case, whether it shows when the expression is compiled, when its names are checked
/// or when it is evaluated.
fn error_of(case: &Json) -> Error {
    let compiled = match Expression::compile(text(case, "expression")) {
        Ok(compiled) => compiled,
        Err(error) => return error,
    };
    if let Some(place) = compiled.respelled().first() {
        return place.clone();
    }
    let known = [
        "givenName",
        "surname",
        "a",
        "b",
        "roles",
        "appRoleAssignments",
    ];
    let unknown = compiled.unknown_attribute(|name| known.contains(&name), &known);
    let mut world = World::new(case);
    world.existing = vec!["taken".to_owned()];
    unknown.unwrap_or_else(|| {
        let evaluated = world.with(|input| compiled.evaluate(input));
        evaluated.expect_err(text(case, "expression"))
    })
}

#[test]
fn every_error_says_what_where_and_what_to_do() {
    for case in cases(ERRORS) {
        let expression = text(&case, "expression");
        let error = error_of(&case);
        assert_eq!(error.to_string(), text(&case, "error"), "{expression}");
        assert_eq!(kind_name(&error.kind), text(&case, "kind"), "{expression}");
        let place = (error.line(expression), error.column(expression));
        let expected = (
            case["line"].as_u64().unwrap(),
            case["column"].as_u64().unwrap(),
        );
        assert_eq!((place.0 as u64, place.1 as u64), expected, "{expression}");
        if let Some(help) = case["help"].as_str() {
            assert_eq!(error.kind.help().as_deref(), Some(help));
        }
        let rendered = error.render(expression);
        assert!(rendered.contains('^') && rendered.starts_with(text(&case, "error")));
    }
}

#[test]
fn the_case_of_names_does_not_count() {
    let world = World::new(&serde_json::json!({
        "attributes": { "companyName": "Contoso" },
        "roles": [{ "id": "1", "value": "ds_admin", "displayName": "DS Admin" }],
    }));
    for (text, expected, places) in [
        (r#"switch([CompanyName], "none", "Contoso", "it")"#, "it", 2),
        (
            r#"IIF(ISPRESENT([companyName]), "x", ignoreattributeflow)"#,
            "x",
            2,
        ),
        (r#"INSTR("aB", "b", 1, VBTEXTCOMPARE)"#, "2", 2),
        (
            "singleapproleassignment([APPROLEASSIGNMENTS])",
            "DS Admin",
            2,
        ),
        (
            r#"FormatDateTime("2026-01-02 ", "allowtrailingwhite", "yyyy-MM-dd", "dd")"#,
            "02",
            0,
        ),
        (r#"DateDiff("D", "2026-01-02", "2026-01-05")"#, "3", 0),
    ] {
        let mut expression = Expression::compile(text).unwrap();
        expression.spell_attributes(&|name| {
            let known = name.eq_ignore_ascii_case("companyName");
            known.then(|| "companyName".to_owned())
        });
        assert_eq!(expression.respelled().len(), places, "{text}");
        let flow = world.with(|input| expression.evaluate(input)).unwrap();
        assert_eq!(flow.canonical_text().as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn every_kind_of_error_has_a_case() {
    let mut seen: BTreeSet<String> = cases(ERRORS)
        .iter()
        .map(|case| text(case, "kind").to_owned())
        .collect();
    // These two have long expressions and tests of their own.
    seen.extend(["TooLong".to_owned(), "TooDeep".to_owned()]);
    let source = include_str!("error.rs");
    let start = source.find("enum ErrorKind {").unwrap();
    let body = &source[start..start + source[start..].find("\n}").unwrap()];
    let kinds: BTreeSet<String> = body
        .lines()
        .skip(1)
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
        .map(|line| {
            let end = line.find(|c: char| !c.is_alphanumeric()).unwrap();
            line[..end].to_owned()
        })
        .collect();
    assert!(kinds.len() > 40);
    assert_eq!(seen, kinds);
}

fn kind_name(kind: &ErrorKind) -> String {
    let debug = format!("{kind:?}");
    let end = debug.find(|c: char| !c.is_alphanumeric());
    debug[..end.unwrap_or(debug.len())].to_owned()
}

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

/// Calls of any function with any arguments, most of which the checker takes.
fn any_expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => prop::sample::select(&["[a]", "[b]", "[list]", "[object]", "[none]", "[flag]"][..])
            .prop_map(ToOwned::to_owned),
        2 => "[ -~äß😀\\n]{0,6}".prop_map(|text: String| {
            format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
        }),
        2 => (-5_i64..20).prop_map(|number| number.to_string()),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => prop::sample::select(
            &[
                "\"d\"", "\"ww\"", "\"yyyy\"", "\"m\"", "\"yyyy-MM-dd\"", "\"2024-02-29\"",
                "\"(?<x>[a-z]*)\"", "\"(a|b)*?$\"", "\"x\"", "\"${x}$1\"", "vbTextCompare",
                "IgnoreAttributeFlow", "[appRoleAssignments]", "1.5", "&HFF", "Now()", "Guid()",
                "\" \"", "",
            ][..]
        )
        .prop_map(ToOwned::to_owned),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            4 => (
                (0..functions().len()).prop_map(|at| (functions()[at].name, functions()[at].parameters.len())),
                prop::collection::vec(inner.clone(), 8),
                0_usize..3,
            )
                .prop_map(|((name, count), arguments, more)| {
                    let count = if more == 2 { count + 2 } else { count };
                    format!("{name}({})", arguments[..count.min(8)].join(", "))
                }),
            1 => (inner.clone(), prop::sample::select(&["=", "<>", "<", ">="][..]), inner)
                .prop_map(|(left, operator, right)| format!("{left} {operator} {right}")),
        ]
    })
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

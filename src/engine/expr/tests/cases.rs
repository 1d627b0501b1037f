//! The vectors and the cases, and what the table says of them.

use super::*;

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
    let page = include_str!("../../../../docs/expressions.md");
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
    let source = include_str!("../error.rs");
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

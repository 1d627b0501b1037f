//! The pages about expressions and about parity with Entra: their examples are run, and the cases and tests
//! that they name exist.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::eval::{Folder, read, root};

/// The text of the first block of this language behind a heading or sentence.
fn block<'t>(page: &'t str, behind: &str, language: &str) -> &'t str {
    let (_, rest) = page
        .split_once(behind)
        .unwrap_or_else(|| panic!("{behind}"));
    let (_, rest) = rest.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("\n```").unwrap().0
}

#[test]
fn the_examples_of_the_page_are_what_comes_out() {
    let page = read("docs/expressions.md");
    let user: Value = serde_json::from_str(block(&page, "## Functions", "json")).unwrap();
    let roles: Value = serde_json::from_str(block(&page, "holds these roles", "json")).unwrap();
    let (_, functions) = page.split_once("holds these roles").unwrap();
    let mut cases = Vec::new();
    let mut expression = "";
    for line in functions.lines() {
        let Some(shown) = line.strip_prefix("→ ") else {
            expression = line;
            continue;
        };
        let mut case = json!({
            "id": expression,
            "expression": expression,
            "attributes": user,
            "roles": roles,
            "existing": ["jdoe@contoso.com"],
            "tenant": { "default_domain": "contoso.com" },
            "now": "2026-03-02T09:30:00Z",
        });
        if let Some(example) = shown.strip_prefix("such as ") {
            let example: String = serde_json::from_str(example).unwrap();
            let like = |c: char| if c.is_alphanumeric() { "[0-9a-z]" } else { "-" };
            let like: String = example.chars().map(like).collect();
            case["property"] = json!({ "regex": format!("^{like}$") });
        } else if shown.starts_with("error: ") {
            case["expected"] = json!({ "$error": true });
        } else if shown == "ignored: attribute" {
            case["expected"] = json!({ "$ignore": true });
        } else {
            case["expected"] = serde_json::from_str(shown).unwrap();
        }
        cases.push(case);
    }
    assert!(cases.len() > 70, "{}", cases.len());
    let user = user.to_string();
    let folder = Folder::new(&[
        ("examples.json", &Value::from(cases).to_string()),
        (
            "own.json",
            block(&page, "## Tests of your own mappings", "json"),
        ),
        ("user.json", &user),
    ]);
    let run = folder.run(&["eval", "--cases", "examples.json"]);
    assert_eq!(run.code, 0, "{}", run.out);
    let run = folder.run(&["eval", "--cases", "own.json"]).expect(0);
    assert_eq!(run.out, "2 passed, 0 failed\n");

    let errors = functions
        .lines()
        .filter_map(|line| line.strip_prefix("→ error: "));
    for error in errors {
        let at = functions.find(&format!("\n→ error: {error}")).unwrap();
        let expression = functions[..at].lines().last().unwrap();
        let run = folder
            .run(&["eval", expression, "--object", "user.json"])
            .expect(1);
        assert!(run.err.contains(error), "{run:?}");
    }
}

#[test]
fn every_row_of_the_parity_page_is_proven() {
    let page = read("docs/entra-parity.md");
    let mut known = tests();
    for (file, name) in [
        ("vectors", ["id", "id"]),
        ("functions", ["function", "case"]),
    ] {
        let cases = read(&format!("src/engine/expr/cases/{file}.json"));
        let cases: Vec<Value> = serde_json::from_str(&cases).unwrap();
        known.extend(cases.iter().map(|case| {
            let [one, two] = name.map(|name| case[name].as_str().unwrap());
            if one == two {
                one.to_owned()
            } else {
                format!("{one}/{two}")
            }
        }));
    }
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.ends_with("| proof |"));
    let mut count = 0;
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [_, verdict, differs, proof] = cells[..] else {
            panic!("{} cells: {row}", cells.len());
        };
        assert!(["same", "better", "different"].contains(&verdict), "{row}");
        assert!(
            verdict == "same" || !differs.is_empty(),
            "how or why: {row}"
        );
        let proofs: Vec<&str> = proof.split('`').skip(1).step_by(2).collect();
        assert!(!proofs.is_empty(), "no proof: {row}");
        for proof in proofs {
            assert!(
                known.contains(proof),
                "there is no case or test {proof}: {row}"
            );
        }
        count += 1;
    }
    assert!(count > 100, "{count}");
}

#[test]
fn every_row_of_the_page_of_quirks_names_a_test() {
    let page = read("docs/targets/quirks.md");
    let known = tests();
    let (page, _) = page.split_once("## Servers").unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let rows: Vec<&str> = rows.filter(|line| !line.ends_with("| test |")).collect();
    assert!(rows.len() > 90, "{}", rows.len());
    for row in rows {
        let proof = row.trim_matches('|').rsplit(" | ").next().unwrap().trim();
        let names: Vec<&str> = proof.split('`').skip(1).step_by(2).collect();
        assert!(proof == "the same" || !names.is_empty(), "no test: {row}");
        for name in names {
            assert!(known.contains(name), "there is no test {name}: {row}");
        }
    }
}

#[test]
fn every_row_of_the_threat_model_names_a_test() {
    let page = read("docs/threat-model.md");
    let known = tests();
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let rows = rows.filter(|line| !line.ends_with("| test |"));
    let mut count = 0;
    for row in rows {
        let (_, proofs) = row.trim_end_matches(" |").rsplit_once(" | ").unwrap();
        for proof in proofs.split('`').skip(1).step_by(2) {
            assert!(known.contains(proof), "there is no test {proof}: {row}");
            count += 1;
        }
    }
    assert!(count > 30, "{count}");
}

/// The names of all tests of the project.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut folders = vec![root().join("src"), root().join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(path).unwrap();
                let tests = text
                    .split("#[test]")
                    .chain(text.split("#[tokio::test"))
                    .skip(1);
                names.extend(tests.filter_map(|test| {
                    let (_, name) = test.split_once("fn ")?;
                    Some(name.split('(').next()?.to_owned())
                }));
            }
        }
    }
    names
}

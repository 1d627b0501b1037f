//! `entrain eval` and `entrain presets` as they are typed.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use entrain::sandbox::Size;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::rig::{Rig, Run};

const USER: &str = r#"{
    "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#users/$entity",
    "id": "5f3b1c9a-7d24-4a86-9c1e-2b6f0d8e4a37",
    "userPrincipalName": "jane_home.com#EXT#@contoso.com",
    "givenName": "Jane",
    "surname": "Doe",
    "mail": null,
    "accountEnabled": false,
    "businessPhones": ["+49 30 1", "+49 30 2"],
    "employeeOrgData": { "division": "North", "costCenter": null },
    "manager": { "id": "0C21E0B6-3C61-4A6B-8C0E-000000000001", "displayName": "Boss" }
}"#;

/// A folder with files, and the program run in it. There is no configuration.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.run_with(arguments, "")
    }

    fn run_with(&self, arguments: &[&str], input: &str) -> Run {
        let mut child = Command::new(env!("CARGO_BIN_EXE_entrain"))
            .args(arguments)
            .current_dir(self.0.path())
            .env_remove("ENTRAIN_CONFIG")
            .env("NO_COLOR", "1")
            .env("COLUMNS", "10000")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that does not read it has closed it already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Run {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn document(run: &Run) -> Value {
    serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("not JSON ({error}): {run:?}"))
}

#[test]
fn a_value_is_shown_as_text_and_as_json() {
    let folder = Folder::new(&[("user.json", USER)]);
    for (expression, text, value) in [
        (
            r#"Join(" ", [givenName], [surname])"#,
            "Jane Doe\n",
            json!("Jane Doe"),
        ),
        (
            "[businessPhones]",
            "+49 30 1\n+49 30 2\n",
            json!(["+49 30 1", "+49 30 2"]),
        ),
        ("Len([surname])", "3\n", json!("3")),
        ("[mail]", "null\n", json!(null)),
        // What a job computes is computed here, too.
        ("Not([IsSoftDeleted])", "False\n", json!("False")),
        ("[telephoneNumber]", "+49 30 1\n", json!("+49 30 1")),
        (
            "[userPrincipalName]",
            "jane@home.com\n",
            json!("jane@home.com"),
        ),
        (
            "[originalUserPrincipalName]",
            "jane_home.com#EXT#@contoso.com\n",
            json!("jane_home.com#EXT#@contoso.com"),
        ),
        ("[employeeOrgData.division]", "North\n", json!("North")),
        (
            "[manager]",
            "0c21e0b6-3c61-4a6b-8c0e-000000000001\n",
            json!("0c21e0b6-3c61-4a6b-8c0e-000000000001"),
        ),
        // A line break or an escape must not reach the terminal; JSON holds it as it is.
        (
            "Append(\"a\n\u{1b}\", \"b\")",
            "a\\n\\u{1b}b\n",
            json!("a\n\u{1b}b"),
        ),
    ] {
        let run = folder
            .run(&["eval", expression, "--object", "user.json"])
            .expect(0);
        assert_eq!(
            (run.out.as_str(), run.err.as_str()),
            (text, ""),
            "{expression}"
        );
        let run = folder.run(&[
            "eval",
            expression,
            "--object",
            "user.json",
            "--format",
            "json",
        ]);
        assert_eq!(
            document(&run.expect(0)),
            json!({ "value": value }),
            "{expression}"
        );
    }
}

#[test]
fn what_is_ignored_says_so() {
    let folder = Folder::new(&[]);
    for (expression, what) in [
        ("IgnoreFlowIfNullOrEmpty([mail])", "attribute"),
        (r#"IIF([mail] = "x", "y", IgnoreObjectFlow)"#, "object"),
    ] {
        let run = folder
            .run(&["eval", expression, "--format", "json"])
            .expect(0);
        assert_eq!(document(&run), json!({ "ignored": what }));
        let run = folder.run(&["eval", expression]).expect(0);
        assert!(run.out.contains(what), "{run:?}");
    }
}

#[test]
fn an_expression_comes_from_a_file_or_from_standard_input() {
    let folder = Folder::new(&[("upn.txt", "\u{feff}Join(\n  \"-\", \"a\", \"b\"\n)\n")]);
    let run = folder
        .run(&["eval", "--expression-file", "upn.txt"])
        .expect(0);
    assert_eq!(run.out, "a-b\n");
    let run = folder
        .run_with(&["eval", "-"], "Append(\"a\", \"b\")\n")
        .expect(0);
    assert_eq!(run.out, "ab\n");
}

#[test]
fn the_environment_is_what_the_options_say() {
    let roles = r#"[{ "id": "1", "value": "Admin", "displayName": "Administrator" }]"#;
    let folder = Folder::new(&[("roles.json", roles)]);
    let eval = |arguments: &[&str]| {
        let arguments = [&["eval"], arguments].concat();
        folder.run(&arguments).expect(0).out
    };
    assert_eq!(
        eval(&["Now()", "--now", "2026-03-02T09:30:00+01:00"]),
        "3/2/2026 8:30:00 AM\n"
    );
    assert_eq!(
        eval(&["Now()", "--now", "2026-03-02"]),
        "3/2/2026 12:00:00 AM\n"
    );
    assert_eq!(
        eval(&["DefaultDomain()", "--default-domain", "contoso.com"]),
        "contoso.com\n"
    );
    let unique = r#"SelectUniqueValue("a", "b", "c")"#;
    assert_eq!(eval(&[unique, "--existing", "a", "b"]), "c\n");
    assert_eq!(
        eval(&["--existing", "a", "--existing", "b", "--", unique]),
        "c\n"
    );
    let roles = "SingleAppRoleAssignment([appRoleAssignments])";
    assert_eq!(eval(&[roles, "--roles", "roles.json"]), "Administrator\n");
    assert_eq!(eval(&["-1"]), "-1\n");
}

#[test]
fn an_error_points_at_its_place() {
    let folder = Folder::new(&[]);
    let run = folder.run(&["eval", "Append([mail],\n Jion(1))"]).expect(2);
    assert_eq!(run.out, "");
    assert_eq!(
        run.err,
        "error: unknown function Jion (line 2, column 2)\n  |\n2 |  Jion(1))\n  |  ^^^^ did you mean \
         Join?\n"
    );
    let run = folder.run(&["eval", "CDate([mail])"]).expect(1);
    assert!(
        run.err
            .starts_with("error: expression of CDate is null (line 1, column 7)\n"),
        "{run:?}"
    );

    let run = folder
        .run(&["eval", "Append([a] [b])", "--format", "json"])
        .expect(2);
    let error = &document(&run)["error"];
    assert_eq!((&error["line"], &error["column"]), (&json!(1), &json!(12)));
    assert_eq!(error["expected"], "a comma or a closing parenthesis");
    let run = folder
        .run(&["eval", "CDate([mail])", "--format", "json"])
        .expect(1);
    let expected = json!({
        "error": { "message": "expression of CDate is null", "line": 1, "column": 7 }
    });
    assert_eq!(document(&run), expected);
}

#[test]
fn an_attribute_that_a_configuration_refuses_is_warned_of() {
    let folder = Folder::new(&[("user.json", r#"{ "badge": "7", "shoe": null }"#)]);
    let eval = |expression| {
        folder
            .run(&["eval", expression, "--object", "user.json"])
            .expect(0)
            .err
    };
    assert!(eval("[giveName]").contains("did you mean [givenName]?"));
    assert_eq!(eval("Join(\"\", [givenName], [badge], [shoe])"), "");
}

#[test]
fn every_part_is_explained() {
    let folder = Folder::new(&[("user.json", USER)]);
    let expression = r#"IIF([surname] = "Doe", Redact(Left([surname], 1)), CDate([mail]))"#;
    let arguments = ["eval", expression, "--object", "user.json", "--explain"];
    let run = folder.run(&arguments).expect(0);
    insta::assert_snapshot!(run.out, @r#"
    IIF([surname] = "Doe", Redact(Left([surname], 1)), CDate([mail]))  =>  "D"  (marked by Redact)
      [surname] = "Doe"  =>  True
        [surname]  =>  "Doe"
        "Doe"  =>  "Doe"
      Redact(Left([surname], 1))  =>  "D"  (marked by Redact)
        Left([surname], 1)  =>  "D"  (marked by Redact)
          [surname]  =>  "Doe"  (marked by Redact)
          1  =>  1  (marked by Redact)
      CDate([mail])  =>  (not evaluated)
        [mail]  =>  (not evaluated)
    "#);
    let run = folder
        .run(&[&arguments[..], &["--format", "json"]].concat())
        .expect(0);
    let document = document(&run);
    assert_eq!(document["value"], "D");
    let steps = document["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 10);
    assert_eq!(
        steps[1],
        json!({ "expression": "[surname] = \"Doe\"", "value": "True" })
    );
    assert_eq!(
        steps[8],
        json!({ "expression": "CDate([mail])", "evaluated": false })
    );
}

#[test]
fn what_cannot_be_read_is_reported_with_its_place() {
    let folder = Folder::new(&[
        ("broken.json", "{\n  \"a\": 1,\n}"),
        ("list.json", "[1]"),
        (
            "cases.json",
            "[\n  { \"expression\": \"Now()\", \"expcted\": \"x\" }\n]",
        ),
        (
            "number.json",
            r#"[{ "id": "len", "expression": "Len(\"a\")", "expected": 1 }]"#,
        ),
        (
            "nothing.json",
            r#"[{ "id": "len", "expression": "Len(\"a\")" }]"#,
        ),
        (
            "twice.json",
            r#"[{ "id": "a", "expression": "1", "expected": "1" },
                { "id": "a", "expression": "1", "expected": "1" }]"#,
        ),
        (
            "pattern.json",
            r#"[{ "id": "a", "expression": "1", "property": { "regex": "(" } }]"#,
        ),
    ]);
    fs::write(folder.0.path().join("latin.json"), b"{\"a\": \"\xe4\"}").unwrap();
    for (arguments, message) in [
        (
            &["[a]", "--object", "broken.json"][..],
            "broken.json, line 3, column 1: trailing comma",
        ),
        (
            &["[a]", "--object", "list.json"],
            "wrong type: list, expected an object",
        ),
        (
            &["[a]", "--object", "missing.json"],
            "missing.json: it cannot be read: ",
        ),
        (
            &["[a]", "--object", "latin.json"],
            "latin.json: it is not UTF-8",
        ),
        (
            &["[a]", "--roles", "broken.json"],
            "broken.json, line 1, column 1: wrong type",
        ),
        (
            &["--expression-file", "missing.txt"],
            "missing.txt: it cannot be read: ",
        ),
        (
            &["--cases", "missing.json"],
            "missing.json: it cannot be read: ",
        ),
        (
            &["--cases", "cases.json"],
            "cases.json, line 2, column 36: unknown field `expcted`",
        ),
        (
            &["--cases", "number.json"],
            "case \"len\": results are text: expect \"1\"",
        ),
        (
            &["--cases", "nothing.json"],
            "case \"len\" does not say what is expected",
        ),
        (&["--cases", "twice.json"], "two cases have the id \"a\""),
        (
            &["--cases", "pattern.json"],
            "case \"a\": the pattern cannot be read",
        ),
    ] {
        let run = folder.run(&[&["eval"], arguments].concat()).expect(2);
        assert!(run.err.contains(message), "{message}\n{}", run.err);
        assert_eq!(run.out, "");
        let run = folder
            .run(&[&["eval", "--format", "json"], arguments].concat())
            .expect(2);
        assert!(document(&run)["error"]["message"].is_string());
    }
    let run = folder.run(&["eval", "[a]", "--object", "broken.json", "--format", "json"]);
    let error = &document(&run)["error"];
    assert_eq!(
        (&error["file"], &error["line"]),
        (&json!("broken.json"), &json!(3))
    );
}

#[test]
fn wrong_usage_exits_with_two() {
    let folder = Folder::new(&[("user.json", USER)]);
    for arguments in [
        &["eval"][..],
        &["eval", "1", "--cases", "x.json"],
        &["eval", "1", "--expression-file", "x.txt"],
        &["eval", "1", "--object", "user.json", "--user", "jane"],
        &["eval", "Now()", "--now", "tomorrow"],
        &["presets", "show"],
        &["presets", "show", "wizzer"],
        // Without a configuration it is not known where the state is.
        &["eval", "[mail]", "--user", "jane"],
    ] {
        folder.run(arguments).expect(2);
    }
    let run = folder.run(&["presets", "show", "wizzer"]);
    assert!(run.err.contains("did you mean \"wizer\"?"), "{run:?}");
}

#[test]
fn the_published_cases_pass() {
    let vectors = root().join("src/engine/expr/cases/vectors.json");
    let folder = Folder::new(&[]);
    let run = folder
        .run(&["eval", "--cases", vectors.to_str().unwrap()])
        .expect(0);
    assert_eq!(
        (run.out.as_str(), run.err.as_str()),
        ("166 passed, 0 failed\n", "")
    );
}

#[test]
fn a_case_that_differs_is_shown() {
    let cases = r#"[
        { "id": "good", "expression": "[a]", "attributes": { "a": "x" }, "expected": "x" },
        { "id": "bad", "expression": "Left([a], 1)", "attributes": { "a": "xy" }, "expected": "xy" },
        { "expression": "Left([a]", "expected": null },
        { "id": "ignored", "expression": "IgnoreFlowIfNullOrEmpty([a])", "expected": { "$ignore": true } },
        { "id": "wrong", "expression": "CDate([a])", "expected": { "$error": true } },
        { "id": "random", "expression": "Guid()", "property": { "regex": "^[0-9a-f-]{36}$" } },
        { "id": "role", "expression": "AppRoleAssignmentsComplex([appRoleAssignments])",
          "roles": [{ "id": "1", "value": "A", "displayName": "B" }],
          "expected": ["{ \"value\": \"A\", \"displayName\": \"B\", \"id\": \"1\" }"] }
    ]"#;
    let folder = Folder::new(&[("cases.json", cases)]);
    let run = folder.run(&["eval", "--cases", "cases.json"]).expect(1);
    insta::assert_snapshot!(run.out, @r#"
    bad
      expression: Left([a], 1)
      expected:   "xy"
      found:      "x"

    case 3
      expression: Left([a]
      expected:   null
      found:      error: expected a comma or a closing parenthesis, found the end of the expression (line 1, column 9)
                    |
                  1 | Left([a]
                    |         ^

    5 passed, 2 failed
    "#);
    let run = folder
        .run(&["eval", "--cases", "cases.json", "--format", "json"])
        .expect(1);
    let document = document(&run);
    assert_eq!(
        (&document["passed"], &document["failed"]),
        (&json!(5), &json!(2))
    );
    assert_eq!(document["differences"][0]["id"], "bad");
    assert_eq!(document["differences"][1]["found"]["error"]["column"], 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_comes_from_the_state() {
    let rig = Rig::start(Size::new(10, 0, 0)).await;
    let run = rig
        .run(&["eval", "[mail]", "--user", "jane"])
        .await
        .expect(1);
    assert!(run.err.contains("the first cycle"), "{run:?}");
    rig.sync().await.expect(0);
    let user = rig.tenant().users().remove(0);
    let name = user.properties["userPrincipalName"].as_str().unwrap();
    for id in [name.to_uppercase(), user.id.to_string()] {
        let run = rig
            .run(&["eval", "[displayName]", "--user", &id, "--format", "json"])
            .await;
        let shown = document(&run.expect(0));
        assert_eq!(shown, json!({ "value": user.properties["displayName"] }));
    }
    let roles = "AppRoleAssignments([appRoleAssignments])";
    let run = rig.run(&["eval", roles, "--user", name]).await.expect(0);
    assert!(run.err.contains("name some with --roles"), "{run:?}");
    let run = rig
        .run(&["eval", "[mail]", "--user", "nobody"])
        .await
        .expect(1);
    assert!(run.err.contains("the state has no user nobody"), "{run:?}");
}

#[test]
fn presets_are_listed_and_printed() {
    let folder = Folder::new(&[]);
    let run = folder.run(&["presets"]).expect(0);
    assert!(
        run.out
            .contains("users: 22 attributes, matched by userName\n"),
        "{run:?}"
    );
    let run = folder.run(&["presets", "--format", "json"]).expect(0);
    let presets = document(&run)["presets"].clone();
    let names: Vec<_> = presets
        .as_array()
        .unwrap()
        .iter()
        .map(|preset| &preset["name"])
        .collect();
    assert_eq!(
        names,
        [
            "generic",
            "symantec-wss",
            "wizer",
            "sosafe",
            "sonicwall-cse"
        ]
    );
    for name in names {
        let name = name.as_str().unwrap();
        let run = folder.run(&["presets", "show", name]).expect(0);
        assert_eq!(run.out, read(&format!("presets/{name}.toml")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_ends_is_not_read_to_its_end() {
    let rig = Rig::start(Size::new(1, 1, 1)).await;
    for option in ["--object", "--roles", "--expression-file", "--cases"] {
        let mut arguments = vec!["eval"];
        if matches!(option, "--object" | "--roles") {
            arguments.push("[mail]");
        }
        arguments.extend([option, "/dev/zero"]);
        let run = rig.run(&arguments).await.expect(2);
        assert!(run.err.contains("larger than 8 MiB"), "{run:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expression_may_begin_with_a_hyphen_and_existing_values_are_compared_without_case() {
    let rig = Rig::start(Size::new(1, 1, 1)).await;
    let run = rig.run(&["eval", "-&HF"]).await;
    assert!(!run.err.contains("unexpected argument"), "{run:?}");
    let unique = r#"SelectUniqueValue("a", "b")"#;
    let run = rig
        .run(&["eval", unique, "--existing", "A"])
        .await
        .expect(0);
    assert_eq!(run.out, "b\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_null_that_no_job_has_read_is_reported() {
    let rig = Rig::start(Size::new(1, 1, 1)).await;
    rig.joiner("jane");
    rig.sync().await.expect(0);
    let user = ["--user", "jane@contoso.com"];
    let run = rig.run(&["eval", "[companyName]", user[0], user[1]]).await;
    assert!(
        run.err.contains("no [companyName] of this user") && run.err.contains("no job reads it"),
        "{run:?}"
    );
    let run = rig.run(&["eval", "[displayName]", user[0], user[1]]).await;
    assert!(!run.err.contains("note:"), "{run:?}");
}

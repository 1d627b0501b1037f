//! Plans in a pipeline: without secrets, tenant and target, as the examples in docs/ci have it; and the JSON Schema
//! of a plan.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use entrain::sandbox::{Quirk, Size};
use serde_json::{Value, json};

use crate::foreign::{installed, targets};
use crate::rig::Rig;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

/// A folder as a pipeline has it: configurations and a snapshot, no secret, and no server that answers.
async fn checkout() -> Rig {
    let rig = Rig::start(Size::new(12, 3, 20)).await;
    let snapshot = ["source", "snapshot", "tenant.json", "--redact"];
    rig.run(&snapshot).await.expect(0);
    for name in ["secret", "token"] {
        fs::remove_file(rig.path(name)).unwrap();
    }
    rig.edit(|text| text.replace("127.0.0.1", "127.0.0.2"));
    fs::copy(rig.path("entrain.toml"), rig.path("main.toml")).unwrap();
    rig
}

/// Runs a command as a pipeline does; `false`: the pipeline ends there.
fn in_shell(rig: &Rig, command: &str) -> bool {
    let program = Path::new(env!("CARGO_BIN_EXE_entrain"));
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut path = program.parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(folders);
    let status = Command::new("bash")
        .args(["-e", "-c", command])
        .current_dir(rig.path(""))
        .env("PATH", path)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status();
    status.unwrap().success()
}

/// Adds lines to the configuration at hand.
fn change(rig: &Rig, lines: &str) {
    rig.edit(|text| format!("{text}\n{lines}\n"));
}

fn read(rig: &Rig, name: &str) -> String {
    fs::read_to_string(rig.path(name)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_configurations_are_compared_without_secrets_tenant_and_target() {
    let rig = checkout().await;
    let arguments = [
        "plan",
        "--source",
        "tenant.json",
        "--against",
        "main.toml",
        "--out",
        "comment.md",
    ];
    let run = rig.run(&arguments).await.expect(0);
    assert!(run.out.contains("the target was not contacted"), "{run:?}");
    assert!(run.out.contains("No changes."), "{run:?}");
    change(
        &rig,
        "[[jobs.users.mappings]]\ntarget = \"nickName\"\nsource = \"department\"",
    );
    let run = rig.run(&arguments).await.expect(0);
    assert!(run.out.contains("to create"), "{run:?}");
    assert!(run.out.contains("0 to the target"), "{run:?}");
    let comment = read(&rig, "comment.md");
    // Both plans create everyone, so that only what differs of each account is shown.
    assert!(comment.contains("`nickName`: (none) → "), "{comment}");
    assert!(!comment.contains("`userName`"), "{comment}");
    assert!(
        comment.contains("with other values than with main.toml"),
        "{comment}"
    );
    assert!(!comment.contains("<summary>Skip"), "{comment}");
    assert!(comment.contains("\nPlanned on 20"), "{comment}");
    assert!(!comment.contains("nothing is disabled"), "{comment}");
    assert!(
        comment.contains("the target was not contacted"),
        "{comment}"
    );
    assert!(!rig.path("entrain.db").exists());
    // Another scope: who leaves it, and why.
    change(&rig, "[jobs.users]\nenabled = false");
    rig.run(&arguments).await.expect(0);
    let comment = read(&rig, "comment.md");
    assert!(
        comment.contains("both plans are for an empty target"),
        "{comment}"
    );
    assert!(comment.contains("<summary>Skip"), "{comment}");
    // A plan that is not compared with another is of no use without the target.
    let run = rig
        .run(&["plan", "--source", "tenant.json"])
        .await
        .expect(1);
    assert!(run.err.contains("token"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_state_only_what_the_change_means_is_planned() {
    let rig = Rig::start(Size::new(12, 3, 20)).await;
    rig.sync().await.expect(0);
    rig.run(&["source", "snapshot", "tenant.json"])
        .await
        .expect(0);
    fs::copy(rig.path("entrain.toml"), rig.path("main.toml")).unwrap();
    change(
        &rig,
        "[[jobs.users.mappings]]\ntarget = \"nickName\"\nsource = \"department\"",
    );
    fs::remove_file(rig.path("token")).unwrap();
    rig.sandbox.target.traffic().reset();
    let arguments = ["plan", "--source", "tenant.json", "--against", "main.toml"];
    let run = rig
        .run(&[&arguments[..], &["--format", "json"]].concat())
        .await;
    let plan = run.expect(0).job();
    let actions = plan["actions"].as_array().unwrap();
    assert!(!actions.is_empty());
    for action in actions {
        assert_eq!(action["action"], "update", "{action:#}");
        assert_eq!(action["changes"][0]["path"], "nickName", "{action:#}");
    }
    assert_eq!(plan["snapshot"]["without_target"], true);
    assert_eq!(rig.sandbox.target.traffic().exchanges().len(), 0);
}

/// Every text in a document, whatever it belongs to.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(members) => members.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_for_pipelines_are_yaml_and_their_commands_work() {
    let Some(home) = installed("jsonschema") else {
        return;
    };
    let files: Vec<PathBuf> = ["github-actions.yml", "gitlab-ci.yml"]
        .map(|name| docs().join("ci").join(name))
        .into();
    let output = Command::new(home.join("venv/bin/python"))
        .arg(targets().join("jsonschema/yaml_as_json.py"))
        .args(&files)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let documents: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(documents.len(), files.len());
    let steps = documents[0]["jobs"]["plan"]["steps"].as_array().unwrap();
    let is_step = |step: &Value| step["uses"].is_string() != step["run"].is_string();
    assert!(steps.iter().all(is_step), "{steps:#?}");
    assert!(documents[1]["entrain-plan"]["script"].is_array());
    // What a command of a step needs is installed before.
    let actions = steps
        .iter()
        .filter_map(|step| step["run"].as_str())
        .collect::<Vec<_>>()
        .join("\n");
    let job = &documents[1]["entrain-plan"];
    let gitlab = texts(&json!([job["before_script"], job["script"]])).join("\n");
    for script in [&actions, &gitlab] {
        let (install, rest) = script.split_once("entrain check").unwrap();
        assert!(install.contains("entrain.deb") && install.contains("sha256sum --check"));
        assert!(rest.contains("entrain plan"), "{script}");
    }
    let (image, commands) = gitlab.split_once("apt-get install").unwrap();
    assert!(
        !image.contains("curl ") && !image.contains("git "),
        "{gitlab}"
    );
    let (packages, _) = commands.split_once('\n').unwrap();
    for program in ["ca-certificates", "curl", "git"] {
        assert!(packages.contains(program), "{packages}");
    }
    for document in &documents {
        let rig = checkout().await;
        let texts = texts(document);
        let commands: Vec<&String> = texts
            .iter()
            .filter(|text| text.starts_with("entrain "))
            .collect();
        assert_eq!(commands.len(), 2, "{commands:?}");
        for command in &commands {
            assert!(in_shell(&rig, command), "{command}");
        }
        assert!(read(&rig, "comment.md").contains("Plan of"));
        // What would fail is in the comment, and keeps it from nobody.
        change(
            &rig,
            "[[jobs.users.mappings]]\ntarget = \"userName\"\nsource = \"faxNumber\"\nmatch = 1",
        );
        fs::remove_file(rig.path("comment.md")).unwrap();
        assert!(in_shell(&rig, commands[1]));
        let comment = read(&rig, "comment.md");
        assert!(comment.to_lowercase().contains("fail"), "{comment}");
        // What is wrong with the configuration ends the pipeline.
        change(&rig, "unknown = true");
        assert!(!in_shell(&rig, commands[1]));
        assert!(!document.to_string().contains("secrets."), "no secret");
    }
}

/// The schema, with every field that it does not name refused.
fn strict(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.values_mut().for_each(strict);
            let is_closed = members.get("type") == Some(&json!("object"))
                && members.contains_key("properties")
                && members.contains_key("required");
            if is_closed {
                members.insert("additionalProperties".to_owned(), json!(false));
            }
        }
        Value::Array(values) => values.iter_mut().for_each(strict),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_of_a_plan_describes_every_field_of_real_plans() {
    let Some(home) = installed("jsonschema") else {
        return;
    };
    let rig = Rig::start(Size::new(20, 4, 40)).await;
    let mut plans = Vec::new();
    let mut keep = |run: crate::rig::Run| {
        let path = rig.path(&format!("plan{}.json", plans.len()));
        fs::write(&path, &run.out).unwrap();
        plans.push(path);
    };
    keep(rig.plan().await);
    rig.sync().await.expect(0);
    let jane = rig.joiner("jane");
    let fans = rig.tenant().add_group("Fans");
    rig.tenant().add_members(fans, &[jane]);
    rig.tenant().assign(fans, entrain::sandbox::ROLE_USER);
    let users = rig.tenant().users();
    for user in users.iter().take(6) {
        rig.tenant()
            .set_property(user.id, "accountEnabled", json!(false));
    }
    for user in users.iter().skip(6).take(3) {
        rig.tenant()
            .set_property(user.id, "jobTitle", json!("Head"));
    }
    rig.sandbox.target.configure(|personality| {
        personality.read_only.insert("title".to_owned());
    });
    rig.sandbox.target.enable(Quirk::UniqueEmails);
    keep(rig.plan().await);
    rig.edit(|text| format!("{text}\n[jobs.safety]\nmax_deletions = 0\n"));
    keep(rig.plan().await);
    let what_if = [
        "plan",
        "--what-if",
        "delete jane@contoso.com",
        "--format",
        "json",
    ];
    keep(rig.run(&what_if).await);
    fs::remove_file(rig.path("token")).unwrap();
    keep(rig.plan().await);

    let text = fs::read_to_string(docs().join("plan.schema.json")).unwrap();
    let mut schema: Value = serde_json::from_str(&text).unwrap();
    strict(&mut schema);
    fs::write(rig.path("strict.json"), schema.to_string()).unwrap();
    for schema in [docs().join("plan.schema.json"), rig.path("strict.json")] {
        let output = Command::new(home.join("venv/bin/python"))
            .arg(targets().join("jsonschema/verify.py"))
            .arg(&schema)
            .args(&plans)
            .output()
            .unwrap();
        let verdicts = String::from_utf8(output.stdout).unwrap();
        for (path, verdict) in plans.iter().zip(verdicts.lines()) {
            let plan = fs::read_to_string(path).unwrap();
            assert_eq!(verdict, "ok", "{}\n{plan}", path.display());
        }
        assert_eq!(verdicts.lines().count(), plans.len());
    }
}

//! The JSON Schema of the configuration, judged by a validator that we did not write: it accepts what
//! `check` accepts, and refuses what `check` refuses for its shape.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use entrain::sandbox::Size;

use crate::foreign::{installed, targets};
use crate::rig::Rig;

const SOURCE: &str = r#"[source]
tenant_id = "00001111-aaaa-2222-bbbb-3333cccc4444"
client_id = "11112222-bbbb-3333-cccc-4444dddd5555"
"#;
const SECRET: &str = "client_secret = { env = \"SECRET\" }\n";
const JOB: &str = r#"[[jobs]]
name = "acme"
application = { app_id = "22223333-cccc-4444-dddd-5555eeee6666" }
[jobs.target]
base_url = "https://acme.example/scim"
token = { env = "ACME_TOKEN" }
"#;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn schema_file() -> PathBuf {
    root().join("config.schema.json")
}

/// What the validator says of each file.
fn validate(home: &Path, files: &[PathBuf]) -> Vec<String> {
    let output = Command::new(home.join("venv/bin/python"))
        .arg(targets().join("jsonschema/verify.py"))
        .arg(schema_file())
        .args(files)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(str::to_owned).collect()
}

/// The examples of a page, each made a whole configuration.
fn examples(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap();
    let blocks = text.split("```toml\n").skip(1);
    blocks
        .map(|block| whole(block.split("```").next().unwrap()))
        .collect()
}

/// Adds what a part of a configuration leaves out.
fn whole(part: &str) -> String {
    let has = |line: &str| part.lines().any(|one| one.trim() == line);
    let is_of_source = !part.trim_start().starts_with('[');
    let has_source = has("[source]") || has("[[sources]]");
    let source = match (has_source, is_of_source) {
        (true, _) => String::new(),
        (false, true) => SOURCE.to_owned(),
        (false, false) => format!("{SOURCE}{SECRET}"),
    };
    let (before, after) = match (has("[[jobs]]"), is_of_source || has_source) {
        (true, _) => ("", ""),
        (false, true) => ("", JOB),
        (false, false) => (JOB, ""),
    };
    format!("{source}{before}{part}\n{after}")
}

fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md")];
    for folder in ["docs", "docs/targets"] {
        let files = fs::read_dir(root().join(folder)).unwrap();
        let files = files.map(|file| file.unwrap().path());
        pages.extend(files.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    pages.sort();
    pages
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_in_the_repository_is_the_one_that_is_printed() {
    let rig = Rig::start(Size::new(10, 1, 1)).await;
    let printed = rig.run(&["check", "--schema"]).await.expect(0).out;
    let file = fs::read_to_string(schema_file()).unwrap_or_default();
    assert_eq!(
        printed, file,
        "run: entrain check --schema > config.schema.json"
    );
    let example = fs::read_to_string(root().join("config.example.toml")).unwrap();
    assert!(example.starts_with("#:schema ./config.schema.json\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_accepts_every_example_and_refuses_what_check_refuses() {
    let Some(home) = installed("jsonschema") else {
        return;
    };
    let rig = Rig::start(Size::new(10, 1, 1)).await;
    let mut good = vec![fs::read_to_string(root().join("config.example.toml")).unwrap()];
    good.extend(pages().iter().flat_map(|page| examples(page)));
    assert!(good.len() > 12, "{}", good.len());
    let plain = format!("{SOURCE}{SECRET}{JOB}");
    good.push(plain.clone());
    let bad = mistakes(&plain);

    let write = |name: String, text: &String| {
        let path = rig.path(&name);
        fs::write(&path, text).unwrap();
        path
    };
    let named =
        |name: &'static str| move |(place, text)| write(format!("{name}{place}.toml"), text);
    let good_files: Vec<PathBuf> = good.iter().enumerate().map(named("good")).collect();
    let bad_files: Vec<PathBuf> = bad.iter().enumerate().map(named("bad")).collect();

    let verdicts = validate(&home, &good_files);
    for (text, verdict) in good.iter().zip(&verdicts) {
        assert_eq!(verdict, "ok", "{text}");
    }
    let verdicts = validate(&home, &bad_files);
    for (text, verdict) in bad.iter().zip(&verdicts) {
        assert_ne!(verdict, "ok", "{text}");
    }
    for (files, code) in [(&good_files, 0), (&bad_files, 2)] {
        for file in files {
            let run = rig
                .run(&["--config", file.to_str().unwrap(), "check"])
                .await;
            let text = fs::read_to_string(file).unwrap();
            assert_eq!(run.code, code, "{text}\n{}", run.out);
        }
    }
}

/// One mistake each.
fn mistakes(plain: &str) -> Vec<String> {
    let with = |old: &str, new: &str| {
        assert!(plain.contains(old), "{old}");
        plain.replacen(old, new, 1)
    };
    let of_target = |line: &str| format!("{plain}{line}\n");
    let of_job = |section: &str, line: &str| format!("{plain}[jobs.{section}]\n{line}\n");
    let mapping = |line: &str| format!("{plain}[[jobs.users.mappings]]\n{line}\n");
    let filter = |line: &str| of_job("users", &format!("filters = [ {line} ]"));
    let token = "token = { env = \"ACME_TOKEN\" }";
    vec![
        // Keys that there are not, or not yet.
        with("tenant_id", "tenant"),
        of_target("concurency = 8"),
        of_target("oauth = { token_url = \"https://acme.example\" }"),
        of_job("scope", "filters = []"),
        mapping("target = \"title\"\nsource = \"jobTitle\"\nmatching = 3"),
        filter("{ name = \"x\", any = [] }"),
        // What is missing.
        JOB.to_owned(),
        format!("{SOURCE}{SECRET}"),
        format!("{SOURCE}{JOB}"),
        with("name = \"acme\"\n", ""),
        with("name = \"acme\"\n", "name = \" \"\n"),
        with(&format!("{token}\n"), ""),
        with(
            "application = { app_id = \"22223333-cccc-4444-dddd-5555eeee6666\" }\n",
            "",
        ),
        mapping("source = \"jobTitle\""),
        mapping("target = \"title\""),
        filter("{ name = \"x\" }"),
        filter("{ all = [ { attribute = \"department\" } ] }"),
        // Wrong types and values.
        with("[source]", "state = \"entrain.db\"\n[source]"),
        with("[[jobs]]", "[jobs]"),
        with(token, "token = \"s3cret\""),
        with(token, "token = { env = \"A\", file = \"b\" }"),
        with(token, "token = {}"),
        of_target("concurrency = 0"),
        of_target("concurrency = \"8\""),
        of_target("page_size = 2026-01-01"),
        of_target("requests_per_second = \"ten\""),
        of_target("timeout = \"60\""),
        of_target("timeout = 60"),
        of_target("update = \"post\""),
        of_target("filterable = \"userName\""),
        with("https://acme.example/scim", "acme.example/scim"),
        with("11112222-bbbb-3333-cccc-4444dddd5555", "My App"),
        of_job("scope", "mode = \"everyone\""),
        of_job("scope", "nested_groups = \"yes\""),
        of_job("users", "when_out_of_scope = \"dissolve\""),
        of_job("users", "actions = \"create\""),
        of_job("safety", "max_deletions = \"ten\""),
        of_job("safety", "max_deletions = \"101%\""),
        of_job("safety", "max_deletions = -1"),
        mapping("target = \"title\"\nsource = \"jobTitle\"\nmatch = 0"),
        mapping("target = \"title\"\nsource = \"jobTitle\"\napply = \"sometimes\""),
        // What excludes each other.
        with(SECRET, &format!("{SECRET}managed_identity = true\n")),
        with("app_id", "display_name = \"x\", app_id"),
        of_job("schedule", "interval = \"5m\"\ncron = \"0 0 * * * *\""),
        mapping("target = \"title\"\nsource = \"jobTitle\"\nconstant = \"x\""),
    ]
}

//! Commands as a script sees them: streams, exit codes, JSON, and what a plan leaves untouched.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use entrain::sandbox::{ROLE_USER, Size};
use serde_json::{Value, json};

use crate::cycles::{settled, settles};
use crate::rig::{Rig, Run};
use crate::service::until;
use crate::target::Expected;

async fn start() -> Rig {
    Rig::start(Size::new(20, 3, 40)).await
}

/// Every file next to the config, with its content and when it was last written.
fn files(rig: &Rig) -> BTreeMap<String, (Vec<u8>, std::time::SystemTime)> {
    let files = fs::read_dir(rig.path("")).unwrap();
    files
        .map(|file| {
            let file = file.unwrap();
            let written = file.metadata().unwrap().modified().unwrap();
            let name = file.file_name().into_string().unwrap();
            (name, (fs::read(file.path()).unwrap(), written))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_leaves_no_trace() {
    let rig = start().await;
    let before = files(&rig);
    let first = rig.plan().await.expect(0).job();
    assert!(!first["actions"].as_array().unwrap().is_empty());
    assert_eq!(files(&rig), before, "no state file is made");
    assert_eq!(rig.sandbox.target.writes(), 0);

    rig.sync().await.expect(0);
    let jane = rig.joiner("jane");
    rig.sandbox.target.traffic().reset();
    let before = files(&rig);
    let plan = rig.plan().await.expect(0).job();
    assert_eq!(plan["totals"]["create"], 1, "{plan:#}");
    let again = rig.plan().await.expect(0).job();
    assert_eq!(again["actions"], plan["actions"]);
    rig.run(&["plan", "--user", &jane.to_string()])
        .await
        .expect(0);
    rig.run(&["test"]).await.expect(0);
    rig.run(&["status"]).await.expect(0);
    assert_eq!(rig.sandbox.target.writes(), 0);
    let after = files(&rig);
    assert_eq!(after["entrain.db"], before["entrain.db"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_of_a_plan_shows_whether_there_is_something_to_do() {
    let rig = start().await;
    rig.run(&["plan", "--detailed-exitcode"]).await.expect(5);
    rig.run(&["plan"]).await.expect(0);
    rig.sync().await.expect(0);
    rig.run(&["plan", "--detailed-exitcode"]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_or_one_group_alone() {
    let rig = start().await;
    rig.sync().await.expect(0);
    let jane = rig.joiner("jane");
    let john = rig.joiner("john");
    let group = rig.tenant().add_group("Fans");
    rig.tenant().add_members(group, &[jane, john]);
    rig.tenant().assign(group, ROLE_USER);
    let users = rig.sandbox.target.user_count();
    rig.run(&["sync", "--user", "JANE@contoso.com"])
        .await
        .expect(0);
    assert_eq!(rig.sandbox.target.user_count(), users + 1);
    assert_eq!(rig.user("jane@contoso.com")["active"], true);
    rig.joiner("no-fan");
    rig.run(&["sync", "--group", "Fans"]).await.expect(0);
    // John comes with the group; who is not in it waits for the next cycle.
    assert_eq!(rig.sandbox.target.user_count(), users + 2);
    assert_eq!(rig.user("john@contoso.com")["active"], true);
    let fans = rig
        .sandbox
        .target
        .find_group_by("displayName", "Fans")
        .unwrap();
    assert_eq!(fans["members"].as_array().unwrap().len(), 2);
    let run = rig
        .run(&["sync", "--user", "nobody@contoso.com"])
        .await
        .expect(2);
    assert!(run.err.contains("nobody@contoso.com"), "{run:?}");
    settles(&rig, &mut Expected::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn results_go_to_standard_output_and_nothing_else_does() {
    let rig = start().await;
    let parse = |run: &Run| -> Value {
        serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {run:?}"))
    };
    for arguments in [
        &["check"][..],
        &["test"],
        &["plan"],
        &["status"],
        &["sync"],
        &["plan"],
        &["status"],
        &["approve", "demo"],
    ] {
        let text = rig.run(arguments).await.expect(0);
        assert!(!text.out.is_empty(), "{arguments:?}");
        assert!(!text.out.contains('\u{1b}') && !text.err.contains('\u{1b}'));
        let json = rig
            .run(&[arguments, &["--format", "json"]].concat())
            .await
            .expect(0);
        assert_eq!(parse(&json)["format"], 1, "{arguments:?}");
        let verbose = rig
            .run(&[arguments, &["--format", "json", "-vv"]].concat())
            .await
            .expect(0);
        parse(&verbose);
    }
    // Failures are documents too.
    rig.tenant().set_client_secret("another");
    for arguments in [&["test"][..], &["plan"], &["sync"]] {
        let json = rig
            .run(&[arguments, &["--format", "json"]].concat())
            .await
            .expect(1);
        parse(&json);
        assert!(json.out.contains("AADSTS7000215"), "{json:?}");
    }
    rig.edit(|text| text.replace("base_url", "base_ulr"));
    for arguments in [
        &["check"][..],
        &["test"],
        &["plan"],
        &["status"],
        &["sync"],
        &["run"],
    ] {
        let json = rig
            .run(&[arguments, &["--format", "json"]].concat())
            .await
            .expect(2);
        parse(&json);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_exits_with_two_and_helps() {
    let rig = start().await;
    for command in ["sync", "plan", "test", "status", "approve"] {
        let run = rig.run(&[command, "dmeo"]).await.expect(2);
        assert!(run.err.contains("did you mean \"demo\"?"), "{run:?}");
    }
    let run = rig.run(&["snyc"]).await.expect(2);
    assert!(run.err.contains("sync"), "{run:?}");
    let run = rig.run(&["sync", "--intial"]).await.expect(2);
    assert!(run.err.contains("--initial"), "{run:?}");
    rig.run(&["sync", "--user", "a", "--group", "b"])
        .await
        .expect(2);
    rig.run(&["--format", "xml", "status"]).await.expect(2);
    rig.run(&[]).await.expect(2);
    assert!(!rig.path("entrain.db").exists());
    let run = rig
        .run(&["--config", "nowhere.toml", "check"])
        .await
        .expect(2);
    assert!(
        run.out.contains("nowhere.toml") || run.err.contains("nowhere.toml"),
        "{run:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_config_that_init_writes_is_valid() {
    let rig = start().await;
    for preset in [
        "generic",
        "symantec-wss",
        "wizer",
        "sosafe",
        "sonicwall-cse",
    ] {
        let file = format!("{preset}.toml");
        let arguments = [
            "init",
            "--output",
            &file,
            "--preset",
            preset,
            "--tenant-id",
            &rig.sandbox.tenant_id(),
            "--client-id",
            &rig.sandbox.client_id(),
            "--app-id",
            &rig.sandbox.app_id(),
            "--base-url",
            "https://scim.example.com/v2",
        ];
        rig.run(&arguments).await.expect(0);
        rig.run(&["--config", &file, "check"]).await.expect(0);
        let before = fs::read(rig.path(&file)).unwrap();
        rig.run(&arguments).await.expect(2);
        assert_eq!(
            fs::read(rig.path(&file)).unwrap(),
            before,
            "never overwritten"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn init_to_a_dash_prints_the_config_and_writes_no_file() {
    let rig = start().await;
    let before = files(&rig);
    let init = ["init", "--output", "-", "--preset", "sosafe"];
    let printed = rig.run(&init).await.expect(0).out;
    assert_eq!(files(&rig), before);
    let json = [&init[..], &["--format", "json"]].concat();
    let document: Value = serde_json::from_str(&rig.run(&json).await.expect(0).out).unwrap();
    assert_eq!(
        document,
        json!({ "format": 1, "written": null, "config_toml": printed })
    );
    assert_eq!(files(&rig), before);

    let init = ["init", "--output", "new.toml", "--preset", "sosafe"];
    rig.run(&init).await.expect(0);
    assert_eq!(fs::read_to_string(rig.path("new.toml")).unwrap(), printed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warning_of_the_config_is_one_line_of_the_log() {
    let rig = start().await;
    rig.configure("[jobs.scope]\nmode = \"all\"\nnested_groups = true\n");
    let run = rig.run(&["-v", "status"]).await.expect(0);
    let lines = run.err.lines();
    let told: Vec<_> = lines
        .filter(|line| line.contains("nested_groups has no effect"))
        .collect();
    let [line] = told.as_slice() else {
        panic!("{run:?}");
    };
    assert!(line.contains("; remove nested_groups"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn init_asks_no_question_without_a_terminal() {
    let rig = start().await;
    let begun = Instant::now();
    let run = rig.run(&["init", "--output", "new.toml"]).await;
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert!([0, 2].contains(&run.code), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn shells_get_their_completions() {
    let rig = start().await;
    for shell in ["bash", "zsh", "fish"] {
        let run = rig.run(&["completions", shell]).await.expect(0);
        assert!(
            run.out.contains("entrain") && run.out.contains("sync"),
            "{shell}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn manual_pages_say_what_help_says_and_name_every_key() {
    let rig = start().await;
    let plain = |text: &str| text.replace("\\-", "-").replace("\\&", "");
    let run = rig.run(&["man"]).await.expect(0);
    let page = plain(&run.out);
    for words in [
        ".TH entrain 1",
        "entrain-sync(1)",
        "Held by quarantine",
        "entrain.toml",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let run = rig.run(&["man", "links", "list"]).await.expect(0);
    assert!(plain(&run.out).contains("entrain-links-list"), "{run:?}");
    rig.run(&["man", "lists"]).await.expect(2);
    rig.run(&["man", "--out", "pages"]).await.expect(0);
    let help = rig.run(&["--help"]).await.expect(0).out;
    let (_, commands) = help.split_once("Commands:").unwrap();
    let commands = commands
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with("  "));
    let mut pages = 0;
    for command in commands.filter_map(|line| line.strip_prefix("  ")) {
        let Some(name) = command
            .split_whitespace()
            .next()
            .filter(|_| !command.starts_with(' '))
        else {
            continue;
        };
        if name == "help" {
            continue;
        }
        let page = fs::read_to_string(rig.path(&format!("pages/man1/entrain-{name}.1"))).unwrap();
        assert!(page.contains(".SH NAME"), "{name}");
        pages += 1;
    }
    assert!(pages > 20, "{pages}");
    let keys = plain(&fs::read_to_string(rig.path("pages/man5/entrain.toml.5")).unwrap());
    let schema = rig.run(&["check", "--schema"]).await.expect(0).out;
    let schema: Value = serde_json::from_str(&schema).unwrap();
    for section in ["state", "source", "schedule", "web"] {
        assert!(
            keys.contains(&format!(".SH [{section}]")),
            "{section}: {keys}"
        );
        let properties = schema["properties"][section]["properties"]
            .as_object()
            .unwrap();
        for key in properties.keys() {
            assert!(
                keys.contains(&format!("\\fB{key}\\fR = ")),
                "{section}.{key}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_needs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_entrain"))
        .arg("demo")
        .current_dir(folder.path())
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let run = Rig::finish(child).await.expect(0);
    assert!(begun.elapsed() < Duration::from_secs(15));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    // The README shows the plan as the demo prints it, of another day.
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let (_, shown) = readme.split_once("```text\nPlan of demo\n").unwrap();
    let (shown, _) = shown.split_once("```\n").unwrap();
    let printed: Vec<&str> = run.out.lines().collect();
    for line in shown
        .lines()
        .filter(|line| !line.starts_with("Planned on "))
    {
        assert!(printed.contains(&line), "{line}: {}", run.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tenant_of_the_demo_can_be_played_with() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("demo");
    let mut child = Command::new(env!("CARGO_BIN_EXE_entrain"))
        .args(["demo", "--keep", "--users", "40", "--directory"])
        .arg(&directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(File::create(folder.path().join("messages")).unwrap())
        .spawn()
        .unwrap();
    let messages = || fs::read_to_string(folder.path().join("messages")).unwrap();
    until("the end of the story", || messages().contains("Type here")).await;

    let mut input = child.stdin.take().unwrap();
    let mut what = |line: &str, answer: &str| {
        writeln!(input, "{line}").unwrap();
        until_owned(answer.to_owned(), messages)
    };
    what("jion", "\"jion\" is not known here").await;
    what("join", "noor.haddad@contoso.com joins").await;
    what("rename", " is renamed to ").await;
    what("leave", "the account is deleted").await;
    let entrain = |command: &str| {
        let child = Command::new(env!("CARGO_BIN_EXE_entrain"))
            .arg("--config")
            .arg(directory.join("entrain.toml"))
            .arg(command)
            .env("COLUMNS", "10000")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Rig::finish(child)
    };
    let plan = entrain("plan").await.expect(0);
    assert!(
        plan.out.contains("create user noor.haddad@contoso.com"),
        "{}",
        plan.out
    );
    assert!(
        plan.out.contains("1 to create, 1 to update, 1 to disable"),
        "{}",
        plan.out
    );
    entrain("sync").await.expect(0);
    let plan = entrain("plan").await.expect(0);
    assert!(plan.out.contains("No changes."), "{}", plan.out);

    writeln!(input, "quit").unwrap();
    Rig::finish(child).await.expect(0);
}

async fn until_owned(words: String, messages: impl Fn() -> String) {
    until(&words, || messages().contains(&words)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_job_runs_only_when_it_is_named() {
    let rig = start().await;
    rig.edit(|text| text.replace("name = \"demo\"", "name = \"demo\"\nenabled = false"));
    let run = rig.run(&["sync"]).await.expect(0);
    assert!(run.err.contains("no job is enabled"), "{run:?}");
    assert_eq!(rig.sandbox.target.user_count(), 0);
    let status = rig
        .run(&["status", "--format", "json"])
        .await
        .expect(0)
        .job();
    assert_eq!(status["enabled"], json!(false));

    // Named, it does just what it would do if it were enabled.
    let named = rig.run(&["sync", "demo", "--format", "json"]).await;
    let named = named.expect(0).job();
    assert!(named["linked"]["users"].as_u64() > Some(0), "{named:#}");
    rig.edit(|text| text.replace("enabled = false", "enabled = true"));
    settled(&rig, &mut Expected::default()).await;
    // It was linked before, and beside it is a job that is enabled and reads less.
    rig.edit(|text| {
        let (head, job) = text.split_once("[[jobs]]").unwrap();
        let named = job.replace("enabled = true", "enabled = false");
        let lean = job.replace("\"demo\"", "\"lean\"");
        let nothing = "[jobs.groups]\nenabled = false\n[[jobs.users.mappings]]\ntarget = \"title\"\nconstant = \"x\"\n";
        format!("{head}[[jobs]]{named}\n[[jobs]]{lean}\n{nothing}")
    });
    let changes = rig.run(&["plan", "demo", "--detailed-exitcode"]).await;
    changes.expect(0);
}

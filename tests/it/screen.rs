//! What people see on a screen: lines that fit it, and words that stay whole.

use entrain::sandbox::Size;

use crate::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn text_fits_80_columns_and_wraps_at_words() {
    let rig = Rig::start(Size::new(30, 4, 60)).await;
    for arguments in [
        &["check"][..],
        &["test"],
        &["plan", "-v"],
        &["sync"],
        &["sync"],
        &["status"],
        &["log"],
        &["approve", "demo"],
        &["--help"],
        &["plan", "--help"],
        &["log", "--help"],
        &[
            "sync",
            "--user",
            "a-user-whom-nobody-has-ever-heard-of-in-this-tenant@contoso.com",
        ],
    ] {
        let mut command = rig.command(arguments);
        command.env_remove("COLUMNS");
        let run = Rig::finish(command.spawn().unwrap()).await;
        let wide: Vec<&str> = run
            .out
            .lines()
            .chain(run.err.lines())
            .filter(|line| textwrap::core::display_width(line) > 80)
            // A value that is longer than a line stays whole.
            .filter(|line| line.trim().contains(' '))
            // An entry of the log is a line.
            .filter(|line| !line.contains(" INFO "))
            .collect();
        assert!(wide.is_empty(), "{arguments:?}: {wide:#?}");
    }
}

/// What is printed to be typed can be copied: it names the configuration, and no line breaks it.
#[tokio::test(flavor = "multi_thread")]
async fn commands_that_are_printed_can_be_copied() {
    let rig = Rig::start(Size::new(30, 0, 0)).await;
    std::fs::rename(rig.path("entrain.toml"), rig.path("the one.toml")).unwrap();
    let run = async |arguments: &[&str]| {
        let mut command = rig.command(&[&["--config", "the one.toml"], arguments].concat());
        command.env_remove("COLUMNS");
        Rig::finish(command.spawn().unwrap()).await
    };
    let whole = |text: &str, words: &str| {
        let mut lines = text.lines();
        let is_whole =
            |line: &str| line.contains(words) && line.ends_with(" --config 'the one.toml'");
        assert!(lines.any(is_whole), "{words}: {text}");
    };
    let saved = run(&["plan", "--out", "p.json"]).await.expect(0);
    whole(&saved.err, "entrain apply p.json --expect ");
    let command = saved
        .err
        .lines()
        .find(|line| line.contains("entrain apply"));
    let digest = command.unwrap().split_whitespace().nth(4).unwrap();
    let part = ["apply", "p.json", "--expect", digest, "--only", "3"];
    whole(&run(&part).await.err, "entrain apply p.json --expect ");
    run(&["sync"]).await.expect(0);
    for user in rig.tenant().user_ids().into_iter().take(12) {
        rig.tenant().unassign(user);
    }
    whole(&run(&["plan"]).await.out, "entrain approve demo");
    whole(
        &run(&["sync"]).await.expect(4).out,
        "entrain approve demo --cycle ",
    );
    whole(&run(&["status"]).await.out, "entrain approve demo --cycle ");
    let explained = run(&["explain", "demo", "nobody@contoso.com"]).await;
    assert!(!explained.err.contains("did you mean"), "{explained:?}");
    run(&["plan", "--out", "a.html"]).await.expect(4);
    let page = std::fs::read_to_string(rig.path("a.html")).unwrap();
    assert!(page.contains("entrain approve demo --config"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_without_changes_says_what_is_in_step() {
    let rig = Rig::start(Size::new(30, 4, 60)).await;
    rig.run(&["sync"]).await.expect(0);
    let quiet = rig.run(&["sync"]).await.expect(0);
    assert!(quiet.out.contains("Nothing changed; "), "{}", quiet.out);
    assert!(quiet.out.contains(" in sync"), "{}", quiet.out);
    assert!(!quiet.out.contains("in scope"), "{}", quiet.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_is_one_json_document_too() {
    let rig = Rig::start(Size::new(20, 3, 40)).await;
    for arguments in [
        &["snyc", "--format", "json"][..],
        &["--format=json", "plan", "--user"],
        &["--format", "json", "log", "--status", "perhaps"],
    ] {
        let run = rig.run(arguments).await.expect(2);
        let document: serde_json::Value = serde_json::from_str(&run.out).unwrap();
        assert_eq!(document["format"], 1, "{arguments:?}");
        assert!(!document["error"].as_str().unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn help_is_a_command_too_and_csv_is_named_where_it_works() {
    let rig = Rig::start(Size::new(20, 3, 40)).await;
    let help = rig.run(&["help"]).await.expect(0).out;
    assert!(help.contains("Global options:") && !help.contains("csv"));
    let help = rig.run(&["help", "log"]).await.expect(0).out;
    assert!(help.contains("--format csv"), "{help}");
    rig.run(&["help", "snyc"]).await.expect(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_entries_says_so_on_standard_error() {
    let rig = Rig::start(Size::new(20, 3, 40)).await;
    rig.run(&["sync"]).await.expect(0);
    let log = rig.run(&["log", "--status", "failed"]).await.expect(0);
    assert_eq!(log.out, "");
    assert_eq!(log.err.trim(), "no entries");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_lists_people_by_name_and_can_be_of_everything() {
    let rig = Rig::start(Size::new(60, 4, 80)).await;
    let created = |plan: &str| -> Vec<String> {
        let lines = plan.lines();
        let names = lines.filter_map(|line| line.strip_prefix("  + create user "));
        names.map(str::to_lowercase).collect()
    };
    let plan = rig.run(&["plan"]).await.expect(0);
    let names = created(&plan.out);
    assert!(names.len() > 20, "{}", plan.out);
    assert!(names.is_sorted(), "{names:#?}");
    let last = plan.out.lines().rev().nth(1).unwrap();
    // The values of the first few creates are printed; -v prints all.
    let values = |plan: &str| plan.matches("\n      userName: ").count();
    assert!(values(&plan.out) < names.len(), "{}", plan.out);
    let folded = format!(
        "(-v also prints the values of {} more)",
        names.len() - values(&plan.out)
    );
    assert!(plan.out.contains(&folded), "{}", plan.out);
    let whole = rig.run(&["plan", "-v"]).await.expect(0);
    assert_eq!(values(&whole.out), names.len());

    rig.sync().await.expect(0);
    let changes = rig.run(&["plan"]).await.expect(0);
    let incremental = "Incremental cycle: 0 users evaluated";
    assert!(changes.out.contains(incremental), "{}\n{last}", changes.out);
    let whole = rig.run(&["plan", "--initial"]).await.expect(0);
    assert!(
        whole
            .out
            .contains("Initial cycle: 60 users and 4 groups evaluated"),
        "{}",
        whole.out
    );
    assert!(whole.out.contains("No changes."), "{}", whole.out);
    // Planning everything does not make the next cycle an initial one.
    let changes = rig.run(&["plan"]).await.expect(0);
    assert!(changes.out.contains(incremental), "{}", changes.out);
}

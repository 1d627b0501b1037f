//! Commands where several agents share the state: which agent carries them out, whichever ends meanwhile, and what they
//! say of the others, of the key and of the database.

use std::fs;
use std::process::Child;
use std::time::Duration;

use chrono::NaiveDateTime;
use entrain::sandbox::{Fault, Size, Trouble};
use serde_json::{Value, json};

use crate::agents::{Agent, by, content, holder, shared};
use crate::database::Database;
use crate::rig::{Rig, Run};
use crate::service::until;

const QUICK: &str = "lease = \"3s\"";

async fn three(database: &Database) -> Rig {
    let rig = Rig::start(Size::new(10, 2, 20)).await;
    rig.edit(|text| text.replace("timeout = \"5s\"", "timeout = \"1s\""));
    shared(rig, database, QUICK, 3)
}

/// A command of the third machine, where no service runs.
fn begin(rig: &Rig, arguments: &[&str]) -> Child {
    let all: Vec<&str> = ["--config", "a3.toml"]
        .iter()
        .chain(arguments)
        .copied()
        .collect();
    rig.command(&all).spawn().unwrap()
}

/// While a `sync` of the third machine waits for the agent that has the job, this agent gets the signal.
async fn sync_survives(signal: &str) {
    let Some(database) = Database::of_all() else {
        return;
    };
    let rig = three(&database).await;
    let mut agents: Vec<Agent> = (1..=2).map(|number| Agent::start(&rig, number)).collect();
    let mut held = None;
    until("an agent has the job", || {
        held = holder(&database, &agents);
        held.is_some()
    })
    .await;
    by(&rig, 3, &["sync"]).await.expect(0);
    let before = rig.sandbox.target.user_count();
    for number in 0..60 {
        rig.joiner(&format!("new.{number:02}"));
    }
    let target = &rig.sandbox.target;
    target.configure(|target| target.latency = Duration::from_millis(600));
    let waiting = begin(&rig, &["sync", "--format", "json"]);
    until("it is in the middle", || target.user_count() > before + 5).await;
    agents[held.unwrap()].signal(signal);
    target.configure(|target| target.latency = Duration::ZERO);
    let synced = Rig::finish(waiting).await.expect(0).job();
    assert_eq!(target.user_count(), before + 60);
    // It is the cycle that did the rest of the work, and no other followed.
    assert_ne!(synced["done"]["create"], Value::Null, "{synced:#}");
    let last = by(&rig, 3, &["report", "--format", "json"]).await;
    assert_eq!(last.job()["cycle"], synced["cycle"], "{synced:#}");
    agents[held.unwrap()].kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_reports_the_cycle_of_the_agent_that_took_over_from_one_that_was_killed() {
    sync_survives("-KILL").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_waits_for_the_agent_that_takes_over_from_one_that_stops() {
    sync_survives("-TERM").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_without_a_terminal_ends_when_the_database_is_away_for_long() {
    let Some((_server, database)) = Database::alone(None) else {
        return;
    };
    let rig = three(&database).await;
    let agents = [Agent::start(&rig, 1)];
    until("it has the job", || holder(&database, &agents) == Some(0)).await;
    by(&rig, 3, &["sync"]).await.expect(0);
    let slow = Trouble::Delay(Duration::from_mins(3));
    rig.tenant()
        .traffic()
        .inject(Fault::new("/users/delta", slow).forever());
    let before = database.number("SELECT position FROM head");
    let waiting = begin(&rig, &["sync"]);
    until("the command waits", || {
        database.number("SELECT position FROM head") > before
    })
    .await;
    database.run("ALTER ROLE entrain CONNECTION LIMIT 0");
    database
        .run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'entrain'");
    let ended = Rig::finish(waiting).await.expect(1);
    for words in ["waiting for it for 30 s", "has not answered for 30 s"] {
        assert!(ended.err.contains(words), "{ended:?}");
    }
    // What is looked at meanwhile is as of a time.
    let status = by(&rig, 3, &["status"]).await.expect(0);
    let (_, since) = status
        .err
        .split_once("as of the last contact with it, ")
        .unwrap_or_else(|| panic!("{status:?}"));
    let since = NaiveDateTime::parse_from_str(&since[..23], "%Y-%m-%d %H:%M:%S UTC").unwrap();
    let now = database.number("SELECT extract(epoch FROM clock_timestamp())::bigint");
    let age = now - since.and_utc().timestamp();
    assert!((25..300).contains(&age), "{age}: {status:?}");
}

fn says(run: &Run, words: &str) {
    assert!(run.err.contains(words), "{words}\n{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_is_refused_by_every_command_that_uses_it_on_each_machine() {
    let Some(database) = Database::of_all() else {
        return;
    };
    let rig = three(&database).await;
    let agents = [Agent::start(&rig, 1)];
    until("it has the job", || holder(&database, &agents) == Some(0)).await;
    let user = rig.joiner("anna.neu");
    by(&rig, 3, &["sync"]).await.expect(0);
    rig.tenant().set_property(user, "jobTitle", json!("Pilot"));
    by(&rig, 3, &["plan", "--out", "plan.json"]).await.expect(0);
    for agent in [1, 3] {
        let file = rig.path(&format!("a{agent}.toml"));
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace("\"state-key\"", "\"other-key\"")).unwrap();
    }
    fs::write(rig.path("other-key"), "fedcba9876543210fedcba9876543210").unwrap();
    fs::copy(rig.path("a1.log"), rig.path("before.log")).unwrap();
    let user = "anna.neu@contoso.com";
    for agent in [1, 3] {
        for command in [
            &["plan"][..],
            &["sync"],
            &["provision", "demo", user],
            &["provision", "demo", user, "--dry-run"],
            &["apply", "plan.json"],
            &["audit", "demo"],
            &["probe", "demo", "--write", "--yes"],
            &["source", "snapshot", "--redact", "tenant.json"],
        ] {
            let refused = by(&rig, agent, command).await.expect(1);
            says(&refused, "have another key");
        }
    }
    assert_eq!(rig.user(user)["title"], "Engineer");
    // The key of those that run is still the one that counts.
    by(&rig, 2, &["apply", "plan.json"]).await.expect(0);
    assert_eq!(rig.user(user)["title"], "Pilot");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_gone_is_listed_as_such_for_an_hour() {
    let Some(database) = Database::of_all() else {
        return;
    };
    let rig = three(&database).await;
    let mut agents = [Agent::start(&rig, 1)];
    until("it has the job", || holder(&database, &agents) == Some(0)).await;
    agents[0].kill();
    until("its lease ended", || {
        database.number(
            "SELECT count(*) FROM agents WHERE renewed > clock_timestamp() - interval '4 seconds'",
        ) == 0
    })
    .await;
    let listed = async || by(&rig, 3, &["agents"]).await.expect(0).out;
    let gone = listed().await;
    for words in [
        "run: gone since 20",
        "no other agent has taken demo over yet",
        "No agent runs demo yet",
    ] {
        assert!(gone.contains(words), "{words}\n{gone}");
    }
    // For as long as its job is nowhere else, however long that is.
    let age = |hours: u32| {
        database.run(&format!(
            "UPDATE agents SET renewed = renewed - interval '{hours} hours' WHERE command = 'run'"
        ));
    };
    age(2);
    assert!(listed().await.contains("gone since"));
    by(&rig, 3, &["sync"]).await.expect(0);
    let none = listed().await;
    assert!(none.contains("No agent runs."), "{none}");
    assert!(!none.contains("gone since"), "{none}");
    let gone = by(&rig, 3, &["agents", "--format", "json"]).await.expect(0);
    let gone: Value = serde_json::from_str(&gone.out).unwrap();
    assert_eq!(gone["agents"], json!([]), "{gone:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_other_programs_in_the_schema_stay_as_they_are() {
    let Some(database) = Database::of_all() else {
        return;
    };
    let rig = three(&database).await;
    let schema = &database.schema;
    database.run(&format!(
        "CREATE SCHEMA {schema} AUTHORIZATION entrain; SET search_path TO {schema};
         CREATE TABLE notes (id serial PRIMARY KEY, text text); INSERT INTO notes (text) VALUES ('ours');
         CREATE VIEW shown AS SELECT text FROM notes"
    ));
    by(&rig, 1, &["sync"]).await.expect(0);
    by(&rig, 2, &["sync", "--initial"]).await.expect(0);
    // The tables of an older version are upgraded.
    database.run("ALTER TABLE agents DROP COLUMN outdated; UPDATE head SET version = 2");
    by(&rig, 1, &["sync"]).await.expect(0);
    let checked = by(&rig, 1, &["state", "check"]).await.expect(0);
    let words = format!("The schema {schema} also holds 2 tables of other programs, such as notes");
    assert!(checked.out.contains(&words), "{checked:?}");
    assert_eq!(
        content(&rig, 2).await["other_tables"],
        json!(["notes", "shown"])
    );
    // What is dropped to begin anew is named, so that no other program loses its tables.
    let port = database.port;
    let url = format!("postgres://entrain@127.0.0.1:{port}/entrain");
    let key = "[state]\nkey = { file = \"state-key\" }\n";
    rig.edit(|text| format!("{key}\n{text}"));
    rig.run(&["sync"]).await;
    let copy = ["state", "copy", "--from", "entrain.db", "--to", &url];
    let refused = by(&rig, 1, &copy).await.expect(1);
    says(
        &refused,
        "drop the tables of that state: head, changes, snapshots, agents, leases",
    );
    database.run("DROP TABLE leases, agents, snapshots, changes, head");
    for copy in 1..=3 {
        let _ = fs::remove_file(rig.path(&format!("copy{copy}.db")));
    }
    // A table of theirs that has the name of one of ours is refused, and stays.
    database.run("CREATE TABLE arriving (name text)");
    for arguments in [&copy[..], &["sync"]] {
        let refused = by(&rig, 1, arguments).await.expect(1);
        says(&refused, "tables of another program, such as arriving");
    }
    database.run("DROP TABLE arriving");
    by(&rig, 1, &copy).await.expect(0);
    assert_eq!(
        database.number("SELECT count(*) FROM shown WHERE text = 'ours'"),
        1
    );
    assert_eq!(
        database.number("SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v')"),
        7
    );
}

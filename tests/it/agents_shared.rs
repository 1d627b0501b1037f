//! What agents that share a state have in common: how much a target takes, the key, the tables; and a state that is
//! copied to where they share it.

use std::fs;
use std::time::Duration;

use entrain::sandbox::Size;
use serde_json::Value;

use crate::agents::{Agent, by, content, holder, shared};
use crate::cycles::same;
use crate::database::Database;
use crate::rig::{Rig, Run};
use crate::service::until;
use crate::target::Expected;

const SCHEDULE: &str =
    "[schedule]\ninterval = \"1s\"\njitter = \"0s\"\nleavers = \"off\"\n\n[[jobs]]";

/// Two jobs for one target, on up to three machines.
async fn two_jobs(database: &Database, target: &str) -> Rig {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.edit(|text| {
        let text = text.replace("timeout = \"5s\"", &format!("timeout = \"1s\"\n{target}"));
        let (_, first) = text.split_once("[[jobs]]").unwrap();
        let second = first.replace("\"demo\"", "\"second\"");
        format!("{}\n[[jobs]]{second}", text.replace("[[jobs]]", SCHEDULE))
    });
    shared(rig, database, "lease = \"3s\"", 3)
}

/// How many agents have at least one of the two jobs.
fn agents_with_jobs(database: &Database) -> i64 {
    if database.number("SELECT count(to_regclass('leases'))") == 0 {
        return 0;
    }
    database.number("SELECT count(DISTINCT agent) FROM leases WHERE name IN ('demo', 'second')")
}

/// Whether one agent has both jobs.
fn has_both(database: &Database) -> bool {
    agents_with_jobs(database) == 1
        && database.number(
            "SELECT count(*) FROM leases WHERE name IN ('demo', 'second') AND agent IS NULL",
        ) == 0
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_target_takes_holds_over_all_agents() {
    let Some(database) = Database::of_all() else {
        return;
    };
    let rig = two_jobs(&database, "requests_per_second = 20").await;
    // It counts within windows, so that a request that was late by a little is one too many in the next.
    rig.sandbox.target.configure(|target| {
        target.requests_per_second = Some(23);
    });
    let traffic = rig.sandbox.target.traffic();
    let _first = Agent::start(&rig, 1);
    until("the first agent has both jobs", || has_both(&database)).await;
    let _second = Agent::start(&rig, 2);
    // There is always something to send, also while a job moves.
    let mut joined = 0;
    until("each agent has a job", || {
        rig.joiner(&format!("new.{joined:03}"));
        joined += 1;
        agents_with_jobs(&database) == 2
    })
    .await;
    // On a machine where no service runs.
    let status = by(&rig, 3, &["status", "--running"]).await.expect(0);
    for job in ["demo", "second"] {
        assert!(
            status.out.contains(&format!("{job} is run by")),
            "{status:?}"
        );
    }
    assert!(!status.out.contains("No service runs"), "{status:?}");
    let status = by(&rig, 3, &["status", "--format", "json"]).await;
    let status: Value = serde_json::from_str(&status.expect(0).out).unwrap();
    assert_eq!(
        status["agents"].as_array().map(Vec::len),
        Some(2),
        "{status:#}"
    );
    for _ in 0..24 {
        rig.joiner(&format!("new.{joined:03}"));
        joined += 1;
    }
    until("all are there", || {
        rig.sandbox.target.users().len() == joined
    })
    .await;
    let refused = traffic.count_where(|one| one.status == Some(429));
    // A machine that stands still for a moment lets some arrive together; at twice the rate it were dozens.
    assert!(refused < 5, "{refused} of {}", traffic.count());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_hardly_ever_rests_moves_between_two_of_its_cycles() {
    let Some(database) = Database::of_all() else {
        return;
    };
    let rig = two_jobs(&database, "").await;
    // A cycle takes longer than the time between two of them.
    rig.tenant()
        .configure(|tenant| tenant.latency = Duration::from_millis(700));
    let _first = Agent::start(&rig, 1);
    until("the first agent has both jobs", || {
        has_both(&database)
            && database.number("SELECT count(*) FROM leases WHERE weight > 1000") == 2
    })
    .await;
    let _second = Agent::start(&rig, 2);
    until("each agent has a job", || agents_with_jobs(&database) == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_cut_off_is_resumed() {
    let Some(database) = Database::of_all() else {
        return;
    };
    let rig = Rig::start(Size::new(1_500, 60, 9_000)).await;
    let key = "[state]\nkey = { file = \"state-key\" }\n";
    let rig = shared(rig, &database, "", 1);
    rig.edit(|text| format!("{key}\n{text}"));
    rig.run(&["sync"]).await.expect(0);
    let Database { port, schema } = &database;
    let url = format!("postgres://entrain@127.0.0.1:{port}/entrain");
    database.run(&format!(
        "CREATE SCHEMA {schema} AUTHORIZATION entrain; SET search_path TO {schema};
         CREATE TABLE arriving (part integer PRIMARY KEY, state text NOT NULL, body bytea NOT NULL);
         ALTER TABLE arriving OWNER TO entrain;
         CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF NEW.part = TG_ARGV[0]::integer THEN RAISE EXCEPTION 'the way broke'; END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER cut BEFORE INSERT ON arriving FOR EACH ROW EXECUTE FUNCTION cut(2)"
    ));
    let copy = ["state", "copy", "--from", "entrain.db", "--to", &url];
    let broken = by(&rig, 1, &copy).await.expect(1);
    assert!(broken.err.contains("the way broke"), "{broken:?}");
    assert_eq!(database.number("SELECT count(*) FROM arriving"), 2);
    assert_eq!(database.number("SELECT count(to_regclass('head'))"), 0);
    // An agent does not begin with an empty state meanwhile.
    for command in ["sync", "status"] {
        let refused = by(&rig, 1, &[command]).await;
        assert!(refused.err.contains("has not finished yet"), "{refused:?}");
    }
    // What is there already is not sent again.
    database.run(
        "DROP TRIGGER cut ON arriving;
         CREATE TRIGGER cut BEFORE INSERT ON arriving FOR EACH ROW EXECUTE FUNCTION cut(1)",
    );
    by(&rig, 1, &copy).await.expect(0);
    assert_eq!(database.number("SELECT count(to_regclass('arriving'))"), 0);
    let synced = by(&rig, 1, &["sync", "--format", "json"]).await;
    assert_eq!(synced.expect(0).job()["requests"]["target"], 0);

    // A backup is a state of its own.
    by(&rig, 1, &["state", "backup", "own.db"]).await.expect(0);
    rig.edit(|text| text.replace("[state]\n", "[state]\npath = \"own.db\"\n"));
    rig.sync().await.expect(0);
    rig.edit(|text| text.replace("path = \"own.db\"\n", ""));

    // The way back: half a file is completed, and a file that is there is left alone.
    let back = ["state", "copy", "--from", &url, "--to", "back.db"];
    by(&rig, 1, &back).await.expect(0);
    let exists = by(&rig, 1, &back).await.expect(1);
    assert!(exists.err.contains("back.db exists already"), "{exists:?}");
    let whole = fs::read(rig.path("back.db")).unwrap();
    fs::remove_file(rig.path("back.db")).unwrap();
    fs::write(rig.path("back.db.partial"), &whole[..whole.len() / 2]).unwrap();
    by(&rig, 1, &back).await.expect(0);
    assert!(!rig.path("back.db.partial").exists());
    rig.edit(|text| text.replace("[state]\n", "[state]\npath = \"back.db\"\n"));
    let synced = rig.sync().await.expect(0);
    assert_eq!(synced.job()["requests"]["target"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_restored_from_a_backup_gives_each_copy_the_same_state() {
    let Some(database) = Database::of_all() else {
        return;
    };
    let rig = Rig::start(Size::new(5, 1, 5)).await;
    let rig = shared(rig, &database, "", 2);
    by(&rig, 1, &["sync"]).await.expect(0);
    by(&rig, 2, &["status"]).await.expect(0);
    let tables = ["head", "changes", "snapshots"];
    for table in tables {
        database.run(&format!("CREATE TABLE kept_{table} AS TABLE {table}"));
    }
    rig.joiner("lost");
    by(&rig, 2, &["sync"]).await.expect(0);
    let lost = database.number("SELECT position FROM head");
    for table in tables {
        database.run(&format!(
            "TRUNCATE {table}; INSERT INTO {table} SELECT * FROM kept_{table}"
        ));
    }
    // Other changes are at the same positions now, and more than the second copy knows.
    let user = rig.joiner("found");
    while database.number("SELECT position FROM head") <= lost + 5 {
        let title = database.number("SELECT position FROM head").to_string();
        rig.tenant().set_property(user, "jobTitle", title.into());
        by(&rig, 1, &["sync"]).await.expect(0);
    }
    let second = by(&rig, 2, &["sync"]).await.expect(0);
    assert!(second.err.contains("restored from a backup"), "{second:?}");
    let again = by(&rig, 2, &["sync"]).await.expect(0);
    assert!(!again.err.contains("restored from a backup"), "{again:?}");
    assert_eq!(content(&rig, 1).await, content(&rig, 2).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_whose_connections_are_cut_again_and_again_does_its_work() {
    let Some(database) = Database::of_all() else {
        return;
    };
    let rig = Rig::start(Size::new(120, 10, 300)).await;
    rig.sandbox
        .target
        .configure(|target| target.latency = Duration::from_millis(50));
    let rig = shared(rig, &database, "", 1);
    let cuts = tokio::spawn({
        let database = database.clone();
        async move {
            // Each test has a schema of its own, and its agents are listed there.
            until("the cycle begins", || {
                database.number("SELECT count(to_regclass('head'))") == 1
                    && database.number("SELECT position FROM head") > 0
            })
            .await;
            // A transaction takes some milliseconds, and most looks are between two of them.
            let mut cut = 0;
            for _ in 0..300 {
                if cut >= 10 {
                    break;
                }
                let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks
                    WHERE relation IN ('head'::regclass, 'leases'::regclass) AND pid <> pg_backend_pid()";
                cut += database.number(sql);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            cut
        }
    });
    let synced = by(&rig, 1, &["sync"]).await.expect(0);
    assert!(cuts.await.unwrap() > 0, "no connection was cut: {synced:?}");
    same(
        &rig.target().await,
        &Expected::default().after_cycle(rig.tenant()),
    );
    let again = by(&rig, 1, &["sync", "--format", "json"]).await.expect(0);
    assert_eq!(again.job()["requests"]["target"], 0, "{again:?}");
    content(&rig, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_copy_is_gone_gives_its_job_up() {
    let Some(database) = Database::of_all() else {
        return;
    };
    let rig = Rig::start(Size::new(3, 0, 0)).await;
    rig.edit(|text| text.replace("timeout = \"5s\"", "timeout = \"1s\""));
    let rig = shared(rig, &database, "lease = \"3s\"", 2);
    let agents = [Agent::start(&rig, 1), Agent::start(&rig, 2)];
    let mut first = None;
    until("an agent has the job", || {
        first = holder(&database, &agents);
        first.is_some()
    })
    .await;
    let first = first.unwrap();
    fs::remove_file(rig.path(&format!("copy{}.db", first + 1))).unwrap();
    until("the other has it", || {
        holder(&database, &agents) == Some(1 - first)
    })
    .await;
    let log = fs::read_to_string(rig.path(&format!("a{}.log", first + 1))).unwrap();
    assert!(
        log.contains("no cycle starts until the state can be used"),
        "{log}"
    );
    let words = "this machine's copy of the shared state, copy";
    assert!(log.contains(words), "{log}");
    assert!(log.contains("the copy is made anew"), "{log}");
    assert!(!log.contains("only by an old address"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_copy_is_reported_as_one_and_made_anew() {
    let Some(database) = Database::of_all() else {
        return;
    };
    let rig = shared(Rig::start(Size::new(30, 3, 60)).await, &database, "", 1);
    by(&rig, 1, &["sync"]).await.expect(0);
    let copy = rig.path("copy1.db");
    let mut bytes = fs::read(&copy).unwrap();
    let last = bytes.len() - 4096;
    bytes[last..].fill(0xa5);
    fs::write(&copy, bytes).unwrap();
    let damaged = by(&rig, 1, &["sync"]).await.expect(1);
    let words = "this machine's copy of the shared state, copy1.db, is damaged";
    assert!(damaged.err.contains(words), "{damaged:?}");
    assert!(!damaged.err.contains("restore a backup"), "{damaged:?}");
    for ending in ["", "-wal", "-shm"] {
        // The two others are not always there.
        let _ = fs::remove_file(rig.path(&format!("copy1.db{ending}")));
    }
    let synced = by(&rig, 1, &["sync", "--format", "json"]).await.expect(0);
    assert_eq!(synced.job()["requests"]["target"], 0, "{synced:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_have_one_key() {
    let Some(database) = Database::of_all() else {
        return;
    };
    let rig = Rig::start(Size::new(3, 0, 0)).await;
    rig.edit(|text| text.replace("timeout = \"5s\"", "timeout = \"1s\""));
    let rig = shared(rig, &database, "lease = \"4s\"", 2);
    let key = |text: &str| fs::write(rig.path("state-key"), text).unwrap();
    let says = |run: Run, words: &str| assert!(run.err.contains(words), "{words}\n{run:?}");
    key("too short");
    let short = by(&rig, 1, &["check"]).await;
    assert!(
        short.out.contains("shorter than 32 characters"),
        "{short:?}"
    );
    let short = by(&rig, 1, &["sync"]).await.expect(1);
    says(short, "openssl rand -base64 32");
    key("0123456789abcdef0123456789abcdef");
    let mut agent = Agent::start(&rig, 1);
    until("it runs", || {
        database.number("SELECT count(to_regclass('agents'))") == 1
            && database.number("SELECT count(*) FROM agents WHERE shares") == 1
    })
    .await;
    key("fedcba9876543210fedcba9876543210");
    let other = by(&rig, 2, &["plan"]).await.expect(1);
    says(other, "another key");
    // A reload cannot change the lease.
    let text = fs::read_to_string(rig.path("a1.toml")).unwrap();
    let longer = text.replace("timeout = \"1s\"", "timeout = \"2s\"");
    fs::write(rig.path("a1.toml"), longer).unwrap();
    agent.signal("-HUP");
    until("it says so", || {
        let said = fs::read_to_string(rig.path("a1.log")).unwrap();
        said.contains("depends on the longest timeout of a target")
    })
    .await;
    agent.kill();
    until("its lease ended", || {
        database.number(
            "SELECT count(*) FROM agents WHERE renewed > clock_timestamp() - interval '5 seconds'",
        ) == 0
    })
    .await;
    // Where none runs, it may have been replaced on purpose.
    let replaced = by(&rig, 2, &["sync"]).await.expect(0);
    says(replaced, "not the key that this state had");
    let again = by(&rig, 2, &["sync"]).await.expect(0);
    assert!(!again.err.contains("not the key"), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_an_older_version_are_upgraded_and_dropped_ones_are_reported() {
    let Some(database) = Database::of_all() else {
        return;
    };
    let rig = Rig::start(Size::new(3, 0, 0)).await;
    let rig = shared(rig, &database, "", 1);
    by(&rig, 1, &["sync"]).await.expect(0);
    // As version 1 made them.
    database.run(
        "ALTER TABLE head DROP COLUMN key; ALTER TABLE leases DROP COLUMN configured_by;
         ALTER TABLE agents DROP COLUMN outdated; UPDATE head SET version = 1",
    );
    let status = by(&rig, 1, &["status"]).await;
    assert!(status.err.contains("older version"), "{status:?}");
    let synced = by(&rig, 1, &["sync", "--format", "json"]).await.expect(0);
    assert_eq!(synced.job()["requests"]["target"], 0);
    assert_eq!(database.number("SELECT count(key) FROM head"), 1);
    // As after an upgrade of entrain: nothing is left of what it is done with.
    database.run("UPDATE head SET format = format - 1");
    by(&rig, 1, &["sync"]).await.expect(0);
    let left = fs::read_dir(rig.path(".")).unwrap().flatten();
    let left: Vec<_> = left
        .map(|file| file.file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".entrain-"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
    let schema = &database.schema;
    database.run(&format!("DROP SCHEMA {schema} CASCADE"));
    let status = by(&rig, 1, &["status"]).await;
    assert!(status.err.contains("holds no state"), "{status:?}");
}

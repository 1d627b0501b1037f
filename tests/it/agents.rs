//! A state in `PostgreSQL` that several agents share: the same cycles, the way there and back, what goes wrong with
//! the database, and who runs what.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use entrain::sandbox::Size;
use serde_json::{Value, json};

use crate::cycles::same;
use crate::database::{Database, KEY};
use crate::foreign::installed;
use crate::rig::{Rig, Run};
use crate::service::until;
use crate::target::Expected;

/// The rig with its state in a database: `a1.toml`, `a2.toml` and so on are the same configuration on other machines.
pub(crate) fn shared(rig: Rig, database: &Database, more: &str, agents: usize) -> Rig {
    fs::write(rig.path("state-key"), KEY).unwrap();
    fs::set_permissions(rig.path("state-key"), Permissions::from_mode(0o600)).unwrap();
    configure(&rig, database, more, agents);
    rig
}

fn configure(rig: &Rig, database: &Database, more: &str, agents: usize) {
    let text = fs::read_to_string(rig.path("entrain.toml")).unwrap();
    for agent in 1..=agents {
        let state = database.section(&format!("copy{agent}.db"), more);
        fs::write(
            rig.path(&format!("a{agent}.toml")),
            format!("{state}\n{text}"),
        )
        .unwrap();
    }
}

/// A command of one of the agents.
pub(crate) async fn by(rig: &Rig, agent: usize, arguments: &[&str]) -> Run {
    let file = format!("a{agent}.toml");
    let arguments: Vec<&str> = ["--config", &file]
        .iter()
        .chain(arguments)
        .copied()
        .collect();
    rig.run(&arguments).await
}

async fn document(rig: &Rig, agent: usize, arguments: &[&str]) -> Value {
    let arguments: Vec<&str> = arguments
        .iter()
        .copied()
        .chain(["--format", "json"])
        .collect();
    let run = by(rig, agent, &arguments).await;
    serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {run:?}"))
}

/// What every copy holds.
pub(crate) async fn content(rig: &Rig, agent: usize) -> Value {
    let checked = document(rig, agent, &["state", "check"]).await;
    assert_eq!(checked["faults"], json!([]));
    checked
}

#[tokio::test(flavor = "multi_thread")]
async fn cycles_of_two_machines_are_those_of_one() {
    let Some(database) = Database::of_all() else {
        return;
    };
    let rig = shared(Rig::start(Size::new(60, 6, 150)).await, &database, "", 2);
    let first = by(&rig, 1, &["sync", "--format", "json"]).await.expect(0);
    assert_eq!(first.job()["failed"], 0);
    let mut expected = Expected::default();
    same(&rig.target().await, &expected.after_cycle(rig.tenant()));

    // The other machine knows all that the first one did.
    let second = by(&rig, 2, &["sync", "--format", "json"]).await.expect(0);
    assert_eq!(second.job()["requests"]["target"], 0, "{second:?}");
    let user = rig.tenant().users_in_scope().into_iter().next().unwrap();
    rig.tenant().set_property(user, "jobTitle", json!("Pilot"));
    rig.joiner("anna.neu");
    by(&rig, 2, &["sync"]).await.expect(0);
    same(&rig.target().await, &expected.after_cycle(rig.tenant()));
    let third = by(&rig, 1, &["sync", "--format", "json"]).await.expect(0);
    assert_eq!(third.job()["requests"]["target"], 0, "{third:?}");
    // After a failover the targets are read where something was written shortly before.
    database.run("UPDATE head SET timeline = 'FFFFFFFF'");
    let after = by(&rig, 1, &["sync", "--format", "json"]).await.expect(0);
    assert_ne!(after.job()["requests"]["target"], 0, "{after:?}");
    same(&rig.target().await, &expected.after_cycle(rig.tenant()));

    assert_eq!(content(&rig, 1).await, content(&rig, 2).await);
    let history = by(&rig, 1, &["history", "anna.neu@contoso.com"])
        .await
        .expect(0);
    assert!(history.out.contains("create"), "{history:?}");
    // A plan on a machine of its own leaves no trace.
    let changes = database.number("SELECT position FROM head");
    by(&rig, 1, &["plan"]).await.expect(0);
    assert_eq!(database.number("SELECT position FROM head"), changes);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_moves_to_a_database_and_back() {
    let Some(database) = Database::of_all() else {
        return;
    };
    let rig = shared(Rig::start(Size::new(40, 4, 80)).await, &database, "", 1);
    let key = "[state]\nkey = { file = \"state-key\" }\n";
    rig.edit(|text| format!("{key}\n{text}"));
    let idle = |run: Run| {
        let job = run.expect(0).job();
        assert_eq!(job["requests"]["target"], 0, "{job:#}");
    };
    rig.run(&["sync"]).await.expect(0);
    let Database { port, schema: _ } = database;
    let url = format!("postgres://entrain@127.0.0.1:{port}/entrain");
    let nothing = ["state", "copy", "--from", "nothing.db", "--to", &url];
    let absent = by(&rig, 1, &nothing).await.expect(2);
    assert!(absent.err.contains("is not a state file"), "{absent:?}");
    assert!(!rig.path("nothing.db").exists());
    let copy = ["state", "copy", "--from", "entrain.db", "--to", &url];
    let copied = by(&rig, 1, &copy).await.expect(0);
    assert!(
        copied.out.contains("each compared with the original"),
        "{copied:?}"
    );
    // For a second time there is a state.
    let again = by(&rig, 1, &copy).await.expect(1);
    assert!(
        again.err.contains("holds a state in the schema"),
        "{again:?}"
    );
    idle(by(&rig, 1, &["sync", "--format", "json"]).await);

    rig.joiner("anna.neu");
    by(&rig, 1, &["sync"]).await.expect(0);
    let back = ["state", "copy", "--from", &url, "--to", "back.db"];
    let copied = by(&rig, 1, &back).await.expect(0);
    assert!(copied.out.contains("keep state.key"), "{copied:?}");
    rig.edit(|text| text.replace("[state]\n", "[state]\npath = \"back.db\"\n"));
    idle(rig.sync().await);
    rig.user("anna.neu@contoso.com");
}

/// A running service of one agent.
pub(crate) struct Agent {
    pub(crate) child: Child,
}

impl Agent {
    pub(crate) fn start(rig: &Rig, number: usize) -> Self {
        Self::start_with(rig, number, |_| {})
    }

    pub(crate) fn start_with(rig: &Rig, number: usize, change: impl FnOnce(&mut Command)) -> Self {
        Self::on(rig, &format!("a{number}.toml"), number, change)
    }

    /// With this configuration.
    pub(crate) fn on(
        rig: &Rig,
        file: &str,
        number: usize,
        change: impl FnOnce(&mut Command),
    ) -> Self {
        let log = File::options()
            .create(true)
            .append(true)
            .open(rig.path(&format!("a{number}.log")))
            .unwrap();
        let mut command = rig.command(&["--config", file, "run"]);
        change(&mut command);
        let child = command.stderr(log).stdout(Stdio::null()).spawn().unwrap();
        Self { child }
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status();
        assert!(sent.unwrap().success());
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The place of the agent that runs the job, of these.
pub(crate) fn holder(database: &Database, agents: &[Agent]) -> Option<usize> {
    if database.number("SELECT count(to_regclass('leases'))") == 0 {
        return None;
    }
    let pid = database.number(
        "SELECT coalesce((SELECT pid FROM agents, leases WHERE leases.agent = agents.id AND name = 'demo'), 0)",
    );
    agents
        .iter()
        .position(|agent| i64::from(agent.child.id()) == pid)
}

const QUICK: &str = "lease = \"3s\"";

#[tokio::test(flavor = "multi_thread")]
async fn another_agent_takes_a_job_over_and_a_command_reaches_the_one_that_has_it() {
    let Some(database) = Database::of_all() else {
        return;
    };
    let rig = Rig::start(Size::new(20, 2, 40)).await;
    fs::write(rig.path("state-key"), KEY).unwrap();
    rig.edit(|text| text.replace("timeout = \"5s\"", "timeout = \"1s\""));
    configure(&rig, &database, QUICK, 3);
    let mut agents: Vec<Agent> = (1..=2).map(|number| Agent::start(&rig, number)).collect();
    let mut held = None;
    until("an agent has the job", || {
        held = holder(&database, &agents);
        held.is_some()
            && database.number("SELECT count(*) FROM agents WHERE NOT fenced") == 2
            && database.number("SELECT count(*) FROM changes") > 10
    })
    .await;
    let listed = document(&rig, 3, &["agents"]).await;
    assert_eq!(listed["without_agent"], json!([]), "{listed:#}");
    let alive = listed["agents"].as_array().unwrap().iter();
    assert_eq!(alive.filter(|agent| agent["alive"] == true).count(), 2);

    // From a machine that runs nothing.
    let user = rig.joiner("anna.neu");
    let synced = by(&rig, 3, &["sync", "--format", "json"]).await.expect(0);
    assert_eq!(synced.job()["failed"], 0, "{synced:?}");
    rig.user("anna.neu@contoso.com");
    by(&rig, 3, &["pause", "demo"]).await.expect(0);
    let paused = by(&rig, 3, &["sync"]).await;
    assert!(paused.err.contains("paused since"), "{paused:?}");
    by(&rig, 3, &["resume", "demo"]).await.expect(0);

    let first = held.unwrap();
    let begun = Instant::now();
    agents[first].kill();
    until("the other has it", || {
        holder(&database, &agents).is_some_and(|held| held != first)
    })
    .await;
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "{:?}",
        begun.elapsed()
    );
    rig.tenant().set_property(user, "jobTitle", json!("Pilot"));
    by(&rig, 3, &["sync"]).await.expect(0);
    let title = rig.user("anna.neu@contoso.com")["title"].clone();
    assert_eq!(title, "Pilot");

    // One that leaves in order needs no lease to end.
    let second = 1 - first;
    agents.push(Agent::start(&rig, 3));
    until("a third has joined", || {
        database.number("SELECT count(*) FROM agents WHERE NOT fenced") == 2
    })
    .await;
    agents[second].signal("-TERM");
    until("the third has it", || holder(&database, &agents) == Some(2)).await;
    assert_eq!(
        database.number("SELECT epoch FROM leases WHERE name = 'demo'"),
        3
    );
    let counted = |agent| content(&rig, agent);
    assert_eq!(counted(1).await, counted(2).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_page_names_the_agent_that_runs_each_job() {
    let Some(database) = Database::of_all() else {
        return;
    };
    let rig = shared(Rig::start(Size::new(3, 0, 0)).await, &database, "", 2);
    for file in ["a1.toml", "a2.toml"] {
        let text = fs::read_to_string(rig.path(file)).unwrap();
        let page = "[web]\nlisten = \"127.0.0.1:0\"\nopen_on_loopback = true\n";
        fs::write(rig.path(file), format!("{page}{text}")).unwrap();
    }
    let agents: Vec<Agent> = (1..=2).map(|number| Agent::start(&rig, number)).collect();
    let mut held = None;
    until("an agent has the job, and both serve the page", || {
        held = holder(&database, &agents);
        let log = |number| fs::read_to_string(rig.path(&format!("a{number}.log")));
        let is_ready = |log: String| log.contains("status page is ready");
        held.is_some() && (1..=2).all(|number| log(number).is_ok_and(is_ready))
    })
    .await;
    let addresses = (1..=2).map(|number| {
        let log = fs::read_to_string(rig.path(&format!("a{number}.log"))).unwrap();
        let (_, address) = log.split_once("address=").unwrap();
        let address = address.split_whitespace().next().unwrap();
        address.trim_matches('"').to_owned()
    });
    let addresses: Vec<String> = addresses.collect();
    let page = async |address: &str| reqwest::get(address).await.unwrap().text().await.unwrap();
    // What is shown may be some seconds old, and another may take the job meanwhile.
    let shown = async || {
        let Some(held) = holder(&database, &agents) else {
            return false;
        };
        let runner = format!("(pid {})", agents[held].child.id());
        let mut is_shown = true;
        for address in &addresses {
            let overview = page(address).await;
            for text in [&overview, &page(&format!("{address}jobs/demo")).await] {
                let (_, run_by) = text.split_once("<dt>Run by</dt>").expect(text);
                is_shown &= run_by.split("</dd>").next().unwrap().contains(&runner);
            }
            let (_, table) = overview.split_once("<h2 id=\"agents\">").expect(&overview);
            let pids = agents.iter().map(|one| format!("(pid {})", one.child.id()));
            is_shown &= pids.into_iter().all(|pid| table.contains(&pid));
            is_shown &= table.matches("since <time").count() == 1;
        }
        is_shown
    };
    settled("the pages name the agent", shown).await;
    // Without the database it is not known.
    database.run("ALTER TABLE agents RENAME TO elsewhere");
    let words = "The agents are not known";
    let unknown = async || page(&addresses[0]).await.contains(words);
    settled("the page says that it does not know", unknown).await;
    database.run("ALTER TABLE elsewhere RENAME TO agents");
}

/// Waits until this is so, which is asked of a page.
async fn settled(what: &str, is_so: impl AsyncFn() -> bool) {
    for _ in 0..300 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what}: not within half a minute");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_configurations_of_a_job_the_one_loaded_last_counts() {
    let Some(database) = Database::of_all() else {
        return;
    };
    let rig = Rig::start(Size::new(3, 0, 0)).await;
    fs::write(rig.path("state-key"), KEY).unwrap();
    rig.edit(|text| text.replace("timeout = \"5s\"", "timeout = \"1s\""));
    configure(&rig, &database, QUICK, 2);
    let first = Agent::start(&rig, 1);
    let agents = [first];
    until("it has the job", || holder(&database, &agents) == Some(0)).await;
    let newer = fs::read_to_string(rig.path("a2.toml")).unwrap();
    let newer = newer.replace("timeout = \"1s\"", "timeout = \"1s\"\nconcurrency = 4");
    fs::write(rig.path("a2.toml"), newer).unwrap();
    let [first] = agents;
    let agents = [first, Agent::start(&rig, 2)];
    until("the newer one has it", || {
        holder(&database, &agents) == Some(1)
    })
    .await;
    let said = fs::read_to_string(rig.path("a1.log")).unwrap();
    assert!(said.contains("a newer configuration of this job"), "{said}");
    // On each machine, and without a service there.
    for (agent, command) in [(1, "status"), (2, "status"), (1, "agents")] {
        let shown = by(&rig, agent, &[command]).await;
        let words = "does not run demo: another agent loaded a newer configuration";
        assert!(shown.out.contains(words), "{shown:?}");
    }
    let listed = document(&rig, 2, &["agents"]).await;
    assert_eq!(
        listed["agents"][0]["outdated"],
        json!(["demo"]),
        "{listed:#}"
    );
    // A command with the older one is not carried out with the newer one.
    let refused = by(&rig, 1, &["sync"]).await.expect(1);
    assert!(
        refused.err.contains("runs demo has another configuration"),
        "{refused:?}"
    );
    // Nor does a plan hide that the agents would do something else.
    let user = rig.tenant().users()[0].properties["userPrincipalName"].clone();
    let user = user.as_str().unwrap();
    for command in [
        &["plan"][..],
        &["explain", "demo", user],
        &["audit", "demo"],
        &["provision", "demo", user, "--dry-run"],
    ] {
        for (agent, warned) in [(1, true), (2, false)] {
            let run = by(&rig, agent, command).await;
            let words = "the running service has another configuration of demo";
            assert_eq!(run.err.contains(words), warned, "{run:?}");
        }
    }
    // Reloaded, the older one is the newest.
    agents[0].signal("-HUP");
    until("the reloaded one has it", || {
        holder(&database, &agents) == Some(0)
    })
    .await;
    // When it is gone, the other configuration is the newest that is left.
    let [mut first, second] = agents;
    first.kill();
    let agents = [first, second];
    until("the one that is left has it", || {
        holder(&database, &agents) == Some(1)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_no_cycle_starts_and_afterwards_all_goes_on() {
    let Some((_server, database)) = Database::alone(None) else {
        return;
    };
    let rig = Rig::start(Size::new(10, 2, 20)).await;
    fs::write(rig.path("state-key"), KEY).unwrap();
    rig.edit(|text| {
        let text = text.replace("timeout = \"5s\"", "timeout = \"1s\"");
        text.replace(
            "[[jobs]]",
            "[schedule]\ninterval = \"1s\"\njitter = \"0s\"\n\n[[jobs]]",
        )
    });
    configure(&rig, &database, QUICK, 1);
    let _agent = Agent::start(&rig, 1);
    let cycles = || {
        let copy = rusqlite::Connection::open(rig.path("copy1.db"));
        let count = copy.and_then(|copy| {
            copy.query_row(
                "SELECT count(*) FROM cycles WHERE finished IS NOT NULL",
                [],
                |row| row.get::<_, i64>(0),
            )
        });
        count.unwrap_or_default()
    };
    until("two cycles", || cycles() >= 2).await;
    database.run("ALTER ROLE entrain CONNECTION LIMIT 0");
    database
        .run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'entrain'");
    until("it says so", || {
        let said = fs::read_to_string(rig.path("a1.log")).unwrap();
        said.contains("no cycle starts until the state can be used again")
    })
    .await;
    let before = cycles();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(cycles(), before);
    // What the copy holds can still be looked at.
    let status = by(&rig, 1, &["status"]).await;
    assert!(status.err.contains("as of the last contact"), "{status:?}");
    assert!(status.out.contains("demo"), "{status:?}");
    let agents = by(&rig, 1, &["agents"]).await.expect(1);
    assert!(agents.err.contains("without the database"), "{agents:?}");
    rig.joiner("anna.neu");
    database.run("ALTER ROLE entrain CONNECTION LIMIT -1");
    until("cycles go on", || cycles() > before + 1).await;
    rig.user("anna.neu@contoso.com");
}

#[test]
fn the_example_for_kubernetes_is_valid_and_its_configuration_loads() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/kubernetes/entrain.yaml");
    let text = fs::read_to_string(&example).unwrap();
    let (_, configuration) = text.split_once("entrain.toml: |\n").unwrap();
    let lines = configuration.lines().take_while(|line| *line != "---");
    let configuration: Vec<&str> = lines.map(str::trim_start).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("entrain.toml");
    fs::write(&file, configuration.join("\n")).unwrap();
    let checked = Command::new(env!("CARGO_BIN_EXE_entrain"))
        .arg("--config")
        .arg(&file)
        .arg("check")
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");
    let Some(home) = installed("kubernetes-validate") else {
        return;
    };
    let validated = Command::new(home.join("venv/bin/kubernetes-validate"))
        .arg("--strict")
        .arg(&example)
        .output()
        .unwrap();
    assert!(validated.status.success(), "{validated:?}");
}

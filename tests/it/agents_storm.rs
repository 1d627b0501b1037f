//! Three agents, several jobs and a database, against kills, stops, cut connections and restarts of the database:
//! every request has its row, nothing is created twice, nothing is written twice at once, and afterwards the
//! targets are as the tenant says (safety.md, 6).
//!
//! `ENTRAIN_ROUNDS` runs more rounds, `ENTRAIN_JOBS` more jobs, `ENTRAIN_STORM_SEED` is the seed.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use entrain::sandbox::{Options, Sandbox, Size};
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::agents::Agent;
use crate::database::{Database, KEY};
use crate::foreign::loudly;
use crate::rig::Rig;
use crate::target::{View, desired, home_address};

const AGENTS: usize = 3;
const ROUNDS: u64 = 20;
const JOBS: u64 = 6;
/// How long the agents may take to bring everything in order, and for each job in addition.
const CALM: Duration = Duration::from_mins(4);
const CALM_OF_JOB: Duration = Duration::from_secs(10);

const OPEN: u8 = 0;
/// What is sent in either direction is swallowed.
const SILENT: u8 = 1;
/// Connections are refused and ended.
const CLOSED: u8 = 2;

pub(crate) fn number(name: &str, default: u64) -> u64 {
    let value = std::env::var_os(name);
    value.map_or(default, |value| value.to_str().unwrap().parse().unwrap())
}

/// What is between an agent and the database.
struct Wire {
    port: u16,
    state: Arc<AtomicU8>,
}

impl Wire {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let state = Arc::new(AtomicU8::new(OPEN));
        let seen = Arc::clone(&state);
        tokio::spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                if seen.load(Ordering::SeqCst) == CLOSED {
                    continue;
                }
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await else {
                        return;
                    };
                    // Pieces are so short that a change of the state shows soon.
                    let cut = async {
                        while seen.load(Ordering::SeqCst) == OPEN {
                            tokio::time::sleep(Duration::from_millis(5)).await;
                        }
                    };
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        () = cut => {
                            while seen.load(Ordering::SeqCst) == SILENT {
                                tokio::time::sleep(Duration::from_millis(5)).await;
                            }
                        }
                    }
                });
            }
        });
        Self { port: own, state }
    }

    fn set(&self, state: u8) {
        self.state.store(state, Ordering::SeqCst);
    }
}

/// Jobs like the first, up to this many, each with a target of its own.
pub(crate) async fn add_jobs(rig: &Rig, jobs: u64) -> Vec<Sandbox> {
    let mut others = Vec::new();
    for job in 2..=jobs {
        let sandbox = Sandbox::start(Options {
            size: Size::new(0, 0, 0),
            ..Options::default()
        });
        let sandbox = sandbox.await.unwrap();
        fs::write(rig.path(&format!("token{job}")), sandbox.scim_token()).unwrap();
        let own = format!("base_url = \"{}\"", rig.sandbox.scim_url());
        rig.edit(|text| {
            let (_, first) = text.split_once("[[jobs]]").unwrap();
            let first = first.split("[[jobs]]").next().unwrap();
            let next = first.replace("\"demo\"", &format!("\"job{job}\""));
            let next = next.replace(&own, &format!("base_url = \"{}\"", sandbox.scim_url()));
            let next = next.replace("\"token\"", &format!("\"token{job}\""));
            format!("{text}\n[[jobs]]{next}")
        });
        others.push(sandbox);
    }
    others
}

struct Storm {
    rig: Rig,
    /// The targets of the jobs after the first, which has the rig's own.
    others: Vec<Sandbox>,
    database: Database,
    wires: Vec<Wire>,
    agents: Vec<Agent>,
    random: fastrand::Rng,
}

impl Storm {
    async fn begin(database: Database, jobs: u64, seed: u64) -> Self {
        let rig = Rig::start(Size::new(30, 3, 60)).await;
        fs::write(rig.path("state-key"), KEY).unwrap();
        rig.edit(|text| {
            let text = text.replace("timeout = \"5s\"", "timeout = \"1s\"");
            let text = text.replace(
                "[[jobs]]",
                "[schedule]\ninterval = \"2s\"\njitter = \"0s\"\nleavers = \"5s\"\nretries = \"1s\"\n\n[[jobs]]",
            );
            format!("{text}\n[jobs.safety]\nmax_deletions = \"100%\"\nmax_membership_removals = \"100%\"\n")
        });
        let others = add_jobs(&rig, jobs).await;
        let mut wires = Vec::new();
        let text = fs::read_to_string(rig.path("entrain.toml")).unwrap();
        for agent in 1..=AGENTS {
            let wire = Wire::to(database.port).await;
            let through = Database {
                port: wire.port,
                ..database.clone()
            };
            let state = through.section(&format!("copy{agent}.db"), "lease = \"2s\"");
            fs::write(
                rig.path(&format!("a{agent}.toml")),
                format!("{state}\n{text}"),
            )
            .unwrap();
            wires.push(wire);
        }
        for entry in fs::read_dir(rig.path(".")).unwrap() {
            let path = entry.unwrap().path();
            fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
        }
        let agents = (1..=AGENTS).map(|number| start(&rig, number)).collect();
        Self {
            rig,
            others,
            database,
            wires,
            agents,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    fn targets(&self) -> impl Iterator<Item = &Sandbox> {
        std::iter::once(&self.rig.sandbox).chain(&self.others)
    }

    /// Something changes in the tenant.
    fn change(&mut self) {
        let tenant = self.rig.tenant();
        let users = tenant.user_ids();
        let user = users[self.random.usize(0..users.len())];
        match self.random.u8(0..6) {
            0 => {
                let alias = format!("new.{:08x}", self.random.u32(..));
                self.rig.joiner(&alias);
            }
            1 => {
                tenant.set_property(user, "accountEnabled", json!(false));
            }
            2 => {
                tenant.set_property(user, "accountEnabled", json!(true));
            }
            _ => {
                let title = format!("Title {}", self.random.u32(..));
                tenant.set_property(user, "jobTitle", json!(title));
            }
        }
    }

    /// Something happens to an agent or to the database, and is over when this returns.
    async fn trouble(&mut self) {
        let one = self.random.usize(0..AGENTS);
        let long = Duration::from_millis(self.random.u64(2_500..4_000));
        match self.random.u8(0..10) {
            0..=2 => {
                self.agents[one].kill();
                self.agents[one] = start(&self.rig, one + 1);
            }
            3 | 4 => {
                self.agents[one].signal("-STOP");
                tokio::time::sleep(long).await;
                self.agents[one].signal("-CONT");
            }
            5 => {
                self.agents[one].signal("-TERM");
                let ended = Instant::now();
                while self.agents[one].child.try_wait().unwrap().is_none() {
                    assert!(
                        ended.elapsed() < Duration::from_secs(30),
                        "it does not stop"
                    );
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                self.agents[one] = start(&self.rig, one + 1);
            }
            6 | 7 => {
                self.wires[one].set(SILENT);
                tokio::time::sleep(long).await;
                self.wires[one].set(OPEN);
            }
            8 => {
                self.wires[one].set(CLOSED);
                tokio::time::sleep(long / 3).await;
                self.wires[one].set(OPEN);
            }
            _ => self.database.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'entrain'",
            ),
        }
    }

    /// One that could not begin without the database is started again, as a service manager does.
    fn revive(&mut self) {
        for (place, agent) in self.agents.iter_mut().enumerate() {
            if agent.child.try_wait().unwrap().is_some() {
                *agent = start(&self.rig, place + 1);
            }
        }
    }

    /// What the targets hold and should not.
    fn differences(&self) -> Vec<String> {
        let users = self.rig.tenant().users();
        let in_scope = self.rig.tenant().users_in_scope();
        let mut different = Vec::new();
        for (job, sandbox) in self.targets().enumerate() {
            let actual = view(sandbox);
            for user in &users {
                let name = home_address(user.properties["userPrincipalName"].as_str().unwrap());
                let is_in = in_scope.contains(&user.id);
                let is_enabled = user.properties["accountEnabled"] == true;
                let desired = desired(&user.properties, is_enabled && is_in);
                let agrees = match actual.users.get(&name) {
                    Some(person) if is_in => {
                        person.active == desired.active
                            && person.values.get("title") == desired.values.get("title")
                    }
                    Some(person) => !person.active,
                    // Who is blocked before the first cycle saw them gets no account.
                    None => !(is_in && is_enabled),
                };
                if !agrees {
                    different.push(format!("{job} {name}: {:?}", actual.users.get(&name)));
                }
            }
        }
        different
    }

    /// Requests of all jobs that changed something, as the targets counted them and as the ledger has them.
    fn writes(&self) -> (usize, usize) {
        let counted = self.targets().map(|sandbox| sandbox.target.writes()).sum();
        let copy = rusqlite::Connection::open(self.rig.path("seen.db")).unwrap();
        let sql = "SELECT coalesce(sum(max(coalesce(attempts, 1), 1)), 0) FROM actions
                   WHERE state IN (1, 2, 10, 11, 12, 13, 14, 16)";
        let rows: i64 = copy.query_row(sql, [], |row| row.get(0)).unwrap();
        (counted, usize::try_from(rows).unwrap())
    }
}

/// The second agent's clock is an hour ahead, where the library for that is there.
fn start(rig: &Rig, number: usize) -> Agent {
    const FAKE: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
    Agent::start_with(rig, number, |command: &mut Command| {
        if number == 2 && Path::new(FAKE).exists() {
            command
                .env("LD_PRELOAD", FAKE)
                .env("FAKETIME", "+1h")
                .env("DONT_FAKE_MONOTONIC", "1");
        }
    })
}

fn view(sandbox: &Sandbox) -> View {
    View::new(&sandbox.target.users(), &sandbox.target.groups())
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_lose_nothing_double_nothing_and_never_write_at_the_same_time() {
    let Some((_server, database)) = Database::alone(None) else {
        return;
    };
    let (rounds, jobs) = (
        number("ENTRAIN_ROUNDS", ROUNDS),
        number("ENTRAIN_JOBS", JOBS),
    );
    let seed = number("ENTRAIN_STORM_SEED", 1);
    let mut storm = Storm::begin(database, jobs, seed).await;
    for round in 0..rounds {
        for _ in 0..3 {
            storm.change();
        }
        storm.trouble().await;
        storm.revive();
        tokio::time::sleep(Duration::from_millis(storm.random.u64(100..1_500))).await;
        for (job, sandbox) in storm.targets().enumerate() {
            let overlaps = sandbox.target.traffic().overlaps();
            assert_eq!(overlaps, [] as [String; 0], "round {round}, job {job}");
            let duplicates = view(sandbox).duplicates;
            assert_eq!(duplicates, [] as [String; 0], "round {round}, job {job}");
        }
        if (round + 1) % 50 == 0 {
            loudly(&format!("{} rounds\n", round + 1));
        }
    }

    let begun = Instant::now();
    let calm = CALM + CALM_OF_JOB * u32::try_from(jobs).unwrap();
    loop {
        let different = storm.differences();
        if different.is_empty() {
            break;
        }
        assert!(
            begun.elapsed() < calm,
            "after {calm:?} targets and tenant do not agree; ENTRAIN_STORM_SEED={seed}: {different:#?}\nlogs:\n{}",
            logs(&storm.rig)
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
        storm.revive();
    }
    for agent in &storm.agents {
        agent.signal("-TERM");
    }
    for agent in &mut storm.agents {
        agent.child.wait().unwrap();
    }
    // A last copy sees what all of them did.
    let text = fs::read_to_string(storm.rig.path("a1.toml")).unwrap();
    fs::write(
        storm.rig.path("seen.toml"),
        text.replace("copy1.db", "seen.db"),
    )
    .unwrap();
    let synced = storm
        .rig
        .run(&["--config", "seen.toml", "sync", "--format", "json"])
        .await
        .expect(0);
    assert_eq!(synced.job()["failed"], 0, "{synced:?}");
    let (counted, on_record) = storm.writes();
    assert!(
        counted <= on_record,
        "{counted} requests, {on_record} on record"
    );
    for sandbox in storm.targets() {
        let exchanges = sandbox.target.traffic().exchanges();
        let created = exchanges.iter().filter(|one| {
            one.method == "POST" && one.path.ends_with("/Users") && one.status == Some(201)
        });
        let (created, accounts) = (created.count(), view(sandbox).users.len());
        assert!(
            created <= accounts,
            "{created} creates, {accounts} accounts"
        );
    }
    loudly(&format!(
        "agents: {rounds} rounds, {jobs} jobs, {counted} writes, calm after {:.1} s\n",
        begun.elapsed().as_secs_f64()
    ));
}

fn logs(rig: &Rig) -> String {
    let logs = (1..=AGENTS).map(|agent| fs::read_to_string(rig.path(&format!("a{agent}.log"))));
    let logs: Vec<String> = logs.map(Result::unwrap_or_default).collect();
    let ends = logs.iter().map(|log| {
        let lines: Vec<&str> = log.lines().rev().take(40).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    });
    ends.collect::<Vec<_>>().join("\n----\n")
}

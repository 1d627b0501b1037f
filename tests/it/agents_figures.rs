//! Figures of agents that share a state, measured by hand: how soon another agent takes over, and what many jobs cost.
//!
//! `ENTRAIN_KILLS` is the number of kills; `ENTRAIN_JOBS` and `ENTRAIN_USERS` are those of the many jobs.

use std::fs;
use std::time::{Duration, Instant};

use entrain::sandbox::Size;

use crate::agents::{Agent, by, holder, shared};
use crate::agents_storm::{add_jobs, number};
use crate::database::Database;
use crate::foreign::loudly;
use crate::rig::Rig;
use crate::service::until;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "ten minutes; another agent takes over in a test of agents"]
async fn how_soon_another_agent_sends_for_a_job_whose_agent_was_killed() {
    let Some(database) = Database::of_all() else {
        return;
    };
    let rig = Rig::start(Size::new(20, 2, 40)).await;
    rig.edit(|text| {
        let schedule =
            "[schedule]\ninterval = \"1s\"\njitter = \"0s\"\nleavers = \"off\"\n\n[[jobs]]";
        text.replace("timeout = \"5s\"", "timeout = \"1s\"")
            .replace("[[jobs]]", schedule)
    });
    let rig = shared(rig, &database, "lease = \"3s\"", 2);
    let mut agents = [Agent::start(&rig, 1), Agent::start(&rig, 2)];
    let mut times = Vec::new();
    for kill in 0..number("ENTRAIN_KILLS", 100) {
        let mut held = None;
        until("one of two agents has the job", || {
            held = holder(&database, &agents);
            let both = "SELECT count(*) FROM agents WHERE NOT fenced AND shares";
            held.is_some() && database.number(both) == 2
        })
        .await;
        let held = held.unwrap();
        agents[held].kill();
        let killed = Instant::now();
        let name = format!("late.{kill:03}");
        rig.joiner(&name);
        let address = format!("{name}@contoso.com");
        let target = &rig.sandbox.target;
        until("the other sends", || {
            target.find_user_by("userName", &address).is_some()
        })
        .await;
        times.push(killed.elapsed());
        agents[held] = Agent::start(&rig, held + 1);
    }
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64();
    loudly(&format!(
        "{} takeovers, lease 3 s, interval 1 s: least {:.1} s, median {:.1} s, 90 of 100 within {:.1} s, most {:.1} s\n",
        times.len(),
        at(0),
        at(50),
        at(90),
        at(100)
    ));
}

/// CPU time of a process so far, in seconds.
fn cpu(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<&str> = fields.split(' ').collect();
    // In ticks, of which there are 100 a second on Linux.
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

fn memory(process: u32) -> String {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    line.split_whitespace()
        .skip(1)
        .collect::<Vec<_>>()
        .join(" ")
}

/// A cycle of every job, started by a signal to each agent.
async fn round(rig: &Rig, agents: &[Agent], state: &str, jobs: u64) -> (Duration, Vec<f64>) {
    let cycles = || {
        let copy = rusqlite::Connection::open(rig.path(state)).unwrap();
        let sql = "SELECT count(*) FROM cycles WHERE finished IS NOT NULL";
        copy.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let before = cycles();
    let used: Vec<f64> = agents.iter().map(|agent| cpu(agent.child.id())).collect();
    let begun = Instant::now();
    for agent in agents {
        agent.signal("-USR1");
    }
    until("all cycles ended", || {
        cycles() - before >= i64::try_from(jobs).unwrap()
    })
    .await;
    let took = begun.elapsed();
    let used = agents
        .iter()
        .zip(used)
        .map(|(agent, before)| cpu(agent.child.id()) - before);
    (took, used.collect())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "half an hour; it measures"]
async fn what_many_jobs_cost_on_three_agents_and_on_one() {
    let Some(database) = Database::of_all() else {
        return;
    };
    let jobs = number("ENTRAIN_JOBS", 300);
    let users = usize::try_from(number("ENTRAIN_USERS", 1_000)).unwrap();
    let rig = Rig::start(Size::new(users, 20, users)).await;
    rig.edit(|text| {
        let schedule =
            "[schedule]\ninterval = \"1d\"\njitter = \"0s\"\nleavers = \"off\"\n\n[[jobs]]";
        text.replace("[[jobs]]", schedule)
    });
    let _targets = add_jobs(&rig, jobs).await;
    let rig = shared(rig, &database, "", 3);
    for (place, state) in [
        ("one agent, a file", "entrain.db"),
        ("three agents", "copy1.db"),
    ] {
        let many = state == "copy1.db";
        let begun = Instant::now();
        let first = if many {
            by(&rig, 1, &["sync"]).await
        } else {
            rig.run(&["sync"]).await
        };
        first.expect(0);
        loudly(&format!(
            "{place}: {jobs} jobs of {users} users: first cycles {:.1} s\n",
            begun.elapsed().as_secs_f64()
        ));
        let agents: Vec<Agent> = if many {
            (1..=3).map(|number| Agent::start(&rig, number)).collect()
        } else {
            vec![Agent::on(&rig, "entrain.toml", 0, |_| {})]
        };
        if many {
            let divided = "SELECT count(DISTINCT agent) * 1000 + count(*) FROM leases
                WHERE agent IS NOT NULL AND name NOT LIKE '@%'";
            let all = 3_000 + i64::try_from(jobs).unwrap();
            until("each of three agents has jobs", || {
                database.number(divided) == all
            })
            .await;
        } else {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        for _ in 0..3 {
            let (took, used) = round(&rig, &agents, state, jobs).await;
            loudly(&format!(
                "{place}: unchanged cycles of all jobs in {:.1} s, CPU {used:.1?} s, memory {:?}\n",
                took.as_secs_f64(),
                agents
                    .iter()
                    .map(|agent| memory(agent.child.id()))
                    .collect::<Vec<_>>()
            ));
        }
    }
}

//! An initial cycle beside a bare client that posts the same bodies to the same kind of target at the
//! same concurrency, in turns, so that the ratio holds on a noisy machine. Then the sizes of the
//! budgets: requests, and the peak memory of the process.
//!
//! `cargo bench --bench initial_cycle [-- USERS]`; the sandbox runs in this process, the agent in its own.
#![expect(clippy::print_stdout, reason = "what it measured is printed")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use entrain::sandbox::{Options, Sandbox, Size, TargetHandle, TargetOptions};
use futures::StreamExt;
use serde_json::Value;

const CONCURRENCY: usize = 8;
const ROUNDS: usize = 3;

fn main() {
    let users = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be started");
    runtime.block_on(async {
        let users = users.unwrap_or(5_000);
        throughput(users, Duration::ZERO).await;
        throughput(users, Duration::from_millis(10)).await;
        budgets().await;
    });
}

async fn throughput(users: u32, latency: Duration) {
    println!(
        "initial cycle of {users} users, {CONCURRENCY} writes in flight, the target takes {} ms more",
        latency.as_millis()
    );
    let mut ratios = Vec::new();
    for round in 1..=ROUNDS {
        let sandbox = sandbox(Size::new(users as usize, 0, 0)).await;
        sandbox.target.traffic().record_bodies(true);
        sandbox.target.configure(|target| target.latency = latency);
        let cycle = Cycle::run(&sandbox).await;
        let created = sandbox.target.user_count();
        let bodies: Vec<String> = sandbox
            .target
            .traffic()
            .exchanges()
            .into_iter()
            .filter(|exchange| exchange.method == "POST")
            .filter_map(|exchange| exchange.body)
            .collect();
        sandbox.stop().await;
        let bare = post_all(&bodies, latency).await;
        let created = u32::try_from(created).expect("no more than were asked for");
        let rate = |took: Duration| f64::from(created) / took.as_secs_f64();
        let ratio = rate(cycle.took) / rate(bare);
        println!(
            "  round {round}: entrain {:.0} users/s ({:.2} s in all), bare client {:.0} users/s, ratio {ratio:.2}",
            rate(cycle.took),
            cycle.took.as_secs_f64(),
            rate(bare),
        );
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    println!("  median ratio {:.2}", ratios[ratios.len() / 2]);
}

async fn budgets() {
    println!("10,000 users, 500 groups, 50,000 memberships");
    let sandbox = sandbox(Size::new(10_000, 500, 50_000)).await;
    for name in ["initial", "unchanged"] {
        let cycle = Cycle::run_in(&sandbox, name == "initial").await;
        let done = &cycle.job["done"];
        println!(
            "  {name} cycle: {:.1} s, peak memory {} MiB, requests to source {} and target {}, done {done}",
            cycle.took.as_secs_f64(),
            cycle.peak_kib / 1024,
            cycle.job["requests"]["source"],
            cycle.job["requests"]["target"],
        );
    }
    let _ = fs::remove_dir_all(folder());
    sandbox.stop().await;
}

async fn sandbox(size: Size) -> Sandbox {
    let options = Options {
        seed: 1,
        size,
        ..Options::default()
    };
    Sandbox::start(options)
        .await
        .expect("loopback can be bound")
}

struct Cycle {
    took: Duration,
    peak_kib: u64,
    job: Value,
}

impl Cycle {
    async fn run(sandbox: &Sandbox) -> Self {
        let cycle = Self::run_in(sandbox, true).await;
        let _ = fs::remove_dir_all(folder());
        cycle
    }

    async fn run_in(sandbox: &Sandbox, fresh: bool) -> Self {
        if fresh {
            configure(&folder(), sandbox);
        }
        let begun = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_entrain"))
            .args(["sync", "--format", "json"])
            .current_dir(folder())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let status = format!("/proc/{}/status", child.id());
        let mut peak_kib = 0;
        while child.try_wait().expect("it is our child").is_none() {
            peak_kib = peak_kib.max(high_water(&status).unwrap_or(0));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let took = begun.elapsed();
        let output = child.wait_with_output().expect("it has ended");
        assert!(output.status.success(), "the cycle failed");
        let document: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
        Self {
            took,
            peak_kib,
            job: document["jobs"][0].clone(),
        }
    }
}

/// `VmHWM` of the process, where there is such a thing.
fn high_water(status: &str) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn folder() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("entrain-bench-{}", std::process::id()))
}

fn configure(folder: &Path, sandbox: &Sandbox) {
    fs::create_dir_all(folder).expect("a temporary folder can be made");
    fs::write(folder.join("secret"), sandbox.client_secret()).expect("it can be written");
    fs::write(folder.join("token"), sandbox.scim_token()).expect("it can be written");
    let text = format!(
        "[source]\n\
         tenant_id = \"{}\"\n\
         client_id = \"{}\"\n\
         client_secret = {{ file = \"secret\" }}\n\
         login_url = \"{}\"\n\
         graph_url = \"{}\"\n\
         [[jobs]]\n\
         name = \"bench\"\n\
         preset = \"generic\"\n\
         application = {{ app_id = \"{}\" }}\n\
         [jobs.target]\n\
         base_url = \"{}\"\n\
         token = {{ file = \"token\" }}\n\
         concurrency = {CONCURRENCY}\n",
        sandbox.tenant_id(),
        sandbox.client_id(),
        sandbox.login_url(),
        sandbox.graph_url(),
        sandbox.app_id(),
        sandbox.scim_url(),
    );
    fs::write(folder.join("entrain.toml"), text).expect("it can be written");
}

/// What the machine can do without us: the same bodies, and nothing else.
async fn post_all(bodies: &[String], latency: Duration) -> Duration {
    let target = TargetHandle::start(TargetOptions::default())
        .await
        .expect("loopback can be bound");
    target.configure(|target| target.latency = latency);
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client can be built");
    let url = format!("{}/Users", target.scim_url());
    let token = target.token();
    // References name ids of the first target; the bodies are as long without them.
    let begun = Instant::now();
    futures::stream::iter(bodies)
        .for_each_concurrent(CONCURRENCY, |body| {
            let request = client
                .post(&url)
                .bearer_auth(&token)
                .header("Content-Type", "application/scim+json")
                .body(body.clone());
            async move {
                let answer = request.send().await.expect("the target answers");
                assert_eq!(answer.status(), 201, "the body was accepted before");
                let _ = answer.bytes().await;
            }
        })
        .await;
    let took = begun.elapsed();
    target.stop().await;
    took
}

//! How many users a second the mappings of the generic preset take, on one thread: what the engine
//! costs before anything is planned, sent or stored.
//!
//! `cargo bench --bench mapping [-- USERS]`
#![expect(clippy::print_stdout, reason = "figures are what a bench is for")]

use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

use chrono::DateTime;
use entrain::bench::Mappings;

const ROUNDS: usize = 5;

const CONFIG: &str = r#"
[source]
tenant_id = "00001111-aaaa-2222-bbbb-3333cccc4444"
client_id = "11112222-bbbb-3333-cccc-4444dddd5555"
client_secret = { env = "UNUSED" }

[[jobs]]
name = "bench"
preset = "generic"
application = { app_id = "22223333-cccc-4444-dddd-5555eeee6666" }

[jobs.target]
base_url = "https://scim.example.com"
token = { env = "UNUSED" }
"#;

fn main() {
    let users = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let users: u32 = users.unwrap_or(100_000);
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("entrain.toml");
    fs::write(&file, CONFIG).expect("a file can be written");
    let mappings = Mappings::load(&file, users);

    println!(
        "{users} users, {} mappings each, one thread",
        mappings.mappings()
    );
    let mut rounds: Vec<Duration> = Vec::new();
    for round in 1..=ROUNDS {
        let start = Instant::now();
        let values = black_box(mappings.run(DateTime::UNIX_EPOCH));
        let took = start.elapsed();
        println!(
            "  round {round}: {:.0} users/s ({:.3} s, {values} values)",
            rate(users, took),
            took.as_secs_f64()
        );
        rounds.push(took);
    }
    rounds.sort();
    println!("  median: {:.0} users/s", rate(users, rounds[ROUNDS / 2]));
}

fn rate(users: u32, took: Duration) -> f64 {
    f64::from(users) / took.as_secs_f64()
}

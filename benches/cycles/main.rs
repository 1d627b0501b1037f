//! Whole cycles of the agent against the sandbox, each in a process of its own: what they cost in time,
//! CPU, memory, requests and bytes, next to what the machine can do without the agent.
//!
//! ```text
//! cargo bench --bench cycles [-- OPTIONS]
//!   --users N,N         sizes of the tenant [default: 1000,10000,100000]
//!   --memberships N,N   memberships of each user [default: 1,10]
//!   --million           1,000,000 users with 10 memberships each, too
//!   --quick             without a restart and a slow target, and without --users at 10,000 users with
//!                       10 memberships each: for CI
//!   --log N             also with a log of N entries
//!   --agent FILE        measure this program instead of the one that was built
//!   --database URL      with the state in this PostgreSQL database, in schemas that it makes
//! ```
//!
//! It fails when a budget of counts and sizes that counts (`budget.rs`) is exceeded.
#![expect(clippy::print_stdout, reason = "what it measured is printed")]

mod agent;
mod bounds;
mod budget;
mod process;
mod scenario;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use agent::Program;
use scenario::Figures;
use world::Scale;

const SIZES: &[usize] = &[1_000, 10_000, 100_000];
const MEMBERSHIPS: &[usize] = &[1, 10];
const QUICK: Scale = Scale {
    users: 10_000,
    memberships: 10,
};
const MILLION: Scale = Scale {
    users: 1_000_000,
    memberships: 10,
};
/// The size at which a target that takes its time is measured.
const SLOW_TARGET: Scale = Scale {
    users: 2_000,
    memberships: 1,
};
const LATENCY: Duration = Duration::from_millis(10);

fn main() -> ExitCode {
    // `cargo bench` adds this one.
    let words = std::env::args().skip(1).filter(|word| word != "--bench");
    let words: Vec<String> = words.collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [world::ROLE, users, memberships] => {
            let scale = Scale {
                users: number(users),
                memberships: number(memberships),
            };
            runtime().block_on(world::serve(scale));
            ExitCode::SUCCESS
        }
        [bounds::CLIENT_ROLE, url, token, file] => {
            runtime().block_on(bounds::post_all(url, token, file));
            ExitCode::SUCCESS
        }
        [bounds::WRITER_ROLE, file, bytes] => {
            bounds::write_rows(file, number(bytes)).expect("the build folder can be written");
            ExitCode::SUCCESS
        }
        options => measure(&Options::parse(options)),
    }
}

fn measure(options: &Options) -> ExitCode {
    let Options {
        scales,
        quick,
        log,
        agent,
    } = options;
    println!("The agent: {}", agent.file.display());
    let mut kept = true;
    for scale in scales {
        let figures = Figures::measure(agent, *scale, *quick, *log);
        kept &= budget::review(&figures);
    }
    if !quick {
        scenario::measure_latency(agent, SLOW_TARGET, LATENCY);
    }
    if kept {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

struct Options {
    scales: Vec<Scale>,
    quick: bool,
    log: Option<i64>,
    agent: Program,
}

impl Options {
    fn parse(words: &[&str]) -> Self {
        let mut sizes = None;
        let mut memberships = MEMBERSHIPS.to_vec();
        let mut million = false;
        let mut quick = false;
        let mut log = None;
        let mut agent = PathBuf::from(env!("CARGO_BIN_EXE_entrain"));
        let mut database = None;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().copied().unwrap_or_default();
            match *word {
                "--users" => sizes = Some(numbers(value())),
                "--memberships" => memberships = numbers(value()),
                "--log" => log = value().parse().ok(),
                "--agent" => agent = PathBuf::from(value()),
                "--database" => database = Some(value().to_owned()),
                "--million" => million = true,
                "--quick" => quick = true,
                other => panic!("there is no option {other}"),
            }
        }
        if quick && sizes.is_none() {
            sizes = Some(vec![QUICK.users]);
            memberships = vec![QUICK.memberships];
        }
        let mut scales = Vec::new();
        for users in sizes.unwrap_or_else(|| SIZES.to_vec()) {
            scales.extend(memberships.iter().map(|memberships| Scale {
                users,
                memberships: *memberships,
            }));
        }
        if million {
            scales.push(MILLION);
        }
        Self {
            scales,
            quick,
            log,
            agent: Program {
                file: agent.canonicalize().expect("the agent is a file"),
                database,
            },
        }
    }
}

fn numbers(list: &str) -> Vec<usize> {
    list.split(',').map(number).collect()
}

fn number(text: &str) -> usize {
    text.replace('_', "").parse().expect("a number")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().expect("a runtime can be started")
}

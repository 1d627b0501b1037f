//! The scenarios of one size of tenant, in the order in which they build on each other, and their figures.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::agent::{Agent, Program, Run};
use crate::bounds;
use crate::process::Usage;
use crate::world::{Counts, Scale, World};

/// How long to wait, for each object that is missing, before the target is counted again. A small tenant
/// must not be done before it is counted, and a large one need not be counted often.
const COUNT_INTERVAL: Duration = Duration::from_micros(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scenario {
    /// No user is in scope.
    Read,
    /// Into an empty target.
    Initial,
    /// A state that knows nothing, and a target that holds everything.
    MatchOnly,
    Unchanged,
    Plan,
    Changed,
    OneMember,
    /// With a log as long as years make it.
    UnchangedWithLog,
    ChangedWithLog,
    StatusWithLog,
    LogWithLog,
    Killed,
    Restarted,
}

impl Scenario {
    fn title(self) -> &'static str {
        match self {
            Self::Read => "initial read, no user in scope",
            Self::Initial => "initial cycle",
            Self::MatchOnly => "initial cycle, only matches",
            Self::Unchanged => "unchanged",
            Self::Plan => "`plan`, unchanged",
            Self::Changed => "0.1 % changed",
            Self::OneMember => "one member of the largest group",
            Self::UnchangedWithLog => "long log: unchanged",
            Self::ChangedWithLog => "long log: 0.1 % changed",
            Self::StatusWithLog => "long log: `status`",
            Self::LogWithLog => "long log: `log`",
            Self::Killed => "`kill -9` half way",
            Self::Restarted => "restart after it",
        }
    }
}

/// One scenario: what the agent used, and what passed its servers.
#[derive(Debug)]
struct Figure {
    run: Run,
    counts: Counts,
}

/// Everything that was measured at one size.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) scale: Scale,
    facts: Value,
    scenarios: BTreeMap<Scenario, Figure>,
}

impl Figures {
    /// Runs the scenarios. `quick`: without the second tenant, which doubles the time.
    /// `log`: entries of the log after years, if that is to be measured.
    pub(crate) fn measure(program: &Program, scale: Scale, quick: bool, log: Option<i64>) -> Self {
        let mut world = World::start(scale);
        println!(
            "\n## {} users, {} memberships, the largest group has {} members\n",
            scale.users,
            world.size("memberships"),
            world.size("largest_group"),
        );
        print_head();
        let mut figures = Self {
            scale,
            facts: world.facts.clone(),
            scenarios: BTreeMap::new(),
        };
        let reader = Agent::that_only_reads(program, &world);
        figures.run(&mut world, &reader, Scenario::Read, &["sync"]);
        drop(reader);
        let agent = Agent::new(program, &world);
        figures.run(&mut world, &agent, Scenario::Initial, &["sync"]);
        figures.run(&mut world, &agent, Scenario::Unchanged, &["sync"]);
        figures.run(&mut world, &agent, Scenario::Plan, &["plan"]);
        world.change_users(scale.users.div_ceil(1_000));
        figures.run(&mut world, &agent, Scenario::Changed, &["sync"]);
        world.add_member();
        figures.run(&mut world, &agent, Scenario::OneMember, &["sync"]);
        if let Some(rows) = log {
            agent.lengthen_log(rows);
            figures.run(&mut world, &agent, Scenario::UnchangedWithLog, &["sync"]);
            world.change_users(scale.users.div_ceil(1_000));
            figures.run(&mut world, &agent, Scenario::ChangedWithLog, &["sync"]);
            figures.run(&mut world, &agent, Scenario::StatusWithLog, &["status"]);
            figures.run(&mut world, &agent, Scenario::LogWithLog, &["log"]);
        }
        drop(agent);
        let stateless = Agent::new(program, &world);
        figures.run(&mut world, &stateless, Scenario::MatchOnly, &["sync"]);
        drop(stateless);
        figures.compare(&mut world);
        world.stop();
        if !quick {
            figures.kill_and_restart(program);
        }
        figures
    }

    fn run(&mut self, world: &mut World, agent: &Agent, scenario: Scenario, command: &[&str]) {
        world.reset();
        let run = agent.run(command);
        self.add(world, agent, scenario, run);
    }

    fn add(&mut self, world: &mut World, agent: &Agent, scenario: Scenario, run: Run) {
        let counts = world.counts();
        print_row(scenario, &run, counts, self.scale);
        if !matches!(run.exit_code, Some(0) | None) {
            println!("```\n{}\n```", agent.last_output());
        }
        self.scenarios.insert(scenario, Figure { run, counts });
    }

    fn kill_and_restart(&mut self, program: &Program) {
        let mut world = World::start(self.scale);
        let agent = Agent::new(program, &world);
        let half = self.created_exactly() / 2;
        let interval = COUNT_INTERVAL * u32::try_from(half).unwrap_or(u32::MAX);
        let mut counted = Instant::now();
        let run = agent.run_until(&["sync"], || {
            if counted.elapsed() < interval {
                return false;
            }
            counted = Instant::now();
            let counts = world.counts();
            counts.users + counts.groups >= half
        });
        println!();
        print_head();
        self.add(&mut world, &agent, Scenario::Killed, run);
        self.run(&mut world, &agent, Scenario::Restarted, &["sync"]);
        world.stop();
    }

    /// The agent next to what the machine can do.
    fn compare(&self, world: &mut World) {
        let Some(initial) = self.scenarios.get(&Scenario::Initial) else {
            return;
        };
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        let folder = folder.expect("the build folder can be written");
        let (posted, client) = bounds::post_bodies(world, folder.path(), Duration::ZERO);
        let writer = bounds::write_bytes(initial.run.state, folder.path());
        let usage = initial.run.usage;
        let created = self.users();
        let own = created / usage.wall.as_secs_f64();
        let bare = per_second(posted, client);
        println!();
        println!(
            "- created users a second: {own:.0}, a bare client posts {bare:.0}: {:.3}",
            own / bare
        );
        println!(
            "- own CPU per created user: {:.3} ms, of the bare client {:.3} ms",
            milliseconds(usage.cpu) / created,
            milliseconds(client.cpu) / as_f64(posted as u64),
        );
        println!(
            "- state per user: {:.0} bytes; to disk per byte of state: {:.1}, when only reading {:.1}; passed to write: {:.1}",
            self.state_per_user().unwrap_or_default(),
            self.to_disk_per_byte(Scenario::Initial).unwrap_or_default(),
            self.to_disk_per_byte(Scenario::Read).unwrap_or_default(),
            as_f64(usage.written) / as_f64(initial.run.state),
        );
        println!(
            "- SQLite writes as many bytes as the state has in {:.2} s, with {:.2} s of CPU, {:.1} to disk per byte",
            writer.wall.as_secs_f64(),
            writer.cpu.as_secs_f64(),
            as_f64(writer.to_disk) / as_f64(initial.run.state),
        );
    }

    fn of(&self, scenario: Scenario) -> Option<&Figure> {
        self.scenarios.get(&scenario)
    }

    pub(crate) fn size(&self, name: &str) -> f64 {
        as_f64(self.facts[name].as_u64().unwrap_or(0))
    }

    pub(crate) fn to_target(&self, scenario: Scenario) -> Option<f64> {
        Some(as_f64(self.of(scenario)?.counts.to_target))
    }

    pub(crate) fn to_source(&self, scenario: Scenario) -> Option<f64> {
        Some(as_f64(self.of(scenario)?.counts.to_source))
    }

    /// Users in the target after the initial cycle.
    pub(crate) fn users(&self) -> f64 {
        let initial = self.of(Scenario::Initial);
        initial.map_or(0.0, |figure| as_f64(figure.counts.users))
    }

    pub(crate) fn users_after_restart(&self) -> Option<f64> {
        Some(as_f64(self.of(Scenario::Restarted)?.counts.users))
    }

    /// Users and groups in the target after the initial cycle.
    pub(crate) fn created(&self) -> f64 {
        as_f64(self.created_exactly())
    }

    fn created_exactly(&self) -> u64 {
        let initial = self.of(Scenario::Initial);
        initial.map_or(0, |figure| figure.counts.users + figure.counts.groups)
    }

    pub(crate) fn most_under_way(&self) -> Option<f64> {
        Some(as_f64(self.of(Scenario::Initial)?.counts.most_under_way))
    }

    pub(crate) fn state_per_user(&self) -> Option<f64> {
        Some(as_f64(self.of(Scenario::Initial)?.run.state) / self.users())
    }

    pub(crate) fn to_disk_per_byte(&self, scenario: Scenario) -> Option<f64> {
        let run = &self.of(scenario)?.run;
        Some(as_f64(run.usage.to_disk) / as_f64(run.state))
    }

    /// The largest peak of all scenarios.
    pub(crate) fn peak(&self) -> Option<f64> {
        let figures = self.scenarios.values();
        figures
            .map(|figure| figure.run.usage.peak)
            .max()
            .map(as_f64)
    }
}

/// An initial cycle and the bare client where the target takes its time.
pub(crate) fn measure_latency(program: &Program, scale: Scale, latency: Duration) {
    let mut world = World::start(scale);
    world.set_latency(latency);
    let agent = Agent::new(program, &world);
    let run = agent.run(&["sync"]);
    let counts = world.counts();
    let seconds = run.usage.wall.as_secs_f64();
    let own = as_f64(counts.users) / seconds;
    // A cycle also reads, creates groups and adds members, which the bare client does not.
    let requests = as_f64(counts.to_target) / seconds;
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"));
    let folder = folder.expect("the build folder can be written");
    world.set_latency(Duration::ZERO);
    let (posted, client) = bounds::post_bodies(&mut world, folder.path(), latency);
    let bare = per_second(posted, client);
    println!(
        "\n## {} users, {} memberships, the target takes {} ms for each answer\n",
        scale.users,
        world.size("memberships"),
        latency.as_millis()
    );
    println!(
        "- created users a second: {own:.0}, a bare client posts {bare:.0}: {:.2}",
        own / bare
    );
    println!(
        "- requests a second, of {} in all: {requests:.0}: {:.2}",
        counts.to_target,
        requests / bare
    );
    world.stop();
}

fn print_head() {
    println!(
        "| | wall s | own CPU s | CPU ms per user | peak MiB | requests to source | to target | state MiB | to disk MiB | passed to write MiB | exit code |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
}

fn print_row(scenario: Scenario, run: &Run, counts: Counts, scale: Scale) {
    let Run {
        usage:
            Usage {
                wall,
                cpu,
                peak,
                to_disk,
                written,
            },
        exit_code,
        state,
    } = run;
    let Counts {
        to_source,
        to_target,
        ..
    } = counts;
    let exit_code = exit_code.map_or("killed".to_owned(), |code| code.to_string());
    println!(
        "| {} | {:.2} | {:.2} | {:.3} | {:.0} | {to_source} | {to_target} | {:.1} | {:.1} | {:.1} | {exit_code} |",
        scenario.title(),
        wall.as_secs_f64(),
        cpu.as_secs_f64(),
        milliseconds(*cpu) / as_f64(scale.users as u64),
        mib(*peak),
        mib(*state),
        mib(*to_disk),
        mib(*written),
    );
}

fn per_second(count: usize, usage: Usage) -> f64 {
    as_f64(count as u64) / usage.wall.as_secs_f64()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn mib(bytes: u64) -> f64 {
    as_f64(bytes) / (1024.0 * 1024.0)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn as_f64(number: u64) -> f64 {
    number as f64
}

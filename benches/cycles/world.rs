//! The sandbox in a process of its own, so that the CPU and the memory of the agent are its own.
//! The bench writes one command a line; the sandbox answers each with one line of JSON.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use entrain::sandbox::{Options, Sandbox, Size, TargetHandle, TargetOptions, Uuid};
use serde_json::{Value, json};

/// By which the bench starts itself as a sandbox.
pub(crate) const ROLE: &str = "role-sandbox";

const SEED: u64 = 1;
/// One group for so many users.
const USERS_PER_GROUP: usize = 20;
/// The largest group of a large tenant has so many members.
const LARGEST_GROUP: usize = 100_000;
/// Members in one request, as the configuration has it by default.
const MEMBER_CHUNK: usize = 100;

/// How many users, and how many memberships each of them has on average.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scale {
    pub(crate) users: usize,
    pub(crate) memberships: usize,
}

/// A running sandbox. It ends with the bench, whatever happens to that, because its input does.
#[derive(Debug)]
pub(crate) struct World {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Ids, addresses and secrets for the configuration of the agent, and the sizes of the tenant.
    pub(crate) facts: Value,
}

/// What passed since the last reset.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) to_source: u64,
    pub(crate) to_target: u64,
    pub(crate) most_under_way: u64,
    /// Users and groups in the target.
    pub(crate) users: u64,
    pub(crate) groups: u64,
}

impl World {
    pub(crate) fn start(scale: Scale) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("a program knows its file"))
            .args([
                ROLE,
                &scale.users.to_string(),
                &scale.memberships.to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the bench can be started again");
        let input = child.stdin.take().expect("the input is piped");
        let output = child.stdout.take().expect("the output is piped");
        let mut world = Self {
            child,
            input,
            output: BufReader::new(output),
            facts: Value::Null,
        };
        world.facts = world.answer();
        world
    }

    pub(crate) fn stop(mut self) {
        drop(self.input);
        let _ = self.child.wait();
    }

    pub(crate) fn fact(&self, name: &str) -> &str {
        self.facts[name].as_str().expect("the sandbox names it")
    }

    pub(crate) fn size(&self, name: &str) -> u64 {
        self.facts[name].as_u64().expect("the sandbox counts it")
    }

    pub(crate) fn reset(&mut self) {
        self.command("reset");
    }

    pub(crate) fn counts(&mut self) -> Counts {
        let counts = self.command("counts");
        let count = |name: &str| counts[name].as_u64().expect("the sandbox counts it");
        Counts {
            to_source: count("to_source"),
            to_target: count("to_target"),
            most_under_way: count("most_under_way"),
            users: count("users"),
            groups: count("groups"),
        }
    }

    /// How long the target takes for each answer.
    pub(crate) fn set_latency(&mut self, latency: Duration) {
        self.command(&format!("latency {}", latency.as_millis()));
    }

    /// Changes a property of so many users in the tenant.
    pub(crate) fn change_users(&mut self, count: usize) {
        self.command(&format!("change {count}"));
    }

    /// Adds one member to the largest group.
    pub(crate) fn add_member(&mut self) {
        self.command("member");
    }

    /// Starts one more, empty target and gives its address.
    pub(crate) fn empty_target(&mut self) -> String {
        let answer = self.command("target");
        answer["scim_url"].as_str().unwrap_or_default().to_owned()
    }

    fn command(&mut self, command: &str) -> Value {
        writeln!(self.input, "{command}").expect("the sandbox reads its input");
        self.answer()
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        let read = self.output.read_line(&mut line);
        read.expect("the sandbox writes its output");
        serde_json::from_str(&line).expect("the sandbox answers in JSON")
    }
}

/// The sandbox's side: serves until its input ends.
pub(crate) async fn serve(scale: Scale) {
    let groups = (scale.users / USERS_PER_GROUP).max(2);
    let options = Options {
        seed: SEED,
        size: Size::new(scale.users, groups, memberships_to_request(scale, groups)),
        ..Options::default()
    };
    let sandbox = Sandbox::start(options).await;
    let sandbox = sandbox.expect("loopback can be bound");
    sandbox.tenant.traffic().record(false);
    sandbox.target.traffic().record(false);
    let largest = Largest::prepare(&sandbox, scale);
    print(&facts(&sandbox, &largest));
    let mut served = Served {
        sandbox,
        largest,
        round: 0,
        second: None,
    };
    for line in io::stdin().lines() {
        let Ok(line) = line else { break };
        let answer = served.carry_out(&line).await;
        print(&answer);
    }
}

/// The largest groups would have more members than there are users and lose those, so more are requested.
fn memberships_to_request(scale: Scale, groups: usize) -> usize {
    let wanted = scale.users * scale.memberships;
    // As the sandbox distributes them: a tenth of the users is in no group, and group n has a share of 1/n.
    let most = scale.users * 9 / 10;
    let shares = || (1..groups).map(|rank| 1_000_000 / rank);
    let all: usize = shares().sum();
    let total = |requested: usize| -> usize {
        let members = shares().map(|share| (requested * share / all).clamp(1, most));
        members.sum()
    };
    let (mut low, mut high) = (wanted, wanted * 4);
    while low < high {
        let middle = usize::midpoint(low, high);
        if total(middle) < wanted {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

struct Served {
    sandbox: Sandbox,
    largest: Largest,
    round: u32,
    second: Option<TargetHandle>,
}

impl Served {
    async fn carry_out(&mut self, line: &str) -> Value {
        let (tenant, target) = (&self.sandbox.tenant, &self.sandbox.target);
        let (command, argument) = line.split_once(' ').unwrap_or((line, ""));
        match command {
            "reset" => {
                tenant.traffic().reset();
                target.traffic().reset();
            }
            "counts" => {
                return json!({
                    "to_source": tenant.traffic().count(),
                    "to_target": target.traffic().count(),
                    "most_under_way": target.traffic().most_under_way(),
                    "users": target.user_count(),
                    "groups": target.group_count(),
                });
            }
            "latency" => {
                let latency = Duration::from_millis(argument.parse().unwrap_or(0));
                target.configure(|target| target.latency = latency);
                if let Some(second) = &self.second {
                    second.configure(|target| target.latency = latency);
                }
            }
            "change" => {
                let count: usize = argument.parse().unwrap_or(0);
                let scope = tenant.users_in_scope();
                let step = (scope.len() / count.max(1)).max(1);
                self.round += 1;
                for user in scope.into_iter().step_by(step).take(count) {
                    let title = format!("Title {}", self.round);
                    tenant.set_property(user, "jobTitle", title.into());
                }
            }
            "member" => {
                tenant.add_members(self.largest.id, &[self.largest.outsider]);
            }
            "target" => {
                if let Some(second) = self.second.take() {
                    second.stop().await;
                }
                let second = TargetHandle::start(TargetOptions::default()).await;
                let second = second.expect("loopback can be bound");
                second.traffic().record(false);
                let url = second.scim_url();
                self.second = Some(second);
                return json!({"scim_url": url});
            }
            _ => return json!({"unknown": command}),
        }
        json!({})
    }
}

/// The largest group, and a user in scope who is not in it.
struct Largest {
    id: Uuid,
    outsider: Uuid,
    members: usize,
}

impl Largest {
    /// Fills the largest group of a large tenant up to its size, for memberships of a realistic number.
    fn prepare(sandbox: &Sandbox, scale: Scale) -> Self {
        let tenant = &sandbox.tenant;
        let groups = tenant.groups().into_iter();
        let largest = groups.max_by_key(|group| group.members.len());
        let largest = largest.expect("there is a group");
        let mut members: std::collections::BTreeSet<Uuid> = largest.members.into_iter().collect();
        let users = tenant.users_in_scope();
        let mut outsiders = users.into_iter().filter(|user| !members.contains(user));
        let outsider = outsiders.next().expect("somebody is in no large group");
        let wanted = LARGEST_GROUP.saturating_sub(1 + members.len());
        if scale.users >= LARGEST_GROUP && scale.memberships > 1 && wanted > 0 {
            let more: Vec<Uuid> = outsiders.take(wanted).collect();
            tenant.add_members(largest.id, &more);
            members.extend(more);
        }
        Self {
            id: largest.id,
            outsider,
            members: members.len(),
        }
    }
}

fn facts(sandbox: &Sandbox, largest: &Largest) -> Value {
    let groups = sandbox.tenant.groups();
    let members = groups.iter().map(|group| group.members.len());
    let chunks = groups
        .iter()
        .map(|group| group.members.len().div_ceil(MEMBER_CHUNK));
    json!({
        "tenant_id": sandbox.tenant_id(),
        "client_id": sandbox.client_id(),
        "client_secret": sandbox.client_secret(),
        "login_url": sandbox.login_url(),
        "graph_url": sandbox.graph_url(),
        "app_id": sandbox.app_id(),
        "scim_url": sandbox.scim_url(),
        "scim_token": sandbox.scim_token(),
        "memberships": members.sum::<usize>(),
        "member_chunks": chunks.sum::<usize>(),
        "largest_group": largest.members,
        "assignments": sandbox.tenant.assignments().len(),
    })
}

fn print(value: &Value) {
    let mut output = io::stdout().lock();
    // Without a reader the bench is gone, and the input ends too.
    let _ = writeln!(output, "{value}");
    let _ = output.flush();
}

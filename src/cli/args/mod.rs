//! The arguments as they are typed. The file of each command says what they mean.

mod local;
mod operator;
mod reading;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::OnceLock;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{ArgAction, Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

pub(super) use self::local::{Demo, Eval, Export, Init, Man};
pub(super) use self::operator::{
    ConfigCommand, Erase, EscrowCommand, LinksCommand, Reset, Restart, StateCommand, Undo,
};
pub(super) use self::reading::{
    Import, PresetsCommand, Probe, Report, Snapshot, SourceCommand, SupportBundle, Test,
};
use super::format::Format;
use super::moment::{Moment, moment};
use crate::cycle::{self, Options};
use crate::engine::model::ObjectKind;
use crate::engine::plan::Operation;
use crate::engine::record::LogStatus;
use crate::store::{CYCLE, PLAN};

/// Heads the options of every command in its help.
const GLOBAL: &str = "Global options";

/// Provisions users and groups from Microsoft Entra ID into SCIM 2.0 applications
#[derive(Debug, Parser)]
#[command(
    name = "entrain",
    version,
    propagate_version = false,
    max_term_width = 80,
    after_help = "\
Exit codes:
  0  Done, or nothing to do
  1  Failed
  2  Wrong usage or configuration
  3  Completed, but some objects failed
  4  Held by quarantine or a safety limit
  5  Changes are pending (plan --detailed-exitcode)
  For several jobs the most severe code is returned: 1, 2, 4, 3, 5, 0."
)]
pub(super) struct Cli {
    // The variable is read by `config`, as every other one.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = GLOBAL,
        help = "Configuration file [default: $ENTRAIN_CONFIG, ./entrain.toml, /etc/entrain/entrain.toml]"
    )]
    pub(super) config: Option<PathBuf>,

    /// Output format
    #[arg(long, global = true, value_enum, default_value_t = Format::Text, help_heading = GLOBAL)]
    pub(super) format: Format,

    /// More output (-vv for debug)
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet", help_heading = GLOBAL)]
    pub(super) verbose: u8,

    /// Log errors only, and show no progress
    #[arg(short, long, global = true, help_heading = GLOBAL)]
    pub(super) quiet: bool,

    #[command(subcommand)]
    pub(super) command: Command,
}

/// Whether a word is the name of a command.
pub(super) fn is_command(word: &str) -> bool {
    static NAMES: OnceLock<Vec<String>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        let program = Cli::command();
        let names = program
            .get_subcommands()
            .map(|one| one.get_name().to_owned());
        names.collect()
    });
    names.iter().any(|name| name == word)
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the service: every enabled job on its schedule, until SIGTERM
    ///
    /// SIGHUP reloads the configuration, SIGUSR1 starts a cycle of every job now.
    Run,
    /// Run one cycle now
    Sync(Sync),
    /// Show what a cycle would change, without changing anything
    Plan(Plan),
    /// Compare the target with what was last written and what the mappings produce, without changing anything
    ///
    /// Lists differences, accounts without a user in scope, duplicates, ambiguous matches, and how well
    /// each attribute would match.
    #[command(after_help = "--format csv prints a table for spreadsheets.")]
    Audit(Audit),
    /// Apply a saved plan if it is still what a cycle would do
    ///
    /// Reads the tenant and plans again. If the result differs from the saved plan, prints the differences
    /// and writes nothing. Safety limits hold removals as in any cycle.
    Apply(Apply),
    /// Provision users or groups now, and show each step: import, scope, match, action, result
    Provision(Provision),
    /// Explain why an object is or is not provisioned, and what would change that; uses no network
    Explain(Linked),
    /// Detect what a target supports and print settings to review; only reads unless --write is given
    Probe(Probe),
    /// Check the configuration; uses no network
    Check {
        /// Print the JSON Schema of the configuration, for editors, instead of checking
        #[arg(long)]
        schema: bool,
    },
    /// Test the connections to the source and the targets
    Test(Test),
    /// Show objects of the tenant, or save a snapshot of it
    Source {
        #[command(subcommand)]
        command: SourceCommand,
    },
    /// Show the state of each job; uses no network
    Status(Status),
    /// Show the provisioning log, oldest first; uses no network
    #[command(
        after_help = "--format csv prints a table for spreadsheets, --format entra what Entra's own log prints."
    )]
    Log(Log),
    /// Show what an earlier cycle or all cycles of a period did; uses no network
    ///
    /// Lists each action with its outcome. For a period, summarizes joiners, movers and leavers, who lost
    /// access and why, how long changes took, and what failed.
    #[command(after_help = "--format csv prints a table for spreadsheets.")]
    Report(Report),
    /// Approve held removals of a job
    ///
    /// An approval is for one object, action and cause. It expires after 7 days, or when the removal is no
    /// longer planned.
    Approve(Decide),
    /// Reject held removals of a job
    ///
    /// They are not planned again until their cause changes; status lists them.
    Reject(Decide),
    /// Make the next cycle of a job start from scratch
    ///
    /// The next cycle reads the whole tenant and evaluates every object.
    Restart(Restart),
    /// Pause a job: no cycle runs, and no user loses access, until it is resumed
    Pause(OneJob),
    /// Resume a paused job, or end its quarantine
    Resume(OneJob),
    /// List, retry or drop objects whose last operation failed
    Escrow {
        #[command(subcommand)]
        command: EscrowCommand,
    },
    /// Show everything on record about a user or group: what was sent, and what operators did
    History(History),
    /// Erase the names and values of a former user from the log and the state
    ///
    /// The object id and its links stay, so that no account is created twice. It is for users who are deleted
    /// in Entra.
    Erase(Erase),
    /// Show what a cycle or a change did and how to restore the former values; writes nothing
    Undo(Undo),
    /// Show and repair links: which target object belongs to which user or group
    Links {
        #[command(subcommand)]
        command: LinksCommand,
    },
    /// Compare the configurations of earlier cycles
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// List the agents that share the state, and the jobs that each of them runs
    Agents,
    /// Back up, restore, copy or check the state
    State {
        #[command(subcommand)]
        command: StateCommand,
    },
    /// Collect diagnostic information in one file, without secrets and with pseudonyms for people
    ///
    /// Versions, the configuration, the state of each job and the last cycles, log lines, and what targets
    /// report of themselves. Lists the contents before it writes the file.
    SupportBundle(SupportBundle),
    /// Evaluate a mapping expression, or a file of test cases
    ///
    /// Exits with 1 if the evaluation fails or a case differs, and with 2 if the expression or a file cannot be read.
    Eval(Eval),
    /// List and print presets, one for each known kind of target
    Presets {
        #[command(subcommand)]
        command: Option<PresetsCommand>,
    },
    /// Write a commented configuration, from options or questions
    Init(Init),
    /// Convert the schema of an Entra provisioning job to a job of entrain
    ///
    /// Lists everything that has no counterpart in entrain.
    Import(Import),
    /// Export a job in another format
    Export(Export),
    /// Run full cycles between a simulated tenant and target
    ///
    /// Needs no network, account or configuration.
    Demo(Demo),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print a manual page, or write all of them
    ///
    /// Without PAGE, prints the page of the program. Each command has its own page; entrain.toml is the
    /// page of the configuration.
    Man(Man),
}

#[derive(Debug, Args)]
pub(super) struct Jobs {
    /// Names of jobs; all enabled jobs if none is given
    #[arg(value_name = "JOB")]
    pub(super) jobs: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    pub(super) jobs: Jobs,

    /// Exit with the code of the most severe job state: 0, 1, 3 or 4, as sync does
    #[arg(long)]
    pub(super) exit_code: bool,

    /// Exit with 1 when no service runs, for the health check of a container
    #[arg(long)]
    pub(super) running: bool,
}

/// What is to be planned, or planned and carried out.
#[derive(Debug, Args)]
pub(super) struct Cycle {
    #[command(flatten)]
    pub(super) jobs: Jobs,

    /// Evaluate every object, and compare linked objects with what the target actually holds
    #[arg(long)]
    pub(super) initial: bool,

    #[command(flatten)]
    only: Only,
}

/// Reports of what was carried out.
#[derive(Debug, Args)]
pub(super) struct DoneReports {
    /// Also write a report of the changes to this file: .html, .md, .csv or .json
    #[arg(long, value_name = "FILE")]
    pub(super) out: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Sync {
    #[command(flatten)]
    pub(super) cycle: Cycle,

    /// Override the job's limit in this cycle: hold disables and deletes above N in 24 hours
    #[arg(long, value_name = "N")]
    pub(super) max_deletions: Option<u64>,

    #[command(flatten)]
    pub(super) reports: DoneReports,
}

#[derive(Debug, Args)]
pub(super) struct Plan {
    #[command(flatten)]
    pub(super) cycle: Cycle,

    /// Also write a report to this file: .html, .md or .csv; .json saves the plan for apply
    #[arg(long, value_name = "FILE")]
    pub(super) out: Vec<PathBuf>,

    /// Show only what differs from a plan with this other configuration; with --source, the target is not contacted
    #[arg(long, value_name = "CONFIG")]
    pub(super) against: Option<PathBuf>,

    #[arg(
        long,
        value_name = "CHANGE",
        conflicts_with = "against",
        help = "Show only what a change in the directory would add to the plan or remove from it: add-member or remove-member \
                GROUP USER, block or unblock USER, delete OBJECT, assign or unassign OBJECT APPLICATION; may \
                be repeated"
    )]
    pub(super) what_if: Vec<String>,

    /// Same as --out with a file name that ends in .html
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,

    /// Plan from a file written by source snapshot, instead of from the tenant
    #[arg(long, value_name = "FILE")]
    pub(super) source: Option<PathBuf>,

    /// Compare the target, as Entra's own job left it, with what this job would write, and say which mapping
    /// causes each difference; if nothing differs, you can switch over
    #[arg(long, conflicts_with_all = ["against", "what_if", "source", "user", "group"])]
    pub(super) parity: bool,

    /// Replace names of users with pseudonyms, to share the plan; apply refuses such a plan
    #[arg(long, conflicts_with = "what_if")]
    pub(super) redact: bool,

    /// Exit with 5 if there are changes
    #[arg(long)]
    pub(super) detailed_exitcode: bool,
}

#[derive(Debug, Args)]
pub(super) struct Provision {
    /// The job
    #[arg(value_name = "JOB")]
    pub(super) job: String,

    /// Users and groups, by object id, principal name, address or display name; a group includes its members
    #[arg(value_name = "OBJECT", required = true)]
    pub(super) objects: Vec<String>,

    /// Show the steps, and send nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Debug, Args)]
pub(super) struct Audit {
    /// The job
    #[arg(value_name = "JOB")]
    pub(super) job: String,

    /// Show the repair as a plan, as sync --initial would carry it out
    #[arg(long)]
    pub(super) plan: bool,

    /// Exit with 5 if anything is found
    #[arg(long)]
    pub(super) detailed_exitcode: bool,
}

#[derive(Debug, Args)]
pub(super) struct Apply {
    /// A file written by plan --out FILE.json
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,

    /// Apply only if the file has this digest, as printed by plan; repeat for each job
    #[arg(long, value_name = "DIGEST")]
    pub(super) expect: Vec<String>,

    /// Approve what the plan holds, if it is N removals; the file must have one job
    #[arg(long, value_name = "N", conflicts_with_all = ["only", "only_group"])]
    pub(super) approve_removals: Option<u64>,

    /// Apply only the changes of the first N users, and read them back; the rest can be applied later, with their
    /// memberships
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) only: Option<u32>,

    /// Apply only the changes of this group and its members, and read them back; the rest can be applied later
    #[arg(long, value_name = "GROUP", conflicts_with = "only")]
    pub(super) only_group: Option<String>,

    #[command(flatten)]
    pub(super) reports: DoneReports,
}

#[derive(Debug, Args)]
pub(super) struct Log {
    #[command(flatten)]
    pub(super) jobs: LoggedJobs,

    /// Only entries since this time: 2026-01-31T08:00:00Z, or an age such as 2h
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(super) since: Option<Moment>,

    /// Only entries before this time: a time or an age
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(super) until: Option<Moment>,

    /// Only this action; plan means objects that could not be planned, cycle means failed cycles
    #[arg(long, value_parser = PossibleValuesParser::new(Operation::NAMES.into_iter().chain([PLAN, CYCLE])))]
    pub(super) action: Option<String>,

    /// Only entries with this status
    #[arg(long, value_parser = PossibleValuesParser::new(LogStatus::ALL.map(LogStatus::as_str)).map(|word| log_status(&word)))]
    pub(super) status: Option<LogStatus>,

    /// Only this object: its object id, target id or name
    #[arg(long, value_name = "ID")]
    pub(super) object: Option<String>,

    /// At most N entries, newest first
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(super) limit: u32,

    /// Keep printing new entries until interrupted; as JSON, one per line
    #[arg(short, long)]
    pub(super) follow: bool,

    /// List the requests that were sent to the source and the target instead
    #[arg(long, conflicts_with_all = ["action", "status", "follow"])]
    pub(super) requests: bool,

    /// Only this cycle
    #[arg(long, value_name = "N")]
    pub(super) cycle: Option<i64>,
}

#[derive(Debug, Args)]
pub(super) struct LoggedJobs {
    /// Names of jobs; every job on record if none is given
    #[arg(value_name = "JOB")]
    pub(super) jobs: Vec<String>,
}

fn log_status(word: &str) -> LogStatus {
    let status = LogStatus::ALL.into_iter().find(|one| one.as_str() == word);
    status.expect("only these words are possible")
}

/// Limits a cycle to one object.
#[derive(Clone, Debug, Args)]
#[group(multiple = false)]
pub(super) struct Only {
    /// Only this user: object id or user principal name
    #[arg(long, value_name = "ID")]
    user: Option<String>,

    /// Only this group and its members: object id or display name
    #[arg(long, value_name = "ID")]
    group: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Decide {
    /// The job
    #[arg(value_name = "JOB")]
    pub(super) job: String,

    /// Only what was held in this cycle; what was held later stays held [default: the last cycle that held anything]
    #[arg(long, value_name = "N")]
    pub(super) cycle: Option<i64>,

    /// Only for this user, by object id or principal name; may be repeated
    #[arg(long = "user", value_name = "ID")]
    pub(super) users: Vec<String>,

    /// Only for this group, by object id or display name; may be repeated
    #[arg(long = "group", value_name = "ID")]
    pub(super) groups: Vec<String>,

    /// Only what has this cause, such as not-assigned: the words that entrain status --format json gives
    #[arg(long, value_name = "WORD")]
    pub(super) cause: Option<String>,

    /// Reason to record
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
}

/// One object of a job.
#[derive(Debug, Args)]
pub(super) struct Linked {
    /// The job
    #[arg(value_name = "JOB")]
    pub(super) job: String,

    /// A user or group, by object id, principal name, address or display name
    #[arg(value_name = "OBJECT")]
    pub(super) object: String,
}

#[derive(Debug, Args)]
pub(super) struct OneJob {
    /// The job
    #[arg(value_name = "JOB")]
    pub(super) job: String,
}

/// Objects in escrow.
#[derive(Debug, Args)]
pub(super) struct Chosen {
    /// The job
    #[arg(value_name = "JOB")]
    pub(super) job: String,

    /// Users and groups, by object id, principal name, address or display name
    #[arg(value_name = "OBJECT", required_unless_present = "all")]
    pub(super) objects: Vec<String>,

    /// All objects in escrow
    #[arg(long, conflicts_with = "objects")]
    pub(super) all: bool,
}

#[derive(Debug, Args)]
pub(super) struct History {
    /// A user or group, by object id, principal name, address or display name
    #[arg(value_name = "OBJECT")]
    pub(super) object: String,
}

impl Cycle {
    pub(super) fn options(&self) -> Options {
        let Only { user, group } = self.only.clone();
        let user = user.map(|user| (Some(ObjectKind::User), user));
        let group = group.map(|group| (Some(ObjectKind::Group), group));
        Options {
            initial: self.initial,
            only: user.or(group).map(|one| cycle::Only {
                objects: vec![one],
                with_members: true,
            }),
            ..Options::default()
        }
    }
}

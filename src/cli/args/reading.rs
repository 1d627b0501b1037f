//! The arguments of the commands that look at a tenant, a target, a preset or what is on record, and of import.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Jobs;
use crate::cli::moment::{Moment, moment};

#[derive(Debug, Args)]
pub(in crate::cli) struct Probe {
    /// The job
    #[arg(value_name = "JOB")]
    pub(in crate::cli) job: String,

    /// Also create, change and remove two scratch users and a group
    #[arg(long)]
    pub(in crate::cli) write: bool,

    /// Write without asking for confirmation
    #[arg(long)]
    pub(in crate::cli) yes: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Test {
    #[command(flatten)]
    pub(in crate::cli) jobs: Jobs,

    /// Instead, send a test notification to each mail recipient and webhook, and call each heartbeat
    #[arg(long)]
    pub(in crate::cli) notify: bool,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SourceCommand {
    /// Show a user or group as Microsoft Graph returns it
    ///
    /// Shows attributes, manager, groups, assignments and roles, and whether it is blocked or in the recycle bin.
    Show {
        /// A user or group, by object id, principal name, address or display name
        #[arg(value_name = "OBJECT")]
        object: String,

        /// The source to read, of several; without it, all of them
        #[arg(long, value_name = "NAME")]
        source: Option<String>,
    },
    /// Save everything that the jobs read from the tenant, or from several, to a file, for plan --source
    Snapshot(Snapshot),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Snapshot {
    /// File to write; - is standard output
    #[arg(value_name = "FILE")]
    pub(in crate::cli) file: PathBuf,

    /// The source to read, of several; without it, all of them
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) source: Option<String>,

    /// Replace the values of users with pseudonyms; equal values get equal pseudonyms
    #[arg(long)]
    pub(in crate::cli) redact: bool,

    /// Keep the values of this attribute; may be repeated
    #[arg(long, value_name = "ATTRIBUTE", requires = "redact")]
    pub(in crate::cli) keep: Vec<String>,

    /// Also read this user attribute, for a mapping that does not exist yet; may be repeated
    #[arg(long = "attribute", value_name = "ATTRIBUTE")]
    pub(in crate::cli) attributes: Vec<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Report {
    /// Number of the cycle; the last cycle of each job if omitted
    #[arg(value_name = "CYCLE", conflicts_with_all = ["since", "jobs"])]
    pub(in crate::cli) cycle: Option<i64>,

    /// Summarize the cycles since this time: 2026-01-31, or an age such as 30d
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(in crate::cli) since: Option<Moment>,

    /// Only cycles that started before this time: a time or an age
    #[arg(long, value_name = "TIME", value_parser = moment, requires = "since")]
    pub(in crate::cli) until: Option<Moment>,

    /// Only this job; may be repeated
    #[arg(long = "job", value_name = "JOB")]
    pub(in crate::cli) jobs: Vec<String>,

    /// Also write the report to this file: .html, .md, .csv or .json
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) out: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SupportBundle {
    /// The file to write; its name ends with .zip
    #[arg(value_name = "FILE")]
    pub(in crate::cli) file: PathBuf,

    /// A log file of entrain; its last lines are included; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) log: Vec<PathBuf>,

    /// Only list what would be in it
    #[arg(long)]
    pub(in crate::cli) list: bool,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum PresetsCommand {
    /// List the settings for the form of requests to a target, with their allowed values
    Knobs,
    /// Print a preset as TOML, as a starting point for your own
    Show {
        /// The preset
        #[arg(value_name = "NAME")]
        name: String,
    },
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Import {
    /// The schema: JSON from Microsoft Graph or from the portal
    #[arg(value_name = "FILE", required_unless_present = "from_tenant")]
    pub(in crate::cli) file: Option<PathBuf>,

    /// Read schema and settings of this application, by id or name, from the tenant in the configuration
    #[arg(long, value_name = "APP", conflicts_with = "file")]
    pub(in crate::cli) from_tenant: Option<String>,

    /// The provisioning job, if the application has several
    #[arg(long, value_name = "ID", requires = "from_tenant")]
    pub(in crate::cli) sync_job: Option<String>,

    /// The source to read, of several
    #[arg(long, value_name = "NAME", requires = "from_tenant")]
    pub(in crate::cli) source: Option<String>,

    /// The job's name [default: the name of the target's directory]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) job: Option<String>,

    /// File to write instead of standard output; must not exist
    #[arg(short, long, value_name = "FILE")]
    pub(in crate::cli) output: Option<PathBuf>,
}

//! The arguments of the commands that reach neither a tenant nor a target: eval, init, export, demo, man.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::Args;

use crate::cli::moment::point_in_time;

#[derive(Debug, Args)]
pub(in crate::cli) struct Man {
    /// A command, such as plan or links list, or entrain.toml
    #[arg(value_name = "PAGE", conflicts_with = "out")]
    pub(in crate::cli) page: Vec<String>,
    /// Write every page into this folder, such as /usr/local/share/man
    #[arg(long, value_name = "FOLDER")]
    pub(in crate::cli) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Eval {
    /// The expression; - reads standard input
    #[arg(
        value_name = "EXPR",
        allow_hyphen_values = true,
        required_unless_present_any = ["expression_file", "cases"],
        conflicts_with_all = ["expression_file", "cases"]
    )]
    pub(in crate::cli) expression: Option<String>,

    /// Read the expression from a file
    #[arg(long, value_name = "FILE", conflicts_with = "cases")]
    pub(in crate::cli) expression_file: Option<PathBuf>,

    /// The attributes of a user as a JSON object, or a user as returned by Microsoft Graph
    #[arg(long, value_name = "FILE", conflicts_with_all = ["user", "cases"])]
    pub(in crate::cli) object: Option<PathBuf>,

    /// A user from the state file of the configuration, by principal name or object id
    #[arg(long, value_name = "ID", conflicts_with = "cases")]
    pub(in crate::cli) user: Option<String>,

    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "cases",
        help = "The user's roles in the application, as a JSON list of id, value and displayName"
    )]
    pub(in crate::cli) roles: Option<PathBuf>,

    #[arg(
        long,
        value_name = "VALUE",
        num_args = 1..,
        conflicts_with = "cases",
        help = "Values that are already taken in the target, for SelectUniqueValue"
    )]
    pub(in crate::cli) existing: Vec<String>,

    #[arg(
        long,
        value_name = "DOMAIN",
        help = "The tenant's default domain, for DefaultDomain [with --user: as the last cycle read it]"
    )]
    pub(in crate::cli) default_domain: Option<String>,

    /// The time that Now returns, such as 2026-01-31T08:00:00Z [default: the current time]
    #[arg(long, value_name = "TIME", value_parser = point_in_time)]
    pub(in crate::cli) now: Option<DateTime<Utc>>,

    /// Show the result of each part of the expression
    #[arg(long, conflicts_with = "cases")]
    pub(in crate::cli) explain: bool,

    /// Evaluate a file of test cases and show those that differ
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) cases: Option<PathBuf>,
}

#[derive(Debug, Default, Args)]
pub(in crate::cli) struct Init {
    /// File to write; must not exist; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "entrain.toml")]
    pub(in crate::cli) output: PathBuf,

    /// The kind of target, such as generic or wizer
    #[arg(long)]
    pub(in crate::cli) preset: Option<String>,

    /// The job's name [default: the preset's]
    #[arg(long)]
    pub(in crate::cli) name: Option<String>,

    /// Directory (tenant) id
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) tenant_id: Option<String>,

    /// Application (client) id that entrain signs in with
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) client_id: Option<String>,

    /// Application id of the enterprise application whose assignments are provisioned
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) app_id: Option<String>,

    /// Address of the target's SCIM service
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) base_url: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Export {
    /// The job
    #[arg(value_name = "JOB")]
    pub(in crate::cli) job: String,

    /// Export as the schema of an Entra provisioning job
    #[arg(long, required = true)]
    pub(in crate::cli) entra_schema: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Demo {
    /// Keep the simulated tenant and target running, with a configuration
    #[arg(long)]
    pub(in crate::cli) keep: bool,

    /// Directory for --keep; must not exist
    #[arg(
        long,
        value_name = "DIR",
        default_value = "entrain-demo",
        requires = "keep"
    )]
    pub(in crate::cli) directory: PathBuf,

    /// Users in the simulated tenant
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(20..=100_000))]
    pub(in crate::cli) users: u32,
}

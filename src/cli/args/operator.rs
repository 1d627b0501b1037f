//! The arguments of the commands by which an operator looks after a job: restart, links, escrow, state, undo.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Chosen, Linked};

#[derive(Debug, Args)]
pub(in crate::cli) struct Restart {
    /// The job
    #[arg(value_name = "JOB")]
    pub(in crate::cli) job: String,

    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "watermark",
        help = "What to reset: the watermark, the failures in escrow, the quarantine, or the links, \
                which are then verified in the target or matched again"
    )]
    pub(in crate::cli) reset: Vec<Reset>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Reset {
    Watermark,
    Escrow,
    Quarantine,
    Links,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum LinksCommand {
    /// List the links of a job, and the users that wait for a decision
    List {
        /// The job
        #[arg(value_name = "JOB")]
        job: String,
    },
    /// Print the links of a job as JSON, for import
    Export {
        /// The job
        #[arg(value_name = "JOB")]
        job: String,
    },
    /// Set links from the output of export, for example after the state was lost
    Import {
        /// The job
        #[arg(value_name = "JOB")]
        job: String,

        /// Output of links export
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Show the link of one object, with what was last sent
    Show(Linked),
    /// Remove the link of one object; the next cycle matches it again
    Unlink(Linked),
    /// Link one object to a target object, or have a user created
    ///
    /// The account is read first. Where it has no matching attribute in common with the object, both sides are shown
    /// and nothing is changed without confirmation.
    Relink {
        #[command(flatten)]
        linked: Linked,

        /// The id of the target object
        #[arg(
            value_name = "TARGET_ID",
            required_unless_present = "new",
            value_parser = clap::builder::NonEmptyStringValueParser::new()
        )]
        target: Option<String>,

        /// The account found by an old address is not this user's: create a new one
        #[arg(long, conflicts_with = "target")]
        new: bool,

        /// Do not ask for confirmation, and do not read the account, where no matching attribute agrees
        #[arg(long, conflicts_with = "new")]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum EscrowCommand {
    /// List the objects in escrow, with the target's error messages
    List {
        /// The job
        #[arg(value_name = "JOB")]
        job: String,
    },
    /// Retry objects: now if the service runs, otherwise in the next cycle
    Retry(Chosen),
    /// Stop retrying objects until they change; removals are always retried
    Drop(Chosen),
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ConfigCommand {
    /// Show what changed in a job's configuration between two cycles
    ///
    /// The last 50 configurations of each job are kept, as they were in effect, and without secrets.
    Diff {
        /// The number of a cycle; log -v shows it
        #[arg(value_name = "CYCLE")]
        cycle: i64,

        /// A later cycle of the job [default: CYCLE itself, compared with the one before it]
        #[arg(value_name = "OTHER")]
        other: Option<i64>,
    },
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum StateCommand {
    /// Use a state file that was moved without its write-ahead log
    ///
    /// The last changes, which were in that log, are lost. The next cycle of each job evaluates every
    /// object and verifies its links in the target before it writes.
    AcceptMove,
    /// Copy the state to a new file; works while the service runs
    Backup {
        /// File to write; must not exist
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Copy the state from a file to the database in state.url, or back
    ///
    /// What arrives is compared with what left, and what is copied stays as it is. Nothing may use either.
    Copy {
        /// A state file, or the address of a database, as in state.url
        #[arg(long, value_name = "FILE_OR_URL")]
        from: String,

        /// The other: a database without a state, or a file that does not exist
        #[arg(long, value_name = "FILE_OR_URL")]
        to: String,
    },
    /// Check the integrity of the state
    Check,
    /// Set a damaged state aside and begin with a new one
    ///
    /// The damaged file is kept next to it, and jobs that were paused stay paused. The next cycle of each job reads all
    /// objects, finds their accounts by matching, and creates none twice. Until it completes, removals are postponed.
    /// What is not found again: history, approvals and rejections, escrow, links to accounts that do not match.
    Rebuild,
    /// Replace the state with a backup
    ///
    /// The replaced state is kept next to it. The next cycle of each job evaluates every object and
    /// verifies its links in the target before it writes.
    Restore {
        /// Backup file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Erase {
    /// A user who is deleted in Entra, by object id or principal name
    #[arg(value_name = "USER")]
    pub(in crate::cli) user: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Undo {
    /// A cycle such as 7, or one of its changes such as 7/123; log -v shows both numbers
    #[arg(value_name = "CYCLE/CHANGE", value_parser = cycle_or_change)]
    pub(in crate::cli) what: (i64, Option<i64>),
}

fn cycle_or_change(text: &str) -> Result<(i64, Option<i64>), &'static str> {
    let number = |text: &str| {
        let number = text.parse::<i64>().ok().filter(|number| *number > 0);
        number.ok_or(
            "write the number of a cycle, such as 7, or of one of its changes, such as 7/123",
        )
    };
    match text.split_once('/') {
        Some((cycle, change)) => Ok((number(cycle)?, Some(number(change)?))),
        None => Ok((number(text)?, None)),
    }
}

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
        help = "What is forgotten: the watermark, the failures in escrow, or the links, which are verified \
                in the target or matched anew"
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
    /// List the links of a job, and the users who wait for a decision
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
    /// Set the links that export printed, such as after a lost state
    Import {
        /// The job
        #[arg(value_name = "JOB")]
        job: String,

        /// What export printed
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Show the link of one object, with what was last sent
    Show(Linked),
    /// Drop the link of one object: the next cycle matches it anew
    Unlink(Linked),
    /// Link one object to a target object, or let a user be created
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

        /// The user is another than the account that an old address found, and is created
        #[arg(long, conflicts_with = "target")]
        new: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum EscrowCommand {
    /// List the objects in escrow, with the target's words
    List {
        /// The job
        #[arg(value_name = "JOB")]
        job: String,
    },
    /// Let the next cycle try objects again
    Retry(Chosen),
    /// Give objects up until they change; a removal is never given up
    Drop(Chosen),
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum StateCommand {
    /// Use a state file that was moved without its write-ahead log
    ///
    /// What its process wrote last is lost with the log. The next cycle of each job evaluates everything, and
    /// verifies its links in the target before it writes.
    AcceptMove,
    /// Copy the state to a new file, also while the service runs
    Backup {
        /// The copy
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Put a copy in the place of the state
    ///
    /// What was there is kept next to it. The next cycle of each job evaluates everything, and verifies its links
    /// in the target before it writes.
    Restore {
        /// The copy
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Undo {
    /// A cycle such as 7, or one change of it such as 7/123; log -v shows both
    #[arg(value_name = "CYCLE/CHANGE", value_parser = cycle_or_change)]
    pub(in crate::cli) what: (i64, Option<i64>),
}

fn cycle_or_change(text: &str) -> Result<(i64, Option<i64>), &'static str> {
    let number = |text: &str| {
        let number = text.parse::<i64>().ok().filter(|number| *number > 0);
        number.ok_or("write the number of a cycle, such as 7, or of a change of it, such as 7/123")
    };
    match text.split_once('/') {
        Some((cycle, change)) => Ok((number(cycle)?, Some(number(change)?))),
        None => Ok((number(text)?, None)),
    }
}

//! `entrain probe`: finds out what a target can do, and prints a profile to review.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use clap::Args;

use super::exit::Exit;
use super::load::{self, Usage};
use super::output::Output;
use super::session::Session;
use crate::cycle::{Agent, Probed};
use crate::report::probe as report;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The job
    #[arg(value_name = "JOB")]
    job: String,

    /// Also create, change and remove two scratch users and a group
    #[arg(long)]
    write: bool,

    /// Write without asking for confirmation
    #[arg(long)]
    yes: bool,
}

pub(super) async fn probe(
    output: Output,
    file: Option<&Path>,
    arguments: Arguments,
) -> anyhow::Result<Exit> {
    let config = Arc::new(load::config(output, file)?);
    let job = load::job(&config, &arguments.job)?;
    let name = &job.rules.name;
    if arguments.write {
        let names = Agent::scratch_names(job).join(", ");
        output.message(&format!(
            "{name}: will create, change and remove {names} in {}",
            job.target.base_url
        ));
        if !arguments.yes && !confirmed()? {
            return Err(Usage("nothing was written; use --yes to confirm".to_owned()).into());
        }
    }
    let session = if arguments.write {
        Session::cycles(output, &config, "probe").await?
    } else {
        Session::plan(output, &config).await?
    };
    let Session {
        agent, interrupt, ..
    } = &session;
    let probed = interrupt
        .guard(Box::pin(agent.probe(job, arguments.write)))
        .await??;
    let Probed {
        findings,
        knobs,
        left,
    } = probed;
    let findings = findings
        .iter()
        .map(|one| (one.what.as_str(), one.seen.as_str()));
    let profile = report::Profile {
        job: name,
        findings: findings.collect(),
        knobs: &knobs,
        wrote: arguments.write,
    };
    let mut out = output.results();
    if output.is_json() {
        report::json(&mut out, &profile)?;
    } else {
        report::toml(&mut out, &profile)?;
    }
    out.flush()?;
    for one in &left {
        output.message(&format!(
            "{one} still exists in the target; the next probe --write or sync removes it"
        ));
    }
    Ok(if left.is_empty() {
        Exit::Done
    } else {
        Exit::SomeFailed
    })
}

/// Whether a person at the terminal says yes.
fn confirmed() -> io::Result<bool> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    let mut err = io::stderr();
    write!(err, "Go on? [y/N] ")?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

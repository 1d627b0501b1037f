//! `entrain config`: what changed in a job's configuration between two cycles, from the local state.

use std::io::Write as _;
use std::path::Path;

use anyhow::bail;

use super::args::ConfigCommand;
use super::exit::Exit;
use super::load;
use super::output::Output;
use crate::engine::model::JobName;
use crate::report::configuration::{self as report, Configured};
use crate::store::{self, Store};

pub(super) fn config(
    output: Output,
    file: Option<&Path>,
    command: &ConfigCommand,
) -> anyhow::Result<Exit> {
    let ConfigCommand::Diff { cycle, other } = *command;
    let config = load::config(output, file)?;
    let store = Store::open_read_only(&config.state)?;
    let (job, after) = configured(&store, other.unwrap_or(cycle))?;
    let before = if other.is_some() {
        cycle
    } else {
        let Some(before) = store.cycle_before(&job, cycle)? else {
            bail!("cycle {cycle} is the first of {job} on record: name another, or a later one");
        };
        before
    };
    let (other_job, before) = configured(&store, before)?;
    if other_job != job {
        bail!(
            "cycle {} is of job {other_job}, and cycle {} of job {job}: name two of one job",
            before.cycle,
            after.cycle
        );
    }
    let mut out = output.text();
    if output.is_json() {
        report::json(&mut out, &job, &before, &after)?;
    } else {
        report::text(&mut out, &job, &before, &after, output.style())?;
    }
    out.flush()?;
    Ok(Exit::Done)
}

fn configured(store: &Store, cycle: i64) -> anyhow::Result<(JobName, Configured)> {
    let Some((job, record)) = store.cycle(cycle)? else {
        bail!(
            "there is no cycle {cycle} on record: entrain report --since 30d lists those that are"
        );
    };
    let configuration = match store.configured(&job, cycle)? {
        store::Configured::Kept(configuration) => configuration,
        store::Configured::Unknown => bail!(
            "the configuration of cycle {cycle} of {job} is not on record: the cycle did not start"
        ),
        store::Configured::Forgotten => bail!(
            "the configuration of cycle {cycle} of {job} is no longer kept: only the last 50 of each job are"
        ),
    };
    let configured = Configured {
        cycle,
        started: record.started,
        configuration,
    };
    Ok((job, configured))
}

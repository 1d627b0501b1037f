//! `entrain agents`: the agents that share the state, and what each of them runs.

use std::io::Write as _;
use std::path::Path;

use anyhow::bail;

use super::exit::Exit;
use super::load;
use super::output::Output;
use crate::report::agents as report;
use crate::store::{self, Store};

pub(super) fn agents(output: Output, file: Option<&Path>) -> anyhow::Result<Exit> {
    let config = load::config(output, file)?;
    let agents = match Store::open_read_only(&config.state) {
        Ok(store) => store.agents()?,
        Err(store::Error::Missing { .. }) => config.state.database.as_ref().map(|_| Vec::new()),
        Err(error) => return Err(error.into()),
    };
    if agents.is_none() && config.state.database.is_some() {
        bail!("without the database it is not known which agents run");
    }
    let mut jobs = config.jobs.iter().filter(|job| job.enabled);
    let jobs: Vec<_> = jobs.by_ref().map(|job| job.rules.name.clone()).collect();
    let mut out = output.text();
    if output.is_json() {
        report::json(&mut out, agents.as_deref(), &jobs)?;
    } else {
        report::text(&mut out, agents.as_deref(), &jobs, output.style())?;
    }
    out.flush()?;
    Ok(Exit::Done)
}

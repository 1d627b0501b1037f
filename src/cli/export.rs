//! `entrain export`: writes a job in the format of an Entra provisioning job. The schema goes to standard
//! output whatever the format, what it cannot say to standard error.

use std::io::Write as _;
use std::path::Path;

use super::args;
use super::exit::Exit;
use super::import::tell_left;
use super::load;
use super::output::Output;
use crate::config::entra;

pub(super) fn export(
    output: Output,
    file: Option<&Path>,
    arguments: &args::Export,
) -> anyhow::Result<Exit> {
    let config = load::config(output, file)?;
    let job = load::job(&config, &arguments.job)?;
    let exported = entra::export(job, config.sources_of(job)[0]);
    let mut out = output.results();
    writeln!(out, "{}", exported.schema)?;
    out.flush()?;
    if !exported.left.is_empty() {
        tell_left(output, &exported.left);
    }
    Ok(Exit::Done)
}

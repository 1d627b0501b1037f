//! `entrain completions SHELL`: a completion script.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::args::Cli;
use super::exit::Exit;
use super::output::Output;

pub(super) fn completions(output: Output, shell: Shell) -> anyhow::Result<Exit> {
    let mut out = output.results();
    generate(shell, &mut Cli::command(), "entrain", &mut out);
    out.flush()?;
    Ok(Exit::Done)
}

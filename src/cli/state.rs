//! `entrain state accept-move`: a state file that was moved without its write-ahead log.

use std::io::Write as _;
use std::path::Path;

use super::args::StateCommand;
use super::exit::Exit;
use super::load;
use super::output::Output;
use crate::report::{json, text};
use crate::store::{Lock, Store};

pub(super) fn state(
    output: Output,
    file: Option<&Path>,
    command: &StateCommand,
) -> anyhow::Result<Exit> {
    let StateCommand::AcceptMove = command;
    let path = load::config(output, file)?.state_path;
    // Not where there is no file: none is made. It outlives the state that is opened.
    let _lock = path
        .exists()
        .then(|| Lock::acquire(&path, "state accept-move"))
        .transpose()?;
    Store::open_moved(&path)?.accept_move()?;
    let mut out = output.results();
    let path = path.display().to_string();
    if output.is_json() {
        json::accepted_move(&mut out, &path)?;
    } else {
        writeln!(out, "{}", text::accepted_move(&path))?;
    }
    out.flush()?;
    Ok(Exit::Done)
}

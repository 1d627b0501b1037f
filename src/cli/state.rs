//! `entrain state`: a state file that was moved without its write-ahead log, and copies of the state.

use std::io::Write as _;
use std::path::Path;

use anyhow::anyhow;

use super::args::StateCommand;
use super::exit::Exit;
use super::load;
use super::output::Output;
use crate::report::{json, text};
use crate::scheduler;
use crate::store::{self, Lock, Store};

pub(super) fn state(
    output: Output,
    file: Option<&Path>,
    command: &StateCommand,
) -> anyhow::Result<Exit> {
    let config = load::config(output, file)?;
    let path = config.state_path;
    let shown = path.display().to_string();
    let mut out = output.text();
    match command {
        StateCommand::AcceptMove => {
            // Not where there is no file: none is made. It outlives the state that is opened.
            let _lock = path
                .exists()
                .then(|| Lock::acquire(&path, "state accept-move").map_err(stop_first))
                .transpose()?;
            Store::open_moved(&path)?.accept_move()?;
            if output.is_json() {
                json::accepted_move(&mut out, &shown)?;
            } else {
                writeln!(out, "{}", text::accepted_move(&shown))?;
            }
        }
        StateCommand::Backup { file } => {
            Store::open_read_only(&path)?.back_up(file)?;
            let key = format!("{shown}.key");
            let key = Some(key).filter(|key| config.state_key.is_none() && Path::new(key).exists());
            let copy = file.display().to_string();
            if output.is_json() {
                json::backed_up(&mut out, &copy, key.as_deref())?;
            } else {
                writeln!(out, "{}", text::backed_up(&copy, key.as_deref()))?;
            }
        }
        StateCommand::Restore { file } => {
            let lock = Lock::acquire(&path, "state restore").map_err(stop_first)?;
            let time = scheduler::now().format("%Y%m%dT%H%M%S");
            let name = format!("before-restore-{time}");
            let kept = Store::restore(&path, file, &name, &lock)?;
            let kept = kept.map(|kept| kept.display().to_string());
            if output.is_json() {
                json::restored(&mut out, &shown, kept.as_deref())?;
            } else {
                writeln!(out, "{}", text::restored(&shown, kept.as_deref()))?;
            }
        }
    }
    out.flush()?;
    Ok(Exit::Done)
}

/// A service that uses the state cannot do this for the command.
fn stop_first(error: store::Error) -> anyhow::Error {
    if error.is_of_service() {
        anyhow!("{error}; stop the service first: sudo systemctl stop entrain")
    } else {
        error.into()
    }
}

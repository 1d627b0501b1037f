//! `entrain state`: a state file that was moved without its write-ahead log, and copies of the state, and what is in it.

use std::io::Write;
use std::path::Path;

use anyhow::{anyhow, bail};
use url::Url;

use super::args::StateCommand;
use super::exit::Exit;
use super::load;
use super::output::Output;
use super::usage::Usage;
use crate::config::{Config, Database};
use crate::report::{agents as report, json, text};
use crate::scheduler;
use crate::store::{self, Lock, Store};

pub(super) fn state(
    output: Output,
    file: Option<&Path>,
    command: &StateCommand,
) -> anyhow::Result<Exit> {
    let config = load::config(output, file)?;
    let at = &config.state;
    let path = at.path.clone();
    let shown = path.display().to_string();
    let mut out = output.text();
    match command {
        StateCommand::AcceptMove => {
            // Not where there is no file: none is made. It outlives the state that is opened.
            let _lock = path
                .exists()
                .then(|| Lock::acquire(&path, "state accept-move").map_err(stop_first))
                .transpose()?;
            Store::open_moved(at)?.accept_move()?;
            if output.is_json() {
                json::accepted_move(&mut out, &shown)?;
            } else {
                writeln!(out, "{}", text::accepted_move(&shown))?;
            }
        }
        StateCommand::Backup { file } => {
            Store::open_read_only(at)?.back_up(file)?;
            let key = format!("{shown}.key");
            let key = Some(key).filter(|key| config.state_key.is_none() && Path::new(key).exists());
            let copy = file.display().to_string();
            if output.is_json() {
                json::backed_up(&mut out, &copy, key.as_deref())?;
            } else {
                writeln!(out, "{}", text::backed_up(&copy, key.as_deref()))?;
            }
        }
        StateCommand::Copy { from, to } => {
            let mut is_file = false;
            let content = match (address(from, &config)?, address(to, &config)?) {
                (None, Some(database)) => {
                    let from = Path::new(from);
                    if !from.is_file() {
                        let words = format!("{} is not a state file", from.display());
                        return Err(Usage(words).into());
                    }
                    let lock = Lock::acquire(from, "state copy").map_err(stop_first)?;
                    Store::copy_to_database(from, &database, config.state_key.as_ref(), &lock)?
                }
                (Some(database), None) => {
                    is_file = true;
                    Store::copy_from_database(&database, Path::new(to))?
                }
                (Some(_), Some(_)) | (None, None) => {
                    let words =
                        "one of --from and --to is a file, and the other a database: postgres://…";
                    return Err(Usage(words.to_owned()).into());
                }
            };
            let rows = content.values().map(|(rows, _)| rows).sum();
            report::copied(&mut out, to, content.len(), rows, is_file, output.is_json())?;
        }
        StateCommand::Check => {
            let store = Store::open_read_only(at)?;
            let (content, faults) = store.check_state()?;
            let (schema, others) = store.foreign_tables()?;
            let checked = report::Checked {
                tables: content.len(),
                rows: content.values().map(|(rows, _)| rows).sum(),
                faults: &faults,
                schema: &schema,
                others: &others,
            };
            report::checked(&mut out, &checked, output.is_json())?;
            if !faults.is_empty() {
                out.flush()?;
                return Ok(Exit::Failed);
            }
        }
        StateCommand::Rebuild => rebuild(output, &config, &mut out)?,
        StateCommand::Restore { file } => {
            let lock = Lock::acquire(&path, "state restore").map_err(stop_first)?;
            let time = scheduler::now().format("%Y%m%dT%H%M%S");
            let name = format!("before-restore-{time}");
            let kept = Store::restore(at, file, &name, &lock)?;
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

/// Sets a damaged state aside.
fn rebuild(output: Output, config: &Config, out: &mut dyn Write) -> anyhow::Result<()> {
    let at = &config.state;
    let path = at.path.clone();
    let shown = path.display().to_string();
    if at.database.is_some() {
        bail!(
            "the state is in a database (state.url): restore that with its own tools; a damaged copy on this machine \
             is made anew when the file is removed"
        );
    }
    // Not where there is no file: none is made.
    if !path.exists() {
        return Err(store::Error::Missing { path }.into());
    }
    let lock = Lock::acquire(&path, "state rebuild").map_err(stop_first)?;
    let time = scheduler::now().format("%Y%m%dT%H%M%S");
    let Some(rebuilt) = Store::rebuild(at, &format!("damaged-{time}"), &lock)? else {
        bail!(
            "the state file {shown} is not damaged, and stays as it is; to match all objects again: entrain restart \
             JOB --reset links"
        );
    };
    let kept = rebuilt.kept.display().to_string();
    let paused = rebuilt.paused.as_deref();
    report::rebuilt(out, &shown, &kept, paused, output.is_json())?;
    Ok(())
}

/// A service that uses the state cannot do this for the command.
fn stop_first(error: store::Error) -> anyhow::Error {
    if error.is_of_service() {
        anyhow!("{error}; stop the service first: sudo systemctl stop entrain")
    } else {
        error.into()
    }
}

/// What is at the address of a database; `None` for a file. Only the one that is configured: its
/// password and its schema are there.
fn address(text: &str, config: &Config) -> anyhow::Result<Option<Database>> {
    if !text.contains("://") {
        return Ok(None);
    }
    let url = Url::parse(text).map_err(|error| Usage(format!("{text}: {error}")))?;
    if !matches!(url.scheme(), "postgres" | "postgresql") || url.password().is_some() {
        let words = "write the database as postgres://USER@HOST/DATABASE, without a password";
        return Err(Usage(words.to_owned()).into());
    }
    let configured = config.state.database.as_ref();
    if let Some(database) = configured.filter(|database| database.url == url) {
        return Ok(Some(database.clone()));
    }
    let words = "it must be the database of the configuration: set state.url to it";
    Err(Usage(format!("{text}: {words}")).into())
}

//! `entrain approve JOB`: allows the removals that tripped the safety limit. That nothing is held is
//! no failure: what was asked for is so already.

use std::io::Write as _;
use std::path::Path;

use super::exit::Exit;
use super::load;
use super::output::Output;
use crate::report::{json, text};
use crate::store::{self, Store};

pub(super) fn approve(output: Output, file: Option<&Path>, name: &str) -> anyhow::Result<Exit> {
    let config = load::config(output, file)?;
    let job = &load::job(&config, name)?.rules.name;
    // Looked at first, so that no state file is made where there is none. No lock: the service may
    // run, and its next cycle finds the approval.
    let held = match Store::open_read_only(&config.state_path) {
        Ok(store) => store.held(job)?,
        Err(store::Error::Missing { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    if held.is_some() {
        Store::open(&config.state_path)?.approve(job)?;
    }
    let mut out = output.text();
    if output.is_json() {
        json::approved(&mut out, job, held.as_ref())?;
    } else {
        let line = match &held {
            Some(held) => text::approved(job, held),
            None => text::nothing_held(job),
        };
        writeln!(out, "{line}")?;
    }
    out.flush()?;
    Ok(Exit::Done)
}

//! `entrain restart JOB`: the next cycle begins again. No lock: the service may run, and its next cycle
//! finds what is to be done.

use std::io::Write as _;
use std::path::Path;

use super::args::{self, Reset};
use super::exit::Exit;
use super::load;
use super::operator;
use super::output::Output;
use crate::report::{json, text};
use crate::scheduler;
use crate::store::{self, Store};

pub(super) fn restart(
    output: Output,
    file: Option<&Path>,
    arguments: &args::Restart,
) -> anyhow::Result<Exit> {
    let config = load::config(output, file)?;
    let job = &load::job(&config, &arguments.job)?.rules.name;
    let has = |one| arguments.reset.contains(&one);
    let reset = [
        ("watermark", has(Reset::Watermark)),
        ("escrow", has(Reset::Escrow)),
        ("quarantine", has(Reset::Quarantine)),
        ("links", has(Reset::Links)),
    ];
    // Looked at first, so that no state file is made where there is none: then the first cycle begins
    // again anyway.
    match Store::open_read_only(&config.state) {
        Ok(_) => {
            let store = Store::open(&config.state)?;
            for reset in &arguments.reset {
                match reset {
                    Reset::Watermark => store.read_from_beginning(job)?,
                    Reset::Escrow => store.forget_escrow(job)?,
                    Reset::Quarantine => store.lift_quarantine(job, scheduler::now())?,
                    Reset::Links => store.reset_links(job)?,
                }
            }
            store.restart(job)?;
            let chosen = reset.iter().filter(|(_, is_chosen)| *is_chosen);
            let chosen: Vec<&str> = chosen.map(|(word, _)| *word).collect();
            let detail = match chosen.as_slice() {
                [] => String::new(),
                chosen => format!("reset {}", chosen.join(", ")),
            };
            operator::note(&store, job, None, "restart", &detail)?;
        }
        Err(store::Error::Missing { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let mut out = output.text();
    if output.is_json() {
        json::restarted(&mut out, job, &reset)?;
    } else {
        writeln!(out, "{}", text::restarted(job, has(Reset::Links)))?;
    }
    out.flush()?;
    Ok(Exit::Done)
}

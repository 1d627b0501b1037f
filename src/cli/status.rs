//! `entrain status`: the state of each job, from the local state alone: no network, no secrets.

use std::io::Write as _;
use std::path::Path;

use super::exit::Exit;
use super::load;
use super::output::Output;
use crate::engine::record::JobRecord;
use crate::graph;
use crate::report::json::Document;
use crate::report::{self, JobStatus, text};
use crate::scheduler;
use crate::store::{self, Store};

pub(super) fn status(
    output: Output,
    file: Option<&Path>,
    names: &[String],
) -> anyhow::Result<Exit> {
    let config = load::config(output, file)?;
    // A job that is disabled has a state, too.
    let jobs = if names.is_empty() {
        config.jobs.iter().collect()
    } else {
        load::jobs(&config, names)?
    };
    let store = match Store::open_read_only(&config.state_path) {
        Ok(store) => Some(store),
        Err(store::Error::Missing { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let now = scheduler::now();
    let mut statuses = Vec::new();
    for job in jobs {
        let name = &job.rules.name;
        let record = match &store {
            Some(store) => store.status(name, 1)?,
            None => JobRecord::new(),
        };
        let last_start = record.cycles.first().map(|cycle| cycle.started);
        let next = scheduler::next_start(&job.schedule, last_start, now, 0);
        statuses.push(JobStatus {
            job: name.clone(),
            enabled: job.enabled,
            next: next.filter(|_| job.enabled),
            record,
        });
    }

    let mut out = output.text();
    if output.is_json() {
        let mut document = Document::begin(&mut out)?;
        for status in &statuses {
            document.status(status)?;
        }
        document.end()?;
    } else {
        text::status(&mut out, &statuses, now, output.style())?;
    }
    out.flush()?;
    for graph::Expiry { key, day } in graph::expiries(&config.source) {
        if report::expires_soon(day, now.date_naive()) {
            let words = report::expires(day, now.date_naive());
            output.message(&format!("warning: {key} {words}"));
        }
    }
    Ok(Exit::Done)
}

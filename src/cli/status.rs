//! `entrain status`: the state of each job, from the local state alone: no network, no secrets.

use std::io::Write as _;
use std::path::Path;

use super::args;
use super::exit::Exit;
use super::load;
use super::output::Output;
use crate::config::{Config, Job};
use crate::cycle;
use crate::engine::record::{Holder, JobRecord, Registered};
use crate::report::json::Document;
use crate::report::{self, JobStatus, text};
use crate::scheduler;
use crate::store::{self, Store};

pub(super) fn status(
    output: Output,
    file: Option<&Path>,
    args: &args::Status,
) -> anyhow::Result<Exit> {
    let config = load::config(output, file)?;
    // A job that is disabled has a state, too.
    let names = &args.jobs.jobs;
    let jobs = if names.is_empty() {
        config.jobs.iter().collect()
    } else {
        load::jobs(&config, names)?
    };
    let store = match Store::open_read_only(&config.state) {
        Ok(store) => Some(store),
        Err(store::Error::Missing { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let holder = store.as_ref().and_then(Store::holder);
    let agents = match &store {
        Some(store) => store.agents()?,
        None => None,
    };
    let runs_here = holder.as_ref().is_some_and(Holder::is_service);
    let runs_elsewhere = agents.iter().flatten().any(Registered::is_service);
    let now = scheduler::now();
    let mut statuses = Vec::new();
    for job in jobs {
        let service = holder.as_ref().filter(|holder| holder.is_service());
        statuses.push(of_job(&config, job, store.as_ref(), service)?);
    }

    let readings = match &store {
        Some(store) => cycle::readings(&config, store)?,
        None => Vec::new(),
    };
    let waiting = match &store {
        Some(store) => store.waiting()?,
        None => Vec::new(),
    };
    let today = now.date_naive();
    let expiring = cycle::expiries(&config);
    let mut out = output.text();
    if output.is_json() {
        let mut document = {
            let service = holder.filter(Holder::is_service);
            let pid = service.map(|service| service.pid);
            let agents = agents.as_deref();
            Document::begin_status(&mut out, pid, agents, &readings, &expiring, &waiting, today)?
        };
        for status in &statuses {
            document.status(status)?;
        }
        document.end()?;
    } else {
        let (holder, agents) = (holder.as_ref(), agents.as_deref());
        let when = (now, output.style());
        text::status(&mut out, &statuses, holder, agents, &readings, when)?;
    }
    out.flush()?;
    for one in waiting.iter().filter(|one| one.error.is_some()) {
        output.message(&format!("warning: {}", report::notice::waiting(one)));
    }
    for (key, day) in expiring {
        if report::expires_soon(day, today) {
            let words = report::expires(day, today);
            output.message(&format!("warning: {key} {words}"));
        }
    }
    if args.running && !(runs_here || runs_elsewhere) {
        output.message("no service runs on this state");
        return Ok(Exit::Failed);
    }
    if !args.exit_code {
        return Ok(Exit::Done);
    }
    let counted = statuses
        .iter()
        .filter(|status| status.enabled || !names.is_empty());
    let most_severe = counted.map(|status| exit_of(&status.record)).max();
    Ok(most_severe.unwrap_or(Exit::Done))
}

/// The state of one job.
pub(super) fn of_job(
    config: &Config,
    job: &Job,
    store: Option<&Store>,
    service: Option<&Holder>,
) -> anyhow::Result<JobStatus> {
    let name = &job.rules.name;
    let record = match store {
        // The last one may still be running.
        Some(store) => store.status(name, 2)?,
        None => JobRecord::new(),
    };
    let last_start = record.cycles.first().map(|cycle| cycle.started);
    let next = scheduler::next_start(&job.schedule, last_start, scheduler::now(), 0);
    Ok(JobStatus {
        job: name.clone(),
        enabled: job.enabled,
        next: next.filter(|_| job.enabled && service.is_some()),
        retries: config.retries,
        record,
    })
}

/// What `--exit-code` makes of a job.
fn exit_of(record: &JobRecord) -> Exit {
    let last = record.health().map_or(Exit::Done, Exit::of);
    if record.held.is_some() {
        last.max(Exit::Held)
    } else if record.in_escrow.total() > 0 {
        last.max(Exit::SomeFailed)
    } else {
        last
    }
}

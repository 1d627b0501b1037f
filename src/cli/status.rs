//! `entrain status`: the state of each job, from the local state alone: no network, no secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;

use chrono::{DateTime, Utc};

use super::exit::Exit;
use super::load;
use super::output::Output;
use crate::config::Job;
use crate::engine::model::Key;
use crate::engine::plan::Count;
use crate::report::json::Document;
use crate::report::{CycleView, EscrowView, HeldView, JobView, text};
use crate::scheduler;
use crate::store::{self, CycleRecord, Escrowed, HeldSet, JobStatus, Store};

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
    let mut views = Vec::new();
    for job in jobs {
        let status = match &store {
            Some(store) => Some(store.status(&job.rules.name, 1)?),
            None => None,
        };
        views.push(view(job, status, now));
    }

    let mut out = output.results();
    if output.is_json() {
        let mut document = Document::begin(&mut out)?;
        for view in &views {
            document.status(view)?;
        }
        document.end()?;
    } else {
        text::status(&mut out, &views, now, output.style())?;
    }
    out.flush()?;
    Ok(Exit::Done)
}

fn view(job: &Job, status: Option<JobStatus>, now: DateTime<Utc>) -> JobView {
    let status = status.unwrap_or_else(|| JobStatus {
        full_evaluation: true,
        cycles: Vec::new(),
        linked: Count::default(),
        pending: Count::default(),
        in_escrow: Count::default(),
        escrow: Vec::new(),
        held: None,
    });
    let JobStatus {
        full_evaluation,
        cycles,
        linked,
        pending,
        in_escrow,
        escrow,
        held,
    } = status;
    let last = cycles.into_iter().next();
    let last_start = last.as_ref().map(|cycle| cycle.started);
    let next = scheduler::next_start(&job.schedule, last_start, now, 0);
    JobView {
        job: job.rules.name.clone(),
        enabled: job.enabled,
        linked,
        pending,
        in_escrow,
        escrow: escrow.into_iter().map(escrow_view).collect(),
        held: held.as_ref().map(held_view),
        last: last.map(cycle_view),
        next: next.filter(|_| job.enabled),
        full_evaluation,
    }
}

fn escrow_view(escrowed: Escrowed) -> EscrowView {
    let Escrowed {
        subject,
        action,
        first_failed,
        last_failed,
        attempts,
        class: _,
        http_status: _,
        message,
    } = escrowed;
    EscrowView {
        subject,
        action,
        attempts,
        first_failed,
        last_failed,
        message,
    }
}

pub(super) fn held_view(held: &HeldSet) -> HeldView {
    let HeldSet {
        why,
        since,
        removals,
    } = held;
    // The members of a large group are several rows.
    let objects = removals.iter().map(|one| (&one.action, one.subject.key));
    let objects: BTreeSet<(&String, Key)> = objects.collect();
    let mut by_action = BTreeMap::new();
    for (action, _) in objects {
        *by_action.entry(action.clone()).or_default() += 1;
    }
    HeldView {
        why: *why,
        since: *since,
        removals: by_action,
    }
}

fn cycle_view(cycle: CycleRecord) -> CycleView {
    let CycleRecord {
        number,
        kind,
        state,
        started,
        finished,
        duration_ms,
        evaluated,
        in_scope,
        linked: _,
        done,
        skipped,
        failed,
        not_tried,
        held: _,
        requests,
        incomplete,
        error,
    } = cycle;
    CycleView {
        number,
        kind,
        state: state.word(),
        started,
        finished,
        duration_ms,
        evaluated,
        in_scope,
        done,
        skipped,
        failed,
        not_tried,
        requests,
        incomplete,
        error,
    }
}

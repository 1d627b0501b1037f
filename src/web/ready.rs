//! Whether the service does its work: the state can be read, and no job is stuck.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::Site;
use crate::config::Job;
use crate::engine::record::CycleRecord;
use crate::report::page as words;
use crate::scheduler::{self, Ends};

/// Intervals without the end of a cycle, after which a job counts as stuck.
const INTERVALS: i32 = 3;

/// What keeps the service from being ready; empty when it is.
pub(super) async fn problems(site: &Site) -> Vec<String> {
    if let Some(because) = site.view.idle_because() {
        return vec![because];
    }
    let config = site.view.config();
    let ends = Arc::clone(&site.ends);
    let read = site.readers.read(move |store| {
        let now = scheduler::now();
        let mut problems = Vec::new();
        for job in config
            .jobs
            .iter()
            .filter(|job| job.enabled && !job.observes)
        {
            let name = &job.rules.name;
            if store.paused(name)?.is_some() {
                continue;
            }
            let cycles = store.status(name, 2)?.cycles;
            if let Some(since) = stuck_since(job, &cycles, &ends, now) {
                problems.push(words::stuck(name, since));
            }
        }
        Ok(problems)
    });
    match read.await {
        Ok(problems) => problems,
        Err(error) => vec![error.to_string()],
    }
}

/// Since when no cycle of a job has ended, where that is too long. The time before the service was started
/// does not count.
pub(super) fn stuck_since(
    job: &Job,
    cycles: &[CycleRecord],
    ends: &Ends,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let rhythm = scheduler::rhythm(&job.schedule, now)?;
    let rhythm = TimeDelta::from_std(rhythm).ok()?;
    // The newest first; not the latest, which a clock that was ahead may have noted.
    let ended = cycles.iter().find_map(|cycle| cycle.finished);
    let (ended, started) = (ends.of(&job.rules.name, ended, now), ends.begun(now));
    let since = ended.map_or(started, |ended| ended.max(started));
    (now - since > rhythm * INTERVALS).then_some(since)
}

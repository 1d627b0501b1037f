//! What each job of the running service does. The driver writes it; reading it never blocks a cycle.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use crate::engine::model::JobName;
use crate::engine::summary::{Health, Progress};

#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    pub(crate) jobs: BTreeMap<JobName, Activity>,
}

#[derive(Clone, Debug)]
pub(crate) struct Activity {
    pub(crate) state: State,
    /// How the last cycle since the start of the agent ended.
    pub(crate) last: Option<Health>,
}

#[derive(Clone, Debug)]
pub(crate) enum State {
    /// `None`: its schedule names no future time.
    Waiting { next: Option<DateTime<Utc>> },
    Running {
        woken_by: WokenBy,
        progress: watch::Receiver<Progress>,
    },
}

/// What started a cycle. It says nothing about what changed in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WokenBy {
    Schedule,
    Operator,
    /// The look for leavers found some.
    Leavers,
    /// Something that failed is due.
    Retries,
}

impl WokenBy {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Operator => "operator",
            Self::Leavers => "leavers",
            Self::Retries => "retries",
        }
    }
}

/// One line, for the service manager.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { jobs } = self;
        if jobs.is_empty() {
            return f.write_str("No job is enabled");
        }
        let mut next: Option<(&JobName, DateTime<Utc>)> = None;
        let mut parts = Vec::new();
        for (name, Activity { state, last }) in jobs {
            match state {
                State::Running { woken_by, progress } => {
                    let step = step(*progress.borrow());
                    parts.push(format!("{name}: {step} (started by {})", woken_by.word()));
                }
                State::Waiting { next: Some(time) } => {
                    if next.is_none_or(|(_, earliest)| *time < earliest) {
                        next = Some((name, *time));
                    }
                }
                State::Waiting { next: None } => {}
            }
            match last {
                Some(Health::Failed) => parts.push(format!("{name}: the last cycle failed")),
                Some(
                    Health::ObjectsFailed | Health::Held | Health::Quarantined | Health::Incomplete,
                ) => {
                    parts.push(format!("{name}: needs attention"));
                }
                Some(Health::Succeeded | Health::Stopped) | None => {}
            }
        }
        if let Some((name, time)) = next {
            parts.push(format!("next: {name} at {}", time.format("%H:%M:%S UTC")));
        }
        f.write_str(&parts.join("; "))
    }
}

fn step(progress: Progress) -> String {
    match progress {
        Progress::Waiting => "waiting to read".to_owned(),
        Progress::Reading(count) => format!("reading, {} objects so far", count.total()),
        Progress::Matching { done, total } => format!("matching {done} of {total}"),
        Progress::Planning { done, total } => format!("planning {done} of {total}"),
        Progress::Applying {
            done,
            failed,
            total,
        } => format!("applying {done} of {total}, {failed} failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_what_runs_what_failed_and_what_is_next() {
        let (_sender, progress) = watch::channel(Progress::Applying {
            done: 3,
            failed: 1,
            total: 9,
        });
        let at = |seconds| DateTime::from_timestamp(seconds, 0);
        let job = |state, last| Activity { state, last };
        let status = Status {
            jobs: BTreeMap::from([
                (
                    JobName::new("a"),
                    job(
                        State::Running {
                            woken_by: WokenBy::Schedule,
                            progress,
                        },
                        None,
                    ),
                ),
                (
                    JobName::new("b"),
                    job(State::Waiting { next: at(7_200) }, Some(Health::Failed)),
                ),
                (
                    JobName::new("c"),
                    job(State::Waiting { next: at(3_600) }, Some(Health::Succeeded)),
                ),
            ]),
        };
        insta::assert_snapshot!(status, @"a: applying 3 of 9, 1 failed (started by schedule); b: the last cycle failed; next: c at 01:00:00 UTC");
    }
}

//! Where the cycles of the service stand, followed as they go on: in words that only move forward, with the
//! time that is left.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::engine::model::JobName;
use crate::report::page::Running;
use crate::report::progress::{Shown, Step};
use crate::scheduler::{State, View};

/// How often a cycle that runs is looked at.
const EVERY: Duration = Duration::from_millis(250);

/// A step must have gone on for this long before it is said how long it still takes.
const LONG_ENOUGH: Duration = Duration::from_secs(2);

/// What is known of all jobs at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) running: BTreeMap<JobName, Running>,
    /// Grows when a cycle begins or ends, or is due at another time.
    pub(super) change: u64,
}

struct Followed {
    shown: Shown,
    step: Step,
    since: Instant,
    /// What was done when the step began to be followed.
    from: u64,
}

/// Follows the service until it stops.
pub(super) fn follow(mut view: View) -> watch::Receiver<Arc<Live>> {
    let (sender, receiver) = watch::channel(Arc::default());
    tokio::spawn(async move {
        let mut followed = BTreeMap::new();
        let mut known = Vec::new();
        let mut change = 0;
        loop {
            let running = look(&view, &mut followed);
            let now_known = states(&view);
            if now_known != known {
                known = now_known;
                change += 1;
            }
            let is_idle = running.is_empty();
            let live = Arc::new(Live { running, change });
            sender.send_if_modified(|last| {
                let is_new = **last != *live;
                *last = live;
                is_new
            });
            let tick = async {
                if is_idle {
                    std::future::pending::<()>().await;
                }
                sleep(EVERY).await;
            };
            tokio::select! {
                () = view.stop.cancelled() => return,
                () = tick => {}
                changed = view.status.changed() => if changed.is_err() {
                    return;
                },
            }
        }
    });
    receiver
}

/// What does not change while a cycle goes on: whether one runs, and when the next is due.
fn states(view: &View) -> Vec<(JobName, bool, Option<DateTime<Utc>>)> {
    let status = view.status.borrow();
    let jobs = status.jobs.iter();
    jobs.map(|(name, activity)| match &activity.state {
        State::Waiting { next } => (name.clone(), false, *next),
        State::Running { .. } => (name.clone(), true, None),
    })
    .collect()
}

fn look(view: &View, followed: &mut BTreeMap<JobName, Followed>) -> BTreeMap<JobName, Running> {
    let status = view.status.borrow();
    let mut running = BTreeMap::new();
    for (name, activity) in &status.jobs {
        let State::Running { progress, .. } = &activity.state else {
            followed.remove(name);
            continue;
        };
        let one = followed.entry(name.clone()).or_insert_with(|| Followed {
            shown: Shown::default(),
            step: Step::Reading,
            since: Instant::now(),
            from: 0,
        });
        let line = one.shown.next(*progress.borrow());
        if line.step != one.step {
            one.step = line.step;
            one.since = Instant::now();
            one.from = line.measured.map_or(0, |(done, _)| done);
        }
        let left = line.measured.and_then(|(done, total)| {
            left(
                one.since.elapsed(),
                done.saturating_sub(one.from),
                total.saturating_sub(done),
            )
        });
        running.insert(name.clone(), Running { line, left });
    }
    running
}

/// In milliseconds, as fast as it went so far.
fn left(passed: Duration, done: u64, rest: u64) -> Option<u64> {
    if passed < LONG_ENOUGH || done == 0 || rest == 0 {
        return None;
    }
    let passed = u64::try_from(passed.as_millis()).ok()?;
    passed.checked_mul(rest).map(|all| all / done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_is_left_follows_the_pace_so_far() {
        let second = Duration::from_secs(1);
        assert_eq!(left(second * 10, 100, 400), Some(40_000));
        assert_eq!(left(second, 100, 400), None, "too early to say");
        assert_eq!(left(second * 10, 0, 400), None);
        assert_eq!(left(second * 10, 100, 0), None);
    }
}

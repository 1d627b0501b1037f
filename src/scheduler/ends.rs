//! When cycles ended, and when this process began, by the clock as it is now. A clock that was ahead noted times that
//! are still to come: they do not say how long ago it was, so that counts from when such a time was first seen.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};

use crate::engine::model::JobName;

#[derive(Debug)]
pub(crate) struct Ends {
    begun: Instant,
    /// The ends that were still to come, and when they were first seen.
    to_come: Mutex<BTreeMap<JobName, (DateTime<Utc>, Instant)>>,
}

impl Ends {
    /// Of a process that begins now.
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            to_come: Mutex::default(),
        }
    }

    /// When this process began, wherever the clock was set to since.
    pub(crate) fn begun(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        before(now, self.begun)
    }

    /// When a cycle of the job ended, by what is on record: no time that is still to come.
    pub(crate) fn of(
        &self,
        job: &JobName,
        on_record: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let ended = on_record?;
        let mut to_come = self.to_come.lock().unwrap_or_else(PoisonError::into_inner);
        if ended <= now {
            to_come.remove(job);
            return Some(ended);
        }
        match to_come.get(job) {
            Some((known, first_seen)) if *known == ended => Some(before(now, *first_seen)),
            Some(_) | None => {
                to_come.insert(job.clone(), (ended, Instant::now()));
                Some(now)
            }
        }
    }
}

fn before(now: DateTime<Utc>, then: Instant) -> DateTime<Utc> {
    let past = TimeDelta::from_std(then.elapsed()).unwrap_or(TimeDelta::MAX);
    now.checked_sub_signed(past).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_end_that_is_still_to_come_is_as_old_as_it_has_been_known() {
        let ends = Ends::new();
        let job = JobName::new("demo");
        let now = DateTime::from_timestamp(1_000_000, 0).unwrap();
        let past = now - TimeDelta::hours(1);
        assert_eq!(ends.of(&job, Some(past), now), Some(past));
        assert_eq!(ends.of(&job, None, now), None);
        let future = now + TimeDelta::days(365);
        assert_eq!(ends.of(&job, Some(future), now), Some(now));
        sleep(Duration::from_millis(20));
        let seen = ends.of(&job, Some(future), now).unwrap();
        assert!(seen <= now - TimeDelta::milliseconds(20), "{seen}");
        // Another cycle ended since.
        let later = future + TimeDelta::seconds(1);
        assert_eq!(ends.of(&job, Some(later), now), Some(now));
        assert_eq!(ends.of(&job, Some(past), now), Some(past));
    }

    #[test]
    fn a_process_began_before_now_wherever_the_clock_is() {
        let ends = Ends::new();
        sleep(Duration::from_millis(20));
        for year in [0, 1, 50] {
            let now = DateTime::from_timestamp(year * 31_536_000, 0).unwrap();
            let begun = ends.begun(now);
            assert!(
                begun < now && begun > now - TimeDelta::minutes(1),
                "{begun}"
            );
        }
    }
}

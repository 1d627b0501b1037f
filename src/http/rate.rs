//! Pacing: at most so many requests a second, and a pause for all when the server asks for one.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Requests may come this much ahead of an even pace, so that timers' coarseness costs no throughput.
const SLACK: Duration = Duration::from_millis(100);

/// Shared by all requests to one server.
#[derive(Debug)]
pub(super) struct Rate {
    /// Time between two requests; zero for no limit.
    interval: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the next request is due at an even pace.
    next: Option<Instant>,
    paused_until: Option<Instant>,
}

impl Rate {
    /// `per_second`: `None`, or anything that is no positive number, for no limit.
    pub(super) fn new(per_second: Option<f64>) -> Self {
        let interval = per_second
            .filter(|rate| *rate > 0.0)
            .and_then(|rate| Duration::try_from_secs_f64(1.0 / rate).ok())
            .unwrap_or_default();
        Self {
            interval,
            state: Mutex::default(),
        }
    }

    /// Waits until one request may go out. A caller that stops waiting leaves its turn unused.
    pub(super) async fn turn(&self) {
        if let Some(due) = self.reserve(Instant::now()) {
            sleep_until(due).await;
        }
        while let Some(end) = self.paused_at(Instant::now()) {
            sleep_until(end).await;
        }
    }

    /// Nothing is sent for this long.
    pub(super) fn pause(&self, length: Duration) {
        let Some(end) = Instant::now().checked_add(length) else {
            return;
        };
        let mut state = self.lock();
        state.paused_until = state.paused_until.max(Some(end));
    }

    /// Takes the next turn and says when it is, if it is not now.
    fn reserve(&self, now: Instant) -> Option<Instant> {
        if self.interval.is_zero() {
            return None;
        }
        let mut state = self.lock();
        let earliest = now.checked_sub(SLACK).unwrap_or(now);
        let due = state.next.map_or(now, |next| next.max(earliest));
        state.next = due.checked_add(self.interval);
        (due > now).then_some(due)
    }

    fn paused_at(&self, now: Instant) -> Option<Instant> {
        self.lock().paused_until.filter(|end| *end > now)
    }

    /// The state stays meaningful whatever a panicking holder did: two instants.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_spread_evenly() {
        let rate = Rate::new(Some(10.0));
        let now = Instant::now();
        assert_eq!(rate.reserve(now), None);
        let tenth = Duration::from_millis(100);
        assert_eq!(rate.reserve(now), Some(now + tenth));
        assert_eq!(rate.reserve(now), Some(now + 2 * tenth));
        let later = now + Duration::from_mins(1);
        assert_eq!(rate.reserve(later), None);
        assert_eq!(rate.reserve(later), None, "the slack");
        assert_eq!(rate.reserve(later), Some(later + tenth));
    }

    #[test]
    fn no_limit_never_waits() {
        for none in [None, Some(0.0), Some(-1.0), Some(f64::NAN)] {
            let rate = Rate::new(none);
            let now = Instant::now();
            assert!((0..1_000).all(|_| rate.reserve(now).is_none()));
        }
    }

    #[test]
    fn the_longest_pause_counts() {
        let rate = Rate::new(None);
        rate.pause(Duration::from_secs(20));
        rate.pause(Duration::from_secs(1));
        let now = Instant::now();
        assert!(
            rate.paused_at(now)
                .is_some_and(|end| end > now + Duration::from_secs(10))
        );
        assert_eq!(rate.paused_at(now + Duration::from_secs(21)), None);
    }
}

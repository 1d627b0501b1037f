//! How long a server may be waited for in all. Each request has limits of its own; this one is over many,
//! so that a reading of thousands of requests does not wait for hours before it says so.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug)]
pub(super) struct Patience {
    within: Duration,
    most: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    began: Instant,
    waited: Duration,
}

impl Patience {
    /// At most so much of this time.
    pub(super) fn new(most: Duration, within: Duration) -> Self {
        Self {
            within,
            most,
            state: Mutex::new(State {
                began: Instant::now(),
                waited: Duration::ZERO,
            }),
        }
    }

    /// Whether one more wait is permitted; it counts then.
    pub(super) fn grants(&self, wait: Duration, now: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(state.began) >= self.within {
            *state = State {
                began: now,
                waited: Duration::ZERO,
            };
        }
        let waited = state.waited.saturating_add(wait);
        if waited > self.most {
            return false;
        }
        state.waited = waited;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_ends_and_comes_back() {
        let patience = Patience::new(Duration::from_mins(15), Duration::from_hours(1));
        let now = Instant::now();
        for _ in 0..3 {
            assert!(patience.grants(Duration::from_mins(5), now));
        }
        assert!(!patience.grants(Duration::from_secs(1), now));
        let later = now + Duration::from_hours(1);
        assert!(patience.grants(Duration::from_mins(5), later));
        assert!(!patience.grants(Duration::MAX, later));
    }
}

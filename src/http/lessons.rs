//! How much a server takes, as its refusals teach: so many requests at a time, and so many a second. Pure: the
//! time is handed in.
//!
//! | what is seen | what follows |
//! |---|---|
//! | refusals (429) after few requests, several of which were under way at once, or the first ones | fewer at a time, at most half |
//! | later refusals after many within a second, or of the only one under way | a pace just below what was taken |
//! | 503, or answers that take four times as long as before | half as many at a time |
//! | all that may be under way are, and are answered | one more at a time, up to what was refused |
//! | nothing was refused for a while | a little more of both |
//! | everything is refused | nothing: it is not about how many there are |

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Limits of servers are most often by the second.
const WINDOW: Duration = Duration::from_secs(1);
/// The same with what clocks and the network add: what was taken within a window goes out again within this time.
pub(super) const FULL_WINDOW: Duration = Duration::from_millis(1_020);
/// So many requests within a window are refused for their rate rather than for being under way at once.
const MANY: usize = 10;
/// Below what was taken before a refusal, so that the clocks' and the network's unevenness is no excess: at 20
/// requests a second one may be 30 milliseconds late.
const MARGIN: f64 = 0.96;
/// Below the pace that was learned, when it is refused again: more uneven than thought.
const AGAIN: f64 = 0.98;
/// However often it is refused again, if the server goes on taking as much.
const SLOWEST_PACE: f64 = 0.92;
/// How long a refusal is remembered before more is tried; twice as long after each. To try costs what the server
/// wants to be left alone for, mostly a second or two: less than a thirtieth of this.
const FIRST_HOLD: Duration = Duration::from_mins(1);
const LONGEST_HOLD: Duration = Duration::from_mins(10);
/// Then the pace rises by this factor in each step.
const RISE: f64 = 1.05;
const STEP: Duration = Duration::from_secs(5);
/// A pace that rose this far above what was refused once limits nothing any more.
const FORGOTTEN: f64 = 4.0;
/// Answers that take so many times as long as before, and at least so long, are a sign of overload.
const SLOW: f64 = 4.0;
const SLOWEST: Duration = Duration::from_secs(1);

/// A request that was sent: when, and how many were under way with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) at: Instant,
    pub(super) under_way: usize,
}

#[derive(Debug)]
pub(super) struct Lessons {
    /// At a time, at most.
    most: usize,
    limit: usize,
    /// What was refused, and until when that counts.
    ceiling: Option<(usize, Instant)>,
    /// Answers in a row while as many as permitted were under way.
    full: usize,
    pace: Option<Pace>,
    hold: Duration,
    /// When requests that were taken lately were sent.
    taken: VecDeque<Instant>,
    /// When the last requests went out at the pace that was learned: as many as were taken within a window.
    gone: VecDeque<Instant>,
    /// Since the server was left alone the last time.
    resumed: Option<Instant>,
    trouble: Option<Trouble>,
    /// The usual time of an answer, the shortest that it was, and when it led to something.
    latency: Option<(f64, f64)>,
    cut: Option<Instant>,
}

/// So many requests a second.
#[derive(Clone, Copy, Debug)]
struct Pace {
    rate: f64,
    /// What was taken within a window before more was refused.
    taken: usize,
    rises: Instant,
}

/// Refusals since the server was left alone the last time.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    first: Instant,
    refused: usize,
    under_way: usize,
}

impl Lessons {
    /// `most` requests at a time.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            limit: most.max(1),
            ceiling: None,
            full: 0,
            pace: None,
            hold: FIRST_HOLD,
            taken: VecDeque::new(),
            gone: VecDeque::new(),
            resumed: None,
            trouble: None,
            latency: None,
            cut: None,
        }
    }

    /// How many requests may be under way.
    pub(super) fn limit(&self) -> usize {
        self.limit.min(self.most)
    }

    /// The time between two requests, where there is a pace.
    pub(super) fn interval(&mut self, now: Instant) -> Option<Duration> {
        let pace = self.pace.as_mut()?;
        while pace.rises <= now {
            pace.rate *= RISE;
            pace.rises += STEP;
            if pace.rate > as_rate(pace.taken) * FORGOTTEN {
                self.pace = None;
                return None;
            }
        }
        Duration::try_from_secs_f64(1.0 / pace.rate).ok()
    }

    /// Until when as many requests are on record as were taken within a window.
    pub(super) fn full_until(&self) -> Option<Instant> {
        let pace = self.pace?;
        // Above what was refused, the server is being asked for more.
        if pace.rate > as_rate(pace.taken) {
            return None;
        }
        let first = self.gone.len().checked_sub(pace.taken)?;
        self.gone.get(first)?.checked_add(FULL_WINDOW)
    }

    /// A request goes out at the pace that was learned.
    pub(super) fn goes(&mut self, now: Instant) {
        let Some(pace) = self.pace else {
            return;
        };
        self.gone.push_back(now);
        while self.gone.len() > pace.taken {
            self.gone.pop_front();
        }
    }

    /// A request was answered, whatever the answer says of it.
    pub(super) fn taken(&mut self, sent: Sent, now: Instant) {
        let since = self.trouble.map_or(now, |trouble| trouble.first);
        let oldest = since.min(now).checked_sub(WINDOW).unwrap_or(since);
        while self.taken.front().is_some_and(|at| *at < oldest) {
            self.taken.pop_front();
        }
        self.taken.push_back(sent.at);
        if self.is_slow(now.saturating_duration_since(sent.at)) {
            self.halve(now);
            return;
        }
        self.full = if sent.under_way >= self.limit() {
            self.full + 1
        } else {
            0
        };
        if self.full < self.limit() || self.limit >= self.most {
            return;
        }
        self.full = 0;
        match self.ceiling {
            Some((ceiling, until)) if self.limit >= ceiling && now < until => {}
            _ => self.limit += 1,
        }
    }

    /// A request was refused because there were too many (429).
    pub(super) fn refused(&mut self, sent: Sent) {
        let trouble = self.trouble.get_or_insert(Trouble {
            first: sent.at,
            refused: 0,
            under_way: 0,
        });
        trouble.first = trouble.first.min(sent.at);
        trouble.refused += 1;
        trouble.under_way = trouble.under_way.max(sent.under_way);
    }

    /// The server said that it cannot cope (503).
    pub(super) fn overloaded(&mut self, now: Instant) {
        self.halve(now);
    }

    /// The server was left alone for as long as it wanted to be, and the next request goes out.
    pub(super) fn resume(&mut self, now: Instant) {
        let Some(trouble) = self.trouble.take() else {
            return;
        };
        let from = trouble.first.checked_sub(WINDOW).unwrap_or(trouble.first);
        let from = self.resumed.map_or(from, |resumed| resumed.max(from));
        let taken = self.taken.iter().filter(|at| **at >= from).count();
        self.resumed = Some(now);
        self.full = 0;
        if taken == 0 {
            // What was learned of such refusals does not help.
            self.limit = self.limit.saturating_mul(2).min(self.most);
            self.ceiling = None;
            return;
        }
        // At first it may be about how many were under way, however many were taken before: fewer are tried for
        // a moment, and the next refusal shows.
        let is_many = taken >= MANY;
        let is_rate = (is_many && self.limit < self.most) || trouble.under_way == 1;
        if trouble.under_way > 1 {
            let left = trouble.under_way.saturating_sub(trouble.refused).max(1);
            self.limit = left.min(self.limit / 2).max(1);
            let hold = if is_many { WINDOW * 2 } else { self.hold };
            self.ceiling = (!is_rate).then_some((left, now + hold));
        }
        if is_rate {
            let most = as_rate(taken);
            let rate = match self.pace {
                Some(pace) if pace.rate < most => (pace.rate * AGAIN).max(most * SLOWEST_PACE),
                Some(_) | None => most * MARGIN,
            };
            self.gone.clear();
            self.pace = Some(Pace {
                rate,
                taken,
                rises: now + self.hold,
            });
        }
        if is_rate || !is_many {
            self.hold = (self.hold * 2).min(LONGEST_HOLD);
        }
    }

    fn is_slow(&mut self, took: Duration) -> bool {
        let took = took.as_secs_f64();
        let (usual, best) = self.latency.unwrap_or((took, took));
        let usual = usual + (took - usual) / 8.0;
        self.latency = Some((usual, best.min(usual)));
        usual > best * SLOW && usual > SLOWEST.as_secs_f64()
    }

    /// At most once while the answers to what was under way come in.
    fn halve(&mut self, now: Instant) {
        if self.cut.is_some_and(|cut| now < cut + STEP) {
            return;
        }
        self.cut = Some(now);
        self.full = 0;
        self.limit = (self.limit / 2).max(1);
        // What is slow now may be so from now on.
        self.latency = None;
    }
}

#[expect(clippy::cast_precision_loss, reason = "requests within a second")]
fn as_rate(within_a_window: usize) -> f64 {
    within_a_window as f64 / WINDOW.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(at: Instant, under_way: usize) -> Sent {
        Sent { at, under_way }
    }

    fn after(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn so_many_at_a_time_are_found_by_one_burst() {
        let start = Instant::now();
        let mut lessons = Lessons::new(8);
        for number in 1..=8 {
            let one = sent(start, number);
            if number <= 2 {
                lessons.taken(one, after(start, 5));
            } else {
                lessons.refused(one);
            }
        }
        lessons.resume(after(start, 1_000));
        assert_eq!(lessons.limit(), 2);
        assert_eq!(lessons.interval(after(start, 1_000)), None);
        // That stays so for a while, and then one more is tried.
        for number in 0..100 {
            let at = after(start, 1_000 + number);
            lessons.taken(sent(at, 2), at);
        }
        assert_eq!(lessons.limit(), 2);
        let later = after(start, 70_000);
        for _ in 0..2 {
            lessons.taken(sent(later, 2), later);
        }
        assert_eq!(lessons.limit(), 3);
    }

    #[test]
    fn so_many_a_second_are_found_by_two_bursts() {
        let start = Instant::now();
        let mut lessons = Lessons::new(8);
        for (begin, under_way) in [(0, 8), (1_020, 1)] {
            // The first may be about how many were under way.
            assert_eq!(lessons.interval(after(start, begin)), None);
            for number in 0..20 {
                let at = after(start, begin + number);
                lessons.taken(sent(at, under_way), at);
            }
            for number in 0..8 {
                lessons.refused(sent(after(start, begin + 20 + number), under_way));
            }
            lessons.resume(after(start, begin + 1_020));
        }
        let now = after(start, 2_040);
        let interval = lessons.interval(now).unwrap();
        let wanted = Duration::from_secs_f64(1.0 / (20.0 * MARGIN));
        assert_eq!(interval, wanted);
        // After a while a little more is tried.
        let later = lessons.interval(after(now, 60_000)).unwrap();
        assert!(later < interval && later > interval / 2, "{later:?}");
        assert_eq!(lessons.interval(after(start, 1_000_000)), None);
    }

    #[test]
    fn fewer_at_a_time_are_tried_before_a_pace() {
        let start = Instant::now();
        let mut lessons = Lessons::new(8);
        for number in 0..12 {
            let at = after(start, number * 20);
            lessons.taken(sent(at, 1), at);
        }
        for number in 3..=8 {
            lessons.refused(sent(after(start, 300), number));
        }
        let now = after(start, 1_300);
        lessons.resume(now);
        assert_eq!((lessons.limit(), lessons.interval(now)), (2, None));
        // Soon more are tried, as it may have been too many a second.
        for later in [now, after(now, 3_000)] {
            for _ in 0..2 {
                lessons.taken(sent(later, 2), later);
            }
        }
        assert_eq!(lessons.limit(), 3);
    }

    #[test]
    fn a_slow_limit_is_found_once_requests_go_one_by_one() {
        let mut now = Instant::now();
        let mut lessons = Lessons::new(8);
        for _ in 0..3 {
            let limit = lessons.limit();
            for number in 0..5 {
                lessons.taken(sent(now, limit.min(number + 1)), now);
            }
            for _ in 0..limit.min(3) {
                lessons.refused(sent(now, limit));
            }
            now = after(now, 1_000);
            lessons.resume(now);
        }
        let interval = lessons.interval(now).unwrap();
        assert_eq!(interval, Duration::from_secs_f64(1.0 / (5.0 * MARGIN)));
    }

    #[test]
    fn a_server_that_refuses_everything_teaches_nothing() {
        let start = Instant::now();
        let mut lessons = Lessons::new(8);
        for round in 0..10 {
            for number in 1..=8 {
                lessons.refused(sent(after(start, round), number));
            }
            lessons.resume(after(start, round));
        }
        assert_eq!(lessons.limit(), 8);
        assert_eq!(lessons.interval(start), None);
    }

    #[test]
    fn a_server_that_cannot_cope_gets_half_as_many_and_then_one_more_each_time() {
        let start = Instant::now();
        let mut lessons = Lessons::new(8);
        for _ in 0..8 {
            lessons.overloaded(start);
        }
        assert_eq!(lessons.limit(), 4);
        for _ in 0..9 {
            lessons.taken(sent(start, 5), start);
        }
        assert_eq!(lessons.limit(), 6);
    }

    #[test]
    fn a_server_that_becomes_slow_gets_fewer_at_a_time() {
        let start = Instant::now();
        let mut lessons = Lessons::new(8);
        for _ in 0..20 {
            lessons.taken(sent(start, 8), after(start, 100));
        }
        assert_eq!(lessons.limit(), 8);
        for _ in 0..20 {
            lessons.taken(sent(start, 1), after(start, 3_000));
        }
        assert_eq!(lessons.limit(), 4);
    }
}
